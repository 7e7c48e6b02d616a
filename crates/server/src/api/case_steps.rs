//! Steps of a case: filing one at once, and every other step of its table. What is allowed is decided in
//! `engine::case`; here it is asked and stored.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::case::{FilingRequest, decide, file};
use chengmai_model::calendar::Limit;
use chengmai_model::case::{
    Case, CaseEvent, CaseId, CaseSource, CaseState, Command, CommandKind, EventLevel, Level, Photo,
    ReportForm, Stage,
};
use chengmai_model::{Actor, AreaPath, Severity, Timestamp, error};
use serde::Deserialize;
use utoipa::ToSchema;

use super::case_more::PhotoBody;
use super::cases::{CaseDetail, detail, visible};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::problem::{Answer, Problem};

/// What is needed to file a case.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"type": "exposed_rubbish", "row": 0, "area": "500103", "description": "路口垃圾堆积"}))]
pub(crate) struct NewCase {
    r#type: String,
    /// Row of the type's filing standard.
    row: usize,
    /// Where; or give a position.
    area: Option<String>,
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
    description: Option<String>,
    agency: Option<String>,
    severity: Option<u8>,
}

/// File a case, citing a row of the filing standard.
#[utoipa::path(post, path = "/api/v1/cases", tag = "cases", request_body = NewCase,
    responses((status = 200, body = CaseDetail)))]
pub(crate) async fn file_case(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewCase>,
) -> Answer<Json<CaseDetail>> {
    caller.need(Permission::CaseDecide)?;
    let case_type = city.case_type(&new.r#type)?;
    let area = match (&new.area, new.position) {
        (Some(code), _) if !code.is_empty() => caller.scope(Some(code))?,
        (_, Some(position)) => {
            let found = city.areas.locate(position).filter(|&a| caller.sees(a));
            found.ok_or_else(|| Problem::not_found(format!("area at {position:?}")))?
        }
        _ => return Err(Problem::new(&error::BAD_BODY, "give area or position")),
    };
    let area = AreaPath::of(&city.areas, area);
    let description = new.description.unwrap_or_default();
    let asked = new.agency.as_deref();
    let agency = city.agency_for(asked, &case_type.id, &description, &area)?;
    let severity = new.severity.map(|number| {
        Severity::new(number)
            .ok_or_else(|| Problem::new(&error::BAD_BODY, format!("severity {number}")))
    });
    let now = clock::now();
    let request = FilingRequest {
        type_id: &case_type.id,
        row: new.row,
        area: area.clone(),
        position: new.position,
        level: None,
        severity: severity.transpose()?,
        title: None,
        description,
        agency,
        warning: None,
        source: CaseSource::DutyOfficer,
        simulated: city.config.simulated,
    };
    let events = file(&request, &caller.actor(), now, &city.case_rules)?;
    let draft = CaseId::draft(&area, city.profile.local_date(now));
    let filed = city.records.cases().file(draft, &events, None).await?;
    city.publish_case(&filed.case);
    city.learn_type(&filed.case);
    detail(&city, &caller, &filed.case).await
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

/// Photos of a step; a hash of which no picture was sent proves nothing.
fn kept_photos(city: &City, bodies: Vec<PhotoBody>) -> Answer<Vec<Photo>> {
    let photos = bodies.into_iter().map(PhotoBody::read).collect::<Answer<Vec<_>>>()?;
    match photos.iter().find(|photo| !city.photos.has(&photo.hash)) {
        None => Ok(photos),
        Some(photo) => {
            let what = format!("send the picture {} to /api/v1/photos first", photo.hash);
            Err(Problem::new(&error::PHOTO_REQUIRED, what))
        }
    }
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
/// case's `actions` name those allowed now.
#[utoipa::path(post, path = "/api/v1/cases/{id}/{action}", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001"),
        ("action" = String, Path, example = "dispatch")),
    request_body = StepBody, responses((status = 200, body = CaseDetail)))]
pub(crate) async fn act_on_case(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path((id, action)): Path<(String, String)>,
    JsonBody(body): JsonBody<StepBody>,
) -> Answer<Json<CaseDetail>> {
    caller.need(Permission::Read)?;
    let kind = CommandKind::from_word(&action)
        .ok_or_else(|| Problem::not_found(format!("action {action}")))?;
    let case = visible(&city, &caller, &id).await?;
    let command = command(&city, &caller, &case, kind, body).await?;
    let events = decide(&case, &command, &caller.actor(), clock::now(), &city.case_rules)?;
    let case = city.take_step(&case, &events).await?;
    if kind == CommandKind::File {
        city.learn_type(&case);
    }
    detail(&city, &caller, &case).await
}

impl City {
    /// Stores what was decided, tells the screens, and closes what was merged into a case that closes.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` when someone else's step came in between.
    pub(crate) async fn take_step(&self, before: &Case, events: &[CaseEvent]) -> Answer<Case> {
        let case = self.records.cases().append(before, events).await?;
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
