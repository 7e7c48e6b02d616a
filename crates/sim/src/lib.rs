//! The synthetic city: a fleet of made-up devices, a scripted afternoon, a made-up past, the people
//! who play it, and the load driver.
//!
//! What it is not: no part of a real deployment. Everything it makes is marked as simulated. Fleet,
//! script and past are pure (the same seed gives the same city); only `play`, `load` and `bench`
//! talk, and only through the server's public interfaces.

pub mod bench;
mod client;
pub mod fault;
pub mod fleet;
pub mod history;
mod kinds;
pub mod load;
pub mod load_mqtt;
mod machine;
pub mod play;
mod random;
pub mod script;
mod workload;

use std::io::Write as _;

/// One line on standard output, at once: what `chengmai-sim` tells a person or its parent process.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that went away is noticed by the next write.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
