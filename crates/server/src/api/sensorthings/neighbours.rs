//! Neighbours of entities: those of a whole page are looked up together, a way at a time.

use std::collections::BTreeMap;

use chengmai_wire::sensorthings::{
    Collection, Entity, Expand, Id, Kind, Linked, Next, Options, Relation,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::read::{Mark, Source, View, is_natural, is_shared};
use super::registry::{self, CITY, Key};
use crate::http::problem::Answer;

/// Neighbours that are looked up at once.
const NEIGHBOURS_MAX: usize = 100_000;

impl View<'_> {
    /// Adds the neighbours that are asked for.
    pub(super) fn expand<'f>(
        &'f self,
        entities: &'f mut [Entity],
        options: &'f Options,
    ) -> BoxFuture<'f, Answer<()>> {
        async move {
            if entities.is_empty() {
                return Ok(());
            }
            for expand in &options.expand {
                self.expand_one(entities, expand).await?;
            }
            Ok(())
        }
        .boxed()
    }

    async fn expand_one(&self, entities: &mut [Entity], expand: &Expand) -> Answer<()> {
        let (relation, options) = (expand.relation, &expand.options);
        if is_latest(entities, expand) {
            return self.latest(entities, expand).await;
        }
        let of_kind = entities.first().map(|entity| entity.kind);
        let plain = options.filter.is_none()
            && options.order.is_empty()
            && options.token.is_none()
            && options.skip == 0
            && !options.count;
        let many_streams = of_kind.is_some_and(is_shared);
        if relation.many && (!plain || relation.to == Kind::Observation || many_streams) {
            for entity in entities {
                let source = Source::Of(entity.kind, entity.id.clone(), relation);
                let page = self.list(&source, options).await?;
                entity.links.insert(relation.name, Linked::Many(page));
            }
            return Ok(());
        }
        let groups = self.neighbours(entities, relation).await?;
        let rows = if relation.many { options.rows() } else { 1 };
        let kept: Vec<usize> = groups.iter().map(|group| group.len().min(rows)).collect();
        let more: Vec<bool> = groups.iter().map(|group| group.len() > rows).collect();
        let all = groups.into_iter().flat_map(|group| group.into_iter().take(rows));
        let mut all: Vec<Entity> = all.collect();
        self.expand(&mut all, options).await?;
        let mut all = all.into_iter();
        for ((entity, kept), more) in entities.iter_mut().zip(kept).zip(more) {
            let mut own: Vec<Entity> = all.by_ref().take(kept).collect();
            let linked = if relation.many {
                let next = (more && rows > 0).then_some(Next::Skip(rows));
                Linked::Many(Collection { entities: own, next, count: None })
            } else {
                Linked::One(own.pop().map(Box::new))
            };
            entity.links.insert(relation.name, linked);
        }
        Ok(())
    }

    /// The newest observation of each Datastream: of a stream it is in the engine's memory.
    async fn latest(&self, entities: &mut [Entity], expand: &Expand) -> Answer<()> {
        let mut newest: Vec<Option<Entity>> = {
            let registry = self.city.registry.read();
            let engine = self.city.engine.read();
            let one = |entity: &Entity| {
                let stream = match registry::key(&registry, entity.kind, &entity.id)? {
                    Key::Stream(stream) => stream,
                    Key::Stored(id) => registry::backing_stream(&registry, id)?,
                    _ => return None,
                };
                registry::latest(&engine, stream)
            };
            entities.iter().map(one).collect()
        };
        self.spend(newest.len())?;
        let places: Vec<usize> =
            newest.iter().enumerate().filter(|(_, one)| one.is_some()).map(|(at, _)| at).collect();
        let mut found: Vec<Entity> = newest.iter_mut().filter_map(Option::take).collect();
        self.annotate(&mut found).await?;
        self.expand(&mut found, &expand.options).await?;
        for (place, one) in places.into_iter().zip(found) {
            newest[place] = Some(one);
        }
        for (entity, one) in entities.iter_mut().zip(newest) {
            let page = if let Some(one) = one {
                let next = self.behind(&one).map(Next::Token);
                Collection { entities: vec![one], next, count: None }
            } else {
                let source = Source::Of(entity.kind, entity.id.clone(), expand.relation);
                self.list(&source, &expand.options).await?
            };
            entity.links.insert(expand.relation.name, Linked::Many(page));
        }
        Ok(())
    }

    /// The mark behind a reading.
    fn behind(&self, reading: &Entity) -> Option<String> {
        match registry::key(&self.city.registry.read(), reading.kind, &reading.id)? {
            Key::Reading(stream, at) => {
                Some(Mark { registry: true, at: at.0, id: i64::from(stream.0) }.to_text())
            }
            _ => None,
        }
    }

    /// All neighbours of each entity over a way, as the caller sees them.
    pub(super) async fn neighbours(
        &self,
        entities: &[Entity],
        relation: &'static Relation,
    ) -> Answer<Vec<Vec<Entity>>> {
        let Some(kind) = entities.first().map(|entity| entity.kind) else { return Ok(Vec::new()) };
        let to = relation.to;
        let number = |entity: &Entity| match entity.id {
            Id::Number(number) => Some(number),
            Id::Text(_) => None,
        };
        let ones: Vec<i64> = entities.iter().filter_map(number).collect();
        let records = self.records();
        let mut groups: BTreeMap<i64, Vec<Entity>> = BTreeMap::new();
        let ends = (kind.one(), ones.as_slice());
        let rows =
            records.linked(ends, to.one(), &self.scope, is_shared(to), NEIGHBOURS_MAX).await?;
        self.spend(rows.len() + ones.len())?;
        let (owners, rows): (Vec<i64>, Vec<_>) = rows.into_iter().unzip();
        for (one, entity) in owners.into_iter().zip(self.stored(to, rows).await?) {
            groups.entry(one).or_default().push(entity);
        }
        let mut keys: BTreeMap<i64, Vec<Key>> = BTreeMap::new();
        for (one, other) in records.foreign(ends, to.one(), CITY).await? {
            let key = registry::key(&self.city.registry.read(), to, &Id::Number(other));
            keys.entry(one).or_default().extend(key);
        }
        let features = self.features(entities, to).await?;
        let mut all = Vec::with_capacity(entities.len());
        let mut known: BTreeMap<Key, Option<Entity>> = BTreeMap::new();
        for entity in entities {
            let mut own = number(entity).and_then(|one| groups.remove(&one)).unwrap_or_default();
            let mut wanted = number(entity).and_then(|one| keys.remove(&one)).unwrap_or_default();
            if let Some(feature) = number(entity).and_then(|one| features.get(&one)) {
                wanted.push(*feature);
            } else {
                let registry = self.city.registry.read();
                if let Some(of) = registry::key(&registry, kind, &entity.id) {
                    wanted.extend(registry::related(&registry, of, relation));
                }
            }
            for key in wanted {
                if let std::collections::btree_map::Entry::Vacant(place) = known.entry(key) {
                    place.insert(self.entity(to, key).await?);
                }
                own.extend(known.get(&key).cloned().flatten());
            }
            all.push(own);
        }
        Ok(all)
    }

    /// Features that readings are about, where those are not their devices' places.
    async fn features(&self, entities: &[Entity], to: Kind) -> Answer<BTreeMap<i64, Key>> {
        if to != Kind::FeatureOfInterest {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<i64> = entities.iter().filter_map(super::read::foreign_number).collect();
        let notes = self.records().notes(&ids).await?;
        let registry = self.city.registry.read();
        let feature = notes.into_iter().filter_map(|note| {
            let key = registry::key(&registry, to, &Id::Number(note.feature?))?;
            Some((note.observation, key))
        });
        Ok(feature.collect())
    }
}

/// Whether only the newest observation of each Datastream is asked for.
fn is_latest(entities: &[Entity], expand: &Expand) -> bool {
    let Options { filter, order, top, skip, count, token, .. } = &expand.options;
    let Some(first) = entities.first() else { return false };
    let source = Source::Of(first.kind, first.id.clone(), expand.relation);
    first.kind == Kind::Datastream
        && expand.relation.to == Kind::Observation
        && filter.is_none()
        && token.is_none()
        && (*top, *skip, *count) == (Some(1), 0, false)
        && is_natural(&source, order)
}
