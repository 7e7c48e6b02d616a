//! Places in a filter, and how the place of a feature lies to them.
//!
//! Not here: geometries that the engine or a map need (`model::geometry`). Distances and the curve of the
//! Earth play no part: as everywhere in the standard, a line between two positions is straight in degrees.
//! Invariant: every point is finite and in range, every ring has three points or more.

use chengmai_model::geometry::{Bounds, Ring, Shape};

type Point = [f64; 2];

/// Where a feature is.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// At a point.
    Point(Point),
    /// All over a shape.
    Shape(&'a Shape),
}

/// A geometry of a filter: points, lines and polygons together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Geometry {
    /// Points.
    pub points: Vec<Point>,
    /// Lines, each of two points or more.
    pub lines: Vec<Vec<Point>>,
    /// Polygons, each as a shape of its own.
    pub areas: Vec<Shape>,
}

impl Geometry {
    /// An upright box; one whose west lies east of its east crosses the 180th meridian.
    pub fn of_box([west, south, east, north]: [f64; 4]) -> Self {
        let rectangle = |west: f64, east: f64| Shape {
            polygons: vec![vec![vec![[west, south], [east, south], [east, north], [west, north]]]],
        };
        if (east - west).abs() < f64::EPSILON || (north - south).abs() < f64::EPSILON {
            let line = vec![[west, south], [east, north]];
            return Self { lines: vec![line], ..Self::default() };
        }
        let areas = if west <= east {
            vec![rectangle(west, east)]
        } else {
            vec![rectangle(west, 180.0), rectangle(-180.0, east)]
        };
        Self { areas, ..Self::default() }
    }

    /// How many points there are to look at.
    pub fn cost(&self) -> usize {
        let corners = self.areas.iter().flat_map(corners).count();
        self.points.len() + self.lines.iter().map(Vec::len).sum::<usize>() + corners
    }

    /// The box around all of it.
    pub fn bounds(&self) -> Option<Bounds> {
        let rings = self.areas.iter().flat_map(|shape| shape.polygons.iter().flatten().flatten());
        let mut all = self.points.iter().chain(self.lines.iter().flatten()).chain(rings);
        let &first = all.next()?;
        let start = Bounds { min: first, max: first };
        Some(all.fold(start, |b, p| Bounds {
            min: [b.min[0].min(p[0]), b.min[1].min(p[1])],
            max: [b.max[0].max(p[0]), b.max[1].max(p[1])],
        }))
    }

    /// Whether a feature there shares a point with it.
    pub fn intersects(&self, place: Place<'_>) -> bool {
        match place {
            Place::Point(p) => {
                self.points.contains(&p)
                    || self.lines.iter().any(|line| steps(line).any(|edge| on(edge, p)))
                    || self.areas.iter().any(|area| covers(area, p))
            }
            Place::Shape(shape) => {
                let Some(bounds) = shape.bounds() else { return false };
                self.points.iter().any(|&p| bounds.contains(p) && covers(shape, p))
                    || self.lines.iter().any(|line| meets_line(shape, bounds, line))
                    || self.areas.iter().any(|area| meets_area(shape, bounds, area))
            }
        }
    }

    /// Whether a feature there lies inside it.
    pub fn surrounds(&self, place: Place<'_>) -> bool {
        match place {
            Place::Point(p) => {
                self.points.contains(&p)
                    || self.lines.iter().any(|line| {
                        let ends = [line.first(), line.last()];
                        steps(line).any(|edge| on(edge, p)) && !ends.contains(&Some(&p))
                    })
                    || self.areas.iter().any(|area| strictly_inside(area, p))
            }
            Place::Shape(shape) => self.areas.iter().any(|area| lies_in(shape, area)),
        }
    }

    /// Whether all of it lies inside a feature there.
    pub fn lies_inside(&self, place: Place<'_>) -> bool {
        match place {
            Place::Point(p) => {
                self.lines.is_empty()
                    && self.areas.is_empty()
                    && !self.points.is_empty()
                    && self.points.iter().all(|own| [p].contains(own))
            }
            Place::Shape(shape) => {
                self.points.iter().all(|&p| strictly_inside(shape, p))
                    && self.lines.iter().all(|line| {
                        line.iter().chain(&middles(steps(line))).all(|&p| covers(shape, p))
                            && !steps(line).any(|own| edges_of(shape).any(|e| cross(own, e)))
                    })
                    && self.areas.iter().all(|area| lies_in(area, shape))
            }
        }
    }
}

type Segment = (Point, Point);

fn steps(line: &[Point]) -> impl Iterator<Item = Segment> + Clone + '_ {
    line.windows(2).map(|pair| (pair[0], pair[1]))
}

fn ring_edges(ring: &Ring) -> impl Iterator<Item = Segment> + Clone + '_ {
    ring.iter().copied().zip(ring.iter().cycle().skip(1).copied())
}

fn edges_of(shape: &Shape) -> impl Iterator<Item = Segment> + Clone + '_ {
    shape.polygons.iter().flatten().flat_map(ring_edges)
}

fn corners(shape: &Shape) -> impl Iterator<Item = Point> + '_ {
    shape.polygons.iter().flatten().flatten().copied()
}

/// Twice the area of a triangle: whether `c` lies left (more than 0), right or on the line from `a` to `b`.
fn side(a: Point, b: Point, c: Point) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

fn on((a, b): Segment, p: Point) -> bool {
    let between = |axis: usize| a[axis].min(b[axis]) <= p[axis] && p[axis] <= a[axis].max(b[axis]);
    between(0) && between(1) && side(a, b, p).abs() <= f64::EPSILON
}

/// Whether each crosses the other's inside.
fn cross((a, b): Segment, (c, d): Segment) -> bool {
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

fn touch(one: Segment, other: Segment) -> bool {
    cross(one, other)
        || on(one, other.0)
        || on(one, other.1)
        || on(other, one.0)
        || on(other, one.1)
}

fn on_edge(shape: &Shape, p: Point) -> bool {
    edges_of(shape).any(|edge| on(edge, p))
}

fn covers(shape: &Shape, p: Point) -> bool {
    shape.contains(p) || on_edge(shape, p)
}

fn strictly_inside(shape: &Shape, p: Point) -> bool {
    shape.contains(p) && !on_edge(shape, p)
}

fn middles(edges: impl Iterator<Item = Segment>) -> Vec<Point> {
    edges.map(|(a, b)| [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])]).collect()
}

fn near((a, b): Segment, bounds: Bounds) -> bool {
    (0..2).all(|axis| {
        a[axis].min(b[axis]) <= bounds.max[axis] && a[axis].max(b[axis]) >= bounds.min[axis]
    })
}

/// Whether any edge of the shape touches any of these.
fn any_touch(shape: &Shape, bounds: Bounds, others: impl Iterator<Item = Segment>) -> bool {
    let close: Vec<Segment> = others.filter(|&other| near(other, bounds)).collect();
    !close.is_empty()
        && edges_of(shape).any(|edge| {
            let (a, b) = edge;
            let own = Bounds {
                min: [a[0].min(b[0]), a[1].min(b[1])],
                max: [a[0].max(b[0]), a[1].max(b[1])],
            };
            close.iter().any(|&other| near(other, own) && touch(edge, other))
        })
}

fn meets_line(shape: &Shape, bounds: Bounds, line: &[Point]) -> bool {
    line.first().is_some_and(|&p| bounds.contains(p) && covers(shape, p))
        || any_touch(shape, bounds, steps(line))
}

fn meets_area(shape: &Shape, bounds: Bounds, area: &Shape) -> bool {
    let Some(other) = area.bounds() else { return false };
    if (0..2).any(|axis| other.max[axis] < bounds.min[axis] || bounds.max[axis] < other.min[axis]) {
        return false;
    }
    // Either their edges touch, or one polygon lies wholly inside the other shape.
    let first = |shape: &Shape| -> Vec<Point> {
        shape.polygons.iter().filter_map(|rings| rings.first()?.first().copied()).collect()
    };
    any_touch(shape, bounds, edges_of(area))
        || first(area).into_iter().any(|p| covers(shape, p))
        || first(shape).into_iter().any(|p| covers(area, p))
}

/// Whether `inner` lies in `outer`; their edges may touch.
fn lies_in(inner: &Shape, outer: &Shape) -> bool {
    let (Some(own), Some(around)) = (inner.bounds(), outer.bounds()) else { return false };
    around.contains(own.min)
        && around.contains(own.max)
        && corners(inner).all(|p| covers(outer, p))
        && !edges_of(inner).any(|edge| edges_of(outer).any(|other| cross(edge, other)))
        && middles(edges_of(inner)).into_iter().all(|p| covers(outer, p))
        // A hole of the outer one inside the inner one.
        && !corners(outer).any(|p| strictly_inside(inner, p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(west: f64, south: f64, side: f64) -> Shape {
        let (east, north) = (west + side, south + side);
        Shape {
            polygons: vec![vec![vec![[west, south], [east, south], [east, north], [west, north]]]],
        }
    }

    fn area(shape: Shape) -> Geometry {
        Geometry { areas: vec![shape], ..Geometry::default() }
    }

    #[test]
    fn a_point_on_an_edge_meets_an_area_and_does_not_lie_in_it() {
        let geometry = area(square(0.0, 0.0, 1.0));
        for (p, meets, lies) in [
            ([0.5, 0.5], true, true),
            ([1.0, 0.5], true, false),
            ([0.0, 0.0], true, false),
            ([1.5, 0.5], false, false),
        ] {
            assert_eq!(geometry.intersects(Place::Point(p)), meets, "{p:?}");
            assert_eq!(geometry.surrounds(Place::Point(p)), lies, "{p:?}");
        }
    }

    #[test]
    fn shapes_meet_when_they_cross_touch_or_hold_each_other() {
        let own = square(0.0, 0.0, 4.0);
        for (other, meets) in [
            (square(1.0, 1.0, 1.0), true),
            (square(-1.0, -1.0, 9.0), true),
            (square(3.0, 3.0, 9.0), true),
            (square(4.0, 0.0, 1.0), true),
            (square(5.0, 0.0, 1.0), false),
        ] {
            assert_eq!(area(other.clone()).intersects(Place::Shape(&own)), meets, "{other:?}");
        }
    }

    #[test]
    fn a_shape_lies_in_another_only_outside_of_its_holes() {
        let mut ring = square(0.0, 0.0, 9.0);
        ring.polygons[0].push(vec![[4.0, 4.0], [6.0, 4.0], [6.0, 6.0], [4.0, 6.0]]);
        let ring = area(ring);
        let (clear, around, over) =
            (square(1.0, 1.0, 2.0), square(3.0, 3.0, 4.0), square(3.0, 3.0, 2.0));
        assert!(ring.surrounds(Place::Shape(&clear)));
        assert!(!ring.surrounds(Place::Shape(&around)), "the hole lies inside it");
        assert!(!ring.surrounds(Place::Shape(&over)), "it crosses the hole");
        assert!(area(clear).lies_inside(Place::Shape(&square(0.0, 0.0, 9.0))));
    }

    #[test]
    fn a_box_across_the_180th_meridian_has_two_parts() {
        let geometry = Geometry::of_box([170.0, -10.0, -170.0, 10.0]);
        for (p, meets) in [([175.0, 0.0], true), ([-175.0, 0.0], true), ([0.0, 0.0], false)] {
            assert_eq!(geometry.intersects(Place::Point(p)), meets, "{p:?}");
        }
    }

    #[test]
    fn a_line_meets_what_it_crosses_and_holds_what_lies_on_it() {
        let line = Geometry { lines: vec![vec![[-1.0, 0.5], [2.0, 0.5]]], ..Geometry::default() };
        assert!(line.intersects(Place::Shape(&square(0.0, 0.0, 1.0))));
        assert!(!line.intersects(Place::Shape(&square(0.0, 1.0, 1.0))));
        assert!(line.surrounds(Place::Point([0.0, 0.5])));
        assert!(!line.surrounds(Place::Point([-1.0, 0.5])), "an end is the line's boundary");
    }
}
