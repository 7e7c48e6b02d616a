//! Who sees what. Whatever is asked, rows of other areas are as if they did not exist.

use chengmai_history::WindowRow;
use chengmai_model::{Reading, Tier, Timestamp};
use serde_json::json;

use super::Asker;
use crate::support::{MIDNIGHT, Names, open, reading};

const OWN: &str = "500103";
const FOREIGN: [&str; 6] = ["500100", "500101", "500102", "500104", "500105", "500106"];

/// Seven districts with as many rows each, half in files and half in memory, seen by one of them.
fn asker(dir: &std::path::Path) -> Asker {
    let (mut history, names) = (open(dir), Names::new(7));
    let rows: Vec<Reading> = (0..14).map(|n| reading(n, MIDNIGHT, f64::from(n))).collect();
    let codes: Vec<String> = (0..7).map(|n| format!("50010{n}")).collect();
    let windows: Vec<WindowRow<'_>> = (0..)
        .zip(&codes)
        .map(|(order, area)| WindowRow {
            indicator: "water.level",
            area,
            tier: Tier::District,
            area_order: order,
            start: Timestamp(MIDNIGHT),
            value: Some(1.0),
            coverage: 1.0,
            readings: 1,
        })
        .collect();
    history.append_readings(1, Timestamp(MIDNIGHT), &rows);
    history.append_windows(1, &windows);
    history.flush(&names).unwrap();
    let later: Vec<Reading> = rows.iter().map(|r| reading(r.stream.0, MIDNIGHT + 1, 1.0)).collect();
    history.append_readings(2, Timestamp(MIDNIGHT), &later);
    let mut asker = Asker::new(&history.reader(), 7);
    asker.see(OWN);
    asker
}

#[test]
fn every_table_yields_only_the_own_area() {
    let dir = tempfile::tempdir().unwrap();
    let asker = asker(dir.path());
    for (sql, rows) in [
        ("SELECT count(*) FROM readings", 4),
        ("SELECT count(*) FROM windows", 1),
        ("SELECT count(*) FROM areas", 1),
        ("SELECT count(*) FROM devices", 1),
        ("SELECT count(*) FROM readings WHERE area <> '500103'", 0),
        ("SELECT count(*) FROM readings WHERE area = '500101'", 0),
        ("SELECT count(*) FROM readings WHERE device = '设备-00001'", 0),
        ("SELECT count(*) FROM windows WHERE area IN ('500101', '500103')", 1),
        ("SELECT count(*) FROM readings WHERE true OR area = '500101'", 4),
    ] {
        assert_eq!(asker.one(sql), json!(rows), "{sql}");
    }
}

#[test]
fn no_query_sees_round_it() {
    let dir = tempfile::tempdir().unwrap();
    let asker = asker(dir.path());
    for sql in [
        "SELECT * FROM readings",
        "SELECT * FROM windows",
        "SELECT * FROM areas",
        "SELECT * FROM devices",
        "SELECT r.*, d.*, a.* FROM readings r FULL JOIN devices d ON true FULL JOIN areas a ON true",
        "SELECT * FROM readings UNION ALL SELECT * FROM readings",
        "SELECT area FROM readings UNION SELECT area FROM windows UNION SELECT code FROM areas",
        "SELECT area FROM windows EXCEPT SELECT '500103'",
        "SELECT (SELECT string_agg(area, ',') FROM readings) AS all_areas",
        "SELECT id FROM devices WHERE area NOT IN (SELECT code FROM areas)",
        "SELECT * FROM areas a WHERE EXISTS (SELECT 1 FROM readings r WHERE r.area <> a.code)",
        "WITH RECURSIVE t AS (SELECT area FROM readings UNION SELECT area FROM windows) SELECT * FROM t",
        "WITH areas AS (SELECT area AS code FROM readings) SELECT * FROM areas",
        "SELECT array_agg(DISTINCT area) FROM readings",
        "SELECT min(device), max(device), min(area), max(area) FROM readings",
        "SELECT first_value(area) OVER (ORDER BY area DESC) FROM readings",
        "SELECT * FROM chengmai.city.readings",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.columns",
        "SELECT area, grouping(area) FROM readings GROUP BY ROLLUP (area)",
        "EXPLAIN SELECT * FROM readings",
        "EXPLAIN VERBOSE SELECT * FROM readings JOIN areas ON code = area",
        "EXPLAIN ANALYZE SELECT count(*) FROM readings WHERE value >= 0",
    ] {
        let text = serde_json::to_string(&asker.rows(sql)).unwrap();
        for code in FOREIGN {
            assert!(!text.contains(code), "{sql} shows {code}: {text}");
            let device = format!("设备-0000{}", &code[5..]);
            assert!(!text.contains(&device), "{sql} shows {device}: {text}");
        }
    }
}

#[test]
fn counts_of_others_are_not_in_a_plan() {
    let dir = tempfile::tempdir().unwrap();
    let asker = asker(dir.path());
    let plan = asker.rows("EXPLAIN ANALYZE SELECT count(*) FROM readings WHERE value >= 0");
    let plan = serde_json::to_string(&plan).unwrap();
    assert!(plan.contains("output_rows=4"), "the own rows are counted: {plan}");
    for others in ["output_rows=28", "output_rows=24"] {
        assert!(!plan.contains(others), "{plan}");
    }
}
