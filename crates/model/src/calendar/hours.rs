//! Working hours 工作时间 of an agency, as a text that people write: periods of the usual working day,
//! then what differs. Which day is a work day says [`super::Calendar`].
//!
//! Invariant: the usual day has at least one period; periods are in order and do not touch each other.

use std::fmt::{self, Write as _};

use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, MINUTE_MS};

/// `mon` to `sun`, as hours and calendar files write them.
pub(crate) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HOLIDAY: &str = "holiday";
const CLOSED: &str = "closed";

/// A period of a day in milliseconds of the wall clock since its midnight; the end is not part of it.
pub(super) type Period = (i64, i64);

/// When an agency works: `08:00-12:00 14:00-18:00; fri 08:00-12:00; sat 09:00-12:00; wed closed`.
///
/// The first part is the usual day: it holds on every work day of the calendar that no other part
/// names, and on make-up work days whatever their weekday. A part for a weekday of the weekend says
/// that the agency works then too; a part `holiday`, that it works on holidays. A night shift is
/// written as two periods, `00:00-06:00 22:00-24:00`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkHours {
    usual: Vec<Period>,
    /// What differs, by weekday from Monday.
    own: [Option<Vec<Period>>; 7],
    holiday: Vec<Period>,
}

impl WorkHours {
    /// Our default: 08:00 to 12:00 and 14:00 to 18:00.
    pub fn usual_hours() -> Self {
        let hour = 60 * MINUTE_MS;
        Self {
            usual: vec![(8 * hour, 12 * hour), (14 * hour, 18 * hour)],
            own: [const { None }; 7],
            holiday: Vec::new(),
        }
    }

    /// Day and night, weekends and holidays included.
    pub fn always() -> Self {
        let day = vec![(0, DAY_MS)];
        let own = std::array::from_fn(|_| Some(day.clone()));
        Self { usual: day.clone(), own, holiday: day }
    }

    /// Reads its text; `always` means day and night on every day.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "always" {
            return Some(Self::always());
        }
        let mut parts = text.split(';');
        let usual = parse_periods(parts.next()?.trim()).filter(|p| !p.is_empty())?;
        let mut hours = Self { usual, own: [const { None }; 7], holiday: Vec::new() };
        let mut holiday_seen = false;
        for part in parts {
            let (days, periods) = part.trim().split_once(' ')?;
            let periods = parse_periods(periods.trim())?;
            if days == HOLIDAY {
                if std::mem::replace(&mut holiday_seen, true) {
                    return None;
                }
                hours.holiday = periods;
                continue;
            }
            let (first, last) = parse_days(days)?;
            for own in &mut hours.own[first..=last] {
                if own.replace(periods.clone()).is_some() {
                    return None;
                }
            }
        }
        Some(hours)
    }

    /// Periods of a day on which the calendar has work, and of a make-up work day (`None`).
    pub(super) fn on_work_day(&self, weekday: Option<usize>) -> &[Period] {
        weekday.and_then(|day| self.own[day].as_deref()).unwrap_or(&self.usual)
    }

    /// Periods of an ordinary day of the weekend.
    pub(super) fn on_weekend(&self, weekday: usize) -> &[Period] {
        self.own[weekday].as_deref().unwrap_or_default()
    }

    /// Periods of a holiday.
    pub(super) fn on_holiday(&self) -> &[Period] {
        &self.holiday
    }
}

/// Number of a weekday from Monday, by its word.
pub(crate) fn weekday_number(word: &str) -> Option<usize> {
    WEEKDAYS.iter().position(|w| *w == word)
}

/// A weekday by its word.
pub(crate) fn weekday(word: &str) -> Option<Weekday> {
    let number = weekday_number(word)?;
    Weekday::from_monday_zero_offset(i8::try_from(number).ok()?).ok()
}

fn parse_days(text: &str) -> Option<(usize, usize)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (weekday_number(first)?, weekday_number(last)?);
    (first <= last).then_some((first, last))
}

fn parse_periods(text: &str) -> Option<Vec<Period>> {
    if text == CLOSED {
        return Some(Vec::new());
    }
    let mut periods: Vec<Period> = Vec::new();
    for part in text.split_ascii_whitespace() {
        let (from, to) = part.split_once('-')?;
        let (from, to) = (parse_moment(from)?, parse_moment(to)?);
        if to <= from || periods.last().is_some_and(|&(_, end)| from <= end) {
            return None;
        }
        periods.push((from, to));
    }
    (!periods.is_empty()).then_some(periods)
}

fn parse_moment(text: &str) -> Option<i64> {
    let digits = |s: &str| s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit());
    let (hour, minute) = text.split_once(':').filter(|(h, m)| digits(h) && digits(m))?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let moment = (hour * 60 + minute) * MINUTE_MS;
    (minute < 60 && moment <= DAY_MS).then_some(moment)
}

fn write_periods(text: &mut String, periods: &[Period]) {
    let moment = |ms: i64| (ms / (60 * MINUTE_MS), ms / MINUTE_MS % 60);
    for (index, &(from, to)) in periods.iter().enumerate() {
        let ((h1, m1), (h2, m2)) = (moment(from), moment(to));
        let space = if index > 0 { " " } else { "" };
        write!(text, "{space}{h1:02}:{m1:02}-{h2:02}:{m2:02}")
            .expect("writing to a string cannot fail");
    }
    if periods.is_empty() {
        text.push_str(CLOSED);
    }
}

impl fmt::Display for WorkHours {
    /// The text it is read from, equal weekdays in a row joined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::always() {
            return f.write_str("always");
        }
        let mut text = String::new();
        write_periods(&mut text, &self.usual);
        let mut day = 0;
        while day < 7 {
            let first = day;
            day += 1;
            let Some(periods) = &self.own[first] else { continue };
            while day < 7 && self.own[day].as_ref() == Some(periods) {
                day += 1;
            }
            text.push_str("; ");
            text.push_str(WEEKDAYS[first]);
            if day - first > 1 {
                text.push('-');
                text.push_str(WEEKDAYS[day - 1]);
            }
            text.push(' ');
            write_periods(&mut text, periods);
        }
        if !self.holiday.is_empty() {
            text.push_str("; holiday ");
            write_periods(&mut text, &self.holiday);
        }
        f.write_str(&text)
    }
}

impl TryFrom<String> for WorkHours {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
            .ok_or_else(|| format!("`{text}` are not hours such as `08:00-12:00 14:00-18:00`"))
    }
}

impl From<WorkHours> for String {
    fn from(hours: WorkHours) -> Self {
        hours.to_string()
    }
}
