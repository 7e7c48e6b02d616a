//! Topics of MQTT: the addresses below the service's root, as entities are published to them and followed
//! under them.
//!
//! Not here: whether there is such an entity, and who may see it.

use chengmai_model::error::{STA_PATH, STA_TOPIC};

use super::{ADDRESS_LEN_MAX, Options, Path, Tail, options, path};
use crate::error::{Fault, quote};

/// What every topic begins with.
pub const TOPIC_ROOT: &str = "v1.1/";

/// What somebody wants to be told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Follow {
    /// A set, an entity, or a part of one.
    pub path: Path,
    /// Of a set: which fields; nothing else is ever asked.
    pub options: Options,
}

/// The address of a set that a message is published to.
///
/// # Errors
/// [`STA_PATH`] when the topic is no set's.
pub fn published(topic: &str) -> Result<Path, Fault> {
    let path = path(below(topic, &STA_PATH)?)?;
    let is_set = path.is_set() && path.tail == Tail::Whole;
    is_set.then_some(path).ok_or_else(|| {
        let (zh, en) = ("只能发布到集合", "new entities are published to a set");
        Fault::new(0, 1, &STA_PATH, zh, en)
    })
}

/// What a topic lets one follow.
///
/// # Errors
/// [`STA_TOPIC`] or [`STA_PATH`] for what cannot be followed, [`STA_QUERY`](chengmai_model::error::STA_QUERY) for a `$select` of
/// what is not there.
pub fn followed(topic: &str) -> Result<Follow, Fault> {
    let no = |zh: &str, en: &str| Fault::new(0, 1, &STA_TOPIC, zh, en);
    let (address, query) = topic.split_once('?').map_or((topic, None), |(a, q)| (a, Some(q)));
    if address.contains(['+', '#']) {
        return Err(no("不支持通配符", "wildcards are not taken: name each address"));
    }
    let path = path(below(address, &STA_TOPIC)?)?;
    match &path.tail {
        Tail::Whole => {}
        Tail::Property(names) => {
            let field = names.first().and_then(|name| path.kind().field(name));
            if field.is_none_or(|field| field.read_only) {
                let (zh, en) = (
                    "该属性由观测得出；请订阅其 Observations",
                    "this follows from observations: follow those",
                );
                return Err(no(zh, en));
            }
        }
        Tail::Ref | Tail::RawValue(_) => {
            return Err(no("不能订阅 $ref 与 $value", "$ref and $value cannot be followed"));
        }
    }
    let options = options(path.kind(), query.unwrap_or_default())?;
    let only_fields = options.written.iter().all(|(name, _)| name == "$select");
    if query.is_some() && !(path.is_set() && only_fields) {
        return Err(no(
            "订阅集合时只支持 $select",
            "a topic takes $select, of a set, and nothing else",
        ));
    }
    Ok(Follow { path, options })
}

fn below<'a>(
    topic: &'a str,
    code: &'static chengmai_model::error::ErrorCode,
) -> Result<&'a str, Fault> {
    let rest = topic.strip_prefix(TOPIC_ROOT).filter(|rest| rest.len() <= ADDRESS_LEN_MAX);
    rest.ok_or_else(|| {
        let shown = quote(topic.as_bytes());
        let (zh, en) = (
            format!("主题 `{shown}` 不以 {TOPIC_ROOT} 开头"),
            format!("topic `{shown}` does not begin with {TOPIC_ROOT}"),
        );
        Fault::new(0, 1, code, zh, en)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_an_address_and_follows_a_set_an_entity_or_a_part_of_one() {
        for (topic, set) in [
            ("v1.1/Observations", true),
            ("v1.1/Datastreams(7)/Observations", true),
            ("v1.1/Things(1)/Datastreams", true),
            ("v1.1/Datastreams(7)/Observations?$select=result,phenomenonTime", true),
            ("v1.1/Things(1)", false),
            ("v1.1/Datastreams(7)/Thing", false),
            ("v1.1/Datastreams(1)/description", false),
            ("v1.1/Things(1)/properties/floor", false),
        ] {
            let follow = followed(topic).unwrap_or_else(|fault| panic!("{topic}: {fault}"));
            assert_eq!(follow.path.is_set() && follow.path.tail == Tail::Whole, set, "{topic}");
        }
        let select = followed("v1.1/Observations?$select=result").unwrap().options.select;
        assert_eq!(select, Some(vec!["result".to_owned()]));
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_its_reason() {
        for (topic, number) in [
            ("v1.1/#", 465),
            ("v1.1/Datastreams(+)/Observations", 465),
            ("v1.0/Things", 465),
            ("chengmai/v1/m1/methane", 465),
            ("#", 465),
            ("v1.1/Things(1)/$ref", 465),
            ("v1.1/Things(1)/name/$value", 465),
            ("v1.1/Datastreams(1)/phenomenonTime", 465),
            ("v1.1/Things(1)/id", 465),
            ("v1.1/Things?$filter=name eq 'x'", 465),
            ("v1.1/Things(1)?$select=name", 465),
            ("v1.1/Things?$select=colour", 461),
            ("v1.1/Nothing", 460),
            ("v1.1/", 460),
        ] {
            let fault = followed(topic).unwrap_err();
            assert_eq!(fault.code.number, number, "{topic}: {fault}");
        }
    }

    #[test]
    fn new_entities_are_published_to_sets() {
        assert!(published("v1.1/Observations").is_ok());
        assert!(published("v1.1/Datastreams(7)/Observations").is_ok());
        for topic in ["v1.1/Things(1)", "v1.1/Things(1)/name", "v1.0/Things", "v1.1/Things/$ref"] {
            assert_eq!(published(topic).unwrap_err().code.number, 460, "{topic}");
        }
    }
}
