//! Readings into files: sorted by (area in pre-order, stream, time), so that a device's readings lie
//! together and the devices of an area beside each other.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Schema};
use chengmai_model::StreamId;
use hashbrown::HashSet;
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;

use super::file::Flush;
use super::file::{GROUP_ROWS, Words, properties, schema, time_type, word_type, write_file};
use crate::day;
use crate::error::Result;
use crate::hot::ReadingsChunk;
use crate::manifest::{FileEntry, RAW};
use crate::writer::StreamNames;

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    schema(&[
        ("device", word_type(), false),
        ("kind", word_type(), false),
        ("area", word_type(), false),
        ("at", time_type(), false),
        ("value", DataType::Float64, false),
        ("received_at", time_type(), false),
    ])
});

/// Values looked at to choose their encoding, in runs, so that the same stream repeats.
const SAMPLE_RUNS: usize = 16;
const SAMPLE_RUN_ROWS: usize = 1_024;

#[derive(Debug, Clone, Copy)]
struct Row {
    /// Area order in the upper half, stream in the lower.
    key: u64,
    at: i64,
    value: f64,
    received_at: i64,
}

impl Row {
    const fn stream(self) -> StreamId {
        #[expect(clippy::cast_possible_truncation, reason = "the stream is the lower half")]
        StreamId(self.key as u32)
    }
}

/// Writes all rows of `chunks`, one file for each local day, and returns the files, durable.
pub(crate) fn write_readings(
    chunks: &[Arc<ReadingsChunk>],
    flush: &Flush<'_>,
    names: &dyn StreamNames,
) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for (day, mut rows) in rows_by_day(chunks, flush.offset_ms, names) {
        rows.sort_unstable_by_key(|row| (row.key, row.at, row.received_at));
        files.push(write_day(day, &rows, flush, names)?);
    }
    Ok(files)
}

fn rows_by_day(
    chunks: &[Arc<ReadingsChunk>],
    offset_ms: i64,
    names: &dyn StreamNames,
) -> BTreeMap<i64, Vec<Row>> {
    let total: usize = chunks.iter().map(|chunk| crate::hot::Chunk::len(&**chunk)).sum();
    let mut days: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    let mut orders = AreaOrders::default();
    let mut current: (i64, Vec<Row>) = (i64::MIN, Vec::new());
    for (reading, received_at) in chunks.iter().flat_map(|chunk| chunk.rows()) {
        let day = day::day_of(reading.at, offset_ms);
        if day != current.0 {
            let (last, rows) =
                std::mem::replace(&mut current, (day, days.remove(&day).unwrap_or_default()));
            if !rows.is_empty() {
                days.insert(last, rows);
            } else if days.is_empty() {
                // Nearly always a flush lies within one day: one allocation for all of it.
                current.1.reserve_exact(total);
            }
        }
        current.1.push(Row {
            key: orders.key(reading.stream, names),
            at: reading.at.0,
            value: reading.value,
            received_at: received_at.0,
        });
    }
    if !current.1.is_empty() {
        days.insert(current.0, current.1);
    }
    days
}

/// Sort keys of streams, asked for once a stream. A flat table: streams are dense numbers.
#[derive(Default)]
struct AreaOrders {
    orders: Vec<Option<u32>>,
}

impl AreaOrders {
    fn key(&mut self, stream: StreamId, names: &dyn StreamNames) -> u64 {
        let index = stream.0 as usize;
        if index >= self.orders.len() {
            self.orders.resize((index + 1).next_power_of_two(), None);
        }
        let order = *self.orders[index].get_or_insert_with(|| names.label(stream).area_order);
        u64::from(order) << 32 | u64::from(stream.0)
    }
}

fn write_day(
    day: i64,
    rows: &[Row],
    flush: &Flush<'_>,
    names: &dyn StreamNames,
) -> Result<FileEntry> {
    let mut entry = FileEntry {
        path: flush.manifest.next_path(RAW, &day::folder(day), flush.sequences),
        rows: rows.len() as u64,
        bytes: 0,
        sequence_first: flush.sequences.0,
        sequence_last: flush.sequences.1,
        at_min: i64::MAX,
        at_max: i64::MIN,
        name_min: String::new(),
        name_max: String::new(),
    };
    let mut streams_max = 0;
    let mut name_range: Option<(&str, &str)> = None;
    for group in rows.chunks(GROUP_ROWS) {
        let mut streams = 0;
        for run in group.chunk_by(|a, b| a.key == b.key) {
            streams += 1;
            let device = names.label(run[0].stream()).device;
            let (low, high) = name_range.unwrap_or((device, device));
            name_range = Some((low.min(device), high.max(device)));
            // A run is in order of time.
            entry.at_min = entry.at_min.min(run[0].at);
            entry.at_max = entry.at_max.max(run[run.len() - 1].at);
        }
        streams_max = streams_max.max(streams);
    }
    let (low, high) = name_range.unwrap_or_default();
    (entry.name_min, entry.name_max) = (low.to_owned(), high.to_owned());
    let batches = rows.chunks(GROUP_ROWS).map(|group| columns(group, names));
    write_file(flush.dir, entry, &SCHEMA, encodings(rows, streams_max), batches)
}

/// Times are sorted within a stream: differences. Values of most sensors have few digits and repeat:
/// a dictionary; if they do not, their bytes are split by place, so that exponents compress.
fn encodings(rows: &[Row], streams_max: u64) -> WriterProperties {
    let mut builder = properties("device", streams_max);
    for time in ["at", "received_at"] {
        builder = builder
            .set_column_dictionary_enabled(time.into(), false)
            .set_column_encoding(time.into(), Encoding::DELTA_BINARY_PACKED);
    }
    if !values_repeat(rows) {
        builder = builder
            .set_column_dictionary_enabled("value".into(), false)
            .set_column_encoding("value".into(), Encoding::BYTE_STREAM_SPLIT);
    }
    builder.build()
}

/// Whether at most half of a sample of the values are distinct.
fn values_repeat(rows: &[Row]) -> bool {
    let stride = (rows.len() / SAMPLE_RUNS).max(SAMPLE_RUN_ROWS);
    let sample = rows.chunks(stride).flat_map(|part| part.iter().take(SAMPLE_RUN_ROWS));
    let (mut seen, mut looked_at) = (HashSet::new(), 0_usize);
    for row in sample {
        seen.insert(row.value.to_bits());
        looked_at += 1;
    }
    seen.len() * 2 <= looked_at
}

fn columns(group: &[Row], names: &dyn StreamNames) -> Vec<ArrayRef> {
    let (mut devices, mut kinds, mut areas) =
        (Words::default(), Words::default(), Words::default());
    for run in group.chunk_by(|a, b| a.key == b.key) {
        let label = names.label(run[0].stream());
        devices.push(label.device, run.len());
        kinds.push(label.kind, run.len());
        areas.push(label.area, run.len());
    }
    let times = |of: fn(&Row) -> i64| {
        TimestampMillisecondArray::from_iter_values(group.iter().map(of)).with_timezone("UTC")
    };
    vec![
        devices.finish(),
        kinds.finish(),
        areas.finish(),
        Arc::new(times(|row| row.at)),
        Arc::new(Float64Array::from_iter_values(group.iter().map(|row| row.value))),
        Arc::new(times(|row| row.received_at)),
    ]
}
