//! Alerts: when there is one, what it refers to, who sees it.

use super::*;

const OTHER_TOWN: &str = "/50/500105/500105001/";

/// Identifier, kind, severity, minute, and what it refers to, oldest first.
async fn told(records: &Records, areas: &[AreaPath]) -> Vec<String> {
    let page = records.alerts().list(areas, &PageRequest::default()).await.unwrap();
    let mut rows = page.items;
    rows.reverse();
    let line = |row: &AlertRow| {
        let earlier: Vec<&str> = row.body.earlier.iter().map(|e| &e.id[e.id.len() - 3..]).collect();
        format!(
            "{} {} {} {} {} {}",
            &row.id[row.id.len() - 3..],
            row.kind.word(),
            row.body.severity.number(),
            row.sent.since(at(0)) / MINUTE_MS,
            if row.body.by_person { "person" } else { "rule" },
            earlier.join(",")
        )
    };
    rows.iter().map(line).collect()
}

#[tokio::test]
async fn a_warning_is_told_from_its_confirmation_to_its_end_and_each_step_once() {
    on_both(async |records| {
        let (warnings, towns) = (records.warnings(), [path(TOWN)]);
        let step = |step, severity, minute| warning_step(1, step, severity, minute, TOWN);
        let raised = step(WarningStep::Raised, 2, 0);
        warnings.apply(std::slice::from_ref(&raised)).await.unwrap();
        assert!(told(&records, &towns).await.is_empty(), "nobody said that it is real");
        warnings.answer(WarningId(1), "ann", WarningAnswer::Confirm, None, at(1)).await.unwrap();
        let worse = step(WarningStep::Regraded, 4, 2);
        warnings.apply(&[raised, worse.clone(), worse]).await.unwrap();
        let (draft, events) = filing(TOWN, Some(WarningId(1)), at(3));
        assert!(records.cases().file(draft, &events, None).await.unwrap().created);
        warnings.apply(&[step(WarningStep::Cleared, 4, 4)]).await.unwrap();
        warnings.apply(&[step(WarningStep::Reopened, 3, 5)]).await.unwrap();
        warnings.apply(&[step(WarningStep::Cleared, 3, 6)]).await.unwrap();
        assert_eq!(
            told(&records, &towns).await,
            [
                "001 alert 2 1 person ",
                "002 update 4 2 person 001",
                "003 cancel 4 4 person 001,002",
                "004 alert 3 5 person ",
                "005 cancel 3 6 person 004",
            ]
        );
        assert!(told(&records, &[path(OTHER_TOWN)]).await.is_empty());
        assert!(told(&records, &[]).await.is_empty());
        assert_eq!(records.alerts().first().await.unwrap(), Some(at(1)));
    })
    .await;
}

#[tokio::test]
async fn what_was_dismissed_or_answered_too_late_is_not_told() {
    on_both(async |records| {
        let warnings = records.warnings();
        let raise = |n| warning_step(n, WarningStep::Raised, 2, 0, TOWN);
        let clear = |n| warning_step(n, WarningStep::Cleared, 2, 1, TOWN);
        warnings.apply(&[raise(1), raise(2), clear(2), raise(3)]).await.unwrap();
        let dismiss = WarningAnswer::Dismiss;
        warnings.answer(WarningId(1), "ann", dismiss, Some("sewer gas"), at(1)).await.unwrap();
        // Its cause was gone before anybody looked: there is nothing to warn of.
        warnings.answer(WarningId(2), "ann", WarningAnswer::Confirm, None, at(2)).await.unwrap();
        assert!(told(&records, &[path(TOWN)]).await.is_empty());
        assert_eq!(records.alerts().first().await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_text_of_a_message_is_kept_once() {
    on_both(async |records| {
        let warnings = records.warnings();
        warnings.apply(&[warning_step(1, WarningStep::Raised, 2, 0, TOWN)]).await.unwrap();
        warnings.answer(WarningId(1), "ann", WarningAnswer::Confirm, None, at(1)).await.unwrap();
        let (alerts, id) = (records.alerts(), "W-0000000000000001-001");
        assert_eq!(alerts.find(id).await.unwrap().unwrap().text, None);
        assert_eq!(alerts.keep_text(id, "first").await.unwrap().as_deref(), Some("first"));
        assert_eq!(alerts.keep_text(id, "second").await.unwrap().as_deref(), Some("first"));
        assert_eq!(alerts.find(id).await.unwrap().unwrap().text.as_deref(), Some("first"));
        assert_eq!(alerts.keep_text("W-0-001", "x").await.unwrap(), None);
        assert_eq!(alerts.find("W-0-001").await.unwrap(), None);
    })
    .await;
}

fn outside(name: &str, references: &[&str], levels: &[(&str, u8, Option<i64>)]) -> NewOutside {
    let level = |&(device, level, until): &(&str, u8, Option<i64>)| outside::Level {
        device: device.into(),
        title: format!("{name} of {device}"),
        area: path(TOWN),
        level,
        until: until.map(at),
        is_real: true,
    };
    NewOutside {
        sender: "met".into(),
        identifier: name.into(),
        sent: at(0),
        taken_at: at(0),
        made_by: "gateway".into(),
        area: path("/50/500103/"),
        body: "<alert/>".into(),
        references: references.iter().map(|&name| name.to_owned()).collect(),
        is_cancel: levels.is_empty(),
        levels: levels.iter().map(level).collect(),
    }
}

/// What is to be told, which is then told.
async fn untold(records: &Records) -> Vec<String> {
    let levels = records.outside().untold().await.unwrap();
    for level in &levels {
        records.outside().told(level).await.unwrap();
    }
    levels.iter().map(|level| format!("{} {}", level.device, level.level)).collect()
}

#[tokio::test]
async fn an_alert_from_outside_is_taken_once_replaced_and_called_off() {
    on_both(async |records| {
        let take = async |new: &NewOutside| records.outside().take(new).await.unwrap();
        let first = outside("a", &[], &[("rain", 3, None), ("wind", 2, None)]);
        assert_eq!(take(&first).await, Taken::New);
        assert_eq!(untold(&records).await, ["rain 3", "wind 2"]);
        assert_eq!(take(&first).await, Taken::Known);
        assert!(untold(&records).await.is_empty());
        // What an update does not name again is over.
        assert_eq!(take(&outside("b", &["a"], &[("rain", 4, None)])).await, Taken::New);
        assert_eq!(untold(&records).await, ["rain 4", "wind 0"]);
        assert_eq!(take(&outside("x", &["never sent"], &[])).await, Taken::Unknown);
        // A cancel may name the first message of all, or one from elsewhere, which reaches nothing here.
        let elsewhere = NewOutside { area: path("/50/500105/"), ..outside("c", &["a"], &[]) };
        assert_eq!(take(&elsewhere).await, Taken::New);
        assert!(untold(&records).await.is_empty());
        assert_eq!(take(&outside("d", &["a"], &[])).await, Taken::New);
        assert_eq!(untold(&records).await, ["rain 0"]);
    })
    .await;
}

#[tokio::test]
async fn an_alert_from_outside_is_over_when_it_expires() {
    on_both(async |records| {
        let new = outside("a", &[], &[("rain", 3, Some(10)), ("wind", 2, None)]);
        records.outside().take(&new).await.unwrap();
        assert_eq!(untold(&records).await, ["rain 3", "wind 2"]);
        assert_eq!(records.outside().expire(at(9)).await.unwrap(), 0);
        assert_eq!(records.outside().expire(at(10)).await.unwrap(), 1);
        // Until it was told it is looked for again.
        assert_eq!(records.outside().untold().await.unwrap().len(), 1);
        assert_eq!(untold(&records).await, ["rain 0"]);
        assert_eq!(records.outside().expire(at(11)).await.unwrap(), 0);
    })
    .await;
}
