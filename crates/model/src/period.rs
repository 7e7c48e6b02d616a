//! Periods 周期 of evaluation in the city's zone: day, week, month, quarter, half-year, year.
//!
//! Not here: what is counted in them (`engine::rating`). Invariant: a period is half-open, and the
//! periods of one kind follow each other without gap or overlap, whatever the zone does to its clocks.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodKind {
    /// From local midnight.
    Day,
    /// From Monday.
    Week,
    /// A calendar month.
    Month,
    /// From January, April, July or October.
    Quarter,
    /// From January or July.
    HalfYear,
    /// A calendar year.
    Year,
}

impl PeriodKind {
    /// All kinds, shortest first.
    pub const ALL: [Self; 6] =
        [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::HalfYear, Self::Year];

    /// Its word: `half_year`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::HalfYear => "half_year",
            Self::Year => "year",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }

    /// The first day of the period that holds `day`.
    fn first_day(self, day: Date) -> Option<Date> {
        let month = |months: i8| {
            let month = (day.month() - 1) / months * months + 1;
            Date::new(day.year(), month, 1).ok()
        };
        match self {
            Self::Day => Some(day),
            Self::Week => {
                day.checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days()).ok()
            }
            Self::Month => month(1),
            Self::Quarter => month(3),
            Self::HalfYear => month(6),
            Self::Year => month(12),
        }
    }

    fn length(self) -> Span {
        match self {
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
            Self::Quarter => 3.months(),
            Self::HalfYear => 6.months(),
            Self::Year => 1.year(),
        }
    }
}

/// A stretch of time, from `from` on and before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationPeriod {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl EvaluationPeriod {
    /// The period of a kind that holds a moment; `None` for a zone that does not exist (IANA name) and
    /// for moments at the ends of time.
    pub fn holding(kind: PeriodKind, moment: Timestamp, zone: &str) -> Option<Self> {
        let zone = TimeZone::get(zone).ok()?;
        let local = jiff::Timestamp::from_millisecond(moment.0).ok()?.to_zoned(zone.clone());
        let first = kind.first_day(local.date())?;
        let after = first.checked_add(kind.length()).ok()?;
        let start = |day: Date| {
            let start = day.to_zoned(zone.clone()).ok()?.timestamp();
            Some(Timestamp(start.as_millisecond()))
        };
        Some(Self { from: start(first)?, to: start(after)? })
    }

    /// The period of the same kind before this one.
    pub fn before(&self, kind: PeriodKind, zone: &str) -> Option<Self> {
        Self::holding(kind, self.from.plus_ms(-1), zone)
    }

    /// True for moments in it.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(kind: &str, moment: &str, zone: &str, expected: [&str; 2]) {
        let kind = PeriodKind::from_word(kind).unwrap();
        let moment = Timestamp::parse_rfc3339(moment).unwrap();
        let period = EvaluationPeriod::holding(kind, moment, zone).unwrap();
        let expected = expected.map(|text| Timestamp::parse_rfc3339(text).unwrap());
        assert_eq!([period.from, period.to], expected);
    }

    #[test]
    fn a_period_begins_at_local_midnight() {
        let zone = "Asia/Shanghai";
        let t = "2026-11-21T23:30:00Z";
        check("day", t, zone, ["2026-11-22T00:00:00+08:00", "2026-11-23T00:00:00+08:00"]);
        check("week", t, zone, ["2026-11-16T00:00:00+08:00", "2026-11-23T00:00:00+08:00"]);
        check("month", t, zone, ["2026-11-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00"]);
        check("quarter", t, zone, ["2026-10-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00"]);
        check("half_year", t, zone, ["2026-07-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00"]);
        check("year", t, zone, ["2026-01-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00"]);
        assert_eq!(EvaluationPeriod::holding(PeriodKind::Day, Timestamp(0), "Nowhere/Town"), None);
    }

    #[test]
    fn a_day_has_25_hours_when_clocks_go_back() {
        let t = "2026-10-25T12:00:00+01:00";
        check(
            "day",
            t,
            "Europe/Berlin",
            ["2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"],
        );
    }

    proptest! {
        #[test]
        fn periods_follow_each_other_without_gap(
            ms in 0..4_000_000_000_000_i64,
            kind in prop::sample::select(PeriodKind::ALL.to_vec()),
            zone in prop::sample::select(vec!["Asia/Shanghai", "America/New_York", "Asia/Kolkata"]),
        ) {
            let period = EvaluationPeriod::holding(kind, Timestamp(ms), zone).unwrap();
            prop_assert!(period.contains(Timestamp(ms)));
            prop_assert_eq!(period.before(kind, zone).unwrap().to, period.from);
            prop_assert_eq!(EvaluationPeriod::holding(kind, period.to, zone).unwrap().from, period.to);
        }
    }
}
