//! `cargo xtask tidy`: the house rules that no compiler knows, each with its check.
//!
//! Every check is a pure function from the tracked files to faults, so each is proved by a unit
//! test that shows it failing. What a check cannot see in a file (cargo's metadata, the previous
//! ratchet) is gathered once, in `tree`. It mends nothing; it says how to.

mod advisories;
mod blobs;
mod changelog;
mod edges;
mod glossary;
mod headers;
mod layout;
mod leaks;
mod licences;
mod links;
mod lock_budget;
mod manifests;
mod packs;
mod purity;
mod sizes;
mod tree;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use self::tree::Tree;
use crate::shell;

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    path: String,
    line: usize,
    what: String,
    mend: String,
}

impl Fault {
    fn new(path: &str, line: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}\n    mend: {}", self.path, self.line, self.what, self.mend)
    }
}

/// A rule with the name it is reported under.
struct Check {
    name: &'static str,
    run: fn(&Tree) -> Vec<Fault>,
}

/// Every check there is, in the order of STYLE.md.
const CHECKS: [Check; 16] = [
    Check { name: "edges", run: edges::check },
    Check { name: "purity", run: purity::check },
    Check { name: "manifests", run: manifests::check },
    Check { name: "layout", run: layout::check },
    Check { name: "sizes", run: sizes::check },
    Check { name: "headers", run: headers::check },
    Check { name: "words", run: words::check },
    Check { name: "glossary", run: glossary::check },
    Check { name: "packs", run: packs::check },
    Check { name: "licences", run: licences::check },
    Check { name: "advisories", run: advisories::check },
    Check { name: "lock budget", run: lock_budget::check },
    Check { name: "blobs", run: blobs::check },
    Check { name: "changelog", run: changelog::check },
    Check { name: "leaks", run: leaks::check },
    Check { name: "links", run: links::check },
];

pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&shell::root())?;
    let mut total = 0;
    for check in &CHECKS {
        let faults = (check.run)(&tree);
        for fault in &faults {
            println!("{fault}");
        }
        if !faults.is_empty() {
            println!("-- {}: {}\n", check.name, plural(faults.len(), "fault"));
        }
        total += faults.len();
    }
    if total > 0 {
        bail!("tidy: {} in {} files looked at", plural(total, "fault"), tree.files().len());
    }
    println!("tidy: {} checks over {} files, no fault", CHECKS.len(), tree.files().len());
    Ok(())
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
