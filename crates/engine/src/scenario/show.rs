//! How things that happened are written in a scenario.

use chengmai_model::case::{Case, CaseEvent, CaseStep};
use chengmai_model::time::format_duration;
use chengmai_model::warning::{Held, WarningId};
use chengmai_model::{AreaId, AreaTree, Severity};

/// `raised red area=G3 rule=gas/pressure_drop value=0.9`.
pub(super) fn raised(
    areas: &AreaTree,
    severity: Severity,
    area: AreaId,
    rule: &str,
    value: &str,
) -> String {
    let code = &areas.get(area).row.code;
    format!("raised {} area={code} rule={rule} value={value}", severity.color())
}

/// What a case's event says: `filed type=... row=0 ...`, `dispatched agency=...`, `closed on_time`.
pub(super) fn case_event(event: &CaseEvent, after: &Case) -> String {
    let agency = after.agency.as_deref().unwrap_or("none");
    let level = after.level.word();
    let details = match event.step {
        CaseStep::Filed => {
            let type_id = &after.filing.type_id;
            let row = after.filing.row.as_ref().map_or(0, |row| row.index);
            let due = after.due_at.map_or(0, |due| due.since(after.filed_at));
            let due = format_duration(due);
            format!(" type={type_id} row={row} level={level} agency={agency} due={due}")
        }
        CaseStep::Reported => {
            let type_id = &after.filing.type_id;
            format!(" type={type_id} level={level} agency={agency}")
        }
        CaseStep::Dispatched | CaseStep::Arbitrated => format!(" agency={agency}"),
        CaseStep::Granted | CaseStep::Resumed | CaseStep::PlanFired | CaseStep::StoodDown => {
            let due = after.due_at.map_or(0, |due| due.since(after.filed_at));
            format!(
                " {} level={level} agency={agency} due={}",
                after.state.word(),
                format_duration(due)
            )
        }
        CaseStep::Unmerged | CaseStep::Reopened => format!(" {}", after.state.word()),
        CaseStep::HandedUp | CaseStep::HandedDown | CaseStep::HandedSideways => {
            format!(" level={level} centre={}", after.holder.area.code())
        }
        CaseStep::Closed | CaseStep::ForceClosed => match after.on_time {
            Some(true) => " on_time".to_owned(),
            Some(false) => " late".to_owned(),
            None => String::new(),
        },
        _ => String::new(),
    };
    let overdue = if event.overdue == Some(true) { " stage_overdue" } else { "" };
    format!("{}{details}{overdue}", event.step.word())
}

/// A number with at most `decimals` digits after the point, without zeros at the end.
pub(super) fn number(value: f64, decimals: u8) -> String {
    let text = format!("{value:.*}", usize::from(decimals));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Why a warning is not shown: ` under=W3`.
pub(super) fn why(held: Option<Held>, number_of: impl Fn(WarningId) -> String) -> String {
    held.map_or_else(String::new, |held| match held {
        Held::Parent(id) => format!(" under={}", number_of(id)),
        Held::Group(id) => format!(" group={}", number_of(id)),
        Held::Shelf(id) => format!(" shelf={id}"),
    })
}
