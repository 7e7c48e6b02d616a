//! OGC API Features as a client meets it: documents, pages that follow each other, filters, reference
//! systems, and who sees what. Clients of others are in `web/e2e/maps.test.mjs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};

/// A city of two districts side by side, two towns each; towns have centres and no outlines.
const AREAS: &str = "\
code,parent,name,tier,lon,lat
50,,测试市,city,107.0,29.5
500103,50,甲区,district,106.5,29.5
500105,50,乙区,district,107.5,29.5
500103001,500103,甲一街道,town,106.25,29.5
500103002,500103,甲二街道,town,106.75,29.5
500105001,500105,乙一街道,town,107.25,29.5
500105002,500105,乙二街道,town,107.75,29.5
";

fn square(code: &str, west: f64, east: f64) -> Value {
    let ring = [[west, 29.0], [east, 29.0], [east, 30.0], [west, 30.0], [west, 29.0]];
    json!({"type": "Feature", "properties": {"adcode": code},
        "geometry": {"type": "Polygon", "coordinates": [ring]}})
}

fn folder() -> Folder {
    let folder = Folder::empty();
    let (areas, shapes) = (folder.path().join("areas.csv"), folder.path().join("shapes.json"));
    std::fs::write(&areas, AREAS).unwrap();
    let squares = json!({"type": "FeatureCollection", "features": [
        square("50", 106.0, 108.0), square("500103", 106.0, 107.0), square("500105", 107.0, 108.0)]});
    std::fs::write(&shapes, squares.to_string()).unwrap();
    let output =
        folder.import_areas(&areas, &["--no-grids", "--boundaries", shapes.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// Twelve devices in the western district, three in the eastern one, one without a position.
fn with_devices(city: &City) {
    let mut csv = String::from("id,kinds,area,lon,lat\n");
    for n in 0..12 {
        let longitude = 106.05 + 0.07 * f64::from(n);
        writeln!(csv, "west-{n},methane,500103001,{longitude:.2},29.5").unwrap();
    }
    for n in 0..3 {
        writeln!(csv, "east-{n},manhole_tilt,500105001,107.{n}5,29.25").unwrap();
    }
    csv.push_str("nowhere,pm25,500105002,,\n");
    city.register(&csv);
}

/// All features, page by page.
fn all(city: &City, path: &str, token: &str) -> Vec<Value> {
    let mut features = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let (status, page) = city.get(&path, token);
        assert_eq!(status, 200, "{path}: {page}");
        let found = page["features"].as_array().unwrap();
        assert_eq!(page["numberReturned"], found.len());
        features.extend(found.iter().cloned());
        next = link(&page, "next").map(|href| href.replace(&city.url(""), ""));
    }
    features
}

fn link(document: &Value, rel: &str) -> Option<String> {
    let links = document["links"].as_array().unwrap();
    let found = links.iter().find(|link| link["rel"] == rel)?;
    Some(found["href"].as_str().unwrap().to_owned())
}

fn ids(features: &[Value]) -> Vec<&str> {
    features.iter().map(|feature| feature["id"].as_str().unwrap()).collect()
}

/// Text as it stands in an address.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut address, byte| {
        write!(address, "%{byte:02X}").unwrap();
        address
    })
}

fn check(city: &City, collection: &str, query: &str, wanted: &[&str]) {
    let path = format!("/ogc/collections/{collection}/items?{query}");
    let found = all(city, &path, &city.admin);
    let found: BTreeSet<&str> = ids(&found).into_iter().collect();
    assert_eq!(found, wanted.iter().copied().collect(), "{path}");
}

fn check_filter(city: &City, collection: &str, filter: &str, wanted: &[&str]) {
    check(city, collection, &format!("filter={}", escaped(filter)), wanted);
}

#[test]
fn every_document_leads_to_the_next_and_exists_as_a_page() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    let mut seen = BTreeSet::new();
    let mut left = vec!["/ogc".to_owned()];
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let headers = [("accept", "application/json")];
        let (status, text) = city.send_with("GET", &path, "", &headers, b"").unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        if path.contains("f=html") {
            assert!(text.starts_with("<!doctype html>") && text.contains("<h1>"), "{path}: {text}");
            continue;
        }
        let document: Value = serde_json::from_str(&text).unwrap();
        let collections = document["collections"].as_array().into_iter().flatten();
        for document in collections.chain([&document]) {
            for link in document["links"].as_array().into_iter().flatten() {
                let href = link["href"].as_str().unwrap();
                let path = href.strip_prefix(&city.url("")).expect(href);
                left.push(path.to_owned());
            }
        }
    }
    for path in ["/ogc/conformance", "/ogc/collections/areas/queryables", "/ogc/api"] {
        assert!(seen.contains(path), "{path} is led to: {seen:?}");
    }
    let browser = [("accept", "text/html,application/xhtml+xml,application/json;q=0.9")];
    let (_, text) = city.send_with("GET", "/ogc?lang=en", "", &browser, b"").unwrap();
    assert!(text.contains("<html lang=\"en\">") && text.contains("collections"), "{text}");
}

#[test]
fn pages_follow_each_other_without_gap_or_double_while_others_are_registered() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_devices(&city);
    let path = "/ogc/collections/devices/items?limit=5";
    let (_, first) = city.get(path, &city.admin);
    assert_eq!(first["features"].as_array().unwrap().len(), 5);
    assert!(first.get("numberMatched").is_none(), "it was not counted");
    city.register("id,kinds,area\nlate,methane,500103001\n");
    let next = link(&first, "next").unwrap().replace(&city.url(""), "");
    let mut found = first["features"].as_array().unwrap().clone();
    found.extend(all(&city, &next, &city.admin));
    let unique: BTreeSet<&str> = ids(&found).into_iter().collect();
    assert_eq!((found.len(), unique.len()), (17, 17), "{unique:?}");
    let (_, whole) = city.get("/ogc/collections/devices/items", &city.admin);
    assert_eq!(whole["numberMatched"], 17);
    assert_eq!(link(&whole, "next"), None);
    let areas = all(&city, "/ogc/collections/areas/items?limit=2", "");
    assert_eq!(
        ids(&areas),
        ["50", "500103", "500103001", "500103002", "500105", "500105001", "500105002"]
    );
}

#[test]
fn boxes_and_geometries_find_areas_by_their_outlines_and_devices_by_their_points() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_devices(&city);
    check(&city, "areas", "bbox=107.6,29.4,107.9,29.6", &["50", "500105", "500105002"]);
    check(&city, "areas", "bbox=107.6,29.4,107.9,29.6&tier=town", &["500105002"]);
    check(&city, "areas", "bbox=1,1,2,2", &[]);
    check(&city, "devices", "bbox=107,29,108,30", &["east-0", "east-1", "east-2"]);
    check(&city, "devices", "bbox=107,29,0,107.1,30,9", &["east-0"]);
    check(&city, "devices", "bbox=107.1,29,-170,30", &["east-1", "east-2"]);
    let china = "bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4490";
    check(&city, "devices", &format!("bbox=29,107,30,107.1&{china}"), &["east-0"]);
    check_filter(
        &city,
        "areas",
        "S_WITHIN(geometry, BBOX(105.9,28.9,107.1,30.1)) AND tier='district'",
        &["500103"],
    );
    check_filter(
        &city,
        "areas",
        "S_CONTAINS(geometry, POINT(106.3 29.5))",
        &["50", "500103", "500103001"],
    );
    check_filter(
        &city,
        "devices",
        "S_INTERSECTS(geometry, POLYGON((107 29,107.2 29,107.2 30,107 30,107 29)))",
        &["east-0", "east-1"],
    );
    check_filter(&city, "devices", "geometry IS NULL", &["nowhere"]);
}

#[test]
fn filters_in_text_and_json_find_what_they_say() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_devices(&city);
    let reading = format!("methane,device=west-1 value=30 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &reading).0, 204);
    until("the reading is shown", || {
        let (_, feature) = city.get("/ogc/collections/devices/items/west-1", &city.admin);
        (feature["properties"]["value"] == 30.0).then_some(())
    });
    check_filter(&city, "devices", "value > 20 AND status = 'online'", &["west-1"]);
    check_filter(
        &city,
        "devices",
        "kind IN ('manhole_tilt','pm25') AND NOT area = '500105002'",
        &["east-0", "east-1", "east-2"],
    );
    check_filter(&city, "areas", "name LIKE '甲%街道'", &["500103001", "500103002"]);
    check_filter(
        &city,
        "areas",
        "tier = 'town' AND parent = '500105' AND generated = TRUE",
        &["500105001", "500105002"],
    );
    check(&city, "devices", "kind=pm25", &["nowhere"]);
    let filter = r#"{"op":"and","args":[{"op":"like","args":[{"property":"name"},"%区"]},{"op":"=","args":[{"property":"tier"},"district"]}]}"#;
    check(
        &city,
        "areas",
        &format!("filter-lang=cql2-json&filter={}", escaped(filter)),
        &["500103", "500105"],
    );
    check_filter(&city, "devices", "T_AFTER(registered_at, DATE('2999-01-01'))", &[]);
    check(&city, "devices", "datetime=2000-01-01T00:00:00Z/2001-01-01T00:00:00Z", &[]);
    check(&city, "devices", "datetime=2999-01-01T00:00:00Z&kind=pm25", &["nowhere"]);
}

#[test]
fn warnings_and_cases_are_found_by_time_state_and_place_and_tell_no_words() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    city.register("id,kinds,area,lon,lat,period\ncover,manhole_tilt,500103001,106.2,29.5,1m\n");
    let line = format!("manhole_tilt,device=cover value=24 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    let warning = until("the cover's warning", || {
        let (_, page) = city.get("/ogc/collections/warnings/items", &city.admin);
        page["features"].as_array().and_then(|all| all.first().cloned())
    });
    let warning_id = warning["id"].as_str().unwrap();
    assert_eq!(warning["geometry"]["coordinates"], json!([106.2, 29.5]));
    let mut numbers = Vec::new();
    for n in 0..7 {
        let area = if n < 4 { "500103001" } else { "500105001" };
        let new = json!({"type": "dirty_road", "row": 0, "area": area,
            "description": "张三 13800000000", "position": [106.1 + 0.2 * f64::from(n), 29.5]});
        let (status, case) = city.post("/api/v1/cases", &city.admin, &new);
        assert_eq!(status, 200, "{case}");
        numbers.push(case["id"].as_str().unwrap().to_owned());
    }
    let cases = all(&city, "/ogc/collections/cases/items?limit=3", &city.admin);
    let newest_first: Vec<&str> = numbers.iter().rev().map(String::as_str).collect();
    assert_eq!(ids(&cases), newest_first);
    let text = json!(cases).to_string();
    assert!(!text.contains("张三") && !text.contains("13800000000"), "{text}");
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    check(&city, "cases", "bbox=106,29,106.6,30&limit=1", &numbers[..3]);
    check_filter(&city, "cases", "area = '500105001' AND closed_at IS NULL", &numbers[4..]);
    check_filter(&city, "cases", "state = 'closed'", &[]);
    check_filter(
        &city,
        "cases",
        "filed_at > TIMESTAMP('2026-01-01T00:00:00Z') AND severity < 5",
        &numbers,
    );
    check(&city, "cases", "datetime=../2020-01-01T00:00:00Z", &[]);
    check(&city, "cases", "datetime=2999-01-01T00:00:00Z/..", &numbers);
    check_filter(
        &city,
        "warnings",
        "severity >= 1 AND cleared_at IS NULL AND state = 'raised'",
        &[warning_id],
    );
    check_filter(&city, "warnings", "raised_at < DATE('2026-01-01')", &[]);
    check_filter(
        &city,
        "warnings",
        "T_INTERSECTS(raised_at, INTERVAL('2026-01-01', '..')) AND S_INTERSECTS(geometry, BBOX(106,29,107,30))",
        &[warning_id],
    );
}

#[test]
fn an_answer_says_in_which_reference_system_it_is() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_devices(&city);
    let at = |crs: &str| {
        let path = format!("/ogc/collections/devices/items/east-0?crs={crs}");
        let (status, headers) = city.head(&path, &city.admin);
        assert_eq!(status, 200, "{path}");
        let (_, feature) = city.get(&path, &city.admin);
        let said = headers["content-crs"].to_str().unwrap().to_owned();
        assert_eq!(headers["content-type"], "application/geo+json");
        (said, feature["geometry"]["coordinates"].clone())
    };
    let china = "http://www.opengis.net/def/crs/EPSG/0/4490";
    assert_eq!(at(china), (format!("<{china}>"), json!([29.25, 107.05])));
    let plain = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";
    assert_eq!(at(plain), (format!("<{plain}>"), json!([107.05, 29.25])));
    let (_, metres) = at("http://www.opengis.net/def/crs/EPSG/0/3857");
    assert!((metres[0].as_f64().unwrap() - 11_916_751.49).abs() < 0.1, "{metres}");
}

#[test]
fn what_is_not_understood_is_refused_by_number() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    for (query, status, code) in [
        ("areas/items?colour=red", 400, "E-470"),
        ("areas/items?limit=0", 400, "E-470"),
        ("areas/items?bbox=1,2", 400, "E-470"),
        ("areas/items?filter=tier+%3D", 400, "E-471"),
        ("areas/items?filter=colour+%3D+1", 400, "E-471"),
        ("areas/items?crs=EPSG:2000", 400, "E-473"),
        ("areas/items?cursor=x", 400, "E-205"),
        ("areas?bbox=1,2,3,4", 400, "E-470"),
        ("areas/items/999999", 404, "E-204"),
        ("rivers", 404, "E-204"),
        ("rivers/items", 404, "E-204"),
    ] {
        let (found, body) = city.get(&format!("/ogc/collections/{query}"), &city.admin);
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{query}: {body}");
    }
    let deep = format!("{}tier='x'{}", "(".repeat(40), ")".repeat(40));
    let path = format!("/ogc/collections/areas/items?filter={}", escaped(&deep));
    let (status, body) = city.get(&path, "");
    assert_eq!((status, &body["code"]), (400, &json!("E-472")), "{body}");
    let (_, metrics) = city.send_with("GET", "/metrics", "", &[], b"").unwrap();
    assert!(
        metrics.lines().any(|line| line.contains("filter_too_large") && line.ends_with(" 1")),
        "it is counted"
    );
}

#[test]
fn each_sees_the_features_of_their_own_area_and_strangers_only_areas() {
    let folder = folder();
    let city = City::start(&folder, &[]);
    with_devices(&city);
    for area in ["500103001", "500105001"] {
        let new = json!({"type": "dirty_road", "row": 0, "area": area, "description": "x"});
        assert_eq!(city.post("/api/v1/cases", &city.admin, &new).0, 200);
    }
    let east = city.account("east", &["viewer"], "500105", None);
    let gateway = city.account("gateway", &["ingest"], "50", None);
    let names = |token: &str| {
        let (_, document) = city.get("/ogc/collections", token);
        let all = document["collections"].as_array().unwrap();
        all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["areas"]);
    assert_eq!(names(&east), ["areas", "devices", "warnings", "cases"]);
    let devices = all(&city, "/ogc/collections/devices/items", &east);
    assert_eq!(ids(&devices), ["east-0", "east-1", "east-2", "nowhere"]);
    let areas = all(&city, "/ogc/collections/areas/items", &east);
    assert_eq!(ids(&areas), ["500105", "500105001", "500105002"]);
    let cases = all(&city, "/ogc/collections/cases/items", &east);
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0]["properties"]["area"], "500105001");
    let everything = all(&city, "/ogc/collections/cases/items", &city.admin);
    let foreign = everything.iter().find(|case| case["properties"]["area"] == "500103001");
    let foreign = foreign.unwrap()["id"].as_str().unwrap();
    for path in ["devices/items/west-1", "areas/items/500103", &format!("cases/items/{foreign}")] {
        let path = format!("/ogc/collections/{path}");
        assert_eq!(city.get(&path, &east).0, 404, "{path}");
        assert_eq!(city.get(&path, &city.admin).0, 200, "{path}");
    }
    let named = escaped("area = '500103001'");
    for collection in ["devices", "cases"] {
        let path = format!("/ogc/collections/{collection}/items?filter={named}");
        assert!(all(&city, &path, &east).is_empty(), "{path}");
    }
    for collection in ["devices", "warnings", "cases"] {
        for part in ["", "/queryables", "/items", "/items/x"] {
            let path = format!("/ogc/collections/{collection}{part}");
            assert_eq!(city.get(&path, "").0, 401, "{path}");
            assert_eq!(city.get(&path, &gateway).0, 403, "{path}");
        }
    }
    assert_eq!(city.get("/ogc", "cm_0000000000000000").0, 401, "a made-up token");
}
