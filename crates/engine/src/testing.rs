//! What the tests of this crate share: a pack from a few lines of TOML, a small city, and a player
//! that feeds one stream and writes down what the engine says.

use std::sync::Arc;

use chengmai_model::area::AreaRow;
use chengmai_model::pack::{Pack, parse};
use chengmai_model::time::parse_duration_ms;
use chengmai_model::warning::{Held, WarningStep};
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Reading, StreamId, Tier, Timestamp};

use crate::{AlarmStep, Catalog, DeviceStep, Engine, Event, Settings, StreamSpec};

/// Midnight of a day, UTC.
pub(crate) const MIDNIGHT: Timestamp = Timestamp(1_782_864_000_000);

pub(crate) const HEAD: &str = r#"
[pack]
id = "p"
version = "1.2.0"
name = { zh = "包", en = "Pack" }
section = "facility_operation"
track = { zh = "跑道", en = "Track" }
"#;

/// A kind with range 0 to 100 and one reading a minute; `more` may add keys.
pub(crate) fn kind(id: &str, more: &str) -> String {
    format!(
        "[[kind]]\nid = \"{id}\"\nname = {{ zh = \"量\", en = \"Thing\" }}\nunit = \"u\"\n\
         range = [0, 100]\nperiod = {{ normal = \"1m\" }}\nsource = \"test\"\n{more}\n"
    )
}

/// An indicator with the given formula, on all tiers; `more` may add keys.
pub(crate) fn indicator(code: &str, value: &str, window: &str, more: &str) -> String {
    format!(
        "[[indicator]]\ncode = \"{code}\"\nname = {{ zh = \"征\", en = \"Sign\" }}\nunit = \"u\"\n\
         better = \"higher\"\nvalue = \"{value}\"\nwindow = \"{window}\"\n\
         tiers = [\"city\", \"district\", \"town\", \"community\", \"grid\"]\n\
         owner = \"o\"\nsource = \"test\"\n{more}\n"
    )
}

/// A rule on kind `k`; `body` gives alarm, grade and whatever else.
pub(crate) fn rule(id: &str, body: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nname = {{ zh = \"则\", en = \"Rule\" }}\non = \"k\"\n\
         source = \"test\"\n{body}\n"
    )
}

/// A pack of these files; files that are not named are empty.
pub(crate) fn pack(files: &[(&str, &str)]) -> Pack {
    let mut all = vec![("pack.toml".to_owned(), HEAD.to_owned())];
    all.push(("README.md".to_owned(), "# 包\n\n## English\nPack\n".to_owned()));
    all.push(("scenarios/none.txt".to_owned(), "area CQ\n".to_owned()));
    all.extend(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    parse(&all).unwrap_or_else(|faults| panic!("the test pack is well formed: {faults:?}"))
}

/// City `C` with districts `D1` (towns `T1`, `T2`) and `D2` (town `T3`).
pub(crate) fn city() -> Arc<AreaTree> {
    let rows = [
        ("C", None, Tier::City),
        ("D1", Some("C"), Tier::District),
        ("D2", Some("C"), Tier::District),
        ("T1", Some("D1"), Tier::Town),
        ("T2", Some("D1"), Tier::Town),
        ("T3", Some("D2"), Tier::Town),
    ];
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
    Arc::new(AreaTree::build((1..).zip(rows).map(row).collect()).unwrap())
}

pub(crate) fn area(code: &str) -> AreaId {
    city().find(code).unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings { utc_offset_ms: 0, ..Settings::default() }
}

/// An engine over [`city`] with that pack.
pub(crate) fn engine(files: &[(&str, &str)]) -> Engine {
    let catalog = Catalog::compile(&[pack(files)]).unwrap_or_else(|faults| panic!("{faults:?}"));
    Engine::new(catalog, city(), settings())
}

/// Registers a stream of kind `name`; each is its own device.
pub(crate) fn register(engine: &mut Engine, name: &str, area_code: &str) -> StreamId {
    let kind = engine.catalog().kind_id(name).unwrap();
    let device = DeviceId(u32::try_from(engine.totals().streams).unwrap());
    engine.register(StreamSpec { kind, area: area(area_code), period_ms: 0, device })
}

/// Feeds lines `1m 25` (stream 0), `1m #2 25` (stream 2) or `1m tick`, and writes what the engine
/// says behind each line.
pub(crate) fn play(engine: &mut Engine, script: &str) -> String {
    let mut told = String::new();
    for (position, line) in (100..).zip(script.lines().map(str::trim).filter(|l| !l.is_empty())) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = MIDNIGHT.plus_ms(parse_duration_ms(words[0]).unwrap());
        let mut events = Vec::new();
        match words[1..] {
            ["tick"] => engine.tick(at, &mut events),
            [stream, value] => give(engine, position, at, &stream[1..], value, &mut events),
            [value] => give(engine, position, at, "0", value, &mut events),
            _ => panic!("cannot read `{line}`"),
        }
        let said: Vec<String> =
            events.iter().filter(|e| !matches!(e, Event::Tally(_))).map(tell).collect();
        told.push_str(&format!("{line}: {}\n", said.join(", ")).replace(": \n", ":\n"));
    }
    told
}

fn give(
    engine: &mut Engine,
    position: u64,
    at: Timestamp,
    stream: &str,
    value: &str,
    events: &mut Vec<Event>,
) {
    let reading =
        Reading { stream: StreamId(stream.parse().unwrap()), at, value: value.parse().unwrap() };
    engine.apply(position, at, &[reading], events);
}

/// One event in few words.
pub(crate) fn tell(event: &Event) -> String {
    match event {
        Event::Alarm(alarm) => match alarm.step {
            AlarmStep::Raised => format!("alarm {}", alarm.value),
            AlarmStep::Cleared => format!("alarm off {}", alarm.value),
        },
        Event::Warning(warning) => {
            let step = match warning.step {
                WarningStep::Raised => "warning",
                WarningStep::Regraded => "warning now",
                WarningStep::Cleared => "warning off",
                WarningStep::Reopened => "warning again",
                WarningStep::Held => "warning held",
                WarningStep::Released => "warning released",
            };
            let why = match warning.held {
                None => "",
                Some(Held::Parent(_)) => " under its parent",
                Some(Held::Shelf(_)) => " on a shelf",
                Some(Held::Group(_)) => " in a group",
            };
            let of = warning.evidence.len();
            let chatters = if warning.chattering { " chattering" } else { "" };
            format!("{step} {} of {of}{chatters}{why}", warning.severity.number())
        }
        Event::Device(device) => match device.step {
            DeviceStep::Online => "online".to_owned(),
            DeviceStep::Offline => "offline".to_owned(),
            DeviceStep::Stuck => "stuck".to_owned(),
            DeviceStep::OutOfRange => "out of range".to_owned(),
            DeviceStep::Healthy => "healthy".to_owned(),
        },
        Event::Tally(tally) => format!("tally of {}", tally.rule),
        Event::Window(window) => {
            format!("window {:?} of {} at {}", window.value, window.readings, window.area.0)
        }
    }
}

/// Plays a script against one rule on one stream and compares.
pub(crate) fn check_rule(kind_more: &str, body: &str, expected: &str) {
    let kinds = kind("k", kind_more);
    let rules = rule("r", body);
    let mut engine = engine(&[("kinds.toml", &kinds), ("rules.toml", &rules)]);
    for _ in 0..3 {
        register(&mut engine, "k", "T1");
    }
    check_script(&mut engine, expected);
}

/// Plays the part of each line before the colon and compares what follows.
pub(crate) fn check_script(engine: &mut Engine, expected: &str) {
    let lines: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let script: Vec<&str> = lines.iter().map(|l| l.split(':').next().unwrap()).collect();
    let told = play(engine, &script.join("\n"));
    assert_eq!(told.trim_end(), lines.join("\n"));
}
