//! Where an entity belongs: its device in the registry, its row in the records, and the area of both.
//!
//! An entity that measures anything has a device; it lies in the area that it names as `area`, else where its
//! `location` is. Where neither says anything, or no area is known there, it stays in its device's, and a new one
//! is its maker's. Invariant: nothing is written outside the caller's area.

use chengmai_model::{AreaCode, AreaPath, DeviceId, error};
use chengmai_store::records::ngsi_ld::EntityRow;
use chengmai_wire::devices::DeviceRow;
use chengmai_wire::ngsi_ld::{Context, Entity, Kind, NAMESPACE, Output, entity_json};
use chengmai_wire::sensorthings::shape;

use super::registry::{self, AREA, FOLLOWING};
use super::write::{Measured, Writer, unsupported};
use crate::http::problem::{Answer, Problem};

impl Writer<'_> {
    /// Registers the device behind what a client made, where it measures anything, or tells the registry
    /// where it is now.
    pub(super) fn place_made(
        &mut self,
        name: &str,
        whole: &Entity,
        names: &[String],
        measured: &[(String, Measured)],
    ) -> Answer<Option<DeviceId>> {
        let known = self.view.city.registry.read().find(name);
        if known.is_none() && measured.is_empty() {
            self.area_of(whole)?;
            return Ok(None);
        }
        let is_moved = names.iter().any(|name| placing().contains(name));
        if known.is_some() && !is_moved && !self.lacks(known, measured) {
            return Ok(known);
        }
        self.import(name, known, whole, measured).map(Some)
    }

    /// Whether a device has no stream yet for some of it.
    fn lacks(&self, device: Option<DeviceId>, measured: &[(String, Measured)]) -> bool {
        let registry = self.view.city.registry.read();
        let has = |kind| device.is_some_and(|device| registry.stream_of(device, kind).is_some());
        !measured.iter().all(|(_, one)| has(one.kind))
    }

    /// What is said of a device of the registry: its name and place are told to the registry, the rest is for
    /// the records.
    pub(super) fn place_registered(
        &mut self,
        device: Option<DeviceId>,
        name: &str,
        mut whole: Entity,
        names: &[String],
        measured: &[(String, Measured)],
    ) -> Answer<(Option<DeviceId>, Entity)> {
        let following: Vec<String> = FOLLOWING.iter().map(|name| registry::whole(name)).collect();
        if let Some(name) = names.iter().find(|name| following.contains(name)) {
            return Err(unsupported(name));
        }
        let own = placing();
        let is_moved = names.iter().any(|name| own.contains(name));
        let device = if is_moved || self.lacks(device, measured) {
            Some(self.import(name, device, &whole, measured)?)
        } else {
            device
        };
        // Of what is measured the records have what is said of it, if anything is.
        whole.attributes.retain(|name, all| {
            let is_measured = measured.iter().any(|(one, _)| one == name);
            !own.contains(name) && (!is_measured || all.iter().any(|one| !one.more.is_empty()))
        });
        Ok((device, whole))
    }

    fn import(
        &mut self,
        name: &str,
        known: Option<DeviceId>,
        whole: &Entity,
        measured: &[(String, Measured)],
    ) -> Answer<DeviceId> {
        let position = position(whole);
        let mut registry = self.view.city.registry.write();
        let old = known.map(|device| registry.device(device).spec());
        let area = self.code_for(whole, position, old.as_ref().map(|old| &old.area))?;
        let kinds = measured.iter().map(|(_, one)| registry.kind(one.kind).name.to_string());
        let row = DeviceRow {
            line: 1,
            id: name.to_owned(),
            kinds: kinds.collect(),
            title: title(whole).or_else(|| old.as_ref().and_then(|old| old.title.clone())),
            area: Some(area),
            position: position.or_else(|| old.as_ref().and_then(|old| old.position)),
            agency: old.as_ref().and_then(|old| old.agency.clone()),
            period_ms: old.as_ref().map_or(0, |old| old.period_ms),
            simulated: old.as_ref().is_some_and(|old| old.simulated),
        };
        registry.import(&row, self.caller.area, self.now)?;
        self.registered = true;
        registry.find(name).ok_or_else(|| Problem::new(&error::INTERNAL, "no device"))
    }

    /// The code of the area of an entity with a device. Where no area is known, the device stays in the one
    /// that it was in, and a new one is its maker's.
    fn code_for(
        &self,
        whole: &Entity,
        position: Option<[f64; 2]>,
        old: Option<&AreaCode>,
    ) -> Answer<AreaCode> {
        if let Some(code) = said_area(whole)? {
            return Ok(code);
        }
        let areas = &self.view.city.areas;
        let code = |area| areas.get(area).row.code.clone();
        let found = position.and_then(|position| areas.locate(position)).map(code);
        Ok(found.or_else(|| old.cloned()).unwrap_or_else(|| code(self.caller.area)))
    }

    /// The area that an entity without a device belongs to.
    fn area_of(&self, whole: &Entity) -> Answer<AreaPath> {
        let areas = &self.view.city.areas;
        let area = match (said_area(whole)?, position(whole)) {
            (Some(code), _) => {
                let found = areas.find(code.as_str());
                found.ok_or_else(|| Problem::new(&error::UNKNOWN_AREA, code.as_str()))?
            }
            (None, Some(position)) => areas.locate(position).unwrap_or(self.caller.area),
            (None, None) => self.caller.area,
        };
        if self.caller.sees(area) {
            return Ok(AreaPath::of(areas, area));
        }
        let code = areas.get(area).row.code.as_str();
        Err(Problem::new(&error::FORBIDDEN, format!("area {code}")))
    }

    pub(super) async fn keep(
        &self,
        id: &str,
        device: Option<DeviceId>,
        made: bool,
        row: Option<EntityRow>,
        mut whole: Entity,
    ) -> Answer<()> {
        let area = match device {
            Some(device) => {
                let area = self.view.city.registry.read().device(device).area();
                AreaPath::of(&self.view.city.areas, area)
            }
            None => self.area_of(&whole)?,
        };
        let records = self.view.city.records.ngsi_ld();
        id.clone_into(&mut whole.id);
        if !made && whole.types.is_empty() {
            whole.types.push(registry::whole("Device"));
        }
        let name = device.map(|d| self.view.city.registry.read().device(d).name().to_owned());
        let row = EntityRow {
            number: 0,
            id: id.to_owned(),
            device: name,
            area,
            made,
            gone: false,
            made_at: row.map_or(self.now, |row| row.made_at),
            changed_at: self.now,
            body: entity_json(&whole, &Context::default(), &Output::default()).to_string(),
        };
        Ok(records.keep(&row, &self.caller.user.name).await?)
    }
}

/// Attributes that the registry has of a device.
fn placing() -> [String; 3] {
    [registry::whole("name"), registry::whole("area"), format!("{NAMESPACE}location")]
}

fn title(whole: &Entity) -> Option<String> {
    let name = whole.usual(&registry::whole("name"))?;
    name.value.as_str().map(str::to_owned)
}

/// Where an entity says it is.
fn position(whole: &Entity) -> Option<[f64; 2]> {
    let place = whole.usual(&format!("{NAMESPACE}location"))?;
    shape(&place.value).and_then(|shape| shape.middle())
}

/// The code of the area that an entity says it lies in.
fn said_area(whole: &Entity) -> Answer<Option<AreaCode>> {
    let Some(area) = whole.usual(&registry::whole("area")) else { return Ok(None) };
    let said = area.value.as_str().filter(|_| area.kind == Kind::Relationship);
    let Some(code) = said.and_then(|uri| uri.strip_prefix(AREA)) else { return Ok(None) };
    let known = AreaCode::new(code);
    known.map(Some).ok_or_else(|| Problem::new(&error::UNKNOWN_AREA, code))
}
