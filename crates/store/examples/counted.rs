//! One piece of the hot path, run once on fixed data, so that its instructions can be counted:
//! `cargo xtask gates` runs it under callgrind, a piece at a time, and compares with the figures
//! that are kept. It lies here because the store's tests see wire and engine too.
//!
//! Only what happens inside [`counted_piece`] is counted; everything before it is set-up. No clock,
//! no thread, no randomness: two runs of one binary execute the same instructions. Not a measure
//! of speed: an instruction that waits for memory counts like one that does not.
#![expect(clippy::print_stdout, reason = "it tells how many readings it went through")]

use std::io::Write as _;
use std::sync::Arc;

use chengmai_engine::{Catalog, Engine, Event, Settings, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};
use chengmai_store::disk::RealDisk;
use chengmai_store::journal::{EntryRef, Journal, JournalSettings};
use chengmai_wire::line_protocol::{self, Precision};
use chengmai_wire::{Fault, gateway};

/// Readings in a body or batch, and streams in the engine.
const COUNT: u32 = 10_000;
const START: Timestamp = Timestamp(1_782_864_000_000);
const MINUTE_MS: i64 = 60_000;

const PACK: &str = r#"
[pack]
id = "p"
version = "1.0.0"
name = { zh = "包", en = "Pack" }
section = "facility_operation"
track = { zh = "跑道", en = "Track" }
"#;
const KINDS: &str = r#"
[[kind]]
id = "methane"
name = { zh = "甲烷", en = "Methane" }
unit = "%LEL"
range = [0, 100]
period = { normal = "1m" }
stuck_after = "6h"
source = "default"
"#;
const INDICATORS: &str = r#"
[[indicator]]
code = "p.safe_share"
name = { zh = "安全率", en = "Safe share" }
unit = "%"
better = "higher"
value = "100 * count(methane < 20) / count(methane)"
window = "5m"
tiers = ["city", "district"]
levels = { blue = 99, red = 90, hysteresis = 0.5, warn = ["district"] }
owner = "o"
source = "default"
"#;
const RULES: &str = r#"
[[rule]]
id = "high"
name = { zh = "高", en = "High" }
on = "methane"
alarm = { when = "value >= 20", clear = "value < 15", for = "2 readings" }
recheck = { need = "2 of 3 within 10m" }
grade = [ { severity = 1, when = "value >= 20" }, { severity = 3, when = "value >= 50" } ]
source = "default"
[[rule]]
id = "silent"
name = { zh = "静默", en = "Silent" }
on = "methane"
alarm = { when = "silent_for('15m')" }
grade = [ { severity = 1, when = "silent_for('15m')" } ]
source = "default"
"#;

fn main() -> Result<(), String> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let readings = match name.as_str() {
        "line-protocol" => line_protocol(),
        "gateway" => gateway(),
        "journal" => journal(),
        "apply" => apply(),
        "tick" => tick(),
        "rules" => rules(),
        other => return Err(format!("no piece is called `{other}`")),
    };
    println!("readings {readings}");
    Ok(())
}

/// What callgrind counts. Of the pieces themselves none may have this in its name, or the counting
/// would stop where the inner one returns.
#[inline(never)]
fn counted_piece(piece: &mut dyn FnMut()) {
    piece();
}

/// Touches all it is given, so that nothing can be left out as unused.
#[derive(Default)]
struct Sum {
    points: u32,
    value: f64,
    bytes: usize,
    faults: Vec<Fault>,
}

impl<'a> line_protocol::Sink<'a> for Sum {
    fn point(
        &mut self,
        series: &'a [u8],
        field: &'a [u8],
        value: f64,
        at: Option<Timestamp>,
        _line: u32,
        _byte: u32,
    ) {
        self.points += 1;
        self.value += value;
        self.bytes += series.len() + field.len() + usize::from(at.is_some());
    }

    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}

fn line_protocol() -> u32 {
    let mut body = Vec::new();
    for n in 0..COUNT {
        let (whole, tenth, ms) = (n % 50, n % 10, START.0 + i64::from(n % 1_000));
        let area = "500101001001001";
        writeln!(body, "methane,device=d{n:07},area={area} value={whole}.{tenth} {ms}000000")
            .expect("memory takes it");
    }
    let mut sum = Sum::default();
    counted_piece(&mut || line_protocol::decode(&body, Precision::Nanoseconds, &mut sum));
    assert!(sum.value > 0.0 && sum.bytes > 0, "every line was read");
    assert_eq!(sum.faults, []);
    sum.points
}

fn gateway() -> u32 {
    let body = gateway::encode(&round(1, quiet)).expect("they lie close together");
    let mut taken = Vec::with_capacity(COUNT as usize);
    counted_piece(&mut || {
        gateway::decode(&body, |reading, _| taken.push(reading), |_| ())
            .expect("the body is whole");
    });
    u32::try_from(taken.len()).expect("few readings")
}

/// Encoding into the buffer of the next commit; the disk is not part of it.
fn journal() -> u32 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut journal, _) =
        Journal::open(Arc::new(RealDisk), folder.path(), JournalSettings::default())
            .expect("the journal opens");
    let readings = round(1, quiet);
    let append = |journal: &mut Journal| {
        let position = journal.next_position();
        let received_at = START.plus_ms(2 * MINUTE_MS);
        let entry = EntryRef::Readings { position, received_at, readings: &readings };
        journal.append(entry).expect("the readings fit");
    };
    // The first commit makes the buffer as large as it stays.
    append(&mut journal);
    journal.commit().expect("the disk works");
    counted_piece(&mut || append(&mut journal));
    COUNT
}

fn apply() -> u32 {
    let mut engine = warm_engine();
    let (readings, mut events) = (round(2, quiet), Vec::new());
    let now = START.plus_ms(2 * MINUTE_MS);
    counted_piece(&mut || {
        engine.apply(u64::from(COUNT) * 2, now, &readings, &mut events);
    });
    assert!(!events.iter().any(is_alarm), "the readings are quiet");
    COUNT
}

/// A tick a second over an hour, in which windows close; counted by stream.
fn tick() -> u32 {
    let mut engine = warm_engine();
    let mut events = Vec::new();
    counted_piece(&mut || {
        for second in 1..=3_600 {
            engine.tick(START.plus_ms(2 * MINUTE_MS + second * 1_000), &mut events);
        }
    });
    assert!(events.iter().any(|event| matches!(event, Event::Window(_))), "windows close");
    COUNT
}

/// Two readings of every stream that exceed: each raises an alarm and a warning.
fn rules() -> u32 {
    let mut engine = warm_engine();
    let rounds = [round(2, loud), round(3, loud)];
    let mut events = Vec::new();
    counted_piece(&mut || {
        for (number, readings) in (2..).zip(&rounds) {
            let now = START.plus_ms(i64::from(number) * MINUTE_MS);
            engine.apply(u64::from(COUNT * number), now, readings, &mut events);
        }
    });
    assert!(events.iter().filter(|event| is_alarm(event)).count() >= COUNT as usize);
    COUNT * 2
}

fn is_alarm(event: &Event) -> bool {
    matches!(event, Event::Alarm(_))
}

/// A reading of every stream in a minute, in an order that jumps about.
fn round(minute: u32, value: fn(u32) -> f64) -> Vec<Reading> {
    let reading = |n: u32| Reading {
        stream: StreamId(n * 7_919 % COUNT),
        at: START.plus_ms(i64::from(minute) * MINUTE_MS - MINUTE_MS + i64::from(n)),
        value: value(n.wrapping_add(minute)),
    };
    (0..COUNT).map(reading).collect()
}

fn quiet(n: u32) -> f64 {
    f64::from(n % 140) / 10.0
}

fn loud(n: u32) -> f64 {
    25.0 + f64::from(n % 40)
}

/// An engine of one city with forty districts that has seen a minute of quiet readings.
fn warm_engine() -> Engine {
    let files = [
        ("pack.toml", PACK),
        ("kinds.toml", KINDS),
        ("indicators.toml", INDICATORS),
        ("rules.toml", RULES),
        ("README.md", "# 包\n\n## English\nPack\n"),
    ];
    let pack = parse(&files.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let catalog = Catalog::compile(&[pack.expect("a sound pack")]).expect("a sound pack");
    let kind = catalog.kind_id("methane").expect("declared");
    let mut engine = Engine::new(catalog, Arc::new(city()), Settings::default());
    for device in 0..COUNT {
        let (area, device) = (AreaId(1 + device % 40), DeviceId(device));
        engine.register(StreamSpec { kind, area, period_ms: 0, device });
    }
    let mut events = Vec::new();
    engine.apply(0, START.plus_ms(MINUTE_MS), &round(1, quiet), &mut events);
    engine.tick(START.plus_ms(MINUTE_MS), &mut events);
    engine
}

fn city() -> AreaTree {
    let row = |line: u32| AreaRow {
        line,
        code: AreaCode::new(&format!("a{line}")).expect("a code"),
        parent: (line > 1).then(|| AreaCode::new("a1").expect("a code")),
        name: format!("a{line}"),
        tier: if line > 1 { Tier::District } else { Tier::City },
        valid_from: None,
        valid_to: None,
        center: None,
        shape: None,
        generated: true,
        note: None,
    };
    AreaTree::build((1..=41).map(row).collect()).expect("a tree")
}
