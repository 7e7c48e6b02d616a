//! Requests that are not well formed, or that ask for what lies beside what is served.

use super::*;

/// A path upwards, in the ways that people write it.
fn upwards() -> Vec<String> {
    let steps = [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%5c",
        "..\\",
        "%252e%252e%252f",
        "..;/",
        "....//",
        ".%00./",
        "%c0%ae%c0%ae/",
        "%uff0e%uff0e/",
        "..%c0%af",
        "//../",
        "/./../",
        "%2e%2e%5c",
        "..%00/",
        "..%ef%bc%8f",
        "%e3%80%82%e3%80%82/",
        "\u{2025}/",
    ];
    steps.iter().map(|step| step.repeat(6)).collect()
}

#[test]
fn no_path_leads_out_of_what_is_served() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let bearer = format!("authorization: Bearer {}\r\n", city.admin);
    let places = [
        "/",
        "/assets/",
        "/public/",
        "/public/photos/",
        "/public/areas/",
        "/api/v1/log/tile/",
        "/api/v1/log/tile/entries/",
        "/api/v1/cases/x/photos/",
        "/track/x/photos/",
        "/api/v1/packs/",
        "/open311/v2/",
        "/open311/v2/requests/",
        "/track/",
    ];
    let things = ["etc/passwd", "records.db", "proof/key"];
    let mut asked = 0;
    for place in places {
        for up in upwards() {
            for thing in things {
                let target = format!("{place}{up}{thing}").replace(' ', "%20");
                let answer = ask(&city, "GET", &target, &bearer);
                asked += 1;
                let leaks = ["root:x:", "SQLite format 3", "PRIVATE+KEY"];
                assert!(leaks.iter().all(|leak| !answer.contains(leak)), "{target}: {answer}");
                assert!(status(&answer) < 500, "{target}: {answer}");
            }
        }
    }
    for target in [
        "/etc/passwd",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/index.html/../../etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1/../../etc/passwd",
        "/.git/config",
        "/.env",
        "/records.db",
        "/data/records.db",
        "/assets/%00",
        "/%ff",
    ] {
        let answer = ask(&city, "GET", target, &bearer);
        asked += 1;
        assert!(
            status(&answer) < 500 && !answer.contains("root:x:") && !answer.contains("SQLite"),
            "{target}: {answer}"
        );
    }
    assert!(asked > 700, "{asked} requests");
    is_well(&city, 1);
}

#[test]
fn a_request_inside_another_is_never_answered() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let hidden = "GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n";
    let len = hidden.len();
    let shapes = [
        format!("content-length: {len}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n5c\r\n{hidden}\r\n0\r\n\r\n"
        ),
        format!("content-length: 0\r\ncontent-length: {len}\r\n\r\n{hidden}"),
        format!("content-length: {len}, 0\r\n\r\n{hidden}"),
        format!("content-length: +{len}\r\n\r\n{hidden}"),
        format!("content-length: 0x{len:x}\r\n\r\n{hidden}"),
        format!("content-length: -1\r\n\r\n{hidden}"),
        format!("content-length: 99999999999999999999\r\n\r\n{hidden}"),
        format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "transfer-encoding: identity, chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n-1\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n0;{}\r\n\r\n{hidden}", "a".repeat(70_000)),
        format!("x: y\r\n z\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("x\0: y\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("x: y\0\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("content-length: {len}\ntransfer-encoding: chunked\n\n0\n\n{hidden}"),
    ];
    for shape in &shapes {
        for path in ["/api/v1/session", "/report", "/api/v2/write"] {
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: city\r\nconnection: close\r\n{shape}");
            let answer = raw(&city, head.as_bytes());
            let answers = answer.matches("HTTP/1.1 ").count();
            assert!(answers <= 1, "{shape:?}: {answer}");
            assert!(
                !(200..400).contains(&status(&answer)) && status(&answer) < 500,
                "{shape:?}: {answer}"
            );
        }
    }
    for line in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: close, upgrade\r\nhttp2-settings: AAMAAABk\r\n\r\n",
    ] {
        // A missing host is all right for us, who serve one city; nothing of it may break the server.
        let (mut stream, mut answer) = (TcpStream::connect(city.http).unwrap(), Vec::new());
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        drop(stream.read_to_end(&mut answer));
        assert!(status(&String::from_utf8_lossy(&answer)) < 500, "{line:?}");
    }
    is_well(&city, 1);
}

#[test]
fn ranges_and_conditions_change_nothing_that_they_should_not() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let many = format!("bytes={}", vec!["0-0"; 900].join(","));
    let headers = [
        "range: bytes=0-",
        "range: bytes=-1",
        "range: bytes=9999999999999999999-",
        "range: bytes=5-1",
        "range: x=0-1",
        &format!("range: {many}"),
        "if-none-match: *",
        "if-match: \"x\"",
        "if-modified-since: yesterday",
        "if-unmodified-since: Thu, 01 Jan 1970 00:00:00 GMT",
        "if-range: \"x\"\r\nrange: bytes=0-0",
        "accept-encoding: gzip;q=9, x;q=-1",
        "accept: */*;q=nan",
        "expect: 100-continue",
        "expect: x",
        "te: trailers, deflate",
        "content-type: multipart/form-data",
        "accept-language: ../../x",
    ]
    .map(str::to_owned);
    for path in [
        "/",
        "/public",
        "/public/citizen.css",
        "/public/reports.csv",
        "/open311/v2/requests.json",
        "/api/v1/city",
        "/api/v1/log/checkpoint",
    ] {
        for header in &headers {
            let answer = ask(&city, "GET", path, &format!("{header}\r\n"));
            let expected = [200, 206, 304, 404, 412, 416, 417];
            assert!(expected.contains(&status(&answer)), "{path} {header:.40}: {answer:.400}");
            assert!(answer.len() < 4 << 20, "{path} {header:.40}: {} bytes", answer.len());
        }
    }
    is_well(&city, 1);
}

#[test]
fn a_forged_host_leads_nobody_away() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--public-url", "https://city.example"]);
    let hosts = [
        "evil.example",
        "evil.example:80@city",
        "\"><script>",
        "a b",
        "evil\u{430}",
        "..",
        "[::1]",
        "localhost:99999",
        "x".repeat(5_000).as_str(),
    ]
    .map(str::to_owned);
    for host in &hosts {
        for path in [
            "/",
            "/report",
            "/public",
            "/public/reports.rss",
            "/open311/v2/requests.xml",
            "/open311/v2/discovery.json",
            "/track/x",
        ] {
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            let answer = raw(&city, request.as_bytes());
            assert!(status(&answer) < 500, "{host:.40} {path}: {answer}");
            assert!(
                !answer.contains("<script>") && !answer.to_lowercase().contains("location: http"),
                "{host:.40} {path}: {answer}"
            );
        }
    }
    is_well(&city, 1);
}

#[test]
fn xml_and_other_kinds_of_bodies_expand_into_nothing() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let key = city.account("app", &["app"], "50", None);
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><service_request>&c;</service_request>";
    let inside = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><request><api_key>KEY</api_key><description>&f;</description></request>";
    let outside =
        "<?xml version=\"1.0\"?><!DOCTYPE x SYSTEM \"http://127.0.0.1:1/x.dtd\"><request/>";
    let include = "<request xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\" parse=\"text\"/></request>";
    let kinds = [
        "application/xml",
        "text/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
    ];
    for body in [laughs, inside, outside, include] {
        for kind in kinds {
            for path in [
                "/open311/v2/requests.xml",
                "/open311/v2/requests.json",
                "/report",
                "/report/proposal",
                "/api/v1/observations",
            ] {
                let body = body.replace("KEY", &key);
                let sent =
                    city.send_with("POST", path, &key, &[("content-type", kind)], body.as_bytes());
                let (status, answer) = sent.unwrap();
                assert!(status < 500, "{path} {kind}: {status} {answer}");
                assert!(
                    !answer.contains("root:x:") && !answer.contains("hahaha"),
                    "{path} {kind}: {answer}"
                );
            }
        }
    }
    assert_eq!(city.list("/api/v1/cases?state=all", &city.admin).len(), 0);
    is_well(&city, 2);
}
