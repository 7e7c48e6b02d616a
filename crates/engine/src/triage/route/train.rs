//! Training: the earlier cases teach, the later ones say how sure the classifier may be, and then
//! teach too. Not a search for settings; the defaults were measured, see docs/benchmarks/triage.md.

use super::{Classifier, Example, LABELS_MAX, NEVER, Reader};
use crate::triage::draw::Draw;
use crate::triage::grams::BUCKETS;
use crate::triage::linear::{Linear, Pace, softmax};

/// Fewer held-out cases than this are no ground to decide alone.
const DECIDED_MIN: usize = 50;
/// Parts into which probabilities are sorted to see whether they keep what they promise.
const PARTS: usize = 10;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// Decides the order of examples.
    pub seed: u64,
    /// How often every example is looked at.
    pub rounds: u32,
    /// Size of the first steps.
    pub rate: f32,
    /// Pull of every weight towards zero.
    pub decay: f32,
    /// Share of the examples, the latest, on which sureness is judged.
    pub held_out: f64,
    /// How often a decision without asking must have been right on those.
    pub precision: f64,
    /// A run of letters counts from so many examples on.
    pub seen_min: u32,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            seed: 1,
            rounds: 8,
            rate: 0.5,
            decay: 1e-5,
            held_out: 0.2,
            precision: 0.95,
            seen_min: 2,
        }
    }
}

/// How good a classifier was on the cases held out, which are later than all it had learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Fitness {
    /// Cases learnt from before they were judged.
    pub taught: u32,
    /// Cases held out.
    pub held_out: u32,
    /// The first proposal was right.
    pub right: u32,
    /// One of three was right.
    pub right_of_three: u32,
    /// It would have decided alone.
    pub decided: u32,
    /// Of those: rightly.
    pub decided_right: u32,
    /// Mean gap between the probability stated and the share that was right.
    pub miscalibration: f32,
}

/// Why there is no classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// One label or none, or nothing held out or taught.
    #[error(
        "{labels} labels in {taught} examples to learn from; it takes two labels and some held out"
    )]
    TooFew {
        /// Labels found.
        labels: usize,
        /// Examples to learn from.
        taught: usize,
    },
    /// More labels than [`LABELS_MAX`].
    #[error("{labels} labels are more than {LABELS_MAX}")]
    TooMany {
        /// Labels found.
        labels: usize,
    },
}

/// Texts as buckets, one after another, with the number of their label.
#[derive(Default)]
struct Set {
    buckets: Vec<u32>,
    ends: Vec<usize>,
    labels: Vec<usize>,
}

impl Set {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn buckets(&self, index: usize) -> &[u32] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.buckets[start..self.ends[index]]
    }
}

pub(super) fn train(
    examples: &[Example<'_>],
    training: &Training,
) -> Result<Classifier, TrainError> {
    let mut order: Vec<&Example<'_>> = examples.iter().collect();
    order.sort_by_key(|example| example.at);
    let (set, labels) = read(&order);
    let taught = examples.len() - share_of(examples.len(), training.held_out);
    if labels.len() < 2 || taught == 0 || taught == examples.len() {
        return Err(TrainError::TooFew { labels: labels.len(), taught });
    }
    if labels.len() > LABELS_MAX {
        return Err(TrainError::TooMany { labels: labels.len() });
    }
    let mut linear = Linear::new(labels.len());
    add_rows(&mut linear, &set, training.seen_min);
    let pace = Pace { rate: training.rate, decay: training.decay };
    let mut draw = Draw::new(training.seed);
    let mut turns: Vec<usize> = (0..taught).collect();
    for _ in 0..training.rounds {
        draw.shuffle(&mut turns);
        teach(&mut linear, &set, &turns, pace);
    }
    let scores = scores_of(&linear, &set, taught);
    let temperature = temperature_of(&scores, &set.labels[taught..]);
    let (decides_from, fitness) =
        judge(scores, &set.labels[taught..], temperature, training.precision, taught);
    let later: Vec<usize> = (taught..set.len()).collect();
    teach(&mut linear, &set, &later, pace);
    let all: Vec<u32> = linear.buckets().collect();
    linear.settle(&all);
    Ok(Classifier { labels, linear, temperature, decides_from, fitness, pace })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count of examples, between none and all"
)]
fn share_of(count: usize, share: f64) -> usize {
    (count as f64 * share.clamp(0.0, 1.0)) as usize
}

fn read(order: &[&Example<'_>]) -> (Set, Vec<String>) {
    let mut set = Set::default();
    let mut labels: Vec<String> = order.iter().map(|example| example.label.to_owned()).collect();
    labels.sort_unstable();
    labels.dedup();
    let mut reader = Reader::default();
    for example in order {
        reader.read(example.text, example.facts);
        set.buckets.extend_from_slice(reader.grams.buckets());
        set.ends.push(set.buckets.len());
        let label = labels.partition_point(|label| label.as_str() < example.label);
        set.labels.push(label);
    }
    (set, labels)
}

fn add_rows(linear: &mut Linear, set: &Set, seen_min: u32) {
    let mut counts = vec![0u32; BUCKETS];
    for &bucket in &set.buckets {
        counts[bucket as usize] += 1;
    }
    for (bucket, count) in (0u32..).zip(counts) {
        if count >= seen_min.max(1) {
            linear.add_row(bucket);
        }
    }
}

fn teach(linear: &mut Linear, set: &Set, turns: &[usize], pace: Pace) {
    let mut scores = Vec::new();
    for &turn in turns {
        linear.score(set.buckets(turn), &mut scores);
        softmax(&mut scores, 1.0);
        linear.step(set.buckets(turn), &scores, set.labels[turn], pace);
    }
}

fn scores_of(linear: &Linear, set: &Set, from: usize) -> Vec<Vec<f32>> {
    (from..set.len())
        .map(|index| {
            let mut scores = Vec::new();
            linear.score(set.buckets(index), &mut scores);
            scores
        })
        .collect()
}

/// The temperature at which the held-out labels are most probable, by golden section.
fn temperature_of(scores: &[Vec<f32>], labels: &[usize]) -> f32 {
    const GOLDEN: f32 = 0.618_034;
    let loss = |temperature: f32| -> f64 {
        let mut probabilities = Vec::new();
        scores
            .iter()
            .zip(labels)
            .map(|(scores, &label)| {
                probabilities.clone_from(scores);
                softmax(&mut probabilities, temperature);
                -f64::from(probabilities[label].max(1e-9)).ln()
            })
            .sum()
    };
    let (mut low, mut high) = (0.1f32, 10.0f32);
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    for _ in 0..24 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = loss(right);
        }
    }
    f32::midpoint(low, high)
}

/// From which probability on it may decide alone, and how good it was.
fn judge(
    scores: Vec<Vec<f32>>,
    labels: &[usize],
    temperature: f32,
    precision: f64,
    taught: usize,
) -> (f32, Fitness) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut fitness =
        Fitness { taught: count(taught), held_out: count(labels.len()), ..Fitness::default() };
    let mut tops: Vec<(f32, bool)> = Vec::new();
    for (mut probabilities, &label) in scores.into_iter().zip(labels) {
        softmax(&mut probabilities, temperature);
        let own = probabilities[label];
        let better = probabilities.iter().filter(|&&other| other > own).count();
        let most = probabilities.iter().copied().fold(0.0, f32::max);
        fitness.right += u32::from(better == 0);
        fitness.right_of_three += u32::from(better < 3);
        tops.push((most, better == 0));
    }
    fitness.miscalibration = miscalibration(&tops);
    tops.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut decides_from = NEVER;
    let mut right = 0;
    for (index, &(probability, is_right)) in tops.iter().enumerate() {
        right += u32::from(is_right);
        let decided = index + 1;
        let is_last_of_its_kind = tops.get(decided).is_none_or(|next| next.0 < probability);
        let is_good = f64::from(right) >= precision * decided as f64;
        if is_last_of_its_kind && is_good && decided >= DECIDED_MIN {
            decides_from = probability;
            (fitness.decided, fitness.decided_right) = (count(decided), right);
        }
    }
    (decides_from, fitness)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability times ten is a small number"
)]
fn miscalibration(tops: &[(f32, bool)]) -> f32 {
    let mut parts = [(0.0f32, 0.0f32); PARTS];
    for &(probability, is_right) in tops {
        let part = ((probability * PARTS as f32) as usize).min(PARTS - 1);
        parts[part].0 += probability;
        parts[part].1 += f32::from(u8::from(is_right));
    }
    let gaps: f32 = parts.iter().map(|(stated, right)| (stated - right).abs()).sum();
    gaps / tops.len().max(1) as f32
}
