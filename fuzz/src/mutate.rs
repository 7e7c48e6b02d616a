//! Spoiling bytes: cut, turned over, doubled, joined with others, and given numbers and marks that
//! decoders stumble over. Repeatable: the same seed spoils in the same way.

use std::ops::Range;

/// Longest input; what is longer is cut. Limits of size have tests of their own.
const BYTES_MAX: usize = 8_192;

/// Ways to spoil, and those that leave every byte where it is.
const WAYS: usize = 9;
const IN_PLACE: [usize; 4] = [0, 1, 7, 8];

/// What formats and numbers are made of.
const MARKS: [&[u8]; 31] = [
    b",",
    b";",
    b"=",
    b"\"",
    b"\\",
    b"\n",
    b"\r\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b" ",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"null",
    b"true",
    b"-",
    b"1e308",
    b"1e999",
    b"-0.0",
    b"NaN",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"i",
    b"2024-02-30",
    b"2024-03-10 02:30:00",
    "井".as_bytes(),
];

/// A small generator of numbers (xorshift), good enough to choose with.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        // The upper half: the lower bits of the product are the weaker ones.
        usize::try_from((self.roll() >> 32) % (end.max(1) as u64)).unwrap_or(0)
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.below(bytes.len() + 1)
    }

    /// A stretch of the bytes, mostly short.
    fn stretch(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.place(bytes);
        let longest = if self.below(4) == 0 { bytes.len() } else { 16 };
        from..(from + self.below(longest + 1)).min(bytes.len())
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[7]
    }
}

/// One sample of the pool, spoiled in one to eight ways.
pub(crate) fn spoil(dice: &mut Dice, pool: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = pool.get(dice.below(pool.len())).cloned().unwrap_or_default();
    // Half of the time nothing moves: formats of columns refuse whatever has another length.
    let in_place = dice.below(2) == 0;
    for _ in 0..=dice.below(8) {
        let way = if in_place { IN_PLACE[dice.below(IN_PLACE.len())] } else { dice.below(WAYS) };
        once(dice, pool, &mut bytes, way);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn once(dice: &mut Dice, pool: &[Vec<u8>], bytes: &mut Vec<u8>, way: usize) {
    match way {
        0 => {
            let (at, bit) = (dice.below(bytes.len()), dice.below(8));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        1 => {
            let (at, new) = (dice.below(bytes.len()), dice.byte());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = new;
            }
        }
        2 => bytes.truncate(dice.place(bytes)),
        3 => drop(bytes.drain(dice.stretch(bytes))),
        4 => {
            let (part, at) = (bytes[dice.stretch(bytes)].to_vec(), dice.place(bytes));
            insert(bytes, at, &part);
        }
        5 => {
            let other = pool.get(dice.below(pool.len())).map_or(&[][..], Vec::as_slice);
            let (part, at) = (other[dice.stretch(other)].to_vec(), dice.place(bytes));
            insert(bytes, at, &part);
        }
        6 => {
            let (mark, at) = (MARKS[dice.below(MARKS.len())], dice.place(bytes));
            insert(bytes, at, mark);
        }
        7 => {
            let (mark, at) = (MARKS[dice.below(MARKS.len())], dice.place(bytes));
            overwrite(bytes, at, mark);
        }
        _ => {
            let (number, at) = (edge_number(dice), dice.place(bytes));
            let width = 1 << dice.below(4);
            overwrite(bytes, at, &number.to_le_bytes()[..width]);
        }
    }
}

/// A number beside a power of two, where lengths and counts overflow.
fn edge_number(dice: &mut Dice) -> u64 {
    let power = 1_u64.rotate_left(u32::try_from(dice.below(64)).unwrap_or(0));
    match dice.below(4) {
        0 => power.wrapping_sub(1),
        1 => power,
        2 => power.wrapping_neg(),
        _ => u64::MAX,
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

fn overwrite(bytes: &mut [u8], at: usize, part: &[u8]) {
    for (old, new) in bytes.iter_mut().skip(at).zip(part) {
        *old = *new;
    }
}
