//! Has somebody reported this already? Cases near in place, time, kind and words, each with the
//! probability that it is the same thing.
//!
//! Not a merge: it proposes, and merging is a step of a case that can be taken back. It keeps no
//! text, only a sketch of it. Always holds: a case is found by `near` from its insertion until its
//! removal, whatever else came and went.

mod meaning;
mod weights;

use chengmai_model::Timestamp;
use chengmai_model::time::{HOUR_MS, MINUTE_MS};
use hashbrown::{HashMap, HashTable};
pub use meaning::Meaning;
pub use weights::{Alike, SameObject, Weights};

use super::grams::{each_gram, mix};

/// Units of a degree in which places are kept: about a centimetre.
const UNITS: f64 = 1e7;
/// Metres of a degree of latitude.
const DEGREE_M: f64 = 111_320.0;
/// Most candidates that are handed back.
pub const CANDIDATES_MAX: usize = 8;
/// Places in which runs of letters are counted.
const VOCABULARY: usize = 1 << 18;
/// The end of a chain, and no minute.
const NONE: u32 = u32::MAX;

/// What looking for duplicates goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Width of a cell of the index, in metres.
    pub cell_m: f64,
    /// Cases further away than this are no candidates, in metres.
    pub radius_m: f64,
    /// Cases reported longer ago, or later, than this are none either, in milliseconds.
    pub window_ms: i64,
    /// Less probable ones are not handed back.
    pub probability_min: f32,
    /// How features weigh.
    pub weights: Weights,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cell_m: 150.0,
            radius_m: 200.0,
            window_ms: 72 * HOUR_MS,
            probability_min: 0.1,
            weights: Weights::default(),
        }
    }
}

/// How many texts have each run of letters, so that a rare one, such as the name of a place, says more
/// than 请尽快处理. Learnt from any reports of the city; sketches of one vocabulary are comparable.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    texts: Vec<u32>,
    all: u32,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self { texts: vec![0; VOCABULARY], all: 0 }
    }
}

impl Vocabulary {
    /// Counts one more text.
    pub fn learn(&mut self, text: &str) {
        let mut places = Vec::new();
        each_gram(text, true, |hash| places.push(place_of(hash)));
        places.sort_unstable();
        places.dedup();
        for place in places {
            self.texts[place] += 1;
        }
        self.all += 1;
    }

    /// The sketch of a text.
    pub fn sketch(&self, text: &str) -> Sketch {
        let mut sums = [0i32; 128];
        each_gram(text, true, |hash| {
            // Whole powers of two that the run is rarer than every text: the same on every machine. Never
            // nothing, or all texts would be alike where none was learnt.
            let rarity = (self.all + 1) / (self.texts[place_of(hash)] + 1);
            let weight = (rarity | 1).ilog2().max(1).cast_signed();
            for (half, sums) in [hash, mix(hash)].into_iter().zip(sums.chunks_exact_mut(64)) {
                for (bit, sum) in sums.iter_mut().enumerate() {
                    *sum += if half >> bit & 1 == 1 { weight } else { -weight };
                }
            }
        });
        let bits = |sums: &[i32]| {
            sums.iter().rev().fold(0u64, |bits, &sum| bits << 1 | u64::from(sum > 0))
        };
        Sketch([bits(&sums[..64]), bits(&sums[64..])])
    }
}

fn place_of(hash: u64) -> usize {
    (hash >> 32) as usize % VOCABULARY
}

/// 128 bits of a text: the more of them two texts share, the more their rarer runs of letters agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sketch([u64; 2]);

impl Sketch {
    /// How much two texts agree: 0 not at all, 1 the same.
    pub fn cosine(self, other: Self) -> f32 {
        let differ = (self.0[0] ^ other.0[0]).count_ones() + (self.0[1] ^ other.0[1]).count_ones();
        // The share of differing bits estimates the angle; the cosine of an angle from a table of
        // nothing but arithmetic, near enough and the same on every machine.
        let angle = differ as f32 / 128.0 * std::f32::consts::PI;
        let x = angle - std::f32::consts::FRAC_PI_2;
        let sine = x - x * x * x / 6.0 + x * x * x * x * x / 120.0;
        (-sine).clamp(0.0, 1.0)
    }
}

/// A report, as far as looking for duplicates goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Longitude and latitude in degrees.
    pub position: [f64; 2],
    /// When it came.
    pub at: Timestamp,
    /// Its class.
    pub class: u16,
    /// Classes that people take for each other are one family; others are never candidates.
    pub family: u16,
    /// The object it names, such as a lamp by the number on its pole, hashed.
    pub object: Option<u32>,
    /// Its words.
    pub sketch: Sketch,
    /// What its words are about, where that was asked.
    pub meaning: Meaning,
}

/// A case that may be the same thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The caller's key of the case.
    pub key: u64,
    /// 0 to 1.
    pub probability: f32,
}

/// One case in memory.
#[derive(Debug, Clone, Copy)]
struct Record {
    key: u64,
    sketch: Sketch,
    x: i32,
    y: i32,
    minute: u32,
    /// The minute it was closed; [`NONE`] while open.
    closed: u32,
    /// The next older and the next newer case of its cell and family.
    older: u32,
    newer: u32,
    /// Zero where none is known.
    object: u32,
    class: u16,
    family: u16,
    meaning: Meaning,
}

type Fixed = foldhash::fast::FixedState;

/// All cases that may still be reported once more.
#[derive(Debug, Clone, Default)]
pub struct Duplicates {
    settings: Settings,
    records: Vec<Record>,
    free: Vec<u32>,
    /// Places in `records`, by key.
    places: HashTable<u32>,
    /// The newest case of each cell and family.
    newest: HashMap<u64, u32, Fixed>,
}

impl Duplicates {
    /// Nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Makes room for so many cases at once, instead of doubling.
    pub fn reserve(&mut self, cases: usize) {
        let records = &self.records;
        self.places.reserve(cases, |place| mix(records[*place as usize].key));
        self.records.reserve_exact(cases);
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Memory it takes.
    pub fn bytes(&self) -> usize {
        self.records.capacity() * size_of::<Record>()
            + self.free.capacity() * size_of::<u32>()
            + self.places.allocation_size()
            + self.newest.allocation_size()
    }

    /// Adds a case, in place of what was there under that key. Quick when cases come in the order of
    /// their time, as they do.
    pub fn insert(&mut self, key: u64, report: &Report) {
        self.remove(key);
        let (x, y) = (units(report.position[0]), units(report.position[1]));
        let record = Record {
            key,
            sketch: report.sketch,
            x,
            y,
            minute: minute(report.at),
            closed: NONE,
            older: NONE,
            newer: NONE,
            object: report.object.unwrap_or(0),
            class: report.class,
            family: report.family,
            meaning: report.meaning,
        };
        let place = if let Some(place) = self.free.pop() {
            self.records[place as usize] = record;
            place
        } else {
            self.records.push(record);
            u32::try_from(self.records.len() - 1).expect("fewer than 2^32 cases fit into memory")
        };
        self.link(place);
        let records = &self.records;
        let hash = |place: &u32| mix(records[*place as usize].key);
        self.places.insert_unique(mix(key), place, hash);
    }

    /// Notes when a case was closed: what comes later is less likely the same.
    pub fn close(&mut self, key: u64, at: Timestamp) {
        if let Some(place) = self.find(key) {
            self.records[place as usize].closed = minute(at);
        }
    }

    /// Takes a case out; false if there is none of that key.
    pub fn remove(&mut self, key: u64) -> bool {
        let records = &self.records;
        let is_it = |place: &u32| records[*place as usize].key == key;
        let Ok(entry) = self.places.find_entry(mix(key), is_it) else { return false };
        let (place, _) = entry.remove();
        let Record { older, newer, .. } = self.records[place as usize];
        if older != NONE {
            self.records[older as usize].newer = newer;
        }
        if newer == NONE {
            let cell = self.cell_of(place);
            if older == NONE {
                self.newest.remove(&cell);
            } else {
                self.newest.insert(cell, older);
            }
        } else {
            self.records[newer as usize].older = older;
        }
        self.free.push(place);
        true
    }

    /// Cases that may be what is reported, the most probable first, at most [`CANDIDATES_MAX`].
    pub fn near(&self, report: &Report) -> Vec<Candidate> {
        let mut found = Vec::new();
        self.each_near(report, |key, alike| {
            let probability = self.settings.weights.probability(&alike);
            if probability >= self.settings.probability_min {
                found.push(Candidate { key, probability });
            }
        });
        found.sort_by(|a: &Candidate, b| {
            b.probability.total_cmp(&a.probability).then(a.key.cmp(&b.key))
        });
        found.truncate(CANDIDATES_MAX);
        found
    }

    /// Hands every case within radius and window to `take`, with what it has in common with the report.
    pub fn each_near(&self, report: &Report, mut take: impl FnMut(u64, Alike)) {
        let (x, y) = (units(report.position[0]), units(report.position[1]));
        let minute = minute(report.at);
        let window = u32::try_from(self.settings.window_ms / MINUTE_MS).unwrap_or(0);
        let (first, last) = (minute.saturating_sub(window), minute.saturating_add(window));
        let shrink = report.position[1].to_radians().cos().max(0.01);
        let reach = self.settings.radius_m / DEGREE_M * UNITS;
        let width = self.cell_units();
        let (columns, rows) = (span(x, reach / shrink, width), span(y, reach, width));
        for row in rows.0..=rows.1 {
            for column in columns.0..=columns.1 {
                let newest = self.newest.get(&cell(column, row, report.family));
                let mut next = newest.copied().unwrap_or(NONE);
                while let Some(record) = self.records.get(next as usize) {
                    next = record.older;
                    if record.minute < first {
                        break;
                    }
                    if record.minute > last || record.family != report.family {
                        continue;
                    }
                    let metres = metres([record.x, record.y], [x, y], shrink);
                    if metres <= self.settings.radius_m {
                        take(record.key, alike(record, report, metres, minute));
                    }
                }
            }
        }
    }

    fn find(&self, key: u64) -> Option<u32> {
        self.places.find(mix(key), |place| self.records[*place as usize].key == key).copied()
    }

    /// Puts a record into the chain of its cell, behind all newer ones.
    fn link(&mut self, place: u32) {
        let cell = self.cell_of(place);
        let minute = self.records[place as usize].minute;
        let (mut newer, mut older) = (NONE, self.newest.get(&cell).copied().unwrap_or(NONE));
        while let Some(record) = self.records.get(older as usize)
            && record.minute > minute
        {
            (newer, older) = (older, record.older);
        }
        (self.records[place as usize].newer, self.records[place as usize].older) = (newer, older);
        if older != NONE {
            self.records[older as usize].newer = place;
        }
        if newer == NONE {
            self.newest.insert(cell, place);
        } else {
            self.records[newer as usize].older = place;
        }
    }

    fn cell_of(&self, place: u32) -> u64 {
        let Record { x, y, family, .. } = self.records[place as usize];
        let width = self.cell_units();
        cell(x.div_euclid(width), y.div_euclid(width), family)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a width between limits")]
    fn cell_units(&self) -> i32 {
        (self.settings.cell_m.clamp(1.0, 100_000.0) / DEGREE_M * UNITS) as i32
    }
}

/// Degrees as whole units.
#[expect(clippy::cast_possible_truncation, reason = "180 degrees are 1.8 thousand million units")]
fn units(degrees: f64) -> i32 {
    (degrees.clamp(-180.0, 180.0) * UNITS) as i32
}

/// Minutes since 1970; what lies before or after every city is at the border.
fn minute(at: Timestamp) -> u32 {
    u32::try_from(at.0.div_euclid(MINUTE_MS).clamp(0, i64::from(NONE - 1))).unwrap_or(0)
}

/// The cells from one side of a place to the other.
#[expect(clippy::cast_possible_truncation, reason = "a reach of some hundred metres, in units")]
fn span(at: i32, reach: f64, width: i32) -> (i32, i32) {
    let reach = reach.min(1e8) as i32;
    (at.saturating_sub(reach).div_euclid(width), at.saturating_add(reach).div_euclid(width))
}

fn cell(column: i32, row: i32, family: u16) -> u64 {
    // Less than 2^24 columns and rows of a metre or more fit beside the family.
    let place = u64::from(column.cast_unsigned()) << 32 | u64::from(row.cast_unsigned());
    mix(place ^ u64::from(family).rotate_left(24))
}

fn metres(a: [i32; 2], b: [i32; 2], shrink: f64) -> f64 {
    let metre = DEGREE_M / UNITS;
    let x = (f64::from(a[0]) - f64::from(b[0])) * metre * shrink;
    let y = (f64::from(a[1]) - f64::from(b[1])) * metre;
    (x * x + y * y).sqrt()
}

#[expect(clippy::cast_possible_truncation, reason = "metres within the radius")]
fn alike(record: &Record, report: &Report, metres: f64, minute: u32) -> Alike {
    let hours = |minutes: u32| minutes as f32 / 60.0;
    let object = match (record.object, report.object) {
        (0, _) | (_, None | Some(0)) => SameObject::Unknown,
        (known, Some(object)) if known == object => SameObject::Same,
        _ => SameObject::Other,
    };
    Alike {
        metres: metres as f32,
        hours: hours(record.minute.abs_diff(minute)),
        cosine: record.sketch.cosine(report.sketch),
        meaning: record.meaning.agreement(report.meaning),
        is_same_class: record.class == report.class,
        hours_closed: (minute > record.closed).then(|| hours(minute - record.closed)),
        object,
    }
}

#[cfg(test)]
mod tests;
