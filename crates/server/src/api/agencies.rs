//! Agencies 责任单位 and the score of their cases, always with the numbers behind it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::rating::{formula, rate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::case_summary::{PeriodQuery, RateJson};
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::{Page, Paging};
use crate::http::problem::{Answer, TextJson};

/// An agency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "gas_company-500103", "name": {"zh": "渝中区燃气公司", "en": "Yuzhong Gas Company"},
    "area": "500103", "area_name": "渝中区", "kind": "gas_company", "person": null}))]
pub(crate) struct AgencyJson {
    id: String,
    name: TextJson,
    area: String,
    area_name: String,
    kind: String,
    person: Option<String>,
}

/// Filters of the list of agencies.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AgencyQuery {
    /// Agencies that look after this area: in it, below it, or around it.
    area: Option<String>,
    /// Only this kind.
    kind: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Agencies that look after areas the caller sees.
#[utoipa::path(get, path = "/api/v1/agencies", tag = "agencies", params(AgencyQuery),
    responses((status = 200, body = Page<AgencyJson>)))]
pub(crate) async fn list_agencies(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<AgencyQuery>,
) -> Answer<Json<Page<AgencyJson>>> {
    caller.need(Permission::Read)?;
    let scope = caller.scope_path(query.area.as_deref())?;
    let kind = query.kind.filter(|k| !k.is_empty());
    let rows = city.agencies.iter().filter(|agency| {
        (scope.contains(&agency.area) || agency.area.contains(&scope))
            && kind.as_ref().is_none_or(|k| agency.kind == *k)
    });
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let page = paging.page(rows, |agency| AgencyJson {
        id: agency.id.clone(),
        name: (&agency.name).into(),
        area: agency.area.code().to_owned(),
        area_name: city.area_name(agency.area.code()),
        kind: agency.kind.clone(),
        person: agency.person.clone(),
    })?;
    Ok(Json(page))
}

/// Score of an agency with what is behind it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"agency": "gas_company-500103", "name": {"zh": "渝中区燃气公司", "en": "Yuzhong Gas Company"},
    "area_name": "渝中区", "score": 96.2, "closed": 14, "open": 1, "open_overdue": 0,
    "on_time": {"numerator": 13, "denominator": 14, "rate": 0.93},
    "rework": {"numerator": 0, "denominator": 15, "rate": 0.0}, "count": 15}))]
pub(crate) struct RatingJson {
    agency: String,
    name: TextJson,
    area_name: String,
    /// 0 to 100; null: too few cases to tell.
    score: Option<f64>,
    closed: u64,
    open: u64,
    open_overdue: u64,
    on_time: RateJson,
    rework: RateJson,
    /// Cases counted.
    count: u64,
}

/// All ratings of an area, with the formula in words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ratings {
    items: Vec<RatingJson>,
    next_cursor: Option<String>,
    total: u64,
    formula: TextJson,
}

/// Scores of agencies over a period, best first; those with too few cases last.
#[utoipa::path(get, path = "/api/v1/agencies/ratings", tag = "agencies", params(PeriodQuery),
    responses((status = 200, body = Ratings)))]
pub(crate) async fn list_ratings(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<PeriodQuery>,
) -> Answer<Json<Ratings>> {
    caller.need(Permission::Read)?;
    let now = clock::now();
    let (from, to) = query.period(now)?;
    let areas = [caller.scope_path(query.area.as_deref())?];
    let counts = city.records.cases().ratings(&areas, from, to, now).await?;
    let mut items: Vec<RatingJson> = counts
        .into_iter()
        .map(|row| {
            let rating = rate(row.counts);
            let agency = city.agencies.get(&row.agency);
            let plain = chengmai_model::Text::new(row.agency.clone(), row.agency.clone());
            RatingJson {
                name: agency.map_or(plain, |a| a.name.clone()).into(),
                area_name: agency.map(|a| city.area_name(a.area.code())).unwrap_or_default(),
                agency: row.agency,
                score: rating.score.map(|s| (s * 10.0).round() / 10.0),
                closed: row.counts.closed,
                open: row.counts.open,
                open_overdue: row.counts.open_overdue,
                on_time: row.counts.on_time().into(),
                rework: row.counts.rework().into(),
                count: row.counts.cases(),
            }
        })
        .collect();
    items.sort_by(|a, b| {
        let key = |r: &RatingJson| r.score.unwrap_or(-1.0);
        key(b).total_cmp(&key(a)).then(b.count.cmp(&a.count)).then(a.agency.cmp(&b.agency))
    });
    let total = items.len() as u64;
    Ok(Json(Ratings { items, next_cursor: None, total, formula: formula().into() }))
}
