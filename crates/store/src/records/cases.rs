//! Cases 案件 and their events. A case row is only a copy, with columns to filter by, of what its events
//! add up to; both are written in one transaction.

use chengmai_engine::case::{apply, replay};
use chengmai_model::case::{Case, CaseEvent, CaseId, Refusal, StageClock};
use chengmai_model::{Timestamp, error};
use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult, Value};

use super::sql::{Columns, Sql, insert, to_json, unreadable};
use super::warnings::{self, Answered, WarningState};
use super::{Records, RecordsError, Result, words};
use super::{keys, notices, proof};

pub use super::case_query::{
    AgencyCounts, CaseFilter, CaseOrder, CaseStateFilter, CaseSummary, TypeCount,
};
pub use super::case_scan::{CaseScan, NewestCases};
pub use super::import::Imported;
pub use super::keys::RequestKey;

/// A case that was filed, or the one that was filed before from the same warning or import.
#[derive(Debug, Clone, PartialEq)]
pub struct Filed {
    /// The case, with its number.
    pub case: Case,
    /// False when it was there already; nothing was changed then.
    pub created: bool,
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
        if filed.created {
            notices::steps(&tx, &filed.case.id, events).await?;
        }
        tx.commit().await?;
        Ok(filed)
    }

    /// As [`Self::file`], once under this key: the second time the case is the first's.
    ///
    /// # Errors
    /// `KEY_REUSED` when something else was asked under the key.
    pub async fn file_once(
        &self,
        draft: CaseId,
        events: &[CaseEvent],
        key: &RequestKey,
    ) -> Result<Filed> {
        let tx = self.0.begin().await?;
        if let Some(id) = keys::done_under(&tx, key).await? {
            let id = id.to_string();
            let case = find(&tx, "id", &id).await?.ok_or_else(|| unreadable("case_id", &id))?;
            return Ok(Filed { case, created: false });
        }
        let filed = file(&tx, draft, events, None).await?;
        key.insert(&filed.case.id, filed.case.seq).run(&tx).await?;
        tx.commit().await?;
        Ok(filed)
    }

    /// Appends events that were decided on `before`. Returns the case after them.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` when someone else's step came in between: decide afresh.
    pub async fn append(&self, before: &Case, events: &[CaseEvent]) -> Result<Case> {
        self.append_once(before, events, None).await
    }

    /// As [`Self::append`], once under this key.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` also when something was done under the key: see [`Self::done_under`].
    pub async fn append_once(
        &self,
        before: &Case,
        events: &[CaseEvent],
        key: Option<&RequestKey>,
    ) -> Result<Case> {
        let mut case = before.clone();
        for event in events {
            apply(&mut case, event);
        }
        self.0.steps.append(before, &case, events, key).await?;
        Ok(case)
    }

    /// When the first of all was filed.
    pub async fn first(&self) -> Result<Option<Timestamp>> {
        let row = Sql::new("SELECT min(filed_at) AS at FROM \"case\"").one(&self.0.read).await?;
        row.map_or(Ok(None), |row| row.time_if("at"))
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

    /// Cases that were closed with others still merged into them: the program stopped between the two.
    pub async fn with_merged_left(&self) -> Result<Vec<Case>> {
        let sql = Sql::new(
            "SELECT body FROM \"case\" WHERE state IN ('closed', 'forced_closed') AND id IN \
             (SELECT parent FROM \"case\" WHERE parent IS NOT NULL AND closed_at IS NULL) ORDER BY id",
        );
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// The whole history of a case, in order.
    pub async fn events(&self, id: &CaseId) -> Result<Vec<CaseEvent>> {
        let mut sql = Sql::new("SELECT body FROM case_event WHERE case_id = ");
        sql.value(id.to_string()).add(" ORDER BY seq");
        sql.all(&self.0.read).await?.iter().map(|row| row.json("body")).collect()
    }
}

/// Writes a new case. The caller notes its steps once all that belongs to it is written.
pub(super) async fn file(
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
    draft.serial = serials(tx, &draft, 1).await?;
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
    insert_all(tx, &[(case.clone(), events)]).await?;
    Ok(Filed { case, created: true })
}

/// Takes the next serials of a code and day, and returns the first. Part of the transaction that uses
/// them, so none is lost.
pub(super) async fn serials(tx: &DatabaseTransaction, draft: &CaseId, taken: u32) -> Result<u32> {
    let mut sql = Sql::new("INSERT INTO case_serial (code, day, last) VALUES (");
    let (code, day) = (draft.code.as_str(), draft.date.to_string());
    sql.values([code.into(), day.into(), i64::from(taken).into()]);
    sql.add(") ON CONFLICT (code, day) DO UPDATE SET last = case_serial.last + excluded.last");
    let last = sql.add(" RETURNING last").count(tx).await?;
    let first = u32::try_from(last).ok().and_then(|last| (last + 1).checked_sub(taken));
    first.ok_or_else(|| RecordsError::Unreadable(format!("case serial {last}")))
}

/// Writes new cases with their events.
pub(super) async fn insert_all(
    tx: &DatabaseTransaction,
    cases: &[(Case, &[CaseEvent])],
) -> Result<()> {
    let Some((first, _)) = cases.first() else { return Ok(()) };
    let names: Vec<&str> = columns(first).iter().map(|(name, _)| *name).collect();
    let head = format!("INSERT INTO \"case\" (id, {})", names.join(", "));
    let row = |case: &Case| {
        let values = columns(case).into_iter().map(|(_, value)| value);
        std::iter::once(case.id.to_string().into()).chain(values).collect()
    };
    let rows: Vec<Vec<Value>> = cases.iter().map(|(case, _)| row(case)).collect();
    insert(tx, &head, &rows).await?;
    let grams = |case: &Case| words::row(case.id.to_string(), &words_of(case));
    words::write(tx, cases.iter().map(|(case, _)| grams(case))).await?;
    let events =
        cases.iter().flat_map(|(case, events)| events.iter().map(|e| event_row(&case.id, e)));
    let events: Vec<Vec<Value>> = events.collect();
    insert(tx, EVENT_HEAD, &events).await?;
    proof::case_events(tx, &events).await
}

/// How an event is inserted; its values are an [`event_row`].
pub(super) const EVENT_HEAD: &str = "INSERT INTO case_event (case_id, seq, at, body)";

/// The values of an event.
pub(super) fn event_row(id: &CaseId, event: &CaseEvent) -> Vec<Value> {
    vec![
        id.to_string().into(),
        i64::from(event.seq).into(),
        event.at.0.into(),
        to_json(event).into(),
    ]
}

async fn find<C: ConnectionTrait>(db: &C, column: &str, key: &str) -> Result<Option<Case>> {
    let mut sql = Sql::new("SELECT body FROM \"case\" WHERE ");
    sql.add(column).add(" = ").value(key);
    sql.one(db).await?.as_ref().map(read).transpose()
}

/// The last moment that an evaluation may count of a case that has come to its end: its deadlines may lie
/// after it, and so may what the reporter said.
fn facts_until(case: &Case) -> Option<Timestamp> {
    let closed_at = case.closed_at?;
    let clocks = case.clocks.iter().map(|row| row.due_at);
    let said = case.circumstances.satisfaction.map(|said| said.at);
    let aside = case.circumstances.aside.as_ref().map(|aside| aside.clock.due_at);
    let parts = case.circumstances.parts.iter().map(|part| part.clock.due_at);
    clocks.chain(parts).chain(case.due_at).chain(aside).chain(said).chain([closed_at]).max()
}

/// A case from its row.
pub(super) fn read(row: &QueryResult) -> Result<Case> {
    row.json("body")
}

/// What a search looks at, in small letters.
pub(super) fn words_of(case: &Case) -> String {
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
    words.to_lowercase()
}

/// The columns of a case besides its id.
pub(super) fn columns(case: &Case) -> Vec<(&'static str, Value)> {
    let time = |t: Option<Timestamp>| Value::from(t.map(|t| t.0));
    let filing = &case.filing;
    vec![
        ("seq", i64::from(case.seq).into()),
        ("type_id", filing.type_id.clone().into()),
        ("type_zh", filing.type_name.zh.clone().into()),
        ("type_en", filing.type_name.en.clone().into()),
        ("words", words_of(case).into()),
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
        ("changed_at", case.changed_at.0.into()),
        ("closed_at", time(case.closed_at)),
        ("facts_until", time(facts_until(case))),
        ("on_time", case.on_time.map(i64::from).into()),
        ("returns", i64::from(case.returns).into()),
        ("reworks", i64::from(case.reworks).into()),
        ("warning", filing.warning.map(|w| w.to_string()).into()),
        ("external", filing.external.clone().into()),
        ("body", to_json(case).into()),
    ]
}
