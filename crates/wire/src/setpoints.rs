//! Files of set-points 限值: the levels from which single devices warn, as CSV.
//!
//! Not here: whether device and kind exist, and whether a level lies inside the kind's range.

use chengmai_model::stream::Levels;

mod decode;

pub use decode::decode_csv;

/// The set-points of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct SetpointRow {
    /// Line of the file, from 1.
    pub line: u32,
    /// The device's id.
    pub device: String,
    /// Kind of reading.
    pub kind: String,
    /// Finite, and rising or falling with the severity; all absent takes the set-points away.
    pub levels: Levels,
}
