//! Position to area.
//!
//! Boundaries decide where they are known. Below them the nearest centre decides, measured exactly
//! as the generated cells are, so that a device is drawn in the area it is counted in.

use super::{AreaId, AreaTree};
use crate::geometry::{distance_squared, scale_among};

/// Neighbouring boundaries are digitised and thinned apart and leave gaps between them; a position
/// in such a gap belongs to the nearest child up to this far away, in degrees of latitude (1.1 km).
const GAP_MAX_DEGREES: f64 = 0.01;

pub(super) fn locate(tree: &AreaTree, position: [f64; 2]) -> Option<AreaId> {
    if tree.is_empty() || !position.iter().all(|c| c.is_finite()) {
        return None;
    }
    let bounded = tree.get(AreaId::ROOT).row.shape.is_some();
    let mut at = AreaId::ROOT;
    while let Some(child) = child_at(tree, at, position) {
        at = child;
    }
    // A city without a boundary of its own ends where its districts end.
    let placed = at != AreaId::ROOT || (bounded && lies_in(tree, AreaId::ROOT, position));
    placed.then_some(at)
}

fn lies_in(tree: &AreaTree, id: AreaId, position: [f64; 2]) -> bool {
    let boxed = tree.bounds.binary_search_by_key(&id, |&(owner, _)| owner);
    boxed.is_ok_and(|place| tree.bounds[place].1.contains(position))
        && tree.get(id).row.shape.as_ref().is_some_and(|shape| shape.contains(position))
}

fn child_at(tree: &AreaTree, parent: AreaId, position: [f64; 2]) -> Option<AreaId> {
    let shaped = || tree.children(parent).filter(|&c| tree.get(c).row.shape.is_some());
    if let Some(inside) = shaped().find(|&child| lies_in(tree, child, position)) {
        return Some(inside);
    }
    // The path down proves that a position lies in its areas, except in the first: its districts are
    // asked before the city's own long boundary.
    let bounded = tree.get(parent).row.shape.is_some();
    if parent == AreaId::ROOT && bounded && !lies_in(tree, parent, position) {
        return None;
    }
    nearest_center(tree, parent, position).or_else(|| {
        // Only inside a known boundary is a gap a gap; elsewhere it is the outside.
        if !bounded {
            return None;
        }
        let distance = |child: AreaId| {
            let shape = tree.get(child).row.shape.as_ref();
            shape.map_or(f64::INFINITY, |s| s.distance_to_edge(position))
        };
        let nearest = shaped().map(|child| (distance(child), child));
        let (distance, child) = nearest.min_by(|a, b| a.0.total_cmp(&b.0))?;
        (distance <= GAP_MAX_DEGREES).then_some(child)
    })
}

/// Among the children without a boundary, the one with the nearest centre.
fn nearest_center(tree: &AreaTree, parent: AreaId, position: [f64; 2]) -> Option<AreaId> {
    let candidates = tree.centers_of_unbounded(parent);
    let scale = scale_among(candidates.iter().map(|&(_, center)| center));
    let with_distance =
        candidates.into_iter().map(|(child, c)| (distance_squared(c, position, scale), child));
    // Of equal distances the first wins, as among cells.
    with_distance.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, child)| child)
}

#[cfg(test)]
mod tests {
    use super::super::{AreaCode, AreaRow, Tier};
    use super::*;
    use crate::geometry::Shape;

    fn square(west: f64, side: f64) -> Shape {
        let east = west + side;
        Shape { polygons: vec![vec![vec![[west, 0.0], [east, 0.0], [east, side], [west, side]]]] }
    }

    fn row(code: &str, parent: &str, tier: Tier) -> AreaRow {
        AreaRow {
            line: 1,
            code: AreaCode::new(code).unwrap(),
            parent: AreaCode::new(parent),
            name: code.to_owned(),
            tier,
            valid_from: None,
            valid_to: None,
            center: None,
            shape: None,
            generated: false,
            note: None,
        }
    }

    /// A city 20 wide: districts `w` and `e` with a narrow gap between them; `w` has two towns.
    fn city(with_outline: bool) -> AreaTree {
        let mut rows = vec![
            row("c", "", Tier::City),
            row("w", "c", Tier::District),
            row("e", "c", Tier::District),
            row("w1", "w", Tier::Town),
            row("w2", "w", Tier::Town),
        ];
        rows[0].shape = with_outline.then(|| square(0.0, 20.01));
        rows[1].shape = Some(square(0.0, 10.0));
        rows[2].shape = Some(square(10.01, 10.0));
        rows[3].center = Some([2.0, 5.0]);
        rows[4].center = Some([8.0, 5.0]);
        AreaTree::build(rows).unwrap()
    }

    fn check(tree: &AreaTree, position: [f64; 2], code: Option<&str>) {
        let found = tree.locate(position).map(|id| tree.get(id).row.code.as_str());
        assert_eq!(found, code, "{position:?}");
    }

    #[test]
    fn boundaries_decide_and_below_them_the_nearest_centre() {
        for tree in [city(true), city(false)] {
            check(&tree, [1.0, 1.0], Some("w1"));
            check(&tree, [9.9, 9.9], Some("w2"));
            check(&tree, [15.0, 5.0], Some("e"));
            check(&tree, [30.0, 5.0], None);
            check(&tree, [f64::NAN, 5.0], None);
        }
    }

    #[test]
    fn a_position_in_a_gap_between_districts_belongs_to_the_nearest_one() {
        check(&city(true), [10.002, 5.0], Some("w2"));
        check(&city(true), [10.008, 5.0], Some("e"));
        check(&city(false), [10.002, 5.0], None);
    }

    #[test]
    fn a_position_in_the_city_far_from_any_district_belongs_to_the_city() {
        check(&city(true), [5.0, 15.0], Some("c"));
    }

    #[test]
    fn an_empty_tree_locates_nothing() {
        check(&AreaTree::default(), [1.0, 1.0], None);
    }
}
