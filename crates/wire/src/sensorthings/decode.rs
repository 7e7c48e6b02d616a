//! Documents of clients: an entity to be made, with its neighbours; changes of one; tables of
//! observations.
//!
//! Not here: whether what they refer to exists. Invariant: a draft has every field and every neighbour
//! that its kind cannot be without, its times are times, and it is within the limits.

use chengmai_model::Timestamp;
use chengmai_model::error::STA_BODY;
use serde_json::{Map, Value as Json};

use super::evaluate::{Value, time_of};
use super::path::{Path, Tail, id, path};
use super::{DEEP_INSERT_MAX, DEPTH_MAX, Holds, Id, Kind, Relation, TEXT_LEN_MAX};
use crate::error::{Fault, quote};
use crate::json::document;

/// Rows of one table of observations.
pub const DATA_ARRAY_ROWS_MAX: usize = 100_000;
/// Properties of one MultiDatastream.
const COMPONENTS_MAX: usize = 100;
/// Bytes of one entity without its neighbours.
const ENTITY_LEN_MAX: usize = 262_144;

/// An entity as a client wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its kind.
    pub kind: Kind,
    /// Its fields; null where a change takes one away.
    pub fields: Map<String, Json>,
    /// Its neighbours.
    pub links: Vec<(&'static Relation, Link)>,
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// One that is there.
    Known(Id),
    /// One to be made with it.
    New(Draft),
}

/// A document.
///
/// # Errors
/// [`STA_BODY`] with the byte where it is no JSON.
pub fn json(body: &[u8]) -> Result<Json, Fault> {
    let json: Json = document(body, &STA_BODY)?;
    if is_deeper(&json, DEPTH_MAX * 3) {
        return Err(bad("文档嵌套过深", "the document is nested too deep"));
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

/// An entity to be made. `given` is the kind of a neighbour that it has already, by its address.
///
/// # Errors
/// [`STA_BODY`] with what is wrong or missing.
pub fn draft(kind: Kind, json: &Json, given: Option<Kind>) -> Result<Draft, Fault> {
    let mut left = DEEP_INSERT_MAX;
    let draft = read(kind, json, true, &mut left)?;
    complete(&draft, given)?;
    Ok(draft)
}

/// What is to be changed of one; what is not in it stays.
///
/// # Errors
/// [`STA_BODY`] with what is wrong.
pub fn patch(kind: Kind, json: &Json) -> Result<Draft, Fault> {
    read(kind, json, false, &mut DEEP_INSERT_MAX.clone())
}

/// The fields that an entity has after a change.
///
/// # Errors
/// [`STA_BODY`] when one is taken away that it cannot be without.
pub fn merged(
    kind: Kind,
    fields: &Map<String, Json>,
    change: &Draft,
) -> Result<Map<String, Json>, Fault> {
    let mut merged = fields.clone();
    for (name, value) in &change.fields {
        if value.is_null()
            && kind.field(name).is_some_and(|field| field.required && name != "result")
        {
            return Err(missing(kind, name));
        }
        if value.is_null() && name != "result" {
            merged.remove(name);
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    Ok(merged)
}

fn read(kind: Kind, json: &Json, new: bool, left: &mut usize) -> Result<Draft, Fault> {
    *left = left.checked_sub(1).ok_or_else(|| {
        let (zh, en) = (
            format!("一次最多新建 {DEEP_INSERT_MAX} 个"),
            format!("more than {DEEP_INSERT_MAX} at once"),
        );
        bad(zh, en)
    })?;
    let Json::Object(map) = json else {
        return Err(bad(
            format!("{} 应为对象", kind.one()),
            format!("{}: an object is expected", kind.one()),
        ));
    };
    let mut draft = Draft { kind, fields: Map::new(), links: Vec::new() };
    let mut bytes = 0;
    for (name, value) in map {
        if name.contains('@') || name == "id" {
            // The server's own words about it, which clients send back.
            continue;
        }
        if let Some(field) = kind.field(name) {
            if field.read_only || (new && value.is_null() && name != "result") {
                continue;
            }
            let value = checked(kind, name, field.holds, value)?;
            bytes += name.len() + value.to_string().len();
            draft.fields.insert(name.clone(), value);
        } else if let Some(relation) = kind.relation(name) {
            neighbours(relation, value, &mut draft, left)?;
        } else {
            let name = quote(name.as_bytes());
            let (zh, en) = (
                format!("{} 没有 `{name}`", kind.one()),
                format!("{}: there is no `{name}`", kind.one()),
            );
            return Err(bad(zh, en));
        }
    }
    if bytes > ENTITY_LEN_MAX {
        let (zh, en) =
            (format!("超过 {ENTITY_LEN_MAX} 字节"), format!("more than {ENTITY_LEN_MAX} bytes"));
        return Err(bad(zh, en));
    }
    Ok(draft)
}

fn neighbours(
    relation: &'static Relation,
    value: &Json,
    draft: &mut Draft,
    left: &mut usize,
) -> Result<(), Fault> {
    let list = match value {
        Json::Null => return Ok(()),
        Json::Array(list) if relation.many => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    for item in list {
        let link = match item.get("@iot.id").or_else(|| item.get("id")).map(Id::from_json) {
            Some(Some(id)) => Link::Known(id),
            Some(None) => return Err(bad("@iot.id 无效", "@iot.id is no id")),
            None => {
                let new = read(relation.to, item, true, left)?;
                complete(&new, Some(draft.kind))?;
                Link::New(new)
            }
        };
        draft.links.push((relation, link));
    }
    Ok(())
}

/// Goes on when nothing is missing.
fn complete(draft: &Draft, given: Option<Kind>) -> Result<(), Fault> {
    let kind = draft.kind;
    let absent = kind.fields().iter().find(|f| f.required && !draft.fields.contains_key(f.name));
    if let Some(field) = absent {
        return Err(missing(kind, field.name));
    }
    for relation in kind.relations().iter().filter(|relation| relation.required) {
        let there = draft.links.iter().filter(|(known, _)| *known == relation).count();
        let from_address = given == Some(relation.to);
        // The place of its Thing stands in for a feature of interest.
        let made_up = relation.to == Kind::FeatureOfInterest;
        if there == 0 && !from_address && !made_up {
            return Err(missing(kind, relation.name));
        }
    }
    match kind {
        Kind::Observation => {
            let of = |to: Kind| usize::from(draft.links.iter().any(|(way, _)| way.to == to));
            let streams = of(Kind::Datastream) + of(Kind::MultiDatastream);
            let given = matches!(given, Some(Kind::Datastream | Kind::MultiDatastream));
            match (streams, given) {
                (1, _) | (0, true) => Ok(()),
                (0, false) => Err(missing(kind, "Datastream")),
                _ => Err(bad(
                    "观测只属于一个 Datastream 或 MultiDatastream",
                    "an Observation is of one Datastream or MultiDatastream",
                )),
            }
        }
        Kind::MultiDatastream => level(draft, given),
        _ => Ok(()),
    }
}

/// Goes on when a MultiDatastream has as many units and sorts of result as properties.
fn level(draft: &Draft, given: Option<Kind>) -> Result<(), Fault> {
    let len = |name: &str| draft.fields.get(name).and_then(Json::as_array).map_or(0, Vec::len);
    let own = draft.links.iter().filter(|(way, _)| way.to == Kind::ObservedProperty).count();
    let properties = own + usize::from(given == Some(Kind::ObservedProperty));
    let (units, sorts) = (len("unitOfMeasurements"), len("multiObservationDataTypes"));
    if properties > 0 && properties <= COMPONENTS_MAX && units == properties && sorts == properties
    {
        return Ok(());
    }
    let (zh, en) = (
        format!(
            "MultiDatastream 有 {properties} 个 ObservedProperty、{units} 个单位、{sorts} 个结果类型；应同数，且为 1 至 {COMPONENTS_MAX} 个"
        ),
        format!(
            "a MultiDatastream of {properties} properties, {units} units and {sorts} sorts of result: as many of each, 1 to {COMPONENTS_MAX}"
        ),
    );
    Err(bad(zh, en))
}

fn checked(kind: Kind, name: &str, holds: Holds, value: &Json) -> Result<Json, Fault> {
    let wrong = |en: &str, zh: &str| {
        let one = kind.one();
        bad(format!("{one} 的 {name} {zh}"), format!("{one}: {name} {en}"))
    };
    match (holds, value) {
        (_, Json::Null)
        | (Holds::Any, _)
        | (Holds::Object, Json::Object(_))
        | (Holds::List, Json::Array(_)) => Ok(value.clone()),
        (Holds::List, _) => Err(wrong("is a list", "应为数组")),
        (Holds::Text, Json::String(text)) if text.chars().count() <= TEXT_LEN_MAX => {
            Ok(value.clone())
        }
        (Holds::Text, Json::String(_)) => Err(wrong("is too long", "过长")),
        (Holds::Text, _) => Err(wrong("is a text", "应为文本")),
        (Holds::Object, _) => Err(wrong("is an object", "应为对象")),
        (Holds::Time, Json::String(text)) => {
            let time = time_of(text).and_then(|time| time_text(&time));
            time.map(Json::from).ok_or_else(|| wrong("is a time of ISO 8601", "应为 ISO 8601 时间"))
        }
        (Holds::Time, _) => Err(wrong("is a time of ISO 8601", "应为 ISO 8601 时间")),
    }
}

fn time_text(time: &Value) -> Option<String> {
    match time {
        Value::Time(at) => Some(Timestamp(*at).to_rfc3339()),
        Value::Span(from, to) => {
            Some(format!("{}/{}", Timestamp(*from).to_rfc3339(), Timestamp(*to).to_rfc3339()))
        }
        _ => None,
    }
}

/// A document after the steps of a JSON Patch (RFC 6902).
///
/// # Errors
/// [`STA_BODY`] with the number of the step that cannot be done.
pub fn json_patch(mut target: Json, steps: &Json) -> Result<Json, Fault> {
    let Json::Array(steps) = steps else {
        return Err(bad("JSON Patch 应为数组", "a JSON Patch is a list"));
    };
    if steps.len() > DEEP_INSERT_MAX {
        return Err(bad("JSON Patch 步骤过多", "a JSON Patch of too many steps"));
    }
    for (number, step) in (1..).zip(steps) {
        let text = |name: &str| step.get(name).and_then(Json::as_str);
        let value = || step.get("value").cloned();
        let path = text("path");
        let from = |target: &Json| text("from").and_then(|from| target.pointer(from)).cloned();
        let done = path.and_then(|path| match text("op")? {
            "add" => put(&mut target, path, value()?, true),
            "replace" => put(&mut target, path, value()?, false),
            "remove" => take(&mut target, path).map(|_| ()),
            "copy" => from(&target).and_then(|value| put(&mut target, path, value, true)),
            "move" => take(&mut target, text("from")?)
                .and_then(|value| put(&mut target, path, value, true)),
            "test" => (target.pointer(path) == step.get("value")).then_some(()),
            _ => None,
        });
        if done.is_none() || is_deeper(&target, DEPTH_MAX * 3) {
            let (zh, en) = (
                format!("JSON Patch 第 {number} 步无法执行"),
                format!("step {number} of the JSON Patch cannot be done"),
            );
            return Err(bad(zh, en));
        }
    }
    Ok(target)
}

fn put(target: &mut Json, path: &str, value: Json, add: bool) -> Option<()> {
    let (parent, name) = split(path)?;
    match target.pointer_mut(parent)? {
        Json::Object(map) => {
            if !add && !map.contains_key(&name) {
                return None;
            }
            map.insert(name, value);
        }
        Json::Array(list) if add && name == "-" => list.push(value),
        Json::Array(list) => {
            let at: usize = name.parse().ok()?;
            if add && at <= list.len() {
                list.insert(at, value);
            } else {
                *list.get_mut(at)? = value;
            }
        }
        _ => return None,
    }
    Some(())
}

fn take(target: &mut Json, path: &str) -> Option<Json> {
    let (parent, name) = split(path)?;
    match target.pointer_mut(parent)? {
        Json::Object(map) => map.remove(&name),
        Json::Array(list) => {
            let at: usize = name.parse().ok()?;
            (at < list.len()).then(|| list.remove(at))
        }
        _ => None,
    }
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, name) = path.rsplit_once('/')?;
    Some((parent, name.replace("~1", "/").replace("~0", "~")))
}

/// Tables of observations: each row an observation of its Datastream, or why it is none.
///
/// # Errors
/// [`STA_BODY`] when it is no list of tables, or too long a one.
pub fn data_arrays(json: &Json) -> Result<Vec<Result<Draft, Fault>>, Fault> {
    let shape = || {
        bad("应为 dataArray 的数组", "a list of tables with Datastream, components and dataArray")
    };
    let mut observations = Vec::new();
    for table in json.as_array().ok_or_else(shape)? {
        let ways = Kind::Observation.relations().iter();
        let ways = ways.filter(|way| way.to != Kind::FeatureOfInterest);
        let mut of = ways.filter_map(|way| Some((way, table.get(way.name)?)));
        let (way, datastream) = of.next().ok_or_else(shape)?;
        let datastream = datastream.get("@iot.id").and_then(Id::from_json).ok_or_else(shape)?;
        let components = table.get("components").and_then(Json::as_array).ok_or_else(shape)?;
        let components: Option<Vec<&str>> = components.iter().map(Json::as_str).collect();
        let components = components.ok_or_else(shape)?;
        for row in table.get("dataArray").and_then(Json::as_array).ok_or_else(shape)? {
            if observations.len() >= DATA_ARRAY_ROWS_MAX {
                let (zh, en) = (
                    format!("超过 {DATA_ARRAY_ROWS_MAX} 行"),
                    format!("more than {DATA_ARRAY_ROWS_MAX} rows"),
                );
                return Err(bad(zh, en));
            }
            observations.push(observation((way, &datastream), &components, row));
        }
    }
    Ok(observations)
}

fn observation(
    (way, datastream): (&'static Relation, &Id),
    components: &[&str],
    row: &Json,
) -> Result<Draft, Fault> {
    let cells = row.as_array().filter(|cells| cells.len() == components.len());
    let cells =
        cells.ok_or_else(|| bad("行与 components 不符", "a row does not fit its components"))?;
    let mut map = Map::new();
    let mut feature = None;
    for (name, cell) in components.iter().zip(cells) {
        match *name {
            "FeatureOfInterest/id" | "FeatureOfInterest/@iot.id" => feature = Id::from_json(cell),
            name => {
                map.insert(name.to_owned(), cell.clone());
            }
        }
    }
    let mut draft = draft(Kind::Observation, &Json::Object(map), Some(way.to))?;
    draft.links.push((way, Link::Known(datastream.clone())));
    let about = Kind::Observation.way_to(Kind::FeatureOfInterest);
    draft.links.extend(about.zip(feature).map(|(way, id)| (way, Link::Known(id))));
    Ok(draft)
}

/// The entity of a kind that a document refers to: by `@iot.id`, or by its address.
///
/// # Errors
/// [`STA_BODY`] when it names none.
pub fn reference(kind: Kind, json: &Json) -> Result<Id, Fault> {
    let of = |name: &str| json.get(name);
    if let Some(id) = of("@iot.id").or_else(|| of("id")).and_then(Id::from_json) {
        return Ok(id);
    }
    let address = ["@iot.selfLink", "@odata.id", "@id"].into_iter().find_map(of);
    let address = address.and_then(Json::as_str);
    let id = address.and_then(|address| referred_to(kind, address));
    id.ok_or_else(|| bad("缺少 @iot.id", "@iot.id, or the address of an entity, is missing"))
}

/// The entity of a kind that an address, or a mere id, names.
fn referred_to(kind: Kind, text: &str) -> Option<Id> {
    let below = text.rsplit_once("v1.1/").map_or(text, |(_, below)| below);
    match path(below) {
        Ok(Path { steps, tail: Tail::Whole }) => {
            let last = steps.into_iter().next_back().filter(|step| step.kind == kind)?;
            last.id
        }
        _ => id(text),
    }
}

/// The entity of a kind that the query `$id=…` names.
pub fn asked_for(kind: Kind, query: &str) -> Option<Id> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, text) = pairs.find(|(name, _)| name == "$id")?;
    referred_to(kind, &text)
}

fn missing(kind: Kind, name: &str) -> Fault {
    let one = kind.one();
    bad(format!("{one} 缺少 {name}"), format!("{one}: {name} is missing"))
}

fn bad(zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new(0, 1, &STA_BODY, zh, en)
}
