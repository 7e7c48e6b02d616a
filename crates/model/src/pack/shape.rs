//! The shape of a pack's files as tables: which keys there are, which must be there, and what each
//! may hold. One walk over a file finds every unknown key, missing key and wrong value at once.
//!
//! Not here: whether values fit together (`check`). Invariant: the tables name the same keys as the
//! structs of [`super`]; a test reads a file with every key through both.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Keep;
use super::document::{Document, find};
use super::forms::{is_class, is_color, is_delay, is_id, is_recheck, is_version};
use super::parse::Faults;
use crate::calendar::{Limit, WorkHours, parse_days};
use crate::time::parse_duration_ms;

mod cases;

pub(super) use cases::CASES;

/// Keys of one kind of table.
pub(crate) struct Shape {
    pub(crate) keys: &'static [Key],
}

pub(crate) struct Key {
    name: &'static str,
    needed: bool,
    of: Of,
}

/// What a key may hold.
pub(crate) enum Of {
    /// Any text that is not blank.
    Line,
    /// Lower-case letters, digits and `_`.
    Id,
    /// Ids joined by points: `gas.safe_share`.
    Code,
    /// `1.2.0`.
    Version,
    /// `30m`.
    Duration,
    /// `30d` or `forever`.
    Keep,
    /// `2 readings` or `30s`.
    Delay,
    /// `2 of 3 within 10m`.
    Recheck,
    /// `4 work_hour`.
    Limit,
    /// `08:00-12:00 14:00-18:00`.
    Hours,
    /// `2026-10-01` or `2026-10-01..2026-10-07`.
    Days,
    /// `05-02`.
    Class,
    /// `#RRGGBB`.
    Color,
    Number,
    Integer(i64, i64),
    Bool,
    Choice(&'static [&'static str]),
    /// Two numbers.
    Pair,
    List(&'static Of),
    Table(&'static Shape),
    Tables(&'static Shape),
}

pub(crate) const fn must(name: &'static str, of: Of) -> Key {
    Key { name, needed: true, of }
}

pub(crate) const fn may(name: &'static str, of: Of) -> Key {
    Key { name, needed: false, of }
}

pub(crate) const TEXT: Shape = Shape { keys: &[must("zh", Of::Line), must("en", Of::Line)] };
const KEEP: Shape = Shape {
    keys: &[may("raw", Of::Keep), may("m1", Of::Keep), may("h1", Of::Keep), may("d1", Of::Keep)],
};
const PERIOD: Shape = Shape { keys: &[must("normal", Of::Duration), may("alarm", Of::Duration)] };
pub(crate) const TIER: Of = Of::Choice(&["city", "district", "town", "community", "grid"]);

/// `pack.toml`.
pub(super) const PACK: Shape = Shape { keys: &[must("pack", Of::Table(&HEAD))] };
const HEAD: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("version", Of::Version),
        must("name", Of::Table(&TEXT)),
        must("section", Of::Id),
        must("track", Of::Table(&TEXT)),
        may("needs", Of::List(&Of::Line)),
        may("alerts", Of::List(&ALERT_CATEGORY)),
    ],
};

/// The categories of CAP 1.2.
const ALERT_CATEGORY: Of = Of::Choice(&[
    "Geo",
    "Met",
    "Safety",
    "Security",
    "Rescue",
    "Fire",
    "Health",
    "Env",
    "Transport",
    "Infra",
    "CBRNE",
    "Other",
]);

/// `kinds.toml`.
pub(super) const KINDS: Shape = Shape { keys: &[must("kind", Of::Tables(&KIND))] };
const KIND: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        must("unit", Of::Line),
        may("unit_aliases", Of::List(&Of::Line)),
        must("range", Of::Pair),
        may("decimals", Of::Integer(0, 9)),
        must("period", Of::Table(&PERIOD)),
        may("stuck_after", Of::Duration),
        may("keep", Of::Table(&KEEP)),
        must("source", Of::Line),
    ],
};

/// `indicators.toml`.
pub(super) const INDICATORS: Shape = Shape { keys: &[must("indicator", Of::Tables(&INDICATOR))] };
const INDICATOR: Shape = Shape {
    keys: &[
        must("code", Of::Code),
        must("name", Of::Table(&TEXT)),
        may("section", Of::Id),
        may("track", Of::Table(&TEXT)),
        must("unit", Of::Line),
        may("decimals", Of::Integer(0, 9)),
        must("better", Of::Choice(&["higher", "lower", "band"])),
        must("value", Of::Line),
        must("window", Of::Choice(&["1m", "5m", "1h", "1d"])),
        must("tiers", Of::List(&TIER)),
        may("levels", Of::Table(&LEVELS)),
        may("coverage_min", Of::Number),
        must("owner", Of::Line),
        may("files", Of::Id),
        must("source", Of::Line),
    ],
};
const LEVELS: Shape = Shape {
    keys: &[
        may("blue", Of::Number),
        may("yellow", Of::Number),
        may("orange", Of::Number),
        may("red", Of::Number),
        may("hysteresis", Of::Number),
        may("hold", Of::Duration),
        may("warn", Of::List(&TIER)),
    ],
};

/// `rules.toml`.
pub(super) const RULES: Shape = Shape { keys: &[must("rule", Of::Tables(&RULE))] };
const RULE: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        must("on", Of::Id),
        must("alarm", Of::Table(&ALARM)),
        may("recheck", Of::Table(&RECHECK)),
        must("grade", Of::Tables(&GRADE)),
        may("cause", Of::Choice(&["device", "area"])),
        may("under", Of::List(&Of::Line)),
        may("under_within", TIER),
        may("answer", Of::Table(&ANSWER)),
        may("files", Of::Id),
        may("files_at", Of::Integer(1, 4)),
        may("files_row", Of::Integer(0, 999)),
        must("source", Of::Line),
    ],
};
const ALARM: Shape = Shape {
    keys: &[
        must("when", Of::Line),
        may("clear", Of::Line),
        may("for", Of::Delay),
        may("clear_for", Of::Delay),
    ],
};
const RECHECK: Shape = Shape { keys: &[may("need", Of::Recheck), may("healthy", Of::Bool)] };
const GRADE: Shape = Shape { keys: &[must("severity", Of::Integer(1, 4)), must("when", Of::Line)] };
const ANSWER: Shape = Shape {
    keys: &[
        may("red", Of::Duration),
        may("orange", Of::Duration),
        may("yellow", Of::Duration),
        may("blue", Of::Duration),
    ],
};

/// `layers.toml`.
pub(super) const LAYERS: Shape = Shape { keys: &[must("layer", Of::Tables(&LAYER))] };
const LAYER: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        must("kind", Of::Id),
        must("color", Of::Color),
        must("symbol", Of::Choice(&["circle", "square", "triangle", "diamond", "drop"])),
    ],
};

/// `feeds.toml`.
pub(super) const FEEDS: Shape = Shape { keys: &[must("feed", Of::Tables(&FEED))] };
const FEED: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        may("url", Of::Line),
        may("every", Of::Duration),
        may("area", Of::Line),
        must("source", Of::Line),
    ],
};

/// Walks a file along its shape.
pub(super) fn walk(document: &Document<'_>, shape: &Shape, faults: &mut Faults) {
    table(document, shape, document.root.get_ref(), 0, faults);
}

fn table(
    document: &Document<'_>,
    shape: &Shape,
    table: &DeTable<'_>,
    start: usize,
    faults: &mut Faults,
) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let line = document.line_at(key.span().start);
        match shape.keys.iter().find(|k| k.name == name) {
            Some(known) => self::value(document, name, &known.of, value, line, faults),
            None => unknown(document, shape, name, line, faults),
        }
    }
    for key in shape.keys.iter().filter(|k| k.needed && find(table, k.name).is_none()) {
        let (name, example) = (key.name, key.of.example());
        faults.add(
            document.file,
            document.line_at(start),
            (format!("缺少必填项 `{name}`"), format!("missing key `{name}`")),
            (
                format!("在此表中加上 `{name} = {example}`"),
                format!("add `{name} = {example}` to this table"),
            ),
        );
    }
}

fn unknown(document: &Document<'_>, shape: &Shape, name: &str, line: u32, faults: &mut Faults) {
    let known: Vec<&str> = shape.keys.iter().map(|k| k.name).collect();
    let what = (format!("未知的键 `{name}`"), format!("unknown key `{name}`"));
    let near = nearest(name, known.iter().copied());
    let list = known.join(", ");
    let fix = did_you_mean(
        near,
        (format!("删去，或改为其一：{list}"), format!("remove it, or use one of: {list}")),
    );
    faults.add(document.file, line, what, fix);
}

fn value(
    document: &Document<'_>,
    name: &str,
    of: &Of,
    value: &Spanned<DeValue<'_>>,
    line: u32,
    faults: &mut Faults,
) {
    match (of, value.get_ref()) {
        (Of::Table(shape), DeValue::Table(inner)) => {
            table(document, shape, inner, value.span().start, faults);
        }
        (Of::Tables(shape), DeValue::Array(items)) => {
            for item in items {
                let start = item.span().start;
                match item.get_ref() {
                    DeValue::Table(inner) => table(document, shape, inner, start, faults),
                    _ => wrong(document, name, of, item, document.line_at(start), faults),
                }
            }
        }
        (Of::List(inner), DeValue::Array(items)) => {
            for item in items {
                let line = document.line_at(item.span().start);
                self::value(document, name, inner, item, line, faults);
            }
        }
        (Of::Pair, DeValue::Array(items)) => {
            let numbers = items.iter().filter(|v| is_number(v.get_ref())).count();
            if numbers != 2 || items.len() != 2 {
                wrong(document, name, of, value, line, faults);
            }
        }
        (of, plain) => {
            if !of.holds(plain) {
                wrong(document, name, of, value, line, faults);
            }
        }
    }
}

fn wrong(
    document: &Document<'_>,
    name: &str,
    of: &Of,
    value: &Spanned<DeValue<'_>>,
    line: u32,
    faults: &mut Faults,
) {
    let span = value.span();
    let shown: String =
        document.text.get(span).unwrap_or_default().lines().next().unwrap_or_default().into();
    let (zh, en) = of.words();
    let near = match (of, value.get_ref()) {
        (Of::Choice(words), DeValue::String(text)) => nearest(text, words.iter().copied()),
        _ => None,
    };
    let example = of.example();
    let fix = did_you_mean(
        near,
        (format!("例如 `{name} = {example}`"), format!("write for example `{name} = {example}`")),
    );
    faults.add(
        document.file,
        line,
        (format!("`{name}` 的值 {shown} 不是{zh}"), format!("`{name}` = {shown} is not {en}")),
        fix,
    );
}

impl Of {
    /// True when a plain value is what the key may hold.
    fn holds(&self, value: &DeValue<'_>) -> bool {
        match (self, value) {
            (Self::Number, value) => is_number(value),
            (Self::Integer(low, high), DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix())
                    .is_ok_and(|n| (*low..=*high).contains(&n))
            }
            (Self::Bool, DeValue::Boolean(_)) => true,
            (of, DeValue::String(text)) => of.holds_text(text),
            _ => false,
        }
    }

    fn holds_text(&self, text: &str) -> bool {
        match self {
            Self::Line => !text.trim().is_empty(),
            Self::Id => is_id(text),
            Self::Code => text.contains('.') && text.split('.').all(is_id),
            Self::Version => is_version(text),
            Self::Duration => parse_duration_ms(text).is_some_and(|ms| ms > 0),
            Self::Keep => text == Keep::FOREVER || Self::Duration.holds_text(text),
            Self::Delay => is_delay(text),
            Self::Recheck => is_recheck(text),
            Self::Limit => Limit::parse(text).is_some(),
            Self::Hours => WorkHours::parse(text).is_some(),
            Self::Days => parse_days(text).is_some(),
            Self::Class => is_class(text),
            Self::Color => is_color(text),
            Self::Choice(words) => words.contains(&text),
            _ => false,
        }
    }

    /// What is expected, in Chinese and English.
    fn words(&self) -> (String, String) {
        let (zh, en) = match self {
            Self::Line => ("非空文字", "a text"),
            Self::Id => ("标识（小写字母、数字、下划线）", "an id (lower-case letters, digits, _)"),
            Self::Code => ("以点分隔的代码", "a code with points"),
            Self::Version => ("版本号", "a version"),
            Self::Duration => ("时长", "a duration"),
            Self::Keep => ("时长或 forever", "a duration or `forever`"),
            Self::Delay => ("时长或读数个数", "a duration or a number of readings"),
            Self::Recheck => ("“m 次中的 n 次”复核条件", "an `n of m within` condition"),
            Self::Limit => ("处置时限", "a handling limit"),
            Self::Hours => ("工作时间", "working hours"),
            Self::Days => ("日期或日期区间", "a date, or a first and last one"),
            Self::Class => ("分类代码", "a class code"),
            Self::Color => ("颜色", "a colour"),
            Self::Number => ("数值", "a number"),
            Self::Integer(low, high) => {
                return (
                    format!(" {low} 到 {high} 的整数"),
                    format!("a whole number from {low} to {high}"),
                );
            }
            Self::Bool => ("布尔值", "true or false"),
            Self::Choice(words) => {
                let list = words.join(", ");
                return (format!("其一：{list}"), format!("one of {list}"));
            }
            Self::Pair => ("两个数", "two numbers"),
            Self::List(_) => ("列表", "a list"),
            Self::Table(_) => ("表", "a table"),
            Self::Tables(_) => ("表的列表", "a list of tables"),
        };
        (zh.to_owned(), en.to_owned())
    }

    /// A value of that sort as it would be typed.
    fn example(&self) -> String {
        let example = match self {
            Self::Line => "\"...\"",
            Self::Id => "\"gas_leak\"",
            Self::Code => "\"gas.safe_share\"",
            Self::Version => "\"1.0.0\"",
            Self::Duration => "\"30m\"",
            Self::Keep => "\"30d\"",
            Self::Delay => "\"2 readings\"",
            Self::Recheck => "\"2 of 3 within 10m\"",
            Self::Limit => "\"4 work_hour\"",
            Self::Hours => "\"08:00-12:00 14:00-18:00\"",
            Self::Days => "\"2026-10-01..2026-10-07\"",
            Self::Class => "\"05-02\"",
            Self::Color => "\"#2A9D8F\"",
            Self::Number => "10",
            Self::Integer(low, _) => return low.to_string(),
            Self::Bool => "true",
            Self::Choice(words) => return format!("\"{}\"", words[0]),
            Self::Pair => "[0, 100]",
            Self::List(inner) => return format!("[{}]", inner.example()),
            Self::Table(shape) => return shape.example(),
            Self::Tables(shape) => return format!("[{}]", shape.example()),
        };
        example.to_owned()
    }
}

impl Shape {
    fn example(&self) -> String {
        let keys: Vec<String> = self
            .keys
            .iter()
            .filter(|k| k.needed)
            .map(|k| format!("{} = {}", k.name, k.of.example()))
            .collect();
        format!("{{ {} }}", keys.join(", "))
    }
}

/// The fix that names the nearest known word, or another fix when none is near.
pub(super) fn did_you_mean(near: Option<&str>, otherwise: (String, String)) -> (String, String) {
    near.map_or(otherwise, |near| {
        (format!("是不是想写 `{near}`？"), format!("did you mean `{near}`?"))
    })
}

/// The known word most like `word`, if any is like it at all.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    known
        .map(|k| (strsim::jaro_winkler(word, k), k))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

fn is_number(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Integer(_) => true,
        DeValue::Float(number) => number.as_str().parse().is_ok_and(f64::is_finite),
        _ => false,
    }
}
