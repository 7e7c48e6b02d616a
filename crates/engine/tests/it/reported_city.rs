//! A month of a made-up city in which every incident is reported by one or several people, each in
//! their own words, a little off the place and some time later; with look-alikes beside them. For
//! finding duplicates: of each report it is known which incident it is about. Simulated.

use chengmai_engine::triage::duplicate::{
    Alike, Candidate, Duplicates, Meaning, Report, Vocabulary,
};
use chengmai_engine::triage::route::{Classifier, Facts, Likely, Reader};
use chengmai_model::Timestamp;
use chengmai_model::time::HOUR_MS;

use crate::hotline::{Dice, Hotline, Style};

const MIDNIGHT: i64 = 1_782_864_000_000;
const CENTRE: [f64; 2] = [106.55, 29.56];
const METRE: f64 = 1.0 / 111_320.0;
/// A metre eastward at that latitude.
const METRE_EAST: f64 = METRE / 0.869_8;
/// Half the width of the city, in metres.
const HALF_M: f64 = 6_000.0;

/// How large.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) incidents: usize,
    pub(crate) days: u32,
    pub(crate) seed: u64,
    pub(crate) style: Style,
}

/// What happens, in the order of time.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// Somebody reports an incident.
    Reported { incident: usize, report: Report },
    /// The incident is dealt with, and its cases are closed.
    Closed { incident: usize },
}

/// A month of it.
pub(crate) type Happenings = Vec<(Timestamp, Happening)>;

#[derive(Debug, Clone)]
struct Incident {
    class: usize,
    /// Metres east and north of the centre.
    place: [f64; 2],
    named: [String; 3],
    from: i64,
    closed: i64,
    object: Option<u32>,
}

/// The words of earlier reports, as taught.
pub(crate) fn vocabulary(hotline: &Hotline) -> Vocabulary {
    let mut dice = Dice::new(4);
    let mut vocabulary = Vocabulary::default();
    for _ in 0..5_000 {
        let class = dice.below(hotline.classes.len());
        let place = Hotline::place(&mut dice, false);
        vocabulary.learn(&hotline.report(&mut dice, class, &Style::TAUGHT, &place));
    }
    vocabulary
}

/// Who reads the reports: knows which words are rare and, with a classifier, what they are about.
#[derive(Debug)]
struct Eyes<'a> {
    vocabulary: Vocabulary,
    classifier: Option<&'a Classifier>,
    /// The number of the class of each label.
    classes: Vec<u16>,
}

impl<'a> Eyes<'a> {
    fn new(hotline: &Hotline, classifier: Option<&'a Classifier>) -> Self {
        let class = |label: &String| {
            let place = hotline.classes.iter().position(|class| class.id == *label).unwrap();
            u16::try_from(place).unwrap()
        };
        let labels = classifier.map_or(&[][..], Classifier::labels);
        let classes = labels.iter().map(class).collect();
        Self { vocabulary: vocabulary(hotline), classifier, classes }
    }

    fn meaning(&self, text: &str, chosen: u16) -> Meaning {
        let Some(classifier) = self.classifier else { return Meaning::default() };
        let proposal = classifier.propose(&mut Reader::default(), text, Facts::default());
        let likely = proposal.likely().iter();
        let of_class =
            |likely: &Likely| Likely { label: self.classes[usize::from(likely.label)], ..*likely };
        Meaning::new(likely.map(of_class), chosen)
    }
}

/// The month, its words read with the help of a classifier if there is one.
pub(crate) fn play(hotline: &Hotline, size: Size, classifier: Option<&Classifier>) -> Happenings {
    let eyes = Eyes::new(hotline, classifier);
    let mut dice = Dice::new(size.seed);
    let incidents = incidents(hotline, &mut dice, size);
    let mut happenings = Vec::new();
    for (number, incident) in incidents.iter().enumerate() {
        // One to fifteen people, 2.2 on average.
        let mut people = 1;
        while people < 15 && dice.happens(0.55) {
            people += 1;
        }
        for _ in 0..people {
            if let Some(report) = tell(hotline, &eyes, &mut dice, incident, &size.style) {
                happenings.push((report.at, Happening::Reported { incident: number, report }));
            }
        }
        let closed = Timestamp(incident.closed);
        happenings.push((closed, Happening::Closed { incident: number }));
    }
    happenings.sort_by_key(|(at, _)| *at);
    happenings
}

fn incidents(hotline: &Hotline, dice: &mut Dice, size: Size) -> Vec<Incident> {
    let centres: Vec<[f64; 2]> = (0..20)
        .map(|_| [(dice.unit() * 2.0 - 1.0) * HALF_M, (dice.unit() * 2.0 - 1.0) * HALF_M])
        .collect();
    let mut incidents = Vec::new();
    while incidents.len() < size.incidents {
        let place = if dice.happens(0.5) {
            let centre = *dice.one(&centres);
            near(dice, centre, 400.0)
        } else {
            [(dice.unit() * 2.0 - 1.0) * HALF_M, (dice.unit() * 2.0 - 1.0) * HALF_M]
        };
        let from = MIDNIGHT + ms(dice.unit() * 24.0 * f64::from(size.days));
        let class = dice.below(hotline.classes.len());
        let first = incident(dice, size.style, class, place, from);
        if dice.happens(0.25) {
            // The same trouble with another thing down the road.
            let mut place = near(dice, place, 80.0);
            if (place[0] - first.place[0]).hypot(place[1] - first.place[1]) < 40.0 {
                place[0] += 60.0;
            }
            let shift = ms((dice.unit() - 0.5) * 48.0);
            let mut other = incident(dice, size.style, class, place, from + shift);
            other.named[1].clone_from(&first.named[1]);
            incidents.push(other);
        }
        if dice.happens(0.15) {
            // The same thing again, a while after it was mended.
            let later = first.closed + ms(6.0 + dice.unit() * 72.0);
            let place = near(dice, place, 5.0);
            let mut again = incident(dice, size.style, class, place, later);
            (again.named, again.object) = (first.named.clone(), first.object);
            incidents.push(again);
        }
        if dice.happens(0.15) {
            // Something else of the same family at the same place.
            let other = sibling(hotline, dice, class);
            let place = near(dice, place, 15.0);
            let mut beside = incident(dice, size.style, other, place, from);
            beside.named.clone_from(&first.named);
            incidents.push(beside);
        }
        incidents.push(first);
    }
    incidents
}

fn incident(dice: &mut Dice, style: Style, class: usize, place: [f64; 2], from: i64) -> Incident {
    let full = Hotline::place(dice, style.kept_frames);
    let road: String = full.chars().take_while(|letter| !letter.is_ascii_digit()).collect();
    let other = Hotline::place(dice, style.kept_frames);
    let hours = 4.0 - 40.0 * (1.0 - dice.unit()).ln();
    let closed = from + ms(hours);
    let object = dice.happens(0.5).then(|| u32::try_from(dice.bits() >> 33).unwrap() + 1);
    Incident { class, place, named: [full, road, other], from, closed, object }
}

/// Hours in milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "some weeks")]
fn ms(hours: f64) -> i64 {
    (hours * HOUR_MS as f64) as i64
}

fn near(dice: &mut Dice, place: [f64; 2], metres: f64) -> [f64; 2] {
    [place[0] + dice.normal() * metres, place[1] + dice.normal() * metres]
}

fn sibling(hotline: &Hotline, dice: &mut Dice, class: usize) -> usize {
    let family = hotline.classes[class].family;
    let others: Vec<usize> = (0..hotline.classes.len())
        .filter(|&other| other != class && hotline.classes[other].family == family)
        .collect();
    if others.is_empty() { class } else { *dice.one(&others) }
}

/// One person's report; `None` if it would come after people stop noticing.
fn tell(
    hotline: &Hotline,
    eyes: &Eyes<'_>,
    dice: &mut Dice,
    incident: &Incident,
    style: &Style,
) -> Option<Report> {
    let hours = -10.0 * (1.0 - dice.unit()).ln();
    let at = incident.from + ms(hours);
    if hours > 71.0 || (at > incident.closed && !dice.happens(0.1)) {
        return None;
    }
    let metres = if dice.happens(0.8) { 12.0 } else { 45.0 };
    let place = near(dice, incident.place, metres);
    let class =
        if dice.happens(0.9) { incident.class } else { sibling(hotline, dice, incident.class) };
    let named = match dice.below(20) {
        0..8 => &incident.named[0],
        8..13 => &incident.named[1],
        13..17 => &incident.named[2],
        _ => "这里",
    };
    // A wrong class is chosen from a list; the words are about what is there.
    let text = hotline.report(dice, incident.class, style, named);
    let class = u16::try_from(class).unwrap();
    Some(Report {
        position: [CENTRE[0] + place[0] * METRE_EAST, CENTRE[1] + place[1] * METRE],
        at: Timestamp(at),
        class,
        family: hotline.classes[usize::from(class)].family,
        object: incident.object.filter(|_| dice.happens(0.2)),
        sketch: eyes.vocabulary.sketch(&text),
        meaning: eyes.meaning(&text, class),
    })
}

/// For each report: the best candidate and whether it is right, and whether there was one to find.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) best: Option<(f32, bool)>,
    pub(crate) is_known: bool,
}

/// Asks for each report of the month what was there before it, then puts it there.
pub(crate) fn ask(month: &Happenings, mut duplicates: Duplicates) -> Vec<Answer> {
    let mut keys: Vec<usize> = Vec::new();
    let mut newest: std::collections::BTreeMap<usize, Timestamp> =
        std::collections::BTreeMap::new();
    let mut answers = Vec::new();
    for (at, happening) in month {
        match happening {
            Happening::Reported { incident, report } => {
                let found: Vec<Candidate> = duplicates.near(report);
                let best = found.first().map(|first| {
                    let key = usize::try_from(first.key).unwrap();
                    (first.probability, keys[key] == *incident)
                });
                let known = newest.insert(*incident, *at);
                let is_known = known.is_some_and(|known| at.0 - known.0 <= 72 * HOUR_MS);
                answers.push(Answer { best, is_known });
                duplicates.insert(keys.len() as u64, report);
                keys.push(*incident);
            }
            Happening::Closed { incident } => {
                let of = keys.iter().enumerate().filter(|(_, key)| *key == incident);
                of.for_each(|(key, _)| duplicates.close(key as u64, *at));
            }
        }
    }
    answers
}

/// Precision and recall of merging from a probability on.
pub(crate) fn precision_and_recall(answers: &[Answer], from: f32) -> (f64, f64) {
    let merged = answers.iter().filter_map(|answer| answer.best).filter(|best| best.0 >= from);
    let (mut count, mut right) = (0usize, 0usize);
    for (_, is_right) in merged {
        count += 1;
        right += usize::from(is_right);
    }
    let known = answers.iter().filter(|answer| answer.is_known).count();
    (right as f64 / count.max(1) as f64, right as f64 / known.max(1) as f64)
}

/// Every report against every case within reach, and whether both are about the same incident.
pub(crate) fn pairs(month: &Happenings) -> Vec<(Alike, bool)> {
    let mut duplicates = Duplicates::default();
    let mut keys = Vec::new();
    let mut pairs = Vec::new();
    for (at, happening) in month {
        match happening {
            Happening::Reported { incident, report } => {
                duplicates.each_near(report, |key, alike| {
                    pairs.push((alike, keys[usize::try_from(key).unwrap()] == *incident));
                });
                duplicates.insert(keys.len() as u64, report);
                keys.push(*incident);
            }
            Happening::Closed { incident } => {
                let of = keys.iter().enumerate().filter(|(_, key)| *key == incident);
                of.for_each(|(key, _)| duplicates.close(key as u64, *at));
            }
        }
    }
    pairs
}
