//! How warnings are screened. Every number is a default of ours unless it names a standard; a city
//! sets its own in `city.toml`.

use chengmai_model::Tier;
use chengmai_model::city::CityAlarms;
use chengmai_model::time::{HOUR_MS, MINUTE_MS, parse_duration_ms};
use serde::{Deserialize, Serialize};

/// How warnings are screened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmSettings {
    /// The tier whose centre counts as one operator.
    pub operator: Tier,
    /// A cause that comes back within this time reopens its warning, in milliseconds.
    pub reopen_ms: i64,
    /// A consequence may speak so long after its cause has gone, in milliseconds.
    pub settle_ms: i64,
    /// Width over which arrivals are counted, in milliseconds: ten minutes, as floods are in ISA-18.2.
    pub slot_ms: i64,
    /// More arrivals within a slot than this are collapsed. Five, so that they, and one group for
    /// each of a handful of packs, stay within the ten of ISA-18.2.
    pub collapse_begins: u16,
    /// Collapsing ends when fewer than so many arrived within a slot.
    pub collapse_ends: u16,
    /// Three turns of an alarm within this time are chattering, in milliseconds: a minute, ISA-18.2.
    /// A stream that reports less often has three of its periods.
    pub chatter_ms: i64,
    /// A lengthened off delay goes back after so long without a turn, in milliseconds.
    pub calm_ms: i64,
}

impl AlarmSettings {
    /// Ours, where a city says nothing.
    pub const DEFAULT: Self = Self {
        operator: Tier::District,
        reopen_ms: 10 * MINUTE_MS,
        settle_ms: 2 * MINUTE_MS,
        slot_ms: 10 * MINUTE_MS,
        collapse_begins: 5,
        collapse_ends: 3,
        chatter_ms: MINUTE_MS,
        calm_ms: HOUR_MS,
    };

    /// A city's own numbers, and ours where it has none.
    pub fn of(own: &CityAlarms) -> Self {
        let usual = Self::DEFAULT;
        Self {
            operator: own.operator.unwrap_or(usual.operator),
            reopen_ms: own.reopen.as_deref().and_then(parse_duration_ms).unwrap_or(usual.reopen_ms),
            collapse_begins: own.collapse_begins.unwrap_or(usual.collapse_begins),
            collapse_ends: own.collapse_ends.unwrap_or(usual.collapse_ends),
            ..usual
        }
    }
}

impl Default for AlarmSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}
