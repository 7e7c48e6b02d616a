//! Alarm quality 报警质量: how much the warnings that were shown ask of the people who must answer
//! them, measured as ISA-18.2, IEC 62682 and EEMUA 191 do, with each standard's goal and a verdict.
//!
//! Pure: a list of steps and a span in, figures out; so a day on record, a backtest and a made-up
//! storm are judged by the same code. Not here: what holds a warning back (the screen), and
//! where the steps come from. "Operator" is the centre whose desk shows them.

mod figures;
mod flood;

use std::collections::BTreeMap;

use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_model::warning::{Subject, WarningChange, WarningStep};
use chengmai_model::{AreaId, Timestamp};

pub use figures::{Figure, FigureKind, Verdict};

/// Goals and thresholds. The defaults are the standards' usual figures; what is ours says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goals {
    /// Width over which floods are counted, in milliseconds: ten minutes.
    pub slot_ms: i64,
    /// A flood begins when more than so many are shown within a slot.
    pub flood_begins: usize,
    /// A flood ends when fewer than so many were shown within the last slot.
    pub flood_ends: usize,
    /// So many an operator and hour are very likely acceptable.
    pub hourly_good: f64,
    /// So many an operator and hour are the most that can be managed.
    pub hourly_most: f64,
    /// Highest share of time in flood.
    pub flood_share_max: f64,
    /// How many of the worst sources are looked at.
    pub top: usize,
    /// Highest share of the load that the worst sources may make.
    pub top_share_max: f64,
    /// So many beginnings and ends within [`Self::chatter_ms`] are chattering.
    pub chatter_turns: usize,
    /// See [`Self::chatter_turns`], in milliseconds: a minute.
    pub chatter_ms: i64,
    /// What is over sooner than this, in milliseconds, was fleeting. Ours: a minute.
    pub fleeting_ms: i64,
    /// What stands longer than this, in milliseconds, is stale: a day.
    pub stale_ms: i64,
    /// Fewer than so many stale ones are good.
    pub stale_max: u64,
    /// Shares of low, medium and high priority.
    pub priorities: [f64; 3],
    /// How far a share may lie from its goal. Ours: ten points.
    pub priority_slack: f64,
    /// Shares are not judged on fewer than so many. Ours: 200, ten times a twentieth.
    pub judged_min: u64,
}

impl Default for Goals {
    fn default() -> Self {
        Self {
            slot_ms: 10 * MINUTE_MS,
            flood_begins: 10,
            flood_ends: 5,
            hourly_good: 6.0,
            hourly_most: 12.0,
            flood_share_max: 0.01,
            top: 10,
            top_share_max: 0.05,
            chatter_turns: 3,
            chatter_ms: MINUTE_MS,
            fleeting_ms: MINUTE_MS,
            stale_ms: DAY_MS,
            stale_max: 5,
            priorities: [0.80, 0.15, 0.05],
            priority_slack: 0.10,
            judged_min: 200,
        }
    }
}

/// Where a warning comes from: its rule and its place. What a plant calls a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmSource {
    /// Number of the rule; the caller's own numbering will do.
    pub rule: u32,
    /// Number of the area.
    pub place: u32,
}

/// A warning began to be shown, or ceased to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadStep {
    /// When.
    pub at: Timestamp,
    /// The centre whose desk shows it.
    pub operator: u32,
    /// Where it comes from.
    pub source: AlarmSource,
    /// 1 to 4.
    pub severity: u8,
    /// Shown from now on, or not any more.
    pub begins: bool,
}

impl LoadStep {
    /// What a step of a warning means for the desk of its centre; `None` when nothing begins or ends.
    pub fn of(change: &WarningChange, operator: AreaId) -> Option<Self> {
        let begins = match change.step {
            WarningStep::Raised | WarningStep::Reopened | WarningStep::Released => {
                change.held.is_none().then_some(true)?
            }
            WarningStep::Cleared => change.held.is_none().then_some(false)?,
            WarningStep::Held => false,
            WarningStep::Regraded => return None,
        };
        let rule = match change.subject {
            // Beyond the numbers of rules.
            Subject::Group { pack } => 1 << 16 | u32::from(pack),
            _ => u32::from(change.rule),
        };
        Some(Self {
            at: change.at,
            operator: operator.0,
            source: AlarmSource { rule, place: change.area.0 },
            severity: change.severity.number(),
            begins,
        })
    }
}

/// From and to, the end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSpan {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub to: Timestamp,
}

impl LoadSpan {
    /// Its length in milliseconds, at least one.
    pub fn ms(self) -> i64 {
        self.to.since(self.from).max(1)
    }
}

/// What one operator had to bear in a span, or several together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlarmLoad {
    /// Operators counted in; 1 for a single one.
    pub operators: u64,
    /// Length of the span in milliseconds.
    pub span_ms: i64,
    /// Warnings shown.
    pub shown: u64,
    /// Most that one operator was shown in an hour; hours count from the span's beginning.
    pub peak_hour: u64,
    /// Most that one operator was shown within any slot.
    pub peak_slot: u64,
    /// Floods that began.
    pub floods: u64,
    /// Time in flood in milliseconds, all operators together.
    pub flood_ms: i64,
    /// Shown by severity, from 1.
    pub by_severity: [u64; 4],
    /// How many each source showed, most first.
    pub sources: Vec<(AlarmSource, u64)>,
    /// Sources that chattered.
    pub chattering: Vec<AlarmSource>,
    /// Shown and gone again within the fleeting time.
    pub fleeting: u64,
    /// Standing at the end for longer than the stale time.
    pub stale: u64,
}

impl AlarmLoad {
    /// The load of one operator. Steps of others must not be among them; their order is free.
    pub fn of(steps: &[LoadStep], span: LoadSpan, goals: &Goals) -> Self {
        let mut steps = steps.to_vec();
        // An end counts before a beginning of the same moment.
        steps.sort_by_key(|step| (step.at, step.begins));
        let inside = |at: Timestamp| at >= span.from && at < span.to;
        let begins: Vec<&LoadStep> = steps.iter().filter(|s| s.begins && inside(s.at)).collect();
        let mut load = Self { operators: 1, span_ms: span.ms(), ..Self::default() };
        let mut counts: BTreeMap<AlarmSource, u64> = BTreeMap::new();
        let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
        for step in &begins {
            load.shown += 1;
            load.by_severity[usize::from(step.severity.clamp(1, 4)) - 1] += 1;
            *counts.entry(step.source).or_default() += 1;
            *hours.entry(step.at.since(span.from) / HOUR_MS).or_default() += 1;
        }
        load.peak_hour = hours.into_values().max().unwrap_or(0);
        load.sources = ranked(counts);
        let times: Vec<i64> = begins.iter().map(|step| step.at.0).collect();
        let floods = flood::floods(&times, span, goals);
        (load.floods, load.flood_ms, load.peak_slot) = (floods.begun, floods.ms, floods.peak);
        load.follow(&steps, span, goals);
        load
    }

    /// The load of every operator that has steps.
    pub fn by_operator(steps: &[LoadStep], span: LoadSpan, goals: &Goals) -> BTreeMap<u32, Self> {
        let mut lists: BTreeMap<u32, Vec<LoadStep>> = BTreeMap::new();
        for step in steps {
            lists.entry(step.operator).or_default().push(*step);
        }
        lists.iter().map(|(&who, steps)| (who, Self::of(steps, span, goals))).collect()
    }

    /// Several operators together; `operators` counts those without a single warning too.
    pub fn together<'a>(
        loads: impl IntoIterator<Item = &'a Self>,
        operators: u64,
        span: LoadSpan,
    ) -> Self {
        let mut sum = Self { operators: operators.max(1), span_ms: span.ms(), ..Self::default() };
        let mut counts: BTreeMap<AlarmSource, u64> = BTreeMap::new();
        for load in loads {
            sum.shown += load.shown;
            sum.peak_hour = sum.peak_hour.max(load.peak_hour);
            sum.peak_slot = sum.peak_slot.max(load.peak_slot);
            sum.floods += load.floods;
            sum.flood_ms += load.flood_ms;
            sum.fleeting += load.fleeting;
            sum.stale += load.stale;
            for (mine, more) in sum.by_severity.iter_mut().zip(load.by_severity) {
                *mine += more;
            }
            for &(source, count) in &load.sources {
                *counts.entry(source).or_default() += count;
            }
            sum.chattering.extend(&load.chattering);
        }
        sum.chattering.sort_unstable();
        sum.chattering.dedup();
        sum.sources = ranked(counts);
        sum
    }

    /// Follows each source through its beginnings and ends: chattering, fleeting, stale.
    fn follow(&mut self, steps: &[LoadStep], span: LoadSpan, goals: &Goals) {
        let mut turns: BTreeMap<AlarmSource, Vec<&LoadStep>> = BTreeMap::new();
        for step in steps.iter().filter(|step| step.at < span.to) {
            turns.entry(step.source).or_default().push(step);
        }
        for (source, turns) in turns {
            let inside: Vec<i64> =
                turns.iter().filter(|s| s.at >= span.from).map(|s| s.at.0).collect();
            let need = goals.chatter_turns.max(1);
            if inside.windows(need).any(|w| w[need - 1] - w[0] <= goals.chatter_ms) {
                self.chattering.push(source);
            }
            let mut began: Option<Timestamp> = None;
            for step in turns {
                match (step.begins, began) {
                    (true, None) => began = Some(step.at),
                    (true, Some(_)) | (false, None) => {}
                    (false, Some(since)) => {
                        let fleeting = step.at.since(since) < goals.fleeting_ms;
                        self.fleeting += u64::from(fleeting && since >= span.from);
                        began = None;
                    }
                }
            }
            self.stale += u64::from(began.is_some_and(|b| span.to.since(b) > goals.stale_ms));
        }
    }
}

fn ranked(counts: BTreeMap<AlarmSource, u64>) -> Vec<(AlarmSource, u64)> {
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_by_key(|&(source, count)| (std::cmp::Reverse(count), source));
    list
}

#[cfg(test)]
mod tests;
