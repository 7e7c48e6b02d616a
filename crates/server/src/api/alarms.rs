//! Alarm quality 报警质量: the figures of ISA-18.2 for each centre, and what became of the alarms. The
//! warnings themselves are in [`super::warnings`], what is shelved in [`super::shelves`].

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::AlarmSettings;
use chengmai_engine::alarm_quality::{AlarmLoad, AlarmSource, Goals, LoadSpan, LoadStep};
use chengmai_model::AreaId;
use chengmai_model::time::{DAY_MS, MINUTE_MS};
use chengmai_store::records::alarm_load::{ShownRow, TallyRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shelves;
use crate::city::City;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::time;
use crate::http::problem::{Answer, Problem, TextJson};

/// Times shown that one report looks at.
const SHOWN_MAX: u32 = 200_000;
/// Rules that a report names.
const RULES_SHOWN: usize = 10;

/// A figure with the goal of the standard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmFigureJson {
    /// per_hour, peak_slot, flood_share, top_share, chattering, fleeting, stale, low_share,
    /// medium_share, high_share.
    kind: &'static str,
    /// Shares are 0 to 1.
    value: f64,
    /// What it should be, at most; for shares of priority: about.
    goal: f64,
    /// good, fair, poor, too_few.
    verdict: &'static str,
}

/// What one centre had to bear, or all together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CentreLoadJson {
    area: String,
    area_name: String,
    /// Warnings shown.
    shown: u64,
    /// Most in an hour.
    peak_hour: u64,
    /// Floods that began.
    floods: u64,
    /// Minutes in flood, of all centres together.
    flood_minutes: i64,
    /// The centre is in flood now.
    in_flood: bool,
    figures: Vec<AlarmFigureJson>,
}

/// What one rule said, and what became of its alarms.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleLoadJson {
    rule: String,
    name: TextJson,
    /// Warnings shown.
    shown: u64,
    /// Of all warnings shown, 0 to 1.
    share: f64,
    /// Alarms of single devices.
    alarms: u64,
    /// Of them: they feed a warning that is shown.
    alarms_shown: u64,
    /// They feed a warning that follows from another.
    under_parent: u64,
    /// They feed a warning that is shelved.
    shelved: u64,
    /// They feed a warning that is collapsed into a group.
    collapsed: u64,
    /// Places where it chattered.
    chattering: u64,
}

/// Alarm quality over a span.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"from": "2026-11-20T00:00:00.000Z", "to": "2026-11-21T00:00:00.000Z", "operator": "district",
    "cut_short": false, "shelf_hours_max": 24.0,
    "total": {"area": "50", "area_name": "重庆市", "shown": 120, "peak_hour": 4, "floods": 0, "flood_minutes": 0,
        "in_flood": false, "figures": [{"kind": "per_hour", "value": 0.12, "goal": 6.0, "verdict": "good"}]},
    "centres": [], "rules": [{"rule": "gas/methane_silent", "name": {"zh": "燃气监测点失联", "en": "Gas point silent"},
        "shown": 60, "share": 0.5, "alarms": 75, "alarms_shown": 60, "under_parent": 0, "shelved": 3, "collapsed": 12, "chattering": 1}],
    "alarms": {"raised": 75, "shown": 60, "under_parent": 0, "shelved": 3, "collapsed": 12}}))]
pub(crate) struct AlarmQualityJson {
    from: String,
    to: String,
    /// The tier whose centre counts as one operator.
    operator: &'static str,
    /// There was more than one report looks at; the figures are of the first part only.
    cut_short: bool,
    /// Longest time that anything may be shelved.
    shelf_hours_max: f64,
    total: CentreLoadJson,
    /// Centres that were shown anything, the heaviest load first.
    centres: Vec<CentreLoadJson>,
    /// Rules that said most.
    rules: Vec<RuleLoadJson>,
    /// What became of the alarms of single devices.
    alarms: AlarmFatesJson,
}

/// What became of the alarms of single devices; the rest did not pass the re-check.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct AlarmFatesJson {
    raised: u64,
    shown: u64,
    under_parent: u64,
    shelved: u64,
    collapsed: u64,
}

/// Where and when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct QualityQuery {
    /// This area and below; the caller's own when absent.
    area: Option<String>,
    /// From (RFC 3339); a day before the end when absent.
    from: Option<String>,
    /// To, excluded (RFC 3339); now when absent.
    to: Option<String>,
}

/// The figures of alarm quality, by centre, with each standard's goal.
#[utoipa::path(get, path = "/api/v1/alarms/quality", tag = "alarms", params(QualityQuery),
    responses((status = 200, body = AlarmQualityJson)))]
pub(crate) async fn get_alarm_quality(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<QualityQuery>,
) -> Answer<Json<AlarmQualityJson>> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let paths = [caller.scope_path(query.area.as_deref())?];
    let to = time("to", query.to.as_deref())?.unwrap_or_else(clock::now);
    let from = time("from", query.from.as_deref())?.unwrap_or_else(|| to.plus_ms(-DAY_MS));
    if from >= to {
        return Err(Problem::bad_query("from is not before to"));
    }
    let load = city.records.alarm_load();
    let shown = load.shown(&paths, from, to, SHOWN_MAX).await?;
    let sums = load.sums(&paths, from, to).await?;
    let report = Report::new(&city, area, LoadSpan { from, to }, &shown);
    Ok(Json(report.json(&shown, &sums)))
}

/// The load of every centre below an area.
struct Report<'a> {
    city: &'a City,
    area: AreaId,
    span: LoadSpan,
    settings: AlarmSettings,
    goals: Goals,
    rules: Vec<&'a str>,
    by_centre: BTreeMap<u32, AlarmLoad>,
}

impl<'a> Report<'a> {
    fn new(city: &'a City, area: AreaId, span: LoadSpan, shown: &'a [ShownRow]) -> Self {
        let settings = AlarmSettings::of(&city.profile.alarms);
        let goals = Goals::default();
        let mut rules: Vec<&str> = shown.iter().map(|row| row.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        let mut steps = Vec::with_capacity(shown.len() * 2);
        for row in shown {
            let Some(place) = city.areas.find(row.area.code()) else { continue };
            let operator = city.areas.at_tier(place, settings.operator).unwrap_or(place);
            let rule = rules.binary_search(&row.rule.as_str()).unwrap_or_default();
            let begin = LoadStep {
                at: row.at,
                operator: operator.0,
                source: AlarmSource {
                    rule: u32::try_from(rule).unwrap_or(u32::MAX),
                    place: place.0,
                },
                severity: row.severity.number(),
                begins: true,
            };
            steps.push(begin);
            steps.extend(row.until.map(|at| LoadStep { at, begins: false, ..begin }));
        }
        let by_centre = AlarmLoad::by_operator(&steps, span, &goals);
        Self { city, area, span, settings, goals, rules, by_centre }
    }

    fn json(&self, shown: &[ShownRow], sums: &[TallyRow]) -> AlarmQualityJson {
        let floods: Vec<AreaId> =
            self.city.engine.read().floods().iter().map(|flood| flood.operator).collect();
        let inside = self.city.areas.subtree(self.area);
        // Below the operator's tier the caller shares one desk.
        let operators = inside
            .filter(|&id| self.city.areas.get(AreaId(id)).row.tier == self.settings.operator)
            .count();
        let total = AlarmLoad::together(self.by_centre.values(), operators as u64, self.span);
        let mut centres: Vec<CentreLoadJson> = self
            .by_centre
            .iter()
            .map(|(&id, load)| self.centre(AreaId(id), load, floods.contains(&AreaId(id))))
            .collect();
        centres.sort_by(|a, b| b.shown.cmp(&a.shown).then_with(|| a.area.cmp(&b.area)));
        let any = floods.iter().any(|&desk| self.city.areas.contains(self.area, desk));
        let sum = |of: fn(&TallyRow) -> u64| sums.iter().map(of).sum();
        AlarmQualityJson {
            from: self.span.from.to_rfc3339(),
            to: self.span.to.to_rfc3339(),
            operator: self.settings.operator.word(),
            cut_short: shown.len() >= SHOWN_MAX as usize,
            shelf_hours_max: shelves::hours_max(self.city),
            rules: self.rules(&total, sums),
            total: self.centre(self.area, &total, any),
            centres,
            alarms: AlarmFatesJson {
                raised: sum(|row| row.alarms),
                shown: sum(|row| row.shown),
                under_parent: sum(|row| row.under_parent),
                shelved: sum(|row| row.shelved),
                collapsed: sum(|row| row.collapsed),
            },
        }
    }

    fn centre(&self, area: AreaId, load: &AlarmLoad, in_flood: bool) -> CentreLoadJson {
        let row = &self.city.areas.get(area).row;
        let figures = load.figures(&self.goals).into_iter().map(|figure| AlarmFigureJson {
            kind: figure.kind.word(),
            value: figure.value,
            goal: figure.goal,
            verdict: figure.verdict.word(),
        });
        CentreLoadJson {
            area: row.code.as_str().to_owned(),
            area_name: row.name.clone(),
            shown: load.shown,
            peak_hour: load.peak_hour,
            floods: load.floods,
            flood_minutes: load.flood_ms / MINUTE_MS,
            in_flood,
            figures: figures.collect(),
        }
    }

    fn rules(&self, total: &AlarmLoad, sums: &[TallyRow]) -> Vec<RuleLoadJson> {
        let count = |list: &mut dyn Iterator<Item = (usize, u64)>| {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for (rule, n) in list {
                *counts.entry(self.rules[rule]).or_default() += n;
            }
            counts
        };
        let index = |source: &AlarmSource| source.rule as usize;
        let shown = count(&mut total.sources.iter().map(|(source, n)| (index(source), *n)));
        let chattering = count(&mut total.chattering.iter().map(|source| (index(source), 1)));
        let mut names: Vec<&str> = shown.keys().copied().collect();
        names.extend(sums.iter().map(|row| row.rule.as_str()));
        names.sort_unstable();
        names.dedup();
        let sum_of = |name: &str| sums.iter().find(|row| row.rule == name);
        let weight = |name: &str| {
            (shown.get(name).copied().unwrap_or(0), sum_of(name).map_or(0, |s| s.alarms))
        };
        names.sort_by_key(|name| std::cmp::Reverse(weight(name)));
        let engine = self.city.engine.read();
        let catalog = engine.catalog();
        let row = |name: &&str| {
            let known = catalog.find_rule(name).map(|r| &catalog.rules()[usize::from(r)].name);
            let plain = chengmai_model::Text::new(*name, *name);
            let sums = sum_of(name);
            let of = |field: fn(&TallyRow) -> u64| sums.map_or(0, field);
            let shown = shown.get(name).copied().unwrap_or(0);
            RuleLoadJson {
                rule: (*name).to_owned(),
                name: known.unwrap_or(&plain).into(),
                shown,
                share: share(shown, total.shown),
                alarms: of(|s| s.alarms),
                alarms_shown: of(|s| s.shown),
                under_parent: of(|s| s.under_parent),
                shelved: of(|s| s.shelved),
                collapsed: of(|s| s.collapsed),
                chattering: chattering.get(name).copied().unwrap_or(0),
            }
        };
        names.iter().take(RULES_SHOWN).map(row).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
