//! `cargo xtask gates`: the instructions that the hot path takes a reading, against those kept in
//! `xtask/gates.txt`. A count is the same on a busy machine, where a stopwatch is not.
//!
//! Beyond 3 % either way it fails: what became dearer must be meant, and what became cheaper must
//! be kept, by `--accept`. It does not replace the benchmarks, which tell the readings a second.
//! Counts hold for one compiler and its standard library (`rust-version` pins it; the file names the
//! one they were made with, and the message tells when it is another) and for processors that the C
//! library takes for alike, because it picks its copying by them. They are of the development
//! build, which the tests have made already (decision 0031).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{setup, shell};

/// The pieces that `crates/store/examples/counted.rs` knows.
const PIECES: [&str; 6] = ["line-protocol", "gateway", "journal", "apply", "tick", "rules"];

/// How far a count may lie from the one kept, in hundredths.
const TOLERANCE_PERCENT: f64 = 3.0;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct GatesArgs {
    /// Keep the counts of this run as those that later runs are compared with
    #[arg(long)]
    accept: bool,
}

/// Instructions a reading of one piece.
#[derive(Debug, Clone, PartialEq)]
struct Count {
    piece: String,
    instructions: f64,
}

pub(crate) fn run(args: &GatesArgs) -> Result<()> {
    let valgrind = setup::valgrind()?;
    let program = build()?;
    let file = shell::root().join("xtask/gates.txt");
    shell::announce("count instructions");
    let counts: Vec<Count> =
        PIECES.iter().map(|piece| count(&valgrind, &program, piece)).collect::<Result<_>>()?;
    let compiler = shell::output("ask for the compiler", Command::new("rustc").arg("--version"))?;
    if args.accept {
        std::fs::write(&file, text_of(&counts, compiler.trim()))?;
        println!("kept {} counts in xtask/gates.txt", counts.len());
        return Ok(());
    }
    let text = std::fs::read_to_string(&file).context("no counts are kept in xtask/gates.txt")?;
    let (table, faults) = compare(&read(&text)?, &counts);
    print!("{table}");
    if faults.is_empty() {
        return Ok(());
    }
    let other = if text.contains(compiler.trim()) {
        String::new()
    } else {
        format!("\nthe counts kept are those of another compiler than {}", compiler.trim())
    };
    bail!(
        "{}{other}\nif this is meant, say why in the commit and run: cargo xtask gates --accept",
        faults.join("\n")
    )
}

fn build() -> Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--locked"]);
    cargo.args(["--package", "chengmai-store", "--example", "counted"]);
    shell::run("build what is counted", &mut cargo)?;
    Ok(shell::target_dir()?.join("debug/examples/counted"))
}

fn count(valgrind: &Path, program: &Path, piece: &str) -> Result<Count> {
    let out = shell::target_dir()?.join(format!("xtask/callgrind.{piece}"));
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(valgrind);
    command
        .args(["--tool=callgrind", "--toggle-collect=*counted_piece*", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg(piece);
    let said = shell::output(piece, &mut command)?;
    let readings: f64 = said
        .lines()
        .find_map(|line| line.strip_prefix("readings "))
        .and_then(|count| count.parse().ok())
        .with_context(|| format!("{piece} did not say how many readings it took"))?;
    let total = total(&std::fs::read_to_string(&out)?)
        .with_context(|| format!("callgrind wrote no total in {}", out.display()))?;
    ensure!(total > 0.0, "nothing of {piece} was counted");
    Ok(Count { piece: piece.to_owned(), instructions: total / readings })
}

/// What callgrind's file says it counted in all.
fn total(text: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")))
        .and_then(|count| count.trim().parse().ok())
}

fn text_of(counts: &[Count], compiler: &str) -> String {
    let mut text = format!(
        "# Instructions a reading (tick: a stream in an hour). Made by: cargo xtask gates --accept\n\
         # {compiler}\n"
    );
    for Count { piece, instructions } in counts {
        let _ = writeln!(text, "{piece} {instructions:.1}");
    }
    text
}

fn read(text: &str) -> Result<Vec<Count>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (piece, count) = line.split_once(' ').context("a line is `piece count`")?;
            let instructions = count.trim().parse().with_context(|| line.to_owned())?;
            Ok(Count { piece: piece.to_owned(), instructions })
        })
        .collect()
}

/// A table of all pieces, and a sentence for each that fails.
fn compare(kept: &[Count], found: &[Count]) -> (String, Vec<String>) {
    let mut table = format!("{:<14}{:>12}{:>12}{:>9}\n", "piece", "kept", "now", "change");
    let mut faults = Vec::new();
    for Count { piece, instructions } in found {
        let Some(old) = kept.iter().find(|old| old.piece == *piece) else {
            faults.push(format!("{piece} has no count in xtask/gates.txt"));
            continue;
        };
        let change = 100.0 * (instructions / old.instructions - 1.0);
        let _ = writeln!(
            table,
            "{piece:<14}{:>12.1}{instructions:>12.1}{change:>+8.2}%",
            old.instructions
        );
        if change.is_nan() || change.abs() > TOLERANCE_PERCENT {
            let word = if change < 0.0 { "fewer" } else { "more" };
            faults.push(format!(
                "{piece} takes {:.1} % {word} instructions a reading; {TOLERANCE_PERCENT} % are allowed",
                change.abs()
            ));
        }
    }
    let gone = kept.iter().filter(|old| found.iter().all(|new| new.piece != old.piece));
    faults.extend(gone.map(|old| format!("{} is kept but no longer counted", old.piece)));
    (table, faults)
}

#[cfg(test)]
mod tests {
    use super::{Count, compare, read, text_of, total};

    fn counts(list: &[(&str, f64)]) -> Vec<Count> {
        let count =
            |&(piece, instructions): &(&str, f64)| Count { piece: piece.into(), instructions };
        list.iter().map(count).collect()
    }

    fn faults(kept: f64, found: f64) -> usize {
        compare(&counts(&[("a", kept)]), &counts(&[("a", found)])).1.len()
    }

    #[test]
    fn three_hundredths_either_way_pass_and_more_fails() {
        assert_eq!([faults(100.0, 102.9), faults(100.0, 97.1)], [0, 0]);
        assert_eq!([faults(100.0, 103.1), faults(100.0, 96.9)], [1, 1]);
        assert_eq!([faults(0.0, 0.0), faults(100.0, f64::NAN)], [1, 1]);
    }

    #[test]
    fn a_piece_that_came_or_went_fails() {
        let (_, faults) = compare(&counts(&[("old", 1.0)]), &counts(&[("new", 1.0)]));
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn what_is_kept_reads_back() {
        let some = counts(&[("a", 12.5), ("b-c", 3.0)]);
        let text = text_of(&some, "rustc 1.95.0");
        assert_eq!(read(&text).unwrap(), some);
        assert!(text.contains("# rustc 1.95.0\n"), "{text}");
        assert!(read("a much").is_err());
    }

    #[test]
    fn the_total_is_found_in_callgrinds_file() {
        assert_eq!(total("events: Ir\nsummary: 12\nfn=x\n"), Some(12.0));
        assert_eq!(total("events: Ir\nfn=x\n1 2\ntotals: 12\n"), Some(12.0));
        assert_eq!(total("events: Ir\n"), None);
    }
}
