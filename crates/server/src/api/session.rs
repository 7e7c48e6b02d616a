//! Signing in and out, the caller's own password, sessions and second factor.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use chengmai_model::error;
use chengmai_store::records::tokens::TokenKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tokens::TokenView;
use crate::accounts::{self, factor};
use crate::city::City;
use crate::http::access::{COOKIE, Caller, credentials};
use crate::http::extract::JsonBody;
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem};
use crate::http::rate::sender;

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "duty", "display_name": "值班员", "roles": ["duty_officer"],
    "area": "500103", "area_name": "渝中区", "tier": "district", "agency": null,
    "permissions": ["read", "warning_decide", "case_decide", "case_check"],
    "second_factor": true, "must_enrol": false, "emergency": null}))]
pub(crate) struct UserJson {
    name: String,
    display_name: String,
    roles: Vec<&'static str>,
    /// The area seen now: that of an emergency, where there is one.
    area: String,
    area_name: String,
    tier: &'static str,
    agency: Option<String>,
    permissions: Vec<&'static str>,
    /// Whether a second factor was shown.
    second_factor: bool,
    /// Whether one must be set up before anything else.
    must_enrol: bool,
    /// Number of the access in an emergency that is used.
    emergency: Option<i64>,
}

/// The signed-in user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionJson {
    user: UserJson,
}

fn session_json(city: &City, caller: &Caller) -> SessionJson {
    let row = &city.areas.get(caller.area).row;
    let user = &caller.user;
    let must_enrol = city.locks.must_enrol(&user.roles, &caller.token);
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
            second_factor: caller.token.strong,
            must_enrol,
            emergency: caller.emergency,
        },
    }
}

/// Name and password, and a code where the account has a second factor.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "admin", "password": "correct horse battery", "code": "287082"}))]
pub(crate) struct SignIn {
    name: String,
    password: String,
    /// Six digits of the authenticator, or a recovery code.
    code: Option<String>,
}

/// Sign in: sets a session cookie that scripts cannot read. 401 with E-507: a code is needed too.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", security(()),
    request_body = SignIn, responses((status = 200, body = SessionJson)))]
pub(crate) async fn sign_in(
    State(city): State<Arc<City>>,
    parts: Parts,
    JsonBody(body): JsonBody<SignIn>,
) -> Answer<impl IntoResponse> {
    let (code, from) = (body.code.as_deref(), sender(&parts));
    let (user, token) = accounts::sign_in(&city, &body.name, &body.password, code, &from).await?;
    let hash = accounts::hash_token(&token);
    let found = city.records.tokens().find(&hash, crate::clock::now()).await?;
    let row = found.map(|(_, row)| row).ok_or_else(|| Problem::new(&error::SIGN_IN, ""))?;
    let caller = Caller::new(&city, user, row)?;
    let cookie = cookie(&parts.headers, &token, accounts::SESSION_MS / 1_000);
    let json = Json(session_json(&city, &caller));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), json))
}

/// A session's cookie; one of no seconds takes it away.
pub(super) fn cookie(headers: &HeaderMap, token: &str, seconds: i64) -> String {
    // Behind a TLS proxy the cookie must never travel in the clear.
    let secure = headers.get("x-forwarded-proto").is_some_and(|v| v == "https");
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
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
    if let Some(shown) = credentials(&parts) {
        accounts::end_session(&city, &shown.token).await?;
    }
    let cookie = cookie(&parts.headers, "", 0);
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cookie)])))
}

/// The old password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"old": "correct horse battery", "new": "staple horse battery"}))]
pub(crate) struct ChangePassword {
    old: String,
    new: String,
}

/// Change one's own password; all sessions end.
#[utoipa::path(post, path = "/api/v1/session/password", tag = "session",
    request_body = ChangePassword, responses((status = 204, description = "changed")))]
pub(crate) async fn change_password(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<ChangePassword>,
) -> Answer<StatusCode> {
    only_people(&caller)?;
    accounts::change_password(&city, &caller.user, &body.old, &body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Passwords, sessions and second factors are a person's matter: no token changes them.
pub(super) fn only_people(caller: &Caller) -> Answer<()> {
    if caller.token.kind == TokenKind::Session {
        return Ok(());
    }
    Err(Problem::new(&error::FORBIDDEN, "sign in with the password"))
}

/// One's own sessions and tokens, the newest first.
#[utoipa::path(get, path = "/api/v1/session/all", tag = "session",
    responses((status = 200, body = Page<TokenView>)))]
pub(crate) async fn list_sessions(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<TokenView>>> {
    let rows = city.records.tokens().of(&caller.user.name).await?;
    let views = rows.into_iter().map(|row| TokenView::new(row, &caller.token.id));
    Ok(Json(Page::whole(views.collect())))
}

/// End one of one's own sessions or tokens.
#[utoipa::path(delete, path = "/api/v1/session/all/{id}", tag = "session",
    params(("id" = String, Path, example = "0123456789abcdef")),
    responses((status = 204, description = "ended")))]
pub(crate) async fn end_one(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    only_people(&caller)?;
    super::tokens::end(&city, &caller.user.name, &id, &caller.user.name).await
}

/// Whether there is a second factor, and what is left of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"is_set": true, "recovery_left": 10}))]
pub(crate) struct FactorJson {
    is_set: bool,
    recovery_left: usize,
}

/// One's own second factor.
#[utoipa::path(get, path = "/api/v1/session/second-factor", tag = "session",
    responses((status = 200, body = FactorJson)))]
pub(crate) async fn get_factor(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<FactorJson>> {
    let factor = city.records.factors().find(&caller.user.name).await?;
    let factor = factor.filter(|factor| factor.confirmed_at.is_some());
    let recovery_left = factor.as_ref().map_or(0, |factor| factor.recovery.len());
    Ok(Json(FactorJson { is_set: factor.is_some(), recovery_left }))
}

/// One's password, to show that it is still oneself.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"password": "correct horse battery"}))]
pub(crate) struct Password {
    password: String,
}

/// A secret for an authenticator, shown once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    "uri": "otpauth://totp/Chengmai:duty?secret=GEZDGNBV", "svg": "<svg …>"}))]
pub(crate) struct BegunJson {
    secret: String,
    uri: String,
    /// The same as a picture to point a phone at.
    svg: String,
}

/// Begin to set up a second factor: a secret for an authenticator. It is asked for after a code was shown.
#[utoipa::path(post, path = "/api/v1/session/second-factor", tag = "session",
    request_body = Password, responses((status = 200, body = BegunJson)))]
pub(crate) async fn begin_factor(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<Password>,
) -> Answer<Json<BegunJson>> {
    only_people(&caller)?;
    accounts::same_person(&city, &caller.user, &body.password).await?;
    let name = &city.profile.name.en;
    let factor::Begun { secret, uri, svg } =
        factor::begin(&city.records, &caller.user, name).await?;
    Ok(Json(BegunJson { secret, uri, svg }))
}

/// A code of the authenticator.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"code": "287082"}))]
pub(crate) struct Code {
    code: String,
}

/// Recovery codes, shown once; each lets one in when the authenticator is lost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"recovery": ["0a1b2-c3d4e-5f607-18293"]}))]
pub(crate) struct RecoveryJson {
    recovery: Vec<String>,
}

/// Confirm the second factor with a code; from now on it is asked for. All sessions but this one end.
#[utoipa::path(put, path = "/api/v1/session/second-factor", tag = "session",
    request_body = Code, responses((status = 200, body = RecoveryJson)))]
pub(crate) async fn confirm_factor(
    State(city): State<Arc<City>>,
    caller: Caller,
    parts: Parts,
    JsonBody(body): JsonBody<Code>,
) -> Answer<Json<RecoveryJson>> {
    only_people(&caller)?;
    city.locks.try_code(&caller.user.name)?;
    let recovery = factor::confirm(&city.records, &caller.user.name, &body.code).await?;
    let hash = credentials(&parts).map(|shown| accounts::hash_token(&shown.token));
    let hash = hash.unwrap_or_default();
    city.records.tokens().end_sessions(&caller.user.name, &hash).await?;
    city.records.tokens().make_strong(&hash).await?;
    Ok(Json(RecoveryJson { recovery }))
}

/// Take one's own second factor away.
#[utoipa::path(delete, path = "/api/v1/session/second-factor", tag = "session",
    request_body = Password, responses((status = 204, description = "gone")))]
pub(crate) async fn remove_factor(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<Password>,
) -> Answer<StatusCode> {
    only_people(&caller)?;
    accounts::same_person(&city, &caller.user, &body.password).await?;
    factor::remove(&city.records, &caller.user.name, &caller.user.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
