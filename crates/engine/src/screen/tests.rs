//! What is shown and what is held back, a reading (or tick) a line.

use chengmai_model::shelf::ShelfSpec;
use chengmai_model::warning::{Subject, WarningStep};
use chengmai_model::{
    AreaCode, AreaId, DeviceId, Order, Reading, Severity, ShelfId, StreamId, Timestamp,
};
use proptest::prelude::*;

use super::Bounds;
use crate::testing::{
    MIDNIGHT, area, check_script, city, engine, kind, pack, play, register, rule, settings, tell,
};
use crate::{AlarmTally, Catalog, Engine, Event};

/// Burst main over low pressure; both of the same kind, for the whole town.
const BURST: &str = r#"alarm = { when = "value >= 50", clear = "value < 40" }
    cause = "area"
    grade = [ { severity = 3, when = "value >= 50" } ]"#;
const LOW: &str = r#"alarm = { when = "value >= 10 && value < 50", clear = "value < 5" }
    cause = "area"
    under = ["burst"]
    under_within = "district"
    grade = [ { severity = 1, when = "value >= 10" }, { severity = 4, when = "value >= 45" } ]"#;

fn city_of(kinds: &[(&str, &str)], streams: &[(&str, &str)], rules: &str) -> Engine {
    let kinds: String = kinds.iter().map(|(id, more)| kind(id, more)).collect();
    let mut engine = engine(&[("kinds.toml", &kinds), ("rules.toml", rules)]);
    for (kind, area) in streams {
        register(&mut engine, kind, area);
    }
    engine
}

fn pipes() -> Engine {
    let rules = rule("burst", BURST) + &rule("low", LOW);
    city_of(&[("k", "")], &[("k", "T1"), ("k", "T2"), ("k", "T3")], &rules)
}

#[test]
fn a_consequence_is_silent_while_its_cause_stands_and_speaks_if_it_stays() {
    check_script(
        &mut pipes(),
        "
        0s #0 60: alarm 60, warning 3 of 1
        1m #1 20: alarm 20, warning 1 of 1 under its parent
        1m #2 20: alarm 20, warning 1 of 1
        5m #0 0: alarm off 0, warning off 3 of 2
        6m tick: offline, offline
        7m tick: warning released 1 of 1
        ",
    );
}

#[test]
fn a_consequence_that_came_first_falls_silent_and_goes_with_its_cause() {
    check_script(
        &mut pipes(),
        "
        0s #1 20: alarm 20, warning 1 of 1
        1m #0 60: alarm 60, warning 3 of 1, warning held 1 of 1 under its parent
        5m #0 0: alarm off 0, warning off 3 of 2
        6m #1 0: alarm off 0, warning off 1 of 2 under its parent
        9m tick: offline, offline
        ",
    );
}

#[test]
fn a_consequence_worse_than_its_cause_speaks() {
    check_script(
        &mut pipes(),
        "
        0s #0 60: alarm 60, warning 3 of 1
        1m #1 20: alarm 20, warning 1 of 1 under its parent
        2m #1 46: warning now 4 of 2 under its parent, warning released 4 of 2
        ",
    );
}

#[test]
fn what_comes_back_soon_is_the_same_warning_and_later_another() {
    let mut engine = pipes();
    let mut ids = Vec::new();
    let script =
        [(0, 20.0), (5, 0.0), (12, 20.0), (14, 0.0), (24, 20.0), (26, 0.0), (37, 20.0), (39, 0.0)];
    for (position, (minute, value)) in (0..).zip(script) {
        let at = MIDNIGHT.plus_ms(minute * 60_000);
        let stream = chengmai_model::StreamId(0);
        let reading = chengmai_model::Reading { stream, at, value };
        let mut events = Vec::new();
        engine.apply(position, at, &[reading], &mut events);
        for event in &events {
            if let Event::Warning(change) = event {
                ids.push((tell(event), change.id));
            }
        }
    }
    let words: Vec<&str> = ids.iter().map(|(said, _)| said.split(" 1").next().unwrap()).collect();
    let expected = ["warning", "warning off", "warning again", "warning off", "warning again"];
    assert_eq!(words[..5], expected);
    assert_eq!(words[5..], ["warning off", "warning", "warning off"]);
    assert!(ids[..6].iter().all(|(_, id)| *id == ids[0].1));
    assert_ne!(ids[6].1, ids[0].1);
}

#[test]
fn an_alarm_that_comes_and_goes_stands_instead_and_says_so() {
    crate::testing::check_rule(
        "",
        r#"alarm = { when = "value >= 20" }
           grade = [ { severity = 2, when = "value >= 20" } ]"#,
        "
        0s 30: alarm 30, warning 2 of 1
        1m 10: alarm off 10, warning off 2 of 2
        2m 30: alarm 30, warning again 2 of 3 chattering
        3m 10:
        4m 30:
        5m 10:
        6m 30:
        7m 10:
        8m 10:
        9m 10: alarm off 10, warning off 2 of 8 chattering
        80m 10:
        81m 30: alarm 30, warning 2 of 1
        82m 10: alarm off 10, warning off 2 of 2
        ",
    );
}

/// One stream in each of six kinds, so six causes in one town.
fn busy(grades: &str) -> Engine {
    let names = ["k", "l", "m", "n", "o", "p", "q", "r"];
    let kinds: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
    let streams: Vec<(&str, &str)> = names.iter().map(|name| (*name, "T1")).collect();
    let body = format!(
        "alarm = {{ when = \"value >= 20\", clear = \"value < 15\" }}\ncause = \"area\"\n{grades}"
    );
    let rules: String = names
        .iter()
        .map(|name| rule(name, &body).replace("on = \"k\"", &format!("on = \"{name}\"")))
        .collect();
    city_of(&kinds, &streams, &rules)
}

const GRADES: &str = r#"grade = [ { severity = 1, when = "value >= 20" }, { severity = 3, when = "value >= 50" }, { severity = 4, when = "value >= 90" } ]"#;

#[test]
fn the_sixth_within_ten_minutes_is_collapsed_but_never_the_worst() {
    check_script(
        &mut busy(GRADES),
        "
        0s #0 25: alarm 25, warning 1 of 1
        1s #1 25: alarm 25, warning 1 of 1
        2s #2 25: alarm 25, warning 1 of 1
        3s #3 25: alarm 25, warning 1 of 1
        4s #4 25: alarm 25, warning 1 of 1
        5s #5 25: alarm 25, warning 1 of 1, warning 1 of 1 in a group
        6s #6 55: alarm 55, warning now 3 of 1, warning 3 of 1 in a group
        7s #7 95: alarm 95, warning 4 of 1
        8s #5 95: warning now 4 of 2 in a group, warning released 4 of 2
        1m tick:
        2m #6 10: alarm off 10, warning off 3 of 2 in a group
        5m tick: offline, offline, offline, offline, offline, offline, offline, offline
        11m tick: warning off 3 of 1
        ",
    );
}

fn shelf(engine: &mut Engine, minute: i64, spec: ShelfSpec) -> (ShelfId, Vec<String>) {
    let at = MIDNIGHT.plus_ms(minute * 60_000);
    let id = crate::shelf_id(&spec, at);
    let mut events = Vec::new();
    engine.order(at, &Order::Shelve { id, spec }, &mut events);
    engine.order(at, &Order::Unshelve { id: ShelfId(1), by: "x".into() }, &mut events);
    (id, events.iter().map(tell).collect())
}

fn spec(until_minute: i64) -> ShelfSpec {
    ShelfSpec {
        rule: Some("p/k".to_owned()),
        area: None,
        device: None,
        severity_max: Severity::new(3).unwrap(),
        until: MIDNIGHT.plus_ms(until_minute * 60_000),
        by: "officer".to_owned(),
        reason: "sensor under repair".to_owned(),
    }
}

#[test]
fn a_shelf_silences_until_its_end_but_never_what_is_worse() {
    let mut engine = busy(GRADES);
    let (_, said) = shelf(&mut engine, 0, spec(30));
    assert!(said.is_empty());
    check_script(
        &mut engine,
        "
        1m #0 25: alarm 25, warning 1 of 1 on a shelf
        1m #1 25: alarm 25, warning 1 of 1
        2m #0 95: warning now 4 of 2 on a shelf, warning released 4 of 2
        ",
    );
    assert_eq!((engine.shelves(AreaId::ROOT).len(), engine.shelves(AreaId::ROOT)[0].holds), (1, 0));
    let mut engine = busy(GRADES);
    check_script(&mut engine, "0s #0 25: alarm 25, warning 1 of 1");
    let (_, said) = shelf(&mut engine, 1, spec(30));
    assert_eq!(said, ["warning held 1 of 1 on a shelf"]);
    assert_eq!(engine.shelves(AreaId::ROOT)[0].holds, 1);
    check_script(
        &mut engine,
        "
        29m tick: offline
        30m tick: warning released 1 of 1
        ",
    );
    assert!(engine.shelves(AreaId::ROOT).is_empty());
}

#[test]
fn a_shelf_may_end_early_be_of_one_area_and_is_put_up_once() {
    let mut engine = pipes();
    let area = Some(AreaCode::new("D1").unwrap());
    let low = ShelfSpec { rule: Some("p/low".to_owned()), area, ..spec(60) };
    let (id, _) = shelf(&mut engine, 0, low.clone());
    check_script(
        &mut engine,
        "
        1m #1 20: alarm 20, warning 1 of 1 on a shelf
        1m #2 20: alarm 20, warning 1 of 1
        ",
    );
    let mut events = Vec::new();
    engine.order(MIDNIGHT, &Order::Shelve { id, spec: low }, &mut events);
    assert_eq!(engine.shelves(AreaId::ROOT).len(), 1);
    engine.order(MIDNIGHT, &Order::Unshelve { id, by: "x".into() }, &mut events);
    assert!(events.is_empty() && engine.shelves(AreaId::ROOT).is_empty());
    check_script(&mut engine, "2m tick: warning released 1 of 1");
}

#[test]
fn a_shelved_device_is_silent_only_while_nothing_else_says_the_same() {
    let rules = rule("low", &LOW.replace("under = [\"burst\"]", "under = []"));
    let mut engine = city_of(&[("k", "")], &[("k", "T1"), ("k", "T1")], &rules);
    let device = Some(DeviceId(0));
    shelf(&mut engine, 0, ShelfSpec { rule: None, device, ..spec(60) });
    check_script(
        &mut engine,
        "
        1m #0 20: alarm 20, warning 1 of 1 on a shelf
        2m #1 20: alarm 20, warning released 1 of 1
        ",
    );
}

#[test]
fn every_alarm_is_in_one_count() {
    let mut engine = pipes();
    check_script(
        &mut engine,
        "
        0s #0 60: alarm 60, warning 3 of 1
        1m #1 20: alarm 20, warning 1 of 1 under its parent
        1m #2 20: alarm 20, warning 1 of 1
        ",
    );
    let mut events = Vec::new();
    engine.tick(Timestamp(MIDNIGHT.0 + 600_000), &mut events);
    let tallies: Vec<AlarmTally> = events
        .into_iter()
        .filter_map(|e| if let Event::Tally(t) = e { Some(t) } else { None })
        .collect();
    let counts: Vec<_> =
        tallies.iter().map(|t| (t.operator.0, t.rule, t.alarms, t.shown, t.under_parent)).collect();
    // Districts D1 and D2 have the numbers 1 and 4.
    assert_eq!(counts, [(1, 0, 1, 1, 0), (1, 1, 1, 0, 1), (4, 1, 1, 1, 0)]);
}

#[test]
fn the_worst_is_never_silent_under_a_cause() {
    let rules = rule("burst", &BURST.replace("severity = 3", "severity = 4")) + &rule("low", LOW);
    let mut engine = city_of(&[("k", "")], &[("k", "T1"), ("k", "T2")], &rules);
    check_script(
        &mut engine,
        "
        0s #0 60: alarm 60, warning 4 of 1
        1m #1 46: alarm 46, warning 4 of 1
        ",
    );
}

#[test]
fn two_towns_that_become_one_keep_both_warnings_to_their_ends() {
    let rules = rule("low", &LOW.replace("under = [\"burst\"]", "under = []"));
    let mut engine = city_of(&[("k", "")], &[("k", "T1"), ("k", "T2")], &rules);
    check_script(
        &mut engine,
        "
        0s #0 20: alarm 20, warning 1 of 1
        1m #1 20: alarm 20, warning 1 of 1
        ",
    );
    let mut events = Vec::new();
    engine.rearrange(city(), |of| if of == area("T2") { area("T1") } else { of }, &mut events);
    assert!(events.is_empty());
    check_script(
        &mut engine,
        "
        2m #1 46: warning now 4 of 2
        3m #1 0: alarm off 0, warning off 4 of 3
        4m #0 0: alarm off 0, warning off 1 of 2
        ",
    );
}

#[test]
fn two_desks_that_become_one_have_one_group_of_a_pack() {
    let names = ["k", "l", "m", "n", "o", "p"];
    let kinds: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
    let streams: Vec<(&str, &str)> =
        ["T1", "T3"].iter().flat_map(|town| names.iter().map(move |name| (*name, *town))).collect();
    let body = format!("alarm = {{ when = \"value >= 20\" }}\ncause = \"area\"\n{GRADES}");
    let of_kind =
        |name: &&str| rule(name, &body).replace("on = \"k\"", &format!("on = \"{name}\""));
    let rules: String = names.iter().map(of_kind).collect();
    let mut engine = city_of(&kinds, &streams, &rules);
    for stream in 0..12 {
        play(&mut engine, &format!("0s #{stream} 25"));
    }
    assert_eq!(engine.floods().iter().map(|flood| flood.collapsed).collect::<Vec<_>>(), [1, 1]);
    let mut events = Vec::new();
    let map = |of| match of {
        of if of == area("T3") => area("T1"),
        of if of == area("D2") => area("D1"),
        of => of,
    };
    engine.rearrange(city(), map, &mut events);
    let told: Vec<String> = events.iter().map(tell).collect();
    assert_eq!(told, ["warning off 1 of 1"]);
    check_script(&mut engine, "1s tick: warning held 1 of 1 in a group");
    assert_eq!(engine.floods().iter().map(|flood| flood.collapsed).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_warning_that_comes_back_begins_another_group_with_a_name_of_its_own() {
    let mut engine = busy(GRADES);
    let mut events = Vec::new();
    let mut say = |minute: i64, stream: u32, value: f64| {
        let at = MIDNIGHT.plus_ms(minute * 60_000);
        let reading = Reading { stream: StreamId(stream), at, value };
        engine.apply(0, at, &[reading], &mut events);
        engine.tick(at, &mut events);
    };
    // The sixth is the first of a group, both times, and stands until the desk is calm.
    (0..6).for_each(|stream| say(0, stream, 25.0));
    (0..5).for_each(|stream| say(1, stream, 10.0));
    say(12, 5, 10.0);
    (0..6).for_each(|stream| say(13, stream, 25.0));
    let of_group = |event: Event| match event {
        Event::Warning(it) if matches!(it.subject, Subject::Group { .. }) => Some((it.step, it.id)),
        _ => None,
    };
    let groups: Vec<_> = events.into_iter().filter_map(of_group).collect();
    let steps: Vec<WarningStep> = groups.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [WarningStep::Raised, WarningStep::Cleared, WarningStep::Raised]);
    assert_eq!(groups[0].1, groups[1].1);
    assert_ne!(groups[0].1, groups[2].1);
}

#[test]
fn what_speaks_of_a_rule_pack_area_or_stream_that_is_none_is_not_believed() {
    let mut engine = busy(GRADES);
    for stream in 0..6 {
        play(&mut engine, &format!("0s #{stream} 25"));
    }
    let sound = |bounds: Bounds| engine.screen.is_sound(|_| true, bounds);
    let all = Bounds { rules: 8, packs: 1, areas: city().len(), streams: 8 };
    assert!(sound(all));
    for less in [
        Bounds { rules: 5, ..all },
        Bounds { packs: 0, ..all },
        Bounds { areas: 1, ..all },
        Bounds { streams: 5, ..all },
    ] {
        assert!(!sound(less), "{less:?}");
    }
}

/// Burst and low pressure, one of them alone, and both the other way about.
fn pipes_with(variant: usize) -> Catalog {
    let (burst, low) = (rule("burst", BURST), rule("low", LOW));
    let alone = low.replace("[\"burst\"]", "[]");
    let rules = [burst.clone() + &low, alone, low.replace("low", "a_low") + &burst + &low];
    let files = [("kinds.toml", kind("k", "")), ("rules.toml", rules[variant].clone())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    Catalog::compile(&[pack(&files)]).unwrap()
}

#[derive(Debug, Clone)]
enum Happens {
    Reading(u32, f64),
    Tick,
    Shelve(i64),
    Unshelve,
    Adopt(usize),
    TownsJoin,
}

fn happens() -> impl Strategy<Value = Happens> {
    let values = proptest::sample::select(vec![0.0, 7.0, 20.0, 46.0, 60.0]);
    prop_oneof![
        24 => (0u32..6, values).prop_map(|(stream, value)| Happens::Reading(stream, value)),
        8 => Just(Happens::Tick),
        2 => (5i64..30).prop_map(Happens::Shelve),
        1 => Just(Happens::Unshelve),
        1 => (0usize..3).prop_map(Happens::Adopt),
        1 => Just(Happens::TownsJoin),
    ]
}

fn happen(engine: &mut Engine, minute: i64, it: &Happens) -> Vec<Event> {
    let (at, mut said) = (MIDNIGHT.plus_ms(minute * 60_000), Vec::new());
    match *it {
        Happens::Reading(stream, value) => {
            let reading = Reading { stream: StreamId(stream), at, value };
            engine.apply(u64::try_from(minute).unwrap(), at, &[reading], &mut said);
        }
        Happens::Tick => {}
        Happens::Shelve(minutes) => {
            let spec = ShelfSpec { rule: Some("p/low".to_owned()), ..spec(minute + minutes) };
            engine.order(at, &Order::Shelve { id: ShelfId(1), spec }, &mut said);
        }
        Happens::Unshelve => {
            let (id, by) = (ShelfId(1), "x".to_owned());
            engine.order(at, &Order::Unshelve { id, by }, &mut said);
        }
        Happens::Adopt(variant) => engine.adopt(pipes_with(variant)).unwrap(),
        Happens::TownsJoin => {
            let map = |of| if of == area("T2") { area("T1") } else { of };
            engine.rearrange(city(), map, &mut said);
        }
    }
    engine.tick(at, &mut said);
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What finds warnings is not stored: a restored screen has made it anew from all that stand.
    #[test]
    fn a_screen_says_what_one_says_that_has_just_walked_over_all_that_stands(
        steps in proptest::collection::vec((0i64..3, happens()), 1..60),
    ) {
        let mut goes_on = Engine::new(pipes_with(0), city(), settings());
        for town in ["T1", "T1", "T2", "T2", "T3", "T3"] {
            register(&mut goes_on, "k", town);
        }
        let (mut minute, mut variant) = (0, 0);
        for (minutes, step) in steps {
            minute += minutes;
            let stored = goes_on.snapshot();
            let restored = Engine::restore(pipes_with(variant), city(), settings(), &stored);
            let mut restored = restored.unwrap();
            prop_assert_eq!(
                happen(&mut goes_on, minute, &step),
                happen(&mut restored, minute, &step),
                "{:?}", step
            );
            prop_assert_eq!(goes_on.snapshot(), restored.snapshot());
            if let Happens::Adopt(to) = step {
                variant = to;
            }
        }
    }
}
