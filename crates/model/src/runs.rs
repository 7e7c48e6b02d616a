//! Columns of numbers of which most are the one before, or one more than it: whose a stream is, when a
//! device was registered. They cost next to nothing while that holds, and four bytes a number where it
//! does not. Numbers are only added; none is ever changed.

use std::ops::Range;

/// Below so many numbers nothing is worth a thought.
const FEW: usize = 256;
/// Words of a run: as long as runs are longer than this, they are the smaller form.
const RUN_WORDS: usize = 3;

/// A column of numbers, kept as runs while these are few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    stretches: Vec<Run>,
    /// All numbers, once runs would be no smaller.
    plain: Vec<u32>,
    len: usize,
}

/// Numbers that follow each other by the same step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Index of the first.
    from: u32,
    first: u32,
    /// 0 or 1.
    step: u32,
}

impl Run {
    #[inline]
    fn at(&self, index: usize) -> u32 {
        let behind = u32::try_from(index).unwrap_or(u32::MAX).wrapping_sub(self.from);
        self.first.wrapping_add(self.step.wrapping_mul(behind))
    }
}

impl Runs {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a number.
    ///
    /// # Panics
    /// Beyond 2^32 numbers.
    pub fn push(&mut self, number: u32) {
        if self.plain.is_empty() {
            self.push_to_runs(number);
        } else {
            self.plain.push(number);
        }
        self.len += 1;
    }

    fn push_to_runs(&mut self, number: u32) {
        if let Some(last) = self.stretches.last_mut() {
            if last.from as usize + 1 == self.len {
                last.step = u32::from(number == last.first.wrapping_add(1));
            }
            if last.at(self.len) == number {
                return;
            }
        }
        let from = u32::try_from(self.len).expect("numbered in u32");
        self.stretches.push(Run { from, first: number, step: 0 });
        if self.len > FEW && self.stretches.len() * RUN_WORDS > self.len {
            self.plain = (0..self.len).filter_map(|index| self.get(index)).collect();
            self.plain.push(number);
            self.stretches = Vec::new();
        }
    }

    /// The number at that place, if there are so many.
    #[inline]
    pub fn get(&self, index: usize) -> Option<u32> {
        if index >= self.len {
            return None;
        }
        if let Some(&number) = self.plain.get(index) {
            return Some(number);
        }
        let behind = self.stretches.partition_point(|run| run.from as usize <= index);
        self.stretches.get(behind.checked_sub(1)?).map(|run| run.at(index))
    }

    /// All numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.part(0..self.len)
    }

    /// The numbers of some places, in order, as far as there are so many.
    pub fn part(&self, places: Range<usize>) -> impl Iterator<Item = u32> {
        let end = places.end.min(self.len);
        let begin = places.start.min(end);
        let first =
            self.stretches.partition_point(|run| run.from as usize <= begin).saturating_sub(1);
        let runs = self.stretches.get(first..).unwrap_or_default();
        let ends = runs.iter().skip(1).map(|run| run.from as usize).chain([end]);
        let of_runs = runs.iter().zip(ends).flat_map(move |(run, until)| {
            (begin.max(run.from as usize)..end.min(until)).map(|at| run.at(at))
        });
        let plain = self.plain.get(begin..end).unwrap_or_default();
        of_runs.chain(plain.iter().copied())
    }
}

impl Extend<u32> for Runs {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, numbers: I) {
        numbers.into_iter().for_each(|number| self.push(number));
    }
}

impl FromIterator<u32> for Runs {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut runs = Self::default();
        runs.extend(numbers);
        runs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FEW, Runs};

    fn check(numbers: &[u32]) {
        let runs: Runs = numbers.iter().copied().collect();
        assert_eq!(runs.len(), numbers.len());
        assert!(runs.iter().eq(numbers.iter().copied()));
        for (index, &number) in numbers.iter().enumerate() {
            assert_eq!(runs.get(index), Some(number), "at {index}");
        }
        assert_eq!(runs.get(numbers.len()), None);
        let third = numbers.len() / 3;
        for part in [third..2 * third, 0..third, 2 * third..usize::MAX] {
            let wanted = &numbers[part.start..part.end.min(numbers.len())];
            assert!(runs.part(part).eq(wanted.iter().copied()));
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(
            parts in prop::collection::vec((any::<u32>(), 0..3_u32, 1..40_u32), 0..40),
        ) {
            let part = |&(first, step, len): &(u32, u32, u32)| {
                (0..len).map(move |at| first.wrapping_add(step * at))
            };
            check(&parts.iter().flat_map(part).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_stream_a_device_is_one_run_and_disorder_costs_a_word_each() {
        let in_order: Runs = (7..1_000_000).collect();
        assert_eq!((in_order.stretches.len(), in_order.plain.len()), (1, 0));
        let disorder: Vec<u32> = (0..10_000_u32).map(|at| at.wrapping_mul(2_654_435_761)).collect();
        let kept: Runs = disorder.iter().copied().collect();
        assert_eq!((kept.stretches.len(), kept.plain.len()), (0, 10_000));
        check(&disorder);
        check(&disorder[..FEW + 2]);
    }
}
