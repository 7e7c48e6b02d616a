//! The MQTT benchmark: a connection a device, one reading a message, durable before PUBACK. A server
//! and a load process beside it; what it prints it also writes to a page.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::page::{commit, file_system, grouped, today};
use super::server::{Limits, Running, Server};
use super::write_page;
use crate::client::Client;
use crate::load::MEASURING;
use crate::load_mqtt::{CONNECTED, MqttLoadReport};
use crate::{machine, say, workload};

/// How long the server's memory settles before it is looked at.
const SETTLING: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct MqttArgs {
    /// Connections, one a device
    #[arg(long, default_value_t = 20_000)]
    connections: u32,
    /// Messages that a device sends before it waits, separated by commas: each is measured
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    windows: Vec<u16>,
    /// Messages a second of all devices, separated by commas: each is measured; 0 is as many as are
    /// acknowledged
    #[arg(long, value_delimiter = ',', default_value = "0")]
    rate: Vec<u64>,
    /// How long to measure each
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Quality of service: 1, at least once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=1))]
    qos: u8,
    /// Threads of the load process
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Folder for the servers' data, on the disk to be measured; emptied afterwards
    #[arg(long, default_value = "data", value_name = "DIR")]
    folder: PathBuf,
    /// Page to write
    #[arg(long, default_value = "docs/benchmarks/mqtt.md", value_name = "FILE")]
    page: PathBuf,
}

/// All that is known of one run.
#[derive(Debug)]
struct Run {
    window: u16,
    rate: u64,
    load: MqttLoadReport,
    server_cpu_s: f64,
    /// Resident memory that the connections brought with them, each.
    bytes_a_connection: f64,
    server_peak_mb: f64,
    handles: usize,
    commits: f64,
    busy_elsewhere: f64,
}

/// Measures, prints a line for each run, and writes the page.
///
/// # Errors
/// When the server does not start, or anything it acknowledged is missing from its own count.
pub fn run(args: &MqttArgs) -> Result<()> {
    // The server keeps some for its own files.
    machine::raise_handles(u64::from(args.connections) + 256)?;
    let mut runs = Vec::new();
    for &rate in &args.rate {
        for &window in &args.windows {
            say(&format!(
                "{} connections, window {window}, {} s …",
                args.connections, args.seconds
            ));
            let run = measure(args, window, rate)?;
            say(&line(&run));
            runs.push(run);
        }
    }
    write_page(&args.page, &render(args, &runs))
}

fn measure(args: &MqttArgs, window: u16, rate: u64) -> Result<Run> {
    let server = Server::start(&args.folder, Limits { mqtt: true, ..Limits::default() })?;
    let (pid, client, token) = (server.pid(), server.client(), server.token());
    let devices = workload::device_file(args.connections);
    let (status, answer) = client.post_csv("/api/v1/devices", token, &devices)?;
    ensure!(status == 200, "registering the devices: status {status}, {answer}");
    let mqtt = system(client, token)?["mqtt"]["listen"].as_str().context("mqtt")?.to_owned();
    // What starting and registering took is given back first.
    std::thread::park_timeout(SETTLING);
    let before = machine::resident_bytes(pid)?;
    let (_loader, mut lines) = start_load(args, window, rate, &mqtt, token)?;
    wait_for(&mut lines, CONNECTED)?;
    let bytes = machine::resident_bytes(pid)? - before;
    let handles = machine::handles(pid)?;
    wait_for(&mut lines, MEASURING)?;
    let (cpu, busy) = (machine::cpu_seconds(pid)?, machine::busy_seconds()?);
    let commits = server.metric("chengmai_journal_commits_total")?;
    let report = lines.next().transpose()?.context("the load process said nothing")?;
    let server_cpu_s = machine::cpu_seconds(pid)? - cpu;
    let busy = machine::busy_seconds()? - busy;
    let commits = server.metric("chengmai_journal_commits_total")? - commits;
    let load: MqttLoadReport = serde_json::from_str(&report)?;
    let total = system(client, token)?["readings_total"].as_u64().context("readings_total")?;
    ensure!(total >= load.messages, "the server counts {total}, acknowledged {}", load.messages);
    ensure!(load.lost == 0, "{} connections were closed", load.lost);
    Ok(Run {
        window,
        rate,
        bytes_a_connection: bytes / f64::from(args.connections),
        server_peak_mb: machine::peak_memory_mb(pid)?,
        handles,
        commits: commits / load.seconds,
        busy_elsewhere: ((busy - server_cpu_s - load.cpu_s) / load.seconds).max(0.0),
        server_cpu_s,
        load,
    })
}

type Said = Lines<BufReader<ChildStdout>>;

fn start_load(
    args: &MqttArgs,
    window: u16,
    rate: u64,
    mqtt: &str,
    token: &str,
) -> Result<(Running, Said)> {
    let loader = Command::new(std::env::current_exe()?)
        .args(["load-mqtt", "--mqtt", mqtt, "--connections", &args.connections.to_string()])
        .args(["--window", &window.to_string(), "--rate", &rate.to_string()])
        .args(["--threads", &args.threads.to_string(), "--seconds", &args.seconds.to_string()])
        .env("CHENGMAI_TOKEN", token)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut loader = Running(loader);
    let lines = BufReader::new(loader.0.stdout.take().context("a pipe")?).lines();
    Ok((loader, lines))
}

fn wait_for(lines: &mut Said, word: &str) -> Result<()> {
    let said = lines.next().transpose()?;
    ensure!(said.as_deref() == Some(word), "the load process ended early");
    Ok(())
}

fn system(client: &Client, token: &str) -> Result<serde_json::Value> {
    let (status, system) = client.get("/api/v1/system", token)?;
    ensure!(status == 200, "GET /api/v1/system: status {status}");
    Ok(system)
}

/// One run in one line.
fn line(run: &Run) -> String {
    let million = run.load.messages as f64 / 1e6;
    format!(
        "window {}: {} messages/s durable; PUBACK after {:.1} ms (p50), {:.1} ms (p99); CPU s a million: \
         server {:.2}, load {:.2}; {:.0} bytes a connection; all connected in {:.1} s; {:.0} commits/s; \
         {:.2} cores busy elsewhere",
        run.window,
        grouped(run.load.messages as f64 / run.load.seconds),
        run.load.p50_ms,
        run.load.p99_ms,
        run.server_cpu_s / million,
        run.load.cpu_s / million,
        run.bytes_a_connection,
        run.load.connect_s,
        run.commits,
        run.busy_elsewhere,
    )
}

fn render(args: &MqttArgs, runs: &[Run]) -> String {
    let mut page = String::from("# MQTT: messages per second, a connection a device\n\n");
    let list = |numbers: Vec<String>| numbers.join(",");
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "Written by `cargo xtask bench mqtt`; nothing on this page was typed in.\n\n\
         * Date: {}\n* Machine: {}; data on {}\n* Commit: {}\n\
         * Built: {}\n* Command: `chengmai-sim bench mqtt --connections {} --windows {} --rate {} --seconds {} --qos {} --threads {}`\n\n",
        today(),
        machine::describe(),
        file_system(&args.folder),
        commit(),
        if cfg!(debug_assertions) {
            "for tests, not for speed: no measure of it"
        } else {
            "for speed"
        },
        args.connections,
        list(args.windows.iter().map(ToString::to_string).collect()),
        list(args.rate.iter().map(ToString::to_string).collect()),
        args.seconds,
        args.qos,
        args.threads,
    );
    page.push_str(WHAT);
    page.push_str(TABLE_HEAD);
    for run in runs {
        let million = run.load.messages as f64 / 1e6;
        let (server, load) = (run.server_cpu_s / million, run.load.cpu_s / million);
        let offered = if run.rate == 0 { "–".to_owned() } else { grouped(run.rate as f64) };
        let _ = writeln!(
            page,
            "| {} | {offered} | **{}** | {:.1} / {:.1} / {:.1} | {server:.2} + {load:.2} | {} | {:.2} | {:.0} | {} | {:.0} | {:.1} | {} |",
            run.window,
            grouped(run.load.messages as f64 / run.load.seconds),
            run.load.p50_ms,
            run.load.p99_ms,
            run.load.max_ms,
            grouped(2e6 / (server + load)),
            run.busy_elsewhere,
            run.commits,
            grouped(run.bytes_a_connection),
            run.server_peak_mb,
            run.load.connect_s,
            grouped(run.handles as f64),
        );
    }
    page
}

const WHAT: &str = "\
What is measured: one server process and one load process share the machine. Every device has a
connection of its own (MQTT 3.1.1) and sends one reading a message at QoS 1,
`chengmai/v1/DEVICE/KIND` with `{\"value\":…,\"time\":…}`: the shape in which ThingsBoard and others publish
their numbers. It sends the next message when the one before is acknowledged; a window of 4 means that
four may be unacknowledged. The server acknowledges a message only after `fdatasync` of its reading, keeps
the latest values, rolls up five tiers once a second, evaluates the built-in packs' rules, raises warnings
and writes Parquet. Devices and values are those of [the ingest benchmark](ingest.md), which sends the same
readings in bodies of 10,000 lines: look at both numbers together.

All connections are opened at once; `connected in` is the time until the last was welcome. `Bytes a
connection` is the growth of the server's resident memory by idle connections (the kernel's socket memory
is not in it). `Two cores alone` is what two cores could do at the CPU time measured, if nothing else ran:
2 / (server + load); `cores busy elsewhere` says how much else did run, also of the kernel's own work.

For comparison, as its documentation gives them and not measured by us: ThingsBoard takes about 1,020 such
messages a second on 2 vCPUs with PostgreSQL, 3,500 on 4 vCPUs with Cassandra; 15,000 to 30,000 are
published for a large node.

";

const TABLE_HEAD: &str = "\
| window | offered/s | messages/s | sent to PUBACK, ms: p50 / p99 / max | CPU s per million: server + load | two cores alone, messages/s | cores busy elsewhere | commits/s | bytes a connection | server peak MB | connected in, s | file handles |
|---|---|---|---|---|---|---|---|---|---|---|---|
";
