//! The codes of a case's areas are new: a re-coding of the city's areas, on record in every case it
//! touches. Nothing else about the case is different; whoever had it in hand has it in hand.

use chengmai_model::AreaTree;

use super::{Actor, Case, CaseEvent, CaseStep, Holder, Timestamp, centre};

/// The step that gives a case the codes of that tree; `None` when it has them.
pub fn recode(case: &Case, areas: &AreaTree, at: Timestamp) -> Option<CaseEvent> {
    let moved = case.area.renewed(areas);
    let area = moved.clone().unwrap_or_else(|| case.area.clone());
    let level = case.level.fitting(&area);
    let holder = Holder { area: centre(level, &area), ..case.holder.clone() };
    if moved.is_none() && holder == case.holder {
        return None;
    }
    Some(CaseEvent {
        seq: case.seq + 1,
        at: at.max(case.changed_at),
        step: CaseStep::Recoded,
        actor: Actor::PROGRAM.to_owned(),
        actor_agency: None,
        from: Some(case.state),
        to: case.state,
        note: Some(format!("{} → {area}", case.area)),
        holder,
        agency: case.agency.clone(),
        level,
        area,
        clock: case.clock.clone(),
        due_at: case.due_at,
        used_ms: None,
        overdue: None,
        filing: None,
        ended: None,
        circumstances: None,
        photos: Vec::new(),
    })
}
