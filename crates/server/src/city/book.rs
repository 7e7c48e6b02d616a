//! The book of what is open now: warnings and cases by area, in memory, for the counters that every
//! screen shows once a second. The records database is the truth; the book is read from it at start
//! and follows every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_engine::clock::DueQueue;
use chengmai_model::case::CaseState;
use chengmai_model::{AreaId, AreaTree, Severity, Timestamp};
use parking_lot::{Mutex, RwLock};

use super::near::Near;
use super::triage::Triage;
use crate::clock;

/// An open warning, as far as counters need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenWarning {
    pub(crate) area: AreaId,
    pub(crate) severity: Severity,
    pub(crate) answered: bool,
}

/// An open case, as far as counters and maps need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenCase {
    pub(crate) area: AreaId,
    pub(crate) due_at: Option<Timestamp>,
    /// When its clock turns yellow or red, or it goes up a tier.
    pub(crate) look_at: Option<Timestamp>,
    /// Where it is, and how it stands: what a map shows of it.
    pub(crate) position: Option<[f64; 2]>,
    pub(crate) state: CaseState,
    pub(crate) severity: Severity,
}

/// When which open case wants to be looked at.
#[derive(Debug)]
struct Looks {
    queue: DueQueue<u64>,
    /// Numbers of the cases that wait, and their names by number.
    numbers: BTreeMap<String, u64>,
    names: BTreeMap<u64, String>,
    next: u64,
}

/// What is open now.
#[derive(Debug)]
pub(crate) struct Book {
    warnings: RwLock<BTreeMap<String, OpenWarning>>,
    cases: RwLock<BTreeMap<String, OpenCase>>,
    looks: Mutex<Looks>,
    /// What was reported lately, open or closed.
    pub(crate) near: Near,
}

impl Default for Looks {
    fn default() -> Self {
        Self { queue: DueQueue::new(), numbers: BTreeMap::new(), names: BTreeMap::new(), next: 0 }
    }
}

impl Looks {
    fn set(&mut self, id: &str, at: Option<Timestamp>) {
        let Some(at) = at else {
            if let Some(number) = self.numbers.remove(id) {
                self.queue.remove(number);
                self.names.remove(&number);
            }
            return;
        };
        let known = self.numbers.get(id).copied();
        let number = known.unwrap_or_else(|| {
            self.next += 1;
            self.numbers.insert(id.to_owned(), self.next);
            self.names.insert(self.next, id.to_owned());
            self.next
        });
        self.queue.set(number, at);
    }
}

/// Counts over one area.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Warnings that stand, by severity from 1.
    pub(crate) warnings: [u64; 4],
    /// Of those: nobody answered yet.
    pub(crate) unanswered: u64,
    pub(crate) cases: u64,
    pub(crate) overdue: u64,
}

impl Book {
    /// Nothing open; what is reported is read with the help of `triage`.
    pub(crate) fn new(triage: Triage) -> Self {
        Self {
            warnings: RwLock::default(),
            cases: RwLock::default(),
            looks: Mutex::default(),
            near: Near::new(Arc::new(triage)),
        }
    }

    /// Notes how a warning stands; `None` when it is over.
    pub(crate) fn warning(&self, id: &str, state: Option<OpenWarning>) {
        let mut warnings = self.warnings.write();
        match state {
            Some(state) => warnings.insert(id.to_owned(), state),
            None => warnings.remove(id),
        };
    }

    /// Notes how a case stands; `None` when it is closed.
    pub(crate) fn case(&self, id: &str, state: Option<OpenCase>) {
        self.looks.lock().set(id, state.and_then(|state| state.look_at));
        let mut cases = self.cases.write();
        match state {
            Some(state) => cases.insert(id.to_owned(), state),
            None => cases.remove(id),
        };
    }

    /// Shows every open case, in order of their numbers.
    pub(crate) fn each_case(&self, mut look: impl FnMut(&str, &OpenCase)) {
        self.cases.read().iter().for_each(|(id, case)| look(id, case));
    }

    /// Cases whose moment has come, at most `most`; they wait no more until they are noted again.
    pub(crate) fn due_looks(&self, now: Timestamp, most: usize) -> Vec<String> {
        let mut looks = self.looks.lock();
        let mut fired = Vec::new();
        looks.queue.fire(now, &mut fired);
        // The rest keeps its place for the next second.
        for (at, number) in fired.drain(fired.len().min(most)..) {
            looks.queue.set(number, at);
        }
        let name = |(_, number)| {
            let id = looks.names.remove(&number)?;
            looks.numbers.remove(&id);
            Some(id)
        };
        fired.into_iter().filter_map(name).collect()
    }

    /// Counts over an area and everything below it.
    pub(crate) fn summary(&self, areas: &AreaTree, area: AreaId) -> Summary {
        let mut summary = Summary::default();
        for warning in self.warnings.read().values() {
            if areas.contains(area, warning.area) {
                summary.warnings[usize::from(warning.severity.number()) - 1] += 1;
                summary.unanswered += u64::from(!warning.answered);
            }
        }
        let now = clock::now();
        for case in self.cases.read().values() {
            if areas.contains(area, case.area) {
                summary.cases += 1;
                summary.overdue += u64::from(case.due_at.is_some_and(|due| due < now));
            }
        }
        summary
    }
}
