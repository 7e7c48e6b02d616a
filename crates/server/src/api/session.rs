//! Signing in and out, and the caller's own password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts;
use crate::city::City;
use crate::http::access::{COOKIE, Caller, credentials};
use crate::http::extract::JsonBody;
use crate::http::problem::Answer;

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "duty", "display_name": "值班员", "roles": ["duty_officer"],
    "area": "500103", "area_name": "渝中区", "tier": "district", "agency": null,
    "permissions": ["read", "warning_decide", "case_decide", "case_check"]}))]
pub(crate) struct UserJson {
    name: String,
    display_name: String,
    roles: Vec<&'static str>,
    area: String,
    area_name: String,
    tier: &'static str,
    agency: Option<String>,
    permissions: Vec<&'static str>,
}

/// The signed-in user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionJson {
    user: UserJson,
}

fn session_json(city: &City, caller: &Caller) -> SessionJson {
    let row = &city.areas.get(caller.area).row;
    let user = &caller.user;
    SessionJson {
        user: UserJson {
            name: user.name.clone(),
            display_name: user.display_name.clone(),
            roles: user.roles.iter().map(|r| r.word()).collect(),
            area: row.code.to_string(),
            area_name: row.name.clone(),
            tier: row.tier.word(),
            agency: user.agency.clone(),
            permissions: caller.permissions().iter().map(|p| p.word()).collect(),
        },
    }
}

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "admin", "password": "correct horse battery"}))]
pub(crate) struct SignIn {
    name: String,
    password: String,
}

/// Sign in: sets a session cookie that scripts cannot read.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", security(()),
    request_body = SignIn, responses((status = 200, body = SessionJson)))]
pub(crate) async fn sign_in(
    State(city): State<Arc<City>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SignIn>,
) -> Answer<impl IntoResponse> {
    let (user, token) = accounts::sign_in(&city, &body.name, &body.password).await?;
    let caller = Caller::new(user, Arc::clone(&city.areas))?;
    // Behind a TLS proxy the cookie must never travel in the clear.
    let secure = headers.get("x-forwarded-proto").is_some_and(|v| v == "https");
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        accounts::SESSION_MS / 1000
    );
    let json = Json(session_json(&city, &caller));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), json))
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = SessionJson)))]
pub(crate) async fn get_session(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Json<SessionJson> {
    Json(session_json(&city, &caller))
}

/// Sign out: the session is void from now on.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session",
    responses((status = 204, description = "signed out")))]
pub(crate) async fn sign_out(
    State(city): State<Arc<City>>,
    _caller: Caller,
    parts: Parts,
) -> Answer<impl IntoResponse> {
    if let Some((token, _)) = credentials(&parts) {
        accounts::revoke(&city, &token).await?;
    }
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cookie)])))
}

/// The old password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"old": "correct horse battery", "new": "staple horse battery"}))]
pub(crate) struct ChangePassword {
    old: String,
    new: String,
}

/// Change one's own password; all other sessions end.
#[utoipa::path(post, path = "/api/v1/session/password", tag = "session",
    request_body = ChangePassword, responses((status = 204, description = "changed")))]
pub(crate) async fn change_password(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<ChangePassword>,
) -> Answer<StatusCode> {
    accounts::change_password(&city, &caller.user, &body.old, &body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}
