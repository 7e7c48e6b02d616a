//! Addresses: `Things(1)/Datastreams(2)/Observations`, `/name`, `/name/$value`, `/Thing/$ref`.
//!
//! Not here: whether there is such an entity.

use chengmai_model::error::STA_PATH;

use super::{ADDRESS_LEN_MAX, DEPTH_MAX, Id, Kind, Relation};
use crate::error::{Fault, place, quote};

/// One step of an address: a set, an entity of it, or a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it leads to.
    pub kind: Kind,
    /// Over which way; none for the first step.
    pub relation: Option<&'static Relation>,
    /// Which one of them.
    pub id: Option<Id>,
}

/// What is wanted of the last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// The entity, or the set.
    Whole,
    /// Its address only.
    Ref,
    /// A field, or a part of one.
    Property(Vec<String>),
    /// The same without any JSON around it.
    RawValue(Vec<String>),
}

/// An address below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// At least one.
    pub steps: Vec<Step>,
    /// What is wanted of it.
    pub tail: Tail,
}

impl Path {
    /// The kind it leads to.
    pub fn kind(&self) -> Kind {
        self.steps.last().map_or(Kind::Thing, |step| step.kind)
    }

    /// Whether it leads to any number of entities.
    pub fn is_set(&self) -> bool {
        self.steps.last().is_some_and(Step::is_set)
    }
}

impl Step {
    fn is_set(&self) -> bool {
        self.id.is_none() && self.relation.is_none_or(|relation| relation.many)
    }
}

/// Reads an address; percent signs are resolved already.
///
/// # Errors
/// [`STA_PATH`] with the byte at which it leads nowhere.
pub fn path(text: &str) -> Result<Path, Fault> {
    if text.len() > ADDRESS_LEN_MAX {
        return Err(nowhere(1, &text[..text.floor_char_boundary(80)]));
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut end = None;
    for (at, part) in parts(text.trim_matches('/')) {
        let fault = || nowhere(at, part);
        if end.is_some() || steps.len() + names.len() >= DEPTH_MAX {
            return Err(fault());
        }
        match part {
            "$ref" if names.is_empty() && !steps.is_empty() => end = Some(Tail::Ref),
            "$value" if !names.is_empty() => {
                end = Some(Tail::RawValue(std::mem::take(&mut names)));
            }
            _ if !names.is_empty() => names.push(part.to_owned()),
            _ => {
                if let Some(step) = step(steps.last(), part) {
                    steps.push(step);
                    continue;
                }
                let last = steps.last().filter(|last| !last.is_set()).ok_or_else(fault)?;
                if last.kind.field(part).is_none() && part != "@iot.id" && part != "id" {
                    return Err(fault());
                }
                names.push(part.to_owned());
            }
        }
    }
    if steps.is_empty() {
        return Err(nowhere(1, text));
    }
    let property = || if names.is_empty() { Tail::Whole } else { Tail::Property(names) };
    let tail = end.unwrap_or_else(property);
    Ok(Path { steps, tail })
}

/// The parts between slashes that stand outside quotes, each with its place from 1.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut quoted = false;
    let mut at = 1;
    text.split(move |letter| {
        quoted ^= letter == '\'';
        letter == '/' && !quoted
    })
    .map(move |part| {
        let here = at;
        at += part.len() + 1;
        (here, part)
    })
}

fn step(before: Option<&Step>, part: &str) -> Option<Step> {
    let (word, id) = match part.split_once('(') {
        Some((word, rest)) => (word, Some(id(rest.strip_suffix(')')?)?)),
        None => (part, None),
    };
    let (kind, relation) = match before {
        None => (Kind::from_set(word)?, None),
        Some(before) if before.is_set() => return None,
        Some(before) => {
            let relation = before.kind.relation(word)?;
            (relation.to, Some(relation))
        }
    };
    let fits = id.is_none() || relation.is_none_or(|relation| relation.many);
    fits.then_some(Step { kind, relation, id })
}

/// An id as it stands in an address.
pub(super) fn id(text: &str) -> Option<Id> {
    let quoted = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    match quoted {
        Some(inner) => Some(Id::Text(inner.replace("''", "'"))),
        None => text.parse().ok().map(Id::Number),
    }
}

fn nowhere(at: usize, part: &str) -> Fault {
    let part = quote(part.as_bytes());
    let (zh, en) = (format!("`{part}` 处无此资源"), format!("`{part}` leads nowhere"));
    Fault::new(0, place(at), &STA_PATH, zh, en)
}
