//! What a detector says of made-up days. How well it does on real series is in `tests/it/anomaly.rs`.

use chengmai_model::time::MINUTE_MS;
use proptest::prelude::*;

use super::*;

const START: i64 = 1_782_864_000_000;
const PERIOD: i64 = 5 * MINUTE_MS;

/// Flow through a small district at a time of day: low at night, a little different every day.
fn usual(at: i64) -> f64 {
    let minute = at.rem_euclid(DAY_MS) / MINUTE_MS;
    let day = at.div_euclid(DAY_MS);
    let hour = minute as f64 / 60.0;
    let busy = (1.0 - (hour - 14.0).abs() / 10.0).max(0.0);
    let wobble = (at / PERIOD * 7_919 % 97) as f64 / 97.0 + (day * 31 % 7) as f64 / 7.0;
    20.0 + 40.0 * busy + wobble
}

/// A detector that has watched usual days, and the time of its next reading.
fn watched(days: i64) -> (Detector, i64) {
    let mut detector = Detector::default();
    for step in 0..days * DAY_MS / PERIOD {
        let at = START + step * PERIOD;
        detector.score(Timestamp(at), usual(at));
    }
    (detector, START + days * DAY_MS)
}

#[test]
fn what_is_usual_by_day_is_an_anomaly_at_night_and_stands_until_it_goes_back() {
    let (mut detector, midnight) = watched(5);
    assert!(usual(midnight) < 25.0 && usual(midnight + 8 * HOUR_MS) > 35.0);
    for step in 0..12 {
        let at = Timestamp(midnight + step * PERIOD);
        let score = detector.score(at, 40.0 + step as f64 / 10.0);
        assert!(step > 0 || score > 0.99, "{score}");
        assert!(detector.standing(at).unwrap() > 0.99, "after {step}");
    }
    let at = midnight + 12 * PERIOD;
    detector.score(Timestamp(at), usual(at));
    assert!(detector.standing(Timestamp(at)).unwrap() < 0.5);
}

#[test]
fn an_onset_that_stays_becomes_the_new_usual() {
    let (mut detector, midnight) = watched(5);
    let mut standing = Vec::new();
    for step in 0..3 * DAY_MS / PERIOD {
        let at = Timestamp(midnight + step * PERIOD);
        detector.score(at, 500.0);
        standing.push(detector.standing(at).unwrap());
    }
    assert!(standing[..usize::from(STANDS)].iter().all(|score| *score > 0.99));
    let last_day = &standing[2 * standing.len() / 3..];
    assert!(last_day.iter().all(|score| *score < 0.99), "{last_day:?}");
}

#[test]
fn ordinary_days_are_not_anomalous() {
    let (mut detector, midnight) = watched(5);
    let loud = (0..3 * DAY_MS / PERIOD)
        .filter(|step| {
            let at = midnight + step * PERIOD;
            detector.score(Timestamp(at), usual(at)) > 0.99
        })
        .count();
    assert_eq!(loud, 0);
}

#[test]
fn nothing_is_said_while_it_learns() {
    let mut detector = Detector::default();
    for (step, value) in [1.0, 2.0, 900.0, -5.0].into_iter().enumerate() {
        let at = START + i64::try_from(step).unwrap() * DAY_MS / 4;
        detector.score(Timestamp(at), value);
        assert_eq!(detector.standing(Timestamp(at)), None);
    }
    assert!(detector.standing(Timestamp(START + LEARNING_MS)).is_some());
}

#[test]
fn scores_do_not_depend_on_the_unit() {
    let (mut litres, mut other) = (Detector::default(), Detector::default());
    for step in 0..2_000 {
        let at = START + step * PERIOD;
        let value = if step % 500 == 499 { 3.0 * usual(at) } else { usual(at) };
        let one = litres.score(Timestamp(at), value);
        let two = other.score(Timestamp(at), value / 4_096.0);
        assert_eq!(one.to_bits(), two.to_bits(), "reading {step}");
    }
}

proptest! {
    #[test]
    fn any_readings_at_any_times_give_a_score_from_0_to_1(
        readings in proptest::collection::vec((any::<i32>(), any::<f64>()), 1..200),
    ) {
        let mut detector = Detector::default();
        for (at, value) in readings {
            let value = if value.is_finite() { value } else { f64::MAX };
            let score = detector.score(Timestamp(i64::from(at) * 1_000_000), value);
            prop_assert!((0.0..=1.0).contains(&score), "{} of {}", score, value);
        }
    }
}
