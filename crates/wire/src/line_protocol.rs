//! Influx line protocol: `measurement,tag=value field=2.4 1700000100000000000`, as Telegraf and
//! many gateways send it. The hot path of the whole program: no allocation per line, every byte
//! looked at once or twice.
//!
//! What it is not: it does not know devices, kinds or areas. Measurement and tags come out as the
//! raw bytes they stood in, good as the key of a cache; [`series_parts`] takes them apart when the
//! cache does not know them yet. So the tags' own syntax is checked there and not here.
//!
//! Rules where implementations differ:
//! * A line whose syntax is wrong is refused whole: none of its fields counts. A field that is well
//!   formed but is text, or not finite, is refused by itself and the line's other fields count.
//! * A quoted text may hold line ends. A quote that is never closed refuses its own line only.
//! * Booleans count as 1 and 0; integers (`i`, `u`) as the nearest `f64`.
//! * Times are rounded down to milliseconds. A line without a time gives `None`.

use chengmai_model::Timestamp;

use crate::error::Fault;

mod decode;
mod number;
mod quoted;
mod series;

pub use decode::decode;
pub use number::parse_number;
pub use series::{Series, series_parts, unescape};

/// Unit of the time stamps of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// `ns`, what the protocol takes when nothing is said.
    #[default]
    Nanoseconds,
    /// `us` or `u`.
    Microseconds,
    /// `ms`.
    Milliseconds,
    /// `s`.
    Seconds,
    /// `m`, which clients of InfluxDB 1 know.
    Minutes,
    /// `h`, the same.
    Hours,
}

impl Precision {
    /// From the `precision` parameter of a write of InfluxDB 1.
    pub fn from_word_of_1(word: &str) -> Option<Self> {
        match word {
            "m" => Some(Self::Minutes),
            "h" => Some(Self::Hours),
            _ => Self::from_word(word),
        }
    }

    /// From the `precision` parameter of a write.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "ns" | "n" => Some(Self::Nanoseconds),
            "us" | "u" | "µs" => Some(Self::Microseconds),
            "ms" => Some(Self::Milliseconds),
            "s" => Some(Self::Seconds),
            _ => None,
        }
    }

    /// A count of this unit since the epoch in whole milliseconds, rounded down; `None` beyond the
    /// range.
    #[inline]
    pub(crate) const fn to_timestamp(self, count: i64) -> Option<Timestamp> {
        let ms = match self {
            Self::Nanoseconds => Some(count.div_euclid(1_000_000)),
            Self::Microseconds => Some(count.div_euclid(1_000)),
            Self::Milliseconds => Some(count),
            Self::Seconds => count.checked_mul(1_000),
            Self::Minutes => count.checked_mul(60_000),
            Self::Hours => count.checked_mul(3_600_000),
        };
        match ms {
            Some(ms) => Some(Timestamp(ms)),
            None => None,
        }
    }
}

/// Takes what a body holds, in its order. Slices live as long as the body, so that a sink may keep
/// them and look up many series together.
pub trait Sink<'a> {
    /// One field of one line.
    ///
    /// `series` are the raw bytes of measurement and tags, `field` those of the field's key (both
    /// with their escapes, see [`unescape`]), `value` is finite, `at` is `None` when the line has no
    /// time. `line` counts from 1; `byte` is where the field starts within the line, from 1.
    fn point(
        &mut self,
        series: &'a [u8],
        field: &'a [u8],
        value: f64,
        at: Option<Timestamp>,
        line: u32,
        byte: u32,
    );

    /// A refused line or field.
    fn fault(&mut self, fault: Fault);
}
