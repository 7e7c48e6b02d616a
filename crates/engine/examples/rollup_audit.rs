//! Holds the roll-up against a plain recomputation for as long as one likes:
//! `cargo run --release -p chengmai-engine --example rollup_audit -- [--steps 100000000] [--seed 1]`.
//! Ends with an error at the first bit that differs. Not part of the program.
#![expect(clippy::print_stdout, reason = "it prints what it did")]

#[path = "../tests/it/audit.rs"]
#[expect(clippy::unwrap_used, reason = "the tests' own player")]
mod audit;

fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    let (steps, seed) = (number("--steps").unwrap_or(100_000_000), number("--seed").unwrap_or(1));
    println!("seed {seed}, {steps} steps");
    let tally = audit::audit(seed, steps, 200)?;
    println!("{tally:?}");
    println!("every open window of every area equalled its readings, bit for bit");
    Ok(())
}
