//! Devices as features, in the order of their registration. What is said of readings is said of a device's
//! first stream; a device with several is found by any of its kinds.

use std::sync::Arc;

use chengmai_engine::Engine;
use chengmai_model::{AreaId, DeviceId, Timestamp};
use chengmai_wire::cql2::{self, Fields, Kind, Place, Queryable, Value};
use chengmai_wire::features::{CollectionQuery, Feature, Interval, Position};
use serde_json::json;

use super::{Found, looked_at_max, object, property, words};
use crate::api::devices::status;
use crate::city::registry::{Device, Registry};
use crate::city::{City, blocking};
use crate::http::problem::{Answer, Problem};

/// Most devices looked at for one answer.
const LOOKED_AT_MAX: usize = 2_000_000;
/// Up to so many devices of an area are listed and sorted; of more, all numbers are walked.
const LISTED_MAX: usize = 100_000;

pub(super) fn queryables() -> Vec<Queryable> {
    vec![
        property("name", Kind::Text, "名称", "name"),
        property("area", Kind::Text, "区划代码", "area code"),
        property("agency", Kind::Text, "责任单位", "agency"),
        property("kind", Kind::Text, "读数类型", "kind of its first stream"),
        property("kinds", Kind::Text, "全部读数类型", "kinds of all its streams, with commas"),
        property("value", Kind::Number, "最新读数", "newest reading"),
        property("at", Kind::Time, "读数时间", "time of the newest reading"),
        property("severity", Kind::Integer, "报警级别", "worst alarm that stands, 0 to 4"),
        words("status", "健康", "health", &["online", "offline", "fault", "never"]),
        property("period_ms", Kind::Integer, "上报周期", "milliseconds between readings"),
        property("registered_at", Kind::Time, "登记时间", "when it was registered"),
        property("simulated", Kind::Boolean, "模拟", "simulated"),
    ]
}

/// One device, looked at while registry and engine are held.
struct One<'a> {
    city: &'a City,
    registry: &'a Registry,
    engine: &'a Engine,
    device: Device<'a>,
    position: Option<[f64; 2]>,
}

impl One<'_> {
    fn kinds(&self) -> Vec<&str> {
        let kind = |stream| &*self.registry.kind(self.registry.stream(stream).kind).name;
        self.device.streams().map(kind).collect()
    }

    fn newest(&self) -> Option<(Timestamp, f64)> {
        self.engine.stream(self.device.streams().next()?).last
    }

    fn severity(&self) -> u8 {
        self.device.streams().map(|s| self.engine.stream(s).severity).max().unwrap_or(0)
    }

    fn feature(&self) -> Feature {
        let (device, newest) = (self.device, self.newest());
        let (status, fault) = status(self.engine, device);
        let kinds = self.kinds();
        let first = device
            .streams()
            .next()
            .map(|stream| self.registry.kind(self.registry.stream(stream).kind));
        let properties = object(json!({
            "name": device.title(),
            "area": device.code().as_str(),
            "area_name": self.city.areas.get(device.area()).row.name,
            "agency": device.agency(),
            "kind": first.map(|kind| &*kind.name),
            "kinds": kinds.join(","),
            "value": newest.map(|(_, value)| value),
            "unit": first.map(|kind| &*kind.unit),
            "at": newest.map(|(at, _)| at.to_rfc3339()),
            "severity": self.severity(),
            "status": status,
            "fault": fault,
            "period_ms": device.period_ms(),
            "registered_at": device.registered_at().to_rfc3339(),
            "simulated": device.simulated(),
        }));
        let position = self.position.map(Position::Point);
        Feature { id: device.name().to_owned(), position, properties }
    }

    fn fits(&self, query: &CollectionQuery) -> bool {
        let since = || Interval { from: Some(self.device.registered_at()), to: None };
        query
            .bbox
            .as_ref()
            .is_none_or(|bbox| self.position.is_some_and(|at| bbox.intersects(Place::Point(at))))
            && query.datetime.is_none_or(|asked| asked.meets(since()))
            && query.filter.as_ref().is_none_or(|filter| cql2::holds(filter, self))
    }
}

impl Fields for One<'_> {
    fn value(&self, property: &str) -> Option<Value<'_>> {
        let text = |text: &'_ str| Some(Value::Text(text.to_owned().into()));
        match property {
            "name" => text(self.device.title()?),
            "area" => text(self.device.code().as_str()),
            "agency" => text(self.device.agency()?),
            "kind" => text(self.kinds().first()?),
            "kinds" => text(&self.kinds().join(",")),
            "value" => self.newest().map(|(_, value)| Value::Number(value)),
            "at" => self.newest().map(|(at, _)| Value::Time(at)),
            "severity" => Some(Value::Number(f64::from(self.severity()))),
            "status" => text(status(self.engine, self.device).0),
            "period_ms" => Some(Value::Number(f64::from(self.device.period_ms()))),
            "registered_at" => Some(Value::Time(self.device.registered_at())),
            "simulated" => Some(Value::Boolean(self.device.simulated())),
            _ => None,
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        self.position.map(Place::Point)
    }
}

pub(super) async fn page(city: &Arc<City>, scope: AreaId, query: CollectionQuery) -> Answer<Found> {
    let cursor = query.cursor.as_deref().unwrap_or("0");
    let start: u32 = cursor.parse().map_err(|_| Problem::bad_query(format!("cursor={cursor}")))?;
    let city = Arc::clone(city);
    blocking(move || walk(&city, scope, &query, start)).await
}

/// Devices from that number on. Numbers never change, so pages follow each other whatever is registered.
fn walk(city: &City, scope: AreaId, query: &CollectionQuery, start: u32) -> Found {
    let registry = city.registry.read();
    let engine = city.engine.read();
    let end = u32::try_from(registry.device_count()).unwrap_or(u32::MAX);
    let mut listed = Vec::new();
    if scope != AreaId::ROOT {
        listed.extend(registry.devices(scope).map(|(id, _)| id.0).take(LISTED_MAX + 1));
        listed.sort_unstable();
    }
    let numbers: Box<dyn Iterator<Item = u32>> = match listed.len() {
        n if scope == AreaId::ROOT || n > LISTED_MAX => Box::new(start..end),
        _ => Box::new(listed.into_iter().filter(|&number| number >= start)),
    };
    let most = looked_at_max(query, 1, LOOKED_AT_MAX);
    let mut found = Found { features: Vec::new(), next: None };
    for (looked_at, number) in numbers.enumerate() {
        if found.features.len() >= query.limit || looked_at >= most {
            found.next = Some(number.to_string());
            break;
        }
        let device = registry.device(DeviceId(number));
        if !city.areas.contains(scope, device.area()) {
            continue;
        }
        let position = device.position();
        let one = One { city, registry: &registry, engine: &engine, device, position };
        if one.fits(query) {
            found.features.push(one.feature());
        }
    }
    found
}

pub(super) fn find(city: &City, scope: AreaId, id: &str) -> Option<Feature> {
    let registry = city.registry.read();
    let engine = city.engine.read();
    let device = registry.device(registry.find(id)?);
    let position = device.position();
    let one = One { city, registry: &registry, engine: &engine, device, position };
    city.areas.contains(scope, device.area()).then(|| one.feature())
}
