//! Warnings: steps, answers, escalation.

use super::*;

#[tokio::test]
async fn steps_of_a_warning_apply_once_and_in_order() {
    on_both(async |records| {
        let warnings = records.warnings();
        let raised = warning_step(1, WarningStep::Raised, 2, 0, TOWN);
        let worse = warning_step(1, WarningStep::Regraded, 4, 2, TOWN);
        let better = warning_step(1, WarningStep::Regraded, 1, 3, TOWN);
        let cleared = warning_step(1, WarningStep::Cleared, 1, 4, TOWN);
        let apply = async |steps: &[&WarningStepRow]| {
            let steps: Vec<_> = steps.iter().map(|&s| s.clone()).collect();
            warnings.apply(&steps).await.unwrap()
        };
        let shape = |rows: &[WarningRow]| -> Vec<(u8, u8, &str)> {
            rows.iter()
                .map(|w| (w.severity.number(), w.peak_severity.number(), w.state.word()))
                .collect()
        };
        assert_eq!(shape(&apply(&[&raised, &worse]).await), [(2, 2, "raised"), (4, 4, "raised")]);
        assert_eq!(shape(&apply(&[&raised, &worse]).await), []);
        assert_eq!(shape(&apply(&[&better]).await), [(1, 4, "raised")]);
        assert_eq!(shape(&apply(&[&worse]).await), [], "an older step changes nothing");
        let last = apply(&[&cleared, &cleared]).await;
        assert_eq!(shape(&last), [(1, 4, "cleared")]);
        assert_eq!((last[0].answer_due, last[0].cleared_at), (None, Some(at(4))));
        assert_eq!(shape(&apply(&[&better, &raised]).await), []);
        // One whose raising was lost with the process is raised by its next step.
        let lost = warning_step(2, WarningStep::Regraded, 3, 0, TOWN);
        assert_eq!(shape(&apply(&[&lost]).await), [(3, 3, "raised")]);
    })
    .await;
}

#[tokio::test]
async fn a_warning_is_answered_once_unless_it_grows_worse_after_dismissal() {
    on_both(async |records| {
        let warnings = records.warnings();
        warnings.apply(&[warning_step(1, WarningStep::Raised, 2, 0, TOWN)]).await.unwrap();
        let (id, dismiss) = (WarningId(1), WarningAnswer::Dismiss);
        let row = warnings.answer(id, "ann", dismiss, Some("sewer gas"), at(1)).await.unwrap();
        assert_eq!((row.state, row.answer_due), (WarningState::Dismissed, None));
        let confirm = WarningAnswer::Confirm;
        assert_eq!(
            refused(warnings.answer(id, "bob", confirm, None, at(2)).await),
            "already_answered"
        );
        assert_eq!(
            refused(warnings.answer(WarningId(9), "bob", confirm, None, at(2)).await),
            "not_found"
        );

        let same = warning_step(1, WarningStep::Regraded, 2, 3, TOWN);
        assert_eq!(warnings.apply(&[same]).await.unwrap()[0].state, WarningState::Dismissed);
        let worse = warning_step(1, WarningStep::Regraded, 4, 4, TOWN);
        let row = warnings.apply(&[worse]).await.unwrap().remove(0);
        assert_eq!(
            (row.state, row.answered_by, row.answer_due),
            (WarningState::Raised, None, Some(at(9)))
        );
        let row = warnings.answer(id, "bob", confirm, None, at(5)).await.unwrap();
        assert_eq!(row.state, WarningState::Confirmed);
        let cleared = warning_step(1, WarningStep::Cleared, 4, 6, TOWN);
        let row = warnings.apply(&[cleared]).await.unwrap().remove(0);
        assert_eq!((row.state, row.cleared_at), (WarningState::Confirmed, Some(at(6))));
        // Filing a confirmed one is the second half of its answer.
        let (draft, events) = filing(TOWN, Some(id), at(7));
        assert!(records.cases().file(draft, &events, None).await.unwrap().created);
        assert_eq!(
            records.audit().list(Some("ann"), None, &PageRequest::default()).await.unwrap().total,
            1
        );
    })
    .await;
}

#[tokio::test]
async fn an_unanswered_warning_is_found_and_goes_up_until_it_is_answered() {
    on_both(async |records| {
        let warnings = records.warnings();
        let steps: Vec<_> = (1..=3)
            .map(|n| warning_step(n, WarningStep::Raised, 2, n.cast_signed(), TOWN))
            .collect();
        warnings.apply(&steps).await.unwrap();
        let late = async |minute| -> Vec<u64> {
            warnings.unanswered(at(minute), 10).await.unwrap().iter().map(|w| w.id.0).collect()
        };
        assert!(late(6).await.is_empty());
        assert_eq!(late(8).await, [1, 2]);
        assert!(warnings.escalate(WarningId(1), Tier::District, Some(at(20))).await.unwrap());
        assert_eq!(late(8).await, [2]);
        let confirm = WarningAnswer::Confirm;
        warnings.answer(WarningId(2), "x", confirm, None, at(8)).await.unwrap();
        assert!(!warnings.escalate(WarningId(2), Tier::District, None).await.unwrap());
        assert_eq!(late(9).await, [3]);
        let row = warnings.find(WarningId(1)).await.unwrap().unwrap();
        assert_eq!((row.escalated_to, row.answer_due), (Some(Tier::District), Some(at(20))));
        assert_eq!(warnings.open_counts(&[path(TOWN)]).await.unwrap(), [0, 2, 0, 0]);
        assert_eq!(warnings.open_counts(&[]).await.unwrap(), [0; 4]);
    })
    .await;
}

fn held_step(number: u64, step: WarningStep, minute: i64, held: Option<Held>) -> WarningStepRow {
    WarningStepRow { held, ..warning_step(number, step, 2, minute, TOWN) }
}

#[tokio::test]
async fn a_warning_that_is_held_back_is_on_record_but_asks_nobody() {
    on_both(async |records| {
        let warnings = records.warnings();
        let parent = Some(Held::Parent(WarningId(9)));
        let raised = held_step(1, WarningStep::Raised, 0, parent);
        warnings.apply(std::slice::from_ref(&raised)).await.unwrap();
        let row = warnings.find(WarningId(1)).await.unwrap().unwrap();
        assert_eq!((row.held, row.answer_due), (parent, None));
        let areas = vec![path(TOWN)];
        let count = async |view| {
            let filter = WarningFilter { areas: areas.clone(), view, ..WarningFilter::default() };
            warnings.list(&filter).await.unwrap().total
        };
        assert_eq!((count(WarningView::Open).await, count(WarningView::Held).await), (0, 1));
        assert_eq!(warnings.open_counts(&areas).await.unwrap(), [0; 4]);
        assert!(warnings.unanswered(at(1_000), 10).await.unwrap().is_empty());
        let under = WarningFilter {
            areas: areas.clone(),
            view: WarningView::All,
            held_by: Some(WarningId(9).to_string()),
            ..WarningFilter::default()
        };
        assert_eq!(warnings.list(&under).await.unwrap().total, 1);

        let released = held_step(1, WarningStep::Released, 3, None);
        let row = warnings.apply(&[released, raised]).await.unwrap().remove(0);
        assert_eq!((row.held, row.answer_due), (None, Some(at(8))));
        assert_eq!((count(WarningView::Open).await, count(WarningView::Held).await), (1, 0));
        let shelf = Some(Held::Shelf(ShelfId(4)));
        let row =
            warnings.apply(&[held_step(1, WarningStep::Held, 5, shelf)]).await.unwrap().remove(0);
        assert_eq!((row.held, row.answer_due), (shelf, None));
        let load = records.alarm_load();
        let shown = load.shown(&areas, at(0), at(60), 10).await.unwrap();
        let times: Vec<_> = shown.iter().map(|s| (s.at, s.until)).collect();
        assert_eq!(times, [(at(3), Some(at(5)))]);
        assert!(load.shown(&[], at(0), at(60), 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_warning_that_comes_back_keeps_its_answer_unless_it_is_worse_than_what_was_dismissed() {
    on_both(async |records| {
        let warnings = records.warnings();
        let steps = [
            warning_step(1, WarningStep::Raised, 2, 0, TOWN),
            warning_step(1, WarningStep::Cleared, 2, 2, TOWN),
            warning_step(1, WarningStep::Reopened, 2, 4, TOWN),
        ];
        warnings.apply(&steps).await.unwrap();
        let row = warnings.find(WarningId(1)).await.unwrap().unwrap();
        assert_eq!((row.state, row.cleared_at, row.reopened), (WarningState::Raised, None, 1));
        assert_eq!(row.answer_due, Some(at(9)));
        assert!(warnings.apply(&steps).await.unwrap().is_empty(), "told again it changes nothing");
        let odd = async |before| {
            let view = WarningView::Odd(before);
            let filter =
                WarningFilter { areas: vec![path(TOWN)], view, ..WarningFilter::default() };
            warnings.list(&filter).await.unwrap().total
        };
        assert_eq!((odd(at(0)).await, odd(at(1)).await), (0, 1));
        let shown = records.alarm_load().shown(&[path(TOWN)], at(0), at(60), 10).await.unwrap();
        assert_eq!(shown.len(), 2);

        let dismiss = WarningAnswer::Dismiss;
        warnings.answer(WarningId(1), "ann", dismiss, Some("sewer gas"), at(5)).await.unwrap();
        let again = |severity, minute| {
            [
                warning_step(1, WarningStep::Cleared, 2, minute, TOWN),
                warning_step(1, WarningStep::Reopened, severity, minute + 1, TOWN),
            ]
        };
        let rows = warnings.apply(&again(2, 6)).await.unwrap();
        assert_eq!((rows[1].state, rows[1].answer_due), (WarningState::Dismissed, None));
        let rows = warnings.apply(&again(3, 8)).await.unwrap();
        assert_eq!((rows[1].state, rows[1].answer_due), (WarningState::Raised, Some(at(14))));
    })
    .await;
}

#[tokio::test]
async fn a_slot_of_alarms_is_counted_once_and_summed_by_rule() {
    on_both(async |records| {
        let load = records.alarm_load();
        let row = |minute, alarms| TallyRow {
            start: at(minute),
            area: path(TOWN),
            rule: "gas/methane".into(),
            alarms,
            shown: 1,
            under_parent: 2,
            shelved: 0,
            collapsed: 3,
        };
        load.add(&[row(0, 10), row(10, 20)]).await.unwrap();
        load.add(&[row(0, 4)]).await.unwrap();
        let sums = load.sums(&[path(TOWN)], at(0), at(20)).await.unwrap();
        assert_eq!(sums, [TallyRow { shown: 2, under_parent: 4, collapsed: 6, ..row(0, 30) }]);
        assert!(load.sums(&[], at(0), at(20)).await.unwrap().is_empty());
    })
    .await;
}
