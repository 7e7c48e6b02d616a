//! What a message says, from its topic and payload:
//!
//! | topic | payload |
//! |---|---|
//! | `chengmai/v1/{device}/{kind}` | `2.4`, or `{"value":2.4,"time":...,"unit":...}` |
//! | `chengmai/v1/{device}` | `{"methane":2.4,"temperature":18,"time":...}` |
//! | `chengmai/v1/line` | line protocol, times in nanoseconds |
//!
//! `time` is RFC 3339 with a zone, or whole milliseconds; without one a reading counts as measured
//! when it came in. Booleans count as 1 and 0.
//!
//! Not here: whether device and kind exist.

use std::borrow::Cow;

use chengmai_model::Timestamp;
use chengmai_model::error::{ErrorCode, FIELD_NOT_NUMERIC, MALFORMED, NOT_FINITE};
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::line_protocol::parse_number;
use crate::observations::Observation;

/// First two levels of all our topics.
const PREFIX: &str = "chengmai/v1/";
/// The topic that means line protocol; `line` is no device there.
const LINES: &str = "chengmai/v1/line";

/// What a message says.
#[derive(Debug, PartialEq)]
pub enum Content<'a> {
    /// Readings of one device, and what had to be refused of them.
    Observations {
        /// The readings that are well formed.
        observations: Vec<Observation<'a>>,
        /// The others.
        faults: Vec<Fault>,
    },
    /// Line protocol.
    Lines(&'a [u8]),
}

/// Device and kind that a topic names.
pub fn split_topic(topic: &str) -> Option<(&str, Option<&str>)> {
    let levels = topic.strip_prefix(PREFIX).filter(|_| topic != LINES)?;
    let (device, kind) = match levels.split_once('/') {
        Some((device, kind)) => (device, Some(kind)),
        None => (levels, None),
    };
    let named = kind.is_none_or(|kind| !kind.is_empty() && !kind.contains('/'));
    (named && !device.is_empty()).then_some((device, kind))
}

/// Reads topic and payload of a message.
///
/// # Errors
/// The fault that refuses the message as a whole.
pub fn content<'a>(topic: &'a str, payload: &'a [u8]) -> Result<Content<'a>, Fault> {
    if topic == LINES {
        return Ok(Content::Lines(payload));
    }
    match split_topic(topic).ok_or_else(|| bad_topic(topic))? {
        (device, None) => several(device, payload),
        (device, Some(kind)) => {
            let observation = single(device, kind, payload)?;
            Ok(Content::Observations { observations: vec![observation], faults: Vec::new() })
        }
    }
}

fn bad_topic(topic: &str) -> Fault {
    let topic: String = topic.chars().take(60).collect();
    refuse(
        &MALFORMED,
        format!("主题 `{topic}` 不是 {PREFIX}设备/类型、{PREFIX}设备 或 {LINES}"),
        format!("topic `{topic}` is not {PREFIX}device/kind, {PREFIX}device or {LINES}"),
    )
}

/// One reading: a bare number, or an object with `value`.
fn single<'a>(device: &'a str, kind: &'a str, payload: &[u8]) -> Result<Observation<'a>, Fault> {
    let text = payload.trim_ascii();
    let mut observation = Observation {
        device: Cow::Borrowed(device),
        kind: Some(Cow::Borrowed(kind)),
        value: 0.0,
        at: None,
        unit: None,
        area: None,
    };
    if text.first() != Some(&b'{') {
        observation.value = bare_value(text)?;
        return Ok(observation);
    }
    let object = object(text)?;
    let value = object.get("value").ok_or_else(|| {
        refuse(&MALFORMED, "对象中没有 value".to_owned(), "the object has no value".to_owned())
    })?;
    observation.value = json_value("value", value)?;
    observation.at = time(&object)?;
    observation.unit = match object.get("unit") {
        None | Some(Value::Null) => None,
        Some(Value::String(unit)) => Some(Cow::Owned(unit.clone())),
        Some(_) => {
            let (zh, en) = ("unit 不是文本", "unit is not a text");
            return Err(refuse(&MALFORMED, zh.to_owned(), en.to_owned()));
        }
    };
    Ok(observation)
}

/// Readings of several kinds at one time; a bad one does not refuse the others.
fn several<'a>(device: &'a str, payload: &[u8]) -> Result<Content<'a>, Fault> {
    let object = object(payload.trim_ascii())?;
    let at = time(&object)?;
    let (mut observations, mut faults) = (Vec::new(), Vec::new());
    for (kind, value) in object.into_iter().filter(|(kind, _)| kind != "time") {
        match json_value(&kind, &value) {
            Ok(value) => observations.push(Observation {
                device: Cow::Borrowed(device),
                kind: Some(Cow::Owned(kind)),
                value,
                at,
                unit: None,
                area: None,
            }),
            Err(fault) => faults.push(fault),
        }
    }
    if observations.is_empty() && faults.is_empty() {
        let (zh, en) = ("对象中没有读数", "the object has no reading");
        return Err(refuse(&MALFORMED, zh.to_owned(), en.to_owned()));
    }
    Ok(Content::Observations { observations, faults })
}

fn object(text: &[u8]) -> Result<Map<String, Value>, Fault> {
    serde_json::from_slice(text).map_err(|error| {
        refuse(
            &MALFORMED,
            format!("不是 JSON 对象：{error}"),
            format!("not a JSON object: {error}"),
        )
    })
}

fn bare_value(text: &[u8]) -> Result<f64, Fault> {
    match parse_number(text) {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(not_finite("value")),
        None => match text {
            b"true" => Ok(1.0),
            b"false" => Ok(0.0),
            _ => Err(not_a_number("value", &String::from_utf8_lossy(text))),
        },
    }
}

fn json_value(name: &str, value: &Value) -> Result<f64, Fault> {
    match value {
        Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
        Value::Number(number) => match number.as_f64() {
            Some(value) if value.is_finite() => Ok(value),
            _ => Err(not_finite(name)),
        },
        Value::String(text) => Err(not_a_number(name, text)),
        other => Err(not_a_number(name, &other.to_string())),
    }
}

fn time(object: &Map<String, Value>) -> Result<Option<Timestamp>, Fault> {
    let at = match object.get("time") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(ms)) => ms.as_i64().map(Timestamp),
        Some(Value::String(text)) => Timestamp::parse_rfc3339(text),
        Some(_) => None,
    };
    at.map(Some).ok_or_else(|| {
        refuse(
            &MALFORMED,
            "time 应为带时区的 RFC 3339 文本或整数毫秒".to_owned(),
            "time is neither RFC 3339 with a zone nor whole milliseconds".to_owned(),
        )
    })
}

fn not_a_number(name: &str, text: &str) -> Fault {
    let word = text.trim_start_matches(['-', '+']).to_ascii_lowercase();
    if matches!(word.as_str(), "nan" | "inf" | "infinity") {
        return not_finite(name);
    }
    let shown: String = text.chars().take(40).collect();
    refuse(
        &FIELD_NOT_NUMERIC,
        format!("{name} `{shown}` 不是数值"),
        format!("{name} `{shown}` is not a number"),
    )
}

fn not_finite(name: &str) -> Fault {
    refuse(&NOT_FINITE, format!("{name} 不是有限数"), format!("{name} is not finite"))
}

fn refuse(code: &'static ErrorCode, zh: String, en: String) -> Fault {
    Fault::new(1, 1, code, zh, en)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(topic: &str, payload: &str, expected: &str) {
        let found = match content(topic, payload.as_bytes()) {
            Ok(Content::Lines(lines)) => format!("lines {}", String::from_utf8_lossy(lines)),
            Ok(Content::Observations { observations, faults }) => {
                let mut parts: Vec<String> = observations
                    .iter()
                    .map(|o| {
                        let at = o.at.map_or(String::new(), |at| format!(" @{}", at.0));
                        let unit = o.unit.as_ref().map_or(String::new(), |u| format!(" [{u}]"));
                        let kind = o.kind.as_deref().unwrap_or("-");
                        format!("{} {kind} {}{at}{unit}", o.device, o.value)
                    })
                    .collect();
                parts.extend(faults.iter().map(|f| format!("! {f}")));
                parts.join(" | ")
            }
            Err(fault) => format!("! {fault}"),
        };
        assert_eq!(found, expected, "{topic} {payload}");
    }

    #[test]
    fn one_reading_is_a_number_or_an_object() {
        check("chengmai/v1/m1/methane", "2.4", "m1 methane 2.4");
        check("chengmai/v1/m1/methane", " -17\n", "m1 methane -17");
        check("chengmai/v1/m1/door", "true", "m1 door 1");
        check("chengmai/v1/井盖/methane", "{\"value\":2}", "井盖 methane 2");
        check(
            "chengmai/v1/m1/methane",
            r#"{"value":2.4,"time":"2023-11-14T22:15:00Z","unit":"%LEL","more":1}"#,
            "m1 methane 2.4 @1700000100000 [%LEL]",
        );
        check("chengmai/v1/line/methane", "1", "line methane 1");
    }

    #[test]
    fn several_kinds_share_a_time_and_a_bad_one_harms_no_other() {
        check(
            "chengmai/v1/m1",
            r#"{"methane":2.4,"open":false,"time":1700000100000}"#,
            "m1 methane 2.4 @1700000100000 | m1 open 0 @1700000100000",
        );
        check(
            "chengmai/v1/m1",
            r#"{"methane":"NaN","level":1,"name":"x"}"#,
            "m1 level 1 | ! line 1, byte 1: E-102 methane is not finite \
             | ! line 1, byte 1: E-115 name `x` is not a number",
        );
    }

    #[test]
    fn line_protocol_has_its_own_topic() {
        check("chengmai/v1/line", "m,device=d v=1", "lines m,device=d v=1");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_reason() {
        let topic = "is not chengmai/v1/device/kind, chengmai/v1/device or chengmai/v1/line";
        for bad in
            ["", "chengmai/v1/", "chengmai/v1//x", "chengmai/v1/a/", "chengmai/v1/a/b/c", "x/a/b"]
        {
            check(bad, "1", &format!("! line 1, byte 1: E-101 topic `{bad}` {topic}"));
        }
        let m1 = "chengmai/v1/m1/methane";
        check(m1, "", "! line 1, byte 1: E-115 value `` is not a number");
        check(m1, "-Inf", "! line 1, byte 1: E-102 value is not finite");
        check(m1, "1e999", "! line 1, byte 1: E-102 value is not finite");
        check(m1, "{}", "! line 1, byte 1: E-101 the object has no value");
        check(m1, "{\"value\":null}", "! line 1, byte 1: E-115 value `null` is not a number");
        check(m1, "{\"value\":1,\"unit\":2}", "! line 1, byte 1: E-101 unit is not a text");
        check(
            m1,
            "{\"value\":1,\"time\":1.5}",
            "! line 1, byte 1: E-101 time is neither RFC 3339 with a zone nor whole milliseconds",
        );
        check("chengmai/v1/m1", "{}", "! line 1, byte 1: E-101 the object has no reading");
        check(
            "chengmai/v1/m1",
            "2.4",
            "! line 1, byte 1: E-101 not a JSON object: invalid type: floating point `2.4`, \
             expected a map at line 1 column 3",
        );
    }
}
