//! Entities as documents, with the addresses by which one goes on.

use form_urlencoded::Serializer;
use serde_json::{Map, Value as Json, json};

use super::{Collection, Entity, Id, Kind, Linked, Next, Options};

/// The parts of the standard that are served, as the root document lists them.
const CONFORMANCE: [&str; 7] = [
    "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/resource-path/resource-path-to-entities",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-update-delete",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/batch-request/batch-request",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/multi-datastream",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/data-array/data-array",
];

/// The parts that are served over MQTT.
const OVER_MQTT: [&str; 2] = [
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-observations-via-mqtt/observations-creation",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/receive-updates-via-mqtt/receive-updates",
];

/// What stands at the root: all sets, and what is served of the standard. `endpoints` are the addresses
/// where MQTT is spoken.
pub fn root(base: &str, endpoints: &[String]) -> Json {
    let sets =
        Kind::ALL.map(|kind| json!({"name": kind.set(), "url": format!("{base}/{}", kind.set())}));
    let over_mqtt = OVER_MQTT.iter().filter(|_| !endpoints.is_empty());
    let served: Vec<&&str> = CONFORMANCE.iter().chain(over_mqtt.clone()).collect();
    let mut settings = Map::from_iter([("conformance".to_owned(), json!(served))]);
    settings.extend(over_mqtt.map(|part| ((*part).to_owned(), json!({"endpoints": endpoints}))));
    json!({"value": sets, "serverSettings": settings})
}

/// Address of an entity.
pub fn self_link(base: &str, kind: Kind, id: &Id) -> String {
    format!("{base}/{}({id})", kind.set())
}

/// Where an entity is, and nothing else.
pub fn link(base: &str, entity: &Entity) -> Json {
    json!({"@iot.selfLink": self_link(base, entity.kind, &entity.id)})
}

/// Address of the page that follows.
pub fn next_link(address: &str, written: &[(String, String)], next: &Next) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in written {
        if !matches!(name.as_str(), "$skip" | "$skiptoken") {
            query.append_pair(name, value);
        }
    }
    match next {
        Next::Skip(rows) => query.append_pair("$skip", &rows.to_string()),
        Next::Token(token) => query.append_pair("$skiptoken", token),
    };
    format!("{address}?{}", query.finish().replace("%24", "$"))
}

/// An entity with what was selected of it and the neighbours that were asked for.
pub fn entity(entity: &Entity, base: &str, options: &Options) -> Json {
    let here = self_link(base, entity.kind, &entity.id);
    let wanted = |name: &str| match &options.select {
        None => true,
        Some(names) => names.iter().any(|known| known == name || known == "*"),
    };
    let mut map = Map::new();
    if wanted("@iot.id") || (options.select.is_some() && wanted("id")) {
        map.insert("@iot.id".to_owned(), entity.id.to_json());
    }
    if wanted("@iot.selfLink") {
        map.insert("@iot.selfLink".to_owned(), here.as_str().into());
    }
    for (name, value) in &entity.fields {
        if wanted(name) {
            map.insert(name.clone(), value.clone());
        } else if let Some(part) = part(options, name, value) {
            map.insert(name.clone(), part);
        }
    }
    for relation in entity.kind.relations() {
        let expanded = options.expand.iter().find(|expand| expand.relation == relation);
        match (expanded, entity.links.get(relation.name)) {
            (Some(expand), Some(linked)) => {
                let address = format!("{here}/{}", relation.name);
                neighbours(&mut map, relation.name, &address, linked, base, &expand.options);
            }
            _ if wanted(relation.name) => {
                let name = format!("{}@iot.navigationLink", relation.name);
                map.insert(name, format!("{here}/{}", relation.name).into());
            }
            _ => {}
        }
    }
    Json::Object(map)
}

/// The parts `properties/a` of a field that were selected.
fn part(options: &Options, field: &str, value: &Json) -> Option<Json> {
    let mut parts = Map::new();
    for name in options.select.iter().flatten() {
        let Some(("", name)) = name.strip_prefix(field).and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let found = name.split('/').try_fold(value, |value, name| value.get(name));
        if let Some(found) = found {
            parts.insert(name.to_owned(), found.clone());
        }
    }
    (!parts.is_empty()).then_some(Json::Object(parts))
}

fn neighbours(
    map: &mut Map<String, Json>,
    name: &str,
    address: &str,
    linked: &Linked,
    base: &str,
    options: &Options,
) {
    let value = match linked {
        Linked::One(one) => one.as_ref().map_or(Json::Null, |one| entity(one, base, options)),
        Linked::Many(many) => {
            if let Some(count) = many.count {
                map.insert(format!("{name}@iot.count"), count.into());
            }
            if let Some(next) = &many.next {
                let link = next_link(address, &options.written, next);
                map.insert(format!("{name}@iot.nextLink"), link.into());
            }
            many.entities.iter().map(|one| entity(one, base, options)).collect()
        }
    };
    map.insert(name.to_owned(), value);
}

/// A page of a set.
pub fn collection(page: &Collection, address: &str, base: &str, options: &Options) -> Json {
    let mut map = Map::new();
    if let Some(count) = page.count {
        map.insert("@iot.count".to_owned(), count.into());
    }
    if let Some(next) = &page.next {
        let link = next_link(address, &options.written, next);
        map.insert("@iot.nextLink".to_owned(), link.into());
    }
    let value = if options.data_array {
        tables(page, base, options)
    } else {
        page.entities.iter().map(|one| entity(one, base, options)).collect()
    };
    map.insert("value".to_owned(), value);
    Json::Object(map)
}

/// Observations as one table for each Datastream or MultiDatastream, in the order in which those first occur.
fn tables(page: &Collection, base: &str, options: &Options) -> Json {
    let all = [
        "id",
        "phenomenonTime",
        "result",
        "resultTime",
        "resultQuality",
        "validTime",
        "parameters",
    ];
    let selected = |name: &&str| match &options.select {
        None => true,
        Some(names) => names.iter().any(|known| known.trim_start_matches("@iot.") == *name),
    };
    let components: Vec<&str> = all.into_iter().filter(selected).collect();
    let mut tables: Vec<(&Entity, Vec<Json>)> = Vec::new();
    for one in &page.entities {
        let of = ["Datastream", "MultiDatastream"].into_iter().find_map(|way| {
            match one.links.get(way) {
                Some(Linked::One(Some(of))) => Some(&**of),
                _ => None,
            }
        });
        let Some(datastream) = of else { continue };
        let cell = |name: &&str| match *name {
            "id" => one.id.to_json(),
            name => one.fields.get(name).cloned().unwrap_or_default(),
        };
        let row = Json::Array(components.iter().map(cell).collect());
        match tables.iter_mut().find(|(of, _)| of.id == datastream.id) {
            Some((_, rows)) => rows.push(row),
            None => tables.push((datastream, vec![row])),
        }
    }
    let table = |(of, rows): (&Entity, Vec<Json>)| {
        json!({
            (format!("{}@iot.navigationLink", of.kind.one())): self_link(base, of.kind, &of.id),
            "components": components,
            "dataArray@iot.count": rows.len(),
            "dataArray": rows,
        })
    };
    tables.into_iter().map(table).collect()
}
