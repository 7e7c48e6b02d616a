//! The same readings give the same bits, however they are cut into batches, whether or not the
//! engine was stopped and started from a snapshot on the way; and the roll-up equals a plain
//! recomputation over all readings.

use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_engine::{
    Catalog, Engine, Event, IndicatorValue, Settings, SnapshotError, StreamSpec,
};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};
use proptest::prelude::*;

pub(crate) const START: i64 = 1_782_864_000_000;
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const STREAMS: u32 = 8;

fn files(indicators: &str) -> Vec<(String, String)> {
    let files = [
        (
            "pack.toml",
            "[pack]\nid = \"p\"\nversion = \"1.0.0\"\nname = { zh = \"包\", en = \"Pack\" }\n\
             section = \"facility_operation\"\ntrack = { zh = \"跑道\", en = \"Track\" }\n",
        ),
        (
            "kinds.toml",
            "[[kind]]\nid = \"k\"\nname = { zh = \"量\", en = \"Thing\" }\nunit = \"u\"\n\
             range = [0, 100]\nperiod = { normal = \"1m\" }\nstuck_after = \"5m\"\nsource = \"t\"\n\
             [[kind]]\nid = \"j\"\nname = { zh = \"量\", en = \"Thing\" }\nunit = \"u\"\n\
             range = [-5, 5]\nperiod = { normal = \"2m\" }\nsource = \"t\"\n",
        ),
        ("indicators.toml", indicators),
        ("rules.toml", RULES),
        ("README.md", "# 包\n\n## English\nPack\n"),
    ];
    files.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
}

const RULES: &str = r#"
[[rule]]
id = "high"
name = { zh = "高", en = "High" }
on = "k"
alarm = { when = "value >= 70", clear = "value < 60", for = "2 readings", clear_for = "2 readings" }
recheck = { need = "2 of 3 within 10m", healthy = true }
grade = [ { severity = 1, when = "value >= 70" }, { severity = 3, when = "value >= 90 || slope('5m') > 5" } ]
cause = "area"
source = "t"
[[rule]]
id = "jump"
name = { zh = "跳", en = "Jump" }
on = "j"
alarm = { when = "rate > 2 || rate < -2" }
grade = [ { severity = 2, when = "value > -6" } ]
source = "t"
[[rule]]
id = "odd"
name = { zh = "怪", en = "Odd" }
on = "j"
alarm = { when = "anomaly > 0.5", clear = "anomaly < 0.4" }
grade = [ { severity = 1, when = "true" } ]
source = "t"
[[rule]]
id = "silent"
name = { zh = "静", en = "Silent" }
on = "k"
alarm = { when = "silent_for('4m')" }
grade = [ { severity = 1, when = "silent_for('4m')" } ]
source = "t"
[[rule]]
id = "stuck"
name = { zh = "滞", en = "Stuck" }
on = "j"
alarm = { when = "stuck_for('3m')" }
grade = [ { severity = 1, when = "stuck_for('3m')" } ]
source = "t"
"#;

fn indicators() -> String {
    let table = [
        ("count", "count(k)", "1m"),
        ("sum", "sum(k)", "5m"),
        ("share", "100 * count(k < 50) / count(k)", "5m"),
        ("span", "max(j) - min(j)", "1m"),
        ("last", "last(k)", "5m"),
        ("both", "mean(k) + mean(j)", "1h"),
        ("online", "online_ratio(k) + registered(j)", "1m"),
        ("day", "sum(j)", "1d"),
    ];
    table.iter().fold(String::new(), |text, (code, value, window)| {
        text + &format!(
            "[[indicator]]\ncode = \"p.{code}\"\nname = {{ zh = \"征\", en = \"Sign\" }}\n\
             unit = \"u\"\nbetter = \"lower\"\nvalue = \"{value}\"\nwindow = \"{window}\"\n\
             tiers = [\"city\", \"district\", \"town\"]\nowner = \"o\"\nsource = \"t\"\n\
             coverage_min = 30\n\
             levels = {{ blue = 30, red = 60, hysteresis = 2, hold = \"1m\", warn = [\"district\"] }}\n"
        )
    })
}

pub(crate) fn catalog() -> Catalog {
    let pack = parse(&files(&indicators())).unwrap_or_else(|faults| panic!("{faults:?}"));
    Catalog::compile(&[pack]).unwrap_or_else(|faults| panic!("{faults:?}"))
}

const AREAS: [(&str, Option<&str>, Tier); 6] = [
    ("C", None, Tier::City),
    ("D1", Some("C"), Tier::District),
    ("D2", Some("C"), Tier::District),
    ("T1", Some("D1"), Tier::Town),
    ("T2", Some("D1"), Tier::Town),
    ("T3", Some("D2"), Tier::Town),
];

pub(crate) fn city() -> Arc<AreaTree> {
    let row = |(line, (code, parent, tier)): (u32, (&str, Option<&str>, Tier))| AreaRow {
        line,
        code: AreaCode::new(code).unwrap(),
        parent: parent.map(|p| AreaCode::new(p).unwrap()),
        name: code.to_owned(),
        tier,
        valid_from: None,
        valid_to: None,
        center: None,
        shape: None,
        generated: false,
        note: None,
    };
    Arc::new(AreaTree::build((1..).zip(AREAS).map(row).collect()).unwrap())
}

pub(crate) fn settings() -> Settings {
    Settings { utc_offset_ms: 0, ..Settings::default() }
}

/// Stream `i` is of kind `k` or `j` by turns and lies in the towns by turns; stream 6 at a district.
pub(crate) fn engine(catalog: Catalog) -> Engine {
    let areas = city();
    let mut engine = Engine::new(catalog, Arc::clone(&areas), settings());
    for i in 0..STREAMS {
        let kind = engine.catalog().kind_id(if i % 2 == 0 { "k" } else { "j" }).unwrap();
        let code = if i == 6 { "D2" } else { ["T1", "T2", "T3"][i as usize % 3] };
        let area = areas.find(code).unwrap();
        engine.register(StreamSpec { kind, area, period_ms: 0, device: DeviceId(i) });
    }
    engine
}

/// What comes in within one second: readings, then a tick.
#[derive(Debug, Clone)]
pub(crate) struct Second {
    pub(crate) now: Timestamp,
    pub(crate) readings: Vec<Reading>,
}

/// Up to `most` steps of time, each with a few readings, some of them late, some repeated.
fn seconds(most: usize) -> impl Strategy<Value = Vec<Second>> {
    let value =
        prop_oneof![3 => -5.0..5.0_f64, 2 => 50.0..100.0_f64, 1 => Just(3.0), 1 => Just(200.0)];
    let late = prop_oneof![6 => Just(0_i64), 2 => 0..3 * MINUTE, 1 => 0..40 * MINUTE];
    let reading = (0..STREAMS, late, value);
    let step = (1..4 * MINUTE, prop::collection::vec(reading, 0..12));
    prop::collection::vec(step, 1..most).prop_map(|steps| {
        let mut now = START;
        let second = |(pause, readings): (i64, Vec<(u32, i64, f64)>)| {
            now += pause;
            let reading = |(stream, late, value)| Reading {
                stream: StreamId(stream),
                at: Timestamp(now - late),
                value,
            };
            Second { now: Timestamp(now), readings: readings.into_iter().map(reading).collect() }
        };
        steps.into_iter().map(second).collect()
    })
}

/// Plays all seconds; `cut` says after how many readings a batch ends.
pub(crate) fn play(
    engine: &mut Engine,
    seconds: &[Second],
    position: &mut u64,
    cut: usize,
) -> Vec<Event> {
    let mut events = Vec::new();
    for second in seconds {
        for batch in second.readings.chunks(cut) {
            engine.apply(*position, second.now, batch, &mut events);
            *position += batch.len() as u64;
        }
        engine.tick(second.now, &mut events);
    }
    events
}

pub(crate) fn board(engine: &Engine) -> Vec<IndicatorValue> {
    let indicators = 0..u16::try_from(engine.catalog().indicators().len()).unwrap();
    let areas = 0..u32::try_from(AREAS.len()).unwrap();
    indicators.flat_map(|i| areas.clone().map(move |a| engine.value(i, AreaId(a)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn how_readings_are_cut_into_batches_does_not_matter(seconds in seconds(40), cut in 1_usize..7) {
        let (mut whole, mut parts) = (engine(catalog()), engine(catalog()));
        let one = play(&mut whole, &seconds, &mut 0, usize::MAX);
        let other = play(&mut parts, &seconds, &mut 0, cut);
        prop_assert_eq!(one, other);
        prop_assert_eq!(board(&whole), board(&parts));
        prop_assert_eq!(whole.totals(), parts.totals());
        prop_assert_eq!(whole.snapshot(), parts.snapshot());
    }

    #[test]
    fn a_restart_from_a_snapshot_changes_nothing(seconds in seconds(40), share in 0.0..1.0_f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let middle = (seconds.len() as f64 * share) as usize;
        let (before, after) = seconds.split_at(middle);
        let mut straight = engine(catalog());
        let mut position = 0;
        play(&mut straight, before, &mut position, 3);
        let bytes = straight.snapshot();
        let mut restored = Engine::restore(catalog(), city(), settings(), &bytes).unwrap();
        prop_assert_eq!(board(&straight), board(&restored));
        let one = play(&mut straight, after, &mut position.clone(), 3);
        let other = play(&mut restored, after, &mut position, 3);
        prop_assert_eq!(one, other);
        prop_assert_eq!(board(&straight), board(&restored));
        prop_assert_eq!(straight.totals(), restored.totals());
        prop_assert_eq!(straight.snapshot(), restored.snapshot());
    }

    #[test]
    fn a_state_frozen_while_the_engine_goes_on_is_the_state_as_it_was(
        seconds in seconds(60),
        share in 0.0..1.0_f64,
        budget in 1_usize..2_000,
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let middle = (seconds.len() as f64 * share) as usize;
        let (before, after) = seconds.split_at(middle);
        let (mut paused, mut going) = (engine(catalog()), engine(catalog()));
        let mut position = 0;
        play(&mut paused, before, &mut 0, 3);
        play(&mut going, before, &mut position, 3);
        going.freeze();
        let (mut bytes, mut more) = (Vec::new(), true);
        for (second, area) in after.iter().zip([2, 5, 3].into_iter().cycle()) {
            play(&mut going, std::slice::from_ref(second), &mut position, 2);
            going.reassign(StreamId(area), AreaId(area), 30_000);
            let kind = going.catalog().kind_id("k").unwrap();
            going.register(StreamSpec { kind, area: AreaId(area), period_ms: 0, device: DeviceId(0) });
            more = more && going.thaw(&mut bytes, budget);
        }
        while more {
            more = going.thaw(&mut bytes, budget);
        }
        prop_assert!(bytes == paused.snapshot(), "the bytes differ");
        let mut restored = Engine::restore(catalog(), city(), settings(), &bytes).unwrap();
        prop_assert!(restored.snapshot() == bytes, "restored and written again, the bytes differ");
    }

    #[test]
    fn closed_windows_equal_a_plain_recomputation(seconds in seconds(60)) {
        let mut engine = engine(catalog());
        let mut events = play(&mut engine, &seconds, &mut 0, 5);
        let end = seconds.last().map_or(START, |s| s.now.0) + 2 * 86_400_000;
        engine.tick(Timestamp(end), &mut events);
        let mut told = BTreeMap::new();
        for event in &events {
            if let Event::Window(w) = event && w.readings > 0 {
                let code = engine.catalog().indicators()[usize::from(w.indicator)].def.code.clone();
                let before = told.insert((code, w.area.0, w.start.0), (w.value, w.readings));
                prop_assert_eq!(before, None, "a window closes once");
            }
        }
        let expected = recompute(&seconds);
        prop_assert_eq!(told.len(), expected.len());
        for (key, (value, readings)) in &told {
            let (wanted, count) = expected[key];
            prop_assert_eq!(*readings, count);
            match (value, wanted) {
                (Some(x), Some(y)) => prop_assert!((x - y).abs() < 1e-5, "{:?}: {} {}", key, x, y),
                (x, y) => prop_assert_eq!(*x, y),
            }
        }
    }
}

/// A reading that counts: stream, time, value.
type Counted = (u32, i64, f64);
type Windows = BTreeMap<(String, u32, i64), (Option<f64>, u64)>;

/// Every window of every formula over readings, from a list of all readings that count.
fn recompute(seconds: &[Second]) -> Windows {
    let mut last: BTreeMap<u32, (i64, f64)> = BTreeMap::new();
    let mut counted: Vec<(u32, i64, f64, i64)> = Vec::new();
    for second in seconds {
        for reading in &second.readings {
            let (stream, at, value) = (reading.stream.0, reading.at.0, reading.value);
            let range = if stream % 2 == 0 { 0.0..=100.0 } else { -5.0..=5.0 };
            if !range.contains(&value) || last.get(&stream) == Some(&(at, value)) {
                continue;
            }
            if last.get(&stream).is_none_or(|(newest, _)| at >= *newest) {
                last.insert(stream, (at, value));
            }
            counted.push((stream, at, value, second.now.0));
        }
    }
    let mut all = Windows::new();
    let widths = [("count", MINUTE), ("sum", 5 * MINUTE), ("share", 5 * MINUTE), ("span", MINUTE)];
    let more = [("last", 5 * MINUTE), ("both", 60 * MINUTE), ("day", 1_440 * MINUTE)];
    for (code, width) in widths.into_iter().chain(more) {
        let mut groups: BTreeMap<(u32, i64), Vec<Counted>> = BTreeMap::new();
        for &(stream, at, value, now) in &counted {
            let start = at.div_euclid(width) * width;
            let in_time = start + width > now - settings().lateness_ms;
            let wanted = match code {
                "span" | "day" => stream % 2 == 1,
                "both" => true,
                _ => stream % 2 == 0,
            };
            if in_time && wanted {
                for area in areas_of(stream) {
                    groups.entry((area, start)).or_default().push((stream, at, value));
                }
            }
        }
        for ((area, start), readings) in groups {
            let value = formula(code, &readings);
            all.insert((format!("p.{code}"), area, start), (value, readings.len() as u64));
        }
    }
    all
}

fn areas_of(stream: u32) -> Vec<u32> {
    // Pre-order: C 0, D1 1, T1 2, T2 3, D2 4, T3 5.
    match (stream, stream % 3) {
        (6, _) => vec![0, 4],
        (_, 0) => vec![0, 1, 2],
        (_, 1) => vec![0, 1, 3],
        _ => vec![0, 4, 5],
    }
}

fn formula(code: &str, readings: &[Counted]) -> Option<f64> {
    let of = |kind: u32| readings.iter().filter(move |(s, _, _)| s % 2 == kind).map(|r| r.2);
    let mean = |kind| {
        let (sum, count) = of(kind).fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
        (count > 0.0).then_some(sum / count)
    };
    let count = readings.len() as f64;
    match code {
        "count" => Some(count),
        "sum" | "day" => Some(readings.iter().map(|r| r.2).sum()),
        "share" => Some(100.0 * of(0).filter(|v| *v < 50.0).count() as f64 / count),
        "span" => {
            let max = of(1).fold(f64::MIN, f64::max);
            Some(max - of(1).fold(f64::MAX, f64::min))
        }
        "last" => {
            let newest =
                readings.iter().max_by(|a, b| (a.1, a.2).partial_cmp(&(b.1, b.2)).unwrap());
            newest.map(|r| r.2)
        }
        _ => Some(mean(0)? + mean(1)?),
    }
}

#[test]
fn a_snapshot_of_other_packs_areas_settings_or_bytes_is_refused() {
    let mut engine = engine(catalog());
    let bytes = engine.snapshot();
    let other = parse(&files(&indicators().replace("red = 60", "red = 61"))).unwrap();
    let other = Catalog::compile(&[other]).unwrap();
    let refused = |result: Result<Engine, SnapshotError>| result.err();
    assert_eq!(
        refused(Engine::restore(other, city(), settings(), &bytes)),
        Some(SnapshotError::Catalog)
    );
    let none = Arc::new(AreaTree::default());
    assert_eq!(
        refused(Engine::restore(catalog(), none, settings(), &bytes)),
        Some(SnapshotError::Areas)
    );
    let later = Settings { lateness_ms: 1, ..settings() };
    assert_eq!(
        refused(Engine::restore(catalog(), city(), later, &bytes)),
        Some(SnapshotError::Settings)
    );
    let cut = &bytes[..bytes.len() - 3];
    let broken = refused(Engine::restore(catalog(), city(), settings(), cut));
    assert!(matches!(broken, Some(SnapshotError::Broken(_))), "{broken:?}");
    assert!(refused(Engine::restore(catalog(), city(), settings(), &[])).is_some());
}

#[test]
fn no_byte_of_a_snapshot_turned_over_stops_the_engine() {
    let second = |minute: i32| {
        let now = Timestamp(START + i64::from(minute) * MINUTE);
        let value = f64::from(minute * 17 % 100);
        let reading = |stream| Reading { stream: StreamId(stream), at: now, value };
        Second { now, readings: (0..STREAMS).map(reading).collect() }
    };
    let mut engine = engine(catalog());
    let mut position = 0;
    play(&mut engine, &(0..9).map(second).collect::<Vec<_>>(), &mut position, 3);
    let (sound, after) = (engine.snapshot(), (9..20).map(second).collect::<Vec<_>>());
    let (catalog, city) = (catalog(), city());
    let (mut taken, mut refused) = (0, 0);
    for at in (0..sound.len()).step_by(7) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0xff;
        match Engine::restore(catalog.clone(), Arc::clone(&city), settings(), &bytes) {
            Ok(mut engine) => {
                play(&mut engine, &after, &mut position.clone(), 3);
                taken += 1;
            }
            Err(_) => refused += 1,
        }
    }
    // A value, a time: those may be others. What counts something or points somewhere may not.
    assert!(taken > 50 && refused > 50, "{taken} taken, {refused} refused");
}

#[test]
fn kinds_added_at_run_time_come_back_with_a_snapshot() {
    let mut engine = engine(catalog());
    let wind = engine.catalog_mut().kind_or_add("wind");
    let spec = StreamSpec { kind: wind, area: AreaId(2), period_ms: 0, device: DeviceId(90) };
    let stream = engine.register(spec);
    let reading = Reading { stream, at: Timestamp(START), value: 7.5 };
    engine.apply(0, Timestamp(START), &[reading], &mut Vec::new());
    let restored = Engine::restore(catalog(), city(), settings(), &engine.snapshot()).unwrap();
    assert_eq!(restored.catalog().kind_id("wind"), Some(wind));
    assert_eq!(restored.stream(stream), engine.stream(stream));
    assert_eq!(restored.stream(stream).last, Some((Timestamp(START), 7.5)));
}

#[test]
fn a_stream_that_moves_counts_in_its_new_area_from_then_on() {
    let mut engine = engine(catalog());
    let at = |minute: i64| Timestamp(START + minute * MINUTE);
    let reading = |minute| Reading { stream: StreamId(0), at: at(minute), value: 5.0 };
    let mut events = Vec::new();
    engine.apply(0, at(0), &[reading(0)], &mut events);
    engine.reassign(StreamId(0), AreaId(5), 0);
    engine.apply(1, at(1), &[reading(1)], &mut events);
    engine.tick(at(1), &mut events);
    let count = |area| engine.value(1, AreaId(area)).value;
    assert_eq!([count(0), count(2), count(5)], [Some(10.0), Some(5.0), Some(5.0)]);
    assert_eq!(engine.stream(StreamId(0)).area, AreaId(5));
    engine.tick(at(5), &mut events);
    assert!(!engine.stream(StreamId(0)).online, "three minutes without a reading");
    assert_eq!(engine.totals().online, 0);
}
