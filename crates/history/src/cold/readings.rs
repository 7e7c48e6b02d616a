//! Readings into files. What both the flush and the compaction do: take sorted rows, cut them into row
//! groups, and write one file of one local day.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Schema};

use super::columns::{Codecs, Group, Labels, Run, RunNames, Style};
use super::file::{ColumnFile, schema, time_type, word_type};
use super::sort::Row;
use crate::error::{Error, Result};
use crate::manifest::FileEntry;

/// The columns of a readings file.
pub(crate) static READINGS: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    schema(&[
        ("device", word_type(), false),
        ("kind", word_type(), false),
        ("area", word_type(), false),
        ("at", time_type(), false),
        ("value", DataType::Float64, false),
        ("received_at", time_type(), false),
        ("stream", DataType::UInt32, false),
    ])
});

/// Rows of a row group of a fresh file: many, as its dictionaries are written once in each.
const FRESH_GROUP_ROWS: usize = 1 << 20;
/// Rows of a row group of a packed file: what a Bloom filter answers for.
const PACKED_GROUP_ROWS: usize = 1 << 18;

/// One readings file while it is written.
pub(crate) struct ReadingsFile<'a> {
    file: ColumnFile,
    codecs: Codecs,
    names: &'a dyn RunNames,
    /// The time that rows count from.
    base: i64,
    group_rows: usize,
    group: Group,
    labels: Labels,
    entry: FileEntry,
    streams: Option<(u32, u32)>,
    kinds: BTreeSet<u32>,
}

impl<'a> ReadingsFile<'a> {
    pub(crate) fn create(
        dir: &Path,
        entry: FileEntry,
        style: Style,
        base: i64,
        names: &'a dyn RunNames,
    ) -> Result<Self> {
        let file = ColumnFile::create(dir, &entry.path, &READINGS)?;
        let codecs = Codecs::new(style).map_err(Error::parquet(file.path()))?;
        let group_rows = match style {
            Style::Fresh => FRESH_GROUP_ROWS,
            Style::Packed => PACKED_GROUP_ROWS,
        };
        let (group, labels) = (Group::default(), Labels::default());
        Ok(Self {
            file,
            codecs,
            names,
            base,
            group_rows,
            group,
            labels,
            entry,
            streams: None,
            kinds: BTreeSet::new(),
        })
    }

    /// Appends rows in order of key and time.
    pub(crate) fn push(&mut self, mut rows: &[Row]) -> Result<()> {
        while !rows.is_empty() {
            let room = self.group_rows - self.group.ats.len();
            let (now, later) = rows.split_at(room.min(rows.len()));
            self.take(now);
            if self.group.ats.len() == self.group_rows {
                self.end_group()?;
            }
            rows = later;
        }
        Ok(())
    }

    /// Ends the file, durable with its name when this returns.
    pub(crate) fn finish(mut self) -> Result<FileEntry> {
        self.end_group()?;
        self.entry.streams = self.streams;
        self.entry.kinds = self.kinds.iter().map(|&kind| self.names.kind(kind)).collect();
        self.entry.bytes = self.file.finish()?;
        Ok(self.entry)
    }

    fn take(&mut self, rows: &[Row]) {
        let Group { runs, ats, values, received } = &mut self.group;
        for run in rows.chunk_by(|a, b| a.key == b.key) {
            let rows = u32::try_from(run.len()).expect("a row group has fewer rows");
            match runs.last_mut() {
                Some(last) if last.key == run[0].key => last.rows += rows,
                _ => runs.push(Run { key: run[0].key, rows }),
            }
        }
        let base = self.base;
        ats.extend(rows.iter().map(|row| base.wrapping_add(i64::from(row.at))));
        values.extend(rows.iter().map(|row| row.value));
        received.extend(rows.iter().map(|row| row.received_at));
    }

    fn end_group(&mut self) -> Result<()> {
        if self.group.ats.is_empty() {
            return Ok(());
        }
        self.labels.clear();
        self.names.label(&self.group.runs, &mut self.labels);
        let entry = &mut self.entry;
        entry.rows += self.group.ats.len() as u64;
        for &at in &self.group.ats {
            entry.at_min = entry.at_min.min(at);
            entry.at_max = entry.at_max.max(at);
        }
        for &stream in &self.labels.streams {
            let (min, max) = self.streams.unwrap_or((stream, stream));
            self.streams = Some((min.min(stream), max.max(stream)));
        }
        if entry.district.is_some() {
            self.kinds.extend(&self.labels.kinds);
        }
        let (group, labels) = (&self.group, &self.labels);
        self.file
            .row_group(|schema, put| self.codecs.encode(schema, group, labels, self.names, put))?;
        self.group.clear();
        Ok(())
    }
}

impl Group {
    fn clear(&mut self) {
        self.runs.clear();
        self.ats.clear();
        self.values.clear();
        self.received.clear();
    }
}

impl Labels {
    fn clear(&mut self) {
        self.devices.clear();
        self.kinds.clear();
        self.areas.clear();
        self.streams.clear();
    }
}

/// An entry for a file that has no rows yet.
pub(crate) fn empty_entry(path: String, sequences: (u64, u64)) -> FileEntry {
    FileEntry {
        path,
        rows: 0,
        bytes: 0,
        sequence_first: sequences.0,
        sequence_last: sequences.1,
        at_min: i64::MAX,
        at_max: i64::MIN,
        name_min: String::new(),
        name_max: String::new(),
        streams: None,
        district: None,
        summed: false,
        kinds: Vec::new(),
    }
}
