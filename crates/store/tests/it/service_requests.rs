//! Real service requests of other cities, imported as cases: what the records database then counts is
//! what the source itself says.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use chengmai_engine::case::imported;
use chengmai_engine::rating::{Rate, rate};
use chengmai_model::case::{CaseId, CaseState, ImportedCase, ImportedStatus};
use chengmai_model::testing::shared_data;
use chengmai_model::{Actor, AreaPath, Role, Timestamp};
use chengmai_store::records::Records;
use chengmai_store::records::cases::{CaseFilter, CaseOrder};
use chengmai_wire::service_requests::{Source, decode};

use crate::records::on_both;

const START: Timestamp = Timestamp(0);

fn read(source: Source, file: &str) -> Option<Vec<ImportedCase>> {
    let path = shared_data(&format!("service-requests-us/{file}"))?;
    Some(decode(source, &std::fs::read(path).unwrap()).rows)
}

async fn import(records: &Records, cases: &[ImportedCase], now: Timestamp) {
    let drafts: Vec<_> = drafts(cases, now);
    let imported = records.cases().import(&drafts).await.unwrap();
    assert_eq!((imported.added, imported.known), (cases.len() as u64, 0));
    let again = records.cases().import(&drafts).await.unwrap();
    assert_eq!((again.added, again.known), (0, cases.len() as u64));
}

fn city() -> AreaPath {
    AreaPath::parse("/boston/").unwrap()
}

fn drafts(
    cases: &[ImportedCase],
    now: Timestamp,
) -> Vec<(CaseId, Vec<chengmai_model::case::CaseEvent>)> {
    let actor =
        Actor { name: "import".into(), roles: vec![Role::DutyOfficer], area: city(), agency: None };
    let day = "2022-01-01".parse().unwrap();
    cases
        .iter()
        .map(|case| (CaseId::draft(&city(), day), imported(case, &city(), &actor, now)))
        .collect()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// Boston's own words recomputed from its times: late is closed after the deadline, or open past it.
/// Without a deadline nothing is late.
fn is_late(case: &ImportedCase, as_of: Timestamp) -> bool {
    case.due_at.is_some_and(|due| case.closed_at.unwrap_or(as_of) > due)
}

#[tokio::test]
async fn boston_is_counted_as_its_own_columns_say() {
    let Some(cases) = read(Source::Boston, "boston311_100.csv") else { return };
    let count = |status, on_time| {
        cases.iter().filter(|c| c.status == status && c.stated_on_time == Some(on_time)).count()
    };
    let (open, closed) = (ImportedStatus::Open, ImportedStatus::Closed);
    let stated = (count(closed, true), count(closed, false), count(open, true), count(open, false));
    assert_eq!(stated, (80, 5, 3, 12));

    // When the file was made is not published. The last thing it tells is a closing in April; one
    // open case is called OVERDUE although its deadline lies after that, so the file is younger than
    // that deadline too. Any later moment gives Boston's words in every row.
    let last_told = cases.iter().filter_map(|c| c.closed_at).max().unwrap();
    assert_eq!(last_told, time("2022-04-25T18:30:31Z"));
    let contradicts = |as_of| -> Vec<&str> {
        let differs = |c: &&ImportedCase| c.stated_on_time == Some(is_late(c, as_of));
        cases.iter().filter(differs).map(|c| c.external_id.as_str()).collect()
    };
    assert_eq!(contradicts(last_told), ["boston:101004141848"]);
    let as_of = time("2022-06-01T00:00:00Z");
    assert_eq!(contradicts(as_of), Vec::<&str>::new());

    // The same through import, database and rating.
    on_both(async |records| {
        import(&records, &cases, as_of).await;
        let summary = records.cases().summary(&[city()], START, as_of, as_of).await.unwrap();
        let counts = summary.counts;
        assert_eq!((counts.closed, counts.open, counts.open_overdue), (85, 15, 12));
        assert_eq!((counts.closed_with_due, counts.closed_on_time), (77, 72));
        let on_time = counts.on_time();
        assert_eq!(on_time, Rate::new(72, 89));
        let without_deadline = counts.cases() - on_time.denominator;
        assert_eq!(on_time.numerator + without_deadline, 83, "ONTIME of Boston");
        assert_eq!(on_time.denominator - on_time.numerator, 17, "OVERDUE of Boston");
        let states: Vec<_> = summary.by_state.iter().map(|(s, n)| (s.word(), *n)).collect();
        assert_eq!(states, [("dispatched", 15), ("closed", 85)]);

        let filter =
            CaseFilter { areas: vec![city()], order: CaseOrder::Due, ..CaseFilter::default() };
        for case in records.cases().list(&filter).await.unwrap().items {
            let source =
                cases.iter().find(|c| Some(&c.external_id) == case.filing.external.as_ref());
            let source = source.unwrap();
            assert_eq!((case.filed_at, case.due_at), (source.opened_at, source.due_at));
            assert_eq!(case.closed_at, source.closed_at);
            let late = case.is_overdue(as_of) || case.on_time == Some(false);
            assert_eq!(Some(!late), source.stated_on_time, "{}", source.external_id);
            assert_eq!(case.clock.is_some(), case.state != CaseState::Closed);
        }
    })
    .await;
}

#[tokio::test]
async fn boston_s_departments_are_rated_with_the_count_behind() {
    let Some(cases) = read(Source::Boston, "boston311_100.csv") else { return };
    let as_of = time("2022-06-01T00:00:00Z");
    on_both(async |records| {
        import(&records, &cases, as_of).await;
        let ratings = records.cases().ratings(&[city()], START, as_of, as_of).await.unwrap();
        let mut cases_counted = 0;
        for row in ratings {
            let own: Vec<_> = cases.iter().filter(|c| c.agency == row.agency).collect();
            let with_due = own.iter().filter(|c| c.due_at.is_some());
            let in_time = with_due.clone().filter(|c| c.stated_on_time == Some(true)).count();
            let expected = Rate::new(in_time as u64, with_due.count() as u64);
            assert_eq!(row.counts.on_time(), expected, "{}", row.agency);
            assert_eq!(row.counts.cases(), own.len() as u64);
            cases_counted += own.len();
            let rating = rate(row.counts);
            assert_eq!(rating.score.is_some(), own.len() >= 5 && expected.denominator > 0);
        }
        assert_eq!(cases_counted, cases.len());
    })
    .await;
}

#[tokio::test]
async fn new_york_is_imported_with_its_own_times_and_no_made_up_deadlines() {
    // A few of the requests were closed years later.
    let now = time("2026-11-21T00:00:00Z");
    for file in
        ["nyc311_2019-12-31_evening.csv", "nyc311_2022-05-01_part.csv", "nyc311_2025-01_sample.csv"]
    {
        let Some(cases) = read(Source::Nyc, file) else { return };
        on_both(async |records| {
            import(&records, &cases, now).await;
            let counts = records.cases().summary(&[city()], START, now, now).await.unwrap().counts;
            let closed: Vec<_> = cases.iter().filter(|c| c.closed_at.is_some()).collect();
            assert_eq!(counts.closed, closed.len() as u64, "{file}");
            assert_eq!(counts.open, (cases.len() - closed.len()) as u64);
            let late =
                |c: &&ImportedCase| c.due_at.is_some_and(|due| c.closed_at.unwrap_or(now) > due);
            let with_due = cases.iter().filter(|c| c.due_at.is_some()).count() as u64;
            let in_time = with_due - cases.iter().filter(late).count() as u64;
            assert_eq!(counts.on_time(), Rate::new(in_time, with_due), "{file}");
        })
        .await;
    }
}

/// The median time from opening to closing in milliseconds, straight from the file: its own columns, its
/// own local times, none of our decoders.
fn median_of_file(file: &str, columns: [&str; 3], format: &str) -> Option<i64> {
    let path = shared_data(&format!("service-requests-us/{file}"))?;
    let mut table = csv::Reader::from_path(path).unwrap();
    let names = table.headers().unwrap().clone();
    let [opened, closed, status] =
        columns.map(|column| names.iter().position(|name| name == column).unwrap());
    let moment = |text: &str| {
        let local = jiff::civil::DateTime::strptime(format, text).unwrap();
        local.in_tz("America/New_York").unwrap().timestamp().as_millisecond()
    };
    let mut times = Vec::new();
    for row in table.records().map(Result::unwrap) {
        let is_closed = row[status].eq_ignore_ascii_case("closed") && !row[closed].is_empty();
        let took = is_closed.then(|| moment(&row[closed]) - moment(&row[opened]));
        // What was closed before it was opened is no time to close; the import refuses such rows.
        times.extend(took.filter(|&ms| ms >= 0));
    }
    times.sort_unstable();
    let (low, high) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
    Some(i64::midpoint(low, high))
}

#[tokio::test]
async fn the_median_time_to_close_is_that_of_the_file() {
    let now = time("2026-11-21T00:00:00Z");
    let nyc = ["created_date", "closed_date", "status"];
    let files = [
        (
            Source::Boston,
            "boston311_100.csv",
            ["open_dt", "closed_dt", "case_status"],
            "%Y-%m-%d %H:%M:%S",
        ),
        (Source::Nyc, "nyc311_2019-12-31_evening.csv", nyc, "%Y-%m-%dT%H:%M:%S%.f"),
        (
            Source::Nyc,
            "nyc311_2022-05-01_part.csv",
            ["Created Date", "Closed Date", "Status"],
            "%m/%d/%Y %I:%M:%S %p",
        ),
        (Source::Nyc, "nyc311_2025-01_sample.csv", nyc, "%Y-%m-%d %H:%M:%S"),
    ];
    for (source, file, columns, format) in files {
        let Some(expected) = median_of_file(file, columns, format) else { return };
        let cases = read(source, file).unwrap();
        on_both(async |records| {
            let none = records.cases().summary(&[city()], START, now, now).await.unwrap();
            assert_eq!(none.median_close_ms, None);
            import(&records, &cases, now).await;
            let summary = records.cases().summary(&[city()], START, now, now).await.unwrap();
            assert_eq!(summary.median_close_ms, Some(expected), "{file}");
        })
        .await;
    }
}
