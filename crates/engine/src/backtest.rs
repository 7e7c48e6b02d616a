//! A rule on the readings of the past 回测: what it would have raised, with the same engine that runs
//! live. Pure: the caller brings the readings in order of time, as columns.
//!
//! What it is not: it reads no history and decides nothing. Windows and indicators are left out, so
//! only rules over readings can be tried.
//!
//! Invariant: readings that are passed over cannot matter. They are when the rule asks only for the
//! value, the value lies in the quiet band, and the rule remembers nothing of the stream; a property
//! test holds the short way to the long one.

mod load;
mod report;

use std::sync::Arc;

use chengmai_model::pack::{Pack, PackFault};
use chengmai_model::stream::Levels;
use chengmai_model::warning::{Subject, WarningId, WarningStep};
use chengmai_model::{AreaId, AreaTree, Reading, Severity, StreamId, Timestamp};
use hashbrown::HashMap;

pub use load::{FLOOD_PER_SLOT, FLOOD_SHARE_MAX, Load, PER_HOUR_GOAL, PER_HOUR_MAX, SLOT_MS};
pub use report::{AreaCount, Caught, HourCount, Incident, LATE_MS, LEAD_MS, Report, judge};

use crate::catalog::{Catalog, ReadingTerm};
use crate::engine::{Engine, Settings, StreamSpec};
use crate::event::{AlarmStep, Event};
use crate::stream::PENDING;

/// Warnings kept one by one; beyond it they are only counted. Whoever raises more floods anyway.
pub const RAISED_MAX: usize = 100_000;

/// Readings in order of time, a column each; all three have the same length.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Numbers given by [`Backtest::add_stream`].
    pub streams: &'a [u32],
    /// Event times in milliseconds, never falling.
    pub ats: &'a [i64],
    /// Values.
    pub values: &'a [f64],
}

/// A warning that the rule would have raised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raised {
    /// When.
    pub at: Timestamp,
    /// Where: the smallest area known.
    pub area: AreaId,
    /// The worst it became.
    pub severity: Severity,
    /// The value that raised it.
    pub value: f64,
    /// The stream whose alarm came first.
    pub stream: StreamId,
    /// When it was over; `None` when the time tried ends before.
    pub cleared_at: Option<Timestamp>,
}

/// One rule, on its way through the past.
#[derive(Debug)]
pub struct Backtest {
    engine: Engine,
    kind: chengmai_model::KindId,
    /// Values at which a reading of a stream without memory cannot matter; `None` when all matter.
    quiet: Option<[f64; 2]>,
    /// Time itself matters: silences, and devices that come back from one.
    ticks: bool,
    second: i64,
    /// One bit a stream: the rule remembers something of it.
    pending: Vec<u64>,
    pending_count: usize,
    readings: u64,
    asked: u64,
    alarms: u64,
    warnings: u64,
    raised: Vec<Raised>,
    by_id: HashMap<WarningId, usize, foldhash::fast::FixedState>,
    events: Vec<Event>,
}

impl Backtest {
    /// The rule with that id (`gas/methane_in_manhole`) of these packs, over these areas.
    ///
    /// # Errors
    /// The faults of the packs, as `pack check` names them; one without a line when there is no such
    /// rule over readings.
    pub fn new(
        packs: &[Pack],
        rule: &str,
        areas: Arc<AreaTree>,
        settings: Settings,
    ) -> Result<Self, Vec<PackFault>> {
        let catalog = Catalog::compile(&reduced(packs, rule))?;
        let Some(kind) = catalog.kinds().iter().find(|kind| !kind.rules.is_empty()) else {
            return Err(vec![report::no_rule(rule)]);
        };
        let (kind_id, [low, high]) = (kind.id, kind.quiet);
        let compiled = catalog.rules().iter().find_map(|rule| rule.compiled.as_ref());
        let compiled = compiled.expect("a kind with a rule has it compiled");
        let about = |wanted: fn(ReadingTerm) -> bool| compiled.terms().any(wanted);
        let healthy = compiled.recheck.healthy;
        let plain = !healthy && !about(|term| term != ReadingTerm::Value) && low <= high;
        let ticks = healthy || about(|term| matches!(term, ReadingTerm::SilentFor(_)));
        Ok(Self {
            engine: Engine::new(catalog, areas, settings),
            kind: kind_id,
            quiet: plain.then_some([low, high]),
            ticks,
            second: i64::MIN,
            pending: Vec::new(),
            pending_count: 0,
            readings: 0,
            asked: 0,
            alarms: 0,
            warnings: 0,
            raised: Vec::new(),
            by_id: HashMap::default(),
            events: Vec::new(),
        })
    }

    /// Name of the kind whose readings it wants.
    pub fn kind(&self) -> &str {
        &self.engine.catalog().kind(self.kind).kind.id
    }

    /// True when quiet readings are passed over.
    pub fn skips(&self) -> bool {
        self.quiet.is_some()
    }

    /// A stream of the kind; its device, area and period as they are registered. Returns its number.
    pub fn add_stream(&mut self, spec: StreamSpec) -> u32 {
        let number = self.engine.register(StreamSpec { kind: self.kind, ..spec }).0;
        self.pending.resize(number as usize / 64 + 1, 0);
        number
    }

    /// True when the rule asks for the set-points of its streams.
    pub fn asks_setpoints(&self) -> bool {
        self.engine.catalog().asks_setpoints(self.kind())
    }

    /// The stream's own levels.
    ///
    /// # Panics
    /// When the stream was not added.
    pub fn set_setpoints(&mut self, stream: u32, levels: &Levels) {
        self.engine.set_setpoints(StreamId(stream), levels);
    }

    /// Takes readings that come after all before.
    ///
    /// # Panics
    /// When the columns differ in length or a stream was not added.
    pub fn take(&mut self, batch: Columns<'_>) {
        let len = batch.ats.len();
        assert!(
            batch.streams.len() == len && batch.values.len() == len,
            "every reading has a stream, a time and a value"
        );
        match self.quiet {
            Some(quiet) => self.take_loud(batch, quiet),
            None => self.take_all(batch),
        }
        self.readings += len as u64;
    }

    /// The end of the time tried: silences up to then count.
    pub fn finish(mut self, until: Timestamp) -> Report {
        self.pass(until.0);
        report::of(self)
    }

    /// Passes over what cannot matter, a block at a time.
    fn take_loud(&mut self, batch: Columns<'_>, [low, high]: [f64; 2]) {
        const BLOCK: usize = 64;
        let blocks = batch.values.chunks(BLOCK).zip(batch.streams.chunks(BLOCK));
        for (index, (values, streams)) in blocks.enumerate() {
            let quiet = |value: f64| value >= low && value <= high;
            let all_quiet = values.iter().fold(true, |all, &value| all & quiet(value));
            if all_quiet && (self.pending_count == 0 || !self.any_pending(streams)) {
                continue;
            }
            for (row, (&value, &stream)) in values.iter().zip(streams).enumerate() {
                if quiet(value) && !self.is_pending(stream) {
                    continue;
                }
                let row = index * BLOCK + row;
                self.apply(row as u64, stream, batch.ats[row], value);
                self.note_pending(stream);
            }
        }
    }

    fn take_all(&mut self, batch: Columns<'_>) {
        let rows = batch.streams.iter().zip(batch.ats).zip(batch.values).enumerate();
        for (row, ((&stream, &at), &value)) in rows {
            if self.ticks && at / 1_000 > self.second {
                self.pass(at);
            }
            self.apply(row as u64, stream, at, value);
        }
    }

    fn apply(&mut self, row: u64, stream: u32, at: i64, value: f64) {
        let reading = Reading { stream: StreamId(stream), at: Timestamp(at), value };
        self.asked += 1;
        self.engine.apply(self.readings + row, reading.at, &[reading], &mut self.events);
        if !self.events.is_empty() {
            self.note();
        }
    }

    /// Time passes up to `now`: asks about silences, a second at a time where any is due.
    fn pass(&mut self, now: i64) {
        self.second = now / 1_000;
        if self.ticks {
            self.engine.pass(Timestamp(now), &mut self.events);
            self.note();
        }
    }

    fn is_pending(&self, stream: u32) -> bool {
        self.pending[stream as usize / 64] >> (stream % 64) & 1 == 1
    }

    fn any_pending(&self, streams: &[u32]) -> bool {
        streams.iter().fold(0, |any, &s| any | (self.pending[s as usize / 64] >> (s % 64))) & 1 == 1
    }

    fn note_pending(&mut self, stream: u32) {
        let now = self.engine.streams[stream as usize].has(PENDING);
        if now != self.is_pending(stream) {
            self.pending[stream as usize / 64] ^= 1 << (stream % 64);
            self.pending_count = if now { self.pending_count + 1 } else { self.pending_count - 1 };
        }
    }

    /// Counts what the engine said.
    fn note(&mut self) {
        for event in self.events.drain(..) {
            match event {
                Event::Alarm(alarm) => self.alarms += u64::from(alarm.step == AlarmStep::Raised),
                // What is collapsed is counted by itself: the rule is judged, not what people see.
                Event::Warning(change) if matches!(change.subject, Subject::Group { .. }) => {}
                Event::Warning(change) => {
                    let known = self.by_id.get(&change.id).copied();
                    match (change.step, known) {
                        (WarningStep::Raised, _) => {
                            self.warnings += 1;
                            if self.raised.len() < RAISED_MAX {
                                self.by_id.insert(change.id, self.raised.len());
                                self.raised.push(Raised {
                                    at: change.at,
                                    area: change.area,
                                    severity: change.severity,
                                    value: change.value,
                                    stream: report::first_stream(&change),
                                    cleared_at: None,
                                });
                            }
                        }
                        (WarningStep::Regraded | WarningStep::Reopened, Some(index)) => {
                            let raised = &mut self.raised[index];
                            raised.severity = raised.severity.max(change.severity);
                            raised.cleared_at = None;
                        }
                        (WarningStep::Cleared, Some(index)) => {
                            self.raised[index].cleared_at = Some(change.at);
                        }
                        // Shown or not, it stands; and one that is only counted.
                        (WarningStep::Held | WarningStep::Released, Some(_)) | (_, None) => {}
                    }
                }
                Event::Device(_) | Event::Window(_) | Event::Tally(_) => {}
            }
        }
    }
}

/// The packs with nothing but that rule and the kind it is on: case types and heads stay, since rules
/// and packs name each other.
fn reduced(packs: &[Pack], rule: &str) -> Vec<Pack> {
    let mut packs = packs.to_vec();
    let mut kind = None;
    for pack in &mut packs {
        let head = &pack.head.id;
        pack.rules.retain(|r| rule.strip_prefix(head.as_str()) == Some(&format!("/{}", r.id)));
        pack.rules.iter_mut().for_each(|r| r.under.clear());
        kind = kind.or_else(|| pack.rules.first().map(|r| r.on.clone()));
        pack.indicators.clear();
        pack.layers.clear();
        pack.scenarios.clear();
    }
    for pack in &mut packs {
        pack.kinds.retain(|k| Some(&k.id) == kind.as_ref());
    }
    packs
}

#[cfg(test)]
mod tests;
