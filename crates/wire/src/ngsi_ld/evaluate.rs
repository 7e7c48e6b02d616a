//! Whether a query holds for an entity.
//!
//! Invariants: an attribute that is not there makes every comparison false, also `!=`; of several values
//! one that is equal is enough for `==`, and none may be for `!=`.

use std::cmp::Ordering;

use chengmai_model::Timestamp;
use serde_json::Value as Json;

use super::query::{Expr, How, Path, Q, Value, Wanted};
use super::{Attribute, Entity, Kind};

impl Q {
    /// Whether it holds.
    pub fn holds(&self, entity: &Entity) -> bool {
        judge(&self.expr, entity)
    }
}

fn judge(expr: &Expr, entity: &Entity) -> bool {
    match expr {
        Expr::All(parts) => parts.iter().all(|part| judge(part, entity)),
        Expr::Any(parts) => parts.iter().any(|part| judge(part, entity)),
        Expr::Exists(path) => !found(path, entity).is_empty(),
        Expr::Lacks(path) => found(path, entity).is_empty(),
        Expr::Pattern { path, pattern, is_meant } => {
            let all = found(path, entity);
            let fits = all.iter().filter_map(Json::as_str).any(|text| pattern.is_match(text));
            !all.is_empty() && fits == *is_meant
        }
        Expr::Test { path, how, values } => {
            let all = found(path, entity);
            let any = |fits: &dyn Fn(&Json) -> bool| all.iter().any(fits);
            let equal = |value: &Json| values.iter().any(|wanted| is_in(value, wanted));
            let ordered = |accept: fn(Ordering) -> bool| {
                any(&|value| match values.first() {
                    Some(Wanted::One(wanted)) => compare(value, wanted).is_some_and(accept),
                    _ => false,
                })
            };
            match how {
                How::Equal => any(&equal),
                How::Unequal => !all.is_empty() && !any(&equal),
                How::Less => ordered(Ordering::is_lt),
                How::AtMost => ordered(Ordering::is_le),
                How::Greater => ordered(Ordering::is_gt),
                How::AtLeast => ordered(Ordering::is_ge),
            }
        }
    }
}

/// Everything that stands at a path, lists taken apart.
fn found(path: &Path, entity: &Entity) -> Vec<Json> {
    let Some(((short, whole), rest)) = path.names.split_first() else { return Vec::new() };
    let mut all = Vec::new();
    match entity.attributes.get(whole) {
        Some(instances) => {
            for one in instances {
                collect(one, rest, &path.trail, &mut all);
            }
        }
        None if rest.is_empty() => {
            let at = match short.as_str() {
                "createdAt" => entity.created_at,
                "modifiedAt" => entity.modified_at,
                _ => None,
            };
            all.extend(at.map(time));
        }
        None => {}
    }
    all
}

fn time(at: Timestamp) -> Json {
    Json::from(at.to_rfc3339())
}

fn collect(one: &Attribute, names: &[(String, String)], trail: &[String], all: &mut Vec<Json>) {
    let Some(((short, whole), rest)) = names.split_first() else {
        let words = trail.iter().map(String::as_str);
        return into_value(&one.value, words, one.kind == Kind::LanguageProperty, all);
    };
    let meta = match short.as_str() {
        "observedAt" => one.observed_at.map(time),
        "createdAt" => one.created_at.map(time),
        "modifiedAt" => one.modified_at.map(time),
        "unitCode" => one.unit_code.as_deref().map(Json::from),
        "datasetId" => one.dataset.as_deref().map(Json::from),
        _ => None,
    };
    if let (Some(meta), true) = (meta, rest.is_empty()) {
        all.push(meta);
    } else if let Some(instances) = one.more.get(whole) {
        for inner in instances {
            collect(inner, rest, trail, all);
        }
    } else {
        // Many clients go into a value with points as well.
        let words = names.iter().map(|(short, _)| short.as_str());
        into_value(&one.value, words.chain(trail.iter().map(String::as_str)), false, all);
    }
}

fn into_value<'a>(
    value: &Json,
    mut words: impl Iterator<Item = &'a str>,
    is_map: bool,
    all: &mut Vec<Json>,
) {
    let at = words.try_fold(value, |value, word| value.get(word));
    match at {
        None | Some(Json::Null) => {}
        Some(Json::Array(list)) => all.extend(list.iter().cloned()),
        // Words in several languages: any of them.
        Some(Json::Object(map)) if is_map => all.extend(map.values().cloned()),
        Some(Json::Object(map)) => match map.get("@value") {
            Some(inner) => all.push(inner.clone()),
            None => all.push(Json::Object(map.clone())),
        },
        Some(plain) => all.push(plain.clone()),
    }
}

fn is_in(value: &Json, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::One(one) => compare(value, one) == Some(Ordering::Equal),
        Wanted::Range(low, high) => {
            compare(value, low).is_some_and(Ordering::is_ge)
                && compare(value, high).is_some_and(Ordering::is_le)
        }
    }
}

fn compare(value: &Json, wanted: &Value) -> Option<Ordering> {
    match (value, wanted) {
        (Json::Number(number), Value::Number(wanted)) => number.as_f64()?.partial_cmp(wanted),
        (Json::Bool(truth), Value::Truth(wanted)) => Some(truth.cmp(wanted)),
        (Json::String(text), Value::Text(_, whole)) if text == whole => Some(Ordering::Equal),
        (Json::String(text), Value::Text(wanted, _)) => Some(text.as_str().cmp(wanted)),
        (Json::String(text), Value::Time(wanted, written)) => {
            match Timestamp::parse_rfc3339(text) {
                Some(at) => Some(at.cmp(wanted)),
                None => (text == written).then_some(Ordering::Equal),
            }
        }
        _ => None,
    }
}
