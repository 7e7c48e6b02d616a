//! Reads vitest's JSON report.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::tally::Tally;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReportFile {
    success: bool,
    test_results: Vec<TestFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestFile {
    name: String,
    status: String,
    #[serde(default)]
    message: String,
    assertion_results: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    full_name: String,
    status: String,
}

/// Counts test by test, because a file that does not load has no test in vitest's own sums.
pub(crate) fn tally(text: &str, succeeded: bool) -> Result<Tally> {
    let report: ReportFile =
        serde_json::from_str(text).context("vitest's report has another shape than expected")?;
    let mut tally = Tally::default();
    for file in &report.test_results {
        for test in &file.assertion_results {
            match test.status.as_str() {
                "passed" => tally.passed += 1,
                "failed" => tally.fail(format!("failed: {}", test.full_name)),
                other => {
                    tally.skipped += 1;
                    tally.fail(format!(
                        "{other}, which a web test may never be: {}",
                        test.full_name
                    ));
                }
            }
        }
        let has_failed_test = file.assertion_results.iter().any(|test| test.status == "failed");
        if file.status == "failed" && !has_failed_test {
            tally.fail(format!("{}: {}", file.name, file.message));
        }
    }
    if (!succeeded || !report.success) && tally.failed == 0 {
        tally.fail("vitest failed outside a test");
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::super::tally::Tally;

    fn check(files: &str, success: bool) -> Tally {
        let text = format!("{{\"success\":{success},\"testResults\":[{files}]}}");
        super::tally(&text, success).unwrap()
    }

    fn file(status: &str, tests: &[&str]) -> String {
        let tests: Vec<String> = tests
            .iter()
            .map(|state| format!("{{\"fullName\":\"it works\",\"status\":\"{state}\"}}"))
            .collect();
        format!(
            "{{\"name\":\"a.test.ts\",\"status\":\"{status}\",\"message\":\"no module b\",\
             \"assertionResults\":[{}]}}",
            tests.join(",")
        )
    }

    #[test]
    fn passed_tests_are_counted() {
        let tally = check(&file("passed", &["passed", "passed"]), true);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (2, 0, 0));
    }

    #[test]
    fn failed_tests_are_counted_and_named() {
        let tally = check(&file("failed", &["passed", "failed"]), false);
        assert_eq!((tally.passed, tally.failed), (1, 1));
        assert_eq!(tally.notes, ["failed: it works"]);
    }

    #[test]
    fn a_file_that_does_not_load_is_a_failure() {
        let tally = check(&file("failed", &[]), false);
        assert_eq!(tally.failed, 1);
        assert!(tally.notes[0].contains("no module b"));
    }

    #[test]
    fn skipped_and_todo_tests_fail_the_run() {
        let tally = check(&file("passed", &["skipped", "todo"]), true);
        assert_eq!((tally.failed, tally.skipped), (2, 2));
    }

    #[test]
    fn an_error_outside_a_test_fails_the_run() {
        assert_eq!(check(&file("passed", &["passed"]), false).failed, 1);
    }

    #[test]
    fn a_report_of_another_shape_is_refused() {
        assert!(super::tally("{}", true).is_err());
    }
}
