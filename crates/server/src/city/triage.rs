//! What a report is about, proposed from its words: the classifier that this city learnt from its own
//! closed cases, when it has one, and learning it anew.
//!
//! Not a decision of a person's: alone it decides only what a citizen left open, from the probability on
//! that its own held-out cases allow. Invariants: without a model nothing is proposed; a file that is
//! spoiled is named in the log and left unused; a person who chooses another type is learnt from at
//! once, and again, from the records, at the next training.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chengmai_engine::triage::route::{
    Classifier, Example, Facts, Fitness, Reader, TrainError, Training,
};
use chengmai_model::case::{Case, CaseState};
use chengmai_model::{AreaPath, Text, Timestamp, error};
use chengmai_store::records::cases::NewestCases;
use chengmai_store::records::{Records, RecordsError};
use parking_lot::{Mutex, RwLock};

use super::near::{Asked, is_gone};
use super::{City, internal};
use crate::clock;
use crate::commands::import::write_whole;
use crate::http::problem::{Answer, Problem};

/// The newest closed cases that teach; a city's ways of a few years.
const TAUGHT_MAX: usize = 200_000;
/// Fewer cases held out than this say nothing about how often it is right.
pub(crate) const CASES_MIN: usize = 200;

/// The classifier in use, and whether another is being learnt.
#[derive(Debug)]
pub(crate) struct Triage {
    file: PathBuf,
    model: RwLock<Option<Classifier>>,
    under_way: AtomicBool,
    failed: Mutex<Option<Text>>,
}

/// A type that a report may have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LikelyType {
    pub(crate) id: String,
    pub(crate) name: Text,
    pub(crate) probability: f32,
}

/// What is proposed for a report.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Proposed {
    /// At most three, the most likely first.
    pub(crate) types: Vec<LikelyType>,
    /// The one it decides on alone.
    pub(crate) decided: Option<LikelyType>,
}

/// How the classifier stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    /// Types it tells apart and how good it was; none without a model.
    pub(crate) trained: Option<(usize, Fitness, Option<f32>)>,
    pub(crate) under_way: bool,
    /// Why the last training came to nothing.
    pub(crate) failed: Option<Text>,
}

/// A closed case, as far as it teaches.
#[derive(Debug)]
struct Taught {
    text: String,
    type_id: String,
    area: Option<u64>,
    at: Timestamp,
}

impl Triage {
    /// With the model of that file, if there is a sound one.
    pub(crate) fn open(file: PathBuf) -> Self {
        let model = read_model(&file);
        Self {
            file,
            model: RwLock::new(model),
            under_way: AtomicBool::new(false),
            failed: Mutex::new(None),
        }
    }

    /// Takes up the model that lies in the data folder now.
    pub(crate) fn reload(&self) {
        *self.model.write() = read_model(&self.file);
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        let model = self.model.read();
        Standing {
            trained: model
                .as_ref()
                .map(|model| (model.labels().len(), *model.fitness(), model.decides_from())),
            under_way: self.under_way.load(Ordering::Acquire),
            failed: self.failed.lock().clone(),
        }
    }

    /// Ids of the likely types with their probability, and the one decided.
    pub(crate) fn likely(
        &self,
        text: &str,
        area: &AreaPath,
    ) -> (Vec<(String, f32)>, Option<String>) {
        let model = self.model.read();
        let Some(model) = model.as_ref().filter(|_| !text.trim().is_empty()) else {
            return (Vec::new(), None);
        };
        let proposal = model.propose(&mut Reader::default(), text, facts(area));
        let label = |label: u16| model.label(label).map(str::to_owned);
        let likely = proposal.likely().iter();
        (
            likely.filter_map(|likely| Some((label(likely.label)?, likely.probability))).collect(),
            proposal.decided.and_then(label),
        )
    }

    fn learn(&self, text: &str, area: &AreaPath, type_id: &str) {
        if text.trim().is_empty() {
            return;
        }
        if let Some(model) = self.model.write().as_mut() {
            model.learn(&mut Reader::default(), text, facts(area), type_id);
        }
    }
}

impl City {
    /// What is proposed for a report of these words at that place.
    pub(crate) fn propose(&self, text: &str, area: &AreaPath) -> Proposed {
        let (likely, decided) = self.triage.likely(text, area);
        // A type that no pack has any more cannot be chosen.
        let types: Vec<LikelyType> = likely
            .into_iter()
            .filter_map(|(id, probability)| {
                let name = self.case_type(&id).ok()?.name.clone();
                Some(LikelyType { id, name, probability })
            })
            .collect();
        let decided = types.iter().find(|likely| Some(&likely.id) == decided.as_ref()).cloned();
        Proposed { types, decided }
    }

    /// Cases that may be what is reported, with their probability, the most probable first.
    pub(crate) async fn near_cases(
        &self,
        text: &str,
        position: [f64; 2],
        type_id: Option<&str>,
        proposed: &Proposed,
    ) -> Answer<Vec<(Case, f32)>> {
        let likely = &proposed.types[..];
        let type_id = type_id.or(likely.first().map(|first| first.id.as_str()));
        let asked = Asked { text, position, type_id, likely };
        let mut cases = Vec::new();
        for (id, probability) in self.book.near.ask(&asked, clock::now()) {
            let id = chengmai_model::case::CaseId::parse(&id);
            let Some(id) = id else { continue };
            let case = self.records.cases().find(&id).await?;
            cases.extend(case.filter(|case| !is_gone(case)).map(|case| (case, probability)));
        }
        Ok(cases)
    }

    /// A person said what a case is: if that is not what was most likely, it is learnt.
    pub(crate) fn learn_type(&self, case: &Case) {
        let (text, type_id) = (&case.filing.description, &case.filing.type_id);
        let (likely, _) = self.triage.likely(text, &case.area);
        if likely.first().is_some_and(|(first, _)| first != type_id) {
            self.triage.learn(text, &case.area, type_id);
        }
    }

    /// Begins to learn anew from the closed cases; how it went is in the standing.
    ///
    /// # Errors
    /// `TRAINING_UNDER_WAY` while another is.
    pub(crate) fn begin_training(self: &Arc<Self>) -> Answer<()> {
        if self.triage.under_way.swap(true, Ordering::AcqRel) {
            return Err(Problem::new(&error::TRAINING_UNDER_WAY, ""));
        }
        *self.triage.failed.lock() = None;
        let city = Arc::clone(self);
        tokio::spawn(async move {
            match train(&city.records, city.root_path(), &city.triage.file).await {
                Ok(model) => *city.triage.model.write() = Some(model),
                Err(failed) => *city.triage.failed.lock() = Some(failed.text()),
            }
            city.triage.under_way.store(false, Ordering::Release);
        });
        Ok(())
    }
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
    fn text(&self) -> Text {
        match self {
            Self::TooFew(_) | Self::Refused(_) => error::TOO_FEW_TO_LEARN.text(),
            Self::Records(_) | Self::Inside(_) => internal(self).code.text(),
        }
    }
}

/// Learns from the city's closed cases, and puts the model into its file.
pub(crate) async fn train(
    records: &Records,
    root: AreaPath,
    file: &Path,
) -> Result<Classifier, Untrained> {
    let cases = closed_cases(records, root).await?;
    if cases.len() < CASES_MIN {
        return Err(Untrained::TooFew(cases.len()));
    }
    let learnt = tokio::task::spawn_blocking(move || {
        let examples: Vec<Example<'_>> = cases
            .iter()
            .map(|case| Example {
                text: &case.text,
                facts: Facts { area: case.area, ..Facts::default() },
                label: &case.type_id,
                at: case.at,
            })
            .collect();
        Classifier::train(&examples, &Training::default())
    });
    let model = learnt.await.map_err(|error| Untrained::Inside(error.into()))??;
    write_whole(file, &model.to_bytes()).map_err(Untrained::Inside)?;
    Ok(model)
}

/// The newest closed cases that have words and a type.
async fn closed_cases(records: &Records, root: AreaPath) -> Result<Vec<Taught>, RecordsError> {
    let mut newest = NewestCases { areas: vec![root], since: Timestamp(0), cursor: None };
    let mut taught = Vec::new();
    loop {
        let page = records.cases().newest(&newest).await?;
        for case in page.items {
            let filing = case.filing;
            let teaches = case.state == CaseState::Closed
                && filing.row.is_some()
                && !filing.description.trim().is_empty();
            if teaches {
                taught.push(Taught {
                    area: facts(&case.area).area,
                    at: case.reported_at.unwrap_or(case.filed_at),
                    text: filing.description,
                    type_id: filing.type_id,
                });
            }
        }
        newest.cursor = page.next_cursor;
        if newest.cursor.is_none() || taught.len() >= TAUGHT_MAX {
            return Ok(taught);
        }
    }
}

/// The district says a little about what is reported there.
fn facts(area: &AreaPath) -> Facts<'static> {
    let district = area.codes().nth(1).and_then(|code| code.parse().ok());
    Facts { area: district, ..Facts::default() }
}

fn read_model(file: &Path) -> Option<Classifier> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, file = %file.display(), "the routing model cannot be read");
            return None;
        }
    };
    Classifier::from_bytes(&bytes)
        .inspect_err(|error| {
            tracing::warn!(%error, file = %file.display(), "the routing model is not used; train anew");
        })
        .ok()
}
