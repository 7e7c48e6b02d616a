//! Who did what to which object: sign-ins, changes of accounts and devices, answers to warnings. Steps
//! of cases are in `case_event`. Append-only. Never personal data beyond the account's name.

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::page::{Cursor, page};
use super::sql::{Columns, Sql};
use super::{Page, PageRequest, Records, Result, proof};
use crate::proof::Source;

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Account name.
    pub who: String,
    /// What: `warning.dismiss`.
    pub what: String,
    /// To which object: its id.
    pub object: String,
    /// A remark.
    pub detail: String,
}

/// Methods on the audit.
#[derive(Debug, Clone, Copy)]
pub struct Audit<'a>(pub(super) &'a Records);

impl Audit<'_> {
    /// Adds a line.
    pub async fn add(&self, row: &AuditRow) -> Result<()> {
        let tx = self.0.begin().await?;
        add(&tx, row).await?;
        Ok(tx.commit().await?)
    }

    /// Lines, newest first, of one account or of all, of accounts in an area or of everybody.
    pub async fn list(
        &self,
        who: Option<&str>,
        area: Option<&AreaPath>,
        request: &PageRequest,
    ) -> Result<Page<AuditRow>> {
        let mut from = Sql::new(" FROM audit WHERE 1 = 1");
        from.and_if("who =", who);
        if let Some(area) = area {
            from.add(" AND who IN (SELECT name FROM \"user\" WHERE 1 = 1");
            from.within("area_path", std::slice::from_ref(area)).add(")");
        }
        let total = from.total(&self.0.read).await?;
        let mut sql = from.with_head("SELECT *");
        // By id alone; a bare text is no order to PostgreSQL.
        page(&mut sql, request, "id", "CAST('' AS TEXT)", true)?;
        let rows = sql.all(&self.0.read).await?;
        let items = rows
            .iter()
            .map(|row| Ok((row.get("id")?, read(row)?)))
            .collect::<Result<Vec<(i64, AuditRow)>>>()?;
        let cut =
            Page::cut(items, request, total, |(key, _)| Cursor { key: *key, id: String::new() });
        Ok(Page {
            items: cut.items.into_iter().map(|(_, row)| row).collect(),
            next_cursor: cut.next_cursor,
            total: cut.total,
        })
    }
}

/// Adds a line with its leaf. Part of a transaction.
pub(super) async fn add<C: ConnectionTrait>(db: &C, row: &AuditRow) -> Result<()> {
    let mut sql = Sql::new("INSERT INTO audit (at, who, what, object, detail) VALUES (");
    let values: [Value; 5] = [
        row.at.0.into(),
        row.who.clone().into(),
        row.what.clone().into(),
        row.object.clone().into(),
        row.detail.clone().into(),
    ];
    sql.values(values.clone());
    let id = sql.add(") RETURNING id").count(db).await?;
    let row: Vec<Value> = std::iter::once(id.cast_signed().into()).chain(values).collect();
    proof::row(db, Source::Audit, &row).await
}

fn read(row: &QueryResult) -> Result<AuditRow> {
    Ok(AuditRow {
        at: row.time("at")?,
        who: row.get("who")?,
        what: row.get("what")?,
        object: row.get("object")?,
        detail: row.get("detail")?,
    })
}
