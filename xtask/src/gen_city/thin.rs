//! Thinning of boundaries (Douglas-Peucker) that keeps neighbours together.
//!
//! Rings are cut where they stop running along the same neighbour. Each stretch between two such
//! junctions is thinned from its lesser end, so that both sides of a border lose the same points.

use std::collections::{BTreeMap, BTreeSet};

/// Longitude and latitude in units of 1/1024 degree.
pub(super) type Point = [i64; 2];

/// A point may go when the line without it passes this near, in degrees of latitude.
pub(super) const TOLERANCE_DEGREES: f64 = 0.0025;

/// Degrees of longitude are this much shorter than those of latitude at 30 degrees north.
const LONGITUDE_SCALE: f64 = 0.866;

const UNITS_PER_DEGREE: f64 = 1024.0;
const KM_PER_DEGREE: f64 = 111.195;

/// Points that stay: where three or more lines meet, and where thinning would tie a knot.
struct Junctions(BTreeSet<Point>);

/// Thins all rings together, until none crosses itself that did not before.
///
/// Where a thinned ring does, the points between the ends of the crossing edges are kept, on both
/// sides of the border alike, and all is thinned again.
pub(super) fn thin_all(rings: &[Vec<Point>]) -> Vec<Vec<Point>> {
    let mut junctions = Junctions::of(rings.iter());
    loop {
        let thinned: Vec<Vec<Point>> = rings.iter().map(|ring| junctions.thin(ring)).collect();
        let before = junctions.0.len();
        for (ring, thin) in rings.iter().zip(&thinned) {
            for [from, to] in crossing_edges(thin) {
                junctions.0.extend(between(ring, from, to));
            }
        }
        if junctions.0.len() == before {
            return thinned;
        }
    }
}

/// The edges of a ring that properly cross another of its edges.
fn crossing_edges(ring: &[Point]) -> Vec<[Point; 2]> {
    let turn = |a: Point, b: Point, c: Point| {
        ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).signum()
    };
    let edges: Vec<[Point; 2]> =
        (0..ring.len()).map(|i| [ring[i], ring[(i + 1) % ring.len()]]).collect();
    let mut crossing = Vec::new();
    for (index, &[a, b]) in edges.iter().enumerate() {
        for &[c, d] in &edges[index + 1..] {
            if turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0 {
                crossing.extend([[a, b], [c, d]]);
            }
        }
    }
    crossing
}

/// The points of a ring from one of them on to another, without the two.
fn between(ring: &[Point], from: Point, to: Point) -> Vec<Point> {
    let start = ring.iter().position(|&p| p == from).unwrap_or(0);
    let onwards = (1..ring.len()).map(|step| ring[(start + step) % ring.len()]);
    onwards.take_while(|&p| p != to).collect()
}

impl Junctions {
    /// From all rings of all areas.
    fn of<'a>(rings: impl Iterator<Item = &'a Vec<Point>>) -> Self {
        let mut neighbours: BTreeMap<Point, BTreeSet<Point>> = BTreeMap::new();
        for ring in rings {
            for (index, &a) in ring.iter().enumerate() {
                let b = ring[(index + 1) % ring.len()];
                neighbours.entry(a).or_default().insert(b);
                neighbours.entry(b).or_default().insert(a);
            }
        }
        let meeting = neighbours.into_iter().filter(|(_, around)| around.len() > 2);
        Self(meeting.map(|(point, _)| point).collect())
    }

    /// The ring thinned; unchanged when nothing of it would be left.
    fn thin(&self, ring: &[Point]) -> Vec<Point> {
        let start = ring.iter().position(|p| self.0.contains(p));
        let lesser = || (0..ring.len()).min_by_key(|&i| ring[i]);
        let Some(start) = start.or_else(lesser) else { return Vec::new() };
        let mut thinned: Vec<Point> = Vec::new();
        let mut stretch = vec![ring[start]];
        for step in 1..=ring.len() {
            let point = ring[(start + step) % ring.len()];
            stretch.push(point);
            if step == ring.len() || self.0.contains(&point) {
                let kept = thin_stretch(&stretch);
                thinned.extend_from_slice(&kept[..kept.len() - 1]);
                stretch = vec![point];
            }
        }
        if thinned.len() < 3 { ring.to_vec() } else { thinned }
    }
}

/// Area of a ring in square kilometres, near enough to tell slivers.
pub(super) fn area_km2(ring: &[Point]) -> f64 {
    let twice: i64 = (0..ring.len())
        .map(|i| {
            let (a, b) = (ring[i], ring[(i + 1) % ring.len()]);
            a[0] * b[1] - b[0] * a[1]
        })
        .sum();
    let side = KM_PER_DEGREE / UNITS_PER_DEGREE;
    (twice as f64 / 2.0).abs() * side * side * LONGITUDE_SCALE
}

fn thin_stretch(stretch: &[Point]) -> Vec<Point> {
    let (first, last) = (stretch[0], stretch[stretch.len() - 1]);
    // A closed stretch has one end; its direction is told by the neighbours of that end.
    let backwards =
        if first == last { stretch[1] > stretch[stretch.len() - 2] } else { first > last };
    let mut line = stretch.to_vec();
    if backwards {
        line.reverse();
    }
    let mut kept = vec![false; line.len()];
    kept[0] = true;
    kept[line.len() - 1] = true;
    let mut open = vec![(0, line.len() - 1)];
    while let Some((from, to)) = open.pop() {
        let farthest = (from + 1..to)
            .map(|i| (distance(line[i], line[from], line[to]), i))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, middle)) = farthest.filter(|(far, _)| *far > TOLERANCE_DEGREES) {
            kept[middle] = true;
            open.push((from, middle));
            open.push((middle, to));
        }
    }
    let mut flags = kept.iter();
    line.retain(|_| flags.next().copied().unwrap_or(true));
    if backwards {
        line.reverse();
    }
    line
}

/// Distance from a point to the stretch from `a` to `b`, in degrees of latitude.
fn distance(point: Point, a: Point, b: Point) -> f64 {
    let scaled = |from: Point, to: Point| {
        let x = (to[0] - from[0]) as f64 * LONGITUDE_SCALE / UNITS_PER_DEGREE;
        [x, (to[1] - from[1]) as f64 / UNITS_PER_DEGREE]
    };
    let (p, e) = (scaled(a, point), scaled(a, b));
    let length = e[0] * e[0] + e[1] * e[1];
    let along =
        if length > 0.0 { ((p[0] * e[0] + p[1] * e[1]) / length).clamp(0.0, 1.0) } else { 0.0 };
    (p[0] - along * e[0]).hypot(p[1] - along * e[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two areas side by side with a ragged border between them, walked in opposite directions.
    fn neighbours() -> [Vec<Point>; 2] {
        let border: Vec<Point> = (0..=40).map(|y| [100 + (y * 7) % 5, y * 5]).collect();
        let mut west: Vec<Point> = vec![[0, 0]];
        west.extend(&border);
        west.push([0, 200]);
        let mut east: Vec<Point> = vec![[300, 200]];
        east.extend(border.iter().rev());
        east.push([300, 0]);
        [west, east]
    }

    #[test]
    fn neighbours_lose_the_same_points_of_their_border() {
        let rings = neighbours();
        let junctions = Junctions::of(rings.iter());
        let [west, east] = [&rings[0], &rings[1]].map(|ring| junctions.thin(ring));
        let border = |ring: &[Point]| -> BTreeSet<Point> {
            ring.iter().copied().filter(|p| (90..110).contains(&p[0])).collect()
        };
        assert_eq!(border(&west), border(&east));
        assert!(border(&west).len() > 2 && border(&west).len() < 41, "{}", border(&west).len());
    }

    #[test]
    fn no_point_left_out_lies_farther_off_than_the_tolerance() {
        let rings = neighbours();
        let thinned = Junctions::of(rings.iter()).thin(&rings[0]);
        for &p in &rings[0] {
            let nearest = (0..thinned.len())
                .map(|i| distance(p, thinned[i], thinned[(i + 1) % thinned.len()]))
                .fold(f64::INFINITY, f64::min);
            assert!(nearest <= TOLERANCE_DEGREES, "{p:?} lies {nearest} off");
        }
    }

    #[test]
    fn thinning_ties_no_knot() {
        // A deep dent that reaches past the side once that is straightened.
        let sound: Vec<Point> = vec![
            [0, 0],
            [46, -2],
            [54, -2],
            [100, 0],
            [100, 100],
            [51, 100],
            [50, -1],
            [49, 100],
            [0, 100],
        ];
        assert!(crossing_edges(&sound).is_empty());
        let knotted = Junctions::of(std::iter::once(&sound)).thin(&sound);
        assert!(!crossing_edges(&knotted).is_empty(), "the case must be one that ties a knot");
        let thinned = thin_all(std::slice::from_ref(&sound));
        assert!(crossing_edges(&thinned[0]).is_empty(), "{thinned:?}");
    }

    #[test]
    fn a_ring_without_neighbours_is_thinned_but_never_to_nothing() {
        let tiny: Vec<Point> = vec![[0, 0], [1, 0], [1, 1], [0, 1]];
        assert_eq!(Junctions::of(std::iter::once(&tiny)).thin(&tiny), tiny);
        let square: Vec<Point> = vec![[0, 0], [50, 0], [100, 0], [100, 100], [0, 100]];
        let thinned = Junctions::of(std::iter::once(&square)).thin(&square);
        assert_eq!(thinned.len(), 4);
    }
}
