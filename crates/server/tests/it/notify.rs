//! Messages to people outside: receivers of the tests' own, one by HTTP and one by SMTP, and what reaches
//! them through failures, restarts and wishes to be left alone.

mod mail;

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{City, Folder, now_ms, until};

const TOWN: &str = "500103001";
const OTHER_TOWN: &str = "500103002";
const GRID: &str = "500103001001001";
/// Messages may go to this machine, and are tried again soon: ten tries take some ten seconds.
const HERE: [&str; 4] = ["--allow-webhook-to", "127.0.0.1", "--notify-retry", "1ms"];

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Taken {
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Taken {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Takes requests, and answers the first ones as it is told, the others with 200.
pub(crate) struct Receiver {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Receiver {
    pub(crate) fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let answers: VecDeque<String> = answers.iter().map(|&a| a.to_owned()).collect();
        let (kept, answers) = (Arc::clone(&taken), Arc::new(Mutex::new(answers)));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &kept, &answers));
            }
        });
        Self { address, taken }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?key=receivers-own-secret", self.address)
    }

    fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    /// What came, once there is so much.
    pub(crate) fn wait(&self, count: usize) -> Vec<Taken> {
        until("the messages arrive", || Some(self.taken()).filter(|taken| taken.len() >= count))
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Taken>>, answers: &Mutex<VecDeque<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let pairs = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
        let headers: Vec<(String, String)> =
            pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut taken = Taken { headers, body: String::new() };
        let mut body = vec![0; taken.header("content-length").parse().unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        taken.body = String::from_utf8(body).unwrap();
        kept.lock().unwrap().push(taken);
        let answer = answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| "200 OK\r\ncontent-length: 0".to_owned());
        if reader.get_mut().write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).is_err() {
            return;
        }
    }
}

const FAILS: &str = "500 Oh\r\ncontent-length: 0";

fn subscribe(city: &City, token: &str, more: Value) -> (String, String) {
    let mut body = json!({"name": "hook", "channel": "webhook", "matters": ["step"], "area": TOWN});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    let (status, made) = city.post("/api/v1/subscriptions", token, &body);
    assert_eq!(status, 201, "{made}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&made["subscription"]["id"]), text(&made["secret"]))
}

fn file(city: &City, area: &str, words: &str) -> String {
    let new = json!({"type": "dirty_road", "row": 0, "area": area, "description": words});
    let (status, case) = city.post("/api/v1/cases", &city.admin, &new);
    assert_eq!(status, 200, "{case}");
    case["id"].as_str().unwrap().to_owned()
}

fn deliveries(city: &City, token: &str, query: &str) -> Vec<Value> {
    city.list(&format!("/api/v1/deliveries{query}"), token)
}

/// HMAC-SHA256 written out (RFC 2104), beside the program's own.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn base64_decoded(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes();
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in digits {
        let value = alphabet.iter().position(|&known| known == digit).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

#[test]
fn a_message_is_signed_has_one_id_and_is_sent_again_until_it_is_taken() {
    let folder = Folder::new();
    let city = City::start(&folder, &HERE);
    let receiver =
        Receiver::start(&[FAILS, "302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0"]);
    let (id, secret) = subscribe(&city, &city.admin, json!({"address": receiver.url()}));
    let case = file(&city, GRID, "张三 13800000000 看到的");
    let taken = receiver.wait(3);
    let ids: BTreeSet<&str> = taken.iter().map(|t| t.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "one message, three tries: {ids:?}");
    let last = &taken[2];
    let text =
        format!("{}.{}.{}", last.header("webhook-id"), last.header("webhook-timestamp"), last.body);
    let key = base64_decoded(secret.strip_prefix("whsec_").unwrap());
    let signature = last.header("webhook-signature").strip_prefix("v1,").unwrap();
    assert_eq!(base64_decoded(signature), hmac(&key, text.as_bytes()), "signed");
    let seconds: i64 = last.header("webhook-timestamp").parse().unwrap();
    assert!((now_ms() / 1000 - seconds).abs() < 120, "the time of sending: {seconds}");

    let message = last.json();
    assert_eq!(message["type"], "case.filed", "{message}");
    let data = &message["data"];
    assert_eq!((&data["id"], &data["area"]), (&json!(case), &json!(GRID)), "{message}");
    assert!(!last.body.contains("138") && !last.body.contains("张三"), "{message}");
    assert!(!last.body.contains("admin"), "no names of people: {message}");
    let sent = until("it is noted as sent", || {
        deliveries(&city, &city.admin, "?state=sent").into_iter().next()
    });
    assert_eq!((&sent["attempts"], &sent["subscription"]), (&json!(3), &json!(id)), "{sent}");
    for path in ["/api/v1/subscriptions", "/api/v1/deliveries"] {
        let (_, text) = city.send_with("GET", path, &city.admin, &[], b"").unwrap();
        assert!(!text.contains(&secret) && !text.contains("receivers-own"), "{path}: {text}");
    }
    let log = city.log_text();
    assert!(
        !log.contains(&secret) && !log.contains("receivers-own"),
        "secrets stay out of the log"
    );
}

#[test]
fn what_is_wanted_is_told_and_nothing_of_elsewhere() {
    let folder = Folder::new();
    let city = City::start(&folder, &HERE);
    let receiver = Receiver::start(&[]);
    let url = receiver.url();
    let agency = "sanitation-500103";
    subscribe(
        &city,
        &city.admin,
        json!({"address": url, "matters": ["arrived", "ended", "warning"],
        "severity_min": 4, "agency": agency}),
    );
    file(&city, "500103002001001", "elsewhere");
    let duty = city.account("duty", &["duty_officer"], TOWN, None);
    let case = file(&city, GRID, "here");
    let (status, answer) =
        city.post(&format!("/api/v1/cases/{case}/remark"), &duty, &json!({"note": "x"}));
    assert_eq!(status, 200, "{answer}");
    let dispatch = json!({"agency": agency});
    let path = format!("/api/v1/cases/{case}/dispatch");
    assert_eq!(city.post(&path, &duty, &dispatch).0, 200);
    // A warning of less, then the last message that is looked for.
    let line = format!("manhole_tilt,device=cover value=24 {}\n", now_ms());
    city.register(&format!("id,kinds,area,period\ncover,manhole_tilt,{GRID},1m\n"));
    assert_eq!(city.write(&city.admin, &line).0, 204);
    until("the warning is there", || city.list("/api/v1/warnings", &city.admin).pop());
    let path = format!("/api/v1/cases/{case}/cancel");
    let (status, answer) = city.post(&path, &duty, &json!({"reason": "误报"}));
    assert_eq!(status, 200, "{answer}");
    let kinds = || -> Vec<String> {
        let taken = receiver.taken();
        taken.iter().map(|t| t.json()["type"].as_str().unwrap().to_owned()).collect()
    };
    // Messages of one receiver go two at a time, so the last one made may be there first.
    let kinds = until("the end is told, and all before it", || {
        let ended = kinds().iter().any(|kind| kind == "case.cancelled");
        let waiting = deliveries(&city, &city.admin, "?state=waiting");
        (ended && waiting.is_empty()).then(kinds)
    });
    let told: BTreeSet<&str> = kinds.iter().map(String::as_str).collect();
    let wanted = ["case.cancelled", "case.dispatched", "case.filed"];
    assert_eq!(told.into_iter().collect::<Vec<_>>(), wanted);
    assert!(receiver.taken().iter().all(|t| t.json()["data"]["id"] == case.as_str()));
}

#[test]
fn chats_gateways_and_warnings_are_told_in_words() {
    let folder = Folder::new();
    let city = City::start(&folder, &HERE);
    let took = "200 OK\r\ncontent-length: 13\r\n\r\n{\"errcode\":0}";
    let (wecom, sms) = (Receiver::start(&[took]), Receiver::start(&[]));
    let warnings = json!(["warning"]);
    subscribe(
        &city,
        &city.admin,
        json!({"channel": "wecom", "address": wecom.url(), "matters": warnings}),
    );
    subscribe(
        &city,
        &city.admin,
        json!({"channel": "sms", "address": sms.url(), "matters": warnings,
        "recipients": "13800000000", "template": "{\"phone\":\"{to}\",\"content\":\"{text}\"}", "language": "en"}),
    );
    city.register(&format!("id,kinds,area,period\ncover,manhole_tilt,{GRID},1m\n"));
    let line = format!("manhole_tilt,device=cover value=24 {}\n", now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    let said = wecom.wait(1)[0].json();
    let words = said["markdown"]["content"].as_str().unwrap();
    assert!(words.contains("预警") && words.contains("甲一街道"), "{words}");
    let said = sms.wait(1)[0].json();
    assert_eq!(said["phone"], "13800000000");
    assert!(said["content"].as_str().unwrap().contains("Warning"), "{said}");
    until("both are noted as sent", || {
        (deliveries(&city, &city.admin, "?state=sent").len() == 2).then_some(())
    });
}

#[test]
fn what_a_receiver_never_takes_becomes_a_dead_letter_and_can_be_sent_again() {
    let folder = Folder::new();
    let city = City::start(&folder, &HERE);
    let (deaf, well) = (Receiver::start(&[FAILS; 10]), Receiver::start(&[]));
    let (id, _) = subscribe(&city, &city.admin, json!({"address": deaf.url()}));
    subscribe(&city, &city.admin, json!({"address": well.url()}));
    file(&city, GRID, "x");
    well.wait(1);
    let dead = until("it is given up", || {
        deliveries(&city, &city.admin, "?state=dead").into_iter().next()
    });
    assert_eq!((&dead["attempts"], &dead["fault"]), (&json!(10), &json!("HTTP 500")), "{dead}");
    let foreign = city.account("foreign", &["duty_officer"], OTHER_TOWN, None);
    let path = format!("/api/v1/deliveries/{}/retry", dead["id"].as_str().unwrap());
    assert_eq!(city.post(&path, &foreign, &json!({})).0, 404);
    assert_eq!(deliveries(&city, &foreign, ""), Vec::<Value>::new());
    let own = city.account("own", &["duty_officer"], TOWN, None);
    assert_eq!(city.post(&path, &own, &json!({})).0, 200);
    until("it is sent", || {
        let sent = deliveries(&city, &own, &format!("?state=sent&subscription={id}"));
        (sent.len() == 1).then_some(())
    });
    let (status, answer) = city.post(&path, &own, &json!({}));
    assert_eq!((status, &answer["code"]), (409, &json!("E-438")), "{answer}");
}

#[test]
fn a_receiver_that_is_gone_is_asked_no_more() {
    let folder = Folder::new();
    let city = City::start(&folder, &HERE);
    let receiver = Receiver::start(&["410 Gone\r\ncontent-length: 0"]);
    let (id, _) = subscribe(&city, &city.admin, json!({"address": receiver.url()}));
    let (status, test) =
        city.post(&format!("/api/v1/subscriptions/{id}/test"), &city.admin, &json!({}));
    assert_eq!((status, &test["state"]), (202, &json!("waiting")), "{test}");
    let stopped = until("it is stopped", || {
        let list = city.list("/api/v1/subscriptions", &city.admin);
        list.into_iter().find(|row| row["active"] == false)
    });
    assert_eq!(stopped["stopped"], "HTTP 410", "{stopped}");
    assert_eq!(receiver.taken()[0].json()["type"], "test");
    file(&city, GRID, "x");
    assert_eq!(deliveries(&city, &city.admin, "").len(), 1, "nobody is there to be told");
}

#[test]
fn what_was_acknowledged_before_a_kill_is_told_after_it() {
    let folder = Folder::new();
    let receiver = Receiver::start(&[]);
    let cases = {
        // Nothing arrives: the receiver's answers fail before the kill, or the kill comes first.
        let city = City::start(&folder, &HERE);
        subscribe(&city, &city.admin, json!({"address": receiver.url()}));
        let cases: Vec<String> = (0..20).map(|n| file(&city, GRID, &format!("case {n}"))).collect();
        city.kill();
        cases
    };
    let city = City::start(&folder, &HERE);
    let told = until("all are told", || {
        let taken = receiver.taken();
        let told: BTreeSet<String> =
            taken.iter().map(|t| t.json()["data"]["id"].as_str().unwrap().to_owned()).collect();
        (told.len() >= cases.len()).then_some(taken)
    });
    let pairs: BTreeSet<(String, String)> = told
        .iter()
        .map(|t| (t.header("webhook-id").to_owned(), t.json()["data"]["id"].to_string()))
        .collect();
    assert_eq!(pairs.len(), cases.len(), "twice perhaps, but then under the same id");
    drop(city);
}

#[test]
fn messages_go_nowhere_inside_unless_the_operator_says_so() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--allow-webhook-to", "hooks.internal,10.9.0.0/16"]);
    let receiver = Receiver::start(&[]);
    for address in [
        receiver.url().as_str(),
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/",
        "https://10.8.0.1/",
        "http://1.1.1.1/",
        "https://1.1.1.1:22/",
        "file:///etc/passwd",
    ] {
        let body = json!({"name": "x", "channel": "webhook", "address": address,
            "matters": ["step"], "area": TOWN});
        let (status, answer) = city.post("/api/v1/subscriptions", &city.admin, &body);
        assert_eq!((status, &answer["code"]), (422, &json!("E-426")), "{address}: {answer}");
    }
    subscribe(&city, &city.admin, json!({"address": "http://10.9.1.1:8080/"}));
    for (field, value) in [
        ("channel", json!("pigeon")),
        ("matters", json!([])),
        ("matters", json!(["gossip"])),
        ("severity_min", json!(5)),
        ("agency", json!("nobody")),
        ("name", json!(" ")),
    ] {
        let mut body = json!({"name": "x", "channel": "webhook", "address": "https://1.1.1.1/",
            "matters": ["step"], "area": TOWN});
        body[field] = value;
        let (status, answer) = city.post("/api/v1/subscriptions", &city.admin, &body);
        assert_eq!((status, &answer["code"]), (422, &json!("E-436")), "{field}: {answer}");
    }
    let body = json!({"name": "x", "channel": "email", "address": "a@b.example",
        "matters": ["step"], "area": TOWN});
    let (_, answer) = city.post("/api/v1/subscriptions", &city.admin, &body);
    assert_eq!(answer["code"], "E-435", "no mail server: {answer}");
    assert_eq!(receiver.taken().len(), 0);
}
