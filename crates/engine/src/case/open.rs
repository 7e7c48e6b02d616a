//! How a case begins: reported by somebody and filed later, or filed at once.

use chengmai_model::calendar::Limit;
use chengmai_model::pack::{CaseType, LimitRow};

use super::decide::{After, Step, check_words};
use super::{
    Actor, AreaPath, Case, CaseEvent, CaseRules, CaseSource, CaseState, CaseStep, CitedRow, Filing,
    Holder, Level, Refusal, Role, Severity, Stage, StageClock, StageLimits, Text, Timestamp,
    WarningId, centre, error,
};
use chengmai_model::case::{Circumstances, Photo, default_limit};

/// The word for a report whose type nobody knows yet.
pub const UNSORTED: &str = "unsorted";

/// What is needed to file a case 立案.
#[derive(Debug, Clone)]
pub struct FilingRequest<'a> {
    /// Its type, from a pack.
    pub type_id: &'a str,
    /// The row of the standard that is cited, from 0.
    pub row: usize,
    /// Where: the smallest area known.
    pub area: AreaPath,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// Centre that shall own it; the type's own level if absent. Lifted when the area is larger.
    pub level: Option<Level>,
    /// The type's own severity if absent.
    pub severity: Option<Severity>,
    /// A line for lists; the type's name if absent.
    pub title: Option<Text>,
    /// What is known.
    pub description: String,
    /// The agency proposed for it.
    pub agency: Option<String>,
    /// The warning it comes from.
    pub warning: Option<WarningId>,
    /// Where it comes from.
    pub source: CaseSource,
    /// True when anything behind it is simulated.
    pub simulated: bool,
}

/// What is needed to report 上报 something that is not filed yet.
#[derive(Debug, Clone)]
pub struct ReportRequest<'a> {
    /// Its type, as far as the reporter or the program knows.
    pub type_id: Option<&'a str>,
    /// Where: the smallest area known.
    pub area: AreaPath,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// What was said, without personal data.
    pub description: String,
    /// The agency proposed for it.
    pub agency: Option<String>,
    /// The citizen, by a name that says nothing of who they are.
    pub reporter: Option<String>,
    /// Where it comes from.
    pub source: CaseSource,
    /// Its number in the system it comes from.
    pub external: Option<String>,
    /// Photos that came with it.
    pub photos: Vec<Photo>,
    /// True when anything behind it is simulated.
    pub simulated: bool,
}

/// Files a case at once: one event, with the dispatch clock running at the owning centre.
///
/// # Errors
/// `NOT_FOUND` outside the actor's areas, `FORBIDDEN` for roles that do not file, `NO_STANDARD_ROW`
/// when the row does not exist or its limit cannot be read, `BAD_BODY` for over-long words.
pub fn file(
    request: &FilingRequest<'_>,
    actor: &Actor,
    now: Timestamp,
    rules: &CaseRules,
) -> Result<Vec<CaseEvent>, Refusal> {
    if !actor.area.contains(&request.area) {
        return Err(Refusal::plain(&error::NOT_FOUND));
    }
    if !actor.acts_as(Role::DutyOfficer) && !actor.acts_as(Role::GridWorker) {
        return Err(Refusal::new(
            &error::FORBIDDEN,
            "只有值班员和网格员可以立案",
            "only duty officers and grid workers file cases",
        ));
    }
    check_words(&request.description)?;
    let (case_type, row, limits) = standard(rules, request.type_id, request.row)?;
    let filing = Filing {
        type_id: case_type.id.clone(),
        type_name: case_type.name.clone(),
        class: case_type.class.clone(),
        severity: request.severity.unwrap_or(case_type.severity),
        title: request.title.clone().unwrap_or_else(|| case_type.name.clone()),
        description: request.description.clone(),
        row: Some(CitedRow { index: request.row, row: row.clone() }),
        limits,
        level: request
            .level
            .unwrap_or_else(|| Level::of_tier(case_type.level))
            .fitting(&request.area),
        area: request.area.clone(),
        position: request.position,
        agency: request.agency.clone(),
        warning: request.warning,
        source: request.source,
        reporter: None,
        external: None,
        simulated: request.simulated,
    };
    let due_at = whole_due(&filing.limits, filing.agency.as_deref(), now, rules);
    let clock = begin(Stage::Dispatch, &filing.limits, now, rules);
    Ok(vec![first(CaseStep::Filed, filing, actor, now, Some(due_at), clock)])
}

/// Opens a case that somebody reported: one event, with the acceptance clock running at the centre of
/// the place.
///
/// # Errors
/// `NOT_FOUND` outside the actor's areas, `NO_STANDARD_ROW` for an unknown type, `BAD_BODY` for
/// over-long words.
pub fn report(
    request: &ReportRequest<'_>,
    actor: &Actor,
    now: Timestamp,
    rules: &CaseRules,
) -> Result<Vec<CaseEvent>, Refusal> {
    if !actor.area.contains(&request.area) {
        return Err(Refusal::plain(&error::NOT_FOUND));
    }
    check_words(&request.description)?;
    let case_type = match request.type_id {
        None => None,
        Some(id) => Some(rules.case_type(id).ok_or_else(|| no_row(id, 0))?),
    };
    let name = case_type.map_or_else(|| Text::new("待分类", "To be sorted"), |t| t.name.clone());
    let level = case_type.map_or(Level::Town, |t| Level::of_tier(t.level));
    let filing = Filing {
        type_id: case_type.map_or(UNSORTED, |t| t.id.as_str()).to_owned(),
        title: name.clone(),
        type_name: name,
        class: case_type.map(|t| t.class.clone()).unwrap_or_default(),
        severity: case_type.map_or(Severity::MINOR, |t| t.severity),
        description: request.description.clone(),
        row: None,
        limits: rules.limits(case_type, default_limit(Stage::Handle)),
        level: level.fitting(&request.area),
        area: request.area.clone(),
        position: request.position,
        agency: request.agency.clone(),
        warning: None,
        source: request.source,
        reporter: request.reporter.clone(),
        external: request.external.clone(),
        simulated: request.simulated,
    };
    let clock = begin(Stage::Accept, &filing.limits, now, rules);
    let mut event = first(CaseStep::Reported, filing, actor, now, None, clock);
    event.photos.clone_from(&request.photos);
    Ok(vec![event])
}

/// The step that files a reported case: it gets its type, its row and its limits.
pub(super) fn filing(step: &Step<'_>, after: &mut After) -> Result<(), Refusal> {
    let (case, command) = (step.case, step.command);
    if case.state == CaseState::Reported && case.filing.source.is_public() {
        return Err(Refusal::new(
            &error::NOT_ALLOWED_NOW,
            "公众上报的案件须先受理、核实，再立案",
            "what a citizen reported is accepted and verified before it is filed",
        ));
    }
    let type_id = command.type_id.as_deref().unwrap_or(&case.filing.type_id);
    let index = command.row.ok_or_else(|| no_row(type_id, 0))?;
    let (case_type, row, limits) = standard(step.rules, type_id, index)?;
    // Another type than the reported one may be another agency's.
    let retyped = case_type.id != case.filing.type_id;
    let found = step.rules.responsible(&case_type.id, &case.filing.description, &case.area);
    let lead = found.map(|found| found.agency.to_owned());
    let proposed = if retyped { lead } else { case.agency.clone().or(lead) };
    let agency = command.agency.clone().or(proposed);
    after.due_at = Some(whole_due(&limits, agency.as_deref(), step.at, step.rules));
    after.agency.clone_from(&agency);
    if retyped {
        after.level = Level::of_tier(case_type.level).min(case.level).fitting(&case.area);
    }
    after.filing = Some(Filing {
        type_id: case_type.id.clone(),
        type_name: case_type.name.clone(),
        class: case_type.class.clone(),
        severity: case_type.severity,
        title: case_type.name.clone(),
        row: Some(CitedRow { index, row: row.clone() }),
        limits,
        agency,
        level: after.level,
        ..case.filing.clone()
    });
    Ok(())
}

fn standard<'a>(
    rules: &'a CaseRules,
    type_id: &str,
    index: usize,
) -> Result<(&'a CaseType, &'a LimitRow, StageLimits), Refusal> {
    let missing = || no_row(type_id, index);
    let (case_type, row) = rules.row(type_id, index).ok_or_else(missing)?;
    let handle = Limit::parse(&row.handle).ok_or_else(missing)?;
    Ok((case_type, row, rules.limits(Some(case_type), handle)))
}

fn no_row(type_id: &str, row: usize) -> Refusal {
    Refusal::new(
        &error::NO_STANDARD_ROW,
        format!("案件类型 {type_id} 没有可用的第 {row} 行"),
        format!("case type {type_id} has no usable row {row}"),
    )
}

fn whole_due(
    limits: &StageLimits,
    agency: Option<&str>,
    at: Timestamp,
    rules: &CaseRules,
) -> Timestamp {
    limits.whole_due(at, &rules.calendar, rules.hours(None), rules.hours(agency))
}

fn begin(stage: Stage, limits: &StageLimits, at: Timestamp, rules: &CaseRules) -> StageClock {
    StageClock::begin(stage, limits.of(stage), at, &rules.calendar, rules.hours(None))
}

/// The first event of a case.
pub(super) fn first(
    step: CaseStep,
    filing: Filing,
    actor: &Actor,
    at: Timestamp,
    due_at: Option<Timestamp>,
    clock: StageClock,
) -> CaseEvent {
    CaseEvent {
        seq: 1,
        at,
        step,
        actor: actor.name.clone(),
        actor_agency: actor.agency.clone(),
        from: None,
        to: if step == CaseStep::Filed { CaseState::Filed } else { CaseState::Reported },
        note: None,
        agency: filing.agency.clone(),
        level: filing.level,
        area: filing.area.clone(),
        holder: Holder {
            role: Role::DutyOfficer,
            agency: None,
            area: centre(filing.level, &filing.area),
        },
        clock: Some(clock),
        due_at,
        used_ms: None,
        overdue: None,
        filing: Some(Box::new(filing)),
        ended: None,
        circumstances: None,
        photos: Vec::new(),
    }
}

/// A case as nobody has touched it yet: what its first event says.
pub(super) fn opened(id: super::CaseId, first: &CaseEvent) -> Option<Case> {
    Some(Case {
        id,
        filing: first.filing.as_deref()?.clone(),
        filed_by: first.actor.clone(),
        filed_at: first.at,
        reported_at: Some(first.at),
        due_at: first.due_at,
        first_due_at: first.due_at,
        state: first.to,
        level: first.level,
        area: first.area.clone(),
        agency: first.agency.clone(),
        holder: first.holder.clone(),
        clock: first.clock.clone(),
        clocks: Vec::new(),
        closed_at: None,
        on_time: None,
        returns: 0,
        reworks: 0,
        delays: 0,
        urges: 0,
        supervisions: 0,
        joined: 0,
        reopens: 0,
        circumstances: Circumstances::default(),
        seq: first.seq,
        changed_at: first.at,
    })
}
