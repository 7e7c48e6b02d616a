//! Accepts MQTT connections on our own port, each served by a task of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::serve;
use super::{MqttCounters, MqttSink, count};

/// What one client may use up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections open at a time.
    pub(crate) connections_max: usize,
    /// Size of one packet in bytes, the payload included.
    pub(crate) packet_bytes_max: u32,
    /// Messages of one connection that are not on disk yet; above it we stop reading.
    pub(crate) in_flight_max: u16,
    /// Time from the connection to its CONNECT, and for us to write an answer.
    pub(crate) patience: Duration,
    /// Silence after which a client that asked for no keep-alive is gone.
    pub(crate) silence_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            packet_bytes_max: 4 * 1024 * 1024,
            in_flight_max: 512,
            patience: Duration::from_secs(10),
            silence_max: Duration::from_hours(6),
        }
    }
}

/// How long connections may take to hand over what is in flight when we stop.
const GRACE: Duration = Duration::from_secs(5);
/// Wait after the system refuses a new connection (out of file handles, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves MQTT until `stop` turns true; then takes nothing new, acknowledges what becomes durable
/// within a few seconds, says farewell and returns.
pub(crate) async fn listen<S: MqttSink>(
    socket: TcpListener,
    sink: Arc<S>,
    limits: Limits,
    counters: Arc<MqttCounters>,
    mut stop: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        let stream = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = open.join_next() => continue,
            accepted = socket.accept() => accepted,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept an MQTT connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if open.len() >= limits.connections_max {
            // Closing at once is all that can be said before a CONNECT.
            count(&counters.over_limit);
            continue;
        }
        // Acknowledgements are small and waited for.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "cannot set TCP_NODELAY");
        }
        let (sink, counters, stop) = (Arc::clone(&sink), Arc::clone(&counters), stop.clone());
        open.spawn(async move {
            let guard = Open::new(counters);
            let ended = serve(stream, &*sink, limits, &guard.0, stop).await;
            tracing::debug!(ended = ?ended, "MQTT connection closed");
        });
    }
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::warn!(left = open.len(), "MQTT connections are cut off");
    }
}

/// Counts a connection as open for as long as it lives, however it ends.
struct Open(Arc<MqttCounters>);

impl Open {
    fn new(counters: Arc<MqttCounters>) -> Self {
        count(&counters.connections);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
