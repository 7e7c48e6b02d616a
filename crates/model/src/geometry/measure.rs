//! Measures of shapes: bounds, area on the sphere, centroid, a point that is surely inside.

use super::{Bounds, Ring, Shape, edges, longitude_scale};

/// Mean radius of the Earth in kilometres (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0088;

impl Shape {
    /// The box around it; `None` when it has no point.
    pub fn bounds(&self) -> Option<Bounds> {
        let mut points = self.polygons.iter().flatten().flatten();
        let &first = points.next()?;
        let start = Bounds { min: first, max: first };
        Some(points.fold(start, |b, p| Bounds {
            min: [b.min[0].min(p[0]), b.min[1].min(p[1])],
            max: [b.max[0].max(p[0]), b.max[1].max(p[1])],
        }))
    }

    /// Area on the sphere in square kilometres, holes taken off.
    pub fn area_km2(&self) -> f64 {
        let of_polygon = |polygon: &Vec<Ring>| {
            let mut rings = polygon.iter().map(|ring| spherical_area(ring).abs());
            let outer = rings.next().unwrap_or(0.0);
            outer - rings.sum::<f64>()
        };
        self.polygons.iter().map(of_polygon).sum()
    }

    /// Its centre of gravity in the plane of degrees; `None` when it has no area. It may lie outside
    /// a bent shape: see [`Shape::inner_point`].
    pub fn centroid(&self) -> Option<[f64; 2]> {
        let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
        for polygon in &self.polygons {
            for (index, ring) in polygon.iter().enumerate() {
                let own = signed_area(ring);
                // Rings come in either direction; a hole always counts against its polygon.
                let sign = if (own < 0.0) == (index == 0) { -1.0 } else { 1.0 };
                let [mx, my] = moments(ring);
                area += sign * own;
                x += sign * mx;
                y += sign * my;
            }
        }
        (area > 0.0).then(|| [x / area, y / area])
    }

    /// A point that lies inside: the centroid, or else the middle of the widest stretch along one of
    /// a few parallels. `None` only for a shape without area.
    pub fn inner_point(&self) -> Option<[f64; 2]> {
        if let Some(centroid) = self.centroid().filter(|&c| self.contains(c)) {
            return Some(centroid);
        }
        let bounds = self.bounds()?;
        let height = bounds.max[1] - bounds.min[1];
        let mut best: Option<(f64, [f64; 2])> = None;
        for step in 1..16_u8 {
            let latitude = bounds.min[1] + height * f64::from(step) / 16.0;
            for [west, east] in self.spans(latitude) {
                let width = east - west;
                if best.is_none_or(|(widest, _)| width > widest) {
                    best = Some((width, [f64::midpoint(west, east), latitude]));
                }
            }
        }
        best.map(|(_, point)| point).filter(|&p| self.contains(p))
    }

    /// The stretches of a parallel that lie inside, west to east.
    pub(crate) fn spans(&self, latitude: f64) -> Vec<[f64; 2]> {
        let mut at: Vec<f64> = self
            .polygons
            .iter()
            .flatten()
            .flat_map(|ring| edges(ring))
            .filter(|(a, b)| (a[1] > latitude) != (b[1] > latitude))
            .map(|(a, b)| (b[0] - a[0]) * (latitude - a[1]) / (b[1] - a[1]) + a[0])
            .collect();
        at.sort_by(f64::total_cmp);
        at.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
    }

    /// Distance from a point to the nearest edge, in degrees of latitude, whether the point is
    /// inside or not; infinite when there is no edge.
    pub(crate) fn distance_to_edge(&self, point: [f64; 2]) -> f64 {
        let scale = longitude_scale(point[1]);
        let nearest = self
            .polygons
            .iter()
            .flatten()
            .flat_map(|ring| edges(ring))
            .map(|(a, b)| distance_squared(point, a, b, scale))
            .fold(f64::INFINITY, f64::min);
        nearest.sqrt()
    }
}

/// Twice-halved shoelace sum in square degrees; positive for a counter-clockwise ring.
pub(crate) fn signed_area(ring: &[[f64; 2]]) -> f64 {
    let Some(&origin) = ring.first() else { return 0.0 };
    // Relative to the first point, or the products of large coordinates would swallow a small ring.
    let twice: f64 = edges(ring)
        .map(|(a, b)| {
            (a[0] - origin[0]) * (b[1] - origin[1]) - (b[0] - origin[0]) * (a[1] - origin[1])
        })
        .sum();
    twice / 2.0
}

/// First moments of a ring about the axes; divided by the area they give the centroid.
fn moments(ring: &[[f64; 2]]) -> [f64; 2] {
    let Some(&origin) = ring.first() else { return [0.0, 0.0] };
    let (mut x, mut y, mut area) = (0.0, 0.0, 0.0);
    for (a, b) in edges(ring) {
        let (ax, ay) = (a[0] - origin[0], a[1] - origin[1]);
        let (bx, by) = (b[0] - origin[0], b[1] - origin[1]);
        let cross = ax * by - bx * ay;
        x += (ax + bx) * cross;
        y += (ay + by) * cross;
        area += cross;
    }
    let area = area / 2.0;
    [x / 6.0 + origin[0] * area, y / 6.0 + origin[1] * area]
}

/// Area under the ring's edges on the sphere (Chamberlain and Duquette), signed.
fn spherical_area(ring: &[[f64; 2]]) -> f64 {
    let sum: f64 = edges(ring)
        .map(|(a, b)| {
            let width = (b[0] - a[0]).to_radians();
            width * (2.0 + a[1].to_radians().sin() + b[1].to_radians().sin())
        })
        .sum();
    sum * EARTH_RADIUS_KM * EARTH_RADIUS_KM / 2.0
}

fn distance_squared(point: [f64; 2], a: [f64; 2], b: [f64; 2], scale: f64) -> f64 {
    let (px, py) = ((point[0] - a[0]) * scale, point[1] - a[1]);
    let (ex, ey) = ((b[0] - a[0]) * scale, b[1] - a[1]);
    let length = ex * ex + ey * ey;
    let along = if length > 0.0 { ((px * ex + py * ey) / length).clamp(0.0, 1.0) } else { 0.0 };
    let (dx, dy) = (px - along * ex, py - along * ey);
    dx * dx + dy * dy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: f64) -> Ring {
        vec![[106.0, 29.0], [106.0 + side, 29.0], [106.0 + side, 29.0 + side], [106.0, 29.0 + side]]
    }

    #[test]
    fn a_degree_cell_at_29_north_has_the_area_of_a_spherical_cell() {
        let shape = Shape { polygons: vec![vec![square(1.0)]] };
        // R² · Δλ · (sin 30° − sin 29°), computed apart.
        let exact = 6371.0088_f64.powi(2) * 1_f64.to_radians() * (0.5 - 29_f64.to_radians().sin());
        assert!((shape.area_km2() - exact).abs() < exact * 1e-9, "{}", shape.area_km2());
    }

    #[test]
    fn holes_count_against_area_and_centroid_whatever_their_direction() {
        let hole = vec![[106.0, 29.0], [106.5, 29.0], [106.5, 29.5], [106.0, 29.5]];
        let reversed: Ring = hole.iter().rev().copied().collect();
        let one = Shape { polygons: vec![vec![square(1.0), hole]] };
        let two = Shape { polygons: vec![vec![square(1.0), reversed]] };
        assert!((one.area_km2() - two.area_km2()).abs() < 1e-6);
        let (a, b) = (one.centroid().unwrap(), two.centroid().unwrap());
        assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9);
        // Three quarters of the square: centroid at 7/12.
        assert!((a[0] - 106.0 - 7.0 / 12.0).abs() < 1e-9, "{a:?}");
    }

    #[test]
    fn the_inner_point_of_a_bent_shape_is_inside_though_its_centroid_is_not() {
        let bent = Shape {
            polygons: vec![vec![vec![
                [0.0, 0.0],
                [10.0, 0.0],
                [10.0, 10.0],
                [9.0, 10.0],
                [9.0, 1.0],
                [1.0, 1.0],
                [1.0, 10.0],
                [0.0, 10.0],
            ]]],
        };
        assert!(!bent.contains(bent.centroid().unwrap()));
        assert!(bent.contains(bent.inner_point().unwrap()));
    }

    #[test]
    fn distance_is_to_the_nearest_edge_and_shrinks_with_the_parallel() {
        let shape = Shape { polygons: vec![vec![square(1.0)]] };
        assert!((shape.distance_to_edge([106.5, 29.1]) - 0.1).abs() < 1e-12);
        let west = shape.distance_to_edge([105.9, 29.5]);
        assert!((west - 0.1 * 29.5_f64.to_radians().cos()).abs() < 1e-12, "{west}");
    }
}
