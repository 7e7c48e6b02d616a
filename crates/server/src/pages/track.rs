//! The page behind a tracking link: where the case stands, each step in plain words, the clock, the
//! receipt, and what the reporter may do: rate, say it is not fixed, add a remark, urge.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::Timestamp;
use chengmai_model::case::{CaseEvent, CaseStep, Command, CommandKind, PhotoKind};
use chengmai_model::error;
use chengmai_wire::geo_report::form_fields;

use super::{Language, Page, escape, receipt, stop_mail};
use crate::city::City;
use crate::city::citizens::public::is_taken_up;
use crate::city::citizens::{Tracked, without_personal_data};
use crate::clock;
use crate::http::extract::{Taken, base, fields};
use crate::http::problem::{Answer, Problem};
use crate::http::rate::sender;

/// Address of the page without its secret, for the frame.
const ADDRESS: &str = "/track";

fn word<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
}

/// Where a reported case stands. Open to whoever holds the secret link; shows steps and agencies, no
/// staff by name and no contact.
#[utoipa::path(get, path = "/track/{token}", tag = "citizens", security(()),
    params(("token" = String, Path, example = "0123456789abcdef0123456789abcdef"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, description = "a page")))]
pub(crate) async fn get_track(
    State(city): State<Arc<City>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = form_fields(query.unwrap_or_default().as_bytes());
    let language = Language::of(&headers, Some(word(&query, "lang")));
    match city.tracked(&token).await {
        Ok(tracked) => {
            let is_new = !word(&query, "new").is_empty();
            show(&city, language, &token, &tracked, is_new.then(|| base(&headers)), None).await
        }
        Err(problem) => refused(&city, language, &problem),
    }
}

fn refused(city: &City, language: Language, problem: &Problem) -> Response {
    let title = language.say("无法打开", "This does not work");
    frame(city, language, title, "/public").refused(problem)
}

fn frame<'a>(city: &'a City, language: Language, title: &'a str, address: &'a str) -> Page<'a> {
    Page { language, city: &city.profile.name, simulated: city.config.simulated, title, address }
}

/// Rate, say that it is not fixed, add a remark, or urge. Open to whoever holds the secret link.
#[utoipa::path(post, path = "/track/{token}", tag = "citizens", security(()),
    params(("token" = String, Path, example = "0123456789abcdef0123456789abcdef")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", example = "action=rate&stars=5"),
    responses((status = 303, description = "back to the page")))]
pub(crate) async fn post_track(
    State(city): State<Arc<City>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let (from, headers) = (sender(&parts), parts.headers.clone());
    let taken = fields(Request::from_parts(parts, body)).await;
    let form = taken.as_ref().map(|taken| taken.fields.clone()).unwrap_or_default();
    let language = Language::of(&headers, Some(word(&form, "lang")));
    let outcome = match taken {
        Ok(taken) => act(&city, &token, taken, &from).await,
        Err(problem) => Err(problem),
    };
    let Err(problem) = outcome else {
        let address = format!("/track/{token}?lang={}", language.word());
        let address =
            HeaderValue::from_str(&address).unwrap_or(HeaderValue::from_static("/public"));
        return (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response();
    };
    match city.tracked(&token).await {
        Ok(tracked) => show(&city, language, &token, &tracked, None, Some(&problem)).await,
        Err(problem) => refused(&city, language, &problem),
    }
}

async fn act(city: &City, token: &str, taken: Taken, from: &str) -> Answer<()> {
    let tracked = city.tracked(token).await?;
    city.report_rate.citizens.take(from, clock::now())?;
    let kind = CommandKind::from_word(word(&taken.fields, "action"));
    let kind = kind.filter(|kind| tracked.allowed.contains(kind));
    let kind = kind.ok_or_else(|| Problem::new(&error::NOT_ALLOWED_NOW, ""))?;
    let said = Some(word(&taken.fields, "words").to_owned()).filter(|text| !text.is_empty());
    let mut command = Command::new(kind);
    match kind {
        CommandKind::Rate => {
            command.stars = word(&taken.fields, "stars").parse().ok();
            command.note = said;
        }
        CommandKind::Reopen => command.reason = said,
        CommandKind::Remark | CommandKind::Urge => command.note = said,
        _ => return Err(Problem::new(&error::NOT_ALLOWED_NOW, "")),
    }
    city.citizen_step(&tracked, command).await.map(|_case| ())
}

async fn show(
    city: &City,
    language: Language,
    token: &str,
    tracked: &Tracked,
    sent_at: Option<String>,
    problem: Option<&Problem>,
) -> Response {
    let events = match city.records.cases().events(&tracked.case.id).await {
        Ok(events) => events,
        Err(error) => return refused(city, language, &error.into()),
    };
    let say = |zh, en| language.say(zh, en);
    let mut body = problem.map(|problem| super::notice(language, problem)).unwrap_or_default();
    if let Some(base) = sent_at {
        write!(
            body,
            "<div class=\"done\" role=\"status\"><p><strong>{}</strong></p><p>{}</p><p><input readonly aria-label=\"{}\" value=\"{}/track/{}\"></p></div>",
            say("已收到，谢谢。", "Received, thank you."),
            say("请保存这个链接，它是查看进展的唯一办法，不要发给别人。", "Keep this link: it is the only way to see what happens. Do not pass it on."),
            say("跟踪链接", "Tracking link"),
            escape(&base),
            escape(token),
        )
        .expect("writing to a string cannot fail");
    }
    body.push_str(&standing(city, language, tracked));
    body.push_str(&actions(language, token, tracked));
    if tracked.contact.mails {
        body.push_str(&stop_mail::link(language, token));
    }
    body.push_str(&history(city, language, token, &events));
    let title =
        format!("{} · {}", language.of_text(&tracked.case.filing.type_name), tracked.case.id);
    frame(city, language, &title, &format!("{ADDRESS}/{token}")).answer(
        problem.map_or(StatusCode::OK, |problem| {
            StatusCode::from_u16(problem.code.status).unwrap_or(StatusCode::BAD_REQUEST)
        }),
        &body,
    )
}

pub(crate) fn local(city: &City, at: Timestamp) -> String {
    let zone = jiff::tz::TimeZone::get(&city.profile.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A moment as people of the city read it, and as programs do.
pub(super) fn time(city: &City, at: Timestamp) -> String {
    format!("<time datetime=\"{}\">{}</time>", at.to_rfc3339(), local(city, at))
}

fn standing(city: &City, language: Language, tracked: &Tracked) -> String {
    let say = |zh, en| language.say(zh, en);
    let case = &tracked.case;
    let mut rows =
        vec![(say("状态", "Where it stands"), escape(&language.of_text(&case.state.name())))];
    if let Some(agency) = city.agency_name(case).filter(|_| is_taken_up(case.state)) {
        rows.push((say("办理单位", "Who sees to it"), escape(&language.of_text(&agency))));
    }
    let due = case.due_at.or_else(|| case.clock.as_ref().map(|clock| clock.due_at));
    match (case.closed_at, due) {
        (Some(at), _) => rows.push((say("结束时间", "Ended"), time(city, at))),
        (None, Some(due)) => {
            let late = if due < clock::now() { say("（已超期）", " (overdue)") } else { "" };
            let what = if case.due_at.is_some() {
                say("应办结", "To be done by")
            } else {
                say("应答复", "To be answered by")
            };
            rows.push((what, format!("{}{late}", time(city, due))));
        }
        (None, None) => {}
    }
    if case.joined > 0 {
        rows.push((say("附议", "Also reported by"), case.joined.to_string()));
    }
    if let Some(parent) = &case.circumstances.parent {
        rows.push((say("并入案件", "Goes on as part of"), escape(&parent.to_string())));
    }
    if let Some(satisfaction) = &case.circumstances.satisfaction {
        rows.push((say("您的评价", "Your rating"), format!("{} / 5", satisfaction.stars)));
    }
    let rows = rows.iter().fold(String::new(), |html, (name, value)| {
        html + &format!("<dt>{name}</dt><dd>{value}</dd>")
    });
    format!("<dl class=\"facts\">{rows}</dl>")
}

fn actions(language: Language, token: &str, tracked: &Tracked) -> String {
    let say = |zh, en| language.say(zh, en);
    let form = |kind: CommandKind, inside: &str, button: &str| {
        format!(
            "<form method=\"post\" action=\"/track/{}\"><input type=\"hidden\" name=\"lang\" value=\"{}\"><input type=\"hidden\" name=\"action\" value=\"{}\">{inside}<button type=\"submit\">{button}</button></form>",
            escape(token),
            language.word(),
            kind.word(),
        )
    };
    let field = |id: &str, label: &str, required: bool| {
        let required = if required { " required" } else { "" };
        format!(
            "<label for=\"{id}\">{label}</label><textarea id=\"{id}\" name=\"words\" rows=\"3\" maxlength=\"1500\"{required}></textarea>"
        )
    };
    let mut html = String::new();
    for &kind in &tracked.allowed {
        let part = match kind {
            CommandKind::Rate => {
                let stars = (1..=5).rev().fold(String::new(), |html, n| {
                    let checked = if n == 5 { " checked" } else { "" };
                    html + &format!("<label class=\"star\"><input type=\"radio\" name=\"stars\" value=\"{n}\"{checked}> {n} ★</label>")
                });
                form(
                    kind,
                    &format!(
                        "<fieldset><legend>{}</legend>{stars}</fieldset>{}",
                        say("办得怎么样？", "How was it done?"),
                        field(
                            "rate",
                            say("想说些什么？（可不填）", "Anything to add? (optional)"),
                            false
                        )
                    ),
                    say("评价", "Rate"),
                )
            }
            CommandKind::Reopen => form(
                kind,
                &field("reopen", say("还没解决？请说明", "Not fixed? Say what is left"), true),
                say("没有解决", "Not fixed"),
            ),
            CommandKind::Remark => form(
                kind,
                &field("remark", say("补充情况", "Add something"), true),
                say("补充", "Add"),
            ),
            CommandKind::Urge => form(kind, "", say("催办", "Urge")),
            _ => continue,
        };
        html.push_str(&part);
    }
    if html.is_empty() {
        html
    } else {
        format!(
            "<section class=\"actions\"><h2>{}</h2>{html}</section>",
            say("您可以", "What you can do")
        )
    }
}

/// Steps whose words a reporter reads: their own, and what staff says to them.
const SPOKEN: [CaseStep; 7] = [
    CaseStep::Refused,
    CaseStep::Finished,
    CaseStep::Closed,
    CaseStep::ForceClosed,
    CaseStep::Remarked,
    CaseStep::Reopened,
    CaseStep::Rated,
];

fn history(city: &City, language: Language, token: &str, events: &[CaseEvent]) -> String {
    let say = |zh, en| language.say(zh, en);
    let mut html = format!(
        "<section><h2>{}</h2><ol class=\"steps\" reversed>",
        say("办理过程", "Step by step")
    );
    for event in events.iter().rev() {
        // Whose step it was; of a dispatch, to whom.
        let dispatched = event.agency.as_ref().filter(|_| event.step == CaseStep::Dispatched);
        let agency = event.actor_agency.as_ref().or(dispatched);
        let agency = agency
            .and_then(|id| city.agencies.get(id))
            .map(|a| format!(" · {}", escape(&language.of_text(&a.name))))
            .unwrap_or_default();
        let note = event.note.as_deref().filter(|_| SPOKEN.contains(&event.step));
        let note = note
            .map(|text| format!("<p>{}</p>", escape(&without_personal_data(text))))
            .unwrap_or_default();
        let photos = photos(language, token, event);
        write!(
            html,
            "<li><strong>{}</strong>{agency} <span class=\"small\">{}</span>{note}{photos}</li>",
            escape(&language.of_text(&event.step.name())),
            time(city, event.at),
        )
        .expect("writing to a string cannot fail");
    }
    html.push_str("</ol></section>");
    let Some((id, last)) = events.first().and(events.last()).map(|last| (token, last)) else {
        return html;
    };
    html.push_str(&receipt::section(language, id, last.seq));
    html
}

/// Photos that came with a report, and those of the work done.
fn photos(language: Language, token: &str, event: &CaseEvent) -> String {
    let is_shown = |kind: PhotoKind| {
        event.step == CaseStep::Reported || matches!(kind, PhotoKind::After | PhotoKind::Before)
    };
    event.photos.iter().filter(|photo| is_shown(photo.kind)).fold(String::new(), |html, photo| {
        html + &format!(
            "<img src=\"/track/{}/photos/{}\" alt=\"{}\" loading=\"lazy\">",
            escape(token),
            escape(&photo.hash),
            escape(&language.of_text(&photo.kind.name())),
        )
    })
}

/// A photo of the case behind a tracking link.
#[utoipa::path(get, path = "/track/{token}/photos/{hash}", tag = "citizens", security(()),
    params(("token" = String, Path, example = "0123456789abcdef0123456789abcdef"), ("hash" = String, Path, example = "e3b0c442")),
    responses((status = 200, description = "a JPEG without camera data")))]
pub(crate) async fn get_track_photo(
    State(city): State<Arc<City>>,
    Path((token, hash)): Path<(String, String)>,
) -> Answer<Response> {
    let tracked = city.tracked(&token).await?;
    let events = city.records.cases().events(&tracked.case.id).await?;
    let is_shown = |event: &CaseEvent| {
        let of_work = |kind| matches!(kind, PhotoKind::After | PhotoKind::Before);
        event
            .photos
            .iter()
            .any(|p| p.hash == hash && (event.step == CaseStep::Reported || of_work(p.kind)))
    };
    if !events.iter().any(is_shown) {
        return Err(Problem::not_found(format!("photo {hash}")));
    }
    city.photo(&hash, "private, max-age=86400").await
}
