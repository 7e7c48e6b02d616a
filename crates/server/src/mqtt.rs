//! MQTT, both ways in: our own listener for devices that have nothing else, and a subscriber to the
//! city's broker. Both hand messages to one [`MqttSink`] and acknowledge a message only after the
//! sink says its readings are on disk.
//!
//! What it is not: a broker. What is published goes to the sink and to nobody else; whoever may read can
//! follow what is new in the city, as the sink grants it. Nothing is retained; a will is taken as a
//! message of the one who left it; and there are no sessions: what is not acknowledged when a connection
//! ends, its sender sends again.
//! That makes every quality of service above 0 "at least once"; the engine drops the repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chengmai_model::{Reading, Timestamp};
use chengmai_wire::mqtt::Publish;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

mod alarms;
mod commit;
mod ear;
mod line;
mod listener;
mod names;
mod packets;
mod peer;
mod protocol;
mod resume;
mod subscriber;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use ear::{Hears, Told};
pub(crate) use listener::{Limits, listen};
pub(crate) use names::Names;
pub(crate) use subscriber::{BrokerUrl, subscribe};

/// One message as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its topic.
    pub(crate) topic: String,
    /// Its payload.
    pub(crate) payload: Bytes,
}

/// Who a sender says it is, and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Papers {
    /// Its user name, which we do not need.
    pub(crate) user: Option<String>,
    /// Its password: a bearer token.
    pub(crate) password: Option<Vec<u8>>,
    /// The name in its certificate.
    pub(crate) device: Option<String>,
}

/// What takes the readings: accounts, registry and journal stand behind it.
pub(crate) trait MqttSink: Send + Sync + 'static {
    /// What a sender may do, found out once when it connects.
    type Permit: Send + Sync + 'static;
    /// What is remembered of a connection from one message to the next.
    type Memo: Default + Send + 'static;

    /// Checks who a sender says it is. Some permit when it may send or follow anything.
    fn authenticate<'a>(&'a self, papers: &'a Papers) -> BoxFuture<'a, Option<Self::Permit>>;

    /// Adds the readings of a message that can be taken by a mere look: of known streams, within
    /// their limits. False for any other, of which nothing is added: it goes to [`MqttSink::take`].
    fn quick(
        &self,
        permit: &Self::Permit,
        memo: &mut Self::Memo,
        publish: &Publish<'_>,
        now: Timestamp,
        readings: &mut Vec<Reading>,
    ) -> bool;

    /// Puts such readings on disk, of many messages together. Given in order like messages.
    fn keep(&self, readings: Vec<Reading>) -> BoxFuture<'_, Result<(), TakeError>>;

    /// Takes the readings of one message; resolves when they are on disk or refused, every refusal
    /// counted. Messages of one sender are given in their order, the next before the last has
    /// resolved. The future may be dropped when its connection breaks: whether the readings were
    /// kept is then open, and the sender sends them again.
    fn take<'a>(
        &'a self,
        permit: &'a Self::Permit,
        message: Message,
    ) -> BoxFuture<'a, Result<Taken, TakeError>>;

    /// Whether it may send anything at all. One that may not, and does, is sent away.
    fn may_send(&self, permit: &Self::Permit) -> bool {
        let _ = permit;
        true
    }

    /// Has a connection told what is new under these topics, which ask for quality of service 1 or not; a
    /// verdict on each, in their order.
    fn follow<'a>(
        &'a self,
        permit: &'a Self::Permit,
        ear: Arc<dyn Hears>,
        topics: Vec<(String, bool)>,
    ) -> BoxFuture<'a, Vec<Verdict>> {
        let _ = (permit, ear);
        let refused = |_| Verdict::Refused(Why::Forbidden, String::new());
        futures_util::future::ready(topics.into_iter().map(refused).collect()).boxed()
    }

    /// Takes topics back; for each whether it was followed.
    fn unfollow(&self, ear: u64, topics: &[String]) -> Vec<bool> {
        let _ = ear;
        vec![false; topics.len()]
    }

    /// A connection that followed something has ended.
    fn leave(&self, ear: u64) {
        let _ = ear;
    }
}

/// What a topic of a SUBSCRIBE is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Quality of service 1, or 0.
    Granted(bool),
    /// Nothing, and why in words.
    Refused(Why, String),
}

/// Why a topic is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It leads nowhere, whatever is there.
    Unreadable,
    /// A pattern, where only single addresses are taken.
    Wildcard,
    /// A topic to be shared with others.
    Shared,
    /// Not for this one, or not there.
    Forbidden,
    /// Too many are followed already.
    TooMany,
    /// It cannot be looked up now.
    Failed,
}

/// What became of a message's readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// On disk.
    pub(crate) accepted: u64,
    /// Refused for good: sending them again changes nothing.
    pub(crate) refused: u64,
}

/// Why a message was not taken; it may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TakeError {
    /// A disk write failed; readings are not taken any more.
    #[error("readings are not taken any more")]
    Stopped,
    /// The queue is full.
    #[error("the queue is full")]
    Overloaded,
}

/// Counts since the start, and the number of open connections.
#[derive(Debug, Default)]
pub(crate) struct MqttCounters {
    /// Connections that are open now.
    pub(crate) connections: AtomicU64,
    /// Connections that were accepted with their CONNECT.
    pub(crate) connected: AtomicU64,
    /// Connections refused because too many were open.
    pub(crate) over_limit: AtomicU64,
    /// Connections closed because keys for TLS were not agreed upon.
    pub(crate) handshakes: AtomicU64,
    /// Connections refused for their name, token or protocol.
    pub(crate) unauthorised: AtomicU64,
    /// Connections closed for a packet that breaks the protocol or the size limit.
    pub(crate) malformed: AtomicU64,
    /// Connections closed because nothing came within the keep-alive time.
    pub(crate) silent: AtomicU64,
    /// Connections closed because the sink was overloaded or stopped.
    pub(crate) turned_away: AtomicU64,
    /// Connections closed because another came with the same client id and the same token.
    pub(crate) taken_over: AtomicU64,
    /// Messages received, by the listener and the subscriber.
    pub(crate) messages: AtomicU64,
    /// Connections closed because what they follow came faster than they took it.
    pub(crate) too_slow: AtomicU64,
    /// Topics that are followed now.
    pub(crate) topics: AtomicU64,
    /// Messages sent to followers.
    pub(crate) told: AtomicU64,
    /// Messages that were longer than their followers take.
    pub(crate) too_long: AtomicU64,
    /// Bytes that wait for followers.
    pub(crate) waiting_bytes: AtomicU64,
    /// Connections made to the city's broker.
    pub(crate) broker_connects: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
