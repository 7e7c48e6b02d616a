//! The functions of `$filter`: of words, of times, of numbers and of geometries.
//!
//! Not here: how expressions are read (`filter`) and what else they are worth (`evaluate`). A value of the
//! wrong sort gives null, never a fault.

use chengmai_model::Timestamp;
use chengmai_model::time::DAY_MS;
use jiff::tz::TimeZone;

use super::evaluate::{Value, time_of};
use super::shape::Lie;

macro_rules! functions {
    ($($name:ident $word:literal $least:literal $most:literal,)+) => {
        /// A function of the standard; its name is its word there.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Function { $($name,)+ }

        impl Function {
            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)+ _ => None }
            }

            /// Whether it takes so many arguments.
            pub(super) fn takes(self, count: usize) -> bool {
                match self { $(Self::$name => ($least..=$most).contains(&count),)+ }
            }
        }
    };
}

functions! {
    SubstringOf "substringof" 2 2,
    Contains "contains" 2 2,
    EndsWith "endswith" 2 2,
    StartsWith "startswith" 2 2,
    Length "length" 1 1,
    IndexOf "indexof" 2 2,
    Substring "substring" 2 3,
    ToLower "tolower" 1 1,
    ToUpper "toupper" 1 1,
    Trim "trim" 1 1,
    Concat "concat" 2 2,
    Year "year" 1 1,
    Month "month" 1 1,
    Day "day" 1 1,
    Hour "hour" 1 1,
    Minute "minute" 1 1,
    Second "second" 1 1,
    FractionalSeconds "fractionalseconds" 1 1,
    Date "date" 1 1,
    Time "time" 1 1,
    TotalOffsetMinutes "totaloffsetminutes" 1 1,
    Now "now" 0 0,
    MinDateTime "mindatetime" 0 0,
    MaxDateTime "maxdatetime" 0 0,
    Round "round" 1 1,
    Floor "floor" 1 1,
    Ceiling "ceiling" 1 1,
    GeoDistance "geo.distance" 2 2,
    GeoLength "geo.length" 1 1,
    GeoIntersects "geo.intersects" 2 2,
    StEquals "st_equals" 2 2,
    StDisjoint "st_disjoint" 2 2,
    StTouches "st_touches" 2 2,
    StWithin "st_within" 2 2,
    StOverlaps "st_overlaps" 2 2,
    StCrosses "st_crosses" 2 2,
    StIntersects "st_intersects" 2 2,
    StContains "st_contains" 2 2,
    StRelate "st_relate" 3 3,
}

/// A function of values; null where they are of the wrong sort.
pub(super) fn call(function: Function, of: &[&Value], now: Timestamp) -> Value {
    use Function as F;
    let found = match function {
        F::Now => Some(Value::Time(now.0)),
        F::MinDateTime => Some(Value::Time(jiff::Timestamp::MIN.as_millisecond())),
        F::MaxDateTime => Some(Value::Time(jiff::Timestamp::MAX.as_millisecond())),
        F::Round | F::Floor | F::Ceiling => of.first().and_then(|value| round(function, value)),
        F::Year
        | F::Month
        | F::Day
        | F::Hour
        | F::Minute
        | F::Second
        | F::FractionalSeconds
        | F::Date
        | F::Time
        | F::TotalOffsetMinutes => of.first().and_then(|value| part_of_time(function, value)),
        _ => geometry(function, of).or_else(|| words(function, of)),
    };
    found.unwrap_or(Value::Null)
}

fn round(function: Function, value: &Value) -> Option<Value> {
    let number = match value {
        Value::Whole(whole) => return Some(Value::Whole(*whole)),
        other => other.as_f64()?,
    };
    Some(Value::Number(match function {
        Function::Round => number.round(),
        Function::Floor => number.floor(),
        _ => number.ceil(),
    }))
}

/// In UTC, in which all our times are.
fn part_of_time(function: Function, value: &Value) -> Option<Value> {
    use Function as F;
    let at = match value {
        Value::Time(at) | Value::Span(at, _) => *at,
        Value::Text(text) => match time_of(text)? {
            Value::Time(at) | Value::Span(at, _) => at,
            _ => return None,
        },
        _ => return None,
    };
    let time = jiff::Timestamp::from_millisecond(at).ok()?.to_zoned(TimeZone::UTC);
    let whole = |number: i8| Some(Value::Whole(i64::from(number)));
    match function {
        F::Year => Some(Value::Whole(i64::from(time.year()))),
        F::Month => whole(time.month()),
        F::Day => whole(time.day()),
        F::Hour => whole(time.hour()),
        F::Minute => whole(time.minute()),
        F::Second => whole(time.second()),
        F::FractionalSeconds => Some(Value::Number(f64::from(time.millisecond()) / 1e3)),
        F::Date => Some(Value::Time(at.div_euclid(DAY_MS) * DAY_MS)),
        F::Time => Some(Value::Duration(at.rem_euclid(DAY_MS))),
        F::TotalOffsetMinutes => Some(Value::Whole(0)),
        _ => None,
    }
}

fn geometry(function: Function, of: &[&Value]) -> Option<Value> {
    use Function as F;
    let how = match function {
        F::StEquals => Lie::Equals,
        F::StDisjoint => Lie::Disjoint,
        F::StTouches => Lie::Touches,
        F::StWithin => Lie::Within,
        F::StOverlaps => Lie::Overlaps,
        F::StCrosses => Lie::Crosses,
        F::GeoIntersects | F::StIntersects => Lie::Intersects,
        F::StContains => Lie::Contains,
        F::GeoLength => return of.first()?.as_shape()?.length().map(Value::Number),
        F::GeoDistance | F::StRelate => {
            let (a, b) = (of.first()?.as_shape()?, of.get(1)?.as_shape()?);
            return match of.get(2) {
                None => Some(a.distance(&b)).filter(|d| d.is_finite()).map(Value::Number),
                Some(Value::Text(pattern)) => a.relates(&b, pattern).map(Value::Bool),
                Some(_) => None,
            };
        }
        _ => return None,
    };
    Some(Value::Bool(of.first()?.as_shape()?.lies(how, &of.get(1)?.as_shape()?)))
}

fn words(function: Function, of: &[&Value]) -> Option<Value> {
    use Function as F;
    let text = |at: usize| match of.get(at)? {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    let whole = |at: usize| match of.get(at)? {
        Value::Whole(number) => usize::try_from(*number).ok(),
        _ => None,
    };
    let first = text(0)?;
    Some(match function {
        F::SubstringOf => Value::Bool(text(1)?.contains(first)),
        F::Contains => Value::Bool(first.contains(text(1)?)),
        F::EndsWith => Value::Bool(first.ends_with(text(1)?)),
        F::StartsWith => Value::Bool(first.starts_with(text(1)?)),
        F::Length => Value::Whole(i64::try_from(first.chars().count()).ok()?),
        F::IndexOf => Value::Whole(match first.find(text(1)?) {
            Some(at) => i64::try_from(first[..at].chars().count()).ok()?,
            None => -1,
        }),
        F::Substring => {
            let most = if of.len() > 2 { whole(2)? } else { usize::MAX };
            Value::Text(first.chars().skip(whole(1)?).take(most).collect())
        }
        F::ToLower => Value::Text(first.to_lowercase()),
        F::ToUpper => Value::Text(first.to_uppercase()),
        F::Trim => Value::Text(first.trim().to_owned()),
        F::Concat => Value::Text(format!("{first}{}", text(1)?)),
        _ => return None,
    })
}
