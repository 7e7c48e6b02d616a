//! Leaves for rows that were written before there was a log.
//!
//! What it is not: a way for rows without leaves later on; those came in past the program, and stay without.
//! Invariant: done once, and before anything else is written.

use std::collections::BTreeSet;

use sea_orm::{DatabaseConnection, Value};

use super::tables::{TABLES, Table};
use super::{NewLeaf, add, leaves_of, personal, size};
use crate::records::sql::{Columns, Sql};
use crate::records::{Result, begin};

/// Under this key stands which tables' rows still lack leaves: their words, or [`ALL`].
const UNFILLED: &str = "proof_unfilled";
const ALL: &str = "1";
/// Rows that are given leaves in one transaction.
const FILLED_TOGETHER: u64 = 1_000;

/// Gives leaves to rows from before there was a log, once, in the order of their keys. What was cut short goes
/// on at the next start.
pub(in crate::records) async fn fill(db: &DatabaseConnection) -> Result<()> {
    let mut sql = Sql::new("SELECT value FROM setting WHERE key = ");
    let Some(row) = sql.value(UNFILLED).one(db).await? else { return Ok(()) };
    let words: String = row.get("value")?;
    let lacks = |table: &Table| words == ALL || words.split(' ').any(|w| w == table.source.word());
    if words == ALL {
        fill_contacts(db).await?;
    }
    for table in TABLES.iter().filter(|table| lacks(table)) {
        let mut last = None;
        while let Some(key) = fill_some(db, table, last).await? {
            last = Some(key);
        }
    }
    let leaves = size(db).await?;
    if leaves > 0 {
        tracing::info!(leaves, "rows from before the proof log have leaves now");
    }
    let mut sql = Sql::new("DELETE FROM setting WHERE key = ");
    sql.value(UNFILLED).run(db).await?;
    Ok(())
}

/// Gives leaves to some rows after a key; the last key, or none when there were no rows.
async fn fill_some(
    db: &DatabaseConnection,
    table: &Table,
    last: Option<Vec<Value>>,
) -> Result<Option<Vec<Value>>> {
    let tx = begin(db).await?;
    // Another process may be at the same.
    Sql::new("UPDATE proof_size SET size = size WHERE id = 1").run(&tx).await?;
    let mut sql = table.select();
    if let Some(last) = last {
        sql.add(" WHERE ");
        table.after(&mut sql, last);
    }
    table.in_order(&mut sql, FILLED_TOGETHER);
    let rows = sql.all(&tx).await?;
    let Some(end) = rows.last() else { return Ok(None) };
    let end = table.key_values(end)?;
    let keys: Vec<String> = rows.iter().map(|row| table.key_of(row)).collect::<Result<_>>()?;
    let mut there = BTreeSet::new();
    there.extend(leaves_of(&tx, table.source, &keys).await?.into_iter().map(|leaf| leaf.entry.key));
    let mut new = Vec::new();
    for (row, key) in rows.iter().zip(keys).filter(|(_, key)| !there.contains(key)) {
        new.push(NewLeaf { source: table.source, key, digest: table.digest(row)? });
    }
    add(&tx, new).await?;
    tx.commit().await?;
    Ok(Some(end))
}

/// Commits to what is known of citizens from before there was a log.
async fn fill_contacts(db: &DatabaseConnection) -> Result<()> {
    loop {
        let tx = begin(db).await?;
        let mut sql = Sql::new(
            "SELECT reporter, person, phone, email, words FROM case_contact WHERE commitment IS NULL",
        );
        let rows = sql.add(&format!(" LIMIT {FILLED_TOGETHER}")).all(&tx).await?;
        for row in &rows {
            let part = |column: &str| row.get::<Option<String>>(column);
            let parts = [part("person")?, part("phone")?, part("email")?, part("words")?];
            let (salt, commitment) = personal(parts.each_ref().map(Option::as_deref))?;
            let mut sql = Sql::new("UPDATE case_contact SET salt = ");
            sql.value(salt).add(", commitment = ").value(commitment);
            sql.add(" WHERE reporter = ").value(row.get::<String>("reporter")?).run(&tx).await?;
        }
        tx.commit().await?;
        if rows.is_empty() {
            return Ok(());
        }
    }
}
