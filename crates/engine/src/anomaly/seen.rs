//! Where a number has been before: 128 cells over all values so far, one bit each. The cells grow by
//! doubling, so nothing need be known of the range, and asking and learning cost no allocation.
//!
//! Not here: what the numbers mean; see [`super::Detector`].

use crate::pages::Plain;

/// Cells of the map.
const CELLS: i64 = 128;
/// The first cell is this many binary digits finer than the first number.
const FIRST_DIGITS: i64 = 16;
/// Cells are never finer than 2 to this power; finer differences are rounding.
const FINEST: i64 = -60;
/// Nor wider than 2 to this power: a number on the bent scale is below 2^11.
const WIDEST: i64 = 11;

/// The map of one quantity of one stream. Always: some bit is set, and cell `origin + i` is bit `i`
/// and covers `[(origin + i) * step, (origin + i + 1) * step)` with `step = 2^power`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Low half first: as one number of 128 bits it would be padded to 32 bytes.
    halves: [u64; 2],
    origin: i32,
    power: i8,
}

impl Default for Seen {
    fn default() -> Self {
        Self::new(0.0, 0.0)
    }
}

impl Plain for Seen {
    const BYTES: usize = 21;

    fn put(self, out: &mut Vec<u8>) {
        for half in self.halves {
            half.put(out);
        }
        self.origin.cast_unsigned().put(out);
        out.push(self.power.cast_unsigned());
    }

    fn take(bytes: &[u8]) -> Self {
        Self {
            halves: [u64::take(&bytes[..8]), u64::take(&bytes[8..16])],
            origin: u32::take(&bytes[16..20]).cast_signed(),
            power: bytes[20].cast_signed(),
        }
    }
}

/// How the cells of a map lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    origin: i32,
    power: i8,
}

impl Grid {
    /// A place in cells, from the left end, as a number.
    pub(super) fn number(self, place: f64) -> f64 {
        (f64::from(self.origin) + place) * power_of_two(i64::from(self.power))
    }

    /// A number as a place in cells, from the left end.
    pub(super) fn place(self, number: f64) -> f64 {
        number * power_of_two(-i64::from(self.power)) - f64::from(self.origin)
    }
}

impl Seen {
    /// A map that has seen one number; `like` is a number of the size to expect.
    pub(super) fn new(number: f64, like: f64) -> Self {
        let digits = exponent(like).max(FINEST + FIRST_DIGITS);
        let power = digits - FIRST_DIGITS;
        let cell = (number * power_of_two(-power)).floor();
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^17 by the choice of power")]
        let origin = cell as i32 - (CELLS / 2) as i32;
        let power = i8::try_from(power).unwrap_or(i8::MAX);
        Self { halves: [0, 1], origin, power }
    }

    fn bits(&self) -> u128 {
        u128::from(self.halves[1]) << 64 | u128::from(self.halves[0])
    }

    #[expect(clippy::cast_possible_truncation, reason = "each half by itself")]
    fn set_bits(&mut self, bits: u128) {
        self.halves = [bits as u64, (bits >> 64) as u64];
    }

    /// False for bytes that no map has.
    pub(super) fn is_sound(&self) -> bool {
        self.bits() != 0 && (FINEST..=WIDEST).contains(&i64::from(self.power))
    }

    pub(super) fn grid(&self) -> Grid {
        Grid { origin: self.origin, power: self.power }
    }

    /// How far a number is from all numbers seen, as a share of their span and at most 1; 0 inside
    /// a cell that is known. Learns it.
    pub(super) fn learn(&mut self, number: f64) -> f64 {
        let distance = self.distance(self.grid().place(number));
        self.mark(number);
        distance
    }

    fn distance(&self, place: f64) -> f64 {
        let bits = self.bits();
        let (first, last) = self.ends();
        #[expect(clippy::cast_possible_truncation, reason = "clamped to just beside the cells")]
        let cell = place.floor().clamp(-1.0, CELLS as f64) as i64;
        if (0..CELLS).contains(&cell) && bits >> cell & 1 == 1 {
            return 0.0;
        }
        let mut nearest = f64::INFINITY;
        if cell > 0 {
            let below = bits & low_bits(cell);
            if below != 0 {
                nearest = place - f64::from(128 - below.leading_zeros());
            }
        }
        if cell < CELLS - 1 {
            let above = bits & !low_bits(cell + 1);
            if above != 0 {
                nearest = nearest.min(f64::from(above.trailing_zeros()) - place);
            }
        }
        let span = f64::from(last - first + 1);
        (nearest / span).clamp(0.0, 1.0)
    }

    /// First and last cell seen.
    fn ends(&self) -> (u32, u32) {
        let bits = self.bits();
        (bits.trailing_zeros(), bits.ilog2())
    }

    fn mark(&mut self, number: f64) {
        loop {
            #[expect(clippy::cast_possible_truncation, reason = "saturates, and doubling ends it")]
            let cell = (number * power_of_two(-i64::from(self.power))).floor() as i64;
            let (first, last) = self.ends();
            let origin = i64::from(self.origin);
            let low = (origin + i64::from(first)).min(cell);
            let high = (origin + i64::from(last)).max(cell);
            if high.saturating_sub(low) >= CELLS && self.power < i8::MAX {
                self.double();
                continue;
            }
            if !(origin..origin + CELLS).contains(&cell) {
                self.shift_to(low - (CELLS - (high - low + 1)) / 2);
            }
            let bit = (cell - i64::from(self.origin)).clamp(0, CELLS - 1);
            self.set_bits(self.bits() | 1 << bit);
            return;
        }
    }

    fn shift_to(&mut self, origin: i64) {
        let by = i64::from(self.origin) - origin;
        self.set_bits(if by >= 0 { self.bits() << by } else { self.bits() >> -by });
        self.origin = i32::try_from(origin).unwrap_or(i32::MIN);
    }

    /// Makes cells twice as wide.
    fn double(&mut self) {
        let bits = self.bits();
        // A new cell is an even and the odd place after it, counted from zero and not from here.
        let (pairs, last) = if self.origin & 1 == 0 {
            (bits | bits >> 1, 0)
        } else {
            (bits | bits << 1, bits >> 127)
        };
        self.set_bits(every_other(pairs) | last << 64);
        self.origin = self.origin.div_euclid(2);
        self.power = self.power.saturating_add(1);
    }
}

/// The bits at even places, side by side.
fn every_other(bits: u128) -> u128 {
    const MASKS: [u128; 7] = [
        0x5555_5555_5555_5555_5555_5555_5555_5555,
        0x3333_3333_3333_3333_3333_3333_3333_3333,
        0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f,
        0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff,
        0x0000_ffff_0000_ffff_0000_ffff_0000_ffff,
        0x0000_0000_ffff_ffff_0000_0000_ffff_ffff,
        0x0000_0000_0000_0000_ffff_ffff_ffff_ffff,
    ];
    let mut bits = bits & MASKS[0];
    for (step, mask) in MASKS[1..].iter().enumerate() {
        bits = (bits | bits >> (1 << step)) & mask;
    }
    bits
}

/// The lowest `count` bits, for 0 to 128.
fn low_bits(count: i64) -> u128 {
    if count >= CELLS { u128::MAX } else { (1 << count) - 1 }
}

/// Two to a power, exactly.
fn power_of_two(power: i64) -> f64 {
    let biased = u64::try_from(power.clamp(-1022, 1023) + 1023).unwrap_or(1);
    f64::from_bits(biased << 52)
}

/// The binary exponent of a number's size.
fn exponent(number: f64) -> i64 {
    let biased = (number.to_bits() >> 52) & 0x7ff;
    i64::try_from(biased).unwrap_or(0) - 1023
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_seen_is_near_and_what_lies_in_a_gap_is_not() {
        let mut seen = Seen::new(10.0, 10.0);
        for step in 0..100 {
            let step = f64::from(step) / 100.0;
            seen.learn(10.0 + step);
            seen.learn(14.0 + step);
        }
        assert!(seen.distance(seen.grid().place(10.5)) <= 0.0);
        let gap = seen.distance(seen.grid().place(12.5));
        assert!(gap > 0.25 && gap < 0.35, "{gap}");
        let far = seen.distance(seen.grid().place(1_000.0));
        assert!((0.999..=1.0).contains(&far), "at most the span: {far}");
    }

    #[test]
    fn a_number_learned_is_no_longer_new() {
        let mut seen = Seen::new(0.0, 0.0);
        assert!(seen.learn(5.0) > 0.0);
        assert!(seen.learn(5.0) <= 0.0);
    }

    #[test]
    fn even_places_come_side_by_side() {
        assert_eq!(every_other(0b1_0100_0101), 0b1_1011);
        assert_eq!(every_other(u128::MAX), u128::from(u64::MAX));
    }

    proptest! {
        #[test]
        fn no_number_is_ever_forgotten(
            numbers in proptest::collection::vec(-1e12_f64..1e12, 1..60),
            small in proptest::collection::vec(-1e-3_f64..1e-3, 1..60),
        ) {
            let all: Vec<f64> = small.into_iter().chain(numbers).collect();
            let mut seen = Seen::new(all[0], all[0]);
            for (index, number) in all.iter().enumerate() {
                seen.learn(*number);
                for before in &all[..=index] {
                    let distance = seen.distance(seen.grid().place(*before));
                    prop_assert!(distance <= 0.0, "{} after {}", before, number);
                }
            }
        }
    }
}
