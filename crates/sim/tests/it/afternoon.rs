//! The scripted afternoon through the real engine: what the visitor is promised does happen, and
//! nothing happens on a quiet day.

use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_engine::{Engine, Event, Settings, StreamSpec};
use chengmai_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use chengmai_model::warning::WarningStep;
use chengmai_model::{DeviceId, Reading, Severity, StreamId, Timestamp};
use chengmai_sim::script::{AFTERNOON_MS, Script};

use crate::city::city;

const START: Timestamp = Timestamp(1_795_230_000_000);

struct Seen {
    rule: String,
    at: Timestamp,
    severity: Severity,
    step: WarningStep,
    district: String,
}

/// Runs the fleet second by second as the play sends it; what warnings were said.
fn run(script: &Script, from: Timestamp, span_ms: i64) -> Vec<Seen> {
    let city = city();
    let settings = Settings::default();
    let mut engine = Engine::new(city.catalog.clone(), Arc::clone(&city.areas), settings);
    for (index, device) in (0..).zip(city.fleet.devices()) {
        engine.register(StreamSpec {
            kind: engine.catalog().kind_id(device.kind).unwrap(),
            area: city.areas.find(device.spec.area.as_str()).unwrap(),
            period_ms: device.spec.period_ms,
            device: DeviceId(index),
        });
    }
    let mut seen = Vec::new();
    let mut position = 0;
    let mut readings = Vec::new();
    for second in 0..span_ms / SECOND_MS {
        let at = from.plus_ms(second * SECOND_MS);
        readings.clear();
        let active = script.active(at);
        let minute_second = usize::try_from(at.0.div_euclid(SECOND_MS).rem_euclid(60)).unwrap();
        let due = city.fleet.due(minute_second).iter().map(|&d| usize::try_from(d).unwrap());
        let due = due.filter(|d| !active.contains(d));
        let hurried = active.iter().copied().filter(|_| second % 5 == 0);
        for device in due.chain(hurried) {
            if let Some(value) = city.fleet.value(device, at, script) {
                readings.push(Reading {
                    stream: StreamId(u32::try_from(device).unwrap()),
                    at,
                    value,
                });
            }
        }
        let mut events = Vec::new();
        engine.apply(position, at, &readings, &mut events);
        position += readings.len() as u64;
        engine.tick(at, &mut events);
        seen.extend(events.iter().filter_map(|event| {
            let Event::Warning(change) = event else { return None };
            let code = city.areas.get(change.area).row.code.as_str();
            Some(Seen {
                rule: engine.catalog().rules()[usize::from(change.rule)].id.clone(),
                at: change.at,
                severity: change.severity,
                step: change.step,
                district: code.get(..6).unwrap_or(code).to_owned(),
            })
        }));
    }
    seen
}

fn about_things(seen: &[Seen]) -> Vec<&Seen> {
    let device = ["_silent", "_stuck", "online_share"];
    seen.iter().filter(|s| !device.iter().any(|end| s.rule.ends_with(end))).collect()
}

#[test]
fn a_quiet_half_hour_raises_no_warning_about_the_city() {
    let seen = run(&Script::quiet(), START, HOUR_MS / 2);
    let found: Vec<String> = about_things(&seen)
        .iter()
        .map(|s| format!("{} in {} at {}", s.rule, s.district, s.at))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_afternoon_raises_what_it_promises_and_calms_down() {
    let city = city();
    let script = Script::afternoon(&city.fleet, START);
    // Three quiet minutes first, so that slopes have something to start from.
    let before = 3 * MINUTE_MS;
    let seen = run(&script, START.plus_ms(-before), before + AFTERNOON_MS + 4 * MINUTE_MS);
    let seen = about_things(&seen);
    let raised: Vec<&&Seen> = seen.iter().filter(|s| s.step == WarningStep::Raised).collect();
    let first = raised.iter().map(|s| s.at.since(START)).min().unwrap();
    assert!((0..=30_000).contains(&first), "the first warning comes after {first} ms");
    let mut worst: BTreeMap<&str, Severity> = BTreeMap::new();
    for s in &seen {
        let entry = worst.entry(&s.rule).or_insert(s.severity);
        *entry = (*entry).max(s.severity);
    }
    let number = |rule: &str| worst.get(rule).map(|s| s.number());
    assert_eq!(number("drainage/flooded_point"), Some(4), "{worst:?}");
    assert_eq!(number("gas/methane_in_manhole"), Some(4), "{worst:?}");
    assert_eq!(number("water/pipe_burst"), Some(4), "{worst:?}");
    assert!(number("drainage/heavy_rain") >= Some(3), "{worst:?}");
    assert!(number("drainage/drain_surcharge") >= Some(3), "{worst:?}");
    assert!(number("air/pm25_high") >= Some(1), "{worst:?}");
    assert!(number("street/manhole_open") >= Some(2), "{worst:?}");
    let visitor = raised.iter().filter(|s| s.district == "500103").count();
    assert!((3..30).contains(&visitor), "{visitor} warnings wait for the visitor");
    assert!((25..120).contains(&raised.len()), "{} warnings in all", raised.len());
    let cleared = seen.iter().filter(|s| s.step == WarningStep::Cleared).count();
    assert!(cleared * 2 > raised.len(), "{cleared} of {} are over at the end", raised.len());
}
