//! The whole life of one reading: warning, case, every step of the loop, rating; and a restart in
//! the middle, after which all of it is still there and nothing was raised twice.

use serde_json::{Value, json};

use crate::harness::{City, Folder, metric, now_ms, until};

const GRID: &str = "500103001001001";

pub(crate) fn open_warnings(city: &City) -> Vec<Value> {
    city.list("/api/v1/warnings?state=all&rule=gas/methane_in_manhole", &city.admin)
}

pub(crate) fn step(city: &City, token: &str, case: &str, action: &str, body: &Value) -> Value {
    let (status, answer) = city.post(&format!("/api/v1/cases/{case}/{action}"), token, body);
    assert_eq!(status, 200, "{action}: {answer}");
    answer
}

#[test]
fn a_reading_becomes_a_warning_a_case_a_closed_case_and_a_score_across_restarts() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!(
        "id,kinds,area,agency,period\nm1,methane,{GRID},gas_company-500103,1m\n"
    ));
    let duty = city.account("duty", &["duty_officer"], "500103", None);
    let staff = city.account("staff", &["agency_staff"], "500103", Some("gas_company-500103"));

    let start = now_ms() - 180_000;
    let id = raise_warning(&city, &duty, start);

    // A stop and a kill later there is still exactly this one warning.
    drop(city);
    let city = City::start(&folder, &[]);
    assert_eq!(open_warnings(&city).len(), 1);
    let line = format!("methane,device=m1 value=28 {}\n", start + 125_000);
    assert_eq!(city.write(&city.admin, &line).0, 204);
    until("the reading is applied", || {
        (metric(&city, "chengmai_readings_applied_total ") >= 1).then_some(())
    });
    city.kill();
    let city = City::start(&folder, &[]);
    let warnings = open_warnings(&city);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(warnings[0]["id"], id.as_str());

    let (status, filed) =
        city.post(&format!("/api/v1/warnings/{id}/file"), &duty, &json!({"note": "已核实"}));
    assert_eq!(status, 200, "{filed}");
    assert_eq!(filed["warning"]["state"], "filed");
    let case = filed["case"]["id"].as_str().unwrap().to_owned();
    assert_eq!(filed["case"]["agency"], "gas_company-500103", "{filed}");
    // Asking again is answered with the same case; answering otherwise is refused.
    let (status, again) = city.post(&format!("/api/v1/warnings/{id}/file"), &duty, &json!({}));
    assert_eq!((status, &again["case"]["id"]), (200, &filed["case"]["id"]), "{again}");
    let (status, _) = city.post(&format!("/api/v1/warnings/{id}/confirm"), &duty, &json!({}));
    assert_eq!(status, 409, "a warning is answered once");
    assert_eq!(city.list("/api/v1/cases", &duty).len(), 1);

    step(&city, &duty, &case, "dispatch", &json!({}));
    let (status, refused) = city.post(&format!("/api/v1/cases/{case}/start"), &duty, &json!({}));
    assert!(status == 403, "the duty officer is not the agency: {status} {refused}");
    step(&city, &staff, &case, "start", &json!({"note": "已到场"}));
    city.kill();
    let city = City::start(&folder, &[]);
    let (_, shown) = city.get(&format!("/api/v1/cases/{case}"), &staff);
    assert_eq!(shown["state"], "handling", "{shown}");
    let offered =
        json!(["finish", "return", "ask_delay", "ask_suspend", "dispute", "join", "remark"]);
    assert_eq!(shown["actions"], offered);
    let closed = check_twice_and_close(&city, &duty, &staff, &case);
    // One case is too little for a score; five are enough.
    let rating = rating_of(&city, &duty, "gas_company-500103");
    assert_eq!((&rating["count"], &rating["score"]), (&json!(1), &Value::Null), "{rating}");
    for _ in 0..4 {
        file_and_close(&city, &duty, &staff);
    }
    let rating = rating_of(&city, &duty, "gas_company-500103");
    let on_time = (&rating["on_time"]["numerator"], &rating["on_time"]["denominator"]);
    assert_eq!((&rating["closed"], on_time), (&json!(5), (&json!(5), &json!(5))), "{rating}");
    assert_eq!(rating["rework"]["numerator"], 1, "{rating}");
    // 60 + 25 x 4 / 5 + 15.
    assert_eq!(rating["score"], 95.0, "{rating}");
    let (_, summary) = city.get("/api/v1/cases/summary?area=500103", &duty);
    assert_eq!((&summary["closed"], &summary["open"]), (&json!(5), &json!(0)), "{summary}");

    // Everything once more after a last restart.
    drop(city);
    let city = City::start(&folder, &[]);
    let (_, again) = city.get(&format!("/api/v1/cases/{case}"), &duty);
    assert_eq!(again["events"], closed["events"]);
    assert_eq!(city.values("m1", 4), [2.0, 26.0, 27.5, 28.0]);
}

/// From handling to closed, with one check that fails on the way.
fn check_twice_and_close(city: &City, duty: &str, staff: &str, case: &str) -> Value {
    step(city, staff, case, "finish", &json!({"note": "已关阀"}));
    let (status, _) = city.post(&format!("/api/v1/cases/{case}/check_fail"), duty, &json!({}));
    assert_eq!(status, 422, "sending back needs a reason");
    step(city, duty, case, "check_fail", &json!({"reason": "仍有气味"}));
    step(city, staff, case, "start", &json!({}));
    step(city, staff, case, "finish", &json!({"note": "已更换接头"}));
    step(city, duty, case, "check_pass", &json!({}));
    let closed = step(city, duty, case, "close", &json!({}));
    assert_eq!(
        (&closed["state"], &closed["on_time"]),
        (&json!("closed"), &json!(true)),
        "{closed}"
    );
    let kinds: Vec<&str> =
        closed["events"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "filed",
            "dispatched",
            "started",
            "finished",
            "check_failed",
            "started",
            "finished",
            "check_passed",
            "closed"
        ]
    );
    closed
}

/// Gas rises in the manhole within two minutes; the id of its warning, as the live stream told it.
pub(crate) fn raise_warning(city: &City, duty: &str, start: i64) -> String {
    let mut events = city.events("?area=500103", duty);
    for (minute, value) in [(0, 2.0), (1, 26.0), (2, 27.5)] {
        let line = format!("methane,device=m1 value={value} {}\n", start + minute * 60_000);
        assert_eq!(city.write(&city.admin, &line).0, 204);
    }
    let seen = events.until("warning", "methane_in_manhole");
    let warning: Value = serde_json::from_str(&seen[seen.len() - 1].data).unwrap();
    assert_eq!(
        (&warning["severity"], &warning["state"]),
        (&json!(2), &json!("raised")),
        "{warning}"
    );
    assert_eq!(warning["area"], GRID);
    warning["id"].as_str().unwrap().to_owned()
}

fn rating_of(city: &City, token: &str, agency: &str) -> Value {
    let ratings = city.list("/api/v1/agencies/ratings", token);
    ratings.into_iter().find(|r| r["agency"] == agency).unwrap()
}

/// A case of the gas company from filing to closing, without a hitch.
fn file_and_close(city: &City, duty: &str, staff: &str) {
    let new = json!({"type": "gas_leak", "row": 0, "area": GRID, "description": "闻到气味"});
    let (status, case) = city.post("/api/v1/cases", duty, &new);
    assert_eq!(status, 200, "{case}");
    let id = case["id"].as_str().unwrap();
    for (who, action) in [
        (duty, "dispatch"),
        (staff, "start"),
        (staff, "finish"),
        (duty, "check_pass"),
        (duty, "close"),
    ] {
        step(city, who, id, action, &json!({}));
    }
}

#[test]
fn an_extreme_reading_files_its_case_by_itself() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\nc1,manhole_tilt,{GRID},1m\n"));
    let line = format!("manhole_tilt,device=c1 value=40 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    let case = until("the rule files a case", || {
        city.list("/api/v1/cases?state=open", &city.admin).into_iter().next()
    });
    assert_eq!((&case["type"], &case["source"]), (&json!("manhole_missing"), &json!("warning")));
    assert_eq!(case["state"], "filed");
    assert_eq!(case["area"], GRID);
    let warning = case["warning"].as_str().unwrap();
    let (status, warning) = city.get(&format!("/api/v1/warnings/{warning}"), &city.admin);
    assert_eq!((status, &warning["case"]), (200, &case["id"]), "{warning}");
}
