//! Cases 案件 decided: which step is allowed when, to whom, and what follows. `report`, `file`, `decide`
//! and `imported` turn a wish into events or a numbered refusal; `apply` and `replay` add events up.
//!
//! Pure: time, people, calendars and areas are arguments. Not here: storing events (`store`), whether
//! an agency or an area exists (`server`).
//!
//! Invariants: what is allowed stands in one table (`standard.toml`, or a pack's own) that `decide` and
//! `allowed` both read; every case has a holder; every case that has not come to its end has a clock;
//! `due_at` moves only by what was granted on record, so neither handing over nor rework nor a dispute
//! can win time; a breach once on record is never taken off it.

use chengmai_model::case::{
    Case, CaseEvent, CaseId, CaseSource, CaseState, CaseStep, Circumstances, CitedRow, Command,
    CommandKind, Filing, Holder, Level, Refusal, Stage, StageClock, StageLimits,
};
use chengmai_model::error;
use chengmai_model::warning::WarningId;
use chengmai_model::{Actor, AreaPath, Role, Severity, Text, Timestamp};

mod decide;
mod effect;
mod import;
mod late;
mod open;
mod place;
mod procedure;
mod recode;
mod responsible;
mod rules;
mod who;

pub use decide::{allowed, decide};
pub use import::imported;
pub use late::{escalated_to, next_look};
pub use open::{FilingRequest, ReportRequest, UNSORTED, file, report};
pub use procedure::Table;
pub use recode::recode;
pub use responsible::Responsible;
pub use rules::{AgencyRule, CaseRules};

/// Longest note, reason or description, in characters.
pub const WORDS_LEN_MAX: usize = 2_000;

/// The area of the centre that owns a case: of the nearest level that the area has.
fn centre(level: Level, area: &AreaPath) -> AreaPath {
    level.fitting(area).centre_of(area).expect("a fitting level has a centre")
}

/// A refusal of what was said along with a step.
fn bad(zh: &str, en: &str) -> Refusal {
    Refusal::new(&error::BAD_BODY, zh, en)
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
    case.clock.clone_from(&event.clock);
    case.due_at = event.due_at;
    if let Some(filing) = &event.filing {
        case.filing = (**filing).clone();
        case.filed_by.clone_from(&event.actor);
        case.filed_at = event.at;
        case.first_due_at = event.due_at;
    }
    if let Some(ended) = &event.ended {
        case.clocks.push((**ended).clone());
    }
    if let Some(circumstances) = &event.circumstances {
        case.circumstances = (**circumstances).clone();
    }
    count(case, event);
    if event.to.is_end() {
        if case.closed_at.is_some() {
            // What is said of a case that has ended does not end it again.
            return;
        }
        let handled = !matches!(event.to, CaseState::NotAccepted | CaseState::Cancelled);
        case.closed_at = Some(event.at);
        case.on_time = case.due_at.filter(|_| handled).map(|due| event.at <= due);
    } else {
        case.closed_at = None;
        case.on_time = None;
    }
}

fn count(case: &mut Case, event: &CaseEvent) {
    match event.step {
        CaseStep::Returned => case.returns += 1,
        CaseStep::CheckFailed => case.reworks += 1,
        CaseStep::Reopened => {
            case.reworks += 1;
            case.reopens += 1;
        }
        CaseStep::Urged => case.urges += 1,
        CaseStep::Supervised => case.supervisions += 1,
        CaseStep::Joined => case.joined += 1,
        CaseStep::Granted if event.to != CaseState::Suspended => case.delays += 1,
        CaseStep::AppealUpheld => excuse(case),
        _ => {}
    }
}

/// Marks the breach that two reviews upheld an appeal against. The breach itself stays on record.
fn excuse(case: &mut Case) {
    let Some(appeal) = case.circumstances.appeals.iter().rev().find(|a| a.is_upheld()) else {
        return;
    };
    let stage = appeal.stage;
    let row = case.clocks.iter_mut().rev().find(|row| row.stage == stage && row.overdue);
    if let Some(row) = row {
        row.excused = true;
    }
}

/// The case that a history adds up to; `None` when the history does not begin with a report or a filing,
/// or has a gap.
pub fn replay(id: CaseId, events: &[CaseEvent]) -> Option<Case> {
    let (first, rest) = events.split_first()?;
    let mut case = open::opened(id, first).filter(|_| first.seq == 1)?;
    for event in rest {
        if event.seq != case.seq + 1 {
            return None;
        }
        apply(&mut case, event);
    }
    Some(case)
}

#[cfg(test)]
mod tests;
