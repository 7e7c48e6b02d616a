//! What a flush costs in time and bytes, and what a query costs. Prints one line a measure.
//!
//! Four rhythms of sensors, each with values as such sensors send them: one reading a minute with
//! transmission jitter, for 140 minutes; 100,000 streams make 14 million readings.

#![expect(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::path::Path;
use std::time::Instant;

use chengmai_history::{
    History, HistoryReader, HistorySettings, ReadingsQuery, StreamLabel, StreamNames,
};
use chengmai_model::{Reading, StreamId, Timestamp};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

const STREAMS: u32 = 100_000;
const MINUTES: i64 = 140;
const START: i64 = 1_795_226_400_000;

struct Names {
    devices: Vec<String>,
    areas: Vec<String>,
}

impl Names {
    fn new() -> Self {
        Self {
            devices: (0..STREAMS)
                .map(|n| format!("cq-{}-{n:07}", ["gas", "wtr"][n as usize % 2]))
                .collect(),
            areas: (0..12_000).map(|n| format!("5001{:08}", n * 37)).collect(),
        }
    }
}

impl StreamNames for Names {
    fn label(&self, stream: StreamId) -> StreamLabel<'_> {
        let area = stream.0 * 7 % 12_000;
        StreamLabel {
            device: &self.devices[stream.0 as usize],
            kind: ["gas_ch4", "water_level", "temperature", "flow"][stream.0 as usize % 4],
            area: &self.areas[area as usize],
            area_order: area,
        }
    }
}

/// xorshift: the same rows in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Uniform in -1..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

fn value(state: &mut f64, stream: u32, random: &mut Random) -> f64 {
    *state += random.unit();
    match stream % 4 {
        // A concentration that is mostly zero; a level in centimetres; tenths of a degree; a flow
        // that an analogue input gives in full precision.
        0 => ((state.abs() - 4.0).max(0.0) * 10.0).round() / 10.0,
        1 => (400.0 + *state * 3.0).round() / 100.0,
        2 => (200.0 + *state * 2.0).round() / 10.0,
        _ => 12.0 + *state * 0.173,
    }
}

fn fill(history: &mut History) -> usize {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut states = vec![0.0; STREAMS as usize];
    let mut batch = Vec::with_capacity(10_000);
    let (mut sequence, mut rows) = (0, 0);
    for minute in 0..MINUTES {
        for stream in 0..STREAMS {
            // Devices stamp whole seconds and drift against each other.
            let second = i64::from(stream % 60) + i64::from(random.next().is_multiple_of(64));
            let at = Timestamp(START + minute * 60_000 + second * 1_000);
            let state = &mut states[stream as usize];
            batch.push(Reading {
                stream: StreamId(stream),
                at,
                value: value(state, stream, &mut random),
            });
            if batch.len() == 10_000 {
                sequence += 1;
                rows += batch.len();
                let received_at = Timestamp(
                    START + minute * 60_000 + i64::from(stream) * 60_000 / i64::from(STREAMS) + 200,
                );
                history.append_readings(sequence, received_at, &batch);
                batch.clear();
            }
        }
    }
    rows
}

fn query(reader: &HistoryReader, names: &Names, times: u32, what: &str) {
    let mut random = Random(77);
    let (mut worst, mut total, mut found) = (0.0_f64, 0.0, 0);
    for _ in 0..times {
        let stream = StreamId(u32::try_from(random.next() % u64::from(STREAMS)).expect("small"));
        let label = names.label(stream);
        let streams = [(stream, label.kind)];
        let (from, to) = (Timestamp(START), Timestamp(START + MINUTES * 60_000));
        let start = Instant::now();
        let query =
            ReadingsQuery { device: label.device, streams: &streams, from, to, limit: 10_000 };
        found += reader.readings(&query).expect("the files are sound").len();
        let seconds = start.elapsed().as_secs_f64();
        total += seconds;
        worst = worst.max(seconds);
    }
    let mean = total / f64::from(times) * 1e3;
    println!(
        "query {what:6} {mean:8.2} ms mean, {:.2} ms worst, {} rows each",
        worst * 1e3,
        found / times as usize
    );
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("the folder is there");
    entries
        .map(|entry| {
            let path = entry.expect("it lists").path();
            if path.is_dir() {
                bytes_below(&path)
            } else {
                path.metadata().expect("it is there").len()
            }
        })
        .sum()
}

/// Bytes of each column of all files, a row.
fn columns_below(dir: &Path, sums: &mut std::collections::BTreeMap<String, i64>) {
    for entry in std::fs::read_dir(dir).expect("the folder is there") {
        let path = entry.expect("it lists").path();
        if path.is_dir() {
            columns_below(&path, sums);
            continue;
        }
        let file = std::fs::File::open(&path).expect("it opens");
        let reader = SerializedFileReader::new(file).expect("it is a Parquet file");
        for column in reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns) {
            *sums.entry(column.column_path().string()).or_default() += column.compressed_size();
        }
    }
}

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let settings = HistorySettings { utc_offset_ms: 8 * 3_600_000, rows_max: 4_000_000 };
    let names = Names::new();
    let mut history = History::open(dir.path(), settings).expect("the history opens");
    let start = Instant::now();
    let rows = fill(&mut history) as f64;
    println!(
        "append       {:8.1} M rows/s (with making them)",
        rows / start.elapsed().as_secs_f64() / 1e6
    );
    query(&history.reader(), &names, 100, "hot");
    let start = Instant::now();
    history.flush(&names).expect("the disk works");
    println!("flush        {:8.2} M rows/s", rows / start.elapsed().as_secs_f64() / 1e6);
    println!("bytes        {:8.2} a row", bytes_below(&dir.path().join("raw")) as f64 / rows);
    let mut columns = std::collections::BTreeMap::new();
    columns_below(&dir.path().join("raw"), &mut columns);
    for (column, bytes) in columns {
        println!("  {column:11}{:8.3} a row", bytes as f64 / rows);
    }
    let reader = history.reader();
    query(&reader, &names, 1, "first");
    query(&reader, &names, 300, "cold");
}
