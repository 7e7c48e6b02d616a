//! Each change brings a fragment, `changelog.d/<subject>.<kind>.md`, in the words of a user.

use super::Fault;
use super::tree::Tree;

const KINDS: [&str; 6] = ["feature", "fix", "speed", "safety", "breaking", "docs"];

const LINES_MAX: usize = 12;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files() {
        let Some(name) = file.path.strip_prefix("changelog.d/") else { continue };
        if name == "README.md" {
            continue;
        }
        let mut fault = |line: usize, what: String, mend: &str| {
            faults.push(Fault::new(&file.path, line, what, mend));
        };
        if !is_good_name(name) {
            fault(
                1,
                format!("{name} is not <subject>.<kind>.md"),
                "name it with small letters and hyphens, and a kind of changelog.d/README.md",
            );
        }
        let text = file.text.trim();
        if text.is_empty() || text.starts_with('#') || !text.ends_with('.') {
            fault(
                1,
                "a fragment is one or more whole sentences, without a heading".into(),
                "write what a user can now do or need no longer fear",
            );
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            fault(LINES_MAX, format!("{lines} lines, at most {LINES_MAX}"), "say it shorter");
        }
    }
    faults
}

fn is_good_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let [subject, kind, "md"] = parts.as_slice() else { return false };
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    !subject.is_empty() && subject.chars().all(is_plain) && KINDS.contains(kind)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn count(name: &str, text: &str) -> usize {
        super::check(&Tree::of(&[(&format!("changelog.d/{name}"), text)])).len()
    }

    #[test]
    fn a_sentence_under_a_known_kind_passes() {
        assert_eq!(count("kill-safe.feature.md", "No reading is lost.\n"), 0);
        assert_eq!(count("README.md", "# Fragments\n"), 0);
    }

    #[test]
    fn an_unknown_kind_or_name_is_refused() {
        assert_eq!(count("kill-safe.magic.md", "No reading is lost.\n"), 1);
        assert_eq!(count("Kill_Safe.fix.md", "No reading is lost.\n"), 1);
        assert_eq!(count("kill-safe.md", "No reading is lost.\n"), 1);
    }

    #[test]
    fn an_empty_a_headed_and_a_long_fragment_are_refused() {
        assert_eq!(count("a.fix.md", " \n"), 1);
        assert_eq!(count("a.fix.md", "# Title\nText.\n"), 1);
        assert_eq!(count("a.fix.md", &"A line.\n".repeat(13)), 1);
    }
}
