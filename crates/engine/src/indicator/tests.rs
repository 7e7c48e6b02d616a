//! Vital signs: roll-up, coverage, choice of the window to show, levels, closing windows.

use chengmai_model::time::MINUTE_MS;
use chengmai_model::{StreamId, Timestamp};

use crate::testing::{MIDNIGHT, area, check_script, engine, indicator, kind, play, register};
use crate::{Engine, Event, IndicatorValue};

/// Streams 0 and 1 in `T1`, 2 in `T2`, 3 in `T3`.
fn four(indicators: &str) -> Engine {
    let kinds = kind("k", "") + &kind("other", "");
    let mut engine = engine(&[("kinds.toml", &kinds), ("indicators.toml", indicators)]);
    for code in ["T1", "T1", "T2", "T3"] {
        register(&mut engine, "k", code);
    }
    engine
}

fn shown(engine: &Engine, code: &str) -> IndicatorValue {
    engine.value(0, area(code))
}

fn check_formula(formula: &str, expected: &[(&str, Option<f64>)]) {
    let mut engine = four(&indicator("p.s", formula, "5m", ""));
    play(
        &mut engine,
        "
        0s #0 10
        0s #1 20
        1m #0 30
        1m #2 40
        1m #3 0.5
        2m tick
        ",
    );
    for &(code, value) in expected {
        assert_eq!(shown(&engine, code).value, value, "{formula} over {code}");
    }
}

#[test]
fn terms_roll_up_and_ratios_are_taken_at_each_area() {
    check_formula("count(k)", &[("T1", Some(3.0)), ("D1", Some(4.0)), ("C", Some(5.0))]);
    check_formula("sum(k)", &[("T1", Some(60.0)), ("D1", Some(100.0)), ("C", Some(100.5))]);
    check_formula("mean(k)", &[("T1", Some(20.0)), ("D1", Some(25.0)), ("D2", Some(0.5))]);
    check_formula("min(k)", &[("T1", Some(10.0)), ("D1", Some(10.0)), ("C", Some(0.5))]);
    check_formula("max(k)", &[("T1", Some(30.0)), ("D1", Some(40.0)), ("T3", Some(0.5))]);
    check_formula("last(k)", &[("T1", Some(30.0)), ("C", Some(40.0))]);
    check_formula(
        "100 * count(k < 30) / count(k)",
        &[("T1", Some(200.0 / 3.0)), ("D1", Some(50.0)), ("T2", Some(0.0)), ("C", Some(60.0))],
    );
    check_formula("count(k >= 10 && k <= 30)", &[("C", Some(3.0))]);
    check_formula("count(20 < k)", &[("C", Some(2.0))]);
    check_formula("max(k) - min(k)", &[("T1", Some(20.0)), ("D1", Some(30.0))]);
    check_formula("count(k > 50) > 0 ? 1 : 2", &[("C", Some(2.0))]);
    check_formula("sum(k) / count(k > 35)", &[("T1", None), ("C", Some(100.5))]);
    check_formula("count(k) + count(other)", &[("C", Some(5.0))]);
    check_formula("mean(k) + mean(other)", &[("C", None)]);
}

#[test]
fn registrations_and_liveness_roll_up_without_readings() {
    let mut engine = four(&indicator("p.s", "100 * online_ratio(k)", "5m", ""));
    play(&mut engine, "0s tick");
    assert_eq!(shown(&engine, "C").value, Some(0.0));
    play(&mut engine, "1m #0 1\n1m #3 1\n1m tick");
    assert_eq!(shown(&engine, "C").value, Some(50.0));
    assert_eq!(shown(&engine, "T1").value, Some(50.0));
    assert_eq!(shown(&engine, "T2").value, Some(0.0));
    assert_eq!(shown(&engine, "C").coverage, Some(1.0));
    play(&mut engine, "2m #0 2\n4m tick");
    assert_eq!(shown(&engine, "C").value, Some(25.0), "stream 3 is silent for three minutes");
}

#[test]
fn coverage_is_the_share_of_expected_readings_and_never_above_one() {
    let mut engine = four(&indicator("p.s", "count(k)", "5m", ""));
    play(&mut engine, "0s #0 1\n1m #0 2\n1m #2 2\n1m tick");
    // Two streams at one reading a minute: ten readings in five minutes.
    assert_eq!(shown(&engine, "T1").coverage, Some(0.2));
    assert_eq!(shown(&engine, "T2").coverage, Some(0.2));
    assert_eq!(shown(&engine, "C").coverage, Some(0.15));
    assert_eq!(shown(&engine, "T3").coverage, None);
    assert_eq!(shown(&engine, "T3").value, None);
    for second in 0..20 {
        play(&mut engine, &format!("2m{second}s #2 {second}"));
    }
    play(&mut engine, "3m tick");
    assert_eq!(shown(&engine, "T2").coverage, Some(1.0));
}

#[test]
fn the_newest_window_with_enough_coverage_is_shown() {
    let mut engine = four(&indicator("p.s", "mean(k)", "5m", "coverage_min = 50"));
    play(&mut engine, "0s #2 10\n1m #2 10\n1m tick");
    let value = shown(&engine, "T2");
    assert_eq!((value.value, value.uncertain), (Some(10.0), true), "two of five readings");
    play(&mut engine, "2m #2 10\n2m tick");
    assert!(!shown(&engine, "T2").uncertain, "three of five");
    play(&mut engine, "5m #2 90\n5m tick");
    let value = shown(&engine, "T2");
    assert_eq!((value.value, value.uncertain), (Some(10.0), false), "the new window still fills");
    assert_eq!(value.window_start, MIDNIGHT);
    play(&mut engine, "6m #2 90\n7m #2 90\n7m tick");
    let value = shown(&engine, "T2");
    assert_eq!((value.value, value.previous), (Some(90.0), Some(10.0)));
    assert_eq!(value.window_start, MIDNIGHT.plus_ms(5 * MINUTE_MS));
    assert_eq!(value.readings, 3);
    // Window 5m..10m closes at 25m; until 30m and beyond nothing else comes.
    play(&mut engine, "26m tick");
    assert!(!shown(&engine, "T2").uncertain);
    play(&mut engine, "31m tick");
    let value = shown(&engine, "T2");
    assert_eq!((value.value, value.uncertain), (Some(90.0), true), "old by now");
}

#[test]
fn late_readings_correct_open_windows_and_leave_closed_ones_alone() {
    let mut engine = four(&indicator("p.s", "sum(k)", "1m", ""));
    play(&mut engine, "0s #0 1\n30s tick\n10m #0 1\n10m tick");
    let late = |engine: &mut Engine, received_m: i64, value: f64| {
        let reading =
            chengmai_model::Reading { stream: StreamId(1), at: MIDNIGHT.plus_ms(10_000), value };
        let received = MIDNIGHT.plus_ms(received_m * MINUTE_MS);
        engine.apply(900, received, &[reading], &mut Vec::new()).late
    };
    assert_eq!(late(&mut engine, 15, 5.0), 0, "open until sixteen minutes past");
    let mut events = Vec::new();
    engine.tick(MIDNIGHT.plus_ms(16 * MINUTE_MS), &mut events);
    let sums: Vec<Option<f64>> = events
        .iter()
        .filter_map(|e| if let Event::Window(w) = e { Some(w.value) } else { None })
        .collect();
    assert_eq!(sums, [Some(6.0); 3], "city, district, town");
    assert_eq!(late(&mut engine, 17, 6.0), 1);
    assert_eq!(engine.totals().late, 1);
}

#[test]
fn windows_close_once_with_their_final_value() {
    let mut engine = four(&indicator("p.s", "mean(k)", "5m", ""));
    check_script(
        &mut engine,
        "
        0s #2 10:
        6m #2 20:
        19m59s tick: offline
        20m tick: window Some(10.0) of 1 at 0, window Some(10.0) of 1 at 1, window Some(10.0) of 1 at 3
        21m tick:
        25m tick: window Some(20.0) of 1 at 0, window Some(20.0) of 1 at 1, window Some(20.0) of 1 at 3
        1h tick:
        ",
    );
}

#[test]
fn a_level_counts_after_its_hold_and_warns_on_the_tiers_named() {
    let levels =
        "levels = { blue = 80, red = 50, hysteresis = 5, hold = \"1m\", warn = [\"district\"] }";
    let mut engine = four(&indicator("p.s", "last(k)", "1m", levels));
    check_script(
        &mut engine,
        "
        0s #2 70:
        1s tick:
        50s tick:
        61s tick: warning 1 of 0
        61s #2 40:
        62s tick:
        120s #2 40:
        122s tick: warning now 4 of 0
        123s #2 84:
        150s tick:
        184s #2 86:
        210s tick: warning now 1 of 0
        245s #2 86:
        250s tick:
        280s tick: warning off 1 of 0
        ",
    );
    assert_eq!(shown(&engine, "D1").severity, 0);
    assert_eq!(shown(&engine, "D2").severity, 0);
}

#[test]
fn only_what_changed_is_told() {
    let mut engine = four(&indicator("p.s", "mean(k)", "5m", ""));
    play(&mut engine, "0s tick\n1s #2 5\n2s tick");
    let changed = engine.changed();
    let areas: Vec<u32> = changed.iter().map(|(_, area)| area.0).collect();
    assert_eq!(areas, [0, 1, 3], "city, district 1, town 2");
    play(&mut engine, "3s tick");
    assert_eq!(engine.changed(), []);
}

#[test]
fn a_day_window_begins_at_local_midnight() {
    let kinds = kind("k", "");
    let indicators = indicator("p.s", "count(k)", "1d", "");
    let files = [("kinds.toml", kinds.as_str()), ("indicators.toml", indicators.as_str())];
    let catalog = engine(&files).catalog().clone();
    let settings = crate::Settings { utc_offset_ms: 8 * 60 * MINUTE_MS, ..Default::default() };
    let mut engine = Engine::new(catalog, crate::testing::city(), settings);
    register(&mut engine, "k", "T1");
    play(&mut engine, "15h59m 1\n16h1m 1\n16h2m 2\n16h2m tick");
    let value = engine.value(0, area("C"));
    assert_eq!(value.window_start, Timestamp(MIDNIGHT.0 + 16 * 60 * MINUTE_MS));
    assert_eq!((value.value, value.previous), (Some(2.0), None));
}

#[test]
fn a_quantile_is_near_its_reading_on_every_tier_after_corrections_and_a_restart() {
    let indicators = indicator("p.s", "quantile(k, 0.5)", "5m", "");
    let mut engine = four(&indicators);
    play(&mut engine, "0s #0 10\n0s #1 20\n1m #0 30\n1m #2 40\n1m #3 0.5\n1m #3 77\n2m tick");
    let near = |engine: &Engine, expected: [(&str, f64); 5]| {
        for (code, wanted) in expected {
            let found = shown(engine, code).value.unwrap();
            assert!((found - wanted).abs() <= 0.01 * wanted, "{found} over {code}, not {wanted}");
        }
    };
    near(&engine, [("T1", 20.0), ("T2", 40.0), ("T3", 0.5), ("D1", 20.0), ("C", 20.0)]);
    let minute = Timestamp(MIDNIGHT.0 + MINUTE_MS);
    let mut correct = |stream: u32, old: f64, new: Option<f64>| {
        let correction =
            crate::Correction { stream: StreamId(stream), at: minute, old, new, area: None };
        let done = engine.correct(minute, &correction);
        assert_eq!((done.windows, done.missed, done.refill), (1, 0, Vec::new()));
    };
    correct(3, 0.5, None);
    correct(0, 30.0, Some(15.0));
    let mut engine = Engine::restore(
        four(&indicators).catalog().clone(),
        std::sync::Arc::clone(engine.areas()),
        crate::testing::settings(),
        &engine.snapshot(),
    )
    .unwrap();
    play(&mut engine, "3m tick");
    near(&engine, [("T1", 15.0), ("T2", 40.0), ("T3", 77.0), ("D1", 15.0), ("C", 20.0)]);
}
