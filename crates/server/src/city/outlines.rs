//! Outlines of areas, kept once they were worked out: cells of generated areas cost milliseconds a parent,
//! and maps and features ask for the same ones again and again.
//!
//! Not here: how they are worked out (`model::area`). Invariant: the tree does not change while the city
//! runs, so an outline that was kept stays right.

use std::sync::Arc;

use chengmai_model::geometry::Shape;
use chengmai_model::{AreaId, AreaTree};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use parking_lot::Mutex;

/// Most parents whose children's outlines are kept; beyond that all are forgotten and come again.
const PARENTS_MAX: usize = 20_000;

/// An outline, and whether it is made up.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    pub(crate) shape: Arc<Shape>,
    pub(crate) generated: bool,
}

/// Children with an outline, in order.
type Siblings = Arc<Vec<(AreaId, Outline)>>;

/// Outlines of a city's areas.
#[derive(Debug, Default)]
pub(crate) struct Outlines(Mutex<HashMap<AreaId, Siblings, FixedState>>);

impl Outlines {
    /// The outline of an area, if one is known or can be made up.
    pub(crate) fn of(&self, areas: &AreaTree, id: AreaId) -> Option<Outline> {
        let area = areas.get(id);
        if let Some(shape) = &area.row.shape {
            return Some(Outline { shape: Arc::new(shape.clone()), generated: false });
        }
        if id == AreaId::ROOT {
            return None;
        }
        let siblings = self.children(areas, area.parent);
        let place = siblings.binary_search_by_key(&id, |&(sibling, _)| sibling).ok()?;
        Some(siblings[place].1.clone())
    }

    /// The outlines of an area's children.
    pub(crate) fn children(&self, areas: &AreaTree, id: AreaId) -> Siblings {
        if let Some(known) = self.0.lock().get(&id) {
            return Arc::clone(known);
        }
        let outline = self.of(areas, id);
        let found = areas.child_shapes_in(id, outline.as_ref().map(|outline| &*outline.shape));
        let found = found.into_iter().map(|(child, shape, generated)| {
            (child, Outline { shape: Arc::new(shape), generated })
        });
        let found: Siblings = Arc::new(found.collect());
        let mut kept = self.0.lock();
        if kept.len() >= PARENTS_MAX {
            kept.clear();
        }
        kept.insert(id, Arc::clone(&found));
        found
    }
}
