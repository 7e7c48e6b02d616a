//! Looking back on an incident 复盘: what happened and who knew when, how the city stood at any
//! moment, what was found, and the tasks that came of it. An incident is a warning or a case; one
//! that belongs to the other is told together with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::answer::{ANSWER_LIMITS_MS, escalation};
use chengmai_model::case::{Case, CaseEvent, CaseId};
use chengmai_model::time::{DAY_MS, HOUR_MS};
use chengmai_model::warning::WarningId;
use chengmai_model::{AreaPath, Text, Tier, Timestamp, error};
use chengmai_store::records::reviews::{FindingRow, ReviewRow, TaskFilter};
use chengmai_store::records::warnings::WarningRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cases::{self, CaseJson, case_json};
use super::moments::readings_then;
use super::tasks::{TaskJson, task_json};
use super::warnings::{self, WarningJson, warning_json};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, QueryOf};
use crate::http::list::{Page, Paging};
use crate::http::problem::{Answer, Problem, TextJson};

/// Shown before the incident began, and after it ended.
pub(super) const AROUND_MS: i64 = HOUR_MS;
/// Longest stretch that is told.
const SPAN_MS_MAX: i64 = 7 * DAY_MS;
/// Classes of causes that a finding may have.
const CAUSES: [&str; 6] =
    ["late_answer", "late_handling", "rule", "device", "coordination", "other"];

/// Something that happened, and who knew.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"at": "2026-11-21T03:04:05.678Z", "kind": "warning_raised", "name": null, "who": null, "tier": "town", "note": null, "value": 60.0}))]
pub(crate) struct MomentJson {
    at: String,
    /// reading, warning_raised, warning_held, warning_escalated, warning_confirmed, warning_dismissed, warning_filed,
    /// warning_cleared, case, finding, task_given, task_done.
    kind: &'static str,
    /// Of a step of a case.
    name: Option<TextJson>,
    /// The person or agency who did it.
    who: Option<String>,
    /// The centre that knew from then on.
    tier: Option<&'static str>,
    note: Option<String>,
    /// Of a reading.
    value: Option<f64>,
}

impl MomentJson {
    fn new(at: Timestamp, kind: &'static str) -> Self {
        let at = at.to_rfc3339();
        Self { at, kind, name: None, who: None, tier: None, note: None, value: None }
    }
}

/// Something that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingJson {
    id: i64,
    at: String,
    by: String,
    cause: String,
    text: String,
}

/// An incident that was looked back on, as a list shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "W-00c0ffee00c0ffee", "title": {"zh": "地下空间燃气聚集", "en": "Gas in an underground space"}, "severity": 3,
    "area": "500103001001", "area_name": "大溪沟网格", "at": "2026-11-21T03:04:05.678Z", "findings": 2, "tasks": 1, "open_tasks": 1,
    "due_at": "2026-11-28T03:04:05.678Z", "overdue": false, "simulated": true}))]
pub(crate) struct ReviewHead {
    id: String,
    title: TextJson,
    severity: u8,
    area: String,
    area_name: String,
    /// When the last finding was written or task given.
    at: String,
    findings: u64,
    tasks: u64,
    open_tasks: u64,
    /// When the first open task is due.
    due_at: Option<String>,
    overdue: bool,
    simulated: bool,
}

/// Which reviews.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReviewQuery {
    /// Only in this area and below.
    area: Option<String>,
}

/// Incidents that were looked back on: those with open tasks first, then the newest.
#[utoipa::path(get, path = "/api/v1/reviews", tag = "reviews", params(ReviewQuery, Paging),
    responses((status = 200, body = Page<ReviewHead>)))]
pub(crate) async fn list_reviews(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<ReviewQuery>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answer<Json<Page<ReviewHead>>> {
    caller.need(Permission::Read)?;
    let areas = [caller.scope_path(query.area.as_deref())?];
    let rows = city.records.reviews().list(&areas).await?;
    let Page { items, next_cursor, total } = paging.page(rows.into_iter(), |row| row)?;
    let now = clock::now();
    let mut heads = Vec::with_capacity(items.len());
    for row in items {
        heads.push(head(&city, row, now).await?);
    }
    Ok(Json(Page { items: heads, next_cursor, total }))
}

async fn head(city: &City, row: ReviewRow, now: Timestamp) -> Answer<ReviewHead> {
    let id = row.incident.as_str();
    let (mut title, mut severity, mut simulated) = (Text::new(id, id).into(), 1, false);
    if let Some(id) = WarningId::parse(id) {
        if let Some(warning) = city.records.warnings().find(id).await? {
            title = (&warning.facts.rule_name).into();
            (severity, simulated) = (warning.peak_severity.number(), warning.facts.simulated);
        }
    } else if let Some(id) = CaseId::parse(id)
        && let Some(case) = city.records.cases().find(&id).await?
    {
        title = (&case.filing.title).into();
        (severity, simulated) = (case.filing.severity.number(), case.filing.simulated);
    }
    Ok(ReviewHead {
        id: row.incident,
        title,
        severity,
        area: row.area.code().to_owned(),
        area_name: city.area_name(row.area.code()),
        at: row.at.to_rfc3339(),
        findings: row.findings,
        tasks: row.tasks,
        open_tasks: row.open,
        due_at: row.due_at.map(Timestamp::to_rfc3339),
        overdue: row.due_at.is_some_and(|due| due < now),
        simulated,
    })
}

/// An incident, told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewJson {
    id: String,
    warning: Option<WarningJson>,
    case: Option<CaseJson>,
    area: String,
    area_name: String,
    /// The stretch to be played.
    from: String,
    to: String,
    timeline: Vec<MomentJson>,
    findings: Vec<FindingJson>,
    tasks: Vec<TaskJson>,
    /// The caller may write findings and give tasks.
    may_write: bool,
    /// The rule that raised the warning, when it is one that can be tried otherwise.
    rule: Option<String>,
}

/// What an incident consists of.
pub(super) struct Told {
    pub(super) warning: Option<WarningRow>,
    pub(super) case: Option<(Case, Vec<CaseEvent>)>,
    pub(super) area: AreaPath,
}

/// The incident with that id, if the caller may see it.
pub(super) async fn told(city: &City, caller: &Caller, id: &str) -> Answer<Told> {
    let (warning, case) = if id.starts_with("W-") {
        let warning = warnings::visible(city, caller, id).await?;
        let case = match &warning.case {
            Some(case) => city.records.cases().find(case).await?,
            None => None,
        };
        (Some(warning), case)
    } else {
        let case = cases::visible(city, caller, id).await?;
        let warning = match case.filing.warning {
            Some(warning) => city.records.warnings().find(warning).await?,
            None => None,
        };
        (warning, Some(case))
    };
    // The other half may lie with a larger area; what the caller may not see is not told.
    let warning = warning.filter(|w| caller.user.area.contains(&w.area));
    let case = case.filter(|c| caller.user.area.contains(&c.area));
    let area = warning.as_ref().map(|w| w.area.clone()).or(case.as_ref().map(|c| c.area.clone()));
    let area = area.ok_or_else(|| Problem::not_found(format!("incident {id}")))?;
    let case = match case {
        Some(case) => {
            let events = city.records.cases().events(&case.id).await?;
            Some((case, events))
        }
        None => None,
    };
    Ok(Told { warning, case, area })
}

/// One incident: its timeline, findings and tasks.
#[utoipa::path(get, path = "/api/v1/reviews/{id}", tag = "reviews",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee")),
    responses((status = 200, body = ReviewJson)))]
pub(crate) async fn get_review(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<ReviewJson>> {
    caller.need(Permission::Read)?;
    let told = told(&city, &caller, &id).await?;
    let now = clock::now();
    let areas = [told.area.clone()];
    let mut findings = Vec::new();
    let mut tasks = Vec::new();
    for incident in ids(&told) {
        findings.extend(city.records.reviews().findings(&areas, Some(&incident)).await?);
        let filter =
            TaskFilter { areas: areas.to_vec(), incident: Some(incident), ..TaskFilter::default() };
        tasks.extend(city.records.reviews().tasks(&filter).await?);
    }
    let mut timeline = Vec::new();
    if let Some(warning) = &told.warning {
        for reading in readings_then(&city, &caller, &told, warning.raised_at).await? {
            timeline.push(MomentJson {
                at: reading.at,
                who: Some(reading.device),
                value: Some(reading.value),
                ..MomentJson::new(warning.raised_at, "reading")
            });
        }
        warning_moments(&city, warning, now, &mut timeline);
    }
    if let Some((_, events)) = &told.case {
        timeline.extend(events.iter().map(|event| MomentJson {
            name: Some(event.step.name().into()),
            who: Some(event.actor.clone()),
            note: event.note.clone(),
            ..MomentJson::new(event.at, "case")
        }));
    }
    timeline.sort_by(|a, b| a.at.cmp(&b.at));
    let (from, to) = stretch(&told, now);
    let actor = caller.actor();
    Ok(Json(ReviewJson {
        id,
        warning: told.warning.as_ref().map(|w| warning_json(&city.areas, w)),
        case: told.case.as_ref().map(|(case, _)| case_json(city.shown(), case, Some(&actor), now)),
        area: told.area.code().to_owned(),
        area_name: city.area_name(told.area.code()),
        from: from.to_rfc3339(),
        to: to.to_rfc3339(),
        timeline,
        findings: findings.into_iter().map(finding_json).collect(),
        tasks: tasks.iter().map(|task| task_json(&city, &caller, task, now)).collect(),
        may_write: caller.need(Permission::ReviewWrite).is_ok(),
        rule: told.warning.as_ref().and_then(|warning| rule_of(&city, warning)),
    }))
}

/// The rule's id in its pack; nothing for one that a pack's indicators made.
fn rule_of(city: &City, warning: &WarningRow) -> Option<String> {
    let packs = city.rules.packs();
    let pack = packs.iter().find(|pack| pack.head.id == warning.facts.pack)?;
    let id = warning.facts.rule.strip_prefix(&pack.head.id)?.strip_prefix('/')?;
    pack.rules.iter().any(|rule| rule.id == id).then(|| id.to_owned())
}

/// Under its first id an incident is on record: the warning's, if there is one and it may be seen.
pub(super) fn ids(told: &Told) -> Vec<String> {
    let warning = told.warning.iter().map(|w| w.id.to_string());
    warning.chain(told.case.iter().map(|(case, _)| case.id.to_string())).collect()
}

/// From an hour before it began to an hour after it was over.
pub(super) fn stretch(told: &Told, now: Timestamp) -> (Timestamp, Timestamp) {
    let warning = told.warning.as_ref();
    let evidence = warning.and_then(|w| w.facts.evidence.iter().map(|e| e.at).min());
    let case = told.case.as_ref().map(|(case, _)| case);
    let began = [warning.map(|w| w.raised_at), case.map(|c| c.filed_at), evidence];
    let began = began.into_iter().flatten().min().unwrap_or(now);
    // An open incident is told up to now; a closed one up to its end.
    let over = warning.is_none_or(|w| w.cleared_at.is_some())
        && case.is_none_or(|c| c.closed_at.is_some());
    let ends = [warning.and_then(|w| w.cleared_at), case.and_then(|c| c.closed_at)];
    let ended = ends.into_iter().flatten().max().filter(|_| over).unwrap_or(now);
    let from = began.plus_ms(-AROUND_MS);
    (from, ended.plus_ms(AROUND_MS).min(now).min(from.plus_ms(SPAN_MS_MAX)))
}

/// Raised, known to a centre, gone up, answered, cleared. How far up it had gone is worked out again
/// from the same limits: a function of the times.
fn warning_moments(city: &City, row: &WarningRow, now: Timestamp, out: &mut Vec<MomentJson>) {
    let tier = city.areas.find(row.area.code()).map_or(Tier::City, |a| city.areas.get(a).row.tier);
    let readings = row.facts.evidence.iter().map(|evidence| MomentJson {
        who: Some(evidence.device.clone()),
        value: Some(evidence.value),
        ..MomentJson::new(evidence.at, "reading")
    });
    // The evidence is the latest; what began it was read from history.
    let known: BTreeSet<_> = out.iter().map(|m| (m.at.clone(), m.who.clone())).collect();
    out.extend(readings.filter(|m| !known.contains(&(m.at.clone(), m.who.clone()))));
    // Nobody knew of one that was not shown.
    let shown = row.held.is_none();
    out.push(MomentJson {
        tier: shown.then(|| tier.min(Tier::Town).word()),
        ..MomentJson::new(row.raised_at, "warning_raised")
    });
    if !shown {
        out.push(MomentJson::new(row.raised_at, "warning_held"));
    }
    let ends = [row.answered_at, row.cleared_at].into_iter().flatten().min().unwrap_or(now);
    let limit = answer_limit(city, row);
    let mut seen = None;
    for step in (1..=3_i64).filter(|_| shown) {
        let at = row.raised_at.plus_ms(limit * step + 1);
        let stands = escalation(tier, row.raised_at, limit, at.min(ends));
        if let Some((since, to)) = stands.escalated_at.zip(stands.escalated_to)
            && seen != Some(to)
        {
            seen = Some(to);
            let tier = Some(to.word());
            out.push(MomentJson { tier, ..MomentJson::new(since, "warning_escalated") });
        }
    }
    if let Some(at) = row.answered_at {
        let kind = match row.state.word() {
            "dismissed" => "warning_dismissed",
            "filed" => "warning_filed",
            _ => "warning_confirmed",
        };
        let (who, note) = (row.answered_by.clone(), row.note.clone());
        out.push(MomentJson { who, note, ..MomentJson::new(at, kind) });
    }
    if let Some(at) = row.cleared_at {
        out.push(MomentJson::new(at, "warning_cleared"));
    }
}

fn answer_limit(city: &City, row: &WarningRow) -> i64 {
    let place = usize::from(row.peak_severity.number()) - 1;
    let engine = city.engine.read();
    let rule = engine.catalog().find_rule(&row.facts.rule);
    let stated = rule.and_then(|r| engine.catalog().rules()[usize::from(r)].answer_ms[place]);
    stated.unwrap_or(ANSWER_LIMITS_MS[place])
}

/// A finding.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"cause": "late_answer", "text": "夜间无人应答，上升到区级后才处理"}))]
pub(crate) struct FindingBody {
    /// late_answer, late_handling, rule, device, coordination, other.
    cause: String,
    text: String,
}

/// Writes down what was found.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/findings", tag = "reviews",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee")), request_body = FindingBody,
    responses((status = 200, body = ReviewJson)))]
pub(crate) async fn add_finding(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<FindingBody>,
) -> Answer<Json<ReviewJson>> {
    caller.need(Permission::ReviewWrite)?;
    let told = told(&city, &caller, &id).await?;
    if !CAUSES.contains(&body.cause.as_str()) || body.text.trim().is_empty() {
        return Err(Problem::new(&error::BAD_BODY, format!("cause={}", body.cause)));
    }
    let row = FindingRow {
        id: 0,
        incident: ids(&told).swap_remove(0),
        area: told.area,
        at: clock::now(),
        by: caller.user.name.clone(),
        cause: body.cause,
        text: body.text.trim().to_owned(),
    };
    city.records.reviews().add_finding(&row).await?;
    get_review(State(city), caller, Path(id)).await
}

fn finding_json(row: FindingRow) -> FindingJson {
    let FindingRow { id, at, by, cause, text, .. } = row;
    FindingJson { id, at: at.to_rfc3339(), by, cause, text }
}
