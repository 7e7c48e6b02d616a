//! What else stands on record of a case besides its state, clock and holder: what was asked for and
//! waits for a word, the parts of other agencies, appeals, an emergency plan in force. Rare, so it is
//! one box that an event carries whole when it changed.

use serde::{Deserialize, Serialize};

use super::words::{CaseState, EventLevel, ReportForm, Stage};
use super::{CaseId, Level, StageClock};
use crate::Timestamp;
use crate::calendar::Limit;

/// The rarer facts about a case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Circumstances {
    /// What the agency asked for and the centre has not answered yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub petition: Option<Petition>,
    /// The clock put aside, and where the case stood: of suspended and merged cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
    /// Parts of other agencies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Tasks admitted although they stand outside an agency's list of duties.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admissions: Vec<Admission>,
    /// Set once the centre above has ruled whose task it is: the agency cannot dispute again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// Appeals, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub appeals: Vec<Appeal>,
    /// The level by law, where one was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_level: Option<EventLevel>,
    /// Reports owed to the centre above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportDue>,
    /// The plan in force, and how things stood before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<FiredPlan>,
    /// Into which case it was merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<CaseId>,
    /// What the reporter said of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub satisfaction: Option<Satisfaction>,
    /// Who is on the way to check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checker: Option<String>,
    /// Whether somebody looked before filing, and saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// Asked for, not answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Petition {
    /// What.
    pub wish: Wish,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What an agency may ask the centre for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Wish {
    /// 延期: more time.
    Delay {
        /// How much.
        more: Limit,
    },
    /// 挂账: the clock stands still until a day on record.
    Suspend {
        /// When it is looked at again.
        until: Timestamp,
    },
    /// 争议: another agency shall do it; the centre above decides.
    Dispute {
        /// Which one, where the agency names it.
        agency: Option<String>,
    },
}

/// A clock that stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Where the case stood.
    pub state: CaseState,
    /// The clock as it was.
    pub clock: StageClock,
    /// Since when.
    pub since: Timestamp,
}

/// Another agency's part of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Whose.
    pub agency: String,
    /// What is to be done.
    pub task: String,
    /// Its own clock.
    pub clock: StageClock,
    /// How it stands.
    pub state: PartState,
    /// When it was done or refused, late or not.
    pub ended_at: Option<Timestamp>,
    /// Own time that its clock had used by then, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<i64>,
}

/// How a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// Waits for its agency.
    Waiting,
    /// Its agency is at it.
    Working,
    /// Done.
    Done,
    /// Refused with evidence; the centre decides.
    Refused,
}

/// A task admitted outside the list of duties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// For which agency.
    pub agency: String,
    /// Who admitted it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Who decided whose task it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The agency that does it.
    pub agency: String,
    /// Who ruled.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// An appeal against a breach on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appeal {
    /// Against the breach of which stage.
    pub stage: Stage,
    /// Who appealed.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Until when it must be answered.
    pub due_at: Timestamp,
    /// Who decided in the first review, the owning centre's.
    pub first: Option<Verdict>,
    /// Who decided in the second, the centre's above.
    pub second: Option<Verdict>,
}

impl Appeal {
    /// Whether a review is still awaited.
    pub fn is_open(&self) -> bool {
        match (&self.first, &self.second) {
            (Some(first), None) => first.upheld,
            (None, _) => true,
            (Some(_), Some(_)) => false,
        }
    }

    /// Whether both reviews upheld it.
    pub fn is_upheld(&self) -> bool {
        self.second.as_ref().is_some_and(|second| second.upheld)
    }
}

/// What a review of an appeal came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the appeal stands.
    pub upheld: bool,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A report owed to the centre above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportDue {
    /// In which form.
    pub form: ReportForm,
    /// Until when.
    pub due_at: Timestamp,
    /// When it was made.
    pub done_at: Option<Timestamp>,
}

/// A plan in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiredPlan {
    /// Which.
    pub id: String,
    /// Who fired it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The owning level before.
    pub level: Level,
    /// The agency before.
    pub agency: Option<String>,
    /// What handling may take while it is in force.
    pub handle: Limit,
    /// The handling clock before, where it ran.
    pub clock: Option<StageClock>,
    /// The whole limit before.
    pub due_at: Option<Timestamp>,
}

/// What the reporter said of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Satisfaction {
    /// 1 very dissatisfied to 5 very satisfied.
    pub stars: u8,
    /// When.
    pub at: Timestamp,
}
