//! The table `windows`: of a window that was written more than once, the last.
//!
//! Sources are read newest first. A window counts the first time it is met; its key is remembered only
//! while an older source may still have it, which after compaction is never.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Float32Array, Float64Array, RecordBatch,
    StringDictionaryBuilder, TimestampMillisecondArray, UInt64Array,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int32Type, Schema, SchemaRef, TimestampMillisecondType};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use hashbrown::HashSet;

use super::engine::LazyMoment;
use super::pushdown::Ask;
use super::readings::{Places, batch_of, derived, external, only_visible, projected};
use super::table::{BATCH_ROWS, Batches, Source};
use super::view::View;
use crate::cold::{Wanted, column, schema, time_type, window_column, word_type};
use crate::hot::HotWindow;
use crate::manifest::FileEntry;
use crate::scan::Moment;
use crate::shared::Names;

/// The columns that are in files; behind them come those worked out from the area.
const STORED: usize = 7;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(&[
        ("indicator", DataType::Utf8View, false),
        ("area", DataType::Utf8View, false),
        ("tier", DataType::Utf8View, false),
        ("start", time_type(), false),
        ("value", DataType::Float64, true),
        ("coverage", DataType::Float32, false),
        ("readings", DataType::UInt64, false),
        ("area_name", DataType::Utf8View, true),
        ("district", DataType::Utf8View, true),
    ])
});

/// As the rows come out of files.
static STORED_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
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

/// Windows, wherever they are.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) moment: LazyMoment,
    pub(super) view: View,
}

impl Source for Windows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn words(&self) -> &'static [&'static str] {
        // Not `tier`: files are not sorted by it.
        &["indicator", "area"]
    }

    fn time(&self) -> &'static str {
        "start"
    }

    fn scan(&self, ask: &Ask, memory: &Arc<dyn MemoryPool>) -> Result<Batches> {
        let moment = self.moment.get();
        let hot = hot_rows(&moment, ask);
        let indicators: Option<Vec<&str>> =
            ask.words_of("indicator").map(|words| words.iter().map(String::as_str).collect());
        let files = moment.window_files(|file| {
            let of_indicators = indicators.as_deref().is_none_or(|indicators| {
                indicators.iter().any(|indicator| file.may_hold(indicator, ask.from, ask.to))
            });
            of_indicators
                && file.overlaps(ask.from, ask.to)
                && self.view.may_see(file.district.as_deref())
        });
        let rows = Rows {
            schema: projected(&SCHEMA, ask),
            ask: ask.clone(),
            view: self.view.clone(),
            sources: sources(&hot, files),
            moment,
            hot,
            seen: Seen::new(memory),
            places: Places::default(),
            present: None,
        };
        Ok(Box::new(rows))
    }
}

/// Where rows come from, and whom they share a time with.
#[derive(Debug)]
struct Part {
    /// None: the rows in memory.
    file: Option<FileEntry>,
    /// A newer part may have the same windows.
    may_be_overruled: bool,
    /// An older part may have the same windows.
    may_overrule: bool,
}

/// All parts, newest last, which is the end that is read first.
fn sources(hot: &[HotWindow], files: Vec<FileEntry>) -> Vec<Part> {
    let mut spans: Vec<(i64, i64)> = files.iter().map(|file| (file.at_min, file.at_max)).collect();
    let starts = || hot.iter().map(|row| row.point.start.0);
    let mut parts: Vec<Option<FileEntry>> = files.into_iter().map(Some).collect();
    if let (Some(first), Some(last)) = (starts().min(), starts().max()) {
        spans.push((first, last));
        parts.push(None);
    }
    let meet = |a: (i64, i64), b: (i64, i64)| a.0 <= b.1 && b.0 <= a.1;
    let parts = parts.into_iter().enumerate().map(|(index, file)| Part {
        file,
        may_be_overruled: spans[index + 1..].iter().any(|&newer| meet(newer, spans[index])),
        may_overrule: spans[..index].iter().any(|&older| meet(older, spans[index])),
    });
    parts.collect()
}

/// The rows in memory that are wanted, of each window the last.
fn hot_rows(moment: &Moment, ask: &Ask) -> Vec<HotWindow> {
    let allowed = |column: &str, names: &[Arc<str>]| -> Vec<bool> {
        let words = ask.words_of(column);
        names.iter().map(|name| words.is_none_or(|words| words.contains(&**name))).collect()
    };
    let indicators = allowed("indicator", &moment.indicators);
    let areas = allowed("area", &moment.areas);
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for row in moment.windows.iter().rev().flat_map(|chunk| chunk.rows().iter().rev()) {
        let wanted = (ask.from..ask.to).contains(&row.point.start.0)
            && indicators[row.indicator as usize]
            && areas[row.area as usize];
        if wanted && seen.insert((row.indicator, row.area, row.point.start)) {
            rows.push(*row);
        }
    }
    rows
}

/// Keys of windows that were given already.
#[derive(Debug)]
struct Seen {
    keys: HashSet<(u32, u32, i64)>,
    indicators: Names,
    areas: Names,
    memory: MemoryReservation,
}

impl Seen {
    /// Room that one key takes in the table.
    const KEY_BYTES: usize = 36;

    fn new(pool: &Arc<dyn MemoryPool>) -> Self {
        let memory = MemoryConsumer::new("windows").register(pool);
        let (indicators, areas) = (Names::default(), Names::default());
        Self { keys: HashSet::new(), indicators, areas, memory }
    }

    /// Which rows were not met before; they are remembered when an older part may have them too.
    fn fresh(&mut self, batch: &RecordBatch, part: &Part) -> Result<BooleanArray> {
        let indicators = numbers(batch, window_column::INDICATOR, &mut self.indicators)?;
        let areas = numbers(batch, window_column::AREA, &mut self.areas)?;
        let starts = column::<TimestampMillisecondType>(batch, window_column::START).values();
        let mut fresh = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let key = (indicators[row], areas[row], starts[row]);
            fresh.push(if part.may_overrule {
                self.keys.insert(key)
            } else {
                !self.keys.contains(&key)
            });
        }
        self.memory.try_resize(self.keys.capacity() * Self::KEY_BYTES)?;
        Ok(fresh.into())
    }
}

/// A column of words as numbers, the same for the same word in every batch.
fn numbers(batch: &RecordBatch, index: usize, names: &mut Names) -> Result<Vec<u32>> {
    let column = batch.column(index).as_dictionary_opt::<Int32Type>();
    let column = column.ok_or_else(|| external("a column does not hold words"))?;
    let words: Vec<u32> = column
        .values()
        .as_string::<i32>()
        .iter()
        .map(|word| names.intern(word.unwrap_or_default()))
        .collect();
    let keys = column.keys().values().iter();
    Ok(keys.map(|&key| usize::try_from(key).map_or(0, |key| words[key])).collect())
}

/// Batches of all parts.
struct Rows {
    schema: Arc<Schema>,
    ask: Ask,
    view: View,
    moment: Arc<Moment>,
    hot: Vec<HotWindow>,
    sources: Vec<Part>,
    seen: Seen,
    places: Places,
    present: Option<(Part, Batches)>,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((part, batches)) = &mut self.present
                && let Some(batch) = batches.next()
            {
                let (seen, sees) = (&mut self.seen, (&self.view, &mut self.places));
                let asked = (&self.ask, &self.schema);
                return Some(batch.and_then(|batch| convert(&batch, part, seen, sees, asked)));
            }
            let part = self.sources.pop()?;
            let batches = match &part.file {
                Some(file) => self.open(file),
                None => hot_batches(std::mem::take(&mut self.hot), &self.moment),
            };
            self.present = Some((part, batches));
        }
    }
}

impl Rows {
    fn open(&self, file: &FileEntry) -> Batches {
        let words = [("indicator", window_column::INDICATOR), ("area", window_column::AREA)];
        let words: Vec<(usize, Vec<&str>)> = words
            .into_iter()
            .filter_map(|(name, column)| {
                Some((column, self.ask.words_of(name)?.iter().map(String::as_str).collect()))
            })
            .collect();
        let leading = words.iter().find(|(column, _)| *column == window_column::INDICATOR);
        let leading = leading.map(|(_, words)| words.clone()).unwrap_or_default();
        let words: Vec<(usize, &[&str])> = words.iter().map(|(c, w)| (*c, w.as_slice())).collect();
        let codes = self.view.codes();
        let spans: Vec<(usize, (&str, &str))> =
            codes.iter().map(|(a, b)| (window_column::AREA, (a.as_str(), b.as_str()))).collect();
        let columns: Vec<usize> = (0..STORED).collect();
        let wanted = Wanted {
            leading: &leading,
            words: &words,
            hints: &[],
            numbers: None,
            spans: &spans,
            time: (window_column::START, self.ask.from..self.ask.to),
            columns: &columns,
        };
        match self.moment.open(file, &wanted) {
            Ok(Some(reader)) => Box::new(reader.map(|batch| Ok(batch?))),
            Ok(None) => Box::new(std::iter::empty()),
            Err(error) => Box::new(std::iter::once(Err(external(error)))),
        }
    }
}

/// Rows of one part as rows of the table: the columns asked for, what was not met before, what is seen.
fn convert(
    batch: &RecordBatch,
    part: &Part,
    seen: &mut Seen,
    (view, places): (&View, &mut Places),
    (ask, schema): (&Ask, &SchemaRef),
) -> Result<RecordBatch> {
    let filtered;
    let batch = if part.may_be_overruled || part.may_overrule {
        filtered = filter_record_batch(batch, &seen.fresh(batch, part)?)?;
        &filtered
    } else {
        batch
    };
    let area = batch.column(window_column::AREA);
    let columns = ask.columns.iter().map(|&column| {
        let array = match column.checked_sub(STORED) {
            None => Arc::clone(batch.column(column)),
            Some(extra) => derived(view, places, area, super::readings::AREA_NAME + extra)?,
        };
        Ok(match array.data_type() {
            DataType::Dictionary(..) => cast(&array, &DataType::Utf8View)?,
            _ => array,
        })
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
    let rows = batch_of(schema, columns, batch.num_rows())?;
    if view.sees_all() { Ok(rows) } else { only_visible(view, places, area, rows) }
}

/// Rows in memory in the form of those in files.
fn hot_batches(rows: Vec<HotWindow>, moment: &Arc<Moment>) -> Batches {
    let moment = Arc::clone(moment);
    let mut start = 0;
    Box::new(std::iter::from_fn(move || {
        let part = rows.get(start..)?.get(..BATCH_ROWS.min(rows.len() - start))?;
        start += part.len();
        (!part.is_empty()).then(|| hot_batch(part, &moment))
    }))
}

fn hot_batch(rows: &[HotWindow], moment: &Moment) -> Result<RecordBatch> {
    let words = |of: &dyn Fn(&HotWindow) -> Arc<str>| -> Result<ArrayRef> {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        for row in rows {
            builder.append(&*of(row))?;
        }
        Ok(Arc::new(builder.finish()))
    };
    let columns: Vec<ArrayRef> = vec![
        words(&|row| Arc::clone(&moment.indicators[row.indicator as usize]))?,
        words(&|row| Arc::clone(&moment.areas[row.area as usize]))?,
        words(&|row| row.tier.word().into())?,
        Arc::new(
            TimestampMillisecondArray::from_iter_values(rows.iter().map(|r| r.point.start.0))
                .with_timezone("UTC"),
        ),
        Arc::new(rows.iter().map(|row| row.point.value).collect::<Float64Array>()),
        Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.point.coverage))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.point.readings))),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&STORED_SCHEMA), columns)?)
}
