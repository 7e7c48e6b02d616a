//! Questions: a set in pages, an entity, its neighbours. What clients made comes from the records, the
//! rest from the registry, the newest values from the engine and older ones from history.
//!
//! Invariants: nothing outside the caller's area comes out, whichever way leads there; a question goes
//! through at most [`WORK_MAX`] entities, or is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chengmai_model::error;
use chengmai_model::{AreaPath, StreamId, Timestamp};
use chengmai_store::records::sensor_things::{EntityRow, Question, SensorThings};
use chengmai_wire::sensorthings::{
    Collection, Entity, Expr, Id, Kind, Narrow, Next, Options, Order, Relation, Step, holds,
    narrow, order_by,
};

use super::change_set::ChangeSet;
use super::registry::{self, CITY, Key};
use crate::city::City;
use crate::city::registry::Registry;
use crate::clock;
use crate::http::access::Caller;
use crate::http::problem::{Answer, Problem};

/// Entities that one request goes through.
const WORK_MAX: usize = 200_000;
/// What looking into the history of a stream counts as.
const HISTORY_WORK: usize = 100;
/// Entities that are gone through at once.
const STEP: usize = 1_000;
/// Neighbours of each entity that a filter looks at.
const LOOKED_AT: usize = 1_000;

/// Who asks, and how much may still be looked at.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) city: &'a Arc<City>,
    pub(super) caller: &'a Caller,
    pub(super) scope: AreaPath,
    pub(super) now: Timestamp,
    /// An answer waits until what it made can be asked for.
    pub(super) shows: bool,
    /// What all changes are a part of.
    pub(super) set: Option<&'a ChangeSet>,
    left: AtomicUsize,
}

/// Where entities come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    All(Kind),
    Of(Kind, Id, &'static Relation),
}

/// A place in the natural order of a source: first what is stored, then the registry, each by time and
/// number; of readings by stream and then backwards in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) registry: bool,
    pub(super) at: i64,
    pub(super) id: i64,
}

/// Entities with their places, and where to go on.
pub(super) type Batch = (Vec<(Entity, Mark)>, Option<Mark>);

impl Source {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::All(kind) => *kind,
            Self::Of(_, _, relation) => relation.to,
        }
    }
}

impl Mark {
    pub(super) const START: Self = Self { registry: false, at: i64::MIN, id: i64::MIN };
    pub(super) const REGISTRY: Self = Self { registry: true, at: i64::MAX, id: 0 };

    pub(super) fn to_text(self) -> String {
        format!("{}~{}~{}", u8::from(self.registry), self.at, self.id)
    }

    fn parse(text: &str) -> Answer<Self> {
        let mut parts = text.split('~').map(str::parse::<i64>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(stage @ 0..=1)), Some(Ok(at)), Some(Ok(id)), None) => {
                Ok(Self { registry: stage == 1, at, id })
            }
            _ => Err(Problem::new(&error::STA_QUERY, "$skiptoken")),
        }
    }
}

/// Kinds that describe how and what is observed: what a centre above made is for all below it.
pub(super) const fn is_shared(kind: Kind) -> bool {
    matches!(kind, Kind::Sensor | Kind::ObservedProperty)
}

/// Kinds that are ordered by a time, the newest first.
const fn by_time(kind: Kind) -> bool {
    matches!(kind, Kind::Observation | Kind::HistoricalLocation)
}

impl<'a> View<'a> {
    pub(super) fn new(city: &'a Arc<City>, caller: &'a Caller) -> Self {
        Self {
            city,
            caller,
            scope: AreaPath::of(&city.areas, caller.area),
            now: clock::now(),
            shows: true,
            set: None,
            left: AtomicUsize::new(WORK_MAX),
        }
    }

    /// For one who does not ask at once for what was made: durable is enough.
    pub(super) fn unseen(self) -> Self {
        Self { shows: false, ..self }
    }

    /// The same within a set of changes.
    pub(super) fn within(self, set: Option<&'a ChangeSet>) -> Self {
        Self { set, ..self }
    }

    /// What clients made.
    pub(super) fn records(&self) -> SensorThings<'_> {
        match self.set {
            Some(set) => set.things(&self.city.records),
            None => self.city.records.sensor_things(),
        }
    }

    pub(super) fn spend(&self, work: usize) -> Answer<()> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(work), Ordering::Relaxed);
        if left < work {
            return Err(Problem::new(&error::STA_TOO_MUCH, format!("more than {WORK_MAX}")));
        }
        Ok(())
    }

    /// The entity that an address leads to, without its last step where that is a set.
    pub(super) async fn follow(&self, steps: &[Step]) -> Answer<Entity> {
        let mut at: Option<Entity> = None;
        for step in steps {
            let next = match (at.as_ref(), step.relation, step.id.as_ref()) {
                (None, _, Some(id)) => self.find(step.kind, id).await?,
                (Some(from), Some(relation), None) if !relation.many => self
                    .neighbours(std::slice::from_ref(from), relation)
                    .await?
                    .pop()
                    .and_then(|mut n| n.pop()),
                (Some(from), Some(relation), Some(id)) => self.member(from, relation, id).await?,
                _ => None,
            };
            at = Some(next.ok_or_else(|| not_found(step))?);
        }
        at.ok_or_else(|| Problem::new(&error::STA_PATH, ""))
    }

    /// The neighbour of that id.
    async fn member(
        &self,
        from: &Entity,
        relation: &'static Relation,
        id: &Id,
    ) -> Answer<Option<Entity>> {
        let Some(entity) = self.find(relation.to, id).await? else { return Ok(None) };
        let back = relation.to.way_to(from.kind);
        let Some(back) = back else { return Ok(None) };
        let mut others = self.neighbours(std::slice::from_ref(&entity), back).await?;
        let is_one = others.pop().unwrap_or_default().iter().any(|other| other.id == from.id);
        Ok(is_one.then_some(entity))
    }

    /// The entity of that id, if the caller sees it.
    pub(super) async fn find(&self, kind: Kind, id: &Id) -> Answer<Option<Entity>> {
        let key = registry::key(&self.city.registry.read(), kind, id);
        match key {
            None => Ok(None),
            Some(key) => self.entity(kind, key).await,
        }
    }

    pub(super) async fn entity(&self, kind: Kind, key: Key) -> Answer<Option<Entity>> {
        self.spend(1)?;
        match key {
            Key::Stored(id) => {
                let question = Question { id: Some(id), limit: 1, ..self.question(kind) };
                let rows = self.records().list(&question).await?;
                let mut found = self.stored(kind, rows).await?;
                Ok(found.pop())
            }
            Key::Reading(stream, at) => {
                let visible = {
                    let registry = self.city.registry.read();
                    self.caller.sees(registry.stream_area(stream))
                };
                if !visible {
                    return Ok(None);
                }
                let mut found = self.readings(stream, (at.0, at.0.saturating_add(1)), 1).await?;
                self.annotate(&mut found).await?;
                Ok(found.pop())
            }
            _ => Ok(self.known(kind, [key]).pop()),
        }
    }

    /// Entities of the registry that the caller sees.
    pub(super) fn known(&self, kind: Kind, keys: impl IntoIterator<Item = Key>) -> Vec<Entity> {
        let registry = self.city.registry.read();
        let seen = |key: &Key| {
            registry::area(&registry, *key).is_none_or(|area| self.caller.sees(area))
                && !is_behind(&registry, kind, *key)
        };
        let keys = keys.into_iter().filter(seen);
        keys.filter_map(|key| registry::entity(self.city, &registry, kind, key)).collect()
    }

    /// A question about what is stored, of all that the caller sees.
    pub(super) fn question(&self, kind: Kind) -> Question {
        Question {
            kind: kind.one(),
            area: self.scope.clone(),
            above: is_shared(kind),
            linked: None,
            id: None,
            name: None,
            span: (i64::MIN, i64::MAX),
            newest_first: by_time(kind),
            behind: None,
            limit: STEP,
        }
    }

    /// Rows as entities; a Datastream says from when to when it has observations.
    pub(super) async fn stored(&self, kind: Kind, rows: Vec<EntityRow>) -> Answer<Vec<Entity>> {
        let mut entities: Vec<Entity> = rows
            .iter()
            .map(|row| {
                let mut entity = Entity::new(kind, Id::Number(row.id));
                entity.fields = serde_json::from_str(&row.body).unwrap_or_default();
                entity
            })
            .collect();
        if matches!(kind, Kind::Datastream | Kind::MultiDatastream) && !rows.is_empty() {
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            let ends = (kind.one(), ids.as_slice());
            let records = self.records();
            for (id, first, last) in records.spans(ends, Kind::Observation.one()).await? {
                let text = format!("{}/{}", first.to_rfc3339(), last.to_rfc3339());
                if let Some(entity) = entities.iter_mut().find(|one| one.id == Id::Number(id)) {
                    entity.fields.insert("phenomenonTime".to_owned(), text.into());
                }
            }
        }
        Ok(entities)
    }

    /// Readings of a stream within a span, the newest first.
    pub(super) async fn readings(
        &self,
        stream: StreamId,
        (from, to): (i64, i64),
        most: usize,
    ) -> Answer<Vec<Entity>> {
        self.spend(HISTORY_WORK)?;
        let (device, kind) = {
            let registry = self.city.registry.read();
            let entry = registry.stream(stream);
            let device = registry.device(entry.device).name().to_owned();
            (device, registry.kind(entry.kind).name.to_string())
        };
        let (from, to) = (Timestamp(from), Timestamp(to));
        let scope = self.caller.area;
        // A moment that two values came in for is told once, as the later one.
        let asked = most.saturating_mul(2).saturating_add(1).min(WORK_MAX);
        let found = self.city.device_readings(scope, device, vec![(stream, kind)], from, to, asked);
        let mut found = found.await?;
        found.reverse();
        found.dedup_by_key(|reading| reading.at);
        found.truncate(most);
        Ok(found.into_iter().map(|r| registry::reading(stream, r.at, r.value)).collect())
    }

    /// Adds what was said of readings besides their value.
    pub(super) async fn annotate(&self, entities: &mut [Entity]) -> Answer<()> {
        let ids: Vec<i64> = entities.iter().filter_map(foreign_number).collect();
        let notes = self.records().notes(&ids).await?;
        let mut notes: BTreeMap<i64, _> =
            notes.into_iter().map(|note| (note.observation, note)).collect();
        for entity in entities {
            let Some(note) = foreign_number(entity).and_then(|id| notes.remove(&id)) else {
                continue;
            };
            let fields: serde_json::Map<_, _> =
                serde_json::from_str(&note.body).unwrap_or_default();
            entity.fields.extend(fields);
        }
        Ok(())
    }

    /// A page of a source.
    pub(super) async fn list(&self, source: &Source, options: &Options) -> Answer<Collection> {
        let narrow = narrow(options.filter.as_ref());
        let source = narrowed(source, &narrow);
        let natural = is_natural(&source, &options.order);
        let (rows, needs) = (options.rows(), needs(options));
        let unfiltered = options.filter.is_none();
        let mut counted = None;
        if options.count && unfiltered {
            counted = self.count_all(&source).await?;
        }
        if options.count && counted.is_none() && options.token.is_some() {
            // Behind a mark are not all of them.
            let filter = options.filter.clone();
            let all = Options { filter, count: true, top: Some(0), ..Options::default() };
            counted = Box::pin(self.list(&source, &all)).await?.count;
        }
        let whole = !natural || (options.count && counted.is_none());
        let mut mark = Some(match &options.token {
            Some(token) => Mark::parse(token)?,
            None => Mark::START,
        });
        let (mut found, mut passed) = (Vec::new(), 0_usize);
        while let Some(at) = mark {
            let wanted = (options.skip + rows + 1).saturating_sub(passed);
            let most = if whole || !unfiltered { STEP } else { wanted.min(STEP) };
            let (batch, resume) = self.batch(&source, &narrow, at, most).await?;
            self.spend(batch.len() + 1)?;
            let (mut entities, marks): (Vec<Entity>, Vec<Mark>) = batch.into_iter().unzip();
            self.expand(&mut entities, &needs).await?;
            for (entity, mark) in entities.into_iter().zip(marks) {
                if !options.filter.as_ref().is_none_or(|filter| holds(filter, &entity, self.now)) {
                    continue;
                }
                passed += 1;
                if !natural || (passed > options.skip && found.len() <= rows) {
                    found.push((entity, mark));
                }
            }
            mark = resume;
            // A long search lets others have their turn.
            tokio::task::yield_now().await;
            if !whole && found.len() > rows {
                break;
            }
        }
        if !natural {
            self.sort(&mut found, &options.order);
            found.drain(..options.skip.min(found.len()));
        }
        let more = rows > 0 && found.len() > rows;
        found.truncate(rows);
        let next = match found.last() {
            Some((_, mark)) if more && natural => Some(Next::Token(mark.to_text())),
            _ if more => Some(Next::Skip(options.skip + rows)),
            _ => None,
        };
        let count = options.count.then(|| counted.unwrap_or(passed as u64));
        let mut entities: Vec<Entity> = found.into_iter().map(|(entity, _)| entity).collect();
        self.expand(&mut entities, options).await?;
        Ok(Collection { entities, next, count })
    }

    fn sort(&self, found: &mut Vec<(Entity, Mark)>, order: &[Order]) {
        let mut keyed: Vec<_> = std::mem::take(found)
            .into_iter()
            .map(|one| {
                let keys = order.iter().map(|key| order_by(&key.by, &one.0, self.now));
                (keys.collect::<Vec<_>>(), one)
            })
            .collect();
        keyed.sort_by(|(a, _), (b, _)| {
            let each = a
                .iter()
                .zip(b)
                .zip(order)
                .map(|((a, b), key)| if key.descending { b.order(a) } else { a.order(b) });
            each.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        found.extend(keyed.into_iter().map(|(_, one)| one));
    }

    /// The next entities of a source from a mark on.
    async fn batch(
        &self,
        source: &Source,
        narrow: &Narrow,
        mark: Mark,
        most: usize,
    ) -> Answer<Batch> {
        let kind = source.kind();
        if let (Source::All(_), Some(id)) = (source, &narrow.id) {
            let found = self.find(kind, id).await?;
            return Ok((found.into_iter().map(|entity| (entity, Mark::REGISTRY)).collect(), None));
        }
        if mark.registry {
            return self.registry_batch(source, narrow, mark, most).await;
        }
        let behind = (mark != Mark::START).then_some((mark.at, mark.id));
        let mut question = Question { behind, limit: most, ..self.question(kind) };
        if by_time(kind) {
            question.span = (narrow.from, narrow.to);
        }
        question.name.clone_from(&narrow.name);
        if let Source::Of(of, Id::Number(id), _) = source {
            question.linked = Some((of.one(), *id));
        }
        let of_words = matches!(source, Source::Of(_, Id::Text(_), _));
        let rows = if of_words { Vec::new() } else { self.records().list(&question).await? };
        let marks: Vec<Mark> =
            rows.iter().map(|row| Mark { registry: false, at: row.at.0, id: row.id }).collect();
        let resume = match marks.last() {
            Some(last) if marks.len() == most => *last,
            _ => Mark::REGISTRY,
        };
        Ok((self.stored(kind, rows).await?.into_iter().zip(marks).collect(), Some(resume)))
    }
}

fn not_found(step: &Step) -> Problem {
    let id = step.id.as_ref().map(ToString::to_string).unwrap_or_default();
    Problem::not_found(format!("{}({id})", step.kind.one()))
}

/// Devices behind a client's Datastream are not shown as Things: the client's Thing is.
pub(super) fn is_behind(registry: &Registry, kind: Kind, key: Key) -> bool {
    let device = match (kind, key) {
        (Kind::FeatureOfInterest, Key::Device(device)) => {
            return registry::has_parts(registry.device(device));
        }
        (Kind::FeatureOfInterest, _) => return false,
        (_, Key::Device(device)) => device,
        (_, Key::Stream(stream)) => registry.stream(stream).device,
        _ => return false,
    };
    registry::is_backing(registry.device(device))
}

/// The number of a reading's id.
pub(super) fn foreign_number(entity: &Entity) -> Option<i64> {
    match entity.id {
        Id::Number(number) if entity.kind == Kind::Observation && number >= CITY => Some(number),
        _ => None,
    }
}

/// A set of which a neighbour is named is looked for there.
fn narrowed(source: &Source, narrow: &Narrow) -> Source {
    match (source, &narrow.of) {
        (Source::All(kind), Some((way, id))) => match way.to.way_to(*kind) {
            Some(back) => Source::Of(way.to, id.clone(), back),
            None => source.clone(),
        },
        _ => source.clone(),
    }
}

/// Whether entities come in this order by themselves.
pub(super) fn is_natural(source: &Source, order: &[Order]) -> bool {
    let [Order { by: Expr::Path(path), descending }] = order else { return order.is_empty() };
    let kind = source.kind();
    match (path.ways.is_empty(), path.names.as_slice()) {
        (true, [name]) if name == "id" => !by_time(kind) && !descending,
        (true, [name]) if name == "phenomenonTime" => {
            *descending && matches!(source, Source::Of(Kind::Datastream, ..))
        }
        _ => false,
    }
}

/// The neighbours that filter and order look at.
fn needs(options: &Options) -> Options {
    let mut needs = Options::default();
    let mut add = |path: &chengmai_wire::sensorthings::FilterPath| {
        let mut at = &mut needs;
        for way in &path.ways {
            at = at.expanded(way);
            at.top = way.many.then_some(LOOKED_AT);
        }
    };
    let filter = options.filter.iter();
    filter.chain(options.order.iter().map(|key| &key.by)).for_each(|expr| expr.paths(&mut add));
    needs
}
