//! Vector tiles as a map asks for them: who sees what, when they change, and points or counts. That others
//! can read them is tested in `web/e2e/maps.test.mjs`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{City, Folder, until};

/// The tile of zoom 10 around 106.55, 29.56, and its eastern neighbour.
const WEST: &str = "10/815/423.mvt";
const EAST: &str = "10/816/423.mvt";

/// Nine devices of two towns on one tile, one elsewhere.
fn city(folder: &Folder) -> City {
    let city = City::start(folder, &[]);
    let mut csv = String::from("id,kinds,area,lon,lat\n");
    for n in 0..6 {
        writeln!(csv, "first-{n},methane,500103001,106.55,29.{}", 56 + n).unwrap();
    }
    for n in 0..3 {
        writeln!(csv, "second-{n},methane,500105001,106.6,29.{}", 56 + n).unwrap();
    }
    csv.push_str("beyond,pm25,500105001,107.0,29.6\n");
    city.register(&csv);
    city
}

/// Ids of devices that stand in a tile, in order.
fn ids(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let known = ["first-", "second-", "beyond"];
    let mut ids: Vec<String> = words
        .filter_map(|word| {
            known.iter().find_map(|mark| word.find(mark).map(|at| word[at..].to_owned()))
        })
        .collect();
    ids.sort();
    ids
}

#[test]
fn a_tile_shows_the_devices_that_lie_on_it_and_in_the_area_asked_for() {
    let folder = Folder::new();
    let city = city(&folder);
    let tile = |path: &str, token: &str| {
        let (status, bytes) = city.bytes(&format!("/tiles/devices/{path}"), token);
        assert_eq!(status, 200, "{path}");
        ids(&bytes)
    };
    let all = tile(WEST, &city.admin);
    assert_eq!(all.len(), 9, "{all:?}");
    assert_eq!(tile(EAST, &city.admin), ["beyond"]);
    assert!(tile("10/0/0.mvt", &city.admin).is_empty());
    let second = ["second-0", "second-1", "second-2"];
    assert_eq!(tile(&format!("{WEST}?area=500105"), &city.admin), second);
    let own = city.account("own", &["viewer"], "500105", None);
    assert_eq!(tile(WEST, &own), second);
    city.register("id,kinds,area,lon,lat\nfirst-9,methane,500105001,106.55,29.6\n");
    until("the new device is on the tile", || (tile(WEST, &own).len() == 4).then_some(()));
}

#[test]
fn a_tile_that_is_known_is_not_sent_again_until_it_changes() {
    let folder = Folder::new();
    let city = city(&folder);
    let path = format!("/tiles/devices/{WEST}");
    let (status, headers) = city.head(&path, &city.admin);
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/vnd.mapbox-vector-tile");
    assert!(headers["cache-control"].to_str().unwrap().starts_with("private"), "{headers:?}");
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let ask = || {
        let known = [("if-none-match", tag.as_str())];
        city.send_with("GET", &path, &city.admin, &known, b"").map(|answer| answer.0)
    };
    assert_eq!(ask().unwrap(), 304);
    city.register("id,kinds,area,lon,lat\nfirst-9,methane,500103001,106.55,29.7\n");
    until("the tile has changed", || {
        let (_, headers) = city.head(&path, &city.admin);
        (headers["etag"] != tag.as_str()).then_some(())
    });
}

#[test]
fn many_devices_are_counted_by_cell_and_no_tile_is_large() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let mut csv = String::from("id,kinds,area,lon,lat\n");
    for n in 0..3_000 {
        let (column, row) = (n % 60, n / 60);
        writeln!(
            csv,
            "first-{n},methane,500103001,106.{:03},29.{:03}",
            520 + 5 * column,
            550 + 5 * row
        )
        .unwrap();
    }
    city.register(&csv);
    let (_, bytes) = city.bytes(&format!("/tiles/devices/{WEST}"), &city.admin);
    assert!(ids(&bytes).is_empty(), "it has counts, no names");
    assert!(
        bytes.windows(5).any(|part| part == b"count") && bytes.len() < 16 * 16 * 24,
        "{}",
        bytes.len()
    );
    // One of the smallest tiles has few enough to show each.
    let (_, bytes) = city.bytes("/tiles/devices/13/6520/3386.mvt", &city.admin);
    assert!(!ids(&bytes).is_empty());
}

#[test]
fn open_cases_are_points_and_closed_ones_are_gone() {
    let folder = Folder::new();
    let city = city(&folder);
    let new = serde_json::json!({"type": "dirty_road", "row": 0, "area": "500103001",
        "description": "x", "position": [106.55, 29.56]});
    let (_, case) = city.post("/api/v1/cases", &city.admin, &new);
    let id = case["id"].as_str().unwrap();
    let shows = || {
        let (status, bytes) = city.bytes(&format!("/tiles/cases/{WEST}"), &city.admin);
        assert_eq!(status, 200);
        bytes.windows(id.len()).any(|part| part == id.as_bytes())
    };
    until("the case is on the map", || shows().then_some(()));
    let other = city.account("other", &["viewer"], "500105", None);
    let (_, bytes) = city.bytes(&format!("/tiles/cases/{WEST}"), &other);
    assert!(bytes.is_empty(), "it lies in another district");
    let centre = city.account("centre", &["duty_officer"], "500103001", None);
    let (status, body) = city.post(
        &format!("/api/v1/cases/{id}/cancel"),
        &centre,
        &serde_json::json!({"reason": "x"}),
    );
    assert_eq!(status, 200, "{body}");
    until("the case is gone from the map", || (!shows()).then_some(()));
}

#[test]
fn strangers_see_outlines_only_and_nobody_a_tile_that_is_none() {
    let folder = Folder::new();
    let city = city(&folder);
    let own = city.account("own", &["viewer"], "500105", None);
    let gateway = city.account("gateway", &["ingest"], "50", None);
    let devices = format!("/tiles/devices/{WEST}");
    for (path, token, status) in [
        (devices.as_str(), "", 401),
        ("/tiles/devices.json", "", 401),
        ("/tiles/cases/0/0/0.mvt", "", 401),
        ("/tiles/areas/0/0/0.mvt", "", 200),
        ("/tiles/areas.json", "", 200),
        (&devices, &gateway, 403),
        (&format!("{devices}?area=500103"), &own, 404),
        (&format!("{devices}?area=500105"), &own, 200),
        ("/tiles/devices/0/0/0.mvt?kind=methane", &own, 400),
        ("/tiles/rivers/0/0/0.mvt", &own, 404),
        ("/tiles/devices/0/1/0.mvt", &own, 404),
        ("/tiles/devices/19/0/0.mvt", &own, 404),
        ("/tiles/devices/0/0/0.png", &own, 404),
        ("/tiles/devices.xml", &own, 404),
    ] {
        let (found, _) = city.bytes(path, token);
        assert_eq!(found, status, "{path}");
    }
    let (_, document) = city.get("/tiles/devices.json?area=500105", &own);
    assert_eq!(document["tilejson"], "3.0.0");
    let address = document["tiles"][0].as_str().unwrap();
    assert!(address.ends_with("/tiles/devices/{z}/{x}/{y}.mvt?area=500105"), "{address}");
    assert_eq!(document["vector_layers"][0]["id"], Value::from("devices"));
}
