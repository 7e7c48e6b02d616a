//! Holds the roll-up against a plain recomputation for as long as one likes:
//! `cargo run --release -p chengmai-engine --example rollup_audit -- [--steps 100000000] [--seed 1]`.
//! Ends with an error at the first bit that differs. Not part of the program.
#![expect(clippy::print_stdout, reason = "it prints what it did")]

#[path = "../tests/it/audit.rs"]
#[expect(clippy::unwrap_used, reason = "the tests' own player")]
mod audit;

/// Steps between two comparisons: fewer than a window is open for, so that none escapes.
const BETWEEN: u64 = 50_000;

fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    let (steps, seed) = (number("--steps").unwrap_or(100_000_000), number("--seed").unwrap_or(1));
    let tally = audit::audit(seed, steps, (steps / BETWEEN).max(200))?;
    let rows = [
        ("random steps", steps),
        ("readings counted", tally.readings),
        ("of the readings sent, up to 14 minutes late", tally.late),
        ("readings corrected", tally.corrected),
        ("readings retracted", tally.retracted),
        ("cells told their readings again", tally.refilled),
        ("devices moved to another area", tally.moved),
        ("areas re-coded", tally.recoded),
        ("comparisons with the readings themselves", tally.points),
        ("values compared bit for bit", tally.windows),
    ];
    println!("| seed {seed} | how many |\n| --- | ---: |");
    for (what, count) in rows {
        println!("| {what} | {count} |");
    }
    println!("\nEvery open window of every area equalled its readings, bit for bit.");
    Ok(())
}
