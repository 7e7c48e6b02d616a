//! Line protocol as clients of InfluxDB 1 send it: `/write`, `/ping` and the one question that they ask
//! before they write. What is taken goes the way of `/api/v2/write`.
//!
//! What it is not: a database to ask. Invariants: every answer is in the shape those clients read
//! (`{"error": …}`); a name and password in the address are refused, whoever they belong to, because
//! addresses stand in the logs of every program on the way.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::error;
use chengmai_wire::geo_report::form_fields;
use chengmai_wire::line_protocol::Precision;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::readings::{PartialWrite, lines, partial, precision};
use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::admission::Admitted;
use crate::http::extract::{Body, QueryOf};
use crate::http::problem::{Answer, Problem};

/// What clients are told that they speak to. Some compare it with a version they need.
const VERSION: [(&str, &str); 2] =
    [("x-influxdb-version", "1.8.10-chengmai"), ("x-influxdb-build", "OSS")];

/// Parameters of a write, as clients of InfluxDB 1 send them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WriteQuery {
    /// Unit of the time stamps: n or ns (default), u, ms, s, m, h.
    precision: Option<String>,
    /// Taken and ignored, as `rp` and `consistency` are: there is one city.
    #[expect(dead_code, reason = "clients send it; there is one city")]
    db: Option<String>,
    /// Refused, as `p` is: sign in with a header.
    u: Option<String>,
    #[param(ignore)]
    p: Option<String>,
}

/// A question, as clients of InfluxDB 1 ask it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// `CREATE DATABASE …`, here or in a form; nothing else is answered.
    q: Option<String>,
    /// Refused, as `p` is: sign in with a header.
    u: Option<String>,
    #[param(ignore)]
    p: Option<String>,
}

/// Why a request was refused, as clients of InfluxDB 1 read it, and which line when only a part was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"error": "partial write: 1 refused, 9 accepted; line 3, byte 12: E-101 not well formed"}))]
pub(crate) struct Told {
    error: String,
    #[serde(flatten)]
    #[schema(ignore)]
    partial: Option<PartialWrite>,
}

/// What a question came to: nothing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"results": [{"statement_id": 0}]}))]
pub(crate) struct Results {
    results: [Statement; 1],
}

/// One statement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statement {
    statement_id: u32,
}

/// Says that somebody is there, for clients of InfluxDB 1.
#[utoipa::path(get, path = "/ping", tag = "readings", security(()),
    responses((status = 204, description = "here, with X-Influxdb-Version")))]
pub(crate) async fn ping() -> Response {
    (StatusCode::NO_CONTENT, VERSION).into_response()
}

/// Influx line protocol as version 1 sends it, also packed with gzip.
///
/// 204: every line is on disk. 400: the lines named were refused, all others are on disk. Sign in with
/// HTTP Basic (the password is the token), `Token name:token` or `Bearer`.
#[utoipa::path(post, path = "/write", tag = "readings", params(WriteQuery),
    request_body(content = String, content_type = "text/plain",
        example = "methane,device=m1,area=500103 value=2.4 1700000100000000000\n"),
    responses((status = 204, description = "all on disk"), (status = 400, body = Told)))]
pub(crate) async fn write_influx(
    State(city): State<Arc<City>>,
    query: Answer<QueryOf<WriteQuery>>,
    caller: Answer<Caller>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    match write(&city, query, caller, &headers, request).await {
        Ok(response) => response,
        Err(problem) => told(problem),
    }
}

async fn write(
    city: &Arc<City>,
    query: Answer<QueryOf<WriteQuery>>,
    caller: Answer<Caller>,
    headers: &HeaderMap,
    request: Request,
) -> Answer<Response> {
    let QueryOf(query) = query?;
    no_secrets(city, query.u.is_some() || query.p.is_some())?;
    let caller = caller?;
    caller.need(Permission::Ingest)?;
    let precision = precision(query.precision.as_deref(), Precision::from_word_of_1)?;
    let admitted = Admitted::from_request(request, city).await?;
    let outcome = lines(city, &caller, precision, headers, &admitted).await?;
    if outcome.refused == 0 {
        return Ok((StatusCode::NO_CONTENT, VERSION).into_response());
    }
    let partial = partial(&outcome);
    let told = Told { error: partial.message.clone(), partial: Some(partial) };
    Ok((StatusCode::BAD_REQUEST, VERSION, Json(told)).into_response())
}

/// What clients of InfluxDB 1 ask before they write: `CREATE DATABASE`, which is answered and does nothing.
///
/// Readings are asked for by `/api/v1`, SensorThings or SQL.
#[utoipa::path(post, path = "/query", tag = "readings", params(Question),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        example = "q=CREATE+DATABASE+%22city%22"),
    responses((status = 200, body = Results), (status = 400, body = Told)))]
pub(crate) async fn ask_influx(
    State(city): State<Arc<City>>,
    query: Answer<QueryOf<Question>>,
    caller: Answer<Caller>,
    body: Answer<Body>,
) -> Response {
    match answer(&city, query, caller, body) {
        Ok(results) => (VERSION, Json(results)).into_response(),
        Err(problem) => told(problem),
    }
}

fn answer(
    city: &City,
    query: Answer<QueryOf<Question>>,
    caller: Answer<Caller>,
    body: Answer<Body>,
) -> Answer<Results> {
    let (QueryOf(query), Body(body)) = (query?, body?);
    let fields = form_fields(&body);
    let of_form = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, v)| v);
    no_secrets(city, query.u.is_some() || query.p.is_some())?;
    caller?.need(Permission::Ingest)?;
    let asked = query.q.as_ref().or_else(|| of_form("q")).map_or("", String::as_str);
    let words: Vec<&str> = asked.split_ascii_whitespace().take(2).collect();
    let creates = matches!(words[..], [create, database]
        if create.eq_ignore_ascii_case("create") && database.eq_ignore_ascii_case("database"));
    // A second statement would be one that is not answered.
    if !creates || asked.trim_end().trim_end_matches(';').contains(';') {
        return Err(Problem::new(&error::INFLUX_QUESTION, chosen(asked)));
    }
    Ok(Results { results: [Statement { statement_id: 0 }] })
}

fn no_secrets(city: &City, in_address: bool) -> Answer<()> {
    if !in_address {
        return Ok(());
    }
    city.counters.refuse(&error::SECRET_IN_ADDRESS, 1);
    Err(Problem::new(&error::SECRET_IN_ADDRESS, "u, p"))
}

/// The beginning of a question, to quote it.
fn chosen(asked: &str) -> String {
    asked.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn told(problem: Problem) -> Response {
    let code = problem.code;
    let error = format!("{} {}: {}; {}", code.label(), code.en, problem.detail, code.hint_en);
    let mut plain = problem.into_response();
    let told = Json(Told { error, partial: None });
    let mut response = (plain.status(), VERSION, told).into_response();
    if let Some(wait) = plain.headers_mut().remove(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}
