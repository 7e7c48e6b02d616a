//! What a backtest says: warnings by hour and by area, the load of each centre, and what became of
//! the incidents that are known.

use std::collections::BTreeMap;

use chengmai_model::pack::{PackFault, RULES_FILE};
use chengmai_model::time::HOUR_MS;
use chengmai_model::warning::{Subject, WarningChange};
use chengmai_model::{AreaId, AreaTree, StreamId, Text, Tier, Timestamp};

use super::{Backtest, Load, Raised};

/// A warning this long before an incident counts as having announced it. Our default.
pub const LEAD_MS: i64 = 6 * HOUR_MS;
/// A warning this long after the city knew still counts as having seen it. Our default.
pub const LATE_MS: i64 = HOUR_MS;

/// What the rule would have done.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Readings that came by.
    pub readings: u64,
    /// Of these given to the engine; the others could not matter.
    pub asked: u64,
    /// Streams of the kind.
    pub streams: u64,
    /// Alarms 报警 of single streams.
    pub alarms: u64,
    /// Warnings 预警 raised.
    pub warnings: u64,
    /// The first [`RAISED_MAX`](super::RAISED_MAX) of them, in order.
    pub raised: Vec<Raised>,
}

/// Warnings that began in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourCount {
    /// Start of the hour.
    pub at: Timestamp,
    /// By worst severity, minor first.
    pub by_severity: [u32; 4],
}

/// Warnings inside one area, those of the areas below included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AreaCount {
    /// Which area.
    pub area: AreaId,
    /// By worst severity, minor first.
    pub by_severity: [u32; 4],
    /// Most that began in one hour.
    pub hour_peak: u32,
}

/// Something that is known to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// When the city came to know of it.
    pub at: Timestamp,
    /// Where.
    pub area: AreaId,
}

/// What became of one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caught {
    /// The warning, as an index into [`Report::raised`].
    pub by: usize,
    /// How much earlier than the city knew, in milliseconds; negative when later.
    pub earlier_ms: i64,
}

impl Report {
    /// Warnings by the hour in which they began; hours without any are left out.
    pub fn by_hour(&self) -> Vec<HourCount> {
        let mut hours: BTreeMap<i64, [u32; 4]> = BTreeMap::new();
        for raised in &self.raised {
            let hour = raised.at.0.div_euclid(HOUR_MS) * HOUR_MS;
            hours.entry(hour).or_default()[slot(raised)] += 1;
        }
        let hours = hours.into_iter();
        hours.map(|(at, by_severity)| HourCount { at: Timestamp(at), by_severity }).collect()
    }

    /// Warnings by area, on every tier from the city down to `tier`; areas without any are left out.
    pub fn by_area(&self, areas: &AreaTree, tier: Tier) -> Vec<AreaCount> {
        let mut counts: BTreeMap<AreaId, ([u32; 4], BTreeMap<i64, u32>)> = BTreeMap::new();
        for raised in &self.raised {
            let above = areas.path(raised.area).into_iter();
            for area in above.filter(|&area| areas.get(area).row.tier <= tier) {
                let (by_severity, hours) = counts.entry(area).or_default();
                by_severity[slot(raised)] += 1;
                *hours.entry(raised.at.0.div_euclid(HOUR_MS)).or_default() += 1;
            }
        }
        let counts = counts.into_iter().map(|(area, (by_severity, hours))| AreaCount {
            area,
            by_severity,
            hour_peak: hours.values().copied().max().unwrap_or(0),
        });
        counts.collect()
    }

    /// The load of the busiest operator, with one seat in every district's centre; a warning about
    /// the whole city falls to the city's. `None` when nothing was raised.
    pub fn busiest(
        &self,
        areas: &AreaTree,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<(AreaId, Load)> {
        let mut seats: BTreeMap<AreaId, Vec<i64>> = BTreeMap::new();
        for raised in &self.raised {
            let seat = areas.at_tier(raised.area, Tier::District).unwrap_or(raised.area);
            seats.entry(seat).or_default().push(raised.at.0);
        }
        let loads = seats.into_iter().map(|(seat, ats)| (seat, Load::of(ats, from, to)));
        loads.max_by_key(|(seat, load)| (load.floods(), load.warnings, std::cmp::Reverse(*seat)))
    }
}

/// For each incident, the first warning in its place that announced or saw it; and how many warnings
/// belong to none.
pub fn judge(
    report: &Report,
    incidents: &[Incident],
    areas: &AreaTree,
) -> (Vec<Option<Caught>>, u64) {
    let mut by_time: Vec<usize> = (0..report.raised.len()).collect();
    by_time.sort_by_key(|&index| report.raised[index].at);
    let mut used = vec![false; report.raised.len()];
    let near = |raised: &Raised, incident: &Incident| {
        areas.contains(raised.area, incident.area) || areas.contains(incident.area, raised.area)
    };
    let mut found = Vec::with_capacity(incidents.len());
    for incident in incidents {
        let (from, to) = (incident.at.0 - LEAD_MS, incident.at.0 + LATE_MS);
        let first = by_time.partition_point(|&index| report.raised[index].at.0 < from);
        let mut caught = None;
        for &index in &by_time[first..] {
            let raised = &report.raised[index];
            if raised.at.0 > to {
                break;
            }
            if near(raised, incident) {
                used[index] = true;
                let earlier_ms = incident.at.since(raised.at);
                caught = caught.or(Some(Caught { by: index, earlier_ms }));
            }
        }
        found.push(caught);
    }
    let stray = used.iter().filter(|used| !**used).count() as u64;
    (found, stray + report.warnings - report.raised.len() as u64)
}

pub(super) fn of(backtest: Backtest) -> Report {
    Report {
        readings: backtest.readings,
        asked: backtest.asked,
        streams: backtest.engine.totals().streams,
        alarms: backtest.alarms,
        warnings: backtest.warnings,
        raised: backtest.raised,
    }
}

pub(super) fn first_stream(change: &WarningChange) -> StreamId {
    match change.subject {
        Subject::Stream(stream) => stream,
        Subject::Indicator { .. } | Subject::Group { .. } => StreamId(0),
    }
}

pub(super) fn no_rule(id: &str) -> PackFault {
    PackFault {
        file: RULES_FILE.to_owned(),
        line: 0,
        what: Text::new(
            format!("没有读数规则 `{id}`"),
            format!("there is no rule over readings `{id}`"),
        ),
        fix: Text::new("检查规则编号", "check the id of the rule"),
    }
}

fn slot(raised: &Raised) -> usize {
    usize::from(raised.severity.number()) - 1
}
