//! The crates that must be pure do no I/O and read no clock, whatever they depend on.
//!
//! Edges keep libraries out; this keeps the standard library's own doors shut.

use super::Fault;
use super::tree::Tree;

const PURE: [&str; 3] = ["crates/model/src/", "crates/engine/src/", "crates/wire/src/"];

/// Where tests of all crates note that they were skipped; product code never calls it.
const EXCEPT: [&str; 1] = ["crates/model/src/testing.rs"];

const DOORS: [(&str, &str); 10] = [
    ("std::fs", "files"),
    ("std::net", "the network"),
    ("std::thread", "threads"),
    ("std::env", "the environment"),
    ("std::process", "other processes"),
    ("SystemTime", "the clock"),
    ("Instant", "the clock"),
    ("Timestamp::now", "the clock"),
    ("Zoned::now", "the clock"),
    ("RandomState", "random numbers"),
];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let is_pure =
        |path: &str| PURE.iter().any(|folder| path.starts_with(folder)) && !EXCEPT.contains(&path);
    let mut faults = Vec::new();
    for file in tree.with_extension(&["rs"]).filter(|file| is_pure(&file.path)) {
        if tree.is_test_only(&file.path) {
            continue;
        }
        for (number, line) in file.code() {
            let code = line.split("//").next().unwrap_or(line);
            for (door, what) in DOORS {
                if uses(code, door) {
                    faults.push(Fault::new(
                        &file.path,
                        number,
                        format!("`{door}` lets a pure crate touch {what}"),
                        "take what is needed as an argument; the server reads the world",
                    ));
                }
            }
        }
    }
    faults
}

/// Whether the code names the item itself and not a longer word that contains it.
fn uses(code: &str, item: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(item).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = code[start + item.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        super::check(&Tree::of(&[(path, text)])).iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn a_clock_or_a_file_in_the_engine_is_refused() {
        let text = "//! E.\nuse std::fs;\nlet now = Instant::now();\n";
        assert_eq!(lines("crates/engine/src/state.rs", text), [2, 3]);
    }

    #[test]
    fn the_same_is_fine_in_the_server_in_tests_and_in_comments() {
        let text = "//! E.\n// not std::fs\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(lines("crates/engine/src/state.rs", text), [0; 0]);
        assert_eq!(lines("crates/engine/tests/it/main.rs", "use std::fs;\n"), [0; 0]);
        assert_eq!(lines("crates/server/src/main.rs", "use std::fs;\n"), [0; 0]);
    }

    #[test]
    fn a_longer_name_is_not_the_clock() {
        assert_eq!(lines("crates/engine/src/a.rs", "struct InstantValue;\n"), [0; 0]);
    }
}
