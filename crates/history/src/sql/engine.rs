//! The thread that answers questions, and the way of one question through it.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SQLOptions;
use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::encode::Encoder;
use super::error::SqlError;
use super::lists::{List, Listed};
use super::readings::Readings;
use super::table::{Source, Table};
use super::view::View;
use super::windows::Windows;
use super::{Answer, Question, SqlSettings, bounds, guard, session};
use crate::error::{Error, Result};
use crate::reader::HistoryReader;
use crate::scan::Moment;
use crate::shared::Shared;

/// Deep queries recurse; the library moves to the heap when this runs out.
const STACK_BYTES: usize = 16 << 20;

/// Answers questions. Dropped, its thread ends.
pub struct Sql {
    shared: Arc<Shared>,
    settings: SqlSettings,
    base: Arc<SessionState>,
    turns: Arc<Semaphore>,
    thread: Handle,
    /// Held for its end only: the thread goes when this does.
    _stop: oneshot::Sender<()>,
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Sql {
    /// Starts the thread of the queries over a history.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(reader: &HistoryReader, settings: SqlSettings) -> Result<Self> {
        let shared = Arc::clone(&reader.shared);
        let failed = |source| Error::Io {
            what: "start the thread of queries over",
            path: reader.shared.dir.clone(),
            source,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let thread = runtime.handle().clone();
        std::thread::Builder::new()
            .name("sql".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                // Ends when the sender is dropped, with whatever was under way.
                let _ = runtime.block_on(stopped);
            })
            .map_err(failed)?;
        let pool = session::runtime(settings.memory_bytes_max)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        Ok(Self {
            shared,
            settings,
            base: Arc::new(session::base(pool)),
            turns: Arc::new(Semaphore::new(settings.at_once_max)),
            thread,
            _stop: stop,
        })
    }

    /// Answers a question. Dropping the future stops the work at its next step.
    ///
    /// # Errors
    /// Every [`SqlError`].
    pub async fn ask(&self, question: Question) -> Result<Answer, SqlError> {
        let begun = Instant::now();
        let (time_max, at_once_max) = (self.settings.time_max, self.settings.at_once_max);
        let turn = tokio::time::timeout(time_max, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(SqlError::Busy { at_once_max }) };
        let (shared, base) = (Arc::clone(&self.shared), Arc::clone(&self.base));
        let bytes_max = self.settings.answer_bytes_max;
        let mut task = Abandoned(self.thread.spawn(async move {
            // Given back when the work has ended, not when nobody waits for it any more.
            let _turn = turn;
            answer(question, shared, &base, bytes_max).await
        }));
        let left = time_max.saturating_sub(begun.elapsed());
        match tokio::time::timeout(left, &mut task.0).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(SqlError::Internal { text: error.to_string() }),
            Err(_) => Err(SqlError::TooSlow { after: time_max }),
        }
    }
}

/// Work that stops when nobody waits for it any more.
struct Abandoned(JoinHandle<Result<Answer, SqlError>>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The one moment that all tables of a question show: taken when the first of them is read.
#[derive(Debug, Clone)]
pub(super) struct LazyMoment {
    shared: Arc<Shared>,
    moment: Arc<OnceLock<Arc<Moment>>>,
}

impl LazyMoment {
    pub(super) fn get(&self) -> Arc<Moment> {
        Arc::clone(self.moment.get_or_init(|| Arc::new(Moment::take(&self.shared))))
    }
}

async fn answer(
    question: Question,
    shared: Arc<Shared>,
    base: &SessionState,
    bytes_max: usize,
) -> Result<Answer, SqlError> {
    let statement = guard::parse(&question.text)?;
    let is_query = guard::is_query(&statement);
    let state = session::with_tables(base, tables(&question, shared))?;
    let mut plan = state.statement_to_plan(statement).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    if is_query {
        // One more than wanted, so that the answer can say that it was cut.
        let fetch = question.rows_max.saturating_add(1);
        plan = LogicalPlanBuilder::from(plan).limit(0, Some(fetch))?.build()?;
    }
    let plan = state.optimize(&plan)?;
    bounds::check(&plan)?;
    run(&state, &plan, &question, bytes_max).await
}

async fn run(
    state: &SessionState,
    plan: &LogicalPlan,
    question: &Question,
    bytes_max: usize,
) -> Result<Answer, SqlError> {
    let physical = state.query_planner().create_physical_plan(plan, state).await?;
    let context = Arc::new(TaskContext::from(state));
    let mut stream = execute_stream(Arc::clone(&physical), context)?;
    let mut encoder = Encoder::new(question.format, &stream.schema())?;
    let mut cut = false;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let room = question.rows_max - encoder.rows();
        cut = batch.num_rows() > room;
        encoder.write(&batch.slice(0, batch.num_rows().min(room)))?;
        if encoder.bytes() > bytes_max {
            return Err(SqlError::AnswerTooLong { bytes_max });
        }
        if cut {
            break;
        }
    }
    let rows = encoder.rows();
    let bytes = encoder.finish(cut)?;
    if bytes.len() > bytes_max {
        return Err(SqlError::AnswerTooLong { bytes_max });
    }
    Ok(Answer { bytes, rows, cut })
}

/// All tables as the asker sees them.
fn tables(question: &Question, shared: Arc<Shared>) -> Vec<(&'static str, Table)> {
    let view = View {
        areas: Arc::clone(&question.areas),
        scope: question.scope,
        directory: Arc::clone(&question.directory),
    };
    let moment = LazyMoment { shared, moment: Arc::default() };
    let readings = Readings { moment: moment.clone(), view: view.clone() };
    let windows = Windows { moment, view: view.clone() };
    let mut tables: Vec<(&'static str, Arc<dyn Source>)> =
        vec![("readings", Arc::new(readings)), ("windows", Arc::new(windows))];
    tables.extend(List::ALL.into_iter().map(|(list, name)| {
        (name, Arc::new(Listed { list, view: view.clone() }) as Arc<dyn Source>)
    }));
    tables.into_iter().map(|(name, source)| (name, Table(source))).collect()
}
