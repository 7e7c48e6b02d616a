//! Assistants from outside: Model Context Protocol at `/mcp` as its official Python client speaks it and as raw
//! messages; areas and permissions kept; drafts that a person approves or declines.

use std::process::Command;

use serde_json::{Value, json};

use super::browser::{Browser, STRONG, person};
use super::harness::{City, Folder, now_ms, until};

const OWN: &str = "500103001";
const GRID: &str = "500103001001001";
const FOREIGN: &str = "500105001";

/// A message in a version with an `initialize`; status and answer.
fn send(city: &City, token: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut all = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    all.extend(headers);
    let sent = city.send_with("POST", "/mcp", token, &all, body.to_string().as_bytes());
    let (status, text) = sent.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn asks(method: &str, parameters: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
}

/// What a tool answers, and whether that is a refusal.
fn tool(city: &City, token: &str, name: &str, arguments: &Value) -> (bool, Value) {
    let body = asks("tools/call", &json!({"name": name, "arguments": arguments}));
    let (status, answer) = send(city, token, &body, &[("mcp-protocol-version", "2025-11-25")]);
    assert_eq!(status, 200, "{name}: {answer}");
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str().unwrap();
    let is_error = result["isError"].as_bool().unwrap();
    if !is_error {
        let same: Value = serde_json::from_str(text).unwrap();
        assert_eq!(same, result["structuredContent"], "{name}: the text says the same");
    }
    (is_error, result["structuredContent"].clone())
}

fn told(city: &City, token: &str, name: &str, arguments: &Value) -> Value {
    let (is_error, answer) = tool(city, token, name, arguments);
    assert!(!is_error, "{name} {arguments}: {answer}");
    answer
}

/// The number that a tool refuses with.
fn refused(city: &City, token: &str, name: &str, arguments: &Value) -> String {
    let (is_error, answer) = tool(city, token, name, arguments);
    assert!(is_error, "{name} {arguments}: {answer}");
    answer["code"].as_str().unwrap().to_owned()
}

/// A device with readings, a warning and a case in a town; the case's number.
fn town(city: &City, code: &str) -> String {
    let (grid, device) = (format!("{code}001001"), format!("cover-{code}"));
    city.register(&format!("id,kinds,area,period\n{device},manhole_tilt,{grid},1m\n"));
    let line = format!("manhole_tilt,device={device} value=24 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    until("the cover's warning", || {
        city.list(&format!("/api/v1/warnings?area={code}"), &city.admin).into_iter().next()
    });
    let new = json!({"type": "dirty_road", "row": 0, "area": grid, "description": code});
    let (status, case) = city.post("/api/v1/cases", &city.admin, &new);
    assert_eq!(status, 200, "{case}");
    case["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_official_python_client_lists_and_calls_every_tool() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the client");
    };
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (case, _) = (town(&city, OWN), town(&city, FOREIGN));
    let token = city.account("assistant", &["duty_officer"], OWN, None);
    let script = folder.path().join("ask.py");
    std::fs::write(&script, include_str!("mcp.py")).unwrap();
    let mut command = Command::new(python);
    command.arg(&script).args([&city.url("/mcp"), &token, &case, FOREIGN]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["called"], said["tools"], "every tool was called: {said}");
    assert_eq!(said["foreign"], json!(["E-204", "E-204", "E-204"]));
    assert_eq!(said["leaks"], json!([]));
}

#[test]
fn every_version_is_spoken_as_it_was_written() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let begin = json!({"protocolVersion": version, "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}});
        let (status, answer) = send(&city, &city.admin, &asks("initialize", &begin), &[]);
        assert_eq!((status, &answer["result"]["protocolVersion"]), (200, &json!(version)));
        assert!(answer["result"]["instructions"].as_str().unwrap().contains("城脉"));
        let header = [("mcp-protocol-version", version)];
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(send(&city, &city.admin, &note, &header), (202, Value::Null));
        let (_, list) = send(&city, &city.admin, &asks("tools/list", &json!({})), &header);
        assert_eq!(list["result"]["tools"][0]["name"], "find_areas");
        let batch = json!([asks("ping", &json!({})), asks("tools/list", &json!({})), note]);
        let (status, answers) = send(&city, &city.admin, &batch, &header);
        if version == "2025-03-26" {
            assert_eq!((status, answers.as_array().unwrap().len()), (200, 2));
        } else {
            assert_eq!((status, &answers["error"]["code"]), (400, &json!(-32_600)));
        }
    }
    let meta = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}}});
    let discover = asks("server/discover", &meta);
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")];
    let (status, answer) = send(&city, &city.admin, &discover, &headers);
    assert_eq!((status, &answer["result"]["resultType"]), (200, &json!("complete")));
    let (status, answer) = send(&city, &city.admin, &discover, &headers[..1]);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32_020)));
    let (status, answer) = send(
        &city,
        &city.admin,
        &asks("resources/list", &meta),
        &[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/list")],
    );
    assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32_601)));
    let old = [("mcp-protocol-version", "2024-11-05")];
    let (status, answer) = send(&city, &city.admin, &asks("tools/list", &json!({})), &old);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32_022)));
    for method in ["GET", "DELETE"] {
        let (status, headers, _) = city.whole(method, "/mcp", &city.admin, &[], b"");
        assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "POST"), "{method}");
    }
}

#[test]
fn what_comes_from_elsewhere_or_without_a_token_of_a_program_is_refused() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--public-url", "https://city.example"]);
    let list = asks("tools/list", &json!({}));
    let check = |headers: &[(&str, &str)], status: u16, code: &str| {
        let (found, answer) = send(&city, &city.admin, &list, headers);
        assert_eq!((found, answer["code"].as_str().unwrap_or("")), (status, code), "{headers:?}");
    };
    check(&[], 200, "");
    check(&[("host", "city.example")], 200, "");
    check(&[("origin", "https://city.example")], 200, "");
    check(&[("host", "rebound.example")], 403, "E-491");
    check(&[("origin", "https://evil.example")], 403, "E-505");
    check(&[("sec-fetch-site", "cross-site")], 403, "E-505");
    person(&city, "duty", &["duty_officer"], OWN, None);
    let browser = Browser::open(&city, "duty", STRONG, None).unwrap();
    let (status, answer) = browser.ask("POST", "/mcp", &list);
    assert_eq!((status, answer["code"].as_str()), (401, Some("E-490")), "a cookie opens nothing");
    let session = browser.cookie.split_once('=').unwrap().1;
    assert_eq!(send(&city, session, &list, &[]).0, 401, "nor does a session as a token");
    let kind = [("content-type", "application/json")];
    let (status, headers, _) = city.whole("POST", "/mcp", "", &kind, b"{}");
    assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    let large = vec![b' '; 300_000];
    let (status, text) = city.send_with("POST", "/mcp", &city.admin, &kind, &large).unwrap();
    assert_eq!(status, 400);
    assert!(text.contains("E-492"), "{text}");
}

#[test]
fn a_tool_sees_and_does_what_its_caller_may_and_no_more() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (_, foreign_case) = (town(&city, OWN), town(&city, FOREIGN));
    let duty = city.account("duty-robot", &["duty_officer"], OWN, None);
    let viewer = city.account("viewer-robot", &["viewer"], OWN, None);
    let gateway = city.account("gateway", &["ingest"], OWN, None);
    let shown = |token: &str| {
        let (_, answer) = send(&city, token, &asks("tools/list", &json!({})), &[]);
        let tools = answer["result"]["tools"].as_array().unwrap().clone();
        let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
        tools.iter().map(name).collect::<Vec<_>>()
    };
    assert!(shown(&duty).contains(&"query_history".to_owned()));
    assert!(shown(&duty).contains(&"propose_step".to_owned()));
    assert_eq!(shown(&viewer).len() + 3, shown(&duty).len(), "neither SQL nor drafts");
    assert!(shown(&gateway).is_empty());
    // Hidden is not all: a viewer who calls them is refused.
    let sql = json!({"sql": "SELECT count(*) AS n FROM readings"});
    assert_eq!(refused(&city, &viewer, "query_history", &sql), "E-503");
    let step = json!({"case": "x", "action": "close", "reason": "done"});
    assert_eq!(refused(&city, &viewer, "propose_step", &step), "E-503");
    assert_eq!(refused(&city, &gateway, "list_cases", &json!({})), "E-503");
    // One town each, in every list, and in SQL.
    let sql = json!({"sql": "SELECT DISTINCT device FROM readings"});
    assert_eq!(
        told(&city, &duty, "query_history", &sql)["rows"],
        json!([[format!("cover-{OWN}")]])
    );
    for (name, arguments) in [
        ("find_areas", json!({})),
        ("find_devices", json!({})),
        ("list_warnings", json!({"state": "all"})),
        ("list_cases", json!({})),
        ("latest_values", json!({"kind": "manhole_tilt"})),
    ] {
        let text = told(&city, &duty, name, &arguments).to_string();
        assert!(text.contains(OWN) && !text.contains(FOREIGN), "{name}: {text}");
    }
    for (name, arguments) in [
        ("find_areas", json!({"parent": FOREIGN})),
        ("list_cases", json!({"area": FOREIGN})),
        ("get_indicator", json!({"code": "street.manhole_closed_share", "area": FOREIGN})),
        ("get_device", json!({"id": format!("cover-{FOREIGN}")})),
        ("get_case", json!({"id": foreign_case})),
        ("list_proposals", json!({"area": FOREIGN})),
        ("propose_step", json!({"case": foreign_case, "action": "dispatch", "reason": "x"})),
        ("propose_case", json!({"area": FOREIGN, "description": "x", "reason": "x"})),
    ] {
        assert_eq!(refused(&city, &duty, name, &arguments), "E-204", "{name} {arguments}");
    }
    // What does not fit is said: to the client when it asks for what it was not shown, else to the assistant.
    let call = |name: &str, arguments: &Value| {
        let body = asks("tools/call", &json!({"name": name, "arguments": arguments}));
        send(&city, &duty, &body, &[]).1
    };
    for (name, arguments) in [("drop_city", json!({})), ("list_cases", json!({"photos": 1}))] {
        let error = &call(name, &arguments)["error"];
        assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32_602), &json!("E-495")));
    }
    assert_eq!(refused(&city, &duty, "list_cases", &json!({"limit": 5_000})), "E-495");
    assert_eq!(refused(&city, &duty, "list_cases", &json!({"from": "yesterday"})), "E-205");
    let words = "x".repeat(1_000);
    let columns: Vec<String> = (0..15).map(|n| format!("'{words}' AS x{n}")).collect();
    let long = format!("SELECT {} FROM kinds", columns.join(","));
    assert_eq!(refused(&city, &duty, "query_history", &json!({"sql": long})), "E-496");
}

/// What waits, as a browser is shown it.
fn waiting(browser: &Browser<'_>) -> Vec<Value> {
    let (status, page) = browser.get("/api/v1/drafts");
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

#[test]
fn what_an_assistant_proposes_is_done_by_the_person_who_approves_it() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let robot = city.account("robot", &["supervisor"], OWN, None);
    person(&city, "duty", &["duty_officer"], OWN, None);
    person(&city, "neighbour", &["duty_officer"], FOREIGN, None);
    person(&city, "viewer", &["viewer"], OWN, None);
    let [duty, neighbour, viewer] = ["duty", "neighbour", "viewer"]
        .map(|name| Browser::open(&city, name, STRONG, None).unwrap());
    let new = json!({"type": "dirty_road", "row": 0, "area": GRID, "description": "rubbish on the road",
        "reason": "two readings and a photo"});
    let draft = told(&city, &robot, "propose_case", &new);
    assert_eq!((&draft["state"], &draft["may_approve"]), (&json!("waiting"), &json!(false)));
    let id = draft["id"].as_i64().unwrap();
    let (approve, decline) =
        (format!("/api/v1/drafts/{id}/approve"), format!("/api/v1/drafts/{id}/decline"));
    assert!(city.list("/api/v1/cases?state=all", &city.admin).is_empty(), "nothing has happened");
    // Who may not, does not: another town, a viewer, a program, nobody without a reason.
    assert!(waiting(&neighbour).is_empty());
    assert_eq!(neighbour.ask("POST", &approve, &json!({})).0, 404);
    assert_eq!(neighbour.ask("POST", &decline, &json!({"reason": "no"})).0, 404);
    assert_eq!(waiting(&viewer)[0]["may_approve"], false);
    assert_eq!(viewer.ask("POST", &approve, &json!({})).0, 403);
    assert_eq!(viewer.ask("POST", &decline, &json!({"reason": "no"})).0, 403);
    for token in [&robot, &city.admin] {
        let (status, answer) = city.post(&approve, token, &json!({}));
        assert_eq!((status, answer["code"].as_str()), (403, Some("E-499")), "{answer}");
    }
    assert_eq!(duty.ask("POST", &decline, &json!({})).1["code"], "E-402");
    // The duty officer does it, in the own name.
    assert_eq!(waiting(&duty)[0]["may_approve"], true);
    let (status, done) = duty.ask("POST", &approve, &json!({}));
    assert_eq!(
        (status, &done["state"], &done["decided_by"]),
        (200, &json!("approved"), &json!("duty"))
    );
    let number = done["outcome"].as_str().unwrap().to_owned();
    let (_, case) = duty.get(&format!("/api/v1/cases/{number}"));
    assert_eq!(
        (&case["filed_by"], &case["description"]),
        (&json!("duty"), &json!("rubbish on the road"))
    );
    assert_eq!(duty.ask("POST", &approve, &json!({})).1["code"], "E-497", "once");
    assert_eq!(city.list("/api/v1/cases?state=all", &city.admin).len(), 1);
    let lines = city.list("/api/v1/audit?who=duty", &city.admin);
    let line = lines.iter().find(|line| line["what"] == "draft_approved").unwrap();
    let detail: Value = serde_json::from_str(line["detail"].as_str().unwrap()).unwrap();
    assert_eq!((&line["object"], &detail["proposed_by"]), (&json!(number), &json!("robot")));
    // A step; what the person may not do is refused as ever, and waits on.
    let step = json!({"case": number, "action": "dispatch", "reason": "it is theirs"});
    let step = told(&city, &robot, "propose_step", &step)["id"].as_i64().unwrap();
    let approve = format!("/api/v1/drafts/{step}/approve");
    let (status, done) = duty.ask("POST", &approve, &json!({}));
    assert_eq!(status, 200, "{done}");
    let (_, case) = duty.get(&format!("/api/v1/cases/{number}"));
    let last = case["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&case["state"], &last["actor"]), (&json!("dispatched"), &json!("duty")));
    let ended = told(&city, &robot, "list_proposals", &json!({"state": "ended"}));
    assert_eq!(ended["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_proposal_that_cannot_be_done_waits_on_or_is_declined_with_a_reason() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let case = town(&city, OWN);
    let robot = city.account("robot", &["duty_officer"], OWN, None);
    person(&city, "duty", &["duty_officer"], OWN, None);
    let duty = Browser::open(&city, "duty", STRONG, None).unwrap();
    let propose = |action: &str| {
        let step = json!({"case": case, "action": action, "reason": "figures say so"});
        told(&city, &robot, "propose_step", &step)["id"].as_i64().unwrap()
    };
    let (close, dispatch, late) = (propose("close"), propose("dispatch"), propose("dispatch"));
    let decide = |id: i64, how: &str, body: &Value| {
        duty.ask("POST", &format!("/api/v1/drafts/{id}/{how}"), body)
    };
    let (status, answer) = decide(close, "approve", &json!({}));
    assert_eq!((status, answer["code"].as_str()), (409, Some("E-401")), "{answer}");
    assert_eq!(waiting(&duty).len(), 3, "it waits on");
    assert_eq!(decide(dispatch, "approve", &json!({})).0, 200);
    // The case is not what it was when this one was drafted.
    let (_, answer) = decide(late, "approve", &json!({}));
    assert_eq!(answer["code"], "E-429", "{answer}");
    for id in [close, late] {
        let (status, answer) = decide(id, "decline", &json!({"reason": "the case moved on"}));
        assert_eq!((status, &answer["state"]), (200, &json!("declined")));
    }
    assert!(waiting(&duty).is_empty());
    let ended = told(&city, &robot, "list_proposals", &json!({"state": "ended"}));
    assert_eq!(ended["items"][0]["remark"], "the case moved on");
    // What makes no sense is said at once, and an account does not pile them up.
    let refuse = |name: &str, arguments: &Value| refused(&city, &robot, name, arguments);
    let step = json!({"case": case, "action": "explode", "reason": "x"});
    assert_eq!(refuse("propose_step", &step), "E-495");
    let step = json!({"case": case, "action": "close", "reason": " "});
    assert_eq!(refuse("propose_step", &step), "E-402");
    let row =
        json!({"type": "dirty_road", "row": 900, "area": GRID, "description": "x", "reason": "x"});
    assert_eq!(refuse("propose_case", &row), "E-404");
    for _ in 0..50 {
        propose("urge");
    }
    let step = json!({"case": case, "action": "urge", "reason": "x"});
    assert_eq!(refuse("propose_step", &step), "E-498");
}

#[test]
fn who_reported_a_case_is_in_no_answer() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let words = "type=dirty_road&area=500103001&words=dirty%20139-1234-5678&name=Zhang%20San&\
        phone=13912345678&email=zhang%40example.com";
    let (status, page) = city.send_with("POST", "/report", "", &form, words.as_bytes()).unwrap();
    assert!(status < 400, "{status} {page}");
    let robot = city.account("robot", &["duty_officer"], OWN, None);
    let cases = told(&city, &robot, "list_cases", &json!({"state": "all"}));
    let id = cases["items"][0]["id"].as_str().unwrap();
    let case = told(&city, &robot, "get_case", &json!({"id": id}));
    let sql = json!({"sql": "SHOW TABLES"});
    let tables = told(&city, &robot, "query_history", &sql);
    for answer in [&cases, &case, &tables] {
        let text = answer.to_string();
        for word in ["5678", "Zhang", "zhang", "contact", "reporter"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}
