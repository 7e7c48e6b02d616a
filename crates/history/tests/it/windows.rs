//! Windows asked for: the last one written of a start wins, wherever it lies.

use chengmai_history::{History, WindowPoint, WindowRow, WindowsQuery};
use chengmai_model::{Tier, Timestamp};
use proptest::prelude::*;

use crate::support::{DAY_MS, MIDNIGHT, Names, open, parquet_files};

const INDICATORS: [&str; 3] = ["water.level", "air.pm25", "gas.pressure"];
const AREAS: [&str; 3] = ["50", "500103", "500112"];

fn row(indicator: usize, area: usize, start: i64, value: Option<f64>) -> WindowRow<'static> {
    WindowRow {
        indicator: INDICATORS[indicator],
        area: AREAS[area],
        tier: if area == 0 { Tier::City } else { Tier::District },
        area_order: u32::try_from(area).unwrap(),
        start: Timestamp(start),
        value,
        coverage: 0.75,
        readings: 12,
    }
}

fn ask(history: &History, indicator: usize, area: usize, from: i64, to: i64) -> Vec<WindowPoint> {
    let query = WindowsQuery {
        indicator: INDICATORS[indicator],
        area: AREAS[area],
        from: Timestamp(from),
        to: Timestamp(to),
    };
    history.reader().windows(&query).unwrap()
}

fn values(points: &[WindowPoint]) -> Vec<(i64, Option<f64>)> {
    points.iter().map(|p| (p.start.0 - MIDNIGHT, p.value)).collect()
}

#[test]
fn a_corrected_window_replaces_the_first_in_memory_in_one_file_and_across_files() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(0);
    let mut history = open(dir.path());
    let start = MIDNIGHT;
    history.append_windows(1, &[row(0, 1, start, Some(1.0)), row(0, 1, start + 60_000, Some(5.0))]);
    history.append_windows(2, &[row(0, 1, start, Some(2.0))]);
    let two = [(0, Some(2.0)), (60_000, Some(5.0))];
    assert_eq!(values(&ask(&history, 0, 1, 0, i64::MAX)), two, "in memory");
    history.flush(&names).unwrap();
    assert_eq!(values(&ask(&history, 0, 1, 0, i64::MAX)), two, "in one file");
    history.append_windows(3, &[row(0, 1, start, None)]);
    let none = [(0, None), (60_000, Some(5.0))];
    assert_eq!(values(&ask(&history, 0, 1, 0, i64::MAX)), none, "file and memory");
    history.flush(&names).unwrap();
    assert_eq!(values(&ask(&history, 0, 1, 0, i64::MAX)), none, "across files");
    let point = ask(&history, 0, 1, start, start + 1)[0];
    assert_eq!((point.coverage, point.readings), (0.75, 12));
    assert_eq!(ask(&history, 0, 1, start + 1, start + 60_000), []);
    assert_eq!(ask(&history, 1, 1, 0, i64::MAX), []);
}

#[test]
fn one_indicator_in_one_area_is_found_among_many_without_reading_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let codes: Vec<String> = (0..400).map(|n| format!("ind.{n:03}")).collect();
    let areas: Vec<String> = (0..40).map(|n| format!("5001{n:02}")).collect();
    let mut rows = Vec::new();
    for window in 0..20 {
        for indicator in &codes {
            for (area, order) in areas.iter().zip(0..) {
                let start = Timestamp(MIDNIGHT + window * 60_000);
                let value = Some(f64::from(order));
                let (tier, area_order) = (Tier::District, order);
                rows.push(WindowRow {
                    indicator,
                    area,
                    tier,
                    area_order,
                    start,
                    value,
                    coverage: 1.0,
                    readings: 1,
                });
            }
        }
    }
    history.append_windows(1, &rows);
    history.flush(&Names::new(0)).unwrap();
    assert_eq!(parquet_files(&dir.path().join("windows")).len(), 1);
    let (from, to) = (Timestamp(MIDNIGHT), Timestamp(MIDNIGHT + DAY_MS));
    let query = WindowsQuery { indicator: "ind.217", area: "500133", from, to };
    let (points, cost) = history.reader().windows_with_cost(&query).unwrap();
    assert_eq!(points.len(), 20);
    assert!(points.iter().all(|p| p.value == Some(33.0)));
    assert_eq!(cost.row_groups, 1, "of three");
    assert!(cost.rows <= 2 * 8_192, "{cost:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_last_window_written_of_a_start_wins(
        rows in prop::collection::vec(
            (0_usize..3, 0_usize..3, 0_i64..30, prop::option::of(-5.0..5.0), 0_u8..10),
            1..120,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let names = Names::new(0);
        let mut history = open(dir.path());
        let mut plain = std::collections::BTreeMap::new();
        for ((indicator, area, hour, value, then), sequence) in rows.into_iter().zip(1..) {
            let start = MIDNIGHT + hour * 3_600_000;
            history.append_windows(sequence, &[row(indicator, area, start, value)]);
            plain.insert((indicator, area, hour * 3_600_000), value);
            if then == 0 {
                history.flush(&names).unwrap();
            }
        }
        for indicator in 0..3 {
            for area in 0..3 {
                let wanted: Vec<_> = plain
                    .range((indicator, area, i64::MIN)..=(indicator, area, i64::MAX))
                    .map(|(&(_, _, start), &value)| (start, value))
                    .collect();
                prop_assert_eq!(values(&ask(&history, indicator, area, 0, i64::MAX)), wanted);
            }
        }
    }
}
