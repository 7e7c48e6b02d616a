//! SIGKILL under load, again and again, in one data folder, and now and then while it starts: what
//! was acknowledged is there, once.
//!
//! Resending: a client that got no answer does not know what became of its batch, so it sends the
//! batch again before anything newer. A reading equal to the last one of its stream is a duplicate
//! and shown once. Every other round nothing is sent again: then an unanswered batch may be there
//! once or not at all.
//!
//! `CHENGMAI_TEST_KILLS=1000 cargo test -p chengmai-server --test it kill -- --nocapture` is the long run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use chengmai_model::Timestamp;

use crate::harness::{City, Folder, PATIENCE, now_ms};

/// Unless `CHENGMAI_TEST_KILLS` says otherwise.
const KILLS: u64 = 50;
/// Batches looked at in one question.
const LOOKED_AT: u64 = 5_000;
/// Milliseconds between two batches of a writer.
const STEP_MS: i64 = 20;
const WRITERS: u64 = 3;
const DEVICES_PER_WRITER: u64 = 20;

/// What one writer has sent so far. Batch `n` holds one reading of each of its devices.
#[derive(Default)]
struct Sent {
    next: u64,
    /// The batch to send again first.
    again: Option<u64>,
    acknowledged: Vec<u64>,
    unanswered: Vec<u64>,
}

fn device(writer: u64, index: u64) -> String {
    format!("k{writer}-{index}")
}

fn value(writer: u64, index: u64, n: u64) -> u64 {
    (n * 31 + index * 7 + writer) % 20_000
}

fn batch(writer: u64, n: u64, base_ms: i64) -> String {
    let at = base_ms + i64::try_from(n).unwrap() * STEP_MS;
    let mut lines = String::new();
    for index in 0..DEVICES_PER_WRITER {
        let (name, value) = (device(writer, index), value(writer, index, n));
        writeln!(lines, "water_flow,device={name} value={value} {at}").unwrap();
    }
    lines
}

/// Sends batch after batch until the server is gone.
fn send_until_killed(
    city: &City,
    token: &str,
    writer: u64,
    base_ms: i64,
    sent: &Mutex<Sent>,
    said: &Sender<()>,
) {
    loop {
        let mut sent = sent.lock().unwrap();
        let n = if let Some(n) = sent.again.take() {
            n
        } else {
            sent.next += 1;
            sent.next - 1
        };
        let body = batch(writer, n, base_ms);
        let path = "/api/v2/write?precision=ms";
        match city.send_with("POST", path, token, &[], body.as_bytes()) {
            Ok((204, _)) => sent.acknowledged.push(n),
            Ok((status, text)) => panic!("status {status}: {text}"),
            Err(_gone) => {
                sent.unanswered.push(n);
                return;
            }
        }
        drop(sent);
        // Nobody listens any more once the kill is on its way.
        let _ = said.send(());
    }
}

/// xorshift: enough to choose moments.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

pub(crate) fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn what_was_acknowledged_before_any_of_fifty_kills_is_there_exactly_once() {
    let kills = given("CHENGMAI_TEST_KILLS").unwrap_or(KILLS);
    let seed = given("CHENGMAI_TEST_SEED").unwrap_or_else(|| now_ms().unsigned_abs()) | 1;
    println!("seed: CHENGMAI_TEST_SEED={seed}");
    let mut random = seed;
    let folder = Folder::new();
    let flags = ["--snapshot-seconds", "1"];
    let city = City::start(&folder, &flags);
    let token = city.admin.clone();
    let mut csv = String::from("id,kinds,area,period\n");
    for writer in 0..WRITERS {
        for index in 0..DEVICES_PER_WRITER {
            writeln!(csv, "{},water_flow,500103001001001,1m", device(writer, index)).unwrap();
        }
    }
    city.register(&csv);
    let base_ms = now_ms() - 600_000;
    let sent: Vec<Mutex<Sent>> = (0..WRITERS).map(|_| Mutex::default()).collect();
    let mut city = city;
    // Some rounds last long enough for snapshots, Parquet files, merges and the removal of segments.
    let long = (kills / 20).max(10);
    for round in 0..kills {
        let (say, hear) = channel();
        std::thread::scope(|threads| {
            for (writer, sent) in (0..WRITERS).zip(&sent) {
                let (city, token, say) = (&city, &token, say.clone());
                threads.spawn(move || send_until_killed(city, token, writer, base_ms, sent, &say));
            }
            // After a random number of acknowledgements, and a little later still.
            let most = if round % long == long - 1 { 6_000 } else { 25 };
            for _ in 0..=next(&mut random) % most {
                hear.recv_timeout(PATIENCE).unwrap();
            }
            std::thread::park_timeout(Duration::from_micros(next(&mut random) % 4_000));
            city.kill();
        });
        drop(city);
        // Now and then the next start is killed as well, somewhere on its way through the journal.
        if round % 5 == 4 {
            let after = Duration::from_millis(next(&mut random) % 120);
            City::kill_at_start(&folder, &flags, after);
        }
        city = City::open(&folder, &flags);
        if round % 2 == 0 {
            for sent in &sent {
                let sent = &mut *sent.lock().unwrap();
                sent.again = sent.unanswered.pop();
            }
        }
    }
    let mut acknowledged = 0;
    for (writer, sent) in (0..WRITERS).zip(&sent) {
        let sent = sent.lock().unwrap();
        assert!(sent.acknowledged.len() as u64 >= kills, "too little was sent to prove anything");
        check(&city, &token, writer, base_ms, &sent);
        acknowledged += sent.acknowledged.len() as u64 * DEVICES_PER_WRITER;
    }
    println!("{kills} kills: {acknowledged} acknowledged readings are there exactly once");
}

fn check(city: &City, token: &str, writer: u64, base_ms: i64, sent: &Sent) {
    for index in 0..DEVICES_PER_WRITER {
        let name = device(writer, index);
        let at = |n: u64| Timestamp(base_ms + i64::try_from(n).unwrap() * STEP_MS).to_rfc3339();
        let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for first in (0..=sent.next).step_by(usize::try_from(LOOKED_AT).unwrap()) {
            let (from, to) = (at(first), at(first + LOOKED_AT));
            let asked =
                format!("/api/v1/devices/{name}/observations?from={from}&to={to}&limit=10000");
            for item in city.list(&asked, token) {
                let at = item["at"].as_str().unwrap().to_owned();
                found.entry(at).or_default().push(item["value"].as_f64().unwrap());
            }
        }
        let mut take = |n: u64| found.remove(&at(n)).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "values are below 20,000")]
        let expected = |n: u64| value(writer, index, n) as f64;
        let taken: Vec<(u64, Vec<f64>)> = sent.acknowledged.iter().map(|&n| (n, take(n))).collect();
        let wrong: Vec<_> = taken.iter().filter(|(n, values)| *values != [expected(*n)]).collect();
        let (many, all) = (wrong.len(), taken.len());
        assert!(wrong.is_empty(), "{name}: {many} of {all} acknowledged batches: {wrong:?}");
        for &n in &sent.unanswered {
            let values = take(n);
            assert!(values.is_empty() || values == [expected(n)], "{name}: batch {n}: {values:?}");
        }
        assert!(found.is_empty(), "{name}: readings nobody sent: {found:?}");
    }
}
