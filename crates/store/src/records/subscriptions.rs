//! Subscriptions 订阅: who outside is told of what: a web address, a group chat, a gateway for text
//! messages, an e-mail address.
//!
//! Not here: what is sent and how (`server`), what waits to be sent (`deliveries`). Invariant: nothing of
//! a subscription that is stopped or removed goes on waiting.

use chengmai_model::case::Refusal;
use chengmai_model::{AreaPath, Severity, Timestamp, error};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::audit::{self, AuditRow};
use super::sql::{Columns, Sql};
use super::{Records, Result, proof};
use crate::proof::Source;

/// Most subscriptions of an installation: every event is held against all of them.
pub const SUBSCRIPTIONS_MAX: u64 = 500;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $member:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$each])* $member,)+ }

        impl $name {
            /// All of them, in the order shown to people.
            pub const ALL: &[Self] = &[$(Self::$member,)+];

            /// Its word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$member => $word,)+ }
            }

            /// From its word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.word() == word)
            }
        }
    };
}

words! {
    /// Which way a message goes.
    Channel {
        /// A signed request with JSON.
        Webhook = "webhook",
        /// A group chat of WeCom 企业微信.
        Wecom = "wecom",
        /// A group chat of DingTalk 钉钉.
        Dingtalk = "dingtalk",
        /// A gateway for text messages 短信, in its own words.
        Sms = "sms",
        /// E-mail.
        Email = "email",
    }
}

words! {
    /// What a subscription tells of.
    Matter {
        /// A case comes into other hands.
        Arrived = "arrived",
        /// Any step of a case.
        Step = "step",
        /// A case is given back, fails its check, or is not fixed.
        Returned = "returned",
        /// Somebody urges.
        Urged = "urged",
        /// A case is put under supervision.
        Supervised = "supervised",
        /// A case comes to its end.
        Ended = "ended",
        /// Of a case's clock 80 % is used.
        DueSoon = "due_soon",
        /// A case's clock has run out.
        Overdue = "overdue",
        /// A warning is raised or becomes worse.
        Warning = "warning",
    }
}

/// A subscription.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Which way.
    pub channel: Channel,
    /// Where: a web address, or an e-mail address. May hold a secret of the receiver.
    pub address: String,
    /// Telephone numbers, for text messages.
    pub recipients: String,
    /// The body that a gateway for text messages wants.
    pub template: Option<String>,
    /// What messages are signed with.
    pub secret: Option<String>,
    /// Of what.
    pub matters: Vec<Matter>,
    /// Of warnings at least so bad.
    pub severity_min: Severity,
    /// Of cases of this agency only.
    pub agency: Option<String>,
    /// Of what lies in this area or below.
    pub area: AreaPath,
    /// `zh` or `en`.
    pub language: String,
    /// Whether anything is sent.
    pub active: bool,
    /// Why the program stopped it by itself.
    pub stopped: Option<String>,
    /// Account that made it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
}

/// Addresses and secrets are printed nowhere.
impl std::fmt::Debug for SubscriptionRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubscriptionRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("channel", &self.channel)
            .field("matters", &self.matters)
            .field("area", &self.area)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// Methods on subscriptions.
#[derive(Debug, Clone, Copy)]
pub struct Subscriptions<'a>(pub(super) &'a Records);

impl Subscriptions<'_> {
    /// Adds one.
    ///
    /// # Errors
    /// `SUBSCRIPTIONS_FULL` when there are [`SUBSCRIPTIONS_MAX`].
    pub async fn insert(&self, row: &SubscriptionRow) -> Result<()> {
        let tx = self.0.begin().await?;
        if Sql::new("SELECT count(*) FROM subscription").count(&tx).await? >= SUBSCRIPTIONS_MAX {
            return Err(Refusal::plain(&error::SUBSCRIPTIONS_FULL).into());
        }
        let columns = columns(row);
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut sql = Sql::new("INSERT INTO subscription (id, made_by, made_at, ");
        sql.add(&names.join(", ")).add(") VALUES (");
        let first: [Value; 3] =
            [row.id.clone().into(), row.made_by.clone().into(), row.made_at.0.into()];
        sql.values(first.into_iter().chain(columns.into_iter().map(|(_, value)| value)));
        sql.add(")").run(&tx).await?;
        changed(&tx, &row.id).await?;
        audit::add(&tx, &note(&row.id, &row.made_by, row.made_at, "subscription.made")).await?;
        Ok(tx.commit().await?)
    }

    /// Changes one. What waits of one that is not active any more is given up.
    pub async fn update(&self, row: &SubscriptionRow, by: &str, now: Timestamp) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE subscription SET ");
        for (n, (name, value)) in columns(row).into_iter().enumerate() {
            sql.add(if n > 0 { ", " } else { "" }).add(name).add(" = ").value(value);
        }
        sql.add(" WHERE id = ").value(row.id.as_str());
        if sql.run(&tx).await? == 0 {
            return Err(Refusal::plain(&error::NOT_FOUND).into());
        }
        if !row.active {
            give_up(&tx, &row.id, now).await?;
        }
        changed(&tx, &row.id).await?;
        audit::add(&tx, &note(&row.id, by, now, "subscription.changed")).await?;
        Ok(tx.commit().await?)
    }

    /// Stops one because its receiver wants no more.
    pub async fn stop(&self, id: &str, why: &str, now: Timestamp) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE subscription SET active = 0, stopped = ");
        sql.value(why).add(" WHERE id = ").value(id).run(&tx).await?;
        give_up(&tx, id, now).await?;
        changed(&tx, id).await?;
        Ok(tx.commit().await?)
    }

    /// Removes one with all its messages.
    pub async fn delete(&self, id: &str, by: &str, now: Timestamp) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("DELETE FROM delivery WHERE subscription = ");
        sql.value(id).run(&tx).await?;
        let mut sql = Sql::new("DELETE FROM subscription WHERE id = ");
        sql.value(id).run(&tx).await?;
        changed(&tx, id).await?;
        audit::add(&tx, &note(id, by, now, "subscription.removed")).await?;
        Ok(tx.commit().await?)
    }

    /// The one with that id.
    pub async fn find(&self, id: &str) -> Result<Option<SubscriptionRow>> {
        let mut sql = Sql::new("SELECT * FROM subscription WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read).transpose()
    }

    /// Those whose area lies in one of these or below, by name.
    pub async fn list(&self, areas: &[AreaPath]) -> Result<Vec<SubscriptionRow>> {
        let mut sql = Sql::new("SELECT * FROM subscription WHERE 1 = 1");
        sql.within("area_path", areas).add(" ORDER BY name, id");
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// All that are active.
    pub async fn active(&self) -> Result<Vec<SubscriptionRow>> {
        let sql = Sql::new("SELECT * FROM subscription WHERE active = 1 ORDER BY id");
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }
}

/// Why what waited of a stopped subscription was given up.
pub const STOPPED: &str = "subscription stopped";

/// A leaf of the subscription as it stands now.
async fn changed<C: ConnectionTrait>(db: &C, id: &str) -> Result<()> {
    proof::as_they_stand(db, Source::Subscription, [vec![id.into()]]).await
}

async fn give_up<C: ConnectionTrait>(db: &C, id: &str, now: Timestamp) -> Result<()> {
    let mut sql = Sql::new("UPDATE delivery SET state = 'dead', fault = ");
    sql.value(STOPPED).add(", tried_at = ").value(now.0);
    sql.add(" WHERE state = 'waiting' AND subscription = ").value(id).run(db).await?;
    Ok(())
}

fn note(id: &str, by: &str, at: Timestamp, what: &str) -> AuditRow {
    AuditRow {
        at,
        who: by.to_owned(),
        what: what.to_owned(),
        object: id.to_owned(),
        detail: String::new(),
    }
}

/// What may change of a subscription.
fn columns(row: &SubscriptionRow) -> Vec<(&'static str, Value)> {
    let matters: Vec<&str> = row.matters.iter().map(|matter| matter.word()).collect();
    vec![
        ("name", row.name.clone().into()),
        ("channel", row.channel.word().into()),
        ("address", row.address.clone().into()),
        ("recipients", row.recipients.clone().into()),
        ("template", row.template.clone().into()),
        ("secret", row.secret.clone().into()),
        ("matters", matters.join(" ").into()),
        ("severity_min", i64::from(row.severity_min.number()).into()),
        ("agency", row.agency.clone().into()),
        ("area_path", row.area.as_str().into()),
        ("language", row.language.clone().into()),
        ("active", i64::from(row.active).into()),
        ("stopped", row.stopped.clone().into()),
    ]
}

fn read(row: &QueryResult) -> Result<SubscriptionRow> {
    let severity = u8::try_from(row.count("severity_min")?).ok().and_then(Severity::new);
    let matters: String = row.get("matters")?;
    Ok(SubscriptionRow {
        id: row.get("id")?,
        name: row.get("name")?,
        channel: row.word("channel", Channel::from_word)?,
        address: row.get("address")?,
        recipients: row.get("recipients")?,
        template: row.get("template")?,
        secret: row.get("secret")?,
        matters: matters.split(' ').filter_map(Matter::from_word).collect(),
        severity_min: severity.ok_or_else(|| super::sql::unreadable("severity_min", "?"))?,
        agency: row.get("agency")?,
        area: row.path("area_path")?,
        language: row.get("language")?,
        active: row.count("active")? != 0,
        stopped: row.get("stopped")?,
        made_by: row.get("made_by")?,
        made_at: row.time("made_at")?,
    })
}
