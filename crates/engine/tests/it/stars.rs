//! The simulator of stars: a city of units whose true quality is known, and what five rules make of what
//! was counted. Shared by the tests and the example `stars`, which prints docs/benchmarks/stars.md.
//!
//! 343 units, as Beijing ranks; cases a month log-normal with median 300; true rate of satisfaction beta
//! around 93 % with a deviation of 2 points. "Five stars" of a rule that only orders units are its first tenth.

use chengmai_engine::rating::draws::Draws;
use chengmai_engine::rating::evidence::{Evidence, UnitEvidence};
use chengmai_engine::rating::posterior::prior;
use chengmai_engine::rating::stars::{Peers, Verdict};
use chengmai_model::pack::rating::StarRules;

/// Units with fewer cases a month are small.
pub(crate) const SMALL: u32 = 100;

/// What a city is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) units: usize,
    pub(crate) median: f64,
    /// Deviation of the logarithm of the cases a month.
    pub(crate) spread: f64,
    /// Good and bad of the beta distribution of true rates.
    pub(crate) quality: [f64; 2],
    /// How strongly the log odds of a unit's true rate move from month to month (deviation).
    pub(crate) drift: f64,
}

pub(crate) const WORLD: World =
    World { units: 343, median: 300.0, spread: 1.0, quality: [148.8, 11.2], drift: 0.0 };

/// One unit: its true rate in the newest month, and its cases and good ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) truth: f64,
    /// Of the newest month.
    pub(crate) month: [u32; 2],
    /// The newest that count, of as many months as count.
    pub(crate) newest: [u32; 2],
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of cases are small and not negative"
)]
fn whole(volume: f64) -> u32 {
    volume.round().max(1.0) as u32
}

/// Every case is drawn, newest first.
pub(crate) fn city(world: World, rules: &StarRules, draws: &mut Draws) -> Vec<Unit> {
    let unit = |draws: &mut Draws| {
        let truth = draws.beta(world.quality[0], world.quality[1]);
        let volume = world.median * (world.spread * draws.normal()).exp();
        let cases = whole(volume);
        let mut odds = (truth / (1.0 - truth)).ln();
        let (mut month, mut newest) = ([cases, 0], [0, 0]);
        for age in 0..rules.months_max {
            let rate = 1.0 / (1.0 + (-odds).exp());
            for _ in 0..cases {
                if age > 0 && newest[0] >= rules.cases_max {
                    break;
                }
                let good = u32::from(draws.unit() < rate);
                month[1] += if age == 0 { good } else { 0 };
                if newest[0] < rules.cases_max {
                    newest = [newest[0] + 1, newest[1] + good];
                }
            }
            odds += world.drift * draws.normal();
        }
        Unit { truth, month, newest }
    };
    (0..world.units).map(|_| unit(draws)).collect()
}

/// A way to give five stars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Highest rates of the month.
    Raw,
    /// Highest lower ends of Wilson's interval of the month.
    Wilson,
    /// Highest posterior means of the month.
    Bayes,
    /// Sure enough to be among the best by the cases of the month.
    Month,
    /// Sure enough by the newest cases, as many for each: ours.
    Even,
}

impl Rule {
    pub(crate) const ALL: [Self; 5] =
        [Self::Raw, Self::Wilson, Self::Bayes, Self::Month, Self::Even];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw rate of the month",
            Self::Wilson => "Wilson lower bound of the month",
            Self::Bayes => "empirical Bayes mean of the month",
            Self::Month => "P(top 10 %) >= 0.8, cases of the month",
            Self::Even => "P(top 10 %) >= 0.8, as many newest cases for each",
        }
    }

    /// Who gets five stars.
    pub(crate) fn five_stars(self, units: &[Unit], rules: &StarRules) -> Vec<usize> {
        let month = |unit: &Unit| (f64::from(unit.month[0]), f64::from(unit.month[1]));
        let of_month = |unit: &Unit| unit.month;
        match self {
            Self::Raw => first_tenth(units, |unit| {
                let (cases, good) = month(unit);
                good / cases
            }),
            Self::Wilson => first_tenth(units, |unit| {
                let (cases, good) = month(unit);
                wilson(cases, good)
            }),
            Self::Bayes => {
                let evidence = gather(units, of_month);
                let Some(prior) = prior(&evidence) else { return Vec::new() };
                first_tenth(units, |unit| {
                    let (cases, good) = month(unit);
                    prior.after(good, cases - good).mean()
                })
            }
            Self::Month => sure(gather(units, of_month), rules),
            Self::Even => sure(gather(units, |unit| unit.newest), rules),
        }
    }
}

fn sure(evidence: Vec<UnitEvidence>, rules: &StarRules) -> Vec<usize> {
    let stars = Peers::new(evidence, rules).stars();
    (0..stars.len()).filter(|&unit| stars[unit].verdict == Verdict::Stars(5)).collect()
}

fn gather(units: &[Unit], cases_of: impl Fn(&Unit) -> [u32; 2]) -> Vec<UnitEvidence> {
    let mut evidence = Evidence::new(units.len(), 1, u32::MAX);
    for (index, unit) in units.iter().enumerate() {
        let [cases, good] = cases_of(unit);
        for case in 0..cases {
            evidence.add(index, 0, case < good);
        }
    }
    evidence.units()
}

fn first_tenth(units: &[Unit], score: impl Fn(&Unit) -> f64) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> = units.iter().map(score).zip(0..).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    order.iter().take(units.len() / 10).map(|(_, unit)| *unit).collect()
}

/// Lower end of the 95 % interval.
fn wilson(cases: f64, good: f64) -> f64 {
    const Z: f64 = 1.96;
    let rate = good / cases;
    let middle = rate + Z * Z / (2.0 * cases);
    let reach = Z * (rate * (1.0 - rate) / cases + Z * Z / (4.0 * cases * cases)).sqrt();
    (middle - reach) / (1.0 + Z * Z / cases)
}

/// What came of a rule over many runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) given: u64,
    pub(crate) wrong: u64,
    /// To small units, and wrong of these.
    pub(crate) small: u64,
    pub(crate) small_wrong: u64,
    /// All units, the small ones, and how many are truly among the best.
    pub(crate) units: u64,
    pub(crate) small_units: u64,
    pub(crate) best: u64,
    pub(crate) runs: u64,
}

impl Outcome {
    /// Share of five stars that went to units not truly among the best tenth.
    pub(crate) fn wrong_share(&self) -> f64 {
        self.wrong as f64 / self.given.max(1) as f64
    }

    /// Share of small units among the five stars, over their share among all: 1 is even.
    pub(crate) fn size_bias(&self) -> f64 {
        let share = self.small as f64 / self.given.max(1) as f64;
        share / (self.small_units as f64 / self.units as f64)
    }
}

/// Plays many cities.
pub(crate) fn play(world: World, runs: u32, seed: u64, rules: &StarRules) -> [(Rule, Outcome); 5] {
    let mut outcomes = Rule::ALL.map(|rule| (rule, Outcome::default()));
    let mut draws = Draws::new(seed);
    for _ in 0..runs {
        let units = city(world, rules, &mut draws);
        let best = first_tenth(&units, |unit| unit.truth);
        let mut truly = vec![false; units.len()];
        for &unit in &best {
            truly[unit] = true;
        }
        let small = |unit: usize| units[unit].month[0] < SMALL;
        for (rule, outcome) in &mut outcomes {
            for unit in rule.five_stars(&units, rules) {
                outcome.given += 1;
                outcome.wrong += u64::from(!truly[unit]);
                outcome.small += u64::from(small(unit));
                outcome.small_wrong += u64::from(small(unit) && !truly[unit]);
            }
            outcome.units += units.len() as u64;
            outcome.small_units += (0..units.len()).filter(|&unit| small(unit)).count() as u64;
            outcome.best += best.len() as u64;
            outcome.runs += 1;
        }
    }
    outcomes
}
