//! One connection: its socket, how far it has come, and the few bytes that could not be read or
//! written whole.
//!
//! It decides nothing about time or messages: the worker does. A connection that is quiet holds no
//! buffer.

use std::io::ErrorKind;
use std::sync::Arc;

use super::ear::Listening;
use super::line::Line;
use super::protocol::{Ended, Protocol};
use super::{Limits, Message, MqttSink};

/// Unread answers that we keep for a client; above it we take nothing more from it.
pub(super) const OUT_BYTES_MAX: usize = 16 * 1024;

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Stage<P> {
    /// Its CONNECT has not come.
    Greeting,
    /// Its name and token are being looked up.
    Knocking { nameless: bool },
    /// It may send readings.
    Open(Arc<P>),
    /// Our last word is said; what it still sends is thrown away until it closes.
    Leaving,
}

/// A connection.
pub(super) struct Peer<S: MqttSink> {
    pub(super) line: Line,
    /// The name in its certificate.
    pub(super) device: Option<String>,
    /// The hash of its client id, with what proves who it is.
    pub(super) name: Option<u64>,
    /// What is to be taken as sent by it should it go without a word.
    pub(super) will: Option<Box<Message>>,
    /// Tells it from others that had the same place.
    pub(super) serial: u32,
    pub(super) stage: Stage<S::Permit>,
    pub(super) protocol: Protocol,
    pub(super) memo: S::Memo,
    /// Bytes that are not taken yet: part of a packet, or packets there is no room for.
    pub(super) held: Vec<u8>,
    /// True when `held` begins with a whole packet.
    pub(super) fresh: bool,
    /// Answers that the socket did not take yet.
    out: Vec<u8>,
    /// Messages whose answer or end is not known yet.
    pub(super) in_flight: u16,
    /// The socket may have something to read.
    pub(super) readable: bool,
    /// The other side writes no more, or the socket broke: reading will say which.
    pub(super) hung_up: bool,
    /// It waits to be served.
    pub(super) queued: bool,
    /// Tick of the last byte from it.
    pub(super) heard: u32,
    /// It was read once more since it is overdue.
    pub(super) asked: bool,
    /// Tick of the first answer that it has not read.
    pub(super) stalled: Option<u32>,
    /// Tick of its next alarm.
    pub(super) alarm: u32,
    /// What it is told, once it has asked for something.
    pub(super) listening: Option<Box<Listening<S::Permit>>>,
}

impl<S: MqttSink> Peer<S> {
    pub(super) fn new(
        line: Line,
        device: Option<String>,
        serial: u32,
        limits: &Limits,
        now: u32,
    ) -> Self {
        Self {
            line,
            device,
            name: None,
            will: None,
            serial,
            stage: Stage::Greeting,
            protocol: Protocol::new(limits.packet_bytes_max),
            memo: S::Memo::default(),
            held: Vec::new(),
            fresh: false,
            out: Vec::new(),
            in_flight: 0,
            readable: true,
            hung_up: false,
            queued: false,
            heard: now,
            asked: false,
            stalled: None,
            alarm: u32::MAX,
            listening: None,
        }
    }

    /// Whether another packet of it may be taken.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        let stage = matches!(self.stage, Stage::Greeting | Stage::Open(_));
        let asking = self.listening.as_ref().is_some_and(|listening| listening.asking);
        stage && !asking && self.in_flight < limits.in_flight_max && self.out.len() < OUT_BYTES_MAX
    }

    /// Whether serving it would do anything.
    pub(super) fn has_work(&self, limits: &Limits) -> bool {
        let leaving = matches!(self.stage, Stage::Leaving);
        (self.readable || self.fresh) && (leaving || self.has_room(limits))
    }

    /// Reads once; `None` when there is nothing now.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> Result<Option<usize>, Ended> {
        loop {
            match self.line.read(chunk) {
                Ok(0) => return Err(Ended::Broken),
                Ok(len) => {
                    // Less than asked for means that the socket is empty: the system will say when
                    // there is more. An end that was already announced is not announced again.
                    let asked = self.line.must_be_asked();
                    self.readable = len == chunk.len() || self.hung_up || asked;
                    return Ok(Some(len));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends an answer, or keeps what the socket does not take.
    pub(super) fn send(&mut self, bytes: &[u8], now: u32) -> Result<(), Ended> {
        let written = if self.out.is_empty() { self.write(bytes)? } else { 0 };
        self.out.extend_from_slice(&bytes[written..]);
        if self.owes() {
            self.stalled.get_or_insert(now);
        }
        Ok(())
    }

    /// The socket takes bytes again.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
        if !self.owes() {
            return Ok(());
        }
        self.line.flush()?;
        let out = std::mem::take(&mut self.out);
        let written = self.write(&out)?;
        self.out = out[written..].to_vec();
        if self.owes() {
            return Ok(());
        }
        self.stalled = None;
        self.shut_when_done();
        Ok(())
    }

    /// Something that we said has not gone out.
    pub(super) fn owes(&self) -> bool {
        !self.out.is_empty() || self.line.is_full()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Ended> {
        let mut written = 0;
        while written < bytes.len() {
            match self.line.write(&bytes[written..]) {
                Ok(0) => return Err(Ended::Broken),
                Ok(len) => written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }

    /// From here on it is only waited for that it closes, so that our last word is not lost to a
    /// reset.
    pub(super) fn leave(&mut self) {
        self.stage = Stage::Leaving;
        self.held = Vec::new();
        self.fresh = false;
        self.shut_when_done();
    }

    fn shut_when_done(&mut self) {
        if matches!(self.stage, Stage::Leaving) && !self.owes() {
            self.line.shut();
        }
    }
}
