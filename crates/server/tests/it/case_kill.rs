//! SIGKILL while steps of cases are taken, again and again in one data folder: what was acknowledged is on
//! record, once; no case has a gap; what a citizen was shown of a chain is still its beginning. And an
//! import that is killed, here and there, and goes on when it is started again.
//!
//! Every step has words of its own. A person who got no answer looks how the case stands and goes on from
//! there, so a step that was not answered may be on record or not, but never twice.
//!
//! `CHENGMAI_TEST_CASE_KILLS=200 cargo test -p chengmai-server --test it case_kill -- --nocapture` is the long
//! run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{City, Folder, PATIENCE, PROGRAM, now_ms, until};
use crate::kill::{given, next};

/// Unless `CHENGMAI_TEST_CASE_KILLS` says otherwise.
const KILLS: u64 = 8;
const WORKERS: u64 = 4;
const GRID: &str = "500103001001001";
const AGENCY: &str = "gas_company-500103";

/// What one worker has done so far.
#[derive(Default)]
struct Done {
    next: u64,
    /// The case in hand; none: another one is filed.
    case: Option<String>,
    acknowledged: Vec<String>,
    unanswered: Vec<String>,
}

/// Tokens of those who work on cases.
struct People {
    duty: String,
    staff: String,
}

/// What comes after a state, and whose it is.
fn usual<'a>(state: &str, people: &'a People) -> Option<(&'static str, &'a str)> {
    let People { duty, staff } = people;
    Some(match state {
        "filed" => ("dispatch", duty),
        "dispatched" => ("start", staff),
        "handling" => ("finish", staff),
        "handled" => ("check_pass", duty),
        "checked" => ("close", duty),
        _ => return None,
    })
}

/// Takes steps until the server is gone.
fn work_until_killed(
    city: &City,
    people: &People,
    worker: u64,
    done: &Mutex<Done>,
    said: &Sender<()>,
) {
    loop {
        let mut done = done.lock().unwrap();
        let send = |token: &str, path: &str, body: &Value| {
            let headers = [("content-type", "application/json")];
            let method = if body.is_null() { "GET" } else { "POST" };
            let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            let (status, text) = city.send_with(method, path, token, &headers, &body)?;
            assert_eq!(status, 200, "{path}: {text}");
            Ok::<Value, ureq::Error>(serde_json::from_str(&text).unwrap())
        };
        let Ok(step) = next_step(&done, people, |path| send(&people.duty, path, &Value::Null))
        else {
            return;
        };
        let words = format!("w{worker}-{}", done.next);
        done.next += 1;
        let answer = if let Some((action, token)) = &step {
            let path = format!("/api/v1/cases/{}/{action}", done.case.as_deref().unwrap());
            send(token, &path, &json!({"note": words, "agency": AGENCY}))
        } else {
            let new = json!({"type": "gas_leak", "row": 0, "area": GRID, "description": words});
            send(&people.duty, "/api/v1/cases", &new)
        };
        match answer {
            Ok(case) => {
                done.acknowledged.push(words);
                done.case = case["id"].as_str().map(str::to_owned);
            }
            Err(_gone) => {
                done.unanswered.push(words);
                return;
            }
        }
        drop(done);
        // Nobody listens any more once the kill is on its way.
        let _ = said.send(());
    }
}

/// The next step of the case in hand; none: to file another.
fn next_step<'a>(
    done: &Done,
    people: &'a People,
    ask: impl Fn(&str) -> Result<Value, ureq::Error>,
) -> Result<Option<(&'static str, &'a str)>, ureq::Error> {
    let Some(id) = &done.case else { return Ok(None) };
    let case = ask(&format!("/api/v1/cases/{id}"))?;
    Ok(usual(case["state"].as_str().unwrap(), people))
}

#[test]
fn every_acknowledged_step_is_on_record_once_after_any_kill() {
    let kills = given("CHENGMAI_TEST_CASE_KILLS").unwrap_or(KILLS);
    let seed = given("CHENGMAI_TEST_SEED").unwrap_or_else(|| now_ms().unsigned_abs()) | 1;
    println!("seed: CHENGMAI_TEST_SEED={seed}");
    let mut random = seed;
    let folder = Folder::new();
    let mut city = City::start(&folder, &[]);
    let people = People {
        duty: city.account("duty", &["duty_officer", "grid_worker"], "500103", None),
        staff: city.account("staff", &["agency_staff"], "500103", Some(AGENCY)),
    };
    let link = report(&city);
    let mut chain = links(&city, &link);
    let done: Vec<Mutex<Done>> = (0..WORKERS).map(|_| Mutex::default()).collect();
    for round in 0..kills {
        let (say, hear) = channel();
        std::thread::scope(|threads| {
            for (worker, done) in (0..WORKERS).zip(&done) {
                let (city, people, say) = (&city, &people, say.clone());
                threads.spawn(move || work_until_killed(city, people, worker, done, &say));
            }
            // After a random number of acknowledgements, and a little later still.
            for _ in 0..=10 + next(&mut random) % 30 {
                hear.recv_timeout(PATIENCE).unwrap();
            }
            std::thread::park_timeout(Duration::from_micros(next(&mut random) % 8_000));
            city.kill();
        });
        drop(city);
        city = City::open(&folder, &[]);
        // What the reporter was shown before is still the beginning of the chain.
        let longer = links(&city, &link);
        assert_eq!(longer[..chain.len()], chain[..], "the chain was changed by kill {round}");
        add_to_chain(&city, &link, round);
        chain = links(&city, &link);
        assert!(chain.len() > longer.len(), "the chain did not grow");
    }
    let all = read_all(&city, &people.duty);
    let mut kept = 0;
    for done in &done {
        let done = done.lock().unwrap();
        assert!(done.acknowledged.len() as u64 >= kills, "too little was done to prove anything");
        for words in &done.acknowledged {
            assert_eq!(all.get(words), Some(&1), "acknowledged: {words}");
        }
        for words in &done.unanswered {
            assert!(all.get(words).is_none_or(|&times| times == 1), "twice on record: {words}");
        }
        kept += done.acknowledged.len();
    }
    let known = done.iter().map(|done| done.lock().unwrap());
    let known: Vec<String> = known
        .flat_map(|d| d.acknowledged.iter().chain(&d.unanswered).cloned().collect::<Vec<_>>())
        .collect();
    assert!(all.keys().all(|words| known.contains(words)), "steps that nobody took");
    println!("{kills} kills: {kept} acknowledged steps are on record exactly once");
}

/// How often each worker's words are on record, over all cases; every case's history has no gap and ends
/// in the state that the case has.
fn read_all(city: &City, token: &str) -> BTreeMap<String, usize> {
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = city.get(&format!("/api/v1/cases?state=all&limit=200{cursor}"), token);
        assert_eq!(status, 200, "{page}");
        for item in page["items"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap();
            let (_, case) = city.get(&format!("/api/v1/cases/{id}"), token);
            let events = case["events"].as_array().unwrap();
            let mut seqs: Vec<u64> = events.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
            seqs.sort_unstable();
            assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "{id} has a gap");
            let last = events.iter().max_by_key(|e| e["seq"].as_u64()).unwrap();
            assert_eq!(last["to"], case["state"], "{id} is not where its history ends");
            let notes = events.iter().filter_map(|event| event["note"].as_str());
            let words = notes.chain(case["description"].as_str());
            for words in words.filter(|words| words.starts_with('w')) {
                *all.entry(words.to_owned()).or_default() += 1;
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// A citizen's report; the secret of its tracking link.
fn report(city: &City) -> String {
    let body = "type=gas_leak&area=500103001&words=smell";
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let (status, page) = city.send_with("POST", "/report", "", &headers, body.as_bytes()).unwrap();
    assert_eq!(status, 200, "{page}");
    let (_, rest) = page.split_once("/track/").unwrap();
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

/// The citizen adds a remark.
fn add_to_chain(city: &City, link: &str, round: u64) {
    let body = format!("action=remark&words=still-there-{round}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let path = format!("/track/{link}");
    let (status, page) = city.send_with("POST", &path, "", &headers, body.as_bytes()).unwrap();
    assert_eq!(status, 200, "{page}");
}

/// The chain of a case's events as its reporter is shown it.
fn links(city: &City, link: &str) -> Vec<Value> {
    let (status, receipt) = city.get(&format!("/track/{link}/receipt"), "");
    assert_eq!(status, 200, "{receipt}");
    receipt["events"].as_array().unwrap().clone()
}

/// Requests as Boston publishes them, closed a few hours after they were opened.
fn boston(rows: u32) -> String {
    let mut file = String::from(
        "case_enquiry_id,open_dt,target_dt,closed_dt,ontime,case_status,case_title,type,department,neighborhood\n",
    );
    for row in 0..rows {
        let (hour, minute) = (row % 12, row % 60);
        writeln!(
            file,
            "{},2022-01-03 {hour:02}:{minute:02}:00,2022-01-09 08:00:00,2022-01-03 {:02}:{minute:02}:00,ONTIME,Closed,\
             \"Pothole, deep, {} \",Pothole,PWDx,Roslindale",
            101_000_000_000_u64 + u64::from(row),
            hour + 5,
            "at the corner ".repeat(12)
        )
        .unwrap();
    }
    file
}

#[test]
fn an_import_that_was_killed_goes_on_and_nothing_comes_twice() {
    const ROWS: u32 = 9_000;
    let folder = Folder::new();
    let file = folder.path().join("boston.csv");
    std::fs::write(&file, boston(ROWS)).unwrap();
    let mut city = City::start(&folder, &[]);
    let token = city.admin.clone();
    let officer = city.account("chief", &["duty_officer"], "50", None);
    let import = |city: &City| {
        let mut command = Command::new(PROGRAM);
        command.args(["import", "cases"]).arg(&file).args(["--format", "boston"]);
        command.args(["--url", &city.url(""), "--token", &officer]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let count = |city: &City| {
        let (status, page) = city.get("/api/v1/cases?state=all&limit=1", &officer);
        assert_eq!(status, 200, "{page}");
        page["total"].as_u64().unwrap()
    };
    // The one who imports is killed after the first rows; then the server under the next one.
    let mut importer = import(&city);
    until("the first rows are there", || (count(&city) > 0).then_some(()));
    importer.kill().unwrap();
    importer.wait().unwrap();
    let after_first = count(&city);
    let importer = import(&city);
    until("some more rows are there", || (count(&city) > after_first).then_some(()));
    city.kill();
    let output = importer.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("run it again"), "{said}");
    drop(city);
    city = City::open(&folder, &[]);
    city.admin = token;
    let before = count(&city);
    assert!(before < u64::from(ROWS), "the kill came too late to prove anything");
    let output = import(&city).wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let added = u64::from(ROWS) - count_in(&told, "known");
    assert_eq!(count_in(&told, "imported"), added, "{told}");
    assert!(count_in(&told, "known") >= before, "{told}");
    assert_eq!(count(&city), u64::from(ROWS));
}

/// `name: number` of what a command said.
fn count_in(told: &str, name: &str) -> u64 {
    let line = told.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
    line.map_or(0, |number| number.parse().unwrap())
}
