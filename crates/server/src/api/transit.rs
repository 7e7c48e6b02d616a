//! Public transport: messages of GTFS-Realtime that are sent to the city, how its feeds go, and the names of a
//! timetable. What a message becomes is `city::transit` and `ingest::transit`; the bytes are `wire::gtfs_realtime`.
//!
//! Invariants: whoever sends a message speaks for the area of the account and, of that, for the feed's; names are
//! kept by accounts that may manage devices in the whole area of the feed, since they show wherever its vehicles
//! are; who sees the area of a feed sees how it goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chengmai_model::{AreaId, Timestamp, error};
use chengmai_store::records::transit::{NameRow, Sort};
use chengmai_wire::gtfs;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::devices::RefusedRow;
use super::readings::{RefusedLine, unpacked};
use crate::city::City;
use crate::city::transit::Source;
use crate::http::access::{Caller, Permission};
use crate::http::admission::Admitted;
use crate::http::extract::{Body, QueryOf};
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem, TextJson};

/// Which feed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// The feed's id, as a pack names it.
    #[param(example = "bus")]
    feed: String,
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"vehicles": 2, "delays": 1, "alerts": 0, "accepted": 9, "repeated": 0, "older": 0,
    "without_vehicle": 0, "passed_over": 0, "refused_total": 0, "refused": []}))]
pub(crate) struct TakenMessage {
    /// Vehicles whose place was taken.
    vehicles: usize,
    /// Vehicles of which it was taken how late they are.
    delays: usize,
    /// Places and effects that are warned of.
    alerts: usize,
    /// Readings on disk.
    accepted: u64,
    /// Said before of the same moment; nothing was done.
    repeated: u64,
    /// Of a moment before what is known; nothing was done.
    older: u64,
    /// Delays of trips on which no known vehicle is.
    without_vehicle: u64,
    /// Entities that are deleted, or of a sort that is not read.
    passed_over: u64,
    refused_total: u64,
    /// The first 100; the line is the number of the entity.
    refused: Vec<RefusedLine>,
}

/// A message of GTFS-Realtime: where vehicles are, how late they run, what the operator warns of.
///
/// Each vehicle is a device `transit:FEED:ID` that is where it says; what it tells are readings of that device, on disk
/// before this is answered. Sent again it changes nothing. Also packed with gzip.
#[utoipa::path(post, path = "/api/v1/transit/realtime", tag = "transit", params(FeedQuery),
    request_body(content = String, content_type = "application/x-protobuf", example = "\n\u{5}\n\u{3}2.0"),
    responses((status = 200, body = TakenMessage), (status = 400, description = "all refused", body = TakenMessage)))]
pub(crate) async fn post_realtime(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<FeedQuery>,
    headers: HeaderMap,
    admitted: Admitted,
) -> Answer<(StatusCode, Json<TakenMessage>)> {
    caller.need(Permission::Ingest)?;
    if caller.token.scope.device.is_some() {
        return Err(Problem::new(&error::FORBIDDEN, "a token of one device"));
    }
    let source = city.transit_source(&query.feed)?;
    let area = narrower(&city, &caller, source)?;
    let body = unpacked(&city, &headers, admitted.body.clone())?;
    let taken = city.take_transit(&caller.user.name, source, area, &body).await?;
    let (told, alerts, passed_over) = taken;
    let counted = told.outcome;
    let said = TakenMessage {
        vehicles: told.seen.len(),
        delays: told.late.len(),
        alerts,
        accepted: counted.accepted,
        repeated: told.repeated,
        older: told.older,
        without_vehicle: told.without_vehicle,
        passed_over,
        refused_total: counted.refused,
        refused: counted.faults.iter().map(RefusedLine::from).collect(),
    };
    let all_refused =
        said.refused_total > 0 && said.accepted == 0 && said.repeated + said.older == 0;
    Ok((if all_refused { StatusCode::BAD_REQUEST } else { StatusCode::OK }, Json(said)))
}

/// The smaller of the areas of a caller and of a feed; they must have to do with each other.
fn narrower(city: &City, caller: &Caller, source: Source<'_>) -> Answer<AreaId> {
    if caller.sees(source.area) {
        return Ok(source.area);
    }
    let inside = city.areas.contains(source.area, caller.area);
    inside.then_some(caller.area).ok_or_else(|| Problem::new(&error::TRANSIT_FEED, source.id))
}

/// A feed and how it goes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "bus", "name": {"zh": "公交", "en": "Buses"}, "area": "50", "host": "feeds.example",
    "every_ms": 30_000, "source": "default", "tried_at": "2026-11-21T03:04:05.678Z", "taken_at": "2026-11-21T03:04:05.678Z",
    "made_at": "2026-11-21T03:04:01.000Z", "fault": null, "vehicles": 120, "alerts": 0, "readings": 4_000, "repeated": 12,
    "older": 0, "refused": 0}))]
pub(crate) struct FeedJson {
    id: String,
    name: TextJson,
    /// The area that it speaks for.
    area: String,
    /// Where it is fetched; null: it is sent.
    host: Option<String>,
    every_ms: Option<i64>,
    /// Whose it is.
    source: String,
    /// When it was fetched or sent last.
    tried_at: Option<String>,
    /// When that worked last.
    taken_at: Option<String>,
    /// When the last message was made.
    made_at: Option<String>,
    /// Why the last try came to nothing.
    fault: Option<String>,
    /// Since the start of the program, as the numbers below.
    vehicles: usize,
    alerts: usize,
    readings: u64,
    repeated: u64,
    older: u64,
    refused: u64,
}

/// Feeds of public transport in the caller's areas, and how they go.
#[utoipa::path(get, path = "/api/v1/transit/feeds", tag = "transit",
    responses((status = 200, body = Page<FeedJson>)))]
pub(crate) async fn list_feeds(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<FeedJson>>> {
    caller.need(Permission::Read)?;
    let feeds = city.transit_feeds().filter_map(|feed| {
        let area = city.feed_area(feed).filter(|&area| caller.sees(area))?;
        let host = feed.url.as_deref().and_then(|url| url.split('/').nth(2)).map(str::to_owned);
        let heard = city.transit_state(&feed.id);
        Some(FeedJson {
            id: feed.id.clone(),
            name: (&feed.name).into(),
            area: city.areas.get(area).row.code.to_string(),
            every_ms: host.is_some().then(|| feed.every_ms()),
            host,
            source: feed.source.clone(),
            tried_at: heard.tried_at.map(Timestamp::to_rfc3339),
            taken_at: heard.taken_at.map(Timestamp::to_rfc3339),
            made_at: heard.made_at.map(Timestamp::to_rfc3339),
            fault: heard.fault,
            vehicles: heard.vehicles,
            alerts: heard.alerts,
            readings: heard.readings,
            repeated: heard.repeated,
            older: heard.older,
            refused: heard.refused,
        })
    });
    Ok(Json(Page::whole(feeds.collect())))
}

/// Which names, and of which import.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NamesQuery {
    /// The feed's id, as a pack names it.
    #[param(example = "bus")]
    feed: String,
    /// A word for the whole import; the same for all its parts.
    #[param(example = "2026-11")]
    import: String,
    /// This was the last part: names of the feed that are of another import are forgotten.
    last: Option<bool>,
}

/// What became of names.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"kept": 2, "forgotten": 0, "refused": []}))]
pub(crate) struct KeptNames {
    kept: u64,
    /// Of an older import.
    forgotten: u64,
    refused: Vec<RefusedRow>,
}

/// Names of routes and trips, as CSV with the columns `sort` (route or trip), `id` and `name`.
///
/// Vehicles on such a trip or route are called so from their next message on. `chengmai import gtfs` makes them of a
/// timetable. A row replaces the one it had.
#[utoipa::path(post, path = "/api/v1/transit/names", tag = "transit", params(NamesQuery),
    request_body(content = String, content_type = "text/csv", example = "sort,id,name\nroute,r14,14\ntrip,t1,14 → Petherick Road\n"),
    responses((status = 200, body = KeptNames)))]
pub(crate) async fn keep_names(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<NamesQuery>,
    Body(body): Body,
) -> Answer<Json<KeptNames>> {
    caller.need(Permission::DeviceManage)?;
    let source = city.transit_source(&query.feed)?;
    if !caller.sees(source.area) {
        return Err(Problem::new(&error::TRANSIT_FEED, source.id));
    }
    if !(1..=64).contains(&query.import.len()) || query.import.contains(char::is_control) {
        return Err(Problem::bad_query(format!("import={}", query.import)));
    }
    let decoded = gtfs::decode_names(&body);
    let mut kept = KeptNames::default();
    for fault in &decoded.faults {
        kept.refused.push(RefusedRow::of(&city, fault.code, fault.line, &fault.reason.en));
    }
    let named = |name: gtfs::Name| {
        let sort = if name.is_trip { Sort::Trip } else { Sort::Route };
        ((sort, name.id.clone()), NameRow { sort, id: name.id, name: name.name })
    };
    let names: BTreeMap<_, NameRow> = decoded.rows.into_iter().map(named).collect();
    let names: Vec<NameRow> = names.into_values().collect();
    city.records.transit().keep(source.id, &query.import, &names).await?;
    kept.kept = names.len() as u64;
    if query.last == Some(true) {
        kept.forgotten = city.records.transit().keep_only(source.id, &query.import).await?;
    }
    city.rename_transit(source.id);
    Ok(Json(kept))
}
