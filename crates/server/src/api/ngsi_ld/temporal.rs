//! Entities with their values over time, out of the history of readings. What is kept in the records has no
//! past.
//!
//! Invariant: one answer reads at most [`READINGS_MAX`] readings of one attribute, and [`ATTRIBUTES_MAX`]
//! attributes in all.

use axum::response::Response;
use chengmai_model::{StreamId, Timestamp, error};
use chengmai_wire::ngsi_ld::{
    self as ngsi, Context, EntityQuery, Moments, TEMPORAL_PARAMETERS, TemporalQuery, Values,
    entity_query, temporal_json, temporal_query,
};
use serde_json::Value as Json;

use super::answer::{Ask, counted, document, paged, refused, written_in};
use super::registry::code_of;
use super::view::{Known, View};
use super::{need, not_found};
use crate::clock;
use crate::http::access::Permission;
use crate::http::problem::{Answer, Problem};

/// Readings of one attribute that one answer reads.
const READINGS_MAX: usize = 100_000;
/// The same where they are not summed up.
const LISTED_MAX: usize = 10_000;
/// Attributes of all entities of one answer.
const ATTRIBUTES_MAX: usize = 200;
/// Entities of one answer.
const ENTITIES_MAX: usize = 100;
/// Nothing is kept from before: what is older is refused at the edge.
const EARLIEST: Timestamp = Timestamp(631_152_000_000);

pub(super) async fn retrieve(ask: &Ask<'_>, id: &str) -> Answer<Response> {
    let media = ask.media(false)?;
    let context = ask.linked().await?;
    let asked = temporal_query(&ask.pairs).map_err(refused)?;
    let query = entity_query(&ask.pairs, &context, &TEMPORAL_PARAMETERS).map_err(refused)?;
    let view = ask.view();
    let known = view.find(id).await?.ok_or_else(|| not_found(id))?;
    let terms = written_in(&context, media);
    let mut left = ATTRIBUTES_MAX;
    let (json, _) = one(&view, &known, &query, &asked, &terms, &mut left).await?;
    Ok(document(json, &terms, media))
}

pub(super) async fn list(ask: &Ask<'_>) -> Answer<Response> {
    let context = ask.linked().await?;
    let query = entity_query(&ask.pairs, &context, &TEMPORAL_PARAMETERS).map_err(refused)?;
    let asked = temporal_query(&ask.pairs).map_err(refused)?;
    answer(ask, query, &asked, &context).await
}

/// A query that was posted.
pub(super) async fn query(ask: &Ask<'_>, body: &[u8]) -> Answer<Response> {
    need(ask, Permission::Read)?;
    let sent = ask.query_body(body).await?;
    let query = entity_query(&ask.pairs, &sent.context, &TEMPORAL_PARAMETERS).map_err(refused)?;
    let query = ngsi::posted_query(&sent.json, &sent.context, query).map_err(refused)?;
    let mut pairs = ask.pairs.clone();
    if let Some(map) = sent.json.get("temporalQ").and_then(Json::as_object) {
        pairs.extend(map.iter().map(|(name, value)| {
            let text = match value {
                Json::Array(all) => {
                    all.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(",")
                }
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), text)
        }));
    }
    let asked = temporal_query(&pairs).map_err(refused)?;
    answer(ask, query, &asked, &sent.context).await
}

async fn answer(
    ask: &Ask<'_>,
    mut query: EntityQuery,
    asked: &TemporalQuery,
    context: &Context,
) -> Answer<Response> {
    let media = ask.media(false)?;
    super::entities::narrow(ask, &query)?;
    if asked.moments.is_none() {
        return Err(Problem::new(&error::NGSI_QUERY, "timerel and timeAt are needed"));
    }
    query.limit = query.limit.min(ENTITIES_MAX);
    let view = ask.view();
    let terms = written_in(context, media);
    let (mut left, mut all) = (ATTRIBUTES_MAX, Vec::new());
    let listed = view.list(&query).await?;
    for entity in &listed.entities {
        let Some(known) = view.find(&entity.id).await? else { continue };
        let (json, values) = one(&view, &known, &query, asked, &terms, &mut left).await?;
        // An entity that measured nothing then is none of the answer.
        all.extend((values > 0).then_some(json));
    }
    let mut response = document(Json::Array(all), &terms, media);
    counted(&mut response, listed.count);
    paged(ask, &mut response, query.offset, query.limit, listed.more);
    Ok(response)
}

/// An entity with its values, and how many these are.
async fn one(
    view: &View<'_>,
    known: &Known,
    query: &EntityQuery,
    asked: &TemporalQuery,
    terms: &Context,
    left: &mut usize,
) -> Answer<(Json, usize)> {
    let (mut all, mut count) = (Vec::new(), 0);
    for (name, stream) in view.measured(known) {
        let is_wanted = |list: &[String]| list.is_empty() || list.contains(&name);
        if !is_wanted(&query.attributes) || !is_wanted(&query.picked.only) {
            continue;
        }
        *left = left.checked_sub(1).ok_or_else(|| {
            Problem::new(&error::NGSI_TOO_MUCH, format!("more than {ATTRIBUTES_MAX} attributes"))
        })?;
        let values = values(view, name, stream, asked).await?;
        count += values.points.len();
        if !values.points.is_empty() {
            all.push(values);
        }
    }
    Ok((temporal_json(&known.shown, &all, asked, terms), count))
}

async fn values(
    view: &View<'_>,
    name: String,
    stream: StreamId,
    asked: &TemporalQuery,
) -> Answer<Values> {
    let (device, kind, unit) = {
        let registry = view.city.registry.read();
        let entry = registry.stream(stream);
        let kind = registry.kind(entry.kind);
        let device = registry.device(entry.device).name().to_owned();
        (device, kind.name.to_string(), kind.unit.to_string())
    };
    let whole = Moments { from: EARLIEST, to: clock::now().plus_ms(chengmai_model::time::DAY_MS) };
    let Moments { from, to } = asked.moments.unwrap_or(whole);
    let (from, to) = (from.max(whole.from), to.min(whole.to));
    let summed = asked.aggregate.is_some();
    let most = match asked.last {
        Some(last) if !summed => last,
        _ if summed => READINGS_MAX,
        _ => LISTED_MAX,
    };
    let points = if from < to {
        let streams = vec![(stream, kind)];
        // A moment that two values came in for is told once, as the later one.
        let found = view.city.device_readings(view.scope, device, streams, from, to, most * 2 + 1);
        let found = found.await?;
        let mut points: Vec<(Timestamp, f64)> = Vec::with_capacity(found.len());
        for reading in found {
            match points.last_mut() {
                Some(last) if last.0 == reading.at => last.1 = reading.value,
                _ => points.push((reading.at, reading.value)),
            }
        }
        points
    } else {
        Vec::new()
    };
    if points.len() > most && asked.last.is_none() {
        let detail = format!("more than {most} values of {name}: ask for less time, or lastN");
        return Err(Problem::new(&error::NGSI_TOO_MUCH, detail));
    }
    let skipped = points.len().saturating_sub(most);
    let points = points.split_at(skipped).1.to_vec();
    Ok(Values { name, unit_code: code_of(&unit), points })
}
