//! Reads what is asked, from the pairs of a query.
//!
//! A fault's line is the number of the parameter, from 1; a filter's byte is that within the filter.

use std::borrow::Cow;

use chengmai_model::error::{ErrorCode, FEATURE_CRS, FEATURE_PARAMETER};
use chengmai_model::time::DAY_MS;
use chengmai_model::{Text, Timestamp};

use super::{
    CollectionQuery, Crs, DocumentQuery, Format, Interval, LIMIT_DEFAULT, LIMIT_MAX,
    PARAMETERS_MAX, VALUE_BYTES_MAX,
};
use crate::Fault;
use crate::cql2::{self, Compare, Expr, Geometry, Kind, Queryable, Value};
use crate::error::{place, quote};

/// What is asked of a document that takes these parameters besides `f` and `lang`; `crs` is the only one
/// that there is.
///
/// # Errors
/// The first parameter that is unknown, stands twice or has no sense.
pub fn document_query(pairs: &[(String, String)], takes_crs: bool) -> Result<DocumentQuery, Fault> {
    let mut query = DocumentQuery::default();
    each(pairs, |parameter| {
        if parameter.name == "crs" && !takes_crs {
            return Err(parameter.unknown());
        }
        if of_document(&mut query, &parameter)? { Ok(()) } else { Err(parameter.unknown()) }
    })?;
    Ok(query)
}

/// What is asked of a collection with these properties.
///
/// # Errors
/// The first parameter that is unknown, stands twice or has no sense; or what is wrong with the filter.
pub fn collection_query(
    pairs: &[(String, String)],
    declared: &[Queryable],
) -> Result<CollectionQuery, Fault> {
    let mut query = CollectionQuery { limit: LIMIT_DEFAULT, ..CollectionQuery::default() };
    let (mut bbox, mut bbox_crs) = (None, Crs::default());
    let (mut filter, mut filter_crs, mut is_json) = (None, Crs::default(), false);
    let mut parts = Vec::new();
    each(pairs, |parameter| {
        if of_document(&mut query.document, &parameter)? {
            return Ok(());
        }
        match parameter.name {
            "limit" => query.limit = parameter.limit()?,
            "cursor" => query.cursor = Some(parameter.value.to_owned()),
            "bbox" => bbox = Some(parameter),
            "bbox-crs" => bbox_crs = parameter.crs()?,
            "datetime" => query.datetime = Some(parameter.interval()?),
            "filter" => filter = Some(parameter.value),
            "filter-crs" => filter_crs = parameter.crs()?,
            "filter-lang" => {
                is_json = match parameter.value {
                    "cql2-text" => false,
                    "cql2-json" => true,
                    _ => return Err(parameter.senseless("cql2-text, cql2-json")),
                }
            }
            name => {
                let known = declared.iter().find(|q| q.name == name && q.kind != Kind::Geometry);
                let known = known.ok_or_else(|| parameter.unknown())?;
                parts.push(parameter.equals(known)?);
            }
        }
        Ok(())
    })?;
    query.bbox = bbox.map(|parameter| parameter.bbox(bbox_crs)).transpose()?;
    if let Some(text) = filter {
        let parse = if is_json { cql2::parse_json } else { cql2::parse_text };
        parts.push(parse(text, filter_crs)?);
    }
    query.filter = match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Expr::All(parts)),
    };
    if let Some(filter) = &query.filter {
        filter.check(declared)?;
    }
    Ok(query)
}

#[derive(Clone, Copy)]
struct Parameter<'a> {
    number: usize,
    name: &'a str,
    value: &'a str,
}

fn each<'a>(
    pairs: &'a [(String, String)],
    mut take: impl FnMut(Parameter<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if pairs.len() > PARAMETERS_MAX {
        let (zh, en) = (
            format!("参数超过 {PARAMETERS_MAX} 个"),
            format!("more than {PARAMETERS_MAX} parameters"),
        );
        return Err(Fault::new(0, 0, &FEATURE_PARAMETER, zh, en));
    }
    for (n, (name, value)) in pairs.iter().enumerate() {
        let parameter = Parameter { number: n + 1, name, value };
        if pairs[..n].iter().any(|(other, _)| other == name) {
            return Err(parameter.fault(&FEATURE_PARAMETER, "出现两次", "stands twice"));
        }
        if name != "filter" && value.len() > VALUE_BYTES_MAX {
            let (zh, en) = (
                format!("超过 {VALUE_BYTES_MAX} 字节"),
                format!("is longer than {VALUE_BYTES_MAX} bytes"),
            );
            return Err(parameter.fault(&FEATURE_PARAMETER, &zh, &en));
        }
        take(parameter)?;
    }
    Ok(())
}

fn of_document(query: &mut DocumentQuery, parameter: &Parameter<'_>) -> Result<bool, Fault> {
    match parameter.name {
        "f" => {
            query.format = Some(match parameter.value {
                "json" => Format::Json,
                "html" => Format::Html,
                _ => return Err(parameter.senseless("json, html")),
            });
        }
        "lang" => query.language = Some(parameter.value.to_owned()),
        "crs" => query.crs = parameter.crs()?,
        _ => return Ok(false),
    }
    Ok(true)
}

impl Parameter<'_> {
    fn fault(&self, code: &'static ErrorCode, zh: &str, en: &str) -> Fault {
        let name = quote(self.name.as_bytes());
        Fault {
            line: place(self.number),
            byte: 0,
            code,
            reason: Text::new(format!("`{name}` {zh}"), format!("`{name}` {en}")),
        }
    }

    fn unknown(&self) -> Fault {
        self.fault(&FEATURE_PARAMETER, "不是参数", "is not a parameter")
    }

    fn senseless(&self, wanted: &str) -> Fault {
        let value = quote(self.value.as_bytes());
        let (zh, en) =
            (format!("不能是 `{value}`：{wanted}"), format!("cannot be `{value}`: {wanted}"));
        self.fault(&FEATURE_PARAMETER, &zh, &en)
    }

    fn limit(&self) -> Result<usize, Fault> {
        let number: Option<usize> = self.value.parse().ok().filter(|&n| n > 0);
        Ok(number.ok_or_else(|| self.senseless("1 ..."))?.min(LIMIT_MAX))
    }

    fn crs(&self) -> Result<Crs, Fault> {
        let value = quote(self.value.as_bytes());
        Crs::from_uri(self.value).ok_or_else(|| {
            self.fault(&FEATURE_CRS, &format!("不能是 `{value}`"), &format!("cannot be `{value}`"))
        })
    }

    fn bbox(&self, crs: Crs) -> Result<Geometry, Fault> {
        let wanted = "west,south,east,north";
        let numbers = self.value.split(',').map(|part| part.trim().parse::<f64>());
        let numbers: Vec<f64> = numbers
            .take(7)
            .collect::<Result<_, _>>()
            .map_err(|_not_a_number| self.senseless(wanted))?;
        let corners = crs.box_from(&numbers).ok_or_else(|| self.senseless(wanted))?;
        Ok(Geometry::of_box(corners))
    }

    fn interval(&self) -> Result<Interval, Fault> {
        let wrong = || self.senseless("2026-11-21T00:00:00Z/..");
        let end = |text: &str, is_end: bool| match text {
            "" | ".." => Ok(None),
            text => first_and_last(text)
                .map(|(first, last)| Some(if is_end { last } else { first }))
                .ok_or_else(wrong),
        };
        let interval = if let Some((from, to)) = self.value.split_once('/') {
            Interval { from: end(from, false)?, to: end(to, true)? }
        } else {
            let (from, to) = first_and_last(self.value).ok_or_else(wrong)?;
            Interval { from: Some(from), to: Some(to) }
        };
        match (interval.from, interval.to) {
            (Some(from), Some(to)) if from > to => Err(wrong()),
            _ => Ok(interval),
        }
    }

    /// `tier=town` is the filter `tier = 'town'`.
    fn equals(&self, known: &Queryable) -> Result<Expr, Fault> {
        let value = match known.kind {
            Kind::Text => Some(Value::Text(Cow::Owned(self.value.to_owned()))),
            Kind::Number | Kind::Integer => {
                let number = self.value.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Value::Number)
            }
            Kind::Boolean => self.value.parse().ok().map(Value::Boolean),
            Kind::Time | Kind::Date => {
                first_and_last(self.value).map(|(first, _)| Value::Time(first))
            }
            Kind::Geometry => None,
        };
        let value = value.ok_or_else(|| self.senseless(&format!("{:?}", known.kind)))?;
        Ok(Expr::Compare { property: known.name.to_owned(), how: Compare::Equal, value })
    }
}

/// A moment, or a day as its first and last one. A `+` that was not escaped arrives as a space.
fn first_and_last(text: &str) -> Option<(Timestamp, Timestamp)> {
    if let Some(at) = Timestamp::parse_rfc3339(&text.replace(' ', "+")) {
        return Some((at, at));
    }
    let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let first = Timestamp(zoned.timestamp().as_millisecond());
    Some((first, first.plus_ms(DAY_MS - 1)))
}
