//! Readings that are in no file yet, as rows of the table. Their streams have numbers; the directory
//! tells the names, for a few thousand streams at a time, so that senders never wait for a query.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringViewBuilder, TimestampMillisecondArray,
};
use arrow::datatypes::SchemaRef;
use chengmai_model::{AreaId, StreamId};
use datafusion::common::Result;
use hashbrown::HashMap;

use super::pushdown::Ask;
use super::readings::{AREA_NAME, DISTRICT, SCHEMA, batch_of, derived_text, projected};
use super::table::BATCH_ROWS;
use super::view::View;
use crate::LABELS_MAX;
use crate::cold::raw_column;
use crate::hot::ReadingsChunk;
use crate::scan::Moment;

/// Batches of the readings in memory.
pub(super) struct HotReadings {
    ask: Ask,
    view: View,
    moment: Arc<Moment>,
    schema: SchemaRef,
    /// Streams of the devices asked for, when devices are.
    streams: Option<Vec<u32>>,
    /// Ids of kinds by their numbers.
    kinds: HashMap<u32, String>,
    chunk: usize,
    /// Rows of the present chunk that are still to come, last first.
    rows: Vec<usize>,
    received: Vec<i64>,
}

impl HotReadings {
    pub(super) fn new(
        ask: Ask,
        view: View,
        moment: Arc<Moment>,
        streams: Option<Vec<u32>>,
    ) -> Self {
        Self {
            schema: projected(&SCHEMA, &ask),
            ask,
            view,
            moment,
            streams,
            kinds: HashMap::new(),
            chunk: 0,
            rows: Vec::new(),
            received: Vec::new(),
        }
    }

    fn batch(&mut self, chunk: &ReadingsChunk) -> Result<RecordBatch> {
        let mut rows = self.rows.split_off(self.rows.len().saturating_sub(BATCH_ROWS));
        rows.reverse();
        let mut streams: Vec<StreamId> =
            rows.iter().map(|&row| chunk.reading(row).stream).collect();
        streams.sort_unstable();
        streams.dedup();
        let labels = self.labels(&streams);
        let kept = rows.into_iter().filter_map(|row| {
            let reading = chunk.reading(row);
            let place = streams.binary_search(&reading.stream).ok()?;
            let label = labels.get(place)?.as_ref()?;
            let value = self.moment.overlay.value(reading.stream.0, reading.at.0, reading.value)?;
            Some(((row, label), value))
        });
        let (kept, values): (Vec<(usize, &Label)>, Vec<f64>) = kept.unzip();
        let columns = self.ask.columns.iter().map(|&column| match column {
            raw_column::VALUE => Arc::new(Float64Array::from_iter_values(values.iter().copied())),
            _ => self.column(column, chunk, &kept),
        });
        batch_of(&self.schema, columns.collect(), kept.len())
    }

    /// What streams are called; nothing for those that are not wanted or may not be seen.
    fn labels(&mut self, streams: &[StreamId]) -> Vec<Option<Label>> {
        let directory = Arc::clone(&self.view.directory);
        let with_device = self.ask.columns.contains(&raw_column::DEVICE);
        let mut labels: Vec<Label> = Vec::with_capacity(streams.len());
        for part in streams.chunks(LABELS_MAX) {
            directory.labels(part, &mut |label| {
                let device = if with_device { label.device.to_owned() } else { String::new() };
                labels.push(Label { device, kind: label.kind, area: label.area });
            });
        }
        for label in &labels {
            self.kinds.entry(label.kind).or_insert_with(|| directory.kind(label.kind));
        }
        labels.into_iter().map(|label| self.is_wanted(&label).then_some(label)).collect()
    }

    fn is_wanted(&self, label: &Label) -> bool {
        let allowed =
            |column, word: &str| self.ask.words_of(column).is_none_or(|words| words.contains(word));
        self.view.sees(label.area)
            && self.kinds.get(&label.kind).is_some_and(|kind| allowed("kind", kind))
            && allowed("area", self.view.code(label.area))
    }

    fn column(&self, column: usize, chunk: &ReadingsChunk, kept: &[(usize, &Label)]) -> ArrayRef {
        let times = |of: &dyn Fn(usize) -> i64| -> ArrayRef {
            let times = kept.iter().map(|&(row, _)| of(row));
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
        };
        match column {
            raw_column::DEVICE => texts(kept, |label| Some(&label.device)),
            raw_column::KIND => {
                texts(kept, |label| self.kinds.get(&label.kind).map(String::as_str))
            }
            raw_column::AREA => texts(kept, |label| Some(self.view.code(label.area))),
            raw_column::AT => times(&|row| chunk.reading(row).at.0),
            AREA_NAME | DISTRICT => {
                texts(kept, |label| derived_text(&self.view, label.area, column))
            }
            _ => times(&|row| self.received[row]),
        }
    }
}

impl Iterator for HotReadings {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.rows.is_empty() {
            let chunk = self.moment.readings.get(self.chunk)?;
            self.chunk += 1;
            self.rows = chunk.rows_in(self.ask.from, self.ask.to, self.streams.as_deref());
            self.rows.reverse();
            self.received = chunk.received();
        }
        let chunk = Arc::clone(self.moment.readings.get(self.chunk - 1)?);
        Some(self.batch(&chunk))
    }
}

/// What a stream is called.
struct Label {
    device: String,
    kind: u32,
    area: AreaId,
}

fn texts<'a>(kept: &[(usize, &'a Label)], of: impl Fn(&'a Label) -> Option<&'a str>) -> ArrayRef {
    let mut texts = StringViewBuilder::with_capacity(kept.len());
    for &(_, label) in kept {
        texts.append_option(of(label));
    }
    Arc::new(texts.finish())
}
