//! The demo city and the people who play in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use chengmai_model::area::AreaRow;
use chengmai_model::{AreaTree, Timestamp};
use chengmai_sim::fleet::Fleet;
use chengmai_sim::play::{Options, Stop, play};
use serde_json::json;

use crate::harness::{City, Folder, PASSWORD, now_ms, until};

#[test]
fn a_demo_has_a_past_when_it_opens_and_its_first_warning_within_half_a_minute() {
    let folder = Folder::empty();
    let city = City::demo(&folder, &["--devices", "3000"]);
    let opened_ms = now_ms();
    assert_eq!(city.get("/api/v1/city", "").1["simulated"], true);
    let (_, devices) = city.get("/api/v1/devices?limit=1000", &city.admin);
    assert_eq!(devices["total"], 3000);
    assert!(devices["items"].as_array().unwrap().iter().all(|d| d["simulated"] == true));
    let (_, summary) = city.get("/api/v1/cases/summary", &city.admin);
    assert!(summary["closed"].as_u64().unwrap() > 400, "{summary}");
    assert!(summary["open"].as_u64().unwrap() > 5, "{summary}");
    let ratings = city.list("/api/v1/agencies/ratings", &city.admin);
    let scores = ratings.iter().filter_map(|r| r["score"].as_f64());
    let scores: BTreeSet<String> = scores.map(|score| format!("{:.0}", score / 10.0)).collect();
    assert!(scores.len() >= 3, "the scores do not differ: {scores:?}");
    let agencies = city.list("/api/v1/evaluation?object=agency&period=year", &city.admin);
    let totals = agencies.iter().filter(|row| row["score"]["total"].is_number()).count();
    assert!(totals >= 10, "{totals} of {} agencies have a composite", agencies.len());
    let from = Timestamp(opened_ms - 20 * 3_600_000).to_rfc3339();
    let path = format!("/api/v1/indicators/water.pressure_ok_share/history?area=50&from={from}");
    let (_, history) = city.get(&path, &city.admin);
    assert!(history["points"].as_array().unwrap().len() > 100, "{history}");
    let warning = until("the first warning of the play", || {
        let warnings = city.list("/api/v1/warnings?state=all", &city.admin);
        warnings.into_iter().find(|w| {
            let raised = w["raised_at"].as_str().and_then(Timestamp::parse_rfc3339).unwrap();
            raised.0 >= opened_ms && w["kind"].is_string()
        })
    });
    assert_eq!(warning["simulated"], true, "{warning}");
    assert!(now_ms() - opened_ms < 30_000, "it took {} ms", now_ms() - opened_ms);
}

#[test]
fn the_people_of_a_play_take_a_visitors_case_to_its_end_and_leave_the_visitors_district_alone() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let rows: Vec<AreaRow> =
        serde_json::from_slice(&std::fs::read(folder.data().join("areas.json")).unwrap()).unwrap();
    let fleet = Fleet::new(&AreaTree::build(rows).unwrap(), 300, 1);
    let mut csv = String::from("id,kinds,area,agency,simulated\n");
    for device in fleet.devices() {
        let spec = &device.spec;
        let agency = spec.agency.as_deref().unwrap();
        writeln!(csv, "{},{},{},{agency},true", spec.name, device.kind, spec.area).unwrap();
    }
    city.register(&csv);
    let options = Options {
        step: Duration::from_millis(40)..Duration::from_millis(120),
        ..Options::new(city.url(""), PASSWORD)
    };
    let (stop, words) = (Stop::new(), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        let log = |line: &str| words.lock().unwrap().push(line.to_owned());
        let playing = threads.spawn({
            let (options, fleet, stop) = (&options, &fleet, stop.clone());
            move || play(options, fleet, &stop, &log)
        });
        until("the play's readings arrive", || {
            let (_, system) = city.get("/api/v1/system", &city.admin);
            (system["readings_total"].as_u64().unwrap() > 0).then_some(())
        });
        let file = |area: &str| {
            let new = json!({"type": "dirty_road", "row": 0, "area": area, "description": "x"});
            let (status, case) = city.post("/api/v1/cases", &city.admin, &new);
            assert_eq!(status, 200, "{case}");
            format!("/api/v1/cases/{}", case["id"].as_str().unwrap())
        };
        let (own, other) = (file("500103001001001"), file("500105001001001"));
        let closed = until("the other district's case is closed", || {
            let (_, case) = city.get(&other, &city.admin);
            (case["state"] == "closed").then_some(case)
        });
        let people: BTreeSet<&str> = closed["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["actor"].as_str().unwrap())
            .collect();
        assert!(people.contains("sim-duty-500105001"), "{people:?}");
        assert!(people.contains("sim-sanitation-500105"), "{people:?}");
        assert_eq!(city.get(&own, &city.admin).1["state"], "filed", "it waits for the visitor");
        stop.stop();
        playing.join().unwrap().unwrap();
    });
    let words = words.into_inner().unwrap();
    assert!(words.is_empty(), "the play had trouble: {words:?}");
}
