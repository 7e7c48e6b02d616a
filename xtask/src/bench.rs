//! `cargo xtask bench`: builds for speed, then lets the simulator measure.
//!
//! It measures nothing itself: a number is printed and dated by the program that saw it.

use anyhow::Result;

use crate::{setup, shell};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// More senders than the server can serve, then a steady load for long; writes docs/benchmarks/endure.md
    Endure {
        /// Passed on to `chengmai-sim bench endure`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// MQTT messages per second, a connection a device; writes docs/benchmarks/mqtt.md
    Mqtt {
        /// Passed on to `chengmai-sim bench mqtt`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Readings per second, durable, with roll-up and rules; writes docs/benchmarks/ingest.md
    Ingest {
        /// Passed on to `chengmai-sim bench ingest`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// A whole city, with the peers beside it; writes docs/benchmarks/city.md
    City {
        /// Passed on to `chengmai-sim bench city`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let (what, args) = match bench {
        Bench::Ingest { args } => ("ingest", args),
        Bench::City { args } => ("city", args),
        Bench::Mqtt { args } => ("mqtt", args),
        Bench::Endure { args } => ("endure", args),
    };
    setup::web_build()?;
    let folder = shell::build_binaries(true, &["chengmai-server", "chengmai-sim"])?;
    shell::announce("measure");
    let mut command = std::process::Command::new(folder.join("chengmai-sim"));
    command
        .args(["bench", what])
        .args(args)
        .env("CHENGMAI_BIN", folder.join("chengmai"))
        .current_dir(shell::root());
    shell::become_program(&mut command)
}
