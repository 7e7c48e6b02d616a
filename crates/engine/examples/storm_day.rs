//! A storm day over a whole city, a million raw exceedances an hour, with the shipped packs: what the
//! desks saw, by the figures of ISA-18.2, and whether a planted event was lost.
//! `cargo run --release -p chengmai-engine --example storm_day`. Everything in it is made up from a
//! seed; a smaller one is played by the tests. Fails when an event was lost.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::disallowed_methods, reason = "it reads the packs' files; the engine does not")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what it plays is a file of the tests")]

#[path = "../tests/it/packs.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod packs;
#[path = "../tests/it/storm.rs"]
mod storm;

use std::collections::BTreeMap;

use chengmai_engine::alarm_quality::{AlarmLoad, Goals};
use storm::Size;

fn main() {
    let size = Size {
        districts: 41,
        towns: 5,
        communities: 2,
        grids: 5,
        drains: 13,
        minutes: 240,
        events: 3,
        seed: 20_260_701,
    };
    let outcome = storm::play(packs::catalog(), size);
    let hourly = outcome.exceedances as f64 / outcome.hours();
    println!(
        "{} desks (districts), {} devices, {} h",
        size.districts,
        outcome.streams,
        outcome.hours()
    );
    println!(
        "readings {}, raw exceedances {} ({hourly:.0} an hour)",
        outcome.readings, outcome.exceedances
    );
    let tally = outcome.tally;
    println!(
        "alarms {}: feeding a shown warning {}, one under its cause {}, one in a group {}; the rest did not pass the re-check",
        tally.alarms, tally.shown, tally.under_parent, tally.collapsed
    );
    println!("causes {}, groups {}", outcome.causes, outcome.groups);
    table("whole span, with the onset", &outcome.whole);
    table("steady state, from minute 45", &outcome.steady);
    let goals = Goals::default();
    let over = |limit: f64| outcome.desks.iter().filter(|&&hourly| hourly > limit).count();
    println!(
        "\nsteady state: the busiest desk has {:.2} an hour; desks over {}: {}, over {}: {}",
        outcome.desks[0],
        goals.hourly_good,
        over(goals.hourly_good),
        goals.hourly_most,
        over(goals.hourly_most)
    );
    let known = &outcome.known;
    println!(
        "\ntrue events planted {}: shown alone {}, listed in a shown group {}, listed under a shown cause {}, lost {}",
        known.planted,
        known.alone,
        known.in_a_group,
        known.under_a_cause,
        known.lost.len()
    );
    for lost in &known.lost {
        println!("  lost: {lost}");
    }
    assert!(known.lost.is_empty(), "no true event may be lost");
}

fn table(title: &str, load: &AlarmLoad) {
    println!(
        "\n{title}: {} shown, {} floods, most in an hour at one desk {}",
        load.shown, load.floods, load.peak_hour
    );
    println!("| figure | found | goal | verdict |\n| --- | --- | --- | --- |");
    for figure in load.figures(&Goals::default()) {
        println!(
            "| {} | {:.4} | {} | {} |",
            figure.kind.word(),
            figure.value,
            figure.goal,
            figure.verdict.word()
        );
    }
    let catalog = packs::catalog();
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    for (source, count) in &load.sources {
        let rule = catalog.rules().get(source.rule as usize);
        let name = rule.map_or_else(|| "groups".to_owned(), |rule| rule.id.clone());
        *rules.entry(name).or_default() += count;
    }
    let mut rules: Vec<(String, u64)> = rules.into_iter().collect();
    rules.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named: Vec<String> = rules.iter().map(|(rule, n)| format!("{rule} {n}")).collect();
    println!("\nby rule: {}", named.join(", "));
}
