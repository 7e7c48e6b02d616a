//! Which entities there are for somebody: one by its id, or those of a query in pages.
//!
//! What clients made comes from the records, everything else is made up from registry, engine and records
//! (`registry`). Invariants: nothing outside the area comes out, and nothing outside is counted; a question
//! goes through at most [`WORK_MAX`] entities, or is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chengmai_model::{AreaId, AreaPath, DeviceId, StreamId, error};
use chengmai_store::records::ngsi_ld::EntityRow;
use chengmai_wire::features::CollectionQuery;
use chengmai_wire::ngsi_ld::{Context, Entity, EntityQuery, NAMESPACE, fragment};

use super::registry::{self, AREA, LAYERS, Meant};
use crate::api::features::{Layer, areas};
use crate::api::sensorthings::devices_from;
use crate::city::registry::Registry;
use crate::city::{City, blocking};
use crate::http::problem::{Answer, Problem};

/// Entities that one request makes up and looks at.
const WORK_MAX: usize = 200_000;
/// Entities that are gone through at once.
const STEP: usize = 1_000;
/// The same where none of them is looked at.
const LONG_STEP: usize = 100_000;
/// An area's outline may have to be worked out.
const AREA_WORK: usize = 20;

/// Who asks, and how much may still be looked at.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) city: &'a Arc<City>,
    pub(crate) scope: AreaId,
    pub(crate) path: AreaPath,
    left: AtomicUsize,
}

/// An entity that there is.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// As it is shown.
    pub(crate) shown: Entity,
    /// What the records have of it.
    pub(super) row: Option<EntityRow>,
    /// The attributes in them.
    pub(super) body: Entity,
    /// The device behind it.
    pub(super) device: Option<DeviceId>,
}

impl Known {
    /// Whether a client made it.
    pub(super) fn is_made(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.made)
    }

    /// Whether it is a device or a client's, and so may be written to.
    pub(super) fn is_open(&self) -> bool {
        self.device.is_some() || self.is_made()
    }
}

/// A page of a query.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) entities: Vec<Entity>,
    /// How many there are in all, if that was asked.
    pub(crate) count: Option<usize>,
    /// Whether there are more behind these.
    pub(crate) more: bool,
}

/// Takes the entities of a page out of all that fit, in order.
#[derive(Debug)]
struct Taker<'q> {
    query: &'q EntityQuery,
    passed: usize,
    found: Vec<Entity>,
}

impl Taker<'_> {
    fn offer(&mut self, entity: impl FnOnce() -> Option<Entity>) {
        let is_wanted = self.passed >= self.query.offset && self.found.len() < self.query.limit;
        self.passed += 1;
        if is_wanted {
            self.found.extend(entity());
        }
    }

    fn judge(&mut self, entity: Entity) {
        if self.query.holds(&entity) {
            self.offer(|| Some(entity));
        }
    }

    /// Whether the rest need not be looked at.
    fn is_done(&self) -> bool {
        let end = self.query.offset.saturating_add(self.query.limit);
        !self.query.count && self.passed > end
    }
}

impl<'a> View<'a> {
    pub(crate) fn new(city: &'a Arc<City>, scope: AreaId) -> Self {
        let path = AreaPath::of(&city.areas, scope);
        Self { city, scope, path, left: AtomicUsize::new(WORK_MAX) }
    }

    pub(super) fn spend(&self, work: usize) -> Answer<()> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(work), Ordering::Relaxed);
        if left < work {
            return Err(Problem::new(&error::NGSI_TOO_MUCH, format!("more than {WORK_MAX}")));
        }
        Ok(())
    }

    fn sees(&self, area: AreaId) -> bool {
        self.city.areas.contains(self.scope, area)
    }

    /// Some devices as entities, those that are to be seen.
    pub(crate) async fn devices(&self, ids: &[DeviceId]) -> Answer<Vec<(DeviceId, Entity)>> {
        let names: Vec<String> = {
            let said = self.city.records.ngsi_ld().devices().await?;
            let registry = self.city.registry.read();
            let said: BTreeSet<DeviceId> =
                said.iter().filter_map(|(name, _)| registry.find(name)).collect();
            let said = ids.iter().filter(|id| said.contains(id));
            said.map(|id| registry.device(*id).name().to_owned()).collect()
        };
        let rows = self.city.records.ngsi_ld().of_devices(&names).await?;
        let mut rows: BTreeMap<String, EntityRow> =
            rows.into_iter().filter_map(|row| Some((row.device.clone()?, row))).collect();
        let registry = self.city.registry.read();
        let one = |id: &DeviceId| {
            let row = rows.remove(registry.device(*id).name());
            if row.as_ref().is_some_and(|row| row.gone) {
                return None;
            }
            self.known(&registry, Some(*id), row).map(|known| (*id, known.shown))
        };
        Ok(ids.iter().filter_map(one).collect())
    }

    /// The entity of an id, if there is one to be seen.
    pub(crate) async fn find(&self, id: &str) -> Answer<Option<Known>> {
        self.spend(1)?;
        let name = match registry::meant(id) {
            Meant::Of(layer, own) => {
                let found = layer.find(self.city, self.scope, own).await?;
                let parts = LAYERS.into_iter().find(|(one, _, _)| *one == layer);
                let shown = found.zip(parts).map(|(f, parts)| registry::of_feature(parts, &f));
                let known =
                    |shown| Known { shown, row: None, body: Entity::default(), device: None };
                return Ok(shown.map(known));
            }
            Meant::Device(name) => name,
        };
        let row = self.city.records.ngsi_ld().find(id).await?;
        if row.as_ref().is_some_and(|row| row.gone) {
            return Ok(None);
        }
        let registry = self.city.registry.read();
        let device = registry.find(&name).filter(|_| {
            // One id for one device.
            row.is_some() || registry::device_id(&name) == id
        });
        Ok(self.known(&registry, device, row))
    }

    /// A device and what the records have of it, as an entity.
    fn known(
        &self,
        registry: &Registry,
        device: Option<DeviceId>,
        row: Option<EntityRow>,
    ) -> Option<Known> {
        let is_seen = match (device, &row) {
            (Some(device), _) => self.sees(registry.device(device).area()),
            (None, Some(row)) => self.path.contains(&row.area),
            (None, None) => false,
        };
        if !is_seen {
            return None;
        }
        let body = row.as_ref().map(read).unwrap_or_default();
        let shown = match (&row, device) {
            (Some(row), _) if row.made => self.made(registry, row, device, body.clone()),
            (_, Some(device)) => self.registered(registry, device, row.as_ref(), &body),
            (_, None) => return None,
        };
        Some(Known { shown, row, body, device })
    }

    /// What a client made, with the newest readings in it.
    fn made(
        &self,
        registry: &Registry,
        row: &EntityRow,
        device: Option<DeviceId>,
        mut entity: Entity,
    ) -> Entity {
        entity.id.clone_from(&row.id);
        entity.created_at = Some(row.made_at);
        entity.modified_at = Some(row.changed_at);
        let Some(device) = device else { return entity };
        let engine = self.city.engine.read();
        for (name, instances) in &mut entity.attributes {
            let stream = stream_of(registry, device, name);
            let newest = stream.and_then(|stream| registry::reading(registry, &engine, stream));
            if let (Some(newest), Some(one)) = (newest, instances.first_mut()) {
                entity.modified_at = entity.modified_at.max(newest.observed_at);
                one.value = newest.value;
                one.observed_at = newest.observed_at;
                one.unit_code = newest.unit_code.or(one.unit_code.take());
            }
        }
        let device = registry.device(device);
        let place = entity.attributes.get_mut(&format!("{NAMESPACE}location"));
        let place = place.and_then(|all| all.first_mut()).zip(device.position());
        if let Some((one, position)) = place
            && one.value["type"] == "Point"
            && crate::city::registry::rounded(position_of(&one.value)) != Some(position)
        {
            // Another door moved the device since.
            *one = registry::point(position);
        }
        entity
    }

    /// A device of the registry, with what clients said of it.
    fn registered(
        &self,
        registry: &Registry,
        device: DeviceId,
        row: Option<&EntityRow>,
        body: &Entity,
    ) -> Entity {
        let engine = self.city.engine.read();
        let mut entity = registry::device(registry, &engine, device);
        for (name, instances) in &body.attributes {
            match (
                entity.attributes.get_mut(name).and_then(|all| all.first_mut()),
                instances.first(),
            ) {
                // A reading is the registry's, what was said of it the client's.
                (Some(shown), Some(said)) => shown.more.extend(said.more.clone()),
                _ => drop(entity.attributes.insert(name.clone(), instances.clone())),
            }
        }
        entity.scopes.clone_from(&body.scopes);
        entity.modified_at = entity.modified_at.max(row.map(|row| row.changed_at));
        entity
    }

    /// A page of the entities that fit.
    pub(crate) async fn list(&self, query: &EntityQuery) -> Answer<Listed> {
        let mut taker = Taker { query, passed: 0, found: Vec::new() };
        if let Some(ids) = query.ids() {
            let ids: BTreeSet<&str> = ids.into_iter().collect();
            for id in ids {
                if let Some(known) = self.find(id).await? {
                    taker.judge(known.shown);
                }
            }
        } else {
            self.walk_made(&mut taker).await?;
            if query.may_be(&registry::whole("Device")) {
                self.walk_devices(&mut taker).await?;
            }
            // A city has very many areas, and where one is may have to be worked out.
            let is_of_areas = query.names_types() && query.may_be(&registry::whole(LAYERS[0].1));
            if is_of_areas && !taker.is_done() {
                self.walk_areas(&mut taker).await?;
            }
            for parts in LAYERS.into_iter().skip(1) {
                if !taker.is_done() && query.may_be(&registry::whole(parts.1)) {
                    self.walk_layer(parts, &mut taker).await?;
                }
            }
        }
        let more = taker.passed > query.offset.saturating_add(taker.found.len());
        let more = more && !taker.found.is_empty();
        Ok(Listed { entities: taker.found, count: query.count.then_some(taker.passed), more })
    }

    /// The first of what clients made that are to be seen.
    pub(super) async fn made_by_clients(&self, most: usize) -> Answer<Vec<Entity>> {
        let rows = self.city.records.ngsi_ld().made(0, most).await?;
        let registry = self.city.registry.read();
        let each = rows.into_iter().filter_map(|row| {
            let device = row.device.as_deref().and_then(|name| registry.find(name));
            self.known(&registry, device, Some(row)).map(|known| known.shown)
        });
        Ok(each.collect())
    }

    async fn walk_made(&self, taker: &mut Taker<'_>) -> Answer<()> {
        let mut behind = 0;
        while !taker.is_done() {
            let rows = self.city.records.ngsi_ld().made(behind, STEP).await?;
            let Some(last) = rows.last() else { break };
            behind = last.number;
            self.spend(rows.len())?;
            for row in rows {
                let known = {
                    let registry = self.city.registry.read();
                    let device = row.device.as_deref().and_then(|name| registry.find(name));
                    self.known(&registry, device, Some(row))
                };
                if let Some(known) = known {
                    taker.judge(known.shown);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Devices of the registry in the order of their registration, without those that clients made.
    async fn walk_devices(&self, taker: &mut Taker<'_>) -> Answer<()> {
        let said = self.city.records.ngsi_ld().devices().await?;
        let said: BTreeMap<DeviceId, bool> = {
            let registry = self.city.registry.read();
            let each = said.into_iter();
            each.filter_map(|(name, made)| Some((registry.find(&name)?, made))).collect()
        };
        let is_plain = taker.query.is_of_types_only();
        let mut from = Some(0);
        while let (Some(at), false) = (from, taker.is_done()) {
            let most = if is_plain { LONG_STEP } else { STEP };
            let (ids, resume) = devices_from(&self.city.registry.read(), self.scope, at, most);
            from = resume;
            let ids: Vec<DeviceId> = ids.into_iter().map(DeviceId).collect();
            let rows = self.said_of(&ids, &said).await?;
            if !is_plain {
                self.spend(ids.len())?;
            }
            self.judge_devices(&ids, &said, rows, taker, is_plain)?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn judge_devices(
        &self,
        ids: &[DeviceId],
        said: &BTreeMap<DeviceId, bool>,
        mut rows: BTreeMap<String, EntityRow>,
        taker: &mut Taker<'_>,
        is_plain: bool,
    ) -> Answer<()> {
        let registry = self.city.registry.read();
        for &id in ids.iter().filter(|id| said.get(id) != Some(&true)) {
            let mut make = || {
                let row = rows.remove(registry.device(id).name());
                self.known(&registry, Some(id), row).map(|known| known.shown)
            };
            if is_plain {
                // Which type it is was asked already.
                let found = taker.found.len();
                taker.offer(make);
                self.spend(taker.found.len() - found)?;
            } else if let Some(entity) = make() {
                taker.judge(entity);
            }
            if taker.is_done() {
                break;
            }
        }
        Ok(())
    }

    /// What clients said of some devices, by their names.
    async fn said_of(
        &self,
        ids: &[DeviceId],
        said: &BTreeMap<DeviceId, bool>,
    ) -> Answer<BTreeMap<String, EntityRow>> {
        let names: Vec<String> = {
            let registry = self.city.registry.read();
            let annotated = ids.iter().filter(|id| said.get(id) == Some(&false));
            annotated.map(|id| registry.device(*id).name().to_owned()).collect()
        };
        let rows = self.city.records.ngsi_ld().of_devices(&names).await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.device.clone()?, row))).collect())
    }

    /// Areas in the order of the tree. Where they are is worked out for those that are shown, unless it is asked
    /// for of all of them.
    async fn walk_areas(&self, taker: &mut Taker<'_>) -> Answer<()> {
        let all: Vec<AreaId> = self.city.areas.subtree(self.scope).map(AreaId).collect();
        let is_plain = taker.query.is_of_types_only();
        let needs_place = taker.query.needs_place();
        let first = taker.found.len();
        for ids in all.chunks(STEP) {
            let work = if needs_place { AREA_WORK } else { 1 };
            self.spend(if is_plain { 0 } else { ids.len() * work })?;
            let whole = if needs_place { self.areas(ids.to_vec()).await? } else { BTreeMap::new() };
            for &id in ids {
                let make = || {
                    let known = whole.get(&id).cloned();
                    known.unwrap_or_else(|| registry::area(&areas::facts(self.city, id)))
                };
                if is_plain { taker.offer(|| Some(make())) } else { taker.judge(make()) }
            }
            if taker.is_done() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if needs_place {
            return Ok(());
        }
        let shown = taker.found.get_mut(first..).unwrap_or_default();
        let code = |entity: &Entity| entity.id.strip_prefix(AREA).map(str::to_owned);
        let ids = shown.iter().filter_map(code).filter_map(|c| self.city.areas.find_current(&c));
        let ids: Vec<AreaId> = ids.collect();
        self.spend(ids.len() * AREA_WORK)?;
        let mut whole: BTreeMap<String, Entity> =
            self.areas(ids).await?.into_values().map(|one| (one.id.clone(), one)).collect();
        for entity in shown {
            if let Some(one) = whole.remove(&entity.id) {
                *entity = one;
            }
        }
        Ok(())
    }

    /// Areas with their outlines.
    async fn areas(&self, ids: Vec<AreaId>) -> Answer<BTreeMap<AreaId, Entity>> {
        let city = Arc::clone(self.city);
        let one = move |id: AreaId| (id, registry::area(&areas::whole(&city, id)));
        blocking(move || ids.into_iter().map(one).collect()).await
    }

    async fn walk_layer(
        &self,
        parts: (Layer, &'static str, &'static str),
        taker: &mut Taker<'_>,
    ) -> Answer<()> {
        let mut query = CollectionQuery { limit: STEP, ..CollectionQuery::default() };
        loop {
            let found = parts.0.page(self.city, self.scope, query.clone()).await?;
            self.spend(found.features.len())?;
            for feature in &found.features {
                taker.judge(registry::of_feature(parts, feature));
            }
            if found.next.is_none() || taker.is_done() {
                return Ok(());
            }
            query.cursor = found.next;
        }
    }

    /// Attributes of an entity that are measured, each with its stream.
    pub(super) fn measured(&self, known: &Known) -> Vec<(String, StreamId)> {
        let Some(device) = known.device else { return Vec::new() };
        let registry = self.city.registry.read();
        let names = known.shown.attributes.keys();
        names.filter_map(|name| Some((name.clone(), stream_of(&registry, device, name)?))).collect()
    }
}

/// The stream of a device that an attribute shows.
pub(super) fn stream_of(registry: &Registry, device: DeviceId, name: &str) -> Option<StreamId> {
    registry.stream_of(device, registry::kind_of(registry, name)?)
}

/// The position of a GeoJSON point.
pub(super) fn position_of(json: &serde_json::Value) -> Option<[f64; 2]> {
    let part = |n: usize| json["coordinates"][n].as_f64();
    Some([part(0)?, part(1)?])
}

/// Types and attributes of a row.
pub(super) fn read(row: &EntityRow) -> Entity {
    let json = serde_json::from_str(&row.body).unwrap_or_default();
    fragment(&json, &Context::default(), false).unwrap_or_default()
}
