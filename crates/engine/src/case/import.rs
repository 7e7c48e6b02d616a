//! Another system's case as events of ours, with its own times.

use std::collections::BTreeMap;

use chengmai_model::calendar::{Limit, LimitUnit};
use chengmai_model::case::{ImportedCase, limit_of_ms};
use chengmai_model::time::{DAY_MS, MINUTE_MS};

use super::open::first;
use super::{
    Actor, AreaPath, CaseEvent, CaseSource, CaseState, CaseStep, Filing, Holder, Level, Role,
    Severity, Stage, StageClock, StageLimits, Text, Timestamp, centre,
};

/// Time to handle an imported open case whose source states no deadline. Our default.
const HANDLE_LIMIT: Limit = Limit { amount: 15, unit: LimitUnit::NaturalDay };
const HANDLE_LIMIT_MS: i64 = 15 * DAY_MS;

/// The events of an imported case that lies in `area`, imported by `actor` at `now`.
///
/// A closed one is filed and closed at the times its source states; nothing is known of the steps
/// between, so no stage times are put on record. An open one is filed and lies with its agency since
/// it was opened; its handling clock ends at the source's deadline or, when there is none, runs
/// 15 days from `now`. The whole limit is the source's deadline and nothing else:
/// a case without one is never called late.
pub fn imported(
    case: &ImportedCase,
    area: &AreaPath,
    actor: &Actor,
    now: Timestamp,
) -> Vec<CaseEvent> {
    let stated_ms = case.due_at.map(|due| due.since(case.opened_at)).filter(|&ms| ms > 0);
    let handle = stated_ms.map_or(HANDLE_LIMIT, limit_of_ms);
    let level = Level::Town.fitting(area);
    let filing = Filing {
        type_id: case.kind.clone(),
        type_name: Text::new(&case.kind, &case.kind),
        class: String::new(),
        severity: Severity::MINOR,
        title: Text::new(&case.kind, &case.kind),
        description: case.detail.clone(),
        row: None,
        limits: StageLimits(BTreeMap::from([(Stage::Handle, handle)])),
        level,
        area: area.clone(),
        position: case.position,
        agency: Some(case.agency.clone()),
        warning: None,
        source: CaseSource::Import,
        reporter: None,
        external: Some(case.external_id.clone()),
        simulated: false,
    };
    let accepted = case.opened_at.plus_ms(30 * MINUTE_MS);
    let clock = StageClock::until(Stage::Dispatch, case.opened_at, accepted);
    let first = first(CaseStep::Filed, filing, actor, case.opened_at, case.due_at, clock);
    let mut second = CaseEvent {
        seq: 2,
        from: Some(CaseState::Filed),
        note: Some(case.external_id.clone()),
        filing: None,
        ..first.clone()
    };
    if let Some(closed_at) = case.closed_at {
        second.at = closed_at;
        second.step = CaseStep::Closed;
        second.to = CaseState::Closed;
        second.clock = None;
    } else {
        second.step = CaseStep::Dispatched;
        second.to = CaseState::Dispatched;
        second.holder = Holder {
            role: Role::AgencyStaff,
            agency: Some(case.agency.clone()),
            area: centre(level, area),
        };
        second.clock = Some(match case.due_at {
            Some(due_at) => StageClock::until(Stage::Handle, case.opened_at, due_at),
            None => StageClock::until(Stage::Handle, now, now.plus_ms(HANDLE_LIMIT_MS)),
        });
    }
    vec![first, second]
}
