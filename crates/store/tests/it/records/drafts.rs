//! Drafts: kept, taken up once, put back, done, declined, lapsed, and moved with their area.

use chengmai_model::case::CaseId;
use chengmai_store::records::drafts::{DraftState, NewDraft};

use super::*;

fn draft(by: &str, area: &str, minute: i64) -> NewDraft {
    NewDraft {
        area: path(area),
        step: None,
        body: "{\"description\":\"x\"}".into(),
        reason: "two people said so".into(),
        made_by: by.into(),
        made_at: at(minute),
        until: at(minute + 60),
    }
}

fn case() -> CaseId {
    CaseId::parse("500103-20261121-00001").unwrap()
}

async fn waiting(records: &Records, area: &str, minute: i64) -> Vec<i64> {
    let rows = records.drafts().waiting(&[path(area)], at(minute)).await.unwrap();
    rows.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_draft_is_decided_once_and_both_names_are_on_record() {
    on_both(async |records| {
        let drafts = records.drafts();
        let mut step = draft("robot", TOWN, 0);
        step.step = Some((case(), "dispatch".into()));
        let one = drafts.insert(&step, 9).await.unwrap().unwrap();
        let two = drafts.insert(&draft("robot", TOWN, 1), 9).await.unwrap().unwrap();
        assert_eq!(waiting(&records, TOWN, 2).await, [one, two]);
        assert_eq!(drafts.find(one).await.unwrap().unwrap().draft, step);
        // Taken up by one person, nobody else can; put back, anybody can.
        assert!(drafts.take_up(one, "ann", at(2)).await.unwrap());
        assert!(!drafts.take_up(one, "bob", at(2)).await.unwrap());
        assert!(drafts.take_up(one, "ann", at(3)).await.unwrap(), "to find out what came of it");
        drafts.put_back(one, "bob").await.unwrap();
        assert!(!drafts.take_up(one, "bob", at(3)).await.unwrap());
        drafts.put_back(one, "ann").await.unwrap();
        assert!(drafts.take_up(one, "bob", at(3)).await.unwrap());
        let row = drafts.find(one).await.unwrap().unwrap();
        drafts.done(&row, "bob", at(4), &case()).await.unwrap();
        drafts.done(&row, "bob", at(4), &case()).await.unwrap();
        assert!(!drafts.take_up(one, "bob", at(5)).await.unwrap());
        assert!(!drafts.decline(&row, "ann", "no", at(5)).await.unwrap());
        let row = drafts.find(two).await.unwrap().unwrap();
        assert!(drafts.decline(&row, "ann", "not here", at(5)).await.unwrap());
        assert!(!drafts.decline(&row, "ann", "not here", at(5)).await.unwrap());
        assert!(!drafts.take_up(two, "ann", at(5)).await.unwrap());
        assert_eq!(waiting(&records, TOWN, 5).await, [0_i64; 0]);
        let ended = drafts.ended(&[path(TOWN)], at(5)).await.unwrap();
        let told: Vec<_> = ended
            .iter()
            .map(|row| (row.state, row.decided_by.as_deref(), row.remark.as_deref(), &row.outcome))
            .collect();
        assert_eq!(
            told,
            [
                (DraftState::Declined, Some("ann"), Some("not here"), &None),
                (DraftState::Approved, Some("bob"), None, &Some(case())),
            ]
        );
        let request = PageRequest { limit: 9, cursor: None };
        let lines = records.audit().list(None, None, &request).await.unwrap().items;
        let told: Vec<_> = lines.iter().map(|l| (l.who.as_str(), l.what.as_str())).collect();
        let made = ("robot", "draft_made");
        assert_eq!(told, [("ann", "draft_declined"), ("bob", "draft_approved"), made, made]);
        assert!(lines[1].detail.contains("\"proposed_by\":\"robot\""), "{}", lines[1].detail);
        assert_eq!(lines[1].object, case().to_string());
    })
    .await;
}

#[tokio::test]
async fn drafts_lapse_and_nobody_piles_them_up() {
    on_both(async |records| {
        let drafts = records.drafts();
        let first = drafts.insert(&draft("robot", TOWN, 0), 2).await.unwrap().unwrap();
        drafts.insert(&draft("robot", TOWN, 10), 2).await.unwrap().unwrap();
        assert_eq!(drafts.insert(&draft("robot", TOWN, 20), 2).await.unwrap(), None);
        assert!(drafts.insert(&draft("other", TOWN, 20), 2).await.unwrap().is_some());
        assert!(!drafts.take_up(first, "ann", at(60)).await.unwrap(), "lapsed");
        let row = drafts.find(first).await.unwrap().unwrap();
        assert!(!drafts.decline(&row, "ann", "late", at(60)).await.unwrap());
        assert_eq!(drafts.ended(&[path(TOWN)], at(60)).await.unwrap().len(), 1);
        assert!(drafts.insert(&draft("robot", TOWN, 61), 2).await.unwrap().is_some());
        // Another area sees none of it, and no area sees nothing.
        assert_eq!(waiting(&records, "/50/500105/500105001/", 21).await, [0_i64; 0]);
        assert!(drafts.waiting(&[], at(21)).await.unwrap().is_empty());
    })
    .await;
}
