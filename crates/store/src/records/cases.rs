//! Cases 案件 and their events. A case row is only a copy, with columns to filter by, of what its events
//! add up to; both are written in one transaction.

use chengmai_engine::case::{apply, replay};
use chengmai_model::case::{Case, CaseEvent, CaseId, Refusal, StageClock};
use chengmai_model::{Timestamp, error};
use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult, Value};

use super::sql::{Columns, Sql, to_json};
use super::warnings::{self, Answered, WarningState};
use super::{Records, RecordsError, Result};

pub use super::case_query::{
    AgencyCounts, CaseFilter, CaseOrder, CaseStateFilter, CaseSummary, TypeCount,
};

/// A case that was filed, or the one that was filed before from the same warning or import.
#[derive(Debug, Clone, PartialEq)]
pub struct Filed {
    /// The case, with its number.
    pub case: Case,
    /// False when it was there already; nothing was changed then.
    pub created: bool,
}

/// How an import went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Cases added.
    pub added: u64,
    /// Cases that an earlier import had added; nothing was changed.
    pub known: u64,
}

/// Methods on cases.
#[derive(Debug, Clone, Copy)]
pub struct Cases<'a>(pub(super) &'a Records);

impl Cases<'_> {
    /// Files a case from its first events (see `engine::case::file`; further events such as a dispatch
    /// may follow). `draft` carries no serial: it is given here. When the filing names a warning, the
    /// warning is answered with it in the same transaction; one case per warning and per external
    /// number.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such warning, `ALREADY_ANSWERED` when it was dismissed.
    pub async fn file(
        &self,
        draft: CaseId,
        events: &[CaseEvent],
        note: Option<&str>,
    ) -> Result<Filed> {
        let tx = self.0.begin().await?;
        let filed = file(&tx, draft, events, note).await?;
        tx.commit().await?;
        Ok(filed)
    }

    /// Files many cases in one transaction: all or none.
    pub async fn import(&self, cases: &[(CaseId, Vec<CaseEvent>)]) -> Result<Imported> {
        let tx = self.0.begin().await?;
        let mut imported = Imported::default();
        for (draft, events) in cases {
            let created = file(&tx, draft.clone(), events, None).await?.created;
            imported.added += u64::from(created);
            imported.known += u64::from(!created);
        }
        tx.commit().await?;
        Ok(imported)
    }

    /// Appends events that were decided on `before`. Returns the case after them.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` when someone else's step came in between: decide afresh.
    pub async fn append(&self, before: &Case, events: &[CaseEvent]) -> Result<Case> {
        let mut case = before.clone();
        for event in events {
            apply(&mut case, event);
        }
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE \"case\" SET ");
        for (n, (column, value)) in columns(&case).into_iter().enumerate() {
            sql.add(if n > 0 { ", " } else { "" }).add(column).add(" = ").value(value);
        }
        sql.add(" WHERE id = ").value(case.id.to_string());
        sql.add(" AND seq = ").value(i64::from(before.seq));
        if sql.run(&tx).await? == 0 {
            return Err(Refusal::new(
                &error::NOT_ALLOWED_NOW,
                "其他人刚刚处理了该案件，请刷新后重试",
                "someone else took a step on this case just now; reload and try again",
            )
            .into());
        }
        write_events(&tx, &case.id, events).await?;
        tx.commit().await?;
        Ok(case)
    }

    /// The case with that number.
    pub async fn find(&self, id: &CaseId) -> Result<Option<Case>> {
        find(&self.0.read, "id", &id.to_string()).await
    }

    /// The cases that were merged into this one and still follow it.
    pub async fn merged_into(&self, id: &CaseId) -> Result<Vec<Case>> {
        let mut sql = Sql::new("SELECT body FROM \"case\" WHERE parent = ");
        sql.value(id.to_string()).add(" AND closed_at IS NULL ORDER BY id");
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// The whole history of a case, in order.
    pub async fn events(&self, id: &CaseId) -> Result<Vec<CaseEvent>> {
        let mut sql = Sql::new("SELECT body FROM case_event WHERE case_id = ");
        sql.value(id.to_string()).add(" ORDER BY seq");
        sql.all(&self.0.read).await?.iter().map(|row| row.json("body")).collect()
    }
}

async fn file(
    tx: &DatabaseTransaction,
    mut draft: CaseId,
    events: &[CaseEvent],
    note: Option<&str>,
) -> Result<Filed> {
    let first = events.first().and_then(|e| e.filing.as_deref().map(|f| (e, f)));
    let (event, filing) =
        first.ok_or_else(|| RecordsError::Unreadable("a case begins with its filing".into()))?;
    let (warning, external) = (filing.warning, &filing.external);
    for (column, key) in
        [("warning", warning.map(|w| w.to_string())), ("external", external.clone())]
    {
        let Some(key) = key else { continue };
        if let Some(case) = find(tx, column, &key).await? {
            return Ok(Filed { case, created: false });
        }
    }
    draft.serial = next_serial(tx, &draft).await?;
    let case = replay(draft, events)
        .ok_or_else(|| RecordsError::Unreadable("the events of a case have a gap".into()))?;
    let link = Answered { by: &event.actor, note, now: event.at };
    if let Some(id) = warning {
        let row = warnings::find(tx, id).await?.ok_or_else(|| Refusal::plain(&error::NOT_FOUND))?;
        if !matches!(
            row.state,
            WarningState::Raised | WarningState::Confirmed | WarningState::Cleared
        ) {
            return Err(warnings::already_answered(&row).into());
        }
        warnings::set_answer(tx, id, WarningState::Filed, Some(&case.id), &link).await?;
    }
    insert(tx, &case).await?;
    write_events(tx, &case.id, events).await?;
    Ok(Filed { case, created: true })
}

/// The next serial of a code and day. Part of the transaction that uses it, so none is lost.
async fn next_serial(tx: &DatabaseTransaction, draft: &CaseId) -> Result<u32> {
    let mut sql = Sql::new("INSERT INTO case_serial (code, day, last) VALUES (");
    sql.values([draft.code.as_str().into(), draft.date.to_string().into(), 1_i64.into()]);
    sql.add(") ON CONFLICT (code, day) DO UPDATE SET last = last + 1 RETURNING last");
    let last = sql.count(tx).await?;
    u32::try_from(last).map_err(|e| RecordsError::Unreadable(format!("case serial {last}: {e}")))
}

async fn insert(tx: &DatabaseTransaction, case: &Case) -> Result<()> {
    let columns = columns(case);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut sql = Sql::new("INSERT INTO \"case\" (id, ");
    sql.add(&names.join(", ")).add(") VALUES (").value(case.id.to_string()).add(", ");
    sql.values(columns.into_iter().map(|(_, value)| value)).add(")");
    sql.run(tx).await?;
    Ok(())
}

async fn write_events(tx: &DatabaseTransaction, id: &CaseId, events: &[CaseEvent]) -> Result<()> {
    for event in events {
        let mut sql = Sql::new("INSERT INTO case_event (case_id, seq, at, body) VALUES (");
        sql.values([
            id.to_string().into(),
            i64::from(event.seq).into(),
            event.at.0.into(),
            to_json(event).into(),
        ]);
        sql.add(")").run(tx).await?;
    }
    Ok(())
}

async fn find<C: ConnectionTrait>(db: &C, column: &str, key: &str) -> Result<Option<Case>> {
    let mut sql = Sql::new("SELECT body FROM \"case\" WHERE ");
    sql.add(column).add(" = ").value(key);
    sql.one(db).await?.as_ref().map(read).transpose()
}

/// A case from its row.
pub(super) fn read(row: &QueryResult) -> Result<Case> {
    row.json("body")
}

/// The columns of a case besides its id.
fn columns(case: &Case) -> Vec<(&'static str, Value)> {
    let time = |t: Option<Timestamp>| Value::from(t.map(|t| t.0));
    let filing = &case.filing;
    let words = format!(
        "{} {} {} {} {} {}",
        case.id,
        filing.title.zh,
        filing.title.en,
        filing.type_name.zh,
        filing.type_name.en,
        filing.description
    );
    vec![
        ("seq", i64::from(case.seq).into()),
        ("type_id", filing.type_id.clone().into()),
        ("type_zh", filing.type_name.zh.clone().into()),
        ("type_en", filing.type_name.en.clone().into()),
        ("words", words.to_lowercase().into()),
        ("state", case.state.word().into()),
        ("severity", i64::from(filing.severity.number()).into()),
        ("area_path", case.area.as_str().into()),
        ("agency", case.agency.clone().into()),
        ("holder_role", case.holder.role.word().into()),
        ("holder_area", case.holder.area.as_str().into()),
        ("filed_at", case.filed_at.0.into()),
        ("due_at", time(case.due_at)),
        ("clock_started", time(case.clock.as_ref().map(|c| c.started_at))),
        ("clock_yellow", time(case.clock.as_ref().map(StageClock::yellow_at))),
        ("clock_due", time(case.clock.as_ref().map(|c| c.due_at))),
        ("reported_at", time(case.reported_at)),
        ("parent", case.circumstances.parent.as_ref().map(ToString::to_string).into()),
        ("reporter", filing.reporter.clone().into()),
        ("joined", i64::from(case.joined).into()),
        ("closed_at", time(case.closed_at)),
        ("on_time", case.on_time.map(i64::from).into()),
        ("returns", i64::from(case.returns).into()),
        ("reworks", i64::from(case.reworks).into()),
        ("warning", filing.warning.map(|w| w.to_string()).into()),
        ("external", filing.external.clone().into()),
        ("body", to_json(case).into()),
    ]
}
