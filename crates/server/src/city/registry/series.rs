//! Which stream a line means: from the raw bytes of measurement, tags and field to its number, in
//! one cache line. Keys are not kept, only 70 bits of their hash: with 22 million series the chance
//! that any two are taken for one is 2e-7, and the seed is drawn anew for every data folder, so
//! nobody can look for such a pair (decision 0030).
//!
//! Not here: what a line must look like, and what an unknown one is worth (`ingest`).

use chengmai_model::StreamId;
use twox_hash::XxHash3_128;

/// Slots of a bucket: a bucket is a cache line.
const SLOTS: usize = 5;
/// Of this many slots so many may be taken before the table grows.
const LOAD: (usize, usize) = (17, 20);
/// It grows by this share of itself, so that little memory stands idle. That is cheap: slots keep
/// their order, so both tables are gone through from one end to the other.
const GROWTH: usize = 8;
/// Bits of the hash that a slot keeps beside its tag: six times five fit the rest of a cache line.
const MORE_BITS: usize = 6;
const MORE: u8 = (1 << MORE_BITS) - 1;

/// Hash of a series key. Never zero in `tag`; six bits in `more`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeriesKey {
    tag: u64,
    more: u8,
}

/// A series and the stream it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    key: SeriesKey,
    stream: u32,
}

/// Five slots, of which the first are taken. One is free while its tag is 0.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket {
    tags: [u64; SLOTS],
    streams: [u32; SLOTS],
    /// Six bits of each slot.
    more: u32,
}

const _: () = assert!(size_of::<Bucket>() == 64, "a bucket is a cache line");

impl Bucket {
    #[inline]
    fn key(&self, slot: usize) -> SeriesKey {
        let more = (self.more >> (slot * MORE_BITS)).to_le_bytes()[0] & MORE;
        SeriesKey { tag: self.tags[slot], more }
    }

    fn slots(&self) -> impl Iterator<Item = Slot> {
        let taken = (0..SLOTS).take_while(|&slot| self.tags[slot] != 0);
        taken.map(|slot| Slot { key: self.key(slot), stream: self.streams[slot] })
    }

    /// Puts it into the first free slot, if there is one.
    fn put(&mut self, new: Slot) -> bool {
        let free = self.tags.iter().position(|&tag| tag == 0);
        if let Some(slot) = free {
            self.tags[slot] = new.key.tag;
            self.streams[slot] = new.stream;
            self.more |= u32::from(new.key.more) << (slot * MORE_BITS);
        }
        free.is_some()
    }
}

/// The table of all series seen.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    seed: u64,
    buckets: Vec<Bucket>,
    taken: usize,
}

impl SeriesTable {
    /// An empty table whose hashes nobody outside can foresee.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, buckets: vec![Bucket::default(); 64], taken: 0 }
    }

    /// Series known.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The key of a field of a line: measurement and tags as they stand there, then the field's name.
    #[inline]
    pub(crate) fn key(&self, series: &[u8], field: &[u8]) -> SeriesKey {
        let hash = XxHash3_128::oneshot_with_seed(self.seed, series);
        // The field of most lines is called so: one hash is enough.
        if field == b"value" {
            return SeriesKey::of(hash);
        }
        SeriesKey::of(hash ^ XxHash3_128::oneshot_with_seed(!self.seed, field))
    }

    #[inline]
    fn bucket_of(&self, tag: u64) -> usize {
        // The upper bits choose: any number of buckets will do, and growing keeps the order.
        let place = (u128::from(tag) * self.buckets.len() as u128) >> 64;
        usize::try_from(place).unwrap_or(0)
    }

    /// Reads the line that a look-up is about to need. Many of these one after the other overlap in
    /// memory, while look-ups would wait for each other.
    #[inline]
    pub(crate) fn touch(&self, key: SeriesKey) -> u64 {
        self.buckets[self.bucket_of(key.tag)].tags[0]
    }

    /// The stream behind a key.
    #[inline]
    pub(crate) fn find(&self, key: SeriesKey) -> Option<StreamId> {
        let mut at = self.bucket_of(key.tag);
        loop {
            let bucket = &self.buckets[at];
            for (slot, &tag) in bucket.tags.iter().enumerate() {
                if tag == key.tag && bucket.key(slot) == key {
                    return Some(StreamId(bucket.streams[slot]));
                }
                if tag == 0 {
                    return None;
                }
            }
            at = self.next(at);
        }
    }

    /// Remembers which stream a key means; a key known already keeps its stream.
    pub(crate) fn insert(&mut self, key: SeriesKey, stream: StreamId) {
        if self.find(key).is_none() {
            self.make_room(1);
            self.put(Slot { key, stream: stream.0 });
        }
    }

    /// Takes in the slots of a saved table with the same seed; those of streams beyond so many are
    /// left out.
    pub(crate) fn restore(&mut self, saved: &[u8], streams: usize) {
        let (slots, _) = saved.as_chunks::<{ Slot::BYTES }>();
        self.make_room(slots.len());
        for slot in slots.iter().map(Slot::from_bytes) {
            if (slot.stream as usize) < streams && slot.key.tag != 0 {
                self.put(slot);
            }
        }
    }

    /// All taken slots of some buckets, for saving the table piece by piece.
    pub(crate) fn slots(&self, from: usize, buckets: usize) -> impl Iterator<Item = Slot> {
        let end = (from + buckets).min(self.buckets.len());
        let part = self.buckets.get(from.min(end)..end).unwrap_or_default();
        part.iter().flat_map(Bucket::slots)
    }

    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    fn make_room(&mut self, more: usize) {
        let slots = self.buckets.len() * SLOTS;
        let wanted = self.taken + more;
        if wanted * LOAD.1 <= slots * LOAD.0 {
            return;
        }
        let buckets = (wanted * LOAD.1 / LOAD.0).max(slots + slots / GROWTH).div_ceil(SLOTS);
        let old = std::mem::replace(&mut self.buckets, vec![Bucket::default(); buckets]);
        self.taken = 0;
        for slot in old.iter().flat_map(Bucket::slots) {
            self.put(slot);
        }
    }

    fn put(&mut self, new: Slot) {
        let mut at = self.bucket_of(new.key.tag);
        while !self.buckets[at].put(new) {
            at = self.next(at);
        }
        self.taken += 1;
    }

    #[inline]
    fn next(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }
}

impl SeriesKey {
    #[inline]
    fn of(hash: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "two parts of the hash")]
        let (tag, more) = (hash as u64, (hash >> 64) as u8 & MORE);
        Self { tag: tag.max(1), more }
    }
}

impl Slot {
    /// Bytes of a saved slot.
    pub(crate) const BYTES: usize = 13;
    /// Bytes of one in the first version of saved tables.
    pub(crate) const BYTES_BEFORE: usize = 16;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.key.tag.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.stream.to_le_bytes());
        bytes[12] = self.key.more;
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, s0, s1, s2, s3, more] = *bytes;
        let tag = u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        let key = SeriesKey { tag, more: more & MORE };
        Self { key, stream: u32::from_le_bytes([s0, s1, s2, s3]) }
    }

    /// A slot of the first version, which kept its kind and ten more bits of the hash.
    pub(crate) fn of_version_1(bytes: &[u8; Self::BYTES_BEFORE]) -> [u8; Self::BYTES] {
        let [t0, t1, t2, t3, t4, t5, t6, t7, s0, s1, s2, s3, _, _, more, _] = *bytes;
        [t0, t1, t2, t3, t4, t5, t6, t7, s0, s1, s2, s3, more & MORE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> Vec<u8> {
        format!("methane,device=d{number:07},area=500103").into_bytes()
    }

    #[test]
    fn every_series_is_found_again_while_the_table_grows() {
        let mut table = SeriesTable::new(7);
        for number in 0..20_000 {
            let key = table.key(&name(number), b"value");
            assert_eq!(table.find(key), None, "series {number} is new");
            table.insert(key, StreamId(number));
        }
        assert_eq!(table.len(), 20_000);
        for number in 0..20_000 {
            let key = table.key(&name(number), b"value");
            assert_eq!(table.find(key), Some(StreamId(number)));
        }
    }

    #[test]
    fn the_field_is_part_of_the_key() {
        let table = SeriesTable::new(1);
        let keys = [&b"value"[..], b"h2s", b"", b"valu"].map(|field| table.key(b"gas,id=1", field));
        for (at, key) in keys.iter().enumerate() {
            assert!(keys[..at].iter().all(|other| other != key));
        }
    }

    #[test]
    fn a_saved_table_comes_back_without_the_streams_that_came_later() {
        let mut table = SeriesTable::new(42);
        for number in 0..1_000 {
            table.insert(table.key(&name(number), b"value"), StreamId(number));
        }
        let mut saved = Vec::new();
        for from in (0..table.buckets()).step_by(64) {
            saved.extend(table.slots(from, 64).flat_map(super::Slot::to_bytes));
        }
        let mut back = SeriesTable::new(table.seed());
        back.restore(&saved, 900);
        assert_eq!(back.len(), 900);
        assert_eq!(back.find(back.key(&name(899), b"value")), Some(StreamId(899)));
        assert_eq!(back.find(back.key(&name(900), b"value")), None);
    }
}
