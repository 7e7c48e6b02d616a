//! What people are shown of the warnings that stand: the last step between causes and screens. It
//! joins what came back soon, holds back what follows from a greater warning, what a person shelved
//! and what comes in a flood, and lets it speak as soon as the reason is gone.
//!
//! Nothing is dropped here: every warning goes on, with the reason why it is not shown. Severity 4 is
//! held back by nothing but a person's shelf; what files a case by itself is never collapsed. Not
//! here: alarms and causes
//! (`rule.rs`, `warning.rs`), and figures about all this ([`crate::alarm_quality`]).
//!
//! The steps of one warning have strictly rising times, so that whoever stores them can tell an old
//! step from a new one.

mod bounds;
mod flood;
mod indexed;
mod settings;
mod shelf;
mod tally;

use std::collections::BTreeMap;

use chengmai_model::pack::Cause;
use chengmai_model::warning::{Held, Subject, WarningChange, WarningId, WarningStep};
use chengmai_model::{AreaId, AreaTree, Runs, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, RuleDef};
use crate::event::{AlarmStep, Event};
use crate::warning::{Key, NO_AREA, Warnings, free_key};
pub(crate) use bounds::Bounds;
pub use flood::FloodView;
use flood::Floods;
use indexed::{Indexed, Marked};
pub use settings::AlarmSettings;
use shelf::Shelves;
pub use shelf::{ShelfView, shelf_id};
pub use tally::AlarmTally;
use tally::Tallies;

/// What a step works with.
pub(crate) struct Scene<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) areas: &'a AreaTree,
    /// Device of each stream.
    pub(crate) owners: &'a Runs,
    pub(crate) warnings: &'a Warnings,
    pub(crate) settings: &'a AlarmSettings,
    /// The engine's clock.
    pub(crate) now: i64,
}

impl Scene<'_> {
    fn rule(&self, number: u16) -> &RuleDef {
        &self.catalog.rules()[usize::from(number)]
    }

    /// The centre whose desk shows what happens in an area.
    fn operator(&self, area: AreaId) -> AreaId {
        if self.areas.is_empty() {
            return area;
        }
        self.areas.at_tier(area, self.settings.operator).unwrap_or(area)
    }

    /// True when a consequence in `child` may follow from a cause in `parent`.
    fn reaches(&self, rule: &RuleDef, parent: AreaId, child: AreaId) -> bool {
        if parent == child || self.areas.is_empty() {
            return parent == child;
        }
        let around = |tier| {
            let found = self.areas.at_tier(parent, tier);
            found.is_some() && found == self.areas.at_tier(child, tier)
        };
        self.areas.contains(parent, child) || rule.under_within.is_some_and(around)
    }
}

/// Everything it remembers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Screen {
    standing: Indexed<Standing>,
    /// Causes that went lately: identity, and the time of the last step.
    lately: Indexed<(WarningId, i64)>,
    floods: Floods,
    shelves: Shelves,
    tallies: Tallies,
}

/// A warning whose cause stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Standing {
    /// The identity that its rule gave it: another one than people know when it was reopened.
    own: WarningId,
    /// Its last step.
    last: WarningChange,
    /// When to ask anew whether it may be shown: its parent has gone, and it may go too.
    ask_at: Option<i64>,
}

/// What a standing warning is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    AskAt(i64),
    Held(Held),
}

impl Marked for Standing {
    type Mark = Mark;

    fn marks(&self) -> [Option<Mark>; 2] {
        [self.ask_at.map(Mark::AskAt), self.last.held.map(Mark::Held)]
    }
}

impl Marked for (WarningId, i64) {
    type Mark = i64;

    fn marks(&self) -> [Option<i64>; 2] {
        [Some(self.1), None]
    }
}

impl Screen {
    /// True when nothing in it speaks of a rule, area or stream that is none; `about_area` says
    /// which rules have areas as causes.
    pub(crate) fn is_sound(&self, about_area: impl Fn(u16) -> bool, bounds: Bounds) -> bool {
        let key_fits = |key: &Key| {
            let area = !about_area(key.rule) || key.cause >= NO_AREA;
            bounds.hold_key(*key) && (area || bounds.hold_area(AreaId(key.cause)))
        };
        let mut standing = self.standing.iter();
        standing.all(|(key, it)| {
            key_fits(key) && it.last.rule == key.rule && bounds.hold_change(&it.last)
        }) && self.lately.keys().all(key_fits)
            && self.floods.are_sound(bounds)
            && self.tallies.are_sound(bounds)
    }

    /// Takes what rules and indicators said, from `start` on, and puts in its place what is to be
    /// said.
    pub(crate) fn pass(&mut self, scene: &Scene<'_>, out: &mut Vec<Event>, start: usize) {
        for event in out.split_off(start) {
            match event {
                Event::Warning(change) => self.warning(scene, change, out),
                Event::Alarm(alarm) => {
                    if alarm.step == AlarmStep::Raised {
                        let operator = scene.operator(alarm.area);
                        self.tallies.alarm(operator, alarm.rule, scene);
                    }
                    out.push(event);
                }
                other => out.push(other),
            }
        }
        for key in scene.warnings.joined() {
            let Some(standing) = self.standing.get(key) else { continue };
            let operator = scene.operator(standing.last.area);
            let held = standing.last.held;
            self.tallies.joined(operator, key.rule, held, scene);
            if matches!(held, Some(Held::Shelf(_))) {
                // It may rest on more than the shelved device now.
                self.ask(scene, *key, scene.now, out);
            }
        }
    }

    /// Time passes: shelves and floods end, silent warnings are asked anew, slots are told.
    pub(crate) fn tick(&mut self, scene: &Scene<'_>, out: &mut Vec<Event>) {
        for id in self.shelves.ended(scene.now) {
            self.ask_those_held(Held::Shelf(id), scene.now);
        }
        for key in self.standing.marked(Mark::AskAt(i64::MIN), Mark::AskAt(scene.now)) {
            self.ask(scene, key, scene.now, out);
        }
        self.floods.tick(scene, out);
        let kept_from = scene.now.saturating_sub(scene.settings.reopen_ms);
        for key in self.lately.marked(i64::MIN, kept_from.saturating_sub(1)) {
            self.lately.remove(key);
        }
        self.tallies.tick(scene, out);
    }

    fn warning(&mut self, scene: &Scene<'_>, change: WarningChange, out: &mut Vec<Event>) {
        let key = self.key_of(scene, &change);
        match change.step {
            WarningStep::Cleared => self.cleared(scene, key, change, out),
            WarningStep::Regraded => self.regraded(scene, key, change, out),
            _ => self.raised(scene, key, change, out),
        }
    }

    fn raised(
        &mut self,
        scene: &Scene<'_>,
        key: Key,
        mut change: WarningChange,
        out: &mut Vec<Event>,
    ) {
        let own = change.id;
        if let Some((id, ended)) = self.lately.remove(key)
            && change.at.0.saturating_sub(ended) <= scene.settings.reopen_ms
        {
            (change.id, change.step) = (id, WarningStep::Reopened);
            change.at = after(change.at.0, ended);
        }
        change.held = self.judge(scene, key, &change, out);
        let shown = change.held.is_none();
        out.push(Event::Warning(change.clone()));
        self.standing.insert(key, Standing { own, last: change, ask_at: None });
        if shown {
            self.silence_consequences(scene, key, out);
        }
    }

    fn regraded(
        &mut self,
        scene: &Scene<'_>,
        key: Key,
        change: WarningChange,
        out: &mut Vec<Event>,
    ) {
        let Some(standing) = self.standing.get(&key) else { return };
        let last = &standing.last;
        let (id, held, worse) = (last.id, last.held, change.severity > last.severity);
        let at = after(change.at.0, last.at.0);
        let change = WarningChange { id, held, at, ..change };
        self.standing.change(key, |standing| standing.last = change.clone());
        out.push(Event::Warning(change));
        if held.is_some() {
            self.ask(scene, key, at.0, out);
        } else if worse {
            self.silence_consequences(scene, key, out);
        } else {
            // What is worse than its cause speaks for itself.
            self.ask_those_held(Held::Parent(id), scene.now);
        }
    }

    fn cleared(
        &mut self,
        scene: &Scene<'_>,
        key: Key,
        mut change: WarningChange,
        out: &mut Vec<Event>,
    ) {
        let Some(Standing { last, .. }) = self.standing.remove(key) else { return };
        (change.id, change.held) = (last.id, last.held);
        change.at = after(change.at.0, last.at.0);
        change.chattering = last.chattering;
        self.lately.insert(key, (change.id, change.at.0));
        let (id, at) = (change.id, change.at);
        out.push(Event::Warning(change));
        if let Some(Held::Group(group)) = last.held {
            self.floods.leave(group, key, at.0, out);
        }
        // Its consequences mostly go with it: they are asked when they had time to.
        self.ask_those_held(Held::Parent(id), scene.now.saturating_add(scene.settings.settle_ms));
    }

    /// Rule and cause of a warning, as [`Warnings`] counts them; of an indicator the area.
    fn key_of(&self, scene: &Scene<'_>, change: &WarningChange) -> Key {
        let by_device = match (&scene.rule(change.rule).compiled, change.subject) {
            (Some(rule), Subject::Stream(stream)) if rule.cause == Cause::Device => {
                scene.owners.get(stream.0 as usize)
            }
            _ => None,
        };
        let key = Key { rule: change.rule, cause: by_device.unwrap_or(change.area.0) };
        let own = |standing: &Standing| standing.own == change.id;
        if change.step == WarningStep::Raised || self.standing.get(&key).is_some_and(|it| own(it)) {
            return key;
        }
        // Its area became part of another one, in which such a warning stood.
        self.of_rule(change.rule).find(|(_, standing)| own(standing)).map_or(key, |(key, _)| key)
    }

    /// Why a warning that is about to be shown is not to be; and if it is, it counts for the desk.
    fn judge(
        &mut self,
        scene: &Scene<'_>,
        key: Key,
        change: &WarningChange,
        out: &mut Vec<Event>,
    ) -> Option<Held> {
        if let Some(held) = self.covered(scene, key, change) {
            return Some(held);
        }
        self.floods.judge(scene, key, change, out).map(Held::Group)
    }

    /// Held back by a shelf or by the warning it follows from.
    fn covered(&mut self, scene: &Scene<'_>, key: Key, change: &WarningChange) -> Option<Held> {
        if let Some(shelf) = self.shelves.covering(scene, key, change) {
            return Some(Held::Shelf(shelf));
        }
        self.parent(scene, change).map(Held::Parent)
    }

    /// A warning that stands, is not shelved, is at least as bad, and explains this one.
    fn parent(&self, scene: &Scene<'_>, change: &WarningChange) -> Option<WarningId> {
        if change.severity == Severity::EXTREME {
            return None;
        }
        let rule = scene.rule(change.rule);
        let found = rule.parents.iter().flat_map(|&parent| self.of_rule(parent)).find(|(_, s)| {
            let parent = &s.last;
            parent.severity >= change.severity
                && !matches!(parent.held, Some(Held::Shelf(_)))
                && scene.reaches(rule, parent.area, change.area)
        });
        found.map(|(_, standing)| standing.last.id)
    }

    fn of_rule(&self, rule: u16) -> impl Iterator<Item = (Key, &Standing)> {
        let keys = Key { rule, cause: 0 }..=Key { rule, cause: u32::MAX };
        self.standing.range(keys).map(|(key, standing)| (*key, &**standing))
    }

    /// A warning is shown, or got worse: what follows from it and is shown falls silent.
    fn silence_consequences(&mut self, scene: &Scene<'_>, key: Key, out: &mut Vec<Event>) {
        let children = &scene.rule(key.rule).children;
        let shown: Vec<Key> = children
            .iter()
            .flat_map(|&child| self.of_rule(child))
            .filter(|(_, standing)| standing.last.held.is_none())
            .map(|(key, _)| key)
            .collect();
        for child in shown {
            let change = &self.standing[&child].last;
            if let Some(parent) = self.parent(scene, change) {
                self.hold(child, Some(Held::Parent(parent)), scene.now, out);
            }
        }
    }

    /// Says that it is held back, or that it is not any more.
    fn hold(&mut self, key: Key, held: Option<Held>, at: i64, out: &mut Vec<Event>) {
        let told = self.standing.change(key, |Standing { last, .. }| {
            last.step = if held.is_some() { WarningStep::Held } else { WarningStep::Released };
            last.held = held;
            last.at = after(at, last.at.0);
            last.clone()
        });
        out.extend(told.map(Event::Warning));
    }

    fn ask_those_held(&mut self, held: Held, at: i64) {
        for key in self.standing.marked(Mark::Held(held), Mark::Held(held)) {
            self.standing.change(key, |standing| {
                standing.ask_at = Some(standing.ask_at.map_or(at, |before| before.min(at)));
            });
        }
    }

    /// Asks anew why a warning is silent, and lets it speak when nothing says so any more.
    fn ask(&mut self, scene: &Scene<'_>, key: Key, at: i64, out: &mut Vec<Event>) {
        let asked = self.standing.change(key, |standing| {
            standing.ask_at = None;
            standing.last.clone()
        });
        let Some((before, change)) = asked.and_then(|it| Some((it.held?, it))) else { return };
        if let Held::Group(group) = before {
            let stays = flood::collapsible(scene.rule(change.rule), change.severity);
            if stays && self.floods.regrade(group, key, change.severity, at, out) {
                return;
            }
            self.floods.leave(group, key, at, out);
        }
        let held = self.judge(scene, key, &change, out);
        if held == Some(before) {
            return;
        }
        self.hold(key, held, at, out);
        if held.is_none() {
            self.silence_consequences(scene, key, out);
        }
    }

    /// A person's order. Told again, as after a restart, it changes nothing.
    pub(crate) fn order(
        &mut self,
        scene: &Scene<'_>,
        order: &chengmai_model::Order,
        out: &mut Vec<Event>,
    ) {
        match order {
            chengmai_model::Order::Shelve { id, spec } => {
                if !self.shelves.put(*id, spec, scene.now) {
                    return;
                }
                let shown: Vec<Key> = self
                    .standing
                    .iter()
                    .filter(|(_, s)| s.last.held.is_none())
                    .map(|(key, _)| *key)
                    .collect();
                for key in shown {
                    let change = self.standing[&key].last.clone();
                    if let Some(shelf) = self.shelves.covering(scene, key, &change) {
                        self.hold(key, Some(Held::Shelf(shelf)), scene.now, out);
                        // What a shelved warning explained is not explained any more.
                        self.ask_those_held(Held::Parent(change.id), scene.now);
                    }
                }
            }
            chengmai_model::Order::Unshelve { id, .. } => {
                if self.shelves.remove(*id) {
                    self.ask_those_held(Held::Shelf(*id), scene.now);
                }
            }
            // The windows'.
            chengmai_model::Order::Correct(_) => {}
        }
    }

    /// Rules have other numbers now; what stands of a rule that is gone is forgotten with it.
    pub(crate) fn renumber(&mut self, numbers: &[Option<u16>]) {
        let number = |rule: u16| numbers.get(usize::from(rule)).copied().flatten();
        let renamed = |key: Key| Some(Key { rule: number(key.rule)?, ..key });
        let mut gone = Vec::new();
        for (key, mut standing) in self.standing.take() {
            match renamed(key) {
                Some(key) => {
                    standing.last.rule = key.rule;
                    self.standing.insert(key, standing);
                }
                None => gone.push(standing.last.id),
            }
        }
        for id in gone {
            self.ask_those_held(Held::Parent(id), i64::MIN);
        }
        let lately = self.lately.take();
        self.lately = lately.filter_map(|(key, it)| Some((renamed(key)?, it))).collect();
        self.floods.renumber(renamed);
        self.tallies.renumber(number);
    }

    /// Areas have other numbers now, and warnings of readings the keys of `moved`. Where two desks
    /// become one, so do their groups.
    pub(crate) fn rearrange(
        &mut self,
        scene: &Scene<'_>,
        moved: &BTreeMap<Key, Key>,
        map: &impl Fn(AreaId) -> AreaId,
        out: &mut Vec<Event>,
    ) {
        let by_device = |key: Key| {
            let compiled = scene.rule(key.rule).compiled.as_ref();
            compiled.is_some_and(|rule| rule.cause == Cause::Device)
        };
        let about = |key: Key| match moved.get(&key) {
            Some(to) => *to,
            None if by_device(key) || key.cause >= NO_AREA => key,
            None => Key { cause: map(AreaId(key.cause)).0, ..key },
        };
        let mut keys = BTreeMap::new();
        for (key, mut standing) in self.standing.take() {
            let to = free_key(about(key), &self.standing);
            let last = &mut standing.last;
            last.area = map(last.area);
            if let Subject::Indicator { area, .. } = &mut last.subject {
                *area = map(*area);
            }
            self.standing.insert(to, standing);
            keys.insert(key, to);
        }
        let lately = self.lately.take();
        self.lately = lately.map(|(key, it)| (about(key), it)).collect();
        self.tallies.rearrange(scene, map);
        for group in self.floods.rearrange(scene, &keys, map, out) {
            self.ask_those_held(Held::Group(group), scene.now);
        }
    }

    /// Shelves that have not ended, and how many standing warnings each holds back.
    pub(crate) fn shelves(&self, inside: &impl Fn(AreaId) -> bool) -> Vec<ShelfView> {
        let holds = |id| {
            let mark = Mark::Held(Held::Shelf(id));
            let held = self.standing.marked(mark, mark).into_iter();
            held.filter(|key| inside(self.standing[key].last.area)).count() as u64
        };
        self.shelves.views(holds)
    }

    /// Desks in flood now.
    pub(crate) fn floods(&self) -> Vec<FloodView> {
        self.floods.views()
    }
}

/// The time of a step that comes after another.
fn after(at: i64, before: i64) -> Timestamp {
    Timestamp(at.max(before.saturating_add(1)))
}

#[cfg(test)]
mod tests;
