//! How many steps of cases a second become durable, how fast cases are imported, and how long lists take,
//! in a store of many cases:
//! `cargo run --release -p chengmai-store --example records_speed -- --cases 1000000 --backend sqlite`
//! (or `postgres`: a server of its own, from Debian's programs, ended with the program).
//!
//! Cases are made up and all go through the import. With `--at FILE` or `--at postgres://...` the store stays,
//! and the next run measures it again: what was imported is not imported twice. Not part of the program.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a measurement stops where it fails")]

mod city;
mod evaluation;
mod lists;
#[path = "../../tests/it/postgres.rs"]
mod postgres;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chengmai_engine::case::{CaseRules, decide};
use chengmai_model::Timestamp;
use chengmai_model::calendar::Calendar;
use chengmai_model::case::{Case, Command, CommandKind};
use chengmai_store::records::cases::{CaseFilter, CaseStateFilter};
use chengmai_store::records::{PageRequest, Place, Records};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};

/// Cases of one transaction of the import.
const IMPORTED_TOGETHER: u64 = 2_000;
/// People who act on cases at the same time.
const WRITERS: usize = 64;
/// For how long they do.
const STEPS_FOR: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Wanted {
    cases: u64,
    postgres: bool,
    at: Option<Place>,
}

fn main() {
    let mut wanted = Wanted { cases: 1_000_000, postgres: false, at: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--cases" => wanted.cases = value.parse().unwrap(),
            "--backend" => wanted.postgres = value == "postgres",
            "--at" if value.starts_with("postgres") => {
                wanted.postgres = true;
                wanted.at = Some(Place::parse(&value, None).unwrap());
            }
            "--at" => wanted.at = Some(Place::from(&PathBuf::from(value))),
            _ => panic!("{word}: only --cases, --backend and --at are known"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&wanted));
}

async fn measure(wanted: &Wanted) {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("records.db");
    let place = match &wanted.at {
        Some(place) => place.clone(),
        None if wanted.postgres => postgres::database().await.expect("PostgreSQL is installed"),
        None => Place::from(&file),
    };
    let records = Records::open(place.clone()).await.unwrap();
    println!("{}", if wanted.postgres { "PostgreSQL" } else { "SQLite" });
    import(&records, wanted.cases).await;
    let other = beside(&place).await;
    settle(&other, wanted.postgres).await;
    println!("store: {}", size(&other, wanted.postgres).await);
    lists::measure(&records, wanted.cases).await;
    evaluation::measure(&records, wanted.cases).await;
    steps(&records).await;
    other.close().await.unwrap();
    records.close().await.unwrap();
}

/// Imports cases by the thousand, then the first of them once more.
async fn import(records: &Records, count: u64) {
    let start = Instant::now();
    let mut told = start;
    let (mut first, mut added) = (0, 0);
    while first < count {
        let next = (first + IMPORTED_TOGETHER).min(count);
        let drafts: Vec<_> = (first..next).map(|n| city::draft(n, count)).collect();
        added += records.cases().import(&drafts).await.unwrap().added;
        first = next;
        if told.elapsed() > Duration::from_secs(20) {
            told = Instant::now();
            println!("  imported {first} of {count}");
        }
    }
    print_rate("import", added, start.elapsed());
    let again = count.min(50_000);
    let start = Instant::now();
    for first in (0..again).step_by(2_000) {
        let drafts: Vec<_> = (first..(first + IMPORTED_TOGETHER).min(again))
            .map(|n| city::draft(n, count))
            .collect();
        assert_eq!(records.cases().import(&drafts).await.unwrap().added, 0, "none comes twice");
    }
    print_rate("the same again, nothing changed", again, start.elapsed());
}

/// What a server does at night by itself: figures for the planner.
async fn settle(other: &DatabaseConnection, postgres: bool) {
    let statement = if postgres { "VACUUM ANALYZE" } else { "PRAGMA wal_checkpoint(TRUNCATE)" };
    other.execute_unprepared(statement).await.unwrap();
}

async fn size(other: &DatabaseConnection, postgres: bool) -> String {
    let bytes = if postgres {
        "SELECT pg_database_size(current_database())"
    } else {
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    };
    let first = async |text: &str| -> i64 {
        let statement = sea_orm::Statement::from_string(other.get_database_backend(), text);
        other.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    };
    let cases = first("SELECT count(*) FROM \"case\"").await;
    let open = first("SELECT count(*) FROM \"case\" WHERE closed_at IS NULL").await;
    let mib = first(bytes).await >> 20;
    format!("{cases} cases, of these {open} open; {mib} MiB")
}

async fn beside(place: &Place) -> DatabaseConnection {
    let Place::File(path) = place else { return postgres::connect(&place.to_string()).await };
    let path = path.clone();
    let mut options = sea_orm::ConnectOptions::new("sqlite://beside");
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(move |o| o.filename(&path).pragma("journal_mode", "WAL"));
    sea_orm::Database::connect(options).await.unwrap()
}

/// Many people, each with cases of their own, take them through the loop; each waits until a step is
/// durable before the next.
async fn steps(records: &Records) {
    let mut filter = CaseFilter {
        areas: vec![city::root()],
        state: CaseStateFilter::Open,
        page: PageRequest { limit: 1_000, cursor: None },
        ..CaseFilter::default()
    };
    let mut cases: Vec<Vec<Case>> = vec![Vec::new(); WRITERS];
    let mut count = 0;
    while count < 40_000 {
        let page = records.cases().list(&filter).await.unwrap();
        for case in page.items {
            cases[count % WRITERS].push(case);
            count += 1;
        }
        filter.page.cursor = page.next_cursor;
        if filter.page.cursor.is_none() {
            break;
        }
    }
    let start = Instant::now();
    let people: Vec<_> = cases
        .into_iter()
        .map(|cases| tokio::spawn(handle(records.clone(), cases, start + STEPS_FOR)))
        .collect();
    let mut took = Vec::new();
    for person in people {
        took.extend(person.await.unwrap());
    }
    let elapsed = start.elapsed();
    print_rate(&format!("durable steps, {WRITERS} people at once"), took.len() as u64, elapsed);
    println!("  a step takes {}", spread(&mut took));
}

/// Takes cases that lie with their agency to their end; how long each step took.
async fn handle(records: Records, cases: Vec<Case>, until: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    let rules = CaseRules::new(Calendar::default(), [], [], [], []);
    for mut case in cases {
        if case.state.word() != "dispatched" {
            continue;
        }
        for kind in
            [CommandKind::Start, CommandKind::Finish, CommandKind::CheckPass, CommandKind::Close]
        {
            let now = Timestamp(case.filed_at.0 + 1_000);
            let actor = city::actor(&case, kind);
            let events = decide(&case, &Command::new(kind), &actor, now, &rules).unwrap();
            let start = Instant::now();
            if start > until {
                return took;
            }
            case = records.cases().append(&case, &events).await.unwrap();
            took.push(start.elapsed());
        }
    }
    took
}

fn print_rate(what: &str, count: u64, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    println!("{what}: {count} in {seconds:.1} s, {:.0}/s", count as f64 / seconds);
}

/// Median, 95th percentile and worst.
fn spread(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).or(took.last());
    let ms = |d: Option<&Duration>| d.map_or(0.0, |d| d.as_secs_f64() * 1e3);
    let (half, most, worst) = (ms(at(50)), ms(at(95)), ms(took.last()));
    format!("{half:.1} ms (median), {most:.1} ms (p95), {worst:.1} ms (worst)")
}
