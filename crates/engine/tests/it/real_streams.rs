//! Real sensors replayed in the order in which their readings arrived, and every indicator window
//! that closed compared with a plain recomputation from the file.
//!
//! The recomputation shares nothing with the engine but the ranges of the kinds: it knows windows by
//! their local time written out, areas by the beginnings of their codes, formulas as functions of
//! lists of numbers, and coverage, lateness and duplicates by their definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;

use chengmai_engine::{Catalog, Engine, Event, Settings, StreamSpec, Totals};
use chengmai_model::area::AreaRow;
use chengmai_model::testing::shared_data;
use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_model::{AreaCode, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::packs;

/// Digits of a code down to each tier: city, district, town, community, grid.
const DIGITS: [usize; 5] = [2, 6, 9, 12, 15];
const CITY: usize = 2;
const DISTRICT: usize = 6;
const TOWN: usize = 9;
const COMMUNITY: usize = 12;

/// One reading as the file has it.
#[derive(Debug, Clone)]
struct Row {
    /// Index into the places of its stream.
    device: usize,
    kind: &'static str,
    value: f64,
    at: i64,
    arrived: i64,
}

/// A vital sign as its pack words it, in words of this test.
struct Sign {
    code: &'static str,
    kind: &'static str,
    width_ms: i64,
    /// Digits of the codes of the areas that have it.
    tiers: &'static [usize],
    formula: fn(&[f64]) -> f64,
}

/// A city as this test sees it.
struct Town {
    /// Devices and the grid each stands in.
    places: Vec<(String, String)>,
    kinds: &'static [&'static str],
    period_ms: u32,
    /// Hours that its clock is ahead of UTC.
    offset: i8,
    lateness_ms: i64,
    signs: Vec<Sign>,
}

/// A window: code of the indicator, code of the area, local time at which it begins.
type Key = (String, String, String);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    value: f64,
    readings: u64,
    coverage: f32,
}

#[derive(Debug, Default)]
struct Book {
    windows: BTreeMap<Key, Window>,
    late: u64,
    duplicates: u64,
    out_of_range: u64,
}

/// Columns of the air file and the kinds they are.
const COLUMNS: [(&str, &str); 7] = [
    ("PM2.5", "pm25"),
    ("PM10", "pm10"),
    ("SO2", "so2"),
    ("NO2", "no2"),
    ("CO", "co"),
    ("O3", "o3"),
    ("TEMP", "temperature"),
];

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn share_of_good(values: &[f64]) -> f64 {
    let good = values.iter().filter(|value| **value <= 75.0).count();
    100.0 * good as f64 / values.len() as f64
}

fn table(path: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let packed = std::fs::read(shared_data(path)?).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    Some(reader.deserialize().map(|row| row.unwrap()).collect())
}

/// Local time of that offset, written out to the second.
fn written(at: i64, offset: i8) -> String {
    let zone = TimeZone::fixed(Offset::constant(offset));
    let at = jiff::Timestamp::from_millisecond(at).unwrap().to_zoned(zone);
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn read_local(text: &str, zone: &TimeZone) -> i64 {
    let civil: DateTime = text.replacen(' ', "T", 1).parse().unwrap();
    zone.to_zoned(civil).unwrap().timestamp().as_millisecond()
}

/// The beginning of the window of that width that holds a written time.
fn beginning(text: &str, width_ms: i64) -> String {
    match width_ms {
        DAY_MS => format!("{} 00:00:00", &text[..10]),
        HOUR_MS => format!("{}:00:00", &text[..13]),
        _ => {
            assert_eq!(width_ms, 5 * MINUTE_MS);
            let minute: u32 = text[14..16].parse().unwrap();
            format!("{}{:02}:00", &text[..14], minute / 5 * 5)
        }
    }
}

impl Town {
    /// The plain way: every reading into the list of every window and area it belongs to.
    fn recompute(&self, rows: &[Row], catalog: &Catalog) -> Book {
        let zone = TimeZone::fixed(Offset::constant(self.offset));
        let mut book = Book::default();
        let mut seen = BTreeSet::new();
        let mut lists: BTreeMap<(usize, String, String), Vec<f64>> = BTreeMap::new();
        let mut clock = i64::MIN;
        for row in rows {
            clock = clock.max(row.arrived);
            let range = &catalog.kind(catalog.kind_id(row.kind).unwrap()).kind.range;
            if row.value < range[0] || row.value > range[1] {
                book.out_of_range += 1;
                continue;
            }
            if !seen.insert((row.device, row.kind, row.at, row.value.to_bits())) {
                book.duplicates += 1;
                continue;
            }
            let time = written(row.at, self.offset);
            let mut missed = false;
            for (number, sign) in self.signs.iter().enumerate() {
                if sign.kind != row.kind {
                    continue;
                }
                let window = beginning(&time, sign.width_ms);
                let end = read_local(&window, &zone) + sign.width_ms;
                if clock >= end + self.lateness_ms {
                    missed = true;
                    continue;
                }
                for digits in sign.tiers {
                    let area = self.places[row.device].1[..*digits].to_owned();
                    lists.entry((number, area, window.clone())).or_default().push(row.value);
                }
            }
            book.late += u64::from(missed);
        }
        book.windows = lists.into_iter().map(|(key, values)| self.sum_up(key, &values)).collect();
        book
    }

    fn sum_up(&self, key: (usize, String, String), values: &[f64]) -> (Key, Window) {
        let (number, area, window) = key;
        let sign = &self.signs[number];
        let devices = self.places.iter().filter(|(_, grid)| grid.starts_with(&area)).count();
        let expected = devices as f64 * (sign.width_ms as f64 / f64::from(self.period_ms));
        #[expect(clippy::cast_possible_truncation, reason = "coverage is shown with few digits")]
        let coverage = (values.len() as f64 / expected).min(1.0) as f32;
        let value = (sign.formula)(values);
        let found = Window { value, readings: values.len() as u64, coverage };
        ((sign.code.to_owned(), area, window), found)
    }

    fn areas(&self) -> Arc<AreaTree> {
        let mut parents = BTreeMap::new();
        for (_, grid) in &self.places {
            for (depth, digits) in DIGITS.into_iter().enumerate() {
                let parent = depth.checked_sub(1).map(|above| &grid[..DIGITS[above]]);
                parents.insert(&grid[..digits], (parent, Tier::ALL[depth]));
            }
        }
        let rows = (1..).zip(&parents).map(|(line, (code, (parent, tier)))| AreaRow {
            line,
            code: AreaCode::new(code).unwrap(),
            parent: parent.map(|parent| AreaCode::new(parent).unwrap()),
            name: (*code).to_owned(),
            tier: *tier,
            valid_from: None,
            valid_to: None,
            center: None,
            shape: None,
            generated: true,
            note: None,
        });
        Arc::new(AreaTree::build(rows.collect()).unwrap())
    }

    /// The engine's way, in the order of arrival: what arrived at one moment is one batch.
    fn replay(&self, rows: &[Row], catalog: Catalog) -> Book {
        let areas = self.areas();
        let settings = Settings {
            lateness_ms: self.lateness_ms,
            utc_offset_ms: i64::from(self.offset) * HOUR_MS,
            ..Settings::default()
        };
        let mut engine = Engine::new(catalog, Arc::clone(&areas), settings);
        let mut streams: BTreeMap<(usize, &str), StreamId> = BTreeMap::new();
        for (number, (_, grid)) in (0..).zip(&self.places) {
            for name in self.kinds {
                let spec = StreamSpec {
                    kind: engine.catalog().kind_id(name).unwrap(),
                    area: areas.find(grid).unwrap(),
                    period_ms: self.period_ms,
                    device: DeviceId(number),
                };
                streams.insert((number as usize, name), engine.register(spec));
            }
        }
        let mut book = Book::default();
        let mut events = Vec::new();
        let mut position = 1;
        let mut last = Timestamp(0);
        for batch in rows.chunk_by(|a, b| a.arrived == b.arrived) {
            let readings: Vec<Reading> = batch
                .iter()
                .map(|row| Reading {
                    stream: streams[&(row.device, row.kind)],
                    at: Timestamp(row.at),
                    value: row.value,
                })
                .collect();
            last = Timestamp(batch[0].arrived);
            engine.apply(position, last, &readings, &mut events);
            engine.tick(last, &mut events);
            position += readings.len() as u64;
            self.note(&engine, &mut events, &mut book);
        }
        engine.tick(last.plus_ms(self.lateness_ms + 2 * DAY_MS), &mut events);
        self.note(&engine, &mut events, &mut book);
        let Totals { readings, late, duplicates, out_of_range, .. } = engine.totals();
        assert_eq!(readings, rows.len() as u64);
        Book { late, duplicates, out_of_range, ..book }
    }

    fn note(&self, engine: &Engine, events: &mut Vec<Event>, book: &mut Book) {
        for event in events.drain(..) {
            let Event::Window(closed) = event else { continue };
            let sign = &engine.catalog().indicators()[usize::from(closed.indicator)];
            let area = engine.areas().get(closed.area).row.code.to_string();
            let key = (sign.def.code.clone(), area, written(closed.start.0, self.offset));
            let window = Window {
                value: closed.value.expect("every formula here has a value"),
                readings: closed.readings,
                coverage: closed.coverage,
            };
            let before = book.windows.insert(key.clone(), window);
            assert_eq!(before, None, "{key:?} closed twice");
        }
    }

    /// Both ways, compared; what they agree on.
    #[track_caller]
    fn check(&self, rows: &[Row]) -> Book {
        let catalog = packs::catalog();
        let expected = self.recompute(rows, &catalog);
        let found = self.replay(rows, catalog);
        let counts = |book: &Book| (book.late, book.duplicates, book.out_of_range);
        assert_eq!(counts(&found), counts(&expected), "late, duplicates, out of range");
        for (key, window) in &expected.windows {
            let got = found.windows.get(key).unwrap_or_else(|| panic!("{key:?} did not close"));
            let near = (got.value - window.value).abs() <= 1e-9 * window.value.abs();
            assert!(near, "{key:?}: {got:?}, recomputed {window:?}");
            assert_eq!(got.readings, window.readings, "{key:?}");
            assert_eq!(got.coverage.to_bits(), window.coverage.to_bits(), "{key:?} {got:?}");
        }
        for key in found.windows.keys() {
            assert!(expected.windows.contains_key(key), "{key:?} closed without a reading");
        }
        found
    }
}

/// Windows of each indicator, and all of them.
fn census(book: &Book) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (code, _, _) in book.windows.keys() {
        *counts.entry(code).or_default() += 1;
    }
    let mut text: Vec<String> = counts.iter().map(|(code, n)| format!("{code} {n}")).collect();
    text.push(format!("all {}", book.windows.len()));
    text.join(", ")
}

fn places(table: &[(&str, &str)]) -> Vec<(String, String)> {
    table.iter().map(|(name, grid)| ((*name).to_owned(), (*grid).to_owned())).collect()
}

/// Six national stations of Beijing: hourly, local time of Asia/Shanghai (UTC+8 the whole year),
/// gaps as they were. Taken to arrive on the hour. The areas are made up so that every tier above a
/// grid joins some stations and parts others.
#[test]
fn a_year_of_beijing_air_gives_the_means_and_shares_of_its_file() {
    let Some(file) = table("sensors-air-beijing/beijing_air_2015-03_2016-02.csv.gz") else {
        return;
    };
    let upper: &[usize] = &[CITY, DISTRICT, TOWN];
    let sign = |code, kind, formula| Sign { code, kind, width_ms: HOUR_MS, tiers: upper, formula };
    let town = Town {
        places: places(&[
            ("Aotizhongxin", "110101001001001"),
            ("Guanyuan", "110101001001002"),
            ("Wanliu", "110101002001001"),
            ("Dingling", "110102001001001"),
            ("Huairou", "110102001002001"),
            ("Shunyi", "110102002001001"),
        ]),
        kinds: &["pm25", "pm10", "so2", "no2", "co", "o3", "temperature"],
        period_ms: 3_600_000,
        offset: 8,
        lateness_ms: 15 * MINUTE_MS,
        signs: vec![
            sign("air.pm25", "pm25", mean),
            Sign {
                width_ms: DAY_MS,
                tiers: &[CITY, DISTRICT],
                ..sign("air.pm25_day", "pm25", mean)
            },
            sign("air.pm10", "pm10", mean),
            sign("air.o3", "o3", mean),
            sign("air.no2", "no2", mean),
            Sign {
                tiers: &[CITY, DISTRICT, TOWN, COMMUNITY],
                ..sign("air.good_share", "pm25", share_of_good)
            },
            sign("air.temperature_max", "temperature", highest),
        ],
    };
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let mut rows = Vec::new();
    let mut gaps = 0;
    for line in &file {
        let at = read_local(&line["time"], &zone);
        let name = &line["station"];
        let device = town.places.iter().position(|(station, _)| station == name).unwrap();
        for (column, kind) in COLUMNS {
            match line[column].as_str() {
                "" | "NA" => gaps += 1,
                value => {
                    let value = value.parse().unwrap();
                    rows.push(Row { device, kind, value, at, arrived: at });
                }
            }
        }
    }
    // The file goes station by station; the readings came hour by hour.
    rows.sort_by_key(|row| row.arrived);
    assert_eq!((file.len(), gaps, rows.len()), (52_704, 5_846, 363_082));
    let book = town.check(&rows);
    assert_eq!((book.late, book.duplicates, book.out_of_range), (0, 0, 0));
    assert_eq!(
        census(&book),
        "air.good_share 104410, air.no2 60521, air.o3 60870, air.pm10 61159, air.pm25 61092, air.pm25_day 1098, air.temperature_max 61487, all 410637"
    );
    assert_eq!(book.windows.values().filter(|window| window.coverage < 1.0).count(), 11_014);
}

/// A river gauge in Texas: stage in feet every 15 minutes, summer time for the first day and a bit,
/// then winter time; the clock of the city here is winter time throughout. Every reading is sent
/// twice, as a gateway does that got no acknowledgement.
#[test]
fn a_river_gauge_sent_twice_counts_once() {
    let Some(file) = table("sensors-river-usgs/usgs_08068500_2011-11.csv.gz") else { return };
    let town = Town {
        places: places(&[("08068500", "480101001001001")]),
        kinds: &["river_stage"],
        period_ms: 900_000,
        offset: -6,
        lateness_ms: 15 * MINUTE_MS,
        signs: vec![Sign {
            code: "drainage.river_stage_max",
            kind: "river_stage",
            width_ms: HOUR_MS,
            tiers: &[DISTRICT, TOWN],
            formula: highest,
        }],
    };
    let mut rows = Vec::new();
    for line in file.iter().filter(|line| line["variable"] == "00065") {
        assert_eq!(line["unit"], "ft");
        let at = Timestamp::parse_rfc3339(&line["time"]).unwrap().0;
        let value = line["value"].parse::<f64>().unwrap() * 0.3048;
        rows.push(Row { device: 0, kind: "river_stage", value, at, arrived: at });
    }
    assert_eq!((file.len(), rows.len()), (8_761, 1_253));
    let twice: Vec<Row> = rows.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
    let book = town.check(&twice);
    assert_eq!((book.late, book.duplicates, book.out_of_range), (0, 1_253, 0));
    assert_eq!(census(&book), "drainage.river_stage_max 628, all 628");
}

/// Eight car parks of Aarhus. Both time columns are taken as local time of Europe/Copenhagen: the
/// readings are of the summer (UTC+2), and all of them arrived in one batch in November.
fn aarhus(lateness_ms: i64) -> Option<(Town, Vec<Row>)> {
    let file = table("sensors-parking-aarhus/aarhus_parking_a.csv.gz")?;
    let sign = |code, width_ms, tiers| Sign {
        code,
        kind: "parking_occupied",
        width_ms,
        tiers,
        formula: mean,
    };
    let town = Town {
        places: places(&[
            ("BRUUNS", "080101001001001"),
            ("BUSGADEHUSET", "080101001001002"),
            ("KALKVAERKSVEJ", "080101001002001"),
            ("MAGASIN", "080101002001001"),
            ("NORREPORT", "080102001001001"),
            ("SALLING", "080102001001002"),
            ("SCANDCENTER", "080102002001001"),
            ("SKOLEBAKKEN", "080102002002001"),
        ]),
        kinds: &["parking_occupied"],
        period_ms: 1_800_000,
        offset: 2,
        lateness_ms,
        signs: vec![
            sign("street.parking_mean", 5 * MINUTE_MS, &[CITY, DISTRICT, TOWN, COMMUNITY]),
            sign("street.parking_activity", HOUR_MS, &[CITY, DISTRICT, TOWN]),
        ],
    };
    let zone = TimeZone::get("Europe/Copenhagen").unwrap();
    let row = |line: &BTreeMap<String, String>| {
        let name = &line["garagecode"];
        let share = 100.0 * line["vehiclecount"].parse::<f64>().unwrap()
            / line["totalspaces"].parse::<f64>().unwrap();
        Row {
            device: town.places.iter().position(|(garage, _)| garage == name).unwrap(),
            kind: "parking_occupied",
            // A sensor writes a number with an end; the engine keeps sums to the millionth.
            value: format!("{share:.6}").parse().unwrap(),
            at: read_local(&line["time"], &zone),
            arrived: read_local(&line["streamtime"], &zone),
        }
    };
    let rows: Vec<Row> = file.iter().map(row).collect();
    assert!(rows.is_sorted_by_key(|row| row.arrived), "the file is in the order of arrival");
    let over = |line: &&BTreeMap<String, String>| {
        line["vehiclecount"].parse::<u32>().unwrap() > line["totalspaces"].parse::<u32>().unwrap()
    };
    assert_eq!((file.len(), file.iter().filter(over).count()), (33_160, 2_635));
    Some((town, rows))
}

#[test]
fn car_parks_that_report_months_late_are_counted_late_and_shown_in_no_window() {
    let Some((town, rows)) = aarhus(15 * MINUTE_MS) else { return };
    // As at the server's edge: what is out of range does not even reach the engine.
    let kept: Vec<Row> = rows.into_iter().filter(|row| row.value <= 100.0).collect();
    assert_eq!(kept.len(), 33_160 - 2_635);
    let book = town.check(&kept);
    assert_eq!((book.late, book.duplicates, book.out_of_range), (30_525, 0, 0));
    assert_eq!(book.windows.len(), 0);
}

#[test]
fn with_enough_patience_every_car_park_reading_is_in_its_window() {
    let Some((town, rows)) = aarhus(200 * DAY_MS) else { return };
    let book = town.check(&rows);
    assert_eq!((book.late, book.duplicates, book.out_of_range), (0, 0, 2_635));
    assert_eq!(
        census(&book),
        "street.parking_activity 14553, street.parking_mean 53884, all 68437"
    );
}

#[test]
fn a_lateness_that_ends_in_the_middle_parts_the_car_park_readings_exactly() {
    let Some((town, rows)) = aarhus(100 * DAY_MS) else { return };
    let book = town.check(&rows);
    assert_eq!((book.late, book.duplicates, book.out_of_range), (17_788, 0, 2_635));
    assert_eq!(census(&book), "street.parking_activity 5971, street.parking_mean 22112, all 28083");
}
