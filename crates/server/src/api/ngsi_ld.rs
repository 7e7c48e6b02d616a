//! NGSI-LD (ETSI GS CIM 009) under `/ngsi-ld/v1`: devices, areas, warnings and cases as entities, what clients
//! make beside them, their past, and who wants to be told of changes. The bytes are `wire`'s.
//!
//! Who may: looking needs `read`; readings `ingest`; entities, devices and contexts `device_manage`;
//! subscriptions `notify_manage`; all of it within the caller's area. Decision 0062.

mod answer;
mod batch;
mod contexts;
mod discover;
mod entities;
mod place;
mod registry;
mod subscriptions;
mod temporal;
mod view;
mod write;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use chengmai_model::error;
use chengmai_wire::ngsi_ld::Entity;

use self::answer::Ask;
pub(crate) use self::view::View;
use crate::city::City;
use crate::city::registry::Registry;
use crate::http::access::{Caller, Permission};
use crate::http::admission::Admitted;
use crate::http::problem::{Answer, Problem};

/// Where the service begins.
pub(crate) const ROOT: &str = "/ngsi-ld/v1";

/// What ids of entities begin with that are not devices.
pub(crate) mod entity_ids {
    /// A warning's.
    pub(crate) const WARNING: &str = "urn:ngsi-ld:Alert:";
    /// A case's.
    pub(crate) const CASE: &str = "urn:ngsi-ld:Case:";
}

/// Attributes of an entity that show readings of these kinds.
pub(crate) fn names_of_kinds(registry: &Registry, entity: &Entity, kinds: &[u16]) -> Vec<String> {
    let shows = |name: &&String| {
        registry::kind_of(registry, name).is_some_and(|kind| kinds.contains(&kind))
    };
    entity.attributes.keys().filter(shows).cloned().collect()
}

/// Entities, their types, their past, contexts and subscriptions, by any address of the standard.
///
/// `entities`, `entities/{id}`, `types`, `attributes`, `temporal/entities`, `subscriptions`, `jsonldContexts`.
/// Entities take `type`, `id`, `idPattern`, `attrs`, `q`, `georel`, `limit`, `offset`, `count`, `options`.
#[utoipa::path(get, path = "/ngsi-ld/v1/{*path}", tag = "ngsi-ld", operation_id = "get_ngsi_ld",
    params(("path" = String, Path, example = "entities"), ("type" = Option<String>, Query, example = "Device"),
        ("q" = Option<String>, Query, example = "methane>5"), ("limit" = Option<usize>, Query, example = 20)),
    responses((status = 200, description = "as the standard has it", body = Object,
        example = json!([{"id": "urn:ngsi-ld:Device:m1", "type": "Device", "methane": {"type": "Property", "value": 2.4}}]))))]
pub(crate) async fn get_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let ask = Ask::new(&city, &caller, &headers, uri.path(), query.as_deref());
    let outcome = match caller.need(Permission::Read) {
        Ok(()) => Box::pin(get(&ask)).await,
        Err(problem) => Err(problem),
    };
    ask.response(outcome)
}

/// A new entity, attributes for one, a batch of entities, a query, a subscription, a context.
///
/// `entities`, `entities/{id}/attrs`, `entityOperations/{create|upsert|update|merge|delete|query}`, `subscriptions`,
/// `jsonldContexts`. Numbers under the name of a kind of the packs are readings: the answer comes when they are on disk.
#[utoipa::path(post, path = "/ngsi-ld/v1/{*path}", tag = "ngsi-ld", operation_id = "post_ngsi_ld",
    params(("path" = String, Path, example = "entities")),
    request_body(content = Object, example = json!({"id": "urn:ngsi-ld:Device:m1", "type": "Device", "methane": {"type": "Property", "value": 2.4}})),
    responses((status = 201, description = "made; `Location` says where")))]
pub(crate) async fn post_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    admitted: Admitted,
) -> Response {
    let ask = Ask::new(&city, &caller, &headers, uri.path(), query.as_deref());
    ask.response(Box::pin(send(&ask, &Method::POST, &admitted.body)).await)
}

/// Changes parts of an entity, attributes of one, or a subscription.
#[utoipa::path(patch, path = "/ngsi-ld/v1/{*path}", tag = "ngsi-ld", operation_id = "patch_ngsi_ld",
    params(("path" = String, Path, example = "entities/urn:ngsi-ld:Device:m1")),
    request_body(content = Object, example = json!({"methane": {"type": "Property", "value": 2.6}})),
    responses((status = 204, description = "changed")))]
pub(crate) async fn patch_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    admitted: Admitted,
) -> Response {
    let ask = Ask::new(&city, &caller, &headers, uri.path(), query.as_deref());
    ask.response(Box::pin(send(&ask, &Method::PATCH, &admitted.body)).await)
}

/// Puts another entity or attribute in the place of one.
#[utoipa::path(put, path = "/ngsi-ld/v1/{*path}", tag = "ngsi-ld", operation_id = "put_ngsi_ld",
    params(("path" = String, Path, example = "entities/urn:ngsi-ld:Building:b1")),
    request_body(content = Object, example = json!({"type": "Building", "name": {"type": "Property", "value": "Town hall"}})),
    responses((status = 204, description = "replaced")))]
pub(crate) async fn put_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    admitted: Admitted,
) -> Response {
    let ask = Ask::new(&city, &caller, &headers, uri.path(), query.as_deref());
    ask.response(Box::pin(send(&ask, &Method::PUT, &admitted.body)).await)
}

/// Removes an entity that a client made, an attribute, a subscription or a context.
#[utoipa::path(delete, path = "/ngsi-ld/v1/{*path}", tag = "ngsi-ld", operation_id = "delete_ngsi_ld",
    params(("path" = String, Path, example = "entities/urn:ngsi-ld:Building:b1")),
    responses((status = 204, description = "removed")))]
pub(crate) async fn delete_resource(
    State(city): State<Arc<City>>,
    caller: Caller,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let ask = Ask::new(&city, &caller, &headers, uri.path(), query.as_deref());
    ask.response(Box::pin(remove(&ask)).await)
}

async fn get(ask: &Ask<'_>) -> Answer<Response> {
    ask.one_tenant()?;
    match ask.steps().as_slice() {
        ["entities"] => entities::list(ask).await,
        ["entities", id] => entities::retrieve(ask, id).await,
        ["types"] => discover::types(ask).await,
        ["types", name] => discover::kind(ask, name).await,
        ["attributes"] => discover::attributes(ask).await,
        ["attributes", name] => discover::attribute(ask, name).await,
        ["temporal", "entities"] => temporal::list(ask).await,
        ["temporal", "entities", id] => temporal::retrieve(ask, id).await,
        ["subscriptions"] => subscriptions::list(ask).await,
        ["subscriptions", id] => subscriptions::retrieve(ask, id).await,
        ["jsonldContexts"] => contexts::list(ask).await,
        ["jsonldContexts", id] => contexts::retrieve(ask, id).await,
        _ => Err(ask.nowhere()),
    }
}

async fn send(ask: &Ask<'_>, method: &Method, body: &[u8]) -> Answer<Response> {
    ask.one_tenant()?;
    if matches!(ask.steps().as_slice(), ["entities" | "entityOperations", ..] if ask.steps().last() != Some(&"query"))
    {
        // Which of the two is needed turns out when it is known what is written.
        need(ask, Permission::Ingest).or_else(|_| need(ask, Permission::DeviceManage))?;
    }
    match (method.as_str(), ask.steps().as_slice()) {
        ("POST", ["entities"]) => entities::create(ask, body).await,
        ("PATCH", ["entities", id]) => entities::merge(ask, id, body).await,
        ("PUT", ["entities", id]) => entities::replace(ask, id, body).await,
        ("POST", ["entities", id, "attrs"]) => entities::append(ask, id, body).await,
        ("PATCH", ["entities", id, "attrs"]) => entities::update(ask, id, body).await,
        ("PATCH", ["entities", id, "attrs", name]) => {
            entities::change_attribute(ask, id, name, body).await
        }
        ("PUT", ["entities", id, "attrs", name]) => {
            entities::replace_attribute(ask, id, name, body).await
        }
        ("POST", ["entityOperations", "query"]) => entities::query(ask, body).await,
        ("POST", ["entityOperations", operation]) => batch::run(ask, operation, body).await,
        ("POST", ["temporal", "entityOperations", "query"]) => temporal::query(ask, body).await,
        ("POST", ["subscriptions"]) => subscriptions::create(ask, body).await,
        ("PATCH", ["subscriptions", id]) => subscriptions::change(ask, id, body).await,
        ("POST", ["jsonldContexts"]) => contexts::add(ask, body).await,
        _ => Err(ask.nowhere()),
    }
}

async fn remove(ask: &Ask<'_>) -> Answer<Response> {
    ask.one_tenant()?;
    match ask.steps().as_slice() {
        ["entities", id] => entities::remove(ask, id).await,
        ["entities", id, "attrs", name] => entities::remove_attribute(ask, id, name).await,
        ["subscriptions", id] => subscriptions::remove(ask, id).await,
        ["jsonldContexts", id] => contexts::remove(ask, id).await,
        _ => Err(ask.nowhere()),
    }
}

/// Goes on only with that permission.
fn need(ask: &Ask<'_>, permission: Permission) -> Answer<()> {
    ask.caller.need(permission)
}

fn not_found(what: &str) -> Problem {
    Problem::new(&error::NOT_FOUND, what)
}
