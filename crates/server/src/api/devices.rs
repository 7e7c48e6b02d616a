//! Devices: registry, health, last values, bulk import, and their readings.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use chengmai_engine::Engine;
use chengmai_model::error::ErrorCode;
use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, DeviceId, StreamId, Timestamp};
use chengmai_wire::Decoded;
use chengmai_wire::devices::{self, DeviceRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::city::registry::{Device, Refused, Registry};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{Body, QueryOf};
use crate::http::list::{Page, Paging, time};
use crate::http::problem::{Answer, Problem, TextJson};
use crate::ingest;

use super::setpoints::SetLevelsJson;

/// Most readings of one answer.
const OBSERVATIONS_MAX: usize = 10_000;

/// A kind of reading.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "methane", "name": {"zh": "可燃气体浓度", "en": "Combustible gas"},
    "unit": "%LEL", "range": [0.0, 100.0], "pack": "gas", "decimals": 1}))]
pub(crate) struct KindJson {
    id: String,
    name: TextJson,
    unit: String,
    range: [f64; 2],
    pack: String,
    decimals: u8,
}

/// Kinds that the packs declare.
#[utoipa::path(get, path = "/api/v1/kinds", tag = "devices",
    responses((status = 200, body = Page<KindJson>)))]
pub(crate) async fn list_kinds(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<KindJson>>> {
    caller.need(Permission::Read)?;
    let kinds = city.packs.iter().flat_map(|pack| {
        pack.kinds.iter().map(|kind| KindJson {
            id: kind.id.clone(),
            name: (&kind.name).into(),
            unit: kind.unit.clone(),
            range: kind.range,
            pack: pack.head.id.clone(),
            decimals: kind.decimals,
        })
    });
    Ok(Json(Page::whole(kinds.collect())))
}

/// One stream of a device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamJson {
    kind: String,
    kind_name: TextJson,
    unit: String,
    value: Option<f64>,
    at: Option<String>,
    /// Worst alarm that stands, 0 to 4.
    severity: u8,
    /// Its own levels; absent when no rule of its kind asks for set-points.
    setpoints: Option<SetLevelsJson>,
}

/// A device with its health and last values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "m1", "name": null, "area": "500103", "area_name": "渝中区",
    "path": "重庆市 / 渝中区", "position": [106.56, 29.55], "agency": null, "period_ms": 60000,
    "simulated": false, "status": "online", "fault": null,
    "registered_at": "2026-11-21T03:04:05.678Z", "streams": [{"kind": "methane",
    "kind_name": {"zh": "可燃气体浓度", "en": "Combustible gas"}, "unit": "%LEL", "value": 2.4,
    "at": "2026-11-21T03:04:05.678Z", "severity": 0,
    "setpoints": {"blue": null, "yellow": 5.0, "orange": null, "red": 20.0}}]}))]
pub(crate) struct DeviceJson {
    id: String,
    name: Option<String>,
    area: String,
    area_name: String,
    path: String,
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
    agency: Option<String>,
    period_ms: u32,
    simulated: bool,
    /// online, offline, fault, never.
    status: &'static str,
    /// stuck, when the device is suspect.
    fault: Option<&'static str>,
    registered_at: String,
    streams: Vec<StreamJson>,
}

/// Health of a device: fault before offline before online; never without any reading.
pub(super) fn status(engine: &Engine, device: Device<'_>) -> (&'static str, Option<&'static str>) {
    let (mut seen, mut online, mut stuck) = (false, false, false);
    for stream in device.streams() {
        let view = engine.stream(stream);
        seen |= view.last.is_some();
        online |= view.online;
        stuck |= view.stuck;
    }
    match (seen, stuck, online) {
        (false, ..) => ("never", None),
        (true, true, _) => ("fault", Some("stuck")),
        (true, false, true) => ("online", None),
        (true, false, false) => ("offline", None),
    }
}

pub(crate) fn device_json(
    city: &City,
    registry: &Registry,
    engine: &Engine,
    id: DeviceId,
) -> DeviceJson {
    let device = registry.device(id);
    let (status, fault) = status(engine, device);
    let streams = device.streams().map(|stream| {
        let kind = registry.kind(registry.stream(stream).kind);
        let view = engine.stream(stream);
        StreamJson {
            kind: kind.name.to_string(),
            kind_name: city.kind_name(&kind.name).into(),
            unit: kind.unit.to_string(),
            value: view.last.map(|(_, value)| value),
            at: view.last.map(|(at, _)| at.to_rfc3339()),
            severity: view.severity,
            setpoints: engine
                .catalog()
                .asks_setpoints(&kind.name)
                .then(|| engine.setpoints(stream).into()),
        }
    });
    DeviceJson {
        id: device.name().to_owned(),
        name: device.title().map(str::to_owned),
        area: device.code().to_string(),
        area_name: city.areas.get(device.area()).row.name.clone(),
        path: city.path_names(device.area()),
        position: device.position(),
        agency: device.agency().map(str::to_owned),
        period_ms: device.period_ms(),
        simulated: device.simulated(),
        status,
        fault,
        registered_at: device.registered_at().to_rfc3339(),
        streams: streams.collect(),
    }
}

/// Filters of the list of devices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// Only devices with a stream of this kind.
    kind: Option<String>,
    /// online, offline, fault, never.
    status: Option<String>,
    /// Part of the id or the name.
    q: Option<String>,
    /// Only this agency's.
    agency: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Devices the caller sees.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", params(DeviceQuery),
    responses((status = 200, body = Page<DeviceJson>)))]
pub(crate) async fn list_devices(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<DeviceQuery>,
) -> Answer<Json<Page<DeviceJson>>> {
    caller.need(Permission::Read)?;
    let scope = caller.scope(query.area.as_deref())?;
    let registry = city.registry.read();
    let engine = city.engine.read();
    let kind = query.kind.as_deref().filter(|k| !k.is_empty());
    let Some(kind) = kind.map_or(Some(None), |k| registry.kind_index(k).map(Some)) else {
        return Ok(Json(Page::whole(Vec::new())));
    };
    let text = |t: &Option<String>| t.clone().filter(|t| !t.is_empty());
    let (wanted_status, q, agency) = (text(&query.status), text(&query.q), text(&query.agency));
    let matching = registry.devices(scope).filter(|(_, device)| {
        kind.is_none_or(|k| device.streams().any(|s| registry.stream(s).kind == k))
            && q.as_deref().is_none_or(|q| {
                device.name().contains(q) || device.title().is_some_and(|t| t.contains(q))
            })
            && agency.as_deref().is_none_or(|a| device.agency() == Some(a))
            && wanted_status.as_deref().is_none_or(|s| status(&engine, *device).0 == s)
    });
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let page = paging.page(matching, |(id, _)| device_json(&city, &registry, &engine, id))?;
    Ok(Json(page))
}

pub(super) fn visible_device(caller: &Caller, registry: &Registry, id: &str) -> Answer<DeviceId> {
    registry
        .find(id)
        .filter(|&device| caller.sees(registry.device(device).area()))
        .ok_or_else(|| Problem::not_found(format!("device {id}")))
}

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "devices",
    params(("id" = String, Path, example = "m1")), responses((status = 200, body = DeviceJson)))]
pub(crate) async fn get_device(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<DeviceJson>> {
    caller.need(Permission::Read)?;
    let registry = city.registry.read();
    let device = visible_device(&caller, &registry, &id)?;
    Ok(Json(device_json(&city, &registry, &city.engine.read(), device)))
}

/// One reading.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ObservationJson {
    kind: String,
    at: String,
    value: f64,
}

/// Readings of one device, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"items": [{"kind": "methane", "at": "2026-11-21T03:04:05.678Z", "value": 2.4}],
    "next_cursor": null, "total": 1, "units": {"methane": "%LEL"}}))]
pub(crate) struct Observations {
    items: Vec<ObservationJson>,
    next_cursor: Option<String>,
    total: u64,
    /// Unit of each kind that occurs.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    units: std::collections::BTreeMap<String, String>,
}

/// Which readings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ObservationQuery {
    /// Only this kind.
    kind: Option<String>,
    /// From this time on (RFC 3339; default 24 h before `to`).
    from: Option<String>,
    /// Before this time (RFC 3339; default now).
    to: Option<String>,
    /// Rows wanted, 1 to 10000 (default 10000); the newest are kept.
    limit: Option<usize>,
}

/// Readings of one device: from the journal's hot tail and the Parquet history together.
#[utoipa::path(get, path = "/api/v1/devices/{id}/observations", tag = "devices",
    params(("id" = String, Path, example = "m1"), ObservationQuery),
    responses((status = 200, body = Observations)))]
pub(crate) async fn list_observations(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<ObservationQuery>,
) -> Answer<Json<Observations>> {
    caller.need(Permission::Read)?;
    let limit = query.limit.unwrap_or(OBSERVATIONS_MAX);
    if !(1..=OBSERVATIONS_MAX).contains(&limit) {
        return Err(Problem::bad_query(format!("limit={limit} is not 1 to {OBSERVATIONS_MAX}")));
    }
    let to = time("to", query.to.as_deref())?.unwrap_or_else(|| clock::now().plus_ms(1));
    let from = time("from", query.from.as_deref())?.unwrap_or_else(|| to.plus_ms(-DAY_MS));
    let kind = query.kind.filter(|k| !k.is_empty());
    let streams: Vec<(StreamId, String, String)> = {
        let registry = city.registry.read();
        let device = visible_device(&caller, &registry, &id)?;
        let streams = registry.device(device).streams().map(|stream| {
            let kind = registry.kind(registry.stream(stream).kind);
            (stream, kind.name.to_string(), kind.unit.to_string())
        });
        streams.filter(|(_, name, _)| kind.as_ref().is_none_or(|k| k == name)).collect()
    };
    let wanted = streams.iter().map(|(id, kind, _)| (*id, kind.clone())).collect();
    let rows = city.device_readings(caller.area, id, wanted, from, to, limit).await?;
    let name = |id: StreamId| streams.iter().find(|s| s.0 == id).map(|s| s.1.clone());
    let items: Vec<ObservationJson> = rows
        .into_iter()
        .filter_map(|r| {
            Some(ObservationJson { kind: name(r.stream)?, at: r.at.to_rfc3339(), value: r.value })
        })
        .collect();
    let units = streams.into_iter().map(|(_, kind, unit)| (kind, unit)).collect();
    let total = items.len() as u64;
    Ok(Json(Observations { items, next_cursor: None, total, units }))
}

/// What a bulk import did.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"registered": 2, "updated": 0, "refused": [{"line": 4, "code": "E-110",
    "reason": {"zh": "没有这个区域代码", "en": "there is no area with this code"}, "detail": "999999"}]}))]
pub(crate) struct Imported {
    registered: u64,
    updated: u64,
    refused: Vec<RefusedRow>,
}

/// A row that was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedRow {
    pub(crate) line: u32,
    /// `E-110`.
    pub(crate) code: String,
    pub(crate) reason: TextJson,
    pub(crate) detail: String,
}

impl RefusedRow {
    /// Counted, and told.
    pub(crate) fn of(city: &City, code: &'static ErrorCode, line: u32, detail: &str) -> Self {
        city.counters.refuse(code, 1);
        Self { line, code: code.label(), reason: code.text().into(), detail: detail.to_owned() }
    }
}

/// Registers devices in bulk, from CSV (`text/csv`) or GeoJSON points (`application/geo+json`). A
/// bad row is refused by line; the others are kept. Answers when they are on disk.
#[utoipa::path(post, path = "/api/v1/devices", tag = "devices",
    request_body(content = String, content_type = "text/csv", example = "id,kinds,area,lon,lat\nm1,methane,500103,106.56,29.55\n"),
    responses((status = 200, body = Imported)))]
pub(crate) async fn import_devices(
    State(city): State<Arc<City>>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer<Json<Imported>> {
    caller.need(Permission::DeviceManage)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let body = ingest::decoded(&headers, body, city.config.body_bytes_max)?;
    let decoded = if kind.contains("json") {
        devices::decode_geojson(&body)
    } else {
        devices::decode_csv(&body)
    };
    let imported = register(&city, &decoded, caller.area, clock::now());
    city.registrations_durable().await?;
    Ok(Json(imported))
}

/// Registers decoded rows; the caller waits for durability.
pub(crate) fn register(
    city: &City,
    decoded: &Decoded<DeviceRow>,
    scope: AreaId,
    now: Timestamp,
) -> Imported {
    let mut imported = Imported::default();
    for fault in &decoded.faults {
        imported.refused.push(RefusedRow::of(city, fault.code, fault.line, &fault.reason.en));
    }
    let mut registry = city.registry.write();
    for row in &decoded.rows {
        match registry.import(row, scope, now) {
            Ok(true) => imported.registered += 1,
            Ok(false) => imported.updated += 1,
            Err(Refused { code, detail }) => {
                imported.refused.push(RefusedRow::of(city, code, row.line, &detail));
            }
        }
    }
    imported
}
