//! Appeals 申诉 against a breach on record: two reviews by two people. The breach itself stays.

use chengmai_model::calendar::{Limit, LimitUnit};
use chengmai_model::case::{Appeal, CommandKind, Stage, Verdict};

use super::super::decide::{After, Step};
use super::super::{Actor, Case, Refusal, centre, error, who};

/// How long each review of an appeal may take. Our default.
const APPEAL_LIMIT: Limit = Limit { amount: 3, unit: LimitUnit::WorkDay };

/// The breach that an agency may appeal against: the last one of the stage, or the last of all.
pub(super) fn breach(case: &Case, actor: &Actor, stage: Option<Stage>) -> Option<Stage> {
    let appealed = |stage: Stage| case.circumstances.appeals.iter().any(|a| a.stage == stage);
    case.clocks
        .iter()
        .rev()
        .filter(|row| row.overdue && row.agency.is_some() && row.agency == actor.agency)
        .map(|row| row.stage)
        .find(|&breached| stage.is_none_or(|s| s == breached) && !appealed(breached))
}

pub(super) fn appeal(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let stage = breach(step.case, step.actor, step.command.stage).ok_or_else(|| {
        Refusal::new(
            &error::NOTHING_TO_APPEAL,
            "没有可申诉的超期记录，或已申诉过",
            "there is no breach on record to appeal against, or it was appealed against before",
        )
    })?;
    let calendar = &step.rules.calendar;
    after.circumstances.appeals.push(Appeal {
        stage,
        by: step.actor.name.clone(),
        at: step.at,
        reason: step.command.reason.clone().unwrap_or_default(),
        due_at: calendar.due(step.at, APPEAL_LIMIT, calendar.default_hours()),
        first: None,
        second: None,
    });
    Ok(())
}

/// The first review is the owning centre's, the second that of a centre above, by another person.
pub(super) fn may_review(case: &Case, appeal: &Appeal, actor: &Actor) -> Result<(), Refusal> {
    let owner = centre(case.level, &case.area);
    let turn = match (&appeal.first, appeal.is_open()) {
        (_, false) => return Err(Refusal::plain(&error::NOTHING_TO_APPEAL)),
        (None, true) => actor.area == owner,
        (Some(_), true) => who::is_above(&actor.area, &owner),
    };
    if !turn {
        return Err(Refusal::new(
            &error::NOT_HOLDER,
            "初审由本级中心、复审由上级中心办理",
            "the first review is the owning centre's, the second that of a centre above",
        ));
    }
    if appeal.by == actor.name || appeal.first.as_ref().is_some_and(|v| v.by == actor.name) {
        return Err(Refusal::new(
            &error::SAME_PERSON,
            "复审须由另一人办理",
            "the second review is another person's",
        ));
    }
    Ok(())
}

pub(super) fn review(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let appeals = &mut after.circumstances.appeals;
    let Some(appeal) = appeals.iter_mut().rev().find(|appeal| appeal.is_open()) else {
        return Err(Refusal::plain(&error::NOTHING_TO_APPEAL));
    };
    may_review(step.case, appeal, step.actor)?;
    let verdict = Verdict {
        upheld: step.command.kind == CommandKind::UpholdAppeal,
        by: step.actor.name.clone(),
        at: step.at,
    };
    if appeal.first.is_none() {
        let calendar = &step.rules.calendar;
        appeal.due_at = calendar.due(step.at, APPEAL_LIMIT, calendar.default_hours());
        appeal.first = Some(verdict);
    } else {
        appeal.second = Some(verdict);
    }
    Ok(())
}
