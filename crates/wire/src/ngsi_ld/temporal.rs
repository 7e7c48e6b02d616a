//! Values over time: what is asked of the past, and entities with their values then.
//!
//! Not here: where values come from (`server`). Invariant: a span includes its first moment and not its last.

use chengmai_model::Timestamp;
use chengmai_model::error::{NGSI_QUERY, NGSI_REQUEST};
use jiff::{Span, SpanRelativeTo, Unit};
use serde_json::{Map, Value as Json, json};

use super::{Context, Entity, bad};
use crate::error::{Fault, quote};

/// Most values of one attribute in an answer.
const VALUES_MAX: usize = 10_000;
/// Most steps of one aggregate.
const STEPS_MAX: i64 = 10_000;
/// Parameters that ask of time; those of the entities stand beside them.
pub const PARAMETERS: [&str; 9] = [
    "timerel",
    "timeAt",
    "endTimeAt",
    "timeproperty",
    "lastN",
    "aggrMethods",
    "aggrPeriodDuration",
    "temporalValues",
    "aggregatedValues",
];

/// What is asked of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct TemporalQuery {
    /// Which span; none where no time was named.
    pub moments: Option<Moments>,
    /// Of each attribute only the newest so many.
    pub last: Option<usize>,
    /// Bare values with their times.
    pub values: bool,
    /// Sums instead of values.
    pub aggregate: Option<Aggregate>,
}

/// A span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments {
    /// Its first moment.
    pub from: Timestamp,
    /// The first behind it.
    pub to: Timestamp,
}

/// What is summed up, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    methods: Vec<Method>,
    /// None: the whole span is one step.
    period_ms: Option<i64>,
}

macro_rules! methods {
    ($($name:ident = $word:literal,)+) => {
        /// How values are summed up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the standard's own words")]
        pub enum Method { $($name,)+ }

        impl Method {
            const ALL: &[(&'static str, Self)] = &[$(($word, Self::$name),)+];
        }
    };
}

methods! {
    TotalCount = "totalCount",
    DistinctCount = "distinctCount",
    Sum = "sum",
    Average = "avg",
    Minimum = "min",
    Maximum = "max",
    Deviation = "stddev",
    Squares = "sumsq",
}

impl Method {
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }

    fn of(self, values: &[f64]) -> Json {
        let count = values.len() as f64;
        let sum: f64 = values.iter().sum();
        let squares: f64 = values.iter().map(|value| value * value).sum();
        match self {
            Self::TotalCount => json!(values.len()),
            Self::DistinctCount => {
                let mut bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
                bits.sort_unstable();
                bits.dedup();
                json!(bits.len())
            }
            Self::Sum => json!(sum),
            Self::Average => json!(sum / count),
            Self::Minimum => json!(values.iter().copied().fold(f64::INFINITY, f64::min)),
            Self::Maximum => json!(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            Self::Deviation => {
                let mean = sum / count;
                let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
                json!((spread / count).sqrt())
            }
            Self::Squares => json!(squares),
        }
    }
}

/// What the parameters of an address ask of the past.
///
/// # Errors
/// [`NGSI_QUERY`] for one that is not right, [`NGSI_REQUEST`] for a time that nothing is kept by.
pub fn temporal_query(pairs: &[(String, String)]) -> Result<TemporalQuery, Fault> {
    let text =
        |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str());
    let has_option = |word: &str| {
        let listed = ["options", "format"].into_iter().filter_map(text);
        listed.flat_map(|list| list.split(',')).any(|one| one.trim() == word)
    };
    if let Some(property) = text("timeproperty").filter(|name| *name != "observedAt") {
        let shown = quote(property.as_bytes());
        let (zh, en) = (
            format!("只按 observedAt 保存，没有 {shown}"),
            format!("values are kept by observedAt, not by {shown}"),
        );
        return Err(bad(&NGSI_REQUEST, zh, en));
    }
    let moments = moments(text("timerel"), text("timeAt"), text("endTimeAt"))?;
    let last = text("lastN").map(|n| n.parse().ok().filter(|n| (1..=VALUES_MAX).contains(n)));
    let last = match last {
        Some(None) => {
            let (zh, en) =
                (format!("lastN 应为 1 至 {VALUES_MAX}"), format!("lastN is 1 to {VALUES_MAX}"));
            return Err(bad(&NGSI_QUERY, zh, en));
        }
        other => other.flatten(),
    };
    let is_summed = has_option("aggregatedValues") || text("aggrMethods").is_some();
    let aggregate = match (is_summed, moments) {
        (true, moments) => {
            Some(aggregate(text("aggrMethods"), text("aggrPeriodDuration"), moments)?)
        }
        (false, _) => None,
    };
    Ok(TemporalQuery { moments, last, values: has_option("temporalValues"), aggregate })
}

fn moments(
    relation: Option<&str>,
    at: Option<&str>,
    end: Option<&str>,
) -> Result<Option<Moments>, Fault> {
    let time = |name: &str, text: Option<&str>| {
        let text = text.map(|text| text.replace(' ', "+"));
        text.and_then(|text| Timestamp::parse_rfc3339(&text)).ok_or_else(|| {
            let (zh, en) =
                (format!("{name} 应为 RFC 3339 时间"), format!("{name} is a time of RFC 3339"));
            bad(&NGSI_QUERY, zh, en)
        })
    };
    let all = (Timestamp(i64::MIN), Timestamp(i64::MAX));
    let (from, to) = match relation {
        None if at.is_none() && end.is_none() => return Ok(None),
        Some("before") => (all.0, time("timeAt", at)?),
        Some("after") => (Timestamp(time("timeAt", at)?.0.saturating_add(1)), all.1),
        Some("between") => (time("timeAt", at)?, time("endTimeAt", end)?),
        _ => {
            let (zh, en) =
                ("timerel 应为 before、after 或 between", "timerel is before, after or between");
            return Err(bad(&NGSI_QUERY, zh, en));
        }
    };
    if from >= to {
        let (zh, en) = ("endTimeAt 须晚于 timeAt", "endTimeAt comes after timeAt");
        return Err(bad(&NGSI_QUERY, zh, en));
    }
    Ok(Some(Moments { from, to }))
}

fn aggregate(
    methods: Option<&str>,
    period: Option<&str>,
    moments: Option<Moments>,
) -> Result<Aggregate, Fault> {
    let words = methods.unwrap_or_default().split(',').map(str::trim);
    let read: Option<Vec<Method>> = words
        .map(|word| Method::ALL.iter().find(|(known, _)| *known == word).map(|(_, method)| *method))
        .collect();
    let methods = read.ok_or_else(|| {
        let known: Vec<&str> = Method::ALL.iter().map(|(word, _)| *word).collect();
        let known = known.join(", ");
        let (zh, en) = (format!("aggrMethods 应为 {known}"), format!("aggrMethods are {known}"));
        bad(&NGSI_QUERY, zh, en)
    })?;
    let period_ms = match period {
        None => None,
        Some(text) => Some(period_ms(text)?).filter(|ms| *ms > 0),
    };
    if let (Some(ms), Some(Moments { from, to })) = (period_ms, moments)
        && from.0 > i64::MIN
        && to.0 < i64::MAX
        && (to.0 - from.0) / ms > STEPS_MAX
    {
        let (zh, en) = (format!("步数超过 {STEPS_MAX}"), format!("more than {STEPS_MAX} steps"));
        return Err(bad(&NGSI_QUERY, zh, en));
    }
    Ok(Aggregate { methods, period_ms })
}

/// A duration of ISO 8601 in milliseconds; a day is 24 hours.
fn period_ms(text: &str) -> Result<i64, Fault> {
    let span: Option<Span> = text.parse().ok();
    let total = span
        .and_then(|span| span.total((Unit::Millisecond, SpanRelativeTo::days_are_24_hours())).ok());
    #[expect(clippy::cast_possible_truncation, reason = "what is too large is refused")]
    let ms = total.filter(|ms| (0.0..1e15).contains(ms)).map(|ms| ms as i64);
    ms.ok_or_else(|| {
        let (zh, en) = (
            "aggrPeriodDuration 应为 PT1H、P1D 之类",
            "aggrPeriodDuration is a duration such as PT1H or P1D",
        );
        bad(&NGSI_QUERY, zh, en)
    })
}

/// The values of one attribute over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Whole name of the attribute.
    pub name: String,
    /// Unit of the values.
    pub unit_code: Option<String>,
    /// Values in order of time.
    pub points: Vec<(Timestamp, f64)>,
}

/// An entity with values over time, without its context.
pub fn temporal_json(
    entity: &Entity,
    values: &[Values],
    query: &TemporalQuery,
    context: &Context,
) -> Json {
    let types: Vec<Json> = entity.types.iter().map(|one| json!(context.compact(one))).collect();
    let kind = if let [one] = types.as_slice() { one.clone() } else { Json::Array(types) };
    let mut map = Map::from_iter([("id".to_owned(), json!(entity.id)), ("type".to_owned(), kind)]);
    for one in values {
        let skipped = query.last.map_or(0, |last| one.points.len().saturating_sub(last));
        let points = one.points.get(skipped..).unwrap_or_default();
        let written = match (&query.aggregate, query.values) {
            (Some(aggregate), _) => aggregate.json(points, query.moments),
            (None, true) => {
                let pairs = points.iter().map(|(at, value)| json!([value, at.to_rfc3339()]));
                json!({"type": "Property", "values": pairs.collect::<Vec<_>>()})
            }
            (None, false) => points
                .iter()
                .map(|(at, value)| {
                    let mut point =
                        json!({"type": "Property", "value": value, "observedAt": at.to_rfc3339()});
                    if let (Some(unit), Some(map)) = (&one.unit_code, point.as_object_mut()) {
                        map.insert("unitCode".to_owned(), json!(unit));
                    }
                    point
                })
                .collect(),
        };
        map.insert(context.compact(&one.name), written);
    }
    Json::Object(map)
}

impl Aggregate {
    fn json(&self, points: &[(Timestamp, f64)], moments: Option<Moments>) -> Json {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return json!({"type": "Property"});
        };
        let begin = moments.map(|m| m.from).filter(|from| from.0 > i64::MIN).unwrap_or(first.0);
        let end = moments.map(|m| m.to).filter(|to| to.0 < i64::MAX);
        let end = end.unwrap_or_else(|| last.0.plus_ms(1));
        let step_of =
            |at: Timestamp| self.period_ms.map_or(0, |ms| (at.0 - begin.0).div_euclid(ms));
        let mut steps: Vec<(i64, Vec<f64>)> = Vec::new();
        for (at, value) in points {
            match steps.last_mut() {
                Some((step, values)) if *step == step_of(*at) => values.push(*value),
                _ => steps.push((step_of(*at), vec![*value])),
            }
        }
        let mut map = Map::from_iter([("type".to_owned(), json!("Property"))]);
        for method in &self.methods {
            let rows = steps.iter().map(|(step, values)| {
                let from = self.period_ms.map_or(begin, |ms| begin.plus_ms(step * ms));
                let to = self.period_ms.map_or(end, |ms| from.plus_ms(ms).min(end));
                json!([method.of(values), from.to_rfc3339(), to.to_rfc3339()])
            });
            map.insert(method.word().to_owned(), rows.collect());
        }
        Json::Object(map)
    }
}
