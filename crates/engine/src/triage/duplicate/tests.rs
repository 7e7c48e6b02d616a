//! That the index finds what a walk over everything finds, and that likeness counts as it should.

use std::collections::BTreeMap;

use chengmai_model::Timestamp;
use chengmai_model::time::HOUR_MS;
use proptest::prelude::*;

use super::{Duplicates, Meaning, Report, SameObject, Settings, Sketch, Vocabulary, Weights};

/// A sketch where the words of half of all reports are known.
fn sketch(text: &str) -> Sketch {
    let mut vocabulary = Vocabulary::default();
    for _ in 0..30 {
        vocabulary.learn("请尽快处理");
        vocabulary.learn("希望派人来修");
    }
    vocabulary.sketch(text)
}

const CENTRE: [f64; 2] = [106.55, 29.56];

fn report(text: &str, metres_east: f64, hours: i64) -> Report {
    let metre = 1.0 / super::DEGREE_M / CENTRE[1].to_radians().cos();
    Report {
        position: [CENTRE[0] + metres_east * metre, CENTRE[1]],
        at: Timestamp(1_782_864_000_000 + hours * HOUR_MS),
        class: 1,
        family: 1,
        object: None,
        sketch: sketch(text),
        meaning: Meaning::default(),
    }
}

fn keys(duplicates: &Duplicates, report: &Report) -> Vec<u64> {
    let mut keys = Vec::new();
    duplicates.each_near(report, |key, _| keys.push(key));
    keys.sort_unstable();
    keys
}

#[test]
fn the_same_lamp_in_other_words_is_likelier_than_another_one_down_the_road() {
    let mut duplicates = Duplicates::default();
    duplicates.insert(7, &report("人民路小学门口的路灯不亮了", 0.0, 0));
    duplicates.insert(8, &report("垃圾桶旁边一盏灯坏了，太黑", 150.0, 0));
    let found = duplicates.near(&report("小学门口路灯不亮，黑漆漆的", 15.0, 5));
    assert_eq!(found[0].key, 7);
    assert!(found[0].probability > 0.5, "{found:?}");
    assert!(found.iter().all(|other| other.key == 7 || other.probability < 0.5), "{found:?}");
}

#[test]
fn what_is_too_far_too_old_or_of_another_family_is_no_candidate() {
    let mut duplicates = Duplicates::default();
    let here = report("井盖坏了", 0.0, 100);
    duplicates.insert(1, &report("井盖坏了", 250.0, 100));
    duplicates.insert(2, &report("井盖坏了", 0.0, 27));
    duplicates.insert(3, &Report { family: 2, ..here });
    assert_eq!(keys(&duplicates, &here), [0; 0]);
    duplicates.insert(4, &report("井盖坏了", 190.0, 29));
    assert_eq!(keys(&duplicates, &here), [4]);
}

#[test]
fn a_named_object_decides_more_than_words_and_a_closed_case_less() {
    let of = |object, hours_closed| super::Alike {
        metres: 30.0,
        hours: 6.0,
        cosine: 0.4,
        meaning: None,
        is_same_class: true,
        hours_closed,
        object,
    };
    let weights = Weights::default();
    let probability = |object, closed| weights.probability(&of(object, closed));
    let unknown = probability(SameObject::Unknown, None);
    assert!(probability(SameObject::Same, None) > unknown);
    assert!(probability(SameObject::Other, None) < unknown);
    assert!(probability(SameObject::Unknown, Some(20.0)) < unknown);
}

#[test]
fn a_removed_case_is_gone_and_its_place_is_used_again() {
    let mut duplicates = Duplicates::default();
    for key in 0..100 {
        duplicates.insert(key, &report("井盖坏了", 0.0, 0));
    }
    let full = duplicates.bytes();
    assert!(duplicates.remove(50));
    assert!(!duplicates.remove(50));
    assert_eq!(duplicates.len(), 99);
    assert!(!keys(&duplicates, &report("", 0.0, 0)).contains(&50));
    duplicates.insert(100, &report("井盖坏了", 0.0, 0));
    assert!(duplicates.bytes() <= full + 64, "no more memory than before");
}

#[test]
fn texts_that_share_words_have_alike_sketches() {
    let cosine = |a, b| sketch(a).cosine(sketch(b));
    let text = "解放路和人民路交叉口红绿灯旁边井盖不见了";
    assert!((cosine(text, text) - 1.0).abs() < 0.01);
    let near = cosine(text, "井盖不见了，在解放路和人民路交叉口");
    let far = cosine(text, "楼下烧烤摊半夜油烟大得睡不着");
    assert!(near > 0.5 && far < 0.3, "{near} {far}");
}

#[test]
fn texts_differ_where_no_words_were_learnt_yet() {
    let sketch = |text| Vocabulary::default().sketch(text);
    let text = "解放路和人民路交叉口红绿灯旁边井盖不见了";
    assert!(sketch(text).cosine(sketch("楼下烧烤摊半夜油烟大得睡不着")) < 0.4);
    assert!(sketch(text).cosine(sketch(text)) > 0.99);
}

#[test]
fn what_everybody_writes_says_less_than_the_number_of_a_house() {
    let cosine = |a, b| sketch(a).cosine(sketch(b));
    let here = cosine("人民路128号，请尽快处理", "人民路128号，希望派人来修");
    let there = cosine("人民路128号，请尽快处理", "解放路37号，请尽快处理");
    assert!(here > there + 0.2, "{here} {there}");
}

#[test]
fn weights_learn_which_feature_tells() {
    let pair = |metres, is_same| {
        let alike = super::Alike {
            metres,
            hours: 1.0,
            cosine: 0.5,
            meaning: None,
            is_same_class: true,
            hours_closed: None,
            object: SameObject::Unknown,
        };
        (alike, is_same)
    };
    let pairs: Vec<_> = (0u8..200).map(|m| pair(f32::from(m), m < 60)).collect();
    let weights = Weights::fit(&pairs);
    assert!(weights.probability(&pair(5.0, true).0) > 0.9);
    assert!(weights.probability(&pair(150.0, false).0) < 0.1);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64, f64, i64),
    Remove(u64),
    Ask(f64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0u64..20;
    let step = prop_oneof![
        4 => (key.clone(), -600.0..600.0, 0i64..200).prop_map(|(k, m, h)| Step::Insert(k, m, h)),
        1 => key.prop_map(Step::Remove),
        2 => (-600.0..600.0, 0i64..200).prop_map(|(m, h)| Step::Ask(m, h)),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn the_index_finds_what_a_walk_over_everything_finds(steps in steps()) {
        let mut duplicates = Duplicates::new(Settings::default());
        let mut all: BTreeMap<u64, Report> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Insert(key, metres, hours) => {
                    duplicates.insert(key, &report("a", metres, hours));
                    all.insert(key, report("a", metres, hours));
                }
                Step::Remove(key) => {
                    prop_assert_eq!(duplicates.remove(key), all.remove(&key).is_some());
                }
                Step::Ask(metres, hours) => {
                    let asked = report("a", metres, hours);
                    let shrink = CENTRE[1].to_radians().cos();
                    let expected: Vec<u64> = all.iter().filter(|(_, other)| {
                        let apart = (other.position[0] - asked.position[0]).abs();
                        // A hand's width at the border may fall to either side.
                        apart * super::DEGREE_M * shrink <= 200.0
                            && (other.at.0 - asked.at.0).abs() <= 72 * HOUR_MS
                    }).map(|(key, _)| *key).collect();
                    let border = all.values().any(|other| {
                        let apart = (other.position[0] - asked.position[0]).abs();
                        (apart * super::DEGREE_M * shrink - 200.0).abs() < 0.1
                    });
                    prop_assert!(border || keys(&duplicates, &asked) == expected);
                }
            }
            prop_assert_eq!(duplicates.len(), all.len());
        }
    }
}
