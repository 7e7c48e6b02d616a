//! Roll-up over areas. Each kind has its own small tree: only areas that hold a stream of the kind,
//! and the areas above them. Nodes are numbered in order of appearance and a parent always comes
//! before its children, so folding a window is one pass backwards over a flat array.
//!
//! Not here: formulas over the folded terms (`indicator`).

use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, AreaTree};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::window::{Layout, Pane, TOUCHED, Windows};

/// Readings a day are kept in whole thousandths, so that they add and subtract exactly.
const PER_DAY_SCALE: u64 = 1_000;

/// Areas that hold streams of one kind, and what is registered there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct KindTree {
    /// Area of each node.
    pub(crate) areas: Vec<u32>,
    /// Parent of each node; the first is its own.
    parents: Vec<u32>,
    /// Registered at the node itself.
    own: Vec<Registered>,
    /// Registered at the node and below, as of the last fold.
    pub(crate) folded: Vec<Registered>,
    /// Counts the folds in which streams, periods or areas had changed.
    pub(crate) version: u64,
    /// Counts all folds.
    pub(crate) online_version: u64,
    stale: bool,
    online_stale: bool,
    #[serde(skip)]
    nodes: HashMap<u32, u32, FixedState>,
}

/// What is registered at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) streams: u32,
    pub(crate) online: u32,
    /// Expected readings a day, in thousandths.
    per_day: u64,
}

impl Registered {
    /// Readings expected in a window.
    #[expect(clippy::cast_precision_loss, reason = "a share is shown with few digits")]
    pub(crate) fn expected(self, width_ms: i64) -> f64 {
        self.per_day as f64 / PER_DAY_SCALE as f64 * (width_ms as f64 / DAY_MS as f64)
    }
}

fn per_day(period_ms: u32) -> u64 {
    DAY_MS.cast_unsigned() * PER_DAY_SCALE / u64::from(period_ms.max(1))
}

impl KindTree {
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
        let own = &mut self.own[node as usize];
        own.streams += 1;
        own.online += u32::from(online);
        own.per_day += per_day(period_ms);
        self.stale = true;
    }

    pub(crate) fn remove_stream(&mut self, node: u32, period_ms: u32, online: bool) {
        let own = &mut self.own[node as usize];
        own.streams -= 1;
        own.online -= u32::from(online);
        own.per_day -= per_day(period_ms);
        self.stale = true;
    }

    pub(crate) fn set_online(&mut self, node: u32, online: bool) {
        let own = &mut self.own[node as usize];
        if online {
            own.online += 1;
        } else {
            own.online -= 1;
        }
        self.online_stale = true;
    }

    /// Streams online in the whole city.
    pub(crate) fn online(&self) -> u64 {
        self.own.iter().map(|own| u64::from(own.online)).sum()
    }

    /// Brings `folded` up to date.
    pub(crate) fn fold(&mut self) {
        if !self.stale && !self.online_stale {
            return;
        }
        self.folded.clone_from(&self.own);
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

    /// Makes the look-up table again after a restore.
    pub(crate) fn index(&mut self) {
        self.nodes = (0..).zip(&self.areas).map(|(node, &area)| (area, node)).collect();
    }
}

/// Folds every pane that was written to since the last time.
pub(crate) fn fold(windows: &mut Windows, tree: &KindTree) {
    let Windows { layout, panes, .. } = windows;
    for pane in panes {
        let grown = pane.folded.len() != tree.len() * layout.stride();
        pane.fresh = pane.dirty || grown;
        if pane.fresh {
            fold_pane(pane, layout, &tree.parents);
            pane.dirty = false;
        }
    }
}

fn fold_pane(pane: &mut Pane, layout: &Layout, parents: &[u32]) {
    let stride = layout.stride();
    let words = parents.len() * stride;
    let written = pane.leaf.len().min(words);
    pane.folded.clear();
    pane.folded.extend_from_slice(&pane.leaf[..written]);
    pane.folded.resize(words, 0);
    for words in pane.leaf.chunks_exact_mut(stride) {
        words[0] &= !TOUCHED;
    }
    for node in (1..parents.len()).rev() {
        let (above, below) = pane.folded.split_at_mut(node * stride);
        let parent = parents[node] as usize * stride;
        layout.merge(&mut above[parent..parent + stride], &below[..stride]);
    }
}
