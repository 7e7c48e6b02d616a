//! Which boundaries are sound, and what exactly is wrong with the others.
//!
//! It mends nothing by itself: [`Shape::without_slivers`] is called by whoever merges a published
//! data set, and the number of parts it left out is told.

use super::{Polygon, Ring, Shape, edges, same_point};
use crate::Text;

/// Least area of a ring in square degrees, about a tenth of a square metre.
const RING_AREA_MIN: f64 = 1e-11;

/// What is wrong with a boundary. Places are counted from 1, as people count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ShapeFault {
    /// There is no polygon, or a polygon without a ring.
    Empty,
    /// A ring has fewer than three distinct points.
    TooFewPoints {
        /// Which polygon.
        polygon: usize,
        /// Which ring of it.
        ring: usize,
    },
    /// A coordinate is NaN or infinite.
    NotFinite {
        /// Which polygon.
        polygon: usize,
        /// Which ring of it.
        ring: usize,
        /// Which point of it.
        point: usize,
    },
    /// A longitude beyond ±180 or a latitude beyond ±90 degrees.
    OutOfRange {
        /// Which polygon.
        polygon: usize,
        /// Which ring of it.
        ring: usize,
        /// Which point of it.
        point: usize,
    },
    /// All points of a ring lie on one line, so that it encloses nothing.
    NoArea {
        /// Which polygon.
        polygon: usize,
        /// Which ring of it.
        ring: usize,
    },
    /// Two edges of a ring cross.
    CrossesItself {
        /// Which polygon.
        polygon: usize,
        /// Which ring of it.
        ring: usize,
        /// Near which position.
        at: [f64; 2],
    },
}

impl ShapeFault {
    /// What is wrong, for people.
    pub fn text(&self) -> Text {
        match *self {
            Self::Empty => Text::new("边界没有多边形", "the boundary has no polygon"),
            Self::TooFewPoints { polygon, ring } => Text::new(
                format!("边界第 {polygon} 个多边形第 {ring} 个环不足三个不同的点"),
                format!("ring {ring} of polygon {polygon} has fewer than three distinct points"),
            ),
            Self::NotFinite { polygon, ring, point } => Text::new(
                format!("边界第 {polygon} 个多边形第 {ring} 个环第 {point} 个点不是有限数"),
                format!("point {point} of ring {ring} of polygon {polygon} is not finite"),
            ),
            Self::OutOfRange { polygon, ring, point } => Text::new(
                format!(
                    "边界第 {polygon} 个多边形第 {ring} 个环第 {point} 个点超出经纬度范围（经度在前）"
                ),
                format!(
                    "point {point} of ring {ring} of polygon {polygon} is out of range \
                     (longitude comes first)"
                ),
            ),
            Self::NoArea { polygon, ring } => Text::new(
                format!("边界第 {polygon} 个多边形第 {ring} 个环面积为零"),
                format!("ring {ring} of polygon {polygon} encloses nothing"),
            ),
            Self::CrossesItself { polygon, ring, at } => Text::new(
                format!(
                    "边界第 {polygon} 个多边形第 {ring} 个环在 {:.5},{:.5} 附近自相交",
                    at[0], at[1]
                ),
                format!(
                    "ring {ring} of polygon {polygon} crosses itself near {:.5},{:.5}",
                    at[0], at[1]
                ),
            ),
        }
    }
}

impl Shape {
    /// Checks every ring.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), ShapeFault> {
        if self.polygons.is_empty() || self.polygons.iter().any(Vec::is_empty) {
            return Err(ShapeFault::Empty);
        }
        for (p, polygon) in self.polygons.iter().enumerate() {
            for (r, ring) in polygon.iter().enumerate() {
                check_ring(ring, p + 1, r + 1)?;
            }
        }
        Ok(())
    }

    /// The shape without the parts that are mere slivers (fewer than three distinct points, or no
    /// area), which digitised boundaries leave behind, and how many there were. Other faults stay.
    pub fn without_slivers(self) -> (Self, usize) {
        let mut dropped = 0;
        let mut polygons: Vec<Polygon> = Vec::with_capacity(self.polygons.len());
        for mut polygon in self.polygons {
            let before = polygon.len();
            if polygon.first().is_none_or(is_sliver) {
                dropped += before.max(1);
                continue;
            }
            polygon.retain(|ring| !is_sliver(ring));
            dropped += before - polygon.len();
            polygons.push(polygon);
        }
        (Self { polygons }, dropped)
    }
}

fn is_sliver(ring: &Ring) -> bool {
    matches!(
        check_points(ring, 1, 1),
        Err(ShapeFault::TooFewPoints { .. } | ShapeFault::NoArea { .. })
    )
}

fn check_ring(ring: &Ring, polygon: usize, number: usize) -> Result<(), ShapeFault> {
    check_points(ring, polygon, number)?;
    match crossing(ring) {
        Some(at) => Err(ShapeFault::CrossesItself { polygon, ring: number, at }),
        None => Ok(()),
    }
}

fn check_points(ring: &Ring, polygon: usize, number: usize) -> Result<(), ShapeFault> {
    for (index, point) in ring.iter().enumerate() {
        if !point.iter().all(|c| c.is_finite()) {
            return Err(ShapeFault::NotFinite { polygon, ring: number, point: index + 1 });
        }
        if point[0].abs() > 180.0 || point[1].abs() > 90.0 {
            return Err(ShapeFault::OutOfRange { polygon, ring: number, point: index + 1 });
        }
    }
    if !has_three_distinct(ring) {
        return Err(ShapeFault::TooFewPoints { polygon, ring: number });
    }
    if super::measure::signed_area(ring).abs() < RING_AREA_MIN && !has_two_lobes(ring) {
        return Err(ShapeFault::NoArea { polygon, ring: number });
    }
    Ok(())
}

/// A figure of eight with equal lobes has no net area; it is said to cross itself, not to be flat.
fn has_two_lobes(ring: &Ring) -> bool {
    crossing(ring).is_some()
}

fn has_three_distinct(ring: &Ring) -> bool {
    let Some(&first) = ring.first() else { return false };
    let Some(&second) = ring.iter().find(|&&p| !same_point(p, first)) else { return false };
    ring.iter().any(|&p| !same_point(p, first) && !same_point(p, second))
}

/// Where two edges of the ring properly cross. Touching at a vertex is allowed: rivers and exclaves
/// do that in honest data.
fn crossing(ring: &Ring) -> Option<[f64; 2]> {
    let mut by_west: Vec<([f64; 2], [f64; 2])> =
        edges(ring).filter(|&(a, b)| !same_point(a, b)).collect();
    by_west.sort_by(|x, y| x.0[0].min(x.1[0]).total_cmp(&y.0[0].min(y.1[0])));
    for (index, &(a, b)) in by_west.iter().enumerate() {
        let east = a[0].max(b[0]);
        let (south, north) = (a[1].min(b[1]), a[1].max(b[1]));
        for &(c, d) in &by_west[index + 1..] {
            if c[0].min(d[0]) > east {
                break;
            }
            if c[1].min(d[1]) > north || c[1].max(d[1]) < south {
                continue;
            }
            let across = turn(a, b, c) * turn(a, b, d) < 0.0;
            if across && turn(c, d, a) * turn(c, d, b) < 0.0 {
                return Some([f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])]);
            }
        }
    }
    None
}

/// Positive when `c` lies to the left of the line from `a` to `b`.
fn turn(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ring: &[[f64; 2]]) -> Result<(), ShapeFault> {
        Shape { polygons: vec![vec![ring.to_vec()]] }.check()
    }

    #[test]
    fn a_triangle_is_sound_and_a_line_is_not() {
        assert_eq!(check(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), Ok(()));
        let flat = ShapeFault::NoArea { polygon: 1, ring: 1 };
        assert_eq!(check(&[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), Err(flat));
        let few = ShapeFault::TooFewPoints { polygon: 1, ring: 1 };
        assert_eq!(check(&[[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]), Err(few));
        assert_eq!(check(&[]), Err(few));
    }

    #[test]
    fn points_outside_the_world_are_named() {
        let bad = ShapeFault::OutOfRange { polygon: 1, ring: 1, point: 2 };
        assert_eq!(check(&[[29.0, 10.0], [29.0, 106.0], [30.0, 10.0]]), Err(bad));
        let nan = ShapeFault::NotFinite { polygon: 1, ring: 1, point: 3 };
        assert_eq!(check(&[[0.0, 0.0], [1.0, 0.0], [f64::NAN, 1.0]]), Err(nan));
    }

    #[test]
    fn a_figure_of_eight_crosses_itself_even_when_its_lobes_are_equal() {
        let eight = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
        assert!(matches!(check(&eight), Err(ShapeFault::CrossesItself { .. })));
    }

    #[test]
    fn slivers_are_left_out_and_counted_but_other_faults_stay() {
        let square = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let line = vec![[5.0, 5.0], [6.0, 6.0], [5.0, 5.0]];
        let shape = Shape { polygons: vec![vec![line.clone()], vec![square.clone(), line]] };
        assert!(shape.check().is_err());
        let (clean, dropped) = shape.without_slivers();
        assert_eq!((clean.polygons.as_slice(), dropped), ([vec![square]].as_slice(), 2));
        let far = Shape { polygons: vec![vec![vec![[0.0, 0.0], [500.0, 0.0], [0.0, 1.0]]]] };
        assert!(far.without_slivers().0.check().is_err());
    }
}
