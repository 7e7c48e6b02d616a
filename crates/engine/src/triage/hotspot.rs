//! Where and when do reports come in more than expected? A space-time scan: every circle of areas
//! over every span of last days, by Kulldorff's likelihood ratio for Poisson counts, and how often
//! chance alone would do the same.
//!
//! Not a map of single reports, and not a forecast. It draws no random number of its own: the
//! permutations follow from the seed in the argument. Always holds: two hot spots share no area.

use super::draw::Draw;

/// What is scanned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts<'a> {
    /// The middle of each area, in metres of any plane.
    pub places: &'a [[f64; 2]],
    /// Days; the last one is the newest.
    pub days: usize,
    /// Reports, area by area, day by day within it.
    pub observed: &'a [u32],
    /// What would be usual, in the same order and any unit, such as the mean of past weeks.
    pub usual: &'a [f64],
}

/// How to scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scan {
    /// Most areas of a circle.
    pub areas_max: usize,
    /// Longest span, in days.
    pub days_max: usize,
    /// How often chance is tried.
    pub permutations: u32,
    /// Decides those.
    pub seed: u64,
    /// Most hot spots that are handed back.
    pub spots_max: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self { areas_max: 25, days_max: 7, permutations: 999, seed: 1, spots_max: 5 }
    }
}

/// More reports than usual, in some areas since some day.
#[derive(Debug, Clone, PartialEq)]
pub struct Hotspot {
    /// Its areas, the middle one first.
    pub areas: Vec<usize>,
    /// The day it began; it lasts to the newest.
    pub first_day: usize,
    /// Reports in it.
    pub observed: u32,
    /// Reports that would be usual, given all of them.
    pub expected: f64,
    /// Logarithm of the likelihood ratio.
    pub ratio: f64,
    /// How often chance alone gives as much anywhere.
    pub chance: f64,
}

/// Why nothing was scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Observed or usual counts are not one for each area and day.
    #[error("{found} counts where {expected} areas times days are expected")]
    Shape {
        /// Areas times days.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A usual count or a place is no number, or below zero, or all are zero.
    #[error("what is usual must be numbers of at least zero, not all zero, and places be numbers")]
    Usual,
}

/// One circle over one span, by its middle and sizes.
#[derive(Debug, Clone, Copy)]
struct Cylinder {
    middle: usize,
    areas: usize,
    days: usize,
    expected: f64,
}

/// Hot spots, the strongest first. Those that chance explains are listed with their chance.
pub fn hotspots(counts: &Counts<'_>, scan: &Scan) -> Result<Vec<Hotspot>, ScanError> {
    check(counts)?;
    let total: u32 = counts.observed.iter().sum();
    if total == 0 {
        return Ok(Vec::new());
    }
    let near = neighbours(counts.places, scan.areas_max);
    let sum: f64 = counts.usual.iter().sum();
    let expected: Vec<f64> =
        counts.usual.iter().map(|usual| usual / sum * f64::from(total)).collect();
    let cylinders = cylinders(counts, &near, &expected, scan.days_max);
    let ratios = Ratios::new(total, &cylinders);
    let mut spots = strongest(counts, &near, &cylinders, &ratios, scan.spots_max);
    let by_chance = chances(counts, &near, &cylinders, &ratios, &expected, scan);
    for spot in &mut spots {
        let as_much = by_chance.iter().filter(|&&ratio| ratio >= spot.ratio).count();
        spot.chance = (as_much + 1) as f64 / (by_chance.len() + 1) as f64;
    }
    Ok(spots)
}

fn check(counts: &Counts<'_>) -> Result<(), ScanError> {
    let expected = counts.places.len() * counts.days;
    for found in [counts.observed.len(), counts.usual.len()] {
        if found != expected {
            return Err(ScanError::Shape { expected, found });
        }
    }
    let is_usual = counts.usual.iter().all(|usual| usual.is_finite() && *usual >= 0.0);
    let is_placed = counts.places.iter().flatten().all(|place| place.is_finite());
    let has_some = counts.usual.is_empty() || counts.usual.iter().any(|&usual| usual > 0.0);
    if is_usual && is_placed && has_some { Ok(()) } else { Err(ScanError::Usual) }
}

/// For each area the nearest ones, itself first.
fn neighbours(places: &[[f64; 2]], areas_max: usize) -> Vec<Vec<usize>> {
    let far = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    // A circle over half of all areas is no spot.
    let most = areas_max.min(places.len().div_ceil(2)).max(1);
    (0..places.len())
        .map(|middle| {
            let mut order: Vec<usize> = (0..places.len()).collect();
            let key = |&area: &usize| (area != middle, far(places[area], places[middle]));
            order.sort_by(|a, b| {
                let (a, b) = (key(a), key(b));
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
            });
            order.truncate(most);
            order
        })
        .collect()
}

fn cylinders(
    counts: &Counts<'_>,
    near: &[Vec<usize>],
    expected: &[f64],
    days_max: usize,
) -> Vec<Cylinder> {
    let mut list = Vec::new();
    each(counts.days, near, days_max, expected, |middle, areas, days, expected| {
        list.push(Cylinder { middle, areas, days, expected });
    });
    list
}

/// Walks all cylinders in one order, with the sum of `values` in each.
fn each<T: Copy + Default + std::ops::AddAssign>(
    days: usize,
    near: &[Vec<usize>],
    days_max: usize,
    values: &[T],
    mut take: impl FnMut(usize, usize, usize, T),
) {
    let spans = days_max.min(days);
    let mut sums = vec![T::default(); spans];
    for (middle, near) in near.iter().enumerate() {
        sums.fill(T::default());
        for (place, &area) in near.iter().enumerate() {
            let mut sum = T::default();
            for (back, total) in sums.iter_mut().enumerate() {
                sum += values[(area + 1) * days - 1 - back];
                *total += sum;
                take(middle, place + 1, back + 1, *total);
            }
        }
    }
}

/// Likelihood ratios of counts, from tables: permutations ask for millions.
struct Ratios {
    total: u32,
    /// n ln n.
    entropy: Vec<f64>,
    /// Of each cylinder: the logarithm of what is expected inside and outside.
    logs: Vec<(f64, f64)>,
}

impl Ratios {
    fn new(total: u32, cylinders: &[Cylinder]) -> Self {
        let entropy = |n: u32| if n == 0 { 0.0 } else { f64::from(n) * f64::from(n).ln() };
        let least = f64::MIN_POSITIVE;
        let logs = cylinders
            .iter()
            .map(|c| (c.expected.max(least).ln(), (f64::from(total) - c.expected).max(least).ln()))
            .collect();
        Self { total, entropy: (0..=total).map(entropy).collect(), logs }
    }

    /// Zero unless there is more than expected.
    fn ratio(&self, index: usize, cylinder: &Cylinder, inside: u32) -> f64 {
        if f64::from(inside) <= cylinder.expected {
            return 0.0;
        }
        let outside = self.total - inside;
        let (log_inside, log_outside) = self.logs[index];
        let inside_part = self.entropy[inside as usize] - f64::from(inside) * log_inside;
        let outside_part = self.entropy[outside as usize] - f64::from(outside) * log_outside;
        inside_part + outside_part
    }
}

fn strongest(
    counts: &Counts<'_>,
    near: &[Vec<usize>],
    cylinders: &[Cylinder],
    ratios: &Ratios,
    spots_max: usize,
) -> Vec<Hotspot> {
    let mut found: Vec<(f64, usize, u32)> = Vec::new();
    let mut index = 0;
    let days_max = cylinders.iter().map(|cylinder| cylinder.days).max().unwrap_or(0);
    each(counts.days, near, days_max, counts.observed, |_, _, _, inside| {
        let ratio = ratios.ratio(index, &cylinders[index], inside);
        if ratio > 0.0 {
            found.push((ratio, index, inside));
        }
        index += 1;
    });
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut taken = vec![false; counts.places.len()];
    let mut spots = Vec::new();
    for (ratio, index, observed) in found {
        let Cylinder { middle, areas, days, expected } = cylinders[index];
        let areas = &near[middle][..areas];
        if spots.len() == spots_max || areas.iter().any(|&area| taken[area]) {
            continue;
        }
        for &area in areas {
            taken[area] = true;
        }
        let (areas, first_day) = (areas.to_vec(), counts.days - days);
        spots.push(Hotspot { areas, first_day, observed, expected, ratio, chance: 1.0 });
    }
    spots
}

/// The strongest ratio of each permutation: as many reports, thrown where they are usual.
fn chances(
    counts: &Counts<'_>,
    near: &[Vec<usize>],
    cylinders: &[Cylinder],
    ratios: &Ratios,
    expected: &[f64],
    scan: &Scan,
) -> Vec<f64> {
    let mut reach = Vec::with_capacity(expected.len());
    let mut sum = 0.0;
    for expected in expected {
        sum += expected;
        reach.push(sum);
    }
    let mut draw = Draw::new(scan.seed);
    let mut thrown = vec![0u32; expected.len()];
    (0..scan.permutations)
        .map(|_| {
            thrown.fill(0);
            for _ in 0..ratios.total {
                let at = draw.unit() * sum;
                let place = reach.partition_point(|&reach| reach <= at);
                thrown[place.min(expected.len() - 1)] += 1;
            }
            let (mut index, mut most) = (0, 0.0f64);
            each(counts.days, near, scan.days_max, &thrown, |_, _, _, inside| {
                most = most.max(ratios.ratio(index, &cylinders[index], inside));
                index += 1;
            });
            most
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Counts, Draw, Hotspot, Scan, ScanError, hotspots};

    const SIDE: usize = 8;
    const DAYS: usize = 14;

    fn places() -> Vec<[f64; 2]> {
        let place = |area: usize| [(area % SIDE) as f64 * 500.0, (area / SIDE) as f64 * 500.0];
        (0..SIDE * SIDE).map(place).collect()
    }

    /// Two reports a day and area, by chance; more in some areas on the last days.
    fn city(seed: u64, hot: &[usize], extra: u32) -> Vec<u32> {
        let mut draw = Draw::new(seed);
        let mut observed = Vec::new();
        for area in 0..SIDE * SIDE {
            for day in 0..DAYS {
                let usual = (0..20).filter(|_| draw.unit() < 0.1).count();
                let more = if hot.contains(&area) && day >= DAYS - 3 { extra } else { 0 };
                observed.push(u32::try_from(usual).unwrap() + more);
            }
        }
        observed
    }

    fn scan(observed: &[u32], seed: u64) -> Vec<Hotspot> {
        let usual = vec![2.0; observed.len()];
        let places = places();
        let counts = Counts { places: &places, days: DAYS, observed, usual: &usual };
        hotspots(&counts, &Scan { permutations: 99, seed, ..Scan::default() }).unwrap()
    }

    #[test]
    fn a_planted_hot_spot_is_found_where_and_since_when_it_is() {
        let hot = [19, 26, 27, 28, 35];
        let spots = scan(&city(7, &hot, 9), 1);
        let mut areas = spots[0].areas.clone();
        areas.sort_unstable();
        assert_eq!(areas, hot);
        assert_eq!(spots[0].first_day, DAYS - 3);
        assert!((spots[0].chance - 0.01).abs() < 1e-9);
        assert!(f64::from(spots[0].observed) > 2.0 * spots[0].expected);
    }

    #[test]
    fn a_quiet_city_has_a_hot_spot_no_more_often_than_chance_says() {
        let alarms = (0..40).filter(|&seed| {
            let spots = scan(&city(seed, &[], 0), seed);
            spots.first().is_some_and(|spot| spot.chance <= 0.05)
        });
        assert!(alarms.count() <= 6, "about one in twenty is expected");
    }

    #[test]
    fn the_ratio_is_kulldorffs() {
        let places = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]];
        let (observed, usual) = ([10, 2, 3, 5], [1.0; 4]);
        let counts = Counts { places: &places, days: 1, observed: &observed, usual: &usual };
        let spots = hotspots(&counts, &Scan { areas_max: 1, ..Scan::default() }).unwrap();
        let right = 10.0 * (10.0f64 / 5.0).ln() + 10.0 * (10.0f64 / 15.0).ln();
        assert_eq!(spots[0].areas, [0]);
        assert!((spots[0].ratio - right).abs() < 1e-9, "{} {right}", spots[0].ratio);
    }

    #[test]
    fn counts_that_do_not_fit_are_refused() {
        let places = [[0.0, 0.0]];
        let refused = |observed: &[u32], usual: &[f64]| {
            hotspots(&Counts { places: &places, days: 1, observed, usual }, &Scan::default())
        };
        assert_eq!(refused(&[1, 2], &[1.0]), Err(ScanError::Shape { expected: 1, found: 2 }));
        assert_eq!(refused(&[1], &[f64::NAN]), Err(ScanError::Usual));
        assert_eq!(refused(&[1], &[0.0]), Err(ScanError::Usual));
        assert_eq!(refused(&[0], &[1.0]), Ok(Vec::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn spots_share_no_area_and_the_seed_decides_the_chance(
            observed in prop::collection::vec(0u32..9, SIDE * SIDE * DAYS), seed in 0u64..9,
        ) {
            let spots = scan(&observed, seed);
            let mut areas: Vec<usize> = spots.iter().flat_map(|spot| spot.areas.clone()).collect();
            let count = areas.len();
            areas.sort_unstable();
            areas.dedup();
            prop_assert_eq!(areas.len(), count);
            prop_assert!(spots.windows(2).all(|pair| pair[0].ratio >= pair[1].ratio));
            prop_assert_eq!(scan(&observed, seed), spots);
        }
    }
}
