//! Backtests 回测 under way: one at a time beside everything else, on a thread of its own, each with
//! progress and a way to stop it. What is done goes to the records; here only the last few are kept.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use chengmai_engine::backtest::{Backtest, Columns, Report};
use chengmai_engine::{Engine, Settings, StreamSpec};
use chengmai_history::{HistoryReader, KindQuery, KindRow};
use chengmai_model::pack::Pack;
use chengmai_model::{AreaId, AreaTree, KindId, StreamId, Timestamp};
use parking_lot::{Mutex, RwLock};

use super::registry::Registry;

/// Backtests that may wait or run at once.
const UNDER_WAY_MAX: usize = 4;
/// Streams whose set-points are asked for before the live engine may go on.
const LOCKED_STREAMS_MAX: usize = 10_000;
/// Backtests that are remembered here.
const KEPT_MAX: usize = 32;

/// All that wait, run, or ended lately.
#[derive(Debug)]
pub(crate) struct Backtests {
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    /// One at a time: the others have a city to run.
    pub(crate) turn: tokio::sync::Semaphore,
}

impl Default for Backtests {
    fn default() -> Self {
        Self { jobs: Mutex::default(), turn: tokio::sync::Semaphore::new(1) }
    }
}

/// What is tried, where and when.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) id: String,
    pub(crate) pack: String,
    /// The rule's id in its pack.
    pub(crate) rule: String,
    pub(crate) text: String,
    pub(crate) area: AreaId,
    pub(crate) by: String,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// How one stands.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Waiting,
    Running,
    /// Its result as JSON.
    Done(String),
    Cancelled,
    Failed,
}

/// One backtest.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) trial: Trial,
    pub(crate) stage: Mutex<Stage>,
    pub(crate) readings: AtomicU64,
    pub(crate) reached: AtomicI64,
    pub(crate) cancelled: AtomicBool,
}

impl Job {
    /// Share of the time tried that is done, 0 to 1.
    pub(crate) fn progress(&self) -> f64 {
        let (from, to) = (self.trial.from.0, self.trial.to.0);
        let reached = self.reached.load(Ordering::Relaxed).clamp(from, to) - from;
        #[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
        let share = reached as f64 / (to - from).max(1) as f64;
        share
    }
}

impl Backtests {
    /// A place for one more; `None` when too many are under way.
    pub(crate) fn begin(&self, trial: Trial) -> Option<Arc<Job>> {
        let mut jobs = self.jobs.lock();
        let open = |job: &Arc<Job>| matches!(*job.stage.lock(), Stage::Waiting | Stage::Running);
        if jobs.values().filter(|job| open(job)).count() >= UNDER_WAY_MAX {
            return None;
        }
        while jobs.len() >= KEPT_MAX {
            let oldest = jobs.iter().find(|(_, job)| !open(job)).map(|(id, _)| id.clone());
            jobs.remove(&oldest?);
        }
        let reached = AtomicI64::new(trial.from.0);
        let job = Arc::new(Job {
            trial,
            stage: Mutex::new(Stage::Waiting),
            readings: AtomicU64::new(0),
            reached,
            cancelled: AtomicBool::new(false),
        });
        jobs.insert(job.trial.id.clone(), Arc::clone(&job));
        Some(job)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Job>> {
        self.jobs.lock().get(id).cloned()
    }
}

/// The rule as it is and as it would be, over the same readings; the first is `None` for a new rule.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) before: Option<Report>,
    pub(crate) after: Report,
    /// The first and the last reading; `None` when there was none.
    pub(crate) told: Option<(Timestamp, Timestamp)>,
}

/// What a trial reads.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) history: HistoryReader,
    pub(crate) registry: Arc<RwLock<Registry>>,
    /// For the set-points of single streams: those of today.
    pub(crate) engine: Arc<RwLock<Engine>>,
    pub(crate) areas: Arc<AreaTree>,
    pub(crate) settings: Settings,
}

/// Runs a trial to its end. `None` when it was cancelled; the text of what failed otherwise.
pub(crate) fn run(
    job: &Job,
    past: &Past,
    before: &[Pack],
    after: &[Pack],
) -> Result<Option<Outcome>, String> {
    let trial = &job.trial;
    let id = format!("{}/{}", trial.pack, trial.rule);
    let prepare =
        |packs: &[Pack]| Backtest::new(packs, &id, Arc::clone(&past.areas), past.settings);
    let mut after = prepare(after).map_err(|faults| crate::packs::render(&faults))?;
    // A new rule, or one that was on another kind: there is nothing to compare with.
    let mut before = prepare(before).ok().filter(|test| test.kind() == after.kind());
    let kind = after.kind().to_owned();
    let streams = enlist(past, trial.area, &kind, &mut after, before.as_mut());
    let query = KindQuery {
        kind: &kind,
        streams: &streams,
        device: &|name| number_of(past, name, &kind, &streams),
        from: trial.from,
        to: trial.to,
    };
    let mut told = None;
    let (mut numbers, mut ats, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut each = |rows: &[KindRow]| {
        numbers.clear();
        ats.clear();
        values.clear();
        numbers.extend(rows.iter().map(|row| row.0));
        ats.extend(rows.iter().map(|row| row.1));
        values.extend(rows.iter().map(|row| row.2));
        let batch = Columns { streams: &numbers, ats: &ats, values: &values };
        after.take(batch);
        if let Some(before) = &mut before {
            before.take(batch);
        }
        job.readings.fetch_add(rows.len() as u64, Ordering::Relaxed);
        if let (Some(&first), Some(&last)) = (ats.first(), ats.last()) {
            job.reached.store(last, Ordering::Relaxed);
            let since = told.map_or(Timestamp(first), |(since, _)| since);
            told = Some((since, Timestamp(last)));
        }
        let stop = job.cancelled.load(Ordering::Relaxed);
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    past.history.kind_readings(&query, &mut each).map_err(|error| error.to_string())?;
    if job.cancelled.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let before = before.map(|test| test.finish(trial.to));
    Ok(Some(Outcome { before, after: after.finish(trial.to), told }))
}

/// The streams of the kind inside the area get numbers, the same in both tests; ascending by stream.
fn enlist(
    past: &Past,
    area: AreaId,
    kind: &str,
    after: &mut Backtest,
    mut before: Option<&mut Backtest>,
) -> Vec<(StreamId, u32)> {
    let specs: Vec<(StreamId, StreamSpec)> = {
        let registry = past.registry.read();
        let Some(kind) = registry.kind_index(kind) else { return Vec::new() };
        let streams = registry.devices(area).filter_map(|(id, device)| {
            let (area, period_ms) = (device.area(), device.period_ms());
            let spec = StreamSpec { kind: KindId(0), area, period_ms, device: id };
            Some((registry.stream_of(id, kind)?, spec))
        });
        streams.collect()
    };
    let mut streams: Vec<(StreamId, u32)> = specs
        .into_iter()
        .map(|(stream, spec)| {
            if let Some(before) = before.as_mut() {
                before.add_stream(spec);
            }
            (stream, after.add_stream(spec))
        })
        .collect();
    streams.sort_unstable();
    let mut asking: Vec<&mut Backtest> = before.into_iter().chain([after]).collect();
    asking.retain(|test| test.asks_setpoints());
    if !asking.is_empty() {
        for part in streams.chunks(LOCKED_STREAMS_MAX) {
            let engine = past.engine.read();
            for &(stream, number) in part.iter().filter(|(s, _)| s.0 < engine.stream_count()) {
                let levels = engine.setpoints(stream);
                for test in &mut asking {
                    test.set_setpoints(number, &levels);
                }
            }
        }
    }
    streams
}

/// The number of a device's stream, for old files that know only names.
fn number_of(past: &Past, name: &str, kind: &str, streams: &[(StreamId, u32)]) -> Option<u32> {
    let registry = past.registry.read();
    let stream = registry.stream_of(registry.find(name)?, registry.kind_index(kind)?)?;
    let index = streams.binary_search_by_key(&stream, |(stream, _)| *stream).ok()?;
    Some(streams[index].1)
}
