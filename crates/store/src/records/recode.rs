//! The codes of areas are new: whatever names an area by its path names it by its new one.
//!
//! What it is not: facts of the day stay as they were written (findings, corrections, the tallies of
//! alarms, the events of cases); a case gets a step more that says where it lies now.
//! Invariant: done twice it changes nothing the second time, so it may be cut short and begun again.

use chengmai_engine::case::recode;
use chengmai_model::case::Case;
use chengmai_model::{AreaPath, AreaTree, Timestamp};
use futures_util::future::try_join_all;
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::cases::read;
use super::sql::{Columns, Sql};
use super::{Records, Result, proof};
use crate::proof::Source;

/// Tables whose rows lie in an area and are nothing but what is so now.
const TABLES: [&str; 13] = [
    "agency",
    "\"user\"",
    "warning",
    "alert",
    "outside_message",
    "outside_level",
    "task",
    "subscription",
    "delivery",
    "draft",
    "ngsi_entity",
    "ngsi_context",
    "ngsi_subscription",
];
/// Cases taken together.
const TOGETHER: u64 = 256;

/// How much was given new paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recoded {
    /// Rows of accounts, agencies, warnings, tasks, subscriptions, messages and drafts.
    pub rows: u64,
    /// Cases.
    pub cases: u64,
}

impl Records {
    /// Gives everything the paths of that tree. `each` is told how many cases are done.
    pub async fn recode(
        &self,
        areas: &AreaTree,
        now: Timestamp,
        mut each: impl FnMut(u64),
    ) -> Result<Recoded> {
        let mut done = Recoded::default();
        for table in TABLES {
            let tx = self.begin().await?;
            for (old, new) in self.changed(table, areas).await? {
                let mut sql = Sql::new("UPDATE ");
                sql.add(table).add(" SET area_path = ").value(new.as_str());
                sql.add(" WHERE area_path = ").value(old.as_str());
                done.rows += sql.run(&tx).await?;
                moved(&tx, table, &new).await?;
            }
            tx.commit().await?;
        }
        for (old, _) in self.changed("\"case\"", areas).await? {
            loop {
                let cases = self.cases_at(&old).await?;
                if cases.is_empty() {
                    break;
                }
                let steps = cases.iter().filter_map(|case| Some((case, recode(case, areas, now)?)));
                let steps: Vec<_> = steps.map(|(case, event)| (case, [event])).collect();
                let written = steps
                    .iter()
                    .map(async |(case, events)| self.cases().append(case, events).await);
                done.cases += try_join_all(written).await?.len() as u64;
                each(done.cases);
            }
        }
        Ok(done)
    }

    /// The paths in a table that are others in that tree.
    async fn changed(&self, table: &str, areas: &AreaTree) -> Result<Vec<(AreaPath, AreaPath)>> {
        let mut sql = Sql::new("SELECT DISTINCT area_path FROM ");
        let rows = sql.add(table).add(" ORDER BY area_path").all(&self.read).await?;
        let mut changed = Vec::new();
        for row in rows {
            let old = row.path("area_path")?;
            changed.extend(old.renewed(areas).map(|new| (old, new)));
        }
        Ok(changed)
    }

    async fn cases_at(&self, path: &AreaPath) -> Result<Vec<Case>> {
        let mut sql = Sql::new("SELECT body FROM \"case\" WHERE area_path = ");
        sql.value(path.as_str()).add(&format!(" ORDER BY filed_at, id LIMIT {TOGETHER}"));
        sql.all(&self.read).await?.iter().map(read).collect()
    }
}

/// Leaves of accounts, tasks, subscriptions and agencies that lie in an area now; what else moves has none.
async fn moved<C: ConnectionTrait>(db: &C, table: &str, path: &AreaPath) -> Result<()> {
    let (source, key) = match table {
        "\"user\"" => (Source::User, "name"),
        "task" => (Source::Task, "CAST(id AS TEXT)"),
        "subscription" => (Source::Subscription, "id"),
        "agency" => (Source::Agency, "id"),
        _ => return Ok(()),
    };
    let mut sql = Sql::new(&format!("SELECT {key} AS key FROM {table} WHERE area_path = "));
    let rows = sql.value(path.as_str()).all(db).await?;
    let key = |row: &QueryResult| {
        let key: String = row.get("key")?;
        let number = key.parse::<i64>().ok().filter(|_| source == Source::Task);
        Ok(vec![number.map_or_else(|| Value::from(key), Value::from)])
    };
    let keys = rows.iter().map(key).collect::<Result<Vec<_>>>()?;
    proof::as_they_stand(db, source, keys).await
}
