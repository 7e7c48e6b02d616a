//! Readings asked for: memory and files together equal a plain filter, and little is read for it.

use std::sync::atomic::{AtomicBool, Ordering};

use chengmai_history::Cost;
use chengmai_model::{Reading, Timestamp};
use proptest::prelude::*;

use crate::support::{DAY_MS, MIDNIGHT, Names, ask, expected, open, reading};

const DEVICES: u32 = 12;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u32, i64, u8)>),
    Flush,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    // Few values and times, so that equal readings come more than once.
    let rows = prop::collection::vec((0..DEVICES * 2, 0_i64..200, 0_u8..3), 0..60);
    prop_oneof![
        6 => rows.prop_map(Step::Append),
        2 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_files_together_equal_a_plain_filter(
        steps in prop::collection::vec(step(), 1..14),
        asked in prop::collection::vec((0..DEVICES, 0_i64..200, 0_i64..200, 0_usize..80), 8),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::new(DEVICES);
        let mut history = open(dir.path());
        let (mut frames, mut sequence): (Vec<Vec<Reading>>, u64) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Append(rows) => {
                    sequence += 1;
                    let readings: Vec<Reading> = rows
                        .into_iter()
                        // Three hours apart: 200 of them span 25 days.
                        .map(|(s, t, v)| reading(s, MIDNIGHT + t * 3 * 3_600_000, f64::from(v)))
                        .collect();
                    history.append_readings(sequence, Timestamp(MIDNIGHT), &readings);
                    frames.push(readings);
                }
                Step::Flush => {
                    prop_assert_eq!(history.flush(&names).unwrap(), sequence);
                    prop_assert_eq!(history.rows_pending(), 0);
                }
                Step::Reopen => {
                    drop(history);
                    history = open(dir.path());
                    // The journal replays everything; what is in files is ignored.
                    for (readings, sequence) in frames.iter().zip(1..) {
                        history.append_readings(sequence, Timestamp(MIDNIGHT), readings);
                    }
                }
            }
        }
        let all = frames.concat();
        for (device, from, to, limit) in asked {
            let range = (MIDNIGHT + from * 3 * 3_600_000, MIDNIGHT + to * 3 * 3_600_000);
            let (found, _) = ask(&history.reader(), &names, device, range, limit);
            prop_assert_eq!(found, expected(&all, device, range, limit));
        }
    }
}

#[test]
fn only_the_streams_asked_for_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(2);
    let mut history = open(dir.path());
    for sequence in 1..=2 {
        let at = MIDNIGHT + i64::try_from(sequence).unwrap();
        history.append_readings(
            sequence,
            Timestamp(0),
            &[reading(0, at, 1.0), reading(1, at, 2.0)],
        );
        if sequence == 1 {
            history.flush(&names).unwrap();
        }
    }
    let streams = [(chengmai_model::StreamId(1), "flow")];
    let query = chengmai_history::ReadingsQuery {
        device: names.device(0),
        streams: &streams,
        from: Timestamp(0),
        to: Timestamp(i64::MAX),
        limit: 10,
        within: None,
    };
    let found = history.reader().readings(&query).unwrap();
    assert_eq!(found, [reading(1, MIDNIGHT + 1, 2.0), reading(1, MIDNIGHT + 2, 2.0)]);
}

/// 600,000 readings of 2,000 devices in one file of five row groups.
fn one_large_file(
    dir: &std::path::Path,
    names: &Names,
) -> (chengmai_history::History, Vec<Reading>) {
    let mut history = open(dir);
    let mut all = Vec::new();
    for minute in 0..150_i64 {
        let readings: Vec<Reading> = (0..4_000)
            .map(|s| reading(s, MIDNIGHT + minute * 60_000, f64::from(s % 100)))
            .collect();
        history.append_readings(minute.cast_unsigned() + 1, Timestamp(0), &readings);
        all.extend(readings);
    }
    history.flush(names).unwrap();
    (history, all)
}

#[test]
fn a_query_reads_only_the_pages_that_can_hold_its_device() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(2_000);
    let (history, all) = one_large_file(dir.path(), &names);
    let day = (MIDNIGHT, MIDNIGHT + DAY_MS);
    let mut rows_total = 0;
    for device in (0..2_000).step_by(131) {
        let (found, cost) = ask(&history.reader(), &names, device, day, 10_000);
        assert_eq!(found, expected(&all, device, day, 10_000));
        assert_eq!(cost.files, 1);
        assert!(cost.row_groups <= 2, "a device may lie across one boundary: {cost:?}");
        rows_total += cost.rows;
    }
    let rows_mean = rows_total / 16;
    assert!(rows_mean <= 3 * 8_192, "about one page of 8,192 rows a column, not {rows_mean}");
}

#[test]
fn a_query_for_nobody_or_for_another_day_opens_no_row_group() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(2_001);
    let (history, _) = one_large_file(dir.path(), &names);
    let reader = history.reader();
    let (found, cost) = ask(&reader, &names, 7, (MIDNIGHT - DAY_MS, MIDNIGHT), 100);
    assert_eq!((found.len(), cost), (0, Cost::default()));
    let (found, cost) = ask(&reader, &names, 2_000, (0, i64::MAX), 100);
    assert_eq!((found.len(), cost.row_groups), (0, 0), "registered, but never seen");
}

#[test]
fn a_full_answer_does_not_open_older_files() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1);
    let mut history = open(dir.path());
    let mut all = Vec::new();
    for sequence in 1..=20_u64 {
        let at = MIDNIGHT + i64::try_from(sequence).unwrap() * DAY_MS;
        let readings: Vec<Reading> = (0..10).map(|i| reading(0, at + i, 1.0)).collect();
        history.append_readings(sequence, Timestamp(at), &readings);
        history.flush(&names).unwrap();
        all.extend(readings);
    }
    let (found, cost) = ask(&history.reader(), &names, 0, (0, i64::MAX), 25);
    assert_eq!(found, expected(&all, 0, (0, i64::MAX), 25));
    assert_eq!(cost.files, 3);
}

#[test]
fn queries_during_a_flush_see_every_row_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1_000);
    let mut history = open(dir.path());
    let mut sequence = 0;
    let mut append = |history: &mut chengmai_history::History, minutes: i64| {
        for _ in 0..minutes {
            sequence += 1;
            let at = MIDNIGHT + i64::try_from(sequence).unwrap() * 60_000;
            let readings: Vec<Reading> = (0..2_000).map(|s| reading(s, at, 0.5)).collect();
            history.append_readings(sequence, Timestamp(at), &readings);
        }
    };
    append(&mut history, 100);
    let job = history.begin_flush().unwrap();
    let reader = history.reader();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(job.run(&names).unwrap(), 100);
            done.store(true, Ordering::SeqCst);
        });
        let asking = scope.spawn(|| {
            let mut last = 0;
            loop {
                let flushed = done.load(Ordering::SeqCst);
                let (found, _) = ask(&reader, &names, 77, (0, i64::MAX), 10_000);
                assert!(found.len() % 2 == 0 && found.len() >= 200, "{}", found.len());
                assert!(found.len() >= last, "rows do not go away");
                assert!(found.windows(2).all(|w| (w[0].at, w[0].stream) < (w[1].at, w[1].stream)));
                last = found.len();
                if flushed {
                    break;
                }
            }
        });
        // Appending goes on beside it.
        append(&mut history, 50);
        asking.join().unwrap();
    });
    let (found, _) = ask(&reader, &names, 77, (0, i64::MAX), 10_000);
    assert_eq!(found.len(), 300);
    assert_eq!((history.watermark(), history.rows_pending()), (100, 50 * 2_000));
}
