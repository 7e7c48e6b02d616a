//! OGC SensorThings API 1.1 (18-088): its nine kinds of entities, how they hang together, and what a
//! request asks for. Bytes to these types in `path`, `query`, `filter`, `decode` and `batch`, back in
//! `encode`.
//!
//! Not here: where entities come from. The same document stands for a device of the registry and for
//! what a client made. Invariant: nothing that is read from outside is deeper, longer or more than the
//! limits below; what is, is refused by name.

mod batch;
mod decode;
mod encode;
mod evaluate;
mod filter;
mod function;
mod path;
mod query;
mod shape;
mod topic;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value as Json};

pub use batch::{
    BATCH_MAX, Reply, Request, decode_json as decode_batch_json, encode_json as encode_batch_json,
    referred,
};
pub use batch::{
    decode_multipart as decode_batch_multipart, encode_multipart as encode_batch_multipart,
};
pub use decode::{
    DATA_ARRAY_ROWS_MAX, Draft, Link, asked_for, data_arrays, draft, json, json_patch, merged,
    patch, reference,
};
pub use encode::{collection, entity as encode_entity, link, next_link, root, self_link};
pub use evaluate::{Value, holds, order_by, time_of};
pub use filter::{Expr, Narrow, Path as FilterPath, narrow};
pub use path::{Path, Step, Tail, path};
pub use query::{Expand, Options, Order, PAGE_ROWS, PAGE_ROWS_MAX, options};
pub use shape::{Lie, Shape, shape};
pub use topic::{Follow, TOPIC_ROOT, followed, published};

/// Bytes of an address: its path and its query.
pub const ADDRESS_LEN_MAX: usize = 16_384;
/// How deep an expression, an expansion or a document may nest.
pub const DEPTH_MAX: usize = 16;
/// Entities of one deep insert.
pub const DEEP_INSERT_MAX: usize = 1_000;
/// Characters of a name, a definition, a description.
pub const TEXT_LEN_MAX: usize = 10_000;

/// A kind of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something that is observed or observes.
    Thing,
    /// Where Things are.
    Location,
    /// Where a Thing was, and since when.
    HistoricalLocation,
    /// Observations of one property of one Thing by one Sensor.
    Datastream,
    /// Observations of several properties at once.
    MultiDatastream,
    /// How something is observed.
    Sensor,
    /// What is observed.
    ObservedProperty,
    /// One value.
    Observation,
    /// What an observation is about.
    FeatureOfInterest,
}

/// A way from one kind to another.
#[derive(Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name in addresses and documents.
    pub name: &'static str,
    /// Where it leads.
    pub to: Kind,
    /// Whether to any number.
    pub many: bool,
    /// Whether an entity is nothing without it.
    pub required: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Words.
    Text,
    /// A moment or a span of time.
    Time,
    /// An object.
    Object,
    /// A list.
    List,
    /// Any JSON.
    Any,
}

/// A field of a kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether an entity is nothing without it.
    pub required: bool,
    /// Whether it is the server that knows it.
    pub read_only: bool,
}

const fn to_many(name: &'static str, to: Kind) -> Relation {
    Relation { name, to, many: true, required: false }
}

const fn to_one(name: &'static str, to: Kind) -> Relation {
    Relation { name, to, many: false, required: true }
}

const fn to_one_of_two(name: &'static str, to: Kind) -> Relation {
    Relation { name, to, many: false, required: false }
}

const fn must(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, required: true, read_only: false }
}

const fn may(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, required: false, read_only: false }
}

const fn told(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, required: false, read_only: true }
}

const NAME: Field = must("name", Holds::Text);
const DESCRIPTION: Field = must("description", Holds::Text);
const ENCODING: Field = must("encodingType", Holds::Text);
const PROPERTIES: Field = may("properties", Holds::Object);

const THING: &[Field] = &[NAME, DESCRIPTION, PROPERTIES];
const LOCATION: &[Field] = &[NAME, DESCRIPTION, ENCODING, must("location", Holds::Any), PROPERTIES];
const HISTORICAL_LOCATION: &[Field] = &[must("time", Holds::Time)];
const DATASTREAM: &[Field] = &[
    NAME,
    DESCRIPTION,
    must("unitOfMeasurement", Holds::Object),
    must("observationType", Holds::Text),
    PROPERTIES,
    told("observedArea", Holds::Object),
    told("phenomenonTime", Holds::Time),
    told("resultTime", Holds::Time),
];
const MULTI_DATASTREAM: &[Field] = &[
    NAME,
    DESCRIPTION,
    must("unitOfMeasurements", Holds::List),
    may("observationType", Holds::Text),
    must("multiObservationDataTypes", Holds::List),
    PROPERTIES,
    told("observedArea", Holds::Object),
    told("phenomenonTime", Holds::Time),
    told("resultTime", Holds::Time),
];
const SENSOR: &[Field] = &[NAME, DESCRIPTION, ENCODING, must("metadata", Holds::Any), PROPERTIES];
const OBSERVED_PROPERTY: &[Field] =
    &[NAME, must("definition", Holds::Text), DESCRIPTION, PROPERTIES];
const OBSERVATION: &[Field] = &[
    may("phenomenonTime", Holds::Time),
    must("result", Holds::Any),
    may("resultTime", Holds::Time),
    may("resultQuality", Holds::Any),
    may("validTime", Holds::Time),
    may("parameters", Holds::Object),
];
const FEATURE_OF_INTEREST: &[Field] =
    &[NAME, DESCRIPTION, ENCODING, must("feature", Holds::Any), PROPERTIES];

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Thing,
        Self::Location,
        Self::HistoricalLocation,
        Self::Datastream,
        Self::MultiDatastream,
        Self::Sensor,
        Self::ObservedProperty,
        Self::Observation,
        Self::FeatureOfInterest,
    ];

    /// The word for one.
    pub const fn one(self) -> &'static str {
        match self {
            Self::Thing => "Thing",
            Self::Location => "Location",
            Self::HistoricalLocation => "HistoricalLocation",
            Self::Datastream => "Datastream",
            Self::MultiDatastream => "MultiDatastream",
            Self::Sensor => "Sensor",
            Self::ObservedProperty => "ObservedProperty",
            Self::Observation => "Observation",
            Self::FeatureOfInterest => "FeatureOfInterest",
        }
    }

    /// The word for all of them.
    pub const fn set(self) -> &'static str {
        match self {
            Self::Thing => "Things",
            Self::Location => "Locations",
            Self::HistoricalLocation => "HistoricalLocations",
            Self::Datastream => "Datastreams",
            Self::MultiDatastream => "MultiDatastreams",
            Self::Sensor => "Sensors",
            Self::ObservedProperty => "ObservedProperties",
            Self::Observation => "Observations",
            Self::FeatureOfInterest => "FeaturesOfInterest",
        }
    }

    /// The kind with that word for one.
    pub fn from_one(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.one() == word)
    }

    /// The kind with that word for all.
    pub fn from_set(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.set() == word)
    }

    /// Where one can go from it.
    pub const fn relations(self) -> &'static [Relation] {
        use Kind as K;
        match self {
            Self::Thing => {
                &const {
                    [
                        to_many("Datastreams", K::Datastream),
                        to_many("MultiDatastreams", K::MultiDatastream),
                        to_many("Locations", K::Location),
                        to_many("HistoricalLocations", K::HistoricalLocation),
                    ]
                }
            }
            Self::Location => {
                &const {
                    [
                        to_many("Things", K::Thing),
                        to_many("HistoricalLocations", K::HistoricalLocation),
                    ]
                }
            }
            Self::HistoricalLocation => {
                &const { [to_one("Thing", K::Thing), to_many("Locations", K::Location)] }
            }
            Self::Datastream => {
                &const {
                    [
                        to_one("Thing", K::Thing),
                        to_one("Sensor", K::Sensor),
                        to_one("ObservedProperty", K::ObservedProperty),
                        to_many("Observations", K::Observation),
                    ]
                }
            }
            Self::MultiDatastream => {
                &const {
                    [
                        to_one("Thing", K::Thing),
                        to_one("Sensor", K::Sensor),
                        to_many("ObservedProperties", K::ObservedProperty),
                        to_many("Observations", K::Observation),
                    ]
                }
            }
            Self::Sensor | Self::ObservedProperty => {
                &const {
                    [
                        to_many("Datastreams", K::Datastream),
                        to_many("MultiDatastreams", K::MultiDatastream),
                    ]
                }
            }
            Self::Observation => {
                &const {
                    [
                        to_one_of_two("Datastream", K::Datastream),
                        to_one_of_two("MultiDatastream", K::MultiDatastream),
                        to_one("FeatureOfInterest", K::FeatureOfInterest),
                    ]
                }
            }
            Self::FeatureOfInterest => &const { [to_many("Observations", K::Observation)] },
        }
    }

    /// The way of that name.
    pub fn relation(self, name: &str) -> Option<&'static Relation> {
        self.relations().iter().find(|relation| relation.name == name)
    }

    /// The way to a kind: there is at most one.
    pub fn way_to(self, to: Self) -> Option<&'static Relation> {
        self.relations().iter().find(|relation| relation.to == to)
    }

    /// What it consists of besides.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Thing => THING,
            Self::Location => LOCATION,
            Self::HistoricalLocation => HISTORICAL_LOCATION,
            Self::Datastream => DATASTREAM,
            Self::MultiDatastream => MULTI_DATASTREAM,
            Self::Sensor => SENSOR,
            Self::ObservedProperty => OBSERVED_PROPERTY,
            Self::Observation => OBSERVATION,
            Self::FeatureOfInterest => FEATURE_OF_INTEREST,
        }
    }

    /// The field of that name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }
}

/// What an entity is called by. A client may send any, so a text is one too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// Words.
    Text(String),
}

impl Id {
    /// As it stands in a document.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Number(number) => Json::from(*number),
            Self::Text(text) => Json::from(text.as_str()),
        }
    }

    /// From a document.
    pub fn from_json(json: &Json) -> Option<Self> {
        match json {
            Json::Number(number) => number.as_i64().map(Self::Number),
            Json::String(text) => Some(Self::Text(text.clone())),
            _ => None,
        }
    }
}

/// As it stands in an address.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        }
    }
}

/// An entity, with as much of its neighbours as was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
    /// Its fields.
    pub fields: Map<String, Json>,
    /// Neighbours that were looked up, by the name of the way to them.
    pub links: BTreeMap<&'static str, Linked>,
}

/// Neighbours of an entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Linked {
    /// Over a way to one.
    One(Option<Box<Entity>>),
    /// Over a way to many.
    Many(Collection),
}

/// A page of entities.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collection {
    /// The entities.
    pub entities: Vec<Entity>,
    /// How to go on, where there are more.
    pub next: Option<Next>,
    /// How many there are in all, where that was asked.
    pub count: Option<u64>,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// After so many.
    Skip(usize),
    /// Behind this mark of the server's own.
    Token(String),
}

impl Entity {
    /// Without fields and neighbours.
    pub fn new(kind: Kind, id: Id) -> Self {
        Self { kind, id, fields: Map::new(), links: BTreeMap::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests;
