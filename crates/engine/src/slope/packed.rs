//! The readings before the newest one of a stream, six bytes each: 22 bits of the time, which tell it
//! from all others within 69 minutes, and a whole number of 26 bits, which over a power of ten is the
//! very value. What cannot be kept so exactly is refused.

use super::{Ring, close};
use crate::limits::SLOPE_READINGS_MAX;
use crate::pages::Plain;

/// Readings before the newest.
const KEPT: usize = SLOPE_READINGS_MAX - 1;
const TIME_BITS: u32 = 22;
const TIME_MASK: i64 = (1 << TIME_BITS) - 1;
const TICK_BITS: u32 = 26;
/// The greatest whole number, in size; kept with this added, so that none is negative.
const TICKS_MAX: i64 = (1 << (TICK_BITS - 1)) - 1;
/// A value is a whole number over one of these.
const TENS: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
/// In place of the decimals: the readings are kept elsewhere, as they are.
const ELSEWHERE: u8 = u8::MAX;

const WORD_BYTES: usize = 6;
/// Time and value of one reading.
type Word = [u8; WORD_BYTES];

/// The readings before the newest, oldest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    words: [Word; KEPT],
    len: u8,
    decimals: u8,
}

impl Plain for Packed {
    const BYTES: usize = WORD_BYTES * KEPT + 2;

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.words.as_flattened());
        out.extend_from_slice(&[self.len, self.decimals]);
    }

    fn take(bytes: &[u8]) -> Self {
        let (words, tail) = bytes.as_chunks();
        let mut packed = Self { len: tail[0], decimals: tail[1], ..Self::default() };
        packed.words.copy_from_slice(words);
        packed
    }
}

impl Packed {
    /// In place of readings that are kept elsewhere.
    pub(super) const WIDE: Self =
        Self { words: [[0; WORD_BYTES]; KEPT], len: 0, decimals: ELSEWHERE };

    /// Readings in order of time, none later than `newest`; those from before the span are left out.
    /// `None` when they do not fit.
    pub(super) fn of(readings: &[(i64, f64)], newest: i64, span_ms: i64) -> Option<Self> {
        let first = readings.partition_point(|(at, _)| newest - at > span_ms);
        let readings = &readings[first..];
        if span_ms > TIME_MASK || readings.len() > KEPT {
            return None;
        }
        (0_u8..).zip(TENS).find_map(|(decimals, ten)| {
            let mut packed = Self { decimals, ..Self::default() };
            for &(at, value) in readings {
                packed.add(at, ticks(value, ten)?);
            }
            Some(packed)
        })
    }

    /// True when the readings are kept elsewhere.
    #[inline]
    pub(super) fn is_wide(&self) -> bool {
        self.decimals == ELSEWHERE
    }

    /// False for bytes that are no readings.
    pub(super) fn is_sound(&self) -> bool {
        usize::from(self.len) <= KEPT && (usize::from(self.decimals) < TENS.len() || self.is_wide())
    }

    #[inline]
    pub(super) fn peek(&self) -> u64 {
        // It may lie on two cache lines.
        u64::from(self.words[0][0] ^ self.len)
    }

    /// A reading came at `at`, not earlier than the newest one so far, `before`. False, and nothing
    /// done, when that cannot be kept in this form.
    pub(super) fn push(&mut self, before: (i64, f64), at: i64, span_ms: i64) -> bool {
        if span_ms > TIME_MASK {
            return false;
        }
        if at - before.0 > span_ms {
            self.len = 0;
            return true;
        }
        let last = self.times(before.0).next_back();
        if last.is_none_or(|last| before.0 - last >= close(span_ms)) && !self.append(before) {
            return false;
        }
        let old = self.times(before.0).take_while(|then| at - then > span_ms).count();
        self.drop_first(old);
        true
    }

    /// All readings as they are, the newest one last.
    pub(super) fn unpacked(&self, stream: u32, newest: (i64, f64)) -> Ring {
        let mut ring = Ring::new(stream);
        let ten = TENS.get(usize::from(self.decimals)).copied().unwrap_or(f64::NAN);
        let values = self.words().iter().map(|word| value_of(*word, ten));
        self.times(newest.0).zip(values).for_each(|reading| ring.add(reading));
        ring.add(newest);
        ring
    }

    /// Adds a reading behind all others; the first goes when there is no room. False, and nothing
    /// done, when its value does not fit.
    fn append(&mut self, (at, value): (i64, f64)) -> bool {
        let Some(ticks) = ticks(value, TENS[usize::from(self.decimals)]) else {
            return self.append_with_other_decimals((at, value));
        };
        if usize::from(self.len) == KEPT {
            self.drop_first(1);
        }
        self.add(at, ticks);
        true
    }

    #[cold]
    fn append_with_other_decimals(&mut self, reading: (i64, f64)) -> bool {
        let mut packed = *self;
        if usize::from(packed.len) == KEPT {
            packed.drop_first(1);
        }
        let ring = packed.unpacked(0, reading);
        let packed = Self::of(ring.readings(), reading.0, TIME_MASK);
        packed.inspect(|packed| *self = *packed).is_some()
    }

    fn add(&mut self, at: i64, ticks: i64) {
        let word = (at & TIME_MASK) << TICK_BITS | (ticks + TICKS_MAX);
        self.words[usize::from(self.len)].copy_from_slice(&word.to_le_bytes()[..WORD_BYTES]);
        self.len += 1;
    }

    fn drop_first(&mut self, count: usize) {
        if count > 0 {
            self.words.copy_within(count..usize::from(self.len), 0);
            self.len -= u8::try_from(count).expect("no more than there are");
        }
    }

    fn words(&self) -> &[Word] {
        &self.words[..usize::from(self.len)]
    }

    /// Their times, where the newest reading came at `newest`.
    fn times(&self, newest: i64) -> impl DoubleEndedIterator<Item = i64> {
        let then = move |word: &Word| {
            let low = number_of(*word) >> TICK_BITS;
            newest - (newest.wrapping_sub(low) & TIME_MASK)
        };
        self.words().iter().map(then)
    }
}

fn number_of(word: Word) -> i64 {
    let mut bytes = [0; 8];
    bytes[..WORD_BYTES].copy_from_slice(&word);
    i64::from_le_bytes(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "26 bits")]
fn value_of(word: Word, ten: f64) -> f64 {
    let ticks = (number_of(word) & ((1 << TICK_BITS) - 1)) - TICKS_MAX;
    ticks as f64 / ten
}

/// The whole number that over that power of ten is the very value. (Zero has one sign here: a slope
/// does not show it.)
#[inline]
fn ticks(value: f64, ten: f64) -> Option<i64> {
    let ticks = (value * ten).round();
    #[expect(clippy::cast_precision_loss, reason = "26 bits")]
    let fits = ticks.abs() <= TICKS_MAX as f64;
    #[expect(clippy::float_cmp, reason = "it must be the very value")]
    let exact = fits && ticks / ten == value;
    #[expect(clippy::cast_possible_truncation, reason = "it fits, as was just asked")]
    exact.then_some(ticks as i64)
}
