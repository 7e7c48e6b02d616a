//! Learning from the city's own closed cases: what a report is about, how its words sound, and whether it
//! can wait.
//!
//! Not the use of what was learnt (`triage`). Invariants: the latest fifth is held out and says how good it
//! is; what there is too little of is not learnt, and what was learnt of it before stays. How words sound
//! is learnt from those who rated how their report was handled: no one else said how they felt.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chengmai_engine::triage::mood::{DISPLEASED, URGENT};
use chengmai_engine::triage::route::{Classifier, Example, Facts, TrainError, Training};
use chengmai_model::calendar::{Limit, LimitUnit};
use chengmai_model::case::{Case, CaseEvent, CaseId, CaseState, CaseStep};
use chengmai_model::pack::Pack;
use chengmai_model::{AreaPath, Text, Timestamp, error};
use chengmai_store::records::cases::NewestCases;
use chengmai_store::records::{Records, RecordsError};

use super::internal;
use super::layout::ModelFiles;
use super::triage::facts;
use crate::commands::import::write_whole;

/// The newest closed cases that teach; a city's ways of a few years.
const TAUGHT_MAX: usize = 200_000;
/// Fewer cases, or fewer words of those who rated, say nothing about how often it is right.
pub(crate) const CASES_MIN: usize = 200;
/// Stars of somebody who was displeased, at most, and of somebody who was pleased, at least.
const DISPLEASED_STARS: u8 = 2;
const PLEASED_STARS: u8 = 4;

/// What was learnt.
#[derive(Debug)]
pub(crate) struct Learnt {
    /// The type of a report.
    pub(crate) routing: Classifier,
    /// How words sound, if enough people said so.
    pub(crate) tone: Option<Classifier>,
    /// Whether it can wait, if the types of the city differ in that.
    pub(crate) urgency: Option<Classifier>,
}

/// Why there is no new model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untrained {
    #[error("E-446 {0} closed cases with words are too few to learn from; it takes {CASES_MIN}")]
    TooFew(usize),
    #[error("E-446 {0}")]
    Refused(#[from] TrainError),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error("{0:#}")]
    Inside(anyhow::Error),
}

impl Untrained {
    /// What a person is told.
    pub(super) fn text(&self) -> Text {
        match self {
            Self::TooFew(_) | Self::Refused(_) => error::TOO_FEW_TO_LEARN.text(),
            Self::Records(_) | Self::Inside(_) => internal(self).code.text(),
        }
    }
}

/// Words and what they stand for.
#[derive(Debug)]
struct Taught {
    text: String,
    label: String,
    area: Option<u64>,
    at: Timestamp,
}

impl Taught {
    fn example(&self) -> Example<'_> {
        let facts = Facts { area: self.area, ..Facts::default() };
        Example { text: &self.text, facts, label: &self.label, at: self.at }
    }
}

/// What the closed cases teach.
#[derive(Debug, Default)]
struct Lessons {
    types: Vec<Taught>,
    tones: Vec<Taught>,
}

/// Types of case that cannot wait: the first limit of their handling is in urgent time.
pub(crate) fn urgent_types<'a>(packs: impl Iterator<Item = &'a Pack>) -> BTreeSet<String> {
    let types = packs.flat_map(|pack| &pack.case_types);
    let urgent = types.filter(|def| {
        let first = def.limits.first().and_then(|row| Limit::parse(&row.handle));
        first.is_some_and(|limit| {
            matches!(limit.unit, LimitUnit::UrgentMinute | LimitUnit::UrgentHour)
        })
    });
    urgent.map(|def| def.id.clone()).collect()
}

/// Learns from the city's closed cases, and puts the models into their files.
pub(crate) async fn train(
    records: &Records,
    root: AreaPath,
    urgent: &BTreeSet<String>,
    files: &ModelFiles,
) -> Result<Learnt, Untrained> {
    let lessons = lessons(records, root).await?;
    if lessons.types.len() < CASES_MIN {
        return Err(Untrained::TooFew(lessons.types.len()));
    }
    let urgent = urgent.clone();
    let learnt = tokio::task::spawn_blocking(move || learn(&lessons, &urgent));
    let learnt = learnt.await.map_err(|error| Untrained::Inside(error.into()))??;
    let write = |file: &Path, model: Option<&Classifier>| {
        model.map_or(Ok(()), |model| write_whole(file, &model.to_bytes()))
    };
    write(&files.tone(), learnt.tone.as_ref()).map_err(Untrained::Inside)?;
    write(&files.urgency(), learnt.urgency.as_ref()).map_err(Untrained::Inside)?;
    write(&files.routing(), Some(&learnt.routing)).map_err(Untrained::Inside)?;
    Ok(learnt)
}

fn learn(lessons: &Lessons, urgent: &BTreeSet<String>) -> Result<Learnt, TrainError> {
    let urgency = lessons.types.iter().map(|case| {
        let is_urgent = urgent.contains(&case.label);
        Example { label: if is_urgent { URGENT } else { "ordinary" }, ..case.example() }
    });
    // Where somebody lives says nothing about how they sound, nor whether it can wait.
    let anywhere = |example| Example { facts: Facts::default(), ..example };
    let tones = lessons.tones.iter().map(Taught::example);
    let train = |examples: Vec<Example<'_>>| Classifier::train(&examples, &Training::default());
    Ok(Learnt {
        routing: train(lessons.types.iter().map(Taught::example).collect())?,
        // Of one sort alone nothing can be learnt.
        tone: (lessons.tones.len() >= CASES_MIN)
            .then(|| train(tones.map(anywhere).collect()).ok())
            .flatten(),
        urgency: train(urgency.map(anywhere).collect()).ok(),
    })
}

/// What the newest closed cases teach.
async fn lessons(records: &Records, root: AreaPath) -> Result<Lessons, RecordsError> {
    let mut newest = NewestCases { areas: vec![root], since: Timestamp(0), cursor: None };
    let mut lessons = Lessons::default();
    loop {
        let page = records.cases().newest(&newest).await?;
        let rated = page.items.iter().filter(|case| case.circumstances.satisfaction.is_some());
        let rated: Vec<CaseId> = rated.map(|case| case.id.clone()).collect();
        let histories: BTreeMap<String, Vec<CaseEvent>> =
            records.cases().histories(&rated).await?.into_iter().collect();
        lessons.tones.extend(histories.values().flatten().filter_map(tone));
        lessons.types.extend(page.items.into_iter().filter(teaches).map(about));
        newest.cursor = page.next_cursor;
        if newest.cursor.is_none() || lessons.types.len() >= TAUGHT_MAX {
            return Ok(lessons);
        }
    }
}

fn teaches(case: &Case) -> bool {
    let filing = &case.filing;
    case.state == CaseState::Closed && filing.row.is_some() && !filing.description.trim().is_empty()
}

fn about(case: Case) -> Taught {
    Taught {
        area: facts(&case.area).area,
        at: case.reported_at.unwrap_or(case.filed_at),
        text: case.filing.description,
        label: case.filing.type_id,
    }
}

/// What somebody wrote who rated how their report was handled.
fn tone(event: &CaseEvent) -> Option<Taught> {
    let text = event.note.as_deref().filter(|text| !text.trim().is_empty())?;
    let after = event.circumstances.as_deref().filter(|_| event.step == CaseStep::Rated)?;
    let label = match after.satisfaction?.stars {
        ..=DISPLEASED_STARS => DISPLEASED,
        PLEASED_STARS.. => "pleased",
        _ => return None,
    };
    Some(Taught { text: text.to_owned(), label: label.to_owned(), area: None, at: event.at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taught(count: usize, rows: [(&str, &str); 2]) -> Vec<Taught> {
        let row = |number: usize| {
            let (label, text) = rows[number % 2];
            let at = Timestamp(i64::try_from(number).unwrap());
            Taught { text: format!("{number}号{text}"), label: label.to_owned(), area: None, at }
        };
        (0..count).map(row).collect()
    }

    fn lessons(tones: usize) -> Lessons {
        Lessons {
            types: taught(300, [("gas_leak", "燃气味很重，快来人"), ("dirty_road", "路面有点脏")]),
            tones: taught(tones, [(DISPLEASED, "太慢了，没人管"), ("pleased", "谢谢，处理得很快")]),
        }
    }

    #[test]
    fn tone_and_urgency_are_learnt_beside_the_types() {
        let urgent = BTreeSet::from(["gas_leak".to_owned()]);
        let learnt = learn(&lessons(240), &urgent).unwrap();
        assert_eq!(learnt.routing.labels().len(), 2);
        assert!(learnt.urgency.unwrap().labels().iter().any(|label| label == URGENT));
        let tone = learnt.tone.unwrap();
        assert!(tone.labels().iter().any(|label| label == DISPLEASED));
        assert!(tone.fitness().right * 10 > tone.fitness().held_out * 9, "{:?}", tone.fitness());
    }

    #[test]
    fn of_few_words_or_of_one_sort_alone_nothing_is_learnt() {
        let learnt = learn(&lessons(CASES_MIN - 1), &BTreeSet::new()).unwrap();
        assert!(learnt.tone.is_none(), "too few rated");
        assert!(learnt.urgency.is_none(), "no type of the city is urgent");
    }

    #[test]
    fn types_in_urgent_hours_are_those_that_cannot_wait() {
        let packs = crate::packs::load(None).unwrap().packs;
        let urgent = urgent_types(packs.iter());
        assert!(urgent.contains("gas_leak") && !urgent.contains("dirty_road"), "{urgent:?}");
    }
}
