//! Floods: when too many warnings reach one desk at once, those that follow are collapsed into one
//! group warning for each pack, which names the first and lists all. Every arrival counts, collapsed
//! or not, so a flood does not end by being hidden.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use chengmai_model::warning::{Subject, WarningChange, WarningId, WarningStep};
use chengmai_model::{AreaId, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::indexed::{Indexed, Marked};
use super::{Bounds, Scene, after};
use crate::catalog::RuleDef;
use crate::event::Event;
use crate::warning::{Key, area_code, identity};

/// A desk in flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodView {
    /// The centre.
    pub operator: AreaId,
    /// Since when.
    pub since: Timestamp,
    /// Warnings in its groups that still stand.
    pub collapsed: u64,
}

/// All desks and groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Floods {
    desks: BTreeMap<u32, Desk>,
    /// By desk and pack.
    groups: BTreeMap<(u32, u16), Group>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Desk {
    /// The newest arrivals, as many as are needed to tell a flood.
    arrivals: VecDeque<i64>,
    flood_since: Option<i64>,
}

/// Warnings shown as one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Group {
    last: WarningChange,
    /// Those that stand.
    members: Indexed<Severity>,
}

/// The last mark is the worst.
impl Marked for Severity {
    type Mark = Self;

    fn marks(&self) -> [Option<Self>; 2] {
        [Some(*self), None]
    }
}

impl Desk {
    /// Notes an arrival; true when it comes in a flood.
    fn arrives(&mut self, scene: &Scene<'_>) -> bool {
        let most = usize::from(scene.settings.collapse_begins);
        self.forget(scene);
        self.arrivals.push_back(scene.now);
        if self.arrivals.len() > most {
            self.flood_since.get_or_insert(scene.now);
        }
        if self.arrivals.len() > most + 1 {
            self.arrivals.pop_front();
        }
        self.flood_since.is_some()
    }

    fn forget(&mut self, scene: &Scene<'_>) {
        let from = scene.now.saturating_sub(scene.settings.slot_ms);
        while self.arrivals.front().is_some_and(|&at| at <= from) {
            self.arrivals.pop_front();
        }
        if self.arrivals.len() < usize::from(scene.settings.collapse_ends) {
            self.flood_since = None;
        }
    }
}

impl Group {
    fn say(&mut self, step: WarningStep, at: i64, out: &mut Vec<Event>) {
        self.last.step = step;
        self.last.at = after(at, self.last.at.0);
        out.push(Event::Warning(self.last.clone()));
    }

    /// Follows its members: it is as bad as the worst that stands.
    fn follow(&mut self, at: i64, out: &mut Vec<Event>) {
        let Some(severity) = self.members.last_mark() else { return };
        if severity != self.last.severity {
            self.last.severity = severity;
            self.say(WarningStep::Regraded, at, out);
        }
    }
}

/// May be shown as one of a group: not the worst, and no case hangs on it.
pub(super) fn collapsible(rule: &RuleDef, severity: Severity) -> bool {
    severity < Severity::EXTREME && rule.files_at.is_none_or(|at| severity < at)
}

impl Floods {
    pub(super) fn are_sound(&self, bounds: Bounds) -> bool {
        self.desks.keys().all(|&operator| bounds.hold_area(AreaId(operator)))
            && self.groups.iter().all(|(&(operator, pack), group)| {
                group.last.subject == Subject::Group { pack }
                    && bounds.hold_area(AreaId(operator))
                    && bounds.hold_change(&group.last)
                    && group.members.keys().all(|key| bounds.hold_key(*key))
            })
    }

    /// A warning arrives at its desk: the group it is to be shown in, if it comes in a flood.
    pub(super) fn judge(
        &mut self,
        scene: &Scene<'_>,
        key: Key,
        change: &WarningChange,
        out: &mut Vec<Event>,
    ) -> Option<WarningId> {
        let operator = scene.operator(change.area);
        let flood = self.desks.entry(operator.0).or_default().arrives(scene);
        let rule = scene.rule(change.rule);
        if !flood || !collapsible(rule, change.severity) {
            return None;
        }
        let group = self.groups.entry((operator.0, rule.pack)).or_insert_with(|| {
            let code = area_code(scene.areas, operator);
            let pack = &scene.catalog.pack(rule.pack).head.id;
            // A warning that comes back has its old identity and may be the first of a group again.
            let occasion = change.id.0.wrapping_add(scene.now.cast_unsigned());
            let last = WarningChange {
                id: identity(&format!("group {pack}"), code, occasion),
                step: WarningStep::Raised,
                subject: Subject::Group { pack: rule.pack },
                area: operator,
                at: Timestamp(scene.now),
                held: None,
                chattering: false,
                ..change.clone()
            };
            out.push(Event::Warning(last.clone()));
            Group { last, members: Indexed::default() }
        });
        group.members.insert(key, change.severity);
        group.follow(scene.now, out);
        Some(group.last.id)
    }

    /// A member got worse or milder; false when there is no such group any more.
    pub(super) fn regrade(
        &mut self,
        id: WarningId,
        key: Key,
        severity: Severity,
        at: i64,
        out: &mut Vec<Event>,
    ) -> bool {
        let Some(group) = self.groups.values_mut().find(|group| group.last.id == id) else {
            return false;
        };
        group.members.insert(key, severity);
        group.follow(at, out);
        true
    }

    /// A member is gone, or is shown by itself.
    pub(super) fn leave(&mut self, id: WarningId, key: Key, at: i64, out: &mut Vec<Event>) {
        let Some(group) = self.groups.values_mut().find(|group| group.last.id == id) else {
            return;
        };
        group.members.remove(key);
        group.follow(at, out);
    }

    /// Floods end; groups end when nothing in them stands and nothing more can join.
    pub(super) fn tick(&mut self, scene: &Scene<'_>, out: &mut Vec<Event>) {
        for desk in self.desks.values_mut() {
            desk.forget(scene);
        }
        self.desks.retain(|_, desk| !desk.arrivals.is_empty());
        let over = |operator: u32, group: &Group| {
            let desk = || self.desks.get(&operator);
            group.members.is_empty() && desk().is_none_or(|desk| desk.flood_since.is_none())
        };
        let over: Vec<(u32, u16)> =
            self.groups.iter().filter(|((o, _), g)| over(*o, g)).map(|(key, _)| *key).collect();
        for key in over {
            if let Some(mut group) = self.groups.remove(&key) {
                group.say(WarningStep::Cleared, scene.now, out);
            }
        }
    }

    /// Rules have other numbers now. A group whose first rule is gone goes by another member's.
    pub(super) fn renumber(&mut self, renamed: impl Fn(Key) -> Option<Key>) {
        self.groups.retain(|_, group| {
            let members = group.members.take();
            group.members = members.filter_map(|(key, s)| Some((renamed(key)?, s))).collect();
            let own = renamed(Key { rule: group.last.rule, cause: 0 });
            let rule = own.or_else(|| group.members.keys().next().copied());
            group.last.rule = rule.map_or(group.last.rule, |key| key.rule);
            rule.is_some()
        });
    }

    /// Areas and warnings have other numbers now. Where two desks become one, the second group of a
    /// pack ends; those that ended are returned, for their members to be asked anew.
    pub(super) fn rearrange(
        &mut self,
        scene: &Scene<'_>,
        keys: &BTreeMap<Key, Key>,
        map: &impl Fn(AreaId) -> AreaId,
        out: &mut Vec<Event>,
    ) -> Vec<WarningId> {
        let of_desk = |operator: u32| scene.operator(map(AreaId(operator))).0;
        for (operator, desk) in std::mem::take(&mut self.desks) {
            let into = self.desks.entry(of_desk(operator)).or_default();
            into.arrivals.extend(desk.arrivals);
            into.arrivals.make_contiguous().sort_unstable();
            let both = into.flood_since.into_iter().chain(desk.flood_since);
            into.flood_since = both.min();
        }
        let mut ended = Vec::new();
        for ((operator, pack), mut group) in std::mem::take(&mut self.groups) {
            let operator = of_desk(operator);
            group.last.area = AreaId(operator);
            let members = group.members.take();
            group.members = members.filter_map(|(key, s)| Some((*keys.get(&key)?, s))).collect();
            match self.groups.entry((operator, pack)) {
                Entry::Vacant(place) => {
                    place.insert(group);
                }
                Entry::Occupied(_) => {
                    group.say(WarningStep::Cleared, scene.now, out);
                    ended.push(group.last.id);
                }
            }
        }
        ended
    }

    pub(super) fn views(&self) -> Vec<FloodView> {
        let view = |(&operator, desk): (&u32, &Desk)| {
            let groups = self.groups.range((operator, 0)..=(operator, u16::MAX));
            Some(FloodView {
                operator: AreaId(operator),
                since: Timestamp(desk.flood_since?),
                collapsed: groups.map(|(_, group)| group.members.len() as u64).sum(),
            })
        };
        self.desks.iter().filter_map(view).collect()
    }
}
