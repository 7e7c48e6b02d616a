//! What clients of NGSI-LD made: entities and what they said of devices, contexts, and subscriptions with
//! what became of their messages.
//!
//! What it is not: it knows no attribute and no rule of the standard; a body is text to it. Devices and their
//! readings are not here (registry, journal, history). Messages wait with all others (`deliveries`).
//! Invariant: nothing of a subscription that is removed goes on waiting.

use chengmai_model::case::Refusal;
use chengmai_model::{AreaPath, Timestamp, error};
use sea_orm::{QueryResult, Value};

use super::sql::{Columns, Sql};
use super::{Records, Result};

/// Most entities of clients.
pub const ENTITIES_MAX: u64 = 100_000;
/// Most contexts.
pub const CONTEXTS_MAX: u64 = 200;
/// Most subscriptions: every change is held against all of them.
pub const SUBSCRIPTIONS_MAX: u64 = 500;
/// Rows that one statement names.
const NAMED_MAX: usize = 500;
/// Ids of subscriptions begin with this where they stand beside those of people.
pub const LANE: &str = "ngsi:";

/// An entity that a client made, or what one said of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityRow {
    /// Its place in the order of lists.
    pub number: i64,
    /// Its id.
    pub id: String,
    /// The device behind it.
    pub device: Option<String>,
    /// Where it belongs, when no device says so.
    pub area: AreaPath,
    /// Whether a client made it; else it is what was said of a device of the registry.
    pub made: bool,
    /// It was removed, and its device is still there.
    pub gone: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was changed last.
    pub changed_at: Timestamp,
    /// Types and attributes.
    pub body: String,
}

/// A context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextRow {
    /// Its name here.
    pub id: String,
    /// The address that it stands for, if that is not ours.
    pub url: Option<String>,
    /// Whose it is: seen there, above and below.
    pub area: AreaPath,
    /// When it was made.
    pub made_at: Timestamp,
    /// Its text.
    pub body: String,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub made_by: String,
    /// What its maker saw when it was made.
    pub area: AreaPath,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was changed last.
    pub changed_at: Timestamp,
    /// As it was sent.
    pub body: String,
    /// What its names stand for.
    pub context: String,
    /// Messages made for it.
    pub times_sent: u64,
    /// Of these, messages that were not taken.
    pub times_failed: u64,
    /// When the last message was made.
    pub last_notification: Option<Timestamp>,
    /// When the last one was taken.
    pub last_success: Option<Timestamp>,
    /// When the last one was not.
    pub last_failure: Option<Timestamp>,
}

/// Methods on them.
#[derive(Debug, Clone, Copy)]
pub struct NgsiLd<'a>(pub(super) &'a Records);

impl NgsiLd<'_> {
    /// The entity of that id.
    pub async fn find(&self, id: &str) -> Result<Option<EntityRow>> {
        let mut sql = Sql::new("SELECT * FROM ngsi_entity WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read_entity).transpose()
    }

    /// What is said of these devices, and which of them are entities that clients made.
    pub async fn of_devices(&self, devices: &[String]) -> Result<Vec<EntityRow>> {
        let mut found = Vec::new();
        for some in devices.chunks(NAMED_MAX) {
            let mut sql = Sql::new("SELECT * FROM ngsi_entity WHERE device IN (");
            sql.values(some.iter().map(|name| name.as_str().into())).add(")");
            for row in sql.all(&self.0.read).await? {
                found.push(read_entity(&row)?);
            }
        }
        Ok(found)
    }

    /// Devices of which anything is said, and whether they are entities that clients made.
    pub async fn devices(&self) -> Result<Vec<(String, bool)>> {
        let sql = Sql::new("SELECT device, made FROM ngsi_entity WHERE device IS NOT NULL");
        let rows = sql.all(&self.0.read).await?;
        rows.iter().map(|row| Ok((row.get("device")?, row.count("made")? != 0))).collect()
    }

    /// Entities that clients made and that are there, behind a number.
    pub async fn made(&self, behind: i64, limit: usize) -> Result<Vec<EntityRow>> {
        let mut sql =
            Sql::new("SELECT * FROM ngsi_entity WHERE made = 1 AND gone = 0 AND number > ");
        sql.value(behind).add(" ORDER BY number LIMIT ");
        sql.value(i64::try_from(limit).unwrap_or(i64::MAX));
        sql.all(&self.0.read).await?.iter().map(read_entity).collect()
    }

    /// Writes an entity over the one of its id, if there is one.
    ///
    /// # Errors
    /// `NGSI_TOO_MUCH` when there are [`ENTITIES_MAX`].
    pub async fn keep(&self, row: &EntityRow, by: &str) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut known = Sql::new("SELECT count(*) FROM ngsi_entity WHERE id = ");
        let is_new = known.value(row.id.as_str()).count(&tx).await? == 0;
        if is_new && Sql::new("SELECT count(*) FROM ngsi_entity").count(&tx).await? >= ENTITIES_MAX
        {
            return Err(full(ENTITIES_MAX).into());
        }
        let mut sql = Sql::new(
            "INSERT INTO ngsi_entity (id, device, area_path, made, gone, made_by, made_at, changed_at, body) \
             VALUES (",
        );
        sql.values([
            row.id.as_str().into(),
            Value::from(row.device.clone()),
            row.area.as_str().into(),
            i64::from(row.made).into(),
            i64::from(row.gone).into(),
            by.into(),
            row.made_at.0.into(),
            row.changed_at.0.into(),
            row.body.as_str().into(),
        ]);
        sql.add(") ON CONFLICT (id) DO UPDATE SET device = excluded.device,");
        sql.add(" area_path = excluded.area_path, made = excluded.made, gone = excluded.gone,");
        sql.add(" made_by = excluded.made_by, made_at = excluded.made_at,");
        sql.add(" changed_at = excluded.changed_at, body = excluded.body").run(&tx).await?;
        Ok(tx.commit().await?)
    }

    /// Removes an entity.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let mut sql = Sql::new("DELETE FROM ngsi_entity WHERE id = ");
        sql.value(id).run(&self.0.write).await?;
        Ok(())
    }

    /// All contexts, in the order in which they were made.
    pub async fn contexts(&self) -> Result<Vec<ContextRow>> {
        let sql = Sql::new("SELECT * FROM ngsi_context ORDER BY made_at, id");
        sql.all(&self.0.read).await?.iter().map(read_context).collect()
    }

    /// The context of that name here, or of that address.
    pub async fn context(&self, name: &str) -> Result<Option<ContextRow>> {
        let mut sql = Sql::new("SELECT * FROM ngsi_context WHERE id = ");
        sql.value(name).add(" OR url = ").value(name).add(" ORDER BY id LIMIT 1");
        sql.one(&self.0.read).await?.as_ref().map(read_context).transpose()
    }

    /// Adds a context.
    ///
    /// # Errors
    /// `NGSI_EXISTS` when there is one of that address, `NGSI_TOO_MUCH` when there are [`CONTEXTS_MAX`].
    pub async fn add_context(&self, row: &ContextRow, by: &str) -> Result<()> {
        let tx = self.0.begin().await?;
        if Sql::new("SELECT count(*) FROM ngsi_context").count(&tx).await? >= CONTEXTS_MAX {
            return Err(full(CONTEXTS_MAX).into());
        }
        let mut sql = Sql::new(
            "INSERT INTO ngsi_context (id, url, area_path, made_by, made_at, body) VALUES (",
        );
        sql.values([
            row.id.as_str().into(),
            Value::from(row.url.clone()),
            row.area.as_str().into(),
            by.into(),
            row.made_at.0.into(),
            row.body.as_str().into(),
        ]);
        if sql.add(") ON CONFLICT DO NOTHING").run(&tx).await? == 0 {
            return Err(Refusal::plain(&error::NGSI_EXISTS).into());
        }
        Ok(tx.commit().await?)
    }

    /// Removes a context.
    pub async fn remove_context(&self, id: &str) -> Result<()> {
        let mut sql = Sql::new("DELETE FROM ngsi_context WHERE id = ");
        sql.value(id).run(&self.0.write).await?;
        Ok(())
    }

    /// Subscriptions of an account, in the order in which they were made; of all when none is named.
    pub async fn subscriptions(&self, by: Option<&str>) -> Result<Vec<SubscriptionRow>> {
        let mut sql = Sql::new("SELECT * FROM ngsi_subscription WHERE 1 = 1");
        sql.and_if("made_by =", by).add(" ORDER BY made_at, id");
        sql.all(&self.0.read).await?.iter().map(read_subscription).collect()
    }

    /// The subscription of that id.
    pub async fn subscription(&self, id: &str) -> Result<Option<SubscriptionRow>> {
        let mut sql = Sql::new("SELECT * FROM ngsi_subscription WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read_subscription).transpose()
    }

    /// Adds a subscription.
    ///
    /// # Errors
    /// `NGSI_EXISTS` when there is one of that id, `NGSI_TOO_MUCH` when there are [`SUBSCRIPTIONS_MAX`].
    pub async fn add_subscription(&self, row: &SubscriptionRow) -> Result<()> {
        let tx = self.0.begin().await?;
        if Sql::new("SELECT count(*) FROM ngsi_subscription").count(&tx).await? >= SUBSCRIPTIONS_MAX
        {
            return Err(full(SUBSCRIPTIONS_MAX).into());
        }
        let mut sql = Sql::new(
            "INSERT INTO ngsi_subscription (id, made_by, area_path, made_at, changed_at, body, context) \
             VALUES (",
        );
        sql.values([
            row.id.as_str().into(),
            row.made_by.as_str().into(),
            row.area.as_str().into(),
            row.made_at.0.into(),
            row.changed_at.0.into(),
            row.body.as_str().into(),
            row.context.as_str().into(),
        ]);
        if sql.add(") ON CONFLICT DO NOTHING").run(&tx).await? == 0 {
            return Err(Refusal::plain(&error::NGSI_EXISTS).into());
        }
        Ok(tx.commit().await?)
    }

    /// Another text for a subscription.
    pub async fn change_subscription(
        &self,
        id: &str,
        body: &str,
        context: &str,
        at: Timestamp,
    ) -> Result<()> {
        let mut sql = Sql::new("UPDATE ngsi_subscription SET body = ");
        sql.value(body).add(", context = ").value(context).add(", changed_at = ").value(at.0);
        sql.add(" WHERE id = ").value(id).run(&self.0.write).await?;
        Ok(())
    }

    /// Removes a subscription with all its messages.
    pub async fn remove_subscription(&self, id: &str) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("DELETE FROM delivery WHERE subscription = ");
        sql.value(format!("{LANE}{id}")).run(&tx).await?;
        let mut sql = Sql::new("DELETE FROM ngsi_subscription WHERE id = ");
        sql.value(id).run(&tx).await?;
        Ok(tx.commit().await?)
    }

    /// Notes that a message was made.
    pub async fn noted(&self, id: &str, at: Timestamp) -> Result<()> {
        let mut sql = Sql::new("UPDATE ngsi_subscription SET times_sent = times_sent + 1,");
        sql.add(" last_notification = ").value(at.0).add(" WHERE id = ").value(id);
        sql.run(&self.0.write).await?;
        Ok(())
    }

    /// Notes what became of a try to send one.
    pub async fn tried(&self, id: &str, is_taken: bool, at: Timestamp) -> Result<()> {
        let head = if is_taken {
            "UPDATE ngsi_subscription SET last_success = "
        } else {
            "UPDATE ngsi_subscription SET times_failed = times_failed + 1, last_failure = "
        };
        let mut sql = Sql::new(head);
        sql.value(at.0).add(" WHERE id = ").value(id).run(&self.0.write).await?;
        Ok(())
    }
}

fn full(most: u64) -> Refusal {
    let (zh, en) = (format!("已有 {most} 个"), format!("there are {most} already"));
    Refusal::new(&error::NGSI_TOO_MUCH, zh, en)
}

fn read_entity(row: &QueryResult) -> Result<EntityRow> {
    Ok(EntityRow {
        number: row.get("number")?,
        id: row.get("id")?,
        device: row.get("device")?,
        area: row.path("area_path")?,
        made: row.count("made")? != 0,
        gone: row.count("gone")? != 0,
        made_at: row.time("made_at")?,
        changed_at: row.time("changed_at")?,
        body: row.get("body")?,
    })
}

fn read_context(row: &QueryResult) -> Result<ContextRow> {
    Ok(ContextRow {
        id: row.get("id")?,
        url: row.get("url")?,
        area: row.path("area_path")?,
        made_at: row.time("made_at")?,
        body: row.get("body")?,
    })
}

fn read_subscription(row: &QueryResult) -> Result<SubscriptionRow> {
    Ok(SubscriptionRow {
        id: row.get("id")?,
        made_by: row.get("made_by")?,
        area: row.path("area_path")?,
        made_at: row.time("made_at")?,
        changed_at: row.time("changed_at")?,
        body: row.get("body")?,
        context: row.get("context")?,
        times_sent: row.count("times_sent")?,
        times_failed: row.count("times_failed")?,
        last_notification: row.time_if("last_notification")?,
        last_success: row.time_if("last_success")?,
        last_failure: row.time_if("last_failure")?,
    })
}
