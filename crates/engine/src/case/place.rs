//! Where a step takes a case: to which level, centre and agency.

use chengmai_model::case::CommandKind;
use chengmai_model::pack::Move;

use super::{Actor, AreaPath, Case, Command, Level, Refusal, bad, centre, error};

/// Whose the case is after a step.
pub(super) struct Place {
    pub(super) level: Level,
    pub(super) area: AreaPath,
    pub(super) agency: Option<String>,
}

/// Whether there is a centre to hand the case to at all.
pub(super) fn has_room(row: &Move, case: &Case) -> bool {
    match row.ask {
        CommandKind::HandUp => case.level != Level::City,
        CommandKind::HandSideways => row.to_agency || case.level != Level::City,
        CommandKind::HandDown => case.level != Level::Town,
        _ => true,
    }
}

/// Where this step takes the case.
pub(super) fn place(
    row: &Move,
    case: &Case,
    command: &Command,
    actor: &Actor,
) -> Result<Place, Refusal> {
    let stay = |agency| Place { level: case.level, area: case.area.clone(), agency };
    match row.ask {
        CommandKind::Dispatch | CommandKind::Arbitrate => {
            let proposed = case.agency.clone().filter(|_| row.ask == CommandKind::Dispatch);
            let agency = command.agency.clone().or(proposed);
            agency.map(|a| stay(Some(a))).ok_or_else(|| Refusal::plain(&error::NO_AGENCY))
        }
        CommandKind::Return => Ok(stay(None)),
        CommandKind::HandUp => above(case, command, actor),
        CommandKind::HandDown => below(case, command),
        CommandKind::HandSideways if row.to_agency => {
            let other = command.agency.clone().filter(|a| Some(a) != case.agency.as_ref());
            other
                .map(|a| stay(Some(a)))
                .ok_or_else(|| bad("案件已在该单位", "the case is already with that agency"))
        }
        CommandKind::HandSideways => beside(case, command),
        _ => Ok(stay(case.agency.clone())),
    }
}

fn above(case: &Case, command: &Command, actor: &Actor) -> Result<Place, Refusal> {
    let one_up = if case.level == Level::Town { Level::District } else { Level::City };
    // A higher centre that says no level takes the case over itself.
    let own = Level::ALL.into_iter().find(|l| l.depth() == actor.area.depth());
    let taken_over = own.filter(|&l| l < case.level);
    let level = command.level.or(taken_over).unwrap_or(one_up);
    if level >= case.level {
        return Err(bad("须上报到更高一级", "hand up to a higher level"));
    }
    // The agency was the lower centre's choice; the new one chooses afresh.
    Ok(Place { level, area: case.area.clone(), agency: None })
}

fn below(case: &Case, command: &Command) -> Result<Place, Refusal> {
    let one_down = if case.level == Level::City { Level::District } else { Level::Town };
    let level = command.level.unwrap_or(one_down);
    let area = command.area.as_ref().unwrap_or(&case.area);
    if level <= case.level {
        return Err(bad("须交办到更低一级", "hand down to a lower level"));
    }
    if !centre(case.level, &case.area).contains(area) {
        return Err(bad("该区域不在本中心辖区内", "that area is not in this centre's"));
    }
    if level.centre_of(area).is_none() {
        return Err(bad("须指明交办到哪个区域", "name the area it is handed down to"));
    }
    // A larger area that holds the case names the centre only; the place stays as known.
    let area = if area.contains(&case.area) { &case.area } else { area };
    if level.centre_of(area).is_none() {
        return Err(bad("须指明交办到哪个区域", "name the area it is handed down to"));
    }
    Ok(Place { level, area: area.clone(), agency: None })
}

fn beside(case: &Case, command: &Command) -> Result<Place, Refusal> {
    if command.agency.is_some() && command.area.is_some() {
        return Err(bad("区域和单位只能选一个", "name an area or an agency, not both"));
    }
    let Some(area) = &command.area else {
        return Err(bad("须指明分拨到哪个区域", "name the area it is handed to"));
    };
    let from = centre(case.level, &case.area);
    let to = case.level.centre_of(area).filter(|to| *to != from && to.parent() == from.parent());
    if to.is_none() {
        return Err(bad(
            "只能分拨到同一上级的另一个同级中心",
            "hand sideways to another centre of the same level under the same higher one",
        ));
    }
    Ok(Place { level: case.level, area: area.clone(), agency: None })
}
