//! Evaluations and stars over HTTP: every figure is the number of cases behind it, areas hold those
//! below, people are evaluated by those who may look back only.

use serde_json::{Value, json};

use crate::harness::{City, Folder};

const GRID: &str = "500103001001001";
const AGENCY: &str = "gas_company-500103";

fn step(city: &City, token: &str, case: &str, action: &str) -> Value {
    let mut body = json!({"reason": "因为"});
    if action == "dispatch" {
        body["agency"] = json!(AGENCY);
    }
    let (status, answer) = city.post(&format!("/api/v1/cases/{case}/{action}"), token, &body);
    assert_eq!(status, 200, "{action}: {answer}");
    answer
}

/// A case of the gas company on which these steps were done; `staff` is the agency's.
fn case(city: &City, duty: &str, staff: &str, steps: &[&str]) -> String {
    let new = json!({"type": "gas_leak", "row": 0, "area": GRID, "description": "闻到气味"});
    let (status, case) = city.post("/api/v1/cases", duty, &new);
    assert_eq!(status, 200, "{case}");
    let id = case["id"].as_str().unwrap().to_owned();
    for action in steps {
        let who = if ["start", "finish", "return"].contains(action) { staff } else { duty };
        step(city, who, &id, action);
    }
    id
}

fn row(city: &City, token: &str, query: &str, id: &str) -> Value {
    let rows = city.list(&format!("/api/v1/evaluation?{query}"), token);
    let found = rows.iter().find(|row| row["id"] == id);
    found.unwrap_or_else(|| panic!("{query} has no {id}: {rows:#?}")).clone()
}

/// `numerator/denominator` of a formula.
fn figure(row: &Value, formula: &str) -> String {
    let figures = row["figures"].as_array().unwrap();
    let figure = figures.iter().find(|f| f["formula"] == formula).unwrap();
    format!("{}/{}", figure["numerator"], figure["denominator"])
}

#[test]
fn every_figure_is_the_number_of_cases_behind_it() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let duty = city.account("duty", &["duty_officer"], "500103", None);
    let staff = city.account("staff", &["agency_staff"], "500103", Some(AGENCY));
    let whole = ["dispatch", "start", "finish", "check_pass", "close"];
    case(&city, &duty, &staff, &whole);
    let rework = ["dispatch", "start", "finish", "check_fail", "start", "finish", "check_pass"];
    let reworked = case(&city, &duty, &staff, &rework);
    step(&city, &duty, &reworked, "close");
    case(&city, &duty, &staff, &["dispatch", "return", "dispatch"]);
    case(&city, &duty, &staff, &["cancel"]);

    let agency = row(&city, &duty, "object=agency&period=year", AGENCY);
    assert_eq!(figure(&agency, "disposed_on_time"), "2/2", "what runs is not yet due: {agency}");
    assert_eq!(figure(&agency, "closed_on_time"), "2/2");
    assert_eq!(figure(&agency, "reworked"), "1/2");
    assert_eq!(figure(&agency, "dispatched_right"), "2/3");
    assert_eq!(figure(&agency, "satisfied"), "0/0");
    assert!(agency["mean_handling_ms"].as_f64().is_some(), "{agency}");
    // 30 + 20 + 20 x 0.5 + 20 + 10, as the pack of the city weighs it, or nothing without a pack.
    let score = &agency["score"];
    assert!(score.is_null() || score["total"].as_f64().is_some(), "{score}");

    // An area holds what lies below it: the figures of district and town are the same here.
    let district = row(&city, &duty, "period=year", "500103");
    let town = row(&city, &duty, "period=year", "500103001");
    assert_eq!(district["figures"], town["figures"]);
    assert_eq!(figure(&district, "filed_right"), "3/4", "one was cancelled after filing");
    assert_eq!(figure(&row(&city, &duty, "period=year", "500103002"), "disposed"), "0/0");

    for (object, id) in [("agency", AGENCY), ("area", "500103"), ("class", "05-02")] {
        let class = city.list(&format!("/api/v1/evaluation?object={object}&period=year"), &duty);
        let of = class.iter().find(|row| row["id"] == id).or_else(|| class.first()).unwrap();
        for figure in of["figures"].as_array().unwrap() {
            for (part, count) in [
                ("denominator", &figure["denominator"]),
                ("numerator", &figure["numerator"]),
                ("raw_numerator", &figure["raw"]["numerator"]),
            ] {
                let (formula, id) = (&figure["formula"], &of["id"]);
                let asked = format!(
                    "/api/v1/evaluation/cases?object={object}&period=year&id={}&formula={}&part={part}&limit=1",
                    id.as_str().unwrap(),
                    formula.as_str().unwrap()
                );
                let (status, page) = city.get(&asked, &duty);
                assert_eq!((status, &page["total"]), (200, count), "{asked}: {page}");
            }
        }
    }
    let behind = "/api/v1/evaluation/cases?period=year&formula=reworked&part=numerator";
    let cases = city.list(behind, &duty);
    assert_eq!((cases.len(), &cases[0]["id"]), (1, &json!(reworked)), "{cases:?}");
    let last_year = city.list("/api/v1/evaluation?period=year&at=2020-05-01", &duty);
    assert_eq!(figure(&last_year[0], "disposed"), "0/0");
    people(&city, &duty, &staff);
    workbook(&city, &duty, &staff);
    parts(&city, &duty, &staff);
    stars(&city, &duty);
}

/// A dispatcher's figures are those of the dispatches, and an agency does not see them.
fn people(city: &City, duty: &str, staff: &str) {
    let dispatcher = row(city, duty, "object=dispatcher&period=year", "duty");
    assert_eq!(figure(&dispatcher, "dispatched_on_time"), "3/3", "{dispatcher}");
    let asked = "/api/v1/evaluation?object=dispatcher";
    assert_eq!(city.get(asked, staff).0, 403, "who works is not who judges");
    for wrong in ["object=people", "period=decade", "at=yesterday", "evaluation=none"] {
        let (status, answer) = city.get(&format!("/api/v1/evaluation?{wrong}"), duty);
        assert!((400..=404).contains(&status), "{wrong}: {answer}");
    }
}

/// Among two towns nobody is proved to be the best, and what it rests on is told all the same.
fn stars(city: &City, duty: &str) {
    let (status, answer) = city.get("/api/v1/stars?tier=town", duty);
    assert_eq!((status, &answer["total"]), (200, &json!(2)), "only the own district: {answer}");
    let town = answer["items"].as_array().unwrap().iter().find(|t| t["area"] == "500103001");
    let town = town.unwrap();
    assert_eq!((&town["stars"], &town["lack"]), (&Value::Null, &json!("few_peers")), "{town}");
    assert_eq!((&town["peers"], &town["on_time"]["numerator"]), (&json!(3), &json!(2)), "{town}");
    assert_eq!(town["on_time"]["denominator"], 2, "{town}");
}

/// The workbook is of the caller's own area, and people's work is for those who look back on it. What stands
/// in it is read by somebody else's reader in `web/e2e/workbook.test.mjs`.
fn workbook(city: &City, duty: &str, staff: &str) {
    let asked = |query: &str, token: &str| {
        city.get(&format!("/api/v1/evaluation.xlsx?purpose=review&{query}"), token)
    };
    assert_eq!(asked("area=500105", duty).0, 404, "another district");
    assert_eq!(asked("object=dispatcher", staff).0, 403);
    assert_eq!(asked("lang=fr", duty).0, 400);
    let (status, headers) =
        city.head("/api/v1/evaluation.xlsx?object=agency&period=year&purpose=review", duty);
    assert_eq!(status, 200);
    assert!(headers["content-type"].to_str().unwrap().contains("spreadsheetml"));
    assert!(headers["content-disposition"].to_str().unwrap().contains("evaluation-agency-"));
}

/// A part counts for the agency that does it, and the case for the one that leads: once each.
fn parts(city: &City, duty: &str, staff: &str) {
    let helper = "fire_rescue-500103";
    let before = row(city, duty, "object=agency&period=year", AGENCY);
    let id = case(city, duty, staff, &["dispatch", "start"]);
    let path = format!("/api/v1/cases/{id}/involve");
    let body = json!({"agency": helper, "note": "现场警戒"});
    let (status, answer) = city.post(&path, duty, &body);
    assert_eq!(status, 200, "{answer}");
    let helpers = city.account("helper", &["agency_staff"], "500103", Some(helper));
    step(city, &helpers, &id, "start_part");
    step(city, &helpers, &id, "finish_part");
    let query = "object=agency&period=year";
    assert_eq!(figure(&row(city, duty, query, helper), "disposed_on_time"), "1/1");
    assert_eq!(figure(&row(city, duty, query, helper), "closed"), "0/0");
    let lead = row(city, duty, query, AGENCY);
    for formula in ["disposed", "disposed_on_time", "closed"] {
        let (now, then) = (figure(&lead, formula), figure(&before, formula));
        assert_eq!(now, then, "{formula} of the lead, whose own handling is neither done nor due");
    }
    let behind = format!("/api/v1/evaluation/cases?{query}&id={helper}&formula=disposed_on_time");
    let cases = city.list(&behind, duty);
    assert_eq!((cases.len(), &cases[0]["id"], &cases[0]["is_part"]), (1, &json!(id), &json!(true)));
    assert_eq!(cases[0]["agency"], helper);
    let area = row(city, duty, "period=year", "500103");
    assert_eq!(
        figure(&area, "disposed_on_time"),
        figure(&before, "disposed_on_time"),
        "in areas a case counts once"
    );
}
