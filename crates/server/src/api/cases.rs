//! Cases 案件: list, detail with its history, filing, every step of the loop. What is allowed is decided in `engine::case`; here it is asked and stored.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::case::{FilingRequest, allowed, decide, file};
use chengmai_model::case::{
    Case, CaseEvent, CaseId, CaseSource, CaseState, Command, CommandKind, Level, Light,
};
use chengmai_model::{Actor, AreaPath, AreaTree, Severity, Timestamp, error};
use chengmai_store::records::PageRequest;
use chengmai_store::records::cases::{CaseFilter, CaseOrder, CaseStateFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::packs::RowJson;
use crate::city::agencies::Agencies;
use crate::city::{City, path_names};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, QueryOf};
use crate::http::list::{LIMIT_MAX, Page, time};
use crate::http::problem::{Answer, Problem, TextJson};

/// Who has a case in hand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HolderJson {
    role: &'static str,
    agency: Option<String>,
    area: String,
}

/// The running clock.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClockJson {
    /// dispatch, handle, check, close.
    stage: &'static str,
    started_at: String,
    due_at: String,
    /// 0 at the start, 1 when due.
    used_share: f64,
    /// green, yellow from 80 %, red overdue.
    light: &'static str,
}

/// A case.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "500103-20261121-00001", "type": "gas_leak", "type_name": {"zh": "燃气泄漏", "en": "Gas leak"},
    "class": "05-02", "severity": 4, "title": {"zh": "燃气泄漏", "en": "Gas leak"}, "description": "",
    "state": "handling", "state_name": {"zh": "处置中", "en": "Being handled"}, "area": "500103",
    "area_name": "渝中区", "path": "重庆市 / 渝中区", "position": [106.56, 29.55],
    "agency": "gas_company-500103", "agency_name": {"zh": "渝中区燃气公司", "en": "Yuzhong Gas Company"},
    "level": "district", "holder": {"role": "agency_staff", "agency": "gas_company-500103", "area": "500103"},
    "filed_at": "2026-11-21T03:04:05.678Z", "filed_by": "chengmai", "due_at": "2026-11-21T07:34:05.678Z",
    "overdue": false, "closed_at": null, "on_time": null, "warning": null, "source": "warning",
    "external": null, "returns": 0, "reworks": 0, "simulated": false, "actions": ["finish", "return"]}))]
pub(crate) struct CaseJson {
    #[schema(example = "500103-20261121-00001")]
    id: String,
    r#type: String,
    type_name: TextJson,
    /// Class of GB/T 30428.2.
    class: String,
    severity: u8,
    title: TextJson,
    description: String,
    /// The row of the filing standard it cites; null for imports.
    row: Option<RowJson>,
    state: &'static str,
    state_name: TextJson,
    area: String,
    area_name: String,
    path: String,
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
    agency: Option<String>,
    agency_name: Option<TextJson>,
    /// Which centre owns it: city, district, town.
    level: &'static str,
    holder: HolderJson,
    filed_at: String,
    filed_by: String,
    due_at: Option<String>,
    overdue: bool,
    clock: Option<ClockJson>,
    closed_at: Option<String>,
    on_time: Option<bool>,
    warning: Option<String>,
    source: &'static str,
    /// Its number in the system it was imported from.
    external: Option<String>,
    returns: u32,
    reworks: u32,
    simulated: bool,
    /// Steps the caller may take now.
    actions: Vec<&'static str>,
}

pub(crate) fn case_json(
    areas: &AreaTree,
    agencies: &Agencies,
    case: &Case,
    actor: Option<&Actor>,
    now: Timestamp,
) -> CaseJson {
    let filing = &case.filing;
    let area = areas.find(case.area.code());
    let agency = case.agency.as_deref().and_then(|id| agencies.get(id));
    CaseJson {
        id: case.id.to_string(),
        r#type: filing.type_id.clone(),
        type_name: (&filing.type_name).into(),
        class: filing.class.clone(),
        severity: filing.severity.number(),
        title: (&filing.title).into(),
        description: filing.description.clone(),
        row: filing.row.as_ref().map(|cited| RowJson::new(cited.index, &cited.row)),
        state: case.state.word(),
        state_name: case.state.name().into(),
        area: case.area.code().to_owned(),
        area_name: area.map(|a| areas.get(a).row.name.clone()).unwrap_or_default(),
        path: area.map(|a| path_names(areas, a)).unwrap_or_default(),
        position: filing.position,
        agency: case.agency.clone(),
        agency_name: agency.map(|a| (&a.name).into()),
        level: case.level.word(),
        holder: HolderJson {
            role: case.holder.role.word(),
            agency: case.holder.agency.clone(),
            area: case.holder.area.code().to_owned(),
        },
        filed_at: case.filed_at.to_rfc3339(),
        filed_by: case.filed_by.clone(),
        due_at: case.due_at.map(Timestamp::to_rfc3339),
        overdue: case.is_overdue(now),
        clock: case.clock.map(|clock| ClockJson {
            stage: clock.stage.word(),
            started_at: clock.started_at.to_rfc3339(),
            due_at: clock.due_at.to_rfc3339(),
            used_share: clock.used_share(now),
            light: clock.light(now).word(),
        }),
        closed_at: case.closed_at.map(Timestamp::to_rfc3339),
        on_time: case.on_time,
        warning: filing.warning.map(|w| w.to_string()),
        source: filing.source.word(),
        external: filing.external.clone(),
        returns: case.returns,
        reworks: case.reworks,
        simulated: filing.simulated,
        actions: actor
            .map(|actor| allowed(case, actor).into_iter().map(CommandKind::word).collect())
            .unwrap_or_default(),
    }
}

/// A case as JSON text, for the live stream.
pub(crate) fn case_text(
    areas: &AreaTree,
    agencies: &Agencies,
    case: &Case,
    now: Timestamp,
) -> String {
    serde_json::to_string(&case_json(areas, agencies, case, None, now)).unwrap_or_default()
}

/// Limit and cursor as the records database takes them.
pub(crate) fn page_request(limit: Option<usize>, cursor: Option<String>) -> Answer<PageRequest> {
    let limit = limit.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_query(format!("limit={limit} is not 1 to {LIMIT_MAX}")));
    }
    let limit = u32::try_from(limit).unwrap_or(100);
    Ok(PageRequest { limit, cursor: cursor.filter(|c| !c.is_empty()) })
}

/// Filters of the list of cases.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CaseQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// open, closed, or one state: filed, dispatched, handling, handled, returned, rework, checked.
    state: Option<String>,
    /// Only this agency's.
    agency: Option<String>,
    /// Only this type.
    r#type: Option<String>,
    /// Only with this light: green, yellow, red.
    light: Option<String>,
    /// Filed at or after (RFC 3339).
    from: Option<String>,
    /// Filed before (RFC 3339).
    to: Option<String>,
    /// Words of title, description, type or number.
    q: Option<String>,
    /// Only cases in the caller's hands.
    mine: Option<bool>,
    /// filed (newest first, default) or due (soonest first).
    sort: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Cases the caller sees.
#[utoipa::path(get, path = "/api/v1/cases", tag = "cases", params(CaseQuery),
    responses((status = 200, body = Page<CaseJson>)))]
pub(crate) async fn list_cases(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<CaseQuery>,
) -> Answer<Json<Page<CaseJson>>> {
    caller.need(Permission::Read)?;
    let (now, actor) = (clock::now(), caller.actor());
    let some = |text: Option<String>| text.filter(|t| !t.is_empty());
    let state = match some(query.state).as_deref() {
        None | Some("all") => CaseStateFilter::All,
        Some("open") => CaseStateFilter::Open,
        Some(word) => CaseStateFilter::In(
            CaseState::from_word(word)
                .ok_or_else(|| Problem::bad_query(format!("state={word}")))?,
        ),
    };
    let light = some(query.light).map(|word| {
        Light::from_word(&word).ok_or_else(|| Problem::bad_query(format!("light={word}")))
    });
    let order = match some(query.sort).as_deref() {
        None | Some("filed") => CaseOrder::Filed,
        Some("due") => CaseOrder::Due,
        Some(word) => return Err(Problem::bad_query(format!("sort={word}"))),
    };
    let filter = CaseFilter {
        areas: vec![caller.scope_path(query.area.as_deref())?],
        state,
        agency: some(query.agency),
        type_id: some(query.r#type),
        light: light.transpose()?.map(|light| (light, now)),
        from: time("from", query.from.as_deref())?,
        to: time("to", query.to.as_deref())?,
        words: some(query.q),
        held_by: query.mine.unwrap_or(false).then(|| actor.clone()),
        order,
        page: page_request(query.limit, query.cursor)?,
        ..CaseFilter::default()
    };
    let page = city.records.cases().list(&filter).await?;
    let rows = page.items.iter();
    Ok(Json(Page {
        items: rows
            .map(|case| case_json(&city.areas, &city.agencies, case, Some(&actor), now))
            .collect(),
        next_cursor: page.next_cursor,
        total: page.total,
    }))
}

/// One step in the life of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventJson {
    seq: u32,
    at: String,
    kind: &'static str,
    name: TextJson,
    actor: String,
    actor_agency: Option<String>,
    from: Option<&'static str>,
    to: &'static str,
    note: Option<String>,
    agency: Option<String>,
    agency_name: Option<TextJson>,
    level: &'static str,
    /// Milliseconds used of the stage that ended.
    used_ms: Option<i64>,
    /// Whether that stage was overdue when it ended.
    overdue: Option<bool>,
}

fn event_json(agencies: &Agencies, event: CaseEvent) -> EventJson {
    let agency = event.agency.as_deref().and_then(|id| agencies.get(id));
    EventJson {
        seq: event.seq,
        at: event.at.to_rfc3339(),
        kind: event.step.word(),
        name: event.step.name().into(),
        actor: event.actor,
        actor_agency: event.actor_agency,
        from: event.from.map(CaseState::word),
        to: event.to.word(),
        note: event.note,
        agency_name: agency.map(|a| (&a.name).into()),
        agency: event.agency,
        level: event.level.word(),
        used_ms: event.used_ms,
        overdue: event.overdue,
    }
}

/// A case with its whole history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseDetail {
    #[serde(flatten)]
    case: CaseJson,
    events: Vec<EventJson>,
}

/// The case with that id, if the caller may see it.
pub(crate) async fn visible(city: &City, caller: &Caller, id: &str) -> Answer<Case> {
    let missing = || Problem::not_found(format!("case {id}"));
    let parsed = CaseId::parse(id).ok_or_else(missing)?;
    let case = city.records.cases().find(&parsed).await?;
    case.filter(|case| caller.user.area.contains(&case.area)).ok_or_else(missing)
}

async fn detail(city: &City, caller: &Caller, case: &Case) -> Answer<Json<CaseDetail>> {
    let events = city.records.cases().events(&case.id).await?;
    let actor = caller.actor();
    Ok(Json(CaseDetail {
        case: case_json(&city.areas, &city.agencies, case, Some(&actor), clock::now()),
        events: events.into_iter().map(|e| event_json(&city.agencies, e)).collect(),
    }))
}

/// One case with its history.
#[utoipa::path(get, path = "/api/v1/cases/{id}", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001")),
    responses((status = 200, body = CaseDetail)))]
pub(crate) async fn get_case(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<CaseDetail>> {
    caller.need(Permission::Read)?;
    let case = visible(&city, &caller, &id).await?;
    detail(&city, &caller, &case).await
}

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
    let agency = city.agency_for(new.agency.as_deref(), &case_type.lead, &area)?;
    let severity = new.severity.map(|number| {
        Severity::new(number)
            .ok_or_else(|| Problem::new(&error::BAD_BODY, format!("severity {number}")))
    });
    let now = clock::now();
    let request = FilingRequest {
        case_type,
        row: new.row,
        area: area.clone(),
        position: new.position,
        level: None,
        severity: severity.transpose()?,
        title: None,
        description: new.description.unwrap_or_default(),
        agency,
        warning: None,
        source: CaseSource::DutyOfficer,
        simulated: city.config.simulated,
    };
    let events = file(&request, &caller.actor(), now)?;
    let draft = CaseId::draft(&area, city.profile.local_date(now));
    let filed = city.records.cases().file(draft, &events, None).await?;
    city.publish_case(&filed.case);
    detail(&city, &caller, &filed.case).await
}

/// What is said along with a step. Which parts a step needs: `dispatch` agency (proposed one if
/// absent); `return`, `check_fail`, `hand_*` reason; `hand_*` level or area.
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
}

/// Take a step: dispatch, start, finish, return, `check_pass`, `check_fail`, close, `hand_up`,
/// `hand_down`, `hand_sideways`. The case's `actions` name those allowed now.
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
    let some = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
    let level = some(body.level).map(|word| {
        Level::from_word(&word).ok_or_else(|| Problem::new(&error::BAD_BODY, word.clone()))
    });
    let area = some(body.area).map(|code| {
        let area = city.areas.find(&code);
        area.map(|a| AreaPath::of(&city.areas, a))
            .ok_or_else(|| Problem::new(&error::UNKNOWN_AREA, code.clone()))
    });
    let agency = some(body.agency);
    if let Some(agency) = &agency {
        city.known_agency(agency, &case.area)?;
    }
    let command = Command {
        kind,
        note: some(body.note),
        reason: some(body.reason),
        agency,
        level: level.transpose()?,
        area: area.transpose()?,
    };
    let events = decide(&case, &command, &caller.actor(), clock::now())?;
    let case = city.records.cases().append(&case, &events).await?;
    city.publish_case(&case);
    detail(&city, &caller, &case).await
}
