//! The live stream of one screen: server-sent events for one area, resumable.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use chengmai_model::AreaId;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;

use super::device_summary::AreaOnly;
use super::indicators::value_json;
use crate::city::City;
use crate::city::hub::{LiveEvent, Payload};
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::problem::Answer;

/// Changed values of one tick at most, so that a re-import cannot flood a screen.
const VALUES_MAX: usize = 2_000;

/// Live events of an area and everything below it: `tick` once a second, `indicators` (values that
/// changed for the area and its children), `warning`, `case`. With `Last-Event-ID` it goes on where
/// it was; `resync` says that this was not possible and the screen must load anew.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(AreaOnly),
    responses((status = 200, description = "text/event-stream", content_type = "text/event-stream",
        body = String, example = "id: 7\nevent: tick\ndata: {\"at\":\"2026-11-21T03:04:05.678Z\",\"readings_per_second\":1667}\n\n")))]
pub(crate) async fn listen(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<AreaOnly>,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let (missed, receiver) = city.hub.listen(last.and_then(|text| text.parse().ok()));
    let start: Vec<Event> = match missed {
        Some(events) => events.iter().flat_map(|e| render(&city, area, e)).collect(),
        None => vec![Event::default().event("resync").data("{}")],
    };
    let live = BroadcastStream::new(receiver).flat_map(move |event| {
        let events = match event {
            Ok(event) => render(&city, area, &event),
            // The screen fell too far behind: it must load anew.
            Err(_lagged) => vec![Event::default().event("resync").data("{}")],
        };
        stream::iter(events)
    });
    let all = stream::iter(start).chain(live).map(Ok);
    Ok(Sse::new(all).keep_alive(KeepAlive::default()))
}

fn render(city: &City, area: AreaId, event: &LiveEvent) -> Vec<Event> {
    let named =
        |name: &str, data: String| Event::default().id(event.id.to_string()).event(name).data(data);
    match &*event.payload {
        Payload::Warning(text) if city.areas.contains(area, event.area) => {
            vec![named("warning", text.to_string())]
        }
        Payload::Case(text) if city.areas.contains(area, event.area) => {
            vec![named("case", text.to_string())]
        }
        Payload::Warning(_) | Payload::Case(_) => Vec::new(),
        Payload::Tick { at, readings_per_second, online, changed } => {
            let book = city.book.summary(&city.areas, area);
            let tick = json!({
                "at": at, "readings_per_second": readings_per_second, "online": online,
                "open_warnings": book.warnings, "unanswered": book.unanswered,
                "open_cases": book.cases, "overdue_cases": book.overdue,
            });
            let mut events = vec![named("tick", tick.to_string())];
            if let Some(values) = changed_values(city, area, changed) {
                events.push(named("indicators", values));
            }
            events
        }
    }
}

fn changed_values(city: &City, area: AreaId, changed: &[(u16, AreaId)]) -> Option<String> {
    let near = |a: AreaId| a == area || city.areas.get(a).parent == area;
    let followed = changed.iter().copied().filter(|(_, a)| near(*a));
    let engine = city.engine.read();
    let indicators = engine.catalog().indicators();
    let places = std::iter::once(area).chain(city.areas.children(area));
    let when_asked = places.flat_map(|place| {
        let touched = engine.touched(place);
        touched.into_iter().map(move |index| (index, place))
    });
    let items: Vec<_> = followed
        .chain(when_asked)
        .take(VALUES_MAX)
        .map(|(index, at)| {
            let def = &indicators[usize::from(index)];
            value_json(city, &def.def.code, def.window_ms, at, &engine.value(index, at))
        })
        .collect();
    let code = city.areas.get(area).row.code.as_str();
    (!items.is_empty()).then(|| json!({"area": code, "items": items}).to_string())
}
