//! The archive's thread: readings and closed windows on their way to Parquet. It runs behind the
//! journal; what it has not written yet the journal still holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chengmai_engine::{ClosedWindow, Engine};
use chengmai_history::{History, StreamLabel, StreamNames, WindowRow};
use chengmai_model::{AreaTree, Reading, StreamId, Tier, Timestamp};
use parking_lot::RwLock;

use super::registry::Registry;

/// Longest time that readings wait in memory before they go to Parquet.
const FLUSH_EVERY: Duration = Duration::from_mins(2);

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
}

impl Archive {
    /// Runs until every sender is gone, then writes what is left.
    pub(crate) fn run(mut self, inbox: Receiver<ArchiveWork>) {
        let mut next_flush = Instant::now() + FLUSH_EVERY;
        let mut writing: Option<JoinHandle<()>> = None;
        loop {
            let wait = next_flush.saturating_duration_since(Instant::now());
            let mut answer = None;
            match inbox.recv_timeout(wait) {
                Ok(ArchiveWork::Frame(frame)) => {
                    let Frame { sequence, received_at, readings, windows } = frame;
                    self.history.append_readings(sequence, received_at, &readings);
                    self.windows(sequence, &windows);
                }
                Ok(ArchiveWork::Flush(done)) => answer = Some(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let busy = writing.as_ref().is_some_and(|w| !w.is_finished());
            let due = self.history.flush_due() || Instant::now() >= next_flush;
            if answer.is_some() || (due && !busy) {
                next_flush = Instant::now() + FLUSH_EVERY;
                wait_for(writing.take());
                writing = self.flush(answer);
            }
        }
        wait_for(writing);
        wait_for(self.flush(None));
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
        let names = Names::of(&self.registry.read(), &self.areas);
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

/// Names of all streams as they are now, so that a long write holds no lock.
struct Names(Vec<Label>);

struct Label {
    device: Arc<str>,
    kind: Arc<str>,
    area: Arc<str>,
    area_order: u32,
}

impl Names {
    fn of(registry: &Registry, areas: &AreaTree) -> Self {
        let streams = 0..u32::try_from(registry.stream_count()).unwrap_or(u32::MAX);
        let labels = streams.map(|number| {
            let stream = registry.stream(StreamId(number));
            let device = registry.device(stream.device);
            Label {
                device: device.name().into(),
                kind: Arc::from(&*registry.kind(stream.kind).name),
                area: areas.get(device.area()).row.code.as_str().into(),
                area_order: device.area().0,
            }
        });
        Self(labels.collect())
    }
}

impl StreamNames for Names {
    fn label(&self, stream: StreamId) -> StreamLabel<'_> {
        let label = &self.0[stream.0 as usize];
        StreamLabel {
            device: &label.device,
            kind: &label.kind,
            area: &label.area,
            area_order: label.area_order,
        }
    }
}
