//! One moment of the history: the files and the rows in memory, for whoever reads all of it.
//!
//! This is the only door between SQL and how the history is kept. Rows move from memory to files under
//! the lock under which a [`Moment`] is taken, so a row is in it exactly once.

use std::sync::Arc;

use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::cold::{FileCache, Wanted, open_rows};
use crate::error::Result;
use crate::hot::{ReadingsChunk, WindowsChunk};
use crate::manifest::{FileEntry, Manifest};
use crate::overlay::Overlay;
use crate::query::Cost;
use crate::shared::Shared;

/// Files and memory as they were together.
#[derive(Debug)]
pub(crate) struct Moment {
    shared: Arc<Shared>,
    manifest: Arc<Manifest>,
    /// What rows are worth now.
    pub(crate) overlay: Arc<Overlay>,
    /// Readings that are in no file, oldest first.
    pub(crate) readings: Vec<Arc<ReadingsChunk>>,
    /// Windows that are in no file, oldest first.
    pub(crate) windows: Vec<Arc<WindowsChunk>>,
    /// Codes of indicators by their number in `windows`.
    pub(crate) indicators: Vec<Arc<str>>,
    /// Codes of areas by their number in `windows`.
    pub(crate) areas: Vec<Arc<str>>,
}

impl Moment {
    /// Takes the lock for as long as it takes to clone lists of pointers.
    pub(crate) fn take(shared: &Arc<Shared>) -> Self {
        let mut state = shared.state.write();
        Self {
            shared: Arc::clone(shared),
            manifest: Arc::clone(&state.manifest),
            overlay: Arc::clone(&state.overlay),
            readings: state.readings.sealed(),
            windows: state.windows.sealed(),
            indicators: state.indicators.all(),
            areas: state.areas.all(),
        }
    }

    /// Files of readings that may be wanted.
    pub(crate) fn reading_files(&self, wanted: impl Fn(&FileEntry) -> bool) -> Vec<FileEntry> {
        self.manifest.raw.iter().filter(|file| wanted(file)).cloned().collect()
    }

    /// Files of windows that may be wanted, oldest first: a later one overrules.
    pub(crate) fn window_files(&self, wanted: impl Fn(&FileEntry) -> bool) -> Vec<FileEntry> {
        self.manifest.windows.iter().filter(|file| wanted(file)).cloned().collect()
    }

    /// The rows wanted of one file, batch by batch.
    pub(crate) fn open(
        &self,
        file: &FileEntry,
        wanted: &Wanted<'_>,
    ) -> Result<Option<ParquetRecordBatchReader>> {
        let path = self.shared.dir.join(&file.path);
        let open = FileCache::open(&self.shared.cache, &self.shared.dir, &file.path)?;
        open_rows(&open, &path, wanted, &mut Cost::default())
    }
}
