//! Corrected readings: what is asked for is right at once, files and sums follow, and nothing of it
//! depends on when a flush, a merge or a crash came in between.

use std::path::Path;

use chengmai_history::{
    Compactor, CorrectedReading, History, Keep, Keeps, KindQuery, SLICE_ROWS_MAX, SeriesQuery,
};
use chengmai_model::{Reading, StreamId, Timestamp};

use crate::support::{DAY_MS, MIDNIGHT, Names, ask, expected, open, parquet_files, reading};

const HOUR: i64 = 3_600_000;
const DEVICES: u32 = 6;
const DAYS: i64 = 3;

/// Levels are kept for a day, flows for ever.
struct Rules;

impl Keeps for Rules {
    fn keep(&self, kind: &str) -> Keep {
        Keep { raw: (kind == "level").then_some(DAY_MS), rungs: [None; 3] }
    }
}

fn day_of_readings(day: i64) -> Vec<Reading> {
    let steps = (0..DAY_MS / (30 * 60_000)).flat_map(|step| {
        (0..DEVICES * 2).map(move |stream| {
            let at = MIDNIGHT + day * DAY_MS + step * 30 * 60_000 + i64::from(stream);
            reading(stream, at, ((step * 7 + day) % 23) as f64)
        })
    });
    steps.collect()
}

/// Three readings of the first device, one in each day: another value, none, and another again.
fn corrections(all: &[Reading]) -> Vec<CorrectedReading> {
    let wrong = |place: usize, new: Option<f64>| {
        let Reading { stream, at, value } = all[place];
        CorrectedReading { stream, at, old: value, new }
    };
    let day = all.len() / usize::try_from(DAYS).unwrap();
    let step = DEVICES as usize * 2;
    vec![
        wrong(5 * step + 1, Some(70.0)),
        wrong(day + 9 * step + 1, None),
        wrong(2 * day + 3 * step, Some(-4.5)),
    ]
}

/// The plain list after a correction.
fn corrected(all: &mut Vec<Reading>, correction: &CorrectedReading) {
    let CorrectedReading { stream, at, old, new } = *correction;
    let same = |r: &Reading| r.stream == stream && r.at == at && r.value.to_bits() == old.to_bits();
    match new {
        Some(value) => all.iter_mut().filter(|r| same(r)).for_each(|r| r.value = value),
        None => all.retain(|r| !same(r)),
    }
}

fn check(history: &History, names: &Names, all: &[Reading], when: &str) {
    let ever = (MIDNIGHT - DAY_MS, MIDNIGHT + 2 * DAYS * DAY_MS);
    for device in 0..DEVICES {
        let (found, _) = ask(&history.reader(), names, device, ever, usize::MAX);
        let right = found == expected(all, device, ever, usize::MAX);
        assert!(right, "device {device} {when}");
    }
    let streams: Vec<(StreamId, u32)> = (0..DEVICES).map(|n| (StreamId(n * 2 + 1), n)).collect();
    let query = KindQuery {
        kind: "flow",
        streams: &streams,
        device: &|_| None,
        from: Timestamp(ever.0),
        to: Timestamp(ever.1),
    };
    let mut sum = 0.0;
    let mut add = |rows: &[(u32, i64, f64)]| {
        assert!((rows.len() as u64) < SLICE_ROWS_MAX);
        sum += rows.iter().map(|row| row.2).sum::<f64>();
        std::ops::ControlFlow::Continue(())
    };
    history.reader().kind_readings(&query, &mut add).unwrap();
    let flows = all.iter().filter(|r| r.stream.0 % 2 == 1);
    let wanted: f64 = flows.map(|r| r.value).sum();
    assert!((sum - wanted).abs() < 1e-9, "{sum} and {wanted} {when}");
}

/// Days of the first device's flow, from whatever rung there is.
#[expect(clippy::cast_possible_truncation, reason = "halves of small values")]
fn check_sums(history: &History, names: &Names, all: &[Reading], when: &str) {
    for (stream, kind) in [(0, "level"), (1, "flow")] {
        let query = SeriesQuery {
            device: names.device(stream),
            streams: &[(StreamId(stream), kind)],
            from: Timestamp(MIDNIGHT),
            to: Timestamp(MIDNIGHT + DAYS * DAY_MS),
            points_max: 3,
            within: None,
        };
        let series = history.reader().series(&query).unwrap();
        assert_eq!((series.step_ms, series.points.len()), (DAY_MS, 3), "{when}");
        for point in &series.points {
            let day = point.start.0..point.start.0 + DAY_MS;
            let of_day = all.iter().filter(|r| r.stream.0 == stream && day.contains(&r.at.0));
            let values: Vec<f64> = of_day.map(|r| r.value).collect();
            let sum = (values.iter().sum::<f64>() * 2.0) as i128 * 500_000;
            assert_eq!(
                (point.readings, point.sum_millionths),
                (values.len() as u64, sum),
                "{when}"
            );
            assert_eq!(Some(point.min), values.iter().copied().reduce(f64::min), "{when}");
            assert_eq!(Some(point.max), values.iter().copied().reduce(f64::max), "{when}");
        }
    }
}

fn work(compactor: &mut Compactor, now: i64, names: &Names) {
    while compactor.step(now, names).unwrap().is_some() {}
    while compactor.settle_step(names).unwrap().is_some() {}
    while compactor.step(now, names).unwrap().is_some() {}
    while compactor.sum_step(now, names).unwrap().is_some() {}
}

fn expire(compactor: &mut Compactor, now: i64, names: &Names) {
    while compactor.expire_step(now, &Rules, names).unwrap().is_some() {}
}

/// A folder with all days in it, the last of them in memory only.
fn three_days(dir: &Path, names: &Names) -> (History, Vec<Reading>) {
    let mut history = open(dir);
    let mut all = Vec::new();
    for (day, sequence) in (0..DAYS).zip(1..) {
        let readings = day_of_readings(day);
        history.append_readings(sequence, Timestamp(MIDNIGHT + day * DAY_MS), &readings);
        if day < DAYS - 1 {
            history.flush(names).unwrap();
        }
        all.extend(readings);
    }
    (history, all)
}

#[test]
fn an_answer_is_right_at_once_wherever_the_reading_lies() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let (mut history, mut all) = three_days(dir.path(), &names);
    let mut compactor = history.compactor();
    // The first two days are merged and summed up, the third is in memory.
    work(&mut compactor, MIDNIGHT + DAYS * DAY_MS - HOUR, &names);
    for (correction, sequence) in corrections(&all.clone()).iter().zip(10..) {
        history.correct(sequence, std::slice::from_ref(correction));
        corrected(&mut all, correction);
        check(&history, &names, &all, "at once");
    }
    history.flush(&names).unwrap();
    check(&history, &names, &all, "after the flush");
    work(&mut compactor, MIDNIGHT + DAYS * DAY_MS - HOUR, &names);
    check(&history, &names, &all, "after the files followed");
    check_sums(&history, &names, &all, "after the files followed");
    drop((history, compactor));
    let history = open(dir.path());
    check(&history, &names, &all, "after a start");
    check_sums(&history, &names, &all, "after a start");
}

#[test]
fn a_crash_between_any_two_steps_loses_no_correction_and_makes_none_twice() {
    let names = Names::new(DEVICES);
    for crash in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, mut all) = three_days(dir.path(), &names);
        let list = corrections(&all.clone());
        // Here and back again, so that one made twice would show.
        let first = list[0];
        let back = CorrectedReading { old: 70.0, new: Some(first.old), ..first };
        let steps = [first, back, list[1], list[2]];
        let mut until = 0;
        for (correction, sequence) in steps.iter().zip(10..) {
            history.correct(sequence, std::slice::from_ref(correction));
            if crash == sequence - 10 {
                history.flush(&names).unwrap();
                history.compactor().settle_step(&names).unwrap();
                until = sequence;
            }
        }
        if crash == 5 {
            history.flush(&names).unwrap();
            until = 13;
        }
        assert_eq!(history.watermark(), if until == 0 { 2 } else { until });
        drop(history);
        // The journal brings everything again; what is in files is ignored.
        let mut history = open(dir.path());
        history.append_readings(3, Timestamp(MIDNIGHT), &day_of_readings(DAYS - 1));
        for (correction, sequence) in steps.iter().zip(10..) {
            history.correct(sequence, std::slice::from_ref(correction));
            corrected(&mut all, correction);
        }
        check(&history, &names, &all, &format!("after crash {crash}"));
        history.flush(&names).unwrap();
        work(&mut history.compactor(), MIDNIGHT + DAYS * DAY_MS - HOUR, &names);
        check(&history, &names, &all, &format!("settled after crash {crash}"));
    }
}

#[test]
fn sums_of_readings_that_expired_outlive_the_correction_of_their_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let (mut history, mut all) = three_days(dir.path(), &names);
    history.flush(&names).unwrap();
    let mut compactor = history.compactor();
    let later = MIDNIGHT + (DAYS + 3) * DAY_MS;
    // Levels are gone, their sums are not; the flows of the same files are corrected.
    work(&mut compactor, later, &names);
    expire(&mut compactor, later, &names);
    check_sums(&history, &names, &all, "before");
    for (correction, sequence) in corrections(&all.clone()).iter().zip(10..).take(2) {
        history.correct(sequence, std::slice::from_ref(correction));
        corrected(&mut all, correction);
    }
    history.flush(&names).unwrap();
    work(&mut compactor, later, &names);
    check_sums(&history, &names, &all, "after");
    assert!(!parquet_files(&dir.path().join("raw")).is_empty());
}
