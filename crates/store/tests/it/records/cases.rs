//! Cases: filing, appending, finding, counting.

use super::*;

#[tokio::test]
async fn a_step_decided_on_an_old_view_is_refused_and_leaves_nothing_behind() {
    on_both(async |records| {
        let case = filed(&records, TOWN, at(0)).await;
        let command = Command::new(CommandKind::Dispatch);
        let events = decide(&case, &command, &duty(TOWN), at(1), &rules()).unwrap();
        let after = records.cases().append(&case, &events).await.unwrap();
        assert_eq!(refused(records.cases().append(&case, &events).await), "not_allowed_now");

        // The second of two events collides: the first must not stay.
        let start = Command::new(CommandKind::Start);
        let staff =
            Actor { roles: vec![Role::AgencyStaff], agency: Some("roads".into()), ..duty("/50/") };
        let mut events = decide(&after, &start, &staff, at(2), &rules()).unwrap();
        let mut ahead = after.clone();
        apply(&mut ahead, &events[0]);
        events.extend(
            decide(&ahead, &Command::new(CommandKind::Finish), &staff, at(3), &rules()).unwrap(),
        );
        let mut collides = after.clone();
        collides.seq -= 1;
        for event in &mut events {
            event.seq -= 1;
        }
        let stale = Case { seq: collides.seq, ..after.clone() };
        assert_eq!(refused(records.cases().append(&stale, &events).await), "not_allowed_now");
        assert_eq!(records.cases().find(&after.id).await.unwrap(), Some(after.clone()));
        assert_eq!(records.cases().events(&after.id).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn filing_from_a_warning_is_one_case_and_one_answer() {
    on_both(async |records| {
        let step = warning_step(7, WarningStep::Raised, 2, 0, TOWN);
        records.warnings().apply(&[step]).await.unwrap();
        let (draft, events) = filing(TOWN, Some(WarningId(7)), at(1));
        let first = records.cases().file(draft.clone(), &events, Some("real")).await.unwrap();
        let again = records.cases().file(draft.clone(), &events, Some("again")).await.unwrap();
        assert!(first.created && !again.created);
        assert_eq!(first.case, again.case);
        let warning = records.warnings().find(WarningId(7)).await.unwrap().unwrap();
        assert_eq!((warning.state, warning.case), (WarningState::Filed, Some(first.case.id)));
        assert_eq!(
            (warning.note.as_deref(), warning.answered_by.as_deref()),
            (Some("real"), Some("duty"))
        );
        assert_eq!(
            records.audit().list(None, None, &PageRequest::default()).await.unwrap().total,
            1
        );

        // A warning that is not there, or was dismissed, files nothing and uses up no number.
        let (_, events) = filing(TOWN, Some(WarningId(8)), at(1));
        assert_eq!(refused(records.cases().file(draft.clone(), &events, None).await), "not_found");
        let step = warning_step(8, WarningStep::Raised, 2, 0, TOWN);
        records.warnings().apply(&[step]).await.unwrap();
        let dismiss = WarningAnswer::Dismiss;
        records
            .warnings()
            .answer(WarningId(8), "duty", dismiss, Some("test"), at(1))
            .await
            .unwrap();
        assert_eq!(refused(records.cases().file(draft, &events, None).await), "already_answered");
        assert_eq!(filed(&records, TOWN, at(3)).await.id.serial, 2);
    })
    .await;
}

#[tokio::test]
async fn serials_run_by_district_and_day_even_when_filed_at_once() {
    on_both(async |records| {
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let records = records.clone();
                let area = if n % 2 == 0 { TOWN } else { "/50/500103/500103002/" };
                tokio::spawn(async move { filed(&records, area, at(n)).await.id.to_string() })
            })
            .collect();
        let mut ids = BTreeSet::new();
        for task in tasks {
            ids.insert(task.await.unwrap());
        }
        let expected = (1..=20).map(|n| format!("500103-20261121-{n:05}")).collect();
        assert_eq!(ids, expected);
        assert_eq!(filed(&records, "/50/", at(0)).await.id.to_string(), "50-20261121-00001");
    })
    .await;
}

#[tokio::test]
async fn a_case_that_ended_before_what_was_merged_into_it_is_found() {
    on_both(async |records| {
        let (parent, child) =
            (filed(&records, TOWN, at(0)).await, filed(&records, TOWN, at(1)).await);
        let step = async |case: &Case, command: Command, minute| {
            let events = decide(case, &command, &duty(TOWN), at(minute), &rules()).unwrap();
            records.cases().append(case, &events).await.unwrap()
        };
        let with_reason = |kind| Command { reason: Some("test".into()), ..Command::new(kind) };
        let other = Some(parent.id.clone());
        let into = Command { other, ..with_reason(CommandKind::Merge) };
        step(&child, into, 2).await;
        assert_eq!(records.cases().merged_into(&parent.id).await.unwrap().len(), 1);
        assert_eq!(records.cases().with_merged_left().await.unwrap(), []);
        let ended = step(&parent, with_reason(CommandKind::ForceClose), 3).await;
        assert!(ended.closed_at.is_some());
        assert_eq!(records.cases().with_merged_left().await.unwrap(), [ended]);
    })
    .await;
}

#[tokio::test]
async fn of_twenty_who_act_at_once_on_one_case_one_wins_and_the_others_are_told() {
    on_both(async |records| {
        let case = filed(&records, TOWN, at(0)).await;
        let events =
            decide(&case, &Command::new(CommandKind::Dispatch), &duty(TOWN), at(1), &rules());
        let events = events.unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (records, case, events) = (records.clone(), case.clone(), events.clone());
                tokio::spawn(async move { records.cases().append(&case, &events).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(after) => {
                    assert_eq!(after.state, CaseState::Dispatched);
                    won += 1;
                }
                lost => assert_eq!(refused(lost), "not_allowed_now"),
            }
        }
        assert_eq!((won, records.cases().events(&case.id).await.unwrap().len()), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn cases_are_found_by_state_light_words_holder_and_order() {
    on_both(async |records| {
        let waiting = filed(&records, TOWN, at(0)).await;
        let closed = filed(&records, TOWN, at(1)).await;
        let closed = step(&records, closed, WHOLE_LOOP, at(2)).await;
        let handling = filed(&records, "/50/500103/", at(3)).await;
        let handling = step(&records, handling, &WHOLE_LOOP[..2], at(4)).await;
        let find = async |filter: CaseFilter| -> Vec<CaseId> {
            let filter = CaseFilter { areas: vec![path("/50/")], ..filter };
            records.cases().list(&filter).await.unwrap().items.into_iter().map(|c| c.id).collect()
        };
        let all = CaseFilter::default;
        let (a, b, c) = (waiting.id.clone(), closed.id.clone(), handling.id.clone());
        assert_eq!(find(all()).await, [c.clone(), b.clone(), a.clone()]);
        assert_eq!(
            find(CaseFilter { order: CaseOrder::Due, ..all() }).await,
            [a.clone(), b.clone(), c.clone()]
        );
        let open = CaseStateFilter::Open;
        assert_eq!(find(CaseFilter { state: open, ..all() }).await, [c.clone(), a.clone()]);
        let state = CaseStateFilter::In(CaseState::Handling);
        assert_eq!(find(CaseFilter { state, ..all() }).await, std::slice::from_ref(&c));
        assert_eq!(find(CaseFilter { words: Some("DEEP hole".into()), ..all() }).await.len(), 3);
        assert_eq!(find(CaseFilter { words: Some("%".into()), ..all() }).await, []);
        assert_eq!(
            find(CaseFilter { words: Some(b.to_string()), ..all() }).await,
            std::slice::from_ref(&b)
        );
        assert_eq!(find(CaseFilter { from: Some(at(1)), to: Some(at(3)), ..all() }).await, [b]);
        let staff =
            Actor { roles: vec![Role::AgencyStaff], agency: Some("roads".into()), ..duty("/50/") };
        assert_eq!(
            find(CaseFilter { held_by: Some((staff, at(4))), ..all() }).await,
            std::slice::from_ref(&c)
        );
        assert_eq!(find(CaseFilter { held_by: Some((duty(TOWN), at(4))), ..all() }).await, [a]);
        assert_eq!(find(CaseFilter { held_by: Some((duty("/50/"), at(4))), ..all() }).await, []);
        // The database and the model give every clock the same colour at every moment.
        for minute in 0..120 {
            let now = at(minute);
            for light in [Light::Green, Light::Yellow, Light::Red] {
                let found = find(CaseFilter { light: Some((light, now)), ..all() }).await;
                let expected: Vec<CaseId> = [&handling, &waiting]
                    .into_iter()
                    .filter(|c| c.clock.as_ref().is_some_and(|clock| clock.light(now) == light))
                    .map(|c| c.id.clone())
                    .collect();
                assert_eq!(found, expected, "{light:?} after {minute} min");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn counts_are_those_of_the_period() {
    on_both(async |records| {
        let total = 4 * HOUR_MS / MINUTE_MS + 30;
        for n in 0..6 {
            let case = filed(&records, TOWN, at(0)).await;
            // Cases 0 to 3 are closed, 3 too late; 4 is with its agency; 5 waits for dispatch.
            let closed_at = if n == 3 { at(total + 1) } else { at(10 + n) };
            let kinds = match n {
                0..=3 => WHOLE_LOOP,
                4 => &WHOLE_LOOP[..1],
                _ => &[],
            };
            if n == 0 {
                let case = step(&records, case, &WHOLE_LOOP[..3], at(5)).await;
                let case =
                    step(&records, case, &[CommandKind::CheckFail, CommandKind::Start], at(6))
                        .await;
                step(&records, case, &WHOLE_LOOP[2..], closed_at).await;
            } else {
                step(&records, case, kinds, closed_at).await;
            }
        }
        let areas = [path("/50/500103/")];
        let cases = records.cases();
        let counts = async |from: i64, to: i64, now: i64| {
            let s = cases.summary(&areas, at(from), at(to), at(now)).await.unwrap();
            let c = s.counts;
            (c.closed, c.closed_on_time, c.open, c.open_overdue, c.reworked, s.due_soon)
        };
        assert_eq!(counts(0, 999, 12).await, (3, 3, 3, 0, 1, 0));
        assert_eq!(counts(0, 12, 999).await, (2, 2, 4, 0, 1, 0), "as things stood at minute 12");
        assert_eq!(counts(0, 999, total - 1).await, (3, 3, 3, 0, 1, 3));
        assert_eq!(counts(0, 999, total + 2).await, (4, 3, 2, 2, 1, 0));
        assert_eq!(counts(12, 999, total + 2).await, (2, 1, 2, 2, 0, 0));
        let summary = cases.summary(&areas, at(0), at(999), at(999)).await.unwrap();
        let states: Vec<_> = summary.by_state.iter().map(|(s, n)| (s.word(), *n)).collect();
        assert_eq!(states, [("filed", 1), ("dispatched", 1), ("closed", 4)]);
        let kind = &summary.by_type[0];
        assert_eq!(
            (kind.type_id.as_str(), kind.name.en.as_str(), kind.open, kind.closed),
            ("pothole", "Pothole", 2, 4)
        );
        let ratings = cases.ratings(&areas, at(0), at(999), at(999)).await.unwrap();
        assert_eq!(ratings.len(), 1);
        let c = ratings[0].counts;
        assert_eq!(
            (ratings[0].agency.as_str(), c.closed, c.open, c.open_overdue),
            ("roads", 4, 1, 1)
        );
        assert_eq!(c.on_time().value(), Some(3.0 / 5.0));
        assert_eq!(cases.summary(&[], at(0), at(9), at(9)).await.unwrap().counts.cases(), 0);
    })
    .await;
}

#[test]
fn a_level_is_no_deeper_than_its_area() {
    let (_, events) = filing("/50/", None, at(0));
    assert_eq!(events[0].level, Level::City);
}
