//! How an area feels and how urgent its reports sound: means over many reports of two classifiers,
//! never a figure of one report, so never of one person.
//!
//! Not the truth about people: what they write in anger is what the classifiers were shown as anger.
//! A mean of few reports is drawn towards the city's, and one of fewer than five is not given.

use std::collections::BTreeMap;

use super::REPORTS_MIN;
use super::route::{Classifier, Facts, Reader};

/// The label of texts that are displeased, among the labels of the first classifier.
pub const DISPLEASED: &str = "displeased";
/// The label of texts that cannot wait, among the labels of the second.
pub const URGENT: &str = "urgent";
/// So many reports of the whole city stand beside those of an area.
const DRAWN_BY_REPORTS: f64 = 20.0;

/// Two classifiers of texts.
#[derive(Debug)]
pub struct Mood {
    tone: Classifier,
    urgency: Classifier,
    displeased: u16,
    urgent: u16,
}

/// How the reports of an area sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AreaMood {
    /// The caller's number of the area.
    pub area: u64,
    /// Reports it is the mean of.
    pub reports: u32,
    /// Mean probability of displeasure, drawn towards the city's.
    pub displeasure: f64,
    /// Mean probability that it cannot wait, drawn towards the city's.
    pub urgency: f64,
}

impl Mood {
    /// From a classifier that knows [`DISPLEASED`] and one that knows [`URGENT`]; `None` if they do not.
    pub fn new(tone: Classifier, urgency: Classifier) -> Option<Self> {
        let number = |classifier: &Classifier, wanted: &str| {
            let place = classifier.labels().iter().position(|label| label == wanted)?;
            u16::try_from(place).ok()
        };
        let (displeased, urgent) = (number(&tone, DISPLEASED)?, number(&urgency, URGENT)?);
        Some(Self { tone, urgency, displeased, urgent })
    }

    /// The areas that have at least `reports_min` reports ([`REPORTS_MIN`] if that is more), in the order of
    /// their numbers.
    pub fn of_areas<'a>(
        &self,
        reports: impl IntoIterator<Item = (u64, &'a str)>,
        reports_min: u32,
    ) -> Vec<AreaMood> {
        let mut reader = Reader::default();
        let mut sums: BTreeMap<u64, (u32, f64, f64)> = BTreeMap::new();
        let mut city = (0u32, 0.0, 0.0);
        for (area, text) in reports {
            let mut of = |classifier: &Classifier, label| {
                f64::from(classifier.probability(&mut reader, text, Facts::default(), label))
            };
            let displeased = of(&self.tone, self.displeased);
            let urgent = of(&self.urgency, self.urgent);
            for sum in [sums.entry(area).or_default(), &mut city] {
                *sum = (sum.0 + 1, sum.1 + displeased, sum.2 + urgent);
            }
        }
        let floor = reports_min.max(REPORTS_MIN);
        let drawn = |sum: f64, reports: u32, all: f64| {
            let mean = all / f64::from(city.0);
            (sum + DRAWN_BY_REPORTS * mean) / (f64::from(reports) + DRAWN_BY_REPORTS)
        };
        sums.into_iter()
            .filter(|(_, (reports, _, _))| *reports >= floor)
            .map(|(area, (reports, displeased, urgent))| AreaMood {
                area,
                reports,
                displeasure: drawn(displeased, reports, city.1),
                urgency: drawn(urgent, reports, city.2),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use chengmai_model::Timestamp;

    use super::{DISPLEASED, Mood, URGENT};
    use crate::triage::route::{Classifier, Example, Facts, Training};

    fn classifier(rows: [(&str, &str); 2]) -> Classifier {
        let examples: Vec<Example<'_>> = (0..200usize)
            .map(|turn| Example {
                text: rows[turn % 2].1,
                facts: Facts::default(),
                label: rows[turn % 2].0,
                at: Timestamp(0),
            })
            .collect();
        Classifier::train(&examples, &Training::default()).unwrap()
    }

    fn mood() -> Mood {
        let tone = classifier([(DISPLEASED, "太气人了，没人管"), ("pleased", "谢谢，处理得很快")]);
        let urgency = classifier([(URGENT, "马上要出人命，快来"), ("ordinary", "有空来看看")]);
        Mood::new(tone, urgency).unwrap()
    }

    #[test]
    fn an_area_of_angry_reports_is_told_from_one_of_thanks_and_drawn_to_the_mean() {
        let angry = (1u64, "太气人了，没人管");
        let pleased = (2u64, "谢谢，处理得很快");
        let reports = [angry; 30].into_iter().chain([pleased; 30]);
        let areas = mood().of_areas(reports, 5);
        assert_eq!(areas.iter().map(|area| area.reports).collect::<Vec<_>>(), [30, 30]);
        assert!(areas[0].displeasure > areas[1].displeasure + 0.3, "{areas:?}");
        let few = mood().of_areas([angry; 5].into_iter().chain([pleased; 30]), 5);
        assert!(few[0].displeasure < areas[0].displeasure, "few reports say less: {few:?}");
    }

    #[test]
    fn an_area_of_four_reports_is_not_given_whatever_is_asked() {
        let reports = [(1u64, "快来"); 4].into_iter().chain([(2u64, "快来"); 5]);
        let areas = mood().of_areas(reports, 0);
        assert_eq!(areas.iter().map(|area| area.area).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn classifiers_that_do_not_know_the_labels_make_no_mood() {
        let other = classifier([("a", "好"), ("b", "坏")]);
        assert!(Mood::new(other.clone(), other).is_none());
    }
}
