//! The engine's state as bytes, to start from instead of the whole journal. A snapshot is only ever
//! a shortcut: when it does not fit, it is refused and the journal is replayed.
//!
//! It is taken without a pause: [`Engine::freeze`] marks the state, [`Engine::thaw`] writes it out in
//! slices between which the engine goes on. What grows with the number of streams or areas is written
//! as raw little-endian columns; what rules remember and the warnings that stand are shared with the state
//! that goes on; the rest is small and serialised when the state is frozen.
//!
//! Not in it: what can be worked out again (folded windows, look-up tables, the expiry wheel).
//!
//! Invariant: whatever the bytes are, an engine that comes of them goes on without a panic. Checksums
//! stand before them, so this is about faults of the program, which must not stop a start.

mod before;
mod parts;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use chengmai_model::pack::Cause;
use chengmai_model::{AreaTree, Timestamp};

use self::parts::{FirstView, Head, LastView, Sizes, Small};
use crate::anomaly::Watch;
use crate::catalog::Catalog;
use crate::engine::{Engine, Settings, Totals};
use crate::hash::Hash64;
use crate::indicator::BoardColumn;
use crate::limits::{COUNT_MAX, TIME_MS_MAX};
use crate::pages::{Pages, Plain};
use crate::rollup::{KindTree, Registered};
use crate::rule::{Remembered, RuleStates};
use crate::screen::{Bounds, Screen};
use crate::setpoint::Setpoints;
use crate::slope::Rings;
use crate::stream::{ONLINE, SCHEDULED};
use crate::warning::Warnings;
use crate::window::{Pane, Windows};

/// Changes with every change of the shapes below.
const FORMAT: u32 = 7;

/// Why a snapshot cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version of the program.
    #[error("snapshot format {found} is not {wanted}")]
    Format {
        /// The number in the snapshot.
        found: u32,
        /// The number this program writes.
        wanted: u32,
    },
    /// The packs mean something else now.
    #[error("the packs changed since the snapshot")]
    Catalog,
    /// The areas are others now.
    #[error("the areas changed since the snapshot")]
    Areas,
    /// The settings are others now.
    #[error("the settings changed since the snapshot")]
    Settings,
    /// Cut short or damaged.
    #[error("the snapshot cannot be read: {0}")]
    Broken(String),
}

/// A frozen state on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Freeze {
    /// What comes first, until it is written.
    front: Vec<u8>,
    /// What is small, until it is written: before what rules remember, and behind it.
    small: [Vec<u8>; 2],
    /// The warnings that stand, until they are written.
    told: (Warnings, Screen),
    /// What rules remember, as far as it is not written yet.
    rules: std::vec::IntoIter<Remembered>,
    /// Streams whose devices are not written yet.
    owners: Range<usize>,
    columns: VecDeque<Column>,
}

impl Freeze {
    /// Bytes that only wait to be taken.
    pub(crate) fn rest(front: Vec<u8>) -> Self {
        let rules = Vec::new().into_iter();
        let (small, told) = Default::default();
        Self { front, small, told, rules, owners: 0..0, columns: VecDeque::new() }
    }
}

/// What is written next.
#[derive(Debug, Clone, Copy)]
enum Column {
    /// First, in a form of their own: they are read even when nothing behind them can be.
    Setpoints,
    First,
    Rules,
    Last,
    Streams,
    Facts,
    Owners,
    Packed,
    Rings,
    Watched,
    Detectors,
    /// Areas and parents of a kind's nodes, of which there were so many.
    Nodes(usize, usize),
    /// What is registered at a kind's nodes.
    Registered(usize),
    /// The pane of a window that starts then.
    Pane(usize, i64),
    Board(BoardColumn),
}

impl Engine {
    /// The whole state as bytes, all at once.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.freeze();
        let mut out = Vec::new();
        while self.thaw(&mut out, usize::MAX) {}
        out
    }

    /// Marks the state as it is now, to be written out by [`Engine::thaw`]. A state frozen before and
    /// not written out to its end is forgotten.
    pub fn freeze(&mut self) {
        self.setpoints.freeze();
        self.streams.freeze();
        self.facts.freeze();
        self.rings.freeze();
        self.watch.streams.freeze();
        self.watch.detectors.freeze();
        for tree in &mut self.trees {
            tree.own.freeze();
        }
        for windows in &mut self.windows {
            windows.parked.clear();
            for pane in &mut windows.panes {
                pane.freeze();
            }
        }
        self.board.freeze();
        let sizes = self.sizes();
        let mut columns = VecDeque::from([
            Column::Setpoints,
            Column::First,
            Column::Rules,
            Column::Last,
            Column::Streams,
            Column::Facts,
            Column::Owners,
            Column::Packed,
            Column::Rings,
            Column::Watched,
            Column::Detectors,
        ]);
        for (kind, &nodes) in sizes.trees.iter().enumerate() {
            columns.extend([Column::Nodes(kind, nodes), Column::Registered(kind)]);
        }
        for (window, panes) in sizes.panes.iter().enumerate() {
            columns.extend(panes.iter().map(|&(start, _)| Column::Pane(window, start)));
        }
        columns.extend(self.board.columns().into_iter().map(Column::Board));
        let front = self.setpoints.head();
        let owners = 0..sizes.streams;
        let rules = self.rules.to_list();
        let small = self.small(sizes, rules.len());
        let rules = rules.into_iter();
        let told = (self.warnings.clone(), self.screen.clone());
        self.freeze = Some(Freeze { front, small, told, rules, owners, columns });
    }

    /// Takes what is left of a frozen state into memory, before something turns everything over.
    pub(crate) fn thaw_rest(&mut self) {
        if self.freeze.is_some() {
            let mut rest = Vec::new();
            while self.thaw(&mut rest, usize::MAX) {}
            self.freeze = Some(Freeze::rest(rest));
        }
    }

    /// Appends the next slice of the frozen state to `out`, about `budget_bytes` of it; true while
    /// there is more. Readings, ticks and registrations may come between two slices.
    pub fn thaw(&mut self, out: &mut Vec<u8>, budget_bytes: usize) -> bool {
        let Some(mut freeze) = self.freeze.take() else { return false };
        let full = out.len().saturating_add(budget_bytes.max(1));
        out.append(&mut freeze.front);
        while let Some(&column) = freeze.columns.front() {
            if out.len() >= full || self.thaw_column(column, &mut freeze, out, full) {
                self.freeze = Some(freeze);
                return true;
            }
            freeze.columns.pop_front();
        }
        false
    }

    /// True while there is more of that column.
    fn thaw_column(
        &mut self,
        column: Column,
        freeze: &mut Freeze,
        out: &mut Vec<u8>,
        full: usize,
    ) -> bool {
        match column {
            Column::Setpoints => self.setpoints.thaw(out, full),
            Column::First => {
                out.append(&mut freeze.small[0]);
                freeze.rules.as_mut_slice().sort_unstable_by_key(|(stream, _)| *stream);
                false
            }
            Column::Rules => {
                while out.len() < full
                    && let Some((stream, states)) = freeze.rules.next()
                {
                    let written = postcard::to_io(&(stream, states.as_slice()), &mut *out);
                    written.expect("plain data always serialises");
                }
                freeze.rules.len() > 0
            }
            Column::Last => {
                let told = postcard::to_io(&std::mem::take(&mut freeze.told), &mut *out);
                told.expect("plain data always serialises");
                out.append(&mut freeze.small[1]);
                false
            }
            Column::Streams => self.streams.thaw(out, full),
            Column::Facts => self.facts.thaw(out, full),
            Column::Owners => {
                // They are only added to, so those of then still stand there.
                let Range { start, end } = freeze.owners;
                let next = (start + full.saturating_sub(out.len()) / u32::BYTES + 1).min(end);
                self.owners.part(start..next).for_each(|device| device.put(out));
                freeze.owners = next..end;
                next < end
            }
            Column::Packed => self.rings.packed.thaw(out, full),
            Column::Rings => self.rings.wide.thaw(out, full),
            Column::Watched => self.watch.streams.thaw(out, full),
            Column::Detectors => self.watch.detectors.thaw(out, full),
            Column::Nodes(kind, nodes) => {
                let tree = &self.trees[kind];
                let both = tree.areas[..nodes].iter().chain(&tree.parents[..nodes]);
                both.for_each(|number| number.put(out));
                false
            }
            Column::Registered(kind) => self.trees[kind].own.thaw(out, full),
            Column::Pane(window, start) => self.windows[window].thaw(start, out, full),
            Column::Board(column) => self.board.thaw(column, out, full),
        }
    }

    fn sizes(&self) -> Sizes {
        let panes = |windows: &Windows| {
            windows.panes.iter().map(|pane| (pane.start, pane.sizes())).collect()
        };
        Sizes {
            streams: self.streams.len(),
            rings: self.rings.wide.len(),
            watched: self.watch.streams.len(),
            trees: self.trees.iter().map(KindTree::len).collect(),
            panes: self.windows.iter().map(panes).collect(),
            board: self.board.sizes(),
        }
    }

    fn small(&self, sizes: Sizes, rules: usize) -> [Vec<u8>; 2] {
        let head = Head {
            format: FORMAT,
            catalog: self.catalog.fingerprint(),
            areas: self.areas_print,
            lateness_ms: self.settings.lateness_ms,
            utc_offset_ms: self.settings.utc_offset_ms,
            offline_periods: self.settings.offline_periods,
            alarms: self.settings.alarms,
            added_kinds: self.catalog.added_kinds().map(str::to_owned).collect(),
        };
        let Totals { streams, readings, duplicates, late, out_of_range, .. } = self.totals;
        let totals = [streams, readings, duplicates, late, out_of_range];
        let first = FirstView { clock: self.clock, totals, rules };
        let last = LastView { board: &self.board, sizes };
        let both = [postcard::to_stdvec(&(head, first)), postcard::to_stdvec(&last)];
        both.map(|part| part.expect("plain data always serialises"))
    }

    /// An engine as it was when the snapshot was taken.
    ///
    /// # Errors
    /// When packs, areas, settings or the format are others, or the bytes are damaged.
    pub fn restore(
        catalog: Catalog,
        areas: Arc<AreaTree>,
        settings: Settings,
        bytes: &[u8],
    ) -> Result<Self, SnapshotError> {
        let broken = |e: postcard::Error| SnapshotError::Broken(e.to_string());
        let mut bytes = bytes;
        let setpoints = Setpoints::take(&mut bytes)
            .ok_or_else(|| SnapshotError::Broken("its set-points cannot be read".to_owned()))?;
        let (head, rest): (Head, &[u8]) = postcard::take_from_bytes(bytes).map_err(broken)?;
        let mut engine = Self::new(catalog, areas, settings);
        engine.setpoints = setpoints;
        engine.check(&head)?;
        let (small, mut columns): (Small, &[u8]) =
            postcard::take_from_bytes(rest).map_err(broken)?;
        engine
            .fill(head.format, &small, &mut columns)
            .filter(|()| columns.is_empty())
            .ok_or_else(|| SnapshotError::Broken("its parts do not fit together".to_owned()))?;
        engine
            .go_on(small)
            .ok_or_else(|| SnapshotError::Broken("it says what cannot be".to_owned()))?;
        Ok(engine)
    }

    fn check(&mut self, head: &Head) -> Result<(), SnapshotError> {
        if !(before::OLDEST..=FORMAT).contains(&head.format) {
            return Err(SnapshotError::Format { found: head.format, wanted: FORMAT });
        }
        if head.catalog != self.catalog.fingerprint() {
            return Err(SnapshotError::Catalog);
        }
        if head.areas != self.areas_print {
            return Err(SnapshotError::Areas);
        }
        let settings = Settings {
            lateness_ms: head.lateness_ms,
            utc_offset_ms: head.utc_offset_ms,
            offline_periods: head.offline_periods,
            alarms: head.alarms,
        };
        if settings != self.settings {
            return Err(SnapshotError::Settings);
        }
        for name in &head.added_kinds {
            self.catalog.kind_or_add(name);
        }
        // The same names in the same order, or the numbers in the state mean other kinds.
        let same = self.catalog.added_kinds().take(head.added_kinds.len()).eq(&head.added_kinds);
        if same { Ok(()) } else { Err(SnapshotError::Catalog) }
    }

    /// Reads the columns; `None` when they are not what their sizes say.
    fn fill(&mut self, format: u32, small: &Small, bytes: &mut &[u8]) -> Option<()> {
        let sizes = &small.sizes;
        self.open_gates();
        self.streams = Pages::take(bytes, sizes.streams)?;
        if format == FORMAT {
            self.facts = Pages::take(bytes, sizes.streams)?;
            self.owners = column(bytes, sizes.streams)?.into_iter().collect();
            let asked: Vec<bool> = self.spans().map(|span_ms| span_ms > 0).collect();
            self.rings = Rings::restored(bytes, sizes.rings, asked.into_iter())?;
        } else {
            self.fill_before(sizes, bytes)?;
        }
        let watched = Pages::take(bytes, sizes.watched)?;
        let detectors = Pages::take(bytes, sizes.watched)?;
        self.watch = Watch::restored(watched, detectors, sizes.streams)?;
        if sizes.trees.len() > self.trees.len() || sizes.panes.len() != self.windows.len() {
            return None;
        }
        for (tree, &nodes) in self.trees.iter_mut().zip(&sizes.trees) {
            let [of, parents] = [column(bytes, nodes)?, column(bytes, nodes)?];
            *tree = KindTree::restored(of, parents, Pages::take(bytes, nodes)?, &self.areas)?;
        }
        let windows = self.windows.iter_mut().zip(self.catalog.windows()).zip(&sizes.panes);
        for ((windows, def), panes) in windows {
            let nodes = self.trees[usize::from(def.kind.0)].len();
            let mut list = Vec::new();
            for &pane in panes {
                list.push(Pane::take(bytes, pane, &windows.layout, nodes)?);
            }
            windows.restore(list)?;
        }
        self.board.restore(&small.board, &sizes.board, bytes, &self.areas)?;
        let registered = |(stream, _)| (stream as usize) < sizes.streams;
        if !self.setpoints.iter().all(registered) {
            return None;
        }
        self.counts_its_streams()
    }

    /// The longest slope that the kind of each stream asks for.
    fn spans(&self) -> impl Iterator<Item = i64> {
        let kinds = self.catalog.kinds();
        let span = |kind: u16| kinds.get(usize::from(kind)).map_or(0, |kind| kind.slope_ms);
        self.streams.as_slice().iter().map(move |stream| span(stream.kind))
    }

    /// `None` when a stream is none, or what is registered in some area is not what its streams say.
    fn counts_its_streams(&self) -> Option<()> {
        let nodes = |tree: &KindTree| vec![Registered::default(); tree.len()];
        let mut counted: Vec<_> = self.trees.iter().map(nodes).collect();
        for (stream, facts) in self.streams.as_slice().iter().zip(self.facts.as_slice()) {
            let tree = counted.get_mut(usize::from(stream.kind)).filter(|_| stream.is_sound())?;
            tree.get_mut(stream.node as usize)?.add(facts.period_ms, stream.has(ONLINE));
        }
        let mut both = counted.iter().zip(&self.trees);
        both.all(|(counted, tree)| counted == tree.own.as_slice()).then_some(())
    }

    /// Goes on with what is small; `None` when it does not fit.
    fn go_on(&mut self, small: Small) -> Option<()> {
        let [streams, readings, duplicates, late, out_of_range] = small.totals;
        let cause = |rule: u16| {
            let rule = self.catalog.rules().get(usize::from(rule))?.compiled.as_ref()?;
            Some(rule.cause == Cause::Area)
        };
        let fits = (0..=TIME_MS_MAX).contains(&small.clock)
            && streams == self.streams.len() as u64
            && small.totals.iter().all(|&count| count <= COUNT_MAX)
            && small.warnings.are_sound(cause, self.areas.len().max(1), self.streams.len());
        let bounds = Bounds {
            rules: self.catalog.rules().len(),
            packs: self.catalog.packs().len(),
            areas: self.areas.len().max(1),
            streams: self.streams.len(),
        };
        // An indicator's warning is about an area too.
        if !fits || !small.screen.is_sound(|rule| cause(rule) != Some(false), bounds) {
            return None;
        }
        self.rules = RuleStates::restored(small.rules, bounds.rules, self.streams.len())?;
        self.totals = Totals { streams, online: 0, readings, duplicates, late, out_of_range };
        self.warnings = small.warnings;
        self.screen = small.screen;
        self.clock = small.clock;
        self.requiet();
        self.advance(Timestamp(small.clock));
        self.find_inexact();
        self.fold();
        let mut board = std::mem::take(&mut self.board);
        board.index(self.inputs());
        self.board = board;
        let both = self.streams.as_slice().iter().zip(self.facts.as_slice());
        for (number, (stream, facts)) in (0..).zip(both) {
            if stream.has(SCHEDULED) {
                self.wheel.put(facts.due_s, number);
            }
        }
        Some(())
    }
}

impl Windows {
    /// Writes out more of the pane that starts then; true while there is more of it.
    fn thaw(&mut self, start: i64, out: &mut Vec<u8>, full: usize) -> bool {
        let more = self.find_frozen(start).is_some_and(|pane| pane.thaw(out, full));
        if !more {
            self.parked.retain(|pane| pane.start != start);
        }
        more
    }
}

fn column(bytes: &mut &[u8], len: usize) -> Option<Vec<u32>> {
    Pages::take(bytes, len).map(|pages| pages.as_slice().to_vec())
}

/// A number that other areas, or others above them, do not have.
pub(crate) fn fingerprint(areas: &AreaTree) -> u64 {
    let hash = areas.iter().fold(Hash64::new(), |hash, (_, area)| {
        hash.bytes(area.row.code.as_str().as_bytes()).number(u64::from(area.parent.0))
    });
    hash.finish()
}
