//! The registry: names at the edge to dense numbers inside, and back.
//!
//! Every change made here is queued as a [`Registration`] under the same lock that hands out the
//! number; the sequencer journals the queue before any reading, so a number that stands in the
//! journal is always explained by an earlier frame. It holds no readings and no states.

use std::sync::Arc;

use chengmai_engine::Catalog;
use chengmai_model::error::{self, ErrorCode};
use chengmai_model::stream::{DeviceSpec, ID_LEN_MAX, Registration};
use chengmai_model::{AreaCode, AreaId, AreaTree, DeviceId, Runs, StreamId, Text, Timestamp};
use chengmai_wire::devices::DeviceRow;
use chengmai_wire::setpoints::SetpointRow;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use self::devices::Devices;
use self::moves::Moves;
use self::series::SeriesTable;

mod devices;
mod moves;
mod names;
mod saved;
mod series;
mod terms;

pub(crate) use devices::{Device, rounded};
pub(crate) use saved::{PREFIX as SAVED_PREFIX, Restoring, Saving};
pub(crate) use series::SeriesKey;

/// Range, unit and name of a kind, as the edge needs them.
#[derive(Debug, Clone)]
pub(crate) struct KindEntry {
    pub(crate) name: Box<str>,
    pub(crate) unit: Box<str>,
    pub(crate) unit_aliases: Vec<String>,
    pub(crate) range: [f64; 2],
    /// False for a kind that no pack declares (registered on first sight).
    pub(crate) declared: bool,
}

/// Whose stream it is, and of which kind (index into [`Registry::kinds`]).
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamEntry {
    pub(crate) device: DeviceId,
    pub(crate) kind: u16,
}

/// What a line of the line protocol, a topic or a row says of its device.
#[derive(Debug, Default)]
pub(crate) struct Claim<'a> {
    pub(crate) device: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) area: Option<&'a str>,
    pub(crate) position: Option<[f64; 2]>,
}

/// Why a reading or a device is refused.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) code: &'static ErrorCode,
    pub(crate) detail: String,
}

impl Refused {
    pub(crate) fn new(code: &'static ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The error's own words and what it was about.
    pub(crate) fn reason(&self) -> Text {
        let Self { code, detail } = self;
        Text::new(format!("{}：{detail}", code.zh), format!("{}: {detail}", code.en))
    }
}

/// All devices and streams, and how the world names them.
#[derive(Debug)]
pub(crate) struct Registry {
    areas: Arc<AreaTree>,
    register_unknown: bool,
    kinds: Vec<KindEntry>,
    kind_by_name: HashMap<Box<str>, u16, FixedState>,
    devices: Devices,
    /// Device and kind of each stream.
    stream_devices: Runs,
    stream_kinds: Vec<u16>,
    series: SeriesTable,
    pending: Vec<Registration>,
    /// Moves that history has not come to yet, by device, the oldest first.
    moves: Moves,
}

const HASH: FixedState = FixedState::with_seed(0x6368_656e_676d_6169);

impl Registry {
    /// A registry without devices. `seed` is a number that nobody outside can foresee.
    pub(crate) fn new(
        areas: Arc<AreaTree>,
        catalog: &Catalog,
        register_unknown: bool,
        seed: u64,
    ) -> Self {
        let mut registry = Self {
            areas,
            register_unknown,
            kinds: Vec::new(),
            kind_by_name: HashMap::with_hasher(HASH),
            devices: Devices::default(),
            stream_devices: Runs::default(),
            stream_kinds: Vec::new(),
            series: SeriesTable::new(seed),
            pending: Vec::new(),
            moves: Moves::default(),
        };
        for kind in catalog.kinds() {
            registry.add_kind(KindEntry {
                name: kind.kind.id.as_str().into(),
                unit: kind.kind.unit.as_str().into(),
                unit_aliases: kind.kind.unit_aliases.clone(),
                range: kind.kind.range,
                declared: true,
            });
        }
        registry
    }

    fn add_kind(&mut self, entry: KindEntry) -> u16 {
        let index = u16::try_from(self.kinds.len()).expect("fewer than 65,536 kinds");
        self.kind_by_name.insert(entry.name.clone(), index);
        self.kinds.push(entry);
        index
    }

    fn kind_or_add(&mut self, name: &str) -> u16 {
        if let Some(&kind) = self.kind_by_name.get(name) {
            return kind;
        }
        self.add_kind(KindEntry {
            name: name.into(),
            unit: "".into(),
            unit_aliases: Vec::new(),
            range: [f64::MIN, f64::MAX],
            declared: false,
        })
    }

    pub(crate) fn areas(&self) -> &Arc<AreaTree> {
        &self.areas
    }

    pub(crate) fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// How often a device came or its facts changed, since the start.
    pub(crate) fn changes(&self) -> u64 {
        self.devices.changes()
    }

    pub(crate) fn stream_count(&self) -> usize {
        self.stream_kinds.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<DeviceId> {
        self.devices.find(name)
    }

    pub(crate) fn device(&self, id: DeviceId) -> Device<'_> {
        self.devices.get(id)
    }

    /// Devices of an area and all below it.
    pub(crate) fn devices(&self, scope: AreaId) -> impl Iterator<Item = (DeviceId, Device<'_>)> {
        self.devices.inside(&self.areas, scope)
    }

    pub(crate) fn stream(&self, id: StreamId) -> StreamEntry {
        let index = id.0 as usize;
        let kind = self.stream_kinds[index];
        StreamEntry { device: DeviceId(self.stream_devices.get(index).unwrap_or_default()), kind }
    }

    /// The stream of that number, if there is one.
    #[inline]
    pub(crate) fn kind_of(&self, stream: u32) -> Option<u16> {
        self.stream_kinds.get(stream as usize).copied()
    }

    pub(crate) fn kind(&self, index: u16) -> &KindEntry {
        &self.kinds[usize::from(index)]
    }

    /// All kinds, by their index.
    pub(crate) fn kinds(&self) -> &[KindEntry] {
        &self.kinds
    }

    pub(crate) fn kind_index(&self, name: &str) -> Option<u16> {
        self.kind_by_name.get(name).copied()
    }

    pub(crate) fn stream_of(&self, device: DeviceId, kind: u16) -> Option<StreamId> {
        self.device(device).streams().find(|&s| self.stream(s).kind == kind)
    }

    /// The area of the device that owns a stream.
    pub(crate) fn stream_area(&self, stream: StreamId) -> AreaId {
        self.device(self.stream(stream).device).area()
    }

    /// Which stream the raw keys of lines mean.
    pub(crate) fn series(&self) -> &SeriesTable {
        &self.series
    }

    /// Remembers which stream a series key means.
    pub(crate) fn remember_series(&mut self, series: &[u8], field: &[u8], stream: StreamId) {
        let key = self.series.key(series, field);
        self.series.insert(key, stream);
    }

    /// The stream a claim means, registering device and stream where the city allows it.
    ///
    /// # Errors
    /// [`error::UNKNOWN_DEVICE`], [`error::UNKNOWN_KIND`], [`error::UNKNOWN_AREA`],
    /// [`error::ID_TOO_LONG`], [`error::FORBIDDEN`] outside `scope`.
    pub(crate) fn resolve(
        &mut self,
        claim: &Claim<'_>,
        scope: AreaId,
        now: Timestamp,
    ) -> Result<StreamId, Refused> {
        check_id(claim.device)?;
        check_id(claim.kind)?;
        let kind = match self.kind_index(claim.kind) {
            Some(kind) => kind,
            None if self.register_unknown => self.kind_or_add(claim.kind),
            None => return Err(Refused::new(&error::UNKNOWN_KIND, claim.kind)),
        };
        let device = match self.find(claim.device) {
            Some(device) => device,
            None if self.register_unknown => self.register_claimed(claim, scope, now)?,
            None => return Err(Refused::new(&error::UNKNOWN_DEVICE, claim.device)),
        };
        if !self.areas.contains(scope, self.device(device).area()) {
            return Err(Refused::new(&error::FORBIDDEN, claim.device));
        }
        Ok(self.stream_or_add(device, kind))
    }

    fn register_claimed(
        &mut self,
        claim: &Claim<'_>,
        scope: AreaId,
        now: Timestamp,
    ) -> Result<DeviceId, Refused> {
        let area = self.place(claim.area, claim.position, scope)?;
        let spec = DeviceSpec {
            name: claim.device.to_owned(),
            title: None,
            area: self.areas.get(area).row.code.clone(),
            position: devices::rounded(claim.position),
            agency: None,
            period_ms: 0,
            simulated: false,
        };
        Ok(self.add_device(spec, area, now))
    }

    fn stream_or_add(&mut self, device: DeviceId, kind: u16) -> StreamId {
        if let Some(stream) = self.stream_of(device, kind) {
            return stream;
        }
        let kind = self.kind(kind).name.clone().into_string();
        let id = StreamId(dense(self.stream_kinds.len()));
        let registration = Registration::Stream { id, device, kind };
        self.apply(&registration);
        self.pending.push(registration);
        id
    }

    fn add_device(&mut self, spec: DeviceSpec, area: AreaId, at: Timestamp) -> DeviceId {
        debug_assert_eq!(self.areas.get(area).row.code, spec.area, "the area matches its code");
        let id = DeviceId(dense(self.devices.len()));
        let registration = Registration::Device { id, spec, at };
        self.apply(&registration);
        self.pending.push(registration);
        id
    }

    /// Registers a device with its kinds, or updates the facts of a known one. Without an area the
    /// position decides. True when new.
    ///
    /// # Errors
    /// As for [`Registry::resolve`]; nothing is changed then.
    pub(crate) fn import(
        &mut self,
        row: &DeviceRow,
        scope: AreaId,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        check_id(&row.id)?;
        let mut kinds = Vec::with_capacity(row.kinds.len());
        for kind in &row.kinds {
            check_id(kind)?;
            match self.kind_index(kind) {
                Some(index) => kinds.push(index),
                None if self.register_unknown => kinds.push(self.kind_or_add(kind)),
                None => return Err(Refused::new(&error::UNKNOWN_KIND, kind)),
            }
        }
        let area = self.place(row.area.as_ref().map(AreaCode::as_str), row.position, scope)?;
        let spec = DeviceSpec {
            name: row.id.clone(),
            title: row.title.clone(),
            area: self.code_of(area),
            position: devices::rounded(row.position),
            agency: row.agency.clone(),
            period_ms: row.period_ms,
            simulated: row.simulated,
        };
        self.import_spec(spec, area, &kinds, scope, now)
    }

    fn import_spec(
        &mut self,
        spec: DeviceSpec,
        area: AreaId,
        kinds: &[u16],
        scope: AreaId,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        let known = self.find(&spec.name);
        if known.is_some_and(|id| !self.areas.contains(scope, self.device(id).area())) {
            return Err(Refused::new(&error::FORBIDDEN, spec.name));
        }
        let device = match known {
            Some(id) if self.device(id).spec() == spec => id,
            Some(id) => {
                let registration = Registration::Update { id, spec };
                self.apply(&registration);
                self.pending.push(registration);
                id
            }
            None => self.add_device(spec, area, now),
        };
        for &kind in kinds {
            self.stream_or_add(device, kind);
        }
        Ok(known.is_none())
    }

    /// New set-points of a known device. They hold from the moment the engine hears of them.
    ///
    /// # Errors
    /// [`error::UNKNOWN_DEVICE`], [`error::UNKNOWN_KIND`], [`error::FORBIDDEN`] outside `scope`,
    /// [`error::SETPOINT_ROW`] for a level outside the kind's range.
    pub(crate) fn set_setpoints(
        &mut self,
        row: &SetpointRow,
        scope: AreaId,
    ) -> Result<(), Refused> {
        let device = self.find(&row.device);
        let device = device.ok_or_else(|| Refused::new(&error::UNKNOWN_DEVICE, &row.device))?;
        if !self.areas.contains(scope, self.device(device).area()) {
            return Err(Refused::new(&error::FORBIDDEN, &row.device));
        }
        let kind = self.kind_index(&row.kind);
        let kind = kind.ok_or_else(|| Refused::new(&error::UNKNOWN_KIND, &row.kind))?;
        let [low, high] = self.kind(kind).range;
        if let Some(level) = row.levels.iter().flatten().find(|l| !(low..=high).contains(*l)) {
            let detail = format!("{level} is outside [{low}, {high}]");
            return Err(Refused::new(&error::SETPOINT_ROW, detail));
        }
        let stream = self.stream_or_add(device, kind);
        self.pending.push(Registration::Setpoints { stream, levels: row.levels });
        Ok(())
    }

    /// Registers a device of the demo's fleet with its one kind; its stream.
    pub(crate) fn enlist(&mut self, spec: DeviceSpec, kind: &str, now: Timestamp) -> StreamId {
        let spec = DeviceSpec { position: devices::rounded(spec.position), ..spec };
        let kind = self.kind_or_add(kind);
        let area = self.areas.find(spec.area.as_str()).unwrap_or(AreaId::ROOT);
        let device = match self.find(&spec.name) {
            Some(device) => device,
            None => self.add_device(spec, area, now),
        };
        self.stream_or_add(device, kind)
    }

    /// New facts about a device of the demo's fleet.
    pub(crate) fn restate(&mut self, spec: &DeviceSpec) {
        let Some(id) = self.find(&spec.name) else { return };
        let spec = DeviceSpec { position: devices::rounded(spec.position), ..spec.clone() };
        if self.device(id).spec() != spec {
            let registration = Registration::Update { id, spec };
            self.apply(&registration);
            self.pending.push(registration);
        }
    }

    /// The area meant by a code, or by a position; `scope` itself when neither is given.
    fn place(
        &self,
        code: Option<&str>,
        position: Option<[f64; 2]>,
        scope: AreaId,
    ) -> Result<AreaId, Refused> {
        let area = match (code, position) {
            (Some(code), _) => {
                let found = self.areas.find(code);
                found.ok_or_else(|| Refused::new(&error::UNKNOWN_AREA, code))?
            }
            (None, Some(position)) => {
                let found = self.areas.locate(position);
                found.ok_or_else(|| Refused::new(&error::UNKNOWN_AREA, format!("{position:?}")))?
            }
            (None, None) => scope,
        };
        if self.areas.contains(scope, area) {
            return Ok(area);
        }
        Err(Refused::new(&error::FORBIDDEN, self.code_of(area).as_str()))
    }

    /// Applies a registration from the journal or a snapshot. Numbers already known are skipped, so
    /// replaying twice changes nothing.
    pub(crate) fn apply(&mut self, registration: &Registration) -> bool {
        match registration {
            Registration::Device { id, spec, at } => {
                if (id.0 as usize) < self.devices.len() {
                    return false;
                }
                self.devices.push(spec, &self.areas, *at);
            }
            Registration::Update { id, spec } => {
                let from = self.device(*id).area();
                self.devices.update(*id, spec, &self.areas);
                if self.device(*id).area() != from {
                    self.moves.add(*id, from, spec.area.clone());
                }
            }
            Registration::Stream { id, device, kind } => {
                if (id.0 as usize) < self.stream_kinds.len() {
                    return false;
                }
                let kind = self.kind_or_add(kind);
                self.stream_devices.push(device.0);
                self.stream_kinds.push(kind);
                self.devices.add_stream(*device, *id);
            }
            // The engine's: it keeps them, in snapshots too.
            Registration::Setpoints { .. } => {}
        }
        true
    }

    /// What must be journaled before the next reading; empties the queue.
    pub(crate) fn take_pending(&mut self) -> Vec<Registration> {
        std::mem::take(&mut self.pending)
    }

    /// What was taken and could not be journaled comes first the next time.
    pub(crate) fn put_back(&mut self, mut list: Vec<Registration>) {
        list.append(&mut self.pending);
        self.pending = list;
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Which code stands for an area given by code, or the city when absent.
    pub(crate) fn code_of(&self, area: AreaId) -> AreaCode {
        self.areas.get(area).row.code.clone()
    }
}

fn check_id(id: &str) -> Result<(), Refused> {
    if id.len() > ID_LEN_MAX {
        return Err(Refused::new(&error::ID_TOO_LONG, format!("{} bytes", id.len())));
    }
    if id.is_empty() || id.chars().any(char::is_control) {
        return Err(Refused::new(&error::MALFORMED, "an id is empty or holds control characters"));
    }
    Ok(())
}

fn dense(len: usize) -> u32 {
    u32::try_from(len).expect("fewer than 2^32 devices and streams")
}
