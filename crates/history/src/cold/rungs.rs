//! The rungs of the ladder in files: for each stream and step of time how many readings there were,
//! their exact sum, the least, the greatest and the last.
//!
//! A sum is a decimal with six places, because that is what the engine adds up: whole millionths. So the
//! sum of two sums is the sum of their readings, whatever was added first.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, AsArray as _, Decimal128Array, Float64Array, RecordBatch, TimestampMillisecondArray,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Schema, TimestampMillisecondType, UInt32Type, UInt64Type,
};
use parquet::basic::Encoding;

use super::columns::{Labels, Run, RunNames as _};
use super::file::{GROUP_ROWS, RowFile, Words, properties, schema, time_type, word_type};
use super::merge::{Input, Merge, Sorted, batches};
use super::read::word;
use super::sort::Row;
use crate::compact::Places;
use crate::error::{Error, Result};
use crate::ladder::Rung;
use crate::manifest::FileEntry;

/// Digits and decimal places of a sum.
const SUM_DIGITS: u8 = 38;
const SUM_PLACES: i8 = 6;

static STEPS: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    schema(&[
        ("device", word_type(), false),
        ("kind", word_type(), false),
        ("area", word_type(), false),
        ("at", time_type(), false),
        ("readings", DataType::UInt64, false),
        ("sum", DataType::Decimal128(SUM_DIGITS, SUM_PLACES), false),
        ("min", DataType::Float64, false),
        ("max", DataType::Float64, false),
        ("last", DataType::Float64, false),
        ("last_at", time_type(), false),
        ("stream", DataType::UInt32, false),
    ])
});

/// Column numbers of a file of a rung.
pub(crate) mod step_column {
    pub(crate) const KIND: usize = 1;
    pub(crate) const AREA: usize = 2;
    pub(crate) const AT: usize = 3;
    pub(crate) const READINGS: usize = 4;
    pub(crate) const SUM: usize = 5;
    pub(crate) const MIN: usize = 6;
    pub(crate) const MAX: usize = 7;
    pub(crate) const LAST: usize = 8;
    pub(crate) const LAST_AT: usize = 9;
    pub(crate) const STREAM: usize = 10;
    /// What [`steps`](super::steps) reads.
    pub(crate) const FIGURES: [usize; 8] = [AT, READINGS, SUM, MIN, MAX, LAST, LAST_AT, STREAM];
    /// The same behind where they were measured.
    pub(crate) const WITH_AREA: [usize; 9] =
        [AREA, AT, READINGS, SUM, MIN, MAX, LAST, LAST_AT, STREAM];
}

/// The readings of one stream in one step of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) readings: u64,
    pub(crate) sum_millionths: i128,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) last: f64,
    pub(crate) last_at: i64,
}

impl Summary {
    pub(crate) fn of(at: i64, value: f64) -> Self {
        Self {
            readings: 1,
            sum_millionths: millionths(value),
            min: value,
            max: value,
            last: value,
            last_at: at,
        }
    }

    /// Adds what `other` knows. Of two last readings at the same time the one added later counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.readings += other.readings;
        self.sum_millionths = self.sum_millionths.saturating_add(other.sum_millionths);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.last_at >= self.last_at {
            (self.last, self.last_at) = (other.last, other.last_at);
        }
    }
}

/// A value in whole millionths, halves away from zero, as the engine counts it.
#[expect(clippy::cast_possible_truncation, reason = "rounding to a whole number is the purpose")]
fn millionths(value: f64) -> i128 {
    let scaled = value * 1e6;
    (scaled + f64::copysign(0.5, scaled)) as i128
}

/// When the step that holds a moment begins, by the local clock.
pub(crate) fn step_start(at: i64, step_ms: i64, offset_ms: i64) -> i64 {
    at.saturating_sub(at.saturating_add(offset_ms).rem_euclid(step_ms))
}

/// Sums the readings of files of one day into a file of each rung and district.
pub(crate) fn sum_readings(merge: &Merge<'_>, places: &dyn Places) -> Result<[Vec<FileEntry>; 3]> {
    let input = Input::of(merge, places)?;
    let base = input.base;
    let (names, districts, rows) = input.in_order(places);
    let mut files: [Vec<FileEntry>; 3] = Default::default();
    let mut open: Option<(usize, [StepsFile<'_>; 3])> = None;
    let close = |open: Option<(usize, [StepsFile<'_>; 3])>, files: &mut [Vec<FileEntry>; 3]| {
        for (done, files) in open.into_iter().flat_map(|(_, rungs)| rungs).zip(files) {
            files.push(done.finish()?);
        }
        Ok::<(), Error>(())
    };
    rows.each_once(|part| {
        for run in part.chunk_by(|a, b| a.key == b.key) {
            let district = districts.partition_point(|(_, end)| *end <= run[0].key);
            if open.as_ref().is_none_or(|(number, _)| *number != district) {
                close(open.take(), &mut files)?;
                let [minute, hour, day] =
                    Rung::ALL.map(|r| StepsFile::create(merge, r, &districts[district].0, &names));
                open = Some((district, [minute?, hour?, day?]));
            }
            for file in open.iter_mut().flat_map(|(_, rungs)| rungs) {
                file.sum(run, base, merge.offset_ms)?;
            }
        }
        Ok(())
    })?;
    close(open, &mut files)?;
    Ok(files)
}

/// One file of a rung while it is written.
struct StepsFile<'a> {
    file: RowFile,
    rung: Rung,
    names: &'a Sorted,
    entry: FileEntry,
    /// Rank of the stream, start of the step, and what it holds.
    steps: Vec<(u32, i64, Summary)>,
}

impl<'a> StepsFile<'a> {
    fn create(merge: &Merge<'_>, rung: Rung, district: &str, names: &'a Sorted) -> Result<Self> {
        let entry = merge.entry(rung.folder(), district);
        let file = create(merge.dir, &entry)?;
        Ok(Self { file, rung, names, entry, steps: Vec::new() })
    }

    /// Sums the rows of one stream, in order of time.
    fn sum(&mut self, run: &[Row], base: i64, offset_ms: i64) -> Result<()> {
        let mut current: Option<(i64, Summary)> = None;
        for row in run {
            let at = base + i64::from(row.at);
            let start = step_start(at, self.rung.step_ms(), offset_ms);
            let reading = Summary::of(at, row.value);
            match &mut current {
                Some((same, summary)) if *same == start => summary.add(&reading),
                _ => {
                    let before = current.replace((start, reading));
                    self.steps.extend(before.map(|(start, sum)| (run[0].key, start, sum)));
                }
            }
        }
        self.steps.extend(current.map(|(start, summary)| (run[0].key, start, summary)));
        if self.steps.len() >= GROUP_ROWS { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let mut labels = Labels::default();
        let runs: Vec<Run> = self.steps.iter().map(|&(key, ..)| Run { key, rows: 1 }).collect();
        self.names.label(&runs, &mut labels);
        let kinds: Vec<String> = labels.kinds.iter().map(|&k| self.names.kind(k)).collect();
        let areas: Vec<String> = labels.areas.iter().map(|&a| self.names.area(a)).collect();
        let devices: Vec<&str> = (0..runs.len())
            .map(|row| std::str::from_utf8(labels.devices.get(row)).unwrap_or_default())
            .collect();
        for (&stream, &(_, start, _)) in labels.streams.iter().zip(&self.steps) {
            let (min, max) = self.entry.streams.unwrap_or((stream, stream));
            self.entry.streams = Some((min.min(stream), max.max(stream)));
            self.entry.at_min = self.entry.at_min.min(start);
            self.entry.at_max = self.entry.at_max.max(start);
        }
        for kind in &kinds {
            if !self.entry.kinds.contains(kind) {
                self.entry.kinds.push(kind.clone());
            }
        }
        self.entry.rows += self.steps.len() as u64;
        let words = |words: &mut dyn Iterator<Item = &str>| {
            let words: Vec<&str> = words.collect();
            let mut column = Words::default();
            for word in words {
                column.push(word, 1);
            }
            column.finish()
        };
        let sums = || self.steps.iter().map(|(_, _, summary)| summary);
        let number = |of: fn(&Summary) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(sums().map(of)))
        };
        let time = |times: &mut dyn Iterator<Item = i64>| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
        };
        let decimals = Decimal128Array::from_iter_values(sums().map(|s| s.sum_millionths))
            .with_precision_and_scale(SUM_DIGITS, SUM_PLACES)
            .map_err(Error::parquet(self.file.path()))?;
        let columns = vec![
            words(&mut devices.iter().copied()),
            words(&mut kinds.iter().map(String::as_str)),
            words(&mut areas.iter().map(String::as_str)),
            time(&mut self.steps.iter().map(|&(_, start, _)| start)),
            Arc::new(UInt64Array::from_iter_values(sums().map(|s| s.readings))),
            Arc::new(decimals),
            number(|s| s.min),
            number(|s| s.max),
            number(|s| s.last),
            time(&mut sums().map(|s| s.last_at)),
            Arc::new(UInt32Array::from(labels.streams)),
        ];
        self.file.write(columns)?;
        self.steps.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<FileEntry> {
        if !self.steps.is_empty() {
            self.write()?;
        }
        self.entry.bytes = self.file.finish()?;
        self.entry.summed = true;
        Ok(self.entry)
    }
}

fn create(dir: &Path, entry: &FileEntry) -> Result<RowFile> {
    let properties = ["at", "last_at"]
        .into_iter()
        .fold(properties("device", GROUP_ROWS as u64), |builder, column| {
            builder
                .set_column_dictionary_enabled(column.into(), false)
                .set_column_encoding(column.into(), Encoding::DELTA_BINARY_PACKED)
        })
        .build();
    RowFile::create(dir, &entry.path, &STEPS, properties)
}

/// Writes a file of a rung again without some kinds.
pub(crate) fn thin_rung(merge: &Merge<'_>, rung: Rung) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for old in merge.files {
        let path = merge.dir.join(&old.path);
        let district = old.district.as_deref().unwrap_or_default();
        let mut entry = FileEntry { rows: 0, ..old.clone() };
        entry.path = merge.entry(rung.folder(), district).path;
        entry.kinds.retain(|kind| !merge.without.contains(kind));
        let mut file = create(merge.dir, &entry)?;
        for batch in batches(&path)? {
            let batch = batch.map_err(Error::parquet(&path))?;
            let kept = (0..batch.num_rows())
                .map(|row| Some(!merge.without.contains(word(&batch, step_column::KIND, row))));
            let kept = kept.collect();
            let batch = arrow::compute::filter_record_batch(&batch, &kept)
                .map_err(Error::parquet(&path))?;
            entry.rows += batch.num_rows() as u64;
            if batch.num_rows() > 0 {
                file.write(batch.columns().to_vec())?;
            }
        }
        entry.bytes = file.finish()?;
        files.push(entry);
    }
    Ok(files)
}

/// Stream, start and contents of each row of a batch whose last columns are those from `AT` on.
pub(crate) fn steps(batch: &RecordBatch) -> impl Iterator<Item = (u32, i64, Summary)> + '_ {
    let first = batch.num_columns() - step_column::FIGURES.len();
    let place = |column: usize| batch.column(first + column - step_column::AT);
    let number = |column| place(column).as_primitive::<Float64Type>().values();
    let time = |column| place(column).as_primitive::<TimestampMillisecondType>().values();
    let readings = place(step_column::READINGS).as_primitive::<UInt64Type>().values();
    let sums = place(step_column::SUM).as_primitive::<Decimal128Type>().values();
    let streams = place(step_column::STREAM).as_primitive::<UInt32Type>().values();
    let (starts, last_ats) = (time(step_column::AT), time(step_column::LAST_AT));
    let (mins, maxs) = (number(step_column::MIN), number(step_column::MAX));
    let lasts = number(step_column::LAST);
    (0..batch.num_rows()).map(move |row| {
        let summary = Summary {
            readings: readings[row],
            sum_millionths: sums[row],
            min: mins[row],
            max: maxs[row],
            last: lasts[row],
            last_at: last_ats[row],
        };
        (streams[row], starts[row], summary)
    })
}
