//! What became of the alarms: counts by desk and rule for every slot, told once when the slot is
//! over. Counts, not rows: a storm has a million alarms an hour, and each is in one of these.

use std::collections::BTreeMap;

use chengmai_model::warning::Held;
use chengmai_model::{AreaId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Bounds, Scene};
use crate::event::Event;
use crate::limits::COUNT_MAX;

/// Counts of one desk, rule and slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmTally {
    /// Start of the slot.
    pub start: Timestamp,
    /// The centre.
    pub operator: AreaId,
    /// Index of the rule in the catalog.
    pub rule: u16,
    /// Alarms of single streams raised.
    pub alarms: u64,
    /// Of those that passed the re-check: they feed a warning that is shown.
    pub shown: u64,
    /// They feed a warning that follows from another.
    pub under_parent: u64,
    /// They feed a warning that is shelved.
    pub shelved: u64,
    /// They feed a warning that is collapsed into a group.
    pub collapsed: u64,
}

impl AlarmTally {
    const fn new(start: Timestamp, operator: AreaId, rule: u16) -> Self {
        Self {
            start,
            operator,
            rule,
            alarms: 0,
            shown: 0,
            under_parent: 0,
            shelved: 0,
            collapsed: 0,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tallies {
    /// By slot, desk and rule.
    open: BTreeMap<(i64, u32, u16), AlarmTally>,
}

impl Tallies {
    pub(super) fn are_sound(&self, bounds: Bounds) -> bool {
        self.open.iter().all(|(&(start, operator, rule), it)| {
            let fates = [it.alarms, it.shown, it.under_parent, it.shelved, it.collapsed];
            (it.start.0, it.operator.0, it.rule) == (start, operator, rule)
                && usize::from(rule) < bounds.rules
                && bounds.hold_area(it.operator)
                && fates.iter().all(|&count| count <= COUNT_MAX)
        })
    }

    pub(super) fn alarm(&mut self, operator: AreaId, rule: u16, scene: &Scene<'_>) {
        self.of(operator, rule, scene).alarms += 1;
    }

    pub(super) fn joined(
        &mut self,
        operator: AreaId,
        rule: u16,
        held: Option<Held>,
        scene: &Scene<'_>,
    ) {
        let tally = self.of(operator, rule, scene);
        *match held {
            None => &mut tally.shown,
            Some(Held::Parent(_)) => &mut tally.under_parent,
            Some(Held::Shelf(_)) => &mut tally.shelved,
            Some(Held::Group(_)) => &mut tally.collapsed,
        } += 1;
    }

    fn of(&mut self, operator: AreaId, rule: u16, scene: &Scene<'_>) -> &mut AlarmTally {
        let start = Timestamp(scene.now).window_start(scene.settings.slot_ms, 0);
        self.open
            .entry((start.0, operator.0, rule))
            .or_insert(AlarmTally::new(start, operator, rule))
    }

    /// Rules have other numbers now.
    pub(super) fn renumber(&mut self, number: impl Fn(u16) -> Option<u16>) {
        let open = std::mem::take(&mut self.open).into_iter();
        self.open = open
            .filter_map(|((start, operator, rule), tally)| {
                let rule = number(rule)?;
                Some(((start, operator, rule), AlarmTally { rule, ..tally }))
            })
            .collect();
    }

    /// Areas have other numbers now; what two desks counted that became one adds up.
    pub(super) fn rearrange(&mut self, scene: &Scene<'_>, map: &impl Fn(AreaId) -> AreaId) {
        for ((start, operator, rule), tally) in std::mem::take(&mut self.open) {
            let operator = scene.operator(map(AreaId(operator)));
            let into = self.open.entry((start, operator.0, rule));
            let into = into.or_insert(AlarmTally::new(Timestamp(start), operator, rule));
            into.alarms += tally.alarms;
            into.shown += tally.shown;
            into.under_parent += tally.under_parent;
            into.shelved += tally.shelved;
            into.collapsed += tally.collapsed;
        }
    }

    /// Tells the slots that are over.
    pub(super) fn tick(&mut self, scene: &Scene<'_>, out: &mut Vec<Event>) {
        let now = Timestamp(scene.now).window_start(scene.settings.slot_ms, 0);
        let current = self.open.split_off(&(now.0, 0, 0));
        let over = std::mem::replace(&mut self.open, current);
        out.extend(over.into_values().map(Event::Tally));
    }
}
