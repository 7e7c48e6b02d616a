//! What two reports have in common, and how much each of it says: a logistic model whose weights
//! were learnt on a generated city (docs/decisions/0037), and can be learnt anew from a city's own
//! merges. Not a threshold; which probability is enough is for the caller.

use crate::triage::linear::exp;

/// Whether both name an object, and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameObject {
    /// One of them names none.
    Unknown,
    /// The same.
    Same,
    /// Another.
    Other,
}

/// What a case and a report have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alike {
    /// How far apart.
    pub metres: f32,
    /// How long between them.
    pub hours: f32,
    /// How much their words agree, 0 to 1.
    pub cosine: f32,
    /// How likely their words are about the same class; `None` where that was not asked.
    pub meaning: Option<f32>,
    /// Whether the class is the same.
    pub is_same_class: bool,
    /// How long the case was closed when the report came; `None` if it was not.
    pub hours_closed: Option<f32>,
    /// Whether they name the same object.
    pub object: SameObject,
}

/// How many numbers are made of them.
const FEATURES: usize = 16;
/// Rounds of learning.
const ROUNDS: usize = 600;

impl Alike {
    fn features(&self) -> [f32; FEATURES] {
        let flag = |is: bool| f32::from(u8::from(is));
        let far = self.metres / 100.0;
        let same_class = flag(self.is_same_class);
        let meaning = self.meaning.unwrap_or(0.0);
        [
            1.0,
            far,
            far * far,
            self.hours / 24.0,
            self.cosine,
            same_class,
            self.cosine * far,
            self.cosine * self.cosine,
            self.cosine * same_class,
            flag(self.hours_closed.is_some()),
            self.hours_closed.unwrap_or(0.0) / 24.0,
            flag(self.object == SameObject::Same),
            flag(self.object == SameObject::Other),
            meaning,
            meaning * meaning,
            meaning * far,
        ]
    }
}

/// The weights: where it is known what the words are about, and where it is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights(pub [[f32; FEATURES]; 2]);

impl Default for Weights {
    /// As printed by `cargo run --release -p chengmai-engine --example triage_eval -- duplicates`.
    fn default() -> Self {
        Self([
            [
                -0.377, -3.234, 1.081, -1.158, 1.84, 1.183, 0.441, -0.849, -0.49, -2.021, -2.2,
                2.74, -6.472, 4.554, 0.108, -2.962,
            ],
            [
                1.25, -3.982, 0.365, -0.868, 2.765, 2.611, 0.408, -1.153, -1.282, -1.965, -1.81,
                2.917, -6.693, 0.0, 0.0, 0.0,
            ],
        ])
    }
}

impl Weights {
    /// The probability that it is the same thing.
    pub fn probability(&self, alike: &Alike) -> f32 {
        let weights = &self.0[usize::from(alike.meaning.is_none())];
        logistic(sum(weights, &alike.features()))
    }

    /// Learns from pairs of which is known whether they were the same: from all of them how to judge
    /// where nothing is known of the words, so that is learnt even if a classifier saw every pair.
    pub fn fit(pairs: &[(Alike, bool)]) -> Self {
        let blind = |&(alike, is_same): &(Alike, bool)| (Alike { meaning: None, ..alike }, is_same);
        let told: Vec<_> =
            pairs.iter().filter(|(alike, _)| alike.meaning.is_some()).copied().collect();
        let untold = learn(&pairs.iter().map(blind).collect::<Vec<_>>());
        Self([if told.is_empty() { untold } else { learn(&told) }, untold])
    }
}

fn learn(pairs: &[(Alike, bool)]) -> [f32; FEATURES] {
    let mut weights = [0.0f32; FEATURES];
    let mut moved = [1e-6f32; FEATURES];
    for _ in 0..ROUNDS {
        let mut slopes = [0.0f64; FEATURES];
        for (alike, is_same) in pairs {
            let features = alike.features();
            let miss = logistic(sum(&weights, &features)) - f32::from(u8::from(*is_same));
            for (slope, feature) in slopes.iter_mut().zip(features) {
                *slope += f64::from(miss * feature);
            }
        }
        for ((weight, moved), slope) in weights.iter_mut().zip(&mut moved).zip(slopes) {
            #[expect(clippy::cast_possible_truncation, reason = "a mean of small numbers")]
            let slope = (slope / pairs.len().max(1) as f64) as f32;
            *moved += slope * slope;
            *weight -= slope / moved.sqrt();
        }
    }
    weights
}

fn sum(weights: &[f32; FEATURES], features: &[f32; FEATURES]) -> f32 {
    weights.iter().zip(features).map(|(weight, feature)| weight * feature).sum()
}

fn logistic(sum: f32) -> f32 {
    let small = exp(-sum.abs());
    if sum < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}
