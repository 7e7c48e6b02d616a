//! A group: indicators over the same kinds, window width, tiers and coverage. What they show of an area
//! (which window, how many readings, how sure) is the same for all of them, so it is kept and worked
//! out once; only the value is each one's own.
//!
//! Invariant: asking again about an area where nothing changed changes nothing, so a tick only looks at
//! what was touched.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_model::{AreaId, Tier};
use serde::{Deserialize, Serialize};

use super::NO_WINDOW;
use super::sheet::{Frame, NO_NODE, Sheet};
use crate::limits::is_time;
use crate::pages::{Pages, Plain};
use crate::window::Pane;

const NO_SLOT: u32 = u32::MAX;

/// Areas that a group follows, and what is shown of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    /// Its indicators; the first stands for all where they are alike.
    #[serde(skip)]
    pub(super) members: Vec<u16>,
    /// Start of the present window by the clock, as of the last tick.
    present: i64,
    /// Tiers on which it is followed.
    #[serde(skip)]
    tiers: Vec<Tier>,
    /// Area of each slot.
    #[serde(skip)]
    pub(super) areas: Vec<u32>,
    /// For each slot and each kind, the node in that kind's tree.
    #[serde(skip)]
    nodes: Vec<u32>,
    /// For each kind, the slot of each node.
    #[serde(skip)]
    slot_of: Vec<Vec<u32>>,
    #[serde(skip)]
    pub(super) shown: Pages<Shown>,
    /// Versions of the registrations it was last worked out with.
    #[serde(skip)]
    version: u64,
    /// Worked out at least once since the program started.
    #[serde(skip)]
    known: bool,
    /// Start of the oldest window that was there at the last tick.
    #[serde(skip)]
    oldest: i64,
    #[serde(skip)]
    marks: Vec<bool>,
}

/// What is shown of an area, but for the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shown {
    pub(super) window_start: i64,
    pub(super) readings: u64,
    pub(super) coverage: f32,
    pub(super) uncertain: bool,
}

impl Default for Shown {
    fn default() -> Self {
        Self { window_start: NO_WINDOW, readings: 0, coverage: 0.0, uncertain: false }
    }
}

impl Plain for Shown {
    const BYTES: usize = 24;

    fn put(self, out: &mut Vec<u8>) {
        self.window_start.cast_unsigned().put(out);
        self.readings.put(out);
        self.coverage.to_bits().put(out);
        u32::from(self.uncertain).put(out);
    }

    fn take(bytes: &[u8]) -> Self {
        Self {
            window_start: u64::take(&bytes[..8]).cast_signed(),
            readings: u64::take(&bytes[8..16]),
            coverage: f32::from_bits(u32::take(&bytes[16..20])),
            uncertain: u32::take(&bytes[20..]) != 0,
        }
    }
}

/// What a tick has to work out, for all indicators of a group.
pub(super) struct Round<'a> {
    pub(super) due: Vec<Due>,
    /// For each due area and each kind, the accumulator of the window to show.
    pub(super) words: Vec<&'a [u64]>,
    /// For each due area and each kind, the node.
    pub(super) nodes: Vec<u32>,
    /// The pane of the same.
    pub(super) panes: Vec<Option<&'a Pane>>,
    pub(super) kinds: usize,
    /// The window that was the present one until this tick.
    pub(super) left: Option<i64>,
}

/// An area to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) slot: u32,
    pub(super) area: u32,
    /// There is a window whose value is to be worked out; else the last value stands.
    pub(super) fresh: bool,
    /// That window comes after the one shown before.
    pub(super) onward: bool,
    /// A screen would show the same window, coverage and doubt as before.
    pub(super) same: bool,
    pub(super) before: i64,
    pub(super) now: Shown,
}

impl Group {
    pub(super) fn new(tiers: Vec<Tier>) -> Self {
        Self {
            members: Vec::new(),
            present: NO_WINDOW,
            tiers,
            areas: Vec::new(),
            nodes: Vec::new(),
            slot_of: Vec::new(),
            shown: Pages::default(),
            version: 0,
            known: false,
            oldest: NO_WINDOW,
            marks: Vec::new(),
        }
    }

    /// Goes on with what a snapshot says of a group that was made alike; `None` for what none has.
    /// `tier` tells the tier of an area, if there is one of that number.
    pub(super) fn restore(
        &mut self,
        present: i64,
        areas: Vec<u32>,
        shown: Pages<Shown>,
        tier: impl Fn(u32) -> Option<Tier>,
    ) -> Option<()> {
        let followed = |&area: &u32| tier(area).is_some_and(|tier| self.follows(tier));
        let is_start = |start: i64| start == NO_WINDOW || is_time(start);
        let sound = is_start(present)
            && areas.iter().all(followed)
            && areas.iter().collect::<BTreeSet<_>>().len() == areas.len()
            && shown.as_slice().iter().all(|shown| is_start(shown.window_start));
        self.present = present;
        self.areas = areas;
        self.shown = shown;
        sound.then_some(())
    }

    /// The indicator that stands for all.
    pub(super) fn lead(&self) -> u16 {
        self.members.first().copied().unwrap_or_default()
    }

    pub(super) fn present(&self) -> i64 {
        self.present
    }

    pub(super) fn follows(&self, tier: Tier) -> bool {
        self.tiers.contains(&tier)
    }

    /// Makes slots for areas that are new in one of the trees.
    pub(super) fn grow(&mut self, sheet: &Sheet<'_>) {
        let kinds = sheet.trees.len();
        self.slot_of.resize(kinds, Vec::new());
        self.nodes.resize(self.areas.len() * kinds, NO_NODE);
        for kind in 0..kinds {
            for node in self.slot_of[kind].len()..sheet.trees[kind].len() {
                let area = sheet.trees[kind].areas[node];
                let slot = if self.follows(sheet.tier(area)) {
                    self.slot_or_add(sheet, kind, node, area)
                } else {
                    NO_SLOT
                };
                self.slot_of[kind].push(slot);
            }
        }
        self.marks.resize(self.areas.len(), false);
    }

    fn slot_or_add(&mut self, sheet: &Sheet<'_>, kind: usize, node: usize, area: u32) -> u32 {
        let kinds = sheet.trees.len();
        let slot = self.find(sheet, AreaId(area)).unwrap_or_else(|| {
            self.areas.push(area);
            self.shown.push(Shown::default());
            self.nodes.extend(std::iter::repeat_n(NO_NODE, kinds));
            self.areas.len() - 1
        });
        self.nodes[slot * kinds + kind] = u32::try_from(node).expect("nodes are u32");
        u32::try_from(slot).expect("at most one slot an area")
    }

    /// Finds nodes and slots of the areas of a snapshot. Nodes that came after the last tick, behind
    /// all others, are left to the next one.
    pub(super) fn index(&mut self, sheet: &Sheet<'_>) {
        let kinds = sheet.trees.len();
        let slots: BTreeMap<u32, u32> = self.areas.iter().copied().zip(0..).collect();
        self.nodes = vec![NO_NODE; self.areas.len() * kinds];
        self.slot_of = vec![Vec::new(); kinds];
        for (kind, tree) in sheet.trees.iter().enumerate() {
            for (node, area) in (0_u32..).zip(&tree.areas) {
                let slot = match slots.get(area) {
                    Some(&slot) => slot,
                    None if self.follows(sheet.tier(*area)) => break,
                    None => NO_SLOT,
                };
                if slot != NO_SLOT {
                    self.nodes[slot as usize * kinds + kind] = node;
                }
                self.slot_of[kind].push(slot);
            }
        }
    }

    /// The slot of an area.
    pub(super) fn find(&self, sheet: &Sheet<'_>, area: AreaId) -> Option<usize> {
        sheet.trees.iter().zip(&self.slot_of).find_map(|(tree, slots)| {
            let node = tree.find(area)?;
            let slot = *slots.get(node as usize)?;
            (slot != NO_SLOT).then_some(slot as usize)
        })
    }

    /// What was shown of an area stands until its windows are looked at; of two areas that became one
    /// what was shown first.
    pub(super) fn take_over(&mut self, slot: usize, was: Shown) {
        if self.shown[slot].window_start == NO_WINDOW {
            *self.shown.get_mut(slot) = was;
        }
    }

    /// Nodes of a slot, one for each kind.
    pub(super) fn nodes(&self, slot: usize, kinds: usize) -> &[u32] {
        &self.nodes[slot * kinds..(slot + 1) * kinds]
    }

    /// Chooses the window to show of every area that was touched or waits.
    pub(super) fn tick<'a>(
        &mut self,
        sheet: &Sheet<'a>,
        frames: &[Frame<'a>],
        waiting: impl Iterator<Item = u32>,
    ) -> Round<'a> {
        let (present, version) = (sheet.present(), sheet.version());
        let advanced = self.present != present;
        let left = Some(self.present).filter(|&left| advanced && left != NO_WINDOW);
        let all = advanced || self.version != version || !self.known;
        (self.present, self.version, self.known) = (present, version, true);
        let oldest = frames.iter().map(|frame| frame.start).min().unwrap_or(i64::MAX);
        let dropped = std::mem::replace(&mut self.oldest, oldest) != oldest;
        if all {
            self.marks.fill(true);
        } else {
            self.mark_touched(sheet);
            if dropped {
                // What is shown may be gone, and a start would look at it again.
                let gone = self.shown.as_slice().iter().map(|shown| shown.window_start < oldest);
                self.marks.iter_mut().zip(gone).for_each(|(mark, gone)| *mark |= gone);
            }
            waiting.for_each(|slot| self.marks[slot as usize] = true);
        }
        let kinds = sheet.trees.len();
        let mut round = Round {
            due: Vec::new(),
            words: Vec::new(),
            nodes: Vec::new(),
            panes: Vec::new(),
            kinds,
            left,
        };
        for slot in 0..self.areas.len() {
            if std::mem::take(&mut self.marks[slot]) {
                self.look(sheet, frames, slot, &mut round);
            }
        }
        round
    }

    fn mark_touched(&mut self, sheet: &Sheet<'_>) {
        let kinds = sheet.windows.len();
        for (kind, windows) in sheet.windows.iter().enumerate() {
            let panes = windows.iter().flat_map(|windows| &windows.panes);
            for fresh in panes.map(|pane| &pane.fresh).filter(|fresh| !fresh.is_empty()) {
                let nodes = self.nodes.iter().skip(kind).step_by(kinds);
                for (mark, &node) in self.marks.iter_mut().zip(nodes) {
                    *mark |= node != NO_NODE && fresh.contains(node as usize);
                }
            }
        }
    }

    fn look<'a>(
        &mut self,
        sheet: &Sheet<'a>,
        frames: &[Frame<'a>],
        slot: usize,
        round: &mut Round<'a>,
    ) {
        let before = self.shown[slot];
        let mut now = before;
        let nodes = self.nodes(slot, round.kinds);
        let frame = now.look(sheet, nodes, frames, self.present);
        round.nodes.extend(nodes);
        if let Some(frame) = frame {
            round.words.extend(frame.words(nodes));
            round.panes.extend(frame.panes());
        } else {
            round.words.resize(round.nodes.len(), &[]);
            round.panes.resize(round.nodes.len(), None);
        }
        let was = before.window_start;
        round.due.push(Due {
            slot: u32::try_from(slot).expect("slots are u32"),
            area: self.areas[slot],
            fresh: frame.is_some(),
            onward: now.window_start > was && was != NO_WINDOW,
            same: now.same_on_a_screen(&before),
            before: was,
            now,
        });
        if now != before {
            *self.shown.get_mut(slot) = now;
        }
    }
}

impl Shown {
    /// Chooses the window to show: the newest with enough coverage, else the newest with any reading.
    /// `None` when what was shown before stands.
    pub(super) fn look<'f, 'a>(
        &mut self,
        sheet: &Sheet<'a>,
        nodes: &[u32],
        frames: &'f [Frame<'a>],
        present: i64,
    ) -> Option<&'f Frame<'a>> {
        let mut newest = None;
        for frame in frames {
            let Some((readings, coverage)) = sheet.came(nodes, frame) else { continue };
            if coverage >= sheet.def.coverage_min {
                let uncertain = sheet.stale(frame.start, present) || sheet.inexact(nodes, frame);
                *self = Self::of(frame, readings, coverage, uncertain);
                return Some(frame);
            }
            newest = newest.or(Some((frame, readings, coverage)));
        }
        let any = self.window_start != NO_WINDOW;
        let closed = any && frames.iter().all(|frame| frame.start != self.window_start);
        let stale = sheet.stale(self.window_start, present);
        match newest {
            // The last sure value stands while the next window still fills.
            _ if closed && !self.uncertain && !stale => None,
            Some((frame, readings, coverage)) => {
                *self = Self::of(frame, readings, coverage, true);
                Some(frame)
            }
            None => {
                self.uncertain = self.uncertain || (stale && any);
                None
            }
        }
    }

    fn of(frame: &Frame<'_>, readings: u64, coverage: f64, uncertain: bool) -> Self {
        let coverage = super::narrow(coverage);
        Self { window_start: frame.start, readings, coverage, uncertain }
    }

    fn same_on_a_screen(&self, other: &Self) -> bool {
        self.window_start == other.window_start
            && self.coverage.to_bits() == other.coverage.to_bits()
            && self.uncertain == other.uncertain
    }
}
