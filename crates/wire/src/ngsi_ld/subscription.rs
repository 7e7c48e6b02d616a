//! Subscriptions: which changes of which entities somebody wants to be told of, and where.
//!
//! Not here: whether an address may be written to, and when it is (`server`). Invariant: what is not
//! supported is refused when a subscription is made, never left out when it is served.

use chengmai_model::Timestamp;
use chengmai_model::error::{NGSI_BODY, NGSI_NOT_SUPPORTED};
use regex::Regex;
use serde_json::{Map, Value as Json};

use super::encode::Form;
use super::query::{self, Q};
use super::request::{TypeTest, fits};
use super::{Context, Entity, GeoQuery, bad, is_uri};
use crate::error::{Fault, quote};

/// Selectors of one subscription, and names of its lists.
const LIST_MAX: usize = 100;
/// Bytes of names, descriptions and headers.
const TEXT_BYTES_MAX: usize = 1_000;
/// Longest time between two messages, in seconds: a day.
const THROTTLING_MAX: f64 = 86_400.0;

/// Headers of a message that are not the receiver's to set.
const OUR_HEADERS: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "link",
    "expect",
    "upgrade",
];

/// Which entities: all that is named must fit.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// One of these ids; none: any.
    pub ids: Vec<String>,
    /// A pattern of ids.
    pub pattern: Option<Regex>,
    /// Their types.
    pub types: Option<TypeTest>,
}

impl Selector {
    /// Whether it says nothing.
    pub fn is_any(&self) -> bool {
        self.ids.is_empty() && self.pattern.is_none() && self.types.is_none()
    }

    /// Whether an entity fits.
    pub fn holds(&self, entity: &Entity) -> bool {
        (self.ids.is_empty() || self.ids.contains(&entity.id))
            && self.pattern.as_ref().is_none_or(|pattern| fits(pattern, &entity.id))
            && self.types.as_ref().is_none_or(|types| types.holds(&entity.types))
    }
}

/// A subscription as it is served.
#[derive(Debug, Clone, Default)]
pub struct Subscription {
    /// The id it asks for.
    pub id: Option<String>,
    /// Of which entities.
    pub selectors: Vec<Selector>,
    /// When one of these changes; none: any.
    pub watched: Vec<String>,
    /// What must hold.
    pub q: Option<Q>,
    /// Where they must be.
    pub geo: Option<GeoQuery>,
    /// What of them is told; none: all.
    pub attributes: Vec<String>,
    /// How it is written.
    pub form: Form,
    /// With the times of making and changing.
    pub system: bool,
    /// Where to.
    pub uri: String,
    /// Whether the context stands in the message, and not in a header.
    pub is_ld: bool,
    /// Headers that the receiver wants.
    pub headers: Vec<(String, String)>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Time between two messages at least, in milliseconds.
    pub throttling_ms: i64,
    /// Whether it is served.
    pub is_active: bool,
}

impl Subscription {
    /// Whether an entity of which these attributes changed is told of; none: nobody knows which.
    pub fn holds(&self, entity: &Entity, changed: Option<&[String]>) -> bool {
        let watched = self.watched.is_empty()
            || match changed {
                None => self.watched.iter().any(|name| entity.attributes.contains_key(name)),
                Some(changed) => self.watched.iter().any(|name| changed.contains(name)),
            };
        watched
            && (self.selectors.is_empty() || self.selectors.iter().any(|one| one.holds(entity)))
            && self.geo.as_ref().is_none_or(|geo| geo.holds(entity))
            && self.q.as_ref().is_none_or(|q| q.holds(entity))
    }

    /// An entity with only what is told of it.
    pub fn told(&self, mut entity: Entity) -> Entity {
        if !self.attributes.is_empty() {
            entity.attributes.retain(|name, _| self.attributes.contains(name));
        }
        entity
    }
}

/// A subscription from its document.
///
/// # Errors
/// [`NGSI_BODY`] with what is wrong, [`NGSI_NOT_SUPPORTED`] with what is not done here.
pub fn subscription(json: &Json, context: &Context) -> Result<Subscription, Fault> {
    let map = json.as_object().filter(|map| map.get("type").is_some_and(|t| t == "Subscription"));
    let map = map.ok_or_else(|| wrong("type", "应为 Subscription", "is Subscription"))?;
    let mut read = Subscription { is_active: true, ..Subscription::default() };
    let mut has_endpoint = false;
    for (name, value) in map {
        match name.as_str() {
            "type" | "@context" | "jsonldContext" | "status" | "createdAt" | "modifiedAt" => {}
            "id" => read.id = Some(uri(name, value)?),
            "subscriptionName" | "name" | "description" => drop(text(name, value)?),
            "entities" => read.selectors = selectors(value, context)?,
            "watchedAttributes" => read.watched = names(name, value, context)?,
            "q" => read.q = Some(q(value, context)?),
            "geoQ" => read.geo = Some(geo(value, context)?),
            "isActive" => read.is_active = truth(name, value)?,
            "expiresAt" | "expires" => read.expires_at = Some(time(name, value)?),
            "throttling" => read.throttling_ms = throttling(value)?,
            "notificationTrigger" => triggers(value)?,
            "notification" => {
                notification(&mut read, value, context)?;
                has_endpoint = true;
            }
            _ => return Err(not_done(name)),
        }
    }
    if !has_endpoint {
        return Err(wrong("notification", "缺少", "is missing"));
    }
    if read.selectors.is_empty() && read.watched.is_empty() {
        let (zh, en) = ("或 watchedAttributes 须给出", "or watchedAttributes must be there");
        return Err(wrong("entities", zh, en));
    }
    Ok(read)
}

fn notification(read: &mut Subscription, json: &Json, context: &Context) -> Result<(), Fault> {
    let map = object("notification", json)?;
    let mut has_uri = false;
    for (name, value) in map {
        match name.as_str() {
            "attributes" | "pick" => read.attributes = names(name, value, context)?,
            "format" => {
                read.form = match text(name, value)?.as_str() {
                    "normalized" => Form::Normalized,
                    "concise" => Form::Concise,
                    "keyValues" | "simplified" => Form::Simplified,
                    _ => return Err(not_done("notification.format")),
                }
            }
            "sysAttrs" => read.system = truth(name, value)?,
            "endpoint" => {
                endpoint(read, object(name, value)?)?;
                has_uri = true;
            }
            // What became of earlier messages, which clients send back.
            "status" | "timesSent" | "timesFailed" | "lastNotification" | "lastFailure"
            | "lastSuccess" => {}
            _ => return Err(not_done(&format!("notification.{name}"))),
        }
    }
    if has_uri { Ok(()) } else { Err(wrong("endpoint", "缺少", "is missing")) }
}

fn endpoint(read: &mut Subscription, map: &Map<String, Json>) -> Result<(), Fault> {
    for (name, value) in map {
        match name.as_str() {
            "uri" => read.uri = uri(name, value)?,
            "accept" => {
                read.is_ld = match text(name, value)?.as_str() {
                    "application/json" => false,
                    "application/ld+json" => true,
                    _ => return Err(not_done("endpoint.accept")),
                }
            }
            "receiverInfo" => read.headers = receiver_info(value)?,
            "timeout" | "cooldown" => {}
            _ => return Err(not_done(&format!("endpoint.{name}"))),
        }
    }
    if read.uri.starts_with("http://") || read.uri.starts_with("https://") {
        return Ok(());
    }
    Err(not_done("endpoint.uri"))
}

fn receiver_info(json: &Json) -> Result<Vec<(String, String)>, Fault> {
    let member = "receiverInfo";
    let list = array(member, json)?;
    let pair = |one: &Json| {
        let part = |name: &str| one.get(name).and_then(Json::as_str).map(str::to_owned);
        let (key, value) = (part("key")?, part("value")?);
        let is_name = !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_ours = OUR_HEADERS.iter().any(|ours| ours.eq_ignore_ascii_case(&key));
        let is_plain = value.bytes().all(|b| (b' '..=b'~').contains(&b));
        (is_name && is_plain && !is_ours && key.len() + value.len() <= TEXT_BYTES_MAX)
            .then_some((key, value))
    };
    let pairs: Option<Vec<_>> = list.iter().map(pair).collect();
    pairs.ok_or_else(|| wrong(member, "应为 key 与 value", "are pairs of key and value"))
}

/// Which entities.
pub(super) fn selectors(json: &Json, context: &Context) -> Result<Vec<Selector>, Fault> {
    let list = match json {
        Json::Object(_) => std::slice::from_ref(json),
        _ => array("entities", json)?,
    };
    let mut all = Vec::with_capacity(list.len());
    for one in list {
        let mut selector = Selector::default();
        for (name, value) in object("entities", one)? {
            match name.as_str() {
                "id" => {
                    let list = if value.is_array() {
                        array(name, value)?
                    } else {
                        std::slice::from_ref(value)
                    };
                    selector.ids = list.iter().map(|id| uri(name, id)).collect::<Result<_, _>>()?;
                }
                "idPattern" => selector.pattern = Some(query::pattern(&text(name, value)?)?),
                "type" => {
                    selector.types = Some(match value {
                        Json::Array(types) => {
                            let each =
                                types.iter().map(|one| TypeTest::parse(&text(name, one)?, context));
                            TypeTest::Any(each.collect::<Result<_, _>>()?)
                        }
                        one => TypeTest::parse(&text(name, one)?, context)?,
                    });
                }
                _ => return Err(not_done(&format!("entities.{name}"))),
            }
        }
        all.push(selector);
    }
    if all.is_empty() || all.iter().any(Selector::is_any) {
        return Err(wrong(
            "entities",
            "须给出 id、idPattern 或 type",
            "names ids, a pattern or types",
        ));
    }
    Ok(all)
}

/// Names of attributes, whole.
pub(super) fn names(member: &str, json: &Json, context: &Context) -> Result<Vec<String>, Fault> {
    let list = array(member, json)?;
    if list.is_empty() {
        return Err(wrong(member, "不能为空", "is not empty"));
    }
    list.iter().map(|one| text(member, one).map(|name| context.expand(&name))).collect()
}

/// A query within a document: as it is, or escaped as in an address.
pub(super) fn q(json: &Json, context: &Context) -> Result<Q, Fault> {
    let text = text("q", json)?;
    match query::parse(&text, context) {
        Err(_) if text.contains('%') => {
            let pairs = form_urlencoded::parse(text.as_bytes());
            // `=` and `&` have a meaning to that reader and are put back.
            let whole: Vec<String> =
                pairs
                    .map(|(name, value)| {
                        if value.is_empty() { name.into_owned() } else { format!("{name}={value}") }
                    })
                    .collect();
            query::parse(&whole.join("&"), context)
        }
        read => read,
    }
}

/// Where entities must be, within a document.
pub(super) fn geo(json: &Json, context: &Context) -> Result<GeoQuery, Fault> {
    let map = object("geoQ", json)?;
    let part = |name: &str| map.get(name).and_then(Json::as_str);
    let (Some(georel), Some(geometry), Some(coordinates)) =
        (part("georel"), part("geometry"), map.get("coordinates"))
    else {
        let (zh, en) =
            ("须有 georel、geometry、coordinates", "has georel, geometry and coordinates");
        return Err(wrong("geoQ", zh, en));
    };
    let coordinates = match coordinates {
        Json::String(text) => serde_json::from_str(text).unwrap_or(Json::Null),
        json => json.clone(),
    };
    GeoQuery::new(georel, geometry, &coordinates, part("geoproperty"), context)
}

fn triggers(json: &Json) -> Result<(), Fault> {
    const KNOWN: [&str; 5] = [
        "entityCreated",
        "entityUpdated",
        "attributeCreated",
        "attributeUpdated",
        "attributeDeleted",
    ];
    let list = array("notificationTrigger", json)?;
    // Changes are told as changes, whatever they are of; what is gone is not told.
    let is_usual =
        list.iter().all(|one| one.as_str().is_some_and(|word| KNOWN[..4].contains(&word)));
    if is_usual { Ok(()) } else { Err(not_done("notificationTrigger")) }
}

fn throttling(json: &Json) -> Result<i64, Fault> {
    let seconds = json.as_f64().filter(|s| *s > 0.0 && *s <= THROTTLING_MAX);
    let seconds = seconds
        .ok_or_else(|| wrong("throttling", "应为秒数，至多一天", "is in seconds, a day at most"))?;
    #[expect(clippy::cast_possible_truncation, reason = "a day is 8.6e7 milliseconds")]
    let ms = (seconds * 1_000.0) as i64;
    Ok(ms)
}

fn object<'j>(member: &str, json: &'j Json) -> Result<&'j Map<String, Json>, Fault> {
    json.as_object().ok_or_else(|| wrong(member, "应为对象", "is an object"))
}

fn array<'j>(member: &str, json: &'j Json) -> Result<&'j [Json], Fault> {
    let list = json.as_array().filter(|list| list.len() <= LIST_MAX);
    let most = LIST_MAX;
    list.map(Vec::as_slice).ok_or_else(|| {
        wrong(
            member,
            &format!("应为至多 {most} 项的数组"),
            &format!("is an array of {most} at most"),
        )
    })
}

fn text(member: &str, json: &Json) -> Result<String, Fault> {
    let text = json.as_str().filter(|text| text.len() <= TEXT_BYTES_MAX * 4);
    text.map(str::to_owned).ok_or_else(|| wrong(member, "应为文字", "is a text"))
}

fn uri(member: &str, json: &Json) -> Result<String, Fault> {
    let uri = json.as_str().filter(|uri| is_uri(uri));
    uri.map(str::to_owned).ok_or_else(|| wrong(member, "应为 URI", "is a URI"))
}

fn truth(member: &str, json: &Json) -> Result<bool, Fault> {
    json.as_bool().ok_or_else(|| wrong(member, "应为 true 或 false", "is true or false"))
}

fn time(member: &str, json: &Json) -> Result<Timestamp, Fault> {
    let at = json.as_str().and_then(Timestamp::parse_rfc3339);
    at.ok_or_else(|| wrong(member, "应为 RFC 3339 时间", "is a time of RFC 3339"))
}

fn not_done(member: &str) -> Fault {
    let member = quote(member.as_bytes());
    let (zh, en) =
        (format!("不支持订阅的 {member}"), format!("{member} of a subscription is not done here"));
    bad(&NGSI_NOT_SUPPORTED, zh, en)
}

fn wrong(member: &str, zh: &str, en: &str) -> Fault {
    let member = quote(member.as_bytes());
    bad(&NGSI_BODY, format!("{member} {zh}"), format!("{member} {en}"))
}
