//! The registry in a snapshot: blocks of columns, taken slice by slice so that nobody waits for the
//! lock longer than for one slice, and read back without a step per string.
//!
//! Between slices the registry goes on. That is harmless: devices and streams beyond the limits
//! given are left out, what was updated meanwhile is in the journal behind the snapshot as well, and
//! the table of series is only a short way to what `resolve` finds anyway.

use chengmai_model::{AreaCode, AreaTree, DeviceId, Runs, StreamId};
use serde::{Deserialize, Serialize};

use super::devices::{Devices, ROW_BYTES};
use super::series::{SeriesTable, Slot};
use super::{Registry, dense};

/// Names of blocks begin with this.
pub(crate) const PREFIX: &str = "registry/";
const DEVICES: &str = "registry/devices-1";
const STREAMS: &str = "registry/streams-1";
const SERIES_BEFORE: &str = "registry/series-1";
const SERIES: &str = "registry/series-2";
const WORDS: &str = "registry/words-1";

/// Rows or buckets taken under one hold of the lock.
const SLICE: usize = 65_536;
/// Bytes of a saved stream: device and kind.
const STREAM_BYTES: usize = 6;

/// What is small, and what the columns refer to by index.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Words {
    pub(super) kinds: Vec<String>,
    pub(super) codes: Vec<AreaCode>,
    pub(super) agencies: Vec<String>,
    pub(super) titles: Vec<(u32, String)>,
    pub(super) seed: u64,
}

/// How far a save has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saving {
    devices: usize,
    streams: usize,
    stage: Stage,
    /// Buckets of the table of series when its turn came.
    buckets: usize,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Devices(usize),
    Streams(usize),
    Series(usize),
    Words,
    Done,
}

impl Saving {
    /// Of so many devices and streams: what the journal holds at the snapshot's place.
    pub(crate) const fn of(devices: usize, streams: usize) -> Self {
        Self { devices, streams, stage: Stage::Devices(0), buckets: 0 }
    }

    /// The next block: its name, and its bytes in `out`. `None` when all were taken.
    pub(crate) fn next(&mut self, registry: &Registry, out: &mut Vec<u8>) -> Option<&'static str> {
        out.clear();
        match self.stage {
            Stage::Devices(from) => {
                let end = (from + SLICE).min(self.devices);
                registry.devices.save(from..end, out);
                self.stage =
                    if end < self.devices { Stage::Devices(end) } else { Stage::Streams(0) };
                Some(DEVICES)
            }
            Stage::Streams(from) => {
                let end = (from + SLICE).min(self.streams);
                let kinds = &registry.stream_kinds[from..end];
                for (device, kind) in registry.stream_devices.part(from..end).zip(kinds) {
                    out.extend_from_slice(&device.to_le_bytes());
                    out.extend_from_slice(&kind.to_le_bytes());
                }
                self.buckets = registry.series.buckets();
                self.stage =
                    if end < self.streams { Stage::Streams(end) } else { Stage::Series(0) };
                Some(STREAMS)
            }
            Stage::Series(from) => {
                // A table that grew meanwhile has other places; what is not saved is met anew.
                if registry.series.buckets() == self.buckets {
                    let slots = registry.series.slots(from, SLICE);
                    slots.for_each(|slot| out.extend_from_slice(&slot.to_bytes()));
                }
                let end = from + SLICE;
                self.stage = if end < self.buckets { Stage::Series(end) } else { Stage::Words };
                Some(SERIES)
            }
            Stage::Words => {
                let words = postcard::to_extend(&registry.words(), std::mem::take(out));
                *out = words.unwrap_or_default();
                self.stage = Stage::Done;
                Some(WORDS)
            }
            Stage::Done => None,
        }
    }
}

/// A registry on its way back from a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Restoring {
    devices: Devices,
    stream_devices: Runs,
    stream_kinds: Vec<u16>,
    slots: Vec<u8>,
    words: Option<Words>,
}

impl Restoring {
    /// Takes a block that [`Saving::next`] made.
    ///
    /// # Errors
    /// In words, when the bytes do not fit.
    pub(crate) fn take(&mut self, name: &str, bytes: &[u8]) -> Result<(), &'static str> {
        match name {
            DEVICES => self.devices.restore(bytes),
            STREAMS => {
                let (rows, rest) = bytes.as_chunks::<STREAM_BYTES>();
                for [d0, d1, d2, d3, k0, k1] in rows {
                    self.stream_devices.push(u32::from_le_bytes([*d0, *d1, *d2, *d3]));
                    self.stream_kinds.push(u16::from_le_bytes([*k0, *k1]));
                }
                if rest.is_empty() { Ok(()) } else { Err("a stream is cut off") }
            }
            SERIES_BEFORE if bytes.len().is_multiple_of(Slot::BYTES_BEFORE) => {
                let (slots, _) = bytes.as_chunks();
                self.slots.extend(slots.iter().flat_map(Slot::of_version_1));
                Ok(())
            }
            SERIES if bytes.len().is_multiple_of(Slot::BYTES) => {
                self.slots.extend_from_slice(bytes);
                Ok(())
            }
            WORDS => {
                self.words = Some(postcard::from_bytes(bytes).map_err(|_| "the words are cut")?);
                Ok(())
            }
            _ => Err("a block of a registry that is not known here"),
        }
    }

    /// Fills an empty registry, with the kinds of today's packs and the areas of today's tree.
    ///
    /// # Errors
    /// In words, when the blocks do not fit together.
    pub(crate) fn finish(self, registry: &mut Registry) -> Result<(), &'static str> {
        let Self { devices, stream_devices, stream_kinds, slots, words } = self;
        let words = words.ok_or("the words are missing")?;
        let kinds: Vec<u16> = words.kinds.iter().map(|name| registry.kind_or_add(name)).collect();
        let seed = words.seed;
        registry.devices = devices;
        registry.devices.complete(words, &registry.areas)?;
        let count = registry.devices.len();
        let fits = stream_devices.iter().all(|device| (device as usize) < count)
            && stream_kinds.iter().all(|&kind| usize::from(kind) < kinds.len());
        if !fits {
            return Err("a stream belongs to nobody");
        }
        registry.stream_kinds = stream_kinds.iter().map(|&k| kinds[usize::from(k)]).collect();
        registry.stream_devices = stream_devices;
        for (stream, device) in (0..).zip(registry.stream_devices.iter()) {
            registry.devices.add_stream(DeviceId(device), StreamId(stream));
        }
        registry.series = SeriesTable::new(seed);
        registry.series.restore(&slots, registry.stream_kinds.len());
        Ok(())
    }
}

impl Registry {
    fn words(&self) -> Words {
        let mut words = self.devices.words();
        words.kinds = self.kinds.iter().map(|kind| kind.name.to_string()).collect();
        words.seed = self.series.seed();
        words
    }
}

impl Devices {
    fn save(&self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        let count = dense(range.len());
        out.extend_from_slice(&count.to_le_bytes());
        for index in range.clone() {
            out.extend_from_slice(&self.row_bytes(dense(index)));
        }
        for index in range {
            out.extend_from_slice(self.name(dense(index)).as_bytes());
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let (count, rest) = bytes.split_first_chunk().ok_or("the devices have no count")?;
        let count = u32::from_le_bytes(*count) as usize;
        let end = count.checked_mul(ROW_BYTES).ok_or("too many devices")?;
        let (rows, names) = rest.split_at_checked(end).ok_or("the devices are cut off")?;
        let mut names = std::str::from_utf8(names).map_err(|_| "a name is not text")?;
        for row in rows.as_chunks::<ROW_BYTES>().0 {
            names = self.restore_row(row, names).ok_or("a name is cut off")?;
        }
        if names.is_empty() { Ok(()) } else { Err("bytes behind the last name") }
    }

    /// Gives every device its place and its name's entry, once all are there.
    fn complete(&mut self, words: Words, areas: &AreaTree) -> Result<(), &'static str> {
        for code in &words.codes {
            self.place(code, areas);
        }
        self.set_words(words);
        self.index()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chengmai_engine::Catalog;
    use chengmai_model::stream::{DeviceSpec, Registration};
    use chengmai_model::{AreaCode, AreaId, AreaTree, Timestamp};

    use super::*;

    fn areas() -> Arc<AreaTree> {
        let profile = crate::packs::load(None).unwrap();
        let rows = profile.profile.area_rows(&profile.city_files).unwrap();
        let history = chengmai_model::area::AreaHistory::new(rows).unwrap();
        Arc::new(history.on(crate::commands::import::today()).unwrap())
    }

    fn spec(number: u32, area: &AreaCode) -> DeviceSpec {
        DeviceSpec {
            name: format!("d{number}"),
            title: number.is_multiple_of(3).then(|| format!("装置 {number}")),
            area: area.clone(),
            position: number.is_multiple_of(2).then_some([106.551_234_5, 29.56]),
            agency: number.is_multiple_of(5).then(|| format!("a{}", number % 7)),
            period_ms: 60_000 + number,
            simulated: number.is_multiple_of(4),
        }
    }

    fn some_devices(registry: &mut Registry, count: u32) {
        let codes: Vec<AreaCode> =
            registry.areas().iter().take(50).map(|(_, area)| area.row.code.clone()).collect();
        for number in 0..count {
            let spec = spec(number, &codes[number as usize % codes.len()]);
            let at = Timestamp(1_790_000_000_000 + i64::from(number) * 1_000);
            registry.apply(&Registration::Device { id: DeviceId(number), spec, at });
            for kind in ["methane", "made_up"] {
                let (id, device) = (StreamId(dense(registry.stream_count())), DeviceId(number));
                registry.apply(&Registration::Stream { id, device, kind: kind.to_owned() });
                let series = format!("{kind},device=d{number}");
                registry.remember_series(series.as_bytes(), b"value", id);
            }
        }
    }

    fn saved(registry: &Registry, devices: usize, streams: usize) -> Vec<(&'static str, Vec<u8>)> {
        let mut saving = Saving::of(devices, streams);
        let (mut blocks, mut bytes) = (Vec::new(), Vec::new());
        while let Some(name) = saving.next(registry, &mut bytes) {
            blocks.push((name, bytes.clone()));
        }
        blocks
    }

    fn restored(areas: &Arc<AreaTree>, blocks: &[(&'static str, Vec<u8>)]) -> Registry {
        let mut restoring = Restoring::default();
        for (name, bytes) in blocks {
            restoring.take(name, bytes).unwrap();
        }
        let mut registry = Registry::new(Arc::clone(areas), &Catalog::empty(), true, 99);
        restoring.finish(&mut registry).unwrap();
        registry
    }

    #[test]
    fn a_registry_comes_back_as_it_was() {
        let areas = areas();
        let mut registry = Registry::new(Arc::clone(&areas), &Catalog::empty(), true, 11);
        some_devices(&mut registry, 1_000);
        let moved = DeviceSpec { period_ms: 5, ..spec(17, registry.device(DeviceId(3)).code()) };
        registry.apply(&Registration::Update { id: DeviceId(17), spec: moved });
        let back = restored(&areas, &saved(&registry, 1_000, 2_000));
        assert_eq!((back.device_count(), back.stream_count()), (1_000, 2_000));
        for number in 0..1_000 {
            let (a, b) = (registry.device(DeviceId(number)), back.device(DeviceId(number)));
            assert_eq!(a.spec(), b.spec());
            assert_eq!((a.area(), a.registered_at()), (b.area(), b.registered_at()));
            assert!(a.streams().eq(b.streams()));
            assert_eq!(back.find(b.name()), Some(DeviceId(number)));
            let key = back.series().key(format!("made_up,device=d{number}").as_bytes(), b"value");
            assert_eq!(back.series().find(key).unwrap(), StreamId(number * 2 + 1));
        }
        let listed =
            |r: &Registry| r.devices(AreaId::ROOT).map(|(id, _)| id).collect::<Vec<_>>().len();
        assert_eq!((listed(&registry), listed(&back)), (1_000, 1_000));
    }

    /// A table as its first version was saved: tag, stream, kind, sixteen more bits of the hash.
    fn series_of_version_1(registry: &Registry, devices: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..devices {
            let seed = registry.series().seed();
            let line = format!("made_up,device=d{number}");
            let hash = twox_hash::XxHash3_128::oneshot_with_seed(seed, line.as_bytes());
            let hash = hash.to_le_bytes();
            bytes.extend_from_slice(&hash[..8]);
            bytes.extend_from_slice(&(number * 2 + 1).to_le_bytes());
            bytes.extend_from_slice(&[7, 0]);
            bytes.extend_from_slice(&hash[8..10]);
        }
        bytes
    }

    #[test]
    fn series_saved_by_the_first_version_are_found() {
        let areas = areas();
        let mut registry = Registry::new(Arc::clone(&areas), &Catalog::empty(), true, 11);
        some_devices(&mut registry, 1_000);
        let mut blocks = saved(&registry, 1_000, 2_000);
        blocks.retain(|(name, _)| *name != SERIES);
        blocks.push((SERIES_BEFORE, series_of_version_1(&registry, 1_000)));
        let back = restored(&areas, &blocks);
        assert_eq!(back.series().len(), 1_000);
        for number in 0..1_000 {
            let key = back.series().key(format!("made_up,device=d{number}").as_bytes(), b"value");
            assert_eq!(back.series().find(key), Some(StreamId(number * 2 + 1)));
        }
    }

    #[test]
    fn what_the_journal_does_not_hold_yet_is_left_out() {
        let areas = areas();
        let mut registry = Registry::new(Arc::clone(&areas), &Catalog::empty(), true, 11);
        some_devices(&mut registry, 100);
        let back = restored(&areas, &saved(&registry, 90, 180));
        assert_eq!((back.device_count(), back.stream_count(), back.series().len()), (90, 180, 180));
        assert_eq!(back.find("d95"), None);
    }

    #[test]
    fn damaged_blocks_are_refused_in_words() {
        let areas = areas();
        let mut registry = Registry::new(Arc::clone(&areas), &Catalog::empty(), true, 11);
        some_devices(&mut registry, 10);
        let blocks = saved(&registry, 10, 20);
        for (name, bytes) in &blocks {
            let cut = &bytes[..bytes.len() - 1];
            let mut restoring = Restoring::default();
            assert!(restoring.take(name, cut).is_err(), "{name} without its last byte");
        }
        let mut without_words = Restoring::default();
        without_words.take(blocks[0].0, &blocks[0].1).unwrap();
        let mut empty = Registry::new(areas, &Catalog::empty(), true, 1);
        assert_eq!(without_words.finish(&mut empty), Err("the words are missing"));
    }
}
