//! What others tell a connection: a handle that any thread may use, and the queue behind it.
//!
//! Invariants: what waits for one connection is bounded by count and bytes, and so is what waits for all;
//! whoever cannot keep up is not left with gaps it does not know of: its connection ends and says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;

use super::MqttCounters;
use super::commit::{Mail, Mailbox};
use super::protocol::Ended;

/// Messages that wait for one connection, and their bytes.
const WAITING_MAX: usize = 10_000;
const WAITING_BYTES_MAX: usize = 8 << 20;
/// Bytes that wait for all connections.
const ALL_BYTES_MAX: u64 = 256 << 20;

/// A message for somebody who follows a topic.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The topic as it was asked for.
    pub(crate) topic: Arc<str>,
    /// What is said.
    pub(crate) payload: Bytes,
    /// Quality of service 1 was granted.
    pub(crate) at_least_once: bool,
}

/// Whoever may be told something.
pub(crate) trait Hears: Send + Sync {
    /// Tells it from all others.
    fn number(&self) -> u64;
    /// Whether its connection has ended.
    fn is_gone(&self) -> bool;
    /// Tells it; one that does not keep up is sent away.
    fn tell(&self, told: Told);
    /// Sends it away: something that it follows was not told, or it may not be told any more.
    fn send_away(&self, forbidden: bool);
}

/// A connection, as those see it who tell it something.
pub(super) struct Ear<P> {
    number: u64,
    mailbox: Arc<Mailbox<P>>,
    place: u32,
    serial: u32,
    counters: Arc<MqttCounters>,
    waiting: AtomicUsize,
    bytes: AtomicUsize,
    gone: AtomicBool,
}

/// A message on its way, counted as long as it is.
pub(super) struct Parcel<P> {
    pub(super) told: Told,
    ear: Arc<Ear<P>>,
}

/// The worker's side of an ear.
pub(super) struct Listening<P> {
    pub(super) ear: Arc<Ear<P>>,
    pub(super) parcels: VecDeque<Parcel<P>>,
    /// A SUBSCRIBE that is not answered: until then no more packets are taken.
    pub(super) asking: bool,
}

impl<P> Ear<P> {
    pub(super) fn new(
        mailbox: Arc<Mailbox<P>>,
        (place, serial): (u32, u32),
        counters: Arc<MqttCounters>,
    ) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (waiting, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let gone = AtomicBool::new(false);
        Self { number, mailbox, place, serial, counters, waiting, bytes, gone }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// From now on nobody is there.
    pub(super) fn close(&self) {
        self.gone.store(true, Ordering::Release);
    }

    fn end(&self, ended: Ended) {
        if !self.gone.swap(true, Ordering::AcqRel) {
            self.mailbox.post(Mail::End(self.place, self.serial, ended));
        }
    }

    fn parcel(self: &Arc<Self>, told: Told) -> Option<Parcel<P>> {
        let len = told.payload.len() + told.topic.len();
        let waiting = self.waiting.fetch_add(1, Ordering::AcqRel);
        let bytes = self.bytes.fetch_add(len, Ordering::AcqRel);
        let all = self.counters.waiting_bytes.fetch_add(len as u64, Ordering::AcqRel);
        // Dropped, it is not counted any more.
        let parcel = Parcel { told, ear: Arc::clone(self) };
        let fits = waiting < WAITING_MAX && bytes < WAITING_BYTES_MAX && all < ALL_BYTES_MAX;
        fits.then_some(parcel)
    }
}

impl<P> Drop for Parcel<P> {
    fn drop(&mut self) {
        let len = self.told.payload.len() + self.told.topic.len();
        self.ear.waiting.fetch_sub(1, Ordering::AcqRel);
        self.ear.bytes.fetch_sub(len, Ordering::AcqRel);
        self.ear.counters.waiting_bytes.fetch_sub(len as u64, Ordering::AcqRel);
    }
}

/// An ear in the hands of others.
pub(super) struct Heard<P>(pub(super) Arc<Ear<P>>);

impl<P: Send + Sync + 'static> Hears for Heard<P> {
    fn number(&self) -> u64 {
        self.0.number
    }

    fn is_gone(&self) -> bool {
        self.0.gone.load(Ordering::Acquire)
    }

    fn tell(&self, told: Told) {
        if self.is_gone() {
            return;
        }
        match self.0.parcel(told) {
            Some(parcel) => self.0.mailbox.post(Mail::Told(self.0.place, self.0.serial, parcel)),
            None => self.0.end(Ended::TooSlow),
        }
    }

    fn send_away(&self, forbidden: bool) {
        self.0.end(if forbidden { Ended::Forbidden } else { Ended::TooSlow });
    }
}
