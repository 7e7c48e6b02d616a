//! The load process: sends ready-made requests over a few kept connections, one at a time on each,
//! and measures from the first byte sent to the acknowledgement. It does as little as it can, for it
//! shares the machine with the server it measures.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::bench::harness;
use crate::client::Client;
use crate::machine;
use crate::workload::{Plan, Request, column_requests, file_requests, requests, stream_name};

/// The windows that the harness asks about.
const WINDOW_MS: i64 = 5 * chengmai_model::time::MINUTE_MS;
/// Streams whose numbers are asked for in one request.
const NUMBERED_AT_ONCE: usize = 50_000;

/// What to send where.
#[derive(Debug, Clone, clap::Args)]
pub struct LoadArgs {
    /// Address of the server
    #[arg(long, value_name = "ADDR")]
    pub http: SocketAddr,
    /// Bearer token of an account that may send readings
    #[arg(long, env = "CHENGMAI_TOKEN", hide_env_values = true)]
    pub token: String,
    /// How many devices report
    #[arg(long, default_value_t = 100_000)]
    pub devices: u64,
    /// Readings in one request
    #[arg(long, default_value_t = 10_000)]
    pub lines: u64,
    /// Connections
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// What to send: lines of the line protocol, or columns of numbers as gateways may
    #[arg(long, value_enum, default_value_t = Format::Lines)]
    pub format: Format,
    /// Send each of these files of line protocol once (DIR/lp/*, as the peers' harness writes them),
    /// moved in time so that the last line lies within the last five minutes
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// How long to measure, after every device has been registered and two seconds of load
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Readings a second at most, of all connections together; as many as go without it
    #[arg(long)]
    pub rate: Option<u64>,
}

/// How readings travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Line protocol
    Lines,
    /// `POST /api/v1/gateway/readings`
    Columns,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadReport {
    /// Readings acknowledged as on disk.
    pub readings: u64,
    /// Requests answered 204.
    pub requests: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// From the first byte sent to the acknowledgement read, in milliseconds.
    pub p50_ms: f64,
    /// The same for the slowest hundredth.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// CPU time of the load process meanwhile.
    pub cpu_s: f64,
    /// Requests whose answer was not 204; of files, readings that were refused.
    pub refused: u64,
    /// How far files were moved in time, in milliseconds.
    pub shift_ms: Option<i64>,
}

/// Said on standard output when measuring begins, so that a parent can look at the server's clock.
pub const MEASURING: &str = "measuring";

#[derive(Default)]
struct Counted {
    readings: AtomicU64,
    refused: AtomicU64,
    times: Mutex<Vec<Duration>>,
}

/// Runs the load; calls `measuring` when it begins to count.
///
/// # Errors
/// When the server cannot be reached, closes a connection, or refuses a request while warming up.
pub fn run(args: &LoadArgs, measuring: &(dyn Fn() + Sync)) -> Result<LoadReport> {
    if let Some(folder) = &args.files {
        return send_files(args, folder, measuring);
    }
    let plan = Plan {
        devices: args.devices,
        lines: args.lines.min(args.devices).max(1),
        host: args.http.to_string(),
        token: args.token.clone(),
    };
    let all = match args.format {
        Format::Lines => requests(&plan),
        Format::Columns => column_requests(&plan, &number_streams(args, &plan)?),
    };
    let per_round = usize::try_from(plan.devices.div_ceil(plan.lines)).unwrap_or(1);
    let connections = args.connections.clamp(1, per_round);
    let mut shares: Vec<Vec<Request>> = (0..connections).map(|_| Vec::new()).collect();
    for (index, request) in all.into_iter().enumerate() {
        shares[index % per_round % connections].push(request);
    }
    let counted = Counted::default();
    let warm = Barrier::new(connections + 1);
    let began = Mutex::new((Instant::now(), 0.0));
    let outcome = std::thread::scope(|threads| {
        let workers: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let (warm, counted) = (&warm, &counted);
                let span =
                    Span { seconds: args.seconds, pace: pace(args, plan.lines, connections) };
                threads.spawn(move || connection(args.http, share, &span, warm, counted))
            })
            .collect();
        warm.wait();
        *began.lock().unwrap_or_else(PoisonError::into_inner) =
            (Instant::now(), machine::cpu_seconds(std::process::id()).unwrap_or(0.0));
        measuring();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a thread ended")))
    });
    outcome?;
    let (since, cpu) = *began.lock().unwrap_or_else(PoisonError::into_inner);
    report(&counted, since.elapsed().as_secs_f64(), cpu)
}

/// Every line of the files once, in their order, over all connections.
fn send_files(
    args: &LoadArgs,
    folder: &std::path::Path,
    measuring: &(dyn Fn() + Sync),
) -> Result<LoadReport> {
    let files = harness::files(folder)?;
    let last = files.last().context("no file")?;
    // By whole windows, so that the generator's five minutes are five minutes of ours.
    let shift_ms = (now_ms() - harness::last_ms(last)?).div_euclid(WINDOW_MS) * WINDOW_MS;
    let plan = Plan {
        devices: 0,
        lines: args.lines.max(1),
        host: args.http.to_string(),
        token: args.token.clone(),
    };
    let mut all = Vec::new();
    for file in &files {
        let text = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        all.append(&mut file_requests(&plan, &text, shift_ms)?);
    }
    let next = AtomicUsize::new(0);
    let counted = Counted::default();
    measuring();
    let (began, cpu) = (Instant::now(), machine::cpu_seconds(std::process::id())?);
    std::thread::scope(|threads| {
        let workers: Vec<_> = (0..args.connections.max(1))
            .map(|_| threads.spawn(|| send_share(args.http, &all, &next, &counted)))
            .collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a thread ended")))
    })?;
    let report = report(&counted, began.elapsed().as_secs_f64(), cpu)?;
    Ok(LoadReport { shift_ms: Some(shift_ms), ..report })
}

/// One connection that takes the next request until there is none.
fn send_share(
    address: SocketAddr,
    all: &[Request],
    next: &AtomicUsize,
    counted: &Counted,
) -> Result<()> {
    let mut line = Line::open(address)?;
    let mut times = Vec::new();
    while let Some(request) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
        let begun = Instant::now();
        let status = line.exchange(request.bytes())?;
        // The file holds a few values that no such sensor can have: they are refused by name.
        let refused = if status == 400 { refused_of(&line.body()) } else { Some(0) };
        let refused = refused.filter(|_| status == 204 || status == 400);
        let refused = refused.with_context(|| format!("status {status}: {}", line.body()))?;
        times.push(begun.elapsed());
        counted.readings.fetch_add(request.readings() - refused, Ordering::Relaxed);
        counted.refused.fetch_add(refused, Ordering::Relaxed);
    }
    counted.times.lock().unwrap_or_else(PoisonError::into_inner).append(&mut times);
    Ok(())
}

/// How many readings an answer refuses; all others of its body are on disk.
fn refused_of(answer: &str) -> Option<u64> {
    let (_, rest) = answer.split_once("\"refused_total\":")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Registers every device and asks for the numbers of their streams.
fn number_streams(args: &LoadArgs, plan: &Plan) -> Result<Vec<u32>> {
    let client = Client::new(&format!("http://{}", args.http));
    let mut numbers = Vec::new();
    for first in (0..plan.devices).step_by(NUMBERED_AT_ONCE) {
        let last = (first + NUMBERED_AT_ONCE as u64).min(plan.devices);
        let streams: Vec<_> = (first..last).map(stream_name).collect();
        let body = serde_json::json!({ "streams": streams });
        let (status, answer) = client.post("/api/v1/gateway/streams", &args.token, &body)?;
        anyhow::ensure!(status == 200, "status {status}: {answer}");
        let found = answer["numbers"].as_array().context("numbers")?;
        for number in found {
            let number = number.as_u64().and_then(|n| u32::try_from(n).ok());
            numbers.push(number.with_context(|| format!("refused: {}", answer["refused"]))?);
        }
    }
    Ok(numbers)
}

fn report(counted: &Counted, seconds: f64, cpu_before: f64) -> Result<LoadReport> {
    let mut times = counted.times.lock().unwrap_or_else(PoisonError::into_inner).clone();
    times.sort_unstable();
    anyhow::ensure!(!times.is_empty(), "nothing was acknowledged");
    let at = |share: f64| machine::percentile(&times, share).as_secs_f64() * 1_000.0;
    Ok(LoadReport {
        readings: counted.readings.load(Ordering::Relaxed),
        requests: times.len() as u64,
        seconds,
        p50_ms: at(0.50),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        cpu_s: machine::cpu_seconds(std::process::id())? - cpu_before,
        refused: counted.refused.load(Ordering::Relaxed),
        shift_ms: None,
    })
}

/// How long a connection sends, and how long it takes at least from one request to the next.
struct Span {
    seconds: u64,
    pace: Duration,
}

fn pace(args: &LoadArgs, lines: u64, connections: usize) -> Duration {
    let share = |rate: u64| lines as f64 * connections as f64 / rate.max(1) as f64;
    args.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(share(rate)))
}

/// One connection: warms up, waits for the others, then sends until the time is over.
fn connection(
    address: SocketAddr,
    mut share: Vec<Request>,
    span: &Span,
    warm: &Barrier,
    counted: &Counted,
) -> Result<()> {
    let mut line = Line::open(address);
    let warmed = line.as_mut().map_or(Ok(()), |line| warm_up(line, &mut share));
    warm.wait();
    let mut line = line?;
    warmed?;
    let mut times = Vec::new();
    let (mut readings, mut refused) = (0, 0);
    let until = Instant::now() + Duration::from_secs(span.seconds);
    let mut due = Instant::now();
    for next in (0..share.len()).cycle() {
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        due += span.pace;
        let begun = Instant::now();
        if begun >= until {
            break;
        }
        if line.exchange(share[next].at(now_ms()))? == 204 {
            times.push(begun.elapsed());
            readings += share[next].readings();
        } else {
            refused += 1;
        }
    }
    counted.readings.fetch_add(readings, Ordering::Relaxed);
    counted.refused.fetch_add(refused, Ordering::Relaxed);
    counted.times.lock().unwrap_or_else(PoisonError::into_inner).append(&mut times);
    Ok(())
}

/// Every request once, which registers every device, and at least two seconds in all.
fn warm_up(line: &mut Line, share: &mut [Request]) -> Result<()> {
    let mut registered = 0;
    let mut until = Instant::now();
    for next in (0..share.len()).cycle() {
        if registered < share.len() {
            registered += 1;
            until = Instant::now() + Duration::from_secs(2);
        } else if Instant::now() >= until {
            break;
        }
        let mut status = line.exchange(share[next].at(now_ms()))?;
        while status == 429 {
            // Told to come back: it does at once, as a sender without manners would.
            status = line.exchange(share[next].at(now_ms()))?;
        }
        anyhow::ensure!(status == 204, "status {status}: {}", line.body());
    }
    Ok(())
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A kept connection.
struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
    body_at: usize,
}

impl Line {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(2)))?;
        Ok(Self { stream, answer: Vec::with_capacity(4_096), body_at: 0 })
    }

    /// Sends a request and reads the whole answer; its status.
    fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let mut chunk = [0; 4_096];
        loop {
            let n = self.stream.read(&mut chunk)?;
            anyhow::ensure!(n > 0, "the server closed the connection");
            self.answer.extend_from_slice(&chunk[..n]);
            let Some(head_end) = find(&self.answer, b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.answer[..head_end]).to_ascii_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
            let length: usize = length.map_or(Ok(0), |text| text.trim().parse())?;
            self.body_at = head_end + 4;
            while self.answer.len() < self.body_at + length {
                let n = self.stream.read(&mut chunk)?;
                anyhow::ensure!(n > 0, "the server closed the connection");
                self.answer.extend_from_slice(&chunk[..n]);
            }
            let status = head.split_ascii_whitespace().nth(1).unwrap_or_default();
            return status.parse().with_context(|| format!("answer {head}"));
        }
    }

    fn body(&self) -> String {
        String::from_utf8_lossy(&self.answer[self.body_at..]).chars().take(500).collect()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
