//! What warnings asked of people, for the figures of alarm quality: from when to when each was shown,
//! and what became of the alarms that were not. Nothing is judged here.

use chengmai_model::warning::WarningId;
use chengmai_model::{AreaPath, Severity, Timestamp};
use sea_orm::QueryResult;

use super::sql::{Columns, Sql, sum, unreadable};
use super::{Records, Result};

/// One time that a warning was shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRow {
    /// Which warning.
    pub id: WarningId,
    /// Its rule.
    pub rule: String,
    /// Where.
    pub area: AreaPath,
    /// The worst it ever was.
    pub severity: Severity,
    /// From when.
    pub at: Timestamp,
    /// To when; `None`: it still is.
    pub until: Option<Timestamp>,
}

/// What became of the alarms of one desk and rule in ten minutes, or of many such together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyRow {
    /// Start of the slot; of sums the first.
    pub start: Timestamp,
    /// The centre whose desk it is.
    pub area: AreaPath,
    /// The rule.
    pub rule: String,
    /// Alarms of single streams raised.
    pub alarms: u64,
    /// They feed a warning that is shown.
    pub shown: u64,
    /// They feed one that follows from another.
    pub under_parent: u64,
    /// They feed one that is shelved.
    pub shelved: u64,
    /// They feed one that is collapsed into a group.
    pub collapsed: u64,
}

/// Methods on the load.
#[derive(Debug, Clone, Copy)]
pub struct AlarmLoads<'a>(pub(super) &'a Records);

impl AlarmLoads<'_> {
    /// Adds slots. One that is there stays as it is: an engine that began anew in the middle of a
    /// slot counts less.
    pub async fn add(&self, rows: &[TallyRow]) -> Result<()> {
        let tx = self.0.begin().await?;
        for row in rows {
            let mut sql = Sql::new("INSERT INTO alarm_tally VALUES (");
            let counts = [row.alarms, row.shown, row.under_parent, row.shelved, row.collapsed];
            let words = [row.start.0.into(), row.area.as_str().into(), row.rule.clone().into()];
            let counts = counts.map(|n| i64::try_from(n).unwrap_or(i64::MAX).into());
            sql.values(words.into_iter().chain(counts))
                .add(") ON CONFLICT DO NOTHING")
                .run(&tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Sums of the slots that began in a span, by rule, most alarms first.
    pub async fn sums(
        &self,
        areas: &[AreaPath],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<TallyRow>> {
        let mut sql = Sql::new("SELECT min(start) AS start, min(area_path) AS area_path, rule");
        for column in ["alarms", "shown", "under_parent", "shelved", "collapsed"] {
            sql.add(&format!(", {} AS {column}", sum(column)));
        }
        sql.add(" FROM alarm_tally WHERE start >= ").value(from.0).add(" AND start < ");
        sql.value(to.0).within("area_path", areas);
        sql.add(" GROUP BY rule ORDER BY sum(alarms) DESC, rule");
        sql.all(&self.0.read).await?.iter().map(read_tally).collect()
    }

    /// Every time a warning was shown that began in the span or reached into it, oldest first, at
    /// most `limit`.
    pub async fn shown(
        &self,
        areas: &[AreaPath],
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<ShownRow>> {
        let mut sql = Sql::new("SELECT w.id, w.rule, w.area_path, w.peak_severity, s.at, s.until");
        sql.add(" FROM warning_shown s JOIN warning w ON w.id = s.warning WHERE s.at < ");
        sql.value(to.0).add(" AND (s.at >= ").value(from.0).add(" OR s.until IS NULL)");
        sql.within("w.area_path", areas).add(" ORDER BY s.at, w.id LIMIT ").value(i64::from(limit));
        sql.all(&self.0.read).await?.iter().map(read_shown).collect()
    }
}

fn read_shown(row: &QueryResult) -> Result<ShownRow> {
    let severity = row.count("peak_severity")?;
    let severity = u8::try_from(severity).ok().and_then(Severity::new);
    Ok(ShownRow {
        id: row.word("id", WarningId::parse)?,
        rule: row.get("rule")?,
        area: row.path("area_path")?,
        severity: severity.ok_or_else(|| unreadable("peak_severity", "?"))?,
        at: row.time("at")?,
        until: row.time_if("until")?,
    })
}

fn read_tally(row: &QueryResult) -> Result<TallyRow> {
    Ok(TallyRow {
        start: row.time("start")?,
        area: row.path("area_path")?,
        rule: row.get("rule")?,
        alarms: row.count("alarms")?,
        shown: row.count("shown")?,
        under_parent: row.count("under_parent")?,
        shelved: row.count("shelved")?,
        collapsed: row.count("collapsed")?,
    })
}
