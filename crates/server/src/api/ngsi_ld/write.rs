//! Entities made, changed and removed. A number under the name of a declared kind is a reading: through the
//! checks of all readings into the journal. Where a device is goes to the registry. Everything else is kept
//! in the records, where no indicator and no rule looks.
//!
//! Who may: readings need `ingest`; entities, devices and everything else `device_manage`; all of it within
//! the caller's area. Invariants: what is wrong with an entity is found before anything of it is written; an
//! answer is given when all of it is on disk; several entities of one request are one commit of the journal.

use std::collections::BTreeSet;
use std::time::Duration;

use chengmai_model::{DeviceId, Reading, Timestamp, error};
use chengmai_store::records::ngsi_ld::EntityRow;
use chengmai_wire::ngsi_ld::{Attribute, Entity, Kind, is_uri};

use super::registry::{self, Meant};
use super::view::{Known, View};
use crate::api::readings::stopped;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::problem::{Answer, Problem};
use crate::ingest::{check_scope, check_value, speaker};

/// How long an answer waits for its readings to be seen as well.
const SEEN_PATIENCE: Duration = Duration::from_millis(500);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

/// Writes for a caller.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) view: View<'a>,
    pub(super) caller: &'a Caller,
    pub(super) now: Timestamp,
    readings: Vec<Reading>,
    pub(super) registered: bool,
    changed: Vec<(String, Vec<String>)>,
}

/// What became of attributes, by their whole names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Updated {
    pub(super) done: Vec<String>,
    pub(super) left: Vec<(String, &'static str)>,
}

/// A number that will be a reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) kind: u16,
    pub(super) at: Timestamp,
    pub(super) value: f64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(view: View<'a>, caller: &'a Caller) -> Self {
        let (readings, changed) = (Vec::new(), Vec::new());
        Self { view, caller, now: clock::now(), readings, registered: false, changed }
    }

    /// Makes an entity.
    pub(super) async fn create(&mut self, entity: Entity) -> Answer<()> {
        self.caller.need(Permission::DeviceManage)?;
        if !is_uri(&entity.id) {
            return Err(body("the id is a URI"));
        }
        if matches!(registry::meant(&entity.id), Meant::Of(..)) {
            return Err(unsupported(&entity.id));
        }
        if self.is_taken(&entity.id).await? {
            return Err(Problem::new(&error::NGSI_EXISTS, entity.id));
        }
        let names: Vec<String> = entity.attributes.keys().cloned().collect();
        self.settle(None, entity.clone(), &entity, &names).await
    }

    /// Whether an id is somebody's, seen or not.
    async fn is_taken(&self, id: &str) -> Answer<bool> {
        if let Some(row) = self.view.city.records.ngsi_ld().find(id).await? {
            return Ok(!row.gone);
        }
        let Meant::Device(name) = registry::meant(id) else { return Ok(true) };
        Ok(self.view.city.registry.read().find(&name).is_some())
    }

    /// An entity that may be written to.
    pub(super) async fn open(&self, id: &str) -> Answer<Known> {
        let known = self.view.find(id).await?;
        let known = known.ok_or_else(|| Problem::not_found(format!("entity {id}")))?;
        if known.is_open() { Ok(known) } else { Err(unsupported(id)) }
    }

    /// Adds attributes, over those that there are if `overwrite` says so.
    pub(super) async fn append(
        &mut self,
        id: &str,
        new: Entity,
        overwrite: bool,
    ) -> Answer<Updated> {
        let known = self.open(id).await?;
        let (mut updated, mut change) = (Updated::default(), new.clone());
        for name in new.attributes.keys() {
            if overwrite || !known.shown.attributes.contains_key(name) {
                updated.done.push(name.clone());
            } else {
                change.attributes.remove(name);
                updated.left.push((name.clone(), "it is there, and noOverwrite was asked"));
            }
        }
        self.replace_attributes(known, change, &updated.done).await?;
        Ok(updated)
    }

    /// Replaces attributes that there are; others are left.
    pub(super) async fn update(&mut self, id: &str, new: Entity) -> Answer<Updated> {
        let known = self.open(id).await?;
        let (mut updated, mut change) = (Updated::default(), new.clone());
        for name in new.attributes.keys() {
            if known.shown.attributes.contains_key(name) {
                updated.done.push(name.clone());
            } else {
                change.attributes.remove(name);
                updated.left.push((name.clone(), "there is no such attribute"));
            }
        }
        self.replace_attributes(known, change, &updated.done).await?;
        Ok(updated)
    }

    async fn replace_attributes(
        &mut self,
        known: Known,
        change: Entity,
        names: &[String],
    ) -> Answer<()> {
        let mut whole = known.body.clone();
        // Of what type a device of the registry is, nobody says.
        for one in change.types.iter().filter(|_| known.is_made()) {
            if !whole.types.contains(one) {
                whole.types.push(one.clone());
            }
        }
        if !change.scopes.is_empty() {
            whole.scopes.clone_from(&change.scopes);
        }
        whole.attributes.extend(change.attributes.clone());
        self.settle(Some(known), whole, &change, names).await
    }

    /// Changes parts of an entity.
    pub(super) async fn merge(&mut self, id: &str, change: Entity) -> Answer<()> {
        let known = self.open(id).await?;
        let gone = change.attributes.iter().filter(|(_, all)| all.iter().all(Attribute::is_null));
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        for name in &gone {
            may_go(&known, name)?;
        }
        let mut whole = known.body.clone();
        for name in change.attributes.keys() {
            // What is shown is merged with: readings are not in the records.
            if let (false, Some(shown)) =
                (whole.attributes.contains_key(name), known.shown.attributes.get(name))
            {
                whole.attributes.insert(name.clone(), shown.clone());
            }
        }
        let whole = whole.merged(&change);
        if let Some(name) = whole.incomplete() {
            return Err(body(&format!("`{name}` has no value")));
        }
        let names: Vec<String> = change.attributes.keys().cloned().collect();
        self.settle(Some(known), whole, &change, &names).await
    }

    /// Puts another entity in the place of one that a client made.
    pub(super) async fn replace(&mut self, id: &str, mut entity: Entity) -> Answer<()> {
        let known = self.open(id).await?;
        if !known.is_made() {
            return Err(unsupported(id));
        }
        if entity.types.is_empty() {
            entity.types.clone_from(&known.shown.types);
        }
        let mut names: BTreeSet<String> = known.body.attributes.keys().cloned().collect();
        names.extend(entity.attributes.keys().cloned());
        let names: Vec<String> = names.into_iter().collect();
        self.settle(Some(known), entity.clone(), &entity, &names).await
    }

    /// Takes an attribute away, or one instance of it.
    pub(super) async fn remove_attribute(
        &mut self,
        id: &str,
        name: &str,
        dataset: Option<&str>,
        all: bool,
    ) -> Answer<()> {
        self.caller.need(Permission::DeviceManage)?;
        let known = self.open(id).await?;
        may_go(&known, name)?;
        let mut whole = known.body.clone();
        let instances = whole.attributes.entry(name.to_owned()).or_default();
        let before = instances.len();
        instances.retain(|one| !all && one.dataset.as_deref() != dataset);
        if instances.len() == before {
            return Err(Problem::not_found(format!("attribute {name} {}", dataset.unwrap_or(""))));
        }
        if instances.is_empty() {
            whole.attributes.remove(name);
        }
        self.settle(Some(known), whole, &Entity::default(), &[name.to_owned()]).await
    }

    /// Removes an entity that a client made; its device stays in the registry, and its readings on disk.
    pub(super) async fn remove(&mut self, id: &str) -> Answer<()> {
        self.caller.need(Permission::DeviceManage)?;
        let known = self.open(id).await?;
        let Some(row) = known.row.filter(|row| row.made) else { return Err(unsupported(id)) };
        let records = self.view.city.records.ngsi_ld();
        if known.device.is_none() {
            return Ok(records.remove(id).await?);
        }
        let row = EntityRow { gone: true, changed_at: self.now, body: String::new(), ..row };
        Ok(records.keep(&row, &self.caller.user.name).await?)
    }

    /// Writes an entity: `whole` is what the records are to have of it, `change` what was sent, `names`
    /// what of it is new.
    async fn settle(
        &mut self,
        known: Option<Known>,
        whole: Entity,
        change: &Entity,
        names: &[String],
    ) -> Answer<()> {
        let id = known.as_ref().map_or(&whole.id, |known| &known.shown.id).clone();
        let Meant::Device(name) = registry::meant(&id) else { return Err(unsupported(&id)) };
        let is_made = known.as_ref().is_none_or(Known::is_made);
        let device = known.as_ref().and_then(|known| known.device);
        let measured = self.measured(device, change)?;
        self.permit(known.as_ref(), change, &measured)?;
        let (device, whole) = if is_made {
            (self.place_made(&name, &whole, names, &measured)?, whole)
        } else {
            self.place_registered(device, &name, whole, names, &measured)?
        };
        let is_new = known.is_none();
        let old = known.as_ref().map(|known| &known.body);
        if is_new || old.is_some_and(|old| differs(old, &whole, &measured)) {
            self.keep(&id, device, is_made, known.and_then(|known| known.row), whole).await?;
        }
        if let Some(device) = device {
            let registry = self.view.city.registry.read();
            for (_, Measured { kind, at, value }) in &measured {
                let stream = registry.stream_of(device, *kind);
                self.readings.extend(stream.map(|stream| Reading {
                    stream,
                    at: *at,
                    value: *value,
                }));
            }
        }
        // Streams that had readings are told of by themselves.
        let told = names.iter().filter(|name| !measured.iter().any(|(one, _)| one == *name));
        let told: Vec<String> = told.cloned().collect();
        if is_new || !told.is_empty() {
            self.changed.push((id, told));
        }
        Ok(())
    }

    /// Numbers that are readings, checked as all readings are.
    fn measured(
        &self,
        device: Option<DeviceId>,
        change: &Entity,
    ) -> Answer<Vec<(String, Measured)>> {
        let registry = self.view.city.registry.read();
        let mut all = Vec::new();
        for (name, instances) in &change.attributes {
            let Some(kind) = registry::kind_of(&registry, name) else { continue };
            let entry = registry.kind(kind);
            let is_there = device.is_some_and(|d| registry.stream_of(d, kind).is_some());
            let [one] = instances.as_slice() else { continue };
            let (true, Some(value)) = (entry.declared || is_there, one.value.as_f64()) else {
                continue;
            };
            if one.kind != Kind::Property || one.dataset.is_some() {
                continue;
            }
            if let Some(code) = one.unit_code.as_deref().filter(|c| !registry::fits_unit(entry, c))
            {
                let detail = format!("{} is measured in {}, not {code}", entry.name, entry.unit);
                return Err(Problem::new(&error::WRONG_UNIT, detail));
            }
            let at = one.observed_at.unwrap_or(self.now);
            check_value(entry.range, self.now, at, value)?;
            all.push((name.clone(), Measured { kind, at, value }));
        }
        Ok(all)
    }

    /// Goes on when the caller may do all of it.
    fn permit(
        &self,
        known: Option<&Known>,
        change: &Entity,
        measured: &[(String, Measured)],
    ) -> Answer<()> {
        let speaker = speaker(self.view.city, self.caller)?;
        if !measured.is_empty() {
            self.caller.need(Permission::Ingest)?;
        }
        let is_plain = |name: &String, all: &[Attribute]| {
            measured.iter().any(|(one, _)| one == name) && all.iter().all(|one| one.more.is_empty())
        };
        let only_readings = !change.attributes.is_empty()
            && change.attributes.iter().all(|(name, all)| is_plain(name, all));
        let registry = self.view.city.registry.read();
        let device = known.and_then(|known| known.device);
        let mut streams_known = device.is_some();
        for (_, one) in measured {
            match device.and_then(|device| registry.stream_of(device, one.kind)) {
                Some(stream) => check_scope(&registry, speaker, stream)?,
                None => streams_known = false,
            }
        }
        drop(registry);
        if only_readings && streams_known {
            return Ok(());
        }
        if speaker.is_one_device() {
            return Err(Problem::new(&error::FORBIDDEN, "the token is a device's"));
        }
        self.caller.need(Permission::DeviceManage)
    }

    /// Resolves when everything is on disk, and tells whoever wants to know.
    pub(super) async fn finish(self) -> Answer<()> {
        let city = self.view.city;
        if self.registered {
            city.registrations_durable().await?;
        }
        if let Some(last) = self.readings.last().copied() {
            let durable = city.make_durable(self.readings).await;
            durable.map_err(|refusal| stopped(city, refusal))?;
            seen(&self.view, last).await;
        }
        for (id, names) in self.changed {
            city.hub.changes.note_entity(id, names);
        }
        Ok(())
    }
}

/// Whether an attribute may be taken away.
fn may_go(known: &Known, name: &str) -> Answer<()> {
    if !known.shown.attributes.contains_key(name) {
        return Err(Problem::not_found(format!("attribute {name}")));
    }
    if known.is_made() || known.body.attributes.contains_key(name) {
        return Ok(());
    }
    Err(unsupported(name))
}

/// Waits until a reading can be asked for, since clients ask at once for what they wrote. It is on disk
/// already, so the answer does not depend on it.
async fn seen(view: &View<'_>, Reading { stream, at, .. }: Reading) {
    let is_seen = || {
        let last = view.city.engine.read().stream(stream).last;
        last.is_some_and(|(newest, _)| newest >= at)
    };
    let look = async {
        while !is_seen() {
            tokio::time::sleep(LOOK).await;
        }
    };
    // What comes later than it should is not waited for.
    let _ = tokio::time::timeout(SEEN_PATIENCE, look).await;
}

/// Whether the records must have it: anything but the newest value of what is measured.
fn differs(old: &Entity, new: &Entity, measured: &[(String, Measured)]) -> bool {
    let is_measured = |name: &String| measured.iter().any(|(one, _)| one == name);
    let plain = |entity: &Entity| {
        let mut entity = entity.clone();
        entity.id.clear();
        for (name, instances) in &mut entity.attributes {
            for one in instances.iter_mut().filter(|_| is_measured(name)) {
                one.value = 0.into();
                one.observed_at = None;
                one.unit_code = None;
            }
        }
        entity
    };
    plain(old) != plain(new)
}

pub(super) fn unsupported(what: &str) -> Problem {
    Problem::new(&error::NGSI_NOT_SUPPORTED, what)
}

fn body(what: &str) -> Problem {
    Problem::new(&error::NGSI_BODY, what)
}
