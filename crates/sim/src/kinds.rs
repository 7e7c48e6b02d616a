//! What the synthetic fleet measures: for each kind of device how many there are, who answers for
//! them and what a quiet day looks like.
//!
//! Invariant: no quiet value reaches a set-point of the built-in packs, so every warning of the
//! synthetic city has a cause in its script. All numbers here are made up; none is a standard.

use std::f64::consts::TAU;

use crate::random::{around_zero, between, draw, unit};

/// The shape of an ordinary day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rhythm {
    /// The same all day.
    Flat,
    /// Asleep at three, busy at eight and at seven in the evening: water, traffic, noise.
    Waking,
    /// Coolest at six, warmest at three in the afternoon.
    Sun,
    /// Full in working hours.
    Office,
    /// Full at night.
    Home,
}

impl Rhythm {
    const ALL: [Self; 5] = [Self::Flat, Self::Waking, Self::Sun, Self::Office, Self::Home];

    /// From -1 to 1, for a time of day in hours.
    fn at(self, hour: f64) -> f64 {
        let bump = |center: f64, width: f64| {
            let far = (hour - center).abs();
            let far = far.min(24.0 - far);
            (-(far / width).powi(2)).exp()
        };
        match self {
            Self::Flat => 0.0,
            Self::Waking => {
                (1.3 * bump(8.0, 2.2) + 1.4 * bump(19.0, 2.8) + 0.9 * bump(13.0, 3.5)).min(1.6)
                    * 1.25
                    - 1.0
            }
            Self::Sun => (TAU * (hour - 15.0) / 24.0).cos(),
            Self::Office => 2.0 * bump(13.0, 4.5) - 1.0,
            Self::Home => 1.0 - 2.0 * bump(13.5, 5.0),
        }
    }
}

/// All rhythms by the minute, so that a value costs a look-up and not a cosine.
#[derive(Debug)]
pub(crate) struct Rhythms(Vec<[f64; 1_440]>);

impl Rhythms {
    pub(crate) fn new() -> Self {
        let day = |rhythm: Rhythm| {
            let mut minutes = [0.0; 1_440];
            for (minute, value) in minutes.iter_mut().enumerate() {
                *value = rhythm.at(minute as f64 / 60.0).clamp(-1.0, 1.0);
            }
            minutes
        };
        Self(Rhythm::ALL.into_iter().map(day).collect())
    }

    #[inline]
    fn get(&self, rhythm: Rhythm, minute: usize) -> f64 {
        self.0[rhythm as usize][minute]
    }
}

/// How a quiet value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// Own level, times the day's rhythm, plus noise.
    Level,
    /// As `Level`, and some days are better than others all over the city.
    Weather,
    /// Air temperature: season, sun, place.
    Temperature,
    /// A river: its own height and a slow rise and fall over days, without noise.
    River,
    /// Dry: nothing.
    Dry,
    /// Drizzle now and then, everywhere at once.
    Drizzle,
    /// A bin: fills up until it is emptied, once a day.
    Bin,
    /// A lamp: current at night.
    Lamp,
    /// A manhole cover: lies as it lies.
    Cover,
}

/// One kind of the fleet.
#[derive(Debug)]
pub(crate) struct KindProfile {
    /// The kind's id in its pack.
    pub(crate) kind: &'static str,
    /// Devices of a thousand.
    pub(crate) share: usize,
    /// Kind of agency that answers for them.
    pub(crate) agency: &'static str,
    /// Decimals that the sensor resolves.
    pub(crate) decimals: u8,
    /// Bounds of quiet values.
    pub(crate) quiet: [f64; 2],
    /// Bounds of the devices' own levels.
    pub(crate) level: [f64; 2],
    /// Swing of the day as a share of the level.
    pub(crate) swing: f64,
    /// Noise: a part in the kind's unit, and a share of the level.
    pub(crate) noise: [f64; 2],
    pub(crate) rhythm: Rhythm,
    pub(crate) recipe: Recipe,
    /// One in so many devices falls silent now and then.
    pub(crate) silent_one_in: usize,
    /// One in so many shows the same value for ever; 0 is none.
    pub(crate) stuck_one_in: usize,
}

const QUIET: KindProfile = KindProfile {
    kind: "",
    share: 0,
    agency: "",
    decimals: 1,
    quiet: [0.0, 0.0],
    level: [0.0, 0.0],
    swing: 0.0,
    noise: [0.0, 0.0],
    rhythm: Rhythm::Flat,
    recipe: Recipe::Level,
    silent_one_in: 250,
    stuck_one_in: 0,
};

const GAS: KindProfile = KindProfile { agency: "gas_company", ..QUIET };
const WATER: KindProfile = KindProfile { agency: "water_company", ..QUIET };
const DRAIN: KindProfile = KindProfile { agency: "drainage_company", ..QUIET };
const AIR: KindProfile = KindProfile { agency: "ecology", decimals: 0, ..QUIET };

/// All kinds. Kinds whose silence raises a warning of its own fall silent less often.
#[rustfmt::skip]
pub(crate) const KINDS: [KindProfile; 21] = [
    KindProfile { kind: "methane", share: 90, quiet: [0.0, 9.0], level: [0.0, 2.4], noise: [0.2, 0.0], silent_one_in: 4_000, ..GAS },
    KindProfile { kind: "gas_pressure", share: 60, decimals: 2, quiet: [2.15, 2.62], level: [2.30, 2.50], swing: -0.02, noise: [0.02, 0.0], rhythm: Rhythm::Waking, stuck_one_in: 3_000, ..GAS },
    KindProfile { kind: "h2s", share: 40, quiet: [0.0, 6.0], level: [0.0, 2.5], noise: [0.3, 0.0], ..GAS },
    KindProfile { kind: "water_pressure", share: 90, decimals: 3, quiet: [0.27, 0.62], level: [0.31, 0.56], swing: -0.05, noise: [0.005, 0.0], rhythm: Rhythm::Waking, silent_one_in: 4_000, ..WATER },
    KindProfile { kind: "water_flow", share: 60, quiet: [5.0, 4_000.0], level: [30.0, 1_500.0], swing: 0.42, noise: [0.0, 0.02], rhythm: Rhythm::Waking, stuck_one_in: 3_000, ..WATER },
    KindProfile { kind: "chlorine", share: 25, decimals: 2, quiet: [0.25, 0.9], level: [0.35, 0.70], swing: -0.08, noise: [0.02, 0.0], rhythm: Rhythm::Waking, ..WATER },
    KindProfile { kind: "turbidity", share: 25, decimals: 2, quiet: [0.08, 0.7], level: [0.15, 0.45], swing: 0.12, noise: [0.02, 0.0], rhythm: Rhythm::Waking, ..WATER },
    KindProfile { kind: "flood_depth", share: 20, recipe: Recipe::Dry, silent_one_in: 4_000, ..DRAIN },
    KindProfile { kind: "rainfall", share: 8, quiet: [0.0, 6.0], recipe: Recipe::Drizzle, ..DRAIN },
    KindProfile { kind: "drain_level", share: 70, quiet: [4.0, 60.0], level: [14.0, 38.0], swing: 0.35, noise: [0.8, 0.0], rhythm: Rhythm::Waking, ..DRAIN },
    KindProfile { kind: "river_stage", share: 4, decimals: 2, quiet: [150.0, 215.0], level: [158.0, 204.0], recipe: Recipe::River, ..DRAIN },
    KindProfile { kind: "pm25", share: 14, quiet: [4.0, 90.0], level: [20.0, 48.0], swing: 0.22, noise: [2.5, 0.0], rhythm: Rhythm::Waking, recipe: Recipe::Weather, silent_one_in: 4_000, ..AIR },
    KindProfile { kind: "pm10", share: 10, quiet: [8.0, 130.0], level: [35.0, 80.0], swing: 0.22, noise: [4.0, 0.0], rhythm: Rhythm::Waking, recipe: Recipe::Weather, ..AIR },
    KindProfile { kind: "no2", share: 8, quiet: [4.0, 110.0], level: [18.0, 48.0], swing: 0.35, noise: [2.0, 0.0], rhythm: Rhythm::Waking, recipe: Recipe::Weather, ..AIR },
    KindProfile { kind: "o3", share: 8, quiet: [4.0, 160.0], level: [35.0, 70.0], swing: 0.75, noise: [3.0, 0.0], rhythm: Rhythm::Sun, recipe: Recipe::Weather, ..AIR },
    KindProfile { kind: "temperature", share: 20, decimals: 1, quiet: [-3.0, 33.5], noise: [0.2, 0.0], rhythm: Rhythm::Sun, recipe: Recipe::Temperature, stuck_one_in: 3_000, ..AIR },
    KindProfile { kind: "noise", share: 48, decimals: 1, quiet: [34.0, 68.0], level: [44.0, 55.0], swing: 0.06, noise: [1.0, 0.0], rhythm: Rhythm::Waking, ..AIR },
    KindProfile { kind: "manhole_tilt", share: 150, agency: "urban_management", decimals: 0, quiet: [0.0, 3.0], recipe: Recipe::Cover, silent_one_in: 4_000, ..QUIET },
    KindProfile { kind: "parking_occupied", share: 80, agency: "traffic_police", quiet: [2.0, 95.0], level: [42.0, 68.0], swing: 0.34, noise: [2.0, 0.0], rhythm: Rhythm::Office, ..QUIET },
    KindProfile { kind: "bin_fill", share: 90, agency: "sanitation", decimals: 0, quiet: [0.0, 86.0], level: [35.0, 84.0], recipe: Recipe::Bin, ..QUIET },
    KindProfile { kind: "lamp_current", share: 80, agency: "power_company", decimals: 2, quiet: [0.0, 2.0], level: [0.4, 1.6], noise: [0.0, 0.02], recipe: Recipe::Lamp, ..QUIET },
];

/// When, as far as a value cares: local time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Minutes since 1970 by the local clock.
    pub(crate) minutes: u64,
    /// Whole days of them.
    pub(crate) day: u64,
    /// Minute of the day.
    pub(crate) minute: usize,
}

/// What is particular to one device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    /// Index into [`KINDS`].
    pub(crate) kind: u8,
    pub(crate) rhythm: Rhythm,
    pub(crate) silent: bool,
    pub(crate) stuck: bool,
    /// Its own level.
    pub(crate) level: f64,
    /// Seed of everything else about it.
    pub(crate) own: u64,
}

impl Nature {
    pub(crate) fn new(kind: u8, own: u64) -> Self {
        let profile = &KINDS[usize::from(kind)];
        let one_in = |n: usize, salt: u64| n > 0 && draw(own, salt, 1).is_multiple_of(n as u64);
        let share = unit(draw(own, 2, 2));
        let [low, high] = profile.level;
        // Small meters are many and large ones few; gas stands low in most manholes.
        let skewed = matches!(profile.kind, "water_flow" | "methane" | "h2s");
        let mut level = low + (high - low) * if skewed { share * share } else { share };
        if profile.kind == "noise" && one_in(25, 3) {
            level = between(own, 60.0, 63.0); // beside a main road
        }
        let mut rhythm = profile.rhythm;
        if rhythm == Rhythm::Office && own & 1 == 0 {
            rhythm = Rhythm::Home;
        }
        let silent = one_in(profile.silent_one_in, 4);
        Self { kind, rhythm, silent, stuck: one_in(profile.stuck_one_in, 5), level, own }
    }

    /// A silent device misses about every other quarter of a day.
    #[inline]
    pub(crate) fn is_silent(&self, when: Moment) -> bool {
        self.silent && draw(self.own, when.minutes / 360, 6) & 1 == 0
    }

    /// The value of a quiet minute, in the sensor's resolution and within the kind's quiet bounds.
    #[inline]
    pub(crate) fn quiet_value(&self, rhythms: &Rhythms, seed: u64, when: Moment) -> f64 {
        let profile = &KINDS[usize::from(self.kind)];
        let when = if self.stuck { Moment { minutes: 0, day: 0, minute: 0 } } else { when };
        let bits = draw(self.own, when.minutes, 7);
        let noise = around_zero(bits) * (profile.noise[0] + profile.noise[1] * self.level);
        let rhythm = rhythms.get(self.rhythm, when.minute);
        let level = self.level * (1.0 + profile.swing * rhythm);
        let value = match profile.recipe {
            Recipe::Level => level + noise,
            Recipe::Weather => level * (1.0 + 0.2 * slow(seed, when)) + noise,
            Recipe::Temperature => {
                let place = between(self.own, -1.5, 1.5);
                season(when) + 3.5 * rhythm + 3.0 * slow(seed, when) + place + noise
            }
            Recipe::River => self.level + 0.35 * slow(seed, when),
            Recipe::Dry => 0.0,
            Recipe::Drizzle => drizzle(seed, when) * between(self.own, 0.6, 1.4),
            Recipe::Bin => {
                let emptied = 300 + self.own % 120; // between five and seven in the morning
                let since = (when.minute as u64 + 1_440 - emptied) % 1_440;
                self.level * since as f64 / 1_440.0
            }
            Recipe::Lamp => self.lamp(when.minute, noise),
            Recipe::Cover => (self.own % 3) as f64,
        };
        rounded(value.clamp(profile.quiet[0], profile.quiet[1]), profile.decimals)
    }

    fn lamp(&self, minute: usize, noise: f64) -> f64 {
        let shift = crate::random::below(self.own, 16);
        let dark = minute >= 1_100 + shift || minute < 395 + shift;
        if dark { self.level + noise } else { 0.0 }
    }
}

/// A value as a sensor of that many decimals shows it.
#[inline]
pub(crate) fn rounded(value: f64, decimals: u8) -> f64 {
    const TENS: [f64; 4] = [1.0, 10.0, 100.0, 1_000.0];
    let scale = TENS[usize::from(decimals)];
    (value * scale).round() / scale
}

/// Moves slowly between -1 and 1: one draw a day, a straight line between.
#[inline]
fn slow(seed: u64, when: Moment) -> f64 {
    let day = |day: u64| unit(draw(seed, day, 8)) * 2.0 - 1.0;
    let part = when.minute as f64 / 1_440.0;
    day(when.day) * (1.0 - part) + day(when.day + 1) * part
}

/// Mean temperature of the time of year.
fn season(when: Moment) -> f64 {
    let of_year = (when.day % 1_461) as f64 / 365.25;
    18.0 - 8.5 * (TAU * (of_year - 0.055)).cos()
}

/// Light rain in some blocks of three hours, in mm/h.
fn drizzle(seed: u64, when: Moment) -> f64 {
    let bits = draw(seed, when.minutes / 180, 9);
    if bits % 100 >= 10 {
        return 0.0;
    }
    let through = (when.minutes % 180) as f64 / 180.0;
    (1.0 - (2.0 * through - 1.0).abs()) * between(bits, 1.0, 4.0)
}
