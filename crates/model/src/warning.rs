//! Alarm 报警 (one stream crosses a set-point) and warning 预警 (graded risk after re-check): two
//! different things. A warning's identity is derived from its cause, so a restart cannot raise one
//! twice.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AreaId, Severity, ShelfId, StreamId, Timestamp};

/// Identity of a warning: a hash of rule, cause and the journal position of the first reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WarningId(pub u64);

impl fmt::Display for WarningId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W-{:016x}", self.0)
    }
}

impl WarningId {
    /// Reads `W-` and sixteen hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("W-").filter(|d| d.len() == 16)?;
        u64::from_str_radix(digits, 16).ok().map(Self)
    }
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// The stream whose alarm came first.
    Stream(StreamId),
    /// An indicator (its index in the catalog) over an area.
    Indicator {
        /// Index of the indicator in the catalog.
        indicator: u16,
        /// The area whose value crossed a level.
        area: AreaId,
    },
    /// Many warnings of one pack (its index in the catalog) that came at once, shown as one.
    Group {
        /// Index of the pack in the catalog.
        pack: u16,
    },
}

/// Why a warning whose cause stands is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Held {
    /// It follows from this warning, which stands.
    Parent(WarningId),
    /// A person took it off the screens for a while.
    Shelf(ShelfId),
    /// It came in a flood; this warning lists it.
    Group(WarningId),
}

/// A reading that a warning rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which stream.
    pub stream: StreamId,
    /// Event time.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

/// What happened to a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WarningStep {
    /// It exists from now on.
    Raised,
    /// Its severity changed.
    Regraded,
    /// Its cause is gone 解除.
    Cleared,
    /// Its cause came back soon after it was gone: the same warning stands again.
    Reopened,
    /// Its cause stands, but it is not shown any more.
    Held,
    /// It was not shown and is from now on.
    Released,
}

/// One step of a warning as the engine says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WarningChange {
    /// Which warning.
    pub id: WarningId,
    /// What happened.
    pub step: WarningStep,
    /// Index of the rule in the catalog.
    pub rule: u16,
    /// What it is about.
    pub subject: Subject,
    /// Where: the smallest area known.
    pub area: AreaId,
    /// How bad it is now (the last one known when cleared).
    pub severity: Severity,
    /// The value that made the step.
    pub value: f64,
    /// Event time of that value, or of the tick for silence.
    pub at: Timestamp,
    /// The readings behind it, oldest first, at most eight.
    pub evidence: Vec<Evidence>,
    /// Why it is not shown after this step; `None`: it is.
    pub held: Option<Held>,
    /// Its alarm came and went so fast that its off delay was lengthened.
    pub chattering: bool,
}
