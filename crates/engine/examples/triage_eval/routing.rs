//! Routing of simulated and of hand-written reports.

use chengmai_engine::triage::route::{Classifier, Example, Facts, Reader, Training};
use chengmai_model::Timestamp;

use crate::hotline::{Dice, Hotline, Style, by_hand};
use crate::packs;

/// Reports taught of each class.
const TAUGHT_EACH: usize = 200;
/// Reports asked.
const ASKED: usize = 10_000;

/// How often it was right.
#[derive(Default, Clone, Copy)]
pub(super) struct Score {
    asked: u32,
    right: u32,
    of_three: u32,
    decided: u32,
    decided_right: u32,
}

impl Score {
    pub(super) fn add(
        &mut self,
        classifier: &Classifier,
        reader: &mut Reader,
        text: &str,
        right: &[&str],
    ) {
        let proposal = classifier.propose(reader, text, Facts::default());
        let is_right =
            |label: u16| classifier.label(label).is_some_and(|label| right.contains(&label));
        let first = is_right(proposal.likely()[0].label);
        self.asked += 1;
        self.right += u32::from(first);
        self.of_three += u32::from(proposal.likely().iter().any(|likely| is_right(likely.label)));
        self.decided += u32::from(proposal.decided.is_some());
        self.decided_right += u32::from(proposal.decided.is_some() && first);
    }

    pub(super) fn print(&self, name: &str) {
        let share = |part: u32, of: u32| 100.0 * f64::from(part) / f64::from(of.max(1));
        println!(
            "| {name} | {} | {:.1} % | {:.1} % | {:.1} % | {:.1} % |",
            self.asked,
            share(self.right, self.asked),
            share(self.of_three, self.asked),
            share(self.decided, self.asked),
            share(self.decided_right, self.decided)
        );
    }
}

/// A classifier of the packs' case types, taught on simulated reports.
pub(super) fn taught(hotline: &Hotline, label: impl Fn(usize) -> &'static str) -> Classifier {
    let mut dice = Dice::new(1);
    let mut texts = Vec::new();
    for _ in 0..TAUGHT_EACH {
        for class in 0..hotline.classes.len() {
            let place = Hotline::place(&mut dice, false);
            texts.push((class, hotline.report(&mut dice, class, &Style::TAUGHT, &place)));
        }
    }
    let examples: Vec<Example<'_>> = (0..)
        .zip(&texts)
        .map(|(minute, (class, text))| Example {
            text,
            facts: Facts::default(),
            label: label(*class),
            at: Timestamp(minute),
        })
        .collect();
    Classifier::train(&examples, &Training::default()).unwrap()
}

pub(super) fn heads() {
    println!("| asked | reports | right | one of three | decided alone | of those right |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
}

pub(super) fn print() {
    let hotline = Hotline::new();
    let ids: Vec<&'static str> =
        hotline.classes.iter().map(|class| &*class.id.clone().leak()).collect();
    let begun = std::time::Instant::now();
    let classifier = taught(&hotline, |class| ids[class]);
    let fitness = classifier.fitness();
    println!(
        "{} classes, {} simulated reports taught in {:.1} s; {:.1} MB in memory, {:.1} MB written; decides from {:?}",
        ids.len(),
        fitness.taught + fitness.held_out,
        begun.elapsed().as_secs_f64(),
        classifier.bytes() as f64 / 1e6,
        classifier.to_bytes().len() as f64 / 1e6,
        classifier.decides_from()
    );
    println!("held out by time: {fitness:?}\n");
    heads();
    let mut reader = Reader::default();
    let styles = [
        ("simulated, as taught", Style::TAUGHT),
        ("simulated, other ways of speaking and places", Style::KEPT_FRAMES),
        ("simulated, and a third of the words never taught", Style::KEPT_WORDS),
    ];
    for (name, style) in styles {
        let mut dice = Dice::new(99);
        let mut score = Score::default();
        for _ in 0..ASKED {
            let class = dice.below(ids.len());
            let place = Hotline::place(&mut dice, style.kept_frames);
            let text = hotline.report(&mut dice, class, &style, &place);
            score.add(&classifier, &mut reader, &text, &[ids[class]]);
        }
        score.print(name);
    }
    let mut score = Score::default();
    let mut wrong = Vec::new();
    for (right, text) in by_hand() {
        score.add(&classifier, &mut reader, text, &right);
        let first = classifier.propose(&mut reader, text, Facts::default()).likely()[0];
        let said = classifier.label(first.label).unwrap();
        if !right.contains(&said) {
            wrong.push(format!("{said} ({:.2}) for {}: {text}", first.probability, right[0]));
        }
    }
    score.print("written by hand");
    println!("\nWrong on those by hand, the first twenty:");
    wrong.iter().take(20).for_each(|line| println!("* {line}"));
    urgency(&hotline, &ids);
}

/// Which reports cannot wait, by the limits of the packs: the first row in urgent hours.
fn urgency(hotline: &Hotline, ids: &[&'static str]) {
    let catalog = packs::catalog();
    let label = |id: &str| {
        let case = catalog.case_types().iter().find(|case| case.def.id == id).unwrap();
        if case.def.limits[0].handle.contains("urgent") { "urgent" } else { "ordinary" }
    };
    let classifier = taught(hotline, |class| label(ids[class]));
    let mut reader = Reader::default();
    let mut counts = [[0u32; 2]; 2];
    for (right, text) in by_hand() {
        let right = label(right[0]);
        let first = classifier.propose(&mut reader, text, Facts::default()).likely()[0];
        let said = classifier.label(first.label).unwrap();
        counts[usize::from(right == "urgent")][usize::from(said == "urgent")] += 1;
    }
    let [[quiet, false_alarm], [missed, found]] = counts;
    let all = quiet + false_alarm + missed + found;
    let f1 =
        |right: u32, wrong: u32| 2.0 * f64::from(right) / f64::from(2 * right + wrong).max(1.0);
    println!(
        "\nurgency, sentences by hand: {:.1} % right of {all}, macro F1 {:.3} (found {found}, missed {missed}, false {false_alarm})",
        100.0 * f64::from(quiet + found) / f64::from(all),
        f64::midpoint(f1(found, missed + false_alarm), f1(quiet, missed + false_alarm))
    );
}
