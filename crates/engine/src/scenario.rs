//! Text scenarios 情景: the proof of a pack and of the engine, readable by an official. [`run`] plays
//! one and compares; [`rewrite`] writes down what really happens (`UPDATE_EXPECT=1` in tests).
//!
//! ```text
//! area    CQ > YZ > JLP > C7 > G3
//! device  m1 gas_pressure at G3 every 1m
//! t=0     obs m1 2.4
//! t=5m    obs m1 0.9
//!         expect warning W1 raised red area=G3 rule=gas/pressure_drop value=0.9
//!         expect case K1 filed type=gas_leak row=0 level=district agency=gas_company due=4h30m
//! t=6m    dispatch K1
//!         expect case K1 dispatched agency=gas_company
//! ```
//!
//! Time stands still on a line and moves from `t=` to `t=`; between two times the engine ticks once
//! a minute. Every warning and every step of a case must be expected where it happens; alarms,
//! devices and indicators are compared where they are mentioned. `t=0` is local midnight.
//!
//! What it is not: a second engine. It calls [`crate::Engine`], [`crate::case`] and [`crate::answer`]
//! as the server does, and stands in for the people: centres, agencies, checkers.

mod areas;
mod casework;
mod compare;
mod parse;
mod people;
mod show;
mod world;

use std::fmt;

use crate::Catalog;

/// Plays a scenario and compares what it expects with what happens.
///
/// # Errors
/// Every line that cannot be read or does not come true.
pub fn run(catalog: &Catalog, text: &str) -> Result<(), Mismatch> {
    let groups = compare::play(catalog, text)?;
    let differences: Vec<Difference> =
        groups.iter().flat_map(compare::Group::differences).collect();
    if differences.is_empty() { Ok(()) } else { Err(Mismatch { differences }) }
}

/// The same scenario with its `expect` lines made true. Comments and all other lines stay.
///
/// # Errors
/// Lines that cannot be read or done: those no rewriting can mend.
pub fn rewrite(catalog: &Catalog, text: &str) -> Result<String, Mismatch> {
    let groups = compare::play(catalog, text)?;
    Ok(compare::rewritten(text, &groups))
}

/// Where a scenario and the program disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// In order of their lines; at least one.
    pub differences: Vec<Difference>,
}

/// One line that is not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Line from 1; for something that no line expects, the line after which it happened.
    pub line: u32,
    /// What the line says; `None` when nothing was expected.
    pub expected: Option<String>,
    /// What happened, or why the line cannot be read; `None` when nothing did.
    pub found: Option<String>,
}

impl Mismatch {
    fn unreadable(line: u32, why: impl Into<String>) -> Self {
        Self { differences: vec![Difference { line, expected: None, found: Some(why.into()) }] }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, difference) in self.differences.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            let line = difference.line;
            match (&difference.expected, &difference.found) {
                (Some(expected), Some(found)) => {
                    write!(f, "line {line}: expected `{expected}`, found `{found}`")?;
                }
                (Some(expected), None) => {
                    write!(f, "line {line}: expected `{expected}`, which did not happen")?;
                }
                (None, Some(found)) => write!(f, "line {line}: {found}")?,
                (None, None) => write!(f, "line {line}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests;
