//! Whether a filter holds for a feature.
//!
//! Invariant: three answers, as in SQL: yes, no, and unknown where a property is null; a feature is taken
//! only for a yes.

use std::cmp::Ordering;

use chengmai_model::Timestamp;

use super::{Compare, Edge, Expr, Place, Span, Spatial, Temporal, Value};

/// What a feature says of itself when asked.
pub trait Fields {
    /// What the property holds; none when it is null.
    fn value(&self, property: &str) -> Option<Value<'_>>;
    /// Where it is, if that is known.
    fn place(&self) -> Option<Place<'_>>;
}

/// Whether the filter holds for the feature.
pub fn holds(expr: &Expr, feature: &impl Fields) -> bool {
    judge(expr, feature) == Some(true)
}

fn judge(expr: &Expr, feature: &impl Fields) -> Option<bool> {
    match expr {
        Expr::All(parts) => several(parts, feature, false),
        Expr::Any(parts) => several(parts, feature, true),
        Expr::Not(part) => judge(part, feature).map(|holds| !holds),
        Expr::Constant(holds) => Some(*holds),
        Expr::Compare { property, how, value } => {
            compare(&feature.value(property)?, value).map(|order| how.fits(order))
        }
        Expr::Between { property, low, high } => {
            let value = feature.value(property)?;
            Some(compare(&value, low)?.is_ge() && compare(&value, high)?.is_le())
        }
        Expr::In { property, values } => {
            let value = feature.value(property)?;
            Some(values.iter().any(|one| compare(&value, one) == Some(Ordering::Equal)))
        }
        Expr::Like { property, pattern } => match feature.value(property)? {
            Value::Text(text) => Some(like(&text, pattern)),
            _ => None,
        },
        Expr::IsNull { property } => {
            let is_place = || property == GEOMETRY && feature.place().is_some();
            Some(feature.value(property).is_none() && !is_place())
        }
        Expr::Spatial { how, geometry, .. } => {
            let place = feature.place()?;
            Some(match how {
                Spatial::Intersects => geometry.intersects(place),
                Spatial::Disjoint => !geometry.intersects(place),
                Spatial::Within => geometry.surrounds(place),
                Spatial::Contains => geometry.lies_inside(place),
            })
        }
        Expr::Temporal { how, left, right } => {
            Some(how.fits(resolve(left, feature)?, resolve(right, feature)?))
        }
    }
}

/// The name of the property that says where a feature is.
pub const GEOMETRY: &str = "geometry";

/// One part that is `decisive` decides; else one that is unknown leaves it unknown.
fn several(parts: &[Expr], feature: &impl Fields, decisive: bool) -> Option<bool> {
    let mut answer = Some(!decisive);
    for part in parts {
        match judge(part, feature) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

impl Compare {
    fn fits(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::Greater => order.is_gt(),
            Self::AtMost => order.is_le(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// In time that grows with text and pattern multiplied, and no faster: the last `%` alone is tried again.
fn like(text: &str, pattern: &str) -> bool {
    enum Part {
        One(char),
        AnyOne,
        Any,
    }
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '%' => Part::Any,
            '_' => Part::AnyOne,
            '\\' => Part::One(letters.next().unwrap_or('\\')),
            other => Part::One(other),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                again = Some((at, part));
                part += 1;
            }
            Some(Part::AnyOne) => (at, part) = (at + 1, part + 1),
            Some(Part::One(letter)) if *letter == text[at] => (at, part) = (at + 1, part + 1),
            _ => {
                let Some((from, star)) = again else { return false };
                again = Some((from + 1, star));
                (at, part) = (from + 1, star + 1);
            }
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

type Ends = (i64, i64);

fn resolve(span: &Span, feature: &impl Fields) -> Option<Ends> {
    let end = |edge: &Edge, open: i64| match edge {
        Edge::Open => Some(open),
        Edge::At(Timestamp(at)) => Some(*at),
        Edge::Property(name) => match feature.value(name)? {
            Value::Time(Timestamp(at)) => Some(at),
            _ => None,
        },
    };
    Some((end(&span.from, i64::MIN)?, end(&span.to, i64::MAX)?))
}

impl Temporal {
    fn fits(self, (a, b): Ends, (c, d): Ends) -> bool {
        match self {
            Self::After => a > d,
            Self::Before => b < c,
            Self::Contains => a < c && b > d,
            Self::Disjoint => b < c || a > d,
            Self::During => a > c && b < d,
            Self::Equals => a == c && b == d,
            Self::FinishedBy => a < c && b == d,
            Self::Finishes => a > c && b == d,
            Self::Intersects => b >= c && a <= d,
            Self::Meets => b == c,
            Self::MetBy => a == d,
            Self::OverlappedBy => a > c && a < d && b > d,
            Self::Overlaps => a < c && b > c && b < d,
            Self::StartedBy => a == c && b > d,
            Self::Starts => a == c && b < d,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn a_pattern_fits_whole_texts_letter_by_letter() {
        for (text, pattern, fits) in [
            ("燃气泄漏", "燃气%", true),
            ("燃气泄漏", "%漏", true),
            ("燃气泄漏", "燃气", false),
            ("燃气泄漏", "____", true),
            ("燃气泄漏", "___", false),
            ("50%", "50\\%", true),
            ("500", "50\\%", false),
            ("", "%", true),
            ("abcabd", "%ab_", true),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaab", "%a%a%a%a%a%a%a%a%c", false),
        ] {
            assert_eq!(like(text, pattern), fits, "{text} LIKE {pattern}");
        }
    }
}
