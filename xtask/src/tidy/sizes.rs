//! A file has at most 500 lines before its tests. Exceptions stand in a list that only shrinks.
//!
//! The list (`xtask/size-ratchet.txt`) holds `path lines`. An entry must equal what the file has
//! now, so it falls with the file; it may not rise above, or appear beside, what was committed.

use std::collections::BTreeMap;

use super::Fault;
use super::tree::{File, RATCHET, Tree};

const LINES_MAX: usize = 500;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let text = tree.file(RATCHET).map_or("", |file| file.text.as_str());
    let listed = entries(text);
    let mut faults = Vec::new();
    for file in tree.files().iter().filter(|file| is_measured(tree, file)) {
        let lines = file.code().count();
        match listed.get(file.path.as_str()) {
            None if lines > LINES_MAX => faults.push(Fault::new(
                &file.path,
                LINES_MAX,
                format!("{lines} lines before tests, at most {LINES_MAX}"),
                "move one of its subjects to a file of its own",
            )),
            Some(&(number, allowed)) if lines != allowed => faults.push(ratchet_fault(
                number,
                &format!("{} has {lines} lines, the list says {allowed}", file.path),
                if lines > allowed { "make the file smaller" } else { "write the smaller number" },
            )),
            Some(&(number, _)) if lines <= LINES_MAX => faults.push(ratchet_fault(
                number,
                &format!("{} needs no exception any more", file.path),
                "delete the line",
            )),
            _ => {}
        }
    }
    for (path, &(number, _)) in &listed {
        if tree.file(path).is_none() {
            faults.push(ratchet_fault(
                number,
                &format!("{path} does not exist"),
                "delete the line",
            ));
        }
    }
    faults.extend(growth(text, &tree.ratchets_before));
    faults
}

/// Compares the list with the committed one, and that with the one before it.
fn growth(now: &str, before: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let versions: Vec<&str> =
        std::iter::once(now).chain(before.iter().map(String::as_str)).collect();
    for pair in versions.windows(2) {
        let older = entries(pair[1]);
        for (path, (number, lines)) in entries(pair[0]) {
            let allowed = older.get(path).map(|&(_, allowed)| allowed);
            if allowed.is_none_or(|allowed| lines > allowed) {
                faults.push(ratchet_fault(
                    number,
                    &format!("{path} {lines}: the list may only shrink"),
                    "make the file smaller instead",
                ));
            }
        }
    }
    faults
}

/// Path to line number in the list and lines allowed. Lines that start with `#` are comments.
fn entries(text: &str) -> BTreeMap<&str, (usize, usize)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'))
        .filter_map(|(index, line)| {
            let (path, lines) = line.split_once(' ')?;
            Some((path, (index + 1, lines.trim().parse().ok()?)))
        })
        .collect()
}

fn ratchet_fault(number: usize, what: &str, mend: &str) -> Fault {
    Fault::new(RATCHET, number, what, mend)
}

/// Hand-written code: not tests, not what a generator wrote, not tables of translated words.
fn is_measured(tree: &Tree, file: &File) -> bool {
    if file.is(&["rs"]) {
        return !tree.is_test_only(&file.path);
    }
    file.is(&["ts", "vue", "js", "mjs"])
        && !file.path.contains(".test.")
        && !file.path.contains("/e2e/")
        && !file.path.contains("/locales/")
        && file.path != "web/src/api/openapi.ts"
}

#[cfg(test)]
mod tests {
    use super::super::tree::{RATCHET, Tree};
    use super::growth;

    fn whats(lines: usize, ratchet: &str) -> Vec<String> {
        let text = "let a = 1;\n".repeat(lines);
        let tree = Tree::of(&[("c/src/a.rs", &text), (RATCHET, ratchet)]);
        super::check(&tree).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_long_file_is_refused_and_its_tests_do_not_count() {
        assert_eq!(whats(500, ""), [""; 0]);
        assert_eq!(whats(501, ""), ["501 lines before tests, at most 500"]);
        let text = "x\n".repeat(400) + "#[cfg(test)]\nmod tests {\n" + &"x\n".repeat(400);
        assert_eq!(super::check(&Tree::of(&[("c/src/a.rs", &text)])), []);
    }

    #[test]
    fn pages_of_the_web_are_measured_too() {
        let text = "x\n".repeat(501);
        assert_eq!(super::check(&Tree::of(&[("web/src/pages/City.vue", &text)])).len(), 1);
        assert_eq!(super::check(&Tree::of(&[("web/src/api/openapi.ts", &text)])), []);
    }

    #[test]
    fn a_listed_file_may_neither_grow_nor_keep_a_number_it_does_not_need() {
        assert_eq!(whats(600, "c/src/a.rs 600\n"), [""; 0]);
        assert_eq!(whats(601, "c/src/a.rs 600\n"), ["c/src/a.rs has 601 lines, the list says 600"]);
        assert_eq!(whats(590, "c/src/a.rs 600\n"), ["c/src/a.rs has 590 lines, the list says 600"]);
        assert_eq!(whats(500, "c/src/a.rs 500\n"), ["c/src/a.rs needs no exception any more"]);
        assert_eq!(whats(5, "c/src/b.rs 600\n"), ["c/src/b.rs does not exist"]);
    }

    #[test]
    fn the_list_may_only_shrink() {
        let before = ["# c\na.rs 600\nb.rs 700\n".to_owned()];
        assert_eq!(growth("a.rs 600\n", &before), []);
        assert_eq!(growth("a.rs 601\n", &before).len(), 1);
        assert_eq!(growth("c.rs 501\n", &before).len(), 1);
    }

    #[test]
    fn a_growth_that_was_already_committed_is_still_seen() {
        let before = ["a.rs 650\n".to_owned(), "a.rs 600\n".to_owned()];
        assert_eq!(growth("a.rs 650\n", &before).len(), 1);
    }
}
