//! Leaves of the proof log: one for each decision, in the same transaction; and what tampering shows.

use std::sync::Arc;

use chengmai_store::disk::simulated::SimulatedDisk;
use chengmai_store::proof::{Entry, LogReader, LogWriter, Signer, Source, entry};
use chengmai_store::records::citizens::NewContact;
use chengmai_store::records::proof::check::{Fault, FaultKind};

use super::*;

/// Everything that has leaves, once or more.
async fn decide_much(records: &Records) -> Case {
    let case = filed(records, TOWN, at(0)).await;
    let case = step(records, case, WHOLE_LOOP, at(9)).await;
    for name in ["ann", "bob"] {
        records.users().insert(&user(name, TOWN)).await.unwrap();
    }
    records.users().set_password("ann", "$other").await.unwrap();
    records.users().delete("bob").await.unwrap();
    for hash in ["t1", "t2"] {
        let new = NewToken::new(hash, "ann", TokenKind::Api, at(1));
        records.tokens().insert(new).await.unwrap();
    }
    records.tokens().delete("t2").await.unwrap();
    for person in ["Wang", "Li"] {
        records.agencies().upsert(&[agency(person)]).await.unwrap();
    }
    let raised = warning_step(1, WarningStep::Raised, 2, 1, TOWN);
    records.warnings().apply(&[raised]).await.unwrap();
    let how = WarningAnswer::Confirm;
    records.warnings().answer(WarningId(1), "ann", how, None, at(3)).await.unwrap();
    for n in 0..5 {
        records.audit().add(&line(n)).await.unwrap();
    }
    records.reviews().add_finding(&look_back::finding(&case.id)).await.unwrap();
    for n in 1..=2 {
        let (draft, events) = filing(TOWN, None, at(10 + n));
        let reported = records.citizens().report(draft, &events, &contact(n)).await.unwrap();
        records.citizens().publish_photo(&reported.id, "e3b0", "ann", at(20)).await.unwrap();
        records.citizens().publish_photo(&reported.id, "e3b0", "ann", at(21)).await.unwrap();
    }
    case
}

fn agency(person: &str) -> AgencyRow {
    AgencyRow {
        id: "yz_gas".into(),
        name: Text::new("渝中燃气", "Yuzhong Gas"),
        kind: "gas_company".into(),
        area: path(TOWN),
        person: Some(person.into()),
    }
}

fn line(n: i64) -> AuditRow {
    AuditRow {
        at: at(n),
        who: "ann".into(),
        what: "sign_in".into(),
        object: format!("o\0{n}"),
        detail: String::new(),
    }
}

fn contact(n: i64) -> NewContact {
    NewContact {
        reporter: format!("citizen-{n}"),
        token_hash: format!("hash-{n}"),
        language: "zh".into(),
        phone: Some("13800000000".into()),
        words: Some("井盖没了".into()),
        ..NewContact::default()
    }
}

fn new_log() -> LogWriter {
    let signer = Signer::generate("city.example").unwrap();
    LogWriter::open(Arc::new(SimulatedDisk::new(7)), std::path::Path::new("/log"), signer).unwrap()
}

/// Takes what is new into the log, as the server does.
async fn take(records: &Records, log: &mut LogWriter) {
    let size = log.reader().tip().checkpoint.size;
    let leaves = records.proof().leaves(size, 10_000).await.unwrap();
    let entries: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.entry.to_bytes()).collect();
    log.append(&entries).unwrap();
    assert_eq!(log.reader().tip().checkpoint.size, records.proof().size().await.unwrap());
}

async fn faults(records: &Records, log: &LogReader) -> Vec<Fault> {
    let mut faults = Vec::new();
    let checked = records.proof().check(log, |fault| faults.push(fault)).await.unwrap();
    assert_eq!(checked.faults, faults.len() as u64);
    faults.sort();
    faults
}

#[tokio::test]
async fn every_decision_has_a_leaf_and_untouched_records_are_sound() {
    on_both(async |records| {
        let case = decide_much(&records).await;
        let mut log = new_log();
        take(&records, &mut log).await;
        assert_eq!(faults(&records, log.reader()).await, []);

        let leaves = records.proof().leaves(0, 1_000).await.unwrap();
        let of = |source| leaves.iter().filter(|leaf| leaf.entry.source == source).count();
        // Made twice, given a new password, removed.
        assert_eq!(of(Source::User), 4);
        assert_eq!(of(Source::Contact), 2);
        assert_eq!(of(Source::PublicPhoto), 2);
        assert_eq!(of(Source::Finding), 1);
        assert_eq!(of(Source::Agency), 2);
        assert_eq!(of(Source::Alert), 1);
        let events = records.cases().events(&case.id).await.unwrap();
        let openings = records.proof().of_case(&case.id).await.unwrap();
        assert_eq!(openings.len(), events.len());
        for (opening, event) in openings.iter().zip(&events) {
            let leaf = &opening.leaf;
            assert_eq!(leaf.entry.key, format!("{}/{}", case.id, event.seq));
            assert_eq!(entry::commitment(&leaf.salt, &opening.digest), leaf.entry.commitment);
        }
        let logged = log.reader().entries(0, 1_000).unwrap();
        for (leaf, (bytes, _)) in leaves.iter().zip(&logged) {
            assert_eq!(Entry::parse(bytes).as_ref(), Some(&leaf.entry));
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(!text.contains("13800000000") && !text.contains("井盖"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_step_that_comes_too_late_has_no_leaf() {
    on_both(async |records| {
        let case = filed(&records, TOWN, at(0)).await;
        let size = records.proof().size().await.unwrap();
        let command = Command::new(CommandKind::Remark);
        let command = Command { note: Some("n".into()), ..command };
        let events = decide(&case, &command, &duty("/50/"), at(1), &rules()).unwrap();
        records.cases().append(&case, &events).await.unwrap();
        assert_eq!(refused(records.cases().append(&case, &events).await), "not_allowed_now");
        assert_eq!(records.proof().size().await.unwrap(), size + events.len() as u64);
    })
    .await;
}

#[tokio::test]
async fn erasing_a_citizen_keeps_the_proof_and_is_itself_on_record() {
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        let mut log = new_log();
        decide_much(&records).await;
        take(&records, &mut log).await;
        let reported = records.citizens().by_token("hash-1").await.unwrap().unwrap();
        records.citizens().erase(&reported.case, "ann", at(40)).await.unwrap();
        take(&records, &mut log).await;
        assert_eq!(faults(&records, log.reader()).await, []);

        let other = other(&place).await;
        let erase = "UPDATE case_contact SET phone = NULL, words = NULL, salt = NULL, erased_at = 1 \
                     WHERE reporter = 'citizen-2'";
        other.execute_unprepared(erase).await.unwrap();
        let found = faults(&records, log.reader()).await;
        let said: Vec<_> = found.iter().map(|fault| (fault.kind, fault.key.as_str())).collect();
        assert_eq!(said, [(FaultKind::ErasedUnsaid, "citizen-2")]);
        other.close().await.unwrap();
        records.close().await.unwrap();
    })
    .await;
}

/// What somebody with the database's password does, and what is said of it: `$case` is the case that went
/// through the whole loop, `$one` and `$two` those of the citizens.
const TAMPERED: [(&str, &[(FaultKind, &str)]); 18] = [
    (
        "UPDATE case_event SET at = at + 1 WHERE seq = 3 AND case_id = '$case'",
        &[(FaultKind::RowAltered, "case_event $case/3")],
    ),
    (
        "DELETE FROM case_event WHERE seq = 4 AND case_id = '$case'",
        &[(FaultKind::RowMissing, "case_event $case/4"), (FaultKind::CaseAltered, "case $case")],
    ),
    (
        "UPDATE case_event SET seq = 100 WHERE seq = 4 AND case_id = '$case';
         UPDATE case_event SET seq = 4 WHERE seq = 5 AND case_id = '$case';
         UPDATE case_event SET seq = 5 WHERE seq = 100 AND case_id = '$case'",
        &[
            (FaultKind::RowAltered, "case_event $case/4"),
            (FaultKind::RowAltered, "case_event $case/5"),
            (FaultKind::CaseAltered, "case $case"),
        ],
    ),
    (
        "UPDATE \"case\" SET on_time = 0 WHERE id = '$case'",
        &[(FaultKind::CaseAltered, "case $case")],
    ),
    ("UPDATE audit SET who = 'eve' WHERE id = 2", &[(FaultKind::RowAltered, "audit 2")]),
    ("DELETE FROM audit WHERE id = 2", &[(FaultKind::RowMissing, "audit 2")]),
    (
        "UPDATE audit SET id = 1000 WHERE id = 1; UPDATE audit SET id = 1 WHERE id = 2;
         UPDATE audit SET id = 2 WHERE id = 1000",
        &[(FaultKind::RowAltered, "audit 1"), (FaultKind::RowAltered, "audit 2")],
    ),
    (
        "INSERT INTO audit (id, at, who, what, object, detail) VALUES (77, 1, 'a', 'b', 'c', 'd')",
        &[(FaultKind::RowAdded, "audit 77")],
    ),
    (
        "UPDATE \"user\" SET roles = '[\"admin\"]' WHERE name = 'ann'",
        &[(FaultKind::RowAltered, "user ann")],
    ),
    (
        "INSERT INTO token (hash, user_name, kind, created_at) VALUES ('t3', 'ann', 'api', 1)",
        &[(FaultKind::RowAdded, "token t3")],
    ),
    ("UPDATE token SET expires_at = 9", &[(FaultKind::RowAltered, "token t1")]),
    (
        "UPDATE warning SET answered_by = 'eve'",
        &[(FaultKind::AnswerUnsaid, "warning W-0000000000000001")],
    ),
    ("DELETE FROM \"user\" WHERE name = 'ann'", &[(FaultKind::RowMissing, "user ann")]),
    (
        "UPDATE case_contact SET phone = '13911111111' WHERE reporter = 'citizen-1'",
        &[(FaultKind::PersonalAltered, "case_contact citizen-1")],
    ),
    (
        "UPDATE finding SET text = 'nobody was at fault'; DELETE FROM public_photo",
        &[
            (FaultKind::RowAltered, "finding 1"),
            (FaultKind::RowMissing, "public_photo e3b0/$one"),
            (FaultKind::RowMissing, "public_photo e3b0/$two"),
        ],
    ),
    (
        "UPDATE agency SET person = 'eve'; UPDATE alert SET kind = 'cancel', area_path = '/51/'",
        &[
            (FaultKind::RowAltered, "agency yz_gas"),
            (FaultKind::RowAltered, "alert W-0000000000000001-001"),
        ],
    ),
    (
        "DELETE FROM proof_leaf WHERE number = 0",
        &[
            (FaultKind::RowAdded, "case_event $case/1"),
            (FaultKind::LeafMissing, "case_event $case/1"),
        ],
    ),
    (
        "DELETE FROM proof_leaf WHERE number = 0;
         DELETE FROM case_event WHERE seq = 1 AND case_id = '$case'",
        &[(FaultKind::LeafMissing, "case_event $case/1"), (FaultKind::CaseAltered, "case $case")],
    ),
];

/// What keeps other programs from tampering, and goes with a word of whoever has the password.
const GUARDS: [&str; 6] = [
    "case_event_no_update",
    "case_event_no_delete",
    "audit_no_update",
    "audit_no_delete",
    "finding_no_update",
    "proof_leaf_no_delete",
];

#[tokio::test]
async fn whatever_is_tampered_with_is_named() {
    for (sql, expected) in TAMPERED {
        in_both_places(async |place| {
            let records = Records::open(place.clone()).await.unwrap();
            let case = decide_much(&records).await.id.to_string();
            let mut log = new_log();
            take(&records, &mut log).await;
            let case_of = async |token: &str| {
                records.citizens().by_token(token).await.unwrap().unwrap().case.to_string()
            };
            let (one, two) = (case_of("hash-1").await, case_of("hash-2").await);
            let named = |text: &str| {
                text.replace("$case", &case).replace("$one", &one).replace("$two", &two)
            };
            let other = other(&place).await;
            for guard in GUARDS {
                let table = guard.split("_no_").next().unwrap();
                let of = if matches!(place, Place::File(_)) { "" } else { &format!(" ON {table}") };
                other.execute_unprepared(&format!("DROP TRIGGER {guard}{of}")).await.unwrap();
            }
            other.execute_unprepared(&named(sql)).await.unwrap();
            let found = faults(&records, log.reader()).await;
            let said: BTreeSet<(FaultKind, String)> =
                found.iter().map(|f| (f.kind, format!("{} {}", f.table, f.key))).collect();
            let expected = expected.iter().map(|(kind, row)| (*kind, named(row))).collect();
            assert_eq!(said, expected, "{sql}");
            assert_eq!(found.len(), said.len(), "{sql}");
            other.close().await.unwrap();
            records.close().await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn a_leaf_that_is_not_the_logs_is_named_though_its_row_fits() {
    on_both(async |records| {
        decide_much(&records).await;
        let mut other_log = new_log();
        let mut leaves = records.proof().leaves(0, 1_000).await.unwrap();
        leaves.swap(3, 4);
        let entries: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.entry.to_bytes()).collect();
        other_log.append(&entries).unwrap();
        let found = faults(&records, other_log.reader()).await;
        let said: Vec<_> = found.iter().map(|fault| (fault.kind, fault.leaf)).collect();
        // In the order of what the log says: it has the rows of these two the other way round.
        assert_eq!(said, [(FaultKind::LeafAltered, Some(4)), (FaultKind::LeafAltered, Some(3))]);
    })
    .await;
}

#[tokio::test]
async fn rows_of_tables_that_had_no_leaves_get_them_and_no_others_do() {
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        records.agencies().upsert(&[agency("Wang")]).await.unwrap();
        records.close().await.unwrap();
        let other = other(&place).await;
        let of = if matches!(place, Place::File(_)) { "" } else { " ON proof_leaf" };
        let old = format!(
            "DROP TRIGGER proof_leaf_no_delete{of}; DELETE FROM proof_leaf;
             UPDATE proof_size SET size = 0;
             INSERT INTO audit (id, at, who, what, object, detail) VALUES (77, 1, 'a', '', '', '');
             INSERT INTO setting (key, value) VALUES ('proof_unfilled', 'agency alert')"
        );
        other.execute_unprepared(&old).await.unwrap();
        other.close().await.unwrap();
        let records = Records::open(place).await.unwrap();
        let mut log = new_log();
        take(&records, &mut log).await;
        let found = faults(&records, log.reader()).await;
        let said: Vec<_> = found.iter().map(|f| (f.kind, f.table, f.key.as_str())).collect();
        assert_eq!(said, [(FaultKind::RowAdded, "audit", "77")]);
        assert_eq!(records.proof().size().await.unwrap(), 1);
        records.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn rows_from_before_there_was_a_log_get_leaves_once() {
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        decide_much(&records).await;
        let size = records.proof().size().await.unwrap();
        records.close().await.unwrap();
        // As an older program left it.
        let other = other(&place).await;
        let of = if matches!(place, Place::File(_)) { "" } else { " ON proof_leaf" };
        let old = format!(
            "DROP TRIGGER proof_leaf_no_delete{of}; DELETE FROM proof_leaf;
             UPDATE proof_size SET size = 0;
             UPDATE case_contact SET salt = NULL, commitment = NULL;
             INSERT INTO setting (key, value) VALUES ('proof_unfilled', '1')"
        );
        other.execute_unprepared(&old).await.unwrap();
        let records = Records::open(place.clone()).await.unwrap();
        // An account and an agency were changed, one account removed, and a token: of those there are only the
        // rows of today.
        let size = size - 5;
        assert_eq!(records.proof().size().await.unwrap(), size);
        let mut log = new_log();
        take(&records, &mut log).await;
        assert_eq!(faults(&records, log.reader()).await, []);
        records.close().await.unwrap();

        let added =
            "INSERT INTO audit (id, at, who, what, object, detail) VALUES (77, 1, 'a', '', '', '')";
        other.execute_unprepared(added).await.unwrap();
        let records = Records::open(place.clone()).await.unwrap();
        assert_eq!(records.proof().size().await.unwrap(), size);
        assert_eq!(faults(&records, log.reader()).await[0].kind, FaultKind::RowAdded);
        other.close().await.unwrap();
        records.close().await.unwrap();
    })
    .await;
}
