//! Which class, or whose work, is this report? Three proposals with a probability each, learnt from
//! the city's own closed cases; it decides alone only from a probability on that was right often
//! enough on later cases it had not seen.
//!
//! Not a truth: what it learns is how the city dispatched so far. Always holds: one seed, one model;
//! a model that was written down and read again proposes the same; spoiled bytes are refused.

mod train;
mod written;

use chengmai_model::Timestamp;
pub use train::{Fitness, TrainError, Training};
pub use written::ModelError;

use super::grams::Grams;
use super::linear::{Linear, Pace, softmax};
use crate::hash::Hash64;

/// Most labels a classifier tells apart.
pub const LABELS_MAX: usize = 1_024;
/// Steps at most that one correction by a person is worth.
const CORRECTION_STEPS_MAX: usize = 4;
/// A threshold that no probability reaches.
const NEVER: f32 = 2.0;

const ALWAYS: u64 = 0;
const CATEGORY: u64 = 1;
const HOUR: u64 = 2;
const AREA: u64 = 3;

/// What is known of a report beside its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// What the citizen chose, if anything.
    pub category: Option<&'a str>,
    /// Hour of the day, local time.
    pub hour: Option<u8>,
    /// A number of the area.
    pub area: Option<u64>,
}

/// A report whose right label is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example<'a> {
    /// What was reported.
    pub text: &'a str,
    /// What was known beside it.
    pub facts: Facts<'a>,
    /// What it was in the end.
    pub label: &'a str,
    /// When it was reported: the latest are held out.
    pub at: Timestamp,
}

/// A label and how probable it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Likely {
    /// Its number; see [`Classifier::label`].
    pub label: u16,
    /// 0 to 1.
    pub probability: f32,
}

/// What the classifier says of one report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    likely: [Likely; 3],
    count: usize,
    /// The label it would act on without asking.
    pub decided: Option<u16>,
}

impl Proposal {
    /// Three labels (two if there are no more), the most likely first.
    pub fn likely(&self) -> &[Likely] {
        &self.likely[..self.count]
    }
}

/// Memory that is used again for every text.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    grams: Grams,
    scores: Vec<f32>,
}

impl Reader {
    fn read(&mut self, text: &str, facts: Facts<'_>) {
        self.grams.clear();
        self.grams.fact(ALWAYS, 0);
        self.grams.text(text);
        if let Some(category) = facts.category {
            self.grams.fact(CATEGORY, Hash64::new().bytes(category.as_bytes()).finish());
        }
        if let Some(hour) = facts.hour {
            self.grams.fact(HOUR, u64::from(hour));
        }
        if let Some(area) = facts.area {
            self.grams.fact(AREA, area);
        }
    }
}

/// Tells labels from texts.
#[derive(Debug, Clone)]
pub struct Classifier {
    labels: Vec<String>,
    linear: Linear,
    temperature: f32,
    decides_from: f32,
    fitness: Fitness,
    pace: Pace,
}

impl Classifier {
    /// Learns from closed cases; see [`Training`].
    pub fn train(examples: &[Example<'_>], training: &Training) -> Result<Self, TrainError> {
        train::train(examples, training)
    }

    /// The label of a number.
    pub fn label(&self, number: u16) -> Option<&str> {
        self.labels.get(usize::from(number)).map(String::as_str)
    }

    /// All labels, in the order of their numbers.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// How good it was on the cases held out.
    pub fn fitness(&self) -> &Fitness {
        &self.fitness
    }

    /// From which probability on it decides alone; `None` if never.
    pub fn decides_from(&self) -> Option<f32> {
        (self.decides_from <= 1.0).then_some(self.decides_from)
    }

    /// Memory it takes.
    pub fn bytes(&self) -> usize {
        self.linear.bytes()
    }

    /// What this report may be.
    pub fn propose(&self, reader: &mut Reader, text: &str, facts: Facts<'_>) -> Proposal {
        self.weigh(reader, text, facts);
        let mut likely = [Likely::default(); 3];
        for (label, &probability) in (0u16..).zip(&reader.scores) {
            if let Some(place) = likely.iter().position(|other| probability > other.probability) {
                likely[place..].rotate_right(1);
                likely[place] = Likely { label, probability };
            }
        }
        let decided = (likely[0].probability >= self.decides_from).then_some(likely[0].label);
        Proposal { likely, count: self.labels.len().min(3), decided }
    }

    /// How probable a label is.
    pub fn probability(
        &self,
        reader: &mut Reader,
        text: &str,
        facts: Facts<'_>,
        label: u16,
    ) -> f32 {
        self.weigh(reader, text, facts);
        reader.scores.get(usize::from(label)).copied().unwrap_or(0.0)
    }

    /// Learns from a person who sent the report elsewhere. A label that is new finds room, up to
    /// [`LABELS_MAX`]; false if there is none left.
    pub fn learn(
        &mut self,
        reader: &mut Reader,
        text: &str,
        facts: Facts<'_>,
        label: &str,
    ) -> bool {
        let known = self.labels.iter().position(|known| known == label);
        let Some(right) = known.or_else(|| self.add_label(label)) else { return false };
        reader.read(text, facts);
        for &bucket in reader.grams.buckets() {
            self.linear.add_row(bucket);
        }
        for _ in 0..CORRECTION_STEPS_MAX {
            self.linear.score(reader.grams.buckets(), &mut reader.scores);
            softmax(&mut reader.scores, 1.0);
            if reader.scores[right] > 0.5 {
                break;
            }
            self.linear.step(reader.grams.buckets(), &reader.scores, right, self.pace);
            self.linear.settle(reader.grams.buckets());
        }
        true
    }

    /// The model's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        written::write(self)
    }

    /// The model of those bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        written::read(bytes)
    }

    fn add_label(&mut self, label: &str) -> Option<usize> {
        (self.labels.len() < LABELS_MAX).then(|| {
            self.labels.push(label.to_owned());
            self.linear.add_class();
            self.labels.len() - 1
        })
    }

    /// Leaves the probability of each label in the reader.
    fn weigh(&self, reader: &mut Reader, text: &str, facts: Facts<'_>) {
        reader.read(text, facts);
        self.linear.score(reader.grams.buckets(), &mut reader.scores);
        softmax(&mut reader.scores, self.temperature);
    }
}

#[cfg(test)]
mod tests;
