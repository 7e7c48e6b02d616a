//! Runs the targets: a set number of inputs each (always the same), or for a time. What stops a
//! decoder is kept in the corpus, so that the replay in the tests fails until it is mended.
#![expect(clippy::print_stdout, reason = "a developer's tool speaks on the terminal")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
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
    /// Write every input to this file before it is tried: for what ends the whole program
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
    let mut stopped = Vec::new();
    for target in TARGETS.iter().filter(wanted) {
        if let Some(kept) = run(*target, &args)? {
            stopped.push(format!("{} stopped at {}", target.name, kept.display()));
        }
    }
    if stopped.is_empty() { Ok(()) } else { bail!("{}", stopped.join("\n")) }
}

/// Where the input was kept that did not hold, if one was found.
fn run(target: Target, args: &Args) -> Result<Option<PathBuf>> {
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
            return keep(target, &input).map(Some);
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
