//! Compaction: many small files of a day become few sorted ones, a folder for each district.
//!
//! One [`step`](Compactor::step) is bounded in rows, and so in memory and time. It reads some files of one
//! day, writes new ones, and only when these are durable changes the manifest; the old files go when no
//! query reads them any more. Cut short anywhere, it leaves files that the manifest does not name.
//!
//! Not here: when to run (the owner's decision: when nothing more urgent waits).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chengmai_model::StreamId;

use crate::cold::{Merge, merge_readings, merge_windows};
use crate::day;
use crate::error::{Error, Result};
use crate::manifest::{FileEntry, Manifest};
use crate::overlay::Overlay;
use crate::shared::Shared;

/// Readings that one step merges: in memory a reading takes some 50 bytes meanwhile.
pub(crate) const ROWS_MAX: u64 = 4_000_000;
/// Small files of a day that are worth merging while the day is not over.
const FILES_MIN: usize = 8;
/// A file with so many rows stays as it is.
const LARGE_ROWS: u64 = ROWS_MAX / 2;

/// Where an area belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Code of the district that holds it; of areas above districts their own code.
    pub district: String,
    /// By what files are sorted within a district and kind, before the streams: the place in
    /// pre-order of its town, say.
    pub order: u32,
}

/// Knows the city while files are merged.
pub trait Places: Sync {
    /// Where an area belongs; `None` for a code that is not in use any more.
    fn place(&self, area: &str) -> Option<Place>;
    /// The number of a stream, asked for rows of the first format, which do not have it.
    fn stream(&self, device: &str, kind: &str) -> Option<StreamId>;
}

/// What is merged with each other: a day, a district, and whether the ladder holds it.
type Cell<'a> = (i64, Option<&'a str>, bool);

/// Merges files in the background. There is one.
#[derive(Debug)]
pub struct Compactor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) offset_ms: i64,
    /// Files that cannot be merged, as they do not read back or name what nobody knows.
    pub(crate) refused: BTreeSet<String>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Files that are not needed any more.
    pub files_before: usize,
    /// Files in their place.
    pub files_after: usize,
    /// Bytes of both.
    pub bytes_before: u64,
    /// Bytes of the files in their place.
    pub bytes_after: u64,
    /// Rows read.
    pub rows: u64,
}

impl Compactor {
    pub(crate) fn new(shared: Arc<Shared>, offset_ms: i64) -> Self {
        Self { shared, offset_ms, refused: BTreeSet::new() }
    }

    /// Files that no merge has sorted yet.
    pub fn fresh_files(&self) -> usize {
        let state = self.shared.state.read();
        state.manifest.raw.iter().filter(|file| file.district.is_none()).count()
    }

    /// Merges what is most worth merging, if anything is. `now_ms` tells which days are over: their
    /// last few files are merged too.
    ///
    /// # Errors
    /// When a file cannot be read or written; nothing has changed then. Files that do not read back
    /// are left alone from then on.
    pub fn step(&mut self, now_ms: i64, places: &dyn Places) -> Result<Option<Compacted>> {
        self.shared.remove_retired();
        let manifest = Arc::clone(&self.shared.state.read().manifest);
        let today = day::day_of(now_ms, self.offset_ms);
        let (files, readings) = match self.pick(&manifest.raw, today, false) {
            Some(files) => (files, true),
            None => match self.pick(&manifest.windows, today, true) {
                Some(files) => (files, false),
                None => return Ok(None),
            },
        };
        let merge = Merge {
            dir: &self.shared.dir,
            manifest: &manifest,
            files: &files,
            offset_ms: self.offset_ms,
            without: &BTreeSet::new(),
            overlay: Overlay::none(),
        };
        let merged =
            if readings { merge_readings(&merge, places) } else { merge_windows(&merge, places) };
        if let Err(Error::Parquet { .. } | Error::UnknownStream { .. }) = &merged {
            self.refused.extend(files.iter().map(|file| file.path.clone()));
        }
        let merged = merged?;
        let done = Compacted {
            files_before: files.len(),
            files_after: merged.len(),
            bytes_before: files.iter().map(|f| f.bytes).sum(),
            bytes_after: merged.iter().map(|f| f.bytes).sum(),
            rows: files.iter().map(|f| f.rows).sum(),
        };
        drop(manifest);
        self.shared.publish(
            |manifest: &mut Manifest| {
                let list = if readings { &mut manifest.raw } else { &mut manifest.windows };
                replace(list, &files, merged);
            },
            |_| {},
        )?;
        self.shared.remove_retired();
        Ok(Some(done))
    }

    /// The small files of one day and district that are most worth merging, in order of writing; with
    /// `ordered` only such as lie together in that order.
    fn pick(&self, list: &[FileEntry], today: i64, ordered: bool) -> Option<Vec<FileEntry>> {
        let mut cells: BTreeMap<Cell<'_>, Vec<&FileEntry>> = BTreeMap::new();
        for file in list {
            let day = day::day_of(file.at_min, self.offset_ms);
            let cell = (day, file.district.as_deref(), file.summed);
            let large = file.district.is_some() && file.rows >= LARGE_ROWS;
            if !large && !self.refused.contains(&file.path) {
                cells.entry(cell).or_default().push(file);
            } else if ordered {
                // What came before it must not be put behind it, nor the other way round.
                cells.remove(&cell);
            }
        }
        let worth = |&((day, district, _), files): &(&Cell<'_>, &Vec<&FileEntry>)| {
            let least = if *day < today { 1 + usize::from(district.is_some()) } else { FILES_MIN };
            let rows: u64 = files.iter().map(|f| f.rows).sum();
            files.len() >= least || (district.is_none() && rows >= ROWS_MAX)
        };
        let (_, files) = cells.iter().rev().filter(worth).max_by_key(|(_, files)| files.len())?;
        let mut rows = 0;
        let taken = files.iter().take_while(|file| {
            let fits = rows == 0 || rows + file.rows <= ROWS_MAX;
            rows += file.rows;
            fits
        });
        Some(taken.map(|&file| file.clone()).collect())
    }
}

/// Puts `merged` where the first of `files` stands: windows overrule each other in the list's order.
fn replace(list: &mut Vec<FileEntry>, files: &[FileEntry], merged: Vec<FileEntry>) {
    let gone = |entry: &FileEntry| files.iter().any(|file| file.path == entry.path);
    let place = list.iter().position(gone).unwrap_or(list.len());
    list.retain(|entry| !gone(entry));
    list.splice(place..place, merged);
}
