//! After the play: a day in which every few minutes something small goes wrong somewhere.

use chengmai_model::Timestamp;
use chengmai_model::time::DAY_MS;

use super::Act;
use crate::fleet::{CORE, Fleet, district_of};
use crate::random::{below, draw};

/// Mean time between two incidents.
const EVERY_MS: i64 = 150_000;

/// What can go wrong: the kind, and its value by seconds.
const KINDS: [(&str, &[(i64, f64)]); 8] = [
    ("manhole_tilt", &[(0, 1.0), (5, 24.0), (200, 24.0), (210, 1.0), (240, 1.0)]),
    ("methane", &[(0, 3.0), (60, 22.0), (150, 28.0), (240, 12.0), (300, 2.0)]),
    ("water_pressure", &[(0, 0.36), (30, 0.22), (150, 0.20), (240, 0.33), (280, 0.36)]),
    ("turbidity", &[(0, 0.5), (60, 1.4), (240, 1.7), (330, 0.5), (360, 0.4)]),
    ("drain_level", &[(0, 45.0), (60, 86.0), (210, 90.0), (300, 55.0), (330, 45.0)]),
    ("gas_pressure", &[(0, 2.45), (60, 2.85), (180, 2.90), (260, 2.5), (300, 2.4)]),
    ("pm25", &[(0, 60.0), (60, 121.0), (300, 130.0), (400, 80.0), (440, 60.0)]),
    ("flood_depth", &[(0, 0.0), (90, 12.0), (200, 16.0), (300, 6.0), (360, 0.0), (390, 0.0)]),
];

/// A day of incidents from `from` on, on devices that are not `taken`.
pub(super) fn acts(fleet: &Fleet, from: Timestamp, mut taken: Vec<usize>) -> Vec<Act> {
    let seed = draw(fleet.seed(), from.0.cast_unsigned(), 11);
    let pools: Vec<Vec<usize>> = KINDS.iter().map(|(kind, _)| pool(fleet, kind)).collect();
    let mut acts = Vec::new();
    let (mut at, mut turn) = (from, 0);
    while at.since(from) < DAY_MS {
        let bits = draw(seed, turn, 12);
        let choice = below(bits, KINDS.len());
        let pool = &pools[choice];
        let device = (!pool.is_empty()).then(|| pool[below(draw(bits, 1, 1), pool.len())]);
        if let Some(device) = device.filter(|d| !taken.contains(d)) {
            let points = KINDS[choice].1.iter().map(|&(s, v)| (s * 1_000, v)).collect();
            acts.push(Act::new(fleet, device, at, points));
            taken.push(device);
        }
        let spread = i64::try_from(below(draw(bits, 2, 2), 120_000)).unwrap_or(0);
        at = at.plus_ms(EVERY_MS - 60_000 + spread);
        turn += 1;
    }
    acts
}

/// Devices that may be hit: those of the inner city, or all where there is none.
fn pool(fleet: &Fleet, kind: &str) -> Vec<usize> {
    let is_core = |i: &usize| CORE.contains(&district_of(&fleet.devices()[*i].spec.area));
    let core: Vec<usize> = fleet.of_kind(kind).filter(is_core).collect();
    if core.is_empty() { fleet.of_kind(kind).collect() } else { core }
}
