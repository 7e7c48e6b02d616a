//! What each version of the protocol is told, and what is refused, as messages; arguments by a table; any bytes.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::{
    About, Argument, Call, Headers, Id, Kind, Message, Posted, Refused, Request, Tool, Version,
    check, decode, discovered, initialized, input_schema, refused, replied, result, tools,
};

const ABOUT: About<'static> =
    About { name: "chengmai", title: "城脉", version: "1", instructions: "read" };
const TOOL: Tool = Tool {
    name: "list_cases",
    title: "案件 Cases",
    about: "列出案件 / lists cases",
    arguments: &[
        Argument { name: "area", kind: Kind::Text, required: true, about: "辖区 / area" },
        Argument { name: "limit", kind: Kind::Whole(1, 200), required: false, about: "行 / rows" },
        Argument {
            name: "sort",
            kind: Kind::OneOf(&["filed", "due"]),
            required: false,
            about: "序",
        },
        Argument { name: "position", kind: Kind::Position, required: false, about: "位置" },
    ],
    only_reads: true,
};

fn one(body: &Json, headers: &Headers<'_>) -> Result<Message, Refused> {
    match decode(body.to_string().as_bytes(), headers) {
        Posted::One(one) => one,
        Posted::Many(many) => panic!("a batch: {many:?}"),
    }
}

/// What comes of a message: its call, or status, code and number of its refusal.
fn check_one(body: &Json, headers: &Headers<'_>, expected: &str) {
    let found = match one(body, headers) {
        Ok(Message::Silent) => "silent".to_owned(),
        Ok(Message::Request(Request { version, call, .. })) => {
            format!("{} {call:?}", version.word())
        }
        Err(no) => format!("{} {} {}", no.status, no.why.code(), no.fault.code.label()),
    };
    assert_eq!(found, expected, "{body} {headers:?}");
}

fn asks(method: &str, parameters: Json) -> Json {
    let mut body = json!({"jsonrpc": "2.0", "id": 1, "method": method});
    if !parameters.is_null() {
        body["params"] = parameters;
    }
    body
}

/// Parameters of a version in which each request stands alone.
fn alone(version: &str, mut parameters: Json) -> Json {
    parameters["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {}});
    parameters
}

fn shown<'a>(version: &'a str, method: &'a str) -> Headers<'a> {
    Headers { version: Some(version), method: Some(method), name: None }
}

#[test]
fn clients_with_an_initialize_are_answered_in_their_version_or_the_newest_such() {
    for (wanted, answered) in [
        ("2025-03-26", Version::V20250326),
        ("2025-06-18", Version::V20250618),
        ("2025-11-25", Version::V20251125),
        ("2024-11-05", Version::V20251125),
        ("2026-07-28", Version::V20251125),
        ("tomorrow", Version::V20251125),
    ] {
        let body = asks("initialize", json!({"protocolVersion": wanted, "capabilities": {}}));
        let Ok(Message::Request(request)) = one(&body, &Headers::default()) else { panic!() };
        assert_eq!((request.id, request.call), (Id::Number(1), Call::Initialize(answered)));
        assert_eq!(initialized(answered, &ABOUT)["protocolVersion"], answered.word());
    }
}

#[test]
fn what_a_message_asks_for_is_told_from_what_is_wrong_with_it() {
    let none = Headers::default();
    check_one(&asks("ping", Json::Null), &none, "2025-03-26 Ping");
    check_one(&asks("tools/list", json!({})), &none, "2025-03-26 ListTools");
    let june = Headers { version: Some("2025-06-18"), ..none };
    check_one(&asks("tools/list", json!({"cursor": null})), &june, "2025-06-18 ListTools");
    let called = "2025-03-26 CallTool { name: \"x\", arguments: {\"a\": Number(1)} }";
    check_one(&asks("tools/call", json!({"name": "x", "arguments": {"a": 1}})), &none, called);
    check_one(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &june, "silent");
    check_one(&json!({"jsonrpc": "2.0", "id": 4, "result": {}}), &none, "silent");
    for (body, expected) in [
        (json!(7), "400 -32600 E-492"),
        (json!({}), "400 -32600 E-492"),
        (json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}), "400 -32600 E-492"),
        (json!({"jsonrpc": "2.0", "id": null, "method": "ping"}), "400 -32600 E-492"),
        (json!({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}), "400 -32600 E-492"),
        (json!({"jsonrpc": "2.0", "id": 1, "method": 5}), "400 -32600 E-492"),
        (json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}), "400 -32600 E-492"),
        (asks("resources/list", Json::Null), "200 -32601 E-495"),
        (asks("server/discover", Json::Null), "200 -32601 E-495"),
        (asks("tools/list", json!({"cursor": "2"})), "200 -32602 E-495"),
        (asks("tools/call", json!({})), "200 -32602 E-495"),
        (asks("tools/call", json!({"name": "x", "arguments": [1]})), "200 -32602 E-495"),
        (asks("initialize", json!({})), "200 -32602 E-495"),
    ] {
        check_one(&body, &none, expected);
    }
    let unknown = Headers { version: Some("1999-01-01"), ..none };
    check_one(&asks("tools/list", Json::Null), &unknown, "400 -32022 E-493");
    let no = one(&asks("tools/list", Json::Null), &unknown).unwrap_err();
    let told = refused(&no);
    assert_eq!(told["error"]["data"]["requested"], "1999-01-01");
    assert_eq!(told["error"]["data"]["supported"][0], "2026-07-28");
    assert_eq!(told["id"], 1);
}

#[test]
fn a_request_that_stands_alone_says_everything_twice_and_the_same() {
    const NEW: &str = "2026-07-28";
    let list = asks("tools/list", alone(NEW, json!({})));
    check_one(&list, &shown(NEW, "tools/list"), "2026-07-28 ListTools");
    let discover = asks("server/discover", alone(NEW, json!({})));
    check_one(&discover, &shown(NEW, "server/discover"), "2026-07-28 Discover");
    let ping = asks("ping", alone(NEW, json!({})));
    check_one(&ping, &shown(NEW, "ping"), "404 -32601 E-495");
    for headers in [
        Headers::default(),
        shown("2025-06-18", "tools/list"),
        shown(NEW, "tools/call"),
        Headers { version: Some(NEW), ..Headers::default() },
    ] {
        check_one(&list, &headers, "400 -32020 E-494");
    }
    let old = asks("tools/list", alone("2025-06-18", json!({})));
    check_one(&old, &shown("2025-06-18", "tools/list"), "400 -32022 E-493");
    let bare = asks("tools/list", json!({}));
    check_one(&bare, &shown(NEW, "tools/list"), "400 -32602 E-495");
    let mut incapable = list.clone();
    let meta = incapable["params"]["_meta"].as_object_mut().unwrap();
    meta.remove("io.modelcontextprotocol/clientCapabilities");
    check_one(&incapable, &shown(NEW, "tools/list"), "400 -32602 E-495");
    // The name too; where it is no plain text, in Base64.
    let call = asks("tools/call", alone(NEW, json!({"name": "查询"})));
    let called = "2026-07-28 CallTool { name: \"查询\", arguments: {} }";
    for (name, expected) in [
        (Some("=?base64?5p+l6K+i?="), called),
        (Some("=?base64?!?="), "400 -32020 E-494"),
        (Some("other"), "400 -32020 E-494"),
        (None, "400 -32020 E-494"),
    ] {
        check_one(&call, &Headers { name, ..shown(NEW, "tools/call") }, expected);
    }
}

#[test]
fn only_the_oldest_version_has_batches() {
    let two = json!([asks("ping", Json::Null), {"jsonrpc": "2.0", "method": "x"}, 5,
        asks("initialize", json!({"protocolVersion": "2025-03-26"}))]);
    let body = two.to_string();
    let Posted::Many(read) = decode(body.as_bytes(), &Headers::default()) else { panic!() };
    let lines: Vec<_> = read
        .iter()
        .map(|one| one.as_ref().map_err(|no| (no.fault.line, no.id.clone())).is_ok())
        .collect();
    assert_eq!(lines, [true, true, false, false]);
    assert_eq!(read[2].as_ref().unwrap_err().fault.line, 3);
    assert_eq!(read[3].as_ref().unwrap_err().id, Some(Id::Number(1)));
    for (headers, messages, code) in [
        (Headers { version: Some("2025-06-18"), ..Headers::default() }, 1, -32_600),
        (Headers { version: Some("2026-07-28"), ..Headers::default() }, 1, -32_600),
        (Headers { version: Some("no"), ..Headers::default() }, 1, -32_022),
        (Headers::default(), 0, -32_600),
        (Headers::default(), 21, -32_600),
    ] {
        let body = Json::Array(vec![asks("ping", Json::Null); messages]).to_string();
        let Posted::One(Err(no)) = decode(body.as_bytes(), &headers) else { panic!("{body}") };
        assert_eq!((no.status, no.why.code()), (400, code), "{body}");
    }
}

#[test]
fn what_is_too_large_or_too_deep_or_no_json_is_refused_unread() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (body, code) in [
        (deep(17), -32_600),
        (deep(100_000), -32_600),
        (" ".repeat(super::REQUEST_BYTES_MAX + 1), -32_600),
        ("{".to_owned(), -32_700),
        (String::new(), -32_700),
        ("\"[[[[[[[[[[[[[[[[[[[[[\"".to_owned(), -32_600),
    ] {
        let Posted::One(Err(no)) = decode(body.as_bytes(), &Headers::default()) else { panic!() };
        assert_eq!((no.status, no.why.code()), (400, code), "{body:.40}");
        assert!(refused(&no).get("id").is_none());
    }
}

#[test]
fn arguments_are_judged_by_the_table_that_clients_were_shown() {
    let schema = input_schema(&TOOL);
    assert_eq!(schema["required"], json!(["area"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["limit"]["maximum"], 200);
    for (arguments, expected) in [
        (json!({"area": "50"}), None),
        (json!({"area": "50", "limit": null, "sort": "due", "position": [106.5, 29.5]}), None),
        (json!({}), Some((false, "area is needed"))),
        (json!({"area": 5}), Some((false, "area is to be a text of at most 200 characters"))),
        (
            json!({"area": "5", "limit": 0}),
            Some((false, "limit is to be a whole number from 1 to 200")),
        ),
        (
            json!({"area": "5", "limit": 1.5}),
            Some((false, "limit is to be a whole number from 1 to 200")),
        ),
        (json!({"area": "5", "sort": "x"}), Some((false, "sort is to be one of filed, due"))),
        (
            json!({"area": "5", "position": [200, 1]}),
            Some((false, "position is to be [longitude, latitude]")),
        ),
        (
            json!({"area": "5", "x": 1}),
            Some((true, "list_cases has no x, but: area, limit, sort, position")),
        ),
    ] {
        let mut arguments = arguments.as_object().unwrap().clone();
        let found = check(&TOOL, &mut arguments).err();
        let found = found.as_ref().map(|no| (no.is_unknown, no.reason.as_str()));
        assert_eq!(found, expected);
        assert!(arguments.values().all(|value| !value.is_null()));
    }
}

#[test]
fn each_version_is_told_what_it_knows() {
    let old = tools(Version::V20250326, [&TOOL]);
    assert!(old["tools"][0].get("title").is_none() && old.get("ttlMs").is_none());
    let new = tools(Version::V20260728, [&TOOL]);
    assert_eq!(new["tools"][0]["annotations"]["readOnlyHint"], true);
    assert_eq!(new["cacheScope"], "private");
    let said = |version| replied(version, json!({"n": 1}), "{}".into());
    assert!(said(Version::V20250326).get("structuredContent").is_none());
    assert_eq!(said(Version::V20250618)["structuredContent"]["n"], 1);
    let whole = |version| result(version, &Id::Text("a".into()), said(version), &ABOUT);
    assert!(whole(Version::V20251125)["result"].get("resultType").is_none());
    let alone = whole(Version::V20260728);
    assert_eq!((&alone["id"], &alone["result"]["resultType"]), (&json!("a"), &json!("complete")));
    let server = &alone["result"]["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(server["name"], "chengmai");
    assert_eq!(discovered(&ABOUT)["supportedVersions"].as_array().unwrap().len(), 4);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>, version: Option<String>, name: Option<String>) {
        let headers = Headers { version: version.as_deref(), method: None, name: name.as_deref() };
        drop(decode(&body, &headers));
    }

    #[test]
    fn what_was_sent_is_what_is_read(name in "[a-z_]{1,40}", id: i64, text in ".{0,60}") {
        let mut arguments = Map::new();
        arguments.insert("text".into(), json!(text));
        let mut body = asks("tools/call", json!({"name": name, "arguments": arguments}));
        body["id"] = json!(id);
        let read = one(&body, &Headers { version: Some("2025-11-25"), ..Headers::default() });
        let call = Call::CallTool { name, arguments };
        let request = Request { id: Id::Number(id), version: Version::V20251125, call };
        prop_assert_eq!(read, Ok(Message::Request(request)));
    }
}
