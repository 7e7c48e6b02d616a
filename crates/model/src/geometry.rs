//! Shapes in degrees of longitude and latitude (CGCS2000), and the few questions we ask of them.
//!
//! What it is not: a geometry library. There are no projections, buffers or unions here, only what
//! placing a device, drawing an area and dividing one among its children need.
//!
//! Invariant: a shape that passed [`Shape::check`] has finite points in range and rings of at least
//! three distinct points with an area, none of which crosses itself.

use serde::{Deserialize, Serialize};

/// One closed ring; the first point is not repeated at the end.
pub type Ring = Vec<[f64; 2]>;

/// A polygon: outer ring first, then holes.
pub type Polygon = Vec<Ring>;

/// A boundary: one or more polygons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Its polygons.
    pub polygons: Vec<Polygon>,
}

/// The smallest upright box around some points, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Least longitude and latitude.
    pub min: [f64; 2],
    /// Greatest longitude and latitude.
    pub max: [f64; 2],
}

impl Bounds {
    /// True when the point lies in the box or on its edge.
    pub fn contains(&self, point: [f64; 2]) -> bool {
        (0..2).all(|axis| self.min[axis] <= point[axis] && point[axis] <= self.max[axis])
    }
}

impl Shape {
    /// True when the point lies inside (even-odd rule over all rings).
    pub fn contains(&self, point: [f64; 2]) -> bool {
        let mut inside = false;
        for ring in self.polygons.iter().flatten() {
            for (a, b) in edges(ring) {
                let crosses = (a[1] > point[1]) != (b[1] > point[1])
                    && point[0] < (b[0] - a[0]) * (point[1] - a[1]) / (b[1] - a[1]) + a[0];
                inside ^= crosses;
            }
        }
        inside
    }

    /// True when it has no polygon at all.
    pub fn is_empty(&self) -> bool {
        self.polygons.is_empty()
    }
}

/// The edges of a ring, beginning with the one that closes it.
pub(crate) fn edges(ring: &[[f64; 2]]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + '_ {
    let mut before = ring.last().copied().unwrap_or_default();
    ring.iter().map(move |&point| (std::mem::replace(&mut before, point), point))
}

/// True when both coordinates are the very same numbers.
pub(crate) fn same_point(a: [f64; 2], b: [f64; 2]) -> bool {
    a[0].total_cmp(&b[0]).is_eq() && a[1].total_cmp(&b[1]).is_eq()
}

/// How much shorter a degree of longitude is than one of latitude, at a latitude in degrees.
pub(crate) fn longitude_scale(latitude: f64) -> f64 {
    latitude.to_radians().cos().max(0.01)
}

mod cells;
mod check;
mod measure;
pub use cells::cells;
pub(crate) use cells::{cell, distance_squared, scale_among};
pub use check::ShapeFault;
#[cfg(test)]
pub(crate) use measure::signed_area;
