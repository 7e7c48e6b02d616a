//! The Atom feed (RFC 4287) by which readers find alerts: an entry a message, the newest first, older ones
//! behind the link `next` (RFC 5005).

use std::fmt::Write as _;

use chengmai_model::{Severity, Timestamp};
use jiff::tz::TimeZone;

use super::encode::{escaped, put, time};
use super::{MEDIA, NAMESPACE, severity_word};

/// A message in the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name, the same for ever.
    pub id: String,
    /// One line.
    pub title: String,
    /// Some more.
    pub summary: String,
    /// Where the whole message is.
    pub address: String,
    /// When it was sent.
    pub sent: Timestamp,
    /// `Actual` or `Test`.
    pub status: &'static str,
    /// `Alert`, `Update`, `Cancel`.
    pub kind: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What happens.
    pub event: String,
    /// Where, in words.
    pub area: String,
}

/// A feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// Its name, the same for ever.
    pub id: String,
    /// One line.
    pub title: String,
    /// Who says all this.
    pub author: String,
    /// Where it is.
    pub address: String,
    /// Where the older messages are.
    pub next: Option<String>,
    /// When it changed last.
    pub updated: Timestamp,
    /// The newest first.
    pub entries: Vec<Entry>,
}

/// A feed as XML, its times in that zone.
pub fn atom(feed: &Feed, zone: &TimeZone) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed \
         xmlns=\"http://www.w3.org/2005/Atom\" xmlns:cap=\"{NAMESPACE}\">"
    );
    put(&mut xml, "id", &feed.id);
    put(&mut xml, "title", &feed.title);
    put(&mut xml, "updated", &time(feed.updated, zone));
    xml.push_str("<author>");
    put(&mut xml, "name", &feed.author);
    xml.push_str("</author>");
    link(&mut xml, "self", "application/atom+xml", &feed.address);
    if let Some(next) = &feed.next {
        link(&mut xml, "next", "application/atom+xml", next);
    }
    for entry in &feed.entries {
        put_entry(&mut xml, entry, zone);
    }
    xml + "</feed>\n"
}

fn put_entry(xml: &mut String, entry: &Entry, zone: &TimeZone) {
    xml.push_str("<entry>");
    put(xml, "id", &entry.id);
    put(xml, "title", &entry.title);
    put(xml, "updated", &time(entry.sent, zone));
    put(xml, "published", &time(entry.sent, zone));
    link(xml, "alternate", MEDIA, &entry.address);
    put(xml, "summary", &entry.summary);
    put(xml, "cap:status", entry.status);
    put(xml, "cap:msgType", entry.kind);
    put(xml, "cap:severity", severity_word(entry.severity));
    put(xml, "cap:event", &entry.event);
    put(xml, "cap:areaDesc", &entry.area);
    xml.push_str("</entry>");
}

fn link(xml: &mut String, rel: &str, kind: &str, address: &str) {
    let address = escaped(address).replace('"', "&quot;");
    write!(xml, "<link rel=\"{rel}\" type=\"{kind}\" href=\"{address}\"/>")
        .expect("writing to a string cannot fail");
}
