//! Another system's case as events of ours, with its own times.

use chengmai_model::case::ImportedCase;

use super::{
    Actor, AreaPath, CaseEvent, CaseSource, CaseState, CaseStep, Filing, Holder,
    IMPORT_HANDLE_LIMIT_MS, Level, Role, Severity, Stage, StageClock, Text, Timestamp, centre,
    filed, limits_of_ms,
};

/// The events of an imported case that lies in `area`, imported by `actor` at `now`.
///
/// A closed one is filed and closed at the times its source states; nothing is known of the steps
/// between, so no stage times are put on record. An open one is filed and lies with its agency since
/// it was opened; its handling clock ends at the source's deadline or, when there is none, runs
/// [`IMPORT_HANDLE_LIMIT_MS`] from `now`. The whole limit is the source's deadline and nothing else:
/// a case without one is never called late.
pub fn imported(
    case: &ImportedCase,
    area: &AreaPath,
    actor: &Actor,
    now: Timestamp,
) -> Vec<CaseEvent> {
    let stated_ms = case.due_at.map(|due| due.since(case.opened_at));
    let level = Level::Town.fitting(area);
    let filing = Filing {
        type_id: case.kind.clone(),
        type_name: Text::new(&case.kind, &case.kind),
        class: String::new(),
        severity: Severity::MINOR,
        title: Text::new(&case.kind, &case.kind),
        description: case.detail.clone(),
        row: None,
        limits: limits_of_ms(stated_ms.filter(|&ms| ms > 0).unwrap_or(IMPORT_HANDLE_LIMIT_MS)),
        level,
        area: area.clone(),
        position: case.position,
        agency: Some(case.agency.clone()),
        warning: None,
        source: CaseSource::Import,
        external: Some(case.external_id.clone()),
        simulated: false,
    };
    let first = filed(filing, actor, case.opened_at, case.due_at);
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
            Some(due_at) => StageClock { stage: Stage::Handle, started_at: case.opened_at, due_at },
            None => StageClock {
                stage: Stage::Handle,
                started_at: now,
                due_at: now.plus_ms(IMPORT_HANDLE_LIMIT_MS),
            },
        });
    }
    vec![first, second]
}
