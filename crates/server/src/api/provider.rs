//! Signing in through the city's identity provider, and linking an account to it.
//!
//! Not here: what is said with the provider (`accounts::provider`). Invariants: the browser that comes back is the one
//! that was sent; nobody is sent on to another site.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Response};
use chengmai_model::error;
use chengmai_wire::geo_report::form_fields;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::session::{cookie, only_people};
use crate::accounts::provider::{Begun, Person, Provider, Purpose};
use crate::accounts::{self, SESSION_MS};
use crate::city::{City, internal};
use crate::http::access::{Caller, same_origin};
use crate::http::extract::JsonBody;
use crate::http::problem::{Answer, Problem};
use crate::http::rate::sender;
use crate::pages::{Language, Page, escape, notice};

/// Knows the browser again that was sent to the provider.
const COOKIE: &str = "chengmai_provider";
/// The page after which one's own account is linked.
const ACCOUNT_PAGE: &str = "/account";

/// Where to go after signing in.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"next": "/cases"}))]
pub(crate) struct BeginSignIn {
    /// A page of ours; the overview when absent.
    next: Option<String>,
}

/// Where the browser goes now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"url": "id.city.example/auth?response_type=code&client_id=chengmai"}))]
pub(crate) struct GoTo {
    url: String,
}

/// The provider, and whether one's own account is linked to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "渝快政", "linked_at": "2026-11-22T03:04:05.678Z"}))]
pub(crate) struct ProviderJson {
    /// What people call it; none: the city has no provider.
    name: Option<String>,
    linked_at: Option<String>,
}

fn provider(city: &City) -> Answer<Arc<Provider>> {
    let provider = city.locks.provider.as_ref().map(Arc::clone);
    provider.ok_or_else(|| Problem::new(&error::PROVIDER_OFF, ""))
}

async fn begin(city: &City, parts: &Parts, purpose: Purpose) -> Answer<Response> {
    let provider = provider(city)?;
    city.locks.try_address(&sender(parts))?;
    let asked = tokio::task::spawn_blocking(move || provider.begin(purpose)).await;
    let Begun { url, cookie } = asked.map_err(|fault| internal(&fault))??;
    let cookie = own_cookie(&parts.headers, &cookie, 600);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(GoTo { url })).into_response())
}

/// Lax: it must come along when the provider sends the browser back.
fn own_cookie(headers: &HeaderMap, value: &str, seconds: u32) -> String {
    let secure = headers.get("x-forwarded-proto").is_some_and(|v| v == "https");
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{COOKIE}={value}; Path=/api/v1/session/provider; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    )
}

/// Begin to sign in through the city's identity provider: where to send the browser. 404 when there is none.
#[utoipa::path(post, path = "/api/v1/session/provider", tag = "session", security(()),
    request_body = BeginSignIn, responses((status = 200, body = GoTo)))]
pub(crate) async fn begin_sign_in(
    State(city): State<Arc<City>>,
    parts: Parts,
    JsonBody(body): JsonBody<BeginSignIn>,
) -> Answer<Response> {
    same_origin(&parts)?;
    let next = body.next.filter(|next| is_ours(next)).unwrap_or_else(|| "/".to_owned());
    begin(&city, &parts, Purpose::SignIn { next }).await
}

/// A path, and no other site's address in its clothes.
fn is_ours(next: &str) -> bool {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    is_path && next.len() <= 2_000 && !next.contains(|c: char| c == '\\' || c.is_control())
}

/// Begin to link one's own account: where to send the browser.
#[utoipa::path(post, path = "/api/v1/session/provider/link", tag = "session",
    responses((status = 200, body = GoTo)))]
pub(crate) async fn begin_link(
    State(city): State<Arc<City>>,
    caller: Caller,
    parts: Parts,
) -> Answer<Response> {
    only_people(&caller)?;
    begin(&city, &parts, Purpose::Link { user: caller.user.name.clone() }).await
}

/// Back from the provider: a page of ours that goes on by itself, or says what went wrong.
#[utoipa::path(get, path = "/api/v1/session/provider/callback", tag = "session", security(()),
    params(("state" = Option<String>, Query, example = "cm_0123"), ("code" = Option<String>, Query, example = "abc"),
        ("error" = Option<String>, Query, example = "access_denied")),
    responses((status = 200, description = "a page; signed in, or linked")))]
pub(crate) async fn come_back(
    State(city): State<Arc<City>>,
    parts: Parts,
    RawQuery(query): RawQuery,
) -> Response {
    let gone = own_cookie(&parts.headers, "", 0);
    let mut answer = match arrive(&city, &parts, &query.unwrap_or_default()).await {
        Ok((next, session)) => {
            let mut answer = Html(onward(&next)).into_response();
            for value in session.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
                answer.headers_mut().append(header::SET_COOKIE, value);
            }
            answer
        }
        Err(problem) => refused(&city, Language::of(&parts.headers, None), &problem),
    };
    if let Ok(value) = HeaderValue::from_str(&gone) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
    answer
}

/// Where to go on, and the cookie of a new session.
async fn arrive(city: &City, parts: &Parts, query: &str) -> Answer<(String, Option<String>)> {
    let (provider, from) = (provider(city)?, sender(parts));
    city.locks.try_address(&from)?;
    let fields = form_fields(query.as_bytes());
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    if !field("error").is_empty() {
        return Err(Problem::new(&error::PROVIDER_ANSWER, field("error")));
    }
    let (shown, state, code) = (shown(&parts.headers), field("state"), field("code"));
    let asked = tokio::task::spawn_blocking(move || provider.finish(&shown, &state, &code)).await;
    let person: Person = asked.map_err(|fault| internal(&fault))??;
    match &person.purpose {
        Purpose::Link { user } => {
            accounts::link(city, user, &person).await?;
            Ok((ACCOUNT_PAGE.to_owned(), None))
        }
        Purpose::SignIn { next } => {
            let token = accounts::by_provider(city, &person, &from).await?;
            Ok((next.clone(), Some(cookie(&parts.headers, &token, SESSION_MS / 1_000))))
        }
    }
}

/// The cookie by which this browser is known.
fn shown(headers: &HeaderMap) -> String {
    let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
    let mut pairs = cookies.unwrap_or_default().split(';').filter_map(|c| c.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Goes on by itself. A redirect would still be the other site's doing, and the session's cookie stays at home then.
fn onward(next: &str) -> String {
    let next = escape(next);
    format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>…</title>\
         <meta http-equiv=\"refresh\" content=\"0;url={next}\"></head>\
         <body><p><a href=\"{next}\">继续 Continue</a></p></body></html>"
    )
}

fn refused(city: &City, language: Language, problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.code.status).unwrap_or(StatusCode::BAD_REQUEST);
    tracing::info!(code = problem.code.label(), detail = problem.detail, "a sign-in was refused");
    let page = Page {
        language,
        city: &city.profile.name,
        simulated: city.config.simulated,
        title: language.say("统一身份认证", "Sign-in by the identity provider"),
        address: "/signin",
    };
    let back = language.say("返回登录", "Back to sign-in");
    let detail = match problem.detail.as_str() {
        "" => String::new(),
        detail => format!("<p><code>{}</code></p>", escape(detail)),
    };
    let notice = notice(language, problem);
    page.answer(status, &format!("{notice}{detail}<p><a href=\"/signin\">{back}</a></p>"))
}

/// The identity provider, and since when one's own account is linked to it.
#[utoipa::path(get, path = "/api/v1/session/provider", tag = "session",
    responses((status = 200, body = ProviderJson)))]
pub(crate) async fn get_link(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<ProviderJson>> {
    let linked = city.records.identities().of(&caller.user.name).await?;
    let name = city.locks.provider.as_ref().map(|provider| provider.name().to_owned());
    Ok(Json(ProviderJson { name, linked_at: linked.map(|row| row.at.to_rfc3339()) }))
}

/// Take the link of one's own account away.
#[utoipa::path(delete, path = "/api/v1/session/provider", tag = "session",
    responses((status = 204, description = "gone; sign in with the password")))]
pub(crate) async fn remove_link(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<StatusCode> {
    only_people(&caller)?;
    unlink(&city, &caller.user.name, &caller.user.name).await
}

/// Take the link of an account away: the person is another one now.
#[utoipa::path(delete, path = "/api/v1/users/{name}/provider", tag = "users",
    params(("name" = String, Path, example = "duty")),
    responses((status = 204, description = "gone; its sessions ended")))]
pub(crate) async fn reset_link(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    let user = super::users::managed(&city, &caller, &name).await?;
    let status = unlink(&city, &user.name, &caller.user.name).await?;
    city.records.tokens().end_sessions(&user.name, "").await?;
    Ok(status)
}

async fn unlink(city: &City, user: &str, by: &str) -> Answer<StatusCode> {
    if !city.records.identities().unlink(user).await? {
        return Err(Problem::not_found(format!("identity of {user}")));
    }
    accounts::note(&city.records, crate::clock::now(), by, "provider_unlinked", user).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_on_to_another_site() {
        for next in ["/", "/cases?area=500103", "/cases/500103-20261121-00001#steps"] {
            assert!(is_ours(next), "{next}");
        }
        for next in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:x",
            "/a\nb",
            "cases",
        ] {
            assert!(!is_ours(next), "{next}");
        }
        let page = onward("/cases?a=\"><script>");
        assert!(!page.contains("<script>") && page.contains("&quot;&gt;&lt;script&gt;"));
    }
}
