//! The records database: the memory of decisions. Accounts, tokens, agencies, warnings, cases and
//! their events, rules tried and changed, reviews, audit, settings.
//!
//! What it is not: it decides nothing (`engine::case` does) and checks no permission; callers pass the
//! areas that may be seen, and an empty list of areas sees nothing.
//!
//! Invariants: what a method acknowledged is on disk (WAL, `synchronous = FULL`); `case_event` and
//! `audit` are append-only by trigger; every change is one transaction, begun as a writing one so that
//! two writers queue instead of failing; dropping a future half-way rolls back.
//!
//! SQL is written with `$n` placeholders, which both SQLite and PostgreSQL read; SQLite is the only
//! database so far.

use std::path::Path;
use std::time::Duration;

use chengmai_model::case::Refusal;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

pub mod agencies;
pub mod alarm_load;
pub mod audit;
pub mod case_query;
pub mod cases;
pub mod corrections;
mod page;
pub mod reviews;
pub mod rules;
mod schema;
pub mod settings;
mod sql;
pub mod tokens;
pub mod users;
pub mod warnings;

pub use page::{LIMIT_MAX, Page, PageRequest};

/// Readers that may be at work at once.
const READERS_MAX: u32 = 4;
/// How long a writer waits for another process that holds the file.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// Why the records database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The world says no: the request cannot be met as things stand.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The database failed: disk, lock, corruption.
    #[error("records database: {0}")]
    Database(#[from] DbErr),
    /// A stored value cannot be read back.
    #[error("records database: {0}")]
    Unreadable(String),
    /// The file was written by a newer program.
    #[error("records database has schema version {found}, this program knows {known}")]
    TooNew {
        /// Version in the file.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
}

/// Result of a records method.
pub type Result<T> = std::result::Result<T, RecordsError>;

/// The open records database. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Records {
    write: DatabaseConnection,
    read: DatabaseConnection,
}

impl Records {
    /// Opens the file, creating it if absent, and brings its schema up to date.
    ///
    /// # Errors
    /// `TooNew` when a newer program wrote it; `Database` when it cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self> {
        let write = connect(Some(path), 1, false).await?;
        schema::migrate(&write).await?;
        let read = connect(Some(path), READERS_MAX, true).await?;
        Ok(Self { write, read })
    }

    /// A database that lives as long as the value: for tests.
    pub async fn open_in_memory() -> Result<Self> {
        let write = connect(None, 1, false).await?;
        schema::migrate(&write).await?;
        Ok(Self { read: write.clone(), write })
    }

    /// Ends all connections after the work in hand; the WAL is folded into the file.
    pub async fn close(self) -> Result<()> {
        self.read.close_by_ref().await?;
        Ok(self.write.close_by_ref().await?)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.read.ping().await?)
    }

    /// Accounts.
    pub fn users(&self) -> users::Users<'_> {
        users::Users(self)
    }

    /// Sessions and API tokens.
    pub fn tokens(&self) -> tokens::Tokens<'_> {
        tokens::Tokens(self)
    }

    /// Agencies 责任单位.
    pub fn agencies(&self) -> agencies::Agencies<'_> {
        agencies::Agencies(self)
    }

    /// Warnings 预警.
    pub fn warnings(&self) -> warnings::Warnings<'_> {
        warnings::Warnings(self)
    }

    /// What warnings asked of people, and what became of alarms.
    pub fn alarm_load(&self) -> alarm_load::AlarmLoads<'_> {
        alarm_load::AlarmLoads(self)
    }

    /// Cases 案件.
    pub fn cases(&self) -> cases::Cases<'_> {
        cases::Cases(self)
    }

    /// Corrections 更正 of readings.
    pub fn corrections(&self) -> corrections::Corrections<'_> {
        corrections::Corrections(self)
    }

    /// Backtests 回测 and changed rules.
    pub fn rules(&self) -> rules::Rules<'_> {
        rules::Rules(self)
    }

    /// Findings and tasks of reviews 复盘.
    pub fn reviews(&self) -> reviews::Reviews<'_> {
        reviews::Reviews(self)
    }

    /// Who did what.
    pub fn audit(&self) -> audit::Audit<'_> {
        audit::Audit(self)
    }

    /// Settings of the installation.
    pub fn settings(&self) -> settings::Settings<'_> {
        settings::Settings(self)
    }

    /// Begins a writing transaction; dropping it rolls back.
    async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.write.begin_with_options(options).await?)
    }
}

async fn connect(path: Option<&Path>, most: u32, read_only: bool) -> Result<DatabaseConnection> {
    // The name in the address is replaced by the path below: a path is no URL.
    let url = if path.is_some() { "sqlite://records" } else { "sqlite::memory:" };
    let mut options = ConnectOptions::new(url);
    options.max_connections(most).min_connections(1).sqlx_logging(false);
    options.acquire_timeout(Duration::from_secs(30));
    if path.is_none() {
        // The one connection is the database: it must never be replaced.
        options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    }
    let path = path.map(Path::to_owned);
    options.map_sqlx_sqlite_opts(move |options| {
        let options = match &path {
            Some(path) => options.filename(path).create_if_missing(!read_only),
            None => options,
        };
        options
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("foreign_keys", "ON")
            .pragma("busy_timeout", BUSY_TIMEOUT_MS.to_string())
            .pragma("query_only", if read_only { "ON" } else { "OFF" })
    });
    Ok(Database::connect(options).await?)
}

#[cfg(test)]
mod tests {
    use super::sql::{Columns as _, Sql};
    use super::*;

    #[tokio::test]
    async fn every_connection_syncs_fully_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("r.sqlite")).await.unwrap();
        for db in [&records.write, &records.read] {
            let pragma = async |name: &str| {
                let row = Sql::new(&format!("SELECT CAST({name} AS TEXT) AS v FROM pragma_{name}"));
                row.one(db).await.unwrap().unwrap().get::<String>("v").unwrap()
            };
            assert_eq!(pragma("journal_mode").await, "wal");
            assert_eq!(pragma("synchronous").await, "2");
            assert_eq!(pragma("foreign_keys").await, "1");
        }
        let write = Sql::new("INSERT INTO setting (key, value) VALUES ('a', 'b')");
        assert!(write.run(&records.read).await.is_err());
        assert_eq!(write.run(&records.write).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn work_dropped_half_way_leaves_nothing_and_blocks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("r.sqlite")).await.unwrap();
        let tx = records.begin().await.unwrap();
        let write = Sql::new("INSERT INTO setting (key, value) VALUES ('a', 'b')");
        write.run(&tx).await.unwrap();
        drop(tx);
        records.settings().set("c", "d").await.unwrap();
        assert_eq!(records.settings().find("a").await.unwrap(), None);
        assert_eq!(records.settings().find("c").await.unwrap().as_deref(), Some("d"));
    }
}
