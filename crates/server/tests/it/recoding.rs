//! The areas of a running city get other codes, and two towns become one: devices, sums, warnings, cases
//! and accounts go along, and what was written under the old codes is found under the new ones.

use serde_json::{Value, json};

use crate::corrections::mean;
use crate::harness::{City, Folder, now_ms, until};
use crate::life::{open_warnings, raise_warning, step};

/// The first district has a new code, and its second town is part of its first.
const AREAS: &str = "\
code,parent,name,tier
50,,测试市,city
500113,50,甲新区,district
500105,50,乙区,district
500113001,500113,甲街道,town
500105001,500105,乙一街道,town
500113001001,500113001,甲一社区,community
500113001002,500113001,甲二社区,community
500105001001,500105001,乙一社区,community
500113001001001,500113001001,第一网格,grid
500113001001002,500113001001,第二网格,grid
500113001001003,500113001001,第三网格,grid
500113001002001,500113001002,第一网格,grid
500105001001001,500105001001,第一网格,grid
500105001001002,500105001001,第二网格,grid
500105001001003,500105001001,第三网格,grid
";

const CHANGES: &str = "\
old,new,source
500103,500113,市政府批复
500103002,500113001,并入甲街道
500103002001,500113001002,
";

fn import(folder: &Folder, rows: &str, changes: &str) -> (bool, String) {
    let (areas, list) = (folder.path().join("new.csv"), folder.path().join("changes.csv"));
    std::fs::write(&areas, rows).unwrap();
    std::fs::write(&list, changes).unwrap();
    let output = folder.import_areas(&areas, &["--no-grids", "--recoded", list.to_str().unwrap()]);
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn write(city: &City, device: &str, at: i64, value: f64) {
    let line = format!("gas_pressure,device={device} value={value} {at}\n");
    assert_eq!(city.write(&city.admin, &line).0, 204);
}

/// What must be so after the change, however often the city was stopped.
fn settled(city: &City, start: i64, warning: &str, case: &str) {
    let (_, area) = city.get("/api/v1/areas/500103001", &city.admin);
    assert_eq!((&area["code"], &area["name"]), (&json!("500113001"), &json!("甲街道")));
    let place = |device: &str| city.get(&format!("/api/v1/devices/{device}"), &city.admin).1;
    assert_eq!(place("m1")["area"], "500113001001001");
    assert_eq!(place("p1")["area"], "500113001001002");
    assert_eq!(place("p2")["area"], "500113001002001");
    assert_eq!(place("p3")["area"], "500113001002", "its grid is no more");
    until("what was counted before and after is one sum", || {
        (mean(city, "500113001", start) == json!(5.0)).then_some(())
    });
    let warnings = open_warnings(city);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    let told = (&warnings[0]["id"], &warnings[0]["area"]);
    assert_eq!(told, (&json!(warning), &json!("500113001001001")));
    let (_, shown) = city.get(&format!("/api/v1/cases/{case}"), &city.admin);
    assert_eq!(shown["area"], "500113001001001", "{shown}");
    let steps = shown["events"].as_array().unwrap().iter();
    let recoded: Vec<&Value> = steps.filter(|event| event["kind"] == "recoded").collect();
    assert_eq!(recoded.len(), 1, "{shown}");
}

#[test]
fn a_list_of_changes_that_names_no_area_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    let before = std::fs::read(folder.data().join("areas.json")).unwrap();
    let (done, words) = import(&folder, AREAS, "old,new\n500103,500113\n500103002,500999\n");
    assert!(!done && words.contains("line 3:") && words.contains("500999"), "{words}");
    assert_eq!(before, std::fs::read(folder.data().join("areas.json")).unwrap());
}

#[test]
fn devices_sums_warnings_cases_and_accounts_move_to_the_new_codes() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(
        "id,kinds,area,agency,period\n\
         m1,methane,500103001001001,gas_company-500103,1m\n\
         p1,gas_pressure,500103001001002,,1m\n\
         p2,gas_pressure,500103002001001,,1m\n\
         p3,gas_pressure,500103002001003,,1m\n",
    );
    let duty = city.account("duty", &["duty_officer"], "500103", None);
    let staff = city.account("staff", &["agency_staff"], "500103", Some("gas_company-500103"));
    let start = now_ms() / 300_000 * 300_000 - 300_000;
    for (device, value) in [("p1", 2.0), ("p2", 4.0), ("p3", 6.0)] {
        write(&city, device, start, value);
    }
    until("they count", || (mean(&city, "500103", start) == json!(4.0)).then_some(()));
    let warning = raise_warning(&city, &duty, now_ms() - 180_000);
    let filed = city.post(&format!("/api/v1/warnings/{warning}/file"), &duty, &json!({})).1;
    let case = filed["case"]["id"].as_str().unwrap().to_owned();
    step(&city, &duty, &case, "dispatch", &json!({}));
    // Not even a snapshot of the old areas: what began over them is finished first.
    city.kill();
    drop(city);

    let (done, words) = import(&folder, AREAS, CHANGES);
    assert!(done, "{words}");
    let city = City::start(&folder, &[]);
    // 2, 4 and 6 from before and 8 from now: sums go on.
    write(&city, "p2", start + 60_000, 8.0);
    settled(&city, start, &warning, &case);
    step(&city, &staff, &case, "start", &json!({}));
    step(&city, &staff, &case, "finish", &json!({}));
    step(&city, &duty, &case, "check_pass", &json!({}));
    step(&city, &duty, &case, "close", &json!({}));
    // Who answered for the district answers for it under its new code.
    let new = json!({"type": "gas_leak", "row": 0, "area": "500113", "description": "闻到气味"});
    let (status, next) = city.post("/api/v1/cases", &duty, &new);
    assert_eq!((status, &next["agency"]), (200, &json!("gas_company-500103")), "{next}");
    city.kill();
    drop(city);

    let city = City::start(&folder, &[]);
    settled(&city, start, &warning, &case);
    let (_, shown) = city.get(&format!("/api/v1/cases/{case}"), &duty);
    assert_eq!(shown["state"], "closed", "{shown}");
    city.kill();
    drop(city);

    // And once more: devices that were registered two codes ago go along too.
    let rows = AREAS.replace("500113", "500123");
    let (done, words) = import(&folder, &rows, "old,new\n500113,500123\n");
    assert!(done, "{words}");
    let city = City::start(&folder, &[]);
    let place = |device: &str| city.get(&format!("/api/v1/devices/{device}"), &duty).1;
    assert_eq!(place("m1")["area"], "500123001001001");
    assert_eq!(place("p3")["area"], "500123001002");
    until("the sum goes on", || (mean(&city, "500123001", start) == json!(5.0)).then_some(()));
    let (_, area) = city.get("/api/v1/areas/500103001", &city.admin);
    assert_eq!(area["code"], "500123001", "the oldest code is understood");
    let (_, shown) = city.get(&format!("/api/v1/cases/{case}"), &duty);
    assert_eq!(shown["area"], "500123001001001", "{shown}");
}
