//! The brain's thread: takes work in journal order, moves the engine, and passes on what follows:
//! warnings to the decisions, readings and closed windows to history, ticks to the live stream.
//!
//! The same steps run at start (replay of the journal), in the demo (a made-up past) and live, so
//! the same work gives the same state.

mod behind;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chengmai_engine::{AlarmStep, Catalog, ClosedWindow, Engine, Event, StreamSpec};
use chengmai_model::stream::Registration;
use chengmai_model::{AreaId, CorrectionOrder, KindId, Order, Reading, StreamId, Timestamp};
use chengmai_store::disk::Disk;
use chengmai_store::order::{Reached, Step, place};
use chengmai_store::snapshot;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc::{Sender, UnboundedSender, WeakSender};
use tokio::sync::oneshot;

use self::behind::corrections_of;
use super::archive::{ArchiveWork, Frame};
use super::counters::{self, Counters};
use super::decisions::Decision;
use super::hub::{Hub, Payload};
use super::layout::DataFolder;
use super::marks::{MARKS_PART, Marks};
use super::registry::{Registry, Saving};
use super::sequencer::{Message, RulesChange, Work};

/// Name of the engine's blocks in a snapshot.
pub(crate) const ENGINE_PART: &str = "engine";
/// Bytes of the engine's state that one slice takes: a millisecond of copying.
const SLICE_BYTES: usize = 4 << 20;
/// How long to wait for work while the disk is busy with a slice, and without a snapshot.
const DISK_PATIENCE: Duration = Duration::from_millis(1);
const TICK_PATIENCE: Duration = Duration::from_secs(1);
/// Slices that may wait for the disk.
const SLICES_WAITING: usize = 4;

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
    /// Devices that the journal holds up to there; the registry may be ahead.
    pub(crate) devices: usize,
    pub(crate) marks: Arc<Mutex<Marks>>,
    pub(crate) seen: Seen,
    pub(crate) writing: Option<Writing>,
}

/// Readings seen at the last ten ticks, for the rate.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    ticks: std::collections::VecDeque<(Timestamp, u64)>,
}

impl Brain {
    /// Runs until every sender is gone, then leaves a snapshot.
    pub(crate) fn run(mut self, inbox: Receiver<Work>, sequencer: WeakSender<Message>) {
        loop {
            // While a snapshot is on its way the work only goes first: a slice after each step, and
            // slices one after the other when there is none, as fast as the disk takes them.
            let patience = match &self.writing {
                Some(Writing { slices: Some(_), waiting, .. }) if waiting.is_empty() => {
                    Duration::ZERO
                }
                Some(Writing { slices: Some(_), .. }) => DISK_PATIENCE,
                _ => TICK_PATIENCE,
            };
            let work = match inbox.recv_timeout(patience) {
                Ok(work) => Some(work),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let tick = match &work {
                Some(Work::Step(Step::Tick { now, .. })) => Some(*now),
                _ => None,
            };
            match work {
                Some(Work::Step(step)) => self.step(step),
                Some(Work::Rules(change)) => self.change_rules(change),
                None => {}
            }
            self.thaw();
            if tick.is_some_and(|now| now.since(self.last_snapshot) >= self.snapshot_ms) {
                self.last_snapshot = tick.unwrap_or(self.last_snapshot);
                self.snapshot(sequencer.upgrade());
            }
        }
        self.finish_snapshot();
        self.snapshot(None);
        self.finish_snapshot();
    }

    /// Hands the next slice of the frozen engine to the thread that writes it, if that has room.
    fn thaw(&mut self) {
        let Some(Writing { slices: Some(slices), waiting, more, .. }) = &mut self.writing else {
            return;
        };
        if waiting.is_empty() && *more {
            *more = self.engine.write().thaw(waiting, SLICE_BYTES);
        }
        match slices.try_send(std::mem::take(waiting)) {
            Ok(()) if *more => {}
            Err(TrySendError::Full(slice)) => *waiting = slice,
            // All is handed over; or the writer ended early, and said so itself.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {
                if let Some(writing) = &mut self.writing {
                    writing.slices = None;
                }
            }
        }
    }

    fn finish_snapshot(&mut self) {
        if let Some(Writing { slices: Some(slices), waiting, more, .. }) = &mut self.writing {
            // Nothing else is to be done now: the disk may be waited for.
            while slices.send(std::mem::take(waiting)).is_ok() && *more {
                *more = self.engine.write().thaw(waiting, SLICE_BYTES);
            }
        }
        if let Some(writing) = &mut self.writing {
            writing.slices = None;
        }
        if self.writing.take().is_some_and(|writing| writing.thread.join().is_err()) {
            tracing::error!("writing the snapshot panicked; the journal keeps everything");
        }
    }

    /// One step, in journal order.
    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Registrations { sequence, list } => {
                self.register(&list);
                let moved = self.moved(&list);
                self.to_archive(Frame { sequence, moved, ..Frame::default() });
                self.hub.news.registered(&list);
                self.last_sequence = sequence;
            }
            Step::Readings { sequence, position, received_at, readings } => {
                let mut events = Vec::new();
                let began = Instant::now();
                self.engine.write().apply(position, received_at, &readings, &mut events);
                counters::add(&self.counters.apply_ns, nanos(began));
                counters::add(&self.counters.applied, readings.len() as u64);
                self.hub.changes.note_readings(&readings);
                let windows = self.pass_on(received_at, events);
                let followed = self.hub.news.followed(&readings);
                let frame = Frame { sequence, received_at, readings, windows, ..Frame::default() };
                self.to_archive(frame);
                self.hub.news.readings(followed);
                self.last_sequence = sequence;
            }
            Step::Order { sequence, at, order } => {
                let mut events = Vec::new();
                self.engine.write().order(at, &order, &mut events);
                let windows = self.pass_on(at, events);
                let corrections = corrections_of(&order);
                let frame =
                    Frame { sequence, received_at: at, windows, corrections, ..Frame::default() };
                self.to_archive(frame);
                if let Order::Correct(order) = order {
                    let CorrectionOrder { stream, at, new, .. } = order;
                    let right = new.map(|value| Reading { stream, at, value });
                    self.hub.news.readings(self.hub.news.followed(right.as_slice()));
                    // As above: at the very end nobody decides.
                    let _ = self.decisions.send(Decision::Corrected { sequence, at, order });
                }
                self.last_sequence = sequence;
            }
            Step::Tick { sequence, now } => self.tick(sequence, now),
        }
    }

    fn change_rules(&self, change: RulesChange) {
        let taken = self.adopt(*change.catalog);
        // Whoever asked may have gone; the change is on record and holds.
        let _ = change.done.send(taken.then_some(self.last_sequence));
    }

    /// Other rules from here on, for the engine and for whoever decides on what it says.
    pub(crate) fn adopt(&self, catalog: Catalog) -> bool {
        if let Err(error) = self.engine.write().adopt(catalog.clone()) {
            tracing::error!(%error, "the rules were not changed");
            return false;
        }
        let _ = self.decisions.send(Decision::Rules(Box::new(catalog)));
        true
    }

    /// Numbers of the registry become numbers of the engine: same order, same number, and where the
    /// journal says, for the registry may be ahead.
    pub(crate) fn register(&mut self, list: &[Registration]) {
        let registry = self.registry.read();
        for registration in list {
            if let Registration::Device { id, .. } = registration {
                self.devices = self.devices.max(id.0 as usize + 1);
            }
        }
        let place_of = |id| {
            let device = registry.device(id);
            (device.area(), device.period_ms())
        };
        let streams_of = |id| registry.device(id).streams().collect();
        place(&mut self.engine.write(), list, streams_of, place_of);
    }

    /// Gives the engine every stream of the registry that it does not know yet, at a start.
    pub(crate) fn enlist(&mut self) {
        let registry = self.registry.read();
        let mut engine = self.engine.write();
        self.devices = registry.device_count();
        let known = engine.stream_count();
        let mut kinds: Vec<Option<KindId>> = Vec::new();
        for number in known..u32::try_from(registry.stream_count()).unwrap_or(u32::MAX) {
            let entry = registry.stream(StreamId(number));
            let index = usize::from(entry.kind);
            if index >= kinds.len() {
                kinds.resize(index + 1, None);
            }
            let kind = *kinds[index].get_or_insert_with(|| {
                engine.catalog_mut().kind_or_add(&registry.kind(entry.kind).name)
            });
            let device = registry.device(entry.device);
            let (area, period_ms) = (device.area(), device.period_ms());
            engine.register(StreamSpec { kind, area, period_ms, device: entry.device });
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
        self.to_archive(Frame { sequence, received_at: now, windows, ..Frame::default() });
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
                    let raised = change.step == chengmai_model::warning::WarningStep::Raised
                        && change.held.is_none();
                    counters::add(&self.counters.warnings, u64::from(raised));
                    // The receiver lives as long as the program; at the very end nobody decides.
                    let _ =
                        self.decisions.send(Decision::Warning { change: Box::new(change), now });
                }
                Event::Tally(tally) => {
                    let _ = self.decisions.send(Decision::Tally(tally));
                }
                Event::Device(_) => {}
            }
        }
        counters::add(&self.counters.windows, windows.len() as u64);
        windows
    }

    /// Passes on what the engine said outside of any frame of the journal.
    pub(super) fn say(&self, now: Timestamp, events: Vec<Event>) {
        if !events.is_empty() {
            let windows = self.pass_on(now, events);
            let sequence = self.last_sequence;
            self.to_archive(Frame { sequence, received_at: now, windows, ..Frame::default() });
        }
    }

    /// A snapshot, whole and on disk; false when there is none.
    pub(super) fn snapshot_now(&mut self) -> bool {
        let before = counters::get(&self.counters.snapshots);
        self.snapshot(None);
        self.finish_snapshot();
        counters::get(&self.counters.snapshots) > before
    }

    /// Marks engine and registry as they are now, to be written beside the work that goes on: history
    /// and decisions must have everything before it, so that nothing older is ever needed again.
    fn snapshot(&mut self, sequencer: Option<Sender<Message>>) {
        if self.writing.as_ref().is_some_and(|writing| !writing.thread.is_finished()) {
            return;
        }
        let streams = {
            let mut engine = self.engine.write();
            let began = Instant::now();
            engine.freeze();
            self.counters.freeze_ns.fetch_max(nanos(began), Ordering::Relaxed);
            engine.stream_count() as usize
        };
        let (slices, frozen) = sync_channel(SLICES_WAITING);
        let job = SnapshotJob {
            sequence: self.last_sequence,
            counters: Arc::clone(&self.counters),
            frozen,
            saving: Saving::of(self.devices, streams),
            marks: Arc::clone(&self.marks),
            registry: Arc::clone(&self.registry),
            decisions: self.decisions.clone(),
            archive: self.archive.clone(),
            archived: Arc::clone(&self.archived),
            disk: Arc::clone(&self.disk),
            dir: self.folder.snapshots(),
            sequencer,
        };
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        match thread.spawn(move || job.run()) {
            Ok(thread) => {
                let (slices, waiting) = (Some(slices), Vec::new());
                self.writing = Some(Writing { thread, slices, waiting, more: true });
            }
            Err(error) => tracing::error!(%error, "no snapshot; the journal keeps everything"),
        }
    }
}

/// The thread that writes a snapshot, and where it gets the engine's slices from until the last.
#[derive(Debug)]
pub(crate) struct Writing {
    thread: JoinHandle<()>,
    /// Until the last slice is handed over.
    slices: Option<SyncSender<Vec<u8>>>,
    /// A slice that the thread had no room for yet.
    waiting: Vec<u8>,
    /// The engine has more.
    more: bool,
}

/// A snapshot on its way to disk.
#[derive(Debug)]
struct SnapshotJob {
    sequence: u64,
    counters: Arc<Counters>,
    /// The engine's state, slice by slice.
    frozen: Receiver<Vec<u8>>,
    saving: Saving,
    marks: Arc<Mutex<Marks>>,
    registry: Arc<RwLock<Registry>>,
    decisions: UnboundedSender<Decision>,
    archive: SyncSender<ArchiveWork>,
    archived: Arc<AtomicU64>,
    disk: Arc<dyn Disk>,
    dir: std::path::PathBuf,
    sequencer: Option<Sender<Message>>,
}

impl SnapshotJob {
    fn run(mut self) {
        match self.write() {
            Ok(None) => {
                tracing::warn!("no snapshot this time: history or decisions lag behind");
            }
            // The journal must reach back to the older of the two snapshots kept.
            Ok(Some(forget)) => {
                counters::add(&self.counters.snapshots, 1);
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

    /// Writes all blocks, and gives the file its name once nothing before it can be lost any more.
    /// Frames before the number returned are not needed any more.
    fn write(&mut self) -> anyhow::Result<Option<u64>> {
        let mut file = snapshot::Writer::create(&*self.disk, &self.dir, self.sequence)?;
        // First the engine: until its last slice is taken, changed pages are held twice.
        while let Ok(slice) = self.frozen.recv() {
            for part in slice.chunks(snapshot::BLOCK_BYTES_MAX) {
                file.block(ENGINE_PART, part)?;
            }
        }
        let mut bytes = Vec::new();
        // A lock for each block: nobody waits for the disk.
        loop {
            let name = self.saving.next(&self.registry.read(), &mut bytes);
            let Some(name) = name else { break };
            file.block(name, &bytes)?;
        }
        let marks = self.marks.lock().save();
        file.block(MARKS_PART, &marks)?;
        let reached = self.reached();
        if !reached.allows(self.sequence) {
            return Ok(None);
        }
        Ok(Some(reached.forget_before(file.finish()?)))
    }

    /// Waits until history, decisions and journal hold everything that is in the snapshot, or says
    /// which of them does not.
    fn reached(&self) -> Reached {
        let (done, wait) = std::sync::mpsc::sync_channel(2);
        let asked = self.decisions.send(Decision::Barrier(done.clone())).is_ok()
            && self.archive.send(ArchiveWork::Flush(done)).is_ok();
        let both = asked && wait.recv().is_ok() && wait.recv().is_ok();
        Reached {
            history: self.archived.load(Ordering::Acquire),
            decisions: if both { self.sequence } else { 0 },
            registry: self.registrations_are_durable(),
        }
    }

    /// The registry's blocks may hold what changed after the snapshot's place.
    fn registrations_are_durable(&self) -> bool {
        let Some(sequencer) = &self.sequencer else {
            return !self.registry.read().has_pending();
        };
        let (done, wait) = oneshot::channel();
        let said = sequencer.blocking_send(Message::Registered(done)).is_ok()
            && matches!(wait.blocking_recv(), Ok(Ok(())));
        // One that stops, or finds no room, answers no more; what it could not write is queued again.
        said || !self.registry.read().has_pending()
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
