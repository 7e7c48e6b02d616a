//! The registry in a snapshot: blocks of columns, taken slice by slice so that nobody waits for the
//! lock longer than for one slice, and read back without a step per string.
//!
//! Between slices the registry goes on. That is harmless: devices and streams beyond the limits
//! given are left out, what was updated meanwhile is in the journal behind the snapshot as well, and
//! the table of series is only a short way to what `resolve` finds anyway.

use chengmai_model::{AreaCode, AreaTree, DeviceId, StreamId};
use serde::{Deserialize, Serialize};

use super::devices::{Devices, ROW_BYTES};
use super::series::{SeriesTable, Slot};
use super::{Registry, dense};

/// Names of blocks begin with this.
pub(crate) const PREFIX: &str = "registry/";
const DEVICES: &str = "registry/devices-1";
const STREAMS: &str = "registry/streams-1";
const SERIES: &str = "registry/series-1";
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
                for index in from..end {
                    out.extend_from_slice(&registry.stream_devices[index].to_le_bytes());
                    out.extend_from_slice(&registry.stream_kinds[index].to_le_bytes());
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
    stream_devices: Vec<u32>,
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
        let fits = stream_devices.iter().all(|&device| (device as usize) < count)
            && stream_kinds.iter().all(|&kind| usize::from(kind) < kinds.len());
        if !fits {
            return Err("a stream belongs to nobody");
        }
        registry.stream_kinds = stream_kinds.iter().map(|&k| kinds[usize::from(k)]).collect();
        registry.stream_devices = stream_devices;
        for (stream, &device) in (0..).zip(&registry.stream_devices) {
            registry.devices.add_stream(DeviceId(device), StreamId(stream));
        }
        registry.series = SeriesTable::new(seed);
        registry.series.restore(&slots, &registry.stream_kinds);
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
mod tests;
