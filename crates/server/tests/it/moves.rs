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
