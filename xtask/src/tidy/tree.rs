//! The files of the repository as the checks see them.
//!
//! Tracked files and new ones that are not ignored count alike, so a fault shows before a commit.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::shell;

/// Where the list of files over the size limit is kept.
pub(super) const RATCHET: &str = "xtask/size-ratchet.txt";

/// One file; `text` is empty for files that are not UTF-8.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) text: String,
}

impl File {
    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(super) fn is(&self, extensions: &[&str]) -> bool {
        extensions.iter().any(|extension| {
            self.path.strip_suffix(extension).is_some_and(|stem| stem.ends_with('.'))
        })
    }

    /// The lines before the file's own test module, which is where the product's code ends.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let starts_tests = |index: usize| {
            lines[index].trim() == "#[cfg(test)]"
                && lines[index + 1..]
                    .iter()
                    .find(|line| !line.trim_start().starts_with("#["))
                    .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
        };
        let end = (0..lines.len()).find(|&index| starts_tests(index)).unwrap_or(lines.len());
        self.lines().take(end)
    }
}

/// All files, and what must be asked from other programs.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: Vec<File>,
    /// What `cargo metadata` printed; empty in tests that do not need it.
    pub(super) cargo_metadata: String,
    /// The size ratchet as last committed and as committed before that, where history has them.
    pub(super) ratchets_before: Vec<String>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let list = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .context("tidy reads the list of files from git")?;
        let mut files = Vec::new();
        for path in list.split('\0').filter(|path| !path.is_empty()) {
            // A file deleted but not yet committed is listed and gone.
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            files.push(File {
                path: path.to_owned(),
                bytes: bytes.len() as u64,
                text: String::from_utf8(bytes).unwrap_or_default(),
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let ratchets_before = ratchets_before(root);
        Ok(Self { files, cargo_metadata: cargo_metadata()?, ratchets_before })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).to_owned(),
                bytes: text.len() as u64,
                text: (*text).to_owned(),
            })
            .collect();
        Self { files, ..Self::default() }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(super) fn with_extension(&self, extensions: &[&str]) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.is(extensions))
    }

    /// Whether a Rust file holds only tests: by its place, or because its parent says so.
    pub(super) fn is_test_only(&self, path: &str) -> bool {
        if path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs") {
            return true;
        }
        self.parents(path).any(|parent| {
            let mut before = "";
            parent.text.lines().any(|line| {
                let found = before.trim() == "#[cfg(test)]" && declares(line, stem(path));
                before = line;
                found
            })
        })
    }

    /// The files that may declare the module a file is: `a/b.rs` is declared in `a.rs`.
    pub(super) fn parents<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a File> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        [
            format!("{folder}.rs"),
            format!("{folder}/lib.rs"),
            format!("{folder}/main.rs"),
            format!("{folder}/mod.rs"),
        ]
        .into_iter()
        .filter(move |parent| parent != path)
        .filter_map(|parent| self.file(&parent))
    }
}

/// `foo` of `a/foo.rs`.
pub(super) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

/// Whether a line is `mod name;` or `mod name {`, whatever its visibility.
pub(super) fn declares(line: &str, module: &str) -> bool {
    let Some((before, after)) = line.split_once("mod ") else { return false };
    let before = before.trim();
    (before.is_empty() || before.starts_with("pub"))
        && after.trim_end_matches([';', '{', ' ']).trim() == module
}

fn cargo_metadata() -> Result<String> {
    let title = "read the licences of the dependencies";
    let version = shell::output(title, std::process::Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let mut cargo = shell::cargo();
    // Only what this machine builds: the rest may never have been downloaded.
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    shell::output(title, &mut cargo)
}

fn ratchets_before(root: &Path) -> Vec<String> {
    let commits = git(root, &["log", "-2", "--format=%H", "--", RATCHET]).unwrap_or_default();
    commits
        .lines()
        .filter_map(|commit| git(root, &["show", &format!("{commit}:{RATCHET}")]).ok())
        .collect()
}

fn git(root: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git").args(args).current_dir(root).output()?;
    anyhow::ensure!(
        output.status.success(),
        "git {}: {}",
        args[0],
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::{Tree, declares};

    #[test]
    fn code_ends_at_the_test_module_but_not_at_a_helper_for_tests() {
        let tree = Tree::of(&[(
            "a.rs",
            "//! A.\n#[cfg(test)]\nfn helper() {}\nfn b() {}\n#[cfg(test)]\nmod tests {\n}\n",
        )]);
        assert_eq!(tree.files()[0].code().count(), 4);
    }

    #[test]
    fn test_only_files_are_known_by_place_or_by_their_parent() {
        let tree = Tree::of(&[
            ("c/src/lib.rs", "#[cfg(test)]\nmod harness;\nmod real;\n"),
            ("c/src/harness.rs", ""),
            ("c/src/real.rs", ""),
        ]);
        assert!(tree.is_test_only("c/src/harness.rs"));
        assert!(tree.is_test_only("c/tests/it/main.rs"));
        assert!(!tree.is_test_only("c/src/real.rs"));
    }

    #[test]
    fn module_declarations_are_recognised_whatever_their_visibility() {
        assert!(declares("pub(crate) mod area;", "area"));
        assert!(declares("mod area {", "area"));
        assert!(!declares("mod areas;", "area"));
        assert!(!declares("// the mod area;", "area"));
    }
}
