//! New observations. Those of a kind of the packs are readings: through the registry's checks into the
//! journal, answered when they are on disk. All others are kept in the records, where no indicator and no
//! rule looks.
//!
//! What a reading cannot hold (a feature of its own, parameters, quality, a span of time) is kept beside
//! it as a note.

use std::collections::BTreeMap;
use std::time::Duration;

use chengmai_model::{Reading, Timestamp, error};
use chengmai_store::records::sensor_things::{NewEntity, NoteRow, Target};
use chengmai_wire::Fault;
use chengmai_wire::sensorthings::{Draft, Entity, Id, Kind, Link, Value, time_of};
use serde_json::{Map, Value as Json};

use super::bind::kinds_of;
use super::change_set::{Whose, pending};
use super::create::{name_in, number, time_in};
use super::read::View;
use super::refused;
use super::registry::{self, CITY, KIND, Key};
use crate::api::readings::stopped;
use crate::http::problem::{Answer, Problem};
use crate::ingest::{check_scope, check_value, speaker};

/// How long an answer waits for its readings to be seen as well.
const SEEN_PATIENCE: Duration = Duration::from_millis(500);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

/// Where the observations of a Datastream go.
#[derive(Debug, Clone)]
enum Home {
    /// Of a kind, by its index.
    Journal(Whose, u16),
    Records(Entity),
    /// Several at once: where each part of the result goes besides, and the index of its kind.
    Parts(Entity, Vec<Option<(Whose, u16)>>),
}

/// What is known of the Datastreams of a request.
#[derive(Debug, Default)]
struct Homes {
    homes: BTreeMap<(Kind, i64), Home>,
    features: BTreeMap<i64, i64>,
}

/// What one draft becomes.
#[derive(Debug)]
enum Made {
    Reading(Whose, Timestamp, f64, Option<NoteRow>),
    Entity(NewEntity, Vec<(Whose, Timestamp, f64)>),
}

impl View<'_> {
    /// Makes observations whose neighbours are all there; for each its id, or why there is none.
    pub(super) async fn observe(
        &self,
        drafts: Vec<Result<Draft, Fault>>,
    ) -> Answer<Vec<Answer<Id>>> {
        let mut homes = Homes::default();
        let mut outcomes: Vec<Answer<Id>> = Vec::with_capacity(drafts.len());
        let (mut readings, mut notes) = (Vec::new(), Vec::new());
        let (mut entities, mut places) = (Vec::new(), Vec::new());
        for draft in drafts {
            let made = match draft.map_err(refused) {
                Ok(draft) => self.made(draft, &mut homes).await,
                Err(problem) => Err(problem),
            };
            outcomes.push(match made {
                Ok(Made::Reading(whose, at, value, note)) => {
                    readings.push((whose, at, value));
                    notes.extend(note);
                    Ok(match whose {
                        Whose::Stream(stream) => registry::reading(stream, at, value).id,
                        Whose::Datastream(id) | Whose::Part(id, _) => pending(id, at),
                    })
                }
                Ok(Made::Entity(entity, parts)) => {
                    readings.extend(parts);
                    entities.push(entity);
                    places.push(outcomes.len());
                    Ok(Id::Number(0))
                }
                Err(problem) => Err(problem),
            });
        }
        let records = self.records();
        if !notes.is_empty() {
            // First: a note without a reading is never shown, a reading without its note would be wrong.
            records.note(&notes).await?;
        }
        if let Some(set) = self.set {
            set.readings(readings);
        } else {
            let known = |(whose, at, value)| match whose {
                Whose::Stream(stream) => Some(Reading { stream, at, value }),
                Whose::Datastream(_) | Whose::Part(..) => None,
            };
            self.keep(readings.into_iter().filter_map(known).collect()).await?;
        }
        let ids = records.insert(&self.caller.user.name, self.now, &entities).await?;
        for (place, id) in places.into_iter().zip(ids) {
            self.is_news(Kind::Observation.one(), id);
            outcomes[place] = Ok(Id::Number(id));
        }
        Ok(outcomes)
    }

    /// Puts readings on disk.
    pub(super) async fn keep(&self, readings: Vec<Reading>) -> Answer<()> {
        let Some(last) = readings.last().copied() else { return Ok(()) };
        let durable = self.city.make_durable(readings).await;
        durable.map_err(|refusal| stopped(self.city, refusal))?;
        if self.shows { self.seen(last).await } else { Ok(()) }
    }

    async fn made(&self, draft: Draft, homes: &mut Homes) -> Answer<Made> {
        let link = |to: Kind| {
            draft.links.iter().find_map(|(way, link)| match link {
                Link::Known(id) if way.to == to => Some(id.clone()),
                _ => None,
            })
        };
        let of = [Kind::Datastream, Kind::MultiDatastream];
        let of = of.into_iter().find_map(|kind| Some((kind, link(kind)?)));
        let (kind, of) = of.ok_or_else(|| incomplete("an Observation needs a Datastream"))?;
        let Id::Number(id) = of else {
            return Err(Problem::not_found(format!("{}({of})", kind.one())));
        };
        let feature = match link(Kind::FeatureOfInterest) {
            Some(feature) => {
                let found = self.find(Kind::FeatureOfInterest, &feature).await?;
                let missing = || Problem::not_found(format!("FeatureOfInterest({feature})"));
                Some(number(&found.ok_or_else(missing)?)?)
            }
            None => None,
        };
        match self.home((kind, id), homes).await? {
            Home::Journal(whose, kind) => self.reading(whose, kind, draft.fields, feature),
            Home::Records(datastream) => {
                let feature = match feature {
                    Some(feature) => feature,
                    None => self.usual_feature(&datastream, id, homes).await?,
                };
                Ok(Made::Entity(self.entry(draft.fields, &datastream, feature).await?, Vec::new()))
            }
            Home::Parts(multi, homes_of_parts) => {
                let feature = match feature {
                    Some(feature) => feature,
                    None => self.usual_feature(&multi, id, homes).await?,
                };
                let entity = self.entry(draft.fields, &multi, feature).await?;
                let parts = self.parts(&entity, &multi, &homes_of_parts)?;
                Ok(Made::Entity(entity, parts))
            }
        }
    }

    /// The readings that parts of a result are besides.
    fn parts(
        &self,
        entity: &NewEntity,
        multi: &Entity,
        homes: &[Option<(Whose, u16)>],
    ) -> Answer<Vec<(Whose, Timestamp, f64)>> {
        let fields: Map<String, Json> = serde_json::from_str(&entity.body).unwrap_or_default();
        let sorts = multi.fields.get("multiObservationDataTypes").and_then(Json::as_array);
        let wanted = sorts.map_or(0, Vec::len);
        let parts = fields.get("result").and_then(Json::as_array);
        let parts = parts.filter(|parts| parts.len() == wanted);
        let parts =
            parts.ok_or_else(|| incomplete(&format!("the result is a list of {wanted}")))?;
        let registry = self.city.registry.read();
        let mut readings = Vec::new();
        for (part, home) in parts.iter().zip(homes.iter().chain(std::iter::repeat(&None))) {
            let Some((whose, kind)) = home else { continue };
            if part.is_null() {
                continue;
            }
            let kind = registry.kind(*kind);
            let not_one = || incomplete(&format!("{} is a number in {}", kind.name, kind.unit));
            let value = part.as_f64().ok_or_else(not_one)?;
            check_value(kind.range, self.now, entity.at, value)?;
            readings.push((*whose, entity.at, value));
        }
        Ok(readings)
    }

    /// Where the parts of a MultiDatastream's results go.
    async fn parts_home(&self, id: i64) -> Answer<Home> {
        let found = self.find(Kind::MultiDatastream, &Id::Number(id)).await?;
        let multi = found.ok_or_else(|| Problem::not_found(format!("MultiDatastream({id})")))?;
        let kinds: Vec<Option<u16>> = {
            let registry = self.city.registry.read();
            let index = |kind: Option<&str>| kind.and_then(|kind| registry.kind_index(kind));
            kinds_of(&multi).into_iter().map(index).collect()
        };
        let is_there = || self.city.registry.read().find(&registry::parts_name(id)).is_some();
        if kinds.iter().any(Option::is_some) && self.set.is_none() && !is_there() {
            self.bind(id).await?;
        }
        let speaker = speaker(self.city, self.caller)?;
        if speaker.is_one_device() {
            return Err(Problem::new(&error::FORBIDDEN, "the token is another device's"));
        }
        let registry = self.city.registry.read();
        let mut parts = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let Some(kind) = kind else {
                parts.push(None);
                continue;
            };
            let stream = registry::part_stream(&registry, id, kind);
            if let Some(stream) = stream {
                check_scope(&registry, speaker, stream)?;
            }
            parts.push(Some((stream.map_or(Whose::Part(id, kind), Whose::Stream), kind)));
        }
        Ok(Home::Parts(multi, parts))
    }

    async fn home(&self, (kind, id): (Kind, i64), homes: &mut Homes) -> Answer<Home> {
        if let Some(home) = homes.homes.get(&(kind, id)) {
            return Ok(home.clone());
        }
        let home = match kind {
            Kind::MultiDatastream => self.parts_home(id).await?,
            _ => self.single_home(id).await?,
        };
        homes.homes.insert((kind, id), home.clone());
        Ok(home)
    }

    async fn single_home(&self, id: i64) -> Answer<Home> {
        let found = self.find(Kind::Datastream, &Id::Number(id)).await?;
        let entity = found.ok_or_else(|| Problem::not_found(format!("Datastream({id})")))?;
        let stream =
            || match registry::key(&self.city.registry.read(), Kind::Datastream, &entity.id) {
                Some(Key::Stream(stream)) => Some(stream),
                _ => registry::backing_stream(&self.city.registry.read_recursive(), id),
            };
        let mut behind = stream();
        let measured = entity.fields.get(KIND).and_then(Json::as_str);
        if behind.is_none() && measured.is_some() && self.set.is_none() {
            // The program ended between making the Datastream and registering its device.
            self.bind(id).await?;
            behind = stream();
        }
        let speaker = speaker(self.city, self.caller)?;
        let registry = self.city.registry.read();
        let home = match (behind, measured.and_then(|kind| registry.kind_index(kind))) {
            (Some(stream), _) => {
                check_scope(&registry, speaker, stream)?;
                Home::Journal(Whose::Stream(stream), registry.stream(stream).kind)
            }
            (None, _) if speaker.is_one_device() => {
                return Err(Problem::new(&error::FORBIDDEN, "the token is another device's"));
            }
            (None, Some(kind)) => Home::Journal(Whose::Datastream(id), kind),
            (None, None) => Home::Records(entity.clone()),
        };
        Ok(home)
    }

    fn reading(
        &self,
        whose: Whose,
        kind: u16,
        mut fields: Map<String, Json>,
        feature: Option<i64>,
    ) -> Answer<Made> {
        let value = fields.remove("result").and_then(|result| result.as_f64());
        let value = value.ok_or_else(|| incomplete("the result of this Datastream is a number"))?;
        let at = time_in(Kind::Observation, &fields).map_or(self.now, Timestamp);
        let said = fields.get("phenomenonTime").and_then(Json::as_str).and_then(time_of);
        if !matches!(said, Some(Value::Span(..))) {
            fields.remove("phenomenonTime");
        }
        if fields.get("resultTime").is_some_and(|said| said == at.to_rfc3339().as_str()) {
            fields.remove("resultTime");
        }
        {
            let registry = self.city.registry.read();
            check_value(registry.kind(kind).range, self.now, at, value)?;
        }
        if fields.is_empty() && feature.is_none() {
            return Ok(Made::Reading(whose, at, value, None));
        }
        let id = match whose {
            Whose::Stream(stream) => registry::reading(stream, at, value).id,
            Whose::Datastream(id) | Whose::Part(id, _) => pending(id, at),
        };
        let Id::Number(observation) = id else {
            return Err(incomplete("of this stream only time and number are kept"));
        };
        let body = Json::Object(fields).to_string();
        Ok(Made::Reading(whose, at, value, Some(NoteRow { observation, feature, body })))
    }

    async fn entry(
        &self,
        mut fields: Map<String, Json>,
        datastream: &Entity,
        feature: i64,
    ) -> Answer<NewEntity> {
        let now = self.now.to_rfc3339();
        fields.entry("phenomenonTime").or_insert_with(|| now.into());
        fields.entry("resultTime").or_insert(Json::Null);
        let at = time_in(Kind::Observation, &fields).unwrap_or(self.now.0);
        Ok(NewEntity {
            kind: Kind::Observation.one(),
            area: self.area_of_known(datastream).await?,
            name: None,
            rank: None,
            at: Timestamp(at),
            body: Json::Object(fields).to_string(),
            links: vec![
                (datastream.kind.one(), Target::Known(number(datastream)?)),
                (Kind::FeatureOfInterest.one(), Target::Known(feature)),
            ],
        })
    }

    /// What observations of a Datastream are about when none says so: the place of its Thing. It is made
    /// once for each Location.
    async fn usual_feature(&self, datastream: &Entity, id: i64, homes: &mut Homes) -> Answer<i64> {
        if let Some(feature) = homes.features.get(&id) {
            return Ok(*feature);
        }
        let location = self.location_of(datastream).await?;
        let needed = || incomplete("the Thing has no Location; give a FeatureOfInterest");
        let location = location.ok_or_else(needed)?;
        let place = number(&location)?;
        let feature = if place >= CITY { place } else { self.feature_at(place, &location).await? };
        homes.features.insert(id, feature);
        Ok(feature)
    }

    async fn feature_at(&self, place: i64, location: &Entity) -> Answer<i64> {
        let records = self.records();
        let (kind, end) = (Kind::FeatureOfInterest, [place]);
        let ends = (Kind::Location.one(), &end[..]);
        let known = records.linked(ends, kind.one(), &self.scope, true, 1).await?;
        if let Some((_, feature)) = known.first() {
            return Ok(feature.id);
        }
        let mut fields = location.fields.clone();
        let shape = fields.remove("location").unwrap_or_default();
        fields.insert("feature".to_owned(), shape);
        let new = NewEntity {
            kind: kind.one(),
            area: self.area_of_known(location).await?,
            name: name_in(&fields),
            rank: None,
            at: Timestamp(0),
            body: Json::Object(fields).to_string(),
            links: vec![(Kind::Location.one(), Target::Known(place))],
        };
        let ids = records.insert(&self.caller.user.name, self.now, &[new]).await?;
        for &id in &ids {
            self.is_news(kind.one(), id);
        }
        ids.first().copied().ok_or_else(|| Problem::new(&error::INTERNAL, "no feature"))
    }

    /// Waits until a reading can be asked for, since clients ask at once for what they made. It is on disk
    /// already, so the answer does not depend on it.
    pub(super) async fn seen(&self, reading: Reading) -> Answer<()> {
        let span = (reading.at.0, reading.at.0.saturating_add(1));
        let look = async {
            while self.readings(reading.stream, span, 1).await?.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        tokio::time::timeout(SEEN_PATIENCE, look).await.unwrap_or(Ok(()))
    }
}

fn incomplete(what: &str) -> Problem {
    Problem::new(&error::STA_BODY, what)
}
