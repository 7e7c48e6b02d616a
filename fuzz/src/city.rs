//! The engine's state as it is read back from a snapshot. A checksum stands before these bytes, so
//! only a fault of the program can spoil them; even then reading them must end with a reason, and what
//! is taken must go on: readings, ticks, silence, a correction, another snapshot.

use std::sync::{Arc, LazyLock};

use chengmai_engine::{Catalog, Correction, Engine, Settings, SnapshotError, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};

use crate::Trait;
use crate::text::bucket;

const START: Timestamp = Timestamp(1_782_864_000_000);
const MINUTE_MS: i64 = 60_000;

const FILES: [(&str, &str); 5] = [
    (
        "pack.toml",
        "[pack]\nid = \"p\"\nversion = \"1.0.0\"\nname = { zh = \"包\", en = \"Pack\" }\n\
         section = \"facility_operation\"\ntrack = { zh = \"跑道\", en = \"Track\" }\n",
    ),
    (
        "kinds.toml",
        "[[kind]]\nid = \"k\"\nname = { zh = \"量\", en = \"Thing\" }\nunit = \"u\"\n\
         range = [0, 100]\nperiod = { normal = \"1m\" }\nstuck_after = \"5m\"\nsource = \"t\"\n",
    ),
    (
        "indicators.toml",
        "[[indicator]]\ncode = \"p.mean\"\nname = { zh = \"征\", en = \"Sign\" }\nunit = \"u\"\n\
         better = \"higher\"\nvalue = \"mean(k)\"\nwindow = \"5m\"\n\
         tiers = [\"city\", \"district\"]\nowner = \"o\"\nsource = \"t\"\n",
    ),
    (
        "rules.toml",
        "[[rule]]\nid = \"high\"\nname = { zh = \"高\", en = \"High\" }\non = \"k\"\n\
         alarm = { when = \"value >= 70\", clear = \"value < 60\", for = \"2 readings\" }\n\
         recheck = { need = \"2 of 3 within 10m\", healthy = true }\n\
         grade = [ { severity = 1, when = \"value >= 70\" },\n\
         { severity = 3, when = \"value >= 90 || slope('5m') > 5\" } ]\n\
         cause = \"area\"\nsource = \"t\"\n\
         [[rule]]\nid = \"odd\"\nname = { zh = \"怪\", en = \"Odd\" }\non = \"k\"\n\
         alarm = { when = \"anomaly > 0.99\" }\n\
         grade = [ { severity = 1, when = \"anomaly > 0.99\" } ]\nsource = \"t\"\n",
    ),
    ("README.md", "# 包\n\n## English\nPack\n"),
];

fn city() -> Option<(Catalog, Arc<AreaTree>)> {
    let files = FILES.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let catalog = Catalog::compile(&[parse(&files).ok()?]).ok()?;
    let row = |line: u32| {
        Some(AreaRow {
            line,
            code: AreaCode::new(&format!("a{line}"))?,
            parent: if line > 1 { Some(AreaCode::new("a1")?) } else { None },
            name: format!("a{line}"),
            tier: if line > 1 { Tier::District } else { Tier::City },
            valid_from: None,
            valid_to: None,
            center: None,
            shape: None,
            generated: true,
            note: None,
        })
    };
    let rows: Option<Vec<AreaRow>> = (1..=4).map(row).collect();
    Some((catalog, Arc::new(AreaTree::build(rows?).ok()?)))
}

/// States at the beginning, with alarms and a warning, and after windows have closed.
pub(crate) fn made() -> Vec<Vec<u8>> {
    let Some((catalog, areas)) = city() else { return Vec::new() };
    let Some(kind) = catalog.kind_id("k") else { return Vec::new() };
    let mut engine = Engine::new(catalog, areas, Settings::default());
    let mut states = vec![engine.snapshot()];
    for device in 0..3 {
        let (area, device) = (AreaId(1 + device), DeviceId(device));
        engine.register(StreamSpec { kind, area, period_ms: 0, device });
    }
    let mut events = Vec::new();
    for minute in 0..12_u32 {
        let now = START.plus_ms(i64::from(minute) * MINUTE_MS);
        let value = |stream: u32| f64::from(50 + minute * 4 * stream);
        let reading = |stream| Reading { stream: StreamId(stream), at: now, value: value(stream) };
        let readings: Vec<Reading> = (0..3).map(reading).collect();
        engine.apply(u64::from(minute) * 3, now, &readings, &mut events);
        engine.tick(now, &mut events);
        if minute % 6 == 5 {
            states.push(engine.snapshot());
        }
    }
    states
}

/// An hour more, of loud, late and missing readings; returns how much the engine said.
fn go_on(engine: &mut Engine) -> u64 {
    let streams = engine.stream_count();
    let mut events = Vec::new();
    for minute in 1..=60_u32 {
        let now = START.plus_ms(i64::from(12 + minute) * MINUTE_MS);
        let value = f64::from(minute * 7 % 120);
        let at = now.plus_ms(-i64::from(minute % 17) * MINUTE_MS);
        // The last third of the hour is silent.
        let readings: Vec<Reading> = (0..streams.min(8))
            .filter(|_| minute <= 40)
            .map(|stream| Reading { stream: StreamId(stream), at, value })
            .collect();
        engine.apply(u64::from(minute), now, &readings, &mut events);
        if let Some(&Reading { stream, at, value }) = readings.first() {
            let correction = Correction { stream, at, old: value, new: None, area: None };
            engine.correct(now, &correction);
        }
        engine.tick(now, &mut events);
    }
    for area in 0..4 {
        engine.value(0, AreaId(area));
        engine.open_windows(0, AreaId(area));
        engine.touched(AreaId(area));
    }
    let areas = Arc::clone(engine.areas());
    engine.rearrange(areas, |_| AreaId(1), &mut events);
    engine.tick(START.plus_ms(80 * MINUTE_MS), &mut events);
    events.len() as u64
}

pub(crate) fn restore(bytes: &[u8]) -> Trait {
    static CITY: LazyLock<Option<(Catalog, Arc<AreaTree>)>> = LazyLock::new(city);
    assert!(CITY.is_some(), "the pack is sound");
    let Some((catalog, areas)) = CITY.clone() else { return 0 };
    let settings = Settings::default();
    match Engine::restore(catalog.clone(), Arc::clone(&areas), settings, bytes) {
        Ok(mut engine) => {
            let events = go_on(&mut engine);
            // What was taken by mistake may be noticed the second time.
            let again = Engine::restore(catalog, areas, settings, &engine.snapshot()).is_ok();
            bucket(events) << 8 | u64::from(engine.stream_count().min(127)) << 1 | u64::from(again)
        }
        Err(SnapshotError::Broken(reason)) => {
            1 << 32 | u64::from(crc32c::crc32c(reason.as_bytes()))
        }
        Err(_) => 2 << 32,
    }
}
