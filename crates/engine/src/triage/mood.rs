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

/// What was learnt of tone and of urgency; either may be missing.
#[derive(Debug, Clone, Default)]
pub struct Mood {
    tone: Option<Sense>,
    urgency: Option<Sense>,
}

/// A classifier and the label that is asked of it.
#[derive(Debug, Clone)]
struct Sense {
    classifier: Classifier,
    label: u16,
}

impl Sense {
    /// None where it does not know the label.
    fn new(classifier: Classifier, label: &str) -> Option<Self> {
        let place = classifier.labels().iter().position(|known| known == label)?;
        Some(Self { label: u16::try_from(place).ok()?, classifier })
    }

    fn probability(&self, reader: &mut Reader, text: &str) -> f64 {
        f64::from(self.classifier.probability(reader, text, Facts::default(), self.label))
    }
}

/// How the reports of an area sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AreaMood {
    /// The caller's number of the area.
    pub area: u64,
    /// Reports it is the mean of.
    pub reports: u32,
    /// Mean probability of displeasure, drawn towards the city's; none where tone was not learnt.
    pub displeasure: Option<f64>,
    /// Mean probability that it cannot wait, drawn towards the city's; none where that was not learnt.
    pub urgency: Option<f64>,
}

/// Sums over reports.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    reports: u32,
    displeased: f64,
    urgent: f64,
}

impl Mood {
    /// From a classifier that knows [`DISPLEASED`] and one that knows [`URGENT`]; one that does not is left
    /// out.
    pub fn new(tone: Option<Classifier>, urgency: Option<Classifier>) -> Self {
        Self {
            tone: tone.and_then(|tone| Sense::new(tone, DISPLEASED)),
            urgency: urgency.and_then(|urgency| Sense::new(urgency, URGENT)),
        }
    }

    /// What was learnt of tone.
    pub fn tone(&self) -> Option<&Classifier> {
        self.tone.as_ref().map(|sense| &sense.classifier)
    }

    /// What was learnt of urgency.
    pub fn urgency(&self) -> Option<&Classifier> {
        self.urgency.as_ref().map(|sense| &sense.classifier)
    }

    /// The areas that have at least `reports_min` reports ([`REPORTS_MIN`] if that is more), in the order of
    /// their numbers.
    pub fn of_areas<'a>(
        &self,
        reports: impl IntoIterator<Item = (u64, &'a str)>,
        reports_min: u32,
    ) -> Vec<AreaMood> {
        let mut reader = Reader::default();
        let mut sums: BTreeMap<u64, Sums> = BTreeMap::new();
        let mut city = Sums::default();
        for (area, text) in reports {
            let mut of = |sense: &Option<Sense>| {
                sense.as_ref().map_or(0.0, |sense| sense.probability(&mut reader, text))
            };
            let (displeased, urgent) = (of(&self.tone), of(&self.urgency));
            for sum in [sums.entry(area).or_default(), &mut city] {
                sum.reports += 1;
                sum.displeased += displeased;
                sum.urgent += urgent;
            }
        }
        let floor = reports_min.max(REPORTS_MIN);
        let drawn = |sum: f64, reports: u32, all: f64| {
            let mean = all / f64::from(city.reports);
            (sum + DRAWN_BY_REPORTS * mean) / (f64::from(reports) + DRAWN_BY_REPORTS)
        };
        sums.into_iter()
            .filter(|(_, sum)| sum.reports >= floor)
            .map(|(area, Sums { reports, displeased, urgent })| AreaMood {
                area,
                reports,
                displeasure: self.tone().map(|_| drawn(displeased, reports, city.displeased)),
                urgency: self.urgency().map(|_| drawn(urgent, reports, city.urgent)),
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
        Mood::new(Some(tone), Some(urgency))
    }

    #[test]
    fn an_area_of_angry_reports_is_told_from_one_of_thanks_and_drawn_to_the_mean() {
        let angry = (1u64, "太气人了，没人管");
        let pleased = (2u64, "谢谢，处理得很快");
        let reports = [angry; 30].into_iter().chain([pleased; 30]);
        let areas = mood().of_areas(reports, 5);
        assert_eq!(areas.iter().map(|area| area.reports).collect::<Vec<_>>(), [30, 30]);
        assert!(areas[0].displeasure.unwrap() > areas[1].displeasure.unwrap() + 0.3, "{areas:?}");
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
    fn what_was_not_learnt_is_not_told() {
        let other = classifier([("a", "好"), ("b", "坏")]);
        let urgency = mood().urgency().unwrap().clone();
        let mood = Mood::new(Some(other), Some(urgency));
        assert!(mood.tone().is_none());
        let areas = mood.of_areas([(1u64, "快来"); 5], 5);
        assert_eq!(areas[0].displeasure, None);
        assert!(areas[0].urgency.is_some());
    }
}
