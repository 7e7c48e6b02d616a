//! Routing and duplicates on simulated reports, and on real ones where they are: a part of what
//! `--example triage_eval` measures, with floors below what it prints.

use std::collections::BTreeSet;

use chengmai_engine::triage::duplicate::{Duplicates, Settings, Weights};
use chengmai_engine::triage::route::{Classifier, Example, Facts, Reader, Training};
use chengmai_model::Timestamp;
use chengmai_model::testing::shared_data;

use crate::hotline::{Dice, Hotline, Style, by_hand};
use crate::packs;
use crate::reported_city::{Size, ask, pairs, play, precision_and_recall};

#[test]
fn the_generator_speaks_of_every_case_type_of_the_packs_and_of_no_other() {
    let catalog = packs::catalog();
    let known: BTreeSet<&str> =
        catalog.case_types().iter().map(|case| case.def.id.as_str()).collect();
    let hotline = Hotline::new();
    let spoken: BTreeSet<&str> = hotline.classes.iter().map(|class| class.id.as_str()).collect();
    assert_eq!(spoken, known);
    for (right, sentence) in by_hand() {
        assert!(right.iter().all(|class| known.contains(class)), "{right:?}: {sentence}");
    }
}

/// Right, one of three, decided, rightly: shares.
fn shares<'a>(
    classifier: &Classifier,
    asked: impl Iterator<Item = (Vec<&'a str>, String)>,
) -> [f64; 4] {
    let mut reader = Reader::default();
    let mut counts = [0u32; 4];
    let mut all = 0;
    for (right, text) in asked {
        let proposal = classifier.propose(&mut reader, &text, Facts::default());
        let is_right = |label| right.contains(&classifier.label(label).unwrap());
        let first = is_right(proposal.likely()[0].label);
        all += 1;
        counts[0] += u32::from(first);
        counts[1] += u32::from(proposal.likely().iter().any(|likely| is_right(likely.label)));
        counts[2] += u32::from(proposal.decided.is_some());
        counts[3] += u32::from(proposal.decided.is_some() && first);
    }
    let share = |part: u32, of: u32| f64::from(part) / f64::from(of);
    [
        share(counts[0], all),
        share(counts[1], all),
        share(counts[2], all),
        share(counts[3], counts[2]),
    ]
}

/// A classifier of all case types, taught on simulated reports.
fn classifier(hotline: &Hotline, dice: &mut Dice) -> Classifier {
    let mut texts = Vec::new();
    for _ in 0..60 {
        for class in 0..hotline.classes.len() {
            let place = Hotline::place(dice, false);
            texts.push((class, hotline.report(dice, class, &Style::TAUGHT, &place)));
        }
    }
    let examples: Vec<Example<'_>> = (0..)
        .zip(&texts)
        .map(|(minute, (class, text))| Example {
            text,
            facts: Facts::default(),
            label: &hotline.classes[*class].id,
            at: Timestamp(minute),
        })
        .collect();
    let training = Training { rounds: 4, ..Training::default() };
    Classifier::train(&examples, &training).unwrap()
}

#[test]
fn simulated_reports_in_other_ways_of_speaking_and_those_by_hand_are_routed() {
    let hotline = Hotline::new();
    let mut dice = Dice::new(1);
    let classifier = classifier(&hotline, &mut dice);
    let kept = (0..1_000).map(|_| {
        let class = dice.below(hotline.classes.len());
        let place = Hotline::place(&mut dice, true);
        let text = hotline.report(&mut dice, class, &Style::KEPT_FRAMES, &place);
        (vec![hotline.classes[class].id.as_str()], text)
    });
    let [right, of_three, decided, decided_right] = shares(&classifier, kept);
    println!("kept frames: {right} {of_three} {decided} {decided_right}");
    assert!(right > 0.9 && of_three > 0.95, "{right} {of_three}");
    assert!(decided > 0.6 && decided_right > 0.92, "{decided} {decided_right}");
    let hand = by_hand().into_iter().map(|(right, text)| (right, text.to_owned()));
    let [right, of_three, _, decided_right] = shares(&classifier, hand);
    println!("by hand: {right} {of_three} {decided_right}");
    assert!(right > 0.6 && of_three > 0.75, "{right} {of_three}");
    assert!(decided_right > right, "what it decides is surer than what it proposes");
}

#[test]
fn reports_of_one_incident_are_found_in_a_simulated_city_and_look_alikes_are_not() {
    let hotline = Hotline::new();
    let taught = Size { incidents: 1_500, days: 6, seed: 11, style: Style::TAUGHT };
    let asked = Size { seed: 12, style: Style::KEPT_WORDS, ..taught };
    let classifier = classifier(&hotline, &mut Dice::new(1));
    for (classifier, floor) in [(Some(&classifier), 0.7), (None, 0.6)] {
        let weights = Weights::fit(&pairs(&play(&hotline, taught, classifier)));
        let month = play(&hotline, asked, classifier);
        for weights in [weights, Weights::default()] {
            let settings = Settings { weights, ..Settings::default() };
            let answers = ask(&month, Duplicates::new(settings));
            let (precision, recall) = precision_and_recall(&answers, 0.85);
            println!("precision {precision} recall {recall} of {}", answers.len());
            assert!(precision > 0.92 && recall > floor, "{precision} {recall}");
        }
    }
}

#[test]
fn agencies_of_new_york_are_learnt_from_earlier_requests() {
    let path = "service-requests-us/nyc311_2022-05-01_part.csv";
    let Some(path) = shared_data(path) else { return };
    let mut reader = csv::Reader::from_path(path).unwrap();
    let heads = reader.headers().unwrap().clone();
    let column = |name: &str| heads.iter().position(|head| head == name).unwrap();
    let (agency, descriptor) = (column("Agency"), column("Descriptor"));
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let example = |(minute, row)| {
        let row: &csv::StringRecord = row;
        let at = Timestamp(minute);
        Example { text: &row[descriptor], facts: Facts::default(), label: &row[agency], at }
    };
    let examples: Vec<Example<'_>> = (0..).zip(&rows[..600]).map(example).collect();
    let classifier = Classifier::train(&examples, &Training::default()).unwrap();
    let later = rows[600..].iter().map(|row| (vec![&row[agency]], row[descriptor].to_owned()));
    let [right, of_three, _, _] = shares(&classifier, later);
    assert!(right > 0.8 && of_three > 0.9, "{right} {of_three}");
}
