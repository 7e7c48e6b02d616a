//! Geometries: from GeoJSON and well-known text, and what is asked of two of them. Degrees, in the
//! plane, as the standard's reference system has it.
//!
//! Not here: areas of the city, which are `model`'s. Invariant: every number is finite, a line has two
//! points and a ring four, and there are at most [`POINTS_MAX`] in all.

use geo::{
    BoundingRect as _, CoordsIter as _, Distance as _, Euclidean, Geometry, Length as _,
    MapCoords as _, Relate as _,
};
use geojson::GeometryValue as V;
use serde_json::Value as Json;

/// Points of one geometry.
const POINTS_MAX: usize = 10_000;
/// Metres of a degree of latitude, on a sphere of the Earth's mean radius.
const DEGREE_METRES: f64 = 111_195.08;

/// A geometry.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape(Geometry<f64>);

/// How two geometries lie to each other, in the standard's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    Equals,
    Disjoint,
    Touches,
    Within,
    Overlaps,
    Crosses,
    Intersects,
    Contains,
}

impl Shape {
    fn new(geometry: Geometry<f64>) -> Option<Self> {
        let sound = geometry.coords_count() <= POINTS_MAX
            && geometry.coords_iter().all(|c| c.x.is_finite() && c.y.is_finite())
            && is_whole(&geometry);
        sound.then_some(Self(geometry))
    }

    /// Whether it lies so to another.
    pub fn lies(&self, how: Lie, other: &Self) -> bool {
        let matrix = self.0.relate(&other.0);
        match how {
            Lie::Equals => matrix.is_equal_topo(),
            Lie::Disjoint => matrix.is_disjoint(),
            Lie::Touches => matrix.is_touches(),
            Lie::Within => matrix.is_within(),
            Lie::Overlaps => matrix.is_overlaps(),
            Lie::Crosses => matrix.is_crosses(),
            Lie::Intersects => matrix.is_intersects(),
            Lie::Contains => matrix.is_contains(),
        }
    }

    /// Whether their matrix of nine intersections fits a pattern; none when it is no pattern.
    pub fn relates(&self, other: &Self, pattern: &str) -> Option<bool> {
        self.0.relate(&other.0).matches(pattern).ok()
    }

    /// How far they are apart, in degrees.
    pub fn distance(&self, other: &Self) -> f64 {
        Euclidean.distance(&self.0, &other.0)
    }

    /// How far they are apart in metres, as on a flat map of their neighbourhood: true to a few parts in a
    /// thousand within a city.
    pub fn metres(&self, other: &Self) -> f64 {
        let Some([_, latitude]) = other.middle() else { return f64::INFINITY };
        let width = latitude.to_radians().cos();
        let flat = |shape: &Self| shape.0.map_coords(|c| geo::Coord { x: c.x * width, y: c.y });
        Euclidean.distance(&flat(self), &flat(other)) * DEGREE_METRES
    }

    /// Whether every point is a longitude and a latitude.
    pub fn is_on_earth(&self) -> bool {
        self.0.coords_iter().all(|c| c.x.abs() <= 180.0 && c.y.abs() <= 90.0)
    }

    /// How long a line is, in degrees; nothing else has a length.
    pub fn length(&self) -> Option<f64> {
        match &self.0 {
            Geometry::LineString(line) => Some(Euclidean.length(line)),
            Geometry::MultiLineString(lines) => Some(Euclidean.length(lines)),
            _ => None,
        }
    }

    /// A point that stands for it: itself, else the middle of its box.
    pub fn middle(&self) -> Option<[f64; 2]> {
        let middle = self.0.bounding_rect()?.center();
        Some([middle.x, middle.y])
    }
}

/// Whether there are points enough for what it is.
fn is_whole(geometry: &Geometry<f64>) -> bool {
    let ring = |ring: &geo::LineString<f64>| ring.0.len() >= 4;
    let polygon =
        |shape: &geo::Polygon<f64>| ring(shape.exterior()) && shape.interiors().iter().all(ring);
    match geometry {
        Geometry::LineString(line) => line.0.len() >= 2,
        Geometry::MultiLineString(lines) => lines.0.iter().all(|line| line.0.len() >= 2),
        Geometry::Polygon(shape) => polygon(shape),
        Geometry::MultiPolygon(shapes) => shapes.0.iter().all(polygon),
        Geometry::MultiPoint(points) => !points.0.is_empty(),
        Geometry::GeometryCollection(_) => false,
        _ => true,
    }
}

/// The geometry of a GeoJSON geometry or feature.
pub fn shape(json: &Json) -> Option<Shape> {
    let json = if json.get("type")?.as_str()? == "Feature" { json.get("geometry")? } else { json };
    if !has_places(json.get("coordinates")?) {
        return None;
    }
    let geometry: geojson::Geometry = serde_json::from_value(json.clone()).ok()?;
    Shape::new(Geometry::try_from(&geometry).ok()?)
}

/// Whether there are lists and every innermost one has a longitude and a latitude: the library takes that for granted.
fn has_places(coordinates: &Json) -> bool {
    let Some(list) = coordinates.as_array() else { return false };
    let is_place = list.first().is_some_and(Json::is_number);
    if is_place { list.len() >= 2 } else { !list.is_empty() && list.iter().all(has_places) }
}

/// `POINT (30 10)`, `LINESTRING`, `POLYGON` and the same with `MULTI`.
pub(super) fn wkt(text: &str) -> Option<Shape> {
    let text = text.trim();
    let text =
        text.split_once(';').filter(|(head, _)| head.starts_with("SRID")).map_or(text, |t| t.1);
    let (word, rest) = text.split_at(text.find('(')?);
    let tree = Brackets { rest }.whole()?;
    let value = match (word.trim().to_ascii_uppercase().as_str(), tree) {
        ("POINT", Tree::Points(mut points)) if points.len() == 1 => {
            V::Point { coordinates: points.pop()? }
        }
        ("MULTIPOINT", tree) => V::MultiPoint { coordinates: tree.points()? },
        ("LINESTRING", Tree::Points(points)) => V::LineString { coordinates: points },
        ("MULTILINESTRING", tree) => V::MultiLineString { coordinates: tree.lines()? },
        ("POLYGON", tree) => V::Polygon { coordinates: tree.lines()? },
        ("MULTIPOLYGON", Tree::Nested(inner)) => V::MultiPolygon {
            coordinates: inner.into_iter().map(Tree::lines).collect::<Option<_>>()?,
        },
        _ => return None,
    };
    Shape::new(Geometry::try_from(&geojson::Geometry::new(value)).ok()?)
}

/// Points in brackets, as well-known text nests them.
enum Tree {
    Points(Vec<geojson::Position>),
    Nested(Vec<Tree>),
}

impl Tree {
    /// `(1 2), (3 4)` is the same as `1 2, 3 4`.
    fn points(self) -> Option<Vec<geojson::Position>> {
        match self {
            Self::Points(points) => Some(points),
            Self::Nested(inner) => inner
                .into_iter()
                .map(|tree| match tree {
                    Self::Points(mut points) if points.len() == 1 => points.pop(),
                    _ => None,
                })
                .collect(),
        }
    }

    fn lines(self) -> Option<Vec<Vec<geojson::Position>>> {
        let Self::Nested(inner) = self else { return None };
        let line = |tree| match tree {
            Self::Points(points) => Some(points),
            Self::Nested(_) => None,
        };
        inner.into_iter().map(line).collect()
    }
}

struct Brackets<'a> {
    rest: &'a str,
}

impl Brackets<'_> {
    fn whole(mut self) -> Option<Tree> {
        let tree = self.tree(0)?;
        self.rest.trim().is_empty().then_some(tree)
    }

    fn tree(&mut self, depth: usize) -> Option<Tree> {
        self.take('(').filter(|()| depth < 4)?;
        if !self.rest.trim_start().starts_with('(') {
            let (inside, rest) = self.rest.split_once(')')?;
            self.rest = rest;
            return inside.split(',').map(position).collect::<Option<_>>().map(Tree::Points);
        }
        let mut inner = vec![self.tree(depth + 1)?];
        while self.take(',').is_some() {
            inner.push(self.tree(depth + 1)?);
        }
        self.take(')')?;
        Some(Tree::Nested(inner))
    }

    fn take(&mut self, letter: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(letter)?;
        Some(())
    }
}

fn position(text: &str) -> Option<geojson::Position> {
    let numbers: Option<Vec<f64>> =
        text.split_whitespace().map(|number| number.parse().ok()).collect();
    numbers.filter(|numbers| (2..=3).contains(&numbers.len())).map(Into::into)
}
