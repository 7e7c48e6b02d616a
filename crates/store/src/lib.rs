//! The journal of the senses and the records of decisions. The only crate that writes them to disk.
//!
//! And the proof log, by which an outsider can check that no decision was altered or dropped.
//!
//! What it is not: it decides nothing and derives nothing. Raw readings and closed windows for charts
//! and SQL are in `chengmai-history`; they can be made again from the journal.
//!
//! Invariants: what was acknowledged is on disk and reads back, or its loss is reported by file and
//! place. Journal and snapshots touch files only through [`disk::Disk`].

pub mod disk;
pub mod error;
pub mod journal;
pub mod order;
pub mod proof;
pub mod records;
pub mod seal;
pub mod snapshot;
