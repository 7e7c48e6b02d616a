//! HTTP: routes, access, errors, lists, pages.

pub(crate) mod access;
pub(crate) mod admission;
pub(crate) mod armour;
pub(crate) mod assets;
pub(crate) mod device;
pub(crate) mod document;
pub(crate) mod extract;
pub(crate) mod list;
pub(crate) mod listener;
pub(crate) mod problem;
pub(crate) mod rate;
pub(crate) mod router;
