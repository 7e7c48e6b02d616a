//! Anomaly in a stream nobody set a threshold for: how new is this reading, against all the stream
//! ever reported, and against what it usually reports at this hour of the day? One configuration for
//! every stream, nothing but the past, 128 bytes, no allocation, the same bits on every machine.
//!
//! Not a model of what a stream measures, and not a verdict: a score that a rule may ask for with
//! `anomaly`. Why it is made so and how well it does: docs/decisions/0029, docs/benchmarks/anomaly.md.

mod seen;
mod watch;

use chengmai_model::Timestamp;
use chengmai_model::time::{DAY_MS, HOUR_MS};
use seen::Seen;
pub(crate) use watch::Watch;

/// Readings that settle how large a stream's numbers are.
const SCALE_READINGS: u16 = 64;
/// A reading as new as this is as likely as not on a quiet day; measured, see the benchmark page.
const USUAL: f64 = 0.00107;
/// An onset stands for at most so many readings, unless something newer comes.
const STANDS: u8 = 64;
/// Before a stream was watched for so long, an hour of the day has not been seen often enough.
const LEARNING_MS: i64 = 3 * DAY_MS;
/// Parts of a cell in which the usual values are kept.
const PARTS: f64 = 256.0;
/// An hour that was never seen.
const UNKNOWN: u16 = u16::MAX;

/// The four numbers that were chosen. The engine always runs with the default; others are for
/// measuring what the choice is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// How large the mean reading is on the bent scale, before it bends.
    pub scale: f64,
    /// Share of the difference that the usual value of an hour moves with each reading.
    pub learn: f64,
    /// Newness counts half after this many readings, because at first everything is new.
    pub half_new: f64,
    /// Share that is left, after one reading, of what the next onset must beat.
    pub fade: f32,
}

impl Default for Tuning {
    /// One choice for every stream; the bar halves in 16 readings.
    fn default() -> Self {
        Self { scale: 8.0, learn: 0.2, half_new: 50.0, fade: 0.957_603_3 }
    }
}

/// What is remembered of one stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detector {
    /// Values, on the bent scale.
    values: Seen,
    /// Their differences from what is usual at the hour.
    residuals: Seen,
    /// What is usual at each hour of the day (UTC), as a place in the cells of `values`.
    usual: [u16; 24],
    /// Mean size of the first readings.
    scale: f32,
    /// Newness that the next onset must beat.
    bar: f32,
    /// The last value, bent.
    last: f32,
    /// Score of the standing onset, 0 when none stands.
    standing: f32,
    /// The value it came from, and how near to it counts as back.
    from: f32,
    near: f32,
    /// When the first reading came, in seconds.
    first_s: u32,
    readings: u16,
    /// Readings for which the onset may still stand.
    left: u8,
}

const _: () = assert!(size_of::<Detector>() <= 128, "22 million of them are 2.8 GB");

impl Default for Detector {
    fn default() -> Self {
        Self {
            values: Seen::default(),
            residuals: Seen::default(),
            usual: [UNKNOWN; 24],
            scale: 0.0,
            bar: 0.0,
            last: 0.0,
            standing: 0.0,
            from: 0.0,
            near: 0.0,
            first_s: 0,
            readings: 0,
            left: 0,
        }
    }
}

impl Detector {
    /// Takes the next reading, in order of time. Returns the score of an anomaly that begins here,
    /// 0 to 1, and 0 while one goes on: 0.99 is what one quiet day in a hundred reaches.
    pub fn score(&mut self, at: Timestamp, value: f64) -> f32 {
        self.score_with(&Tuning::default(), at, value)
    }

    /// The same with other numbers than the chosen ones.
    pub fn score_with(&mut self, tuning: &Tuning, at: Timestamp, value: f64) -> f32 {
        let bent = self.bend(value, tuning.scale);
        if self.readings == 0 {
            self.values = Seen::new(bent, bent);
            self.residuals = Seen::new(0.0, bent);
            self.first_s = crate::stream::seconds(at.0);
            self.last = narrow(bent);
        }
        self.readings = self.readings.saturating_add(1);
        let newness = self.newness(at, bent, tuning);
        self.bar *= tuning.fade;
        let begins = newness > self.bar;
        let score = if begins { chance(f64::from(newness)) } else { 0.0 };
        if begins {
            self.bar = newness;
        }
        self.stand(score, narrow(bent));
        self.last = narrow(bent);
        score
    }

    /// The score of the anomaly that stands: from its onset until the value has come half of the way
    /// back to where it came from, and for 64 readings unless it grows. `None` while it is learning, for the
    /// first three days.
    pub fn standing(&self, now: Timestamp) -> Option<f32> {
        let watched = now.0.saturating_sub(i64::from(self.first_s) * 1_000);
        (watched >= LEARNING_MS).then_some(self.standing)
    }

    /// The value on a scale that is straight for small values and logarithmic for large ones, in
    /// units of the stream's own size. Straight lines between powers of two, not a logarithm,
    /// because those are the same on every machine.
    fn bend(&mut self, value: f64, mean_at: f64) -> f64 {
        if self.readings < SCALE_READINGS {
            let size = value.abs().min(f64::from(f32::MAX));
            let scale = f64::from(self.scale);
            self.scale = narrow(scale + (size - scale) / (f64::from(self.readings) + 1.0));
        }
        let scale = if self.scale > 0.0 { f64::from(self.scale) } else { 1.0 };
        let size = (1.0 + (mean_at * value / scale).abs()).min(f64::MAX);
        let exponent = u32::try_from((size.to_bits() >> 52) & 0x7ff).unwrap_or(1023);
        let mantissa = f64::from_bits((size.to_bits() & ((1 << 52) - 1)) | (1023 << 52));
        let bent = f64::from(exponent) - 1023.0 + (mantissa - 1.0);
        if value < 0.0 { -bent } else { bent }
    }

    /// How new the value is, by itself and for the hour; learns it.
    fn newness(&mut self, at: Timestamp, bent: f64, tuning: &Tuning) -> f32 {
        let before = self.values.grid();
        let mut newness = self.values.learn(bent);
        let grid = self.values.grid();
        if grid != before {
            for usual in self.usual.iter_mut().filter(|usual| **usual != UNKNOWN) {
                *usual = parts(grid.place(before.number(f64::from(*usual) / PARTS)));
            }
        }
        let hour = usize::try_from(at.0.div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or(0);
        let place = grid.place(bent);
        let usual = match self.usual[hour] {
            UNKNOWN => place,
            known => f64::from(known) / PARTS,
        };
        self.usual[hour] = parts(usual + tuning.learn * (place - usual));
        newness += self.residuals.learn(bent - grid.number(usual));
        let readings = f64::from(self.readings);
        narrow(newness * readings / (readings + tuning.half_new))
    }

    /// Keeps or ends the standing onset.
    fn stand(&mut self, score: f32, bent: f32) {
        let over = self.left == 0 || (bent - self.from).abs() < self.near;
        if over {
            self.standing = 0.0;
        }
        self.left = self.left.saturating_sub(1);
        if score > self.standing {
            // An onset that grows keeps where it began; one beside a weaker one begins here.
            if self.standing == 0.0 || (bent - self.last).abs() > (bent - self.from).abs() {
                self.from = self.last;
            }
            self.standing = score;
            self.near = (bent - self.from).abs() / 2.0;
            self.left = STANDS;
        }
    }
}

/// The share of quiet days that stay below a newness.
fn chance(newness: f64) -> f32 {
    narrow(newness / (newness + USUAL))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "kept in 4 bytes; the last digits do not matter"
)]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// A place in cells, in parts of a cell.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
fn parts(place: f64) -> u16 {
    (place * PARTS).round().clamp(0.0, f64::from(UNKNOWN - 1)) as u16
}

#[cfg(test)]
mod tests;
