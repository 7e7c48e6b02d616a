//! HTTP: routes, access, errors, lists, pages.

pub(crate) mod access;
pub(crate) mod admission;
pub(crate) mod assets;
pub(crate) mod extract;
pub(crate) mod list;
pub(crate) mod problem;
pub(crate) mod rate;
pub(crate) mod router;
