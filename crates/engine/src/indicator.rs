//! The board: current value, coverage and level of every vital sign 体征指标 over every area that has
//! something to say about it.
//!
//! Values are *followed* or worked out *when asked*. Followed are those that may raise a warning, and
//! from the city downward as many tiers as [`FOLLOWED_VALUES_MAX`] allows: each tick works out those
//! that were touched, and remembers levels and the window before. All others are a function of the
//! folded windows and cost nothing until somebody looks.
//!
//! Invariants: the current value is that of the newest window with enough coverage, else of the newest
//! with any reading, marked uncertain; an uncertain value moves no level.

mod group;
mod level;
mod sheet;
mod table;

use chengmai_model::{AreaId, AreaTree, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, IndicatorDef};
use crate::event::{ClosedWindow, Event};
use crate::expr::program::Columns;
use crate::limits::FOLLOWED_VALUES_MAX;
use crate::pages::Pages;
use crate::window::Windows;
use group::{Group, Shown};
pub(crate) use sheet::Inputs;
use sheet::{Found, NO_NODE, Sheet};
use table::Table;

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

const NO_WINDOW: i64 = i64::MIN;

/// All values of all indicators.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Board {
    groups: Vec<Group>,
    tables: Vec<Table>,
    #[serde(skip)]
    pub(crate) changed: Vec<(u16, AreaId)>,
    /// Values that the last tick worked out.
    #[serde(skip)]
    pub(crate) worked_out: u64,
    #[serde(skip)]
    columns: Columns,
}

/// A large part of the board, as a snapshot has it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BoardColumn {
    /// Areas of a group, of which there were so many.
    Areas(usize, usize),
    Shown(usize),
    Values(usize),
    Levels(usize),
}

impl Board {
    pub(crate) fn new(catalog: &Catalog, areas: &chengmai_model::AreaTree) -> Self {
        let mut board = Self::default();
        let lowest = lowest_followed(catalog, areas);
        let mut keys = Vec::new();
        for (number, def) in (0_u16..).zip(catalog.indicators()) {
            let followed = |tier: &Tier| *tier <= lowest || def.warns_on(*tier);
            let tiers: Vec<Tier> = def.def.tiers.iter().copied().filter(followed).collect();
            let coverage = def.coverage_min.to_bits();
            let uses = (def.uses_online, def.uses_chosen);
            let about = (def.window_ms, &def.kinds, &def.windows, uses);
            let key = (coverage, about, tiers);
            let group = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                board.groups.push(Group::new(key.2.clone()));
                keys.push(key);
                keys.len() - 1
            });
            board.groups[group].members.push(number);
            board.tables.push(Table::new(group, def));
        }
        board
    }

    /// Works out everything followed that changed since the last tick.
    pub(crate) fn tick(&mut self, inputs: Inputs<'_>, out: &mut Vec<Event>) {
        self.changed.clear();
        self.worked_out = 0;
        let Self { groups, tables, columns, changed, worked_out } = self;
        for group in groups {
            let lead = Sheet::new(inputs, group.lead());
            group.grow(&lead);
            let members = group.members.clone();
            let tables_of = members.iter().map(|&number| &tables[usize::from(number)]);
            let waiting: Vec<u32> = tables_of.flat_map(Table::waiting).collect();
            let round = group.tick(&lead, &lead.frames(), waiting.into_iter());
            for number in members {
                let table = &mut tables[usize::from(number)];
                table.grow(group.areas.len());
                table.tick(&lead.of(number), &round, columns, changed, out);
                *worked_out += round.due.len() as u64;
            }
        }
    }

    /// Says the final values of all followed windows that closed.
    pub(crate) fn say_closed(&self, inputs: Inputs<'_>, horizon: i64, out: &mut Vec<Event>) {
        for group in &self.groups {
            let lead = Sheet::new(inputs, group.lead());
            let mut closed = lead.frames();
            closed.retain(|frame| frame.start + lead.def.window_ms <= horizon);
            for &number in group.members.iter().filter(|_| !closed.is_empty()) {
                let sheet = lead.of(number);
                for frame in closed.iter().rev() {
                    for (slot, &area) in group.areas.iter().enumerate() {
                        let nodes = group.nodes(slot, sheet.trees.len());
                        if let Some(found) = sheet.work_out(nodes, frame) {
                            out.push(Event::Window(found.window(number, AreaId(area))));
                        }
                    }
                }
            }
        }
    }

    /// Values of the windows that still take corrections, oldest first, without the present one of a
    /// formula over registrations alone.
    pub(crate) fn open_windows(inputs: Inputs<'_>, number: u16, area: AreaId) -> Vec<ClosedWindow> {
        let sheet = Sheet::new(inputs, number);
        let Some(nodes) = sheet.nodes(area) else { return Vec::new() };
        let frames = sheet.frames();
        let found = frames.iter().rev().filter_map(|frame| sheet.work_out(&nodes, frame));
        found.map(|found| found.window(number, area)).collect()
    }

    /// The current value over an area.
    pub(crate) fn value(&self, inputs: Inputs<'_>, number: u16, area: AreaId) -> IndicatorValue {
        let sheet = Sheet::new(inputs, number);
        let table = &self.tables[usize::from(number)];
        let group = &self.groups[table.group];
        if !group.follows(sheet.tier(area.0)) {
            return work_out_now(&sheet, area);
        }
        match group.find(&sheet, area) {
            Some(slot) => table.shown(slot).over(&sheet, &group.shown[slot]),
            None => Worked::default().over(&sheet, &Shown::default()),
        }
    }

    /// Indicators whose value is not followed there and may have changed in the last tick.
    pub(crate) fn touched(&self, inputs: Inputs<'_>, area: AreaId) -> Vec<u16> {
        let fresh = |node: u32, windows: &Windows| {
            node != NO_NODE && windows.panes.iter().any(|pane| pane.fresh.contains(node as usize))
        };
        let touched = |group: &&Group| {
            let sheet = Sheet::new(inputs, group.lead());
            let nodes = sheet.nodes(area).filter(|_| !group.follows(sheet.tier(area.0)));
            let pairs = nodes.iter().flatten().zip(&sheet.windows);
            let mut pairs = pairs.filter_map(|(&node, windows)| Some((node, (*windows)?)));
            pairs.any(|(node, windows)| fresh(node, windows))
        };
        self.groups.iter().filter(touched).flat_map(|group| group.members.clone()).collect()
    }

    /// Takes over what another board remembers of areas that have other numbers now. The areas'
    /// windows and registrations are those of `inputs` already.
    pub(crate) fn take_over(
        &mut self,
        old: &Self,
        inputs: Inputs<'_>,
        map: &impl Fn(AreaId) -> AreaId,
        out: &mut Vec<Event>,
    ) {
        for group in &mut self.groups {
            group.grow(&Sheet::new(inputs, group.lead()));
        }
        for (number, (table, was)) in (0..).zip(self.tables.iter_mut().zip(&old.tables)) {
            let sheet = Sheet::new(inputs, number);
            let (group, before) = (&mut self.groups[table.group], &old.groups[was.group]);
            table.grow(group.areas.len());
            for (slot, &area) in before.areas.iter().enumerate() {
                let area = map(AreaId(area));
                if let Some(to) = group.find(&sheet, area) {
                    group.take_over(to, before.shown[slot]);
                    table.take_over(&sheet, (to, area), (was, slot), out);
                }
            }
        }
    }

    /// Its large parts, in an order that depends on the catalog alone.
    pub(crate) fn columns(&self) -> Vec<BoardColumn> {
        let groups = self.groups.iter().enumerate().flat_map(|(number, group)| {
            [BoardColumn::Areas(number, group.areas.len()), BoardColumn::Shown(number)]
        });
        let tables = 0..self.tables.len();
        let tables =
            tables.flat_map(|number| [BoardColumn::Values(number), BoardColumn::Levels(number)]);
        groups.chain(tables).collect()
    }

    /// Areas of each group.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.areas.len()).collect()
    }

    /// Marks it as it is now, to be written out.
    pub(crate) fn freeze(&mut self) {
        self.groups.iter_mut().for_each(|group| group.shown.freeze());
        self.tables.iter_mut().for_each(Table::freeze);
    }

    /// Writes out more of a part; true while there is more of it.
    pub(crate) fn thaw(&mut self, column: BoardColumn, out: &mut Vec<u8>, full: usize) -> bool {
        match column {
            BoardColumn::Areas(number, len) => {
                let areas = &self.groups[number].areas[..len];
                out.extend(areas.iter().flat_map(|area| area.to_le_bytes()));
                false
            }
            BoardColumn::Shown(number) => self.groups[number].shown.thaw(out, full),
            BoardColumn::Values(number) => self.tables[number].values.thaw(out, full),
            BoardColumn::Levels(number) => self.tables[number].levels.thaw(out, full),
        }
    }

    /// Goes on with what a snapshot says, given the trees; `None` when it does not fit.
    pub(crate) fn restore(
        &mut self,
        small: &Self,
        sizes: &[usize],
        bytes: &mut &[u8],
        areas: &AreaTree,
    ) -> Option<()> {
        let tier = |area: u32| {
            if areas.is_empty() {
                return (area == AreaId::ROOT.0).then_some(Tier::City);
            }
            ((area as usize) < areas.len()).then(|| areas.get(AreaId(area)).row.tier)
        };
        let alike = small.groups.len() == self.groups.len()
            && small.tables.len() == self.tables.len()
            && sizes.len() == self.groups.len();
        if !alike {
            return None;
        }
        for ((group, was), &len) in self.groups.iter_mut().zip(&small.groups).zip(sizes) {
            let of = Pages::take(bytes, len)?.as_slice().to_vec();
            group.restore(was.present(), of, Pages::take(bytes, len)?, tier)?;
        }
        for (table, was) in self.tables.iter_mut().zip(&small.tables) {
            let len = sizes[table.group];
            let levels = if table.levelled() { len } else { 0 };
            table.restore(was, Pages::take(bytes, len)?, Pages::take(bytes, levels)?)?;
        }
        Some(())
    }

    /// Finds the nodes of all areas again after a restore.
    pub(crate) fn index(&mut self, inputs: Inputs<'_>) {
        for group in &mut self.groups {
            group.index(&Sheet::new(inputs, group.lead()));
        }
    }
}

/// The lowest tier on which everything is followed.
fn lowest_followed(catalog: &Catalog, areas: &chengmai_model::AreaTree) -> Tier {
    let mut left = FOLLOWED_VALUES_MAX;
    let mut lowest = Tier::City;
    for tier in Tier::ALL {
        let places = areas.iter().filter(|(_, area)| area.row.tier == tier).count();
        let on_tier = catalog.indicators().iter().filter(|def| def.on_tier(tier)).count();
        match left.checked_sub(places * on_tier) {
            Some(rest) => left = rest,
            None => break,
        }
        lowest = tier;
    }
    lowest
}

/// What is worked out of one indicator over one area.
#[derive(Debug, Clone, Copy)]
struct Worked {
    value: f64,
    previous: f64,
    severity: u8,
}

impl Default for Worked {
    fn default() -> Self {
        Self { value: f64::NAN, previous: f64::NAN, severity: 0 }
    }
}

impl Worked {
    fn over(self, sheet: &Sheet<'_>, shown: &Shown) -> IndicatorValue {
        let some = |x: f64| x.is_finite().then_some(x);
        let any = shown.window_start != NO_WINDOW;
        IndicatorValue {
            value: some(self.value),
            coverage: any.then_some(shown.coverage),
            uncertain: shown.uncertain,
            severity: self.severity,
            window_start: Timestamp(if any { shown.window_start } else { sheet.present() }),
            readings: shown.readings,
            previous: some(self.previous),
        }
    }
}

/// A value that nobody follows: of the windows that are still open, without a memory of its level.
fn work_out_now(sheet: &Sheet<'_>, area: AreaId) -> IndicatorValue {
    let (mut worked, mut shown) = (Worked::default(), Shown::default());
    if let Some(nodes) = sheet.nodes(area) {
        let frames = sheet.frames();
        if let Some(frame) = shown.look(sheet, &nodes, &frames, sheet.present()) {
            worked.value = sheet.value(&nodes, frame);
            let older = frames.iter().filter(|other| other.start < frame.start);
            let mut sure = older.filter_map(|frame| sheet.work_out(&nodes, frame));
            let sure = sure.find(|found| found.coverage >= sheet.def.coverage_min);
            worked.previous = sure.map_or(f64::NAN, |found| found.value);
            if !shown.uncertain && worked.value.is_finite() {
                worked.severity = level::level_of(sheet.def, worked.value);
            }
        }
    }
    worked.over(sheet, &shown)
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

#[expect(clippy::cast_possible_truncation, reason = "a share is shown with few digits")]
fn narrow(share: f64) -> f32 {
    share.clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests;
