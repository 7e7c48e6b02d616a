//! CQL2, the filter language of OGC API Features: text and JSON become one expression, which is held
//! against the declared properties of a collection and then judged feature by feature.
//!
//! Not here: which collections and properties there are (`server`). Not in the language as we read it:
//! arithmetic, functions of ours, and one property compared with another, except as the ends of an interval.
//! Invariants: an expression has at most [`NODES_MAX`] parts, nested at most [`DEPTH_MAX`] deep, with at most
//! [`POINTS_MAX`] points; what is unknown (null) makes a condition neither true nor false.

use std::borrow::Cow;

use chengmai_model::error::{FEATURE_FILTER, FILTER_TOO_LARGE};
use chengmai_model::{Text, Timestamp};

mod geometry;
mod json;
mod judge;
mod text;

pub use geometry::{Geometry, Place};
pub use json::parse_json;
pub use judge::{Fields, GEOMETRY, holds};
pub use text::parse_text;

use crate::Fault;
use crate::error::place;

/// Longest filter in bytes.
pub const FILTER_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 32;
/// Most conditions and connectives of one filter, and most values of a list.
pub const NODES_MAX: usize = 500;
/// Most points of all geometries of one filter.
pub const POINTS_MAX: usize = 2_000;

/// Letters of a text, for [`Expr::cost`]: names and ids are seldom longer.
const LETTERS: usize = 20;

/// What a property holds, or a filter compares it with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Words.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// A moment; a day stands for its first one, in UTC.
    Time(Timestamp),
}

/// What a property is declared to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// A moment.
    Time,
    /// A day.
    Date,
    /// Where the feature is.
    Geometry,
}

/// A property that may stand in a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queryable {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it is, in words.
    pub title: Text,
    /// All words it may hold, where they are few; none: any.
    pub words: Vec<String>,
}

/// `=` and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `=`.
    Equal,
    /// `<>`.
    Unequal,
    /// `<`.
    Less,
    /// `>`.
    Greater,
    /// `<=`.
    AtMost,
    /// `>=`.
    AtLeast,
}

impl Compare {
    const ALL: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<>", Self::Unequal),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// The same with its two sides exchanged.
    const fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::Greater => Self::Less,
            Self::AtMost => Self::AtLeast,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }
}

/// How the place of a feature lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spatial {
    /// They share a point.
    Intersects,
    /// They share none.
    Disjoint,
    /// The feature's lies inside.
    Within,
    /// The other lies inside the feature's.
    Contains,
}

impl Spatial {
    const ALL: [(&'static str, Self); 4] = [
        ("s_intersects", Self::Intersects),
        ("s_disjoint", Self::Disjoint),
        ("s_within", Self::Within),
        ("s_contains", Self::Contains),
    ];
}

/// How a span of time lies to another: the fifteen relations of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's own words")]
pub enum Temporal {
    After,
    Before,
    Contains,
    Disjoint,
    During,
    Equals,
    FinishedBy,
    Finishes,
    Intersects,
    Meets,
    MetBy,
    OverlappedBy,
    Overlaps,
    StartedBy,
    Starts,
}

impl Temporal {
    const ALL: [(&'static str, Self); 15] = [
        ("t_after", Self::After),
        ("t_before", Self::Before),
        ("t_contains", Self::Contains),
        ("t_disjoint", Self::Disjoint),
        ("t_during", Self::During),
        ("t_equals", Self::Equals),
        ("t_finishedby", Self::FinishedBy),
        ("t_finishes", Self::Finishes),
        ("t_intersects", Self::Intersects),
        ("t_meets", Self::Meets),
        ("t_metby", Self::MetBy),
        ("t_overlappedby", Self::OverlappedBy),
        ("t_overlaps", Self::Overlaps),
        ("t_startedby", Self::StartedBy),
        ("t_starts", Self::Starts),
    ];
}

/// An end of a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edge {
    /// `..`: it has none.
    Open,
    /// This moment.
    At(Timestamp),
    /// What this property holds.
    Property(String),
}

/// A span of time; a moment is one whose ends are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub from: Edge,
    /// Its last moment.
    pub to: Edge,
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is the condition of its name; its parts are properties and values"
)]
pub enum Expr {
    /// All of them hold.
    All(Vec<Self>),
    /// At least one holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// Always, or never.
    Constant(bool),
    Compare {
        property: String,
        how: Compare,
        value: Value<'static>,
    },
    /// `%` stands for any letters, `_` for one, `\` makes the next one plain.
    Like {
        property: String,
        pattern: String,
    },
    Between {
        property: String,
        low: Value<'static>,
        high: Value<'static>,
    },
    In {
        property: String,
        values: Vec<Value<'static>>,
    },
    IsNull {
        property: String,
    },
    Spatial {
        how: Spatial,
        property: String,
        geometry: Geometry,
    },
    Temporal {
        how: Temporal,
        left: Span,
        right: Span,
    },
}

impl Expr {
    /// Conditions without any of which it cannot hold: those that stand side by side at its top.
    pub fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::conjuncts).collect(),
            one => vec![one],
        }
    }

    /// How much there is to compare for one feature, in steps of about the same length.
    pub fn cost(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::cost).sum(),
            Self::Not(part) => part.cost(),
            Self::In { values, .. } => 1 + values.len(),
            // In the worst case every letter of it is held against every letter of a text.
            Self::Like { pattern, .. } => 1 + LETTERS * pattern.len(),
            Self::Spatial { geometry, .. } => 1 + geometry.cost(),
            _ => 1,
        }
    }

    /// Goes on when every property is declared, and compared with what it can hold.
    ///
    /// # Errors
    /// The first part of which that is not so.
    pub fn check(&self, declared: &[Queryable]) -> Result<(), Fault> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().try_for_each(|p| p.check(declared)),
            Self::Not(part) => part.check(declared),
            Self::Constant(_) => Ok(()),
            Self::Compare { property, value, .. } => fits(declared, property, value),
            Self::Between { property, low, high } => {
                fits(declared, property, low)?;
                fits(declared, property, high)
            }
            Self::In { property, values } => {
                values.iter().try_for_each(|value| fits(declared, property, value))
            }
            Self::Like { property, .. } => is(declared, property, &[Kind::Text]),
            Self::IsNull { property } => find(declared, property).map(|_| ()),
            Self::Spatial { property, .. } => is(declared, property, &[Kind::Geometry]),
            Self::Temporal { left, right, .. } => [&left.from, &left.to, &right.from, &right.to]
                .into_iter()
                .try_for_each(|edge| match edge {
                    Edge::Property(name) => is(declared, name, &[Kind::Time, Kind::Date]),
                    _ => Ok(()),
                }),
        }
    }
}

fn find<'a>(declared: &'a [Queryable], name: &str) -> Result<&'a Queryable, Fault> {
    declared.iter().find(|known| known.name == name).ok_or_else(|| {
        wrong(
            0,
            format!("没有可查询的属性 `{}`", crate::error::quote(name.as_bytes())),
            format!("`{}` is not a queryable property", crate::error::quote(name.as_bytes())),
        )
    })
}

fn is(declared: &[Queryable], name: &str, kinds: &[Kind]) -> Result<(), Fault> {
    let known = find(declared, name)?;
    if kinds.contains(&known.kind) {
        return Ok(());
    }
    let (found, wanted) = (known.kind, kinds);
    Err(wrong(
        0,
        format!("属性 `{name}` 的类型是 {found:?}，此处须为 {wanted:?}"),
        format!("property `{name}` is of kind {found:?}, here it must be {wanted:?}"),
    ))
}

fn fits(declared: &[Queryable], name: &str, value: &Value<'_>) -> Result<(), Fault> {
    is(
        declared,
        name,
        match value {
            Value::Text(_) => &[Kind::Text],
            Value::Number(_) => &[Kind::Number, Kind::Integer],
            Value::Boolean(_) => &[Kind::Boolean],
            Value::Time(_) => &[Kind::Time, Kind::Date],
        },
    )
}

/// What is left of a filter's limits while it is read.
#[derive(Debug)]
struct Room {
    nodes: usize,
    points: usize,
}

impl Room {
    fn for_filter(bytes: usize) -> Result<Self, Fault> {
        if bytes > FILTER_BYTES_MAX {
            return Err(too_large(0, "字节", "bytes", FILTER_BYTES_MAX));
        }
        Ok(Self { nodes: NODES_MAX, points: POINTS_MAX })
    }

    fn node(&mut self, at: usize) -> Result<(), Fault> {
        self.nodes = self
            .nodes
            .checked_sub(1)
            .ok_or_else(|| too_large(at, "个条件", "conditions", NODES_MAX))?;
        Ok(())
    }

    fn point(&mut self, at: usize) -> Result<(), Fault> {
        self.points = self
            .points
            .checked_sub(1)
            .ok_or_else(|| too_large(at, "个点", "points", POINTS_MAX))?;
        Ok(())
    }
}

fn deeper(depth: usize, at: usize) -> Result<usize, Fault> {
    if depth >= DEPTH_MAX {
        return Err(too_large(at, "层嵌套", "levels of nesting", DEPTH_MAX));
    }
    Ok(depth + 1)
}

/// A fault at a byte of the filter, from 0.
fn wrong(at: usize, zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new(1, place(at).saturating_add(1), &FEATURE_FILTER, zh, en)
}

fn too_large(at: usize, zh: &str, en: &str, most: usize) -> Fault {
    let (zh, en) = (format!("最多 {most} {zh}"), format!("at most {most} {en}"));
    Fault::new(1, place(at).saturating_add(1), &FILTER_TOO_LARGE, zh, en)
}

/// A moment, or a day as its first and last one.
fn moment(text: &str) -> Option<(Timestamp, Timestamp)> {
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Some((at, at));
    }
    day(text).map(|first| (first, first.plus_ms(chengmai_model::time::DAY_MS - 1)))
}

fn day(text: &str) -> Option<Timestamp> {
    let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests;
