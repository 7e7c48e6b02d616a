//! `cargo xtask ci`: what a merge must pass, cheapest first.
//!
//! It is not the CI itself: `.ci/run` calls the same steps by name so that its log shows them.

use anyhow::Result;

use crate::{fuzz, gates, setup, shell, test, tidy};

#[derive(Debug, clap::Args)]
pub(crate) struct CiArgs {
    /// Spoil bytes for this long with each decoder, as the CI does, instead of a set number of times
    #[arg(long)]
    fuzz_seconds: Option<u64>,
}

pub(crate) fn run(args: &CiArgs) -> Result<()> {
    shell::announce("tidy");
    tidy::run()?;
    shell::run("format", shell::cargo().args(["fmt", "--all", "--check"]))?;
    // The server embeds the built web, so even a lint of it needs that to exist.
    setup::web_build()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    shell::run("clippy", shell::cargo().args(clippy))?;
    test::run(&test::TestArgs::default())?;
    fuzz::run(&fuzz::FuzzArgs { seconds: args.fuzz_seconds, ..fuzz::FuzzArgs::default() })?;
    gates::run(&gates::GatesArgs::default())
}
