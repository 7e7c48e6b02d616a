//! The engine's state as it is read back from a snapshot. A checksum stands before these bytes, so
//! only a fault of the program can spoil them; even then reading them must end with a reason. That
//! numbers which fit their columns also mean what they meant is not looked at here.

use std::sync::Arc;

use chengmai_engine::{Catalog, Engine, Settings, SnapshotError, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};

use crate::Trait;

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

pub(crate) fn restore(bytes: &[u8]) -> Trait {
    let city = city();
    assert!(city.is_some(), "the pack is sound");
    let Some((catalog, areas)) = city else { return 0 };
    let settings = Settings::default();
    match Engine::restore(catalog.clone(), Arc::clone(&areas), settings, bytes) {
        Ok(engine) => u64::from(engine.stream_count()),
        Err(SnapshotError::Broken(reason)) => {
            1 << 32 | u64::from(crc32c::crc32c(reason.as_bytes()))
        }
        Err(_) => 2 << 32,
    }
}
