//! Roll-up over areas. Each kind has its own small tree: only areas that hold a stream of the kind,
//! and the areas above them. Nodes are numbered in order of appearance and a parent always comes
//! before its children.
//!
//! A fold touches only what changed: every node that was written to since the last one, and the nodes
//! above it, each once. A node above is worked out anew from its own cell and its children's, so the
//! smallest and greatest value stay right when one goes away.
//!
//! Not here: formulas over the folded terms (`indicator`).

use std::ops::Range;

use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, AreaTree};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::accumulator::Layout;
use crate::pages::{Pages, Plain};
use crate::sketch::{self, Gather};
use crate::window::{Pane, Windows};

/// Readings a day are kept in whole thousandths, so that they add and subtract exactly.
const PER_DAY_SCALE: u64 = 1_000;
/// Number of a node without children among those that have some.
const NO_CHILDREN: u32 = u32::MAX;

/// Areas that hold streams of one kind, and what is registered there.
#[derive(Debug, Clone, Default)]
pub(crate) struct KindTree {
    /// Area of each node.
    pub(crate) areas: Vec<u32>,
    /// Parent of each node; the first is its own.
    pub(crate) parents: Vec<u32>,
    /// Registered at the node itself.
    pub(crate) own: Pages<Registered>,
    /// Registered at the node and below, as of the last fold.
    pub(crate) folded: Vec<Registered>,
    /// Counts the folds in which streams, periods or areas had changed.
    pub(crate) version: u64,
    /// Counts all folds.
    pub(crate) online_version: u64,
    stale: bool,
    online_stale: bool,
    nodes: HashMap<u32, u32, FixedState>,
    shape: Shape,
}

/// Who stands above whom, as of the last fold.
#[derive(Debug, Clone, Default)]
struct Shape {
    /// Changes with every new node.
    number: u64,
    /// For each node its number among those with children.
    inner: Vec<u32>,
    /// For each of these, where its children begin in the list.
    from: Vec<u32>,
    children: Vec<u32>,
}

impl Shape {
    fn children_of(&self, inner: usize) -> &[u32] {
        &self.children[self.from[inner] as usize..self.from[inner + 1] as usize]
    }
}

/// What is registered at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Registered {
    pub(crate) streams: u32,
    pub(crate) online: u32,
    /// Expected readings a day, in thousandths.
    per_day: u64,
}

impl Registered {
    /// One stream more.
    pub(crate) fn add(&mut self, period_ms: u32, online: bool) {
        self.streams += 1;
        self.online += u32::from(online);
        self.per_day += per_day(period_ms);
    }

    /// Readings expected in a window.
    #[expect(clippy::cast_precision_loss, reason = "a share is shown with few digits")]
    pub(crate) fn expected(self, width_ms: i64) -> f64 {
        self.per_day as f64 / PER_DAY_SCALE as f64 * (width_ms as f64 / DAY_MS as f64)
    }
}

impl Plain for Registered {
    const BYTES: usize = 16;

    fn put(self, out: &mut Vec<u8>) {
        self.streams.put(out);
        self.online.put(out);
        self.per_day.put(out);
    }

    fn take(bytes: &[u8]) -> Self {
        Self {
            streams: u32::take(&bytes[..4]),
            online: u32::take(&bytes[4..8]),
            per_day: u64::take(&bytes[8..]),
        }
    }
}

fn per_day(period_ms: u32) -> u64 {
    DAY_MS.cast_unsigned() * PER_DAY_SCALE / u64::from(period_ms.max(1))
}

impl KindTree {
    /// A tree from a snapshot; `None` when its parts do not fit together, or not those areas.
    pub(crate) fn restored(
        areas: Vec<u32>,
        parents: Vec<u32>,
        own: Pages<Registered>,
        tree: &AreaTree,
    ) -> Option<Self> {
        let nodes: HashMap<u32, u32, FixedState> =
            (0..).zip(&areas).map(|(node, &area)| (area, node)).collect();
        let all_known = areas.iter().all(|&area| (area as usize) < tree.len().max(1));
        let alike = areas.len() == parents.len()
            && areas.len() == own.len()
            && areas.len() == nodes.len()
            && all_known;
        // In order of the nodes, so that a parent is always one that was looked at before.
        let stands = |(node, (&area, &parent)): (u32, (&u32, &u32))| match node {
            0 => parent == 0 && area == AreaId::ROOT.0,
            _ => parent < node && areas[parent as usize] == tree.get(AreaId(area)).parent.0,
        };
        let fits = alike && (0..).zip(areas.iter().zip(&parents)).all(stands);
        fits.then(|| Self { areas, parents, own, nodes, stale: true, ..Self::default() })
    }

    /// How many nodes.
    pub(crate) fn len(&self) -> usize {
        self.areas.len()
    }

    /// The node of an area, if any stream lies in it or below.
    pub(crate) fn find(&self, area: AreaId) -> Option<u32> {
        self.nodes.get(&area.0).copied()
    }

    /// The node of an area, made with all nodes above it if need be.
    pub(crate) fn node_or_add(&mut self, area: AreaId, tree: &AreaTree) -> u32 {
        if let Some(node) = self.find(area) {
            return node;
        }
        let path = if tree.is_empty() { vec![AreaId::ROOT] } else { tree.path(area) };
        let mut parent = 0;
        for area in path {
            parent = match self.find(area) {
                Some(node) => node,
                None => self.push(area, parent),
            };
        }
        parent
    }

    /// The same streams in other areas; returns for each node the one it became.
    pub(crate) fn rearrange(
        &mut self,
        areas: &AreaTree,
        map: &impl Fn(AreaId) -> AreaId,
    ) -> Vec<u32> {
        let old = std::mem::take(self);
        self.version = old.version;
        self.online_version = old.online_version + 1;
        let node = |(&area, &own): (&u32, &Registered)| {
            let node = self.node_or_add(map(AreaId(area)), areas);
            let into = self.own.get_mut(node as usize);
            into.streams += own.streams;
            into.online += own.online;
            into.per_day += own.per_day;
            node
        };
        old.areas.iter().zip(old.own.as_slice()).map(node).collect()
    }

    fn push(&mut self, area: AreaId, parent: u32) -> u32 {
        let node = u32::try_from(self.areas.len()).expect("areas are numbered in u32");
        debug_assert!(parent <= node, "a parent comes before its children");
        self.areas.push(area.0);
        self.parents.push(parent);
        self.own.push(Registered::default());
        self.nodes.insert(area.0, node);
        self.stale = true;
        node
    }

    pub(crate) fn add_stream(&mut self, node: u32, period_ms: u32, online: bool) {
        self.own.get_mut(node as usize).add(period_ms, online);
        self.stale = true;
    }

    pub(crate) fn remove_stream(&mut self, node: u32, period_ms: u32, online: bool) {
        let own = self.own.get_mut(node as usize);
        own.streams -= 1;
        own.online -= u32::from(online);
        own.per_day -= per_day(period_ms);
        self.stale = true;
    }

    pub(crate) fn set_online(&mut self, node: u32, online: bool) {
        let own = self.own.get_mut(node as usize);
        if online {
            own.online += 1;
        } else {
            own.online -= 1;
        }
        self.online_stale = true;
    }

    /// Streams online in the whole city.
    pub(crate) fn online(&self) -> u64 {
        self.own.as_slice().iter().map(|own| u64::from(own.online)).sum()
    }

    /// Brings `folded` and the shape up to date.
    pub(crate) fn fold(&mut self) {
        if self.shape.inner.len() != self.len() {
            self.reshape();
        }
        if !self.stale && !self.online_stale {
            return;
        }
        self.folded.clear();
        self.folded.extend_from_slice(self.own.as_slice());
        for node in (1..self.folded.len()).rev() {
            let child = self.folded[node];
            let parent = &mut self.folded[self.parents[node] as usize];
            parent.streams += child.streams;
            parent.online += child.online;
            parent.per_day += child.per_day;
        }
        self.version += u64::from(self.stale);
        self.online_version += 1;
        self.stale = false;
        self.online_stale = false;
    }

    fn reshape(&mut self) {
        let nodes = self.len();
        let mut counts = vec![0_u32; nodes];
        for &parent in self.parents.iter().skip(1) {
            counts[parent as usize] += 1;
        }
        let shape = &mut self.shape;
        shape.number += 1;
        shape.inner.clear();
        shape.from = vec![0];
        let mut from = 0;
        for count in counts {
            let inner = u32::try_from(shape.from.len() - 1).expect("at most one a node");
            shape.inner.push(if count == 0 { NO_CHILDREN } else { inner });
            if count > 0 {
                from += count;
                shape.from.push(from);
            }
        }
        let mut next = shape.from.clone();
        shape.children = vec![0; nodes.saturating_sub(1)];
        for (node, &parent) in (0_u32..).zip(&self.parents).skip(1) {
            let place = &mut next[shape.inner[parent as usize] as usize];
            shape.children[*place as usize] = node;
            *place += 1;
        }
    }

    /// What a pane holds for a node and all below it: as of the last fold, or for a node without
    /// children as of the last reading. Empty when nothing was written.
    #[inline]
    pub(crate) fn words<'p>(&self, pane: &'p Pane, node: u32, stride: usize) -> &'p [u64] {
        let at = node as usize;
        match self.shape.inner.get(at) {
            Some(&NO_CHILDREN) | None => pane.own(at, stride),
            Some(&inner) => pane.folded.get(place(inner as usize, stride)).unwrap_or_default(),
        }
    }
}

impl KindTree {
    /// The quantile of the readings that a pane holds for a node and all below it; NaN without any.
    pub(crate) fn quantile(&self, pane: &Pane, node: u32, q: f64) -> f64 {
        let Some(sketches) = &pane.sketches else { return f64::NAN };
        match self.shape.inner.get(node as usize) {
            Some(&NO_CHILDREN) | None => {
                let mut own: Vec<_> = sketches.own(node as usize).collect();
                own.sort_unstable();
                sketch::quantile(&own, q)
            }
            Some(&inner) => sketch::quantile(sketches.above(inner as usize), q),
        }
    }
}

fn place(inner: usize, stride: usize) -> Range<usize> {
    inner * stride..(inner + 1) * stride
}

/// Folds every pane that was written to since the last time; returns how many nodes it worked out.
pub(crate) fn fold(windows: &mut Windows, tree: &KindTree) -> usize {
    let Windows { layout, panes, nodes, .. } = windows;
    *nodes = tree.len();
    panes.iter_mut().map(|pane| fold_pane(pane, layout, tree)).sum()
}

fn fold_pane(pane: &mut Pane, layout: &Layout, tree: &KindTree) -> usize {
    let stride = layout.stride();
    if pane.shape != tree.shape.number {
        pane.shape = tree.shape.number;
        pane.folded.clear();
        pane.folded.resize((tree.shape.from.len() - 1) * stride, 0);
        if let Some(sketches) = &mut pane.sketches {
            sketches.reshape(tree.shape.from.len() - 1);
        }
        pane.touched.insert_all(pane.cells.len() / stride);
    }
    std::mem::swap(&mut pane.fresh, &mut pane.touched);
    pane.touched.clear();
    pane.touched.reserve(pane.cells.len() / stride);
    if pane.fresh.is_empty() {
        return 0;
    }
    let mut folded = 0;
    let Pane { cells, folded: above, fresh, sketches, .. } = pane;
    let mut gather = sketches.as_ref().map(|_| Gather::default());
    let own = |node: usize| cells.as_slice().get(place(node, stride)).unwrap_or_default();
    fresh.climb(&tree.parents, |node| {
        folded += 1;
        let inner = tree.shape.inner[node];
        if inner == NO_CHILDREN {
            return;
        }
        // A node with a higher number has been worked out already.
        let inner = inner as usize;
        let (before, rest) = above.split_at_mut((inner + 1) * stride);
        let into = &mut before[inner * stride..];
        into.fill(0);
        if let Some(words) = Some(own(node)).filter(|words| !words.is_empty()) {
            layout.merge(into, words);
        }
        for &child in tree.shape.children_of(inner) {
            let words = match tree.shape.inner[child as usize] {
                NO_CHILDREN => own(child as usize),
                further => &rest[place(further as usize - inner - 1, stride)],
            };
            if !words.is_empty() {
                layout.merge(into, words);
            }
        }
        if let (Some(sketches), Some(gather)) = (&mut *sketches, &mut gather) {
            let children = tree.shape.children_of(inner).iter().map(|&child| {
                let further = tree.shape.inner[child as usize];
                (child as usize, (further != NO_CHILDREN).then_some(further as usize))
            });
            sketches.fold(inner, node, children, gather);
        }
    });
    folded
}
