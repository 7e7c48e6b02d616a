//! Stars 五星评价 of units among their peers, each a promise with a probability.
//!
//! | stars | promise, kept with at least the pack's certainty (80 %) |
//! | --- | --- |
//! | 5 | among the best 10 % |
//! | 4 | among the best 30 % |
//! | 3 | neither among the best nor among the last 20 % |
//! | 2 | among the last 30 % |
//! | 1 | among the last 10 % |
//! | none | the cases do not tell: insufficient evidence |
//!
//! All shares are the pack's (`[stars]`). A unit that fulfils several gets the outermost. What a star is
//! given for is one rate, usually cases handled on time; [`super::evidence`] says which cases count.
//!
//! Not here: grades of composites ([`super::composite`]). Invariant: nobody gets a star, good or bad, for
//! luck that is likelier than the pack allows.

use std::collections::BTreeMap;

use chengmai_model::pack::rating::StarRules;
use chengmai_model::{AreaId, AreaTree, Text, Tier};

use super::evidence::UnitEvidence;
use super::posterior::{Belief, prior, whole};
use super::ranks::{CUTS, Ranks, Work};

/// What can be said of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// 1 to 5.
    Stars(u8),
    /// 证据不足.
    Insufficient(Lack),
}

/// Why there are no stars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Too few peers to be compared with.
    FewPeers,
    /// The peers do not differ by more than chance.
    Alike,
    /// No case to judge by.
    NoCases,
    /// Every promise is likelier to be broken than is allowed.
    Undecided,
}

impl Lack {
    /// Why, as shown to people.
    pub fn text(self) -> Text {
        match self {
            Self::FewPeers => Text::new("同级单位太少，不评星", "too few peers to compare with"),
            Self::Alike => Text::new(
                "各单位的差别不超过偶然波动，不评星",
                "the peers differ by no more than chance",
            ),
            Self::NoCases => Text::new("没有可评的案件", "no case to judge by"),
            Self::Undecided => Text::new(
                "证据不足：案件数尚不能确定其位次",
                "insufficient evidence: the cases do not yet tell its place",
            ),
        }
    }
}

/// One unit's stars with all that they rest on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitStars {
    /// Stars, or why none.
    pub verdict: Verdict,
    /// What it is judged by.
    pub evidence: UnitEvidence,
    /// Where it stands; `None` where nothing can be compared.
    pub place: Option<Place>,
}

/// Where a unit stands among its peers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The chance to be among the best; five stars.
    pub best_outer: f64,
    /// The chance to be in the upper part; four stars.
    pub best_upper: f64,
    /// The chance to be in the middle; three stars.
    pub middle: f64,
    /// The chance to be in the lower part; two stars.
    pub last_upper: f64,
    /// The chance to be among the last; one star.
    pub last_outer: f64,
    /// The true rate as it is believed to be, on cases of average difficulty.
    pub rate: f64,
    /// The pack's interval around it.
    pub interval: [f64; 2],
    /// The rank expected, 1 is best; not whole.
    pub rank: f64,
}

/// Units that are compared with each other.
#[derive(Debug, Clone)]
pub struct Peers<'r> {
    rules: &'r StarRules,
    units: Vec<UnitEvidence>,
    prior: Option<Belief>,
    ranks: Option<Ranks>,
}

/// More cases than this are never said to be needed. Our default.
const NEEDED_MAX: u32 = 100_000;

impl<'r> Peers<'r> {
    /// Compares units. The fit and the sums over all are done here, once.
    pub fn new(units: Vec<UnitEvidence>, rules: &'r StarRules) -> Self {
        let prior = prior(&units);
        let enough = units.len() >= rules.peers_min as usize;
        let ranks = prior.filter(|_| enough).map(|prior| {
            let beliefs = units.iter().map(|u| prior.after(u.good, u.cases - u.good)).collect();
            Ranks::new(beliefs, cuts(units.len(), rules))
        });
        Self { rules, units, prior, ranks }
    }

    /// What is believed of any of them before its own cases; `None` when they do not differ.
    pub fn prior(&self) -> Option<Belief> {
        self.prior
    }

    /// The stars of all, in their order.
    pub fn stars(&self) -> Vec<UnitStars> {
        let mut work = Work::default();
        (0..self.units.len()).map(|unit| self.one(unit, &mut work)).collect()
    }

    fn one(&self, unit: usize, work: &mut Work) -> UnitStars {
        let evidence = self.units[unit];
        let Some(ranks) = &self.ranks else {
            let few = self.units.len() < self.rules.peers_min as usize;
            let lack = if few { Lack::FewPeers } else { Lack::Alike };
            return UnitStars { verdict: Verdict::Insufficient(lack), evidence, place: None };
        };
        let (at_most, rank) = ranks.of(unit, work);
        let [outer, upper, middle, not_last_middle, not_last_upper, not_last_outer] = at_most;
        let tail = (1.0 - self.rules.interval / 100.0) / 2.0;
        let quantile = |share| ranks.grid.rate_at(work.masses.quantile(share));
        let mean: f64 = (work.masses.start..)
            .zip(&work.masses.of)
            .map(|(node, mass)| mass * ranks.grid.rate_at(node as f64))
            .sum();
        let place = Place {
            best_outer: outer,
            best_upper: upper,
            middle: (not_last_middle - middle).max(0.0),
            last_upper: 1.0 - not_last_upper,
            last_outer: 1.0 - not_last_outer,
            rate: mean,
            interval: [quantile(tail), quantile(1.0 - tail)],
            rank,
        };
        let verdict = match evidence.raw.denominator {
            0 => Verdict::Insufficient(Lack::NoCases),
            _ => self.verdict(&place),
        };
        UnitStars { verdict, evidence, place: Some(place) }
    }

    fn verdict(&self, place: &Place) -> Verdict {
        let sure = self.rules.certainty / 100.0;
        let promises = [
            (place.best_outer, 5),
            (place.last_outer, 1),
            (place.best_upper, 4),
            (place.last_upper, 2),
            (place.middle, 3),
        ];
        promises
            .into_iter()
            .find(|(chance, _)| *chance >= sure)
            .map_or(Verdict::Insufficient(Lack::Undecided), |(_, stars)| Verdict::Stars(stars))
    }

    /// How many further good cases, one after the other and the peers staying as they are, would bring a
    /// unit to `stars`, which is 4 or 5; `None` when that is out of reach or there is no comparison.
    pub fn needed(&self, unit: usize, stars: u8) -> Option<u32> {
        let cut = match stars {
            5 => 0,
            4 => 1,
            _ => return None,
        };
        let certainty = self.rules.certainty / 100.0;
        self.ranks.as_ref()?.needed(unit, cut, certainty, NEEDED_MAX)
    }
}

/// How many of the others may be better for each promise: the best outer, upper and middle part, and
/// not being among the last middle, upper and outer part.
fn cuts(units: usize, rules: &StarRules) -> [usize; CUTS] {
    let places = |share: f64| whole(share / 100.0 * units as f64 + 1e-9).clamp(1, units);
    let [outer, upper, middle] = [rules.outer, rules.upper, rules.middle].map(places);
    let last = |places: usize| (units - places).saturating_sub(1);
    [outer - 1, upper - 1, middle - 1, last(middle), last(upper), last(outer)]
}

/// Which areas are compared with each other: districts with all districts and towns with all towns of the
/// city, communities and grids with those of their tier in their district. Lower down there are
/// enough peers within a district, and habits of reporting differ between districts; further up there
/// are not. The city itself has no peers.
pub fn peer_groups(areas: &AreaTree) -> BTreeMap<(Tier, AreaId), Vec<AreaId>> {
    let mut groups: BTreeMap<(Tier, AreaId), Vec<AreaId>> = BTreeMap::new();
    for (id, area) in areas.iter() {
        let tier = area.row.tier;
        let within = match tier {
            Tier::City => continue,
            Tier::District | Tier::Town => AreaId::ROOT,
            Tier::Community | Tier::Grid => {
                areas.at_tier(id, Tier::District).unwrap_or(AreaId::ROOT)
            }
        };
        groups.entry((tier, within)).or_default().push(id);
    }
    groups
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

    /// Twenty units in the middle with a few cases, and those given.
    fn stars_of(given: &[(u32, u32)]) -> Vec<Verdict> {
        let mut units: Vec<UnitEvidence> =
            given.iter().map(|&(cases, good)| unit(cases, good)).collect();
        let mut draws = Draws::new(4);
        units.extend((0..20).map(|_| {
            let rate = draws.beta(90.0, 10.0);
            unit(400, draws.binomial(400, rate))
        }));
        let rules = StarRules::default();
        let stars = Peers::new(units, &rules).stars();
        stars[..given.len()].iter().map(|unit| unit.verdict).collect()
    }

    #[test]
    fn stars_ask_for_evidence_and_not_for_a_good_rate_alone() {
        let undecided = Verdict::Insufficient(Lack::Undecided);
        // All good in five cases is luck; all good in a thousand is not.
        assert_eq!(stars_of(&[(5, 5)]), [undecided]);
        assert_eq!(stars_of(&[(1000, 1000)]), [Verdict::Stars(5)]);
        assert_eq!(stars_of(&[(5, 3)]), [undecided]);
        assert_eq!(stars_of(&[(1000, 600)]), [Verdict::Stars(1)]);
        assert_eq!(stars_of(&[(100_000, 90_000)]), [Verdict::Stars(3)]);
        assert_eq!(stars_of(&[(0, 0)]), [Verdict::Insufficient(Lack::NoCases)]);
    }

    #[test]
    fn without_peers_or_without_differences_there_are_no_stars() {
        let rules = StarRules::default();
        let verdicts = |units: Vec<UnitEvidence>| {
            Peers::new(units, &rules).stars().iter().map(|u| u.verdict).collect::<Vec<_>>()
        };
        let few: Vec<UnitEvidence> = (0..9).map(|n| unit(1000, 800 + 20 * n)).collect();
        assert_eq!(verdicts(few), vec![Verdict::Insufficient(Lack::FewPeers); 9]);
        assert_eq!(
            verdicts(vec![unit(300, 279); 40]),
            vec![Verdict::Insufficient(Lack::Alike); 40]
        );
    }

    #[test]
    fn promises_hold_together_and_the_interval_holds_the_rate() {
        let mut draws = Draws::new(8);
        let units: Vec<UnitEvidence> = (0..343)
            .map(|_| {
                let rate = draws.beta(93.0, 7.0);
                let cases = 10 + draws.below(3_000);
                unit(cases, draws.binomial(cases, rate))
            })
            .collect();
        let rules = StarRules::default();
        for unit in Peers::new(units, &rules).stars() {
            let place = unit.place.unwrap();
            assert!(place.best_outer <= place.best_upper + 1e-9, "{unit:?}");
            assert!(place.last_outer <= place.last_upper + 1e-9, "{unit:?}");
            assert!(place.best_upper + place.last_upper <= 1.0 + 1e-6, "{unit:?}");
            assert!(place.interval[0] < place.rate && place.rate < place.interval[1], "{unit:?}");
            assert!((1.0..=343.0).contains(&place.rank), "{unit:?}");
        }
    }

    #[test]
    fn what_would_change_it_is_said_for_those_near_enough() {
        let mut units = vec![unit(300, 295), unit(300, 200)];
        units.extend((0..38).map(|n| unit(300, 270 + n / 4)));
        let rules = StarRules::default();
        let peers = Peers::new(units, &rules);
        let near = peers.needed(0, 4);
        let far = peers.needed(1, 4);
        assert!(near.is_some_and(|near| far.is_none_or(|far| far > near)), "{near:?} {far:?}");
        assert!(peers.needed(0, 5) >= near);
        assert_eq!(peers.needed(0, 3), None);
    }
}
