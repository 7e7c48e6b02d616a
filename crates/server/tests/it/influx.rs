//! Clients of InfluxDB 1: what they send and how they sign in, by hand and by the client that its makers wrote.

use std::io::Write as _;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms};

const GRID: &str = "500103001001001";

fn city() -> (Folder, City, String) {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\nm1,methane,{GRID},1m\n"));
    let token = city.account("gateway", &["ingest"], "50", None);
    (folder, city, token)
}

/// Status and answer of a request that signs in by this header.
fn send(city: &City, path: &str, sign_in: &str, body: &[u8]) -> (u16, Value) {
    let headers = [("authorization", sign_in)];
    let (status, text) = city.send_with("POST", path, "", &headers, body).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[test]
fn every_precision_and_every_way_to_sign_in_of_version_1_is_taken() {
    let (_folder, city, token) = city();
    let hour = now_ms() / 3_600_000 - 1;
    let basic = format!("Basic {}", STANDARD.encode(format!("gateway:{token}")));
    let named = format!("Token gateway:{token}");
    let bearer = format!("Bearer {token}");
    let plain = format!("Token {token}");
    let moments = [
        ("n", hour * 3_600_000_000_000, &basic),
        ("ns", hour * 3_600_000_000_000 + 60_000_000_000, &named),
        ("u", hour * 3_600_000_000 + 120_000_000, &bearer),
        ("ms", hour * 3_600_000 + 180_000, &plain),
        ("s", hour * 3_600 + 240, &basic),
        ("m", hour * 60 + 5, &basic),
        ("h", hour + 1, &named),
    ];
    for (index, (precision, at, sign_in)) in moments.into_iter().enumerate() {
        let path = format!("/write?db=city&rp=autogen&precision={precision}");
        let line = format!("methane,device=m1 value={index} {at}\n");
        let (status, answer) = send(&city, &path, sign_in, line.as_bytes());
        assert_eq!(status, 204, "{precision}: {answer}");
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(b"methane,device=m1 value=7\n").unwrap();
    let headers = [("authorization", basic.as_str()), ("content-encoding", "gzip")];
    let body = packed.finish().unwrap();
    assert_eq!(city.send_with("POST", "/write?db=city", "", &headers, &body).unwrap().0, 204);
    let path = "/api/v1/devices/m1/observations";
    assert_eq!(city.values("m1", 8), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "{path}");
}

#[test]
fn a_part_that_is_refused_is_told_in_the_words_of_version_1_and_the_rest_is_kept() {
    let (_folder, city, token) = city();
    let sign_in = format!("Token {token}");
    let lines =
        b"methane,device=m1 value=1\nmethane,device=nobody value=2\nmethane,device=m1 value=oops\n";
    let (status, answer) = send(&city, "/write?db=city", &sign_in, lines);
    assert_eq!(status, 400);
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with("partial write: 2 refused, 1 accepted; line 2"), "{answer}");
    assert_eq!(answer["refused"][1]["code"], "E-101", "{answer}");
    assert_eq!(city.values("m1", 1), [1.0]);
    for (path, sign_in, status, number) in [
        ("/write?db=x&precision=d", sign_in.as_str(), 400, "E-205"),
        ("/write?db=x", "Token cm_nonsense", 401, "E-501"),
    ] {
        let (found, answer) = send(&city, path, sign_in, b"methane,device=m1 value=1\n");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(found == status && error.starts_with(number), "{found} {answer}");
    }
}

#[test]
fn a_secret_in_the_address_is_refused_with_the_other_ways_named() {
    let (_folder, city, token) = city();
    let line = b"methane,device=m1 value=1\n";
    for path in
        [format!("/write?db=x&u=me&p={token}"), "/query?q=CREATE+DATABASE+x&u=me".to_owned()]
    {
        let (status, answer) = send(&city, &path, &format!("Token {token}"), line);
        assert_eq!(status, 400, "{answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains("E-530") && error.contains("Basic"), "{answer}");
        assert!(!answer.to_string().contains(&token), "{answer}");
    }
    let (status, headers, _) = city.whole("GET", "/ping", "", &[], b"");
    assert_eq!((status, headers["x-influxdb-version"].to_str().unwrap()), (204, "1.8.10-chengmai"));
}

#[test]
fn only_the_question_that_comes_before_writing_is_answered() {
    let (_folder, city, token) = city();
    let sign_in = format!("Token {token}");
    let ask = |path: &str, form: &str| send(&city, path, &sign_in, form.as_bytes());
    let nothing = json!({"results": [{"statement_id": 0}]});
    for (path, form) in [
        ("/query", "q=CREATE+DATABASE+%22city%22"),
        ("/query?q=create%20database%20city%3B", ""),
        ("/query", "q=CREATE+DATABASE+city+WITH+DURATION+3d"),
    ] {
        assert_eq!(ask(path, form), (200, nothing.clone()), "{path} {form}");
    }
    for question in
        ["SHOW+DATABASES", "SELECT+*+FROM+cpu", "CREATE+DATABASE+x%3B+DROP+DATABASE+x", ""]
    {
        let (status, answer) = ask("/query", &format!("q={question}"));
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.starts_with("E-531"), "{question}: {answer}");
    }
    let reader = city.account("reader", &["viewer"], "50", None);
    let (status, answer) =
        send(&city, "/query", &format!("Token {reader}"), b"q=CREATE+DATABASE+x");
    assert!(status == 403 && answer["error"].is_string(), "{answer}");
}

#[test]
fn the_python_client_of_version_1_writes_and_hears_what_was_refused() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the clients");
    };
    let (folder, city, token) = city();
    let script = folder.path().join("write.py");
    std::fs::write(&script, PYTHON).unwrap();
    let port = city.http.port().to_string();
    let output = Command::new(python).arg(&script).args([&port, &token]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["version"], "1.8.10-chengmai");
    assert_eq!(said["written"], json!([true, true]));
    let refused = said["refused"].as_str().unwrap();
    assert!(refused.contains("partial write: 1 refused, 1 accepted"), "{refused}");
    assert_eq!(city.values("m1", 601).len(), 601);
}

/// `influxdb` 5 as its makers published it: sign-in with name and password, points, gzip.
const PYTHON: &str = r#"
import json, os, sys, time
os.environ["NO_PROXY"] = "*"
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError

port, token = sys.argv[1:]
now = int(time.time() * 1000) - 900_000
def point(n):
    return {"measurement": "methane", "tags": {"device": "m1"}, "time": now + n * 1000, "fields": {"value": n % 90 / 2}}

written = []
for packed, first in [(False, 0), (True, 300)]:
    client = InfluxDBClient("127.0.0.1", int(port), "gateway", token, "city", gzip=packed)
    client.create_database("city")
    points = [point(n) for n in range(first, first + 300)]
    written.append(client.write_points(points, time_precision="ms", batch_size=100))
try:
    bad = {"measurement": "methane", "tags": {"device": "nobody"}, "fields": {"value": 1.0}}
    client.write_points([point(600), bad], time_precision="ms")
    refused = "nothing"
except InfluxDBClientError as error:
    refused = str(error)
print(json.dumps({"version": client.ping(), "written": written, "refused": refused}))
"#;
