//! What a feed of GTFS-Realtime says, to readings: a vehicle is a device that moves, and what is told of it are
//! its readings.
//!
//! Not here: how a message comes in, and what is remembered between two of them (`city::transit`). Invariants: the
//! device goes to the place first and is read there afterwards, in one commit; what is refused leaves no
//! device behind; a vehicle is taken once for each moment and never goes back in time.

use std::collections::BTreeMap;

use chengmai_model::error;
use chengmai_model::{AreaId, DeviceId, Reading, Timestamp};
use chengmai_wire::Fault;
use chengmai_wire::devices::DeviceRow;
use chengmai_wire::gtfs_realtime::{Delay, Message, Vehicle};

use super::{
    Outcome, Resolved, Speaker, check_scope, check_value, fault, finish, range_of, resolve,
};
use crate::city::City;
use crate::city::registry::{Claim, Refused, Registry};
use crate::city::sequencer::Refusal;

/// Kilometres an hour of a metre a second.
const KMH: f64 = 3.6;
/// The kinds of what a vehicle tells of itself.
const LONGITUDE: &str = "vehicle_longitude";
const LATITUDE: &str = "vehicle_latitude";
const DELAY: &str = "vehicle_delay";

/// What is known of vehicles from messages before.
pub(crate) trait Memory {
    /// When it was where it was last.
    fn seen_at(&self, device: DeviceId) -> Option<Timestamp>;
    /// To which time it was told how late it is.
    fn late_at(&self, device: DeviceId) -> Option<Timestamp>;
    /// The vehicle that was last on a trip.
    fn on_trip(&self, trip: &str) -> Option<&str>;
    /// What people call a vehicle.
    fn title(&self, vehicle: &Vehicle) -> Option<String>;
    /// How many more vehicles may be registered.
    fn room(&self) -> usize;
}

/// What became of a message.
#[derive(Debug, Default, Clone)]
pub(crate) struct Told {
    pub(crate) outcome: Counted,
    /// Vehicles that were taken: the vehicle's index in the message, and when.
    pub(crate) seen: BTreeMap<DeviceId, (usize, Timestamp)>,
    /// Vehicles of which it was taken how late they are.
    pub(crate) late: Vec<(DeviceId, Timestamp)>,
    /// Vehicles that came for the first time.
    pub(crate) new: usize,
    /// Said before of the same moment.
    pub(crate) repeated: u64,
    /// Of a moment before what is known.
    pub(crate) older: u64,
    /// Delays of trips whose vehicle is not known.
    pub(crate) without_vehicle: u64,
}

/// Readings on disk, what was refused, and the first refusals.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counted {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) faults: Vec<Fault>,
}

/// The device of a feed's vehicle.
pub(crate) fn device_name(feed: &str, vehicle: &str) -> String {
    format!("transit:{feed}:{vehicle}")
}

/// The device of a feed's stop.
pub(crate) fn stop_name(feed: &str, stop: &str) -> String {
    format!("stop:{feed}:{stop}")
}

/// Vehicles and delays of a message to readings on disk.
pub(crate) async fn take_message(
    city: &City,
    area: AreaId,
    feed: &str,
    message: &mut Message,
    memory: &impl Memory,
    now: Timestamp,
) -> Result<Told, Refusal> {
    let faults = std::mem::take(&mut message.faults);
    let mut work = Work {
        resolved: Resolved { readings: Vec::new(), faults },
        told: Told::default(),
        speaker: Speaker { area, device: None },
        feed,
        memory,
        now,
        made_at: message.at,
    };
    {
        let mut registry = city.registry.write();
        for (index, vehicle) in message.vehicles.iter().enumerate() {
            work.vehicle(&mut registry, index, vehicle);
        }
        let on_trip = |vehicle: &'_ Vehicle| Some((vehicle.trip.id.clone()?, vehicle.id.clone()));
        let trips: BTreeMap<String, String> = message.vehicles.iter().filter_map(on_trip).collect();
        for delay in &message.delays {
            work.delay(&mut registry, &trips, delay);
        }
    }
    let Work { mut resolved, mut told, .. } = work;
    resolved.faults.sort_by_key(|fault| fault.line);
    let Outcome { accepted, refused, faults } = finish(city, resolved).await?;
    told.outcome = Counted { accepted, refused, faults };
    Ok(told)
}

struct Work<'a, M> {
    resolved: Resolved,
    told: Told,
    speaker: Speaker,
    feed: &'a str,
    memory: &'a M,
    now: Timestamp,
    made_at: Option<Timestamp>,
}

impl<M: Memory> Work<'_, M> {
    fn vehicle(&mut self, registry: &mut Registry, index: usize, vehicle: &Vehicle) {
        let at = vehicle.at.or(self.made_at).unwrap_or(self.now);
        let name = device_name(self.feed, &vehicle.id);
        let known = registry.find(&name);
        if let Some(Err(refused)) = known.map(|device| self.check_area(registry, device)) {
            self.resolved.faults.push(fault(&refused, vehicle.number, 0));
            return;
        }
        let before = known.and_then(|device| {
            self.memory.seen_at(device).max(self.told.seen.get(&device).map(|(_, at)| *at))
        });
        if !self.is_newer(at, before) {
            return;
        }
        match self.place(registry, vehicle, name, known, at) {
            Ok(device) => {
                self.told.seen.insert(device, (index, at));
            }
            Err(refused) => self.resolved.faults.push(fault(&refused, vehicle.number, 0)),
        }
    }

    /// What is known of a vehicle elsewhere is nothing to the sender.
    fn check_area(&self, registry: &Registry, device: DeviceId) -> Result<(), Refused> {
        let found = registry.device(device);
        if registry.areas().contains(self.speaker.area, found.area()) {
            return Ok(());
        }
        Err(Refused::new(&error::FORBIDDEN, found.name()))
    }

    /// Counts what is not newer than what is known.
    fn is_newer(&mut self, at: Timestamp, before: Option<Timestamp>) -> bool {
        match before.map(|before| at.cmp(&before)) {
            Some(std::cmp::Ordering::Equal) => self.told.repeated += 1,
            Some(std::cmp::Ordering::Less) => self.told.older += 1,
            Some(std::cmp::Ordering::Greater) | None => return true,
        }
        false
    }

    /// Brings the device to its place and reads what it tells.
    fn place(
        &mut self,
        registry: &mut Registry,
        vehicle: &Vehicle,
        name: String,
        known: Option<DeviceId>,
        at: Timestamp,
    ) -> Result<DeviceId, Refused> {
        let [longitude, latitude] = vehicle.position;
        check_value([-180.0, 180.0], self.now, at, longitude)?;
        if known.is_none() && self.told.new >= self.memory.room() {
            return Err(Refused::new(&error::TRANSIT_VEHICLES, &*vehicle.id));
        }
        let values = values(vehicle, [longitude, latitude]);
        let before = known.map(|device| registry.device(device).spec());
        let row = DeviceRow {
            line: vehicle.number,
            id: name.clone(),
            kinds: values.iter().map(|(kind, _)| (*kind).to_owned()).collect(),
            title: self.memory.title(vehicle),
            area: None,
            position: Some(vehicle.position),
            agency: before.as_ref().and_then(|spec| spec.agency.clone()),
            period_ms: before.as_ref().map_or(0, |spec| spec.period_ms),
            simulated: before.is_some_and(|spec| spec.simulated),
        };
        let is_new = registry.import(&row, self.speaker.area, self.now)?;
        self.told.new += usize::from(is_new);
        let device =
            registry.find(&name).ok_or_else(|| Refused::new(&error::UNKNOWN_DEVICE, name))?;
        for (kind, value) in values {
            self.read(registry, device, kind, value, at, vehicle.number);
        }
        Ok(device)
    }

    fn read(
        &mut self,
        registry: &mut Registry,
        device: DeviceId,
        kind: &str,
        value: f64,
        at: Timestamp,
        number: u32,
    ) {
        let stream = registry.kind_index(kind).and_then(|kind| registry.stream_of(device, kind));
        let Some(stream) = stream else { return };
        let outcome = check_value(range_of(registry, kind), self.now, at, value)
            .and_then(|()| check_scope(registry, self.speaker, stream));
        match outcome {
            Ok(()) => self.resolved.readings.push(Reading { stream, at, value }),
            Err(refused) => self.resolved.faults.push(fault(&refused, number, 0)),
        }
    }

    fn delay(&mut self, registry: &mut Registry, trips: &BTreeMap<String, String>, delay: &Delay) {
        let on_trip = |trip: &String| {
            trips.get(trip).map(String::as_str).or_else(|| self.memory.on_trip(trip))
        };
        let id = delay.vehicle.as_deref().or_else(|| delay.trip.id.as_ref().and_then(on_trip));
        // Of a vehicle that nobody has seen it is not known where it is late.
        let device = id.and_then(|id| registry.find(&device_name(self.feed, id)));
        let Some(device) = device else {
            self.told.without_vehicle += 1;
            return;
        };
        let at = delay.at.or(self.made_at).unwrap_or(self.now);
        let mut outcome = self.check_area(registry, device);
        if outcome.is_ok() {
            if !self.is_newer(at, self.memory.late_at(device)) {
                return;
            }
            outcome = self.lateness(registry, device, delay, at);
        }
        if let Err(refused) = outcome {
            self.resolved.faults.push(fault(&refused, delay.number, 0));
        }
    }

    fn lateness(
        &mut self,
        registry: &mut Registry,
        device: DeviceId,
        delay: &Delay,
        at: Timestamp,
    ) -> Result<(), Refused> {
        let value = f64::from(delay.seconds);
        check_value(range_of(registry, DELAY), self.now, at, value)?;
        let name = registry.device(device).name().to_owned();
        let claim = Claim { device: &name, kind: DELAY, ..Claim::default() };
        let stream = resolve(registry, &claim, self.speaker, self.now)?;
        self.resolved.readings.push(Reading { stream, at, value });
        self.told.late.push((device, at));
        Ok(())
    }
}

/// What a vehicle tells, by kind.
fn values(vehicle: &Vehicle, [longitude, latitude]: [f64; 2]) -> Vec<(&'static str, f64)> {
    let whole = |number: Option<u32>| number.map(f64::from);
    let told = [
        (LONGITUDE, Some(longitude)),
        (LATITUDE, Some(latitude)),
        ("vehicle_speed", vehicle.speed.map(|speed| speed * KMH)),
        ("vehicle_bearing", vehicle.bearing),
        ("vehicle_odometer", vehicle.odometer),
        ("vehicle_occupied", whole(vehicle.occupied)),
        ("vehicle_crowding", whole(vehicle.occupancy)),
        ("vehicle_congestion", whole(vehicle.congestion)),
        ("vehicle_stop_status", whole(vehicle.stop_status)),
    ];
    told.into_iter().filter_map(|(kind, value)| Some((kind, value?))).collect()
}
