//! E-mail: a mail server of the tests' own, a citizen who follows their report by mail until they want no
//! more, and staff who are told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{TOWN, base64_decoded, deliveries, subscribe};
use crate::browser::{Browser, STRONG, person};
use crate::harness::{City, Folder, until};

/// A mail as it came.
#[derive(Debug, Clone)]
struct Letter {
    to: String,
    head: String,
    text: String,
}

/// Speaks SMTP (RFC 5321) and keeps what it is given; refuses mail to nobody@ for good.
struct MailServer {
    address: SocketAddr,
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl MailServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&letters);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                // A sender may go away in between.
                std::thread::spawn(move || drop(serve(stream, &kept)));
            }
        });
        Self { address, letters }
    }

    fn to(&self, address: &str) -> Vec<Letter> {
        let letters = self.letters.lock().unwrap();
        letters.iter().filter(|letter| letter.to == address).cloned().collect()
    }

    /// The newest of so many to an address, once they are there.
    fn wait(&self, address: &str, count: usize) -> Letter {
        until("the mail arrives", || {
            let letters = self.to(address);
            (letters.len() >= count).then(|| letters[count - 1].clone())
        })
    }
}

fn say(reader: &mut BufReader<TcpStream>, words: &str) -> std::io::Result<()> {
    reader.get_mut().write_all(format!("{words}\r\n").as_bytes())
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Letter>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    say(&mut reader, "220 mail.example ESMTP")?;
    let mut to = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let command = line.trim().to_uppercase();
        if command.starts_with("EHLO") {
            say(&mut reader, "250-mail.example\r\n250 8BITMIME")?;
        } else if command.starts_with("RCPT TO:") {
            line.trim()[8..].trim_matches(['<', '>']).clone_into(&mut to);
            let known = !to.starts_with("nobody@");
            say(&mut reader, if known { "250 ok" } else { "550 no such user nobody" })?;
        } else if command == "DATA" {
            say(&mut reader, "354 go on")?;
            let mut mail = String::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if line == ".\r\n" {
                    break;
                }
                mail.push_str(line.strip_prefix('.').unwrap_or(&line));
            }
            kept.lock().unwrap().push(letter(&to, &mail));
            say(&mut reader, "250 taken")?;
        } else if command == "QUIT" {
            return say(&mut reader, "221 bye");
        } else {
            say(&mut reader, "250 ok")?;
        }
    }
}

fn letter(to: &str, mail: &str) -> Letter {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    // A long header goes on in the next line.
    let head = head.replace("\r\n ", " ");
    let text = if head.contains("Content-Transfer-Encoding: base64") {
        base64_decoded(&body.replace("\r\n", ""))
    } else if head.contains("Content-Transfer-Encoding: quoted-printable") {
        unquoted(body)
    } else {
        body.as_bytes().to_vec()
    };
    Letter { to: to.to_owned(), head, text: String::from_utf8(text).unwrap() }
}

fn unquoted(text: &str) -> Vec<u8> {
    let text = text.replace("=\r\n", "");
    let mut parts = text.split('=');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    bytes
}

fn city_with_mail(folder: &Folder, server: &MailServer) -> City {
    let url = format!("smtp://{}", server.address);
    let flags = [
        "--smtp-url",
        &url,
        "--smtp-from",
        "城运中心 <no-reply@city.example>",
        "--public-url",
        "https://city.example",
        "--notify-retry",
        "1ms",
    ];
    City::start(folder, &flags)
}

/// Reports something; the secret of the tracking link.
fn report(city: &City, fields: &[(&str, &str)]) -> String {
    let form = fields.iter().fold(String::new(), |form, (name, value)| {
        let value: String =
            value.bytes().fold(String::new(), |text, b| text + &format!("%{b:02X}"));
        form + &format!("{name}={value}&")
    });
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let (status, page) = city.send_with("POST", "/report", "", &headers, form.as_bytes()).unwrap();
    assert_eq!(status, 200, "{page}");
    let (_, rest) = page.split_once("/track/").unwrap_or_else(|| panic!("no link in {page}"));
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

fn step(city: &City, duty: &str, case: &str, action: &str, body: &Value) {
    let path = format!("/api/v1/cases/{case}/{action}");
    let (status, answer) = city.post(&path, duty, body);
    assert_eq!(status, 200, "{action}: {answer}");
}

const FIRST: [(&str, &str); 5] = [
    ("area", TOWN),
    ("words", "路上有油，我是李四 13912345678"),
    ("email", "li@example.org"),
    ("mails", "1"),
    ("lang", "zh"),
];

#[test]
fn a_citizen_is_told_each_step_by_mail_until_they_want_no_more() {
    let (folder, server) = (Folder::new(), MailServer::start());
    let city = city_with_mail(&folder, &server);
    let page = city.send_with("GET", "/report", "", &[], b"").unwrap().1;
    assert!(page.contains("name=\"mails\""), "{page}");
    let duty = city.account("duty", &["duty_officer", "grid_worker"], TOWN, None);
    let token = report(&city, &FIRST);
    let mail = server.wait("li@example.org", 1);
    let link = format!("https://city.example/track/{token}");
    assert!(mail.text.contains("已收到您的上报") && mail.text.contains("was received"), "{mail:?}");
    // The link's own digits may be any.
    let beside = mail.text.replace(&token, "");
    assert!(mail.text.contains(&link) && !beside.contains("139"), "{mail:?}");
    assert!(mail.head.contains(&format!("List-Unsubscribe: <{link}/mail>")), "{mail:?}");

    let case = city.list("/api/v1/cases?state=all", &city.admin)[0]["id"].clone();
    let case = case.as_str().unwrap().to_owned();
    let other = report(
        &city,
        &[
            ("join", case.as_str()),
            ("email", "wang@example.org"),
            ("mails", "1"),
            ("lang", "en"),
            ("words", "me too"),
        ],
    );
    let mail = server.wait("wang@example.org", 1);
    assert!(mail.text.contains("You were added"), "{mail:?}");
    step(&city, &duty, &case, "accept", &json!({}));
    step(&city, &duty, &case, "verify_pass", &json!({}));
    step(&city, &duty, &case, "file", &json!({"type": "dirty_road", "row": 0}));
    let mail = server.wait("li@example.org", 2);
    assert!(mail.text.contains("已立案"), "{mail:?}");

    // Looking stops nothing; the request of a mail program does.
    let stop = format!("/track/{token}/mail");
    assert!(city.send_with("GET", &stop, "", &[], b"").unwrap().1.contains("<form"));
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let body = b"List-Unsubscribe=One-Click";
    assert_eq!(city.send_with("POST", &stop, "", &kind, body).unwrap().0, 200);
    assert!(!city.send_with("GET", &stop, "", &[], b"").unwrap().1.contains("<form"));
    step(&city, &duty, &case, "dispatch", &json!({"agency": "sanitation-500103"}));
    let mail = server.wait("wang@example.org", 3);
    assert!(mail.text.contains("was given to an agency"), "{mail:?}");
    assert_eq!(server.to("li@example.org").len(), 2, "they wanted no more");

    // Who is forgotten is told nothing; staff still is.
    subscribe(
        &city,
        &city.admin,
        json!({"channel": "email", "address": "duty@city.example", "matters": ["ended"]}),
    );
    person(&city, "forgets", &["duty_officer"], "50", None);
    let path = format!("/api/v1/cases/{case}/contact");
    let officer = Browser::open(&city, "forgets", STRONG, None).unwrap();
    assert_eq!(officer.ask("DELETE", &path, &json!({})).0, 204);
    step(&city, &duty, &case, "force_close", &json!({"reason": "重复"}));
    let mail = server.wait("duty@city.example", 1);
    assert!(
        mail.text.contains(&case) && mail.text.contains("https://city.example/cases/"),
        "{mail:?}"
    );
    assert_eq!(server.to("wang@example.org").len(), 3, "they are forgotten");
    let left = deliveries(&city, &city.admin, "");
    assert!(left.iter().all(|row| row["subscription"].is_string()), "{left:?}");
    assert_eq!(city.send_with("GET", &format!("/track/{other}"), "", &[], b"").unwrap().0, 200);
}

#[test]
fn a_wish_for_mail_needs_an_address_and_a_refused_address_is_not_tried_again() {
    let (folder, server) = (Folder::new(), MailServer::start());
    let city = city_with_mail(&folder, &server);
    let form = format!("area={TOWN}&words=x&mails=1&email=nothing");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let (status, page) = city.send_with("POST", "/report", "", &kind, form.as_bytes()).unwrap();
    assert_eq!(status, 400, "{page}");
    report(
        &city,
        &[("area", TOWN), ("words", "x"), ("mails", "1"), ("email", "nobody@example.org")],
    );
    let dead = until("it is given up", || {
        deliveries(&city, &city.admin, "?state=dead").into_iter().next()
    });
    assert_eq!((&dead["attempts"], &dead["fault"]), (&json!(1), &json!("SMTP 550")), "{dead}");
    assert!(!city.log_text().contains("nobody"), "no address in the log");
}

#[test]
fn without_a_mail_server_nobody_is_offered_mail() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let page = city.send_with("GET", "/report", "", &[], b"").unwrap().1;
    assert!(!page.contains("name=\"mails\""), "{page}");
    let token = report(&city, &FIRST);
    let case = city.list("/api/v1/cases?state=all", &city.admin)[0]["id"].clone();
    let path = format!("/api/v1/cases/{}/contact", case.as_str().unwrap());
    person(&city, "duty", &["duty_officer"], "50", None);
    let officer = Browser::open(&city, "duty", STRONG, None).unwrap();
    assert_eq!(officer.get(&path).1[0]["mails"], false, "{token}");
}
