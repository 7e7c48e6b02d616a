//! SensorThings from outside, the rarer parts: links by themselves, changes that are done together or not at
//! all, and observations of several properties at once.

use chengmai_model::Timestamp;
use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};
use crate::sensorthings::{
    MEASUREMENT, ROOT, ago, ask, count, devices, get, m1, made_station, make, names, observations,
    station,
};

fn done(city: &City, method: &str, path: &str, body: &Value) {
    let (status, answer) = ask(city, method, path, &city.admin, body);
    assert_eq!(status, 204, "{method} {path}: {answer}");
}

fn refused(city: &City, method: &str, path: &str, body: &Value) -> String {
    let (_, answer) = ask(city, method, path, &city.admin, body);
    answer["code"].as_str().unwrap_or_else(|| panic!("{method} {path} was done")).to_owned()
}

fn place(name: &str, x: f64) -> Value {
    json!({"name": name, "description": "", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [x, 20.0]}})
}

#[test]
fn a_link_is_added_pointed_elsewhere_and_taken_away_where_it_can_be() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (first, gas, mood) = made_station(&city);
    let (second, second_id) = make(&city, "Things", &json!({"name": "Second", "description": ""}));
    let (_, cellar) = make(&city, "Locations", &place("cellar", 11.0));
    let places = |thing: &str| names(&get(&city, &format!("{thing}/Locations?$orderby=name")));
    // Places of a Thing come and go, and what was is kept.
    done(&city, "POST", &format!("{first}/Locations/$ref"), &json!({"@iot.id": cellar}));
    done(&city, "POST", &format!("{first}/Locations/$ref"), &json!({"@iot.id": cellar}));
    assert_eq!(places(&first), ["cellar", "roof"]);
    assert_eq!(count(&get(&city, &format!("{first}/HistoricalLocations"))), 2);
    let address = format!("http://anywhere/sta/v1.1/{second}");
    done(
        &city,
        "POST",
        &format!("Locations({cellar})/Things/$ref"),
        &json!({"@odata.id": address}),
    );
    assert_eq!(places(&second), ["cellar"]);
    done(&city, "DELETE", &format!("{first}/Locations({cellar})/$ref"), &json!({}));
    done(&city, "DELETE", &format!("{second}/Locations/$ref?$id=Locations({cellar})"), &json!({}));
    assert_eq!((places(&first), places(&second)), (vec!["roof".to_owned()], vec![]));
    // A Datastream goes to another Thing, from either end.
    let streams = |thing: &str| names(&get(&city, &format!("{thing}/Datastreams?$orderby=name")));
    let (gas, mood) = (&gas["@iot.id"], &mood["@iot.id"]);
    done(&city, "PUT", &format!("Datastreams({gas})/Thing/$ref"), &json!({"@iot.id": second_id}));
    assert_eq!(
        (streams(&first), streams(&second)),
        (vec!["mood".to_owned()], vec!["gas".to_owned()])
    );
    done(&city, "POST", &format!("{second}/Datastreams/$ref"), &json!({"@iot.id": mood}));
    assert_eq!(streams(&second), ["gas", "mood"]);
    let sensor =
        json!({"name": "s", "description": "", "encodingType": "text/plain", "metadata": ""});
    let (sensor, sensor_id) = make(&city, "Sensors", &sensor);
    done(&city, "PUT", &format!("Datastreams({mood})/Sensor/$ref"), &json!({"@iot.id": sensor_id}));
    assert_eq!(names(&get(&city, &format!("{sensor}/Datastreams"))), ["mood"]);
    let link = get(&city, &format!("Datastreams({mood})/Sensor/$ref"));
    assert!(link["@iot.selfLink"].as_str().unwrap().ends_with(&sensor));
    for (method, path, body, code) in [
        ("DELETE", format!("Datastreams({mood})/Sensor/$ref"), json!({}), "E-467"),
        ("DELETE", format!("{second}/Datastreams({mood})/$ref"), json!({}), "E-467"),
        (
            "POST",
            format!("Datastreams({mood})/Sensor/$ref"),
            json!({"@iot.id": sensor_id}),
            "E-467",
        ),
        ("PUT", format!("{first}/Locations/$ref"), json!({"@iot.id": cellar}), "E-467"),
        ("POST", format!("{first}/Locations/$ref"), json!({"@iot.id": 999_999}), "E-204"),
        ("POST", format!("{first}/Locations/$ref"), json!({}), "E-462"),
        ("DELETE", format!("{first}/Locations({cellar})/$ref"), json!({}), "E-204"),
        ("PUT", "Things/$ref".to_owned(), json!({"@iot.id": 1}), "E-460"),
        // Its readings are of another kind.
        (
            "PUT",
            format!("Datastreams({gas})/ObservedProperty/$ref"),
            json!({"@iot.id": property(&city)}),
            "E-464",
        ),
    ] {
        assert_eq!(refused(&city, method, &path, &body), code, "{method} {path}");
    }
}

fn property(city: &City) -> i64 {
    make(city, "ObservedProperties", &json!({"name": "p", "definition": "", "description": ""})).1
}

#[test]
fn nobody_links_to_or_from_anything_of_another_area() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let own = city.account("own", &["engineer"], "500103001", None);
    let viewer = city.account("viewer", &["viewer"], "50", None);
    let (foreign, foreign_id) =
        make(&city, "Things", &json!({"name": "Foreign", "description": ""}));
    let (_, cellar) = make(&city, "Locations", &place("cellar", 11.0));
    let (status, _) =
        ask(&city, "POST", "Things", &own, &json!({"name": "Own", "description": ""}));
    assert_eq!(status, 201);
    let mine = get(&city, "Things?$filter=name%20eq%20'Own'")["value"][0]["@iot.id"].clone();
    let (device, stream) = m1(&city);
    for (method, path, body, code) in [
        ("POST", format!("Things({mine})/Locations/$ref"), json!({"@iot.id": cellar}), "E-204"),
        ("POST", format!("{foreign}/Locations/$ref"), json!({"@iot.id": cellar}), "E-204"),
        ("POST", format!("Locations({cellar})/Things/$ref"), json!({"@iot.id": mine}), "E-204"),
        ("DELETE", format!("{foreign}/Locations({cellar})/$ref"), json!({}), "E-204"),
        (
            "PUT",
            format!("Datastreams({stream})/Thing/$ref"),
            json!({"@iot.id": foreign_id}),
            "E-204",
        ),
        // What the registry holds is changed there.
        ("PUT", format!("Datastreams({stream})/Thing/$ref"), json!({"@iot.id": mine}), "E-464"),
        ("POST", format!("Things({mine})/Datastreams/$ref"), json!({"@iot.id": stream}), "E-464"),
        ("DELETE", format!("Things({device})/Locations({device})/$ref"), json!({}), "E-464"),
    ] {
        let (_, answer) = ask(&city, method, &path, &own, &body);
        assert_eq!(answer["code"], code, "{method} {path}: {answer}");
    }
    let path = format!("{foreign}/Locations/$ref");
    assert_eq!(ask(&city, "POST", &path, &viewer, &json!({"@iot.id": cellar})).0, 403);
}

/// A change set in JSON: method, address and body of each request.
fn set(city: &City, token: &str, requests: &[(&str, &str, Value)]) -> Vec<Value> {
    let one = |(number, (method, url, body)): (usize, &(&str, &str, Value))| json!({"id": number.to_string(), "atomicityGroup": "g", "method": method, "url": url, "body": body});
    let all: Vec<Value> = requests.iter().enumerate().map(one).collect();
    let (status, mut answer) = ask(city, "POST", "$batch", token, &json!({"requests": all}));
    assert_eq!(status, 200, "{answer}");
    std::mem::take(answer["responses"].as_array_mut().unwrap())
}

fn statuses(replies: &[Value]) -> Vec<u64> {
    replies.iter().map(|reply| reply["status"].as_u64().unwrap()).collect()
}

#[test]
fn a_change_set_is_done_as_a_whole_and_its_requests_name_each_other() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let now = now_ms();
    let mut thing = station("Together");
    let stream = thing["Datastreams"][0].take();
    thing["Datastreams"] = json!([]);
    let replies = set(
        &city,
        &city.admin,
        &[
            ("post", "Things", thing),
            ("post", "$0/Datastreams", stream),
            ("post", "$1/Observations", json!({"result": 1.5, "phenomenonTime": ago(now, 5)})),
            (
                "post",
                "Observations",
                json!({"result": 2.5, "phenomenonTime": ago(now, 4), "Datastream": {"@iot.id": "$1"}}),
            ),
            ("patch", "$0", json!({"description": "changed at once"})),
        ],
    );
    assert_eq!(statuses(&replies), [201, 201, 201, 201, 200], "{replies:?}");
    let address = |reply: &Value| {
        let whole = reply["headers"]["location"].as_str().unwrap();
        whole.split_once(ROOT).unwrap().1.trim_start_matches('/').to_owned()
    };
    assert_eq!(get(&city, &address(&replies[0]))["description"], "changed at once");
    assert_eq!(get(&city, &address(&replies[3]))["result"], 2.5);
    let kind = &get(&city, &address(&replies[1]))["@chengmai.kind"];
    assert_eq!(kind, "methane", "its observations are readings");
    // Changes of readings, entities and links, in one.
    let (observation, datastream) = (address(&replies[3]), address(&replies[1]));
    let replies = set(
        &city,
        &city.admin,
        &[
            ("patch", &observation, json!({"result": 3.5})),
            ("delete", &address(&replies[2]), json!({})),
            ("patch", &datastream, json!({"description": "corrected"})),
            ("post", "Things", json!({"name": "Other", "description": ""})),
            ("put", &format!("{datastream}/Thing/$ref"), json!({"@iot.id": "$3"})),
        ],
    );
    assert_eq!(statuses(&replies), [200, 200, 200, 201, 204], "{replies:?}");
    until("both corrections are seen", || {
        let all = get(&city, &format!("{datastream}/Observations"));
        (count(&all) == 1 && all["value"][0]["result"] == 3.5).then_some(())
    });
    assert_eq!(get(&city, &format!("{datastream}/Thing"))["name"], "Other");
}

#[test]
fn a_change_set_of_which_one_request_fails_leaves_nothing_behind() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (thing, gas, _) = made_station(&city);
    let now = now_ms();
    let (one, _) =
        make(&city, &observations(&gas), &json!({"result": 1, "phenomenonTime": ago(now, 9)}));
    let before = get(&city, "Things?$expand=Locations,Datastreams($expand=Observations)");
    let stream = format!("Datastreams({})", gas["@iot.id"]);
    let many = |last: (&'static str, String, Value)| {
        [
            ("post", "Things".to_owned(), station("Never")),
            ("patch", thing.clone(), json!({"description": "never"})),
            (
                "post",
                format!("{stream}/Observations"),
                json!({"result": 7, "phenomenonTime": ago(now, 3)}),
            ),
            ("patch", one.clone(), json!({"result": 8})),
            ("delete", stream.clone(), json!({})),
            last,
        ]
    };
    for last in [
        ("post", "$0/Datastreams".to_owned(), json!({"name": "incomplete"})),
        ("post", format!("{stream}/Observations"), json!({"result": 1e9})),
        ("get", "Things".to_owned(), json!({})),
        ("patch", "Things(999999)".to_owned(), json!({"name": "nobody"})),
        ("delete", stream.clone(), json!({})),
        ("post", "CreateObservations".to_owned(), json!([])),
    ] {
        let requests = many(last);
        let requests: Vec<(&str, &str, Value)> = requests
            .iter()
            .map(|(method, url, body)| (*method, url.as_str(), body.clone()))
            .collect();
        let replies = set(&city, &city.admin, &requests);
        let (last, others) = replies.split_last().unwrap();
        assert!(statuses(others).iter().all(|status| *status == 424), "{replies:?}");
        assert!(last["status"].as_u64().unwrap() >= 400, "{last}");
        assert_ne!(last["status"], 424, "why is said where it is: {last}");
        assert_eq!(
            get(&city, "Things?$expand=Locations,Datastreams($expand=Observations)"),
            before
        );
    }
    // The same in parts: one answer for all of it.
    let parts = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
        --c\r\nContent-Type: application/http\r\nContent-ID: t\r\n\r\nPOST Things HTTP/1.1\r\nContent-Type: application/json\r\n\r\n\
        {\"name\": \"parts\", \"description\": \"\"}\r\n\
        --c\r\nContent-Type: application/http\r\n\r\nPATCH $t HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"colour\": 1}\r\n--c--\r\n--b--";
    let headers = [("content-type", "multipart/mixed; boundary=b")];
    let send = |parts: &str| {
        let path = format!("{ROOT}/$batch");
        city.send_with("POST", &path, &city.admin, &headers, parts.as_bytes()).unwrap()
    };
    let (status, text) = send(parts);
    assert!(
        status == 200 && text.matches("HTTP/1.1").count() == 1 && text.contains("HTTP/1.1 400"),
        "{text}"
    );
    assert_eq!(get(&city, "Things?$filter=name%20eq%20'parts'")["value"], json!([]));
    let (_, text) = send(&parts.replace("colour\": 1", "name\": \"whole\""));
    assert!(text.contains("HTTP/1.1 201") && text.contains("HTTP/1.1 200"), "{text}");
    assert_eq!(count(&get(&city, "Things?$filter=name%20eq%20'whole'")), 1);
}

#[test]
fn a_change_set_reaches_no_further_than_its_sender() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let own = city.account("own", &["engineer"], "500103001", None);
    let gateway = city.account("gateway", &["ingest"], "50", None);
    let (foreign, _) = make(&city, "Things", &json!({"name": "Foreign", "description": ""}));
    let thing = json!({"name": "t", "description": ""});
    let replies =
        set(&city, &own, &[("post", "Things", thing.clone()), ("patch", &foreign, thing.clone())]);
    assert_eq!(statuses(&replies), [424, 404]);
    let (_, stream) = m1(&city);
    let observation = format!("Datastreams({stream})/Observations");
    let replies = set(
        &city,
        &gateway,
        &[("post", &observation, json!({"result": 1})), ("post", "Things", thing)],
    );
    assert_eq!(statuses(&replies), [424, 403]);
    assert_eq!((count(&get(&city, "Things")), count(&get(&city, &observation))), (4, 5));
}

/// A station that sends gas, mood and flood depth at once.
fn weather(name: &str) -> Value {
    let property = |name: &str, definition: &str| json!({"name": name, "definition": definition, "description": ""});
    let unit = |symbol: &str| json!({"name": symbol, "symbol": symbol, "definition": ""});
    json!({"name": name, "description": "several at once",
        "unitOfMeasurements": [unit("%LEL"), unit(""), unit("°")],
        "multiObservationDataTypes": [MEASUREMENT, "about:category", MEASUREMENT],
        "ObservedProperties": [property("gas", "urn:chengmai:kind:methane"), property("mood", "about:mood"), property("tilt", "urn:chengmai:kind:manhole_tilt")],
        "Sensor": {"name": "probe", "description": "", "encodingType": "text/plain", "metadata": ""}})
}

#[test]
fn several_properties_are_observed_at_once_and_parts_of_known_kinds_are_readings() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let mut thing = station("Bridge");
    thing["Datastreams"] = json!([]);
    thing["MultiDatastreams"] = json!([weather("all")]);
    let (thing, _) = make(&city, "Things", &thing);
    let found =
        get(&city, &format!("{thing}?$expand=MultiDatastreams($expand=ObservedProperties,Sensor)"));
    let multi = &found["MultiDatastreams"][0];
    assert_eq!(
        names(&json!({"value": multi["ObservedProperties"]})),
        ["gas", "mood", "tilt"],
        "in their order"
    );
    assert_eq!(multi["@chengmai.kinds"], json!(["methane", null, "manhole_tilt"]));
    assert_eq!(
        multi["observationType"],
        "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"
    );
    let path = format!("MultiDatastreams({})", multi["@iot.id"]);
    let observations = format!("{path}/Observations");
    let now = now_ms();
    let (one, _) = make(
        &city,
        &observations,
        &json!({"result": [2.5, "calm", 7], "phenomenonTime": ago(now, 9)}),
    );
    make(
        &city,
        "Observations",
        &json!({"result": [3.5, null, 8], "phenomenonTime": ago(now, 8), "MultiDatastream": {"@iot.id": multi["@iot.id"]}}),
    );
    let table = json!([{"MultiDatastream": {"@iot.id": multi["@iot.id"]}, "components": ["phenomenonTime", "result"],
        "dataArray": [[ago(now, 7), [4.5, "glad", null]], [ago(now, 6), [5.5, "sad"]], [ago(now, 5), [1e9, "sad", 1]]]}]);
    let (status, made) = ask(&city, "POST", "CreateObservations", &city.admin, &table);
    assert_eq!(status, 201);
    assert!(made[0].as_str().unwrap().contains("/Observations("), "{made}");
    assert!(made[1].as_str().unwrap().starts_with("error: E-462"), "{made}");
    assert!(made[2].as_str().unwrap().starts_with("error: E-103"), "{made}");
    let all = get(&city, &observations);
    let results: Vec<&Value> =
        all["value"].as_array().unwrap().iter().map(|one| &one["result"]).collect();
    assert_eq!(
        results,
        [&json!([4.5, "glad", null]), &json!([3.5, null, 8]), &json!([2.5, "calm", 7])]
    );
    // Parts of known kinds are readings of the device behind it, and no Observations of their own.
    let device = format!("sta:m{}", multi["@iot.id"]);
    let values = |kind: &str| {
        let path = format!("/api/v1/devices/{device}/observations?kind={kind}");
        let items = city.list(&path, &city.admin);
        items.iter().map(|item| item["value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    until("they are seen", || (values("methane") == [2.5, 3.5, 4.5]).then_some(()));
    assert_eq!(values("manhole_tilt"), [7.0, 8.0]);
    assert_eq!(count(&get(&city, "Observations")), 3);
    for hidden in ["Datastreams", "FeaturesOfInterest?$filter=startswith(name,'sta:')"] {
        assert_eq!(count(&get(&city, hidden)), 0, "{hidden}");
    }
    assert_eq!(count(&get(&city, "Things")), 1);
    ask_from_every_side(&city, &thing, multi, &one);
    assert_eq!(get(&city, &path)["phenomenonTime"], format!("{}/{}", ago(now, 9), ago(now, 7)));
    change_parts(&city, &path, &one, &values);
}

/// Questions about several properties, whichever way leads to them.
fn ask_from_every_side(city: &City, thing: &str, multi: &Value, one: &str) {
    let observations = format!("MultiDatastreams({})/Observations", multi["@iot.id"]);
    for (path, wanted) in [
        (format!("{observations}?$filter=result/0 gt 3"), 2),
        (format!("{observations}?$filter=result/1 eq 'calm'"), 1),
        (format!("{thing}/MultiDatastreams?$filter=ObservedProperties/name eq 'tilt'"), 1),
        ("Things?$filter=MultiDatastreams/Observations/result/0 eq 4.5".to_owned(), 1),
        ("ObservedProperties?$filter=MultiDatastreams/name eq 'all'".to_owned(), 3),
        (format!("Sensors({})/MultiDatastreams", multi["Sensor"]["@iot.id"]), 1),
    ] {
        assert_eq!(count(&get(city, &path.replace(' ', "%20"))), wanted, "{path}");
    }
    let up =
        get(city, &format!("{one}?$expand=MultiDatastream/Thing,Datastream,FeatureOfInterest"));
    assert_eq!(
        (&up["MultiDatastream"]["Thing"]["name"], &up["Datastream"]),
        (&json!("Bridge"), &Value::Null)
    );
    assert_eq!(up["FeatureOfInterest"]["name"], "roof");
    let table = get(city, &format!("{observations}?$resultFormat=dataArray&$select=result&$top=1"));
    assert!(table["value"][0]["MultiDatastream@iot.navigationLink"].is_string(), "{table}");
    assert_eq!(table["value"][0]["dataArray"], json!([[[4.5, "glad", null]]]));
}

/// What is changed of an observation is corrected in its readings.
fn change_parts(city: &City, path: &str, one: &str, values: &dyn Fn(&str) -> Vec<f64>) {
    let (status, body) =
        ask(city, "PATCH", one, &city.admin, &json!({"result": [2.75, "calm", 7]}));
    assert_eq!(status, 200, "{body}");
    until("the correction is seen", || (values("methane") == [2.75, 3.5, 4.5]).then_some(()));
    assert_eq!(values("manhole_tilt"), [7.0, 8.0]);
    let later = Timestamp(now_ms()).to_rfc3339();
    for (path, change, code) in [
        (one, json!({"result": [1]}), "E-462"),
        (one, json!({"phenomenonTime": later}), "E-462"),
        (path, json!({"unitOfMeasurements": []}), "E-464"),
    ] {
        assert_eq!(refused(city, "PATCH", path, &change), code, "{path} {change}");
    }
    assert_eq!(ask(city, "DELETE", one, &city.admin, &json!({})).0, 200);
    until("the withdrawal is seen", || (values("methane") == [3.5, 4.5]).then_some(()));
    assert_eq!(count(&get(city, &format!("{path}/Observations"))), 2);
}

#[test]
fn a_multi_datastream_has_as_many_units_as_properties_and_is_removed_with_its_thing() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (thing, _, _) = made_station(&city);
    for (change, code) in [
        (json!({"unitOfMeasurements": []}), "E-462"),
        (json!({"multiObservationDataTypes": [MEASUREMENT]}), "E-462"),
        (json!({"ObservedProperties": []}), "E-462"),
        (json!({"unitOfMeasurements": "mm"}), "E-462"),
        (json!({"unitOfMeasurements": [{"symbol": "mm"}, {}, {}]}), "E-104"),
        (json!({"Observations": [{"result": [1]}]}), "E-462"),
    ] {
        let mut multi = weather("bad");
        for (name, value) in change.as_object().unwrap() {
            multi[name] = value.clone();
        }
        let path = format!("{thing}/MultiDatastreams");
        assert_eq!(refused(&city, "POST", &path, &multi), code, "{change}");
        assert_eq!(count(&get(&city, "MultiDatastreams")), 0);
    }
    let mut multi = weather("good");
    multi["Observations"] = json!([{"result": [1, "calm", 2]}]);
    let (multi, _) = make(&city, &format!("{thing}/MultiDatastreams"), &multi);
    assert_eq!(count(&get(&city, &format!("{multi}/Observations"))), 1);
    let both =
        json!({"result": [1], "Datastream": {"@iot.id": 1}, "MultiDatastream": {"@iot.id": 2}});
    assert_eq!(refused(&city, "POST", "Observations", &both), "E-462");
    let properties = format!("{multi}/ObservedProperties/$ref");
    assert_eq!(refused(&city, "POST", &properties, &json!({"@iot.id": property(&city)})), "E-467");
    let own = city.account("own", &["engineer"], "500103001", None);
    for path in ["MultiDatastreams", "Observations"] {
        let (status, seen) = city.get(&format!("{ROOT}/{path}"), &own);
        assert_eq!((status, &seen["value"]), (200, &json!([])), "another area's: {path}");
    }
    assert_eq!(city.get(&format!("{ROOT}/{multi}"), &own).0, 404);
    assert_eq!(ask(&city, "DELETE", &thing, &city.admin, &json!({})).0, 200);
    assert_eq!(count(&get(&city, "MultiDatastreams")), 0);
    assert_eq!(count(&get(&city, "Observations")), 0);
}
