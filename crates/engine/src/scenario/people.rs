//! The people of a scenario: which agency a case goes to, and who does a step.
//!
//! A scenario need not name anyone: without `agency` lines each kind of agency is one agency of that
//! name for the whole city, the owning centre decides, and a grid worker of the place checks.

use chengmai_model::case::{Case, Command, CommandKind, Level};
use chengmai_model::{Actor, AreaPath, AreaTree, Role};

use super::parse::Step;

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

impl Step {
    /// The command of the API.
    pub(super) const fn command(self) -> CommandKind {
        match self {
            Self::Dispatch => CommandKind::Dispatch,
            Self::Start => CommandKind::Start,
            Self::Finish => CommandKind::Finish,
            Self::Return => CommandKind::Return,
            Self::CheckPass => CommandKind::CheckPass,
            Self::CheckFail => CommandKind::CheckFail,
            Self::Close => CommandKind::Close,
            Self::Up => CommandKind::HandUp,
            Self::Down => CommandKind::HandDown,
            Self::Sideways => CommandKind::HandSideways,
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Start | Self::Finish | Self::Return => Role::AgencyStaff,
            Self::CheckPass | Self::CheckFail => Role::GridWorker,
            _ => Role::DutyOfficer,
        }
    }
}

/// Who does a step: `by` is an area's code (its centre) or an agency; the proper one when absent.
pub(super) fn actor(areas: &AreaTree, case: &Case, step: Step, by: Option<&str>) -> Actor {
    let city = case.area.ancestor(1).unwrap_or_else(|| case.area.clone());
    let role = step.role();
    let (area, agency) = match by {
        Some(code) => match path_of(areas, code) {
            Ok(area) => (area, None),
            Err(_) => (city, Some(code.to_owned())),
        },
        None => match role {
            Role::AgencyStaff => (city, case.agency.clone()),
            Role::GridWorker => (case.area.clone(), None),
            _ => (case.holder.area.clone(), None),
        },
    };
    let name = by.map_or_else(|| role.word().to_owned(), str::to_owned);
    Actor { name, roles: vec![role], area, agency }
}

/// The command that a line means.
pub(super) fn command(
    areas: &AreaTree,
    step: Step,
    to: Option<&str>,
    reason: Option<&str>,
) -> Command {
    let mut command = Command::new(step.command());
    command.reason = reason.map(str::to_owned);
    if let Some(to) = to {
        match (step, Level::from_word(to), path_of(areas, to)) {
            (Step::Up | Step::Down, Some(level), _) => command.level = Some(level),
            (Step::Down | Step::Sideways, _, Ok(area)) => command.area = Some(area),
            _ => command.agency = Some(to.to_owned()),
        }
    }
    command
}
