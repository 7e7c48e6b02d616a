//! Entities one by one and in lists, and their attributes.

use axum::response::Response;
use chengmai_model::error;
use chengmai_wire::ngsi_ld::{
    self as ngsi, Context, Entity, EntityQuery, entity_json, entity_query, feature_collection,
    feature_json,
};
use serde_json::{Map, Value as Json};

use super::answer::{
    self, Ask, Media, counted, document, done, made, paged, refused, updated, written_in,
};
use super::view::Listed;
use super::write::{Updated, Writer};
use super::{need, not_found};
use crate::http::access::Permission;
use crate::http::problem::{Answer, Problem};

/// Options of requests that write.
const WRITING: [&str; 6] =
    ["normalized", "concise", "keyValues", "simplified", "noOverwrite", "sysAttrs"];

pub(super) async fn list(ask: &Ask<'_>) -> Answer<Response> {
    let media = ask.media(true)?;
    let context = ask.linked().await?;
    let query = entity_query(&ask.pairs, &context, &[]).map_err(refused)?;
    narrow(ask, &query)?;
    let listed = ask.view().list(&query).await?;
    Ok(page(ask, listed, &query, &context, media))
}

/// A question must say something of what it wants.
pub(super) fn narrow(ask: &Ask<'_>, query: &EntityQuery) -> Answer<()> {
    if query.is_narrow() || ask.parameter("local") == Some("true") {
        return Ok(());
    }
    let detail = "one of type, attrs, q, georel, id, idPattern or local=true is needed";
    Err(Problem::new(&error::NGSI_QUERY, detail))
}

fn page(
    ask: &Ask<'_>,
    listed: Listed,
    query: &EntityQuery,
    context: &Context,
    media: Media,
) -> Response {
    let terms = written_in(context, media);
    let shown = listed.entities.into_iter().map(|one| one_json(query, one, &terms, media));
    let shown: Vec<Json> = shown.collect();
    let json = if media == Media::Geo { feature_collection(shown) } else { Json::Array(shown) };
    let mut response = document(json, &terms, media);
    counted(&mut response, listed.count);
    paged(ask, &mut response, query.offset, query.limit, listed.more);
    response
}

fn one_json(query: &EntityQuery, entity: Entity, context: &Context, media: Media) -> Json {
    if media == Media::Geo {
        // The geometry may be one that is not shown otherwise.
        return feature_json(&entity, context, &query.output);
    }
    let mut json = entity_json(&query.shown(entity), context, &query.output);
    if let Some(map) = json.as_object_mut() {
        let picked = &query.picked;
        for own in ["id", "type", "scope"] {
            let is_named = |list: &[String]| list.iter().any(|name| name == own);
            let is_left_out = !picked.only.is_empty() && !is_named(&picked.only);
            if is_left_out || is_named(&picked.not) {
                map.remove(own);
            }
        }
    }
    json
}

pub(super) async fn retrieve(ask: &Ask<'_>, id: &str) -> Answer<Response> {
    let media = ask.media(true)?;
    let context = ask.linked().await?;
    let query = entity_query(&ask.pairs, &context, &[]).map_err(refused)?;
    if !query.selectors.is_empty() || query.q.is_some() || query.geo.is_some() || query.count {
        return Err(Problem::new(&error::NGSI_REQUEST, "an entity is asked for by its id alone"));
    }
    let known = ask.view().find(id).await?.ok_or_else(|| not_found(id))?;
    if !query.attributes.is_empty() && !query.holds(&known.shown) {
        return Err(not_found("none of these attributes"));
    }
    let terms = written_in(&context, media);
    Ok(document(one_json(&query, known.shown, &terms, media), &terms, media))
}

/// A query that was posted.
pub(super) async fn query(ask: &Ask<'_>, body: &[u8]) -> Answer<Response> {
    need(ask, Permission::Read)?;
    let media = ask.media(true)?;
    let sent = ask.query_body(body).await?;
    let query = entity_query(&ask.pairs, &sent.context, &[]).map_err(refused)?;
    let query = ngsi::posted_query(&sent.json, &sent.context, query).map_err(refused)?;
    narrow(ask, &query)?;
    let listed = ask.view().list(&query).await?;
    Ok(page(ask, listed, &query, &sent.context, media))
}

fn is_simplified(ask: &Ask<'_>) -> Answer<bool> {
    Ok(ask.option(&WRITING, "keyValues")? || ask.option(&WRITING, "simplified")?)
}

pub(super) async fn create(ask: &Ask<'_>, body: &[u8]) -> Answer<Response> {
    ask.takes(&["options", "format", "local"])?;
    let simplified = is_simplified(ask)?;
    let sent = ask.body(body).await?;
    let entity = ngsi::entity(&sent.json, &sent.context, simplified).map_err(refused)?;
    let id = entity.id.clone();
    let mut writer = Writer::new(ask.view(), ask.caller);
    writer.create(entity).await?;
    writer.finish().await?;
    Ok(made(&format!("entities/{}", answer::escaped(&id))))
}

pub(super) async fn append(ask: &Ask<'_>, id: &str, body: &[u8]) -> Answer<Response> {
    ask.takes(&["options", "format", "local"])?;
    let overwrite = !ask.option(&WRITING, "noOverwrite")?;
    let sent = ask.body(body).await?;
    let new = ngsi::fragment(&sent.json, &sent.context, is_simplified(ask)?).map_err(refused)?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    let outcome = writer.append(id, new, overwrite).await?;
    finished(writer, outcome, &sent.context).await
}

pub(super) async fn update(ask: &Ask<'_>, id: &str, body: &[u8]) -> Answer<Response> {
    ask.takes(&["options", "format", "local"])?;
    let sent = ask.body(body).await?;
    let new = ngsi::fragment(&sent.json, &sent.context, is_simplified(ask)?).map_err(refused)?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    let outcome = writer.update(id, new).await?;
    if outcome.done.is_empty() && !outcome.left.is_empty() {
        return Err(not_found("none of these attributes"));
    }
    finished(writer, outcome, &sent.context).await
}

async fn finished(writer: Writer<'_>, outcome: Updated, context: &Context) -> Answer<Response> {
    writer.finish().await?;
    Ok(if outcome.left.is_empty() { done() } else { updated(context, &outcome) })
}

pub(super) async fn merge(ask: &Ask<'_>, id: &str, body: &[u8]) -> Answer<Response> {
    ask.takes(&["options", "format", "local", "lang"])?;
    let sent = ask.body(body).await?;
    let change = ngsi::change(&sent.json, &sent.context, is_simplified(ask)?).map_err(refused)?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    writer.merge(id, change).await?;
    writer.finish().await?;
    Ok(done())
}

pub(super) async fn replace(ask: &Ask<'_>, id: &str, body: &[u8]) -> Answer<Response> {
    ask.takes(&["options", "format", "local"])?;
    let sent = ask.body(body).await?;
    let new = ngsi::fragment(&sent.json, &sent.context, is_simplified(ask)?).map_err(refused)?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    writer.replace(id, new).await?;
    writer.finish().await?;
    Ok(done())
}

/// The body of a request about one attribute, under its name.
fn under(name: &str, mut json: Json) -> Json {
    if let Some(map) = json.as_object_mut() {
        map.remove("@context");
    }
    Json::Object(Map::from_iter([(name.to_owned(), json)]))
}

pub(super) async fn change_attribute(
    ask: &Ask<'_>,
    id: &str,
    name: &str,
    body: &[u8],
) -> Answer<Response> {
    ask.takes(&["options", "format", "local", "lang"])?;
    let sent = ask.body(body).await?;
    let json = under(name, sent.json);
    let change = ngsi::change(&json, &sent.context, is_simplified(ask)?).map_err(refused)?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    there(&writer, id, &sent.context.expand(name)).await?;
    writer.merge(id, change).await?;
    writer.finish().await?;
    Ok(done())
}

pub(super) async fn replace_attribute(
    ask: &Ask<'_>,
    id: &str,
    name: &str,
    body: &[u8],
) -> Answer<Response> {
    ask.takes(&["options", "format", "local", "lang"])?;
    let sent = ask.body(body).await?;
    let json = under(name, sent.json);
    let new = ngsi::fragment(&json, &sent.context, is_simplified(ask)?).map_err(refused)?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    there(&writer, id, &sent.context.expand(name)).await?;
    writer.update(id, new).await?;
    writer.finish().await?;
    Ok(done())
}

async fn there(writer: &Writer<'_>, id: &str, name: &str) -> Answer<()> {
    let known = writer.open(id).await?;
    let is_there = known.shown.attributes.contains_key(name);
    if is_there { Ok(()) } else { Err(not_found(name)) }
}

pub(super) async fn remove(ask: &Ask<'_>, id: &str) -> Answer<Response> {
    ask.takes(&["local"])?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    writer.remove(id).await?;
    writer.finish().await?;
    Ok(done())
}

pub(super) async fn remove_attribute(ask: &Ask<'_>, id: &str, name: &str) -> Answer<Response> {
    ask.takes(&["local", "datasetId", "deleteAll"])?;
    let context = ask.linked().await?;
    let all = ask.parameter("deleteAll") == Some("true");
    let dataset = ask.parameter("datasetId").filter(|id| *id != "@none");
    let mut writer = Writer::new(ask.view(), ask.caller);
    writer.remove_attribute(id, &context.expand(name), dataset, all).await?;
    writer.finish().await?;
    Ok(done())
}
