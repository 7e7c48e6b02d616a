//! The count over all runners and the last line that tells it.

use std::fmt::Write as _;

use anyhow::Result;

/// What one runner counted; a skipped test is not also a passed one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// Sentences for the end of the report: names of failed tests, reasons of skipped ones.
    pub(crate) notes: Vec<String>,
}

impl Tally {
    /// Counts a failure that no single test reported, so that it cannot be missed in the sum.
    pub(crate) fn fail(&mut self, why: impl Into<String>) {
        self.failed += 1;
        self.notes.push(why.into());
    }

    /// A runner that found nothing to run proves nothing.
    fn refuse_empty(mut self) -> Self {
        if self.passed + self.failed + self.skipped == 0 {
            self.fail("no test ran");
        }
        self
    }
}

/// The tallies of a whole run, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<(String, Tally)>,
}

impl Report {
    /// Adds a runner's tally; a runner that could not run counts as one failure.
    pub(crate) fn add(&mut self, runner: &str, outcome: Result<Tally>) {
        match outcome {
            Ok(tally) => self.rows.push((runner.to_owned(), tally.refuse_empty())),
            Err(error) => self.fail(runner, &format!("{error:#}")),
        }
    }

    pub(crate) fn fail(&mut self, runner: &str, why: &str) {
        let mut tally = Tally::default();
        tally.fail(why);
        self.rows.push((runner.to_owned(), tally));
    }

    pub(crate) fn is_success(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|(_, tally)| tally.failed == 0)
    }

    /// A row a runner with its notes, then the sum as the last line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut sum = Tally::default();
        for (runner, tally) in &self.rows {
            let _ = writeln!(text, "{runner:<16} {}", counts(tally));
            for note in &tally.notes {
                let _ = writeln!(text, "    {}", note.replace('\n', "\n    "));
            }
            sum.passed += tally.passed;
            sum.failed += tally.failed;
            sum.skipped += tally.skipped;
        }
        let _ = writeln!(text, "{}", counts(&sum));
        text
    }
}

fn counts(tally: &Tally) -> String {
    format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped)
}

#[cfg(test)]
mod tests {
    use super::{Report, Tally};

    fn tally(passed: usize, failed: usize, skipped: usize) -> Tally {
        Tally { passed, failed, skipped, notes: Vec::new() }
    }

    #[test]
    fn the_last_line_is_the_sum_over_all_runners() {
        let mut report = Report::default();
        report.add("rust", Ok(tally(40, 0, 2)));
        report.add("web units", Ok(tally(5, 0, 0)));
        assert_eq!(report.text().lines().last(), Some("45 passed, 0 failed, 2 skipped"));
        assert!(report.is_success());
    }

    #[test]
    fn one_failure_fails_the_run() {
        let mut report = Report::default();
        report.add("rust", Ok(tally(40, 0, 0)));
        report.add("browser", Ok(tally(3, 1, 0)));
        assert!(!report.is_success());
        assert!(report.text().ends_with("\n43 passed, 1 failed, 0 skipped\n"));
    }

    #[test]
    fn a_runner_that_cannot_start_counts_as_a_failure() {
        let mut report = Report::default();
        report.add("browser", Err(anyhow::anyhow!("cannot start node")));
        assert!(!report.is_success());
        assert!(report.text().contains("cannot start node"));
        assert!(report.text().ends_with("\n0 passed, 1 failed, 0 skipped\n"));
    }

    #[test]
    fn a_runner_that_ran_nothing_counts_as_a_failure() {
        let mut report = Report::default();
        report.add("web units", Ok(Tally::default()));
        assert!(!report.is_success());
    }

    #[test]
    fn a_run_without_any_runner_is_no_success() {
        assert!(!Report::default().is_success());
    }
}
