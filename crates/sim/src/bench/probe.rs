//! From a reading to its warning on the live stream: the lid of a fresh manhole is reported open
//! twice, and the time runs from the second report sent until the event `warning` about it has been
//! read. No device of the load measures lids, so no other warning stands in the way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::machine::percentile;
use crate::workload::grids;

/// How long a warning is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two probes.
const EVERY: Duration = Duration::from_millis(50);

/// What the probes saw.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) seen: usize,
    pub(super) missed: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Probes one after the other for that long, each in a grid of its own.
pub(super) fn run(
    address: SocketAddr,
    client: &Client,
    token: &str,
    span: Duration,
) -> Result<Outcome> {
    let began = Instant::now();
    let mut grids = grids().zip(0_u32..);
    let mut events = listen(address, token)?;
    let mut times = Vec::new();
    let mut missed = 0;
    while began.elapsed() + PATIENCE / 5 < span {
        let Some((grid, number)) = grids.next() else { break };
        let device = format!("probe-{number:06}");
        let now = now_ms();
        let line = |ms: i64| format!("manhole_tilt,device={device},area={grid} value=80 {ms}\n");
        write(client, token, &line(now - 60_000))?;
        let sent = Instant::now();
        write(client, token, &line(now))?;
        if wait_for(&mut events, &device, sent + PATIENCE)? {
            times.push(sent.elapsed());
        } else {
            missed += 1;
        }
        std::thread::park_timeout((sent + EVERY).saturating_duration_since(Instant::now()));
    }
    ensure!(!times.is_empty(), "no warning came of {missed} probes");
    times.sort_unstable();
    let ms = |share: f64| percentile(&times, share).as_secs_f64() * 1_000.0;
    Ok(Outcome { seen: times.len(), missed, p50_ms: ms(0.50), p99_ms: ms(0.99) })
}

fn write(client: &Client, token: &str, line: &str) -> Result<()> {
    let (status, answer) = client.post_text("/api/v2/write?precision=ms", token, line)?;
    ensure!(status == 204, "probe: status {status}: {}", answer["message"]);
    Ok(())
}

/// The live stream, read as text: its lines are short and chunk marks fall between them.
fn listen(address: SocketAddr, token: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    // A tick comes every second; silence for longer than this is a missed warning.
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Accept: text/event-stream\r\n\r\n"
    )?;
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    ensure!(status.contains(" 200 "), "the live stream answers {status}");
    Ok(reader)
}

fn wait_for(events: &mut BufReader<TcpStream>, device: &str, until: Instant) -> Result<bool> {
    let needle = format!("\"id\":\"{device}\"");
    let mut line = Vec::new();
    while Instant::now() < until {
        line.clear();
        ensure!(events.read_until(b'\n', &mut line)? > 0, "the live stream ended");
        if line.starts_with(b"data:") && String::from_utf8_lossy(&line).contains(&needle) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
