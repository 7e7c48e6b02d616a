//! A device that goes to another area while the city runs: it counts there from then on, and what it
//! measured before stays where it was.

use serde_json::{Value, json};

use crate::corrections::mean;
use crate::harness::{City, Folder, now_ms, until};

const HERE: &str = "500103001001001";
const THERE: &str = "500105001001001";

fn import(city: &City, row: &str) {
    let csv = format!("id,kinds,area,period\n{row}\n");
    let path = "/api/v1/devices";
    let (status, told) = city.send("POST", path, &city.admin, Some("text/csv"), csv.as_bytes());
    assert_eq!((status, &told["updated"]), (200, &json!(1)), "{told}");
}

/// How many readings of each value stand in which area, as SQL says.
fn places(city: &City) -> Value {
    let sql = "SELECT area, value FROM readings WHERE device = 'p1' ORDER BY at";
    city.post("/api/v1/sql", &city.admin, &json!({"sql": sql})).1["rows"].clone()
}

#[test]
fn a_moved_device_counts_in_its_new_area_and_history_keeps_where_it_was() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!(
        "id,kinds,area,period\np1,gas_pressure,{HERE},1m\np2,gas_pressure,{HERE},1m\n"
    ));
    let start = now_ms() / 300_000 * 300_000 - 300_000;
    let write = |city: &City, device: &str, minute: i64, value: f64| {
        let line =
            format!("gas_pressure,device={device} value={value} {}\n", start + minute * 60_000);
        assert_eq!(city.write(&city.admin, &line).0, 204);
    };
    write(&city, "p1", 0, 10.0);
    write(&city, "p2", 0, 2.0);
    until("both count here", || (mean(&city, "500103", start) == json!(6.0)).then_some(()));
    import(&city, &format!("p1,gas_pressure,{THERE},1m"));
    write(&city, "p1", 1, 8.0);
    let settled = |city: &City| {
        until("the new reading counts there", || {
            (mean(city, "500105", start) == json!(8.0)).then_some(())
        });
        assert_eq!(mean(city, "500103", start), json!(6.0), "what was counted here stays here");
        let expected = json!([[HERE, 10.0], [THERE, 8.0]]);
        until("history knows both places", || (places(city) == expected).then_some(()));
        let (_, device) = city.get("/api/v1/devices/p1", &city.admin);
        assert_eq!(device["area"], THERE);
    };
    settled(&city);
    city.kill();
    drop(city);
    let city = City::start(&folder, &[]);
    settled(&city);
    let row = json!({"device": "p1", "kind": "gas_pressure", "time": start, "new": 4,
        "reason": "measured before the move"});
    let (status, told) = city.post("/api/v1/readings/corrections", &city.admin, &row);
    assert_eq!(status, 200, "{told}");
    until("it is right where it was counted", || {
        (mean(&city, "500103", start) == json!(3.0)).then_some(())
    });
    assert_eq!(mean(&city, "500105", start), json!(8.0));
    assert_eq!(places(&city), json!([[HERE, 4.0], [THERE, 8.0]]));
}

/// Values of a device by every door to its past, as somebody sees them.
fn past(city: &City, token: &str) -> [Vec<f64>; 4] {
    let ok = |path: &str| {
        let (status, answer) = city.get(path, token);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let values = |list: &Value, name: &str| -> Vec<f64> {
        list.as_array().unwrap().iter().map(|one| one[name].as_f64().unwrap()).collect()
    };
    let thing = ok("/sta/v1.1/Things?$filter=name%20eq%20'p1'&$expand=Datastreams");
    let stream = &thing["value"][0]["Datastreams"][0]["@iot.id"];
    let told = ok(&format!("/sta/v1.1/Datastreams({stream})/Observations?$orderby=phenomenonTime"));
    let temporal = ok("/ngsi-ld/v1/temporal/entities/urn:ngsi-ld:Device:p1");
    let mut temporal = match &temporal["gas_pressure"] {
        Value::Array(several) => values(&json!(several), "value"),
        one => values(&json!([one]), "value"),
    };
    temporal.sort_by(f64::total_cmp);
    temporal.reverse();
    [
        values(&ok("/api/v1/devices/p1/observations")["items"], "value"),
        values(&ok("/api/v1/devices/p1/series")["points"], "value"),
        values(&told["value"], "result"),
        temporal,
    ]
}

#[test]
fn what_a_moved_device_measured_in_an_area_is_seen_by_those_of_that_area_only() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\np1,gas_pressure,{HERE},1m\n"));
    let here = city.account("here", &["viewer"], "500103", None);
    let there = city.account("there", &["viewer"], "500105", None);
    let start = now_ms() / 300_000 * 300_000 - 300_000;
    let write = |minute: i64, value: f64| {
        let line = format!("gas_pressure,device=p1 value={value} {}\n", start + minute * 60_000);
        assert_eq!(city.write(&city.admin, &line).0, 204);
    };
    write(0, 10.0);
    assert_eq!(city.get("/api/v1/devices/p1/observations", &there).0, 404);
    import(&city, &format!("p1,gas_pressure,{THERE},1m"));
    write(1, 8.0);
    let all = [vec![10.0, 8.0], vec![10.0, 8.0], vec![10.0, 8.0], vec![10.0, 8.0]];
    let of = |value: f64| [vec![value], vec![value], vec![value], vec![value]];
    until("history has both", || (past(&city, &city.admin) == all).then_some(()));
    // The second one is in memory, the first one in a file.
    assert_eq!(past(&city, &there), of(8.0));
    assert_eq!(city.get("/api/v1/devices/p1/observations", &here).0, 404);
    import(&city, &format!("p1,gas_pressure,{HERE},1m"));
    until("history knows both places", || {
        (places(&city) == json!([[HERE, 10.0], [THERE, 8.0]])).then_some(())
    });
    assert_eq!(past(&city, &here), of(10.0));
    assert_eq!(past(&city, &city.admin), all);
    city.stop();
    drop(city);
    // Now all of it is in files.
    let city = City::start(&folder, &[]);
    assert_eq!(past(&city, &here), of(10.0));
    assert_eq!(past(&city, &city.admin), all);
}
