//! Tests of `model` against the packs as they are committed.

mod calendar;
mod chongqing;
