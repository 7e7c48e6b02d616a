//! The tables of docs/benchmarks/stars.md: how often five stars are wrong under five rules in a city
//! whose truth is known, what drift does to them, what one rating of a whole city costs, and how
//! quickly weights are tried and cases are counted:
//! `cargo run --release -p chengmai-engine --example stars -- [--seed 12] [--runs 200]
//! [--alike 160]`, where `alike` is how like each other the true rates are (the size of their beta).
//! Time is this thread's own processor time where the system tells it. Not part of the program.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it needs a clock")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of cases and units are small and not negative"
)]

#[path = "../tests/it/stars.rs"]
mod stars;

use std::time::Instant;

use chengmai_engine::rating::draws::Draws;
use chengmai_engine::rating::evidence::{Evidence, Strata};
use chengmai_engine::rating::facts::{CaseFacts, StageFacts};
use chengmai_engine::rating::formulas::{Span, fold};
use chengmai_engine::rating::stars::{Peers, UnitStars, Verdict};
use chengmai_engine::rating::weights::{Acceptability, Ideal, Scores};
use chengmai_model::pack::rating::{EvaluationObject, StarRules};
use chengmai_model::{AreaId, EvaluationPeriod, Timestamp};
use stars::{WORLD, World, play};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |name: &str, usual: u64| {
        let at = words.iter().position(|word| word == name);
        at.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(usual)
    };
    let (seed, runs) = (number("--seed", 12), number("--runs", 200) as u32);
    let alike = number("--alike", 160) as f64;
    let world = World { quality: [0.93 * alike, 0.07 * alike], ..WORLD };
    println!(
        "Seed {seed}, {runs} runs, true rates beta({:.1}, {:.1}).\n",
        world.quality[0], world.quality[1]
    );
    table("Truth stands still", world, runs, seed, &StarRules::default());
    for drift in [0.1, 0.2] {
        let world = World { drift, ..world };
        let title = format!("Truth moves: log odds by {drift} a month");
        table(&title, world, runs, seed, &StarRules::default());
    }
    println!("### How many cases each is judged by\n");
    println!(
        "| newest cases | five stars a run | wrong | size bias |\n| ---: | ---: | ---: | ---: |"
    );
    for cases_max in [250, 500, 750, 1_000] {
        let rules = StarRules { cases_max, ..StarRules::default() };
        let [.., (_, even)] = play(world, runs, seed, &rules);
        println!(
            "| {cases_max} | {:.1} | {:.0} % | {:.2} |",
            even.given as f64 / even.runs as f64,
            100.0 * even.wrong_share(),
            even.size_bias()
        );
    }
    println!();
    whole_city(seed);
    weights(seed);
    counting(seed);
}

fn table(title: &str, world: World, runs: u32, seed: u64, rules: &StarRules) {
    println!("### {title}\n");
    println!("| five stars by | given a run | wrong | wrong of small units' | size bias |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (rule, outcome) in play(world, runs, seed, rules) {
        let small = match outcome.small {
            0 => "n/a".to_owned(),
            given => format!(
                "{:.0} % ({}/{given})",
                100.0 * outcome.small_wrong as f64 / given as f64,
                outcome.small_wrong
            ),
        };
        println!(
            "| {} | {:.1} | {:.0} % ({}/{}) | {small} | {:.2} |",
            rule.name(),
            outcome.given as f64 / outcome.runs as f64,
            100.0 * outcome.wrong_share(),
            outcome.wrong,
            outcome.given,
            outcome.size_bias(),
        );
    }
    println!();
}

/// The best of some runs, in milliseconds.
fn best_ms(mut run: impl FnMut()) -> f64 {
    let once = |run: &mut dyn FnMut()| {
        let start = clock();
        run();
        (clock() - start) * 1e3
    };
    (0..5).map(|_| once(&mut run)).fold(f64::INFINITY, f64::min)
}

/// This thread's processor time in seconds, or the time since the start.
fn clock() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = stat.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    ns.map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |ns| ns / 1e9)
}

/// Districts, towns, communities and grids of a city as large as Chongqing, each tier in its groups.
fn whole_city(seed: u64) {
    let rules = StarRules::default();
    let mut draws = Draws::new(seed);
    let strata = Strata { classes: 6, seasons: 4, area_sorts: 2 };
    let hard: Vec<f64> = (0..strata.count()).map(|_| 0.3 * draws.normal()).collect();
    let mut group = |units: usize, median: f64| {
        let mut evidence = Evidence::new(units, strata.count(), rules.cases_max);
        for unit in 0..units {
            let cases = (median * draws.normal().exp()) as u32;
            let truth = draws.beta(93.0, 7.0);
            for _ in 0..cases.min(rules.cases_max) {
                let stratum = draws.below(strata.count() as u32) as usize;
                let odds = (truth / (1.0 - truth)).ln() + hard[stratum];
                evidence.add(unit, stratum, draws.unit() < 1.0 / (1.0 + (-odds).exp()));
            }
        }
        evidence
    };
    let mut groups = vec![group(41, 50_000.0), group(1_031, 3_000.0)];
    groups.extend((0..41).map(|_| group(268, 300.0)));
    groups.extend((0..41).map(|_| group(1_512, 60.0)));
    let rate = |groups: &[Evidence]| -> Vec<UnitStars> {
        groups.iter().flat_map(|group| Peers::new(group.units(), &rules).stars()).collect()
    };
    let mut starred = Vec::new();
    let ms = best_ms(|| starred = rate(&groups));
    let grids = best_ms(|| drop(rate(&groups[43..])));
    println!("### One rating of a whole city\n");
    println!("{} units, {} of them grids in 41 districts, 48 strata.\n", starred.len(), 41 * 1_512);
    let with =
        |stars: u8| starred.iter().filter(|unit| unit.verdict == Verdict::Stars(stars)).count();
    println!("| what | time |\n| --- | ---: |");
    println!("| all tiers: case mix, fit, stars, intervals, ranks | {ms:.0} ms |");
    println!("| the grids alone | {grids:.0} ms |");
    let peers = Peers::new(groups[43].units(), &rules);
    let each = best_ms(|| {
        let found = (0..100).filter(|&unit| peers.needed(unit, 5).is_some()).count();
        assert!(found > 0, "some five stars are within reach");
    });
    println!("| what would change it, one unit | {:.2} ms |", each / 100.0);
    println!(
        "\nStars given: 5: {}, 4: {}, 3: {}, 2: {}, 1: {}, none: {}.\n",
        with(5),
        with(4),
        with(3),
        with(2),
        with(1),
        starred.len() - (1..=5).map(with).sum::<usize>()
    );
}

/// 343 units by 100 indicators, 10,000 mixtures of weights.
fn weights(seed: u64) {
    let mut draws = Draws::new(seed);
    let rows: Vec<Vec<f64>> = (0..343).map(|_| (0..100).map(|_| draws.unit()).collect()).collect();
    let scores = Scores::new(&rows, &[Ideal { worst: 0.0, best: 1.0 }; 100]);
    let even = [1.0; 100];
    let mut found = None;
    let ms = best_ms(|| found = Some(Acceptability::of(&scores, &even, 100.0, 10_000, seed)));
    println!("### Weights\n");
    println!("343 units x 100 indicators x 10,000 drawn weights: {ms:.0} ms.");
    let Some(found) = found else { return };
    let mut first: Vec<f64> = (0..343).map(|unit| found.among_first(unit, 34)).collect();
    first.sort_by(|a, b| b.total_cmp(a));
    println!(
        "Among the first 34 with some weights: {}; with at least 80 % of them: {}.\n",
        first.iter().filter(|share| **share > 0.0).count(),
        first.iter().filter(|share| **share >= 0.8).count()
    );
}

/// Cases counted into the formulas, by agency.
fn counting(seed: u64) {
    let mut draws = Draws::new(seed);
    let month = 30 * 86_400_000;
    let cases: Vec<CaseFacts> = (0..1_000_000)
        .map(|number| {
            let mut moment = || Timestamp(1_000 * i64::from(draws.below(90 * 86_400)));
            let mut facts = CaseFacts::reported(number, AreaId(0), moment());
            for stage in [
                &mut facts.file,
                &mut facts.dispatch,
                &mut facts.handle,
                &mut facts.check,
                &mut facts.close,
            ] {
                *stage = StageFacts { due_at: moment(), done_at: moment(), ..StageFacts::NONE };
            }
            facts.agency = draws.below(2_000);
            facts
        })
        .collect();
    let span = Span::new(
        EvaluationPeriod { from: Timestamp(month), to: Timestamp(2 * month) },
        Timestamp(3 * month),
    );
    let ms = best_ms(|| {
        let tallies = fold(&cases, span, EvaluationObject::Agency, 2_000);
        assert_eq!(tallies.len(), 2_000, "one tally an agency");
    });
    println!("### Counting\n");
    println!(
        "A million cases into 18 formulas of 2,000 agencies: {ms:.0} ms, {:.1} M cases/s.",
        1e3 / ms
    );
}
