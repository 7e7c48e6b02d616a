//! One small 64-bit hash for identities and fingerprints that are written down: it never changes
//! with the machine, the run or a dependency. Not for hash tables, and not a secret.

/// FNV-1a over everything fed to it, mixed at the end so that near inputs lie far apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hash64(u64);

impl Hash64 {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Feeds bytes, preceded by their number, so that `ab`+`c` is not `a`+`bc`.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self.number(bytes.len() as u64), |hash, &byte| hash.byte(byte))
    }

    /// Feeds a number.
    pub(crate) fn number(self, number: u64) -> Self {
        number.to_le_bytes().iter().fold(self, |hash, &byte| hash.byte(byte))
    }

    /// The hash of everything fed.
    pub(crate) const fn finish(self) -> u64 {
        let mut x = self.0;
        x ^= x >> 32;
        x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
        x ^= x >> 32;
        x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
        x ^ (x >> 32)
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::Hash64;

    #[test]
    fn parts_are_kept_apart_and_the_value_is_fixed_for_ever() {
        let split = |a: &str, b: &str| Hash64::new().bytes(a.as_bytes()).bytes(b.as_bytes());
        assert_ne!(split("ab", "c").finish(), split("a", "bc").finish());
        assert_eq!(split("gas/leak", "500103").number(7).finish(), 0xef0e_db7f_4f10_d116);
    }
}
