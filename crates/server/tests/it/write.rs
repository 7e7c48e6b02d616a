//! Readings in over HTTP: what is taken, what is refused and how, and that every refusal is counted.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{City, Folder, metric, now_ms, until};

const GRID: &str = "500103001001001";

fn city(flags: &[&str]) -> (Folder, City) {
    let folder = Folder::new();
    let city = City::start(&folder, flags);
    city.register(&format!(
        "id,kinds,area,period\nm1,methane,{GRID},1m\nw1,water_pressure;water_flow,{GRID},1m\n"
    ));
    (folder, city)
}

fn refused(city: &City, reason: &str) -> u64 {
    let (_, text) = city.send_with("GET", "/metrics", "", &[], b"").unwrap();
    let label = format!("reason=\"{reason}\"");
    let mut lines = text.lines().filter(|l| l.starts_with("chengmai_refused_total{"));
    let line = lines.find(|l| l.contains(&label)).unwrap_or_else(|| panic!("no counter {label}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn good_lines_are_answered_204_and_a_bad_line_refuses_only_itself() {
    let (_folder, city) = city(&[]);
    let now = now_ms();
    assert_eq!(city.write(&city.admin, &format!("methane,device=m1 value=1.5 {now}\n")).0, 204);
    let lines = format!(
        "methane,device=m1 value=2 {}\n\n# a remark\nmethane,device=m1 value=oops {}\nmethane,device=m1 value=3 {}\n",
        now + 1,
        now + 2,
        now + 3
    );
    let (status, answer) = city.write(&city.admin, &lines);
    assert_eq!(status, 400);
    assert_eq!(
        (&answer["code"], &answer["line"], &answer["accepted"]),
        (&json!("invalid"), &json!(4), &json!(2)),
        "{answer}"
    );
    let first = &answer["refused"][0];
    assert_eq!((&first["line"], &first["code"]), (&json!(4), &json!("E-101")), "{answer}");
    let byte = usize::try_from(first["byte"].as_u64().unwrap()).unwrap();
    assert!(
        ("methane,device=m1 ".len()..="methane,device=m1 value=oops".len() + 1).contains(&byte),
        "{answer}"
    );
    assert!(answer["message"].as_str().unwrap().contains("partial write"), "{answer}");
    assert_eq!(city.values("m1", 3), [1.5, 2.0, 3.0]);
    assert_eq!(refused(&city, "malformed"), 1);
}

#[test]
fn every_precision_and_gzip_mean_the_same_moment() {
    let (_folder, city) = city(&[]);
    let second = now_ms() / 1_000 - 100;
    for (index, (precision, digits)) in
        [("ns", "000000000"), ("us", "000000"), ("ms", "000"), ("s", "")].into_iter().enumerate()
    {
        let at = second + i64::try_from(index).unwrap();
        let line = format!("methane,device=m1 value={index} {at}{digits}\n");
        let path = format!("/api/v2/write?precision={precision}&bucket=b&org=o");
        let answer = city.send("POST", &path, &city.admin, Some("text/plain"), line.as_bytes());
        assert_eq!(answer.0, 204, "{precision}: {}", answer.1);
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed
        .write_all(format!("methane,device=m1 value=9 {}000000000\n", second + 4).as_bytes())
        .unwrap();
    let headers = [("content-encoding", "gzip")];
    let path = "/api/v2/write";
    let body = packed.finish().unwrap();
    let (status, text) = city.send_with("POST", path, &city.admin, &headers, &body).unwrap();
    assert_eq!(status, 204, "{text}");
    assert_eq!(city.values("m1", 5), [0.0, 1.0, 2.0, 3.0, 9.0]);
    let items = city.list("/api/v1/devices/m1/observations", &city.admin);
    let times: Vec<String> = items.iter().map(|o| o["at"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<String> =
        (0..5).map(|n| chengmai_model::Timestamp((second + n) * 1_000).to_rfc3339()).collect();
    assert_eq!(times, expected);
    let (status, problem) = city.send(
        "POST",
        "/api/v2/write?precision=h",
        &city.admin,
        None,
        b"methane,device=m1 value=1\n",
    );
    assert_eq!((status, &problem["code"]), (400, &json!("E-205")), "{problem}");
}

#[test]
fn each_kind_of_refusal_has_a_name_and_is_counted() {
    let (_folder, city) = city(&[]);
    let now = now_ms();
    let cases = [
        ("malformed", format!("methane,device=m1 {now}\n")),
        ("not_finite", format!("methane,device=m1 value=NaN {now}\n")),
        ("out_of_range", format!("methane,device=m1 value=101 {now}\n")),
        ("wrong_unit", format!("methane,device=m1,unit=ppm value=2 {now}\n")),
        ("future_time", format!("methane,device=m1 value=2 {}\n", now + 900_000)),
        ("time_too_old", "methane,device=m1 value=2 1000\n".to_owned()),
        ("unknown_device", format!("methane,device=nobody value=2 {now}\n")),
        ("unknown_kind", format!("dreams,device=m1 value=2 {now}\n")),
        ("field_not_numeric", format!("methane,device=m1 value=\"two\" {now}\n")),
    ];
    for (name, line) in &cases {
        let before = refused(&city, name);
        let (status, answer) = city.write(&city.admin, line);
        assert_eq!(status, 400, "{name}: {answer}");
        assert_eq!(answer["refused"][0]["name"], *name, "{answer}");
        assert_eq!(refused(&city, name), before + 1, "{name} is counted once");
    }
    assert_eq!(city.values("m1", 0), [0.0; 0]);
    let headers = [("content-encoding", "gzip")];
    let sent =
        city.send_with("POST", "/api/v2/write", &city.admin, &headers, b"not packed").unwrap();
    assert_eq!(sent.0, 400, "{}", sent.1);
    assert_eq!(refused(&city, "bad_encoding"), 1);
    let (_, system) = city.get("/api/v1/system", &city.admin);
    assert_eq!(system["refused_total"], cases.len() + 1, "{system}");
}

#[test]
fn unknown_devices_are_registered_on_first_sight_only_where_that_is_allowed() {
    let (_folder, city) = city(&["--register-unknown"]);
    let now = now_ms();
    let line = format!("methane,device=new1,area={GRID} value=2 {now}\n");
    assert_eq!(city.write(&city.admin, &line).0, 204);
    let (status, device) = city.get("/api/v1/devices/new1", &city.admin);
    assert_eq!((status, &device["area"]), (200, &json!(GRID)), "{device}");
    for (name, line) in [
        ("unknown_area", format!("methane,device=new2,area=999 value=2 {now}\n")),
        ("id_too_long", format!("methane,device={} value=2 {now}\n", "x".repeat(129))),
        ("out_of_range", format!("methane,device=new3,area={GRID} value=500 {now}\n")),
    ] {
        let (status, answer) = city.write(&city.admin, &line);
        assert_eq!((status, &answer["refused"][0]["name"]), (400, &json!(name)), "{answer}");
        assert_eq!(refused(&city, name), 1);
    }
    for absent in ["new2", "new3"] {
        let (status, _) = city.get(&format!("/api/v1/devices/{absent}"), &city.admin);
        assert_eq!(status, 404, "a refused reading left {absent} behind");
    }
}

#[test]
fn json_ndjson_and_csv_are_taken_item_by_item() {
    let (_folder, city) = city(&[]);
    let now = now_ms();
    let path = "/api/v1/observations";
    let array = json!([
        {"device": "m1", "value": 1, "time": now},
        {"device": "w1", "kind": "water_flow", "value": 12.5, "unit": "m3/h", "time": now},
        {"device": "w1", "value": 3, "time": now},
        {"device": "nobody", "value": 3, "time": now},
    ]);
    let (status, answer) = city.post(path, &city.admin, &array);
    assert_eq!(
        (status, &answer["accepted"], &answer["refused_total"]),
        (200, &json!(2), &json!(2)),
        "{answer}"
    );
    let lines: Vec<&Value> =
        answer["refused"].as_array().unwrap().iter().map(|r| &r["line"]).collect();
    assert_eq!(lines, [&json!(3), &json!(4)], "{answer}");
    let ndjson = format!(
        "{{\"device\":\"m1\",\"value\":2,\"time\":{}}}\n{{broken\n{{\"device\":\"m1\",\"value\":3,\"time\":{}}}\n",
        now + 1,
        now + 2
    );
    let sent =
        city.send("POST", path, &city.admin, Some("application/x-ndjson"), ndjson.as_bytes());
    assert_eq!(
        (sent.0, &sent.1["accepted"], &sent.1["refused"][0]["line"]),
        (200, &json!(2), &json!(2)),
        "{}",
        sent.1
    );
    let csv =
        format!("device,kind,value,time\nm1,methane,4,{}\nm1,methane,x,{}\n", now + 3, now + 4);
    let sent = city.send("POST", path, &city.admin, Some("text/csv"), csv.as_bytes());
    assert_eq!(
        (sent.0, &sent.1["accepted"], &sent.1["refused"][0]["line"]),
        (200, &json!(1), &json!(3)),
        "{}",
        sent.1
    );
    assert_eq!(city.values("m1", 4), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(city.values("w1", 1), [12.5]);
    let (status, answer) = city.post(path, &city.admin, &json!([{"device": "nobody", "value": 1}]));
    assert_eq!((status, &answer["accepted"]), (400, &json!(0)), "{answer}");
}

#[test]
fn a_body_over_the_limit_is_refused_whole_packed_or_not() {
    let (_folder, city) = city(&["--body-mib-max", "1"]);
    let line = format!("methane,device=m1 value=2 {}\n", now_ms());
    // Just over the limit, so that all of it is sent before the answer comes.
    let large = line.repeat((1 << 20) / line.len() + 1);
    let (status, problem) = city.write(&city.admin, &large);
    assert_eq!(status, 413, "{problem}");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(large.as_bytes()).unwrap();
    let body = packed.finish().unwrap();
    assert!(body.len() < 100_000);
    let headers = [("content-encoding", "gzip")];
    let path = "/api/v2/write?precision=ms";
    let (status, text) = city.send_with("POST", path, &city.admin, &headers, &body).unwrap();
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &problem["code"]), (413, &json!("E-107")), "{problem}");
    assert_eq!(refused(&city, "body_too_large"), 2);
    assert_eq!(city.values("m1", 0), [0.0; 0]);
    assert_eq!(metric(&city, "chengmai_readings_accepted_total "), 0);
}

#[test]
fn a_gateway_asks_once_for_numbers_and_then_sends_columns() {
    use chengmai_model::{Reading, StreamId, Timestamp};
    let (_folder, city) = city(&[]);
    let asked = json!({"streams": [{"device": "m1", "kind": "methane"}, {"device": "m1"},
        {"device": "w1"}, {"device": "nobody", "kind": "methane"}]});
    let (status, answer) = city.post("/api/v1/gateway/streams", &city.admin, &asked);
    assert_eq!(status, 200, "{answer}");
    let number = answer["numbers"][0].as_u64().unwrap();
    assert_eq!(answer["numbers"], json!([number, number, null, null]), "{answer}");
    let codes: Vec<_> = answer["refused"].as_array().unwrap().iter().map(|r| &r["code"]).collect();
    assert_eq!(codes, ["E-109", "E-108"], "a device with two streams needs a kind");
    let (stream, now) = (StreamId(u32::try_from(number).unwrap()), now_ms());
    let reading = |stream, ms, value| Reading { stream, at: Timestamp(now + ms), value };
    let send = |readings: &[Reading]| {
        let body = chengmai_wire::gateway::encode(readings).unwrap();
        let binary = Some("application/octet-stream");
        city.send("POST", "/api/v1/gateway/readings", &city.admin, binary, &body)
    };
    assert_eq!(send(&[reading(stream, 0, 1.5), reading(stream, 1, 2.5)]).0, 204);
    let mixed = [
        reading(stream, 2, 3.5),
        reading(stream, 3, 1_000.0),
        reading(StreamId(4_000_000), 4, 1.0),
        reading(stream, 5, f64::NAN),
    ];
    let (status, answer) = send(&mixed);
    assert_eq!((status, &answer["accepted"]), (400, &json!(1)), "{answer}");
    let refused = answer["refused"].as_array().unwrap();
    let told: Vec<_> = refused.iter().map(|r| (&r["line"], &r["name"])).collect();
    let expected = [(2, "out_of_range"), (3, "unknown_device"), (4, "not_finite")];
    assert_eq!(
        told,
        expected.map(|(line, name)| (json!(line), json!(name))).each_ref().map(|(a, b)| (a, b))
    );
    assert_eq!(city.values("m1", 3), [1.5, 2.5, 3.5]);
}

#[test]
fn a_body_that_is_sent_again_counts_once_also_after_a_kill_and_through_another_door() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register(&format!("id,kinds,area,period\nm1,methane,{GRID},1m\n"));
    let now = now_ms() - 60_000;
    let line = |n: i64| format!("methane,device=m1 value={n} {}\n", now + n);
    let body: String = (1..=5).map(line).collect();
    assert_eq!(city.write(&city.admin, &body).0, 204);
    assert_eq!(city.write(&city.admin, &body).0, 204, "the answer was lost: sent again");
    let other: String = (1..=6).map(line).collect();
    assert_eq!(metric(&city, "chengmai_readings_accepted_total"), 5);
    city.kill();
    let city = City::start(&folder, &[]);
    assert_eq!(city.write(&city.admin, &body).0, 204);
    let item = |n: i64| json!({"device": "m1", "kind": "methane", "value": n, "time": now + n});
    let rows: Vec<Value> = (1..=5).map(item).collect();
    assert_eq!(city.post("/api/v1/observations", &city.admin, &json!(rows)).0, 200);
    assert_eq!(metric(&city, "chengmai_readings_repeated_total"), 10);
    assert_eq!(metric(&city, "chengmai_readings_accepted_total"), 0);
    assert_eq!(city.write(&city.admin, &other).0, 204, "one more reading is another body");
    assert_eq!(metric(&city, "chengmai_readings_accepted_total"), 6);
}

#[test]
fn a_body_for_which_there_is_no_room_is_refused_counted_and_taken_later() {
    let (_folder, city) = city(&[]);
    // They announce all that there is room for, and send nothing of it.
    let holders: Vec<TcpStream> = (0..48)
        .map(|_| {
            let mut sender = TcpStream::connect(city.http).unwrap();
            let (token, length) = (&city.admin, 1_023 * 1_024);
            write!(
                sender,
                "POST /api/v2/write HTTP/1.1\r\nHost: city\r\nAuthorization: Bearer {token}\r\n\
                 Content-Length: {length}\r\n\r\n"
            )
            .unwrap();
            sender
        })
        .collect();
    let mut second = 0;
    let mut write = || {
        second += 1_000;
        city.write(
            &city.admin,
            &format!("methane,device=m1 value=2 {}\n", now_ms() - 600_000 + second),
        )
    };
    let answer = until("there is no room", || Some(write()).filter(|(status, _)| *status != 204));
    assert_eq!((answer.0, &answer.1["code"]), (429, &json!("E-602")), "{}", answer.1);
    assert!(refused(&city, "overloaded") > 0);
    drop(holders);
    until("there is room again", || (write().0 == 204).then_some(()));
}
