//! Windows into files: sorted by (indicator, area in pre-order, start), which is the order in which a
//! chart reads them. A window that was corrected before the flush is written once, as corrected.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array, Float64Array, TimestampMillisecondArray, UInt64Array};
use arrow::datatypes::{DataType, Schema};
use parquet::basic::Encoding;

use super::file::Flush;
use super::file::{GROUP_ROWS, Words, properties, schema, time_type, word_type, write_file};
use crate::day;
use crate::error::Result;
use crate::hot::{HotWindow, WindowsChunk};
use crate::manifest::{FileEntry, WINDOWS};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    schema(&[
        ("indicator", word_type(), false),
        ("area", word_type(), false),
        ("tier", word_type(), false),
        ("start", time_type(), false),
        ("value", DataType::Float64, true),
        ("coverage", DataType::Float32, false),
        ("readings", DataType::UInt64, false),
    ])
});

/// Names of the interner, by number.
#[derive(Debug)]
pub(crate) struct WindowNames {
    pub(crate) indicators: Vec<Arc<str>>,
    pub(crate) areas: Vec<Arc<str>>,
}

/// Writes all rows of `chunks`, one file for each local day of their starts.
pub(crate) fn write_windows(
    chunks: &[Arc<WindowsChunk>],
    flush: &Flush<'_>,
    names: &WindowNames,
) -> Result<Vec<FileEntry>> {
    let mut days: BTreeMap<i64, Vec<HotWindow>> = BTreeMap::new();
    for row in chunks.iter().flat_map(|chunk| chunk.rows()) {
        days.entry(day::day_of(row.point.start, flush.offset_ms)).or_default().push(*row);
    }
    let mut ranks: Vec<u32> = vec![0; names.indicators.len()];
    let mut by_name: Vec<(&Arc<str>, usize)> = names.indicators.iter().zip(0..).collect();
    by_name.sort_unstable();
    for (rank, (_, number)) in (0..).zip(by_name) {
        ranks[number] = rank;
    }
    let mut files = Vec::new();
    for (day, rows) in days {
        let rows = in_order(rows, &ranks);
        files.push(write_day(day, &rows, flush, names)?);
    }
    Ok(files)
}

/// Sorted, and of rows for the same window only the last that came.
fn in_order(mut rows: Vec<HotWindow>, ranks: &[u32]) -> Vec<HotWindow> {
    // Latest first and stable, so that the first of equals is the last that came.
    rows.reverse();
    rows.sort_by_key(|r| (ranks[r.indicator as usize], r.area_order, r.area, r.point.start));
    rows.dedup_by_key(|r| (r.indicator, r.area, r.point.start));
    rows
}

fn write_day(
    day: i64,
    rows: &[HotWindow],
    flush: &Flush<'_>,
    names: &WindowNames,
) -> Result<FileEntry> {
    let name = |row: Option<&HotWindow>| {
        row.map_or_else(String::new, |row| names.indicators[row.indicator as usize].to_string())
    };
    let starts = || rows.iter().map(|row| row.point.start.0);
    let entry = FileEntry {
        path: flush.manifest.next_path(WINDOWS, &day::folder(day), flush.sequences),
        rows: rows.len() as u64,
        bytes: 0,
        sequence_first: flush.sequences.0,
        sequence_last: flush.sequences.1,
        at_min: starts().min().unwrap_or_default(),
        at_max: starts().max().unwrap_or_default(),
        name_min: name(rows.first()),
        name_max: name(rows.last()),
    };
    let properties = properties("indicator", names.indicators.len() as u64)
        .set_column_dictionary_enabled("start".into(), false)
        .set_column_encoding("start".into(), Encoding::DELTA_BINARY_PACKED)
        .build();
    let batches = rows.chunks(GROUP_ROWS).map(|group| columns(group, names));
    write_file(flush.dir, entry, &SCHEMA, properties, batches)
}

fn columns(group: &[HotWindow], names: &WindowNames) -> Vec<ArrayRef> {
    let (mut indicators, mut areas, mut tiers) =
        (Words::default(), Words::default(), Words::default());
    for row in group {
        indicators.push(&names.indicators[row.indicator as usize], 1);
        areas.push(&names.areas[row.area as usize], 1);
        tiers.push(row.tier.word(), 1);
    }
    let points = || group.iter().map(|row| row.point);
    vec![
        indicators.finish(),
        areas.finish(),
        tiers.finish(),
        Arc::new(
            TimestampMillisecondArray::from_iter_values(points().map(|p| p.start.0))
                .with_timezone("UTC"),
        ),
        Arc::new(points().map(|p| p.value).collect::<Float64Array>()),
        Arc::new(Float32Array::from_iter_values(points().map(|p| p.coverage))),
        Arc::new(UInt64Array::from_iter_values(points().map(|p| p.readings))),
    ]
}
