//! What changed since somebody last looked: streams that had readings, a bit each, and entities by their ids.
//!
//! What it is not: a queue. However often a thing changed, it is there once. Invariant: while nobody looks,
//! nothing is kept; what is kept is bounded by the number of streams and by [`ENTITIES_MAX`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use chengmai_model::{Reading, StreamId};
use parking_lot::Mutex;

/// Entities that are kept; those that change beyond that are not told.
const ENTITIES_MAX: usize = 100_000;

/// Ids of entities, each with the whole names of the attributes that changed.
pub(crate) type Entities = BTreeMap<String, BTreeSet<String>>;

/// What changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    is_wanted: AtomicBool,
    /// Whoever looks must read anew what they look for.
    is_stale: AtomicBool,
    streams: Mutex<Vec<u64>>,
    entities: Mutex<Entities>,
}

impl Changes {
    /// Says whether anybody looks.
    pub(crate) fn want(&self, is_wanted: bool) {
        if self.is_wanted.swap(is_wanted, Ordering::Relaxed) && !is_wanted {
            *self.streams.lock() = Vec::new();
            self.entities.lock().clear();
        }
    }

    /// Tells whoever looks that somebody wants something else from now on.
    pub(crate) fn look_anew(&self) {
        // Wanted from this moment on, so that nothing is missed until they do.
        self.is_wanted.store(true, Ordering::Relaxed);
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// Whether they must, once.
    pub(crate) fn is_stale(&self) -> bool {
        self.is_stale.swap(false, Ordering::Relaxed)
    }

    /// Notes the streams of some readings.
    pub(crate) fn note_readings(&self, readings: &[Reading]) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut bits = self.streams.lock();
        for reading in readings {
            let (word, bit) = (reading.stream.0 as usize / 64, reading.stream.0 % 64);
            if word >= bits.len() {
                bits.resize(word + 1, 0);
            }
            bits[word] |= 1 << bit;
        }
    }

    /// Notes an entity.
    pub(crate) fn note_entity(&self, id: String, attributes: Vec<String>) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut entities = self.entities.lock();
        if entities.len() < ENTITIES_MAX || entities.contains_key(&id) {
            entities.entry(id).or_default().extend(attributes);
        }
    }

    /// Streams that changed, at most so many; the others stay for the next look.
    pub(crate) fn take_streams(&self, most: usize) -> Vec<StreamId> {
        let mut bits = self.streams.lock();
        let mut taken = Vec::new();
        for (word, place) in bits.iter_mut().zip(0_u32..) {
            while *word != 0 && taken.len() < most {
                taken.push(StreamId(place * 64 + word.trailing_zeros()));
                *word &= *word - 1;
            }
            if taken.len() >= most {
                break;
            }
        }
        taken
    }

    /// Entities that changed.
    pub(crate) fn take_entities(&self) -> Entities {
        std::mem::take(&mut *self.entities.lock())
    }
}

#[cfg(test)]
mod tests {
    use chengmai_model::Timestamp;

    use super::*;

    fn readings(streams: &[u32]) -> Vec<Reading> {
        let one = |&s: &u32| Reading { stream: StreamId(s), at: Timestamp(0), value: 0.0 };
        streams.iter().map(one).collect()
    }

    #[test]
    fn a_stream_that_changed_often_is_there_once_and_what_is_left_comes_next() {
        let changes = Changes::default();
        changes.note_readings(&readings(&[1]));
        assert!(changes.take_streams(9).is_empty(), "nobody looks");
        changes.look_anew();
        assert!(changes.is_stale() && !changes.is_stale());
        changes.note_readings(&readings(&[700, 3, 64, 3]));
        assert_eq!(changes.take_streams(2), [StreamId(3), StreamId(64)]);
        assert_eq!(changes.take_streams(2), [StreamId(700)]);
        assert!(changes.take_streams(2).is_empty());
        changes.note_entity("a".into(), vec!["x".into()]);
        changes.note_entity("a".into(), vec!["y".into()]);
        assert_eq!(changes.take_entities()["a"].len(), 2);
        changes.note_readings(&readings(&[5]));
        changes.want(false);
        assert!(changes.take_streams(9).is_empty(), "what nobody wants is forgotten");
    }
}
