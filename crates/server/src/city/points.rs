//! Devices in the order of their place, so that what lies on a tile is found without looking at the others.
//! Places are told by a number whose leading bits are those of the tile of every zoom (a Z-order curve):
//! each tile is one range of it.
//!
//! Not here: what a tile shows (`api::tiles`). Invariants: made when first asked for, 16 bytes a device with a
//! position, and made again when devices came or moved, but not before ten times as long has passed as the
//! making took; so it may be that much behind, and never costs more than a tenth of a core.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chengmai_model::{AreaId, DeviceId};
use chengmai_wire::vector_tile::{EXTENT, Tile, world};
use parking_lot::{Mutex, RwLock};

use super::registry::Registry;

/// Bits of each axis: a step is some two metres.
const BITS: u8 = 24;

/// Devices read without letting go of the registry.
const PART: u32 = 50_000;

/// A device with a position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) area: AreaId,
    pub(crate) device: DeviceId,
}

/// A place on the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

impl Place {
    pub(crate) fn of(position: [f64; 2]) -> Self {
        let [x, y] = world(position).map(step);
        Self(spread(x) | spread(y) << 1)
    }

    /// Places on a tile: from this one on, and before that one.
    pub(crate) fn on(tile: Tile) -> [Self; 2] {
        let [x, y] = tile.place();
        let place = spread(x) | spread(y) << 1;
        let shift = 2 * (BITS - tile.zoom());
        [Self(place << shift), Self((place + 1) << shift)]
    }

    /// The cell that it lies in, when a tile of this zoom has two to the power of `parts` cells a side.
    pub(crate) fn cell(self, zoom: u8, parts: u8) -> u64 {
        self.0 >> (2 * (BITS - (zoom + parts).min(BITS)))
    }

    /// How far east and south it is, in steps.
    pub(crate) fn steps(self) -> [u64; 2] {
        [gather(self.0), gather(self.0 >> 1)]
    }

    /// Where a place of so many steps is, in units of the tile.
    pub(crate) fn local(steps: [f64; 2], tile: Tile) -> [f64; 2] {
        let extent = f64::from(EXTENT);
        let tiles = f64::from(1_u32 << tile.zoom()) / f64::from(1_u32 << BITS);
        let [x, y] = tile.place();
        [(steps[0] * tiles - f64::from(x)) * extent, (steps[1] * tiles - f64::from(y)) * extent]
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held between 0 and 2 to the power of 24"
)]
fn step(part: f64) -> u32 {
    (part * f64::from(1_u32 << BITS)).clamp(0.0, f64::from((1_u32 << BITS) - 1)) as u32
}

/// Puts a bit of nothing between any two.
fn spread(bits: u32) -> u64 {
    let mut x = u64::from(bits);
    x = (x | x << 16) & 0x0000_FFFF_0000_FFFF;
    x = (x | x << 8) & 0x00FF_00FF_00FF_00FF;
    x = (x | x << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    x = (x | x << 2) & 0x3333_3333_3333_3333;
    (x | x << 1) & 0x5555_5555_5555_5555
}

/// Takes every second bit.
fn gather(bits: u64) -> u64 {
    let mut x = bits & 0x5555_5555_5555_5555;
    x = (x | x >> 1) & 0x3333_3333_3333_3333;
    x = (x | x >> 2) & 0x0F0F_0F0F_0F0F_0F0F;
    x = (x | x >> 4) & 0x00FF_00FF_00FF_00FF;
    x = (x | x >> 8) & 0x0000_FFFF_0000_FFFF;
    (x | x >> 16) & 0x0000_0000_FFFF_FFFF
}

/// All devices with a position, in the order of their places.
#[derive(Debug)]
pub(crate) struct Index {
    entries: Vec<Entry>,
    /// As many changes had there been.
    changes: u64,
    made_at: Instant,
    took: Duration,
}

impl Index {
    /// Reads the registry in parts, so that nobody who registers waits for all of it.
    fn make(registry: &RwLock<Registry>) -> Self {
        let made_at = Instant::now();
        let changes = registry.read().changes();
        let mut entries = Vec::new();
        let mut next = 0;
        loop {
            let registry = registry.read();
            let count = u32::try_from(registry.device_count()).unwrap_or(u32::MAX);
            if next >= count {
                break;
            }
            let end = count.min(next + PART);
            entries.extend((next..end).map(DeviceId).filter_map(|id| {
                let device = registry.device(id);
                let place = Place::of(device.position()?);
                Some(Entry { place, area: device.area(), device: id })
            }));
            next = end;
        }
        entries.sort_unstable_by_key(|entry| (entry.place, entry.device));
        Self { entries, changes, made_at, took: made_at.elapsed() }
    }

    /// Devices on a tile, in the order of their places.
    pub(crate) fn on(&self, tile: Tile) -> &[Entry] {
        let [from, to] = Place::on(tile);
        let start = self.entries.partition_point(|entry| entry.place < from);
        let length = self.entries[start..].partition_point(|entry| entry.place < to);
        &self.entries[start..start + length]
    }

    fn is_fresh(&self, changes: u64) -> bool {
        self.changes == changes || self.made_at.elapsed() < self.took * 10
    }
}

/// The index as it is now.
#[derive(Debug, Default)]
pub(crate) struct Points {
    newest: RwLock<Option<Arc<Index>>>,
    /// Held by whoever makes it, so that it is made once.
    making: Mutex<()>,
}

impl Points {
    pub(crate) fn now(&self, registry: &RwLock<Registry>) -> Arc<Index> {
        let changes = registry.read().changes();
        if let Some(known) = self.fresh(changes) {
            return known;
        }
        let _making = self.making.lock();
        if let Some(known) = self.fresh(changes) {
            return known;
        }
        let made = Arc::new(Index::make(registry));
        *self.newest.write() = Some(Arc::clone(&made));
        made
    }

    fn fresh(&self, changes: u64) -> Option<Arc<Index>> {
        self.newest.read().as_ref().filter(|known| known.is_fresh(changes)).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lies_in_the_range_of_its_tile_at_every_zoom_and_in_no_neighbours() {
        let position = [106.55, 29.56];
        let place = Place::of(position);
        let [east, south] = world(position);
        for zoom in 0..=22_u8 {
            let side = f64::from(1_u32 << zoom);
            let [x, y] = [step(east), step(south)].map(|part| part >> (BITS - zoom));
            let tile = Tile::new(zoom, x, y).unwrap();
            let [from, to] = Place::on(tile);
            assert!(from <= place && place < to, "zoom {zoom}");
            let [u, v] = tile.local(position);
            assert!((0.0..=4_096.0).contains(&u) && (0.0..=4_096.0).contains(&v), "{side}");
            if let Some(beside) = Tile::new(zoom, x + 1, y) {
                let [from, to] = Place::on(beside);
                assert!(place < from || to <= place, "zoom {zoom}");
            }
        }
    }

    #[test]
    fn steps_are_what_was_put_in() {
        let place = Place::of([106.55, 29.56]);
        let [x, y] = world([106.55, 29.56]).map(step);
        assert_eq!(place.steps(), [u64::from(x), u64::from(y)]);
    }
}
