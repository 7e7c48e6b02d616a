//! Records that move from a file to a server and back.

use chengmai_store::records::corrections::{CorrectionFilter, CorrectionRow};

use super::*;

fn correction(sequence: u64, old: f64) -> CorrectionRow {
    CorrectionRow {
        sequence,
        at: at(9),
        by: "w".into(),
        device: "m1".into(),
        kind: "methane".into(),
        area: path(TOWN),
        reading_at: at(1),
        old,
        new: sequence.is_multiple_of(2).then_some(f64::MIN_POSITIVE),
        reason: "sensor was wet".into(),
    }
}

fn line(who: &str) -> AuditRow {
    AuditRow {
        at: at(0),
        who: who.into(),
        what: "x".into(),
        object: "o".into(),
        detail: String::new(),
    }
}

async fn corrections(records: &Records) -> Vec<CorrectionRow> {
    let filter = CorrectionFilter { areas: vec![path("/50/")], ..CorrectionFilter::default() };
    records.corrections().list(&filter).await.unwrap().items
}

#[tokio::test]
async fn numbers_of_corrections_keep_all_their_digits() {
    on_both(async |records| {
        let rows = [correction(2, 29.55), correction(1, -0.1)];
        records.corrections().add(&rows).await.unwrap();
        assert_eq!(corrections(&records).await, rows);
    })
    .await;
}

#[tokio::test]
async fn records_move_to_a_server_and_into_a_file_with_everything_in_them() {
    let Some(server) = postgres::database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.db"), folder.path().join("second.db"));
    let records = Records::open(&first).await.unwrap();
    let case = filed(&records, TOWN, at(0)).await;
    records.users().insert(&user("w", TOWN)).await.unwrap();
    records.corrections().add(&[correction(4, 0.1)]).await.unwrap();
    for n in 0..700 {
        records.audit().add(&line(&format!("人{n}"))).await.unwrap();
    }
    records.close().await.unwrap();

    Records::put(&first, &server).await.unwrap();
    let moved = Records::open(server.clone()).await.unwrap();
    assert_eq!(moved.cases().find(&case.id).await.unwrap().as_ref(), Some(&case));
    assert_eq!(moved.cases().events(&case.id).await.unwrap().len(), 1);
    assert_eq!(corrections(&moved).await, [correction(4, 0.1)]);
    let pothole = CaseFilter {
        areas: vec![path("/50/")],
        words: Some("pothole".into()),
        ..CaseFilter::default()
    };
    assert_eq!(moved.cases().list(&pothole).await.unwrap().total, 1, "words are found again");
    // What is added goes on counting.
    moved.audit().add(&line("later")).await.unwrap();
    let error = Records::put(&first, &server).await.unwrap_err().to_string();
    assert!(error.contains("not empty"), "{error}");

    // While the city goes on, and with what came since.
    Records::copy(server, &second).await.unwrap();
    moved.close().await.unwrap();
    let back = Records::open(&second).await.unwrap();
    assert_eq!(back.cases().find(&case.id).await.unwrap(), Some(case));
    assert_eq!(corrections(&back).await, [correction(4, 0.1)]);
    let other = other(&Place::from(&second)).await;
    let counted = sea_orm::Statement::from_string(
        other.get_database_backend(),
        "SELECT count(*) + max(id) * 10000 AS n FROM audit",
    );
    let counted = other.query_one_raw(counted).await.unwrap().unwrap();
    assert_eq!(counted.try_get::<i64>("", "n").unwrap(), 701 + 701 * 10_000);
}
