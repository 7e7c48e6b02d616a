//! Dividing an area among centres: each gets the part that lies nearer to it than to the others
//! (Voronoi cells, clipped to the outline).
//!
//! It is not a survey. The cells stand in for boundaries that no open data has, and whoever shows
//! them says so. Invariant: cells do not overlap and together fill the outline.

use super::measure::signed_area;
use super::{Bounds, Polygon, Ring, Shape, edges, longitude_scale, same_point};

/// Least area of a piece in square degrees; smaller ones are rounding and are left out.
const PIECE_AREA_MIN: f64 = 1e-13;

/// The cells of all centres, in their order. A centre that repeats an earlier one, or whose
/// half-planes leave nothing of the outline, gets an empty shape.
pub fn cells(outline: &Shape, centers: &[[f64; 2]]) -> Vec<Shape> {
    let outline = oriented(outline);
    (0..centers.len()).map(|index| cell_of(&outline, centers, index)).collect()
}

/// The cell of one centre: what [`cells`] gives at that index.
pub(crate) fn cell(outline: &Shape, centers: &[[f64; 2]], index: usize) -> Shape {
    cell_of(&oriented(outline), centers, index)
}

/// The squared distance that decides which centre is nearest; the same for cells and for locating.
pub(crate) fn distance_squared(a: [f64; 2], b: [f64; 2], scale: f64) -> f64 {
    let (x, y) = ((a[0] - b[0]) * scale, a[1] - b[1]);
    x * x + y * y
}

/// The scale of longitude used among a set of centres: that of their mean latitude.
pub(crate) fn scale_among(centers: impl IntoIterator<Item = [f64; 2]>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for center in centers {
        sum += center[1];
        count += 1.0;
    }
    if count > 0.0 { longitude_scale(sum / count) } else { 1.0 }
}

/// The points `p` with `normal · (p − on) <= 0`.
#[derive(Debug, Clone, Copy)]
struct HalfPlane {
    on: [f64; 2],
    normal: [f64; 2],
}

impl HalfPlane {
    /// The points nearer to `own` than to `other`.
    fn between(own: [f64; 2], other: [f64; 2], scale: f64) -> Self {
        Self {
            on: [f64::midpoint(own[0], other[0]), f64::midpoint(own[1], other[1])],
            normal: [(other[0] - own[0]) * scale * scale, other[1] - own[1]],
        }
    }

    /// Not positive inside.
    fn side(&self, p: [f64; 2]) -> f64 {
        self.normal[0] * (p[0] - self.on[0]) + self.normal[1] * (p[1] - self.on[1])
    }

    /// Place along the border line, growing with the inside on the left.
    fn along(&self, p: [f64; 2]) -> f64 {
        -self.normal[1] * (p[0] - self.on[0]) + self.normal[0] * (p[1] - self.on[1])
    }

    /// Where an edge with its ends on different sides meets the border line.
    fn meet(&self, a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        let (sa, sb) = (self.side(a), self.side(b));
        let share = sa / (sa - sb);
        [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]
    }
}

fn cell_of(outline: &Shape, centers: &[[f64; 2]], index: usize) -> Shape {
    let own = centers[index];
    let nothing = Shape { polygons: Vec::new() };
    if centers[..index].iter().any(|&other| same_point(other, own)) {
        return nothing;
    }
    let Some(bounds) = outline.bounds() else { return nothing };
    let scale = scale_among(centers.iter().copied());
    let planes = nearest_planes(own, centers, scale, bounds);
    let mut polygons = outline.polygons.clone();
    for plane in planes {
        polygons = polygons.iter().flat_map(|polygon| clip(polygon, &plane)).collect();
    }
    Shape { polygons }
}

/// Only the half-planes that bound the cell inside the box: clipping a small convex polygon first
/// spares the outline's many points all but a handful of cuts.
fn nearest_planes(
    own: [f64; 2],
    centers: &[[f64; 2]],
    scale: f64,
    bounds: Bounds,
) -> Vec<HalfPlane> {
    let ([west, south], [east, north]) = (bounds.min, bounds.max);
    // Each corner carries which half-plane made the edge that starts there.
    let mut convex: Vec<([f64; 2], Option<usize>)> =
        [[west, south], [east, south], [east, north], [west, north]].map(|p| (p, None)).to_vec();
    for (number, &other) in centers.iter().enumerate() {
        if same_point(other, own) {
            continue;
        }
        let plane = HalfPlane::between(own, other, scale);
        if convex.iter().all(|&(p, _)| plane.side(p) <= 0.0) {
            continue;
        }
        let mut cut = Vec::with_capacity(convex.len() + 2);
        for (here, &(a, made_by)) in convex.iter().enumerate() {
            let (b, _) = convex[(here + 1) % convex.len()];
            let (inside, next_inside) = (plane.side(a) <= 0.0, plane.side(b) <= 0.0);
            if inside {
                cut.push((a, made_by));
            }
            if inside != next_inside {
                cut.push((plane.meet(a, b), if inside { Some(number) } else { made_by }));
            }
        }
        convex = cut;
    }
    let mut made_by: Vec<usize> = convex.into_iter().filter_map(|(_, by)| by).collect();
    made_by.sort_unstable();
    made_by.dedup();
    made_by.into_iter().map(|n| HalfPlane::between(own, centers[n], scale)).collect()
}

/// Outer rings counter-clockwise, holes clockwise: the inside is always on the left.
fn oriented(shape: &Shape) -> Shape {
    let turn = |(index, ring): (usize, &Ring)| {
        let wrong = (signed_area(ring) < 0.0) == (index == 0);
        if wrong { ring.iter().rev().copied().collect() } else { ring.clone() }
    };
    let polygons = shape.polygons.iter().map(|p| p.iter().enumerate().map(turn).collect());
    Shape { polygons: polygons.collect() }
}

/// A stretch of a ring inside the half-plane, from where it enters to where it leaves.
struct Chain {
    points: Ring,
    enters: f64,
    leaves: f64,
}

/// The part of a polygon inside a half-plane, as polygons of its own.
fn clip(polygon: &Polygon, plane: &HalfPlane) -> Vec<Polygon> {
    let mut whole = Vec::new();
    let mut chains = Vec::new();
    for ring in polygon {
        let inside = ring.iter().filter(|&&p| plane.side(p) <= 0.0).count();
        if inside == ring.len() {
            whole.push(ring.clone());
        } else if inside > 0 {
            cut_ring(ring, plane, &mut chains);
        }
    }
    if chains.is_empty() {
        return if whole.is_empty() { Vec::new() } else { nest(whole) };
    }
    whole.extend(join(chains));
    nest(whole)
}

fn cut_ring(ring: &Ring, plane: &HalfPlane, chains: &mut Vec<Chain>) {
    let inside = |p: [f64; 2]| plane.side(p) <= 0.0;
    let count = ring.len();
    let start = (0..count).find(|&i| !inside(ring[i]) && inside(ring[(i + 1) % count]));
    let Some(start) = start else { return };
    let mut open: Option<Chain> = None;
    for step in 0..count {
        let (a, b) = (ring[(start + step) % count], ring[(start + step + 1) % count]);
        match (inside(a), inside(b)) {
            (false, true) => {
                let p = plane.meet(a, b);
                open = Some(Chain { points: vec![p, b], enters: plane.along(p), leaves: 0.0 });
            }
            (true, true) => open.iter_mut().for_each(|chain| chain.points.push(b)),
            (true, false) => {
                let p = plane.meet(a, b);
                if let Some(mut chain) = open.take() {
                    chain.points.push(p);
                    chain.leaves = plane.along(p);
                    chains.push(chain);
                }
            }
            (false, false) => {}
        }
    }
}

/// Joins chains along the border line: whoever leaves meets the next to enter further along.
fn join(chains: Vec<Chain>) -> Vec<Ring> {
    let mut events: Vec<(f64, bool, usize)> = Vec::with_capacity(chains.len() * 2);
    for (index, chain) in chains.iter().enumerate() {
        events.push((chain.leaves, false, index));
        events.push((chain.enters, true, index));
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut next: Vec<Option<usize>> = vec![None; chains.len()];
    let mut waiting = Vec::new();
    let mut early = Vec::new();
    for (_, enters, index) in events {
        if !enters {
            waiting.push(index);
        } else if let Some(from) = waiting.pop() {
            next[from] = Some(index);
        } else {
            early.push(index);
        }
    }
    // Rounding can swap two events that lie on one point; what is left over belongs together.
    for (from, to) in waiting.into_iter().zip(early) {
        next[from] = Some(to);
    }
    let mut rings = Vec::new();
    let mut used = vec![false; chains.len()];
    for first in 0..chains.len() {
        let mut ring = Ring::new();
        let mut at = Some(first);
        while let Some(index) = at.filter(|&i| !used[i]) {
            used[index] = true;
            ring.extend_from_slice(&chains[index].points);
            at = next[index];
        }
        rings.push(ring);
    }
    rings
}

/// Rings to polygons: counter-clockwise ones are outer, clockwise ones are holes of the outer ring
/// around them. Rings without area are dropped.
fn nest(mut rings: Vec<Ring>) -> Vec<Polygon> {
    for ring in &mut rings {
        ring.dedup_by(|a, b| same_point(*a, *b));
        while ring.len() > 1 && same_point(ring[0], ring[ring.len() - 1]) {
            ring.pop();
        }
    }
    let (mut polygons, mut holes): (Vec<Polygon>, Vec<Ring>) = (Vec::new(), Vec::new());
    for ring in rings {
        let area = signed_area(&ring);
        if area >= PIECE_AREA_MIN {
            polygons.push(vec![ring]);
        } else if area <= -PIECE_AREA_MIN {
            holes.push(ring);
        }
    }
    for hole in holes {
        let around = polygons.iter().position(|p| encloses(&p[0], &hole)).unwrap_or(0);
        if let Some(polygon) = polygons.get_mut(around) {
            polygon.push(hole);
        }
    }
    polygons
}

fn encloses(outer: &Ring, inner: &Ring) -> bool {
    let shape = Shape { polygons: vec![vec![outer.clone()]] };
    let middles = edges(inner).map(|(a, b)| [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])]);
    let inside = middles.filter(|&m| shape.contains(m)).count();
    inside * 2 > inner.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn square() -> Ring {
        vec![[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]
    }

    fn area(shape: &Shape) -> f64 {
        let of = |p: &Polygon| {
            signed_area(&p[0]).abs() - p[1..].iter().map(|h| signed_area(h).abs()).sum::<f64>()
        };
        shape.polygons.iter().map(of).sum()
    }

    /// A comb whose teeth a horizontal cut separates.
    fn comb() -> Shape {
        let mut ring = vec![[0.0, 0.0], [9.0, 0.0]];
        for tooth in (0..5).rev() {
            let x = f64::from(tooth) * 2.0;
            ring.extend([[x + 1.0, 5.0], [x, 5.0], [x, 1.0]]);
            if tooth > 0 {
                ring.push([x - 1.0, 1.0]);
            }
        }
        Shape { polygons: vec![vec![ring]] }
    }

    #[test]
    fn two_centres_halve_a_square() {
        let outline = Shape { polygons: vec![vec![square()]] };
        let halves = cells(&outline, &[[1.0, 2.0], [3.0, 2.0]]);
        assert_eq!(halves.len(), 2);
        assert!((area(&halves[0]) - 8.0).abs() < 1e-9);
        assert!(halves[0].contains([0.5, 3.5]) && !halves[0].contains([2.5, 1.0]));
    }

    #[test]
    fn a_cut_through_a_comb_gives_its_teeth_as_pieces_of_their_own() {
        let parts = cells(&comb(), &[[4.5, 0.0], [4.5, 6.0]]);
        assert_eq!((parts[0].polygons.len(), parts[1].polygons.len()), (1, 5));
        assert!((area(&parts[1]) - 10.0).abs() < 1e-9, "{}", area(&parts[1]));
    }

    #[test]
    fn a_hole_stays_a_hole_or_becomes_part_of_the_border() {
        let hole = vec![[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]];
        let outline = Shape { polygons: vec![vec![square(), hole]] };
        let parts = cells(&outline, &[[0.5, 2.0], [3.5, 2.0]]);
        assert!((area(&parts[0]) - 6.0).abs() < 1e-9);
        assert!(!parts[0].contains([1.5, 2.0]) && parts[0].contains([0.5, 2.0]));
        let aside = cells(&outline, &[[2.0, 2.0], [2.0, 9.9]]);
        assert_eq!(aside[0].polygons[0].len(), 2);
    }

    #[test]
    fn a_repeated_centre_gets_nothing_so_that_cells_never_overlap() {
        let outline = Shape { polygons: vec![vec![square()]] };
        let parts = cells(&outline, &[[1.0, 1.0], [1.0, 1.0]]);
        assert!((area(&parts[0]) - 16.0).abs() < 1e-9 && parts[1].is_empty());
    }

    proptest! {
        #[test]
        fn cells_fill_the_outline_and_each_point_lies_in_the_cell_of_its_nearest_centre(
            centers in proptest::collection::vec((0.0..9.0f64, 0.0..5.0f64), 1..12),
            probe in (0.0..9.0f64, 0.0..5.0f64),
        ) {
            let centers: Vec<[f64; 2]> = centers.into_iter().map(|(x, y)| [x, y]).collect();
            let outline = comb();
            let parts = cells(&outline, &centers);
            let total: f64 = parts.iter().map(area).sum();
            prop_assert!((total - area(&outline)).abs() < 1e-6, "{total}");
            for part in parts.iter().flat_map(|p| &p.polygons).flatten() {
                prop_assert!(part.len() >= 3);
            }
            let probe = [probe.0, probe.1];
            let scale = scale_among(centers.iter().copied());
            let mut order: Vec<(f64, usize)> = centers
                .iter().enumerate().map(|(i, &c)| (distance_squared(c, probe, scale), i)).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            // Within rounding of a border either neighbour may hold the point.
            let clear = order.len() < 2 || order[1].0 - order[0].0 > 1e-6;
            if outline.contains(probe) && clear && outline.distance_to_edge(probe) > 1e-6 {
                prop_assert!(parts[order[0].1].contains(probe));
            }
        }
    }
}
