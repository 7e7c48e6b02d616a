//! Skipped tests: who skipped, why, and whether that reason is allowed.
//!
//! A test has one good reason not to run: the shared data it reads is not on this machine. Any
//! other skipped test is a hole in the proof and fails the run.

/// One skipped test, as the log or a runner's report tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// Reads the log that `chengmai_model::testing::skip` writes, one `program::test: reason` a line.
///
/// A test that misses two files writes two lines and is still one test. Only where the harness
/// runs tests on the main thread, which has no test's name, each line counts.
pub(crate) fn read(log: &str) -> Vec<Skip> {
    let mut skips: Vec<Skip> = Vec::new();
    for line in log.lines().filter(|line| !line.trim().is_empty()) {
        let (test, reason) = line.split_once(": ").unwrap_or(("::main", line));
        if test.ends_with("::main") || skips.iter().all(|skip| skip.test != test) {
            skips.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
        }
    }
    skips
}

/// What is wrong with a skip, or `None` when the data it names is indeed absent.
pub(crate) fn fault(skip: &Skip, data_exists: &dyn Fn(&str) -> bool) -> Option<String> {
    let path = skip
        .reason
        .split_whitespace()
        .map(|word| word.trim_matches(['`', '\'', '"', ',', ';', ':', '(', ')']))
        .find(|word| word.starts_with("../shared/data"));
    match path {
        None => Some(format!("{} skipped, but not for lack of data: {}", skip.test, skip.reason)),
        Some(path) if data_exists(path) => {
            Some(format!("{} skipped, but {path} is there: {}", skip.test, skip.reason))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Skip, fault, read};

    fn skip(reason: &str) -> Skip {
        Skip { test: "a::b".to_owned(), reason: reason.to_owned() }
    }

    #[test]
    fn a_test_that_misses_two_files_is_one_skipped_test() {
        let skips = read("p::a: ../shared/data/x is absent\np::a: ../shared/data/y is absent\n");
        assert_eq!(skips.len(), 1);
        assert_eq!(skips[0].reason, "../shared/data/x is absent");
    }

    #[test]
    fn tests_of_one_name_in_two_programs_are_two() {
        let skips = read("p::a: no\nq::a: no\n");
        assert_eq!(skips.len(), 2);
        assert_eq!(skips[1], Skip { test: "q::a".to_owned(), reason: "no".to_owned() });
    }

    #[test]
    fn on_the_main_thread_every_line_is_a_test() {
        assert_eq!(read("a-1::main: x\na-1::main: y\n\n").len(), 2);
    }

    #[test]
    fn absent_data_is_the_one_allowed_reason() {
        assert_eq!(fault(&skip("../shared/data/x.csv is absent"), &|_| false), None);
    }

    #[test]
    fn data_that_is_there_is_no_reason() {
        let text = fault(&skip("`../shared/data/x.csv` is absent"), &|path| {
            path == "../shared/data/x.csv"
        });
        assert!(text.unwrap().contains("is there"));
    }

    #[test]
    fn any_other_reason_is_a_fault() {
        assert!(fault(&skip("too slow here"), &|_| false).unwrap().contains("too slow here"));
    }
}
