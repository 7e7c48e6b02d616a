//! `cargo xtask test`: every test of every runner, and one line at the end that adds them up.
//!
//! The runners' own output streams through untouched; the counts are read from their
//! machine-readable reports where they have one. Invariants: the last line on standard output is
//! `N passed, N failed, N skipped`; the exit code is 0 only when nothing failed, every runner that
//! was asked for ran at least one test, no Rust test is ignored, and every skipped test was
//! skipped because data under `../shared/data` is absent.

mod cargo_output;
mod node_test;
mod skips;
mod tally;
mod vitest;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use self::tally::{Report, Tally};
use crate::{gen_api, setup, shell};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct TestArgs {
    /// Only these; all when none is named
    #[arg(value_enum)]
    suites: Vec<Suite>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    /// Unit, scenario and integration tests of every crate
    Rust,
    /// The web's unit tests
    Web,
    /// The pages in a real browser against the real server
    Browser,
}

pub(crate) fn run(args: &TestArgs) -> Result<()> {
    let mut report = Report::default();
    if let Err(error) = run_suites(args, &mut report) {
        report.fail("set-up", &format!("{error:#}"));
    }
    eprintln!();
    print!("{}", report.text());
    if report.is_success() { Ok(()) } else { std::process::exit(1) }
}

fn run_suites(args: &TestArgs, report: &mut Report) -> Result<()> {
    let wanted = |suite| args.suites.is_empty() || args.suites.contains(&suite);
    // What may have to be installed comes first: better to say so now than after a long build.
    let tools = (wanted(Suite::Rust) || wanted(Suite::Browser)).then(setup::test_tools);
    let tools = tools.transpose()?;
    let scratch = shell::target_dir()?.join("xtask");
    std::fs::create_dir_all(&scratch)?;
    if wanted(Suite::Web) {
        setup::web_packages()?;
        report.add("web units", web_units(&scratch));
    }
    let Some(tools) = tools else { return Ok(()) };
    // The server embeds the web, so that is built before it.
    setup::web_build()?;
    let programs = shell::build_with_tests()?;
    let ground = Ground { tools, programs, scratch };
    if wanted(Suite::Rust) {
        report.add("generated files", one_check(gen_api::check(&ground.programs)));
        report.add("rust", rust(&ground));
    }
    if wanted(Suite::Browser) {
        report.add("browser", browser(&ground));
    }
    Ok(())
}

/// What tests that start other programs find in their environment.
#[derive(Debug)]
struct Ground {
    tools: setup::TestTools,
    programs: PathBuf,
    scratch: PathBuf,
}

impl Ground {
    fn lend_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("CHENGMAI_BIN", self.programs.join("chengmai"))
            .env("CHENGMAI_SIM_BIN", self.programs.join("chengmai-sim"))
            .env("CHENGMAI_CHROMIUM", &self.tools.browser)
            .env("CHENGMAI_MOSQUITTO", &self.tools.broker)
            .env("CHENGMAI_POSTGRES", &self.tools.postgres)
            .env("CHENGMAI_PYTHON", &self.tools.python)
    }
}

fn rust(ground: &Ground) -> Result<Tally> {
    let log = ground.scratch.join("skips.log");
    std::fs::write(&log, "")?;
    shell::announce("cargo test");
    let mut command = shell::cargo();
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    ground.lend_to(&mut command).env("CHENGMAI_SKIP_LOG", &log);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let stdout = child.stdout.take().context("cargo test has no output")?;
    let mut output = cargo_output::CargoOutput::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cargo test wrote a line that is not UTF-8")?;
        println!("{line}");
        output.read_line(&line);
    }
    let succeeded = child.wait()?.success();
    let skips = skips::read(&std::fs::read_to_string(&log)?);
    Ok(output.tally(succeeded, &skips, &data_exists))
}

fn web_units(scratch: &Path) -> Result<Tally> {
    let file = scratch.join("vitest.json");
    remove(&file)?;
    shell::announce("vitest");
    let status = shell::web_tool("vitest")
        .args(["run", "--exclude=e2e/**", "--reporter=default", "--reporter=json"])
        .arg(format!("--outputFile.json={}", file.display()))
        .status()
        .context("cannot start vitest")?;
    let text = std::fs::read_to_string(&file).context("vitest wrote no report")?;
    vitest::tally(&text, status.success())
}

fn browser(ground: &Ground) -> Result<Tally> {
    let web = shell::root().join("web");
    let file = ground.scratch.join("browser.tap");
    remove(&file)?;
    shell::announce("browser tests");
    let mut command = Command::new("node");
    command
        // One at a time: software rendering needs the whole machine.
        .args(["--test", "--test-concurrency=1"])
        .args(["--test-reporter=spec", "--test-reporter-destination=stdout"])
        .arg("--test-reporter=tap")
        .arg(format!("--test-reporter-destination={}", file.display()))
        .args(browser_files(&web.join("e2e"))?)
        .current_dir(&web);
    let status = ground.lend_to(&mut command).status().context("cannot start node")?;
    let text = std::fs::read_to_string(&file).context("node wrote no report")?;
    Ok(node_test::tally(&text, status.success(), &data_exists))
}

/// The browser test files by name: what `node --test FOLDER` means differs between Node versions.
fn browser_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    anyhow::ensure!(!files.is_empty(), "no *.test.mjs in {}", folder.display());
    Ok(files)
}

/// One check of ours, counted like a test.
fn one_check(outcome: Result<()>) -> Result<Tally> {
    outcome.map(|()| Tally { passed: 1, ..Tally::default() })
}

/// Whether the shared data that a skipped test named is there after all.
fn data_exists(path: &str) -> bool {
    shell::root().join(path).exists()
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
