//! What is new, for those outside who follow it: readings as the engine took them, registrations, and
//! entities that clients made or changed, in the order in which they came.
//!
//! It knows no follower. Invariants: while nobody follows, a reading costs one look at a flag; the queue is
//! bounded and nobody waits for it: what finds no room is gone, and whoever follows is told that something
//! is.

use std::sync::atomic::{AtomicBool, Ordering};

use chengmai_model::stream::Registration;
use chengmai_model::{Reading, StreamId};
use chengmai_wire::sensorthings::Kind;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

/// Pieces of news that wait to be told.
const WAITING_MAX: usize = 256;

/// A piece of news.
#[derive(Debug)]
pub(crate) enum New {
    /// Readings that came in, or were corrected.
    Readings(Vec<Reading>),
    /// Devices and streams that are new or have changed.
    Registered(Vec<Registration>),
    /// An entity that a client made or changed.
    Entity(Kind, i64),
}

/// Where news goes in, and who asked for which.
#[derive(Debug)]
pub(crate) struct News {
    /// Whether anybody follows anything.
    is_wanted: AtomicBool,
    wanted: RwLock<Wanted>,
    /// Something found no room.
    missed: AtomicBool,
    sender: mpsc::Sender<New>,
    receiver: Mutex<Option<mpsc::Receiver<New>>>,
}

/// How many ask for what.
#[derive(Debug, Default)]
struct Wanted {
    topics: usize,
    /// Those that any reading may concern.
    wide: usize,
    streams: HashMap<StreamId, usize, FixedState>,
}

impl Default for News {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self {
            is_wanted: AtomicBool::new(false),
            wanted: RwLock::default(),
            missed: AtomicBool::new(false),
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl News {
    /// Where news comes out: for one listener, once.
    pub(crate) fn listen(&self) -> Option<mpsc::Receiver<New>> {
        self.receiver.lock().take()
    }

    /// Somebody follows a topic, which readings of these streams concern; of all where none is named.
    pub(crate) fn want(&self, streams: Option<StreamId>, all: bool) {
        let mut wanted = self.wanted.write();
        wanted.topics += 1;
        wanted.wide += usize::from(all);
        if let Some(stream) = streams {
            *wanted.streams.entry(stream).or_default() += 1;
        }
        self.is_wanted.store(true, Ordering::Release);
    }

    /// Takes that back.
    pub(crate) fn forget(&self, streams: Option<StreamId>, all: bool) {
        let mut wanted = self.wanted.write();
        wanted.topics -= 1;
        wanted.wide -= usize::from(all);
        if let Some(stream) = streams
            && let Some(count) = wanted.streams.get_mut(&stream)
        {
            *count -= 1;
            if *count == 0 {
                wanted.streams.remove(&stream);
            }
        }
        self.is_wanted.store(wanted.topics > 0, Ordering::Release);
    }

    /// Those of some readings that somebody follows.
    pub(crate) fn followed(&self, readings: &[Reading]) -> Vec<Reading> {
        if !self.is_wanted.load(Ordering::Acquire) {
            return Vec::new();
        }
        let wanted = self.wanted.read();
        if wanted.wide > 0 {
            return readings.to_vec();
        }
        if wanted.streams.is_empty() {
            return Vec::new();
        }
        let of = |reading: &&Reading| wanted.streams.contains_key(&reading.stream);
        readings.iter().filter(of).copied().collect()
    }

    /// Readings that somebody follows.
    pub(crate) fn readings(&self, readings: Vec<Reading>) {
        if !readings.is_empty() {
            self.send(New::Readings(readings));
        }
    }

    /// Devices and streams.
    pub(crate) fn registered(&self, list: &[Registration]) {
        if self.is_wanted.load(Ordering::Acquire) {
            self.send(New::Registered(list.to_vec()));
        }
    }

    /// An entity of a client.
    pub(crate) fn entity(&self, kind: Kind, id: i64) {
        if self.is_wanted.load(Ordering::Acquire) {
            self.send(New::Entity(kind, id));
        }
    }

    fn send(&self, new: New) {
        if self.sender.try_send(new).is_err() {
            self.missed.store(true, Ordering::Release);
        }
    }

    /// Whether something found no room since this was asked last.
    pub(crate) fn missed_any(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use chengmai_model::Timestamp;

    use super::*;

    fn reading(stream: u32) -> Reading {
        Reading { stream: StreamId(stream), at: Timestamp(1), value: 1.0 }
    }

    fn streams(readings: &[Reading]) -> Vec<u32> {
        readings.iter().map(|reading| reading.stream.0).collect()
    }

    #[test]
    fn only_what_somebody_follows_is_copied_and_nothing_when_the_last_one_leaves() {
        let news = News::default();
        let all = [reading(1), reading(2), reading(3)];
        assert_eq!(streams(&news.followed(&all)), [] as [u32; 0]);
        news.want(Some(StreamId(2)), false);
        news.want(Some(StreamId(2)), false);
        assert_eq!(streams(&news.followed(&all)), [2]);
        news.want(None, true);
        assert_eq!(streams(&news.followed(&all)), [1, 2, 3]);
        news.forget(None, true);
        news.forget(Some(StreamId(2)), false);
        assert_eq!(streams(&news.followed(&all)), [2]);
        news.forget(Some(StreamId(2)), false);
        assert_eq!(streams(&news.followed(&all)), [] as [u32; 0]);
    }

    #[test]
    fn what_finds_no_room_is_known_to_be_missing() {
        let news = News::default();
        let mut out = news.listen().expect("nobody listens yet");
        assert!(news.listen().is_none(), "there is one listener");
        news.want(None, false);
        for id in (0..).take(WAITING_MAX) {
            news.entity(Kind::Thing, id);
        }
        assert!(!news.missed_any());
        news.entity(Kind::Thing, -1);
        assert!(news.missed_any() && !news.missed_any(), "said once");
        let first = out.try_recv();
        assert!(matches!(first, Ok(New::Entity(Kind::Thing, 0))), "{first:?}");
    }
}
