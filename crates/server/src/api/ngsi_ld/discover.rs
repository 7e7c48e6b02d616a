//! Which types and attributes there are to be asked for, as far as the caller sees entities of them.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use chengmai_wire::ngsi_ld::{
    Context, Entity, EntityQuery, NAMESPACE, Selector, TypeTest, entity_query,
};
use serde_json::{Value as Json, json};

use super::answer::{Ask, document, refused, written_in};
use super::not_found;
use super::registry::{LAYERS, whole};
use crate::http::problem::Answer;

/// Entities of each type that are looked at for its attributes.
const LOOKED_AT: usize = 200;

/// Whole names of types, each with the whole names of attributes and what these are.
type Found = BTreeMap<String, BTreeMap<String, BTreeSet<&'static str>>>;

/// Types of which there is anything, with attributes of the first entities of each.
async fn found(ask: &Ask<'_>) -> Answer<Found> {
    let mut found = Found::new();
    let device = ("Device", LOOKED_AT);
    let layers = LAYERS.into_iter().map(|(_, name, _)| (name, 5));
    for (name, limit) in std::iter::once(device).chain(layers) {
        let query = of_type(&whole(name), limit);
        for entity in ask.view().list(&query).await?.entities {
            note(&mut found, &entity);
        }
    }
    for entity in ask.view().made_by_clients(LOOKED_AT * 10).await? {
        note(&mut found, &entity);
    }
    // Kinds of the packs may come with every device.
    if let Some(device) = found.get_mut(&whole("Device")) {
        let registry = ask.city.registry.read();
        for kind in registry.kinds().iter().filter(|kind| kind.declared) {
            device.entry(whole(&kind.name)).or_default().insert("Property");
        }
    }
    Ok(found)
}

fn of_type(name: &str, limit: usize) -> EntityQuery {
    let types = Some(TypeTest::Is(name.to_owned()));
    let selectors = vec![Selector { types, ..Selector::default() }];
    EntityQuery { selectors, limit, ..EntityQuery::default() }
}

fn note(found: &mut Found, entity: &Entity) {
    for kind in &entity.types {
        let attributes = found.entry(kind.clone()).or_default();
        for (name, instances) in &entity.attributes {
            let words = instances.iter().map(|one| one.kind.word());
            attributes.entry(name.clone()).or_default().extend(words);
        }
    }
}

/// Terms, and whether details are wanted.
async fn asked(ask: &Ask<'_>) -> Answer<(Context, bool)> {
    ask.takes(&["details", "local"])?;
    let context = ask.linked().await?;
    let query = entity_query(&ask.pairs, &context, &[]).map_err(refused)?;
    Ok((context, query.details))
}

fn urn(kind: &str) -> String {
    // The same list each time it is asked for.
    format!("urn:ngsi-ld:{kind}:chengmai")
}

pub(super) async fn types(ask: &Ask<'_>) -> Answer<Response> {
    let media = ask.media(false)?;
    let (context, details) = asked(ask).await?;
    let (found, terms) = (found(ask).await?, written_in(&context, media));
    let json = if details {
        let each = found.iter().map(|(name, attributes)| {
            let names: Vec<String> = attributes.keys().map(|name| terms.compact(name)).collect();
            json!({"id": name, "type": "EntityType", "typeName": terms.compact(name), "attributeNames": names})
        });
        each.collect()
    } else {
        let names: Vec<String> = found.keys().map(|name| terms.compact(name)).collect();
        json!({"id": urn("EntityTypeList"), "type": "EntityTypeList", "typeList": names})
    };
    Ok(document(json, &terms, media))
}

pub(super) async fn kind(ask: &Ask<'_>, name: &str) -> Answer<Response> {
    let media = ask.media(false)?;
    let (context, _) = asked(ask).await?;
    let (wanted, terms) = (context.expand(name), written_in(&context, media));
    let found = found(ask).await?;
    let attributes = found.get(&wanted).ok_or_else(|| not_found(name))?;
    let counting = EntityQuery { count: true, ..of_type(&wanted, 0) };
    let count = ask.view().list(&counting).await?.count;
    let details = attributes.iter().map(|(name, kinds)| {
        json!({"id": name, "type": "Attribute", "attributeName": terms.compact(name), "attributeTypes": kinds})
    });
    let json = json!({"id": wanted, "type": "EntityTypeInfo", "typeName": terms.compact(&wanted),
        "entityCount": count, "attributeDetails": details.collect::<Vec<_>>()});
    Ok(document(json, &terms, media))
}

/// Attributes, each with the types that have it and what it is.
fn turned(found: &Found) -> BTreeMap<&String, (BTreeSet<&String>, BTreeSet<&'static str>)> {
    let mut all: BTreeMap<&String, (BTreeSet<&String>, BTreeSet<&'static str>)> = BTreeMap::new();
    for (kind, attributes) in found {
        for (name, words) in attributes {
            let one = all.entry(name).or_default();
            one.0.insert(kind);
            one.1.extend(words);
        }
    }
    all
}

fn compacted<'n>(names: impl IntoIterator<Item = &'n String>, terms: &Context) -> Vec<String> {
    names.into_iter().map(|name| terms.compact(name)).collect()
}

pub(super) async fn attributes(ask: &Ask<'_>) -> Answer<Response> {
    let media = ask.media(false)?;
    let (context, details) = asked(ask).await?;
    let (found, terms) = (found(ask).await?, written_in(&context, media));
    let all = turned(&found);
    let json: Json = if details {
        let each = all.iter().map(|(name, (types, _))| {
            json!({"id": name, "type": "Attribute", "attributeName": terms.compact(name),
                "typeNames": compacted(types.iter().copied(), &terms)})
        });
        each.collect()
    } else {
        let names = compacted(all.keys().copied(), &terms);
        json!({"id": urn("AttributeList"), "type": "AttributeList", "attributeList": names})
    };
    Ok(document(json, &terms, media))
}

pub(super) async fn attribute(ask: &Ask<'_>, name: &str) -> Answer<Response> {
    let media = ask.media(false)?;
    let (context, _) = asked(ask).await?;
    let (wanted, terms) = (context.expand(name), written_in(&context, media));
    let found = found(ask).await?;
    let all = turned(&found);
    let (types, kinds) = all.get(&wanted).ok_or_else(|| not_found(name))?;
    let counting =
        EntityQuery { attributes: vec![wanted.clone()], count: true, ..EntityQuery::default() };
    // Every entity may have a place: those are not counted one by one.
    let is_common = wanted == format!("{NAMESPACE}location");
    let count = if is_common { None } else { ask.view().list(&counting).await?.count };
    let json = json!({"id": wanted, "type": "Attribute", "attributeName": terms.compact(&wanted),
        "attributeCount": count, "attributeTypes": kinds,
        "typeNames": compacted(types.iter().copied(), &terms)});
    Ok(document(json, &terms, media))
}
