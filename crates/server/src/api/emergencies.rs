//! Access in an emergency 应急授权: looking beyond one's own area, for a reason, for a while, and reviewed.
//!
//! What it is not: a way to act elsewhere; only what changes nothing is widened (`http::access`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chengmai_model::time::MINUTE_MS;
use chengmai_model::{AreaPath, Timestamp, error};
use chengmai_store::records::break_glass::{BreakGlassRow, Reviewed};
use chengmai_store::records::tokens::TokenKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::{EMERGENCY_MS_MAX, REVIEW_MS};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, PathNumber};
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem};

/// Characters of a reason or remark.
const WORDS: std::ops::RangeInclusive<usize> = 5..=500;

/// An access in an emergency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 7, "user": "duty", "area": "500103", "wanted": "50", "wanted_name": "重庆市",
    "reason": "上游水位猛涨，须看北碚", "at": "2026-11-21T03:04:05Z", "until": "2026-11-21T04:04:05Z",
    "ended_at": null, "review_due": "2026-11-24T03:04:05Z", "review": null}))]
pub(crate) struct EmergencyJson {
    id: i64,
    user: String,
    /// Code of the area of the account then.
    area: String,
    /// Code of the area that may be seen.
    wanted: String,
    wanted_name: String,
    reason: String,
    at: String,
    until: String,
    /// When it was given back early.
    ended_at: Option<String>,
    review_due: String,
    review: Option<EmergencyReviewJson>,
}

/// What a review said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"at": "2026-11-22T03:04:05Z", "by": "supervisor", "was_right": true, "remark": "属实"}))]
pub(crate) struct EmergencyReviewJson {
    at: String,
    by: String,
    was_right: bool,
    remark: String,
}

fn json_of(city: &City, row: BreakGlassRow) -> EmergencyJson {
    EmergencyJson {
        id: row.id,
        user: row.user,
        area: row.area.code().to_owned(),
        wanted_name: city.area_name(row.wanted.code()),
        wanted: row.wanted.code().to_owned(),
        reason: row.reason,
        at: row.at.to_rfc3339(),
        until: row.until.to_rfc3339(),
        ended_at: row.ended_at.map(Timestamp::to_rfc3339),
        review_due: row.at.plus_ms(REVIEW_MS).to_rfc3339(),
        review: row.review.map(|said| EmergencyReviewJson {
            at: said.at.to_rfc3339(),
            by: said.by,
            was_right: said.was_right,
            remark: said.remark,
        }),
    }
}

/// Which area, why, how long.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"area": "50", "reason": "上游水位猛涨，须看北碚", "minutes": 60}))]
pub(crate) struct BeginEmergency {
    /// Code of an area above one's own.
    area: String,
    reason: String,
    /// 5 to 240.
    minutes: u32,
}

/// Look beyond one's own area in an emergency. It is put on record at once, ends by itself, and is reviewed by somebody
/// else within three days.
#[utoipa::path(post, path = "/api/v1/emergencies", tag = "session", request_body = BeginEmergency,
    responses((status = 201, body = EmergencyJson)))]
pub(crate) async fn begin(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<BeginEmergency>,
) -> Answer<(StatusCode, Json<EmergencyJson>)> {
    caller.need(Permission::Emergency)?;
    let refused = |detail: String| Problem::new(&error::NOT_WIDER, detail);
    if caller.token.kind != TokenKind::Session {
        return Err(Problem::new(&error::FORBIDDEN, "programs are not people"));
    }
    let reason = words(&body.reason, &error::NOT_WIDER)?;
    let wanted = city.areas.find(&body.area).map(|area| AreaPath::of(&city.areas, area));
    let is_wider = |path: &AreaPath| path.contains(&caller.home) && *path != caller.home;
    let wanted = wanted.filter(is_wider).ok_or_else(|| refused(format!("area {}", body.area)))?;
    let lasts = i64::from(body.minutes) * MINUTE_MS;
    if !(5 * MINUTE_MS..=EMERGENCY_MS_MAX).contains(&lasts) {
        return Err(refused(format!("minutes={}", body.minutes)));
    }
    let now = clock::now();
    let row = BreakGlassRow {
        id: 0,
        user: caller.user.name.clone(),
        area: caller.home.clone(),
        wanted,
        reason,
        at: now,
        until: now.plus_ms(lasts),
        ended_at: None,
        review: None,
    };
    let id = city.records.break_glass().begin(&row).await?;
    city.locks.emergency_changed(&caller.user.name);
    Ok((StatusCode::CREATED, Json(json_of(&city, BreakGlassRow { id, ..row }))))
}

fn words(text: &str, code: &'static error::ErrorCode) -> Answer<String> {
    let text = text.trim();
    if !WORDS.contains(&text.chars().count()) {
        let detail = format!("{} to {} characters", WORDS.start(), WORDS.end());
        return Err(Problem::new(code, detail));
    }
    Ok(text.to_owned())
}

/// Give it back before its time.
#[utoipa::path(delete, path = "/api/v1/emergencies/current", tag = "session",
    responses((status = 204, description = "over")))]
pub(crate) async fn end(State(city): State<Arc<City>>, caller: Caller) -> Answer<StatusCode> {
    city.records.break_glass().end(&caller.user.name, clock::now()).await?;
    city.locks.emergency_changed(&caller.user.name);
    Ok(StatusCode::NO_CONTENT)
}

/// Accesses in an emergency by accounts of the caller's area, the newest first.
#[utoipa::path(get, path = "/api/v1/emergencies", tag = "session",
    responses((status = 200, body = Page<EmergencyJson>)))]
pub(crate) async fn list(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<EmergencyJson>>> {
    caller.need(Permission::EmergencyReview)?;
    let rows = city.records.break_glass().list(&[caller.scope_path(None)?]).await?;
    Ok(Json(Page::whole(rows.into_iter().map(|row| json_of(&city, row)).collect())))
}

/// What the review says.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"was_right": true, "remark": "情况属实，范围适当"}))]
pub(crate) struct Review {
    was_right: bool,
    remark: String,
}

/// Review an access in an emergency; nobody reviews their own, and it is done once.
#[utoipa::path(post, path = "/api/v1/emergencies/{id}/review", tag = "session", request_body = Review,
    params(("id" = i64, Path, example = 7)), responses((status = 200, body = EmergencyJson)))]
pub(crate) async fn review(
    State(city): State<Arc<City>>,
    caller: Caller,
    PathNumber(id): PathNumber,
    JsonBody(body): JsonBody<Review>,
) -> Answer<Json<EmergencyJson>> {
    caller.need(Permission::EmergencyReview)?;
    let glass = city.records.break_glass();
    let missing = || Problem::not_found(format!("emergency {id}"));
    let scope = caller.scope_path(None)?;
    let row = glass.find(id).await?.filter(|row| scope.contains(&row.area));
    row.ok_or_else(missing)?;
    let said = Reviewed {
        at: clock::now(),
        by: caller.user.name.clone(),
        was_right: body.was_right,
        remark: words(&body.remark, &error::BAD_BODY)?,
    };
    if !glass.review(id, &said).await? {
        return Err(Problem::new(&error::NOT_ALLOWED_NOW, "one's own, or reviewed before"));
    }
    let row = glass.find(id).await?.ok_or_else(missing)?;
    Ok(Json(json_of(&city, row)))
}
