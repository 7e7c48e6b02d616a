//! Areas 区域: a tree of administrative polygons over five tiers, numbered in pre-order, so that a
//! subtree is a range of numbers and a roll-up is one pass over a flat array.
//!
//! Not here: reading files (`wire`), storing them (`server`).

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::geometry::Shape;

/// Place of an area in its tree, in pre-order from 0 (the city).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AreaId(pub u32);

impl AreaId {
    /// The city itself.
    pub const ROOT: Self = Self(0);

    /// As an index into arrays over all areas.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The five tiers 区域层级. Their names come from the city's pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// 市.
    City,
    /// 区县.
    District,
    /// 镇街.
    Town,
    /// 村社区.
    Community,
    /// 网格.
    Grid,
}

impl Tier {
    /// All tiers, top down.
    pub const ALL: [Self; 5] =
        [Self::City, Self::District, Self::Town, Self::Community, Self::Grid];

    /// `city`, `district`, `town`, `community`, `grid`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::District => "district",
            Self::Town => "town",
            Self::Community => "community",
            Self::Grid => "grid",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.word() == word)
    }

    /// One tier up; the city stays.
    pub const fn up(self) -> Self {
        match self {
            Self::City | Self::District => Self::City,
            Self::Town => Self::District,
            Self::Community => Self::Town,
            Self::Grid => Self::Community,
        }
    }
}

/// An area's code: 2 to 15 digits of GB/T 2260 and GB/T 30428.1 (city 2, district 6, town 9,
/// community 12, grid 15), or another city's own letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AreaCode(Box<str>);

impl AreaCode {
    /// Longest code in bytes.
    pub const LEN_MAX: usize = 32;

    /// Checks the text: 1 to 32 ASCII letters, digits, `-` or `_`.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= Self::LEN_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Self(text.into()))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AreaCode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text).ok_or_else(|| format!("`{text}` is not an area code"))
    }
}

impl From<AreaCode> for String {
    fn from(code: AreaCode) -> Self {
        code.0.into()
    }
}

/// One row of an area file, before the tree is checked and built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AreaRow {
    /// Line in the file, from 1, for messages.
    pub line: u32,
    /// Its code.
    pub code: AreaCode,
    /// The code of the area it belongs to; `None` for the city.
    pub parent: Option<AreaCode>,
    /// Its name in the city's language.
    pub name: String,
    /// Which tier.
    pub tier: Tier,
    /// First day it is valid, `YYYY-MM-DD`.
    pub valid_from: Option<jiff::civil::Date>,
    /// First day it is no longer valid.
    pub valid_to: Option<jiff::civil::Date>,
    /// A point inside, longitude and latitude in degrees.
    pub center: Option<[f64; 2]>,
    /// Its boundary, where known.
    pub shape: Option<Shape>,
    /// True when the program made it up because no open data exists.
    pub generated: bool,
    /// A word on where the row differs from its source (a renamed district, say).
    pub note: Option<String>,
}

/// Why a row of an area file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaFault {
    /// Line in the file, from 1; 0 for the file as a whole.
    pub line: u32,
    /// What is wrong and how to mend it.
    pub reason: crate::Text,
}

/// An area in its tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// What the file said.
    pub row: AreaRow,
    /// Parent's number; the city is its own.
    pub parent: AreaId,
    /// One past the last number of its subtree.
    pub end: AreaId,
}

/// A set of areas that cuts across the tree (中心城区, 市管跨区).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Its code, distinct from all area codes.
    pub code: AreaCode,
    /// Its name.
    pub name: crate::Text,
    /// Codes of the areas it is made of, of any tier.
    pub members: Vec<AreaCode>,
}

/// All areas valid on one day, in pre-order.
#[derive(Debug, Clone, Default)]
pub struct AreaTree {
    areas: Vec<Area>,
    /// All areas in order of code.
    by_code: Vec<AreaId>,
    /// Boxes around the known boundaries, in order of number; most areas have none.
    bounds: Vec<(AreaId, crate::geometry::Bounds)>,
    /// Codes that are no area's any more, in order, and what they became.
    former: Vec<(AreaCode, AreaId)>,
}

impl AreaTree {
    /// Checks all rows and numbers them in pre-order (children in order of code). Nothing is built
    /// unless every row is right.
    ///
    /// # Errors
    /// All faults found, by line: no root or several, orphan, duplicate code, cycle, tier not below
    /// its parent's, `valid_to` before `valid_from`, broken geometry.
    pub fn build(rows: Vec<AreaRow>) -> Result<Self, Vec<AreaFault>> {
        crate::area::build::build(rows)
    }

    /// How many areas.
    pub fn len(&self) -> usize {
        self.areas.len()
    }

    /// True before any import.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// The area with that number.
    pub fn get(&self, id: AreaId) -> &Area {
        &self.areas[id.index()]
    }

    /// The number of the area with that code, or of what became of the area that once had it.
    pub fn find(&self, code: &str) -> Option<AreaId> {
        self.find_current(code).or_else(|| {
            let place = self.former.binary_search_by(|(old, _)| old.as_str().cmp(code)).ok()?;
            Some(self.former[place].1)
        })
    }

    /// The number of the area that has that code now.
    pub fn find_current(&self, code: &str) -> Option<AreaId> {
        let compare = |&id: &AreaId| self.get(id).row.code.as_str().cmp(code);
        self.by_code.binary_search_by(compare).ok().map(|place| self.by_code[place])
    }

    /// All areas in pre-order.
    pub fn iter(&self) -> impl Iterator<Item = (AreaId, &Area)> {
        (0..).map(AreaId).zip(&self.areas)
    }

    /// Numbers of an area and everything below it.
    pub fn subtree(&self, id: AreaId) -> Range<u32> {
        id.0..self.get(id).end.0
    }

    /// True when `inner` is `outer` or lies below it.
    pub fn contains(&self, outer: AreaId, inner: AreaId) -> bool {
        self.subtree(outer).contains(&inner.0)
    }

    /// Direct children, in order.
    pub fn children(&self, id: AreaId) -> impl Iterator<Item = AreaId> {
        let end = self.get(id).end;
        let mut next = AreaId(id.0 + 1);
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let child = next;
                next = self.get(child).end;
                child
            })
        })
    }

    /// From the city down to and including `id`.
    pub fn path(&self, id: AreaId) -> Vec<AreaId> {
        let mut path: Vec<AreaId> = self.upwards(id).collect();
        path.reverse();
        path
    }

    /// From `id` up to the city.
    fn upwards(&self, id: AreaId) -> impl Iterator<Item = AreaId> {
        let above = |&at: &AreaId| (at != AreaId::ROOT).then(|| self.get(at).parent);
        std::iter::successors(Some(id), above)
    }

    /// The ancestor (or itself) of `id` on `tier`, if the path passes it.
    pub fn at_tier(&self, id: AreaId, tier: Tier) -> Option<AreaId> {
        self.upwards(id).filter(|&a| self.get(a).row.tier == tier).last()
    }

    /// Parents of all areas as a flat array, for roll-ups; `parents()[0] == 0`.
    pub fn parents(&self) -> Vec<u32> {
        self.areas.iter().map(|a| a.parent.0).collect()
    }

    /// The smallest area that holds a position: boundaries decide where they are known, below that
    /// the nearest centre (cells around generated centres). `None` outside the city.
    pub fn locate(&self, position: [f64; 2]) -> Option<AreaId> {
        crate::area::locate::locate(self, position)
    }
}

mod build;
mod centers;
mod grids;
mod locate;
mod merge;
mod shapes;
mod succession;
mod validity;

pub use grids::complete;
pub use merge::{Boundary, Recoded, merge_boundaries};
pub use succession::{CodeChange, Succession};
pub use validity::AreaHistory;
