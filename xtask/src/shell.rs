//! Starting other programs, always with their output streaming through to the terminal.
//!
//! It is not a shell: no command line is ever built from text, so nothing needs quoting.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    // `cargo run` tells where this package is now; the compile-time value is wrong when a cached
    // binary is used from another checkout that shares the target folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or(package.clone(), Path::to_path_buf)
}

/// The cargo that started us, so that a pinned toolchain stays pinned.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A program of `web/node_modules/.bin`, to be run in `web`.
pub(crate) fn web_tool(name: &str) -> Command {
    let web = root().join("web");
    let mut command = Command::new(web.join("node_modules/.bin").join(name));
    command.current_dir(web);
    command
}

/// Runs a step to its end and fails, naming it, when it does not succeed.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<()> {
    announce(title);
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{title}: cannot start `{program}`"))?;
    if !status.success() {
        bail!("{title}: `{program}` ended with {status}");
    }
    Ok(())
}

/// Runs a program and returns what it wrote to its standard output.
pub(crate) fn output(title: &str, command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("{title}: cannot start `{program}`"))?;
    if !output.status.success() {
        bail!("{title}: `{program}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{title}: output is not UTF-8"))
}

/// Says which step begins.
pub(crate) fn announce(title: &str) {
    eprintln!("\n==> {title}");
}

/// Where a program lies, searching `PATH` and the system folders that `PATH` of a user may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The folder cargo builds into, whether set by the environment or by a configuration file.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let text = output(
        "find the target folder",
        cargo().args(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target")?;
    Ok(PathBuf::from(folder))
}

/// Builds the binaries of some packages and returns the folder they are in.
pub(crate) fn build_binaries(release: bool, packages: &[&str]) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--locked", "--bins"]);
    for package in packages {
        command.args(["--package", package]);
    }
    if release {
        command.arg("--release");
    }
    run("build the programs", &mut command)?;
    Ok(target_dir()?.join(if release { "release" } else { "debug" }))
}

/// Builds every test, and with the tests of their packages the programs; returns the folder they are in.
/// Programs built by themselves would have other features of the libraries: most of them would be
/// compiled a second time.
pub(crate) fn build_with_tests() -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--locked", "--no-run"]);
    run("build the programs and their tests", &mut command)?;
    Ok(target_dir()?.join("debug"))
}

/// Replaces this process by the command, so that signals reach it and its exit code is ours.
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        let error = command.exec();
        Err(error).with_context(|| format!("cannot start {}", command.get_program().display()))
    }
    #[cfg(not(unix))]
    {
        let status = command.status()?;
        std::process::exit(status.code().unwrap_or(1));
    }
}
