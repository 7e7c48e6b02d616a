//! What stars are judged by: the newest cases of every unit, as many for each as for the others, and
//! made comparable over what kinds of cases a unit has (indirect standardisation).
//!
//! **The same amount for all.** A unit with ten thousand cases a month proves in a week what one with
//! fifty proves in a year. Were each judged by a month, only large units could ever prove themselves.
//! So every unit is judged by its newest `cases_max` cases, however long it took to gather them.
//!
//! **Case mix.** A case is of a stratum: class × season × sort of area. Over all units each stratum has
//! its rate; what a unit's cases would give at those rates is expected of it. A unit whose cases are
//! harder is expected less.
//!
//! Not here: the stars ([`super::stars`]). Invariant: units with the same outcomes on the same mix have
//! the same evidence, and with one stratum the evidence is the plain counts.

use super::Rate;

/// Numbers of strata: class × season × sort of area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strata {
    /// How many classes.
    pub classes: u32,
    /// How many seasons.
    pub seasons: u32,
    /// How many sorts of area.
    pub area_sorts: u32,
}

impl Strata {
    /// How many strata there are.
    pub const fn count(self) -> usize {
        self.classes as usize * self.seasons as usize * self.area_sorts as usize
    }

    /// The number of a stratum.
    ///
    /// # Panics
    /// When a part is out of its range.
    pub fn number(self, class: u32, season: u32, area_sort: u32) -> usize {
        let within = class < self.classes && season < self.seasons && area_sort < self.area_sorts;
        assert!(within, "({class}, {season}, {area_sort}) is no stratum of {self:?}");
        ((class * self.seasons + season) * self.area_sorts + area_sort) as usize
    }
}

/// Cases of units by stratum, gathered from the newest on.
#[derive(Debug, Clone)]
pub struct Evidence {
    strata: usize,
    cases_max: u32,
    /// Cases and good ones of every stratum of every unit.
    cells: Vec<[u32; 2]>,
    taken: Vec<u32>,
}

/// What is known of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitEvidence {
    /// Good outcomes of cases, as counted.
    pub raw: Rate,
    /// Good outcomes that such cases have over all units.
    pub expected: f64,
    /// Cases, were they of average difficulty.
    pub cases: f64,
    /// Good ones among them.
    pub good: f64,
}

/// A stratum's own rate counts fully once it has many more cases than this; below, it is drawn to the
/// rate over all. Our default.
const STRATUM_CASES: f64 = 20.0;

impl Evidence {
    /// Nothing known yet of `units` units.
    pub fn new(units: usize, strata: usize, cases_max: u32) -> Self {
        let cells = vec![[0; 2]; units * strata];
        Self { strata, cases_max, cells, taken: vec![0; units] }
    }

    /// Takes a case of a unit unless the unit has enough; newest cases come first. False when it had.
    pub fn add(&mut self, unit: usize, stratum: usize, good: bool) -> bool {
        if self.taken[unit] >= self.cases_max {
            return false;
        }
        self.taken[unit] += 1;
        let cell = &mut self.cells[unit * self.strata..][..self.strata][stratum];
        cell[0] += 1;
        cell[1] += u32::from(good);
        true
    }

    /// True when every unit has enough, so that older cases need not be read.
    pub fn is_full(&self) -> bool {
        self.taken.iter().all(|&taken| taken >= self.cases_max)
    }

    /// The units with their outcomes made comparable.
    pub fn units(&self) -> Vec<UnitEvidence> {
        let mut sums = vec![[0_u64; 2]; self.strata];
        for cells in self.cells.chunks_exact(self.strata.max(1)) {
            for (sum, cell) in sums.iter_mut().zip(cells) {
                sum[0] += u64::from(cell[0]);
                sum[1] += u64::from(cell[1]);
            }
        }
        let all: [u64; 2] = [sums.iter().map(|s| s[0]).sum(), sums.iter().map(|s| s[1]).sum()];
        let mean = (all[1] as f64 + 0.5) / (all[0] as f64 + 1.0);
        let rates: Vec<f64> = sums
            .iter()
            .map(|s| (s[1] as f64 + STRATUM_CASES * mean) / (s[0] as f64 + STRATUM_CASES))
            .collect();
        self.cells.chunks_exact(self.strata.max(1)).map(|cells| unit(cells, &rates, mean)).collect()
    }
}

fn unit(cells: &[[u32; 2]], rates: &[f64], mean: f64) -> UnitEvidence {
    let cases: u64 = cells.iter().map(|cell| u64::from(cell[0])).sum();
    let good: u64 = cells.iter().map(|cell| u64::from(cell[1])).sum();
    let expected: f64 = cells.iter().zip(rates).map(|(c, rate)| f64::from(c[0]) * rate).sum();
    let raw = Rate::new(good, cases);
    let (cases, good) = (cases as f64, good as f64);
    if rates.len() == 1 {
        return UnitEvidence { raw, expected, cases, good };
    }
    // The rarer outcome carries the information: so many of it are found where so many were expected,
    // as if it were that share of as many cases of average difficulty as would let expect them.
    let (cases, good) = if mean >= 0.5 {
        let (bad, expected_bad) = (cases - good, cases - expected);
        let even = (expected_bad / (1.0 - mean)).max(bad);
        (even, even - bad)
    } else {
        ((expected / mean).max(good), good)
    };
    UnitEvidence { raw, expected, cases, good }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(units: &[&[[u32; 2]]]) -> Evidence {
        let strata = units[0].len();
        let mut evidence = Evidence::new(units.len(), strata, 1_000_000);
        for (unit, cells) in units.iter().enumerate() {
            for (stratum, [cases, good]) in cells.iter().enumerate() {
                for case in 0..*cases {
                    assert!(evidence.add(unit, stratum, case < *good));
                }
            }
        }
        evidence
    }

    #[test]
    fn one_stratum_is_the_plain_count() {
        let units = evidence(&[&[[10, 9]], &[[500, 450]], &[[0, 0]]]).units();
        let plain: Vec<(f64, f64)> = units.iter().map(|u| (u.cases, u.good)).collect();
        assert_eq!(plain[..2], [(10.0, 9.0), (500.0, 450.0)]);
        assert!(plain[2].0.abs() < 1e-9, "a unit without cases has no evidence");
    }

    #[test]
    fn harder_cases_are_allowed_for() {
        // Over all, stratum 0 is good at 99 % and stratum 1 at 80 %; each unit does just that.
        let easy = [[20_000, 19_800], [0, 0]];
        let hard = [[0, 0], [20_000, 16_000]];
        let units = evidence(&[&easy, &hard]).units();
        let rates: Vec<f64> = units.iter().map(|u| u.good / u.cases).collect();
        assert!((rates[0] - rates[1]).abs() < 0.005, "{rates:?}");
        // Hard cases go wrong more often, so as many of them prove more.
        assert!(units[1].cases > units[0].cases);
        // One that does worse on the same mix comes out worse.
        let worse = [[0, 0], [20_000, 14_000]];
        let units = evidence(&[&easy, &hard, &worse]).units();
        assert!(units[2].good / units[2].cases < units[1].good / units[1].cases);
    }

    #[test]
    fn a_unit_is_judged_by_its_newest_cases_only() {
        let mut evidence = Evidence::new(2, 1, 3);
        assert!(!evidence.is_full());
        for _ in 0..3 {
            assert!(evidence.add(0, 0, true));
            assert!(evidence.add(1, 0, false));
        }
        assert!(evidence.is_full());
        assert!(!evidence.add(0, 0, false));
        assert_eq!(evidence.units()[0].raw, Rate::new(3, 3));
    }

    #[test]
    fn strata_have_numbers_of_their_own() {
        let strata = Strata { classes: 3, seasons: 4, area_sorts: 2 };
        let mut numbers: Vec<usize> = (0..3)
            .flat_map(|c| (0..4).flat_map(move |s| (0..2).map(move |a| strata.number(c, s, a))))
            .collect();
        numbers.dedup();
        assert_eq!(numbers, (0..strata.count()).collect::<Vec<_>>());
    }
}
