//! What the engine says: alarms, warnings, devices that come and go, windows that close.

use chengmai_model::warning::WarningChange;
use chengmai_model::{AreaId, StreamId, Timestamp};

use crate::screen::AlarmTally;

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A stream crossed a set-point, or came back.
    Alarm(AlarmChange),
    /// A warning was raised, regraded or cleared.
    Warning(WarningChange),
    /// A stream fell silent, came back, got stuck or recovered.
    Device(DeviceChange),
    /// A window of an indicator closed: its final value.
    Window(ClosedWindow),
    /// What became of the alarms of one desk and rule in a slot that is over.
    Tally(AlarmTally),
}

/// An alarm 报警 of one stream under one rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlarmChange {
    /// Raised or cleared.
    pub step: AlarmStep,
    /// Index of the rule in the catalog.
    pub rule: u16,
    /// Whose.
    pub stream: StreamId,
    /// The smallest area known to hold it.
    pub area: AreaId,
    /// The value that made the step.
    pub value: f64,
    /// Event time of that value, or of the tick for silence.
    pub at: Timestamp,
}

/// What happened to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmStep {
    /// It stands from now on.
    Raised,
    /// It is over.
    Cleared,
}

/// A change in the health of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceChange {
    /// Whose.
    pub stream: StreamId,
    /// What happened.
    pub step: DeviceStep,
    /// Time of arrival or tick that showed it.
    pub at: Timestamp,
}

/// What happened to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceStep {
    /// It reports again after being offline. The first reading of all is no change.
    Online,
    /// It has been silent for longer than allowed.
    Offline,
    /// Its value has been the same for too long.
    Stuck,
    /// It reported a value outside its kind's range; the value is not used.
    OutOfRange,
    /// It is no longer stuck or out of range.
    Healthy,
}

/// The final value of an indicator over one window and area. Areas without a reading say nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedWindow {
    /// Index of the indicator in the catalog.
    pub indicator: u16,
    /// Which area.
    pub area: AreaId,
    /// Start of the window.
    pub start: Timestamp,
    /// `None` when the formula has no value (a division by zero, say).
    pub value: Option<f64>,
    /// Share of the expected readings that came, 0 to 1.
    pub coverage: f32,
    /// How many readings it rests on.
    pub readings: u64,
}
