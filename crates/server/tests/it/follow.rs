//! SensorThings over MQTT: entities published to the city's own listener, and topics followed there, with
//! programs that others wrote: `mosquitto_pub`, `mosquitto_sub` and, where there is a Python, `paho-mqtt`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::harness::{City, Folder, PATIENCE, metric, now_ms, until};
use crate::sensorthings::{ROOT, ago, ask, devices, get, m1, made_station, make, observations};

/// Port of the city's own listener.
fn listener(city: &City) -> String {
    let (_, system) = city.get("/api/v1/system", &city.admin);
    let address = system["mqtt"]["listen"].as_str().unwrap();
    address.rsplit_once(':').unwrap().1.to_owned()
}

/// A program that follows topics, and what it says.
struct Follower {
    child: Child,
    lines: Receiver<Value>,
}

impl Follower {
    /// None where there is no Python with the client.
    fn start(
        city: &City,
        token: &str,
        version: &str,
        quality: &str,
        topics: &[&str],
    ) -> Option<Self> {
        let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
            chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the client");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/follow.py");
        let mut command = Command::new(python);
        command.args([script, &listener(city), token, version, quality]).args(topics);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let said = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                drop(sender.send(serde_json::from_str(&line).unwrap()));
            }
        });
        Some(Self { child, lines })
    }

    /// The same, all of whose topics are granted.
    fn granted(
        city: &City,
        token: &str,
        version: &str,
        quality: &str,
        topics: &[&str],
    ) -> Option<Self> {
        let follower = Self::start(city, token, version, quality, topics)?;
        let wanted: u8 = quality.parse::<u8>().unwrap().min(1);
        let said = follower.next();
        assert_eq!(said["granted"], json!(vec![wanted; topics.len()]), "{said}");
        Some(follower)
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("it says something more")
    }

    /// The next message: its topic, and what it says.
    fn told(&self) -> (String, Value) {
        let mut said = self.next();
        assert_eq!(said["retained"], json!(false), "{said}");
        (said["topic"].as_str().unwrap_or_default().to_owned(), said["payload"].take())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

fn publish(city: &City, token: &str, version: &str, topic: &str, payload: &Value) -> Output {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &listener(city), "-V", version, "-q", "1"]);
    command.args(["-u", "any", "-P", token, "-t", topic, "-m", &payload.to_string()]);
    command.output().unwrap()
}

fn write(city: &City, device: &str, value: f64, at: i64) {
    let line = format!("methane,device={device} value={value} {at}\n");
    assert_eq!(city.write(&city.admin, &line).0, 204);
}

#[test]
fn readings_of_every_door_are_told_to_whoever_follows_their_datastream() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--public-url", "https://city.example"]);
    devices(&city);
    let viewer = city.account("viewer", &["viewer"], "50", None);
    let (thing, stream) = m1(&city);
    let whole = format!("v1.1/Datastreams({stream})/Observations");
    let by_thing = format!("v1.1/Things({thing})/Datastreams({stream})/Observations");
    let chosen = format!("{whole}?$select=result,phenomenonTime");
    let now = now_ms();
    for (count, version) in [(1_i64, "311"), (2, "5")] {
        let topics = [whole.as_str(), &by_thing, &chosen, "v1.1/Observations"];
        let Some(follower) = Follower::granted(&city, &viewer, version, "1", &topics) else {
            return;
        };
        assert_eq!(metric(&city, "chengmai_mqtt_topics"), 4);
        let at = now - 1_000 + count;
        write(&city, "m1", 7.5, at);
        let mut told: Vec<(String, Value)> = (0..4).map(|_| follower.told()).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        let mut wanted = topics.map(str::to_owned);
        wanted.sort();
        assert_eq!(told.iter().map(|t| t.0.clone()).collect::<Vec<_>>(), wanted);
        for (topic, said) in &told {
            assert_eq!(said["result"], json!(7.5), "{topic}: {said}");
            let whole = !topic.contains('?');
            assert_eq!(said["@iot.id"].is_i64(), whole, "{topic}: {said}");
            let link = said["@iot.selfLink"].as_str().unwrap_or_default();
            assert_eq!(link.starts_with("https://city.example/sta/v1.1/Observations("), whole);
        }
        // What is told can be asked for.
        let id = &told[0].1["@iot.id"];
        let same = get(&city, &format!("Observations({id})"));
        assert_eq!(same["phenomenonTime"], told[0].1["phenomenonTime"]);
        // A reading of another device concerns whoever follows all of them, and nobody else.
        write(&city, "m2", 3.0, at);
        let (topic, said) = follower.told();
        assert_eq!((topic.as_str(), &said["result"]), ("v1.1/Observations", &json!(3.0)));
        drop(follower);
        until("it has left", || (metric(&city, "chengmai_mqtt_topics") == 0).then_some(()));
    }
}

#[test]
fn mosquitto_sub_is_told_what_is_new_in_both_versions_and_qualities() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (_, stream) = m1(&city);
    let topic = format!("v1.1/Datastreams({stream})/Observations");
    for (number, (version, quality)) in
        (0_i64..).zip([("mqttv311", "0"), ("mqttv311", "1"), ("mqttv5", "0"), ("mqttv5", "2")])
    {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &listener(&city), "-V", version, "-q", quality]);
        command.args(["-u", "any", "-P", &city.admin, "-t", &topic, "-C", "2", "-W", "60"]);
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        until("it follows", || (metric(&city, "chengmai_mqtt_topics") == 1).then_some(()));
        let at = now_ms() - 5_000 + number * 2;
        write(&city, "m1", 1.25, at);
        write(&city, "m1", 2.25, at + 1);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let results: Vec<f64> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["result"].as_f64().unwrap())
            .collect();
        assert_eq!(results, [1.25, 2.25], "{version} {quality}: {text}");
        until("it has left", || (metric(&city, "chengmai_mqtt_topics") == 0).then_some(()));
    }
    assert_eq!(metric(&city, "chengmai_mqtt_told_total"), 8);
    assert_eq!(metric(&city, "chengmai_mqtt_waiting_bytes"), 0);
}

#[test]
fn entities_and_parts_of_them_are_told_when_they_are_made_or_changed() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (thing, gas, mood) = made_station(&city);
    let (gas, mood_id) = (&gas["@iot.id"], &mood["@iot.id"]);
    let part = format!("v1.1/Datastreams({gas})/description");
    let observed = format!("v1.1/Datastreams({mood_id})/Observations");
    let streams = format!("v1.1/{thing}/Datastreams");
    let one = format!("v1.1/{thing}");
    let topics = ["v1.1/Things", &one, &part, &observed, &streams, "v1.1/Datastreams"];
    let Some(follower) = Follower::granted(&city, &city.admin, "5", "1", &topics) else { return };
    let change = |path: &str, body: Value| {
        let (status, answer) = ask(&city, "PATCH", path, &city.admin, &body);
        assert_eq!(status, 200, "{answer}");
    };
    let two = || {
        let mut told = [follower.told(), follower.told()];
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    };
    change(&thing, json!({"description": "other"}));
    let [(set, whole), (entity, same)] = two();
    assert_eq!((set.as_str(), entity.as_str()), ("v1.1/Things", one.as_str()));
    assert_eq!((&whole["description"], &whole), (&json!("other"), &same));
    // A part is told when it changes, and only then.
    let datastream = format!("Datastreams({gas})");
    change(&datastream, json!({"properties": {"a": 1}}));
    let [(set, _), (member, _)] = two();
    assert_eq!((set.as_str(), member.as_str()), ("v1.1/Datastreams", streams.as_str()));
    change(&datastream, json!({"description": "of a bridge"}));
    let mut told = [follower.told(), follower.told(), follower.told()];
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let parts: Vec<_> = told.iter().filter(|(topic, _)| *topic == part).collect();
    assert_eq!(parts, [&(part.clone(), json!({"description": "of a bridge"}))]);
    // Observations of no kind that a pack knows are told too.
    make(&city, &observations(&mood), &json!({"result": {"calm": true}}));
    let (topic, said) = follower.told();
    assert_eq!((topic, &said["result"]), (observed, &json!({"calm": true})));
    // Devices that come through another door are Things.
    city.register("id,kinds,area\nm7,methane,500103001001001\n");
    let [(datastreams, stream), (things, device)] = two();
    assert_eq!((datastreams.as_str(), things.as_str()), ("v1.1/Datastreams", "v1.1/Things"));
    assert_eq!((&device["name"], &stream["name"]), (&json!("m7"), &json!("m7/methane")));
}

#[test]
fn an_observation_published_is_on_disk_when_it_is_acknowledged() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (_, gas, mood) = made_station(&city);
    let (_, stream) = m1(&city);
    let now = now_ms();
    let gateway = city.account("gateway", &["ingest"], "50", None);
    for (number, version) in (1_i64..).zip(["mqttv311", "mqttv5"]) {
        let body =
            |result: Value| json!({"result": result, "phenomenonTime": ago(now, 10 - number)});
        let named = json!({"result": 3.5, "phenomenonTime": ago(now, 10 - number), "Datastream": {"@iot.id": gas["@iot.id"]}});
        let messages = [
            (format!("v1.1/Datastreams({stream})/Observations"), body(json!(2.5))),
            ("v1.1/Observations".to_owned(), named),
            (format!("v1.1/Datastreams({})/Observations", mood["@iot.id"]), body(json!("calm"))),
        ];
        for (topic, payload) in messages {
            let output = publish(&city, &gateway, version, &topic, &payload);
            assert!(output.status.success(), "{topic}: {output:?}");
        }
    }
    let made = publish(
        &city,
        &city.admin,
        "mqttv5",
        "v1.1/Things",
        &json!({"name": "buoy", "description": "d"}),
    );
    assert!(made.status.success(), "{made:?}");
    city.kill();
    let city = City::start(&folder, &[]);
    for (path, wanted) in [
        (format!("Datastreams({stream})/Observations?$filter=result eq 2.5"), 2),
        (observations(&gas), 2),
        (observations(&mood), 2),
        ("Things?$filter=name eq 'buoy'".to_owned(), 1),
    ] {
        let path = path.replace(' ', "%20");
        until("all is there again", || {
            (get(&city, &path)["value"].as_array().unwrap().len() == wanted).then_some(())
        });
    }
}

#[test]
fn what_is_published_wrongly_is_refused_counted_and_changes_nothing() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (_, stream) = m1(&city);
    let gateway = city.account("gateway", &["ingest"], "500105", None);
    let own = format!("v1.1/Datastreams({stream})/Observations");
    let (topic, one) = (own.as_str(), json!({"result": 1}));
    for (count, (token, topic, payload)) in (1..).zip([
        (&city.admin, topic, json!({"result": 1e9})),
        (&city.admin, topic, json!({"result": "much"})),
        (&city.admin, topic, json!("text")),
        (&city.admin, "v1.1/Observations", one.clone()),
        (&city.admin, "v1.1/Nothing", one.clone()),
        (&city.admin, "v1.1/Things(1)", one.clone()),
        // Another area's Datastream is not there, and whoever only sends makes nothing.
        (&gateway, topic, one.clone()),
        (&gateway, "v1.1/Things", json!({"name": "n", "description": "d"})),
    ]) {
        let output = publish(&city, token, "mqttv5", topic, &payload);
        assert!(output.status.success(), "{topic}: {output:?}");
        until("it is counted", || {
            let (_, system) = city.get("/api/v1/system", &city.admin);
            (system["refused_total"] == json!(count)).then_some(())
        });
    }
    assert_eq!(city.values("m1", 5).len(), 5);
    assert_eq!(get(&city, "Things?$count=true")["@iot.count"], 3);
    // Who may send nothing at all is sent away.
    let viewer = city.account("viewer", &["viewer"], "50", None);
    assert!(!publish(&city, &viewer, "mqttv5", topic, &one).status.success());
    assert_eq!(metric(&city, "chengmai_mqtt_closed_total{reason=\"unauthorised\"}"), 1);
}

#[test]
fn forged_and_foreign_topics_are_refused_each_with_its_reason() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let own = city.account("own", &["viewer"], "500105", None);
    let (thing, stream) = m1(&city);
    let (foreign, beyond) =
        (format!("v1.1/Datastreams({stream})/Observations"), format!("v1.1/Things({thing})/name"));
    let cases = [
        (foreign.as_str(), 0x87),
        (beyond.as_str(), 0x87),
        ("v1.1/Datastreams(4)/Observations", 0x87),
        ("v1.1/Things(9223372036854775807)", 0x87),
        ("v1.1/#", 0xA2),
        ("#", 0xA2),
        ("v1.1/+/Observations", 0xA2),
        ("$share/g/v1.1/Observations", 0x9E),
        ("chengmai/v1/m1/methane", 0x8F),
        ("$SYS/broker", 0x8F),
        ("v1.1/Observations?$filter=result gt 1", 0x8F),
        ("v1.1/Datastreams('1 or 1=1')/Observations", 0x87),
    ];
    for (topic, code) in cases {
        let Some(follower) = Follower::start(&city, &own, "5", "1", &[topic]) else { return };
        let said = follower.next();
        assert_eq!(said["granted"], json!([code]), "{topic}: {said}");
        assert!(said["why"].as_str().unwrap().starts_with("E-"), "{topic}: {said}");
        let Some(older) = Follower::start(&city, &own, "311", "1", &[topic]) else { return };
        assert_eq!(older.next()["granted"], json!([0x80]), "{topic}");
    }
    // The words for what is elsewhere and for what is nowhere are the same but for the id.
    let why = |topic: &str| {
        let follower = Follower::start(&city, &own, "5", "1", &[topic])?;
        Some(follower.next()["why"].as_str().unwrap().split_once('(').unwrap().0.to_owned())
    };
    assert_eq!(why(&foreign), why("v1.1/Datastreams(4)/Observations"));
    let refused = 2 * cases.len() as u64 + 2;
    let (_, system) = city.get("/api/v1/system", &city.admin);
    assert_eq!(system["refused_total"], json!(refused), "each is counted");
    assert_eq!(metric(&city, "chengmai_mqtt_topics"), 0);
}

#[test]
fn devices_and_strangers_cannot_follow_anything() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let gateway = city.account("gateway", &["ingest"], "50", None);
    city.account("engineer", &["engineer"], "50", None);
    let (status, body) =
        city.post("/api/v1/users/engineer/token", &city.admin, &json!({"device": "m1"}));
    assert_eq!(status, 201, "{body}");
    let device = body["token"].as_str().unwrap().to_owned();
    for token in [&gateway, &device] {
        let Some(follower) = Follower::start(&city, token, "5", "1", &["v1.1/Observations"]) else {
            return;
        };
        assert_eq!(follower.next()["granted"], json!([0x87]), "{token}");
    }
    for forged in ["cm_0000", "", &device[..20]] {
        let Some(stranger) = Follower::start(&city, forged, "5", "1", &["v1.1/Observations"])
        else {
            return;
        };
        assert_eq!(stranger.next()["refused"], json!(0x86), "{forged}");
    }
}

#[test]
fn whoever_follows_all_observations_is_told_of_the_own_area_and_of_no_other() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    city.register("id,kinds,area\nm9,methane,500105001001001\n");
    let own = city.account("own", &["viewer"], "500105", None);
    let topics =
        ["v1.1/Observations", "v1.1/Things", "v1.1/Datastreams", "v1.1/Locations", "v1.1/Sensors"];
    let Some(follower) = Follower::granted(&city, &own, "5", "1", &topics) else { return };
    let now = now_ms();
    write(&city, "m1", 1.0, now - 10);
    city.register("id,kinds,area,lon,lat\nm8,methane,500103001001001,106.5,29.5\n");
    write(&city, "m8", 2.0, now - 9);
    let (thing, _, mood) = made_station(&city);
    make(&city, &observations(&mood), &json!({"result": 1}));
    assert_eq!(ask(&city, "PATCH", &thing, &city.admin, &json!({"description": "x"})).0, 200);
    write(&city, "m9", 3.0, now - 8);
    // All of it came before, and only this is his: Sensors of a centre above are everybody's below it.
    let sensors: Vec<_> = (0..2).map(|_| follower.told().0).collect();
    assert_eq!(sensors, ["v1.1/Sensors", "v1.1/Sensors"]);
    let (topic, said) = follower.told();
    assert_eq!((topic.as_str(), &said["result"]), ("v1.1/Observations", &json!(3.0)));
    // A device that moves away takes its readings along.
    city.register("id,kinds,area\nm9,methane,500103001001001\n");
    write(&city, "m9", 4.0, now - 7);
    city.register("id,kinds,area\nm10,methane,500105001001001\n");
    write(&city, "m10", 5.0, now - 6);
    let heard: Vec<Value> = (0..3).map(|_| follower.told().1).collect();
    assert!(heard.iter().all(|said| said["result"] != json!(4.0)), "{heard:?}");
    assert_eq!(heard[2]["result"], json!(5.0));
}

#[test]
fn a_token_that_is_taken_back_ends_what_it_followed_and_cannot_be_used_again() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let viewer = city.account("viewer", &["viewer"], "50", None);
    let topics = ["v1.1/Observations"];
    let Some(follower) = Follower::granted(&city, &viewer, "5", "1", &topics) else { return };
    let tokens = city.list("/api/v1/users/viewer/tokens", &city.admin);
    for token in &tokens {
        let path = format!("/api/v1/users/viewer/tokens/{}", token["id"].as_str().unwrap());
        let (status, body) = city.send("DELETE", &path, &city.admin, None, b"");
        assert!(status < 300, "{body}");
    }
    assert_eq!(follower.next()["ended"], json!(0x87), "not authorised any more");
    let Some(again) = Follower::start(&city, &viewer, "5", "1", &topics) else { return };
    assert_eq!(again.next()["refused"], json!(0x86), "the same again is refused");
    assert_eq!(metric(&city, "chengmai_mqtt_topics"), 0);
}

#[test]
fn a_connection_follows_a_hundred_topics_and_no_more() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    devices(&city);
    let (thing, _) = m1(&city);
    // The same address in other words is another topic.
    let topics: Vec<String> =
        (0..=100).map(|zeros| format!("v1.1/Things({}{thing})", "0".repeat(zeros))).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let Some(follower) = Follower::start(&city, &city.admin, "5", "0", &topics) else { return };
    let mut wanted = vec![0; 101];
    wanted[100] = 0x97;
    let said = follower.next();
    assert_eq!(said["granted"], json!(wanted), "{said}");
    assert!(said["why"].as_str().unwrap().starts_with("E-466"), "{said}");
    assert_eq!(metric(&city, "chengmai_mqtt_topics"), 100);
    let (status, root) = city.get(ROOT, &city.admin);
    let served =
        "http://www.opengis.net/spec/iot_sensing/1.1/req/receive-updates-via-mqtt/receive-updates";
    let endpoint = format!("mqtt://127.0.0.1:{}", listener(&city));
    assert_eq!((status, &root["serverSettings"][served]["endpoints"]), (200, &json!([endpoint])));
}
