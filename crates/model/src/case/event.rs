//! What is on record about a case: what it was opened with, and its events.

use serde::{Deserialize, Serialize};

use super::{
    CaseSource, CaseState, CaseStep, Circumstances, CitedRow, ClockRow, Holder, Level, Photo,
    StageClock, StageLimits,
};
use crate::warning::WarningId;
use crate::{AreaPath, Severity, Text, Timestamp};

/// What a case is opened with, and again what it is filed with: kept whole in these two events. A case
/// that nobody had to verify has one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filing {
    /// Id of the case type in its pack; of imports the source's own word.
    pub type_id: String,
    /// The type's name when it was filed.
    pub type_name: Text,
    /// GB/T 30428.2 class: `05-02`; empty for imports and for reports of no known class.
    pub class: String,
    /// How bad.
    pub severity: Severity,
    /// A line for lists.
    pub title: Text,
    /// What is known, in the filer's words.
    pub description: String,
    /// The row of the standard it cites; `None` for imports and before filing.
    pub row: Option<CitedRow>,
    /// What each stage may take.
    pub limits: StageLimits,
    /// Centre that owns it at first.
    pub level: Level,
    /// Where: the smallest area known.
    pub area: AreaPath,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// The agency proposed for it.
    pub agency: Option<String>,
    /// The warning it was filed from.
    pub warning: Option<WarningId>,
    /// Where it came from.
    pub source: CaseSource,
    /// The citizen who reported it, by a name that says nothing of who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<String>,
    /// Its number in the system it was imported from: `boston:101004143000`.
    pub external: Option<String>,
    /// True when anything behind it is simulated.
    pub simulated: bool,
}

/// One fact in the life of a case: who did what when, and how things stood afterwards. Append-only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseEvent {
    /// From 1, without gaps.
    pub seq: u32,
    /// When; never before the event in front of it.
    pub at: Timestamp,
    /// What happened.
    pub step: CaseStep,
    /// Who did it.
    pub actor: String,
    /// For which agency they acted.
    pub actor_agency: Option<String>,
    /// Where the case stood before; `None` at filing.
    pub from: Option<CaseState>,
    /// Where it stands after.
    pub to: CaseState,
    /// What they said: reason or remark.
    pub note: Option<String>,
    /// The agency that answers for it after.
    pub agency: Option<String>,
    /// The level that owns it after.
    pub level: Level,
    /// Where it is after.
    pub area: AreaPath,
    /// Who has it in hand after.
    pub holder: Holder,
    /// The clock that runs after; `None` once it has come to its end.
    pub clock: Option<StageClock>,
    /// The whole limit, from filing on. It moves by what a clock was extended or stood still, no more.
    pub due_at: Option<Timestamp>,
    /// Milliseconds of own time used of the stage that ended; `None` when no stage ended or its start
    /// is unknown.
    pub used_ms: Option<i64>,
    /// Whether that stage was overdue when it ended.
    pub overdue: Option<bool>,
    /// Of the first event and of filing: what the case was opened or filed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filing: Option<Box<Filing>>,
    /// The clock that ended with this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Box<ClockRow>>,
    /// The rarer facts as they stand after, when any of them changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circumstances: Option<Box<Circumstances>>,
    /// Photos that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<Photo>,
}
