//! All rows of the records from one database to another, as of one moment, and whether both then hold the same:
//! how a server's records get into a backup, and out of one.
//!
//! What it is not: a change of the schema; both sides have the newest. Left out is the index of words, which the
//! next start makes anew. Invariant: rows go in the order of their keys, so that what may only be added to a case's
//! events is added as it came.

use ring::digest::{Context, SHA256};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    IsolationLevel, QueryResult, TransactionOptions, TransactionTrait as _, Value,
};

use super::sql::{Columns as _, Sql, insert};
use super::words::FILLED_TO;
use super::{RecordsError, Result, begin};

/// Rows that are held at once.
const TOGETHER: i64 = 512;

/// Tables in which a new database has rows already.
const SEEDED: [&str; 2] = ["setting", "proof_size"];

/// A table as both databases have it.
#[derive(Debug)]
struct Table {
    name: String,
    /// Name, quoted, and SQLite's word for the type.
    columns: Vec<(String, String)>,
    /// Its key, in order.
    key: Vec<String>,
}

impl Table {
    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The next rows after this one in the order of the key, and the values of each.
    async fn after(
        &self,
        db: &DatabaseTransaction,
        last: Option<&Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>> {
        let mut sql = Sql::new(&format!("SELECT {} FROM \"{}\"", self.names(), self.name));
        if let Some(last) = last {
            let place = |key: &String| self.columns.iter().position(|(name, _)| name == key);
            let values = self.key.iter().filter_map(|key| last.get(place(key)?).cloned());
            sql.add(&format!(" WHERE ({}) > (", self.key.join(", "))).values(values).add(")");
        }
        sql.add(&format!(" ORDER BY {} LIMIT ", self.key.join(", "))).value(TOGETHER);
        sql.all(db).await?.iter().map(|row| self.read(row)).collect()
    }

    fn read(&self, row: &QueryResult) -> Result<Vec<Value>> {
        let values = self.columns.iter().enumerate().map(|(place, (_, kind))| {
            Ok(match kind.as_str() {
                "INTEGER" => row.try_get_by::<Option<i64>, _>(place)?.into(),
                "REAL" => row.try_get_by::<Option<f64>, _>(place)?.into(),
                "BLOB" => row.try_get_by::<Option<Vec<u8>>, _>(place)?.into(),
                _ => row.try_get_by::<Option<String>, _>(place)?.into(),
            })
        });
        values.collect()
    }
}

/// The tables of a file, those first that others refer to.
async fn tables(file: &impl ConnectionTrait) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    let listed = "SELECT m.name AS name FROM sqlite_schema AS m \
                  JOIN pragma_table_list(m.name) AS l WHERE m.type = 'table' AND l.type = 'table' \
                  AND m.name NOT LIKE 'sqlite%' AND m.name <> 'schema_version' ORDER BY m.rowid";
    for row in Sql::new(listed).all(file).await? {
        let name: String = row.get("name")?;
        let mut table = Table { name, columns: Vec::new(), key: Vec::new() };
        let mut about = Sql::new("SELECT name, type, pk FROM pragma_table_info(");
        let about = about.value(table.name.clone()).add(") ORDER BY cid").all(file).await?;
        let mut key: Vec<(i64, String)> = Vec::new();
        for row in about {
            let (name, kind, place): (String, String, i64) =
                (row.get("name")?, row.get("type")?, row.get("pk")?);
            let name = format!("\"{name}\"");
            if place > 0 {
                key.push((place, name.clone()));
            }
            table.columns.push((name, kind));
        }
        key.sort();
        table.key = key.into_iter().map(|(_, name)| name).collect();
        debug_assert!(!table.key.is_empty(), "every table of ours has a key");
        tables.push(table);
    }
    Ok(tables)
}

/// Copies all rows from one to the other, one of which is a file, and reads both back.
///
/// # Errors
/// `Address` when the other is not empty or does not hold the same afterwards.
pub(super) async fn all(from: &DatabaseConnection, to: &DatabaseConnection) -> Result<()> {
    let is_file = from.get_database_backend() == DbBackend::Sqlite;
    let tables = if is_file { tables(from).await? } else { tables(to).await? };
    for table in tables.iter().filter(|table| !SEEDED.contains(&table.name.as_str())) {
        let some = Sql::new(&format!("SELECT 1 FROM \"{}\" LIMIT 1", table.name));
        if some.one(to).await?.is_some() {
            let full = format!("the database is not empty: it has rows in {}", table.name);
            return Err(RecordsError::Address(full));
        }
    }
    let source = moment(from).await?;
    let target = begin(to).await?;
    for name in SEEDED {
        Sql::new(&format!("DELETE FROM {name}")).run(&target).await?;
    }
    for table in &tables {
        copy(table, &source, &target).await?;
    }
    let mut refill = Sql::new("INSERT INTO setting (key, value) SELECT ");
    refill.value(FILLED_TO).add(", '' FROM \"case\" LIMIT 1").run(&target).await?;
    for table in tables.iter().filter(|table| table.name != "setting") {
        if hash(table, &source).await? != hash(table, &target).await? {
            let other = format!("the copy of {} is not as the original", table.name);
            return Err(RecordsError::Address(other));
        }
    }
    target.commit().await?;
    Ok(source.commit().await?)
}

/// Everything read in it is of one moment.
async fn moment(db: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let on_server = db.get_database_backend() == DbBackend::Postgres;
    let options = TransactionOptions {
        isolation_level: on_server.then_some(IsolationLevel::RepeatableRead),
        access_mode: on_server.then_some(AccessMode::ReadOnly),
        ..TransactionOptions::default()
    };
    Ok(db.begin_with_options(options).await?)
}

async fn copy(table: &Table, from: &DatabaseTransaction, to: &DatabaseTransaction) -> Result<()> {
    let head = format!("INSERT INTO \"{}\" ({})", table.name, table.names());
    let mut rows = table.after(from, None).await?;
    while let Some(last) = rows.last().cloned() {
        rows.retain(|row| table.name != "setting" || row.first() != Some(&FILLED_TO.into()));
        insert(to, &head, &rows).await?;
        rows = table.after(from, Some(&last)).await?;
    }
    if to.get_database_backend() == DbBackend::Postgres {
        count_on(table, to).await?;
    }
    Ok(())
}

/// A server counts numbers up apart from the table: on from the highest.
async fn count_on(table: &Table, to: &DatabaseTransaction) -> Result<()> {
    let [key] = table.key.as_slice() else { return Ok(()) };
    if !table.columns.iter().any(|(name, kind)| name == key && kind == "INTEGER") {
        return Ok(());
    }
    let counts = format!(
        "SELECT setval(CAST(s AS regclass), (SELECT max({key}) FROM \"{name}\")) \
         FROM pg_get_serial_sequence('\"{name}\"', '{plain}') AS s \
         WHERE s IS NOT NULL AND EXISTS (SELECT 1 FROM \"{name}\")",
        name = table.name,
        plain = key.trim_matches('"'),
    );
    to.execute_unprepared(&counts).await?;
    Ok(())
}

/// What a table holds, in a number that no other content has.
async fn hash(table: &Table, db: &DatabaseTransaction) -> Result<Vec<u8>> {
    let mut hash = Context::new(&SHA256);
    let mut rows = table.after(db, None).await?;
    while let Some(last) = rows.last() {
        for value in rows.iter().flatten() {
            let text = format!("{value:?}");
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        rows = table.after(db, Some(last)).await?;
    }
    Ok(hash.finish().as_ref().to_vec())
}
