//! The facade: readings in, events out. No clock, no I/O: time is an argument, and the same calls in
//! the same order give the same bits.

mod adopt;
mod apply;
mod correct;
mod newest;
mod rearrange;
mod setpoints;
mod tick;

pub use correct::{Corrected, Correction, Refill};

use std::collections::BTreeSet;
use std::sync::Arc;

use chengmai_model::{AreaId, AreaTree, DeviceId, KindId, Order, Runs, StreamId, Timestamp};

use crate::anomaly::Watch;
use crate::catalog::Catalog;
use crate::event::{ClosedWindow, Event};
use crate::indicator::{Board, IndicatorValue, Inputs};
use crate::liveness::Wheel;
use crate::pages::Pages;
use crate::rollup::KindTree;
use crate::rule::RuleStates;
use crate::screen::{AlarmSettings, FloodView, Scene, Screen, ShelfView};
use crate::setpoint::Setpoints;
use crate::slope::Rings;
use crate::snapshot::{Freeze, fingerprint};
use crate::stream::{ONLINE, OUT_OF_RANGE, STUCK, Stream, StreamFacts, seconds};
use crate::warning::Warnings;
use crate::window::Windows;

pub use adopt::MoreThanRules;

/// How the engine is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long after its end a window takes corrections, in milliseconds.
    pub lateness_ms: i64,
    /// How far the city's clock is ahead of UTC, in milliseconds: days begin at its midnight.
    pub utc_offset_ms: i64,
    /// A stream is offline when this many of its periods pass without a reading.
    pub offline_periods: u32,
    /// How warnings are screened before people see them.
    pub alarms: AlarmSettings,
}

impl Default for Settings {
    /// A quarter of an hour, UTC+8, three periods.
    fn default() -> Self {
        Self {
            lateness_ms: 900_000,
            utc_offset_ms: 28_800_000,
            offline_periods: 3,
            alarms: AlarmSettings::default(),
        }
    }
}

/// A new stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSpec {
    /// What it measures.
    pub kind: KindId,
    /// The smallest area known to hold it.
    pub area: AreaId,
    /// Expected time between readings in milliseconds; 0 takes the kind's own.
    pub period_ms: u32,
    /// Whose it is.
    pub device: DeviceId,
}

/// What became of a batch, beyond being counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Equal in time and value to the last reading of their stream; not counted again.
    pub duplicates: u32,
    /// Missed a window that was already closed, or lay a day in the future; history only.
    pub late: u32,
    /// Outside the kind's range or not a number; not used.
    pub out_of_range: u32,
}

/// What is known of a stream now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamView {
    /// What it measures.
    pub kind: KindId,
    /// Where its readings count.
    pub area: AreaId,
    /// Whose it is.
    pub device: DeviceId,
    /// Expected time between readings in milliseconds.
    pub period_ms: u32,
    /// Event time and value of its newest reading.
    pub last: Option<(Timestamp, f64)>,
    /// When anything last came in, to the second.
    pub last_seen: Option<Timestamp>,
    /// It has reported within the time allowed.
    pub online: bool,
    /// Its value has been the same for too long.
    pub stuck: bool,
    /// Its last reading lay outside the kind's range.
    pub out_of_range: bool,
    /// Worst grade of the alarms that stand on it: 0 none, 1 minor to 4 extreme.
    pub severity: u8,
}

impl StreamView {
    /// Of a stream that is not registered yet.
    const fn unregistered() -> Self {
        Self {
            kind: KindId(0),
            area: AreaId::ROOT,
            device: DeviceId(0),
            period_ms: 0,
            last: None,
            last_seen: None,
            online: false,
            stuck: false,
            out_of_range: false,
            severity: 0,
        }
    }
}

/// Counts since the engine was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Registered streams.
    pub streams: u64,
    /// Of these online.
    pub online: u64,
    /// Readings given to [`Engine::apply`].
    pub readings: u64,
    /// Of these duplicates.
    pub duplicates: u64,
    /// Of these too late for some window.
    pub late: u64,
    /// Of these outside their kind's range.
    pub out_of_range: u64,
}

/// What a tick had to do. The engine has no clock: who calls it measures the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TickCounts {
    /// Streams looked at because they may have been silent for too long.
    pub silences: u64,
    /// Accumulators of areas that were touched, with those above them.
    pub folded: u64,
    /// Values of indicators worked out.
    pub worked_out: u64,
    /// Of these changed.
    pub changed: u64,
    /// Events said.
    pub events: u64,
}

/// What every reading asks of its kind.
#[derive(Debug, Clone, Copy)]
struct KindGate {
    low: f64,
    high: f64,
    stuck_s: u32,
    windows: (u16, u16),
    /// Longest slope that its rules ask for; 0 when they ask for none.
    slope_ms: i64,
}

impl KindGate {
    /// Windows that its readings are written to.
    #[inline]
    fn windows(&self) -> std::ops::Range<usize> {
        usize::from(self.windows.0)..usize::from(self.windows.1)
    }
}

/// The pure brain of one city.
#[derive(Debug)]
pub struct Engine {
    pub(crate) catalog: Catalog,
    pub(crate) areas: Arc<AreaTree>,
    /// Tells them from others: worked out once, since a snapshot must not wait for it.
    pub(crate) areas_print: u64,
    pub(crate) settings: Settings,
    /// The latest time any call has named, in milliseconds; 1970 before the first.
    pub(crate) clock: i64,
    gates: Vec<KindGate>,
    pub(crate) streams: Pages<Stream>,
    pub(crate) facts: Pages<StreamFacts>,
    /// Device of each stream.
    pub(crate) owners: Runs,
    pub(crate) rings: Rings,
    pub(crate) setpoints: Setpoints,
    pub(crate) watch: Watch,
    pub(crate) trees: Vec<KindTree>,
    pub(crate) windows: Vec<Windows>,
    /// Cells that do not know all their words since a correction.
    inexact: BTreeSet<Refill>,
    pub(crate) rules: RuleStates,
    pub(crate) warnings: Warnings,
    pub(crate) screen: Screen,
    pub(crate) wheel: Wheel,
    pub(crate) board: Board,
    pub(crate) totals: Totals,
    pub(crate) freeze: Option<Freeze>,
    last_tick: TickCounts,
}

impl Engine {
    /// An engine without streams.
    pub fn new(catalog: Catalog, areas: Arc<AreaTree>, settings: Settings) -> Self {
        let offset = settings.utc_offset_ms;
        let windows = catalog.windows().iter();
        let windows = windows.map(|w| Windows::new(w.layout.clone(), w.width_ms, offset)).collect();
        let mut engine = Self {
            board: Board::new(&catalog, &areas),
            catalog,
            areas_print: fingerprint(&areas),
            areas,
            settings,
            clock: 0,
            gates: Vec::new(),
            streams: Pages::default(),
            facts: Pages::default(),
            owners: Runs::default(),
            rings: Rings::default(),
            setpoints: Setpoints::default(),
            watch: Watch::default(),
            trees: Vec::new(),
            windows,
            inexact: BTreeSet::new(),
            rules: RuleStates::default(),
            warnings: Warnings::default(),
            screen: Screen::default(),
            wheel: Wheel::default(),
            totals: Totals::default(),
            freeze: None,
            last_tick: TickCounts::default(),
        };
        engine.open_gates();
        engine
    }

    /// What the packs declare.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The same, to add kinds that no pack declares ([`Catalog::kind_or_add`]).
    pub fn catalog_mut(&mut self) -> &mut Catalog {
        &mut self.catalog
    }

    /// The areas it rolls up over.
    pub fn areas(&self) -> &Arc<AreaTree> {
        &self.areas
    }

    /// Registers a stream; numbers are dense and in order.
    ///
    /// # Panics
    /// When the kind or the area is not one of this engine's.
    pub fn register(&mut self, spec: StreamSpec) -> StreamId {
        self.open_gates();
        let id = StreamId(u32::try_from(self.streams.len()).expect("streams are numbered in u32"));
        let kind = self.catalog.kind(spec.kind);
        let period_ms = if spec.period_ms == 0 { kind.period_ms } else { spec.period_ms };
        let tree = &mut self.trees[usize::from(spec.kind.0)];
        let node = tree.node_or_add(spec.area, &self.areas);
        tree.add_stream(node, period_ms, false);
        let nodes = tree.len();
        for windows in &mut self.windows[self.gates[usize::from(spec.kind.0)].windows()] {
            windows.nodes = nodes;
        }
        self.streams.push(Stream::new(spec.kind.0, node));
        self.facts.push(StreamFacts { period_ms, due_s: 0 });
        self.owners.push(spec.device.0);
        self.rings.add_stream(self.gates[usize::from(spec.kind.0)].slope_ms > 0);
        self.totals.streams += 1;
        id
    }

    /// The device of a stream moved, or reports at another pace: its next readings count in the new
    /// area. Readings already counted stay where they were made.
    pub fn reassign(&mut self, stream: StreamId, area: AreaId, period_ms: u32) {
        let kind = KindId(self.streams[stream.0 as usize].kind);
        let period_ms = if period_ms == 0 { self.catalog.kind(kind).period_ms } else { period_ms };
        let state = self.streams.get_mut(stream.0 as usize);
        let facts = self.facts.get_mut(stream.0 as usize);
        let tree = &mut self.trees[usize::from(kind.0)];
        let online = state.has(ONLINE);
        tree.remove_stream(state.node, facts.period_ms, online);
        state.node = tree.node_or_add(area, &self.areas);
        facts.period_ms = period_ms;
        tree.add_stream(state.node, period_ms, online);
        if state.reported() {
            // It may now be due sooner than the wheel thinks.
            self.schedule(stream.0, seconds(self.clock));
        }
    }

    /// The current value of an indicator over an area, as of the last tick.
    pub fn value(&self, indicator: u16, area: AreaId) -> IndicatorValue {
        self.board.value(self.inputs(), indicator, area)
    }

    /// Values of an indicator over an area in the windows that may still be corrected, oldest first,
    /// as of the last tick.
    pub fn open_windows(&self, indicator: u16, area: AreaId) -> Vec<ClosedWindow> {
        Board::open_windows(self.inputs(), indicator, area)
    }

    /// Followed values that changed in the last tick: indicator and area, each once.
    pub fn changed(&self) -> &[(u16, AreaId)] {
        &self.board.changed
    }

    /// Indicators whose value over an area is not followed but worked out when asked, and of which
    /// the last tick found new readings. With [`Engine::changed`] it says what a screen asks for again.
    pub fn touched(&self, area: AreaId) -> Vec<u16> {
        self.board.touched(self.inputs(), area)
    }

    /// What the last tick had to do.
    pub fn last_tick(&self) -> TickCounts {
        self.last_tick
    }

    /// What is known of a stream now. One that was handed a number but not registered here yet is
    /// one that never reported: the edge knows of new streams a moment before the engine does.
    pub fn stream(&self, id: StreamId) -> StreamView {
        let index = id.0 as usize;
        let (Some(stream), Some(facts)) =
            (self.streams.as_slice().get(index), self.facts.as_slice().get(index))
        else {
            return StreamView::unregistered();
        };
        let reported = stream.reported();
        StreamView {
            kind: KindId(stream.kind),
            area: self.area_of(stream),
            device: self.owner(id.0),
            period_ms: facts.period_ms,
            last: reported.then_some((Timestamp(stream.last_at), stream.last_value)),
            last_seen: (stream.seen_s > 0).then(|| Timestamp(i64::from(stream.seen_s) * 1_000)),
            online: stream.has(ONLINE),
            stuck: stream.has(STUCK),
            out_of_range: stream.has(OUT_OF_RANGE),
            severity: self.rules.severity(id),
        }
    }

    /// How many streams are registered: the number that the next one will have.
    pub fn stream_count(&self) -> u32 {
        u32::try_from(self.streams.len()).expect("streams are numbered in u32")
    }

    /// A person's order at a moment of the journal. The same order told twice changes nothing.
    pub fn order(&mut self, at: Timestamp, order: &Order, out: &mut Vec<Event>) {
        self.advance(at);
        match order {
            Order::Correct(correction) => self.correct_by(at, correction),
            _ => self.with_screen(|screen, scene| screen.order(scene, order, out)),
        }
    }

    /// Shelves that have not ended, and what each holds back inside that area.
    pub fn shelves(&self, within: AreaId) -> Vec<ShelfView> {
        let inside = |area| self.areas.is_empty() || self.areas.contains(within, area);
        self.screen.shelves(&inside)
    }

    /// Desks to which too many warnings come at present.
    pub fn floods(&self) -> Vec<FloodView> {
        self.screen.floods()
    }

    /// Counts since the engine was made.
    pub fn totals(&self) -> Totals {
        Totals { online: self.trees.iter().map(KindTree::online).sum(), ..self.totals }
    }

    /// Gives the screen what it works with.
    fn with_screen(&mut self, work: impl FnOnce(&mut Screen, &Scene<'_>)) {
        let scene = Scene {
            catalog: &self.catalog,
            areas: &self.areas,
            owners: &self.owners,
            warnings: &self.warnings,
            settings: &self.settings.alarms,
            now: self.clock,
        };
        work(&mut self.screen, &scene);
        self.warnings.forget_joined();
    }

    fn owner(&self, stream: u32) -> DeviceId {
        DeviceId(self.owners.get(stream as usize).unwrap_or_default())
    }

    fn area_of(&self, stream: &Stream) -> AreaId {
        AreaId(self.trees[usize::from(stream.kind)].areas[stream.node as usize])
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            catalog: &self.catalog,
            areas: &self.areas,
            trees: &self.trees,
            windows: &self.windows,
            now: self.clock,
            offset_ms: self.settings.utc_offset_ms,
            lateness_ms: self.settings.lateness_ms,
        }
    }

    /// Makes trees and gates for kinds that are new in the catalog.
    pub(crate) fn open_gates(&mut self) {
        for kind in &self.catalog.kinds()[self.gates.len()..] {
            // Anomalies need every reading, so nothing is quiet.
            let [low, high] =
                if kind.anomaly { [f64::INFINITY, f64::NEG_INFINITY] } else { kind.quiet };
            let stuck_s = kind.stuck_first_ms.map_or(u32::MAX, crate::liveness::seconds_up);
            let windows = (kind.windows.start, kind.windows.end);
            let slope_ms = kind.slope_ms;
            self.gates.push(KindGate { low, high, stuck_s, windows, slope_ms });
        }
        self.trees.resize_with(self.gates.len(), KindTree::default);
    }
}
