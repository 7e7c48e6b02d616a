//! How many leaves a second the proof log takes, durably and under a signed head, and how long proofs take:
//! `cargo run --release -p chengmai-store --example proof_speed -- --leaves 2000000`
//!
//! Three figures that must not be mixed up: the log alone, by how many leaves come together; a decision with its
//! leaf in the records (a line of the audit, a transaction each); and both together, as the server does it.
//! Not part of the program.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a measurement stops where it fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chengmai_model::Timestamp;
use chengmai_store::disk::RealDisk;
use chengmai_store::proof::tree::{leaf_hash, verify_inclusion};
use chengmai_store::proof::{Entry, LogReader, LogWriter, Signer, Source};
use chengmai_store::records::Records;
use chengmai_store::records::audit::AuditRow;

/// Leaves under one head, as far as the log alone is measured.
const TOGETHER: [usize; 5] = [1, 16, 256, 4_096, 16_384];
/// For how long each is.
const FOR: Duration = Duration::from_secs(3);
/// Lines of the audit.
const LINES: i64 = 3_000;
/// Proofs asked for.
const PROOFS: u64 = 20_000;

fn main() {
    let mut leaves = 2_000_000;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        assert_eq!(word, "--leaves", "only --leaves is known");
        leaves = words.next().unwrap_or_else(|| panic!("--leaves wants a number")).parse().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for together in TOGETHER {
        let mut log = open(&folder.path().join(format!("log-{together}")));
        let (began, mut taken, mut slowest) = (Instant::now(), 0, Duration::ZERO);
        while began.elapsed() < FOR {
            let one = Instant::now();
            log.append(&entries(taken, together)).unwrap();
            slowest = slowest.max(one.elapsed());
            taken += together;
        }
        let each = began.elapsed().as_secs_f64() / (taken / together) as f64 * 1e3;
        println!(
            "log alone, {together} together: {:.0} leaves/s; {each:.2} ms each time, {:.1} ms at worst",
            taken as f64 / began.elapsed().as_secs_f64(),
            slowest.as_secs_f64() * 1e3
        );
    }
    let mut log = open(&folder.path().join("log"));
    let (began, mut taken) = (Instant::now(), 0);
    while taken < leaves {
        log.append(&entries(taken, 16_384)).unwrap();
        taken += 16_384;
    }
    println!(
        "a log of {taken} leaves: {:.0} leaves/s",
        taken as f64 / began.elapsed().as_secs_f64()
    );
    proofs(log.reader());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(records(folder.path()));
}

fn open(dir: &std::path::Path) -> LogWriter {
    LogWriter::open(Arc::new(RealDisk), dir, Signer::generate("speed").unwrap()).unwrap()
}

/// Entries as steps of cases have them.
fn entries(from: usize, count: usize) -> Vec<Vec<u8>> {
    let entry = |number: usize| Entry {
        source: Source::CaseEvent,
        key: format!("500103-20261121-{:05}/{}", number / 6, number % 6 + 1),
        commitment: leaf_hash(&number.to_be_bytes()),
    };
    (from..from + count).map(|number| entry(number).to_bytes()).collect()
}

fn proofs(log: &LogReader) {
    let checkpoint = log.tip().checkpoint.clone();
    let mut times = Vec::new();
    for n in 0..PROOFS {
        let index = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % checkpoint.size;
        let began = Instant::now();
        let path = log.inclusion(index, checkpoint.size).unwrap().unwrap();
        times.push(began.elapsed());
        let leaf = leaf_hash(&log.entries(index, 1).unwrap()[0].0);
        assert!(verify_inclusion(&leaf, index, checkpoint.size, &path, &checkpoint.root));
    }
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
    println!(
        "a proof of inclusion: {:.3} ms (median), {:.3} ms (p99), all verified",
        at(50),
        at(99)
    );
}

async fn records(folder: &std::path::Path) {
    let records = Records::open(&folder.join("records.db")).await.unwrap();
    let line = |n: i64| AuditRow {
        at: Timestamp(n),
        who: "somebody".into(),
        what: "sign_in".into(),
        object: "somebody".into(),
        detail: String::new(),
    };
    let began = Instant::now();
    for n in 0..LINES {
        records.audit().add(&line(n)).await.unwrap();
    }
    let each = began.elapsed().as_secs_f64() / LINES as f64;
    println!("a line of the audit with its leaf, one after the other: {:.0}/s", 1.0 / each);
    let mut log = open(&folder.join("log-of-records"));
    let began = Instant::now();
    let leaves = records.proof().leaves(0, LINES.cast_unsigned()).await.unwrap();
    let entries: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.entry.to_bytes()).collect();
    log.append(&entries).unwrap();
    let took = began.elapsed().as_secs_f64();
    println!(
        "their {LINES} leaves into the log: {:.1} ms, {:.0}/s",
        took * 1e3,
        LINES as f64 / took
    );
    let began = Instant::now();
    let checked = records.proof().check(log.reader(), |fault| panic!("{fault:?}")).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    println!("{} rows compared with the log: {:.0}/s", checked.rows, checked.rows as f64 / took);
}
