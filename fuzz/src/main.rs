//! Runs the targets: a set number of inputs each (always the same), or for a time. What stops a
//! decoder is kept in the corpus, so that the replay in the tests fails until it is mended.
#![expect(clippy::print_stdout, reason = "a developer's tool speaks on the terminal")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use chengmai_fuzz::{Run, TARGETS, Target};
use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "Throw spoiled bytes at every decoder")]
struct Args {
    /// Inputs for each target
    #[arg(long, default_value_t = 100_000)]
    runs: u64,
    /// Go on for this long with each target instead
    #[arg(long)]
    seconds: Option<u64>,
    /// Write every input to this file before it is tried: for what ends the whole program. Name one
    /// target with it
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Only these; all when none is named
    targets: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    for name in &args.targets {
        let known = || TARGETS.map(|target| target.name).join(", ");
        ensure!(
            TARGETS.iter().any(|t| t.name == *name),
            "no target `{name}`; there are {}",
            known()
        );
    }
    let wanted = |target: &&Target| {
        args.targets.is_empty() || args.targets.iter().any(|name| name == target.name)
    };
    let waiting = Mutex::new(TARGETS.iter().filter(wanted));
    let next = || waiting.lock().ok()?.next();
    // A core each; a target is always run by one thread, so its inputs stay the same.
    let work = || std::iter::from_fn(next).map(|target| run(*target, &args)).collect();
    let outcomes: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let ended = |worker: ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|_| Err(anyhow!("a worker of the run panicked")))
        };
        workers.into_iter().map(ended).collect()
    });
    let outcomes: Vec<Vec<Option<String>>> = outcomes.into_iter().collect::<Result<_>>()?;
    let stopped: Vec<String> = outcomes.into_iter().flatten().flatten().collect();
    if stopped.is_empty() { Ok(()) } else { bail!("{}", stopped.join("\n")) }
}

/// Which target stopped and where its input was kept, if one was found.
fn run(target: Target, args: &Args) -> Result<Option<String>> {
    let start = Instant::now();
    let mut run = Run::new(target).with_context(|| format!("the samples of {}", target.name))?;
    let (mut tried, mut slowest) = (0_u64, Duration::ZERO);
    loop {
        let enough = match args.seconds {
            Some(seconds) => start.elapsed().as_secs() >= seconds,
            None => tried >= args.runs,
        };
        if enough {
            break;
        }
        let input = run.next_input();
        if let Some(file) = &args.trace {
            std::fs::write(file, &input)?;
        }
        let before = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| run.try_input(input.clone()))).is_err() {
            let kept = keep(target, &input)?;
            return Ok(Some(format!("{} stopped at {}", target.name, kept.display())));
        }
        slowest = slowest.max(before.elapsed());
        tried += 1;
    }
    println!(
        "{:<20}{tried:>10} inputs {:>6} answers {:>7.1} s, slowest {:>6.1} ms",
        target.name,
        run.answers(),
        start.elapsed().as_secs_f64(),
        slowest.as_secs_f64() * 1e3,
    );
    Ok(None)
}

fn keep(target: Target, input: &[u8]) -> Result<PathBuf> {
    let folder = target.folder();
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("found-{:08x}", crc32c::crc32c(input)));
    std::fs::write(&file, input)?;
    Ok(file)
}
