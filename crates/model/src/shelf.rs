//! Shelving 搁置: a person takes a rule or a device off the screens for a limited time, with a reason.
//! An order is an input of the engine like a reading: it stands in the journal, so that a replay
//! decides as the first run did.
//!
//! Corrections of readings are orders too; what they say stands in `correction.rs`.
//!
//! Rules and areas are named by their ids, never by number: packs and areas change between runs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AreaCode, CorrectionOrder, DeviceId, Severity, Timestamp};

/// Identity of a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShelfId(pub u64);

impl fmt::Display for ShelfId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-{:016x}", self.0)
    }
}

impl ShelfId {
    /// Reads `S-` and sixteen hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("S-").filter(|d| d.len() == 16)?;
        u64::from_str_radix(digits, 16).ok().map(Self)
    }
}

/// What is shelved, until when, by whom and why. Everything that is named must fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShelfSpec {
    /// Only warnings of this rule: `gas/methane_silent`.
    pub rule: Option<String>,
    /// Only inside this area.
    pub area: Option<AreaCode>,
    /// Only what rests on this device alone.
    pub device: Option<DeviceId>,
    /// Nothing worse than this.
    pub severity_max: Severity,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a person tells the engine. Variants are only ever added at the end: the journal knows them by
/// their number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Shelve from now on.
    Shelve {
        /// Its identity.
        id: ShelfId,
        /// What, until when, by whom and why.
        spec: ShelfSpec,
    },
    /// End a shelf before its time.
    Unshelve {
        /// Which.
        id: ShelfId,
        /// Who.
        by: String,
    },
    /// Replace or retract a reading that was wrong.
    Correct(CorrectionOrder),
}
