//! Mapbox Vector Tiles 2.1, written: where a tile lies, shapes cut to it, and its bytes.
//!
//! Not here: reading tiles (nobody sends us any), and what is drawn on them (`server`). The bytes are the few
//! kinds of fields of protocol buffers that tiles have, so no library for them is needed (decision 0055).
//! Invariants: every layer has version 2 and extent [`EXTENT`]; outer rings run clockwise on the screen and
//! holes the other way; no ring has less than three points or no area; the same properties make the same bytes.

use chengmai_model::geometry::{Bounds, Ring, Shape};

mod cut;
mod encode;

pub use encode::{LayerWriter, Value};

/// Units along the side of a tile.
pub const EXTENT: u32 = 4_096;
/// Greatest zoom: a tile is some ten metres wide.
pub const ZOOM_MAX: u8 = 22;
/// How far shapes reach beyond the tile, in its units, so that their cut edges stay out of sight.
const BUFFER: f64 = 64.0;
/// Corners that move an outline by less than this are left out, in units of the tile: a quarter of a pixel.
const TOLERANCE: f64 = 2.0;
/// Where the map of the web ends.
const LATITUDE_MAX: f64 = 85.051_128_779_806_59;
/// The media type.
pub const MEDIA: &str = "application/vnd.mapbox-vector-tile";

/// Place of a tile: column and row at a zoom, from the north-west.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    zoom: u8,
    x: u32,
    y: u32,
}

impl Tile {
    /// A tile, if there is one.
    pub fn new(zoom: u8, x: u32, y: u32) -> Option<Self> {
        let side = 1_u64 << zoom.min(63);
        let fits = zoom <= ZOOM_MAX && u64::from(x) < side && u64::from(y) < side;
        fits.then_some(Self { zoom, x, y })
    }

    /// Its zoom.
    pub const fn zoom(self) -> u8 {
        self.zoom
    }

    /// Its column and row.
    pub const fn place(self) -> [u32; 2] {
        [self.x, self.y]
    }

    /// A position in units of the tile, from its north-western corner.
    pub fn local(self, position: [f64; 2]) -> [f64; 2] {
        let tiles = f64::from(1_u32 << self.zoom);
        let [x, y] = world(position);
        let extent = f64::from(EXTENT);
        [(x * tiles - f64::from(self.x)) * extent, (y * tiles - f64::from(self.y)) * extent]
    }

    /// The box that shapes must meet to be seen on it, in degrees.
    pub fn bounds(self) -> Bounds {
        let tiles = f64::from(1_u32 << self.zoom);
        let margin = BUFFER / f64::from(EXTENT);
        let degrees = |x: f64, y: f64| {
            let latitude = (std::f64::consts::PI * (1.0 - 2.0 * y)).sinh().atan().to_degrees();
            [x * 360.0 - 180.0, latitude]
        };
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        let north_west = degrees((x - margin) / tiles, (y - margin) / tiles);
        let south_east = degrees((x + 1.0 + margin) / tiles, (y + 1.0 + margin) / tiles);
        Bounds { min: [north_west[0], south_east[1]], max: [south_east[0], north_west[1]] }
    }

    /// The polygons of a shape as they stand on the tile: simplified, cut, in whole units.
    pub fn polygons(self, shape: &Shape) -> Vec<Vec<Vec<[i32; 2]>>> {
        let seen = |rings: &Vec<Ring>| {
            let mut rings = rings.iter().map(|ring| {
                let local: Vec<[f64; 2]> = ring.iter().map(|&at| self.local(at)).collect();
                cut::ring(&local, TOLERANCE, [-BUFFER, f64::from(EXTENT) + BUFFER])
            });
            let outer = rings.next()??;
            Some(std::iter::once(outer).chain(rings.flatten()).collect())
        };
        shape.polygons.iter().filter_map(seen).collect()
    }
}

/// A position on the map of the web, whose sides are 1 long, from the north-west.
pub fn world([longitude, latitude]: [f64; 2]) -> [f64; 2] {
    let latitude = latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX).to_radians();
    let y = (std::f64::consts::FRAC_PI_4 + latitude / 2.0).tan().ln();
    [longitude / 360.0 + 0.5, 0.5 - y / std::f64::consts::TAU]
}

#[cfg(test)]
mod tests;
