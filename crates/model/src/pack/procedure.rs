//! Procedures: the table of what may happen to cases of a type, as data. The standard one is a file of
//! the engine; a pack shortens or lengthens it (`cases.toml`, `[[procedure]]`). Not here: whether a table
//! is sound, and what follows from a row (`engine::case`).

use serde::{Deserialize, Serialize};

use crate::case::{CaseState, CommandKind, EventLevel, Stage};
use crate::{Text, Tier};

/// A procedure of its own (`[[procedure]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// What case types name it by.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// Steps of the standard procedure that it does not have.
    #[serde(default)]
    pub without: Vec<CommandKind>,
    /// Rows that it has instead of, or besides, those of the standard one. A row takes the place of
    /// those that ask the same in the same state.
    #[serde(default)]
    pub moves: Vec<Move>,
    /// Where it comes from.
    pub source: String,
}

impl Procedure {
    /// Reads a procedure from a file of its own.
    ///
    /// # Errors
    /// What TOML has against it.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|fault| fault.to_string())
    }
}

/// One row: in these states, asked for this, by such people, the case goes there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// What is asked.
    pub ask: CommandKind,
    /// Where the case stands.
    pub from: Vec<CaseState>,
    /// Where it stands after; absent: where it stood.
    #[serde(default)]
    pub to: Option<CaseState>,
    /// Who may.
    pub who: Vec<Who>,
    /// A reason is required.
    #[serde(default)]
    pub reason: bool,
    /// Who has it in hand after; absent: who had it.
    #[serde(default)]
    pub holder: Option<HolderKind>,
    /// What becomes of the clock; absent: it goes on.
    #[serde(default)]
    pub clock: Option<ClockMove>,
    /// For `hand_sideways`: to a centre beside, or to another agency.
    #[serde(default)]
    pub to_agency: bool,
}

words! {
    /// Who may take a step. The case must lie in the actor's area in every row.
    Who {
        /// A duty officer of the very centre that owns the case.
        Centre = "centre" "本级中心值班员" / "duty officer of the owning centre",
        /// A duty officer of a centre above it; of the city itself when it is the city's.
        CentreAbove = "centre_above" "上级中心值班员" / "duty officer of a centre above",
        /// Staff of the agency that has the case in hand.
        Agency = "agency" "责任单位人员" / "staff of the agency",
        /// Staff of an agency that has a part of it.
        Member = "member" "协同单位人员" / "staff of an agency with a part",
        /// A supervisor, grid worker or duty officer who is not of the agency that handled.
        Checker = "checker" "核查人员" / "somebody who did not handle it",
        /// A grid worker, supervisor or duty officer: who looks before filing.
        Verifier = "verifier" "核实人员" / "grid worker, supervisor or duty officer",
        /// A supervisor.
        Supervisor = "supervisor" "监督员" / "supervisor",
        /// The citizen who reported it.
        Reporter = "reporter" "举报人" / "the reporter",
        /// Anybody, known or not.
        Public = "public" "公众" / "anybody",
        /// Anybody who works on cases here.
        Staff = "staff" "工作人员" / "anybody who works on cases",
        /// The program itself, following another decision.
        Program = "program" "系统" / "the program",
    }
}

words! {
    /// In which capacity someone has a case in hand.
    HolderKind {
        /// The owning centre.
        Centre = "centre" "中心" / "the centre",
        /// The agency.
        Agency = "agency" "责任单位" / "the agency",
        /// Whoever checks.
        Checker = "checker" "核查人员" / "a checker",
        /// Whoever verifies.
        Verifier = "verifier" "核实人员" / "a verifier",
    }
}

words! {
    /// What becomes of the clock.
    ClockMove {
        /// The running stage ends and acceptance begins with its whole limit.
        Accept = "accept" "受理计时" / "acceptance begins",
        /// Verification begins.
        Verify = "verify" "核实计时" / "verification begins",
        /// Filing begins.
        File = "file" "立案计时" / "filing begins",
        /// Dispatch begins.
        Dispatch = "dispatch" "派遣计时" / "dispatch begins",
        /// Handling begins.
        Handle = "handle" "处置计时" / "handling begins",
        /// The check begins.
        Check = "check" "核查计时" / "the check begins",
        /// Closing begins.
        Close = "close" "结案计时" / "closing begins",
        /// The last stage ends.
        Stop = "stop" "停止" / "stops",
        /// It is put aside; the case's own deadline goes on.
        Follow = "follow" "随主案" / "follows the other case",
        /// What was put aside goes on: after a suspension with the time that was left, after a merge as
        /// if nothing had been.
        Back = "back" "恢复" / "goes on",
    }
}

impl ClockMove {
    /// The stage that begins.
    pub const fn stage(self) -> Option<Stage> {
        match self {
            Self::Accept => Some(Stage::Accept),
            Self::Verify => Some(Stage::Verify),
            Self::File => Some(Stage::File),
            Self::Dispatch => Some(Stage::Dispatch),
            Self::Handle => Some(Stage::Handle),
            Self::Check => Some(Stage::Check),
            Self::Close => Some(Stage::Close),
            Self::Stop | Self::Follow | Self::Back => None,
        }
    }
}

/// An emergency plan 预案 (`[[plan]]`): what changes for a case when it is fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What case types name it by.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// It is fired by itself when a case is set to this level or a worse one.
    #[serde(default)]
    pub fires_at: Option<EventLevel>,
    /// The centre that takes the case over.
    pub level: Tier,
    /// The kind of agency that leads; absent: the one it had.
    #[serde(default)]
    pub lead: Option<String>,
    /// The handling limit while it is in force: `1 urgent_hour`.
    pub handle: String,
    /// Where it comes from.
    pub source: String,
}
