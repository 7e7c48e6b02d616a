//! The socket of a connection, in the clear or inside TLS, as bytes in and bytes out that never block.
//!
//! Not here: handshakes, which are over before a worker sees the connection. Invariant: what `write`
//! says it took goes out in its order; while some of it waits for the socket, `is_full` says so.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;

use mio::net::TcpStream;
use rustls::ServerConnection;

/// Bytes that TLS holds for a socket that takes nothing.
const SEALED_BYTES_MAX: usize = 32 * 1024;

/// A connection before a worker has it.
pub(super) struct Arrival {
    pub(super) socket: std::net::TcpStream,
    /// Set when it is inside TLS.
    pub(super) tls: Option<Box<ServerConnection>>,
    /// The name in its certificate.
    pub(super) device: Option<String>,
}

/// See the head of this file.
pub(super) struct Line {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
}

impl Line {
    pub(super) fn new(socket: TcpStream, tls: Option<Box<ServerConnection>>) -> Self {
        let mut line = Self { socket, tls };
        if let Some(tls) = &mut line.tls {
            tls.set_buffer_limit(Some(SEALED_BYTES_MAX));
        }
        line
    }

    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether an empty socket is known only by asking it: more may lie open in TLS.
    pub(super) fn must_be_asked(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads once; 0 at the end.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(chunk) };
        loop {
            match tls.reader().read(chunk) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The socket ended without a word of TLS: an end all the same.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                // The next look at the reader says whether that was a clean end.
                tls.process_new_packets().map_err(io::Error::other)?;
                continue;
            }
            let processed = tls.process_new_packets();
            // An alert for what was wrong, or an answer to a change of keys.
            seal(tls, &mut self.socket)?;
            processed.map_err(io::Error::other)?;
        }
    }

    /// Takes what it can; `WouldBlock` when that is nothing.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        seal(tls, &mut self.socket)?;
        match tls.writer().write(bytes)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            taken => {
                seal(tls, &mut self.socket)?;
                Ok(taken)
            }
        }
    }

    /// Bytes that were taken wait for the socket.
    pub(super) fn is_full(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// The socket takes bytes again.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| seal(tls, &mut self.socket))
    }

    /// Says that nothing more will be written.
    pub(super) fn shut(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // Whether it still gets there does not matter: the end of the socket says it too.
            seal(tls, &mut self.socket).ok();
        }
        // It may have closed already; then reading says so.
        self.socket.shutdown(Shutdown::Write).ok();
    }
}

/// Gives the socket as much as it takes.
fn seal(tls: &mut ServerConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
