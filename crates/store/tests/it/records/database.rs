//! What the database itself enforces: append-only, schema versions, what is on disk.

use super::*;

/// What another program may try, and a word of the refusal.
const FORBIDDEN: [(&str, &str); 8] = [
    ("UPDATE case_event SET at = 0", "append-only"),
    ("DELETE FROM case_event", "append-only"),
    ("INSERT INTO case_event SELECT case_id, 9, at, body FROM case_event", "no gaps"),
    ("UPDATE audit SET who = 'x'", "append-only"),
    ("DELETE FROM audit", "append-only"),
    ("DELETE FROM finding", "append-only"),
    ("DELETE FROM \"case\"", "never deleted"),
    ("UPDATE \"case\" SET clock_due = NULL", "CHECK"),
];

/// The same in words that only SQLite has.
const FORBIDDEN_IN_SQLITE: [(&str, &str); 3] = [
    ("INSERT OR REPLACE INTO case_event SELECT * FROM case_event", "append-only"),
    ("INSERT OR REPLACE INTO \"case\" SELECT * FROM \"case\"", "never replaced"),
    ("INSERT OR REPLACE INTO audit SELECT * FROM audit", "append-only"),
];

/// The same in words that only PostgreSQL has.
const FORBIDDEN_IN_POSTGRESQL: [(&str, &str); 2] =
    [("TRUNCATE case_event", "append-only"), ("TRUNCATE \"case\" CASCADE", "never deleted")];

#[tokio::test]
async fn events_and_audit_cannot_be_changed_even_by_another_program() {
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        let case = filed(&records, TOWN, at(0)).await;
        let line = AuditRow {
            at: at(0),
            who: "w".into(),
            what: "x".into(),
            object: "o".into(),
            detail: String::new(),
        };
        records.audit().add(&line).await.unwrap();
        records.reviews().add_finding(&look_back::finding(&case.id)).await.unwrap();
        let also: &[_] = match &place {
            Place::File(path) => {
                assert!(path.exists(), "the path is a path, not a URL");
                &FORBIDDEN_IN_SQLITE
            }
            Place::Server(_) => &FORBIDDEN_IN_POSTGRESQL,
        };
        let other = other(&place).await;
        for (sql, word) in FORBIDDEN.iter().chain(also) {
            let error = other.execute_unprepared(sql).await.unwrap_err().to_string();
            assert!(error.to_lowercase().contains(&word.to_lowercase()), "{sql}: {error}");
        }
        other.close().await.unwrap();
        records.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening_with_full_sync() {
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        let case = filed(&records, TOWN, at(0)).await;
        let case = step(&records, case, WHOLE_LOOP, at(9)).await;
        records.settings().set("language", "zh").await.unwrap();
        records.settings().set("language", "en").await.unwrap();
        records.close().await.unwrap();

        let records = Records::open(place).await.unwrap();
        assert_eq!(records.cases().find(&case.id).await.unwrap(), Some(case.clone()));
        let events = records.cases().events(&case.id).await.unwrap();
        assert_eq!(replay(case.id.clone(), &events), Some(case));
        assert_eq!(records.settings().find("language").await.unwrap().as_deref(), Some("en"));
        records.ping().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    in_both_places(async |place| {
        Records::open(place.clone()).await.unwrap().close().await.unwrap();
        let other = other(&place).await;
        other.execute_unprepared("INSERT INTO schema_version VALUES (99)").await.unwrap();
        other.close().await.unwrap();
        let error = Records::open(place).await.unwrap_err();
        assert!(matches!(error, RecordsError::TooNew { found: 99, .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn four_programs_that_start_at_once_make_one_schema() {
    in_both_places(async |place| {
        let opening: Vec<_> = (0..4).map(|_| tokio::spawn(Records::open(place.clone()))).collect();
        for records in opening {
            let records = records.await.unwrap().unwrap();
            assert_eq!(records.users().count().await.unwrap(), 0);
            records.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_text_with_a_zero_in_it_is_kept_without_the_zero() {
    on_both(async |records| {
        records.settings().set("a", "b\0c").await.unwrap();
        let kept = records.settings().find("a").await.unwrap();
        assert_eq!(kept.as_deref(), Some("b\u{fffd}c"), "PostgreSQL has no text with a zero");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_wait_for_its_disk_is_refused() {
    let Some(place) = postgres::database().await else { return };
    let other = other(&place).await;
    let name = place.to_string();
    let name = name.rsplit('/').next().unwrap();
    let set = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    other.execute_unprepared(&set).await.unwrap();
    let error = Records::open(place.clone()).await.unwrap_err();
    assert!(error.to_string().contains("synchronous_commit = off; set it to on"), "{error}");
    other.execute_unprepared(&set.replace("off", "on")).await.unwrap();
    Records::open(place).await.unwrap();
}

#[tokio::test]
async fn two_programs_that_wait_for_each_other_are_told_to_try_again() {
    let Some(place) = postgres::database().await else { return };
    let records = Records::open(place.clone()).await.unwrap();
    records.settings().set("a", "0").await.unwrap();
    let other = other(&place).await;
    // Held by the other program until its connection goes.
    other.execute_unprepared("BEGIN; UPDATE setting SET value = '1'").await.unwrap();
    let waited = records.settings().set("a", "2").await.unwrap_err();
    assert!(matches!(waited, RecordsError::Busy(_)), "{waited}");
    other.execute_unprepared("ROLLBACK").await.unwrap();
    records.settings().set("a", "2").await.unwrap();
}
