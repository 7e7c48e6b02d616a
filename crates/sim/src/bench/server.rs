//! The server that is measured: a process of its own in a new data folder, which goes when it is
//! dropped.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use super::pack;
use crate::client::Client;
use crate::workload;

const PASSWORD: &str = "only-for-the-benchmark";

/// What a server is started with beyond the usual.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How late readings may be, in minutes.
    pub(super) lateness_min: u32,
    /// Seconds between two snapshots.
    pub(super) snapshot_s: u32,
    /// Whether it listens for MQTT.
    pub(super) mqtt: bool,
}

impl Default for Limits {
    /// As the program has them.
    fn default() -> Self {
        Self { lateness_min: 15, snapshot_s: 300, mqtt: false }
    }
}

/// Stops its process when dropped, whatever happens.
#[derive(Debug)]
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with the areas of the workload, and somebody who may do everything.
#[derive(Debug)]
pub(super) struct Server {
    process: Running,
    address: SocketAddr,
    client: Client,
    token: String,
    limits: Limits,
    folder: TempDir,
}

impl Server {
    /// A new city below `folder`.
    pub(super) fn start(folder: &Path, limits: Limits) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(folder)?;
        import_areas(folder.path())?;
        pack::write(&packs(folder.path()))?;
        let (process, address) = open(folder.path(), limits)?;
        let client = Client::new(&format!("http://{address}"));
        ensure!(client.is_ready(), "the server is open but not ready");
        let token = client.token("admin", PASSWORD)?;
        Ok(Self { process, address, client, token, limits, folder })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// A number that the server counts, by the name it has in `/metrics`.
    pub(super) fn metric(&self, name: &str) -> Result<f64> {
        let text = self.client.get_text("/metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {name}"))?.trim().parse()?)
    }

    /// Waits until a metric is at least that much.
    pub(super) fn wait_for(&self, name: &str, least: f64, patience: Duration) -> Result<()> {
        let began = Instant::now();
        while self.metric(name)? < least {
            ensure!(began.elapsed() < patience, "{name} stays below {least}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Bytes of a folder of its data, with all below it.
    pub(super) fn bytes_of(&self, part: &str) -> Result<u64> {
        folder_bytes(&data(self.folder.path()).join(part))
    }

    /// Kills it as the power would, starts it again in the same folder; how long until it answers.
    pub(super) fn kill_and_start(&mut self) -> Result<Duration> {
        // Nothing is left to do when it is gone already.
        let _ = self.process.0.kill();
        self.process.0.wait()?;
        let began = Instant::now();
        let (process, address) = open(self.folder.path(), self.limits)?;
        self.process = process;
        self.address = address;
        self.client = Client::new(&format!("http://{address}"));
        let (status, answer) =
            self.client.get("/api/v1/latest?kind=methane&limit=1", &self.token)?;
        ensure!(status == 200, "status {status}: {answer}");
        Ok(began.elapsed())
    }
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { folder_bytes(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

fn data(folder: &Path) -> PathBuf {
    folder.join("city")
}

fn packs(folder: &Path) -> PathBuf {
    folder.join("packs")
}

/// The program to measure.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CHENGMAI_BIN") {
        return Ok(path.into());
    }
    let beside = std::env::current_exe()?.with_file_name("chengmai");
    ensure!(beside.exists(), "{} is not there; set CHENGMAI_BIN", beside.display());
    Ok(beside)
}

fn import_areas(folder: &Path) -> Result<()> {
    let file = folder.join("areas.csv");
    std::fs::write(&file, workload::area_file())?;
    let output = Command::new(program()?)
        .args(["import", "areas"])
        .arg(&file)
        .arg("--data")
        .arg(data(folder))
        .output()?;
    if !output.status.success() {
        bail!("importing areas: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Opens the city of a folder on a free port; returns when it says where it is open.
fn open(folder: &Path, limits: Limits) -> Result<(Running, SocketAddr)> {
    let mqtt = if limits.mqtt { "127.0.0.1:0" } else { "off" };
    let child = Command::new(program()?)
        .args(["serve", "--http", "127.0.0.1:0", "--mqtt", mqtt, "--register-unknown"])
        .args(["--lateness", &format!("{}m", limits.lateness_min)])
        .args(["--snapshot-seconds", &limits.snapshot_s.to_string()])
        .arg("--packs")
        .arg(packs(folder))
        .arg("--data")
        .arg(data(folder))
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
