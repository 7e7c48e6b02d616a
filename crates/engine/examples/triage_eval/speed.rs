//! What a text and a report cost, on one core.

use std::time::Instant;

use chengmai_engine::triage::duplicate::{Duplicates, Meaning, Report, Sketch, Vocabulary};
use chengmai_engine::triage::grams::Grams;
use chengmai_engine::triage::hotspot::{Counts, Scan, hotspots};
use chengmai_engine::triage::route::{Facts, Reader};
use chengmai_engine::triage::scrub::scrub;
use chengmai_model::Timestamp;
use chengmai_model::time::DAY_MS;

use crate::hotline::{Dice, Hotline, Style};
use crate::reported_city::vocabulary;

const CASES: usize = 10_000_000;
const DAYS: f64 = 1_000.0;
const REPORTS: usize = 50_000;
const RUNS: usize = 5;

pub(super) fn print() {
    let hotline = Hotline::new();
    let mut dice = Dice::new(3);
    let texts: Vec<String> = (0..10_000)
        .map(|_| {
            let class = dice.below(hotline.classes.len());
            let place = Hotline::place(&mut dice, true);
            hotline.report(&mut dice, class, &Style::KEPT_FRAMES, &place)
        })
        .collect();
    let letters: usize = texts.iter().map(|text| text.chars().count()).sum();
    println!("texts of {} letters on average, best of {RUNS} runs", letters / texts.len());
    let mut grams = Grams::default();
    each("buckets", &texts, |text| {
        grams.clear();
        grams.text(text);
        grams.buckets().len()
    });
    let ids: Vec<&'static str> =
        hotline.classes.iter().map(|class| &*class.id.clone().leak()).collect();
    let classifier = super::routing::taught(&hotline, |class| ids[class]);
    let ten = super::routing::taught(&hotline, |class| ids[class % 10]);
    let mut reader = Reader::default();
    each("proposal of 135 classes", &texts, |text| {
        usize::from(classifier.propose(&mut reader, text, Facts::default()).likely()[0].label)
    });
    each("proposal of 10 classes", &texts, |text| {
        usize::from(ten.propose(&mut reader, text, Facts::default()).likely()[0].label)
    });
    let vocabulary = vocabulary(&hotline);
    each("sketch", &texts, |text| usize::from(vocabulary.sketch(text) == Sketch::default()));
    each("scrub", &texts, |text| scrub(text).text.len());
    duplicates(&mut dice, &vocabulary, &texts);
    scan(&mut dice);
}

fn each(name: &str, texts: &[String], mut work: impl FnMut(&str) -> usize) {
    let mut best = f64::INFINITY;
    let mut sum = 0;
    for _ in 0..RUNS {
        let begun = Instant::now();
        sum += texts.iter().map(|text| work(text)).sum::<usize>();
        best = best.min(begun.elapsed().as_secs_f64() / texts.len() as f64);
    }
    println!("* {name}: {:.2} µs a text (check {sum})", best * 1e6);
}

/// Ten million cases of a thousand days over a city of 40 by 40 kilometres, half of it in centres.
fn duplicates(dice: &mut Dice, vocabulary: &Vocabulary, texts: &[String]) {
    let sketches: Vec<Sketch> = texts.iter().map(|text| vocabulary.sketch(text)).collect();
    let centres: Vec<[f64; 2]> =
        (0..200).map(|_| [dice.unit() * 0.4, dice.unit() * 0.36]).collect();
    let report = |dice: &mut Dice, day: f64| {
        let place = if dice.happens(0.5) {
            let centre = *dice.one(&centres);
            [centre[0] + dice.normal() * 0.006, centre[1] + dice.normal() * 0.006]
        } else {
            [dice.unit() * 0.4, dice.unit() * 0.36]
        };
        Report {
            position: [106.3 + place[0], 29.4 + place[1]],
            at: time(day),
            class: u16::try_from(dice.below(135)).unwrap(),
            family: u16::try_from(dice.below(20)).unwrap(),
            object: None,
            sketch: *dice.one(&sketches),
            meaning: Meaning::default(),
        }
    };
    let mut known = Duplicates::default();
    known.reserve(CASES + REPORTS);
    let begun = Instant::now();
    for key in 0..CASES {
        known.insert(key as u64, &report(dice, key as f64 / CASES as f64 * DAYS));
    }
    let loaded = begun.elapsed().as_secs_f64();
    println!(
        "* {} cases in {loaded:.0} s, {:.0} MB, {:.0} bytes a case",
        known.len(),
        known.bytes() as f64 / 1e6,
        known.bytes() as f64 / known.len() as f64
    );
    // The reports of one night of a storm, each with its text, asked and put in.
    let storm: Vec<(Report, &String)> = (0..REPORTS)
        .map(|_| {
            let day = DAYS + dice.unit();
            (report(dice, day), dice.one(texts))
        })
        .collect();
    let begun = Instant::now();
    let mut found = 0;
    for (key, (report, text)) in (CASES..).zip(&storm) {
        let report = Report { sketch: vocabulary.sketch(text), ..*report };
        found += known.near(&report).len();
        known.insert(key as u64, &report);
    }
    let spent = begun.elapsed().as_secs_f64();
    println!(
        "* sketch, ask and insert: {:.0} reports a second ({found} candidates)",
        REPORTS as f64 / spent
    );
}

fn scan(dice: &mut Dice) {
    let places: Vec<[f64; 2]> =
        (0..343).map(|_| [dice.unit() * 40_000.0, dice.unit() * 40_000.0]).collect();
    let days = 28;
    let observed: Vec<u32> =
        (0..343 * days).map(|_| u32::try_from(dice.below(7)).unwrap()).collect();
    let usual = vec![3.0; observed.len()];
    let counts = Counts { places: &places, days, observed: &observed, usual: &usual };
    let begun = Instant::now();
    let spots = hotspots(&counts, &Scan::default()).unwrap();
    println!(
        "* hot spots of 343 areas in 28 days with 999 permutations: {:.1} s (strongest by chance {:.2})",
        begun.elapsed().as_secs_f64(),
        spots[0].chance
    );
}

#[expect(clippy::cast_possible_truncation, reason = "some years")]
fn time(day: f64) -> Timestamp {
    Timestamp(1_700_000_000_000 + (day * DAY_MS as f64) as i64)
}
