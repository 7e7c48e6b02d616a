//! Words that mean "not finished" or "not proved": none of them is ever merged.

use super::Fault;
use super::tree::Tree;

/// Written in two halves, because this file is looked at too.
const REFUSED: [(&str, &str); 9] = [
    (concat!("FIX", "ME"), "mend it now, or write down the limit in a decision page"),
    (concat!("TO", "DO"), "do it now, or leave it out without a note"),
    (concat!("XX", "X"), "say what is meant in a sentence"),
    (concat!("dbg", "!("), "remove it"),
    (concat!("todo", "!("), "write the code"),
    (concat!("unimplemented", "!("), "write the code"),
    (concat!("#[ig", "nore"), "make the test run, or delete it"),
    (concat!("should_", "panic"), "return an error and assert on it, or assert on catch_unwind"),
    (concat!(".on", "ly("), "let all tests run"),
];

const EXTENSIONS: [&str; 9] = ["rs", "ts", "vue", "js", "mjs", "css", "toml", "sh", "html"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_extension(&EXTENSIONS) {
        for (number, line) in file.lines() {
            for (word, mend) in REFUSED {
                if contains_word(line, word) {
                    faults.push(Fault::new(&file.path, number, format!("`{word}`"), mend));
                }
            }
            if file.is(&["rs"]) && is_unasserted_match(line) {
                faults.push(Fault::new(
                    &file.path,
                    number,
                    "a bare matches! cannot fail",
                    "write assert!(matches!(..))",
                ));
            }
        }
    }
    faults
}

/// Whether a line holds the word and not a longer one around it.
fn contains_word(line: &str, word: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let starts_word = word.starts_with(is_word);
        let ends_word = word.ends_with(is_word);
        let joined_before = starts_word && before.is_some_and(is_word);
        let joined_after = ends_word && after.is_some_and(is_word);
        !joined_before && !joined_after
    })
}

fn is_unasserted_match(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("matches!(") && line.ends_with(");")
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::REFUSED;

    fn count(path: &str, text: &str) -> usize {
        super::check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn each_refused_word_is_found_with_its_line() {
        for (word, _) in REFUSED {
            let text = format!("//! A.\n    {word} x\n");
            let faults = super::check(&Tree::of(&[("a.rs", &text)]));
            assert_eq!(faults.len(), 1, "{word}");
            assert_eq!(faults[0].line, 2);
        }
    }

    #[test]
    fn a_longer_word_is_not_refused() {
        assert_eq!(count("a.rs", concat!("let a = \"TO", "DOS\";\n")), 0);
    }

    #[test]
    fn pages_and_settings_are_looked_at_too() {
        assert_eq!(count("a.vue", concat!("<!-- TO", "DO -->\n")), 1);
        assert_eq!(count("a.toml", concat!("# FIX", "ME\n")), 1);
    }

    #[test]
    fn a_match_that_nobody_asserts_is_refused() {
        assert_eq!(count("a.rs", "    matches!(error, Error::Torn);\n"), 1);
        assert_eq!(count("a.rs", "    matches!(error, Error::Torn)\n"), 0);
        assert_eq!(count("a.rs", "    assert!(matches!(error, Error::Torn));\n"), 0);
    }
}
