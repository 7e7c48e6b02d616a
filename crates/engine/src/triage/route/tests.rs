//! A classifier from a handful of sentences: what it learns, when it decides, what it refuses.

use chengmai_model::Timestamp;
use proptest::prelude::*;

use super::{Classifier, Example, Facts, ModelError, Reader, TrainError, Training};
use crate::hash::Hash64;

const LAMPS: [&str; 6] = [
    "路灯不亮",
    "灯坏了三天",
    "路灯一闪一闪",
    "晚上黑漆漆没有灯",
    "灯杆歪了",
    "The street lamp is out",
];
const COVERS: [&str; 6] = [
    "井盖不见了",
    "井盖松动",
    "窨井没有盖子",
    "井盖翘起来绊人",
    "井盖裂了",
    "A manhole cover is missing",
];
const WASTE: [&str; 6] = [
    "垃圾没人清运",
    "垃圾桶满了",
    "垃圾堆成山",
    "路边有生活垃圾",
    "垃圾散落一地",
    "Garbage is piled up",
];

fn examples() -> Vec<Example<'static>> {
    let lists = [("lamp", LAMPS), ("cover", COVERS), ("waste", WASTE)];
    let mut examples = Vec::new();
    for round in 0..20i64 {
        for (label, texts) in lists {
            for (minute, text) in (0..).zip(texts) {
                let at = Timestamp(round * 1_000 + minute);
                examples.push(Example { text, facts: Facts::default(), label, at });
            }
        }
    }
    examples
}

fn trained() -> Classifier {
    Classifier::train(&examples(), &Training::default()).unwrap()
}

fn best(classifier: &Classifier, text: &str, facts: Facts<'_>) -> (String, f32) {
    let proposal = classifier.propose(&mut Reader::default(), text, facts);
    let first = proposal.likely()[0];
    (classifier.label(first.label).unwrap().to_owned(), first.probability)
}

#[test]
fn three_classes_are_proposed_and_the_clear_case_is_decided() {
    let classifier = trained();
    let mut reader = Reader::default();
    let proposal = classifier.propose(&mut reader, "我家门口路灯坏了不亮", Facts::default());
    assert_eq!(proposal.likely().len(), 3);
    assert_eq!(classifier.label(proposal.likely()[0].label), Some("lamp"));
    let sum: f32 = proposal.likely().iter().map(|likely| likely.probability).sum();
    assert!((sum - 1.0).abs() < 1e-4);
    assert!(classifier.decides_from().is_some());
    let known = classifier.propose(&mut reader, "路灯不亮", Facts::default());
    assert_eq!(known.decided, Some(known.likely()[0].label));
    let unclear = classifier.propose(&mut reader, "你好，谢谢", Facts::default());
    assert!(unclear.likely()[0].probability < proposal.likely()[0].probability);
    assert_eq!(unclear.decided, None);
}

#[test]
fn the_latest_cases_are_held_out_and_judged() {
    let fitness = *trained().fitness();
    assert_eq!((fitness.taught, fitness.held_out), (288, 72));
    assert_eq!(fitness.right, 72);
    assert!(fitness.decided >= 50 && fitness.decided_right == fitness.decided, "{fitness:?}");
}

#[test]
fn a_seed_decides_the_model_and_the_order_of_examples_does_not() {
    let bytes = |examples: &[Example<'_>], seed| {
        Classifier::train(examples, &Training { seed, ..Training::default() }).unwrap().to_bytes()
    };
    let mut turned = examples();
    turned.sort_by_key(|example| (example.at, example.label));
    assert_eq!(bytes(&turned, 1), bytes(&turned, 1));
    assert_ne!(bytes(&turned, 1), bytes(&turned, 2));
}

#[test]
fn what_is_known_beside_the_text_counts() {
    let mut examples = examples();
    for example in &mut examples {
        example.text = "坏了，请处理";
        example.facts = Facts { category: Some(example.label), hour: Some(9), area: Some(500_103) };
    }
    let classifier = Classifier::train(&examples, &Training::default()).unwrap();
    let facts = Facts { category: Some("cover"), ..Facts::default() };
    assert_eq!(best(&classifier, "坏了", facts).0, "cover");
}

#[test]
fn a_correction_is_learnt_at_once_and_a_new_label_finds_room() {
    let mut classifier = trained();
    let mut reader = Reader::default();
    let text = "公园里的猴子跑出来了";
    assert!(classifier.learn(&mut reader, text, Facts::default(), "animal"));
    assert_eq!(best(&classifier, text, Facts::default()).0, "animal");
    assert_eq!(classifier.labels().len(), 4);
    assert_eq!(best(&classifier, "路灯不亮", Facts::default()).0, "lamp");
    assert_eq!(best(&classifier, "井盖不见了", Facts::default()).0, "cover");
    let again = Classifier::from_bytes(&classifier.to_bytes()).unwrap();
    assert_eq!(again.to_bytes(), classifier.to_bytes());
    assert_eq!(best(&again, text, Facts::default()), best(&classifier, text, Facts::default()));
}

#[test]
fn there_is_no_classifier_of_one_label_or_of_nothing() {
    let mut examples = examples();
    for example in &mut examples {
        example.label = "lamp";
    }
    let train = |examples: &[Example<'_>]| Classifier::train(examples, &Training::default());
    assert_eq!(train(&[]).unwrap_err(), TrainError::TooFew { labels: 0, taught: 0 });
    assert_eq!(train(&examples).unwrap_err(), TrainError::TooFew { labels: 1, taught: 288 });
}

#[test]
fn a_model_is_the_same_after_writing_and_reading() {
    let classifier = trained();
    let again = Classifier::from_bytes(&classifier.to_bytes()).unwrap();
    for text in LAMPS.iter().chain(&COVERS) {
        assert_eq!(best(&again, text, Facts::default()), best(&classifier, text, Facts::default()));
    }
    assert_eq!(again.decides_from(), classifier.decides_from());
    assert_eq!(again.fitness(), classifier.fitness());
}

#[test]
fn bytes_that_are_no_model_are_refused_with_the_reason() {
    let refused = |bytes: &[u8]| Classifier::from_bytes(bytes).unwrap_err();
    assert_eq!(refused(b""), ModelError::Mark);
    assert_eq!(refused(b"CMroute0 of last year"), ModelError::Mark);
    assert_eq!(refused(b"CMroute1"), ModelError::Spoiled);
    let mut bytes = trained().to_bytes();
    bytes.truncate(bytes.len() - 9);
    assert_eq!(refused(&bytes), ModelError::Spoiled);
    let hash = Hash64::new().bytes(&bytes).finish();
    bytes.extend(hash.to_le_bytes());
    assert_eq!(refused(&bytes), ModelError::Impossible("fewer rows than it counts"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_spoiled_byte_is_noticed(place in any::<prop::sample::Index>(), change in 1u8..) {
        let mut bytes = small_model();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(Classifier::from_bytes(&bytes).is_err());
    }

    #[test]
    fn spoiled_content_under_a_right_hash_does_no_harm(
        place in any::<prop::sample::Index>(), change in 1u8..,
    ) {
        let mut bytes = small_model();
        bytes.truncate(bytes.len() - 8);
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let hash = Hash64::new().bytes(&bytes).finish();
        bytes.extend(hash.to_le_bytes());
        if let Ok(classifier) = Classifier::from_bytes(&bytes) {
            let (_, probability) = best(&classifier, "路灯不亮", Facts::default());
            prop_assert!((0.0..=1.0).contains(&probability));
        }
    }
}

fn small_model() -> Vec<u8> {
    let texts = ["灯", "盖"];
    let examples: Vec<Example<'_>> = (0..20usize)
        .map(|turn| Example {
            text: texts[turn % 2],
            facts: Facts::default(),
            label: ["lamp", "cover"][turn % 2],
            at: Timestamp(0),
        })
        .collect();
    Classifier::train(&examples, &Training::default()).unwrap().to_bytes()
}
