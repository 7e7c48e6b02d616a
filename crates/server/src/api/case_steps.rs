//! Steps of a case: filing or reporting one, and every other step of its table. What is allowed is decided in
//! `engine::case`; here it is asked and stored.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::case::{FilingRequest, ReportRequest, decide, file, report};
use chengmai_model::calendar::Limit;
use chengmai_model::case::{
    Case, CaseEvent, CaseId, CaseSource, CaseState, Command, CommandKind, EventLevel, Level, Photo,
    ReportForm, Stage,
};
use chengmai_model::{Actor, AreaId, AreaPath, Role, Severity, Timestamp, error};
use chengmai_store::records::cases::RequestKey;
use serde::Deserialize;
use utoipa::ToSchema;

use super::case_more::PhotoBody;
use super::cases::{CaseDetail, detail, visible};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::KeyedBody;
use crate::http::problem::{Answer, Problem};

/// What is needed to file or report a case.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"type": "exposed_rubbish", "row": 0, "area": "500103", "description": "路口垃圾堆积"}))]
pub(crate) struct NewCase {
    /// May be absent from a report: the centre sorts it.
    r#type: Option<String>,
    /// Row of the type's filing standard. Without one the case is reported, and the centre files it.
    row: Option<usize>,
    /// Where; or give a position.
    area: Option<String>,
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
    description: Option<String>,
    agency: Option<String>,
    severity: Option<u8>,
    /// Photos uploaded before.
    #[serde(default)]
    photos: Vec<PhotoBody>,
}

/// File a case, citing a row of the filing standard; without a row, report 上报 it to the centre. With a
/// key a request that is sent again is answered with the first one's case.
#[utoipa::path(post, path = "/api/v1/cases", tag = "cases", request_body = NewCase,
    params(("Idempotency-Key" = Option<String>, Header, example = "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f11")),
    responses((status = 200, body = CaseDetail)))]
pub(crate) async fn file_case(
    State(city): State<Arc<City>>,
    caller: Caller,
    keyed: KeyedBody<NewCase>,
) -> Answer<Json<CaseDetail>> {
    caller.need(Permission::CaseDecide)?;
    let key = keyed.key(&caller.user.name);
    let opened = open_case(&city, &caller, keyed.body, key.as_ref()).await;
    let case = or_done(&city, &caller, opened, key.as_ref()).await?;
    detail(&city, &caller, &case).await
}

impl NewCase {
    /// The area that is named, or that the position lies in.
    pub(super) fn place(&self, city: &City, caller: &Caller) -> Answer<AreaId> {
        match (&self.area, self.position) {
            (Some(code), _) if !code.is_empty() => caller.scope(Some(code)),
            (_, Some(position)) => {
                let found = city.areas.locate(position).filter(|&a| caller.sees(a));
                found.ok_or_else(|| Problem::not_found(format!("area at {position:?}")))
            }
            _ => Err(Problem::new(&error::BAD_BODY, "give area or position")),
        }
    }

    /// The type, if one was given.
    pub(super) fn type_id(&self) -> Option<&str> {
        self.r#type.as_deref().filter(|id| !id.is_empty())
    }

    /// The row of the type's standard.
    pub(super) const fn row(&self) -> Option<usize> {
        self.row
    }
}

async fn open_case(
    city: &City,
    caller: &Caller,
    new: NewCase,
    key: Option<&RequestKey>,
) -> Answer<Case> {
    let area = AreaPath::of(&city.areas, new.place(city, caller)?);
    let now = clock::now();
    let draft = CaseId::draft(&area, city.profile.local_date(now));
    let events = first_event(city, caller, new, area, now)?;
    let filed = match key {
        Some(key) => city.records.cases().file_once(draft, &events, key).await?,
        None => city.records.cases().file(draft, &events, None).await?,
    };
    city.publish_case(&filed.case);
    city.learn_type(&filed.case);
    Ok(filed.case)
}

/// What a new case begins with: filed when it cites a row, else reported.
fn first_event(
    city: &City,
    caller: &Caller,
    new: NewCase,
    area: AreaPath,
    now: Timestamp,
) -> Answer<Vec<CaseEvent>> {
    let photos = kept_photos(city, new.photos)?;
    let type_id = new.r#type.filter(|id| !id.is_empty());
    let case_type = type_id.as_deref().map(|id| city.case_type(id)).transpose()?;
    let actor = caller.actor();
    let source = if actor.acts_as(Role::DutyOfficer) {
        CaseSource::DutyOfficer
    } else {
        CaseSource::GridWorker
    };
    let description = new.description.unwrap_or_default();
    let Some(row) = new.row else {
        let lead = case_type.and_then(|t| city.case_rules.responsible(&t.id, &description, &area));
        let request = ReportRequest {
            type_id: type_id.as_deref(),
            agency: lead.map(|lead| lead.agency.to_owned()),
            area,
            position: new.position,
            description,
            reporter: None,
            source,
            external: None,
            photos,
            simulated: city.config.simulated,
        };
        return Ok(report(&request, &actor, now, &city.case_rules)?);
    };
    let case_type =
        case_type.ok_or_else(|| Problem::new(&error::BAD_BODY, "give the type of the row"))?;
    let agency = city.agency_for(new.agency.as_deref(), &case_type.id, &description, &area)?;
    let severity = new.severity.map(|number| {
        Severity::new(number)
            .ok_or_else(|| Problem::new(&error::BAD_BODY, format!("severity {number}")))
    });
    let request = FilingRequest {
        type_id: &case_type.id,
        row,
        agency,
        area,
        position: new.position,
        level: None,
        severity: severity.transpose()?,
        title: None,
        description,
        warning: None,
        source,
        simulated: city.config.simulated,
    };
    let mut events = file(&request, &actor, now, &city.case_rules)?;
    if let Some(first) = events.first_mut() {
        first.photos = photos;
    }
    Ok(events)
}

/// What came of a request; when it was refused because it was done before under its key, the case to which
/// it was done.
async fn or_done(
    city: &City,
    caller: &Caller,
    outcome: Answer<Case>,
    key: Option<&RequestKey>,
) -> Answer<Case> {
    let (Err(_), Some(key)) = (&outcome, key) else { return outcome };
    match city.records.cases().done_under(key).await? {
        Some(id) => visible(city, caller, &id.to_string()).await,
        None => outcome,
    }
}

/// Refuses a step of somebody who saw the case as it was before others moved it.
async fn still_as_seen(city: &City, case: &Case, seen: Option<u32>) -> Answer<()> {
    let Some(seen) = seen.filter(|&seen| seen < case.seq) else { return Ok(()) };
    let events = city.records.cases().events(&case.id).await?;
    // Words, joined reports and the like change nothing that the step was decided on.
    let moved = events.iter().rev().find(|e| e.seq > seen && e.from != Some(e.to));
    let Some(event) = moved else { return Ok(()) };
    let (name, at) = (event.step.name(), event.at.to_rfc3339());
    let detail =
        format!("{}（{}，{at}） / {} ({}, {at})", name.zh, event.actor, name.en, event.actor);
    Err(Problem::new(&error::MOVED_ON, detail))
}

/// What is said along with a step. Which parts a step needs: `dispatch` agency (the proposed one if
/// absent); `file` type and row; `ask_delay` limit; `ask_suspend` until; `hand_*` level or area;
/// `involve`, `admit`, `drop_part`, `arbitrate` agency; `merge` other; `grade` `event_level`; `rate` stars; all that
/// the case's table asks a reason for, a reason.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"note": "已到场", "agency": "gas_company-500103"}))]
pub(crate) struct StepBody {
    note: Option<String>,
    reason: Option<String>,
    agency: Option<String>,
    /// city, district, town.
    level: Option<String>,
    /// The centre's area, for `hand_down` and `hand_sideways`.
    area: Option<String>,
    /// Case type, for `file`; the reported one if absent.
    r#type: Option<String>,
    /// Row of the type's standard, for `file`.
    row: Option<usize>,
    /// Such as `2 work_day`.
    limit: Option<String>,
    /// When a suspension is looked at again (RFC 3339).
    until: Option<String>,
    /// I, II, III, IV.
    event_level: Option<String>,
    /// phone, written.
    form: Option<String>,
    plan: Option<String>,
    /// Number of the case that this one is merged into.
    other: Option<String>,
    /// Stage whose breach is appealed against.
    stage: Option<String>,
    stars: Option<u8>,
    /// `seq` of the case as the caller saw it: when others have moved it on since, the step is refused.
    seen: Option<u32>,
    /// Photos uploaded before.
    #[serde(default)]
    photos: Vec<PhotoBody>,
}

/// The word's value, or what is wrong with it.
fn word<T>(text: Option<String>, read: impl Fn(&str) -> Option<T>) -> Answer<Option<T>> {
    let text = text.filter(|t| !t.trim().is_empty());
    text.map(|t| read(t.trim()).ok_or_else(|| Problem::new(&error::BAD_BODY, t.clone())))
        .transpose()
}

/// Photos of a step, kept for good from now on; a hash of which no picture was sent proves nothing.
fn kept_photos(city: &City, bodies: Vec<PhotoBody>) -> Answer<Vec<Photo>> {
    let photos = bodies.into_iter().map(PhotoBody::read).collect::<Answer<Vec<_>>>()?;
    tokio::task::block_in_place(|| city.photos.name(&photos))?;
    Ok(photos)
}

/// The command that a body means for a case.
async fn command(
    city: &City,
    caller: &Caller,
    case: &Case,
    kind: CommandKind,
    body: StepBody,
) -> Answer<Command> {
    let some = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
    let area = some(body.area).map(|code| {
        let area = city.areas.find(&code);
        area.map(|a| AreaPath::of(&city.areas, a))
            .ok_or_else(|| Problem::new(&error::UNKNOWN_AREA, code.clone()))
    });
    let agency = some(body.agency);
    if let Some(agency) = &agency {
        city.known_agency(agency, &case.area)?;
    }
    let other = match some(body.other) {
        None => None,
        Some(id) => {
            let other = visible(city, caller, &id).await?;
            let open = other.closed_at.is_none() && other.state != CaseState::Merged;
            if !open {
                let detail = format!("{id} is `{}`", other.state.name().en);
                return Err(Problem::new(&error::NOT_ALLOWED_NOW, detail));
            }
            Some(other.id)
        }
    };
    Ok(Command {
        note: some(body.note),
        reason: some(body.reason),
        agency,
        level: word(body.level, Level::from_word)?,
        area: area.transpose()?,
        type_id: some(body.r#type),
        row: body.row,
        limit: word(body.limit, Limit::parse)?,
        until: word(body.until, Timestamp::parse_rfc3339)?,
        event_level: word(body.event_level, EventLevel::from_word)?,
        form: word(body.form, ReportForm::from_word)?,
        plan: some(body.plan),
        other,
        stage: word(body.stage, Stage::from_word)?,
        stars: body.stars,
        photos: kept_photos(city, body.photos)?,
        ..Command::new(kind)
    })
}

/// Take a step: accept, file, dispatch, start, finish, check, close and all others of the case's table. The
/// case's `actions` name those allowed now. With a key a step that is sent again is answered with the case
/// and not taken twice.
#[utoipa::path(post, path = "/api/v1/cases/{id}/{action}", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001"),
        ("action" = String, Path, example = "dispatch"),
        ("Idempotency-Key" = Option<String>, Header, example = "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f11")),
    request_body = StepBody, responses((status = 200, body = CaseDetail)))]
pub(crate) async fn act_on_case(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path((id, action)): Path<(String, String)>,
    keyed: KeyedBody<StepBody>,
) -> Answer<Json<CaseDetail>> {
    caller.need(Permission::Read)?;
    let kind = CommandKind::from_word(&action)
        .ok_or_else(|| Problem::not_found(format!("action {action}")))?;
    let key = keyed.key(&caller.user.name);
    let taken = take(&city, &caller, &id, kind, keyed.body, key.as_ref()).await;
    let case = or_done(&city, &caller, taken, key.as_ref()).await?;
    detail(&city, &caller, &case).await
}

async fn take(
    city: &City,
    caller: &Caller,
    id: &str,
    kind: CommandKind,
    body: StepBody,
    key: Option<&RequestKey>,
) -> Answer<Case> {
    let case = visible(city, caller, id).await?;
    still_as_seen(city, &case, body.seen).await?;
    let command = command(city, caller, &case, kind, body).await?;
    let events = decide(&case, &command, &caller.actor(), clock::now(), &city.case_rules)?;
    let case = city.take_step_once(&case, &events, key).await?;
    if kind == CommandKind::File {
        city.learn_type(&case);
    }
    Ok(case)
}

impl City {
    /// Stores what was decided, tells the screens, and closes what was merged into a case that closes.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` when someone else's step came in between.
    pub(crate) async fn take_step(&self, before: &Case, events: &[CaseEvent]) -> Answer<Case> {
        self.take_step_once(before, events, None).await
    }

    /// As [`Self::take_step`], once under this key.
    async fn take_step_once(
        &self,
        before: &Case,
        events: &[CaseEvent],
        key: Option<&RequestKey>,
    ) -> Answer<Case> {
        let case = self.records.cases().append_once(before, events, key).await?;
        self.publish_case(&case);
        if matches!(case.state, CaseState::Closed | CaseState::ForcedClosed) {
            self.close_merged(&case).await?;
        }
        Ok(case)
    }

    /// Closes what was merged into a case, and what was merged into that. One that cannot be closed now
    /// stays merged and is named in the log: the step that closed the case stands.
    async fn close_merged(&self, case: &Case) -> Answer<()> {
        let program = Actor::program(self.root_path());
        let mut ended = vec![case.id.clone()];
        while let Some(parent) = ended.pop() {
            let close =
                Command { note: Some(parent.to_string()), ..Command::new(CommandKind::Close) };
            for child in self.records.cases().merged_into(&parent).await? {
                let decided = decide(&child, &close, &program, case.changed_at, &self.case_rules)?;
                match self.records.cases().append(&child, &decided).await {
                    Ok(child) => {
                        self.publish_case(&child);
                        ended.push(child.id);
                    }
                    Err(error) => {
                        tracing::error!(%error, case = %child.id, "a merged case could not be closed");
                    }
                }
            }
        }
        Ok(())
    }
}

/// Closes what was merged into cases that were closed just before the program stopped.
pub(crate) async fn close_left_merged(city: Arc<City>) {
    let left = async {
        for case in city.records.cases().with_merged_left().await? {
            city.close_merged(&case).await?;
        }
        Answer::Ok(())
    };
    if let Err(problem) = left.await {
        tracing::error!(
            ?problem,
            "cases stay merged into one that has ended, until the next start"
        );
    }
}
