//! Reads the TAP report of Node's own test runner.

use super::skips::{self, Skip};
use super::tally::Tally;

/// Counts from the closing lines (`# pass 3`), which leave out the groups that TAP lists as tests.
pub(crate) fn tally(text: &str, succeeded: bool, data_exists: &dyn Fn(&str) -> bool) -> Tally {
    let closing = |word: &str| {
        text.lines()
            .rev()
            .find_map(|line| line.strip_prefix("# ")?.strip_prefix(word)?.trim().parse().ok())
            .unwrap_or(0_usize)
    };
    let mut tally = Tally {
        passed: closing("pass "),
        failed: closing("fail ") + closing("cancelled "),
        skipped: closing("skipped "),
        notes: Vec::new(),
    };
    for line in text.lines().map(str::trim_start) {
        if let Some(name) = line.strip_prefix("not ok ") {
            tally.notes.push(format!("failed: {name}"));
        }
    }
    let skips: Vec<Skip> = text.lines().filter_map(skip).collect();
    for skip in &skips {
        match skips::fault(skip, data_exists) {
            Some(fault) => tally.fail(fault),
            None => tally.notes.push(format!("skipped: {}: {}", skip.test, skip.reason)),
        }
    }
    if skips.len() < tally.skipped {
        tally.fail("a test was skipped without a reason");
    }
    if closing("todo ") > 0 {
        tally.fail("a test is marked as still to be written");
    }
    if !succeeded && tally.failed == 0 {
        tally.fail("node failed outside a test");
    }
    tally
}

/// `ok 3 - name # SKIP reason`
fn skip(line: &str) -> Option<Skip> {
    let (test, reason) = line.trim_start().strip_prefix("ok ")?.split_once(" # SKIP")?;
    Some(Skip { test: test.to_owned(), reason: reason.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::tally::Tally;

    fn check(lines: &str, counts: [usize; 5], succeeded: bool) -> Tally {
        let [pass, fail, cancelled, skipped, todo] = counts;
        let text = format!(
            "TAP version 13\n{lines}\n# tests 9\n# suites 1\n# pass {pass}\n# fail {fail}\n\
             # cancelled {cancelled}\n# skipped {skipped}\n# todo {todo}\n# duration_ms 12.5\n"
        );
        super::tally(&text, succeeded, &|path| path == "../shared/data/here")
    }

    #[test]
    fn the_closing_lines_are_read() {
        let tally = check("ok 1 - signs in", [4, 0, 0, 0, 0], true);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (4, 0, 0));
    }

    #[test]
    fn failed_and_cancelled_tests_are_failures() {
        let tally = check("    not ok 2 - a case closes", [3, 1, 1, 0, 0], false);
        assert_eq!((tally.passed, tally.failed), (3, 2));
        assert_eq!(tally.notes, ["failed: 2 - a case closes"]);
    }

    #[test]
    fn a_skip_for_absent_data_is_only_a_skip() {
        let line = "ok 1 - rivers # SKIP ../shared/data/gone is absent";
        let tally = check(line, [3, 0, 0, 1, 0], true);
        assert_eq!((tally.failed, tally.skipped), (0, 1));
    }

    #[test]
    fn any_other_skip_fails_the_run() {
        let line = "ok 1 - rivers # SKIP ../shared/data/here is absent";
        assert_eq!(check(line, [3, 0, 0, 1, 0], true).failed, 1);
        assert_eq!(check("ok 1 - map # SKIP", [3, 0, 0, 1, 0], true).failed, 1);
        assert_eq!(check("", [3, 0, 0, 1, 0], true).failed, 1);
    }

    #[test]
    fn a_test_still_to_be_written_fails_the_run() {
        assert_eq!(check("ok 1 - x", [3, 0, 0, 0, 1], true).failed, 1);
    }

    #[test]
    fn a_crash_of_node_fails_the_run() {
        assert_eq!(super::tally("", false, &|_| false).failed, 1);
    }
}
