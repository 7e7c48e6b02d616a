//! The benchmark of a whole city: steady load at three sizes, the peers' own file and questions with
//! the peers beside us in the same run, memory, snapshots and a start after a kill. It writes one
//! page; it invents no number and keeps no old one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::harness::{self, Asked, Expected};
use super::server::{Limits, Server};
use super::{Run, Setup, city_page, measure, page, write_page};
use crate::load::{Format, LoadReport};
use crate::{machine, say};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct CityArgs {
    /// Numbers of devices under steady load, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000,22000000")]
    pub(super) devices: Vec<u64>,
    /// How long to measure each
    #[arg(long, default_value_t = 20)]
    pub(super) seconds: u64,
    /// Readings in one request
    #[arg(long, default_value_t = 10_000)]
    pub(super) lines: u64,
    /// Connections of the load process
    #[arg(long, default_value_t = 4)]
    pub(super) connections: usize,
    /// Folder for the servers' data, on the disk to be measured; emptied afterwards
    #[arg(long, default_value = "data", value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// Folder with the peers' harness; left out where it is absent
    #[arg(long, default_value = "../shared/bench/peers", value_name = "DIR")]
    pub(super) peers: PathBuf,
    /// Peers to run beside us, by the harness's names
    #[arg(long, default_value = "victoriametrics,postgres-btree,chdb-views,duckdb")]
    pub(super) beside: String,
    /// Numbers of devices of the harness's file of ten million readings; none to leave it out
    #[arg(long, value_delimiter = ',', default_value = "100000")]
    pub(super) harness: Vec<u64>,
    /// Where the harness keeps its downloads and files
    #[arg(long, default_value = "data/peers", value_name = "DIR")]
    pub(super) work: PathBuf,
    /// Page to write
    #[arg(long, default_value = "docs/benchmarks/city.md", value_name = "FILE")]
    pub(super) page: PathBuf,
}

/// The largest city, after its load.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) devices: u64,
    /// Resident memory beyond that of the empty server.
    pub(super) bytes_a_device: f64,
    /// Longest time that marking a snapshot held up the engine, under load.
    pub(super) pause_ms: f64,
    /// From the start of the process after a kill to the first answer.
    pub(super) start_s: f64,
    /// Bytes of the snapshot it started from, and of the one before.
    pub(super) snapshot_mb: f64,
}

/// The harness's file, sent to us, and its questions.
#[derive(Debug)]
pub(super) struct File {
    pub(super) devices: u64,
    pub(super) load: LoadReport,
    pub(super) server_cpu_s: f64,
    pub(super) server_peak_mb: f64,
    /// From the first byte sent until all is rolled up.
    pub(super) caught_up_s: f64,
    pub(super) history_bytes: u64,
    pub(super) asked: Vec<Asked>,
    /// What the harness printed of the peers, in the same run.
    pub(super) peers: Vec<Value>,
}

/// Measures all and writes the page.
///
/// # Errors
/// When a server or the harness fails, or an answer is wrong.
pub fn city(args: &CityArgs) -> Result<()> {
    let (mut runs, mut whole, mut files) = (Vec::new(), None, Vec::new());
    let largest = args.devices.iter().max().copied();
    for &devices in &args.devices {
        for format in [Format::Lines, Format::Columns] {
            if format == Format::Columns && devices > 1_000_000 {
                continue;
            }
            say(&format!("{devices} devices, {format:?} …"));
            let (run, server) = measure(&setup(args, devices, format))?;
            say(&page::line(&run));
            if Some(devices) == largest && format == Format::Lines {
                whole = Some(look_at_whole(&run, server)?);
            }
            runs.push(run);
        }
    }
    for &devices in &args.harness {
        if args.peers.join("run.sh").exists() {
            files.push(whole_file(args, devices)?);
        } else {
            say("the peers' harness is not there: its file and the peers are left out");
        }
    }
    let text = city_page::render(args, &runs, whole.as_ref(), &files);
    write_page(&args.page, &text)
}

fn setup(args: &CityArgs, devices: u64, format: Format) -> Setup<'_> {
    Setup {
        folder: &args.folder,
        devices,
        // A round of a very large city alone takes seconds.
        seconds: args.seconds.max(devices / 500_000),
        lines: args.lines,
        connections: args.connections,
        format,
        limits: Limits { snapshot_s: 15, ..Limits::default() },
        rate: None,
    }
}

fn look_at_whole(run: &Run, mut server: Server) -> Result<Whole> {
    // Of two more at least one began after the load: what that left in buffers is in files by then.
    let taken = server.metric("chengmai_snapshots_total")?;
    server.wait_for("chengmai_snapshots_total", taken + 2.0, Duration::from_mins(3))?;
    // Reading: what the devices cost, without buffers that only live under load.
    std::thread::park_timeout(Duration::from_secs(5));
    let memory_mb = machine::resident_bytes(server.pid())? / 1e6;
    let pause_ms = server.metric("chengmai_snapshot_pause_seconds")? * 1_000.0;
    let snapshot_mb = server.bytes_of("snapshots")? as f64 / 1e6;
    let start_s = server.kill_and_start()?.as_secs_f64();
    let bytes_a_device = (memory_mb - run.idle_mb) * 1e6 / run.devices as f64;
    let whole = Whole { devices: run.devices, bytes_a_device, pause_ms, start_s, snapshot_mb };
    say(&format!("{whole:?}"));
    Ok(whole)
}

/// The harness makes its file and runs the peers; then the same file comes to us.
fn whole_file(args: &CityArgs, devices: u64) -> Result<File> {
    say(&format!("the harness: {devices} devices, ten million readings, {} …", args.beside));
    let results = args.work.join(format!("results-{devices}.jsonl"));
    std::fs::create_dir_all(&args.work)?;
    let status = Command::new(args.peers.join("run.sh"))
        .args(["--devices", &devices.to_string(), "--obs", "10000000", "--keep"])
        .args(["--only", &args.beside])
        .arg("--work")
        .arg(&args.work)
        .arg("--out")
        .arg(&results)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "the harness ended with {status}");
    let lines = std::fs::read_to_string(&results)?;
    let peers = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let file = send_file(args, &args.work.join(format!("data-{devices}")), peers)?;
    say(&format!("{file:?}"));
    Ok(file)
}

fn send_file(args: &CityArgs, data: &Path, peers: Vec<Value>) -> Result<File> {
    let expected = Expected::read(data)?;
    // The file is hours long and comes in seconds: its first windows must still be open.
    let limits = Limits { lateness_min: 6 * 60, ..Limits::default() };
    let server = Server::start(&args.folder, limits)?;
    let cpu = machine::cpu_seconds(server.pid())?;
    let output = Command::new(std::env::current_exe()?)
        .args(["load", "--http", &server.address().to_string(), "--files"])
        .arg(data)
        .args(["--lines", &args.lines.to_string()])
        .args(["--connections", &args.connections.to_string()])
        .env("CHENGMAI_TOKEN", server.token())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the load process ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let report = text.lines().last().context("the load process said nothing")?;
    let load: LoadReport = serde_json::from_str(report)?;
    let waited = std::time::Instant::now();
    ensure!(load.readings + load.refused == expected.obs, "sent {load:?}");
    let all = load.readings as f64;
    server.wait_for("chengmai_readings_applied_total", all, Duration::from_mins(2))?;
    let caught_up_s = load.seconds + waited.elapsed().as_secs_f64();
    let server_cpu_s = machine::cpu_seconds(server.pid())? - cpu;
    // Vital signs are as of the last tick.
    std::thread::park_timeout(Duration::from_secs(2));
    let shift_ms = load.shift_ms.context("the load process did not say how far it moved time")?;
    let asked = harness::ask(server.client(), server.token(), &expected, shift_ms)?;
    Ok(File {
        devices: expected.devices,
        load,
        server_cpu_s,
        server_peak_mb: machine::peak_memory_mb(server.pid())?,
        caught_up_s,
        history_bytes: server.bytes_of("history")?,
        asked,
        peers,
    })
}
