//! Who calls, and what they may do: every handler asks here, and here the policies are asked
//! (`crate::policy`).
//!
//! A caller has roles (what they may do), an area (where: that area and everything below it), perhaps an
//! agency, and came with a token that may narrow all of it. Things outside the area answer as if they did
//! not exist.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chengmai_model::error;
use chengmai_model::{Actor, AreaId, AreaPath, AreaTree};
use chengmai_store::records::break_glass::BreakGlassRow;
use chengmai_store::records::tokens::{TokenKind, TokenRow};
use chengmai_store::records::users::UserRow;

use super::device;
use super::listener::DeviceName;
use super::problem::{Answer, Problem};
use super::rate::sender;
use crate::accounts::{self, Locks};
use crate::city::City;
use crate::clock;
use crate::policy::{Class, PURPOSES, Verdict, What, Who};

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "chengmai_session";
/// A question that changes nothing, though it is posted.
const SQL_PATH: &str = "/api/v1/sql";
/// Says whether a request comes from our own pages; scripts cannot set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What may be done: the actions of policies (`policy/schema.cedarschema`).
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
    /// Read who reported a case.
    PersonalRead,
    /// Erase who reported a case.
    PersonalErase,
    /// Take a file away.
    Export,
    /// Look beyond one's own area in an emergency.
    Emergency,
    /// Review such looks.
    EmergencyReview,
    /// Read who did what.
    AuditRead,
    /// Draft what a person then approves.
    Propose,
}

impl Permission {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[
        Self::Read,
        Self::Ingest,
        Self::DeviceManage,
        Self::WarningDecide,
        Self::AlarmShelve,
        Self::CaseDecide,
        Self::CaseHandle,
        Self::CaseCheck,
        Self::RuleManage,
        Self::ReviewWrite,
        Self::UserManage,
        Self::Sql,
        Self::Report,
        Self::NotifyManage,
        Self::LogWitness,
        Self::PersonalRead,
        Self::PersonalErase,
        Self::Export,
        Self::Emergency,
        Self::EmergencyReview,
        Self::AuditRead,
        Self::Propose,
    ];

    /// The permission with that word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.word() == word)
    }

    /// The class of what is done with it, unless the handler knows better.
    pub(crate) const fn class(self) -> Class {
        match self {
            Self::UserManage
            | Self::NotifyManage
            | Self::LogWitness
            | Self::Emergency
            | Self::EmergencyReview
            | Self::AuditRead => Class::Sensitive,
            Self::PersonalRead | Self::PersonalErase => Class::Personal,
            _ => Class::Internal,
        }
    }

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
            Self::PersonalRead => "personal_read",
            Self::PersonalErase => "personal_erase",
            Self::Export => "export",
            Self::Emergency => "emergency",
            Self::EmergencyReview => "emergency_review",
            Self::AuditRead => "audit_read",
            Self::Propose => "propose",
        }
    }
}

/// The signed-in account behind a request, with its area resolved.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Its area is what it may see now: its own, a token's narrower one, or that of an emergency.
    pub(crate) user: UserRow,
    pub(crate) area: AreaId,
    /// The area that the account belongs to.
    pub(crate) home: AreaPath,
    /// The token it came with.
    pub(crate) token: TokenRow,
    /// Number of the access in an emergency that is used.
    pub(crate) emergency: Option<i64>,
    areas: Arc<AreaTree>,
    locks: Arc<Locks>,
}

impl Caller {
    /// The caller behind an account and its token. Fails when the area no longer exists.
    pub(crate) fn new(city: &City, user: UserRow, token: TokenRow) -> Answer<Self> {
        let home = user.area.clone();
        let mut user = user;
        if let Some(narrower) = &token.scope.area {
            // The account may have been given another area since.
            let both = if user.area.contains(narrower) { narrower } else { &user.area };
            user.area = both.clone();
        }
        let (areas, locks) = (Arc::clone(&city.areas), Arc::clone(&city.locks));
        let area = area_of(&areas, &user.area)?;
        Ok(Self { user, area, home, token, emergency: None, areas, locks })
    }

    /// The caller behind a token that came as a key of an app.
    pub(crate) async fn with_key(city: &City, key: &str, from: &str) -> Answer<Self> {
        let (user, token) = accounts::by_token(city, key, TokenKind::Api, from).await?;
        Self::new(city, user, token)
    }

    /// The same caller, who looks beyond the own area in an emergency.
    fn looking(mut self, row: &BreakGlassRow) -> Answer<Self> {
        self.area = area_of(&self.areas, &row.wanted)?;
        self.user.area = row.wanted.clone();
        self.emergency = Some(row.id);
        Ok(self)
    }

    /// Where the caller acts: in an emergency they look further.
    pub(crate) fn own_area(&self) -> &AreaPath {
        if self.user.area.contains(&self.home) { &self.home } else { &self.user.area }
    }

    /// All permissions of the caller in their own area, those that need a purpose among them.
    pub(crate) fn permissions(&self) -> Vec<Permission> {
        let own = self.own_area();
        let may = |&permission: &Permission| {
            let purposes = std::iter::once(None).chain(PURPOSES.map(Some));
            let own = What { class: permission.class(), ..What::in_area(own) };
            let mut asked = purposes.map(|purpose| What { purpose, ..own });
            asked.any(|what| self.verdict(permission, what).is_allowed)
        };
        Permission::ALL.iter().copied().filter(may).collect()
    }

    /// What policies and the token say.
    fn verdict(&self, permission: Permission, what: What<'_>) -> Verdict {
        let refused = |by: &str| Verdict { is_allowed: false, by: vec![by.to_owned()] };
        let scope = self.token.scope.permissions.as_ref();
        if scope.is_some_and(|list| !list.iter().any(|word| word == permission.word())) {
            return refused("token");
        }
        let who = Who {
            user: &self.user,
            home: &self.home,
            second_factor: self.token.strong,
            emergency: self.emergency.is_some(),
            program: self.token.kind == TokenKind::Api,
        };
        self.locks.policies.decide(who, permission, what)
    }

    /// Goes on only with the permission in all that the caller sees.
    pub(crate) fn need(&self, permission: Permission) -> Answer<()> {
        if self.locks.must_enrol(&self.user.roles, &self.token) {
            return Err(Problem::new(&error::ENROL_FIRST, ""));
        }
        if permission != Permission::Ingest {
            self.locks.callers.take(&self.user.name, clock::now())?;
        }
        let what = What { class: permission.class(), ..What::in_area(&self.user.area) };
        self.need_for(permission, what)
    }

    /// Goes on only with the permission for this thing: its area, class, agency, and what it is for.
    pub(crate) fn need_for(&self, permission: Permission, what: What<'_>) -> Answer<()> {
        let verdict = self.verdict(permission, what);
        if verdict.is_allowed {
            return Ok(());
        }
        let by = if verdict.by.is_empty() {
            String::new()
        } else {
            format!(" ({})", verdict.by.join(", "))
        };
        Err(Problem::new(&error::FORBIDDEN, format!("{}{by}", permission.word())))
    }

    /// Goes on only when something may leave as a file for this purpose; the purpose as it is put on record.
    pub(crate) fn need_export<'a>(&self, purpose: Option<&'a str>) -> Answer<&'a str> {
        let purpose = known_purpose(purpose)?;
        let what = What { purpose: Some(purpose), ..What::in_area(&self.user.area) };
        self.need_for(Permission::Export, what)?;
        Ok(purpose)
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

/// A purpose that there is.
pub(crate) fn known_purpose(purpose: Option<&str>) -> Answer<&str> {
    let known = purpose.filter(|purpose| PURPOSES.contains(purpose));
    known.ok_or_else(|| {
        let detail = format!("purpose={}: {}", purpose.unwrap_or_default(), PURPOSES.join(", "));
        Problem::new(&error::PURPOSE_NEEDED, detail)
    })
}

fn area_of(areas: &AreaTree, path: &AreaPath) -> Answer<AreaId> {
    let code = path.code();
    areas.find(code).ok_or_else(|| Problem::new(&error::FORBIDDEN, format!("area {code}")))
}

impl FromRequestParts<Arc<City>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, city: &Arc<City>) -> Answer<Self> {
        let shown = credentials(parts);
        let device = parts.extensions.get::<DeviceName>().cloned();
        let only_looks = parts.method == Method::GET || parts.method == Method::HEAD;
        // What a browser adds by itself must not be used by another site.
        let by_itself = shown.as_ref().is_none_or(|shown| shown.by_itself);
        if by_itself && !only_looks {
            same_origin(parts)?;
        }
        let (user, token) = match (shown, device) {
            (Some(shown), _) => {
                accounts::by_token(city, &shown.token, shown.kind, &sender(parts)).await?
            }
            (None, Some(DeviceName(name))) => device::account(city, &name).await?,
            (None, None) => return Err(Problem::new(&error::SIGN_IN, "no token and no session")),
        };
        let is_person = token.kind == TokenKind::Session;
        let caller = Self::new(city, user, token)?;
        // What changes something is done in the own area, emergency or not.
        if !is_person || !only_looks && parts.uri.path() != SQL_PATH {
            return Ok(caller);
        }
        match city.locks.emergency(city, &caller.user.name).await? {
            Some(row) => caller.looking(&row),
            None => Ok(caller),
        }
    }
}

/// Somebody with or without an account. A token that is not known is refused all the same.
#[derive(Debug)]
pub(crate) struct Visitor(pub(crate) Option<Caller>);

impl FromRequestParts<Arc<City>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, city: &Arc<City>) -> Answer<Self> {
        if credentials(parts).is_none() {
            return Ok(Self(None));
        }
        Caller::from_request_parts(parts, city).await.map(|caller| Self(Some(caller)))
    }
}

/// What a request shows of who sends it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) token: String,
    pub(crate) kind: TokenKind,
    /// A browser may have added it without being asked.
    by_itself: bool,
}

/// The bearer token of a request, the password of HTTP's basic sign-in, which is a token too, or its session
/// cookie.
pub(crate) fn credentials(parts: &Parts) -> Option<Shown> {
    let header_text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let shown = |token: &str, kind, by_itself| {
        Some(Shown { token: token.trim().to_owned(), kind, by_itself })
    };
    if let Some(text) = header_text(header::AUTHORIZATION) {
        if let Some(pair) = text.strip_prefix("Basic ") {
            let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
            return pair.split_once(':').and_then(|(_, token)| shown(token, TokenKind::Api, true));
        }
        // `Token name:token` is how clients of InfluxDB 1 write both; no token of ours has a colon.
        let named = |text: &'_ str| text.rsplit(':').next().unwrap_or_default().to_owned();
        let token = text.strip_prefix("Token ").map(named);
        let token = token.or_else(|| text.strip_prefix("Bearer ").map(str::to_owned))?;
        return shown(&token, TokenKind::Api, false);
    }
    let cookies = header_text(header::COOKIE)?;
    let mut pairs = cookies.split(';').filter_map(|c| c.trim().split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == COOKIE)?;
    shown(token, TokenKind::Session, true)
}

/// A browser says where a request comes from; with a cookie it must be our own pages.
pub(crate) fn same_origin(parts: &Parts) -> Answer<()> {
    let text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text(SEC_FETCH_SITE).filter(|site| !matches!(*site, "same-origin" | "none"))
    {
        return Err(Problem::new(&error::FOREIGN_ORIGIN, site));
    }
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
