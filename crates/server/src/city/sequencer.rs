//! The sequencer: one thread that puts everything in order, makes it durable and only then says so.
//!
//! It gathers what listeners hand in, writes registrations before the readings that need them, adds
//! a tick once a second, commits (one fdatasync for the whole group), acknowledges, and passes the
//! work on to the brain in the same order. What comes before what is `chengmai_store::order`'s. On a
//! full disk it refuses and says so until there is room; after any other failed write or sync it takes
//! nothing more and says why: what was acknowledged is on disk, the rest is refused.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use chengmai_engine::Catalog;
use chengmai_model::stream::Registration;
use chengmai_model::{Order, Reading};
use chengmai_store::order::{Group as Commit, Refused, Step, Writer, self_contained};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, oneshot};

use super::counters::{self, Counters};
use super::marks::{Mark, Marks};
use super::registry::Registry;
use crate::clock;

/// Readings that one commit gathers at most.
const GROUP_READINGS_MAX: usize = 2_000_000;
/// Time between ticks.
const TICK: Duration = Duration::from_secs(1);

/// Why readings are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A disk write failed, or the program is stopping.
    Stopped,
    /// The queue stayed full for longer than a sender should wait.
    Overloaded,
}

/// Who waits to hear what became of readings or registrations.
type Waiting = oneshot::Sender<Result<(), Refusal>>;

/// Readings on their way in.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) readings: Vec<Reading>,
    /// Made by the sender's thread: this one has enough to do.
    pub(crate) mark: Option<Mark>,
    pub(crate) done: Waiting,
}

/// One step for the brain, in journal order.
#[derive(Debug)]
pub(crate) enum Work {
    /// Durable.
    Step(Step),
    /// Rules change here; everything before was judged by the old ones.
    Rules(RulesChange),
}

/// Rules that hold from a place of the journal on.
#[derive(Debug)]
pub(crate) struct RulesChange {
    pub(crate) catalog: Box<Catalog>,
    /// The last frame before them; nothing when they were not taken over.
    pub(crate) done: oneshot::Sender<Option<u64>>,
}

/// Why the city does not take readings any more, once it does not.
pub(crate) type StopReason = Arc<RwLock<Option<String>>>;

/// What the sequencer thread owns.
#[derive(Debug)]
pub(crate) struct Sequencer {
    pub(crate) writer: Writer,
    pub(crate) registry: Arc<RwLock<Registry>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop_reason: StopReason,
    pub(crate) marks: Arc<Mutex<Marks>>,
    pub(crate) brain: SyncSender<Work>,
    /// Segments before this frame are kept elsewhere, where they are kept.
    pub(crate) may_go: Arc<AtomicU64>,
    /// The last group found no room on the disk.
    pub(crate) full: bool,
}

/// A message to the sequencer.
#[derive(Debug)]
pub(crate) enum Message {
    /// Readings to make durable.
    Batch(Batch),
    /// Other rules hold behind what is queued now.
    Rules(RulesChange),
    /// Only registrations wait in the registry; say when they are durable.
    Registered(Waiting),
    /// What a person tells the engine; say when all of it is durable.
    Orders(Vec<Order>, Waiting),
    /// Everything up to this sequence is in a snapshot and in history: older segments may go.
    Forget(u64),
    /// Finish what is queued and stop.
    Stop,
}

#[derive(Debug, Default)]
struct Group {
    batches: Vec<Batch>,
    registered: Vec<Waiting>,
    orders: Vec<Order>,
    rules: Vec<RulesChange>,
    readings: usize,
    stop: bool,
}

impl Sequencer {
    /// Runs until told to stop, every sender is gone, or the disk fails.
    pub(crate) fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        runtime: tokio::runtime::Handle,
    ) {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let first = runtime
                .block_on(async { tokio::time::timeout_at(next_tick.into(), inbox.recv()).await });
            let mut group = Group::default();
            match first {
                Ok(None) => return,
                Ok(Some(message)) => self.gather(message, &mut inbox, &mut group),
                Err(_elapsed) => {}
            }
            let tick = Instant::now() >= next_tick;
            if tick {
                next_tick += TICK;
                if next_tick < Instant::now() {
                    next_tick = Instant::now() + TICK;
                }
            }
            let stop = group.stop;
            if self.write(group, tick).is_break() && !stop {
                // Screens, decisions and escalation go on: only readings are not taken any more.
                refuse_until_stopped(&mut inbox);
                break;
            }
            if stop {
                break;
            }
        }
        self.refuse_rest(inbox);
    }

    fn gather(&mut self, first: Message, inbox: &mut mpsc::Receiver<Message>, group: &mut Group) {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Batch(batch) => {
                    group.readings += batch.readings.len();
                    group.batches.push(batch);
                }
                Message::Registered(done) => group.registered.push(done),
                Message::Orders(orders, done) => {
                    group.orders.extend(orders);
                    group.registered.push(done);
                }
                Message::Rules(change) => group.rules.push(change),
                Message::Forget(sequence) => self.forget(sequence),
                Message::Stop => group.stop = true,
            }
            next = if group.readings < GROUP_READINGS_MAX { inbox.try_recv().ok() } else { None };
        }
    }

    fn forget(&mut self, sequence: u64) {
        let sequence = sequence.min(self.may_go.load(Ordering::Acquire));
        if let Err(error) = self.writer.forget_before(sequence) {
            tracing::warn!(%error, "old journal segments could not be removed");
        }
    }

    /// Commits, acknowledges and hands on. Breaks when the journal failed for good.
    fn write(&mut self, group: Group, tick: bool) -> ControlFlow<()> {
        let mut acknowledge = group.registered;
        let (fresh, repeated) = self.without_repeats(group.batches);
        acknowledge.extend(repeated);
        let marks: Vec<Mark> = fresh.iter().filter_map(|batch| batch.mark).collect();
        let readings: u64 = fresh.iter().map(|batch| batch.readings.len() as u64).sum();
        let mut batches = Vec::with_capacity(fresh.len());
        for Batch { readings, done, .. } in fresh {
            batches.push(readings);
            acknowledge.push(done);
        }
        let now = clock::now();
        let registrations = self.take_registrations();
        let tick = tick.then_some(now);
        let began = Instant::now();
        let orders = group.orders;
        let commit = Commit { registrations, received_at: now, batches, orders, tick };
        let work = match self.writer.write(commit) {
            Ok(work) => work,
            Err(refused) => {
                self.refuse(*refused, acknowledge)?;
                // Rules are on record elsewhere: no room for readings does not stop them.
                return self.hand_on(group.rules.into_iter().map(Work::Rules));
            }
        };
        let spent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        counters::add(&self.counters.commit_ns, spent);
        counters::add(&self.counters.commits, 1);
        counters::add(&self.counters.accepted, readings);
        if self.full {
            tracing::info!("there is room on the disk again: readings are taken");
            self.full = false;
            *self.stop_reason.write() = None;
        }
        let mut known = self.marks.lock();
        for mark in marks {
            known.add(mark, now);
        }
        drop(known);
        self.counters.journal_bytes.store(self.writer.journal().bytes(), Ordering::Relaxed);
        for done in acknowledge {
            let _ = done.send(Ok(()));
        }
        let rules = group.rules.into_iter().map(Work::Rules);
        self.hand_on(work.into_iter().map(Work::Step).chain(rules))
    }

    fn hand_on(&self, work: impl Iterator<Item = Work>) -> ControlFlow<()> {
        for work in work {
            if self.brain.send(work).is_err() {
                tracing::error!("the brain stopped: no more readings are taken");
                *self.stop_reason.write() = Some("the engine thread stopped".to_owned());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// What the registry queued, so that each frame explains itself.
    fn take_registrations(&self) -> Vec<Registration> {
        if !self.registry.read().has_pending() {
            return Vec::new();
        }
        let mut registry = self.registry.write();
        let list = registry.take_pending();
        self_contained(list, |device| registry.device(device).spec())
    }

    /// Nothing of a group is on disk: everyone in it hears so. Breaks when no later group can be
    /// taken either; a full disk may have room again by the next tick.
    fn refuse(&mut self, refused: Refused, waiting: Vec<Waiting>) -> ControlFlow<()> {
        let passing = refused.is_passing();
        let Refused { error, registrations } = refused;
        if !passing {
            tracing::error!(%error, "the journal failed: no more readings are taken");
        } else if !self.full {
            tracing::error!(%error, "no readings are taken until there is room on the disk");
        }
        self.full = passing;
        *self.stop_reason.write() = Some(error.to_string());
        self.registry.write().put_back(registrations);
        waiting.into_iter().for_each(refuse);
        if passing { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Bodies that were not taken before; and who waits for the others, which are on disk already
    /// or will be with this very commit.
    fn without_repeats(&self, batches: Vec<Batch>) -> (Vec<Batch>, Vec<Waiting>) {
        let known = self.marks.lock();
        let mut seen = Vec::new();
        let (mut fresh, mut repeated) = (Vec::with_capacity(batches.len()), Vec::new());
        for batch in batches {
            let again = batch.mark.is_some_and(|mark| known.has(mark) || seen.contains(&mark));
            if again {
                counters::add(&self.counters.repeated, batch.readings.len() as u64);
                repeated.push(batch.done);
            } else {
                seen.extend(batch.mark);
                fresh.push(batch);
            }
        }
        (fresh, repeated)
    }

    /// Takes nothing more and refuses whatever still waits.
    fn refuse_rest(&self, mut inbox: mpsc::Receiver<Message>) {
        let mut reason = self.stop_reason.write();
        if reason.is_none() {
            *reason = Some("the program is stopping".to_owned());
        }
        drop(reason);
        inbox.close();
        refuse_until_stopped(&mut inbox);
    }
}

fn refuse_until_stopped(inbox: &mut mpsc::Receiver<Message>) {
    while let Some(message) = inbox.blocking_recv() {
        match message {
            Message::Batch(Batch { done, .. })
            | Message::Registered(done)
            | Message::Orders(_, done) => refuse(done),
            // The sender sees its answer dropped.
            Message::Rules(_) | Message::Forget(_) => {}
            Message::Stop => return,
        }
    }
}

fn refuse(done: Waiting) {
    // The sender may have hung up; its readings were never acknowledged.
    let _ = done.send(Err(Refusal::Stopped));
}

#[cfg(test)]
mod tests;
