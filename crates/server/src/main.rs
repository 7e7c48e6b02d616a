//! `chengmai`: one program, many commands. This file is the map: it reads the command line and
//! hands over; each command has a file of its own in `commands`.

mod accounts;
mod api;
mod city;
mod cli;
mod clock;
mod commands;
mod config;
mod doors;
mod http;
mod ingest;
mod mqtt;
mod packs;
mod pages;
mod policy;
mod tls;

use clap::Parser as _;
use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    start_logging();
    match run(cli.command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            commands::complain(&error);
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(flags) => commands::serve::run(flags.resolve("./data", false)?),
        Command::Demo(flags) => commands::demo::run(flags),
        Command::Import(import) => commands::import::run(import),
        Command::Replay(replay) => commands::replay::run(&replay),
        Command::Pack(pack) => commands::pack::run(pack),
        Command::Train(train) => commands::train::run(train),
        Command::User(user) => commands::user::run(user),
        Command::Backup(backup) => commands::backup::run(&backup),
        Command::Restore(restore) => commands::backup::restore(&restore),
        Command::Verify(verify) => commands::verify::run(&verify),
        Command::Witness(witness) => commands::witness::run(&witness),
        Command::Keys(keys) => commands::keys::run(&keys),
        Command::Access(access) => commands::access::run(&access),
        Command::Bench(bench) => commands::bench::run(&bench),
        Command::Openapi => {
            commands::openapi::run();
            Ok(())
        }
    }
}

/// Logs go to standard error; `CHENGMAI_LOG` chooses (`warn`, `chengmai=debug`).
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CHENGMAI_LOG")
        .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("info"));
    // What strangers do to these is counted, and must not fill the log.
    let quiet = ["rustls=error", "h2=error"].map(|words| words.parse().expect("sound directives"));
    let filter = quiet.into_iter().fold(filter, tracing_subscriber::EnvFilter::add_directive);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
