//! `calendar.toml` of a city's pack to [`Calendar`], with file, line and fix for every fault. Without the
//! file a city has [`Calendar::plain`].

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::calendar::{Calendar, CalendarYear, WEEKDAYS, WorkHours, parse_days, weekday};
use crate::pack::document::Document;
use crate::pack::parse::{Faults, toml_file};
use crate::pack::shape::{Of, Shape, may, must};

const FILE: &str = "calendar.toml";

const CALENDAR_FILE: Shape =
    Shape { keys: &[must("working", Of::Table(&WORKING)), may("year", Of::Tables(&YEAR))] };
const WORKING: Shape = Shape {
    keys: &[
        must("weekend", Of::List(&Of::Choice(&WEEKDAYS))),
        must("hours", Of::Hours),
        must("source", Of::Line),
    ],
};
const YEAR: Shape = Shape {
    keys: &[
        must("year", Of::Integer(1970, 2099)),
        must("source", Of::Line),
        may("provisional", Of::Bool),
        must("off", Of::List(&Of::Days)),
        must("work", Of::List(&Of::Days)),
    ],
};

#[derive(Deserialize)]
struct CalendarFile {
    working: Working,
    #[serde(default)]
    year: Vec<Notice>,
}

#[derive(Deserialize)]
struct Working {
    weekend: Vec<String>,
    hours: WorkHours,
    source: String,
}

#[derive(Deserialize)]
struct Notice {
    year: i16,
    source: String,
    #[serde(default)]
    provisional: bool,
    off: Vec<String>,
    work: Vec<String>,
}

/// Reads the file, if there is one; after a fault the calendar means nothing.
pub(super) fn read(files: &[(String, String)], zone: &TimeZone, faults: &mut Faults) -> Calendar {
    let plain = Calendar::plain(zone);
    if !files.iter().any(|(file, _)| file == FILE) {
        return plain;
    }
    let Some((file, document)) = toml_file::<CalendarFile>(files, FILE, &CALENDAR_FILE, faults)
    else {
        return plain;
    };
    let weekend: Vec<Weekday> =
        file.working.weekend.iter().filter_map(|day| weekday(day)).collect();
    let mut years: Vec<CalendarYear> = Vec::new();
    for (index, year) in file.year.iter().enumerate() {
        let year = read_year(year, index, &weekend, &document, faults);
        if years.last().is_some_and(|before| before.year >= year.year) {
            fault(
                &document,
                index,
                "year",
                (
                    format!("{} 年重复或次序不对", year.year),
                    format!("the year {} comes twice or out of order", year.year),
                ),
                ("按年份先后各写一次", "write each year once, in order"),
                faults,
            );
        }
        years.push(year);
    }
    let working = file.working;
    let calendar = Calendar::new(zone, &weekend, working.hours, &working.source, years);
    calendar.unwrap_or_else(|| {
        faults.add(
            FILE,
            document.line("working", 0, "hours"),
            ("平日没有工作时间", "no work is done between two weekends"),
            (
                "改正 hours 或 weekend，使每周至少有一天上班",
                "mend `hours` or `weekend` so that some day of the week has work",
            ),
        );
        plain
    })
}

fn read_year(
    year: &Notice,
    index: usize,
    weekend: &[Weekday],
    document: &Document<'_>,
    faults: &mut Faults,
) -> CalendarYear {
    let read = |texts: &[String]| texts.iter().filter_map(|t| parse_days(t)).collect::<Vec<_>>();
    let (off, work) = (read(&year.off).concat(), read(&year.work).concat());
    let mut seen: Vec<Date> = Vec::new();
    for (key, dates) in [("off", &off), ("work", &work)] {
        for &date in dates {
            let what = if date.year() != year.year {
                (format!("{date} 不在 {} 年", year.year), format!("{date} is not in {}", year.year))
            } else if seen.contains(&date) {
                (format!("{date} 写了两次"), format!("{date} is there twice"))
            } else if key == "work" && !weekend.contains(&date.weekday()) {
                (format!("{date} 本来就是工作日"), format!("{date} is a work day anyway"))
            } else {
                seen.push(date);
                continue;
            };
            let fix = ("对照放假通知改正", "compare it with the notice");
            fault(document, index, key, what, fix, faults);
        }
    }
    CalendarYear {
        year: year.year,
        source: year.source.clone(),
        off,
        work,
        provisional: year.provisional,
    }
}

fn fault(
    document: &Document<'_>,
    index: usize,
    key: &str,
    what: (String, String),
    fix: (&str, &str),
    faults: &mut Faults,
) {
    faults.add(FILE, document.line("year", index, key), what, fix);
}
