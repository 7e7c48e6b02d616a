//! How the server holds out: more senders than it can serve, and then a steady load for long. What is
//! looked at is memory, file handles, how soon what was taken was on disk, and that what was refused was
//! counted. What it prints it also writes to a page.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::page::{commit, file_system, grouped, today};
use super::server::{Limits, Server};
use super::{Loader, Setup, write_page};
use crate::load::{Format, LoadReport};
use crate::{machine, say};

/// How often memory and handles are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct EndureArgs {
    /// Connections that saturate it
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Connections of the overload
    #[arg(long, default_value_t = 100)]
    crowd: usize,
    /// How long the overload lasts
    #[arg(long, default_value_t = 300)]
    overload_seconds: u64,
    /// How long the steady load lasts
    #[arg(long, default_value_t = 1_200)]
    soak_seconds: u64,
    /// Readings a second of the steady load
    #[arg(long, default_value_t = 200_000)]
    soak_rate: u64,
    /// Devices of the overload; the steady load has a tenth of them
    #[arg(long, default_value_t = 1_000_000)]
    devices: u64,
    /// Readings in one request
    #[arg(long, default_value_t = 10_000)]
    lines: u64,
    /// Folder for the servers' data, on the disk to be measured; emptied afterwards
    #[arg(long, default_value = "data", value_name = "DIR")]
    folder: PathBuf,
    /// Page to write
    #[arg(long, default_value = "docs/benchmarks/endure.md", value_name = "FILE")]
    page: PathBuf,
}

/// Memory and handles of the server at one moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    after: Duration,
    mb: f64,
    handles: usize,
}

/// A load and what the server looked like meanwhile.
#[derive(Debug)]
struct Phase {
    load: LoadReport,
    looks: Vec<Look>,
}

/// Measures and writes the page.
///
/// # Errors
/// When the server ends, or anything it acknowledged or refused is missing from its own count.
pub fn run(args: &EndureArgs) -> Result<()> {
    let setup = |devices, connections, seconds, rate| Setup {
        folder: &args.folder,
        devices,
        seconds,
        lines: args.lines,
        connections,
        format: Format::Lines,
        limits: Limits::default(),
        rate,
    };
    let server = Server::start(&args.folder, Limits::default())?;
    let usual = phase(&server, &setup(args.devices, args.connections, 20, None))?;
    let crowd = setup(args.devices, args.crowd, args.overload_seconds, None);
    let overload = phase(&server, &crowd)?;
    let after = phase(&server, &setup(args.devices, args.connections, 20, None))?;
    drop(server);
    let server = Server::start(&args.folder, Limits::default())?;
    let steady =
        setup(args.devices / 10, args.connections, args.soak_seconds, Some(args.soak_rate));
    let soak = phase(&server, &steady)?;
    write_page(&args.page, &render(args, [&usual, &overload, &after], &soak))
}

fn phase(server: &Server, setup: &Setup<'_>) -> Result<Phase> {
    say(&format!("{} connections, {} s …", setup.connections, setup.seconds));
    // Before its warming up: what it measures is among what is counted from here on.
    let before = counts(server)?;
    let mut loader = Loader::start(setup, server)?;
    let began = Instant::now();
    let (done, heard) = channel();
    let (load, looks) = std::thread::scope(|threads| {
        threads.spawn(move || drop(done.send(loader.report())));
        let mut looks = Vec::new();
        loop {
            match heard.recv_timeout(LOOK) {
                Ok(report) => return report.map(|load| (load, looks)),
                Err(RecvTimeoutError::Timeout) => looks.push(Look {
                    after: began.elapsed(),
                    mb: machine::resident_bytes(server.pid())? / 1e6,
                    handles: machine::handles(server.pid())?,
                }),
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the load process is gone"),
            }
        }
    })?;
    let after = counts(server)?;
    let [readings, refused] = [after[0] - before[0], after[1] - before[1]];
    let missing = load.readings as f64 > readings || load.refused as f64 > refused;
    ensure!(!missing, "{load:?} but the server counts {readings} readings, {refused} refusals");
    let said = line(&load);
    say(&said);
    Ok(Phase { load, looks })
}

/// Readings taken and bodies refused for want of room.
fn counts(server: &Server) -> Result<[f64; 2]> {
    let taken = server.metric("chengmai_readings_accepted_total")?;
    // There is no such line before the first refusal.
    let refused = server
        .metric("chengmai_refused_total{reason=\"overloaded\",code=\"E-602\"}")
        .unwrap_or(0.0);
    Ok([taken, refused])
}

fn line(load: &LoadReport) -> String {
    format!(
        "{} readings/s acknowledged, p50 {:.0} ms, p99 {:.0} ms, slowest {:.0} ms, {} bodies refused",
        grouped(load.readings as f64 / load.seconds),
        load.p50_ms,
        load.p99_ms,
        load.max_ms,
        load.refused,
    )
}

fn render(args: &EndureArgs, overload: [&Phase; 3], soak: &Phase) -> String {
    let mut page = String::from("# Holding out\n\n");
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "Written by `cargo xtask bench endure`; nothing on this page was typed in.\n\n\
         * Date: {}\n* Machine: {}; data on {}; the load process runs on the same machine\n* Commit: {}\n\n\
         ## More senders than it can serve\n\n\
         {} devices, lines of the line protocol, {} a body. Each connection sends its next body as soon as the last was \
         acknowledged or refused; nobody waits as told. {} connections saturate the server; then {} for {} s; then {} \
         again.\n\n| connections | readings/s | p50 ms | p99 ms | slowest ms | bodies refused (429) | memory at most MB | \
         handles at most |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        today(),
        machine::describe(),
        file_system(&args.folder),
        commit(),
        args.devices,
        args.lines,
        args.connections,
        args.crowd,
        args.overload_seconds,
        args.connections,
    );
    let crowds = [args.connections, args.crowd, args.connections];
    for (phase, connections) in overload.into_iter().zip(crowds) {
        let Phase { load, looks, .. } = phase;
        let _ = writeln!(
            page,
            "| {connections} | {} | {:.0} | {:.0} | {:.0} | {} | {:.0} | {} |",
            grouped(load.readings as f64 / load.seconds),
            load.p50_ms,
            load.p99_ms,
            load.max_ms,
            grouped(load.refused as f64),
            looks.iter().map(|look| look.mb).fold(0.0, f64::max),
            looks.iter().map(|look| look.handles).max().unwrap_or(0),
        );
    }
    let _ = write!(
        page,
        "\nTimes are of acknowledged bodies. Goal: bounded memory, p99 at most 1 s, every refusal counted.\n\n\
         ## A steady load\n\n{} devices, {} readings a second for {} s. {}.\n\n\
         | after | memory MB, mean | at most | handles at most |\n|---:|---:|---:|---:|\n",
        args.devices / 10,
        grouped(args.soak_rate as f64),
        args.soak_seconds,
        line(&soak.load),
    );
    let tenth = (soak.looks.len() / 10).max(1);
    for part in soak.looks.chunks(tenth) {
        let until = part.last().map_or(0, |look| look.after.as_secs());
        let mean = part.iter().map(|look| look.mb).sum::<f64>() / part.len() as f64;
        let most = part.iter().map(|look| look.mb).fold(0.0, f64::max);
        let handles = part.iter().map(|look| look.handles).max().unwrap_or(0);
        let _ = writeln!(page, "| {until} s | {mean:.0} | {most:.0} | {handles} |");
    }
    page
}
