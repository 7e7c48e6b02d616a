//! Improvement tasks 改进任务: what a review asks of an agency or a person, by when, and what shows that
//! it is done.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::{Timestamp, error};
use chengmai_store::records::reviews::{TaskFilter, TaskRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::reviews::{ids, told};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, QueryOf};
use crate::http::list::{Page, time};
use crate::http::problem::{Answer, Problem, TextJson};

/// Something to be made better, with its owner and clock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 1, "incident": "W-00c0ffee00c0ffee", "area": "500103", "area_name": "渝中区", "text": "更换探头",
    "agency": "gas_company-500103", "agency_name": {"zh": "燃气公司", "en": "Gas company"}, "person": null, "at": "2026-11-21T03:04:05.678Z",
    "by": "wang", "due_at": "2026-11-28T03:04:05.678Z", "overdue": false, "done_at": null, "done_by": null, "evidence": null, "mine": false}))]
pub(crate) struct TaskJson {
    id: i64,
    incident: String,
    area: String,
    area_name: String,
    text: String,
    agency: Option<String>,
    agency_name: Option<TextJson>,
    person: Option<String>,
    at: String,
    by: String,
    due_at: String,
    overdue: bool,
    done_at: Option<String>,
    done_by: Option<String>,
    evidence: Option<String>,
    /// The caller may close it.
    mine: bool,
}

/// A task.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"text": "更换探头", "agency": "gas_company-500103", "due_at": "2026-12-01T00:00:00Z"}))]
pub(crate) struct TaskBody {
    text: String,
    /// Its owner: an agency, or a person.
    agency: Option<String>,
    person: Option<String>,
    due_at: String,
}

/// Gives somebody a task to make it better next time.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/tasks", tag = "reviews",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee")), request_body = TaskBody,
    responses((status = 200, body = TaskJson)))]
pub(crate) async fn add_task(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<TaskBody>,
) -> Answer<Json<TaskJson>> {
    caller.need(Permission::ReviewWrite)?;
    let told = told(&city, &caller, &id).await?;
    let said = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
    let (agency, person) = (said(body.agency), said(body.person));
    if agency.is_some() == person.is_some() {
        return Err(Problem::new(&error::TASK_OWNER, ""));
    }
    if let Some(agency) = &agency {
        city.known_agency(agency, &told.area)?;
    }
    if let Some(person) = &person
        && city.records.users().find(person).await?.is_none_or(|u| !u.area.contains(&told.area))
    {
        return Err(Problem::new(&error::TASK_OWNER, person.clone()));
    }
    let now = clock::now();
    let due_at = time("due_at", Some(&body.due_at))?.filter(|&due| due > now);
    let (Some(due_at), false) = (due_at, body.text.trim().is_empty()) else {
        return Err(Problem::new(&error::BAD_BODY, format!("due_at={}", body.due_at)));
    };
    let row = TaskRow {
        id: 0,
        incident: ids(&told).swap_remove(0),
        area: told.area,
        text: body.text.trim().to_owned(),
        agency,
        person,
        at: now,
        by: caller.user.name.clone(),
        due_at,
        done_at: None,
        done_by: None,
        evidence: None,
    };
    let row = city.records.reviews().add_task(&row).await?;
    Ok(Json(task_json(&city, &caller, &row, now)))
}

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// open (default) or all.
    state: Option<String>,
    /// Only the caller's own: theirs, or their agency's.
    mine: Option<bool>,
}

/// Improvement tasks, the open ones first, the longest due first.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "reviews", params(TaskQuery),
    responses((status = 200, body = Page<TaskJson>)))]
pub(crate) async fn list_tasks(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<TaskQuery>,
) -> Answer<Json<Page<TaskJson>>> {
    caller.need(Permission::Read)?;
    let own = || (caller.user.name.clone(), caller.user.agency.clone());
    let filter = TaskFilter {
        areas: vec![caller.scope_path(query.area.as_deref())?],
        incident: None,
        open: query.state.as_deref() != Some("all"),
        owner: query.mine.unwrap_or(false).then(own),
    };
    let now = clock::now();
    let rows = city.records.reviews().tasks(&filter).await?;
    Ok(Json(Page::whole(rows.iter().map(|row| task_json(&city, &caller, row, now)).collect())))
}

/// What shows that a task is done.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"evidence": "探头已更换，工单 2211"}))]
pub(crate) struct DoneBody {
    evidence: String,
}

/// Closes a task: its owner, or who may review, with evidence.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/done", tag = "reviews",
    params(("id" = i64, Path, example = 1)), request_body = DoneBody,
    responses((status = 200, body = TaskJson)))]
pub(crate) async fn finish_task(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<DoneBody>,
) -> Answer<Json<TaskJson>> {
    caller.need(Permission::Read)?;
    let missing = || Problem::not_found(format!("task {id}"));
    let number: i64 = id.parse().map_err(|_not_a_number| missing())?;
    let task = city.records.reviews().find_task(number).await?;
    let task = task.filter(|task| caller.user.area.contains(&task.area)).ok_or_else(missing)?;
    if !owns(&caller, &task) {
        return Err(Problem::new(&error::NOT_TASK_OWNER, id));
    }
    let evidence = body.evidence.trim();
    if evidence.is_empty() {
        return Err(Problem::new(&error::REASON_REQUIRED, "evidence"));
    }
    let now = clock::now();
    city.records.reviews().finish_task(number, &caller.user.name, evidence, now).await?;
    let task = city.records.reviews().find_task(number).await?.ok_or_else(missing)?;
    Ok(Json(task_json(&city, &caller, &task, now)))
}

fn owns(caller: &Caller, task: &TaskRow) -> bool {
    task.person.as_ref() == Some(&caller.user.name)
        || (task.agency.is_some() && task.agency == caller.user.agency)
        || caller.need(Permission::ReviewWrite).is_ok()
}

pub(super) fn task_json(city: &City, caller: &Caller, row: &TaskRow, now: Timestamp) -> TaskJson {
    let agency = row.agency.as_deref().and_then(|id| city.agencies.get(id));
    TaskJson {
        id: row.id,
        incident: row.incident.clone(),
        area: row.area.code().to_owned(),
        area_name: city.area_name(row.area.code()),
        text: row.text.clone(),
        agency: row.agency.clone(),
        agency_name: agency.map(|a| (&a.name).into()),
        person: row.person.clone(),
        at: row.at.to_rfc3339(),
        by: row.by.clone(),
        due_at: row.due_at.to_rfc3339(),
        overdue: row.done_at.is_none() && row.due_at < now,
        done_at: row.done_at.map(Timestamp::to_rfc3339),
        done_by: row.done_by.clone(),
        evidence: row.evidence.clone(),
        mine: row.done_at.is_none() && owns(caller, row),
    }
}
