//! How the city stood at a moment of an incident: vital signs, warnings, cases, readings. Worked out
//! from history and records; nothing of it was kept for the purpose.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::pack::Pack;
use chengmai_model::time::{DAY_MS, MINUTE_MS, parse_duration_ms};
use chengmai_model::{AreaId, AreaPath, Tier, Timestamp};
use chengmai_store::records::PageRequest;
use chengmai_store::records::cases::CaseFilter;
use chengmai_store::records::warnings::{WarningFilter, WarningView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::reviews::{AROUND_MS, Told, stretch, told};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::time;
use crate::http::problem::{Answer, Problem, TextJson};

/// Warnings and cases that one moment shows, at most of each.
const MOMENT_MAX: u32 = 1_000;

/// Vital signs that one moment shows.
const SIGNS_MAX: usize = 40;

/// Which moment.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MomentQuery {
    /// The moment (RFC 3339; default: when the incident began).
    at: Option<String>,
}

/// A vital sign as it was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignThen {
    code: String,
    name: TextJson,
    unit: String,
    decimals: u8,
    area: String,
    area_name: String,
    value: Option<f64>,
    window_start: Option<String>,
}

/// How the city stood at a moment, in the incident's district.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"at": "2026-11-21T03:04:05.678Z", "area": "500103", "area_name": "渝中区",
    "indicators": [{"code": "gas.safe_share", "name": {"zh": "燃气安全率", "en": "Gas safety"}, "unit": "%", "decimals": 1, "area": "500103",
        "area_name": "渝中区", "value": 98.5, "window_start": "2026-11-21T03:03:00.000Z"}],
    "warnings": [{"id": "W-00c0ffee00c0ffee", "rule_name": {"zh": "地下空间燃气聚集", "en": "Gas in an underground space"}, "severity": 3, "area": "500103001001",
        "area_name": "大溪沟网格", "position": null, "raised_at": "2026-11-21T03:03:58.000Z", "answered": false, "simulated": true}],
    "cases": [], "readings": [{"device": "m1", "kind": "methane", "unit": "%LEL", "value": 42.0, "at": "2026-11-21T03:03:58.000Z"}]}))]
pub(crate) struct CityThen {
    at: String,
    area: String,
    area_name: String,
    indicators: Vec<SignThen>,
    /// Warnings that stood then, as they were answered then.
    warnings: Vec<WarningThen>,
    cases: Vec<CaseThen>,
    /// The last reading of each device of the incident before that moment.
    readings: Vec<ReadingThen>,
}

/// A warning that stood.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningThen {
    id: String,
    rule_name: TextJson,
    severity: u8,
    area: String,
    area_name: String,
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
    raised_at: String,
    answered: bool,
    simulated: bool,
}

/// A case that was open.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseThen {
    id: String,
    title: TextJson,
    severity: u8,
    state: &'static str,
    state_name: TextJson,
    area: String,
    area_name: String,
    simulated: bool,
}

/// A reading before the moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadingThen {
    pub(super) device: String,
    kind: String,
    unit: String,
    pub(super) value: f64,
    pub(super) at: String,
}

/// How the city stood at a moment of the incident: vital signs, warnings, cases, readings.
#[utoipa::path(get, path = "/api/v1/reviews/{id}/moment", tag = "reviews",
    params(("id" = String, Path, example = "W-00c0ffee00c0ffee"), MomentQuery),
    responses((status = 200, body = CityThen)))]
pub(crate) async fn get_moment(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<MomentQuery>,
) -> Answer<Json<CityThen>> {
    caller.need(Permission::Read)?;
    let told = told(&city, &caller, &id).await?;
    let (from, _) = stretch(&told, clock::now());
    let at = time("at", query.at.as_deref())?.unwrap_or_else(|| from.plus_ms(AROUND_MS));
    let missing = || Problem::not_found(format!("area {}", told.area.code()));
    let here = city.areas.find(told.area.code()).ok_or_else(missing)?;
    // The district around it, or what the caller may see of it.
    let district = city.areas.at_tier(here, Tier::District).unwrap_or(AreaId::ROOT);
    let around = if caller.sees(district) { district } else { caller.area };
    Ok(Json(CityThen {
        at: at.to_rfc3339(),
        area: city.areas.get(around).row.code.as_str().to_owned(),
        area_name: city.areas.get(around).row.name.clone(),
        indicators: signs_then(&city, &told, around, at).await?,
        warnings: warnings_then(&city, around, at).await?,
        cases: cases_then(&city, around, at).await?,
        readings: readings_then(&city, &caller, &told, at).await?,
    }))
}

/// The last window that had ended by then, of the signs of the incident's own pack.
async fn signs_then(
    city: &City,
    told: &Told,
    around: AreaId,
    at: Timestamp,
) -> Answer<Vec<SignThen>> {
    let tier = city.areas.get(around).row.tier;
    let of_warning = |pack: &Pack| {
        told.warning.as_ref().is_some_and(|warning| warning.facts.pack == pack.head.id)
    };
    let of_case = |pack: &Pack| {
        let mut types = pack.case_types.iter();
        told.case.as_ref().is_some_and(|(case, _)| types.any(|t| t.id == case.filing.type_id))
    };
    let pack = city.packs.iter().find(|pack| of_warning(pack));
    let pack = pack.or_else(|| city.packs.iter().find(|pack| of_case(pack)));
    let signs = pack.iter().flat_map(|pack| &pack.indicators);
    let mut found = Vec::new();
    for sign in signs.filter(|sign| sign.tiers.contains(&tier)).take(SIGNS_MAX) {
        let width = parse_duration_ms(&sign.window).unwrap_or(MINUTE_MS);
        let row = &city.areas.get(around).row;
        let from = at.plus_ms(-3 * width);
        let to = at.plus_ms(1 - width);
        let windows =
            city.indicator_windows(sign.code.clone(), row.code.as_str().to_owned(), from, to);
        let last = windows.await?.pop();
        found.push(SignThen {
            code: sign.code.clone(),
            name: (&sign.name).into(),
            unit: sign.unit.clone(),
            decimals: sign.decimals,
            area: row.code.as_str().to_owned(),
            area_name: row.name.clone(),
            value: last.as_ref().and_then(|w| w.value),
            window_start: last.map(|w| w.start.to_rfc3339()),
        });
    }
    Ok(found)
}

async fn warnings_then(city: &City, around: AreaId, at: Timestamp) -> Answer<Vec<WarningThen>> {
    let filter = WarningFilter {
        areas: vec![AreaPath::of(&city.areas, around)],
        view: WarningView::All,
        stood_at: Some(at),
        page: PageRequest { limit: MOMENT_MAX, cursor: None },
        ..WarningFilter::default()
    };
    let stood = city.records.warnings().list(&filter).await?.items.into_iter();
    Ok(stood
        .map(|row| WarningThen {
            id: row.id.to_string(),
            rule_name: (&row.facts.rule_name).into(),
            severity: row.peak_severity.number(),
            area: row.area.code().to_owned(),
            area_name: city.area_name(row.area.code()),
            position: row.facts.position,
            raised_at: row.raised_at.to_rfc3339(),
            answered: row.answered_at.is_some_and(|answered| answered <= at),
            simulated: row.facts.simulated,
        })
        .collect())
}

async fn cases_then(city: &City, around: AreaId, at: Timestamp) -> Answer<Vec<CaseThen>> {
    let filter = CaseFilter {
        areas: vec![AreaPath::of(&city.areas, around)],
        open_at: Some(at),
        page: PageRequest { limit: MOMENT_MAX, cursor: None },
        ..CaseFilter::default()
    };
    let mut found = Vec::new();
    for case in city.records.cases().list(&filter).await?.items {
        let events = city.records.cases().events(&case.id).await?;
        let state = events.iter().take_while(|event| event.at <= at).last().map(|event| event.to);
        let Some(state) = state else { continue };
        found.push(CaseThen {
            id: case.id.to_string(),
            title: (&case.filing.title).into(),
            severity: case.filing.severity.number(),
            state: state.word(),
            state_name: state.name().into(),
            area: case.area.code().to_owned(),
            area_name: city.area_name(case.area.code()),
            simulated: case.filing.simulated,
        });
    }
    Ok(found)
}

/// The last reading of each device of the evidence at that moment.
pub(super) async fn readings_then(
    city: &City,
    caller: &Caller,
    told: &Told,
    at: Timestamp,
) -> Answer<Vec<ReadingThen>> {
    let Some(warning) = &told.warning else { return Ok(Vec::new()) };
    let mut wanted: Vec<(String, String)> =
        warning.facts.evidence.iter().map(|e| (e.device.clone(), e.kind.clone())).collect();
    wanted.sort();
    wanted.dedup();
    let mut found = Vec::new();
    for (device, kind) in wanted {
        let stream = {
            let registry = city.registry.read();
            let id = registry.find(&device).zip(registry.kind_index(&kind));
            id.and_then(|(id, kind)| registry.stream_of(id, kind))
        };
        let Some(stream) = stream else { continue };
        let streams = vec![(stream, kind.clone())];
        let (from, to) = (at.plus_ms(-DAY_MS), at.plus_ms(1));
        let last = city.device_readings(caller.area, device.clone(), streams, from, to, 1).await?;
        if let Some(last) = last.last() {
            let unit = warning.facts.unit.clone();
            let (value, at) = (last.value, last.at.to_rfc3339());
            found.push(ReadingThen { device, kind, unit, value, at });
        }
    }
    Ok(found)
}
