//! Made-up cities in which the truth is known.

use super::*;

/// What happens in a made-up city, in percentage points.
#[derive(Clone, Copy)]
struct City {
    effect: f64,
    /// Of areas with the measure, a period, from the beginning on.
    drift: f64,
    treated: usize,
    control: usize,
    before: usize,
    after: usize,
}

const CITY: City = City { effect: 0.0, drift: 0.0, treated: 8, control: 24, before: 12, after: 6 };

fn series(city: City, seed: u64) -> Vec<AreaSeries> {
    let mut draws = Draws::new(seed);
    // What moves the whole city, which the comparison must take out.
    let weather: Vec<f64> =
        (0..city.before + city.after).map(|_| 0.02 * draws.normal() - 0.002).collect();
    (0..city.treated + city.control)
        .map(|index| {
            let treated = index < city.treated;
            let level = 0.85 + 0.04 * draws.normal();
            let cases = 60 + draws.below(400);
            // An area's own ups and downs last for some periods: its periods are not independent.
            let mut own = 0.0;
            let rates = weather
                .iter()
                .enumerate()
                .map(|(period, weather)| {
                    own = 0.7 * own + 0.01 * draws.normal();
                    let measure = f64::from(u8::from(treated && period >= city.before));
                    let drift = if treated { city.drift * period as f64 } else { 0.0 };
                    let rate = level + weather + own + 0.01 * (city.effect * measure + drift);
                    let good = draws.binomial(cases, rate.clamp(0.0, 1.0));
                    Rate::new(u64::from(good), u64::from(cases))
                })
                .collect();
            AreaSeries { area: AreaId(u32::try_from(index).unwrap()), treated, rates }
        })
        .collect()
}

fn effect_of(city: City, seed: u64) -> Effect {
    effect(&series(city, seed), city.before, 999, seed).unwrap()
}

/// How many of 200 cities satisfy something.
fn count(city: City, holds: impl Fn(&Effect) -> bool) -> usize {
    (0..200).filter(|&seed| holds(&effect_of(city, seed))).count()
}

#[test]
fn an_interval_holds_the_true_effect_as_often_as_it_says() {
    for effect in [0.0, 4.0] {
        for treated in [3, 8] {
            let city = City { effect, treated, ..CITY };
            let held = count(city, |found| {
                let [low, high] = found.change.interval;
                low <= effect / 100.0 && effect / 100.0 <= high
            });
            // 95 % of 200 is 190, give or take 3.
            assert!((180..=199).contains(&held), "{held} of 200 with {treated} areas");
        }
    }
}

#[test]
fn a_clear_effect_is_found_and_none_is_not() {
    assert!(count(City { effect: 5.0, ..CITY }, |e| e.finding() == Finding::Rose) > 150);
    assert!(count(City { effect: -5.0, ..CITY }, |e| e.finding() == Finding::Fell) > 150);
    let claims = |e: &Effect| matches!(e.finding(), Finding::Rose | Finding::Fell);
    assert!(count(CITY, claims) <= 12);
}

#[test]
fn groups_that_drifted_apart_before_allow_no_conclusion() {
    let drifting = City { drift: 0.5, ..CITY };
    // The bare comparison is taken in by it; the checks are not.
    assert!(count(drifting, |e| e.change.is_clear()) > 150);
    assert!(count(drifting, |e| e.finding() == Finding::NotComparable) > 180);
}

#[test]
fn the_interval_is_that_of_a_worked_example() {
    // Changes 1, 3 and 0, 1, 2: difference 1, variance 1 + 1/3, freedom (4/3)^2 / (1 + 1/18) = 1.684.
    let found = difference(&[1.0, 3.0], &[0.0, 1.0, 2.0]);
    assert!((found.mean - 1.0).abs() < 1e-12);
    let reach = student_within(0.95, 1.684_210_5) * (4.0_f64 / 3.0).sqrt();
    assert!((found.interval[1] - 1.0 - reach).abs() < 1e-4, "{found:?} {reach}");
    assert!((found.p - student_tails(1.0 / (4.0_f64 / 3.0).sqrt(), 1.684_210_5)).abs() < 1e-6);
}

#[test]
fn too_little_is_no_comparison() {
    let all = series(CITY, 1);
    assert_eq!(
        effect(&all[7..], 12, 9, 1),
        Err(NoComparison::FewAreas { treated: 1, control: 24 })
    );
    let late = NoComparison::NoBeforeOrAfter { start: 18, periods: 18 };
    assert_eq!(effect(&all, 18, 9, 1), Err(late));
    assert_eq!(effect(&[], 1, 9, 1), Err(NoComparison::NoBeforeOrAfter { start: 1, periods: 0 }));
    let mut unlike = all.clone();
    unlike[3].rates.pop();
    assert_eq!(effect(&unlike, 12, 9, 1), Err(NoComparison::UnlikePeriods(3)));
    assert!(late.text().zh.contains("18"));
    let mut silent = all;
    silent[0].rates[..12].fill(Rate::default());
    let found = effect(&silent, 12, 9, 1).unwrap();
    assert_eq!((found.left_out.as_slice(), found.treated.areas), (&[AreaId(0)][..], 7));
}

#[test]
fn the_sentence_says_result_counts_interval_and_limits_in_both_languages() {
    let city = City { effect: 6.0, ..CITY };
    let found = (0..9).map(|seed| effect_of(city, seed)).find(|e| e.finding() == Finding::Rose);
    let found = found.expect("most such cities show it");
    let text = found.sentence(&Text::new("按期处置率", "Handled on time"));
    for part in ["按期处置率", "8 个施行区域", "24 个对照区域", "95% 区间", "局限"]
    {
        assert!(text.zh.contains(part), "{part}: {}", text.zh);
    }
    for part in ["Handled on time rose", "8 areas with it", "95% interval", "Limits"] {
        assert!(text.en.contains(part), "{part}: {}", text.en);
    }
    let few = City { before: 2, after: 2, ..CITY };
    let text = effect_of(few, 1).sentence(&Text::new("率", "Rate"));
    assert!(text.zh.contains("不足三期") && text.en.contains("fewer than three"));
}
