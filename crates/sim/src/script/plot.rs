//! The twelve minutes themselves: who is hit, when and how hard. Offsets are seconds after the
//! start; values are in the kind's unit.
//!
//! The places are the inner districts of Chongqing, or where the city has no such codes the
//! districts with the most devices.

use chengmai_model::Timestamp;

use super::{Act, Wet};
use crate::fleet::{Fleet, distance, district_of};

/// Seconds after the start, and the value then.
type Curve = &'static [(i64, f64)];

/// Districts in the order in which the storm reaches them.
const STORM: [&str; 5] = ["500107", "500103", "500105", "500108", "500112"];
/// Seconds from one district to the next.
const STORM_STEP_S: i64 = 50;
/// Where the main bursts, where the gas rises, where the air is bad, where a cover is moved.
const BURST: &str = "500106";
const GAS: &str = "500108";
const AIR: &str = "500104";
const COVER: &str = "500105";

/// Depth at flood points of one district, deepest first: seconds after the storm's arrival, cm.
const DEPTHS: [Curve; 3] = [
    &[
        (20, 0.0),
        (60, 5.0),
        (80, 11.0),
        (120, 17.0),
        (180, 30.0),
        (260, 54.0),
        (330, 40.0),
        (420, 16.0),
        (480, 6.0),
        (530, 0.0),
        (550, 0.0),
    ],
    &[
        (40, 0.0),
        (85, 6.0),
        (110, 12.0),
        (170, 19.0),
        (260, 29.0),
        (340, 18.0),
        (420, 6.0),
        (460, 0.0),
        (480, 0.0),
    ],
    &[(60, 0.0), (120, 7.0), (150, 11.0), (230, 16.0), (300, 8.0), (350, 0.0), (370, 0.0)],
];
/// How deep the water gets in each district of the storm, as a share of [`DEPTHS`].
const STRENGTH: [f64; 5] = [1.0, 0.95, 0.8, 0.65, 0.6];

/// Rain in the middle of the storm.
const RAIN: Curve = &[
    (0, 6.0),
    (8, 26.0),
    (40, 38.0),
    (120, 62.0),
    (180, 44.0),
    (240, 24.0),
    (300, 9.0),
    (330, 2.0),
];
/// Filling of the drain beside a flood point.
const DRAIN: Curve = &[
    (10, 40.0),
    (30, 84.0),
    (70, 104.0),
    (160, 126.0),
    (260, 112.0),
    (340, 84.0),
    (400, 62.0),
    (430, 45.0),
];
/// Pressure beside the burst, and the flow that feeds it.
const PRESSURE: Curve = &[
    (255, 0.40),
    (262, 0.36),
    (275, 0.21),
    (300, 0.12),
    (520, 0.13),
    (580, 0.30),
    (640, 0.39),
    (670, 0.40),
];
const FLOW: Curve =
    &[(255, 420.0), (275, 690.0), (300, 760.0), (520, 740.0), (580, 480.0), (640, 420.0)];
const BURST_WATER: Curve = &[
    (310, 0.0),
    (340, 6.0),
    (370, 12.0),
    (430, 17.0),
    (520, 15.0),
    (600, 5.0),
    (640, 0.0),
    (660, 0.0),
];
/// Gas in the manhole, and what its neighbours notice.
const METHANE: Curve = &[
    (190, 3.0),
    (210, 10.0),
    (240, 26.0),
    (300, 61.0),
    (420, 64.0),
    (500, 30.0),
    (560, 8.0),
    (620, 2.0),
];
const METHANE_BESIDE: Curve = &[(230, 2.0), (320, 13.0), (430, 12.0), (540, 2.0)];
const H2S_BESIDE: Curve = &[(190, 0.4), (400, 0.6), (620, 0.4)];
/// Fine particles at three stations, ozone beside them.
const PM25: Curve =
    &[(90, 60.0), (120, 118.0), (300, 158.0), (480, 124.0), (600, 70.0), (640, 50.0)];
const OZONE: Curve = &[(330, 120.0), (380, 206.0), (520, 214.0), (620, 120.0), (650, 90.0)];
/// A cover that somebody moved, and its neighbour.
const COVER_TILT: Curve = &[(2, 2.0), (6, 21.0), (150, 24.0), (170, 1.0), (200, 1.0)];
const COVER_OPEN: Curve = &[(140, 1.0), (146, 47.0), (420, 47.0), (430, 1.0), (460, 1.0)];

/// Something that happens in one place, around the middle device of the first player's kind.
struct Part {
    district: &'static str,
    players: &'static [(&'static str, Curve)],
}

#[rustfmt::skip]
const PARTS: [Part; 4] = [
    Part { district: COVER, players: &[("manhole_tilt", COVER_TILT), ("manhole_tilt", COVER_OPEN)] },
    Part { district: GAS, players: &[("methane", METHANE), ("methane", METHANE_BESIDE), ("h2s", H2S_BESIDE)] },
    Part { district: BURST, players: &[("water_pressure", PRESSURE), ("water_pressure", PRESSURE), ("water_flow", FLOW), ("flood_depth", BURST_WATER)] },
    Part { district: AIR, players: &[("pm25", PM25), ("pm25", PM25), ("pm25", PM25), ("o3", OZONE)] },
];

/// All acts of the play.
pub(super) fn acts(fleet: &Fleet, start: Timestamp) -> Vec<Act> {
    let mut cast = Cast { fleet, start, taken: Vec::new(), acts: Vec::new() };
    for (turn, district) in districts(fleet, &STORM).into_iter().enumerate() {
        let arrival = STORM_STEP_S * i64::try_from(turn).unwrap_or(0);
        let Some(center) = cast.center_of(&district, "flood_depth") else { continue };
        for gauge in cast.near("rainfall", center, 2) {
            cast.play(gauge, RAIN, arrival, 1.0 - 0.08 * turn as f64);
        }
        let points = cast.near("flood_depth", center, DEPTHS.len());
        for (&point, depths) in points.iter().zip(DEPTHS) {
            cast.play(point, depths, arrival, STRENGTH[turn % STRENGTH.len()]);
            if let Some(place) = fleet.devices()[point].spec.position {
                for drain in cast.near("drain_level", place, 1) {
                    cast.play(drain, DRAIN, arrival, STRENGTH[turn % STRENGTH.len()]);
                }
            }
        }
    }
    for part in PARTS {
        let district = districts(fleet, &[part.district]).remove(0);
        let Some(center) = cast.center_of(&district, part.players[0].0) else { continue };
        for (place, &(kind, curve)) in part.players.iter().enumerate() {
            for device in cast.near(kind, center, 1) {
                // The second of a pair is a little later, as if farther from the cause.
                cast.play(device, curve, 6 * i64::try_from(place).unwrap_or(0), 1.0);
            }
        }
    }
    cast.acts
}

/// What the storm adds at gauges and drains that have no act, while it passes.
pub(super) fn storm(fleet: &Fleet, start: Timestamp) -> Vec<(usize, Wet)> {
    let mut wet = Vec::new();
    for (turn, district) in districts(fleet, &STORM).into_iter().enumerate() {
        let arrival = STORM_STEP_S * i64::try_from(turn).unwrap_or(0);
        for (index, device) in fleet.devices().iter().enumerate() {
            // Below the set-points of both kinds: only the acts cross them.
            let (peak, delay_s) = match device.kind {
                "rainfall" => (12.0, 120),
                "drain_level" => (17.0, 200),
                _ => continue,
            };
            if district_of(&device.spec.area) == district {
                let peak_at = start.plus_ms((arrival + delay_s) * 1_000);
                wet.push((index, Wet { peak_at, peak, half_width_ms: 200_000 }));
            }
        }
    }
    wet
}

/// The districts wanted, or those with the most devices where the city has no such codes.
fn districts(fleet: &Fleet, wanted: &[&str]) -> Vec<String> {
    let mut count = std::collections::BTreeMap::<&str, usize>::new();
    for device in fleet.devices() {
        *count.entry(district_of(&device.spec.area)).or_default() += 1;
    }
    if wanted.iter().all(|code| count.contains_key(code)) {
        return wanted.iter().map(ToString::to_string).collect();
    }
    let mut ranked: Vec<(usize, &str)> = count.into_iter().map(|(code, n)| (n, code)).collect();
    ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    ranked.iter().cycle().take(wanted.len()).map(|(_, code)| (*code).to_owned()).collect()
}

/// Devices chosen for parts; nobody plays two.
struct Cast<'a> {
    fleet: &'a Fleet,
    start: Timestamp,
    taken: Vec<usize>,
    acts: Vec<Act>,
}

impl Cast<'_> {
    /// The position of the district's device of that kind which lies in the middle of them.
    fn center_of(&self, district: &str, kind: &str) -> Option<[f64; 2]> {
        let devices = self.fleet.devices();
        let inside = || {
            let all = self.fleet.of_kind(kind).map(|i| &devices[i].spec);
            all.filter(|s| district_of(&s.area) == district).filter_map(|s| s.position)
        };
        let n = inside().count().max(1) as f64;
        let sum = inside().fold([0.0, 0.0], |a, p| [a[0] + p[0], a[1] + p[1]]);
        let mean = [sum[0] / n, sum[1] / n];
        inside().min_by(|&a, &b| distance(a, mean).total_cmp(&distance(b, mean)))
    }

    /// The nearest free devices of a kind, each in a grid of its own: one cause, one warning.
    fn near(&mut self, kind: &str, center: [f64; 2], count: usize) -> Vec<usize> {
        let devices = self.fleet.devices();
        let mut all: Vec<(f64, usize)> = self
            .fleet
            .of_kind(kind)
            .filter(|i| !self.taken.contains(i))
            .filter_map(|i| Some((distance(devices[i].spec.position?, center), i)))
            .collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut found: Vec<usize> = Vec::new();
        for (_, index) in all {
            if found.len() == count {
                break;
            }
            let area = &devices[index].spec.area;
            let grid_is_taken = self
                .taken
                .iter()
                .chain(&found)
                .any(|&other| devices[other].kind == kind && devices[other].spec.area == *area);
            if !grid_is_taken {
                found.push(index);
            }
        }
        self.taken.extend(&found);
        found
    }

    fn play(&mut self, device: usize, curve: &[(i64, f64)], shift_s: i64, strength: f64) {
        let first = curve[0].0;
        let points = curve.iter().map(|&(s, v)| ((s - first) * 1_000, v * strength)).collect();
        let from = self.start.plus_ms((first + shift_s) * 1_000);
        self.acts.push(Act::new(self.fleet, device, from, points));
    }
}
