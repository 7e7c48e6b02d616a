//! How well the triage does, as printed in docs/benchmarks/triage.md.
//! `cargo run --release -p chengmai-engine --example triage_eval [-- routing|duplicates|speed|scrub|real]`;
//! without a word everything. What is simulated says so; real data is read in place, where it is.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it reads files and clocks"
)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what it reads is a file of the tests")]

#[path = "../../tests/it/hotline.rs"]
mod hotline;
#[path = "../../tests/it/packs.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod packs;
#[path = "../../tests/it/reported_city.rs"]
mod reported_city;

mod duplicates;
mod real;
mod routing;
mod scrubbing;
mod speed;

fn main() {
    let asked = std::env::args().nth(1);
    let parts: [(&str, fn()); 5] = [
        ("routing", routing::print),
        ("duplicates", duplicates::print),
        ("scrub", scrubbing::print),
        ("real", real::print),
        ("speed", speed::print),
    ];
    for (name, print) in parts {
        if asked.as_deref().is_none_or(|asked| asked == name) {
            println!("\n## {name}");
            print();
        }
    }
}
