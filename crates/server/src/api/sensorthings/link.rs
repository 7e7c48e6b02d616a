//! Links by themselves: `…/$ref` adds one, points one elsewhere, or takes one away.
//!
//! A way to one neighbour is pointed elsewhere (`PUT`); on a way to many, links are added (`POST`) and, where
//! an entity may be without, taken away (`DELETE`). A link is changed where it belongs: that a Thing has a
//! Datastream is said by the Datastream.

use chengmai_model::{Timestamp, error};
use chengmai_wire::sensorthings::{Draft, Entity, Id, Kind, Link, Path, Relation};
use serde_json::Map;

use super::change::{Change, other_door};
use super::create::{number, time_in};
use super::read::View;
use super::registry::{self, Key};
use crate::http::access::Permission;
use crate::http::problem::{Answer, Problem};

/// What is done to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Add,
    Point,
    TakeAway,
}

impl View<'_> {
    /// Changes the link at an address; `other` is whom the body or the query names.
    pub(super) async fn link(&self, path: &Path, deed: Deed, other: Option<Id>) -> Answer<()> {
        self.caller.need(Permission::DeviceManage)?;
        let none = || Problem::new(&error::STA_PATH, "$ref is of a way from an entity");
        let (last, before) = path.steps.split_last().ok_or_else(none)?;
        let relation = last.relation.ok_or_else(none)?;
        let fits = match deed {
            Deed::Add => relation.many && last.id.is_none(),
            Deed::Point => !relation.many,
            Deed::TakeAway => relation.many,
        };
        if !fits {
            let how = if relation.many { "POST or DELETE" } else { "PUT" };
            return Err(Problem::new(&error::STA_LINK, format!("{}: {how}", relation.name)));
        }
        let from = self.follow(before).await?;
        let id = last.id.clone().or(other);
        let id = id.ok_or_else(|| Problem::new(&error::STA_BODY, "which? @iot.id is missing"))?;
        let missing = || Problem::not_found(format!("{}({id})", relation.to.one()));
        let to = self.find(relation.to, &id).await?.ok_or_else(missing)?;
        if deed == Deed::Point {
            return self.point(&from, relation, &to).await;
        }
        let back = relation.to.way_to(from.kind).ok_or_else(none)?;
        if back.many && ![from.kind, to.kind].contains(&Kind::Location) {
            let detail = "a MultiDatastream keeps its properties";
            return Err(Problem::new(&error::STA_LINK, detail));
        }
        if back.many {
            let is_place = to.kind == Kind::Location;
            let (holder, place) = if is_place { (&from, &to) } else { (&to, &from) };
            return self.place_at(holder, place, deed == Deed::Add).await;
        }
        if deed == Deed::TakeAway {
            let detail = format!("a {} has a {}", to.kind.one(), from.kind.one());
            return Err(Problem::new(&error::STA_LINK, detail));
        }
        self.point(&to, back, &from).await
    }

    /// Points the way to one neighbour elsewhere.
    async fn point(&self, from: &Entity, relation: &'static Relation, to: &Entity) -> Answer<()> {
        let links = vec![(relation, Link::Known(to.id.clone()))];
        let draft = Draft { kind: from.kind, fields: Map::new(), links };
        self.change_to(from, Change::Merge, draft).await
    }

    /// A Thing is, or was, also at that Location from now on, or not any more.
    async fn place_at(&self, holder: &Entity, place: &Entity, add: bool) -> Answer<()> {
        let key = registry::key(&self.city.registry.read(), holder.kind, &holder.id);
        let Some(Key::Stored(id)) = key else { return Err(other_door(holder)) };
        self.own(holder.kind, id).await?;
        let way = holder.kind.way_to(Kind::Location);
        let way = way.ok_or_else(|| Problem::new(&error::STA_PATH, holder.kind.one()))?;
        let known = self.neighbours(std::slice::from_ref(holder), way).await?;
        let known: Answer<Vec<i64>> = known.iter().flatten().map(number).collect();
        let (mut known, place) = (known?, number(place)?);
        match (add, known.contains(&place)) {
            (true, true) => return Ok(()),
            (true, false) => known.push(place),
            (false, true) => known.retain(|other| *other != place),
            (false, false) => {
                let detail = format!("Location({place}) of {}({id})", holder.kind.one());
                return Err(Problem::not_found(detail));
            }
        }
        if holder.kind == Kind::Thing && !known.is_empty() {
            return self.locate(id, &known).await;
        }
        let at = time_in(holder.kind, &holder.fields).unwrap_or_default();
        let end = (holder.kind.one(), id, Timestamp(at));
        Ok(self.records().relink(end, Kind::Location.one(), &known).await?)
    }
}
