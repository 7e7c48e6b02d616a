//! What the database itself enforces: append-only, schema versions, what is on disk.

use super::*;

#[tokio::test]
async fn events_and_audit_cannot_be_changed_even_by_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records db?x.sqlite");
    let records = Records::open(&file).await.unwrap();
    filed(&records, TOWN, at(0)).await;
    let line = AuditRow {
        at: at(0),
        who: "w".into(),
        what: "x".into(),
        object: "o".into(),
        detail: String::new(),
    };
    records.audit().add(&line).await.unwrap();
    assert!(file.exists(), "the path is a path, not a URL");

    let mut options = sea_orm::ConnectOptions::new("sqlite://other");
    options.map_sqlx_sqlite_opts(move |o| o.filename(&file));
    let other = sea_orm::Database::connect(options).await.unwrap();
    for (sql, word) in [
        ("UPDATE case_event SET at = 0", "append-only"),
        ("DELETE FROM case_event", "append-only"),
        ("INSERT OR REPLACE INTO case_event SELECT * FROM case_event", "append-only"),
        ("INSERT INTO case_event SELECT case_id, 9, at, body FROM case_event", "no gaps"),
        ("INSERT OR REPLACE INTO \"case\" SELECT * FROM \"case\"", "never replaced"),
        ("INSERT OR REPLACE INTO audit SELECT * FROM audit", "append-only"),
        ("UPDATE audit SET who = 'x'", "append-only"),
        ("DELETE FROM audit", "append-only"),
        ("DELETE FROM \"case\"", "never deleted"),
        ("UPDATE \"case\" SET clock_due = NULL", "CHECK"),
    ] {
        let error = other.execute_unprepared(sql).await.unwrap_err().to_string();
        assert!(error.contains(word), "{sql}: {error}");
    }
    records.close().await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening_with_full_sync() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.sqlite");
    let records = Records::open(&file).await.unwrap();
    let case = filed(&records, TOWN, at(0)).await;
    let case = step(&records, case, WHOLE_LOOP, at(9)).await;
    records.settings().set("language", "zh").await.unwrap();
    records.settings().set("language", "en").await.unwrap();
    records.close().await.unwrap();

    let records = Records::open(&file).await.unwrap();
    assert_eq!(records.cases().find(&case.id).await.unwrap(), Some(case.clone()));
    let events = records.cases().events(&case.id).await.unwrap();
    assert_eq!(replay(case.id.clone(), &events), Some(case));
    assert_eq!(records.settings().find("language").await.unwrap().as_deref(), Some("en"));
    records.ping().await.unwrap();
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.sqlite");
    Records::open(&file).await.unwrap().close().await.unwrap();
    let mut options = sea_orm::ConnectOptions::new("sqlite://other");
    let name = file.clone();
    options.map_sqlx_sqlite_opts(move |o| o.filename(&name));
    let other = sea_orm::Database::connect(options).await.unwrap();
    other.execute_unprepared("INSERT INTO schema_version VALUES (99)").await.unwrap();
    other.close().await.unwrap();
    assert!(matches!(
        Records::open(&file).await.unwrap_err(),
        RecordsError::TooNew { found: 99, .. }
    ));
}
