//! The writing end: rows into memory, and from time to time into files.
//!
//! Not here: when to flush (ask [`History::flush_due`], or flush by the clock), and threads. A flush
//! may run on the caller's thread ([`History::flush`]) or on another one ([`History::begin_flush`]),
//! in which case appending goes on meanwhile.

use std::path::Path;
use std::sync::Arc;

use chengmai_model::{AreaId, Reading, StreamId, Timestamp};

use crate::cold::{Flush, WindowNames, write_readings, write_windows};
use crate::compact::Compactor;
use crate::error::{Error, Result};
use crate::hot::{HotWindow, ReadingsChunk, WindowsChunk};
use crate::manifest::Manifest;
use crate::overlay::{CorrectedReading, Correction};
use crate::query::{WindowPoint, WindowRow};
use crate::reader::HistoryReader;
use crate::shared::Shared;

/// Windows appended under one hold of the lock.
const WINDOWS_BATCH: usize = 4_096;

/// How the history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySettings {
    /// Local time's distance east of UTC in milliseconds: files are grouped by local day.
    pub utc_offset_ms: i64,
    /// [X it is flushed.
    pub rows_max: usize,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self { utc_offset_ms: 0, rows_max: 4_000_000 }
    }
}

/// Most streams whose labels are asked for at once: whoever answers may hold a lock meanwhile.
pub const LABELS_MAX: usize = 4_096;

/// What a stream is called in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLabel<'a> {
    /// The device's id.
    pub device: &'a str,
    /// The number of its kind, as [`StreamNames::kind`] understands it.
    pub kind: u32,
    /// The smallest area that holds the device.
    pub area: AreaId,
}

/// Knows the names of streams while a flush runs.
pub trait StreamNames: Sync {
    /// Calls `each` once for every stream, in their order. At most [`LABELS_MAX`] streams at a time,
    /// ascending, each once in a row group.
    fn labels(&self, streams: &[StreamId], each: &mut dyn FnMut(StreamLabel<'_>));
    /// The id of a kind.
    fn kind(&self, kind: u32) -> String;
    /// The code of an area.
    fn area(&self, area: AreaId) -> String;
}

/// The writing end of the history.
#[derive(Debug)]
pub struct History {
    shared: Arc<Shared>,
    settings: HistorySettings,
    /// The highest sequence appended.
    sequence_last: u64,
    /// The watermark at open: what a replay brings up to here is in files.
    replayed_until: u64,
    /// Set while a [`FlushJob`] lives.
    running: Arc<()>,
}

/// A flush, ready to run. While it lives no other can begin; dropped without running, it hands its
/// rows back.
#[derive(Debug)]
pub struct FlushJob {
    shared: Arc<Shared>,
    offset_ms: i64,
    sequences: (u64, u64),
    /// Of frames that no flush has taken yet.
    corrections: Vec<Correction>,
    readings: Vec<Arc<ReadingsChunk>>,
    windows: Vec<Arc<WindowsChunk>>,
    window_names: WindowNames,
    done: bool,
    /// Held for its count only.
    _running: Arc<()>,
}

impl History {
    /// Opens the history of a folder, making it when it is not there, and removes files of a flush
    /// that a crash cut short.
    ///
    /// # Errors
    /// [`Error::Missing`] when a file that the manifest names is gone, [`Error::Manifest`],
    /// [`Error::Io`].
    pub fn open(dir: &Path, settings: HistorySettings) -> Result<Self> {
        let manifest = Manifest::open(dir)?;
        let watermark = manifest.watermark;
        let shared = Arc::new(Shared::new(dir.to_path_buf(), settings.utc_offset_ms, manifest));
        let running = Arc::new(());
        Ok(Self { shared, settings, sequence_last: watermark, replayed_until: watermark, running })
    }

    /// The reading end.
    pub fn reader(&self) -> HistoryReader {
        HistoryReader::new(Arc::clone(&self.shared))
    }

    /// The end that merges files in the background; there is one.
    pub fn compactor(&self) -> Compactor {
        Compactor::new(Arc::clone(&self.shared), self.settings.utc_offset_ms)
    }

    /// The journal sequence up to and including which everything is in files.
    pub fn watermark(&self) -> u64 {
        self.shared.state.read().manifest.watermark
    }

    /// Takes the readings of one journal frame into memory. Ignored when the frame is not above the
    /// watermark that was found at open: a replay after a crash may bring it again.
    pub fn append_readings(&mut self, sequence: u64, received_at: Timestamp, readings: &[Reading]) {
        if !self.takes(sequence) {
            return;
        }
        let mut rest = readings;
        while !rest.is_empty() {
            let mut state = self.shared.state.write();
            let (chunk, room) = state.readings.open();
            let (now, later) = rest.split_at(room.min(rest.len()));
            chunk.append(received_at, now);
            state.readings.grown(now.len());
            rest = later;
        }
    }

    /// Takes the windows that one journal frame (a tick) closed or corrected. Ignored when the
    /// frame is not above the watermark found at open. An empty list is fine and only notes the sequence.
    pub fn append_windows(&mut self, sequence: u64, rows: &[WindowRow<'_>]) {
        if !self.takes(sequence) {
            return;
        }
        for batch in rows.chunks(WINDOWS_BATCH) {
            let mut state = self.shared.state.write();
            for row in batch {
                let indicator = state.indicators.intern(row.indicator);
                let area = state.areas.intern(row.area);
                state.windows.open().0.append(HotWindow {
                    indicator,
                    area,
                    area_order: row.area_order,
                    tier: row.tier,
                    point: WindowPoint {
                        start: row.start,
                        value: row.value,
                        coverage: row.coverage,
                        readings: row.readings,
                    },
                });
            }
            state.windows.grown(batch.len());
        }
    }

    /// Takes the corrections of one journal frame: rows are worth what they say at once, in memory and
    /// in files. Ignored like readings when the frame is not new.
    pub fn correct(&mut self, sequence: u64, readings: &[CorrectedReading]) {
        if self.takes(sequence) && !readings.is_empty() {
            Arc::make_mut(&mut self.shared.state.write().overlay).add(sequence, readings);
        }
    }

    /// Rows in memory that no flush has taken yet.
    pub fn rows_pending(&self) -> usize {
        let state = self.shared.state.read();
        state.readings.rows() + state.windows.rows()
    }

    /// Whether it is time to flush.
    pub fn flush_due(&self) -> bool {
        self.rows_pending() >= self.settings.rows_max
    }

    /// Writes everything in memory to files and moves the watermark to the last sequence appended,
    /// which is returned. Call it between frames: when all appends of the last sequence were made.
    ///
    /// # Errors
    /// Any failure leaves the rows in memory, the watermark where it was, and the files unnamed.
    /// [`Error::Busy`] while a [`FlushJob`] is alive.
    pub fn flush(&mut self, names: &dyn StreamNames) -> Result<u64> {
        self.begin_flush()?.run(names)
    }

    /// The first half of [`flush`](Self::flush), taking microseconds: hands what is in memory to a
    /// job that may run on another thread, while appending goes on here.
    ///
    /// # Errors
    /// [`Error::Busy`] while the job before it is alive.
    pub fn begin_flush(&mut self) -> Result<FlushJob> {
        if Arc::strong_count(&self.running) > 1 {
            return Err(Error::Busy);
        }
        let mut state = self.shared.state.write();
        let job = FlushJob {
            shared: Arc::clone(&self.shared),
            offset_ms: self.settings.utc_offset_ms,
            sequences: ((state.manifest.watermark + 1).min(self.sequence_last), self.sequence_last),
            corrections: state.overlay.after(state.manifest.watermark),
            readings: state.readings.begin_flush(),
            windows: state.windows.begin_flush(),
            window_names: WindowNames {
                indicators: state.indicators.all(),
                areas: state.areas.all(),
            },
            done: false,
            _running: Arc::clone(&self.running),
        };
        Ok(job)
    }

    /// Notes the sequence, and whether its rows are new. Only what was in files at open is not: a
    /// frame comes once in the life of a process.
    fn takes(&mut self, sequence: u64) -> bool {
        if sequence <= self.replayed_until {
            return false;
        }
        debug_assert!(sequence >= self.sequence_last, "frames come in order");
        self.sequence_last = self.sequence_last.max(sequence);
        true
    }
}

impl FlushJob {
    /// Sorts, writes, makes durable, and lets queries see the files in place of the rows. Returns
    /// the new watermark.
    ///
    /// # Errors
    /// Any failure hands the rows back; the next flush takes them along.
    pub fn run(mut self, names: &dyn StreamNames) -> Result<u64> {
        let shared = Arc::clone(&self.shared);
        let manifest = Arc::clone(&shared.state.read().manifest);
        let flush = Flush {
            dir: &shared.dir,
            manifest: &manifest,
            sequences: self.sequences,
            offset_ms: self.offset_ms,
        };
        let raw = write_readings(&self.readings, &flush, names)?;
        let windows = write_windows(&self.windows, &flush, &self.window_names)?;
        drop(manifest);
        let watermark = self.sequences.1;
        let corrections = std::mem::take(&mut self.corrections);
        shared.publish(
            |manifest| {
                manifest.raw.extend(raw);
                manifest.windows.extend(windows);
                manifest.corrections.extend(corrections);
                manifest.watermark = watermark;
            },
            |state| {
                state.readings.flushed();
                state.windows.flushed();
            },
        )?;
        shared.remove_retired();
        self.done = true;
        Ok(self.sequences.1)
    }
}

impl Drop for FlushJob {
    fn drop(&mut self) {
        if !self.done {
            let mut state = self.shared.state.write();
            state.readings.flush_failed();
            state.windows.flush_failed();
        }
    }
}
