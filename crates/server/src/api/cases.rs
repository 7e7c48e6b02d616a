//! Cases 案件 as they are shown: lists, and one with its history. Steps are in `case_steps`, the rarer facts in
//! `case_more`. What is allowed is decided in `engine::case`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::case::{CaseRules, allowed, escalated_to};
use chengmai_model::case::{
    Case, CaseEvent, CaseId, CaseState, CommandKind, Level, Light, StageClock,
};
use chengmai_model::{Actor, AreaTree, Timestamp};
use chengmai_store::records::PageRequest;
use chengmai_store::records::cases::{CaseFilter, CaseOrder, CaseStateFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::case_more::{CircumstancesJson, ClockRowJson, PhotoJson, circumstances_json};
use super::packs::RowJson;
use crate::city::agencies::Agencies;
use crate::city::{City, path_names};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
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
    /// accept, verify, file, dispatch, handle, review, check, close, follow.
    stage: &'static str,
    stage_name: TextJson,
    started_at: String,
    /// When 80 % of its time is used.
    yellow_at: String,
    due_at: String,
    /// What it may take, such as `4 work_hour`; null when only the deadline is known.
    limit: Option<String>,
    /// How often it was extended.
    extended: usize,
    /// 0 at the start, 1 when due.
    used_share: f64,
    /// green, yellow from 80 %, red overdue.
    light: &'static str,
}

/// A case.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "500103-20261121-00001", "seq": 3, "type": "gas_leak", "type_name": {"zh": "燃气泄漏", "en": "Gas leak"},
    "class": "05-02", "severity": 4, "title": {"zh": "燃气泄漏", "en": "Gas leak"}, "description": "",
    "state": "handling", "state_name": {"zh": "处置中", "en": "Being handled"}, "area": "500103",
    "area_name": "渝中区", "path": "重庆市 / 渝中区", "position": [106.56, 29.55],
    "agency": "gas_company-500103", "agency_name": {"zh": "渝中区燃气公司", "en": "Yuzhong Gas Company"},
    "level": "district", "holder": {"role": "agency_staff", "agency": "gas_company-500103", "area": "500103"},
    "filed_at": "2026-11-21T03:04:05.678Z", "filed_by": "chengmai", "due_at": "2026-11-21T07:34:05.678Z",
    "overdue": false, "escalated_to": null, "closed_at": null, "on_time": null, "warning": null, "source": "warning",
    "external": null, "returns": 0, "reworks": 0, "delays": 0, "urges": 0, "supervisions": 0, "joined": 0, "reopens": 0, "circumstances": {}, "simulated": false, "actions": ["finish", "return"]}))]
pub(crate) struct CaseJson {
    #[schema(example = "500103-20261121-00001")]
    id: String,
    /// Number of its newest event; a step may name it in `seen`.
    seq: u32,
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
    /// When it first became known here; null for imports of the first version.
    reported_at: Option<String>,
    due_at: Option<String>,
    /// The deadline as it was first promised.
    first_due_at: Option<String>,
    overdue: bool,
    /// The centre that an overdue stage has gone up to: district, city.
    escalated_to: Option<&'static str>,
    clock: Option<ClockJson>,
    closed_at: Option<String>,
    on_time: Option<bool>,
    warning: Option<String>,
    source: &'static str,
    /// Its number in the system it was imported from.
    external: Option<String>,
    returns: u32,
    reworks: u32,
    delays: u32,
    urges: u32,
    supervisions: u32,
    /// How many more people reported the same.
    joined: u32,
    reopens: u32,
    circumstances: CircumstancesJson,
    simulated: bool,
    /// Steps the caller may take now.
    actions: Vec<&'static str>,
}

/// What a case is shown with: names, and what may be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) areas: &'a AreaTree,
    pub(crate) agencies: &'a Agencies,
    pub(crate) rules: &'a CaseRules,
}

impl City {
    /// What cases of this city are shown with.
    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown { areas: &self.areas, agencies: &self.agencies, rules: &self.case_rules }
    }
}

pub(crate) fn clock_json(clock: &StageClock, now: Timestamp) -> ClockJson {
    ClockJson {
        stage: clock.stage.word(),
        stage_name: clock.stage.name().into(),
        started_at: clock.started_at.to_rfc3339(),
        yellow_at: clock.yellow_at().to_rfc3339(),
        due_at: clock.due_at.to_rfc3339(),
        limit: clock.limit.map(|limit| limit.to_string()),
        extended: clock.extended.len(),
        used_share: clock.used_share(now),
        light: clock.light(now).word(),
    }
}

pub(crate) fn case_json(
    shown: Shown<'_>,
    case: &Case,
    actor: Option<&Actor>,
    now: Timestamp,
) -> CaseJson {
    let Shown { areas, agencies, rules } = shown;
    let filing = &case.filing;
    let area = areas.find(case.area.code());
    let agency = case.agency.as_deref().and_then(|id| agencies.get(id));
    CaseJson {
        id: case.id.to_string(),
        seq: case.seq,
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
        reported_at: case.reported_at.map(Timestamp::to_rfc3339),
        due_at: case.due_at.map(Timestamp::to_rfc3339),
        first_due_at: case.first_due_at.map(Timestamp::to_rfc3339),
        overdue: case.is_overdue(now),
        escalated_to: escalated_to(case, now).map(Level::word),
        clock: case.clock.as_ref().map(|clock| clock_json(clock, now)),
        closed_at: case.closed_at.map(Timestamp::to_rfc3339),
        on_time: case.on_time,
        warning: filing.warning.map(|w| w.to_string()),
        source: filing.source.word(),
        external: filing.external.clone(),
        returns: case.returns,
        reworks: case.reworks,
        delays: case.delays,
        urges: case.urges,
        supervisions: case.supervisions,
        joined: case.joined,
        reopens: case.reopens,
        circumstances: circumstances_json(&case.circumstances, agencies, now),
        simulated: filing.simulated,
        actions: actor
            .map(|actor| allowed(case, actor, rules).into_iter().map(CommandKind::word).collect())
            .unwrap_or_default(),
    }
}

/// A case as JSON text, for the live stream.
pub(crate) fn case_text(shown: Shown<'_>, case: &Case, now: Timestamp) -> String {
    serde_json::to_string(&case_json(shown, case, None, now)).unwrap_or_default()
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
    /// open, closed, or one state: reported, accepted, verified, filed, dispatched, handling, ...
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
        held_by: query.mine.unwrap_or(false).then(|| (actor.clone(), now)),
        order,
        page: page_request(query.limit, query.cursor)?,
        ..CaseFilter::default()
    };
    let page = city.records.cases().list(&filter).await?;
    let rows = page.items.iter();
    Ok(Json(Page {
        items: rows.map(|case| case_json(city.shown(), case, Some(&actor), now)).collect(),
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
    photos: Vec<PhotoJson>,
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
        photos: event.photos.iter().map(PhotoJson::new).collect(),
    }
}

/// A case with its whole history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseDetail {
    #[serde(flatten)]
    case: CaseJson,
    events: Vec<EventJson>,
    /// Clocks that have ended: what every on-time figure comes from.
    clocks: Vec<ClockRowJson>,
    /// Open cases that were merged into this one.
    children: Vec<String>,
}

impl CaseDetail {
    /// The case's number.
    pub(super) fn id(&self) -> &str {
        &self.case.id
    }
}

/// The case with that id, if the caller may see it.
pub(crate) async fn visible(city: &City, caller: &Caller, id: &str) -> Answer<Case> {
    let missing = || Problem::not_found(format!("case {id}"));
    let parsed = CaseId::parse(id).ok_or_else(missing)?;
    let case = city.records.cases().find(&parsed).await?;
    case.filter(|case| caller.user.area.contains(&case.area)).ok_or_else(missing)
}

pub(crate) async fn detail(city: &City, caller: &Caller, case: &Case) -> Answer<Json<CaseDetail>> {
    let events = city.records.cases().events(&case.id).await?;
    let children = city.records.cases().merged_into(&case.id).await?;
    let actor = caller.actor();
    Ok(Json(CaseDetail {
        case: case_json(city.shown(), case, Some(&actor), clock::now()),
        events: events.into_iter().map(|e| event_json(&city.agencies, e)).collect(),
        clocks: case.clocks.iter().map(|row| ClockRowJson::new(row, &city.agencies)).collect(),
        children: children.iter().map(|child| child.id.to_string()).collect(),
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
