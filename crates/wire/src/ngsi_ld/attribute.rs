//! One attribute as it was sent: normalised, concise or as a bare value.
//!
//! Not here: entities (`decode`), and whether a number is a reading (`server`). Invariant: what cannot be
//! kept as it was sent is refused, not left out.

use std::collections::BTreeMap;

use chengmai_model::Timestamp;
use chengmai_model::error::NGSI_BODY;
use serde_json::{Map, Value as Json};

use super::{ATTRIBUTES_MAX, Attribute, Context, Kind, NAME_BYTES_MAX, NULL, bad, is_uri};
use crate::error::{Fault, quote};
use crate::sensorthings::shape;

/// Attributes of attributes of attributes.
const DEPTH_MAX: usize = 5;
/// Members that are the server's own words, which clients send back.
const OWN_WORDS: [&str; 5] = ["createdAt", "modifiedAt", "deletedAt", "instanceId", "@context"];
/// Geometries of GeoJSON.
const GEOMETRIES: [&str; 6] =
    ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"];

/// How attributes are read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context,
    /// Bare values: an object is a value and not an attribute.
    pub(super) simplified: bool,
    /// Parts of attributes are enough, and nothing may stand for an attribute that is to go.
    pub(super) partial: bool,
    /// Attributes that there is room for.
    pub(super) left: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(context: &'a Context, simplified: bool, partial: bool) -> Self {
        Self { context, simplified, partial, left: ATTRIBUTES_MAX }
    }

    /// All instances of an attribute.
    pub(super) fn instances(&mut self, name: &str, json: &Json) -> Result<Vec<Attribute>, Fault> {
        self.at_depth(name, json, 0)
    }

    fn at_depth(&mut self, name: &str, json: &Json, depth: usize) -> Result<Vec<Attribute>, Fault> {
        if depth > DEPTH_MAX {
            return Err(wrong(name, "属性嵌套过深", "attributes are nested too deep"));
        }
        let Json::Array(list) = json else { return Ok(vec![self.one(name, json, depth)?]) };
        if list.is_empty() || self.simplified || !list.iter().all(is_instance) {
            return Ok(vec![self.one(name, json, depth)?]);
        }
        let mut all: Vec<Attribute> = Vec::with_capacity(list.len());
        for json in list {
            let one = self.one(name, json, depth)?;
            if all.iter().any(|other| other.dataset == one.dataset) {
                let (zh, en) = ("两个实例的 datasetId 相同", "two instances have one datasetId");
                return Err(wrong(name, zh, en));
            }
            all.push(one);
        }
        Ok(all)
    }

    fn one(&mut self, name: &str, json: &Json, depth: usize) -> Result<Attribute, Fault> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let (zh, en) = (
                format!("属性超过 {ATTRIBUTES_MAX} 个"),
                format!("more than {ATTRIBUTES_MAX} attributes"),
            );
            bad(&NGSI_BODY, zh, en)
        })?;
        match json {
            Json::Null if self.partial => Ok(Attribute::property(NULL)),
            Json::Null => Err(wrong(name, "值不能是 null", "null is no value")),
            Json::Object(map) if is_geometry(map) => self
                .valued(name, Kind::GeoProperty, json)
                .map(|v| Attribute::new(Kind::GeoProperty, v)),
            Json::Object(map) if self.simplified => self.bare(name, map),
            Json::Object(map) => self.whole(name, map, depth),
            plain => Ok(Attribute::property(plain.clone())),
        }
    }

    /// An object among bare values: some kinds are marked, everything else is a value.
    fn bare(&self, name: &str, map: &Map<String, Json>) -> Result<Attribute, Fault> {
        let marked = [Kind::LanguageProperty, Kind::VocabProperty, Kind::JsonProperty];
        for kind in marked {
            if let (1, Some(value)) = (map.len(), map.get(kind.member())) {
                return Ok(Attribute::new(kind, self.valued(name, kind, value)?));
            }
        }
        Ok(Attribute::property(Json::Object(map.clone())))
    }

    fn whole(
        &mut self,
        name: &str,
        map: &Map<String, Json>,
        depth: usize,
    ) -> Result<Attribute, Fault> {
        let kind = self.kind(name, map)?;
        let value = match map.get(kind.member()) {
            Some(Json::Null) if self.partial => Json::from(NULL),
            Some(value) => self.valued(name, kind, value)?,
            None if self.partial => Json::Null,
            None => {
                let (zh, en) =
                    (format!("缺少 {}", kind.member()), format!("{} is missing", kind.member()));
                return Err(wrong(name, zh, en));
            }
        };
        let mut read = Attribute::new(kind, value);
        for (member, json) in map {
            match member.as_str() {
                "type" | "@type" => {}
                word if word == kind.member() || OWN_WORDS.contains(&word) => {}
                "observedAt" => read.observed_at = Some(time(name, json)?),
                "unitCode" => read.unit_code = Some(text(name, "unitCode", json)?),
                "datasetId" => read.dataset = dataset(name, json)?,
                "objectType" | "valueType" | "expandValues" => {
                    let (zh, en) = (format!("不保存 {member}"), format!("{member} is not kept"));
                    return Err(wrong(name, zh, en));
                }
                word if Kind::ALL.iter().any(|kind| kind.member() == word) => {
                    let (zh, en) = (
                        format!("{} 不能有 {word}", kind.word()),
                        format!("a {} has no {word}", kind.word()),
                    );
                    return Err(wrong(name, zh, en));
                }
                _ => {
                    let whole = whole_name(member, self.context)?;
                    let inner = self.at_depth(member, json, depth + 1)?;
                    read.more.insert(whole, inner);
                }
            }
        }
        Ok(read)
    }

    /// What an attribute is: as it says, or by the name under which its value stands.
    fn kind(&self, name: &str, map: &Map<String, Json>) -> Result<Kind, Fault> {
        if let Some(word) = map.get("type").or_else(|| map.get("@type")) {
            let known = word.as_str().and_then(Kind::from_word);
            return known.ok_or_else(|| {
                let word = quote(word.to_string().as_bytes());
                let (zh, en) =
                    (format!("没有属性类型 {word}"), format!("{word} is no type of attribute"));
                wrong(name, zh, en)
            });
        }
        match map.get("value") {
            Some(Json::Object(value)) if is_geometry(value) => return Ok(Kind::GeoProperty),
            Some(_) => return Ok(Kind::Property),
            None => {}
        }
        let found = Kind::ALL.into_iter().find(|kind| map.contains_key(kind.member()));
        match found {
            Some(kind) => Ok(kind),
            None if self.partial => Ok(Kind::Property),
            None => {
                let (zh, en) = (
                    "缺少 type 和 value（或 object 等）",
                    "neither type nor value, object or the like",
                );
                Err(wrong(name, zh, en))
            }
        }
    }

    fn valued(&self, name: &str, kind: Kind, value: &Json) -> Result<Json, Fault> {
        let refuse = |zh: &str, en: &str| Err(wrong(name, zh, en));
        if self.partial && value.as_str() == Some(NULL) {
            return Ok(value.clone());
        }
        if value.is_null() {
            return refuse("值不能是 null", "null is no value");
        }
        match (kind, value) {
            (Kind::GeoProperty, _) => match shape(value) {
                Some(shape) if shape.is_on_earth() => {}
                _ => return refuse("不是 GeoJSON 几何", "the value is no geometry of GeoJSON"),
            },
            (Kind::Relationship, Json::String(uri)) if is_uri(uri) => {}
            (Kind::Relationship, Json::Array(all)) if all.iter().all(is_object) => {}
            (Kind::Relationship, _) => {
                return refuse("object 应为 URI", "the object is a URI");
            }
            (Kind::LanguageProperty, Json::Object(map)) if map.values().all(is_words) => {}
            (Kind::LanguageProperty, _) => {
                return refuse("languageMap 应为语言到文字", "a languageMap has words by language");
            }
            (Kind::VocabProperty, word) if is_words(word) => return Ok(self.expanded(word)),
            (Kind::VocabProperty, _) => return refuse("vocab 应为词", "a vocab is words"),
            (Kind::Property | Kind::JsonProperty, _) | (Kind::ListProperty, Json::Array(_)) => {}
            (Kind::ListProperty, _) => {
                return refuse("valueList 应为数组", "a valueList is an array");
            }
            (Kind::ListRelationship, Json::Array(all)) => {
                let uris = all.iter().map(|one| one.get("object").unwrap_or(one));
                if !uris.clone().all(is_object) {
                    return refuse(
                        "objectList 应为 URI 的数组",
                        "an objectList is an array of URIs",
                    );
                }
                return Ok(uris.cloned().collect());
            }
            (Kind::ListRelationship, _) => {
                return refuse("objectList 应为 URI 的数组", "an objectList is an array of URIs");
            }
        }
        Ok(value.clone())
    }

    /// Words of a vocabulary, whole.
    fn expanded(&self, json: &Json) -> Json {
        match json {
            Json::String(word) => Json::from(self.context.expand(word)),
            Json::Array(all) => all.iter().map(|one| self.expanded(one)).collect(),
            other => other.clone(),
        }
    }
}

/// The whole name of an attribute or a type. It means the same wherever it is read again.
pub(super) fn whole_name(name: &str, context: &Context) -> Result<String, Fault> {
    check_name(name)?;
    let whole = context.expand(name);
    check_name(&whole)?;
    if Context::default().expand(&whole) == whole {
        return Ok(whole);
    }
    let name = quote(name.as_bytes());
    let (zh, en) = (
        format!("`{name}` 按 @context 展开后不是 URI"),
        format!("`{name}` is no URI when @context has made it whole"),
    );
    Err(bad(&NGSI_BODY, zh, en))
}

/// Goes on when a text may be the name of an attribute or a type.
fn check_name(name: &str) -> Result<(), Fault> {
    let is_right = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('@')
        && !name
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "<>\"'=;()&?|,[]".contains(c));
    if is_right {
        return Ok(());
    }
    let name = quote(name.as_bytes());
    let (zh, en) = (format!("`{name}` 不能作名称"), format!("`{name}` is no name"));
    Err(bad(&NGSI_BODY, zh, en))
}

fn is_instance(json: &Json) -> bool {
    let known = |word: &Json| word.as_str().and_then(Kind::from_word).is_some();
    json.as_object().is_some_and(|map| {
        map.get("type").or_else(|| map.get("@type")).is_some_and(known)
            || map.contains_key("datasetId")
    })
}

fn is_geometry(map: &Map<String, Json>) -> bool {
    let word = map.get("type").and_then(Json::as_str);
    word.is_some_and(|word| GEOMETRIES.contains(&word)) && map.contains_key("coordinates")
}

fn is_object(json: &Json) -> bool {
    json.as_str().is_some_and(is_uri)
}

fn is_words(json: &Json) -> bool {
    json.is_string() || json.as_array().is_some_and(|all| all.iter().all(Json::is_string))
}

fn time(name: &str, json: &Json) -> Result<Timestamp, Fault> {
    let at = json.as_str().and_then(Timestamp::parse_rfc3339);
    at.ok_or_else(|| {
        wrong(name, "observedAt 应为 RFC 3339 时间", "observedAt is a time of RFC 3339")
    })
}

fn text(name: &str, member: &str, json: &Json) -> Result<String, Fault> {
    let text = json.as_str().filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX);
    text.map(str::to_owned)
        .ok_or_else(|| wrong(name, format!("{member} 应为文字"), format!("{member} is a text")))
}

fn dataset(name: &str, json: &Json) -> Result<Option<String>, Fault> {
    match json.as_str() {
        Some("@none") => Ok(None),
        Some(uri) if is_uri(uri) => Ok(Some(uri.to_owned())),
        _ => Err(wrong(name, "datasetId 应为 URI", "a datasetId is a URI")),
    }
}

fn wrong(name: &str, zh: impl AsRef<str>, en: impl AsRef<str>) -> Fault {
    let name = quote(name.as_bytes());
    bad(&NGSI_BODY, format!("`{name}`：{}", zh.as_ref()), format!("`{name}`: {}", en.as_ref()))
}

/// What stays of an attribute after a part of it was changed.
pub(super) fn merged(old: &Attribute, new: &Attribute) -> Attribute {
    let mut merged = old.clone();
    if !new.value.is_null() {
        merged.kind = new.kind;
        merged.value = new.value.clone();
    }
    merged.observed_at = new.observed_at.or(merged.observed_at);
    merged.unit_code = new.unit_code.clone().or(merged.unit_code);
    for (name, instances) in &new.more {
        if instances.iter().any(Attribute::is_null) {
            merged.more.remove(name);
        } else {
            merged.more.insert(name.clone(), instances.clone());
        }
    }
    merged
}

/// Instances after some were changed; none when all are gone.
pub(super) fn merged_instances(old: &[Attribute], new: &[Attribute]) -> Option<Vec<Attribute>> {
    let mut by_dataset: BTreeMap<Option<String>, Attribute> =
        old.iter().map(|one| (one.dataset.clone(), one.clone())).collect();
    for one in new {
        if one.is_null() {
            by_dataset.remove(&one.dataset);
            continue;
        }
        let merged =
            by_dataset.get(&one.dataset).map_or_else(|| one.clone(), |old| merged(old, one));
        by_dataset.insert(one.dataset.clone(), merged);
    }
    (!by_dataset.is_empty()).then(|| by_dataset.into_values().collect())
}
