//! What a formula reads: the folded windows and registrations of its kinds, and its value over the
//! nodes of one area.

use chengmai_model::time::MINUTE_MS;
use chengmai_model::{AreaId, AreaTree, Tier, Timestamp};

use crate::accumulator;
use crate::catalog::{Catalog, IndicatorDef, Load, SHARES, SlotTerm};
use crate::rollup::KindTree;
use crate::window::{Pane, Windows};

/// Node of a kind in an area that holds none of it.
pub(super) const NO_NODE: u32 = u32::MAX;

/// What a tick works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) areas: &'a AreaTree,
    pub(crate) trees: &'a [KindTree],
    pub(crate) windows: &'a [Windows],
    pub(crate) now: i64,
    pub(crate) offset_ms: i64,
    pub(crate) lateness_ms: i64,
}

/// One indicator with all that its formula reads.
pub(super) struct Sheet<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) number: u16,
    pub(super) def: &'a IndicatorDef,
    pub(super) trees: Vec<&'a KindTree>,
    pub(super) windows: Vec<Option<&'a Windows>>,
}

/// One window of all kinds of an indicator.
pub(super) struct Frame<'a> {
    pub(super) start: i64,
    kinds: Vec<KindFrame<'a>>,
}

/// One window of one kind.
struct KindFrame<'a> {
    /// `None` when nothing was written, or the kind's readings are not asked for.
    pane: Option<&'a Pane>,
    tree: &'a KindTree,
    stride: usize,
    width_ms: i64,
}

impl<'a> KindFrame<'a> {
    /// Accumulator of a node; empty when there is none.
    #[inline]
    fn words(&self, node: u32) -> &'a [u64] {
        match self.pane {
            Some(pane) if node != NO_NODE => self.tree.words(pane, node, self.stride),
            _ => &[],
        }
    }
}

impl<'a> Frame<'a> {
    /// Panes of all kinds.
    pub(super) fn panes(&self) -> impl Iterator<Item = Option<&'a Pane>> {
        self.kinds.iter().map(|kind| kind.pane)
    }

    /// Accumulators of the nodes of an area.
    pub(super) fn words(&self, nodes: &[u32]) -> impl Iterator<Item = &'a [u64]> {
        nodes.iter().zip(&self.kinds).map(|(&node, kind)| kind.words(node))
    }
}

/// The value of one window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) start: i64,
    pub(super) value: f64,
    pub(super) readings: u64,
    pub(super) coverage: f64,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(inputs: Inputs<'a>, number: u16) -> Self {
        let def = &inputs.catalog.indicators()[usize::from(number)];
        let trees = def.kinds.iter().map(|kind| &inputs.trees[usize::from(kind.0)]).collect();
        let window = |index: &Option<u16>| index.map(|w| &inputs.windows[usize::from(w)]);
        Self { inputs, number, def, trees, windows: def.windows.iter().map(window).collect() }
    }

    /// The same for another indicator of its group.
    pub(super) fn of(&self, number: u16) -> Self {
        let def = &self.inputs.catalog.indicators()[usize::from(number)];
        Self { number, def, trees: self.trees.clone(), windows: self.windows.clone(), ..*self }
    }

    /// Its nodes in an area, one for each kind; `None` where it has nothing to say.
    pub(super) fn nodes(&self, area: AreaId) -> Option<Vec<u32>> {
        let find = |tree: &&KindTree| tree.find(area).unwrap_or(NO_NODE);
        let nodes: Vec<u32> = self.trees.iter().map(find).collect();
        let any = nodes.iter().any(|&node| node != NO_NODE);
        (any && self.def.on_tier(self.tier(area.0))).then_some(nodes)
    }

    /// Start of the present window by the clock.
    pub(super) fn present(&self) -> i64 {
        let now = Timestamp(self.inputs.now);
        now.window_start(self.def.window_ms, self.inputs.offset_ms).0
    }

    /// All open windows, newest first; for a formula over registrations alone, the present one.
    pub(super) fn frames(&self) -> Vec<Frame<'a>> {
        let windows = self.windows.iter().flatten();
        let mut starts: Vec<i64> =
            windows.flat_map(|w| w.panes.iter().map(|pane| pane.start)).collect();
        if !self.def.has_readings() {
            starts.push(self.present());
        }
        starts.sort_unstable_by(|a, b| b.cmp(a));
        starts.dedup();
        starts.into_iter().map(|start| self.frame(start)).collect()
    }

    fn frame(&self, start: i64) -> Frame<'a> {
        let kind = |(windows, tree): (Option<&'a Windows>, &&'a KindTree)| match windows {
            Some(windows) => KindFrame {
                pane: windows.find(start),
                tree,
                stride: windows.layout.stride(),
                width_ms: windows.width_ms,
            },
            None => KindFrame { pane: None, tree, stride: 0, width_ms: 0 },
        };
        Frame { start, kinds: self.windows.iter().copied().zip(&self.trees).map(kind).collect() }
    }

    /// Changes when registrations did that the value depends on.
    pub(super) fn version(&self) -> u64 {
        let online = self.def.uses_online;
        let of = |tree: &&KindTree| tree.version + if online { tree.online_version } else { 0 };
        self.trees.iter().map(of).sum()
    }

    /// A whole further window, or period of the slowest kind, has passed since a window began, and
    /// no better value came.
    pub(super) fn stale(&self, start: i64, present: i64) -> bool {
        let kinds = self.def.kinds.iter().map(|&kind| self.inputs.catalog.kind(kind));
        let period = kinds.map(|kind| i64::from(kind.period_ms)).max().unwrap_or(MINUTE_MS);
        let width = self.def.window_ms;
        present >= start.saturating_add(width + width.max(period) + self.inputs.lateness_ms)
    }

    pub(super) fn tier(&self, area: u32) -> Tier {
        let areas = self.inputs.areas;
        if areas.is_empty() { Tier::City } else { areas.get(AreaId(area)).row.tier }
    }

    /// How many readings came in one window over the nodes of an area, and their share of what was
    /// expected; `None` without a reading.
    pub(super) fn came(&self, nodes: &[u32], frame: &Frame<'a>) -> Option<(u64, f64)> {
        let mut readings = 0;
        let mut coverage: f64 = 1.0;
        for ((&node, kind), tree) in nodes.iter().zip(&frame.kinds).zip(&self.trees) {
            if kind.stride == 0 || node == NO_NODE {
                continue;
            }
            let words = kind.words(node);
            let came = if words.is_empty() { 0 } else { accumulator::count(words) };
            readings += came;
            // A node that came since the last tick is not in the sums yet.
            let registered = tree.folded.get(node as usize).copied().unwrap_or_default();
            let expected = registered.expected(kind.width_ms);
            if expected > 0.0 {
                #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
                let share = came as f64 / expected;
                coverage = coverage.min(share);
            }
        }
        (readings > 0 || !self.def.has_readings()).then_some((readings, coverage))
    }

    /// A correction took out a value that the formula asks for, and its cell is not refilled yet.
    pub(super) fn inexact(&self, nodes: &[u32], frame: &Frame<'a>) -> bool {
        self.def.uses_chosen && frame.words(nodes).any(accumulator::is_inexact)
    }

    /// The value of one window over the nodes of an area; `None` without a reading.
    pub(super) fn work_out(&self, nodes: &[u32], frame: &Frame<'a>) -> Option<Found> {
        let (readings, coverage) = self.came(nodes, frame)?;
        Some(Found { start: frame.start, value: self.value(nodes, frame), readings, coverage })
    }

    /// The formula's value in one window.
    pub(super) fn value(&self, nodes: &[u32], frame: &Frame<'a>) -> f64 {
        self.def.program.number(|term| self.load(term, nodes, frame))
    }

    fn load(&self, term: SlotTerm, nodes: &[u32], frame: &Frame<'a>) -> f64 {
        let kind = usize::from(term.kind);
        let node = nodes[kind];
        match term.load {
            Load::Registered | Load::Online | Load::OnlineRatio => self.load_registered(term, node),
            Load::Quantile(share) => self.quantile(term, frame.kinds[kind].pane, node, share),
            load => load_words(load, frame.kinds[kind].words(node)),
        }
    }

    /// The value below which a share of the readings of a node lies, and of all below it.
    pub(super) fn quantile(
        &self,
        term: SlotTerm,
        pane: Option<&Pane>,
        node: u32,
        share: u16,
    ) -> f64 {
        let tree = self.trees[usize::from(term.kind)];
        let pane = pane.filter(|_| node != NO_NODE);
        pane.map_or(f64::NAN, |pane| tree.quantile(pane, node, f64::from(share) / SHARES))
    }

    /// A term over registrations.
    pub(super) fn load_registered(&self, term: SlotTerm, node: u32) -> f64 {
        let tree = self.trees[usize::from(term.kind)];
        let registered = tree.folded.get(node as usize).copied().unwrap_or_default();
        let (streams, online) = (f64::from(registered.streams), f64::from(registered.online));
        match term.load {
            Load::Registered => streams,
            Load::Online => online,
            _ if streams == 0.0 => f64::NAN,
            _ => online / streams,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn load_words(load: Load, words: &[u64]) -> f64 {
    let count = if words.is_empty() { 0 } else { accumulator::count(words) };
    match load {
        Load::Count => count as f64,
        Load::Word(_) | Load::Sum(_) if count == 0 => 0.0,
        _ if count == 0 => f64::NAN,
        Load::Word(at) => words[usize::from(at)] as f64,
        Load::Sum(at) => accumulator::sum(words, at),
        Load::Mean(at) => accumulator::sum(words, at) / count as f64,
        Load::Float(at) => f64::from_bits(words[usize::from(at)]),
        Load::Quantile(_) | Load::Registered | Load::Online | Load::OnlineRatio => f64::NAN,
    }
}
