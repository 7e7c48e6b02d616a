//! Counts over cases: what is open, overdue, closed, on time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_model::Timestamp;
use chengmai_model::time::HOUR_MS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::time;
use crate::http::problem::{Answer, TextJson};

/// Over which area and time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeriodQuery {
    /// Only in this area and below.
    pub(crate) area: Option<String>,
    /// From this time on (RFC 3339; default 30 days before `to`).
    pub(crate) from: Option<String>,
    /// Before this time (RFC 3339; default now).
    pub(crate) to: Option<String>,
}

impl PeriodQuery {
    /// The period; by default the last thirty days.
    pub(crate) fn period(&self, now: Timestamp) -> Answer<(Timestamp, Timestamp)> {
        let to = time("to", self.to.as_deref())?.unwrap_or_else(|| now.plus_ms(1));
        let from = time("from", self.from.as_deref())?;
        Ok((from.unwrap_or_else(|| to.plus_ms(-30 * 24 * HOUR_MS)), to))
    }
}

/// A share that says of what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RateJson {
    numerator: u64,
    denominator: u64,
    /// null when there is nothing to take a share of.
    rate: Option<f64>,
}

impl From<chengmai_engine::rating::Rate> for RateJson {
    fn from(rate: chengmai_engine::rating::Rate) -> Self {
        Self { numerator: rate.numerator, denominator: rate.denominator, rate: rate.value() }
    }
}

/// Cases of one state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateCount {
    state: &'static str,
    name: TextJson,
    count: u64,
}

/// Cases of one type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TypeCount {
    r#type: String,
    name: TextJson,
    open: u64,
    closed: u64,
}

/// Counts over the cases of an area.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"open": 12, "overdue": 1, "due_soon": 2, "closed": 88, "median_close_ms": 5_400_000,
    "on_time": {"numerator": 84, "denominator": 89, "rate": 0.944},
    "by_state": [{"state": "handling", "name": {"zh": "处置中", "en": "Being handled"}, "count": 7}],
    "by_type": [{"type": "gas_leak", "name": {"zh": "燃气泄漏", "en": "Gas leak"}, "open": 1, "closed": 6}]}))]
pub(crate) struct CaseSummary {
    open: u64,
    overdue: u64,
    /// 80 % of the whole limit used, not yet overdue.
    due_soon: u64,
    closed: u64,
    /// Middle time from report to close of those closed; null without any.
    median_close_ms: Option<i64>,
    /// Closed on time / (closed with a limit + open overdue).
    on_time: RateJson,
    by_state: Vec<StateCount>,
    by_type: Vec<TypeCount>,
}

/// Counts over the cases of an area: what is open, overdue, closed, on time.
#[utoipa::path(get, path = "/api/v1/cases/summary", tag = "cases", params(PeriodQuery),
    responses((status = 200, body = CaseSummary)))]
pub(crate) async fn summarise_cases(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<PeriodQuery>,
) -> Answer<Json<CaseSummary>> {
    caller.need(Permission::Read)?;
    let now = clock::now();
    let (from, to) = query.period(now)?;
    let areas = [caller.scope_path(query.area.as_deref())?];
    let summary = city.records.cases().summary(&areas, from, to, now).await?;
    let counts = summary.counts;
    Ok(Json(CaseSummary {
        open: counts.open,
        overdue: counts.open_overdue,
        due_soon: summary.due_soon,
        closed: counts.closed,
        median_close_ms: summary.median_close_ms,
        on_time: counts.on_time().into(),
        by_state: summary
            .by_state
            .into_iter()
            .map(|(state, count)| StateCount {
                state: state.word(),
                name: state.name().into(),
                count,
            })
            .collect(),
        by_type: summary
            .by_type
            .into_iter()
            .map(|t| TypeCount {
                r#type: t.type_id,
                name: t.name.into(),
                open: t.open,
                closed: t.closed,
            })
            .collect(),
    }))
}
