//! Which rows there are.

use std::sync::atomic::{AtomicBool, Ordering};

use chengmai_history::WindowRow;
use chengmai_history::sql::Format;
use chengmai_model::{Reading, Tier, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::Asker;
use crate::support::{DAY_MS, MIDNIGHT, Names, open, reading};

#[test]
fn files_and_memory_are_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let (mut history, names) = (open(dir.path()), Names::new(8));
    let asker = Asker::new(&history.reader(), 8);
    let rows: Vec<Reading> = (0..16).map(|n| reading(n, MIDNIGHT + 1, f64::from(n))).collect();
    history.append_readings(1, Timestamp(MIDNIGHT + 5), &rows);
    assert_eq!(asker.one("SELECT count(*) FROM readings"), json!(16), "all in memory");
    history.flush(&names).unwrap();
    assert_eq!(asker.one("SELECT count(*) FROM readings"), json!(16), "all in files");
    history.append_readings(2, Timestamp(MIDNIGHT + 9), &rows[..4]);
    let sql = "SELECT device, kind, area, at, value, received_at, area_name, district FROM readings \
               WHERE kind = 'flow' AND device = '设备-00001' ORDER BY received_at";
    let expected = |received: &str| {
        json!([
            "设备-00001",
            "flow",
            "500101",
            "2026-11-20T16:00:00.001Z",
            3.0,
            received,
            "区域500101",
            "500101"
        ])
    };
    assert_eq!(
        serde_json::to_value(asker.rows(sql)).unwrap(),
        json!([expected("2026-11-20T16:00:00.005Z"), expected("2026-11-20T16:00:00.009Z")]),
    );
    let sums = asker.counts("SELECT kind, sum(value) FROM readings GROUP BY kind");
    assert_eq!(
        sums.into_iter().collect::<Vec<_>>(),
        [("flow".into(), 68.0), ("level".into(), 58.0)]
    );
}

#[test]
fn of_a_corrected_window_only_the_last_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut history, names) = (open(dir.path()), Names::new(1));
    let asker = Asker::new(&history.reader(), 1);
    let row = |area, start: i64, value| WindowRow {
        indicator: "water.level",
        area,
        tier: Tier::District,
        area_order: 1,
        start: Timestamp(MIDNIGHT + start),
        value: Some(value),
        coverage: 0.5,
        readings: 3,
    };
    history
        .append_windows(1, &[row("500101", 0, 1.0), row("500101", 60, 2.0), row("500102", 0, 3.0)]);
    history.flush(&names).unwrap();
    history.append_windows(2, &[row("500101", 0, 10.0)]);
    history.flush(&names).unwrap();
    history.append_windows(3, &[row("500101", DAY_MS, 4.0), row("500101", 60, 20.0)]);
    history.append_windows(4, &[row("500101", 60, 21.0)]);
    let values = |more: &str| -> Vec<f64> {
        let sql = format!("SELECT value FROM windows {more} ORDER BY area, start");
        asker.rows(&sql).iter().map(|row| row[0].as_f64().unwrap()).collect()
    };
    assert_eq!(values(""), [10.0, 21.0, 4.0, 3.0]);
    assert_eq!(values("WHERE area = '500101'"), [10.0, 21.0, 4.0]);
    assert_eq!(values("WHERE value < 3"), [0.0; 0], "the values that were corrected are gone");
    assert_eq!(
        values("WHERE start < '2026-11-21T00:00:00+08:00'::timestamptz + INTERVAL '1 hour'"),
        [10.0, 21.0, 3.0]
    );
    assert_eq!(asker.one("SELECT count(*) FROM windows"), json!(4));
}

#[test]
fn no_row_is_missing_or_double_while_files_are_written_beside() {
    let dir = tempfile::tempdir().unwrap();
    let (mut history, names) = (open(dir.path()), Names::new(3));
    let asker = Asker::new(&history.reader(), 3);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..400_i64 {
                // One row a number, without gaps: whoever sees 30 rows must see the first 30.
                let rows: Vec<Reading> = (0..10)
                    .map(|i| reading(u32::try_from(i % 6).unwrap(), MIDNIGHT + n * 10 + i, 1.0))
                    .collect();
                history.append_readings(u64::try_from(n + 1).unwrap(), Timestamp(MIDNIGHT), &rows);
                if n % 3 == 0 {
                    history.flush(&names).unwrap();
                }
            }
            done.store(true, Ordering::Release);
        });
        let sql = format!(
            "SELECT a.n, a.d, a.top, b.n FROM \
             (SELECT count(*) AS n, count(DISTINCT at) AS d, \
                     max(date_part('epoch', at) * 1000) - {MIDNIGHT} AS top FROM readings) a, \
             (SELECT count(*) AS n FROM readings) b"
        );
        let mut seen = 0;
        while !done.load(Ordering::Acquire) || seen < 4_000 {
            let row = asker.rows(&sql).remove(0);
            #[expect(clippy::cast_possible_truncation, reason = "counts and milliseconds")]
            let number = |index: usize| row[index].as_f64().unwrap_or(-1.0).round() as i64;
            assert!(number(0) == number(1), "a row is there twice: {row:?}");
            assert!(number(0) == number(2) + 1, "a row is missing: {row:?}");
            assert!(number(0) == number(3), "two looks of one query differ: {row:?}");
            seen = row[0].as_u64().unwrap();
        }
    });
}

#[test]
fn every_format_holds_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (mut history, _) = (open(dir.path()), Names::new(2));
    let asker = Asker::new(&history.reader(), 2);
    history.append_readings(
        1,
        Timestamp(MIDNIGHT),
        &[reading(0, MIDNIGHT, 1.5), reading(1, MIDNIGHT, f64::from(2))],
    );
    let sql = "SELECT device, at, value, NULL::text AS nothing FROM readings ORDER BY value";
    let csv = asker.answer(sql, Format::Csv).unwrap();
    assert_eq!(
        String::from_utf8(csv.bytes).unwrap(),
        "device,at,value,nothing\n设备-00000,2026-11-20T16:00:00Z,1.5,\n\
         设备-00000,2026-11-20T16:00:00Z,2.0,\n",
    );
    let json = asker.answer(sql, Format::Json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.bytes).unwrap();
    assert_eq!(
        json,
        json!({"columns": [{"name": "device", "type": "text"}, {"name": "at", "type": "time"},
                {"name": "value", "type": "number"}, {"name": "nothing", "type": "text"}],
            "rows": [["设备-00000", "2026-11-20T16:00:00Z", 1.5, null],
                ["设备-00000", "2026-11-20T16:00:00Z", 2.0, null]],
            "row_count": 2, "cut": false}),
    );
    let parquet = bytes::Bytes::from(asker.answer(sql, Format::Parquet).unwrap().bytes);
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(parquet, 10);
    let rows: usize = reader.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 2);
    let arrow = asker.answer(sql, Format::Arrow).unwrap().bytes;
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.as_slice(), None).unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 2);
    let none = "SELECT device FROM readings WHERE value > 9";
    assert_eq!(asker.answer(none, Format::Csv).unwrap().bytes, b"device\n");
}

#[test]
fn a_sheet_takes_no_words_of_a_csv_answer_for_a_formula_and_numbers_stay() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let asker = Asker::new(&history.reader(), 2);
    let sql =
        "SELECT '=cmd|''/c calc''!A0' AS words, '@SUM(1)' AS more, -1.5 AS number, 'a=b' AS plain";
    let csv = asker.answer(sql, Format::Csv).unwrap();
    assert_eq!(
        String::from_utf8(csv.bytes).unwrap(),
        "words,more,number,plain\n'=cmd|'/c calc'!A0,'@SUM(1),-1.5,a=b\n"
    );
    let json = asker.rows(sql);
    assert_eq!(json[0][0], "=cmd|'/c calc'!A0", "programs get the words as they are");
}

#[test]
fn the_plan_says_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let asker = Asker::new(&history.reader(), 2);
    let plan = asker.rows(
        "EXPLAIN SELECT avg(value) FROM readings WHERE device IN ('a', 'b') AND kind = 'level' \
         AND at >= '2026-11-21T00:00:00Z' AND at < now()",
    );
    let plan = serde_json::to_string(&plan).unwrap();
    for part in ["device in [a, b]", "kind in [level]", "at >= 2026-11-21T00:00:00.000Z, at < "] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let tables = serde_json::to_string(&asker.rows("SHOW TABLES")).unwrap();
    for table in ["readings", "windows", "areas", "devices", "kinds", "indicators"] {
        assert!(tables.contains(table), "{tables}");
    }
    assert_eq!(asker.rows("DESCRIBE readings").len(), 8);
}

/// A step in the life of a history.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u32, i64, i16)>),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0..12_u32, -3..5_i64, any::<i16>());
    let append = proptest::collection::vec(row, 1..40).prop_map(Step::Append);
    proptest::collection::vec(prop_oneof![3 => append, 1 => Just(Step::Flush)], 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn conditions_that_are_pushed_down_find_the_same_rows(
        steps in steps(), device in 0..7_u32, from in -3..5_i64, hours in 1..80_i64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, names) = (open(dir.path()), Names::new(6));
        let mut all: Vec<Reading> = Vec::new();
        for (sequence, step) in (1..).zip(&steps) {
            match step {
                Step::Append(rows) => {
                    let rows: Vec<Reading> = rows
                        .iter()
                        .map(|&(s, day, v)| reading(s, MIDNIGHT + day * DAY_MS / 2, f64::from(v)))
                        .collect();
                    history.append_readings(sequence, Timestamp(MIDNIGHT), &rows);
                    all.extend(rows);
                }
                Step::Flush => drop(history.flush(&names).unwrap()),
            }
        }
        let asker = Asker::new(&history.reader(), 6);
        let (from, to) = (MIDNIGHT + from * DAY_MS / 2, MIDNIGHT + from * DAY_MS / 2 + hours * 3_600_000);
        let name = format!("设备-{device:05}");
        let at = |ms: i64| format!("'{}'", Timestamp(ms).to_rfc3339());
        let ask = |more: &str| {
            let row = asker.rows(&format!("SELECT count(*), coalesce(sum(value), 0) FROM readings {more}"));
            (row[0][0].as_u64().unwrap(), row[0][1].as_f64().unwrap())
        };
        let plain = |keep: &dyn Fn(&&Reading) -> bool| {
            let kept: Vec<&Reading> = all.iter().filter(keep).collect();
            (kept.len() as u64, kept.iter().map(|r| r.value).sum::<f64>())
        };
        prop_assert_eq!(ask(""), plain(&|_| true));
        prop_assert_eq!(
            ask(&format!("WHERE device = '{name}'")), plain(&|r| r.stream.0 / 2 == device));
        prop_assert_eq!(
            ask(&format!("WHERE at >= {} AND at < {}", at(from), at(to))),
            plain(&|r| (from..to).contains(&r.at.0)));
        prop_assert_eq!(
            ask(&format!("WHERE kind = 'flow' AND at BETWEEN {} AND {} AND value > 0", at(from), at(to))),
            plain(&|r| r.stream.0 % 2 == 1 && (from..=to).contains(&r.at.0) && r.value > 0.0));
        prop_assert_eq!(
            ask(&format!("WHERE device IN ('{name}', 'x') OR at > {}", at(to))),
            plain(&|r| r.stream.0 / 2 == device || r.at.0 > to));
    }
}
