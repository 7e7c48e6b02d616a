//! Decodes observations from JSON, newline-delimited JSON and CSV into a sink.

use std::borrow::Cow;

use chengmai_model::Timestamp;
use chengmai_model::error::{FIELD_NOT_NUMERIC, MALFORMED, NOT_FINITE};
use serde::Deserialize;

use super::{Observation, Sink};
use crate::error::{Fault, quote};
use crate::json::{self, Item};
use crate::line_protocol::parse_number;
use crate::table::{Row, Table};

/// Reads a JSON array of items, or one item. A body that is not whole JSON is refused whole, with
/// line 0; otherwise each bad item is refused by itself.
pub fn decode_json(body: &[u8], sink: &mut impl Sink) {
    match json::elements(body, &MALFORMED) {
        Ok(items) => items.iter().for_each(|item| take(item, sink)),
        Err(fault) => sink.fault(fault),
    }
}

/// Reads one JSON item a line; empty lines are read over.
pub fn decode_ndjson(body: &[u8], sink: &mut impl Sink) {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    for (number, line) in (1..).zip(body.split(|b| *b == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match json::line_item(line, number, &MALFORMED) {
            Ok(item) => take(&item, sink),
            Err(fault) => sink.fault(fault),
        }
    }
}

/// Reads CSV with the columns `device,value` and, where known, `kind,time,unit,area`.
pub fn decode_csv(body: &[u8], sink: &mut impl Sink) {
    let opened = Table::open(body, &MALFORMED).and_then(|table| {
        table.require(&["device", "value"])?;
        Ok(table)
    });
    let mut table = match opened {
        Ok(table) => table,
        Err(fault) => return sink.fault(fault),
    };
    while let Some(row) = table.next_row() {
        match row {
            Ok(row) => match observation_of_row(&row) {
                Ok(observation) => sink.observation(observation, row.line, 1),
                Err(fault) => sink.fault(fault),
            },
            Err(fault) => sink.fault(fault),
        }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "an object with device and value")]
struct Sent<'a> {
    #[serde(borrow)]
    device: Cow<'a, str>,
    #[serde(borrow)]
    kind: Option<Word<'a>>,
    #[serde(borrow)]
    value: Scalar<'a>,
    #[serde(borrow)]
    time: Option<Scalar<'a>>,
    #[serde(borrow)]
    unit: Option<Word<'a>>,
    #[serde(borrow)]
    area: Option<Word<'a>>,
}

/// A text that is borrowed from the body where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

/// What may stand where a number or a time is expected.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar<'a> {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Other(serde::de::IgnoredAny),
}

fn take(item: &Item<'_>, sink: &mut impl Sink) {
    let outcome = item.parse::<Sent<'_>>().and_then(|sent| observation(item, sent));
    match outcome {
        Ok(observation) => sink.observation(observation, item.line, item.byte),
        Err(fault) => sink.fault(fault),
    }
}

fn observation<'a>(item: &Item<'_>, sent: Sent<'a>) -> Result<Observation<'a>, Fault> {
    if sent.device.trim().is_empty() {
        return Err(item.fault("device 为空", "device is empty"));
    }
    let value = match sent.value {
        Scalar::Boolean(truth) => f64::from(u8::from(truth)),
        Scalar::Integer(value) => value as f64,
        Scalar::Number(value) if value.is_finite() => value,
        Scalar::Number(_) => return Err(not_finite(item.fault("", ""))),
        Scalar::Text(text) => return Err(not_a_number(item.fault("", ""), &text)),
        Scalar::Other(_) => {
            return Err(Fault {
                code: &FIELD_NOT_NUMERIC,
                ..item.fault("value 不是数值", "value is not a number")
            });
        }
    };
    let at = match sent.time {
        None => None,
        Some(Scalar::Integer(ms)) => Some(Timestamp(ms)),
        Some(Scalar::Text(text)) => Some(
            Timestamp::parse_rfc3339(&text).ok_or_else(|| bad_time(item.fault("", ""), &text))?,
        ),
        Some(_) => return Err(bad_time(item.fault("", ""), "")),
    };
    let word = |word: Option<Word<'a>>| word.map(|w| w.0).filter(|w| !w.is_empty());
    Ok(Observation {
        device: sent.device,
        kind: word(sent.kind),
        value,
        at,
        unit: word(sent.unit),
        area: word(sent.area),
    })
}

fn observation_of_row<'t>(row: &'t Row<'_>) -> Result<Observation<'t>, Fault> {
    let device = row.required("device")?;
    let text = row.required("value")?;
    let value = match parse_number(text.as_bytes()) {
        Some(value) if value.is_finite() => value,
        Some(_) => return Err(not_finite(row.fault("value", "", ""))),
        None => match text {
            "true" => 1.0,
            "false" => 0.0,
            _ => return Err(not_a_number(row.fault("value", "", ""), text)),
        },
    };
    let at = match row.text("time")? {
        None => None,
        Some(text) => {
            let ms = text.parse().ok().map(Timestamp);
            let at = ms.or_else(|| Timestamp::parse_rfc3339(text));
            Some(at.ok_or_else(|| bad_time(row.fault("time", "", ""), text))?)
        }
    };
    Ok(Observation {
        device: Cow::Borrowed(device),
        kind: row.text("kind")?.map(Cow::Borrowed),
        value,
        at,
        unit: row.text("unit")?.map(Cow::Borrowed),
        area: row.text("area")?.map(Cow::Borrowed),
    })
}

fn not_a_number(place: Fault, text: &str) -> Fault {
    let word = text.trim_start_matches(['-', '+']).to_ascii_lowercase();
    if matches!(word.as_str(), "nan" | "inf" | "infinity") {
        return not_finite(place);
    }
    let shown = quote(text.as_bytes());
    let (zh, en) =
        (format!("value `{shown}` 不是数值"), format!("value `{shown}` is not a number"));
    Fault::new(place.line, place.byte, &FIELD_NOT_NUMERIC, zh, en)
}

fn not_finite(place: Fault) -> Fault {
    let (zh, en) = ("value 不是有限数", "value is not finite");
    Fault::new(place.line, place.byte, &NOT_FINITE, zh, en)
}

fn bad_time(place: Fault, text: &str) -> Fault {
    let shown = quote(text.as_bytes());
    Fault::new(
        place.line,
        place.byte,
        &MALFORMED,
        format!("time `{shown}` 应为带时区的 RFC 3339 文本或整数毫秒"),
        format!("time `{shown}` is neither RFC 3339 with a zone nor whole milliseconds"),
    )
}

#[cfg(test)]
#[expect(clippy::format_push_string, reason = "a failing test may allocate")]
mod tests {
    use super::*;
    use crate::error::assert_text;

    #[derive(Default)]
    struct Log(String);

    impl Sink for Log {
        fn observation(&mut self, o: Observation<'_>, line: u32, byte: u32) {
            self.0 += &format!("{line}:{byte} {} {}", o.device, o.kind.as_deref().unwrap_or("-"));
            self.0 += &format!(" {}", o.value);
            o.at.inspect(|at| self.0 += &format!(" @{}", at.0));
            o.unit.inspect(|unit| self.0 += &format!(" [{unit}]"));
            o.area.inspect(|area| self.0 += &format!(" in {area}"));
            self.0 += "\n";
        }

        fn fault(&mut self, fault: Fault) {
            self.0 += &format!("! {fault}\n");
        }
    }

    fn check(decode: fn(&[u8], &mut Log), body: &str, expected: &str) {
        let mut log = Log::default();
        decode(body.as_bytes(), &mut log);
        assert_text(&log.0, expected);
    }

    #[test]
    fn an_array_gives_its_items_and_names_the_bad_ones_by_number_and_byte() {
        check(
            decode_json,
            r#"[{"device":"d1","kind":"methane","value":2.4,"time":"2023-11-14T22:15:00.5Z","unit":"%LEL","area":"5001"},
 {"device":"d\u00e9","value":3,"time":1700000100000,"more":[1]},
 {"device":"d3","value":true,"kind":null,"time":null},
 {"device":"","value":1},
 {"device":"d5"},
 {"device":"d6","value":"NaN"},
 {"device":"d7","value":"on"},
 {"device":"d8","value":null},
 {"device":"d9","value":1,"time":"yesterday"},
 {"device":"d10","value":1,"time":1.5},
 7]"#,
            "1:2 d1 methane 2.4 @1700000100500 [%LEL] in 5001
             2:109 dé - 3 @1700000100000
             3:174 d3 - 1
             ! line 4, byte 229: E-101 device is empty
             ! line 5, byte 269: E-101 missing field `value`
             ! line 6, byte 273: E-102 value is not finite
             ! line 7, byte 305: E-115 value `on` is not a number
             ! line 8, byte 336: E-115 value is not a number
             ! line 9, byte 367: E-101 time `yesterday` is neither RFC 3339 with a zone nor whole milliseconds
             ! line 10, byte 414: E-101 time `` is neither RFC 3339 with a zone nor whole milliseconds
             ! line 11, byte 454: E-101 invalid type: integer `7`, expected an object with device and value",
        );
    }

    #[test]
    fn one_object_counts_as_an_array_of_one() {
        check(decode_json, r#" {"device":"d1","value":-0.5}"#, "1:2 d1 - -0.5");
    }

    #[test]
    fn a_body_that_is_not_whole_json_is_refused_whole() {
        check(
            decode_json,
            r#"[{"device":"d1","value":1},"#,
            "! line 0, byte 27: E-101 not whole JSON: EOF while parsing a value",
        );
        check(decode_json, "[]", "");
    }

    #[test]
    fn lines_of_json_are_each_read_by_themselves() {
        check(
            decode_ndjson,
            "{\"device\":\"d1\",\"value\":1}\r\n\n{\"device\":\"d2\",\"value\":NaN}\n{\"device\":\"d3\",\"value\":3}",
            "1:1 d1 - 1
             ! line 3, byte 24: E-101 expected value
             4:1 d3 - 3",
        );
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        check(
            decode_csv,
            "time,device,kind,value,unit,remark\n\
             2023-11-14T22:15:00Z,d1,methane,2.4,%LEL,x\n\
             1700000100000,\"d,2\",,-17,,\n\
             ,d3,,true,,\n\
             ,,,1,,\n\
             ,d5,,,,\n\
             ,d6,,inf,,\n\
             ,d7,,two,,\n\
             2023-11-14 22:15,d8,,1,,\n",
            "2:1 d1 methane 2.4 @1700000100000 [%LEL]
             3:1 d,2 - -17 @1700000100000
             4:1 d3 - 1
             ! line 5, byte 2: E-101 device is missing
             ! line 6, byte 6: E-101 value is missing
             ! line 7, byte 6: E-102 value is not finite
             ! line 8, byte 6: E-115 value `two` is not a number
             ! line 9, byte 1: E-101 time `2023-11-14 22:15` is neither RFC 3339 with a zone nor whole milliseconds",
        );
        let names: Vec<String> = (0..300).map(|column| format!("c{column}")).collect();
        let wide = names.join(",");
        let end = wide.find("c256,").map_or(0, |at| at + 1);
        check(
            decode_csv,
            &format!("{wide},device,value\n"),
            &format!("! line 1, byte {end}: E-101 the header has more than 256 columns"),
        );
        check(
            decode_csv,
            "device,wert\n",
            "! line 1, byte 1: E-101 the header has no column `value`",
        );
    }
}
