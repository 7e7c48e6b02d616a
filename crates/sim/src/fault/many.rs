//! Many seeds one after the other, and what is said of the one that fails.

use std::fmt;
use std::time::Instant;

use anyhow::{Result, bail};

use super::plan::{Fault, Report};
use super::run::{Options, Run};
use super::sabotage::Sabotage;
use super::world::World;
use crate::say;

/// Seeds between two lines of progress.
const PROGRESS_SEEDS: u64 = 500;

/// What `simulate` is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// How many seeds to run
    #[arg(long, default_value_t = 500)]
    pub seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// Run this one seed only
    #[arg(long)]
    pub seed: Option<u64>,
    /// Show the last operations of that seed even when all is well
    #[arg(long, requires = "seed")]
    pub trace: bool,
    /// Plant a fault in the program: a seed must find it
    #[arg(long)]
    pub sabotage: Option<Sabotage>,
}

/// A seed that found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step at which it was noticed.
    pub step: usize,
    /// What must not be.
    pub what: String,
    /// Without any one of these it does not happen.
    pub needed: Vec<Fault>,
    /// The last operations before it, oldest first.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {} fails at step {}: {}", self.seed, self.step, self.what)?;
        writeln!(f, "it needs {:?}", self.needed)?;
        write!(f, "again: cargo xtask simulate --seed {}", self.seed)
    }
}

/// The simulator, ready to run any seed.
#[derive(Debug)]
pub struct Simulation {
    world: World,
}

impl Simulation {
    /// Makes the city that all seeds share.
    pub fn new() -> Result<Self> {
        Ok(Self { world: World::new()? })
    }

    /// Runs one seed; when it fails, runs it again with fewer kinds of misfortune until each that is
    /// left is needed.
    ///
    /// # Errors
    /// What was found, with all that is needed to see it again.
    pub fn seed(&self, seed: u64, options: Options) -> Result<Report, Box<Failure>> {
        let found = match self.once(seed, options) {
            Ok((report, _)) => return Ok(report),
            Err(failure) => failure,
        };
        let (mut options, mut smallest) = (options, found);
        for fault in Fault::ALL {
            let fewer = Options { allowed: options.allowed.without(fault), ..options };
            if let Err(failure) = self.once(seed, fewer) {
                (options, smallest) = (fewer, failure);
            }
        }
        smallest.needed =
            Fault::ALL.into_iter().filter(|fault| options.allowed.has(*fault)).collect();
        Err(smallest)
    }

    /// Runs one seed as it is and gives its trace too.
    fn once(&self, seed: u64, options: Options) -> Result<(Report, Vec<String>), Box<Failure>> {
        let mut run = Run::new(&self.world, seed, options);
        match run.play() {
            Ok(()) => Ok((run.report, run.trace())),
            Err(error) => Err(Box::new(Failure {
                seed,
                step: run.step,
                what: format!("{error:#}"),
                needed: Vec::new(),
                trace: run.trace(),
            })),
        }
    }
}

/// The command: runs seeds, tells how it goes, and fails with the first that finds something.
///
/// # Errors
/// What a seed found.
pub fn simulate(args: &SimulateArgs) -> Result<()> {
    let simulation = Simulation::new()?;
    let options = Options { sabotage: args.sabotage, ..Options::default() };
    let seeds = match args.seed {
        Some(seed) => seed..seed + 1,
        None => args.from..args.from + args.seeds,
    };
    let began = Instant::now();
    let mut sum = Report::default();
    for seed in seeds {
        match simulation.seed(seed, options) {
            Ok(report) => sum.add(&report),
            Err(failure) => bail!("{failure}"),
        }
        if args.trace {
            let (_, trace) = simulation.once(seed, options).map_err(|f| anyhow::anyhow!("{f}"))?;
            for line in &trace {
                say(line);
            }
        }
        if sum.seeds.is_multiple_of(PROGRESS_SEEDS) {
            say(&format!("up to seed {seed}: {} recoveries", sum.recoveries));
        }
    }
    say(&format!("{sum}"));
    let spent = began.elapsed().as_secs_f64();
    say(&format!(
        "{spent:.1} s, {:.2} ms a seed; every property held",
        spent * 1e3 / sum.seeds.max(1) as f64
    ));
    Ok(())
}
