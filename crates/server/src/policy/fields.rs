//! Which class of data 数据分级 every field of the interface is (`fields.txt`), put into the document that
//! describes it, and the class of each route: the highest that its answers hold.
//!
//! What it is not: a decision. A handler asks for its permission in a class, and policies decide
//! (`http::access`); that the two agree is what the matrix of the tests shows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, RefOr};

use super::Class;
use crate::http::document::operations;

/// The table that people read.
const TABLE: &str = include_str!("fields.txt");
/// Under this key the document says a class.
const KEY: &str = "x-data-class";
/// What the table says.
struct Table<'a> {
    /// Class of a schema's fields, and of those that differ, by the schema's name.
    schemas: BTreeMap<&'a str, (&'a str, BTreeMap<&'a str, &'a str>)>,
    /// Class of a route by its method and path.
    routes: BTreeMap<(&'a str, &'a str), &'a str>,
}

impl<'a> Table<'a> {
    /// Reads it; a line that says nothing known is left out, and the test tells.
    fn read(text: &'a str) -> Self {
        let mut table = Self { schemas: BTreeMap::new(), routes: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                [method, path, class] => {
                    table.routes.insert((method, path), class);
                }
                [name, class] => {
                    let (schema, field) = name.split_once('.').unwrap_or((name, ""));
                    let known = table.schemas.entry(schema).or_default();
                    if field.is_empty() {
                        known.0 = class;
                    } else {
                        known.1.insert(field, class);
                    }
                }
                _ => {}
            }
        }
        table
    }

    /// The class of a schema as the document says it: one word, or one for each field that differs.
    fn said(&self, schema: &str) -> Option<Value> {
        let (class, fields) = self.schemas.get(thing(schema))?;
        if fields.is_empty() || thing(schema) != schema {
            return Some((*class).into());
        }
        let pairs = fields.iter().map(|(field, class)| ((*field).to_owned(), (*class).into()));
        let all = pairs.chain([("*".to_owned(), (*class).into())]);
        Some(Value::Object(all.collect::<Map<_, _>>()))
    }

    /// The highest class in answers of these schemas.
    fn highest(&self, schemas: &BTreeSet<String>) -> Option<&'static str> {
        let known = schemas.iter().filter_map(|name| self.schemas.get(thing(name)));
        let words = known.flat_map(|(class, fields)| fields.values().chain([class]));
        let classes = words.filter_map(|word| Class::ALL.into_iter().find(|c| c.word() == *word));
        classes.max().map(Class::word)
    }
}

/// A page of things has the class of the things.
fn thing(schema: &str) -> &str {
    schema.strip_prefix("Page_").unwrap_or(schema)
}

/// Puts the classes into the document.
pub(crate) fn classify(document: &mut OpenApi) {
    let table = Table::read(TABLE);
    let shown = serde_json::to_value(&*document).unwrap_or_default();
    for (path, item) in &mut document.paths.paths {
        let plain = path.replace("/{*", "/{");
        for (method, operation) in operations(item) {
            let answers = answers(&shown, &shown["paths"][path.as_str()][method]);
            let said = table.routes.get(&(method.to_uppercase().as_str(), plain.as_str())).copied();
            if let Some(class) = said.or_else(|| table.highest(&answers)) {
                say(&mut operation.extensions, class.into());
            }
        }
    }
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    for (name, schema) in schemas.into_iter().flatten() {
        if let (RefOr::T(schema), Some(said)) = (schema, table.said(name)) {
            say(extensions(schema), said);
        }
    }
}

fn say(extensions: &mut Option<Extensions>, class: Value) {
    extensions.get_or_insert_default().insert(KEY.to_owned(), class);
}

fn extensions(schema: &mut Schema) -> &mut Option<Extensions> {
    match schema {
        Schema::Array(schema) => &mut schema.extensions,
        Schema::OneOf(schema) => &mut schema.extensions,
        Schema::AllOf(schema) => &mut schema.extensions,
        Schema::AnyOf(schema) => &mut schema.extensions,
        Schema::Object(schema) => &mut schema.extensions,
        _ => unreachable!("the document has no other schemas"),
    }
}

/// Names of the schemas in what a route answers when all is well, and in those.
fn answers(document: &Value, operation: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let answers = operation["responses"].as_object().into_iter().flatten();
    for (_, answer) in answers.filter(|(status, _)| status.starts_with('2')) {
        collect(document, answer, &mut found);
    }
    found
}

fn collect(document: &Value, part: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str);
            if let Some(name) = name.and_then(|n| n.strip_prefix("#/components/schemas/"))
                && found.insert(name.to_owned())
            {
                collect(document, &document["components"]["schemas"][name], found);
            }
            map.values().for_each(|part| collect(document, part, found));
        }
        Value::Array(list) => list.iter().for_each(|part| collect(document, part, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::router::openapi_json;

    /// What a route says that answers only what is the caller's own.
    const OWN: &str = "own";

    fn document() -> Value {
        serde_json::from_str(&openapi_json()).unwrap()
    }

    #[test]
    fn every_field_and_every_route_of_the_interface_has_a_class() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut missing: Vec<String> = schemas
            .iter()
            .filter(|(_, schema)| schema[KEY].is_null())
            .map(|(name, _)| format!("{name} ?"))
            .collect();
        for (path, item) in document["paths"].as_object().unwrap() {
            let routes = item.as_object().unwrap().iter();
            let unsaid = routes.filter(|(_, operation)| operation["responses"].is_object());
            let unsaid = unsaid.filter(|(_, operation)| operation[KEY].is_null());
            missing.extend(unsaid.map(|(method, _)| format!("{} {path} ?", method.to_uppercase())));
        }
        assert!(missing.is_empty(), "policy/fields.txt lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn every_line_of_the_table_says_a_class_of_something_that_there_is() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let is_class = |word: &str| Class::ALL.iter().any(|class| class.word() == word);
        for line in TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_sound = match words.as_slice() {
                [method, path, class] => {
                    let route = &document["paths"][*path][method.to_lowercase()];
                    route.is_object() && (is_class(class) || *class == OWN)
                }
                [name, class] => {
                    let (schema, field) = name.split_once('.').unwrap_or((name, ""));
                    let found = &schemas[schema];
                    let has = |part: &Value| part["properties"][field].is_object();
                    let parts = found["allOf"].as_array().into_iter().flatten();
                    let is_there = field.is_empty() || has(found) || parts.into_iter().any(has);
                    found.is_object() && is_there && is_class(class)
                }
                _ => false,
            };
            assert!(is_sound, "policy/fields.txt: {line}");
        }
    }

    /// Of two shapes with one name the document shows one for both.
    #[test]
    fn no_two_shapes_of_the_interface_have_one_name() {
        let mut names = BTreeMap::new();
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let parts = text.split("#[derive(").filter(|part| {
                    part.split_once(")]").is_some_and(|(traits, _)| traits.contains("ToSchema"))
                });
                for part in parts {
                    let line = part
                        .lines()
                        .find_map(|line| line.split_once("struct ").or(line.split_once("enum ")));
                    let Some((_, named)) = line else { continue };
                    let name: String = named.chars().take_while(|c| c.is_alphanumeric()).collect();
                    let other = names.insert(name.clone(), path.clone());
                    assert_eq!(other, None, "{name} is in {} as well", path.display());
                }
            }
        }
        assert!(names.len() > 100, "{}", names.len());
    }

    #[test]
    fn a_route_has_the_highest_class_of_what_it_answers() {
        let document = document();
        let class = |path: &str, method: &str| document["paths"][path][method][KEY].clone();
        assert_eq!(class("/api/v1/cases/{id}/contact", "get"), "personal");
        assert_eq!(class("/api/v1/users", "get"), "sensitive");
        assert_eq!(class("/api/v1/cases", "get"), "internal");
        assert_eq!(class("/api/v1/city", "get"), "public");
        assert_eq!(class("/api/v1/session", "get"), "own");
        let contact = &document["components"]["schemas"]["ContactJson"][KEY];
        assert_eq!((&contact["*"], &contact["app"]), (&"personal".into(), &"internal".into()));
    }
}
