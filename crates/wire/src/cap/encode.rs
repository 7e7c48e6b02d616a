//! Writes an alert as XML in canonical form: no declaration, no blank between elements, every element with
//! a start and an end, and texts escaped as Exclusive XML Canonicalization has them.

use std::fmt::Write as _;

use chengmai_model::Timestamp;
use chengmai_model::geometry::Ring;
use jiff::tz::TimeZone;

use super::{
    Alert, Area, Certainty, Info, Kind, NAMESPACE, Reference, Response, Status, Urgency,
    severity_word,
};

/// A message as XML, ready to be hashed, its times in that zone.
pub fn alert(alert: &Alert, zone: &TimeZone) -> String {
    let mut xml = format!("<alert xmlns=\"{NAMESPACE}\">");
    put(&mut xml, "identifier", &name(&alert.identifier));
    put(&mut xml, "sender", &name(&alert.sender));
    put(&mut xml, "sent", &time(alert.sent, zone));
    let status = match alert.status {
        Status::Actual => "Actual",
        Status::Test => "Test",
    };
    put(&mut xml, "status", status);
    let kind = match alert.kind {
        Kind::Alert => "Alert",
        Kind::Update => "Update",
        Kind::Cancel => "Cancel",
    };
    put(&mut xml, "msgType", kind);
    put(&mut xml, "scope", "Restricted");
    put(&mut xml, "restriction", &alert.restriction);
    if let Some(note) = &alert.note {
        put(&mut xml, "note", note);
    }
    if !alert.references.is_empty() {
        let sender = name(&alert.sender);
        let one = |reference: &Reference| {
            format!("{sender},{},{}", name(&reference.identifier), time(reference.sent, zone))
        };
        let all: Vec<String> = alert.references.iter().map(one).collect();
        put(&mut xml, "references", &all.join(" "));
    }
    put(&mut xml, "incidents", &name(&alert.incident));
    for info in &alert.infos {
        put_info(&mut xml, info, zone);
    }
    xml + "</alert>"
}

fn put_info(xml: &mut String, info: &Info, zone: &TimeZone) {
    xml.push_str("<info>");
    put(xml, "language", info.language);
    for category in &info.categories {
        put(xml, "category", category);
    }
    put(xml, "event", &info.event);
    let response = match info.response {
        Response::Monitor => "Monitor",
        Response::AllClear => "AllClear",
    };
    put(xml, "responseType", response);
    let urgency = match info.urgency {
        Urgency::Immediate => "Immediate",
        Urgency::Expected => "Expected",
        Urgency::Past => "Past",
    };
    put(xml, "urgency", urgency);
    put(xml, "severity", severity_word(info.severity));
    let certainty = match info.certainty {
        Certainty::Observed => "Observed",
        Certainty::Likely => "Likely",
    };
    put(xml, "certainty", certainty);
    put_pairs(xml, "eventCode", &info.event_codes);
    put(xml, "onset", &time(info.onset, zone));
    put(xml, "senderName", &info.sender_name);
    put(xml, "headline", &info.headline);
    put(xml, "description", &info.description);
    put_pairs(xml, "parameter", &info.parameters);
    put_area(xml, &info.area);
    xml.push_str("</info>");
}

fn put_area(xml: &mut String, area: &Area) {
    xml.push_str("<area>");
    put(xml, "areaDesc", &area.description);
    for ring in &area.polygons {
        put(xml, "polygon", &polygon(ring));
    }
    if let Some((middle, kilometres)) = area.circle {
        put(xml, "circle", &format!("{} {kilometres}", place(middle)));
    }
    put_pairs(xml, "geocode", &area.geocodes);
    xml.push_str("</area>");
}

/// Closed, as the standard wants it: the first point comes again at the end.
fn polygon(ring: &Ring) -> String {
    let points = ring.iter().chain(ring.first()).map(|&point| place(point));
    points.collect::<Vec<_>>().join(" ")
}

/// Latitude before longitude, to a tenth of a metre.
pub fn place([longitude, latitude]: [f64; 2]) -> String {
    // What rounds to nothing has no sign.
    let axis = |degrees: f64| ((degrees * 1e6).round() + 0.0) / 1e6;
    format!("{},{}", axis(latitude), axis(longitude))
}

fn put_pairs(xml: &mut String, element: &str, pairs: &[(&'static str, String)]) {
    for (name, value) in pairs {
        write!(xml, "<{element}>").expect("writing to a string cannot fail");
        put(xml, "valueName", name);
        put(xml, "value", value);
        write!(xml, "</{element}>").expect("writing to a string cannot fail");
    }
}

/// A moment on the clocks of a zone, with how far that is from Greenwich: `2026-11-21T08:00:00+08:00`.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A name without what the standard forbids in one: blanks, commas, `<` and `&`.
pub fn name(text: &str) -> String {
    let fits = |c: char| !c.is_whitespace() && !matches!(c, ',' | '<' | '&');
    text.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

/// An element with a text in it.
pub(super) fn put(xml: &mut String, element: &str, text: &str) {
    write!(xml, "<{element}>{}</{element}>", escaped(text))
        .expect("writing to a string cannot fail");
}

/// Text as a canonical document has it. What XML cannot carry at all is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\r' => safe.push_str("&#xD;"),
            '\t' | '\n' | '\u{20}'..='\u{fffd}' | '\u{10000}'.. => safe.push(c),
            _ => {}
        }
    }
    safe
}
