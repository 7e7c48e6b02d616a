//! What the history promises, tried from outside: one binary for all of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where something is not as it should be"
)]

mod compaction;
mod corrections;
mod crash;
mod files;
mod kinds;
mod ladder;
mod parallel;
mod readings;
mod sql;
mod support;
mod windows;
