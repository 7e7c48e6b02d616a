//! Drafts 拟办: what the program of an assistant would have done to cases, and what people decide on it.
//!
//! What it is not: a second way to do something. A draft that is approved is the approver's own request to the same
//! handler, judged by the same tables. Invariants: whoever drafts does nothing; whoever decides is a person who
//! signed in; a draft is done once, whatever stops in between.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::case::allowed;
use chengmai_model::case::{Case, CaseId, CommandKind};
use chengmai_model::time::HOUR_MS;
use chengmai_model::{AreaPath, Text, Timestamp, error};
use chengmai_store::records::drafts::{DraftRow, DraftState, NewDraft};
use chengmai_store::records::tokens::TokenKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::case_steps::{NewCase, StepBody, act_on_case, file_case};
use super::cases::visible as visible_case;
use super::warnings::ReasonBody;
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, KeyedBody, PathNumber, QueryOf};
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem, TextJson};
use crate::policy::What;

/// How long a draft may be approved: the world it was drafted for is gone after that.
const LASTS_MS: i64 = 24 * HOUR_MS;
/// Drafts of one account that wait at a time; nobody reads more.
const WAITING_MAX: u64 = 50;
/// Characters of a remark.
const REMARK_LEN_MAX: usize = 500;

/// What a program proposes, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 7, "action": "dispatch", "action_name": {"zh": "派遣", "en": "Dispatch"}, "case": "500103-20261121-00001",
    "title": {"zh": "道路不洁", "en": "Dirty road"}, "area": "500103", "area_name": "渝中区", "path": "重庆市 / 渝中区",
    "body": {"agency": "street_cleaning-500103", "seen": 1}, "reason": "三小时内两人报同一处", "made_by": "assistant",
    "made_at": "2026-11-21T03:04:05.678Z", "until": "2026-11-22T03:04:05.678Z", "state": "waiting", "decided_by": null,
    "decided_at": null, "remark": null, "outcome": null, "may_approve": true}))]
pub(crate) struct DraftJson {
    id: i64,
    /// A step of a case, or `new_case`.
    action: String,
    action_name: TextJson,
    /// The case whose step it is.
    case: Option<String>,
    /// What the case is about; for a new one its type.
    title: Option<TextJson>,
    area: String,
    area_name: String,
    path: String,
    /// What would be said along with it, as the route of a person's deed takes it.
    #[schema(value_type = Object)]
    body: Value,
    /// Why, in the program's words.
    reason: String,
    /// The account whose program it was.
    made_by: String,
    made_at: String,
    /// When it lapses.
    until: String,
    /// waiting, approved, declined, lapsed.
    state: &'static str,
    decided_by: Option<String>,
    decided_at: Option<String>,
    remark: Option<String>,
    /// The case to which it was done.
    outcome: Option<String>,
    /// Whether the caller could do it now.
    may_approve: bool,
}

/// Which drafts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DraftQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// waiting (default, the oldest first) or ended (the newest first).
    state: Option<String>,
}

/// What programs propose in the caller's area, or what became of it: at most 200.
#[utoipa::path(get, path = "/api/v1/drafts", tag = "drafts", params(DraftQuery),
    responses((status = 200, body = Page<DraftJson>)))]
pub(crate) async fn list_drafts(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<DraftQuery>,
) -> Answer<Json<Page<DraftJson>>> {
    caller.need(Permission::Read)?;
    let (now, areas) = (clock::now(), [caller.scope_path(query.area.as_deref())?]);
    let drafts = city.records.drafts();
    let rows = match query.state.as_deref() {
        None | Some("" | "waiting") => drafts.waiting(&areas, now).await?,
        Some("ended") => drafts.ended(&areas, now).await?,
        Some(other) => return Err(Problem::bad_query(format!("state={other}"))),
    };
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(draft_json(&city, &caller, row, now).await?);
    }
    Ok(Json(Page::whole(items)))
}

async fn draft_json(
    city: &City,
    caller: &Caller,
    row: DraftRow,
    now: Timestamp,
) -> Answer<DraftJson> {
    let DraftRow { id, draft, state, decided_by, decided_at, remark, outcome } = row;
    let case = match &draft.step {
        Some((case, _)) => city.records.cases().find(case).await?,
        None => None,
    };
    let body: Value = serde_json::from_str(&draft.body).unwrap_or_default();
    let (action, action_name) = match &draft.step {
        Some((_, action)) => {
            let kind = CommandKind::from_word(action);
            (action.clone(), kind.map_or_else(|| Text::new(action, action), |k| k.step().name()))
        }
        None if body["row"].is_null() => ("new_case".to_owned(), Text::new("上报", "Report")),
        None => ("new_case".to_owned(), Text::new("立案", "File")),
    };
    let of_type = || city.case_type(body["type"].as_str()?).ok().map(|found| (&found.name).into());
    let is_undone =
        state == DraftState::Waiting || state == DraftState::Approved && outcome.is_none();
    let is_waiting = is_undone && draft.until > now;
    let area = draft.area.code();
    Ok(DraftJson {
        id,
        action,
        action_name: action_name.into(),
        title: match &case {
            Some(case) => Some((&case.filing.title).into()),
            None => of_type(),
        },
        may_approve: is_waiting && could(city, caller, &draft, case.as_ref()),
        case: draft.step.as_ref().map(|(case, _)| case.to_string()),
        area: area.to_owned(),
        area_name: city.area_name(area),
        path: city.areas.find(area).map(|area| city.path_names(area)).unwrap_or_default(),
        body,
        reason: draft.reason,
        made_by: draft.made_by,
        made_at: draft.made_at.to_rfc3339(),
        until: draft.until.to_rfc3339(),
        state: if is_undone && !is_waiting { "lapsed" } else { state.word() },
        decided_by,
        decided_at: decided_at.map(Timestamp::to_rfc3339),
        remark,
        outcome: outcome.map(|case| case.to_string()),
    })
}

/// Whether the caller could do it as a person, as far as that is known without doing it.
fn could(city: &City, caller: &Caller, draft: &NewDraft, case: Option<&Case>) -> bool {
    let in_area = caller.user.area.contains(&draft.area);
    let may = |permission| caller.need_for(permission, What::in_area(&draft.area)).is_ok();
    if caller.token.kind != TokenKind::Session || !in_area {
        return false;
    }
    match (&draft.step, case) {
        (None, _) => may(Permission::CaseDecide),
        (Some((_, action)), Some(case)) => CommandKind::from_word(action)
            .is_some_and(|kind| allowed(case, &caller.actor(), &city.case_rules).contains(&kind)),
        (Some(_), None) => false,
    }
}

/// The draft with that number, if the caller may see it.
async fn visible(city: &City, caller: &Caller, id: i64) -> Answer<DraftRow> {
    let row = city.records.drafts().find(id).await?;
    row.filter(|row| caller.user.area.contains(&row.draft.area))
        .ok_or_else(|| Problem::not_found(format!("draft {id}")))
}

/// Decisions are made by people: with a session, and with one of the permissions to work on cases.
fn by_person(caller: &Caller, area: &AreaPath) -> Answer<()> {
    if caller.token.kind != TokenKind::Session {
        return Err(Problem::new(&error::DRAFT_BY_PERSON, caller.user.name.clone()));
    }
    let work = [Permission::CaseDecide, Permission::CaseHandle, Permission::CaseCheck];
    if work.iter().any(|&one| caller.need_for(one, What::in_area(area)).is_ok()) {
        return Ok(());
    }
    caller.need_for(Permission::CaseDecide, What::in_area(area))
}

/// Approve a draft: it is done at once, in the caller's own name and with the caller's own permissions. When it
/// cannot be done it waits on, and the answer says why.
#[utoipa::path(post, path = "/api/v1/drafts/{id}/approve", tag = "drafts",
    params(("id" = i64, Path, example = 7)), responses((status = 200, body = DraftJson)))]
pub(crate) async fn approve_draft(
    State(city): State<Arc<City>>,
    caller: Caller,
    PathNumber(id): PathNumber,
) -> Answer<Json<DraftJson>> {
    caller.need(Permission::Read)?;
    by_person(&caller, caller.own_area())?;
    let row = visible(&city, &caller, id).await?;
    by_person(&caller, &row.draft.area)?;
    let (drafts, by, now) = (city.records.drafts(), &caller.user.name, clock::now());
    if !drafts.take_up(id, by, now).await? {
        return Err(Problem::new(&error::DRAFT_ENDED, format!("draft {id}")));
    }
    match carry_out(&city, &caller, &row).await {
        Ok(case) => drafts.done(&row, by, now, &case).await?,
        Err(problem) => {
            // What failed inside may have been done: only the same person finds out, by asking again.
            if problem.code.status < 500 {
                drafts.put_back(id, by).await?;
            }
            return Err(problem);
        }
    }
    let row = visible(&city, &caller, id).await?;
    Ok(Json(draft_json(&city, &caller, row, now).await?))
}

/// Does it as the person would; under a key of the draft, so that it is done once.
async fn carry_out(city: &Arc<City>, caller: &Caller, row: &DraftRow) -> Answer<CaseId> {
    let (state, own, key) = (State(Arc::clone(city)), caller.clone(), format!("draft-{}", row.id));
    let body = row.draft.body.as_str();
    let Json(done) = match &row.draft.step {
        None => file_case(state, own, KeyedBody::under(key, body)?).await?,
        Some((case, action)) => {
            let path = Path((case.to_string(), action.clone()));
            act_on_case(state, own, path, KeyedBody::under(key, body)?).await?
        }
    };
    CaseId::parse(done.id()).ok_or_else(|| crate::city::internal(&"a case without a number"))
}

/// Decline a draft; the reason goes back to whoever made it.
#[utoipa::path(post, path = "/api/v1/drafts/{id}/decline", tag = "drafts", request_body = ReasonBody,
    params(("id" = i64, Path, example = 7)), responses((status = 200, body = DraftJson)))]
pub(crate) async fn decline_draft(
    State(city): State<Arc<City>>,
    caller: Caller,
    PathNumber(id): PathNumber,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Answer<Json<DraftJson>> {
    caller.need(Permission::Read)?;
    by_person(&caller, caller.own_area())?;
    let row = visible(&city, &caller, id).await?;
    by_person(&caller, &row.draft.area)?;
    let remark: String = body.text().chars().take(REMARK_LEN_MAX).collect();
    if remark.is_empty() {
        return Err(Problem::new(&error::REASON_REQUIRED, "reason"));
    }
    let now = clock::now();
    if !city.records.drafts().decline(&row, &caller.user.name, &remark, now).await? {
        return Err(Problem::new(&error::DRAFT_ENDED, format!("draft {id}")));
    }
    let row = visible(&city, &caller, id).await?;
    Ok(Json(draft_json(&city, &caller, row, now).await?))
}

/// Drafts a new case. What is said of it must make sense; whether it may be filed is asked of the approver.
pub(super) async fn propose_case(
    city: &Arc<City>,
    caller: &Caller,
    mut given: Map<String, Value>,
) -> Answer<DraftJson> {
    caller.may_propose()?;
    let reason = reason(&mut given)?;
    let body = Value::Object(given);
    let new: NewCase = read(&body)?;
    let area = new.place(city, caller)?;
    match (new.type_id(), new.row()) {
        (None, Some(_)) => return Err(Problem::new(&error::BAD_BODY, "give the type of the row")),
        (Some(id), row) => {
            let rows = city.case_type(id)?.limits.len();
            if row.is_some_and(|row| row >= rows) {
                return Err(Problem::new(&error::NO_STANDARD_ROW, format!("{id} has {rows} rows")));
            }
        }
        (None, None) => {}
    }
    keep(city, caller, AreaPath::of(&city.areas, area), None, &body, reason).await
}

/// Drafts a step of a case as it stands now.
pub(super) async fn propose_step(
    city: &Arc<City>,
    caller: &Caller,
    mut given: Map<String, Value>,
) -> Answer<DraftJson> {
    caller.may_propose()?;
    let reason = reason(&mut given)?;
    let mut text = |name| match given.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (id, action) = (text("case"), text("action"));
    let case = visible_case(city, caller, &id).await?;
    if CommandKind::from_word(&action).is_none() {
        let known: Vec<&str> = CommandKind::ALL.iter().map(|kind| kind.word()).collect();
        let detail = format!("action {action}, but: {}", known.join(", "));
        return Err(Problem::new(&error::MCP_ARGUMENT, detail));
    }
    if let Some(asked) = given.remove("step_reason") {
        given.insert("reason".to_owned(), asked);
    }
    // Who approves approves the step for the case as the program saw it.
    given.insert("seen".to_owned(), json!(case.seq));
    let body = Value::Object(given);
    let _step: StepBody = read(&body)?;
    keep(city, caller, case.area.clone(), Some((case.id, action)), &body, reason).await
}

fn reason(given: &mut Map<String, Value>) -> Answer<String> {
    let reason = given.remove("reason");
    let reason = reason.as_ref().and_then(Value::as_str).unwrap_or_default().trim();
    if reason.is_empty() {
        return Err(Problem::new(&error::REASON_REQUIRED, "reason"));
    }
    Ok(reason.to_owned())
}

fn read<'a, T: Deserialize<'a>>(body: &'a Value) -> Answer<T> {
    T::deserialize(body).map_err(|fault| Problem::new(&error::MCP_ARGUMENT, fault.to_string()))
}

async fn keep(
    city: &City,
    caller: &Caller,
    area: AreaPath,
    step: Option<(CaseId, String)>,
    body: &Value,
    reason: String,
) -> Answer<DraftJson> {
    let now = clock::now();
    let draft = NewDraft {
        area,
        step,
        body: body.to_string(),
        reason,
        made_by: caller.user.name.clone(),
        made_at: now,
        until: now.plus_ms(LASTS_MS),
    };
    let id = city.records.drafts().insert(&draft, WAITING_MAX).await?;
    let id = id.ok_or_else(|| Problem::new(&error::DRAFTS_FULL, format!("{WAITING_MAX}")))?;
    let row = visible(city, caller, id).await?;
    draft_json(city, caller, row, now).await
}
