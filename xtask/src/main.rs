//! The one tool: everything a developer or the CI runs is a sub-command here.
//!
//! This file is the map: one arm a command, one file a command. It is not the place for logic.
//! Nothing in here is linked into the product.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool speaks on the terminal"
)]

mod bench;
mod ci;
mod demo;
mod fuzz;
mod gates;
mod gen_api;
mod gen_city;
mod gen_sbom;
mod setup;
mod shell;
mod simulate;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Build, check, test and show Chengmai", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the rules no compiler knows: edges, sizes, words, glossary, licences, packs
    Tidy,
    /// Run what a merge must pass: tidy, format, clippy, every test, spoiled bytes, the gates
    Ci(ci::CiArgs),
    /// Run every test: Rust, web units, and the browser; sets up what they need
    Test(test::TestArgs),
    /// Build web and server, then start a populated city on http://127.0.0.1:8080
    Demo(demo::DemoArgs),
    /// Throw spoiled bytes at every decoder
    Fuzz(fuzz::FuzzArgs),
    /// Count the instructions of the hot path and compare with the counts kept
    Gates(gates::GatesArgs),
    /// Measure, and write the numbers to docs/benchmarks
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Run the fault simulator on many seeds; stops at the first that finds something
    Simulate(simulate::SimulateArgs),
    /// Write the files that are derived from others
    #[command(subcommand)]
    Gen(Gen),
}

#[derive(Debug, Subcommand)]
enum Gen {
    /// Write packs/chongqing from the public area data of two npm packages
    City,
    /// Write docs/openapi.json and web/src/api/openapi.ts from the server's routes
    Api {
        /// Change nothing; fail when the files differ from what would be written
        #[arg(long)]
        check: bool,
    },
    /// Write what a release is made of (CycloneDX) from the lock files
    Sbom(gen_sbom::SbomArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Tidy => tidy::run(),
        Command::Ci(args) => ci::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Gates(args) => gates::run(&args),
        Command::Bench(bench) => bench::run(&bench),
        Command::Simulate(args) => simulate::run(&args),
        Command::Gen(Gen::City) => gen_city::run(),
        Command::Gen(Gen::Api { check }) => gen_api::run(check),
        Command::Gen(Gen::Sbom(args)) => gen_sbom::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of reasons and no backtrace: what failed is a step, not this program.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
