//! Devices as columns: 10 bytes each, 8 more where positions are known, and their names, so that all of
//! a city's are in memory. What few devices have (a title, a second stream) stands apart, what many
//! have in common is kept once, and what rises from one to the next is kept as runs.
//!
//! Invariants: numbers are dense and in order of registration; names are unique; every device is in
//! the list of its area exactly once.

use chengmai_model::stream::DeviceSpec;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Runs, StreamId, Timestamp};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

use super::names::Names;
use super::saved::Words;
use super::terms::{AllTerms, Terms};
use super::{HASH, dense};

/// No device, no stream, no agency.
const NONE: u32 = u32::MAX;
/// A position that is not known.
const NOWHERE: [i32; 2] = [i32::MIN; 2];
/// Parts of a degree that positions are kept in: about a centimetre.
const DEGREE: f64 = 1e7;

/// Bytes of a saved row: everything but the links, and the length of the name.
pub(super) const ROW_BYTES: usize = 25;

/// What is kept of every device.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    /// Index of its area's code.
    code: u32,
    /// The next device of the same area.
    next: u32,
}

/// A code that devices were registered with, and what it means in today's tree.
#[derive(Debug, Clone)]
struct Place {
    written: AreaCode,
    area: AreaId,
    /// The code of that area today; the same one where there is no such area any more.
    code: AreaCode,
    /// The newest device there.
    head: u32,
}

/// All devices.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    rows: Vec<Row>,
    names: Names,
    terms: AllTerms,
    /// The position of each, up to the last that has one.
    positions: Vec<[i32; 2]>,
    /// When each was registered, in seconds.
    registered_s: Runs,
    /// The first stream of each, up to the last that has one.
    first: Runs,
    by_name: HashTable<u32>,
    places: Vec<Place>,
    place_of: HashMap<AreaCode, u32, FixedState>,
    /// Places of each area, where it has any: two codes may mean one area after a re-coding.
    places_in: HashMap<AreaId, Vec<u32>, FixedState>,
    agencies: Vec<Box<str>>,
    titles: HashMap<u32, Box<str>, FixedState>,
    /// Second and further streams, of the few devices that have them, and streams that came late.
    more: HashMap<u32, Vec<StreamId>, FixedState>,
    /// How often a device came or its facts changed.
    changes: u64,
}

/// One device, to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device<'a> {
    all: &'a Devices,
    index: u32,
}

impl Devices {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The device of that number.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn get(&self, id: DeviceId) -> Device<'_> {
        assert!((id.0 as usize) < self.rows.len(), "device {} is registered", id.0);
        Device { all: self, index: id.0 }
    }

    /// Devices of an area and all below it, area by area.
    pub(crate) fn inside(
        &self,
        areas: &AreaTree,
        scope: AreaId,
    ) -> impl Iterator<Item = (DeviceId, Device<'_>)> {
        let places = areas.subtree(scope).filter_map(|area| self.places_in.get(&AreaId(area)));
        places.flatten().flat_map(|&place| {
            let head = self.places[place as usize].head;
            std::iter::successors(some(head), |&at| some(self.rows[at as usize].next))
                .map(|index| (DeviceId(index), Device { all: self, index }))
        })
    }

    pub(crate) fn find(&self, name: &str) -> Option<DeviceId> {
        let found = self.by_name.find(hash(name), |&index| self.name(index) == name)?;
        Some(DeviceId(*found))
    }

    pub(super) fn name(&self, index: u32) -> &str {
        self.names.get(index)
    }

    /// Adds the next device.
    pub(crate) fn push(&mut self, spec: &DeviceSpec, areas: &AreaTree, at: Timestamp) -> DeviceId {
        let index = dense(self.rows.len());
        self.changes += 1;
        self.names.push(&spec.name);
        let code = self.place(&spec.area, areas);
        let terms = self.terms_of(spec);
        self.terms.push(terms);
        self.registered_s.push(u32::try_from(at.0.max(0) / 1_000).unwrap_or(u32::MAX));
        self.rows.push(Row { code, next: NONE });
        self.set_position(index, packed(spec.position));
        self.set_title(index, spec.title.as_deref());
        self.link(index);
        let names = &self.names;
        self.by_name.insert_unique(hash(&spec.name), index, |&other| hash(names.get(other)));
        DeviceId(index)
    }

    /// New facts about a device; its name stays.
    pub(crate) fn update(&mut self, id: DeviceId, spec: &DeviceSpec, areas: &AreaTree) {
        self.changes += 1;
        self.unlink(id.0);
        let code = self.place(&spec.area, areas);
        let terms = self.terms_of(spec);
        self.terms.set(id.0, terms);
        self.rows[id.0 as usize].code = code;
        self.set_position(id.0, packed(spec.position));
        self.set_title(id.0, spec.title.as_deref());
        self.link(id.0);
    }

    pub(crate) fn add_stream(&mut self, id: DeviceId, stream: StreamId) {
        let device = id.0 as usize;
        if device < self.first.len() {
            self.more.entry(id.0).or_default().push(stream);
            return;
        }
        self.first.extend(std::iter::repeat_n(NONE, device - self.first.len()));
        self.first.push(stream.0);
    }

    pub(super) fn place(&mut self, code: &AreaCode, areas: &AreaTree) -> u32 {
        if let Some(&place) = self.place_of.get(code) {
            return place;
        }
        let place = dense(self.places.len());
        // A code that is no more is kept: the next tree may have it again.
        let found = areas.find(code.as_str());
        let today = found.map_or(code, |area| &areas.get(area).row.code).clone();
        let area = found.unwrap_or(AreaId::ROOT);
        self.places.push(Place { written: code.clone(), area, code: today, head: NONE });
        self.place_of.insert(code.clone(), place);
        self.places_in.entry(area).or_default().push(place);
        place
    }

    fn terms_of(&mut self, spec: &DeviceSpec) -> Terms {
        let index = spec.agency.as_deref().map(|id| {
            let known = self.agencies.iter().position(|a| **a == *id);
            known.unwrap_or_else(|| {
                self.agencies.push(id.into());
                self.agencies.len() - 1
            })
        });
        let index = index.and_then(|i| u32::try_from(i).ok()).unwrap_or(NONE >> 1);
        let agency = index << 1 | u32::from(spec.simulated);
        Terms { period_ms: spec.period_ms, agency }
    }

    /// A row as it is saved.
    pub(super) fn row_bytes(&self, index: u32) -> [u8; ROW_BYTES] {
        let row = &self.rows[index as usize];
        let [lon, lat] = self.position(index).map(i32::cast_unsigned);
        let Terms { period_ms, agency } = self.terms.get(index);
        let words = [row.code, lon, lat, period_ms, self.registered_s(index), agency];
        let mut bytes = [0; ROW_BYTES];
        for (cell, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *cell = word.to_le_bytes();
        }
        bytes[ROW_BYTES - 1] = u8::try_from(self.name(index).len()).expect("ids are short");
        bytes
    }

    /// Adds a saved row whose name stands first in `names`; the names behind it.
    pub(super) fn restore_row<'n>(
        &mut self,
        bytes: &[u8; ROW_BYTES],
        names: &'n str,
    ) -> Option<&'n str> {
        let (own, rest) = names.split_at_checked(usize::from(bytes[ROW_BYTES - 1]))?;
        let mut words = [0; 6];
        for (word, cell) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*cell);
        }
        let [code, lon, lat, period_ms, registered_s, agency] = words;
        self.names.push(own);
        self.terms.push(Terms { period_ms, agency });
        self.registered_s.push(registered_s);
        self.set_position(dense(self.rows.len()), [lon, lat].map(u32::cast_signed));
        self.rows.push(Row { code, next: NONE });
        Some(rest)
    }

    /// What rows refer to by index.
    pub(super) fn words(&self) -> Words {
        let titles = self.titles.iter().map(|(&index, title)| (index, title.to_string()));
        Words {
            kinds: Vec::new(),
            codes: self.places.iter().map(|place| place.written.clone()).collect(),
            agencies: self.agencies.iter().map(ToString::to_string).collect(),
            titles: titles.collect(),
            seed: 0,
        }
    }

    pub(super) fn set_words(&mut self, words: Words) {
        self.agencies = words.agencies.into_iter().map(String::into_boxed_str).collect();
        self.titles = words.titles.into_iter().map(|(at, t)| (at, t.into_boxed_str())).collect();
    }

    /// Makes look-ups and lists of restored rows.
    pub(super) fn index(&mut self) -> Result<(), &'static str> {
        if self.rows.iter().any(|row| row.code as usize >= self.places.len()) {
            return Err("a device lies in an area that is not named");
        }
        let names = &self.names;
        let hash_of = |&other: &u32| hash(names.get(other));
        self.by_name.reserve(self.rows.len(), hash_of);
        for index in 0..dense(self.rows.len()) {
            self.by_name.insert_unique(hash_of(&index), index, hash_of);
        }
        for index in 0..dense(self.rows.len()) {
            self.link(index);
        }
        Ok(())
    }

    fn registered_s(&self, index: u32) -> u32 {
        self.registered_s.get(index as usize).unwrap_or(0)
    }

    fn position(&self, index: u32) -> [i32; 2] {
        self.positions.get(index as usize).copied().unwrap_or(NOWHERE)
    }

    fn set_position(&mut self, index: u32, position: [i32; 2]) {
        let index = index as usize;
        if index >= self.positions.len() {
            if position == NOWHERE {
                return;
            }
            self.positions.resize(index + 1, NOWHERE);
        }
        self.positions[index] = position;
    }

    fn set_title(&mut self, index: u32, title: Option<&str>) {
        match title {
            Some(title) => self.titles.insert(index, title.into()),
            None => self.titles.remove(&index),
        };
    }

    fn link(&mut self, index: u32) {
        let row = &mut self.rows[index as usize];
        let head = &mut self.places[row.code as usize].head;
        row.next = std::mem::replace(head, index);
    }

    fn unlink(&mut self, index: u32) {
        let row = self.rows[index as usize];
        let place = &mut self.places[row.code as usize];
        if place.head == index {
            place.head = row.next;
            return;
        }
        let mut at = place.head;
        while self.rows[at as usize].next != index {
            at = self.rows[at as usize].next;
        }
        self.rows[at as usize].next = row.next;
    }
}

impl<'a> Device<'a> {
    fn row(self) -> &'a Row {
        &self.all.rows[self.index as usize]
    }

    fn terms(self) -> Terms {
        self.all.terms.get(self.index)
    }

    /// The id that people and gateways use.
    pub(crate) fn name(self) -> &'a str {
        self.all.name(self.index)
    }

    pub(crate) fn title(self) -> Option<&'a str> {
        self.all.titles.get(&self.index).map(|title| &**title)
    }

    pub(crate) fn area(self) -> AreaId {
        self.all.places[self.row().code as usize].area
    }

    /// The code of its area.
    pub(crate) fn code(self) -> &'a AreaCode {
        &self.all.places[self.row().code as usize].code
    }

    pub(crate) fn position(self) -> Option<[f64; 2]> {
        let place = self.all.position(self.index);
        (place != NOWHERE).then(|| place.map(|part| f64::from(part) / DEGREE))
    }

    pub(crate) fn agency(self) -> Option<&'a str> {
        self.all.agencies.get((self.terms().agency >> 1) as usize).map(|id| &**id)
    }

    pub(crate) fn period_ms(self) -> u32 {
        self.terms().period_ms
    }

    pub(crate) fn simulated(self) -> bool {
        self.terms().agency & 1 == 1
    }

    /// To the second.
    pub(crate) fn registered_at(self) -> Timestamp {
        Timestamp(i64::from(self.all.registered_s(self.index)) * 1_000)
    }

    /// Its streams, in order of registration.
    pub(crate) fn streams(self) -> impl Iterator<Item = StreamId> + Clone + 'a {
        let more = self.all.more.get(&self.index).map_or(&[][..], Vec::as_slice);
        self.all
            .first
            .get(self.index as usize)
            .and_then(some)
            .map(StreamId)
            .into_iter()
            .chain(more.iter().copied())
    }

    /// All that is known of it, as it was registered.
    pub(crate) fn spec(self) -> DeviceSpec {
        DeviceSpec {
            name: self.name().to_owned(),
            title: self.title().map(str::to_owned),
            area: self.code().clone(),
            position: self.position(),
            agency: self.agency().map(str::to_owned),
            period_ms: self.period_ms(),
            simulated: self.simulated(),
        }
    }
}

/// A position as it is kept, so that what is journaled equals what is remembered.
pub(crate) fn rounded(position: Option<[f64; 2]>) -> Option<[f64; 2]> {
    position.map(|place| place.map(|degrees| f64::from(part(degrees)) / DEGREE))
}

fn packed(position: Option<[f64; 2]>) -> [i32; 2] {
    position.map_or(NOWHERE, |place| place.map(part))
}

#[expect(clippy::cast_possible_truncation, reason = "180 degrees are 1.8e9 parts")]
fn part(degrees: f64) -> i32 {
    (degrees * DEGREE).round() as i32
}

fn some(index: u32) -> Option<u32> {
    (index != NONE).then_some(index)
}

fn hash(name: &str) -> u64 {
    use std::hash::BuildHasher as _;
    HASH.hash_one(name)
}
