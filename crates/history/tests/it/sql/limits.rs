//! What asking may cost, and what is said when it would cost more.

use std::task::{Context, Waker};
use std::time::Duration;

use chengmai_history::sql::{Format, Position, SqlError, SqlSettings};
use chengmai_model::{Reading, Timestamp};
use serde_json::json;

use super::{Asker, settings};
use crate::support::{MIDNIGHT, open, reading};

/// Works for days if it is let.
const ENDLESS: &str = "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000000) a \
                       CROSS JOIN generate_series(1, 1000000000) b";

fn asker(settings: SqlSettings) -> (tempfile::TempDir, Asker) {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let rows: Vec<Reading> = (0..50_000_i64)
        .map(|n| reading(u32::try_from(n % 16).unwrap(), MIDNIGHT + n, 1.0))
        .collect();
    history.append_readings(1, Timestamp(MIDNIGHT), &rows);
    let asker = Asker::with(&history.reader(), 8, settings);
    (dir, asker)
}

#[test]
fn an_answer_is_cut_at_the_limit_and_says_so() {
    let (_dir, mut asker) = asker(settings());
    for (limit, rows, cut) in [(10, 10, true), (49_999, 49_999, true), (50_000, 50_000, false)] {
        asker.rows_max = limit;
        let answer = asker.answer("SELECT value FROM readings", Format::Json).unwrap();
        assert_eq!((answer.rows, answer.cut), (rows, cut), "limit {limit}");
        let json: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap();
        assert_eq!((&json["row_count"], &json["cut"]), (&json!(rows), &json!(cut)));
    }
}

#[test]
fn who_goes_away_takes_the_work_with_them() {
    let (_dir, asker) = asker(SqlSettings { at_once_max: 1, ..settings() });
    asker.runtime.block_on(async {
        let mut endless = Box::pin(asker.sql.ask(asker.question(ENDLESS, Format::Json)));
        // Once asked, it holds the only turn.
        let mut context = Context::from_waker(Waker::noop());
        assert!(endless.as_mut().poll(&mut context).is_pending());
        drop(endless);
        // This one gets the turn only when the work has ended.
        let next = asker.sql.ask(asker.question("SELECT 1", Format::Csv)).await;
        assert_eq!(next.unwrap().rows, 1);
    });
}

#[test]
fn too_many_at_once_are_told_so() {
    let (_dir, asker) =
        asker(SqlSettings { at_once_max: 1, time_max: Duration::from_millis(200), ..settings() });
    asker.runtime.block_on(async {
        let endless = asker.sql.ask(asker.question(ENDLESS, Format::Json));
        let next = asker.sql.ask(asker.question("SELECT 1", Format::Json));
        let (endless, next) = futures_util::future::join(endless, next).await;
        assert_eq!(endless, Err(SqlError::TooSlow { after: Duration::from_millis(200) }));
        // Its time ran out with the other's, or it had its turn in the last moment.
        assert!(next.as_ref().is_err_and(|e| *e == SqlError::Busy { at_once_max: 1 }), "{next:?}");
    });
}

#[test]
fn too_much_memory_ends_the_query_and_nothing_else() {
    let (_dir, asker) = asker(SqlSettings { memory_bytes_max: 256 << 10, ..settings() });
    for sql in [
        "SELECT * FROM readings ORDER BY value, at",
        "SELECT at, count(*) FROM readings GROUP BY at",
        "SELECT value, count(*) OVER () FROM readings",
        "SELECT value, sum(value) OVER (PARTITION BY device) FROM readings",
        "SELECT count(*) FROM readings a JOIN readings b ON a.at = b.at",
    ] {
        let refusal = asker.refusal(sql);
        assert!(matches!(refusal, SqlError::TooMuchMemory { .. }), "{sql}: {refusal:?}");
    }
    assert_eq!(asker.one("SELECT count(*) FROM readings"), json!(50_000));
}

#[test]
fn an_answer_that_is_too_long_is_refused() {
    let (_dir, mut asker) = asker(SqlSettings { answer_bytes_max: 100_000, ..settings() });
    asker.rows_max = 1_000_000;
    for format in [Format::Json, Format::Csv, Format::Arrow, Format::Parquet] {
        let sql = "SELECT device, at, value, random() FROM readings";
        let refusal = asker.answer(sql, format).unwrap_err();
        assert_eq!(refusal, SqlError::AnswerTooLong { bytes_max: 100_000 }, "{format:?}");
    }
}

#[test]
fn a_fault_is_told_with_its_place() {
    let (_dir, asker) = asker(settings());
    let place = |sql: &str| match asker.refusal(sql) {
        SqlError::Syntax { at, .. } => ("syntax", at),
        SqlError::Unknown { at, .. } => ("unknown", at),
        SqlError::Senseless { at, .. } => ("senseless", at),
        other => panic!("{sql}: {other:?}"),
    };
    let at = |line, column| Some(Position { line, column });
    assert_eq!(place("SELECT device\nFORM readings WHERE"), ("syntax", at(2, 6)));
    assert_eq!(place("SELECT devise\nFROM readings"), ("unknown", at(1, 8)));
    assert_eq!(place("SELECT 1 FROM reading").0, "unknown");
    assert_eq!(place("SELECT no_such_function(1)").0, "unknown");
    assert_eq!(place("SELECT device, count(*) FROM readings").0, "senseless");
}

#[test]
fn a_row_that_cannot_be_worked_out_is_the_querys_fault() {
    let (_dir, asker) = asker(settings());
    for sql in ["SELECT 1 / 0", "SELECT CAST(device AS INT) FROM readings"] {
        let refusal = asker.refusal(sql);
        assert!(matches!(refusal, SqlError::Failed { .. }), "{sql}: {refusal:?}");
    }
}

#[test]
fn no_text_can_be_made_to_grow_without_end() {
    let (_dir, asker) = asker(settings());
    // Doubles forty times, in constants and in columns.
    let doubling = |first: &str, join: &str| {
        let steps: Vec<String> = (1..40)
            .map(|n| format!("t{n} AS (SELECT {} AS a FROM t{})", join.replace('$', "a"), n - 1))
            .collect();
        format!("WITH t0 AS ({first}), {} SELECT length(a) FROM t39", steps.join(", "))
    };
    for first in ["SELECT 'xxxxxxxx' AS a", "SELECT device AS a FROM readings"] {
        for join in ["$ || $", "concat($, $)", "concat_ws('-', $, $)"] {
            let refusal = asker.refusal(&doubling(first, join));
            let bounded = matches!(refusal, SqlError::Failed { .. } | SqlError::NotAllowed { .. });
            assert!(bounded, "{first} {join}: {refusal:?}");
        }
    }
    for sql in ["SELECT repeat('x', 2000000000)", "SELECT lpad('x', 2000000000)"] {
        let refusal = asker.refusal(sql);
        assert!(matches!(refusal, SqlError::Unknown { .. }), "{sql}: {refusal:?}");
    }
    assert_eq!(asker.one("SELECT 'a' || '-' || concat('b', 'c')"), json!("a-bc"));
}

#[test]
fn a_query_as_deep_as_its_text_can_be_leaves_the_program_alive() {
    let (_dir, asker) = asker(settings());
    for sql in [
        format!("SELECT {}1", "1+".repeat(8_000)),
        format!("SELECT {}true", "NOT ".repeat(4_000)),
        format!("SELECT {}1", "- ".repeat(8_000)),
        format!("SELECT 1 WHERE {}", vec!["value = 1"; 1_200].join(" OR ")),
        format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(800)),
        format!("{}SELECT 1{}", "SELECT * FROM (".repeat(900), ")".repeat(900)),
    ] {
        // Answered or refused; what matters is that somebody is there for the next question.
        let _ = asker.answer(&sql, Format::Csv);
        assert_eq!(asker.one("SELECT 1"), json!(1));
    }
}
