//! The reading end: what is in files and what is still in memory, as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::{
    Float32Type, Float64Type, TimestampMillisecondType, UInt32Type, UInt64Type,
};
use chengmai_model::{Reading, StreamId, Timestamp};

use crate::cold::{FileCache, Wanted, column, raw_column, read, window_column, word};
use crate::error::Result;
use crate::hot::window_key;
use crate::manifest::{FileEntry, Manifest};
use crate::overlay::Overlay;
use crate::query::{Cost, ReadingsQuery, WindowPoint, WindowsQuery, Within};
use crate::shared::Shared;

/// The reading end of the history. Cheap to clone; any number of threads may query at once.
#[derive(Debug, Clone)]
pub struct HistoryReader {
    pub(crate) shared: Arc<Shared>,
}

impl HistoryReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The journal sequence up to and including which everything is in files.
    pub fn watermark(&self) -> u64 {
        self.shared.state.read().manifest.watermark
    }

    /// Readings of one device, in order of time, each (stream, time, value) once.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn readings(&self, query: &ReadingsQuery<'_>) -> Result<Vec<Reading>> {
        self.readings_with_cost(query).map(|(readings, _)| readings)
    }

    /// [`readings`](Self::readings), and what it took.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn readings_with_cost(&self, query: &ReadingsQuery<'_>) -> Result<(Vec<Reading>, Cost)> {
        let Hot { readings: mut found, manifest, overlay } = self.hot_readings(query);
        keep_newest(&mut found, query.limit);
        let mut files: Vec<&FileEntry> =
            manifest.raw.iter().filter(|file| file.may_hold_readings(query)).collect();
        files.sort_unstable_by_key(|file| std::cmp::Reverse(file.at_max));
        let mut cost = Cost::default();
        for file in files {
            // Files come newest first: one that ends before the oldest reading of a full answer
            // has nothing to add, and neither has any behind it.
            let full = found.len() >= query.limit;
            if full && found.first().is_none_or(|oldest| file.at_max < oldest.at.0) {
                break;
            }
            self.cold_readings(file, query, &overlay, &mut found, &mut cost)?;
            keep_newest(&mut found, query.limit);
        }
        Ok((found, cost))
    }

    /// Where a device was when it measured, as the newest file of the span says; nothing when no file
    /// holds any of these readings yet.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn area_of(&self, query: &ReadingsQuery<'_>) -> Result<Option<String>> {
        let manifest = Arc::clone(&self.shared.state.read().manifest);
        let streams: Vec<u32> = query.streams.iter().map(|(stream, _)| stream.0).collect();
        let wanted = Wanted {
            leading: &[query.device],
            words: &[],
            hints: &[],
            numbers: Some((raw_column::STREAM, &streams)),
            spans: &[],
            time: (raw_column::AT, query.from.0..query.to.0),
            columns: &[raw_column::AREA],
        };
        let by_stream = |file: &&FileEntry| file.streams.is_some() && file.may_hold_readings(query);
        for file in manifest.raw.iter().rev().filter(by_stream) {
            let path = self.shared.dir.join(&file.path);
            let open = FileCache::open(&self.shared.cache, &self.shared.dir, &file.path)?;
            let batches = read(&open, &path, &wanted, &mut Cost::default())?;
            if let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) {
                return Ok(Some(word(batch, 0, 0).to_owned()));
            }
        }
        Ok(None)
    }

    /// Windows of one indicator in one area, in order of their starts; of a window that was
    /// written more than once, the last one. Windows without readings are absent.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn windows(&self, query: &WindowsQuery<'_>) -> Result<Vec<WindowPoint>> {
        self.windows_with_cost(query).map(|(points, _)| points)
    }

    /// [`windows`](Self::windows), and what it took.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn windows_with_cost(&self, query: &WindowsQuery<'_>) -> Result<(Vec<WindowPoint>, Cost)> {
        let (hot, manifest) = self.hot_windows(query);
        let mut cost = Cost::default();
        let mut points: BTreeMap<Timestamp, WindowPoint> = BTreeMap::new();
        for file in &manifest.windows {
            if file.may_hold(query.indicator, query.from.0, query.to.0) {
                self.cold_windows(file, query, &mut points, &mut cost)?;
            }
        }
        points.extend(hot.into_iter().map(|point| (point.start, point)));
        Ok((points.into_values().collect(), cost))
    }

    pub(crate) fn hot_readings(&self, query: &ReadingsQuery<'_>) -> Hot {
        let mut found = Vec::new();
        let (from, to) = (query.from.0, query.to.0);
        let state = self.shared.state.read();
        let (closed, open) = state.readings.chunks();
        let seen = query.within.is_none_or(|within| (within.memory)());
        let streams = if seen { query.streams } else { &[] };
        for &(stream, _) in streams {
            open.collect(stream, from, to, &mut found);
        }
        // Rows move from memory to files under the lock: both are taken as of the same moment.
        let (manifest, overlay) = (Arc::clone(&state.manifest), Arc::clone(&state.overlay));
        drop(state);
        for chunk in &closed {
            for &(stream, _) in streams {
                chunk.collect(stream, from, to, &mut found);
            }
        }
        overlay.apply(&mut found, 0);
        Hot { readings: found, manifest, overlay }
    }

    /// Adds the rows of a file, each as what it is worth now.
    pub(crate) fn cold_readings(
        &self,
        file: &FileEntry,
        query: &ReadingsQuery<'_>,
        overlay: &Overlay,
        found: &mut Vec<Reading>,
        cost: &mut Cost,
    ) -> Result<()> {
        let before = found.len();
        self.cold_rows(file, query, found, cost)?;
        overlay.apply(found, before);
        Ok(())
    }

    fn cold_rows(
        &self,
        file: &FileEntry,
        query: &ReadingsQuery<'_>,
        found: &mut Vec<Reading>,
        cost: &mut Cost,
    ) -> Result<()> {
        let path = self.shared.dir.join(&file.path);
        let open = FileCache::open(&self.shared.cache, &self.shared.dir, &file.path)?;
        let time = (raw_column::AT, query.from.0..query.to.0);
        let device = [query.device];
        let kinds: Vec<&str> = query.streams.iter().map(|&(_, kind)| kind).collect();
        if file.streams.is_none() {
            let wanted = Wanted {
                leading: &device,
                words: &[(raw_column::DEVICE, &device), (raw_column::KIND, &kinds)],
                hints: &[],
                numbers: None,
                spans: &[],
                time,
                columns: &[raw_column::KIND, raw_column::AREA, raw_column::AT, raw_column::VALUE],
            };
            for batch in read(&open, &path, &wanted, cost)? {
                let mut seen = Seen::new(query.within, &batch, 1);
                collect(&batch, [2, 3], found, |row| {
                    let kind = word(&batch, 0, row);
                    if !seen.at(row) {
                        return None;
                    }
                    query
                        .streams
                        .iter()
                        .find(|(_, known)| *known == kind)
                        .map(|&(stream, _)| stream)
                });
            }
            return Ok(());
        }
        let streams: Vec<u32> = query.streams.iter().map(|(stream, _)| stream.0).collect();
        let wanted = Wanted {
            leading: &device,
            words: &[],
            hints: &[(raw_column::KIND, &kinds)],
            numbers: Some((raw_column::STREAM, &streams)),
            spans: &[],
            time,
            columns: if query.within.is_some() { &WITH_AREA } else { &WITH_AREA[1..] },
        };
        for batch in read(&open, &path, &wanted, cost)? {
            let mut seen = Seen::new(query.within, &batch, 0);
            // Columns come in the order of the file, and the area is one only when it was asked for.
            let at = batch.num_columns() - 3;
            let streams = column::<UInt32Type>(&batch, at + 2).values();
            collect(&batch, [at, at + 1], found, |row| {
                seen.at(row).then(|| StreamId(streams[row]))
            });
        }
        Ok(())
    }

    fn hot_windows(&self, query: &WindowsQuery<'_>) -> (Vec<WindowPoint>, Arc<Manifest>) {
        let mut found = Vec::new();
        let state = self.shared.state.read();
        let manifest = Arc::clone(&state.manifest);
        let (Some(indicator), Some(area)) =
            (state.indicators.number(query.indicator), state.areas.number(query.area))
        else {
            return (found, manifest);
        };
        let key = window_key(indicator, area);
        let (from, to) = (query.from.0, query.to.0);
        let (closed, open) = state.windows.chunks();
        let mut newest = Vec::new();
        open.collect(key, from, to, &mut newest);
        drop(state);
        for chunk in &closed {
            chunk.collect(key, from, to, &mut found);
        }
        // The growing chunk came last, so it overrules.
        found.append(&mut newest);
        (found, manifest)
    }

    fn cold_windows(
        &self,
        file: &FileEntry,
        query: &WindowsQuery<'_>,
        points: &mut BTreeMap<Timestamp, WindowPoint>,
        cost: &mut Cost,
    ) -> Result<()> {
        let wanted = Wanted {
            leading: &[query.indicator],
            words: &[
                (window_column::INDICATOR, &[query.indicator]),
                (window_column::AREA, &[query.area]),
            ],
            hints: &[],
            numbers: None,
            spans: &[],
            time: (window_column::START, query.from.0..query.to.0),
            columns: &[
                window_column::START,
                window_column::VALUE,
                window_column::COVERAGE,
                window_column::READINGS,
            ],
        };
        let path = self.shared.dir.join(&file.path);
        let open = FileCache::open(&self.shared.cache, &self.shared.dir, &file.path)?;
        for batch in read(&open, &path, &wanted, cost)? {
            let starts = column::<TimestampMillisecondType>(&batch, 0);
            let values = column::<Float64Type>(&batch, 1);
            let coverages = column::<Float32Type>(&batch, 2);
            let readings = column::<UInt64Type>(&batch, 3);
            for row in 0..batch.num_rows() {
                let start = Timestamp(starts.value(row));
                let value = values.is_valid(row).then(|| values.value(row));
                let (coverage, readings) = (coverages.value(row), readings.value(row));
                points.insert(start, WindowPoint { start, value, coverage, readings });
            }
        }
        Ok(())
    }
}

/// Readings in memory, and what else the history was at that moment.
pub(crate) struct Hot {
    pub(crate) readings: Vec<Reading>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) overlay: Arc<Overlay>,
}

/// Columns of a stream's readings, behind where they were measured.
const WITH_AREA: [usize; 4] =
    [raw_column::AREA, raw_column::AT, raw_column::VALUE, raw_column::STREAM];

/// Which rows of a batch were measured in the areas asked for. Neighbours mostly lie in the same.
pub(crate) struct Seen<'a> {
    within: Option<Within<'a>>,
    batch: &'a RecordBatch,
    column: usize,
    last: (&'a str, bool),
}

impl<'a> Seen<'a> {
    /// `column` is read only when the question is about some areas.
    pub(crate) fn new(within: Option<Within<'a>>, batch: &'a RecordBatch, column: usize) -> Self {
        Self { within, batch, column, last: ("", false) }
    }

    pub(crate) fn at(&mut self, row: usize) -> bool {
        let Some(within) = self.within else { return true };
        let code = word(self.batch, self.column, row);
        if self.last.0 != code {
            self.last = (code, (within.holds)(code));
        }
        self.last.1
    }
}

/// The readings of a batch, whose times and values are in the columns named.
fn collect(
    batch: &RecordBatch,
    [at, value]: [usize; 2],
    found: &mut Vec<Reading>,
    mut stream_of: impl FnMut(usize) -> Option<StreamId>,
) {
    let ats = column::<TimestampMillisecondType>(batch, at).values();
    let values = column::<Float64Type>(batch, value).values();
    found.extend(ats.iter().zip(values).enumerate().filter_map(|(row, (&at, &value))| {
        Some(Reading { stream: stream_of(row)?, at: Timestamp(at), value })
    }));
}

/// In order of time, each once, and of too many the newest.
pub(crate) fn keep_newest(found: &mut Vec<Reading>, limit: usize) {
    found.sort_unstable_by_key(|r| (r.at, r.stream, r.value.to_bits()));
    found.dedup_by_key(|r| (r.at, r.stream, r.value.to_bits()));
    found.drain(..found.len().saturating_sub(limit));
}
