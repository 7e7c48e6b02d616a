//! Observations as JSON (an array, or one object), newline-delimited JSON and CSV, each item
//! `{"device", "kind"?, "value", "time"?, "unit"?, "area"?}`.
//!
//! `time` is RFC 3339 text with a zone, or whole milliseconds since the epoch; nothing is guessed
//! from its size. `value` is a number; booleans count as 1 and 0. Other keys and columns are read
//! over, because devices often send more than we need.
//!
//! Not here: whether device, kind, unit and area exist.

use std::borrow::Cow;

use chengmai_model::Timestamp;

use crate::error::Fault;

mod decode;

pub use decode::{decode_csv, decode_json, decode_ndjson};

/// One observation as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation<'a> {
    /// Id of the device; not empty.
    pub device: Cow<'a, str>,
    /// Kind of reading; a device with one stream may leave it out.
    pub kind: Option<Cow<'a, str>>,
    /// Finite.
    pub value: f64,
    /// When it was measured; `None` when the sender did not say.
    pub at: Option<Timestamp>,
    /// Unit the sender measured in, to be compared with the kind's.
    pub unit: Option<Cow<'a, str>>,
    /// Code of the area, for a device that is not registered yet.
    pub area: Option<Cow<'a, str>>,
}

/// Takes what a body holds, in its order.
pub trait Sink {
    /// One observation. `line` and `byte` as in [`Fault`].
    fn observation(&mut self, observation: Observation<'_>, line: u32, byte: u32);

    /// A refused item.
    fn fault(&mut self, fault: Fault);
}
