//! OGC SensorThings API 1.1 under `/sta/v1.1`: devices and their readings as Things and Observations, and
//! whatever clients make beside them. The bytes are `wire`'s.
//!
//! Who may: reading needs `read`, observations `ingest`, everything else `device_manage`; all of it within
//! the caller's area.

mod batch;
mod bind;
mod change;
mod change_set;
mod create;
mod follow;
mod link;
mod neighbours;
mod observe;
mod read;
mod registered;
mod registry;
mod tell;

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::error;
use chengmai_wire::Fault;
use chengmai_wire::sensorthings::{self as sta, Entity, Id, Kind, Path as Address, Step, Tail};
use serde_json::{Value as Json, json};

use self::batch::batch;
use self::change::Change;
pub(crate) use self::follow::Followers;
use self::link::Deed;
use self::read::{Source, View};
pub(super) use self::registry::devices as devices_from;
pub(crate) use self::tell::tell;
use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::admission::Admitted;
use crate::http::extract::base;
use crate::http::problem::{Answer, Problem};

/// Where the service begins.
const ROOT: &str = "/sta/v1.1";

/// A fault in what was asked, as an answer.
fn refused(fault: Fault) -> Problem {
    Problem::new(fault.code, format!("byte {}: {}", fault.byte, fault.reason.en))
}

/// Counts what is refused for what was asked; what the program itself cannot do is counted there.
fn counted<T>(city: &City, outcome: Answer<T>) -> Answer<T> {
    outcome.inspect_err(|problem| {
        if problem.code.status < 500 && problem.code.number != error::OVERLOADED.number {
            city.counters.refuse(problem.code, 1);
        }
    })
}

/// What is answered.
#[derive(Debug)]
enum Said {
    Json(Json),
    Words(String),
    Made(String),
    /// Done, and there is nothing to say.
    Done,
    /// There is nothing there.
    Empty,
}

impl Said {
    fn response(self) -> Response {
        match self {
            Self::Json(json) => JsonAnswer(json).into_response(),
            Self::Words(words) => words.into_response(),
            Self::Made(location) => {
                (StatusCode::CREATED, [(header::LOCATION, location)]).into_response()
            }
            Self::Done => StatusCode::OK.into_response(),
            Self::Empty => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

/// The sets that there are, and which parts of the standard are served.
#[utoipa::path(get, path = "/sta/v1.1", tag = "sensorthings",
    responses((status = 200, description = "as the standard has it", body = Object,
        example = json!({"value": [{"name": "Things", "url": "/sta/v1.1/Things"}], "serverSettings": {"conformance": []}}))))]
pub(crate) async fn get_root(
    State(city): State<Arc<City>>,
    caller: Caller,
    headers: HeaderMap,
) -> Answer<JsonAnswer<Json>> {
    caller.need(Permission::Read)?;
    Ok(JsonAnswer(sta::root(&(base(&headers) + ROOT), &endpoints(&city, &headers))))
}

/// Where MQTT is spoken, as the caller reaches it: by the name he knows us by, where every address is ours.
fn endpoints(city: &City, headers: &HeaderMap) -> Vec<String> {
    let here = base(headers);
    let name = here.split_once("://").map_or("", |(_, host)| host);
    let name = name.rsplit_once(':').map_or(name, |(name, _port)| name);
    let open = [("mqtt", &city.entrances.mqtt), ("mqtts", &city.entrances.mqtts)];
    let one = |(scheme, address): (&str, &parking_lot::RwLock<Option<std::net::SocketAddr>>)| {
        let address = (*address.read())?;
        let any = address.ip().is_unspecified();
        let here = if any { format!("{name}:{}", address.port()) } else { address.to_string() };
        Some(format!("{scheme}://{here}"))
    };
    open.into_iter().filter_map(one).collect()
}

/// A set, an entity, or a part of one, by any address of the standard.
///
/// `Things`, `Things(1)/Datastreams`, `Datastreams(2)/Thing/name/$value`. Sets take `$filter`, `$expand`,
/// `$select`, `$orderby`, `$top`, `$skip`, `$count`, and of Observations `$resultFormat=dataArray`.
#[utoipa::path(get, path = "/sta/v1.1/{*path}", tag = "sensorthings",
    params(("path" = String, Path, example = "Things")),
    responses((status = 200, description = "as the standard has it", body = Object,
        example = json!({"value": [{"@iot.id": 2_199_023_255_552_i64, "name": "m1"}]}))))]
pub(crate) async fn get_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer<Response> {
    caller.need(Permission::Read)?;
    let view = View::new(&city, &caller);
    let base = base(&headers) + ROOT;
    let said = get(&view, &base, &path, &query.unwrap_or_default()).await;
    Ok(counted(&city, said)?.response())
}

/// A new entity with all that is new with it; many observations (`CreateObservations`); many requests
/// (`$batch`).
#[utoipa::path(post, path = "/sta/v1.1/{*path}", tag = "sensorthings",
    params(("path" = String, Path, example = "Things")),
    request_body(content = Object, example = json!({"name": "Bridge", "description": "north end"})),
    responses((status = 201, description = "made; `Location` says where")))]
pub(crate) async fn post_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(path): Path<String>,
    headers: HeaderMap,
    admitted: Admitted,
) -> Answer<Response> {
    let view = View::new(&city, &caller);
    let base = base(&headers) + ROOT;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match path.as_str() {
        "$batch" => {
            let answers = batch(&city, &caller, &base, kind, &admitted.body).await;
            counted(&city, answers)
        }
        "CreateObservations" => {
            caller.need(Permission::Ingest)?;
            let links = create_observations(&view, &base, &admitted.body).await;
            Ok((StatusCode::CREATED, JsonAnswer(counted(&city, links)?)).into_response())
        }
        _ => Ok(counted(&city, post(&view, &base, &path, &admitted.body).await)?.response()),
    }
}

/// Changes what is named of an entity; `application/json-patch+json` is a list of steps.
#[utoipa::path(patch, path = "/sta/v1.1/{*path}", tag = "sensorthings",
    params(("path" = String, Path, example = "Things(1)")),
    request_body(content = Object, example = json!({"description": "south end"})),
    responses((status = 200, description = "changed")))]
pub(crate) async fn patch_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(path): Path<String>,
    headers: HeaderMap,
    admitted: Admitted,
) -> Answer<Response> {
    caller.need(Permission::DeviceManage)?;
    let view = View::new(&city, &caller);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let how = if kind.contains("json-patch") { Change::Steps } else { Change::Merge };
    Ok(counted(&city, change(&view, &path, how, &admitted.body).await)?.response())
}

/// Changes an entity: what it may be without, and is not named, goes.
#[utoipa::path(put, path = "/sta/v1.1/{*path}", tag = "sensorthings",
    params(("path" = String, Path, example = "Things(1)")),
    request_body(content = Object, example = json!({"name": "Bridge", "description": "south end"})),
    responses((status = 200, description = "changed")))]
pub(crate) async fn put_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(path): Path<String>,
    admitted: Admitted,
) -> Answer<Response> {
    caller.need(Permission::DeviceManage)?;
    let view = View::new(&city, &caller);
    let said = change(&view, &path, Change::Replace, &admitted.body).await;
    Ok(counted(&city, said)?.response())
}

/// Removes an entity and what cannot be without it; a reading is withdrawn.
#[utoipa::path(delete, path = "/sta/v1.1/{*path}", tag = "sensorthings",
    params(("path" = String, Path, example = "Things(1)")),
    responses((status = 200, description = "removed")))]
pub(crate) async fn delete_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    caller.need(Permission::DeviceManage)?;
    let view = View::new(&city, &caller);
    let said = delete(&view, &path, &query.unwrap_or_default()).await;
    Ok(counted(&city, said)?.response())
}

/// Makes what was published to the address of a set; resolves when it is on disk.
pub(crate) async fn publish(
    city: &Arc<City>,
    caller: &Caller,
    topic: &str,
    payload: &[u8],
) -> Answer<()> {
    let made = async {
        sta::published(topic).map_err(refused)?;
        let view = View::new(city, caller).unseen();
        post(&view, ROOT, &topic[sta::TOPIC_ROOT.len()..], payload).await
    };
    counted(city, made.await).map(|_| ())
}

async fn get(view: &View<'_>, base: &str, path: &str, query: &str) -> Answer<Said> {
    let path = sta::path(path).map_err(refused)?;
    let mut options = sta::options(path.kind(), query).map_err(refused)?;
    if path.is_set() {
        let (last, before) = path.steps.split_last().ok_or_else(|| Problem::not_found(""))?;
        let source = match last.relation {
            None => Source::All(last.kind),
            Some(relation) => {
                let parent = view.follow(before).await?;
                Source::Of(parent.kind, parent.id, relation)
            }
        };
        if options.data_array {
            let of = [Kind::Datastream, Kind::MultiDatastream];
            for way in of.into_iter().filter_map(|to| Kind::Observation.way_to(to)) {
                options.expanded(way);
            }
        }
        let page = view.list(&source, &options).await?;
        let address = format!("{base}/{}", written(&path.steps));
        return Ok(Said::Json(match path.tail {
            Tail::Ref => {
                let links = page.entities.iter().map(|one| sta::link(base, one));
                json!({"value": links.collect::<Vec<_>>()})
            }
            _ => sta::collection(&page, &address, base, &options),
        }));
    }
    let entity = view.follow(&path.steps).await?;
    Ok(match path.tail {
        Tail::Ref => Said::Json(sta::link(base, &entity)),
        Tail::Whole => {
            let mut all = [entity];
            view.expand(&mut all, &options).await?;
            let [entity] = all;
            Said::Json(sta::encode_entity(&entity, base, &options))
        }
        Tail::Property(names) => property(&entity, &names).map_or(Said::Empty, |value| {
            let name = names.last().cloned().unwrap_or_default();
            Said::Json(Json::Object([(name, value)].into_iter().collect()))
        }),
        Tail::RawValue(names) => match property(&entity, &names) {
            None => Said::Empty,
            Some(Json::String(text)) => Said::Words(text),
            Some(value @ (Json::Object(_) | Json::Array(_))) => Said::Json(value),
            Some(other) => Said::Words(other.to_string()),
        },
    })
}

/// The steps as an address.
fn written(steps: &[Step]) -> String {
    let step = |step: &Step| {
        let name = step.relation.map_or(step.kind.set(), |relation| relation.name);
        step.id.as_ref().map_or_else(|| name.to_owned(), |id| format!("{name}({id})"))
    };
    steps.iter().map(step).collect::<Vec<_>>().join("/")
}

/// A part of an entity; none where it has nothing there.
fn property(entity: &Entity, names: &[String]) -> Option<Json> {
    let (first, rest) = names.split_first()?;
    if first == "id" || first == "@iot.id" {
        return Some(entity.id.to_json());
    }
    let value = entity.fields.get(first)?;
    let value = rest.iter().try_fold(value, |value, name| value.get(name));
    value.filter(|value| !value.is_null()).cloned()
}

async fn post(view: &View<'_>, base: &str, path: &str, body: &[u8]) -> Answer<Said> {
    let path = sta::path(path).map_err(refused)?;
    if path.tail == Tail::Ref {
        view.link(&path, Deed::Add, named(&path, body)?).await?;
        return Ok(Said::Empty);
    }
    let needed = match path.kind() {
        Kind::Observation => Permission::Ingest,
        _ => Permission::DeviceManage,
    };
    view.caller.need(needed)?;
    let set = path.is_set() && path.tail == Tail::Whole;
    let (last, before) = match path.steps.split_last() {
        Some(steps) if set => steps,
        _ => return Err(Problem::new(&error::STA_PATH, "new entities are posted to a set")),
    };
    let parent = match last.relation {
        Some(relation) => Some((view.follow(before).await?, relation)),
        None => None,
    };
    let json = sta::json(body).map_err(refused)?;
    let parent = parent.as_ref().map(|(entity, relation)| (entity, *relation));
    let id = view.create(last.kind, &json, parent).await?;
    Ok(Said::Made(sta::self_link(base, last.kind, &id)))
}

async fn change(view: &View<'_>, path: &str, how: Change, body: &[u8]) -> Answer<Said> {
    if how == Change::Replace
        && let Ok(path) = sta::path(path)
        && path.tail == Tail::Ref
    {
        view.link(&path, Deed::Point, named(&path, body)?).await?;
        return Ok(Said::Empty);
    }
    let entity = target(view, path).await?;
    let json = sta::json(body).map_err(refused)?;
    view.change(&entity, how, &json).await?;
    Ok(Said::Done)
}

/// `query` may name the neighbour of which a link is taken away: `$id=Locations(2)`.
async fn delete(view: &View<'_>, path: &str, query: &str) -> Answer<Said> {
    if let Ok(path) = sta::path(path)
        && path.tail == Tail::Ref
    {
        let other = sta::asked_for(path.kind(), query);
        view.link(&path, Deed::TakeAway, other).await?;
        return Ok(Said::Empty);
    }
    let entity = target(view, path).await?;
    view.remove(&entity).await?;
    Ok(Said::Done)
}

/// Whom the body of a link names.
fn named(path: &Address, body: &[u8]) -> Answer<Option<Id>> {
    let json = sta::json(body).map_err(refused)?;
    sta::reference(path.kind(), &json).map(Some).map_err(refused)
}

/// The entity that an address names.
async fn target(view: &View<'_>, path: &str) -> Answer<Entity> {
    let path = sta::path(path).map_err(refused)?;
    if path.is_set() || path.tail != Tail::Whole {
        return Err(Problem::new(&error::STA_PATH, "changes are of one entity"));
    }
    view.follow(&path.steps).await
}

/// Addresses of the new observations, in the order of the rows; `error` and why for a row that is none.
async fn create_observations(view: &View<'_>, base: &str, body: &[u8]) -> Answer<Json> {
    let json = sta::json(body).map_err(refused)?;
    let drafts = sta::data_arrays(&json).map_err(refused)?;
    let made = view.observe(drafts).await?;
    let said = made.into_iter().map(|one| match counted(view.city, one) {
        Ok(id) => sta::self_link(base, Kind::Observation, &id),
        Err(problem) => format!("error: {} {}", problem.code.label(), problem.detail),
    });
    Ok(said.collect())
}
