//! A backtest says what the engine would have said, and counts it right.

use chengmai_model::time::{HOUR_MS, MINUTE_MS};
use chengmai_model::{AreaTree, DeviceId, KindId, Tier};
use proptest::prelude::*;

use super::*;
use crate::testing::{MIDNIGHT, city, kind, pack, rule};

const PLAIN: &str = "alarm = { when = \"value >= 20\", clear = \"value < 15\", for = \"2 readings\", \
    clear_for = \"2 readings\" }\nrecheck = { need = \"2 of 3 within 10m\" }\ngrade = [ { severity = 1, \
    when = \"value >= 20\" }, { severity = 3, when = \"value >= 50\" } ]\ncause = \"area\"\n";
const SILENT: &str = "alarm = { when = \"value >= 20 || silent_for('15m')\" }\nrecheck = { healthy = \
    true }\ngrade = [ { severity = 2, when = \"value >= 20 || silent_for('15m')\" } ]\n";

fn packs(body: &str) -> Vec<Pack> {
    vec![pack(&[("kinds.toml", &kind("k", "")), ("rules.toml", &rule("r", body))])]
}

/// A stream in each of some areas, the last two in the same.
fn places(areas: &AreaTree) -> Vec<AreaId> {
    let towns = areas.iter().filter(|(_, area)| area.row.tier == Tier::Town).map(|(id, _)| id);
    let mut places: Vec<AreaId> = towns.take(3).collect();
    places.push(places[places.len() - 1]);
    places
}

fn spec(area: AreaId, device: usize) -> StreamSpec {
    let device = DeviceId(u32::try_from(device).unwrap());
    StreamSpec { kind: KindId(0), area, period_ms: 0, device }
}

/// Stream, minute and value of readings in order of time.
type Past = Vec<(u32, i64, f64)>;

fn columns(past: &Past) -> (Vec<u32>, Vec<i64>, Vec<f64>) {
    let at = |minute: i64| MIDNIGHT.0 + minute * MINUTE_MS;
    let streams = past.iter().map(|r| r.0).collect();
    (streams, past.iter().map(|r| at(r.1)).collect(), past.iter().map(|r| r.2).collect())
}

fn backtest(body: &str, past: &Past, cut: usize) -> Report {
    let areas = city();
    let mut test =
        Backtest::new(&packs(body), "p/r", Arc::clone(&areas), Settings::default()).unwrap();
    for (device, area) in places(&areas).into_iter().enumerate() {
        test.add_stream(spec(area, device));
    }
    let (streams, ats, values) = columns(past);
    let parts = streams.chunks(cut).zip(ats.chunks(cut)).zip(values.chunks(cut));
    for ((streams, ats), values) in parts {
        test.take(Columns { streams, ats, values });
    }
    test.finish(MIDNIGHT.plus_ms(6 * HOUR_MS))
}

/// The engine as it runs live: every reading, a tick every second.
fn live(body: &str, past: &Past) -> (u64, Vec<(Timestamp, AreaId, u8)>) {
    let areas = city();
    let catalog = Catalog::compile(&packs(body)).unwrap();
    let mut engine = Engine::new(catalog, Arc::clone(&areas), Settings::default());
    for (device, area) in places(&areas).into_iter().enumerate() {
        engine.register(spec(area, device));
    }
    let (streams, ats, values) = columns(past);
    let mut out = Vec::new();
    let mut second = MIDNIGHT.0 / 1_000;
    let mut tick_up_to = |at: i64, engine: &mut Engine, out: &mut Vec<Event>| {
        while second < at / 1_000 {
            second += 1;
            engine.tick(Timestamp(second * 1_000), out);
        }
    };
    for (row, ((stream, at), value)) in streams.iter().zip(&ats).zip(&values).enumerate() {
        tick_up_to(*at, &mut engine, &mut out);
        let reading = Reading { stream: StreamId(*stream), at: Timestamp(*at), value: *value };
        engine.apply(row as u64, Timestamp(*at), &[reading], &mut out);
    }
    tick_up_to(MIDNIGHT.0 + 6 * HOUR_MS, &mut engine, &mut out);
    let mut worst: Vec<(WarningId, Timestamp, AreaId, u8)> = Vec::new();
    let mut alarms = 0;
    for event in &out {
        match event {
            Event::Alarm(alarm) => alarms += u64::from(alarm.step == AlarmStep::Raised),
            Event::Warning(change) if matches!(change.subject, Subject::Group { .. }) => {}
            Event::Warning(change) => {
                let severity = change.severity.number();
                match worst.iter_mut().find(|known| known.0 == change.id) {
                    Some(known) => known.3 = known.3.max(severity),
                    None => worst.push((change.id, change.at, change.area, severity)),
                }
            }
            Event::Device(_) | Event::Window(_) | Event::Tally(_) => {}
        }
    }
    (alarms, worst.into_iter().map(|(_, at, area, severity)| (at, area, severity)).collect())
}

fn past() -> impl Strategy<Value = Past> {
    let value = prop_oneof![3 => 0.0..19.0_f64, 2 => 15.0..60.0_f64, 1 => Just(20.0)];
    prop::collection::vec((0..4_u32, 0..300_i64, value), 1..400).prop_map(|mut past| {
        past.sort_by_key(|&(stream, minute, _)| (minute, stream));
        past.dedup_by_key(|&mut (stream, minute, _)| (minute, stream));
        past
    })
}

fn said(report: &Report) -> (u64, Vec<(Timestamp, AreaId, u8)>) {
    let raised = report.raised.iter().map(|r| (r.at, r.area, r.severity.number()));
    (report.alarms, raised.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_passed_over_could_not_matter(past in past(), cut in 1..200_usize) {
        let report = backtest(PLAIN, &past, cut);
        prop_assert_eq!(said(&report), live(PLAIN, &past));
        prop_assert_eq!(report.readings, past.len() as u64);
    }

    #[test]
    fn silences_of_the_past_are_those_of_the_live_engine(past in past(), cut in 1..200_usize) {
        prop_assert_eq!(said(&backtest(SILENT, &past, cut)), live(SILENT, &past));
    }
}

#[test]
fn quiet_readings_of_a_threshold_rule_are_not_even_looked_at() {
    let quiet: Past = (0..4_000).map(|n| (n % 4, i64::from(n / 4), 3.0)).collect();
    let report = backtest(PLAIN, &quiet, 1_000);
    assert_eq!((report.readings, report.asked, report.warnings), (4_000, 0, 0));
    let test = Backtest::new(&packs(SILENT), "p/r", city(), Settings::default()).unwrap();
    assert!(!test.skips(), "a silence depends on every reading");
}

/// Two exceedances in the first grid, and a worse one in the last, which two streams share.
fn two_incidents() -> Report {
    let loud = |stream: u32, from: i64, value: f64| (0..5).map(move |n| (stream, from + n, value));
    let calm = |stream, from: i64| loud(stream, from, 1.0);
    let mut past: Past = loud(0, 10, 30.0).chain(calm(0, 15)).collect();
    past.extend(loud(2, 130, 60.0).chain(loud(3, 130, 30.0)));
    past.sort_by_key(|r| (r.1, r.0));
    backtest(PLAIN, &past, 7)
}

#[test]
fn warnings_are_counted_by_hour_and_on_every_tier() {
    let report = two_incidents();
    let areas = city();
    assert_eq!((report.alarms, report.warnings), (3, 2), "streams of one area are one warning");
    let hours = report.by_hour();
    let shown = hours.iter().map(|h| (h.at.since(MIDNIGHT) / HOUR_MS, h.by_severity));
    assert_eq!(shown.collect::<Vec<_>>(), [(0, [1, 0, 0, 0]), (2, [0, 0, 1, 0])]);
    let all = report.by_area(&areas, Tier::Grid);
    let root = all.iter().find(|count| count.area == AreaId::ROOT).unwrap();
    assert_eq!((root.by_severity, root.hour_peak), ([1, 0, 1, 0], 1));
    let places = places(&areas);
    let grid = all.iter().find(|count| count.area == places[2]).unwrap();
    assert_eq!(grid.by_severity, [0, 0, 1, 0]);
    assert!(report.raised[0].cleared_at.is_some() && report.raised[1].cleared_at.is_none());
}

#[test]
fn known_incidents_are_caught_earlier_or_missed_and_the_rest_is_false() {
    let report = two_incidents();
    let areas = city();
    let places = places(&areas);
    let at = |minute: i64| MIDNIGHT.plus_ms(minute * MINUTE_MS);
    let incidents = [
        Incident { at: at(41), area: places[0] },
        Incident { at: at(41), area: places[1] },
        Incident { at: at(11 + 7 * 60), area: places[0] },
    ];
    let (caught, stray) = judge(&report, &incidents, &areas);
    let earlier: Vec<Option<i64>> =
        caught.iter().map(|c| c.map(|c| c.earlier_ms / MINUTE_MS)).collect();
    assert_eq!(earlier, [Some(30), None, None], "in place and in time, in place only, too early");
    assert_eq!(stray, 1, "the other warning belongs to no incident");
    let (_, load) = report.busiest(&areas, MIDNIGHT, at(240)).unwrap();
    assert!(!load.floods(), "{load:?}");
}

#[test]
fn a_rule_that_is_not_there_and_a_faulty_one_are_refused_by_name() {
    let missing = Backtest::new(&packs(PLAIN), "p/x", city(), Settings::default()).unwrap_err();
    assert!(missing[0].what.en.contains("p/x"), "{missing:?}");
    let deaf = PLAIN.replace(">= 20\"", ">= 2000\"");
    let faults = Backtest::new(&packs(&deaf), "p/r", city(), Settings::default()).unwrap_err();
    assert!(faults.iter().any(|f| f.line > 0), "{faults:?}");
}

#[test]
fn a_rule_that_asks_for_set_points_is_tried_with_those_of_each_stream() {
    let body = "alarm = { when = \"value >= setpoint('red')\" }\n\
        grade = [ { severity = 4, when = \"value >= setpoint('red')\" } ]\n";
    let areas = city();
    let mut test =
        Backtest::new(&packs(body), "p/r", Arc::clone(&areas), Settings::default()).unwrap();
    assert!(test.asks_setpoints() && !test.skips());
    let streams: Vec<u32> = places(&areas)[..2]
        .iter()
        .enumerate()
        .map(|(device, area)| test.add_stream(spec(*area, device)))
        .collect();
    test.set_setpoints(streams[0], &[None, None, None, Some(50.0)]);
    test.set_setpoints(streams[1], &[None, None, None, Some(30.0)]);
    test.take(Columns { streams: &streams, ats: &[MIDNIGHT.0, MIDNIGHT.0], values: &[40.0, 40.0] });
    let report = test.finish(MIDNIGHT.plus_ms(HOUR_MS));
    assert_eq!((report.warnings, report.raised[0].stream.0), (1, streams[1]));
}
