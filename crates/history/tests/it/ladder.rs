//! Readings expire and what they summed up to stays, exactly.

use std::collections::BTreeMap;
use std::path::Path;

use chengmai_history::{Compactor, History, Keep, Keeps, Rung, Series, SeriesQuery};
use chengmai_model::{Reading, StreamId, Timestamp};

use crate::support::{DAY_MS, MIDNIGHT, Names, OFFSET_MS, open, parquet_files, reading};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
const DAYS: i64 = 12;
const DEVICES: u32 = 6;

/// Levels are kept for two, four, eight days and for ever; flows' readings for four.
struct Rules;

impl Keeps for Rules {
    fn keep(&self, kind: &str) -> Keep {
        let raw = if kind == "flow" { 4 } else { 2 };
        Keep { raw: Some(raw * DAY_MS), rungs: [Some(4 * DAY_MS), Some(8 * DAY_MS), None] }
    }
}

fn work(compactor: &mut Compactor, now: i64, names: &Names) {
    while compactor.step(now, names).unwrap().is_some() {}
    while compactor.sum_step(now, names).unwrap().is_some() {}
    while compactor.expire_step(now, &Rules, names).unwrap().is_some() {}
}

/// Readings every seven minutes, with one of the day before coming late.
fn day_of_readings(day: i64) -> Vec<Reading> {
    let mut readings = Vec::new();
    for step in 0..DAY_MS / (7 * MINUTE) {
        for stream in 0..DEVICES * 2 {
            let at = MIDNIGHT + day * DAY_MS + step * 7 * MINUTE + i64::from(stream) * 1_003;
            readings.push(reading(stream, at, ((step * 31 + day) % 97) as f64 / 10.0 - 3.0));
        }
    }
    readings.push(reading(0, MIDNIGHT + day * DAY_MS - 5 * HOUR, 77.25));
    readings
}

/// Lives through days, one flush in six hours, and answers with everything that came.
fn live(history: &mut History, names: &Names) -> Vec<Reading> {
    let mut compactor = history.compactor();
    let (mut all, mut sequence) = (Vec::new(), 0_u64);
    for day in 0..DAYS {
        let readings = day_of_readings(day);
        for part in readings.chunks(readings.len() / 4 + 1) {
            sequence += 1;
            let now = MIDNIGHT + day * DAY_MS + sequence.cast_signed() % 4 * 6 * HOUR;
            history.append_readings(sequence, Timestamp(now), part);
            history.flush(names).unwrap();
            work(&mut compactor, now, names);
        }
        all.extend(readings);
    }
    work(&mut compactor, MIDNIGHT + DAYS * DAY_MS + HOUR, names);
    all
}

fn ask(history: &History, names: &Names, stream: u32, range: (i64, i64), points: usize) -> Series {
    let kind = if stream.is_multiple_of(2) { "level" } else { "flow" };
    let query = SeriesQuery {
        device: names.device(stream),
        streams: &[(StreamId(stream), kind)],
        from: Timestamp(range.0),
        to: Timestamp(range.1),
        points_max: points,
        within: None,
    };
    history.reader().series(&query).unwrap()
}

/// The same, from a plain list.
#[expect(clippy::cast_possible_truncation, reason = "hundredths of small values")]
fn check(series: &Series, all: &[Reading], stream: u32, (from, to): (i64, i64)) {
    let step = series.step_ms;
    let mut steps: BTreeMap<i64, Vec<Reading>> = BTreeMap::new();
    let mut wanted: Vec<Reading> = all
        .iter()
        .copied()
        .filter(|r| r.stream.0 == stream && (from..to).contains(&r.at.0))
        .collect();
    wanted.sort_by_key(|r| r.at);
    for reading in wanted {
        let start = reading.at.0 - (reading.at.0 + OFFSET_MS).rem_euclid(step);
        steps.entry(start).or_default().push(reading);
    }
    assert_eq!(series.points.len(), steps.len());
    for (point, (start, readings)) in series.points.iter().zip(&steps) {
        assert_eq!((point.stream.0, point.start.0), (stream, *start));
        assert_eq!(point.readings, readings.len() as u64, "at {start}");
        let sum: i128 = readings.iter().map(|r| (r.value * 100.0).round() as i128 * 10_000).sum();
        assert_eq!(point.sum_millionths, sum, "at {start}");
        let values = readings.iter().map(|r| r.value);
        assert_eq!(Some(point.min), values.clone().reduce(f64::min));
        assert_eq!(Some(point.max), values.reduce(f64::max));
        assert_eq!(Some(point.last), readings.last().map(|r| r.value));
    }
}

fn days_in(dir: &Path, top: &str) -> usize {
    let files = parquet_files(&dir.join(top));
    let days: std::collections::BTreeSet<_> =
        files.iter().map(|file| file.parent().unwrap().parent().unwrap().to_owned()).collect();
    days.len()
}

#[test]
fn every_rung_equals_a_sum_over_the_readings_long_after_they_expired() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let all = live(&mut history, &names);
    let ever = (MIDNIGHT - DAY_MS, MIDNIGHT + DAYS * DAY_MS);
    for stream in 0..DEVICES * 2 {
        let series = ask(&history, &names, stream, ever, 13);
        assert_eq!(series.step_ms, DAY_MS);
        check(&series, &all, stream, ever);
        let hours = (MIDNIGHT + 5 * DAY_MS, MIDNIGHT + DAYS * DAY_MS);
        let series = ask(&history, &names, stream, hours, 100);
        assert_eq!(series.step_ms, 2 * HOUR);
        check(&series, &all, stream, hours);
        let minutes = (MIDNIGHT + 9 * DAY_MS, MIDNIGHT + DAYS * DAY_MS);
        let series = ask(&history, &names, stream, minutes, 3_000);
        assert_eq!(series.step_ms, 2 * MINUTE);
        check(&series, &all, stream, minutes);
    }
    drop(history);
    let history = open(dir.path());
    check(&ask(&history, &names, 3, ever, 13), &all, 3, ever);
}

#[test]
fn readings_and_fine_rungs_are_gone_when_their_time_is_over_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    live(&mut history, &names);
    assert_eq!(days_in(dir.path(), "raw"), 4, "flows of four days");
    assert_eq!(days_in(dir.path(), "m1"), 4);
    assert_eq!(days_in(dir.path(), "h1"), 8);
    assert_eq!(days_in(dir.path(), "d1"), 13, "all days, with the late readings of the day before");
    let last_days = |days: i64| (MIDNIGHT + (DAYS - days) * DAY_MS, MIDNIGHT + DAYS * DAY_MS);
    let found = |stream: u32, days: i64| {
        crate::support::ask(&history.reader(), &names, stream / 2, last_days(days), usize::MAX)
            .0
            .iter()
            .filter(|r| r.stream.0 == stream)
            .count()
    };
    assert_eq!(found(2, 12), found(2, 2), "levels of two days");
    assert_eq!(found(3, 12), found(3, 4), "flows of four days");
    assert!(found(3, 4) > found(3, 3) && found(2, 2) > found(2, 1));
}

#[test]
fn a_long_range_reads_few_rows_and_a_short_one_reads_readings() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let all = live(&mut history, &names);
    let hour = (MIDNIGHT + 11 * DAY_MS + HOUR, MIDNIGHT + 11 * DAY_MS + 2 * HOUR);
    let series = ask(&history, &names, 2, hour, 1_000);
    assert_eq!(series.step_ms, 3_600);
    check(&series, &all, 2, hour);
    // Where readings are gone, the finest that is left answers.
    let old = (MIDNIGHT + 9 * DAY_MS, MIDNIGHT + 9 * DAY_MS + HOUR);
    let series = ask(&history, &names, 2, old, 1_000);
    let total: u64 = series.points.iter().map(|point| point.readings).sum();
    assert_eq!(
        total,
        all.iter().filter(|r| r.stream.0 == 2 && (old.0..old.1).contains(&r.at.0)).count() as u64
    );
    assert_eq!(Rung::ALL.map(Rung::step_ms), [MINUTE, HOUR, DAY_MS]);
}
