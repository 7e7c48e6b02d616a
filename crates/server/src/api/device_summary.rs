//! Devices in numbers and on the map.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::Engine;
use chengmai_model::StreamId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::devices::status;
use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::problem::{Answer, TextJson};

/// How many devices, and how well they are.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"total": 2, "online": 1, "offline": 1, "never": 0, "fault": 0,
    "by_kind": [{"kind": "methane", "name": {"zh": "可燃气体浓度", "en": "Combustible gas"},
    "total": 2, "online": 1}]}))]
pub(crate) struct DeviceSummary {
    total: u64,
    online: u64,
    offline: u64,
    never: u64,
    fault: u64,
    by_kind: Vec<KindSummary>,
}

/// Streams of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindSummary {
    kind: String,
    name: TextJson,
    total: u64,
    online: u64,
}

/// Only an area.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AreaOnly {
    /// Only in this area and below.
    pub(crate) area: Option<String>,
}

/// Counts of devices by health and kind.
#[utoipa::path(get, path = "/api/v1/devices/summary", tag = "devices", params(AreaOnly),
    responses((status = 200, body = DeviceSummary)))]
pub(crate) async fn summarise_devices(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<AreaOnly>,
) -> Answer<Json<DeviceSummary>> {
    caller.need(Permission::Read)?;
    let scope = caller.scope(query.area.as_deref())?;
    let registry = city.registry.read();
    let engine = city.engine.read();
    let mut summary = DeviceSummary::default();
    let mut kinds = BTreeMap::<u16, (u64, u64)>::new();
    for (_, device) in registry.devices(scope) {
        summary.total += 1;
        match status(&engine, device).0 {
            "online" => summary.online += 1,
            "offline" => summary.offline += 1,
            "fault" => summary.fault += 1,
            _ => summary.never += 1,
        }
        for stream in device.streams() {
            let counts = kinds.entry(registry.stream(stream).kind).or_default();
            counts.0 += 1;
            counts.1 += u64::from(engine.stream(stream).online);
        }
    }
    summary.by_kind = kinds
        .into_iter()
        .map(|(kind, (total, online))| {
            let kind = registry.kind(kind).name.to_string();
            KindSummary { name: city.kind_name(&kind).into(), kind, total, online }
        })
        .collect();
    Ok(Json(summary))
}

/// Devices for the map, as small as can be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"kinds": ["methane"], "items": [[106.56, 29.55, 0, 0, 0, "m1"]], "total": 1}))]
pub(crate) struct DeviceMap {
    kinds: Vec<String>,
    /// `[lon, lat, kind index, status (0 online 1 offline 2 fault 3 never), severity, id]`.
    #[schema(value_type = Vec<Vec<serde_json::Value>>)]
    items: Vec<(f64, f64, u16, u8, u8, String)>,
    /// How many there are with a position; more than `items` when the limit cut the list.
    total: u64,
}

/// Filters of the map's devices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MapQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// Only this kind.
    kind: Option<String>,
    /// Rows wanted, up to 200000 (default 20000).
    limit: Option<usize>,
}

/// Positions, kinds and health of devices for the map.
#[utoipa::path(get, path = "/api/v1/devices/map", tag = "devices", params(MapQuery),
    responses((status = 200, body = DeviceMap)))]
pub(crate) async fn map_devices(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<MapQuery>,
) -> Answer<Json<DeviceMap>> {
    caller.need(Permission::Read)?;
    let scope = caller.scope(query.area.as_deref())?;
    let limit = query.limit.unwrap_or(20_000).min(200_000);
    let registry = city.registry.read();
    let engine = city.engine.read();
    let kind = query.kind.as_deref().filter(|k| !k.is_empty());
    let mut map = DeviceMap { kinds: Vec::new(), items: Vec::new(), total: 0 };
    let mut shown = BTreeMap::<u16, u16>::new();
    for (_, device) in registry.devices(scope) {
        let Some([lon, lat]) = device.position() else { continue };
        let stream = device
            .streams()
            .find(|&s| kind.is_none_or(|k| *registry.kind(registry.stream(s).kind).name == *k));
        let Some(stream) = stream else { continue };
        map.total += 1;
        if map.items.len() >= limit {
            continue;
        }
        let kind_index = registry.stream(stream).kind;
        let next = u16::try_from(shown.len()).unwrap_or(u16::MAX);
        let index = *shown.entry(kind_index).or_insert_with(|| {
            map.kinds.push(registry.kind(kind_index).name.to_string());
            next
        });
        let state = match status(&engine, device).0 {
            "online" => 0,
            "offline" => 1,
            "fault" => 2,
            _ => 3,
        };
        let severity = worst(&engine, device.streams());
        let round = |v: f64| (v * 1e5).round() / 1e5;
        map.items.push((round(lon), round(lat), index, state, severity, device.name().to_owned()));
    }
    Ok(Json(map))
}

fn worst(engine: &Engine, streams: impl Iterator<Item = StreamId>) -> u8 {
    streams.map(|s| engine.stream(s).severity).max().unwrap_or(0)
}
