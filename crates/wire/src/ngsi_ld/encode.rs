//! Entities as answers have them: normalised, concise, as bare values, as GeoJSON; results of batches;
//! notifications.
//!
//! Not here: the context itself, which the caller adds or links to.

use chengmai_model::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::{Attribute, Context, Entity, Kind, NAMESPACE};

/// How attributes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Each with its type.
    #[default]
    Normalized,
    /// Without what can be told from the rest.
    Concise,
    /// Values only.
    Simplified,
}

/// How entities are written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// How attributes are written.
    pub form: Form,
    /// With the times of making and changing.
    pub system: bool,
    /// Words in this language only.
    pub language: Option<String>,
    /// Whole name of the attribute that is the geometry of a feature.
    pub geometry: Option<String>,
}

/// An entity, without its context.
pub fn entity_json(entity: &Entity, context: &Context, output: &Output) -> Json {
    let mut map = head(entity, context);
    if !entity.scopes.is_empty() {
        map.insert(
            "scope".to_owned(),
            one_or_many(entity.scopes.iter().map(|s| json!(s)).collect()),
        );
    }
    if output.system {
        stamp(&mut map, entity.created_at, entity.modified_at);
    }
    map.extend(attributes(entity, context, output));
    Json::Object(map)
}

fn head(entity: &Entity, context: &Context) -> Map<String, Json> {
    let types = entity.types.iter().map(|one| json!(context.compact(one))).collect();
    Map::from_iter([("id".to_owned(), json!(entity.id)), ("type".to_owned(), one_or_many(types))])
}

fn attributes<'e>(
    entity: &'e Entity,
    context: &'e Context,
    output: &'e Output,
) -> impl Iterator<Item = (String, Json)> + 'e {
    entity.attributes.iter().filter(|(_, instances)| !instances.is_empty()).map(
        |(name, instances)| (context.compact(name), instances_json(instances, context, output)),
    )
}

fn instances_json(instances: &[Attribute], context: &Context, output: &Output) -> Json {
    let all = instances.iter().map(|one| attribute_json(one, context, output));
    if output.form == Form::Simplified && instances.len() > 1 {
        // Values of several instances are told apart by their ids.
        let by_dataset = instances
            .iter()
            .zip(all)
            .map(|(one, value)| (one.dataset.clone().unwrap_or_else(|| "@none".to_owned()), value));
        return json!({"dataset": by_dataset.collect::<Map<_, _>>()});
    }
    one_or_many(all.collect())
}

fn one_or_many(mut all: Vec<Json>) -> Json {
    if all.len() == 1 { all.remove(0) } else { Json::Array(all) }
}

fn attribute_json(one: &Attribute, context: &Context, output: &Output) -> Json {
    let (kind, value) = in_language(one, context, output);
    if output.form == Form::Simplified {
        return match kind {
            Kind::LanguageProperty | Kind::VocabProperty | Kind::JsonProperty => {
                Json::Object([(kind.member().to_owned(), value)].into_iter().collect())
            }
            _ => value,
        };
    }
    let mut map = Map::new();
    if output.form == Form::Normalized {
        map.insert("type".to_owned(), json!(kind.word()));
    }
    map.insert(kind.member().to_owned(), value);
    if kind == Kind::ListRelationship {
        let objects = one.value.as_array().map(Vec::as_slice).unwrap_or_default();
        let objects: Json = objects.iter().map(|uri| json!({"object": uri})).collect();
        map.insert(kind.member().to_owned(), objects);
    }
    if let Some(at) = one.observed_at {
        map.insert("observedAt".to_owned(), json!(at.to_rfc3339()));
    }
    if let Some(unit) = &one.unit_code {
        map.insert("unitCode".to_owned(), json!(unit));
    }
    if let Some(dataset) = &one.dataset {
        map.insert("datasetId".to_owned(), json!(dataset));
    }
    if let (Some(language), Kind::LanguageProperty) = (&output.language, one.kind) {
        map.insert("lang".to_owned(), json!(spoken(one, language).unwrap_or_default()));
    }
    if output.system {
        stamp(&mut map, one.created_at, one.modified_at);
    }
    for (name, instances) in &one.more {
        map.insert(context.compact(name), instances_json(instances, context, output));
    }
    if output.form == Form::Concise && is_bare(kind, &map) {
        return map.remove("value").unwrap_or_default();
    }
    Json::Object(map)
}

/// Whether a concise attribute is nothing but a value that cannot be taken for an attribute.
fn is_bare(kind: Kind, map: &Map<String, Json>) -> bool {
    let only = map.len() == 1;
    match kind {
        Kind::GeoProperty => only,
        Kind::Property => only && !map.get("value").is_some_and(Json::is_object),
        _ => false,
    }
}

/// The language of a LanguageProperty that comes closest to the one asked for.
fn spoken(one: &Attribute, language: &str) -> Option<String> {
    let map = one.value.as_object()?;
    let wanted = language.split([',', ';']).next().unwrap_or_default().trim();
    let short = wanted.split('-').next().unwrap_or_default();
    let known = [wanted, short, "@none", "en"].into_iter().find(|word| map.contains_key(*word));
    known.map(str::to_owned).or_else(|| map.keys().next().cloned())
}

/// Kind and value as they are written: words in one language are a Property.
fn in_language(one: &Attribute, context: &Context, output: &Output) -> (Kind, Json) {
    match (one.kind, &output.language) {
        (Kind::LanguageProperty, Some(language)) => {
            let word = spoken(one, language).and_then(|word| one.value.get(&word).cloned());
            (Kind::Property, word.unwrap_or_default())
        }
        (Kind::VocabProperty, _) => (one.kind, compacted(&one.value, context)),
        _ => (one.kind, one.value.clone()),
    }
}

fn compacted(json: &Json, context: &Context) -> Json {
    match json {
        Json::String(word) => json!(context.compact(word)),
        Json::Array(all) => all.iter().map(|one| compacted(one, context)).collect(),
        other => other.clone(),
    }
}

fn stamp(map: &mut Map<String, Json>, made: Option<Timestamp>, changed: Option<Timestamp>) {
    for (name, at) in [("createdAt", made), ("modifiedAt", changed)] {
        if let Some(at) = at {
            map.insert(name.to_owned(), json!(at.to_rfc3339()));
        }
    }
}

/// An entity as a feature of GeoJSON.
pub fn feature_json(entity: &Entity, context: &Context, output: &Output) -> Json {
    let location = format!("{NAMESPACE}location");
    let name = output.geometry.as_ref().unwrap_or(&location);
    let place = entity.usual(name).filter(|one| one.kind == Kind::GeoProperty);
    let mut properties = head(entity, context);
    let id = properties.remove("id").unwrap_or_default();
    properties.extend(attributes(entity, context, output));
    json!({
        "id": id,
        "type": "Feature",
        "geometry": place.map(|one| one.value.clone()),
        "properties": properties,
    })
}

/// Features together.
pub fn feature_collection(features: Vec<Json>) -> Json {
    json!({"type": "FeatureCollection", "features": features})
}

/// What became of a batch: ids that are done, and why the others are not.
pub fn batch_result(done: &[String], failed: Vec<(String, Json)>) -> Json {
    let errors = failed.into_iter().map(|(id, error)| json!({"entityId": id, "error": error}));
    json!({"success": done, "errors": errors.collect::<Vec<_>>()})
}

/// What a subscriber is told, without its context.
pub fn notification(id: &str, subscription: &str, at: Timestamp, data: Vec<Json>) -> Json {
    json!({
        "id": id,
        "type": "Notification",
        "subscriptionId": subscription,
        "notifiedAt": at.to_rfc3339(),
        "data": data,
    })
}
