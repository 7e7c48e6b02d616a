//! Tumbling windows in event time. For one kind and width, a *pane* is one window; in it every node
//! of the kind's tree has an accumulator.
//!
//! Invariants: a reading is added to exactly one accumulator of a pane, that of the node where its
//! device stands; areas above are folded from it once a tick; panes are in order of their start.

use std::ops::Range;

use crate::accumulator::Layout;
use crate::node_set::NodeSet;
use crate::pages::Pages;

/// One window of a kind.
#[derive(Debug, Clone)]
pub(crate) struct Pane {
    pub(crate) start: i64,
    /// An accumulator for each node, of the readings of its own devices; may be shorter than the tree.
    pub(crate) cells: Pages<u64>,
    /// Nodes written to since the last fold.
    pub(crate) touched: NodeSet,
    /// Nodes that the last fold found touched, and all above them.
    pub(crate) fresh: NodeSet,
    /// For each node that has children, its own and all below it, as of the last fold.
    pub(crate) folded: Vec<u64>,
    /// Shape of the tree that `folded` is of.
    pub(crate) shape: u64,
}

impl Pane {
    fn new(start: i64) -> Self {
        Self {
            start,
            cells: Pages::default(),
            touched: NodeSet::default(),
            fresh: NodeSet::default(),
            folded: Vec::new(),
            shape: 0,
        }
    }

    /// With these cells, all of them to be folded.
    pub(crate) fn restored(start: i64, cells: Pages<u64>, stride: usize) -> Self {
        let mut pane = Self { cells, ..Self::new(start) };
        pane.touched.insert_all(pane.cells.len() / stride);
        pane
    }

    /// The cell of a node, to be written to.
    #[inline]
    fn cell_mut(&mut self, node: u32, stride: usize, nodes: usize) -> &mut [u64] {
        let at = cell(node, stride);
        if at.end > self.cells.len() {
            self.make_room((node as usize + 1).max(nodes), stride);
        }
        self.touched.insert(node as usize);
        self.cells.slice_mut(at)
    }

    #[cold]
    fn make_room(&mut self, nodes: usize, stride: usize) {
        self.cells.grow(nodes * stride);
        self.touched.reserve(nodes);
    }

    /// The accumulator of a node's own devices; empty when nothing was written.
    #[inline]
    pub(crate) fn own(&self, node: usize, stride: usize) -> &[u64] {
        self.cells.as_slice().get(node * stride..(node + 1) * stride).unwrap_or_default()
    }
}

/// Words of a node's cell.
#[inline]
fn cell(node: u32, stride: usize) -> Range<usize> {
    let from = node as usize * stride;
    from..from + stride
}

/// All open windows of one kind and width.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    pub(crate) layout: Layout,
    pub(crate) width_ms: i64,
    offset_ms: i64,
    /// In order of their start.
    pub(crate) panes: Vec<Pane>,
    /// Nodes of the kind's tree, so that a new pane has room for all of them at once.
    pub(crate) nodes: usize,
    /// Panes that closed while they were being written out.
    pub(crate) parked: Vec<Pane>,
    /// The newest pane's time, so that the usual reading finds it in two comparisons.
    newest: (i64, i64),
    /// Windows that end at or before this take no more corrections.
    closed_before: i64,
}

impl Windows {
    pub(crate) fn new(layout: Layout, width_ms: i64, offset_ms: i64) -> Self {
        Self {
            layout,
            width_ms,
            offset_ms,
            panes: Vec::new(),
            nodes: 0,
            parked: Vec::new(),
            newest: (i64::MAX, i64::MIN),
            closed_before: i64::MIN,
        }
    }

    /// Start of the window that holds a moment.
    pub(crate) fn start_of(&self, at: i64) -> i64 {
        chengmai_model::Timestamp(at).window_start(self.width_ms, self.offset_ms).0
    }

    /// Windows that end at or before `horizon` take no more readings.
    pub(crate) fn close_before(&mut self, horizon: i64) {
        self.closed_before = self.closed_before.max(horizon);
        if self.newest.1 <= self.closed_before {
            self.newest = (i64::MAX, i64::MIN);
        }
    }

    /// Adds one reading to the accumulator of a node; false when its window is closed.
    #[inline]
    pub(crate) fn add(&mut self, node: u32, at: i64, value: f64) -> bool {
        let index = if at >= self.newest.0 && at < self.newest.1 {
            self.panes.len() - 1
        } else if let Some(index) = self.find_or_open(at) {
            index
        } else {
            return false;
        };
        let words = self.panes[index].cell_mut(node, self.layout.stride(), self.nodes);
        self.layout.add(words, at, value);
        true
    }

    /// Some word of a node's newest accumulator, for the sake of having read it.
    #[inline]
    pub(crate) fn peek(&self, node: u32) -> u64 {
        let from = node as usize * self.layout.stride();
        let newest = self.panes.last();
        newest.and_then(|pane| pane.cells.as_slice().get(from)).copied().unwrap_or(0)
    }

    #[cold]
    fn find_or_open(&mut self, at: i64) -> Option<usize> {
        let start = self.start_of(at);
        if start + self.width_ms <= self.closed_before {
            return None;
        }
        let place = self.panes.partition_point(|pane| pane.start < start);
        if self.panes.get(place).is_none_or(|pane| pane.start != start) {
            self.panes.insert(place, Pane::new(start));
        }
        if place + 1 == self.panes.len() {
            self.newest = (start, start + self.width_ms);
        }
        Some(place)
    }

    /// Goes on with the panes of a snapshot, in order of their start.
    pub(crate) fn restore(&mut self, panes: Vec<Pane>) {
        self.newest = panes
            .last()
            .map_or((i64::MAX, i64::MIN), |pane| (pane.start, pane.start + self.width_ms));
        self.panes = panes;
    }

    /// Forgets the panes that are closed now; those still being written out wait for it.
    pub(crate) fn drop_closed(&mut self) {
        let (width, horizon) = (self.width_ms, self.closed_before);
        let closed = self.panes.partition_point(|pane| pane.start + width <= horizon);
        let closed = self.panes.drain(..closed);
        self.parked.extend(closed.filter(|pane| pane.cells.is_frozen()));
    }

    /// The pane that starts then.
    pub(crate) fn find(&self, start: i64) -> Option<&Pane> {
        let index = self.panes.binary_search_by_key(&start, |pane| pane.start).ok()?;
        Some(&self.panes[index])
    }

    /// The pane that starts then, closed or not, to be written out.
    pub(crate) fn find_frozen(&mut self, start: i64) -> Option<&mut Pane> {
        let all = self.parked.iter_mut().chain(&mut self.panes);
        all.into_iter().find(|pane| pane.start == start && pane.cells.is_frozen())
    }
}
