//! Looking back: a rule is tried on the past before it holds, a flooding one only with a reason, and
//! an incident is told, found out about, and made better.

use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};

const TOWN: &str = "500103001";

/// A cover that stands askew for twenty minutes of an hour ago, and forty readings of calm.
fn askew(city: &City, device: &str, ago_min: i64) {
    let grid = format!("{TOWN}001001");
    city.register(&format!("id,kinds,area,period\n{device},manhole_tilt,{grid},1m\n"));
    let value = |minute: i64| if (10..30).contains(&minute) { 24.0 } else { 1.0 };
    let lines: Vec<String> = (0..40)
        .map(|minute| {
            let at = now_ms() - (ago_min - minute) * 60_000;
            format!("manhole_tilt,device={device} value={} {at}\n", value(minute))
        })
        .collect();
    assert_eq!(city.write(&city.admin, &lines.concat()).0, 204);
    city.values(device, 40);
}

/// The first rule of a pack on a kind.
fn rule_on(city: &City, pack: &str, kind: &str) -> (String, String) {
    let (status, body) = city.get(&format!("/api/v1/packs/{pack}"), &city.admin);
    assert_eq!(status, 200, "{body}");
    let rules = body["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["on"] == kind).unwrap();
    let id = rule["id"].as_str().unwrap().to_owned();
    let (status, body) = city.get(&format!("/api/v1/rules/{pack}/{id}"), &city.admin);
    assert_eq!(status, 200, "{body}");
    (id, body["text"].as_str().unwrap().to_owned())
}

/// A backtest of a week, done.
fn tried(city: &City, token: &str, pack: &str, text: &str) -> Value {
    ended(city, token, &json!({"pack": pack, "text": text}))
}

fn ended(city: &City, token: &str, body: &Value) -> Value {
    let (status, body) = city.post("/api/v1/rules/backtest", token, body);
    assert_eq!(status, 200, "{body}");
    let path = format!("/api/v1/backtests/{}", body["id"].as_str().unwrap());
    until("the backtest ends", || {
        let (status, body) = city.get(&path, token);
        assert_eq!(status, 200, "{body}");
        assert_ne!(body["state"], "failed", "{body}");
        (body["state"] == "done").then_some(body)
    })
}

#[test]
fn a_rule_holds_only_after_this_very_text_was_tried_and_survives_a_restart() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    askew(&city, "c1", 60);
    let (id, own) = rule_on(&city, "street", "manhole_tilt");
    // Every reading of a calm cover is an alarm now.
    let text = askew_from(&city, &own, "0.5");
    let enable = json!({"pack": "street", "text": text});
    let (status, body) = city.post("/api/v1/rules/enable", &city.admin, &enable);
    assert_eq!((status, &body["code"]), (409, &json!("E-742")), "not tried yet: {body}");

    let result = tried(&city, &city.admin, "street", &text)["result"].clone();
    assert_eq!((&result["streams"], &result["readings"]), (&json!(1), &json!(40)), "{result}");
    assert_eq!(result["after"]["warnings"], 1, "{result}");
    assert_eq!(result["after"]["floods"], false, "{result}");

    let engineer = city.account("li", &["engineer"], TOWN, None);
    let (status, body) = city.post("/api/v1/rules/enable", &engineer, &enable);
    assert_eq!((status, &body["code"]), (403, &json!("E-745")), "a rule is the city's: {body}");
    let (status, body) = city.post("/api/v1/rules/enable", &city.admin, &enable);
    assert_eq!(status, 200, "{body}");
    assert!(body["items"][0]["journal_sequence"].as_u64().is_some(), "{body}");

    // It holds at once, and after a restart.
    let raised = |city: &City| {
        city.list("/api/v1/warnings?state=all", &city.admin)
            .into_iter()
            .filter(|w| w["rule"] == format!("street/{id}"))
            .count()
    };
    let before = raised(&city);
    city.register(&format!("id,kinds,area,period\nc2,manhole_tilt,{TOWN}001001,1m\n"));
    let line = format!("manhole_tilt,device=c2 value=0.7 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    until("the changed rule raises a warning", || (raised(&city) > before).then_some(()));
    let after = raised(&city);
    city.stop();
    let city = City::start(&folder, &[]);
    let (_, now) = city.get(&format!("/api/v1/rules/street/{id}"), &city.admin);
    assert_eq!(now["text"], text.trim(), "{now}");
    assert_ne!(now["own_text"], now["text"], "{now}");
    assert_eq!(raised(&city), after, "a replay raises nothing twice");
}

/// A rule text by the form: from this value on a cover is an alarm at once.
fn askew_from(city: &City, own: &str, value: &str) -> String {
    let when = format!("value >= {value}");
    let body = json!({"pack": "street", "text": own, "fields": {
        "when": when, "clear": null, "on_for": null, "clear_for": null,
        "need": null, "healthy": false,
        "grades": [{"severity": 2, "when": when}, {"severity": 3, "when": "value >= 30"}]}});
    let (status, body) = city.post("/api/v1/rules/check", &city.admin, &body);
    assert_eq!((status, &body["faults"]), (200, &json!([])), "{body}");
    body["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_flooding_rule_is_enabled_only_with_a_reason_that_stays_on_record() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let covers = 1..=14;
    // The one that is really open is in the other town.
    let town = |n: i64| if n == 3 { "500103002" } else { TOWN };
    let row = |n: i64| format!("c{n},manhole_tilt,{}001001,1m\n", town(n));
    let rows = covers.clone().map(row).collect::<Vec<_>>().concat();
    city.register(&format!("id,kinds,area,period\n{rows}"));
    // All a little askew, one after the other in ten minutes of an hour ago; one really.
    let lines: Vec<String> = covers
        .map(|n| {
            let at = now_ms() - 50 * 60_000 + n * 40_000;
            let value = if n == 3 { 24.0 } else { 5.0 };
            format!("manhole_tilt,device=c{n} value={value} {at}\n")
        })
        .collect();
    assert_eq!(city.write(&city.admin, &lines.concat()).0, 204);
    let warning = until("the cover that is really open", || {
        city.list("/api/v1/warnings", &city.admin).into_iter().next()
    });
    let id = warning["id"].as_str().unwrap();
    let confirmed = city.post(&format!("/api/v1/warnings/{id}/confirm"), &city.admin, &json!({}));
    assert_eq!(confirmed.0, 200, "{}", confirmed.1);

    let (rule, own) = rule_on(&city, "street", "manhole_tilt");
    let text = askew_from(&city, &own, "4");
    let result = tried(&city, &city.admin, "street", &text)["result"].clone();
    let (before, after) = (&result["before"], &result["after"]);
    assert_eq!((&before["warnings"], &after["warnings"]), (&json!(1), &json!(14)), "{result}");
    assert_eq!((&before["floods"], &after["floods"]), (&json!(false), &json!(true)), "{result}");
    assert_eq!(after["busiest"]["area"], "500103", "{result}");
    assert_eq!(after["busiest"]["per_hour"], json!(14.0), "an hour of history: {result}");
    assert_eq!(after["by_severity"], json!([0, 14, 0, 0]), "{result}");
    let hours = after["hours"].as_array().unwrap().iter();
    let in_hours: u64 = hours.map(|h| h["by_severity"][1].as_u64().unwrap()).sum();
    assert_eq!(in_hours, 14, "{result}");
    let areas = after["areas"].as_array().unwrap();
    let of = |tier: &str| areas.iter().filter(|a| a["tier"] == tier).collect::<Vec<_>>();
    assert_eq!((of("city").len(), of("district").len()), (1, 1), "{result}");
    assert_eq!(of("town").len(), 2, "{result}");
    let known = result["incidents"].as_array().unwrap();
    assert_eq!((known.len(), &known[0]["id"]), (1, &json!(id)), "{result}");
    assert_eq!((&before["caught"], &after["caught"]), (&json!(1), &json!(1)), "{result}");
    assert_eq!((&before["stray"], &after["stray"]), (&json!(0), &json!(13)), "{result}");

    let mut enable = json!({"pack": "street", "text": text, "reason": "  "});
    let (status, body) = city.post("/api/v1/rules/enable", &city.admin, &enable);
    assert_eq!((status, &body["code"]), (409, &json!("E-743")), "a blank is no reason: {body}");
    enable["reason"] = json!("汛期试行两天");
    let (status, body) = city.post("/api/v1/rules/enable", &city.admin, &enable);
    assert_eq!(status, 200, "{body}");
    city.stop();
    let city = City::start(&folder, &[]);
    let (_, now) = city.get(&format!("/api/v1/rules/street/{rule}"), &city.admin);
    let change = &now["changes"][0];
    assert_eq!((&change["by"], &change["reason"]), (&json!("admin"), &json!("汛期试行两天")));
    assert!(change["journal_sequence"].as_u64().is_some(), "{now}");
}

#[test]
fn a_backtest_of_an_hour_is_too_little_to_enable_a_rule() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (_, own) = rule_on(&city, "street", "manhole_tilt");
    let text = askew_from(&city, &own, "12");
    let rfc = |ago_min: i64| {
        let at = chengmai_model::Timestamp(now_ms() - ago_min * 60_000);
        at.to_rfc3339()
    };
    let hour = json!({"pack": "street", "text": text, "from": rfc(60), "to": rfc(0)});
    let done = ended(&city, &city.admin, &hour);
    assert_eq!(done["result"]["readings"], 0, "{done}");
    assert_eq!(done["result"]["told_from"], Value::Null, "{done}");
    let enable = json!({"pack": "street", "text": text});
    let (status, body) = city.post("/api/v1/rules/enable", &city.admin, &enable);
    assert_eq!((status, &body["code"]), (409, &json!("E-742")), "{body}");
    tried(&city, &city.admin, "street", &text);
    assert_eq!(city.post("/api/v1/rules/enable", &city.admin, &enable).0, 200);
    let too_long = json!({"pack": "street", "text": text, "from": "2020-01-01T00:00:00Z"});
    assert_eq!(city.post("/api/v1/rules/backtest", &city.admin, &too_long).0, 400);
}

#[test]
fn a_faulty_rule_is_refused_with_its_line() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (_, own) = rule_on(&city, "street", "manhole_tilt");
    let body = json!({"pack": "street", "text": own.replacen("alarm", "alram", 1)});
    let (status, answer) = city.post("/api/v1/rules/check", &city.admin, &body);
    assert_eq!(status, 200, "{answer}");
    assert!(answer["faults"][0]["line"].as_u64().unwrap() > 0, "{answer}");
    let (status, answer) = city.post("/api/v1/rules/backtest", &city.admin, &body);
    assert_eq!((status, &answer["code"]), (422, &json!("E-741")), "{answer}");
}

#[test]
fn a_filed_warning_is_told_with_its_case_and_the_city_stands_as_it_did() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\nc1,manhole_tilt,{TOWN}001001,1m\n"));
    let write = |value: f64| {
        let at = now_ms();
        let line = format!("manhole_tilt,device=c1 value={value} {at}\n");
        assert_eq!(city.write(&city.admin, &line).0, 204);
        at
    };
    let calm = write(1.0);
    let begun = write(24.0);
    let warning = until("the cover's warning", || {
        city.list("/api/v1/warnings", &city.admin).into_iter().next()
    });
    let id = warning["id"].as_str().unwrap();
    let (status, filed) =
        city.post(&format!("/api/v1/warnings/{id}/file"), &city.admin, &json!({}));
    assert_eq!(status, 200, "{filed}");
    let case = filed["case"]["id"].as_str().unwrap();
    let zhang = city.account("zhang", &["duty_officer"], TOWN, None);
    let sent = city.post(&format!("/api/v1/cases/{case}/dispatch"), &zhang, &json!({}));
    assert_eq!(sent.0, 200, "{}", sent.1);

    // Told the same from either end.
    let (_, told) = city.get(&format!("/api/v1/reviews/{id}"), &city.admin);
    let (_, from_case) = city.get(&format!("/api/v1/reviews/{case}"), &city.admin);
    assert_eq!(told["timeline"], from_case["timeline"]);
    assert_eq!((&told["rule"], &told["case"]["id"]), (&json!("manhole_open"), &json!(case)));
    let timeline = told["timeline"].as_array().unwrap();
    let kinds: Vec<&str> = timeline.iter().filter_map(|m| m["kind"].as_str()).collect();
    assert_eq!(kinds, ["reading", "warning_raised", "warning_filed", "case", "case"], "{told}");
    assert_eq!((&timeline[0]["who"], &timeline[0]["value"]), (&json!("c1"), &json!(24.0)));
    assert_eq!(timeline[1]["tier"], "town", "the town's centre knew first: {told}");
    let by: Vec<&Value> = timeline[2..].iter().map(|m| &m["who"]).collect();
    assert_eq!(by, ["admin", "admin", "zhang"], "{told}");

    // A moment before it, and one at its end.
    let moment = |at: i64| {
        let at = chengmai_model::Timestamp(at).to_rfc3339();
        let (status, then) = city.get(&format!("/api/v1/reviews/{id}/moment?at={at}"), &zhang);
        assert_eq!(status, 200, "{then}");
        then
    };
    let before = moment(calm);
    assert_eq!((&before["warnings"], &before["cases"]), (&json!([]), &json!([])), "{before}");
    assert_eq!(before["readings"][0]["value"], 1.0, "{before}");
    let raised = warning["raised_at"].as_str().unwrap();
    let raised = chengmai_model::Timestamp::parse_rfc3339(raised).unwrap().0.max(begun);
    let then = moment(raised);
    assert_eq!(
        (&then["warnings"][0]["id"], &then["warnings"][0]["answered"]),
        (&json!(id), &json!(false))
    );
    assert_eq!(then["readings"][0]["value"], 24.0, "{then}");
    let now = moment(now_ms());
    assert_eq!(now["warnings"][0]["answered"], true, "{now}");
    assert_eq!(
        (&now["cases"][0]["id"], &now["cases"][0]["state"]),
        (&json!(case), &json!("dispatched"))
    );
}

#[test]
fn an_incident_is_told_and_what_was_found_becomes_somebodys_task() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\nc1,manhole_tilt,{TOWN}001001,1m\n"));
    let line = format!("manhole_tilt,device=c1 value=24 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    let warning = until("the cover's warning", || {
        city.list("/api/v1/warnings", &city.admin).into_iter().next()
    });
    let id = warning["id"].as_str().unwrap();
    let path = format!("/api/v1/reviews/{id}");
    let (status, told) = city.get(&path, &city.admin);
    assert_eq!(status, 200, "{told}");
    let kinds: Vec<&str> =
        told["timeline"].as_array().unwrap().iter().filter_map(|m| m["kind"].as_str()).collect();
    assert!(kinds.contains(&"reading") && kinds.contains(&"warning_raised"), "{kinds:?}");
    let (status, then) =
        city.get(&format!("{path}/moment?at={}", told["to"].as_str().unwrap()), &city.admin);
    assert_eq!(status, 200, "{then}");
    assert_eq!(then["warnings"][0]["id"], id, "{then}");

    let finding = json!({"cause": "device", "text": "井盖铰链松动"});
    let (status, told) = city.post(&format!("{path}/findings"), &city.admin, &finding);
    assert_eq!((status, &told["findings"][0]["by"]), (200, &json!("admin")), "{told}");
    let viewer = city.account("wang", &["viewer"], TOWN, None);
    let zhao = city.account("zhao", &["viewer"], TOWN, None);
    let task = json!({"text": "更换铰链", "person": "wang", "due_at": "2999-01-01T00:00:00Z"});
    assert_eq!(city.post(&format!("{path}/tasks"), &viewer, &task).0, 403);
    let (status, task) = city.post(&format!("{path}/tasks"), &city.admin, &task);
    assert_eq!(status, 200, "{task}");
    let mine = city.list("/api/v1/tasks?mine=true", &viewer);
    assert_eq!((mine.len(), &mine[0]["mine"]), (1, &json!(true)), "{mine:?}");
    assert_eq!(city.list("/api/v1/tasks?mine=true", &zhao).len(), 0);
    assert_eq!(
        (&mine[0]["overdue"], &mine[0]["due_at"]),
        (&json!(false), &json!("2999-01-01T00:00:00.000Z"))
    );
    let listed = city.list("/api/v1/reviews", &viewer);
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &json!(id)), "{listed:?}");
    assert_eq!((&listed[0]["findings"], &listed[0]["open_tasks"]), (&json!(1), &json!(1)));
    let past = json!({"text": "x", "person": "wang", "due_at": "2020-01-01T00:00:00Z"});
    assert_eq!(
        city.post(&format!("{path}/tasks"), &city.admin, &past).0,
        400,
        "due before it is given"
    );
    let nobodys = json!({"text": "x", "due_at": "2999-01-01T00:00:00Z"});
    let (status, answer) = city.post(&format!("{path}/tasks"), &city.admin, &nobodys);
    assert_eq!((status, &answer["code"]), (422, &json!("E-746")), "{answer}");
    let done = format!("/api/v1/tasks/{}/done", task["id"]);
    let evidence = json!({"evidence": "已更换，工单 2211"});
    assert_eq!(city.post(&done, &zhao, &evidence).0, 403, "not theirs");
    assert_eq!(city.post(&done, &viewer, &json!({"evidence": " "})).0, 422, "without evidence");
    let (status, closed) = city.post(&done, &viewer, &evidence);
    assert_eq!((status, &closed["done_by"]), (200, &json!("wang")), "{closed}");
    assert_eq!(city.post(&done, &viewer, &evidence).0, 409, "once");
    assert_eq!(city.list("/api/v1/tasks", &city.admin).len(), 0, "none is open");
    assert_eq!(city.list("/api/v1/tasks?state=all", &city.admin).len(), 1);
    assert_eq!(city.list("/api/v1/reviews", &viewer)[0]["open_tasks"], 0);
}
