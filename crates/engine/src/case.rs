//! Cases 案件 decided: which step is allowed when, to whom, and what follows. `file`, `decide` and
//! `imported` turn a wish into events or a numbered refusal; `apply` and `replay` add events up.
//!
//! Pure: time, people and areas are arguments. Not here: storing events (`store`), whether an agency
//! or an area exists (`server`).
//!
//! Invariants: what is allowed stands in one table ([`table`]) that `decide` and `allowed` both read;
//! every case has a holder; every case that is not closed has a clock; `due_at` of a case never moves,
//! so neither handing over nor rework can win time.

use chengmai_model::case::{
    Case, CaseEvent, CaseId, CaseSource, CaseState, CaseStep, CitedRow, Command, CommandKind,
    Filing, Holder, Level, Refusal, Stage, StageClock, StageLimits, parse_limit_ms,
};
use chengmai_model::error;
use chengmai_model::pack::CaseType;
use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_model::warning::WarningId;
use chengmai_model::{Actor, AreaPath, Role, Severity, Text, Timestamp};

mod decide;
mod import;
mod table;

pub use decide::{allowed, decide};
pub use import::imported;

/// Time to dispatch a filed or returned case. Our default, no standard behind it.
pub const DISPATCH_LIMIT_MS: i64 = 30 * MINUTE_MS;
/// Time to check a handled case. Our default.
pub const CHECK_LIMIT_MS: i64 = 2 * HOUR_MS;
/// Time to close a checked case. Our default.
pub const CLOSE_LIMIT_MS: i64 = HOUR_MS;
/// Time to handle an imported open case whose source states no deadline. Our default.
pub const IMPORT_HANDLE_LIMIT_MS: i64 = 15 * DAY_MS;
/// Longest note, reason or description, in characters.
pub const WORDS_LEN_MAX: usize = 2_000;

/// The limits of a case that cites a row with this handling limit; `None` when the text is no limit.
pub fn limits_for(handle: &str) -> Option<StageLimits> {
    Some(limits_of_ms(parse_limit_ms(handle)?))
}

const fn limits_of_ms(handle_ms: i64) -> StageLimits {
    StageLimits {
        dispatch_ms: DISPATCH_LIMIT_MS,
        handle_ms,
        check_ms: CHECK_LIMIT_MS,
        close_ms: CLOSE_LIMIT_MS,
    }
}

/// What is needed to file a case 立案.
#[derive(Debug, Clone)]
pub struct FilingRequest<'a> {
    /// Its type, from a pack.
    pub case_type: &'a CaseType,
    /// The row of the standard that is cited, from 0.
    pub row: usize,
    /// Where: the smallest area known.
    pub area: AreaPath,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// Centre that shall own it; the type's own level if absent. Lifted when the area is larger.
    pub level: Option<Level>,
    /// The type's own severity if absent.
    pub severity: Option<Severity>,
    /// A line for lists; the type's name if absent.
    pub title: Option<Text>,
    /// What is known.
    pub description: String,
    /// The agency proposed for it.
    pub agency: Option<String>,
    /// The warning it comes from.
    pub warning: Option<WarningId>,
    /// Where it comes from.
    pub source: CaseSource,
    /// True when anything behind it is simulated.
    pub simulated: bool,
}

/// Files a case: one event, with the dispatch clock running at the owning centre.
///
/// # Errors
/// `NOT_FOUND` outside the actor's areas, `FORBIDDEN` for roles that do not file, `NO_STANDARD_ROW`
/// when the row does not exist or its limit cannot be read, `BAD_BODY` for over-long words.
pub fn file(
    request: &FilingRequest<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<CaseEvent>, Refusal> {
    if !actor.area.contains(&request.area) {
        return Err(Refusal::plain(&error::NOT_FOUND));
    }
    if !actor.acts_as(Role::DutyOfficer) && !actor.acts_as(Role::GridWorker) {
        return Err(Refusal::new(
            &error::FORBIDDEN,
            "只有值班员和网格员可以立案",
            "only duty officers and grid workers file cases",
        ));
    }
    decide::check_words(&request.description)?;
    let case_type = request.case_type;
    let missing = || {
        Refusal::new(
            &error::NO_STANDARD_ROW,
            format!("案件类型 {} 没有可用的第 {} 行", case_type.id, request.row),
            format!("case type {} has no usable row {}", case_type.id, request.row),
        )
    };
    let row = case_type.limits.get(request.row).ok_or_else(missing)?;
    let filing = Filing {
        type_id: case_type.id.clone(),
        type_name: case_type.name.clone(),
        class: case_type.class.clone(),
        severity: request.severity.unwrap_or(case_type.severity),
        title: request.title.clone().unwrap_or_else(|| case_type.name.clone()),
        description: request.description.clone(),
        row: Some(CitedRow { index: request.row, row: row.clone() }),
        limits: limits_for(&row.handle).ok_or_else(missing)?,
        level: request
            .level
            .unwrap_or_else(|| Level::of_tier(case_type.level))
            .fitting(&request.area),
        area: request.area.clone(),
        position: request.position,
        agency: request.agency.clone(),
        warning: request.warning,
        source: request.source,
        external: None,
        simulated: request.simulated,
    };
    let due_at = now.plus_ms(filing.limits.total_ms());
    Ok(vec![filed(filing, actor, now, Some(due_at))])
}

/// The first event of a case.
fn filed(filing: Filing, actor: &Actor, at: Timestamp, due_at: Option<Timestamp>) -> CaseEvent {
    CaseEvent {
        seq: 1,
        at,
        step: CaseStep::Filed,
        actor: actor.name.clone(),
        actor_agency: actor.agency.clone(),
        from: None,
        to: CaseState::Filed,
        note: None,
        agency: filing.agency.clone(),
        level: filing.level,
        area: filing.area.clone(),
        holder: Holder {
            role: Role::DutyOfficer,
            agency: None,
            area: centre(filing.level, &filing.area),
        },
        clock: Some(clock(Stage::Dispatch, &filing.limits, at)),
        due_at,
        used_ms: None,
        overdue: None,
        filing: Some(Box::new(filing)),
    }
}

fn clock(stage: Stage, limits: &StageLimits, at: Timestamp) -> StageClock {
    StageClock { stage, started_at: at, due_at: at.plus_ms(limits.of(stage)) }
}

/// The area of the centre that owns a case: of the nearest level that the area has.
fn centre(level: Level, area: &AreaPath) -> AreaPath {
    level.fitting(area).centre_of(area).expect("a fitting level has a centre")
}

/// Adds one event to a case.
///
/// # Panics
/// When the event is not the next one: the store keeps them without gaps.
pub fn apply(case: &mut Case, event: &CaseEvent) {
    assert_eq!(event.seq, case.seq + 1, "events of a case follow each other without gaps");
    case.seq = event.seq;
    case.changed_at = event.at;
    case.state = event.to;
    case.level = event.level;
    case.area = event.area.clone();
    case.agency.clone_from(&event.agency);
    case.holder = event.holder.clone();
    case.clock = event.clock;
    case.returns += u32::from(event.step == CaseStep::Returned);
    case.reworks += u32::from(event.step == CaseStep::CheckFailed);
    if event.to == CaseState::Closed {
        case.closed_at = Some(event.at);
        case.on_time = case.due_at.map(|due| event.at <= due);
    }
}

/// The case that a history adds up to; `None` when the history does not begin with a filing or has a
/// gap.
pub fn replay(id: CaseId, events: &[CaseEvent]) -> Option<Case> {
    let (first, rest) = events.split_first()?;
    let mut case = Case {
        id,
        filing: first.filing.as_deref()?.clone(),
        filed_by: first.actor.clone(),
        filed_at: first.at,
        due_at: first.due_at,
        state: first.to,
        level: first.level,
        area: first.area.clone(),
        agency: first.agency.clone(),
        holder: first.holder.clone(),
        clock: first.clock,
        closed_at: None,
        on_time: None,
        returns: 0,
        reworks: 0,
        seq: first.seq,
        changed_at: first.at,
    };
    for event in rest {
        if event.seq != case.seq + 1 {
            return None;
        }
        apply(&mut case, event);
    }
    (first.seq == 1).then_some(case)
}

#[cfg(test)]
mod tests;
