//! Questions in SQL over HTTP: formats, permission, faults with their place, the record, and the guide.

use std::fmt::Write as _;

use chengmai_store::records::{PageRequest, Records};
use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};

/// The queries of the page and of the guide.
const EXAMPLES: &str = include_str!("../../../../web/src/lib/sql-examples.json");
const GUIDE: &str = include_str!("../../../../docs/guides/asking-with-sql.md");

/// A city with three devices in three towns and some readings of each.
fn city(folder: &Folder) -> City {
    let city = City::start(folder, &[]);
    let mut lines = String::new();
    let now = now_ms();
    for (device, town, value) in
        [("m1", "500103001", 1.0), ("m2", "500103002", 2.0), ("m3", "500105001", 30.0)]
    {
        city.register(&format!("id,kinds,area,period\n{device},methane,{town}001001,1m\n"));
        for n in 0..10 {
            writeln!(lines, "methane,device={device} value={value} {}", now - n * 1_000).unwrap();
        }
    }
    assert_eq!(city.write(&city.admin, &lines).0, 204);
    until("the readings are in history", || {
        let rows = ask(&city, &city.admin, "SELECT count(*) FROM readings").1;
        (rows["rows"][0][0] == 30).then_some(())
    });
    city
}

fn ask(city: &City, token: &str, sql: &str) -> (u16, Value) {
    city.post("/api/v1/sql", token, &json!({"sql": sql}))
}

#[test]
fn the_ten_queries_of_the_guide_run() {
    let folder = Folder::new();
    let city = city(&folder);
    let examples: Vec<Value> = serde_json::from_str(EXAMPLES).unwrap();
    assert_eq!(examples.len(), 10);
    let guide = GUIDE.split("```sql\n").skip(1);
    let guide: Vec<&str> = guide.filter_map(|rest| rest.split("\n```").next()).collect();
    let sqls: Vec<&str> = examples.iter().map(|e| e["sql"].as_str().unwrap()).collect();
    assert_eq!(guide, sqls, "page and guide hold the same queries");
    let mut answered = Vec::new();
    for sql in sqls {
        let (status, body) = ask(&city, &city.admin, sql);
        assert_eq!(status, 200, "{sql}: {body}");
        answered.push(body["row_count"].as_u64().unwrap());
    }
    // Kinds, districts in steps of five minutes, devices, one device; none is silent; three towns.
    assert_eq!((answered[0], answered[2], answered[3], answered[4], answered[5]), (1, 3, 10, 0, 3));
    assert!(answered[1] >= 2, "{answered:?}");
}

#[test]
fn the_answer_comes_in_the_format_asked_for() {
    let folder = Folder::new();
    let city = city(&folder);
    let sql = "SELECT device, sum(value) AS s FROM readings GROUP BY device ORDER BY device";
    let send = |format: &str, accept: &str| {
        let body = json!({"sql": sql, "format": format, "limit": 2, "purpose": "statistics"});
        let body = body.to_string();
        let headers = [("content-type", "application/json"), ("accept", accept)];
        city.send_with("POST", "/api/v1/sql", &city.admin, &headers, body.as_bytes()).unwrap()
    };
    assert_eq!(send("csv", "*/*"), (200, "device,s\nm1,10.0\nm2,20.0\n".to_owned()));
    assert_eq!(send("", "text/csv"), send("csv", "*/*"));
    let (status, json) = send("", "application/json, text/csv");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, &json["row_count"], &json["cut"]), (200, &json!(2), &json!(true)));
    let (status, refused) = send("xml", "*/*");
    assert!(status == 400 && refused.contains("E-710"), "{refused}");
}

#[test]
fn a_fault_has_its_number_and_its_place() {
    let folder = Folder::new();
    let city = city(&folder);
    for (sql, number, place) in [
        ("SELECT device\nFORM readings WHERE", "E-701", json!({"line": 2, "column": 6})),
        ("DROP TABLE readings", "E-702", Value::Null),
        ("SELECT devise FROM readings", "E-703", json!({"line": 1, "column": 8})),
        ("SELECT device, count(*) FROM readings", "E-704", Value::Null),
        ("SELECT 1 / 0", "E-709", Value::Null),
    ] {
        let (_, body) = ask(&city, &city.admin, sql);
        assert_eq!(body["code"], number, "{sql}: {body}");
        if number != "E-704" {
            assert_eq!(body["place"], place, "{sql}: {body}");
        }
    }
    let (status, body) =
        city.post("/api/v1/sql", &city.admin, &json!({"sql": "SELECT 1", "limit": 0}));
    assert_eq!((status, &body["code"]), (400, &json!("E-710")), "{body}");
}

#[test]
fn only_those_who_may_analyse_may_ask() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    for (role, expected) in [
        ("duty_officer", 200),
        ("supervisor", 200),
        ("engineer", 200),
        ("grid_worker", 403),
        ("viewer", 403),
        ("ingest", 403),
    ] {
        let token = city.account(role, &[role], "500103", None);
        assert_eq!(ask(&city, &token, "SELECT 1").0, expected, "{role}");
    }
}

#[test]
fn every_question_is_on_record() {
    let folder = Folder::new();
    let city = city(&folder);
    let asked = "SELECT device FROM readings LIMIT 3";
    assert_eq!(ask(&city, &city.admin, asked).0, 200);
    assert_eq!(ask(&city, &city.admin, "DROP TABLE readings").0, 400);
    city.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lines = runtime.block_on(async {
        let records = Records::open(&folder.data().join("records.db")).await.unwrap();
        records
            .audit()
            .list(Some("admin"), None, &PageRequest { limit: 100, cursor: None })
            .await
            .unwrap()
    });
    let of = |text: &str| lines.items.iter().find(|l| l.what == "sql" && l.object == text).unwrap();
    let detail: Value = serde_json::from_str(&of(asked).detail).unwrap();
    assert_eq!((&detail["rows"], detail["ms"].is_u64()), (&json!(3), true), "{detail}");
    assert!(of("DROP TABLE readings").detail.contains("\"error\""));
}
