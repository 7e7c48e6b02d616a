//! The server as its users meet it: a real process, over its public interfaces only.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod areas;
mod browser;
mod cap;
mod case_kill;
mod catalogue;
mod citizens;
mod contract;
mod corrections;
mod demo;
mod evaluation;
mod features;
mod follow;
mod grid;
mod harness;
mod hostile;
mod influx;
mod kept;
mod kill;
mod life;
mod locks;
mod lookback;
mod matrix;
mod mcp;
mod moves;
mod mqtt;
mod ngsi_ld;
mod notify;
mod proof;
mod recoding;
mod replay;
mod routing;
mod scope;
mod sensorthings;
mod series;
mod setpoints;
mod sets;
mod signed;
mod sql;
mod tiles;
mod tls;
mod transit;
mod write;
