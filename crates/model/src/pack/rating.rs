//! How a city judges its areas, agencies and posts (`ratings.toml` of its pack): composites of rates,
//! deductions and bonuses with their grades, and what stars ask for.
//!
//! Not here: the arithmetic (`engine::rating`). Invariant: a part that was read has all that its
//! method needs, and points of every part lie within its own limits.

use serde::{Deserialize, Serialize};

use super::PackFault;
use super::document::Document;
use super::parse::{Faults, toml_file};
use super::shape::{Of, Shape, TEXT, may, must};
use crate::Text;
use crate::formula::Formula;

/// The file's name.
pub const RATINGS_FILE: &str = "ratings.toml";

/// What `ratings.toml` says; of a city without one: no evaluation, and stars by our defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ratings {
    /// Composites, in order.
    pub evaluations: Vec<Evaluation>,
    /// What stars ask for.
    pub stars: StarRules,
}

/// A composite 综合评价 (`[[evaluation]]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Unique in the file: `agency_monthly`.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// What it is for.
    pub objects: Vec<EvaluationObject>,
    /// What adds up to the score.
    pub parts: Vec<EvaluationPart>,
    /// Grades, best first.
    pub grades: Vec<EvaluationGrade>,
    /// With less of its full points known than this share, in percent, there is no score.
    pub coverage_min: f64,
    /// Where the weights come from.
    pub source: String,
}

/// What is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationObject {
    /// 区域.
    Area,
    /// 部门.
    Agency,
    /// 岗位: 采集员.
    Collector,
    /// 岗位: 受理员.
    Acceptor,
    /// 岗位: 派遣员.
    Dispatcher,
    /// 岗位: 值班长.
    DutyChief,
    /// Class of cases.
    Class,
}

/// One line of a composite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationPart {
    /// Its name.
    pub name: Text,
    /// How points follow from what is measured.
    #[serde(flatten)]
    pub rule: PartRule,
}

/// What a part measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A formula over cases: its rate in percent, or how many are counted.
    Formula(Formula),
    /// A figure that is no rate over cases, given by name: `complaints`.
    Figure(String),
}

/// How points follow from a measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum PartRule {
    /// `weight` times the rate, or times what the rate lacks to 1 when less is better.
    Share {
        /// Which rate.
        formula: Formula,
        /// Points at best.
        weight: f64,
        /// True when a higher rate is better.
        higher: bool,
    },
    /// Points of the first step that is reached; those below all steps get 0.
    Steps {
        /// Rate in percent, or figure.
        of: Measure,
        /// From the highest `from` down.
        steps: Vec<ScoreStep>,
    },
    /// `start` + `each` × count or figure ÷ the figures of `per`, within `min` and `max`.
    Each {
        /// How many are counted, or figure.
        of: Measure,
        /// Points at nought.
        start: f64,
        /// Points each; negative for a deduction.
        each: f64,
        /// Names of figures to divide by.
        per: Vec<String>,
        /// Points are never fewer.
        min: f64,
        /// Nor more.
        max: f64,
    },
}

/// One step of rates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreStep {
    /// From this value on.
    pub from: f64,
    /// Points.
    pub points: f64,
}

/// A grade of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationGrade {
    /// `A`.
    pub id: String,
    /// From this score on.
    pub from: f64,
    /// `#RRGGBB`.
    pub color: String,
    /// What the colour is called, since colour alone never carries meaning.
    pub name: Text,
}

/// What stars ask for (`[stars]`). All shares are in percent of the peers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StarRules {
    /// A star is given only with at least this probability, in percent.
    pub certainty: f64,
    /// Five stars: among so many of the best; one star: of the last.
    pub outer: f64,
    /// Four stars: among so many of the best; two stars: of the last.
    pub upper: f64,
    /// Three stars: neither among so many of the best nor of the last.
    pub middle: f64,
    /// How much of the belief the interval shown holds, in percent.
    pub interval: f64,
    /// Among fewer peers there are no stars.
    pub peers_min: u32,
    /// Every unit is judged by at most so many of its newest cases.
    pub cases_max: u32,
    /// Which are at most so many months old.
    pub months_max: u32,
    /// Where the numbers come from.
    pub source: String,
}

impl Default for StarRules {
    fn default() -> Self {
        Self {
            certainty: 80.0,
            outer: 10.0,
            upper: 30.0,
            middle: 20.0,
            interval: 90.0,
            peers_min: 10,
            cases_max: 500,
            months_max: 12,
            source: "default".to_owned(),
        }
    }
}

const RATINGS: Shape =
    Shape { keys: &[may("evaluation", Of::Tables(&EVALUATION)), may("stars", Of::Table(&STARS))] };
const EVALUATION: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        must("objects", Of::List(&OBJECT)),
        must("parts", Of::Tables(&PART)),
        must("grades", Of::Tables(&GRADE)),
        may("coverage_min", Of::Number),
        must("source", Of::Line),
    ],
};
const OBJECT: Of =
    Of::Choice(&["area", "agency", "collector", "acceptor", "dispatcher", "duty_chief", "class"]);
const PART: Shape = Shape {
    keys: &[
        must("name", Of::Table(&TEXT)),
        must("method", Of::Choice(&["share", "steps", "each"])),
        may("formula", Of::Choice(&Formula::WORDS)),
        may("figure", Of::Id),
        may("weight", Of::Number),
        may("better", Of::Choice(&["higher", "lower"])),
        may("steps", Of::Tables(&STEP)),
        may("start", Of::Number),
        may("each", Of::Number),
        may("per", Of::List(&Of::Id)),
        may("min", Of::Number),
        may("max", Of::Number),
    ],
};
const STEP: Shape = Shape { keys: &[must("from", Of::Number), must("points", Of::Number)] };
const GRADE: Shape = Shape {
    keys: &[
        must("id", Of::Line),
        must("from", Of::Number),
        must("color", Of::Color),
        must("name", Of::Table(&TEXT)),
    ],
};
const STARS: Shape = Shape {
    keys: &[
        must("certainty", Of::Number),
        must("outer", Of::Number),
        must("upper", Of::Number),
        must("middle", Of::Number),
        must("interval", Of::Number),
        must("peers_min", Of::Integer(3, 1_000_000)),
        must("cases_max", Of::Integer(1, 1_000_000)),
        must("months_max", Of::Integer(1, 120)),
        must("source", Of::Line),
    ],
};

/// Full points of which at least so much must be known, in percent, where a composite says nothing.
/// Our default.
const COVERAGE_MIN: f64 = 60.0;

#[derive(Deserialize)]
struct RatingFile {
    #[serde(default)]
    evaluation: Vec<EvaluationRow>,
    #[serde(default)]
    stars: StarRules,
}

#[derive(Deserialize)]
struct EvaluationRow {
    id: String,
    name: Text,
    objects: Vec<EvaluationObject>,
    parts: Vec<PartRow>,
    grades: Vec<EvaluationGrade>,
    coverage_min: Option<f64>,
    source: String,
}

#[derive(Deserialize)]
struct PartRow {
    name: Text,
    method: String,
    formula: Option<Formula>,
    figure: Option<String>,
    weight: Option<f64>,
    better: Option<String>,
    steps: Option<Vec<ScoreStep>>,
    start: Option<f64>,
    each: Option<f64>,
    #[serde(default)]
    per: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
}

/// Reads `ratings.toml` among the files of a pack; without it, the defaults. `None` after a fault.
pub(crate) fn read(files: &[(String, String)], faults: &mut Faults) -> Option<Ratings> {
    if !files.iter().any(|(file, _)| file == RATINGS_FILE) {
        return Some(Ratings::default());
    }
    let (file, document) = toml_file::<RatingFile>(files, RATINGS_FILE, &RATINGS, faults)?;
    let mut check = Check { document: &document, faults, sound: true };
    let mut evaluations: Vec<Evaluation> = Vec::new();
    for (index, row) in file.evaluation.into_iter().enumerate() {
        if evaluations.iter().any(|e| e.id == row.id) {
            let what = (format!("`{}` 重复", row.id), format!("`{}` comes twice", row.id));
            check.fault(index, "id", what, ("每项用不同的标识", "give each its own id"));
        }
        evaluations.extend(check.evaluation(index, row));
    }
    check.stars(&file.stars);
    check.sound.then_some(Ratings { evaluations, stars: file.stars })
}

/// Reads `ratings.toml` alone.
///
/// # Errors
/// Every fault, with file, line and fix.
pub fn parse_ratings(text: &str) -> Result<Ratings, Vec<PackFault>> {
    let mut faults = Faults::default();
    let read = read(&[(RATINGS_FILE.to_owned(), text.to_owned())], &mut faults);
    read.ok_or_else(|| faults.sorted())
}

struct Check<'a> {
    document: &'a Document<'a>,
    faults: &'a mut Faults,
    sound: bool,
}

impl Check<'_> {
    fn fault(
        &mut self,
        index: usize,
        path: &str,
        what: (impl Into<String>, impl Into<String>),
        fix: (impl Into<String>, impl Into<String>),
    ) {
        let line = self.document.line("evaluation", index, path);
        self.faults.add(RATINGS_FILE, line, what, fix);
        self.sound = false;
    }

    fn evaluation(&mut self, index: usize, row: EvaluationRow) -> Option<Evaluation> {
        for (name, empty) in [
            ("objects", row.objects.is_empty()),
            ("parts", row.parts.is_empty()),
            ("grades", row.grades.is_empty()),
        ] {
            if empty {
                let what = (format!("`{name}` 是空的"), format!("`{name}` is empty"));
                self.fault(index, name, what, ("至少写一项", "name at least one"));
            }
        }
        let falls = |values: &[f64]| values.windows(2).all(|pair| pair[1] < pair[0]);
        if !falls(&row.grades.iter().map(|grade| grade.from).collect::<Vec<_>>()) {
            let what = ("等级没有从高到低排列", "the grades do not go from the best down");
            self.fault(index, "grades", what, ("`from` 从高到低书写", "write `from` falling"));
        }
        let coverage_min = row.coverage_min.unwrap_or(COVERAGE_MIN);
        if !(0.0..=100.0).contains(&coverage_min) {
            let what = ("`coverage_min` 不是百分数", "`coverage_min` is no percentage");
            self.fault(index, "coverage_min", what, ("写 0 到 100 的数", "write 0 to 100"));
        }
        let mut parts = Vec::new();
        for (place, part) in row.parts.into_iter().enumerate() {
            parts.push(self.part(index, place, part)?);
        }
        Some(Evaluation {
            id: row.id,
            name: row.name,
            objects: row.objects,
            parts,
            grades: row.grades,
            coverage_min,
            source: row.source,
        })
    }

    /// One part with all that its method needs and nothing that it would pass over.
    fn part(&mut self, index: usize, place: usize, row: PartRow) -> Option<EvaluationPart> {
        let given = [
            ("formula", row.formula.is_some()),
            ("figure", row.figure.is_some()),
            ("weight", row.weight.is_some()),
            ("better", row.better.is_some()),
            ("steps", row.steps.is_some()),
            ("start", row.start.is_some()),
            ("each", row.each.is_some()),
            ("per", !row.per.is_empty()),
            ("min", row.min.is_some()),
            ("max", row.max.is_some()),
        ];
        let (used, method): (&[&str], &str) = match row.method.as_str() {
            "share" => (&["formula", "weight", "better"], "share"),
            "steps" => (&["formula", "figure", "steps"], "steps"),
            _ => (&["formula", "figure", "start", "each", "per", "min", "max"], "each"),
        };
        let mut sound = true;
        for (key, _) in given.iter().filter(|(key, given)| *given && !used.contains(key)) {
            let what = (
                format!("方法 {method} 不用 `{key}`"),
                format!("the method {method} does not use `{key}`"),
            );
            self.fault(index, &format!("parts.{place}.{key}"), what, ("删去它", "remove it"));
            sound = false;
        }
        let found = rule(&row);
        if let Err(lacks) = found {
            let what = (
                format!("方法 {method} 缺少 {lacks}，或其值不能用"),
                format!("the method {method} lacks {lacks}, or its value is of no use"),
            );
            let fix = (
                "share 要 formula 与大于 0 的 weight；steps 要 formula 或 figure，以及 from 从高到低的 steps；\
                 each 要 formula 或 figure，以及 each、min ≤ start ≤ max",
                "share needs formula and a weight above 0; steps needs formula or figure, and steps with falling \
                 `from`; each needs formula or figure, each, and min <= start <= max",
            );
            self.fault(index, &format!("parts.{place}.{lacks}"), what, fix);
        }
        let rule = found.ok().filter(|_| sound)?;
        Some(EvaluationPart { name: row.name, rule })
    }

    fn stars(&mut self, rules: &StarRules) {
        let share = |value: f64, low: f64, high: f64| low < value && value < high;
        let sound = share(rules.certainty, 50.0, 100.0)
            && share(rules.interval, 0.0, 100.0)
            && share(rules.outer, 0.0, rules.upper)
            && share(rules.upper, 0.0, 50.0)
            && share(rules.middle, 0.0, 50.0)
            && 100.0 - 2.0 * rules.middle < rules.certainty;
        if !sound {
            let line = self.document.line_of_table("stars");
            let what = ("评星的比例不合用", "the shares of the stars do not fit together");
            let fix = (
                "certainty 大于 50；outer 小于 upper，upper 小于 50；三星的中间段（100 − 2×middle）须窄于 certainty，\
                 否则毫无证据也得三星",
                "certainty above 50; outer below upper, upper below 50; the middle of three stars (100 - 2 x middle) \
                 narrower than certainty, or no evidence at all would be three stars",
            );
            self.faults.add(RATINGS_FILE, line, what, fix);
            self.sound = false;
        }
    }
}

/// The rule of a part; or the key that it lacks.
fn rule(row: &PartRow) -> Result<PartRule, &'static str> {
    let measure = || match (&row.formula, &row.figure) {
        (Some(formula), None) => Ok(Measure::Formula(*formula)),
        (None, Some(figure)) => Ok(Measure::Figure(figure.clone())),
        _ => Err("formula"),
    };
    match row.method.as_str() {
        "share" => {
            let formula = row.formula.ok_or("formula")?;
            let weight = row.weight.filter(|weight| *weight > 0.0).ok_or("weight")?;
            let better = row.better.as_deref();
            let higher = better.map_or(formula.higher_is_better(), |better| better == "higher");
            Ok(PartRule::Share { formula, weight, higher })
        }
        "steps" => {
            let steps = row.steps.clone().filter(|steps| {
                !steps.is_empty() && steps.windows(2).all(|pair| pair[1].from < pair[0].from)
            });
            Ok(PartRule::Steps { of: measure()?, steps: steps.ok_or("steps")? })
        }
        _ => {
            let start = row.start.unwrap_or(0.0);
            let each = row.each.filter(|each| *each != 0.0).ok_or("each")?;
            // A deduction ends at its floor and a bonus at its cap; the other end is where it starts.
            let min = row.min.or((each > 0.0).then_some(start)).ok_or("min")?;
            let max = row.max.or((each < 0.0).then_some(start)).ok_or("max")?;
            if !(min <= start && start <= max && min < max) {
                return Err("start");
            }
            Ok(PartRule::Each { of: measure()?, start, each, per: row.per.clone(), min, max })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r##"
[[evaluation]]
id = "monthly"
name = { zh = "月度", en = "Monthly" }
objects = ["agency"]
source = "default"
parts = [
  { name = { zh = "处置率", en = "Handled" }, method = "share", formula = "disposed", weight = 30 },
  { name = { zh = "返工率", en = "Rework" }, method = "share", formula = "reworked", weight = 20 },
  { name = { zh = "扣分", en = "Deduction" }, method = "each", formula = "open_overdue", start = 20, each = -0.1, min = 0 },
  { name = { zh = "投诉", en = "Complaints" }, method = "each", figure = "complaints", start = 30, each = -2, per = ["area_km2"], min = 0 },
  { name = { zh = "加分", en = "Bonus" }, method = "each", figure = "awards", each = 1, max = 5 },
  { name = { zh = "分档", en = "Steps" }, method = "steps", formula = "satisfied", steps = [ { from = 95, points = 0 }, { from = 90, points = -2 }, { from = 0, points = -5 } ] },
]
grades = [
  { id = "A", from = 90, color = "#2A9D8F", name = { zh = "绿", en = "green" } },
  { id = "E", from = 0, color = "#C1121F", name = { zh = "红", en = "red" } },
]

[stars]
certainty = 80
outer = 10
upper = 30
middle = 20
interval = 90
peers_min = 10
cases_max = 500
months_max = 12
source = "default"
"##;

    /// Lines of the faults after one replacement in a good file.
    #[track_caller]
    fn check(from: &str, to: &str, expected: &str) {
        assert!(GOOD.contains(from), "{from}");
        let faults = parse_ratings(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(faults.iter().all(|f| f.file == RATINGS_FILE && !f.fix.zh.is_empty()));
        let line = GOOD.lines().position(|line| line.contains(expected)).unwrap() + 1;
        let lines: Vec<usize> = faults.iter().map(|f| f.line as usize).collect();
        assert_eq!(lines, [line], "{}", faults[0]);
    }

    #[test]
    fn a_good_file_reads_and_less_is_better_where_the_formula_says_so() {
        let ratings = parse_ratings(GOOD).unwrap();
        let parts = &ratings.evaluations[0].parts;
        assert_eq!(parts.len(), 6);
        assert_eq!(
            parts[1].rule,
            PartRule::Share { formula: Formula::Reworked, weight: 20.0, higher: false }
        );
        assert!(matches!(&parts[4].rule, PartRule::Each { min: 0.0, max: 5.0, .. }));
        assert_eq!(ratings.stars, StarRules::default());
        assert_eq!(parse_ratings("").unwrap(), Ratings::default());
    }

    #[test]
    fn faults_name_their_line() {
        check("weight = 30", "wieght = 30", "weight = 30");
        check("formula = \"disposed\"", "formula = \"disposd\"", "weight = 30");
        check("weight = 30", "weight = 0", "weight = 30");
        check("weight = 30", "weight = 30, each = 1", "weight = 30");
        check("start = 20, each = -0.1, min = 0", "start = 20, each = -0.1", "open_overdue");
        check(
            "min = 0 },\n  { name = { zh = \"投诉\"",
            "min = 25 },\n  { name = { zh = \"投诉\"",
            "open_overdue",
        );
        check("{ from = 90, points = -2 }", "{ from = 96, points = -2 }", "分档");
        check("{ id = \"E\", from = 0", "{ id = \"E\", from = 95", "grades = [");
        check("objects = [\"agency\"]", "objects = [\"agencies\"]", "objects");
        check("middle = 20", "middle = 5", "[stars]");
        check("certainty = 80", "certainty = 40", "[stars]");
    }

    #[test]
    fn two_composites_of_one_name_are_a_fault() {
        let twice = format!("{GOOD}{}", GOOD.split("[stars]").next().unwrap());
        let faults = parse_ratings(&twice).unwrap_err();
        assert_eq!(faults.len(), 1, "{}", faults[0]);
        assert!(faults[0].what.en.contains("comes twice"));
    }
}
