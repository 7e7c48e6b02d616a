//! What does not change while a seed runs: a small city, a small pack with rules and indicators of
//! every sort, and the engine's settings.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use chengmai_engine::{Catalog, Engine, SnapshotError};
use chengmai_model::area::AreaRow;
use chengmai_model::pack::parse;
use chengmai_model::{AreaCode, AreaTree, Tier};

/// Towns that devices stand in.
pub(crate) const TOWNS: [&str; 4] = ["D1", "T1", "T2", "T3"];
/// Kinds that devices report.
pub(crate) const KINDS: [&str; 2] = ["level", "flow"];

const AREAS: [(&str, Option<&str>, Tier); 6] = [
    ("C", None, Tier::City),
    ("D1", Some("C"), Tier::District),
    ("D2", Some("C"), Tier::District),
    ("T1", Some("D1"), Tier::Town),
    ("T2", Some("D1"), Tier::Town),
    ("T3", Some("D2"), Tier::Town),
];

const PACK: &str = r#"
[pack]
id = "fault"
version = "1.0.0"
name = { zh = "故障", en = "Faults" }
section = "facility_operation"
track = { zh = "排水", en = "Drainage" }
"#;

const KINDS_FILE: &str = r#"
[[kind]]
id = "level"
name = { zh = "液位", en = "Level" }
unit = "cm"
range = [0, 100]
period = { normal = "1m" }
stuck_after = "5m"
source = "simulated"
[[kind]]
id = "flow"
name = { zh = "流量", en = "Flow" }
unit = "l/s"
range = [-5, 5]
period = { normal = "2m" }
source = "simulated"
"#;

const RULES: &str = r#"
[[rule]]
id = "high"
name = { zh = "高液位", en = "High level" }
on = "level"
alarm = { when = "value >= 70", clear = "value < 60", for = "2 readings", clear_for = "2 readings" }
recheck = { need = "2 of 3 within 10m", healthy = true }
grade = [ { severity = 1, when = "value >= 70" }, { severity = 3, when = "value >= 90 || slope('5m') > 5" } ]
cause = "area"
source = "simulated"
[[rule]]
id = "jump"
name = { zh = "突变", en = "Jump" }
on = "flow"
alarm = { when = "rate > 2 || rate < -2" }
grade = [ { severity = 2, when = "value > -6" } ]
source = "simulated"
[[rule]]
id = "silent"
name = { zh = "静默", en = "Silent" }
on = "level"
alarm = { when = "silent_for('4m')" }
grade = [ { severity = 1, when = "silent_for('4m')" } ]
source = "simulated"
"#;

/// City, pack and settings.
#[derive(Debug, Clone)]
pub(crate) struct World {
    catalog: Catalog,
    areas: Arc<AreaTree>,
}

impl World {
    /// The one world of all seeds.
    pub(crate) fn new() -> Result<Self> {
        let files = [
            ("pack.toml", PACK.to_owned()),
            ("kinds.toml", KINDS_FILE.to_owned()),
            ("indicators.toml", indicators()),
            ("rules.toml", RULES.to_owned()),
            ("README.md", "# 故障\n\n## English\nFaults\n".to_owned()),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text));
        let pack = parse(&files).map_err(|faults| anyhow!("the pack: {faults:?}"))?;
        let catalog = Catalog::compile(&[pack]).map_err(|faults| anyhow!("{faults:?}"))?;
        let rows = (1..).zip(AREAS).map(row).collect::<Result<_>>()?;
        let areas = AreaTree::build(rows).map_err(|faults| anyhow!("the areas: {faults:?}"))?;
        Ok(Self { catalog, areas: Arc::new(areas) })
    }

    pub(crate) fn areas(&self) -> &AreaTree {
        &self.areas
    }

    /// An engine that has seen nothing.
    pub(crate) fn engine(&self) -> Engine {
        Engine::new(self.catalog.clone(), Arc::clone(&self.areas), SETTINGS)
    }

    /// An engine as in a snapshot.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<Engine, SnapshotError> {
        Engine::restore(self.catalog.clone(), Arc::clone(&self.areas), SETTINGS, bytes)
    }
}

/// Windows close after a minute, so that a short run sees many of them close.
const SETTINGS: chengmai_engine::Settings = chengmai_engine::Settings {
    lateness_ms: 60_000,
    utc_offset_ms: 0,
    offline_periods: 3,
    alarms: chengmai_engine::AlarmSettings::DEFAULT,
};

fn row((line, (code, parent, tier)): (u32, (&str, Option<&str>, Tier))) -> Result<AreaRow> {
    let checked = |code: &str| AreaCode::new(code).ok_or_else(|| anyhow!("{code} is no area code"));
    Ok(AreaRow {
        line,
        code: checked(code)?,
        parent: parent.map(checked).transpose()?,
        name: code.to_owned(),
        tier,
        valid_from: None,
        valid_to: None,
        center: None,
        shape: None,
        generated: true,
        note: None,
    })
}

fn indicators() -> String {
    let table = [
        ("count", "count(level)", "1m"),
        ("sum", "sum(level)", "5m"),
        ("share", "100 * count(level < 50) / count(level)", "5m"),
        ("span", "max(flow) - min(flow)", "1m"),
        ("both", "mean(level) + mean(flow)", "1h"),
        ("online", "online_ratio(level) + registered(flow)", "1m"),
    ];
    table.iter().fold(String::new(), |text, (code, value, window)| {
        text + &format!(
            "[[indicator]]\ncode = \"fault.{code}\"\nname = {{ zh = \"征\", en = \"Sign\" }}\n\
             unit = \"u\"\nbetter = \"lower\"\nvalue = \"{value}\"\nwindow = \"{window}\"\n\
             tiers = [\"city\", \"district\", \"town\"]\nowner = \"o\"\nsource = \"simulated\"\n\
             coverage_min = 30\n\
             levels = {{ blue = 30, red = 60, hysteresis = 2, hold = \"1m\", warn = [\"district\"] }}\n"
        )
    })
}
