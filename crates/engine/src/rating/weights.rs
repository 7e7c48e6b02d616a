//! How much an order of units owes to the weights of a composite: the weights are drawn many times
//! around the pack's, and every unit's ranks are counted (rank acceptability, after Lahdelma and
//! Salminen's SMAA).
//!
//! Points are measured on fixed ideal points: each indicator is mapped to 0..1 by a worst and a best value
//! that stand in the pack, never by the worst and best unit of the day. So a unit's score depends on
//! itself alone, and no unit that comes or goes can turn the order of two others (a test of 10,000).
//!
//! Not here: the composite itself ([`super::composite`]).

use super::draws::Draws;

/// An indicator's fixed ideal points. `best` may be the smaller: less is then better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ideal {
    /// What is worth 0.
    pub worst: f64,
    /// What is worth 1.
    pub best: f64,
}

impl Ideal {
    /// A value between the ideal points, 0 to 1; beyond them it is 0 or 1.
    pub fn share(self, value: f64) -> f64 {
        ((value - self.worst) / (self.best - self.worst)).clamp(0.0, 1.0)
    }
}

/// Units by indicators, each value on its fixed ideal points.
#[derive(Debug, Clone)]
pub struct Scores {
    units: usize,
    /// Indicator after indicator, all units of each.
    shares: Vec<f64>,
}

impl Scores {
    /// From a row of values a unit.
    ///
    /// # Panics
    /// When a row has not one value for each indicator, or a value or ideal is no number.
    pub fn new(rows: &[Vec<f64>], ideals: &[Ideal]) -> Self {
        let mut shares = vec![0.0; rows.len() * ideals.len()];
        for (unit, row) in rows.iter().enumerate() {
            assert_eq!(row.len(), ideals.len(), "unit {unit} has one value for each indicator");
            for (indicator, (value, ideal)) in row.iter().zip(ideals).enumerate() {
                let share = ideal.share(*value);
                assert!(share.is_finite(), "indicator {indicator} of unit {unit} is a number");
                shares[indicator * rows.len() + unit] = share;
            }
        }
        Self { units: rows.len(), shares }
    }

    /// How many indicators there are.
    fn indicators(&self) -> usize {
        self.shares.len() / self.units.max(1)
    }

    /// The weighted sum of every unit; weights need not add up to 1.
    pub fn totals(&self, weights: &[f64]) -> Vec<f64> {
        let mut totals = vec![0.0; self.units];
        self.add_up(weights, &mut totals);
        totals
    }

    fn add_up(&self, weights: &[f64], totals: &mut [f64]) {
        totals.fill(0.0);
        for (weight, shares) in weights.iter().zip(self.shares.chunks_exact(self.units.max(1))) {
            for (total, share) in totals.iter_mut().zip(shares) {
                *total += weight * share;
            }
        }
    }
}

/// How often each unit had each rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptability {
    units: usize,
    draws: u32,
    /// Unit after unit, how often it was first, second, …
    counts: Vec<u32>,
}

impl Acceptability {
    /// Draws the weights `draws` times: Dirichlet around `weights` with `concentration` parts in all (as
    /// many as there are indicators and equal weights: every mixture is as likely as any other; more:
    /// closer to the weights). The same seed gives the same counts.
    ///
    /// # Panics
    /// When there is not one weight above 0 for each indicator.
    pub fn of(scores: &Scores, weights: &[f64], concentration: f64, draws: u32, seed: u64) -> Self {
        assert_eq!(weights.len(), scores.indicators(), "one weight for each indicator");
        assert!(weights.iter().all(|weight| *weight > 0.0), "weights are above 0");
        let sum: f64 = weights.iter().sum();
        let shapes: Vec<f64> = weights.iter().map(|w| w / sum * concentration).collect();
        let mut source = Draws::new(seed);
        let mut drawn = vec![0.0; weights.len()];
        let mut totals = vec![0.0; scores.units];
        let mut order: Vec<u64> = Vec::with_capacity(scores.units);
        let mut counts = vec![0; scores.units * scores.units];
        for _ in 0..draws {
            for (weight, shape) in drawn.iter_mut().zip(&shapes) {
                // Gammas in proportion are a Dirichlet; ranks do not ask for their sum to be 1.
                *weight = source.gamma(*shape);
            }
            scores.add_up(&drawn, &mut totals);
            ranked(&totals, &mut order);
            for (rank, key) in order.iter().enumerate() {
                let unit = (key & UNIT) as usize;
                counts[unit * scores.units + rank] += 1;
            }
        }
        Self { units: scores.units, draws, counts }
    }

    /// Share of the draws in which a unit was among the first `places`.
    pub fn among_first(&self, unit: usize, places: usize) -> f64 {
        let row = &self.counts[unit * self.units..][..self.units];
        let sum: u64 = row.iter().take(places).map(|&n| u64::from(n)).sum();
        sum as f64 / f64::from(self.draws)
    }

    /// The ranks, 1 is best, between which a unit was in `share` of the draws.
    pub fn ranks_within(&self, unit: usize, share: f64) -> [usize; 2] {
        let row = &self.counts[unit * self.units..][..self.units];
        let tail = (1.0 - share) / 2.0 * f64::from(self.draws);
        let beyond_tail = |ranks: &mut dyn Iterator<Item = usize>| {
            let mut sum = 0.0;
            for rank in ranks {
                sum += f64::from(row[rank]);
                if sum > tail {
                    return rank + 1;
                }
            }
            1
        };
        [beyond_tail(&mut (0..row.len())), beyond_tail(&mut (0..row.len()).rev())]
    }
}

/// Lower bits of a key: the unit. So two totals that differ by less than a part in a hundred million are one,
/// and the unit with the smaller number comes first.
const UNIT: u64 = (1 << 24) - 1;

/// Units by total, the best first, as keys whose lower bits are the unit: whole numbers sort quicker than
/// pairs.
fn ranked(totals: &[f64], order: &mut Vec<u64>) {
    order.clear();
    // Totals are not negative, so their bits order as they do.
    order.extend((0..).zip(totals).map(|(unit, total)| (!total.to_bits() & !UNIT) | unit));
    order.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of drawn values.
    fn table(units: usize, indicators: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut draws = Draws::new(seed);
        (0..units).map(|_| (0..indicators).map(|_| 100.0 * draws.unit()).collect()).collect()
    }

    const PERCENT: Ideal = Ideal { worst: 0.0, best: 100.0 };

    #[test]
    fn who_is_best_in_everything_is_always_first() {
        let rows = vec![vec![50.0, 40.0, 70.0], vec![90.0, 95.0, 99.0], vec![10.0, 60.0, 20.0]];
        let scores = Scores::new(&rows, &[PERCENT; 3]);
        let found = Acceptability::of(&scores, &[1.0; 3], 3.0, 2_000, 1);
        assert!((found.among_first(1, 1) - 1.0).abs() < 1e-12);
        assert_eq!(found.ranks_within(1, 0.9), [1, 1]);
        // The other two change places with the weights.
        assert!((0.05..0.95).contains(&found.among_first(0, 2)));
        assert_eq!(found.ranks_within(0, 0.9), [2, 3]);
    }

    #[test]
    fn weights_drawn_closer_to_the_packs_move_the_order_less() {
        let scores = Scores::new(&table(40, 6, 2), &[PERCENT; 6]);
        let width = |concentration| {
            let found = Acceptability::of(&scores, &[1.0; 6], concentration, 1_000, 3);
            (0..40).map(|u| found.ranks_within(u, 0.9)).map(|[a, b]| b - a).sum::<usize>()
        };
        assert!(width(1e5) < width(100.0) && width(100.0) < width(6.0));
        let counts = |seed| Acceptability::of(&scores, &[1.0; 6], 6.0, 50, seed);
        assert_eq!(counts(4), counts(4));
        assert_ne!(counts(4), counts(5));
    }

    /// Order of the first `units` rows by their totals.
    fn order(rows: &[Vec<f64>], ideals: &[Ideal], units: usize) -> Vec<usize> {
        let totals = Scores::new(rows, ideals).totals(&vec![1.0; ideals.len()]);
        let mut order: Vec<usize> = (0..units).collect();
        order.sort_by(|a, b| totals[*b].total_cmp(&totals[*a]));
        order
    }

    /// The worst and best unit of the day.
    fn of_the_day(rows: &[Vec<f64>]) -> Vec<Ideal> {
        (0..rows[0].len())
            .map(|indicator| {
                let values = rows.iter().map(|row| row[indicator]);
                Ideal {
                    worst: values.clone().fold(f64::INFINITY, f64::min),
                    best: values.fold(f64::NEG_INFINITY, f64::max) + 1e-9,
                }
            })
            .collect()
    }

    #[test]
    fn no_unit_that_comes_or_goes_turns_the_order_of_the_others() {
        let (mut fixed, mut daily) = (0, 0);
        for seed in 0..10_000 {
            let with = table(8, 4, seed);
            let without = &with[..7];
            fixed += u32::from(order(&with, &[PERCENT; 4], 7) != order(without, &[PERCENT; 4], 7));
            daily += u32::from(
                order(&with, &of_the_day(&with), 7) != order(without, &of_the_day(without), 7),
            );
        }
        assert_eq!(fixed, 0, "of 10,000 units added or taken away");
        // The test can tell: by the worst and best of the day, orders do turn.
        assert!(daily > 1_000, "{daily}");
    }
}
