//! Peace and emergency 平急结合: levels by law with the reports they owe, plans fired and stood down.

use chengmai_model::calendar::{Limit, LimitUnit};
use chengmai_model::case::{
    CaseState, CommandKind, EventLevel, FiredPlan, ReportDue, ReportForm, Stage, StageClock,
};

use super::super::decide::{After, Step, not_now};
use super::super::{Command, Level, Refusal, bad, error};

pub(super) fn grade(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let Some(level) = step.command.event_level else {
        return Err(bad("须写明等级 I 至 IV", "say which level, I to IV"));
    };
    after.circumstances.event_level = Some(level);
    let made: Vec<ReportDue> = after
        .circumstances
        .reports
        .iter()
        .filter(|report| report.done_at.is_some())
        .cloned()
        .collect();
    let owed = reports_owed(level, step).into_iter();
    after.circumstances.reports = made
        .iter()
        .cloned()
        .chain(owed.filter(|o| made.iter().all(|m| m.form != o.form)))
        .collect();
    let case_type = step.rules.case_type(&step.case.filing.type_id);
    let plan = case_type.and_then(|t| t.plan.as_deref()).and_then(|id| step.rules.plan(id));
    let fires = plan.filter(|plan| {
        plan.fires_at.is_some_and(|from| level <= from) && step.case.circumstances.plan.is_none()
    });
    let may_fire = matches!(
        step.case.state,
        CaseState::Filed
            | CaseState::Dispatched
            | CaseState::Handling
            | CaseState::Returned
            | CaseState::Rework
    );
    after.follow = fires.filter(|_| may_fire).map(|plan| Command {
        plan: Some(plan.id.clone()),
        reason: step.command.reason.clone(),
        ..Command::new(CommandKind::FirePlan)
    });
    Ok(())
}

/// Reports owed to the centre above, by level. Our defaults after common practice: Ⅰ and Ⅱ within 15
/// minutes by telephone and 30 in writing, Ⅲ within an hour, Ⅳ within the day.
fn reports_owed(level: EventLevel, step: &Step<'_>) -> Vec<ReportDue> {
    let calendar = &step.rules.calendar;
    let due = |form, amount, unit| ReportDue {
        form,
        due_at: calendar.due(step.at, Limit { amount, unit }, calendar.default_hours()),
        done_at: None,
    };
    match level {
        EventLevel::One | EventLevel::Two => vec![
            due(ReportForm::Phone, 15, LimitUnit::UrgentMinute),
            due(ReportForm::Written, 30, LimitUnit::UrgentMinute),
        ],
        EventLevel::Three => vec![due(ReportForm::Written, 1, LimitUnit::UrgentHour)],
        EventLevel::Four => vec![ReportDue {
            form: ReportForm::Written,
            due_at: calendar.end_of_day(step.at),
            done_at: None,
        }],
    }
}

pub(super) fn report_up(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let wanted = step.command.form;
    let owed =
        after.circumstances.reports.iter_mut().find(|report| {
            report.done_at.is_none() && wanted.is_none_or(|form| form == report.form)
        });
    let Some(report) = owed else { return Err(not_now(step.case, step.command.kind)) };
    report.done_at = Some(step.at);
    Ok(())
}

pub(super) fn fire_plan(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let case_type = step.rules.case_type(&step.case.filing.type_id);
    let id = step.command.plan.as_deref().or_else(|| case_type.and_then(|t| t.plan.as_deref()));
    let plan =
        id.and_then(|id| step.rules.plan(id)).ok_or_else(|| Refusal::plain(&error::NO_PLAN))?;
    if after.circumstances.plan.is_some() {
        return Err(Refusal::new(&error::NO_PLAN, "已有预案在执行", "a plan is already in force"));
    }
    let handle = Limit::parse(&plan.handle).ok_or_else(|| Refusal::plain(&error::NO_PLAN))?;
    let running = step.case.clock.clone().filter(|clock| clock.stage == Stage::Handle);
    after.circumstances.plan = Some(FiredPlan {
        id: plan.id.clone(),
        by: step.actor.name.clone(),
        at: step.at,
        level: step.case.level,
        agency: step.case.agency.clone(),
        handle,
        clock: running.clone(),
        due_at: step.case.due_at,
    });
    after.level = Level::of_tier(plan.level).min(step.case.level).fitting(&after.area);
    if let Some(lead) = &plan.lead
        && let Some(agency) = step.rules.agency_of(lead, &after.area)
    {
        after.agency = Some(agency.to_owned());
    }
    if let Some(clock) = running {
        let hours = step.rules.stage_hours(Stage::Handle, after.agency.as_deref());
        let urgent = StageClock::begin(Stage::Handle, handle, step.at, &step.rules.calendar, hours);
        if urgent.due_at < clock.due_at {
            // The whole case is as much shorter, but nobody is late by the plan alone.
            let shorter = urgent.due_at.since(clock.due_at);
            after.due_at = after.due_at.map(|due| due.plus_ms(shorter).max(due.min(urgent.due_at)));
            after.clock = Some(StageClock { started_at: clock.started_at, ..urgent });
        }
    }
    Ok(())
}

pub(super) fn stand_down(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let Some(plan) = after.circumstances.plan.take() else {
        return Err(Refusal::new(&error::NO_PLAN, "没有执行中的预案", "no plan is in force"));
    };
    after.level = plan.level.fitting(&after.area);
    // Whoever has begun under the plan goes on; the agency before it comes back only before that,
    // and an agency that was sent while there was none to come back to stays.
    match step.case.state {
        CaseState::Filed | CaseState::Returned => after.agency = plan.agency,
        CaseState::Dispatched => after.agency = plan.agency.or(after.agency.take()),
        _ => {}
    }
    if step.case.clock.as_ref().is_some_and(|clock| clock.stage == Stage::Handle)
        && let Some(clock) = plan.clock
    {
        after.clock = Some(clock);
    }
    after.due_at = plan.due_at;
    Ok(())
}
