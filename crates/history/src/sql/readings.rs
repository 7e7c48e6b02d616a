//! The table `readings`: rows of files, then rows of memory, both only of the asker's areas.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, DictionaryArray, Float64Array, RecordBatch,
    RecordBatchOptions, StringArray,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Schema, SchemaRef, TimestampMillisecondType, UInt32Type,
};
use chengmai_model::{AreaId, Tier};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryPool;

use super::hot::HotReadings;
use super::pushdown::Ask;
use super::table::{Batches, Source};
use super::view::View;
use crate::cold::{Wanted, raw_column, schema, time_type};
use crate::manifest::FileEntry;
use crate::scan::Moment;
use crate::sql::engine::LazyMoment;

/// Columns that are not in files: worked out from the area.
pub(super) const AREA_NAME: usize = 6;
pub(super) const DISTRICT: usize = 7;

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(&[
        ("device", DataType::Utf8View, false),
        ("kind", DataType::Utf8View, false),
        ("area", DataType::Utf8View, false),
        ("at", time_type(), false),
        ("value", DataType::Float64, false),
        ("received_at", time_type(), false),
        ("area_name", DataType::Utf8View, true),
        ("district", DataType::Utf8View, true),
    ])
});

/// Readings, wherever they are.
#[derive(Debug)]
pub(super) struct Readings {
    pub(super) moment: LazyMoment,
    pub(super) view: View,
}

impl Source for Readings {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn words(&self) -> &'static [&'static str] {
        &["device", "kind", "area"]
    }

    fn time(&self) -> &'static str {
        "at"
    }

    fn scan(&self, ask: &Ask, _memory: &Arc<dyn MemoryPool>) -> Result<Batches> {
        let moment = self.moment.get();
        let streams = ask.words_of("device").map(|devices| {
            let of = |device: &String| self.view.directory.streams_of(device);
            let mut streams: Vec<u32> =
                devices.iter().flat_map(of).map(|stream| stream.0).collect();
            streams.sort_unstable();
            streams
        });
        let files = moment.reading_files(|file| {
            let of_streams = match (&streams, file.streams) {
                (Some(streams), Some((min, max))) => {
                    streams.iter().any(|stream| (min..=max).contains(stream))
                }
                _ => true,
            };
            file.overlaps(ask.from, ask.to)
                && of_streams
                && self.view.may_see(file.district.as_deref())
        });
        let cold = ColdReadings::new(ask, self.view.clone(), &moment, streams.clone());
        let hot = HotReadings::new(ask.clone(), self.view.clone(), moment, streams);
        let cold = files
            .into_iter()
            .flat_map(move |file| cold.clone().with_corrections(&file).open(&file));
        Ok(Box::new(cold.chain(hot)))
    }
}

/// How the rows of files become rows of the table.
#[derive(Clone)]
struct ColdReadings {
    ask: Ask,
    view: View,
    moment: Arc<Moment>,
    schema: Arc<Schema>,
    /// Columns to read, in the order of the file.
    columns: Vec<usize>,
    /// Streams of the devices asked for, when devices are.
    streams: Option<Vec<u32>>,
    /// Some rows of the file are worth something else than they say.
    corrected: bool,
}

impl ColdReadings {
    fn new(ask: &Ask, view: View, moment: &Arc<Moment>, streams: Option<Vec<u32>>) -> Self {
        let mut columns: BTreeSet<usize> =
            ask.columns.iter().copied().filter(|&column| column < AREA_NAME).collect();
        if !view.sees_all() || columns.len() < distinct(&ask.columns) {
            columns.insert(raw_column::AREA);
        }
        Self {
            ask: ask.clone(),
            view,
            moment: Arc::clone(moment),
            schema: projected(&SCHEMA, ask),
            columns: columns.into_iter().collect(),
            streams,
            corrected: false,
        }
    }

    /// Reads what corrections are told by too, if any is about this file. One of the first format
    /// follows them when it is written again.
    fn with_corrections(mut self, file: &FileEntry) -> Self {
        self.corrected = file.streams.is_some() && self.moment.overlay.touches(file);
        if self.corrected {
            self.columns.extend([raw_column::AT, raw_column::VALUE, raw_column::STREAM]);
            self.columns.sort_unstable();
            self.columns.dedup();
        }
        self
    }

    fn open(self, file: &FileEntry) -> Batches {
        // Files of the first format do not know streams.
        let numbers = self.streams.as_deref().filter(|_| file.streams.is_some());
        let words_of = |name| -> Option<Vec<&str>> {
            Some(self.ask.words_of(name)?.iter().map(String::as_str).collect())
        };
        let devices = words_of("device").unwrap_or_default();
        let (kinds, areas) = (words_of("kind"), words_of("area"));
        let mut words: Vec<(usize, &[&str])> = Vec::new();
        if !devices.is_empty() && numbers.is_none() {
            words.push((raw_column::DEVICE, &devices));
        }
        words.extend(kinds.iter().map(|kinds| (raw_column::KIND, kinds.as_slice())));
        words.extend(areas.iter().map(|areas| (raw_column::AREA, areas.as_slice())));
        let codes = self.view.codes();
        let spans: Vec<(usize, (&str, &str))> =
            codes.iter().map(|(a, b)| (raw_column::AREA, (a.as_str(), b.as_str()))).collect();
        let wanted = Wanted {
            leading: &devices,
            words: &words,
            hints: &[],
            numbers: numbers.map(|streams| (raw_column::STREAM, streams)),
            spans: &spans,
            time: (raw_column::AT, self.ask.from..self.ask.to),
            columns: &self.columns,
        };
        let reader = match self.moment.open(file, &wanted) {
            Ok(Some(reader)) => reader,
            Ok(None) => return Box::new(std::iter::empty()),
            Err(error) => return Box::new(std::iter::once(Err(external(error)))),
        };
        let mut places = Places::default();
        Box::new(reader.map(move |batch| self.convert(&batch?, &mut places)))
    }

    fn convert(&self, batch: &RecordBatch, places: &mut Places) -> Result<RecordBatch> {
        let corrected;
        let batch = if self.corrected {
            corrected = self.correct(batch)?;
            &corrected
        } else {
            batch
        };
        // Columns worked out here have numbers behind those that are asked for from files.
        let position = |column| {
            let read = self.columns.iter().position(|&read| read == column);
            read.filter(|_| column < AREA_NAME)
        };
        let area = position(raw_column::AREA).map(|place| batch.column(place));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.ask.columns.len());
        for &column in &self.ask.columns {
            let array = match (position(column), area) {
                (Some(place), _) => Arc::clone(batch.column(place)),
                (None, Some(area)) => derived(&self.view, places, area, column)?,
                (None, None) => return Err(external("a column is missing")),
            };
            columns.push(match array.data_type() {
                DataType::Dictionary(..) => cast(&array, &DataType::Utf8View)?,
                _ => array,
            });
        }
        let batch = batch_of(&self.schema, columns, batch.num_rows())?;
        match area {
            Some(area) if !self.view.sees_all() => only_visible(&self.view, places, area, batch),
            _ => Ok(batch),
        }
    }
}

impl ColdReadings {
    /// The rows as what they are worth now, without those that were withdrawn.
    fn correct(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let place = |column| {
            let place = self.columns.iter().position(|&read| read == column);
            place.ok_or_else(|| external("a column of corrections is missing"))
        };
        let value_place = place(raw_column::VALUE)?;
        let streams = batch.column(place(raw_column::STREAM)?).as_primitive::<UInt32Type>();
        let ats = batch.column(place(raw_column::AT)?).as_primitive::<TimestampMillisecondType>();
        let values = batch.column(value_place).as_primitive::<Float64Type>();
        let rows = streams.values().iter().zip(ats.values()).zip(values.values());
        let now: Vec<Option<f64>> = rows
            .map(|((&stream, &at), &value)| self.moment.overlay.value(stream, at, value))
            .collect();
        let kept: BooleanArray = now.iter().map(|value| Some(value.is_some())).collect();
        let worth = now.into_iter().map(Option::unwrap_or_default);
        let mut columns = batch.columns().to_vec();
        columns[value_place] = Arc::new(Float64Array::from_iter_values(worth));
        let batch = RecordBatch::try_new(batch.schema(), columns)?;
        Ok(filter_record_batch(&batch, &kept)?)
    }
}

/// What is known of the areas in a column, kept as long as the column's words stay the same.
#[derive(Default)]
pub(super) struct Places {
    words: Option<StringArray>,
    found: Vec<(bool, Option<AreaId>)>,
}

impl Places {
    fn of(&mut self, view: &View, words: &StringArray) -> &[(bool, Option<AreaId>)] {
        let same = self.words.as_ref().is_some_and(|known| {
            known.len() == words.len()
                && known.values().as_ptr() == words.values().as_ptr()
                && known.offsets() == words.offsets()
        });
        if !same {
            self.found = words.iter().map(|code| view.place(code.unwrap_or_default())).collect();
            self.words = Some(words.clone());
        }
        &self.found
    }
}

/// A column worked out from the column of areas.
pub(super) fn derived(
    view: &View,
    places: &mut Places,
    area: &ArrayRef,
    column: usize,
) -> Result<ArrayRef> {
    let area = dictionary(area)?;
    let words = area.values().as_string::<i32>();
    let values =
        places.of(view, words).iter().map(|&(_, place)| derived_text(view, place?, column));
    let values: StringArray = values.collect();
    Ok(Arc::new(DictionaryArray::try_new(area.keys().clone(), Arc::new(values))?))
}

/// The name of an area, or the code of its district.
pub(super) fn derived_text(view: &View, area: AreaId, column: usize) -> Option<&str> {
    if column == AREA_NAME { Some(view.name(area)) } else { view.code_at(area, Tier::District) }
}

/// Leaves out rows of areas that the asker does not see.
pub(super) fn only_visible(
    view: &View,
    places: &mut Places,
    area: &ArrayRef,
    batch: RecordBatch,
) -> Result<RecordBatch> {
    let area = dictionary(area)?;
    let seen = places.of(view, area.values().as_string::<i32>());
    if seen.iter().all(|&(seen, _)| seen) {
        return Ok(batch);
    }
    let keys = area.keys().values();
    let mask = BooleanBuffer::collect_bool(keys.len(), |row| {
        usize::try_from(keys[row]).is_ok_and(|key| seen.get(key).is_some_and(|&(seen, _)| seen))
    });
    Ok(filter_record_batch(&batch, &BooleanArray::new(mask, None))?)
}

fn dictionary(area: &ArrayRef) -> Result<&DictionaryArray<Int32Type>> {
    area.as_dictionary_opt().ok_or_else(|| external("areas are not words"))
}

/// The columns asked for, also when there are none and only the rows count.
pub(super) fn batch_of(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

pub(super) fn projected(schema: &SchemaRef, ask: &Ask) -> SchemaRef {
    let fields = ask.columns.iter().filter_map(|&column| schema.fields().get(column).cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn distinct(columns: &[usize]) -> usize {
    columns.iter().collect::<BTreeSet<_>>().len()
}

pub(super) fn external(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> DataFusionError {
    DataFusionError::External(error.into())
}
