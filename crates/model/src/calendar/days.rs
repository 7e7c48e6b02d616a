//! The days of a calendar, and working time as one line: how much of it lies before a moment, and the
//! moment before which so much of it lies. All limits in working time are differences on this line,
//! which is why they add up exactly.
//!
//! Most days are ordinary days of the week and are counted by arithmetic. The others (holidays,
//! make-up days, days on which the clocks change) are special days, each of a [`Shape`]; beside each
//! stands how many of every shape came before it, whatever hours an agency keeps. So nothing is kept
//! for an agency, and a question costs a search among some hundred special days.

use super::hours::{Period, WorkHours};
use super::zone::Zone;
use crate::time::DAY_MS;

/// Moments beyond the year 9999, and as far before 1970, count as these: so no sum overflows, even with
/// hours of a minute a week.
pub(super) const FAR_MS: i64 = 253_402_300_800_000;

/// What a day is in the calendar; weekdays from Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayKind {
    Weekday(usize),
    MakeUp,
    Holiday,
}

/// Days that have the same working time with any hours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    kind: DayKind,
    change: Option<ClockChange>,
}

/// What a change of the clocks does to a day.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ClockChange {
    /// Stretches of the day's wall time that are left out or come twice, and how far the clocks go
    /// on: what two days must have in common to be alike.
    stretches: Vec<(i64, i64, i64)>,
    /// The first such day, which is measured for all.
    day: i64,
}

/// How many shapes have no change of clocks: seven weekdays, make-up, holiday. They stand first.
const PLAIN: usize = 9;

/// A day that is not an ordinary day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SpecialDay {
    day: i64,
    shape: usize,
}

/// The days of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Days {
    zone: Zone,
    /// Which weekdays are the weekend.
    weekend: [bool; 7],
    shapes: Vec<Shape>,
    /// In order of days.
    special: Vec<SpecialDay>,
    /// A row of a number a shape before each special day, and one after the last: how many days of
    /// the shape came before, those of a weekday less than arithmetic says.
    before: Vec<i32>,
}

/// Which days count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    /// All time the agency works, weekends and holidays too if it does.
    Hours,
    /// Only the calendar's work days.
    WorkDays,
}

/// One agency's working time on the calendar.
#[derive(Debug)]
pub(super) struct Line<'a> {
    days: &'a Days,
    hours: &'a WorkHours,
    counting: Counting,
    /// Working time of a day of each plain shape, and of an ordinary week.
    plain: [i64; PLAIN],
    week: i64,
    /// Of the shapes after them.
    changed: Vec<i64>,
}

impl Days {
    /// `kinds` are the holidays and make-up days, in order of days.
    pub(super) fn new(zone: Zone, weekend: [bool; 7], kinds: &[(i64, DayKind)]) -> Self {
        let mut shapes: Vec<Shape> =
            (0..7).map(|day| Shape { kind: DayKind::Weekday(day), change: None }).collect();
        shapes.push(Shape { kind: DayKind::MakeUp, change: None });
        shapes.push(Shape { kind: DayKind::Holiday, change: None });
        let mut days: Vec<i64> = kinds.iter().map(|(day, _)| *day).collect();
        for change in zone.changes() {
            let (from, to) = change.wall();
            days.extend(from.div_euclid(DAY_MS)..=(to - 1).div_euclid(DAY_MS));
        }
        days.sort_unstable();
        days.dedup();
        let mut special = Vec::with_capacity(days.len());
        for day in days {
            let given = kinds.binary_search_by_key(&day, |(day, _)| *day);
            let kind = given.map_or(DayKind::Weekday(weekday(day)), |index| kinds[index].1);
            let stretches = stretches(&zone, day);
            let alike = |s: &Shape| {
                s.kind == kind
                    && s.change.as_ref().map_or(&[][..], |c| c.stretches.as_slice()) == stretches
            };
            let shape = shapes.iter().position(alike).unwrap_or_else(|| {
                shapes.push(Shape { kind, change: Some(ClockChange { stretches, day }) });
                shapes.len() - 1
            });
            special.push(SpecialDay { day, shape });
        }
        let before = counts_before(&special, shapes.len());
        Self { zone, weekend, shapes, special, before }
    }

    /// The midnight at which the day of a moment ends.
    pub(super) fn midnight_after(&self, moment: i64) -> i64 {
        self.zone.instant((self.zone.day(moment) + 1) * DAY_MS)
    }

    pub(super) fn is_weekend(&self, weekday: usize) -> bool {
        self.weekend[weekday]
    }

    pub(super) fn kind(&self, day: i64) -> DayKind {
        let found = self.special.binary_search_by_key(&day, |s| s.day);
        found.map_or(DayKind::Weekday(weekday(day)), |index| {
            self.shapes[self.special[index].shape].kind
        })
    }

    pub(super) fn line<'a>(&'a self, hours: &'a WorkHours, counting: Counting) -> Line<'a> {
        let mut line =
            Line { days: self, hours, counting, plain: [0; PLAIN], week: 0, changed: Vec::new() };
        for (shape, plain) in self.shapes.iter().zip(0..PLAIN) {
            line.plain[plain] = line.periods(shape.kind).iter().map(|(from, to)| to - from).sum();
        }
        line.week = line.plain[..7].iter().sum();
        line.changed = self.shapes[PLAIN..].iter().map(|shape| line.length(shape)).collect();
        line
    }
}

/// Number of a day's weekday from Monday; day 0 was a Thursday.
pub(super) fn weekday(day: i64) -> usize {
    usize::try_from((day + 3).rem_euclid(7)).expect("a remainder of seven is not negative")
}

/// What the changes of the clocks do to a day.
fn stretches(zone: &Zone, day: i64) -> Vec<(i64, i64, i64)> {
    let midnight = day * DAY_MS;
    let near = zone.changes().iter().filter(|change| {
        let (from, to) = change.wall();
        from < midnight + DAY_MS && to > midnight
    });
    near.map(|change| {
        let (from, to) = change.wall();
        (from - midnight, to - midnight, change.forward())
    })
    .collect()
}

fn counts_before(special: &[SpecialDay], shapes: usize) -> Vec<i32> {
    let mut row = vec![0; shapes];
    let mut before = row.clone();
    for special in special {
        row[special.shape] += 1;
        row[weekday(special.day)] -= 1;
        before.extend_from_slice(&row);
    }
    before
}

impl Line<'_> {
    /// Working time of an ordinary week.
    pub(super) fn week(&self) -> i64 {
        self.week
    }

    /// How many days of an ordinary week have working time.
    pub(super) fn days_a_week(&self) -> i64 {
        self.plain[..7].iter().map(|&ms| i64::from(ms > 0)).sum()
    }

    /// Working time before a moment; only differences mean anything.
    pub(super) fn at(&self, moment: i64) -> i64 {
        let moment = moment.clamp(-FAR_MS, FAR_MS);
        let day = self.days.zone.day(moment);
        let passed: i64 = self
            .periods_of(day)
            .iter()
            .map(|&period| self.instants(day, period))
            .map(|(from, to)| moment.clamp(from, to.max(from)) - from)
            .sum();
        self.before_day(day) + passed
    }

    /// The first moment before which `worked` lies. There must be an ordinary week with working time.
    pub(super) fn moment(&self, worked: i64) -> i64 {
        let (day, mut rest) = self.day_of(worked);
        for &period in self.periods_of(day) {
            let (from, to) = self.instants(day, period);
            if rest <= to - from {
                return from + rest;
            }
            rest -= (to - from).max(0);
        }
        debug_assert_eq!(rest, 0, "the day found has so much working time");
        self.days.zone.instant((day + 1) * DAY_MS)
    }

    /// True when the moment lies in a period.
    pub(super) fn holds(&self, moment: i64) -> bool {
        let moment = moment.clamp(-FAR_MS, FAR_MS);
        let day = self.days.zone.day(moment);
        self.periods_of(day).iter().any(|&period| {
            let (from, to) = self.instants(day, period);
            (from..to).contains(&moment)
        })
    }

    /// The day in which the working time before a moment reaches `worked`, and how much of it is that
    /// day's: at least 1.
    fn day_of(&self, worked: i64) -> (i64, i64) {
        let special = &self.days.special;
        // The last special day that begins before so much.
        let next = partition(special.len(), |index| self.before_special(index) < worked);
        let (mut day, mut rest) = (0, 0);
        if let Some(last) = next.checked_sub(1) {
            let SpecialDay { day: found, shape } = special[last];
            rest = worked - self.before_special(last);
            let length = self.shape_length(shape);
            if rest <= length {
                return (found, rest);
            }
            (day, rest) = (found + 1, rest - length);
        } else {
            rest += worked - self.ordinary(day);
        }
        // From here on, up to the next special day, all days are ordinary.
        let weeks = (rest - 1).div_euclid(self.week);
        day += weeks * 7;
        rest -= weeks * self.week;
        loop {
            let length = self.plain[weekday(day)];
            if rest <= length {
                return (day, rest);
            }
            rest -= length;
            day += 1;
        }
    }

    /// Working time before a day begins.
    fn before_day(&self, day: i64) -> i64 {
        let index = self.days.special.partition_point(|s| s.day < day);
        self.ordinary(day) + self.correction(index)
    }

    fn before_special(&self, index: usize) -> i64 {
        self.ordinary(self.days.special[index].day) + self.correction(index)
    }

    /// Working time before a day, were all days ordinary.
    fn ordinary(&self, day: i64) -> i64 {
        (day + 3).div_euclid(7) * self.week + self.plain[..weekday(day)].iter().sum::<i64>()
    }

    /// What the special days before the `index`-th make of it.
    fn correction(&self, index: usize) -> i64 {
        let shapes = self.days.shapes.len();
        let row = &self.days.before[index * shapes..(index + 1) * shapes];
        let lengths = self.plain.iter().chain(&self.changed);
        row.iter().zip(lengths).map(|(&count, length)| i64::from(count) * length).sum()
    }

    fn shape_length(&self, shape: usize) -> i64 {
        self.plain.get(shape).copied().unwrap_or_else(|| self.changed[shape - PLAIN])
    }

    /// Working time of a day whose clocks change.
    fn length(&self, shape: &Shape) -> i64 {
        let periods = self.periods(shape.kind);
        let Some(change) = &shape.change else { return 0 };
        let lengths = periods.iter().map(|&(from, to)| {
            if change.stretches.iter().all(|&(begin, end, _)| end <= from || begin >= to) {
                return to - from;
            }
            let (from, to) = self.instants(change.day, (from, to));
            to - from
        });
        lengths.sum()
    }

    fn periods_of(&self, day: i64) -> &[Period] {
        self.periods(self.days.kind(day))
    }

    fn periods(&self, kind: DayKind) -> &[Period] {
        let work_days_only = self.counting == Counting::WorkDays;
        match kind {
            DayKind::MakeUp => self.hours.on_work_day(None),
            DayKind::Weekday(day) if !self.days.weekend[day] => self.hours.on_work_day(Some(day)),
            DayKind::Weekday(_) | DayKind::Holiday if work_days_only => &[],
            DayKind::Weekday(day) => self.hours.on_weekend(day),
            DayKind::Holiday => self.hours.on_holiday(),
        }
    }

    fn instants(&self, day: i64, (from, to): Period) -> (i64, i64) {
        let zone = &self.days.zone;
        (zone.instant(day * DAY_MS + from), zone.instant(day * DAY_MS + to))
    }
}

/// The first number below `len` for which `holds` does not, as all before it do.
fn partition(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
