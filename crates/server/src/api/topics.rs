//! What many reports of an area say together in a week: words that rose, places where more came in than is
//! usual there, and how they sound. Counted when asked; nothing of it is kept.
//!
//! Not about any one report: no word and no place of fewer than five reports is told, and a word only
//! after personal data was taken out (`engine::triage`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::triage::REPORTS_MIN;
use chengmai_engine::triage::hotspot::{Counts, Scan, hotspots};
use chengmai_engine::triage::mood::{AreaMood, Mood};
use chengmai_engine::triage::route::{Classifier, Fitness};
use chengmai_engine::triage::topic::topics;
use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, AreaPath, AreaTree, Timestamp};
use chengmai_store::records::cases::NewestCases;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::citizens::public::DEGREE_M;
use crate::city::{City, blocking};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::time;
use crate::http::problem::Answer;

/// Days that are looked at, and days before them that say what is usual.
const DAYS: usize = 7;
const DAYS_BEFORE: i64 = 28;
/// Reports that are read at most.
const REPORTS_MAX: usize = 50_000;
/// Words told.
const TOPICS_MAX: usize = 12;
/// A place with less than this a day is counted as having this.
const USUAL_MIN: f64 = 0.05;
/// Hot spots that chance gives more often than this are not told.
const CHANCE_MAX: f64 = 0.05;

/// Which area, and which seven days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TopicsQuery {
    /// This area and below; the caller's own if absent.
    area: Option<String>,
    /// End of the seven days (RFC 3339); default now.
    to: Option<String>,
}

/// What reports say together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"from": "2026-11-15T00:00:00Z", "to": "2026-11-22T00:00:00Z", "reports": 128, "before": 402,
    "topics": [{"word": "停水", "now": 31, "before": 4}],
    "hotspots": [{"areas": [{"id": "500103001", "name": "七星岗街道"}], "since": "2026-11-19T00:00:00Z", "reports": 24, "expected": 6.2, "chance": 0.005}],
    "mood": {"tone": {"taught": 812, "held_out": 203, "right": 178}, "urgency": null,
        "areas": [{"area": {"id": "500103001", "name": "七星岗街道"}, "reports": 31, "displeasure": 0.41, "urgency": null}]}}))]
pub(crate) struct TopicsJson {
    from: String,
    to: String,
    /// Reports of citizens in these days; null when fewer than five.
    reports: Option<usize>,
    /// And in the four weeks before.
    before: Option<usize>,
    topics: Vec<TopicJson>,
    hotspots: Vec<HotspotJson>,
    mood: MoodJson,
}

/// How the reports of these days sound, by area; of nobody alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoodJson {
    /// How good it is at telling tone; null while too few people wrote something when they rated.
    tone: Option<SenseJson>,
    /// How good it is at telling what cannot wait; null before the first training.
    urgency: Option<SenseJson>,
    /// The areas just below with five reports or more.
    areas: Vec<AreaMoodJson>,
}

/// How good a classifier was on the latest fifth, which it had not seen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SenseJson {
    taught: u32,
    held_out: u32,
    right: u32,
}

/// How the reports of an area sound: means drawn towards those of all the areas, the more so the fewer
/// reports there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AreaMoodJson {
    area: NamedArea,
    reports: u32,
    /// 0 to 1.
    displeasure: Option<f64>,
    /// 0 to 1.
    urgency: Option<f64>,
}

/// A word whose share of the reports rose.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicJson {
    word: String,
    now: u32,
    before: u32,
}

/// More reports than usual, in some areas since some day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HotspotJson {
    /// The middle one first.
    areas: Vec<NamedArea>,
    since: String,
    reports: u32,
    expected: f64,
    /// How often chance alone gives as much anywhere.
    chance: f64,
}

/// An area by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedArea {
    id: String,
    name: String,
}

/// A report, as far as it counts here.
#[derive(Debug)]
struct Told {
    at: Timestamp,
    area: AreaId,
    words: String,
}

/// What citizens' reports of an area say together in seven days, against the four weeks before.
#[utoipa::path(get, path = "/api/v1/topics", tag = "cases", params(TopicsQuery),
    responses((status = 200, body = TopicsJson)))]
pub(crate) async fn list_topics(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<TopicsQuery>,
) -> Answer<Json<TopicsJson>> {
    caller.need(Permission::Read)?;
    let area = caller.scope(query.area.as_deref())?;
    let to = time("to", query.to.as_deref())?.unwrap_or_else(clock::now);
    let from = to.plus_ms(-7 * DAY_MS);
    let reports = reports(&city, area, from.plus_ms(-DAYS_BEFORE * DAY_MS), to).await?;
    let (areas, mood) = (Arc::clone(&city.areas), city.triage.mood());
    blocking(move || {
        let (now, before) = reports.iter().partition(|it| it.at >= from);
        let week = Week { area, from, now, before };
        Json(together(&areas, &mood, &week))
    })
    .await
}

async fn reports(city: &City, area: AreaId, since: Timestamp, to: Timestamp) -> Answer<Vec<Told>> {
    let areas = vec![AreaPath::of(&city.areas, area)];
    let mut newest = NewestCases { areas, since, cursor: None };
    let mut reports = Vec::new();
    loop {
        let page = city.records.cases().newest(&newest).await?;
        for case in page.items {
            let at = case.reported_at.unwrap_or(case.filed_at);
            let place = city.areas.find(case.area.code());
            let Some(area) = place.filter(|_| case.filing.source.is_public() && at < to) else {
                continue;
            };
            reports.push(Told { at, area, words: case.filing.description });
        }
        newest.cursor = page.next_cursor;
        if newest.cursor.is_none() || reports.len() >= REPORTS_MAX {
            return Ok(reports);
        }
    }
}

/// The reports of seven days, and of the weeks before.
struct Week<'a> {
    area: AreaId,
    from: Timestamp,
    now: Vec<&'a Told>,
    before: Vec<&'a Told>,
}

fn together(areas: &AreaTree, mood: &Mood, week: &Week<'_>) -> TopicsJson {
    let told = |count: usize| Some(count).filter(|&count| count >= REPORTS_MIN as usize);
    let rising = topics(&words(&week.now), &words(&week.before), REPORTS_MIN, TOPICS_MAX);
    TopicsJson {
        from: week.from.to_rfc3339(),
        to: week.from.plus_ms(days_ms(DAYS)).to_rfc3339(),
        reports: told(week.now.len()),
        before: told(week.before.len()),
        topics: rising
            .into_iter()
            .map(|topic| TopicJson { word: topic.word, now: topic.now, before: topic.before })
            .collect(),
        hotspots: spots(areas, week),
        mood: mood_json(areas, mood, week),
    }
}

fn mood_json(areas: &AreaTree, mood: &Mood, week: &Week<'_>) -> MoodJson {
    let sense = |model: &Classifier| {
        let Fitness { taught, held_out, right, .. } = *model.fitness();
        SenseJson { taught, held_out, right }
    };
    let parts = Parts(areas.children(week.area).collect());
    let reports = week.now.iter().filter_map(|report| {
        let part = parts.of_area(areas, report.area)?;
        Some((part as u64, report.words.as_str()))
    });
    let json = |it: AreaMood| AreaMoodJson {
        area: named(areas, parts.0[usize::try_from(it.area).unwrap_or(0)]),
        reports: it.reports,
        displeasure: it.displeasure,
        urgency: it.urgency,
    };
    MoodJson {
        tone: mood.tone().map(sense),
        urgency: mood.urgency().map(sense),
        areas: mood.of_areas(reports, REPORTS_MIN).into_iter().map(json).collect(),
    }
}

/// The areas just below another, in the order of their numbers; what lies in one follows it.
struct Parts(Vec<AreaId>);

impl Parts {
    /// Which of them an area lies in.
    fn of_area(&self, areas: &AreaTree, inner: AreaId) -> Option<usize> {
        let part = self.0.partition_point(|part| *part <= inner).checked_sub(1)?;
        areas.contains(self.0[part], inner).then_some(part)
    }
}

fn words<'a>(reports: &[&'a Told]) -> Vec<&'a str> {
    reports.iter().map(|report| report.words.as_str()).collect()
}

/// Where more came in than in the weeks before: circles of the areas just below.
fn spots(areas: &AreaTree, week: &Week<'_>) -> Vec<HotspotJson> {
    let (parts, places): (Vec<AreaId>, Vec<[f64; 2]>) = areas
        .children(week.area)
        .filter_map(|part| Some((part, plane(areas.get(part).row.center?))))
        .unzip();
    let parts = Parts(parts);
    let index_of = |inner: AreaId| parts.of_area(areas, inner);
    let mut observed = vec![0_u32; places.len() * DAYS];
    for report in &week.now {
        let day = usize::try_from(report.at.since(week.from) / DAY_MS).unwrap_or(0).min(DAYS - 1);
        if let Some(index) = index_of(report.area) {
            observed[index * DAYS + day] += 1;
        }
    }
    let mut usual = vec![0.0_f64; places.len() * DAYS];
    for index in week.before.iter().filter_map(|report| index_of(report.area)) {
        for day in &mut usual[index * DAYS..(index + 1) * DAYS] {
            *day += 1.0 / DAYS_BEFORE as f64;
        }
    }
    for usual in &mut usual {
        *usual = usual.max(USUAL_MIN);
    }
    let counts = Counts { places: &places, days: DAYS, observed: &observed, usual: &usual };
    // Its only errors are of shape and numbers, which are ours.
    let found = hotspots(&counts, &Scan { permutations: 199, ..Scan::default() });
    let found = found.unwrap_or_default().into_iter();
    found
        .filter(|spot| spot.observed >= REPORTS_MIN && spot.chance <= CHANCE_MAX)
        .map(|spot| HotspotJson {
            areas: spot.areas.iter().map(|&index| named(areas, parts.0[index])).collect(),
            since: week.from.plus_ms(days_ms(spot.first_day)).to_rfc3339(),
            reports: spot.observed,
            expected: spot.expected,
            chance: spot.chance,
        })
        .collect()
}

fn days_ms(days: usize) -> i64 {
    i64::try_from(days).unwrap_or(0) * DAY_MS
}

fn named(areas: &AreaTree, id: AreaId) -> NamedArea {
    let row = &areas.get(id).row;
    NamedArea { id: row.code.to_string(), name: row.name.clone() }
}

/// Metres on a plane that is good enough for one city.
fn plane([longitude, latitude]: [f64; 2]) -> [f64; 2] {
    [longitude * DEGREE_M * latitude.to_radians().cos(), latitude * DEGREE_M]
}
