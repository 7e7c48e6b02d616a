//! Quantiles of the readings of a window: DDSketch (Masson, Rim and Lee, VLDB 2019). A reading is
//! counted in the bucket of its magnitude; buckets grow by 2 %, so the middle of a bucket is within 1 %
//! of everything in it. Sketches add up over areas, and a reading can be taken out again.
//!
//! A cell has few buckets, in chunks of one cache line; what stands above it has them as a sorted list,
//! made anew at each fold. Only windows whose formulas ask for a quantile have any of this.
//!
//! Invariants: keys come from plain arithmetic (no logarithm of the machine's), so they are the same
//! everywhere; magnitudes below [`ZERO`] count as zero.

use crate::pages::{Pages, Plain};

/// Magnitudes below this count as zero.
const ZERO: f64 = 1e-12;
/// Buckets for each doubling. The least that keeps 1 % is 0.7 / ln(1.01 / 0.99) = 34.9989, because the
/// cubic of [`steps`] rises at least 10/7 times as fast as the logarithm to base e.
const PER_DOUBLING: f64 = 35.0;
/// Added to the number of a bucket, so that magnitudes from [`ZERO`] on have positive keys.
const SHIFT: i32 = 1_400;
const KEY_MAX: i32 = 32_767;
/// Buckets in a chunk.
const IN_CHUNK: usize = 10;

/// A bucket: its key and how many readings fell into it.
pub(crate) type Bucket = (i16, u64);

/// The bucket of a value: 0 for zero, negative for negative values, ascending with the value.
pub(crate) fn key(value: f64) -> i16 {
    let magnitude = value.abs();
    if magnitude.is_nan() || magnitude < ZERO {
        return 0;
    }
    let bits = magnitude.to_bits();
    let exponent = i32::try_from(bits >> 52).expect("eleven bits") - 1_023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1_023 << 52);
    #[expect(clippy::cast_possible_truncation, reason = "a few ten thousand at most")]
    let number = ((f64::from(exponent) + steps(mantissa - 1.0)) * PER_DOUBLING).ceil() as i32;
    let key = i16::try_from((number + SHIFT).clamp(1, KEY_MAX)).expect("clamped to i16");
    if value < 0.0 { -key } else { key }
}

/// The middle of a bucket.
pub(crate) fn middle(key: i16) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let number = i32::from(key).abs() - SHIFT;
    let (low, high) = (upper_end(number - 1), upper_end(number));
    f64::copysign(2.0 * low * (high / (low + high)), f64::from(key))
}

/// Like the binary logarithm of 1 + `part`, from 0 to 1 over a doubling, but plain arithmetic.
fn steps(part: f64) -> f64 {
    ((6.0 / 35.0 * part - 0.6) * part + 10.0 / 7.0) * part
}

/// The greatest magnitude in the bucket with that number.
fn upper_end(number: i32) -> f64 {
    let per_doubling = 35;
    let exponent = number.div_euclid(per_doubling);
    let wanted = f64::from(number.rem_euclid(per_doubling)) / PER_DOUBLING;
    // The cubic turned round: it is nearly straight, so a few steps of Newton's are exact.
    let part = (0..6).fold(wanted, |part, _| {
        let slope = (18.0 / 35.0 * part - 1.2) * part + 10.0 / 7.0;
        part - (steps(part) - wanted) / slope
    });
    let power = u64::try_from(exponent + 1_023).expect("no key is that small") << 52;
    f64::from_bits(power) * (1.0 + part)
}

/// The value below which the share `q` of all readings lies, to 1 %; NaN when there is none.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn quantile(buckets: &[Bucket], q: f64) -> f64 {
    let all: u64 = buckets.iter().map(|(_, count)| count).sum();
    let rank = q * all.saturating_sub(1) as f64;
    let mut below = 0;
    for &(key, count) in buckets {
        below += count;
        if below as f64 > rank {
            return middle(key);
        }
    }
    f64::NAN
}

/// A few buckets of one cell.
#[derive(Debug, Clone, Copy, Default)]
struct Chunk {
    /// Number of the cell's next chunk, from 1; 0 for none.
    next: u32,
    keys: [i16; IN_CHUNK],
    /// 0 where there is no bucket.
    counts: [u32; IN_CHUNK],
}

const _: () = assert!(size_of::<Chunk>() == 64, "a chunk is a cache line");

impl Plain for Chunk {
    const BYTES: usize = 64;

    fn put(self, out: &mut Vec<u8>) {
        self.next.put(out);
        out.extend(self.keys.iter().flat_map(|key| key.to_le_bytes()));
        out.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
    }

    fn take(bytes: &[u8]) -> Self {
        let mut chunk = Self { next: u32::take(&bytes[..4]), ..Self::default() };
        for (key, bytes) in chunk.keys.iter_mut().zip(bytes[4..24].chunks_exact(2)) {
            *key = i16::from_le_bytes([bytes[0], bytes[1]]);
        }
        for (count, bytes) in chunk.counts.iter_mut().zip(bytes[24..].chunks_exact(4)) {
            *count = u32::take(bytes);
        }
        chunk
    }
}

/// The sketches of one pane.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sketches {
    /// For each node the number of its first chunk, from 1.
    heads: Pages<u32>,
    chunks: Pages<Chunk>,
    /// For each node with children, its own buckets and those below, as of the last fold.
    above: Vec<Vec<Bucket>>,
}

impl Sketches {
    /// Counts so many readings of a bucket at a node.
    pub(crate) fn add(&mut self, node: usize, key: i16, count: u32) {
        self.heads.grow(node + 1);
        let mut at = self.heads[node];
        let mut free = None;
        let mut last = 0;
        while at != 0 {
            let chunk = self.chunks[at as usize - 1];
            for place in 0..IN_CHUNK {
                if chunk.counts[place] == 0 {
                    free = free.or(Some((at, place)));
                } else if chunk.keys[place] == key {
                    let chunk = self.chunks.get_mut(at as usize - 1);
                    chunk.counts[place] = chunk.counts[place].saturating_add(count);
                    return;
                }
            }
            (last, at) = (at, chunk.next);
        }
        let (at, place) = free.unwrap_or_else(|| (self.append(node, last), 0));
        let chunk = self.chunks.get_mut(at as usize - 1);
        (chunk.keys[place], chunk.counts[place]) = (key, count);
    }

    /// Takes a reading out of its bucket again.
    pub(crate) fn remove(&mut self, node: usize, key: i16) {
        let mut at = self.heads.as_slice().get(node).copied().unwrap_or(0);
        while at != 0 {
            let chunk = self.chunks[at as usize - 1];
            let place = (0..IN_CHUNK).find(|&p| chunk.counts[p] > 0 && chunk.keys[p] == key);
            if let Some(place) = place {
                self.chunks.get_mut(at as usize - 1).counts[place] -= 1;
                return;
            }
            at = chunk.next;
        }
    }

    /// A further chunk behind the last one of a node.
    fn append(&mut self, node: usize, last: u32) -> u32 {
        self.chunks.push(Chunk::default());
        let number = u32::try_from(self.chunks.len()).expect("fewer chunks than readings");
        match last {
            0 => *self.heads.get_mut(node) = number,
            last => self.chunks.get_mut(last as usize - 1).next = number,
        }
        number
    }

    /// Buckets of the readings at the node itself, in no order.
    pub(crate) fn own(&self, node: usize) -> impl Iterator<Item = Bucket> {
        let mut at = self.heads.as_slice().get(node).copied().unwrap_or(0);
        let chunks = std::iter::from_fn(move || {
            let chunk = *self.chunks.as_slice().get((at as usize).checked_sub(1)?)?;
            at = chunk.next;
            Some(chunk)
        });
        let buckets = chunks.flat_map(|chunk| chunk.keys.into_iter().zip(chunk.counts));
        buckets.filter(|(_, count)| *count > 0).map(|(key, count)| (key, u64::from(count)))
    }
}

impl Sketches {
    /// From a snapshot; `None` when its parts do not fit together.
    fn restored(heads: Pages<u32>, chunks: Pages<Chunk>) -> Option<Self> {
        let last = u32::try_from(chunks.len()).ok()?;
        // Chunks of a cell follow each other, so that a walk along them ends.
        let onward = |(number, chunk): (u32, &Chunk)| chunk.next == 0 || chunk.next > number;
        let fits = heads.as_slice().iter().all(|&head| head <= last)
            && (1..).zip(chunks.as_slice()).all(onward)
            && chunks.as_slice().iter().all(|chunk| chunk.next <= last);
        fits.then_some(Self { heads, chunks, above: Vec::new() })
    }

    /// Reads one of those sizes.
    pub(crate) fn take(bytes: &mut &[u8], [heads, chunks]: [usize; 2]) -> Option<Self> {
        Self::restored(Pages::take(bytes, heads)?, Pages::take(bytes, chunks)?)
    }

    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.heads.len(), self.chunks.len()]
    }

    pub(crate) fn freeze(&mut self) {
        self.heads.freeze();
        self.chunks.freeze();
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.heads.is_frozen() || self.chunks.is_frozen()
    }

    /// Writes out more; true while there is more.
    pub(crate) fn thaw(&mut self, out: &mut Vec<u8>, full: usize) -> bool {
        self.heads.thaw(out, full) || self.chunks.thaw(out, full)
    }

    /// Forgets what was folded; there are so many nodes with children now.
    pub(crate) fn reshape(&mut self, inner: usize) {
        self.above.clear();
        self.above.resize(inner, Vec::new());
    }

    /// Works out a node with children: its own buckets and, of each child, what it holds.
    pub(crate) fn fold(
        &mut self,
        inner: usize,
        node: usize,
        children: impl Iterator<Item = (usize, Option<usize>)>,
        gather: &mut Gather,
    ) {
        self.own(node).for_each(|bucket| gather.add(bucket));
        for (child, further) in children {
            match further {
                Some(further) => self.above[further].iter().for_each(|&b| gather.add(b)),
                None => self.own(child).for_each(|bucket| gather.add(bucket)),
            }
        }
        self.above[inner] = gather.finish();
    }

    /// Buckets of a node with children, as of the last fold.
    pub(crate) fn above(&self, inner: usize) -> &[Bucket] {
        self.above.get(inner).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Adds buckets up: one place for each key there is.
#[derive(Debug)]
pub(crate) struct Gather {
    counts: Vec<u64>,
    used: Vec<i16>,
}

impl Default for Gather {
    fn default() -> Self {
        Self { counts: vec![0; 1 << 16], used: Vec::new() }
    }
}

impl Gather {
    pub(crate) fn add(&mut self, (key, count): Bucket) {
        let place = &mut self.counts[usize::from(key.cast_unsigned())];
        if *place == 0 {
            self.used.push(key);
        }
        *place += count;
    }

    /// What was added, in order of key; nothing is left.
    pub(crate) fn finish(&mut self) -> Vec<Bucket> {
        self.used.sort_unstable();
        let counts = &mut self.counts;
        let take = |key: i16| (key, std::mem::take(&mut counts[usize::from(key.cast_unsigned())]));
        self.used.drain(..).map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The element that the rank of a quantile names.
    fn exactly(values: &mut [f64], q: f64) -> f64 {
        values.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
        let rank = (q * (values.len() - 1) as f64).floor() as usize;
        values[rank]
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -100.0..100.0_f64,
            2 => (-11.0..100.0_f64, any::<bool>())
                .prop_map(|(e, minus)| if minus { -10_f64.powf(e) } else { 10_f64.powf(e) }),
            1 => Just(0.0),
            1 => -1e-12..1e-12_f64,
        ]
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_a_hundredth_of_the_reading_of_its_rank(
            mut values in prop::collection::vec(any_value(), 1..300),
            gone in prop::collection::vec(any_value(), 0..100),
            q in 0.0..=1.0_f64,
        ) {
            // Some readings come and go again, in two cells that are added up.
            let mut sketches = Sketches::default();
            for (place, value) in values.iter().chain(&gone).enumerate() {
                sketches.add(place % 2, key(*value), 1);
            }
            for (place, value) in values.iter().chain(&gone).enumerate().skip(values.len()) {
                sketches.remove(place % 2, key(*value));
            }
            sketches.reshape(1);
            sketches.fold(0, 0, std::iter::once((1, None)), &mut Gather::default());
            let found = quantile(sketches.above(0), q);
            let wanted = exactly(&mut values, q);
            let error = (found - wanted).abs();
            prop_assert!(error <= 0.01 * wanted.abs() + 1e-12, "{} is not near {}", found, wanted);
        }

        #[test]
        fn a_sketch_comes_back_from_its_bytes(values in prop::collection::vec(any_value(), 0..200)) {
            let mut sketches = Sketches::default();
            for (place, value) in values.iter().enumerate() {
                sketches.add(place % 5, key(*value), 1);
            }
            let (sizes, mut bytes) = (sketches.sizes(), Vec::new());
            sketches.freeze();
            while sketches.thaw(&mut bytes, usize::MAX) {}
            let read = Sketches::take(&mut bytes.as_slice(), sizes).unwrap();
            for node in 0..5 {
                let both = [&sketches, &read].map(|s| s.own(node).collect::<Vec<_>>());
                prop_assert_eq!(&both[0], &both[1]);
            }
        }
    }

    #[test]
    fn keys_ascend_with_the_value_and_the_same_everywhere() {
        let values = [-1e6, -2.0, -1e-11, 0.0, 1e-13, 1e-11, 0.5, 1.0, 1.03, 2.0, 1e6, 1e300];
        let keys = values.map(key);
        assert_eq!(keys, [-2098, -1435, -122, 0, 0, 122, 1365, 1400, 1402, 1435, 2098, 32767]);
        assert_eq!(quantile(&[], 0.5).to_bits(), f64::NAN.to_bits());
    }
}
