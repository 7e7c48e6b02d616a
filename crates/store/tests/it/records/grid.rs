//! What grid workers' phones send: keys of requests, and walks.

use chengmai_store::records::cases::RequestKey;
use chengmai_store::records::patrols::{PatrolRow, PatrolledArea};

use super::*;

const OTHER_TOWN: &str = "/50/500105/500105001/";

fn key(by: &str, asked: &str) -> RequestKey {
    RequestKey { by: by.into(), key: "0b6f2a1e".into(), asked: asked.into() }
}

#[tokio::test]
async fn what_came_under_a_key_is_done_once_on_whichever_case() {
    on_both(async |records| {
        let cases = records.cases();
        let (draft, events) = filing(TOWN, None, at(0));
        let mine = key("ann", "report");
        assert_eq!(cases.done_under(&mine).await.unwrap(), None);
        let first = cases.file_once(draft.clone(), &events, &mine).await.unwrap();
        let again = cases.file_once(draft.clone(), &events, &mine).await.unwrap();
        assert!(first.created && !again.created);
        assert_eq!(again.case, first.case);
        assert_eq!(cases.done_under(&mine).await.unwrap(), Some(first.case.id.clone()));
        let changed = key("ann", "something else");
        assert_eq!(refused(cases.file_once(draft.clone(), &events, &changed).await), "key_reused");
        assert!(cases.file_once(draft, &events, &key("bob", "report")).await.unwrap().created);

        // Under a used key no step is taken, not even on another case and not beside a good one.
        let second = filed(&records, TOWN, at(1)).await;
        let command = Command::new(CommandKind::Dispatch);
        let events = decide(&second, &command, &duty(TOWN), at(2), &rules()).unwrap();
        let under = cases.append_once(&second, &events, Some(&mine)).await;
        assert_eq!(refused(under), "not_allowed_now");
        assert_eq!(cases.events(&second.id).await.unwrap().len(), 1);
        let step = RequestKey { key: "0b6f2a1f".into(), ..key("ann", "dispatch") };
        let (one, two) = tokio::join!(
            cases.append_once(&second, &events, Some(&step)),
            cases.append_once(&second, &events, Some(&step)),
        );
        assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1);
        assert_eq!(cases.events(&second.id).await.unwrap().len(), 2);
        assert_eq!(cases.done_under(&step).await.unwrap(), Some(second.id));
    })
    .await;
}

#[tokio::test]
async fn a_walk_is_kept_once_counted_by_area_and_goes_with_its_owner() {
    on_both(async |records| {
        for name in ["ann", "bob"] {
            records.users().insert(&user(name, TOWN)).await.unwrap();
        }
        let patrols = records.patrols();
        let walk = PatrolRow {
            key: "0b6f2a1e".into(),
            started_at: at(0),
            ended_at: at(30),
            metres: 900,
            points: vec![(106.5, 29.5, at(0).0), (106.51, 29.5, at(30).0)],
        };
        let parts = [(path(TOWN), 600), (path(OTHER_TOWN), 300)];
        assert!(patrols.insert("ann", &walk, &parts).await.unwrap());
        assert!(!patrols.insert("ann", &walk, &parts).await.unwrap());
        assert!(patrols.insert("bob", &walk, &parts[..1]).await.unwrap());
        assert_eq!(patrols.of("ann").await.unwrap(), [walk.clone()]);

        let count = async |from, to| {
            let rows = patrols.by_area(&[path(TOWN)], at(from), at(to)).await.unwrap();
            rows.into_iter().map(|PatrolledArea { metres, walks, .. }| (metres, walks)).next()
        };
        assert_eq!(count(0, 1).await, Some((1_200, 2)));
        assert_eq!(count(1, 9).await, None);
        assert!(!patrols.delete("bob", "another").await.unwrap());
        assert!(patrols.delete("bob", "0b6f2a1e").await.unwrap());
        assert_eq!(count(0, 1).await, Some((600, 1)));
        assert!(records.users().delete("ann").await.unwrap());
        assert_eq!((patrols.of("ann").await.unwrap(), count(0, 1).await), (vec![], None));
    })
    .await;
}
