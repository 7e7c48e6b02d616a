//! The archive's thread: readings and closed windows on their way to Parquet. It runs behind the
//! journal; what it has not written yet the journal still holds.

mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chengmai_engine::{ClosedWindow, Engine};
use chengmai_history::{CorrectedReading, History, StreamLabel, StreamNames, WindowRow};
use chengmai_model::{AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};
use parking_lot::RwLock;

pub(crate) use self::upkeep::KindKeeps;
use self::upkeep::Upkeep;
use super::counters::Counters;
use super::registry::Registry;

/// Longest time that readings wait in memory before they go to Parquet.
const FLUSH_EVERY: Duration = Duration::from_mins(2);
/// The same after a correction: sums of finished days wait for it.
const CORRECTED_EVERY: Duration = Duration::from_secs(5);

/// One step for the archive, in journal order.
#[derive(Debug)]
pub(crate) enum ArchiveWork {
    Frame(Frame),
    /// Write everything so far and say when done.
    Flush(SyncSender<()>),
}

/// What one frame of the journal brought. It comes whole: a flush between its readings and its
/// windows would note the frame as written and lose the other half at the next kill.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) sequence: u64,
    pub(crate) received_at: Timestamp,
    pub(crate) readings: Vec<Reading>,
    /// Windows that closed; also none, to note that the frame is done.
    pub(crate) windows: Vec<ClosedWindow>,
    pub(crate) corrections: Vec<CorrectedReading>,
    /// Devices that are in another area from here on.
    pub(crate) moved: Vec<DeviceId>,
}

/// What the archive's thread owns.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) history: History,
    pub(crate) areas: Arc<AreaTree>,
    pub(crate) registry: Arc<RwLock<Registry>>,
    pub(crate) engine: Arc<RwLock<Engine>>,
    /// Sequence up to which everything is in Parquet.
    pub(crate) archived: Arc<AtomicU64>,
    pub(crate) keeps: Arc<KindKeeps>,
    pub(crate) counters: Arc<Counters>,
}

impl Archive {
    /// Runs until every sender is gone, then writes what is left.
    pub(crate) fn run(mut self, inbox: Receiver<ArchiveWork>) {
        let loaded = Arc::new(AtomicBool::new(false));
        let upkeep = self.begin_upkeep(&loaded);
        let mut next_flush = Instant::now() + FLUSH_EVERY;
        let mut writing: Option<JoinHandle<()>> = None;
        loop {
            let wait = next_flush.saturating_duration_since(Instant::now());
            let mut answer = None;
            match inbox.recv_timeout(wait) {
                Ok(ArchiveWork::Frame(frame)) => {
                    if !frame.corrections.is_empty() {
                        // Files follow them only when no row that they are about is in memory.
                        next_flush = next_flush.min(Instant::now() + CORRECTED_EVERY);
                    }
                    if !frame.moved.is_empty() {
                        // What they measured so far is written where they were.
                        wait_for(writing.take());
                        wait_for(self.flush(None));
                        self.registry.write().moved_in_history(&frame.moved);
                    }
                    self.take(&frame);
                }
                Ok(ArchiveWork::Flush(done)) => answer = Some(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let busy = writing.as_ref().is_some_and(|w| !w.is_finished());
            let full = self.history.flush_due();
            let due = full || Instant::now() >= next_flush;
            if answer.is_some() || (due && !busy) {
                loaded.store(full, Ordering::Relaxed);
                next_flush = Instant::now() + FLUSH_EVERY;
                wait_for(writing.take());
                writing = self.flush(answer);
            }
        }
        wait_for(writing);
        wait_for(self.flush(None));
        if let Some((stop, upkeep)) = upkeep {
            drop(stop);
            wait_for(Some(upkeep));
        }
    }

    fn take(&mut self, frame: &Frame) {
        let Frame { sequence, received_at, readings, windows, corrections, moved: _ } = frame;
        self.history.append_readings(*sequence, *received_at, readings);
        self.history.correct(*sequence, corrections);
        self.windows(*sequence, windows);
    }

    /// Starts the thread that looks after the files; it ends when the sender is dropped, after the step
    /// it is at.
    fn begin_upkeep(&self, loaded: &Arc<AtomicBool>) -> Option<(SyncSender<()>, JoinHandle<()>)> {
        let (stop, stopped) = sync_channel(0);
        let upkeep = Upkeep {
            compactor: self.history.compactor(),
            names: self.names(),
            keeps: Arc::clone(&self.keeps),
            counters: Arc::clone(&self.counters),
            loaded: Arc::clone(loaded),
        };
        let thread = std::thread::Builder::new().name("archive-upkeep".to_owned());
        let thread = thread.spawn(move || upkeep.run(&stopped));
        let thread = thread.inspect_err(
            |error| tracing::error!(%error, "files of the history are neither merged nor expired"),
        );
        Some((stop, thread.ok()?))
    }

    fn names(&self) -> Names {
        Names { registry: Arc::clone(&self.registry), areas: Arc::clone(&self.areas) }
    }

    fn windows(&mut self, sequence: u64, windows: &[ClosedWindow]) {
        let engine = self.engine.read();
        let indicators = engine.catalog().indicators();
        // A grid's windows can be made again from its few readings; they would be most of the rows.
        let rows: Vec<WindowRow<'_>> = windows
            .iter()
            .map(|w| (w, &self.areas.get(w.area).row))
            .filter(|(_, area)| area.tier != Tier::Grid)
            .map(|(w, area)| WindowRow {
                indicator: &indicators[usize::from(w.indicator)].def.code,
                area: area.code.as_str(),
                tier: area.tier,
                area_order: w.area.0,
                start: w.start,
                value: w.value,
                coverage: w.coverage,
                readings: w.readings,
            })
            .collect();
        self.history.append_windows(sequence, &rows);
    }

    /// Begins to write everything so far, beside the work that goes on.
    fn flush(&mut self, answer: Option<SyncSender<()>>) -> Option<JoinHandle<()>> {
        let job = match self.history.begin_flush() {
            Ok(job) => job,
            Err(error) => {
                tracing::error!(%error, "history was not written; the journal keeps it");
                return None;
            }
        };
        let names = self.names();
        let archived = Arc::clone(&self.archived);
        let write = move || {
            match job.run(&names) {
                Ok(watermark) => archived.store(watermark, Ordering::Release),
                Err(error) => {
                    tracing::error!(%error, "history was not written; the journal keeps it");
                }
            }
            if let Some(answer) = answer {
                // Whoever asked may have gone.
                let _ = answer.send(());
            }
        };
        let thread = std::thread::Builder::new().name("archive-write".to_owned()).spawn(write);
        thread
            .inspect_err(|error| tracing::error!(%error, "the archive cannot start its writer"))
            .ok()
    }
}

fn wait_for(writing: Option<JoinHandle<()>>) {
    if writing.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("the archive's writer panicked; the journal keeps everything");
    }
}

/// Names of streams as they are when a row group is written. The registry is locked for some
/// thousands of labels at a time.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) registry: Arc<RwLock<Registry>>,
    pub(crate) areas: Arc<AreaTree>,
}

impl StreamNames for Names {
    fn labels(&self, streams: &[StreamId], each: &mut dyn FnMut(StreamLabel<'_>)) {
        let registry = self.registry.read();
        for &stream in streams {
            let stream = registry.stream(stream);
            let device = registry.device(stream.device);
            each(StreamLabel {
                device: device.name(),
                kind: stream.kind.into(),
                area: registry.area_in_history(stream.device),
            });
        }
    }

    fn kind(&self, kind: u32) -> String {
        let kind = u16::try_from(kind).expect("the number came from a label");
        self.registry.read().kind(kind).name.to_string()
    }

    fn area(&self, area: AreaId) -> String {
        self.areas.get(area).row.code.as_str().to_owned()
    }
}
