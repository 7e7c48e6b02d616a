//! What a second of the whole of Chongqing costs one core: 5,752 generated indicators over all areas of
//! five tiers (1 city, 41 districts, 1,031 towns, 11,000 communities, 67,000 grid cells), twelve kinds,
//! 2 million streams, 1 million readings a second, and the cost of every tick:
//! `cargo run --release -p chengmai-engine --example indicator_scale -- [--streams N] [--rate N]
//! [--interval-ms N]`.
//!
//! Time is this thread's own processor time where the system tells it (Linux). How old a reading is when
//! it counts follows from it for a thread that does nothing else. Not part of the program.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it needs a clock")]

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use chengmai_engine::{Catalog, Engine, Settings, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};

const KINDS: usize = 12;
const INDICATORS: usize = 5_752;
const TIERS: [(Tier, usize); 5] = [
    (Tier::City, 1),
    (Tier::District, 41),
    (Tier::Town, 1_031),
    (Tier::Community, 11_000),
    (Tier::Grid, 67_000),
];
/// A full hour, and how long before and after it the run lasts: in it windows of a minute, of five and
/// of an hour close, the dearest moment but midnight.
const HOUR: Timestamp = Timestamp(1_782_864_000_000);
const BEFORE_MS: i64 = 20_000;
const AFTER_MS: i64 = 40_000;
/// How long after its end a window closes here; a quarter of an hour in a city.
const LATENESS_MS: i64 = 20_000;
const PACK: &str = "[pack]\nid = \"p\"\nversion = \"1.0.0\"\nname = { zh = \"包\", en = \"Pack\" }\n\
    section = \"facility_operation\"\ntrack = { zh = \"跑道\", en = \"Track\" }\n";

/// Formulas over a kind `a` and the next one `b`, with a number that makes each its own.
const FORMULAS: [&str; 12] = [
    "100 * count(a < 20) / count(a)",
    "100 * count(a >= 80) / count(a) + N",
    "mean(a) * N",
    "sum(a) / N",
    "max(a) - min(a) + N",
    "last(a) - N",
    "100 * online_ratio(a) - N",
    "count(a >= 20 && a <= 80) / N",
    "mean(a) > N ? mean(a) - N : 0",
    "(count(a < 20) + count(b < 20)) / (count(a) + count(b))",
    "100 * count(a >= 50) / registered(a)",
    "max(a) / N",
];

fn kinds() -> String {
    (0..KINDS).fold(String::new(), |mut text, kind| {
        let _ = write!(
            text,
            "[[kind]]\nid = \"k{kind}\"\nname = {{ zh = \"量\", en = \"Thing\" }}\nunit = \"u\"\n\
             range = [0, 100]\nperiod = {{ normal = \"1m\" }}\nsource = \"generated\"\n"
        );
        text
    })
}

/// Every kind, formula and width in turn; each has levels, one in eight warns in districts.
fn indicators() -> String {
    (0..INDICATORS).fold(String::new(), |mut text, number| {
        let (kind, formula) = (number % KINDS, FORMULAS[number / KINDS % FORMULAS.len()]);
        let round = number / KINDS / FORMULAS.len();
        let window = ["5m", "5m", "1h", "1d", "1m"][round % 5];
        let value = formula
            .replace("(a", &format!("(k{kind}"))
            .replace("& a", &format!("& k{kind}"))
            .replace("(b", &format!("(k{}", (kind + 1) % KINDS))
            .replace('N', &(round + 1).to_string());
        let warn = if number % 8 == 0 { ", warn = [\"district\"]" } else { "" };
        let _ = write!(
            text,
            "[[indicator]]\ncode = \"p.i{number}\"\nname = {{ zh = \"征\", en = \"Sign\" }}\n\
             unit = \"u\"\nbetter = \"lower\"\nvalue = \"{value}\"\nwindow = \"{window}\"\n\
             tiers = [\"city\", \"district\", \"town\", \"community\", \"grid\"]\n\
             levels = {{ blue = 1000, red = 2000, hysteresis = 1, hold = \"1m\"{warn} }}\n\
             owner = \"o\"\nsource = \"generated\"\n"
        );
        text
    })
}

fn city() -> AreaTree {
    let mut rows: Vec<AreaRow> = Vec::new();
    for (depth, (tier, count)) in TIERS.into_iter().enumerate() {
        for i in 0..count {
            let parent =
                depth.checked_sub(1).map(|above| format!("{above}-{}", i % TIERS[above].1));
            rows.push(AreaRow {
                line: u32::try_from(rows.len() + 1).expect("few rows"),
                code: AreaCode::new(&format!("{depth}-{i}")).expect("a code"),
                parent: parent.and_then(|p| AreaCode::new(&p)),
                name: format!("{depth}-{i}"),
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

/// Bytes of memory that this process holds; 0 where the system does not tell.
fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|word| word.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn engine(streams: u32) -> Engine {
    let files = [
        ("pack.toml", PACK.to_owned()),
        ("kinds.toml", kinds()),
        ("indicators.toml", indicators()),
        ("README.md", "# 包\n\n## English\nPack\n".to_owned()),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text));
    let pack = parse(&files).expect("the pack is sound");
    let catalog = Catalog::compile(&[pack]).expect("the pack is sound");
    let areas = Arc::new(city());
    let grids: Vec<AreaId> =
        areas.iter().filter(|(_, a)| a.row.tier == Tier::Grid).map(|(id, _)| id).collect();
    let settings = Settings { lateness_ms: LATENESS_MS, ..Settings::default() };
    let mut engine = Engine::new(catalog, Arc::clone(&areas), settings);
    for i in 0..streams {
        let kind = engine.catalog().kinds()[i as usize % KINDS].id;
        let area = grids[(i as usize / KINDS * 7_919) % grids.len()];
        engine.register(StreamSpec { kind, area, period_ms: 0, device: DeviceId(i) });
    }
    engine
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |name: &str, usual: u64| {
        let at = words.iter().position(|word| word == name);
        at.and_then(|at| words.get(at + 1)?.parse::<u64>().ok()).unwrap_or(usual)
    };
    let streams = u32::try_from(number("--streams", 2_000_000)).expect("streams are u32");
    let (rate, interval_ms) = (number("--rate", 1_000_000), number("--interval-ms", 1_000));
    let zero = Instant::now();
    let mut city = City { engine: engine(streams), seed: 0x9e37_79b9_7f4a_7c15, position: 0, zero };
    let mut now = Timestamp(HOUR.0 - BEFORE_MS);
    let mut line = Line::default();
    let (mut ticks, mut applying, mut taken) = (Vec::new(), 0.0, 0);
    println!("| time | applied, ms | tick, ms | folded | worked out | changed | events |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let rounds = (BEFORE_MS + AFTER_MS) / i64::try_from(interval_ms).expect("milliseconds");
    for round in 0..=rounds {
        now = now.plus_ms(i64::try_from(interval_ms).expect("milliseconds"));
        let (applied, ticked) = city.pass(now, rate * interval_ms / 1_000, streams);
        let counts = city.engine.last_tick();
        println!(
            "| {:+.1} s | {:.0} | {:.0} | {} | {} | {} | {} |",
            now.since(HOUR) as f64 / 1e3,
            applied * 1e3,
            ticked * 1e3,
            counts.folded,
            counts.worked_out,
            counts.changed,
            counts.events,
        );
        // The first one makes every slot and wakes the streams.
        if round > 0 {
            line.pass(interval_ms as f64 / 1e3, applied, ticked);
            ticks.push(ticked * 1e3);
            applying += applied;
            taken += rate * interval_ms / 1_000;
        }
    }
    let asked = ask(&city.engine, zero);
    println!(
        "\n{INDICATORS} indicators x {} areas, {streams} streams, {rate} readings/s, a tick every \
         {interval_ms} ms:\n\n* tick: median {:.0} ms, p99 {:.0} ms, worst {:.0} ms\n* a reading is in \
         every value after: median {:.2} s, p99 {:.2} s, worst {:.2} s\n* readings while they are \
         applied: {:.1} M/s\n* share of a core: {:.0} %\n* one value when asked: {asked:.0} ns\n\
         * memory: {} MB",
        city.engine.areas().len(),
        percentile(&mut ticks, 50),
        percentile(&mut ticks, 99),
        percentile(&mut ticks, 100),
        percentile(&mut line.delays, 50),
        percentile(&mut line.delays, 99),
        percentile(&mut line.delays, 100),
        taken as f64 / applying / 1e6,
        100.0 * line.busy / line.clock,
        memory_bytes() / 1_000_000,
    );
}

/// The engine and what is sent to it.
struct City {
    engine: Engine,
    seed: u64,
    position: u64,
    zero: Instant,
}

impl City {
    /// So many readings of any streams, then a tick; seconds that each took.
    fn pass(&mut self, now: Timestamp, readings: u64, streams: u32) -> (f64, f64) {
        let mut reading = || {
            let random = next(&mut self.seed);
            let stream = u32::try_from(random % u64::from(streams)).expect("a stream");
            Reading { stream: StreamId(stream), at: now, value: (random >> 40) as f64 % 100.0 }
        };
        let batch: Vec<Reading> = (0..readings).map(|_| reading()).collect();
        let mut out = Vec::new();
        let start = cpu_s(self.zero);
        for part in batch.chunks(4_096) {
            self.engine.apply(self.position, now, part, &mut out);
            self.position += part.len() as u64;
        }
        let applied = cpu_s(self.zero);
        self.engine.tick(now.plus_ms(1), &mut out);
        (applied - start, cpu_s(self.zero) - applied)
    }
}

/// One thread that takes readings as they come in and ticks when it is time: what waits for what, in
/// seconds of the city's time.
#[derive(Default)]
struct Line {
    clock: f64,
    /// When the thread has done all it was given.
    free: f64,
    busy: f64,
    /// Of readings that came in evenly, how long until a tick that counts them was done.
    delays: Vec<f64>,
}

impl Line {
    fn pass(&mut self, interval: f64, applied: f64, ticked: f64) {
        let from = self.clock;
        self.clock += interval;
        self.free = self.clock.max(self.free.max(from) + applied) + ticked;
        self.busy += applied + ticked;
        let arrivals = (0..1_000).map(|n| from + interval * f64::from(n) / 1_000.0);
        self.delays.extend(arrivals.map(|arrival| self.free - arrival));
    }
}

/// The value that so many hundredths of all values do not exceed.
fn percentile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[hundredths * (values.len() - 1) / 100]
}

/// Nanoseconds for a value that is worked out when asked.
fn ask(engine: &Engine, zero: Instant) -> f64 {
    let (mut seed, asked) = (11, 100_000);
    let areas = engine.areas().len() as u64;
    let start = cpu_s(zero);
    let mut known = 0;
    for _ in 0..asked {
        let random = next(&mut seed);
        let indicator = u16::try_from(random % INDICATORS as u64).expect("few indicators");
        let area = u32::try_from((random >> 20) % areas).expect("few areas");
        known += usize::from(engine.value(indicator, AreaId(area)).readings > 0);
    }
    assert!(known > 0, "some of them have readings");
    (cpu_s(zero) - start) * 1e9 / f64::from(asked)
}
