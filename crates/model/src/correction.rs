//! Correction 更正: a person says that a reading was wrong, what it should have been, and why. It is an
//! order like a shelf: it stands in the journal, so that windows, history and a replay agree on it.
//!
//! Not here: who may say so, and whether there is such a reading; that is asked before it is journaled.

use serde::{Deserialize, Serialize};

use crate::{AreaCode, StreamId, Timestamp};

/// A reading that was wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrectionOrder {
    /// Whose reading.
    pub stream: StreamId,
    /// When it was measured.
    pub at: Timestamp,
    /// Its value as it came in, or as the correction before this one left it.
    pub old: f64,
    /// The right value; `None` when there should have been no reading.
    pub new: Option<f64>,
    /// Where it was counted, if its device has moved since; `None` where the device is now.
    pub area: Option<AreaCode>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}
