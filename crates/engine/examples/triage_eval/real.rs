//! Texts that nobody made up for this: the wording of a city's filing standard, the service
//! requests of New York, and reviews in Chinese where they are on the machine.

use std::path::PathBuf;

use chengmai_engine::triage::route::{Classifier, Example, Facts, Reader, Training};
use chengmai_model::Timestamp;
use chengmai_model::testing::shared_data;

use super::routing::{Score, heads, taught};
use crate::hotline::{Dice, Hotline};
use crate::packs;

pub(super) fn print() {
    heads();
    standard();
    new_york();
    println!();
    reviews();
}

fn rows(path: &PathBuf) -> (Vec<String>, Vec<csv::StringRecord>) {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).unwrap();
    let heads = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (heads, reader.records().map(Result::unwrap).collect())
}

/// The rows of a standard whose class is a case type of the packs: its name and the condition.
fn standard() {
    let Some(path) = shared_data("case-standards/case-standards.csv") else { return };
    let hotline = Hotline::new();
    let ids: Vec<&'static str> =
        hotline.classes.iter().map(|class| &*class.id.clone().leak()).collect();
    let classifier = taught(&hotline, |class| ids[class]);
    let catalog = packs::catalog();
    let mut reader = Reader::default();
    let (mut named, mut only_condition) = (Score::default(), Score::default());
    for row in rows(&path).1 {
        let class = format!("{}-{}", &row[1], &row[3]);
        let case = catalog.case_types().iter().find(|case| {
            let object = format!("{:?}", case.def.object).to_lowercase();
            case.def.class == class && object == row[0]
        });
        // One code has several case types here; a row of the standard cannot tell them apart.
        let Some(case) = case.filter(|case| case.def.class != "05-95") else { continue };
        let right = [case.def.id.as_str()];
        named.add(&classifier, &mut reader, &format!("{}，{}", &row[4], &row[5]), &right);
        only_condition.add(&classifier, &mut reader, &row[5], &right);
    }
    named.print("taught by simulation, asked a city's standard: name and condition");
    only_condition.print("the same, the condition alone (often only \"damaged\")");
}

/// Agency from the descriptor: taught on 2019 and 2022, asked 2025.
fn new_york() {
    let files = [
        ("nyc311_2019-12-31_evening.csv", "agency", "descriptor"),
        ("nyc311_2022-05-01_part.csv", "Agency", "Descriptor"),
        ("nyc311_2025-01_sample.csv", "agency", "descriptor"),
    ];
    let mut sets: Vec<Vec<(String, String)>> = Vec::new();
    for (file, agency, descriptor) in files {
        let Some(path) = shared_data(&format!("service-requests-us/{file}")) else { return };
        let (heads, rows) = rows(&path);
        let column = |name: &str| heads.iter().position(|head| head == name).unwrap();
        let (agency, descriptor) = (column(agency), column(descriptor));
        let pair = |row: &csv::StringRecord| (row[agency].to_owned(), row[descriptor].to_owned());
        sets.push(rows.iter().map(pair).filter(|(_, text)| !text.is_empty()).collect());
    }
    let examples: Vec<Example<'_>> = (0..)
        .zip(sets[..2].iter().flatten())
        .map(|(minute, (label, text))| Example {
            text,
            facts: Facts::default(),
            label,
            at: Timestamp(minute),
        })
        .collect();
    let classifier = Classifier::train(&examples, &Training::default()).unwrap();
    let mut reader = Reader::default();
    let mut score = Score::default();
    for (label, text) in &sets[2] {
        score.add(&classifier, &mut reader, text, &[label]);
    }
    score.print("New York: agency from the descriptor, taught 2019 and 2022, asked 2025");
}

/// Reviews of ChineseNlpCorpus, four fifths taught and one asked, as the baselines were.
fn reviews() {
    let files = [
        ("online_shopping_10_cats.csv", "cat", "10 kinds of goods"),
        ("online_shopping_10_cats.csv", "label", "tone, goods"),
        ("waimai_10k.csv", "label", "tone, meals"),
        ("ChnSentiCorp_htl_all.csv", "label", "tone, hotels"),
        ("weibo_senti_100k.csv", "label", "tone, weibo"),
    ];
    for (file, label, name) in files {
        let Some(path) = shared_data(&format!("chinese-nlp-corpus/{file}")) else {
            println!("* {name}: ../shared/data/chinese-nlp-corpus/{file} is not on this machine");
            continue;
        };
        let (heads, mut rows) = rows(&path);
        let column = |name: &str| heads.iter().position(|head| head == name).unwrap();
        let (label, review) = (column(label), column("review"));
        let mut dice = Dice::new(1);
        for last in (1..rows.len()).rev() {
            rows.swap(last, dice.below(last + 1));
        }
        let taught = rows.len() * 4 / 5;
        let example = |(minute, row)| {
            let row: &csv::StringRecord = row;
            let at = Timestamp(minute);
            Example { text: &row[review], facts: Facts::default(), label: &row[label], at }
        };
        let examples: Vec<Example<'_>> = (0..).zip(&rows[..taught]).map(example).collect();
        let classifier = Classifier::train(&examples, &Training::default()).unwrap();
        let mut reader = Reader::default();
        let mut score = Score::default();
        for row in &rows[taught..] {
            score.add(&classifier, &mut reader, &row[review], &[&row[label]]);
        }
        score.print(name);
    }
}
