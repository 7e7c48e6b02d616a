//! Reviews, and rules tried and changed.

use super::*;
use chengmai_store::records::reviews::{FindingRow, ReviewRow, TaskFilter, TaskRow};
use chengmai_store::records::rules::{BacktestRow, RuleChangeRow};

pub(super) fn finding(case: &CaseId) -> FindingRow {
    FindingRow {
        id: 0,
        incident: case.to_string(),
        area: path(TOWN),
        at: at(5),
        by: "ann".into(),
        cause: "late_answer".into(),
        text: "nobody looked".into(),
    }
}

fn task(incident: &str, minute: i64, agency: Option<&str>) -> TaskRow {
    TaskRow {
        id: 0,
        incident: incident.into(),
        area: path(TOWN),
        text: "a second person at night".into(),
        agency: agency.map(Into::into),
        person: agency.is_none().then(|| "bob".into()),
        at: at(minute),
        by: "ann".into(),
        due_at: at(minute + 60),
        done_at: None,
        done_by: None,
        evidence: None,
    }
}

#[tokio::test]
async fn a_review_counts_its_findings_and_open_tasks_and_a_task_is_closed_once() {
    on_both(async |records| {
        let reviews = records.reviews();
        let case = filed(&records, TOWN, at(0)).await.id;
        let incident = case.to_string();
        reviews.add_finding(&finding(&case)).await.unwrap();
        let areas = [path("/50/")];
        assert_eq!(reviews.findings(&areas, Some(&incident)).await.unwrap().len(), 1);
        assert_eq!(reviews.findings(&[], None).await.unwrap(), []);
        let first = reviews.add_task(&task(&incident, 10, None)).await.unwrap();
        let second = reviews.add_task(&task(&incident, 7, Some("roads"))).await.unwrap();
        reviews.add_task(&task("other", 99, None)).await.unwrap();
        assert_eq!(reviews.find_task(first.id).await.unwrap(), Some(first.clone()));
        reviews.finish_task(first.id, "bob", "roster", at(20)).await.unwrap();
        let again = reviews.finish_task(first.id, "bob", "roster", at(21)).await;
        assert_eq!(refused(again), "not_allowed_now");

        let list = reviews.list(&areas).await.unwrap();
        let expected = ReviewRow {
            incident: incident.clone(),
            area: path(TOWN),
            at: at(10),
            findings: 1,
            tasks: 2,
            open: 1,
            due_at: Some(at(67)),
        };
        let ids: Vec<_> = list.iter().map(|review| review.incident.as_str()).collect();
        assert_eq!(ids, ["other", &incident], "the newest first of those with open tasks");
        assert_eq!(list[1], expected);
        reviews.finish_task(second.id, "eve", "lamp", at(22)).await.unwrap();
        let list = reviews.list(&areas).await.unwrap();
        assert_eq!((list[1].open, list[1].due_at), (0, None));

        let find = async |filter: TaskFilter| -> Vec<i64> {
            let filter = TaskFilter { areas: areas.to_vec(), ..filter };
            reviews.tasks(&filter).await.unwrap().iter().map(|t| t.id - first.id).collect()
        };
        assert_eq!(find(TaskFilter::default()).await, [2, 1, 0]);
        assert_eq!(find(TaskFilter { open: true, ..TaskFilter::default() }).await, [2]);
        let owner = Some(("nobody".to_owned(), Some("roads".to_owned())));
        assert_eq!(find(TaskFilter { owner, ..TaskFilter::default() }).await, [1]);
        let incident = Some(incident);
        assert_eq!(find(TaskFilter { incident, ..TaskFilter::default() }).await, [1, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_rule_change_names_its_backtest_and_is_given_its_place_once() {
    on_both(async |records| {
        let rules = records.rules();
        let backtest = BacktestRow {
            id: "b1".into(),
            pack: "gas".into(),
            rule: "methane".into(),
            text: "x > 1".into(),
            area: path(TOWN),
            by: "ann".into(),
            at: at(1),
            from: at(-100),
            to: at(0),
            floods: true,
            body: "{}".into(),
        };
        rules.add_backtest(&backtest).await.unwrap();
        assert_eq!(rules.find_backtest("b1").await.unwrap(), Some(backtest.clone()));
        let of = async |text, minutes: i64, since| {
            let area = path(TOWN);
            let found = rules.backtest_of(("gas", text), &area, minutes * MINUTE_MS, since).await;
            found.unwrap().map(|b| b.id)
        };
        assert_eq!(of("x > 1", 100, at(0)).await.as_deref(), Some("b1"));
        assert_eq!(of("x > 2", 100, at(0)).await, None);
        assert_eq!(of("x > 1", 101, at(0)).await, None);
        assert_eq!(of("x > 1", 100, at(2)).await, None);

        let change = RuleChangeRow {
            id: 0,
            at: at(2),
            by: "ann".into(),
            pack: "gas".into(),
            rule: "methane".into(),
            text: "x > 1".into(),
            backtest: "b1".into(),
            reason: Some("a festival".into()),
            sequence: None,
        };
        let id = rules.add_change(&change).await.unwrap();
        let unknown = RuleChangeRow { backtest: "b2".into(), ..change.clone() };
        assert!(rules.add_change(&unknown).await.is_err());
        rules.took_effect(id, 7).await.unwrap();
        rules.took_effect(id, 8).await.unwrap();
        let expected = RuleChangeRow { id, sequence: Some(7), ..change };
        assert_eq!(rules.changes().await.unwrap(), [expected]);
        let audit = records.audit().list(None, None, &PageRequest::default()).await.unwrap();
        assert_eq!((audit.total, audit.items[0].what.as_str()), (1, "rule.enable"));
    })
    .await;
}
