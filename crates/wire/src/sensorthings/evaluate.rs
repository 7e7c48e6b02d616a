//! What an expression is worth for an entity and the neighbours it has with it.
//!
//! A path over a way to many has many values; a comparison holds when it holds for one of them. What is
//! not there is null; null is equal to null and neither more nor less than anything. Nothing here reads
//! a clock: `now()` is an argument.

use std::cmp::Ordering;

use chengmai_model::Timestamp;
use chengmai_model::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::filter::{Expr, Op, Path};
use super::function::call;
use super::shape::{Lie, Shape, shape};
use super::{Entity, Id, Linked};

/// Values that one part of an expression may have at once.
const VALUES_MAX: usize = 10_000;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// Words.
    Text(String),
    /// A moment, in milliseconds since 1970.
    Time(i64),
    /// From one moment to another.
    Span(i64, i64),
    /// A length of time in milliseconds.
    Duration(i64),
    /// A geometry.
    Shape(Shape),
    /// An object or a list.
    Json(Json),
}

impl Value {
    /// A number as it is written.
    pub(super) fn number(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Number)
    }

    /// A moment, a day, a time of day or a span as it is written.
    pub(super) fn time(text: &str) -> Option<Self> {
        if let Some((from, to)) = text.split_once('/') {
            return Some(Self::Span(moment(from)?, moment(to)?)).filter(|span| match span {
                Self::Span(from, to) => from <= to,
                _ => false,
            });
        }
        if let Ok(time) = text.parse::<jiff::civil::Time>()
            && !text.contains('-')
        {
            return Some(Self::Duration(time_of_day(time)));
        }
        moment(text).map(Self::Time)
    }

    /// A length of time as ISO 8601 writes it, of days and less.
    pub(super) fn duration(text: &str) -> Option<Self> {
        let span: jiff::Span = text.parse().ok()?;
        let days = (jiff::Unit::Millisecond, jiff::SpanRelativeTo::days_are_24_hours());
        let whole = span.total(days).ok()?;
        (whole.abs() < 9e15).then(|| Self::Duration(rounded(whole)))
    }

    fn of(json: &Json, time: bool) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(yes) => Self::Bool(*yes),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Whole(whole),
                None => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) if time => time_of(text).unwrap_or_else(|| Self::Text(text.clone())),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(_) | Json::Object(_) => Self::Json(json.clone()),
        }
    }

    /// The id that it names.
    pub(super) fn as_id(&self) -> Option<Id> {
        match self {
            Self::Whole(number) => Some(Id::Number(*number)),
            Self::Text(text) => Some(Id::Text(text.clone())),
            _ => None,
        }
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_shape(&self) -> Option<Shape> {
        match self {
            Self::Shape(shape) => Some(shape.clone()),
            Self::Json(json) => shape(json),
            _ => None,
        }
    }

    /// Order of two values of one sort; none of two that have none.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Whole(a), Self::Whole(b))
            | (Self::Time(a), Self::Time(b))
            | (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Time(_) | Self::Span(..)) => time_of(a)?.compare(other),
            (Self::Time(_) | Self::Span(..), Self::Text(b)) => self.compare(&time_of(b)?),
            (Self::Span(from, to), Self::Time(at)) => Some((from, to).cmp(&(at, at))),
            (Self::Time(at), Self::Span(from, to)) => Some((at, at).cmp(&(from, to))),
            (Self::Span(a, b), Self::Span(c, d)) => Some((a, b).cmp(&(c, d))),
            (Self::Json(a), Self::Json(b)) => (a == b).then_some(Ordering::Equal),
            (Self::Shape(_), _) | (_, Self::Shape(_)) => {
                let same = self.as_shape()?.lies(Lie::Equals, &other.as_shape()?);
                same.then_some(Ordering::Equal)
            }
            _ => self.as_f64()?.partial_cmp(&other.as_f64()?),
        }
    }

    /// A place in an order of anything: sorts one after the other, null first.
    pub fn order(&self, other: &Self) -> Ordering {
        let sort = |value: &Self| match value {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Whole(_) | Self::Number(_) => 2,
            Self::Time(_) | Self::Span(..) => 3,
            Self::Duration(_) => 4,
            Self::Text(_) => 5,
            Self::Shape(_) | Self::Json(_) => 6,
        };
        sort(self).cmp(&sort(other)).then_with(|| self.compare(other).unwrap_or(Ordering::Equal))
    }
}

/// One span is before another when it has ended by the time that one begins; a moment is a span too.
fn spans(op: Op, a: &Value, b: &Value) -> Option<bool> {
    let ends = |value: &Value| match value {
        Value::Time(at) => Some((*at, *at)),
        Value::Span(from, to) => Some((*from, *to)),
        _ => None,
    };
    let before = |a: (i64, i64), b: (i64, i64)| a.1 <= b.0;
    let (a, b) = (ends(a)?, ends(b)?);
    Some(match op {
        Op::Eq => a == b,
        Op::Ne => a != b,
        Op::Lt => before(a, b) && a.0 < b.0,
        Op::Le => before(a, b),
        Op::Gt => before(b, a) && b.0 < a.0,
        Op::Ge => before(b, a),
        _ => return None,
    })
}

/// A moment or a span as documents have it.
pub fn time_of(text: &str) -> Option<Value> {
    Value::time(text).filter(|value| matches!(value, Value::Time(_) | Value::Span(..)))
}

fn moment(text: &str) -> Option<i64> {
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Some(at.0);
    }
    // Without a zone it is taken for UTC.
    let date: jiff::civil::DateTime = text.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn time_of_day(time: jiff::civil::Time) -> i64 {
    i64::from(time.hour()) * HOUR_MS
        + i64::from(time.minute()) * MINUTE_MS
        + i64::from(time.second()) * SECOND_MS
        + i64::from(time.millisecond())
}

/// The nearest whole number; what is too large is the largest.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
fn rounded(number: f64) -> i64 {
    number.round() as i64
}

/// Whether an expression holds for an entity.
pub fn holds(expr: &Expr, entity: &Entity, now: Timestamp) -> bool {
    values(expr, entity, now).contains(&Value::Bool(true))
}

/// What an entity is ordered by.
pub fn order_by(expr: &Expr, entity: &Entity, now: Timestamp) -> Value {
    values(expr, entity, now).into_iter().next().unwrap_or(Value::Null)
}

fn values(expr: &Expr, entity: &Entity, now: Timestamp) -> Vec<Value> {
    match expr {
        Expr::Literal(value) => vec![value.clone()],
        Expr::Path(path) => {
            let mut found = Vec::new();
            follow(path, 0, entity, &mut found);
            found
        }
        Expr::Not(inner) => vec![Value::Bool(!holds(inner, entity, now))],
        Expr::Binary(Op::And, left, right) => {
            vec![Value::Bool(holds(left, entity, now) && holds(right, entity, now))]
        }
        Expr::Binary(Op::Or, left, right) => {
            vec![Value::Bool(holds(left, entity, now) || holds(right, entity, now))]
        }
        Expr::Binary(op, left, right) => {
            let (left, right) = (values(left, entity, now), values(right, entity, now));
            pairs(&left, &right, |a, b| binary(*op, a, b))
        }
        Expr::Call(function, of) => {
            let of: Vec<Vec<Value>> = of.iter().map(|part| values(part, entity, now)).collect();
            match of.as_slice() {
                [] => vec![call(*function, &[], now)],
                [one] => one.iter().map(|a| call(*function, &[a], now)).collect(),
                [one, two] => pairs(one, two, |a, b| call(*function, &[a, b], now)),
                [one, two, rest @ ..] => {
                    let third = rest.first().and_then(|three| three.first());
                    let third = third.unwrap_or(&Value::Null);
                    pairs(one, two, |a, b| call(*function, &[a, b, third], now))
                }
            }
        }
    }
}

/// Each with each.
fn pairs(left: &[Value], right: &[Value], of: impl Fn(&Value, &Value) -> Value) -> Vec<Value> {
    let all = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    all.take(VALUES_MAX).map(|(a, b)| of(a, b)).collect()
}

/// What stands at the end of a path, from its way number `from` on.
fn follow(path: &Path, from: usize, entity: &Entity, found: &mut Vec<Value>) {
    if found.len() >= VALUES_MAX {
        return;
    }
    let Some(way) = path.ways.get(from) else {
        found.push(field(path, entity));
        return;
    };
    match entity.links.get(way.name) {
        Some(Linked::One(Some(other))) => follow(path, from + 1, other, found),
        Some(Linked::Many(others)) => {
            others.entities.iter().for_each(|other| follow(path, from + 1, other, found));
        }
        Some(Linked::One(None)) | None => {}
    }
}

fn field(path: &Path, entity: &Entity) -> Value {
    let Some((first, rest)) = path.names.split_first() else { return Value::Null };
    if first == "id" {
        return Value::of(&entity.id.to_json(), false);
    }
    let mut json = entity.fields.get(first);
    for name in rest {
        json = json.and_then(|json| match json {
            Json::Array(list) => name.parse::<usize>().ok().and_then(|at| list.get(at)),
            other => other.get(name),
        });
    }
    json.map_or(Value::Null, |json| Value::of(json, path.time))
}

fn binary(op: Op, a: &Value, b: &Value) -> Value {
    if let Some(holds) = spans(op, a, b) {
        return Value::Bool(holds);
    }
    let is = |test: fn(Ordering) -> bool| Value::Bool(a.compare(b).is_some_and(test));
    let both_there = !matches!((a, b), (Value::Null, _) | (_, Value::Null));
    match op {
        Op::Eq => is(Ordering::is_eq),
        Op::Ne => Value::Bool(!a.compare(b).is_some_and(Ordering::is_eq)),
        Op::Gt if both_there => is(Ordering::is_gt),
        Op::Ge if both_there => is(Ordering::is_ge),
        Op::Lt if both_there => is(Ordering::is_lt),
        Op::Le if both_there => is(Ordering::is_le),
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Mod => {
            arithmetic(op, a, b).unwrap_or(Value::Null)
        }
        Op::Gt | Op::Ge | Op::Lt | Op::Le | Op::And | Op::Or => Value::Bool(false),
    }
}

fn arithmetic(op: Op, a: &Value, b: &Value) -> Option<Value> {
    use Value::{Duration, Number, Time, Whole};
    Some(match (op, a, b) {
        (Op::Sub, Time(a), Time(b)) | (Op::Sub, Duration(a), Duration(b)) => {
            Duration(a.checked_sub(*b)?)
        }
        (Op::Add, Time(a), Duration(b)) | (Op::Add, Duration(b), Time(a)) => {
            Time(a.checked_add(*b)?)
        }
        (Op::Sub, Time(a), Duration(b)) => Time(a.checked_sub(*b)?),
        (Op::Add, Duration(a), Duration(b)) => Duration(a.checked_add(*b)?),
        (Op::Add, Whole(a), Whole(b)) => Whole(a.checked_add(*b)?),
        (Op::Sub, Whole(a), Whole(b)) => Whole(a.checked_sub(*b)?),
        (Op::Mul, Whole(a), Whole(b)) => Whole(a.checked_mul(*b)?),
        (Op::Div, Whole(a), Whole(b)) => Whole(a.checked_div(*b)?),
        (Op::Mod, Whole(a), Whole(b)) => Whole(a.checked_rem(*b)?),
        _ => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            let number = match op {
                Op::Add => a + b,
                Op::Sub => a - b,
                Op::Mul => a * b,
                Op::Div => a / b,
                _ => a % b,
            };
            Some(number).filter(|number| number.is_finite()).map(Number)?
        }
    })
}
