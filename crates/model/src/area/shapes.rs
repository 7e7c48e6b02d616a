//! The shape an area is drawn with: its own boundary where one is known, else a cell around its
//! generated or given centre, cut from the nearest boundary above.
//!
//! Cells are computed when asked for and never stored: the children of one area take well under ten
//! milliseconds. They are generated, and whoever shows them says so.

use super::{AreaId, AreaTree};
use crate::geometry::{Shape, cell, cells};

impl AreaTree {
    /// The shape of an area, and whether it is generated. `None` when no boundary is known on its
    /// path, or a centre is missing on the way down.
    pub fn shape_of(&self, id: AreaId) -> Option<(Shape, bool)> {
        let path = self.path(id);
        let known = path.iter().rposition(|&a| self.get(a).row.shape.is_some())?;
        let mut shape = self.get(path[known]).row.shape.clone()?;
        for step in path[known..].windows(2) {
            let siblings = self.centers_of_unbounded(step[0]);
            let place = siblings.iter().position(|&(sibling, _)| sibling == step[1])?;
            let centers: Vec<[f64; 2]> = siblings.into_iter().map(|(_, center)| center).collect();
            shape = cell(&shape, &centers, place);
        }
        (!shape.is_empty()).then_some((shape, known + 1 < path.len()))
    }

    /// The shapes of an area's children in order, and whether each is generated; children without a
    /// shape are left out.
    pub fn child_shapes(&self, id: AreaId) -> Vec<(AreaId, Shape, bool)> {
        let outline = self.shape_of(id).map(|(shape, _)| shape);
        self.child_shapes_in(id, outline.as_ref())
    }

    /// The same when the area's own shape is at hand already.
    pub fn child_shapes_in(
        &self,
        id: AreaId,
        outline: Option<&Shape>,
    ) -> Vec<(AreaId, Shape, bool)> {
        let known = self.children(id).filter_map(|child| {
            let shape = self.get(child).row.shape.clone()?;
            Some((child, shape, false))
        });
        let mut all: Vec<(AreaId, Shape, bool)> = known.collect();
        if let Some(outline) = outline {
            let siblings = self.centers_of_unbounded(id);
            let centers: Vec<[f64; 2]> = siblings.iter().map(|&(_, center)| center).collect();
            let made = siblings.iter().zip(cells(outline, &centers));
            all.extend(
                made.filter(|(_, shape)| !shape.is_empty())
                    .map(|(&(child, _), shape)| (child, shape, true)),
            );
            all.sort_by_key(|&(child, _, _)| child);
        }
        all
    }

    /// The children among whom an area is divided by nearness: those with a centre and no boundary.
    pub(super) fn centers_of_unbounded(&self, parent: AreaId) -> Vec<(AreaId, [f64; 2])> {
        let unbounded = self.children(parent).filter(|&c| self.get(c).row.shape.is_none());
        unbounded.filter_map(|c| Some((c, self.get(c).row.center?))).collect()
    }
}
