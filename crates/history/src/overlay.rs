//! Corrections 更正 of readings whose rows are not changed yet: whoever reads rows asks here what each
//! one is worth now. Files follow a little later (`settle.rs`), and then the correction is forgotten here.
//!
//! Corrections are few, rows are many: what costs anything happens when a correction comes.
//! Not here: windows of indicators, which the engine corrects itself and sends again.

use std::sync::LazyLock;

use chengmai_model::{Reading, StreamId, Timestamp};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::manifest::FileEntry;

/// A reading that was wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectedReading {
    /// Whose reading.
    pub stream: StreamId,
    /// When it was measured.
    pub at: Timestamp,
    /// Its value so far.
    pub old: f64,
    /// The right value; `None` when there should have been no reading.
    pub new: Option<f64>,
}

/// A correction as the manifest keeps it. Values are bits, so that they come back as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Correction {
    /// The journal frame it stands in.
    pub(crate) sequence: u64,
    pub(crate) stream: u32,
    pub(crate) at: i64,
    old: u64,
    new: Option<u64>,
}

impl Correction {
    fn of(sequence: u64, reading: &CorrectedReading) -> Self {
        Self {
            sequence,
            stream: reading.stream.0,
            at: reading.at.0,
            old: reading.old.to_bits(),
            new: reading.new.map(f64::to_bits),
        }
    }
}

/// Old values and what stands in their place now, by their bits; nothing where they were withdrawn.
type Replaced = Vec<(u64, Option<u64>)>;

/// What rows are worth now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overlay {
    /// In order of the journal.
    list: Vec<Correction>,
    /// By stream and time: the value in a row, and what became of it after all corrections.
    now: HashMap<(u32, i64), Replaced>,
}

impl Overlay {
    pub(crate) fn of(list: impl IntoIterator<Item = Correction>) -> Self {
        let mut overlay = Self::default();
        list.into_iter().for_each(|correction| overlay.push(correction));
        overlay
    }

    /// No corrections.
    pub(crate) fn none() -> &'static Self {
        static NONE: LazyLock<Overlay> = LazyLock::new(Overlay::default);
        &NONE
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds those of one more frame.
    pub(crate) fn add(&mut self, sequence: u64, readings: &[CorrectedReading]) {
        for reading in readings {
            self.push(Correction::of(sequence, reading));
        }
    }

    /// Without some that rows in files follow now.
    pub(crate) fn without(&self, settled: &[Correction]) -> Self {
        Self::of(self.list.iter().copied().filter(|one| !settled.contains(one)))
    }

    /// Those of frames behind one.
    pub(crate) fn after(&self, sequence: u64) -> Vec<Correction> {
        self.list.iter().copied().filter(|one| one.sequence > sequence).collect()
    }

    /// What a row is worth now; nothing when it was withdrawn.
    #[inline]
    pub(crate) fn value(&self, stream: u32, at: i64, value: f64) -> Option<f64> {
        if self.now.is_empty() { Some(value) } else { self.look_up(stream, at, value) }
    }

    /// The same for whole readings, from that place of a list on.
    pub(crate) fn apply(&self, readings: &mut Vec<Reading>, from: usize) {
        if self.now.is_empty() {
            return;
        }
        let fresh: Vec<Reading> = readings.drain(from..).collect();
        readings.extend(fresh.into_iter().filter_map(|reading| {
            let value = self.look_up(reading.stream.0, reading.at.0, reading.value)?;
            Some(Reading { value, ..reading })
        }));
    }

    /// Whether the file may hold a row that a correction is about.
    pub(crate) fn touches(&self, file: &FileEntry) -> bool {
        self.list.iter().any(|one| {
            file.overlaps(one.at, one.at.saturating_add(1))
                && file.streams.is_none_or(|(min, max)| (min..=max).contains(&one.stream))
        })
    }

    fn push(&mut self, correction: Correction) {
        let Correction { stream, at, old, new, .. } = correction;
        self.list.push(correction);
        let rows = self.now.entry((stream, at)).or_default();
        // What had become the old value becomes the new one; a row of the old value itself does too,
        // unless an earlier correction made something else of it.
        let mut is_known = false;
        for (row, value) in rows.iter_mut() {
            if *row == old && *value != Some(old) {
                is_known = true;
            } else if *value == Some(old) {
                is_known |= *row == old;
                *value = new;
            }
        }
        if !is_known {
            rows.push((old, new));
        }
    }

    #[cold]
    fn look_up(&self, stream: u32, at: i64, value: f64) -> Option<f64> {
        let Some(rows) = self.now.get(&(stream, at)) else { return Some(value) };
        let bits = value.to_bits();
        match rows.iter().find(|(row, _)| *row == bits) {
            Some((_, now)) => now.map(f64::from_bits),
            None => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1>2 2>3 3>-` as corrections of one reading; what a row of each value is worth then.
    fn check(steps: &str, expected: &[(f64, Option<f64>)]) {
        let mut overlay = Overlay::default();
        for (step, sequence) in steps.split_whitespace().zip(1..) {
            let (old, new) = step.split_once('>').unwrap();
            let (stream, at) = (StreamId(7), Timestamp(60_000));
            let (old, new) = (old.parse().unwrap(), new.parse().ok());
            overlay.add(sequence, &[CorrectedReading { stream, at, old, new }]);
        }
        for &(row, value) in expected {
            assert_eq!(overlay.value(7, 60_000, row), value, "a row of {row} after {steps}");
        }
        assert_eq!(overlay.value(7, 60_001, 1.0), Some(1.0), "another time");
        assert_eq!(overlay.value(8, 60_000, 1.0), Some(1.0), "another stream");
    }

    #[test]
    fn a_row_is_worth_what_the_last_of_its_corrections_says() {
        check("1>2", &[(1.0, Some(2.0)), (2.0, Some(2.0)), (3.0, Some(3.0))]);
        check("1>2 2>3", &[(1.0, Some(3.0)), (2.0, Some(3.0))]);
        check("1>2 2>-", &[(1.0, None), (2.0, None), (3.0, Some(3.0))]);
        check("1>-", &[(1.0, None)]);
    }

    #[test]
    fn a_correction_that_is_taken_back_leaves_the_first_value_whatever_the_row_holds() {
        // The row may have followed the first correction already, or neither.
        check("1>2 2>1", &[(1.0, Some(1.0)), (2.0, Some(1.0))]);
        check("1>2 2>1 1>4", &[(1.0, Some(4.0)), (2.0, Some(4.0))]);
    }
}
