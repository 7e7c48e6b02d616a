//! The bytes of a layer. Keys and values stand once in a layer, and features refer to them.

use std::collections::BTreeMap;

use super::EXTENT;
use super::cut::doubled_area;

/// A value of a property.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Words.
    Text(String),
    /// A count or a number of a list.
    Number(u64),
    /// Yes or no.
    Boolean(bool),
}

/// A layer that is being written.
#[derive(Debug)]
pub struct LayerWriter {
    name: String,
    keys: BTreeMap<&'static str, u64>,
    values: BTreeMap<Value, u64>,
    features: Vec<u8>,
    count: usize,
}

/// Kinds of fields.
const VARINT: u64 = 0;
const BYTES: u64 = 2;
/// What a stroke does.
const MOVE: u64 = 1;
const LINE: u64 = 2;
const CLOSE: u64 = 7;
/// Kinds of geometries.
const POINT: u64 = 1;
const POLYGON: u64 = 3;

impl LayerWriter {
    /// An empty layer.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            keys: BTreeMap::new(),
            values: BTreeMap::new(),
            features: Vec::new(),
            count: 0,
        }
    }

    /// How many features it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a point.
    pub fn point(&mut self, id: Option<u64>, at: [i32; 2], properties: &[(&'static str, Value)]) {
        let mut strokes = Strokes::default();
        strokes.command(MOVE, 1);
        strokes.to(at);
        self.feature(id, POINT, &strokes.bytes, properties);
    }

    /// Adds polygons, each an outer ring and its holes, as one feature; none at all adds nothing.
    pub fn polygons(
        &mut self,
        id: Option<u64>,
        polygons: &[Vec<Vec<[i32; 2]>>],
        properties: &[(&'static str, Value)],
    ) {
        if polygons.is_empty() {
            return;
        }
        let mut strokes = Strokes::default();
        for rings in polygons {
            for (n, ring) in rings.iter().enumerate() {
                let is_clockwise = doubled_area(ring) > 0;
                if is_clockwise == (n == 0) {
                    strokes.ring(ring.iter().copied());
                } else {
                    strokes.ring(ring.iter().rev().copied());
                }
            }
        }
        self.feature(id, POLYGON, &strokes.bytes, properties);
    }

    fn feature(
        &mut self,
        id: Option<u64>,
        kind: u64,
        strokes: &[u8],
        properties: &[(&'static str, Value)],
    ) {
        let mut tags = Vec::new();
        for (key, value) in properties {
            let next = self.keys.len() as u64;
            varint(&mut tags, *self.keys.entry(key).or_insert(next));
            let next = self.values.len() as u64;
            let place = match self.values.get(value) {
                Some(&known) => known,
                None => *self.values.entry(value.clone()).or_insert(next),
            };
            varint(&mut tags, place);
        }
        let mut bytes = Vec::with_capacity(tags.len() + strokes.len() + 16);
        if let Some(id) = id {
            number(&mut bytes, 1, id);
        }
        field(&mut bytes, 2, &tags);
        number(&mut bytes, 3, kind);
        field(&mut bytes, 4, strokes);
        field(&mut self.features, 2, &bytes);
        self.count += 1;
    }

    /// The bytes of a tile with this layer; of an empty layer there are none.
    pub fn finish(self) -> Vec<u8> {
        if self.count == 0 {
            return Vec::new();
        }
        let mut layer = Vec::with_capacity(self.features.len() + 1_024);
        field(&mut layer, 1, self.name.as_bytes());
        layer.extend_from_slice(&self.features);
        for key in in_order(&self.keys) {
            field(&mut layer, 3, key.as_bytes());
        }
        for value in in_order(&self.values) {
            let mut bytes = Vec::new();
            match value {
                Value::Text(text) => field(&mut bytes, 1, text.as_bytes()),
                Value::Number(value) => number(&mut bytes, 5, *value),
                Value::Boolean(value) => number(&mut bytes, 7, u64::from(*value)),
            }
            field(&mut layer, 4, &bytes);
        }
        number(&mut layer, 5, u64::from(EXTENT));
        number(&mut layer, 15, 2);
        let mut tile = Vec::with_capacity(layer.len() + 8);
        field(&mut tile, 3, &layer);
        tile
    }
}

/// Things by the numbers they were given.
fn in_order<T>(numbered: &BTreeMap<T, u64>) -> Vec<&T> {
    let mut all: Vec<(&T, &u64)> = numbered.iter().collect();
    all.sort_unstable_by_key(|&(_, number)| *number);
    all.into_iter().map(|(thing, _)| thing).collect()
}

/// The way of a pen: each point is told from the one before.
#[derive(Default)]
struct Strokes {
    bytes: Vec<u8>,
    at: [i32; 2],
}

impl Strokes {
    fn command(&mut self, what: u64, times: u64) {
        varint(&mut self.bytes, what | times << 3);
    }

    fn to(&mut self, point: [i32; 2]) {
        for (part, before) in point.into_iter().zip(self.at) {
            let step = part.wrapping_sub(before);
            varint(&mut self.bytes, u64::from((step << 1 ^ step >> 31).cast_unsigned()));
        }
        self.at = point;
    }

    fn ring(&mut self, mut points: impl ExactSizeIterator<Item = [i32; 2]>) {
        let lines = points.len().saturating_sub(1) as u64;
        let Some(first) = points.next() else { return };
        self.command(MOVE, 1);
        self.to(first);
        self.command(LINE, lines);
        points.for_each(|point| self.to(point));
        self.command(CLOSE, 1);
    }
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(u8::try_from(value & 0x7F).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    to.push(u8::try_from(value).unwrap_or_default());
}

fn number(to: &mut Vec<u8>, place: u64, value: u64) {
    varint(to, place << 3 | VARINT);
    varint(to, value);
}

fn field(to: &mut Vec<u8>, place: u64, bytes: &[u8]) {
    varint(to, place << 3 | BYTES);
    varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}
