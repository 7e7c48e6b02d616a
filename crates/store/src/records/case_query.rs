//! Questions about cases: lists, counts for a screen, counts behind ratings.

use chengmai_engine::rating::CaseCounts;
use chengmai_model::case::{Case, CaseState, Light};
use chengmai_model::{Actor, AreaPath, Role, Text, Timestamp};
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Value};

use super::cases::{Cases, read};
use super::page::{Cursor, page};
use super::sql::{Columns, Sql};
use super::words::{Way, Words};
use super::{Page, PageRequest, Result, begin, postgres};

/// Which cases by their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaseStateFilter {
    /// All.
    #[default]
    All,
    /// Not closed.
    Open,
    /// In this state.
    In(CaseState),
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaseOrder {
    /// Newest filed first.
    #[default]
    Filed,
    /// Soonest due first; those without a deadline last.
    Due,
}

impl CaseOrder {
    fn cursor(self, case: &Case) -> Cursor {
        let key = match self {
            Self::Filed => case.filed_at.0,
            Self::Due => case.due_at.map_or(i64::MAX, |t| t.0),
        };
        Cursor { key, id: case.id.to_string() }
    }

    /// The cursor of a page that begins after this case.
    pub fn after(self, case: &Case) -> String {
        self.cursor(case).to_text()
    }
}

/// Which cases to list. `areas` must be the caller's own or below.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// By state.
    pub state: CaseStateFilter,
    /// That this agency answers for.
    pub agency: Option<String>,
    /// Of this type.
    pub type_id: Option<String>,
    /// Whose running clock has this colour at this moment.
    pub light: Option<(Light, Timestamp)>,
    /// Filed at or after.
    pub from: Option<Timestamp>,
    /// Filed before.
    pub to: Option<Timestamp>,
    /// That were open at this moment.
    pub open_at: Option<Timestamp>,
    /// Whose number, title, type or description holds each of these words, whatever their case.
    pub words: Option<String>,
    /// That this actor, or the actor's centre or agency, has in hand. A centre above has in hand too
    /// what is overdue below it (`engine::case::escalated_to`), as it is at that moment.
    pub held_by: Option<(Actor, Timestamp)>,
    /// Order.
    pub order: CaseOrder,
    /// Which page.
    pub page: PageRequest,
}

/// Counts for a screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CaseSummary {
    /// Closed in the period, open at its end, and what is behind the on-time rate.
    pub counts: CaseCounts,
    /// Open at the end, not overdue, with 80 % or more of the whole limit used.
    pub due_soon: u64,
    /// The middle time from report to close of the cases closed in the period, in milliseconds; of an even
    /// number the mean of the two in the middle. `None` ("n/a") without any.
    pub median_close_ms: Option<i64>,
    /// Of the cases counted, by the state they are in now.
    pub by_state: Vec<(CaseState, u64)>,
    /// Of the cases counted, by type, most first.
    pub by_type: Vec<TypeCount>,
}

/// Cases of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeCount {
    /// Id of the type.
    pub type_id: String,
    /// Its name.
    pub name: Text,
    /// Open at the end of the period.
    pub open: u64,
    /// Closed in it.
    pub closed: u64,
}

/// Cases of one agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyCounts {
    /// Id of the agency.
    pub agency: String,
    /// What is behind its rating.
    pub counts: CaseCounts,
}

impl Cases<'_> {
    /// Cases in pages.
    pub async fn list(&self, filter: &CaseFilter) -> Result<Page<Case>> {
        let db = &self.0.read;
        let words = filter.words.as_deref().map(Words::of);
        let way = match &words {
            Some(words) => self.0.words.way(db, words).await?,
            None => Way::Walk,
        };
        let backend = db.get_database_backend();
        let walked = || Sql::new(" FROM \"case\" WHERE 1 = 1");
        let terms = words.as_ref().map_or(&[][..], |words| &words.terms);
        let whole = |from: Sql| filtered(from, filter, terms, backend);
        let total = match (&words, way) {
            (Some(words), Way::CountByIndex) if is_wide(filter) => {
                let sure = words.sure(backend).filter(|_| is_all(filter));
                let question = sure.unwrap_or_else(|| whole(words.found(backend)));
                words.total(db, &question).await?
            }
            (Some(words), Way::Index) => whole(words.found(backend)).total(db).await?,
            _ => whole(walked()).total(db).await?,
        };
        let listed = match (&words, way) {
            (Some(words), Way::Index) => words.found(backend),
            _ => walked(),
        };
        let in_order = backend == DbBackend::Postgres && way != Way::Index && total > SORTED_MAX;
        let mut sql = whole(listed).with_head("SELECT body");
        match filter.order {
            CaseOrder::Filed => page(&mut sql, &filter.page, "filed_at", "id", true)?,
            CaseOrder::Due => page(&mut sql, &filter.page, DUE, "id", false)?,
        }
        let rows = if in_order {
            let tx = begin(db).await?;
            tx.execute_unprepared(postgres::IN_ORDER).await?;
            sql.all(&tx).await?
        } else {
            sql.all(db).await?
        };
        let items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(items, &filter.page, total, |case| filter.order.cursor(case)))
    }

    /// Counts over the cases of these areas in a period: closed from `from` on and before `to`, or open
    /// at its end, which is `to` or, when that lies ahead, `now`.
    pub async fn summary(
        &self,
        areas: &[AreaPath],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<CaseSummary> {
        let end = to.min(now.plus_ms(1));
        let db = &self.0.read;
        let row = counted(&counts_columns(), areas, from, end).one(db).await?;
        let Some(row) = row else { return Ok(CaseSummary::default()) };
        let mut summary = CaseSummary {
            counts: read_counts(&row)?,
            due_soon: row.count("due_soon")?,
            ..CaseSummary::default()
        };
        summary.median_close_ms = self.median(areas, from, end, summary.counts.closed).await?;
        let mut sql = counted("state, count(*) AS n", areas, from, end);
        for row in sql.add(" GROUP BY state").all(db).await? {
            summary.by_state.push((row.word("state", CaseState::from_word)?, row.count("n")?));
        }
        summary.by_state.sort_unstable();
        let columns = "type_id, max(type_zh) AS zh, max(type_en) AS en, count(*) AS n, \
                       count(*) FILTER (WHERE open) AS open_n, \
                       count(*) FILTER (WHERE closed) AS closed_n";
        let mut sql = counted(columns, areas, from, end);
        for row in sql.add(" GROUP BY type_id ORDER BY n DESC, type_id").all(db).await? {
            summary.by_type.push(TypeCount {
                type_id: row.get("type_id")?,
                name: Text { zh: row.get("zh")?, en: row.get("en")? },
                open: row.count("open_n")?,
                closed: row.count("closed_n")?,
            });
        }
        Ok(summary)
    }

    /// The median of the times from report to close of `closed` cases.
    async fn median(
        &self,
        areas: &[AreaPath],
        from: Timestamp,
        end: Timestamp,
        closed: u64,
    ) -> Result<Option<i64>> {
        let Some(before) = closed.checked_sub(1).map(|others| others / 2) else { return Ok(None) };
        let used = "closed_at - coalesce(reported_at, filed_at) AS used";
        let mut sql = counted(used, areas, from, end);
        sql.add(" AND closed ORDER BY used LIMIT ").value(2 - i64::from(closed % 2 == 1));
        sql.add(" OFFSET ").value(i64::try_from(before).unwrap_or(i64::MAX));
        let middle = sql.all(&self.0.read).await?;
        let middle = middle.iter().map(|row| row.get("used")).collect::<Result<Vec<i64>>>()?;
        let count = i64::try_from(middle.len()).unwrap_or(i64::MAX);
        Ok((count > 0).then(|| middle.iter().sum::<i64>() / count))
    }

    /// Counts by agency over the same cases as [`Self::summary`], without those that wait for dispatch:
    /// they are in no agency's hands.
    pub async fn ratings(
        &self,
        areas: &[AreaPath],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<AgencyCounts>> {
        let end = to.min(now.plus_ms(1));
        let mut sql = counted(&format!("agency, {}", counts_columns()), areas, from, end);
        sql.add(" AND agency IS NOT NULL AND state NOT IN ('reported', 'accepted', 'verified', 'unverified', 'not_accepted', 'filed', 'returned', 'cancelled')");
        let rows = sql.add(" GROUP BY agency ORDER BY agency").all(&self.0.read).await?;
        rows.iter()
            .map(|row| Ok(AgencyCounts { agency: row.get("agency")?, counts: read_counts(row)? }))
            .collect()
    }
}

/// PostgreSQL takes an area below a district for all but empty, and would collect and sort what it has: only up to so
/// many, which have been counted.
const SORTED_MAX: u64 = 5_000;

/// The order of cases by their deadline, as its index has it.
const DUE: &str = "coalesce(due_at, 9223372036854775807)";

/// Whether a list holds everything of a city: then most of what has the words is in it.
fn is_wide(filter: &CaseFilter) -> bool {
    let city = filter.areas.iter().any(|area| area.depth() == 1);
    let narrow = filter.agency.is_some()
        || filter.type_id.is_some()
        || filter.light.is_some()
        || filter.held_by.is_some();
    city && !narrow && filter.state == CaseStateFilter::All
}

/// Whether nothing narrows a list but its words.
fn is_all(filter: &CaseFilter) -> bool {
    let moments = [filter.from, filter.to, filter.open_at];
    is_wide(filter) && moments.iter().all(Option::is_none)
}

/// Adds what is asked of each case, and that its text holds each of the terms.
fn filtered(mut sql: Sql, filter: &CaseFilter, terms: &[String], backend: DbBackend) -> Sql {
    sql.within(area_column(&filter.areas, backend), &filter.areas);
    match filter.state {
        CaseStateFilter::All => {}
        CaseStateFilter::Open => {
            sql.add(" AND closed_at IS NULL");
        }
        CaseStateFilter::In(state) => {
            sql.add(" AND state = ").value(state.word());
        }
    }
    // Said also where it follows, so that the indexes of what is open are used.
    let open = match filter.state {
        CaseStateFilter::In(state) => !matches!(state, CaseState::Closed),
        CaseStateFilter::All => filter.light.is_some() || filter.held_by.is_some(),
        CaseStateFilter::Open => false,
    };
    if open {
        sql.add(" AND closed_at IS NULL");
    }
    sql.and_if("agency =", filter.agency.as_deref());
    sql.and_if("type_id =", filter.type_id.as_deref());
    sql.and_if("filed_at >=", filter.from.map(|t| t.0));
    sql.and_if("filed_at <", filter.to.map(|t| t.0));
    if let Some(moment) = filter.open_at {
        sql.add(" AND filed_at <= ").value(moment.0);
        sql.add(" AND (closed_at IS NULL OR closed_at > ").value(moment.0).add(")");
    }
    if let Some((light, now)) = filter.light {
        light_is(&mut sql, light, now);
    }
    for term in terms {
        // Said so that PostgreSQL does not take every word for a rare one, and walks.
        sql.add(" AND CASE WHEN ").holds("words", term).add(" THEN 1 ELSE 0 END > 0");
    }
    if let Some((actor, now)) = &filter.held_by {
        held_by(&mut sql, actor, *now);
    }
    sql
}

/// The column of areas. In a city or a district the next hundred cases are found sooner by walking in
/// their order (whose index holds the area too) than by collecting all of them and sorting; an
/// expression keeps SQLite from the latter. PostgreSQL knows how many cases an area has.
pub(super) fn area_column(areas: &[AreaPath], backend: DbBackend) -> &'static str {
    let wide = |area: &AreaPath| area.as_str().matches('/').count() <= 3;
    let may_sort = backend == DbBackend::Postgres || !areas.iter().any(wide);
    if may_sort { "area_path" } else { "(area_path || '')" }
}

/// The same question as [`chengmai_model::case::StageClock::light`].
fn light_is(sql: &mut Sql, light: Light, now: Timestamp) {
    let mut test = |column: &str, test: &str| {
        sql.add(" AND ").add(column).add(test).value(now.0);
    };
    match light {
        Light::Red => test("clock_due", " < "),
        Light::Yellow => {
            test("clock_due", " >= ");
            test("clock_yellow", " <= ");
        }
        Light::Green => {
            test("clock_due", " >= ");
            test("clock_yellow", " > ");
        }
    }
}

/// One alternative alone stands without an OR: so its index is used.
fn held_by(sql: &mut Sql, actor: &Actor, now: Timestamp) {
    sql.add(" AND closed_at IS NULL AND (");
    let mut or = "";
    if let Some(agency) = actor.agency.as_deref().filter(|_| actor.acts_as(Role::AgencyStaff)) {
        sql.add("(holder_role = 'agency_staff' AND agency = ").value(agency).add(")");
        or = " OR ";
    }
    if actor.acts_as(Role::DutyOfficer) {
        sql.add(or).add("(holder_role = 'duty_officer' AND holder_area = ");
        sql.value(actor.area.as_str()).add(")");
        gone_up(sql, &actor.area, now);
        or = " OR ";
    }
    // Who checks and who verifies: either may do both.
    if actor.acts_as(Role::Supervisor) || actor.acts_as(Role::GridWorker) {
        sql.add(or).add("holder_role IN ('supervisor', 'grid_worker')");
        or = " OR ";
    }
    sql.add(if or.is_empty() { "1 = 0)" } else { ")" });
}

/// The same question as `engine::case::escalated_to`: from a town to its district when the stage is due,
/// and to the city after its length, at least an hour, has passed again; from a district to the city.
fn gone_up(sql: &mut Sql, area: &AreaPath, now: Timestamp) {
    if area.depth() > 2 {
        return;
    }
    let (from, to) = area.range();
    sql.add(" OR (holder_area > ").value(from).add(" AND holder_area < ").value(to);
    sql.add(" AND clock_due < ").value(now.0);
    if area.depth() == 1 {
        // Paths of towns have four slashes.
        sql.add(" AND (holder_area NOT LIKE '/%/%/%/' OR clock_due + CASE WHEN ");
        sql.add("clock_due - clock_started > 3600000 THEN clock_due - clock_started ELSE 3600000 END < ");
        sql.value(now.0).add(")");
    }
    sql.add(")");
}

/// A question about the cases closed in `[from, end)` or open just before `end`.
fn counted(columns: &str, areas: &[AreaPath], from: Timestamp, end: Timestamp) -> Sql {
    let mut sql = Sql::new("WITH counted AS (SELECT *, ");
    sql.add("closed_at IS NULL OR closed_at >= ").value(end.0).add(" AS open, ");
    sql.add("closed_at IS NOT NULL AND closed_at < ").value(end.0).add(" AS closed, ");
    sql.value(Value::from(end.0 - 1)).add(" AS seen_at FROM \"case\" WHERE filed_at < ");
    sql.value(end.0).add(" AND (closed_at IS NULL OR closed_at >= ").value(from.0).add(")");
    sql.within("area_path", areas).add(") SELECT ").add(columns);
    sql.add(" FROM counted WHERE 1 = 1");
    sql
}

fn counts_columns() -> String {
    let counts = [
        ("closed_n", "closed"),
        ("closed_due", "closed AND due_at IS NOT NULL"),
        ("closed_on_time", "closed AND on_time = 1"),
        ("open_n", "open"),
        ("open_overdue", "open AND due_at < seen_at"),
        ("reworked", "reworks > 0"),
        (
            "due_soon",
            "open AND due_at >= seen_at AND (seen_at - filed_at) * 10 >= (due_at - filed_at) * 8",
        ),
    ];
    counts.map(|(name, test)| format!("count(*) FILTER (WHERE {test}) AS {name}")).join(", ")
}

fn read_counts(row: &QueryResult) -> Result<CaseCounts> {
    Ok(CaseCounts {
        closed: row.count("closed_n")?,
        closed_with_due: row.count("closed_due")?,
        closed_on_time: row.count("closed_on_time")?,
        open: row.count("open_n")?,
        open_overdue: row.count("open_overdue")?,
        reworked: row.count("reworked")?,
    })
}
