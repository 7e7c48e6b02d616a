//! Duplicates in a simulated city: weights learnt on some months, judged on others.

use chengmai_engine::triage::duplicate::{Duplicates, Settings, Weights};
use chengmai_engine::triage::route::Classifier;

use crate::hotline::{Hotline, Style};
use crate::reported_city::{Answer, Happenings, Size, ask, pairs, play, precision_and_recall};
use crate::routing::taught;

const SIZE: Size = Size { incidents: 8_000, days: 30, seed: 11, style: Style::TAUGHT };
/// What the weights are learnt from: a month in words that the classifier knows, and one in which it was
/// never taught a third of them, so that they do not trust it blindly.
const TAUGHT: [Size; 2] = [SIZE, Size { seed: 21, style: Style::KEPT_WORDS, ..SIZE }];
/// What they are judged on. The last was looked at once, when all else was settled.
const ASKED: [(&str, Size); 3] = [
    ("words known", Size { seed: 31, ..SIZE }),
    ("a third of the words never taught", Size { seed: 12, style: Style::KEPT_WORDS, ..SIZE }),
    ("the same, a fresh month", Size { seed: 1_313, style: Style::KEPT_WORDS, ..SIZE }),
];

pub(super) fn print() {
    let hotline = Hotline::new();
    let ids: Vec<&'static str> =
        hotline.classes.iter().map(|class| &*class.id.clone().leak()).collect();
    let classifier = taught(&hotline, |class| ids[class]);
    let months =
        |classifier: Option<&Classifier>| TAUGHT.map(|size| play(&hotline, size, classifier));
    let told = months(Some(&classifier));
    let pairs: Vec<_> = told.iter().flat_map(pairs).collect();
    let same = pairs.iter().filter(|(_, is_same)| *is_same).count();
    let learnt = Weights::fit(&pairs);
    println!("{} pairs within reach, {same} of them the same incident", pairs.len());
    println!("weights learnt: {:?}", learnt.0);
    println!(
        "\n| weights | words read by | month | reports | of these known | merges from | precision | recall |"
    );
    println!("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for (reader, classifier) in [("a classifier", Some(&classifier)), ("nobody", None)] {
        let taught = months(classifier);
        for (name, weights) in [("learnt", learnt), ("built in", Weights::default())] {
            let answers = |month: &Happenings| {
                ask(month, Duplicates::new(Settings { weights, ..Settings::default() }))
            };
            let known: Vec<Answer> = taught.iter().flat_map(answers).collect();
            for (month, size) in ASKED {
                let asked = answers(&play(&hotline, size, classifier));
                let earlier = asked.iter().filter(|answer| answer.is_known).count();
                for wanted in [0.95, 0.97, 0.98] {
                    let from = merges_from(&known, wanted);
                    let (precision, recall) = precision_and_recall(&asked, from);
                    println!(
                        "| {name} | {reader} | {month} | {} | {earlier} | {from:.3} | {precision:.4} | {recall:.4} |",
                        asked.len()
                    );
                }
            }
        }
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
