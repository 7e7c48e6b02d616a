//! Proposals: learnt from the city's own closed cases, shown to staff and citizens, never outside the
//! caller's area; and whose work it is, with the reason.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{City, Folder, PROGRAM, until};

/// Whole-minded ways to report three types of the same agency's work.
const SAID: [(&str, [&str; 4]); 3] = [
    (
        "dirty_road",
        ["路面很脏全是泥", "马路上脏得很没人扫", "道路不洁尘土飞扬", "the road is dirty"],
    ),
    (
        "bin_overflow",
        ["垃圾桶满了溢出来", "垃圾箱堆满没人清", "果皮箱满溢臭得很", "the litter bin overflows"],
    ),
    (
        "dead_animal",
        ["路边有只死猫", "绿化带里死狗发臭", "有动物尸体没人处理", "a dead animal lies here"],
    ),
];
/// Just more than it takes to decide alone.
const CASES: usize = 276;
const PLACE: [f64; 2] = [106.57, 29.56];

fn propose(city: &City, token: &str, body: &Value) -> Value {
    let (status, answer) = city.post("/api/v1/proposals", token, body);
    assert_eq!(status, 200, "{answer}");
    answer
}

fn step(city: &City, token: &str, case: &str, action: &str) {
    let (status, answer) = city.post(&format!("/api/v1/cases/{case}/{action}"), token, &json!({}));
    assert_eq!(status, 200, "{action}: {answer}");
}

/// Cases from filed to closed; the town they are in.
fn close_many(city: &City) -> String {
    let new = json!({"type": "dirty_road", "row": 0, "position": PLACE, "description": ""});
    let (status, first) = city.post("/api/v1/cases", &city.admin, &new);
    assert_eq!(status, 200, "{first}");
    let area = first["area"].as_str().unwrap();
    let (district, town) = (&area[..6], &area[..9]);
    let agency = format!("sanitation-{district}");
    let staff = city.account("staff", &["agency_staff"], district, Some(&agency));
    let duty = city.account("duty", &["duty_officer", "grid_worker"], town, None);
    for number in 0..CASES {
        let (type_id, ways) = &SAID[number % SAID.len()];
        let words = format!("{}号门口{}", number * 7 % 90, ways[number / SAID.len() % ways.len()]);
        let new = json!({"type": type_id, "row": 0, "area": town, "description": words});
        let (status, case) = city.post("/api/v1/cases", &duty, &new);
        assert_eq!(status, 200, "{case}");
        let id = case["id"].as_str().unwrap();
        step(city, &duty, id, "dispatch");
        step(city, &staff, id, "start");
        step(city, &staff, id, "finish");
        step(city, &duty, id, "check_pass");
        step(city, &duty, id, "close");
    }
    town.to_owned()
}

/// Status and page of a report sent as a browser does.
fn report(city: &City, from: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.bytes());
    }
    body.extend(b"--XX--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=XX"), ("x-forwarded-for", from)];
    city.send_with("POST", "/report", "", &headers, &body).unwrap()
}

#[test]
fn what_a_city_closed_teaches_what_its_reports_are_about() {
    let folder = Folder::empty();
    let city = City::start(&folder, &[]);
    let asked = json!({"text": "垃圾桶又满了", "position": PLACE});
    let before = propose(&city, &city.admin, &asked);
    assert_eq!(before["types"], json!([]), "nothing is known without a model");
    let town = close_many(&city);
    // Only a rule engineer of the whole city lets the city learn.
    let duty = city.account("other", &["duty_officer"], &town, None);
    let engineer = city.account("engineer", &["engineer"], &town, None);
    for token in [&duty, &engineer] {
        assert_eq!(city.post("/api/v1/routing/train", token, &json!({})).0, 403);
    }
    assert_eq!(city.post("/api/v1/routing/train", &city.admin, &json!({})).0, 200);
    let trained = until("the model", || {
        let (_, standing) = city.get("/api/v1/routing", &duty);
        Some(standing["trained"].clone()).filter(|trained| !trained.is_null())
    });
    assert_eq!(trained["types"], 3);
    assert_eq!(trained["held_out"], CASES / 5);
    assert!(trained["decides_from"].is_number(), "{trained}");
    let after = propose(&city, &duty, &asked);
    assert_eq!(after["types"][0]["type"], "bin_overflow", "{after}");
    assert_eq!(after["responsible"]["id"], format!("sanitation-{}", &town[..6]));
    assert!(after["responsible"]["reason"]["en"].as_str().unwrap().contains("lead"));

    // Nobody rated, and all three types can wait: of mood nothing is said.
    let (_, topics) = city.get("/api/v1/topics", &duty);
    assert_eq!(topics["mood"], json!({"tone": null, "urgency": null, "areas": []}), "{topics}");

    citizens_are_asked_or_decided_for(&city);
    learnt_by_the_command_line_too(&folder, &city);
    a_place_outside_is_unknown(&city, &duty);
}

fn citizens_are_asked_or_decided_for(city: &City) {
    // Words that say little: three kinds to choose from, and nothing was sent.
    let count = || city.list("/api/v1/cases?state=reported", &city.admin).len();
    let place = [("long", "106.60"), ("lat", "29.57")];
    let vague = [&[("words", "请看看")][..], &place].concat();
    let (status, page) = report(city, "10.1.0.1", &vague);
    assert_eq!(status, 200);
    assert_eq!(page.matches("type=\"radio\"").count(), 4, "{page}");
    assert_eq!(count(), 0);
    // Clear words: decided, and it says so.
    let clear = [&[("words", "垃圾桶满了溢出来没人清")][..], &place].concat();
    assert_eq!(report(city, "10.1.0.1", &clear).0, 200);
    let cases = city.list("/api/v1/cases?state=reported", &city.admin);
    assert_eq!(cases.len(), 1, "{cases:?}");
    assert_eq!(cases[0]["type"], "bin_overflow");
    let id = cases[0]["id"].as_str().unwrap();
    let (_, detail) = city.get(&format!("/api/v1/cases/{id}"), &city.admin);
    let note = detail["events"][0]["note"].as_str().unwrap_or_default();
    assert!(note.contains("decided by the program"), "{detail}");
    // The same once more in other words, by somebody who chose nothing: is it this one?
    let again = [&[("words", "垃圾箱又堆满溢出来了")][..], &place].concat();
    let (_, page) = report(city, "10.1.0.2", &again);
    assert!(page.contains(id) && page.contains("name=\"join\""), "{page}");
    // And while it is written, as the page's script asks.
    let body = "words=垃圾箱又堆满溢出来了&lat=29.57&long=106.60&lang=en";
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-for", "10.1.0.3")];
    let ask = || city.send_with("POST", "/report/proposal", "", &headers, body.as_bytes()).unwrap();
    let (status, guess) = ask();
    assert_eq!(status, 200, "{guess}");
    let guess: Value = serde_json::from_str(&guess).unwrap();
    assert_eq!(guess["types"][0]["id"], "bin_overflow");
    assert_eq!(guess["near"][0]["id"], id);
    assert!(guess["near"][0]["words"].as_str().unwrap().contains("not verified"), "{guess}");
    let refused = (0..60).map(|_| ask().0).filter(|status| *status == 429).count();
    assert!(refused > 0, "one sender may not ask without end");
}

fn learnt_by_the_command_line_too(folder: &Folder, city: &City) {
    let output =
        Command::new(PROGRAM).args(["train", "routing", "--data"]).arg(folder.data()).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for words in ["3 types", "first proposal right: ", "decides alone from", "SIGHUP"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    city.hang_up();
    let asked = json!({"text": "死猫", "position": PLACE});
    until("the model was read again", || {
        (propose(city, &city.admin, &asked)["types"][0]["type"] == "dead_animal").then_some(())
    });
}

fn a_place_outside_is_unknown(city: &City, duty: &str) {
    let body = json!({"text": "路面很脏", "position": [106.45, 29.55]});
    assert_eq!(city.post("/api/v1/proposals", duty, &body).0, 404);
    let body = json!({"text": "路面很脏", "area": "500105"});
    assert_eq!(city.post("/api/v1/proposals", duty, &body).0, 404);
    // A case of another town near the border is never shown: the list holds only what one may see.
    let near = propose(city, duty, &json!({"text": "路面很脏", "position": PLACE}));
    for case in near["near"].as_array().unwrap() {
        let path = format!("/api/v1/cases/{}", case["id"].as_str().unwrap());
        assert_eq!(city.get(&path, duty).0, 200);
    }
}

#[test]
fn the_table_of_responsibilities_speaks_first_and_says_why() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let ask = |type_id: &str, text: &str| {
        let body = json!({"text": text, "area": "500103001", "type": type_id});
        propose(&city, &city.admin, &body)["responsible"].clone()
    };
    let telecom = ask("manhole_missing", "电信井盖不见了");
    assert_eq!(telecom["id"], "telecom_company-500103");
    assert_eq!(telecom["municipal"], false);
    assert_eq!(telecom["owner"]["en"], "Telecom companies");
    assert!(telecom["reason"]["zh"].as_str().unwrap().contains("电信"), "{telecom}");
    let nobody = ask("manhole_missing", "井盖不见了");
    assert_eq!(nobody["id"], "urban_management-500103");
    assert_eq!(nobody["municipal"], true);
    // By its type alone, whatever is said; and the officer's case goes there.
    assert_eq!(ask("telecom_box", "箱子倒了")["id"], "telecom_company-500103");
    let new = json!({"type": "fallen_cable", "row": 0, "area": "500103001", "description": "光缆掉下来了"});
    let (status, case) = city.post("/api/v1/cases", &city.admin, &new);
    assert_eq!(status, 200, "{case}");
    assert_eq!(case["agency"], "telecom_company-500103");
    let id = case["id"].as_str().unwrap();
    let duty = city.account("duty", &["duty_officer"], "500103001", None);
    step(&city, &duty, id, "dispatch");
}
