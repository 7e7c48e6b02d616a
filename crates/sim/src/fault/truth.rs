//! What must be true, kept outside the process under test: every frame that is durable, an engine that
//! took them all without ever stopping, and what every sender was told.
//!
//! It shares no state with the process and states the order of a commit in its own words.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use chengmai_engine::{ClosedWindow, Engine, Event};
use chengmai_model::warning::{WarningChange, WarningId, WarningStep};
use chengmai_model::{Reading, Timestamp};
use chengmai_store::disk::Disk;
use chengmai_store::error::Error;
use chengmai_store::journal::{Entry, replay};
use chengmai_store::order::{Group, Step, place};

use super::registry::Registry;
use super::world::World;

/// One row of history: a reading or a closed window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Row {
    Reading(Reading),
    Window(ClosedWindow),
}

/// Rows by frame, in the order of the frame.
pub(crate) type Rows = BTreeMap<u64, Vec<Row>>;
/// Steps of warnings by frame and place in it.
pub(crate) type Decided = BTreeMap<(u64, usize), WarningChange>;

/// What one frame gives beyond the engine's state.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) rows: Vec<Row>,
    pub(crate) warnings: Vec<WarningChange>,
}

/// A body as its sender knows it; values are unique, so that one is recognised anywhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    pub(crate) readings: Vec<NamedReading>,
}

/// A reading with names instead of a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedReading {
    pub(crate) device: String,
    pub(crate) kind: &'static str,
    pub(crate) at: Timestamp,
    pub(crate) value: f64,
}

#[derive(Debug)]
struct Sent {
    body: Body,
    attempts: u32,
    acknowledged: bool,
    found: u32,
}

/// The judge of a run.
#[derive(Debug)]
pub(crate) struct Truth {
    /// Every durable frame; the first has sequence 1.
    frames: Vec<Entry>,
    /// Frames of the last commit whose fate is not known.
    in_flight: Vec<Entry>,
    engine: Engine,
    registry: Registry,
    rows: Rows,
    decided: Decided,
    raised: BTreeMap<WarningId, u64>,
    sent: BTreeMap<u64, Sent>,
    position: u64,
    pub(crate) acknowledged: u64,
    pub(crate) warnings: u64,
}

impl Truth {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            frames: Vec::new(),
            in_flight: Vec::new(),
            engine: world.engine(),
            registry: Registry::default(),
            rows: Rows::new(),
            decided: Decided::new(),
            raised: BTreeMap::new(),
            sent: BTreeMap::new(),
            position: 0,
            acknowledged: 0,
            warnings: 0,
        }
    }

    /// The sequence that the next durable frame must have.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.frames.len() as u64 + 1
    }

    /// A sender sends a body, for the first time or again.
    pub(crate) fn send(&mut self, body: &Body) {
        let fresh = || Sent { body: body.clone(), attempts: 0, acknowledged: false, found: 0 };
        self.sent.entry(key(body.readings[0].value)).or_insert_with(fresh).attempts += 1;
    }

    /// A sender is told that its body is safe.
    pub(crate) fn acknowledge(&mut self, body: &Body) {
        if let Some(sent) = self.sent.get_mut(&key(body.readings[0].value)) {
            sent.acknowledged = true;
            self.acknowledged += body.readings.len() as u64;
        }
    }

    /// A group is about to be committed: what it must become, frame by frame.
    pub(crate) fn begin(&mut self, group: &Group) {
        let mut frames = Vec::new();
        if !group.registrations.is_empty() {
            frames.push(Entry::Registrations(group.registrations.clone()));
        }
        let mut position = self.position;
        for readings in group.batches.iter().filter(|readings| !readings.is_empty()) {
            let (received_at, readings) = (group.received_at, readings.clone());
            let count = readings.len() as u64;
            frames.push(Entry::Readings { position, received_at, readings });
            position += count;
        }
        let at = group.received_at;
        frames.extend(group.orders.iter().cloned().map(|order| Entry::Order { at, order }));
        frames.extend(group.tick.map(|now| Entry::Tick { now }));
        self.in_flight = frames;
    }

    /// The commit said that all of it is durable.
    pub(crate) fn committed(&mut self, steps: &[Step]) -> Result<()> {
        let frames = std::mem::take(&mut self.in_flight);
        ensure!(steps.len() == frames.len(), "a commit of other frames than were given");
        for ((step, frame), sequence) in steps.iter().zip(&frames).zip(self.next_sequence()..) {
            ensure!(
                step.sequence() == sequence && entry_of(step) == *frame,
                "frame {sequence} goes to the engine as {step:?} and was to be {frame:?}"
            );
        }
        frames.into_iter().try_for_each(|frame| self.confirm(frame))
    }

    /// The commit was refused and taken back: none of it may ever appear.
    pub(crate) fn taken_back(&mut self) {
        self.in_flight.clear();
    }

    /// Reads the journal from its first frame and compares it with what must be there. Frames of
    /// a commit that was cut short may be there or not, but in order and from its first.
    pub(crate) fn check_journal(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        next_sequence: u64,
    ) -> Result<()> {
        let mut found: Vec<(u64, Entry)> = Vec::new();
        let mut each = |sequence, entry| {
            found.push((sequence, entry));
            std::ops::ControlFlow::Continue(())
        };
        let end = match replay(disk, dir, 1, &mut each) {
            Err(Error::Removed { first, .. }) => replay(disk, dir, first, &mut each)?,
            end => end?,
        };
        ensure!(
            end.max(1) == next_sequence,
            "the journal is open at frame {next_sequence} and replays up to {end}"
        );
        let first = found.first().map_or(next_sequence, |(sequence, _)| *sequence);
        for ((sequence, entry), expected) in found.iter().zip(first..) {
            ensure!(*sequence == expected, "frame {expected} is missing before {sequence}");
            let known = usize::try_from(sequence - 1)?;
            let frame = match known.checked_sub(self.frames.len()) {
                None => Some(&self.frames[known]),
                Some(0) => self.in_flight.first(),
                Some(_) => None,
            };
            match frame {
                Some(frame) if frame == entry => {}
                Some(frame) => bail!("frame {sequence} is {entry:?} and was written as {frame:?}"),
                None => bail!("frame {sequence} was never written: {entry:?}"),
            }
            if known == self.frames.len() {
                let frame = self.in_flight.remove(0);
                self.confirm(frame)?;
            }
        }
        ensure!(
            next_sequence == self.next_sequence(),
            "the journal ends before frame {next_sequence}, but {} frames were committed",
            self.frames.len()
        );
        self.in_flight.clear();
        Ok(())
    }

    /// The state of a process that is through with every frame.
    pub(crate) fn check_engine(&mut self, engine: &mut Engine) -> Result<()> {
        let (ours, theirs) = (self.engine.snapshot(), engine.snapshot());
        if ours != theirs {
            let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
            bail!(
                "the engine differs from one that never stopped: {} and {} bytes, first at {at}",
                ours.len(),
                theirs.len()
            );
        }
        Ok(())
    }

    /// Rows of history, in files and in memory together.
    pub(crate) fn check_rows(&self, rows: &Rows) -> Result<()> {
        compare(&self.rows, rows, "the rows of history", "frame")
    }

    /// Steps of warnings in the records.
    pub(crate) fn check_decided(&self, decided: &Decided) -> Result<()> {
        compare(&self.decided, decided, "the steps of warnings", "frame and step")
    }

    /// A replay or the first run says this of a frame.
    pub(crate) fn check_warning(&self, at: (u64, usize), change: &WarningChange) -> Result<()> {
        ensure!(
            self.decided.get(&at) == Some(change),
            "frame {} gives another step of a warning than before: {change:?}",
            at.0
        );
        Ok(())
    }

    /// Every acknowledged body is there, and none more often than it was sent.
    pub(crate) fn check_senders(&self) -> Result<()> {
        for sent in self.sent.values() {
            ensure!(
                sent.found <= sent.attempts,
                "a body sent {} times is there {} times: {:?}",
                sent.attempts,
                sent.found,
                sent.body
            );
            ensure!(
                !sent.acknowledged || sent.found > 0,
                "a body was acknowledged and is not there: {:?}",
                sent.body
            );
        }
        Ok(())
    }

    /// An engine that takes all frames once more, from nothing, must end like ours.
    pub(crate) fn check_from_scratch(&mut self, world: &World) -> Result<()> {
        let (mut engine, mut registry) = (world.engine(), Registry::default());
        for (sequence, entry) in (1..).zip(&self.frames) {
            effects(&mut engine, &mut registry, world, sequence, entry)?;
        }
        self.check_engine(&mut engine)
    }

    fn confirm(&mut self, entry: Entry) -> Result<()> {
        let sequence = self.next_sequence();
        if let Entry::Readings { position, readings, .. } = &entry {
            ensure!(*position == self.position, "frame {sequence} has position {position}");
            self.position += readings.len() as u64;
            self.recognise(readings)?;
        }
        let areas = Arc::clone(self.engine.areas());
        let effects = apply(&mut self.engine, &mut self.registry, &areas, sequence, &entry)?;
        for (index, change) in effects.warnings.into_iter().enumerate() {
            if change.step == WarningStep::Raised {
                self.warnings += 1;
                if let Some(first) = self.raised.insert(change.id, sequence) {
                    bail!("warning {} is raised by frames {first} and {sequence}", change.id);
                }
            }
            self.decided.insert((sequence, index), change);
        }
        if !effects.rows.is_empty() {
            self.rows.insert(sequence, effects.rows);
        }
        self.frames.push(entry);
        Ok(())
    }

    /// Which body it is, and whether its numbers still mean its names.
    fn recognise(&mut self, readings: &[Reading]) -> Result<()> {
        let Some(sent) = self.sent.get_mut(&key(readings[0].value)) else {
            bail!("readings that nobody sent: {readings:?}");
        };
        sent.found += 1;
        let same = readings.len() == sent.body.readings.len()
            && readings.iter().zip(&sent.body.readings).all(|(reading, named)| {
                let names = self.registry.names(reading.stream);
                names == Some((named.device.as_str(), named.kind))
                    && reading.at == named.at
                    && reading.value.to_bits() == named.value.to_bits()
            });
        ensure!(same, "readings are not what was sent: {readings:?} for {:?}", sent.body);
        Ok(())
    }
}

/// What one durable frame does to engine and registry, and what it gives.
pub(crate) fn effects(
    engine: &mut Engine,
    registry: &mut Registry,
    world: &World,
    sequence: u64,
    entry: &Entry,
) -> Result<Effects> {
    apply(engine, registry, world.areas(), sequence, entry)
}

fn apply(
    engine: &mut Engine,
    registry: &mut Registry,
    areas: &chengmai_model::AreaTree,
    sequence: u64,
    entry: &Entry,
) -> Result<Effects> {
    let mut events = Vec::new();
    let mut effects = Effects::default();
    match entry {
        Entry::Registrations(list) => {
            for registration in list {
                ensure!(
                    registry.apply(registration),
                    "frame {sequence} speaks of a device that nothing before it explains: {registration:?}"
                );
            }
            let registry = &*registry;
            place(engine, list, |id| registry.streams_of(id), |id| registry.place_of(areas, id));
        }
        Entry::Readings { position, received_at, readings } => {
            effects.rows.extend(readings.iter().copied().map(Row::Reading));
            engine.apply(*position, *received_at, readings, &mut events);
        }
        Entry::Order { at, order } => engine.order(*at, order, &mut events),
        Entry::Tick { now } => engine.tick(*now, &mut events),
    }
    for event in events {
        match event {
            Event::Window(window) => effects.rows.push(Row::Window(window)),
            Event::Warning(change) => effects.warnings.push(change),
            Event::Alarm(_) | Event::Device(_) | Event::Tally(_) => {}
        }
    }
    Ok(effects)
}

fn compare<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    expected: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
    place: &str,
    what: &str,
) -> Result<()> {
    for (key, value) in expected {
        match found.get(key) {
            Some(other) if other == value => {}
            Some(other) => bail!("{place} has {other:?} as {what} {key:?} instead of {value:?}"),
            None => bail!("{place} lack {what} {key:?}: {value:?}"),
        }
    }
    match found.iter().find(|(key, _)| !expected.contains_key(key)) {
        Some((key, value)) => bail!("{place} has {what} {key:?} that never was: {value:?}"),
        None => Ok(()),
    }
}

/// A step as the entry that it was.
pub(crate) fn entry_of(step: &Step) -> Entry {
    match step.clone() {
        Step::Registrations { list, .. } => Entry::Registrations(list),
        Step::Readings { position, received_at, readings, .. } => {
            Entry::Readings { position, received_at, readings }
        }
        Step::Order { at, order, .. } => Entry::Order { at, order },
        Step::Tick { now, .. } => Entry::Tick { now },
    }
}

/// Values are unique, so a body is known by its first.
fn key(value: f64) -> u64 {
    value.to_bits()
}
