//! What stars promise, held against a city whose truth is known.

use chengmai_model::pack::rating::StarRules;

use super::stars::{Outcome, Rule, WORLD, play};

const SEED: u64 = 12;
const RUNS: u32 = 100;

fn of(outcomes: &[(Rule, Outcome)], rule: Rule) -> Outcome {
    outcomes.iter().find(|(other, _)| *other == rule).unwrap().1
}

#[test]
fn five_stars_are_seldom_wrong_and_as_likely_for_small_units_as_for_large() {
    let outcomes = play(WORLD, RUNS, SEED, &StarRules::default());
    for (rule, outcome) in &outcomes {
        println!(
            "seed {SEED}: {}: wrong {:.3}, size bias {:.2}, {} given",
            rule.name(),
            outcome.wrong_share(),
            outcome.size_bias(),
            outcome.given
        );
    }
    let ours = of(&outcomes, Rule::Even);
    assert!(ours.wrong_share() <= 0.20, "{ours:?}");
    assert!((0.8..=1.25).contains(&ours.size_bias()), "{ours:?}");
    // Not by giving none: at least one in eight of those who deserve them has them.
    assert!(8 * (ours.given - ours.wrong) >= ours.best, "{ours:?}");
    // The usual rules are wrong every other time, and unfair to the small in one way or the other.
    let raw = of(&outcomes, Rule::Raw);
    assert!(raw.wrong_share() > 0.4 && raw.size_bias() > 1.5, "{raw:?}");
    let wilson = of(&outcomes, Rule::Wilson);
    assert!(wilson.wrong_share() > 0.4 && wilson.size_bias() < 0.5, "{wilson:?}");
}
