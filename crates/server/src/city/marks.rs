//! Bodies taken lately, by what they said: a sender that got no answer sends the same body again,
//! and it must not count twice. A body's mark is made of its accepted readings, so it does not
//! matter through which door they came, and the journal needs no word about it: a replay makes the
//! marks again.
//!
//! Not here: single readings. The engine knows the newest of each stream.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _};

use chengmai_model::time::MINUTE_MS;
use chengmai_model::{Reading, Timestamp};
use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// How long a sender may take to send again.
const KEPT_MS: i64 = 15 * MINUTE_MS;
/// Bodies remembered at most; the oldest go first.
const KEPT_MAX: usize = 1_000_000;
/// Bytes of a saved mark: when, and which.
const SAVED_BYTES: usize = 24;
/// Name of the marks' block in a snapshot.
pub(crate) const MARKS_PART: &str = "marks-1";

/// What a body said, in 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark([u64; 2]);

impl Mark {
    /// The mark of a body. `None` for one reading or none.
    pub(crate) fn of(readings: &[Reading]) -> Option<Self> {
        if readings.len() < 2 {
            return None;
        }
        Some(Self([0x6d61_726b, 0x7365_6e74].map(|seed| {
            let mut hasher = FixedState::with_seed(seed).build_hasher();
            for Reading { stream, at, value } in readings {
                hasher.write_u32(stream.0);
                hasher.write_i64(at.0);
                hasher.write_u64(value.to_bits());
            }
            hasher.finish()
        })))
    }
}

/// Marks of the bodies of the last minutes that are on disk.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    known: HashSet<Mark, FixedState>,
    order: VecDeque<(Timestamp, Mark)>,
}

impl Marks {
    pub(crate) fn has(&self, mark: Mark) -> bool {
        self.known.contains(&mark)
    }

    /// Remembers a body that is on disk, and forgets what is too old.
    pub(crate) fn add(&mut self, mark: Mark, received_at: Timestamp) {
        if !self.known.insert(mark) {
            return;
        }
        self.order.push_back((received_at, mark));
        while let Some(&(at, oldest)) = self.order.front() {
            if received_at.since(at) <= KEPT_MS && self.order.len() <= KEPT_MAX {
                break;
            }
            self.order.pop_front();
            self.known.remove(&oldest);
        }
    }

    /// For a snapshot.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.order.len() * SAVED_BYTES);
        for (at, Mark([first, second])) in &self.order {
            bytes.extend_from_slice(&at.0.to_le_bytes());
            bytes.extend_from_slice(&first.to_le_bytes());
            bytes.extend_from_slice(&second.to_le_bytes());
        }
        bytes
    }

    /// Takes back what [`Marks::save`] gave.
    pub(crate) fn restore(&mut self, bytes: &[u8]) {
        for saved in bytes.as_chunks::<SAVED_BYTES>().0 {
            let mut words = [0; 3];
            for (word, cell) in words.iter_mut().zip(saved.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*cell);
            }
            self.add(Mark([words[1], words[2]]), Timestamp(words[0].cast_signed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use chengmai_model::StreamId;

    use super::*;

    fn body(first: u32, value: f64) -> Vec<Reading> {
        let reading = |stream| Reading { stream: StreamId(stream), at: Timestamp(5), value };
        vec![reading(first), reading(first + 1)]
    }

    #[test]
    fn a_mark_depends_on_every_part_of_every_reading_and_their_order() {
        let one = body(1, 2.0);
        let mut others =
            vec![body(2, 2.0), body(1, -2.0), body(1, 2.0), body(1, 2.0), body(1, 2.0)];
        others[2][1].at = Timestamp(6);
        others[3].reverse();
        others[4].push(one[0]);
        for other in others {
            assert_ne!(Mark::of(&one), Mark::of(&other), "{other:?}");
        }
        assert_eq!(Mark::of(&one), Mark::of(&body(1, 2.0)));
        assert_eq!(Mark::of(&one[..1]), None);
    }

    #[test]
    fn marks_are_forgotten_after_a_quarter_of_an_hour_and_come_back_from_a_snapshot() {
        let mut marks = Marks::default();
        for minute in 0..40 {
            marks.add(Mark([u64::try_from(minute).unwrap(), 7]), Timestamp(minute * MINUTE_MS));
        }
        assert!(!marks.has(Mark([23, 7])) && marks.has(Mark([24, 7])) && marks.has(Mark([39, 7])));
        let mut back = Marks::default();
        back.restore(&marks.save());
        assert!(!back.has(Mark([23, 7])) && back.has(Mark([24, 7])) && back.has(Mark([39, 7])));
    }
}
