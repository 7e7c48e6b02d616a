//! What the store promises, tried from outside: one binary for all of it.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod fault;
mod fixture;
mod journal;
mod keep;
mod order;
mod postgres;
mod proof;
mod records;
mod recovery;
mod service_requests;
mod snapshot;
