//! Alerts byte for byte; whether others read and verify them is in `crates/server/tests/it/cap.rs`.

use std::fmt::Write as _;

use chengmai_model::{Severity, Timestamp};
use jiff::tz::TimeZone;

use super::{
    Alert, Area, Certainty, Entry, Feed, Info, Kind, Reference, Response, Status, Urgency, alert,
    atom, key_pem, name, place, signed, signed_info, time,
};
use crate::error::assert_text;

fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

fn info(language: &'static str, headline: &str) -> Info {
    Info {
        language,
        categories: vec!["Infra".to_owned(), "Safety".to_owned()],
        event: "燃气聚集".to_owned(),
        response: Response::Monitor,
        urgency: Urgency::Immediate,
        severity: Severity::EXTREME,
        certainty: Certainty::Observed,
        event_codes: vec![("urn:chengmai:rule", "gas/methane_in_manhole".to_owned())],
        onset: Timestamp(1_795_305_599_999),
        sender_name: "重庆市".to_owned(),
        headline: headline.to_owned(),
        description: "1 < 2 & 3 > 2\r\u{1}".to_owned(),
        parameters: vec![("urn:chengmai:value", "60".to_owned())],
        area: Area {
            description: "渝中区".to_owned(),
            polygons: vec![vec![[106.5, 29.5], [106.6, 29.5], [106.6, 29.6]]],
            circle: Some(([106.56, 29.55], 0.0)),
            geocodes: vec![("GB/T 2260", "500103".to_owned())],
        },
    }
}

fn sample() -> Alert {
    Alert {
        identifier: "W-1 a,b-002".to_owned(),
        sender: "chengmai/50/00".to_owned(),
        sent: Timestamp(1_795_305_600_000),
        status: Status::Test,
        kind: Kind::Update,
        restriction: "staff".to_owned(),
        note: Some("simulated".to_owned()),
        references: vec![Reference {
            identifier: "W-1-001".to_owned(),
            sent: Timestamp(1_795_305_000_000),
        }],
        incident: "W-1".to_owned(),
        infos: vec![info("zh-CN", "红色"), info("en", "Red")],
    }
}

#[test]
fn an_alert_is_written_in_canonical_form() {
    let xml = alert(&sample(), &zone());
    let lines = xml.replace("><", ">\n<");
    let (zh, en) = lines.split_once("</info>").unwrap();
    assert_text(
        zh,
        r#"
        <alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
        <identifier>W-1_a_b-002</identifier>
        <sender>chengmai/50/00</sender>
        <sent>2026-11-22T08:00:00+08:00</sent>
        <status>Test</status>
        <msgType>Update</msgType>
        <scope>Restricted</scope>
        <restriction>staff</restriction>
        <note>simulated</note>
        <references>chengmai/50/00,W-1-001,2026-11-22T07:50:00+08:00</references>
        <incidents>W-1</incidents>
        <info>
        <language>zh-CN</language>
        <category>Infra</category>
        <category>Safety</category>
        <event>燃气聚集</event>
        <responseType>Monitor</responseType>
        <urgency>Immediate</urgency>
        <severity>Extreme</severity>
        <certainty>Observed</certainty>
        <eventCode>
        <valueName>urn:chengmai:rule</valueName>
        <value>gas/methane_in_manhole</value>
        </eventCode>
        <onset>2026-11-22T07:59:59+08:00</onset>
        <senderName>重庆市</senderName>
        <headline>红色</headline>
        <description>1 &lt; 2 &amp; 3 &gt; 2&#xD;</description>
        <parameter>
        <valueName>urn:chengmai:value</valueName>
        <value>60</value>
        </parameter>
        <area>
        <areaDesc>渝中区</areaDesc>
        <polygon>29.5,106.5 29.5,106.6 29.6,106.6 29.5,106.5</polygon>
        <circle>29.55,106.56 0</circle>
        <geocode>
        <valueName>GB/T 2260</valueName>
        <value>500103</value>
        </geocode>
        </area>
        "#,
    );
    assert!(en.contains("<language>en</language>") && en.ends_with("</info>\n</alert>"), "{en}");
}

#[test]
fn no_time_ends_in_a_letter_and_no_name_holds_what_is_forbidden() {
    let at = Timestamp(1_795_305_600_999);
    assert_eq!(time(at, &TimeZone::UTC), "2026-11-22T00:00:00+00:00");
    assert_eq!(time(at, &zone()), "2026-11-22T08:00:00+08:00");
    assert_eq!(name("a b,c<d&e\u{3000}f"), "a_b_c_d_e_f");
    assert_eq!(place([-0.000_000_01, 29.123_456_78]), "29.123457,0");
}

#[test]
fn a_signature_stands_at_the_end_of_the_alert() {
    let xml = signed("<alert>x</alert>", &signed_info("AA=="), "BB==", "city & co", "CC==");
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alert>x<ds:Signature "));
    assert!(xml.ends_with("</ds:KeyInfo></ds:Signature></alert>\n"), "{xml}");
    assert!(xml.contains("<ds:DigestValue>AA==</ds:DigestValue>"), "{xml}");
    assert!(xml.contains("<ds:KeyName>city &amp; co</ds:KeyName>"), "{xml}");
    let pem = key_pem(&[4; 65], |bytes| "ab".repeat(bytes.len()));
    assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
    assert!(pem.ends_with("\n-----END PUBLIC KEY-----\n"), "{pem}");
}

#[test]
fn a_feed_names_each_message_and_the_page_behind_it() {
    let entry = Entry {
        id: "urn:a".to_owned(),
        title: "a < b".to_owned(),
        summary: String::new(),
        address: "http://here/a?b=1&c=\"2\"".to_owned(),
        sent: Timestamp(1_795_305_600_000),
        status: "Actual",
        kind: "Cancel",
        severity: Severity::MINOR,
        event: "e".to_owned(),
        area: "w".to_owned(),
    };
    let feed = Feed {
        id: "urn:feed".to_owned(),
        title: "t".to_owned(),
        author: "city".to_owned(),
        address: "http://here/".to_owned(),
        next: Some("http://here/2".to_owned()),
        updated: Timestamp(1_795_305_600_000),
        entries: vec![entry],
    };
    let xml = atom(&feed, &zone());
    assert_text(
        &xml.replace("><", ">\n<"),
        r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <feed xmlns="http://www.w3.org/2005/Atom" xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2">
        <id>urn:feed</id>
        <title>t</title>
        <updated>2026-11-22T08:00:00+08:00</updated>
        <author>
        <name>city</name>
        </author>
        <link rel="self" type="application/atom+xml" href="http://here/"/>
        <link rel="next" type="application/atom+xml" href="http://here/2"/>
        <entry>
        <id>urn:a</id>
        <title>a &lt; b</title>
        <updated>2026-11-22T08:00:00+08:00</updated>
        <published>2026-11-22T08:00:00+08:00</published>
        <link rel="alternate" type="application/cap+xml" href="http://here/a?b=1&amp;c=&quot;2&quot;"/>
        <summary>
        </summary>
        <cap:status>Actual</cap:status>
        <cap:msgType>Cancel</cap:msgType>
        <cap:severity>Minor</cap:severity>
        <cap:event>e</cap:event>
        <cap:areaDesc>w</cap:areaDesc>
        </entry>
        </feed>
        "#,
    );
}

/// What is read of a message, or the fault.
fn read(xml: &str) -> String {
    let message = match super::message(xml.as_bytes()) {
        Ok(message) => message,
        Err(fault) => return fault.to_string(),
    };
    let refers: Vec<&str> = message.references.iter().map(|r| r.identifier.as_str()).collect();
    let source = &message.source;
    let mut text = format!(
        "{:?} {}/{} real={} refers={refers:?}",
        message.kind, source.sender, source.identifier, message.is_real
    );
    for info in &message.infos {
        let (severity, over) = (info.severity.number(), info.is_over);
        write!(text, " [{} {} {severity} over={over}", info.language, info.event).unwrap();
        for area in &info.areas {
            write!(text, " {:?} {:?} {:?}", area.codes, area.polygons, area.circles).unwrap();
        }
        text.push(']');
    }
    text
}

const THEIRS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cap:alert xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2">
  <cap:identifier>met-1</cap:identifier><cap:sender>met@example.org</cap:sender>
  <cap:sent>2026-11-22T08:00:00+08:00</cap:sent><cap:status>Actual</cap:status>
  <cap:msgType>Alert</cap:msgType><cap:scope>Public</cap:scope>
  <cap:info><cap:event>Rain &amp; <![CDATA[<storm>]]>&#x21;</cap:event><cap:severity>Severe</cap:severity>
    <cap:area><cap:areaDesc>x</cap:areaDesc><cap:polygon>29,106 29,107 30,107 29,106</cap:polygon>
      <cap:circle>29.5,106.5 12.5</cap:circle>
      <cap:geocode><cap:valueName>GB/T 2260</cap:valueName><cap:value>500103</cap:value></cap:geocode>
    </cap:area></cap:info>
  <ds:Signature xmlns:ds="urn:other"><ds:a><cap:info>passed over</cap:info></ds:a></ds:Signature>
</cap:alert>"#;

#[test]
fn a_message_of_others_is_read_with_any_prefix_and_without_its_signature() {
    assert_eq!(
        read(THEIRS),
        "Alert met@example.org/met-1 real=true refers=[] [en-US Rain & <storm>! 3 over=false \
         [\"500103\"] [[[106.0, 29.0], [107.0, 29.0], [107.0, 30.0]]] [([106.5, 29.5], 12.5)]]"
    );
    let ours = signed(&alert(&sample(), &zone()), &signed_info("AA=="), "BB==", "k", "CC==");
    assert!(
        read(&ours)
            .starts_with("Update chengmai/50/00/W-1_a_b-002 real=false refers=[\"W-1-001\"] ")
    );
}

#[test]
fn what_is_wrong_is_named_by_line_and_byte() {
    let check = |from: &str, to: &str, wanted: &str| {
        assert!(THEIRS.contains(from), "{from}");
        let found = read(&THEIRS.replacen(from, to, 1));
        assert!(found.starts_with(wanted), "{from} -> {to}: {found}");
    };
    check(
        "<cap:sender>met@example.org</cap:sender>",
        "",
        "line 2, byte 1: E-482 `alert` lacks `sender`",
    );
    check("met-1", "met 1", "line 3, byte 3: E-482 `identifier` has 1 to 200");
    check("+08:00", "", "line 4, byte 3: E-482 `sent` is a time with a zone");
    check("Actual", "Draft", "line 4, byte 49: E-484 `status` is Draft");
    check("<cap:msgType>Alert", "<cap:msgType>Ack", "line 5, byte 3: E-484 `msgType` is Ack");
    check(
        "<cap:msgType>Alert",
        "<cap:msgType>Update",
        "line 2, byte 1: E-482 `alert` lacks `references`",
    );
    check("Severe", "Awful", "line 6, byte 72: E-482 `severity`");
    check("30,107 29,106<", "30,107 29,105<", "line 7, byte 45: E-482 `polygon` holds");
    check("29.5,106.5 12.5", "29.5,106.5", "line 8, byte 7: E-482 `circle` holds");
    check("cap:1.2", "cap:1.1", "line 12, byte 13: E-481 the root is");
    check("</cap:info>", "</cap:area>", "line 10, byte 16: E-481 bad XML");
    check(
        "<cap:alert",
        "<!DOCTYPE a SYSTEM \"http://127.0.0.1/a\"><cap:alert",
        "line 2, byte 1: E-481 a DTD",
    );
    check("Rain", "&rain;", "line 6, byte 24: E-481 references to entities are not taken");
    check(
        "<cap:alert",
        "<?xml-stylesheet href=\"x\"?><cap:alert",
        "line 2, byte 1: E-481 processing",
    );
    check("UTF-8", "GB2312", "line 1, byte 1: E-481 this is not UTF-8");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let many = "<cap:note/>".repeat(super::ELEMENTS_MAX);
    assert!(
        read(&THEIRS.replacen("<cap:info>", &format!("{many}<cap:info>"), 1)).contains("E-483")
    );
    let points = format!("29,106 29,107 30,107 {}29,106", "30,107 ".repeat(super::POINTS_MAX));
    assert!(read(&THEIRS.replacen("29,106 29,107 30,107 29,106", &points, 1)).contains("E-483"));
    let long = " ".repeat(super::BYTES_MAX);
    assert!(read(&format!("{THEIRS}{long}")).contains("E-483"));
    let deep = "<cap:a>".repeat(40);
    let refused = read(&THEIRS.replacen("<cap:info>", &deep, 1));
    assert!(refused.contains("E-481") || refused.contains("E-483"), "{refused}");
}
