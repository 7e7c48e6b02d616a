//! What the tests share: names for streams, and a plain list to compare with.

use std::path::Path;

use chengmai_history::{
    History, HistoryReader, HistorySettings, LABELS_MAX, Place, Places, ReadingsQuery, StreamLabel,
    StreamNames,
};
use chengmai_model::{AreaId, Reading, StreamId, Timestamp};

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
    fn labels(&self, streams: &[StreamId], each: &mut dyn FnMut(StreamLabel<'_>)) {
        assert!(streams.len() <= LABELS_MAX);
        for stream in streams {
            let device = stream.0 as usize / 2;
            // Pre-order is not the order of the codes.
            let area = AreaId(u32::try_from(self.areas.len() - device % self.areas.len()).unwrap());
            each(StreamLabel { device: &self.devices[device], kind: stream.0 % 2, area });
        }
    }

    fn kind(&self, kind: u32) -> String {
        ["level", "flow"][kind as usize].to_owned()
    }

    fn area(&self, area: AreaId) -> String {
        self.areas[self.areas.len() - area.0 as usize].clone()
    }
}

impl Places for Names {
    fn place(&self, area: &str) -> Option<Place> {
        let number: u32 = area.strip_prefix("50010")?.parse().ok()?;
        Some(Place { district: format!("50010{}", number % 2), order: 7 - number })
    }

    fn stream(&self, device: &str, kind: &str) -> Option<StreamId> {
        let number: u32 = device.strip_prefix("设备-")?.parse().ok()?;
        Some(StreamId(number * 2 + u32::from(kind == "flow")))
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
        within: None,
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
