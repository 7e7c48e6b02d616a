//! Tests of the codecs from outside, one binary for all.

mod arbitrary;
mod chongqing;
mod line_protocol;
