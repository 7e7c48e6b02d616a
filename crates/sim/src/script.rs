//! The scripted afternoon as data relative to its start: a storm that crosses the inner city from
//! west to east, a burst main, gas in a manhole, bad air; afterwards small incidents for a day.
//!
//! What it is not: it sends nothing and knows no warnings. It bends the values of a few devices; what
//! the city makes of them is the rules' business. The first set-point is crossed within seconds.
//!
//! Invariant: a device outside every act and outside the storm has its quiet value.

use chengmai_model::Timestamp;

use crate::fleet::{Fleet, district_of};
use crate::kinds::{KINDS, rounded};

mod incidents;
mod plot;

/// How often a device of an act reports: the alarm period of a sensor, hastened.
pub const ACT_PERIOD_MS: i64 = 5_000;

/// How long the play lasts.
pub const AFTERNOON_MS: i64 = 12 * 60_000;

/// One device's part: its value as straight lines between points.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Index in the fleet.
    pub device: usize,
    /// When its first point is.
    pub from: Timestamp,
    /// Milliseconds after `from`, and the value then; in order of time, at least two.
    pub points: Vec<(i64, f64)>,
    decimals: u8,
}

impl Act {
    fn new(fleet: &Fleet, device: usize, from: Timestamp, points: Vec<(i64, f64)>) -> Self {
        let kind = fleet.devices()[device].kind;
        let profile = KINDS.iter().find(|p| p.kind == kind);
        Self { device, from, points, decimals: profile.map_or(1, |p| p.decimals) }
    }

    /// When it ends.
    pub fn until(&self) -> Timestamp {
        self.from.plus_ms(self.points.last().map_or(0, |p| p.0))
    }

    /// Its value at that moment; `None` before and after.
    fn value(&self, at: Timestamp) -> Option<f64> {
        let ms = at.since(self.from);
        let next = self.points.partition_point(|p| p.0 <= ms);
        let (before, after) = (self.points.get(next.checked_sub(1)?)?, self.points.get(next)?);
        let part = (ms - before.0) as f64 / (after.0 - before.0) as f64;
        Some(rounded(before.1 + (after.1 - before.1) * part, self.decimals))
    }
}

/// What the storm does to a rain gauge or a drain that has no act of its own.
#[derive(Debug, Clone, Copy)]
struct Wet {
    peak_at: Timestamp,
    peak: f64,
    half_width_ms: i64,
}

#[derive(Debug, Default)]
struct Role {
    acts: Vec<Act>,
    wet: Option<Wet>,
}

/// What happens in the city besides a quiet day.
#[derive(Debug, Default)]
pub struct Script {
    /// By device: 0 is none, else one more than the index into `roles`.
    role_of: Vec<u32>,
    roles: Vec<Role>,
}

impl Script {
    /// Nothing happens.
    pub fn quiet() -> Self {
        Self::default()
    }

    /// The play of twelve minutes from `start` on, and a day of small incidents after it.
    pub fn afternoon(fleet: &Fleet, start: Timestamp) -> Self {
        let mut script = Self::quiet();
        for act in plot::acts(fleet, start) {
            script.role(fleet, act.device).acts.push(act);
        }
        for (device, wet) in plot::storm(fleet, start) {
            script.role(fleet, device).wet = Some(wet);
        }
        for act in incidents::acts(fleet, start.plus_ms(AFTERNOON_MS), script.taken()) {
            script.role(fleet, act.device).acts.push(act);
        }
        script
    }

    /// Devices whose act runs at that moment.
    pub fn active(&self, at: Timestamp) -> Vec<usize> {
        let acts = self.roles.iter().flat_map(|role| &role.acts);
        acts.filter(|a| a.from <= at && at <= a.until()).map(|a| a.device).collect()
    }

    /// The districts in which something is scripted, each once, in order of code.
    pub fn districts(&self, fleet: &Fleet) -> Vec<String> {
        let acts = self.roles.iter().flat_map(|role| &role.acts);
        let area = |a: &Act| district_of(&fleet.devices()[a.device].spec.area).to_owned();
        let mut codes: Vec<String> = acts.map(area).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    #[inline]
    pub(crate) fn value(&self, device: usize, at: Timestamp) -> Option<f64> {
        self.role_at(device)?.acts.iter().find_map(|act| act.value(at))
    }

    /// What the storm adds to the quiet value.
    #[inline]
    pub(crate) fn wet(&self, device: usize, at: Timestamp) -> f64 {
        let Some(wet) = self.role_at(device).and_then(|role| role.wet) else { return 0.0 };
        let far = at.since(wet.peak_at).abs() as f64 / wet.half_width_ms as f64;
        wet.peak * (1.0 - far).max(0.0)
    }

    #[inline]
    fn role_at(&self, device: usize) -> Option<&Role> {
        let number = *self.role_of.get(device)?;
        self.roles.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    fn role(&mut self, fleet: &Fleet, device: usize) -> &mut Role {
        self.role_of.resize(fleet.devices().len(), 0);
        if self.role_of[device] == 0 {
            self.roles.push(Role::default());
            self.role_of[device] = u32::try_from(self.roles.len()).expect("fewer than 2^32 roles");
        }
        let index = usize::try_from(self.role_of[device] - 1).expect("an index");
        &mut self.roles[index]
    }

    /// Devices that already have a part.
    fn taken(&self) -> Vec<usize> {
        self.roles.iter().flat_map(|role| role.acts.iter().map(|act| act.device)).collect()
    }
}
