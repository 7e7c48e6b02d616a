//! Accounts, tokens, agencies, audit.

use super::*;

#[tokio::test]
async fn accounts_lock_after_failures_and_lose_sessions_with_the_password() {
    on_both(async |records| {
        let users = records.users();
        users.insert(&user("ann", TOWN)).await.unwrap();
        assert_eq!(refused(users.insert(&user("ann", "/50/")).await), "bad_body");
        assert_eq!(users.find("ann").await.unwrap(), Some(user("ann", TOWN)));
        assert_eq!(users.find("bob").await.unwrap(), None);
        for _ in 0..2 {
            users.note_failure("ann", 3, at(15)).await.unwrap();
        }
        assert_eq!(users.find("ann").await.unwrap().unwrap().locked_until, None);
        users.note_failure("ann", 3, at(15)).await.unwrap();
        assert_eq!(users.find("ann").await.unwrap().unwrap().locked_until, Some(at(15)));
        users.note_success("ann").await.unwrap();
        assert_eq!(users.find("ann").await.unwrap(), Some(user("ann", TOWN)));

        let tokens = records.tokens();
        for (hash, ends) in [("s1", 60), ("s2", 10)] {
            let new = NewToken::new(hash, "ann", TokenKind::Session, at(0));
            tokens.insert(NewToken { expires_at: Some(at(ends)), ..new }).await.unwrap();
        }
        tokens.insert(NewToken::new("t1", "ann", TokenKind::Api, at(0))).await.unwrap();
        let of_nobody = NewToken::new("x", "nobody", TokenKind::Api, at(0));
        assert!(tokens.insert(of_nobody).await.is_err());
        let (found, token) = tokens.find("s1", at(59)).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), token.kind), ("ann", TokenKind::Session));
        assert_eq!(tokens.find("s1", at(60)).await.unwrap(), None);
        assert_eq!(tokens.purge(at(10)).await.unwrap(), 1);
        users.set_password("ann", "$new").await.unwrap();
        assert_eq!(tokens.find("s1", at(1)).await.unwrap(), None);
        assert_eq!(tokens.find("t1", at(1)).await.unwrap().unwrap().0.password_hash, "$new");
        assert!(users.delete("ann").await.unwrap() && !users.delete("ann").await.unwrap());
        assert_eq!(tokens.find("t1", at(1)).await.unwrap(), None);
        assert_eq!(users.count().await.unwrap(), 0);
        assert_eq!(refused(users.set_password("ann", "x").await), "not_found");
    })
    .await;
}

#[tokio::test]
async fn agencies_are_updated_in_place_and_listed_in_pages() {
    on_both(async |records| {
        let agency = |n: u32, name: &str| AgencyRow {
            id: format!("a{n:03}"),
            name: Text::new(name, name),
            kind: "road".into(),
            area: path(TOWN),
            person: Some("p".into()),
        };
        let many: Vec<_> = (0..250).map(|n| agency(n, "old")).collect();
        records.agencies().upsert(&many).await.unwrap();
        records.agencies().upsert(&[agency(7, "new")]).await.unwrap();
        assert_eq!(records.agencies().find("a007").await.unwrap(), Some(agency(7, "new")));
        assert_eq!(records.agencies().all().await.unwrap().len(), 250);
        let areas = [path("/50/")];
        let first = records.agencies().list(&areas, &PageRequest::default()).await.unwrap();
        assert_eq!((first.items.len(), first.total), (100, 250));
        let request = PageRequest { limit: 1_000, cursor: first.next_cursor };
        let rest = records.agencies().list(&areas, &request).await.unwrap();
        assert_eq!(
            (rest.items.len(), rest.items[0].id.as_str(), rest.next_cursor),
            (150, "a100", None)
        );
        let audit: Vec<_> = (0..5)
            .map(|n| AuditRow {
                at: at(n),
                who: "w".into(),
                what: "x".into(),
                object: n.to_string(),
                detail: String::new(),
            })
            .collect();
        for line in &audit {
            records.audit().add(line).await.unwrap();
        }
        let request = PageRequest { limit: 3, cursor: None };
        let page = records.audit().list(None, None, &request).await.unwrap();
        assert_eq!(page.items, [audit[4].clone(), audit[3].clone(), audit[2].clone()]);
        let request = PageRequest { limit: 3, cursor: page.next_cursor };
        let page = records.audit().list(None, None, &request).await.unwrap();
        assert_eq!(page.items, [audit[1].clone(), audit[0].clone()]);
    })
    .await;
}
