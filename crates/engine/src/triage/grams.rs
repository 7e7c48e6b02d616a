//! What a text looks like to a linear model: hashed runs of one to three characters, digits as one
//! class, spaces dropped; words of scripts with spaces whole as well. No dictionary, no segmenter.
//!
//! Not the text itself: from buckets nothing can be read back. Always holds: the same text gives the
//! same buckets on every machine and for ever, since models are written down; width, case and
//! spaces change nothing.

use super::letter::{is_latin, plain};

/// Buckets: a mebibyte of row numbers, and few runs of letters share one.
pub const BUCKETS: usize = 1 << 18;
/// Characters of a text that are looked at.
pub const TEXT_LETTERS_MAX: usize = 4_000;

/// Reads texts into buckets, over and over in the same memory.
#[derive(Debug, Clone)]
pub struct Grams {
    /// A bit a bucket: already there.
    seen: Vec<u64>,
    found: Vec<u32>,
}

impl Default for Grams {
    fn default() -> Self {
        Self { seen: vec![0; BUCKETS / 64], found: Vec::new() }
    }
}

impl Grams {
    /// Begins another text.
    pub fn clear(&mut self) {
        for bucket in self.found.drain(..) {
            self.seen[bucket as usize / 64] = 0;
        }
    }

    /// Adds the buckets of a text.
    pub fn text(&mut self, text: &str) {
        each_gram(text, false, |hash| self.hash(hash));
    }

    /// Adds one fact beside the text, such as an hour or an area.
    pub fn fact(&mut self, name: u64, value: u64) {
        self.hash(mix(mix(name.wrapping_add(FACT)) ^ value));
    }

    /// Each bucket once, in the order of the text.
    pub fn buckets(&self) -> &[u32] {
        &self.found
    }

    fn hash(&mut self, hash: u64) {
        let bucket = (hash >> 32) as usize % BUCKETS;
        let (word, bit) = (bucket / 64, 1 << (bucket % 64));
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.found.push(u32::try_from(bucket).unwrap_or(0));
        }
    }
}

const FACT: u64 = 0x5bd1_e995_0000_0000;
const WORD: u64 = 0x2545_f491_4f6c_dd1d;

/// Hands the hash of every gram to `take`, repeated ones again. Digits are one class unless they are
/// `told_apart`, as the numbers of houses must be where places are compared.
pub(super) fn each_gram(text: &str, told_apart: bool, mut take: impl FnMut(u64)) {
    let (mut second, mut first) = (0u64, 0u64);
    let mut word = WORD;
    for letter in text.chars().take(TEXT_LETTERS_MAX) {
        let letter = plain(letter);
        let is_class = letter.is_ascii_digit() && !told_apart;
        let letter = if is_class { '0' } else { letter };
        if is_latin(letter) {
            word = mix(word ^ u64::from(u32::from(letter)));
        } else if word != WORD {
            take(word);
            word = WORD;
        }
        if letter.is_whitespace() || letter.is_control() {
            continue;
        }
        let this = u64::from(u32::from(letter));
        if !letter.is_ascii_alphanumeric() {
            take(mix(this));
        }
        if first != 0 {
            take(mix(this | first << 21));
            if second != 0 {
                take(mix(this | first << 21 | second << 42));
            }
        }
        (second, first) = (first, this);
    }
    if word != WORD {
        take(word);
    }
}

/// Spreads a number over 64 bits, the same for ever.
pub(super) const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BUCKETS, Grams, each_gram};

    fn buckets(text: &str) -> Vec<u32> {
        let mut grams = Grams::default();
        grams.text(text);
        grams.buckets().to_vec()
    }

    #[test]
    fn a_text_of_n_letters_has_its_runs_of_one_two_and_three() {
        let mut count = 0;
        each_gram("井盖坏了", false, |_| count += 1);
        assert_eq!(count, 4 + 3 + 2);
        assert_eq!(buckets("井井井").len(), 3, "each once");
        assert_eq!(buckets(""), [0; 0]);
    }

    #[test]
    fn width_case_spaces_and_which_digit_change_nothing() {
        assert_eq!(buckets("ＢＵＳ １２路"), buckets("bus 98路"));
        assert_eq!(buckets("井 盖\n坏了"), buckets("井盖坏了"));
        assert_ne!(buckets("井盖坏了"), buckets("坏了井盖"));
    }

    #[test]
    fn a_text_is_read_the_same_whatever_was_read_before() {
        let mut grams = Grams::default();
        grams.text("路灯不亮");
        grams.fact(1, 7);
        grams.clear();
        assert_eq!(grams.buckets(), [0; 0]);
        grams.text("井盖坏了");
        assert_eq!(grams.buckets(), buckets("井盖坏了"));
    }

    #[test]
    fn buckets_are_fixed_for_ever() {
        assert_eq!(buckets("井盖坏"), FIXED);
    }

    const FIXED: [u32; 6] = [131_527, 53_138, 128_876, 189_157, 132_143, 24_228];

    proptest! {
        #[test]
        fn every_bucket_is_there_once_and_in_range(text in ".{0,80}") {
            let mut found = buckets(&text);
            prop_assert!(found.iter().all(|&bucket| (bucket as usize) < BUCKETS));
            let count = found.len();
            found.sort_unstable();
            found.dedup();
            prop_assert_eq!(found.len(), count);
        }
    }
}
