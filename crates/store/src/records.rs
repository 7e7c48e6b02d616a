//! The records database: the memory of decisions. Accounts, tokens, agencies, warnings, cases and
//! their events, rules tried and changed, reviews, who is told of what, audit, settings.
//!
//! What it is not: it decides nothing (`engine::case` does) and checks no permission; callers pass the
//! areas that may be seen, and an empty list of areas sees nothing.
//!
//! Invariants: what a method acknowledged is on disk (SQLite: WAL, `synchronous = FULL`; a PostgreSQL
//! server that does not wait for its disk is refused); `case_event` and `audit` are append-only by
//! trigger; every change is one transaction; of one process one writes at a time, so that writers queue
//! instead of failing; dropping a future half-way rolls back.
//!
//! Every statement is one text that SQLite and PostgreSQL both read; what differs is in `postgres`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chengmai_model::case::Refusal;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

pub mod agencies;
pub mod alarm_load;
pub mod alerts;
mod append;
pub mod audit;
pub mod break_glass;
pub mod case_query;
mod case_scan;
pub mod cases;
pub mod citizens;
pub mod corrections;
pub mod deliveries;
pub mod drafts;
pub mod factors;
pub mod identities;
mod import;
mod keys;
pub mod ngsi_ld;
pub mod notices;
pub mod outside;
mod page;
pub mod patrols;
mod place;
mod postgres;
pub mod proof;
mod recode;
pub mod reviews;
pub mod rules;
mod schema;
mod sealing;
pub mod sensor_things;
pub mod settings;
mod sql;
pub mod subscriptions;
pub mod tokens;
mod transfer;
pub mod transit;
pub mod users;
pub mod warnings;
mod words;

pub use page::{LIMIT_MAX, Page, PageRequest, TOTAL_MAX};
pub use place::{Place, Server};
pub use recode::Recoded;
pub use sealing::Resealed;

use crate::seal::{Keyring, SealError};

/// Readers that may be at work at once.
const READERS_MAX: u32 = 4;
/// How long a writer waits for another process that holds the file or a row.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// Memory of a connection to a SQLite file for its pages: indexes are written at random places.
const CACHE_KIB: u32 = 32 * 1024;

/// Why the records database did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordsError {
    /// The world says no: the request cannot be met as things stand.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Another process changed the same at the same moment; nothing was written. Try again.
    #[error("records database: another process is changing the same: {0}")]
    Busy(DbErr),
    /// The database failed: disk, connection, corruption.
    #[error("records database: {0}")]
    Database(DbErr),
    /// The address of the database is not one.
    #[error("records database: {0}")]
    Address(String),
    /// The server may lose what it acknowledged, or change it.
    #[error(
        "records database: the server has {name} = {found}; set it to {needed}, so that what is \
         acknowledged is on its disk"
    )]
    Unfit {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// A stored value cannot be read back.
    #[error("records database: {0}")]
    Unreadable(String),
    /// A text that was sealed cannot be opened, or none can be sealed.
    #[error("records database: {place}: {source}")]
    Sealed {
        /// Table, column and key of its row.
        place: String,
        /// Why.
        source: SealError,
    },
    /// The file was written by a newer program.
    #[error("records database has schema version {found}, this program knows {known}")]
    TooNew {
        /// Version in the file.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
}

impl From<DbErr> for RecordsError {
    fn from(error: DbErr) -> Self {
        if is_conflict(&error) { Self::Busy(error) } else { Self::Database(error) }
    }
}

/// Result of a records method.
pub type Result<T> = std::result::Result<T, RecordsError>;

/// The open records database. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Records {
    write: DatabaseConnection,
    read: DatabaseConnection,
    steps: append::Appender,
    words: words::WordIndex,
    keys: Option<Arc<Keyring>>,
}

impl Records {
    /// Opens the database, creating the file if it is one and absent, and brings its schema up to date.
    ///
    /// # Errors
    /// `TooNew` when a newer program wrote it; `Unfit` when the server does not wait for its disk;
    /// `Database` when it cannot be opened or migrated.
    pub async fn open(place: impl Into<Place>) -> Result<Self> {
        let place = place.into();
        let write = connect(&place, 1, false).await?;
        if matches!(place, Place::Server(_)) {
            postgres::check(&write).await?;
        }
        schema::migrate(&write).await?;
        proof::fill(&write).await?;
        let read = connect(&place, READERS_MAX, true).await?;
        let steps = append::Appender::start(write.clone());
        let words = words::WordIndex::start(&write).await?;
        Ok(Self { write, read, steps, words, keys: None })
    }

    /// Opens a database that nobody writes at the moment, and changes nothing in it.
    ///
    /// # Errors
    /// `TooNew` when a newer program wrote it, `Unreadable` when an older one did.
    pub async fn open_to_read(place: impl Into<Place>) -> Result<Self> {
        let place = place.into();
        let read = connect(&place, READERS_MAX, true).await?;
        schema::check(&read).await?;
        let steps = append::Appender::start(read.clone());
        let words = words::WordIndex::default();
        Ok(Self { write: read.clone(), read, steps, words, keys: None })
    }

    /// Copies the records of this moment to a new file, while they may be written.
    ///
    /// # Errors
    /// `Address` when there are none, or the copy is not as they are; `Unreadable` when an older program wrote them.
    pub async fn copy(place: impl Into<Place>, to: &Path) -> Result<()> {
        let place = place.into();
        if let Place::File(path) = &place {
            if !path.is_file() {
                return Err(RecordsError::Address(format!("there is no {}", path.display())));
            }
            // A connection that may write: the copy counts as a change to SQLite.
            let db = connect(&place, 1, false).await?;
            let mut sql = sql::Sql::new("VACUUM INTO ");
            sql.value(to.to_string_lossy().into_owned()).run(&db).await?;
            return Ok(db.close().await?);
        }
        let from = connect(&place, 1, true).await?;
        schema::check(&from).await?;
        let file = connect_sqlite(to, 2, false).await?;
        schema::migrate(&file).await?;
        transfer::all(&from, &file).await?;
        file.close().await?;
        Ok(from.close().await?)
    }

    /// Puts the records of a file that was copied into the empty database of a server.
    ///
    /// # Errors
    /// `Address` when it is not empty, or does not hold the same afterwards; `Unfit` when the server does not wait
    /// for its disk.
    pub async fn put(file: &Path, place: &Place) -> Result<()> {
        let from = connect_sqlite(file, 2, false).await?;
        schema::migrate(&from).await?;
        let to = connect(place, 1, false).await?;
        if matches!(place, Place::Server(_)) {
            postgres::check(&to).await?;
        }
        schema::migrate(&to).await?;
        transfer::all(&from, &to).await?;
        from.close().await?;
        Ok(to.close().await?)
    }

    /// The same records, with the keys under which personal data and secrets are sealed from now on.
    #[must_use]
    pub fn with_keys(self, keys: Keyring) -> Self {
        Self { keys: Some(Arc::new(keys)), ..self }
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

    /// Alerts 对外预警.
    pub fn alerts(&self) -> alerts::Alerts<'_> {
        alerts::Alerts(self)
    }

    /// Alerts from outside 外来预警.
    pub fn outside(&self) -> outside::Outside<'_> {
        outside::Outside(self)
    }

    /// Accounts.
    pub fn users(&self) -> users::Users<'_> {
        users::Users(self)
    }

    /// Sessions and API tokens.
    pub fn tokens(&self) -> tokens::Tokens<'_> {
        tokens::Tokens(self)
    }

    /// Identities 统一身份.
    pub fn identities(&self) -> identities::Identities<'_> {
        identities::Identities(self)
    }

    /// Second factors 双因子.
    pub fn factors(&self) -> factors::Factors<'_> {
        factors::Factors(self)
    }

    /// Access in an emergency 应急授权.
    pub fn break_glass(&self) -> break_glass::BreakGlass<'_> {
        break_glass::BreakGlass(self)
    }

    /// Drafts 拟办.
    pub fn drafts(&self) -> drafts::Drafts<'_> {
        drafts::Drafts(self)
    }

    /// Names of timetables.
    pub fn transit(&self) -> transit::Transit<'_> {
        transit::Transit(self)
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

    /// Who reported cases, and what everybody may see of them.
    pub fn citizens(&self) -> citizens::Citizens<'_> {
        citizens::Citizens(self)
    }

    /// Messages to those who asked to be told 投递.
    pub fn deliveries(&self) -> deliveries::Deliveries<'_> {
        deliveries::Deliveries(self)
    }

    /// What happened that somebody may want to be told 待通知.
    pub fn notices(&self) -> notices::Notices<'_> {
        notices::Notices(self)
    }

    /// Who outside is told of what 订阅.
    pub fn subscriptions(&self) -> subscriptions::Subscriptions<'_> {
        subscriptions::Subscriptions(self)
    }

    /// Patrols 巡查 of grid workers.
    pub fn patrols(&self) -> patrols::Patrols<'_> {
        patrols::Patrols(self)
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

    /// Leaves of the proof log 存证日志.
    pub fn proof(&self) -> proof::Proof<'_> {
        proof::Proof(self)
    }

    /// Entities that clients of SensorThings made.
    pub fn sensor_things(&self) -> sensor_things::SensorThings<'_> {
        sensor_things::SensorThings { records: self, within: None }
    }

    /// What clients of NGSI-LD made.
    pub fn ngsi_ld(&self) -> ngsi_ld::NgsiLd<'_> {
        ngsi_ld::NgsiLd(self)
    }

    /// Settings of the installation.
    pub fn settings(&self) -> settings::Settings<'_> {
        settings::Settings(self)
    }

    /// Begins a writing transaction; dropping it rolls back.
    async fn begin(&self) -> Result<DatabaseTransaction> {
        begin(&self.write).await
    }
}

/// On SQLite it is begun as a writing one: one that begins by reading fails where another came before.
async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(db.begin_with_options(options).await?)
}

/// Whether the database gave up on a change because of another process: a file held for too long, rows
/// waiting for each other, a row that changed since it was read.
fn is_conflict(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let sqlx::Error::Database(error) = error.as_ref() else { return false };
    // SQLite: busy, locked, busy with an old snapshot. PostgreSQL: serialisation, deadlock, lock timeout,
    // and a key that was not there when it was asked for: nothing else here inserts a key twice.
    ["5", "6", "517", "40001", "40P01", "55P03", "23505"]
        .contains(&error.code().unwrap_or_default().as_ref())
}

async fn connect(place: &Place, most: u32, read_only: bool) -> Result<DatabaseConnection> {
    match place {
        Place::File(path) => connect_sqlite(path, most, read_only).await,
        Place::Server(server) => postgres::connect(server, most, read_only).await,
    }
}

async fn connect_sqlite(path: &Path, most: u32, read_only: bool) -> Result<DatabaseConnection> {
    // The name in the address is replaced by the path below: a path is no URL.
    let mut options = ConnectOptions::new("sqlite://records");
    options.max_connections(most).min_connections(1).sqlx_logging(false);
    options.acquire_timeout(Duration::from_secs(30));
    let path = path.to_owned();
    options.map_sqlx_sqlite_opts(move |options| {
        options
            .filename(&path)
            .create_if_missing(!read_only)
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("foreign_keys", "ON")
            .pragma("busy_timeout", BUSY_TIMEOUT_MS.to_string())
            .pragma("cache_size", format!("-{CACHE_KIB}"))
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
