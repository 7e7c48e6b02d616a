//! All readings of a kind: memory and files of every sort together, in order of time, each once, and
//! only of the devices asked for.

use std::ops::ControlFlow;
use std::path::Path;

use chengmai_history::{HistoryReader, KindQuery, KindRow};
use chengmai_model::{StreamId, Timestamp};

use crate::compaction::{compact, copy_into};
use crate::support::{DAY_MS, MIDNIGHT, Names, open, reading};

const HOUR_MS: i64 = DAY_MS / 24;

/// The levels of devices 0 and 2, under the numbers 0 and 1; the level of device n is stream 2n.
fn levels(reader: &HistoryReader, from: i64, to: i64) -> Vec<KindRow> {
    let wanted = ["设备-00000", "设备-00002"];
    let device =
        |name: &str| wanted.iter().position(|w| *w == name).map(|n| u32::try_from(n).unwrap());
    let query = KindQuery {
        kind: "level",
        streams: &[(StreamId(0), 0), (StreamId(4), 1)],
        device: &device,
        from: Timestamp(from),
        to: Timestamp(to),
    };
    let mut found = Vec::new();
    let mut each = |rows: &[KindRow]| {
        found.extend_from_slice(rows);
        ControlFlow::Continue(())
    };
    reader.kind_readings(&query, &mut each).unwrap();
    found
}

#[test]
fn readings_of_a_kind_come_in_order_of_time_from_files_and_memory() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(4);
    let mut history = open(dir.path());
    let at = |n: i64| MIDNIGHT + n * HOUR_MS;
    // Three days, hour after hour; some hours twice, and the second half stays in memory.
    let rows = |hours: std::ops::Range<i64>| {
        let all = hours.flat_map(|hour| (0..8).map(move |stream| (stream, hour)));
        all.map(|(stream, hour)| reading(stream, at(hour), f64::from(stream))).collect::<Vec<_>>()
    };
    history.append_readings(1, Timestamp(MIDNIGHT), &rows(0..40));
    history.flush(&names).unwrap();
    history.append_readings(2, Timestamp(MIDNIGHT), &rows(38..72));
    let hours = (2..70).flat_map(|hour| [(0, at(hour), 0.0), (1, at(hour), 4.0)]);
    let expected: Vec<KindRow> = hours.collect();
    assert_eq!(levels(&history.reader(), at(2), at(70)), expected);

    history.flush(&names).unwrap();
    assert!(compact(&history, &names) > 0);
    assert_eq!(levels(&history.reader(), at(2), at(70)), expected, "in packed files");
}

#[test]
fn who_has_enough_is_asked_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path());
    let mut slices = 0;
    let mut first_only = |_: &[KindRow]| {
        slices += 1;
        ControlFlow::Break(())
    };
    let query = KindQuery {
        kind: "level",
        streams: &[],
        device: &|_| None,
        from: Timestamp(MIDNIGHT),
        to: Timestamp(MIDNIGHT + 3 * DAY_MS),
    };
    history.reader().kind_readings(&query, &mut first_only).unwrap();
    assert_eq!(slices, 1);
}

#[test]
fn files_of_the_first_format_are_found_by_the_names_of_devices() {
    let dir = tempfile::tempdir().unwrap();
    copy_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/history-v1"), dir.path());
    let history = open(dir.path());
    let mut expected = Vec::new();
    for minute in 0..60_i64 {
        let at = MIDNIGHT - 1_800_000 + minute * 60_000;
        let tenths = minute as f64 / 10.0;
        expected.extend([(0, at, tenths), (1, at + 28, 4.0 + tenths)]);
    }
    let ever = (MIDNIGHT - DAY_MS, MIDNIGHT + DAY_MS);
    assert_eq!(levels(&history.reader(), ever.0, ever.1), expected);
}
