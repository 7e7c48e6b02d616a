//! New entities, with the neighbours that come with them: all in one transaction, or none.
//!
//! An entity belongs to the area in which its place lies, else to its Thing's or its Datastream's, else
//! to its maker's. A Datastream that measures a kind of the packs gets a device behind it, so that its
//! observations are readings like any other.

use std::collections::BTreeMap;

use chengmai_model::{AreaPath, error};
use chengmai_store::records::sensor_things::{NewEntity, Target};
use chengmai_wire::sensorthings::{
    self as sta, Draft, Entity, Id, Kind, Link, Relation, Value, shape, time_of,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json};

use super::read::View;
use super::refused;
use super::registry::{self, KIND};
use crate::http::access::Permission;
use crate::http::problem::{Answer, Problem};

/// What hangs below what, for areas.
pub(super) const BELOW: [(&str, &str); 5] = [
    ("Thing", "HistoricalLocation"),
    ("Thing", "Datastream"),
    ("Thing", "MultiDatastream"),
    ("Datastream", "Observation"),
    ("MultiDatastream", "Observation"),
];

/// Entities that will be made together.
#[derive(Debug, Default)]
struct Plan {
    new: Vec<NewEntity>,
    /// Datastreams that get a device.
    measuring: Vec<usize>,
    /// Observations to be made behind them, with the place of their Datastream.
    observations: Vec<(Draft, usize)>,
    /// Locations that become the place of Things that are there.
    moves: Vec<(usize, i64)>,
}

/// What a draft is linked to: neighbours that are there, new ones with their places among all, links to the
/// former, and the fields of properties in their order.
struct Ends {
    known: BTreeMap<Kind, Vec<Entity>>,
    news: Vec<(&'static Relation, Draft, i64)>,
    links: Vec<(&'static str, Target)>,
    properties: Vec<Map<String, Json>>,
}

/// The neighbour whose draft another one stands in, and the place among its like there.
type Parent = Option<(Kind, Target, AreaPath, i64)>;

impl View<'_> {
    /// Makes an entity of a document; `of` is the neighbour by whose address it came.
    pub(super) async fn create(
        &self,
        kind: Kind,
        json: &Json,
        of: Option<(&Entity, &'static Relation)>,
    ) -> Answer<Id> {
        let mut draft = sta::draft(kind, json, of.map(|(of, _)| of.kind)).map_err(refused)?;
        if let Some((of, _)) = of {
            let back = kind.way_to(of.kind);
            let back = back.ok_or_else(|| Problem::new(&error::STA_PATH, kind.one()))?;
            if !back.many {
                // The address says whose it is, whatever the document says.
                draft.links.retain(|(way, _)| *way != back);
            }
            draft.links.push((back, Link::Known(of.id.clone())));
        }
        self.permit(&draft)?;
        if kind == Kind::Observation {
            let draft = self.settled(draft).await?;
            let mut made = self.observe(vec![Ok(draft)]).await?;
            let none = || Problem::new(&error::INTERNAL, "no observation");
            return made.pop().unwrap_or_else(|| Err(none()));
        }
        self.make(draft).await
    }

    /// Goes on when the caller may make all of it.
    fn permit(&self, draft: &Draft) -> Answer<()> {
        let needed = match draft.kind {
            Kind::Observation => Permission::Ingest,
            _ => Permission::DeviceManage,
        };
        self.caller.need(needed)?;
        for (_, link) in &draft.links {
            if let Link::New(inner) = link {
                self.permit(inner)?;
            }
        }
        Ok(())
    }

    /// An observation whose neighbours are all there: new ones are made first.
    async fn settled(&self, mut draft: Draft) -> Answer<Draft> {
        for (_, link) in &mut draft.links {
            if let Link::New(new) = link {
                *link = Link::Known(Box::pin(self.make(new.clone())).await?);
            }
        }
        Ok(draft)
    }

    async fn make(&self, draft: Draft) -> Answer<Id> {
        let mut plan = Plan::default();
        let root = self.plan(&mut plan, draft, None).await?;
        let records = self.records();
        let ids = records.insert(&self.caller.user.name, self.now, &plan.new).await?;
        let id_at = |place: usize| ids.get(place).copied().unwrap_or_default();
        let behind = async {
            for &place in &plan.measuring {
                self.bind(id_at(place)).await?;
            }
            for (location, thing) in &plan.moves {
                self.locate(*thing, &[id_at(*location)]).await?;
            }
            let drafts = plan.observations.into_iter().map(|(mut draft, place)| {
                let of = plan.new.get(place).and_then(|new| Kind::from_one(new.kind));
                let way = of.and_then(|of| Kind::Observation.way_to(of));
                let datastream = Link::Known(Id::Number(id_at(place)));
                draft.links.extend(way.map(|way| (way, datastream)));
                draft
            });
            let mut settled = Vec::new();
            for draft in drafts {
                settled.push(Ok(self.settled(draft).await?));
            }
            let made = self.observe(settled).await?;
            made.into_iter().find_map(Result::err).map_or(Ok(()), Err)
        };
        if let Err(problem) = behind.await {
            // Nothing of it stays when a part of it cannot be. Of a set of changes nothing is there yet.
            for (entity, &id) in plan.new.iter().zip(&ids).filter(|_| self.set.is_none()) {
                records.remove((entity.kind, id), &BELOW).await?;
            }
            return Err(problem);
        }
        for (entity, &id) in plan.new.iter().zip(&ids) {
            self.is_news(entity.kind, id);
        }
        Ok(Id::Number(id_at(root)))
    }

    /// Whoever follows it is told.
    pub(super) fn is_news(&self, kind: &str, id: i64) {
        match (Kind::from_one(kind), self.set) {
            (Some(kind), Some(set)) => set.news(kind, id),
            (Some(kind), None) => self.city.hub.news.entity(kind, id),
            (None, _) => {}
        }
    }

    /// Adds an entity and what comes with it; its place in the plan.
    fn plan<'f>(
        &'f self,
        plan: &'f mut Plan,
        draft: Draft,
        parent: Parent,
    ) -> BoxFuture<'f, Answer<usize>> {
        async move {
            let (kind, mut fields) = (draft.kind, draft.fields);
            let Ends { known, news, mut links, properties } = self.ends(kind, draft.links).await?;
            let area = match &parent {
                Some((of, _, area, _)) if owns(*of, kind) || *of == Kind::Location => area.clone(),
                _ => self.area_of(kind, &fields, &known, &news).await?,
            };
            links.extend(parent.as_ref().map(|(of, target, ..)| (of.one(), *target)));
            let place = plan.new.len();
            let usual = if kind == Kind::HistoricalLocation { self.now.0 } else { 0 };
            let at = time_in(kind, &fields).unwrap_or(usual);
            let property = news.iter().find(|(way, ..)| way.to == Kind::ObservedProperty);
            let property = property.map(|(_, new, _)| &new.fields).or_else(|| {
                known.get(&Kind::ObservedProperty).and_then(|all| all.first()).map(|e| &e.fields)
            });
            if let (Kind::Datastream, Some(property)) = (kind, property)
                && let Some(measured) = self.measured(&fields, property)?
            {
                fields.insert(KIND.to_owned(), measured.into());
                plan.measuring.push(place);
            }
            if kind == Kind::MultiDatastream && self.measured_parts(&mut fields, &properties)? {
                plan.measuring.push(place);
            }
            plan.new.push(NewEntity {
                kind: kind.one(),
                area: area.clone(),
                name: name_in(&fields),
                at: chengmai_model::Timestamp(at),
                rank: parent.as_ref().and_then(|(of, .., rank)| {
                    let in_order = (*of, kind) == (Kind::MultiDatastream, Kind::ObservedProperty);
                    in_order.then_some(*rank)
                }),
                body: Json::Object(fields).to_string(),
                links,
            });
            if kind == Kind::Location {
                for thing in known.get(&Kind::Thing).into_iter().flatten() {
                    plan.moves.push((place, number(thing)?));
                }
            }
            for (_, new, rank) in news {
                if new.kind == Kind::Observation {
                    plan.observations.push((new, place));
                    continue;
                }
                let own = Some((kind, Target::New(place), area.clone(), rank));
                self.plan(plan, new, own).await?;
            }
            if kind == Kind::Thing {
                plan.arrive(place, &area, self.now);
            }
            Ok(place)
        }
        .boxed()
    }

    /// What a draft is linked to.
    async fn ends(&self, kind: Kind, of: Vec<(&'static Relation, Link)>) -> Answer<Ends> {
        let mut known: BTreeMap<Kind, Vec<Entity>> = BTreeMap::new();
        let (mut news, mut links) = (Vec::new(), Vec::new());
        let mut properties: Vec<Map<String, Json>> = Vec::new();
        for (rank, (relation, link)) in (0..).zip(of) {
            let in_order = (kind, relation.to) == (Kind::MultiDatastream, Kind::ObservedProperty);
            match link {
                Link::Known(id) => {
                    let entity = self.there(relation.to, &id).await?;
                    let number = number(&entity)?;
                    let plain = Target::Known(number);
                    let target = if in_order { Target::Ranked(number, rank) } else { plain };
                    let end = (relation.to.one(), target);
                    if !links.contains(&end) {
                        links.push(end);
                    }
                    properties.extend(in_order.then(|| entity.fields.clone()));
                    known.entry(relation.to).or_default().push(entity);
                }
                Link::New(new) => {
                    properties.extend(in_order.then(|| new.fields.clone()));
                    news.push((relation, new, rank));
                }
            }
        }
        Ok(Ends { known, news, links, properties })
    }

    /// A neighbour that must be there.
    pub(super) async fn there(&self, kind: Kind, id: &Id) -> Answer<Entity> {
        let found = self.find(kind, id).await?;
        found.ok_or_else(|| Problem::not_found(format!("{}({id})", kind.one())))
    }

    async fn area_of(
        &self,
        kind: Kind,
        fields: &Map<String, Json>,
        known: &BTreeMap<Kind, Vec<Entity>>,
        news: &[(&'static Relation, Draft, i64)],
    ) -> Answer<AreaPath> {
        let upward = match kind {
            Kind::Datastream | Kind::MultiDatastream | Kind::HistoricalLocation => {
                Some(Kind::Thing)
            }
            Kind::Observation => Some(Kind::Datastream),
            _ => None,
        };
        if let Some(above) = upward.and_then(|up| known.get(&up)).and_then(|all| all.first()) {
            return self.area_of_known(above).await;
        }
        let own = ["location", "feature"].into_iter().find_map(|name| fields.get(name));
        let new = news.iter().find_map(|(_, new, _)| new.fields.get("location"));
        let there = known.get(&Kind::Location).and_then(|all| all.first());
        let there = there.and_then(|location| location.fields.get("location"));
        match own.or(new).or(there).and_then(shape).and_then(|shape| shape.middle()) {
            Some(position) => self.place(position, kind != Kind::FeatureOfInterest),
            None => Ok(self.scope.clone()),
        }
    }

    /// The area of a position; that of the caller where the city has none there.
    pub(super) fn place(&self, position: [f64; 2], strict: bool) -> Answer<AreaPath> {
        let Some(area) = self.city.areas.locate(position) else { return Ok(self.scope.clone()) };
        if self.caller.sees(area) {
            return Ok(AreaPath::of(&self.city.areas, area));
        }
        if strict {
            let code = self.city.areas.get(area).row.code.as_str();
            return Err(Problem::new(&error::FORBIDDEN, format!("area {code}")));
        }
        Ok(self.scope.clone())
    }

    /// The area of an entity that is there.
    pub(super) async fn area_of_known(&self, entity: &Entity) -> Answer<AreaPath> {
        let area = {
            let registry = self.city.registry.read();
            let key = registry::key(&registry, entity.kind, &entity.id);
            key.and_then(|key| registry::area(&registry, key))
        };
        if let Some(area) = area {
            return Ok(AreaPath::of(&self.city.areas, area));
        }
        let question = self.question(entity.kind);
        let id = number(entity)?;
        let question =
            chengmai_store::records::sensor_things::Question { id: Some(id), ..question };
        let rows = self.records().list(&question).await?;
        Ok(rows.into_iter().next().map_or_else(|| self.scope.clone(), |row| row.area))
    }

    /// A Thing is at these Locations from now on.
    pub(super) async fn locate(&self, thing: i64, locations: &[i64]) -> Answer<()> {
        let records = self.records();
        let entity = self.there(Kind::Thing, &Id::Number(thing)).await?;
        let mut known = BTreeMap::new();
        for &id in locations {
            let location = self.there(Kind::Location, &Id::Number(id)).await?;
            known.entry(Kind::Location).or_insert_with(Vec::new).push(location);
        }
        let area = self.area_of(Kind::Thing, &entity.fields, &known, &[]).await?;
        let thing_end = (Kind::Thing.one(), thing, chengmai_model::Timestamp(0));
        records.relink(thing_end, Kind::Location.one(), locations).await?;
        let mut plan = Plan::default();
        let mut links: Vec<(&'static str, Target)> =
            locations.iter().map(|&id| (Kind::Location.one(), Target::Known(id))).collect();
        links.push((Kind::Thing.one(), Target::Known(thing)));
        plan.new.push(historical(&area, self.now, links));
        let made = records.insert(&self.caller.user.name, self.now, &plan.new).await?;
        for &id in &made {
            self.is_news(Kind::HistoricalLocation.one(), id);
        }
        records.set_area((Kind::Thing.one(), thing), &BELOW, &area).await?;
        let end = [thing];
        let ends = (Kind::Thing.one(), &end[..]);
        for kind in [Kind::Datastream.one(), Kind::MultiDatastream.one()] {
            let all = records.linked(ends, kind, &self.scope, false, usize::MAX).await?;
            for (_, datastream) in all {
                self.bind(datastream.id).await?;
            }
        }
        Ok(())
    }
}

impl Plan {
    /// A new Thing is at its Locations from now on.
    fn arrive(&mut self, thing: usize, area: &AreaPath, now: chengmai_model::Timestamp) {
        let location = Kind::Location.one();
        let own = self.new.get(thing).map(|new| new.links.clone()).unwrap_or_default();
        let known = own.into_iter().filter(|(kind, _)| *kind == location);
        let with = |new: &NewEntity| new.links.contains(&(Kind::Thing.one(), Target::New(thing)));
        let made = self.new.iter().enumerate().filter(|(_, new)| new.kind == location && with(new));
        let mut links: Vec<(&'static str, Target)> =
            known.chain(made.map(|(place, _)| (location, Target::New(place)))).collect();
        if !links.is_empty() {
            links.push((Kind::Thing.one(), Target::New(thing)));
            self.new.push(historical(area, now, links));
        }
    }
}

fn historical(
    area: &AreaPath,
    now: chengmai_model::Timestamp,
    links: Vec<(&'static str, Target)>,
) -> NewEntity {
    NewEntity {
        kind: Kind::HistoricalLocation.one(),
        area: area.clone(),
        name: None,
        rank: None,
        at: now,
        body: serde_json::json!({"time": now.to_rfc3339()}).to_string(),
        links,
    }
}

/// Whether an entity of one kind decides where those of the other belong.
pub(super) fn owns(kind: Kind, other: Kind) -> bool {
    BELOW.contains(&(kind.one(), other.one()))
}

/// The time by which an entity of that kind is ordered.
pub(super) fn time_in(kind: Kind, fields: &Map<String, Json>) -> Option<i64> {
    let name = match kind {
        Kind::Observation => "phenomenonTime",
        Kind::HistoricalLocation => "time",
        _ => return None,
    };
    match time_of(fields.get(name)?.as_str()?)? {
        Value::Time(at) | Value::Span(at, _) => Some(at),
        _ => None,
    }
}

pub(super) fn name_in(fields: &Map<String, Json>) -> Option<String> {
    fields.get("name").and_then(Json::as_str).map(str::to_owned)
}

/// The number by which an entity is linked.
pub(super) fn number(entity: &Entity) -> Answer<i64> {
    match entity.id {
        Id::Number(number) => Ok(number),
        Id::Text(_) => Err(Problem::new(&error::STA_OTHER_DOOR, entity.id.to_string())),
    }
}
