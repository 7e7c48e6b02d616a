//! From a command to an event or a refusal, over the table.

use super::table::{Clock, Row, TABLE, Target, Who};
use super::{
    Actor, AreaPath, Case, CaseEvent, CaseState, Command, CommandKind, Holder, Level, Refusal,
    Role, Timestamp, WORDS_LEN_MAX, centre, clock, error,
};

/// Decides a command: the events that follow from it, or why it is refused.
///
/// # Errors
/// `NOT_FOUND` when the case lies outside the actor's area, `NOT_ALLOWED_NOW` when no row of the
/// table fits its state, `NOT_HOLDER` or `FORBIDDEN` when the row is not for this actor,
/// `REASON_REQUIRED`, `NO_AGENCY`, and `BAD_BODY` when what was said along with it does not fit.
pub fn decide(
    case: &Case,
    command: &Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<CaseEvent>, Refusal> {
    if !actor.area.contains(&case.area) {
        return Err(Refusal::plain(&error::NOT_FOUND));
    }
    let row = find_row(case, command)?;
    check_actor(row, case, actor)?;
    let note = words(row, command)?;
    let Place { level, area, agency } = place(row, case, command, actor)?;
    // A clock of the machine that was set back must not put events out of order.
    let at = now.max(case.changed_at);
    let clock = match row.clock {
        Clock::Begin(stage) => Some(clock(stage, &case.filing.limits, at)),
        Clock::Keep => case.clock,
        Clock::Stop => None,
    };
    let ended = case.clock.filter(|_| row.clock != Clock::Keep);
    Ok(vec![CaseEvent {
        seq: case.seq + 1,
        at,
        step: row.step,
        actor: actor.name.clone(),
        actor_agency: actor.agency.clone(),
        from: Some(case.state),
        to: row.to,
        note,
        holder: Holder {
            role: row.holder,
            agency: agency.clone().filter(|_| row.holder == Role::AgencyStaff),
            area: centre(level, &area),
        },
        agency,
        level,
        area,
        clock,
        due_at: case.due_at,
        used_ms: ended.map(|c| at.since(c.started_at)),
        overdue: ended.map(|c| at > c.due_at),
        filing: None,
    }])
}

/// What this actor may ask of the case now, in the order of [`CommandKind::ALL`].
pub fn allowed(case: &Case, actor: &Actor) -> Vec<CommandKind> {
    let may = |row: &Row| {
        row.from == case.state && has_room(row, case) && check_actor(row, case, actor).is_ok()
    };
    let seen = actor.area.contains(&case.area);
    let asked = |kind: &CommandKind| seen && TABLE.iter().any(|row| row.ask == *kind && may(row));
    CommandKind::ALL.into_iter().filter(asked).collect()
}

/// The row that answers the command in the case's state.
fn find_row(case: &Case, command: &Command) -> Result<&'static Row, Refusal> {
    let fits =
        |row: &&Row| row.from == case.state && row.ask == command.kind && has_room(row, case);
    let mut rows = TABLE.iter().filter(fits);
    let first = rows.next().ok_or_else(|| not_now(case, command.kind))?;
    let to_agency = command.area.is_none() && command.agency.is_some();
    let other = rows.next().filter(|_| to_agency);
    Ok(other.unwrap_or(first))
}

/// Whether there is a centre to hand the case to at all.
fn has_room(row: &Row, case: &Case) -> bool {
    match row.target {
        Target::Above | Target::Beside => case.level != Level::City,
        Target::Below => case.level != Level::Town,
        Target::Here | Target::Agency | Target::NoAgency | Target::OtherAgency => true,
    }
}

fn not_now(case: &Case, kind: CommandKind) -> Refusal {
    let name = case.state.name();
    let (zh, en) = match (case.state, kind) {
        (CaseState::Returned, CommandKind::Close) => (
            "回退的案件不能直接结案，须重新派遣".to_owned(),
            "a returned case cannot be closed directly; dispatch it again".to_owned(),
        ),
        _ => (
            format!("案件{}，不能执行 {}", name.zh, kind.word()),
            format!("the case is `{}`; {} is not possible", name.en, kind.word()),
        ),
    };
    Refusal::new(&error::NOT_ALLOWED_NOW, zh, en)
}

fn check_actor(row: &Row, case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let owner = centre(case.level, &case.area);
    let duty = actor.acts_as(Role::DutyOfficer);
    let own_agency = actor.agency.is_some() && actor.agency == case.agency;
    let (role, holder) = match row.who {
        Who::Centre => (duty, actor.area == owner),
        Who::CentreOrAbove => (duty, actor.area.contains(&owner)),
        Who::Agency => (actor.acts_as(Role::AgencyStaff), own_agency),
        Who::Checker => {
            let roles = [Role::Supervisor, Role::GridWorker, Role::DutyOfficer];
            (roles.into_iter().any(|r| actor.acts_as(r)), !own_agency)
        }
    };
    match (role, holder) {
        (true, true) => Ok(()),
        (false, _) => Err(Refusal::plain(&error::FORBIDDEN)),
        (true, false) => Err(not_holder(row.who, case, &owner)),
    }
}

fn not_holder(who: Who, case: &Case, owner: &AreaPath) -> Refusal {
    let (zh, en) = match who {
        Who::Centre | Who::CentreOrAbove => (
            format!("案件由 {} 的中心办理；上级可先收回（上报）", owner.code()),
            format!(
                "the centre of {} has the case; a higher one may hand it up first",
                owner.code()
            ),
        ),
        Who::Agency => {
            let agency = case.agency.as_deref().unwrap_or("-");
            (format!("案件由 {agency} 办理"), format!("the case is in the hands of {agency}"))
        }
        Who::Checker => (
            "处置单位不能核查自己的案件".to_owned(),
            "the agency that handled a case does not check it".to_owned(),
        ),
    };
    Refusal::new(&error::NOT_HOLDER, zh, en)
}

/// The words that go on record: the reason, or else the remark.
fn words(row: &Row, command: &Command) -> Result<Option<String>, Refusal> {
    let said = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
    };
    let reason = said(&command.reason);
    if row.reason && reason.is_none() {
        return Err(Refusal::plain(&error::REASON_REQUIRED));
    }
    let words = reason.or_else(|| said(&command.note));
    words.as_deref().map_or(Ok(()), check_words)?;
    Ok(words)
}

/// Refuses texts longer than [`WORDS_LEN_MAX`] characters.
pub(super) fn check_words(text: &str) -> Result<(), Refusal> {
    if text.chars().count() <= WORDS_LEN_MAX {
        return Ok(());
    }
    Err(Refusal::new(
        &error::BAD_BODY,
        format!("文字最长 {WORDS_LEN_MAX} 字"),
        format!("texts have at most {WORDS_LEN_MAX} characters"),
    ))
}

/// Whose the case is after a step.
struct Place {
    level: Level,
    area: AreaPath,
    agency: Option<String>,
}

fn place(row: &Row, case: &Case, command: &Command, actor: &Actor) -> Result<Place, Refusal> {
    let stay = |agency| Place { level: case.level, area: case.area.clone(), agency };
    match row.target {
        Target::Here => Ok(stay(case.agency.clone())),
        Target::NoAgency => Ok(stay(None)),
        Target::Agency => {
            let agency = command.agency.clone().or_else(|| case.agency.clone());
            agency.map(|a| stay(Some(a))).ok_or_else(|| Refusal::plain(&error::NO_AGENCY))
        }
        Target::OtherAgency => {
            let other = command.agency.clone().filter(|a| Some(a) != case.agency.as_ref());
            other
                .map(|a| stay(Some(a)))
                .ok_or_else(|| bad("案件已在该单位", "the case is already with that agency"))
        }
        Target::Above => above(case, command, actor),
        Target::Below => below(case, command),
        Target::Beside => beside(case, command),
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

fn bad(zh: &str, en: &str) -> Refusal {
    Refusal::new(&error::BAD_BODY, zh, en)
}
