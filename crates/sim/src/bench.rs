//! The ingest benchmark: a server, a load process beside it, and a probe that measures how long a
//! dangerous reading takes to become a warning on the live stream. What it prints it also writes to
//! a page with date and machine; it invents no number and keeps no old one.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::client::Client;
use crate::load::{Format, LoadReport, MEASURING};
use crate::{machine, say};

mod city;
mod city_page;
pub mod endure;
pub(crate) mod harness;
pub mod mqtt;
mod pack;
mod page;
mod probe;
mod server;

pub use city::{CityArgs, city};
use server::{Limits, Running, Server};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct IngestArgs {
    /// Numbers of devices, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000")]
    devices: Vec<u64>,
    /// How long to measure each
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Readings in one request
    #[arg(long, default_value_t = 10_000)]
    lines: u64,
    /// Connections of the load process
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Folder for the servers' data, on the disk to be measured; emptied afterwards
    #[arg(long, default_value = "data", value_name = "DIR")]
    folder: PathBuf,
    /// Page to write
    #[arg(long, default_value = "docs/benchmarks/ingest.md", value_name = "FILE")]
    page: PathBuf,
    /// Folder with the peers' results, to put beside ours; left out where it is absent
    #[arg(long, default_value = "../shared/bench/peers", value_name = "DIR")]
    peers: PathBuf,
}

/// All that is known of one run.
#[derive(Debug)]
struct Run {
    devices: u64,
    format: Format,
    load: LoadReport,
    server_cpu_s: f64,
    /// Of the server before the first device was registered.
    idle_mb: f64,
    server_peak_mb: f64,
    /// Cores kept busy by other programs meanwhile.
    busy_elsewhere: f64,
    probe: probe::Outcome,
}

/// Measures, prints a line for each number of devices, and writes the page.
///
/// # Errors
/// When the server does not start or anything it acknowledged is missing from its own count.
pub fn ingest(args: &IngestArgs) -> Result<()> {
    let mut runs = Vec::new();
    for &devices in &args.devices {
        say(&format!(
            "{devices} devices: areas, server, registration, {} s of load …",
            args.seconds
        ));
        let (run, _server) = measure(&Setup {
            folder: &args.folder,
            devices,
            seconds: args.seconds,
            lines: args.lines,
            connections: args.connections,
            format: Format::Lines,
            limits: Limits::default(),
            rate: None,
        })?;
        say(&page::line(&run));
        runs.push(run);
    }
    write_page(&args.page, &page::render(args, &runs))
}

fn write_page(page: &Path, text: &str) -> Result<()> {
    if let Some(folder) = page.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))?;
    say(&format!("written to {}", page.display()));
    Ok(())
}

fn rate(run: &Run) -> f64 {
    run.load.readings as f64 / run.load.seconds
}

/// What one measurement is made with.
#[derive(Debug, Clone, Copy)]
struct Setup<'a> {
    folder: &'a Path,
    devices: u64,
    seconds: u64,
    lines: u64,
    connections: usize,
    format: Format,
    limits: Limits,
    /// Readings a second at most.
    rate: Option<u64>,
}

/// A load process that has warmed up.
#[derive(Debug)]
struct Loader {
    _process: Running,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Loader {
    fn start(setup: &Setup<'_>, server: &Server) -> Result<Self> {
        let format = match setup.format {
            Format::Lines => "lines",
            Format::Columns => "columns",
        };
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["load", "--http", &server.address().to_string(), "--format", format])
            .args(["--devices", &setup.devices.to_string(), "--lines", &setup.lines.to_string()])
            .args(["--connections", &setup.connections.to_string()])
            .args(["--seconds", &setup.seconds.to_string()])
            .env("CHENGMAI_TOKEN", server.token())
            .stdout(Stdio::piped());
        if let Some(rate) = setup.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        let mut process = Running(command.spawn()?);
        let mut said = BufReader::new(process.0.stdout.take().context("a pipe")?).lines();
        let first = said.next().transpose()?;
        ensure!(first.as_deref() == Some(MEASURING), "the load process ended early");
        Ok(Self { _process: process, said })
    }

    /// What it measured, when it is through.
    fn report(&mut self) -> Result<LoadReport> {
        let report = self.said.next().transpose()?.context("the load process said nothing")?;
        Ok(serde_json::from_str(&report)?)
    }
}

/// A server and a load process beside it. The server is handed back, still running.
fn measure(setup: &Setup<'_>) -> Result<(Run, Server)> {
    let &Setup { devices, seconds, .. } = setup;
    let server = Server::start(setup.folder, setup.limits)?;
    let idle_mb = machine::resident_bytes(server.pid())? / 1e6;
    let mut loader = Loader::start(setup, &server)?;
    let (cpu, busy) = (machine::cpu_seconds(server.pid())?, machine::busy_seconds()?);
    let span = Duration::from_secs(seconds);
    let probe = probe::run(server.address(), server.client(), server.token(), span)?;
    let load = loader.report()?;
    let server_cpu_s = machine::cpu_seconds(server.pid())? - cpu;
    let ours = server_cpu_s + load.cpu_s;
    let busy_elsewhere = ((machine::busy_seconds()? - busy - ours) / load.seconds).max(0.0);
    let server_peak_mb = machine::peak_memory_mb(server.pid())?;
    check_metrics(server.client(), server.token(), &load)?;
    let format = setup.format;
    let run =
        Run { devices, format, load, server_cpu_s, idle_mb, server_peak_mb, busy_elsewhere, probe };
    Ok((run, server))
}

/// The server's own count must not be below what was acknowledged, or the numbers mean nothing.
fn check_metrics(client: &Client, token: &str, load: &LoadReport) -> Result<()> {
    let (status, system) = client.get("/api/v1/system", token)?;
    ensure!(status == 200, "GET /api/v1/system: status {status}");
    let total = system["readings_total"].as_u64().context("readings_total")?;
    ensure!(total >= load.readings, "the server counts {total}, acknowledged {}", load.readings);
    ensure!(load.refused == 0, "{} requests were refused", load.refused);
    Ok(())
}
