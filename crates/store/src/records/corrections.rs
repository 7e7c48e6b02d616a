//! Corrections 更正 on record: which reading was replaced or withdrawn, by whom and why. Append-only; a
//! reading that is corrected twice has two rows.
//!
//! A row's number is that of its journal frame, so a replay writes nothing twice.

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::QueryResult;

use super::page::{Cursor, page};
use super::sql::{Columns, Sql};
use super::{Page, PageRequest, Records, Result, proof};
use crate::proof::Source;

/// One correction.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionRow {
    /// The journal frame it stands in.
    pub sequence: u64,
    /// When it was made.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Id of the device.
    pub device: String,
    /// The kind's id.
    pub kind: String,
    /// Where the reading was counted.
    pub area: AreaPath,
    /// When the reading was measured.
    pub reading_at: Timestamp,
    /// Its value before.
    pub old: f64,
    /// The right value; `None`: withdrawn.
    pub new: Option<f64>,
    /// Why.
    pub reason: String,
}

/// Which corrections. `areas` must be the caller's own or below.
#[derive(Debug, Clone, Default)]
pub struct CorrectionFilter {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// Of this device.
    pub device: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of readings measured from this time on.
    pub from: Option<Timestamp>,
    /// And before this one.
    pub to: Option<Timestamp>,
    /// Which page, newest correction first.
    pub page: PageRequest,
}

/// Methods on corrections.
#[derive(Debug, Clone, Copy)]
pub struct Corrections<'a>(pub(super) &'a Records);

impl Corrections<'_> {
    /// Adds rows; those that are there stay.
    pub async fn add(&self, rows: &[CorrectionRow]) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut added = Vec::new();
        for row in rows {
            let mut sql = Sql::new(
                "INSERT INTO correction (sequence, at, made_by, device, kind, area_path, \
                 reading_at, old_value, new_value, reason) VALUES (",
            );
            sql.values([
                i64::try_from(row.sequence).unwrap_or(i64::MAX).into(),
                row.at.0.into(),
                row.by.clone().into(),
                row.device.clone().into(),
                row.kind.clone().into(),
                row.area.as_str().into(),
                row.reading_at.0.into(),
                row.old.into(),
                row.new.into(),
                row.reason.clone().into(),
            ]);
            if sql.add(") ON CONFLICT (sequence) DO NOTHING").run(&tx).await? > 0 {
                added.push(vec![i64::try_from(row.sequence).unwrap_or(i64::MAX).into()]);
            }
        }
        proof::as_they_stand(&tx, Source::Correction, added).await?;
        Ok(tx.commit().await?)
    }

    /// Corrections, newest first.
    pub async fn list(&self, filter: &CorrectionFilter) -> Result<Page<CorrectionRow>> {
        let mut from = Sql::new(" FROM correction WHERE 1 = 1");
        from.within("area_path", &filter.areas);
        from.and_if("device =", filter.device.clone());
        from.and_if("kind =", filter.kind.clone());
        from.and_if("reading_at >=", filter.from.map(|t| t.0));
        from.and_if("reading_at <", filter.to.map(|t| t.0));
        let total = from.with_head("SELECT count(*)").count(&self.0.read).await?;
        let mut sql = from.with_head("SELECT *");
        page(&mut sql, &filter.page, "sequence", "CAST('' AS TEXT)", true)?;
        let rows = sql.all(&self.0.read).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<CorrectionRow>>>()?;
        let key = |row: &CorrectionRow| i64::try_from(row.sequence).unwrap_or(i64::MAX);
        let cursor = |row: &CorrectionRow| Cursor { key: key(row), id: String::new() };
        Ok(Page::cut(items, &filter.page, total, cursor))
    }
}

fn read(row: &QueryResult) -> Result<CorrectionRow> {
    Ok(CorrectionRow {
        sequence: row.count("sequence")?,
        at: row.time("at")?,
        by: row.get("made_by")?,
        device: row.get("device")?,
        kind: row.get("kind")?,
        area: row.path("area_path")?,
        reading_at: row.time("reading_at")?,
        old: row.get("old_value")?,
        new: row.get("new_value")?,
        reason: row.get("reason")?,
    })
}
