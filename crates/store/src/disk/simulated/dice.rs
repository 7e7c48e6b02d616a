//! Numbers that look random and are the same for the same seed. Not for secrets.

/// Numbers that look random and are the same for the same seed, in the order drawn.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of one seed; `lane` makes several of them independent.
    pub fn new(seed: u64, lane: u64) -> Self {
        Self(seed ^ lane.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    /// The next 64 bits (`SplitMix64`).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A whole number below `n`, which is below 2^32; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (((self.draw() >> 32) * n as u64) >> 32) as usize
    }

    /// True in one of `n` cases.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
