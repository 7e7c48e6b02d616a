//! Names and numbers, as the server's registry keeps them: numbers are given out at once, and every
//! new one waits for the sequencer to put it into the journal.

use std::collections::BTreeMap;

use chengmai_model::stream::{DeviceSpec, Registration};
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, StreamId, Timestamp};

/// A device by number.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) spec: DeviceSpec,
    pub(crate) streams: Vec<StreamId>,
}

/// All devices and streams, and what is not in the journal yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    devices: Vec<Device>,
    numbers: BTreeMap<String, DeviceId>,
    streams: Vec<(DeviceId, String)>,
    pending: Vec<Registration>,
    /// Registrations that this process ever queued.
    queued: u64,
}

impl Registry {
    /// The stream of a device, by names; registered if it is new.
    pub(crate) fn resolve(
        &mut self,
        device: &str,
        kind: &str,
        area: &AreaCode,
        now: Timestamp,
    ) -> StreamId {
        let id = if let Some(&id) = self.numbers.get(device) {
            id
        } else {
            let id = DeviceId(dense(self.devices.len()));
            let spec = DeviceSpec {
                name: device.to_owned(),
                title: None,
                area: area.clone(),
                position: None,
                agency: None,
                period_ms: 0,
                simulated: true,
            };
            self.queue(Registration::Device { id, spec, at: now });
            id
        };
        let known = &self.devices[id.0 as usize].streams;
        if let Some(stream) = known.iter().find(|s| self.streams[s.0 as usize].1 == kind) {
            return *stream;
        }
        let stream = StreamId(dense(self.streams.len()));
        self.queue(Registration::Stream { id: stream, device: id, kind: kind.to_owned() });
        stream
    }

    /// A device is somewhere else now, if it is known.
    pub(crate) fn relocate(&mut self, device: &str, area: &AreaCode) -> bool {
        let Some(&id) = self.numbers.get(device) else { return false };
        let mut spec = self.devices[id.0 as usize].spec.clone();
        spec.area = area.clone();
        self.queue(Registration::Update { id, spec });
        true
    }

    /// Takes over a registration of the journal or a snapshot; twice is the same as once. False
    /// when it speaks of a device that no frame before it explains.
    pub(crate) fn apply(&mut self, registration: &Registration) -> bool {
        match registration {
            Registration::Device { id, spec, .. } => {
                if (id.0 as usize) < self.devices.len() {
                    return true;
                }
                self.numbers.insert(spec.name.clone(), *id);
                self.devices.push(Device { spec: spec.clone(), streams: Vec::new() });
                self.devices.len() == id.0 as usize + 1
            }
            Registration::Update { id, spec } => match self.devices.get_mut(id.0 as usize) {
                Some(device) => {
                    device.spec = spec.clone();
                    true
                }
                None => false,
            },
            Registration::Stream { id, device, kind } => {
                if (id.0 as usize) < self.streams.len() {
                    return true;
                }
                let Some(owner) = self.devices.get_mut(device.0 as usize) else { return false };
                owner.streams.push(*id);
                self.streams.push((*device, kind.clone()));
                self.streams.len() == id.0 as usize + 1
            }
            Registration::Setpoints { stream, .. } => (stream.0 as usize) < self.streams.len(),
        }
    }

    /// What must be journaled before the next reading; empties the queue.
    pub(crate) fn take_pending(&mut self) -> Vec<Registration> {
        std::mem::take(&mut self.pending)
    }

    /// What was taken and could not be journaled; it comes first the next time.
    pub(crate) fn put_back(&mut self, mut list: Vec<Registration>) {
        list.append(&mut self.pending);
        self.pending = list;
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Registrations that this process ever queued, journaled or not.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    pub(crate) fn spec(&self, id: DeviceId) -> DeviceSpec {
        self.devices[id.0 as usize].spec.clone()
    }

    pub(crate) fn streams_of(&self, id: DeviceId) -> Vec<StreamId> {
        self.devices.get(id.0 as usize).map(|d| d.streams.clone()).unwrap_or_default()
    }

    /// Where the registry thinks that a device is now.
    pub(crate) fn place_of(&self, areas: &AreaTree, id: DeviceId) -> (AreaId, u32) {
        let spec = &self.devices[id.0 as usize].spec;
        (areas.find(spec.area.as_str()).unwrap_or(AreaId::ROOT), spec.period_ms)
    }

    /// Device and kind of a stream.
    pub(crate) fn names(&self, stream: StreamId) -> Option<(&str, &str)> {
        let (device, kind) = self.streams.get(stream.0 as usize)?;
        Some((self.devices[device.0 as usize].spec.name.as_str(), kind))
    }

    /// Everything as registrations, for a snapshot.
    pub(crate) fn to_registrations(&self) -> Vec<Registration> {
        let devices = (0..).map(DeviceId).zip(&self.devices).map(|(id, device)| {
            Registration::Device { id, spec: device.spec.clone(), at: Timestamp(0) }
        });
        let streams = (0..).map(StreamId).zip(&self.streams).map(|(id, (device, kind))| {
            Registration::Stream { id, device: *device, kind: kind.clone() }
        });
        devices.chain(streams).collect()
    }

    fn queue(&mut self, registration: Registration) {
        self.apply(&registration);
        self.pending.push(registration);
        self.queued += 1;
    }
}

fn dense(len: usize) -> u32 {
    u32::try_from(len).expect("a simulated city has few devices")
}
