//! Several agencies at one case: tasks admitted outside a list of duties, parts with clocks of their own,
//! and the word of the centre above when it is disputed whose task it is.

use chengmai_model::case::{
    Admission, CommandKind, Part, PartState, Ruling, Stage, StageClock, Wish,
};

use super::super::decide::{After, Step, not_now};
use super::super::{Refusal, bad, error};
use super::{nothing_asked, within_duties};

fn named_agency(step: &Step<'_>) -> Result<String, Refusal> {
    step.command.agency.clone().ok_or_else(|| Refusal::plain(&error::NO_AGENCY))
}

pub(super) fn admit(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    after.circumstances.admissions.push(Admission {
        agency: named_agency(step)?,
        by: step.actor.name.clone(),
        at: step.at,
        reason: step.command.reason.clone().unwrap_or_default(),
    });
    Ok(())
}

pub(super) fn involve(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let agency = named_agency(step)?;
    let parts = &mut after.circumstances.parts;
    if step.case.agency.as_ref() == Some(&agency) || parts.iter().any(|p| p.agency == agency) {
        return Err(bad("该单位已在办理", "that agency already has its part"));
    }
    within_duties(step, &agency)?;
    let limit = step.command.limit.unwrap_or_else(|| step.case.filing.limits.of(Stage::Handle));
    let hours = step.rules.hours(Some(&agency));
    let clock = StageClock::begin(Stage::Handle, limit, step.at, &step.rules.calendar, hours);
    let task = step.command.note.clone().or_else(|| step.command.reason.clone());
    parts.push(Part {
        agency,
        task: task.unwrap_or_default(),
        clock,
        state: PartState::Waiting,
        ended_at: None,
        used_ms: None,
    });
    Ok(())
}

pub(super) fn part(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let mine = |part: &&mut Part| step.actor.agency.as_deref() == Some(part.agency.as_str());
    let Some(part) = after.circumstances.parts.iter_mut().find(mine) else {
        return Err(Refusal::plain(&error::NOT_HOLDER));
    };
    let ended = matches!(part.state, PartState::Done | PartState::Refused);
    if ended || (step.command.kind == CommandKind::StartPart && part.state != PartState::Waiting) {
        return Err(not_now(step.case, step.command.kind));
    }
    part.state = match step.command.kind {
        CommandKind::StartPart => PartState::Working,
        CommandKind::FinishPart => PartState::Done,
        _ => PartState::Refused,
    };
    if part.state != PartState::Working {
        let hours = step.rules.hours(Some(&part.agency));
        part.ended_at = Some(step.at);
        part.used_ms = Some(part.clock.used_ms(step.at, &step.rules.calendar, hours));
    }
    Ok(())
}

pub(super) fn drop_part(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let agency = named_agency(step)?;
    let parts = &mut after.circumstances.parts;
    let count = parts.len();
    parts.retain(|part| part.agency != agency);
    if parts.len() == count {
        return Err(bad("该单位没有协同任务", "that agency has no part"));
    }
    Ok(())
}

pub(super) fn arbitrate(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let disputed = step.case.circumstances.petition.as_ref();
    if !disputed.is_some_and(|p| matches!(p.wish, Wish::Dispute { .. })) {
        return Err(nothing_asked());
    }
    let agency = named_agency(step)?;
    after.circumstances.petition = None;
    if step.case.agency.as_ref() == Some(&agency) {
        // It was theirs all along: disputing won no time.
        after.clock_set = true;
        after.state = step.case.state;
    }
    after.circumstances.ruling = Some(Ruling { agency, by: step.actor.name.clone(), at: step.at });
    Ok(())
}
