//! Notices 待通知: that something happened which somebody may want to be told, written in the
//! transaction of what happened. They are a queue and not a cursor: whoever turned one into messages
//! removes it in the transaction of the messages, so none is lost and none passed over.
//!
//! Not here: who is told (`server`), what waits to be sent (`deliveries`). Invariant: where nobody has
//! asked to be told anything, nothing is written.

use std::collections::BTreeMap;

use chengmai_model::Timestamp;
use chengmai_model::case::{Case, CaseEvent, CaseId};
use chengmai_model::warning::WarningId;
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::deliveries::{self, NewDelivery};
use super::sql::{Columns, Sql, insert};
use super::warnings::{self, WarningRow};
use super::{Records, Result};

/// What a notice is of.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A step of a case: the case as it stands now, and the step.
    Step(Box<Case>, Box<CaseEvent>),
    /// Of a case's clock 80 % was used at the notice's number, in milliseconds.
    Yellow(Box<Case>),
    /// A clock of a case, or its whole limit, ran out at the notice's number.
    Overdue(Box<Case>),
    /// A warning that stands at its worst so far; the notice's number is that severity.
    Warning(Box<WarningRow>),
    /// What it was of is not there any more.
    Gone,
}

/// A notice.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its place in the queue.
    pub id: i64,
    /// `step`, `yellow`, `overdue`, `warning`.
    pub kind: String,
    /// Number of the case, or id of the warning.
    pub object: String,
    /// Which of its kind: with kind and object it names the notice for good.
    pub number: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What it is of.
    pub news: News,
}

/// A citizen who wants to be told by e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// The name that stands in the case.
    pub reporter: String,
    /// `zh` or `en`.
    pub language: String,
}

/// Methods on notices.
#[derive(Debug, Clone, Copy)]
pub struct Notices<'a>(pub(super) &'a Records);

impl Notices<'_> {
    /// The oldest that wait.
    pub async fn waiting(&self, limit: u32) -> Result<Vec<Notice>> {
        let mut sql =
            Sql::new("SELECT n.*, c.body AS case_body, e.body AS event_body FROM notice n");
        sql.add(" LEFT JOIN \"case\" c ON n.kind <> 'warning' AND c.id = n.object");
        sql.add(" LEFT JOIN case_event e ON n.kind = 'step' AND e.case_id = n.object");
        sql.add(" AND e.seq = n.number ORDER BY n.id LIMIT ").value(i64::from(limit));
        let mut notices = Vec::new();
        for row in sql.all(&self.0.read).await? {
            notices.push(self.read(&row).await?);
        }
        Ok(notices)
    }

    async fn read(&self, row: &QueryResult) -> Result<Notice> {
        let (kind, object): (String, String) = (row.get("kind")?, row.get("object")?);
        let case = || row.json_if::<Case>("case_body").map(|case| case.map(Box::new));
        let news = match kind.as_str() {
            "step" => {
                let event = row.json_if::<CaseEvent>("event_body")?.map(Box::new);
                case()?.zip(event).map(|(case, event)| News::Step(case, event))
            }
            "yellow" => case()?.map(News::Yellow),
            "overdue" => case()?.map(News::Overdue),
            _ => match WarningId::parse(&object) {
                Some(id) => {
                    let row = warnings::find(&self.0.read, id).await?;
                    row.map(|row| News::Warning(Box::new(row)))
                }
                None => None,
            },
        };
        let news = news.unwrap_or(News::Gone);
        Ok(Notice {
            id: row.get("id")?,
            number: row.get("number")?,
            at: row.time("at")?,
            kind,
            object,
            news,
        })
    }

    /// Those who want e-mail about these cases, by the number of the case.
    pub async fn followers(&self, cases: &[String]) -> Result<BTreeMap<String, Vec<Follower>>> {
        let mut followers: BTreeMap<String, Vec<Follower>> = BTreeMap::new();
        if cases.is_empty() {
            return Ok(followers);
        }
        let mut sql = Sql::new("SELECT reporter, case_id, language FROM case_contact");
        sql.add(" WHERE mails = 1 AND email IS NOT NULL AND case_id IN (");
        sql.values(cases.iter().map(|id| id.clone().into())).add(") ORDER BY reporter");
        for row in sql.all(&self.0.read).await? {
            let follower =
                Follower { reporter: row.get("reporter")?, language: row.get("language")? };
            followers.entry(row.get("case_id")?).or_default().push(follower);
        }
        Ok(followers)
    }

    /// Puts messages in place of the notices they came from. A message that was made before is left as
    /// it is.
    pub async fn settle(&self, done: &[i64], messages: &[NewDelivery]) -> Result<()> {
        let tx = self.0.begin().await?;
        for message in messages {
            deliveries::insert(&tx, message).await?;
        }
        if !done.is_empty() {
            let mut sql = Sql::new("DELETE FROM notice WHERE id IN (");
            sql.values(done.iter().map(|&id| id.into())).add(")").run(&tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Notes the clocks of open cases that turned yellow or ran out after `from` and not after `to`; how
    /// many. Saying the same time twice gives notices of the same names.
    pub async fn look_at_clocks(&self, from: Timestamp, to: Timestamp) -> Result<u64> {
        let tx = self.0.begin().await?;
        if Sql::new(SUBSCRIBED).count(&tx).await? == 0 {
            return Ok(0);
        }
        let mut noted = 0;
        for (kind, column) in [
            ("yellow", "clock_yellow"),
            ("overdue", "clock_due"),
            ("overdue", "coalesce(due_at, 9223372036854775807)"),
        ] {
            let mut sql = Sql::new(HEAD);
            sql.add(&format!(" SELECT '{kind}', id, {column}, {column} FROM \"case\""));
            sql.add(&format!(" WHERE closed_at IS NULL AND {column} > ")).value(from.0);
            sql.add(&format!(" AND {column} <= ")).value(to.0);
            noted += sql.run(&tx).await?;
        }
        tx.commit().await?;
        Ok(noted)
    }
}

const HEAD: &str = "INSERT INTO notice (kind, object, number, at)";
/// How many subscriptions are active.
const SUBSCRIBED: &str = "SELECT count(*) FROM subscription WHERE active = 1";
/// Whether anybody wants to be told of cases: a subscription, or a citizen.
const WANTED: &str = "SELECT CASE WHEN EXISTS (SELECT 1 FROM subscription WHERE active = 1) \
    OR EXISTS (SELECT 1 FROM case_contact WHERE mails = 1) THEN 1 ELSE 0 END AS wanted";

/// The values of a step's notice.
pub(super) fn of_step(case: Value, number: Value, at: Value) -> Vec<Value> {
    vec!["step".into(), case, number, at]
}

/// Notes the steps of a case.
pub(super) async fn steps<C: ConnectionTrait>(
    db: &C,
    id: &CaseId,
    events: &[CaseEvent],
) -> Result<()> {
    let row = |event: &CaseEvent| {
        of_step(id.to_string().into(), i64::from(event.seq).into(), event.at.0.into())
    };
    write(db, events.iter().map(row).collect()).await
}

/// Notes what is made of these values, if anybody wants it.
pub(super) async fn write<C: ConnectionTrait>(db: &C, rows: Vec<Vec<Value>>) -> Result<()> {
    // PostgreSQL takes it for a number of half the width.
    let row = Sql::new(&format!("SELECT CAST(wanted AS BIGINT) AS wanted FROM ({WANTED}) AS w"));
    if row.count(db).await? == 0 {
        return Ok(());
    }
    insert(db, HEAD, &rows).await
}

/// Notes a warning that is shown, waits for an answer, and was never worse.
pub(super) async fn warning<C: ConnectionTrait>(db: &C, row: &WarningRow) -> Result<()> {
    let asks = row.answered_at.is_none() && row.cleared_at.is_none() && row.held.is_none();
    if !asks || row.severity < row.peak_severity {
        return Ok(());
    }
    let mut sql = Sql::new(HEAD);
    sql.add(" SELECT 'warning', id, severity, changed_at FROM warning WHERE id = ");
    sql.value(row.id.to_string());
    sql.add(" AND EXISTS (SELECT 1 FROM subscription WHERE active = 1)").run(db).await?;
    Ok(())
}
