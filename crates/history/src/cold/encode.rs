//! The encodings of Parquet that our columns use, written straight from runs and slices. The general
//! writer hashes every value and asks every row for its levels; here a run of a thousand rows costs
//! what one row costs.
//!
//! Not here: pages, compression and files. Format: apache/parquet-format, Encodings.md.

/// Deltas of a block and of a miniblock of `DELTA_BINARY_PACKED`.
const BLOCK: usize = 128;
const MINI: usize = 32;

/// Unsigned LEB128.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Bits that hold every value up to `max`.
pub(crate) fn bits_for(max: u64) -> u32 {
    u64::BITS - max.leading_zeros()
}

/// `DELTA_BINARY_PACKED`; for 32-bit columns too, when no two neighbours differ by more than they hold.
pub(crate) fn delta(values: &[i64], out: &mut Vec<u8>) {
    varint(out, BLOCK as u64);
    varint(out, (BLOCK / MINI) as u64);
    varint(out, values.len() as u64);
    varint(out, zigzag(values.first().copied().unwrap_or(0)));
    let mut deltas = [0_i64; BLOCK];
    let mut rest = values;
    while rest.len() > 1 {
        let count = (rest.len() - 1).min(BLOCK);
        for (delta, pair) in deltas.iter_mut().zip(rest.windows(2)) {
            *delta = pair[1].wrapping_sub(pair[0]);
        }
        delta_block(&mut deltas, count, out);
        rest = &rest[count..];
    }
}

fn delta_block(deltas: &mut [i64; BLOCK], count: usize, out: &mut Vec<u8>) {
    let min = deltas[..count].iter().copied().fold(i64::MAX, i64::min);
    // What fills the last miniblock up is packed as nothing.
    deltas[count..].fill(min);
    varint(out, zigzag(min));
    let widths_at = out.len();
    out.extend([0; BLOCK / MINI]);
    for (mini, part) in deltas.chunks_exact_mut(MINI).enumerate().take(count.div_ceil(MINI)) {
        let mut all = 0;
        for delta in part.iter_mut() {
            *delta = delta.wrapping_sub(min);
            all |= delta.cast_unsigned();
        }
        let width = bits_for(all);
        out[widths_at + mini] = width.to_le_bytes()[0];
        pack(part.iter().map(|d| d.cast_unsigned()), width, out);
    }
}

/// Values of `width` bits, least significant first. The number of values is a multiple of 8.
fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut held, mut bits) = (0_u128, 0);
    for value in values {
        held |= u128::from(value) << bits;
        bits += width;
        while bits >= u64::BITS {
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= u64::BITS;
            bits -= u64::BITS;
        }
    }
    let bytes = held.to_le_bytes();
    out.extend_from_slice(&bytes[..bits.div_ceil(8) as usize]);
}

/// The hybrid of run lengths and bit packing in which indexes of a dictionary are written, behind the
/// byte that says their width.
#[derive(Debug)]
pub(crate) struct Indexes<'a> {
    out: &'a mut Vec<u8>,
    width: u32,
    /// The run that still grows.
    value: u32,
    times: usize,
    /// Values of short runs, to be packed.
    short: Vec<u32>,
}

impl<'a> Indexes<'a> {
    pub(crate) fn new(width: u32, out: &'a mut Vec<u8>) -> Self {
        out.push(width.to_le_bytes()[0]);
        Self { out, width, value: 0, times: 0, short: Vec::new() }
    }

    pub(crate) fn push(&mut self, value: u32, times: usize) {
        if value == self.value {
            self.times += times;
            return;
        }
        self.end_run();
        (self.value, self.times) = (value, times);
    }

    pub(crate) fn finish(mut self) {
        self.end_run();
        self.short.resize(self.short.len().next_multiple_of(8), 0);
        self.pack_short();
    }

    fn end_run(&mut self) {
        // Packed values come in eights: the run fills the last eight up.
        let open = self.short.len().next_multiple_of(8) - self.short.len();
        let filling = open.min(self.times);
        let rest = self.times - filling;
        self.short.resize(self.short.len() + filling, self.value);
        if rest < 8 {
            self.short.resize(self.short.len() + rest, self.value);
            return;
        }
        self.pack_short();
        varint(self.out, (rest as u64) << 1);
        let bytes = self.width.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.value.to_le_bytes()[..bytes]);
    }

    fn pack_short(&mut self) {
        if !self.short.is_empty() {
            varint(self.out, (self.short.len() as u64 / 8) << 1 | 1);
            pack(self.short.iter().map(|&v| u64::from(v)), self.width, self.out);
            self.short.clear();
        }
    }
}

/// Words one behind the other: their bytes, and where each ends.
#[derive(Debug, Default, Clone)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Arena {
    pub(crate) fn push(&mut self, word: &str) {
        self.push_bytes(word.as_bytes());
    }

    pub(crate) fn push_bytes(&mut self, word: &[u8]) {
        self.bytes.extend_from_slice(word);
        self.ends.push(u32::try_from(self.bytes.len()).expect("names of a row group are small"));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[index] as usize]
    }
}

/// `PLAIN` words, as in a dictionary page.
pub(crate) fn plain_words<'a>(words: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for word in words {
        out.extend_from_slice(&u32::try_from(word.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(word);
    }
}

/// `DELTA_BYTE_ARRAY`: of each word what differs from the one before it.
pub(crate) fn delta_words<'a>(words: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let (mut shared, mut lengths, mut suffixes) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: &[u8] = &[];
    for word in words {
        let same = word.iter().zip(before).take_while(|(a, b)| a == b).count();
        shared.push(same.cast_signed() as i64);
        lengths.push((word.len() - same).cast_signed() as i64);
        suffixes.extend_from_slice(&word[same..]);
        before = word;
    }
    delta(&shared, out);
    delta(&lengths, out);
    out.append(&mut suffixes);
}

/// `PLAIN` numbers.
pub(crate) fn plain<const N: usize, T: Copy>(
    values: &[T],
    bytes: fn(T) -> [u8; N],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.resize(start + values.len() * N, 0);
    for (place, &value) in out[start..].chunks_exact_mut(N).zip(values) {
        place.copy_from_slice(&bytes(value));
    }
}

/// `BYTE_STREAM_SPLIT`: all first bytes, then all second bytes...
pub(crate) fn byte_stream_split(values: &[u64], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + size_of_val(values), 0);
    for (place, lane) in out[start..].chunks_exact_mut(values.len().max(1)).enumerate() {
        for (byte, value) in lane.iter_mut().zip(values) {
            *byte = value.to_le_bytes()[place];
        }
    }
}
