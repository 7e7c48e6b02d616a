//! The synthetic city against the real packs and the real engine: is a quiet day quiet, does the
//! afternoon raise what it is there to raise, does the made-up past hold together.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod afternoon;
mod city;
mod fault;
mod fleet;
mod past;
