//! The chance that a unit is among the first or last of its peers, given what is believed of all.
//!
//! A unit is among the first `k` when at most `k - 1` of the others are better. How many others are
//! better than a rate `x` is a sum of unlike coin tosses (Poisson binomial), weighed over the unit's own
//! belief about `x`. Up to [`EXACT_PEERS_MAX`] peers the sum is exact; beyond it is the normal
//! distribution with its first correction for skewness, within 0.01 of exact (a test).
//!
//! Nothing is drawn: the same beliefs give the same chances. Not here: what a star asks for.

use super::posterior::{Belief, Grid, Masses};
use super::probability::{normal_cdf, normal_density};

/// Up to so many peers chances are exact.
pub(super) const EXACT_PEERS_MAX: usize = 24;

/// How many cuts are asked at once.
pub(super) const CUTS: usize = 6;

/// Peers, with how many of them are better than each rate of the grid.
#[derive(Debug, Clone)]
pub(super) struct Ranks {
    pub(super) grid: Grid,
    beliefs: Vec<Belief>,
    /// For each cut the most that may be better.
    cuts: [usize; CUTS],
    /// Per node: how many units are better, in the mean.
    better: Vec<f64>,
    others: Others,
}

/// The chances that at most so many others are better, at every node of the grid.
#[derive(Debug, Clone)]
enum Others {
    /// The chance of every unit to be above every node.
    Exact(Vec<Vec<f64>>),
    /// Chances when the unit itself is surely below, as likely above as below, and surely above: in
    /// between they are nearly a parabola.
    Normal(Vec<[[f64; 3]; CUTS]>),
}

impl Ranks {
    pub(super) fn new(beliefs: Vec<Belief>, cuts: [usize; CUTS]) -> Self {
        let grid = Grid::over(&beliefs);
        let exact = beliefs.len() <= EXACT_PEERS_MAX;
        let mut sums = Sums::new(grid.len());
        let mut all = Vec::new();
        let (mut masses, mut above) = (Masses::empty(), Vec::new());
        for belief in &beliefs {
            grid.masses(*belief, &mut masses);
            masses.above(&mut above);
            sums.add(masses.start, &above);
            if exact {
                let mut row = vec![0.0; grid.len()];
                row[..masses.start].fill(1.0);
                row[masses.start..][..above.len()].copy_from_slice(&above);
                all.push(row);
            }
        }
        let moments = sums.moments();
        let better = moments.iter().map(|m| m[0]).collect();
        let others = if exact {
            Others::Exact(all)
        } else {
            Others::Normal(moments.iter().map(|m| cuts.map(|cut| parabola(*m, cut))).collect())
        };
        Self { grid, beliefs, cuts, better, others }
    }

    /// The chances of one unit for every cut, its expected rank (1 is best), and its masses for more.
    pub(super) fn of(&self, unit: usize, work: &mut Work) -> ([f64; CUTS], f64) {
        self.grid.masses(self.beliefs[unit], &mut work.masses);
        work.masses.above(&mut work.above);
        let mut chances = [0.0; CUTS];
        let mut rank = 1.0;
        for (index, (mass, own)) in work.masses.of.iter().zip(&work.above).enumerate() {
            let node = work.masses.start + index;
            rank += mass * (self.better[node] - own);
            match &self.others {
                Others::Exact(all) => {
                    let at_most = exact(all, unit, node, &self.cuts, &mut work.counts);
                    for (chance, at_most) in chances.iter_mut().zip(at_most) {
                        *chance += mass * at_most;
                    }
                }
                Others::Normal(parabolas) => {
                    for (chance, parabola) in chances.iter_mut().zip(&parabolas[node]) {
                        *chance += mass * along(parabola, *own);
                    }
                }
            }
        }
        (chances.map(|chance| chance.clamp(0.0, 1.0)), rank)
    }

    /// The chance that at most so many others are better, by node, for one unit and one cut.
    fn by_node(&self, unit: usize, cut: usize) -> Vec<f64> {
        let mut work = Work::default();
        self.grid.masses(self.beliefs[unit], &mut work.masses);
        work.masses.above(&mut work.above);
        let Masses { start, of } = &work.masses;
        let own = |node: usize| match node.checked_sub(*start) {
            None => 1.0,
            Some(index) if index < of.len() => work.above[index],
            Some(_) => 0.0,
        };
        let mut counts = Vec::new();
        (0..self.grid.len())
            .map(|node| match &self.others {
                Others::Exact(all) => exact(all, unit, node, &self.cuts, &mut counts)[cut],
                Others::Normal(parabolas) => along(&parabolas[node][cut], own(node)),
            })
            .collect()
    }

    /// How many further good outcomes would lift a unit's chance for a cut to `certainty`, the others
    /// staying as they are; `None` when more than `most` would be needed.
    pub(super) fn needed(&self, unit: usize, cut: usize, certainty: f64, most: u32) -> Option<u32> {
        let by_node = self.by_node(unit, cut);
        let belief = self.beliefs[unit];
        let reached = |further: u32| {
            self.grid.mean_of(belief.after(f64::from(further), 0.0), &by_node) >= certainty
        };
        if reached(0) {
            return Some(0);
        }
        let mut high = 1_u32;
        while !reached(high) {
            if high >= most {
                return None;
            }
            high = (high * 2).min(most);
        }
        let mut low = high / 2;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if reached(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }
}

/// Room that is used again for every unit.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) masses: Masses,
    above: Vec<f64>,
    counts: Vec<f64>,
}

impl Default for Work {
    fn default() -> Self {
        Self { masses: Masses::empty(), above: Vec::new(), counts: Vec::new() }
    }
}

/// Sums over units of chances, variances and third moments, by node.
struct Sums {
    /// Differences of the count of units that surely are above, from node to node.
    sure: Vec<f64>,
    moments: Vec<[f64; 3]>,
}

impl Sums {
    fn new(nodes: usize) -> Self {
        Self { sure: vec![0.0; nodes + 1], moments: vec![[0.0; 3]; nodes] }
    }

    fn add(&mut self, start: usize, above: &[f64]) {
        self.sure[0] += 1.0;
        self.sure[start] -= 1.0;
        for (moment, &p) in self.moments[start..].iter_mut().zip(above) {
            let variance = p * (1.0 - p);
            moment[0] += p;
            moment[1] += variance;
            moment[2] += variance * (1.0 - 2.0 * p);
        }
    }

    fn moments(mut self) -> Vec<[f64; 3]> {
        let mut sure = 0.0;
        for (moment, change) in self.moments.iter_mut().zip(&self.sure) {
            sure += change;
            moment[0] += sure;
        }
        self.moments
    }
}

/// Chances of at most `cut` others, when the unit itself is below, in the middle, above.
fn parabola([mean, variance, third]: [f64; 3], cut: usize) -> [f64; 3] {
    [0.0, 0.5, 1.0].map(|own: f64| {
        let own_variance = own * (1.0 - own);
        let variance = (variance - own_variance).max(1e-12);
        let third = third - own_variance * (1.0 - 2.0 * own);
        let deviation = variance.sqrt();
        let z = (cut as f64 + 0.5 - (mean - own)) / deviation;
        let skewness = third / (variance * deviation);
        let corrected = normal_cdf(z) + skewness * (1.0 - z * z) / 6.0 * normal_density(z);
        if variance > 0.05 { corrected.clamp(0.0, 1.0) } else { normal_cdf(z) }
    })
}

fn along([below, middle, above]: &[f64; 3], own: f64) -> f64 {
    let rest = 1.0 - own;
    below * rest * (rest - own) + middle * 4.0 * own * rest + above * own * (own - rest)
}

/// Exact chances of at most so many others above a node: one more unit at a time, leaving one out.
fn exact(
    all: &[Vec<f64>],
    unit: usize,
    node: usize,
    cuts: &[usize; CUTS],
    counts: &mut Vec<f64>,
) -> [f64; CUTS] {
    counts.clear();
    counts.push(1.0);
    for (other, row) in all.iter().enumerate() {
        if other == unit {
            continue;
        }
        let p = row[node];
        counts.push(0.0);
        for count in (1..counts.len()).rev() {
            counts[count] = counts[count] * (1.0 - p) + counts[count - 1] * p;
        }
        counts[0] *= 1.0 - p;
    }
    cuts.map(|cut| counts.iter().take(cut + 1).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rating::draws::Draws;

    /// Beliefs after some cases each.
    fn beliefs(units: usize, seed: u64) -> Vec<Belief> {
        let mut draws = Draws::new(seed);
        (0..units)
            .map(|_| {
                let cases = 20 + draws.below(600);
                let rate = draws.beta(93.0, 7.0);
                let good = draws.binomial(cases, rate);
                Belief { good: 93.0, bad: 7.0 }.after(f64::from(good), f64::from(cases - good))
            })
            .collect()
    }

    fn chances(ranks: &Ranks) -> Vec<([f64; CUTS], f64)> {
        let mut work = Work::default();
        (0..ranks.beliefs.len()).map(|unit| ranks.of(unit, &mut work)).collect()
    }

    #[test]
    fn as_many_are_among_the_first_as_there_are_places() {
        for units in [12, 24, 25, 40, 343] {
            let cuts = [0, units / 10, units / 5, units / 3, units / 2, units - 2];
            let found = chances(&Ranks::new(beliefs(units, 7), cuts));
            for (place, cut) in cuts.into_iter().enumerate() {
                let sum: f64 = found.iter().map(|(chances, _)| chances[place]).sum();
                let expected = (cut + 1) as f64;
                assert!((sum - expected).abs() < 0.05 + 0.003 * expected, "{units} {cut}: {sum}");
            }
            let ranks: f64 = found.iter().map(|(_, rank)| rank).sum();
            let expected = (units * (units + 1)) as f64 / 2.0;
            assert!((ranks / expected - 1.0).abs() < 1e-3, "{units}: {ranks} {expected}");
        }
    }

    #[test]
    fn chances_are_those_of_drawing_the_rates_many_times() {
        const ROUNDS: u32 = 20_000;
        for units in [15, 60] {
            let beliefs = beliefs(units, 3);
            let first = (units / 10).max(1);
            let found = chances(&Ranks::new(beliefs.clone(), [first - 1; CUTS]));
            let mut draws = Draws::new(11);
            let mut among = vec![0_u32; units];
            for _ in 0..ROUNDS {
                let mut drawn: Vec<(f64, usize)> = beliefs
                    .iter()
                    .enumerate()
                    .map(|(unit, belief)| (draws.beta(belief.good, belief.bad), unit))
                    .collect();
                drawn.sort_by(|a, b| b.0.total_cmp(&a.0));
                for (_, unit) in &drawn[..first] {
                    among[*unit] += 1;
                }
            }
            for (unit, (chances, _)) in found.iter().enumerate() {
                let drawn = f64::from(among[unit]) / f64::from(ROUNDS);
                assert!((chances[0] - drawn).abs() < 0.015, "{units} {unit}: {chances:?} {drawn}");
            }
        }
    }

    #[test]
    fn the_normal_distribution_with_skewness_is_near_the_exact_sum() {
        let beliefs = beliefs(EXACT_PEERS_MAX, 5);
        let cuts = [0, 1, 4, 7, 16, 21];
        let exact = chances(&Ranks::new(beliefs.clone(), cuts));
        // The same peers, with one more that is surely last, so that there is one too many to be exact.
        let mut more = beliefs;
        more.push(Belief { good: 400.0, bad: 600.0 });
        let normal = chances(&Ranks::new(more, cuts));
        for ((exact, _), (normal, _)) in exact.iter().zip(&normal) {
            for (exact, normal) in exact.iter().zip(normal) {
                assert!((exact - normal).abs() < 0.01, "{exact} {normal}");
            }
        }
    }

    #[test]
    fn with_the_cases_said_to_be_needed_the_chance_is_reached_and_with_one_less_it_is_not() {
        for units in [15, 60] {
            let beliefs = beliefs(units, 9);
            let cuts = [units / 10; CUTS];
            let ranks = Ranks::new(beliefs.clone(), cuts);
            let mut seen = 0;
            for unit in 0..units {
                let Some(needed) = ranks.needed(unit, 0, 0.8, 10_000) else { continue };
                if needed == 0 {
                    continue;
                }
                let chance = |further: u32| {
                    let mut beliefs = beliefs.clone();
                    beliefs[unit] = beliefs[unit].after(f64::from(further), 0.0);
                    Ranks::new(beliefs, cuts).of(unit, &mut Work::default()).0[0]
                };
                // In steps of a tenth, since each way rounds on a grid of its own.
                assert!(chance(needed + needed / 10 + 1) >= 0.8, "{unit} {needed}");
                assert!(chance(needed - needed / 10 - 1) < 0.8, "{unit} {needed}");
                seen += 1;
            }
            assert!(seen > units / 3, "{seen}");
        }
    }
}
