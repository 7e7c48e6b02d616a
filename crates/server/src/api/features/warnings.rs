//! Warnings as features, newest first. Without who answered and what they wrote.

use std::sync::Arc;

use chengmai_model::warning::WarningId;
use chengmai_model::{AreaId, AreaPath, Severity, Timestamp};
use chengmai_store::records::warnings::{WarningFilter, WarningRow, WarningState, WarningView};
use chengmai_wire::cql2::{self, Compare, Fields, Kind, Place, Queryable, Value};
use chengmai_wire::features::{CollectionQuery, Feature, Interval, Position};
use serde_json::json;

use super::{Certain, Found, object, page_request, property, words};
use crate::city::City;
use crate::http::problem::Answer;

/// Most pages of the database read for one answer.
const PAGES_MAX: usize = 10;

pub(super) fn queryables() -> Vec<Queryable> {
    vec![
        property("rule", Kind::Text, "规则", "rule"),
        property("pack", Kind::Text, "场景包", "pack"),
        property("severity", Kind::Integer, "级别", "severity, 1 to 4"),
        property("peak_severity", Kind::Integer, "最高级别", "worst severity it had"),
        words("state", "状态", "how it stands", &WarningState::ALL.map(WarningState::word)),
        property("area", Kind::Text, "区划代码", "area code"),
        property("subject", Kind::Text, "对象", "device or indicator it is about"),
        property("kind", Kind::Text, "读数类型", "kind of reading"),
        property("value", Kind::Number, "数值", "value of its last step"),
        property("raised_at", Kind::Time, "发生时间", "when it was raised"),
        property("cleared_at", Kind::Time, "解除时间", "when its cause was gone"),
        property("case", Kind::Text, "案件", "case filed from it"),
        property("held", Kind::Boolean, "未显示", "held back from the screens"),
        property("simulated", Kind::Boolean, "模拟", "simulated"),
    ]
}

struct One<'a>(&'a WarningRow);

impl One<'_> {
    fn feature(&self, city: &City) -> Feature {
        let (row, facts) = (self.0, &self.0.facts);
        let properties = object(json!({
            "rule": facts.rule,
            "rule_name": facts.rule_name.zh,
            "rule_name_en": facts.rule_name.en,
            "pack": facts.pack,
            "severity": row.severity.number(),
            "peak_severity": row.peak_severity.number(),
            "state": row.state.word(),
            "area": row.area.code(),
            "area_name": city.area_name(row.area.code()),
            "subject": facts.subject_id,
            "kind": facts.kind,
            "value": facts.value,
            "unit": facts.unit,
            "raised_at": row.raised_at.to_rfc3339(),
            "changed_at": row.changed_at.to_rfc3339(),
            "cleared_at": row.cleared_at.map(Timestamp::to_rfc3339),
            "case": row.case.as_ref().map(ToString::to_string),
            "held": row.held.is_some(),
            "simulated": facts.simulated,
        }));
        Feature {
            id: row.id.to_string(),
            position: facts.position.map(Position::Point),
            properties,
        }
    }

    fn fits(&self, query: &CollectionQuery) -> bool {
        let stood = Interval { from: Some(self.0.raised_at), to: self.0.cleared_at };
        query.bbox.as_ref().is_none_or(|bbox| self.place().is_some_and(|at| bbox.intersects(at)))
            && query.datetime.is_none_or(|asked| asked.meets(stood))
            && query.filter.as_ref().is_none_or(|filter| cql2::holds(filter, self))
    }
}

impl Fields for One<'_> {
    fn value(&self, property: &str) -> Option<Value<'_>> {
        let (row, facts) = (self.0, &self.0.facts);
        let text = |text: &str| Some(Value::Text(text.to_owned().into()));
        let number = |number: Severity| Some(Value::Number(f64::from(number.number())));
        match property {
            "rule" => text(&facts.rule),
            "pack" => text(&facts.pack),
            "severity" => number(row.severity),
            "peak_severity" => number(row.peak_severity),
            "state" => text(row.state.word()),
            "area" => text(row.area.code()),
            "subject" => text(&facts.subject_id),
            "kind" => text(facts.kind.as_deref()?),
            "value" => Some(Value::Number(facts.value)),
            "raised_at" => Some(Value::Time(row.raised_at)),
            "cleared_at" => row.cleared_at.map(Value::Time),
            "case" => text(&row.case.as_ref()?.to_string()),
            "held" => Some(Value::Boolean(row.held.is_some())),
            "simulated" => Some(Value::Boolean(facts.simulated)),
            _ => None,
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        self.0.facts.position.map(Place::Point)
    }
}

/// What the database is asked: everything that it knows for certain.
fn filter(city: &City, scope: AreaId, query: &CollectionQuery) -> WarningFilter {
    let certain = Certain::of(query);
    let (from, to) = certain.times("raised_at");
    let until = query.datetime.and_then(|asked| asked.to).map(|to| to.0);
    let to = [to, until].into_iter().flatten().min();
    let least = certain.compared("severity").find_map(|(how, value)| match (how, value) {
        (Compare::Equal | Compare::AtLeast | Compare::Greater, Value::Number(n)) => Some(*n),
        _ => None,
    });
    let least = least.and_then(|least| {
        Severity::ALL.into_iter().find(|severity| f64::from(severity.number()) >= least)
    });
    WarningFilter {
        areas: certain.area(city, scope).into_iter().collect(),
        view: WarningView::All,
        severity_min: least,
        rule: certain.text("rule").map(str::to_owned),
        from: from.map(Timestamp),
        to: to.map(|to| Timestamp(to.saturating_add(1))),
        ..WarningFilter::default()
    }
}

pub(super) async fn page(
    city: &Arc<City>,
    scope: AreaId,
    query: &CollectionQuery,
) -> Answer<Found> {
    let mut filter = filter(city, scope, query);
    filter.page = page_request(query);
    let mut found = Found { features: Vec::new(), next: None };
    for _ in 0..PAGES_MAX {
        let page = city.records.warnings().list(&filter).await?;
        let mut rows = page.items.iter().peekable();
        while let Some(row) = rows.next() {
            let one = One(row);
            if one.fits(query) {
                found.features.push(one.feature(city));
            }
            if found.features.len() >= query.limit {
                let more = rows.peek().is_some() || page.next_cursor.is_some();
                found.next = more.then(|| row.page_after());
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
    let Some(id) = WarningId::parse(id) else { return Ok(None) };
    let row = city.records.warnings().find(id).await?;
    let scope = AreaPath::of(&city.areas, scope);
    let row = row.filter(|row| scope.contains(&row.area));
    Ok(row.map(|row| One(&row).feature(city)))
}
