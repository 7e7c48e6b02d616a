//! MQTT with programs that others wrote: `mosquitto_pub` against our own listener, and a real broker
//! between it and our subscriber, through kills of the server.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{City, Folder, metric, now_ms, until};

const GRID: &str = "500103001001001";
const OTHER_GRID: &str = "500105001001001";
const TOPIC: &str = "chengmai/v1/m1/methane";
const DEVICES: &str = "id,kinds,area\nm1,methane,500103001001001\nm2,methane,500103001001002\n";

/// `mosquitto_pub` towards that port, ready for more arguments.
fn publisher(port: u16) -> Command {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with that text on its standard input.
fn publish(mut command: Command, text: &str) -> Output {
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("mosquitto_pub does not start ({error}): install the package mosquitto-clients")
    });
    // One that was refused does not read to the end.
    drop(child.stdin.take().unwrap().write_all(text.as_bytes()));
    child.wait_with_output().unwrap()
}

/// The value of every reading of a device, oldest first, with its time in milliseconds.
fn readings(city: &City, device: &str) -> Vec<(i64, f64)> {
    let path = format!("/api/v1/devices/{device}/observations?kind=methane&limit=10000");
    let pair = |item: &Value| {
        let at: jiff::Timestamp = item["at"].as_str().unwrap().parse().unwrap();
        (at.as_millisecond(), item["value"].as_f64().unwrap())
    };
    city.list(&path, &city.admin).iter().map(pair).collect()
}

fn values(city: &City, device: &str) -> Vec<f64> {
    readings(city, device).into_iter().map(|(_, value)| value).collect()
}

/// Port of the city's own listener.
fn listener(city: &City) -> u16 {
    let (_, system) = city.get("/api/v1/system", &city.admin);
    let address = system["mqtt"]["listen"].as_str().unwrap();
    address.parse::<std::net::SocketAddr>().unwrap().port()
}

#[test]
fn every_version_and_quality_of_service_reaches_the_journal_with_a_token_for_password() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(DEVICES);
    let token = city.account("feed", &["ingest"], "50", None);
    let port = listener(&city);
    let mut expected = Vec::new();
    for version in ["mqttv311", "mqttv5"] {
        for quality in ["0", "1", "2"] {
            let value = 1.5 + expected.len() as f64;
            let mut command = publisher(port);
            command.args(["-V", version, "-q", quality, "-u", "anybody", "-P", &token]);
            command.args(["-t", TOPIC, "-m", &value.to_string()]);
            let output = publish(command, "");
            assert!(output.status.success(), "{version} {quality}: {output:?}");
            expected.push(value);
            // Quality of service 0 promises its sender nothing, so it is waited for.
            until("the reading is there", || (values(&city, "m1") == expected).then_some(()));
        }
    }
    assert_eq!(metric(&city, "chengmai_mqtt_messages_total"), 6);
}

#[test]
fn a_wrong_token_and_one_without_the_right_are_refused() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(DEVICES);
    let port = listener(&city);
    let viewer = city.account("viewer", &["viewer"], "50", None);
    for version in ["mqttv311", "mqttv5"] {
        for token in ["cm_nonsense", &viewer] {
            let mut command = publisher(port);
            command
                .args(["-V", version, "-q", "1", "-u", "x", "-P", token, "-t", TOPIC, "-m", "9"]);
            let output = publish(command, "");
            assert!(!output.status.success(), "{version}: {output:?}");
        }
    }
    assert_eq!(values(&city, "m1"), [] as [f64; 0]);
    assert_eq!(metric(&city, "chengmai_mqtt_messages_total"), 0);
}

#[test]
fn a_batch_of_lines_is_taken_line_by_line_and_a_gateway_speaks_for_its_area_only() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area\nm1,methane,{GRID}\nm9,methane,{OTHER_GRID}\n"));
    let token = city.account("gateway", &["ingest"], "500103", None);
    let at = (now_ms() - 60_000) * 1_000_000;
    let lines = format!(
        "methane,device=m1 value=7 {at}\n\
         methane,device=m1 value=oops {at}\n\
         methane,device=m9 value=8 {at}\n\
         methane,device=m1 value=7.5 {}\n",
        at + 1_000_000_000
    );
    let mut command = publisher(listener(&city));
    command.args(["-V", "mqttv5", "-q", "1", "-u", "x", "-P", &token]);
    command.args(["-t", "chengmai/v1/line", "-s"]);
    let output = publish(command, &lines);
    assert!(output.status.success(), "{output:?}");
    until("the good lines are applied", || {
        (metric(&city, "chengmai_readings_applied_total") == 2).then_some(())
    });
    assert_eq!(city.values("m1", 2), [7.0, 7.5]);
    assert_eq!(values(&city, "m9"), [] as [f64; 0]);
    let (_, system) = city.get("/api/v1/system", &city.admin);
    assert_eq!(system["refused_total"], json!(2), "{system}");
}

#[test]
fn json_of_known_devices_is_taken_and_what_is_wrong_with_it_is_refused_as_ever() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area\nm1,methane;h2s,{GRID}\nm9,methane,{OTHER_GRID}\n"));
    let token = city.account("gateway", &["ingest"], "500103", None);
    let at = now_ms() - 60_000;
    let send = |topic: &str, payload: &str| {
        let mut command = publisher(listener(&city));
        command
            .args(["-V", "mqttv5", "-q", "1", "-u", "x", "-P", &token, "-t", topic, "-m", payload]);
        let output = publish(command, "");
        assert!(output.status.success(), "{topic} {payload}: {output:?}");
    };
    send(TOPIC, &format!("{{\"value\":7,\"time\":{at}}}"));
    send("chengmai/v1/m1", &format!("{{\"methane\": 7.5, \"h2s\": 1, \"time\": {}}}", at + 1_000));
    send(TOPIC, &format!("{{\"value\":8,\"time\":{},\"unit\":\"%LEL\"}}", at + 2_000));
    assert_eq!(city.values("m1", 4).len(), 4);
    assert_eq!(readings(&city, "m1"), [(at, 7.0), (at + 1_000, 7.5), (at + 2_000, 8.0)]);
    let refused = [
        (TOPIC, format!("{{\"value\":1e9,\"time\":{at}}}")),
        (TOPIC, format!("{{\"value\":-1000000,\"time\":{at}}}")),
        (TOPIC, format!("{{\"value\":1,\"time\":{}}}", at + 3_600_000)),
        (TOPIC, "{\"value\":1,\"time\":7}".to_owned()),
        (TOPIC, "{\"value\":1".to_owned()),
        ("chengmai/v1/m9/methane", "{\"value\":1}".to_owned()),
        ("chengmai/v1/nobody/methane", "{\"value\":1}".to_owned()),
        ("chengmai/v1/m1/nothing", "{\"value\":1}".to_owned()),
        ("chengmai/v1/line", "{\"value\":1}".to_owned()),
    ];
    for (count, (topic, payload)) in (1..).zip(&refused) {
        send(topic, payload);
        let (_, system) = city.get("/api/v1/system", &city.admin);
        assert_eq!(system["refused_total"], json!(count), "{topic} {payload}");
    }
    assert_eq!(readings(&city, "m1").len(), 3);
    assert_eq!(values(&city, "m9"), [] as [f64; 0]);
}

/// A device that speaks MQTT 3.1.1 by hand.
struct Device(TcpStream);

impl Device {
    fn connect(port: u16, token: &str) -> Self {
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0b1100_0010, 0, 60];
        for text in ["", "x", token] {
            body.extend([0, u8::try_from(text.len()).unwrap()]);
            body.extend(text.as_bytes());
        }
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        stream.write_all(&packet(0x10, &body)).unwrap();
        let mut welcome = [0; 4];
        stream.read_exact(&mut welcome).unwrap();
        assert_eq!(welcome, [0x20, 2, 0, 0]);
        Self(stream)
    }

    fn send(&mut self, id: u8, payload: &str) {
        let len = u8::try_from(TOPIC.len()).unwrap();
        let body = [&[0, len], TOPIC.as_bytes(), &[0, id], payload.as_bytes()].concat();
        self.0.write_all(&packet(0x32, &body)).unwrap();
    }

    fn expect_acknowledgement(&mut self, id: u8) {
        let mut answer = [0; 4];
        self.0.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x40, 2, 0, id]);
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128, "a length of one byte");
    [&[first, u8::try_from(body.len()).unwrap()], body].concat()
}

#[test]
fn what_was_acknowledged_to_many_connections_survives_a_kill() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(DEVICES);
    let token = city.account("feed", &["ingest"], "50", None);
    let port = listener(&city);
    let start = now_ms() - 600_000;
    let mut devices: Vec<Device> = (0..40).map(|_| Device::connect(port, &token)).collect();
    let mut expected = Vec::new();
    for round in 1..=5 {
        for (number, device) in (0_i64..).zip(&mut devices) {
            let at = start + i64::from(round) * 1_000 + number;
            // Two decimals, as a sensor says them: a number that every reader of JSON reads alike.
            let value = (f64::from(round) * 100.0 + number as f64) / 100.0;
            device.send(round, &format!("{{\"value\":{value},\"time\":{at}}}"));
            expected.push((at, value));
        }
        for device in &mut devices {
            device.expect_acknowledgement(round);
        }
    }
    city.kill();
    let city = City::start(&folder, &[]);
    until("all is there again", || (readings(&city, "m1").len() >= expected.len()).then_some(()));
    assert_eq!(readings(&city, "m1"), expected, "each once, none lost");
}

/// A real broker of our own; it ends with the test.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(folder: &Folder) -> Self {
        let given = std::env::var("CHENGMAI_MOSQUITTO");
        let program = given.unwrap_or_else(|_unset| "/usr/sbin/mosquitto".to_owned());
        assert!(
            Path::new(&program).exists(),
            "no broker at {program}: install the package mosquitto, or name it in CHENGMAI_MOSQUITTO"
        );
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let file = folder.path().join("mosquitto.conf");
        // Mosquitto drops what it has queued for an absent client beyond 1000 messages, unless told.
        let settings =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let broker = Self { child: command.spawn().unwrap(), port };
        until("the broker is open", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        broker
    }

    fn url(&self, query: &str) -> String {
        format!("mqtt://127.0.0.1:{}{query}", self.port)
    }

    /// Publishes one message a line at quality of service 1; when this returns the broker has
    /// acknowledged every one.
    fn publish(port: u16, topic: &str, lines: &str) {
        let mut command = publisher(port);
        command.args(["-V", "mqttv5", "-q", "1", "-t", topic, "-l"]);
        let output = publish(command, lines);
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// Messages with their own times, a tenth of a second apart.
fn messages(start: i64, numbers: std::ops::Range<i64>) -> (String, Vec<(i64, f64)>) {
    let readings: Vec<(i64, f64)> =
        numbers.map(|number| (start + number * 100, (number % 10) as f64 + 0.5)).collect();
    let line = |(at, value): &(i64, f64)| format!("{{\"value\":{value},\"time\":{at}}}\n");
    (readings.iter().map(line).collect(), readings)
}

#[test]
fn nothing_published_to_the_broker_is_lost_by_kills_of_the_server_or_while_it_is_down() {
    let folder = Folder::new();
    let broker = Broker::start(&folder);
    let url = broker.url("");
    let flags = ["--mqtt-broker", &url];
    let mut city = City::start(&folder, &flags);
    city.register(DEVICES);
    until("it has subscribed", || {
        (metric(&city, "chengmai_mqtt_broker_connects_total") > 0).then_some(())
    });
    // The SUBSCRIBE is on its way; from the first message that arrives the broker keeps the session.
    let start = now_ms() - 3_600_000;
    let mut expected = Vec::new();
    until("a first message arrives", || {
        let (line, reading) = messages(start, 0..1);
        Broker::publish(broker.port, TOPIC, &line);
        expected = reading;
        (readings(&city, "m1") == expected).then_some(())
    });
    for round in 0..3 {
        let from = 1 + round * 2_000;
        let (lines, busy) = messages(start, from..from + 1_500);
        let port = broker.port;
        let before = metric(&city, "chengmai_mqtt_messages_total");
        let publishing = std::thread::spawn(move || Broker::publish(port, TOPIC, &lines));
        until("it is in the midst of it", || {
            (metric(&city, "chengmai_mqtt_messages_total") > before + 100).then_some(())
        });
        city.kill();
        publishing.join().unwrap();
        let (lines, away) = messages(start, from + 1_500..from + 2_000);
        Broker::publish(port, TOPIC, &lines);
        expected.extend(busy);
        expected.extend(away);
        city = City::start(&folder, &flags);
        until("all has arrived", || (readings(&city, "m1").len() >= expected.len()).then_some(()));
        assert_eq!(readings(&city, "m1"), expected, "round {round}: each once, none lost");
    }
}

#[test]
fn a_topic_added_to_the_settings_is_heard_after_a_restart() {
    let folder = Folder::new();
    let broker = Broker::start(&folder);
    let hears = |city: &City, device: &str, count: i64| {
        let start = now_ms() - 60_000;
        until("messages of the device arrive", || {
            let (line, _) = messages(start, 0..count);
            Broker::publish(broker.port, &format!("chengmai/v1/{device}/methane"), &line);
            (!values(city, device).is_empty()).then_some(())
        });
    };
    let url = broker.url("?topic=chengmai/v1/m1/%23");
    let city = City::start(&folder, &["--mqtt-broker", &url]);
    city.register(DEVICES);
    hears(&city, "m1", 1);
    assert_eq!(values(&city, "m2"), [] as [f64; 0]);
    city.stop();
    let url = broker.url("?topic=chengmai/v1/m1/%23&topic=chengmai/v1/m2/%23");
    let city = City::start(&folder, &["--mqtt-broker", &url]);
    hears(&city, "m2", 1);
}
