//! What a citizen's report is about, said by arithmetic: which class and whose work ([`route`]),
//! whether it was reported already ([`duplicate`]), what in it nobody may publish ([`scrub`]); and what
//! many reports say together: where ([`hotspot`]), about what ([`topic`]), in which tone ([`mood`]).
//!
//! Not a judge: everything here is a proposal with a probability, and a person's word stands above
//! it. No text is kept by anything in here. Why these methods: docs/decisions/0036 and 0037; how
//! well they do: docs/benchmarks/triage.md.

pub mod duplicate;
pub mod grams;
pub mod hotspot;
pub mod mood;
pub mod route;
pub mod scrub;
pub mod topic;

mod draw;
mod letter;
mod linear;

/// Fewer reports than this are not spoken of: a figure or a word of them might tell who wrote it.
pub const REPORTS_MIN: u32 = 5;
