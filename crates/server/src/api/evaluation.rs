//! The evaluation 综合评价 of areas, agencies, classes of cases and posts: every formula with what it is
//! counted of, the composite with its parts, and the cases behind each figure.
//!
//! Not here: stars (`stars`), counting (`city::evaluation`, `engine::rating`).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::rating::Rate;
use chengmai_engine::rating::composite::{Score, score};
use chengmai_engine::rating::facts::NEVER;
use chengmai_engine::rating::formulas::{Figure, Part, Tally, classify, formulas_of};
use chengmai_model::pack::rating::{Evaluation, EvaluationObject};
use chengmai_model::{EvaluationPeriod, Formula, PeriodKind, Text, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::city::evaluation::{Asked, is_post};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::{Page, Paging, time};
use crate::http::problem::{Answer, Problem, TextJson};

/// What is evaluated, and when.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EvaluationQuery {
    /// area (default), agency, class, or a post: collector, acceptor, dispatcher, duty_chief.
    pub(super) object: Option<String>,
    /// day, week, month (default), quarter, half_year, year.
    pub(super) period: Option<String>,
    /// A day in the period, such as 2026-11-21, or a time (RFC 3339); default now.
    pub(super) at: Option<String>,
    /// Only cases in this area and below. With object=area: this area and those just below it.
    pub(super) area: Option<String>,
    /// Id of the composite; by default the first that is for this object.
    pub(super) evaluation: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
}

/// A share with what it is a share of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShareJson {
    numerator: u64,
    denominator: u64,
    /// null ("n/a") when there is nothing to take a share of.
    value: Option<f64>,
}

impl From<Rate> for ShareJson {
    fn from(rate: Rate) -> Self {
        Self { numerator: rate.numerator, denominator: rate.denominator, value: rate.value() }
    }
}

/// A formula's figure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FigureJson {
    formula: &'static str,
    #[serde(flatten)]
    share: ShareJson,
    /// The same as if no appeal had been upheld.
    raw: ShareJson,
}

impl From<Figure> for FigureJson {
    fn from(figure: Figure) -> Self {
        Self { formula: figure.formula.word(), share: figure.rate.into(), raw: figure.raw.into() }
    }
}

/// A part of a composite.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScorePartJson {
    name: TextJson,
    /// null ("n/a") when it could not be measured.
    points: Option<f64>,
    /// Points at best.
    full: f64,
    /// What was measured: percent, count or figure.
    measured: Option<f64>,
    figure: Option<FigureJson>,
}

/// A grade of a composite.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScoreGradeJson {
    id: String,
    name: TextJson,
    color: String,
}

/// A composite with all that led to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScoreJson {
    /// null ("n/a") when too little is known.
    total: Option<f64>,
    /// Share of the full points that could be measured, in percent.
    known: f64,
    grade: Option<ScoreGradeJson>,
    parts: Vec<ScorePartJson>,
}

impl ScoreJson {
    fn new(evaluation: &Evaluation, score: Score<'_>) -> Self {
        let parts = evaluation.parts.iter().zip(score.parts).map(|(part, got)| ScorePartJson {
            name: (&part.name).into(),
            points: got.points,
            full: got.full,
            measured: got.measured,
            figure: got.figure.map(Into::into),
        });
        Self {
            total: score.total,
            known: score.known,
            grade: score.grade.map(|grade| ScoreGradeJson {
                id: grade.id.clone(),
                name: (&grade.name).into(),
                color: grade.color.clone(),
            }),
            parts: parts.collect(),
        }
    }
}

/// One object's evaluation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvaluationRowJson {
    /// Code of the area, id of the agency, class, or name of the account.
    id: String,
    name: TextJson,
    figures: Vec<FigureJson>,
    /// Mean time of handling by its own clock; null without any case handled.
    mean_handling_ms: Option<f64>,
    /// null where the city has no composite for this object.
    score: Option<ScoreJson>,
}

/// What a formula means.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FormulaJson {
    id: &'static str,
    name: TextJson,
    /// What is counted, of what.
    meaning: TextJson,
    higher_is_better: bool,
}

/// The composite that was used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompositeJson {
    id: String,
    name: TextJson,
    /// Where its weights come from.
    source: String,
}

/// Evaluations of all objects of a sort.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"object": "agency", "period": "month", "from": "2026-10-31T16:00:00Z", "to": "2026-11-30T16:00:00Z",
    "seen_at": "2026-11-22T07:00:00Z", "simulated": true, "composite": {"id": "agency_monthly", "name": {"zh": "部门综合评价", "en": "Agencies, composite"}, "source": "..."},
    "formulas": [{"id": "disposed", "name": {"zh": "处置率", "en": "Handled"}, "meaning": {"zh": "处置数／应处置数", "en": "handled of due to be handled"}, "higher_is_better": true}],
    "items": [{"id": "gas_company-500103", "name": {"zh": "渝中区燃气公司", "en": "Yuzhong Gas Company"}, "mean_handling_ms": 5_400_000.0,
        "figures": [{"formula": "disposed", "numerator": 9, "denominator": 10, "value": 0.9, "raw": {"numerator": 9, "denominator": 10, "value": 0.9}}],
        "score": {"total": 92.5, "known": 100.0, "grade": {"id": "A", "name": {"zh": "绿", "en": "green"}, "color": "#2E7D32"}, "parts": []}}],
    "next_cursor": null, "total": 1}))]
pub(crate) struct EvaluationJson {
    object: String,
    period: &'static str,
    from: String,
    to: String,
    /// As known at this moment.
    seen_at: String,
    /// True in a simulated city.
    simulated: bool,
    composite: Option<CompositeJson>,
    formulas: Vec<FormulaJson>,
    items: Vec<EvaluationRowJson>,
    next_cursor: Option<String>,
    total: u64,
}

/// A composite, figures of no composite being n/a.
fn scored(evaluation: &Evaluation, object: EvaluationObject, tally: &Tally) -> ScoreJson {
    ScoreJson::new(evaluation, score(evaluation, object, tally, &BTreeMap::new()))
}

/// The question once it is understood.
pub(super) struct Question {
    pub(super) asked: Asked,
    pub(super) word: String,
    kind: PeriodKind,
}

pub(super) fn question(city: &City, caller: &Caller, query: &EvaluationQuery) -> Answer<Question> {
    caller.need(Permission::Read)?;
    let given = |text: &Option<String>, otherwise: &str| {
        text.clone().filter(|t| !t.is_empty()).unwrap_or_else(|| otherwise.to_owned())
    };
    let (word, kind) = (given(&query.object, "area"), given(&query.period, "month"));
    let object = serde_json::from_value(serde_json::Value::String(word.clone()))
        .map_err(|_unknown| Problem::bad_query(format!("object={word}")))?;
    if is_post(object) {
        // How single people do their work is for those who look back on it.
        caller.need(Permission::ReviewWrite)?;
    }
    let kind =
        PeriodKind::from_word(&kind).ok_or_else(|| Problem::bad_query(format!("period={kind}")))?;
    let now = clock::now();
    let zone = &city.profile.time_zone;
    let moment = moment(query.at.as_deref(), zone, now)?;
    let period = EvaluationPeriod::holding(kind, moment, zone)
        .ok_or_else(|| Problem::bad_query(format!("at={} in {zone}", moment.to_rfc3339())))?;
    let area = caller.scope(query.area.as_deref())?;
    Ok(Question { asked: Asked { area, object, period, now }, word, kind })
}

/// A day of the city's zone, or a time.
fn moment(at: Option<&str>, zone: &str, now: Timestamp) -> Answer<Timestamp> {
    let Some(text) = at.filter(|t| !t.is_empty()) else { return Ok(now) };
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2026-11-21".len());
    let start = day.and_then(|day| day.in_tz(zone).ok());
    match start {
        Some(start) => Ok(Timestamp(start.timestamp().as_millisecond())),
        None => Ok(time("at", at)?.unwrap_or(now)),
    }
}

impl City {
    pub(super) fn object_name(&self, object: EvaluationObject, id: &str) -> Text {
        let plain = || Text::new(id, id);
        match object {
            EvaluationObject::Area => {
                let name = self.area_name(id);
                Text::new(name.clone(), name)
            }
            EvaluationObject::Agency => {
                self.agencies.get(id).map_or_else(plain, |a| a.name.clone())
            }
            EvaluationObject::Class => {
                let mut types = self.packs.iter().flat_map(|pack| &pack.case_types);
                types.find(|t| t.class == id).map_or_else(plain, |t| {
                    Text::new(format!("{id} {}", t.name.zh), format!("{id} {}", t.name.en))
                })
            }
            _ => plain(),
        }
    }

    fn composite(&self, object: EvaluationObject, id: Option<&str>) -> Answer<Option<&Evaluation>> {
        let mut all =
            self.profile.ratings.evaluations.iter().filter(|e| e.objects.contains(&object));
        match id.filter(|id| !id.is_empty()) {
            None => Ok(all.next()),
            Some(id) => {
                let found = all.find(|evaluation| evaluation.id == id);
                found.map(Some).ok_or_else(|| Problem::not_found(format!("evaluation {id}")))
            }
        }
    }
}

/// The evaluation of areas, agencies, classes of cases or posts over a period.
#[utoipa::path(get, path = "/api/v1/evaluation", tag = "evaluation", params(EvaluationQuery),
    responses((status = 200, body = EvaluationJson)))]
pub(crate) async fn get_evaluation(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<EvaluationQuery>,
) -> Answer<Json<EvaluationJson>> {
    let Question { asked, word, kind } = question(&city, &caller, &query)?;
    let object = asked.object;
    let composite = city.composite(object, query.evaluation.as_deref())?;
    let tallies = city.tallies(&asked).await?;
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let page = paging.page(tallies.rows.iter(), |(id, tally)| EvaluationRowJson {
        id: id.clone(),
        name: city.object_name(object, id).into(),
        figures: formulas_of(object).iter().map(|&f| tally.figure(f).into()).collect(),
        mean_handling_ms: tally.mean_handling_ms(),
        score: composite.map(|evaluation| scored(evaluation, object, tally)),
    })?;
    Ok(Json(EvaluationJson {
        object: word,
        period: kind.word(),
        from: asked.period.from.to_rfc3339(),
        to: asked.period.to.to_rfc3339(),
        seen_at: asked.now.to_rfc3339(),
        simulated: city.config.simulated,
        composite: composite.map(|evaluation| CompositeJson {
            id: evaluation.id.clone(),
            name: (&evaluation.name).into(),
            source: evaluation.source.clone(),
        }),
        formulas: formulas_of(object)
            .iter()
            .map(|formula| FormulaJson {
                id: formula.word(),
                name: formula.name().into(),
                meaning: formula.meaning().into(),
                higher_is_better: formula.higher_is_better(),
            })
            .collect(),
        items: page.items,
        next_cursor: page.next_cursor,
        total: page.total,
    }))
}

/// Which figure's cases.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BehindQuery {
    /// As of `GET /api/v1/evaluation`.
    object: Option<String>,
    /// As there.
    period: Option<String>,
    /// As there.
    at: Option<String>,
    /// As there.
    area: Option<String>,
    /// Id of the row: an agency, class or account; of areas it is `area`.
    id: Option<String>,
    /// Word of the formula (default disposed_on_time).
    formula: Option<String>,
    /// denominator (default), numerator, raw_numerator (without appeals), rest (not counted).
    part: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A case behind a figure.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "500103-20261121-00001", "title": {"zh": "燃气泄漏", "en": "Gas leak"}, "state": "closed",
    "state_name": {"zh": "已结案", "en": "Closed"}, "area": "500103001", "area_name": "七星岗街道", "agency": "gas_company-500103",
    "agency_name": {"zh": "渝中区燃气公司", "en": "Yuzhong Gas Company"}, "is_part": false, "handle_due_at": "2026-11-21T07:34:05.678Z",
    "handled_at": "2026-11-21T05:10:00Z", "breached": false, "excused": false, "simulated": false}))]
pub(crate) struct BehindJson {
    id: String,
    title: TextJson,
    state: &'static str,
    state_name: TextJson,
    area: String,
    area_name: String,
    agency: Option<String>,
    agency_name: Option<TextJson>,
    /// The agency does a part of it 多跨协同: what follows is of that part.
    is_part: bool,
    /// Deadline of its handling; null when it has none.
    handle_due_at: Option<String>,
    handled_at: Option<String>,
    /// Its handling was late at least once.
    breached: bool,
    /// And that was excused by appeals that were upheld.
    excused: bool,
    simulated: bool,
}

fn part(word: &str) -> Option<Part> {
    Some(match word {
        "denominator" => Part::Denominator,
        "numerator" => Part::Numerator,
        "raw_numerator" => Part::RawNumerator,
        "rest" => Part::Rest,
        _ => return None,
    })
}

/// The cases behind a part of a figure; `total` is that part.
#[utoipa::path(get, path = "/api/v1/evaluation/cases", tag = "evaluation", params(BehindQuery),
    responses((status = 200, body = Page<BehindJson>)))]
pub(crate) async fn list_behind(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<BehindQuery>,
) -> Answer<Json<Page<BehindJson>>> {
    let BehindQuery { object, period, at, area, id, limit, cursor, .. } = query;
    let evaluation = EvaluationQuery { object, period, at, area, ..EvaluationQuery::default() };
    let Question { asked, .. } = question(&city, &caller, &evaluation)?;
    let word = query.formula.filter(|w| !w.is_empty());
    let formula = word.as_deref().map_or(Some(Formula::DisposedOnTime), Formula::from_word);
    let formula = formula
        .filter(|formula| formulas_of(asked.object).contains(formula))
        .ok_or_else(|| Problem::bad_query(format!("formula={}", word.unwrap_or_default())))?;
    let word = query.part.filter(|w| !w.is_empty()).unwrap_or_else(|| "denominator".to_owned());
    let part = part(&word).ok_or_else(|| Problem::bad_query(format!("part={word}")))?;
    let paging = Paging { limit, cursor };
    let (offset, limit) = (paging.offset()?, paging.limit()?);
    let (mut items, mut total, span) = (Vec::new(), 0_usize, asked.span());
    let wanted = id.as_deref().unwrap_or_default();
    city.each_of(&asked, Some(wanted), |case, facts, is_part| {
        if !classify(facts, span).is(formula, part) {
            return;
        }
        if total >= offset && items.len() < limit {
            let agency_id = if is_part { Some(wanted) } else { case.agency.as_deref() };
            let agency = agency_id.and_then(|id| city.agencies.get(id));
            let known = |t: Timestamp| (t != NEVER).then(|| t.to_rfc3339());
            items.push(BehindJson {
                id: case.id.to_string(),
                title: (&case.filing.title).into(),
                state: case.state.word(),
                state_name: case.state.name().into(),
                area: case.area.code().to_owned(),
                area_name: city.area_name(case.area.code()),
                agency: agency_id.map(str::to_owned),
                agency_name: agency.map(|agency| (&agency.name).into()),
                is_part,
                handle_due_at: known(facts.handle.due_at),
                handled_at: known(facts.handle.done_at),
                breached: facts.handle.breached,
                excused: facts.handle.excused,
                simulated: case.filing.simulated,
            });
        }
        total += 1;
    })
    .await?;
    let next = offset + items.len();
    let next_cursor = (next < total).then(|| next.to_string());
    Ok(Json(Page { items, next_cursor, total: total as u64 }))
}
