//! What is told when: readings as the engine took them, entities as they were made or changed.
//!
//! Invariants: whoever is told something may see it now, wherever its device has moved; nobody is told what
//! he does not follow. It asks the records for no more than notes while readings come in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chengmai_model::stream::Registration;
use chengmai_model::{AreaId, Reading};
use chengmai_wire::sensorthings::{Entity, Id, Kind, Options};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::follow::{Followers, Following, What};
use super::read::View;
use super::registry::{self, Key};
use crate::city::news::New;
use crate::http::problem::Answer;

/// How often it is asked whether followers still may.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Readings that are told together.
const TOGETHER: usize = 500;

/// Tells all followers what is new until told to stop.
pub(crate) async fn tell(followers: Arc<Followers>, mut stop: watch::Receiver<bool>) {
    let Some(mut news) = followers.city.hub.news.listen() else { return };
    let mut again = tokio::time::interval(LOOK_AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let new = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = again.tick() => None,
            new = news.recv() => match new {
                None => return,
                new => new,
            },
        };
        let Some(new) = new else {
            followers.look_again().await;
            continue;
        };
        let told = followers.tell(new).await;
        if let Err(problem) = &told {
            tracing::warn!(code = problem.code.number, detail = %problem.detail, "news could not be told");
        }
        if told.is_err() || followers.city.hub.news.missed_any() {
            followers.send_all_away();
        }
    }
}

impl Followers {
    async fn tell(&self, new: New) -> Answer<()> {
        match new {
            New::Readings(readings) => {
                for some in readings.chunks(TOGETHER) {
                    self.tell_readings(some).await?;
                }
            }
            New::Registered(list) => {
                for registration in &list {
                    self.tell_registration(registration).await?;
                }
            }
            New::Entity(kind, id) => self.tell_entity(kind, &Id::Number(id)).await?,
        }
        Ok(())
    }

    async fn tell_readings(&self, readings: &[Reading]) -> Answer<()> {
        let wide = self.others(Kind::Observation, None);
        let mut told: Vec<(Reading, Vec<Arc<Following>>)> = Vec::new();
        for reading in readings {
            let is_part = {
                let registry = self.city.registry.read();
                registry::has_parts(registry.device(registry.stream(reading.stream).device))
            };
            if is_part {
                // Its Observation is told as a whole.
                continue;
            }
            let mut who = self.of_stream(reading.stream);
            who.extend(wide.iter().cloned());
            if !who.is_empty() {
                told.push((*reading, who));
            }
        }
        let Some(caller) = told.first().and_then(|(_, who)| who.first()).map(|f| &f.caller) else {
            return Ok(());
        };
        let of = |(r, _): &(Reading, _)| registry::reading(r.stream, r.at, r.value);
        let mut entities: Vec<Entity> = told.iter().map(of).collect();
        View::new(&self.city, caller).annotate(&mut entities).await?;
        for ((reading, who), entity) in told.iter().zip(entities) {
            let area = self.city.registry.read().stream_area(reading.stream);
            let mut whole = None;
            for following in who.iter().filter(|following| following.caller.sees(area)) {
                if self.is_meant(following, &entity).await? {
                    self.say(following, &entity, &mut whole);
                }
            }
        }
        Ok(())
    }

    async fn tell_registration(&self, registration: &Registration) -> Answer<()> {
        let registry_id = |key| registry::id(&self.city.registry.read(), key);
        let (kinds, id): (&[Kind], Id) = match registration {
            Registration::Device { id, .. } => (
                &[Kind::Thing, Kind::Location, Kind::HistoricalLocation, Kind::FeatureOfInterest],
                registry_id(Key::Device(*id)),
            ),
            Registration::Update { id, .. } => {
                (&[Kind::Thing, Kind::Location], registry_id(Key::Device(*id)))
            }
            Registration::Stream { id, .. } => (&[Kind::Datastream], registry_id(Key::Stream(*id))),
            Registration::Setpoints { .. } => return Ok(()),
        };
        for kind in kinds {
            self.tell_entity(*kind, &id).await?;
        }
        Ok(())
    }

    /// An entity is looked up once for each area that somebody is told of it in.
    async fn tell_entity(&self, kind: Kind, id: &Id) -> Answer<()> {
        let mut seen: BTreeMap<AreaId, (Option<Entity>, Option<Bytes>)> = BTreeMap::new();
        for following in self.others(kind, Some(id)) {
            let area = following.caller.area;
            if let std::collections::btree_map::Entry::Vacant(place) = seen.entry(area) {
                let found = View::new(&self.city, &following.caller).find(kind, id).await?;
                place.insert((found, None));
            }
            let Some((Some(entity), whole)) = seen.get_mut(&area) else { continue };
            if self.is_meant(&following, entity).await? {
                self.say(&following, entity, whole);
            }
        }
        Ok(())
    }

    /// Whether an entity of a fitting kind is the one, or among those, that a topic means.
    async fn is_meant(&self, following: &Following, entity: &Entity) -> Answer<bool> {
        let view = View::new(&self.city, &following.caller);
        match &following.what {
            What::All(_) => Ok(true),
            What::One(_, id) | What::Part(_, id, _) => Ok(*id == entity.id),
            What::Of(parent, _) if parent.kind == Kind::Datastream && following.has_stream() => {
                Ok(true)
            }
            What::Of(parent, _) => {
                let Some(back) = entity.kind.way_to(parent.kind) else { return Ok(false) };
                let found = view.neighbours(std::slice::from_ref(entity), back).await?;
                Ok(found.iter().flatten().any(|other| other.id == parent.id))
            }
        }
    }

    /// `whole` keeps what is said to those who did not choose fields.
    fn say(&self, following: &Following, entity: &Entity, whole: &mut Option<Bytes>) {
        let plain =
            following.options == Options::default() && !matches!(following.what, What::Part(..));
        if !plain {
            if let Some(said) = following.payload(entity, &self.base) {
                following.tell(said);
            }
            return;
        }
        if whole.is_none() {
            *whole = following.payload(entity, &self.base);
        }
        if let Some(said) = whole {
            following.tell(said.clone());
        }
    }
}
