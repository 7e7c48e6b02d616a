//! The MQTT load process: one connection a device, QoS 1, one JSON reading a message, sent again as
//! soon as the one before is acknowledged. It does as little as it can, for it shares the machine
//! with the server it measures: one poll a thread, packets made ready before, only packet id and time
//! put in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::load::MEASURING;
use crate::{machine, workload};

mod fleet;
mod histogram;

use fleet::Fleet;
use histogram::Histogram;

/// What to send where.
#[derive(Debug, Clone, clap::Args)]
pub struct MqttLoadArgs {
    /// Address of the MQTT listener
    #[arg(long, value_name = "ADDR")]
    pub mqtt: SocketAddr,
    /// Token of an account that may send readings; the password of every connection
    #[arg(long, env = "CHENGMAI_TOKEN", hide_env_values = true)]
    pub token: String,
    /// Connections, one a device
    #[arg(long, default_value_t = 20_000)]
    pub connections: u32,
    /// Messages that a device sends before it waits for an acknowledgement
    #[arg(long, default_value_t = 1)]
    pub window: u16,
    /// Messages a second of all devices together; 0 sends as fast as they are acknowledged
    #[arg(long, default_value_t = 0)]
    pub rate: u64,
    /// Threads
    #[arg(long, default_value_t = 1)]
    pub threads: u32,
    /// How long to measure, after two seconds of load
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MqttLoadReport {
    /// Messages acknowledged as on disk.
    pub messages: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// From the message sent to its acknowledgement read, in milliseconds.
    pub p50_ms: f64,
    /// The same for the slowest hundredth.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// CPU time of the load process meanwhile.
    pub cpu_s: f64,
    /// How long it took until all, who came at once, were connected and welcome, in seconds.
    pub connect_s: f64,
    /// Connections that the server closed.
    pub lost: u64,
}

/// Said on standard output when all are connected and nothing has been sent.
pub const CONNECTED: &str = "connected";
/// How long nobody sends after that, so that a parent can look at the server's memory.
const CALM: Duration = Duration::from_secs(2);
/// Load before measuring begins.
const WARM_UP: Duration = Duration::from_secs(2);

/// What all threads look at once a turn.
#[derive(Debug, Default)]
struct Signals {
    measuring: AtomicBool,
    over: AtomicBool,
}

/// What one thread saw.
struct Seen {
    times: Histogram,
    lost: u64,
}

/// Runs the load; says when it is connected and when it begins to count.
///
/// # Errors
/// When the server cannot be reached or does not let a connection in.
pub fn run(args: &MqttLoadArgs, say: &(dyn Fn(&str) + Sync)) -> Result<MqttLoadReport> {
    machine::raise_handles(u64::from(args.connections) + 64)?;
    ensure!(args.window > 0 && args.threads > 0 && args.connections >= args.threads, "too few");
    let messages = workload::messages(args.connections);
    let (barrier, signals) = (Barrier::new(args.threads as usize + 1), Signals::default());
    let began = Instant::now();
    let (seen, connect_s, span, cpu_s) = std::thread::scope(|threads| -> Result<_> {
        let workers: Vec<_> = (0..args.threads)
            .map(|number| {
                let (barrier, signals, messages) = (&barrier, &signals, &messages);
                threads.spawn(move || drive(args, number, messages, barrier, signals))
            })
            .collect();
        barrier.wait();
        let connect_s = began.elapsed().as_secs_f64();
        say(CONNECTED);
        std::thread::park_timeout(CALM);
        barrier.wait();
        std::thread::park_timeout(WARM_UP);
        let (since, cpu) = (Instant::now(), machine::cpu_seconds(std::process::id())?);
        signals.measuring.store(true, Ordering::Relaxed);
        say(MEASURING);
        std::thread::park_timeout(Duration::from_secs(args.seconds));
        signals.measuring.store(false, Ordering::Relaxed);
        let span = since.elapsed().as_secs_f64();
        let cpu_s = machine::cpu_seconds(std::process::id())? - cpu;
        signals.over.store(true, Ordering::Relaxed);
        let mut all = Seen { times: Histogram::new(), lost: 0 };
        for worker in workers {
            let Ok(seen) = worker.join() else { bail!("a thread ended") };
            let seen = seen?;
            all.times.add(&seen.times);
            all.lost += seen.lost;
        }
        Ok((all, connect_s, span, cpu_s))
    })?;
    ensure!(seen.times.count() > 0, "nothing was acknowledged");
    Ok(MqttLoadReport {
        messages: seen.times.count(),
        seconds: span,
        p50_ms: seen.times.percentile_ms(0.50),
        p99_ms: seen.times.percentile_ms(0.99),
        max_ms: seen.times.percentile_ms(1.0),
        cpu_s,
        connect_s,
        lost: seen.lost,
    })
}

/// One thread: connects its share, waits for the others, then sends until it is over.
fn drive(
    args: &MqttLoadArgs,
    number: u32,
    messages: &[workload::Messages],
    barrier: &Barrier,
    signals: &Signals,
) -> Result<Seen> {
    let share = messages.iter().skip(number as usize).step_by(args.threads as usize);
    let connected = Fleet::connect(args.mqtt, &args.token, args.window, share);
    barrier.wait();
    barrier.wait();
    let mut fleet = connected?;
    let mut times = Histogram::new();
    let mut idle: VecDeque<(u32, u16)> = VecDeque::new();
    let began = Instant::now();
    let mut sent = 0_u64;
    let rate = args.rate as f64 / f64::from(args.threads);
    if args.rate > 0 {
        idle = fleet.everybody();
    } else {
        fleet.send_first()?;
    }
    while !signals.over.load(Ordering::Relaxed) {
        let measuring = signals.measuring.load(Ordering::Relaxed);
        if args.rate == 0 {
            fleet.turn(measuring.then_some(&mut times), None)?;
            continue;
        }
        fleet.turn(measuring.then_some(&mut times), Some(&mut idle))?;
        while (sent as f64) < began.elapsed().as_secs_f64() * rate {
            let Some((place, slot)) = idle.pop_front() else { break };
            fleet.send_one(place, slot)?;
            sent += 1;
        }
    }
    Ok(Seen { times, lost: fleet.lost() })
}
