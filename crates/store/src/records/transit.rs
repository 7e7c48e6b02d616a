//! Names of a timetable: what people call the routes and trips of a feed.
//!
//! What it is not: where vehicles and stops are, which the registry of devices knows. Invariant: after an
//! import has said that it was the last of its rows, nothing of an older one is left.

use std::collections::BTreeMap;

use super::sql::{Columns as _, Sql, insert};
use super::{Records, Result};

/// Names looked up in one statement.
const TOGETHER: usize = 64;

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    Route,
    Trip,
}

impl Sort {
    /// Its word in the table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Trip => "trip",
        }
    }

    /// What the word means.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Route, Self::Trip].into_iter().find(|sort| sort.word() == word)
    }
}

/// A name of a timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRow {
    pub sort: Sort,
    pub id: String,
    pub name: String,
}

/// Methods on names of timetables.
#[derive(Debug, Clone, Copy)]
pub struct Transit<'a>(pub(super) &'a Records);

impl Transit<'_> {
    /// Keeps names of an import; each replaces the one it had.
    pub async fn keep(&self, feed: &str, import: &str, names: &[NameRow]) -> Result<()> {
        let tx = self.0.begin().await?;
        // Rows that are there go first: one statement for many rows then does for all.
        for some in names.chunks(TOGETHER) {
            for sort in [Sort::Route, Sort::Trip] {
                let ids: Vec<_> = some.iter().filter(|name| name.sort == sort).collect();
                if ids.is_empty() {
                    continue;
                }
                let mut sql = Sql::new("DELETE FROM transit_name WHERE feed = ");
                sql.value(feed).add(" AND sort = ").value(sort.word()).add(" AND id IN (");
                sql.values(ids.iter().map(|name| name.id.as_str().into()))
                    .add(")")
                    .run(&tx)
                    .await?;
            }
        }
        let rows: Vec<_> = names
            .iter()
            .map(|name| {
                let texts = [feed, name.sort.word(), &name.id, &name.name, import];
                texts.map(Into::into).to_vec()
            })
            .collect();
        insert(&tx, "INSERT INTO transit_name (feed, sort, id, name, import)", &rows).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets names of a feed that are of another import; how many.
    pub async fn keep_only(&self, feed: &str, import: &str) -> Result<u64> {
        let mut sql = Sql::new("DELETE FROM transit_name WHERE feed = ");
        sql.value(feed).add(" AND import <> ").value(import).run(&self.0.write).await
    }

    /// Names by id, of those that have one.
    pub async fn names(
        &self,
        feed: &str,
        sort: Sort,
        ids: &[&str],
    ) -> Result<BTreeMap<String, String>> {
        let mut names = BTreeMap::new();
        for some in ids.chunks(TOGETHER) {
            let mut sql = Sql::new("SELECT id, name FROM transit_name WHERE feed = ");
            sql.value(feed).add(" AND sort = ").value(sort.word()).add(" AND id IN (");
            sql.values(some.iter().map(|id| (*id).into())).add(")");
            for row in sql.all(&self.0.read).await? {
                names.insert(row.get("id")?, row.get("name")?);
            }
        }
        Ok(names)
    }
}
