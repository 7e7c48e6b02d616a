//! The ingest benchmark: a server, a load process beside it, and a probe that measures how long a
//! dangerous reading takes to become a warning on the live stream. What it prints it also writes to
//! a page with date and machine; it invents no number and keeps no old one.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::client::Client;
use crate::load::{LoadReport, MEASURING};
use crate::{machine, say, workload};

pub mod mqtt;
mod page;
mod probe;

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
    load: LoadReport,
    server_cpu_s: f64,
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
        let run = measure(args, devices)?;
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

/// The program to measure.
fn server_program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CHENGMAI_BIN") {
        return Ok(path.into());
    }
    let beside = std::env::current_exe()?.with_file_name("chengmai");
    ensure!(beside.exists(), "{} is not there; set CHENGMAI_BIN", beside.display());
    Ok(beside)
}

/// Stops its process when dropped, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(args: &IngestArgs, devices: u64) -> Result<Run> {
    std::fs::create_dir_all(&args.folder)?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(&args.folder)?;
    let data = folder.path().join("city");
    import_areas(folder.path(), &data)?;
    let (server, address) = start_server(&data, "off")?;
    let client = Client::new(&format!("http://{address}"));
    ensure!(client.is_ready(), "the server is open but not ready");
    let token = client.token("admin", PASSWORD)?;
    let loader = Command::new(std::env::current_exe()?)
        .args(["load", "--http", &address.to_string()])
        .args(["--devices", &devices.to_string(), "--lines", &args.lines.to_string()])
        .args(["--connections", &args.connections.to_string()])
        .args(["--seconds", &args.seconds.to_string()])
        .env("CHENGMAI_TOKEN", &token)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut loader = Running(loader);
    let pid = server.0.id();
    let mut lines = BufReader::new(loader.0.stdout.take().context("a pipe")?).lines();
    ensure!(
        lines.next().transpose()?.as_deref() == Some(MEASURING),
        "the load process ended early"
    );
    let (cpu, busy) = (machine::cpu_seconds(pid)?, machine::busy_seconds()?);
    let span = Duration::from_secs(args.seconds);
    let probe = probe::run(address, &client, &token, devices, span)?;
    let report = lines.next().transpose()?.context("the load process said nothing")?;
    let load: LoadReport = serde_json::from_str(&report)?;
    let server_cpu_s = machine::cpu_seconds(pid)? - cpu;
    let ours = server_cpu_s + load.cpu_s;
    let busy_elsewhere = ((machine::busy_seconds()? - busy - ours) / load.seconds).max(0.0);
    let server_peak_mb = machine::peak_memory_mb(pid)?;
    check_metrics(&client, &token, &load)?;
    Ok(Run { devices, load, server_cpu_s, server_peak_mb, busy_elsewhere, probe })
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

const PASSWORD: &str = "only-for-the-benchmark";

fn import_areas(folder: &Path, data: &Path) -> Result<()> {
    let file = folder.join("areas.csv");
    std::fs::write(&file, workload::area_file())?;
    let output = Command::new(server_program()?)
        .args(["import", "areas"])
        .arg(&file)
        .arg("--data")
        .arg(data)
        .output()?;
    if !output.status.success() {
        bail!("importing areas: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Starts a server on a free port; returns when it says where it is open.
fn start_server(data: &Path, mqtt: &str) -> Result<(Running, SocketAddr)> {
    let child = Command::new(server_program()?)
        .args(["serve", "--http", "127.0.0.1:0", "--mqtt", mqtt, "--register-unknown", "--data"])
        .arg(data)
        .env("CHENGMAI_ADMIN_PASSWORD", PASSWORD)
        .env("CHENGMAI_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the server")?;
    let mut server = Running(child);
    let mut lines = BufReader::new(server.0.stdout.take().context("a pipe")?).lines();
    for line in &mut lines {
        let line = line?;
        if let Some((_, address)) = line.split_once("open on http://") {
            let address = address.trim().parse().with_context(|| format!("address in: {line}"))?;
            // Its later words are read so that it never waits for us.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok((server, address));
        }
    }
    bail!("the server ended before it was open")
}
