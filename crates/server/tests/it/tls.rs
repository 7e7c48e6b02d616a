//! TLS and certificates, with programs that others wrote: `openssl` makes certificates and tries old
//! versions, `curl`, `mosquitto_pub`, and from Python `requests` and `paho-mqtt` send readings.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{City, Folder, metric, until};

const DEVICES: &str = "id,kinds,area\nm1,methane,500103001001001\nm9,methane,500105001001001\n";
const LINE: &str = "methane,device=m1 value=";

/// Runs openssl in that folder; what it says when it fails is the failure.
fn openssl(folder: &Path, words: &[&str]) {
    let output =
        Command::new("openssl").args(words).current_dir(folder).output().unwrap_or_else(|error| {
            panic!("openssl does not start ({error}): install the package openssl")
        });
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A key of its own, and a certificate that names itself.
fn authority(folder: &Path, file: &str) {
    let subject = format!("/CN=authority {file}");
    let (key, cert) = (format!("{file}.key"), format!("{file}.pem"));
    openssl(
        folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-keyout",
            &key,
            "-out",
            &cert,
        ],
    );
}

/// A certificate signed by that authority, as `{file}.pem` and `{file}.key`.
fn certificate(folder: &Path, authority: &str, file: &str, subject: &str, extension: &str) {
    let (key, request, cert) =
        (format!("{file}.key"), format!("{file}.csr"), format!("{file}.pem"));
    openssl(
        folder,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-utf8",
            "-subj",
            subject,
            "-keyout",
            &key,
            "-out",
            &request,
        ],
    );
    std::fs::write(folder.join("extension"), extension).unwrap();
    let (ca, ca_key) = (format!("{authority}.pem"), format!("{authority}.key"));
    openssl(
        folder,
        &[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extension",
            "-out",
            &cert,
        ],
    );
}

const OF_SERVER: &str = "subjectAltName=IP:127.0.0.1,DNS:localhost\n";
const OF_CLIENT: &str = "extendedKeyUsage=clientAuth\n";

/// Certificates for a server, a device and two that have none of ours; and the flags that name them.
fn papers(folder: &Folder) -> Vec<String> {
    let place = folder.path();
    for name in ["ca", "devices", "strangers"] {
        authority(place, name);
    }
    certificate(place, "ca", "server", "/CN=city", OF_SERVER);
    let devices = [
        ("gateway", "devices", "/C=CN/CN=gateway", OF_CLIENT.to_owned()),
        ("chief", "devices", "/CN=chief", OF_CLIENT.to_owned()),
        ("nobody", "devices", "/CN=nobody", OF_CLIENT.to_owned()),
        ("stranger", "strangers", "/CN=gateway", OF_CLIENT.to_owned()),
        ("named", "devices", "/O=city", format!("{OF_CLIENT}subjectAltName=DNS:gateway\n")),
        ("server-only", "devices", "/CN=gateway", "extendedKeyUsage=serverAuth\n".to_owned()),
    ];
    for (file, authority, subject, extension) in devices {
        certificate(place, authority, file, subject, &extension);
    }
    let file = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let flags =
        ["--tls-cert", "server.pem", "--tls-key", "server.key", "--tls-client-ca", "devices.pem"];
    let mut flags: Vec<String> = flags
        .iter()
        .map(|word| if word.starts_with("--") { (*word).to_owned() } else { file(word) })
        .collect();
    flags.extend(["--mqtts".to_owned(), "127.0.0.1:0".to_owned()]);
    flags
}

/// A city that speaks TLS, with two devices, an account for a gateway of one district and one of a chief.
fn city(folder: &Folder) -> City {
    let flags = papers(folder);
    let city = City::start(folder, &flags.iter().map(String::as_str).collect::<Vec<_>>());
    city.register(DEVICES);
    city.account("gateway", &["ingest"], "500103", None);
    city.account("chief", &["admin", "ingest"], "50", None);
    city
}

fn curl(city: &City, folder: &Folder, device: Option<&str>, words: &[&str]) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "50"]);
    command.args(["--write-out", "\n%{http_code}", "--cacert"]).arg(folder.authority());
    if let Some(device) = device {
        command.arg("--cert").arg(folder.path().join(format!("{device}.pem")));
        command.arg("--key").arg(folder.path().join(format!("{device}.key")));
    }
    let path = words.last().unwrap();
    let output = command.args(&words[..words.len() - 1]).arg(city.url(path)).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::String(said)))
}

fn write(city: &City, folder: &Folder, device: Option<&str>, line: &str) -> (u16, Value) {
    curl(city, folder, device, &["--data-binary", line, "/api/v2/write"])
}

fn port(city: &City) -> u16 {
    let (_, system) = city.get("/api/v1/system", &city.admin);
    let address = system["mqtt"]["listen_tls"].as_str().unwrap();
    address.parse::<std::net::SocketAddr>().unwrap().port()
}

fn publish(city: &City, folder: &Folder, device: Option<&str>, words: &[&str]) -> Output {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port(city).to_string(), "-q", "1", "--cafile"]);
    command.arg(folder.authority());
    if let Some(device) = device {
        command.arg("--cert").arg(folder.path().join(format!("{device}.pem")));
        command.arg("--key").arg(folder.path().join(format!("{device}.key")));
    }
    command.args(["-t", "chengmai/v1/m1/methane"]).args(words);
    command.output().unwrap()
}

#[test]
fn over_tls_pages_say_that_they_stay_there_and_the_cookie_never_travels_in_the_clear() {
    let folder = Folder::new();
    let city = city(&folder);
    let (status, headers) = city.head("/", "");
    assert_eq!(headers["strict-transport-security"], "max-age=31536000", "{status}");
    let account = json!({"name": "admin", "password": crate::harness::PASSWORD}).to_string();
    let mut command = Command::new("curl");
    command.args(["--silent", "--include", "--cacert"]).arg(folder.authority());
    command.args(["--http2", "--data", &account]).arg(city.url("/api/v1/session"));
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(output.starts_with("HTTP/2 200"), "{output}");
    assert!(output.contains("SameSite=Strict") && output.contains("; Secure"), "{output}");
    // With the cookie, by HTTP/2, which has no header for the host: our own pages may, others may not.
    let cookie = output.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    for (origin, expected) in [(city.url(""), 201), ("https://evil.example".to_owned(), 403)] {
        let (cookie, origin) = (format!("cookie: {cookie}"), format!("origin: {origin}"));
        let words = [
            "--http2",
            "-H",
            &cookie,
            "-H",
            &origin,
            "-X",
            "POST",
            "--data",
            "{}",
            "/api/v1/users/chief/token",
        ];
        let (status, body) = curl(&city, &folder, None, &words);
        assert_eq!(status, expected, "{body}");
    }
}

#[test]
fn old_versions_and_plain_words_get_nothing_from_a_tls_door() {
    let folder = Folder::new();
    let city = city(&folder);
    for (version, works) in
        [("-tls1", false), ("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)]
    {
        for address in [city.http.to_string(), format!("127.0.0.1:{}", port(&city))] {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-connect", &address, version, "-cipher", "ALL:@SECLEVEL=0"]);
            let output = command.stdin(Stdio::null()).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text.contains("BEGIN CERTIFICATE"), works, "{version} {address}: {text}");
        }
    }
    let mut plain = TcpStream::connect(city.http).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // A TLS alert at most.
    std::io::Read::read_to_end(&mut plain, &mut answer).ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    until("failed handshakes are counted", || {
        let count = metric(&city, "chengmai_http_closed_total{reason=\"handshake\"}");
        (count >= 3).then_some(())
    });
}

#[test]
fn a_devices_certificate_signs_it_in_to_send_readings_and_for_nothing_else() {
    let folder = Folder::new();
    let city = city(&folder);
    assert_eq!(write(&city, &folder, Some("gateway"), &format!("{LINE}1.5")).0, 204);
    assert_eq!(write(&city, &folder, Some("named"), &format!("{LINE}2.5")).0, 204, "by DNS name");
    assert_eq!(city.values("m1", 2), [1.5, 2.5]);
    // Of another district, and to read.
    let (status, body) = write(&city, &folder, Some("gateway"), "methane,device=m9 value=1");
    assert_eq!(status, 400, "{body}");
    let (status, body) = curl(&city, &folder, Some("gateway"), &["/api/v1/devices"]);
    assert_eq!((status, &body["code"]), (403, &json!("E-503")));
    // An account that may more than send, one that is none, and no certificate.
    for device in ["chief", "nobody"] {
        let (status, body) = write(&city, &folder, Some(device), &format!("{LINE}9"));
        assert_eq!((status, &body["code"]), (403, &json!("E-480")), "{device}: {body}");
        let (status, _) = curl(&city, &folder, Some(device), &["/api/v1/users"]);
        assert_eq!(status, 403, "{device}");
    }
    let (status, body) = write(&city, &folder, None, &format!("{LINE}9"));
    assert_eq!((status, &body["code"]), (401, &json!("E-501")), "{body}");
    // Signed by somebody else, or for another use: no word is exchanged.
    for device in ["stranger", "server-only"] {
        assert_eq!(write(&city, &folder, Some(device), &format!("{LINE}9")).0, 0, "{device}");
    }
    // A page elsewhere cannot make a browser send it.
    let line = format!("{LINE}9");
    let words = ["-H", "origin: https://evil.example", "--data-binary", &line, "/api/v2/write"];
    assert_eq!(curl(&city, &folder, Some("gateway"), &words).1["code"], "E-505");
    // A token that is brought counts, and a wrong one is not made up for.
    let words = ["-H", "authorization: Bearer cm_wrong", "--data-binary", &line, "/api/v2/write"];
    assert_eq!(curl(&city, &folder, Some("gateway"), &words).0, 401);
    // Without its account it is nobody.
    let removed = city.send("DELETE", "/api/v1/users/gateway", &city.admin, None, b"");
    assert_eq!(removed.0, 204);
    assert_eq!(write(&city, &folder, Some("gateway"), &line).0, 403);
    assert_eq!(city.values("m1", 2), [1.5, 2.5]);
}

#[test]
fn mqtt_inside_tls_takes_a_token_or_a_certificate_and_tells_others_to_go() {
    let folder = Folder::new();
    let city = city(&folder);
    let token = city.account("feed", &["ingest"], "50", None);
    for (version, value) in [("mqttv311", "1"), ("mqttv5", "2")] {
        let output = publish(&city, &folder, Some("gateway"), &["-V", version, "-m", value]);
        assert!(output.status.success(), "{output:?}");
    }
    let output = publish(&city, &folder, None, &["-u", "x", "-P", &token, "-m", "3"]);
    assert!(output.status.success(), "{output:?}");
    // A long body comes in many records.
    let line = |i: u64| format!("{LINE}{i} {}\n", 1_000_000 * i);
    let lines = (0..5_000).map(line).collect::<Vec<_>>().concat();
    let file = folder.path().join("lines");
    std::fs::write(&file, lines).unwrap();
    let topic = ["-t", "chengmai/v1/line", "-f", file.to_str().unwrap()];
    let output = publish(&city, &folder, Some("gateway"), &topic);
    assert!(output.status.success(), "{output:?}");
    until("all lines were looked at", || {
        let (_, system) = city.get("/api/v1/system", &city.admin);
        (system["refused_total"] == json!(5_000)).then_some(())
    });
    for device in [None, Some("chief"), Some("nobody"), Some("stranger"), Some("server-only")] {
        let output = publish(&city, &folder, device, &["-m", "9"]);
        assert!(!output.status.success(), "{device:?}: {output:?}");
    }
    assert_eq!(city.values("m1", 3), [1.0, 2.0, 3.0]);
}

#[test]
fn python_clients_send_over_tls_with_a_certificate() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the clients");
    };
    let folder = Folder::new();
    let city = city(&folder);
    let script = folder.path().join("send.py");
    std::fs::write(&script, PYTHON).unwrap();
    let mut command = Command::new(python);
    command.arg(&script).current_dir(folder.path());
    command.args([city.url(""), port(&city).to_string()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let values = city.values("m1", 101);
    assert_eq!(values.len(), 101, "{values:?}");
}

/// A line by `requests`, and a hundred messages by `paho-mqtt`, each acknowledged.
const PYTHON: &str = r#"
import ssl, sys, time
import paho.mqtt.client as mqtt, requests
url, port = sys.argv[1], int(sys.argv[2])
session = requests.Session()
session.verify, session.cert = "ca.pem", ("gateway.pem", "gateway.key")
session.trust_env = False
now = int(time.time() * 1000)
answer = session.post(url + "/api/v2/write?precision=ms", data=f"methane,device=m1 value=1 {now - 1}")
assert answer.status_code == 204, answer.text
assert session.get(url + "/api/v1/devices").status_code == 403
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="gateway", protocol=mqtt.MQTTv5)
client.tls_set("ca.pem", "gateway.pem", "gateway.key", tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.connect("127.0.0.1", port)
client.loop_start()
sent = [client.publish("chengmai/v1/m1/methane", f'{{"value": 2, "time": {now + i}}}', qos=1) for i in range(100)]
for message in sent:
    message.wait_for_publish(50)
    assert message.is_published()
client.disconnect()
client.loop_stop()
"#;

/// The number of the certificate that is served.
fn serial(address: &str) -> String {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "openssl s_client -connect $0 </dev/null 2>/dev/null | openssl x509 -noout -serial",
    ]);
    let output = command.arg(address).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_new_certificate_is_taken_up_and_a_bad_one_leaves_the_old_in_its_place() {
    let folder = Folder::new();
    let city = city(&folder);
    let doors: [String; 2] = [city.http.to_string(), format!("127.0.0.1:{}", port(&city))];
    let before = serial(&doors[0]);
    assert!(before.starts_with("serial="), "{before}");
    certificate(folder.path(), "ca", "server", "/CN=city", OF_SERVER);
    city.hang_up();
    until("the new one is served", || {
        doors.iter().all(|door| serial(door) != before).then_some(())
    });
    let now = serial(&doors[0]);
    // A key that is of another certificate.
    city.expect_warning("the new certificate is refused");
    std::fs::copy(folder.path().join("gateway.key"), folder.path().join("server.key")).unwrap();
    city.hang_up();
    until("it is said", || {
        city.log_text().contains("the new certificate is refused").then_some(())
    });
    assert_eq!(doors.map(|door| serial(&door)), [now.clone(), now]);
    assert_eq!(city.get("/healthz", "").0, 200);
}

#[test]
fn who_never_finishes_a_handshake_keeps_nobody_waiting() {
    let folder = Folder::new();
    let city = city(&folder);
    let doors = [city.http, std::net::SocketAddr::from(([127, 0, 0, 1], port(&city)))];
    let waiting: Vec<TcpStream> = doors
        .iter()
        .flat_map(|door| (0..100).map(move |_| TcpStream::connect(door).unwrap()))
        .collect();
    // The first bytes of a handshake, and no more.
    for mut stream in &waiting {
        stream.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
    }
    assert_eq!(write(&city, &folder, Some("gateway"), &format!("{LINE}1.5")).0, 204);
    let output = publish(&city, &folder, Some("gateway"), &["-m", "2.5"]);
    assert!(output.status.success(), "{output:?}");
    // They are let go by us.
    for stream in waiting {
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut rest = BufReader::new(stream);
        while rest.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
            let len = rest.buffer().len();
            rest.consume(len);
        }
    }
    until("all of them are counted", || {
        let closed = ["chengmai_http_closed_total", "chengmai_mqtt_closed_total"]
            .map(|name| metric(&city, &format!("{name}{{reason=\"handshake\"}}")));
        closed.iter().all(|count| *count >= 100).then_some(())
    });
}
