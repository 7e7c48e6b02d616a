//! Cases read through for evaluations: none that counts is left out, none comes twice.

use chengmai_store::records::cases::{CaseScan, NewestCases};

use super::*;

async fn scanned(records: &Records, area: &str, from: i64, end: i64) -> Vec<String> {
    let scan = CaseScan { areas: vec![path(area)], from: at(from), end: at(end), cursor: None };
    let page = records.cases().scan(&scan).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items.iter().map(|case| case.id.to_string()).collect()
}

#[tokio::test]
async fn a_scan_finds_what_is_open_and_what_has_anything_in_the_period() {
    on_both(async |records| {
        let open = filed(&records, TOWN, at(0)).await.id.to_string();
        let closed = filed(&records, TOWN, at(1)).await;
        let closed = step(&records, closed, WHOLE_LOOP, at(5)).await;
        let due = closed.due_at.unwrap().since(at(0)) / MINUTE_MS;
        let closed = closed.id.to_string();
        let both = vec![closed.clone(), open.clone()];
        assert_eq!(scanned(&records, TOWN, 2, 10).await, both);
        // Its deadline counts in the period it falls in, though it was closed long before.
        assert_eq!(scanned(&records, TOWN, due, due + 1).await, both);
        assert_eq!(scanned(&records, TOWN, due + 1, due + 2).await, std::slice::from_ref(&open));
        assert_eq!(scanned(&records, TOWN, -9, 1).await, [open], "the other came later");
        assert!(scanned(&records, "/50/500103/500103002/", 0, 10).await.is_empty());
        let nowhere = CaseScan { areas: Vec::new(), from: at(0), end: at(9), cursor: None };
        assert!(records.cases().scan(&nowhere).await.unwrap().items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_and_histories_come_with_their_cases() {
    on_both(async |records| {
        for n in 0..1_005 {
            filed(&records, TOWN, at(n)).await;
        }
        let mut scan =
            CaseScan { areas: vec![path("/50/")], from: at(0), end: at(9_999), cursor: None };
        let first = records.cases().scan(&scan).await.unwrap();
        scan.cursor.clone_from(&first.next_cursor);
        let second = records.cases().scan(&scan).await.unwrap();
        assert_eq!((first.items.len(), second.items.len()), (1_000, 5));
        let ids: BTreeSet<CaseId> =
            first.items.iter().chain(&second.items).map(|case| case.id.clone()).collect();
        assert_eq!((ids.len(), second.next_cursor), (1_005, None));

        let newest = NewestCases { areas: vec![path("/50/")], since: at(1_000), cursor: None };
        let newest = records.cases().newest(&newest).await.unwrap().items;
        let times: Vec<Timestamp> = newest.iter().map(|case| case.filed_at).collect();
        assert_eq!(times, [at(1_004), at(1_003), at(1_002), at(1_001), at(1_000)]);

        let case = step(&records, newest[0].clone(), &WHOLE_LOOP[..2], at(1_010)).await;
        let asked = [case.id.clone(), newest[1].id.clone()];
        let histories = records.cases().histories(&asked).await.unwrap();
        let mut lengths: Vec<usize> = histories.iter().map(|(_, events)| events.len()).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [1, 3]);
        assert!(records.cases().histories(&[]).await.unwrap().is_empty());
    })
    .await;
}
