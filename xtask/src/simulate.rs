//! `cargo xtask simulate`: builds the fault simulator for speed and runs it.
//!
//! It judges nothing itself: `chengmai-sim simulate` prints what held and what did not.

use std::process::Command;

use anyhow::Result;

use crate::shell;

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Passed on to `chengmai-sim simulate`: --seeds 10000, --from SEED, --seed SEED --trace
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(args: &SimulateArgs) -> Result<()> {
    let folder = shell::build_binaries(true, &["chengmai-sim"])?;
    shell::announce("simulate");
    let mut command = Command::new(folder.join("chengmai-sim"));
    command.arg("simulate").args(&args.args).current_dir(shell::root());
    shell::become_program(&mut command)
}
