//! GTFS-Realtime: where vehicles are, how late they run and what an operator warns of, as one message of
//! Protocol Buffers. Field numbers are those of gtfs-realtime.proto, version 2.0.
//!
//! What it is not: it knows no device and no timetable, and it writes no messages. Fields it does not know
//! are passed over, as Protocol Buffers ask for. Invariants: a message that is broken is refused whole, with
//! the byte; an entity that says what cannot be is refused alone; nothing is as deep as it is long, since
//! only the messages named here are opened.

use chengmai_model::Timestamp;

use crate::error::Fault;

mod decode;
mod protobuf;

pub use decode::message;

/// Longest message that is read.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most entities of a message.
pub const ENTITIES_MAX: usize = 50_000;
/// Longest id of a vehicle, trip, route or stop, in bytes.
pub const ID_BYTES_MAX: usize = 96;
/// Longest text of an alert that is kept, in characters.
pub const TEXT_LEN_MAX: usize = 500;
/// Most selectors or texts of an alert; what comes after them is passed over.
pub const PARTS_MAX: usize = 200;

/// A whole message.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    /// When it was made.
    pub at: Option<Timestamp>,
    /// It says what changed, not all there is.
    pub differs: bool,
    /// Where vehicles are.
    pub vehicles: Vec<Vehicle>,
    /// How late trips run.
    pub delays: Vec<Delay>,
    /// What is warned of.
    pub alerts: Vec<Alert>,
    /// Ids of entities that are no more.
    pub deleted: Vec<String>,
    /// How many entities were of a sort that is not read: shapes, stops, changed trips.
    pub other: u32,
    /// What is wrong with single entities: the entity's number from 1, and a byte of the message.
    pub faults: Vec<Fault>,
}

/// Which trip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trip {
    pub id: Option<String>,
    pub route: Option<String>,
}

/// Where a vehicle is.
#[derive(Debug, Clone, PartialEq)]
pub struct Vehicle {
    /// Number of the entity, from 1.
    pub number: u32,
    /// The vehicle's id, else its label, else that of the entity. Plates are not read.
    pub id: String,
    /// What passengers see on it, where that is not the id.
    pub label: Option<String>,
    pub trip: Trip,
    /// Longitude and latitude in degrees.
    pub position: [f64; 2],
    /// When it was there.
    pub at: Option<Timestamp>,
    /// Degrees clockwise from north.
    pub bearing: Option<f64>,
    /// Metres a second.
    pub speed: Option<f64>,
    /// Metres.
    pub odometer: Option<f64>,
    /// 0 comes to a stop, 1 stands at it, 2 is on the way to it.
    pub stop_status: Option<u32>,
    /// 1 runs smoothly, 2 stop and go, 3 congestion, 4 severe congestion.
    pub congestion: Option<u32>,
    /// 0 empty to 6 takes nobody, 8 cannot be boarded.
    pub occupancy: Option<u32>,
    /// Percent.
    pub occupied: Option<u32>,
}

/// How late a trip runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// Number of the entity, from 1.
    pub number: u32,
    pub trip: Trip,
    /// The vehicle, where the message names it.
    pub vehicle: Option<String>,
    /// Seconds; before its time is below 0.
    pub seconds: i32,
    pub at: Option<Timestamp>,
}

/// What an operator warns of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alert {
    /// Number of the entity, from 1.
    pub number: u32,
    pub id: String,
    /// From and until; it holds always when there is none.
    pub periods: Vec<[Option<Timestamp>; 2]>,
    /// Stops it is about.
    pub stops: Vec<String>,
    /// It is about something else than stops alone: a route, an operator, everything.
    pub is_wide: bool,
    /// Number of the effect, 8 when it is not said.
    pub effect: u32,
    /// 1 not known, 2 information, 3 warning, 4 severe.
    pub severity: u32,
    /// Its heading by language; the language may be empty.
    pub header: Vec<(String, String)>,
}

impl Alert {
    /// Whether it holds at a time.
    pub fn holds(&self, at: Timestamp) -> bool {
        let within = |[from, until]: &[Option<Timestamp>; 2]| {
            from.is_none_or(|from| from <= at) && until.is_none_or(|until| at < until)
        };
        self.periods.is_empty() || self.periods.iter().any(within)
    }

    /// The heading in Chinese, else the first.
    pub fn heading(&self) -> Option<&str> {
        let is_chinese =
            |(language, _): &&(String, String)| language.to_ascii_lowercase().starts_with("zh");
        let chosen = self.header.iter().find(is_chinese).or(self.header.first());
        chosen.map(|(_, text)| text.as_str())
    }

    /// The effect in the words of the standard, small.
    pub fn effect_word(&self) -> &'static str {
        const WORDS: [&str; 12] = [
            "unknown effect",
            "no service",
            "reduced service",
            "significant delays",
            "detour",
            "additional service",
            "modified service",
            "other effect",
            "unknown effect",
            "stop moved",
            "no effect",
            "accessibility issue",
        ];
        WORDS.get(self.effect as usize).copied().unwrap_or(WORDS[0])
    }
}

#[cfg(test)]
mod tests;
