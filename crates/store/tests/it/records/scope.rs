//! Lists: scope by area, and pages.

use super::*;

/// Areas whose codes begin alike, or hold characters that mean something to `LIKE`.
const NEIGHBOURS: [&str; 7] = [
    "/50/",
    "/50/50010/",
    "/50/500103/",
    "/50/500103/500103001/",
    "/50/5001031/",
    "/50/50_103/",
    "/50/500103-x/",
];

#[tokio::test]
async fn scope_by_area_never_leaks_to_codes_that_begin_alike() {
    on_both(async |records| {
        let mut steps = Vec::new();
        let mut agencies = Vec::new();
        for (n, area) in (0..).zip(NEIGHBOURS) {
            steps.push(warning_step(n, WarningStep::Raised, 1, 0, area));
            filed(&records, area, at(0)).await;
            agencies.push(AgencyRow {
                id: format!("a{n}"),
                name: Text::new("单位", "Agency"),
                kind: "road".into(),
                area: path(area),
                person: None,
            });
            let user = user(&format!("u{n}"), area);
            records.users().insert(&user).await.unwrap();
        }
        records.warnings().apply(&steps).await.unwrap();
        records.agencies().upsert(&agencies).await.unwrap();
        for outer in NEIGHBOURS {
            let areas = vec![path(outer)];
            let inside: BTreeSet<&str> =
                NEIGHBOURS.into_iter().filter(|inner| path(outer).contains(&path(inner))).collect();
            let filter = WarningFilter {
                areas: areas.clone(),
                view: WarningView::All,
                ..WarningFilter::default()
            };
            let warnings = records.warnings().list(&filter).await.unwrap();
            let seen: BTreeSet<_> = warnings.items.iter().map(|w| w.area.as_str()).collect();
            assert_eq!(seen, inside);
            assert_eq!(warnings.total, inside.len() as u64);
            let filter = CaseFilter { areas: areas.clone(), ..CaseFilter::default() };
            let cases = records.cases().list(&filter).await.unwrap();
            assert_eq!(
                cases.items.iter().map(|c| c.area.as_str()).collect::<BTreeSet<_>>(),
                inside
            );
            let summary = records.cases().summary(&areas, at(0), at(9), at(9)).await.unwrap();
            assert_eq!(summary.counts.open, inside.len() as u64);
            let page = records.agencies().list(&areas, &PageRequest::default()).await.unwrap();
            assert_eq!(page.items.iter().map(|a| a.area.as_str()).collect::<BTreeSet<_>>(), inside);
            let users = records.users().list(&areas).await.unwrap();
            assert_eq!(users.iter().map(|u| u.area.as_str()).collect::<BTreeSet<_>>(), inside);
        }
        // No areas is nothing, not everything.
        assert_eq!(records.cases().list(&CaseFilter::default()).await.unwrap().total, 0);
        assert_eq!(records.warnings().list(&WarningFilter::default()).await.unwrap().items, []);
        assert_eq!(records.users().list(&[]).await.unwrap(), []);
        // Areas that overlap count once.
        let both = vec![path("/50/"), path(TOWN)];
        let filter = CaseFilter { areas: both, ..CaseFilter::default() };
        assert_eq!(records.cases().list(&filter).await.unwrap().total, NEIGHBOURS.len() as u64);
    })
    .await;
}

#[tokio::test]
async fn pages_hold_every_item_once_whatever_their_size_and_whatever_is_added_meanwhile() {
    on_both(async |records| {
        // Many share a time, so the id must break ties.
        let steps: Vec<_> = (0..57)
            .map(|n| warning_step(n, WarningStep::Raised, 1, n.cast_signed() / 10, TOWN))
            .collect();
        records.warnings().apply(&steps).await.unwrap();
        for (n, limit) in [(0, 1), (1, 7), (2, 57), (3, 1000)] {
            let mut seen = Vec::new();
            let mut cursor = None;
            loop {
                let filter = WarningFilter {
                    areas: vec![path("/50/")],
                    to: Some(at(50)),
                    page: PageRequest { limit, cursor },
                    ..WarningFilter::default()
                };
                let page = records.warnings().list(&filter).await.unwrap();
                assert_eq!(page.total, 57);
                assert!(page.items.len() <= limit as usize);
                seen.extend(page.items.iter().map(|w| (w.raised_at, w.id)));
                let newer = warning_step(
                    1_000 + n * 100 + seen.len() as u64,
                    WarningStep::Raised,
                    1,
                    60,
                    TOWN,
                );
                records.warnings().apply(&[newer]).await.unwrap();
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), 57);
            assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
        }
        let page = PageRequest { limit: 5, cursor: Some("x".into()) };
        let filter = WarningFilter { areas: vec![path("/50/")], page, ..WarningFilter::default() };
        assert_eq!(refused(records.warnings().list(&filter).await), "bad_query");
    })
    .await;
}
