//! The page behind "no more e-mail" in a citizen's mail: asks once, and stops. A mail program may stop it
//! with one request of its own (List-Unsubscribe).
//!
//! Not here: what the mails say (`city::notify::mail`). Invariant: looking changes nothing, because mail
//! servers look at every link.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chengmai_wire::geo_report::form_fields;

use super::{Language, Page, escape};
use crate::city::City;
use crate::http::problem::{Answer, Problem};

fn language(headers: &HeaderMap, query: Option<String>) -> Language {
    let query = form_fields(query.unwrap_or_default().as_bytes());
    let asked = query.iter().find(|(name, _)| name == "lang").map(|(_, value)| value.as_str());
    Language::of(headers, asked)
}

fn answer(city: &City, language: Language, token: &str, outcome: Answer<String>) -> Response {
    let page = Page {
        language,
        city: &city.profile.name,
        simulated: city.config.simulated,
        title: language.say("不再接收邮件", "No more e-mail"),
        address: &format!("/track/{token}/mail"),
    };
    match outcome {
        Ok(body) => page.answer(StatusCode::OK, &body),
        Err(problem) => page.refused(&problem),
    }
}

/// Asks whether e-mail about a report is to stop. Open to whoever holds the secret link.
#[utoipa::path(get, path = "/track/{token}/mail", tag = "citizens", security(()),
    params(("token" = String, Path, example = "0123456789abcdef0123456789abcdef"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, description = "a page")))]
pub(crate) async fn get_stop_mail(
    State(city): State<Arc<City>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let language = language(&headers, query);
    let outcome = city.tracked(&token).await.map(|tracked| {
        let say = |zh, en| language.say(zh, en);
        if !tracked.contact.mails {
            return stopped(language, &token);
        }
        format!(
            "<p>{}</p><form method=\"post\" action=\"/track/{}/mail?lang={}\"><button type=\"submit\">{}</button></form>",
            say(
                "停止后，不再就这件上报给您发邮件；跟踪链接照常可用。",
                "Once stopped, no more e-mail comes about this report; the tracking link goes on working."
            ),
            escape(&token),
            language.word(),
            say("停止发送邮件", "Stop e-mail"),
        )
    });
    answer(&city, language, &token, outcome)
}

/// What leads here from the tracking page.
pub(super) fn link(language: Language, token: &str) -> String {
    format!(
        "<p class=\"small\">{} <a href=\"/track/{}/mail?lang={}\">{}</a></p>",
        language.say("每一步都会发邮件告诉您。", "You are told each step by e-mail."),
        escape(token),
        language.word(),
        language.say("停止发送邮件", "Stop e-mail"),
    )
}

fn stopped(language: Language, token: &str) -> String {
    format!(
        "<p role=\"status\">{}</p><p><a href=\"/track/{}?lang={}\">{}</a></p>",
        language.say("不再发送邮件。", "No more e-mail is sent."),
        escape(token),
        language.word(),
        language.say("查看进展", "See what happens"),
    )
}

/// Stops e-mail about a report. Open to whoever holds the secret link.
#[utoipa::path(post, path = "/track/{token}/mail", tag = "citizens", security(()),
    params(("token" = String, Path, example = "0123456789abcdef0123456789abcdef")),
    responses((status = 200, description = "a page")))]
pub(crate) async fn post_stop_mail(
    State(city): State<Arc<City>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let language = language(&headers, query);
    let outcome = stop(&city, &token).await.map(|()| stopped(language, &token));
    answer(&city, language, &token, outcome)
}

async fn stop(city: &City, token: &str) -> Answer<()> {
    let tracked = city.tracked(token).await?;
    let done = city.records.citizens().stop_mails(&tracked.contact.reporter).await;
    done.map_err(Problem::from)
}
