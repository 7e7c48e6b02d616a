//! Windows into files: sorted by (indicator, area in pre-order, start), which is the order in which a
//! chart reads them. A window that was corrected before the flush is written once, as corrected.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array as _, ArrayRef, Float32Array, Float64Array, RecordBatch, TimestampMillisecondArray,
    UInt64Array,
};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Schema, TimestampMillisecondType, UInt64Type,
};
use chengmai_model::{Tier, Timestamp};
use parquet::basic::Encoding;

use super::file::Flush;
use super::file::{GROUP_ROWS, Words, properties, schema, time_type, word_type, write_file};
use super::merge::{Merge, batches, place_of};
use super::read::{column, word};
use super::readings::empty_entry;
use super::window_column;
use crate::compact::{Place, Places};
use crate::day;
use crate::error::{Error, Result};
use crate::hot::{HotWindow, WindowsChunk};
use crate::manifest::{FRESH_DISTRICT, FileEntry, WINDOWS};
use crate::query::WindowPoint;
use crate::shared::Names;

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
        days.entry(day::day_of(row.point.start.0, flush.offset_ms)).or_default().push(*row);
    }
    let ranks = names.ranks();
    let mut files = Vec::new();
    for (day, rows) in days {
        let rows = in_order(rows, &ranks);
        let folder = day::folder(day);
        let path = flush.manifest.next_path(WINDOWS, &folder, FRESH_DISTRICT, flush.sequences);
        files.push(write(flush.dir, empty_entry(path, flush.sequences), &rows, names)?);
    }
    Ok(files)
}

/// Writes the windows of all files as one file a district, each window once as it was last.
pub(crate) fn merge_windows(merge: &Merge<'_>, places: &dyn Places) -> Result<Vec<FileEntry>> {
    let (mut indicators, mut areas) = (Names::default(), Names::default());
    let mut area_places: Vec<Place> = Vec::new();
    let mut districts: BTreeMap<String, Vec<HotWindow>> = BTreeMap::new();
    for file in merge.files {
        let path = merge.dir.join(&file.path);
        for batch in batches(&path)? {
            let batch = batch.map_err(Error::parquet(&path))?;
            for row in 0..batch.num_rows() {
                let indicator = indicators.intern(word(&batch, window_column::INDICATOR, row));
                let code = word(&batch, window_column::AREA, row);
                let area = areas.intern(code);
                if area as usize == area_places.len() {
                    area_places.push(place_of(places, code));
                }
                let Place { district, order } = &area_places[area as usize];
                let window = HotWindow {
                    indicator,
                    area,
                    area_order: *order,
                    tier: tier(&batch, row),
                    point: point(&batch, row),
                };
                match districts.get_mut(district) {
                    Some(rows) => rows.push(window),
                    None => drop(districts.insert(district.clone(), vec![window])),
                }
            }
        }
    }
    let names = WindowNames { indicators: indicators.all(), areas: areas.all() };
    let ranks = names.ranks();
    let mut files = Vec::new();
    for (district, rows) in districts {
        let rows = in_order(rows, &ranks);
        files.push(write(merge.dir, merge.entry(WINDOWS, &district), &rows, &names)?);
    }
    Ok(files)
}

impl WindowNames {
    /// The place of each indicator in order of the alphabet.
    fn ranks(&self) -> Vec<u32> {
        let mut ranks: Vec<u32> = vec![0; self.indicators.len()];
        let mut by_name: Vec<(&Arc<str>, usize)> = self.indicators.iter().zip(0..).collect();
        by_name.sort_unstable();
        for (rank, (_, number)) in (0..).zip(by_name) {
            ranks[number] = rank;
        }
        ranks
    }
}

/// The window in a row of a batch of all columns.
fn point(batch: &RecordBatch, row: usize) -> WindowPoint {
    let values = column::<Float64Type>(batch, window_column::VALUE);
    WindowPoint {
        start: Timestamp(
            column::<TimestampMillisecondType>(batch, window_column::START).value(row),
        ),
        value: values.is_valid(row).then(|| values.value(row)),
        coverage: column::<Float32Type>(batch, window_column::COVERAGE).value(row),
        readings: column::<UInt64Type>(batch, window_column::READINGS).value(row),
    }
}

fn tier(batch: &RecordBatch, row: usize) -> Tier {
    let word = word(batch, window_column::TIER, row);
    // A word that is not ours can only come from a file that is not ours.
    Tier::from_word(word).unwrap_or(Tier::City)
}

/// Sorted, and of rows for the same window only the last that came.
fn in_order(mut rows: Vec<HotWindow>, ranks: &[u32]) -> Vec<HotWindow> {
    // Latest first and stable, so that the first of equals is the last that came.
    rows.reverse();
    rows.sort_by_key(|r| (ranks[r.indicator as usize], r.area_order, r.area, r.point.start));
    rows.dedup_by_key(|r| (r.indicator, r.area, r.point.start));
    rows
}

fn write(
    dir: &Path,
    mut entry: FileEntry,
    rows: &[HotWindow],
    names: &WindowNames,
) -> Result<FileEntry> {
    let name = |row: Option<&HotWindow>| {
        row.map_or_else(String::new, |row| names.indicators[row.indicator as usize].to_string())
    };
    entry.rows = rows.len() as u64;
    for row in rows {
        entry.at_min = entry.at_min.min(row.point.start.0);
        entry.at_max = entry.at_max.max(row.point.start.0);
    }
    (entry.name_min, entry.name_max) = (name(rows.first()), name(rows.last()));
    let properties = properties("indicator", names.indicators.len() as u64)
        .set_column_dictionary_enabled("start".into(), false)
        .set_column_encoding("start".into(), Encoding::DELTA_BINARY_PACKED)
        .build();
    let batches = rows.chunks(GROUP_ROWS).map(|group| columns(group, names));
    write_file(dir, entry, &SCHEMA, properties, batches)
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
