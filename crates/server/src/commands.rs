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

use std::io::Write as _;

use anyhow::Context as _;

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
