//! All readings of a kind, for what goes through the past from one end to the other: in order of time,
//! a slice of time after the other, so that memory is bounded by rows and not by the span.
//!
//! Not here: readings of one device (`reader.rs`) and charts (`series.rs`).
//!
//! A slice sees files and memory as of one moment. Rows that come in between two slices are seen by
//! the later one if they belong to it.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use arrow::datatypes::{Float64Type, TimestampMillisecondType, UInt32Type};
use chengmai_model::{StreamId, Timestamp};

use crate::cold::{FileCache, Wanted, column, raw_column, read, word};
use crate::error::Result;
use crate::manifest::FileEntry;
use crate::overlay::Overlay;
use crate::query::Cost;
use crate::reader::HistoryReader;

/// Rows that a slice of [`HistoryReader::kind_readings`] should not exceed: 24 bytes each.
pub const SLICE_ROWS_MAX: u64 = 4_000_000;
/// Spans tried for a slice, the longest first: a day to a minute.
const SLICE_SPANS_MS: [i64; 7] =
    [86_400_000, 21_600_000, 7_200_000, 3_600_000, 900_000, 300_000, SLICE_SPAN_MS_MIN];
const SLICE_SPAN_MS_MIN: i64 = 60_000;

/// A reading as a column scan sees it: the number its stream was asked for under, time, value.
pub type KindRow = (u32, i64, f64);

/// Takes a slice of rows and says whether to go on.
pub type TakeRows<'a> = dyn FnMut(&[KindRow]) -> ControlFlow<()> + 'a;

/// Asks for all readings of one kind.
#[derive(Clone, Copy)]
pub struct KindQuery<'a> {
    /// The kind's id as in the files.
    pub kind: &'a str,
    /// The streams wanted, ascending, each with the number that its rows shall carry.
    pub streams: &'a [(StreamId, u32)],
    /// The same by device, for files of the first format, which know no streams.
    pub device: &'a dyn Fn(&str) -> Option<u32>,
    /// Earliest event time wanted.
    pub from: Timestamp,
    /// First event time that is not wanted any more.
    pub to: Timestamp,
}

impl std::fmt::Debug for KindQuery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, from, to, .. } = self;
        f.debug_struct("KindQuery").field("kind", kind).field("from", from).field("to", to).finish()
    }
}

impl KindQuery<'_> {
    fn number(&self, stream: u32) -> Option<u32> {
        let index = self.streams.binary_search_by_key(&stream, |(id, _)| id.0).ok()?;
        Some(self.streams[index].1)
    }

    fn may_be_in(&self, file: &FileEntry, time: &Range<i64>) -> bool {
        let of_kind = file.kinds.is_empty() || file.kinds.iter().any(|kind| kind == self.kind);
        // A file of a few neighbouring streams is passed over when none of them is wanted.
        let has_stream = file.streams.is_none_or(|(min, max)| {
            let first = self.streams.partition_point(|(stream, _)| stream.0 < min);
            self.streams.get(first).is_some_and(|(stream, _)| stream.0 <= max)
        });
        of_kind && has_stream && file.overlaps(time.start, time.end)
    }
}

impl HistoryReader {
    /// All readings of one kind in order of time, each (stream, time, value) once.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn kind_readings(&self, query: &KindQuery<'_>, each: &mut TakeRows<'_>) -> Result<()> {
        let mut from = query.from.0;
        let mut rows = Vec::new();
        while from < query.to.0 {
            let (chunks, manifest, overlay) = {
                let state = self.shared.state.read();
                let (mut chunks, open) = state.readings.chunks();
                // The growing chunk is copied, so that it is searched without the lock.
                chunks.push(Arc::new(open.clone()));
                (chunks, Arc::clone(&state.manifest), Arc::clone(&state.overlay))
            };
            let time = from..slice_end(&manifest.raw, from, query.to.0);
            rows.clear();
            for chunk in &chunks {
                let known = |stream| query.number(stream);
                chunk.collect_known(known, time.clone(), &overlay, &mut rows);
            }
            for file in manifest.raw.iter().filter(|file| query.may_be_in(file, &time)) {
                self.cold_kind(file, query, &time, &overlay, &mut rows)?;
            }
            rows.sort_unstable_by_key(|&(number, at, value)| (at, number, value.to_bits()));
            rows.dedup_by_key(|&mut (number, at, value)| (at, number, value.to_bits()));
            if each(&rows).is_break() {
                return Ok(());
            }
            from = time.end;
        }
        Ok(())
    }

    fn cold_kind(
        &self,
        file: &FileEntry,
        query: &KindQuery<'_>,
        time: &Range<i64>,
        overlay: &Overlay,
        rows: &mut Vec<KindRow>,
    ) -> Result<()> {
        let by_stream = file.streams.is_some();
        let columns = if by_stream {
            [raw_column::AT, raw_column::VALUE, raw_column::STREAM]
        } else {
            [raw_column::DEVICE, raw_column::AT, raw_column::VALUE]
        };
        let wanted = Wanted {
            leading: &[],
            words: &[(raw_column::KIND, &[query.kind])],
            hints: &[],
            numbers: None,
            spans: &[],
            time: (raw_column::AT, time.clone()),
            columns: &columns,
        };
        let path = self.shared.dir.join(&file.path);
        let open = FileCache::open(&self.shared.cache, &self.shared.dir, &file.path)?;
        for batch in read(&open, &path, &wanted, &mut Cost::default())? {
            let (at, value) = if by_stream { (0, 1) } else { (1, 2) };
            let ats = column::<TimestampMillisecondType>(&batch, at).values();
            let values = column::<Float64Type>(&batch, value).values();
            let found = ats.iter().zip(values).enumerate();
            if by_stream {
                let streams = column::<UInt32Type>(&batch, 2).values();
                rows.extend(found.filter_map(|(row, (&at, &value))| {
                    let stream = streams[row];
                    Some((query.number(stream)?, at, overlay.value(stream, at, value)?))
                }));
            } else {
                // Files of the first format follow corrections when they are written again.
                rows.extend(found.filter_map(|(row, (&at, &value))| {
                    Some(((query.device)(word(&batch, 0, row))?, at, value))
                }));
            }
        }
        Ok(())
    }
}

/// The end of the longest slice that begins at `from` and is likely to hold few enough rows, as far
/// as the files tell. A slice that holds more is only larger, never wrong.
fn slice_end(files: &[FileEntry], from: i64, to: i64) -> i64 {
    let rows_until = |end: i64| -> u64 {
        let inside = files.iter().filter(|file| file.overlaps(from, end));
        let share = |file: &FileEntry| {
            let span = file.at_max.saturating_sub(file.at_min).max(1).unsigned_abs();
            let common = file.at_max.min(end).saturating_sub(file.at_min.max(from)).max(0);
            let part = u128::from(file.rows) * u128::from(common.unsigned_abs()) / u128::from(span);
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        inside.map(share).sum()
    };
    let end = |span: i64| from.saturating_add(span).min(to);
    let ends = SLICE_SPANS_MS.into_iter().map(end);
    let mut few = ends.filter(|&end| rows_until(end) <= SLICE_ROWS_MAX);
    few.next().unwrap_or_else(|| end(SLICE_SPAN_MS_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rows: u64, hours: i64) -> FileEntry {
        let file = serde_json::json!({"path": "", "rows": rows, "bytes": 0, "sequence_first": 1,
            "sequence_last": 1, "at_min": 0, "at_max": hours * 3_600_000, "name_min": "",
            "name_max": ""});
        serde_json::from_value(file).expect("a file entry")
    }

    #[test]
    fn a_slice_is_as_long_as_its_rows_allow() {
        let day = 24 * 3_600_000;
        let end = |files: &[FileEntry]| slice_end(files, 0, 10 * day);
        assert_eq!(end(&[]), day, "an empty history is passed in days");
        assert_eq!(end(&[file(4_000_000, 24)]), day);
        assert_eq!(end(&[file(8_000_000, 24)]), day / 4);
        assert_eq!(end(&[file(8_000_000, 24), file(32_000_000, 24)]), day / 12);
        assert_eq!(end(&[file(u64::MAX, 24)]), SLICE_SPAN_MS_MIN, "never nothing");
        assert_eq!(slice_end(&[], 0, 1_000), 1_000, "and never beyond what is wanted");
    }
}
