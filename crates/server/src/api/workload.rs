//! Workload 工作量 of grids: what was verified and checked there, what waits, how far was walked. By area,
//! never by person.
//!
//! Not here: whether it was done well (`evaluation`, `stars`).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_model::case::{Case, CaseState, ClockRow, Stage};
use chengmai_model::time::HOUR_MS;
use chengmai_model::{AreaPath, Role, Timestamp, error};
use chengmai_store::records::cases::CaseScan;
use serde::Serialize;
use utoipa::ToSchema;

use super::case_summary::PeriodQuery;
use crate::city::{City, path_names};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::problem::{Answer, Problem};

/// Longest period.
const PERIOD_MS_MAX: i64 = 32 * 24 * HOUR_MS;
/// Most areas of an answer, those with the most work first.
const ROWS_MAX: usize = 200;
/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// Workload of an area.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct WorkloadRow {
    area: String,
    area_name: String,
    path: String,
    /// Verifications and checks that were done in the period.
    done: u64,
    /// Of these, ended after they were due.
    late: u64,
    /// Cases that wait for one now.
    waiting: u64,
    /// Of these, overdue now.
    overdue: u64,
    /// Cases that grid workers reported or filed in the period.
    reported: u64,
    /// Half of those done took at most so many minutes of own time; null when nothing was done.
    median_minutes: Option<i64>,
    /// Walked on patrols that began in the period, as far as workers agreed to have it kept.
    patrol_metres: u64,
    patrols: u64,
}

/// Workload of the smallest areas.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"from": "2026-11-14T00:00:00.000Z", "to": "2026-11-21T00:00:00.000Z", "areas": 1, "items": [
    {"area": "500103001001001", "area_name": "第一网格", "path": "重庆市 / 渝中区", "done": 12, "late": 1, "waiting": 2, "overdue": 0,
     "reported": 3, "median_minutes": 34, "patrol_metres": 8200, "patrols": 4}]}))]
pub(crate) struct WorkloadJson {
    from: String,
    to: String,
    /// How many areas there were; at most 200 are listed.
    areas: usize,
    items: Vec<WorkloadRow>,
}

/// A row under way.
#[derive(Debug, Default)]
struct Tally {
    row: WorkloadRow,
    used_ms: Vec<i64>,
}

impl Tally {
    fn count(&mut self, case: &Case, from: Timestamp, to: Timestamp, now: Timestamp) {
        let within = |at: Timestamp| at >= from && at < to;
        let looked = |stage: Stage| matches!(stage, Stage::Verify | Stage::Check);
        // Where the centre ended the case over somebody's head, nobody has looked.
        let cut_off = matches!(case.state, CaseState::ForcedClosed | CaseState::Cancelled);
        let counts = |clock: &&ClockRow| {
            looked(clock.stage)
                && within(clock.ended_at)
                && !(cut_off && case.closed_at == Some(clock.ended_at))
        };
        for clock in case.clocks.iter().filter(counts) {
            self.row.done += 1;
            self.row.late += u64::from(clock.overdue);
            self.used_ms.push(clock.used_ms);
        }
        let waits = case.closed_at.is_none()
            && matches!(case.holder.role, Role::GridWorker | Role::Supervisor);
        if waits {
            self.row.waiting += 1;
            self.row.overdue += u64::from(case.clock.as_ref().is_some_and(|c| now > c.due_at));
        }
        let collected = case.filing.source == chengmai_model::case::CaseSource::GridWorker;
        let known_at = case.reported_at.unwrap_or(case.filed_at);
        self.row.reported += u64::from(collected && within(known_at));
    }

    fn finish(mut self) -> WorkloadRow {
        self.used_ms.sort_unstable();
        let middle = self.used_ms.get(self.used_ms.len().saturating_sub(1) / 2);
        self.row.median_minutes = middle.map(|used| used / MINUTE_MS);
        self.row
    }
}

/// Workload of the grids of an area: verified, checked, waiting, reported, walked. No person is named.
#[utoipa::path(get, path = "/api/v1/workload", tag = "grid", params(PeriodQuery),
    responses((status = 200, body = WorkloadJson)))]
pub(crate) async fn get_workload(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<PeriodQuery>,
) -> Answer<Json<WorkloadJson>> {
    caller.need(Permission::CaseCheck)?;
    let area = caller.scope_path(query.area.as_deref())?;
    let now = clock::now();
    let (from, to) = query.period(now)?;
    if to.since(from) > PERIOD_MS_MAX {
        return Err(Problem::new(&error::BAD_QUERY, "at most 32 days"));
    }
    let areas = vec![area];
    let mut tallies: BTreeMap<AreaPath, Tally> = BTreeMap::new();
    let mut scan = CaseScan { areas: areas.clone(), from, end: to, cursor: None };
    loop {
        let page = city.records.cases().scan(&scan).await?;
        for case in &page.items {
            tallies.entry(case.area.clone()).or_default().count(case, from, to, now);
        }
        scan.cursor = page.next_cursor;
        if scan.cursor.is_none() {
            break;
        }
    }
    for walked in city.records.patrols().by_area(&areas, from, to).await? {
        let tally = tallies.entry(walked.area).or_default();
        (tally.row.patrol_metres, tally.row.patrols) = (walked.metres, walked.walks);
    }
    let rows = tallies.into_iter().map(|(area, tally)| named(&city, &area, tally.finish()));
    let mut items: Vec<WorkloadRow> = rows.filter(has_any).collect();
    items.sort_by_key(|row| std::cmp::Reverse((row.waiting, row.done, row.patrol_metres)));
    let areas = items.len();
    items.truncate(ROWS_MAX);
    Ok(Json(WorkloadJson { from: from.to_rfc3339(), to: to.to_rfc3339(), areas, items }))
}

fn has_any(row: &WorkloadRow) -> bool {
    row.done + row.waiting + row.reported + row.patrols > 0
}

fn named(city: &City, path: &AreaPath, row: WorkloadRow) -> WorkloadRow {
    let area = city.areas.find(path.code());
    WorkloadRow {
        area: path.code().to_owned(),
        area_name: area.map(|a| city.areas.get(a).row.name.clone()).unwrap_or_default(),
        path: area.map(|a| path_names(&city.areas, a)).unwrap_or_default(),
        ..row
    }
}
