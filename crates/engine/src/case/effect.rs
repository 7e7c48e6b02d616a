//! What a step changes besides state, holder and clock by the table: the rarer facts, extensions,
//! plans. One function for each group of commands; each refuses what does not fit.

use chengmai_model::calendar::Limit;
use chengmai_model::case::{
    Aside, CaseState, CommandKind, Part, PartState, Petition, Satisfaction, Stage, StageClock, Wish,
};
use chengmai_model::time::DAY_MS;

use super::decide::{After, Step, not_now};
use super::{Actor, Case, Command, Refusal, bad, centre, error, open, who};

/// How long after its end a case may be reopened. Our default.
pub(super) const REOPEN_WITHIN_MS: i64 = 30 * DAY_MS;

mod agencies;
mod appeals;
mod emergency;

use agencies::{admit, arbitrate, drop_part, involve, part};
use appeals::{appeal, breach, may_review, review};
use emergency::{fire_plan, grade, report_up, stand_down};

/// Changes what this step changes.
pub(super) fn apply_to(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    use CommandKind as Ask;
    match step.command.kind {
        Ask::VerifyPass => after.circumstances.verified = Some(true),
        Ask::VerifyFail => after.circumstances.verified = Some(false),
        Ask::File => open::filing(step, after)?,
        Ask::Dispatch | Ask::HandSideways => dispatch(step, after)?,
        Ask::Finish => parts_are_done(step.case)?,
        Ask::Return => give_back(step, after)?,
        Ask::TakeCheck => after.circumstances.checker = Some(step.actor.name.clone()),
        Ask::CheckPass | Ask::CheckFail => checked(step, after)?,
        Ask::Refuse | Ask::Cancel => end_without_verdict(after),
        Ask::ForceClose | Ask::HandUp | Ask::HandDown => after.circumstances.petition = None,
        Ask::AskDelay | Ask::AskSuspend | Ask::Dispute => ask(step, after)?,
        Ask::Grant => grant(step, after)?,
        Ask::Deny => deny(step, after)?,
        Ask::Resume | Ask::Unmerge => back(step, after)?,
        Ask::Admit => admit(step, after)?,
        Ask::Involve => involve(step, after)?,
        Ask::StartPart | Ask::FinishPart | Ask::RefusePart => part(step, after)?,
        Ask::DropPart => drop_part(step, after)?,
        Ask::Arbitrate => arbitrate(step, after)?,
        Ask::Appeal => appeal(step, after)?,
        Ask::UpholdAppeal | Ask::RejectAppeal => review(step, after)?,
        Ask::Grade => grade(step, after)?,
        Ask::ReportUp => report_up(step, after)?,
        Ask::FirePlan => fire_plan(step, after)?,
        Ask::StandDown => stand_down(step, after)?,
        Ask::Merge => merge(step, after)?,
        Ask::Rate => rate(step, after)?,
        Ask::Reopen => reopen(step, after)?,
        Ask::Accept
        | Ask::Start
        | Ask::Close
        | Ask::Supervise
        | Ask::Urge
        | Ask::Join
        | Ask::Remark => {}
    }
    Ok(())
}

/// Whether a step that the table allows has anything to act on: so that nothing is offered that would
/// be refused at once.
pub(super) fn is_open(case: &Case, actor: &Actor, ask: CommandKind) -> bool {
    use CommandKind as Ask;
    let circumstances = &case.circumstances;
    let pending = circumstances.petition.as_ref();
    let own_part = |wanted: &[PartState]| {
        let mine = |part: &&Part| actor.agency.as_deref() == Some(part.agency.as_str());
        circumstances.parts.iter().filter(mine).any(|part| wanted.contains(&part.state))
    };
    match ask {
        Ask::File => case.state != CaseState::Reported || !case.filing.source.is_public(),
        Ask::Grant => pending.is_some_and(|p| !matches!(p.wish, Wish::Dispute { .. })),
        Ask::Deny => pending.is_some(),
        Ask::AskDelay | Ask::AskSuspend => pending.is_none(),
        Ask::Dispute => pending.is_none() && circumstances.ruling.is_none(),
        Ask::Arbitrate => pending.is_some_and(|p| matches!(p.wish, Wish::Dispute { .. })),
        Ask::Finish => parts_are_done(case).is_ok(),
        Ask::StartPart => own_part(&[PartState::Waiting]),
        Ask::FinishPart | Ask::RefusePart => own_part(&[PartState::Working, PartState::Waiting]),
        Ask::DropPart => !circumstances.parts.is_empty(),
        Ask::Appeal => breach(case, actor, None).is_some(),
        Ask::UpholdAppeal | Ask::RejectAppeal => {
            circumstances.appeals.iter().any(|appeal| may_review(case, appeal, actor).is_ok())
        }
        Ask::ReportUp => circumstances.reports.iter().any(|report| report.done_at.is_none()),
        Ask::FirePlan => circumstances.plan.is_none(),
        Ask::StandDown => circumstances.plan.is_some(),
        Ask::CheckPass | Ask::CheckFail => {
            circumstances.checker.as_ref().is_none_or(|checker| *checker == actor.name)
        }
        _ => true,
    }
}

fn dispatch(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    after.circumstances.petition = None;
    let Some(agency) = after.agency.clone().filter(|_| after.state == CaseState::Dispatched) else {
        return Ok(());
    };
    if let Some(ruling) = step.case.circumstances.ruling.as_ref().filter(|r| r.agency != agency) {
        return Err(Refusal::new(
            &error::RULING_FINAL,
            format!("上级已裁定由 {} 办理", ruling.agency),
            format!("the centre above ruled that {} does it", ruling.agency),
        ));
    }
    within_duties(step, &agency)
}

/// An agency gets only what is on its list of duties, or what was admitted on record.
fn within_duties(step: &Step<'_>, agency: &str) -> Result<(), Refusal> {
    let admitted = step.case.circumstances.admissions.iter().any(|a| a.agency == agency);
    if admitted || step.rules.covers(agency, &step.case.filing.type_id) {
        return Ok(());
    }
    let type_name = &step.case.filing.type_name;
    Err(Refusal::new(
        &error::OUTSIDE_DUTIES,
        format!("“{}”不在 {agency} 的权责清单内；先准入并写明原因", type_name.zh),
        format!(
            "`{}` is not on the list of duties of {agency}; admit it first, with a reason",
            type_name.en
        ),
    ))
}

fn parts_are_done(case: &Case) -> Result<(), Refusal> {
    match case.circumstances.parts.iter().find(|part| part.state != PartState::Done) {
        None => Ok(()),
        Some(part) => Err(Refusal::new(
            &error::PARTS_OPEN,
            format!("{} 的协同任务未完成", part.agency),
            format!("the part of {} is not done", part.agency),
        )),
    }
}

fn give_back(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    if let Some(ruling) = &step.case.circumstances.ruling {
        return Err(Refusal::new(
            &error::RULING_FINAL,
            format!("上级中心已裁定由 {} 办理，不能再回退", ruling.agency),
            format!("the centre above ruled that {} does it; it cannot be returned", ruling.agency),
        ));
    }
    after.circumstances.petition = None;
    Ok(())
}

fn checked(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let taken = after.circumstances.checker.take();
    match taken.filter(|checker| *checker != step.actor.name) {
        None => Ok(()),
        Some(checker) => Err(Refusal::new(
            &error::NOT_HOLDER,
            format!("{checker} 已接核查"),
            format!("{checker} has taken the check"),
        )),
    }
}

/// What was never handled is neither in time nor late.
fn end_without_verdict(after: &mut After) {
    after.due_at = None;
    after.circumstances.petition = None;
}

fn ask(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    if after.circumstances.petition.is_some() {
        return Err(Refusal::new(
            &error::PETITION,
            "上一个申请还没有答复",
            "what was asked for before is not answered yet",
        ));
    }
    let wish = match step.command.kind {
        CommandKind::AskDelay => Wish::Delay { more: wanted_limit(step.command)? },
        CommandKind::AskSuspend => Wish::Suspend {
            until: step.command.until.filter(|until| *until > step.at).ok_or_else(|| {
                Refusal::new(
                    &error::LIMIT_REQUIRED,
                    "挂账须写明复核日期",
                    "a suspension needs the day on which it is looked at again",
                )
            })?,
        },
        _ => {
            if after.circumstances.ruling.is_some() {
                return Err(Refusal::plain(&error::RULING_FINAL));
            }
            Wish::Dispute { agency: step.command.agency.clone() }
        }
    };
    after.circumstances.petition = Some(Petition {
        wish,
        by: step.actor.name.clone(),
        at: step.at,
        reason: step.command.reason.clone().unwrap_or_default(),
    });
    Ok(())
}

fn wanted_limit(command: &Command) -> Result<Limit, Refusal> {
    command.limit.filter(|limit| limit.amount > 0).ok_or_else(|| {
        Refusal::new(
            &error::LIMIT_REQUIRED,
            "须写明时间，如 2 个工作日",
            "say how long, such as `2 work_day`",
        )
    })
}

fn grant(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let petition = after.circumstances.petition.take();
    let wish = petition.map(|petition| petition.wish);
    let clock = step.case.clock.clone();
    match (wish, clock) {
        (Some(Wish::Delay { more }), Some(clock)) => {
            let hours = step.rules.stage_hours(clock.stage, step.case.agency.as_deref());
            let before = clock.due_at;
            let clock = clock.extend(more, &step.rules.calendar, hours);
            after.move_due(before, clock.due_at);
            after.clock = Some(clock);
            Ok(())
        }
        (Some(Wish::Suspend { until }), Some(clock)) => {
            let aside = Aside { state: step.case.state, clock, since: step.at };
            after.circumstances.aside = Some(aside);
            after.clock = Some(StageClock::until(Stage::Review, step.at, until.max(step.at)));
            after.state = CaseState::Suspended;
            Ok(())
        }
        (Some(Wish::Dispute { .. }), _) => Err(Refusal::new(
            &error::PETITION,
            "权责争议由上级中心裁定",
            "a dispute is decided by the centre above, by arbitration",
        )),
        _ => Err(nothing_asked()),
    }
}

fn nothing_asked() -> Refusal {
    Refusal::new(&error::PETITION, "没有待批的申请", "nothing was asked for")
}

fn deny(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let Some(petition) = after.circumstances.petition.take() else { return Err(nothing_asked()) };
    let owner = centre(step.case.level, &step.case.area);
    if matches!(petition.wish, Wish::Dispute { .. }) && !who::is_above(&step.actor.area, &owner) {
        return Err(Refusal::new(
            &error::NOT_HOLDER,
            "权责争议由上级中心裁定",
            "a dispute is decided by the centre above",
        ));
    }
    Ok(())
}

/// What was put aside goes on.
fn back(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let Some(aside) = after.circumstances.aside.take() else {
        return Err(not_now(step.case, step.command.kind));
    };
    after.clock_set = true;
    after.state = aside.state;
    after.circumstances.parent = None;
    if step.command.kind == CommandKind::Unmerge {
        // Merging won no time, so undoing it gives none back.
        after.clock = Some(aside.clock);
        return Ok(());
    }
    let hours = step.rules.stage_hours(aside.clock.stage, step.case.agency.as_deref());
    let before = aside.clock.due_at;
    let clock = aside.clock.resume(aside.since, step.at, &step.rules.calendar, hours);
    after.move_due(before, clock.due_at);
    after.clock = Some(clock);
    after.ended = step.case.clock.as_ref().map(|clock| step.end(clock));
    Ok(())
}

fn merge(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let other = step.command.other.clone().filter(|other| *other != step.case.id);
    let Some(other) = other else {
        return Err(bad("须写明并入哪个案件", "name the other case"));
    };
    let Some(clock) = step.case.clock.clone() else {
        return Err(not_now(step.case, step.command.kind));
    };
    let due = step.case.due_at.unwrap_or(clock.due_at);
    after.circumstances.petition = None;
    after.circumstances.parent = Some(other);
    after.circumstances.aside = Some(Aside { state: step.case.state, clock, since: step.at });
    after.clock = Some(StageClock::until(Stage::Follow, step.case.filed_at, due));
    Ok(())
}

fn rate(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let stars = step.command.stars.filter(|stars| (1..=5).contains(stars));
    let Some(stars) = stars else {
        return Err(bad("评价为 1 至 5 星", "a rating is 1 to 5 stars"));
    };
    after.circumstances.satisfaction = Some(Satisfaction { stars, at: step.at });
    Ok(())
}

fn reopen(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let ended = step.case.closed_at.unwrap_or(step.case.changed_at);
    if step.at.since(ended) > REOPEN_WITHIN_MS {
        return Err(Refusal::plain(&error::TOO_LATE));
    }
    if after.agency.is_none() {
        return Err(Refusal::plain(&error::NO_AGENCY));
    }
    // The first promise and its breach stay on record; what is promised now runs from now.
    let (calendar, agency) = (&step.rules.calendar, after.agency.as_deref());
    let due =
        [Stage::Handle, Stage::Check, Stage::Close].into_iter().fold(step.at, |from, stage| {
            let hours = step.rules.stage_hours(stage, agency);
            calendar.due(from, step.rules.limit_of(step.case, stage), hours)
        });
    after.due_at = after.due_at.map(|before| before.max(due));
    after.circumstances.satisfaction = None;
    Ok(())
}
