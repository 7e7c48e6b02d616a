//! Cases as features, newest filed first. What people wrote and who they are is no part of it: neither the
//! title nor the description, nobody's name, no note.

use std::sync::Arc;

use chengmai_model::case::{Case, CaseId, CaseState, Level};
use chengmai_model::{AreaId, AreaPath, Timestamp};
use chengmai_store::records::cases::{CaseFilter, CaseStateFilter};
use chengmai_wire::cql2::{self, Fields, Kind, Place, Queryable, Value};
use chengmai_wire::features::{CollectionQuery, Feature, Interval, Position};
use serde_json::json;

use super::{Certain, Found, object, page_request, property, words};
use crate::city::City;
use crate::clock;
use crate::http::problem::Answer;

/// Most pages of the database read for one answer.
const PAGES_MAX: usize = 10;

pub(super) fn queryables() -> Vec<Queryable> {
    vec![
        property("type", Kind::Text, "案件类型", "case type"),
        property("class", Kind::Text, "类别", "class of GB/T 30428.2"),
        property("severity", Kind::Integer, "级别", "severity, 1 to 4"),
        property("state", Kind::Text, "状态", "how it stands"),
        property("area", Kind::Text, "区划代码", "area code"),
        property("agency", Kind::Text, "责任单位", "agency that answers for it"),
        words("level", "层级", "centre that owns it", &Level::ALL.map(Level::word)),
        property("source", Kind::Text, "来源", "where it came from"),
        property("filed_at", Kind::Time, "立案时间", "when it was filed"),
        property("due_at", Kind::Time, "截止时间", "when it is due"),
        property("closed_at", Kind::Time, "结案时间", "when it ended"),
        property("overdue", Kind::Boolean, "超期", "past its time and not closed"),
        property("on_time", Kind::Boolean, "按时结案", "closed in time"),
        property("simulated", Kind::Boolean, "模拟", "simulated"),
    ]
}

struct One<'a> {
    case: &'a Case,
    now: Timestamp,
}

impl One<'_> {
    fn feature(&self, city: &City) -> Feature {
        let (case, filing) = (self.case, &self.case.filing);
        let properties = object(json!({
            "type": filing.type_id,
            "type_name": filing.type_name.zh,
            "type_name_en": filing.type_name.en,
            "class": filing.class,
            "severity": filing.severity.number(),
            "state": case.state.word(),
            "area": case.area.code(),
            "area_name": city.area_name(case.area.code()),
            "agency": case.agency,
            "level": case.level.word(),
            "source": filing.source.word(),
            "filed_at": case.filed_at.to_rfc3339(),
            "changed_at": case.changed_at.to_rfc3339(),
            "due_at": case.due_at.map(Timestamp::to_rfc3339),
            "closed_at": case.closed_at.map(Timestamp::to_rfc3339),
            "overdue": case.is_overdue(self.now),
            "on_time": case.on_time,
            "simulated": filing.simulated,
        }));
        let position = filing.position.map(Position::Point);
        Feature { id: case.id.to_string(), position, properties }
    }

    fn fits(&self, query: &CollectionQuery) -> bool {
        let lasted = Interval { from: Some(self.case.filed_at), to: self.case.closed_at };
        query.bbox.as_ref().is_none_or(|bbox| self.place().is_some_and(|at| bbox.intersects(at)))
            && query.datetime.is_none_or(|asked| asked.meets(lasted))
            && query.filter.as_ref().is_none_or(|filter| cql2::holds(filter, self))
    }
}

impl Fields for One<'_> {
    fn value(&self, property: &str) -> Option<Value<'_>> {
        let (case, filing) = (self.case, &self.case.filing);
        let text = |text: &str| Some(Value::Text(text.to_owned().into()));
        match property {
            "type" => text(&filing.type_id),
            "class" => text(&filing.class),
            "severity" => Some(Value::Number(f64::from(filing.severity.number()))),
            "state" => text(case.state.word()),
            "area" => text(case.area.code()),
            "agency" => text(case.agency.as_deref()?),
            "level" => text(case.level.word()),
            "source" => text(filing.source.word()),
            "filed_at" => Some(Value::Time(case.filed_at)),
            "due_at" => case.due_at.map(Value::Time),
            "closed_at" => case.closed_at.map(Value::Time),
            "overdue" => Some(Value::Boolean(case.is_overdue(self.now))),
            "on_time" => case.on_time.map(Value::Boolean),
            "simulated" => Some(Value::Boolean(filing.simulated)),
            _ => None,
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        self.case.filing.position.map(Place::Point)
    }
}

/// What the database is asked: everything that it knows for certain.
fn filter(city: &City, scope: AreaId, query: &CollectionQuery) -> CaseFilter {
    let certain = Certain::of(query);
    let (from, to) = certain.times("filed_at");
    let until = query.datetime.and_then(|asked| asked.to).map(|to| to.0);
    let to = [to, until].into_iter().flatten().min();
    let state = match certain.text("state").and_then(CaseState::from_word) {
        Some(state) => CaseStateFilter::In(state),
        None if certain.is_null("closed_at") => CaseStateFilter::Open,
        None => CaseStateFilter::All,
    };
    CaseFilter {
        areas: certain.area(city, scope).into_iter().collect(),
        state,
        agency: certain.text("agency").map(str::to_owned),
        type_id: certain.text("type").map(str::to_owned),
        from: from.map(Timestamp),
        to: to.map(|to| Timestamp(to.saturating_add(1))),
        ..CaseFilter::default()
    }
}

pub(super) async fn page(
    city: &Arc<City>,
    scope: AreaId,
    query: &CollectionQuery,
) -> Answer<Found> {
    let mut filter = filter(city, scope, query);
    filter.page = page_request(query);
    let now = clock::now();
    let mut found = Found { features: Vec::new(), next: None };
    for _ in 0..PAGES_MAX {
        let page = city.records.cases().list(&filter).await?;
        let mut cases = page.items.iter().peekable();
        while let Some(case) = cases.next() {
            let one = One { case, now };
            if one.fits(query) {
                found.features.push(one.feature(city));
            }
            if found.features.len() >= query.limit {
                let more = cases.peek().is_some() || page.next_cursor.is_some();
                found.next = more.then(|| filter.order.after(case));
                return Ok(found);
            }
        }
        filter.page.cursor.clone_from(&page.next_cursor);
        found.next = page.next_cursor;
        if found.next.is_none() {
            break;
        }
    }
    Ok(found)
}

pub(super) async fn find(city: &Arc<City>, scope: AreaId, id: &str) -> Answer<Option<Feature>> {
    let Some(id) = CaseId::parse(id) else { return Ok(None) };
    let case = city.records.cases().find(&id).await?;
    let scope = AreaPath::of(&city.areas, scope);
    let case = case.filter(|case| scope.contains(&case.area));
    Ok(case.map(|case| One { case: &case, now: clock::now() }.feature(city)))
}
