//! Backtests 回测 of a rule: begun, looked at while they run, stopped, and kept with their result.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_engine::backtest::{
    Caught, FLOOD_PER_SLOT, FLOOD_SHARE_MAX, Incident, PER_HOUR_GOAL, PER_HOUR_MAX, Report, judge,
};
use chengmai_model::pack::Pack;
use chengmai_model::time::{DAY_MS, HOUR_MS};
use chengmai_model::{AreaId, AreaPath, Tier, Timestamp, error};
use chengmai_store::records::PageRequest;
use chengmai_store::records::cases::{CaseFilter, CaseStateFilter};
use chengmai_store::records::rules::BacktestRow;
use chengmai_store::records::warnings::{WarningFilter, WarningState, WarningView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::city::backtests::{Job, Outcome, Past, Stage, Trial, run};
use crate::city::restore::engine_settings;
use crate::city::rules::fit;
use crate::city::{City, blocking};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::list::time;
use crate::http::problem::{Answer, Problem};

/// Longest time that can be tried.
const SPAN_MS_MAX: i64 = 92 * DAY_MS;
/// Known incidents looked at, at most of each sort.
const INCIDENTS_MAX: u32 = 1_000;

/// What to try.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"pack": "gas", "text": "[[rule]]\nid = \"methane_in_manhole\"\n", "from": "2026-11-14T00:00:00Z", "to": "2026-11-21T00:00:00Z", "area": "50"}))]
pub(crate) struct BacktestBody {
    pack: String,
    /// The rule's text, as in a pack's rules.toml.
    text: String,
    /// From this time on (default: a week before `to`).
    from: Option<String>,
    /// Before this time (default: now).
    to: Option<String>,
    /// Only in this area and below (default: the caller's own).
    area: Option<String>,
}

/// Warnings that began in one hour, by severity from 1.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourJson {
    at: String,
    by_severity: [u32; 4],
}

/// Warnings inside an area, by severity from 1, and the most in one hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AreaCountJson {
    area: String,
    name: String,
    tier: &'static str,
    by_severity: [u32; 4],
    hour_peak: u32,
}

/// The busiest centre's load, beside the figures of ISA-18.2.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadJson {
    area: String,
    name: String,
    warnings: u64,
    per_hour: f64,
    /// Most in ten minutes.
    slot_peak: u32,
    /// Share of the time in flood, 0 to 1.
    flood_share: f64,
}

/// What one text of the rule would have done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SideJson {
    alarms: u64,
    warnings: u64,
    by_severity: [u32; 4],
    hours: Vec<HourJson>,
    areas: Vec<AreaCountJson>,
    busiest: Option<LoadJson>,
    /// Over what an operator can manage.
    floods: bool,
    caught: usize,
    /// Warnings that belong to no known incident.
    stray: u64,
}

/// A known incident and what each text made of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IncidentJson {
    id: String,
    at: String,
    area: String,
    area_name: String,
    /// How much earlier the rule as it is would have warned; null when it missed it.
    before_ms: Option<i64>,
    /// The same of the text that was tried.
    after_ms: Option<i64>,
}

/// What ISA-18.2 asks for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GoalJson {
    per_hour_goal: f64,
    per_hour_max: f64,
    flood_per_slot: u32,
    flood_share_max: f64,
}

/// The result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResultJson {
    streams: u64,
    readings: u64,
    /// The first and the last of them: history may not reach back as far as was asked.
    told_from: Option<String>,
    told_to: Option<String>,
    /// Readings that could matter.
    asked: u64,
    /// The rule as it holds now; null for a new one.
    before: Option<SideJson>,
    after: SideJson,
    /// Those that history tells of.
    incidents: Vec<IncidentJson>,
    /// Known incidents of a time that history does not tell of.
    untold: usize,
    goal: GoalJson,
}

/// A backtest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "B-0123456789abcdef", "pack": "gas", "rule": "methane_in_manhole", "area": "50",
    "from": "2026-11-14T00:00:00Z", "to": "2026-11-21T00:00:00Z", "state": "running", "progress": 0.4, "readings": 1_000_000, "result": null}))]
pub(crate) struct BacktestJson {
    id: String,
    pack: String,
    rule: String,
    area: String,
    from: String,
    to: String,
    /// waiting, running, done, cancelled, failed.
    state: &'static str,
    /// Share of the time that is done, 0 to 1.
    progress: f64,
    readings: u64,
    #[schema(value_type = Option<ResultJson>)]
    result: Option<serde_json::Value>,
}

impl BacktestJson {
    fn of_job(city: &City, job: &Job) -> Self {
        let trial = &job.trial;
        let (state, result) = match &*job.stage.lock() {
            Stage::Waiting => ("waiting", None),
            Stage::Running => ("running", None),
            Stage::Done(body) => ("done", serde_json::from_str(body).ok()),
            Stage::Cancelled => ("cancelled", None),
            Stage::Failed => ("failed", None),
        };
        Self {
            id: trial.id.clone(),
            pack: trial.pack.clone(),
            rule: trial.rule.clone(),
            area: city.areas.get(trial.area).row.code.as_str().to_owned(),
            from: trial.from.to_rfc3339(),
            to: trial.to.to_rfc3339(),
            state,
            progress: if state == "done" { 1.0 } else { job.progress() },
            readings: job.readings.load(Ordering::Relaxed),
            result,
        }
    }
}

impl From<BacktestRow> for BacktestJson {
    fn from(row: BacktestRow) -> Self {
        let result: Option<serde_json::Value> = serde_json::from_str(&row.body).ok();
        let readings = result.as_ref().and_then(|r| r["readings"].as_u64()).unwrap_or(0);
        Self {
            id: row.id,
            pack: row.pack,
            rule: row.rule,
            area: row.area.code().to_owned(),
            from: row.from.to_rfc3339(),
            to: row.to.to_rfc3339(),
            state: "done",
            progress: 1.0,
            readings,
            result,
        }
    }
}

/// Tries a rule on the past, in the background.
#[utoipa::path(post, path = "/api/v1/rules/backtest", tag = "rules", request_body = BacktestBody,
    responses((status = 200, body = BacktestJson)))]
pub(crate) async fn begin_backtest(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<BacktestBody>,
) -> Answer<Json<BacktestJson>> {
    caller.need(Permission::RuleManage)?;
    let area = caller.scope(body.area.as_deref())?;
    let to = time("to", body.to.as_deref())?.unwrap_or_else(clock::now);
    let from = time("from", body.from.as_deref())?.unwrap_or_else(|| to.plus_ms(-7 * DAY_MS));
    if from >= to || to.since(from) > SPAN_MS_MAX {
        return Err(Problem::bad_query(format!("from={from} to={to}: at most 92 days")));
    }
    let before = city.rules.packs();
    let fitted = fit(&before, &body.pack, &body.text)
        .map_err(|faults| Problem::new(&error::RULE_FAULTY, crate::packs::render(&faults)))?;
    let trial = Trial {
        id: format!("B-{:016x}", crate::accounts::random_number()),
        pack: body.pack,
        rule: fitted.rule.id.clone(),
        text: body.text,
        area,
        by: caller.user.name.clone(),
        from,
        to,
    };
    let job = city.backtests.begin(trial);
    let job = job.ok_or_else(|| Problem::new(&error::BACKTEST_BUSY, ""))?;
    tokio::spawn(work(Arc::clone(&city), Arc::clone(&job), before, fitted.packs));
    Ok(Json(BacktestJson::of_job(&city, &job)))
}

/// How a backtest stands.
#[utoipa::path(get, path = "/api/v1/backtests/{id}", tag = "rules",
    params(("id" = String, Path, example = "B-0123456789abcdef")),
    responses((status = 200, body = BacktestJson)))]
pub(crate) async fn get_backtest(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<BacktestJson>> {
    caller.need(Permission::Read)?;
    let missing = || Problem::not_found(format!("backtest {id}"));
    if let Some(job) = city.backtests.find(&id) {
        let seen = caller.sees(job.trial.area);
        return if seen { Ok(Json(BacktestJson::of_job(&city, &job))) } else { Err(missing()) };
    }
    let row = city.records.rules().find_backtest(&id).await?;
    let row = row.filter(|row| caller.user.area.contains(&row.area)).ok_or_else(missing)?;
    Ok(Json(row.into()))
}

/// Stops a backtest that is under way.
#[utoipa::path(delete, path = "/api/v1/backtests/{id}", tag = "rules",
    params(("id" = String, Path, example = "B-0123456789abcdef")),
    responses((status = 200, body = BacktestJson)))]
pub(crate) async fn cancel_backtest(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<BacktestJson>> {
    caller.need(Permission::RuleManage)?;
    let job = city.backtests.find(&id).filter(|job| caller.sees(job.trial.area));
    let job = job.ok_or_else(|| Problem::not_found(format!("backtest {id}")))?;
    job.cancelled.store(true, Ordering::Relaxed);
    Ok(Json(BacktestJson::of_job(&city, &job)))
}

/// From its turn to its result on record.
async fn work(city: Arc<City>, job: Arc<Job>, before: Arc<Vec<Pack>>, after: Vec<Pack>) {
    let Ok(_turn) = city.backtests.turn.acquire().await else { return };
    *job.stage.lock() = Stage::Running;
    let stage = match finish(&city, &job, before, after).await {
        Ok(Some(body)) => Stage::Done(body),
        Ok(None) => Stage::Cancelled,
        Err(problem) => {
            tracing::error!(backtest = %job.trial.id, detail = %problem.detail, "a backtest failed");
            Stage::Failed
        }
    };
    *job.stage.lock() = stage;
}

async fn finish(
    city: &Arc<City>,
    job: &Arc<Job>,
    before: Arc<Vec<Pack>>,
    after: Vec<Pack>,
) -> Answer<Option<String>> {
    let known = incidents(city, &job.trial, &after).await?;
    let past = Past {
        history: city.history.clone(),
        registry: Arc::clone(&city.registry),
        engine: Arc::clone(&city.engine),
        areas: Arc::clone(&city.areas),
        settings: engine_settings(&city.config, &city.profile),
    };
    let running = Arc::clone(job);
    let outcome = blocking(move || run(&running, &past, &before, &after)).await?;
    let outcome = outcome.map_err(|text| Problem::new(&error::INTERNAL, text))?;
    let Some(outcome) = outcome else { return Ok(None) };
    let result = result(city, &job.trial, known, &outcome);
    let trial = &job.trial;
    let row = BacktestRow {
        id: trial.id.clone(),
        pack: trial.pack.clone(),
        rule: trial.rule.clone(),
        text: trial.text.clone(),
        area: AreaPath::of(&city.areas, trial.area),
        by: trial.by.clone(),
        at: clock::now(),
        from: trial.from,
        to: trial.to,
        floods: result.after.floods,
        body: serde_json::to_string(&result).unwrap_or_default(),
    };
    city.records.rules().add_backtest(&row).await?;
    Ok(Some(row.body))
}

/// Warnings of this rule that people took seriously, and cases of the type it proposes.
async fn incidents(city: &City, trial: &Trial, packs: &[Pack]) -> Answer<Vec<(String, Incident)>> {
    let areas = vec![AreaPath::of(&city.areas, trial.area)];
    let page = PageRequest { limit: INCIDENTS_MAX, cursor: None };
    let mut found = Vec::new();
    let mut add = |id: String, at: Timestamp, path: &AreaPath| {
        if let Some(area) = city.areas.find(path.code()) {
            found.push((id, Incident { at, area }));
        }
    };
    let filter = WarningFilter {
        areas: areas.clone(),
        view: WarningView::Answered,
        rule: Some(format!("{}/{}", trial.pack, trial.rule)),
        from: Some(trial.from),
        to: Some(trial.to),
        page: page.clone(),
        ..WarningFilter::default()
    };
    for row in city.records.warnings().list(&filter).await?.items {
        if matches!(row.state, WarningState::Confirmed | WarningState::Filed) {
            add(row.id.to_string(), row.raised_at, &row.area);
        }
    }
    let rule = packs.iter().filter(|p| p.head.id == trial.pack).flat_map(|p| &p.rules);
    let type_id = rule.filter(|r| r.id == trial.rule).find_map(|r| r.files.clone());
    if type_id.is_some() {
        let filter = CaseFilter {
            areas,
            state: CaseStateFilter::All,
            type_id,
            from: Some(trial.from),
            to: Some(trial.to),
            page,
            ..CaseFilter::default()
        };
        // A case that was filed from a warning is that warning's incident.
        for case in city.records.cases().list(&filter).await?.items {
            if case.filing.warning.is_none() {
                add(case.id.to_string(), case.filed_at, &case.area);
            }
        }
    }
    found.sort_by_key(|(_, incident)| incident.at);
    Ok(found)
}

fn result(
    city: &City,
    trial: &Trial,
    known: Vec<(String, Incident)>,
    outcome: &Outcome,
) -> ResultJson {
    // A load is spread over the time that history tells of, an hour at least.
    let since = outcome.told.map_or(trial.from, |(first, _)| first.min(trial.to.plus_ms(-HOUR_MS)));
    let span = (since.max(trial.from), trial.to);
    let (known, untold): (Vec<_>, Vec<_>) = known
        .into_iter()
        .partition(|(_, incident)| outcome.told.is_some_and(|(first, _)| incident.at >= first));
    let list: Vec<Incident> = known.iter().map(|(_, incident)| *incident).collect();
    let judged = |report: &Report| judge(report, &list, &city.areas);
    let (after, after_stray) = judged(&outcome.after);
    let before = outcome.before.as_ref().map(|report| (report, judged(report)));
    let earlier = |caught: Option<&Option<Caught>>| caught.copied().flatten().map(|c| c.earlier_ms);
    let incidents = known.iter().enumerate().map(|(index, (id, incident))| {
        let row = &city.areas.get(incident.area).row;
        IncidentJson {
            id: id.clone(),
            at: incident.at.to_rfc3339(),
            area: row.code.as_str().to_owned(),
            area_name: row.name.clone(),
            before_ms: before.as_ref().and_then(|(_, (caught, _))| earlier(caught.get(index))),
            after_ms: earlier(after.get(index)),
        }
    });
    ResultJson {
        streams: outcome.after.streams,
        readings: outcome.after.readings,
        told_from: outcome.told.map(|(first, _)| first.to_rfc3339()),
        told_to: outcome.told.map(|(_, last)| last.to_rfc3339()),
        asked: outcome.after.asked,
        incidents: incidents.collect(),
        untold: untold.len(),
        before: before.as_ref().map(|(report, (caught, stray))| {
            side(city, (trial.area, span), report, caught, *stray)
        }),
        after: side(city, (trial.area, span), &outcome.after, &after, after_stray),
        goal: GoalJson {
            per_hour_goal: PER_HOUR_GOAL,
            per_hour_max: PER_HOUR_MAX,
            flood_per_slot: FLOOD_PER_SLOT,
            flood_share_max: FLOOD_SHARE_MAX,
        },
    }
}

fn side(
    city: &City,
    (area, (from, to)): (AreaId, (Timestamp, Timestamp)),
    report: &Report,
    caught: &[Option<Caught>],
    stray: u64,
) -> SideJson {
    let hours = report.by_hour();
    let mut by_severity = [0; 4];
    for hour in &hours {
        for (sum, count) in by_severity.iter_mut().zip(hour.by_severity) {
            *sum += count;
        }
    }
    let busiest = report.busiest(&city.areas, from, to);
    // Areas above the one that was tried would show its numbers as if they were their own.
    let inside = |inner| city.areas.contains(area, inner);
    let areas = report.by_area(&city.areas, Tier::Town).into_iter();
    SideJson {
        alarms: report.alarms,
        warnings: report.warnings,
        by_severity,
        hours: hours
            .iter()
            .map(|h| HourJson { at: h.at.to_rfc3339(), by_severity: h.by_severity })
            .collect(),
        areas: areas
            .filter(|count| inside(count.area))
            .map(|count| {
                let row = &city.areas.get(count.area).row;
                AreaCountJson {
                    area: row.code.as_str().to_owned(),
                    name: row.name.clone(),
                    tier: row.tier.word(),
                    by_severity: count.by_severity,
                    hour_peak: count.hour_peak,
                }
            })
            .collect(),
        floods: busiest.is_some_and(|(_, load)| load.floods())
            || report.warnings > report.raised.len() as u64,
        busiest: busiest.map(|(area, load)| {
            let row = &city.areas.get(area).row;
            LoadJson {
                area: row.code.as_str().to_owned(),
                name: row.name.clone(),
                warnings: load.warnings,
                per_hour: load.per_hour,
                slot_peak: load.slot_peak,
                flood_share: load.flood_share,
            }
        }),
        caught: caught.iter().flatten().count(),
        stray,
    }
}
