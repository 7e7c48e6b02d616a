//! The description of the interface as OpenAPI 3.0, for clients that look there for what they may ask: GDAL
//! sends a filter only for the properties that it finds here.
//!
//! Not here: the description of everything else the server does, which is OpenAPI 3.1 and made from its routes.

use serde_json::{Map, Value, json};

use super::{CONFORMANCE, Crs, LIMIT_DEFAULT, LIMIT_MAX, both, media};
use crate::cql2::{Kind, Queryable};

/// A collection and the properties that may stand in its filters.
pub type Described<'a> = (&'a str, String, Vec<Queryable>);

/// The interface below that address.
pub fn description(address: &str, title: &str, all: &[Described<'_>]) -> Value {
    let mut paths = Map::new();
    let mut path = |path: String, words: &str, kind: &str, parameters: Vec<Value>| {
        let answers = json!({"200": {"description": words, "content": {kind: {"schema": {"type": "object"}}}}});
        paths.insert(
            path,
            json!({"get": {"summary": words, "parameters": parameters, "responses": answers}}),
        );
    };
    path("/".to_owned(), "landing page", media::JSON, Vec::new());
    path("/conformance".to_owned(), "what is conformed to", media::JSON, Vec::new());
    path("/collections".to_owned(), "collections", media::JSON, Vec::new());
    for (id, title, declared) in all {
        let below = format!("/collections/{id}");
        path(below.clone(), title, media::JSON, Vec::new());
        path(format!("{below}/queryables"), title, media::SCHEMA, Vec::new());
        path(format!("{below}/items"), title, media::GEOJSON, parameters(declared));
        let id =
            json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}});
        path(format!("{below}/items/{{id}}"), title, media::GEOJSON, vec![id, crs("crs")]);
    }
    json!({
        "openapi": "3.0.3",
        "info": {"title": title, "version": CONFORMANCE.len().to_string()},
        "servers": [{"url": address}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"bearer": []}],
        "paths": paths,
    })
}

fn parameters(declared: &[Queryable]) -> Vec<Value> {
    let text = |name: &str| query(name, json!({"type": "string"}));
    let mut all = vec![
        query(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}),
        ),
        query(
            "bbox",
            json!({"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}),
        ),
        text("datetime"),
        text("filter"),
        query(
            "filter-lang",
            json!({"type": "string", "enum": ["cql2-text", "cql2-json"], "default": "cql2-text"}),
        ),
        crs("filter-crs"),
        crs("bbox-crs"),
        crs("crs"),
        text("cursor"),
    ];
    all.extend(declared.iter().filter_map(|queryable| {
        let kind = match queryable.kind {
            Kind::Text | Kind::Time | Kind::Date => "string",
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Geometry => return None,
        };
        let mut parameter = query(queryable.name, json!({"type": kind}));
        parameter["description"] = json!(both(&queryable.title));
        Some(parameter)
    }));
    all
}

fn crs(name: &str) -> Value {
    query(name, json!({"type": "string", "enum": Crs::ALL.map(Crs::uri)}))
}

fn query(name: &str, schema: Value) -> Value {
    // Lists stand in one parameter, with commas.
    json!({"name": name, "in": "query", "style": "form", "explode": false, "schema": schema})
}
