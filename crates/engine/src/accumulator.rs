//! Accumulators: what is kept of the readings of one window in one area, a few words, as few as the
//! formulas need. They merge, and give readings back.
//!
//! Invariants: sums are whole millionths, so their value does not depend on the order of arrival, and
//! taking a reading out leaves what would be there without it. A smallest, greatest or newest value
//! that was taken out is not known any more: the accumulator says so ([`INEXACT`]) until it is told
//! its readings again.

/// Set in the count word when the smallest, greatest or newest value was taken out.
pub(crate) const INEXACT: u64 = 1 << 63;
const COUNT: u64 = INEXACT - 1;
/// Readings of a cell that are believed: far more than one can hold, and few enough to add up.
const COUNT_MAX: u64 = 1 << 40;
/// Parts of a unit that sums are kept in.
const SCALE: f64 = 1e6;

/// Which words an accumulator has. Word 0 is the count of readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Layout {
    sum: Option<u16>,
    min: Option<u16>,
    max: Option<u16>,
    last: Option<u16>,
    sketch: bool,
    conditions: Vec<(f64, f64)>,
    conditions_at: u16,
    stride: u16,
}

impl Layout {
    pub(crate) fn need_sum(&mut self) {
        self.sum = Some(0);
    }

    pub(crate) fn need_min(&mut self) {
        self.min = Some(0);
    }

    pub(crate) fn need_max(&mut self) {
        self.max = Some(0);
    }

    pub(crate) fn need_last(&mut self) {
        self.last = Some(0);
    }

    pub(crate) fn need_sketch(&mut self) {
        self.sketch = true;
    }

    /// True when readings are also counted in buckets, beside the accumulator.
    #[inline]
    pub(crate) fn sketched(&self) -> bool {
        self.sketch
    }

    /// Counts readings with `low <= value <= high`.
    pub(crate) fn need_condition(&mut self, low: f64, high: f64) {
        if self.find_condition(low, high).is_none() {
            self.conditions.push((low, high));
        }
    }

    /// Gives every part its words; after this the layout is fixed.
    pub(crate) fn place(&mut self) {
        let mut next = 1;
        for (part, words) in
            [(&mut self.sum, 2), (&mut self.min, 1), (&mut self.max, 1), (&mut self.last, 2)]
        {
            if part.is_some() {
                *part = Some(next);
                next += words;
            }
        }
        self.conditions_at = next;
        self.stride = next + u16::try_from(self.conditions.len()).expect("CONDITIONS_MAX fits");
    }

    pub(crate) fn stride(&self) -> usize {
        usize::from(self.stride)
    }

    pub(crate) fn sum_at(&self) -> u16 {
        self.sum.unwrap_or(0)
    }

    pub(crate) fn min_at(&self) -> u16 {
        self.min.unwrap_or(0)
    }

    pub(crate) fn max_at(&self) -> u16 {
        self.max.unwrap_or(0)
    }

    /// Two words: time, value.
    pub(crate) fn last_at(&self) -> u16 {
        self.last.unwrap_or(0)
    }

    pub(crate) fn condition_at(&self, low: f64, high: f64) -> u16 {
        let index = self.find_condition(low, high).unwrap_or(0);
        self.conditions_at + u16::try_from(index).expect("CONDITIONS_MAX fits")
    }

    pub(crate) fn conditions(&self) -> usize {
        self.conditions.len()
    }

    fn find_condition(&self, low: f64, high: f64) -> Option<usize> {
        self.conditions
            .iter()
            .position(|&(a, b)| a.to_bits() == low.to_bits() && b.to_bits() == high.to_bits())
    }

    /// Adds one reading to an accumulator.
    #[inline]
    pub(crate) fn add(&self, words: &mut [u64], at: i64, value: f64) {
        let first = words[0] & COUNT == 0;
        words[0] += 1;
        // Zero has one sign, or the order of arrival would show.
        let value = value + 0.0;
        if let Some(sum) = self.sum {
            let sum = usize::from(sum);
            write_sum(words, sum, read_sum(words, sum).wrapping_add(millionths(value)));
        }
        if let Some(min) = self.min {
            let word = &mut words[usize::from(min)];
            if first || value < f64::from_bits(*word) {
                *word = value.to_bits();
            }
        }
        if let Some(max) = self.max {
            let word = &mut words[usize::from(max)];
            if first || value > f64::from_bits(*word) {
                *word = value.to_bits();
            }
        }
        if let Some(last) = self.last {
            let last = usize::from(last);
            if first || newer((at, value), read_last(words, last)) {
                words[last] = at.cast_unsigned();
                words[last + 1] = value.to_bits();
            }
        }
        let conditions = &mut words[usize::from(self.conditions_at)..];
        for (word, &(low, high)) in conditions.iter_mut().zip(&self.conditions) {
            *word += u64::from(low <= value && value <= high);
        }
    }

    /// Takes one reading out that was added before.
    pub(crate) fn remove(&self, words: &mut [u64], at: i64, value: f64) {
        let value = value + 0.0;
        if count(words) <= 1 {
            words.fill(0);
            return;
        }
        words[0] -= 1;
        if let Some(sum) = self.sum {
            let sum = usize::from(sum);
            write_sum(words, sum, read_sum(words, sum).wrapping_sub(millionths(value)));
        }
        let float = |at: u16| f64::from_bits(words[usize::from(at)]);
        let chosen = self.min.is_some_and(|min| value <= float(min))
            || self.max.is_some_and(|max| value >= float(max))
            || self
                .last
                .is_some_and(|last| !newer(read_last(words, usize::from(last)), (at, value)));
        if chosen {
            words[0] |= INEXACT;
        }
        let conditions = &mut words[usize::from(self.conditions_at)..];
        for (word, &(low, high)) in conditions.iter_mut().zip(&self.conditions) {
            *word = word.saturating_sub(u64::from(low <= value && value <= high));
        }
    }

    /// False for words that no accumulator has.
    pub(crate) fn is_sound(&self, words: &[u64]) -> bool {
        let conditions = &words[usize::from(self.conditions_at)..];
        count(words) <= COUNT_MAX && conditions.iter().all(|&held| held <= count(words))
    }

    /// True when both hold the same number and sum of readings, and as many meet each condition.
    pub(crate) fn same_readings(&self, a: &[u64], b: &[u64]) -> bool {
        let sum = self.sum.map(usize::from);
        a.len() == b.len()
            && count(a) == count(b)
            && sum.is_none_or(|at| read_sum(a, at) == read_sum(b, at))
            && a[usize::from(self.conditions_at)..] == b[usize::from(self.conditions_at)..]
    }

    /// Adds the accumulator of a child to that of its parent.
    #[inline]
    pub(crate) fn merge(&self, into: &mut [u64], from: &[u64]) {
        if count(from) == 0 {
            return;
        }
        let first = count(into) == 0;
        into[0] = (count(into) + count(from)) | ((into[0] | from[0]) & INEXACT);
        if let Some(sum) = self.sum {
            let sum = usize::from(sum);
            write_sum(into, sum, read_sum(into, sum).wrapping_add(read_sum(from, sum)));
        }
        if let Some(min) = self.min {
            let min = usize::from(min);
            if first || f64::from_bits(from[min]) < f64::from_bits(into[min]) {
                into[min] = from[min];
            }
        }
        if let Some(max) = self.max {
            let max = usize::from(max);
            if first || f64::from_bits(from[max]) > f64::from_bits(into[max]) {
                into[max] = from[max];
            }
        }
        if let Some(last) = self.last {
            let last = usize::from(last);
            if first || newer(read_last(from, last), read_last(into, last)) {
                into[last] = from[last];
                into[last + 1] = from[last + 1];
            }
        }
        for index in usize::from(self.conditions_at)..self.stride() {
            into[index] += from[index];
        }
    }
}

/// Readings in an accumulator.
pub(crate) fn count(words: &[u64]) -> u64 {
    words[0] & COUNT
}

/// True when the smallest, greatest or newest value is not known.
pub(crate) fn is_inexact(words: &[u64]) -> bool {
    words.first().is_some_and(|word| word & INEXACT != 0)
}

/// The sum at that offset, in units.
#[expect(clippy::cast_precision_loss, reason = "a sum is shown as f64 at last")]
pub(crate) fn sum(words: &[u64], at: u16) -> f64 {
    read_sum(words, usize::from(at)) as f64 / SCALE
}

fn read_sum(words: &[u64], at: usize) -> i128 {
    (u128::from(words[at]) | (u128::from(words[at + 1]) << 64)).cast_signed()
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
fn write_sum(words: &mut [u64], at: usize, sum: i128) {
    let bits = sum.cast_unsigned();
    words[at] = bits as u64;
    words[at + 1] = (bits >> 64) as u64;
}

fn read_last(words: &[u64], at: usize) -> (i64, f64) {
    (words[at].cast_signed(), f64::from_bits(words[at + 1]))
}

/// Later in time; of two readings of one moment the greater, so that the order of arrival does not
/// matter.
fn newer(a: (i64, f64), b: (i64, f64)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 > b.1)
}

/// A value in whole millionths, halves away from zero. Saturates far beyond any sensor.
#[expect(clippy::cast_possible_truncation, reason = "rounding to a whole number is the purpose")]
pub(crate) fn millionths(value: f64) -> i128 {
    let scaled = value * SCALE;
    let rounded = scaled + f64::copysign(0.5, scaled);
    if scaled.abs() < 9e18 { i128::from(rounded as i64) } else { rounded as i128 }
}
