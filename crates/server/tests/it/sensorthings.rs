//! SensorThings from outside: devices seen as Things, entities made, changed and removed, areas kept
//! apart, and the same after a restart.

use chengmai_model::Timestamp;
use serde_json::{Value, json};

use super::harness::{City, Folder, now_ms, until};

pub(crate) const ROOT: &str = "/sta/v1.1";
pub(crate) const MEASUREMENT: &str =
    "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement";

pub(crate) fn get(city: &City, path: &str) -> Value {
    let (status, body) = city.get(&format!("{ROOT}/{path}"), &city.admin);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub(crate) fn ask(
    city: &City,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> (u16, Value) {
    let body = if method == "DELETE" { String::new() } else { body.to_string() };
    let path = format!("{ROOT}/{path}");
    city.send(method, &path, token, Some("application/json"), body.as_bytes())
}

/// Makes an entity; its address below the root, and its id.
pub(crate) fn make(city: &City, path: &str, body: &Value) -> (String, i64) {
    let kind = [
        ("content-type", "application/json"),
        ("authorization", &format!("Bearer {}", city.admin)),
    ];
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = agent.post(city.url(&format!("{ROOT}/{path}")));
    for (name, value) in kind {
        request = request.header(name, value);
    }
    let mut answer = request.send(body.to_string().as_bytes()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    assert_eq!(answer.status().as_u16(), 201, "{path}: {text}");
    let location = answer.headers()["location"].to_str().unwrap();
    let place = location.split_once(ROOT).unwrap().1.trim_start_matches('/').to_owned();
    let id = place.split_once('(').unwrap().1.trim_end_matches(')').parse().unwrap();
    (place, id)
}

/// Lengths and names in the order of an answer.
pub(crate) fn names(page: &Value) -> Vec<String> {
    let value = page["value"].as_array().unwrap();
    value.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn results(page: &Value) -> Vec<f64> {
    page["value"].as_array().unwrap().iter().map(|one| one["result"].as_f64().unwrap()).collect()
}

pub(crate) fn count(page: &Value) -> usize {
    page["value"].as_array().unwrap().len()
}

/// A station with two Datastreams: one of a kind of the packs, one of nothing we know.
pub(crate) fn station(name: &str) -> Value {
    let sensor = json!({"name": "probe", "description": "", "encodingType": "text/plain", "metadata": "none"});
    let datastream = |what: &str, definition: &str, unit: &str| {
        json!({"name": what, "description": "", "observationType": MEASUREMENT,
            "unitOfMeasurement": {"name": unit, "symbol": unit, "definition": ""}, "Sensor": sensor,
            "ObservedProperty": {"name": what, "definition": definition, "description": ""}})
    };
    json!({"name": name, "description": "made by a client", "properties": {"floor": 3},
        "Locations": [{"name": "roof", "description": "", "encodingType": "application/geo+json",
            "location": {"type": "Point", "coordinates": [10.0, 20.0]}}],
        "Datastreams": [datastream("gas", "urn:chengmai:kind:methane", "%LEL"), datastream("mood", "about:mood", "")]})
}

pub(crate) fn devices(city: &City) {
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

/// The Thing that the device `m1` is, and its Datastream.
pub(crate) fn m1(city: &City) -> (i64, i64) {
    let found = get(city, "Things?$filter=name%20eq%20'm1'&$expand=Datastreams");
    let id = |one: &Value| one["@iot.id"].as_i64().unwrap();
    (id(&found["value"][0]), id(&found["value"][0]["Datastreams"][0]))
}

/// A station as it was made: its address, its Datastream of a kind we know, and the other one.
pub(crate) fn made_station(city: &City) -> (String, Value, Value) {
    let (thing, _) = make(city, "Things", &station("Station"));
    let ways = "Datastreams($orderby=name;$expand=Sensor,ObservedProperty)";
    let mut whole = get(city, &format!("{thing}?$expand={ways}"));
    let [gas, mood] = [0, 1].map(|place| whole["Datastreams"][place].take());
    (thing, gas, mood)
}

pub(crate) fn observations(datastream: &Value) -> String {
    format!("Datastreams({})/Observations", datastream["@iot.id"])
}

/// So many minutes before now.
pub(crate) fn ago(now: i64, minutes: i64) -> String {
    Timestamp(now - minutes * 60_000).to_rfc3339()
}

#[test]
fn devices_and_their_readings_are_things_and_observations() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let root = get(&city, "");
    assert_eq!(count(&root), 9);
    assert!(root["serverSettings"]["conformance"].as_array().unwrap().len() >= 5);
    let things = get(&city, "Things?$count=true");
    assert_eq!(
        (names(&things), &things["@iot.count"]),
        (vec!["m1".into(), "m2".into(), "m3".into()], &json!(3))
    );
    let first = &things["value"][0];
    assert_eq!(first["description"], "第一");
    let id = first["@iot.id"].as_i64().unwrap();
    assert_eq!(get(&city, &format!("Things({id})"))["name"], "m1");
    assert_eq!(get(&city, &format!("Things({id})/name")), json!({"name": "m1"}));
    let location = get(&city, &format!("Things({id})/Locations"));
    assert_eq!(location["value"][0]["location"]["coordinates"], json!([106.5, 29.5]));
    let datastreams = get(
        &city,
        &format!("Things({id})/Datastreams?$expand=ObservedProperty,Thing($select=name)"),
    );
    let stream = &datastreams["value"][0];
    assert_eq!(
        (&stream["name"], &stream["ObservedProperty"]["name"], &stream["Thing"]),
        (&json!("m1/methane"), &json!("methane"), &json!({"name": "m1"}))
    );
    let stream = stream["@iot.id"].as_i64().unwrap();
    let newest = get(&city, &format!("Datastreams({stream})/Observations"));
    assert_eq!(results(&newest), [4.0, 3.0, 2.0, 1.0, 0.0], "the newest first");
    let observation = &newest["value"][1];
    let same = get(
        &city,
        &format!(
            "Observations({})?$expand=Datastream/Thing,FeatureOfInterest",
            observation["@iot.id"]
        ),
    );
    assert_eq!(
        (&same["result"], &same["Datastream"]["Thing"]["name"]),
        (&json!(3.0), &json!("m1"))
    );
    assert_eq!(same["FeatureOfInterest"]["feature"]["type"], "Point");
}

#[test]
fn pages_follow_each_other_without_gap_or_double_and_filters_find_what_they_say() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (_, stream) = m1(&city);
    let mut next = format!("{ROOT}/Datastreams({stream})/Observations?$top=2&$count=true");
    let mut seen = Vec::new();
    while !next.is_empty() {
        let (status, page) = city.get(&next, &city.admin);
        assert_eq!((status, &page["@iot.count"]), (200, &json!(5)), "{page}");
        seen.extend(results(&page));
        let link = page["@iot.nextLink"].as_str().unwrap_or_default();
        next = link.split_once(ROOT).map(|(_, rest)| format!("{ROOT}{rest}")).unwrap_or_default();
    }
    assert_eq!(seen, [4.0, 3.0, 2.0, 1.0, 0.0]);
    for (filter, wanted) in [
        ("$filter=result gt 1 and result lt 4&$orderby=result", vec![2.0, 3.0]),
        ("$orderby=phenomenonTime asc&$top=2", vec![0.0, 1.0]),
        ("$orderby=phenomenonTime asc&$top=2&$skip=1", vec![1.0, 2.0]),
        ("$filter=phenomenonTime lt 2000-01-01T00:00:00Z", vec![]),
        ("$filter=Datastream/ObservedProperty/name eq 'methane' and result eq 2", vec![2.0]),
        ("$filter=FeatureOfInterest/name eq 'm1' and result eq 2", vec![2.0]),
    ] {
        let filter = filter.replace(' ', "%20");
        let page = get(&city, &format!("Datastreams({stream})/Observations?{filter}"));
        assert_eq!(results(&page), wanted, "{filter}");
    }
    for (path, wanted) in [
        ("Things?$filter=name eq 'm2'", 1),
        ("Things?$filter=startswith(name,'m') and not (name eq 'm1')", 2),
        ("Things?$filter=Datastreams/ObservedProperty/name eq 'manhole_tilt'", 2),
        ("Things?$filter=properties/area eq '500103001001001'", 1),
        (
            "Locations?$filter=st_within(location,geography'POLYGON((106 29,107 29,107 30,106 30,106 29))')",
            1,
        ),
        ("Locations?$filter=geo.distance(location,geography'POINT(106.5 29.6)') lt 0.2", 1),
        ("ObservedProperties?$filter=name eq 'methane'", 1),
        ("Datastreams?$filter=name eq 'm2/methane'", 1),
        ("FeaturesOfInterest", 3),
        ("HistoricalLocations", 1),
    ] {
        assert_eq!(count(&get(&city, &path.replace(' ', "%20"))), wanted, "{path}");
    }
}

#[test]
fn readings_of_many_are_found_from_any_side() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (_, stream) = m1(&city);
    assert_eq!(
        results(&get(&city, &format!("Observations?$filter=Datastream/id%20eq%20{stream}&$top=1"))),
        [4.0]
    );
    assert_eq!(count(&get(&city, "Observations")), 6, "of all streams");
    let latest = get(
        &city,
        "Things?$expand=Datastreams($expand=Observations($orderby=phenomenonTime%20desc;$top=1))",
    );
    assert_eq!(latest["value"][0]["Datastreams"][0]["Observations"][0]["result"], 4.0);
    assert_eq!(latest["value"][2]["Datastreams"][0]["Observations"], json!([]));
    let table = get(
        &city,
        &format!(
            "Datastreams({stream})/Observations?$resultFormat=dataArray&$select=result&$top=2"
        ),
    );
    assert_eq!(table["value"][0]["dataArray"], json!([[4.0], [3.0]]));
}

#[test]
fn what_the_registry_holds_is_changed_there_and_a_reading_is_corrected_as_readings_are() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (id, stream) = m1(&city);
    // What the registry holds is changed there.
    let (status, body) =
        ask(&city, "PATCH", &format!("Things({id})"), &city.admin, &json!({"name": "x"}));
    assert_eq!((status, &body["code"]), (409, &json!("E-464")), "{body}");
    let (status, body) =
        ask(&city, "DELETE", &format!("Datastreams({stream})"), &city.admin, &json!({}));
    assert_eq!((status, &body["code"]), (409, &json!("E-464")), "{body}");
    let newest = get(&city, &format!("Datastreams({stream})/Observations"));
    let observation = format!("Observations({})", newest["value"][1]["@iot.id"]);
    let (status, body) = ask(
        &city,
        "PATCH",
        &observation,
        &city.admin,
        &json!({"@iot.id": 1, "result": 7.5, "resultQuality": "checked"}),
    );
    assert_eq!(status, 200, "{body}");
    until("the correction is seen", || {
        let now = get(&city, &observation);
        (now["result"] == 7.5 && now["resultQuality"] == "checked").then_some(())
    });
    assert_eq!(ask(&city, "DELETE", &observation, &city.admin, &json!({})).0, 200);
    until("the withdrawal is seen", || {
        (city.get(&format!("{ROOT}/{observation}"), &city.admin).0 == 404).then_some(())
    });
    until("both are on record", || {
        let all = city.list("/api/v1/readings/corrections", &city.admin);
        (all.len() == 2).then_some(())
    });
}

#[test]
fn an_observation_of_a_kind_that_a_pack_knows_is_a_reading_like_any_other() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (_, gas, mood) = made_station(&city);
    assert_eq!(
        (&gas["@chengmai.kind"], &mood["@chengmai.kind"]),
        (&json!("methane"), &Value::Null)
    );
    assert_eq!(gas["Sensor"]["name"], "probe");
    let now = now_ms();
    let (observation, _) = make(
        &city,
        &observations(&gas),
        &json!({"result": 2.5, "phenomenonTime": ago(now, 60), "parameters": {"by": "hand"}}),
    );
    let read = get(&city, &format!("{observation}?$expand=FeatureOfInterest,Datastream"));
    assert_eq!(
        (&read["result"], &read["parameters"]["by"], &read["Datastream"]["@iot.id"]),
        (&json!(2.5), &json!("hand"), &gas["@iot.id"])
    );
    assert_eq!(read["FeatureOfInterest"]["feature"]["coordinates"], json!([10.0, 20.0]));
    let device = format!("sta:{}", gas["@iot.id"]);
    let (status, seen) = city.get(&format!("/api/v1/devices/{device}"), &city.admin);
    assert_eq!(
        (status, &seen["streams"][0]["kind"], &seen["streams"][0]["value"]),
        (200, &json!("methane"), &json!(2.5)),
        "{seen}"
    );
    let (status, body) =
        ask(&city, "POST", &observations(&gas), &city.admin, &json!({"result": 1e6}));
    assert_eq!((status, &body["code"]), (400, &json!("E-103")), "out of range: {body}");
    let (status, body) =
        ask(&city, "POST", &observations(&gas), &city.admin, &json!({"result": "much"}));
    assert_eq!((status, &body["code"]), (400, &json!("E-462")), "{body}");
    assert_eq!(
        get(&city, "Things?$count=true")["@iot.count"],
        1,
        "the device behind it is no Thing of its own"
    );
}

#[test]
fn observations_of_anything_else_are_kept_as_they_are() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (_, gas, mood) = made_station(&city);
    let now = now_ms();
    for (result, hour) in [(json!("calm"), 1), (json!({"a": [1]}), 2), (json!(3), 3)] {
        make(
            &city,
            &observations(&mood),
            &json!({"result": result, "phenomenonTime": ago(now, 60 - hour)}),
        );
    }
    let all = get(&city, &observations(&mood));
    assert_eq!(
        all["value"].as_array().unwrap().iter().map(|o| o["result"].clone()).collect::<Vec<_>>(),
        [json!(3), json!({"a": [1]}), json!("calm")]
    );
    let found = get(
        &city,
        &format!("{}?$filter=result%20eq%20'calm'&$expand=FeatureOfInterest", observations(&mood)),
    );
    assert_eq!(found["value"][0]["FeatureOfInterest"]["name"], "roof");
    let span = get(&city, &format!("Datastreams({})", mood["@iot.id"]));
    assert_eq!(span["phenomenonTime"], format!("{}/{}", ago(now, 59), ago(now, 57)));
    let table = json!([
        {"Datastream": {"@iot.id": gas["@iot.id"]}, "components": ["phenomenonTime", "result"], "dataArray": [[ago(now, 20), 4], [ago(now, 19), -5e9]]},
        {"Datastream": {"@iot.id": mood["@iot.id"]}, "components": ["phenomenonTime", "result"], "dataArray": [[ago(now, 20), "glad"]]}]);
    let (status, made) = ask(&city, "POST", "CreateObservations", &city.admin, &table);
    let made: Vec<&str> =
        made.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(status, 201);
    assert!(
        made[0].contains("/Observations(")
            && made[1].starts_with("error: E-103")
            && made[2].contains("/Observations("),
        "{made:?}"
    );
}

/// By every way of changing a Thing; its Datastream of a known kind keeps its unit.
fn change(city: &City, thing: &str, gas: &Value) {
    let (status, body) = ask(
        city,
        "PATCH",
        thing,
        &city.admin,
        &json!({"@iot.id": 99, "description": "other", "properties": {"floor": 4}}),
    );
    assert_eq!(status, 200, "{body}");
    let steps = json!([{"op": "replace", "path": "/properties/floor", "value": 5}]);
    let path_of = format!("{ROOT}/{thing}");
    let patch = steps.to_string();
    assert_eq!(
        city.send(
            "PATCH",
            &path_of,
            &city.admin,
            Some("application/json-patch+json"),
            patch.as_bytes()
        )
        .0,
        200
    );
    let changed = get(city, thing);
    assert_eq!(
        (&changed["description"], &changed["properties"]),
        (&json!("other"), &json!({"floor": 5}))
    );
    assert_eq!(
        ask(city, "PUT", thing, &city.admin, &json!({"name": "New", "description": "d"})).0,
        200
    );
    assert_eq!(get(city, thing)["properties"], Value::Null);
    make(
        city,
        &format!("{thing}/Locations"),
        &json!({"name": "cellar", "description": "", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [11, 21]}}),
    );
    assert_eq!(names(&get(city, &format!("{thing}/Locations"))), ["cellar"]);
    assert_eq!(count(&get(city, &format!("{thing}/HistoricalLocations"))), 2);
    let (status, body) = ask(
        city,
        "PATCH",
        &format!("Datastreams({})", gas["@iot.id"]),
        &city.admin,
        &json!({"unitOfMeasurement": {}}),
    );
    assert_eq!((status, &body["code"]), (409, &json!("E-464")), "{body}");
}

#[test]
fn what_a_client_made_is_changed_kept_over_a_restart_and_removed() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (thing, gas, mood) = made_station(&city);
    let (_, id) = make(&city, "Things", &station("Station"));
    assert_ne!(format!("Things({id})"), thing, "names may be told twice");
    let now = now_ms();
    for datastream in [&gas, &mood] {
        let body =
            json!({"result": 2.5, "phenomenonTime": ago(now, 60), "parameters": {"by": "hand"}});
        make(&city, &observations(datastream), &body);
    }
    change(&city, &thing, &gas);

    // The same after a restart.
    let before =
        get(&city, &format!("{thing}?$expand=Locations,Datastreams($expand=Observations)"));
    city.stop();
    drop(city);
    let city = City::start(&folder, &[]);
    let strip = |mut value: Value| {
        let text = value.take().to_string();
        text.split(ROOT)
            .map(|part| part.rsplit_once("http://").map_or(part, |(head, _)| head).to_owned())
            .collect::<Vec<_>>()
    };
    let after = get(&city, &format!("{thing}?$expand=Locations,Datastreams($expand=Observations)"));
    assert_eq!(strip(before), strip(after));

    // Removal takes along what cannot be without it.
    assert_eq!(ask(&city, "DELETE", &thing, &city.admin, &json!({})).0, 200);
    for gone in [
        thing,
        format!("Datastreams({})", mood["@iot.id"]),
        format!("Datastreams({})", gas["@iot.id"]),
    ] {
        assert_eq!(city.get(&format!("{ROOT}/{gone}"), &city.admin).0, 404, "{gone}");
    }
    assert_eq!(count(&get(&city, "Locations")), 3, "places stay");
}

#[test]
fn a_part_that_cannot_be_leaves_nothing_of_the_whole() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let mut whole = station("Station");
    whole["Datastreams"][0]["Observations"] = json!([{"result": 1e9}]);
    let (status, body) = ask(&city, "POST", "Things", &city.admin, &whole);
    assert_eq!((status, &body["code"]), (400, &json!("E-103")), "{body}");
    whole["Datastreams"][0]["Observations"] = json!([]);
    whole["Datastreams"][0]["unitOfMeasurement"] = json!({"symbol": "mm"});
    let (status, body) = ask(&city, "POST", "Things", &city.admin, &whole);
    assert_eq!((status, &body["code"]), (400, &json!("E-104")), "{body}");
    whole["Datastreams"][0] = json!({"name": "d", "description": "", "observationType": MEASUREMENT,
        "unitOfMeasurement": {}, "Sensor": {"@iot.id": 77}, "ObservedProperty": {"@iot.id": 78}});
    let (status, body) = ask(&city, "POST", "Things", &city.admin, &whole);
    assert_eq!((status, &body["code"]), (404, &json!("E-204")), "{body}");
    for kind in ["Things", "Datastreams", "Observations", "Locations"] {
        assert_eq!(count(&get(&city, kind)), 0, "{kind}");
    }
    for (path, status) in [
        ("Things?$filter=colour%20eq%201", 400),
        ("Things?$filter=name%20eq", 400),
        ("Things?$foo=1", 400),
        ("Things(1)", 404),
        ("Nothing", 404),
        ("Things(1)/Observations", 404),
        ("Things('x')", 404),
        ("Observations(9223372036854775807)", 404),
        ("Datastreams(9223372036854775807)", 404),
    ] {
        let (found, body) = city.get(&format!("{ROOT}/{path}"), &city.admin);
        assert_eq!(found, status, "{path}: {body}");
    }
    let mut thing = station("Bare");
    thing["Locations"] = json!([]);
    let (thing, _) = make(&city, "Things", &thing);
    let mood = get(&city, &format!("{thing}/Datastreams?$filter=name%20eq%20'mood'"));
    let path = format!("Datastreams({})/Observations", mood["value"][0]["@iot.id"]);
    let (status, body) = ask(&city, "POST", &path, &city.admin, &json!({"result": 1}));
    assert_eq!((status, &body["code"]), (400, &json!("E-462")), "no place, no feature: {body}");
}

#[test]
fn a_batch_answers_each_of_its_requests() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let requests = json!({"requests": [
        {"id": "a", "method": "post", "url": "Things", "body": {"name": "one", "description": ""}},
        {"id": "b", "method": "get", "url": "Things?$filter=name eq 'one'&$select=name"},
        {"id": "c", "method": "get", "url": "Nothing"}]});
    let (status, body) = ask(&city, "POST", "$batch", &city.admin, &requests);
    assert_eq!(status, 200, "{body}");
    let answers = body["responses"].as_array().unwrap();
    assert_eq!(
        (&answers[0]["status"], &answers[1]["body"]["value"], &answers[2]["status"]),
        (&json!(201), &json!([{"name": "one"}]), &json!(404))
    );
    let parts = "--x\r\nContent-Type: application/http\r\n\r\nGET Things?$count=true HTTP/1.1\r\n\r\n\r\n--x--";
    let headers = [("content-type", "multipart/mixed; boundary=x")];
    let (status, text) = city
        .send_with("POST", &format!("{ROOT}/$batch"), &city.admin, &headers, parts.as_bytes())
        .unwrap();
    assert!(
        status == 200 && text.contains("HTTP/1.1 200") && text.contains("\"@iot.count\":1"),
        "{text}"
    );
}

#[test]
fn nobody_sees_or_changes_anything_of_another_area() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let own = city.account("own", &["engineer"], "500103001", None);
    let mut foreign = station("Foreign");
    foreign["Locations"] = json!([]);
    let other = city.account("other", &["engineer"], "500105", None);
    let (status, _) = ask(&city, "POST", "Things", &other, &foreign);
    assert_eq!(status, 201);
    let (status, _) = ask(&city, "POST", "Things", &own, &foreign);
    assert_eq!(status, 201);
    let all = get(&city, "Things?$expand=Datastreams");
    assert_eq!(names(&all), ["Foreign", "Foreign", "m1", "m2", "m3"]);
    let theirs = &all["value"][0];
    let seen = |token: &str, path: &str| {
        let (status, body) = city.get(&format!("{ROOT}/{path}"), token);
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    assert_eq!(names(&seen(&own, "Things")), ["Foreign", "m1"]);
    assert_eq!(seen(&own, "Things?$count=true")["@iot.count"], 2);
    assert_eq!(names(&seen(&own, "Datastreams?$orderby=name")), ["gas", "m1/methane", "mood"]);
    assert_eq!(count(&seen(&own, "Observations")), 5);
    assert_eq!(
        count(&seen(&own, "FeaturesOfInterest")),
        2,
        "m1, and the device behind the own Datastream"
    );
    let (m2, thing) = (&all["value"][3], &theirs["@iot.id"]);
    let datastream = &theirs["Datastreams"][0]["@iot.id"];
    for path in [
        format!("Things({})", m2["@iot.id"]),
        format!("Datastreams({})", m2["Datastreams"][0]["@iot.id"]),
        format!("Datastreams({})/Observations", m2["Datastreams"][1]["@iot.id"]),
        format!("Things({thing})"),
        format!("Things({thing})/Datastreams"),
        format!("Datastreams({datastream})/Sensor"),
    ] {
        assert_eq!(city.get(&format!("{ROOT}/{path}"), &own).0, 404, "{path}");
        for method in ["PATCH", "PUT", "DELETE"] {
            let (status, body) =
                ask(&city, method, &path, &own, &json!({"name": "x", "description": ""}));
            assert_eq!(status, 404, "{method} {path}: {body}");
        }
    }
    add_for_others(&city, &own, m2, theirs);
    // What a centre above describes is seen below, and changed above.
    let sensor =
        json!({"name": "s", "description": "", "encodingType": "text/plain", "metadata": ""});
    let (sensor, _) = make(&city, "Sensors", &sensor);
    assert_eq!(seen(&own, &sensor)["name"], "s");
    let (status, body) = ask(&city, "PATCH", &sensor, &own, &json!({"name": "x"}));
    assert_eq!((status, &body["code"]), (403, &json!("E-503")), "{body}");
}

/// Nothing is added to the devices and Datastreams of others.
fn add_for_others(city: &City, own: &str, m2: &Value, theirs: &Value) {
    let (thing, datastream) = (&theirs["@iot.id"], &theirs["Datastreams"][0]["@iot.id"]);
    let observations = format!("Datastreams({})/Observations", m2["Datastreams"][1]["@iot.id"]);
    for (path, body) in [
        (observations.as_str(), json!({"result": 1})),
        ("Observations", json!({"result": 1, "Datastream": {"@iot.id": datastream}})),
        (
            "Datastreams",
            json!({"name": "d", "description": "", "observationType": MEASUREMENT, "unitOfMeasurement": {},
            "Thing": {"@iot.id": thing}, "Sensor": {"name": "s", "description": "", "encodingType": "", "metadata": ""},
            "ObservedProperty": {"name": "p", "definition": "", "description": ""}}),
        ),
    ] {
        let (status, answer) = ask(city, "POST", path, own, &body);
        assert_eq!(status, 404, "{path}: {answer}");
    }
    let table = json!([{"Datastream": {"@iot.id": datastream}, "components": ["result"], "dataArray": [[1]]}]);
    let (_, made) = ask(city, "POST", "CreateObservations", own, &table);
    assert!(made[0].as_str().unwrap().starts_with("error: E-204"), "{made}");
}

#[test]
fn roles_decide_who_reads_observes_and_makes() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let viewer = city.account("viewer", &["viewer"], "500103001", None);
    let gateway = city.account("gateway", &["ingest"], "500103001", None);
    let (thing, m1) = m1(&city);
    let entity = json!({"name": "x", "description": ""});
    for token in [&viewer, &gateway] {
        assert_eq!(ask(&city, "POST", "Things", token, &entity).0, 403);
        assert_eq!(ask(&city, "DELETE", &format!("Things({thing})"), token, &entity).0, 403);
    }
    let observations = format!("Datastreams({m1})/Observations");
    assert_eq!(city.get(&format!("{ROOT}/Things"), &gateway).0, 403, "it sends and sees nothing");
    assert_eq!(ask(&city, "POST", &observations, &viewer, &json!({"result": 1})).0, 403);
    assert_eq!(ask(&city, "POST", &observations, &gateway, &json!({"result": 1})).0, 201);
    // Clients that know nothing but a name and a password send the token as the latter.
    let basic = |text: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    for (pair, wanted) in [(format!("any:{viewer}"), 200), ("any:wrong".to_owned(), 401)] {
        let header = basic(&pair);
        let headers = [("authorization", header.as_str())];
        let (status, _) =
            city.send_with("GET", &format!("{ROOT}/Things"), "", &headers, b"").unwrap();
        assert_eq!(status, wanted);
    }
}
