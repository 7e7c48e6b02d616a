//! The brain's thread: takes work in journal order, moves the engine, and passes on what follows:
//! warnings to the decisions, readings and closed windows to history, ticks to the live stream.
//!
//! The same steps run at start (replay of the journal), in the demo (a made-up past) and live, so
//! the same work gives the same state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::Instant;

use chengmai_engine::{AlarmStep, ClosedWindow, Engine, Event, StreamSpec};
use chengmai_model::stream::Registration;
use chengmai_model::{AreaId, Timestamp};
use chengmai_store::disk::Disk;
use chengmai_store::snapshot;
use parking_lot::RwLock;
use tokio::sync::mpsc::{Sender, UnboundedSender, WeakSender};

use super::archive::{ArchiveWork, Frame};
use super::counters::{self, Counters};
use super::decisions::Decision;
use super::hub::{Hub, Payload};
use super::layout::DataFolder;
use super::registry::Registry;
use super::sequencer::{Message, Work};

/// Part names in a snapshot.
pub(crate) const REGISTRY_PART: &str = "registry";
pub(crate) const ENGINE_PART: &str = "engine";

/// Readings per second, over the last ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate(AtomicU64);

impl Rate {
    /// The rate of the last tick.
    pub(crate) fn per_second(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything the brain's thread owns or shares.
#[derive(Debug)]
pub(crate) struct Brain {
    pub(crate) registry: Arc<RwLock<Registry>>,
    pub(crate) engine: Arc<RwLock<Engine>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) rate: Arc<Rate>,
    pub(crate) decisions: UnboundedSender<Decision>,
    pub(crate) archive: SyncSender<ArchiveWork>,
    pub(crate) archived: Arc<AtomicU64>,
    pub(crate) folder: Arc<DataFolder>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) snapshot_ms: i64,
    pub(crate) last_snapshot: Timestamp,
    pub(crate) last_sequence: u64,
    pub(crate) seen: Seen,
    pub(crate) writing: Option<JoinHandle<()>>,
}

/// Readings seen at the last ten ticks, for the rate.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    ticks: std::collections::VecDeque<(Timestamp, u64)>,
}

impl Brain {
    /// Runs until every sender is gone, then leaves a snapshot.
    pub(crate) fn run(mut self, inbox: Receiver<Work>, sequencer: WeakSender<Message>) {
        while let Ok(work) = inbox.recv() {
            let tick = if let Work::Tick { now, .. } = work { Some(now) } else { None };
            self.step(work);
            if tick.is_some_and(|now| now.since(self.last_snapshot) >= self.snapshot_ms) {
                self.last_snapshot = tick.unwrap_or(self.last_snapshot);
                self.snapshot(sequencer.upgrade());
            }
        }
        self.wait_for_snapshot();
        self.snapshot(None);
        self.wait_for_snapshot();
    }

    fn wait_for_snapshot(&mut self) {
        if self.writing.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("writing the snapshot panicked; the journal keeps everything");
        }
    }

    /// One step, in journal order.
    pub(crate) fn step(&mut self, work: Work) {
        match work {
            Work::Registrations { sequence, list } => {
                self.register(&list);
                self.to_archive(Frame { sequence, ..Frame::default() });
                self.last_sequence = sequence;
            }
            Work::Readings { sequence, position, received_at, readings } => {
                let mut events = Vec::new();
                let began = Instant::now();
                self.engine.write().apply(position, received_at, &readings, &mut events);
                counters::add(&self.counters.apply_ns, nanos(began));
                counters::add(&self.counters.applied, readings.len() as u64);
                let windows = self.pass_on(received_at, events);
                self.to_archive(Frame { sequence, received_at, readings, windows });
                self.last_sequence = sequence;
            }
            Work::Tick { sequence, now } => self.tick(sequence, now),
        }
    }

    /// Numbers of the registry become numbers of the engine: same order, same number.
    pub(crate) fn register(&mut self, list: &[Registration]) {
        let registry = self.registry.read();
        let mut engine = self.engine.write();
        for registration in list {
            match registration {
                Registration::Device { .. } => {}
                Registration::Update { id, .. } => {
                    let device = registry.device(*id);
                    for &stream in &device.streams {
                        // Streams registered later in this list are not known to the engine yet.
                        if u64::from(stream.0) < engine.totals().streams {
                            engine.reassign(stream, device.area, device.spec.period_ms);
                        }
                    }
                }
                Registration::Stream { id, device, kind } => {
                    if u64::from(id.0) < engine.totals().streams {
                        continue;
                    }
                    let kind = engine.catalog_mut().kind_or_add(kind);
                    let entry = registry.device(*device);
                    let (area, period_ms) = (entry.area, entry.spec.period_ms);
                    let given =
                        engine.register(StreamSpec { kind, area, period_ms, device: *device });
                    assert_eq!(given, *id, "registry and engine number streams alike");
                }
            }
        }
    }

    fn tick(&mut self, sequence: u64, now: Timestamp) {
        let mut events = Vec::new();
        let began = Instant::now();
        let (changed, online, readings) = {
            let mut engine = self.engine.write();
            engine.tick(now, &mut events);
            let totals = engine.totals();
            (engine.changed().to_vec(), totals.online, totals.readings)
        };
        counters::add(&self.counters.tick_ns, nanos(began));
        counters::add(&self.counters.ticks, 1);
        let windows = self.pass_on(now, events);
        self.to_archive(Frame { sequence, received_at: now, readings: Vec::new(), windows });
        self.last_sequence = sequence;
        let per_second = self.seen.rate(now, readings);
        self.rate.0.store(per_second, Ordering::Relaxed);
        self.hub.publish(
            AreaId::ROOT,
            Payload::Tick {
                at: now.to_rfc3339(),
                readings_per_second: per_second,
                online,
                changed,
            },
        );
    }

    /// Counts and hands on what the engine said; the windows it closed are for the archive.
    fn pass_on(&self, now: Timestamp, events: Vec<Event>) -> Vec<ClosedWindow> {
        let mut windows = Vec::new();
        for event in events {
            match event {
                Event::Window(window) => windows.push(window),
                Event::Alarm(alarm) => {
                    counters::add(
                        &self.counters.alarms,
                        u64::from(alarm.step == AlarmStep::Raised),
                    );
                }
                Event::Warning(change) => {
                    let raised = change.step == chengmai_model::warning::WarningStep::Raised;
                    counters::add(&self.counters.warnings, u64::from(raised));
                    // The receiver lives as long as the program; at the very end nobody decides.
                    let _ =
                        self.decisions.send(Decision::Warning { change: Box::new(change), now });
                }
                Event::Device(_) => {}
            }
        }
        counters::add(&self.counters.windows, windows.len() as u64);
        windows
    }

    /// Readings that the engine has seen before the snapshot it was restored from.
    pub(crate) fn archive_only(&self, work: Work) {
        if let Work::Readings { sequence, received_at, readings, .. } = work {
            self.to_archive(Frame { sequence, received_at, readings, windows: Vec::new() });
        }
    }

    fn to_archive(&self, frame: Frame) {
        if self.archive.send(ArchiveWork::Frame(frame)).is_err() {
            tracing::error!("the archive stopped: charts will miss what is not in Parquet yet");
        }
    }

    /// Takes a snapshot of registry and engine as they are now and writes it beside the work that
    /// goes on: first history and decisions must have everything before it, so that nothing older
    /// is ever needed again.
    fn snapshot(&mut self, sequencer: Option<Sender<Message>>) {
        if self.writing.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let engine = self.engine.write().snapshot();
        let known = self.engine.read().totals().streams;
        // The registry may be ahead of the journal; what is not journaled yet comes again.
        let registrations: Vec<Registration> = self
            .registry
            .read()
            .to_registrations()
            .into_iter()
            .filter(|r| !matches!(r, Registration::Stream { id, .. } if u64::from(id.0) >= known))
            .collect();
        let job = SnapshotJob {
            sequence: self.last_sequence,
            engine,
            registrations,
            decisions: self.decisions.clone(),
            archive: self.archive.clone(),
            archived: Arc::clone(&self.archived),
            disk: Arc::clone(&self.disk),
            dir: self.folder.snapshots(),
            sequencer,
        };
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        match thread.spawn(move || job.run()) {
            Ok(thread) => self.writing = Some(thread),
            Err(error) => tracing::error!(%error, "no snapshot; the journal keeps everything"),
        }
    }
}

/// A snapshot on its way to disk.
#[derive(Debug)]
struct SnapshotJob {
    sequence: u64,
    engine: Vec<u8>,
    registrations: Vec<Registration>,
    decisions: UnboundedSender<Decision>,
    archive: SyncSender<ArchiveWork>,
    archived: Arc<AtomicU64>,
    disk: Arc<dyn Disk>,
    dir: std::path::PathBuf,
    sequencer: Option<Sender<Message>>,
}

impl SnapshotJob {
    fn run(self) {
        let (done, wait) = std::sync::mpsc::sync_channel(2);
        let asked = self.decisions.send(Decision::Barrier(done.clone())).is_ok()
            && self.archive.send(ArchiveWork::Flush(done)).is_ok();
        let both = asked && wait.recv().is_ok() && wait.recv().is_ok();
        if !both || self.archived.load(Ordering::Acquire) < self.sequence {
            tracing::warn!("no snapshot this time: history or decisions lag behind");
            return;
        }
        match self.write() {
            // The journal must reach back to the older of the two snapshots kept.
            Ok(unneeded) => {
                let forget = unneeded.min(self.archived.load(Ordering::Acquire)) + 1;
                if let Some(sequencer) = self.sequencer {
                    // A full queue only delays the removal to the next snapshot.
                    let _ = sequencer.try_send(Message::Forget(forget));
                }
            }
            Err(error) => {
                tracing::error!(%error, "the snapshot failed; the journal keeps everything");
            }
        }
    }

    fn write(&self) -> anyhow::Result<u64> {
        let registry = postcard::to_stdvec(&self.registrations)?;
        let parts: [(&str, &[u8]); 2] = [(REGISTRY_PART, &registry), (ENGINE_PART, &self.engine)];
        Ok(snapshot::write(&*self.disk, &self.dir, self.sequence, &parts)?)
    }
}

fn nanos(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Seen {
    fn rate(&mut self, now: Timestamp, readings: u64) -> u64 {
        self.ticks.push_back((now, readings));
        if self.ticks.len() > 10 {
            self.ticks.pop_front();
        }
        let Some(&(first_at, first)) = self.ticks.front() else { return 0 };
        let ms = u64::try_from(now.since(first_at)).unwrap_or(0);
        (readings - first.min(readings)) * 1000 / ms.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_looks_back_ten_ticks() {
        let mut seen = Seen::default();
        let mut last = 0;
        for second in 0..30_i64 {
            last = seen.rate(Timestamp(second * 1000), u64::try_from(second).unwrap() * 500);
        }
        assert_eq!(last, 500);
    }
}
