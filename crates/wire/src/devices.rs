//! Device files: rows as CSV, points as GeoJSON.
//!
//! Not here: whether area, kinds and agency exist, and the area of a device that only has a
//! position (the registry finds it by point in polygon).

use chengmai_model::AreaCode;

mod decode;

pub use decode::{decode_csv, decode_geojson};

/// One device of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRow {
    /// Line of the file, from 1.
    pub line: u32,
    /// The id that people and gateways use; 1 to 128 bytes, once in a file.
    pub id: String,
    /// Kinds of reading it sends; may be empty when the device is known already.
    pub kinds: Vec<String>,
    /// A title for people.
    pub title: Option<String>,
    /// Where it belongs; when absent, `position` is there and decides.
    pub area: Option<AreaCode>,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// Id of the agency that answers for it.
    pub agency: Option<String>,
    /// Expected time between readings in milliseconds; 0 takes the kind's own.
    pub period_ms: u32,
    /// True for a generated device.
    pub simulated: bool,
}
