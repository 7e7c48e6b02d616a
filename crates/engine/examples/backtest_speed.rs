//! How many past readings a second one core tries a rule on: a threshold rule, which passes over
//! quiet readings, and one that depends on every reading (silence), at 100 k and 1 M streams:
//! `cargo run --release --example backtest_speed -p chengmai-engine`. Time is this thread's own
//! processor time where the system tells it (Linux). Not part of the program; reads a clock.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it needs a clock")]

use std::sync::Arc;
use std::time::Instant;

use chengmai_engine::backtest::{Backtest, Columns};
use chengmai_engine::{Settings, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::{Pack, parse};
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, KindId, Tier, Timestamp};

const HEAD: &str = "[pack]\nid = \"p\"\nversion = \"1.0.0\"\nname = { zh = \"包\", en = \"Pack\" }\n\
    section = \"facility_operation\"\ntrack = { zh = \"跑道\", en = \"Track\" }\n";
const KINDS: &str = "[[kind]]\nid = \"methane\"\nname = { zh = \"甲烷\", en = \"Methane\" }\n\
    unit = \"%LEL\"\nrange = [0, 100]\nperiod = { normal = \"1m\" }\nsource = \"default\"\n";
const RULES: [(&str, &str); 2] = [
    (
        "threshold",
        "alarm = { when = \"value >= 20\", clear = \"value < 15\", for = \"2 readings\" }\n\
        recheck = { need = \"2 of 3 within 10m\" }\n\
        grade = [ { severity = 1, when = \"value >= 20\" }, { severity = 3, when = \"value >= 50\" } ]",
    ),
    (
        "threshold and silence",
        "alarm = { when = \"value >= 20 || silent_for('15m')\" }\n\
        recheck = { healthy = true }\n\
        grade = [ { severity = 1, when = \"value >= 20 || silent_for('15m')\" } ]",
    ),
];
/// Readings of one measurement.
const READINGS: usize = 40_000_000;
const RUNS: usize = 3;

fn pack(body: &str) -> Pack {
    let rules = format!(
        "[[rule]]\nid = \"r\"\nname = {{ zh = \"则\", en = \"Rule\" }}\non = \"methane\"\n{body}\nsource = \"default\"\n"
    );
    let files =
        [("pack.toml", HEAD), ("kinds.toml", KINDS), ("rules.toml", &rules), ("README.md", "包")];
    parse(&files.map(|(name, text)| (name.to_owned(), text.to_owned()))).expect("a sound pack")
}

/// A city with 10,000 districts: as many leaves as a large city has grids in use.
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
    AreaTree::build((1..=10_000).map(row).collect()).expect("a tree")
}

/// Seconds of processor time of this thread; of the wall where the system does not tell.
fn cpu_s(since: Instant) -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    ns.map_or_else(|| since.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

fn main() {
    let areas = Arc::new(city());
    for (name, body) in RULES {
        let packs = [pack(body)];
        for streams in [100_000_u32, 1_000_000] {
            let best = (0..RUNS).map(|_| measure(&packs, &areas, streams));
            let (rate, asked, warnings) = best.max_by(|a, b| a.0.total_cmp(&b.0)).expect("a run");
            println!(
                "{name}, {streams} streams: {rate:.1} M readings/s a core \
                 (best of {RUNS}; {asked} readings asked about, {warnings} warnings)"
            );
        }
    }
}

/// One reading a minute of every stream, in order of time; one in a thousand streams is loud for a
/// while. Making the readings is not measured.
#[expect(clippy::cast_precision_loss, reason = "printed with few digits")]
fn measure(packs: &[Pack], areas: &Arc<AreaTree>, streams: u32) -> (f64, u64, u64) {
    let settings = Settings::default();
    let mut test = Backtest::new(packs, "p/r", Arc::clone(areas), settings).expect("a sound rule");
    for device in 0..streams {
        let area = AreaId(1 + device % 9_999);
        let (kind, device) = (KindId(0), DeviceId(device));
        test.add_stream(StreamSpec { kind, area, period_ms: 0, device });
    }
    let zero = Instant::now();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let numbers: Vec<u32> = (0..streams).collect();
    let (mut spent, mut minute) = (0.0, 0_i64);
    for _ in 0..READINGS / streams as usize {
        minute += 1;
        let at = 1_782_864_000_000 + minute * 60_000;
        let mut values = Vec::with_capacity(numbers.len());
        let mut ats = Vec::with_capacity(numbers.len());
        for &stream in &numbers {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let loud = stream % 1_000 == 7 && (minute + i64::from(stream)) % 60 < 5;
            values.push(if loud { 35.0 } else { (seed % 1_400) as f64 / 100.0 });
            ats.push(at + i64::from(stream) * 59_000 / i64::from(streams));
        }
        let start = cpu_s(zero);
        for part in (0..numbers.len()).step_by(65_536) {
            let rows = part..(part + 65_536).min(numbers.len());
            test.take(Columns {
                streams: &numbers[rows.clone()],
                ats: &ats[rows.clone()],
                values: &values[rows],
            });
        }
        spent += cpu_s(zero) - start;
    }
    let report = test.finish(Timestamp(1_782_864_000_000 + (minute + 1) * 60_000));
    (report.readings as f64 / spent / 1e6, report.asked, report.warnings)
}
