//! Commands, a file each. They may print: they are what a person at a terminal talks to.

pub(crate) mod access;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod openapi;
pub(crate) mod pack;
pub(crate) mod replay;
pub(crate) mod serve;
pub(crate) mod train;
pub(crate) mod user;
pub(crate) mod verify;
pub(crate) mod witness;

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use chengmai_store::proof::Signer;

use crate::city::layout::keep_secret;

/// One line to the person at the terminal.
pub(crate) fn say(line: impl AsRef<str>) {
    // A closed terminal is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
}

/// Why the command failed, with what led to it.
pub(crate) fn complain(error: &anyhow::Error) {
    // Nothing is left to do when even that cannot be said.
    let _ = writeln!(std::io::stderr(), "chengmai: {error:#}");
}

/// One's own key to sign with, made when there is none; and whether it was made now.
pub(crate) fn own_key(path: &Path, name: &str) -> anyhow::Result<(Signer, bool)> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let signer = Signer::parse(&text);
            Ok((signer.with_context(|| format!("the key {}", path.display()))?, false))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ensure!(
                !name.contains(|c: char| c == '+' || c.is_whitespace()),
                "--name {name}: no + and no spaces"
            );
            let signer = Signer::generate(name).context("the system gives no random numbers")?;
            keep_secret(path, signer.secret_text().as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok((signer, true))
        }
        Err(error) => bail!("cannot read {}: {error}", path.display()),
    }
}

/// A runtime for commands that need one.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// A bar for long work; silent when nobody is looking.
pub(crate) fn progress(len: u64, what: &'static str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template(
        "{msg:<28} {bar:32} {human_pos}/{human_len} {per_sec} {eta}",
    );
    let bar = indicatif::ProgressBar::new(len).with_message(what);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
