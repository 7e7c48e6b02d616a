//! Areas as features, in the order of the tree: each before those below it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, Tier, Timestamp};
use chengmai_wire::cql2::{self, Expr, Fields, GEOMETRY, Geometry, Kind, Place, Queryable, Value};
use chengmai_wire::features::{CollectionQuery, Feature, Interval, Position};
use serde_json::json;

use super::{Certain, Found, looked_at_max, object, property, words};
use crate::city::outlines::Outline;
use crate::city::{City, blocking};
use crate::http::problem::{Answer, Problem};

/// Most areas looked at for one answer, and most outlines asked for: they may have to be worked out.
const LOOKED_AT_MAX: usize = 1_000_000;
const OUTLINES_MAX: usize = 5_000;
/// Points of an outline, each of which is held against each of a filter.
const OUTLINE_STEPS: usize = 100;

pub(super) fn queryables() -> Vec<Queryable> {
    vec![
        property("code", Kind::Text, "区划代码", "area code"),
        property("name", Kind::Text, "名称", "name"),
        words("tier", "层级", "tier", &Tier::ALL.map(Tier::word)),
        property("parent", Kind::Text, "上级区划代码", "code of the area above"),
        property("generated", Kind::Boolean, "边界为程序生成", "the outline is made up"),
        property("valid_from", Kind::Date, "生效日", "first day"),
        property("valid_to", Kind::Date, "失效日", "first day on which it is no more"),
    ]
}

struct One<'a> {
    city: &'a City,
    id: AreaId,
    outline: OnceCell<Option<Outline>>,
}

impl<'a> One<'a> {
    fn new(city: &'a City, id: AreaId) -> Self {
        Self { city, id, outline: OnceCell::new() }
    }

    fn outline(&self) -> Option<&Outline> {
        self.outline.get_or_init(|| self.city.outlines.of(&self.city.areas, self.id)).as_ref()
    }

    fn parent(&self) -> Option<&'a str> {
        let area = self.city.areas.get(self.id);
        let parent = (self.id != AreaId::ROOT).then(|| self.city.areas.get(area.parent));
        parent.map(|parent| parent.row.code.as_str())
    }

    /// Whether its outline is made up, without making it up.
    fn is_generated(&self) -> bool {
        let row = &self.city.areas.get(self.id).row;
        row.shape.is_none() && row.center.is_some()
    }

    fn validity(&self) -> Interval {
        let row = &self.city.areas.get(self.id).row;
        Interval {
            from: row.valid_from.and_then(midnight),
            to: row.valid_to.and_then(midnight).map(|end| end.plus_ms(-1)),
        }
    }

    /// Without where it is, which may have to be worked out.
    fn facts(&self) -> Feature {
        let row = &self.city.areas.get(self.id).row;
        let properties = object(json!({
            "code": row.code.as_str(),
            "name": row.name,
            "tier": row.tier.word(),
            "parent": self.parent(),
            "generated": self.is_generated(),
            "valid_from": row.valid_from.map(|day| day.to_string()),
            "valid_to": row.valid_to.map(|day| day.to_string()),
        }));
        Feature { id: row.code.to_string(), position: None, properties }
    }

    fn feature(&self) -> Feature {
        let shape = self.outline().map(|outline| (*outline.shape).clone());
        Feature { position: shape.map(Position::Shape), ..self.facts() }
    }
}

fn midnight(day: jiff::civil::Date) -> Option<Timestamp> {
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond().div_euclid(DAY_MS) * DAY_MS))
}

impl Fields for One<'_> {
    fn value(&self, property: &str) -> Option<Value<'_>> {
        let row = &self.city.areas.get(self.id).row;
        let text = |text: &'_ str| Some(Value::Text(text.to_owned().into()));
        match property {
            "code" => text(row.code.as_str()),
            "name" => text(&row.name),
            "tier" => text(row.tier.word()),
            "parent" => text(self.parent()?),
            "generated" => Some(Value::Boolean(self.is_generated())),
            "valid_from" => row.valid_from.and_then(midnight).map(Value::Time),
            "valid_to" => row.valid_to.and_then(midnight).map(Value::Time),
            _ => None,
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        self.outline().map(|outline| Place::Shape(&outline.shape))
    }
}

/// Whether an outline may meet all of these places. A generated one lies inside the one above it, so where
/// that one meets nothing the ones below are not worked out.
struct Near<'a> {
    places: Vec<&'a Geometry>,
    known: BTreeMap<AreaId, bool>,
    /// How many outlines were asked for.
    outlines: usize,
}

impl Near<'_> {
    fn may_meet(&mut self, one: &One<'_>) -> bool {
        if self.places.is_empty() {
            self.outlines += 1;
            return true;
        }
        if let Some(&known) = self.known.get(&one.id) {
            return known;
        }
        let area = one.city.areas.get(one.id);
        let is_cell = area.row.shape.is_none() && one.id != AreaId::ROOT;
        let mut meets = !is_cell || self.may_meet(&One::new(one.city, area.parent));
        if meets {
            self.outlines += 1;
            let place = one.place();
            meets = place.is_some_and(|at| self.places.iter().all(|own| own.intersects(at)));
        }
        self.known.insert(one.id, meets);
        meets
    }
}

fn needs_outline(part: &Expr) -> bool {
    match part {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().any(needs_outline),
        Expr::Not(part) => needs_outline(part),
        Expr::IsNull { property } => property == GEOMETRY,
        Expr::Spatial { .. } => true,
        _ => false,
    }
}

/// An area without its outline.
pub(in crate::api) fn facts(city: &City, id: AreaId) -> Feature {
    One::new(city, id).facts()
}

/// An area with its outline, which may have to be worked out: blocking.
pub(in crate::api) fn whole(city: &City, id: AreaId) -> Feature {
    One::new(city, id).feature()
}

pub(super) async fn page(city: &Arc<City>, scope: AreaId, query: CollectionQuery) -> Answer<Found> {
    let cursor = query.cursor.as_deref().unwrap_or("0");
    let start: u32 = cursor.parse().map_err(|_| Problem::bad_query(format!("cursor={cursor}")))?;
    let city = Arc::clone(city);
    blocking(move || walk(&city, scope, &query, start)).await
}

fn walk(city: &City, scope: AreaId, query: &CollectionQuery, start: u32) -> Found {
    let certain = Certain::of(query);
    let mut near = Near { places: certain.places(query), known: BTreeMap::new(), outlines: 0 };
    let range = city.areas.subtree(scope);
    let mut found = Found { features: Vec::new(), next: None };
    let start = start.max(range.start);
    let most = looked_at_max(query, 1, LOOKED_AT_MAX);
    let outlines_most = looked_at_max(query, OUTLINE_STEPS, OUTLINES_MAX);
    for (looked_at, number) in (start..range.end).enumerate() {
        let is_enough = near.outlines >= outlines_most || looked_at >= most;
        if is_enough || found.features.len() >= query.limit {
            found.next = Some(number.to_string());
            break;
        }
        let one = One::new(city, AreaId(number));
        let in_time = query.datetime.is_none_or(|asked| asked.meets(one.validity()));
        // What costs no outline is asked first: most filters name a tier or a parent.
        let fits = |part: &&Expr| needs_outline(part) || cql2::holds(part, &one);
        if in_time
            && certain.0.iter().all(fits)
            && near.may_meet(&one)
            && query.filter.as_ref().is_none_or(|filter| cql2::holds(filter, &one))
        {
            found.features.push(one.feature());
        }
    }
    found
}

pub(super) async fn find(city: &Arc<City>, scope: AreaId, id: &str) -> Answer<Option<Feature>> {
    let Some(area) = city.areas.find_current(id).filter(|&a| city.areas.contains(scope, a)) else {
        return Ok(None);
    };
    let city = Arc::clone(city);
    blocking(move || Some(One::new(&city, area).feature())).await
}
