//! The composite 综合评价 of an object: points of each part of a pack's evaluation, their sum, its grade.
//!
//! Not here: counting ([`super::formulas`]) and stars ([`super::stars`]). Invariant: a part whose
//! denominator is 0 is "n/a" and neither helps nor harms: it gets the share of its full points that the
//! other parts got; with too little known there is no score.

use std::collections::BTreeMap;

use chengmai_model::Formula;
use chengmai_model::pack::rating::{
    Evaluation, EvaluationGrade, EvaluationObject, Measure, PartRule,
};

use super::formulas::{Figure, Tally, formulas_of};

/// Points of one part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartScore {
    /// `None` ("n/a") when it could not be measured.
    pub points: Option<f64>,
    /// Its points at best, without any bonus.
    pub full: f64,
    /// The rate behind it, where it is one.
    pub figure: Option<Figure>,
    /// What was measured: percent, count or figure.
    pub measured: Option<f64>,
}

/// A score with all that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Score<'e> {
    /// `None` ("n/a") when too little is known.
    pub total: Option<f64>,
    /// One a part, in the order of the pack.
    pub parts: Vec<PartScore>,
    /// Share of the full points that could be measured, in percent.
    pub known: f64,
    /// The grade of the total.
    pub grade: Option<&'e EvaluationGrade>,
}

/// Scores an object by an evaluation. `figures` are the named values that are no rates over cases;
/// those that are absent are n/a.
pub fn score<'e>(
    evaluation: &'e Evaluation,
    object: EvaluationObject,
    tally: &Tally,
    figures: &BTreeMap<String, f64>,
) -> Score<'e> {
    let source = Source { object, tally, figures };
    let parts: Vec<PartScore> =
        evaluation.parts.iter().map(|part| points(&part.rule, &source)).collect();
    let full: f64 = parts.iter().map(|part| part.full).sum();
    let known_full: f64 =
        parts.iter().filter(|part| part.points.is_some()).map(|part| part.full).sum();
    let got: f64 = parts.iter().filter_map(|part| part.points).sum();
    let known = if full > 0.0 { 100.0 * known_full / full } else { 100.0 };
    let enough =
        known + 1e-9 >= evaluation.coverage_min && parts.iter().any(|part| part.points.is_some());
    let total = enough.then(|| {
        // With nothing known of full points (bonuses alone), nothing is left to scale.
        if known_full > 0.0 { got + (full - known_full) * got / known_full } else { got }
    });
    let grade = total.and_then(|total| grade(evaluation, total));
    Score { total, parts, known, grade }
}

/// The best grade whose bound is reached.
fn grade(evaluation: &Evaluation, total: f64) -> Option<&EvaluationGrade> {
    // Sums of shares may lie a rounding error below the whole number they mean.
    evaluation.grades.iter().find(|grade| total + 1e-9 >= grade.from)
}

struct Source<'a> {
    object: EvaluationObject,
    tally: &'a Tally,
    figures: &'a BTreeMap<String, f64>,
}

impl Source<'_> {
    /// The figure of a formula, unless it says nothing of the object or has nothing to divide by.
    fn figure(&self, formula: Formula) -> Option<Figure> {
        let figure = self.tally.figure(formula);
        let concerns = formulas_of(self.object).contains(&formula);
        (concerns && figure.rate.denominator > 0).then_some(figure)
    }

    fn named(&self, name: &str) -> Option<f64> {
        self.figures.get(name).copied().filter(|value| value.is_finite())
    }
}

fn points(rule: &PartRule, source: &Source<'_>) -> PartScore {
    match rule {
        PartRule::Share { formula, weight, higher } => {
            let figure = source.figure(*formula);
            let rate = figure.and_then(|figure| figure.rate.value());
            let points = rate.map(|rate| weight * if *higher { rate } else { 1.0 - rate });
            PartScore { points, full: *weight, figure, measured: rate.map(|rate| 100.0 * rate) }
        }
        PartRule::Steps { of, steps } => {
            let (figure, measured) = match of {
                Measure::Formula(formula) => {
                    let figure = source.figure(*formula);
                    let rate = figure.and_then(|figure| figure.rate.value());
                    (figure, rate.map(|rate| 100.0 * rate))
                }
                Measure::Figure(name) => (None, source.named(name)),
            };
            let reached = |value: f64| steps.iter().find(|step| value + 1e-9 >= step.from);
            let points = measured.map(|value| reached(value).map_or(0.0, |step| step.points));
            let full = steps.iter().fold(0.0, |full: f64, step| full.max(step.points));
            PartScore { points, full, figure, measured }
        }
        PartRule::Each { of, start, each, per, min, max } => {
            let (figure, count) = match of {
                Measure::Formula(formula) => {
                    let figure = source.figure(*formula);
                    (figure, figure.map(|figure| figure.rate.numerator as f64))
                }
                Measure::Figure(name) => (None, source.named(name)),
            };
            let measured = per.iter().fold(count, |value, name| {
                let by = source.named(name).filter(|by| *by > 0.0)?;
                value.map(|value| value / by)
            });
            let points = measured.map(|value| (start + each * value).clamp(*min, *max));
            PartScore { points, full: start.max(0.0), figure, measured }
        }
    }
}

#[cfg(test)]
mod tests {
    use chengmai_model::pack::rating::parse_ratings;
    use chengmai_model::{AreaId, EvaluationPeriod, Timestamp};

    use super::*;
    use crate::rating::facts::{CaseFacts, StageFacts};
    use crate::rating::formulas::{Span, classify};

    fn packs() -> Vec<Evaluation> {
        parse_ratings(include_str!("../../../../packs/chongqing/ratings.toml")).unwrap().evaluations
    }

    /// Ten cases due at 100: so many in time, late, and still open at 1,000, which is the end; of those
    /// handled, `reworks` failed the check.
    fn tally(on_time: u64, late: u64, open: u64, reworks: u64) -> Tally {
        let mut tally = Tally::default();
        let span = Span::new(
            EvaluationPeriod { from: Timestamp(0), to: Timestamp(1_000) },
            Timestamp(9_999),
        );
        for case in 0..on_time + late + open {
            let mut facts = CaseFacts::reported(case, AreaId(0), Timestamp(1));
            let stage = StageFacts { due_at: Timestamp(100), ..StageFacts::NONE };
            facts.handle = stage;
            facts.close = stage;
            if case < on_time + late {
                let done_at = Timestamp(if case < on_time { 50 } else { 150 });
                facts.handle.done_at = done_at;
                facts.close.done_at = done_at;
            }
            facts.reworks = u16::from(case < reworks);
            tally.add(&classify(&facts, span));
        }
        tally
    }

    fn total(id: &str, tally: &Tally, figures: &[(&str, f64)]) -> Option<(f64, String)> {
        let packs = packs();
        let evaluation = packs.iter().find(|e| e.id == id).unwrap();
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let score = score(evaluation, EvaluationObject::Area, tally, &figures);
        let grade = score.grade.map_or(String::new(), |grade| grade.id.clone());
        score.total.map(|total| ((total * 100.0).round() / 100.0, grade))
    }

    #[test]
    fn the_published_composite_is_computed_as_it_is_written() {
        assert_eq!(
            total("agency_monthly", &tally(10, 0, 0, 0), &[]),
            Some((100.0, "A".to_owned()))
        );
        // 0.9 x 30 + 0.7 x 20 + (1 - 0.3) x 20 + (1 - 0.1) x 20 + 10 = 83.
        assert_eq!(total("agency_monthly", &tally(7, 2, 1, 3), &[]), Some((83.0, "B".to_owned())));
        assert_eq!(total("agency_monthly", &Tally::default(), &[]), None);
    }

    #[test]
    fn deductions_complaints_steps_and_bonuses_have_their_limits() {
        let all = [
            ("complaints", 12.0),
            ("area_km2", 2.0),
            ("population_10k", 3.0),
            ("complaint_days", 0.5),
            ("commendations", 9.0),
        ];
        // 30 + 20 + (30 - 12 / 6) + (20 - 5) + 5; nobody was asked: steps are n/a and have no points to lose.
        assert_eq!(total("town_monthly", &tally(10, 0, 0, 0), &all), Some((98.0, "A".to_owned())));
        let mut worse = all;
        worse[0].1 = 1e6;
        worse[3].1 = 10.0;
        worse[4].1 = 0.0;
        // 0.8 x 30 + (20 - 0.1 x 2) + 0 + 0.
        assert_eq!(total("town_monthly", &tally(8, 0, 2, 0), &worse), Some((43.8, "E".to_owned())));
    }

    #[test]
    fn what_is_not_known_gets_the_share_of_the_rest_or_ends_the_score() {
        let days = [("complaint_days", 1.0)];
        // Known 30 + 20 + 20 of 100: 30 + 20 + 10 = 60 of 70, so 30 x 60 / 70 for the complaints.
        let scored = total("town_monthly", &tally(10, 0, 0, 0), &days);
        assert_eq!(scored, Some((85.71, "B".to_owned())));
        assert_eq!(total("town_monthly", &tally(10, 0, 0, 0), &[]), None);
    }

    #[test]
    fn a_person_is_not_scored_by_what_others_answer_for() {
        let evaluations = packs();
        let desk = evaluations.iter().find(|e| e.id == "desk_monthly").unwrap();
        let mut facts = CaseFacts::reported(1, AreaId(0), Timestamp(1));
        for stage in [&mut facts.file, &mut facts.dispatch] {
            *stage =
                StageFacts { due_at: Timestamp(100), done_at: Timestamp(50), ..StageFacts::NONE };
        }
        facts.dispatch.done_at = Timestamp(200);
        let span = Span::new(
            EvaluationPeriod { from: Timestamp(0), to: Timestamp(1_000) },
            Timestamp(9_999),
        );
        let mut tally = Tally::default();
        tally.add(&classify(&facts, span));
        let figures = BTreeMap::new();
        let total = |object| score(desk, object, &tally, &figures).total.unwrap();
        assert!((total(EvaluationObject::Acceptor) - 100.0).abs() < 1e-9);
        assert!((total(EvaluationObject::Dispatcher) - 50.0).abs() < 1e-9);
    }
}
