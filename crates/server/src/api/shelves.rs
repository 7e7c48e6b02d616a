//! Shelves 搁置: what people took off the screens for a while, with a reason. The engine obeys and ends
//! them (`chengmai_engine::screen`); the order itself stands in the journal.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::{ShelfView, shelf_id};
use chengmai_model::shelf::ShelfSpec;
use chengmai_model::time::{DAY_MS, HOUR_MS, parse_duration_ms};
use chengmai_model::{AreaId, Order, Severity, ShelfId, Timestamp, error};
use chengmai_store::records::audit::AuditRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, QueryOf};
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem, TextJson};

/// Longest shelf where the city names none of its own. Ours, no standard behind it.
const SHELF_MS_MAX: i64 = DAY_MS;

/// Longest time that anything may be shelved in this city.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
pub(super) fn hours_max(city: &City) -> f64 {
    let own = city.profile.alarms.shelf_max.as_deref().and_then(parse_duration_ms);
    own.unwrap_or(SHELF_MS_MAX) as f64 / HOUR_MS as f64
}

/// Something taken off the screens for a while.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "S-00c0ffee00c0ffee", "rule": "gas/methane_silent",
    "rule_name": {"zh": "燃气监测点失联", "en": "Gas point silent"}, "area": "500103", "area_name": "渝中区",
    "device": null, "severity_max": 3, "since": "2026-11-21T03:00:00.000Z", "until": "2026-11-21T07:00:00.000Z",
    "by": "duty", "reason": "通信基站检修", "holds": 4, "may_end": true}))]
pub(crate) struct ShelfJson {
    #[schema(example = "S-00c0ffee00c0ffee")]
    id: String,
    rule: Option<String>,
    rule_name: Option<TextJson>,
    area: String,
    area_name: String,
    device: Option<String>,
    /// Nothing worse than this is silent.
    severity_max: u8,
    since: String,
    /// When it ends by itself.
    until: String,
    by: String,
    reason: String,
    /// Standing warnings it holds back now in the area asked for. All it ever held: `/api/v1/warnings?state=all&held_by=`.
    holds: u64,
    /// The caller may end it.
    may_end: bool,
}

fn shelf_json(city: &City, caller: &Caller, shelf: &ShelfView) -> ShelfJson {
    let spec = &shelf.spec;
    let engine = city.engine.read();
    let name_of = |rule: &String| {
        let found = engine.catalog().find_rule(rule);
        found.map(|r| (&engine.catalog().rules()[usize::from(r)].name).into())
    };
    let registry = city.registry.read();
    let code = spec.area.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
    ShelfJson {
        id: shelf.id.to_string(),
        rule: spec.rule.clone(),
        rule_name: spec.rule.as_ref().and_then(name_of),
        area_name: city.area_name(&code),
        device: spec.device.map(|device| registry.device(device).spec().name.clone()),
        severity_max: spec.severity_max.number(),
        since: shelf.since.to_rfc3339(),
        until: spec.until.to_rfc3339(),
        by: spec.by.clone(),
        reason: spec.reason.clone(),
        holds: shelf.holds,
        may_end: caller.permissions().contains(&Permission::AlarmShelve)
            && city.areas.find(&code).is_some_and(|area| caller.sees(area)),
        area: code,
    }
}

/// Which area.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShelvedQuery {
    /// This area and below; the caller's own when absent.
    area: Option<String>,
}

/// What is shelved now in an area, also by a centre above it.
#[utoipa::path(get, path = "/api/v1/alarms/shelved", tag = "alarms", params(ShelvedQuery),
    responses((status = 200, body = Page<ShelfJson>)))]
pub(crate) async fn list_shelved(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<ShelvedQuery>,
) -> Answer<Json<Page<ShelfJson>>> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let shelves = city.engine.read().shelves(area);
    let concerns = |shelf: &&ShelfView| {
        let of = shelf.spec.area.as_ref().and_then(|code| city.areas.find(code.as_str()));
        let reaches =
            of.is_some_and(|of| city.areas.contains(of, area) || city.areas.contains(area, of));
        // A device is named only to those in whose area it stands.
        let place = shelf.spec.device.map(|device| city.registry.read().device(device).area());
        reaches && place.is_none_or(|place| city.areas.contains(area, place))
    };
    let items = shelves.iter().filter(concerns).map(|s| shelf_json(&city, &caller, s)).collect();
    Ok(Json(Page::whole(items)))
}

/// What to shelve, until when and why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"rule": "gas/methane_silent", "area": "500103", "hours": 4.0, "reason": "通信基站检修"}))]
pub(crate) struct ShelveBody {
    /// A rule; or a device, or both.
    rule: Option<String>,
    device: Option<String>,
    /// Only in this area; the caller's own when absent.
    area: Option<String>,
    /// For how long.
    hours: f64,
    #[serde(default)]
    reason: String,
    /// Nothing worse than this; 3 when absent. 4 needs the city's centre.
    severity_max: Option<u8>,
}

/// Take a rule or a device off the screens for a while. What it would have said is kept, and shown if
/// it still stands at the end.
#[utoipa::path(post, path = "/api/v1/alarms/shelved", tag = "alarms", request_body = ShelveBody,
    responses((status = 200, body = ShelfJson)))]
pub(crate) async fn shelve(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<ShelveBody>,
) -> Answer<Json<ShelfJson>> {
    caller.need(Permission::AlarmShelve)?;
    let now = clock::now();
    let spec = shelf_spec(&city, &caller, body, now)?;
    let id = shelf_id(&spec, now);
    city.orders(vec![Order::Shelve { id, spec: spec.clone() }]).await?;
    note(&city, &caller, "alarm.shelve", id, &spec.reason, now).await?;
    let shelf = ShelfView { id, spec, since: now, holds: 0 };
    Ok(Json(shelf_json(&city, &caller, &shelf)))
}

fn shelf_spec(city: &City, caller: &Caller, body: ShelveBody, now: Timestamp) -> Answer<ShelfSpec> {
    let area = caller.scope(body.area.as_deref())?;
    let (rule, device) =
        (body.rule.filter(|r| !r.is_empty()), body.device.filter(|d| !d.is_empty()));
    if rule.is_none() && device.is_none() {
        return Err(Problem::new(&error::SHELF_TARGET, "rule, device"));
    }
    if let Some(rule) = &rule
        && city.engine.read().catalog().find_rule(rule).is_none()
    {
        return Err(Problem::new(&error::SHELF_RULE, rule.as_str()));
    }
    let device = device.map(|name| {
        let registry = city.registry.read();
        let found = registry.find(&name).filter(|&id| caller.sees(registry.device(id).area()));
        found.ok_or_else(|| Problem::not_found(format!("device {name}")))
    });
    if body.reason.trim().is_empty() {
        return Err(Problem::new(&error::REASON_REQUIRED, "reason"));
    }
    let severity = Severity::new(body.severity_max.unwrap_or(3))
        .ok_or_else(|| Problem::new(&error::BAD_BODY, "severity_max is not 1 to 4"))?;
    if severity.number() == 4 && caller.area != AreaId::ROOT {
        return Err(Problem::new(&error::SHELF_WORST, "severity_max"));
    }
    let most = hours_max(city);
    if !(body.hours > 0.0 && body.hours <= most) {
        return Err(Problem::new(
            &error::SHELF_TIME,
            format!("hours={}, at most {most}", body.hours),
        ));
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most the city's limit")]
    let ms = (body.hours * 3_600_000.0) as i64;
    Ok(ShelfSpec {
        rule,
        area: Some(city.areas.get(area).row.code.clone()),
        device: device.transpose()?,
        severity_max: severity,
        until: now.plus_ms(ms.max(1)),
        by: caller.user.name.clone(),
        reason: body.reason.trim().to_owned(),
    })
}

/// End a shelf before its time: what it held back and still stands is shown at once.
#[utoipa::path(delete, path = "/api/v1/alarms/shelved/{id}", tag = "alarms",
    params(("id" = String, Path, example = "S-00c0ffee00c0ffee")),
    responses((status = 204)))]
pub(crate) async fn unshelve(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<axum::http::StatusCode> {
    caller.need(Permission::AlarmShelve)?;
    let missing = || Problem::not_found(format!("shelf {id}"));
    let shelf = ShelfId::parse(&id).ok_or_else(missing)?;
    let found = city.engine.read().shelves(AreaId::ROOT).into_iter().find(|s| s.id == shelf);
    let found = found.ok_or_else(missing)?;
    let area = found.spec.area.as_ref().and_then(|code| city.areas.find(code.as_str()));
    if !area.is_some_and(|area| caller.sees(area)) {
        return Err(missing());
    }
    city.orders(vec![Order::Unshelve { id: shelf, by: caller.user.name.clone() }]).await?;
    note(&city, &caller, "alarm.unshelve", shelf, "", clock::now()).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

async fn note(
    city: &City,
    caller: &Caller,
    what: &str,
    id: ShelfId,
    detail: &str,
    at: Timestamp,
) -> Answer<()> {
    let line = AuditRow {
        at,
        who: caller.user.name.clone(),
        what: what.to_owned(),
        object: id.to_string(),
        detail: detail.to_owned(),
    };
    Ok(city.records.audit().add(&line).await?)
}
