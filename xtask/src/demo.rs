//! `cargo xtask demo`: from a clone to a populated city in one command.
//!
//! It only builds and hands over; what the demo city does is the server's business.

use anyhow::Result;

use crate::{setup, shell};

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Passed on to `chengmai demo`, for example `--http 0.0.0.0:8080`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    setup::web_build()?;
    let folder = shell::build_binaries(true, &["chengmai-server"])?;
    shell::announce("start the demo city");
    let mut command = std::process::Command::new(folder.join("chengmai"));
    command.arg("demo").args(&args.args);
    if wants_default_data(&args.args, |name| std::env::var_os(name).is_some()) {
        command.env("CHENGMAI_DATA", shell::root().join("data/demo"));
    }
    shell::become_program(&mut command)
}

/// Whether the user said nothing about where the demo keeps its data.
///
/// The default is the same folder from wherever the command is given, and it is handed over as an
/// environment variable because a flag of the user's outranks that.
fn wants_default_data(args: &[String], is_set: impl Fn(&str) -> bool) -> bool {
    let is_said = |arg: &String| arg.starts_with("--data") || arg.starts_with("--config");
    !args.iter().any(is_said) && !is_set("CHENGMAI_DATA") && !is_set("CHENGMAI_CONFIG")
}

#[cfg(test)]
mod tests {
    use super::wants_default_data;

    fn check(args: &[&str], set: &str) -> bool {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        wants_default_data(&args, |name| name == set)
    }

    #[test]
    fn the_demo_has_a_folder_of_its_own_unless_one_is_named() {
        assert!(check(&[], ""));
        assert!(check(&["--http", "127.0.0.1:9000"], "CHENGMAI_HTTP"));
        assert!(!check(&["--data=x"], ""));
        assert!(!check(&["--config", "city.toml"], ""));
        assert!(!check(&[], "CHENGMAI_DATA"));
        assert!(!check(&[], "CHENGMAI_CONFIG"));
    }
}
