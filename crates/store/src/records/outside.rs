//! Alerts from outside 外来预警: what others told the city, and how bad each thing of theirs is now.
//!
//! A level is what a device of that name shall read. It stands here first, and is told to the registry and
//! the journal afterwards; until that was done it is looked for again, so that a crash between the two loses
//! nothing.
//!
//! What it is not: warnings (the rule of a pack raises them from the readings), nor any standard's bytes.
//! Invariants: a message is taken once; messages and levels change together.

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::sql::{Columns, Sql};
use super::{Records, Result};

/// Levels looked for together.
const LEVELS_MAX: i64 = 200;

/// A message to be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOutside {
    /// Who sent it.
    pub sender: String,
    /// Its name among the sender's.
    pub identifier: String,
    /// When it was sent.
    pub sent: Timestamp,
    /// When it came.
    pub taken_at: Timestamp,
    /// The account that it came by.
    pub made_by: String,
    /// The area that this account speaks for.
    pub area: AreaPath,
    /// Its bytes.
    pub body: String,
    /// It replaces or calls off what was said under these names of the sender.
    pub references: Vec<String>,
    /// It says nothing of its own: one that is known must be called off by it.
    pub is_cancel: bool,
    /// How bad each thing is from now on.
    pub levels: Vec<Level>,
}

/// How bad something is.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Its device.
    pub device: String,
    /// One line about it.
    pub title: String,
    /// Where.
    pub area: AreaPath,
    /// 1 to 4; 0 when it is over.
    pub level: u8,
    /// Until when.
    pub until: Option<Timestamp>,
    /// It is no exercise and no test.
    pub is_real: bool,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken.
    New,
    /// It was taken before.
    Known,
    /// It calls off what was never told.
    Unknown,
}

/// Methods on alerts from outside.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'a>(pub(super) &'a Records);

impl Outside<'_> {
    /// Takes a message with all that it changes. What it replaces and does not name again is over, as far
    /// as it lies in the area that the account speaks for.
    pub async fn take(&self, new: &NewOutside) -> Result<Taken> {
        let tx = self.0.begin().await?;
        if thread(&tx, &new.sender, &new.identifier).await?.is_some() {
            return Ok(Taken::Known);
        }
        let mut threads = Vec::new();
        for reference in &new.references {
            threads.extend(thread(&tx, &new.sender, reference).await?);
        }
        if new.is_cancel && threads.is_empty() {
            return Ok(Taken::Unknown);
        }
        for thread in &threads {
            let mut sql = Sql::new("UPDATE outside_level SET level = 0, told = 0 WHERE level > 0");
            sql.add(" AND sender = ").value(new.sender.clone());
            sql.add(" AND thread = ").value(thread.clone());
            sql.within("area_path", std::slice::from_ref(&new.area)).run(&tx).await?;
        }
        let own = threads.into_iter().next().unwrap_or_else(|| new.identifier.clone());
        let mut sql = Sql::new("INSERT INTO outside_message (sender, identifier, thread, sent, ");
        sql.add("taken_at, made_by, area_path, body) VALUES (");
        sql.values([
            new.sender.clone().into(),
            new.identifier.clone().into(),
            own.clone().into(),
            new.sent.0.into(),
            new.taken_at.0.into(),
            new.made_by.clone().into(),
            new.area.as_str().into(),
            new.body.clone().into(),
        ]);
        sql.add(")").run(&tx).await?;
        for level in &new.levels {
            set(&tx, &new.sender, &own, level).await?;
        }
        tx.commit().await?;
        Ok(Taken::New)
    }

    /// What expired by now is over; how many did.
    pub async fn expire(&self, now: Timestamp) -> Result<u64> {
        let which = " WHERE level > 0 AND until IS NOT NULL AND until <= ";
        // Asked first: where nothing expired, nothing is written.
        let mut sql = Sql::new("SELECT count(*) FROM outside_level");
        if sql.add(which).value(now.0).count(&self.0.read).await? == 0 {
            return Ok(0);
        }
        let mut sql = Sql::new("UPDATE outside_level SET level = 0, told = 0");
        sql.add(which).value(now.0).run(&self.0.write).await
    }

    /// Levels that the registry and the journal do not know yet.
    pub async fn untold(&self) -> Result<Vec<Level>> {
        let mut sql = Sql::new("SELECT * FROM outside_level WHERE told = 0 ORDER BY device LIMIT ");
        sql.value(LEVELS_MAX).all(&self.0.read).await?.iter().map(read).collect()
    }

    /// Notes that a level was told, unless it is another one by now.
    pub async fn told(&self, level: &Level) -> Result<()> {
        let mut sql = Sql::new("UPDATE outside_level SET told = 1 WHERE device = ");
        sql.value(level.device.clone()).add(" AND level = ").value(i64::from(level.level));
        sql.add(" AND title = ").value(level.title.clone()).run(&self.0.write).await?;
        Ok(())
    }
}

/// The name of the message that a known one goes back to.
async fn thread<C: ConnectionTrait>(db: &C, sender: &str, name: &str) -> Result<Option<String>> {
    let mut sql = Sql::new("SELECT thread FROM outside_message WHERE sender = ");
    sql.value(sender).add(" AND identifier = ").value(name);
    sql.one(db).await?.map(|row| row.get("thread")).transpose()
}

async fn set<C: ConnectionTrait>(db: &C, sender: &str, thread: &str, level: &Level) -> Result<()> {
    let mut sql = Sql::new("INSERT INTO outside_level (device, sender, thread, title, area_path, ");
    sql.add("level, until, is_real, told) VALUES (");
    sql.values([
        level.device.clone().into(),
        sender.into(),
        thread.into(),
        level.title.clone().into(),
        level.area.as_str().into(),
        i64::from(level.level).into(),
        Value::from(level.until.map(|until| until.0)),
        i64::from(level.is_real).into(),
        0_i64.into(),
    ]);
    sql.add(") ON CONFLICT (device) DO UPDATE SET thread = excluded.thread, title = ");
    sql.add("excluded.title, level = excluded.level, until = excluded.until, told = 0");
    sql.run(db).await?;
    Ok(())
}

fn read(row: &QueryResult) -> Result<Level> {
    Ok(Level {
        device: row.get("device")?,
        title: row.get("title")?,
        area: row.path("area_path")?,
        level: u8::try_from(row.count("level")?).unwrap_or(0),
        until: row.time_if("until")?,
        is_real: row.count("is_real")? != 0,
    })
}
