//! What was reported lately, in memory: has somebody reported this already? It is read from the records
//! at start and follows every change of a case.
//!
//! Not a merge, and not the records: it proposes numbers of cases, each with a probability. It keeps no
//! text, only a sketch of the words and which types they most likely mean (`engine::triage`). Invariants:
//! only what was reported within the window of the engine's settings, and never more than [`CASES_MAX`]; what was
//! merged, refused or cancelled is not proposed.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use chengmai_engine::case::UNSORTED;
use chengmai_engine::triage::duplicate::{
    Duplicates, Meaning, Report, Settings, Sketch, Vocabulary,
};
use chengmai_engine::triage::route::Likely;
use chengmai_model::case::{Case, CaseState};
use chengmai_model::{AreaPath, Timestamp};
use chengmai_store::records::RecordsError;
use chengmai_store::records::cases::NewestCases;
use parking_lot::RwLock;

use super::City;
use super::triage::{LikelyType, Triage};
use crate::clock;

/// Cases that are known at once; the oldest are forgotten first.
const CASES_MAX: usize = 500_000;
/// Less probable ones are not shown to anybody.
const SHOWN_FROM: f32 = 0.3;
/// Most of them shown.
const SHOWN_MAX: usize = 5;

/// The cases of the last days, and who reads their words.
#[derive(Debug)]
pub(crate) struct Near {
    triage: Arc<Triage>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    index: Duplicates,
    vocabulary: Vocabulary,
    /// Oldest first; the key of a case in the index is its place here and `forgotten`.
    cases: VecDeque<Noted>,
    forgotten: u64,
    keys: BTreeMap<String, u64>,
    /// Numbers of the types that were seen.
    types: BTreeMap<String, u16>,
    hashes: RandomState,
}

/// A case that is known.
#[derive(Debug)]
struct Noted {
    id: String,
    at: Timestamp,
    read: Read,
}

/// What was read in the words of a case, and in which words and under which type, hashed: most steps of a
/// case change neither, and reading costs more than all else here.
#[derive(Debug, Clone, Copy)]
struct Read {
    of: u64,
    sketch: Sketch,
    meaning: Meaning,
}

/// A case, as far as looking for duplicates goes.
#[derive(Debug)]
struct Sighting {
    id: String,
    at: Timestamp,
    type_id: String,
    text: String,
    area: AreaPath,
    /// None where nothing may be the same as it.
    position: Option<[f64; 2]>,
    closed_at: Option<Timestamp>,
}

/// Whether nothing is reported under this case any more.
pub(super) fn is_gone(case: &Case) -> bool {
    matches!(
        case.state,
        CaseState::Merged | CaseState::NotAccepted | CaseState::Unverified | CaseState::Cancelled
    )
}

impl Sighting {
    fn of(case: &Case) -> Self {
        let filing = &case.filing;
        Self {
            id: case.id.to_string(),
            at: case.reported_at.unwrap_or(case.filed_at),
            type_id: filing.type_id.clone(),
            text: filing.description.clone(),
            area: case.area.clone(),
            position: filing.position.filter(|_| !is_gone(case)),
            closed_at: case.closed_at,
        }
    }
}

/// A report that is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) text: &'a str,
    pub(crate) position: [f64; 2],
    /// The type it has, or has most likely.
    pub(crate) type_id: Option<&'a str>,
    /// Types that its words may mean.
    pub(crate) likely: &'a [LikelyType],
}

impl Near {
    /// Nothing is known yet.
    pub(crate) fn new(triage: Arc<Triage>) -> Self {
        Self { triage, known: RwLock::default() }
    }

    /// Who reads the words.
    pub(super) fn triage(&self) -> &Arc<Triage> {
        &self.triage
    }

    /// Notes how a case stands now.
    pub(crate) fn note(&self, case: &Case, now: Timestamp) {
        self.known.write().note(&self.triage, Sighting::of(case), now);
    }

    /// How many cases are known.
    pub(crate) fn len(&self) -> usize {
        self.known.read().index.len()
    }

    /// Numbers of the cases that may be what is reported, the most probable first.
    pub(crate) fn ask(&self, asked: &Asked<'_>, now: Timestamp) -> Vec<(String, f32)> {
        let known = self.known.read();
        let own = asked.type_id.unwrap_or(UNSORTED);
        let mut families: Vec<&str> = asked.likely.iter().map(|likely| &*likely.id).collect();
        families.extend([own, UNSORTED]);
        families.sort_unstable();
        families.dedup();
        let number = |id: &str| known.types.get(id).copied().unwrap_or(u16::MAX);
        let likely = asked.likely.iter();
        let likely = likely.map(|l| Likely { label: number(&l.id), probability: l.probability });
        let (class, meaning) = (number(own), Meaning::new(likely, number(own)));
        let sketch = known.vocabulary.sketch(asked.text);
        let mut found: Vec<(String, f32)> = Vec::new();
        for family in families.into_iter().map(number) {
            let position = asked.position;
            let report = Report { position, at: now, class, family, object: None, sketch, meaning };
            for candidate in known.index.near(&report) {
                let place = usize::try_from(candidate.key - known.forgotten).ok();
                let case = place.and_then(|place| known.cases.get(place));
                found.extend(case.map(|case| (case.id.clone(), candidate.probability)));
            }
        }
        found.retain(|(_, probability)| *probability >= SHOWN_FROM);
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found.truncate(SHOWN_MAX);
        found
    }

    /// Learns from the words of earlier cases which of them are rare. Sketches made before and after are
    /// not comparable: those made before are made anew when their case is noted again, a moment later for
    /// all that was in the records by then.
    fn learn(&self, cases: &[Sighting]) {
        let mut vocabulary = Vocabulary::default();
        for case in cases {
            vocabulary.learn(&case.text);
        }
        let mut known = self.known.write();
        known.vocabulary = vocabulary;
        for noted in &mut known.cases {
            noted.read.of = !noted.read.of;
        }
    }
}

/// Reads the last days from the records, while the city runs already; until that is done fewer reports are
/// known again.
pub(super) async fn fill(city: Weak<City>) {
    if let Err(error) = read(&city).await {
        tracing::warn!(%error, "the reports of the last days are not known again");
    }
}

async fn read(city: &Weak<City>) -> Result<(), RecordsError> {
    let now = clock::now();
    let since = now.plus_ms(-Settings::default().window_ms);
    let mut cases: Vec<Sighting> = Vec::new();
    let mut newest = NewestCases { areas: Vec::new(), since, cursor: None };
    loop {
        let Some(city) = city.upgrade() else { return Ok(()) };
        newest.areas = vec![city.root_path()];
        let page = city.records.cases().newest(&newest).await?;
        cases.extend(page.items.iter().map(Sighting::of));
        newest.cursor = page.next_cursor;
        if newest.cursor.is_none() || cases.len() >= CASES_MAX {
            break;
        }
    }
    let city = Weak::clone(city);
    let noting = tokio::task::spawn_blocking(move || {
        if let Some(city) = city.upgrade() {
            city.book.near.learn(&cases);
        }
        // The oldest first, as they came.
        for case in cases.into_iter().rev() {
            let Some(city) = city.upgrade() else { return };
            let near = &city.book.near;
            near.known.write().note(&near.triage, case, now);
        }
    });
    if noting.await.is_err() {
        tracing::error!("reading the reports of the last days ended early");
    }
    Ok(())
}

impl Known {
    fn note(&mut self, triage: &Triage, case: Sighting, now: Timestamp) {
        let since = now.plus_ms(-Settings::default().window_ms);
        self.forget(since);
        let Some(position) = case.position.filter(|_| case.at >= since) else {
            if let Some(key) = self.keys.remove(&case.id) {
                self.index.remove(key);
            }
            return;
        };
        let class = self.number(&case.type_id);
        let of = self.hashes.hash_one((&case.text, class));
        let known = self.keys.get(&case.id).copied();
        let place = known.and_then(|key| usize::try_from(key - self.forgotten).ok());
        let noted = place.and_then(|place| self.cases.get(place));
        let read = noted.map(|noted| noted.read).filter(|read| read.of == of);
        let read = read.unwrap_or_else(|| self.read(triage, &case, of));
        if let Some(noted) = place.and_then(|place| self.cases.get_mut(place)) {
            noted.read = read;
        }
        let key = known.unwrap_or_else(|| {
            let key = self.forgotten + self.cases.len() as u64;
            self.cases.push_back(Noted { id: case.id.clone(), at: case.at, read });
            self.keys.insert(case.id.clone(), key);
            key
        });
        let Read { sketch, meaning, .. } = read;
        let at = case.at;
        let report = Report { position, at, class, family: class, object: None, sketch, meaning };
        self.index.insert(key, &report);
        if let Some(closed_at) = case.closed_at {
            self.index.close(key, closed_at);
        }
    }

    /// Reads the words of a case.
    fn read(&mut self, triage: &Triage, case: &Sighting, of: u64) -> Read {
        let (likely, _) = triage.likely(&case.text, &case.area);
        let likely: Vec<Likely> = likely
            .into_iter()
            .map(|(id, probability)| Likely { label: self.number(&id), probability })
            .collect();
        let meaning = Meaning::new(likely, self.number(&case.type_id));
        Read { of, sketch: self.vocabulary.sketch(&case.text), meaning }
    }

    /// The number of a type, a new one at its first sight.
    fn number(&mut self, type_id: &str) -> u16 {
        if let Some(&number) = self.types.get(type_id) {
            return number;
        }
        let number = u16::try_from(self.types.len()).unwrap_or(u16::MAX);
        self.types.insert(type_id.to_owned(), number);
        number
    }

    /// Drops what is too old, and what is too many.
    fn forget(&mut self, since: Timestamp) {
        while let Some(Noted { id, at, .. }) = self.cases.front() {
            if *at >= since && self.cases.len() < CASES_MAX {
                return;
            }
            let key = self.forgotten;
            self.index.remove(key);
            if self.keys.get(id) == Some(&key) {
                self.keys.remove(id);
            }
            self.cases.pop_front();
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chengmai_engine::case::{CaseRules, ReportRequest, replay, report};
    use chengmai_model::calendar::Calendar;
    use chengmai_model::case::{CaseId, CaseSource};
    use chengmai_model::time::HOUR_MS;
    use chengmai_model::{Actor, Role};

    use super::super::layout::ModelFiles;
    use super::*;

    const PLACE: [f64; 2] = [106.57, 29.56];

    fn at(hours: i64) -> Timestamp {
        Timestamp(1_800_000_000_000 + hours * HOUR_MS)
    }

    fn case(serial: u32, hours: i64, text: &str) -> Case {
        let area = AreaPath::parse("/50/500103/").unwrap();
        let actor = Actor {
            name: "anna".into(),
            roles: vec![Role::Citizen],
            area: AreaPath::parse("/50/").unwrap(),
            agency: None,
        };
        let request = ReportRequest {
            type_id: None,
            area: area.clone(),
            position: Some(PLACE),
            description: text.into(),
            agency: None,
            reporter: Some("anna".into()),
            source: CaseSource::Public,
            external: None,
            photos: Vec::new(),
            simulated: false,
        };
        let rules = CaseRules::new(Calendar::default(), [], [], [], []);
        let events = report(&request, &actor, at(hours), &rules).unwrap();
        let id = CaseId { serial, ..CaseId::draft(&area, "2027-01-15".parse().unwrap()) };
        replay(id, &events).unwrap()
    }

    /// Without a model: nothing was learnt yet.
    fn near() -> Near {
        Near::new(Arc::new(Triage::open(ModelFiles::of(Path::new("no-models")))))
    }

    fn found(near: &Near, text: &str, hours: i64) -> Vec<String> {
        let asked = Asked { text, position: PLACE, type_id: None, likely: &[] };
        near.ask(&asked, at(hours)).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_was_reported_lately_is_found_until_it_is_merged_or_too_old() {
        let near = near();
        let mut lamp = case(1, 0, "路灯不亮，黑漆漆的");
        near.note(&lamp, at(0));
        near.note(&lamp, at(1));
        assert_eq!(
            (near.len(), found(&near, "路灯不亮了", 1).len()),
            (1, 1),
            "noted twice, known once"
        );
        lamp.state = CaseState::Merged;
        near.note(&lamp, at(2));
        assert!(found(&near, "路灯不亮了", 2).is_empty());
        lamp.state = CaseState::Reported;
        near.note(&lamp, at(3));
        assert_eq!(found(&near, "路灯不亮了", 3), [lamp.id.to_string()]);
        // After three days it is forgotten, with the next case that comes.
        near.note(&case(2, 80, "垃圾满溢"), at(80));
        assert_eq!(near.len(), 1);
        assert!(!found(&near, "路灯不亮了", 80).contains(&lamp.id.to_string()));
    }

    #[test]
    fn keys_stay_right_when_old_cases_are_forgotten() {
        let near = near();
        for serial in 0..50 {
            let hours = i64::from(serial) * 10;
            near.note(&case(serial, hours, "路灯不亮"), at(hours));
        }
        let known = found(&near, "路灯不亮", 490);
        assert!(!known.is_empty() && near.len() == 8, "{known:?} of {}", near.len());
        for serial in 0..42 {
            assert!(!known.contains(&case(serial, 0, "").id.to_string()), "{known:?}");
        }
    }
}
