//! The book of what is open now: warnings and cases by area, in memory, for the counters that every
//! screen shows once a second. The records database is the truth; the book is read from it at start
//! and follows every change.

use std::collections::BTreeMap;

use chengmai_model::{AreaId, AreaTree, Severity, Timestamp};
use parking_lot::RwLock;

use crate::clock;

/// An open warning, as far as counters need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenWarning {
    pub(crate) area: AreaId,
    pub(crate) severity: Severity,
    pub(crate) answered: bool,
}

/// An open case, as far as counters need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenCase {
    pub(crate) area: AreaId,
    pub(crate) due_at: Option<Timestamp>,
}

/// What is open now.
#[derive(Debug, Default)]
pub(crate) struct Book {
    warnings: RwLock<BTreeMap<String, OpenWarning>>,
    cases: RwLock<BTreeMap<String, OpenCase>>,
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
        let mut cases = self.cases.write();
        match state {
            Some(state) => cases.insert(id.to_owned(), state),
            None => cases.remove(id),
        };
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
