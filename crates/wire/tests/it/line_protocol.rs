//! The line protocol decoder against a second one that is slow and plain: it walks characters one
//! by one and keeps everything in lists. And a round trip through every escape there is.
#![expect(clippy::format_push_string, reason = "a test may allocate")]

use chengmai_model::Timestamp;
use chengmai_wire::Fault;
use chengmai_wire::line_protocol::{Precision, Sink, decode, series_parts, unescape};
use proptest::prelude::*;

/// What came of one field or line: `(line, series, field, bits, ms)` or the line and code.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Point(u32, String, String, u64, Option<i64>),
    Fault(u32, u16),
}

#[derive(Default)]
struct Events(Vec<Event>);

impl<'a> Sink<'a> for Events {
    fn point(
        &mut self,
        series: &'a [u8],
        field: &'a [u8],
        value: f64,
        at: Option<Timestamp>,
        line: u32,
        _byte: u32,
    ) {
        let (series, field) = (String::from_utf8_lossy(series), String::from_utf8_lossy(field));
        let (series, field) = (series.into_owned(), field.into_owned());
        self.0.push(Event::Point(line, series, field, value.to_bits(), at.map(|at| at.0)));
    }

    fn fault(&mut self, fault: Fault) {
        self.0.push(Event::Fault(fault.line, fault.code.number));
    }
}

fn fast(body: &str) -> Vec<Event> {
    let mut events = Events::default();
    decode(body.as_bytes(), Precision::Milliseconds, &mut events);
    events.0
}

/// Reads bodies without quotes.
fn slow(body: &str) -> Vec<Event> {
    let mut events = Vec::new();
    for (number, line) in (1..).zip(body.split('\n')) {
        match slow_line(number, line.trim_matches([' ', '\t', '\r'])) {
            Ok(found) => events.extend(found),
            Err(()) => events.push(Event::Fault(number, 101)),
        }
    }
    events
}

fn slow_line(number: u32, line: &str) -> Result<Vec<Event>, ()> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(Vec::new());
    }
    let parts = split(line, ' ');
    let series = parts[0].clone();
    let mut rest = parts[1..].iter().filter(|part| !part.is_empty());
    let fields = rest.next().ok_or(())?;
    let times: Vec<_> = rest.collect();
    if series.starts_with(',') || times.len() > 1 {
        return Err(());
    }
    // A backslash before a space in the last value does not hide the end of the field set.
    let at = match times.first() {
        None => None,
        Some(text) if text.starts_with('+') => return Err(()),
        Some(text) => Some(text.parse::<i64>().map_err(drop)?),
    };
    let mut events = Vec::new();
    for field in split(fields, ',') {
        let sides = split(&field, '=');
        if sides.len() < 2 || sides[0].is_empty() {
            return Err(());
        }
        let text = field[sides[0].len() + 1..].to_owned();
        events.push(match slow_value(&text)? {
            Some(value) => {
                Event::Point(number, series.clone(), sides[0].clone(), value.to_bits(), at)
            }
            None => Event::Fault(number, 102),
        });
    }
    Ok(events)
}

/// A finite number, or `None` for one that is not finite.
fn slow_value(text: &str) -> Result<Option<f64>, ()> {
    if let Some(digits) = text.strip_suffix('i') {
        let signed = digits.strip_prefix('-').unwrap_or(digits);
        if signed.starts_with('+') {
            return Err(());
        }
        return Ok(Some(digits.parse::<i64>().map_err(drop)? as f64));
    }
    if let Some(digits) = text.strip_suffix('u') {
        if digits.starts_with('+') {
            return Err(());
        }
        return Ok(Some(digits.parse::<u64>().map_err(drop)? as f64));
    }
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(Some(1.0)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(Some(0.0)),
        _ => {}
    }
    // The standard parser knows the same words for what is not finite.
    let value: f64 = text.parse().map_err(drop)?;
    Ok(value.is_finite().then_some(value))
}

/// Splits at a separator that has no backslash before it.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for c in text.chars() {
        if c == separator && before != '\\' {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is always a part").push(c);
        }
        before = c;
    }
    parts
}

#[derive(Debug, Clone)]
struct Point {
    measurement: String,
    tags: Vec<(String, String)>,
    fields: Vec<(String, Value)>,
    at: Option<i64>,
}

#[derive(Debug, Clone)]
enum Value {
    Float(f64),
    Integer(i64),
    Boolean(bool),
    Text(String),
}

/// Names with every mark that needs an escape. Backslashes only inside: before a mark that is
/// escaped itself, or at the end, the protocol cannot tell them from the escape.
fn name() -> impl Strategy<Value = String> {
    "[a-z甲]([a-z0-9甲 ,=\"#]|\\\\[a-z]){0,6}[a-z]"
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(Value::Float),
        (-99_999_i64..99_999, 0..6).prop_map(|(n, e)| Value::Float(n as f64 / 10_f64.powi(e))),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        "[a-z \\\\\"\n,=]{0,8}".prop_map(Value::Text),
    ]
}

fn point() -> impl Strategy<Value = Point> {
    let tags = prop::collection::btree_map(name(), name(), 0..4);
    let fields = prop::collection::vec((name(), value()), 1..4);
    (name(), tags, fields, any::<Option<i64>>()).prop_map(|(measurement, tags, fields, at)| Point {
        measurement,
        tags: tags.into_iter().collect(),
        fields,
        at,
    })
}

fn escape(name: &str, marks: &[char]) -> String {
    name.chars().flat_map(|c| marks.contains(&c).then_some('\\').into_iter().chain([c])).collect()
}

fn encode(point: &Point) -> String {
    let mut line = escape(&point.measurement, &[' ', ',']);
    for (key, value) in &point.tags {
        line.push_str(&format!(
            ",{}={}",
            escape(key, &[' ', ',', '=']),
            escape(value, &[' ', ',', '='])
        ));
    }
    for (number, (key, value)) in point.fields.iter().enumerate() {
        let value = match value {
            Value::Float(v) => format!("{v}"),
            Value::Integer(v) => format!("{v}i"),
            Value::Boolean(v) => format!("{v}"),
            Value::Text(v) => format!("\"{}\"", escape(v, &['"', '\\'])),
        };
        let mark = if number == 0 { ' ' } else { ',' };
        line.push_str(&format!("{mark}{}={value}", escape(key, &[' ', ',', '='])));
    }
    point.at.map_or(line.clone(), |at| format!("{line} {at}"))
}

/// What must come out: names plain again, one point a number, one fault a text.
fn expected(points: &[Point]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut line = 1;
    for point in points {
        for (key, value) in &point.fields {
            let value = match value {
                Value::Float(v) => *v,
                Value::Integer(v) => *v as f64,
                Value::Boolean(v) => f64::from(u8::from(*v)),
                Value::Text(_) => {
                    events.push(Event::Fault(line, 115));
                    continue;
                }
            };
            let series = format!("{:?} {:?}", point.measurement, point.tags);
            events.push(Event::Point(line, series, key.clone(), value.to_bits(), point.at));
        }
        let ends = encode(point).matches('\n').count();
        line += 1 + u32::try_from(ends).expect("few lines");
    }
    events
}

/// The decoder's events with names made plain.
fn plain(events: Vec<Event>) -> Vec<Event> {
    let text = |raw: &str| String::from_utf8(unescape(raw.as_bytes()).into_owned()).expect("UTF-8");
    let plain = |event| match event {
        Event::Point(line, series, field, bits, at) => {
            let parts = series_parts(series.as_bytes()).expect("the series is well formed");
            let series = format!("{:?} {:?}", parts.measurement, parts.tags);
            Event::Point(line, series, text(&field), bits, at)
        }
        fault @ Event::Fault(..) => fault,
    };
    events.into_iter().map(plain).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn noise_without_quotes_is_read_as_the_plain_decoder_reads_it(
        body in "([mv,= \\\\#\n\r\tt]|=-?[0-9]{1,3}(\\.[0-9]|i|u|e9)?[ ,\n]| v=1|m ){0,14}",
    ) {
        prop_assert_eq!(fast(&body), slow(&body));
    }

    #[test]
    fn points_come_back_from_their_lines(points in prop::collection::vec(point(), 0..5)) {
        let body: Vec<String> = points.iter().map(encode).collect();
        prop_assert_eq!(plain(fast(&body.join("\n"))), expected(&points));
    }

    #[test]
    fn a_bad_line_never_harms_its_neighbours(noise in "[a-z,= \\\\\"#0-9]{0,20}") {
        let body = format!("a v=1 1\n{noise}\nb v=2 2\n{noise}\nc v=3 3");
        let events = fast(&body);
        let kept = |series: &str| events.iter().filter(|e| matches!(e, Event::Point(_, s, ..) if s == series)).count();
        // A text that opens in the noise and closes in its twin below may hold the line between.
        let closes = noise.contains('"');
        prop_assert!(kept("a") >= 1 && kept("c") >= 1);
        prop_assert!(closes || kept("b") >= 1);
    }
}
