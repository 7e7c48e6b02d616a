//! What people who mean harm send, and the plain refusal each gets. More than two thousand hostile requests
//! against a real server, which answers well afterwards.
//!
//! Here: the helpers, and what is said inside well-formed requests. In `hostile/`: requests that are not
//! well formed (`shape`), and too much of everything (`flood`). MQTT's are in `src/mqtt/tests/hostile.rs`.

mod flood;
mod shape;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{City, Folder, PASSWORD, PATIENCE};

const TOWN: &str = "500103001";

/// Sends these very bytes; all that comes until the server closes.
fn raw(city: &City, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(city.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may refuse before all is said.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request by hand, after which the connection is closed.
fn ask(city: &City, method: &str, target: &str, headers: &str) -> String {
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: city\r\nconnection: close\r\n{headers}\r\n");
    raw(city, head.as_bytes())
}

fn status(answer: &str) -> u16 {
    let line = answer.lines().next().unwrap_or_default();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The server is as it was: it answers, knows its administrator, and nobody else came in.
fn is_well(city: &City, accounts: usize) {
    assert_eq!(city.get("/healthz", "").0, 200);
    assert_eq!(city.list("/api/v1/users", &city.admin).len(), accounts);
    let (status, answer) =
        city.post("/api/v1/session", "", &json!({"name": "admin", "password": PASSWORD}));
    assert_eq!(status, 200, "{answer}");
}

fn document(city: &City) -> Value {
    city.get("/api/openapi.json", "").1
}

/// Words of a program that spoke without thinking.
fn gives_itself_away(answer: &str) -> Option<&'static str> {
    let words = [
        "SQLITE",
        "sqlite3",
        "syntax error at",
        "near \"",
        "panicked",
        "stack backtrace",
        "src/",
        "root:x:",
    ];
    words.into_iter().find(|word| answer.contains(word))
}

const SQL: [&str; 8] = [
    "' OR '1'='1",
    "1; DROP TABLE \"user\"; --",
    "') UNION SELECT password_hash FROM \"user\" --",
    "%' AND randomblob(100000000) --",
    "\\'; SELECT pg_sleep(30); --",
    "\" OR \"\"=\"",
    "x' AND (SELECT load_extension('/srv/x')) --",
    "\u{2019} OR 1=1 \u{ff07}",
];

/// As it may stand in an address.
fn encoded(text: &str) -> String {
    text.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect()
}

#[test]
fn words_of_sql_in_any_parameter_of_any_route_find_nothing_and_break_nothing() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let document = document(&city);
    let bearer = format!("authorization: Bearer {}\r\n", city.admin);
    let mut asked = 0;
    let mut wrong = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(get) = methods.get("get").filter(|_| path != "/api/v1/events") else { continue };
        let filled: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { encoded(SQL[2]) } else { part.to_owned() })
            .collect::<Vec<_>>()
            .join("/");
        let parameters = get["parameters"].as_array().into_iter().flatten();
        let names: Vec<&str> = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let queries = names
            .iter()
            .flat_map(|name| SQL.iter().map(move |words| format!("?{name}={}", encoded(words))));
        for query in std::iter::once(String::new()).chain(queries) {
            let target = format!("{filled}{query}");
            let answer = ask(&city, "GET", &target, &bearer);
            let status = status(&answer);
            asked += 1;
            if !(200..500).contains(&status) || gives_itself_away(&answer).is_some() {
                wrong.push(format!("{target}: {status} {answer}"));
            }
            if answer.contains("$argon2") {
                wrong.push(format!("{target}: a hash"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked > 1_000, "{asked} requests");
    is_well(&city, 1);
}

/// The example of a route's body, with what its schema refers to.
fn example(document: &Value, schema: &Value) -> Option<Value> {
    for key in ["example", "examples"] {
        if let Some(found) = schema.get(key) {
            return Some(found.as_array().and_then(|all| all.first()).unwrap_or(found).clone());
        }
    }
    let place = schema["$ref"].as_str()?.trim_start_matches('#');
    example(document, document.pointer(place)?)
}

/// The value with its `number`-th text replaced, while there is one.
fn spoiled(value: &Value, number: &mut usize, with: &str) -> Value {
    match value {
        Value::String(text) => {
            let is_it = *number == 0;
            *number = number.wrapping_sub(1);
            Value::String(if is_it { with.to_owned() } else { text.clone() })
        }
        Value::Array(list) => list.iter().map(|item| spoiled(item, number, with)).collect(),
        Value::Object(map) => Value::Object(
            map.iter().map(|(key, item)| (key.clone(), spoiled(item, number, with))).collect(),
        ),
        other => other.clone(),
    }
}

fn texts(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(list) => list.iter().map(texts).sum(),
        Value::Object(map) => map.values().map(texts).sum(),
        _ => 0,
    }
}

#[test]
fn words_of_sql_scripts_and_nuls_in_any_text_of_any_body_are_words_or_refused() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let document = document(&city);
    let long = "长".repeat(200_000);
    let words = [
        SQL[1],
        SQL[2],
        "<script>alert(1)</script>",
        "a\0b",
        "\u{202e}\u{feff}",
        "{{7*7}}${7*7}",
        &long,
    ];
    let mut asked = 0;
    let mut wrong = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        // The administrator's own password stays what it is, and training is another test's.
        if path.contains("/password") || path.contains("/train") {
            continue;
        }
        for method in ["post", "put"] {
            let content = &methods[method]["requestBody"]["content"]["application/json"];
            let Some(body) =
                example(&document, &content["schema"]).or(content.get("example").cloned())
            else {
                continue;
            };
            let path =
                path.replace("{id}", "x").replace("{action}", "dispatch").replace("{name}", "x");
            for (field, words) in (0..texts(&body)).flat_map(|n| words.iter().map(move |w| (n, w)))
            {
                let body = spoiled(&body, &mut { field }, words);
                let (method, token) = (method.to_uppercase(), &city.admin);
                let body = body.to_string();
                let kind = [("content-type", "application/json")];
                let sent = city.send_with(&method, &path, token, &kind, body.as_bytes());
                let (status, answer) = sent.unwrap();
                asked += 1;
                if status >= 500 || gives_itself_away(&answer).is_some() {
                    wrong.push(format!("{method} {path} text {field}: {status} {answer:.300}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked > 400, "{asked} requests");
    assert_eq!(city.get("/healthz", "").0, 200);
    let names = city.list("/api/v1/users", &city.admin);
    assert!(names.iter().any(|user| user["name"] == "admin"), "{names:?}");
}

#[test]
fn sql_reads_the_history_and_nothing_else() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let refused = [
        "DROP TABLE readings",
        "INSERT INTO readings VALUES (1)",
        "UPDATE readings SET value = 0",
        "DELETE FROM readings",
        "CREATE TABLE x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT 1) TO '/srv/x.csv'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM \"user\"",
        "SELECT * FROM records.token",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pg_catalog.pg_user",
        "SELECT load_extension('x')",
        "SELECT pg_sleep(30)",
        "SELECT 1; DROP TABLE readings",
        "SELECT 1 --\n; DELETE FROM readings",
        "SET datafusion.execution.target_partitions = 1",
        "PREPARE x AS SELECT 1",
        "EXPLAIN ANALYZE INSERT INTO readings VALUES (1)",
        "WITH x AS (DELETE FROM readings) SELECT * FROM x",
        "BEGIN",
        "ATTACH DATABASE 'records.db' AS r",
        "LOAD 'x'",
        "GRANT ALL ON readings TO x",
    ];
    for sql in refused {
        let (status, answer) = city.post("/api/v1/sql", &city.admin, &json!({"sql": sql}));
        assert!((400..500).contains(&status), "{sql}: {status} {answer}");
        assert!(
            answer["code"].as_str().is_some_and(|code| code.starts_with("E-7")),
            "{sql}: {answer}"
        );
    }
    let (status, answer) = city.post("/api/v1/sql", &city.admin, &json!({"sql": "SELECT 1"}));
    assert_eq!(status, 200, "{answer}");
    is_well(&city, 1);
}

/// What scripts hide in.
const SCRIPTS: [&str; 10] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</textarea><script>alert(1)</script>",
    "<!--<img src=\"--><img src=x onerror=alert(1)>",
    "]]><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u{2028}<iframe srcdoc='<script>alert(1)</script>'>",
];

/// Sends a report as a browser does; each sender may send so much only.
fn report(city: &City, from: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let body: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let headers = [kind, ("x-forwarded-for", from)];
    city.send_with("POST", "/report", "", &headers, body.join("&").as_bytes()).unwrap()
}

#[test]
fn scripts_in_a_report_are_words_on_every_page_and_in_every_feed() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    for (number, words) in SCRIPTS.iter().enumerate() {
        let from = format!("10.1.0.{number}");
        let fields = [
            ("type", "dirty_road"),
            ("area", TOWN),
            ("words", *words),
            ("name", *words),
            ("phone", *words),
        ];
        let (status, sent) = report(&city, &from, &fields);
        assert!(status < 500, "{words}: {status}");
        // Refused, it is shown again; taken, its page is shown.
        let (_, again) =
            report(&city, &from, &[("words", words), ("lang", words), ("type", words)]);
        let mut pages = vec![sent.clone(), again];
        if let Some((_, link)) = sent.split_once("/track/") {
            let secret: String = link.chars().take_while(char::is_ascii_hexdigit).collect();
            for path in [format!("/track/{secret}"), format!("/track/{secret}/receipt")] {
                pages.push(city.send_with("GET", &path, "", &[], b"").unwrap().1);
            }
        }
        let query = encoded(words);
        for path in [
            "/report?words=",
            "/report?type=",
            "/public?area=",
            "/public?type=",
            "/public?lang=",
            "/track/x?lang=",
        ] {
            pages.push(city.send_with("GET", &format!("{path}{query}"), "", &[], b"").unwrap().1);
        }
        for page in pages {
            assert!(!runs(&page), "{words}: {page}");
        }
    }
    let cases = city.list("/api/v1/cases?state=all", &city.admin);
    assert!(cases.len() >= 9, "{}", cases.len());
    for path in [
        "/public",
        "/public/reports.rss",
        "/public/reports.atom",
        "/open311/v2/requests.xml",
        "/open311/v2/services.xml",
    ] {
        let (status, text) = city.send_with("GET", path, "", &[], b"").unwrap();
        assert!(status == 200 && !runs(&text), "{path}: {text}");
    }
    for path in ["/public/reports.geojson", "/open311/v2/requests.json", "/api/v1/cases?state=all"]
    {
        let (status, headers) = city.head(path, &city.admin);
        assert_eq!(
            (status, &headers["x-content-type-options"]),
            (200, &"nosniff".parse().unwrap())
        );
        let kind = headers["content-type"].to_str().unwrap();
        assert!(kind.contains("json"), "{path}: {kind}");
    }
}

/// True when a browser would run something of ours that it should not.
fn runs(page: &str) -> bool {
    let small = page.to_lowercase();
    let ours = small.replace("<script src=\"/public/citizen.js\"", "");
    [
        "<script",
        "<img src=x",
        "<svg",
        "<iframe",
        "href=\"javascript:",
        "\"><svg",
        "' onmouseover='alert(1)'",
    ]
    .iter()
    .any(|mark| ours.contains(mark))
}

#[test]
fn words_that_a_sheet_would_take_for_a_formula_are_quoted_in_the_csv() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|'/C calc'!A0", "＝1+1"];
    for (number, words) in formulas.iter().enumerate() {
        let fields =
            [("type", "dirty_road"), ("area", TOWN), ("words", *words), ("confirmed", "1")];
        assert_eq!(report(&city, &format!("10.2.0.{number}"), &fields).0, 200, "{words}");
    }
    let (_, text) = city.send_with("GET", "/public/reports.csv", "", &[], b"").unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let mut cells = 0;
    for row in rows.records() {
        for cell in &row.unwrap() {
            cells += 1;
            let first = cell.trim_start_matches(['\u{feff}']).chars().next();
            assert!(!first.is_some_and(|c| "=+-@\t\r＝".contains(c)), "{cell:?}");
        }
    }
    assert!(cells >= formulas.len() * 10, "{text}");
}

#[test]
fn messages_go_to_no_address_inside_however_it_is_written() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let hosts = [
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "[fc00::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "１２７.０.０.１",
        "127。0。0。1",
        "127.0.0.1.",
        "user@127.0.0.1",
        "user:pw@localhost",
        "127.0.0.1%2f@evil.example",
        "[::ffff:169.254.169.254]",
        "[2002:7f00:1::]",
    ];
    let mut addresses: Vec<String> = hosts
        .iter()
        .flat_map(|host| [format!("https://{host}/hook"), format!("http://{host}:8080/hook")])
        .collect();
    for other in [
        "file:///etc/passwd",
        "gopher://127.0.0.1:1/_x",
        "ftp://10.0.0.1/",
        "//127.0.0.1/",
        "https://",
        "javascript:alert(1)",
        "data:,x",
        "https://exa mple/",
        "https://127.0.0.1:443#@public.example/",
        "dict://127.0.0.1:11211/",
    ] {
        addresses.push(other.to_owned());
    }
    for address in &addresses {
        let subscription = json!({"name": "x", "channel": "webhook", "address": address, "matters": ["arrived"],
            "severity_min": 1, "area": TOWN, "language": "zh"});
        let (status, answer) = city.post("/api/v1/subscriptions", &city.admin, &subscription);
        assert_eq!(status, 422, "{address}: {answer}");
        assert_eq!(answer["code"], "E-426", "{address}: {answer}");
    }
    assert_eq!(city.list("/api/v1/subscriptions", &city.admin).len(), 0);
}

#[test]
fn what_is_no_token_signs_nobody_in() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let good = city.admin.clone();
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGVzIjpbImFkbWluIl19.";
    let (cut, upper, twice) =
        (good[..good.len() - 1].to_owned(), good.to_uppercase(), format!("{good}{good}"));
    let long = "a".repeat(20_000);
    let values = [
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer undefined",
        "Bearer admin",
        "Bearer '",
        "Bearer %00",
        &format!("Bearer {none}"),
        &format!("Bearer {cut}"),
        &format!("Bearer {upper}"),
        &format!("Bearer {twice}"),
        &format!("Bearer {good},{good}"),
        &format!("Bearer {long}"),
        &format!("Bearer {good}x"),
        &format!("Bearer \"{good}\""),
        "Basic YWRtaW46YWRtaW4=",
        &format!("Basic {good}"),
        &format!("Digest username=\"admin\", response=\"{good}\""),
        "Negotiate YII=",
        &format!("bearer{good}"),
        &format!("Bearer {}", SQL[0]),
        &good,
    ]
    .map(str::to_owned);
    for value in values {
        let answer = ask(&city, "GET", "/api/v1/users", &format!("authorization: {value}\r\n"));
        assert_eq!(status(&answer), 401, "{value:.60}: {answer}");
        let answer =
            ask(&city, "GET", "/api/v1/users", &format!("cookie: chengmai_session={value}\r\n"));
        assert!(value == good || status(&answer) == 401, "{value:.60}: {answer}");
    }
    for bytes in [&b"Bearer \xff\xfe"[..], b"Bearer a\x00b", b"Bearer a\x01b"] {
        let request = [
            b"GET /api/v1/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: ",
            bytes,
            b"\r\n\r\n",
        ];
        assert!([400, 401].contains(&status(&raw(&city, &request.concat()))), "{bytes:?}");
    }
    // In the address a token counts nowhere.
    for name in ["token", "access_token", "api_key", "authorization", "u"] {
        let answer = ask(&city, "GET", &format!("/api/v1/users?{name}={good}"), "");
        assert_eq!(status(&answer), 401, "{name}");
    }
    is_well(&city, 1);
}

#[test]
fn with_a_cookie_only_our_own_pages_change_anything_and_no_other_page_may_read() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let account = json!({"name": "admin", "password": PASSWORD}).to_string();
    let answer = raw(&city, format!("POST /api/v1/session HTTP/1.1\r\nhost: city\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{account}", account.len()).as_bytes());
    let cookie = answer.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    let origins = [
        "https://evil.example",
        "null",
        "http://city.evil.example",
        "http://evil.example/city",
        "http://city@evil.example",
        "http://citycity",
        "city.evil.example",
        "http://city:1",
        "file://",
        "http://CITY\u{430}",
    ];
    for origin in origins {
        let headers = format!("cookie: {cookie}\r\norigin: {origin}\r\ncontent-length: 2\r\n");
        for (method, path) in [
            ("POST", "/api/v1/users/admin/token"),
            ("DELETE", "/api/v1/users/admin"),
            ("POST", "/api/v1/sql"),
            ("PUT", "/api/v1/subscriptions/x"),
        ] {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: city\r\nconnection: close\r\n{headers}\r\n{{}}"
            );
            let answer = raw(&city, head.as_bytes());
            assert_eq!(status(&answer), 403, "{method} {path} {origin}: {answer}");
        }
        let answer = ask(
            &city,
            "GET",
            "/api/v1/users",
            &format!("cookie: {cookie}\r\norigin: {origin}\r\n"),
        );
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
        let asked = format!("origin: {origin}\r\naccess-control-request-method: POST\r\n");
        let answer = ask(&city, "OPTIONS", "/api/v1/users", &asked);
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    }
    is_well(&city, 1);
}

#[test]
fn a_method_is_what_the_request_line_says() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.account("keep", &["viewer"], "50", None);
    let bearer = format!("authorization: Bearer {}\r\n", city.admin);
    for name in ["x-http-method-override", "x-method-override", "x-http-method", "_method"] {
        for method in ["GET", "POST"] {
            let headers = format!("{bearer}{name}: DELETE\r\ncontent-length: 0\r\n");
            for target in ["/api/v1/users/keep", "/api/v1/users/keep?_method=DELETE"] {
                let answer = ask(&city, method, target, &headers);
                assert_eq!(status(&answer), 405, "{name} {method}: {answer}");
            }
        }
    }
    let known: BTreeSet<u16> = ["TRACE", "TRACK", "DEBUG", "PROPFIND", "PATCH", "LINK", "get", "X"]
        .iter()
        .map(|method| status(&ask(&city, method, "/api/v1/users/keep", &bearer)))
        .collect();
    assert!(known.iter().all(|status| [400, 405].contains(status)), "{known:?}");
    let answer = ask(&city, "CONNECT", "10.0.0.1:80", &bearer);
    assert!((400..500).contains(&status(&answer)), "{answer}");
    is_well(&city, 2);
}

#[test]
fn every_answer_tells_browsers_to_load_and_run_nothing_of_others() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let mut nonces = BTreeSet::new();
    for path in [
        "/",
        "/cases/x",
        "/report",
        "/public",
        "/api/v1/users",
        "/api/v1/none",
        "/healthz",
        "/public/citizen.css",
    ] {
        let (status, headers) = city.head(path, &city.admin);
        let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
        let policy = text("content-security-policy");
        // The pages of citizens have a policy of their own, which is stricter.
        let strict =
            policy.starts_with("default-src 'none'") || policy.contains("object-src 'none'");
        assert!(strict && !policy.contains("unsafe"), "{path} {status}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
        nonces.extend(
            policy.split("'nonce-").nth(1).map(|rest| rest.split('\'').next().unwrap().to_owned()),
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(text(name), value, "{path} {name}");
        }
        assert!(["same-origin", "no-referrer"].contains(&text("referrer-policy")), "{path}");
        assert!(text("permissions-policy").contains("microphone=()"), "{path}");
        assert_eq!(text("strict-transport-security"), "", "{path}: it is not TLS");
        if path.starts_with("/api/v1/") {
            assert_eq!(text("cache-control"), "no-store", "{path}");
        }
    }
    // Where the screens are built in, their page has one, another each time.
    assert!(nonces.is_empty() || nonces.len() == 2, "{nonces:?}");
}
