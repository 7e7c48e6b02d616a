//! Steps of cases, written together: what waits while one transaction runs is the next one, so one sync
//! of the disk carries many people's steps. Each is told of its own.
//!
//! What it is not: it decides no step, and it knows no case but by its columns. Invariants: the answer
//! comes after the commit; a step that comes too late changes nothing and spoils nobody else's; a step
//! that cannot be written is found by writing those beside it alone.

use chengmai_model::case::{Case, CaseEvent, Refusal};
use chengmai_model::error;
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, Value};
use tokio::sync::{mpsc, oneshot};

use super::cases::{EVENT_HEAD, columns, event_row, words_of};
use super::keys::RequestKey;
use super::sql::{Sql, insert};
use super::{RecordsError, Result, begin, notices, proof, words};

/// Most steps of one transaction.
const TOGETHER_MAX: usize = 256;
/// Most steps that wait; who comes then waits for room.
const WAITING_MAX: usize = 4_096;

/// The one writer of steps; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Appender(mpsc::Sender<Step>);

/// A step on its way to the disk.
#[derive(Debug)]
struct Step {
    update: Sql,
    events: Vec<Vec<Value>>,
    /// The new words, if the step changed them.
    words: Option<(String, String)>,
    /// Keeps the key that the step came under.
    key: Option<Sql>,
    answer: oneshot::Sender<Result<()>>,
}

/// For each step of a transaction, whether it came in time.
type Written = std::result::Result<Vec<bool>, Failed>;

/// Why none of the steps was written, and whether that is sure: after a failed commit it is not.
struct Failed {
    error: RecordsError,
    sure: bool,
}

impl Appender {
    /// Starts the writer; it ends when the last clone is gone.
    pub(super) fn start(db: DatabaseConnection) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write_all(db, receiver));
        Self(sender)
    }

    /// Writes the events that lead from one view of a case to the next.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` when the first view is not the newest any more, or the key was used.
    pub(super) async fn append(
        &self,
        before: &Case,
        after: &Case,
        events: &[CaseEvent],
        key: Option<&RequestKey>,
    ) -> Result<()> {
        let (answer, told) = oneshot::channel();
        let events = events.iter().map(|event| event_row(&after.id, event)).collect();
        let text = words_of(after);
        let words = (text != words_of(before)).then(|| words::row(after.id.to_string(), &text));
        let mut update = update(before, after);
        if let Some(key) = key {
            key.unused(&mut update);
        }
        let key = key.map(|key| key.insert(&after.id, after.seq));
        let step = Step { update, events, words, key, answer };
        self.0.send(step).await.map_err(|_| ended())?;
        told.await.map_err(|_| ended())?
    }
}

/// Sets what differs, where nobody has changed it since. A column that did not change is in no index
/// that has to be written; so a migration that adds a column also fills it.
fn update(before: &Case, after: &Case) -> Sql {
    let mut sql = Sql::new("UPDATE \"case\" SET ");
    let differ = columns(after).into_iter().zip(columns(before)).filter(|(new, old)| new != old);
    for (n, ((column, value), _)) in differ.enumerate() {
        sql.add(if n > 0 { ", " } else { "" }).add(column).add(" = ").value(value);
    }
    sql.add(" WHERE id = ").value(after.id.to_string());
    sql.add(" AND seq = ").value(i64::from(before.seq));
    sql
}

async fn write_all(db: DatabaseConnection, mut waiting: mpsc::Receiver<Step>) {
    let mut steps = Vec::new();
    while waiting.recv_many(&mut steps, TOGETHER_MAX).await > 0 {
        let written = write(&db, &steps).await;
        if steps.len() > 1 && written.as_ref().is_err_and(|failed| failed.sure) {
            for step in steps.drain(..) {
                let written = write(&db, std::slice::from_ref(&step)).await;
                tell(vec![step], written);
            }
        } else {
            tell(std::mem::take(&mut steps), written);
        }
    }
}

/// Writes steps in one transaction; for each, whether it was in time.
async fn write(db: &DatabaseConnection, steps: &[Step]) -> Written {
    let sure = |error| Failed { error, sure: true };
    let tx = begin(db).await.map_err(sure)?;
    let mut in_time = Vec::with_capacity(steps.len());
    let mut events = Vec::with_capacity(steps.len());
    let mut words = Vec::new();
    for step in steps {
        let moved = step.update.run(&tx).await.map_err(sure)? > 0;
        if moved {
            events.extend(step.events.iter().cloned());
            words.extend(step.words.clone());
            // Now, not with the events: the next step may come under the same key.
            if let Some(key) = &step.key {
                key.run(&tx).await.map_err(sure)?;
            }
        }
        in_time.push(moved);
    }
    insert(&tx, EVENT_HEAD, &events).await.map_err(sure)?;
    proof::case_events(&tx, &events).await.map_err(sure)?;
    words::write(&tx, words).await.map_err(sure)?;
    let notice =
        |row: &Vec<Value>| notices::of_step(row[0].clone(), row[1].clone(), row[2].clone());
    notices::write(&tx, events.iter().map(notice).collect()).await.map_err(sure)?;
    tx.commit().await.map_err(|error| Failed { error: error.into(), sure: false })?;
    Ok(in_time)
}

fn tell(steps: Vec<Step>, written: Written) {
    let outcomes: Vec<Result<()>> = match written {
        Ok(in_time) => {
            in_time.into_iter().map(|it| if it { Ok(()) } else { Err(late()) }).collect()
        }
        Err(failed) => steps.iter().map(|_| Err(failed.error.clone())).collect(),
    };
    for (step, outcome) in steps.into_iter().zip(outcomes) {
        // Who asked may have gone; the step stands all the same.
        let _ = step.answer.send(outcome);
    }
}

fn late() -> RecordsError {
    Refusal::new(
        &error::NOT_ALLOWED_NOW,
        "其他人刚刚处理了该案件，请刷新后重试",
        "someone else took a step on this case just now; reload and try again",
    )
    .into()
}

fn ended() -> RecordsError {
    RecordsError::Database(DbErr::Conn(RuntimeErr::Internal("the database was closed".into())))
}
