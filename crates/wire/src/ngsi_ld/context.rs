//! The terms of a `@context`: what short names stand for, and how whole names are shortened.
//!
//! What it is not: a processor of JSON-LD. Terms, prefixes and `@vocab` are read; containers and coercions
//! are not needed, since values are taken as they are. Invariants: terms of the core cannot be given another
//! meaning; a context that is named and not at hand is missing, whatever its address is, and nobody asks
//! the network for it; a context has at most [`TERMS_MAX`] terms and names at most [`NAMED_MAX`] others.
//!
//! What the core's terms stand for is a fact of the standard's annex B (GS CIM 009 v1.9.1): those that
//! can be names of attributes or types are kept here.

use std::collections::BTreeMap;

use chengmai_model::error::{NGSI_BODY, NGSI_REQUEST};
use serde_json::{Map, Value as Json, json};

use super::{NAME_BYTES_MAX, bad};
use crate::error::{Fault, quote};

/// The core context as answers name it.
pub const CORE_URL: &str =
    concat!("https:", "//uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld");
/// Names that no context explains begin with this.
pub const DEFAULT_VOCABULARY: &str = concat!("https:", "//uri.etsi.org/ngsi-ld/default-context/");
/// The standard's own names begin with this.
pub const NAMESPACE: &str = concat!("https:", "//uri.etsi.org/ngsi-ld/");
/// The relation of a link to a context.
pub const LINK_RELATION: &str = concat!("http:", "//www.w3.org/ns/json-ld#context");
/// Bytes of one context.
pub const CONTEXT_BYTES_MAX: usize = 512 * 1024;

/// Terms of one context with those that it names.
const TERMS_MAX: usize = 20_000;
/// Contexts that one may name, and those in turn.
const NAMED_MAX: usize = 16;
/// Contexts within contexts.
const DEPTH_MAX: usize = 6;
/// Definitions that lead to each other.
const STEPS_MAX: usize = 8;

const CORE_PREFIX: &str = concat!("https:", "//uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context");
const DUBLIN_CORE: &str = concat!("http:", "//purl.org/dc/terms/");
const GEOJSON: &str = concat!("https:", "//purl.org/geojson/vocab#");
/// Terms of the core that stand for the standard's own name of the same letters, and may be attributes or
/// types of somebody's entities.
const OWN: [&str; 35] = [
    "accept",
    "containedBy",
    "data",
    "detail",
    "endpoint",
    "entities",
    "entity",
    "error",
    "errors",
    "format",
    "information",
    "join",
    "lang",
    "location",
    "management",
    "mode",
    "notification",
    "observationInterval",
    "observationSpace",
    "operationSpace",
    "operations",
    "ordering",
    "q",
    "reason",
    "refreshRate",
    "scope",
    "status",
    "tenant",
    "throttling",
    "timeInterval",
    "timeout",
    "uri",
    "Notification",
    "Snapshot",
    "Subscription",
];

/// Short names and what they stand for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    terms: BTreeMap<String, String>,
    short: BTreeMap<String, String>,
    vocabulary: Option<String>,
    /// Addresses it was asked for by, in order; what stood there itself is in `terms` only.
    named: Vec<String>,
    /// It has terms that no address leads to.
    inline: bool,
}

/// Why there is no context.
#[derive(Debug, Clone, PartialEq)]
pub enum Missing {
    /// A context of this address is needed, and not at hand.
    Url(String),
    /// It is not right.
    Fault(Fault),
}

impl From<Fault> for Missing {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What is to be built: a `@context` as it was sent, or an address.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// The value of `@context`.
    Json(&'a Json),
    /// An address.
    Url(&'a str),
}

/// Whether an address is that of the core context, of any version.
pub fn is_core(url: &str) -> bool {
    let rest = url.strip_prefix(CORE_PREFIX).and_then(|rest| rest.strip_suffix(".jsonld"));
    rest.is_some_and(|version| {
        version.is_empty()
            || version
                .strip_prefix("-v1.")
                .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The address in a `Link` header whose relation is that of a context; none when it names no context.
///
/// # Errors
/// When the header cannot be read, or names several.
pub fn link_target(header: &str) -> Result<Option<String>, Fault> {
    let unread = || bad(&NGSI_REQUEST, "Link 请求头无法读取", "the header Link cannot be read");
    let mut found = None;
    for link in header.split(",<").flat_map(|part| part.split(", <")) {
        let link = link.trim().trim_start_matches('<');
        let (url, parameters) = link.split_once('>').ok_or_else(unread)?;
        let is_context = parameters.split(';').any(|one| {
            one.trim()
                .strip_prefix("rel=")
                .is_some_and(|rel| rel.trim_matches('"') == LINK_RELATION)
        });
        if is_context && found.replace(url.trim().to_owned()).is_some() {
            return Err(unread());
        }
    }
    Ok(found)
}

impl Context {
    /// A context from what was sent, with the texts at hand by their addresses.
    ///
    /// # Errors
    /// The first address that is not among `known`; what is wrong with a context.
    pub fn build(wanted: Wanted<'_>, known: &BTreeMap<String, Json>) -> Result<Self, Missing> {
        let mut builder = Builder { known, context: Self::default(), named: 0 };
        match wanted {
            Wanted::Json(json) => builder.add(json, 0)?,
            Wanted::Url(url) => builder.url(url, 0)?,
        }
        Ok(builder.finish())
    }

    /// The whole name of an attribute, a type or a word of a vocabulary.
    pub fn expand(&self, name: &str) -> String {
        self.resolve(name, 0)
    }

    fn resolve(&self, name: &str, step: usize) -> String {
        if name.starts_with('@') || step > STEPS_MAX {
            return name.to_owned();
        }
        if let Some(own) = core(name) {
            return own;
        }
        if let Some(iri) = self.terms.get(name) {
            return if iri == name { iri.clone() } else { self.resolve(iri, step + 1) };
        }
        if let Some((prefix, rest)) = name.split_once(':') {
            let space = match prefix {
                "ngsi-ld" => Some(NAMESPACE.to_owned()),
                "geojson" => Some(GEOJSON.to_owned()),
                _ if rest.starts_with("//") => None,
                _ => self.terms.get(prefix).map(|space| self.resolve(space, step + 1)),
            };
            return space.map_or_else(|| name.to_owned(), |space| space + rest);
        }
        let vocabulary = self.vocabulary.as_deref().unwrap_or(DEFAULT_VOCABULARY);
        format!("{vocabulary}{name}")
    }

    /// The short name of a whole one; itself where there is none that means it.
    pub fn compact(&self, iri: &str) -> String {
        if let Some(term) = self.short.get(iri) {
            return term.clone();
        }
        let own = [NAMESPACE, DUBLIN_CORE, GEOJSON];
        let spaces = own.into_iter().chain(self.vocabulary.as_deref());
        for space in spaces.chain([DEFAULT_VOCABULARY]) {
            let term = iri.strip_prefix(space).filter(|term| !term.is_empty());
            if let Some(term) = term.filter(|term| !term.contains(':') && self.expand(term) == iri)
            {
                return term.to_owned();
            }
        }
        iri.to_owned()
    }

    /// What an answer gives as its `@context`: what it was asked for by, and the core behind it.
    pub fn said(&self) -> Json {
        let mut all: Vec<Json> = self.named.iter().map(|url| json!(url)).collect();
        if self.inline {
            all.push(self.definitions());
        }
        if all.is_empty() {
            return json!(CORE_URL);
        }
        all.push(json!(CORE_URL));
        Json::Array(all)
    }

    /// The one address that explains an answer in plain JSON; none when no single one does.
    pub fn link(&self) -> Option<&str> {
        match (self.named.as_slice(), self.inline) {
            ([], false) => Some(CORE_URL),
            ([one], false) => Some(one),
            _ => None,
        }
    }

    /// All terms as a context in place, so that it can be built again when nothing else is at hand.
    pub fn definitions(&self) -> Json {
        let mut map: Map<String, Json> =
            self.terms.iter().map(|(term, iri)| (term.clone(), json!(iri))).collect();
        if let Some(vocabulary) = &self.vocabulary {
            map.insert("@vocab".to_owned(), json!(vocabulary));
        }
        Json::Object(map)
    }
}

/// What a term of the core stands for.
fn core(name: &str) -> Option<String> {
    match name {
        "title" | "description" => Some(format!("{DUBLIN_CORE}{name}")),
        _ if OWN.contains(&name) => Some(format!("{NAMESPACE}{name}")),
        _ => None,
    }
}

struct Builder<'a> {
    known: &'a BTreeMap<String, Json>,
    context: Context,
    named: usize,
}

impl Builder<'_> {
    fn add(&mut self, json: &Json, depth: usize) -> Result<(), Missing> {
        if depth > DEPTH_MAX {
            return Err(wrong("@context 嵌套过深", "@context is nested too deep").into());
        }
        match json {
            Json::Null => Ok(()),
            Json::String(url) => self.url(url, depth),
            Json::Array(all) => all.iter().try_for_each(|one| self.add(one, depth + 1)),
            Json::Object(map) => {
                if depth <= 1 {
                    self.context.inline = true;
                }
                self.terms(map)
            }
            _ => {
                Err(wrong("@context 应为地址或对象", "@context is an address or an object").into())
            }
        }
    }

    fn url(&mut self, url: &str, depth: usize) -> Result<(), Missing> {
        self.named += 1;
        if self.named > NAMED_MAX || depth > DEPTH_MAX {
            let (zh, en) = ("@context 引用过多", "@context names too many others");
            return Err(wrong(zh, en).into());
        }
        if is_core(url) {
            return Ok(());
        }
        let Some(text) = self.known.get(url) else { return Err(Missing::Url(url.to_owned())) };
        if depth <= 1 {
            self.context.named.push(url.to_owned());
        }
        let inner = text.get("@context").unwrap_or(text).clone();
        self.add(&inner, depth + 2)
    }

    fn terms(&mut self, map: &Map<String, Json>) -> Result<(), Missing> {
        for (term, definition) in map {
            if term.len() > NAME_BYTES_MAX {
                return Err(wrong("@context 的词过长", "a term of @context is too long").into());
            }
            let id = match definition {
                Json::Object(parts) => parts.get("@id").unwrap_or(&Json::Null),
                plain => plain,
            };
            match (term.as_str(), id) {
                ("@vocab", Json::String(space)) => self.context.vocabulary = Some(space.clone()),
                ("@vocab", _) => self.context.vocabulary = None,
                ("@import", _) => {
                    return Err(wrong("不接受 @import", "@import is not taken").into());
                }
                (word, _) if word.starts_with('@') => {}
                (_, Json::String(iri)) if iri.starts_with('@') => {}
                (_, Json::String(iri)) if iri.len() <= NAME_BYTES_MAX => {
                    self.context.terms.insert(term.clone(), iri.clone());
                }
                (_, Json::Null) => {
                    self.context.terms.remove(term);
                }
                _ => {
                    let name = quote(term.as_bytes());
                    let (zh, en) = (
                        format!("@context 中 `{name}` 的定义无法读取"),
                        format!("the definition of `{name}` in @context cannot be read"),
                    );
                    return Err(wrong(zh, en).into());
                }
            }
        }
        if self.context.terms.len() > TERMS_MAX {
            let (zh, en) = (
                format!("@context 超过 {TERMS_MAX} 个词"),
                format!("@context has more than {TERMS_MAX} terms"),
            );
            return Err(wrong(zh, en).into());
        }
        Ok(())
    }

    fn finish(mut self) -> Context {
        let whole: Vec<(String, String)> = self
            .context
            .terms
            .keys()
            .filter(|term| core(term).is_none())
            .map(|term| (self.context.expand(term), term.clone()))
            .collect();
        for (iri, term) in whole {
            // Of several short names the shortest one is taken, and of those the first.
            let known = self.context.short.get(&iri);
            if known.is_none_or(|known| (term.len(), &term) < (known.len(), known)) {
                self.context.short.insert(iri, term);
            }
        }
        self.context
    }
}

fn wrong(zh: impl Into<String>, en: impl Into<String>) -> Fault {
    bad(&NGSI_BODY, zh, en)
}
