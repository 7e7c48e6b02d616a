//! Too much of everything: fields, bytes, depth, streams, connections, and time.

use std::io::BufRead as _;

use super::*;
use crate::harness::metric;

#[test]
fn too_many_or_too_long_header_fields_are_refused_by_the_number_for_it() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let fields =
        |count: usize| (0..count).map(|n| format!("x{n}: y\r\n")).collect::<Vec<_>>().concat();
    assert_eq!(status(&ask(&city, "GET", "/healthz", &fields(90))), 200);
    for count in [101, 500, 5_000] {
        assert_eq!(status(&ask(&city, "GET", "/healthz", &fields(count))), 431, "{count}");
    }
    let field = |len: usize| format!("x: {}\r\n", "y".repeat(len));
    assert_eq!(status(&ask(&city, "GET", "/healthz", &field(8_000))), 200);
    for len in [40_000, 1_000_000] {
        let answer = ask(&city, "GET", "/healthz", &field(len));
        assert!([431, 0].contains(&status(&answer)), "{len}: {answer}");
    }
    for len in [70_000, 1_000_000] {
        let answer = ask(&city, "GET", &format!("/{}", "a".repeat(len)), "");
        assert!([414, 431, 0].contains(&status(&answer)), "{len}: {answer}");
    }
    let cookies = |n| format!("cookie: a{n}=b; chengmai_session=x{n}\r\n");
    let cookies = (0..80).map(cookies).collect::<Vec<_>>().concat();
    assert_eq!(status(&ask(&city, "GET", "/api/v1/users", &cookies)), 401);
    is_well(&city, 1);
}

#[test]
fn slow_ones_keep_nobody_waiting_and_are_let_go() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let beginnings: [&[u8]; 4] =
        [b"", b"P", b"GET / HTTP/1.1\r\nhost: x\r\nx-a: ", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let slow: Vec<TcpStream> = (0..400)
        .map(|number| {
            let mut stream = TcpStream::connect(city.http).unwrap();
            stream.write_all(beginnings[number % beginnings.len()]).unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(city.get("/readyz", "").0, 200);
    }
    for mut stream in slow {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        // Ended by us, with a word or without.
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
    assert!(metric(&city, "chengmai_http_closed_total{reason=\"idle\"}") >= 400);
    is_well(&city, 1);
}

#[test]
fn a_live_stream_outlasts_what_ends_those_who_ask_nothing() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let mut live = city.events("", &city.admin);
    let mut silent = TcpStream::connect(city.http).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    // When this one has been let go, the live stream is older than it was.
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    for _ in 0..3 {
        live.until("tick", "");
    }
}

#[test]
fn what_unpacks_to_too_much_is_refused_before_it_fills_anything() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let packed = |bytes: u64| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::copy(&mut std::io::repeat(b' ').take(bytes), &mut packer).unwrap();
        packer.finish().unwrap()
    };
    let bomb = packed(1 << 30);
    let twice = {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&bomb).unwrap();
        packer.finish().unwrap()
    };
    let cut = bomb[..bomb.len() / 2].to_vec();
    let bodies = [
        ("a bomb", &bomb),
        ("a bomb in a bomb", &twice),
        ("half of one", &cut),
        ("no gzip", &b"methane,device=x value=1".to_vec()),
    ];
    for (what, body) in bodies {
        for path in ["/api/v2/write", "/api/v1/observations", "/api/v1/gateway/readings"] {
            for encoding in ["gzip", "gzip, gzip", "GZIP"] {
                let headers =
                    [("content-encoding", encoding), ("content-type", "application/json")];
                let sent = city.send_with("POST", path, &city.admin, &headers, body);
                let (status, answer) = sent.unwrap();
                assert!(
                    (400..500).contains(&status),
                    "{what} {path} {encoding}: {status} {answer:.300}"
                );
            }
        }
    }
    let memory = std::fs::read_to_string(format!("/proc/{}/status", city.process())).unwrap();
    let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 900 * 1_024, "the server once had {kib} KiB");
    is_well(&city, 1);
}

#[test]
fn depth_and_length_of_a_body_are_refused_and_nothing_falls_over() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--body-mib-max", "2"]);
    let depth = 100_000;
    let arrays = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let geo = format!(
        "{{\"type\":\"FeatureCollection\",\"features\":[{{\"type\":\"Feature\",\"geometry\":{{\"type\":\"GeometryCollection\",\"geometries\":{arrays}}}}}]}}"
    );
    let keys = format!(
        "{{{}}}",
        (0..50_000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",")
    );
    let numbers = format!("[{}]", vec!["1e999999"; 50_000].join(","));
    let over = format!("{{\"text\":\"{}\"}}", "x".repeat(3 << 20));
    let document = document(&city);
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in ["post", "put"] {
            if methods.get(method).is_none() || path.contains("/train") {
                continue;
            }
            let path = path
                .replace("{id}", "x")
                .replace("{action}", "dispatch")
                .replace("{name}", "nobody")
                .replace("{hash}", "0")
                .replace("{document}", "requests.json")
                .replace("{token}", "x");
            for body in [&arrays, &objects, &geo, &keys, &numbers, &over] {
                let kind = [("content-type", "application/json"), ("x-forwarded-for", "10.9.9.9")];
                let (method, token) = (method.to_uppercase(), &city.admin);
                // One that is refused early may find the door shut while it still speaks.
                let Ok((status, answer)) =
                    city.send_with(&method, &path, token, &kind, body.as_bytes())
                else {
                    assert!(body.len() > 1 << 20, "{method} {path}");
                    continue;
                };
                asked += 1;
                assert!(status < 500, "{method} {path}: {status} {answer:.300}");
            }
        }
    }
    assert!(asked > 150, "{asked} requests");
    is_well(&city, 1);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// GET / of host x, in the words of the static table.
const HEAD: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Says hello, then frames until the server hangs up; true when it did.
fn hangs_up(city: &City, mut frames: impl FnMut(u32) -> Vec<u8>) -> bool {
    let mut stream = TcpStream::connect(city.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[HELLO, &frame(4, 0, 0, &[])].concat()).unwrap();
    for number in 0..20_000 {
        if stream.write_all(&frames(number)).is_err() {
            return true;
        }
    }
    let mut rest = std::io::BufReader::new(stream);
    loop {
        match rest.fill_buf() {
            Ok([]) => return true,
            Ok(bytes) => {
                let len = bytes.len();
                rest.consume(len);
            }
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn floods_of_http_2_end_their_own_connection() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (open, reset, go_on) = (1, 3, 9);
    let odd = |number: u32| number * 2 + 1;
    // Streams opened and taken back at once.
    assert!(hangs_up(&city, |number| {
        let cancel = 8_u32.to_be_bytes();
        [frame(open, 5, odd(number), &HEAD), frame(reset, 0, odd(number), &cancel)].concat()
    }));
    // A head without an end.
    assert!(hangs_up(&city, |number| match number {
        0 => frame(open, 1, 1, &HEAD),
        _ => frame(go_on, 0, 1, &[0x40, 1, b'x', 1, b'y'].repeat(200)),
    }));
    // Settings and pings that want an answer each, unread.
    assert!(hangs_up(&city, |number| match number {
        0..19_999 => [frame(6, 0, 0, &[7; 8]), frame(4, 0, 0, &[])].concat(),
        // An end, should all else have been borne.
        _ => frame(open, 5, 2, &HEAD),
    }));
    is_well(&city, 1);
}
