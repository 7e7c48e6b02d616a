//! A case as another city's system tells it, before it is filed here.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Whether the source calls the case finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportedStatus {
    /// Any word of the source that means it is not finished.
    Open,
    /// The source says it is closed, and when.
    Closed,
}

/// One service request of another system. `status` and `closed_at` agree: a line where they do not is
/// refused when it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportedCase {
    /// Line in the file, from 1 (the header).
    pub line: u32,
    /// System and number: `boston:101004143000`.
    pub external_id: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The deadline, where the source states one.
    pub due_at: Option<Timestamp>,
    /// When it was closed; no earlier than `opened_at`.
    pub closed_at: Option<Timestamp>,
    /// The source's id of the responsible agency.
    pub agency: String,
    /// The agency's name, where the source has one besides the id.
    pub agency_name: Option<String>,
    /// The source's word for the type.
    pub kind: String,
    /// What is known beyond the type.
    pub detail: String,
    /// The source's word for the area (borough, neighbourhood); may be empty.
    pub area_text: String,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// Open or closed.
    pub status: ImportedStatus,
    /// What the source itself says about being in time, where it says anything.
    pub stated_on_time: Option<bool>,
}
