//! Before and after a measure 政策, with areas where it was not taken: difference in differences.
//!
//! Of every area the change of its rate is taken (all periods before against all after, as counts, never
//! a mean of rates), and the mean change of the areas with the measure is held against the mean change of
//! those without. An area is one observation however many cases and periods it has, since its periods
//! are not independent; for this design the small-sample cluster-robust variance CR2 is exactly the
//! two-sample formula with unequal variances and its degrees of freedom (Bell and McCaffrey 2002).
//!
//! Three checks stand beside the result: whether the two groups already drifted apart before (parallel
//! trends), whether a measure that was never taken "works" too (placebo, in the time before), and how
//! often areas chosen by lot differ as much (permutation).
//!
//! Not here: which areas are alike enough to be compared; the person who asks chooses them.

use std::fmt::Write as _;

use chengmai_model::{AreaId, Text};

use super::Rate;
use super::draws::Draws;
use super::probability::{student_tails, student_within};

/// One area's rate, period by period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaSeries {
    /// Which area.
    pub area: AreaId,
    /// True where the measure was taken.
    pub treated: bool,
    /// One a period, oldest first.
    pub rates: Vec<Rate>,
}

/// A mean difference between areas with and without the measure. Shares, not percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// With less without.
    pub mean: f64,
    /// 95 % interval.
    pub interval: [f64; 2],
    /// Chance of as large a difference where there is none.
    pub p: f64,
}

impl Difference {
    /// True when nought lies outside the interval.
    pub fn is_clear(&self) -> bool {
        self.interval[0] > 0.0 || self.interval[1] < 0.0
    }
}

/// What a measure changed, with the checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Change with the measure less change without.
    pub change: Difference,
    /// Share of drawn choices of areas that differ at least as much.
    pub by_lot: f64,
    /// By how much the groups would differ had they only gone on drifting apart as before; `None` with
    /// fewer than three periods before.
    pub drift: Option<Difference>,
    /// The same comparison in the middle of the time before; `None` with fewer than two periods before.
    pub placebo: Option<Difference>,
    /// Areas with the measure, and their counts before and after.
    pub treated: Group,
    /// Areas without.
    pub control: Group,
    /// Areas without any case before or after: they say nothing.
    pub left_out: Vec<AreaId>,
}

/// All areas of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Group {
    /// How many areas.
    pub areas: usize,
    /// All their cases before.
    pub before: Rate,
    /// All their cases after.
    pub after: Rate,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoComparison {
    /// Scatter between areas cannot be told from fewer.
    #[error(
        "at least two areas with the measure and two without are needed, there are {treated} and {control}"
    )]
    FewAreas {
        /// With the measure and with cases.
        treated: usize,
        /// Without.
        control: usize,
    },
    /// The measure must have a before and an after.
    #[error(
        "the measure begins in period {start} of {periods}: nothing before or nothing after it"
    )]
    NoBeforeOrAfter {
        /// Number of its first period, from 0.
        start: usize,
        /// How many there are.
        periods: usize,
    },
    /// All areas have the same periods.
    #[error("area {0} has another number of periods than the first")]
    UnlikePeriods(u32),
}

impl NoComparison {
    /// Why, as shown to people.
    pub fn text(self) -> Text {
        let zh = match self {
            Self::FewAreas { treated, control } => {
                format!("施行与未施行的区域各至少要两个有案件的，现有 {treated} 个和 {control} 个")
            }
            Self::NoBeforeOrAfter { start, periods } => {
                format!("共 {periods} 期，自第 {start} 期起施行：没有施行前或施行后的数据")
            }
            Self::UnlikePeriods(area) => format!("区域 {area} 的期数与其他区域不同"),
        };
        Text::new(zh, self.to_string())
    }
}

/// Share of the belief in every interval here; the usual one.
const INTERVAL: f64 = 0.95;

/// What the measure that was taken from period `start` (from 0) on changed. `lots` choices of areas are
/// drawn from `seed`.
///
/// # Errors
/// When there is too little to compare.
pub fn effect(
    series: &[AreaSeries],
    start: usize,
    lots: u32,
    seed: u64,
) -> Result<Effect, NoComparison> {
    let periods = series.first().map_or(0, |area| area.rates.len());
    if let Some(other) = series.iter().find(|area| area.rates.len() != periods) {
        return Err(NoComparison::UnlikePeriods(other.area.0));
    }
    if start == 0 || start >= periods {
        return Err(NoComparison::NoBeforeOrAfter { start, periods });
    }
    let Changes { treated, control } = changes(series, 0..start, start..periods);
    if treated.len() < 2 || control.len() < 2 {
        let (treated, control) = (treated.len(), control.len());
        return Err(NoComparison::FewAreas { treated, control });
    }
    let group = |treated: bool| {
        let mut group = Group::default();
        for area in series.iter().filter(|area| area.treated == treated) {
            let (before, after) = (pooled(&area.rates[..start]), pooled(&area.rates[start..]));
            if before.denominator > 0 && after.denominator > 0 {
                group.areas += 1;
                group.before = pooled(&[group.before, before]);
                group.after = pooled(&[group.after, after]);
            }
        }
        group
    };
    let silent = |area: &&AreaSeries| {
        pooled(&area.rates[..start]).denominator == 0
            || pooled(&area.rates[start..]).denominator == 0
    };
    Ok(Effect {
        change: difference(&treated, &control),
        by_lot: by_lot(&treated, &control, lots, seed),
        drift: drift(series, start, periods),
        placebo: placebo(series, start),
        treated: group(true),
        control: group(false),
        left_out: series.iter().filter(silent).map(|area| area.area).collect(),
    })
}

/// Changes of the areas of both groups.
struct Changes {
    treated: Vec<f64>,
    control: Vec<f64>,
}

type Periods = std::ops::Range<usize>;

fn changes(series: &[AreaSeries], before: Periods, after: Periods) -> Changes {
    let of = |treated: bool| {
        let areas = series.iter().filter(|area| area.treated == treated);
        let change = |area: &AreaSeries| {
            let before = pooled(&area.rates[before.clone()]).value()?;
            Some(pooled(&area.rates[after.clone()]).value()? - before)
        };
        areas.filter_map(change).collect()
    };
    Changes { treated: of(true), control: of(false) }
}

fn pooled(rates: &[Rate]) -> Rate {
    let sum = |of: fn(&Rate) -> u64| rates.iter().map(of).sum();
    Rate::new(sum(|rate| rate.numerator), sum(|rate| rate.denominator))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Variance of the mean of unlike areas.
fn variance_of_mean(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    squares / (values.len() as f64 - 1.0) / values.len() as f64
}

/// Two groups of areas, at least two each.
fn difference(treated: &[f64], control: &[f64]) -> Difference {
    let found = mean(treated) - mean(control);
    let (a, b) = (variance_of_mean(treated), variance_of_mean(control));
    let deviation = (a + b).sqrt();
    if deviation <= 0.0 {
        // No scatter at all: nothing to measure chance by.
        let p = if found.abs() > 0.0 { 0.0 } else { 1.0 };
        return Difference { mean: found, interval: [found; 2], p };
    }
    let free = |part: f64, count: usize| part * part / (count as f64 - 1.0);
    let freedom = (a + b).powi(2) / (free(a, treated.len()) + free(b, control.len()));
    let reach = student_within(INTERVAL, freedom) * deviation;
    Difference {
        mean: found,
        interval: [found - reach, found + reach],
        p: student_tails(found / deviation, freedom),
    }
}

/// Share of drawn choices of as many areas that differ at least as much.
fn by_lot(treated: &[f64], control: &[f64], lots: u32, seed: u64) -> f64 {
    let found = (mean(treated) - mean(control)).abs();
    let mut all: Vec<f64> = treated.iter().chain(control).copied().collect();
    let mut draws = Draws::new(seed);
    let as_much = (0..lots)
        .filter(|_| {
            draws.shuffle(&mut all);
            let (drawn, rest) = all.split_at(treated.len());
            (mean(drawn) - mean(rest)).abs() >= found - 1e-12
        })
        .count();
    // What was found is itself one of the choices.
    (as_much + 1) as f64 / (f64::from(lots) + 1.0)
}

/// How far the groups would be apart after the measure had they only gone on as before it.
fn drift(series: &[AreaSeries], start: usize, periods: usize) -> Option<Difference> {
    if start < 3 {
        return None;
    }
    // From the middle of the time before to the middle of the time after.
    let steps = periods as f64 / 2.0;
    let slopes = |treated: bool| -> Vec<f64> {
        let areas = series.iter().filter(|area| area.treated == treated);
        areas.filter_map(|area| slope(&area.rates[..start])).map(|slope| slope * steps).collect()
    };
    let (treated, control) = (slopes(true), slopes(false));
    (treated.len() > 1 && control.len() > 1).then(|| difference(&treated, &control))
}

/// Change a period, by least squares; `None` with fewer than three periods that have cases.
fn slope(rates: &[Rate]) -> Option<f64> {
    let points: Vec<(f64, f64)> = rates
        .iter()
        .enumerate()
        .filter_map(|(period, rate)| Some((period as f64, rate.value()?)))
        .collect();
    if points.len() < 3 {
        return None;
    }
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    let (x, y) = (x / count, y / count);
    let across: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let along: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    Some(across / along)
}

/// A measure that was never taken, in the middle of the time before.
fn placebo(series: &[AreaSeries], start: usize) -> Option<Difference> {
    let middle = start / 2;
    if middle == 0 {
        return None;
    }
    let Changes { treated, control } = changes(series, 0..middle, middle..start);
    (treated.len() > 1 && control.len() > 1).then(|| difference(&treated, &control))
}

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The rate rose with the measure, and no check speaks against it.
    Rose,
    /// It fell.
    Fell,
    /// The data do not tell.
    NotClear,
    /// A check speaks against comparing these areas.
    NotComparable,
}

impl Effect {
    /// What may be said.
    pub fn finding(&self) -> Finding {
        if [self.drift, self.placebo].into_iter().flatten().any(|check| check.is_clear()) {
            Finding::NotComparable
        } else if !self.change.is_clear() || self.by_lot > 1.0 - INTERVAL {
            Finding::NotClear
        } else if self.change.mean > 0.0 {
            Finding::Rose
        } else {
            Finding::Fell
        }
    }

    /// The result with its limits, to be shown as it is. `rate` is the rate's name.
    pub fn sentence(&self, rate: &Text) -> Text {
        let (zh, en) = match self.finding() {
            Finding::Rose => ("上升，有证据", "rose with the measure; the evidence is clear"),
            Finding::Fell => ("下降，有证据", "fell with the measure; the evidence is clear"),
            Finding::NotClear => {
                ("没有看出变化：差异在偶然波动之内", "shows no clear change: chance may explain it")
            }
            Finding::NotComparable => (
                "不能下结论：两组区域在施行前已不同步",
                "allows no conclusion: the two groups already differed before",
            ),
        };
        let mut text = Text::new(format!("{}{zh}。", rate.zh), format!("{} {en}.", rate.en));
        self.say_change(&mut text);
        self.say_checks(&mut text);
        text.zh.push_str(
            "局限：每个区域算一次；若同期另有别的措施，或区域是因为成绩好坏而被选中，本方法分不开。",
        );
        text.en.push_str(
            " Limits: every area counts once; other changes at the same time, or areas chosen for how well they \
             did, cannot be told apart from the measure.",
        );
        text
    }

    fn say_change(&self, text: &mut Text) {
        let [low, high] = self.change.interval.map(points);
        let found = points(self.change.mean);
        let (with, without) = (&self.treated, &self.control);
        let share = |rate: Rate| {
            let percent = rate.value().map_or(0.0, |value| 100.0 * value);
            format!("{percent:.1}% ({}/{})", rate.numerator, rate.denominator)
        };
        let rates = [with.before, with.after, without.before, without.after].map(share);
        let _ = write!(
            text.zh,
            "{} 个施行区域由 {} 变为 {}，{} 个对照区域由 {} 变为 {}；平均每个区域多变化 {found} 个百分点（95% 区间 \
             {low} 至 {high}；随机选区检验 p = {:.3}）。",
            with.areas, rates[0], rates[1], without.areas, rates[2], rates[3], self.by_lot
        );
        let _ = write!(
            text.en,
            " {} areas with it went from {} to {}, {} without from {} to {}; an area with it changed by {found} \
             percentage points more (95% interval {low} to {high}; areas chosen by lot p = {:.3}).",
            with.areas, rates[0], rates[1], without.areas, rates[2], rates[3], self.by_lot
        );
    }

    fn say_checks(&self, text: &mut Text) {
        let range = |check: Difference| check.interval.map(points);
        if let Some([low, high]) = self.drift.map(range) {
            let _ =
                write!(text.zh, "若只按施行前的走势延续，两组会相差 {low} 至 {high} 个百分点。");
            let _ = write!(
                text.en,
                " Going on as before alone would have set them apart by {low} to {high} points."
            );
        } else {
            text.zh.push_str("施行前不足三期，无法检验两组是否同步。");
            text.en.push_str(
                " With fewer than three periods before, whether they moved alike cannot be checked.",
            );
        }
        if let Some([low, high]) = self.placebo.map(range) {
            let _ = write!(text.zh, "假设在施行前的中点施行，“效果”为 {low} 至 {high} 个百分点。");
            let _ = write!(
                text.en,
                " A measure feigned in the middle of the time before has an \"effect\" of {low} to {high} points."
            );
        }
    }
}

/// A share as percentage points with its sign.
fn points(share: f64) -> String {
    format!("{:+.1}", 100.0 * share)
}

#[cfg(test)]
mod tests;
