//! The synthetic fleet: devices spread over the grids of a city, and what each would report at any
//! moment. A pure function of areas, number and seed: nothing is stored, nothing is drawn twice.
//!
//! Invariants: every device is marked as simulated; every value lies within its kind's range and in
//! the sensor's resolution; without a script no value reaches a set-point of the built-in packs.

use chengmai_model::stream::DeviceSpec;
use chengmai_model::time::{HOUR_MS, MINUTE_MS};
use chengmai_model::{AreaCode, AreaId, AreaTree, Tier, Timestamp};

use crate::kinds::{KINDS, Moment, Nature, Rhythms, rounded};
use crate::random::{draw, unit};
use crate::script::Script;

/// How often every device reports.
pub const PERIOD_MS: u32 = 60_000;

/// Districts of the inner city of Chongqing, where devices stand closer. In a city without these
/// codes all grids count the same.
pub(crate) const CORE: [&str; 9] =
    ["500103", "500104", "500105", "500106", "500107", "500108", "500109", "500112", "500113"];

/// How many times as many devices a core grid has.
const CORE_WEIGHT: f64 = 4.0;

/// A device moves at most this share of the way to the next grid's centre.
const JITTER: f64 = 0.25;

/// A made-up device.
#[derive(Debug, Clone, PartialEq)]
pub struct SimDevice {
    /// What the registry is told; `simulated` is set.
    pub spec: DeviceSpec,
    /// What it measures: the id of a kind of the built-in packs.
    pub kind: &'static str,
}

/// All devices of the made-up city.
#[derive(Debug)]
pub struct Fleet {
    devices: Vec<SimDevice>,
    natures: Vec<Nature>,
    due: Vec<Vec<u32>>,
    rhythms: Rhythms,
    seed: u64,
    offset_ms: i64,
}

/// A place devices can stand in.
struct Place {
    area: AreaId,
    weight: f64,
    /// Degrees a device may stand away from the centre.
    room: f64,
}

impl Fleet {
    /// Spreads `devices` over the smallest areas of the city. Local time is UTC+8; see
    /// [`Fleet::in_zone`].
    ///
    /// # Panics
    /// When `areas` is empty.
    pub fn new(areas: &AreaTree, devices: usize, seed: u64) -> Self {
        let places = places(areas);
        let total: f64 = places.iter().map(|p| p.weight).sum();
        let mut devices_made = Vec::with_capacity(devices);
        let mut natures = Vec::with_capacity(devices);
        let mut due = vec![Vec::new(); 60];
        // The golden ratio walks evenly over all places, so no grid is left out by chance.
        let start = unit(draw(seed, 1, 1));
        let (mut next, mut passed) = (0, 0.0);
        let mut turns: Vec<(f64, usize)> = (0..devices)
            .map(|i| ((start + i as f64 * 0.618_033_988_749_894_9).fract(), i))
            .collect();
        turns.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut place_of = vec![0; devices];
        for (turn, device) in turns {
            while next + 1 < places.len() && passed + places[next].weight < turn * total {
                passed += places[next].weight;
                next += 1;
            }
            place_of[device] = next;
        }
        for (index, &place) in place_of.iter().enumerate() {
            let own = draw(seed, index as u64, 2);
            let kind = kind_of(own);
            let profile = &KINDS[usize::from(kind)];
            let spec = spec(areas, &places[place], index, own, profile.kind, profile.agency);
            devices_made.push(SimDevice { spec, kind: profile.kind });
            natures.push(Nature::new(kind, own));
            let second = crate::random::below(draw(own, 3, 3), 60);
            due[second].push(u32::try_from(index).expect("fewer than 2^32 devices"));
        }
        let rhythms = Rhythms::new();
        Self { devices: devices_made, natures, due, rhythms, seed, offset_ms: 8 * HOUR_MS }
    }

    /// The same fleet living by a clock `offset_ms` east of UTC.
    pub fn in_zone(mut self, offset_ms: i64) -> Self {
        self.offset_ms = offset_ms;
        self
    }

    /// All devices, in order of their index.
    pub fn devices(&self) -> &[SimDevice] {
        &self.devices
    }

    /// Indices of the devices that report in that second (0 to 59) of every minute.
    pub fn due(&self, second: usize) -> &[u32] {
        &self.due[second % 60]
    }

    /// What the device says at that moment; `None` when it is silent. Quiet values change once a
    /// minute, scripted ones all the time.
    #[inline]
    pub fn value(&self, device: usize, at: Timestamp, script: &Script) -> Option<f64> {
        let nature = &self.natures[device];
        let when = self.moment(at);
        if let Some(value) = script.value(device, at) {
            return Some(value);
        }
        if nature.is_silent(when) {
            return None;
        }
        let quiet = nature.quiet_value(&self.rhythms, self.seed, when);
        let wet = script.wet(device, at);
        if wet > 0.0 {
            return Some(rounded(quiet + wet, KINDS[usize::from(nature.kind)].decimals));
        }
        Some(quiet)
    }

    #[inline]
    fn moment(&self, at: Timestamp) -> Moment {
        let minutes = (at.0 + self.offset_ms).max(0).cast_unsigned() / MINUTE_MS.cast_unsigned();
        let minute = usize::try_from(minutes % 1_440).expect("a minute of the day");
        Moment { minutes, day: minutes / 1_440, minute }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Indices of all devices of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = usize> {
        let devices = self.devices.iter().enumerate();
        devices.filter(move |(_, d)| d.kind == kind).map(|(index, _)| index)
    }
}

fn spec(
    areas: &AreaTree,
    place: &Place,
    index: usize,
    own: u64,
    kind: &str,
    agency: &str,
) -> DeviceSpec {
    let row = &areas.get(place.area).row;
    let district = areas.at_tier(place.area, Tier::District).unwrap_or(AreaId::ROOT);
    let position = row.center.map(|center| beside(areas, place, center, own));
    DeviceSpec {
        name: format!("sim-{kind}-{index:06}"),
        title: title(areas, place.area, kind),
        area: row.code.clone(),
        position,
        agency: Some(format!("{agency}-{}", areas.get(district).row.code)),
        period_ms: PERIOD_MS,
        simulated: true,
    }
}

/// Flood points and gauges have names that people use; other devices have numbers.
fn title(areas: &AreaTree, area: AreaId, kind: &str) -> Option<String> {
    let word = match kind {
        "flood_depth" => "易涝点",
        "rainfall" => "雨量站",
        "river_stage" => "水位站",
        _ => return None,
    };
    let community = areas.at_tier(area, Tier::Community).unwrap_or(area);
    Some(format!("{}{word}", areas.get(community).row.name))
}

/// A point beside the centre that still lies in the same grid; the centre itself if none is found.
fn beside(areas: &AreaTree, place: &Place, center: [f64; 2], own: u64) -> [f64; 2] {
    let angle = unit(own) * std::f64::consts::TAU;
    let far = place.room * unit(draw(own, 4, 4)).sqrt();
    let degrees = |x: f64| (x * 1e6).round() / 1e6;
    let moved = [degrees(center[0] + far * angle.cos()), degrees(center[1] + far * angle.sin())];
    if areas.locate(moved) == Some(place.area) { moved } else { center }
}

fn kind_of(own: u64) -> u8 {
    let mut left = crate::random::below(draw(own, 5, 5), 1_000);
    for (index, profile) in (0_u8..).zip(&KINDS) {
        if left < profile.share {
            return index;
        }
        left -= profile.share;
    }
    0
}

/// All areas without children, with their weight and the room around their centre.
fn places(areas: &AreaTree) -> Vec<Place> {
    let core: Vec<AreaId> = CORE.iter().filter_map(|code| areas.find(code)).collect();
    let mut places = Vec::new();
    for (id, area) in areas.iter() {
        if area.end.0 != id.0 + 1 {
            continue;
        }
        let is_core = core.iter().any(|&district| areas.contains(district, id));
        let weight = if is_core { CORE_WEIGHT } else { 1.0 };
        let siblings = areas.children(area.parent).filter(|&s| s != id);
        let nearest = siblings
            .filter_map(|s| Some(distance(areas.get(s).row.center?, area.row.center?)))
            .fold(f64::INFINITY, f64::min);
        let room = if nearest.is_finite() { nearest * JITTER } else { 0.0 };
        places.push(Place { area: id, weight, room });
    }
    assert!(!places.is_empty(), "a fleet needs areas to stand in");
    places
}

/// Degrees between two points; near enough for neighbours.
pub(crate) fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    ((a[0] - b[0]) * a[1].to_radians().cos()).hypot(a[1] - b[1])
}

/// The district of a device's area code: its first six digits where codes are built that way.
pub(crate) fn district_of(area: &AreaCode) -> &str {
    district_code(area.as_str())
}

/// The district that an area's code begins with.
pub(crate) fn district_code(area: &str) -> &str {
    area.get(..6).unwrap_or(area)
}
