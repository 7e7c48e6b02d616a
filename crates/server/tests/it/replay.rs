//! The commands that feed a running city from files, as people call them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{City, Folder, PROGRAM, metric, until};

const GRID: &str = "500103001001001";
const OTHER_GRID: &str = "500103002001001";

/// Runs a command against the city; what it said, on both channels, once it has succeeded.
fn said(city: &City, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .arg(file)
        .env("CHENGMAI_URL", city.url(""))
        .env("CHENGMAI_TOKEN", &city.admin)
        .output()
        .unwrap();
    let mut said = String::from_utf8(output.stdout).unwrap();
    said.push_str(&String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}");
    said
}

#[track_caller]
fn check_said(said: &str, expected: &[&str]) {
    for text in expected {
        assert!(said.contains(text), "no `{text}` in:\n{said}");
    }
}

fn observations(city: &City, device: &str) -> Vec<(String, f64)> {
    let from_to = "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z&limit=1000";
    let path = format!("/api/v1/devices/{device}/observations?kind=methane&{from_to}");
    let items = city.list(&path, &city.admin);
    let pair =
        |item: &Value| (item["at"].as_str().unwrap().to_owned(), item["value"].as_f64().unwrap());
    items.iter().map(pair).collect()
}

#[test]
fn devices_of_a_file_are_registered_and_its_bad_line_is_named_and_counted() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let file = folder.path().join("devices.csv");
    let rows = [
        "id,kinds,area,agency,period",
        &format!("m1,methane,{GRID},gas_company-500103,1m"),
        "m2,methane,999999,,1m",
        &format!("m3,methane temperature,{OTHER_GRID},,1m"),
    ];
    std::fs::write(&file, rows.join("\n")).unwrap();
    let text = said(&city, &["import", "devices"], &file);
    check_said(&text, &["line 3: E-110 ", "registered: 2", "refused: 1"]);
    let devices = city.list("/api/v1/devices", &city.admin);
    let ids: Vec<&str> = devices.iter().map(|device| device["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["m1", "m3"]);
    assert_eq!(devices[1]["streams"].as_array().unwrap().len(), 2, "{}", devices[1]);

    // The same file with the line mended: nothing is there twice.
    std::fs::write(&file, rows.join("\n").replace("999999", GRID)).unwrap();
    let text = said(&city, &["import", "devices"], &file);
    check_said(&text, &["registered: 1", "updated: 2"]);
    assert_eq!(city.list("/api/v1/devices", &city.admin).len(), 3);
}

#[test]
fn a_replayed_file_keeps_its_times_and_its_bad_lines_are_named_and_counted() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area\nm1,methane,{GRID}\nm3,methane,{OTHER_GRID}\n"));
    let file = folder.path().join("readings.csv");
    // Not in the order of time: the file's own lines must be named all the same.
    let rows = "device,kind,value,time\n\
        m1,methane,2.5,2026-03-01T01:00:00Z\n\
        m1,methane,nonsense,2026-03-01T01:01:00Z\n\
        m3,methane,3.5,2026-03-01T09:02:00+08:00\n\
        m9,methane,3.5,2026-03-01T01:00:30Z\n\
        m1,methane,2.75,2026-03-01T00:59:00.250Z\n\
        m1,methane,1e9,2026-03-01T01:05:00Z\n";
    std::fs::write(&file, rows).unwrap();
    let arguments = ["replay", "--speed", "0", "--original-times"];
    let text = said(&city, &arguments, &file);
    check_said(
        &text,
        &[
            "left out: line 3, byte 12: E-115 ",
            "line 5: E-108 ",
            "line 7: E-103 ",
            "accepted: 3",
            "refused_total: 2",
            "left out: 1",
        ],
    );
    // On disk when acknowledged; to be read back once it is applied too.
    until("the readings are applied", || {
        (metric(&city, "chengmai_readings_applied_total") == 3).then_some(())
    });
    let expected = [("2026-03-01T00:59:00.250Z", 2.75), ("2026-03-01T01:00:00.000Z", 2.5)];
    assert_eq!(observations(&city, "m1"), expected.map(|(at, value)| (at.to_owned(), value)));
    let expected = [("2026-03-01T01:02:00.000Z".to_owned(), 3.5)];
    assert_eq!(observations(&city, "m3"), expected);
    let (_, system) = city.get("/api/v1/system", &city.admin);
    assert_eq!(system["refused_total"], json!(2), "what was sent and refused: {system}");
    assert_eq!(metric(&city, "chengmai_readings_accepted_total"), 3);
}
