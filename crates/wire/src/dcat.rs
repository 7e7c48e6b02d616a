//! DCAT 3, the W3C's vocabulary for catalogues of data: which data sets a city has, where each may be had
//! in which form, and on which terms. Written as JSON-LD and as Turtle.
//!
//! Not here: what a city has (`server`). Not read: other catalogues. Invariants: both forms say the same,
//! because both are written from one tree; the JSON-LD carries its context, so that nothing has to be
//! fetched to read it; whatever the texts are, what is written is well-formed.

use chengmai_model::{Text, Timestamp};

mod encode;
mod graph;
#[cfg(test)]
mod tests;

pub use encode::graph;
pub use graph::Graph;

/// The media type of JSON-LD.
pub const JSON_LD: &str = "application/ld+json";
/// The media type of Turtle.
pub const TURTLE: &str = "text/turtle; charset=utf-8";

/// Who may have a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Those with an account, and of their own area.
    Restricted,
}

/// A form in which a data set is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// What it is.
    pub title: Text,
    /// Where it is.
    pub address: String,
    /// Its media type, without parameters.
    pub media: &'static str,
    /// It is the whole set, or the newest part of it, in one file.
    pub is_file: bool,
    /// Identifier of the [`Service`] that gives it.
    pub service: Option<&'static str>,
}

/// A data set.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// Its name in addresses.
    pub id: &'static str,
    /// What it is.
    pub title: Text,
    /// What is in it, in which units, from where.
    pub description: Text,
    /// Words to find it by.
    pub keywords: Vec<Text>,
    /// Who may have it.
    pub access: Access,
    /// The first moment that it tells of.
    pub from: Option<Timestamp>,
    /// In which forms.
    pub distributions: Vec<Distribution>,
}

/// A door that gives data sets to programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name in addresses.
    pub id: &'static str,
    /// What it is.
    pub title: Text,
    /// Where one enters.
    pub address: String,
    /// Where it is described.
    pub description: Option<String>,
    /// The address by which its standard is known.
    pub standard: Option<&'static str>,
    /// Who may use it.
    pub access: Access,
    /// Identifiers of the data sets it gives.
    pub serves: Vec<&'static str>,
}

/// A catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// Where it is.
    pub address: String,
    /// Its name.
    pub title: Text,
    /// What it is.
    pub description: Text,
    /// Who answers for the data.
    pub publisher: Text,
    /// Where to ask: `mailto:` or `https:`.
    pub contact: Option<String>,
    /// The address of the licence; none: nobody has said.
    pub licence: Option<String>,
    /// What to know of the licence where there is none.
    pub rights: Text,
    /// West, south, east, north, in degrees.
    pub bounds: Option<[f64; 4]>,
    /// Since when it says what it says.
    pub changed: Timestamp,
    /// What is there.
    pub sets: Vec<DataSet>,
    /// By which doors.
    pub services: Vec<Service>,
}
