//! OGC API Features, parts 1 to 3: what is asked of a collection, and documents and features as GeoJSON.
//!
//! Not here: which collections there are and who sees them (`server`), and the filter language (`cql2`).
//! Invariants: a parameter that is not known is refused; positions are longitude and latitude inside and in
//! the system asked for outside.

use chengmai_model::geometry::Shape;
use chengmai_model::{Text, Timestamp};
use serde_json::{Map, Value};

use crate::cql2::{Expr, Geometry};

mod crs;
mod decode;
mod describe;
mod encode;

pub use crs::Crs;
pub use decode::{collection_query, document_query};
pub use describe::{Described, description};
pub use encode::{
    changed, collection, collections, conformance, feature, features, landing, queryables, segment,
};

/// Features of an answer when no limit is named.
pub const LIMIT_DEFAULT: usize = 100;
/// Most features of an answer; who asks for more gets these.
pub const LIMIT_MAX: usize = 1_000;
/// Most parameters of a query.
pub const PARAMETERS_MAX: usize = 50;
/// Longest value of a parameter other than a filter, in bytes.
pub const VALUE_BYTES_MAX: usize = 1_000;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, of features GeoJSON.
    Json,
    /// A page.
    Html,
}

/// What is asked of any document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DocumentQuery {
    /// How it is to be written, where the address says so.
    pub format: Option<Format>,
    /// The language of pages and titles, where the address says so.
    pub language: Option<String>,
    /// The reference system of positions.
    pub crs: Crs,
}

/// A span of time, both ends in it; an end that is absent is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    /// Its first moment.
    pub from: Option<Timestamp>,
    /// Its last.
    pub to: Option<Timestamp>,
}

impl Interval {
    /// Whether they have a moment in common.
    pub fn meets(self, other: Self) -> bool {
        let starts_in_time = |from: Option<Timestamp>, to: Option<Timestamp>| match (from, to) {
            (Some(from), Some(to)) => from <= to,
            _ => true,
        };
        starts_in_time(self.from, other.to) && starts_in_time(other.from, self.to)
    }
}

/// What is asked of a collection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CollectionQuery {
    /// As of any document.
    pub document: DocumentQuery,
    /// Most features wanted, 1 to [`LIMIT_MAX`].
    pub limit: usize,
    /// Where the answer before ended.
    pub cursor: Option<String>,
    /// Only features that meet this box.
    pub bbox: Option<Geometry>,
    /// Only features that meet this span.
    pub datetime: Option<Interval>,
    /// Only features for which this holds: the filter, and properties asked for by name.
    pub filter: Option<Expr>,
}

/// A way from one document to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where to.
    pub href: String,
    /// What for: `self`, `next`, `items`.
    pub rel: &'static str,
    /// What is there.
    pub kind: &'static str,
    /// The same in words.
    pub title: String,
}

/// A collection as clients see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// Its name in addresses.
    pub id: &'static str,
    /// Its name for people.
    pub title: String,
    /// What is in it.
    pub description: String,
    /// West, south, east, north, where known.
    pub bounds: Option<[f64; 4]>,
    /// Whether its features have times.
    pub is_temporal: bool,
    /// From here to its parts.
    pub links: Vec<Link>,
}

/// Where a feature is.
#[derive(Debug, Clone, PartialEq)]
pub enum Position {
    /// At a point.
    Point([f64; 2]),
    /// All over a shape.
    Shape(Shape),
}

/// A feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its id, unique in its collection.
    pub id: String,
    /// Where it is, if known.
    pub position: Option<Position>,
    /// What is said of it.
    pub properties: Map<String, Value>,
}

/// Features on their way out.
#[derive(Debug, Clone, PartialEq)]
pub struct FeaturePage {
    /// The features.
    pub features: Vec<Feature>,
    /// How many there are in all, where that is known.
    pub matched: Option<u64>,
    /// To the same, and to the next ones.
    pub links: Vec<Link>,
    /// When the answer was made.
    pub at: Timestamp,
}

/// Media types.
pub mod media {
    /// Documents.
    pub const JSON: &str = "application/json";
    /// Features.
    pub const GEOJSON: &str = "application/geo+json";
    /// Queryables.
    pub const SCHEMA: &str = "application/schema+json";
    /// The description of the interface.
    pub const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";
    /// Pages.
    pub const HTML: &str = "text/html";
}

/// What of the standards is kept to, each by the address of its test.
pub const CONFORMANCE: [&str; 16] = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions-plus",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-functions",
];

/// What a title says in both languages, for documents that have room for one.
pub(crate) fn both(text: &Text) -> String {
    format!("{} · {}", text.zh, text.en)
}

#[cfg(test)]
mod tests;
