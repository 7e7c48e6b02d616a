//! Who calls, and what they may do: the one decision point every handler passes.
//!
//! A caller has roles (what they may do), an area (where: that area and everything below it) and
//! perhaps an agency. Things outside the area answer as if they did not exist.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, header};
use chengmai_model::error;
use chengmai_model::{Actor, AreaId, AreaPath, AreaTree, Role};
use chengmai_store::records::users::UserRow;

use super::device;
use super::listener::DeviceName;
use super::problem::{Answer, Problem};
use crate::accounts;
use crate::city::City;

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "chengmai_session";

/// What a role allows. The table is [`permissions_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Permission {
    /// See areas, devices, indicators, warnings, cases inside one's area.
    Read,
    /// Send readings.
    Ingest,
    /// Register and change devices.
    DeviceManage,
    /// Confirm, dismiss and file warnings.
    WarningDecide,
    /// Take rules and devices off the screens for a while.
    AlarmShelve,
    /// File, dispatch, close, hand cases up, down and sideways.
    CaseDecide,
    /// Start, finish and return cases of one's agency.
    CaseHandle,
    /// Check handled cases.
    CaseCheck,
    /// Try rules on the past, and enable them.
    RuleManage,
    /// Write findings of a review and give tasks.
    ReviewWrite,
    /// Accounts and tokens.
    UserManage,
    /// Ask the history in SQL.
    Sql,
    /// Report in the name of citizens.
    Report,
    /// Say who outside is told of what.
    NotifyManage,
    /// Read what the proof log's leaves stand for, and witness it.
    LogWitness,
}

impl Permission {
    /// The word shown to clients.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::DeviceManage => "device_manage",
            Self::WarningDecide => "warning_decide",
            Self::AlarmShelve => "alarm_shelve",
            Self::CaseDecide => "case_decide",
            Self::CaseHandle => "case_handle",
            Self::CaseCheck => "case_check",
            Self::RuleManage => "rule_manage",
            Self::ReviewWrite => "review_write",
            Self::UserManage => "user_manage",
            Self::Sql => "sql",
            Self::Report => "report",
            Self::NotifyManage => "notify_manage",
            Self::LogWitness => "log_witness",
        }
    }
}

use Permission::{
    AlarmShelve, CaseCheck, CaseDecide, CaseHandle, DeviceManage, Ingest, LogWitness, NotifyManage,
    Read, Report, ReviewWrite, RuleManage, Sql, UserManage, WarningDecide,
};

/// What each role may do. `ingest` is for gateways: it sends readings and sees nothing.
pub(crate) const fn permissions_of(role: Role) -> &'static [Permission] {
    match role {
        Role::Admin => &[
            Read,
            Ingest,
            DeviceManage,
            WarningDecide,
            AlarmShelve,
            CaseDecide,
            CaseHandle,
            CaseCheck,
            RuleManage,
            ReviewWrite,
            UserManage,
            Sql,
            Report,
            NotifyManage,
            LogWitness,
        ],
        Role::DutyOfficer => &[
            Read,
            WarningDecide,
            AlarmShelve,
            CaseDecide,
            CaseCheck,
            ReviewWrite,
            Sql,
            NotifyManage,
        ],
        Role::AgencyStaff => &[Read, CaseHandle],
        Role::GridWorker => &[Read, CaseDecide, CaseCheck],
        Role::Supervisor => &[Read, CaseCheck, ReviewWrite, Sql, LogWitness],
        Role::Engineer => &[Read, DeviceManage, Ingest, RuleManage, Sql],
        Role::Viewer => &[Read],
        Role::Ingest => &[Ingest],
        Role::App => &[Report],
        // Citizens have no account: their tracking link is asked for elsewhere.
        Role::Citizen => &[],
    }
}

/// The signed-in account behind a request, with its area resolved.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: UserRow,
    pub(crate) area: AreaId,
    areas: Arc<AreaTree>,
}

impl Caller {
    /// The caller behind an account. Fails when the account's area no longer exists.
    pub(crate) fn new(user: UserRow, areas: Arc<AreaTree>) -> Answer<Self> {
        let code = user.area.code();
        let area = areas
            .find(code)
            .ok_or_else(|| Problem::new(&error::FORBIDDEN, format!("area {code}")))?;
        Ok(Self { user, area, areas })
    }

    /// All permissions of all roles of the caller.
    pub(crate) fn permissions(&self) -> Vec<Permission> {
        let roles = self.user.roles.iter();
        let mut list: Vec<Permission> =
            roles.flat_map(|&role| permissions_of(role).iter().copied()).collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    /// Goes on only with the permission.
    pub(crate) fn need(&self, permission: Permission) -> Answer<()> {
        if self.permissions().contains(&permission) {
            return Ok(());
        }
        Err(Problem::new(&error::FORBIDDEN, permission.word()))
    }

    /// The area a query asks for: the caller's own when absent; never outside it.
    pub(crate) fn scope(&self, code: Option<&str>) -> Answer<AreaId> {
        let Some(code) = code.filter(|c| !c.is_empty()) else { return Ok(self.area) };
        let area = self.areas.find(code).filter(|&a| self.sees(a));
        area.ok_or_else(|| Problem::not_found(format!("area {code}")))
    }

    /// The path of an area inside the caller's, as the records database filters by.
    pub(crate) fn scope_path(&self, code: Option<&str>) -> Answer<AreaPath> {
        Ok(AreaPath::of(&self.areas, self.scope(code)?))
    }

    /// The caller as decisions see them.
    pub(crate) fn actor(&self) -> Actor {
        self.user.actor()
    }

    /// True when the area is the caller's or below it.
    pub(crate) fn sees(&self, area: AreaId) -> bool {
        self.areas.contains(self.area, area)
    }
}

impl FromRequestParts<Arc<City>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, city: &Arc<City>) -> Answer<Self> {
        let credentials = credentials(parts);
        let device = parts.extensions.get::<DeviceName>().cloned();
        // What a browser adds by itself must not be used by another site.
        let by_itself = credentials.as_ref().is_none_or(|(_, from_cookie)| *from_cookie);
        if by_itself && parts.method != Method::GET && parts.method != Method::HEAD {
            same_origin(parts)?;
        }
        let user = match (credentials, device) {
            (Some((token, _)), _) => accounts::by_token(city, &token).await?,
            (None, Some(DeviceName(name))) => device::account(city, &name).await?,
            (None, None) => return Err(Problem::new(&error::SIGN_IN, "no token and no session")),
        };
        Self::new(user, Arc::clone(&city.areas))
    }
}

/// The bearer token of a request, or its session cookie (then `true`).
pub(crate) fn credentials(parts: &Parts) -> Option<(String, bool)> {
    let header_text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(text) = header_text(header::AUTHORIZATION) {
        let token = text.strip_prefix("Bearer ").or_else(|| text.strip_prefix("Token "))?;
        return Some((token.trim().to_owned(), false));
    }
    let cookies = header_text(header::COOKIE)?;
    let mut pairs = cookies.split(';').filter_map(|c| c.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| (value.to_owned(), true))
}

/// A browser says where a request comes from; with a cookie it must be our own pages.
fn same_origin(parts: &Parts) -> Answer<()> {
    let text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
    if !parts.headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    // One that is no text is not ours.
    let origin = text(header::ORIGIN).unwrap_or("?");
    let host = text(header::HOST).unwrap_or_default();
    let origin_host = origin.split_once("://").map_or(origin, |(_, host)| host);
    if origin_host == host {
        return Ok(());
    }
    Err(Problem::new(&error::FOREIGN_ORIGIN, origin))
}
