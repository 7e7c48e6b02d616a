//! `cargo xtask fuzz`: every decoder with spoiled bytes, a set number of them or for a time.
//!
//! It judges nothing itself: `fuzz/` holds the targets. It builds as the tests do, with checks for
//! overflow and what else only they turn on, so that a merge compiles nothing twice.

use std::process::Command;

use anyhow::Result;

use crate::shell;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct FuzzArgs {
    /// Go on for this long with each target; without it each gets the same inputs every time
    #[arg(long)]
    pub(crate) seconds: Option<u64>,
    /// Only these; all when none is named
    pub(crate) targets: Vec<String>,
}

pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    let folder = shell::build_binaries(false, &["chengmai-fuzz"])?;
    let mut command = Command::new(folder.join("chengmai-fuzz"));
    if let Some(seconds) = args.seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    shell::run("spoiled bytes", command.args(&args.targets).current_dir(shell::root()))
}
