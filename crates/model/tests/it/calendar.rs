//! Working time: what always holds of limits, in zones that put their clocks forward and back, and what
//! real dates of Chongqing's calendar come to, by hand and by counting minutes one by one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::path::Path;
use std::sync::LazyLock;

use chengmai_model::Timestamp;
use chengmai_model::calendar::{Calendar, CalendarYear, Limit, LimitUnit, WorkHours};
use chengmai_model::city::City;
use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// Chongqing's, from the files of its pack.
static CHONGQING: LazyLock<Calendar> = LazyLock::new(|| {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/chongqing");
    let file = |name: &str| (name.to_owned(), std::fs::read_to_string(pack.join(name)).unwrap());
    let files = ["pack.toml", "city.toml", "calendar.toml"].map(file);
    City::parse(&files).unwrap().calendar
});

/// Zones that differ in what they do to days: never, at night, by half an hour, at midnight, in two
/// seasons of a religious year, by leaving a whole day out.
const ZONES: [&str; 9] = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Asia/Kathmandu",
];
const HOURS: [&str; 6] = [
    "08:00-12:00 14:00-18:00",
    "always",
    "09:00-17:00; fri 09:00-12:30; sat 10:00-12:00",
    "00:00-06:00 22:00-24:00",
    "08:30-12:00 13:00-17:30; wed closed; holiday 10:00-11:00",
    "00:00-24:00",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// A calendar with holidays on the days on which clocks change, too.
fn calendar(name: &str) -> Calendar {
    let off = [date(2021, 3, 28), date(2021, 3, 29), date(2021, 12, 24), date(2022, 1, 1)];
    let work = [date(2021, 3, 27), date(2021, 10, 31)];
    let year = CalendarYear {
        year: 2021,
        source: "made for a test".to_owned(),
        off: off.to_vec(),
        work: work.to_vec(),
        provisional: false,
    };
    let weekend = [Weekday::Saturday, Weekday::Sunday];
    Calendar::new(&zone(name), &weekend, WorkHours::usual_hours(), "default", vec![year]).unwrap()
}

static CALENDARS: LazyLock<Vec<Calendar>> =
    LazyLock::new(|| ZONES.iter().map(|name| calendar(name)).collect());
static KEPT: LazyLock<Vec<WorkHours>> =
    LazyLock::new(|| HOURS.iter().map(|text| WorkHours::parse(text).unwrap()).collect());

/// A calendar, an agency's hours and a unit.
fn any_time() -> impl Strategy<Value = (&'static Calendar, &'static WorkHours, LimitUnit)> {
    (0..ZONES.len(), 0..HOURS.len(), 0..LimitUnit::ALL.len())
        .prop_map(|(zone, hours, unit)| (&CALENDARS[zone], &KEPT[hours], LimitUnit::ALL[unit]))
}

/// 2008 to 2041, and often a moment in the year of the holidays.
fn any_moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (1_200_000_000_000_i64..2_240_000_000_000).prop_map(Timestamp),
        (1_609_000_000_000_i64..1_642_000_000_000).prop_map(Timestamp),
    ]
}

proptest! {
    #[test]
    fn limits_add_up(
        (calendar, hours, unit) in any_time(),
        from in any_moment(),
        a in 0..60_u32,
        b in 0..60_u32,
    ) {
        let due = |from, amount| calendar.due(from, Limit::new(amount, unit), hours);
        prop_assert_eq!(due(due(from, a), b), due(from, a + b));
    }

    #[test]
    fn what_begins_later_is_not_due_earlier(
        (calendar, hours, unit) in any_time(),
        from in any_moment(),
        later in 0..3 * DAY_MS,
        amount in 0..60_u32,
    ) {
        let due = |from| calendar.due(from, Limit::new(amount, unit), hours);
        prop_assert!(due(from) <= due(from.plus_ms(later)));
        prop_assert!(due(from) >= from);
    }

    #[test]
    fn after_is_the_inverse_of_used(
        (calendar, hours, unit) in any_time(),
        from in any_moment(),
        ms in 1..40 * DAY_MS,
    ) {
        let used = |to| calendar.used_ms(from, to, unit, hours);
        let due = calendar.after_ms(from, ms, unit, hours);
        prop_assert_eq!(used(due), ms);
        prop_assert_eq!(used(due.plus_ms(-1)), ms - 1, "the first moment it is reached");
        let to = from.plus_ms(ms);
        let reached = calendar.after_ms(from, used(to), unit, hours);
        prop_assert!(reached <= to);
        prop_assert_eq!(calendar.used_ms(reached, to, unit, hours), 0);
    }

    #[test]
    fn spans_of_used_time_join(
        (calendar, hours, unit) in any_time(),
        a in any_moment(),
        b in any_moment(),
        c in any_moment(),
    ) {
        let used = |from, to| calendar.used_ms(from, to, unit, hours);
        prop_assert_eq!(used(a, b) + used(b, c), used(a, c));
        prop_assert_eq!(used(a, b), -used(b, a));
        prop_assert!((0..=(b.0 - a.0).abs()).contains(&used(a.min(b), a.max(b))));
    }

    #[test]
    fn a_pause_takes_nothing_and_gives_nothing(
        (calendar, hours, unit) in any_time(),
        from in any_moment(),
        pauses in prop::collection::vec((0..2 * DAY_MS, 0..9 * DAY_MS), 0..6),
        amount in 1..30_u32,
    ) {
        let limit = calendar.limit_ms(Limit::new(amount, unit), hours);
        let used = |from, to| calendar.used_ms(from, to, unit, hours);
        let (mut start, mut spent, mut paused) = (from, 0, 0);
        for (runs, stands) in pauses {
            let stop = start.plus_ms(runs).min(calendar.after_ms(start, limit - spent, unit, hours));
            spent += used(start, stop);
            start = stop.plus_ms(stands);
            paused += used(stop, start);
        }
        let due = calendar.after_ms(start, limit - spent, unit, hours);
        prop_assert_eq!(used(from, due) , limit + paused);
        prop_assert_eq!(spent + used(start, due), limit);
    }

    #[test]
    fn a_clock_in_working_time_ends_while_work_is_done(
        (calendar, hours, _) in any_time(),
        from in any_moment(),
        amount in 1..60_u32,
    ) {
        let due = calendar.due(from, Limit::new(amount, LimitUnit::WorkHour), hours);
        prop_assert!(calendar.is_working(due.plus_ms(-1), hours));
        let step = calendar.used_ms(from, from.plus_ms(1), LimitUnit::WorkMinute, hours);
        prop_assert_eq!(calendar.is_working(from, hours), step == 1);
    }
}

/// Periods of a day in minutes, and on which days: the question asked in the plainest way, of one
/// minute of the wall's clock at a time.
struct Slow {
    zone: TimeZone,
    off: Vec<Date>,
    work: Vec<Date>,
    periods: Periods,
}

type Periods = fn(Weekday, DayIs) -> Vec<(i64, i64)>;

#[derive(Clone, Copy, PartialEq)]
enum DayIs {
    Work,
    MakeUp,
    Weekend,
    Holiday,
}

impl Slow {
    fn works(&self, at: Timestamp, work_days_only: bool) -> bool {
        let wall = self.zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap());
        let (day, minute) = (wall.date(), i64::from(wall.hour()) * 60 + i64::from(wall.minute()));
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let is = match (self.work.contains(&day), self.off.contains(&day), weekend) {
            (true, _, _) => DayIs::MakeUp,
            (_, true, _) => DayIs::Holiday,
            (_, _, true) => DayIs::Weekend,
            _ => DayIs::Work,
        };
        if work_days_only && matches!(is, DayIs::Weekend | DayIs::Holiday) {
            return false;
        }
        (self.periods)(day.weekday(), is).iter().any(|&(from, to)| (from..to).contains(&minute))
    }

    /// When so many working minutes have passed since a whole minute.
    fn due(&self, from: Timestamp, mut minutes: i64, work_days_only: bool) -> Timestamp {
        let mut at = from;
        while minutes > 0 {
            minutes -= i64::from(self.works(at, work_days_only));
            at = at.plus_ms(MINUTE_MS);
        }
        at
    }
}

/// What [`HOURS`] say, said again.
const PERIODS: [Periods; 6] = [
    |_, is| match is {
        DayIs::Work | DayIs::MakeUp => vec![(480, 720), (840, 1080)],
        _ => vec![],
    },
    |_, _| vec![(0, 1440)],
    |weekday, is| match (is, weekday) {
        (DayIs::Work, Weekday::Friday) => vec![(540, 750)],
        (DayIs::Work | DayIs::MakeUp, _) => vec![(540, 1020)],
        (DayIs::Weekend, Weekday::Saturday) => vec![(600, 720)],
        _ => vec![],
    },
    |_, is| match is {
        DayIs::Work | DayIs::MakeUp => vec![(0, 360), (1320, 1440)],
        _ => vec![],
    },
    |weekday, is| match (is, weekday) {
        (DayIs::Work, Weekday::Wednesday) | (DayIs::Weekend, _) => vec![],
        (DayIs::Holiday, _) => vec![(600, 660)],
        _ => vec![(510, 720), (780, 1050)],
    },
    |_, is| match is {
        DayIs::Work | DayIs::MakeUp => vec![(0, 1440)],
        _ => vec![],
    },
];

fn slow(calendar: &Calendar, zone: TimeZone, hours: usize) -> Slow {
    let all = |of: fn(&CalendarYear) -> &Vec<Date>| calendar.years().iter().flat_map(of).copied();
    Slow {
        zone,
        off: all(|y| &y.off).collect(),
        work: all(|y| &y.work).collect(),
        periods: PERIODS[hours],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn counting_minutes_one_by_one_comes_to_the_same(
        zone_index in 0..ZONES.len(),
        kept in 0..HOURS.len(),
        minute in prop_oneof![
            26_826_000_i64..27_370_000,     // 2021
            21_800_000_i64..22_200_000,     // late 2011: Apia leaves a day out
            21_038_000_i64..26_297_000,     // 2010 to 2019
        ],
        amount in 1..40_i64,
        work_days_only: bool,
    ) {
        let (calendar, hours) = (&CALENDARS[zone_index], &KEPT[kept]);
        let slow = slow(calendar, zone(ZONES[zone_index]), kept);
        let from = Timestamp(minute * MINUTE_MS);
        let unit = if work_days_only { LimitUnit::WorkDay } else { LimitUnit::WorkHour };
        let due = calendar.after_ms(from, amount * HOUR_MS, unit, hours);
        prop_assert_eq!(due, slow.due(from, amount * 60, work_days_only));
    }
}

/// A limit of Chongqing's from a local time (`2026-09-25 16:00`), by arithmetic and by the minute.
fn check(from: &str, limit: &str, due: &str) {
    let at = |text: &str| {
        Timestamp::parse_rfc3339(&format!("{}:00+08:00", text.replace(' ', "T"))).unwrap()
    };
    let calendar = &*CHONGQING;
    let (limit, hours) = (Limit::parse(limit).unwrap(), calendar.default_hours());
    if limit.unit.is_working() {
        let minutes = calendar.limit_ms(limit, hours) / MINUTE_MS;
        let slowly = slow(calendar, zone("Asia/Shanghai"), 0).due(at(from), minutes, false);
        assert_eq!(slowly, at(due), "{limit} from {from}, by the minute");
    }
    assert_eq!(calendar.due(at(from), limit, hours), at(due), "{limit} from {from}");
}

#[test]
fn real_dates_of_chongqing_come_to_what_a_person_works_out() {
    // The Friday before National Day 2026 is Mid-Autumn itself: the clock starts on Monday.
    check("2026-09-25 16:00", "4 work_hour", "2026-09-28 12:00");
    // Two hours before seven days off, two after them.
    check("2026-09-30 16:00", "4 work_hour", "2026-10-08 10:00");
    check("2026-09-30 16:00", "2 work_day", "2026-10-09 16:00");
    // The tenth is a Saturday on which work is made up for.
    check("2026-09-30 16:00", "3 work_day", "2026-10-10 16:00");
    check("2026-09-18 17:00", "4 work_hour", "2026-09-20 11:00");
    // Before hours, in the break, after hours; an end at closing time is due then.
    check("2026-11-23 06:30", "30 work_minute", "2026-11-23 08:30");
    check("2026-11-23 12:30", "1 work_hour", "2026-11-23 15:00");
    check("2026-11-23 19:00", "8 work_hour", "2026-11-24 18:00");
    check("2026-11-23 08:00", "1 work_day", "2026-11-23 18:00");
    check("2026-11-23 09:15", "5 work_day", "2026-11-30 09:15");
    // Urgent limits and natural days do not stop at night or on holidays.
    check("2026-09-30 23:00", "2 urgent_hour", "2026-10-01 01:00");
    check("2026-09-30 23:50", "30 urgent_minute", "2026-10-01 00:20");
    check("2026-09-30 16:00", "2 natural_day", "2026-10-02 16:00");
    // Spring Festival 2024 with both its make-up Sundays; New Year 2025 between two work days.
    check("2024-02-09 17:00", "2 work_hour", "2024-02-18 09:00");
    check("2024-02-03 12:00", "1 work_hour", "2024-02-04 09:00");
    check("2024-12-31 17:30", "1 work_hour", "2025-01-02 08:30");
    check("2025-09-30 15:00", "5 work_hour", "2025-10-09 10:00");
}

#[test]
fn the_years_have_as_many_work_days_as_the_notices_leave() {
    let work_days = |year: i16| {
        let days = date(year, 1, 1).series(jiff::Span::new().days(1));
        days.take_while(|day| day.year() == year).filter(|day| CHONGQING.is_work_day(*day)).count()
    };
    assert_eq!([2024, 2025, 2026].map(work_days), [251, 248, 248]);
    assert!(CHONGQING.is_work_day(date(2026, 2, 28)) && !CHONGQING.is_work_day(date(2026, 2, 23)));
    assert!(!CHONGQING.is_work_day(date(2026, 1, 2)) && CHONGQING.is_work_day(date(2026, 1, 4)));
}

#[test]
fn the_calendar_says_where_its_knowledge_ends() {
    let calendar = &*CHONGQING;
    assert_eq!(calendar.known_until(), Some(date(2027, 12, 31)));
    assert_eq!(calendar.year(2027).map(|year| year.provisional), Some(true));
    assert_eq!(calendar.default_hours_source(), "default");
    let notes =
        |today| -> Vec<String> { calendar.notes(today).into_iter().map(|note| note.en).collect() };
    assert_eq!(notes(date(2026, 5, 1)), [""; 0]);
    let soon = notes(date(2026, 11, 22));
    assert!(soon.len() == 1 && soon[0].starts_with("the holidays of 2027 are provisional"));
    let ended = notes(date(2027, 12, 1));
    assert!(ended.len() == 2 && ended[1].starts_with("the calendar has no holidays of 2028"));
    assert_eq!(Calendar::default().notes(date(2026, 5, 1)).len(), 1);
}

#[test]
fn a_clock_change_at_night_costs_a_crew_that_works_round_the_clock_no_minute() {
    let (calendar, always) = (calendar("Europe/Berlin"), WorkHours::always());
    let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
    let saturday = at("2026-03-28T20:00:00+01:00");
    let due = calendar.due(saturday, Limit::new(10, LimitUnit::WorkHour), &always);
    assert_eq!(due, at("2026-03-29T07:00:00+02:00"));
    let office =
        calendar.due(saturday, Limit::new(1, LimitUnit::WorkHour), calendar.default_hours());
    assert_eq!(office, at("2026-03-30T09:00:00+02:00"));
    let friday = at("2026-10-23T16:00:00+02:00");
    let day = calendar.due(friday, Limit::new(1, LimitUnit::WorkDay), calendar.default_hours());
    assert_eq!(day, at("2026-10-26T16:00:00+01:00"));
}

#[test]
fn moments_at_the_ends_of_the_range_do_no_harm() {
    let (first, last) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
    for (calendar, hours) in CALENDARS.iter().flat_map(|c| KEPT.iter().map(move |h| (c, h))) {
        for unit in LimitUnit::ALL {
            let limit = Limit::new(u32::MAX, unit);
            assert!(calendar.due(first, limit, hours) > first);
            assert_eq!(calendar.due(last, limit, hours), last);
            assert!(calendar.used_ms(first, last, unit, hours) > 0);
            assert_eq!(calendar.after_ms(first, i64::MIN, unit, hours), first);
        }
        assert!(calendar.is_working(first, &WorkHours::always()));
    }
}

#[test]
fn hours_that_never_meet_a_work_day_do_not_stop_a_clock_for_ever() {
    let hours = WorkHours::parse("09:00-10:00; mon-fri closed; sat 09:00-12:00").unwrap();
    let from = Timestamp::parse_rfc3339("2026-11-23T09:00:00+08:00").unwrap();
    let due = |amount, unit| CHONGQING.due(from, Limit::new(amount, unit), &hours).to_rfc3339();
    assert_eq!(due(4, LimitUnit::WorkHour), "2026-12-05T02:00:00.000Z");
    assert_eq!(due(1, LimitUnit::WorkDay), "2026-11-24T01:00:00.000Z");
}
