//! Changes and removals. What a client made changes in the records; the value of a reading is corrected or
//! withdrawn as every reading is, in the journal and on record; devices are the registry's and stay.

use chengmai_model::{StreamId, Timestamp, error};
use chengmai_store::records::sensor_things::{EntityRow, NoteRow, Question};
use chengmai_wire::corrections::CorrectionRow;
use chengmai_wire::sensorthings::{
    self as sta, Draft, Entity, Id, Kind, Link, Relation, Value, time_of,
};
use serde_json::{Map, Value as Json};

use super::bind::kinds_of;
use super::create::{BELOW, name_in, number, owns, time_in};
use super::read::View;
use super::refused;
use super::registry::{self, COMPLEX, KIND, KINDS, Key};
use crate::api::corrections::{correct_one, correction};
use crate::http::access::Permission;
use crate::http::problem::{Answer, Problem};

/// What cannot be without what.
const REMOVED_WITH: [(&str, &str); 10] = [
    BELOW[0],
    BELOW[1],
    BELOW[2],
    BELOW[3],
    BELOW[4],
    ("Sensor", "Datastream"),
    ("Sensor", "MultiDatastream"),
    ("ObservedProperty", "Datastream"),
    ("ObservedProperty", "MultiDatastream"),
    ("FeatureOfInterest", "Observation"),
];

/// How a change is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// What is named changes.
    Merge,
    /// What is named changes, what may be absent and is not named goes.
    Replace,
    /// Steps of a JSON Patch.
    Steps,
}

impl View<'_> {
    /// Changes an entity.
    pub(super) async fn change(&self, entity: &Entity, how: Change, json: &Json) -> Answer<()> {
        self.caller.need(Permission::DeviceManage)?;
        let kind = entity.kind;
        let before = Json::Object(entity.fields.clone());
        let json = match how {
            Change::Steps => sta::json_patch(before, json).map_err(refused)?,
            Change::Merge | Change::Replace => json.clone(),
        };
        let change = sta::patch(kind, &json).map_err(refused)?;
        self.change_to(entity, how, change).await
    }

    /// The same, when it is known what changes.
    pub(super) async fn change_to(
        &self,
        entity: &Entity,
        how: Change,
        change: Draft,
    ) -> Answer<()> {
        let key = registry::key(&self.city.registry.read(), entity.kind, &entity.id);
        match key {
            Some(Key::Stored(id)) => self.change_stored(entity, id, how, change).await,
            Some(Key::Reading(stream, at)) => {
                self.change_reading(entity, (stream, at), change).await
            }
            _ => Err(other_door(entity)),
        }
    }

    async fn change_stored(
        &self,
        entity: &Entity,
        id: i64,
        how: Change,
        change: Draft,
    ) -> Answer<()> {
        let kind = entity.kind;
        self.own(kind, id).await?;
        let mut before = entity.fields.clone();
        if how != Change::Merge {
            let stays = |name: &str| {
                name.contains('@') || kind.field(name).is_some_and(|f| f.required || f.read_only)
            };
            before.retain(|name, _| stays(name));
        }
        let mut after = sta::merged(kind, &before, &change).map_err(refused)?;
        after.retain(|name, _| kind.field(name).is_none_or(|field| !field.read_only));
        keeps_measuring(entity, &mut after, &change)?;
        let links = self.links_of(entity, &change).await?;
        if kind == Kind::Observation {
            self.correct_parts(entity, Some(&after)).await?;
        }
        let records = self.records();
        let name = name_in(&after);
        let at = time_in(kind, &after);
        records.update(id, name.as_deref(), &Json::Object(after).to_string()).await?;
        if let Some(at) = at {
            records.set_time(kind.one(), id, Timestamp(at)).await?;
        }
        for (relation, others) in links {
            if kind == Kind::Thing {
                self.locate(id, &others).await?;
            } else {
                let usual = time_in(kind, &entity.fields).unwrap_or_default();
                let end = (kind.one(), id, Timestamp(at.unwrap_or(usual)));
                records.relink(end, relation.to.one(), &others).await?;
                if let (true, Some(&other)) = (owns(relation.to, kind), others.first()) {
                    self.moved(kind, id, (relation.to, other)).await?;
                }
            }
        }
        if kind == Kind::Location {
            let things = Kind::Location.way_to(Kind::Thing);
            let things = match things {
                Some(way) => self.neighbours(std::slice::from_ref(entity), way).await?,
                None => Vec::new(),
            };
            for thing in things.iter().flatten() {
                self.locate(number(thing)?, &[id]).await?;
            }
        }
        self.is_news(kind.one(), id);
        Ok(())
    }

    /// Corrects the readings that parts of a result are besides; without `after` there should be none.
    async fn correct_parts(
        &self,
        entity: &Entity,
        after: Option<&Map<String, Json>>,
    ) -> Answer<()> {
        let Some(way) = Kind::Observation.way_to(Kind::MultiDatastream) else { return Ok(()) };
        let found = self.neighbours(std::slice::from_ref(entity), way).await?;
        let Some(multi) = found.into_iter().flatten().next() else { return Ok(()) };
        let streams: Vec<Option<StreamId>> = {
            let registry = self.city.registry.read();
            let id = number(&multi)?;
            let stream = |kind: Option<&str>| {
                registry::part_stream(&registry, id, registry.kind_index(kind?)?)
            };
            kinds_of(&multi).into_iter().map(stream).collect()
        };
        let part = |fields: &Map<String, Json>, place: usize| {
            fields.get("result").and_then(|result| result.get(place)).and_then(Json::as_f64)
        };
        let list = |fields: &Map<String, Json>| {
            fields.get("result").and_then(Json::as_array).map(Vec::len)
        };
        let moment = |fields: &Map<String, Json>| time_in(Kind::Observation, fields);
        let at = moment(&entity.fields).unwrap_or_default();
        if let Some(after) = after {
            if list(after) != list(&entity.fields) {
                return Err(Problem::new(
                    &error::STA_BODY,
                    "the result has as many parts as before",
                ));
            }
            if moment(after) != Some(at) && streams.iter().any(Option::is_some) {
                let detail = "the time of a reading is what it is known by";
                return Err(Problem::new(&error::STA_BODY, detail));
            }
        }
        for (place, stream) in streams.into_iter().enumerate() {
            let (Some(stream), Some(before)) = (stream, part(&entity.fields, place)) else {
                continue;
            };
            let new = after.and_then(|after| part(after, place));
            if new.map(f64::to_bits) != Some(before.to_bits()) {
                self.correct(stream, Timestamp(at), new).await?;
            }
        }
        Ok(())
    }

    /// The neighbours that a change names, by way; they must be there.
    async fn links_of(
        &self,
        entity: &Entity,
        change: &Draft,
    ) -> Answer<Vec<(&'static Relation, Vec<i64>)>> {
        let mut found: Vec<(&'static Relation, Vec<i64>)> = Vec::new();
        for (relation, link) in &change.links {
            let changes = !relation.many || relation.to == Kind::Location;
            let Link::Known(id) = link else {
                return Err(Problem::new(&error::STA_BODY, format!("{}: an id", relation.name)));
            };
            let other = self.find(relation.to, id).await?;
            let other =
                other.ok_or_else(|| Problem::not_found(format!("{}({id})", relation.to.one())))?;
            if !changes {
                // Those are changed themselves; a client that sends back what it read changes nothing.
                let back = relation.to.way_to(entity.kind);
                let is_there = match back {
                    Some(way) => self.neighbours(&[other], way).await?,
                    None => Vec::new(),
                };
                if is_there.iter().flatten().any(|one| one.id == entity.id) {
                    continue;
                }
                let detail = format!("change the {} instead", relation.to.one());
                return Err(Problem::new(&error::STA_BODY, detail));
            }
            let number = number(&other)?;
            match found.iter_mut().find(|(known, _)| known == relation) {
                Some((_, others)) if others.contains(&number) => {}
                Some((_, others)) => others.push(number),
                None => found.push((*relation, vec![number])),
            }
        }
        Ok(found)
    }

    /// An entity that belongs to another now is where that is, with all that hangs below it.
    async fn moved(&self, kind: Kind, id: i64, (to, other): (Kind, i64)) -> Answer<()> {
        let above = self.there(to, &Id::Number(other)).await?;
        let area = self.area_of_known(&above).await?;
        self.records().set_area((kind.one(), id), &BELOW, &area).await?;
        match kind {
            Kind::Datastream | Kind::MultiDatastream => self.bind(id).await,
            _ => Ok(()),
        }
    }

    /// An entity that the caller may change: a centre above's may be seen, not changed.
    pub(super) async fn own(&self, kind: Kind, id: i64) -> Answer<EntityRow> {
        let question = Question { id: Some(id), above: false, ..self.question(kind) };
        let rows = self.records().list(&question).await?;
        let above = || Problem::new(&error::FORBIDDEN, "it belongs to an area above yours");
        rows.into_iter().next().ok_or_else(above)
    }

    async fn change_reading(
        &self,
        entity: &Entity,
        (stream, at): (StreamId, Timestamp),
        change: Draft,
    ) -> Answer<()> {
        self.stays(entity, &change).await?;
        let mut fields: Map<String, Json> = entity.fields.clone();
        fields.extend(change.fields.clone());
        let moment = fields.get("phenomenonTime").and_then(Json::as_str).and_then(time_of);
        if time_in(Kind::Observation, &fields) != Some(at.0) {
            return Err(Problem::new(
                &error::STA_BODY,
                "the time of a reading is what it is known by",
            ));
        }
        let result = fields.remove("result").and_then(|result| result.as_f64());
        let result =
            result.ok_or_else(|| Problem::new(&error::STA_BODY, "the result is a number"))?;
        if entity.fields.get("result").and_then(Json::as_f64).map(f64::to_bits)
            != Some(result.to_bits())
        {
            self.correct(stream, at, Some(result)).await?;
        }
        if !matches!(moment, Some(Value::Span(..))) {
            fields.remove("phenomenonTime");
        }
        if fields.get("resultTime").is_some_and(|said| said == at.to_rfc3339().as_str()) {
            fields.remove("resultTime");
        }
        fields.retain(|_, value| !value.is_null());
        let feature = change.links.iter().find(|(way, _)| way.to == Kind::FeatureOfInterest);
        if fields.is_empty() && feature.is_none() {
            return Ok(());
        }
        let observation = number(entity)?;
        let records = self.records();
        let feature = match feature {
            Some((_, Link::Known(id))) => {
                let found = self.find(Kind::FeatureOfInterest, id).await?;
                let missing = || Problem::not_found(format!("FeatureOfInterest({id})"));
                Some(number(&found.ok_or_else(missing)?)?)
            }
            Some(_) => return Err(Problem::new(&error::STA_BODY, "FeatureOfInterest: an id")),
            None => records.notes(&[observation]).await?.first().and_then(|note| note.feature),
        };
        let body = Json::Object(fields).to_string();
        Ok(records.note(&[NoteRow { observation, feature, body }]).await?)
    }

    /// Goes on when a reading stays with its stream.
    async fn stays(&self, reading: &Entity, change: &Draft) -> Answer<()> {
        for (way, link) in change.links.iter().filter(|(way, _)| way.to != Kind::FeatureOfInterest)
        {
            let Link::Known(id) = link else { continue };
            let own = self.neighbours(std::slice::from_ref(reading), way).await?;
            if own.iter().flatten().all(|own| own.id != *id) {
                let detail = "a reading stays with its stream";
                return Err(Problem::new(&error::STA_LINK, detail));
            }
        }
        Ok(())
    }

    /// The value of a reading as it should have been; without one there should have been none.
    async fn correct(&self, stream: StreamId, at: Timestamp, new: Option<f64>) -> Answer<()> {
        let (device, kind) = {
            let registry = self.city.registry.read();
            let entry = registry.stream(stream);
            let device = registry.device(entry.device).name().to_owned();
            (device, registry.kind(entry.kind).name.to_string())
        };
        let reason = "SensorThings".to_owned();
        let row = CorrectionRow { line: 1, device, kind, at, old: None, new, reason };
        match self.set {
            Some(set) => set.correct(correction(self.city, self.caller, row).await?),
            None => correct_one(self.city, self.caller, row).await,
        }
    }

    /// Removes an entity and what cannot be without it.
    pub(super) async fn remove(&self, entity: &Entity) -> Answer<()> {
        self.caller.need(Permission::DeviceManage)?;
        let key = registry::key(&self.city.registry.read(), entity.kind, &entity.id);
        match key {
            Some(Key::Stored(id)) => {
                self.own(entity.kind, id).await?;
                if entity.kind == Kind::Observation {
                    self.correct_parts(entity, None).await?;
                }
                let records = self.records();
                records.remove((entity.kind.one(), id), &REMOVED_WITH).await?;
                Ok(())
            }
            Some(Key::Reading(stream, at)) => self.correct(stream, at, None).await,
            _ => Err(other_door(entity)),
        }
    }
}

pub(super) fn other_door(entity: &Entity) -> Problem {
    let Entity { kind, id, .. } = entity;
    let id: &Id = id;
    Problem::new(&error::STA_OTHER_DOOR, format!("{}({id})", kind.one()))
}

/// Goes on when what observations are measured in stays as it is.
fn keeps_measuring(entity: &Entity, after: &mut Map<String, Json>, change: &Draft) -> Answer<()> {
    if let Some(measured) = entity.fields.get(KIND) {
        let fixed = ["unitOfMeasurement", "observationType"];
        let other_property = change.links.iter().any(|(way, _)| way.to == Kind::ObservedProperty);
        if other_property || fixed.iter().any(|name| after.get(*name) != entity.fields.get(*name)) {
            let detail = format!("its readings are of the kind {measured}");
            return Err(Problem::new(&error::STA_OTHER_DOOR, detail));
        }
    }
    if entity.kind == Kind::MultiDatastream {
        after.entry("observationType").or_insert_with(|| COMPLEX.into());
        let parts = ["unitOfMeasurements", "multiObservationDataTypes"];
        let fixed = entity.fields.contains_key(KINDS);
        let len = |fields: &Map<String, Json>, name: &str| {
            fields.get(name).and_then(Json::as_array).map(Vec::len)
        };
        if let Some(name) = parts.into_iter().find(|name| {
            len(after, name) != len(&entity.fields, name)
                || (fixed && after.get(*name) != entity.fields.get(*name))
        }) {
            let detail = format!("{name}: its observations have those parts");
            return Err(Problem::new(&error::STA_OTHER_DOOR, detail));
        }
    }
    Ok(())
}
