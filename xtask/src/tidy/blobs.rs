//! No large file: history keeps it for ever, and every clone pays.

use super::Fault;
use super::tree::Tree;

const BYTES_MAX: u64 = 256 * 1024;

/// Files that may be larger, with the reason.
const EXCEPT: [(&str, &str); 4] = [
    ("Cargo.lock", "written by cargo"),
    ("web/package-lock.json", "written by npm"),
    ("docs/openapi.json", "written by `cargo xtask gen api`"),
    ("web/src/api/openapi.ts", "written by `cargo xtask gen api`"),
];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    tree.files()
        .iter()
        .filter(|file| file.bytes > BYTES_MAX)
        .filter(|file| EXCEPT.iter().all(|(path, _)| *path != file.path))
        .map(|file| {
            Fault::new(
                &file.path,
                1,
                format!("{} KiB, at most {} KiB", file.bytes / 1024, BYTES_MAX / 1024),
                "keep it smaller, generate it, or read it from outside the repository",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    #[test]
    fn a_large_file_is_refused_and_a_lock_file_is_not() {
        let text = "x".repeat(256 * 1024 + 1);
        let tree = Tree::of(&[("a.png", &text), ("Cargo.lock", &text), ("b.png", "x")]);
        let faults = super::check(&tree);
        assert_eq!(faults.len(), 1);
        assert_eq!(
            (faults[0].path.as_str(), faults[0].what.as_str()),
            ("a.png", "256 KiB, at most 256 KiB")
        );
    }
}
