//! Figures of small loads that can be counted by hand.

use proptest::prelude::*;

use super::flood::{Floods, floods};
use super::*;

const SPAN: LoadSpan = LoadSpan { from: Timestamp(0), to: Timestamp(2 * HOUR_MS) };

fn step(second: i64, place: u32, severity: u8, begins: bool) -> LoadStep {
    let source = AlarmSource { rule: 1, place };
    LoadStep { at: Timestamp(second * 1_000), operator: place / 100, source, severity, begins }
}

fn of(steps: &[LoadStep]) -> AlarmLoad {
    AlarmLoad::of(steps, SPAN, &Goals::default())
}

fn verdict(load: &AlarmLoad, kind: FigureKind) -> (f64, Verdict) {
    let figures = load.figures(&Goals::default());
    let figure = figures.iter().find(|figure| figure.kind == kind).unwrap();
    (figure.value, figure.verdict)
}

#[test]
fn a_quiet_desk_meets_every_goal_and_its_shares_are_not_judged() {
    let load = of(&[step(60, 1, 1, true), step(4_000, 2, 3, true)]);
    assert_eq!(load.by_severity, [1, 0, 1, 0]);
    assert_eq!((load.peak_hour, load.peak_slot), (1, 1));
    let poor: Vec<_> = load.figures(&Goals::default());
    assert!(poor.iter().all(|f| matches!(f.verdict, Verdict::Good | Verdict::TooFew)), "{poor:?}");
    assert_eq!(verdict(&load, FigureKind::LowShare).1, Verdict::TooFew);
}

#[test]
fn six_an_hour_are_good_twelve_can_be_managed_more_cannot() {
    for (count, expected) in [(12, Verdict::Good), (24, Verdict::Fair), (25, Verdict::Poor)] {
        // One every five minutes is no flood.
        let steps: Vec<_> =
            (0..count).map(|i| step(i * 280, u32::try_from(i).unwrap(), 1, true)).collect();
        assert_eq!(verdict(&of(&steps), FigureKind::PerHour).1, expected, "{count}");
    }
}

#[test]
fn the_eleventh_within_ten_minutes_is_a_flood_until_fewer_than_five_are() {
    let times: Vec<i64> = (0..11).map(|i| i * 30_000).collect();
    // The eleventh comes at 300 s; the seventh, after which four are left, leaves at 780 s.
    let expected = Floods { begun: 1, ms: 480_000, peak: 11 };
    assert_eq!(floods(&times, SPAN, &Goals::default()), expected);
    assert_eq!(floods(&times[..10], SPAN, &Goals::default()).begun, 0);
}

#[test]
fn three_turns_within_a_minute_chatter_and_a_minute_is_fleeting() {
    let turns = [(0, true), (20, false), (50, true), (600, false)];
    let steps: Vec<_> = turns.iter().map(|&(s, begins)| step(s, 7, 1, begins)).collect();
    let load = of(&steps);
    assert_eq!(load.chattering, vec![AlarmSource { rule: 1, place: 7 }]);
    assert_eq!((load.fleeting, load.stale), (1, 0));
    let slow = [step(0, 7, 1, true), step(59, 7, 1, false), step(61, 7, 1, true)];
    assert!(of(&slow).chattering.is_empty());
}

#[test]
fn what_stands_for_more_than_a_day_is_stale() {
    let span = LoadSpan { from: Timestamp(0), to: Timestamp(2 * DAY_MS) };
    let steps: Vec<_> =
        (0..6).map(|i| step(-5, i, 1, true)).chain([step(90, 0, 1, false)]).collect();
    let load = AlarmLoad::of(&steps, span, &Goals::default());
    assert_eq!((load.stale, load.shown), (5, 0));
    assert_eq!(verdict(&load, FigureKind::Stale).1, Verdict::Poor);
}

#[test]
fn several_operators_are_averaged_over_all_of_them_also_the_quiet_ones() {
    let steps = [step(0, 1, 1, true), step(0, 101, 4, true), step(10, 102, 1, true)];
    let loads = AlarmLoad::by_operator(&steps, SPAN, &Goals::default());
    assert_eq!(loads.keys().copied().collect::<Vec<_>>(), [0, 1]);
    let all = AlarmLoad::together(loads.values(), 3, SPAN);
    assert_eq!((all.shown, all.peak_slot), (3, 2));
    assert!((all.per_hour() - 0.5).abs() < 1e-12);
    assert_eq!(all.sources.len(), 3);
}

/// The same by looking at every second.
fn by_looking(times: &[i64], goals: &Goals) -> i64 {
    let mut flood = false;
    let mut seconds = 0;
    for now in (0..SPAN.to.0).step_by(1_000) {
        let within = times.iter().filter(|&&t| t <= now && now < t + goals.slot_ms).count();
        flood = if flood { within >= goals.flood_ends } else { within > goals.flood_begins };
        seconds += i64::from(flood);
    }
    seconds * 1_000
}

proptest! {
    #[test]
    fn time_in_flood_equals_what_looking_every_second_finds(
        seconds in prop::collection::btree_set(0_i64..7_200, 0..120),
    ) {
        let times: Vec<i64> = seconds.iter().map(|s| s * 1_000).collect();
        let goals = Goals::default();
        prop_assert_eq!(floods(&times, SPAN, &goals).ms, by_looking(&times, &goals));
    }
}
