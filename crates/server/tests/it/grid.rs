//! Grid workers, as their phones meet the server: what is sent again is not done again, what came too late
//! is refused with the reason, walks are their owner's.

use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms};

const TOWN: &str = "500103001";
const GRID: &str = "500103001001001";
const KEY: &str = "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f11";

fn keyed(city: &City, token: &str, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let headers = [("idempotency-key", key), ("content-type", "application/json")];
    let (status, text) =
        city.send_with("POST", path, token, &headers, body.to_string().as_bytes()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn kinds(city: &City, case: &str) -> Vec<String> {
    let (_, shown) = city.get(&format!("/api/v1/cases/{case}"), &city.admin);
    let events = shown["events"].as_array().unwrap().iter();
    events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_report_and_a_step_sent_again_are_done_once_and_what_came_too_late_is_refused() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let worker = city.account("worker", &["grid_worker"], TOWN, None);
    let second = city.account("second", &["grid_worker"], TOWN, None);
    let duty = city.account("duty", &["duty_officer"], TOWN, None);

    let report = json!({"type": "dirty_road", "area": GRID, "description": "路口很脏"});
    let (status, first) = keyed(&city, &worker, "/api/v1/cases", KEY, &report);
    assert_eq!(status, 200, "{first}");
    assert_eq!((&first["state"], &first["source"]), (&json!("reported"), &json!("grid_worker")));
    // The answer was lost, and meanwhile the server was killed: still the same case.
    city.kill();
    let city = City::start(&folder, &[]);
    let (status, again) = keyed(&city, &worker, "/api/v1/cases", KEY, &report);
    assert_eq!((status, &again["id"]), (200, &first["id"]), "{again}");
    assert_eq!(city.list("/api/v1/cases", &worker).len(), 1);
    // Another's key is another key, and other content under the same key is a mistake.
    let (_, others) = keyed(&city, &second, "/api/v1/cases", KEY, &report);
    assert_ne!(others["id"], first["id"]);
    let other = json!({"type": "dirty_road", "area": GRID, "description": "另一处"});
    let (status, refused) = keyed(&city, &worker, "/api/v1/cases", KEY, &other);
    assert_eq!((status, &refused["code"]), (409, &json!("E-428")), "{refused}");
    let (status, refused) = keyed(&city, &worker, "/api/v1/cases", "short", &report);
    assert_eq!((status, &refused["code"]), (400, &json!("E-427")), "{refused}");

    let id = first["id"].as_str().unwrap();
    let path = |verb: &str| format!("/api/v1/cases/{id}/{verb}");
    let (_, accepted) = city.post(&path("accept"), &duty, &json!({}));
    let seen = &accepted["seq"];
    assert_eq!(seen, &json!(2), "{accepted}");
    // Words of others do not stand in the way of what was decided on before them.
    assert_eq!(city.post(&path("remark"), &duty, &json!({"note": "请尽快"})).0, 200);
    let verify = json!({"note": "属实", "seen": seen});
    let key = "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f12";
    assert_eq!(keyed(&city, &worker, &path("verify_pass"), key, &verify).0, 200);
    let (status, again) = keyed(&city, &worker, &path("verify_pass"), key, &verify);
    assert_eq!((status, &again["state"]), (200, &json!("verified")), "{again}");
    // The second worker saw it before: refused, saying what happened since.
    let late = json!({"reason": "没看到", "seen": seen});
    let (status, refused) = keyed(&city, &second, &path("verify_fail"), key, &late);
    assert_eq!((status, &refused["code"]), (409, &json!("E-429")), "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("核实属实") && detail.contains("worker"), "{detail}");
    assert_eq!(kinds(&city, id), ["reported", "accepted", "remarked", "verify_passed"]);
}

#[test]
fn the_same_step_sent_many_times_at_once_is_taken_once() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let worker = city.account("worker", &["grid_worker"], TOWN, None);
    let report = json!({"area": GRID, "description": "井盖松动"});
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let send = || keyed(&city, &worker, "/api/v1/cases", KEY, &report);
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ids: std::collections::BTreeSet<&str> = answers
        .iter()
        .map(|(status, case)| {
            assert_eq!(*status, 200, "{case}");
            case["id"].as_str().unwrap()
        })
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(city.list("/api/v1/cases", &worker).len(), 1);
    let id = ids.into_iter().next().unwrap();
    let path = format!("/api/v1/cases/{id}/remark");
    let key = "0b6f2a1e-8f1c-4f7e-9d55-2c1f4f0c9f13";
    let remark = json!({"note": "已设警戒线"});
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(keyed(&city, &worker, &path, key, &remark).0, 200));
        }
    });
    assert_eq!(kinds(&city, id), ["reported", "remarked"]);
}

#[test]
fn a_walk_needs_consent_is_kept_once_is_its_owners_alone_and_goes_when_deleted() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let worker = city.account("worker", &["grid_worker"], TOWN, None);
    let duty = city.account("duty", &["duty_officer"], TOWN, None);
    let viewer = city.account("viewer", &["viewer"], TOWN, None);
    let (_, area) = city.get(&format!("/api/v1/areas/{GRID}/shapes"), &worker);
    let at = now_ms() - 600_000;
    let place = area["features"][0]["geometry"]["coordinates"][0][0].clone();
    let place = if place[0].is_array() { place[0].clone() } else { place };
    let (x, y) = (place[0].as_f64().unwrap_or(106.55), place[1].as_f64().unwrap_or(29.55));
    let points = json!([[x, y, at], [x, y + 0.0009, at + 90_000]]);
    let body = |consent: bool| json!({"key": KEY, "consent": consent, "points": points});
    assert_eq!(city.post("/api/v1/patrols", &worker, &body(false)).0, 422);
    assert_eq!(city.post("/api/v1/patrols", &viewer, &body(true)).0, 403);
    for _ in 0..2 {
        let (status, kept) = city.post("/api/v1/patrols", &worker, &body(true));
        assert_eq!((status, &kept["metres"]), (200, &json!(100)), "{kept}");
    }
    assert_eq!(city.list("/api/v1/patrols", &worker).len(), 1);
    assert_eq!(city.list("/api/v1/patrols", &duty).len(), 0);
    let delete = |token: &str| {
        city.send("DELETE", &format!("/api/v1/patrols/{KEY}"), token, &[], b"").unwrap().0
    };
    assert_eq!(delete(&duty), 404);
    assert_eq!(delete(&worker), 204);
    assert_eq!(city.list("/api/v1/patrols", &worker).len(), 0);
    let (status, work) = city.get("/api/v1/workload", &duty);
    assert_eq!((status, &work["items"]), (200, &json!([])), "{work}");
    assert_eq!(city.get("/api/v1/workload?area=500103002", &worker).0, 404);
    assert_eq!(city.get("/api/v1/workload", &viewer).0, 403);
}
