//! Terms of rule conditions, and rules as they are run.

use cel::common::ast::IdedExpr;
use chengmai_model::Severity;
use chengmai_model::pack::Cause;
use chengmai_model::time::parse_duration_ms;

use super::rollup_terms::unknown_function;
use crate::expr::values::ValueSet;
use crate::expr::{Node, Problem, Program, Type, Vocabulary, string_literal};
use crate::limits::SILENCE_MS_MAX;
use crate::setpoint;

/// What a condition of a rule may ask of a stream. Durations are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadingTerm {
    /// The reading.
    Value,
    /// Change per minute between the last two readings.
    Rate,
    /// Least-squares slope per minute over the time before the reading.
    Slope(i64),
    /// Score of the anomaly that stands in the stream, 0 to 1.
    Anomaly,
    /// The stream's own level of that severity; not known where it has none.
    Setpoint(Severity),
    /// Nothing has come in for so long.
    SilentFor(i64),
    /// The value has not changed for so long.
    StuckFor(i64),
}

/// A rule as it is run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CompiledRule {
    pub(crate) when: Program<ReadingTerm>,
    /// `None`: leaves when `when` does not hold.
    pub(crate) clear: Option<Program<ReadingTerm>>,
    pub(crate) on: Delay,
    pub(crate) off: Delay,
    /// True when the pack gave an off delay: only then a grade may fall before the alarm clears.
    pub(crate) grade_falls: bool,
    pub(crate) recheck: Recheck,
    /// Worst first.
    pub(crate) grades: Vec<(Severity, Program<ReadingTerm>)>,
    pub(crate) cause: Cause,
    /// Values at which a reading can make `when` hold, whatever the rest, of a stream without set-points.
    pub(crate) loud: ValueSet,
    /// `when` once more, if it asks for set-points: with them other values are loud.
    pub(crate) of_setpoints: Option<Box<Node<ReadingTerm>>>,
}

impl CompiledRule {
    /// Every term its conditions ask about.
    pub(crate) fn terms(&self) -> impl Iterator<Item = ReadingTerm> {
        let grades = self.grades.iter().flat_map(|(_, program)| program.terms());
        self.when.terms().chain(self.clear.iter().flat_map(Program::terms)).chain(grades)
    }
}

/// How long a condition must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    Readings(u32),
    TimeMs(i64),
}

impl Delay {
    /// True when the condition has held for `readings` readings over `ms`.
    pub(crate) fn reached(self, readings: u32, ms: i64) -> bool {
        match self {
            Self::Readings(need) => readings >= need,
            Self::TimeMs(need) => ms >= need,
        }
    }
}

/// `need` of the last `of` readings, none older than `within_ms`, hold the condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recheck {
    pub(crate) need: u8,
    pub(crate) of: u8,
    pub(crate) within_ms: i64,
    pub(crate) healthy: bool,
}

const WORDS: &str =
    "value, rate, anomaly, slope('10m'), silent_for('15m'), stuck_for('6h'), setpoint('red')";

/// The vocabulary of rule conditions.
pub(crate) struct Conditions;

impl Vocabulary for Conditions {
    type Term = ReadingTerm;

    fn name(&mut self, name: &str) -> Result<(ReadingTerm, Type), Problem> {
        match name {
            "value" => Ok((ReadingTerm::Value, Type::Number)),
            "rate" => Ok((ReadingTerm::Rate, Type::Number)),
            "anomaly" => Ok((ReadingTerm::Anomaly, Type::Number)),
            _ => Err(Problem::new(
                (format!("规则条件中没有 `{name}`"), format!("a rule knows no `{name}`")),
                (format!("可用：{WORDS}"), format!("known here: {WORDS}")),
            )),
        }
    }

    fn call(&mut self, name: &str, args: &[IdedExpr]) -> Result<(ReadingTerm, Type), Problem> {
        if name == "setpoint" {
            return setpoint(args);
        }
        if !matches!(name, "slope" | "silent_for" | "stuck_for") {
            return Err(unknown_function(name, WORDS));
        }
        let duration = match args {
            [only] => string_literal(only).and_then(parse_duration_ms),
            _ => None,
        };
        let Some(ms) = duration.filter(|&ms| ms > 0 && ms <= SILENCE_MS_MAX) else {
            return Err(Problem::new(
                (
                    format!("`{name}` 需要一个时长"),
                    format!("`{name}` takes one duration of at most a year"),
                ),
                (format!("写成 {name}('10m')"), format!("write {name}('10m')")),
            ));
        };
        Ok(match name {
            "slope" => (ReadingTerm::Slope(ms), Type::Number),
            "silent_for" => (ReadingTerm::SilentFor(ms), Type::Bool),
            _ => (ReadingTerm::StuckFor(ms), Type::Bool),
        })
    }
}

fn setpoint(args: &[IdedExpr]) -> Result<(ReadingTerm, Type), Problem> {
    let severity = match args {
        [only] => string_literal(only).and_then(setpoint::severity_named),
        _ => None,
    };
    let severity = severity.ok_or_else(|| {
        Problem::new(
            ("`setpoint` 需要一个颜色", "`setpoint` takes the colour of a severity"),
            (
                "写成 setpoint('red')；可用 blue、yellow、orange、red",
                "write setpoint('red'); known are blue, yellow, orange and red",
            ),
        )
    })?;
    Ok((ReadingTerm::Setpoint(severity), Type::Number))
}
