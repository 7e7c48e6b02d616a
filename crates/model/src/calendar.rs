//! Working-time calendars 工作日历: which days are work days, when a limit that began at a moment has run
//! out, and how much of it a span of time has used. Pure: a table of days and arithmetic.
//!
//! Not here: clocks of cases (`case`), reading the file (`city`), and whose hours an agency keeps.
//!
//! How limits run ([`LimitUnit`]). Urgent units and natural days never stop: an hour is 60 minutes
//! and a day 24 hours, whatever summer time does. Work units run only in the
//! agency's working time. A work day is a fixed amount of it, the agency's mean day in an ordinary week
//! (with equal days: a day), so `n work_day` end at the same point of the working day `n` work days
//! later; it runs only on work days of the calendar, even where the agency also works at weekends.
//! Invariant: limits add up, `due(due(t, a), b) = due(t, a + b)`, and what begins later is not due
//! earlier. Why so: docs/decisions/0035.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::{Text, Timestamp};

mod days;
mod hours;
mod limit;
mod zone;

pub use hours::WorkHours;
pub(crate) use hours::{WEEKDAYS, weekday};
pub use limit::{Limit, LimitUnit};

use days::{Counting, DayKind, Days, FAR_MS, Line};
use zone::Zone;

/// How long before a year without holidays the calendar says so.
const NOTICE_DAYS: i64 = 92;

/// The longest stretch of days that a calendar file may name at once.
const STRETCH_DAYS_MAX: usize = 366;

/// What is known of a year: its days off and its make-up work days 调休.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarYear {
    /// The year.
    pub year: i16,
    /// Who says so.
    pub source: String,
    /// Holidays; days of the weekend may be among them.
    pub off: Vec<Date>,
    /// Days of the weekend on which work is done.
    pub work: Vec<Date>,
    /// True when the authority has not spoken yet and the days are what the law alone says.
    pub provisional: bool,
}

/// A city's calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    days: Days,
    hours: WorkHours,
    hours_source: String,
    /// In order.
    years: Vec<CalendarYear>,
}

impl Calendar {
    /// A calendar of a zone; `None` when the hours have no working time on the days that are not
    /// `weekend`. Of a day given twice the later year's word holds, and work before off.
    pub fn new(
        zone: &TimeZone,
        weekend: &[Weekday],
        hours: WorkHours,
        hours_source: &str,
        mut years: Vec<CalendarYear>,
    ) -> Option<Self> {
        years.sort_by_key(|year| year.year);
        let mut kinds = BTreeMap::new();
        for year in &years {
            kinds.extend(year.off.iter().map(|&date| (day_of(date), DayKind::Holiday)));
            kinds.extend(year.work.iter().map(|&date| (day_of(date), DayKind::MakeUp)));
        }
        let kinds: Vec<(i64, DayKind)> = kinds.into_iter().collect();
        let mut rest = [false; 7];
        for day in weekend {
            rest[usize::try_from(day.to_monday_zero_offset()).ok()?] = true;
        }
        let days = Days::new(Zone::new(zone), rest, &kinds);
        let works = days.line(&hours, Counting::WorkDays).week() > 0;
        works.then(|| Self { days, hours, hours_source: hours_source.to_owned(), years })
    }

    /// A zone's calendar of which nothing else is known: Monday to Friday, no holidays, our default
    /// hours.
    pub fn plain(zone: &TimeZone) -> Self {
        let weekend = [Weekday::Saturday, Weekday::Sunday];
        Self::new(zone, &weekend, WorkHours::usual_hours(), "default", Vec::new())
            .expect("eight hours are worked on every Monday")
    }

    /// When a limit that began at `from` has run out. One that began outside working time runs from
    /// the next working moment; one that is used up at closing time is due then.
    pub fn due(&self, from: Timestamp, limit: Limit, hours: &WorkHours) -> Timestamp {
        self.after_ms(from, self.limit_ms(limit, hours), limit.unit, hours)
    }

    /// Milliseconds of the unit's own time between two moments: working time for work units, all time
    /// for others. Negative when `to` is earlier.
    pub fn used_ms(
        &self,
        from: Timestamp,
        to: Timestamp,
        unit: LimitUnit,
        hours: &WorkHours,
    ) -> i64 {
        self.line(unit, hours).map_or(to.since(from), |line| line.at(to.0) - line.at(from.0))
    }

    /// The first moment, not before `from`, by which `ms` of the unit's own time have passed since
    /// `from`: the inverse of [`Self::used_ms`].
    pub fn after_ms(
        &self,
        from: Timestamp,
        ms: i64,
        unit: LimitUnit,
        hours: &WorkHours,
    ) -> Timestamp {
        if ms <= 0 {
            return from;
        }
        let Some(line) = self.line(unit, hours) else { return from.plus_ms(ms) };
        Timestamp(line.moment(line.at(from.0) + ms.min(FAR_MS))).max(from)
    }

    /// Length of a limit in its unit's own time. A work day is the mean of the agency's working days
    /// in an ordinary week.
    pub fn limit_ms(&self, limit: Limit, hours: &WorkHours) -> i64 {
        let unit_ms = match limit.unit {
            LimitUnit::UrgentMinute | LimitUnit::WorkMinute => MINUTE_MS,
            LimitUnit::UrgentHour | LimitUnit::WorkHour => HOUR_MS,
            LimitUnit::NaturalDay => DAY_MS,
            LimitUnit::WorkDay => {
                self.line(limit.unit, hours).map_or(DAY_MS, |line| line.week() / line.days_a_week())
            }
        };
        i64::from(limit.amount) * unit_ms
    }

    /// The midnight at which the day of a moment ends.
    pub fn end_of_day(&self, at: Timestamp) -> Timestamp {
        Timestamp(self.days.midnight_after(at.0))
    }

    /// True when the agency works at a moment.
    pub fn is_working(&self, at: Timestamp, hours: &WorkHours) -> bool {
        self.days.line(hours, Counting::Hours).holds(at.0)
    }

    /// True when the calendar has work on a date: no weekend and no holiday, or made up for.
    pub fn is_work_day(&self, date: Date) -> bool {
        match self.days.kind(day_of(date)) {
            DayKind::Weekday(day) => !self.days.is_weekend(day),
            DayKind::MakeUp => true,
            DayKind::Holiday => false,
        }
    }

    /// Hours of an agency that states none of its own.
    pub fn default_hours(&self) -> &WorkHours {
        &self.hours
    }

    /// Who says so; "default" for ours.
    pub fn default_hours_source(&self) -> &str {
        &self.hours_source
    }

    /// The years that are known, in order.
    pub fn years(&self) -> &[CalendarYear] {
        &self.years
    }

    /// What is known of a year.
    pub fn year(&self, year: i16) -> Option<&CalendarYear> {
        self.years.iter().find(|y| y.year == year)
    }

    /// The last day whose holidays are known, provisional ones included. After it there are only
    /// weekdays and weekends. `None` when no year is known.
    pub fn known_until(&self) -> Option<Date> {
        Date::new(self.years.last()?.year, 12, 31).ok()
    }

    /// What a duty officer should know of the calendar on a day, from `today` until a quarter of a
    /// year later: that years are missing, or provisional.
    pub fn notes(&self, today: Date) -> Vec<Text> {
        if self.years.is_empty() {
            return vec![Text::new(
                "工作日历没有节假日数据：只按周末休息计算时限",
                "the calendar has no holidays: limits pause at weekends only",
            )];
        }
        let soon = today.checked_add(jiff::Span::new().days(NOTICE_DAYS)).unwrap_or(today);
        let note = |year: i16| match self.year(year) {
            None => Some(Text::new(
                format!("工作日历没有 {year} 年的节假日：该年只按周末休息计算时限"),
                format!(
                    "the calendar has no holidays of {year}: its limits pause at weekends only"
                ),
            )),
            Some(known) if known.provisional => Some(Text::new(
                format!("{year} 年节假日为暂定，尚无正式安排（{}）", known.source),
                format!("the holidays of {year} are provisional ({})", known.source),
            )),
            Some(_) => None,
        };
        (today.year()..=soon.year()).filter_map(note).collect()
    }

    /// The line a unit runs on; `None` for units that never stop. Hours without any time to count
    /// would never end a limit: the city's own stand in for them.
    fn line<'a>(&'a self, unit: LimitUnit, hours: &'a WorkHours) -> Option<Line<'a>> {
        let counting = match unit {
            LimitUnit::UrgentMinute | LimitUnit::UrgentHour | LimitUnit::NaturalDay => return None,
            LimitUnit::WorkMinute | LimitUnit::WorkHour => Counting::Hours,
            LimitUnit::WorkDay => Counting::WorkDays,
        };
        let line = self.days.line(hours, counting);
        Some(if line.week() > 0 { line } else { self.days.line(&self.hours, counting) })
    }
}

impl Default for Calendar {
    /// Universal time, Monday to Friday, no holidays, our default hours.
    fn default() -> Self {
        Self::plain(&TimeZone::UTC)
    }
}

/// Days that a calendar file names: `2026-10-01`, or the first and last as `2026-10-01..2026-10-07`.
pub(crate) fn parse_days(text: &str) -> Option<Vec<Date>> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let date = |text: &str| text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    let (first, last) = (date(first)?, date(last)?);
    let days: Vec<Date> = first
        .series(jiff::Span::new().days(1))
        .take_while(|day| *day <= last)
        .take(STRETCH_DAYS_MAX)
        .collect();
    (days.last() == Some(&last)).then_some(days)
}

/// A date's day, counted from 1970-01-01.
fn day_of(date: Date) -> i64 {
    let midnight = date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp().as_millisecond());
    midnight.unwrap_or_default().div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests;
