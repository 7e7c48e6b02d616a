//! Warnings 预警: the list, and the three answers: confirm, dismiss with a reason, file as a case.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::alarm_quality::Goals;
use chengmai_engine::case::{FilingRequest, file};
use chengmai_model::case::{CaseId, CaseSource};
use chengmai_model::warning::{Held, WarningId};
use chengmai_model::{AreaTree, Severity, Tier, Timestamp, error};
use chengmai_store::records::PageRequest;
use chengmai_store::records::warnings::{WarningAnswer, WarningFilter, WarningRow, WarningView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cases::{CaseJson, case_json, page_request};
use crate::city::{City, path_names};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, QueryOf};
use crate::http::list::{Page, time};
use crate::http::problem::{Answer, Problem, TextJson};

/// What a warning is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubjectJson {
    /// device or indicator.
    kind: String,
    id: String,
}

/// A reading behind a warning.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceJson {
    device: String,
    kind: String,
    value: f64,
    at: String,
}

/// Why a warning is not shown, and the warning or shelf behind that.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldJson {
    /// parent, shelf, group.
    reason: &'static str,
    #[schema(example = "W-00c0ffee00c0ffee")]
    by: String,
}

fn held_json(held: Held) -> HeldJson {
    let (reason, by) = match held {
        Held::Parent(id) => ("parent", id.to_string()),
        Held::Group(id) => ("group", id.to_string()),
        Held::Shelf(id) => ("shelf", id.to_string()),
    };
    HeldJson { reason, by }
}

/// A warning.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "W-00c0ffee00c0ffee", "rule": "gas/methane_in_manhole",
    "rule_name": {"zh": "地下空间燃气聚集", "en": "Gas in an underground space"}, "pack": "gas", "severity": 4,
    "peak_severity": 4, "label": {"zh": "红色", "en": "Red"}, "area": "500103", "area_name": "渝中区",
    "path": "重庆市 / 渝中区", "subject": {"kind": "device", "id": "m1"}, "position": [106.56, 29.55],
    "value": 60.0, "unit": "%LEL", "kind": "methane", "state": "raised",
    "raised_at": "2026-11-21T03:04:05.678Z", "changed_at": "2026-11-21T03:04:05.678Z",
    "answer_due": "2026-11-21T03:09:05.678Z", "escalated_to": null, "answered_by": null, "answered_at": null,
    "note": null, "case": null, "cleared_at": null, "held": null, "reopened": 0, "chattering": false, "stale": false, "proposes": "gas_leak", "simulated": false,
    "evidence": [{"device": "m1", "kind": "methane", "value": 60.0, "at": "2026-11-21T03:04:05.678Z"}]}))]
pub(crate) struct WarningJson {
    #[schema(example = "W-00c0ffee00c0ffee")]
    id: String,
    #[schema(example = "gas/methane_in_manhole")]
    rule: String,
    rule_name: TextJson,
    pack: String,
    /// 1 minor to 4 extreme.
    severity: u8,
    peak_severity: u8,
    label: TextJson,
    area: String,
    area_name: String,
    path: String,
    subject: SubjectJson,
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
    value: f64,
    unit: String,
    kind: Option<String>,
    /// raised, confirmed, dismissed, filed, cleared.
    state: &'static str,
    raised_at: String,
    changed_at: String,
    answer_due: Option<String>,
    /// The tier it has gone up to unanswered.
    escalated_to: Option<&'static str>,
    answered_by: Option<String>,
    answered_at: Option<String>,
    note: Option<String>,
    case: Option<String>,
    cleared_at: Option<String>,
    /// Why it is not shown: parent, shelf or group; null when it is.
    held: Option<HeldJson>,
    /// How often its cause came back soon after it was gone.
    reopened: u64,
    /// Its alarm came and went so fast that its off delay was lengthened.
    chattering: bool,
    /// It has stood for more than a day.
    stale: bool,
    /// Case type it proposes.
    proposes: Option<String>,
    simulated: bool,
    evidence: Vec<EvidenceJson>,
}

pub(crate) fn warning_json(areas: &AreaTree, row: &WarningRow) -> WarningJson {
    let facts = &row.facts;
    let area = areas.find(row.area.code());
    WarningJson {
        id: row.id.to_string(),
        rule: facts.rule.clone(),
        rule_name: (&facts.rule_name).into(),
        pack: facts.pack.clone(),
        severity: row.severity.number(),
        peak_severity: row.peak_severity.number(),
        label: (&facts.label).into(),
        area: row.area.code().to_owned(),
        area_name: area.map(|a| areas.get(a).row.name.clone()).unwrap_or_default(),
        path: area.map(|a| path_names(areas, a)).unwrap_or_default(),
        subject: SubjectJson { kind: facts.subject_kind.clone(), id: facts.subject_id.clone() },
        position: facts.position,
        value: facts.value,
        unit: facts.unit.clone(),
        kind: facts.kind.clone(),
        state: row.state.word(),
        raised_at: row.raised_at.to_rfc3339(),
        changed_at: row.changed_at.to_rfc3339(),
        answer_due: row.answer_due.map(Timestamp::to_rfc3339),
        escalated_to: row.escalated_to.map(Tier::word),
        answered_by: row.answered_by.clone(),
        answered_at: row.answered_at.map(Timestamp::to_rfc3339),
        note: row.note.clone(),
        case: row.case.as_ref().map(ToString::to_string),
        cleared_at: row.cleared_at.map(Timestamp::to_rfc3339),
        held: row.held.map(held_json),
        reopened: row.reopened,
        chattering: row.chattering,
        stale: row.cleared_at.is_none()
            && clock::now().since(row.raised_at) > Goals::default().stale_ms,
        proposes: facts.proposes.clone(),
        simulated: facts.simulated,
        evidence: facts
            .evidence
            .iter()
            .map(|e| EvidenceJson {
                device: e.device.clone(),
                kind: e.kind.clone(),
                value: e.value,
                at: e.at.to_rfc3339(),
            })
            .collect(),
    }
}

/// A warning as JSON text, for the live stream.
pub(crate) fn warning_text(areas: &AreaTree, row: &WarningRow) -> String {
    serde_json::to_string(&warning_json(areas, row)).unwrap_or_default()
}

/// Filters of the list of warnings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WarningQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// open (default: neither answered nor cleared, and shown), answered, cleared, held, odd (standing for over a day, chattering, or back again and again), all.
    state: Option<String>,
    /// Only this severity or worse, 1 to 4.
    severity_min: Option<u8>,
    /// Only of this rule.
    rule: Option<String>,
    /// Only those held back by this warning or shelf.
    held_by: Option<String>,
    /// Raised at or after (RFC 3339).
    from: Option<String>,
    /// Raised before (RFC 3339).
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Warnings the caller sees, newest first.
#[utoipa::path(get, path = "/api/v1/warnings", tag = "warnings", params(WarningQuery),
    responses((status = 200, body = Page<WarningJson>)))]
pub(crate) async fn list_warnings(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<WarningQuery>,
) -> Answer<Json<Page<WarningJson>>> {
    caller.need(Permission::Read)?;
    let view = match query.state.as_deref().unwrap_or("open") {
        "open" | "" => WarningView::Open,
        "answered" => WarningView::Answered,
        "cleared" => WarningView::Cleared,
        "held" => WarningView::Held,
        "odd" => WarningView::Odd(clock::now().plus_ms(-Goals::default().stale_ms)),
        "all" => WarningView::All,
        other => return Err(Problem::bad_query(format!("state={other}"))),
    };
    let severity = query.severity_min.map(|number| {
        Severity::new(number).ok_or_else(|| Problem::bad_query(format!("severity_min={number}")))
    });
    let page: PageRequest = page_request(query.limit, query.cursor)?;
    let filter = WarningFilter {
        areas: vec![caller.scope_path(query.area.as_deref())?],
        view,
        severity_min: severity.transpose()?,
        rule: query.rule.filter(|r| !r.is_empty()),
        held_by: query.held_by.filter(|h| !h.is_empty()),
        from: time("from", query.from.as_deref())?,
        to: time("to", query.to.as_deref())?,
        page,
        ..WarningFilter::default()
    };
    let page = city.records.warnings().list(&filter).await?;
    Ok(Json(Page {
        items: page.items.iter().map(|row| warning_json(&city.areas, row)).collect(),
        next_cursor: page.next_cursor,
        total: page.total,
    }))
}

/// The warning with that id, if the caller may see it.
pub(crate) async fn visible(city: &City, caller: &Caller, id: &str) -> Answer<WarningRow> {
    let missing = || Problem::not_found(format!("warning {id}"));
    let parsed = WarningId::parse(id).ok_or_else(missing)?;
    let row = city.records.warnings().find(parsed).await?;
    row.filter(|row| caller.user.area.contains(&row.area)).ok_or_else(missing)
}

/// One warning.
#[utoipa::path(get, path = "/api/v1/warnings/{id}", tag = "warnings",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee")),
    responses((status = 200, body = WarningJson)))]
pub(crate) async fn get_warning(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<WarningJson>> {
    caller.need(Permission::Read)?;
    let row = visible(&city, &caller, &id).await?;
    Ok(Json(warning_json(&city.areas, &row)))
}

/// A remark.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"note": "已电话核实"}))]
pub(crate) struct NoteBody {
    note: Option<String>,
}

/// It is real: somebody takes it on.
#[utoipa::path(post, path = "/api/v1/warnings/{id}/confirm", tag = "warnings",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee")), request_body = NoteBody,
    responses((status = 200, body = WarningJson)))]
pub(crate) async fn confirm_warning(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<NoteBody>,
) -> Answer<Json<WarningJson>> {
    answer(&city, &caller, &id, WarningAnswer::Confirm, body.note.as_deref()).await
}

/// Why it is nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"reason": "传感器检修中"}))]
pub(crate) struct ReasonBody {
    #[serde(default)]
    reason: String,
}

impl ReasonBody {
    /// The reason, without space around it.
    pub(super) fn text(&self) -> &str {
        self.reason.trim()
    }
}

/// It is nothing; the reason stays on record.
#[utoipa::path(post, path = "/api/v1/warnings/{id}/dismiss", tag = "warnings",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee")), request_body = ReasonBody,
    responses((status = 200, body = WarningJson)))]
pub(crate) async fn dismiss_warning(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Answer<Json<WarningJson>> {
    caller.need(Permission::WarningDecide)?;
    if body.text().is_empty() {
        return Err(Problem::new(&error::REASON_REQUIRED, "reason"));
    }
    answer(&city, &caller, &id, WarningAnswer::Dismiss, Some(body.text())).await
}

async fn answer(
    city: &City,
    caller: &Caller,
    id: &str,
    how: WarningAnswer,
    note: Option<&str>,
) -> Answer<Json<WarningJson>> {
    caller.need(Permission::WarningDecide)?;
    let row = visible(city, caller, id).await?;
    let by = &caller.user.name;
    let row = city.records.warnings().answer(row.id, by, how, note, clock::now()).await?;
    city.publish_warning(&row);
    Ok(Json(warning_json(&city.areas, &row)))
}

/// How to file: everything may be left to the rule's proposal.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"case_type": "gas_leak", "row": 0, "note": "已核实"}))]
pub(crate) struct FileBody {
    /// Case type; the rule's proposal if absent.
    case_type: Option<String>,
    /// Row of its filing standard; the rule's if absent.
    row: Option<usize>,
    /// Agency; routed by area and type if absent.
    agency: Option<String>,
    note: Option<String>,
}

/// A warning and the case it became.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiledJson {
    warning: WarningJson,
    case: CaseJson,
}

/// File it as a case: one case per warning, citing a row of the filing standard.
#[utoipa::path(post, path = "/api/v1/warnings/{id}/file", tag = "warnings",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee")), request_body = FileBody,
    responses((status = 200, body = FiledJson)))]
pub(crate) async fn file_warning(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<FileBody>,
) -> Answer<Json<FiledJson>> {
    caller.need(Permission::WarningDecide)?;
    let row = visible(&city, &caller, &id).await?;
    let type_id = body.case_type.filter(|t| !t.is_empty()).or_else(|| row.facts.proposes.clone());
    let type_id = type_id.ok_or_else(|| Problem::new(&error::NO_STANDARD_ROW, "case_type"))?;
    let case_type = city.case_type(&type_id)?;
    let proposed_row = if row.facts.proposes.as_deref() == Some(type_id.as_str()) {
        city.proposed_row(&row.facts.rule)
    } else {
        0
    };
    let agency = city.agency_for(body.agency.as_deref(), &case_type.id, "", &row.area)?;
    let request = FilingRequest {
        type_id: &case_type.id,
        row: body.row.unwrap_or(proposed_row),
        area: row.area.clone(),
        position: row.facts.position,
        level: None,
        severity: Some(row.severity),
        title: Some(row.facts.rule_name.clone()),
        description: body.note.clone().unwrap_or_default(),
        agency,
        warning: Some(row.id),
        source: CaseSource::Warning,
        simulated: row.facts.simulated,
    };
    let now = clock::now();
    let events = file(&request, &caller.actor(), now, &city.case_rules)?;
    let draft = CaseId::draft(&row.area, city.profile.local_date(now));
    let filed = city.records.cases().file(draft, &events, body.note.as_deref()).await?;
    city.publish_case(&filed.case);
    let row = visible(&city, &caller, &id).await?;
    city.publish_warning(&row);
    let actor = caller.actor();
    Ok(Json(FiledJson {
        warning: warning_json(&city.areas, &row),
        case: case_json(city.shown(), &filed.case, Some(&actor), now),
    }))
}
