//! Every Rust file opens with `//!`: what it is, what it is not, what always holds.

use super::Fault;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    tree.with_extension(&["rs"])
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| {
            Fault::new(
                &file.path,
                1,
                "the file does not say what it is",
                "begin it with `//! ` and a sentence: what it is, what it is not, what always holds",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_refused() {
        let tree = Tree::of(&[("a.rs", "//! A.\n"), ("b.rs", "fn b() {}\n"), ("c.rs", "")]);
        let faults: Vec<_> = super::check(&tree).into_iter().map(|fault| fault.path).collect();
        assert_eq!(faults, ["b.rs", "c.rs"]);
    }
}
