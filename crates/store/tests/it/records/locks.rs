//! Locks: what tokens narrow, second factors, access in an emergency, and what lies sealed in the file.

use chengmai_store::records::break_glass::{BreakGlassRow, Reviewed};
use chengmai_store::records::citizens::NewContact;
use chengmai_store::records::identities::IdentityRow;
use chengmai_store::records::patrols::PatrolRow;
use chengmai_store::records::tokens::TokenScope;
use chengmai_store::seal::Keyring;

use super::*;

fn new_key() -> String {
    Keyring::new_line().unwrap()
}

fn ring(lines: &[&str]) -> Keyring {
    Keyring::parse(&lines.concat()).unwrap()
}

#[tokio::test]
async fn a_token_brings_back_what_it_narrows_and_where_it_was_used() {
    on_both(async |records| {
        records.users().insert(&user("ann", TOWN)).await.unwrap();
        let scope = TokenScope {
            label: Some("Telegraf".into()),
            permissions: Some(vec!["ingest".into()]),
            area: Some(path(TOWN)),
            device: Some("m1".into()),
        };
        let hash = "0123456789abcdef0123456789abcdef";
        let new = NewToken::new(hash, "ann", TokenKind::Api, at(0));
        let new = NewToken { scope: scope.clone(), strong: true, ..new };
        records.tokens().insert(new).await.unwrap();
        records.tokens().seen(hash, at(3), "10.0.0.9").await.unwrap();
        let (_, token) = records.tokens().find(hash, at(4)).await.unwrap().unwrap();
        assert_eq!((&token.scope, token.strong), (&scope, true));
        assert_eq!((token.seen_at, token.seen_from.as_deref()), (Some(at(3)), Some("10.0.0.9")));
        assert_eq!(records.tokens().of("ann").await.unwrap(), std::slice::from_ref(&token));
        let remove = async |id: &str| records.tokens().delete_by_id("ann", id).await.unwrap();
        assert!(!remove("%").await && !remove("0123456789abcde_").await);
        assert!(!records.tokens().delete_by_id("bob", &token.id).await.unwrap());
        assert!(remove(&token.id).await);
        assert_eq!(records.tokens().find(hash, at(4)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn ending_the_other_sessions_leaves_this_one_and_the_api_tokens() {
    on_both(async |records| {
        records.users().insert(&user("ann", TOWN)).await.unwrap();
        for (hash, kind) in
            [("s1", TokenKind::Session), ("s2", TokenKind::Session), ("t1", TokenKind::Api)]
        {
            records.tokens().insert(NewToken::new(hash, "ann", kind, at(0))).await.unwrap();
        }
        assert_eq!(records.tokens().end_sessions("ann", "s2").await.unwrap(), 1);
        let left = records.tokens().of("ann").await.unwrap();
        let left: Vec<&str> = left.iter().map(|token| token.id.as_str()).collect();
        assert_eq!(left, ["s2", "t1"]);
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_is_confirmed_once_and_takes_each_code_once() {
    on_both(async |records| {
        records.users().insert(&user("ann", TOWN)).await.unwrap();
        let factors = records.factors();
        assert!(factors.begin("ann", "first").await.unwrap());
        assert!(factors.begin("ann", "second").await.unwrap());
        let recovery = ["h1".to_owned(), "h2".to_owned()];
        assert!(factors.confirm("ann", 7, &recovery, at(1)).await.unwrap());
        assert!(!factors.begin("ann", "third").await.unwrap(), "a confirmed one is not replaced");
        assert!(!factors.confirm("ann", 9, &[], at(2)).await.unwrap());
        let found = factors.find("ann").await.unwrap().unwrap();
        assert_eq!((found.secret.as_str(), found.confirmed_at), ("second", Some(at(1))));
        let taken = async |step| factors.take_step("ann", step).await.unwrap();
        assert!(!taken(7).await && taken(8).await && !taken(8).await && !taken(6).await);
        let used = async |hash| factors.take_recovery("ann", hash).await.unwrap();
        assert!(used("h1").await && !used("h1").await && !used("h3").await && used("h2").await);
        assert!(factors.delete("ann").await.unwrap() && !factors.delete("ann").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn an_account_has_one_identity_and_an_identity_one_account() {
    on_both(async |records| {
        let identities = records.identities();
        for name in ["ann", "bob"] {
            records.users().insert(&user(name, TOWN)).await.unwrap();
        }
        let row = |user: &str, subject: &str| IdentityRow {
            user: user.into(),
            issuer: "https://id.example".into(),
            subject: subject.into(),
            at: at(1),
        };
        assert!(identities.link(&row("ann", "77")).await.unwrap());
        assert_eq!(identities.of("ann").await.unwrap(), Some(row("ann", "77")));
        for taken in [row("ann", "78"), row("bob", "77"), row("ann", "77")] {
            assert!(!identities.link(&taken).await.unwrap(), "{taken:?}");
        }
        let account =
            async |subject| identities.account("https://id.example", subject).await.unwrap();
        assert_eq!((account("77").await.as_deref(), account("78").await), (Some("ann"), None));
        assert_eq!(identities.account("https://other.example", "77").await.unwrap(), None);
        assert!(
            identities.unlink("ann").await.unwrap() && !identities.unlink("ann").await.unwrap()
        );
        assert!(identities.link(&row("bob", "77")).await.unwrap(), "another person now");
        assert!(records.users().delete("bob").await.unwrap());
        assert_eq!(account("77").await, None);
        assert!(identities.linked().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn access_in_an_emergency_ends_and_is_reviewed_once_by_somebody_else() {
    on_both(async |records| {
        let glass = records.break_glass();
        let row = BreakGlassRow {
            id: 0,
            user: "ann".into(),
            area: path(TOWN),
            wanted: path("/50/"),
            reason: "flood upstream".into(),
            at: at(0),
            until: at(30),
            ended_at: None,
            review: None,
        };
        let id = glass.begin(&row).await.unwrap();
        let now = glass.of("ann", at(29)).await.unwrap().unwrap();
        assert_eq!(now, BreakGlassRow { id, ..row.clone() });
        assert_eq!(glass.of("ann", at(30)).await.unwrap(), None);
        assert_eq!(glass.of("bob", at(1)).await.unwrap(), None);
        assert!(glass.end("ann", at(5)).await.unwrap() && !glass.end("ann", at(5)).await.unwrap());
        assert_eq!(glass.of("ann", at(6)).await.unwrap(), None);
        let said = |by: &str| Reviewed {
            at: at(60),
            by: by.into(),
            was_right: true,
            remark: "there was a flood".into(),
        };
        let review = async |by: &str| glass.review(id, &said(by)).await.unwrap();
        assert!(!review("ann").await && review("sue").await && !review("tom").await);
        let listed = glass.list(&[path("/50/")]).await.unwrap();
        assert_eq!(listed[0].review, Some(said("sue")));
        assert_eq!(listed[0].ended_at, Some(at(5)));
        assert!(glass.list(&[path("/50/500105/")]).await.unwrap().is_empty());
        let audit = records.audit().list(None, None, &PageRequest::default()).await.unwrap();
        let whats: Vec<&str> = audit.items.iter().map(|line| line.what.as_str()).collect();
        assert_eq!(whats, ["break_glass_reviewed", "break_glass_ended", "break_glass"]);
    })
    .await;
}

/// A citizen who said everything, and a walk of a grid worker.
async fn personal(records: &Records) -> CaseId {
    let contact = NewContact {
        reporter: "citizen-1".into(),
        token_hash: "hash-1".into(),
        language: "zh".into(),
        person: Some("张先生".into()),
        phone: Some("13800000000".into()),
        email: Some("zhang@example.org".into()),
        mails: true,
        words: Some("井盖没了".into()),
        ..NewContact::default()
    };
    let (draft, events) = filing(TOWN, None, at(0));
    let case = records.citizens().report(draft, &events, &contact).await.unwrap();
    records.users().insert(&user("ann", TOWN)).await.unwrap();
    let walk = PatrolRow {
        key: "w1".into(),
        started_at: at(0),
        ended_at: at(9),
        metres: 700,
        points: vec![(106.571, 29.561, 1)],
    };
    records.patrols().insert("ann", &walk, &[]).await.unwrap();
    records.factors().begin("ann", "JBSWY3DP").await.unwrap();
    case.id
}

/// Everything that the tables with personal data hold, as text.
async fn raw(place: &Place) -> String {
    let db = other(place).await;
    let mut text = String::new();
    for sql in [
        "SELECT coalesce(person, '') || coalesce(phone, '') || coalesce(email, '') || \
         coalesce(words, '') AS t FROM case_contact",
        "SELECT points AS t FROM patrol",
        "SELECT secret AS t FROM second_factor",
    ] {
        let asked = sea_orm::Statement::from_string(db.get_database_backend(), sql);
        for row in db.query_all_raw(asked).await.unwrap() {
            text.push_str(&row.try_get::<String>("", "t").unwrap());
        }
    }
    db.close().await.unwrap();
    text
}

const PLAIN: [&str; 6] = ["张先生", "13800000000", "zhang@", "井盖", "106.571", "JBSWY3DP"];

#[tokio::test]
async fn personal_data_lies_sealed_and_opens_with_the_keys_only() {
    in_both_places(async |place| {
        let (old, new) = (new_key(), new_key());
        // From before there were keys: read as it stands, then sealed.
        let records = Records::open(place.clone()).await.unwrap();
        let case = personal(&records).await;
        records.close().await.unwrap();
        let open = raw(&place).await;
        assert!(PLAIN.iter().all(|text| open.contains(text)), "{open}");
        let records = Records::open(place.clone()).await.unwrap().with_keys(ring(&[&old]));
        let done = records.reseal().await.unwrap();
        assert_eq!((done.contacts, done.patrols, done.factors), (1, 1, 1));
        let again = records.reseal().await.unwrap();
        assert_eq!((again.contacts, again.patrols, again.factors), (0, 0, 0));
        check(&records, &case).await;
        records.close().await.unwrap();
        let sealed = raw(&place).await;
        for text in PLAIN {
            assert!(!sealed.contains(text), "{text} lies in the open");
        }
        // Another key: everything is sealed anew, and the old one opens nothing any more.
        let records = Records::open(place.clone()).await.unwrap().with_keys(ring(&[&new, &old]));
        assert_eq!(records.reseal().await.unwrap().contacts, 1);
        records.close().await.unwrap();
        let records = Records::open(place.clone()).await.unwrap().with_keys(ring(&[&new]));
        check(&records, &case).await;
        let old = Records::open(place.clone()).await.unwrap().with_keys(ring(&[&old]));
        let failed = old.citizens().contacts(&case, "ann", "handle", at(5)).await.unwrap_err();
        assert!(matches!(failed, RecordsError::Sealed { .. }), "{failed}");
    })
    .await;
}

async fn check(records: &Records, case: &CaseId) {
    let contacts = records.citizens().contacts(case, "ann", "handle", at(5)).await.unwrap();
    let ann = &contacts[0];
    let known = [&ann.person, &ann.phone, &ann.email, &ann.words];
    assert_eq!(
        known.map(|text| text.as_deref().unwrap()),
        ["张先生", "13800000000", "zhang@example.org", "井盖没了"]
    );
    assert_eq!(records.patrols().of("ann").await.unwrap()[0].points, [(106.571, 29.561, 1)]);
    assert_eq!(records.factors().find("ann").await.unwrap().unwrap().secret, "JBSWY3DP");
}

#[tokio::test]
async fn what_is_known_of_citizens_is_found_when_it_was_kept_long_enough() {
    on_both(async |records| {
        let case = personal(&records).await;
        let kept = async |minute| records.citizens().kept_too_long(at(minute), 9).await.unwrap();
        assert_eq!(kept(99).await, [], "the case is open");
        let open = records.cases().find(&case).await.unwrap().unwrap();
        step(&records, open, WHOLE_LOOP, at(20)).await;
        assert_eq!(kept(20).await, []);
        assert_eq!(kept(21).await, std::slice::from_ref(&case));
        records.citizens().erase(&case, "chengmai", at(30)).await.unwrap();
        assert_eq!(kept(99).await, []);
        assert_eq!(records.patrols().delete_before(at(9)).await.unwrap(), 0);
        assert_eq!(records.patrols().delete_before(at(10)).await.unwrap(), 1);
    })
    .await;
}
