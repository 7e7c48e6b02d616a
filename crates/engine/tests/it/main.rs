//! Tests of the engine from outside, one binary.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests read the packs' files; the engine does not"
)]

#[cfg(test)]
mod anomaly;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod hotline;
#[cfg(test)]
mod packs;
#[cfg(test)]
mod real_streams;
#[cfg(test)]
mod reported_city;
#[cfg(test)]
mod rollup;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod star_rules;
#[cfg(test)]
mod stars;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod triage;
