//! What a flush does with readings: one fresh file for each local day, in order of stream and time.
//!
//! By stream and not by area, because that needs no look-up for sorting, walks the names in the order
//! in which they were registered, and makes the bounds of the `stream` column find a device's pages.
//! The compaction sorts by kind and area, when there is enough of them together to be worth it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, StreamId};

use super::columns::{Labels, Run, RunNames, Style};
use super::file::Flush;
use super::readings::{ReadingsFile, empty_entry};
use super::sort::{self, Row};
use crate::day;
use crate::error::Result;
use crate::hot::ReadingsChunk;
use crate::manifest::{FRESH_DISTRICT, FileEntry, RAW};
use crate::writer::{LABELS_MAX, StreamNames};

/// Writes all rows of `chunks`, one file for each local day, and returns the files, durable.
pub(crate) fn write_readings(
    chunks: &[Arc<ReadingsChunk>],
    flush: &Flush<'_>,
    names: &dyn StreamNames,
) -> Result<Vec<FileEntry>> {
    let day_of = |at| day::day_of(at, flush.offset_ms);
    let spans: Vec<_> = chunks.iter().filter_map(|chunk| chunk.span()).collect();
    let (Some(first), Some(last)) =
        (spans.iter().map(|s| s.0).min(), spans.iter().map(|s| s.1).max())
    else {
        return Ok(Vec::new());
    };
    let names = FlushNames(names);
    if day_of(first) == day_of(last) {
        let base = day::start(day_of(first), flush.offset_ms);
        let keys = chunks.iter().flat_map(|chunk| chunk.streams().iter().copied());
        let rows = chunks.iter().flat_map(|chunk| rows(chunk, base));
        return Ok(vec![write_day(day_of(first), keys, rows, flush, &names)?]);
    }
    let mut days: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for (reading, received_at) in chunks.iter().flat_map(|chunk| chunk.rows()) {
        let day = day_of(reading.at.0);
        days.entry(day).or_default().push(Row {
            key: reading.stream.0,
            at: since(reading.at.0, day::start(day, flush.offset_ms)),
            value: reading.value,
            received_at: received_at.0,
        });
    }
    let mut files = Vec::new();
    for (day, rows) in days {
        let keys = rows.iter().map(|row| row.key);
        files.push(write_day(day, keys, rows.iter().copied(), flush, &names)?);
    }
    Ok(files)
}

fn rows(chunk: &ReadingsChunk, base: i64) -> impl Iterator<Item = Row> {
    chunk.rows().map(move |(reading, received_at)| Row {
        key: reading.stream.0,
        at: since(reading.at.0, base),
        value: reading.value,
        received_at: received_at.0,
    })
}

/// Milliseconds from the start of a day to a moment in it.
pub(crate) fn since(at: i64, base: i64) -> u32 {
    const { assert!(DAY_MS < u32::MAX as i64, "a day fits") };
    u32::try_from(at.wrapping_sub(base)).expect("the moment lies in the day")
}

fn write_day(
    day: i64,
    keys: impl Iterator<Item = u32> + Clone,
    rows: impl Iterator<Item = Row>,
    flush: &Flush<'_>,
    names: &FlushNames<'_>,
) -> Result<FileEntry> {
    let path = flush.manifest.next_path(RAW, &day::folder(day), FRESH_DISTRICT, flush.sequences);
    let entry = empty_entry(path, flush.sequences);
    let base = day::start(day, flush.offset_ms);
    let mut file = ReadingsFile::create(flush.dir, entry, Style::Fresh, base, names)?;
    sort::sorted(keys, rows, |part| file.push(part))?;
    file.finish()
}

/// Keys are streams, names are asked for from whoever knows the streams.
struct FlushNames<'a>(&'a dyn StreamNames);

impl RunNames for FlushNames<'_> {
    fn label(&self, runs: &[Run], labels: &mut Labels) {
        let mut streams = Vec::with_capacity(LABELS_MAX.min(runs.len()));
        for part in runs.chunks(LABELS_MAX) {
            streams.clear();
            streams.extend(part.iter().map(|run| StreamId(run.key)));
            self.0.labels(&streams, &mut |label| {
                labels.devices.push(label.device);
                labels.kinds.push(label.kind);
                labels.areas.push(label.area.0);
            });
            labels.streams.extend(part.iter().map(|run| run.key));
        }
    }

    fn kind(&self, number: u32) -> String {
        self.0.kind(number)
    }

    fn area(&self, number: u32) -> String {
        self.0.area(AreaId(number))
    }
}
