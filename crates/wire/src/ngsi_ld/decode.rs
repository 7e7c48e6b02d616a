//! Entities, parts of them, and batches, from JSON.
//!
//! Not here: attributes themselves (`attribute`), and what becomes of an entity (`server`).

use chengmai_model::error::{NGSI_BODY, NGSI_REQUEST};
use serde_json::Value as Json;

use super::attribute::{Reader, merged_instances, whole_name};
use super::{
    Attribute, BATCH_MAX, BODY_BYTES_MAX, Context, DEPTH_MAX, ENTITY_BYTES_MAX, Entity, bad, is_uri,
};
use crate::error::{Fault, quote};
use crate::json::document;

/// Types and scopes of one entity.
const TYPES_MAX: usize = 20;

/// A body.
///
/// # Errors
/// [`NGSI_REQUEST`] with the byte where it is no JSON.
pub fn json(body: &[u8]) -> Result<Json, Fault> {
    if body.len() > BODY_BYTES_MAX {
        let most = BODY_BYTES_MAX;
        let (zh, en) = (format!("超过 {most} 字节"), format!("more than {most} bytes"));
        return Err(bad(&NGSI_REQUEST, zh, en));
    }
    let json: Json = document(body, &NGSI_REQUEST)?;
    if is_deeper(&json, DEPTH_MAX) {
        let (zh, en) = ("文档嵌套过深", "the document is nested too deep");
        return Err(bad(&NGSI_REQUEST, zh, en));
    }
    Ok(json)
}

fn is_deeper(json: &Json, than: usize) -> bool {
    match json {
        _ if than == 0 => true,
        Json::Array(list) => list.iter().any(|item| is_deeper(item, than - 1)),
        Json::Object(map) => map.values().any(|item| is_deeper(item, than - 1)),
        _ => false,
    }
}

/// A whole entity. `simplified` says that its attributes are bare values.
///
/// # Errors
/// [`NGSI_BODY`] with what is wrong or missing.
pub fn entity(json: &Json, context: &Context, simplified: bool) -> Result<Entity, Fault> {
    let entity = read(json, &mut Reader::new(context, simplified, false))?;
    if entity.id.is_empty() {
        return Err(bad(&NGSI_BODY, "缺少 id", "the id is missing"));
    }
    if entity.types.is_empty() {
        return Err(bad(&NGSI_BODY, "缺少 type", "the type is missing"));
    }
    Ok(entity)
}

/// Whole attributes of an entity that is known; id and types may stand beside them.
///
/// # Errors
/// [`NGSI_BODY`] with what is wrong.
pub fn fragment(json: &Json, context: &Context, simplified: bool) -> Result<Entity, Fault> {
    read(json, &mut Reader::new(context, simplified, false))
}

/// What is to be changed of an entity: attributes or parts of them.
///
/// # Errors
/// [`NGSI_BODY`] with what is wrong.
pub fn change(json: &Json, context: &Context, simplified: bool) -> Result<Entity, Fault> {
    read(json, &mut Reader::new(context, simplified, true))
}

impl Entity {
    /// The same after a change of its parts; an attribute for which nothing stands is gone.
    #[must_use]
    pub fn merged(mut self, change: &Self) -> Self {
        for (name, instances) in &change.attributes {
            let old = self.attributes.remove(name).unwrap_or_default();
            if let Some(all) = merged_instances(&old, instances) {
                self.attributes.insert(name.clone(), all);
            }
        }
        for one in &change.types {
            if !self.types.contains(one) {
                self.types.push(one.clone());
            }
        }
        if !change.scopes.is_empty() {
            self.scopes.clone_from(&change.scopes);
        }
        self
    }

    /// Whether anything in a change lacks what an attribute needs: a part of one that is not there.
    pub fn incomplete(&self) -> Option<&str> {
        let lacks = |one: &Attribute| one.value.is_null();
        let found = self.attributes.iter().find(|(_, all)| all.iter().any(lacks));
        found.map(|(name, _)| name.as_str())
    }
}

fn read(json: &Json, reader: &mut Reader<'_>) -> Result<Entity, Fault> {
    let Json::Object(map) = json else {
        return Err(bad(&NGSI_BODY, "实体应为对象", "an entity is an object"));
    };
    if json.to_string().len() > ENTITY_BYTES_MAX {
        let most = ENTITY_BYTES_MAX;
        let (zh, en) =
            (format!("实体超过 {most} 字节"), format!("an entity of more than {most} bytes"));
        return Err(bad(&NGSI_BODY, zh, en));
    }
    let mut entity = Entity::default();
    for (name, value) in map {
        match name.as_str() {
            "id" | "@id" => {
                let id = value.as_str().filter(|id| is_uri(id));
                entity.id = id.map(str::to_owned).ok_or_else(|| {
                    bad(&NGSI_BODY, "id 应为 URI", "the id is a URI, as urn:ngsi-ld:Device:m1")
                })?;
            }
            "type" | "@type" => entity.types = types(value, reader.context)?,
            "@context" | "createdAt" | "modifiedAt" | "deletedAt" => {}
            "scope" => entity.scopes = words(value, "scope")?,
            _ => {
                let whole = whole_name(name, reader.context)?;
                let instances = reader.instances(name, value)?;
                if entity.attributes.insert(whole, instances).is_some() {
                    let name = quote(name.as_bytes());
                    let (zh, en) =
                        (format!("`{name}` 出现两次"), format!("`{name}` is there twice"));
                    return Err(bad(&NGSI_BODY, zh, en));
                }
            }
        }
    }
    Ok(entity)
}

fn types(json: &Json, context: &Context) -> Result<Vec<String>, Fault> {
    let names = words(json, "type")?;
    let mut all: Vec<String> = Vec::with_capacity(names.len());
    for name in &names {
        let whole = whole_name(name, context)?;
        if !all.contains(&whole) {
            all.push(whole);
        }
    }
    if all.is_empty() {
        return Err(bad(&NGSI_BODY, "缺少 type", "the type is missing"));
    }
    Ok(all)
}

fn words(json: &Json, member: &str) -> Result<Vec<String>, Fault> {
    let wrong = || {
        let (zh, en) = (
            format!("{member} 应为至多 {TYPES_MAX} 个名称"),
            format!("{member} is a name, or up to {TYPES_MAX} of them"),
        );
        bad(&NGSI_BODY, zh, en)
    };
    let list = match json {
        Json::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.len() > TYPES_MAX {
        return Err(wrong());
    }
    let word = |one: &Json| one.as_str().filter(|word| !word.is_empty()).map(str::to_owned);
    list.iter().map(|one| word(one).ok_or_else(wrong)).collect()
}

/// The entities of a batch, not yet read.
///
/// # Errors
/// [`NGSI_BODY`] when it is no list, or too long.
pub fn entities(json: &Json) -> Result<&[Json], Fault> {
    let Json::Array(list) = json else {
        return Err(bad(&NGSI_BODY, "应为数组", "an array is expected"));
    };
    if list.is_empty() || list.len() > BATCH_MAX {
        let most = BATCH_MAX;
        let (zh, en) =
            (format!("一次 1 至 {most} 个实体"), format!("1 to {most} entities at once"));
        return Err(bad(&NGSI_BODY, zh, en));
    }
    Ok(list)
}

/// The ids of a batch; what is none stands as the text that it is.
///
/// # Errors
/// [`NGSI_BODY`] when it is no list of texts, or too long.
pub fn identifiers(json: &Json) -> Result<Vec<String>, Fault> {
    let text = |one: &Json| one.as_str().map(str::to_owned);
    let all: Option<Vec<String>> = entities(json)?.iter().map(text).collect();
    all.ok_or_else(|| bad(&NGSI_BODY, "应为 id 的数组", "an array of ids is expected"))
}

/// The id that an entity of a batch says it has.
pub fn said_id(json: &Json) -> Option<&str> {
    json.get("id").or_else(|| json.get("@id"))?.as_str()
}
