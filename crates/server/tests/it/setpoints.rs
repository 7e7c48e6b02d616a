//! Set-points of single devices: imported, obeyed, and still there after a kill and after a start that
//! derives the engine anew.

use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};

const GRID: &str = "500103001001001";
const CSV: &str = "id,kind,yellow,orange,red\n\
    v1,river_stage,180.5,183.5,\n\
    v2,river_stage,193.5,198,\n\
    v3,river_stage,400,,\n\
    v9,river_stage,1,,\n\
    v1,rainfall,1,,\n\
    v2,river_stage,3,2,4\n";

fn import(city: &City, csv: &str) -> Value {
    let path = "/api/v1/setpoints";
    let (status, said) = city.send("POST", path, &city.admin, Some("text/csv"), csv.as_bytes());
    assert_eq!(status, 200, "{said}");
    said
}

fn levels(city: &City, device: &str) -> Value {
    let (_, device) = city.get(&format!("/api/v1/devices/{device}"), &city.admin);
    device["streams"][0]["setpoints"].clone()
}

#[test]
fn each_device_warns_at_its_own_level_and_keeps_it_over_a_kill_and_a_fresh_start() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let kinds = ["v1", "v2", "v3"].map(|id| format!("{id},river_stage,{GRID}\n")).concat();
    city.register(&format!("id,kinds,area\n{kinds}r1,rainfall,{GRID}\n"));
    let said = import(&city, CSV);
    assert_eq!(said["set"], 2, "{said}");
    let refused: Vec<_> = said["refused"].as_array().unwrap().iter().collect();
    let codes: Vec<(i64, &str)> = refused
        .iter()
        .map(|row| (row["line"].as_i64().unwrap(), row["code"].as_str().unwrap()))
        .collect();
    // The file's own faults first, then what the city knows better.
    assert_eq!(codes, [(7, "E-203"), (4, "E-203"), (5, "E-108"), (6, "E-207")], "{said}");
    let own = json!({"blue": null, "yellow": 180.5, "orange": 183.5, "red": null});
    until("the engine knows them", || (levels(&city, "v1") == own).then_some(()));
    assert_eq!(levels(&city, "r1"), Value::Null, "no rule asks for levels of rain");

    let now = now_ms();
    let both =
        |at: i64| ["v1", "v2", "v3"].map(|id| format!("river_stage,device={id} value=181 {at}\n"));
    for at in [now - 2_000, now - 1_000] {
        assert_eq!(city.write(&city.admin, &both(at).concat()).0, 204);
    }
    let warnings = until("a warning", || {
        let list = city.list("/api/v1/warnings", &city.admin);
        (!list.is_empty()).then_some(list)
    });
    let about: Vec<&Value> = warnings.iter().map(|warning| &warning["rule"]).collect();
    assert_eq!(about, [&json!("drainage/river_over_mark")], "{warnings:?}");

    // The end leaves a snapshot.
    city.stop();
    drop(city);
    let city = City::start(&folder, &[]);
    assert_eq!(levels(&city, "v1"), own);
    city.kill();
    drop(city);
    // Another lateness: the engine of the snapshot cannot be taken over.
    let city = City::start(&folder, &["--lateness", "20m"]);
    assert_eq!(levels(&city, "v1"), own);
    let taken_away = import(&city, "id,kind,yellow\nv1,river_stage,\n");
    assert_eq!(taken_away["set"], 1);
    let none = json!({"blue": null, "yellow": null, "orange": null, "red": null});
    until("they are taken away", || (levels(&city, "v1") == none).then_some(()));
}
