//! Rules on record: what was tried on the past (backtests 回测), and which texts hold in place of a
//! pack's own from which place of the journal on. A backtest is kept as its text and its result; a
//! change names the backtest it rests on. Changes are append-only.

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::QueryResult;

use super::audit::{self, AuditRow};
use super::sql::{Columns, Sql};
use super::{Records, Result, proof};
use crate::proof::Source;

/// A rule tried on the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktestRow {
    /// Its number, as text.
    pub id: String,
    /// Whose rule.
    pub pack: String,
    /// The rule's id in its pack.
    pub rule: String,
    /// The very text that was tried.
    pub text: String,
    /// In which area.
    pub area: AreaPath,
    /// Who asked.
    pub by: String,
    /// When it was done.
    pub at: Timestamp,
    /// The time tried.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Over what an operator can manage.
    pub floods: bool,
    /// The result as JSON.
    pub body: String,
}

/// A rule that holds in place of a pack's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChangeRow {
    /// Order of changes.
    pub id: i64,
    /// When it was asked for.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Whose rule.
    pub pack: String,
    /// The rule's id in its pack.
    pub rule: String,
    /// What holds from then on.
    pub text: String,
    /// The backtest of this very text.
    pub backtest: String,
    /// Why, where the backtest spoke against it.
    pub reason: Option<String>,
    /// The journal frame after which it holds; `None` while the engine has not said.
    pub sequence: Option<u64>,
}

/// Methods on rules.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a>(pub(super) &'a Records);

impl Rules<'_> {
    /// Keeps a backtest.
    pub async fn add_backtest(&self, row: &BacktestRow) -> Result<()> {
        let mut sql = Sql::new(
            "INSERT INTO backtest (id, pack, rule, text, area_path, made_by, at, from_at, to_at, \
             floods, body) VALUES (",
        );
        sql.values([
            row.id.clone().into(),
            row.pack.clone().into(),
            row.rule.clone().into(),
            row.text.clone().into(),
            row.area.as_str().into(),
            row.by.clone().into(),
            row.at.0.into(),
            row.from.0.into(),
            row.to.0.into(),
            i64::from(row.floods).into(),
            row.body.clone().into(),
        ]);
        sql.add(")").run(&self.0.write).await?;
        Ok(())
    }

    /// The backtest with that number.
    pub async fn find_backtest(&self, id: &str) -> Result<Option<BacktestRow>> {
        let mut sql = Sql::new("SELECT * FROM backtest WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read_backtest).transpose()
    }

    /// The newest backtest of exactly this text over all of an area and so much time, done since.
    pub async fn backtest_of(
        &self,
        (pack, text): (&str, &str),
        area: &AreaPath,
        span_ms_min: i64,
        since: Timestamp,
    ) -> Result<Option<BacktestRow>> {
        let mut sql = Sql::new("SELECT * FROM backtest WHERE pack = ");
        sql.value(pack).add(" AND text = ").value(text);
        sql.add(" AND area_path = ").value(area.as_str()).add(" AND at >= ").value(since.0);
        sql.add(" AND to_at - from_at >= ").value(span_ms_min);
        sql.add(" ORDER BY at DESC, id LIMIT 1");
        sql.one(&self.0.read).await?.as_ref().map(read_backtest).transpose()
    }

    /// Puts a change on record, with a line in the audit, before the engine takes it. Returns its
    /// number.
    pub async fn add_change(&self, row: &RuleChangeRow) -> Result<i64> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new(
            "INSERT INTO rule_change (at, made_by, pack, rule, text, backtest, reason) VALUES (",
        );
        sql.values([
            row.at.0.into(),
            row.by.clone().into(),
            row.pack.clone().into(),
            row.rule.clone().into(),
            row.text.clone().into(),
            row.backtest.clone().into(),
            row.reason.clone().into(),
        ]);
        let id = sql.add(") RETURNING id").count(&tx).await?;
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        proof::as_they_stand(&tx, Source::RuleChange, [vec![id.into()]]).await?;
        let line = AuditRow {
            at: row.at,
            who: row.by.clone(),
            what: "rule.enable".to_owned(),
            object: format!("{}/{}", row.pack, row.rule),
            detail: row.reason.clone().unwrap_or_default(),
        };
        audit::add(&tx, &line).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// From which place of the journal on a change holds. It is said once.
    pub async fn took_effect(&self, id: i64, sequence: u64) -> Result<()> {
        let mut sql = Sql::new("UPDATE rule_change SET sequence = ");
        sql.value(i64::try_from(sequence).unwrap_or(i64::MAX));
        let tx = self.0.begin().await?;
        if sql.add(" WHERE sequence IS NULL AND id = ").value(id).run(&tx).await? > 0 {
            proof::as_they_stand(&tx, Source::RuleChange, [vec![id.into()]]).await?;
        }
        Ok(tx.commit().await?)
    }

    /// All changes in order.
    pub async fn changes(&self) -> Result<Vec<RuleChangeRow>> {
        let sql = Sql::new("SELECT * FROM rule_change ORDER BY id");
        sql.all(&self.0.read).await?.iter().map(read_change).collect()
    }
}

fn read_backtest(row: &QueryResult) -> Result<BacktestRow> {
    Ok(BacktestRow {
        id: row.get("id")?,
        pack: row.get("pack")?,
        rule: row.get("rule")?,
        text: row.get("text")?,
        area: row.path("area_path")?,
        by: row.get("made_by")?,
        at: row.time("at")?,
        from: row.time("from_at")?,
        to: row.time("to_at")?,
        floods: row.get::<i64>("floods")? != 0,
        body: row.get("body")?,
    })
}

fn read_change(row: &QueryResult) -> Result<RuleChangeRow> {
    let sequence: Option<i64> = row.get("sequence")?;
    Ok(RuleChangeRow {
        id: row.get("id")?,
        at: row.time("at")?,
        by: row.get("made_by")?,
        pack: row.get("pack")?,
        rule: row.get("rule")?,
        text: row.get("text")?,
        backtest: row.get("backtest")?,
        reason: row.get("reason")?,
        sequence: sequence.and_then(|n| u64::try_from(n).ok()),
    })
}
