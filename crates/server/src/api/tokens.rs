//! Bearer tokens of accounts: made with what they narrow, listed, ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chengmai_model::{Timestamp, error};
use chengmai_store::records::tokens::{TokenRow, TokenScope};
use chengmai_store::records::users::UserRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::users::managed;
use crate::accounts::{self, TOKEN_DAYS_MAX};
use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{Body, json};
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem};

/// Days that a token holds when nothing is said.
const DAYS_DEFAULT: u32 = 365;
/// Longest name of a token, in characters.
const LABEL_MAX: usize = 80;

/// A session or token, without what would let anybody use it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0123456789abcdef", "kind": "api", "label": "Telegraf", "permissions": ["ingest"],
    "area": "500103", "device": null, "created_at": "2026-11-21T03:04:05Z", "expires_at": "2027-11-21T03:04:05Z",
    "seen_at": null, "seen_from": null, "second_factor": false, "is_this_one": false}))]
pub(crate) struct TokenView {
    /// By which people know it.
    id: String,
    /// `session` or `api`.
    kind: &'static str,
    label: Option<String>,
    /// What it is limited to; null: all that the account may.
    permissions: Option<Vec<String>>,
    area: Option<String>,
    device: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    /// When it was used last, to the minute.
    seen_at: Option<String>,
    seen_from: Option<String>,
    second_factor: bool,
    /// Whether it is the one that asks.
    is_this_one: bool,
}

impl TokenView {
    pub(super) fn new(row: TokenRow, this: &str) -> Self {
        Self {
            is_this_one: row.id == this,
            id: row.id,
            kind: row.kind.word(),
            label: row.scope.label,
            permissions: row.scope.permissions,
            area: row.scope.area.map(|area| area.code().to_owned()),
            device: row.scope.device,
            created_at: row.created_at.to_rfc3339(),
            expires_at: row.expires_at.map(Timestamp::to_rfc3339),
            seen_at: row.seen_at.map(Timestamp::to_rfc3339),
            seen_from: row.seen_from,
            second_factor: row.strong,
        }
    }
}

/// What a new token is limited to. What is left out is as wide as the account.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"label": "Telegraf", "permissions": ["ingest"], "area": "500103", "device": null, "days": 365}))]
pub(crate) struct NewTokenJson {
    /// What you call it.
    label: Option<String>,
    /// Words of permissions: `ingest`, `read`, …
    permissions: Option<Vec<String>>,
    /// Code of an area within the account's.
    area: Option<String>,
    /// The one device that it speaks for.
    device: Option<String>,
    /// Days that it holds, 1 to 3650 (default 365).
    days: Option<u32>,
}

/// A bearer token, shown once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"token": "cm_0123456789abcdef"}))]
pub(crate) struct TokenJson {
    token: String,
}

/// A new bearer token that acts as this account, or does less, for gateways and scripts.
#[utoipa::path(post, path = "/api/v1/users/{name}/token", tag = "users",
    params(("name" = String, Path, example = "gateway")), request_body = NewTokenJson,
    responses((status = 201, body = TokenJson)))]
pub(crate) async fn create_token(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(body): Body,
) -> Answer<(StatusCode, Json<TokenJson>)> {
    let user = managed(&city, &caller, &name).await?;
    let new: NewTokenJson = json(&body)?;
    let days = new.days.unwrap_or(DAYS_DEFAULT);
    if !(1..=TOKEN_DAYS_MAX).contains(&days) {
        let detail = format!("days={days} is not 1 to {TOKEN_DAYS_MAX}");
        return Err(Problem::new(&error::TOKEN_SCOPE, detail));
    }
    let scope = scope_of(&city, &user, new)?;
    let by = &caller.user.name;
    let token = accounts::new_token(&city.records, &user.name, scope, days, by).await?;
    Ok((StatusCode::CREATED, Json(TokenJson { token })))
}

fn scope_of(city: &City, user: &UserRow, new: NewTokenJson) -> Answer<TokenScope> {
    let refused = |detail: String| Problem::new(&error::TOKEN_SCOPE, detail);
    let label = new.label.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
    if label.as_ref().is_some_and(|label| label.chars().count() > LABEL_MAX) {
        return Err(refused(format!("label: longer than {LABEL_MAX}")));
    }
    if let Some(words) = &new.permissions {
        let unknown = words.iter().find(|word| Permission::from_word(word).is_none());
        if let Some(word) = unknown {
            return Err(refused(format!("permission {word}")));
        }
    }
    let within = |code: String| {
        let area = city.areas.find(&code);
        let path = area.map(|area| chengmai_model::AreaPath::of(&city.areas, area));
        path.filter(|path| user.area.contains(path)).ok_or_else(|| refused(format!("area {code}")))
    };
    let area = new.area.filter(|code| !code.is_empty()).map(within).transpose()?;
    let device = new.device.filter(|device| !device.is_empty());
    if let Some(name) = &device {
        let registry = city.registry.read();
        let found = registry.find(name).map(|id| registry.device(id).area());
        let scope = area.as_ref().unwrap_or(&user.area);
        let is_inside =
            found.is_some_and(|at| scope.contains(&chengmai_model::AreaPath::of(&city.areas, at)));
        if !is_inside {
            return Err(refused(format!("device {name}")));
        }
    }
    Ok(TokenScope { label, permissions: new.permissions, area, device })
}

/// Sessions and tokens of an account, the newest first.
#[utoipa::path(get, path = "/api/v1/users/{name}/tokens", tag = "users",
    params(("name" = String, Path, example = "gateway")),
    responses((status = 200, body = Page<TokenView>)))]
pub(crate) async fn list_tokens(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer<Json<Page<TokenView>>> {
    let user = managed(&city, &caller, &name).await?;
    let rows = city.records.tokens().of(&user.name).await?;
    let views = rows.into_iter().map(|row| TokenView::new(row, &caller.token.id));
    Ok(Json(Page::whole(views.collect())))
}

/// End a session or token of an account.
#[utoipa::path(delete, path = "/api/v1/users/{name}/tokens/{id}", tag = "users",
    params(("name" = String, Path, example = "gateway"), ("id" = String, Path, example = "0123456789abcdef")),
    responses((status = 204, description = "ended")))]
pub(crate) async fn end_token(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let user = managed(&city, &caller, &name).await?;
    end(&city, &user.name, &id, &caller.user.name).await
}

pub(super) async fn end(city: &City, user: &str, id: &str, by: &str) -> Answer<StatusCode> {
    if !city.records.tokens().delete_by_id(user, id).await? {
        return Err(Problem::not_found(format!("token {id}")));
    }
    accounts::note(&city.records, crate::clock::now(), by, "token_ended", user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take away an account's second factor, for one who lost it.
#[utoipa::path(delete, path = "/api/v1/users/{name}/second-factor", tag = "users",
    params(("name" = String, Path, example = "duty")),
    responses((status = 204, description = "gone; it is asked for no more")))]
pub(crate) async fn reset_factor(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    let user = managed(&city, &caller, &name).await?;
    let by = &caller.user.name;
    if !accounts::factor::remove(&city.records, &user.name, by).await? {
        return Err(Problem::not_found(format!("second factor of {name}")));
    }
    city.records.tokens().end_sessions(&user.name, "").await?;
    Ok(StatusCode::NO_CONTENT)
}
