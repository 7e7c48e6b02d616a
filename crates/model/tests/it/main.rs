//! Tests of `model` against the packs as they are committed.

mod chongqing;
