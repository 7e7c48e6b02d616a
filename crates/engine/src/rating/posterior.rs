//! Beliefs about the true rates of units: a beta distribution over all units, fitted by moments, and
//! each unit's own after its cases; as masses on one grid.
//!
//! Not here: ranks ([`super::ranks`]) and stars. The grid is even in the log odds, where such beliefs are
//! smooth and fall off quickly at both ends, so a plain sum over nodes is as good as exact.

use super::evidence::UnitEvidence;

/// What is believed of a rate: a beta distribution of good and bad outcomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// Good outcomes.
    pub good: f64,
    /// Bad ones.
    pub bad: f64,
}

impl Belief {
    /// Its mean.
    pub fn mean(self) -> f64 {
        self.good / (self.good + self.bad)
    }

    /// After so many further outcomes.
    pub fn after(self, good: f64, bad: f64) -> Self {
        Self { good: self.good + good, bad: self.bad + bad }
    }

    /// The log odds at which it is thickest.
    fn middle(self) -> f64 {
        (self.good / self.bad).ln()
    }

    /// Its width there.
    fn width(self) -> f64 {
        (1.0 / self.good + 1.0 / self.bad).sqrt()
    }

    /// Log odds outside which next to nothing of it lies (1e-7 or less). A tail falls at least like
    /// `exp(-bad × log odds)`.
    fn reach(self) -> [f64; 2] {
        let far = 6.0 * self.width();
        [self.middle() - far.max(16.0 / self.good), self.middle() + far.max(16.0 / self.bad)]
    }
}

/// Below this share of the largest possible variance, units do not differ beyond chance.
const ALIKE: f64 = 1e-6;

/// The distribution of the units' true rates (Kleinman 1973: weighted moments, repeated until the weights
/// fit). `None` when the units do not differ by more than chance, or fewer than two have cases.
pub fn prior(units: &[UnitEvidence]) -> Option<Belief> {
    let known: Vec<(f64, f64)> = units
        .iter()
        .filter(|unit| unit.cases > 0.0)
        .map(|unit| (unit.cases, unit.good / unit.cases))
        .collect();
    if known.len() < 2 {
        return None;
    }
    let (mut mean, mut share) = (0.5, 0.0);
    for _ in 0..30 {
        let weight = |cases: f64| cases / (1.0 + share * (cases - 1.0).max(0.0));
        let sum: f64 = known.iter().map(|(cases, _)| weight(*cases)).sum();
        mean = known.iter().map(|(cases, rate)| weight(*cases) * rate).sum::<f64>() / sum;
        let most = mean * (1.0 - mean);
        if most <= 0.0 {
            return None;
        }
        // The scatter found, and what of it chance alone and full difference would each give.
        let (mut scatter, mut chance, mut whole) = (0.0, 0.0, 0.0);
        for (cases, rate) in &known {
            let weight = weight(*cases);
            let free = weight * (1.0 - weight / sum);
            scatter += weight * (rate - mean).powi(2);
            chance += free / cases.max(1.0);
            whole += free;
        }
        let next = ((scatter / most - chance) / (whole - chance).max(1e-12)).clamp(0.0, 0.99);
        let settled = (next - share).abs() < 1e-9;
        share = next;
        if settled {
            break;
        }
    }
    // The share is 1 / (good + bad + 1).
    let size = 1.0 / share - 1.0;
    (share > ALIKE).then_some(Belief { good: mean * size, bad: (1.0 - mean) * size })
}

/// The whole number at or below a place; 0 below nought.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, and grids and groups have far fewer than 2^32 places"
)]
pub(super) fn whole(place: f64) -> usize {
    place.max(0.0) as usize
}

/// Even steps of log odds.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    first: f64,
    step: f64,
    /// Logarithms of the rate and of its rest at every node.
    logs: Vec<[f64; 2]>,
}

/// A belief as masses of neighbouring nodes, which add up to 1.
#[derive(Debug, Clone)]
pub(super) struct Masses {
    /// The node of the first.
    pub(super) start: usize,
    pub(super) of: Vec<f64>,
}

const NODES_MIN: f64 = 64.0;
const NODES_MAX: f64 = 4_096.0;
/// Steps in the width of the narrowest belief.
const STEPS: f64 = 3.0;

impl Grid {
    /// A grid on which all of these are smooth.
    pub(super) fn over(beliefs: &[Belief]) -> Self {
        let [mut low, mut high] = [f64::INFINITY, f64::NEG_INFINITY];
        let mut width = f64::INFINITY;
        for belief in beliefs {
            let [from, to] = belief.reach();
            low = low.min(from);
            high = high.max(to);
            width = width.min(belief.width());
        }
        if low > high {
            return Self { first: 0.0, step: 1.0, logs: Vec::new() };
        }
        let nodes = ((high - low) * STEPS / width).clamp(NODES_MIN, NODES_MAX).ceil();
        let step = (high - low) / nodes;
        let mut logs = Vec::new();
        for node in 0..=whole(nodes) {
            let odds = low + step * node as f64;
            // ln(1 / (1 + e^-x)), without loss at either end.
            logs.push([-(-odds).exp().ln_1p(), -odds.exp().ln_1p()]);
        }
        Self { first: low, step, logs }
    }

    pub(super) fn len(&self) -> usize {
        self.logs.len()
    }

    /// The rate at a place of the grid, in nodes.
    pub(super) fn rate_at(&self, place: f64) -> f64 {
        1.0 / (1.0 + (-(self.first + self.step * place)).exp())
    }

    /// The place of a rate, in nodes; outside the grid below 0 or above its length.
    fn place_of_odds(&self, odds: f64) -> f64 {
        (odds - self.first) / self.step
    }

    /// A belief on the grid.
    pub(super) fn masses(&self, belief: Belief, masses: &mut Masses) {
        let [low, high] = belief.reach();
        let last = self.len() - 1;
        let node = |odds: f64| whole(self.place_of_odds(odds)).min(last);
        masses.start = node(low);
        let end = (node(high) + 1).min(last);
        masses.of.clear();
        let top = belief.middle();
        let peak = belief.good * -(-top).exp().ln_1p() + belief.bad * -top.exp().ln_1p();
        let mut sum = 0.0;
        for [rate, rest] in &self.logs[masses.start..=end] {
            let mass = (belief.good * rate + belief.bad * rest - peak).exp();
            sum += mass;
            masses.of.push(mass);
        }
        let scale = 1.0 / sum;
        masses.of.iter_mut().for_each(|mass| *mass *= scale);
    }

    /// The mean of a function that is known at the nodes, under a belief that need not fit on the grid:
    /// beyond the ends the function goes on as at the ends.
    pub(super) fn mean_of(&self, belief: Belief, at_node: &[f64]) -> f64 {
        const NODES: u32 = 256;
        let [low, high] = belief.reach();
        let top = belief.middle();
        let height =
            |odds: f64| -belief.good * (-odds).exp().ln_1p() - belief.bad * odds.exp().ln_1p();
        let (mut sum, mut mean) = (0.0, 0.0);
        for node in 0..=NODES {
            let odds = low + (high - low) * f64::from(node) / f64::from(NODES);
            let mass = (height(odds) - height(top)).exp();
            let place = self.place_of_odds(odds).clamp(0.0, (self.len() - 1) as f64);
            let (below, share) = (whole(place), place.fract());
            let above = (below + 1).min(self.len() - 1);
            sum += mass;
            mean += mass * (at_node[below] * (1.0 - share) + at_node[above] * share);
        }
        mean / sum
    }
}

impl Masses {
    pub(super) const fn empty() -> Self {
        Self { start: 0, of: Vec::new() }
    }

    /// The chance of a rate above each of its nodes.
    pub(super) fn above(&self, above: &mut Vec<f64>) {
        above.clear();
        let mut below = 0.0;
        for mass in &self.of {
            above.push((1.0 - below - 0.5 * mass).clamp(0.0, 1.0));
            below += mass;
        }
    }

    /// The place, in nodes of the grid, below which `share` of it lies.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let mut below = 0.0;
        for (node, mass) in (self.start..).zip(&self.of) {
            if below + mass >= share {
                return node as f64 - 0.5 + (share - below) / mass;
            }
            below += mass;
        }
        (self.start + self.of.len()) as f64 - 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rating::Rate;
    use crate::rating::draws::Draws;

    fn unit(cases: u32, good: u32) -> UnitEvidence {
        let raw = Rate::new(u64::from(good), u64::from(cases));
        UnitEvidence { raw, expected: 0.0, cases: f64::from(cases), good: f64::from(good) }
    }

    #[test]
    fn the_prior_that_made_the_units_is_found_again() {
        for (good, bad, seed) in [(93.0, 7.0, 1), (8.0, 2.0, 2), (3.0, 30.0, 3)] {
            let mut draws = Draws::new(seed);
            let units: Vec<UnitEvidence> = (0..3_000)
                .map(|_| {
                    let cases = 20 + draws.below(500);
                    let rate = draws.beta(good, bad);
                    unit(cases, draws.binomial(cases, rate))
                })
                .collect();
            let found = prior(&units).unwrap();
            assert!((found.mean() - good / (good + bad)).abs() < 0.005, "{found:?}");
            let size = (found.good + found.bad) / (good + bad);
            assert!((0.85..1.18).contains(&size), "seed {seed}: {found:?}");
        }
    }

    #[test]
    fn units_that_differ_by_chance_alone_are_alike() {
        assert_eq!(prior(&[unit(100, 90), unit(100, 90), unit(50, 45)]), None);
        assert_eq!(prior(&[unit(100, 100), unit(100, 100)]), None);
        assert_eq!(prior(&[unit(100, 90), unit(0, 0)]), None);
    }

    #[test]
    fn masses_have_the_mean_and_quantiles_of_their_belief() {
        let beliefs = [
            Belief { good: 93.0, bad: 7.0 },
            Belief { good: 600.0, bad: 20.0 },
            Belief { good: 3.0, bad: 0.8 },
        ];
        let grid = Grid::over(&beliefs);
        let mut masses = Masses::empty();
        for belief in beliefs {
            grid.masses(belief, &mut masses);
            let mean: f64 = (masses.start..)
                .zip(&masses.of)
                .map(|(node, mass)| mass * grid.rate_at(node as f64))
                .sum();
            assert!((mean - belief.mean()).abs() < 1e-5, "{belief:?}: {mean}");
            let rates: Vec<f64> = (0..grid.len()).map(|node| grid.rate_at(node as f64)).collect();
            assert!((grid.mean_of(belief, &rates) - belief.mean()).abs() < 2e-4);
        }
        // Quantiles of beta(93, 7), by direct summation over 200,000 steps.
        grid.masses(beliefs[0], &mut masses);
        assert!((grid.rate_at(masses.quantile(0.05)) - 0.883_9).abs() < 1e-3);
        assert!((grid.rate_at(masses.quantile(0.95)) - 0.966_3).abs() < 1e-3);
    }
}
