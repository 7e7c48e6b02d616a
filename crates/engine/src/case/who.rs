//! Who may take a step: role, holder and agency.

use chengmai_model::pack::{Move, Who};

use super::{Actor, AreaPath, Case, Refusal, Role, centre, error};

/// Whether the actor may take this step of the case.
pub(super) fn check(row: &Move, case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let owner = centre(case.level, &case.area);
    let mut nearest: Option<Who> = None;
    for &who in &row.who {
        match fits(who, case, actor, &owner) {
            (true, true) => return Ok(()),
            (true, false) => nearest = nearest.or(Some(who)),
            (false, _) => {}
        }
    }
    Err(match nearest {
        Some(who) => not_holder(who, case, &owner),
        None => Refusal::plain(&error::FORBIDDEN),
    })
}

/// Whether the role is right, and whether it is this actor's turn.
fn fits(who: Who, case: &Case, actor: &Actor, owner: &AreaPath) -> (bool, bool) {
    let duty = actor.acts_as(Role::DutyOfficer);
    let own_agency = actor.agency.is_some() && actor.agency == case.agency;
    let looks = [Role::Supervisor, Role::GridWorker, Role::DutyOfficer];
    let looks = looks.into_iter().any(|role| actor.acts_as(role));
    match who {
        Who::Centre => (duty, actor.area == *owner),
        Who::CentreAbove => (duty, is_above(&actor.area, owner)),
        Who::Agency => (actor.acts_as(Role::AgencyStaff), own_agency),
        Who::Member => {
            let parts = &case.circumstances.parts;
            let has = actor.agency.as_ref().is_some_and(|a| parts.iter().any(|p| p.agency == *a));
            (actor.acts_as(Role::AgencyStaff), has)
        }
        Who::Checker => (looks, !own_agency),
        Who::Verifier => (looks, true),
        Who::Supervisor => (actor.acts_as(Role::Supervisor), true),
        Who::Reporter => (
            actor.acts_as(Role::Citizen),
            case.filing.reporter.as_deref() == Some(actor.name.as_str()),
        ),
        Who::Public => (true, true),
        Who::Staff => (looks || actor.acts_as(Role::AgencyStaff), true),
        Who::Program => (actor.name == Actor::PROGRAM, true),
    }
}

/// Above the owning centre; of a case of the city, the city itself.
pub(super) fn is_above(area: &AreaPath, owner: &AreaPath) -> bool {
    area.contains(owner) && (area != owner || owner.parent().is_none())
}

fn not_holder(who: Who, case: &Case, owner: &AreaPath) -> Refusal {
    let (zh, en) = match who {
        Who::Centre => (
            format!("案件由 {} 的中心办理；上级可先收回（上报）", owner.code()),
            format!(
                "the centre of {} has the case; a higher one may hand it up first",
                owner.code()
            ),
        ),
        Who::CentreAbove => {
            ("须由上级中心办理".to_owned(), "a centre above the owning one must do this".to_owned())
        }
        Who::Agency | Who::Member => {
            let agency = case.agency.as_deref().unwrap_or("-");
            (format!("案件由 {agency} 办理"), format!("the case is in the hands of {agency}"))
        }
        Who::Checker => (
            "处置单位不能核查自己的案件".to_owned(),
            "the agency that handled a case does not check it".to_owned(),
        ),
        _ => (
            "只有举报人可以这样做".to_owned(),
            "only the person who reported it may do this".to_owned(),
        ),
    };
    Refusal::new(&error::NOT_HOLDER, zh, en)
}
