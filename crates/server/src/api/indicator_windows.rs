//! Windows of an indicator over many areas at once: the table behind a coloured map or a comparison
//! of districts, in one question.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::time::HOUR_MS;
use chengmai_model::{AreaId, Tier, Timestamp};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::indicators::find;
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::time;
use crate::http::problem::{Answer, Problem};

/// Most areas of one answer.
const AREAS_MAX: usize = 2_000;

/// Which windows are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WindowsQuery {
    /// In this area and below (default: the caller's own).
    area: Option<String>,
    /// Areas of this tier: city, district, town, community (default: the area alone).
    tier: Option<String>,
    /// Windows that begin at or after this moment (default: an hour before `to`).
    from: Option<String>,
    /// Windows that begin before this moment (default: now).
    to: Option<String>,
}

/// Windows of several areas, a row each.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"unit": "%LEL", "window_ms": 300_000, "starts": [1_795_230_000_000_i64],
    "areas": [{"code": "500103", "values": [2.4]}]}))]
pub(crate) struct WindowTable {
    unit: String,
    window_ms: i64,
    /// When each window begins, in milliseconds since 1970.
    starts: Vec<i64>,
    areas: Vec<WindowRow>,
}

/// One area's values, null where nothing is known.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"code": "500103", "values": [2.4, null]}))]
pub(crate) struct WindowRow {
    code: String,
    values: Vec<Option<f64>>,
}

/// Windows of an indicator over all areas of a tier, closed and open ones.
#[utoipa::path(get, path = "/api/v1/indicators/{code}/windows", tag = "indicators",
    params(("code" = String, Path, example = "gas.safe_share"), WindowsQuery),
    responses((status = 200, body = WindowTable)))]
pub(crate) async fn list_windows(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<WindowsQuery>,
) -> Answer<Json<WindowTable>> {
    caller.need(Permission::Read)?;
    let scope = caller.scope(query.area.as_deref())?;
    let tier = match query.tier.as_deref() {
        None => city.areas.get(scope).row.tier,
        Some(word) => {
            Tier::from_word(word).ok_or_else(|| Problem::bad_query(format!("tier={word}")))?
        }
    };
    let to = time("to", query.to.as_deref())?.unwrap_or_else(|| clock::now().plus_ms(1));
    let from = time("from", query.from.as_deref())?.unwrap_or_else(|| to.plus_ms(-HOUR_MS));
    // An unknown code is told before anything is read for it.
    find(&city.engine.read(), &code)?;
    let areas = areas_of(&city, scope, tier)?;
    let mut values = HashMap::<(usize, i64), f64>::new();
    for (row, &area) in areas.iter().enumerate() {
        let name = city.areas.get(area).row.code.to_string();
        for window in city.indicator_windows(code.clone(), name, from, to).await? {
            values.extend(window.value.map(|value| ((row, window.start.0), value)));
        }
    }
    let (unit, window_ms) = {
        let engine = city.engine.read();
        let index = find(&engine, &code)?;
        let inside = |start: Timestamp| from <= start && start < to;
        for (row, &area) in areas.iter().enumerate() {
            // What is still open is newer than anything written for the same start.
            for window in engine.open_windows(index, area).iter().filter(|w| inside(w.start)) {
                let known = window.value.filter(|_| window.readings > 0);
                values.extend(known.map(|value| ((row, window.start.0), value)));
            }
        }
        let def = &engine.catalog().indicators()[usize::from(index)];
        (def.def.unit.clone(), def.window_ms)
    };
    let starts: BTreeSet<i64> = values.keys().map(|&(_, start)| start).collect();
    let row = |(row, &area): (usize, &AreaId)| WindowRow {
        code: city.areas.get(area).row.code.to_string(),
        values: starts.iter().map(|&start| values.get(&(row, start)).copied()).collect(),
    };
    let areas = areas.iter().enumerate().map(row).collect();
    Ok(Json(WindowTable { unit, window_ms, starts: starts.into_iter().collect(), areas }))
}

fn areas_of(city: &City, scope: AreaId, tier: Tier) -> Answer<Vec<AreaId>> {
    let subtree = city.areas.subtree(scope).map(AreaId);
    let areas: Vec<AreaId> =
        subtree.filter(|&area| city.areas.get(area).row.tier == tier).collect();
    if areas.len() > AREAS_MAX {
        let detail =
            format!("{} areas of that tier, at most {AREAS_MAX}: give a smaller area", areas.len());
        return Err(Problem::bad_query(detail));
    }
    Ok(areas)
}
