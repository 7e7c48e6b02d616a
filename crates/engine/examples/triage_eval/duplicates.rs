//! Duplicates in a simulated city: weights learnt on one, judged on another with other words.

use chengmai_engine::triage::duplicate::{Duplicates, Settings, Weights};

use crate::hotline::{Hotline, Style};
use crate::reported_city::{Answer, Size, ask, pairs, play, precision_and_recall};

const TAUGHT: Size = Size { incidents: 8_000, days: 30, seed: 11, style: Style::TAUGHT };
const ASKED: Size = Size { incidents: 8_000, days: 30, seed: 12, style: Style::KEPT_WORDS };
/// Looked at once, when all else was settled.
const FRESH: Size = Size { incidents: 8_000, days: 30, seed: 1_313, style: Style::KEPT_WORDS };

pub(super) fn print() {
    let hotline = Hotline::new();
    let month = play(&hotline, TAUGHT);
    let pairs = pairs(&month);
    let same = pairs.iter().filter(|(_, is_same)| *is_same).count();
    let weights = Weights::fit(&pairs);
    println!("{} pairs within reach, {same} of them the same incident", pairs.len());
    println!("weights learnt: {:?}", weights.0);
    println!("weights built in: {:?}", Weights::default().0);
    let (other_month, fresh_month) = (play(&hotline, ASKED), play(&hotline, FRESH));
    println!(
        "\n| weights | merges from | precision, taught | recall, taught | precision, held out | recall, held out | precision, fresh | recall, fresh |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, weights) in [("learnt", weights), ("built in", Weights::default())] {
        let settings = Settings { weights, ..Settings::default() };
        let taught = ask(&month, Duplicates::new(settings));
        let asked = ask(&other_month, Duplicates::new(settings));
        let fresh = ask(&fresh_month, Duplicates::new(settings));
        let known = asked.iter().filter(|answer| answer.is_known).count();
        for precision in [0.95, 0.97, 0.975, 0.98] {
            let from = merges_from(&taught, precision);
            let (a, b) = (precision_and_recall(&taught, from), precision_and_recall(&asked, from));
            let c = precision_and_recall(&fresh, from);
            println!(
                "| {name} | {from:.3} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} |",
                a.0, a.1, b.0, b.1, c.0, c.1
            );
        }
        println!(
            "\n{} reports asked, {known} of them of an incident reported within 72 h",
            asked.len()
        );
    }
}

/// The lowest probability from which on so large a share is right.
fn merges_from(answers: &[Answer], precision: f64) -> f32 {
    let mut best: Vec<(f32, bool)> = answers.iter().filter_map(|answer| answer.best).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut from) = (0usize, 1.0);
    for (count, (probability, is_right)) in (1..).zip(best) {
        right += usize::from(is_right);
        if right as f64 >= precision * f64::from(count) {
            from = probability;
        }
    }
    from
}
