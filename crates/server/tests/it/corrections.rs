//! Readings that were wrong are put right: in the windows, in history, in SQL and on record, also after
//! a kill; and nobody corrects what is not theirs.

use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};

const GRID: &str = "500103001001001";
const PATH: &str = "/api/v1/readings/corrections";

/// Correction of one reading as JSON.
fn row(device: &str, at: i64, new: &Value) -> Value {
    json!({"device": device, "kind": "gas_pressure", "time": at, "new": new, "reason": "校准"})
}

fn correct(city: &City, token: &str, rows: &Value) -> (u16, Value) {
    city.post(PATH, token, rows)
}

fn codes(answer: &Value) -> Vec<(i64, String)> {
    let refused = answer["refused"].as_array().unwrap().iter();
    let code = |row: &Value| row["code"].as_str().unwrap().to_owned();
    refused.map(|row| (row["line"].as_i64().unwrap(), code(row))).collect()
}

/// Mean pressure of an area in the window that starts then; null when there is none.
pub(crate) fn mean(city: &City, area: &str, start: i64) -> Value {
    value(city, "gas.pressure_mean", area, start)
}

/// Value of an indicator over an area in the window that starts then; null when there is none.
fn value(city: &City, indicator: &str, area: &str, start: i64) -> Value {
    let path = format!("/api/v1/indicators/{indicator}/windows?area={area}");
    let (_, told) = city.get(&path, &city.admin);
    let starts = told["starts"].as_array().unwrap();
    let place = starts.iter().position(|at| at.as_i64() == Some(start));
    place.map_or(Value::Null, |place| told["areas"][0]["values"][place].clone())
}

fn values(city: &City, device: &str) -> Vec<f64> {
    let items = city.list(&format!("/api/v1/devices/{device}/observations"), &city.admin);
    items.iter().map(|item| item["value"].as_f64().unwrap()).collect()
}

fn sum_in_sql(city: &City) -> Value {
    let sql =
        json!({"sql": "SELECT count(*), sum(value) FROM readings WHERE kind = 'gas_pressure'"});
    city.post("/api/v1/sql", &city.admin, &sql).1["rows"][0].clone()
}

fn shown(city: &City, device: &str, wanted: &[f64]) {
    until("history has it", || (values(city, device) == wanted).then_some(()));
}

/// Two rows that are right, and one of every sort that is not.
fn rows(at: &dyn Fn(i64) -> i64) -> String {
    format!(
        "device,kind,time,old,new,reason\n\
         p1,gas_pressure,{},9,4,漏读小数点\n\
         p1,gas_pressure,{},,withdraw,检修\n\
         p1,gas_pressure,{},7,8,没有这个值\n\
         p1,gas_pressure,{},,1e9,超量程\n\
         p1,gas_pressure,{},,2,一样\n\
         p9,gas_pressure,{},,2,没有设备\n\
         p1,gas_pressure,{},,2,\n",
        at(1),
        at(3),
        at(2),
        at(2),
        at(0),
        at(0),
        at(0)
    )
}

#[test]
fn a_reading_is_replaced_or_withdrawn_everywhere_and_stays_so_over_a_kill_and_a_stop() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\np1,gas_pressure,{GRID},1m\n"));
    // All in one window of five minutes, and none of it in the future.
    let start = now_ms() / 300_000 * 300_000 - 300_000;
    let at = |minute: i64| start + minute * 60_000;
    for (minute, value) in [(0, 2.0), (1, 9.0), (2, 3.0), (3, 6.0)] {
        let line = format!("gas_pressure,device=p1 value={value} {}\n", at(minute));
        assert_eq!(city.write(&city.admin, &line).0, 204);
    }
    shown(&city, "p1", &[2.0, 9.0, 3.0, 6.0]);
    let has = |city: &City, wanted: f64| {
        until("the window has it", || (mean(city, "500103", start) == wanted).then_some(()));
    };
    has(&city, 5.0);

    let csv = rows(&at);
    let (status, told) = city.send("POST", PATH, &city.admin, Some("text/csv"), csv.as_bytes());
    assert_eq!(status, 200, "{told}");
    let counts = [&told["corrected"], &told["withdrawn"], &told["history_only"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(0)], "{told}");
    let expected = [(8, "E-402"), (4, "E-117"), (5, "E-103"), (6, "E-118"), (7, "E-204")]
        .map(|(l, c)| (l, c.to_owned()));
    assert_eq!(codes(&told), expected, "{told}");

    let after = |city: &City| {
        shown(city, "p1", &[2.0, 4.0, 3.0]);
        assert_eq!(sum_in_sql(city), json!([3, 9.0]));
        has(city, 3.0);
        let list = until("they are on record", || {
            let list = city.list(&format!("{PATH}?device=p1"), &city.admin);
            (list.len() == 2).then_some(list)
        });
        let told =
            |row: &Value| json!([row["by"], row["old"], row["new"], row["reason"], row["area"]]);
        let told: Vec<Value> = list.iter().map(told).collect();
        let expected = [
            json!(["admin", 6.0, null, "检修", GRID]),
            json!(["admin", 9.0, 4.0, "漏读小数点", GRID]),
        ];
        assert_eq!(told, expected, "the newest first");
    };
    after(&city);
    city.kill();
    drop(city);
    let city = City::start(&folder, &[]);
    after(&city);
    city.stop();
    drop(city);
    let city = City::start(&folder, &[]);
    after(&city);

    again(&city, at(1));
}

/// What was corrected can be corrected again, by its value of now; and what is older than every window is
/// right in history, and the answer says that only there.
fn again(city: &City, at: i64) {
    let (status, told) = correct(city, &city.admin, &json!([row("p1", at, &json!(5))]));
    assert_eq!((status, &told["corrected"]), (200, &json!(1)), "{told}");
    shown(city, "p1", &[2.0, 5.0, 3.0]);
    let old = now_ms() - 86_400_000;
    let line = format!("gas_pressure,device=p1 value=7 {old}\n");
    assert_eq!(city.write(&city.admin, &line).0, 204);
    until("the late one is there", || {
        let (status, told) = correct(city, &city.admin, &row("p1", old, &json!("withdraw")));
        let counts = (&told["withdrawn"], &told["history_only"]);
        (status == 200 && counts == (&json!(1), &json!(1))).then_some(())
    });
}

#[test]
fn a_greatest_value_that_was_wrong_gives_way_to_the_next_greatest() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\nm1,methane,{GRID},1m\nm2,methane,{GRID},1m\n"));
    let start = now_ms() / 300_000 * 300_000 - 300_000;
    let lines = [("m1", 0, 2.0), ("m1", 1, 9.0), ("m2", 1, 5.0), ("m2", 2, 3.0)];
    let line = |(device, minute, value): (&str, i64, f64)| {
        format!("methane,device={device} value={value} {}\n", start + minute * 60_000)
    };
    assert_eq!(city.write(&city.admin, &lines.map(line).concat()).0, 204);
    let greatest = |city: &City, wanted: f64| {
        until("the greatest value is known", || {
            (value(city, "gas.methane_max", "500103", start) == wanted).then_some(())
        });
    };
    greatest(&city, 9.0);
    shown(&city, "m1", &[2.0, 9.0]);
    let row = json!({"device": "m1", "kind": "methane", "time": start + 60_000,
        "new": "withdraw", "reason": "校准"});
    assert_eq!(correct(&city, &city.admin, &row).0, 200);
    greatest(&city, 5.0);
    // A start knows which cells wait, whatever the snapshot was taken before.
    city.kill();
    drop(city);
    greatest(&City::start(&folder, &[]), 5.0);
}

#[test]
fn nobody_corrects_the_readings_of_others() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\np1,gas_pressure,{GRID},1m\n"));
    let now = now_ms();
    let line = format!("gas_pressure,device=p1 value=3 {now}\n");
    assert_eq!(city.write(&city.admin, &line).0, 204);
    shown(&city, "p1", &[3.0]);
    let foreign = city.account("foreign", &["engineer", "admin"], "500105001", None);
    let viewer = city.account("viewer", &["viewer", "duty_officer"], "500103", None);
    let engineer = city.account("engineer", &["engineer"], "500103001", None);
    let rows = json!([row("p1", now, &json!(4))]);
    let (status, told) = correct(&city, &foreign, &rows);
    assert_eq!((status, codes(&told)), (404, vec![(1, "E-204".to_owned())]), "{told}");
    let (status, unknown) = correct(&city, &foreign, &json!([row("p7", now, &json!(4))]));
    assert_eq!((status, codes(&unknown)), (404, codes(&told)), "as if it were not there");
    assert_eq!(correct(&city, &viewer, &rows).0, 403);
    assert_eq!(values(&city, "p1"), [3.0]);
    assert_eq!(correct(&city, &engineer, &rows).0, 200);
    shown(&city, "p1", &[4.0]);
    until("it is on record", || (city.list(PATH, &city.admin).len() == 1).then_some(()));
    assert_eq!(city.list(PATH, &foreign).len(), 0, "nor sees that they were corrected");
    assert_eq!(city.list(PATH, &viewer).len(), 1);
}
