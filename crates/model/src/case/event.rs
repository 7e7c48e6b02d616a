//! What is asked of a case (commands) and what is on record about it (events).

use serde::{Deserialize, Serialize};

use super::{CaseSource, CaseState, CitedRow, Holder, Level, StageClock, StageLimits};
use crate::warning::WarningId;
use crate::{AreaPath, Severity, Text, Timestamp};

/// What a case is filed with. Kept whole in the first event and never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filing {
    /// Id of the case type in its pack; of imports the source's own word.
    pub type_id: String,
    /// The type's name when it was filed.
    pub type_name: Text,
    /// GB/T 30428.2 class: `05-02`; empty for imports.
    pub class: String,
    /// How bad.
    pub severity: Severity,
    /// A line for lists.
    pub title: Text,
    /// What is known, in the filer's words.
    pub description: String,
    /// The row of the standard it cites; `None` only for imports.
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
    /// Its number in the system it was imported from: `boston:101004143000`.
    pub external: Option<String>,
    /// True when anything behind it is simulated.
    pub simulated: bool,
}

/// What can be asked of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// 派遣: give it to an agency.
    Dispatch,
    /// 开始处置.
    Start,
    /// 处置完成.
    Finish,
    /// 回退: the agency gives it back.
    Return,
    /// 核查通过.
    CheckPass,
    /// 核查不通过, back for rework 返工.
    CheckFail,
    /// 结案.
    Close,
    /// 上报, or taken over by a higher centre 提级.
    HandUp,
    /// 交办 to a lower centre.
    HandDown,
    /// 横向分拨 to a neighbouring centre or to another agency.
    HandSideways,
}

impl CommandKind {
    /// All kinds, in the order shown to people.
    pub const ALL: [Self; 10] = [
        Self::Dispatch,
        Self::Start,
        Self::Finish,
        Self::Return,
        Self::CheckPass,
        Self::CheckFail,
        Self::Close,
        Self::HandUp,
        Self::HandDown,
        Self::HandSideways,
    ];

    /// Its word, as in the API's paths: `check_pass`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Start => "start",
            Self::Finish => "finish",
            Self::Return => "return",
            Self::CheckPass => "check_pass",
            Self::CheckFail => "check_fail",
            Self::Close => "close",
            Self::HandUp => "hand_up",
            Self::HandDown => "hand_down",
            Self::HandSideways => "hand_sideways",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// A step asked for, with what was said along with it. Which parts a kind needs is in
/// `engine::case`'s table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is asked.
    pub kind: CommandKind,
    /// A remark.
    pub note: Option<String>,
    /// Why; some kinds are refused without.
    pub reason: Option<String>,
    /// For `dispatch` and `hand_sideways`: to which agency. The caller checks that it exists.
    pub agency: Option<String>,
    /// For `hand_up` and `hand_down`: to which level; one up or down if absent.
    pub level: Option<Level>,
    /// For `hand_down` and `hand_sideways`: to the centre of which area. The caller looks it up.
    pub area: Option<AreaPath>,
}

impl Command {
    /// A command with nothing said along with it.
    pub const fn new(kind: CommandKind) -> Self {
        Self { kind, note: None, reason: None, agency: None, level: None, area: None }
    }
}

/// What happened to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseStep {
    /// 立案.
    Filed,
    /// 派遣.
    Dispatched,
    /// 开始处置.
    Started,
    /// 处置完成.
    Finished,
    /// 回退.
    Returned,
    /// 核查通过.
    CheckPassed,
    /// 核查不通过.
    CheckFailed,
    /// 结案.
    Closed,
    /// 上报.
    HandedUp,
    /// 交办.
    HandedDown,
    /// 横向分拨.
    HandedSideways,
}

impl CaseStep {
    /// All steps.
    pub const ALL: [Self; 11] = [
        Self::Filed,
        Self::Dispatched,
        Self::Started,
        Self::Finished,
        Self::Returned,
        Self::CheckPassed,
        Self::CheckFailed,
        Self::Closed,
        Self::HandedUp,
        Self::HandedDown,
        Self::HandedSideways,
    ];

    /// Its word: `check_passed`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Dispatched => "dispatched",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Returned => "returned",
            Self::CheckPassed => "check_passed",
            Self::CheckFailed => "check_failed",
            Self::Closed => "closed",
            Self::HandedUp => "handed_up",
            Self::HandedDown => "handed_down",
            Self::HandedSideways => "handed_sideways",
        }
    }

    /// Its name as shown to people.
    pub fn name(self) -> Text {
        match self {
            Self::Filed => Text::new("立案", "Filed"),
            Self::Dispatched => Text::new("派遣", "Dispatched"),
            Self::Started => Text::new("开始处置", "Handling started"),
            Self::Finished => Text::new("处置完成", "Handled"),
            Self::Returned => Text::new("回退", "Returned"),
            Self::CheckPassed => Text::new("核查通过", "Check passed"),
            Self::CheckFailed => Text::new("核查不通过，返工", "Check failed, rework"),
            Self::Closed => Text::new("结案", "Closed"),
            Self::HandedUp => Text::new("上报", "Handed up"),
            Self::HandedDown => Text::new("交办", "Handed down"),
            Self::HandedSideways => Text::new("横向分拨", "Handed sideways"),
        }
    }
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
    /// The clock that runs after; `None` once closed.
    pub clock: Option<StageClock>,
    /// The whole limit; the same in every event of a case.
    pub due_at: Option<Timestamp>,
    /// Milliseconds used of the stage that ended; `None` when no stage ended or its start is unknown.
    pub used_ms: Option<i64>,
    /// Whether that stage was overdue when it ended.
    pub overdue: Option<bool>,
    /// Of the first event: what the case was filed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filing: Option<Box<Filing>>,
}
