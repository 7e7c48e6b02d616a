//! For gateways that send much: ask once for the numbers of the streams, then send columns of
//! numbers. An answer that says accepted means on disk, as everywhere.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::readings::{PartialWrite, partial, stopped, unpacked};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::admission::Admitted;
use crate::http::extract::JsonBody;
use crate::http::problem::{Answer, Problem, TextJson};
use crate::ingest;

/// Most streams asked for at once.
const STREAMS_MAX: usize = 100_000;

/// A stream as the gateway knows it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"device": "m1", "kind": "methane"}))]
pub(crate) struct StreamName {
    device: String,
    /// May be left out for a device with one stream.
    kind: Option<String>,
    /// Where a device that is not registered yet belongs, if the city registers on first sight.
    area: Option<String>,
}

/// Streams whose numbers are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"streams": [{"device": "m1", "kind": "methane"}]}))]
pub(crate) struct StreamsWanted {
    /// At most 100,000.
    streams: Vec<StreamName>,
}

/// Why a stream has no number.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"index": 3, "code": "E-108", "reason": {"zh": "设备未登记：m9", "en": "the device is not registered: m9"}}))]
pub(crate) struct StreamRefused {
    /// Place in the list that was sent, from 0.
    index: usize,
    code: String,
    reason: TextJson,
}

/// Numbers of the streams asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"numbers": [17, null], "refused": [{"index": 1, "code": "E-108",
    "reason": {"zh": "设备未登记：m9", "en": "the device is not registered: m9"}}]}))]
pub(crate) struct StreamNumbers {
    /// In the order asked; null for what was refused. A number never changes its meaning.
    numbers: Vec<Option<u32>>,
    refused: Vec<StreamRefused>,
}

/// Numbers of streams, for the binary door. Registers what is unknown where the city does that.
#[utoipa::path(post, path = "/api/v1/gateway/streams", tag = "readings", request_body = StreamsWanted,
    responses((status = 200, body = StreamNumbers)))]
pub(crate) async fn number_streams(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(wanted): JsonBody<StreamsWanted>,
) -> Answer<Json<StreamNumbers>> {
    caller.need(Permission::Ingest)?;
    let speaker = ingest::speaker(&city, &caller)?;
    if wanted.streams.len() > STREAMS_MAX {
        let detail = format!("streams: {} of at most {STREAMS_MAX}", wanted.streams.len());
        return Err(Problem::bad_query(detail));
    }
    let names = wanted.streams.iter();
    let names = names.map(|s| (s.device.as_str(), s.kind.as_deref(), s.area.as_deref()));
    let found = ingest::number_streams(&city, speaker, names, clock::now());
    // A number that is handed out must still be there after a crash.
    city.registrations_durable().await?;
    let mut answer =
        StreamNumbers { numbers: Vec::with_capacity(found.len()), refused: Vec::new() };
    for (index, outcome) in found.into_iter().enumerate() {
        answer.numbers.push(outcome.as_ref().ok().map(|stream| stream.0));
        if let Err(refused) = outcome {
            city.counters.refuse(refused.code, 1);
            let reason = refused.reason();
            let code = refused.code.label();
            answer.refused.push(StreamRefused { index, code, reason: (&reason).into() });
        }
    }
    Ok(Json(answer))
}

/// Readings as columns: `CMG1`, count u32, base time i64 in milliseconds, then per reading stream
/// u32, milliseconds after the base u32, value f64, each as a column, little endian. 204: every
/// reading is on disk. 400: those named (`line` is the reading's number from 1) were refused, all
/// others are on disk.
#[utoipa::path(post, path = "/api/v1/gateway/readings", tag = "readings",
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        example = json!("CMG1…")),
    responses((status = 204, description = "all on disk"), (status = 400, body = PartialWrite),
        (status = 413, description = "over the limit", body = crate::http::problem::ProblemBody),
        (status = 429, description = "no room: send again after a second", body = crate::http::problem::ProblemBody)))]
pub(crate) async fn write_columns(
    State(city): State<Arc<City>>,
    caller: Caller,
    headers: HeaderMap,
    admitted: Admitted,
) -> Answer<Response> {
    caller.need(Permission::Ingest)?;
    let speaker = ingest::speaker(&city, &caller)?;
    let body = unpacked(&city, &headers, admitted.body.clone())?;
    let outcome = ingest::take_columns(&city, speaker, &body, clock::now())
        .await
        .map_err(|refusal| stopped(&city, refusal))?;
    if outcome.refused == 0 {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::BAD_REQUEST, Json(partial(&outcome))).into_response())
}
