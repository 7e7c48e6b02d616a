//! What a flush and a compaction cost in time and bytes, and what a query costs. One line a measure.
//!
//! The workload is that of the comparison with other systems: twelve kinds of sensors, quantised
//! small random walks, one reading a minute a device in an order that has nothing to do with their
//! numbers: 100,000 devices for 100 minutes. Then the same rows from four million devices, each of
//! which speaks once or twice: what a flush of the whole city looks like.

#![expect(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::path::Path;
use std::time::Instant;

use chengmai_history::{
    History, HistoryReader, HistorySettings, Place, Places, ReadingsQuery, StreamLabel, StreamNames,
};
use chengmai_model::{AreaId, Reading, StreamId, Timestamp};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

const START: i64 = 1_795_226_400_000;
const MINUTE: i64 = 60_000;
const GRIDS: u32 = 67_000;
const DISTRICTS: u32 = 41;
/// Readings of a journal frame.
const FRAME: usize = 20_000;

/// Name, decimals, usual level, step, limit (in last digits), share of the devices in percent.
const KINDS: [(&str, i32, i32, i32, i32, u64); 12] = [
    ("methane", 1, 5, 2, 250, 14),
    ("h2s", 1, 3, 1, 100, 5),
    ("co", 1, 20, 3, 240, 5),
    ("level", 3, 800, 6, 3000, 10),
    ("pressure", 4, 3200, 12, 4500, 12),
    ("flow", 2, 4250, 40, 9000, 10),
    ("temperature", 1, 215, 1, 450, 12),
    ("rainfall", 1, 0, 1, 160, 3),
    ("pm25", 0, 35, 1, 150, 4),
    ("noise", 1, 552, 15, 850, 5),
    ("speed", 1, 380, 20, 1100, 8),
    ("parking", 0, 0, 1, 2, 12),
];

/// The bits of the input moved about: the same numbers in every run.
fn mix(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ x >> 32
}

struct City {
    kinds: Vec<u8>,
    grids: Vec<u32>,
}

impl City {
    fn new(devices: u32) -> Self {
        let shares = |n: u64| {
            let mut left = n % 100;
            let kind = KINDS.iter().position(|k| {
                let here = left < k.5;
                left = left.wrapping_sub(k.5);
                here
            });
            u8::try_from(kind.unwrap_or(0)).expect("twelve")
        };
        let hash = |n: u32| mix(u64::from(n) + 0x1_0000_0001);
        Self {
            kinds: (0..devices).map(|n| shares(hash(n))).collect(),
            grids: (0..devices)
                .map(|n| u32::try_from((hash(n) >> 20) % u64::from(GRIDS)).expect("small"))
                .collect(),
        }
    }

    fn devices(&self) -> u32 {
        u32::try_from(self.kinds.len()).expect("few")
    }
}

fn device(stream: u32) -> String {
    format!("d{stream:07}")
}

fn area_code(grid: u32) -> String {
    let (community, town) = (grid * 11_000 / GRIDS, grid * 1_031 / GRIDS);
    let district = 500_101 + u64::from(grid * DISTRICTS / GRIDS);
    let part = |n: u32| u64::from(n % 1_000);
    (((district * 1_000 + part(town)) * 1_000 + part(community)) * 1_000 + part(grid)).to_string()
}

impl StreamNames for City {
    fn labels(&self, streams: &[StreamId], each: &mut dyn FnMut(StreamLabel<'_>)) {
        let mut name = *b"d0000000";
        for stream in streams {
            let mut rest = stream.0;
            for digit in name[1..].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
                rest /= 10;
            }
            let index = stream.0 as usize;
            each(StreamLabel {
                device: std::str::from_utf8(&name).expect("digits"),
                kind: self.kinds[index].into(),
                area: AreaId(self.grids[index]),
            });
        }
    }

    fn kind(&self, kind: u32) -> String {
        KINDS[kind as usize].0.to_owned()
    }

    fn area(&self, area: AreaId) -> String {
        area_code(area.0)
    }
}

impl Places for City {
    fn place(&self, area: &str) -> Option<Place> {
        // By town: the three digits behind the district.
        Some(Place { district: area[..6].to_owned(), order: area[6..9].parse().ok()? })
    }

    fn stream(&self, device: &str, _kind: &str) -> Option<StreamId> {
        device[1..].parse().ok().map(StreamId)
    }
}

/// `count` readings, one a minute a device, in order of arrival.
fn fill(history: &mut History, city: &City, count: usize) {
    let devices = u64::from(city.devices());
    let mut values: Vec<i32> = (0..devices)
        .map(|n| {
            let kind = KINDS[usize::from(city.kinds[usize::try_from(n).expect("small")])];
            let hash = mix(n + 0x1_0000_0001);
            kind.2 + i32::try_from((hash >> 8) % 9).expect("small") * kind.3
        })
        .collect();
    let mut stride = (devices * 618_034 / 1_000_000) | 1;
    while gcd(stride, devices) != 1 {
        stride += 2;
    }
    let (mut batch, mut sequence) = (Vec::with_capacity(FRAME), 0);
    for i in 0..count as u64 {
        let (slot, minute) = (i % devices, i / devices);
        let stream = u32::try_from((slot * stride + 12_345) % devices).expect("small");
        let at = START + minute.cast_signed() * MINUTE + (slot * 59_999 / devices).cast_signed();
        let kind = KINDS[usize::from(city.kinds[stream as usize])];
        let value = &mut values[stream as usize];
        step(value, kind, minute, mix(i.wrapping_mul(2_654_435_761).wrapping_add(1)));
        batch.push(Reading {
            stream: StreamId(stream),
            at: Timestamp(at),
            value: f64::from(*value) / 10_f64.powi(kind.1),
        });
        if batch.len() == FRAME || i + 1 == count as u64 {
            sequence += 1;
            // A gateway collects for a while, and the network takes its time.
            let delay = 150 + (mix(sequence) % 200).cast_signed();
            history.append_readings(sequence, Timestamp(at + delay), &batch);
            batch.clear();
        }
    }
}

fn step(value: &mut i32, kind: (&str, i32, i32, i32, i32, u64), minute: u64, random: u64) {
    let (name, _, usual, step, limit, _) = kind;
    if name == "parking" {
        *value = (*value & 1) ^ i32::from(random.is_multiple_of(30));
    } else if minute > 0 {
        *value += (i32::try_from(random % 3).expect("small") - 1) * step;
        *value -= (*value - usual) / 16;
        if (random >> 16).is_multiple_of(5_000) {
            *value = limit + i32::try_from((random >> 40) % 64).expect("small") * step;
        }
        *value = (*value).max(0);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn query(reader: &HistoryReader, city: &City, times: u32, what: &str) {
    let (mut worst, mut total, mut found) = (0.0_f64, 0.0, 0);
    for n in 0..times {
        let stream = u32::try_from(mix(n.into()) % u64::from(city.devices())).expect("small");
        let kind = KINDS[usize::from(city.kinds[stream as usize])].0;
        let (device, streams) = (device(stream), [(StreamId(stream), kind)]);
        let (from, to) = (Timestamp(START), Timestamp(START + 24 * 60 * MINUTE));
        let (streams, limit, within) = (streams.as_slice(), 10_000, None);
        let query = ReadingsQuery { device: &device, streams, from, to, limit, within };
        let start = cpu_seconds();
        found += reader.readings(&query).expect("the files are sound").len();
        let seconds = cpu_seconds() - start;
        total += seconds;
        worst = worst.max(seconds);
    }
    println!(
        "  one device {what:7} {:8.3} ms of processor, {:.2} ms at worst, {} rows each",
        total / f64::from(times) * 1e3,
        worst * 1e3,
        found / times as usize
    );
}

/// Bytes of each column of all files below a folder, a row; files, and all bytes a row.
fn bytes(dir: &Path, rows: f64) {
    let (mut files, mut all, mut columns) = (0, 0, std::collections::BTreeMap::new());
    let mut folders = vec![dir.join("raw")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it lists").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            all += path.metadata().expect("it is there").len();
            let file = std::fs::File::open(&path).expect("it opens");
            let reader = SerializedFileReader::new(file).expect("it is a Parquet file");
            for column in reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns)
            {
                *columns.entry(column.column_path().string()).or_insert(0) +=
                    column.compressed_size();
            }
        }
    }
    println!("  {:.3} bytes a row in {files} files", all as f64 / rows);
    for (column, bytes) in columns {
        println!(
            "    {column:12}{:7.3}",
            f64::from(i32::try_from(bytes).unwrap_or(i32::MAX)) / rows
        );
    }
}

/// Seconds that this thread has been on a processor: what the machine does besides does not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}

fn rates(rows: f64, start: Instant, cpu_before: f64) -> String {
    let (cpu, wall) = (cpu_seconds() - cpu_before, start.elapsed().as_secs_f64());
    format!("{:.2} M rows/s of processor, {:.2} by the clock", rows / cpu / 1e6, rows / wall / 1e6)
}

fn run(devices: u32, rows: usize) {
    println!("{devices} devices, {rows} readings");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let settings = HistorySettings { utc_offset_ms: 8 * 3_600_000, rows_max: 4_000_000 };
    let city = City::new(devices);
    let mut history = History::open(dir.path(), settings).expect("the history opens");
    fill(&mut history, &city, rows);
    query(&history.reader(), &city, 100, "hot");
    let (start, cpu) = (Instant::now(), cpu_seconds());
    history.flush(&city).expect("the disk works");
    println!("  flush {}", rates(rows as f64, start, cpu));
    bytes(dir.path(), rows as f64);
    query(&history.reader(), &city, 300, "fresh");
    let mut compactor = history.compactor();
    let (start, cpu, mut merged) = (Instant::now(), cpu_seconds(), 0);
    let tomorrow = START + 2 * 24 * 60 * MINUTE;
    while let Some(done) = compactor.step(tomorrow, &city).expect("the disk works") {
        merged += done.rows;
    }
    println!("  compaction {}", rates(merged as f64, start, cpu));
    bytes(dir.path(), rows as f64);
    query(&history.reader(), &city, 41, "opening");
    query(&history.reader(), &city, 300, "packed");
}

fn main() {
    run(100_000, 10_000_000);
    run(4_000_000, 5_000_000);
}
