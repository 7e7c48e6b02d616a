//! One request: where it leads, in which terms it speaks, and how it is answered.
//!
//! Contexts come from the records, by their addresses; nothing is fetched. Invariant: every refusal has the
//! standard's name and our number, and is counted where it is one of what was asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::error;
use chengmai_model::error::ErrorCode;
use chengmai_wire::ngsi_ld::{self as ngsi, Context, LINK_RELATION, Missing, Wanted};
use chengmai_wire::{Fault, features, geo_report};
use serde_json::{Value as Json, json};

use super::{ROOT, View};
use crate::city::City;
use crate::http::access::Caller;
use crate::http::extract::base;
use crate::http::problem::{Answer, Problem};

/// Names a tenant; there is one city.
const TENANT: &str = "ngsild-tenant";
/// Says how many there are.
const COUNT: HeaderName = HeaderName::from_static("ngsild-results-count");
/// Contexts looked up for one request.
const LOOKED_UP_MAX: usize = 20;

const JSON: &str = "application/json";
const LD_JSON: &str = "application/ld+json";
const GEO_JSON: &str = "application/geo+json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Ld,
    Geo,
}

/// A request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) city: &'a Arc<City>,
    pub(super) caller: &'a Caller,
    /// The parameters of the address.
    pub(super) pairs: Vec<(String, String)>,
    headers: &'a HeaderMap,
    steps: Vec<String>,
    base: String,
}

/// A body with its terms.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) json: Json,
    pub(super) context: Context,
    /// The context as it was sent or linked to, and the texts that it needed.
    pub(super) said: Json,
    pub(super) known: BTreeMap<String, Json>,
}

/// A fault in what was asked, as an answer.
pub(super) fn refused(fault: Fault) -> Problem {
    let place = if fault.byte > 1 { format!("byte {}: ", fault.byte) } else { String::new() };
    Problem::new(fault.code, format!("{place}{}", fault.reason.en))
}

/// The standard's name for an error.
fn name_of(code: &ErrorCode) -> &'static str {
    macro_rules! named {
        ($name:literal) => {
            concat!("https:", "//uri.etsi.org/ngsi-ld/errors/", $name)
        };
    }
    match (code.number, code.status) {
        (520 | 528 | 529, _) => named!("InvalidRequest"),
        (523, _) | (_, 409) => named!("AlreadyExists"),
        (524, _) => named!("OperationNotSupported"),
        (525, _) => named!("LdContextNotAvailable"),
        (526, _) => named!("NonexistentTenant"),
        (527, _) => named!("TooComplexQuery"),
        (_, 404) => named!("ResourceNotFound"),
        (_, 400 | 413 | 422) => named!("BadRequestData"),
        (_, 500..=599) => named!("InternalError"),
        _ => "about:blank",
    }
}

/// A refusal as a document of its own.
pub(super) fn problem_json(city: &City, problem: Problem) -> Json {
    count(city, &problem);
    let kind = name_of(problem.code);
    serde_json::to_value(problem.body_as(kind)).unwrap_or_default()
}

fn count(city: &City, problem: &Problem) {
    if problem.code.status < 500 && problem.code.number != error::OVERLOADED.number
        || problem.code.number == error::NGSI_CONTEXT.number
    {
        city.counters.refuse(problem.code, 1);
    }
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        city: &'a Arc<City>,
        caller: &'a Caller,
        headers: &'a HeaderMap,
        path: &str,
        query: Option<&str>,
    ) -> Self {
        let steps = path.strip_prefix(ROOT).unwrap_or_default().split('/');
        let steps = steps.filter(|step| !step.is_empty()).map(|step| {
            // As in a form, but a plus is a plus.
            let fields = geo_report::form_fields(
                step.replace('+', "%2B").replace('&', "%26").replace('=', "%3D").as_bytes(),
            );
            fields.into_iter().next().map_or_else(String::new, |(name, _)| name)
        });
        let pairs = geo_report::form_fields(query.unwrap_or_default().as_bytes());
        Self { city, caller, pairs, headers, steps: steps.collect(), base: base(headers) }
    }

    pub(super) fn steps(&self) -> Vec<&str> {
        self.steps.iter().map(String::as_str).collect()
    }

    pub(super) fn view(&self) -> View<'a> {
        View::new(self.city, self.caller.area)
    }

    /// The address of something of ours.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{ROOT}/{path}", self.base)
    }

    /// A parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Goes on when there is no parameter but these.
    pub(super) fn takes(&self, known: &[&str]) -> Answer<()> {
        match self.pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                Err(Problem::new(&error::NGSI_REQUEST, format!("there is no parameter {name}")))
            }
        }
    }

    /// Whether an option is asked for; options that are not known are refused.
    pub(super) fn option(&self, known: &[&str], wanted: &str) -> Answer<bool> {
        let mut is_there = false;
        for list in ["options", "format"].into_iter().filter_map(|name| self.parameter(name)) {
            for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                if !known.contains(&word) {
                    let detail = format!("there is no option {word}");
                    return Err(Problem::new(&error::NGSI_REQUEST, detail));
                }
                is_there |= word == wanted;
            }
        }
        Ok(is_there)
    }

    /// Goes on when no tenant is named: this is one city.
    pub(super) fn one_tenant(&self) -> Answer<()> {
        match self.text(TENANT).filter(|tenant| !tenant.is_empty()) {
            None => Ok(()),
            Some(tenant) => Err(Problem::new(&error::NGSI_TENANT, tenant)),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What there is not, or is not done.
    pub(super) fn nowhere(&self) -> Problem {
        const REFUSED: [&str; 8] = [
            "csourceRegistrations",
            "csourceSubscriptions",
            "entities",
            "entityOperations",
            "entityMaps",
            "snapshots",
            "temporal",
            "subscriptions",
        ];
        let steps = self.steps.join("/");
        let is_known = self.steps.first().is_some_and(|first| REFUSED.contains(&first.as_str()));
        let code = if is_known { &error::NGSI_NOT_SUPPORTED } else { &error::NOT_FOUND };
        Problem::new(code, steps)
    }

    /// How the answer is wanted.
    pub(super) fn media(&self, takes_geo: bool) -> Answer<Media> {
        let accept = self.text("accept").unwrap_or("*/*");
        let mut best: Option<(f32, Media)> = None;
        for one in accept.split(',') {
            let mut parts = one.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |q| q.parse().ok());
            let media = match kind {
                JSON | "application/*" | "*/*" => Media::Json,
                LD_JSON => Media::Ld,
                GEO_JSON if takes_geo => Media::Geo,
                _ => continue,
            };
            let quality = quality.unwrap_or(0.0_f32);
            if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, media));
            }
        }
        best.map(|(_, media)| media).ok_or_else(|| {
            Problem::new(&error::NGSI_ACCEPT, accept.chars().take(200).collect::<String>())
        })
    }

    /// The terms that the header names; the core's where it names none.
    pub(super) async fn linked(&self) -> Answer<Context> {
        match self.link()? {
            None => Ok(Context::default()),
            Some(url) => self.resolve(Wanted::Url(&url)).await.map(|(context, _)| context),
        }
    }

    fn link(&self) -> Answer<Option<String>> {
        let Some(header) = self.text("link") else { return Ok(None) };
        ngsi::link_target(header).map_err(refused)
    }

    /// A context with the texts that it needed.
    pub(super) async fn resolve(
        &self,
        wanted: Wanted<'_>,
    ) -> Answer<(Context, BTreeMap<String, Json>)> {
        let mut known = BTreeMap::new();
        for _ in 0..LOOKED_UP_MAX {
            let url = match Context::build(wanted, &known) {
                Ok(context) => return Ok((context, known)),
                Err(Missing::Fault(fault)) => return Err(refused(fault)),
                Err(Missing::Url(url)) => url,
            };
            let own = url.strip_prefix(&self.at("jsonldContexts/"));
            let row = self.city.records.ngsi_ld().context(own.unwrap_or(&url)).await?;
            let row = row.filter(|row| super::contexts::sees(self, row));
            let row = row.ok_or_else(|| Problem::new(&error::NGSI_CONTEXT, url.clone()))?;
            known.insert(url, serde_json::from_str(&row.body).unwrap_or_default());
        }
        Err(Problem::new(&error::NGSI_BODY, "@context names too many others"))
    }

    /// A body and its terms, as header and body say them.
    pub(super) async fn body(&self, bytes: &[u8]) -> Answer<Sent> {
        let is_ld = self.is_ld()?;
        let json = ngsi::json(bytes).map_err(refused)?;
        self.terms(json, is_ld).await
    }

    /// A query: one with its context in it may leave it out, as clients do.
    pub(super) async fn query_body(&self, bytes: &[u8]) -> Answer<Sent> {
        let is_ld = self.is_ld()?;
        let json = ngsi::json(bytes).map_err(refused)?;
        let is_ld = is_ld && json.get("@context").is_some();
        self.terms(json, is_ld).await
    }

    /// Whether a body has its context in it.
    pub(super) fn is_ld(&self) -> Answer<bool> {
        let kind = self.text("content-type").unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim() {
            JSON | MERGE_PATCH => Ok(false),
            LD_JSON => Ok(true),
            other => Err(Problem::new(&error::NGSI_MEDIA, other)),
        }
    }

    /// A document with its terms.
    pub(super) async fn terms(&self, json: Json, is_ld: bool) -> Answer<Sent> {
        let own = json.get("@context").cloned();
        let said = match (is_ld, own) {
            (true, Some(context)) => {
                if self.link()?.is_some() {
                    let detail = "a context in the header Link and one in the body";
                    return Err(Problem::new(&error::NGSI_BODY, detail));
                }
                context
            }
            (true, None) => return Err(Problem::new(&error::NGSI_BODY, "@context is missing")),
            (false, Some(_)) => {
                let detail = "@context goes with Content-Type: application/ld+json";
                return Err(Problem::new(&error::NGSI_BODY, detail));
            }
            (false, None) => self.link()?.map_or(Json::Null, Json::from),
        };
        let (context, known) = self.resolve(Wanted::Json(&said)).await?;
        Ok(Sent { json, context, said, known })
    }

    /// An answer, or why there is none.
    pub(super) fn response(&self, outcome: Answer<Response>) -> Response {
        let problem = match outcome {
            Ok(response) => return response,
            Err(problem) => problem,
        };
        count(self.city, &problem);
        let kind = name_of(problem.code);
        if kind == "about:blank" {
            return problem.into_response();
        }
        let status = problem.status();
        let mut response = (status, JsonAnswer(problem.body_as(kind))).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// The terms that an answer is written in: those that nobody could look up stand in it or are left whole.
pub(super) fn written_in(context: &Context, media: Media) -> Context {
    let fits = media == Media::Ld || context.link().is_some();
    if fits { context.clone() } else { Context::default() }
}

/// A document as an answer; `each` says that it is a list whose members have a context each.
pub(super) fn document(mut json: Json, context: &Context, media: Media) -> Response {
    if media == Media::Ld || media == Media::Geo {
        let said = context.said();
        let documents: Vec<&mut Json> = match &mut json {
            Json::Array(all) => all.iter_mut().collect(),
            one => vec![one],
        };
        for one in documents {
            if let Some(map) = one.as_object_mut() {
                map.insert("@context".to_owned(), said.clone());
            }
        }
    }
    let kind = match media {
        Media::Json => JSON,
        Media::Ld => LD_JSON,
        Media::Geo => GEO_JSON,
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], json.to_string()).into_response();
    if let (Media::Json, Some(url)) = (media, context.link()) {
        let link = format!("<{url}>; rel=\"{LINK_RELATION}\"; type=\"{LD_JSON}\"");
        response
            .headers_mut()
            .extend(HeaderValue::from_str(&link).map(|link| (header::LINK, link)));
    }
    response
}

/// Says how many there are in all.
pub(super) fn counted(response: &mut Response, count: Option<usize>) {
    if let Some(count) = count {
        response.headers_mut().insert(COUNT, HeaderValue::from(count));
    }
}

/// Links to the pages around this one.
pub(super) fn paged(
    ask: &Ask<'_>,
    response: &mut Response,
    offset: usize,
    limit: usize,
    more: bool,
) {
    let path: Vec<String> = ask.steps.iter().map(|step| escaped(step)).collect();
    let address = format!("{ROOT}/{}", path.join("/"));
    let mut link = |offset: usize, rel: &str| {
        let next = features::changed(&address, &ask.pairs, ("offset", &offset.to_string()));
        if let Ok(link) = HeaderValue::from_str(&format!("<{next}>; rel=\"{rel}\"")) {
            response.headers_mut().append(header::LINK, link);
        }
    };
    if more {
        link(offset.saturating_add(limit), "next");
    }
    if offset > 0 && limit > 0 {
        link(offset.saturating_sub(limit), "prev");
    }
}

/// A part of an address; colons stay, as ids have them.
pub(super) fn escaped(step: &str) -> String {
    features::segment(step).replace("%3A", ":")
}

/// Done, and there is nothing to say.
pub(super) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Made, and where it is.
pub(super) fn made(path: &str) -> Response {
    let place = format!("{ROOT}/{path}");
    let place = HeaderValue::from_str(&place).unwrap_or(HeaderValue::from_static(ROOT));
    (StatusCode::CREATED, [(header::LOCATION, place)]).into_response()
}

/// A document of ours without terms of anybody.
pub(super) fn plain(json: &Json) -> Response {
    ([(header::CONTENT_TYPE, JSON)], json.to_string()).into_response()
}

/// A document that says which attributes were changed, and which were not.
pub(super) fn updated(context: &Context, outcome: &super::write::Updated) -> Response {
    let left = outcome.left.iter();
    let left =
        left.map(|(name, why)| json!({"attributeName": context.compact(name), "reason": why}));
    let done = outcome.done.iter().map(|name| json!(context.compact(name)));
    let json = json!({"updated": done.collect::<Vec<_>>(), "notUpdated": left.collect::<Vec<_>>()});
    (StatusCode::MULTI_STATUS, JsonAnswer(json)).into_response()
}
