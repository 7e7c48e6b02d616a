//! Alerts 对外预警: what the city tells the outside of its warnings, one message after the other.
//!
//! A warning is told once somebody answered that it is real (confirmed or filed) while its cause stands: an
//! alert; when its severity changes, an update; when its cause is gone, a cancel. A message is written in
//! the transaction of what it tells, so none is lost, and a replay that changes no warning writes none.
//!
//! What it is not: the bytes of any standard (`wire::cap`), nor a signature (`server`). Invariants: a
//! message is frozen, but for the path of its area, which follows the codes; its text is written once;
//! nobody who answered is named in it.

use chengmai_model::warning::WarningId;
use chengmai_model::{Actor, AreaPath, Severity, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult};
use serde::{Deserialize, Serialize};

use super::page::{Cursor, page};
use super::sql::{Columns, Sql, to_json};
use super::warnings::{WarningFacts, WarningRow, WarningState};
use super::{Page, PageRequest, Records, Result, proof};
use crate::proof::Source;

/// Times of messages are whole seconds: the standard's have no parts of them.
const SECOND_MS: i64 = chengmai_model::time::SECOND_MS;

/// What a message does to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// The first one.
    Alert,
    /// Replaces them.
    Update,
    /// It is over.
    Cancel,
}

impl AlertKind {
    const ALL: [Self; 3] = [Self::Alert, Self::Update, Self::Cancel];

    /// Its word: `alert`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Update => "update",
            Self::Cancel => "cancel",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A message that a later one refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its identifier.
    pub id: String,
    /// When it was sent.
    pub sent: Timestamp,
}

/// What a message says of its warning, as it stood then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertBody {
    /// How bad.
    pub severity: Severity,
    /// When the warning was raised.
    pub raised_at: Timestamp,
    /// When its cause was gone.
    pub ended_at: Option<Timestamp>,
    /// A person answered, not a rule that files by itself.
    pub by_person: bool,
    /// The messages before it since the last one that began, oldest first.
    pub earlier: Vec<Earlier>,
    /// What is said of the warning.
    pub facts: WarningFacts,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRow {
    /// Its identifier: the warning's, and its number in three digits.
    pub id: String,
    /// Which warning it is of.
    pub warning: WarningId,
    /// Which of the warning's messages, from 1.
    pub number: i64,
    /// What it does to those before it.
    pub kind: AlertKind,
    /// When, in whole seconds.
    pub sent: Timestamp,
    /// The smallest area known.
    pub area: AreaPath,
    /// What it says.
    pub body: AlertBody,
    /// As it was first given to somebody, signed; none before.
    pub text: Option<String>,
}

impl AlertRow {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.sent.0, id: self.id.clone() }
    }
}

/// Methods on alerts.
#[derive(Debug, Clone, Copy)]
pub struct Alerts<'a>(pub(super) &'a Records);

impl Alerts<'_> {
    /// Messages of these areas and below, the newest first. No areas: nothing.
    pub async fn list(&self, areas: &[AreaPath], request: &PageRequest) -> Result<Page<AlertRow>> {
        let mut from = Sql::new(" FROM alert WHERE 1 = 1");
        from.within("area_path", areas);
        let total = from.total(&self.0.read).await?;
        let mut sql = from.with_head("SELECT *");
        page(&mut sql, request, "sent", "id", true)?;
        let rows = sql.all(&self.0.read).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(items, request, total, AlertRow::cursor))
    }

    /// The message with that identifier.
    pub async fn find(&self, id: &str) -> Result<Option<AlertRow>> {
        let mut sql = Sql::new("SELECT * FROM alert WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read).transpose()
    }

    /// When the first message of all was sent.
    pub async fn first(&self) -> Result<Option<Timestamp>> {
        let row = Sql::new("SELECT min(sent) AS sent FROM alert").one(&self.0.read).await?;
        row.map_or(Ok(None), |row| row.time_if("sent"))
    }

    /// Keeps the text of a message for good and returns the one that is kept: of two who made one at the
    /// same moment, the first one's.
    pub async fn keep_text(&self, id: &str, text: &str) -> Result<Option<String>> {
        let mut sql = Sql::new("UPDATE alert SET text = ");
        sql.value(text).add(" WHERE text IS NULL AND id = ").value(id).run(&self.0.write).await?;
        let mut sql = Sql::new("SELECT text FROM alert WHERE id = ");
        let row = sql.value(id).one(&self.0.write).await?;
        row.map_or(Ok(None), |row| row.get("text"))
    }
}

/// Writes what is to be told of a warning that changed, if anything is.
pub(super) async fn note<C: ConnectionTrait>(
    db: &C,
    row: &WarningRow,
    at: Timestamp,
) -> Result<()> {
    let is_real = matches!(row.state, WarningState::Confirmed | WarningState::Filed);
    // An answer that it is real is never taken back, so without one there is no message to follow up.
    if !is_real {
        return Ok(());
    }
    let mut sql = Sql::new("SELECT * FROM alert WHERE warning = ");
    sql.value(row.id.to_string()).add(" ORDER BY number DESC LIMIT 1");
    let last = sql.one(db).await?.as_ref().map(read).transpose()?;
    let live = last.as_ref().filter(|last| last.kind != AlertKind::Cancel);
    let kind = match (live, row.cleared_at) {
        (None, None) => AlertKind::Alert,
        (Some(last), None) if last.body.severity != row.severity => AlertKind::Update,
        (Some(_), Some(_)) => AlertKind::Cancel,
        _ => return Ok(()),
    };
    let earlier = live.map(|last| {
        let mut earlier = last.body.earlier.clone();
        earlier.push(Earlier { id: last.id.clone(), sent: last.sent });
        earlier
    });
    let number = last.as_ref().map_or(1, |last| last.number + 1);
    let sent = at.max(last.as_ref().map_or(at, |last| last.sent));
    let was_person = live.is_some_and(|last| last.body.by_person);
    let body = AlertBody {
        severity: row.severity,
        raised_at: row.raised_at,
        ended_at: row.cleared_at,
        // What a person confirmed stays so when a rule files it later.
        by_person: was_person || row.answered_by.as_deref() != Some(Actor::PROGRAM),
        earlier: earlier.unwrap_or_default(),
        facts: row.facts.clone(),
    };
    let id = format!("{}-{number:03}", row.id);
    let mut sql =
        Sql::new("INSERT INTO alert (id, warning, number, kind, sent, area_path, body) VALUES (");
    sql.values([
        id.clone().into(),
        row.id.to_string().into(),
        number.into(),
        kind.word().into(),
        sent.window_start(SECOND_MS, 0).0.into(),
        row.area.as_str().into(),
        to_json(&body).into(),
    ]);
    sql.add(")").run(db).await?;
    proof::as_they_stand(db, Source::Alert, [vec![id.into()]]).await
}

fn read(row: &QueryResult) -> Result<AlertRow> {
    Ok(AlertRow {
        id: row.get("id")?,
        warning: row.word("warning", WarningId::parse)?,
        number: row.get("number")?,
        kind: row.word("kind", AlertKind::from_word)?,
        sent: row.time("sent")?,
        area: row.path("area_path")?,
        body: row.json("body")?,
        text: row.get("text")?,
    })
}
