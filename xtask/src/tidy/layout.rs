//! Where Rust files lie: `foo.rs` beside `foo/`, never `mod.rs`, two folders deep, none forgotten.

use std::collections::BTreeSet;

use super::Fault;
use super::tree::{Tree, declares, stem};

/// Folders below `src/`: `ls` should show the architecture.
const DEPTH_MAX: usize = 2;

/// File names that say nothing, or say it in another word than the rest of the house.
const REFUSED_NAMES: [(&str, &str); 7] = [
    ("errors", "error.rs"),
    ("util", "the name of what it does"),
    ("utils", "the name of what it does"),
    ("helpers", "the name of what it does"),
    ("common", "the name of what is common"),
    ("misc", "the name of what it does"),
    ("types", "the name of the thing"),
];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut lonely = BTreeSet::new();
    for file in tree.with_extension(&["rs"]) {
        let path = file.path.as_str();
        let mut fault = |what: String, mend: String| {
            faults.push(Fault::new(path, 1, what, mend));
        };
        let name = stem(path);
        if name == "mod" {
            let folder = path.trim_end_matches("/mod.rs");
            fault("mod.rs".into(), format!("rename it to {folder}.rs"));
            continue;
        }
        if let Some((_, better)) = REFUSED_NAMES.iter().find(|(refused, _)| *refused == name) {
            fault(format!("a file named {name}.rs says nothing"), format!("call it {better}"));
        }
        let Some((crate_folder, inner)) = path.split_once("/src/") else { continue };
        let folders: Vec<&str> = inner.split('/').rev().skip(1).collect();
        if folders.len() > DEPTH_MAX {
            fault(
                format!("{} folders below src/, at most {DEPTH_MAX}", folders.len()),
                "flatten it".into(),
            );
        }
        let beside = format!("{}.rs", path.rsplit_once('/').map_or("", |(folder, _)| folder));
        let needs_file = folders.first().is_some_and(|folder| *folder != "bin");
        if needs_file && tree.file(&beside).is_none() {
            // Said once a folder; that its files are not declared follows from it.
            if lonely.insert(beside.clone()) {
                fault(
                    format!("there is no {beside} beside its folder"),
                    "create it with the folder's `mod` lines and its story".into(),
                );
            }
            continue;
        }
        let is_root = matches!(inner, "lib.rs" | "main.rs") || inner.starts_with("bin/");
        if !is_root && !is_declared(tree, path, name) {
            fault(
                "no parent declares this module, so nobody compiles it".into(),
                format!("add `mod {name};` to its parent in {crate_folder}/src, or delete it"),
            );
        }
    }
    faults
}

fn is_declared(tree: &Tree, path: &str, name: &str) -> bool {
    tree.parents(path).any(|parent| {
        parent.text.lines().any(|line| {
            declares(line, name)
                || (line.contains("#[path") && line.contains(&format!("{name}.rs")))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn whats(files: &[(&str, &str)]) -> Vec<String> {
        super::check(&Tree::of(files)).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_file_beside_its_folder_passes() {
        let files = [
            ("c/src/lib.rs", "mod journal;\n"),
            ("c/src/journal.rs", "pub(crate) mod entry;\n"),
            ("c/src/journal/entry.rs", ""),
            ("c/tests/it/main.rs", ""),
        ];
        assert_eq!(whats(&files), [""; 0]);
    }

    #[test]
    fn mod_rs_is_refused() {
        assert_eq!(whats(&[("c/src/journal/mod.rs", "")]), ["mod.rs"]);
    }

    #[test]
    fn a_folder_without_its_file_is_refused() {
        let files = [("c/src/lib.rs", ""), ("c/src/a/b.rs", ""), ("c/src/a/c.rs", "")];
        assert_eq!(whats(&files), ["there is no c/src/a.rs beside its folder"]);
    }

    #[test]
    fn a_third_folder_is_refused() {
        let files = [
            ("c/src/a/b/c.rs", "mod d;"),
            ("c/src/a/b.rs", "mod c;"),
            ("c/src/a.rs", "mod b;"),
            ("c/src/lib.rs", "mod a;"),
            ("c/src/a/b/c/d.rs", ""),
        ];
        assert_eq!(whats(&files), ["3 folders below src/, at most 2"]);
    }

    #[test]
    fn a_file_nobody_compiles_is_refused() {
        let faults = whats(&[("c/src/lib.rs", "mod a;\n"), ("c/src/b.rs", "")]);
        assert_eq!(faults, ["no parent declares this module, so nobody compiles it"]);
    }

    #[test]
    fn a_name_that_says_nothing_is_refused() {
        let files = [("c/src/lib.rs", "mod utils;\n"), ("c/src/utils.rs", "")];
        assert_eq!(whats(&files), ["a file named utils.rs says nothing"]);
    }
}
