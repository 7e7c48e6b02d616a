//! NGSI-LD from outside: somebody else's client, entities and readings, areas kept apart, contexts that are never
//! fetched, subscribers told of what they may see, and the same after a restart.

use std::net::TcpListener;
use std::process::Command;

use chengmai_model::Timestamp;
use serde_json::{Value, json};

use super::harness::{City, Folder, metric, now_ms, until};
use super::notify::Receiver;

const ROOT: &str = "/ngsi-ld/v1";
const CORE: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld";
const ERRORS: &str = "https://uri.etsi.org/ngsi-ld/errors/";
const LINK: &str = "rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"";
const JSON: (&str, &str) = ("content-type", "application/json");
const LD: (&str, &str) = ("content-type", "application/ld+json");
const OWN: &str = "500103001";
const FOREIGN: &str = "500105001";

/// A city that was there before, asked with the token of then.
fn again(folder: &Folder, flags: &[&str], token: String) -> City {
    let mut city = City::open(folder, flags);
    city.admin = token;
    city
}

/// Outlines for the two districts of the test areas.
fn outlined() -> Folder {
    let folder = Folder::new();
    let square = |code: &str, west: f64, east: f64| {
        let ring = [[west, 29.0], [east, 29.0], [east, 30.0], [west, 30.0], [west, 29.0]];
        json!({"type": "Feature", "properties": {"adcode": code},
            "geometry": {"type": "Polygon", "coordinates": [ring]}})
    };
    let squares = json!({"type": "FeatureCollection", "features": [
        square("50", 106.0, 108.0), square("500103", 106.0, 107.0), square("500105", 107.0, 108.0)]});
    let shapes = folder.path().join("shapes.json");
    std::fs::write(&shapes, squares.to_string()).unwrap();
    let areas = folder.path().join("areas.csv");
    let output =
        folder.import_areas(&areas, &["--no-grids", "--boundaries", shapes.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn get(city: &City, token: &str, path: &str) -> (u16, Value) {
    city.get(&format!("{ROOT}/{path}"), token)
}

fn found(city: &City, path: &str) -> Value {
    let (status, body) = get(city, &city.admin, path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn ask(
    city: &City,
    method: &str,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("{ROOT}/{path}");
    let (status, text) = city.send_with(method, &path, token, headers, body.as_bytes()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn send(city: &City, method: &str, path: &str, body: &Value) -> (u16, Value) {
    ask(city, method, path, &city.admin, &[JSON], body)
}

fn check(city: &City, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let (found, answer) = send(city, method, path, body);
    assert_eq!(found, status, "{method} {path} {body}: {answer}");
    answer
}

/// The standard's name and our number of a refusal.
fn refusal(answer: &Value) -> (String, String) {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (text("type").replace(ERRORS, ""), text("code"))
}

fn refused(answer: &Value, name: &str, code: &str) {
    assert_eq!(refusal(answer), (name.to_owned(), code.to_owned()), "{answer}");
}

fn ids(page: &Value) -> Vec<&str> {
    page.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

fn time(ms: i64) -> String {
    Timestamp(ms).to_rfc3339()
}

/// Two devices with readings in one district, and one in another.
fn devices(city: &City) {
    city.register(
        "id,kinds,area,lon,lat,title\nm1,methane,500103001001001,106.5,29.5,第一\nm2,methane;manhole_tilt,500103002001001,,,\nm3,manhole_tilt,500105001001001,,,\n",
    );
    let now = now_ms();
    for n in 0..5 {
        let line = format!("methane,device=m1 value={n} {}\n", now - 60_000 * (5 - n));
        assert_eq!(city.write(&city.admin, &line).0, 204);
    }
    assert_eq!(city.write(&city.admin, &format!("manhole_tilt,device=m2 value=3 {now}\n")).0, 204);
    city.values("m1", 5);
    city.values("m2", 1);
}

fn building(id: &str) -> Value {
    json!({"id": format!("urn:ngsi-ld:Building:{id}"), "type": "Building",
        "name": {"type": "Property", "value": "Town hall"}, "floors": {"type": "Property", "value": 3},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [10.0, 20.0]}},
        "owner": {"type": "Relationship", "object": "urn:ngsi-ld:Person:p1"}})
}

/// A building in the other district.
fn foreign_building(id: &str) -> Value {
    let mut building = building(id);
    let area = format!("urn:ngsi-ld:AdministrativeArea:{FOREIGN}");
    building["area"] = json!({"type": "Relationship", "object": area});
    building
}

#[test]
fn somebody_elses_client_works_as_it_is() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the client");
    };
    let folder = Folder::new();
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1"]);
    devices(&city);
    let hook = Receiver::start(&[]);
    let script = folder.path().join("ask.py");
    std::fs::write(&script, include_str!("ngsi_ld.py")).unwrap();
    let now = time((now_ms() - 60_000) / 1_000 * 1_000).replace(".000Z", "+00:00");
    let port = city.http.port().to_string();
    let mut command = Command::new(python);
    command.arg(&script).args([&port, &city.admin, &now, &hook.url()]);
    let output = command.env("NO_PROXY", "*").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let said: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for (what, expected) in [
        ("made", json!(true)),
        ("value", json!(42.0)),
        ("unit", json!("GQ")),
        ("operator", json!("the harbour")),
        ("height", json!(12.5)),
        ("same place", json!([106.56, 29.55])),
        ("twice", json!("refused")),
        ("exists", json!([true, false])),
        ("new value", json!(77.0)),
        ("queried", json!(["urn:ngsi-ld:AirQualityObserved:air1"])),
        ("not queried", json!([])),
        ("counted", json!(3)),
        (
            "devices",
            json!(["urn:ngsi-ld:Device:m1", "urn:ngsi-ld:Device:m2", "urn:ngsi-ld:Device:m3"]),
        ),
        ("posted query", json!(["urn:ngsi-ld:Device:m1"])),
        ("batch", json!([5, 0])),
        ("batch upserted", json!([1, 0])),
        ("seats", json!([1, 2, 3, 4, 9, 50])),
        ("batch deleted", json!([5, 0])),
        ("rooms left", json!(1)),
        ("past", json!([42.0, 77.0])),
        ("summed", json!([77.0, 59.5])),
        ("retrieved past", json!(5)),
        ("lamps by context", json!(["urn:ngsi-ld:Lamp:l1"])),
        ("lamps without", json!([])),
        ("whole type", json!("https://lamps.example/Lamp")),
        ("elsewhere", json!("refused")),
        ("subscribed", json!([true, 1, "active"])),
        ("after that", json!("not found")),
    ] {
        assert_eq!(said[what], expected, "{what}: {said}");
    }
    assert!(said["areas"].as_u64().unwrap() > 1, "{said}");
    let types = said["types"].as_array().unwrap();
    for kind in ["Device", "AdministrativeArea", "AirQualityObserved", "Room"] {
        assert!(types.contains(&json!(kind)), "{kind}: {types:?}");
    }
    // What it subscribed to comes, from whichever door.
    let line = format!("methane,device=m1 value=66 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    let taken = hook.wait(1);
    let told = taken[0].json();
    assert_eq!(told["data"][0]["methane"]["value"], 66.0, "{told}");
    assert_eq!(told["subscriptionId"], said["subscription"]);
    assert_eq!(taken[0].header("content-type"), "application/ld+json");
    assert!(told["@context"].is_string(), "{told}");
}

#[test]
fn devices_areas_warnings_and_cases_are_entities() {
    let folder = outlined();
    let city = City::start(&folder, &[]);
    devices(&city);
    let m1 = found(&city, "entities/urn:ngsi-ld:Device:m1");
    assert_eq!(
        (&m1["methane"]["value"], &m1["methane"]["type"]),
        (&json!(4.0), &json!("Property"))
    );
    assert!(m1["methane"]["observedAt"].is_string());
    assert_eq!(m1["methane"]["unitText"]["value"], "%LEL", "no code of the units means it");
    assert_eq!(m1["location"]["value"]["coordinates"], json!([106.5, 29.5]));
    assert_eq!(m1["area"]["object"], "urn:ngsi-ld:AdministrativeArea:500103001001001");
    assert_eq!(m1["name"]["value"], "第一");
    let short = found(&city, "entities/urn:ngsi-ld:Device:m1?options=keyValues&attrs=methane,name");
    assert_eq!(
        short,
        json!({"id": "urn:ngsi-ld:Device:m1", "type": "Device", "methane": 4.0, "name": "第一"})
    );
    let area = found(&city, "entities/urn:ngsi-ld:AdministrativeArea:500103");
    assert_eq!(
        (&area["type"], &area["tier"]["value"]),
        (&json!("AdministrativeArea"), &json!("district"))
    );
    assert_eq!(area["location"]["value"]["type"], "MultiPolygon");
    assert_eq!(
        city.write(&city.admin, &format!("manhole_tilt,device=m3 value=24 {}\n", now_ms())).0,
        204
    );
    let warning = until("the cover's warning", || {
        found(&city, "entities?type=Alert&options=keyValues").as_array().unwrap().first().cloned()
    });
    assert_eq!(
        (&warning["subject"], &warning["severity"]),
        (&json!("m3"), &warning["peak_severity"])
    );
    let id = warning["id"].as_str().unwrap();
    assert_eq!(ids(&found(&city, "entities?type=Alert&q=subject==m3;severity%3E=1")), [id]);
    assert_eq!(found(&city, "entities?type=Alert&q=subject==m1"), json!([]));
    let new =
        json!({"type": "dirty_road", "row": 0, "area": "500103001001001", "description": "words"});
    let (_, case) = city.post("/api/v1/cases", &city.admin, &new);
    let case = found(
        &city,
        &format!("entities/urn:ngsi-ld:Case:{}?options=keyValues", case["id"].as_str().unwrap()),
    );
    assert_eq!((&case["type"], &case["caseType"]), (&json!("Case"), &json!("dirty_road")));
    assert!(!case.to_string().contains("words"), "nobody's words are in it: {case}");
}

#[test]
fn pages_follow_each_other_with_links_and_a_count() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let case =
        json!({"type": "dirty_road", "row": 0, "area": "500103001001001", "description": "words"});
    assert_eq!(city.post("/api/v1/cases", &city.admin, &case).0, 200);
    let (status, headers, text) = city.whole(
        "GET",
        &format!("{ROOT}/entities?type=Device,Case&limit=2&offset=1&count=true"),
        &city.admin,
        &[],
        b"",
    );
    assert_eq!((status, headers["ngsild-results-count"].to_str().unwrap()), (200, "4"), "{text}");
    let links: Vec<&str> =
        headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    assert!(links[0].contains(CORE), "{links:?}");
    assert!(links[1].contains("offset=3") && links[1].ends_with("rel=\"next\""), "{links:?}");
    assert!(links[2].contains("offset=0") && links[2].ends_with("rel=\"prev\""), "{links:?}");
    let mut walked: Vec<String> = Vec::new();
    for offset in 0..4 {
        let page = found(&city, &format!("entities?type=Device,Case&limit=1&offset={offset}"));
        walked.extend(ids(&page).iter().map(|id| (*id).to_owned()));
    }
    walked.sort();
    walked.dedup();
    assert_eq!(walked.len(), 4, "pages have no gaps and no doubles");
}

#[test]
fn an_entity_is_made_changed_and_removed_attribute_by_attribute() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let id = "urn:ngsi-ld:Building:hall";
    let (status, headers, text) = city.whole(
        "POST",
        &format!("{ROOT}/entities/"),
        &city.admin,
        &[JSON],
        building("hall").to_string().as_bytes(),
    );
    assert_eq!(status, 201, "{text}");
    assert_eq!(headers["location"].to_str().unwrap(), format!("{ROOT}/entities/{id}"));
    assert_eq!(
        found(&city, &format!("entities/{id}")),
        building("hall"),
        "it comes back as it was sent"
    );
    refused(&check(&city, "POST", "entities", &building("hall"), 409), "AlreadyExists", "E-523");
    let attrs = format!("entities/{id}/attrs");
    check(&city, "POST", &attrs, &json!({"colour": "red", "floors": {"value": 4}}), 204);
    let left = check(
        &city,
        "POST",
        &format!("{attrs}?options=noOverwrite"),
        &json!({"floors": 9, "doors": 2}),
        207,
    );
    assert_eq!(
        (&left["updated"], &left["notUpdated"][0]["attributeName"]),
        (&json!(["doors"]), &json!("floors"))
    );
    check(&city, "PATCH", &attrs, &json!({"floors": {"type": "Property", "value": 5}}), 204);
    let left = check(&city, "PATCH", &attrs, &json!({"floors": 6, "roof": 1}), 207);
    assert_eq!(left["notUpdated"][0]["attributeName"], "roof");
    check(&city, "PATCH", &format!("{attrs}/floors"), &json!({"unitCode": "C62"}), 204);
    check(
        &city,
        "PATCH",
        &format!("entities/{id}"),
        &json!({"colour": "urn:ngsi-ld:null", "owner": {"object": "urn:ngsi-ld:Person:p2"}}),
        204,
    );
    check(&city, "PUT", &format!("{attrs}/doors"), &json!({"type": "Property", "value": 7}), 204);
    let whole = found(&city, &format!("entities/{id}"));
    assert_eq!(whole["floors"], json!({"type": "Property", "value": 6, "unitCode": "C62"}));
    assert_eq!(
        (&whole["doors"]["value"], &whole["owner"]["object"]),
        (&json!(7), &json!("urn:ngsi-ld:Person:p2"))
    );
    assert!(whole.get("colour").is_none());
}

#[test]
fn what_was_made_is_replaced_kept_over_a_restart_and_removed() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let id = "urn:ngsi-ld:Building:hall";
    let attrs = format!("entities/{id}/attrs");
    check(&city, "POST", "entities", &building("hall"), 201);
    check(&city, "POST", &attrs, &json!({"doors": 2}), 204);
    check(&city, "DELETE", &format!("{attrs}/doors"), &Value::Null, 204);
    refused(
        &check(&city, "DELETE", &format!("{attrs}/doors"), &Value::Null, 404),
        "ResourceNotFound",
        "E-204",
    );
    refused(
        &check(&city, "PATCH", &format!("{attrs}/roof"), &json!({"value": 1}), 404),
        "ResourceNotFound",
        "E-204",
    );
    check(
        &city,
        "PUT",
        &format!("entities/{id}"),
        &json!({"type": "Building", "floors": {"type": "Property", "value": 1}}),
        204,
    );
    let whole = found(&city, &format!("entities/{id}?options=sysAttrs"));
    assert!(
        whole.get("owner").is_none()
            && whole["createdAt"].is_string()
            && whole["modifiedAt"].is_string()
    );
    let token = city.admin.clone();
    city.stop();
    drop(city);
    let city = again(&folder, &[], token);
    assert_eq!(
        found(&city, &format!("entities/{id}"))["floors"]["value"],
        1,
        "the same after a restart"
    );
    check(&city, "DELETE", &format!("entities/{id}"), &Value::Null, 204);
    for (method, body) in
        [("GET", Value::Null), ("DELETE", Value::Null), ("PATCH", json!({"a": 1}))]
    {
        refused(
            &check(&city, method, &format!("entities/{id}"), &body, 404),
            "ResourceNotFound",
            "E-204",
        );
    }
}

#[test]
fn numbers_of_a_kind_are_readings_and_survive_a_kill() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let now = now_ms();
    let station = "urn:ngsi-ld:AirQualityObserved:s1";
    let body = json!({"id": station, "type": "AirQualityObserved",
        "pm25": {"type": "Property", "value": 30, "unitCode": "GQ", "observedAt": time(now - 2_000),
            "reliability": {"type": "Property", "value": 0.9}},
        "pm10": 50, "crew": 4, "area": {"type": "Relationship", "object": "urn:ngsi-ld:AdministrativeArea:500103001001001"},
        "address": {"type": "Property", "value": {"street": "one"}}});
    check(&city, "POST", "entities", &body, 201);
    check(
        &city,
        "PATCH",
        &format!("entities/{station}"),
        &json!({"pm25": {"value": 31, "observedAt": time(now - 1_000)}}),
        204,
    );
    check(
        &city,
        "PATCH",
        "entities/urn:ngsi-ld:Device:m1",
        &json!({"methane": {"value": 9, "observedAt": time(now)}}),
        204,
    );
    let token = city.admin.clone();
    city.kill();
    drop(city);
    let city = again(&folder, &[], token);
    assert_eq!(city.values(station, 3).len(), 3, "acknowledged is on disk");
    let shown = found(&city, &format!("entities/{station}"));
    assert_eq!(
        (&shown["pm25"]["value"], &shown["pm25"]["observedAt"]),
        (&json!(31.0), &json!(time(now - 1_000)))
    );
    assert_eq!((&shown["pm10"]["value"], &shown["crew"]["value"]), (&json!(50.0), &json!(4)));
    assert_eq!(shown["pm25"]["reliability"]["value"], 0.9);
    assert_eq!(found(&city, "entities/urn:ngsi-ld:Device:m1")["methane"]["value"], 9.0);
    let (_, device) = city.get(&format!("/api/v1/devices/{station}"), &city.admin);
    assert_eq!(device["area"], "500103001001001", "it is a device like any other: {device}");
}

#[test]
fn what_is_refused_changes_nothing_and_what_is_removed_leaves_its_readings() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let station = "urn:ngsi-ld:AirQualityObserved:s1";
    let body = json!({"id": station, "type": "AirQualityObserved", "pm25": 31, "pm10": 50});
    check(&city, "POST", "entities", &body, 201);
    for (change, name, code) in [
        (json!({"pm25": {"value": 31, "unitCode": "CEL"}}), "BadRequestData", "E-104"),
        (json!({"pm25": -5}), "BadRequestData", "E-103"),
        (
            json!({"pm25": {"value": 31, "observedAt": "2999-01-01T00:00:00Z"}}),
            "BadRequestData",
            "E-105",
        ),
    ] {
        let (status, answer) = send(&city, "PATCH", &format!("entities/{station}"), &change);
        assert_eq!(
            (status, refusal(&answer)),
            (400, (name.to_owned(), code.to_owned())),
            "{change}: {answer}"
        );
    }
    assert_eq!(
        found(&city, &format!("entities/{station}"))["pm25"]["value"],
        31.0,
        "what is refused changes nothing"
    );
    check(&city, "DELETE", &format!("entities/{station}"), &Value::Null, 204);
    assert_eq!(get(&city, &city.admin, &format!("entities/{station}")).0, 404);
    assert_eq!(city.values(station, 2).len(), 2, "its readings stay");
    check(
        &city,
        "POST",
        "entities",
        &json!({"id": station, "type": "AirQualityObserved", "pm10": 51}),
        201,
    );
    let again = found(&city, &format!("entities/{station}"));
    assert_eq!(
        (&again["pm10"]["value"], again.get("pm25")),
        (&json!(51.0), None),
        "made anew, as it is"
    );
}

#[test]
fn what_is_said_of_a_registered_device_stands_beside_what_the_registry_says() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let m1 = "entities/urn:ngsi-ld:Device:m1";
    check(
        &city,
        "POST",
        &format!("{m1}/attrs"),
        &json!({"maker": "acme", "name": {"value": "Lid"},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [106.51, 29.51]}}}),
        204,
    );
    let shown = found(&city, m1);
    assert_eq!(
        (&shown["maker"]["value"], &shown["name"]["value"]),
        (&json!("acme"), &json!("Lid"))
    );
    let (_, device) = city.get("/api/v1/devices/m1", &city.admin);
    assert_eq!((&device["name"], &device["position"]), (&json!("Lid"), &json!([106.51, 29.51])));
    assert_eq!(device["area"], "500103001001001", "no area is known there, so it stays in its own");
    for (method, path) in [
        ("DELETE", m1),
        ("DELETE", "entities/urn:ngsi-ld:Device:m1/attrs/methane"),
        ("DELETE", "entities/urn:ngsi-ld:AdministrativeArea:500103"),
    ] {
        refused(&check(&city, method, path, &Value::Null, 422), "OperationNotSupported", "E-524");
    }
    refused(
        &check(&city, "PATCH", m1, &json!({"deviceState": "online"}), 422),
        "OperationNotSupported",
        "E-524",
    );
}

#[test]
fn a_batch_does_what_is_right_and_names_what_is_not() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let operation = |name: &str, body: Value, status: u16| {
        check(&city, "POST", &format!("entityOperations/{name}"), &body, status)
    };
    let wrong = json!({"id": "urn:ngsi-ld:Building:wrong", "type": "Building", "a": null});
    let mixed = operation("create", json!([building("a"), wrong, building("b")]), 207);
    assert_eq!(mixed["success"], json!(["urn:ngsi-ld:Building:a", "urn:ngsi-ld:Building:b"]));
    assert_eq!(mixed["errors"][0]["entityId"], "urn:ngsi-ld:Building:wrong");
    refused(&mixed["errors"][0]["error"], "BadRequestData", "E-521");
    assert_eq!(operation("create", json!([building("c")]), 201), json!(["urn:ngsi-ld:Building:c"]));
    let now = now_ms();
    let readings: Vec<Value> = ["m1", "m2"]
        .iter()
        .map(|name| {
            json!({"id": format!("urn:ngsi-ld:Device:{name}"),
        "type": "Device", "methane": {"type": "Property", "value": 12, "observedAt": time(now)}})
        })
        .collect();
    operation("upsert?options=update", json!(readings), 204);
    operation(
        "update",
        json!([{"id": "urn:ngsi-ld:Building:a", "type": "Building", "floors": 7}]),
        204,
    );
    operation(
        "merge",
        json!([{"id": "urn:ngsi-ld:Building:a", "floors": "urn:ngsi-ld:null"}]),
        204,
    );
    assert!(found(&city, "entities/urn:ngsi-ld:Building:a").get("floors").is_none());
    let high = found(&city, "entities?type=Device&q=methane==12&options=keyValues");
    assert_eq!(ids(&high), ["urn:ngsi-ld:Device:m1", "urn:ngsi-ld:Device:m2"]);
    let left = operation(
        "delete",
        json!(["urn:ngsi-ld:Building:a", "urn:ngsi-ld:Building:none", "urn:ngsi-ld:Device:m1"]),
        207,
    );
    assert_eq!(left["success"], json!(["urn:ngsi-ld:Building:a"]));
    refused(&left["errors"][0]["error"], "ResourceNotFound", "E-204");
    refused(&left["errors"][1]["error"], "OperationNotSupported", "E-524");
    operation("delete", json!(["urn:ngsi-ld:Building:b"]), 204);
    refused(&operation("create", json!({}), 400), "BadRequestData", "E-521");
    refused(&operation("explode", json!([]), 422), "OperationNotSupported", "E-524");
}

#[test]
fn places_queries_and_types_select() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    check(&city, "POST", "entities", &building("hall"), 201);
    for (query, expected) in [
        (
            "type=Device&georel=near;maxDistance==2000&geometry=Point&coordinates=[106.51,29.5]",
            vec!["urn:ngsi-ld:Device:m1"],
        ),
        (
            "type=Device&georel=near;maxDistance==100&geometry=Point&coordinates=[106.51,29.5]",
            vec![],
        ),
        (
            "georel=within&geometry=Polygon&coordinates=[[[9,19],[11,19],[11,21],[9,21],[9,19]]]",
            vec!["urn:ngsi-ld:Building:hall"],
        ),
        ("q=floors==2..4", vec!["urn:ngsi-ld:Building:hall"]),
        ("q=name~=hall$|methane>=4", vec!["urn:ngsi-ld:Building:hall", "urn:ngsi-ld:Device:m1"]),
        (
            "type=Building,Device&q=!methane;!manhole_tilt",
            vec!["urn:ngsi-ld:Building:hall", "urn:ngsi-ld:Device:m3"],
        ),
        ("attrs=floors", vec!["urn:ngsi-ld:Building:hall"]),
        ("idPattern=Device:m[12]$", vec!["urn:ngsi-ld:Device:m1", "urn:ngsi-ld:Device:m2"]),
        ("id=urn:ngsi-ld:Device:m3,urn:ngsi-ld:Device:none", vec!["urn:ngsi-ld:Device:m3"]),
        ("type=None", vec![]),
    ] {
        let query = query
            .replace('[', "%5B")
            .replace(']', "%5D")
            .replace('|', "%7C")
            .replace('>', "%3E")
            .replace(' ', "%20");
        assert_eq!(ids(&found(&city, &format!("entities?{query}"))), expected, "{query}");
    }
    let features = ask(
        &city,
        "GET",
        "entities?type=Building",
        &city.admin,
        &[("accept", "application/geo+json")],
        &Value::Null,
    )
    .1;
    assert_eq!(
        (&features["type"], &features["features"][0]["geometry"]["coordinates"]),
        (&json!("FeatureCollection"), &json!([10.0, 20.0]))
    );
}

#[test]
fn what_is_asked_wrongly_is_refused_by_name() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    for (path, status, name, code) in [
        ("entities", 400, "BadRequestData", "E-522"),
        ("entities?type=Device&colour=red", 400, "InvalidRequest", "E-520"),
        ("entities?type=Device&q=methane%3E", 400, "BadRequestData", "E-522"),
        ("entities?type=Device&limit=0", 400, "BadRequestData", "E-522"),
        ("entities?type=Device&q=name~=(", 400, "BadRequestData", "E-522"),
        ("csourceRegistrations", 422, "OperationNotSupported", "E-524"),
        ("types/Nothing", 404, "ResourceNotFound", "E-204"),
        ("nowhere", 404, "ResourceNotFound", "E-204"),
    ] {
        let (found, answer) = get(&city, &city.admin, path);
        assert_eq!(found, status, "{path}: {answer}");
        refused(&answer, name, code);
    }
}

#[test]
fn types_and_attributes_are_those_that_there_are() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    check(&city, "POST", "entities", &building("hall"), 201);
    let kind = found(&city, "types/Building");
    assert_eq!((&kind["entityCount"], &kind["typeName"]), (&json!(1), &json!("Building")));
    let names: Vec<&str> = kind["attributeDetails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["attributeName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["floors", "name", "owner", "location"]);
    assert!(
        found(&city, "attributes")["attributeList"].as_array().unwrap().contains(&json!("methane"))
    );
    assert_eq!(found(&city, "attributes/floors")["attributeCount"], 1);
    assert_eq!(
        found(&city, "types?details=true").as_array().unwrap().len(),
        found(&city, "types")["typeList"].as_array().unwrap().len()
    );
}

#[test]
fn media_types_contexts_and_tenants_are_kept_to() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let admin = &city.admin;
    let path = "entities/urn:ngsi-ld:Device:m1";
    let (_, headers, text) = city.whole("GET", &format!("{ROOT}/{path}"), admin, &[], b"");
    assert_eq!(
        (headers["content-type"].to_str().unwrap(), headers["link"].to_str().unwrap()),
        ("application/json", format!("<{CORE}>; {LINK}").as_str())
    );
    assert!(!text.contains("@context"));
    let (_, ld) =
        ask(&city, "GET", path, admin, &[("accept", "application/ld+json")], &Value::Null);
    assert_eq!(ld["@context"], CORE);
    let (status, answer) =
        ask(&city, "GET", path, admin, &[("accept", "text/turtle")], &Value::Null);
    assert_eq!(status, 406);
    refused(&answer, "InvalidRequest", "E-529");
    let with = |context: Value| {
        let mut body = building("x");
        body["@context"] = context;
        body
    };
    let core_link = format!("<{CORE}>; {LINK}");
    for (headers, body, status, code) in [
        (&[("content-type", "text/plain")][..], building("x"), 415, "E-528"),
        (&[][..], building("x"), 415, "E-528"),
        (&[JSON][..], with(json!(CORE)), 400, "E-521"),
        (&[LD][..], building("x"), 400, "E-521"),
        (&[LD, ("link", core_link.as_str())][..], with(json!(CORE)), 400, "E-521"),
        (&[JSON, ("ngsild-tenant", "other")][..], building("x"), 404, "E-526"),
        (&[JSON][..], json!("text"), 400, "E-521"),
    ] {
        let (found, answer) = ask(&city, "POST", "entities", admin, headers, &body);
        assert_eq!(
            (found, answer["code"].as_str().unwrap()),
            (status, code),
            "{headers:?}: {answer}"
        );
    }
    let (status, answer) = city.send(
        "POST",
        &format!("{ROOT}/entities"),
        admin,
        Some("application/json"),
        b"{\"id\": ",
    );
    assert_eq!(status, 400);
    refused(&answer, "InvalidRequest", "E-520");
}

#[test]
fn a_context_is_known_once_somebody_gave_its_text() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let admin = &city.admin;
    let url = "https://models.example/context.jsonld";
    let link = format!("<{url}>; {LINK}");
    let linked = [JSON, ("link", link.as_str())];
    let (status, answer) = ask(&city, "POST", "entities", admin, &linked, &building("x"));
    assert_eq!(status, 503);
    refused(&answer, "LdContextNotAvailable", "E-525");
    let text = json!({"@context": [{"Building": "https://models.example/Building", "floors": "https://models.example/floors"}, CORE]});
    let adding = format!("jsonldContexts?url={url}");
    assert_eq!(ask(&city, "POST", &adding, admin, &[LD], &text).0, 201);
    let (status, answer) = ask(&city, "POST", &adding, admin, &[LD], &text);
    assert_eq!(status, 409, "{answer}");
    assert_eq!(ask(&city, "POST", "entities", admin, &linked, &building("x")).0, 201);
    let (_, headers, text) = city.whole(
        "GET",
        &format!("{ROOT}/entities?type=Building"),
        admin,
        &[("link", link.as_str())],
        b"",
    );
    assert_eq!(headers["link"].to_str().unwrap(), link);
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown[0]["floors"]["value"], 3);
    let plain = found(&city, "entities/urn:ngsi-ld:Building:x");
    assert_eq!(
        (&plain["type"], &plain["https://models.example/floors"]["value"]),
        (&json!("https://models.example/Building"), &json!(3))
    );
    assert_eq!(found(&city, "jsonldContexts"), json!([url]));
    let details = found(&city, "jsonldContexts?details=true");
    let id = details[0]["localId"].as_str().unwrap();
    assert_eq!(
        (
            &details[0]["kind"],
            found(&city, &format!("jsonldContexts/{id}"))["@context"][1].as_str()
        ),
        (&json!("Hosted"), Some(CORE))
    );
    check(&city, "DELETE", &format!("jsonldContexts/{id}"), &Value::Null, 204);
    assert_eq!(found(&city, "jsonldContexts"), json!([]));
}

#[test]
fn a_context_of_a_request_is_never_fetched() {
    let folder = Folder::new();
    // Messages may go there; contexts may not come from there.
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1"]);
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let here = format!("http://{}/context.jsonld", trap.local_addr().unwrap());
    let before = metric(&city, "chengmai_refused_total{reason=\"ngsi_context\",code=\"E-525\"}");
    let inner = json!([{"a": "urn:a:a"}, [here, {"b": "urn:b:b"}]]);
    for url in [
        here.as_str(),
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://uri.etsi.org.evil.example/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld",
    ] {
        let mut body = building("x");
        body["@context"] = json!([url, CORE]);
        let (status, answer) = ask(&city, "POST", "entities", &city.admin, &[LD], &body);
        assert_eq!(status, 503, "{url}: {answer}");
        refused(&answer, "LdContextNotAvailable", "E-525");
        assert!(
            answer["hint"]["en"].as_str().unwrap().contains("jsonldContexts"),
            "it says how to add it: {answer}"
        );
        let link = format!("<{url}>; {LINK}");
        let (status, _) = ask(
            &city,
            "GET",
            "entities?type=Building",
            &city.admin,
            &[("link", link.as_str())],
            &Value::Null,
        );
        assert_eq!(status, 503, "{url}");
        let mut batch = building("y");
        batch["@context"] = json!(url);
        let (status, answer) =
            ask(&city, "POST", "entityOperations/create", &city.admin, &[LD], &json!([batch]));
        assert_eq!(status, 207, "{answer}");
        refused(&answer["errors"][0]["error"], "LdContextNotAvailable", "E-525");
    }
    let mut body = building("x");
    body["@context"] = inner;
    assert_eq!(ask(&city, "POST", "entities", &city.admin, &[LD], &body).0, 503);
    let subscription = json!({"type": "Subscription", "entities": [{"type": "Device"}], "@context": here,
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/hook"}}});
    assert_eq!(ask(&city, "POST", "subscriptions", &city.admin, &[LD], &subscription).0, 503);
    // Terms that lead to it are names and nothing else.
    let text = json!({"@context": {"x": here.as_str(), "y": {"@id": here.as_str(), "@context": here.as_str()}}});
    assert_eq!(ask(&city, "POST", "jsonldContexts", &city.admin, &[LD], &text).0, 201);
    let text = json!({"@context": {"@import": here.as_str()}});
    assert_eq!(ask(&city, "POST", "jsonldContexts", &city.admin, &[LD], &text).0, 400);
    assert!(
        metric(&city, "chengmai_refused_total{reason=\"ngsi_context\",code=\"E-525\"}")
            > before + 10,
        "each is counted"
    );
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody knocked");
}

#[test]
fn nothing_outside_the_own_area_is_seen_counted_told_or_changed() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1"]);
    city.register(&format!(
        "id,kinds,area\nown,manhole_tilt,{OWN}001001\nforeign,manhole_tilt,{FOREIGN}001001\n"
    ));
    let token = city.account("mighty", &["admin", "duty_officer", "engineer", "ingest"], OWN, None);
    for name in ["own", "foreign"] {
        let line = format!("manhole_tilt,device={name} value=24 {}\n", now_ms());
        assert_eq!(city.write(&city.admin, &line).0, 204);
    }
    until("both warnings", || {
        Some(()).filter(|()| found(&city, "entities?type=Alert").as_array().unwrap().len() == 2)
    });
    let secret = foreign_building("secret");
    check(&city, "POST", "entities", &secret, 201);
    let foreign_warning = found(&city, "entities?type=Alert&q=subject==foreign")[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for id in [
        "urn:ngsi-ld:Device:foreign",
        "urn:ngsi-ld:Building:secret",
        &foreign_warning,
        &format!("urn:ngsi-ld:AdministrativeArea:{FOREIGN}"),
    ] {
        for path in [format!("entities/{id}"), format!("temporal/entities/{id}")] {
            assert_eq!(get(&city, &token, &path).0, 404, "{path}");
        }
        let change = json!({"manhole_tilt": 1, "a": 2});
        for (method, path) in [
            ("PATCH", format!("entities/{id}")),
            ("POST", format!("entities/{id}/attrs")),
            ("DELETE", format!("entities/{id}")),
        ] {
            let body = if method == "DELETE" { &Value::Null } else { &change };
            assert_eq!(ask(&city, method, &path, &token, &[JSON], body).0, 404, "{method} {path}");
        }
        let (status, page) = get(&city, &token, &format!("entities?id={id}"));
        assert_eq!((status, &page), (200, &json!([])), "{id}");
    }
    for query in [
        "type=Device",
        "type=Alert",
        "type=Building",
        "type=Case",
        "q=manhole_tilt",
        "idPattern=.",
        "attrs=location",
    ] {
        let (status, headers, text) = city.whole(
            "GET",
            &format!("{ROOT}/entities?{query}&count=true&limit=1000"),
            &token,
            &[],
            b"",
        );
        assert_eq!(status, 200, "{query}: {text}");
        assert!(
            !text.contains("foreign") && !text.contains("secret") && !text.contains(FOREIGN),
            "{query}: {text}"
        );
        let page: Value = serde_json::from_str(&text).unwrap();
        let count = headers["ngsild-results-count"].to_str().unwrap();
        assert_eq!(count, page.as_array().unwrap().len().to_string(), "{query}");
    }
    let (_, types) = get(&city, &token, "types");
    assert!(!types["typeList"].as_array().unwrap().contains(&json!("Building")), "{types}");
    let theirs = foreign_building("theirs");
    let (status, answer) = ask(&city, "POST", "entities", &token, &[JSON], &theirs);
    assert_eq!((status, answer["code"].as_str().unwrap()), (403, "E-503"), "{answer}");
}

#[test]
fn a_subscriber_hears_of_the_own_area_only_and_nobody_else_knows_of_it() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1"]);
    city.register(&format!(
        "id,kinds,area\nown,manhole_tilt,{OWN}001001\nforeign,manhole_tilt,{FOREIGN}001001\n"
    ));
    let token = city.account("mighty", &["admin", "duty_officer", "engineer", "ingest"], OWN, None);
    let hook = Receiver::start(&[]);
    let subscription = json!({"id": "urn:ngsi-ld:Subscription:s1", "type": "Subscription", "entities": [{"type": "Device"}],
        "notification": {"endpoint": {"uri": hook.url(), "accept": "application/json"}, "format": "keyValues"}});
    assert_eq!(ask(&city, "POST", "subscriptions", &token, &[JSON], &subscription).0, 201);
    assert_eq!(get(&city, &city.admin, "subscriptions/urn:ngsi-ld:Subscription:s1").0, 404);
    assert_eq!(found(&city, "subscriptions"), json!([]));
    for (name, value) in [("foreign", 25), ("own", 26)] {
        let line = format!("manhole_tilt,device={name} value={value} {}\n", now_ms());
        assert_eq!(city.write(&city.admin, &line).0, 204);
    }
    let told = hook.wait(1);
    let all: Vec<Value> = told.iter().map(super::notify::Taken::json).collect();
    assert!(all.iter().all(|one| !one.to_string().contains("foreign")), "{all:?}");
    assert_eq!(all[0]["data"][0]["manhole_tilt"], 26.0, "{all:?}");
    assert!(told[0].header("link").contains(CORE));
}

#[test]
fn a_subscription_tells_what_it_asks_for_and_says_what_became_of_it() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1", "--notify-retry", "1ms"]);
    devices(&city);
    let hook = Receiver::start(&["500 Oh\r\ncontent-length: 0"]);
    let subscription = json!({"type": "Subscription", "name": "gas", "entities": [{"idPattern": "Device:m"}],
        "watchedAttributes": ["methane"], "q": "methane>50",
        "geoQ": {"georel": "near;maxDistance==5000", "geometry": "Point", "coordinates": [106.5, 29.5]},
        "notification": {"attributes": ["methane"], "format": "keyValues", "endpoint": {"uri": hook.url(),
            "receiverInfo": [{"key": "X-Key", "value": "theirs"}]}}});
    let (status, headers, text) = city.whole(
        "POST",
        &format!("{ROOT}/subscriptions/"),
        &city.admin,
        &[JSON],
        subscription.to_string().as_bytes(),
    );
    assert_eq!(status, 201, "{text}");
    let place = headers["location"]
        .to_str()
        .unwrap()
        .trim_start_matches(ROOT)
        .trim_start_matches('/')
        .to_owned();
    assert_eq!(found(&city, &place)["status"], "active");
    let write = |value: i64| {
        let line = format!("methane,device=m1 value={value} {}\n", now_ms());
        assert_eq!(city.write(&city.admin, &line).0, 204);
    };
    write(20);
    write(60);
    let taken = hook.wait(2);
    assert_eq!(taken[0].body, taken[1].body, "sent again, the same");
    let told = taken[1].json();
    assert_eq!(
        told["data"],
        json!([{"id": "urn:ngsi-ld:Device:m1", "type": "Device", "methane": 60.0}])
    );
    assert_eq!((told["type"].as_str(), taken[1].header("x-key")), (Some("Notification"), "theirs"));
    let shown = until("it was taken", || {
        let shown = found(&city, &place);
        shown["notification"]["lastSuccess"].is_string().then_some(shown)
    });
    assert_eq!(
        (&shown["notification"]["timesSent"], &shown["notification"]["timesFailed"]),
        (&json!(1), &json!(1))
    );
    assert!(shown["notification"]["lastFailure"].is_string());
    check(&city, "PATCH", &place, &json!({"isActive": false}), 204);
    assert_eq!(found(&city, &place)["status"], "paused");
    write(70);
    check(&city, "PATCH", &place, &json!({"isActive": true, "q": "methane>80"}), 204);
    let token = city.admin.clone();
    city.stop();
    drop(city);
    let city = again(&folder, &["--allow-webhook-to", "127.0.0.1"], token);
    assert_eq!(found(&city, &place)["q"], "methane>80", "kept over a restart");
    check(&city, "PATCH", "entities/urn:ngsi-ld:Device:m1", &json!({"methane": 90}), 204);
    let told = hook.wait(3)[2].json();
    assert_eq!(told["data"][0]["methane"], 90.0, "{told}");
    check(&city, "DELETE", &place, &Value::Null, 204);
    assert_eq!(get(&city, &city.admin, &place).0, 404);
}

#[test]
fn what_is_not_done_for_subscribers_is_refused_at_once() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let subscription = json!({"type": "Subscription", "entities": [{"type": "Device"}],
        "notification": {"endpoint": {"uri": "https://1.1.1.1/hook"}}});
    for (change, status, code) in [
        (
            json!({"notification": {"endpoint": {"uri": "http://169.254.169.254/latest"}}}),
            422,
            "E-426",
        ),
        (json!({"notification": {"endpoint": {"uri": "https://10.0.0.1/hook"}}}), 422, "E-426"),
        (json!({"timeInterval": 5}), 422, "E-524"),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), 400, "E-521"),
    ] {
        let mut body = subscription.clone();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (found, answer) = send(&city, "POST", "subscriptions", &body);
        assert_eq!((found, answer["code"].as_str().unwrap()), (status, code), "{change}: {answer}");
    }
}

#[test]
fn warnings_and_made_entities_are_told_as_they_change() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1"]);
    devices(&city);
    let hook = Receiver::start(&[]);
    let subscription = json!({"type": "Subscription", "entities": [{"type": "Alert"}, {"type": "Building"}],
        "notification": {"endpoint": {"uri": hook.url(), "accept": "application/ld+json"}, "format": "concise"}});
    assert_eq!(send(&city, "POST", "subscriptions", &subscription).0, 201);
    check(&city, "POST", "entities", &building("hall"), 201);
    let told = hook.wait(1)[0].json();
    assert_eq!(
        (&told["data"][0]["floors"], &told["@context"]),
        (&json!(3), &json!(CORE)),
        "{told}"
    );
    assert_eq!(
        city.write(&city.admin, &format!("manhole_tilt,device=m3 value=24 {}\n", now_ms())).0,
        204
    );
    let told = hook.wait(2)[1].json();
    assert_eq!(
        (&told["data"][0]["type"], &told["data"][0]["subject"]),
        (&json!("Alert"), &json!("m3")),
        "{told}"
    );
}

#[test]
fn the_past_of_a_device_is_listed_and_summed_up() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let path = "temporal/entities/urn:ngsi-ld:Device:m1";
    let past = found(&city, path);
    let values: Vec<f64> = past["methane"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["value"].as_f64().unwrap())
        .collect();
    assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0]);
    let bare = found(
        &city,
        &format!("{path}?options=temporalValues&lastN=2&timerel=after&timeAt=2020-01-01T00:00:00Z"),
    );
    assert_eq!(bare["methane"]["values"][1][0], 4.0);
    assert_eq!(bare["methane"]["values"].as_array().unwrap().len(), 2);
    let third = past["methane"][2]["observedAt"].as_str().unwrap();
    let before =
        found(&city, &format!("{path}?timerel=before&timeAt={third}&options=temporalValues"));
    assert_eq!(before["methane"]["values"].as_array().unwrap().len(), 2);
    let summed = found(
        &city,
        "temporal/entities?type=Device&attrs=methane&timerel=after&timeAt=2020-01-01T00:00:00Z&options=aggregatedValues&aggrMethods=avg,max,totalCount",
    );
    assert_eq!(summed.as_array().unwrap().len(), 1, "only what measured it: {summed}");
    assert_eq!(
        (&summed[0]["methane"]["avg"][0][0], &summed[0]["methane"]["totalCount"][0][0]),
        (&json!(2.0), &json!(5))
    );
    let query = json!({"type": "Query", "entities": [{"id": "urn:ngsi-ld:Device:m1", "type": "Device"}],
        "temporalQ": {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z", "lastN": 1}});
    let posted = check(&city, "POST", "temporal/entityOperations/query", &query, 200);
    assert_eq!(posted[0]["methane"].as_array().map(Vec::len), Some(1), "{posted}");
    assert_eq!(posted[0]["methane"][0]["value"], 4.0, "{posted}");
    for query in [
        "type=Device",
        "type=Device&timerel=since&timeAt=2020-01-01T00:00:00Z",
        "timerel=after&timeAt=2020-01-01T00:00:00Z",
    ] {
        let (status, answer) = get(&city, &city.admin, &format!("temporal/entities?{query}"));
        assert_eq!(status, 400, "{query}: {answer}");
    }
    refused(
        &check(&city, "POST", "temporal/entities", &json!({}), 422),
        "OperationNotSupported",
        "E-524",
    );
}
