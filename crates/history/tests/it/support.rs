//! What the tests share: names for streams, and a plain list to compare with.

use std::path::Path;

use chengmai_history::{
    History, HistoryReader, HistorySettings, ReadingsQuery, StreamLabel, StreamNames,
};
use chengmai_model::{Reading, StreamId, Timestamp};

/// East of UTC by eight hours.
pub(crate) const OFFSET_MS: i64 = 8 * 3_600_000;
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Local midnight of 2026-11-21.
pub(crate) const MIDNIGHT: i64 = 1_795_190_400_000;

/// Streams `2n` and `2n+1` are the level and the flow of device `n`.
pub(crate) struct Names {
    devices: Vec<String>,
    areas: Vec<String>,
}

impl Names {
    pub(crate) fn new(devices: u32) -> Self {
        Self {
            devices: (0..devices).map(|n| format!("设备-{n:05}")).collect(),
            areas: (0..7).map(|n| format!("50010{n}")).collect(),
        }
    }

    pub(crate) fn device(&self, stream: u32) -> &str {
        &self.devices[stream as usize / 2]
    }
}

impl StreamNames for Names {
    fn label(&self, stream: StreamId) -> StreamLabel<'_> {
        let device = stream.0 as usize / 2;
        // Pre-order is not the order of the codes.
        let area = device % self.areas.len();
        StreamLabel {
            device: &self.devices[device],
            kind: if stream.0.is_multiple_of(2) { "level" } else { "flow" },
            area: &self.areas[area],
            area_order: u32::try_from(self.areas.len() - area).unwrap(),
        }
    }
}

pub(crate) fn open(dir: &Path) -> History {
    History::open(dir, HistorySettings { utc_offset_ms: OFFSET_MS, rows_max: 1_000 }).unwrap()
}

pub(crate) fn reading(stream: u32, at: i64, value: f64) -> Reading {
    Reading { stream: StreamId(stream), at: Timestamp(at), value }
}

/// Both streams of a device, at most `limit` newest.
pub(crate) fn ask(
    reader: &HistoryReader,
    names: &Names,
    device: u32,
    (from, to): (i64, i64),
    limit: usize,
) -> (Vec<Reading>, chengmai_history::Cost) {
    let streams = [(StreamId(device * 2), "level"), (StreamId(device * 2 + 1), "flow")];
    let query = ReadingsQuery {
        device: names.device(device * 2),
        streams: &streams,
        from: Timestamp(from),
        to: Timestamp(to),
        limit,
    };
    reader.readings_with_cost(&query).unwrap()
}

/// What [`ask`] must give, from a plain list.
pub(crate) fn expected(
    all: &[Reading],
    device: u32,
    (from, to): (i64, i64),
    limit: usize,
) -> Vec<Reading> {
    let mut rows: Vec<Reading> = all
        .iter()
        .copied()
        .filter(|r| r.stream.0 / 2 == device && (from..to).contains(&r.at.0))
        .collect();
    rows.sort_by_key(|r| (r.at, r.stream, r.value.to_bits()));
    rows.dedup();
    rows.split_off(rows.len().saturating_sub(limit))
}

/// Every Parquet file below a folder, sorted.
pub(crate) fn parquet_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|e| e == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    files
}
