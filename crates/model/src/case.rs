//! Case 案件: what is decided, by whom, and when. Vocabulary only: which step is allowed when, and what
//! follows from it, is decided in `engine::case`.
//!
//! A case is never edited: it is the sum of its [`CaseEvent`]s, which are only ever appended.
//! Invariant kept by `engine::case`: every case has a holder, and every case that is not closed has a
//! clock.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::ErrorCode;
use crate::pack::LimitRow;
use crate::{AreaPath, Role, Text, Tier, Timestamp};

mod act;
mod circumstances;
mod clock;
mod event;
mod id;
mod import;
mod words;

pub use act::{CaseStep, Command, CommandKind, Photo};
pub use circumstances::{
    Admission, Appeal, Aside, Circumstances, FiredPlan, Part, PartState, Petition, ReportDue,
    Ruling, Satisfaction, Verdict, Wish,
};
pub use clock::{ClockRow, StageClock, StageLimits, default_limit, limit_of_ms};
pub use event::{CaseEvent, Filing};
pub use id::CaseId;
pub use import::{ImportedCase, ImportedStatus};
pub use words::{CaseSource, CaseState, EventLevel, Light, PhotoKind, ReportForm, Stage};

/// Which centre owns a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The city's.
    City,
    /// A district's.
    District,
    /// A town's or street's.
    Town,
}

impl Level {
    /// All levels, top down.
    pub const ALL: [Self; 3] = [Self::City, Self::District, Self::Town];

    /// Its word: `city`.
    pub const fn word(self) -> &'static str {
        self.tier().word()
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.word() == word)
    }

    /// The tier of its areas.
    pub const fn tier(self) -> Tier {
        match self {
            Self::City => Tier::City,
            Self::District => Tier::District,
            Self::Town => Tier::Town,
        }
    }

    /// The level that looks after areas of a tier; below the town it is the town's.
    pub const fn of_tier(tier: Tier) -> Self {
        match tier {
            Tier::City => Self::City,
            Tier::District => Self::District,
            Tier::Town | Tier::Community | Tier::Grid => Self::Town,
        }
    }

    /// How many codes the path of its centre's area has: 1 for the city.
    pub const fn depth(self) -> usize {
        match self {
            Self::City => 1,
            Self::District => 2,
            Self::Town => 3,
        }
    }

    /// The area of the centre of this level that looks after `area`; `None` when `area` is larger.
    pub fn centre_of(self, area: &AreaPath) -> Option<AreaPath> {
        area.ancestor(self.depth())
    }

    /// The lowest level, not below this one, that has a centre for `area`: a case that lies in a
    /// whole district cannot be a town's.
    pub fn fitting(self, area: &AreaPath) -> Self {
        Self::ALL
            .into_iter()
            .rev()
            .filter(|&l| l <= self)
            .find(|l| l.depth() <= area.depth())
            .unwrap_or(Self::City)
    }
}

/// Who has a case in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// In which capacity.
    pub role: Role,
    /// The agency, when it is an agency's turn.
    pub agency: Option<String>,
    /// The area of the centre that owns the case.
    pub area: AreaPath,
}

/// The row of the filing and closing standard that a case cites, as it stood when it was filed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CitedRow {
    /// Its place in the case type, from 0.
    pub index: usize,
    /// Its words.
    #[serde(flatten)]
    pub row: LimitRow,
}

/// A case as it stands: the sum of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Its number.
    pub id: CaseId,
    /// What it was filed with; before that, what it was reported with.
    pub filing: Filing,
    /// Who filed it; before that, who reported it.
    pub filed_by: String,
    /// When it was filed; before that, when it was reported.
    pub filed_at: Timestamp,
    /// When it first became known here.
    #[serde(default)]
    pub reported_at: Option<Timestamp>,
    /// When the whole loop must be closed; `None` before filing, and for imports whose source states none.
    pub due_at: Option<Timestamp>,
    /// The same as it was when it was filed: what was first promised stays visible.
    #[serde(default)]
    pub first_due_at: Option<Timestamp>,
    /// Where it stands.
    pub state: CaseState,
    /// Which centre owns it.
    pub level: Level,
    /// Where it is: the smallest area known.
    pub area: AreaPath,
    /// The agency that answers for it; before dispatch the one proposed.
    pub agency: Option<String>,
    /// Who has it in hand. Of a closed case: the centre that closed it.
    pub holder: Holder,
    /// The running clock; `None` once it has come to its end.
    pub clock: Option<StageClock>,
    /// Clocks that have ended, in order.
    #[serde(default)]
    pub clocks: Vec<ClockRow>,
    /// When it came to its end: closed, closed by force, not accepted, cancelled.
    pub closed_at: Option<Timestamp>,
    /// Of a closed case with a limit: closed no later than [`Self::due_at`].
    pub on_time: Option<bool>,
    /// How often agencies gave it back.
    pub returns: u32,
    /// How often it failed the check, or the reporter said it was not fixed.
    pub reworks: u32,
    /// How often it was given more time.
    #[serde(default)]
    pub delays: u32,
    /// How often somebody urged 催办.
    #[serde(default)]
    pub urges: u32,
    /// How often it was put under supervision 督办.
    #[serde(default)]
    pub supervisions: u32,
    /// How many more people reported the same.
    #[serde(default)]
    pub joined: u32,
    /// How often it was reopened.
    #[serde(default)]
    pub reopens: u32,
    /// The rarer facts.
    #[serde(default)]
    pub circumstances: Circumstances,
    /// Number of its last event, from 1.
    pub seq: u32,
    /// When its last event happened.
    pub changed_at: Timestamp,
}

impl Case {
    /// True when it is not closed and its whole limit has passed.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.closed_at.is_none() && self.due_at.is_some_and(|due| now > due)
    }
}

/// Why a step is refused: a numbered error and what it means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// From the catalogue in [`crate::error`].
    pub code: &'static ErrorCode,
    /// What it means in this case.
    pub detail: Text,
}

impl Refusal {
    /// A refusal with its own words.
    pub fn new(code: &'static ErrorCode, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, detail: Text::new(zh, en) }
    }

    /// A refusal in the catalogue's words.
    pub fn plain(code: &'static ErrorCode) -> Self {
        Self { detail: code.text(), code }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code.label(), self.code.name, self.detail.en)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_fits_only_areas_it_has_a_centre_for() {
        let district = AreaPath::parse("/50/500103/").unwrap();
        let grid = AreaPath::parse("/50/500103/500103001/500103001001/500103001001001/").unwrap();
        assert_eq!(Level::Town.fitting(&district), Level::District);
        assert_eq!(Level::Town.fitting(&grid), Level::Town);
        assert_eq!(Level::City.fitting(&grid), Level::City);
        assert_eq!(Level::Town.centre_of(&grid).unwrap().code(), "500103001");
        assert_eq!(Level::Town.centre_of(&district), None);
    }

    #[test]
    fn words_read_back() {
        for &state in CaseState::ALL {
            assert_eq!(CaseState::from_word(state.word()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
        for &kind in CommandKind::ALL {
            assert_eq!(CommandKind::from_word(kind.word()), Some(kind));
            assert!(CaseStep::ALL.contains(&kind.step()));
        }
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.word());
        }
    }
}
