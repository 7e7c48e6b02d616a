//! The roll-up held against a plain recomputation: random readings, late readings, corrections,
//! retractions, moves and re-codings of areas from one seed, and now and then every open window of every
//! area compared bit for bit with what the readings themselves give. Played small in the tests and at
//! length by `cargo run --release -p chengmai-engine --example rollup_audit`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chengmai_engine::{Catalog, Correction, Engine, Refill, Settings, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, KindId, Reading, StreamId};
use chengmai_model::{Tier, Timestamp};

const MINUTE: i64 = 60_000;
const LATENESS: i64 = 15 * MINUTE;
const STREAMS: u32 = 300;
const DISTRICTS: usize = 4;
const TOWNS: usize = 5;
const TERMS: [&str; 6] = ["count(K)", "sum(K)", "min(K)", "max(K)", "last(K)", "count(K < 10)"];
const WIDTHS: [(&str, i64); 2] = [("1m", MINUTE), ("5m", 5 * MINUTE)];

/// What was done and compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) readings: u64,
    pub(crate) late: u64,
    pub(crate) corrected: u64,
    pub(crate) retracted: u64,
    pub(crate) refilled: u64,
    pub(crate) moved: u64,
    pub(crate) recoded: u64,
    pub(crate) points: u64,
    pub(crate) windows: u64,
}

/// Readings of one kind counted at one town in one minute.
type Cell = (KindId, usize, i64);

struct Audit {
    seed: u64,
    engine: Engine,
    /// Which towns there are; the first of each district always is.
    towns: [bool; DISTRICTS * TOWNS],
    /// Town of each stream.
    homes: Vec<usize>,
    now: i64,
    position: u64,
    /// All readings of windows that are open, where they were counted.
    cells: BTreeMap<Cell, Vec<(u32, i64, f64)>>,
    tally: Tally,
}

/// Plays that many steps and compares `points` times; the text says what differs first.
pub(crate) fn audit(seed: u64, steps: u64, points: u64) -> Result<Tally, String> {
    let mut audit = Audit::new(seed);
    let every = (steps / points.max(1)).max(1);
    for step in 1..=steps {
        audit.step();
        if step % every == 0 {
            audit.compare().map_err(|text| format!("seed {seed}, step {step}: {text}"))?;
            audit.recode();
        }
    }
    Ok(audit.tally)
}

fn catalog() -> Catalog {
    let pack = "[pack]\nid = \"p\"\nversion = \"1.0.0\"\nname = { zh = \"包\", en = \"Pack\" }\n\
         section = \"facility_operation\"\ntrack = { zh = \"跑道\", en = \"Track\" }\n";
    let (mut kinds, mut indicators) = (String::new(), String::new());
    for kind in ["j", "k"] {
        let _ = write!(
            kinds,
            "[[kind]]\nid = \"{kind}\"\nname = {{ zh = \"量\", en = \"Thing\" }}\nunit = \"u\"\n\
             range = [-100, 100]\nperiod = {{ normal = \"1m\" }}\nsource = \"t\"\n"
        );
        for (term, (width, _)) in TERMS.iter().flat_map(|t| WIDTHS.iter().map(move |w| (t, w))) {
            let number = indicators.matches("code").count();
            let value = term.replace('K', kind);
            let _ = write!(
                indicators,
                "[[indicator]]\ncode = \"p.i{number}\"\nname = {{ zh = \"征\", en = \"Sign\" }}\n\
                 unit = \"u\"\nbetter = \"band\"\nvalue = \"{value}\"\nwindow = \"{width}\"\n\
                 tiers = [\"city\", \"district\", \"town\"]\nowner = \"o\"\nsource = \"t\"\n"
            );
        }
    }
    let files = [
        ("pack.toml", pack.to_owned()),
        ("kinds.toml", kinds),
        ("indicators.toml", indicators),
        ("README.md", "# 包\n\n## English\nPack\n".to_owned()),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text));
    Catalog::compile(&[parse(&files).unwrap()]).unwrap()
}

fn code(town: usize) -> String {
    format!("D{}T{town}", town / TOWNS)
}

fn city(towns: &[bool]) -> Arc<AreaTree> {
    let row = |code: String, parent: Option<&str>, tier| AreaRow {
        line: 1,
        code: AreaCode::new(&code).unwrap(),
        parent: parent.map(|p| AreaCode::new(p).unwrap()),
        name: code,
        tier,
        valid_from: None,
        valid_to: None,
        center: None,
        shape: None,
        generated: false,
        note: None,
    };
    let mut rows = vec![row("C".to_owned(), None, Tier::City)];
    for district in 0..DISTRICTS {
        rows.push(row(format!("D{district}"), Some("C"), Tier::District));
    }
    for (town, _) in towns.iter().enumerate().filter(|(_, there)| **there) {
        rows.push(row(code(town), Some(&format!("D{}", town / TOWNS)), Tier::Town));
    }
    Arc::new(AreaTree::build(rows).unwrap())
}

impl Audit {
    fn new(seed: u64) -> Self {
        let towns = [true; DISTRICTS * TOWNS];
        let settings = Settings { lateness_ms: LATENESS, utc_offset_ms: 0, ..Settings::default() };
        let engine = Engine::new(catalog(), city(&towns), settings);
        let mut audit = Self {
            seed: seed | 1,
            engine,
            towns,
            homes: Vec::new(),
            now: 1_782_864_000_000,
            position: 0,
            cells: BTreeMap::new(),
            tally: Tally::default(),
        };
        for number in 0..STREAMS {
            let town = audit.below(towns.len());
            let kind = KindId(u16::try_from(number % 2).unwrap());
            let area = audit.area(town);
            audit.engine.register(StreamSpec {
                kind,
                area,
                period_ms: 0,
                device: DeviceId(number),
            });
            audit.homes.push(town);
        }
        audit
    }

    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.random() >> 33).unwrap() % most
    }

    /// A value with six decimals, and now and then a nought of either sign.
    fn value(&mut self) -> f64 {
        let millionths = i32::try_from(self.below(200_000_001)).unwrap() - 100_000_000;
        match millionths % 97 {
            0 => -0.0,
            _ => f64::from(millionths) / 1e6,
        }
    }

    fn area(&self, town: usize) -> AreaId {
        self.engine.areas().find(&code(town)).unwrap()
    }

    /// Which town's area took over a town that is gone.
    fn heir(&self, town: usize) -> usize {
        if self.towns[town] { town } else { town / TOWNS * TOWNS }
    }

    fn step(&mut self) {
        match self.below(1_000) {
            0..=9 => self.pass_time(),
            10..=599 => self.read(0),
            600..=799 => {
                let late = i64::try_from(self.below(14 * 60_000)).unwrap();
                self.tally.late += 1;
                self.read(late);
            }
            800..=969 => self.correct(),
            _ => self.relocate(),
        }
    }

    fn pass_time(&mut self) {
        self.now += i64::try_from(self.below(3_000)).unwrap();
        self.engine.tick(Timestamp(self.now), &mut Vec::new());
        let closed = self.now - LATENESS - 6 * MINUTE;
        self.cells.retain(|(_, _, minute), _| *minute >= closed);
    }

    fn read(&mut self, late: i64) {
        let stream = u32::try_from(self.below(STREAMS as usize)).unwrap();
        let reading = Reading {
            stream: StreamId(stream),
            at: Timestamp(self.now - late),
            value: self.value(),
        };
        let now = Timestamp(self.now);
        let applied = self.engine.apply(self.position, now, &[reading], &mut Vec::new());
        self.position += 1;
        assert_eq!(applied.late + applied.out_of_range, 0, "every window is open");
        if applied.duplicates == 0 {
            let kind = KindId(u16::try_from(stream % 2).unwrap());
            let cell = (kind, self.homes[stream as usize], minute(reading.at.0));
            self.cells.entry(cell).or_default().push((stream, reading.at.0, reading.value));
            self.tally.readings += 1;
        }
    }

    /// Corrects or retracts a reading whose windows are all open.
    fn correct(&mut self) {
        let oldest = minute(self.now - LATENESS) + MINUTE;
        let span = usize::try_from((self.now - oldest) / MINUTE + 1).unwrap();
        let start = oldest + i64::try_from(self.below(span)).unwrap() * MINUTE;
        let cell = (KindId(u16::try_from(self.below(2)).unwrap()), self.below(20), start);
        let Some(len) = self.cells.get(&cell).map(Vec::len).filter(|len| *len > 0) else { return };
        let index = self.below(len);
        let new = if self.below(4) == 0 { None } else { Some(self.value()) };
        let readings = self.cells.get_mut(&cell).unwrap();
        let (stream, at, old) = readings[index];
        match new {
            Some(value) => readings[index].2 = value,
            None => drop(readings.swap_remove(index)),
        }
        self.tally.corrected += u64::from(new.is_some());
        self.tally.retracted += u64::from(new.is_none());
        let area = Some(self.area(cell.1));
        let (stream, at) = (StreamId(stream), Timestamp(at));
        let correction = Correction { stream, at, old, new, area };
        let done = self.engine.correct(Timestamp(self.now), &correction);
        assert_eq!((done.windows, done.missed), (2, 0), "both windows hold it");
        for refill in &done.refill {
            self.refill(refill, cell.1);
        }
    }

    fn refill(&mut self, refill: &Refill, town: usize) {
        let start = refill.start.0;
        let range = (refill.kind, town, start)..(refill.kind, town, start + refill.width_ms);
        let cells = self.cells.range(range).flat_map(|(_, readings)| readings);
        let mut readings: Vec<_> = cells.map(|&(_, at, value)| (Timestamp(at), value)).collect();
        assert!(self.engine.refill(refill, &readings), "they are the readings of the cell");
        readings.push((refill.start, 1.0));
        assert!(!self.engine.refill(refill, &readings), "one too many is noticed");
        self.tally.refilled += 1;
    }

    fn relocate(&mut self) {
        let (stream, town) = (self.below(STREAMS as usize), self.below(self.towns.len()));
        let town = self.heir(town);
        let area = self.area(town);
        self.engine.reassign(StreamId(u32::try_from(stream).unwrap()), area, 0);
        self.homes[stream] = town;
        self.tally.moved += 1;
    }

    /// A town becomes part of the first of its district, or is there again.
    fn recode(&mut self) {
        let town = self.below(self.towns.len());
        if town.is_multiple_of(TOWNS) {
            return;
        }
        self.towns[town] = !self.towns[town];
        let (old, new) = (Arc::clone(self.engine.areas()), city(&self.towns));
        let heir = self.heir(town);
        let (gone, takes_over) = (code(town), code(heir));
        let map = |area: AreaId| {
            let code = old.get(area).row.code.as_str();
            new.find(if code == gone { &takes_over } else { code }).unwrap()
        };
        self.engine.rearrange(Arc::clone(&new), map, &mut Vec::new());
        for home in self.homes.iter_mut().filter(|home| **home == town) {
            *home = heir;
        }
        if heir != town {
            let keys: Vec<Cell> = self.cells.keys().filter(|key| key.1 == town).copied().collect();
            for key in keys {
                let readings = self.cells.remove(&key).unwrap_or_default();
                self.cells.entry((key.0, heir, key.2)).or_default().extend(readings);
            }
        }
        self.tally.recoded += 1;
    }

    /// Every open window of every area, against the readings.
    fn compare(&mut self) -> Result<(), String> {
        self.engine.tick(Timestamp(self.now), &mut Vec::new());
        let areas = Arc::clone(self.engine.areas());
        let mut number = 0;
        for kind in [KindId(0), KindId(1)] {
            for term in 0..TERMS.len() {
                for (_, width) in WIDTHS {
                    let expected = self.expected(kind, term, width);
                    for (area, _) in areas.iter() {
                        let told = self.engine.open_windows(number, area);
                        let told = told
                            .iter()
                            .map(|w| (w.start.0, (w.value.map(f64::to_bits), w.readings)));
                        let told: BTreeMap<_, _> = told.collect();
                        let wanted = expected.get(&area.0).cloned().unwrap_or_default();
                        if told != wanted {
                            let what = &self.engine.catalog().indicators()[usize::from(number)];
                            return Err(format!(
                                "{} over {width} ms in area {}: {told:x?} but {wanted:x?}",
                                what.def.value, area.0
                            ));
                        }
                        self.tally.windows += wanted.len() as u64;
                    }
                    number += 1;
                }
            }
        }
        self.tally.points += 1;
        Ok(())
    }

    /// By area and start of the window: bits of the value, and number of readings.
    fn expected(&self, kind: KindId, term: usize, width: i64) -> BTreeMap<u32, Expected> {
        let mut groups: BTreeMap<(u32, i64), Vec<(i64, f64)>> = BTreeMap::new();
        for ((of, town, minute), readings) in &self.cells {
            let start = minute.div_euclid(width) * width;
            if *of == kind && start + width > self.now - LATENESS {
                for area in self.engine.areas().path(self.area(*town)) {
                    let group = groups.entry((area.0, start)).or_default();
                    group.extend(readings.iter().map(|&(_, at, value)| (at, value + 0.0)));
                }
            }
        }
        let mut expected: BTreeMap<u32, Expected> = BTreeMap::new();
        for ((area, start), readings) in groups {
            if !readings.is_empty() {
                let value = plainly(term, &readings).to_bits();
                let found = (Some(value), readings.len() as u64);
                expected.entry(area).or_default().insert(start, found);
            }
        }
        expected
    }
}

type Expected = BTreeMap<i64, (Option<u64>, u64)>;

fn minute(at: i64) -> i64 {
    at.div_euclid(MINUTE) * MINUTE
}

/// A term of a window, from its readings.
fn plainly(term: usize, readings: &[(i64, f64)]) -> f64 {
    let values = || readings.iter().map(|(_, value)| *value);
    match term {
        0 => readings.len() as f64,
        1 => {
            // Readings have six decimals, so rounding to millionths loses nothing.
            #[expect(clippy::cast_possible_truncation, reason = "whole millionths")]
            let sum: i64 = values().map(|value| (value * 1e6).round() as i64).sum();
            sum as f64 / 1e6
        }
        2 => values().fold(f64::INFINITY, f64::min),
        3 => values().fold(f64::NEG_INFINITY, f64::max),
        4 => {
            let newest = readings.iter().max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            newest.map_or(f64::NAN, |(_, value)| *value)
        }
        _ => values().filter(|value| *value < 10.0).count() as f64,
    }
}
