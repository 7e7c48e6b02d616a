//! Numbers that look drawn, from a seed that the caller gives: the same seed, the same numbers. The
//! engine draws nothing itself.
//!
//! Not for secrets. SplitMix64 (Steele, Lea, Flood 2014); gamma by Marsaglia and Tsang (2000).

/// A stream of numbers from a seed.
#[derive(Debug, Clone)]
pub struct Draws {
    state: u64,
}

impl Draws {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0 and below 1.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// A whole number below `bound`.
    ///
    /// # Panics
    /// When the bound is 0: there is no such number.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "no number is below 0");
        // The bias of a multiplication is below bound / 2^32.
        let scaled = (self.bits() >> 32) * u64::from(bound);
        u32::try_from(scaled >> 32).expect("a number below a u32 is one")
    }

    /// Standard normal (polar method of Marsaglia).
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// Gamma of a shape above 0 and scale 1.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.unit().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta of two shapes above 0.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let good = self.gamma(a);
        good / (good + self.gamma(b))
    }

    /// How many of `n` succeed, each with probability `p`; one draw each.
    pub fn binomial(&mut self, n: u32, p: f64) -> u32 {
        (0..n).map(|_| u32::from(self.unit() < p)).sum()
    }

    /// Puts a list into a drawn order.
    ///
    /// # Panics
    /// When it has 2^32 items or more.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let among = u32::try_from(last + 1).expect("a list in memory is shorter than 2^32");
            list.swap(last, self.below(among) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of many draws.
    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        const N: usize = 100_000;
        let values: Vec<f64> = (0..N).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / N as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / N as f64;
        (mean, variance)
    }

    #[track_caller]
    fn near(found: (f64, f64), mean: f64, variance: f64) {
        assert!((found.0 - mean).abs() < 6.0 * (variance / 100_000.0).sqrt(), "{found:?}");
        assert!((found.1 / variance - 1.0).abs() < 0.06, "{found:?}");
    }

    #[test]
    fn draws_have_the_mean_and_spread_of_their_kind() {
        let mut draws = Draws::new(1);
        near(moments(|| draws.unit()), 0.5, 1.0 / 12.0);
        near(moments(|| draws.normal()), 0.0, 1.0);
        near(moments(|| draws.gamma(0.4)), 0.4, 0.4);
        near(moments(|| draws.gamma(7.5)), 7.5, 7.5);
        near(moments(|| draws.beta(93.0, 7.0)), 0.93, 0.93 * 0.07 / 101.0);
        near(moments(|| f64::from(draws.binomial(20, 0.3))), 6.0, 4.2);
        near(moments(|| f64::from(draws.below(10))), 4.5, 8.25);
    }

    #[test]
    fn one_seed_gives_one_order() {
        let order = |seed| {
            let mut list: Vec<u32> = (0..50).collect();
            Draws::new(seed).shuffle(&mut list);
            list
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
    }
}
