//! `chengmai-sim`: the load process, the fault simulator and the benchmark. The map of its commands.

use std::io::Write as _;

use anyhow::Result;
use chengmai_sim::{bench, fault, load, load_mqtt, say};
use clap::{Parser, Subcommand};

/// Loads and measures a Chengmai server from outside.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send line protocol as fast as the server acknowledges it; prints one line of JSON
    ///
    /// The server must know the areas of the workload or register unknown devices.
    Load(load::LoadArgs),
    /// Send MQTT messages from a connection a device as fast as the server acknowledges them; prints
    /// one line of JSON
    ///
    /// The server must know the devices d0000000 and so on.
    LoadMqtt(load_mqtt::MqttLoadArgs),
    /// Run the fault simulator: the store and the engine on a simulated disk, from printed seeds
    Simulate(fault::SimulateArgs),
    /// Measure
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Readings per second over HTTP: durable, rolled up over five tiers, rules on
    ///
    /// Starts a server of its own (CHENGMAI_BIN, or `chengmai` beside this program) in a new data
    /// folder, sends from a process of its own, and writes the numbers down.
    Ingest(bench::IngestArgs),
    /// Everything that was promised of a whole city, with the peers beside us in one run
    City(bench::CityArgs),
    /// Messages per second over MQTT, one connection a device, one reading a message: durable before
    /// PUBACK, rolled up over five tiers, rules on
    ///
    /// Starts servers like `ingest`.
    Mqtt(bench::mqtt::MqttArgs),
    /// More senders than the server can serve, then a steady load for long
    Endure(bench::endure::EndureArgs),
}

fn main() -> std::process::ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when even that cannot be said.
            let _ = writeln!(std::io::stderr(), "chengmai-sim: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Load(args) => {
            let report = load::run(&args, &|| say(load::MEASURING))?;
            say(&serde_json::to_string(&report)?);
            Ok(())
        }
        Command::LoadMqtt(args) => {
            let report = load_mqtt::run(&args, &say)?;
            say(&serde_json::to_string(&report)?);
            Ok(())
        }
        Command::Simulate(args) => fault::simulate(&args),
        Command::Bench { what: Bench::Ingest(args) } => bench::ingest(&args),
        Command::Bench { what: Bench::City(args) } => bench::city(&args),
        Command::Bench { what: Bench::Mqtt(args) } => bench::mqtt::run(&args),
        Command::Bench { what: Bench::Endure(args) } => bench::endure::run(&args),
    }
}
