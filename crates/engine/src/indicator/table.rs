//! A table: the values of one followed indicator over the areas of its group, and the levels they
//! stand at. Values are worked out a column of areas at a time.

use chengmai_model::{AreaId, Timestamp};
use serde::{Deserialize, Serialize};

use super::group::{Due, Round};
use super::level::{LevelState, Place};
use super::sheet::{Sheet, load_words};
use super::{IndicatorDef, Worked};
use crate::catalog::{Load, SlotTerm};
use crate::event::{ClosedWindow, Event};
use crate::expr::program::{Columns, LANES};
use crate::pages::{Pages, Plain};

/// One followed indicator over all areas of its group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Table {
    /// Index of its group.
    pub(super) group: usize,
    /// Slots to look at again although nothing was touched: a level is waiting.
    waiting: Vec<u32>,
    #[serde(skip)]
    pub(super) values: Pages<Value>,
    /// One for each slot when it has levels, else none.
    #[serde(skip)]
    pub(super) levels: Pages<LevelState>,
    #[serde(skip)]
    levelled: bool,
}

/// The value shown, and the one of the window shown before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    value: f64,
    previous: f64,
}

impl Default for Value {
    fn default() -> Self {
        Self { value: f64::NAN, previous: f64::NAN }
    }
}

impl Value {
    fn same(self, other: Self) -> bool {
        self.value.to_bits() == other.value.to_bits()
            && self.previous.to_bits() == other.previous.to_bits()
    }
}

impl Plain for Value {
    const BYTES: usize = 16;

    fn put(self, out: &mut Vec<u8>) {
        self.value.to_bits().put(out);
        self.previous.to_bits().put(out);
    }

    fn take(bytes: &[u8]) -> Self {
        let float = |bytes: &[u8]| f64::from_bits(u64::take(bytes));
        Self { value: float(&bytes[..8]), previous: float(&bytes[8..]) }
    }
}

impl Table {
    pub(super) fn new(group: usize, def: &IndicatorDef) -> Self {
        Self {
            group,
            waiting: Vec::new(),
            values: Pages::default(),
            levels: Pages::default(),
            levelled: def.def.levels.is_some(),
        }
    }

    /// Goes on with what a snapshot says; `None` for what no table has.
    pub(super) fn restore(
        &mut self,
        was: &Self,
        values: Pages<Value>,
        levels: Pages<LevelState>,
    ) -> Option<()> {
        let slots = levels.len();
        let sound = was.waiting.iter().all(|&slot| (slot as usize) < slots)
            && levels.as_slice().iter().all(LevelState::is_sound);
        self.waiting.clone_from(&was.waiting);
        self.values = values;
        self.levels = levels;
        sound.then_some(())
    }

    pub(super) fn levelled(&self) -> bool {
        self.levelled
    }

    pub(super) fn freeze(&mut self) {
        self.values.freeze();
        self.levels.freeze();
    }

    /// Slots whose level is waiting.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u32> {
        self.waiting.iter().copied()
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.values.grow(slots);
        if self.levelled {
            self.levels.grow(slots);
        }
    }

    pub(super) fn shown(&self, slot: usize) -> Worked {
        let Value { value, previous } = self.values[slot];
        let severity = if self.levelled { self.levels[slot].severity } else { 0 };
        Worked { value, previous, severity }
    }

    /// What was known of an area's value and level stands. Of two areas that became one the worse level
    /// stays, and the other's warning ends.
    pub(super) fn take_over(
        &mut self,
        sheet: &Sheet<'_>,
        (slot, area): (usize, AreaId),
        (was, old): (&Self, usize),
        out: &mut Vec<Event>,
    ) {
        let before = was.values.as_slice().get(old).copied().unwrap_or_default();
        if self.values[slot].value.is_nan() {
            *self.values.get_mut(slot) = before;
        }
        let Some(&level) = was.levels.as_slice().get(old) else { return };
        let (stays, ends) = self.levels[slot].worse_first(level);
        *self.levels.get_mut(slot) = stays;
        if let Some(rule) = sheet.def.rule {
            let (inputs, indicator) = (sheet.inputs, sheet.number);
            ends.end(&Place { inputs, indicator, rule, area }, before.value, out);
        }
        if stays.waits() {
            self.waiting.push(u32::try_from(slot).expect("slots are u32"));
        }
    }

    /// Works out everything that is due.
    pub(super) fn tick(
        &mut self,
        sheet: &Sheet<'_>,
        round: &Round<'_>,
        columns: &mut Columns,
        changed: &mut Vec<(u16, AreaId)>,
        out: &mut Vec<Event>,
    ) {
        if let Some(left) = round.left.filter(|_| !sheet.def.has_readings()) {
            self.say_registrations(sheet, round, left, out);
        }
        self.waiting.clear();
        let kinds = round.kinds;
        for (part, due) in round.due.chunks(LANES).enumerate() {
            let from = part * LANES * kinds;
            let values = sheet.def.program.column(columns, |term, column| {
                load_column(sheet, term, (round, from), &mut column[..due.len()]);
            });
            for (due, &value) in due.iter().zip(values) {
                self.renew(sheet, due, value, changed, out);
            }
        }
    }

    fn renew(
        &mut self,
        sheet: &Sheet<'_>,
        due: &Due,
        value: f64,
        changed: &mut Vec<(u16, AreaId)>,
        out: &mut Vec<Event>,
    ) {
        let slot = due.slot as usize;
        let before = self.values[slot];
        let mut now = before;
        if due.fresh {
            now.previous = if due.onward { before.value } else { before.previous };
            now.value = value;
        }
        let same = now.same(before);
        if !same {
            *self.values.get_mut(slot) = now;
        }
        let levels_same = !self.levelled || self.follow(sheet, due, now.value, out);
        if !(same && due.same && levels_same) {
            changed.push((sheet.number, AreaId(due.area)));
        }
    }

    /// Moves the level; true when it stands where it stood.
    fn follow(&mut self, sheet: &Sheet<'_>, due: &Due, value: f64, out: &mut Vec<Event>) -> bool {
        let before = self.levels[due.slot as usize];
        let mut level = before;
        if !due.now.uncertain && value.is_finite() {
            level.follow(sheet.def, value, sheet.inputs.now);
        } else {
            level.stop_waiting();
        }
        if level.waits() {
            self.waiting.push(due.slot);
        }
        if let Some(rule) = sheet.def.rule
            && sheet.def.warns_on(sheet.tier(due.area))
        {
            let (inputs, indicator) = (sheet.inputs, sheet.number);
            let place = Place { inputs, indicator, rule, area: AreaId(due.area) };
            level.warn(&place, due.now.window_start, value, out);
        }
        if level != before {
            *self.levels.get_mut(due.slot as usize) = level;
        }
        level.severity == before.severity
    }

    /// A formula over registrations alone has no readings to wait for: the window closes with the
    /// value it last had.
    fn say_registrations(
        &self,
        sheet: &Sheet<'_>,
        round: &Round<'_>,
        left: i64,
        out: &mut Vec<Event>,
    ) {
        for due in &round.due {
            let Value { value, .. } = self.values[due.slot as usize];
            if due.before == left && value.is_finite() {
                out.push(Event::Window(ClosedWindow {
                    indicator: sheet.number,
                    area: AreaId(due.area),
                    start: Timestamp(left),
                    value: Some(value),
                    coverage: 1.0,
                    readings: 0,
                }));
            }
        }
    }
}

/// Loads a term for a column of areas, from a place in the round on.
fn load_column(
    sheet: &Sheet<'_>,
    term: SlotTerm,
    (round, from): (&Round<'_>, usize),
    out: &mut [f64],
) {
    let places = (from + usize::from(term.kind)..).step_by(round.kinds);
    for (x, at) in out.iter_mut().zip(places) {
        *x = match term.load {
            Load::Registered | Load::Online | Load::OnlineRatio => {
                sheet.load_registered(term, round.nodes[at])
            }
            Load::Quantile(share) => sheet.quantile(term, round.panes[at], round.nodes[at], share),
            load => load_words(load, round.words[at]),
        };
    }
}
