//! How many readings a second one core applies, at 100 k, 1 M and 22 M streams (or as many as the
//! arguments say), with a few rules, one window width and a tick a second; what the engine weighs;
//! and how long it stands still for a snapshot:
//! `cargo run --release --example apply_speed -p chengmai-engine [streams...]`. With the word `setpoints`
//! also with one and with four set-points on every stream.
//! Time is this thread's own processor time where the system tells it (Linux), so that other work on
//! the machine counts for little. Not part of the program.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it needs a clock")]

use std::sync::Arc;
use std::time::Instant;

use chengmai_engine::{Catalog, Engine, Settings, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};

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
tiers = ["city", "district", "town", "community", "grid"]
levels = { blue = 99, red = 90, hysteresis = 0.5, warn = ["district"] }
owner = "o"
source = "default"
[[indicator]]
code = "p.mean"
name = { zh = "均值", en = "Mean" }
unit = "%LEL"
better = "band"
value = "mean(methane)"
window = "5m"
tiers = ["city", "district", "town", "community", "grid"]
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
[[rule]]
id = "stuck"
name = { zh = "不变", en = "Stuck" }
on = "methane"
alarm = { when = "stuck_for('1h')" }
grade = [ { severity = 1, when = "stuck_for('1h')" } ]
source = "default"
[[rule]]
id = "own"
name = { zh = "限值", en = "Own levels" }
on = "methane"
alarm = { when = "value >= setpoint('blue') || value >= setpoint('yellow') || value >= setpoint('orange') || value >= setpoint('red')" }
grade = [
  { severity = 1, when = "value >= setpoint('blue')" },
  { severity = 2, when = "value >= setpoint('yellow')" },
  { severity = 3, when = "value >= setpoint('orange')" },
  { severity = 4, when = "value >= setpoint('red')" },
]
source = "default"
"#;

/// 40 districts, 1,000 towns, 10,000 communities, 60,000 grids.
fn city() -> AreaTree {
    let mut rows: Vec<AreaRow> = Vec::new();
    let tiers = [
        (Tier::City, 1, 1),
        (Tier::District, 40, 1),
        (Tier::Town, 1_000, 40),
        (Tier::Community, 10_000, 1_000),
        (Tier::Grid, 60_000, 10_000),
    ];
    for (depth, (tier, count, parents)) in (0_u32..).zip(tiers) {
        for i in 0..count {
            let parent = (depth > 0).then(|| format!("{}-{}", depth - 1, i % parents));
            let code = format!("{depth}-{i}");
            rows.push(AreaRow {
                line: u32::try_from(rows.len() + 1).expect("few rows"),
                code: AreaCode::new(&code).expect("a code"),
                parent: parent.and_then(|p| AreaCode::new(&p)),
                name: code,
                tier,
                valid_from: None,
                valid_to: None,
                center: None,
                shape: None,
                generated: true,
                note: None,
            });
        }
    }
    AreaTree::build(rows).expect("a tree")
}

/// Seconds of processor time of this thread; of the wall where the system does not tell.
fn cpu_s(since: Instant) -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    ns.map_or_else(|| since.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

/// A small generator of numbers, so that each run feeds the same.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn main() {
    let files = [
        ("pack.toml", PACK),
        ("kinds.toml", KINDS),
        ("indicators.toml", INDICATORS),
        ("rules.toml", RULES),
        ("README.md", "# 包\n\n## English\nPack\n"),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let pack = parse(&files).expect("the pack is sound");
    let catalog = Catalog::compile(&[pack]).expect("the pack is sound");
    let areas = Arc::new(city());
    let asked: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let asked = if asked.is_empty() { vec![100_000, 1_000_000, 22_000_000] } else { asked };
    let setpoints = std::env::args().any(|word| word == "setpoints");
    for streams in asked {
        for each in if setpoints { &[0, 1, 4][..] } else { &[0] } {
            measure(&catalog, &areas, streams, *each);
        }
    }
}

/// Bytes of memory that this process holds; 0 where the system does not tell.
fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|word| word.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

/// Freezes, thaws in slices with readings between them, and restores.
fn snapshot(engine: &mut Engine, now: Timestamp, streams: u32, zero: Instant) {
    let start = cpu_s(zero);
    engine.freeze();
    let frozen = cpu_s(zero) - start;
    let (mut bytes, mut more, mut longest, mut thawing) = (Vec::new(), true, 0.0_f64, 0.0);
    let (mut seed, mut applying, mut readings) = (7, 0.0, 0);
    let mut out = Vec::new();
    while more {
        let batch: Vec<Reading> = (0..16_384)
            .map(|_| {
                let stream = u32::try_from(next(&mut seed) % u64::from(streams)).expect("a stream");
                Reading { stream: StreamId(stream), at: now, value: 7.0 }
            })
            .collect();
        let start = cpu_s(zero);
        engine.apply(u64::MAX / 2, now, &batch, &mut out);
        let applied = cpu_s(zero);
        more = engine.thaw(&mut bytes, 16_000_000);
        longest = longest.max(cpu_s(zero) - applied);
        applying += applied - start;
        thawing += cpu_s(zero) - applied;
        readings += batch.len();
    }
    let start = cpu_s(zero);
    let catalog = engine.catalog().clone();
    let restored =
        Engine::restore(catalog, Arc::clone(engine.areas()), Settings::default(), &bytes);
    assert!(restored.is_ok(), "what was written can be read");
    println!(
        "  snapshot: frozen in {:.1} ms, {} MB thawed in {:.0} ms, slice of 16 MB at most {:.1} ms, \
         meanwhile {:.1} M readings/s; restored in {:.1} s",
        frozen * 1e3,
        bytes.len() / 1_000_000,
        thawing * 1e3,
        longest * 1e3,
        readings as f64 / applying / 1e6,
        cpu_s(zero) - start,
    );
}

/// With so many set-points on each stream.
fn measure(catalog: &Catalog, areas: &Arc<AreaTree>, streams: u32, each: usize) {
    let empty = memory_bytes();
    let mut engine = Engine::new(catalog.clone(), Arc::clone(areas), Settings::default());
    let kind = catalog.kind_id("methane").expect("declared");
    let grids: Vec<AreaId> =
        areas.iter().filter(|(_, a)| a.row.tier == Tier::Grid).map(|(id, _)| id).collect();
    for i in 0..streams {
        let area = grids[(i as usize * 7_919) % grids.len()];
        let spec = StreamSpec { kind, area, period_ms: 0, device: DeviceId(i) };
        let stream = engine.register(spec);
        let level = |index| (index < each).then(|| 20.0 + f64::from(i % 5) + index as f64);
        engine.set_setpoints(stream, &std::array::from_fn(level));
    }
    let zero = Instant::now();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut now = Timestamp(1_782_864_000_000);
    let mut out = Vec::new();
    let mut position = 0;
    let (mut applying, mut ticking, mut readings, mut ticks) = (0.0, 0.0, 0_usize, 0);
    let (mut best, mut weight) = (0.0_f64, 0);
    // Every stream once a round, in an order that jumps about; one reading in a thousand is loud.
    // The first round wakes every stream and is not measured.
    let rounds = (40_000_000 / streams).clamp(2, 60);
    for round in 0..=rounds {
        now = now.plus_ms(60_000);
        let mut round_s = 0.0;
        let order: Vec<u64> = (0..u64::from(streams)).collect();
        for part in order.chunks(262_144) {
            let batch: Vec<Reading> =
                part.iter().map(|&i| reading(i, streams, now, &mut seed)).collect();
            let start = cpu_s(zero);
            for part in batch.chunks(4_096) {
                engine.apply(position, now, part, &mut out);
                position += part.len() as u64;
            }
            round_s += cpu_s(zero) - start;
            out.clear();
        }
        drop(order);
        let applied = cpu_s(zero);
        engine.tick(now.plus_ms(1), &mut out);
        if round > 0 {
            applying += round_s;
            best = best.max(f64::from(streams) / round_s / 1e6);
            ticking += cpu_s(zero) - applied;
            readings += streams as usize;
            ticks += 1;
        } else {
            weight = memory_bytes().saturating_sub(empty);
        }
        out.clear();
    }
    println!(
        "{streams} streams: {:.1} M readings/s (best round {best:.1}), {:.1} ms a tick, {:.1} B a stream",
        readings as f64 / applying / 1e6,
        ticking * 1e3 / f64::from(ticks),
        weight as f64 / f64::from(streams),
    );
    if each > 0 {
        let thresholds = f64::from(streams) * each as f64;
        println!(
            "  {thresholds:.0} thresholds, {each} on each stream: {:.1} B each",
            engine.setpoint_bytes() as f64 / thresholds,
        );
    }
    snapshot(&mut engine, now, streams, zero);
}

/// The reading of one round with that number.
fn reading(i: u64, streams: u32, at: Timestamp, seed: &mut u64) -> Reading {
    let random = next(seed);
    let loud = random.is_multiple_of(1_000);
    let value = if loud { 30.0 } else { (random % 1_900) as f64 / 100.0 };
    let stream = u32::try_from((i * 514_229) % u64::from(streams)).expect("a stream");
    Reading { stream: StreamId(stream), at, value }
}
