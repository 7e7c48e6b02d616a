//! The fault simulator: the whole way of a reading (sequencer, journal, engine, history, records,
//! snapshots, start) on a simulated disk and clock, with everything going wrong that can, from one
//! seed. The same seed gives the same run.
//!
//! What it is not: it has no threads, no sockets and no real files, and it does not know the server.
//! It drives `chengmai_store::order` and `chengmai_engine`, which the server drives too.
//!
//! Checked after every start and at the end: every acknowledged reading is there once, under its
//! number and for its device; nothing is there that was not sent; frames and readings are numbered
//! without gaps; history and records have what an engine says that never stopped, whose snapshot is
//! the same byte for byte; no warning is raised twice; nothing is acknowledged after a failed sync;
//! damage is reported with its place; a full disk is survived without a restart.

mod damage;
mod many;
mod plan;
mod process;
mod registry;
mod run;
mod sabotage;
mod senders;
mod truth;
mod world;

pub use many::{Failure, SimulateArgs, Simulation, simulate};
pub use plan::{Allowed, Fault, Report};
pub use run::Options;
pub use sabotage::Sabotage;
