//! Deliveries 投递: messages that wait to be sent, were sent, or were given up (the dead letters 死信).
//!
//! Not here: what is sent and how (`server`). Invariants: a message has a stable id, made from what it is
//! of and whom it is for, so that it is made once, and a receiver that gets it twice can tell; it says
//! nothing of who is told: address and secret are looked up when it is sent, so that what was erased or
//! changed meanwhile is not used.

use chengmai_model::case::Refusal;
use chengmai_model::{AreaPath, Timestamp, error};
use sea_orm::{ConnectionTrait, QueryResult};

use super::page::{Cursor, page};
use super::sql::{Columns, Sql};
use super::{Page, PageRequest, Records, Result, ngsi_ld};

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A subscription, by its id.
    Subscription(String),
    /// A citizen, by the name that stands in the case.
    Reporter(String),
    /// A subscription of NGSI-LD, by its id.
    Program(String),
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It will be sent, or sent again.
    Waiting,
    /// The receiver took it.
    Sent,
    /// Given up.
    Dead,
}

impl DeliveryState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Sent, Self::Dead];

    /// Its word: `dead`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A message on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id, for good.
    pub id: String,
    /// For whom.
    pub to: Recipient,
    /// Who may see it: staff of this area or above.
    pub area: AreaPath,
    /// What it tells of: the word of a what or a step.
    pub what: String,
    /// Number of the case, or id of the warning.
    pub object: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// What is told, as JSON.
    pub body: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// What it was made with.
    pub made: NewDelivery,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, if it waits.
    pub next_at: Timestamp,
    /// When it was tried last.
    pub tried_at: Option<Timestamp>,
    /// Why the last try failed.
    pub fault: Option<String>,
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// That stand so.
    pub state: Option<DeliveryState>,
    /// Of this subscription.
    pub subscription: Option<String>,
    /// Which page; newest first.
    pub page: PageRequest,
}

/// Methods on messages.
#[derive(Debug, Clone, Copy)]
pub struct Deliveries<'a>(pub(super) &'a Records);

/// Whose turn it is, as the index has it: a subscription, or all citizens together.
const LANE: &str = "coalesce(subscription, '')";

impl Deliveries<'_> {
    /// Adds a message.
    pub async fn add(&self, message: &NewDelivery) -> Result<()> {
        insert(&self.0.write, message).await
    }

    /// Of each subscription, and of all citizens together, the longest due, `each` at most.
    pub async fn due(&self, now: Timestamp, each: u32) -> Result<Vec<Vec<DeliveryRow>>> {
        let mut sql = Sql::new("SELECT DISTINCT ");
        sql.add(LANE).add(" AS lane FROM delivery WHERE state = 'waiting' AND next_at <= ");
        let lanes = sql.value(now.0).all(&self.0.read).await?;
        let mut due = Vec::with_capacity(lanes.len());
        for lane in lanes {
            let mut sql =
                Sql::new("SELECT * FROM delivery WHERE state = 'waiting' AND next_at <= ");
            sql.value(now.0).add(" AND ").add(LANE).add(" = ").value(lane.get::<String>("lane")?);
            sql.add(" ORDER BY next_at, id LIMIT ").value(i64::from(each));
            due.push(sql.all(&self.0.read).await?.iter().map(read).collect::<Result<_>>()?);
        }
        Ok(due)
    }

    /// Notes that the receiver took it.
    pub async fn sent(&self, id: &str, now: Timestamp) -> Result<()> {
        let mut sql = Sql::new("UPDATE delivery SET state = 'sent', fault = NULL, ");
        sql.add("attempts = attempts + 1, tried_at = ").value(now.0);
        sql.add(" WHERE state = 'waiting' AND id = ").value(id).run(&self.0.write).await?;
        Ok(())
    }

    /// Notes that it failed, and when it is tried again; never, if there is no such time.
    pub async fn failed(
        &self,
        id: &str,
        fault: &str,
        now: Timestamp,
        next_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut sql = Sql::new("UPDATE delivery SET attempts = attempts + 1, fault = ");
        sql.value(fault).add(", tried_at = ").value(now.0);
        match next_at {
            Some(at) => sql.add(", next_at = ").value(at.0),
            None => sql.add(", state = 'dead'"),
        };
        sql.add(" WHERE state = 'waiting' AND id = ").value(id).run(&self.0.write).await?;
        Ok(())
    }

    /// The message with that id.
    pub async fn find(&self, id: &str) -> Result<Option<DeliveryRow>> {
        let mut sql = Sql::new("SELECT * FROM delivery WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read).transpose()
    }

    /// Messages, newest first.
    pub async fn list(&self, filter: &DeliveryFilter) -> Result<Page<DeliveryRow>> {
        let mut from = Sql::new(" FROM delivery WHERE 1 = 1");
        from.within("area_path", &filter.areas);
        from.and_if("state =", filter.state.map(DeliveryState::word));
        from.and_if("subscription =", filter.subscription.as_deref());
        let total = from.total(&self.0.read).await?;
        let mut sql = from.with_head("SELECT *");
        page(&mut sql, &filter.page, "made_at", "id", true)?;
        let rows = sql.all(&self.0.read).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(items, &filter.page, total, |row| Cursor {
            key: row.made.made_at.0,
            id: row.made.id.clone(),
        }))
    }

    /// Sends one again that was given up.
    ///
    /// # Errors
    /// `NOT_DEAD` when it was not.
    pub async fn retry(&self, id: &str, now: Timestamp) -> Result<()> {
        let mut sql = Sql::new("UPDATE delivery SET state = 'waiting', attempts = 0, next_at = ");
        sql.value(now.0).add(" WHERE state = 'dead' AND id = ").value(id);
        if sql.run(&self.0.write).await? == 0 {
            return Err(Refusal::plain(&error::NOT_DEAD).into());
        }
        Ok(())
    }

    /// Removes what was sent or given up before a moment; how many.
    pub async fn purge(&self, before: Timestamp) -> Result<u64> {
        let mut sql = Sql::new("DELETE FROM delivery WHERE state <> 'waiting' AND made_at < ");
        sql.value(before.0).run(&self.0.write).await
    }
}

/// Writes a message, unless there is one of that id.
pub(super) async fn insert<C: ConnectionTrait>(db: &C, message: &NewDelivery) -> Result<()> {
    let (subscription, reporter) = match &message.to {
        Recipient::Subscription(id) => (Some(id.clone()), None),
        Recipient::Reporter(name) => (None, Some(name.clone())),
        Recipient::Program(id) => (Some(format!("{}{id}", ngsi_ld::LANE)), None),
    };
    let mut sql = Sql::new(
        "INSERT INTO delivery (id, subscription, reporter, area_path, what, object, made_at, state, \
         attempts, next_at, body) VALUES (",
    );
    sql.values([
        message.id.clone().into(),
        subscription.into(),
        reporter.into(),
        message.area.as_str().into(),
        message.what.clone().into(),
        message.object.clone().into(),
        message.made_at.0.into(),
        DeliveryState::Waiting.word().into(),
        0_i64.into(),
        message.made_at.0.into(),
        message.body.clone().into(),
    ]);
    sql.add(") ON CONFLICT (id) DO NOTHING").run(db).await?;
    Ok(())
}

fn read(row: &QueryResult) -> Result<DeliveryRow> {
    let subscription: Option<String> = row.get("subscription")?;
    let to = match subscription {
        Some(lane) => match lane.strip_prefix(ngsi_ld::LANE) {
            Some(id) => Recipient::Program(id.to_owned()),
            None => Recipient::Subscription(lane),
        },
        None => Recipient::Reporter(row.get("reporter")?),
    };
    Ok(DeliveryRow {
        made: NewDelivery {
            id: row.get("id")?,
            to,
            area: row.path("area_path")?,
            what: row.get("what")?,
            object: row.get("object")?,
            made_at: row.time("made_at")?,
            body: row.get("body")?,
        },
        state: row.word("state", DeliveryState::from_word)?,
        attempts: u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX),
        next_at: row.time("next_at")?,
        tried_at: row.time_if("tried_at")?,
        fault: row.get("fault")?,
    })
}
