//! From a command to events or a refusal, over the table of the case's procedure.

use chengmai_model::case::{CaseState, ClockRow, Filing, Photo, PhotoKind};
use chengmai_model::pack::{ClockMove, HolderKind, Move};

use super::place::{Place, has_room, place};
use super::{
    Actor, AreaPath, Case, CaseEvent, CaseRules, Circumstances, Command, CommandKind, Holder,
    Level, Refusal, Role, StageClock, Timestamp, WORDS_LEN_MAX, apply, centre, effect, error, who,
};

/// Decides a command: the events that follow from it, or why it is refused.
///
/// # Errors
/// `NOT_FOUND` when the case lies outside the actor's area, `NOT_ALLOWED_NOW` when no row of the
/// table fits its state, `NOT_HOLDER` or `FORBIDDEN` when the row is not for this actor,
/// `REASON_REQUIRED`, `PHOTO_REQUIRED`, `NO_AGENCY`, `OUTSIDE_DUTIES`, and further ones that name what
/// stands in the way.
pub fn decide(
    case: &Case,
    command: &Command,
    actor: &Actor,
    now: Timestamp,
    rules: &CaseRules,
) -> Result<Vec<CaseEvent>, Refusal> {
    if !sees(case, actor) {
        return Err(Refusal::plain(&error::NOT_FOUND));
    }
    let row = find_row(case, command, rules)?;
    who::check(row, case, actor)?;
    let note = words(row, command)?;
    check_photos(case, command, rules)?;
    let step = Step {
        case,
        command,
        actor,
        // A clock of the machine that was set back must not put events out of order.
        at: now.max(case.changed_at),
        rules,
    };
    let mut after = After::of(case);
    let Place { level, area, agency } = place(row, case, command, actor)?;
    (after.level, after.area, after.agency) = (level, area, agency);
    after.state = row.to.unwrap_or(case.state);
    effect::apply_to(&step, &mut after)?;
    run_clock(row, &step, &mut after);
    let follow = std::mem::take(&mut after.follow);
    let mut events = vec![event(&step, after, row.holder, note)];
    follow_up(&step, follow, &mut events)?;
    Ok(events)
}

/// What follows from a step at once, each decided like a step of its own.
fn follow_up(
    step: &Step<'_>,
    follow: Option<Command>,
    events: &mut Vec<CaseEvent>,
) -> Result<(), Refusal> {
    let Some(command) = follow else { return Ok(()) };
    let mut case = step.case.clone();
    for event in events.iter() {
        apply(&mut case, event);
    }
    events.extend(decide(&case, &command, step.actor, step.at, step.rules)?);
    Ok(())
}

/// What this actor may ask of the case now, in the order of [`CommandKind::ALL`].
pub fn allowed(case: &Case, actor: &Actor, rules: &CaseRules) -> Vec<CommandKind> {
    let table = rules.table(&case.filing.type_id);
    let may = |row: &Move| {
        has_room(row, case)
            && who::check(row, case, actor).is_ok()
            && effect::is_open(case, actor, row.ask)
    };
    let seen = sees(case, actor);
    let asked = |kind: &CommandKind| seen && table.rows(case.state, *kind).any(may);
    CommandKind::ALL.iter().copied().filter(asked).collect()
}

/// In the actor's area; citizens come with the tracking link of their case.
fn sees(case: &Case, actor: &Actor) -> bool {
    actor.area.contains(&case.area)
}

/// What is asked, of which case, by whom, when, under which rules.
pub(super) struct Step<'a> {
    pub(super) case: &'a Case,
    pub(super) command: &'a Command,
    pub(super) actor: &'a Actor,
    pub(super) at: Timestamp,
    pub(super) rules: &'a CaseRules,
}

/// How the case stands after the step: begun as it stood before, changed on the way.
pub(super) struct After {
    pub(super) state: CaseState,
    pub(super) level: Level,
    pub(super) area: AreaPath,
    pub(super) agency: Option<String>,
    pub(super) clock: Option<StageClock>,
    pub(super) ended: Option<ClockRow>,
    /// Set when the step itself said what becomes of the clock, whatever the table says.
    pub(super) clock_set: bool,
    pub(super) due_at: Option<Timestamp>,
    pub(super) circumstances: Circumstances,
    pub(super) filing: Option<Filing>,
    /// A step that follows from this one at once.
    pub(super) follow: Option<Command>,
}

impl After {
    fn of(case: &Case) -> Self {
        Self {
            state: case.state,
            level: case.level,
            area: case.area.clone(),
            agency: case.agency.clone(),
            clock: case.clock.clone(),
            ended: None,
            clock_set: false,
            due_at: case.due_at,
            circumstances: case.circumstances.clone(),
            filing: None,
            follow: None,
        }
    }

    /// Gives the whole case as much more time as its clock was given.
    pub(super) fn move_due(&mut self, from: Timestamp, to: Timestamp) {
        self.due_at = self.due_at.map(|due| due.plus_ms(to.since(from).max(0)));
    }
}

fn run_clock(row: &Move, step: &Step<'_>, after: &mut After) {
    let Some(clock_move) = row.clock.filter(|_| !after.clock_set) else { return };
    after.clock = match clock_move.stage() {
        Some(stage) => {
            let limit = match &after.filing {
                Some(filing) => filing.limits.of(stage),
                None => step.rules.limit_of(step.case, stage),
            };
            let hours = step.rules.stage_hours(stage, after.agency.as_deref());
            Some(StageClock::begin(stage, limit, step.at, &step.rules.calendar, hours))
        }
        None if clock_move == ClockMove::Stop => {
            // A case that ends has nothing left to come back to.
            after.circumstances.aside = None;
            None
        }
        // What was put aside was set by the step itself.
        None => return,
    };
    after.ended = step.case.clock.as_ref().map(|clock| step.end(clock));
}

impl Step<'_> {
    /// What is kept of a clock of this case that ends now.
    pub(super) fn end(&self, clock: &StageClock) -> ClockRow {
        let agency = self.case.agency.as_deref();
        let held = agency.filter(|_| self.case.holder.role == Role::AgencyStaff);
        let hours = self.rules.stage_hours(clock.stage, agency);
        clock.end(self.at, held, &self.rules.calendar, hours)
    }
}

fn event(
    step: &Step<'_>,
    after: After,
    holder: Option<HolderKind>,
    note: Option<String>,
) -> CaseEvent {
    let case = step.case;
    let owner = centre(after.level, &after.area);
    let role = holder.map_or(case.holder.role, role_of);
    let changed = after.circumstances != case.circumstances;
    CaseEvent {
        seq: case.seq + 1,
        at: step.at,
        step: step.command.kind.step(),
        actor: step.actor.name.clone(),
        actor_agency: step.actor.agency.clone(),
        from: Some(case.state),
        to: after.state,
        note,
        holder: Holder {
            role,
            agency: after.agency.clone().filter(|_| role == Role::AgencyStaff),
            area: owner,
        },
        agency: after.agency,
        level: after.level,
        area: after.area,
        clock: after.clock,
        due_at: after.due_at,
        used_ms: after.ended.as_ref().map(|row| row.used_ms),
        overdue: after.ended.as_ref().map(|row| row.overdue),
        filing: after.filing.map(Box::new),
        ended: after.ended.map(Box::new),
        circumstances: changed.then(|| Box::new(after.circumstances)),
        photos: step.command.photos.clone(),
    }
}

/// The role that a kind of holder has.
pub(super) const fn role_of(holder: HolderKind) -> Role {
    match holder {
        HolderKind::Centre => Role::DutyOfficer,
        HolderKind::Agency => Role::AgencyStaff,
        HolderKind::Checker => Role::Supervisor,
        HolderKind::Verifier => Role::GridWorker,
    }
}

/// The row that answers the command in the case's state.
fn find_row<'a>(case: &Case, command: &Command, rules: &'a CaseRules) -> Result<&'a Move, Refusal> {
    let row = rules.table(&case.filing.type_id).row(case.state, command);
    row.filter(|row| has_room(row, case)).ok_or_else(|| not_now(case, command.kind))
}

pub(super) fn not_now(case: &Case, kind: CommandKind) -> Refusal {
    let (name, asked) = (case.state.name(), kind.name());
    let (zh, en) = match (case.state, kind) {
        (CaseState::Returned, CommandKind::Close | CommandKind::ForceClose) => (
            "回退的案件不能直接结案，须重新派遣".to_owned(),
            "a returned case cannot be closed directly; dispatch it again".to_owned(),
        ),
        _ => (
            format!("案件“{}”，不能“{}”", name.zh, asked.zh),
            format!("the case is `{}`; `{}` is not possible", name.en, asked.en),
        ),
    };
    Refusal::new(&error::NOT_ALLOWED_NOW, zh, en)
}

/// The words that go on record: the reason, or else the remark.
fn words(row: &Move, command: &Command) -> Result<Option<String>, Refusal> {
    let said = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
    };
    let reason = said(&command.reason);
    if row.reason && reason.is_none() {
        return Err(Refusal::plain(&error::REASON_REQUIRED));
    }
    let words = reason.or_else(|| said(&command.note));
    words.as_deref().map_or(Ok(()), check_words)?;
    if row.ask == CommandKind::Remark && words.is_none() && command.photos.is_empty() {
        return Err(Refusal::plain(&error::REASON_REQUIRED));
    }
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

/// Photos that the case type asks for with this step must be there, each with time and place.
fn check_photos(case: &Case, command: &Command, rules: &CaseRules) -> Result<(), Refusal> {
    let case_type = rules.case_type(&case.filing.type_id);
    let needed = case_type.and_then(|t| t.photos.get(&command.kind)).map_or(&[][..], Vec::as_slice);
    let is_proof = |photo: &&Photo| photo.at.is_some() && photo.position.is_some();
    let kinds: Vec<PhotoKind> =
        command.photos.iter().filter(is_proof).map(|photo| photo.kind).collect();
    match needed.iter().find(|kind| !kinds.contains(kind)) {
        None => Ok(()),
        Some(kind) => Err(Refusal::new(
            &error::PHOTO_REQUIRED,
            format!("“{}”须附“{}”照片，并带时间和位置", command.kind.name().zh, kind.name().zh),
            format!(
                "`{}` needs a photo `{}` with time and position",
                command.kind.name().en,
                kind.name().en
            ),
        )),
    }
}
