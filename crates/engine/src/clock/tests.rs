//! The queue against a plain map that is searched through.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Set(u8, i64),
    Remove(u8),
    Fire(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    // Moments over few values, so that many share one, and the far ends of time.
    let moment = || prop_oneof![8 => 0..40_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    prop_oneof![
        5 => (0..30_u8, moment()).prop_map(|(key, at)| Step::Set(key, at)),
        2 => (0..30_u8).prop_map(Step::Remove),
        2 => moment().prop_map(Step::Fire),
    ]
}

proptest! {
    #[test]
    fn each_key_leaves_once_when_its_last_moment_has_come(
        steps in prop::collection::vec(any_step(), 0..200),
    ) {
        let (mut queue, mut plain) = (DueQueue::new(), BTreeMap::<u8, Timestamp>::new());
        for step in steps {
            match step {
                Step::Set(key, at) => {
                    prop_assert_eq!(queue.set(key, Timestamp(at)), plain.insert(key, Timestamp(at)));
                }
                Step::Remove(key) => prop_assert_eq!(queue.remove(key), plain.remove(&key)),
                Step::Fire(now) => {
                    let mut fired = Vec::new();
                    queue.fire(Timestamp(now), &mut fired);
                    let mut due: Vec<(Timestamp, u8)> = plain
                        .extract_if(.., |_, at| at.0 <= now)
                        .map(|(key, at)| (at, key))
                        .collect();
                    due.sort_unstable();
                    prop_assert_eq!(fired, due);
                }
            }
            prop_assert_eq!(queue.len(), plain.len());
            prop_assert_eq!(queue.next(), plain.values().min().copied());
            prop_assert!(plain.iter().all(|(&key, &at)| queue.moment(key) == Some(at)));
        }
    }
}

#[test]
fn a_clock_that_goes_back_fires_nothing_twice_and_one_that_jumps_leaves_nothing_out() {
    let mut queue = DueQueue::new();
    for key in 0..10_u32 {
        queue.set(key, Timestamp(i64::from(key) * 1_000));
    }
    let mut fire = |now: i64| {
        let mut out = Vec::new();
        queue.fire(Timestamp(now), &mut out);
        out.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    assert_eq!(fire(2_500), [0, 1, 2]);
    assert_eq!(fire(500), [0; 0]);
    assert_eq!(fire(2_999), [0; 0]);
    assert_eq!(fire(i64::MAX), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(fire(i64::MAX), [0; 0]);
}
