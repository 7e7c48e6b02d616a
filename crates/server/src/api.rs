//! Handlers, a file per resource.

pub(crate) mod agencies;
pub(crate) mod alarms;
pub(crate) mod areas;
pub(crate) mod backtests;
pub(crate) mod case_import;
pub(crate) mod case_summary;
pub(crate) mod cases;
pub(crate) mod device_summary;
pub(crate) mod devices;
pub(crate) mod events;
pub(crate) mod gateway;
pub(crate) mod indicator_windows;
pub(crate) mod indicators;
pub(crate) mod latest;
pub(crate) mod moments;
pub(crate) mod packs;
pub(crate) mod readings;
pub(crate) mod reviews;
pub(crate) mod rules;
pub(crate) mod session;
pub(crate) mod setpoints;
pub(crate) mod shelves;
pub(crate) mod system;
pub(crate) mod tasks;
pub(crate) mod users;
pub(crate) mod warnings;
