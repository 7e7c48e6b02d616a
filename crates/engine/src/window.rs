//! Tumbling windows in event time. For one kind and width, a *pane* is one window; in it every node
//! of the kind's tree has an accumulator.
//!
//! Invariants: a reading is added to exactly one accumulator of a pane, that of the node where its
//! device stands; areas above are folded from it once a tick; panes are in order of their start.

use std::ops::Range;

use crate::accumulator::{self, Layout};
use crate::limits::is_time;
use crate::node_set::NodeSet;
use crate::pages::Pages;
use crate::sketch::{self, Sketches};

/// One window of a kind.
#[derive(Debug, Clone)]
pub(crate) struct Pane {
    pub(crate) start: i64,
    /// An accumulator for each node, of the readings of its own devices; may be shorter than the tree.
    pub(crate) cells: Pages<u64>,
    /// Buckets of the same readings, when a formula asks for a quantile.
    pub(crate) sketches: Option<Box<Sketches>>,
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
    fn new(start: i64, layout: &Layout) -> Self {
        Self {
            start,
            cells: Pages::default(),
            sketches: layout.sketched().then(Box::default),
            touched: NodeSet::default(),
            fresh: NodeSet::default(),
            folded: Vec::new(),
            shape: 0,
        }
    }

    /// Reads a pane of those sizes, all of it to be folded; `None` when they do not fit.
    pub(crate) fn take(
        bytes: &mut &[u8],
        (start, sizes): (i64, [usize; 3]),
        layout: &Layout,
        nodes: usize,
    ) -> Option<Self> {
        let [words, heads, chunks] = sizes;
        let mut pane = Self::new(start, layout);
        pane.cells = Pages::take(bytes, words)?;
        if let Some(sketches) = &mut pane.sketches {
            **sketches = Sketches::take(bytes, [heads, chunks])?;
        }
        let filled = words / layout.stride();
        pane.touched.insert_all(filled);
        let mut cells = pane.cells.as_slice().chunks_exact(layout.stride());
        let fits = words % layout.stride() == 0 && filled <= nodes && heads <= nodes;
        (fits && cells.all(|cell| layout.is_sound(cell))).then_some(pane)
    }

    /// Words, and what its sketches hold.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        let [heads, chunks] = self.sketches.as_ref().map_or([0; 2], |sketches| sketches.sizes());
        [self.cells.len(), heads, chunks]
    }

    pub(crate) fn freeze(&mut self) {
        self.cells.freeze();
        if let Some(sketches) = &mut self.sketches {
            sketches.freeze();
        }
    }

    fn is_frozen(&self) -> bool {
        self.cells.is_frozen() || self.sketches.as_ref().is_some_and(|s| s.is_frozen())
    }

    /// Writes out more; true while there is more.
    pub(crate) fn thaw(&mut self, out: &mut Vec<u8>, full: usize) -> bool {
        self.cells.thaw(out, full) || self.sketches.as_mut().is_some_and(|s| s.thaw(out, full))
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

    /// Nodes whose accumulator does not know all its words.
    pub(crate) fn inexact(&self, stride: usize) -> impl Iterator<Item = usize> {
        let cells = self.cells.as_slice().chunks_exact(stride.max(1)).enumerate();
        cells.filter(|(_, words)| accumulator::is_inexact(words)).map(|(node, _)| node)
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
        let pane = &mut self.panes[index];
        let words = pane.cell_mut(node, self.layout.stride(), self.nodes);
        self.layout.add(words, at, value);
        if let Some(sketches) = &mut pane.sketches {
            sketches.add(node as usize, sketch::key(value), 1);
        }
        true
    }

    /// Whether the window that holds this time is not closed yet.
    pub(crate) fn is_open(&self, at: i64) -> bool {
        self.start_of(at) + self.width_ms > self.closed_before
    }

    /// Replaces or retracts a value that was counted at a node. `None` when its window is closed or
    /// cannot hold it; else whether the cell still knows all its words.
    pub(crate) fn correct(
        &mut self,
        node: u32,
        at: i64,
        old: Option<f64>,
        new: Option<f64>,
    ) -> Option<bool> {
        let start = self.start_of(at);
        if start + self.width_ms <= self.closed_before {
            return None;
        }
        let stride = self.layout.stride();
        let held = self.find(start).map_or(0, |pane| {
            let words = pane.own(node as usize, stride);
            if words.is_empty() { 0 } else { accumulator::count(words) }
        });
        if old.is_some() && held == 0 {
            return None;
        }
        let place = self.find_or_open(at)?;
        let pane = &mut self.panes[place];
        if let Some(sketches) = &mut pane.sketches {
            if let Some(new) = new {
                sketches.add(node as usize, sketch::key(new), 1);
            }
            if let Some(old) = old {
                sketches.remove(node as usize, sketch::key(old));
            }
        }
        let words = pane.cell_mut(node, stride, self.nodes);
        if held == 1 && old.is_some() {
            words.fill(0);
        }
        // The right value first, so that one that takes the wrong one's place leaves nothing open.
        if let Some(new) = new {
            self.layout.add(words, at, new);
        }
        if let Some(old) = old.filter(|_| held > 1) {
            self.layout.remove(words, at, old);
        }
        Some(!accumulator::is_inexact(words))
    }

    /// Works a cell out anew from its readings, if they are those it holds.
    pub(crate) fn refill(
        &mut self,
        node: u32,
        start: i64,
        readings: &[(chengmai_model::Timestamp, f64)],
    ) -> bool {
        let stride = self.layout.stride();
        let Ok(place) = self.panes.binary_search_by_key(&start, |pane| pane.start) else {
            return false;
        };
        let mut words = vec![0; stride];
        for (at, value) in readings {
            self.layout.add(&mut words, at.0, *value);
        }
        if !self.layout.same_readings(&words, self.panes[place].own(node as usize, stride)) {
            return false;
        }
        self.panes[place].cell_mut(node, stride, self.nodes).copy_from_slice(&words);
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
            self.panes.insert(place, Pane::new(start, &self.layout));
        }
        if place + 1 == self.panes.len() {
            self.newest = (start, start + self.width_ms);
        }
        Some(place)
    }

    /// Every cell is now that of another node; cells of nodes that became one add up.
    pub(crate) fn rearrange(&mut self, moved: &[u32], nodes: usize) {
        let stride = self.layout.stride();
        self.nodes = nodes;
        for pane in &mut self.panes {
            let old = std::mem::replace(pane, Pane::new(pane.start, &self.layout));
            if let (Some(from), Some(into)) = (&old.sketches, &mut pane.sketches) {
                for (node, &to) in moved.iter().enumerate() {
                    for (key, count) in from.own(node) {
                        into.add(to as usize, key, u32::try_from(count).unwrap_or(u32::MAX));
                    }
                }
            }
            for (words, &node) in old.cells.as_slice().chunks_exact(stride).zip(moved) {
                if accumulator::count(words) > 0 {
                    self.layout.merge(pane.cell_mut(node, stride, nodes), words);
                }
            }
        }
    }

    /// Goes on with the panes of a snapshot; `None` when they are no windows in order.
    pub(crate) fn restore(&mut self, panes: Vec<Pane>) -> Option<()> {
        let is_window =
            |pane: &Pane| is_time(pane.start) && self.start_of(pane.start) == pane.start;
        let in_order = panes.is_sorted_by(|earlier, later| earlier.start < later.start);
        if !in_order || !panes.iter().all(is_window) {
            return None;
        }
        self.newest = panes
            .last()
            .map_or((i64::MAX, i64::MIN), |pane| (pane.start, pane.start + self.width_ms));
        self.panes = panes;
        Some(())
    }

    /// Forgets the panes that are closed now; those still being written out wait for it.
    pub(crate) fn drop_closed(&mut self) {
        let (width, horizon) = (self.width_ms, self.closed_before);
        let closed = self.panes.partition_point(|pane| pane.start + width <= horizon);
        let closed = self.panes.drain(..closed);
        self.parked.extend(closed.filter(Pane::is_frozen));
    }

    /// The pane that starts then.
    pub(crate) fn find(&self, start: i64) -> Option<&Pane> {
        let index = self.panes.binary_search_by_key(&start, |pane| pane.start).ok()?;
        Some(&self.panes[index])
    }

    /// The pane that starts then, closed or not, to be written out.
    pub(crate) fn find_frozen(&mut self, start: i64) -> Option<&mut Pane> {
        let all = self.parked.iter_mut().chain(&mut self.panes);
        all.into_iter().find(|pane| pane.start == start && pane.is_frozen())
    }
}
