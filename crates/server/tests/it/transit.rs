//! Public transport as operators tell of it: GTFS-Realtime that is sent and that is fetched, a vehicle that goes from
//! one district to the other, delays, what an operator warns of, and a timetable of a real city.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::cap::folder;
use crate::harness::{City, Folder, PROGRAM, now_ms, until};

const REALTIME: &str = "/api/v1/transit/realtime?feed=bus";
const BUS: &str = "transit:bus:4716";

/// Bytes of Protocol Buffers, as much as is needed here.
mod proto {
    pub(super) fn number(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    }

    pub(super) fn int(field: u64, value: i64) -> Vec<u8> {
        [number(field << 3), number(value.cast_unsigned())].concat()
    }

    pub(super) fn part(field: u64, bytes: &[u8]) -> Vec<u8> {
        [number(field << 3 | 2), number(bytes.len() as u64), bytes.to_vec()].concat()
    }

    pub(super) fn float(field: u64, value: f32) -> Vec<u8> {
        [number(field << 3 | 5), value.to_le_bytes().to_vec()].concat()
    }
}
use proto::{float, int, part};

/// A message made at a second.
fn message(at: i64, entities: &[Vec<u8>]) -> Vec<u8> {
    [part(1, &[part(1, b"2.0"), int(3, at)].concat()), entities.concat()].concat()
}

fn entity(id: &str, field: u64, body: &[u8]) -> Vec<u8> {
    part(2, &[part(1, id.as_bytes()), part(field, body)].concat())
}

/// A vehicle of the trip `t1` at a place and a second, ten metres a second fast.
fn bus(id: &str, longitude: f32, at: i64) -> Vec<u8> {
    let place = [float(1, 29.5), float(2, longitude), float(5, 10.0)].concat();
    let trip = [part(1, b"t1"), part(5, b"r14")].concat();
    entity(
        id,
        4,
        &[part(1, &trip), part(2, &place), int(5, at), part(8, &part(1, id.as_bytes()))].concat(),
    )
}

/// A trip that is late.
fn late(trip: &str, vehicle: Option<&str>, seconds: i64) -> Vec<u8> {
    let vehicle = vehicle.map(|id| part(3, &part(1, id.as_bytes()))).unwrap_or_default();
    entity(trip, 3, &[part(1, &part(1, trip.as_bytes())), vehicle, int(5, seconds)].concat())
}

/// A folder of packs with the feed `bus`, fetched from there or sent, and the feed `trams` of the second district.
fn packs(folder: &Folder, url: Option<&str>) -> PathBuf {
    let packs = folder.path().join("packs");
    std::fs::create_dir_all(packs.join("local")).unwrap();
    let head = "[pack]\nid = \"local\"\nversion = \"1.0.0\"\nname = { zh = \"本市\", en = \"Ours\" }\n\
        section = \"production_and_living_services\"\ntrack = { zh = \"公交\", en = \"Buses\" }\n";
    let url = url.map(|url| format!("url = \"{url}\"\nevery = \"5s\"\n")).unwrap_or_default();
    let feeds = format!(
        "[[feed]]\nid = \"bus\"\nname = {{ zh = \"公交\", en = \"Buses\" }}\n{url}source = \"default\"\n\n\
         [[feed]]\nid = \"trams\"\nname = {{ zh = \"电车\", en = \"Trams\" }}\narea = \"500105\"\nsource = \"default\"\n"
    );
    for (name, text) in
        [("pack.toml", head), ("feeds.toml", &feeds), ("README.md", "# x\n\n## English\n\nx\n")]
    {
        std::fs::write(packs.join("local").join(name), text).unwrap();
    }
    packs
}

fn city(folder: &Folder) -> City {
    City::start(folder, &["--packs", packs(folder, None).to_str().unwrap()])
}

fn post(city: &City, token: &str, body: &[u8]) -> (u16, Value) {
    city.send("POST", REALTIME, token, Some("application/x-protobuf"), body)
}

/// What was taken, by these names.
fn taken(answer: &(u16, Value), names: &[&str]) -> Vec<u64> {
    assert_eq!(answer.0, 200, "{}", answer.1);
    names.iter().map(|name| answer.1[name].as_u64().unwrap()).collect()
}

fn device(city: &City, id: &str) -> Value {
    city.get(&format!("/api/v1/devices/{id}"), &city.admin).1
}

#[test]
fn a_vehicle_is_where_it_says_and_is_seen_by_those_whose_district_it_is_in() {
    let folder = folder();
    let city = city(&folder);
    let token = city.account("operator", &["ingest"], "50", None);
    let [here, there] =
        ["500103", "500105"].map(|code| city.account(code, &["viewer"], code, None));
    let now = now_ms() / 1_000 - 60;
    let told = post(&city, &token, &message(now, &[bus("4716", 106.25, now)]));
    assert_eq!(taken(&told, &["vehicles", "accepted", "refused_total"]), [1, 3, 0]);
    let found = device(&city, BUS);
    assert_eq!(
        (&found["area"], &found["position"][1]),
        (&json!("500103001"), &json!(29.5)),
        "{found}"
    );
    assert_eq!(found["name"], "r14 · 4716", "nobody has said what the route is called");
    let path = format!("/api/v1/devices/{BUS}");
    let seen = |token: &str| city.get(&path, token).0;
    assert_eq!((seen(&here), seen(&there)), (200, 404));

    let told = post(&city, &token, &message(now + 10, &[bus("4716", 107.25, now + 10)]));
    assert_eq!(taken(&told, &["vehicles"]), [1]);
    assert_eq!(device(&city, BUS)["area"], "500105001");
    assert_eq!((seen(&here), seen(&there)), (404, 200));
    let sql = format!(
        "SELECT area, value FROM readings WHERE device = '{BUS}' AND kind = 'vehicle_speed' ORDER BY at"
    );
    until("history knows where it was when", || {
        let rows = city.post("/api/v1/sql", &city.admin, &json!({"sql": sql})).1["rows"].clone();
        (rows == json!([["500103001", 36.0], ["500105001", 36.0]])).then_some(())
    });
}

#[test]
fn what_comes_again_or_too_late_is_counted_and_changes_nothing_also_after_a_restart() {
    let folder = folder();
    let packs = packs(&folder, None);
    let flags = ["--packs", packs.to_str().unwrap()];
    let now = now_ms() / 1_000 - 60;
    let newest = message(now, &[bus("4716", 106.25, now), late("t1", None, 90)]);
    let older = message(now - 10, &[bus("4716", 107.25, now - 10)]);
    let counts = ["vehicles", "delays", "repeated", "older", "accepted"];
    {
        let city = City::start(&folder, &flags);
        assert_eq!(taken(&post(&city, &city.admin, &newest), &counts), [1, 1, 0, 0, 4]);
        assert_eq!(taken(&post(&city, &city.admin, &newest), &counts), [0, 0, 2, 0, 0]);
        assert_eq!(taken(&post(&city, &city.admin, &older), &counts), [0, 0, 0, 1, 0]);
        // Twice in one message, and once at the moment of the message.
        let twice = [bus("4716", 106.25, now + 1), bus("4716", 106.25, now + 1)];
        assert_eq!(
            taken(&post(&city, &city.admin, &message(now, &twice)), &counts),
            [1, 0, 1, 0, 3]
        );
        city.values(BUS, 7);
    }
    let city = City::start(&folder, &flags);
    assert_eq!(taken(&post(&city, &city.admin, &newest), &counts), [0, 0, 1, 1, 0]);
    assert_eq!(device(&city, BUS)["area"], "500103001");
    let feeds = city.list("/api/v1/transit/feeds", &city.admin);
    let bus = feeds.iter().find(|feed| feed["id"] == "bus").unwrap();
    assert_eq!(
        (&bus["repeated"], &bus["older"], &bus["fault"]),
        (&json!(1), &json!(1), &Value::Null)
    );
}

#[test]
fn a_delay_is_read_of_the_vehicle_on_that_trip_and_never_makes_one_up() {
    let folder = folder();
    let city = city(&folder);
    let now = now_ms() / 1_000 - 60;
    let told =
        post(&city, &city.admin, &message(now, &[bus("4716", 106.25, now), late("t1", None, -45)]));
    assert_eq!(taken(&told, &["delays", "without_vehicle"]), [1, 0]);
    let told = message(
        now + 5,
        &[late("t1", None, 30), late("t2", None, 60), late("t3", Some("ghost"), 60)],
    );
    assert_eq!(taken(&post(&city, &city.admin, &told), &["delays", "without_vehicle"]), [1, 2]);
    let path = format!("/api/v1/devices/{BUS}/observations?kind=vehicle_delay");
    until("both delays are shown", || {
        let values: Vec<f64> =
            city.list(&path, &city.admin).iter().map(|o| o["value"].as_f64().unwrap()).collect();
        (values == [-45.0, 30.0]).then_some(())
    });
    assert_eq!(city.get("/api/v1/devices/transit:bus:ghost", &city.admin).0, 404);
}

#[test]
fn a_sender_speaks_for_its_area_and_for_feeds_that_there_are() {
    let folder = folder();
    let city = city(&folder);
    let now = now_ms() / 1_000 - 60;
    let both = message(now, &[bus("a", 106.25, now), bus("b", 107.25, now), bus("c", 0.5, now)]);
    let here = city.account("here", &["ingest"], "500103", None);
    let answer = post(&city, &here, &both);
    assert_eq!(taken(&answer, &["vehicles", "refused_total"]), [1, 2]);
    let refused: Vec<&Value> =
        answer.1["refused"].as_array().unwrap().iter().map(|r| &r["line"]).collect();
    assert_eq!(refused, [2, 3], "the numbers of the entities: {}", answer.1);
    assert_eq!(
        city.get("/api/v1/devices/transit:bus:b", &city.admin).0,
        404,
        "and no device is left"
    );
    // A vehicle that left the area of its sender is not the sender's any more.
    assert_eq!(
        taken(
            &post(&city, &city.admin, &message(now + 5, &[bus("a", 107.25, now + 5)])),
            &["vehicles"]
        ),
        [1]
    );
    let back = post(&city, &here, &message(now + 9, &[bus("a", 106.25, now + 9)]));
    assert_eq!((back.0, &back.1["refused"][0]["code"]), (400, &json!("E-503")), "{}", back.1);

    let elsewhere = |feed: &str| {
        let path = format!("/api/v1/transit/realtime?feed={feed}");
        let (status, told) = city.send("POST", &path, &here, Some("application/x-protobuf"), &both);
        (status, told["code"].clone())
    };
    for feed in ["nobody", "trams", "", "%2e%2e"] {
        assert_eq!(elsewhere(feed), (404, json!("E-535")), "{feed}");
    }
    let reader = city.account("reader", &["viewer"], "50", None);
    assert_eq!(post(&city, &reader, &both).0, 403);
    let of = |token: &str| -> Vec<String> {
        let feeds = city.list("/api/v1/transit/feeds", token);
        feeds.iter().map(|feed| feed["id"].as_str().unwrap().to_owned()).collect()
    };
    let there = city.account("there", &["viewer"], "500105", None);
    assert_eq!(
        (of(&reader), of(&there)),
        (vec!["bus".into(), "trams".into()], vec!["trams".to_owned()])
    );
}

#[test]
fn a_message_that_is_broken_is_refused_whole_and_what_cannot_be_is_refused_alone() {
    let folder = folder();
    let city = city(&folder);
    let now = now_ms() / 1_000 - 60;
    let sound = message(now, &[bus("4716", 106.25, now)]);
    for (what, body, status, code) in [
        ("cut off", &sound[..sound.len() - 1], 400, "E-532"),
        ("a web page", &b"<html>"[..], 400, "E-532"),
        ("nothing", b"", 400, "E-532"),
        ("too long", &vec![0; 17 * 1024 * 1024], 413, "E-533"),
    ] {
        let (found, problem) = post(&city, &city.admin, body);
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
    }
    let feeds = city.list("/api/v1/transit/feeds", &city.admin);
    assert!(feeds[0]["fault"].as_str().unwrap().starts_with("E-533"), "{}", feeds[0]);
    let ahead = now + 3_600;
    let mixed = [bus("4716", 106.25, now), bus("early", 106.25, ahead), bus("nowhere", 200.0, now)];
    let answer = post(&city, &city.admin, &message(now, &mixed));
    assert_eq!(taken(&answer, &["vehicles", "refused_total"]), [1, 2]);
    let codes: Vec<&Value> =
        answer.1["refused"].as_array().unwrap().iter().map(|r| &r["code"]).collect();
    assert_eq!(codes, ["E-105", "E-534"], "{}", answer.1);
    let (_, text) = city.send_with("GET", "/metrics", "", &[], b"").unwrap();
    let counted = |line: &&str| line.contains("\"transit_message\"") && line.ends_with(" 3");
    assert!(text.lines().any(|line| counted(&line)), "each is counted");
}

/// A server that gives what is put into it, and says so when it did not change.
fn server(body: &Arc<Mutex<Vec<u8>>>) -> (String, Arc<Mutex<Vec<u16>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/vehicles.pb?key=1", listener.local_addr().unwrap());
    let (body, said) = (Arc::clone(body), Arc::new(Mutex::new(Vec::new())));
    let statuses = Arc::clone(&said);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let body = body.lock().unwrap().clone();
            let tag = format!("\"{}\"", body.len());
            let known = head
                .iter()
                .any(|line| line.to_ascii_lowercase() == format!("if-none-match: {tag}"));
            let status = if body.is_empty() {
                503
            } else if known {
                304
            } else {
                200
            };
            let body = if status == 200 { body } else { Vec::new() };
            let answer = format!(
                "HTTP/1.1 {status} x\r\netag: {tag}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            statuses.lock().unwrap().push(status);
            drop((&stream).write_all(&[answer.as_bytes(), &body].concat()));
        }
    });
    (url, said)
}

#[test]
fn a_feed_of_a_pack_is_fetched_and_people_see_how_it_goes() {
    let folder = folder();
    let now = now_ms() / 1_000 - 60;
    let body = Arc::new(Mutex::new(message(now, &[bus("4716", 106.25, now)])));
    let (url, said) = server(&body);
    let packs = packs(&folder, Some(&url));
    let feed = |city: &City| city.list("/api/v1/transit/feeds", &city.admin).swap_remove(0);
    {
        let city = City::start(&folder, &["--packs", packs.to_str().unwrap()]);
        let fault = until("it is said that the address is a private one", || {
            feed(&city)["fault"].as_str().map(str::to_owned)
        });
        assert!(!fault.contains("key=1"), "{fault}");
        assert!(said.lock().unwrap().is_empty(), "nothing inside is asked");
    }
    let flags = ["--packs", packs.to_str().unwrap(), "--allow-webhook-to", "127.0.0.1"];
    let city = City::start(&folder, &flags);
    let found = until("the vehicle is there", || {
        let found = device(&city, BUS);
        found["area"].is_string().then_some(found)
    });
    assert_eq!(found["area"], "500103001");
    until("it is asked again and is as it was", || {
        said.lock().unwrap().contains(&304).then_some(())
    });
    let state = feed(&city);
    assert_eq!((&state["vehicles"], &state["fault"]), (&json!(1), &Value::Null), "{state}");
    assert!(!state.to_string().contains("key=1"), "the address may hold a key: {state}");
    assert_eq!(state["made_at"].as_str().map(str::len), Some(24), "{state}");
    body.lock().unwrap().clear();
    until("people see that it fails", || (feed(&city)["fault"] == "HTTP 503").then_some(()));
    *body.lock().unwrap() =
        message(now + 20, &[bus("4716", 107.25, now + 20), late("t1", None, 5)]);
    until("it goes on by itself", || (device(&city, BUS)["area"] == "500105001").then_some(()));
}

#[test]
fn what_an_operator_warns_of_waits_for_an_answer_until_the_feed_says_it_no_more() {
    let folder = folder();
    let city = city(&folder);
    city.register("id,title,lon,lat\nstop:bus:s1,东站,107.25,29.5\n");
    let alert = |id: &str, stop: Option<&str>, effect: i64, severity: i64| {
        let about = stop.map_or_else(|| part(2, b"r14"), |stop| part(5, stop.as_bytes()));
        let text = part(1, &[part(1, "道路施工".as_bytes()), part(2, b"zh")].concat());
        entity(
            id,
            5,
            &[part(5, &about), int(7, effect), part(10, &text), int(14, severity)].concat(),
        )
    };
    let open = || {
        let mut all: Vec<(String, i64, bool)> = city
            .list("/api/v1/warnings", &city.admin)
            .iter()
            .map(|w| {
                let id = w["subject"]["id"].as_str().unwrap().to_owned();
                (id, w["severity"].as_i64().unwrap(), w["cleared_at"].is_string())
            })
            .collect();
        all.sort();
        all
    };
    let now = now_ms() / 1_000;
    let send = |entities: &[Vec<u8>]| {
        let answer = post(&city, &city.admin, &message(now, entities));
        taken(&answer, &["alerts"])[0]
    };
    let all = [alert("1", Some("s1"), 9, 4), alert("2", None, 4, 3), alert("3", None, 3, 2)];
    assert_eq!(send(&all), 2, "information alone warns nobody");
    let (moved, detour) = ("alert:bus:500105001:stop_moved", "alert:bus:50:detour");
    let (moved, detour) = (moved.to_owned(), detour.to_owned());
    until("both are warnings", || {
        (open() == [(moved.clone(), 3, false), (detour.clone(), 2, false)]).then_some(())
    });
    assert_eq!(device(&city, &moved)["name"], "道路施工 · 公交");
    assert_eq!(send(&[bus("4716", 106.25, now)]), 2, "a message of vehicles says nothing of them");
    assert_eq!(send(&all[1..]), 1);
    until("the stop is back in its place", || {
        open()
            .into_iter()
            .find(|(id, ..)| *id == moved)
            .is_none_or(|(_, _, over)| over)
            .then_some(())
    });
    assert_eq!(send(&[]), 0, "an empty message of a feed of alerts ends them all");
    until("all is over", || open().iter().all(|(_, _, over)| *over).then_some(()));
}

/// A city around Porto Alegre, with one district.
fn porto_alegre() -> Folder {
    let folder = Folder::empty();
    let (areas, shapes) = (folder.path().join("areas.csv"), folder.path().join("shapes.json"));
    std::fs::write(&areas, "code,parent,name,tier,lon,lat\n43,,Porto Alegre,city,-51.2,-30.1\n430101,43,Centro,district,-51.2,-30.1\n").unwrap();
    let ring = [[-51.4, -30.4], [-50.9, -30.4], [-50.9, -29.5], [-51.4, -29.5], [-51.4, -30.4]];
    let shape = |code: &str| {
        json!({"type": "Feature", "properties": {"adcode": code},
            "geometry": {"type": "Polygon", "coordinates": [ring]}})
    };
    let all = json!({"type": "FeatureCollection", "features": [shape("43"), shape("430101")]});
    std::fs::write(&shapes, all.to_string()).unwrap();
    let output =
        folder.import_areas(&areas, &["--no-grids", "--boundaries", shapes.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// What `chengmai import gtfs` says.
fn import(city: &City, token: &str, file: &Path, feed: &str) -> (bool, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["import", "gtfs"]).arg(file).args(["--feed", feed, "--url", &city.url("")]);
    let output = command.env("CHENGMAI_TOKEN", token).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), said)
}

#[test]
fn the_timetable_of_porto_alegre_names_its_stops_and_what_its_vehicles_are_called() {
    let Some(file) =
        chengmai_model::testing::shared_data("osm-gtfs-small/porto_alegre/poa_eptc.zip")
    else {
        return;
    };
    let folder = porto_alegre();
    let city = City::start(&folder, &["--register-unknown"]);
    let engineer = city.account("engineer", &["engineer"], "43", None);
    let (done, said) = import(&city, &engineer, &file, "eptc");
    assert!(done, "{said}");
    let devices = city.get("/api/v1/devices?limit=1", &city.admin).1;
    let stops = devices["total"].as_u64().unwrap();
    assert!(stops > 1_000 && said.contains(&format!("registered: {stops}")), "{said}");
    assert!(devices["items"][0]["name"].is_string() && devices["items"][0]["area"] == "430101");
    let (_, again) = import(&city, &engineer, &file, "eptc");
    assert!(
        again.contains("registered: 0") && again.contains(&format!("updated: {stops}")),
        "{again}"
    );
    assert!(again.contains("forgotten: 0"), "{again}");

    // A trip of the file, and the route it is on.
    let text = |name: &str| {
        let output = Command::new("unzip").arg("-p").arg(&file).arg(name).output();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|o| String::from_utf8(o.stdout).unwrap())
    };
    let Some((trips, routes)) = text("trips.txt").zip(text("routes.txt")) else { return };
    let column = |text: &str, row: usize, name: &str| {
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        let clean = |field: &str| field.trim().trim_matches('"').to_owned();
        let at = lines.next().unwrap().split(',').position(|head| clean(head) == name).unwrap();
        clean(lines.nth(row).unwrap().split(',').nth(at).unwrap())
    };
    let (trip, route) = (column(&trips, 0, "trip_id"), column(&trips, 0, "route_id"));
    let row =
        (0..routes.lines().count() - 1).find(|&row| column(&routes, row, "route_id") == route);
    let called = column(&routes, row.unwrap(), "route_short_name");
    let now = now_ms() / 1_000;
    let place = [float(1, -30.03), float(2, -51.2)].concat();
    let seen =
        [part(1, &part(1, trip.as_bytes())), part(2, &place), part(8, &part(1, b"7"))].concat();
    let path = "/api/v1/transit/realtime?feed=eptc";
    let body = message(now, &[entity("7", 4, &seen)]);
    let answer = city.send("POST", path, &city.admin, Some("application/x-protobuf"), &body);
    assert_eq!(taken(&answer, &["vehicles"]), [1]);
    let name = device(&city, "transit:eptc:7")["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with(&called) && name.ends_with(" · 7"), "{name} is on the route {called}");
}

#[test]
fn a_timetable_that_is_not_right_is_refused_with_file_and_line_and_by_whoever_may_not() {
    let folder = folder();
    let city = city(&folder);
    let files = folder.path().join("timetable");
    std::fs::create_dir_all(&files).unwrap();
    let put = |name: &str, text: &str| std::fs::write(files.join(name), text).unwrap();
    put(
        "stops.txt",
        "stop_id,stop_name,stop_lat,stop_lon\ns1,A,29.5,106.25\ns2,B,29.5,9.5\ns3,C,x,106.25\n",
    );
    put("routes.txt", "route_id,route_short_name\nr14,14\n");
    let (done, said) = import(&city, &city.admin, &files, "bus");
    assert!(!done && said.contains("trips.txt"), "{said}");
    put("trips.txt", "route_id,trip_id,trip_headsign\nr14,t1,Petherick Road\n");
    let (done, said) = import(&city, &city.admin, &files, "bus");
    assert!(done && said.contains("stops.txt line 4: E-537"), "{said}");
    assert!(said.contains("line 3: E-110") && said.contains("registered: 1"), "{said}");
    let now = now_ms() / 1_000 - 60;
    post(&city, &city.admin, &message(now, &[bus("4716", 106.25, now)]));
    assert_eq!(device(&city, BUS)["name"], "14 → Petherick Road · 4716");

    let sender = city.account("sender", &["ingest"], "50", None);
    let district = city.account("district", &["engineer"], "500103", None);
    for (token, code) in [(&sender, "E-503"), (&district, "E-535")] {
        let (done, said) = import(&city, token, &files, "bus");
        assert!(!done && said.contains(code), "{said}");
    }
    put("trips.txt", "route_id,trip_id,trip_headsign\nr14,t2,Queen Square\n");
    let (done, said) = import(&city, &city.admin, &files, "bus");
    assert!(done && said.contains("forgotten: 1"), "{said}");
}

#[test]
fn the_library_of_the_standard_writes_a_day_of_liverpool_and_the_city_reads_it() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the clients");
    };
    let Some(fixes) =
        chengmai_model::testing::shared_data("bus-avl-liverpool/route14_outbound.csv")
    else {
        return;
    };
    let folder = Folder::empty();
    let (areas, shapes) = (folder.path().join("areas.csv"), folder.path().join("shapes.json"));
    std::fs::write(&areas, "code,parent,name,tier,lon,lat\n60,,Liverpool,city,-2.9,53.4\n6001,60,Walton,district,-2.9,53.4\n").unwrap();
    let ring = [[-3.2, 53.2], [-2.6, 53.2], [-2.6, 53.6], [-3.2, 53.6], [-3.2, 53.2]];
    let shape = |code: &str| {
        json!({"type": "Feature", "properties": {"adcode": code},
            "geometry": {"type": "Polygon", "coordinates": [ring]}})
    };
    let all = json!({"type": "FeatureCollection", "features": [shape("60"), shape("6001")]});
    std::fs::write(&shapes, all.to_string()).unwrap();
    let output =
        folder.import_areas(&areas, &["--no-grids", "--boundaries", shapes.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let city = City::start(&folder, &["--register-unknown"]);
    let token = city.account("operator", &["ingest"], "60", None);
    let script = folder.path().join("send.py");
    std::fs::write(&script, PYTHON).unwrap();
    let address = city.url("/api/v1/transit/realtime?feed=route14");
    let output =
        Command::new(python).arg(&script).args([&address, &token]).arg(&fixes).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["refused_total"], &said["older"]), (&json!(0), &json!(0)), "{said}");
    assert_eq!(said["fixes"], 1_533);
    assert_eq!(said["accepted"], said["readings"], "{said}");
    assert_eq!(said["repeated"].as_u64(), said["again"].as_u64(), "{said}");
    for (vehicle, place) in said["last"].as_object().unwrap() {
        let found = device(&city, &format!("transit:route14:{vehicle}"));
        for axis in 0..2 {
            let apart = found["position"][axis].as_f64().unwrap() - place[axis].as_f64().unwrap();
            assert!(apart.abs() < 1e-5, "{vehicle}: {found} {place}");
        }
        assert_eq!(found["area"], "6001");
    }
}

/// `gtfs-realtime-bindings` as the makers of the standard publish it: fixes of real buses as messages, one for each
/// minute of the file, and the last of them twice.
const PYTHON: &str = r#"
import csv, json, sys, time
from datetime import datetime, timezone
from google.transit import gtfs_realtime_pb2 as gtfs
import requests

url, token, path = sys.argv[1:]
session = requests.Session()
session.trust_env = False
rows = list(csv.DictReader(open(path)))
second = lambda row: int(datetime.strptime(row["timestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp())
newest = max(map(second, rows))
shift = int(time.time()) - newest
fixes = {}
for row in rows:
    fixes[(row["vehicle_id"], second(row) + shift)] = row
order = sorted(fixes.items(), key=lambda fix: (fix[0][1], fix[0][0]))

def send(some):
    feed = gtfs.FeedMessage()
    feed.header.gtfs_realtime_version = "2.0"
    feed.header.timestamp = some[-1][0][1]
    for (vehicle, at), row in some:
        entity = feed.entity.add(id=f"{vehicle}-{at}")
        entity.vehicle.vehicle.id = vehicle
        entity.vehicle.vehicle.license_plate = "PLATE " + vehicle
        entity.vehicle.trip.trip_id = row["trip_id"]
        entity.vehicle.trip.route_id = row["route_name"]
        entity.vehicle.position.latitude = float(row["latitude"])
        entity.vehicle.position.longitude = float(row["longitude"])
        if row["bearing"]:
            entity.vehicle.position.bearing = float(row["bearing"])
        entity.vehicle.timestamp = at
        entity.vehicle.occupancy_status = gtfs.VehiclePosition.FEW_SEATS_AVAILABLE
    answer = session.post(url, feed.SerializeToString(), headers={"Authorization": "Bearer " + token, "Content-Type": "application/x-protobuf"})
    assert answer.status_code == 200, answer.text
    return answer.json()

said = {"accepted": 0, "readings": 0, "repeated": 0, "older": 0, "refused_total": 0, "fixes": len(order)}
minutes = {}
for fix in order:
    minutes.setdefault(fix[0][1] // 60, []).append(fix)
# Place, crowding, and the bearing where there is one.
said["readings"] = sum(3 + bool(row["bearing"]) for _, row in order)
parts = [minutes[minute] for minute in sorted(minutes)]
for some in parts + parts[-1:]:
    told = send(some)
    for name in ("accepted", "repeated", "older", "refused_total"):
        said[name] += told[name]
# A vehicle with several fixes in the last message was told as often, and is known at the newest of them.
last = parts[-1]
newest = {vehicle: at for (vehicle, at), _ in last}
said["again"] = len(newest)
said["older"] -= len(last) - len(newest)
said["last"] = {v: [float(r["longitude"]), float(r["latitude"])] for (v, _), r in order}
print(json.dumps(said))
"#;
