//! Reads what `cargo test` prints while it streams by.
//!
//! Rust's test harness has no stable machine-readable report, but its two kinds of line are as
//! stable as it gets: `test NAME ... STATE` and `test result: ...`, the latter once a binary.

use super::skips::{self, Skip};
use super::tally::Tally;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct CargoOutput {
    binaries: usize,
    passed: usize,
    failed: usize,
    ignored: usize,
    failed_names: Vec<String>,
}

impl CargoOutput {
    pub(crate) fn read_line(&mut self, line: &str) {
        let line = without_colours(line);
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.binaries += 1;
            self.passed += count(rest, "passed");
            self.failed += count(rest, "failed");
            self.ignored += count(rest, "ignored");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failed_names.push(name.to_owned());
        }
    }

    /// The sum, with everything counted as a failure that must not pass unseen.
    pub(crate) fn tally(
        &self,
        succeeded: bool,
        skips: &[Skip],
        data_exists: &dyn Fn(&str) -> bool,
    ) -> Tally {
        let mut tally = Tally {
            // The harness knows no skipping, so a skipped test is among its passed ones.
            passed: self.passed.saturating_sub(skips.len()),
            failed: self.failed,
            skipped: skips.len(),
            notes: self.failed_names.iter().map(|name| format!("failed: {name}")).collect(),
        };
        if self.ignored > 0 {
            tally.fail(format!("{} ignored; a test either runs or is deleted", self.ignored));
        }
        for skip in skips {
            match skips::fault(skip, data_exists) {
                Some(fault) => tally.fail(fault),
                None => tally.notes.push(format!("skipped: {}: {}", skip.test, skip.reason)),
            }
        }
        if !succeeded && self.failed == 0 {
            tally.fail("cargo test failed outside a test: it did not compile, or a test crashed");
        }
        if succeeded && self.binaries == 0 {
            tally.fail("cargo test ran no test binary");
        }
        tally
    }
}

/// The number before a word: `count("ok. 3 passed; 1 failed", "failed")` is 1.
fn count(text: &str, word: &str) -> usize {
    let mut before = "";
    for part in text.split([' ', ';', '.']).filter(|part| !part.is_empty()) {
        if part == word {
            return before.parse().unwrap_or(0);
        }
        before = part;
    }
    0
}

fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::skips::Skip;
    use super::super::tally::Tally;
    use super::CargoOutput;

    fn check(output: &str, succeeded: bool, skips: &[&str]) -> Tally {
        let mut read = CargoOutput::default();
        output.lines().for_each(|line| read.read_line(line));
        let skips: Vec<Skip> = skips
            .iter()
            .map(|reason| Skip { test: "t".to_owned(), reason: (*reason).to_owned() })
            .collect();
        read.tally(succeeded, &skips, &|path| path == "../shared/data/here")
    }

    const GREEN: &str = "
running 2 tests
test journal::a_torn_tail_is_cut ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s
   Doc-tests chengmai_model
test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
";

    #[test]
    fn binaries_are_added_up() {
        let tally = check(GREEN, true, &[]);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (7, 0, 0));
    }

    #[test]
    fn failed_tests_are_counted_and_named() {
        let output = "test case::it_closes ... FAILED\n\
            test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        let tally = check(output, false, &[]);
        assert_eq!((tally.passed, tally.failed), (3, 1));
        assert_eq!(tally.notes, ["failed: case::it_closes"]);
    }

    #[test]
    fn colours_do_not_hide_the_result() {
        let output = "test result: \u{1b}[32mok\u{1b}[m. 4 passed; 0 failed; 0 ignored";
        assert_eq!(check(output, true, &[]).passed, 4);
    }

    #[test]
    fn a_skipped_test_is_not_also_passed() {
        let tally = check(GREEN, true, &["../shared/data/gone is absent"]);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (6, 0, 1));
    }

    #[test]
    fn a_skip_without_absent_data_fails_the_run() {
        assert_eq!(check(GREEN, true, &["../shared/data/here is absent"]).failed, 1);
        assert_eq!(check(GREEN, true, &["no network"]).failed, 1);
    }

    #[test]
    fn an_ignored_test_fails_the_run() {
        let output = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured";
        assert_eq!(check(output, true, &[]).failed, 1);
    }

    #[test]
    fn a_crash_or_a_compile_error_fails_the_run() {
        assert_eq!(check("", false, &[]).failed, 1);
        assert_eq!(check(GREEN, false, &[]).failed, 1);
    }

    #[test]
    fn a_run_without_any_binary_fails() {
        assert_eq!(check("", true, &[]).failed, 1);
    }

    #[test]
    fn what_a_test_prints_about_results_is_not_counted() {
        assert_eq!(check("  test result: ok. 9 passed; 0 failed", true, &[]).passed, 0);
    }
}
