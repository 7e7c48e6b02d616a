//! The device registry as SensorThings sees it: a device is a Thing with its Location, a stream a
//! Datastream, a kind a Sensor and an ObservedProperty, a reading an Observation. Nothing is copied:
//! every entity is made up when it is asked for.
//!
//! Ids say what they stand for. Below [`CITY`] an entity was made by a client and is in the records; from
//! there on it is `CITY` and the number of a device or a stream, or a hash of a kind's name. A reading is
//! its stream and its time in one number, for the first four million streams and until 2059; beyond that
//! in words. Invariant: an id stands for the same as long as the registry does.

use chengmai_engine::Engine;
use chengmai_model::{AreaId, DeviceId, StreamId, Timestamp};
use chengmai_wire::sensorthings::{Entity, Id, Kind, Relation};
use serde_json::{Value as Json, json};

use crate::city::City;
use crate::city::registry::{Device, Registry};

/// The first id that is not of the records.
pub(super) const CITY: i64 = 1 << 41;
/// No reading is older: what is, is refused at the edge.
const READINGS_FROM: i64 = 631_152_000_000;
/// Bits of an id that are a reading's time.
const TIME_BITS: u32 = 41;
/// Streams whose readings have a number for an id: as many as fit above the time in 63 bits.
const NUMBERED_STREAMS: u32 = (1 << 22) - 1;
/// Devices of an area that are put in order at once; of larger areas all devices are looked over.
const LISTED_MAX: usize = 20_000;
/// Devices or streams looked over at once.
const LOOKED_OVER_MAX: u32 = 2_000_000;
/// Names of devices behind Datastreams that clients made begin with this; the Datastream's id follows.
const BACKING: &str = "sta:";
/// The same of MultiDatastreams: a stream of such a device has one part of each result.
const BACKING_MANY: &str = "sta:m";
/// What a number measured is called.
pub(super) const MEASUREMENT: &str =
    "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement";
/// How places are written.
pub(super) const GEOJSON: &str = "application/geo+json";
/// Under which name an entity tells the kind its readings are of.
pub(super) const KIND: &str = "@chengmai.kind";
/// The same of a MultiDatastream: a list, with null for parts of no kind.
pub(super) const KINDS: &str = "@chengmai.kinds";
/// What several numbers measured at once are called.
pub(super) const COMPLEX: &str =
    "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation";

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Stored(i64),
    Device(DeviceId),
    Stream(StreamId),
    /// Index of a kind.
    Kind(u16),
    Reading(StreamId, Timestamp),
}

/// What an id of a kind stands for; none when for nothing.
pub(super) fn key(registry: &Registry, kind: Kind, id: &Id) -> Option<Key> {
    if let Id::Number(number) = id
        && *number < CITY
    {
        return (*number > 0).then_some(Key::Stored(*number));
    }
    if kind == Kind::Observation {
        let (stream, at) = reading_of(id)?;
        registry.kind_of(stream.0)?;
        let is_part = has_parts(registry.device(registry.stream(stream).device));
        return (!is_part).then_some(Key::Reading(stream, at));
    }
    let Id::Number(number) = *id else { return None };
    let dense = u32::try_from(number - CITY).ok();
    match kind {
        Kind::MultiDatastream => None,
        Kind::Sensor | Kind::ObservedProperty => {
            let known = registry.kinds().iter().position(|kind| hashed(&kind.name) == number)?;
            u16::try_from(known).ok().map(Key::Kind)
        }
        Kind::Datastream => {
            let stream = dense.filter(|&stream| registry.kind_of(stream).is_some())?;
            Some(Key::Stream(StreamId(stream)))
        }
        _ => {
            let device = dense.filter(|&device| (device as usize) < registry.device_count())?;
            Some(Key::Device(DeviceId(device)))
        }
    }
}

/// The id that stands for it.
pub(super) fn id(registry: &Registry, key: Key) -> Id {
    match key {
        Key::Stored(id) => Id::Number(id),
        Key::Device(device) => Id::Number(CITY + i64::from(device.0)),
        Key::Stream(stream) => Id::Number(CITY + i64::from(stream.0)),
        Key::Kind(kind) => Id::Number(hashed(&registry.kind(kind).name)),
        Key::Reading(stream, at) => reading_id(stream, at),
    }
}

fn reading_id(stream: StreamId, at: Timestamp) -> Id {
    let time = at.0 - READINGS_FROM;
    if stream.0 < NUMBERED_STREAMS && (0..CITY).contains(&time) {
        Id::Number((i64::from(stream.0) + 1) << TIME_BITS | time)
    } else {
        Id::Text(format!("{}-{}", stream.0, at.0))
    }
}

fn reading_of(id: &Id) -> Option<(StreamId, Timestamp)> {
    let (stream, at) = match id {
        Id::Number(number) => {
            let stream = u32::try_from((number >> TIME_BITS) - 1).ok()?;
            (stream, READINGS_FROM + (number & (CITY - 1)))
        }
        Id::Text(text) => {
            let (stream, at) = text.split_once('-')?;
            (stream.parse().ok()?, at.parse().ok()?)
        }
    };
    let (stream, at) = (StreamId(stream), Timestamp(at));
    // A reading has one id and no second one.
    (reading_id(stream, at) == *id).then_some((stream, at))
}

/// Kinds are numbered anew with every start, so the name is what stays.
fn hashed(name: &str) -> i64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    CITY + (hash >> 24).cast_signed()
}

/// Name of the device behind a client's Datastream.
pub(super) fn backing_name(datastream: i64) -> String {
    format!("{BACKING}{datastream}")
}

/// The Datastream that a device stands behind, if a client made it.
pub(super) fn backed(device: Device<'_>) -> Option<i64> {
    device.name().strip_prefix(BACKING)?.parse().ok()
}

/// Whether a device stands behind something that a client made.
pub(super) fn is_backing(device: Device<'_>) -> bool {
    device.name().starts_with(BACKING)
}

/// Whether a device has the parts of what is observed at once: those are no Observations of their own.
pub(super) fn has_parts(device: Device<'_>) -> bool {
    device.name().starts_with(BACKING_MANY)
}

/// Name of the device behind a client's MultiDatastream.
pub(super) fn parts_name(multi: i64) -> String {
    format!("{BACKING_MANY}{multi}")
}

/// The stream behind a part of a client's MultiDatastream.
pub(super) fn part_stream(registry: &Registry, multi: i64, kind: u16) -> Option<StreamId> {
    registry.stream_of(registry.find(&parts_name(multi))?, kind)
}

/// The stream behind a client's Datastream.
pub(super) fn backing_stream(registry: &Registry, datastream: i64) -> Option<StreamId> {
    registry.device(registry.find(&backing_name(datastream))?).streams().next()
}

/// An entity of the registry. Of a reading only time and value: whoever asks has them.
pub(super) fn entity(city: &City, registry: &Registry, kind: Kind, key: Key) -> Option<Entity> {
    let entity = Entity::new(kind, id(registry, key));
    Some(match (kind, key) {
        (Kind::Thing, Key::Device(id)) => {
            let device = registry.device(id);
            let properties = json!({
                "area": device.code().as_str(),
                "agency": device.agency(),
                "registered_at": device.registered_at().to_rfc3339(),
                "simulated": device.simulated(),
            });
            named(entity, device).with("properties", properties)
        }
        (Kind::Location, Key::Device(id)) => {
            let device = registry.device(id);
            let point = point(device.position()?);
            named(entity, device).with("encodingType", GEOJSON).with("location", point)
        }
        (Kind::HistoricalLocation, Key::Device(id)) => {
            registry.device(id).position()?;
            entity.with("time", registry.device(id).registered_at().to_rfc3339())
        }
        (Kind::FeatureOfInterest, Key::Device(id)) => {
            let device = registry.device(id);
            let nowhere = || json!({"type": "Feature", "geometry": null, "properties": {"area": device.code().as_str()}});
            let feature = device.position().map_or_else(nowhere, point);
            named(entity, device).with("encodingType", GEOJSON).with("feature", feature)
        }
        (Kind::Datastream, Key::Stream(stream)) => {
            let found = registry.stream(stream);
            let kind = registry.kind(found.kind);
            let name = format!("{}/{}", registry.device(found.device).name(), kind.name);
            let unit = json!({"name": &*kind.unit, "symbol": &*kind.unit, "definition": ""});
            entity
                .with("name", name)
                .with("description", described(city, &kind.name))
                .with("unitOfMeasurement", unit)
                .with("observationType", MEASUREMENT)
                .with(KIND, &*kind.name)
        }
        (Kind::Sensor, Key::Kind(index)) => {
            let kind = registry.kind(index);
            entity
                .with("name", &*kind.name)
                .with("description", described(city, &kind.name))
                .with("encodingType", "text/plain")
                .with("metadata", format!("devices of the kind {}", kind.name))
        }
        (Kind::ObservedProperty, Key::Kind(index)) => {
            let kind = registry.kind(index);
            let range = kind.declared.then_some(kind.range);
            entity
                .with("name", &*kind.name)
                .with("definition", definition(&kind.name))
                .with("description", described(city, &kind.name))
                .with("properties", json!({"unit": &*kind.unit, "range": range}))
        }
        _ => return None,
    })
}

/// What an ObservedProperty says it is when it means a kind of ours.
pub(super) fn definition(kind: &str) -> String {
    format!("urn:chengmai:kind:{kind}")
}

fn named(entity: Entity, device: Device<'_>) -> Entity {
    entity.with("name", device.name()).with("description", device.title().unwrap_or_default())
}

fn described(city: &City, kind: &str) -> String {
    let name = city.kind_name(kind);
    if name.zh == name.en { name.en } else { format!("{} / {}", name.zh, name.en) }
}

pub(super) fn point(position: [f64; 2]) -> Json {
    json!({"type": "Point", "coordinates": position})
}

/// A reading as an Observation.
pub(super) fn reading(stream: StreamId, at: Timestamp, value: f64) -> Entity {
    let time = at.to_rfc3339();
    Entity::new(Kind::Observation, reading_id(stream, at))
        .with("phenomenonTime", time.as_str())
        .with("resultTime", time)
        .with("result", value)
}

/// The newest reading of a stream.
pub(super) fn latest(engine: &Engine, stream: StreamId) -> Option<Entity> {
    engine.stream(stream).last.map(|(at, value)| reading(stream, at, value))
}

/// Where an entity of the registry lies; none where it lies nowhere, as a kind.
pub(super) fn area(registry: &Registry, key: Key) -> Option<AreaId> {
    match key {
        Key::Device(device) => Some(registry.device(device).area()),
        Key::Stream(stream) | Key::Reading(stream, _) => Some(registry.stream_area(stream)),
        Key::Stored(_) | Key::Kind(_) => None,
    }
}

/// Neighbours that the registry knows and that are few. None of a client's Datastream is among them.
pub(super) fn related(registry: &Registry, of: Key, relation: &Relation) -> Vec<Key> {
    match (of, relation.to) {
        (Key::Device(id), Kind::Thing) => vec![Key::Device(id)],
        (Key::Device(id), Kind::Location | Kind::HistoricalLocation) => {
            registry.device(id).position().map(|_| Key::Device(id)).into_iter().collect()
        }
        (Key::Device(id), Kind::Datastream) => {
            registry.device(id).streams().map(Key::Stream).collect()
        }
        (Key::Stream(stream), Kind::Thing) => vec![Key::Device(registry.stream(stream).device)],
        (Key::Stream(stream), Kind::Sensor | Kind::ObservedProperty) => {
            vec![Key::Kind(registry.stream(stream).kind)]
        }
        (Key::Reading(stream, _), Kind::Datastream) => {
            let device = registry.device(registry.stream(stream).device);
            vec![backed(device).map_or(Key::Stream(stream), Key::Stored)]
        }
        (Key::Reading(stream, _), Kind::FeatureOfInterest) => {
            vec![Key::Device(registry.stream(stream).device)]
        }
        _ => Vec::new(),
    }
}

/// Numbers in rising order, as far as was looked, and where to look on.
pub(in crate::api) type Found = (Vec<u32>, Option<u32>);

/// The next devices of an area from a number on. In a small area its own are put in order, in a large one
/// those that are passed over are few.
pub(in crate::api) fn devices(registry: &Registry, scope: AreaId, from: u32, most: usize) -> Found {
    let count = u32::try_from(registry.device_count()).unwrap_or(u32::MAX);
    if let Some(ids) = few(registry, scope) {
        return cut(ids.into_iter().filter(|&id| id >= from).collect(), most);
    }
    let inside = |id: u32| registry.areas().contains(scope, registry.device(DeviceId(id)).area());
    look_over(from, count, most, inside)
}

/// The next streams of an area from a number on, of a kind.
pub(super) fn streams(
    registry: &Registry,
    scope: AreaId,
    kind: Option<u16>,
    from: u32,
    most: usize,
) -> Found {
    let count = u32::try_from(registry.stream_count()).unwrap_or(u32::MAX);
    let fits = |id: u32| kind.is_none_or(|kind| registry.kind_of(id) == Some(kind));
    if let Some(ids) = few(registry, scope) {
        let all = ids.into_iter().flat_map(|id| registry.device(DeviceId(id)).streams());
        let all = all.map(|stream| stream.0);
        return cut(all.filter(|&id| id >= from && fits(id)).collect(), most);
    }
    let inside =
        |id| fits(id) && registry.areas().contains(scope, registry.stream_area(StreamId(id)));
    look_over(from, count, most, inside)
}

/// All devices of an area, if they are few.
fn few(registry: &Registry, scope: AreaId) -> Option<Vec<u32>> {
    if scope == AreaId::ROOT && registry.device_count() > LISTED_MAX {
        return None;
    }
    let ids: Vec<u32> = registry.devices(scope).take(LISTED_MAX + 1).map(|(id, _)| id.0).collect();
    (ids.len() <= LISTED_MAX).then_some(ids)
}

fn cut(mut ids: Vec<u32>, most: usize) -> Found {
    ids.sort_unstable();
    let resume = ids.get(most).copied();
    ids.truncate(most);
    (ids, resume)
}

fn look_over(from: u32, count: u32, most: usize, inside: impl Fn(u32) -> bool) -> Found {
    let end = count.min(from.saturating_add(LOOKED_OVER_MAX));
    let mut found = Vec::new();
    for id in from..end {
        if inside(id) {
            if found.len() == most {
                return (found, Some(id));
            }
            found.push(id);
        }
    }
    (found, (end < count).then_some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_reading_leads_back_to_it_and_to_nothing_else() {
        for stream in [0, 7, NUMBERED_STREAMS - 1, NUMBERED_STREAMS, u32::MAX] {
            for at in [READINGS_FROM, 1_790_000_000_123, READINGS_FROM + CITY - 1] {
                let id = reading_id(StreamId(stream), Timestamp(at));
                assert_eq!(reading_of(&id), Some((StreamId(stream), Timestamp(at))), "{id}");
                assert_eq!(matches!(id, Id::Number(_)), stream < NUMBERED_STREAMS, "{id}");
            }
        }
        assert_eq!(
            reading_id(StreamId(NUMBERED_STREAMS - 1), Timestamp(READINGS_FROM + CITY - 1)),
            Id::Number(i64::MAX)
        );
        for id in [Id::Text("7-1790000000123".into()), Id::Text("x".into()), Id::Number(5)] {
            assert_eq!(reading_of(&id), None, "{id}");
        }
    }
}
