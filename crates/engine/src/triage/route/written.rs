//! A model as bytes: a mark, a head, the rows, and a hash over all of it. Not meant to be read by
//! other versions: whoever meets another mark trains anew.

use serde::{Deserialize, Serialize};

use super::{Classifier, Fitness, LABELS_MAX};
use crate::hash::Hash64;
use crate::triage::grams::BUCKETS;
use crate::triage::linear::{Linear, Pace, Weight, long, short};

/// Changes with the bytes and with how texts become buckets.
const MARK: [u8; 8] = *b"CMroute1";
const HASH_LEN: usize = 8;

/// Why bytes are not a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Something else, or another version.
    #[error("the bytes do not begin like a model of this version")]
    Mark,
    /// They are not what was written.
    #[error("the model's bytes are spoiled")]
    Spoiled,
    /// The hash is right and the content is not possible.
    #[error("the model says what cannot be: {0}")]
    Impossible(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Head {
    labels: Vec<String>,
    temperature: f32,
    decides_from: f32,
    fitness: Fitness,
    rate: f32,
    decay: f32,
    rows: u32,
}

pub(super) fn write(classifier: &Classifier) -> Vec<u8> {
    let linear = &classifier.linear;
    let head = Head {
        labels: classifier.labels.clone(),
        temperature: classifier.temperature,
        decides_from: classifier.decides_from,
        fitness: classifier.fitness,
        rate: classifier.pace.rate,
        decay: classifier.pace.decay,
        rows: u32::try_from(linear.buckets().count()).unwrap_or(u32::MAX),
    };
    let mut bytes = MARK.to_vec();
    bytes.extend(postcard::to_allocvec(&head).expect("plain values can be written"));
    for bucket in linear.buckets() {
        let weights: Vec<Weight> = linear.weights_of(bucket).collect();
        bytes.extend(bucket.to_le_bytes());
        bytes.extend(half(weights.len()).to_le_bytes());
        for weight in weights {
            bytes.extend(half(weight.class).to_le_bytes());
            bytes.extend(short(weight.value).to_le_bytes());
            bytes.extend(short(weight.moved).to_le_bytes());
        }
    }
    let hash = Hash64::new().bytes(&bytes).finish();
    bytes.extend(hash.to_le_bytes());
    bytes
}

/// Labels are at most [`LABELS_MAX`], so their numbers and counts are small.
fn half(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

pub(super) fn read(bytes: &[u8]) -> Result<Classifier, ModelError> {
    if !bytes.starts_with(&MARK) {
        return Err(ModelError::Mark);
    }
    let (content, hash) = bytes.split_last_chunk::<HASH_LEN>().ok_or(ModelError::Spoiled)?;
    if Hash64::new().bytes(content).finish() != u64::from_le_bytes(*hash) {
        return Err(ModelError::Spoiled);
    }
    let body = content.get(MARK.len()..).ok_or(ModelError::Spoiled)?;
    let (head, mut rest) =
        postcard::take_from_bytes::<Head>(body).map_err(|_| ModelError::Impossible("its head"))?;
    check(&head)?;
    let mut linear = Linear::new(head.labels.len());
    let mut next_bucket = 0;
    for _ in 0..head.rows {
        let bucket = u32::from_le_bytes(take(&mut rest)?);
        if bucket < next_bucket || bucket as usize >= BUCKETS {
            return Err(ModelError::Impossible("the order of its rows"));
        }
        next_bucket = bucket + 1;
        linear.add_row(bucket);
        read_row(&mut linear, bucket, &mut rest)?;
    }
    if !rest.is_empty() {
        return Err(ModelError::Impossible("more rows than it counts"));
    }
    Ok(Classifier {
        labels: head.labels,
        linear,
        temperature: head.temperature,
        decides_from: head.decides_from,
        fitness: head.fitness,
        pace: Pace { rate: head.rate, decay: head.decay },
    })
}

fn read_row(linear: &mut Linear, bucket: u32, rest: &mut &[u8]) -> Result<(), ModelError> {
    let mut next_class = 0;
    for _ in 0..u16::from_le_bytes(take(rest)?) {
        let class = usize::from(u16::from_le_bytes(take(rest)?));
        let value = long(u16::from_le_bytes(take(rest)?));
        let moved = long(u16::from_le_bytes(take(rest)?));
        if class < next_class || class >= linear.classes() {
            return Err(ModelError::Impossible("the order of its labels"));
        }
        if !value.is_finite() || !moved.is_finite() || moved < 0.0 {
            return Err(ModelError::Impossible("its weights"));
        }
        next_class = class + 1;
        linear.set(bucket, Weight { class, value, moved });
    }
    Ok(())
}

fn check(head: &Head) -> Result<(), ModelError> {
    let mut labels: Vec<&str> = head.labels.iter().map(String::as_str).collect();
    labels.sort_unstable();
    labels.dedup();
    if labels.len() != head.labels.len() || !(2..=LABELS_MAX).contains(&labels.len()) {
        return Err(ModelError::Impossible("its labels"));
    }
    let is_positive = |number: f32| number.is_finite() && number > 0.0;
    let is_number = head.decides_from.is_finite() && head.decay.is_finite();
    if !is_positive(head.temperature) || !is_positive(head.rate) || !is_number {
        return Err(ModelError::Impossible("its settings"));
    }
    Ok(())
}

fn take<const LEN: usize>(rest: &mut &[u8]) -> Result<[u8; LEN], ModelError> {
    let (taken, left) = rest
        .split_first_chunk::<LEN>()
        .ok_or(ModelError::Impossible("fewer rows than it counts"))?;
    *rest = left;
    Ok(*taken)
}
