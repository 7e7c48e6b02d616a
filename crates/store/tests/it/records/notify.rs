//! Subscriptions, notices of what happened, and the messages that are made of them.

use chengmai_store::records::citizens::NewContact;
use chengmai_store::records::deliveries::{DeliveryFilter, DeliveryState, NewDelivery, Recipient};
use chengmai_store::records::notices::{News, Notice};
use chengmai_store::records::subscriptions::{Channel, Matter, SubscriptionRow};

use super::*;

fn subscription(id: &str, area: &str) -> SubscriptionRow {
    SubscriptionRow {
        id: id.into(),
        name: format!("To {id}"),
        channel: Channel::Webhook,
        address: "https://example.org/hook?key=k".into(),
        recipients: String::new(),
        template: None,
        secret: Some("whsec_AAAA".into()),
        matters: vec![Matter::Step, Matter::Overdue, Matter::Warning],
        severity_min: Severity::new(2).unwrap(),
        agency: None,
        area: path(area),
        language: "zh".into(),
        active: true,
        stopped: None,
        made_by: "duty".into(),
        made_at: at(0),
    }
}

fn message(id: &str, to: Recipient, minute: i64) -> NewDelivery {
    NewDelivery {
        id: id.into(),
        to,
        area: path(TOWN),
        what: "step".into(),
        object: "x".into(),
        made_at: at(minute),
        body: "{}".into(),
    }
}

fn for_subscription(id: &str) -> Recipient {
    Recipient::Subscription(id.into())
}

async fn waiting(records: &Records) -> Vec<Notice> {
    records.notices().waiting(100).await.unwrap()
}

fn named(notices: &[Notice]) -> Vec<(&str, i64)> {
    notices.iter().map(|n| (n.kind.as_str(), n.number)).collect()
}

#[tokio::test]
async fn steps_are_noted_once_somebody_wants_to_know_and_stay_until_they_are_messages() {
    on_both(async |records| {
        let case = filed(&records, TOWN, at(0)).await;
        let case = step(&records, case, &[CommandKind::Dispatch], at(1)).await;
        assert_eq!(waiting(&records).await, [], "nobody asked");
        records.subscriptions().insert(&subscription("s", TOWN)).await.unwrap();
        step(&records, case.clone(), &[CommandKind::Start, CommandKind::Finish], at(2)).await;
        let notices = waiting(&records).await;
        assert_eq!(named(&notices), [("step", 3), ("step", 4)]);
        let News::Step(now, event) = &notices[0].news else { panic!("{notices:?}") };
        assert_eq!((now.seq, event.seq, event.step.word()), (4, 3, "started"));

        let messages = [message("m", for_subscription("s"), 3)];
        records.notices().settle(&[notices[0].id], &messages).await.unwrap();
        records.notices().settle(&[], &messages).await.unwrap();
        assert_eq!(named(&waiting(&records).await), [("step", 4)]);
        let filter = DeliveryFilter { areas: vec![path(TOWN)], ..DeliveryFilter::default() };
        assert_eq!(records.deliveries().list(&filter).await.unwrap().total, 1, "made once");
    })
    .await;
}

#[tokio::test]
async fn a_new_case_and_its_first_steps_are_noted_in_its_own_transaction() {
    on_both(async |records| {
        records.subscriptions().insert(&subscription("s", TOWN)).await.unwrap();
        let case = filed(&records, TOWN, at(0)).await;
        let notices = waiting(&records).await;
        assert_eq!(named(&notices), [("step", 1)]);
        assert_eq!(notices[0].object, case.id.to_string());
    })
    .await;
}

#[tokio::test]
async fn clocks_that_turn_are_noted_between_two_looks_and_never_twice_in_one() {
    on_both(async |records| {
        let case = filed(&records, TOWN, at(0)).await;
        let due = case.clock.as_ref().unwrap().due_at;
        let noted = records.notices().look_at_clocks(at(-1), due).await.unwrap();
        assert_eq!(noted, 0, "nobody asked");
        records.subscriptions().insert(&subscription("s", TOWN)).await.unwrap();
        let yellow = case.clock.as_ref().unwrap().yellow_at();
        let notices = records.notices();
        assert_eq!(notices.look_at_clocks(at(-1), yellow.plus_ms(-1)).await.unwrap(), 0);
        assert_eq!(notices.look_at_clocks(yellow.plus_ms(-1), yellow).await.unwrap(), 1);
        assert_eq!(notices.look_at_clocks(yellow, due.plus_ms(-1)).await.unwrap(), 0);
        notices.look_at_clocks(due.plus_ms(-1), due).await.unwrap();
        let found = waiting(&records).await;
        assert_eq!(named(&found), [("yellow", yellow.0), ("overdue", due.0)]);
    })
    .await;
}

#[tokio::test]
async fn a_warning_is_noted_when_it_is_raised_and_when_it_is_worse_than_ever() {
    on_both(async |records| {
        records.subscriptions().insert(&subscription("s", "/50/")).await.unwrap();
        let warnings = records.warnings();
        let say = |step, severity, minute| warning_step(7, step, severity, minute, TOWN);
        warnings.apply(&[say(WarningStep::Raised, 2, 1)]).await.unwrap();
        warnings.apply(&[say(WarningStep::Raised, 2, 1)]).await.unwrap();
        warnings.apply(&[say(WarningStep::Regraded, 1, 2)]).await.unwrap();
        warnings.apply(&[say(WarningStep::Regraded, 3, 3)]).await.unwrap();
        warnings.apply(&[say(WarningStep::Cleared, 3, 4)]).await.unwrap();
        let held = WarningStepRow {
            held: Some(Held::Group(WarningId(7))),
            ..warning_step(8, WarningStep::Raised, 4, 5, TOWN)
        };
        warnings.apply(&[held]).await.unwrap();
        let found = waiting(&records).await;
        assert_eq!(named(&found), [("warning", 2), ("warning", 3)]);
        let News::Warning(row) = &found[0].news else { panic!("{found:?}") };
        assert_eq!(row.id, WarningId(7));
    })
    .await;
}

#[tokio::test]
async fn a_message_waits_is_tried_again_and_ends_sent_or_dead() {
    on_both(async |records| {
        for id in ["a", "b"] {
            records.subscriptions().insert(&subscription(id, TOWN)).await.unwrap();
        }
        let deliveries = records.deliveries();
        for n in 0..5 {
            deliveries.add(&message(&format!("a{n}"), for_subscription("a"), n)).await.unwrap();
        }
        deliveries.add(&message("b0", for_subscription("b"), 9)).await.unwrap();
        assert_eq!(deliveries.due(at(-1), 2).await.unwrap(), Vec::<Vec<_>>::new());
        let due = deliveries.due(at(9), 2).await.unwrap();
        let ids: Vec<Vec<&str>> =
            due.iter().map(|lane| lane.iter().map(|row| row.made.id.as_str()).collect()).collect();
        assert_eq!(ids, [vec!["a0", "a1"], vec!["b0"]], "many of one leave room for the other");

        deliveries.failed("a0", "HTTP 500", at(10), Some(at(20))).await.unwrap();
        deliveries.failed("a1", "HTTP 500", at(10), None).await.unwrap();
        deliveries.sent("b0", at(10)).await.unwrap();
        deliveries.failed("b0", "late answer", at(11), None).await.unwrap();
        let state = async |id: &str| {
            let row = deliveries.find(id).await.unwrap().unwrap();
            (row.state, row.attempts, row.fault)
        };
        let fault = Some("HTTP 500".to_owned());
        assert_eq!(state("a0").await, (DeliveryState::Waiting, 1, fault.clone()));
        assert_eq!(state("a1").await, (DeliveryState::Dead, 1, fault.clone()));
        assert_eq!(state("b0").await, (DeliveryState::Sent, 1, None));
        assert_eq!(refused(deliveries.retry("a0", at(12)).await), "not_dead");
        deliveries.retry("a1", at(12)).await.unwrap();
        assert_eq!(state("a1").await, (DeliveryState::Waiting, 0, fault));

        assert_eq!(deliveries.purge(at(100)).await.unwrap(), 1, "only what is done with");
        records.subscriptions().stop("a", "HTTP 410", at(13)).await.unwrap();
        assert_eq!(deliveries.due(at(99), 2).await.unwrap(), Vec::<Vec<_>>::new());
        let stopped = records.subscriptions().find("a").await.unwrap().unwrap();
        assert_eq!((stopped.active, stopped.stopped.as_deref()), (false, Some("HTTP 410")));
        records.subscriptions().delete("a", "duty", at(14)).await.unwrap();
        assert_eq!(deliveries.find("a1").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn subscriptions_and_messages_are_seen_from_their_area_and_above() {
    on_both(async |records| {
        let mine = subscription("s", TOWN);
        records.subscriptions().insert(&mine).await.unwrap();
        records.deliveries().add(&message("m", for_subscription("s"), 0)).await.unwrap();
        for (area, seen) in [(TOWN, 1), ("/50/", 1), ("/50/500103/500103002/", 0)] {
            let listed = records.subscriptions().list(&[path(area)]).await.unwrap();
            assert_eq!(listed.len(), seen, "{area}");
            let filter = DeliveryFilter { areas: vec![path(area)], ..DeliveryFilter::default() };
            assert_eq!(records.deliveries().list(&filter).await.unwrap().total, seen as u64);
        }
        assert_eq!(records.subscriptions().list(&[]).await.unwrap(), []);
        assert_eq!(records.subscriptions().find("s").await.unwrap(), Some(mine));
        assert!(!format!("{:?}", subscription("s", TOWN)).contains("key="), "secrets stay out");
    })
    .await;
}

fn contact(name: &str, mails: bool) -> NewContact {
    NewContact {
        reporter: name.into(),
        token_hash: format!("hash of {name}"),
        language: "zh".into(),
        email: Some("zhang@example.org".into()),
        mails,
        ..NewContact::default()
    }
}

#[tokio::test]
async fn a_citizen_follows_by_mail_until_they_stop_it_or_are_forgotten() {
    on_both(async |records| {
        let citizens = records.citizens();
        let (draft, events) = filing(TOWN, None, at(0));
        citizens.report(draft.clone(), &events, &contact("silent", false)).await.unwrap();
        assert_eq!(waiting(&records).await, []);
        let case = citizens.report(draft, &events, &contact("wants", true)).await.unwrap();
        assert_eq!(named(&waiting(&records).await), [("step", 1)]);
        let number = case.id.to_string();
        let followers = records.notices().followers(std::slice::from_ref(&number)).await.unwrap();
        assert_eq!(followers[&number][0].reporter, "wants");

        let to = || Recipient::Reporter("wants".into());
        records.deliveries().add(&message("m0", to(), 0)).await.unwrap();
        citizens.stop_mails("wants").await.unwrap();
        assert_eq!(records.deliveries().find("m0").await.unwrap(), None);
        assert_eq!(citizens.follower("wants").await.unwrap(), None);

        let (draft, events) = filing(TOWN, None, at(1));
        let case = citizens.report(draft, &events, &contact("again", true)).await.unwrap();
        assert!(citizens.follower("again").await.unwrap().is_some());
        let to = Recipient::Reporter("again".into());
        records.deliveries().add(&message("m1", to, 0)).await.unwrap();
        citizens.erase(&case.id, "duty", at(2)).await.unwrap();
        assert_eq!(records.deliveries().find("m1").await.unwrap(), None);
        assert_eq!(citizens.follower("again").await.unwrap(), None);
    })
    .await;
}
