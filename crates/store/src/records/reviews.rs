//! Reviews 复盘 on record: what was found about an incident (a warning or a case), and the improvement
//! tasks 改进任务 that came of it. Findings are append-only; a task is closed once, with evidence.

use chengmai_model::case::Refusal;
use chengmai_model::{AreaPath, Timestamp, error};
use sea_orm::QueryResult;

use super::audit::{self, AuditRow};
use super::sql::{Columns, Sql};
use super::{Records, Result, proof};
use crate::proof::Source;

/// Most rows of a list here; reviews are few.
const ROWS_MAX: i64 = 1_000;

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRow {
    /// Its number.
    pub id: i64,
    /// Id of the warning or case.
    pub incident: String,
    /// Where that was.
    pub area: AreaPath,
    /// When it was written.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Class of the cause: `late_answer`, `rule`, `device`, ...
    pub cause: String,
    /// What was found.
    pub text: String,
}

/// Something to be made better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its number.
    pub id: i64,
    /// Id of the warning or case it comes from.
    pub incident: String,
    /// Where that was.
    pub area: AreaPath,
    /// What is to be done.
    pub text: String,
    /// The agency that owns it.
    pub agency: Option<String>,
    /// Or the person.
    pub person: Option<String>,
    /// When it was given.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// By when it must be done.
    pub due_at: Timestamp,
    /// When it was done; `None` while open.
    pub done_at: Option<Timestamp>,
    /// By whom.
    pub done_by: Option<String>,
    /// What shows that it is done.
    pub evidence: Option<String>,
}

/// An incident that was looked back on: something was found, or a task given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// Id of the warning or case.
    pub incident: String,
    /// Where that was.
    pub area: AreaPath,
    /// When the last finding was written or task given.
    pub at: Timestamp,
    /// How many findings.
    pub findings: u64,
    /// How many tasks.
    pub tasks: u64,
    /// Of these not done.
    pub open: u64,
    /// When the first of the open ones is due.
    pub due_at: Option<Timestamp>,
}

/// Which tasks. `areas` must be the caller's own or below.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// Of this incident.
    pub incident: Option<String>,
    /// Only open ones.
    pub open: bool,
    /// Only those of this person, or of this agency.
    pub owner: Option<(String, Option<String>)>,
}

/// Methods on reviews.
#[derive(Debug, Clone, Copy)]
pub struct Reviews<'a>(pub(super) &'a Records);

impl Reviews<'_> {
    /// Adds a finding.
    pub async fn add_finding(&self, row: &FindingRow) -> Result<()> {
        let mut sql = Sql::new(
            "INSERT INTO finding (incident, area_path, at, made_by, cause, text) VALUES (",
        );
        sql.values([
            row.incident.clone().into(),
            row.area.as_str().into(),
            row.at.0.into(),
            row.by.clone().into(),
            row.cause.clone().into(),
            row.text.clone().into(),
        ]);
        let tx = self.0.begin().await?;
        let id = sql.add(") RETURNING id").count(&tx).await?.cast_signed();
        proof::as_they_stand(&tx, Source::Finding, [vec![id.into()]]).await?;
        Ok(tx.commit().await?)
    }

    /// Findings in these areas, of one incident or of all, oldest first.
    pub async fn findings(
        &self,
        areas: &[AreaPath],
        incident: Option<&str>,
    ) -> Result<Vec<FindingRow>> {
        let mut sql = Sql::new("SELECT * FROM finding WHERE 1 = 1");
        sql.within("area_path", areas).and_if("incident =", incident);
        sql.add(" ORDER BY id LIMIT ").value(ROWS_MAX);
        sql.all(&self.0.read).await?.iter().map(read_finding).collect()
    }

    /// Incidents that were looked back on in these areas: those with open tasks first, then the newest.
    pub async fn list(&self, areas: &[AreaPath]) -> Result<Vec<ReviewRow>> {
        let mut sql = Sql::new(
            "SELECT incident, min(area_path) AS area_path, max(at) AS at, count(found) AS findings, \
             count(*) - count(found) AS tasks, count(open) AS open_n, min(due) AS due FROM ( \
             SELECT incident, area_path, at, 1 AS found, NULL AS open, NULL AS due \
             FROM finding \
             UNION ALL SELECT incident, area_path, at, NULL, CASE WHEN done_at IS NULL \
             THEN 1 END, CASE WHEN done_at IS NULL THEN due_at END FROM task) AS said WHERE 1 = 1",
        );
        sql.within("area_path", areas).add(" GROUP BY incident");
        sql.add(" ORDER BY count(open) = 0, max(at) DESC, incident LIMIT ").value(ROWS_MAX);
        sql.all(&self.0.read).await?.iter().map(read_review).collect()
    }

    /// Gives a task. Returns it with its number.
    pub async fn add_task(&self, row: &TaskRow) -> Result<TaskRow> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new(
            "INSERT INTO task (incident, area_path, text, agency, person, at, made_by, due_at) \
             VALUES (",
        );
        sql.values([
            row.incident.clone().into(),
            row.area.as_str().into(),
            row.text.clone().into(),
            row.agency.clone().into(),
            row.person.clone().into(),
            row.at.0.into(),
            row.by.clone().into(),
            row.due_at.0.into(),
        ]);
        let id = sql.add(") RETURNING id").count(&tx).await?.cast_signed();
        proof::as_they_stand(&tx, Source::Task, [vec![id.into()]]).await?;
        tx.commit().await?;
        Ok(TaskRow { id, ..row.clone() })
    }

    /// Tasks, the open ones first, the longest due first.
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<Vec<TaskRow>> {
        let mut sql = Sql::new("SELECT * FROM task WHERE 1 = 1");
        sql.within("area_path", &filter.areas);
        sql.and_if("incident =", filter.incident.as_deref());
        if filter.open {
            sql.add(" AND done_at IS NULL");
        }
        if let Some((person, agency)) = &filter.owner {
            sql.add(" AND (person = ").value(person.as_str());
            sql.add(" OR agency = ").value(agency.as_deref()).add(")");
        }
        sql.add(" ORDER BY done_at IS NOT NULL, due_at, id LIMIT ").value(ROWS_MAX);
        sql.all(&self.0.read).await?.iter().map(read_task).collect()
    }

    /// The task with that number.
    pub async fn find_task(&self, id: i64) -> Result<Option<TaskRow>> {
        let mut sql = Sql::new("SELECT * FROM task WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read_task).transpose()
    }

    /// Closes an open task, with a line in the audit.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` when it is done already.
    pub async fn finish_task(
        &self,
        id: i64,
        by: &str,
        evidence: &str,
        now: Timestamp,
    ) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE task SET done_at = ");
        sql.value(now.0).add(", done_by = ").value(by).add(", evidence = ").value(evidence);
        sql.add(" WHERE done_at IS NULL AND id = ").value(id);
        if sql.run(&tx).await? == 0 {
            return Err(Refusal::plain(&error::NOT_ALLOWED_NOW).into());
        }
        proof::as_they_stand(&tx, Source::Task, [vec![id.into()]]).await?;
        let line = AuditRow {
            at: now,
            who: by.to_owned(),
            what: "task.done".to_owned(),
            object: id.to_string(),
            detail: String::new(),
        };
        audit::add(&tx, &line).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn read_review(row: &QueryResult) -> Result<ReviewRow> {
    Ok(ReviewRow {
        incident: row.get("incident")?,
        area: row.path("area_path")?,
        at: row.time("at")?,
        findings: row.count("findings")?,
        tasks: row.count("tasks")?,
        open: row.count("open_n")?,
        due_at: row.time_if("due")?,
    })
}

fn read_finding(row: &QueryResult) -> Result<FindingRow> {
    Ok(FindingRow {
        id: row.get("id")?,
        incident: row.get("incident")?,
        area: row.path("area_path")?,
        at: row.time("at")?,
        by: row.get("made_by")?,
        cause: row.get("cause")?,
        text: row.get("text")?,
    })
}

fn read_task(row: &QueryResult) -> Result<TaskRow> {
    Ok(TaskRow {
        id: row.get("id")?,
        incident: row.get("incident")?,
        area: row.path("area_path")?,
        text: row.get("text")?,
        agency: row.get("agency")?,
        person: row.get("person")?,
        at: row.time("at")?,
        by: row.get("made_by")?,
        due_at: row.time("due_at")?,
        done_at: row.time_if("done_at")?,
        done_by: row.get("done_by")?,
        evidence: row.get("evidence")?,
    })
}
