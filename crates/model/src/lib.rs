//! The vocabulary of Chengmai: areas and codes, ids, units, time, severity, geometry, packs, cases.
//!
//! What it is not: it performs no I/O, reads no clock, knows no wire format and no database.
//! Everything here is plain data with the checks that make bad values unrepresentable.

#[macro_use]
mod words;

pub mod actor;
pub mod area;
pub mod area_path;
pub mod calendar;
pub mod case;
pub mod city;
pub mod correction;
pub mod error;
pub mod formula;
pub mod geometry;
pub mod pack;
pub mod period;
pub mod runs;
pub mod severity;
pub mod shelf;
pub mod stream;
pub mod testing;
pub mod text;
pub mod time;
pub mod warning;

pub use actor::{Actor, Role};
pub use area::{AreaCode, AreaId, AreaTree, Tier};
pub use area_path::AreaPath;
pub use correction::CorrectionOrder;
pub use formula::Formula;
pub use period::{EvaluationPeriod, PeriodKind};
pub use runs::Runs;
pub use severity::Severity;
pub use shelf::{Order, ShelfId};
pub use stream::{DeviceId, KindId, Reading, StreamId};
pub use text::Text;
pub use time::Timestamp;
