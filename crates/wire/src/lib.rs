//! Codecs between bytes and the model, a folder each with the same file names: `decode.rs` from
//! bytes, `encode.rs` where we also write the format. No I/O, no state, no clock.
//!
//! Every decoder takes what is right, names what is wrong ([`Fault`]: line, byte, numbered code and
//! reason) and never panics, whatever the bytes are.

pub mod areas;
pub mod cap;
pub mod certificate;
pub mod corrections;
pub mod cql2;
pub mod dcat;
pub mod devices;
pub mod error;
pub mod features;
pub mod gateway;
pub mod geo_report;
pub mod gtfs;
pub mod gtfs_realtime;
pub mod line_protocol;
pub mod mcp;
pub mod mqtt;
pub mod ngsi_ld;
pub mod observations;
pub mod sensorthings;
pub mod service_requests;
pub mod setpoints;
pub mod vector_tile;

mod json;
mod table;

pub use error::{Decoded, Fault};
