//! The pure brain: streams, windows, roll-up, indicators, rules, alarms, warnings, cases, ratings.
//!
//! Readings and time go in, events come out. What it is not: it has no clock, no thread, no socket,
//! no file and no random number, and knows no wire format and no database. So replay, backtest and
//! live operation are the same code and give the same bits.
//!
//! Start with [`Catalog::compile`], then [`Engine::new`], [`Engine::register`], [`Engine::apply`]
//! and, about once a second, [`Engine::tick`].

pub mod alarm_quality;
pub mod anomaly;
pub mod answer;
pub mod backtest;
pub mod case;
pub mod catalog;
pub mod clock;
pub mod engine;
pub mod event;
pub mod indicator;
pub mod limits;
pub mod rating;
pub mod scenario;
pub mod screen;
pub mod snapshot;
pub mod triage;

mod accumulator;
mod expr;
mod hash;
mod liveness;
mod node_set;
mod pages;
mod rollup;
mod rule;
mod setpoint;
mod shared_map;
mod sketch;
mod slope;
mod stream;
mod warning;
mod window;

#[cfg(test)]
mod testing;

pub use anomaly::{Detector, Tuning};
pub use catalog::{
    CaseTypeDef, Catalog, IndicatorDef, KindDef, PackCounts, PackInfo, RuleDef, RuleOrigin,
};
pub use engine::{
    Applied, Corrected, Correction, Engine, MoreThanRules, Refill, Settings, StreamSpec,
    StreamView, TickCounts, Totals,
};
pub use event::{AlarmChange, AlarmStep, ClosedWindow, DeviceChange, DeviceStep, Event};
pub use indicator::IndicatorValue;
pub use screen::{AlarmSettings, AlarmTally, FloodView, ShelfView, shelf_id};
pub use setpoint::setpoints_in;
pub use snapshot::SnapshotError;
