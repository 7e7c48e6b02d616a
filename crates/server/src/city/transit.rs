//! Feeds of GTFS-Realtime: which there are, what is known of their vehicles, and fetching those that are
//! fetched. What a message says becomes readings in `ingest::transit`; what an operator warns of becomes
//! levels like alerts of others in `transit/alerts.rs`.
//!
//! What it is not: a timetable or a forecast. Invariants: a feed is one that a pack names, or the city takes
//! what it does not know; it reaches the area it speaks for and no other; what is remembered here is lost with
//! a restart and then known again from the readings.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chengmai_model::pack::TransitFeed;
use chengmai_model::{AreaId, DeviceId, Timestamp, error};
use chengmai_store::records::transit::Sort;
use chengmai_wire::gtfs_realtime::{self, MESSAGE_BYTES_MAX, Message, Trip, Vehicle};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::City;
use super::notify::send::{Fetched, Known};
use crate::api::readings::stopped;
use crate::clock;
use crate::http::problem::{Answer, Problem};
use crate::ingest::transit::{Memory, Told, device_name, take_message};

mod alerts;

/// Vehicles of a feed that are registered between two starts.
const VEHICLES_MAX: usize = 20_000;
/// Feeds that are remembered.
const FEEDS_MAX: usize = 200;
/// Longest name of a feed.
const NAME_LEN_MAX: usize = 24;
/// Longest time between two tries to fetch.
const WAIT_MAX: Duration = Duration::from_mins(10);

/// All feeds.
#[derive(Debug, Default)]
pub(crate) struct Transit {
    feeds: Mutex<BTreeMap<String, Heard>>,
}

/// What was heard of a feed since the start.
#[derive(Debug, Default)]
struct Heard {
    vehicles: BTreeMap<DeviceId, Last>,
    /// The vehicle that was last on a trip.
    on_trip: BTreeMap<String, String>,
    new: usize,
    alerts: alerts::Standing,
    state: State,
}

/// What is known of a vehicle.
#[derive(Debug, Default, Clone)]
struct Last {
    seen_at: Option<Timestamp>,
    late_at: Option<Timestamp>,
    trip: Trip,
}

/// How a feed goes, for people.
#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    /// When it was fetched or sent last, whatever came of it.
    pub(crate) tried_at: Option<Timestamp>,
    /// When a message was taken last, or was as before.
    pub(crate) taken_at: Option<Timestamp>,
    /// When the last message was made, as it says itself.
    pub(crate) made_at: Option<Timestamp>,
    /// Why the last try came to nothing.
    pub(crate) fault: Option<String>,
    /// Since the start.
    pub(crate) readings: u64,
    pub(crate) repeated: u64,
    pub(crate) older: u64,
    pub(crate) refused: u64,
    pub(crate) vehicles: usize,
    pub(crate) alerts: usize,
}

/// A feed and the area it speaks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) id: &'a str,
    pub(crate) area: AreaId,
    /// Its name for people, where a pack has one.
    pub(crate) name: Option<&'a str>,
}

impl City {
    /// The feeds that packs name.
    pub(crate) fn transit_feeds(&self) -> impl Iterator<Item = &TransitFeed> {
        self.packs.iter().flat_map(|pack| &pack.feeds)
    }

    /// The area that a feed speaks for; none for an area that there is not.
    pub(crate) fn feed_area(&self, feed: &TransitFeed) -> Option<AreaId> {
        feed.area.as_deref().map_or(Some(AreaId::ROOT), |code| self.areas.find(code))
    }

    /// The feed of that name.
    ///
    /// # Errors
    /// `TRANSIT_FEED` when there is none.
    pub(crate) fn transit_source<'a>(&'a self, id: &'a str) -> Answer<Source<'a>> {
        let unknown = || {
            Problem::new(&error::TRANSIT_FEED, id.chars().take(NAME_LEN_MAX).collect::<String>())
        };
        if let Some(feed) = self.transit_feeds().find(|feed| feed.id == id) {
            let area = self.feed_area(feed).ok_or_else(unknown)?;
            return Ok(Source { id: &feed.id, area, name: Some(&feed.name.zh) });
        }
        let is_name = (1..=NAME_LEN_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let heard = self.transit.feeds.lock();
        if !self.config.register_unknown
            || !is_name
            || !(heard.len() < FEEDS_MAX || heard.contains_key(id))
        {
            return Err(unknown());
        }
        Ok(Source { id, area: AreaId::ROOT, name: None })
    }

    /// How a feed goes.
    pub(crate) fn transit_state(&self, id: &str) -> State {
        self.transit.feeds.lock().get(id).map(Heard::state).unwrap_or_default()
    }

    /// Takes a message of a feed from a sender that speaks for an area.
    ///
    /// # Errors
    /// `TRANSIT_MESSAGE`, `TRANSIT_TOO_LARGE`, `STOPPED`; as much was noted with the feed.
    pub(crate) async fn take_transit(
        &self,
        by: &str,
        source: Source<'_>,
        area: AreaId,
        bytes: &[u8],
    ) -> Answer<(Told, usize, u64)> {
        let taken = Box::pin(self.try_transit(by, source, area, bytes)).await;
        let fault = taken
            .as_ref()
            .err()
            .map(|problem| format!("{} {}", problem.code.label(), problem.detail));
        self.note(source.id, |state, now| {
            state.tried_at = Some(now);
            state.fault = fault;
        });
        taken
    }

    async fn try_transit(
        &self,
        by: &str,
        source: Source<'_>,
        area: AreaId,
        bytes: &[u8],
    ) -> Answer<(Told, usize, u64)> {
        let mut message = gtfs_realtime::message(bytes).map_err(|fault| {
            self.counters.refuse(fault.code, 1);
            let place =
                if fault.byte > 0 { format!("byte {}: ", fault.byte) } else { String::new() };
            Problem::new(fault.code, format!("{place}{}", fault.reason.en))
        })?;
        let now = clock::now();
        let recall = self.recall(source.id, &message).await?;
        let told = take_message(self, area, source.id, &mut message, &recall, now).await;
        let told = told.map_err(|refusal| stopped(self, refusal))?;
        self.remember(source.id, &message, &told, now);
        let alerts = self.take_alerts(by, source, area, &message, now).await?;
        let passed = u64::from(message.other) + message.deleted.len() as u64;
        Ok((told, alerts, passed))
    }

    /// What is known of the vehicles of a message, and how those that changed their trip are called now.
    async fn recall(&self, feed: &str, message: &Message) -> Answer<Recall> {
        let mut recall = self.known(feed, message);
        let unnamed = |vehicle: &&Vehicle| !recall.titles.contains_key(&vehicle.id);
        let ids = |sort: Sort| {
            let id = move |vehicle: &Vehicle| match sort {
                Sort::Trip => vehicle.trip.id.clone(),
                Sort::Route => vehicle.trip.route.clone(),
            };
            let mut ids: Vec<String> =
                message.vehicles.iter().filter(unnamed).filter_map(id).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let mut names = Vec::new();
        for sort in [Sort::Trip, Sort::Route] {
            let ids = ids(sort);
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            names.push(self.records.transit().names(feed, sort, &ids).await?);
        }
        let missing: Vec<&Vehicle> = message.vehicles.iter().filter(unnamed).collect();
        let titles: Vec<(String, Option<String>)> = missing
            .into_iter()
            .map(|vehicle| {
                let of_trip = vehicle.trip.id.as_ref().and_then(|id| names[0].get(id));
                let of_route = vehicle.trip.route.as_ref().and_then(|id| names[1].get(id));
                let on = of_trip.or(of_route).or(vehicle.trip.route.as_ref());
                (vehicle.id.clone(), title(on.map(String::as_str), vehicle))
            })
            .collect();
        recall.titles.extend(titles);
        Ok(recall)
    }

    /// The same without the records: titles of vehicles that are on the trip they were on.
    fn known(&self, feed: &str, message: &Message) -> Recall {
        let registry = self.registry.read();
        let engine = self.engine.read();
        let mut feeds = self.transit.feeds.lock();
        let heard = feeds.entry(feed.to_owned()).or_default();
        let mut recall =
            Recall { room: VEHICLES_MAX.saturating_sub(heard.new), ..Recall::default() };
        for vehicle in &message.vehicles {
            let Some(device) = registry.find(&device_name(feed, &vehicle.id)) else { continue };
            let known = heard.vehicles.entry(device).or_insert_with(|| {
                // After a start: as its newest reading says.
                let newest = |kind: &str| {
                    let stream = registry.stream_of(device, registry.kind_index(kind)?)?;
                    engine.stream(stream).last.map(|(at, _)| at)
                };
                let (seen_at, late_at) = (newest("vehicle_latitude"), newest("vehicle_delay"));
                Last { seen_at, late_at, trip: Trip::default() }
            });
            if known.trip == vehicle.trip {
                let title = registry.device(device).title().map(str::to_owned);
                recall.titles.insert(vehicle.id.clone(), title);
            }
            recall.last.insert(device, known.clone());
        }
        for delay in &message.delays {
            if let Some(vehicle) = delay.trip.id.as_ref().and_then(|trip| heard.on_trip.get(trip)) {
                recall.on_trip.insert(delay.trip.id.clone().unwrap_or_default(), vehicle.clone());
            }
            let id = delay.vehicle.as_ref().or_else(|| heard.on_trip.get(delay.trip.id.as_ref()?));
            let device = id.and_then(|id| registry.find(&device_name(feed, id)));
            if let Some((device, known)) =
                device.and_then(|id| Some((id, heard.vehicles.get(&id)?)))
            {
                recall.last.insert(device, known.clone());
            }
        }
        recall
    }

    /// What was taken is known from now on.
    fn remember(&self, feed: &str, message: &Message, told: &Told, now: Timestamp) {
        let mut feeds = self.transit.feeds.lock();
        let heard = feeds.entry(feed.to_owned()).or_default();
        for (device, (index, at)) in &told.seen {
            let Some(vehicle) = message.vehicles.get(*index) else { continue };
            let known = heard.vehicles.entry(*device).or_default();
            known.seen_at = Some(*at).max(known.seen_at);
            if known.trip != vehicle.trip {
                if let Some(trip) = &known.trip.id {
                    heard.on_trip.remove(trip);
                }
                known.trip = vehicle.trip.clone();
            }
            if let Some(trip) = &vehicle.trip.id {
                heard.on_trip.insert(trip.clone(), vehicle.id.clone());
            }
        }
        for (device, at) in &told.late {
            let known = heard.vehicles.entry(*device).or_default();
            known.late_at = Some(*at).max(known.late_at);
        }
        heard.new += told.new;
        let state = &mut heard.state;
        state.taken_at = Some(now);
        state.made_at = message.at.or(state.made_at);
        state.readings += told.outcome.accepted;
        state.repeated += told.repeated;
        state.older += told.older;
        state.refused += told.outcome.refused;
    }

    /// Names changed: vehicles are called anew with their next message.
    pub(crate) fn rename_transit(&self, feed: &str) {
        if let Some(heard) = self.transit.feeds.lock().get_mut(feed) {
            heard.vehicles.values_mut().for_each(|last| last.trip = Trip::default());
        }
    }

    /// Notes how a feed goes; says so in the log when that changed.
    fn note(&self, feed: &str, change: impl FnOnce(&mut State, Timestamp)) {
        let mut feeds = self.transit.feeds.lock();
        let state = &mut feeds.entry(feed.to_owned()).or_default().state;
        let before = state.fault.clone();
        change(state, clock::now());
        if state.fault != before {
            let fault = state.fault.as_deref().unwrap_or("none");
            tracing::info!(feed, fault, "a transit feed goes otherwise than before");
        }
    }
}

impl Heard {
    fn state(&self) -> State {
        State { vehicles: self.vehicles.len(), alerts: self.alerts.count(), ..self.state.clone() }
    }
}

/// What is known for one message.
#[derive(Debug, Default)]
struct Recall {
    last: BTreeMap<DeviceId, Last>,
    titles: BTreeMap<String, Option<String>>,
    on_trip: BTreeMap<String, String>,
    room: usize,
}

impl Memory for Recall {
    fn seen_at(&self, device: DeviceId) -> Option<Timestamp> {
        self.last.get(&device)?.seen_at
    }

    fn late_at(&self, device: DeviceId) -> Option<Timestamp> {
        self.last.get(&device)?.late_at
    }

    fn on_trip(&self, trip: &str) -> Option<&str> {
        self.on_trip.get(trip).map(String::as_str)
    }

    fn title(&self, vehicle: &Vehicle) -> Option<String> {
        self.titles.get(&vehicle.id).cloned().flatten()
    }

    fn room(&self) -> usize {
        self.room
    }
}

/// `14 → Petherick Road · 4716`.
fn title(on: Option<&str>, vehicle: &Vehicle) -> Option<String> {
    let label = vehicle.label.as_deref();
    match on {
        Some(on) => Some(format!("{on} · {}", label.unwrap_or(&vehicle.id))),
        None => label.map(str::to_owned),
    }
}

/// Begins to listen to the feeds that are fetched.
pub(super) fn listen(city: &Arc<City>) {
    for feed in city.transit_feeds().filter(|feed| feed.url.is_some()) {
        if city.feed_area(feed).is_none() {
            city.note(&feed.id, |state, _| {
                state.fault = Some(format!("E-110 {}", feed.area.as_deref().unwrap_or_default()));
            });
            continue;
        }
        tokio::spawn(watch(Arc::downgrade(city), feed.clone()));
    }
}

/// Fetches a feed again and again, as long as the city is there; more rarely while it fails.
async fn watch(city: Weak<City>, feed: TransitFeed) {
    let every = Duration::from_millis(feed.every_ms().unsigned_abs());
    let (mut known, mut wait) = (Known::default(), every);
    loop {
        let Some(now) = city.upgrade() else { return };
        let done = fetch(&now, &feed, &mut known).await;
        wait = if done { every } else { (wait * 2).min(WAIT_MAX).max(every) };
        drop(now);
        tokio::time::sleep(wait).await;
    }
}

/// Fetches a feed once; false when nothing came of it.
async fn fetch(city: &Arc<City>, feed: &TransitFeed, known: &mut Known) -> bool {
    let fetched = by_thread(city, feed, known.clone()).await;
    let fault = match fetched {
        Ok(Fetched::AsItWas) => None,
        Ok(Fetched::New(body, new)) => {
            let Ok(source) = city.transit_source(&feed.id) else { return false };
            let by = format!("feed {}", feed.id);
            let taken = Box::pin(city.take_transit(&by, source, source.area, &body)).await;
            if taken.is_ok() {
                *known = new;
            }
            return taken.is_ok();
        }
        Err(fault) => Some(fault),
    };
    let is_fine = fault.is_none();
    city.note(&feed.id, |state, now| {
        state.tried_at = Some(now);
        state.taken_at = if is_fine { Some(now) } else { state.taken_at };
        state.fault = fault;
    });
    is_fine
}

/// Asks on a thread of its own: the end of the program does not wait for a slow server.
async fn by_thread(city: &Arc<City>, feed: &TransitFeed, known: Known) -> Result<Fetched, String> {
    let (answer, told) = oneshot::channel();
    let (city, url) = (Arc::clone(city), feed.url.clone().unwrap_or_default());
    let ask = move || {
        // Who asked may have gone.
        let _ = answer.send(city.outlet.sender.fetch(&url, &known, MESSAGE_BYTES_MAX));
    };
    let thread = std::thread::Builder::new().name("feed".to_owned()).spawn(ask);
    thread.map_err(|error| error.to_string())?;
    told.await.unwrap_or_else(|_| Err("the program could not try".to_owned()))
}
