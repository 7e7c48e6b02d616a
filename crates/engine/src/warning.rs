//! Warnings 预警 that stand: one for each rule and cause, however many alarms feed it. Its identity
//! is a hash of rule, cause and the first reading, so that a replay gives the same and a restart
//! cannot raise it twice.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chengmai_model::warning::{Evidence, Subject, WarningChange, WarningId, WarningStep};
use chengmai_model::{AreaId, AreaTree, Severity, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::hash::Hash64;
use crate::shared_map::SharedMap;

/// Which warning: rule and cause (device number or area number, as the rule says).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) rule: u16,
    pub(crate) cause: u32,
}

impl Key {
    pub(crate) const FIRST: Self = Self { rule: 0, cause: 0 };
    pub(crate) const LAST: Self = Self { rule: u16::MAX, cause: u32::MAX };

    const fn as_number(self) -> u64 {
        ((self.rule as u64) << 32) | self.cause as u64
    }
}

/// By rule, then cause: in one comparison, because every alarm looks for its key in several maps.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_number().cmp(&other.as_number())
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Causes from here on are numbers of no area: those of areas that became part of another one.
pub(crate) const NO_AREA: u32 = 1 << 31;
/// No cause has this number or a higher one: so many areas never became part of others.
pub(crate) const CAUSE_END: u32 = 3 << 30;

/// The reading (or silence) that moves a warning.
pub(crate) struct Mover<'a> {
    pub(crate) stream: StreamId,
    pub(crate) grade: u8,
    pub(crate) value: f64,
    pub(crate) at: Timestamp,
    /// Its alarm comes and goes so fast that its off delay was lengthened.
    pub(crate) chattering: bool,
    pub(crate) evidence: &'a dyn Fn() -> Vec<Evidence>,
}

/// All warnings of readings that stand.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Warnings {
    active: SharedMap<Key, Active>,
    /// Warnings that an alarm joined since this was last taken up.
    #[serde(skip)]
    joined: Vec<Key>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Active {
    id: WarningId,
    severity: u8,
    first: StreamId,
    area: AreaId,
    /// Grade of every stream whose alarm feeds it.
    members: BTreeMap<u32, u8>,
    /// How many members have each grade.
    by_grade: [u32; 5],
    /// Some member chattered.
    chattering: bool,
}

impl Active {
    /// Its severity is one, and its members are those that it counts.
    fn is_sound(&self) -> bool {
        let mut by_grade = [0; 5];
        for &grade in self.members.values() {
            match by_grade.get_mut(usize::from(grade)) {
                Some(count) => *count += 1,
                None => return false,
            }
        }
        (1..=4).contains(&self.severity) && by_grade == self.by_grade
    }

    fn set(&mut self, stream: StreamId, grade: Option<u8>) {
        let before = match grade {
            Some(grade) => self.members.insert(stream.0, grade),
            None => self.members.remove(&stream.0),
        };
        if let Some(before) = before {
            self.by_grade[usize::from(before)] -= 1;
        }
        if let Some(grade) = grade {
            self.by_grade[usize::from(grade)] += 1;
        }
    }

    fn worst(&self) -> u8 {
        (1..=4).rev().find(|&grade| self.by_grade[usize::from(grade)] > 0).unwrap_or(self.severity)
    }

    fn change(&self, key: Key, step: WarningStep, mover: &Mover<'_>) -> Event {
        Event::Warning(WarningChange {
            id: self.id,
            step,
            rule: key.rule,
            subject: Subject::Stream(self.first),
            area: self.area,
            severity: severity(self.severity),
            value: mover.value,
            at: mover.at,
            evidence: (mover.evidence)(),
            held: None,
            chattering: self.chattering,
        })
    }
}

impl Warnings {
    /// False for what no warnings are, where there are so many areas and streams. `about_area` tells
    /// whether the cause of a rule's warnings is an area, if there is such a rule.
    pub(crate) fn are_sound(
        &self,
        about_area: impl Fn(u16) -> Option<bool>,
        areas: usize,
        streams: usize,
    ) -> bool {
        self.active.iter().all(|(key, active)| {
            let cause_fits = about_area(key.rule).is_some_and(|about_area| {
                !about_area || (key.cause as usize) < areas || key.cause >= NO_AREA
            });
            cause_fits
                && key.cause < CAUSE_END
                && (active.area.0 as usize) < areas
                && (active.first.0 as usize) < streams
                && active.is_sound()
        })
    }

    /// The areas have other numbers now. A warning keeps its identity and its alarms; where two areas
    /// with a warning of one rule became one, both stand until their alarms clear, and new alarms join
    /// the first. Returns what became of each key.
    pub(crate) fn rearrange(
        &mut self,
        about_area: &impl Fn(u16) -> bool,
        map: &impl Fn(AreaId) -> AreaId,
    ) -> BTreeMap<Key, Key> {
        let mut moved = BTreeMap::new();
        for (key, mut active) in self.active.take() {
            let mut to = key;
            if about_area(key.rule) && key.cause < NO_AREA {
                to.cause = map(AreaId(key.cause)).0;
            }
            to = free_key(to, &self.active);
            active.area = map(active.area);
            self.active.insert(to, active);
            moved.insert(key, to);
        }
        moved
    }

    /// Streams whose alarms feed a warning.
    pub(crate) fn members(&self, key: Key) -> impl Iterator<Item = u32> {
        self.active.get(&key).into_iter().flat_map(|active| active.members.keys().copied())
    }

    /// Warnings that an alarm joined since [`Self::forget_joined`].
    pub(crate) fn joined(&self) -> &[Key] {
        &self.joined
    }

    pub(crate) fn forget_joined(&mut self) {
        self.joined.clear();
    }

    /// A stream's alarm, re-checked and graded, joins the warning of its cause or raises it.
    pub(crate) fn join(
        &mut self,
        key: Key,
        id: impl FnOnce() -> WarningId,
        area: AreaId,
        mover: &Mover<'_>,
        out: &mut Vec<Event>,
    ) {
        self.joined.push(key);
        if self.active.contains_key(&key) {
            self.regrade(key, mover, out);
            return;
        }
        let mut active = Active {
            id: id(),
            severity: mover.grade,
            first: mover.stream,
            area,
            members: BTreeMap::new(),
            by_grade: [0; 5],
            chattering: mover.chattering,
        };
        active.set(mover.stream, Some(mover.grade));
        out.push(active.change(key, WarningStep::Raised, mover));
        self.active.insert(key, active);
    }

    /// Rules have other numbers now; warnings of one that is gone are forgotten.
    pub(crate) fn renumber(&mut self, numbers: &[Option<u16>]) {
        let number = |rule: u16| numbers.get(usize::from(rule)).copied().flatten();
        let renamed = |(key, it): (Key, Active)| Some((Key { rule: number(key.rule)?, ..key }, it));
        self.active = self.active.take().filter_map(renamed).collect();
    }

    /// A member's grade is now the mover's.
    pub(crate) fn regrade(&mut self, key: Key, mover: &Mover<'_>, out: &mut Vec<Event>) {
        let Some(active) = self.active.get_mut(&key) else { return };
        active.set(mover.stream, Some(mover.grade));
        let worst = active.worst();
        let chatters = mover.chattering && !active.chattering;
        if worst != active.severity || chatters {
            active.severity = worst;
            active.chattering |= chatters;
            out.push(active.change(key, WarningStep::Regraded, mover));
        }
    }

    /// A member's alarm is over; with the last one the warning is.
    pub(crate) fn leave(&mut self, key: Key, mover: &Mover<'_>, out: &mut Vec<Event>) {
        let Some(active) = self.active.get_mut(&key) else { return };
        active.set(mover.stream, None);
        if active.members.is_empty() {
            out.push(active.change(key, WarningStep::Cleared, mover));
            self.active.remove(&key);
            return;
        }
        let worst = active.worst();
        if worst != active.severity {
            active.severity = worst;
            out.push(active.change(key, WarningStep::Regraded, mover));
        }
    }
}

/// The identity of a warning: rule by its text, cause by its text or number, and what makes this
/// time different from the last.
pub(crate) fn identity(rule: &str, cause: &str, occasion: u64) -> WarningId {
    WarningId(
        Hash64::new().bytes(rule.as_bytes()).bytes(cause.as_bytes()).number(occasion).finish(),
    )
}

/// That key, or when it is taken one of no area.
pub(crate) fn free_key<T>(mut key: Key, taken: &BTreeMap<Key, T>) -> Key {
    while taken.contains_key(&key) {
        key.cause = key.cause.max(NO_AREA - 1) + 1;
    }
    key
}

/// The code of an area, for identities: numbers of areas change with the file, codes do not.
pub(crate) fn area_code(areas: &AreaTree, area: AreaId) -> &str {
    if areas.is_empty() { "" } else { areas.get(area).row.code.as_str() }
}

/// A grade as severity.
pub(crate) fn severity(grade: u8) -> Severity {
    Severity::new(grade.clamp(1, 4)).expect("1 to 4")
}
