//! Newest values of many devices at once, in as few bytes as will do: for boards, other programs, and
//! whoever asks "which ones are over the limit now".

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_model::{AreaId, StreamId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::city::registry::Registry;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{JsonBody, QueryOf};
use crate::http::problem::{Answer, Problem};

/// Most devices asked for by name, and most rows of an answer.
const ROWS_MAX: usize = 100_000;

/// Columns of equal length, in no particular order.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"devices": ["m1"], "kinds": ["methane"], "at": [1_795_230_000_123_i64], "values": [2.4], "total": 1}))]
pub(crate) struct Latest {
    devices: Vec<String>,
    kinds: Vec<String>,
    /// When each was measured, in milliseconds since 1970.
    at: Vec<i64>,
    values: Vec<f64>,
    /// How many there are; more than rows when the limit cut the list.
    total: usize,
}

impl Latest {
    fn push(&mut self, registry: &Registry, stream: StreamId, at: i64, value: f64) {
        let entry = registry.stream(stream);
        self.devices.push(registry.device(entry.device).name().to_owned());
        self.kinds.push(registry.kind(entry.kind).name.to_string());
        self.at.push(at);
        self.values.push(value);
    }
}

/// Devices whose newest values are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"devices": ["m1", "m2"], "kind": "methane"}))]
pub(crate) struct LatestWanted {
    /// At most 100,000 ids. Those that are unknown, or out of sight, or silent are left out.
    devices: Vec<String>,
    /// Only streams of this kind.
    kind: Option<String>,
}

/// Newest values of the devices named.
#[utoipa::path(post, path = "/api/v1/latest", tag = "devices", request_body = LatestWanted,
    responses((status = 200, body = Latest)))]
pub(crate) async fn latest_of_devices(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(wanted): JsonBody<LatestWanted>,
) -> Answer<Json<Latest>> {
    caller.need(Permission::Read)?;
    if wanted.devices.len() > ROWS_MAX {
        let detail = format!("devices: {} of at most {ROWS_MAX}", wanted.devices.len());
        return Err(Problem::bad_query(detail));
    }
    let registry = city.registry.read();
    let engine = city.engine.read();
    let kind = wanted.kind.as_deref().map(|kind| registry.kind_index(kind));
    let mut latest = Latest::default();
    for device in wanted.devices.iter().filter_map(|name| registry.find(name)) {
        let device = registry.device(device);
        if !caller.sees(device.area()) {
            continue;
        }
        for stream in device.streams() {
            let asked = kind.is_none_or(|kind| kind == Some(registry.stream(stream).kind));
            if let Some((at, value)) = engine.stream(stream).last.filter(|_| asked) {
                latest.push(&registry, stream, at.0, value);
            }
        }
    }
    latest.total = latest.values.len();
    Ok(Json(latest))
}

/// Which newest values are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LatestQuery {
    /// The kind measured.
    kind: String,
    /// Only in this area and below.
    area: Option<String>,
    /// Only values of at least this.
    min: Option<f64>,
    /// Only values of at most this.
    max: Option<f64>,
    /// Rows wanted, up to 100000 (default 1000).
    limit: Option<usize>,
}

/// Newest values of a kind within bounds: which manholes are over 25 %LEL now?
#[utoipa::path(get, path = "/api/v1/latest", tag = "devices", params(LatestQuery),
    responses((status = 200, body = Latest)))]
pub(crate) async fn latest_of_kind(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<LatestQuery>,
) -> Answer<Json<Latest>> {
    caller.need(Permission::Read)?;
    let scope = caller.scope(query.area.as_deref())?;
    let limit = query.limit.unwrap_or(1_000).min(ROWS_MAX);
    let bounds = [query.min.unwrap_or(f64::MIN), query.max.unwrap_or(f64::MAX)];
    let registry = city.registry.read();
    let engine = city.engine.read();
    let Some(kind) = engine.catalog().kind_id(&query.kind) else {
        return Ok(Json(Latest::default()));
    };
    let mut latest = Latest::default();
    engine.newest(kind, bounds, |stream, at, value| {
        let inside =
            scope == AreaId::ROOT || city.areas.contains(scope, registry.stream_area(stream));
        latest.total += usize::from(inside);
        if inside && latest.values.len() < limit {
            latest.push(&registry, stream, at.0, value);
        }
    });
    Ok(Json(latest))
}
