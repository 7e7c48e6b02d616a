//! Accepts MQTT connections on our own port and deals them out to a few workers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mio::{Poll, Waker};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::commit::{Mail, Mailbox, carry_out};
use super::line::Arrival;
use super::worker::{BELL, GRACE, Worker};
use super::{MqttCounters, MqttSink, Names, count};
use crate::tls::{HANDSHAKE, Tls, name_of};

/// What one client, and all together, may use up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections open at a time.
    pub(crate) connections_max: usize,
    /// Size of one packet in bytes, the payload included.
    pub(crate) packet_bytes_max: u32,
    /// Messages of one connection that are not on disk yet; above it we stop reading.
    pub(crate) in_flight_max: u16,
    /// Bytes of packets that have come in part, of all connections of one worker.
    pub(crate) held_bytes_max: usize,
    /// Time from the connection to its CONNECT, and for a client to read an answer.
    pub(crate) patience: Duration,
    /// Silence after which a client that asked for no keep-alive is gone.
    pub(crate) silence_max: Duration,
    /// Threads that serve connections.
    pub(crate) workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            packet_bytes_max: 4 * 1024 * 1024,
            in_flight_max: 512,
            held_bytes_max: 256 << 20,
            patience: Duration::from_secs(10),
            silence_max: Duration::from_hours(6),
            workers: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)),
        }
    }
}

/// Wait after the system refuses a new connection (out of file handles, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A worker as its listener sees it.
struct Staff<P> {
    mailbox: Arc<Mailbox<P>>,
    commits: JoinHandle<()>,
}

/// Serves MQTT, inside TLS or not, until `stop` turns true; then takes nothing new, acknowledges what becomes durable
/// within a few seconds, says farewell and returns.
///
/// # Errors
/// When a worker cannot be started, or ends before it was told to.
pub(crate) async fn listen<S: MqttSink>(
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
    sink: Arc<S>,
    limits: Limits,
    counters: Arc<MqttCounters>,
    names: Arc<Names<S::Permit>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut staff = Vec::new();
    let mut ends = FuturesUnordered::new();
    for number in 0..limits.workers.max(1) {
        let (member, end) = hire(number, &sink, limits, &counters, &names)?;
        staff.push(member);
        ends.push(end);
    }
    let mut next = staff.iter().cycle();
    let outcome = loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break Ok(()),
            _ = ends.next() => break Err(io::Error::other("a worker ended")),
            accepted = socket.accept() => accepted,
        };
        if counters.connections.load(Ordering::Relaxed) >= limits.connections_max as u64 {
            // Closing at once is all that can be said before a CONNECT.
            count(&counters.over_limit);
            continue;
        }
        // Acknowledgements are small and waited for.
        match accepted.and_then(|(stream, _)| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => {
                count(&counters.connections);
                let Some(member) = next.next() else { continue };
                let mailbox = Arc::clone(&member.mailbox);
                greet(stream, tls.as_deref(), mailbox, &counters);
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept an MQTT connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    // Whoever connects from now on is refused by the system.
    drop(socket);
    for member in &staff {
        member.mailbox.post(Mail::Stop);
    }
    while ends.next().await.is_some() {}
    for mut member in staff {
        // What nobody hears of any more is still made durable, within reason.
        if tokio::time::timeout(GRACE, &mut member.commits).await.is_err() {
            member.commits.abort();
        }
    }
    outcome
}

/// Hands a connection to a worker, once keys are agreed upon: that is done beside, so that nobody waits
/// for a slow stranger.
fn greet<P: Send + Sync + 'static>(
    stream: TcpStream,
    tls: Option<&Tls>,
    mailbox: Arc<Mailbox<P>>,
    counters: &Arc<MqttCounters>,
) {
    let pass =
        move |stream: TcpStream, tls, device, counters: &MqttCounters| match stream.into_std() {
            Ok(socket) => mailbox.post(Mail::Arrived(Arrival { socket, tls, device })),
            Err(error) => {
                tracing::warn!(error = %error, "an MQTT connection cannot be handed on");
                counters.connections.fetch_sub(1, Ordering::Relaxed);
            }
        };
    let Some(tls) = tls else { return pass(stream, None, None, counters) };
    let handshake = tokio::time::timeout(HANDSHAKE, tls.mqtt().accept(stream));
    let counters = Arc::clone(counters);
    tokio::spawn(async move {
        let Ok(Ok(stream)) = handshake.await else {
            count(&counters.handshakes);
            counters.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        let device = name_of(stream.get_ref().1.peer_certificates());
        let (stream, tls) = stream.into_inner();
        pass(stream, Some(Box::new(tls)), device, &counters);
    });
}

/// Starts a worker and its committing task; resolves the second when the worker has ended.
fn hire<S: MqttSink>(
    number: usize,
    sink: &Arc<S>,
    limits: Limits,
    counters: &Arc<MqttCounters>,
    names: &Arc<Names<S::Permit>>,
) -> io::Result<(Staff<S::Permit>, oneshot::Receiver<()>)> {
    let poll = Poll::new()?;
    let mailbox = Arc::new(Mailbox::new(Waker::new(poll.registry(), BELL)?));
    let (jobs, waiting) = mpsc::unbounded_channel();
    let commits = carry_out(Arc::clone(sink), waiting, Arc::clone(&mailbox));
    let commits = tokio::spawn(commits);
    let worker = Worker::new(
        poll,
        Arc::clone(sink),
        limits,
        Arc::clone(counters),
        Arc::clone(names),
        Arc::clone(&mailbox),
        jobs,
    );
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name(format!("mqtt-{number}")).spawn(move || {
        worker.run();
        // The listener may have gone before us.
        let _ = ended.send(());
    })?;
    Ok((Staff { mailbox, commits }, end))
}
