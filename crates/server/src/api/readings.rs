//! Readings in over HTTP: Influx line protocol, JSON, NDJSON, CSV. An answer that says accepted
//! means on disk.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chengmai_model::error;
use chengmai_wire::Fault;
use chengmai_wire::line_protocol::Precision;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::city::sequencer::Refusal;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::admission::Admitted;
use crate::http::extract::QueryOf;
use crate::http::problem::{Answer, Problem, TextJson};
use crate::ingest::{self, Format, Outcome};

/// Parameters of a write, as Influx clients send them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WriteQuery {
    /// Unit of the time stamps: ns (default), us, ms, s.
    precision: Option<String>,
    /// Taken and ignored: there is one city.
    #[expect(dead_code, reason = "clients send it; there is one city")]
    bucket: Option<String>,
    /// Taken and ignored: there is one city.
    #[expect(dead_code, reason = "clients send it; there is one city")]
    org: Option<String>,
}

/// A refused line, item or field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"line": 3, "byte": 12, "code": "E-101", "name": "malformed",
    "reason": {"zh": "格式错误", "en": "not well formed"}}))]
pub(crate) struct RefusedLine {
    line: u32,
    byte: u32,
    code: String,
    name: &'static str,
    reason: TextJson,
}

impl From<&Fault> for RefusedLine {
    fn from(fault: &Fault) -> Self {
        Self {
            line: fault.line,
            byte: fault.byte,
            code: fault.code.label(),
            name: fault.code.name,
            reason: (&fault.reason).into(),
        }
    }
}

/// Answer to a write of which a part was refused, in Influx's shape with more detail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"code": "invalid", "message": "partial write: 1 refused, 9 accepted; line 3, byte 12: E-101 not well formed",
    "line": 3, "accepted": 9, "refused_total": 1, "refused": [{"line": 3, "byte": 12, "code": "E-101",
    "name": "malformed", "reason": {"zh": "格式错误", "en": "not well formed"}}]}))]
pub(crate) struct PartialWrite {
    code: &'static str,
    pub(super) message: String,
    line: u32,
    accepted: u64,
    refused_total: u64,
    /// The first 100.
    refused: Vec<RefusedLine>,
}

/// Influx line protocol, also packed with gzip. 204: every line is on disk. 400: the lines named
/// were refused, all others are on disk.
#[utoipa::path(post, path = "/api/v2/write", tag = "readings", params(WriteQuery),
    request_body(content = String, content_type = "text/plain",
        example = "methane,device=m1,area=500103 value=2.4 1700000100000000000\n"),
    responses((status = 204, description = "all on disk"), (status = 400, body = PartialWrite),
        (status = 413, description = "over the limit", body = crate::http::problem::ProblemBody),
        (status = 429, description = "no room: send again after a second", body = crate::http::problem::ProblemBody)))]
pub(crate) async fn write_lines(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<WriteQuery>,
    headers: HeaderMap,
    admitted: Admitted,
) -> Answer<Response> {
    caller.need(Permission::Ingest)?;
    let precision = precision(query.precision.as_deref(), Precision::from_word)?;
    let outcome = lines(&city, &caller, precision, &headers, &admitted).await?;
    if outcome.refused == 0 {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::BAD_REQUEST, Json(partial(&outcome))).into_response())
}

/// The unit of time stamps that a parameter means, by the words of one version of Influx.
pub(super) fn precision(
    word: Option<&str>,
    known: impl FnOnce(&str) -> Option<Precision>,
) -> Answer<Precision> {
    let Some(word) = word else { return Ok(Precision::default()) };
    known(word).ok_or_else(|| Problem::bad_query(format!("precision={word}")))
}

/// What became of a body of lines, whichever of Influx's addresses it was sent to.
pub(super) async fn lines(
    city: &City,
    caller: &Caller,
    precision: Precision,
    headers: &HeaderMap,
    admitted: &Admitted,
) -> Answer<Outcome> {
    caller.need(Permission::Ingest)?;
    let speaker = ingest::speaker(city, caller)?;
    let body = unpacked(city, headers, admitted.body.clone())?;
    let taken = ingest::take_lines(city, speaker, &body, precision, clock::now()).await;
    taken.map_err(|refusal| stopped(city, refusal))
}

pub(super) fn partial(outcome: &Outcome) -> PartialWrite {
    let first = outcome.faults.first().map(ToString::to_string).unwrap_or_default();
    let Outcome { accepted, refused, faults } = outcome;
    PartialWrite {
        code: "invalid",
        message: format!("partial write: {refused} refused, {accepted} accepted; {first}"),
        line: faults.first().map_or(0, |f| f.line),
        accepted: *accepted,
        refused_total: *refused,
        refused: faults.iter().map(RefusedLine::from).collect(),
    }
}

pub(super) fn unpacked(city: &City, headers: &HeaderMap, body: Bytes) -> Answer<Bytes> {
    ingest::decoded(headers, body, city.config.body_bytes_max).inspect_err(|problem| {
        city.counters.refuse(problem.code, 1);
    })
}

/// The program does not take readings: why.
pub(crate) fn stopped(city: &City, refusal: Refusal) -> Problem {
    let (code, detail) = match refusal {
        Refusal::Stopped => (&error::STOPPED, city.stop_reason.read().clone().unwrap_or_default()),
        Refusal::Overloaded => (&error::OVERLOADED, String::new()),
    };
    city.counters.refuse(code, 1);
    Problem::new(code, detail)
}

/// What became of the readings sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"accepted": 2, "refused_total": 0, "refused": []}))]
pub(crate) struct Taken {
    /// On disk.
    accepted: u64,
    refused_total: u64,
    /// The first 100.
    refused: Vec<RefusedLine>,
}

/// Readings as a JSON array, as NDJSON or as CSV with a header: device, kind, value, and if known
/// time (RFC 3339 or milliseconds) and unit. Also packed with gzip.
#[utoipa::path(post, path = "/api/v1/observations", tag = "readings",
    request_body(content = String, content_type = "application/json",
        example = json!([{"device": "m1", "kind": "methane", "value": 2.4, "time": "2026-11-21T03:04:05Z"}])),
    responses((status = 200, body = Taken), (status = 400, description = "all refused", body = Taken)))]
pub(crate) async fn post_observations(
    State(city): State<Arc<City>>,
    caller: Caller,
    headers: HeaderMap,
    admitted: Admitted,
) -> Answer<(StatusCode, Json<Taken>)> {
    caller.need(Permission::Ingest)?;
    let speaker = ingest::speaker(&city, &caller)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let format = if kind.contains("ndjson") {
        Format::Ndjson
    } else if kind.contains("csv") {
        Format::Csv
    } else {
        Format::Json
    };
    let body = unpacked(&city, &headers, admitted.body.clone())?;
    let outcome = ingest::take_observations(&city, speaker, &body, format, clock::now())
        .await
        .map_err(|refusal| stopped(&city, refusal))?;
    let all_refused = outcome.accepted == 0 && outcome.refused > 0;
    let status = if all_refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let taken = Taken {
        accepted: outcome.accepted,
        refused_total: outcome.refused,
        refused: outcome.faults.iter().map(RefusedLine::from).collect(),
    };
    Ok((status, Json(taken)))
}
