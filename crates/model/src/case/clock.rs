//! The clocks of a case: one for each stage, with its deadline, what was used of it, and how often it
//! stood still or was extended. Vocabulary and arithmetic of one clock; when clocks begin and end is
//! decided in `engine::case`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::{Light, Stage};
use crate::Timestamp;
use crate::calendar::{Calendar, Limit, LimitUnit, WorkHours};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// The running clock of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageClock {
    /// What it measures.
    pub stage: Stage,
    /// When it began.
    pub started_at: Timestamp,
    /// When 80 % of the limit is used; of clocks written before this was kept, by the wall clock.
    #[serde(default)]
    pub yellow_at: Option<Timestamp>,
    /// When it runs out.
    pub due_at: Timestamp,
    /// What it may take; `None` when only the deadline is known (imports).
    #[serde(default)]
    pub limit: Option<Limit>,
    /// Approved extensions, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<Limit>,
    /// When it last went on after it stood still.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
    /// Own time used before that.
    #[serde(default)]
    pub used_before_ms: i64,
    /// Wall time it stood still before that.
    #[serde(default)]
    pub paused_ms: i64,
}

impl StageClock {
    /// A clock that begins now.
    pub fn begin(
        stage: Stage,
        limit: Limit,
        at: Timestamp,
        calendar: &Calendar,
        hours: &WorkHours,
    ) -> Self {
        let mut clock = Self { limit: Some(limit), ..Self::until(stage, at, at) };
        clock.set_due(at, calendar, hours);
        clock
    }

    /// A clock of which only the deadline is known.
    pub const fn until(stage: Stage, started_at: Timestamp, due_at: Timestamp) -> Self {
        Self {
            stage,
            started_at,
            yellow_at: None,
            due_at,
            limit: None,
            extended: Vec::new(),
            resumed_at: None,
            used_before_ms: 0,
            paused_ms: 0,
        }
    }

    fn unit(&self) -> LimitUnit {
        self.limit.map_or(LimitUnit::UrgentMinute, |limit| limit.unit)
    }

    /// Own time used until `now`: working time for limits in working time, else wall time.
    pub fn used_ms(&self, now: Timestamp, calendar: &Calendar, hours: &WorkHours) -> i64 {
        let from = self.resumed_at.unwrap_or(self.started_at);
        let since = calendar.used_ms(from, now.max(from), self.unit(), hours);
        self.used_before_ms.saturating_add(since)
    }

    /// The same clock with more time.
    #[must_use]
    pub fn extend(mut self, more: Limit, calendar: &Calendar, hours: &WorkHours) -> Self {
        self.due_at = calendar.due(self.due_at, more, hours);
        self.extended.push(more);
        self.set_yellow(calendar, hours);
        self
    }

    /// The same clock going on at `now` after it stood still since `since`.
    #[must_use]
    pub fn resume(
        mut self,
        since: Timestamp,
        now: Timestamp,
        calendar: &Calendar,
        hours: &WorkHours,
    ) -> Self {
        let left = calendar.used_ms(since, self.due_at.max(since), self.unit(), hours);
        let over = calendar.used_ms(self.due_at, since.max(self.due_at), self.unit(), hours);
        self.used_before_ms = self.used_ms(since, calendar, hours);
        self.paused_ms = self.paused_ms.saturating_add(now.since(since).max(0));
        self.resumed_at = Some(now);
        // A clock that stood still after it was due stays due, by as much as it was.
        self.due_at = if over > 0 {
            now.plus_ms(-over)
        } else {
            calendar.after_ms(now, left, self.unit(), hours)
        };
        self.set_yellow(calendar, hours);
        self
    }

    fn set_due(&mut self, from: Timestamp, calendar: &Calendar, hours: &WorkHours) {
        if let Some(limit) = self.limit {
            self.due_at = calendar.due(from, limit, hours);
        }
        self.set_yellow(calendar, hours);
    }

    /// 80 % of the whole time that this clock has, extensions included.
    fn set_yellow(&mut self, calendar: &Calendar, hours: &WorkHours) {
        let from = self.resumed_at.unwrap_or(self.started_at);
        let whole = self.used_ms(self.due_at, calendar, hours);
        let at = whole.saturating_mul(8).saturating_add(9).div_euclid(10) - self.used_before_ms;
        let yellow = calendar.after_ms(from, at.max(0), self.unit(), hours);
        self.yellow_at = Some(yellow.min(self.due_at).max(from.min(self.due_at)));
    }

    /// When it turns yellow.
    pub fn yellow_at(&self) -> Timestamp {
        let whole = self.due_at.since(self.started_at).max(0);
        self.yellow_at.unwrap_or_else(|| {
            self.started_at.plus_ms(whole.saturating_mul(8).saturating_add(9) / 10)
        })
    }

    /// Share of the time used at `now`, for a bar on a screen: 0.8 when it turns yellow, 1 when due,
    /// more when overdue. Between these it follows the wall clock.
    pub fn used_share(&self, now: Timestamp) -> f64 {
        let (start, yellow, due) = (self.started_at, self.yellow_at(), self.due_at);
        let part = |from: Timestamp, to: Timestamp| {
            now.since(from).max(0) as f64 / to.since(from).max(1) as f64
        };
        if now < yellow { 0.8 * part(start, yellow) } else { 0.8 + 0.2 * part(yellow, due) }
    }

    /// Its colour at `now`.
    pub fn light(&self, now: Timestamp) -> Light {
        if now > self.due_at {
            Light::Red
        } else if now >= self.yellow_at() {
            Light::Yellow
        } else {
            Light::Green
        }
    }

    /// What is kept of it when it ends.
    pub fn end(
        &self,
        at: Timestamp,
        agency: Option<&str>,
        calendar: &Calendar,
        hours: &WorkHours,
    ) -> ClockRow {
        ClockRow {
            stage: self.stage,
            agency: agency.map(str::to_owned),
            started_at: self.started_at,
            due_at: self.due_at,
            ended_at: at,
            used_ms: self.used_ms(at, calendar, hours),
            paused_ms: self.paused_ms,
            extended: u32::try_from(self.extended.len()).unwrap_or(u32::MAX),
            overdue: at > self.due_at,
            excused: false,
        }
    }
}

/// A clock that has ended: the raw fact behind every on-time figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRow {
    /// What it measured.
    pub stage: Stage,
    /// The agency that had the case in hand, where one had.
    pub agency: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it would have run out.
    pub due_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Own time used, in milliseconds.
    pub used_ms: i64,
    /// Wall time it stood still, in milliseconds.
    pub paused_ms: i64,
    /// How often it was extended.
    pub extended: u32,
    /// Whether it ended after its deadline. Never changed afterwards.
    pub overdue: bool,
    /// Whether two reviews upheld an appeal against that breach. The breach stays.
    #[serde(default)]
    pub excused: bool,
}

/// How long each stage may take, frozen into the case when it is filed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "StoredLimits")]
pub struct StageLimits(pub BTreeMap<Stage, Limit>);

impl StageLimits {
    /// The limit of one stage; the default where the case type states none.
    pub fn of(&self, stage: Stage) -> Limit {
        self.0.get(&stage).copied().unwrap_or_else(|| default_limit(stage))
    }

    /// When a case filed at `at` must be closed: the stages from dispatch on, one after the other.
    /// A case each of whose stages is in time is itself in time.
    pub fn whole_due(
        &self,
        at: Timestamp,
        calendar: &Calendar,
        centre: &WorkHours,
        agency: &WorkHours,
    ) -> Timestamp {
        [Stage::Dispatch, Stage::Handle, Stage::Check, Stage::Close].into_iter().fold(
            at,
            |from, stage| {
                let hours = if stage == Stage::Handle { agency } else { centre };
                calendar.due(from, self.of(stage), hours)
            },
        )
    }
}

/// What a stage may take where nothing is stated. Our defaults, no standard behind them.
pub const fn default_limit(stage: Stage) -> Limit {
    let (amount, unit) = match stage {
        Stage::Accept | Stage::File | Stage::Dispatch => (30, LimitUnit::UrgentMinute),
        Stage::Verify | Stage::Check => (2, LimitUnit::UrgentHour),
        Stage::Close => (1, LimitUnit::UrgentHour),
        Stage::Handle | Stage::Review | Stage::Follow => (15, LimitUnit::NaturalDay),
    };
    Limit { amount, unit }
}

/// The shortest limit by the wall clock that is no shorter than a span: in minutes while these can be
/// said, then in hours, then in days.
pub fn limit_of_ms(ms: i64) -> Limit {
    let units = [
        (LimitUnit::UrgentMinute, MINUTE_MS),
        (LimitUnit::UrgentHour, HOUR_MS),
        (LimitUnit::NaturalDay, DAY_MS),
    ];
    let said = units.into_iter().find_map(|(unit, width)| {
        let amount = ms.max(1).saturating_add(width - 1) / width;
        let amount = u32::try_from(amount).ok().filter(|&amount| amount <= Limit::AMOUNT_MAX)?;
        Some(Limit { amount, unit })
    });
    said.unwrap_or(Limit { amount: Limit::AMOUNT_MAX, unit: LimitUnit::NaturalDay })
}

/// Limits as they are stored: by stage, or in milliseconds as the first version wrote them.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredLimits {
    First { dispatch_ms: i64, handle_ms: i64, check_ms: i64, close_ms: i64 },
    ByStage(BTreeMap<Stage, Limit>),
}

impl From<StoredLimits> for StageLimits {
    fn from(stored: StoredLimits) -> Self {
        match stored {
            StoredLimits::ByStage(limits) => Self(limits),
            StoredLimits::First { dispatch_ms, handle_ms, check_ms, close_ms } => {
                Self(BTreeMap::from([
                    (Stage::Dispatch, limit_of_ms(dispatch_ms)),
                    (Stage::Handle, limit_of_ms(handle_ms)),
                    (Stage::Check, limit_of_ms(check_ms)),
                    (Stage::Close, limit_of_ms(close_ms)),
                ]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_span_has_a_limit_that_reads_back_and_is_no_shorter() {
        for ms in [i64::MIN, 0, 1, MINUTE_MS, 61_000, 9_999 * MINUTE_MS + 1, 400 * DAY_MS, i64::MAX]
        {
            let limit = limit_of_ms(ms);
            assert_eq!(Limit::parse(&limit.to_string()), Some(limit), "{ms}");
        }
        assert_eq!(limit_of_ms(61_000).to_string(), "2 urgent_minute");
        assert_eq!(limit_of_ms(9_999 * MINUTE_MS + 1).to_string(), "167 urgent_hour");
        assert_eq!(limit_of_ms(500 * DAY_MS).to_string(), "500 natural_day");
    }
}
