//! A chart of any length in one short answer: readings where they are few, else their sums.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{City, Folder, now_ms, until};

const GRID: &str = "500103001001001";

/// Step, number of points, number of readings, least and greatest value of a chart.
fn chart(city: &City, query: &str) -> (i64, usize, u64, f64, f64) {
    let (status, told) = city.get(&format!("/api/v1/devices/m1/series?{query}"), &city.admin);
    assert_eq!(status, 200, "{told}");
    let points = told["points"].as_array().unwrap();
    let number = |point: &Value, name: &str| point[name].as_f64().unwrap();
    let readings = points.iter().map(|point| point["readings"].as_u64().unwrap()).sum();
    let min = points.iter().map(|point| number(point, "min")).fold(f64::MAX, f64::min);
    let max = points.iter().map(|point| number(point, "max")).fold(f64::MIN, f64::max);
    for point in points {
        let value = number(point, "value");
        assert!(number(point, "min") <= value && value <= number(point, "max"), "{point}");
    }
    (told["step_ms"].as_i64().unwrap(), points.len(), readings, min, max)
}

#[test]
fn a_chart_shows_readings_where_they_are_few_and_else_sums_that_leave_none_out() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\nm1,methane,{GRID},1m\n"));
    let now = now_ms();
    let mut lines = String::new();
    // Three hours, a reading a minute; and one of half a year ago.
    for minute in 0..180_i64 {
        let value = minute % 7;
        writeln!(lines, "methane,device=m1 value={value} {}", now - minute * 60_000 - 1).unwrap();
    }
    writeln!(lines, "methane,device=m1 value=42 {}", now - 180 * 86_400_000).unwrap();
    assert_eq!(city.write(&city.admin, &lines).0, 204);
    until("they are in history", || (chart(&city, "").2 == 180).then_some(()));
    assert_eq!(chart(&city, ""), (0, 180, 180, 0.0, 6.0));
    let (step, points, readings, min, max) = chart(&city, "points=20");
    assert!(step >= 86_400_000 / 20 && points <= 20, "{step} {points}");
    assert_eq!((readings, min, max), (180, 0.0, 6.0));
    let day = |ms: i64| {
        let whole = ms / 86_400_000 * 86_400_000;
        chengmai_model::Timestamp(whole).to_rfc3339()
    };
    let year = format!("from={}&to={}", day(now - 365 * 86_400_000), day(now + 86_400_000));
    let (step, points, readings, min, max) = chart(&city, &year);
    assert_eq!(step % 3_600_000, 0, "{step}");
    assert!(points <= 1_500, "{points}");
    assert_eq!((readings, min, max), (181, 0.0, 42.0), "all of a year");
    let (status, refused) = city.get("/api/v1/devices/m1/series?points=1501", &city.admin);
    assert_eq!((status, refused["code"].as_str()), (400, Some("E-205")), "{refused}");
}
