//! The process under test: sequencer, engine, archive, records and snapshots as the server runs them,
//! with queues instead of threads, so that a seed can stop it between any two steps. What decides the
//! order is `chengmai_store::order`, the same code that the server runs.
//!
//! History and records are models that survive in [`Outside`]: rows up to a watermark, and steps of
//! warnings. A flush of history and a step of a warning are durable whole or not at all; that they
//! really are is for the tests of their crates.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use chengmai_engine::{Engine, Event};
use chengmai_model::stream::Registration;
use chengmai_model::warning::WarningChange;
use chengmai_store::disk::simulated::SimulatedDisk;
use chengmai_store::error::Error;
use chengmai_store::journal::{Entry, Journal, JournalSettings};
use chengmai_store::order::{Reached, Restart, Step, Use, Writer, place};
use chengmai_store::snapshot;

use super::registry::Registry;
use super::sabotage::Sabotage;
use super::truth::{Decided, Row, Rows, Truth, entry_of};
use super::world::World;

const REGISTRY_PART: &str = "registry";
const ENGINE_PART: &str = "engine";
/// Small, so that a short run makes and removes many segments.
const SEGMENT_BYTES_MAX: u64 = 2_048;
/// Written out between two steps of the engine.
const SLICE_BYTES: usize = 4_000;

pub(crate) fn journal_dir() -> &'static Path {
    Path::new("/journal")
}

pub(crate) fn snapshots_dir() -> &'static Path {
    Path::new("/snapshots")
}

/// What outlives a process beside the files of the store.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) rows: Rows,
    pub(crate) watermark: u64,
    pub(crate) decided: Decided,
}

/// A snapshot on its way to disk.
#[derive(Debug)]
struct Image {
    sequence: u64,
    registry: Vec<u8>,
    engine: Vec<u8>,
    /// The engine goes on while its frozen state is written out.
    more: bool,
    /// Registrations queued when it was taken.
    queued: u64,
}

/// A running city.
#[derive(Debug)]
pub(crate) struct Process<'a> {
    world: &'a World,
    disk: SimulatedDisk,
    sabotage: Option<Sabotage>,
    pub(crate) writer: Writer,
    pub(crate) registry: Registry,
    engine: Engine,
    /// Registrations queued in this process that stand in committed frames.
    pub(crate) journaled: u64,
    to_brain: VecDeque<Step>,
    /// Last frame that the engine has seen.
    last_sequence: u64,
    to_archive: VecDeque<(u64, Vec<Row>)>,
    archived_at_start: u64,
    hot: Rows,
    hot_until: u64,
    flushing: Option<(u64, Rows)>,
    to_records: VecDeque<((u64, usize), WarningChange)>,
    image: Option<Image>,
    forget: Option<u64>,
    /// The journal failed: nothing more is taken.
    pub(crate) stopped: bool,
}

/// Why a start was refused.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The store says so.
    Store(Error),
    /// It must not have come to this.
    Broken(anyhow::Error),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

impl<'a> Process<'a> {
    /// Starts from what is on disk. The journal is compared with the truth on the way.
    pub(crate) fn start(
        world: &'a World,
        disk: &SimulatedDisk,
        outside: &Outside,
        truth: &mut Truth,
        sabotage: Option<Sabotage>,
    ) -> Result<Self, StartError> {
        let found = snapshot::latest(disk, snapshots_dir())?;
        let (mut registry, mut engine, mut snapshot_sequence) =
            (Registry::default(), world.engine(), 0);
        if let Some(found) = found {
            snapshot_sequence = found.sequence;
            let list = found.part(REGISTRY_PART).unwrap_or_default();
            let list: Vec<Registration> =
                postcard::from_bytes(list).map_err(anyhow::Error::from)?;
            for registration in &list {
                registry.apply(registration);
            }
            let part = found.part(ENGINE_PART).unwrap_or_default();
            engine = world.restore(part).map_err(anyhow::Error::from)?;
        }
        let settings = JournalSettings { segment_bytes_max: SEGMENT_BYTES_MAX };
        let (journal, recovered) = Journal::open(Arc::new(disk.clone()), journal_dir(), settings)?;
        let mut process = Self {
            world,
            disk: disk.clone(),
            sabotage,
            writer: Writer::new(journal),
            registry,
            engine,
            journaled: 0,
            to_brain: VecDeque::new(),
            last_sequence: snapshot_sequence,
            to_archive: VecDeque::new(),
            archived_at_start: outside.watermark,
            hot: Rows::new(),
            hot_until: outside.watermark,
            flushing: None,
            to_records: VecDeque::new(),
            image: None,
            forget: None,
            stopped: false,
        };
        let restart = Restart {
            registry: snapshot_sequence,
            engine: snapshot_sequence,
            history: outside.watermark,
        };
        let mut broken = None;
        let mut each = |sequence, entry, to| {
            if broken.is_none() {
                broken = process.recall(sequence, &entry, to).err();
            }
        };
        restart.replay(disk, journal_dir(), recovered.next_sequence, &mut each)?;
        if let Some(error) = broken {
            return Err(StartError::Broken(error));
        }
        match truth.check_journal(disk, journal_dir(), recovered.next_sequence) {
            Ok(()) => Ok(process),
            Err(error) => match error.downcast::<Error>() {
                Ok(error) => Err(StartError::Store(error)),
                Err(error) => Err(StartError::Broken(error)),
            },
        }
    }

    /// A frame of the journal at start.
    fn recall(&mut self, sequence: u64, entry: &Entry, to: Use) -> Result<()> {
        if let Entry::Registrations(list) = entry {
            for registration in list {
                anyhow::ensure!(
                    self.registry.apply(registration),
                    "frame {sequence} speaks of a device that the start does not know: {registration:?}"
                );
            }
        }
        self.take(sequence, entry, to);
        Ok(())
    }

    /// A frame for the engine and for those behind it.
    fn take(&mut self, sequence: u64, entry: &Entry, to: Use) {
        let mut events = Vec::new();
        let mut rows = Vec::new();
        if let Entry::Readings { readings, .. } = entry {
            rows.extend(readings.iter().copied().map(Row::Reading));
        }
        if to.engine {
            match entry {
                Entry::Registrations(list) => self.place(list),
                Entry::Readings { position, received_at, readings } => {
                    self.engine.apply(*position, *received_at, readings, &mut events);
                }
                Entry::Order { at, order } => self.engine.order(*at, order, &mut events),
                Entry::Tick { now } => self.engine.tick(*now, &mut events),
            }
            self.last_sequence = sequence;
        }
        let mut warnings = 0;
        for event in events {
            match event {
                Event::Window(window) => rows.push(Row::Window(window)),
                Event::Warning(change) => {
                    self.to_records.push_back(((sequence, warnings), change));
                    warnings += 1;
                }
                Event::Alarm(_) | Event::Device(_) | Event::Tally(_) => {}
            }
        }
        if to.history {
            self.to_archive.push_back((sequence, rows));
        }
    }

    fn place(&mut self, list: &[Registration]) {
        let (registry, areas) = (&self.registry, self.world.areas());
        place(
            &mut self.engine,
            list,
            |id| registry.streams_of(id),
            |id| registry.place_of(areas, id),
        );
    }

    /// Steps that are durable, on their way to the engine.
    pub(crate) fn hand_on(&mut self, steps: Vec<Step>) {
        self.to_brain.extend(steps);
    }

    /// The engine takes one step; false when none waits.
    pub(crate) fn think(&mut self) -> bool {
        let Some(step) = self.to_brain.pop_front() else { return false };
        let all = Use { registry: true, engine: true, history: true };
        self.take(step.sequence(), &entry_of(&step), all);
        true
    }

    /// The archive takes one frame.
    pub(crate) fn archive(&mut self) -> bool {
        let Some((sequence, rows)) = self.to_archive.pop_front() else { return false };
        if sequence > self.archived_at_start {
            self.hot_until = self.hot_until.max(sequence);
            if !rows.is_empty() {
                self.hot.insert(sequence, rows);
            }
        }
        true
    }

    /// A flush of history begins, or the one that began becomes durable.
    pub(crate) fn flush(&mut self, outside: &mut Outside) {
        match self.flushing.take() {
            Some((until, rows)) => {
                outside.rows.extend(rows);
                outside.watermark = until;
            }
            None => self.flushing = Some((self.hot_until, std::mem::take(&mut self.hot))),
        }
    }

    /// The records take one step of a warning.
    pub(crate) fn decide(&mut self, outside: &mut Outside, truth: &Truth) -> Result<bool> {
        let Some((at, change)) = self.to_records.pop_front() else { return Ok(false) };
        truth.check_warning(at, &change)?;
        outside.decided.insert(at, change);
        Ok(true)
    }

    /// The state is frozen, or more of it is written out, or the snapshot is published as soon as it
    /// may be. Returns whether one was published.
    pub(crate) fn snapshot(&mut self, outside: &Outside) -> Result<bool> {
        let Some(image) = &mut self.image else {
            self.engine.freeze();
            self.image = Some(Image {
                sequence: self.last_sequence,
                registry: postcard::to_stdvec(&self.registry.to_registrations())?,
                engine: Vec::new(),
                more: true,
                queued: self.registry.queued(),
            });
            return Ok(false);
        };
        if image.more {
            image.more = self.engine.thaw(&mut image.engine, SLICE_BYTES);
            return Ok(false);
        }
        let decisions = match self.to_records.front() {
            Some(((sequence, _), _)) => sequence - 1,
            None => self.last_sequence,
        };
        let mut reached = Reached {
            history: outside.watermark,
            decisions,
            registry: self.journaled >= image.queued,
        };
        match self.sabotage {
            Some(Sabotage::PublishEarly) => {
                reached = Reached { history: u64::MAX - 1, decisions: u64::MAX, registry: true };
            }
            Some(Sabotage::PublishUnjournaled) => reached.registry = true,
            _ => {}
        }
        let parts: [(&str, &[u8]); 2] =
            [(REGISTRY_PART, &image.registry), (ENGINE_PART, &image.engine)];
        match reached.publish(&self.disk, snapshots_dir(), image.sequence, &parts) {
            Ok(None) => Ok(false),
            Ok(Some(forget)) => {
                self.forget = Some(match self.sabotage {
                    Some(Sabotage::ForgetEarly) => image.sequence + 1,
                    _ => forget,
                });
                self.image = None;
                Ok(true)
            }
            Err(error) => {
                self.disk.note(format!("no snapshot: {error}"));
                self.image = None;
                Ok(false)
            }
        }
    }

    /// Segments that nobody needs are deleted. A failure only keeps them.
    pub(crate) fn forget(&mut self) -> usize {
        let Some(before) = self.forget.take() else { return 0 };
        self.writer.forget_before(before).unwrap_or(0)
    }

    /// Everything that waits inside is done, but nothing becomes durable by it.
    pub(crate) fn settle(&mut self, outside: &mut Outside, truth: &Truth) -> Result<()> {
        while self.think() {}
        while self.archive() {}
        while self.decide(outside, truth)? {}
        Ok(())
    }

    /// Compares what is derived with an engine that never stopped; call it when settled.
    pub(crate) fn check(&mut self, outside: &Outside, truth: &mut Truth) -> Result<()> {
        truth.check_engine(&mut self.engine)?;
        let mut rows = outside.rows.clone();
        rows.extend(self.flushing.iter().flat_map(|(_, rows)| rows.clone()));
        rows.extend(self.hot.clone());
        truth.check_rows(&rows)?;
        truth.check_decided(&outside.decided)
    }

    /// What a duty officer's stop does: everything is settled, flushed and left in a snapshot.
    pub(crate) fn stop(&mut self, outside: &mut Outside, truth: &Truth) -> Result<()> {
        self.settle(outside, truth)?;
        self.flush(outside);
        self.flush(outside);
        if self.flushing.is_some() {
            self.flush(outside);
        }
        // Numbers that no frame explains must not get into a snapshot.
        if !self.registry.has_pending() {
            self.image = None;
            self.snapshot(outside)?;
            while self.image.is_some() && !self.snapshot(outside)? {}
        }
        Ok(())
    }
}

/// The files of the journal on a disk, oldest first.
pub(crate) fn journal_files(disk: &SimulatedDisk) -> Vec<(PathBuf, usize)> {
    disk.files().into_iter().filter(|(path, _)| path.starts_with(journal_dir())).collect()
}
