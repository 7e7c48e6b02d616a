//! Shelves: what a person took off the screens, until when. A shelf ends by itself; what it held back
//! and still stands is shown then.

use std::collections::BTreeMap;

use chengmai_model::Timestamp;
use chengmai_model::shelf::{ShelfId, ShelfSpec};
use chengmai_model::warning::WarningChange;
use serde::{Deserialize, Serialize};

use super::Scene;
use crate::hash::Hash64;
use crate::warning::Key;

/// A shelf that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfView {
    /// Its identity.
    pub id: ShelfId,
    /// What, until when, by whom and why.
    pub spec: ShelfSpec,
    /// Since when.
    pub since: Timestamp,
    /// Standing warnings it holds back now.
    pub holds: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Shelves {
    list: BTreeMap<ShelfId, Shelf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shelf {
    spec: ShelfSpec,
    since: i64,
}

impl Shelf {
    fn covers(&self, scene: &Scene<'_>, key: Key, change: &WarningChange) -> bool {
        let ShelfSpec { rule, area, device, severity_max, .. } = &self.spec;
        let rule_fits = rule.as_ref().is_none_or(|id| scene.rule(change.rule).id == *id);
        // A place that is gone covers nothing.
        let area_fits = area.as_ref().is_none_or(|code| {
            let found = scene.areas.find(code.as_str());
            found.is_some_and(|outer| scene.areas.contains(outer, change.area))
        });
        let device_fits = device.is_none_or(|device| {
            let mut members = scene.warnings.members(key).peekable();
            let of_device = |s: u32| scene.owners.get(s as usize) == Some(device.0);
            members.peek().is_some() && members.all(of_device)
        });
        change.severity <= *severity_max && rule_fits && area_fits && device_fits
    }
}

impl Shelves {
    /// False when it is there already or has ended.
    pub(super) fn put(&mut self, id: ShelfId, spec: &ShelfSpec, now: i64) -> bool {
        if spec.until.0 <= now || self.list.contains_key(&id) {
            return false;
        }
        self.list.insert(id, Shelf { spec: spec.clone(), since: now });
        true
    }

    pub(super) fn remove(&mut self, id: ShelfId) -> bool {
        self.list.remove(&id).is_some()
    }

    pub(super) fn covering(
        &self,
        scene: &Scene<'_>,
        key: Key,
        change: &WarningChange,
    ) -> Option<ShelfId> {
        let covers =
            |shelf: &Shelf| shelf.spec.until.0 > scene.now && shelf.covers(scene, key, change);
        self.list.iter().find(|(_, shelf)| covers(shelf)).map(|(id, _)| *id)
    }

    /// Takes out those whose time is over.
    pub(super) fn ended(&mut self, now: i64) -> Vec<ShelfId> {
        let over: Vec<ShelfId> =
            self.list.iter().filter(|(_, s)| s.spec.until.0 <= now).map(|(id, _)| *id).collect();
        for id in &over {
            self.list.remove(id);
        }
        over
    }

    pub(super) fn views(&self, holds: impl Fn(ShelfId) -> u64) -> Vec<ShelfView> {
        let view = |(&id, shelf): (&ShelfId, &Shelf)| ShelfView {
            id,
            spec: shelf.spec.clone(),
            since: Timestamp(shelf.since),
            holds: holds(id),
        };
        self.list.iter().map(view).collect()
    }
}

/// The identity of a shelf put up at that moment: the same order told twice is one shelf.
pub fn shelf_id(spec: &ShelfSpec, at: Timestamp) -> ShelfId {
    let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
    let device = spec.device.map_or(u64::MAX, |device| u64::from(device.0));
    let hash = Hash64::new()
        .bytes(&text(spec.rule.as_deref()))
        .bytes(&text(spec.area.as_ref().map(chengmai_model::AreaCode::as_str)))
        .number(device)
        .bytes(spec.by.as_bytes())
        .number(at.0.cast_unsigned());
    ShelfId(hash.finish())
}
