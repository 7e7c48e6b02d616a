//! Pages of what is not in the records: devices, streams, kinds and readings, and entities of the registry
//! that a client's own are linked to.
//!
//! Invariant: a page looks at a bounded part of the registry; where that ends the next one goes on.

use chengmai_model::StreamId;
use chengmai_wire::sensorthings::{Entity, Id, Kind, Narrow};

use super::read::{Batch, Mark, Source, View};
use super::registry::{self, CITY, Key};
use crate::http::problem::Answer;

impl View<'_> {
    /// How many a source has, where that is known without going through them.
    pub(super) async fn count_all(&self, source: &Source) -> Answer<Option<u64>> {
        let Source::All(kind) = *source else { return Ok(None) };
        let registered = {
            let registry = self.city.registry.read();
            match kind {
                Kind::Sensor | Kind::ObservedProperty => registry.kinds().len(),
                Kind::Thing => {
                    let devices = registry.devices(self.caller.area);
                    devices.filter(|(_, device)| !registry::is_backing(*device)).count()
                }
                Kind::Datastream => {
                    let devices = registry.devices(self.caller.area);
                    let devices = devices.filter(|(_, device)| !registry::is_backing(*device));
                    devices.map(|(_, device)| device.streams().count()).sum()
                }
                _ => return Ok(None),
            }
        };
        let stored = self.records().count(&self.question(kind)).await?;
        Ok(Some(stored + registered as u64))
    }

    pub(super) async fn registry_batch(
        &self,
        source: &Source,
        narrow: &Narrow,
        mark: Mark,
        most: usize,
    ) -> Answer<Batch> {
        let kind = source.kind();
        let (of, number) = match source {
            Source::All(_) => (None, None),
            Source::Of(of, id, _) => {
                let number = if let Id::Number(number) = id { Some(*number) } else { None };
                (registry::key(&self.city.registry.read(), *of, id), number)
            }
        };
        match (source, of) {
            (Source::All(Kind::Observation), _) => self.readings_of_all(narrow, mark, most).await,
            (Source::All(Kind::MultiDatastream), _) => Ok((Vec::new(), None)),
            (Source::All(_), _) => Ok(self.all(kind, narrow, mark, most)),
            (_, None) => Ok((Vec::new(), None)),
            (_, Some(of)) if kind == Kind::Observation => {
                let streams = self.streams_of(of);
                self.readings_of(&streams, narrow, mark, most, None).await
            }
            (_, Some(Key::Kind(_))) if kind == Kind::MultiDatastream => Ok((Vec::new(), None)),
            (_, Some(Key::Kind(index))) => Ok(self.streams_page(Some(index), mark, most)),
            (Source::Of(of_kind, _, relation), Some(of)) => {
                let ones: Vec<i64> = number.into_iter().collect();
                let links = self.records();
                let foreign = links.foreign((of_kind.one(), &ones), kind.one(), CITY).await?;
                let keys = {
                    let registry = self.city.registry.read();
                    let linked = foreign.iter().filter_map(|(_, other)| {
                        registry::key(&registry, kind, &Id::Number(*other))
                    });
                    let mut keys: Vec<Key> = linked.collect();
                    keys.extend(registry::related(&registry, of, relation));
                    keys
                };
                let mut found = Vec::new();
                for key in keys {
                    found.extend(self.entity(kind, key).await?);
                }
                Ok((found.into_iter().map(|entity| (entity, Mark::REGISTRY)).collect(), None))
            }
        }
    }

    /// The streams whose readings are observations of a Datastream or about a feature.
    pub(super) fn streams_of(&self, of: Key) -> Vec<StreamId> {
        let registry = self.city.registry.read();
        let streams: Vec<StreamId> = match of {
            Key::Stored(datastream) => {
                registry::backing_stream(&registry, datastream).into_iter().collect()
            }
            Key::Stream(stream) => vec![stream],
            Key::Device(device) => registry.device(device).streams().collect(),
            Key::Kind(_) | Key::Reading(..) => Vec::new(),
        };
        let seen = |stream: &StreamId| self.caller.sees(registry.stream_area(*stream));
        streams.into_iter().filter(seen).collect()
    }

    /// All of a kind of entity but readings.
    fn all(&self, kind: Kind, narrow: &Narrow, mark: Mark, most: usize) -> Batch {
        if kind == Kind::Datastream && narrow.name.is_none() {
            return self.streams_page(None, mark, most);
        }
        let from = u32::try_from(mark.id).unwrap_or(0);
        let registry = self.city.registry.read();
        let named = |name: &str| match kind {
            Kind::Datastream => {
                let (device, kind) = name.rsplit_once('/')?;
                let kind = registry.kind_index(kind)?;
                registry.stream_of(registry.find(device)?, kind).map(Key::Stream)
            }
            Kind::Sensor | Kind::ObservedProperty => registry.kind_index(name).map(Key::Kind),
            _ => registry.find(name).map(Key::Device),
        };
        let (keys, resume): (Vec<(u32, Key)>, _) = match &narrow.name {
            Some(name) => (named(name).into_iter().map(|key| (0, key)).collect(), None),
            None if matches!(kind, Kind::Sensor | Kind::ObservedProperty) => {
                let all = (0_u16..).zip(registry.kinds()).skip(from as usize).take(most);
                let keys: Vec<_> =
                    all.map(|(index, _)| (u32::from(index), Key::Kind(index))).collect();
                let next = from as usize + keys.len();
                let resume = (next < registry.kinds().len()).then_some(next);
                (keys, resume.and_then(|next| u32::try_from(next).ok()))
            }
            None => {
                let (ids, resume) = registry::devices(&registry, self.caller.area, from, most);
                let key = |id| (id, Key::Device(chengmai_model::DeviceId(id)));
                (ids.into_iter().map(key).collect(), resume)
            }
        };
        drop(registry);
        (self.marked(kind, keys), resume.map(at_number))
    }

    fn streams_page(&self, kind: Option<u16>, mark: Mark, most: usize) -> Batch {
        let from = u32::try_from(mark.id).unwrap_or(0);
        let (ids, resume) = {
            let registry = self.city.registry.read();
            registry::streams(&registry, self.caller.area, kind, from, most)
        };
        let keys = ids.into_iter().map(|id| (id, Key::Stream(StreamId(id)))).collect();
        (self.marked(Kind::Datastream, keys), resume.map(at_number))
    }

    /// Entities, each with the mark behind it.
    fn marked(&self, kind: Kind, keys: Vec<(u32, Key)>) -> Vec<(Entity, Mark)> {
        let one = |(id, key): (u32, Key)| {
            self.known(kind, [key]).pop().map(|entity| (entity, at_number(id.saturating_add(1))))
        };
        keys.into_iter().filter_map(one).collect()
    }

    /// Readings of all streams: stream by stream, each from the newest on.
    async fn readings_of_all(&self, narrow: &Narrow, mark: Mark, most: usize) -> Answer<Batch> {
        let from = u32::try_from(mark.id).unwrap_or(0);
        let (ids, resume) = {
            let registry = self.city.registry.read();
            registry::streams(&registry, self.caller.area, None, from, most)
        };
        let reported: Vec<StreamId> = {
            let registry = self.city.registry.read();
            let engine = self.city.engine.read();
            let whole = |stream: StreamId| {
                !registry::has_parts(registry.device(registry.stream(stream).device))
            };
            let ids = ids.into_iter().map(StreamId);
            ids.filter(|&s| engine.stream(s).last.is_some() && whole(s)).collect()
        };
        self.readings_of(&reported, narrow, mark, most, resume).await
    }

    /// Readings of these streams, which are in order; behind them `resume` comes next.
    async fn readings_of(
        &self,
        streams: &[StreamId],
        narrow: &Narrow,
        mark: Mark,
        most: usize,
        resume: Option<u32>,
    ) -> Answer<Batch> {
        let mut found: Vec<(Entity, Mark)> = Vec::new();
        for &stream in streams.iter().filter(|stream| i64::from(stream.0) >= mark.id) {
            if found.len() >= most {
                let next = Mark { id: i64::from(stream.0), ..Mark::REGISTRY };
                self.annotate_all(&mut found).await?;
                return Ok((found, Some(next)));
            }
            let same = i64::from(stream.0) == mark.id;
            let to = if same { narrow.to.min(mark.at) } else { narrow.to };
            let wanted = most - found.len();
            let readings = self.readings(stream, (narrow.from, to), wanted).await?;
            let full = readings.len() == wanted;
            let id = i64::from(stream.0);
            for reading in readings {
                let at = time_of_reading(&self.city.registry.read(), &reading);
                found.push((reading, Mark { registry: true, at, id }));
            }
            if full {
                let next = found.last().map(|(_, mark)| *mark);
                self.annotate_all(&mut found).await?;
                return Ok((found, next));
            }
        }
        self.annotate_all(&mut found).await?;
        Ok((found, resume.map(at_number)))
    }

    async fn annotate_all(&self, found: &mut Vec<(Entity, Mark)>) -> Answer<()> {
        let (mut entities, marks): (Vec<Entity>, Vec<Mark>) = found.drain(..).unzip();
        self.annotate(&mut entities).await?;
        found.extend(entities.into_iter().zip(marks));
        Ok(())
    }
}

/// Where the entity of that number comes next.
fn at_number(id: u32) -> Mark {
    Mark { id: i64::from(id), ..Mark::REGISTRY }
}

fn time_of_reading(registry: &crate::city::registry::Registry, reading: &Entity) -> i64 {
    match registry::key(registry, Kind::Observation, &reading.id) {
        Some(Key::Reading(_, at)) => at.0,
        _ => i64::MIN,
    }
}
