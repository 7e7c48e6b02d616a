//! The city as entities: a device with its newest readings, an area, a warning, a case. Nothing is copied:
//! every entity is made up when it is asked for.
//!
//! Ids: `urn:ngsi-ld:Device:` and the device's name, escaped as in addresses; a device whose name is a URN has
//! that for its id. Areas, warnings and cases have theirs behind their type. Invariant: an id means one thing.

use std::borrow::Cow;
use std::fmt::Write as _;

use chengmai_engine::Engine;
use chengmai_model::{DeviceId, StreamId};
use chengmai_wire::features::{self, Crs, Feature};
use chengmai_wire::ngsi_ld::{Attribute, Context, DEFAULT_VOCABULARY, Entity, Kind, NAMESPACE};
use serde_json::{Value as Json, json};

use crate::api::devices::status;
use crate::api::features::Layer;
use crate::city::registry::{KindEntry, Registry};

/// What ids of devices begin with.
const DEVICE: &str = "urn:ngsi-ld:Device:";
/// What ids of areas begin with.
pub(super) const AREA: &str = "urn:ngsi-ld:AdministrativeArea:";
/// What an attribute says it is when it means a kind of ours.
const KIND: &str = "urn:chengmai:kind:";
/// Where the names of the Smart Data Models live: the last part of one means the kind of that name.
const MODELS: [&str; 3] = [
    concat!("https:", "//smartdatamodels.org/"),
    concat!("https:", "//uri.fiware.org/ns/data-models#"),
    concat!("https:", "//uri.fiware.org/ns/dataModels#"),
];
/// Units by UN/CEFACT's codes (recommendation 20), as the packs write them.
const UNITS: [(&str, &str); 13] = [
    ("CEL", "Cel"),
    ("GQ", "ug/m3"),
    ("GP", "mg/m3"),
    ("M1", "mg/L"),
    ("KPA", "kPa"),
    ("MPA", "MPa"),
    ("MQH", "m3/h"),
    ("P1", "%"),
    ("CMT", "cm"),
    ("MTR", "m"),
    ("H67", "mm/h"),
    ("AMP", "A"),
    ("DD", "deg"),
];
/// More codes for the same.
const UNIT_ALIASES: [(&str, &str); 1] = [("2N", "dB")];

/// What an id may mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant<'t> {
    /// A layer's thing.
    Of(Layer, &'t str),
    /// A device of this name, or what a client made.
    Device(String),
}

/// Layers beside the devices: the type of their entities, and what its ids begin with.
pub(super) const LAYERS: [(Layer, &str, &str); 3] = [
    (Layer::Areas, "AdministrativeArea", AREA),
    (Layer::Warnings, "Alert", "urn:ngsi-ld:Alert:"),
    (Layer::Cases, "Case", "urn:ngsi-ld:Case:"),
];

/// What an id means.
pub(super) fn meant(id: &str) -> Meant<'_> {
    for (layer, _, prefix) in LAYERS {
        if let Some(own) = id.strip_prefix(prefix) {
            return Meant::Of(layer, own);
        }
    }
    let name = id.strip_prefix(DEVICE).map_or_else(|| id.to_owned(), unescaped);
    Meant::Device(name)
}

/// The id of a device.
pub(super) fn device_id(name: &str) -> String {
    if name.starts_with("urn:") && !name.starts_with(DEVICE) {
        return name.to_owned();
    }
    let mut id = String::from(DEVICE);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@!$*+".contains(&byte) {
            id.push(char::from(byte));
        } else {
            let _ = write!(id, "%{byte:02X}");
        }
    }
    id
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let escaped = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        plain.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

/// The whole name of a type or attribute of ours.
pub(super) fn whole(name: &str) -> String {
    Context::default().expand(name)
}

/// The kind of reading that an attribute means: a declared one by that name.
pub(super) fn kind_of(registry: &Registry, attribute: &str) -> Option<u16> {
    let own =
        [DEFAULT_VOCABULARY, KIND].into_iter().find_map(|space| attribute.strip_prefix(space));
    let model = || MODELS.iter().find_map(|space| attribute.strip_prefix(space));
    let word = own.or_else(|| model().and_then(|rest| rest.rsplit('/').next()))?;
    registry.kind_index(word)
}

/// A unit as the packs write it, of a code or of the unit itself.
pub(super) fn unit_of(code: &str) -> Cow<'_, str> {
    let known = UNITS.iter().chain(&UNIT_ALIASES).find(|(known, _)| *known == code);
    known.map_or(Cow::Borrowed(code), |(_, unit)| Cow::Borrowed(*unit))
}

/// Whether readings of a kind may be given in a unit.
pub(super) fn fits_unit(kind: &KindEntry, code: &str) -> bool {
    let unit = unit_of(code);
    [code, unit.as_ref()]
        .iter()
        .any(|unit| **unit == *kind.unit || kind.unit_aliases.iter().any(|alias| alias == unit))
}

/// Says a unit: by its code, or in words where it has none.
fn with_unit(mut attribute: Attribute, unit: &str) -> Attribute {
    let code = UNITS.iter().chain(&UNIT_ALIASES).find(|(_, known)| *known == unit);
    match code {
        Some((code, _)) => attribute.unit_code = Some((*code).to_owned()),
        None if unit.is_empty() => {}
        None => {
            attribute.more.insert(whole("unitText"), vec![Attribute::property(unit)]);
        }
    }
    attribute
}

/// The newest reading of a stream as an attribute.
pub(super) fn reading(registry: &Registry, engine: &Engine, stream: StreamId) -> Option<Attribute> {
    let (at, value) = engine.stream(stream).last?;
    let kind = registry.kind(registry.stream(stream).kind);
    let mut attribute = with_unit(Attribute::property(value), &kind.unit);
    attribute.observed_at = Some(at);
    Some(attribute)
}

/// The code under which the unit of a kind is said.
pub(super) fn code_of(unit: &str) -> Option<String> {
    let known = UNITS.iter().chain(&UNIT_ALIASES).find(|(_, known)| *known == unit);
    known.map(|(code, _)| (*code).to_owned())
}

/// A place as an attribute.
pub(super) fn point(position: [f64; 2]) -> Attribute {
    Attribute::new(Kind::GeoProperty, json!({"type": "Point", "coordinates": position}))
}

/// Attributes of a device that follow from others, or from readings, and are nobody's to write.
pub(super) const FOLLOWING: [&str; 6] =
    ["controlledProperty", "deviceState", "severity", "agency", "simulated", "periodMs"];

/// A device with everything that the registry and its readings say.
pub(super) fn device(registry: &Registry, engine: &Engine, id: DeviceId) -> Entity {
    let device = registry.device(id);
    let mut entity = Entity {
        id: device_id(device.name()),
        types: vec![whole("Device")],
        created_at: Some(device.registered_at()),
        modified_at: Some(device.registered_at()),
        ..Entity::default()
    };
    let mut kinds = Vec::new();
    let mut severity = 0;
    for stream in device.streams() {
        let kind = &registry.kind(registry.stream(stream).kind).name;
        kinds.push(kind.to_string());
        severity = severity.max(engine.stream(stream).severity);
        if let Some(reading) = reading(registry, engine, stream) {
            entity.modified_at = entity.modified_at.max(reading.observed_at);
            entity.attributes.insert(whole(kind), vec![reading]);
        }
    }
    let mut add = |name: &str, value: Json| {
        entity.attributes.insert(whole(name), vec![Attribute::property(value)]);
    };
    add("controlledProperty", json!(kinds));
    add("deviceState", json!(status(engine, device).0));
    add("severity", json!(severity));
    add("simulated", json!(device.simulated()));
    if device.period_ms() > 0 {
        add("periodMs", json!(device.period_ms()));
    }
    if let Some(title) = device.title() {
        add("name", json!(title));
    }
    if let Some(agency) = device.agency() {
        add("agency", json!(agency));
    }
    let area = Attribute::relationship(format!("{AREA}{}", device.code().as_str()));
    entity.attributes.insert(whole("area"), vec![area]);
    if let Some(position) = device.position() {
        entity.attributes.insert(format!("{NAMESPACE}location"), vec![point(position)]);
    }
    entity
}

/// An area as an entity.
pub(super) fn area(feature: &Feature) -> Entity {
    of_feature(LAYERS[0], feature)
}

/// A thing of a layer as an entity.
pub(super) fn of_feature((_, kind, prefix): (Layer, &str, &str), feature: &Feature) -> Entity {
    let mut entity = Entity {
        id: format!("{prefix}{}", feature.id),
        types: vec![whole(kind)],
        ..Entity::default()
    };
    let text = |name: &str| feature.properties.get(name).and_then(Json::as_str);
    let time = |name: &str| text(name).and_then(chengmai_model::Timestamp::parse_rfc3339);
    entity.created_at = ["raised_at", "filed_at"].into_iter().find_map(time);
    entity.modified_at = time("changed_at").or(entity.created_at);
    for (name, value) in &feature.properties {
        let attribute = match (name.as_str(), value) {
            (_, Json::Null) | ("unit", _) => continue,
            ("area" | "parent", Json::String(code)) => {
                Attribute::relationship(format!("{AREA}{code}"))
            }
            ("case", Json::String(id)) => Attribute::relationship(format!("urn:ngsi-ld:Case:{id}")),
            ("value", value) => {
                with_unit(Attribute::property(value.clone()), text("unit").unwrap_or(""))
            }
            _ => Attribute::property(value.clone()),
        };
        // The standard has a word of this name.
        let name = match name.as_str() {
            "type" => "caseType",
            "type_name" => "caseTypeName",
            "type_name_en" => "caseTypeNameEn",
            other => other,
        };
        entity.attributes.insert(whole(name), vec![attribute]);
    }
    if feature.position.is_some() {
        let place = features::feature(feature, &[], Crs::default())["geometry"].take();
        let place = Attribute::new(Kind::GeoProperty, place);
        entity.attributes.insert(format!("{NAMESPACE}location"), vec![place]);
    }
    entity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_device_leads_back_to_its_name() {
        for (name, id) in [
            ("m1", "urn:ngsi-ld:Device:m1"),
            ("甲 1%", "urn:ngsi-ld:Device:%E7%94%B2%201%25"),
            ("sta:12", "urn:ngsi-ld:Device:sta:12"),
            ("urn:ngsi-ld:AirQualityObserved:a", "urn:ngsi-ld:AirQualityObserved:a"),
        ] {
            assert_eq!(device_id(name), id);
            assert_eq!(meant(id), Meant::Device(name.to_owned()));
            assert!(chengmai_wire::ngsi_ld::is_uri(id), "{id}");
        }
        assert_eq!(meant("urn:ngsi-ld:Alert:W-1"), Meant::Of(Layer::Warnings, "W-1"));
    }

    #[test]
    fn a_unit_has_one_code_and_comes_back_by_it() {
        for (code, unit) in UNITS.iter().chain(&UNIT_ALIASES) {
            assert_eq!(unit_of(code), *unit);
            assert_eq!(code_of(unit).as_deref(), Some(*code));
        }
        assert_eq!((unit_of("%LEL").as_ref(), code_of("%LEL")), ("%LEL", None));
    }
}
