//! Corrections 更正 of readings, as CSV or as a JSON array (or one object): `device`, `kind`, `time`, `old`
//! where several readings have that time, `new` (a number, or the word `withdraw`), and `reason`.
//!
//! Not here: whether there is such a reading, and whether the value lies inside the kind's range.

use chengmai_model::Timestamp;

mod decode;

pub use decode::{decode_csv, decode_json};

/// The correction of one reading.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionRow {
    /// Line of the body, or number of the item, from 1.
    pub line: u32,
    /// The device's id.
    pub device: String,
    /// Kind of reading.
    pub kind: String,
    /// When it was measured.
    pub at: Timestamp,
    /// Its value so far, where the sender says it. Finite.
    pub old: Option<f64>,
    /// The right value, finite; `None` to withdraw the reading.
    pub new: Option<f64>,
    /// Why; not empty.
    pub reason: String,
}
