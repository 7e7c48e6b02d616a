//! Vital signs 体征指标: definitions, values over the five tiers, history, and the readings behind a
//! number.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::{Engine, IndicatorValue};
use chengmai_model::pack::{Better, Levels};
use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::device_summary::AreaOnly;
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::{Page, Paging, time};
use crate::http::problem::{Answer, Problem, TextJson};

/// The value of an indicator over an area.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"indicator": "gas.safe_share", "area": "500103", "value": 99.2,
    "coverage": 0.97, "uncertain": false, "severity": 0,
    "window_start": "2026-11-21T03:00:00.000Z", "window_end": "2026-11-21T03:05:00.000Z",
    "readings": 1204, "previous": 99.4}))]
pub(crate) struct ValueJson {
    pub(crate) indicator: String,
    pub(crate) area: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `parent` for the row of the area asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    value: Option<f64>,
    /// Readings that came in, of those expected; 0 to 1.
    coverage: Option<f32>,
    /// True when the coverage is below the indicator's limit.
    uncertain: bool,
    /// 0 none to 4 extreme.
    severity: u8,
    window_start: String,
    window_end: String,
    readings: u64,
    /// The window before.
    previous: Option<f64>,
}

pub(crate) fn value_json(
    city: &City,
    code: &str,
    window_ms: i64,
    area: AreaId,
    value: &IndicatorValue,
) -> ValueJson {
    ValueJson {
        indicator: code.to_owned(),
        area: city.areas.get(area).row.code.to_string(),
        name: None,
        role: None,
        value: value.value,
        coverage: value.coverage,
        uncertain: value.uncertain,
        severity: value.severity,
        window_start: value.window_start.to_rfc3339(),
        window_end: value.window_start.plus_ms(window_ms).to_rfc3339(),
        readings: value.readings,
        previous: value.previous,
    }
}

/// An indicator and its value over one area.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"code": "gas.safe_share", "name": {"zh": "燃气监测点安全率", "en": "Safe gas points"}, "pack": "gas",
    "section": "facility_operation", "track": {"zh": "城市生命线", "en": "Lifelines"}, "unit": "%", "decimals": 1,
    "better": "higher", "formula": "100 * count(methane < 20) / count(methane)", "window_ms": 300_000,
    "tiers": ["city", "district"], "levels": {"blue": 99.0, "yellow": 98.0, "orange": 95.0, "red": 90.0, "hysteresis": 0.5},
    "coverage_min": 0.8, "owner": "gas_office", "source": "default", "value": null}))]
pub(crate) struct IndicatorJson {
    code: String,
    name: TextJson,
    pack: String,
    section: String,
    track: TextJson,
    unit: String,
    decimals: u8,
    /// higher, lower, band.
    better: &'static str,
    formula: String,
    window_ms: i64,
    tiers: Vec<&'static str>,
    levels: Option<LevelsJson>,
    /// 0 to 1.
    coverage_min: f64,
    owner: String,
    source: String,
    value: Option<ValueJson>,
}

/// Levels of an indicator.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LevelsJson {
    blue: Option<f64>,
    yellow: Option<f64>,
    orange: Option<f64>,
    red: Option<f64>,
    hysteresis: f64,
}

impl From<&Levels> for LevelsJson {
    fn from(levels: &Levels) -> Self {
        Self {
            blue: levels.blue,
            yellow: levels.yellow,
            orange: levels.orange,
            red: levels.red,
            hysteresis: levels.hysteresis,
        }
    }
}

fn indicator_json(city: &City, engine: &Engine, index: u16, area: AreaId) -> IndicatorJson {
    let def = &engine.catalog().indicators()[usize::from(index)];
    let row = &def.def;
    let head = &engine.catalog().pack(def.pack).head;
    let tier = city.areas.get(area).row.tier;
    let value = row
        .tiers
        .contains(&tier)
        .then(|| value_json(city, &row.code, def.window_ms, area, &engine.value(index, area)));
    IndicatorJson {
        code: row.code.clone(),
        name: (&row.name).into(),
        pack: head.id.clone(),
        section: def.section.clone(),
        track: (&def.track).into(),
        unit: row.unit.clone(),
        decimals: row.decimals,
        better: match row.better {
            Better::Higher => "higher",
            Better::Lower => "lower",
            Better::Band => "band",
        },
        formula: row.value.clone(),
        window_ms: def.window_ms,
        tiers: row.tiers.iter().map(|t| t.word()).collect(),
        levels: row.levels.as_ref().map(LevelsJson::from),
        coverage_min: def.coverage_min,
        owner: row.owner.clone(),
        source: row.source.clone(),
        value,
    }
}

/// Filters of the list of indicators.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IndicatorQuery {
    /// Values over this area (default: the caller's own).
    area: Option<String>,
    /// Only this section.
    section: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// All indicators with their value over one area.
#[utoipa::path(get, path = "/api/v1/indicators", tag = "indicators", params(IndicatorQuery),
    responses((status = 200, body = Page<IndicatorJson>)))]
pub(crate) async fn list_indicators(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<IndicatorQuery>,
) -> Answer<Json<Page<IndicatorJson>>> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let engine = city.engine.read();
    let count = u16::try_from(engine.catalog().indicators().len()).unwrap_or(u16::MAX);
    let rows = (0..count).map(|index| indicator_json(&city, &engine, index, area));
    let section = query.section.filter(|s| !s.is_empty());
    let rows = rows.filter(|row| section.as_ref().is_none_or(|s| row.section == *s));
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    Ok(Json(paging.page(rows, |row| row)?))
}

pub(super) fn find(engine: &Engine, code: &str) -> Answer<u16> {
    let index = engine.catalog().find_indicator(code);
    index.ok_or_else(|| Problem::not_found(format!("indicator {code}")))
}

/// One indicator with its value over one area.
#[utoipa::path(get, path = "/api/v1/indicators/{code}", tag = "indicators",
    params(("code" = String, Path, example = "gas.safe_share"), AreaOnly),
    responses((status = 200, body = IndicatorJson)))]
pub(crate) async fn get_indicator(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<AreaOnly>,
) -> Answer<Json<IndicatorJson>> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let engine = city.engine.read();
    let index = find(&engine, &code)?;
    Ok(Json(indicator_json(&city, &engine, index, area)))
}

/// Whose children.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ParentQuery {
    /// The area whose children are wanted (default: the caller's own).
    parent: Option<String>,
}

/// Values over each child of an area, and last over the area itself (`role` is `parent`).
#[utoipa::path(get, path = "/api/v1/indicators/{code}/areas", tag = "indicators",
    params(("code" = String, Path, example = "gas.safe_share"), ParentQuery),
    responses((status = 200, body = Page<ValueJson>)))]
pub(crate) async fn list_values(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<ParentQuery>,
) -> Answer<Json<Page<ValueJson>>> {
    caller.need(Permission::Read)?;
    let parent = caller.scope(query.parent.as_deref())?;
    let engine = city.engine.read();
    let index = find(&engine, &code)?;
    let window_ms = engine.catalog().indicators()[usize::from(index)].window_ms;
    let value = |area: AreaId, role| {
        let mut json = value_json(&city, &code, window_ms, area, &engine.value(index, area));
        json.name = Some(city.areas.get(area).row.name.clone());
        json.role = role;
        json
    };
    let mut items: Vec<ValueJson> =
        city.areas.children(parent).map(|child| value(child, None)).collect();
    items.push(value(parent, Some("parent")));
    Ok(Json(Page::whole(items)))
}

/// A stretch of time over an area.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Over this area (default: the caller's own).
    area: Option<String>,
    /// From this time on (RFC 3339; default 24 h before `to`).
    from: Option<String>,
    /// Before this time (RFC 3339; default now).
    to: Option<String>,
}

/// History of an indicator; windows without a value are absent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"unit": "%", "window_ms": 300_000, "points": [
    {"t": "2026-11-21T03:00:00.000Z", "value": 99.2, "coverage": 0.97, "readings": 1204}]}))]
pub(crate) struct HistoryJson {
    unit: String,
    window_ms: i64,
    points: Vec<PointJson>,
}

/// One window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PointJson {
    /// Start of the window.
    t: String,
    value: Option<f64>,
    coverage: f32,
    readings: u64,
}

/// Closed windows of an indicator over one area, oldest first, and the open one last.
#[utoipa::path(get, path = "/api/v1/indicators/{code}/history", tag = "indicators",
    params(("code" = String, Path, example = "gas.safe_share"), HistoryQuery),
    responses((status = 200, body = HistoryJson)))]
pub(crate) async fn get_history(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<HistoryQuery>,
) -> Answer<Json<HistoryJson>> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let to = time("to", query.to.as_deref())?.unwrap_or_else(|| clock::now().plus_ms(1));
    let from = time("from", query.from.as_deref())?.unwrap_or_else(|| to.plus_ms(-DAY_MS));
    let (unit, window_ms, open) = {
        let engine = city.engine.read();
        let index = find(&engine, &code)?;
        let def = &engine.catalog().indicators()[usize::from(index)];
        (def.def.unit.clone(), def.window_ms, engine.open_windows(index, area))
    };
    let area_code = city.areas.get(area).row.code.to_string();
    let closed = city.indicator_windows(code, area_code, from, to).await?;
    let point = |start: Timestamp, value: Option<f64>, coverage: f32, readings: u64| PointJson {
        t: start.to_rfc3339(),
        value,
        coverage,
        readings,
    };
    // A window still open for corrections is newer than any written earlier for the same start.
    let mut points: std::collections::BTreeMap<Timestamp, PointJson> = closed
        .into_iter()
        .map(|w| (w.start, point(w.start, w.value, w.coverage, w.readings)))
        .collect();
    for w in open.iter().filter(|w| from <= w.start && w.start < to && w.readings > 0) {
        points.insert(w.start, point(w.start, w.value, w.coverage, w.readings));
    }
    Ok(Json(HistoryJson { unit, window_ms, points: points.into_values().collect() }))
}

/// A stream behind a number.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"device": "m1", "kind": "methane", "unit": "%LEL", "value": 2.4,
    "at": "2026-11-21T03:04:05.678Z", "area": "500103", "area_name": "渝中区", "simulated": false}))]
pub(crate) struct SourceJson {
    device: String,
    kind: String,
    unit: String,
    value: Option<f64>,
    at: Option<String>,
    area: String,
    area_name: String,
    simulated: bool,
    /// Worst alarm that stands, 0 to 4.
    severity: u8,
}

/// Where to look, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SourceQuery {
    /// Over this area (default: the caller's own).
    area: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// The streams behind an indicator over an area: those in alarm first, then the newest reading.
#[utoipa::path(get, path = "/api/v1/indicators/{code}/sources", tag = "indicators",
    params(("code" = String, Path, example = "gas.safe_share"), SourceQuery),
    responses((status = 200, body = Page<SourceJson>)))]
pub(crate) async fn list_sources(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<SourceQuery>,
) -> Answer<Json<Page<SourceJson>>> {
    caller.need(Permission::Read)?;
    let scope = caller.scope(query.area.as_deref())?;
    let registry = city.registry.read();
    let engine = city.engine.read();
    let index = find(&engine, &code)?;
    let kinds: Vec<u16> = engine.catalog().indicators()[usize::from(index)]
        .kinds
        .iter()
        .filter_map(|&kind| registry.kind_index(&engine.catalog().kind(kind).kind.id))
        .collect();
    let mut streams: Vec<(u8, Timestamp, StreamId)> = Vec::new();
    for (_, device) in registry.devices(scope) {
        for stream in device.streams() {
            if kinds.contains(&registry.stream(stream).kind) {
                let view = engine.stream(stream);
                let at = view.last.map_or(Timestamp(i64::MIN), |(at, _)| at);
                streams.push((view.severity, at, stream));
            }
        }
    }
    streams.sort_unstable_by(|a, b| b.cmp(a));
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let page = paging.page(streams.into_iter(), |(severity, _, stream)| {
        let entry = registry.stream(stream);
        let device = registry.device(entry.device);
        let kind = registry.kind(entry.kind);
        let view = engine.stream(stream);
        SourceJson {
            device: device.name().to_owned(),
            kind: kind.name.to_string(),
            unit: kind.unit.to_string(),
            value: view.last.map(|(_, value)| value),
            at: view.last.map(|(at, _)| at.to_rfc3339()),
            area: device.code().to_string(),
            area_name: city.areas.get(device.area()).row.name.clone(),
            simulated: device.simulated(),
            severity,
        }
    })?;
    Ok(Json(page))
}
