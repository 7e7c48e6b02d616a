//! What a report is about, proposed from its words: the classifiers that this city learnt from its own
//! closed cases, when it has some.
//!
//! Not the learning (`training`), and not a decision of a person's: alone it decides only what a citizen left open, from the probability on
//! that its own held-out cases allow. Invariants: without a model nothing is proposed; a file that is
//! spoiled is named in the log and left unused; a person who chooses another type is learnt from at
//! once, and again, from the records, at the next training.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chengmai_engine::triage::mood::Mood;
use chengmai_engine::triage::route::{Classifier, Facts, Fitness, Reader};
use chengmai_model::case::Case;
use chengmai_model::{AreaPath, Text, error};
use parking_lot::{Mutex, RwLock};

use super::City;
use super::layout::ModelFiles;
use super::near::{Asked, is_gone};
use super::training::{train, urgent_types};
use crate::clock;
use crate::http::problem::{Answer, Problem};

/// The classifiers in use, and whether others are being learnt.
#[derive(Debug)]
pub(crate) struct Triage {
    files: ModelFiles,
    model: RwLock<Option<Classifier>>,
    mood: RwLock<Arc<Mood>>,
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

impl Triage {
    /// With the models that are there, where they are sound.
    pub(crate) fn open(files: ModelFiles) -> Self {
        let triage = Self {
            files,
            model: RwLock::default(),
            mood: RwLock::default(),
            under_way: AtomicBool::new(false),
            failed: Mutex::new(None),
        };
        triage.reload();
        triage
    }

    /// Takes up the models that lie in the data folder now.
    pub(crate) fn reload(&self) {
        let files = &self.files;
        *self.model.write() = read_model(&files.routing());
        let mood = Mood::new(read_model(&files.tone()), read_model(&files.urgency()));
        *self.mood.write() = Arc::new(mood);
    }

    /// How words sound.
    pub(crate) fn mood(&self) -> Arc<Mood> {
        Arc::clone(&self.mood.read())
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
            let urgent = urgent_types(city.packs.iter());
            match train(&city.records, city.root_path(), &urgent, &city.triage.files).await {
                Ok(_learnt) => city.triage.reload(),
                Err(failed) => *city.triage.failed.lock() = Some(failed.text()),
            }
            city.triage.under_way.store(false, Ordering::Release);
        });
        Ok(())
    }
}

/// The district says a little about what is reported there.
pub(super) fn facts(area: &AreaPath) -> Facts<'static> {
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
