//! NGSI-LD (ETSI GS CIM 009): entities and their attributes in JSON-LD, the terms of a `@context`, the
//! query language, and subscriptions.
//!
//! Not here: which entities there are and who sees them (`server`). Nothing is ever fetched: a context is
//! built from texts that are at hand, or it is missing. Invariants: inside, names are whole (IRIs), outside
//! they are as the context has them; what is read keeps to the limits below; a value of a Property is JSON
//! and never looked into by the rules of JSON-LD.

use std::collections::BTreeMap;

use chengmai_model::Timestamp;
use chengmai_model::error::ErrorCode;
use serde_json::Value as Json;

use crate::Fault;

mod attribute;
mod context;
mod decode;
mod encode;
mod evaluate;
mod geo_query;
mod query;
mod request;
mod subscription;
mod temporal;

pub use context::{
    CONTEXT_BYTES_MAX, CORE_URL, Context, DEFAULT_VOCABULARY, LINK_RELATION, Missing, NAMESPACE,
    Wanted, is_core, link_target,
};
pub use decode::{change, entities, entity, fragment, identifiers, json, said_id};
pub use encode::{
    Form, Output, batch_result, entity_json, feature_collection, feature_json, notification,
};
pub use geo_query::GeoQuery;
pub use query::{Q, parse as parse_q};
pub use request::{EntityQuery, Picked, TypeTest, entity_query, posted_query};
pub use subscription::{Selector, Subscription, subscription};
pub use temporal::{
    Aggregate, Method, Moments, PARAMETERS as TEMPORAL_PARAMETERS, TemporalQuery, Values,
    temporal_json, temporal_query,
};

/// Bytes of one body.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting of a body.
pub const DEPTH_MAX: usize = 32;
/// Attributes of one entity with those of its attributes.
pub const ATTRIBUTES_MAX: usize = 500;
/// Bytes of one entity.
pub const ENTITY_BYTES_MAX: usize = 256 * 1024;
/// Entities of one batch.
pub const BATCH_MAX: usize = 1_000;
/// Bytes of an id or a name.
pub const NAME_BYTES_MAX: usize = 512;
/// What stands for nothing in a change: it takes an attribute away.
pub const NULL: &str = "urn:ngsi-ld:null";

/// An entity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entity {
    /// Its id, a URI.
    pub id: String,
    /// Its types, one at least.
    pub types: Vec<String>,
    /// Where it stands in hierarchies of its own.
    pub scopes: Vec<String>,
    /// Its attributes by name, each with its instances.
    pub attributes: BTreeMap<String, Vec<Attribute>>,
    /// When it was made, if that is known.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub modified_at: Option<Timestamp>,
}

/// What an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the standard's own words")]
pub enum Kind {
    Property,
    GeoProperty,
    Relationship,
    LanguageProperty,
    VocabProperty,
    JsonProperty,
    ListProperty,
    ListRelationship,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Property,
        Self::GeoProperty,
        Self::Relationship,
        Self::LanguageProperty,
        Self::VocabProperty,
        Self::JsonProperty,
        Self::ListProperty,
        Self::ListRelationship,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Property => "Property",
            Self::GeoProperty => "GeoProperty",
            Self::Relationship => "Relationship",
            Self::LanguageProperty => "LanguageProperty",
            Self::VocabProperty => "VocabProperty",
            Self::JsonProperty => "JsonProperty",
            Self::ListProperty => "ListProperty",
            Self::ListRelationship => "ListRelationship",
        }
    }

    /// Under which name its value stands.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Property | Self::GeoProperty => "value",
            Self::Relationship => "object",
            Self::LanguageProperty => "languageMap",
            Self::VocabProperty => "vocab",
            Self::JsonProperty => "json",
            Self::ListProperty => "valueList",
            Self::ListRelationship => "objectList",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// One instance of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// What it is.
    pub kind: Kind,
    /// Its value; of words of a vocabulary, the whole ones.
    pub value: Json,
    /// When it was so.
    pub observed_at: Option<Timestamp>,
    /// Unit of its value, by UN/CEFACT's code.
    pub unit_code: Option<String>,
    /// Which of several instances it is; none is the usual one.
    pub dataset: Option<String>,
    /// What is said of it.
    pub more: BTreeMap<String, Vec<Attribute>>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub modified_at: Option<Timestamp>,
}

impl Attribute {
    /// An attribute with nothing but a value.
    pub fn new(kind: Kind, value: impl Into<Json>) -> Self {
        Self {
            kind,
            value: value.into(),
            observed_at: None,
            unit_code: None,
            dataset: None,
            more: BTreeMap::new(),
            created_at: None,
            modified_at: None,
        }
    }

    /// A Property.
    pub fn property(value: impl Into<Json>) -> Self {
        Self::new(Kind::Property, value)
    }

    /// A Relationship.
    pub fn relationship(object: impl Into<Json>) -> Self {
        Self::new(Kind::Relationship, object)
    }

    /// Whether it takes an attribute away.
    pub fn is_null(&self) -> bool {
        match &self.value {
            Json::String(text) => text == NULL,
            Json::Object(map) => {
                self.kind == Kind::LanguageProperty
                    && map.values().any(|word| word.as_str() == Some(NULL))
            }
            _ => false,
        }
    }
}

impl Entity {
    /// The instance that is meant when none is named.
    pub fn usual(&self, name: &str) -> Option<&Attribute> {
        let all = self.attributes.get(name)?;
        all.iter().find(|one| one.dataset.is_none()).or(all.first())
    }
}

/// Whether a text may be an id: a URI, without blanks.
pub fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme
        && !rest.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
}

fn bad(code: &'static ErrorCode, zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new(1, 1, code, zh, en)
}

#[cfg(test)]
mod tests;
