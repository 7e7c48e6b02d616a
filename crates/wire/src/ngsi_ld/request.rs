//! What is asked of entities: the parameters of an address, or the document of a posted query.
//!
//! Not here: who may see what (`server`). Invariant: a parameter that is not known is refused, so that no
//! filter is left out without a word.

use std::collections::BTreeMap;

use chengmai_model::error::{NGSI_BODY, NGSI_NOT_SUPPORTED, NGSI_QUERY, NGSI_REQUEST};
use regex::Regex;
use serde_json::Value as Json;

use super::encode::{Form, Output};
use super::query::{self, Q};
use super::{Context, Entity, GeoQuery, bad};
use crate::error::{Fault, quote};

/// Entities of an answer when no limit is named.
const LIMIT_DEFAULT: usize = 20;
/// Most entities of an answer.
const LIMIT_MAX: usize = 1_000;
/// Names, ids or types of one list.
const LIST_MAX: usize = 500;
/// Brackets of a test of types.
const TYPE_DEPTH_MAX: usize = 8;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct EntityQuery {
    /// Which ones, one of these is enough; none: any.
    pub selectors: Vec<super::Selector>,
    /// One of these must be there; and no others are shown.
    pub attributes: Vec<String>,
    /// What of them is shown.
    pub picked: Picked,
    /// What must hold.
    pub q: Option<Q>,
    /// Where they must be.
    pub geo: Option<GeoQuery>,
    /// Most entities wanted.
    pub limit: usize,
    /// How many are passed over.
    pub offset: usize,
    /// Whether to count all of them.
    pub count: bool,
    /// How they are written.
    pub output: Output,
    /// Types as names only, or in detail.
    pub details: bool,
}

/// Names to be shown and left out; `id` and `type` may be among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picked {
    /// Only these; none: all.
    pub only: Vec<String>,
    /// Not these.
    pub not: Vec<String>,
}

/// A test of the types of an entity: `A`, `A,B`, `(A;B)|C`.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeTest {
    /// It has this one.
    Is(String),
    /// All of them hold.
    All(Vec<TypeTest>),
    /// One of them holds.
    Any(Vec<TypeTest>),
}

impl TypeTest {
    /// From its text.
    ///
    /// # Errors
    /// [`NGSI_QUERY`] when it cannot be read.
    pub fn parse(text: &str, context: &Context) -> Result<Self, Fault> {
        let mut left = LIST_MAX;
        let (test, rest) = any(text, context, 0, &mut left)?;
        if rest.is_empty() { Ok(test) } else { Err(no_type(text)) }
    }

    /// Whether it holds for these types.
    pub fn holds(&self, types: &[String]) -> bool {
        match self {
            Self::Is(one) => types.contains(one),
            Self::All(all) => all.iter().all(|test| test.holds(types)),
            Self::Any(all) => all.iter().any(|test| test.holds(types)),
        }
    }
}

fn no_type(text: &str) -> Fault {
    let shown = quote(text.as_bytes());
    let (zh, en) = (format!("type `{shown}` 无法读取"), format!("type `{shown}` cannot be read"));
    bad(&NGSI_QUERY, zh, en)
}

type Read<'t> = Result<(TypeTest, &'t str), Fault>;

fn any<'t>(text: &'t str, context: &Context, depth: usize, left: &mut usize) -> Read<'t> {
    let (first, mut rest) = all(text, context, depth, left)?;
    let mut parts = vec![first];
    while let Some(next) = rest.strip_prefix([',', '|']) {
        let (part, behind) = all(next, context, depth, left)?;
        parts.push(part);
        rest = behind;
    }
    Ok((if parts.len() == 1 { parts.remove(0) } else { TypeTest::Any(parts) }, rest))
}

fn all<'t>(text: &'t str, context: &Context, depth: usize, left: &mut usize) -> Read<'t> {
    let (first, mut rest) = one(text, context, depth, left)?;
    let mut parts = vec![first];
    while let Some(next) = rest.strip_prefix(';') {
        let (part, behind) = one(next, context, depth, left)?;
        parts.push(part);
        rest = behind;
    }
    Ok((if parts.len() == 1 { parts.remove(0) } else { TypeTest::All(parts) }, rest))
}

fn one<'t>(text: &'t str, context: &Context, depth: usize, left: &mut usize) -> Read<'t> {
    *left = left.checked_sub(1).ok_or_else(|| no_type(text))?;
    if let Some(inner) = text.strip_prefix('(') {
        if depth >= TYPE_DEPTH_MAX {
            return Err(no_type(text));
        }
        let (test, rest) = any(inner, context, depth + 1, left)?;
        return rest.strip_prefix(')').map(|rest| (test, rest)).ok_or_else(|| no_type(text));
    }
    let end = text.find([',', '|', ';', '(', ')']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.trim();
    if name.is_empty() {
        return Err(no_type(text));
    }
    Ok((TypeTest::Is(context.expand(name)), rest))
}

/// What the parameters of an address ask; those of `also` are somebody else's.
///
/// # Errors
/// [`NGSI_REQUEST`] for a parameter that is not known, [`NGSI_QUERY`] for one that is not right.
pub fn entity_query(
    pairs: &[(String, String)],
    context: &Context,
    also: &[&str],
) -> Result<EntityQuery, Fault> {
    let mut query = EntityQuery { limit: LIMIT_DEFAULT, ..EntityQuery::default() };
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, text) in pairs {
        if texts.insert(name, text).is_some() {
            let name = quote(name.as_bytes());
            let (zh, en) = (format!("参数 {name} 重复"), format!("{name} is there twice"));
            return Err(bad(&NGSI_REQUEST, zh, en));
        }
    }
    let mut place: [Option<&str>; 4] = [None; 4];
    let mut selector = super::Selector::default();
    for (&name, &text) in &texts {
        match name {
            "id" => selector.ids = list(text),
            "idPattern" => selector.pattern = Some(query::pattern(text)?),
            "type" => selector.types = Some(TypeTest::parse(text, context)?),
            "attrs" => query.attributes = names(text, context),
            "pick" => query.picked.only = names(text, context),
            "omit" => query.picked.not = names(text, context),
            "q" => query.q = Some(query::parse(text, context)?),
            "georel" => place[0] = Some(text),
            "geometry" => place[1] = Some(text),
            "coordinates" => place[2] = Some(text),
            "geoproperty" => place[3] = Some(text),
            "limit" | "pageSize" => query.limit = number(name, text, LIMIT_MAX)?,
            "offset" => query.offset = number(name, text, usize::MAX)?,
            "count" => query.count = truth(name, text)?,
            "details" => query.details = truth(name, text)?,
            // There is nobody else who could be asked.
            "local" => drop(truth(name, text)?),
            "geometryProperty" => query.output.geometry = Some(context.expand(text)),
            "lang" => query.output.language = Some(text.to_owned()),
            "options" | "format" => query.options(text, also)?,
            _ if also.contains(&name) => {}
            _ => return Err(unknown(name)),
        }
    }
    if selector.ids.len() > LIST_MAX || query.attributes.len() > LIST_MAX {
        let (zh, en) =
            (format!("列表超过 {LIST_MAX} 项"), format!("a list of more than {LIST_MAX}"));
        return Err(bad(&NGSI_QUERY, zh, en));
    }
    query.geo = geo(place, context)?;
    if !selector.is_any() {
        query.selectors.push(selector);
    }
    if query.limit == 0 && !query.count {
        let (zh, en) = ("limit=0 须与 count=true 同用", "limit=0 goes with count=true");
        return Err(bad(&NGSI_QUERY, zh, en));
    }
    Ok(query)
}

fn unknown(name: &str) -> Fault {
    let name = quote(name.as_bytes());
    let (zh, en) = (format!("没有参数 {name}"), format!("there is no parameter {name}"));
    bad(&NGSI_REQUEST, zh, en)
}

fn geo(
    [georel, geometry, coordinates, property]: [Option<&str>; 4],
    context: &Context,
) -> Result<Option<GeoQuery>, Fault> {
    match (georel, geometry, coordinates) {
        (None, None, None) => Ok(None),
        (Some(georel), Some(geometry), Some(coordinates)) => {
            let read: Result<Json, _> = serde_json::from_str(coordinates);
            let coordinates = read.unwrap_or(Json::Null);
            GeoQuery::new(georel, geometry, &coordinates, property, context).map(Some)
        }
        _ => {
            let (zh, en) = (
                "georel、geometry、coordinates 须同时给出",
                "georel, geometry and coordinates go together",
            );
            Err(bad(&NGSI_QUERY, zh, en))
        }
    }
}

impl EntityQuery {
    /// Options and formats in one list, as both parameters have them.
    fn options(&mut self, text: &str, also: &[&str]) -> Result<(), Fault> {
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "normalized" => self.output.form = Form::Normalized,
                "concise" => self.output.form = Form::Concise,
                "keyValues" | "simplified" => self.output.form = Form::Simplified,
                "sysAttrs" => self.output.system = true,
                "count" => self.count = true,
                _ if also.contains(&word) => {}
                _ => {
                    let word = quote(word.as_bytes());
                    let (zh, en) =
                        (format!("没有选项 {word}"), format!("there is no option {word}"));
                    return Err(bad(&NGSI_REQUEST, zh, en));
                }
            }
        }
        Ok(())
    }

    /// Whether anything is said of which entities are wanted.
    pub fn is_narrow(&self) -> bool {
        !self.selectors.is_empty()
            || !self.attributes.is_empty()
            || self.q.is_some()
            || self.geo.is_some()
    }

    /// Whether an entity fits.
    pub fn holds(&self, entity: &Entity) -> bool {
        (self.selectors.is_empty() || self.selectors.iter().any(|one| one.holds(entity)))
            && (self.attributes.is_empty()
                || self.attributes.iter().any(|name| entity.attributes.contains_key(name)))
            && self.geo.as_ref().is_none_or(|geo| geo.holds(entity))
            && self.q.as_ref().is_none_or(|q| q.holds(entity))
    }

    /// Whether entities of this type may fit.
    pub fn may_be(&self, kind: &str) -> bool {
        self.selectors.is_empty()
            || self
                .selectors
                .iter()
                .any(|one| one.types.as_ref().is_none_or(|types| types.holds(&[kind.to_owned()])))
    }

    /// Whether all that is asked is of which type they are, so that counting needs no look at them.
    pub fn is_of_types_only(&self) -> bool {
        let plain = |one: &super::Selector| one.ids.is_empty() && one.pattern.is_none();
        self.selectors.iter().all(plain)
            && self.attributes.is_empty()
            && self.q.is_none()
            && self.geo.is_none()
    }

    /// Whether it says which types are wanted.
    pub fn names_types(&self) -> bool {
        !self.selectors.is_empty() && self.selectors.iter().all(|one| one.types.is_some())
    }

    /// Whether it must be known where something is to tell whether it fits.
    pub fn needs_place(&self) -> bool {
        self.geo.is_some()
            || self.q.as_ref().is_some_and(|q| q.text().contains("location"))
            || self.attributes.iter().any(|name| name.ends_with("/location"))
    }

    /// The ids asked for, where only these can fit.
    pub fn ids(&self) -> Option<Vec<&str>> {
        let named =
            !self.selectors.is_empty() && self.selectors.iter().all(|one| !one.ids.is_empty());
        named.then(|| self.selectors.iter().flat_map(|one| &one.ids).map(String::as_str).collect())
    }

    /// An entity with only what is to be shown of it.
    pub fn shown(&self, mut entity: Entity) -> Entity {
        let only = |list: &[String], name: &String| list.is_empty() || list.contains(name);
        entity.attributes.retain(|name, _| {
            only(&self.attributes, name)
                && only(&self.picked.only, name)
                && !self.picked.not.contains(name)
        });
        entity
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

fn names(text: &str, context: &Context) -> Vec<String> {
    let own = |name: &String| match name.as_str() {
        "id" | "type" | "scope" => name.clone(),
        _ => context.expand(name),
    };
    list(text).iter().map(own).collect()
}

fn number(name: &str, text: &str, most: usize) -> Result<usize, Fault> {
    text.parse().ok().filter(|number| *number <= most).ok_or_else(|| {
        let shown = quote(text.as_bytes());
        let (zh, en) = (
            format!("{name}={shown} 应为 0 至 {most}"),
            format!("{name}={shown} is not 0 to {most}"),
        );
        bad(&NGSI_QUERY, zh, en)
    })
}

fn truth(name: &str, text: &str) -> Result<bool, Fault> {
    text.parse().map_err(|_neither| {
        let (zh, en) = (format!("{name} 应为 true 或 false"), format!("{name} is true or false"));
        bad(&NGSI_REQUEST, zh, en)
    })
}

/// What a posted query asks, added to what its address asks.
///
/// # Errors
/// [`NGSI_BODY`] when it is no query, [`NGSI_QUERY`] for a part that is not right.
pub fn posted_query(
    json: &Json,
    context: &Context,
    mut query: EntityQuery,
) -> Result<EntityQuery, Fault> {
    let map = json.as_object().filter(|map| map.get("type").is_some_and(|word| word == "Query"));
    let map =
        map.ok_or_else(|| bad(&NGSI_BODY, "type 应为 Query", "the type of a query is Query"))?;
    for (name, value) in map {
        match name.as_str() {
            // What is asked of the past is read by whoever has one.
            "type" | "@context" | "id" | "temporalQ" => {}
            "entities" => query.selectors = super::subscription::selectors(value, context)?,
            "attrs" => query.attributes = super::subscription::names(name, value, context)?,
            "pick" => query.picked.only = super::subscription::names(name, value, context)?,
            "omit" => query.picked.not = super::subscription::names(name, value, context)?,
            "q" => query.q = Some(super::subscription::q(value, context)?),
            "geoQ" => query.geo = Some(super::subscription::geo(value, context)?),
            "lang" => query.output.language = value.as_str().map(str::to_owned),
            _ => {
                let shown = quote(name.as_bytes());
                let (zh, en) = (format!("不支持 {shown}"), format!("{shown} is not supported"));
                return Err(bad(&NGSI_NOT_SUPPORTED, zh, en));
            }
        }
    }
    Ok(query)
}

/// Whether a text fits a pattern.
pub(super) fn fits(pattern: &Regex, text: &str) -> bool {
    pattern.is_match(text)
}
