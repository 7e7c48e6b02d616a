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
use crate::time::{DAY_MS, HOUR_MS};
use crate::{AreaPath, Role, Text, Tier, Timestamp};

mod event;
mod id;
mod import;

pub use event::{CaseEvent, CaseStep, Command, CommandKind, Filing};
pub use id::CaseId;
pub use import::{ImportedCase, ImportedStatus};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// 已立案: waits for dispatch.
    Filed,
    /// 已派遣: lies with the agency.
    Dispatched,
    /// 处置中: the agency is at it.
    Handling,
    /// 处置完成: waits for the check.
    Handled,
    /// 已回退: the agency gave it back; waits for dispatch.
    Returned,
    /// 返工: failed the check; back with the same agency.
    Rework,
    /// 核查通过: waits for closing.
    Checked,
    /// 已结案.
    Closed,
}

impl CaseState {
    /// All states, in the order of the short loop.
    pub const ALL: [Self; 8] = [
        Self::Filed,
        Self::Dispatched,
        Self::Handling,
        Self::Handled,
        Self::Returned,
        Self::Rework,
        Self::Checked,
        Self::Closed,
    ];

    /// Its word: `filed`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Dispatched => "dispatched",
            Self::Handling => "handling",
            Self::Handled => "handled",
            Self::Returned => "returned",
            Self::Rework => "rework",
            Self::Checked => "checked",
            Self::Closed => "closed",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    /// Its name as shown to people.
    pub fn name(self) -> Text {
        match self {
            Self::Filed => Text::new("已立案，待派遣", "Filed, to be dispatched"),
            Self::Dispatched => Text::new("已派遣，待处置", "Dispatched, to be handled"),
            Self::Handling => Text::new("处置中", "Being handled"),
            Self::Handled => Text::new("处置完成，待核查", "Handled, to be checked"),
            Self::Returned => Text::new("已回退，待重新派遣", "Returned, to be dispatched again"),
            Self::Rework => Text::new("返工", "Rework"),
            Self::Checked => Text::new("核查通过，待结案", "Checked, to be closed"),
            Self::Closed => Text::new("已结案", "Closed"),
        }
    }
}

/// Which clock runs. Each limit is its own; a case's whole limit is their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// 派遣.
    Dispatch,
    /// 处置.
    Handle,
    /// 核查.
    Check,
    /// 结案.
    Close,
}

impl Stage {
    /// Its word: `dispatch`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Handle => "handle",
            Self::Check => "check",
            Self::Close => "close",
        }
    }
}

/// The running clock of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageClock {
    /// What it measures.
    pub stage: Stage,
    /// When it began.
    pub started_at: Timestamp,
    /// When it runs out.
    pub due_at: Timestamp,
}

/// Colour of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Less than 80 % of the limit used.
    Green,
    /// 80 % or more used.
    Yellow,
    /// Overdue.
    Red,
}

impl Light {
    /// Its word: `green`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Green, Self::Yellow, Self::Red].into_iter().find(|l| l.word() == word)
    }
}

impl StageClock {
    /// Share of the limit used at `now`: 0 at the start, 1 when due, more when overdue.
    pub fn used_share(&self, now: Timestamp) -> f64 {
        let limit = self.due_at.since(self.started_at).max(1);
        now.since(self.started_at).max(0) as f64 / limit as f64
    }

    /// Its colour at `now`. Whole numbers only, so that the database can ask the same question.
    pub fn light(&self, now: Timestamp) -> Light {
        let (used, limit) = (now.since(self.started_at), self.due_at.since(self.started_at));
        if now > self.due_at {
            Light::Red
        } else if used.saturating_mul(10) >= limit.saturating_mul(8) {
            Light::Yellow
        } else {
            Light::Green
        }
    }
}

/// How long each stage may take, in milliseconds, frozen into the case when it is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageLimits {
    /// Filed or returned until dispatched.
    pub dispatch_ms: i64,
    /// Dispatched until handled: the row's limit 处置时限.
    pub handle_ms: i64,
    /// Handled until checked.
    pub check_ms: i64,
    /// Checked until closed.
    pub close_ms: i64,
}

impl StageLimits {
    /// The limit of one stage.
    pub const fn of(&self, stage: Stage) -> i64 {
        match stage {
            Stage::Dispatch => self.dispatch_ms,
            Stage::Handle => self.handle_ms,
            Stage::Check => self.check_ms,
            Stage::Close => self.close_ms,
        }
    }

    /// The whole loop: a case each of whose stages is in time is itself in time.
    pub const fn total_ms(&self) -> i64 {
        self.dispatch_ms
            .saturating_add(self.handle_ms)
            .saturating_add(self.check_ms)
            .saturating_add(self.close_ms)
    }
}

/// Milliseconds of a handling limit as packs write it: `1 urgent_hour`, `4 work_hour`, `5 work_day`,
/// `2 natural_day`; at least 1, at most 9,999.
///
/// All limits run by the wall clock for now: an urgent or work hour is 60 minutes and a work or
/// natural day 24 hours, nights and holidays included. Working-time calendars come later; then
/// `work_hour` and `work_day` will pause outside working time.
pub fn parse_limit_ms(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let (amount, unit) = (words.next()?, words.next()?);
    if words.next().is_some() || amount.len() > 4 || !amount.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: i64 = amount.parse().ok().filter(|&n| n > 0)?;
    let unit_ms = match unit {
        "urgent_hour" | "work_hour" => HOUR_MS,
        "work_day" | "natural_day" => DAY_MS,
        _ => return None,
    };
    Some(amount * unit_ms)
}

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

/// Where a case came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseSource {
    /// A warning, confirmed by a person or filed by rule.
    Warning,
    /// A duty officer or grid worker.
    DutyOfficer,
    /// A file of another system's cases.
    Import,
    /// A citizen.
    Public,
}

impl CaseSource {
    /// Its word: `duty_officer`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::DutyOfficer => "duty_officer",
            Self::Import => "import",
            Self::Public => "public",
        }
    }
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
    /// What it was filed with; never changes.
    pub filing: Filing,
    /// Who filed it.
    pub filed_by: String,
    /// When it was filed.
    pub filed_at: Timestamp,
    /// When the whole loop must be closed; `None` only for imports whose source states none.
    pub due_at: Option<Timestamp>,
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
    /// The running clock; `None` once closed.
    pub clock: Option<StageClock>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Of a closed case with a limit: closed no later than [`Self::due_at`].
    pub on_time: Option<bool>,
    /// How often agencies gave it back.
    pub returns: u32,
    /// How often it failed the check.
    pub reworks: u32,
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
    fn limits_run_by_the_wall_clock() {
        assert_eq!(parse_limit_ms("1 urgent_hour"), Some(HOUR_MS));
        assert_eq!(parse_limit_ms("4 work_hour"), Some(4 * HOUR_MS));
        assert_eq!(parse_limit_ms(" 5  work_day "), Some(5 * DAY_MS));
        assert_eq!(parse_limit_ms("2 natural_day"), Some(2 * DAY_MS));
        for bad in [
            "",
            "1",
            "hour",
            "0 work_day",
            "-1 work_day",
            "1 hour",
            "1 work_day x",
            "12345 work_day",
        ] {
            assert_eq!(parse_limit_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_light_turns_yellow_at_four_fifths_and_red_after_the_limit() {
        let clock = StageClock {
            stage: Stage::Handle,
            started_at: Timestamp(1_000),
            due_at: Timestamp(2_000),
        };
        let at = |ms| clock.light(Timestamp(ms));
        assert_eq!([at(0), at(1_000), at(1_799)], [Light::Green; 3]);
        assert_eq!([at(1_800), at(2_000)], [Light::Yellow; 2]);
        assert_eq!(at(2_001), Light::Red);
        assert!((clock.used_share(Timestamp(1_420)) - 0.42).abs() < 1e-12);
    }

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
        for state in CaseState::ALL {
            assert_eq!(CaseState::from_word(state.word()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
        for kind in CommandKind::ALL {
            assert_eq!(CommandKind::from_word(kind.word()), Some(kind));
        }
        for step in CaseStep::ALL {
            assert_eq!(serde_json::to_value(step).unwrap(), step.word());
        }
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.word());
        }
    }
}
