//! What a question in SQL costs. Ten million readings as in the harness beside the peers: 100,000 devices,
//! twelve kinds, one reading a minute, 41 districts with towns and grids below; nine tenths in files, the
//! rest in memory. Its four queries, and two that read everything. Prints one line a question: the best of
//! five, and the rows of the answer.

#![expect(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chengmai_history::sql::{
    DeviceFacts, Directory, Format, IndicatorFacts, KindFacts, Question, Sql, SqlSettings,
};
use chengmai_history::{History, HistorySettings, StreamLabel, StreamNames};
use chengmai_model::area::AreaRow;
use chengmai_model::{AreaCode, AreaId, AreaTree, Reading, StreamId, Tier, Timestamp};

const DEVICES: u32 = 100_000;
const MINUTES: u32 = 100;
const FLUSH_EVERY: u32 = 15;
const START: i64 = 1_795_226_400_000;
const KINDS: [&str; 12] = [
    "gas_ch4",
    "level",
    "flow",
    "pressure",
    "tilt",
    "pm25",
    "noise",
    "smoke",
    "temperature",
    "humidity",
    "current",
    "vibration",
];
const GRIDS: u32 = 41 * 25 * 60;

#[derive(Debug)]
struct City {
    devices: Vec<String>,
    areas: Arc<AreaTree>,
    /// Place in pre-order of each grid.
    orders: Vec<u32>,
}

impl City {
    fn grid(stream: u32) -> usize {
        (stream.wrapping_mul(2_654_435_761) % GRIDS) as usize
    }
}

impl StreamNames for City {
    fn labels(&self, streams: &[StreamId], each: &mut dyn FnMut(StreamLabel<'_>)) {
        for stream in streams {
            // One device in seven measures gas.
            let kind = if stream.0 % 7 == 0 { 0 } else { 1 + stream.0 % 11 };
            let area = AreaId(self.orders[Self::grid(stream.0)]);
            each(StreamLabel { device: &self.devices[stream.0 as usize], kind, area });
        }
    }

    fn kind(&self, kind: u32) -> String {
        KINDS[kind as usize].to_owned()
    }

    fn area(&self, area: AreaId) -> String {
        self.areas.get(area).row.code.to_string()
    }
}

impl Directory for City {
    fn streams_of(&self, device: &str) -> Vec<StreamId> {
        device.strip_prefix('d').and_then(|n| n.parse().ok()).map(StreamId).into_iter().collect()
    }

    fn devices(&self, _start: usize, _rows_max: usize) -> Vec<DeviceFacts> {
        Vec::new()
    }

    fn kinds(&self) -> Vec<KindFacts> {
        Vec::new()
    }

    fn indicators(&self) -> Vec<IndicatorFacts> {
        Vec::new()
    }
}

fn row(code: String, parent: Option<&str>, tier: Tier) -> AreaRow {
    AreaRow {
        line: 1,
        name: code.clone(),
        code: AreaCode::new(&code).expect("digits"),
        parent: parent.and_then(AreaCode::new),
        tier,
        valid_from: None,
        valid_to: None,
        center: None,
        shape: None,
        generated: true,
        note: None,
    }
}

fn areas() -> (AreaTree, Vec<String>) {
    let (mut rows, mut grids) = (vec![row("50".to_owned(), None, Tier::City)], Vec::new());
    for district in 0..41 {
        let district = format!("50{district:04}");
        rows.push(row(district.clone(), Some("50"), Tier::District));
        for town in 0..25 {
            let town = format!("{district}{town:03}");
            rows.push(row(town.clone(), Some(&district), Tier::Town));
            for grid in 0..60 {
                let grid = format!("{town}{grid:06}");
                rows.push(row(grid.clone(), Some(&town), Tier::Grid));
                grids.push(grid);
            }
        }
    }
    (AreaTree::build(rows).expect("a sound tree"), grids)
}

fn fill(history: &mut History, city: &City) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for minute in 0..MINUTES {
        let at = START + i64::from(minute) * 60_000;
        let readings: Vec<Reading> = (0..DEVICES)
            .map(|stream| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Sensors send few digits; one in five thousand is far out.
                let far = if state.is_multiple_of(5_000) { 30.0 } else { 0.0 };
                let value = (state >> 40) as f64 % 100.0 / 10.0 + far;
                Reading {
                    stream: StreamId(stream),
                    at: Timestamp(at + i64::from(stream % 60_000)),
                    value,
                }
            })
            .collect();
        for (part, readings) in (0..).zip(readings.chunks(20_000)) {
            let sequence = u64::from(minute) * 10 + part + 1;
            history.append_readings(sequence, Timestamp(at + 60_000), readings);
        }
        if (minute + 1) % FLUSH_EVERY == 0 {
            history.flush(city).expect("the disk takes it");
        }
    }
}

/// The harness's questions, and what a person asks first.
fn questions() -> Vec<(&'static str, String)> {
    let time = |minute: u32| Timestamp(START + i64::from(minute) * 60_000).to_rfc3339();
    let thousand: Vec<String> = (0..1_000).map(|n| format!("'d{:05}'", n * 97 % DEVICES)).collect();
    vec![
        (
            "Q1 latest of 1,000 devices",
            format!(
                "SELECT device, last_value(value ORDER BY at) FROM readings WHERE device IN ({}) \
             AND at >= '{}' GROUP BY device",
                thousand.join(","),
                time(90)
            ),
        ),
        (
            "Q2 district means, 5 min, 1 h",
            format!(
                "SELECT district, date_bin(INTERVAL '5 minutes', at) AS t, avg(value) FROM readings \
             WHERE kind = 'gas_ch4' AND at >= '{}' GROUP BY district, t",
                time(40)
            ),
        ),
        (
            "Q3 devices above 25 now",
            format!(
                "SELECT device, v FROM (SELECT device, last_value(value ORDER BY at) AS v FROM readings \
             WHERE kind = 'gas_ch4' AND at >= '{}' GROUP BY device) AS x WHERE v > 25",
                time(90)
            ),
        ),
        (
            "Q4 one device's series",
            "SELECT at, value FROM readings WHERE device = 'd04242' ORDER BY at".to_owned(),
        ),
        (
            "all: count by kind",
            "SELECT kind, count(*), avg(value) FROM readings GROUP BY kind".to_owned(),
        ),
        ("all: count", "SELECT count(*) FROM readings".to_owned()),
        ("nothing: SELECT 1", "SELECT 1".to_owned()),
    ]
}

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let settings = HistorySettings { utc_offset_ms: 8 * 3_600_000, rows_max: usize::MAX };
    let mut history = History::open(dir.path(), settings).expect("an empty folder");
    let (tree, codes) = areas();
    let orders = codes.iter().map(|code| tree.find(code).expect("a grid").0).collect();
    let devices = (0..DEVICES).map(|n| format!("d{n:05}")).collect();
    let areas = Arc::new(tree);
    let city = Arc::new(City { devices, areas: Arc::clone(&areas), orders });
    let begun = Instant::now();
    fill(&mut history, &city);
    println!("{} readings appended and flushed in {:?}", DEVICES * MINUTES, begun.elapsed());
    let settings = SqlSettings { time_max: Duration::from_mins(10), ..SqlSettings::default() };
    let sql = Sql::start(&history.reader(), settings).expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    for (name, text) in questions() {
        let mut best = Duration::MAX;
        let mut rows = 0;
        for _ in 0..5 {
            let question = Question {
                text: text.clone(),
                rows_max: 100_000,
                format: Format::Json,
                areas: Arc::clone(&areas),
                scope: AreaId::ROOT,
                directory: Arc::clone(&city) as Arc<dyn Directory>,
            };
            let begun = Instant::now();
            rows = runtime.block_on(sql.ask(question)).expect("an answer").rows;
            best = best.min(begun.elapsed());
        }
        println!("{name:32} {:9.2} ms  {rows} rows", best.as_secs_f64() * 1e3);
    }
}
