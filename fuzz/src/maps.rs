//! What programs that draw maps ask: filters in CQL2, and queries for features. A fault must name a place
//! within the filter, and what is taken must keep to the limits and be judged without a panic.

use chengmai_model::{Text, Timestamp};
use chengmai_wire::Fault;
use chengmai_wire::cql2::{
    self, DEPTH_MAX, Expr, Fields, Kind, NODES_MAX, Place, Queryable, Value, holds,
};
use chengmai_wire::features::{self, Crs, LIMIT_MAX};
use chengmai_wire::geo_report::form_fields;

use crate::Trait;
use crate::text::{hash, reason};

/// A feature with every kind of property, one of them null.
struct Thing;

impl Fields for Thing {
    fn value(&self, property: &str) -> Option<Value<'_>> {
        match property {
            "name" => Some(Value::Text("甲 50%".into())),
            "severity" => Some(Value::Number(3.0)),
            "old" => Some(Value::Boolean(false)),
            "at" => Some(Value::Time(Timestamp(1_795_305_600_000))),
            _ => None,
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(Place::Point([106.5, 29.5]))
    }
}

fn declared() -> Vec<Queryable> {
    [
        ("name", Kind::Text),
        ("severity", Kind::Integer),
        ("old", Kind::Boolean),
        ("at", Kind::Time),
        ("nothing", Kind::Number),
        ("geometry", Kind::Geometry),
    ]
    .map(|(name, kind)| Queryable { name, kind, title: Text::new(name, name), words: Vec::new() })
    .into()
}

/// Parts and depth of a filter.
fn size(expr: &Expr) -> (usize, usize) {
    let below = |parts: &[Expr]| {
        let parts = parts.iter().map(size);
        parts.fold((1, 1), |all, one| (all.0 + one.0, all.1.max(one.1 + 1)))
    };
    match expr {
        Expr::All(parts) | Expr::Any(parts) => below(parts),
        Expr::Not(part) => below(std::slice::from_ref(part)),
        Expr::In { values, .. } => (values.len().max(1), 1),
        _ => (1, 1),
    }
}

fn refused(fault: &Fault, length: usize) -> Trait {
    assert!(fault.byte as usize <= length + 1, "byte {} of {length}", fault.byte);
    1 << 40 | u64::from(fault.code.number) << 20 | (hash(reason(fault)) % (1 << 16))
}

fn judged(expr: &Expr) -> Trait {
    let (parts, depth) = size(expr);
    // Connectives have a part for each side, and NOT may stand for what is written otherwise.
    assert!(parts <= 3 * NODES_MAX && depth <= 3 * DEPTH_MAX, "{parts} parts, {depth} deep");
    if let Err(fault) = expr.check(&declared()) {
        return refused(&fault, usize::MAX - 1);
    }
    // All hashes together may be more than a number holds.
    let words = format!("{expr:?}");
    let kinds = words.split([' ', '(', '{']).take(4).fold(0, |all, word| all ^ hash(word));
    2 << 40 | u64::from(holds(expr, &Thing)) << 32 | (kinds % (1 << 16))
}

pub(crate) fn filter(body: &[u8]) -> Trait {
    let text = String::from_utf8_lossy(body);
    let parse =
        if text.trim_start().starts_with('{') { cql2::parse_json } else { cql2::parse_text };
    match parse(&text, Crs::Crs84) {
        Ok(expr) => judged(&expr),
        Err(fault) => refused(&fault, text.len()),
    }
}

pub(crate) fn query(body: &[u8]) -> Trait {
    match features::collection_query(&form_fields(body), &declared()) {
        Ok(query) => {
            assert!((1..=LIMIT_MAX).contains(&query.limit));
            let corners = query.bbox.as_ref().and_then(cql2::Geometry::bounds);
            let on_earth = |place: [f64; 2]| place[0].abs() <= 180.0 && place[1].abs() <= 90.0;
            assert!(corners.is_none_or(|b| on_earth(b.min) && on_earth(b.max)), "{corners:?}");
            let said = [
                query.bbox.is_some(),
                query.datetime.is_some(),
                query.filter.is_some(),
                query.cursor.is_some(),
                query.document.format.is_some(),
            ];
            said.iter().fold(3 << 40, |all, &one| all << 1 | u64::from(one))
        }
        Err(fault) => refused(&fault, usize::MAX - 1),
    }
}
