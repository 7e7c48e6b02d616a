//! Numbers that look random and are the same on every run: a function of a seed and of what they
//! are drawn for, never of the order in which they are drawn.
//!
//! Not for secrets.

/// A 64-bit finaliser: every bit of the input moves every bit of the output.
#[inline]
pub(crate) const fn mix(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ (x >> 32)
}

/// One number drawn for two things together.
#[inline]
pub(crate) const fn draw(seed: u64, a: u64, b: u64) -> u64 {
    mix(seed ^ a.wrapping_mul(0xA076_1D64_78BD_642F) ^ b.wrapping_mul(0xE703_7ED1_A0B4_28DB))
}

/// From 0 up to but not including 1.
#[inline]
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// From -1 to 1, near 0 more often than at the ends.
#[inline]
pub(crate) fn around_zero(bits: u64) -> f64 {
    let halves = (bits & 0xffff) + (bits >> 48);
    halves as f64 * (1.0 / 65_535.0) - 1.0
}

/// From `low` up to but not including `high`.
#[inline]
pub(crate) fn between(bits: u64, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(bits)
}

/// A whole number below `n`, which is below 2^32.
#[inline]
pub(crate) const fn below(bits: u64, n: usize) -> usize {
    (((bits >> 32) * n as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_use_all_of_them() {
        let mut seen = [0_u32; 7];
        for i in 0..7_000 {
            let bits = draw(1, i, 2);
            seen[below(bits, 7)] += 1;
            assert!((0.0..1.0).contains(&unit(bits)));
            assert!((-1.0..=1.0).contains(&around_zero(bits)));
        }
        assert!(seen.iter().all(|&n| (800..1_200).contains(&n)), "{seen:?}");
    }
}
