//! CAP 1.2 under `/cap/v1.2`: a feed of alerts and each alert, signed; and the door for alerts of others. What
//! is said is `city::alerts`, what others say becomes `city::outside`, the bytes are `wire::cap`.
//!
//! Whoever sends an alert needs `ingest`: it is what a device may do, too. It says something and decides
//! nothing; a duty officer answers the warning that follows.
//! Invariants: who may read warnings may read what is told of them, in the same area; feed readers sign in
//! with a name and a token as HTTP Basic has it, and are asked to; a message never changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::{Timestamp, error};
use chengmai_store::records::alerts::{AlertKind, AlertRow};
use chengmai_store::records::outside::{Level, Taken};
use chengmai_wire::Fault;
use chengmai_wire::cap::{self, Entry, FEED_MEDIA, Feed, MEDIA};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cases::page_request;
use crate::city::City;
use crate::http::access::{Caller, Permission, Visitor};
use crate::http::extract::{Body, QueryOf, base};
use crate::http::problem::{Answer, Place, Problem};
use crate::pages::Language;

/// How feed readers are asked for a name and a token.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"chengmai\", charset=\"UTF-8\"");

/// Which alerts of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// Language of the titles: zh or en.
    lang: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Alerts the caller sees, newest first, as Atom.
///
/// A message for each warning that was answered as real while its cause stood; an update when its severity
/// changed; a cancel when it was over. Follow the link `next` for older ones.
#[utoipa::path(get, path = "/cap/v1.2/feed.atom", tag = "cap", params(FeedQuery),
    responses((status = 200, description = "a feed", body = String, content_type = "application/atom+xml",
        example = "<feed><entry><id>urn:chengmai:alert:W-00c0ffee00c0ffee-001</id></entry></feed>")))]
pub(crate) async fn get_feed(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    headers: HeaderMap,
    QueryOf(query): QueryOf<FeedQuery>,
) -> Response {
    match caller(visitor) {
        Ok(caller) => feed(&city, &caller, &headers, query).await.into_response(),
        Err(asked) => *asked,
    }
}

async fn feed(
    city: &City,
    caller: &Caller,
    headers: &HeaderMap,
    query: FeedQuery,
) -> Answer<Response> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let path = caller.scope_path(query.area.as_deref())?;
    let language = Language::of(headers, query.lang.as_deref());
    let request = page_request(query.limit, query.cursor)?;
    let page = city.records.alerts().list(&[path], &request).await?;
    let own = format!("{}/cap/v1.2", base(headers));
    let at = |cursor: Option<&str>| {
        let code = city.areas.get(area).row.code.as_str();
        let rest = cursor.map(|cursor| format!("&limit={}&cursor={cursor}", request.items_max()));
        format!("{own}/feed.atom?area={code}&lang={}{}", language.word(), rest.unwrap_or_default())
    };
    let sender = city.alert_sender();
    let feed = Feed {
        id: format!("urn:chengmai:alerts:{sender}:{}", city.areas.get(area).row.code),
        title: format!(
            "{} · {}",
            city.area_words(area, language),
            language.say("对外预警", "alerts")
        ),
        author: language.of_text(&city.profile.name),
        address: at(None),
        next: page.next_cursor.as_deref().map(|cursor| at(Some(cursor))),
        updated: page.items.first().map_or(city.started_at, |newest| newest.sent),
        entries: page.items.iter().map(|row| entry(city, row, &sender, &own, language)).collect(),
    };
    Ok(private(FEED_MEDIA, cap::atom(&feed, &city.profile.zone())))
}

fn entry(city: &City, row: &AlertRow, sender: &str, own: &str, language: Language) -> Entry {
    let area = city.areas.find(row.area.code());
    Entry {
        id: format!("urn:chengmai:alert:{sender}:{}", row.id),
        title: city.alert_headline(row, language),
        summary: city.alert_description(row, language),
        address: format!("{own}/alerts/{}", row.id),
        sent: row.sent,
        status: if city.is_made_up(row) { "Test" } else { "Actual" },
        kind: match row.kind {
            AlertKind::Alert => "Alert",
            AlertKind::Update => "Update",
            AlertKind::Cancel => "Cancel",
        },
        severity: row.body.severity,
        event: language.of_text(&row.body.facts.rule_name),
        area: area
            .map_or_else(|| row.area.code().to_owned(), |area| city.area_words(area, language)),
    }
}

/// One alert: CAP 1.2 with an enveloped XML signature, the same bytes for ever.
#[utoipa::path(get, path = "/cap/v1.2/alerts/{identifier}", tag = "cap",
    params(("identifier" = String, Path, example = "W-00c0ffee00c0ffee-001")),
    responses((status = 200, description = "an alert", body = String, content_type = "application/cap+xml",
        example = "<alert><identifier>W-00c0ffee00c0ffee-001</identifier></alert>")))]
pub(crate) async fn get_alert(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    Path(identifier): Path<String>,
) -> Response {
    match caller(visitor) {
        Ok(caller) => alert(&city, &caller, &identifier).await.into_response(),
        Err(asked) => *asked,
    }
}

async fn alert(city: &City, caller: &Caller, identifier: &str) -> Answer<Response> {
    caller.need(Permission::Read)?;
    let row = city.records.alerts().find(identifier).await?;
    let row = row.filter(|row| caller.user.area.contains(&row.area));
    let row = row.ok_or_else(|| Problem::not_found(format!("alert {identifier}")))?;
    Ok(private(MEDIA, city.alert_text(&row).await?))
}

/// The public key by which alerts are verified (PEM).
#[utoipa::path(get, path = "/cap/v1.2/key.pem", tag = "cap", security(()),
    responses((status = 200, description = "a key of the curve P-256", body = String,
        content_type = "application/x-pem-file", example = "-----BEGIN PUBLIC KEY-----")))]
pub(crate) async fn get_alert_key(State(city): State<Arc<City>>) -> Response {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], city.outlet.alert_key.public_pem())
        .into_response()
}

/// What an alert of somebody else says of an area.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"device": "cap:500103:0c0ffee0", "area": "500103", "level": 3, "until": "2026-11-21T10:00:00.000Z"}))]
pub(crate) struct LevelJson {
    /// The device whose reading it is.
    device: String,
    area: String,
    /// 1 minor to 4 extreme, 0 over.
    level: u8,
    until: Option<String>,
}

/// What became of an alert of somebody else.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"known": false, "levels": [{"device": "cap:500103:0c0ffee0", "area": "500103", "level": 3, "until": null}]}))]
pub(crate) struct TakenJson {
    /// It was taken before and changes nothing.
    known: bool,
    levels: Vec<LevelJson>,
}

/// An alert of somebody else: a weather service, a neighbour.
///
/// CAP 1.2 as XML. It becomes a warning in each area of ours that it names by a code, or by a polygon or
/// circle, as bad as it says, until it expires or is called off. It is on disk before it is answered; sent
/// again, it changes nothing.
#[utoipa::path(post, path = "/cap/v1.2/alerts", tag = "cap",
    request_body(content = String, content_type = "application/cap+xml",
        example = "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">...</alert>"),
    responses((status = 200, body = TakenJson)))]
pub(crate) async fn post_alert(
    State(city): State<Arc<City>>,
    caller: Caller,
    Body(bytes): Body,
) -> Answer<Json<TakenJson>> {
    caller.need(Permission::Ingest)?;
    if caller.token.scope.device.is_some() {
        return Err(Problem::new(&error::FORBIDDEN, "a token of one device"));
    }
    let message = cap::message(&bytes).map_err(|fault| refused(&city, &fault))?;
    let body = String::from_utf8_lossy(&bytes);
    let taken = city.take_outside(&caller.user.name, caller.area, &message, &body).await?;
    let level = |level: &Level| LevelJson {
        device: level.device.clone(),
        area: level.area.code().to_owned(),
        level: level.level,
        until: level.until.map(Timestamp::to_rfc3339),
    };
    let known = taken.0 == Taken::Known;
    let levels = if known { Vec::new() } else { taken.1.iter().map(level).collect() };
    Ok(Json(TakenJson { known, levels }))
}

/// A refusal, counted.
fn refused(city: &City, fault: &Fault) -> Problem {
    city.counters.refuse(fault.code, 1);
    let mut problem = Problem::new(fault.code, fault.reason.en.clone());
    if fault.line > 0 {
        let (line, column) = (u64::from(fault.line), u64::from(fault.byte));
        problem.place = Some(Place { line, column });
    }
    problem
}

/// Somebody with an account; others are asked who they are, which feed readers wait for.
fn caller(visitor: Visitor) -> Result<Caller, Box<Response>> {
    visitor.0.ok_or_else(|| {
        let mut response = Problem::new(&error::SIGN_IN, "cap").into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        Box::new(response)
    })
}

/// An answer for this caller, to be asked for again.
fn private(media: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "Accept-Language, Authorization, Cookie"),
    ];
    (headers, body).into_response()
}
