//! The proof log as an outsider meets it, and what a data folder says of itself: verify, witness, backup, restore.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use chengmai_store::proof::note::{Note, from_base64};
use chengmai_store::proof::tree::{fold, leaf_hash, verify_consistency, verify_inclusion};
use chengmai_store::proof::{Entry, Hash, Source, Verifier};
use serde_json::{Value, json};

use crate::harness::{City, Folder, PROGRAM, until};

fn text(city: &City, path: &str, token: &str) -> (u16, String) {
    city.send_with("GET", path, token, &[], b"").unwrap()
}

/// The newest signed head, verified.
fn checkpoint(city: &City) -> Note {
    let (status, key) = text(city, "/api/v1/log/key", "");
    assert_eq!(status, 200);
    let (status, note) = text(city, "/api/v1/log/checkpoint", "");
    assert_eq!(status, 200, "{note}");
    let note = Note::parse(&note).unwrap();
    note.signed_by(&Verifier::parse(&key).unwrap()).unwrap();
    note
}

fn path_of(city: &City, path: &str) -> Vec<Hash> {
    let (status, proof) = city.get(path, "");
    assert_eq!(status, 200, "{proof}");
    let path = proof["path"].as_array().unwrap().iter();
    path.map(|hash| from_base64(hash.as_str().unwrap()).unwrap()).collect()
}

/// Files a case; its number.
fn file(city: &City, words: &str) -> String {
    let new =
        json!({"type": "dirty_road", "row": 0, "area": "500103001001001", "description": words});
    let (status, case) = city.post("/api/v1/cases", &city.admin, &new);
    assert_eq!(status, 200, "{case}");
    case["id"].as_str().unwrap().to_owned()
}

/// The newest signed head, once it has at least so many leaves.
fn once_it_has(city: &City, size: u64) -> Note {
    until("the log has the leaf", || {
        let note = checkpoint(city);
        (note.checkpoint.size >= size).then_some(note)
    })
}

pub(crate) fn run(command: &str, arguments: &[&str], data: Option<&Path>) -> Output {
    let mut program = Command::new(PROGRAM);
    program.arg(command).args(arguments).env("CHENGMAI_LOG", "warn");
    if let Some(data) = data {
        program.arg("--data").arg(data);
    }
    program.output().unwrap()
}

/// What a command said that must succeed.
pub(crate) fn said(command: &str, arguments: &[&str], data: Option<&Path>) -> String {
    let output = run(command, arguments, data);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn an_outsider_checks_every_decision_without_being_told_what_it_says() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let before = once_it_has(&city, 1).checkpoint;
    let case = file(&city, "secret words");
    let events = city.get(&format!("/api/v1/cases/{case}"), &city.admin).1;
    let events = events["events"].as_array().unwrap().len() as u64;
    let after = once_it_has(&city, before.size + events).checkpoint;

    let query = format!("old={}&new={}", before.size, after.size);
    let path = path_of(&city, &format!("/api/v1/log/proof/consistency?{query}"));
    let (old, new) = ((before.size, &before.root), (after.size, &after.root));
    assert!(verify_consistency(old, new, &path));

    // What leaves stand for is for whoever watches the whole city.
    let bundle = format!("/api/v1/log/tile/entries/000.p/{}", after.size);
    assert_eq!(text(&city, &bundle, "").0, 401);
    let town = city.account("town", &["supervisor"], "500103001", None);
    assert_eq!(text(&city, &bundle, &town).0, 403);
    let viewer = city.account("viewer", &["viewer"], "50", None);
    assert_eq!(text(&city, &bundle, &viewer).0, 403);
    let auditor = city.account("auditor", &["supervisor"], "50", None);
    let (status, bundle) = text(&city, &bundle, &auditor);
    assert_eq!(status, 200);
    assert!(bundle.contains(&format!("{case}/1")) && !bundle.contains("secret words"));

    let (mut rest, mut index, mut found) = (bundle.as_bytes(), 0, 0);
    while let Some((length, after_length)) = rest.split_first_chunk::<2>() {
        let (entry, after_entry) = after_length.split_at(usize::from(u16::from_be_bytes(*length)));
        let query = format!("index={index}&size={}", after.size);
        let path = path_of(&city, &format!("/api/v1/log/proof/inclusion?{query}"));
        assert!(verify_inclusion(&leaf_hash(entry), index, after.size, &path, &after.root));
        let entry = Entry::parse(entry).unwrap();
        found += u64::from(entry.source == Source::CaseEvent && entry.key.starts_with(&case));
        (rest, index) = (after_entry, index + 1);
    }
    assert_eq!((index, found), (after.size, events));
    for asked in [
        "/api/v1/log/tile/0/001",
        "/api/v1/log/tile/0/0",
        "/api/v1/log/tile/9/000",
        "/api/v1/log/tile/0/000",
        "/api/v1/log/proof/inclusion?index=5&size=999999",
        "/api/v1/log/proof/consistency?old=6&new=5",
        "/api/v1/log/witnessed",
    ] {
        let (status, body) = city.get(asked, "");
        assert_eq!((status, &body["code"]), (404, &json!("E-451")), "{asked}: {body}");
    }
    let tile = format!("/api/v1/log/tile/0/000.p/{}", 1 << after.size.ilog2());
    let (status, headers) = city.head(&tile, "");
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (200, "application/octet-stream")
    );
}

#[test]
fn a_tile_of_the_log_holds_what_its_proofs_lead_to() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let size = 1 << once_it_has(&city, 4).checkpoint.size.ilog2();
    let leaves = (0..size).map(|index| {
        // A leaf's neighbour is the first hash of its path.
        path_of(&city, &format!("/api/v1/log/proof/inclusion?index={}&size={size}", index ^ 1))[0]
    });
    let leaves: Vec<Hash> = leaves.collect();
    let (_, whole) = city.get(&format!("/api/v1/log/proof/inclusion?index=0&size={size}"), "");
    assert_eq!(from_base64(whole["root"].as_str().unwrap()), Some(fold(&leaves)));
}

#[test]
fn a_second_party_witnesses_the_log_and_a_stranger_cannot() {
    let folder = Folder::new();
    let key = folder.path().join("witness.key");
    let seen = folder.path().join("seen");
    let (key, seen) = (key.to_str().unwrap(), seen.to_str().unwrap());
    // The key is made before anybody knows the city.
    let output =
        run("witness", &["--key", key, "--url", "http://127.0.0.1:9", "--token", "x"], None);
    let made = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success());
    let public = made.split_whitespace().last().unwrap();

    let city = City::start(&folder, &["--witnesses", public]);
    let auditor = city.account("auditor", &["supervisor"], "50", None);
    once_it_has(&city, 1);
    let url = city.url("");
    let witness = ["--key", key, "--seen", seen, "--url", &url, "--token", &auditor];
    assert!(said("witness", &witness, None).contains("for the first time"));
    let size = checkpoint(&city).checkpoint.size;
    file(&city, "x");
    once_it_has(&city, size + 1);
    assert!(said("witness", &witness, None).contains("continue what was seen before"));
    let (status, both) = text(&city, "/api/v1/log/witnessed", "");
    assert_eq!(status, 200);
    let (_, time) = Note::parse(&both)
        .unwrap()
        .signed_by(&Verifier::parse(public).unwrap())
        .map(|(line, time)| (line.to_owned(), time))
        .unwrap();
    assert!(time.is_some());

    // Another's signature, another log's checkpoint, and no checkpoint at all.
    let send = |body: &str, token: &str| {
        let kind = Some("text/plain");
        let sent = city.send("POST", "/api/v1/log/cosignatures", token, kind, body.as_bytes());
        (sent.0, sent.1["code"].as_str().unwrap_or_default().to_owned())
    };
    let (_, plain) = text(&city, "/api/v1/log/checkpoint", "");
    assert_eq!(send(&plain, &auditor), (403, "E-453".to_owned()));
    assert_eq!(send("nothing", &auditor), (422, "E-452".to_owned()));
    let town = city.account("town", &["supervisor"], "500103001", None);
    assert_eq!(send(&both, &town).0, 403);
    assert_eq!(send(&both, &auditor).0, 200);

    // Whoever kept a head notices that the log does not continue it.
    let kept = fs::read_to_string(seen).unwrap();
    let (log_key, _) = kept.split_once('\n').unwrap();
    fs::write(seen, kept.replace(log_key, public)).unwrap();
    let output = run("witness", &witness, None);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another key"), "{output:?}");
}

#[test]
fn a_folder_is_sound_until_its_records_are_put_back_to_an_older_day() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    file(&city, "first");
    let older = folder.path().join("older");
    let to = older.to_str().unwrap();
    assert!(said("backup", &["--to", to], Some(&folder.data())).contains("files"));
    let case = file(&city, "second");
    city.stop();
    drop(city);
    let kept = folder.path().join("kept");
    fs::copy(folder.data().join("proof/checkpoint"), &kept).unwrap();
    let kept = ["--checkpoint", kept.to_str().unwrap()];
    let whole = said("verify", &kept, Some(&folder.data()));
    assert!(whole.contains("the log continues it") && whole.contains(": 0 faults"), "{whole}");

    // Decisions taken back by a copy of an older day: each of them is named.
    let records = folder.data().join("records.db");
    let today = folder.path().join("today");
    fs::create_dir(&today).unwrap();
    // With what SQLite has written beside its file.
    let move_all = |from: &Path, to: &Path| {
        for name in ["records.db", "records.db-wal", "records.db-shm"] {
            if from.join(name).exists() {
                fs::rename(from.join(name), to.join(name)).unwrap();
            }
        }
    };
    move_all(&folder.data(), &today);
    fs::copy(older.join("records.db"), &records).unwrap();
    let output = run("verify", &[], Some(&folder.data()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success());
    assert!(text.contains(&format!("case_event {case}/1")) && text.contains("deleted"), "{text}");
    let away = folder.path().join("away");
    fs::create_dir(&away).unwrap();
    move_all(&folder.data(), &away);
    move_all(&today, &folder.data());
    assert!(said("verify", &[], Some(&folder.data())).contains(": 0 faults"));

    // And the whole of that older day is sound too, but not what somebody kept of this one.
    let again = folder.path().join("again");
    said("restore", &["--from", to], Some(&again));
    assert!(said("verify", &[], Some(&again)).contains(": 0 faults"));
    let output = run("verify", &kept, Some(&again));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("NOT of this log's past"), "{text}");
}

#[test]
fn a_copy_of_a_running_city_starts_and_has_everything_up_to_it() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    city.register("id,kinds,area,period\nm1,methane,500103001001001,1m\n");
    let line = format!("methane,device=m1 value=3 {}\n", crate::harness::now_ms());
    assert_eq!(city.write(&city.admin, &line).0, 204);
    let case = file(&city, "copied");
    let copy = folder.path().join("copy");
    said("backup", &["--to", copy.to_str().unwrap()], Some(&folder.data()));
    file(&city, "not copied");

    // Whatever is spoiled in the copy is noticed before anything is made of it.
    let other = Folder::empty();
    let from = ["--from", copy.to_str().unwrap()];
    let key = copy.join("links.key");
    let bytes = fs::read(&key).unwrap();
    fs::write(&key, [&[bytes[0] ^ 1], &bytes[1..]].concat()).unwrap();
    let output = run("restore", &from, Some(&other.data()));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("links.key"), "{text}");
    assert!(!other.data().join("links.key").exists());
    fs::write(&key, &bytes).unwrap();

    said("restore", &from, Some(&other.data()));
    assert!(said("verify", &[], Some(&other.data())).contains(": 0 faults"));
    let output = run("restore", &from, Some(&other.data()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"), "{output:?}");
    let again = City::start(&other, &[]);
    let (status, found) = again.get(&format!("/api/v1/cases/{case}"), &again.admin);
    assert_eq!((status, &found["description"]), (200, &json!("copied")));
    assert_eq!(again.values("m1", 1), [3.0]);
    assert_eq!(again.list("/api/v1/cases?state=all", &again.admin).len(), 1);
    // It goes on with the same log.
    let size = checkpoint(&again).checkpoint.size;
    let _: Value = again.get(&format!("/api/v1/cases/{}", file(&again, "later")), &again.admin).1;
    once_it_has(&again, size + 1);
}
