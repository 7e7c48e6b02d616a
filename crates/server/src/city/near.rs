//! What was reported lately, in memory: has somebody reported this already? It is read from the records
//! at start and follows every change of a case.
//!
//! Not a merge, and not the records: it proposes numbers of cases, each with a probability. It keeps no
//! text, only sketches (`engine::triage::duplicate`). Invariants: only what was reported within the
//! window of the engine's settings, and never more than [`CASES_MAX`]; what was
//! merged, refused or cancelled is not proposed.

use std::collections::{BTreeMap, VecDeque};

use chengmai_engine::case::UNSORTED;
use chengmai_engine::triage::duplicate::{Duplicates, Report, Settings, Vocabulary};
use chengmai_model::case::{Case, CaseState};
use chengmai_model::{AreaPath, Timestamp};
use chengmai_store::records::cases::NewestCases;
use chengmai_store::records::{Records, RecordsError};
use parking_lot::RwLock;

/// Cases that are known at once; the oldest are forgotten first.
const CASES_MAX: usize = 500_000;
/// Less probable ones are not shown to anybody.
const SHOWN_FROM: f32 = 0.3;
/// Most of them shown.
const SHOWN_MAX: usize = 5;

/// The cases of the last days.
#[derive(Debug, Default)]
pub(crate) struct Near(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    index: Duplicates,
    vocabulary: Vocabulary,
    /// Number and time of each case, oldest first; its key in the index is its place here and
    /// `forgotten`.
    cases: VecDeque<(String, Timestamp)>,
    forgotten: u64,
    keys: BTreeMap<String, u64>,
    /// Numbers of the types that were seen.
    types: BTreeMap<String, u16>,
}

/// A case, as far as looking for duplicates goes.
#[derive(Debug)]
struct Sighting {
    id: String,
    at: Timestamp,
    type_id: String,
    text: String,
    /// None where nothing may be the same as it.
    position: Option<[f64; 2]>,
    closed_at: Option<Timestamp>,
}

impl Sighting {
    fn of(case: &Case) -> Self {
        let gone = matches!(
            case.state,
            CaseState::Merged
                | CaseState::NotAccepted
                | CaseState::Unverified
                | CaseState::Cancelled
        );
        let filing = &case.filing;
        Self {
            id: case.id.to_string(),
            at: case.reported_at.unwrap_or(case.filed_at),
            type_id: filing.type_id.clone(),
            text: filing.description.clone(),
            position: filing.position.filter(|_| !gone),
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
    /// Types that it may be taken for.
    pub(crate) others: &'a [&'a str],
}

impl Near {
    /// Notes how a case stands now.
    pub(crate) fn note(&self, case: &Case, now: Timestamp) {
        self.0.write().note(Sighting::of(case), now);
    }

    /// How many cases are known.
    pub(crate) fn len(&self) -> usize {
        self.0.read().index.len()
    }

    /// Numbers of the cases that may be what is reported, the most probable first.
    pub(crate) fn ask(&self, asked: &Asked<'_>, now: Timestamp) -> Vec<(String, f32)> {
        let known = self.0.read();
        let own = asked.type_id.unwrap_or(UNSORTED);
        let mut families: Vec<&str> = asked.others.to_vec();
        families.extend([own, UNSORTED]);
        families.sort_unstable();
        families.dedup();
        let sketch = known.vocabulary.sketch(asked.text);
        let mut found: Vec<(String, f32)> = Vec::new();
        for family in families {
            let report = Report {
                position: asked.position,
                at: now,
                class: known.types.get(own).copied().unwrap_or(u16::MAX),
                family: known.types.get(family).copied().unwrap_or(u16::MAX),
                object: None,
                sketch,
            };
            for candidate in known.index.near(&report) {
                let place = usize::try_from(candidate.key - known.forgotten).ok();
                let case = place.and_then(|place| known.cases.get(place));
                found.extend(case.map(|(id, _)| (id.clone(), candidate.probability)));
            }
        }
        found.retain(|(_, probability)| *probability >= SHOWN_FROM);
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found.truncate(SHOWN_MAX);
        found
    }

    /// Reads the last days from the records; the words of those cases say which words are rare.
    pub(crate) async fn fill(
        &self,
        records: &Records,
        root: AreaPath,
        now: Timestamp,
    ) -> Result<(), RecordsError> {
        let since = now.plus_ms(-Settings::default().window_ms);
        let mut newest = NewestCases { areas: vec![root], since, cursor: None };
        let mut cases: Vec<Sighting> = Vec::new();
        loop {
            let page = records.cases().newest(&newest).await?;
            cases.extend(page.items.iter().map(Sighting::of));
            newest.cursor = page.next_cursor;
            if newest.cursor.is_none() || cases.len() >= CASES_MAX {
                break;
            }
        }
        let mut known = Known::default();
        for case in &cases {
            known.vocabulary.learn(&case.text);
        }
        // The oldest first, as they came.
        for case in cases.into_iter().rev() {
            known.note(case, now);
        }
        *self.0.write() = known;
        Ok(())
    }
}

impl Known {
    fn note(&mut self, case: Sighting, now: Timestamp) {
        let since = now.plus_ms(-Settings::default().window_ms);
        self.forget(since);
        let Sighting { id, at, type_id, text, position, closed_at } = case;
        let Some(position) = position.filter(|_| at >= since) else {
            if let Some(key) = self.keys.remove(&id) {
                self.index.remove(key);
            }
            return;
        };
        let key = self.keys.get(&id).copied().unwrap_or_else(|| {
            let key = self.forgotten + self.cases.len() as u64;
            self.cases.push_back((id.clone(), at));
            self.keys.insert(id, key);
            key
        });
        let next = u16::try_from(self.types.len()).unwrap_or(u16::MAX);
        let class = *self.types.entry(type_id).or_insert(next);
        let sketch = self.vocabulary.sketch(&text);
        let report = Report { position, at, class, family: class, object: None, sketch };
        self.index.insert(key, &report);
        if let Some(closed_at) = closed_at {
            self.index.close(key, closed_at);
        }
    }

    /// Drops what is too old, and what is too many.
    fn forget(&mut self, since: Timestamp) {
        while let Some((id, at)) = self.cases.front() {
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
    use chengmai_engine::case::{CaseRules, ReportRequest, replay, report};
    use chengmai_model::calendar::Calendar;
    use chengmai_model::case::{CaseId, CaseSource};
    use chengmai_model::time::HOUR_MS;
    use chengmai_model::{Actor, Role};

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

    fn found(near: &Near, text: &str, hours: i64) -> Vec<String> {
        let asked = Asked { text, position: PLACE, type_id: None, others: &[] };
        near.ask(&asked, at(hours)).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_was_reported_lately_is_found_until_it_is_merged_or_too_old() {
        let near = Near::default();
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
        let near = Near::default();
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
