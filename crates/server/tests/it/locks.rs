//! Locks 防火墙: who gets in, what tokens narrow, second factors, emergencies, personal data, and why.

use std::process::Command;

use serde_json::{Value, json};

use crate::browser::{Browser, STRONG, person};
use crate::harness::{City, Folder, PASSWORD, PROGRAM, now_ms, until};
use crate::proof::said;

const TOWN: &str = "500103001";
const GRID: &str = "500103001001001";
/// The code that an authenticator shows, this many steps of half a minute from now.
fn code(secret: &str, steps: i64) -> String {
    let script = "import hmac,hashlib,base64,struct,sys\n\
        key=base64.b32decode(sys.argv[1]+'='*(-len(sys.argv[1])%8))\n\
        d=hmac.new(key,struct.pack('>Q',int(sys.argv[2])),hashlib.sha1).digest()\n\
        o=d[19]&15\n\
        print('%06d'%((struct.unpack('>I',d[o:o+4])[0]&0x7fffffff)%1000000))";
    let step = now_ms() / 30_000 + steps;
    let mut command = Command::new("python3");
    let output = command.args(["-c", script, secret, &step.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_second_factor_is_set_up_asked_for_and_taken_once() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    person(&city, "duty", &["duty_officer"], TOWN, None);
    let browser = Browser::open(&city, "duty", STRONG, None).unwrap();
    let elsewhere = Browser::open(&city, "duty", STRONG, None).unwrap();
    let path = "/api/v1/session/second-factor";
    assert_eq!(browser.ask("POST", path, &json!({"password": "wrong"})).0, 401);
    let (status, begun) = browser.ask("POST", path, &json!({"password": STRONG}));
    assert_eq!(status, 200, "{begun}");
    let secret = begun["secret"].as_str().unwrap();
    assert!(begun["uri"].as_str().unwrap().contains(secret));
    assert!(begun["svg"].as_str().unwrap().contains("<svg"));
    // Begun is not set: a phone that failed locks nobody out.
    assert!(Browser::open(&city, "duty", STRONG, None).is_ok());
    assert_eq!(browser.ask("PUT", path, &json!({"code": "000000"})).0, 401);
    let first = code(secret, 0);
    let (status, recovery) = browser.ask("PUT", path, &json!({"code": first}));
    assert_eq!(status, 200, "{recovery}");
    let recovery = recovery["recovery"].as_array().unwrap().clone();
    assert_eq!(recovery.len(), 10);
    assert_eq!(elsewhere.get("/api/v1/session").0, 401, "other sessions ended");
    assert_eq!(browser.get("/api/v1/session").1["user"]["second_factor"], true);

    let refused = |code: Option<&str>| {
        let refused = Browser::open(&city, "duty", STRONG, code).err().unwrap();
        refused["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(None), "E-507");
    assert_eq!(refused(Some(&first)), "E-508", "it was shown before");
    let next = code(secret, 1);
    assert!(Browser::open(&city, "duty", STRONG, Some(&next)).is_ok());
    assert_eq!(refused(Some(&next)), "E-508");
    let saved = recovery[0].as_str().unwrap();
    assert!(Browser::open(&city, "duty", STRONG, Some(saved)).is_ok());
    assert_eq!(refused(Some(saved)), "E-508");
    assert_eq!(browser.get(path).1, json!({"is_set": true, "recovery_left": 9}));

    // Who lost the phone asks an administrator; every session ends with it.
    let reset = "/api/v1/users/duty/second-factor";
    assert_eq!(city.send("DELETE", reset, &city.admin, None, b"").0, 204);
    assert_eq!(browser.get("/api/v1/session").0, 401);
    assert!(Browser::open(&city, "duty", STRONG, None).is_ok());
}

#[test]
fn an_account_goes_with_its_second_factor_and_the_proof_log_stays_whole() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    person(&city, "duty", &["duty_officer"], TOWN, None);
    let browser = Browser::open(&city, "duty", STRONG, None).unwrap();
    let path = "/api/v1/session/second-factor";
    let (_, begun) = browser.ask("POST", path, &json!({"password": STRONG}));
    let shown = code(begun["secret"].as_str().unwrap(), 0);
    assert_eq!(browser.ask("PUT", path, &json!({"code": shown})).0, 200);
    assert_eq!(city.send("DELETE", "/api/v1/users/duty", &city.admin, None, b"").0, 204);
    city.stop();
    assert!(said("verify", &[], Some(&folder.data())).contains(": 0 faults"));
}

#[test]
fn roles_that_need_a_second_factor_can_do_nothing_before_they_have_one() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--second-factor-for", "duty_officer"]);
    person(&city, "duty", &["duty_officer"], TOWN, None);
    person(&city, "viewer", &["viewer"], TOWN, None);
    let viewer = Browser::open(&city, "viewer", STRONG, None).unwrap();
    assert_eq!(viewer.get("/api/v1/cases").0, 200);
    let duty = Browser::open(&city, "duty", STRONG, None).unwrap();
    let (status, body) = duty.get("/api/v1/cases");
    assert_eq!((status, body["code"].as_str()), (403, Some("E-509")));
    assert_eq!(duty.get("/api/v1/session").1["user"]["must_enrol"], true);
    let path = "/api/v1/session/second-factor";
    let (_, begun) = duty.ask("POST", path, &json!({"password": STRONG}));
    let shown = code(begun["secret"].as_str().unwrap(), 0);
    assert_eq!(duty.ask("PUT", path, &json!({"code": shown})).0, 200);
    assert_eq!(duty.get("/api/v1/cases").0, 200);
}

#[test]
fn whoever_guesses_is_stopped_and_the_owner_is_not() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    person(&city, "duty", &["duty_officer"], TOWN, None);
    // A proxy on this machine tells for whom it speaks.
    let try_from = |address: &str, password: &str| {
        let body = json!({"name": "duty", "password": password}).to_string();
        let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
        let sent = city.send_with("POST", "/api/v1/session", "", &headers, body.as_bytes());
        sent.unwrap().0
    };
    for n in 0..5 {
        assert_eq!(try_from("203.0.113.9", &format!("guess number {n}")), 401);
    }
    assert_eq!(try_from("203.0.113.9", STRONG), 429, "even the right one, from there");
    assert_eq!(try_from("198.51.100.7", STRONG), 200, "the owner sits elsewhere");
    let lines = city.list("/api/v1/audit?who=duty", &city.admin);
    let failed = lines.iter().filter(|line| line["what"] == "sign_in_failed");
    assert_eq!(failed.count(), 5);
    for weak in ["1234567890", "password123", "duty-duty-duty"] {
        let account = json!({"name": "duty2", "display_name": "duty", "password": weak,
            "roles": ["viewer"], "area": TOWN, "agency": null});
        let (status, body) = city.post("/api/v1/users", &city.admin, &account);
        assert_eq!((status, body["code"].as_str()), (422, Some("E-506")), "{weak}");
    }
}

#[test]
fn a_token_does_what_it_was_made_for_and_no_more() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    for name in ["m1", "m2"] {
        city.register(&format!("id,kinds,area,period\n{name},manhole_tilt,{GRID},1m\n"));
    }
    person(&city, "gateway", &["engineer"], "500103", None);
    let make = |body: Value| city.post("/api/v1/users/gateway/token", &city.admin, &body);
    let token = |body: Value| {
        let (status, made) = make(body);
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().unwrap().to_owned()
    };
    let sends = token(json!({"label": "Telegraf", "permissions": ["ingest"], "area": TOWN}));
    let line = |device: &str| format!("manhole_tilt,device={device} value=3 {}\n", now_ms());
    assert_eq!(city.write(&sends, &line("m1")).0, 204);
    let (status, body) = city.get("/api/v1/devices", &sends);
    assert_eq!(status, 403, "{body}");
    let one = token(json!({"permissions": ["ingest"], "device": "m1"}));
    assert_eq!(city.write(&one, &line("m1")).0, 204);
    assert_eq!(city.write(&one, &line("m2")).0, 400, "another device's");
    let rows = json!([{"device": "m2", "kind": "manhole_tilt", "value": 3, "time": now_ms()}]);
    assert_eq!(city.post("/api/v1/observations", &one, &rows).0, 400);
    let names = json!({"streams": [{"device": "m2", "kind": "manhole_tilt"}]});
    let (_, numbered) = city.post("/api/v1/gateway/streams", &one, &names);
    assert!(!numbered.to_string().contains("\"stream\":"), "{numbered}");
    // Narrower than the account: its town and not the district.
    let reads = token(json!({"permissions": ["read"], "area": TOWN}));
    assert_eq!(city.get(&format!("/api/v1/areas/{TOWN}"), &reads).0, 200);
    assert_eq!(city.get("/api/v1/areas/500103", &reads).0, 404);

    for wrong in [
        json!({"permissions": ["everything"]}),
        json!({"area": "500105001"}),
        json!({"device": "m9"}),
        json!({"days": 0}),
        json!({"days": 4_000}),
        json!({"label": "x".repeat(81)}),
        json!({"scope": "all"}),
    ] {
        let (status, body) = make(wrong.clone());
        assert!(matches!(status, 400 | 422), "{wrong}: {status} {body}");
    }
    let listed = city.list("/api/v1/users/gateway/tokens", &city.admin);
    assert_eq!(listed.len(), 3);
    let telegraf = listed.iter().find(|token| token["label"] == "Telegraf").unwrap();
    assert!(!telegraf.to_string().contains(&sends), "a token is shown once");
    assert!(telegraf["seen_at"].is_string(), "{telegraf}");
    let path = format!("/api/v1/users/gateway/tokens/{}", telegraf["id"].as_str().unwrap());
    assert_eq!(city.send("DELETE", &path, &city.admin, None, b"").0, 204);
    assert_eq!(city.write(&sends, &line("m1")).0, 401);
    assert_eq!(city.send("DELETE", &path, &city.admin, None, b"").0, 404);
}

#[test]
fn a_session_is_no_token_and_a_token_no_session() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let browser = Browser::open(&city, "admin", PASSWORD, None).unwrap();
    let (_, session) = browser.cookie.split_once('=').unwrap();
    assert_eq!(city.get("/api/v1/cases", session).0, 401, "a stolen cookie is no bearer token");
    let as_cookie = Browser { city: &city, cookie: format!("chengmai_session={}", city.admin) };
    assert_eq!(as_cookie.get("/api/v1/cases").0, 401);
    // A token changes nothing of a person's own.
    let path = "/api/v1/session/password";
    let body = json!({"old": PASSWORD, "new": STRONG});
    assert_eq!(city.post(path, &city.admin, &body).0, 403);
    let body = json!({"password": PASSWORD});
    assert_eq!(city.post("/api/v1/session/second-factor", &city.admin, &body).0, 403);

    let all = browser.get("/api/v1/session/all").1;
    let mine = all["items"].as_array().unwrap();
    assert!(mine.iter().any(|one| one["is_this_one"] == true && one["kind"] == "session"));
    let other = Browser::open(&city, "admin", PASSWORD, None).unwrap();
    let this = other.get("/api/v1/session/all").1["items"].as_array().unwrap().clone();
    let this = this.iter().find(|one| one["is_this_one"] == true).unwrap()["id"].clone();
    let end = format!("/api/v1/session/all/{}", this.as_str().unwrap());
    assert_eq!(browser.ask("DELETE", &end, &json!({})).0, 204);
    assert_eq!(other.get("/api/v1/session").0, 401);
}

#[test]
fn another_sites_page_cannot_act_with_the_cookie() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let browser = Browser::open(&city, "admin", PASSWORD, None).unwrap();
    let host = city.http.to_string();
    for (name, value, expected) in [
        ("origin", "https://evil.example".to_owned(), 403),
        ("origin", "null".to_owned(), 403),
        ("sec-fetch-site", "cross-site".to_owned(), 403),
        ("sec-fetch-site", "same-site".to_owned(), 403),
        ("origin", format!("http://{host}"), 204),
    ] {
        let headers = [("cookie", browser.cookie.as_str()), (name, value.as_str())];
        let path = "/api/v1/emergencies/current";
        let sent = city.send_with("DELETE", path, "", &headers, b"").unwrap();
        assert_eq!(sent.0, expected, "{name}: {value}: {}", sent.1);
    }
}

#[test]
fn an_emergency_shows_more_lets_act_no_further_and_is_reviewed() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    person(&city, "duty", &["duty_officer"], TOWN, None);
    person(&city, "sue", &["supervisor"], "500103", None);
    let new =
        json!({"type": "dirty_road", "row": 0, "area": "500103002001001", "description": "x"});
    let (_, case) = city.post("/api/v1/cases", &city.admin, &new);
    let path = format!("/api/v1/cases/{}", case["id"].as_str().unwrap());
    let duty = Browser::open(&city, "duty", STRONG, None).unwrap();
    assert_eq!(duty.get(&path).0, 404);
    let begin = |body: Value| duty.ask("POST", "/api/v1/emergencies", &body);
    let reason = "the river rises at Beibei";
    for wrong in [
        json!({"area": TOWN, "reason": reason, "minutes": 60}),
        json!({"area": "500105", "reason": reason, "minutes": 60}),
        json!({"area": "500103", "reason": "x", "minutes": 60}),
        json!({"area": "500103", "reason": reason, "minutes": 241}),
    ] {
        let (status, body) = begin(wrong.clone());
        assert_eq!((status, body["code"].as_str()), (422, Some("E-512")), "{wrong}");
    }
    let token = city.account("program", &["duty_officer"], TOWN, None);
    let wanted = json!({"area": "500103", "reason": reason, "minutes": 60});
    assert_eq!(city.post("/api/v1/emergencies", &token, &wanted).0, 403, "programs have none");
    let (status, begun) = begin(wanted);
    assert_eq!(status, 201, "{begun}");
    assert_eq!(duty.get(&path).0, 200, "seen at once");
    let user = duty.get("/api/v1/session").1["user"].clone();
    assert_eq!((user["area"].as_str(), user["emergency"].is_i64()), (Some("500103"), true));
    assert_eq!(duty.ask("POST", &format!("{path}/dispatch"), &json!({})).0, 404, "not acted on");
    assert_eq!(duty.get("/api/v1/subscriptions").0, 403, "what is managed stays at home");
    assert_eq!(duty.ask("DELETE", "/api/v1/emergencies/current", &json!({})).0, 204);
    assert_eq!(duty.get(&path).0, 404);

    let sue = Browser::open(&city, "sue", STRONG, None).unwrap();
    let listed = sue.get("/api/v1/emergencies").1["items"][0].clone();
    assert_eq!((&listed["user"], &listed["reason"]), (&json!("duty"), &json!(reason)));
    let review = format!("/api/v1/emergencies/{}/review", listed["id"]);
    let said = json!({"was_right": true, "remark": "there was a flood"});
    assert_eq!(duty.ask("POST", &review, &said).0, 403, "not by those who looked");
    assert_eq!(sue.ask("POST", &review, &said).0, 200);
    assert_eq!(sue.ask("POST", &review, &said).0, 409, "once");
}

/// A citizen's case with everything that is known of them.
pub(crate) fn reported(city: &City) -> String {
    let form = format!(
        "type=dirty_road&area={TOWN}&words=%E8%B7%AF%E5%8F%A3%E5%BE%88%E8%84%8F&name=%E5%BC%A0&\
         phone=13800001234&email=zhang%40example.org"
    );
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let (status, page) = city.send_with("POST", "/report", "", &kind, form.as_bytes()).unwrap();
    assert_eq!(status, 200, "{page}");
    let cases = city.list("/api/v1/cases?state=all", &city.admin);
    cases[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn who_reported_is_covered_until_a_purpose_is_given_and_every_look_is_on_record() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let case = reported(&city);
    person(&city, "duty", &["duty_officer"], "50", None);
    person(&city, "viewer", &["viewer", "supervisor", "grid_worker"], "50", None);
    let duty = Browser::open(&city, "duty", STRONG, None).unwrap();
    let path = format!("/api/v1/cases/{case}/contact");
    let (status, covered) = duty.get(&path);
    assert_eq!(status, 200, "{covered}");
    assert_eq!(covered[0]["phone"], "138****1234");
    assert_eq!(covered[0]["email"], "z****@example.org");
    let looks = || {
        let lines = city.list("/api/v1/audit?who=duty", &city.admin);
        lines.into_iter().filter(|line| line["what"] == "contact_read").collect::<Vec<_>>()
    };
    assert!(looks().is_empty(), "covered data is no look");
    let (status, whole) = duty.get(&format!("{path}?purpose=handle"));
    assert_eq!((status, whole[0]["phone"].as_str()), (200, Some("13800001234")));
    assert_eq!((looks().len(), looks()[0]["detail"].as_str()), (1, Some("handle")));
    assert_eq!(duty.get(&format!("{path}?purpose=curiosity")).0, 422);
    assert_eq!(duty.get(&format!("{path}?purpose=statistics")).0, 403);
    let viewer = Browser::open(&city, "viewer", STRONG, None).unwrap();
    assert_eq!(viewer.get(&path).0, 403);
    assert_eq!(city.get(&format!("{path}?purpose=handle"), &city.admin).0, 403, "a program");

    // In the file it lies sealed, and opens again after the keys were changed.
    city.stop();
    let file = std::fs::read(folder.data().join("records.db")).unwrap();
    let wal = std::fs::read(folder.data().join("records.db-wal")).unwrap_or_default();
    for bytes in [&file, &wal] {
        assert!(!bytes.windows(11).any(|w| w == b"13800001234"), "it lies in the open");
    }
    let before = std::fs::read_to_string(folder.data().join("personal.keys")).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(PROGRAM).args(args).arg("--data").arg(folder.data()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["keys", "rotate"]).contains("1 citizens"));
    assert_ne!(std::fs::read_to_string(folder.data().join("personal.keys")).unwrap(), before);
    run(&["verify"]);
    let city = City::start(&folder, &[]);
    let duty = Browser::open(&city, "duty", STRONG, None).unwrap();
    assert_eq!(duty.get(&format!("{path}?purpose=law")).1[0]["phone"], "13800001234");
}

#[test]
fn what_was_kept_long_enough_is_erased_by_schedule() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let case = reported(&city);
    person(&city, "duty", &["duty_officer"], "50", None);
    person(&city, "town", &["duty_officer"], TOWN, None);
    let town = Browser::open(&city, "town", STRONG, None).unwrap();
    let refuse = format!("/api/v1/cases/{case}/refuse");
    let (status, body) = town.ask("POST", &refuse, &json!({"reason": "not ours"}));
    assert_eq!(status, 200, "{body}");
    city.stop();
    let city = City::start(&folder, &["--keep-contacts-days", "0"]);
    let duty = Browser::open(&city, "duty", STRONG, None).unwrap();
    let path = format!("/api/v1/cases/{case}/contact?purpose=handle");
    let erased = until("the schedule erases", || {
        let contact = duty.get(&path).1[0].clone();
        contact["erased_at"].is_string().then_some(contact)
    });
    assert!(erased["phone"].is_null() && erased["words"].is_null(), "{erased}");
    let lines = city.list("/api/v1/audit?who=schedule", &city.admin);
    assert_eq!(lines[0]["object"], json!(case));
    city.stop();
    let output =
        Command::new(PROGRAM).args(["verify", "--data"]).arg(folder.data()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn files_leave_for_a_purpose_that_is_on_record() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let ask = |format: &str, purpose: Option<&str>| {
        let body = json!({"sql": "SELECT 1 AS n", "format": format, "purpose": purpose});
        city.post("/api/v1/sql", &city.admin, &body).0
    };
    assert_eq!((ask("json", None), ask("csv", None), ask("parquet", Some("x"))), (200, 422, 422));
    assert_eq!(ask("csv", Some("statistics")), 200);
    let lines = city.list("/api/v1/audit?who=admin", &city.admin);
    let last = lines.iter().find(|line| line["what"] == "sql").unwrap();
    assert!(last["detail"].as_str().unwrap().contains("statistics"), "{last}");
}

#[test]
fn a_citys_own_policies_hold_and_why_is_explained() {
    let folder = Folder::new();
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    let own = "@id(\"two-keys-for-sql\")\nforbid (principal, action == Action::\"sql\", resource)\n\
               unless { context.second_factor };";
    std::fs::write(policies.join("own.cedar"), own).unwrap();
    let flag = policies.to_str().unwrap();
    let city = City::start(&folder, &["--policies", flag]);
    person(&city, "duty", &["duty_officer"], TOWN, None);
    let duty = Browser::open(&city, "duty", STRONG, None).unwrap();
    let (status, body) = duty.ask("POST", "/api/v1/sql", &json!({"sql": "SELECT 1"}));
    assert_eq!((status, body["detail"].as_str()), (403, Some("sql (two-keys-for-sql)")));
    let explain = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["access", "explain"]).args(args);
        command.args(["--policies", flag, "--data"]).arg(folder.data());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let why = explain(&["duty", "sql", &format!("area:{TOWN}")]);
    assert!(why.contains("may not") && why.contains("two-keys-for-sql"), "{why}");
    let why = explain(&["duty", "read", &format!("area:{GRID}")]);
    assert!(why.contains("duty may ") && why.contains("@id(\"duty-officer\")"), "{why}");
    let why = explain(&["duty", "read", "area:500105"]);
    assert!(why.contains("may not") && why.contains("@id(\"own-area\")"), "{why}");
    let why = explain(&["duty", "user_manage", &format!("area:{TOWN}")]);
    assert!(why.contains("no policy permits it"), "{why}");
    let case = reported(&city);
    let why = explain(&["duty", "personal_read", &format!("case:{case}")]);
    assert!(why.contains("may not"), "{why}");
}
