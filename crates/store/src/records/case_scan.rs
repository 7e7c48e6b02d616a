//! Cases read through for evaluations and stars, a page at a time, whole.
//!
//! Not here: counts that the database itself makes (`case_query`). Invariant: a case that stays as it is
//! comes once; one that changes meanwhile may come again, and callers keep the first.

use chengmai_model::case::{Case, CaseEvent, CaseId};
use chengmai_model::{AreaPath, Timestamp};

use super::case_query::area_column;
use super::cases::{Cases, read};
use super::page::{Cursor, page};
use super::sql::{Columns, Sql};
use super::{LIMIT_MAX, Page, PageRequest, Result};

/// Which cases an evaluation looks at: all that may have anything in `[from, end)`.
#[derive(Debug, Clone)]
pub struct CaseScan {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// The first moment that counts.
    pub from: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The newest cases of areas, those filed last first.
#[derive(Debug, Clone)]
pub struct NewestCases {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// Filed at or after.
    pub since: Timestamp,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The order of the scan, as its index has it.
const FACTS_UNTIL: &str = "coalesce(facts_until, 9223372036854775807)";

impl Cases<'_> {
    /// A page of the cases that an evaluation looks at.
    pub async fn scan(&self, scan: &CaseScan) -> Result<Page<Case>> {
        let backend = self.0.read.get_database_backend();
        let mut sql = Sql::new("SELECT body, ");
        sql.add(FACTS_UNTIL).add(" AS place FROM \"case\" WHERE ");
        sql.add("coalesce(reported_at, filed_at) < ").value(scan.end.0);
        if scan.cursor.is_none() {
            // Later pages begin where the one before ended; of two beginnings the database may take the first.
            sql.add(" AND ").add(FACTS_UNTIL).add(" >= ").value(scan.from.0);
        }
        sql.within(area_column(&scan.areas, backend), &scan.areas);
        let request = PageRequest { limit: LIMIT_MAX, cursor: scan.cursor.clone() };
        page(&mut sql, &request, FACTS_UNTIL, "id", false)?;
        let mut items = Vec::new();
        for row in sql.all(&self.0.read).await? {
            items.push((read(&row)?, row.get::<i64>("place")?));
        }
        let page = Page::cut(items, &request, 0, |(case, key): &(Case, i64)| Cursor {
            key: *key,
            id: case.id.to_string(),
        });
        let Page { items, next_cursor, total } = page;
        Ok(Page { items: items.into_iter().map(|(case, _)| case).collect(), next_cursor, total })
    }

    /// A page of the newest cases.
    pub async fn newest(&self, newest: &NewestCases) -> Result<Page<Case>> {
        let backend = self.0.read.get_database_backend();
        let mut sql = Sql::new("SELECT body FROM \"case\" WHERE filed_at >= ");
        sql.value(newest.since.0).within(area_column(&newest.areas, backend), &newest.areas);
        let request = PageRequest { limit: LIMIT_MAX, cursor: newest.cursor.clone() };
        page(&mut sql, &request, "filed_at", "id", true)?;
        let rows = sql.all(&self.0.read).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(items, &request, 0, |case| Cursor {
            key: case.filed_at.0,
            id: case.id.to_string(),
        }))
    }

    /// The histories of some cases, each in order.
    pub async fn histories(&self, ids: &[CaseId]) -> Result<Vec<(String, Vec<CaseEvent>)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new("SELECT case_id, body FROM case_event WHERE case_id IN (");
        sql.values(ids.iter().map(|id| id.to_string().into()));
        sql.add(") ORDER BY case_id, seq");
        let mut histories: Vec<(String, Vec<CaseEvent>)> = Vec::new();
        for row in sql.all(&self.0.read).await? {
            let (id, event): (String, CaseEvent) = (row.get("case_id")?, row.json("body")?);
            match histories.last_mut().filter(|(last, _)| *last == id) {
                Some((_, events)) => events.push(event),
                None => histories.push((id, vec![event])),
            }
        }
        Ok(histories)
    }
}
