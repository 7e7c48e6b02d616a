//! `cargo xtask gen api`: the OpenAPI document and the web's types, from the server's own routes.
//!
//! The routes are the source; the two files are committed so that a reader and the web need no
//! build. `--check` keeps them from drifting and is part of `cargo xtask test`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{setup, shell};

const DOCUMENT: &str = "docs/openapi.json";
const TYPES: &str = "web/src/api/openapi.ts";

pub(crate) fn run(check: bool) -> Result<()> {
    // Not the real web: it may not compile until its types are written, which is what we do here.
    setup::web_packages()?;
    setup::web_placeholder()?;
    let folder = shell::build_with_tests()?;
    if check { self::check(&folder) } else { write(&folder) }
}

fn write(folder: &Path) -> Result<()> {
    let root = shell::root();
    store(&root.join(DOCUMENT), &document(folder)?)?;
    types(&root.join(DOCUMENT), &root.join(TYPES))?;
    println!("wrote {DOCUMENT} and {TYPES}");
    Ok(())
}

/// Fails when a committed file is not what the programs in `folder` would write.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let scratch = shell::target_dir()?.join("xtask");
    let fresh = [scratch.join("openapi.json"), scratch.join("openapi.ts")];
    store(&fresh[0], &document(folder)?)?;
    types(&fresh[0], &fresh[1])?;
    for (committed, fresh) in [DOCUMENT, TYPES].into_iter().zip(&fresh) {
        let old = std::fs::read_to_string(shell::root().join(committed)).unwrap_or_default();
        if let Some(line) = first_difference(&old, &std::fs::read_to_string(fresh)?) {
            bail!("{committed}:{line}: differs from the routes; run `cargo xtask gen api`");
        }
    }
    Ok(())
}

fn document(folder: &Path) -> Result<String> {
    let mut command = std::process::Command::new(folder.join("chengmai"));
    let text = shell::output("print the OpenAPI document", command.arg("openapi"))?;
    // Parsed and printed again so that the order of keys, and with it the diff, is stable.
    let value: serde_json::Value =
        serde_json::from_str(&text).context("`chengmai openapi` did not print JSON")?;
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn types(document: &Path, file: &PathBuf) -> Result<()> {
    let mut command = shell::web_tool("openapi-typescript");
    shell::run("derive the web's types", command.arg(document).arg("--output").arg(file))
}

fn store(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The number of the first line that differs, or `None` when the texts are equal.
fn first_difference(old: &str, new: &str) -> Option<usize> {
    if old == new {
        return None;
    }
    let same = old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn a_drifted_file_is_named_with_its_first_differing_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("", "a\n"), Some(1));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    }
}
