//! The server as its users meet it: a real process, over its public interfaces only.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod areas;
mod case_kill;
mod citizens;
mod corrections;
mod demo;
mod evaluation;
mod grid;
mod harness;
mod hostile;
mod kill;
mod life;
mod lookback;
mod moves;
mod mqtt;
mod notify;
mod proof;
mod recoding;
mod replay;
mod routing;
mod scope;
mod series;
mod setpoints;
mod sql;
mod tls;
mod write;
