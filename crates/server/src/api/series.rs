//! A device's readings over any time, few enough for a chart: the readings themselves where they are
//! few, else their sums by minute, hour or day, also of times whose readings are kept no longer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_history::{ReadingsQuery, Rung, SeriesQuery, Within};
use chengmai_model::time::DAY_MS;
use chengmai_model::{Reading, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::devices::visible_device;
use crate::city::sight::Sight;
use crate::city::{City, blocking, internal};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::time;
use crate::http::problem::{Answer, Problem};

/// Most points of one answer: as many as a wide chart has pixels.
const POINTS_MAX: usize = 1_500;

/// One point of a chart.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesPointJson {
    /// When it was measured; of a sum: start of the step.
    at: String,
    /// The value; of a sum: the mean.
    value: f64,
    min: f64,
    max: f64,
    /// The value measured last.
    last: f64,
    /// How many readings it stands for.
    readings: u64,
}

/// A chart of one stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"kind": "methane", "unit": "%LEL", "step_ms": 3_600_000, "points": [{"at":
    "2026-11-21T03:00:00Z", "value": 2.4, "min": 1.9, "max": 3.0, "last": 2.2, "readings": 60}]}))]
pub(crate) struct SeriesJson {
    kind: String,
    unit: String,
    /// Length of a step in milliseconds; 0 when these are the readings themselves.
    step_ms: i64,
    /// In order of time; steps without readings are absent.
    points: Vec<SeriesPointJson>,
}

/// Which chart.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeriesParams {
    /// The kind; the device's first one when absent.
    kind: Option<String>,
    /// From this time on (RFC 3339; default 24 h before `to`).
    from: Option<String>,
    /// Before this time (RFC 3339; default now).
    to: Option<String>,
    /// Most points, 1 to 1500 (default 1500). Decides the length of a step, which is never shorter
    /// than what is still kept.
    points: Option<usize>,
}

/// A chart of one kind of reading of a device, over an hour or over years, in one quick answer.
#[utoipa::path(get, path = "/api/v1/devices/{id}/series", tag = "devices",
    params(("id" = String, Path, example = "m1"), SeriesParams),
    responses((status = 200, body = SeriesJson)))]
pub(crate) async fn get_series(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<SeriesParams>,
) -> Answer<Json<SeriesJson>> {
    caller.need(Permission::Read)?;
    let most = query.points.unwrap_or(POINTS_MAX);
    if !(1..=POINTS_MAX).contains(&most) {
        return Err(Problem::bad_query(format!("points={most} is not 1 to {POINTS_MAX}")));
    }
    let to = time("to", query.to.as_deref())?.unwrap_or_else(|| clock::now().plus_ms(1));
    let from = time("from", query.from.as_deref())?.unwrap_or_else(|| to.plus_ms(-DAY_MS));
    let asked = query.kind.filter(|kind| !kind.is_empty());
    let stream = {
        let registry = city.registry.read();
        let device = visible_device(&caller, &registry, &id)?;
        let streams = registry.device(device).streams().map(|stream| {
            let kind = registry.kind(registry.stream(stream).kind);
            (stream, kind.name.to_string(), kind.unit.to_string())
        });
        let mut wanted = streams.filter(|(_, kind, _)| asked.as_ref().is_none_or(|a| a == kind));
        wanted.next()
    };
    let Some((stream, kind, unit)) = stream else {
        let kind = asked.unwrap_or_default();
        return Ok(Json(SeriesJson { kind, unit: String::new(), step_ms: 0, points: Vec::new() }));
    };
    let history = city.history.clone();
    let of = kind.clone();
    let sight = Sight::new(&city, caller.area);
    let drawn = blocking(move || {
        sight.of(&id, |within| draw(&history, (&id, within), (stream, &of), (from, to), most))
    });
    let drawn = drawn.await?;
    let (step_ms, points) = drawn.map_err(|error| internal(&error))?;
    Ok(Json(SeriesJson { kind, unit, step_ms, points }))
}

fn draw(
    history: &chengmai_history::HistoryReader,
    (device, within): (&str, Option<Within<'_>>),
    stream: (StreamId, &str),
    (from, to): (Timestamp, Timestamp),
    points_max: usize,
) -> chengmai_history::Result<(i64, Vec<SeriesPointJson>)> {
    let streams = &[stream];
    // A step begins by the clock, so the ends of the span may be in one more.
    let steps_max = points_max.saturating_sub(1).max(1);
    let series = history.series(&SeriesQuery {
        device,
        streams,
        from,
        to,
        points_max: steps_max,
        within,
    })?;
    let total: u64 = series.points.iter().map(|point| point.readings).sum();
    // Few readings need not be summed up, unless some of them are kept as sums only.
    if series.step_ms < Rung::Minute.step_ms() && total <= points_max as u64 {
        let limit = points_max + 1;
        let readings =
            history.readings(&ReadingsQuery { device, streams, from, to, limit, within })?;
        if readings.len() as u64 == total {
            return Ok((0, readings.iter().map(reading_json).collect()));
        }
    }
    let points = series.points.iter().map(|point| SeriesPointJson {
        at: point.start.to_rfc3339(),
        value: point.mean(),
        min: point.min,
        max: point.max,
        last: point.last,
        readings: point.readings,
    });
    Ok((series.step_ms, points.collect()))
}

fn reading_json(reading: &Reading) -> SeriesPointJson {
    let value = reading.value;
    let at = reading.at.to_rfc3339();
    SeriesPointJson { at, value, min: value, max: value, last: value, readings: 1 }
}
