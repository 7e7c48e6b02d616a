//! Terms of indicator formulas: counts, sums and extremes that roll up over areas. Ratios never roll
//! up: a formula divides after its terms have been folded.

use cel::common::ast::IdedExpr;
use chengmai_model::KindId;

use crate::expr::values::{Known, constant, exact, possible};
use crate::expr::{Problem, Type, Vocabulary, dotted_name, resolve_parsed};

/// A term as the formula writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RollupTerm {
    pub(crate) kind: KindId,
    pub(crate) field: Field,
}

/// What of a kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Field {
    Count,
    /// Readings with `low <= value <= high`.
    CountWithin(f64, f64),
    Sum,
    Min,
    Max,
    Mean,
    Last,
    /// In ten-thousandths.
    Quantile(u16),
    Registered,
    Online,
    OnlineRatio,
}

impl Field {
    /// True when it is about readings, not registrations.
    pub(crate) fn reads(self) -> bool {
        !matches!(self, Self::Registered | Self::Online | Self::OnlineRatio)
    }
}

/// Parts of a share that quantiles are told in.
pub(crate) const SHARES: f64 = 10_000.0;

/// A term as it is loaded: which of the indicator's kinds, and where in its accumulator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SlotTerm {
    /// Index into the indicator's kinds.
    pub(crate) kind: u8,
    pub(crate) load: Load,
}

/// Where a term lies. Offsets are words of the accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Count,
    Word(u16),
    Sum(u16),
    Float(u16),
    Mean(u16),
    /// In ten-thousandths.
    Quantile(u16),
    Registered,
    Online,
    OnlineRatio,
}

const FUNCTIONS: &str = "count sum min max mean avg last quantile registered online online_ratio";

/// The vocabulary of formulas.
pub(crate) struct Formula<'a> {
    pub(crate) kind_id: &'a dyn Fn(&str) -> Option<KindId>,
}

impl Vocabulary for Formula<'_> {
    type Term = RollupTerm;

    fn name(&mut self, name: &str) -> Result<(RollupTerm, Type), Problem> {
        Err(Problem::new(
            (format!("`{name}` 不能单独使用"), format!("`{name}` cannot stand alone")),
            (
                format!("写成 count({name})、mean({name}) 等：{FUNCTIONS}"),
                format!("write count({name}), mean({name}) or another of: {FUNCTIONS}"),
            ),
        ))
    }

    fn call(&mut self, name: &str, args: &[IdedExpr]) -> Result<(RollupTerm, Type), Problem> {
        let field = match name {
            "count" => Field::Count,
            "sum" => Field::Sum,
            "min" => Field::Min,
            "max" => Field::Max,
            "mean" | "avg" => Field::Mean,
            "last" => Field::Last,
            "registered" => Field::Registered,
            "online" => Field::Online,
            "online_ratio" => Field::OnlineRatio,
            "quantile" if args.len() == 2 => Field::Quantile(0),
            "quantile" => return Err(bad_quantile()),
            _ => return Err(unknown_function(name, FUNCTIONS)),
        };
        if let ("quantile", [kind, share]) = (name, args) {
            let kind = dotted_name(kind).ok_or_else(bad_quantile)?;
            return Ok((
                RollupTerm { kind: self.find(&kind)?, field: share_of(share)? },
                Type::Number,
            ));
        }
        let [argument] = args else {
            return Err(Problem::new(
                (format!("`{name}` 需要一个参数"), format!("`{name}` takes one argument")),
                (format!("写成 {name}(类型)"), format!("write {name}(kind)")),
            ));
        };
        if let Some(kind) = dotted_name(argument) {
            return Ok((RollupTerm { kind: self.find(&kind)?, field }, Type::Number));
        }
        if field != Field::Count {
            return Err(Problem::new(
                (
                    format!("`{name}` 的参数应是类型名"),
                    format!("the argument of `{name}` must be a kind"),
                ),
                ("只有 count 可以带条件", "only count takes a condition: count(methane < 20)"),
            ));
        }
        let (kind, low, high) = self.condition(argument)?;
        Ok((RollupTerm { kind, field: Field::CountWithin(low, high) }, Type::Number))
    }
}

impl Formula<'_> {
    fn find(&self, kind: &str) -> Result<KindId, Problem> {
        (self.kind_id)(kind).ok_or_else(|| unknown_kind(kind))
    }

    fn condition(&self, argument: &IdedExpr) -> Result<(KindId, f64, f64), Problem> {
        let mut words = Condition { kind: None };
        let node = resolve_parsed(argument, Type::Bool, &mut words)?;
        let known = |()| Known::Value;
        let interval = possible(&node, true, &known).single().filter(|_| exact(&node, &known));
        match (words.kind, interval) {
            (Some(kind), Some((low, high))) => Ok((self.find(&kind)?, low, high)),
            _ => Err(Problem::new(
                (
                    "count 的条件须是同一类型与常数的比较，并构成一个区间",
                    "a condition of count compares one kind with constants and must be one interval",
                ),
                (
                    "例如 count(ph >= 6.5 && ph <= 8.5)；用 || 时把两个 count 相加",
                    "such as count(ph >= 6.5 && ph <= 8.5); instead of || add two counts",
                ),
            )),
        }
    }
}

/// The vocabulary inside `count(...)`: one kind, standing for its value.
struct Condition {
    kind: Option<String>,
}

impl Vocabulary for Condition {
    type Term = ();

    fn name(&mut self, name: &str) -> Result<((), Type), Problem> {
        match &self.kind {
            Some(kind) if kind != name => Err(Problem::new(
                (
                    format!("一个 count 里有两个类型：`{kind}` 与 `{name}`"),
                    format!("two kinds in one count: `{kind}` and `{name}`"),
                ),
                ("每个 count 只写一个类型", "name one kind in each count"),
            )),
            _ => {
                self.kind = Some(name.to_owned());
                Ok(((), Type::Number))
            }
        }
    }

    fn call(&mut self, name: &str, _: &[IdedExpr]) -> Result<((), Type), Problem> {
        Err(unknown_function(name, "none inside count(...)"))
    }
}

/// The share of a quantile, in ten-thousandths.
fn share_of(argument: &IdedExpr) -> Result<Field, Problem> {
    let node = resolve_parsed(argument, Type::Number, &mut Condition { kind: None })?;
    let share = constant(&node, &|()| Known::Unknown).filter(|share| (0.0..=1.0).contains(share));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10,000")]
    let share = share.map(|share| (share * SHARES).round() as u16).ok_or_else(bad_quantile)?;
    Ok(Field::Quantile(share))
}

fn bad_quantile() -> Problem {
    Problem::new(
        (
            "quantile 需要类型与 0 到 1 之间的常数",
            "quantile takes a kind and a constant from 0 to 1",
        ),
        ("例如 quantile(water_depth, 0.95)", "such as quantile(water_depth, 0.95)"),
    )
}

pub(crate) fn unknown_kind(kind: &str) -> Problem {
    Problem::new(
        (format!("没有类型 `{kind}`"), format!("there is no kind `{kind}`")),
        (
            "检查拼写，或在某个场景包的 kinds.toml 中声明它",
            "check the spelling, or declare it in some pack's kinds.toml",
        ),
    )
}

pub(crate) fn unknown_function(name: &str, known: &str) -> Problem {
    Problem::new(
        (format!("没有函数 `{name}`"), format!("there is no function `{name}`")),
        (format!("可用：{known}"), format!("known here: {known}")),
    )
}
