//! Writes documents and features as JSON.

use chengmai_model::geometry::Ring;
use serde_json::{Value, json};

use super::{CONFORMANCE, Collection, Crs, Feature, FeaturePage, Link, Position, both};
use crate::cql2::{Kind, Queryable};

/// The page one enters by.
pub fn landing(title: &str, description: &str, links: &[Link]) -> Value {
    json!({"title": title, "description": description, "links": list(links)})
}

/// What of the standards is kept to.
pub fn conformance() -> Value {
    json!({"conformsTo": CONFORMANCE})
}

/// All collections.
pub fn collections(all: &[Collection], links: &[Link]) -> Value {
    json!({
        "links": list(links),
        "crs": Crs::ALL.map(Crs::uri),
        "collections": all.iter().map(collection).collect::<Vec<_>>(),
    })
}

/// One collection.
pub fn collection(one: &Collection) -> Value {
    let mut extent = json!({});
    if let Some(bounds) = one.bounds {
        extent["spatial"] = json!({"bbox": [bounds], "crs": Crs::Crs84.uri()});
    }
    if one.is_temporal {
        extent["temporal"] = json!({"interval": [[null, null]]});
    }
    json!({
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "itemType": "feature",
        "extent": extent,
        "crs": Crs::ALL.map(Crs::uri),
        "storageCrs": Crs::Crs84.uri(),
        "links": list(&one.links),
    })
}

/// The properties that may stand in filters, as a JSON schema.
pub fn queryables(address: &str, title: &str, declared: &[Queryable]) -> Value {
    let properties = declared.iter().map(|queryable| {
        let mut schema = match queryable.kind {
            Kind::Text => json!({"type": "string"}),
            Kind::Number => json!({"type": "number"}),
            Kind::Integer => json!({"type": "integer"}),
            Kind::Boolean => json!({"type": "boolean"}),
            Kind::Time => json!({"type": "string", "format": "date-time"}),
            Kind::Date => json!({"type": "string", "format": "date"}),
            Kind::Geometry => {
                json!({"format": "geometry-any", "x-ogc-role": "primary-geometry"})
            }
        };
        schema["title"] = json!(both(&queryable.title));
        if !queryable.words.is_empty() {
            schema["enum"] = json!(queryable.words);
        }
        (queryable.name.to_owned(), schema)
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "title": title,
        "type": "object",
        "properties": properties.collect::<serde_json::Map<_, _>>(),
        "additionalProperties": false,
    })
}

/// Features in that reference system.
pub fn features(page: &FeaturePage, crs: Crs) -> Value {
    let features: Vec<Value> = page.features.iter().map(|one| feature(one, &[], crs)).collect();
    let mut value = json!({
        "type": "FeatureCollection",
        "timeStamp": page.at.to_rfc3339(),
        "numberReturned": features.len(),
        "links": list(&page.links),
        "features": features,
    });
    if let Some(matched) = page.matched {
        value["numberMatched"] = json!(matched);
    }
    value
}

/// One feature in that reference system.
pub fn feature(one: &Feature, links: &[Link], crs: Crs) -> Value {
    let mut value = json!({
        "type": "Feature",
        "id": one.id,
        "geometry": one.position.as_ref().map(|position| geometry(position, crs)),
        "properties": one.properties,
    });
    if !links.is_empty() {
        value["links"] = list(links);
    }
    value
}

/// An address with these parameters, one of them changed or added.
pub fn changed(address: &str, pairs: &[(String, String)], (name, value): (&str, &str)) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs.iter().filter(|(other, _)| other != name));
    format!("{address}?{}", text.append_pair(name, value).finish())
}

/// An id as a part of a path.
pub fn segment(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace('+', "%20")
}

fn geometry(position: &Position, crs: Crs) -> Value {
    // A centimetre, in degrees or in metres.
    let parts = if crs == Crs::Epsg3857 { 1e2 } else { 1e7 };
    let point = |place: [f64; 2]| crs.position_to(place).map(|part| (part * parts).round() / parts);
    let ring = |ring: &Ring| -> Vec<[f64; 2]> {
        ring.iter().chain(ring.first()).map(|&place| point(place)).collect()
    };
    match position {
        Position::Point(place) => json!({"type": "Point", "coordinates": point(*place)}),
        Position::Shape(shape) => {
            let polygons = shape.polygons.iter().map(|rings| rings.iter().map(ring).collect());
            let polygons: Vec<Vec<Vec<[f64; 2]>>> = polygons.collect();
            json!({"type": "MultiPolygon", "coordinates": polygons})
        }
    }
}

fn list(links: &[Link]) -> Value {
    let one = |link: &Link| json!({"href": link.href, "rel": link.rel, "type": link.kind, "title": link.title});
    links.iter().map(one).collect()
}
