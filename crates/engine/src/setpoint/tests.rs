//! Set-points by themselves and through an engine: what they change, and that the band changes nothing.

use proptest::prelude::*;

use super::*;
use crate::testing::{MIDNIGHT, city, engine, kind, pack, play, register, rule, settings};
use crate::{Catalog, Engine};
use chengmai_model::Reading;

/// Warns from a stream's own yellow and red level on, and from 90 whatever the stream.
const OWN: &str = "alarm = { when = \"value >= setpoint('yellow') || value >= setpoint('red') || value >= 90\", \
    clear_for = \"2 readings\" }\n\
    grade = [ { severity = 2, when = \"value >= setpoint('yellow')\" }, \
    { severity = 4, when = \"value >= setpoint('red') || value >= 90\" } ]\n";

fn running(streams: usize) -> Engine {
    let mut engine = engine(&[("kinds.toml", &kind("k", "")), ("rules.toml", &rule("own", OWN))]);
    for _ in 0..streams {
        register(&mut engine, "k", "T1");
    }
    engine
}

#[test]
fn each_stream_warns_at_its_own_level_and_one_without_any_at_the_common_one() {
    let mut engine = running(3);
    engine.set_setpoints(StreamId(0), &[None, Some(10.0), None, Some(20.0)]);
    engine.set_setpoints(StreamId(1), &[None, Some(50.0), None, None]);
    let said = play(&mut engine, "1m 9.9\n1m #1 49\n1m #2 89\n");
    assert!(!said.contains("warning"), "{said}");
    assert!(play(&mut engine, "2m 10\n").contains("warning 2"));
    assert!(play(&mut engine, "3m 20\n").contains("warning now 4"));
    assert!(play(&mut engine, "4m 8\n5m 8\n").contains("warning off"));
    assert!(play(&mut engine, "4m #1 51\n").contains("warning 2"));
    assert!(play(&mut engine, "4m #2 91\n").contains("warning 4"));
}

#[test]
fn a_rule_that_would_never_clear_is_refused_with_words() {
    let stands =
        OWN.replace("clear_for = \"2 readings\"", "clear = \"value < setpoint('yellow')\"");
    let files = [("kinds.toml", kind("k", "")), ("rules.toml", rule("own", &stands))];
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let faults = Catalog::compile(&[pack(&files)]).unwrap_err();
    assert!(faults[0].to_string().contains("clear_for"), "{faults:?}");
}

#[test]
fn levels_that_are_taken_away_warn_no_more() {
    let mut engine = running(1);
    engine.set_setpoints(StreamId(0), &[None, Some(10.0), None, None]);
    engine.set_setpoints(StreamId(0), &[None; 4]);
    assert_eq!(engine.setpoints(StreamId(0)), [None; 4]);
    let said = play(&mut engine, "1m 80\n");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_reading_below_every_level_touches_no_rule() {
    let mut engine = running(1);
    engine.set_setpoints(StreamId(0), &[None, Some(10.0), None, None]);
    assert!(engine.setpoints.is_quiet(0, 9.0) && !engine.setpoints.is_quiet(0, 10.0));
    assert!(!engine.setpoints.is_quiet(1, 9.0), "only asked about streams that have some");
}

#[test]
fn set_points_are_read_from_a_snapshot_whatever_comes_behind_them() {
    let mut engine = running(2);
    let levels = [None, Some(10.5), None, Some(20.0)];
    engine.set_setpoints(StreamId(1), &levels);
    let mut bytes = engine.snapshot();
    bytes.truncate(MARK.len() + 8 + Own::BYTES);
    assert_eq!(setpoints_in(&bytes), Some(vec![(StreamId(1), levels)]));
    bytes.truncate(bytes.len() - 1);
    assert_eq!(setpoints_in(&bytes), None);
    assert_eq!(setpoints_in(b""), None);
}

fn reading() -> impl Strategy<Value = (u32, i64, f64)> {
    (0_u32..3, 0_i64..7_200, prop_oneof![0.0..100.0, (0_u8..12).prop_map(|n| f64::from(n) * 9.0)])
}

fn levels_of_a_stream() -> impl Strategy<Value = (u32, Levels)> {
    let level = || prop::option::of(prop_oneof![0.0..100.0, Just(0.1), Just(90.0)]);
    (0_u32..3, [level(), level(), level(), level()])
}

proptest! {
    /// The band only saves work: with every reading sent to the rules, the same is said; and a restored
    /// engine goes on as the one that was saved.
    #[test]
    fn the_quiet_band_of_a_stream_changes_nothing_that_is_said(
        own in prop::collection::vec(levels_of_a_stream(), 0..6),
        readings in prop::collection::vec(reading(), 1..120),
        cut in 0_usize..120,
    ) {
        let (mut quick, mut thorough) = (running(3), running(3));
        for (stream, levels) in &own {
            quick.set_setpoints(StreamId(*stream), levels);
            thorough.set_setpoints(StreamId(*stream), levels);
        }
        let never = [f64::INFINITY, f64::NEG_INFINITY];
        thorough.setpoints.requiet(|_, _| never);
        let (mut said, mut expected) = (Vec::new(), Vec::new());
        for (position, &(stream, second, value)) in readings.iter().enumerate() {
            if position == cut {
                let files = [("kinds.toml", kind("k", "")), ("rules.toml", rule("own", OWN))];
                let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
                let catalog = Catalog::compile(&[pack(&files)]).unwrap();
                quick = Engine::restore(catalog, city(), settings(), &quick.snapshot()).unwrap();
            }
            let at = MIDNIGHT.plus_ms(second * 1_000);
            let reading = Reading { stream: StreamId(stream), at, value };
            quick.apply(position as u64, at, &[reading], &mut said);
            thorough.apply(position as u64, at, &[reading], &mut expected);
        }
        prop_assert_eq!(said, expected);
    }

    #[test]
    fn a_band_is_never_wider_as_f32(low in -1e300..1e300, width in 0.0..1e9) {
        let (low, high): (f64, f64) = (low, low + width);
        let [a, b] = inward([low, high]);
        prop_assert!(f64::from(a) >= low && f64::from(b) <= high);
    }
}
