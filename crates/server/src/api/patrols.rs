//! Patrols 巡查 of grid workers: a walk is kept because the worker agreed, shown to the worker alone, and
//! deleted whenever the worker wants.
//!
//! Not here: what others see of it, metres by area (`workload`).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chengmai_model::{AreaPath, Timestamp, error};
use chengmai_store::records::patrols::{PatrolRow, TrackPoint};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::city::City;
use crate::city::citizens::metres;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem};

/// Most points of a walk.
const POINTS_MAX: usize = 20_000;
/// Longest key.
const KEY_LEN_MAX: usize = 64;
/// Faster than this is no patrol but a fault of the receiver: 15 m/s.
const SPEED_M_S_MAX: f64 = 15.0;

/// A walk as the phone sends it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"key": "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f11", "consent": true,
    "points": [[106.5701, 29.5602, 1_763_700_000_000_i64], [106.5704, 29.5605, 1_763_700_030_000_i64]]}))]
pub(crate) struct NewPatrol {
    /// Number that the phone gave it; sent again, it is kept once.
    key: String,
    /// That the worker agreed to have it kept; without it nothing is.
    consent: bool,
    /// Longitude, latitude, milliseconds since 1970, in order.
    #[schema(value_type = Vec<Vec<f64>>)]
    points: Vec<TrackPoint>,
}

/// A walk of the caller's own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"key": "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f11", "started_at": "2026-11-21T03:04:05.678Z",
    "ended_at": "2026-11-21T04:04:05.678Z", "metres": 2350, "points": [[106.5701, 29.5602, 1_763_700_000_000_i64]]}))]
pub(crate) struct PatrolJson {
    key: String,
    started_at: String,
    ended_at: String,
    metres: u64,
    /// Longitude, latitude, milliseconds since 1970.
    #[schema(value_type = Vec<Vec<f64>>)]
    points: Vec<TrackPoint>,
}

impl From<PatrolRow> for PatrolJson {
    fn from(row: PatrolRow) -> Self {
        Self {
            key: row.key,
            started_at: row.started_at.to_rfc3339(),
            ended_at: row.ended_at.to_rfc3339(),
            metres: row.metres,
            points: row.points,
        }
    }
}

/// The walk, if it can be one.
fn walk(new: NewPatrol) -> Answer<PatrolRow> {
    let bad = |what: &str| Problem::new(&error::PATROL_TRACK, what);
    let points = &new.points;
    let on_earth = |p: &TrackPoint| p.0.abs() <= 180.0 && p.1.abs() <= 90.0;
    let key_is_one = (8..=KEY_LEN_MAX).contains(&new.key.len())
        && new.key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !new.consent {
        return Err(bad("consent"));
    }
    if !key_is_one || points.len() > POINTS_MAX || !points.iter().all(on_earth) {
        return Err(bad("key or points"));
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err(bad("no points"));
    };
    if !points.is_sorted_by_key(|point| point.2) {
        return Err(bad("times"));
    }
    let metres = points.windows(2).map(|pair| step_m(pair[0], pair[1])).sum();
    Ok(PatrolRow {
        key: new.key,
        started_at: Timestamp(first.2),
        ended_at: Timestamp(last.2),
        metres: whole(metres),
        points: new.points,
    })
}

/// Metres from one point to the next; none when nobody could walk that.
fn step_m(from: TrackPoint, to: TrackPoint) -> f64 {
    let far = metres([from.0, from.1], [to.0, to.1]);
    let seconds = to.2.saturating_sub(from.2) as f64 / 1_000.0;
    if far <= SPEED_M_S_MAX * seconds { far } else { 0.0 }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "metres on Earth, not negative"
)]
fn whole(metres: f64) -> u64 {
    metres.round() as u64
}

/// How far the walk went in which of the caller's areas; each step counts where it begins.
fn by_area(city: &City, caller: &Caller, points: &[TrackPoint]) -> Vec<(AreaPath, u64)> {
    let mut parts: BTreeMap<AreaPath, f64> = BTreeMap::new();
    for pair in points.windows(2) {
        let area = city.areas.locate([pair[0].0, pair[0].1]).filter(|&area| caller.sees(area));
        if let Some(area) = area {
            *parts.entry(AreaPath::of(&city.areas, area)).or_default() += step_m(pair[0], pair[1]);
        }
    }
    parts.into_iter().map(|(area, metres)| (area, whole(metres))).collect()
}

/// Keep a walk of the caller's own. Sent again, it is kept once.
#[utoipa::path(post, path = "/api/v1/patrols", tag = "grid", request_body = NewPatrol,
    responses((status = 200, body = PatrolJson)))]
pub(crate) async fn keep_patrol(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(new): JsonBody<NewPatrol>,
) -> Answer<Json<PatrolJson>> {
    caller.need(Permission::CaseCheck)?;
    let row = walk(new)?;
    let parts = by_area(&city, &caller, &row.points);
    city.records.patrols().insert(&caller.user.name, &row, &parts).await?;
    Ok(Json(row.into()))
}

/// The caller's own walks, the newest first. Nobody else's are shown to anybody.
#[utoipa::path(get, path = "/api/v1/patrols", tag = "grid",
    responses((status = 200, body = Page<PatrolJson>)))]
pub(crate) async fn list_patrols(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<PatrolJson>>> {
    caller.need(Permission::CaseCheck)?;
    let rows = city.records.patrols().of(&caller.user.name).await?;
    Ok(Json(Page::whole(rows.into_iter().map(PatrolJson::from).collect())))
}

/// Delete a walk of the caller's own; its metres are not counted any more.
#[utoipa::path(delete, path = "/api/v1/patrols/{key}", tag = "grid",
    params(("key" = String, Path, example = "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f11")),
    responses((status = 204, description = "deleted")))]
pub(crate) async fn delete_patrol(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(key): Path<String>,
) -> Answer<StatusCode> {
    caller.need(Permission::CaseCheck)?;
    if city.records.patrols().delete(&caller.user.name, &key).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(format!("patrol {key}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{NewPatrol, walk};

    fn metres(points: &[(f64, f64, i64)]) -> Option<u64> {
        let key = "0123456789".to_owned();
        walk(NewPatrol { key, consent: true, points: points.to_vec() }).ok().map(|row| row.metres)
    }

    #[test]
    fn a_jump_nobody_can_walk_is_not_counted() {
        let walked = [(106.5700, 29.5600, 0), (106.5700, 29.5609, 90_000)];
        assert_eq!(metres(&walked), Some(100));
        let jumped = [walked[0], walked[1], (106.6700, 29.5609, 91_000)];
        assert_eq!(metres(&jumped), Some(100));
    }

    #[test]
    fn a_track_out_of_order_or_without_consent_is_refused() {
        assert_eq!(metres(&[(106.57, 29.56, 5), (106.57, 29.56, 4)]), None);
        assert_eq!(metres(&[]), None);
        let key = "0123456789".to_owned();
        let points = vec![(106.57, 29.56, 5)];
        assert!(walk(NewPatrol { key, consent: false, points }).is_err());
    }
}
