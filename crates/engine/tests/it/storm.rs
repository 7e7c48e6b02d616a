//! A storm day: a made-up city under heavy rain, most of its drains over their set-point, sensors
//! that splash, rattle and fall silent, and true events planted in between. All from a seed. The test
//! plays a small one; `cargo run --release -p chengmai-engine --example storm_day` a whole city.

use std::sync::Arc;

use chengmai_engine::alarm_quality::{AlarmLoad, Goals, LoadSpan, LoadStep};
use chengmai_engine::{AlarmTally, Catalog, Engine, Event, Settings, StreamSpec};
use chengmai_model::area::AreaRow;
use chengmai_model::time::{HOUR_MS, MINUTE_MS};
use chengmai_model::warning::{Held, WarningChange, WarningId, WarningStep};
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};

const START: Timestamp = Timestamp(1_782_864_000_000);
/// The rain sets in, drains fill, everybody is told: after this the figures are of steady state.
const ONSET_MS: i64 = 45 * MINUTE_MS;
/// A true event lasts so many minutes.
const EVENT_MIN: i64 = 25;
/// So many minutes after its beginning it must be known.
const KNOWN_MIN: i64 = 15;
/// At this minute some communities lose power.
const POWER_CUT_MIN: i64 = 60;

/// How large and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) districts: u32,
    pub(crate) towns: u32,
    pub(crate) communities: u32,
    pub(crate) grids: u32,
    pub(crate) drains: u32,
    pub(crate) minutes: i64,
    /// True events an hour and district.
    pub(crate) events: u32,
    pub(crate) seed: u64,
}

/// What became of the planted events.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) planted: usize,
    pub(crate) alone: usize,
    pub(crate) in_a_group: usize,
    pub(crate) under_a_cause: usize,
    pub(crate) lost: Vec<String>,
}

/// What a played storm gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) streams: usize,
    pub(crate) readings: u64,
    /// Readings beyond the set-point of a rule.
    pub(crate) exceedances: u64,
    pub(crate) tally: AlarmTally,
    /// Steps of warnings raised, shown or not.
    pub(crate) causes: u64,
    pub(crate) whole: AlarmLoad,
    pub(crate) steady: AlarmLoad,
    /// Hourly averages of the single desks in steady state, the highest first.
    pub(crate) desks: Vec<f64>,
    pub(crate) known: Known,
    pub(crate) groups: u64,
}

/// Numbers from a seed.
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }
}

const KINDS: [&str; 6] =
    ["rainfall", "drain_level", "flood_depth", "methane", "water_pressure", "manhole_tilt"];

#[derive(Debug, Clone, Copy)]
struct Sensor {
    kind: usize,
    grid: usize,
    /// What this one is like, 0 to 1.
    nature: f64,
}

/// Something true, to be found again.
#[derive(Debug, Clone, Copy)]
struct Planted {
    sensor: usize,
    minute: i64,
    rule: &'static str,
}

const MODES: [(usize, &str); 5] = [
    (1, "drainage/drain_surcharge"),
    (2, "drainage/flooded_point"),
    (3, "gas/methane_in_manhole"),
    (4, "water/pipe_burst"),
    (5, "street/manhole_open"),
];

struct Storm {
    size: Size,
    areas: Arc<AreaTree>,
    grids: Vec<AreaId>,
    sensors: Vec<Sensor>,
    /// The event a sensor is part of.
    planted: Vec<Planted>,
    event_of: Vec<Option<usize>>,
    /// Grids without power from [`POWER_CUT_MIN`] on.
    dark: Vec<bool>,
}

fn city(size: Size) -> AreaTree {
    let mut rows = Vec::new();
    let mut add = |code: &str, parent: Option<&str>, tier| {
        rows.push(AreaRow {
            line: u32::try_from(rows.len()).unwrap() + 1,
            code: AreaCode::new(code).unwrap(),
            parent: parent.map(|p| AreaCode::new(p).unwrap()),
            name: code.to_owned(),
            tier,
            valid_from: None,
            valid_to: None,
            center: None,
            shape: None,
            generated: true,
            note: None,
        });
    };
    add("S", None, Tier::City);
    for district in 0..size.districts {
        let d = format!("S{district}");
        add(&d, Some("S"), Tier::District);
        for town in 0..size.towns {
            let t = format!("{d}-{town}");
            add(&t, Some(&d), Tier::Town);
            for community in 0..size.communities {
                let c = format!("{t}-{community}");
                add(&c, Some(&t), Tier::Community);
                for grid in 0..size.grids {
                    add(&format!("{c}-{grid}"), Some(&c), Tier::Grid);
                }
            }
        }
    }
    AreaTree::build(rows).unwrap()
}

impl Storm {
    fn new(size: Size) -> Self {
        let areas = Arc::new(city(size));
        let mut dice = Dice(size.seed);
        let grids: Vec<AreaId> =
            areas.iter().filter(|(_, a)| a.row.tier == Tier::Grid).map(|(id, _)| id).collect();
        let per_community = size.grids as usize;
        let per_town = per_community * size.communities as usize;
        let per_district = per_town * size.towns as usize;
        let mut sensors = Vec::new();
        for grid in 0..grids.len() {
            let kinds = std::iter::repeat_n(1, size.drains as usize).chain(2..=5);
            let rain = (grid % per_town == 0).then_some(0);
            for kind in rain.into_iter().chain(kinds) {
                sensors.push(Sensor { kind, grid, nature: dice.share() });
            }
        }
        // Every fourth district loses power in its last community.
        let dark = |grid: usize| {
            (grid / per_district).is_multiple_of(4)
                && grid % per_district >= per_district - per_community
        };
        let dark: Vec<bool> = (0..grids.len()).map(dark).collect();
        let mut storm = Self {
            size,
            areas,
            grids,
            event_of: vec![None; sensors.len()],
            sensors,
            planted: Vec::new(),
            dark,
        };
        storm.plant(&mut dice, per_district);
        storm
    }

    fn plant(&mut self, dice: &mut Dice, per_district: usize) {
        let mut used = vec![false; self.grids.len()];
        let hours = usize::try_from(self.size.minutes / 60).unwrap();
        for district in 0..self.size.districts as usize {
            for _ in 0..self.size.events as usize * hours {
                let grid = loop {
                    let grid = district * per_district + dice.below(per_district);
                    if !used[grid] && !self.dark[grid] {
                        break grid;
                    }
                };
                used[grid] = true;
                let (kind, rule) = MODES[dice.below(MODES.len())];
                let fits = |s: &Sensor| s.grid == grid && s.kind == kind;
                let sensor = self.sensors.iter().position(fits).unwrap();
                let span = usize::try_from(self.size.minutes - 30 - EVENT_MIN).unwrap();
                let minute = 30 + i64::try_from(dice.below(span)).unwrap();
                self.event_of[sensor] = Some(self.planted.len());
                self.planted.push(Planted { sensor, minute, rule });
            }
        }
    }

    /// What a sensor says at a minute; `None`: nothing.
    fn value(&self, number: usize, minute: i64, dice: &mut Dice) -> Option<f64> {
        let sensor = self.sensors[number];
        if self.dark[sensor.grid] && minute >= POWER_CUT_MIN {
            return None;
        }
        let since = self.event_of[number].map(|event| minute - self.planted[event].minute);
        if let Some(since) = since.filter(|since| (0..EVENT_MIN).contains(since)) {
            let grown = (since as f64 / 5.0).min(1.0);
            return Some(match sensor.kind {
                1 => 90.0 + 55.0 * grown,
                2 => 5.0 + 25.0 * grown,
                3 => 10.0 + 50.0 * grown,
                4 => 0.36 - 0.22 * grown,
                _ => 70.0,
            });
        }
        let clean = since.is_some();
        let nature = sensor.nature;
        let noise = dice.within(-1.0, 1.0);
        let luck = dice.share();
        let ramp = |from: f64, to: f64| ((minute as f64 - from) / (to - from)).clamp(0.0, 1.0);
        let odd = minute % 2 == 0;
        Some(match sensor.kind {
            0 => (25.0 + 25.0 * nature) * ramp(0.0, 10.0) + 1.5 * noise * ramp(5.0, 10.0),
            // One in a hundred swings about its set-point, a fifth stays below, the rest is full.
            1 if nature < 0.01 && !clean => 80.0 + 12.0 * noise,
            1 if nature < 0.2 => 65.0 + 5.0 * noise,
            1 => 60.0 + (22.0 + 12.0 * nature) * ramp(15.0, 30.0) + 2.0 * noise,
            // One in a hundred goes in and out as fast as the rule's delays allow; others splash.
            2 if nature < 0.01 && !clean => {
                if minute % 5 < 2 {
                    11.0
                } else {
                    4.0
                }
            }
            2 if luck < 0.01 => 12.0,
            2 => 3.0 + noise,
            3 if luck < 0.005 => 30.0,
            3 => 2.0 + noise,
            4 => 0.36 + 0.02 * noise,
            _ if nature < 0.01 && !clean && odd => 18.0,
            _ => 1.0 + noise,
        })
    }
}

fn exceeds(kind: usize, value: f64) -> bool {
    match kind {
        1 => value >= 80.0,
        2 => value >= 10.0,
        0 | 3 => value >= 20.0,
        4 => value < 0.25,
        _ => value > 15.0,
    }
}

/// Plays the storm through the real engine with these packs.
pub(crate) fn play(catalog: Catalog, size: Size) -> Outcome {
    let storm = Storm::new(size);
    let areas = Arc::clone(&storm.areas);
    let settings = Settings { utc_offset_ms: 0, ..Settings::default() };
    let mut engine = Engine::new(catalog, Arc::clone(&areas), settings);
    for (number, sensor) in (0..).zip(&storm.sensors) {
        let kind = engine.catalog().kind_id(KINDS[sensor.kind]).unwrap();
        let area = storm.grids[sensor.grid];
        engine.register(StreamSpec { kind, area, period_ms: 60_000, device: DeviceId(number) });
    }
    let mut dice = Dice(size.seed ^ 0x5707);
    let (mut position, mut exceedances) = (0, 0);
    let mut events = Vec::new();
    let mut log = Log::default();
    for minute in 0..size.minutes {
        let mut parts: [Vec<Reading>; 6] = Default::default();
        for number in 0..storm.sensors.len() {
            let Some(value) = storm.value(number, minute, &mut dice) else { continue };
            let value = value.max(0.0);
            exceedances += u64::from(exceeds(storm.sensors[number].kind, value));
            let second = i64::try_from(number % 60).unwrap();
            let at = START.plus_ms(minute * MINUTE_MS + second * 1_000);
            let stream = StreamId(u32::try_from(number).unwrap());
            parts[number % 60 / 10].push(Reading { stream, at, value });
        }
        for (part, readings) in (1..).zip(&parts) {
            let now = START.plus_ms(minute * MINUTE_MS + part * 10_000);
            engine.apply(position, now, readings, &mut events);
            position += readings.len() as u64;
            engine.tick(now, &mut events);
            log.take(&mut events);
        }
    }
    outcome(&storm, &engine, log, position, exceedances)
}

#[derive(Default)]
struct Log {
    changes: Vec<WarningChange>,
    tallies: Vec<AlarmTally>,
}

impl Log {
    fn take(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            match event {
                Event::Warning(change) => self.changes.push(change),
                Event::Tally(tally) => self.tallies.push(tally),
                Event::Alarm(_) | Event::Device(_) | Event::Window(_) => {}
            }
        }
    }
}

fn outcome(storm: &Storm, engine: &Engine, log: Log, readings: u64, exceedances: u64) -> Outcome {
    let operator = |area| storm.areas.at_tier(area, Tier::District).unwrap_or(area);
    let steps: Vec<LoadStep> =
        log.changes.iter().filter_map(|c| LoadStep::of(c, operator(c.area))).collect();
    let end = START.plus_ms(storm.size.minutes * MINUTE_MS);
    let load = |from| {
        let span = LoadSpan { from, to: end };
        let loads = AlarmLoad::by_operator(&steps, span, &Goals::default());
        let mut desks: Vec<f64> = loads.values().map(AlarmLoad::per_hour).collect();
        desks.sort_by(|a, b| b.total_cmp(a));
        (AlarmLoad::together(loads.values(), u64::from(storm.size.districts), span), desks)
    };
    let (whole, _) = load(START);
    let (steady, desks) = load(START.plus_ms(ONSET_MS));
    let mut tally = log.tallies[0];
    for more in &log.tallies[1..] {
        tally.alarms += more.alarms;
        tally.shown += more.shown;
        tally.under_parent += more.under_parent;
        tally.collapsed += more.collapsed;
    }
    let raised = |c: &&WarningChange| c.step == WarningStep::Raised;
    let group =
        |c: &&WarningChange| matches!(c.subject, chengmai_model::warning::Subject::Group { .. });
    Outcome {
        streams: storm.sensors.len(),
        readings,
        exceedances,
        tally,
        causes: log.changes.iter().filter(raised).filter(|c| !group(c)).count() as u64,
        groups: log.changes.iter().filter(raised).filter(group).count() as u64,
        whole,
        steady,
        desks,
        known: known(storm, engine, &log.changes),
    }
}

/// Looks for every planted event among what people saw.
fn known(storm: &Storm, engine: &Engine, changes: &[WarningChange]) -> Known {
    let shown_once = |id: WarningId, until: Timestamp| {
        changes.iter().any(|c| c.id == id && c.held.is_none() && c.at <= until)
    };
    let mut known = Known { planted: storm.planted.len(), ..Known::default() };
    for event in &storm.planted {
        let rule = engine.catalog().find_rule(event.rule).unwrap();
        let area = storm.grids[storm.sensors[event.sensor].grid];
        let from = START.plus_ms(event.minute * MINUTE_MS);
        let until = from.plus_ms(KNOWN_MIN * MINUTE_MS);
        let told: Vec<&WarningChange> = changes
            .iter()
            .filter(|c| c.rule == rule && c.area == area && c.step != WarningStep::Cleared)
            .filter(|c| c.at >= from && c.at <= until)
            .collect();
        let listed = |of: fn(Held) -> Option<WarningId>| {
            told.iter().any(|c| c.held.and_then(of).is_some_and(|id| shown_once(id, until)))
        };
        if told.iter().any(|c| c.held.is_none()) {
            known.alone += 1;
        } else if listed(|h| if let Held::Group(id) = h { Some(id) } else { None }) {
            known.in_a_group += 1;
        } else if listed(|h| if let Held::Parent(id) = h { Some(id) } else { None }) {
            known.under_a_cause += 1;
        } else {
            known.lost.push(format!("{} in {} at minute {}", event.rule, area.0, event.minute));
        }
    }
    known
}

impl Outcome {
    /// Hours that were played.
    pub(crate) fn hours(&self) -> f64 {
        self.whole.span_ms as f64 / HOUR_MS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_storm_a_desk_sees_six_an_hour_and_no_true_event_is_lost() {
        let size = Size {
            districts: 4,
            towns: 2,
            communities: 2,
            grids: 6,
            drains: 8,
            minutes: 180,
            events: 3,
            seed: 20_260_701,
        };
        let outcome = play(crate::packs::catalog(), size);
        assert!(outcome.exceedances > 90_000, "{outcome:?}");
        assert!(outcome.readings > outcome.exceedances && outcome.streams > 400, "{outcome:?}");
        assert!(outcome.causes > outcome.whole.shown / 2 && outcome.hours() > 2.9, "{outcome:?}");
        assert_eq!(outcome.known.lost, Vec::<String>::new());
        assert_eq!(outcome.known.planted, 36);
        let steady = &outcome.steady;
        assert!(steady.per_hour() <= 6.0, "{} an hour: {steady:?}", steady.per_hour());
        let most = Goals::default().hourly_most;
        assert!(outcome.desks.iter().all(|&hourly| hourly <= most), "{:?}", outcome.desks);
        assert!(steady.flood_share() < 0.01, "{steady:?}");
        assert_eq!(steady.chattering, Vec::new());
        assert!(outcome.groups > 0 && outcome.tally.under_parent > 0, "{outcome:?}");
    }
}
