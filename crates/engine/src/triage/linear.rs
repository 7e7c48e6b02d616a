//! A linear model over buckets: a row of weights a bucket, softmax over classes, learnt by AdaGrad.
//!
//! Not the classifier people see; it knows neither words nor labels. Always holds: weights are
//! finite and exactly what 16 bits hold, so a model that was written down and read again is the same.

use super::grams::BUCKETS;

/// Weights are laid out in steps of this many, so that eight are added at once.
const LANE: usize = 8;
/// A class whose probability is this near to right is left alone.
const ENOUGH: f32 = 1e-3;

/// The model.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    classes: usize,
    stride: usize,
    /// The row of each bucket, counted from one; 0 where there is none.
    rows: Vec<u32>,
    weights: Vec<f32>,
    /// Squared steps so far: what was moved often moves less.
    moved: Vec<f32>,
}

/// How fast a model learns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) rate: f32,
    pub(super) decay: f32,
}

/// One weight that is not zero, or was moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weight {
    pub(super) class: usize,
    pub(super) value: f32,
    pub(super) moved: f32,
}

impl Linear {
    pub(super) fn new(classes: usize) -> Self {
        let stride = classes.next_multiple_of(LANE);
        let rows = vec![0; BUCKETS];
        Self { classes, stride, rows, weights: Vec::new(), moved: Vec::new() }
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// Makes room for one more class.
    pub(super) fn add_class(&mut self) {
        let mut wider = Self::new(self.classes + 1);
        if wider.stride != self.stride {
            let widen = |from: &[f32]| {
                let padding = [0.0; LANE];
                let rows = from.chunks_exact(self.stride);
                rows.flat_map(|row| row.iter().chain(&padding)).copied().collect()
            };
            wider.weights = widen(&self.weights);
            wider.moved = widen(&self.moved);
            self.weights = wider.weights;
            self.moved = wider.moved;
            self.stride = wider.stride;
        }
        self.classes = wider.classes;
    }

    /// A row for a bucket, if it has none.
    pub(super) fn add_row(&mut self, bucket: u32) {
        let row = &mut self.rows[bucket as usize];
        if *row == 0 {
            self.weights.resize(self.weights.len() + self.stride, 0.0);
            self.moved.resize(self.moved.len() + self.stride, 0.0);
            *row = u32::try_from(self.weights.len() / self.stride).unwrap_or(u32::MAX);
        }
    }

    fn row(&self, bucket: u32) -> Option<usize> {
        let row = self.rows[bucket as usize] as usize;
        (row > 0).then(|| (row - 1) * self.stride)
    }

    /// The score of each class, into `scores`.
    pub(super) fn score(&self, buckets: &[u32], scores: &mut Vec<f32>) {
        scores.clear();
        scores.resize(self.stride, 0.0);
        for row in buckets.iter().filter_map(|&bucket| self.row(bucket)) {
            let weights = &self.weights[row..row + self.stride];
            for (lane, weights) in scores.chunks_exact_mut(LANE).zip(weights.chunks_exact(LANE)) {
                for (score, weight) in lane.iter_mut().zip(weights) {
                    *score += weight;
                }
            }
        }
        scores.truncate(self.classes);
        let share = share(buckets);
        for score in scores {
            *score *= share;
        }
    }

    /// One step towards `right`, given the probabilities the model has now.
    pub(super) fn step(&mut self, buckets: &[u32], now: &[f32], right: usize, pace: Pace) {
        let share = share(buckets);
        let active: Vec<(usize, f32)> = now
            .iter()
            .enumerate()
            .map(|(class, &p)| (class, (p - f32::from(u8::from(class == right))) * share))
            .filter(|(_, slope)| slope.abs() > ENOUGH * share)
            .collect();
        for &bucket in buckets {
            let Some(row) = self.row(bucket) else { continue };
            for &(class, slope) in &active {
                let weight = &mut self.weights[row + class];
                let moved = &mut self.moved[row + class];
                let slope = slope + pace.decay * *weight;
                *moved += slope * slope;
                *weight -= pace.rate * slope / moved.sqrt();
            }
        }
    }

    /// Rounds what belongs to these buckets to what can be written down.
    pub(super) fn settle(&mut self, buckets: &[u32]) {
        for &bucket in buckets {
            let Some(row) = self.row(bucket) else { continue };
            for value in &mut self.weights[row..row + self.stride] {
                *value = long(short(*value));
            }
            for value in &mut self.moved[row..row + self.stride] {
                *value = long(short(*value));
            }
        }
    }

    /// Buckets that have a row, in order.
    pub(super) fn buckets(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.rows).filter(|(_, row)| **row > 0).map(|(bucket, _)| bucket)
    }

    /// What is written down of a bucket.
    pub(super) fn weights_of(&self, bucket: u32) -> impl Iterator<Item = Weight> {
        let row = self.row(bucket).unwrap_or(0);
        (0..self.classes)
            .map(move |class| Weight {
                class,
                value: self.weights[row + class],
                moved: self.moved[row + class],
            })
            .filter(|weight| weight.value != 0.0 || weight.moved != 0.0)
    }

    /// Puts back what was written down.
    pub(super) fn set(&mut self, bucket: u32, weight: Weight) {
        self.add_row(bucket);
        if let Some(row) = self.row(bucket) {
            self.weights[row + weight.class] = weight.value;
            self.moved[row + weight.class] = weight.moved;
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        4 * (self.rows.len() + self.weights.len() + self.moved.len())
    }
}

/// What each bucket of a text counts: a long text has no louder voice than a short one.
fn share(buckets: &[u32]) -> f32 {
    1.0 / (buckets.len().max(1) as f32).sqrt()
}

/// Scores to probabilities.
pub(super) fn softmax(scores: &mut [f32], temperature: f32) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = exp((*score - most) / temperature);
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

/// e to the power of a number that is not above zero, to six digits and the same on every machine.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the exponent lies between 1 and 127 after the limit"
)]
pub(super) fn exp(power: f32) -> f32 {
    let twos = power.max(-80.0) * std::f32::consts::LOG2_E;
    let whole = twos.floor();
    let part = (twos - whole) * std::f32::consts::LN_2;
    let series = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let fraction = series.iter().fold(0.0, |sum, term| sum * part + term);
    fraction * f32::from_bits(((whole + 127.0) as u32) << 23)
}

/// The upper half of a number, rounded to nearest.
pub(super) const fn short(number: f32) -> u16 {
    let bits = number.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

pub(super) const fn long(half: u16) -> f32 {
    f32::from_bits((half as u32) << 16)
}

#[cfg(test)]
mod tests {
    use super::{Linear, Pace, exp, long, short, softmax};

    #[test]
    fn the_power_of_e_is_right_to_six_digits() {
        for hundredths in -8_000i16..=0 {
            let power = f32::from(hundredths) / 100.0;
            let right = f64::from(power).exp();
            assert!((f64::from(exp(power)) / right - 1.0).abs() < 2e-5, "{power}");
        }
        assert_eq!(exp(f32::NEG_INFINITY).to_bits(), exp(-80.0).to_bits());
    }

    #[test]
    fn probabilities_add_up_and_a_high_temperature_makes_them_alike() {
        let mut cold = [1.0, 2.0, 4.0];
        let mut hot = cold;
        softmax(&mut cold, 1.0);
        softmax(&mut hot, 100.0);
        assert!((cold.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(cold[2] > 0.8 && hot[2] < 0.35, "{cold:?} {hot:?}");
    }

    #[test]
    fn sixteen_bits_keep_what_sixteen_bits_held() {
        for half in [0u16, 1, 0x3f80, 0xbf81, 0x4049, 0x0080] {
            assert_eq!(short(long(half)), half);
        }
        assert_eq!(short(1.000_001), short(1.0));
    }

    #[test]
    fn a_class_is_learnt_and_a_later_one_finds_room() {
        let mut linear = Linear::new(2);
        let (first, second, third) = ([1, 2], [3, 4], [5, 6]);
        let mut scores = Vec::new();
        for _ in 0..20 {
            for (buckets, class) in [(first, 0), (second, 1)] {
                for bucket in buckets {
                    linear.add_row(bucket);
                }
                linear.score(&buckets, &mut scores);
                softmax(&mut scores, 1.0);
                linear.step(&buckets, &scores, class, Pace { rate: 0.5, decay: 0.0 });
            }
        }
        (2..20).for_each(|_| linear.add_class());
        for bucket in third {
            linear.add_row(bucket);
        }
        for _ in 0..20 {
            linear.score(&third, &mut scores);
            softmax(&mut scores, 1.0);
            linear.step(&third, &scores, 19, Pace { rate: 0.5, decay: 0.0 });
        }
        for (buckets, class) in [(first, 0), (second, 1), (third, 19)] {
            linear.score(&buckets, &mut scores);
            let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            assert_eq!(best.0, class);
        }
    }
}
