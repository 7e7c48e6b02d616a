//! Whether the values of a pack fit together: order of levels and grades, ranges, periods, names
//! used once, references inside the pack. Numbers in messages are those of the file.
//!
//! Not here: expressions, and references to other packs (`engine::catalog`).

use std::collections::BTreeMap;

use super::document::Document;
use super::parse::Faults;
use super::shape::{did_you_mean, nearest};
use super::{Better, CaseType, Indicator, Kind, Layer, Levels, PackHead, Rule, TransitFeed};
use crate::Tier;
use crate::time::parse_duration_ms;

/// Items of one file with the file they stand in; no document when the pack has no such file.
type Part<'a, T> = Option<(&'a [T], Option<&'a Document<'a>>)>;

/// What could be read of a pack; `None` where a file has faults of its own.
pub(super) struct Parts<'a> {
    pub(super) head: Option<(&'a PackHead, &'a Document<'a>)>,
    pub(super) kinds: Part<'a, Kind>,
    pub(super) indicators: Part<'a, Indicator>,
    pub(super) rules: Part<'a, Rule>,
    pub(super) cases: Part<'a, CaseType>,
    pub(super) layers: Part<'a, Layer>,
    pub(super) feeds: Part<'a, TransitFeed>,
}

/// The city's eight sections, to tell a slip of the pen from another city's own section.
const SECTIONS: [&str; 8] = [
    "party_leadership",
    "economic_development",
    "facility_operation",
    "social_governance",
    "emergency_mobilization",
    "civic_culture",
    "ecological_landscape",
    "production_and_living_services",
];

/// The four warning colours, which no layer may come near.
const WARNING_COLORS: [(&str, [i32; 3]); 4] = [
    ("blue", [0x2F, 0x6F, 0xDE]),
    ("yellow", [0xE0, 0xA1, 0x00]),
    ("orange", [0xE8, 0x73, 0x0C]),
    ("red", [0xD9, 0x2D, 0x20]),
];

/// Smallest distance (in steps of red, green and blue) from a warning colour.
const COLOR_DISTANCE_MIN: i32 = 48;

/// Checks all that could be read.
pub(super) fn check(parts: &Parts<'_>, faults: &mut Faults) {
    if let Some((head, document)) = parts.head {
        section(document, document.line_of_head("section"), &head.section, faults);
    }
    each(parts.kinds, "kind", faults, |kind, at, faults| check_kind(kind, at, faults));
    each(parts.indicators, "indicator", faults, |indicator, at, faults| {
        check_indicator(indicator, at, faults);
        let cases = names(parts.cases, |case| &case.id);
        refers(parts, "files", indicator.files.as_deref(), cases.as_ref(), "case", at, faults);
    });
    each(parts.rules, "rule", faults, |rule, at, faults| check_rule(parts, rule, at, faults));
    each(parts.cases, "case", faults, |case, at, faults| check_case(case, at, faults));
    each(parts.layers, "layer", faults, |layer, at, faults| {
        check_color(layer, at, faults);
        let kinds = names(parts.kinds, |kind| &kind.id);
        refers(parts, "kind", Some(&layer.kind), kinds.as_ref(), "kind", at, faults);
    });
    once(parts.kinds, "kind", "id", |kind| &kind.id, faults);
    once(parts.indicators, "indicator", "code", |indicator| &indicator.code, faults);
    once(parts.rules, "rule", "id", |rule| &rule.id, faults);
    once(parts.cases, "case", "id", |case| &case.id, faults);
    once(parts.layers, "layer", "id", |layer| &layer.id, faults);
    once(parts.feeds, "feed", "id", |feed| &feed.id, faults);
    each(parts.feeds, "feed", faults, |feed, at, faults| {
        for (key, what, fix) in feed.wrong() {
            at.fault(key, (what.zh, what.en), (fix.zh, fix.en), faults);
        }
    });
}

/// An item's place.
#[derive(Clone, Copy)]
struct At<'a> {
    document: &'a Document<'a>,
    list: &'static str,
    index: usize,
}

impl At<'_> {
    fn fault(
        self,
        path: &str,
        what: (impl Into<String>, impl Into<String>),
        fix: (impl Into<String>, impl Into<String>),
        faults: &mut Faults,
    ) {
        let line = self.document.line(self.list, self.index, path);
        faults.add(self.document.file, line, what, fix);
    }
}

fn each<'a, T>(
    part: Part<'a, T>,
    list: &'static str,
    faults: &mut Faults,
    mut check: impl FnMut(&T, At<'a>, &mut Faults),
) {
    let Some((items, Some(document))) = part else { return };
    for (index, item) in items.iter().enumerate() {
        check(item, At { document, list, index }, faults);
    }
}

fn names<'a, T>(part: Part<'a, T>, name: impl Fn(&'a T) -> &'a String) -> Option<Vec<&'a str>> {
    part.map(|(items, _)| items.iter().map(|item| name(item).as_str()).collect())
}

/// Names that stand for one thing only.
fn once<T>(
    part: Part<'_, T>,
    list: &'static str,
    key: &str,
    name: impl Fn(&T) -> &String,
    faults: &mut Faults,
) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    each(part, list, faults, |item, at, faults| {
        let name = name(item);
        let line = at.document.line(list, at.index, key);
        match seen.get(name) {
            Some(first) => at.fault(
                key,
                (
                    format!("`{name}` 已在第 {first} 行用过"),
                    format!("`{name}` is already used in line {first}"),
                ),
                ("每项用不同的名字", "give each its own name"),
                faults,
            ),
            None => {
                seen.insert(name.clone(), line);
            }
        }
    });
}

/// A name of something in this pack, or, when the pack needs others, perhaps in one of those.
fn refers(
    parts: &Parts<'_>,
    key: &str,
    name: Option<&str>,
    known: Option<&Vec<&str>>,
    what: &str,
    at: At<'_>,
    faults: &mut Faults,
) {
    let (Some(name), Some(known), Some((head, _))) = (name, known, parts.head) else { return };
    if known.contains(&name) || !head.needs.is_empty() {
        return;
    }
    let file = if what == "kind" { "kinds.toml" } else { "cases.toml" };
    let fix = did_you_mean(
        nearest(name, known.iter().copied()),
        (
            format!("在 {file} 中声明它，或在 pack.toml 的 needs 中写明它所在的场景包"),
            format!(
                "declare it in {file}, or name the pack it comes from under `needs` in pack.toml"
            ),
        ),
    );
    at.fault(
        key,
        (format!("{file} 中没有 `{name}`"), format!("there is no {what} `{name}` in {file}")),
        fix,
        faults,
    );
}

fn section(document: &Document<'_>, line: u32, section: &str, faults: &mut Faults) {
    if SECTIONS.contains(&section) {
        return;
    }
    if let Some(near) = nearest(section, SECTIONS.into_iter()) {
        faults.add(
            document.file,
            line,
            (format!("没有板块 `{section}`"), format!("there is no section `{section}`")),
            (format!("是不是想写 `{near}`？"), format!("did you mean `{near}`?")),
        );
    }
}

fn check_kind(kind: &Kind, at: At<'_>, faults: &mut Faults) {
    let [low, high] = kind.range;
    if low >= high {
        at.fault(
            "range",
            (
                format!("量程下限 {low} 不小于上限 {high}"),
                format!("the range runs from {low} to {high}, which is not upwards"),
            ),
            ("写成 [最低, 最高]", "write [lowest, highest]"),
            faults,
        );
    }
    let normal = parse_duration_ms(&kind.period.normal).unwrap_or(0);
    if let Some(alarm) = &kind.period.alarm
        && parse_duration_ms(alarm).unwrap_or(0) > normal
    {
        at.fault(
            "period.alarm",
            (
                format!("报警时的周期 {alarm} 比平时的 {} 还长", kind.period.normal),
                format!(
                    "the period in alarm, {alarm}, is longer than the normal {}",
                    kind.period.normal
                ),
            ),
            ("报警时应不慢于平时", "make it as short as the normal one or shorter"),
            faults,
        );
    }
    let keep = kind.keep.durations_ms().map(|time| time.unwrap_or(i64::MAX));
    if let Some(rung) = (1..keep.len()).find(|&rung| keep[rung] < keep[rung - 1]) {
        let (texts, names) = (kind.keep.texts(), ["raw", "m1", "h1", "d1"]);
        let (shorter, longer) = (names[rung], names[rung - 1]);
        at.fault(
            "keep",
            (
                format!("{shorter} 只保存 {}，比 {longer} 的 {} 短", texts[rung], texts[rung - 1]),
                format!(
                    "{shorter} is kept for {}, which is shorter than {longer} for {}",
                    texts[rung],
                    texts[rung - 1]
                ),
            ),
            ("越粗的汇总应保存越久", "keep the coarser as long as the finer or longer"),
            faults,
        );
    }
    if let Some(stuck) = &kind.stuck_after
        && parse_duration_ms(stuck).unwrap_or(0) <= normal
    {
        at.fault(
            "stuck_after",
            (
                format!("卡值时长 {stuck} 不超过上报周期 {}", kind.period.normal),
                format!("stuck_after {stuck} is not longer than the period {}", kind.period.normal),
            ),
            ("至少写几个周期", "write several periods"),
            faults,
        );
    }
}

fn check_indicator(indicator: &Indicator, at: At<'_>, faults: &mut Faults) {
    if let Some(name) = &indicator.section {
        section(at.document, at.document.line(at.list, at.index, "section"), name, faults);
    }
    if indicator.tiers.is_empty() || has_twice(&indicator.tiers) {
        at.fault(
            "tiers",
            ("层级为空或有重复", "the tiers are empty or name one twice"),
            ("写明在哪些层级显示，每级一次", "name the tiers it is shown on, each once"),
            faults,
        );
    }
    if !(0.0..=100.0).contains(&indicator.coverage_min) {
        at.fault(
            "coverage_min",
            ("覆盖率下限不在 0 到 100 之间", "coverage_min is not between 0 and 100"),
            ("以百分数填写，如 80", "write a percentage such as 80"),
            faults,
        );
    }
    if let Some(levels) = &indicator.levels {
        check_levels(indicator, levels, at, faults);
    }
}

fn check_levels(indicator: &Indicator, levels: &Levels, at: At<'_>, faults: &mut Faults) {
    let steps = [
        ("blue", levels.blue),
        ("yellow", levels.yellow),
        ("orange", levels.orange),
        ("red", levels.red),
    ];
    let given: Vec<(&str, f64)> =
        steps.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if indicator.better == Better::Band || given.is_empty() {
        at.fault(
            "levels",
            (
                "没有好坏方向的指标不能分级，分级表也不能为空",
                "a `band` indicator has no levels, and a table of levels names at least one",
            ),
            (
                "删去 levels，或写明 better 与各级数值",
                "remove `levels`, or give `better` and numbers",
            ),
            faults,
        );
        return;
    }
    for pair in given.windows(2) {
        let ((mild, mild_value), (worse, worse_value)) = (pair[0], pair[1]);
        let (ordered, zh, en) = match indicator.better {
            Better::Higher => (worse_value < mild_value, "小", "below"),
            _ => (worse_value > mild_value, "大", "above"),
        };
        if !ordered {
            at.fault(
                &format!("levels.{worse}"),
                (
                    format!("{worse} = {worse_value} 并不比 {mild} = {mild_value} 更差"),
                    format!("{worse} = {worse_value} is not worse than {mild} = {mild_value}"),
                ),
                (
                    format!("{worse} 应{zh}于 {mild_value}"),
                    format!("put {worse} {en} {mild_value}"),
                ),
                faults,
            );
        }
    }
    if levels.hysteresis < 0.0 {
        at.fault(
            "levels.hysteresis",
            ("回差为负", "the hysteresis is negative"),
            ("写零或正数，方向由 better 决定", "write zero or more; `better` gives the direction"),
            faults,
        );
    }
    if let Some(tier) = levels.warn.iter().find(|tier| !indicator.tiers.contains(tier)) {
        let word = tier.word();
        at.fault(
            "levels.warn",
            (
                format!("在 {word} 级预警，但指标不在该级显示"),
                format!("it warns on the tier {word}, where it is not shown"),
            ),
            (
                format!("把 {word} 加入 tiers，或从 warn 中删去"),
                format!("add {word} to `tiers`, or remove it from `warn`"),
            ),
            faults,
        );
    }
}

fn has_twice(tiers: &[Tier]) -> bool {
    tiers.iter().enumerate().any(|(n, tier)| tiers[..n].contains(tier))
}

fn check_rule(parts: &Parts<'_>, rule: &Rule, at: At<'_>, faults: &mut Faults) {
    let kinds = names(parts.kinds, |kind| &kind.id);
    refers(parts, "on", Some(&rule.on), kinds.as_ref(), "kind", at, faults);
    let cases = names(parts.cases, |case| &case.id);
    refers(parts, "files", rule.files.as_deref(), cases.as_ref(), "case", at, faults);
    if rule.grade.is_empty() {
        at.fault(
            "grade",
            ("规则没有任何分级", "the rule has no grade"),
            (
                "至少写一级：{ severity = 1, when = \"true\" }",
                "write at least one: { severity = 1, when = \"true\" }",
            ),
            faults,
        );
    }
    for (n, pair) in rule.grade.windows(2).enumerate() {
        if pair[1].severity <= pair[0].severity {
            at.fault(
                &format!("grade.{}.severity", n + 1),
                (
                    "分级没有从轻到重排列，或同一级写了两次",
                    "the grades do not run from mild to severe, or name one twice",
                ),
                ("按 severity 由小到大排列", "order them by severity, smallest first"),
                faults,
            );
        }
    }
    check_filing(parts, rule, at, faults);
}

fn check_filing(parts: &Parts<'_>, rule: &Rule, at: At<'_>, faults: &mut Faults) {
    if let Some(least) = rule.files_at {
        if rule.files.is_none() {
            at.fault(
                "files_at",
                ("写了 files_at 却没有 files", "there is files_at but no files"),
                ("写明立哪类案件", "name the case type to file"),
                faults,
            );
        }
        if !rule.grade.is_empty() && rule.grade.iter().all(|grade| grade.severity < least) {
            at.fault(
                "files_at",
                (
                    format!("没有任何分级达到 {}", least.number()),
                    format!("no grade reaches {}", least.number()),
                ),
                ("加上该级，或调低 files_at", "add such a grade, or lower files_at"),
                faults,
            );
        }
    }
    let (Some(files), Some((cases, _))) = (&rule.files, parts.cases) else { return };
    let Some(case) = cases.iter().find(|case| case.id == *files) else { return };
    if rule.files_row >= case.limits.len() {
        let (row, rows) = (rule.files_row, case.limits.len());
        at.fault(
            "files_row",
            (
                format!("`{files}` 只有 {rows} 行标准，没有第 {row} 行（从 0 数）"),
                format!("`{files}` has {rows} rows, so there is no row {row} (counted from 0)"),
            ),
            (
                format!("写 0 到 {} 之间的行号", rows.saturating_sub(1)),
                format!("write a row from 0 to {}", rows.saturating_sub(1)),
            ),
            faults,
        );
    }
}

fn check_case(case: &CaseType, at: At<'_>, faults: &mut Faults) {
    if case.limits.is_empty() {
        at.fault(
            "limits",
            ("没有立结案标准", "there is no row of the filing standard"),
            (
                "至少写一行：立案条件、处置时限、结案条件、出处",
                "write at least one: condition, handle, closes, source",
            ),
            faults,
        );
    }
    if case.helpers.contains(&case.lead) {
        at.fault(
            "with",
            (
                format!("牵头单位 `{}` 又列为配合单位", case.lead),
                format!("`{}` both leads and helps", case.lead),
            ),
            ("从 with 中删去", "remove it from `with`"),
            faults,
        );
    }
}

fn check_color(layer: &Layer, at: At<'_>, faults: &mut Faults) {
    let part = |n: usize| i32::from_str_radix(layer.color.get(n..n + 2).unwrap_or("0"), 16);
    let (Ok(red), Ok(green), Ok(blue)) = (part(1), part(3), part(5)) else { return };
    for (name, [r, g, b]) in WARNING_COLORS {
        let distance = (red - r).pow(2) + (green - g).pow(2) + (blue - b).pow(2);
        if distance < COLOR_DISTANCE_MIN.pow(2) {
            at.fault(
                "color",
                (
                    format!("颜色 {} 与预警色 {name} 难以区分", layer.color),
                    format!("the colour {} looks like the warning colour {name}", layer.color),
                ),
                (
                    "四种预警色只用于预警，请换一种颜色",
                    "the four warning colours are for warnings only; choose another",
                ),
                faults,
            );
        }
    }
}
