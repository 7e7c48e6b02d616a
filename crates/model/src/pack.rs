//! Packs 场景包: what a domain engineer writes. Kinds, indicators, rules, case types with filing and
//! closing standards, map layers. Data only: a pack never ships code.
//!
//! Here are the shapes as they stand in the files; [`parse`] turns texts into them and says file,
//! line and fix for every fault. Meaning (expressions, references between packs) is checked by
//! `engine::catalog`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::calendar::Limit;
use crate::case::{CommandKind, PhotoKind, Stage};
use crate::time::parse_duration_ms;
use crate::{Severity, Text, Tier};

/// `pack.toml`, table `[pack]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackHead {
    /// Folder name and prefix of its rules: `gas`.
    pub id: String,
    /// Semantic version.
    pub version: String,
    /// Its name.
    pub name: Text,
    /// One of the city's eight sections 八大板块: `facility_operation`.
    pub section: String,
    /// Track 跑道 inside the section.
    pub track: Text,
    /// Packs it needs: `street >= 1`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What its warnings are about, in the words of CAP 1.2: `Infra`. None: `Other`.
    #[serde(default)]
    pub alerts: Vec<String>,
}

/// What a device measures (`kinds.toml`, `[[kind]]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Unique over all packs: `methane`.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// Unit as shown (UCUM where it exists): `%LEL`.
    pub unit: String,
    /// Other spellings of the same unit that senders may use.
    #[serde(default)]
    pub unit_aliases: Vec<String>,
    /// Lowest and highest value the sensor can mean.
    pub range: [f64; 2],
    /// Digits after the point that the sensor can know.
    #[serde(default)]
    pub decimals: u8,
    /// Expected time between readings.
    pub period: Period,
    /// The same value for so long makes the device suspect: `6h`.
    #[serde(default)]
    pub stuck_after: Option<String>,
    /// How long its readings are kept.
    #[serde(default)]
    pub keep: Keep,
    /// Where the numbers come from.
    pub source: String,
}

/// How long readings are kept, and what they are summed up to: typed durations, or `forever`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// The readings themselves.
    #[serde(default)]
    pub raw: Option<String>,
    /// Their minutes.
    #[serde(default)]
    pub m1: Option<String>,
    /// Their hours.
    #[serde(default)]
    pub h1: Option<String>,
    /// Their days.
    #[serde(default)]
    pub d1: Option<String>,
}

impl Keep {
    /// What is kept for ever.
    pub const FOREVER: &str = "forever";
    /// Our default for what a pack leaves out.
    pub const DEFAULT: [&str; 4] = ["30d", "180d", "1825d", Self::FOREVER];

    /// The four times as typed, with our default for what is left out.
    pub fn texts(&self) -> [&str; 4] {
        let typed = [&self.raw, &self.m1, &self.h1, &self.d1];
        std::array::from_fn(|rung| typed[rung].as_deref().unwrap_or(Self::DEFAULT[rung]))
    }

    /// The four times in milliseconds; `None` is for ever.
    pub fn durations_ms(&self) -> [Option<i64>; 4] {
        self.texts().map(parse_duration_ms)
    }
}

/// Expected time between readings, as typed durations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// In normal state: `30m`.
    pub normal: String,
    /// While an alarm stands: `1m`.
    #[serde(default)]
    pub alarm: Option<String>,
}

/// A vital sign 体征指标 (`indicators.toml`, `[[indicator]]`; fields of the schema in the field's guides).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// Unique over all packs: `gas.safe_share`.
    pub code: String,
    /// Its name.
    pub name: Text,
    /// Section, when it is not the pack's own.
    #[serde(default)]
    pub section: Option<String>,
    /// Track, when it is not the pack's own.
    #[serde(default)]
    pub track: Option<Text>,
    /// Unit as shown.
    pub unit: String,
    /// Digits after the point.
    #[serde(default)]
    pub decimals: u8,
    /// Which way is good.
    pub better: Better,
    /// Formula over roll-up terms: `100 * count(methane < 20) / count(methane)`.
    pub value: String,
    /// Tumbling window: `1m`, `5m`, `1h` or `1d`.
    pub window: String,
    /// Tiers it is shown on.
    pub tiers: Vec<Tier>,
    /// Levels with enter and leave, if any.
    #[serde(default)]
    pub levels: Option<Levels>,
    /// Percent of expected readings below which the value is shown as uncertain.
    #[serde(default)]
    pub coverage_min: f64,
    /// Who answers for it.
    pub owner: String,
    /// Case type it proposes when a level is reached and warned of.
    #[serde(default)]
    pub files: Option<String>,
    /// Where the numbers come from.
    pub source: String,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better; levels are lower bounds.
    Higher,
    /// Less is better; levels are upper bounds.
    Lower,
    /// Neither: the value has no levels.
    Band,
}

/// Levels of an indicator. A level is reached when the value is as bad as the number or worse, and
/// left when it is better by the hysteresis for the hold time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// Severity 1.
    #[serde(default)]
    pub blue: Option<f64>,
    /// Severity 2.
    #[serde(default)]
    pub yellow: Option<f64>,
    /// Severity 3.
    #[serde(default)]
    pub orange: Option<f64>,
    /// Severity 4.
    #[serde(default)]
    pub red: Option<f64>,
    /// In the indicator's unit.
    #[serde(default)]
    pub hysteresis: f64,
    /// How long a level must last before it counts: `10m`.
    #[serde(default)]
    pub hold: Option<String>,
    /// Tiers on which reaching a level raises a warning; none by default (the colour alone changes).
    #[serde(default)]
    pub warn: Vec<Tier>,
}

/// Alarm, re-check, warning, case (`rules.toml`, `[[rule]]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique in its pack; `gas/methane_in_manhole` from outside.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// The kind it watches.
    pub on: String,
    /// When a single stream is in alarm 报警.
    pub alarm: AlarmSpec,
    /// What must hold before the alarm becomes a warning 预警.
    #[serde(default)]
    pub recheck: Recheck,
    /// Conditions of the grades; the worst that holds is taken.
    pub grade: Vec<Grade>,
    /// What makes two alarms one warning.
    #[serde(default)]
    pub cause: Cause,
    /// Rules of whose warnings this one is a consequence: it is silent while one of them stands in
    /// the same area. Bare ids are of the same pack.
    #[serde(default)]
    pub under: Vec<String>,
    /// How far [`Self::under`] reaches: the whole area of this tier around the cause; absent: only
    /// the area of the cause and what lies in it.
    #[serde(default)]
    pub under_within: Option<Tier>,
    /// How soon a warning must be answered, and what happens when it is not.
    #[serde(default)]
    pub answer: Answer,
    /// Case type it proposes.
    #[serde(default)]
    pub files: Option<String>,
    /// From this severity on the case is filed without waiting for a person.
    #[serde(default)]
    pub files_at: Option<Severity>,
    /// Row of that case type's filing standard, from 0, that the program cites when it files.
    #[serde(default)]
    pub files_row: usize,
    /// Where the numbers come from.
    pub source: String,
}

/// Set-point with hysteresis and on/off delay, rate of change, silence, or a stuck value.
/// Conditions are expressions over `value`, `rate` (per minute, between the last two readings),
/// `anomaly`, `slope('10m')`, `silent_for('15m')`, `stuck_for('6h')`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSpec {
    /// Enters when this holds: `value >= 20`.
    pub when: String,
    /// Leaves when this holds; the opposite of `when` if absent.
    #[serde(default)]
    pub clear: Option<String>,
    /// On delay: `2 readings` or `30s`.
    #[serde(default, rename = "for")]
    pub on_for: Option<String>,
    /// Off delay: `3 readings` or `5m`.
    #[serde(default)]
    pub clear_for: Option<String>,
}

/// Re-check 研判 done by the program before a warning is raised.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recheck {
    /// `2 of 3 within 10m`: n of the last m readings hold the alarm's condition.
    #[serde(default)]
    pub need: Option<String>,
    /// The device must not be stuck, out of range or just back from silence.
    #[serde(default)]
    pub healthy: bool,
}

/// One grade of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// 1 to 4.
    pub severity: Severity,
    /// When: `value >= 50 && slope('10m') > 0`.
    pub when: String,
}

/// What makes two alarms one warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Each device on its own.
    #[default]
    Device,
    /// One warning per smallest area, whatever the number of sensors.
    Area,
}

/// How soon a warning must be answered, by colour, as typed durations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Severity 4.
    #[serde(default)]
    pub red: Option<String>,
    /// Severity 3.
    #[serde(default)]
    pub orange: Option<String>,
    /// Severity 2.
    #[serde(default)]
    pub yellow: Option<String>,
    /// Severity 1.
    #[serde(default)]
    pub blue: Option<String>,
}

/// A type of case (`cases.toml`, `[[case]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseType {
    /// Unique over all packs: `gas_leak`.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// GB/T 30428.2 class: `05-02`.
    pub class: String,
    /// Component 部件 or event 事件.
    pub object: CaseObject,
    /// Default severity of such cases.
    pub severity: Severity,
    /// Centre that owns it at first: `town`, `district` or `city`.
    pub level: Tier,
    /// Kind of agency that handles it: `gas_company`.
    pub lead: String,
    /// Kinds of agency that help.
    #[serde(default, rename = "with")]
    pub helpers: Vec<String>,
    /// Rows of the filing and closing standard 立结案标准.
    pub limits: Vec<LimitRow>,
    /// Its own procedure; the standard one if absent.
    #[serde(default)]
    pub procedure: Option<String>,
    /// The plan 预案 for emergencies of this type.
    #[serde(default)]
    pub plan: Option<String>,
    /// Photos that a step needs, by the word of the step: `{ finish = ["after"] }`.
    #[serde(default)]
    pub photos: BTreeMap<CommandKind, Vec<PhotoKind>>,
    /// Limits of the stages besides handling: `{ verify = "4 work_hour" }`; our defaults if absent.
    #[serde(default)]
    pub stages: BTreeMap<Stage, Limit>,
}

/// Component 部件 or event 事件 of GB/T 30428.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseObject {
    /// 部件.
    Component,
    /// 事件.
    Event,
}

/// One row of the filing and closing standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRow {
    /// Filing condition 立案条件.
    pub condition: Text,
    /// Handling limit 处置时限: `1 urgent_hour`, `4 work_hour`, `5 work_day`, `2 natural_day`.
    pub handle: String,
    /// Closing condition 结案条件.
    pub closes: Text,
    /// Where the numbers come from.
    pub source: String,
}

/// How devices of a kind look on the map (`layers.toml`, `[[layer]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Unique in its pack.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// The kind whose devices it shows.
    pub kind: String,
    /// `#RRGGBB`; never one of the four warning colours.
    pub color: String,
    /// `circle`, `square`, `triangle`, `diamond`, `drop`.
    pub symbol: String,
}

/// A text scenario of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// File name.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// A whole pack as read from its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// `pack.toml`.
    pub head: PackHead,
    /// `kinds.toml`.
    pub kinds: Vec<Kind>,
    /// `indicators.toml`.
    pub indicators: Vec<Indicator>,
    /// `rules.toml`.
    pub rules: Vec<Rule>,
    /// `cases.toml`.
    pub case_types: Vec<CaseType>,
    /// `cases.toml`, procedures of its own.
    pub procedures: Vec<Procedure>,
    /// `cases.toml`, plans 预案.
    pub plans: Vec<Plan>,
    /// `layers.toml`.
    pub layers: Vec<Layer>,
    /// `feeds.toml`.
    pub feeds: Vec<TransitFeed>,
    /// `scenarios/*.txt`.
    pub scenarios: Vec<Scenario>,
    /// `README.md`.
    pub readme: String,
    /// Its TOML files as they were read (path, text), so that a later fault can name a line.
    pub texts: Vec<(String, String)>,
}

/// What is wrong in a pack, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFault {
    /// Path as given to [`parse`].
    pub file: String,
    /// Line from 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// What is wrong.
    pub what: Text,
    /// How to mend it.
    pub fix: Text,
}

impl fmt::Display for PackFault {
    /// `rules.toml:12: unknown key `nmae`; did you mean `name`?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: {}; {}", self.file, self.line, self.what.en, self.fix.en)
        } else {
            write!(f, "{}: {}; {}", self.file, self.what.en, self.fix.en)
        }
    }
}

impl Pack {
    /// Line from 1 of a key, as `grade.1.when` in the `index`-th `[[rule]]` of `rules.toml` (`list`
    /// is `rule`), or of the nearest table around it; 0 when the file is not there.
    pub fn line(&self, file: &str, list: &str, index: usize, path: &str) -> u32 {
        let text = self.texts.iter().find(|(name, _)| name == file);
        let document = text.and_then(|(name, text)| document::Document::read(name, text).ok());
        document.map_or(0, |document| match list {
            "pack" => document.line_of_head(path),
            list => document.line(list, index, path),
        })
    }

    /// The README's two halves: Chinese first, English from the heading `## English` on. Without
    /// that heading both are the whole.
    pub fn readme_text(&self) -> Text {
        match self.readme.split_once("\n## English") {
            Some((zh, en)) => Text::new(zh.trim(), format!("## English{}", en.trim_end())),
            None => Text::new(self.readme.as_str(), self.readme.as_str()),
        }
    }
}

mod check;
pub(crate) mod document;
mod feed;
mod forms;
pub(crate) mod parse;
mod procedure;
pub mod rating;
mod rule_text;
pub(crate) mod shape;

pub use feed::TransitFeed;
pub use parse::parse;
pub use procedure::{ClockMove, HolderKind, Move, Plan, Procedure, Who};
pub use rule_text::{RULE_TEXT_BYTES_MAX, RULES_FILE};
