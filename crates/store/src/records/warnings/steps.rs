//! The steps of a warning as the engine says them, written into its row. A step that is not newer than
//! the last one changes nothing, so a replay after a crash may say all of them again.

use chengmai_model::warning::{Held, WarningStep};
use sea_orm::{ConnectionTrait, Value};

use super::super::Result;
use super::super::sql::{Sql, to_json};
use super::{WarningState, WarningStepRow};

/// Writes one step; false when it was known.
pub(super) async fn write<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<bool> {
    let new = insert(db, step).await?;
    let later = match step.step {
        WarningStep::Raised => false,
        WarningStep::Regraded => regrade(db, step).await?,
        WarningStep::Cleared => clear(db, step).await?,
        WarningStep::Reopened => reopen(db, step).await?,
        WarningStep::Held => hold(db, step).await?,
        WarningStep::Released => release(db, step).await?,
    };
    if new || later {
        note_shown(db, step).await?;
    }
    Ok(new || later)
}

async fn insert<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<bool> {
    let cleared = step.step == WarningStep::Cleared;
    let state = if cleared { WarningState::Cleared } else { WarningState::Raised };
    let severity = i64::from(step.severity.number());
    let mut sql = Sql::new(
        "INSERT INTO warning (id, rule, severity, peak_severity, area_path, state, raised_at, \
         changed_at, answer_due, cleared_at, held, held_by, chattering, body) VALUES (",
    );
    sql.values([
        step.id.to_string().into(),
        step.facts.rule.clone().into(),
        severity.into(),
        severity.into(),
        step.area.as_str().into(),
        state.word().into(),
        step.at.0.into(),
        step.at.0.into(),
        step.answer_due.filter(|_| !cleared && step.held.is_none()).map(|t| t.0).into(),
        Some(step.at.0).filter(|_| cleared).into(),
        step.held.map(held_word).into(),
        step.held.map(held_by).into(),
        i64::from(step.chattering).into(),
        to_json(&step.facts).into(),
    ]);
    Ok(sql.add(") ON CONFLICT (id) DO NOTHING").run(db).await? > 0)
}

async fn regrade<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<bool> {
    let severity = i64::from(step.severity.number());
    // The worst so far after a dismissal is news: the warning is open again. The audit keeps who
    // dismissed it.
    let mut sql = Sql::new("UPDATE warning SET state = 'raised', answered_by = NULL, ");
    sql.add("answered_at = NULL, note = NULL, escalated_to = NULL WHERE state = 'dismissed' ");
    sql.add("AND cleared_at IS NULL AND peak_severity < ").value(severity);
    sql.add(" AND changed_at < ").value(step.at.0);
    sql.add(" AND id = ").value(step.id.to_string());
    sql.run(db).await?;

    let mut sql = Sql::new("UPDATE warning SET severity = ");
    sql.value(severity).add(", peak_severity = CASE WHEN peak_severity < ").value(severity);
    sql.add(" THEN ")
        .value(severity)
        .add(" ELSE peak_severity END, changed_at = ")
        .value(step.at.0)
        .add(", chattering = ")
        .value(i64::from(step.chattering));
    sql.add(", body = ").value(to_json(&step.facts));
    sql.add(", answer_due = CASE WHEN answered_at IS NULL AND escalated_to IS NULL ");
    sql.add("AND held IS NULL THEN ");
    sql.value(step.answer_due.map(|t| t.0)).add(" ELSE answer_due END");
    sql.add(" WHERE cleared_at IS NULL AND changed_at < ").value(step.at.0);
    sql.add(" AND id = ").value(step.id.to_string());
    Ok(sql.run(db).await? > 0)
}

async fn clear<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<bool> {
    let mut sql = Sql::new("UPDATE warning SET answer_due = NULL, cleared_at = ");
    sql.value(step.at.0).add(", changed_at = ").value(step.at.0);
    sql.add(", state = CASE WHEN answered_at IS NULL THEN 'cleared' ELSE state END");
    sql.add(" WHERE cleared_at IS NULL AND changed_at <= ").value(step.at.0);
    sql.add(" AND id = ").value(Value::from(step.id.to_string()));
    Ok(sql.run(db).await? > 0)
}

/// The cause came back: the same warning stands again, with the answer it had.
async fn reopen<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<bool> {
    let mut sql = Sql::new("UPDATE warning SET cleared_at = NULL, reopened = reopened + 1, ");
    sql.add("escalated_to = NULL, state = CASE WHEN answered_at IS NULL THEN 'raised' ELSE state ");
    sql.add("END, held = ").value(step.held.map(held_word));
    sql.add(", held_by = ").value(step.held.map(held_by));
    // A moment before, so that the rest of the step is newer.
    sql.add(", changed_at = ").value(step.at.0 - 1);
    sql.add(" WHERE cleared_at IS NOT NULL AND changed_at < ").value(step.at.0);
    sql.add(" AND id = ").value(step.id.to_string());
    Ok(sql.run(db).await? > 0 && regrade(db, step).await?)
}

/// It stands, but is not shown any more: nobody need answer.
async fn hold<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<bool> {
    let mut sql = Sql::new("UPDATE warning SET answer_due = NULL, escalated_to = NULL, held = ");
    sql.value(step.held.map(held_word)).add(", held_by = ").value(step.held.map(held_by));
    sql.add(", changed_at = ").value(step.at.0);
    sql.add(" WHERE cleared_at IS NULL AND changed_at < ").value(step.at.0);
    sql.add(" AND id = ").value(step.id.to_string());
    Ok(sql.run(db).await? > 0)
}

/// It is shown from now on: the time to answer begins.
async fn release<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<bool> {
    let mut sql = Sql::new("UPDATE warning SET held = NULL, held_by = NULL, changed_at = ");
    sql.value(step.at.0 - 1).add(" WHERE cleared_at IS NULL AND changed_at < ").value(step.at.0);
    sql.add(" AND id = ").value(step.id.to_string());
    Ok(sql.run(db).await? > 0 && regrade(db, step).await?)
}

/// Notes from when to when people saw it, for the load on them.
async fn note_shown<C: ConnectionTrait>(db: &C, step: &WarningStepRow) -> Result<()> {
    let (id, at) = (step.id.to_string(), step.at.0);
    let ends = matches!(step.step, WarningStep::Cleared | WarningStep::Held);
    if ends {
        let mut sql = Sql::new("UPDATE warning_shown SET until = ");
        sql.value(at).add(" WHERE until IS NULL AND warning = ").value(id).run(db).await?;
    } else if step.held.is_none() && step.step != WarningStep::Regraded {
        let mut sql = Sql::new("INSERT INTO warning_shown (warning, at) VALUES (");
        sql.value(id).add(", ").value(at).add(") ON CONFLICT DO NOTHING").run(db).await?;
    }
    Ok(())
}

const fn held_word(held: Held) -> &'static str {
    match held {
        Held::Parent(_) => "parent",
        Held::Shelf(_) => "shelf",
        Held::Group(_) => "group",
    }
}

fn held_by(held: Held) -> String {
    match held {
        Held::Parent(id) | Held::Group(id) => id.to_string(),
        Held::Shelf(id) => id.to_string(),
    }
}
