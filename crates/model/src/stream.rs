//! Devices, their streams and single readings. Inside, everything is a dense `u32`; the names that
//! people and gateways use live in the registry at the edge.

use serde::{Deserialize, Serialize};

use crate::{AreaCode, Timestamp};

/// Longest device or agency id in bytes.
pub const ID_LEN_MAX: usize = 128;

/// Dense number of a device, in order of registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceId(pub u32);

/// Dense number of a stream (one kind of reading of one device), in order of registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId(pub u32);

/// Dense number of a kind of reading, in the order of the loaded packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KindId(pub u16);

/// One observation: what a stream said of the moment `at`. Unit and range are the kind's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which stream.
    pub stream: StreamId,
    /// Event time: when it was measured, not when it came in.
    pub at: Timestamp,
    /// Finite and within the kind's range.
    pub value: f64,
}

/// What is known of a device when it is registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// The id that people and gateways use; unique; at most [`ID_LEN_MAX`] bytes.
    pub name: String,
    /// A title for people, if there is one.
    pub title: Option<String>,
    /// The smallest area known to hold it.
    pub area: AreaCode,
    /// Longitude and latitude in degrees (CGCS2000, within a metre of WGS 84).
    pub position: Option<[f64; 2]>,
    /// Id of the agency that answers for it.
    pub agency: Option<String>,
    /// Expected time between readings in milliseconds; 0 takes the kind's own.
    pub period_ms: u32,
    /// True for generated devices: everything derived from them says so.
    pub simulated: bool,
}

/// Set-points 限值 of one stream, by severity from 1 at index 0; in the kind's unit.
pub type Levels = [Option<f64>; 4];

/// A change of the registry as it stands in the journal, before any reading that needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Registration {
    /// A new device. `id` is the next free number.
    Device {
        /// Its dense number.
        id: DeviceId,
        /// What is known of it.
        spec: DeviceSpec,
        /// When it was registered.
        at: Timestamp,
    },
    /// New facts about a known device.
    Update {
        /// Its dense number.
        id: DeviceId,
        /// What is known of it now.
        spec: DeviceSpec,
    },
    /// A new stream of a known device. `id` is the next free number.
    Stream {
        /// Its dense number.
        id: StreamId,
        /// Whose it is.
        device: DeviceId,
        /// The kind's id as in its pack (packs may change between runs, so never a [`KindId`]).
        kind: String,
    },
    /// The levels from which a known stream warns, in place of those before.
    Setpoints {
        /// Its dense number.
        stream: StreamId,
        /// What they are from now on.
        levels: Levels,
    },
}
