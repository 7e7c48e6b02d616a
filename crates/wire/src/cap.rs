//! CAP 1.2, the Common Alerting Protocol of OASIS (ITU-T X.1303): what a city tells the outside of a
//! warning, as XML that may be signed, and the Atom feed by which readers find it; and what others tell the
//! city.
//!
//! Not here: which warnings are told (`store`), what is said of them and the key, what becomes of messages
//! of others (`server`); verifying their signatures.
//! Invariants: what is decoded has names, times and areas within limits, and reading it expands and fetches
//! nothing; whatever the texts are, what is encoded is well-formed and already in the form of Exclusive
//! XML Canonicalization, so its bytes can be hashed as they are; no time ends in `Z`, which the standard
//! refuses.

use chengmai_model::geometry::Ring;
use chengmai_model::{Severity, Timestamp};

mod decode;
mod encode;
mod feed;
mod signature;
#[cfg(test)]
mod tests;

pub use decode::{BYTES_MAX, ELEMENTS_MAX, NAME_LEN_MAX, POINTS_MAX, message};
pub use encode::{alert, name, place, time};
pub use feed::{Entry, Feed, atom};
pub use signature::{key_pem, signed, signed_info};

/// The namespace of an alert.
pub const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// The media type of an alert.
pub const MEDIA: &str = "application/cap+xml";
/// The media type of a feed.
pub const FEED_MEDIA: &str = "application/atom+xml; charset=utf-8";

/// Whether receivers are to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Act on it.
    Actual,
    /// Everybody is to disregard it: nothing of it happened.
    Test,
}

/// What a message does to those it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It refers to none.
    Alert,
    /// It replaces them.
    Update,
    /// It calls them off.
    Cancel,
}

/// How soon one should act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// At once.
    Immediate,
    /// Within the hour.
    Expected,
    /// No more.
    Past,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// A person confirmed it.
    Observed,
    /// Instruments say so.
    Likely,
}

/// What one should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// Follow what comes.
    Monitor,
    /// It is over.
    AllClear,
}

/// An earlier message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its identifier.
    pub identifier: String,
    /// When it was sent.
    pub sent: Timestamp,
}

/// Where.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// In words.
    pub description: String,
    /// Outer rings in degrees of longitude and latitude, not closed.
    pub polygons: Vec<Ring>,
    /// A point in longitude and latitude, and how many kilometres around it.
    pub circle: Option<([f64; 2], f64)>,
    /// Names of lists of codes, and a code of each.
    pub geocodes: Vec<(&'static str, String)>,
}

/// What is said in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// `zh-CN`.
    pub language: &'static str,
    /// What it is about, in the standard's words; at least one.
    pub categories: Vec<String>,
    /// What happens.
    pub event: String,
    /// What one should do.
    pub response: Response,
    /// How soon.
    pub urgency: Urgency,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub certainty: Certainty,
    /// Names of lists of events, and a code of each.
    pub event_codes: Vec<(&'static str, String)>,
    /// When it began.
    pub onset: Timestamp,
    /// Who says so.
    pub sender_name: String,
    /// One line.
    pub headline: String,
    /// Some sentences.
    pub description: String,
    /// Facts by name.
    pub parameters: Vec<(&'static str, String)>,
    /// Where.
    pub area: Area,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its own name among the sender's.
    pub identifier: String,
    /// The sender's name, like no other.
    pub sender: String,
    /// When, in whole seconds.
    pub sent: Timestamp,
    /// Whether receivers are to act.
    pub status: Status,
    /// What it does.
    pub kind: Kind,
    /// For whom it is: it is restricted to them.
    pub restriction: String,
    /// A remark.
    pub note: Option<String>,
    /// The messages it replaces or calls off, oldest first.
    pub references: Vec<Reference>,
    /// The incident that all messages of one thing name.
    pub incident: String,
    /// In each language.
    pub infos: Vec<Info>,
}

/// The name of a message of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Who sent it.
    pub sender: String,
    /// Its name among the sender's.
    pub identifier: String,
}

/// Where a message of somebody else says that something is.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedArea {
    /// In words.
    pub description: String,
    /// Rings in degrees of longitude and latitude, not closed.
    pub polygons: Vec<Ring>,
    /// Points in longitude and latitude, and how many kilometres around them.
    pub circles: Vec<([f64; 2], f64)>,
    /// Codes, of whatever list.
    pub codes: Vec<String>,
}

/// What a message of somebody else says in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedInfo {
    /// `zh-CN`; `en-US` when it says nothing.
    pub language: String,
    /// What happens.
    pub event: String,
    /// One line.
    pub headline: Option<String>,
    /// Some sentences.
    pub description: Option<String>,
    /// It says that all is clear.
    pub is_over: bool,
    /// How bad; what is unknown counts as the mildest.
    pub severity: Severity,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// Where.
    pub areas: Vec<ReceivedArea>,
}

/// A message of somebody else.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Its name.
    pub source: Source,
    /// When it was sent.
    pub sent: Timestamp,
    /// It is no exercise and no test.
    pub is_real: bool,
    /// What it does.
    pub kind: Kind,
    /// The messages it replaces or calls off.
    pub references: Vec<Source>,
    /// In each language; a cancel may have none.
    pub infos: Vec<ReceivedInfo>,
}

/// What of the standard's words our four severities are.
fn severity_word(severity: Severity) -> &'static str {
    match severity.number() {
        4 => "Extreme",
        3 => "Severe",
        2 => "Moderate",
        _ => "Minor",
    }
}
