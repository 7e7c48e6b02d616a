//! GTFS, the timetable: stops, routes and trips from the files of the same names, as CSV.
//!
//! What it is not: calendars, stop times, fares and shapes are not read; nor is a ZIP opened here. Faults have
//! the line and byte of their file. Invariant: columns that are not known are passed over, since every operator
//! has some of its own.

mod decode;

pub use decode::{decode_names, decode_routes, decode_stops, decode_trips};

/// A stop or a station.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Line of the file, from 1.
    pub line: u32,
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Longitude and latitude in degrees.
    pub position: [f64; 2],
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Line of the file, from 1.
    pub line: u32,
    pub id: String,
    /// Its short name, else its long one.
    pub name: String,
}

/// A trip of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// Line of the file, from 1.
    pub line: u32,
    pub id: String,
    pub route: String,
    /// What stands on the front of the vehicle.
    pub headsign: Option<String>,
}

/// What people call a route or a trip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Line of the file, from 1.
    pub line: u32,
    pub is_trip: bool,
    pub id: String,
    pub name: String,
}
