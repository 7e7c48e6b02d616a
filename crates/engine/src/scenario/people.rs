//! The people of a scenario: which agency a case goes to, and who does a step.
//!
//! A scenario need not name anyone: without `agency` lines each kind of agency is one agency of that
//! name for the whole city, the owning centre decides, and a grid worker of the place checks.

use chengmai_model::case::{Case, Command, CommandKind, Level, Photo, PhotoKind};
use chengmai_model::{Actor, AreaPath, AreaTree, Role, Timestamp};

use super::parse::Said;

/// An agency as a scenario names it.
#[derive(Debug, Clone)]
pub(super) struct Agency {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) area: AreaPath,
}

/// The agency of that kind nearest to the place; the kind's own name when none is named.
pub(super) fn agency_for(agencies: &[Agency], kind: &str, place: &AreaPath) -> String {
    agencies
        .iter()
        .filter(|agency| agency.kind == kind && agency.area.contains(place))
        .max_by_key(|agency| agency.area.depth())
        .map_or_else(|| kind.to_owned(), |agency| agency.id.clone())
}

/// The path of an area by its code.
pub(super) fn path_of(areas: &AreaTree, code: &str) -> Result<AreaPath, String> {
    let area = areas.find(code).ok_or_else(|| format!("there is no area `{code}`"))?;
    Ok(AreaPath::of(areas, area))
}

/// In which role a step is usually done.
const fn usual_role(kind: CommandKind) -> Role {
    use CommandKind as Ask;
    match kind {
        Ask::Start
        | Ask::Finish
        | Ask::Return
        | Ask::AskDelay
        | Ask::AskSuspend
        | Ask::Resume
        | Ask::Dispute
        | Ask::Appeal
        | Ask::StartPart
        | Ask::FinishPart
        | Ask::RefusePart => Role::AgencyStaff,
        Ask::CheckPass | Ask::CheckFail | Ask::TakeCheck | Ask::VerifyPass | Ask::VerifyFail => {
            Role::GridWorker
        }
        Ask::Supervise => Role::Supervisor,
        Ask::Join | Ask::Rate | Ask::Reopen => Role::Citizen,
        _ => Role::DutyOfficer,
    }
}

/// Who does a step. `by` is an area's code (its centre), an agency, or `ROLE:NAME` for a person; the
/// proper one when absent.
pub(super) fn actor(areas: &AreaTree, case: &Case, kind: CommandKind, by: Option<&str>) -> Actor {
    let city = case.area.ancestor(1).unwrap_or_else(|| case.area.clone());
    if let Some((role, name)) = by.and_then(|by| by.split_once(':'))
        && let Some(role) = role_of(role)
    {
        let area = if role == Role::Citizen { city } else { case.holder.area.clone() };
        return Actor { name: name.to_owned(), roles: vec![role], area, agency: None };
    }
    let role = usual_role(kind);
    let (area, agency, role) = match by {
        Some(code) => match path_of(areas, code) {
            Ok(area) if role == Role::AgencyStaff || role == Role::Citizen => {
                (area, None, Role::DutyOfficer)
            }
            Ok(area) => (area, None, role),
            Err(_) => (city, Some(code.to_owned()), role),
        },
        None => match role {
            Role::AgencyStaff => (city, case.agency.clone(), role),
            Role::GridWorker => (case.area.clone(), None, role),
            Role::Citizen => (city, None, role),
            _ => (case.holder.area.clone(), None, role),
        },
    };
    let reporter = case.filing.reporter.clone().filter(|_| role == Role::Citizen);
    let name = by.map(str::to_owned).or(reporter).unwrap_or_else(|| role.word().to_owned());
    Actor { name, roles: vec![role], area, agency }
}

fn role_of(word: &str) -> Option<Role> {
    if word == Role::Citizen.word() { Some(Role::Citizen) } else { Role::from_word(word) }
}

/// The command that a line means; photos are taken at `place`, now.
pub(super) fn command(
    areas: &AreaTree,
    cases: &[Case],
    kind: CommandKind,
    said: &Said,
    (start, now): (Timestamp, Timestamp),
) -> Result<Command, String> {
    let photo = |&kind: &PhotoKind| Photo {
        kind,
        hash: "0".repeat(64),
        at: Some(now),
        position: Some([106.5, 29.5]),
    };
    let mut command = Command {
        reason: said.reason.clone(),
        type_id: said.case_type.clone(),
        row: said.row,
        limit: said.limit,
        until: said.until_ms.map(|ms| start.plus_ms(ms)),
        event_level: said.level,
        form: said.form,
        plan: said.plan.clone(),
        stage: said.stage,
        stars: said.stars,
        photos: said.photos.iter().map(photo).collect(),
        ..Command::new(kind)
    };
    if let Some(number) = said.into {
        let other = number.checked_sub(1).and_then(|index| cases.get(index));
        command.other = Some(other.ok_or_else(|| format!("there is no K{number} yet"))?.id.clone());
    }
    if let Some(to) = &said.to {
        use CommandKind::{HandDown, HandSideways, HandUp};
        match (kind, Level::from_word(to), path_of(areas, to)) {
            (HandUp | HandDown, Some(level), _) => command.level = Some(level),
            (HandDown | HandSideways, _, Ok(area)) => command.area = Some(area),
            _ => command.agency = Some(to.clone()),
        }
    }
    Ok(command)
}
