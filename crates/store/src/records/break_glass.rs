//! Access in an emergency 应急授权: who saw beyond their area, why, for how long, and what a review said of it.
//!
//! What it is not: it grants nothing (`server` does, by a policy). Invariants: there is always a reason and an
//! end; nobody reviews their own; a review is written once.

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::audit::{self, AuditRow};
use super::sql::{Columns, Sql};
use super::{Records, Result, proof};
use crate::proof::Source;

/// Most of a list.
const LIST_MAX: u32 = 500;

/// One such access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlassRow {
    /// Its number.
    pub id: i64,
    /// Who.
    pub user: String,
    /// The area of their account then.
    pub area: AreaPath,
    /// The area they wanted to see.
    pub wanted: AreaPath,
    /// Why, in their words.
    pub reason: String,
    /// From when.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When they gave it back themselves.
    pub ended_at: Option<Timestamp>,
    /// What a review said.
    pub review: Option<Reviewed>,
}

/// What a review said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Whether it was right to look.
    pub was_right: bool,
    /// Why, in their words.
    pub remark: String,
}

/// Methods on access in an emergency.
#[derive(Debug, Clone, Copy)]
pub struct BreakGlass<'a>(pub(super) &'a Records);

impl BreakGlass<'_> {
    /// Begins one; its number. It is in the audit in the same transaction.
    pub async fn begin(&self, row: &BreakGlassRow) -> Result<i64> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new(
            "INSERT INTO break_glass (user_name, area_path, wanted_path, reason, at, until) VALUES (",
        );
        sql.values([
            row.user.clone().into(),
            row.area.as_str().into(),
            row.wanted.as_str().into(),
            row.reason.clone().into(),
            row.at.0.into(),
            row.until.0.into(),
        ]);
        let id = sql.add(") RETURNING id").count(&tx).await?.cast_signed();
        changed(&tx, id).await?;
        audit::add(&tx, &note(row.at, &row.user, "break_glass", id, &row.reason)).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The one that an account has now.
    pub async fn of(&self, user: &str, now: Timestamp) -> Result<Option<BreakGlassRow>> {
        let mut sql = Sql::new("SELECT * FROM break_glass WHERE ended_at IS NULL AND user_name = ");
        sql.value(user).add(" AND until > ").value(now.0).add(" ORDER BY id DESC LIMIT 1");
        sql.one(&self.0.read).await?.as_ref().map(read).transpose()
    }

    /// All that wanted or had one of these areas, the newest first.
    pub async fn list(&self, areas: &[AreaPath]) -> Result<Vec<BreakGlassRow>> {
        let mut sql = Sql::new("SELECT * FROM break_glass WHERE 1 = 1");
        sql.within("area_path", areas).add(" ORDER BY id DESC LIMIT ").value(i64::from(LIST_MAX));
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// One by its number.
    pub async fn find(&self, id: i64) -> Result<Option<BreakGlassRow>> {
        let mut sql = Sql::new("SELECT * FROM break_glass WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read).transpose()
    }

    /// Gives back what an account has; false when it had none.
    pub async fn end(&self, user: &str, now: Timestamp) -> Result<bool> {
        let tx = self.0.begin().await?;
        let mut sql =
            Sql::new("SELECT id FROM break_glass WHERE ended_at IS NULL AND user_name = ");
        let rows = sql.value(user).add(" AND until > ").value(now.0).all(&tx).await?;
        for row in &rows {
            let id: i64 = row.get("id")?;
            let mut sql = Sql::new("UPDATE break_glass SET ended_at = ");
            sql.value(now.0).add(" WHERE id = ").value(id).run(&tx).await?;
            changed(&tx, id).await?;
            audit::add(&tx, &note(now, user, "break_glass_ended", id, "")).await?;
        }
        tx.commit().await?;
        Ok(!rows.is_empty())
    }

    /// Writes what a review said; false when there was a review before, or it was one's own.
    pub async fn review(&self, id: i64, said: &Reviewed) -> Result<bool> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE break_glass SET reviewed_at = ");
        sql.value(said.at.0).add(", reviewed_by = ").value(said.by.as_str());
        sql.add(", was_right = ").value(i64::from(said.was_right));
        sql.add(", remark = ").value(said.remark.as_str());
        sql.add(" WHERE reviewed_at IS NULL AND id = ").value(id);
        sql.add(" AND user_name <> ").value(said.by.as_str());
        let is_written = sql.run(&tx).await? > 0;
        if is_written {
            changed(&tx, id).await?;
            audit::add(&tx, &note(said.at, &said.by, "break_glass_reviewed", id, &said.remark))
                .await?;
        }
        tx.commit().await?;
        Ok(is_written)
    }
}

fn note(at: Timestamp, who: &str, what: &str, id: i64, detail: &str) -> AuditRow {
    AuditRow {
        at,
        who: who.to_owned(),
        what: what.to_owned(),
        object: id.to_string(),
        detail: detail.to_owned(),
    }
}

async fn changed<C: ConnectionTrait>(db: &C, id: i64) -> Result<()> {
    proof::as_they_stand(db, Source::BreakGlass, [vec![Value::from(id)]]).await
}

fn read(row: &QueryResult) -> Result<BreakGlassRow> {
    let review = match row.time_if("reviewed_at")? {
        Some(at) => Some(Reviewed {
            at,
            by: row.get("reviewed_by")?,
            was_right: row.count("was_right")? != 0,
            remark: row.get::<Option<String>>("remark")?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(BreakGlassRow {
        id: row.get("id")?,
        user: row.get("user_name")?,
        area: row.path("area_path")?,
        wanted: row.path("wanted_path")?,
        reason: row.get("reason")?,
        at: row.time("at")?,
        until: row.time("until")?,
        ended_at: row.time_if("ended_at")?,
        review,
    })
}
