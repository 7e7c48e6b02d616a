//! The board: current value, coverage and level of every vital sign 体征指标 over every area that has
//! something to say about it.
//!
//! Invariants: asking again about an area where nothing changed changes nothing, so a tick only
//! looks at what was touched; the current value is that of the newest window with enough coverage,
//! else of the newest with any reading, marked uncertain; an uncertain value moves no level.

mod level;
mod sheet;

use chengmai_model::{AreaId, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use crate::event::{ClosedWindow, Event};
use level::LevelState;
pub(crate) use sheet::Inputs;
use sheet::{Found, Frame, NO_NODE, Sheet};

/// The current value of an indicator over an area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndicatorValue {
    /// In the indicator's unit; `None` when there is no reading yet or the formula has no value.
    pub value: Option<f64>,
    /// Share of the expected readings that came, 0 to 1; `None` when there is no reading yet.
    pub coverage: Option<f32>,
    /// Too few readings came, or the value is old.
    pub uncertain: bool,
    /// Level it stands at: 0 none, 1 minor to 4 extreme.
    pub severity: u8,
    /// Start of the window the value is of; of the present window when there is no value yet.
    pub window_start: Timestamp,
    /// Readings behind it.
    pub readings: u64,
    /// Value of the window shown before this one.
    pub previous: Option<f64>,
}

const NO_SLOT: u32 = u32::MAX;
const NO_WINDOW: i64 = i64::MIN;

/// All values of all indicators.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Board {
    tables: Vec<Table>,
    #[serde(skip)]
    pub(crate) changed: Vec<(u16, AreaId)>,
}

/// One indicator over all its areas.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Table {
    areas: Vec<u32>,
    /// For each slot and each of the indicator's kinds, the node in that kind's tree.
    nodes: Vec<u32>,
    /// For each kind, the slot of each node.
    slot_of: Vec<Vec<u32>>,
    slots: Vec<Slot>,
    /// Start of the present window by the clock.
    present: i64,
    /// Versions of the registrations it was last worked out with. They count from the start of the
    /// program, so a snapshot holds 0: one that stopped on the way then writes the same bytes.
    #[serde(serialize_with = "zero")]
    version: u64,
    /// Slots to look at again although nothing was touched: a level is waiting.
    waiting: Vec<u32>,
    #[serde(skip)]
    marks: Vec<bool>,
    /// Worked out at least once since the program started.
    #[serde(skip)]
    known: bool,
    /// Start of the oldest window that was there at the last tick.
    #[serde(skip)]
    oldest: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn zero<S: Serializer>(_version: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(0)
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Slot {
    value: f64,
    previous: f64,
    window_start: i64,
    readings: u64,
    coverage: f32,
    uncertain: bool,
    level: LevelState,
}

const EMPTY: Slot = Slot {
    value: f64::NAN,
    previous: f64::NAN,
    window_start: NO_WINDOW,
    readings: 0,
    coverage: 0.0,
    uncertain: false,
    level: LevelState::NONE,
};

impl Board {
    pub(crate) fn new(indicators: usize) -> Self {
        Self {
            tables: vec![Table { present: NO_WINDOW, ..Table::default() }; indicators],
            changed: Vec::new(),
        }
    }

    /// Works out everything that changed since the last tick.
    pub(crate) fn tick(&mut self, inputs: Inputs<'_>, out: &mut Vec<Event>) {
        self.changed.clear();
        for (number, table) in (0..).zip(&mut self.tables) {
            let sheet = Sheet::new(inputs, number);
            table.grow(&sheet);
            table.tick(&sheet, &mut self.changed, out);
        }
    }

    /// Says the final values of all windows that closed.
    pub(crate) fn say_closed(&self, inputs: Inputs<'_>, horizon: i64, out: &mut Vec<Event>) {
        for (number, table) in (0..).zip(&self.tables) {
            let sheet = Sheet::new(inputs, number);
            let closed = |frame: &&Frame<'_>| frame.start + sheet.def.window_ms <= horizon;
            for frame in sheet.frames().iter().rev().filter(closed) {
                table.say_window(&sheet, frame, out);
            }
        }
    }

    /// Values of the windows that still take corrections, oldest first, without the present one of a
    /// formula over registrations alone.
    pub(crate) fn open_windows(
        &self,
        inputs: Inputs<'_>,
        number: u16,
        area: AreaId,
    ) -> Vec<ClosedWindow> {
        let sheet = Sheet::new(inputs, number);
        let table = &self.tables[usize::from(number)];
        let Some(slot) = table.find(&sheet, area) else { return Vec::new() };
        let kinds = sheet.trees.len();
        let nodes = &table.nodes[slot * kinds..(slot + 1) * kinds];
        let frames = sheet.frames();
        let found = frames.iter().rev().filter_map(|frame| sheet.work_out(nodes, frame));
        found.map(|found| found.window(number, area)).collect()
    }

    /// The current value over an area.
    pub(crate) fn value(&self, inputs: Inputs<'_>, number: u16, area: AreaId) -> IndicatorValue {
        let sheet = Sheet::new(inputs, number);
        let table = &self.tables[usize::from(number)];
        let slot = table.find(&sheet, area).map_or(EMPTY, |slot| table.slots[slot]);
        let some = |x: f64| x.is_finite().then_some(x);
        let shown = slot.window_start != NO_WINDOW;
        IndicatorValue {
            value: some(slot.value),
            coverage: shown.then_some(slot.coverage),
            uncertain: slot.uncertain,
            severity: slot.level.severity,
            window_start: Timestamp(if shown { slot.window_start } else { sheet.present() }),
            readings: slot.readings,
            previous: some(slot.previous),
        }
    }
}

impl Table {
    /// Makes slots for areas that are new in one of the trees.
    fn grow(&mut self, sheet: &Sheet<'_>) {
        let kinds = sheet.trees.len();
        self.slot_of.resize(kinds, Vec::new());
        for kind in 0..kinds {
            for node in self.slot_of[kind].len()..sheet.trees[kind].len() {
                let area = sheet.trees[kind].areas[node];
                let slot = if sheet.def.on_tier(sheet.tier(area)) {
                    self.slot_or_add(sheet, kind, node, area)
                } else {
                    NO_SLOT
                };
                self.slot_of[kind].push(slot);
            }
        }
        self.marks.resize(self.slots.len(), false);
    }

    fn slot_or_add(&mut self, sheet: &Sheet<'_>, kind: usize, node: usize, area: u32) -> u32 {
        let kinds = sheet.trees.len();
        let slot = self.find(sheet, AreaId(area)).unwrap_or_else(|| {
            self.areas.push(area);
            self.slots.push(EMPTY);
            self.nodes.extend(std::iter::repeat_n(NO_NODE, kinds));
            self.slots.len() - 1
        });
        self.nodes[slot * kinds + kind] = u32::try_from(node).expect("nodes are u32");
        u32::try_from(slot).expect("at most one slot an area")
    }

    fn find(&self, sheet: &Sheet<'_>, area: AreaId) -> Option<usize> {
        sheet.trees.iter().zip(&self.slot_of).find_map(|(tree, slots)| {
            let node = tree.find(area)?;
            let slot = *slots.get(node as usize)?;
            (slot != NO_SLOT).then_some(slot as usize)
        })
    }

    fn tick(&mut self, sheet: &Sheet<'_>, changed: &mut Vec<(u16, AreaId)>, out: &mut Vec<Event>) {
        let (present, version) = (sheet.present(), sheet.version());
        let advanced = self.present != present;
        if advanced && !sheet.def.has_readings() && self.present != NO_WINDOW {
            self.say_registrations(sheet, out);
        }
        let all = advanced || self.version != version || !self.known;
        (self.present, self.version, self.known) = (present, version, true);
        let frames = sheet.frames();
        let oldest = frames.iter().map(|frame| frame.start).min().unwrap_or(i64::MAX);
        let dropped = std::mem::replace(&mut self.oldest, oldest) != oldest;
        if all {
            self.marks.fill(true);
        } else {
            self.mark_touched(sheet);
            if dropped {
                // What a slot shows may be gone, and a start would look at it again.
                let gone = self.slots.iter().map(|slot| slot.window_start < oldest);
                self.marks.iter_mut().zip(gone).for_each(|(mark, gone)| *mark |= gone);
            }
            for slot in &self.waiting {
                self.marks[*slot as usize] = true;
            }
        }
        self.waiting.clear();
        for slot in 0..self.slots.len() {
            if std::mem::take(&mut self.marks[slot]) {
                self.renew(sheet, slot, &frames, changed, out);
            }
        }
    }

    fn mark_touched(&mut self, sheet: &Sheet<'_>) {
        for (kind, windows) in sheet.windows.iter().enumerate() {
            let Some(windows) = windows else { continue };
            for node in windows.panes.iter().flat_map(|pane| pane.fresh.iter()) {
                let slot = self.slot_of[kind][node];
                if slot != NO_SLOT {
                    self.marks[slot as usize] = true;
                }
            }
        }
    }

    fn renew(
        &mut self,
        sheet: &Sheet<'_>,
        index: usize,
        frames: &[Frame<'_>],
        changed: &mut Vec<(u16, AreaId)>,
        out: &mut Vec<Event>,
    ) {
        let area = AreaId(self.areas[index]);
        let kinds = sheet.trees.len();
        let nodes = &self.nodes[index * kinds..(index + 1) * kinds];
        let before = self.slots[index];
        let mut slot = before;
        slot.look(sheet, nodes, frames, self.present);
        if !slot.uncertain && slot.value.is_finite() {
            slot.level.follow(sheet.def, slot.value, sheet.inputs.now);
        } else {
            slot.level.stop_waiting();
        }
        if slot.level.waits() {
            self.waiting.push(u32::try_from(index).expect("slots are u32"));
        }
        if let Some(rule) = sheet.def.rule
            && sheet.def.warns_on(sheet.tier(area.0))
        {
            let window = slot.window_start;
            let place = level::Place { inputs: sheet.inputs, indicator: sheet.number, rule, area };
            slot.level.warn(&place, window, slot.value, out);
        }
        if !slot.same_shown(&before) {
            changed.push((sheet.number, area));
        }
        self.slots[index] = slot;
    }

    fn say_window(&self, sheet: &Sheet<'_>, frame: &Frame<'_>, out: &mut Vec<Event>) {
        let kinds = sheet.trees.len();
        for (nodes, &area) in self.nodes.chunks_exact(kinds).zip(&self.areas) {
            if let Some(found) = sheet.work_out(nodes, frame) {
                out.push(Event::Window(found.window(sheet.number, AreaId(area))));
            }
        }
    }

    /// A formula over registrations alone has no readings to wait for: the window closes with the
    /// value it last had.
    fn say_registrations(&self, sheet: &Sheet<'_>, out: &mut Vec<Event>) {
        for (slot, &area) in self.slots.iter().zip(&self.areas) {
            if slot.window_start == self.present && slot.value.is_finite() {
                out.push(Event::Window(ClosedWindow {
                    indicator: sheet.number,
                    area: AreaId(area),
                    start: Timestamp(self.present),
                    value: Some(slot.value),
                    coverage: 1.0,
                    readings: 0,
                }));
            }
        }
    }
}

impl Found {
    fn window(&self, indicator: u16, area: AreaId) -> ClosedWindow {
        ClosedWindow {
            indicator,
            area,
            start: Timestamp(self.start),
            value: self.value.is_finite().then_some(self.value),
            coverage: narrow(self.coverage),
            readings: self.readings,
        }
    }
}

impl Slot {
    /// Chooses the window to show.
    fn look(&mut self, sheet: &Sheet<'_>, nodes: &[u32], frames: &[Frame<'_>], present: i64) {
        let mut newest = None;
        for frame in frames {
            let Some(found) = sheet.work_out(nodes, frame) else { continue };
            if found.coverage >= sheet.def.coverage_min {
                self.show(found, sheet.stale(found.start, present));
                return;
            }
            newest = newest.or(Some(found));
        }
        let shown = self.window_start != NO_WINDOW;
        let closed = shown && frames.iter().all(|frame| frame.start != self.window_start);
        let stale = sheet.stale(self.window_start, present);
        match newest {
            // The last sure value stands while the next window still fills.
            _ if closed && !self.uncertain && !stale => {}
            Some(found) => self.show(found, true),
            None => self.uncertain = self.uncertain || (stale && shown),
        }
    }

    fn show(&mut self, found: Found, uncertain: bool) {
        if found.start > self.window_start && self.window_start != NO_WINDOW {
            self.previous = self.value;
        }
        self.value = found.value;
        self.window_start = found.start;
        self.readings = found.readings;
        self.coverage = narrow(found.coverage);
        self.uncertain = uncertain;
    }

    /// True when a screen would show the same.
    fn same_shown(&self, other: &Self) -> bool {
        self.value.to_bits() == other.value.to_bits()
            && self.previous.to_bits() == other.previous.to_bits()
            && self.window_start == other.window_start
            && self.coverage.to_bits() == other.coverage.to_bits()
            && self.uncertain == other.uncertain
            && self.level.severity == other.level.severity
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a share is shown with few digits")]
fn narrow(share: f64) -> f32 {
    share.clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests;
