//! What keeps doors shut in a running city: the policies, how often somebody may try, and what is remembered of
//! tokens between two requests.
//!
//! What it is not: what is on record (`store::records`). Invariants: what is remembered takes bounded room; losing
//! it lets nobody in who may not.

use std::sync::Arc;

use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_model::{Role, Timestamp, error};
use chengmai_store::records::break_glass::BreakGlassRow;
use chengmai_store::records::tokens::{TokenKind, TokenRow};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::provider::Provider;
use crate::city::City;
use crate::clock;
use crate::config::locks::LockSettings;
use crate::config::provider::ProviderSettings;
use crate::http::problem::Answer;
use crate::http::rate::Limiter;
use crate::policy::Policies;

/// Tokens whose last use is remembered.
const SEEN_MAX: usize = 20_000;
/// Between two notes that a token was used.
const SEEN_EVERY_MS: i64 = MINUTE_MS;

type SeenMap = HashMap<String, Timestamp, foldhash::fast::RandomState>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Locks {
    pub(crate) policies: Policies,
    /// Where people may sign in besides here.
    pub(crate) provider: Option<Arc<Provider>>,
    /// Roles whose people must have a second factor.
    second_factor_for: Vec<Role>,
    /// Sign-ins from one address, right or wrong.
    pub(super) addresses: Limiter,
    /// Wrong guesses at one account from one address.
    pub(super) guesses: Limiter,
    /// Wrong tokens from one address.
    pub(super) strangers: Limiter,
    /// Requests of one account.
    pub(crate) callers: Limiter,
    seen: Mutex<SeenMap>,
    /// Accounts that look beyond their area, until when; filled from the records at the first question.
    emergencies: Mutex<HashMap<String, Option<Arc<BreakGlassRow>>, foldhash::fast::RandomState>>,
}

impl Locks {
    /// Reads the policies; a city's own are in the folder.
    ///
    /// # Errors
    /// When a policy cannot be taken.
    pub(crate) fn new(
        settings: &LockSettings,
        provider: Option<Arc<ProviderSettings>>,
    ) -> anyhow::Result<Self> {
        let policies = Policies::load(settings.policies.as_deref())?;
        tracing::info!(policies = policies.len(), "policies are loaded");
        let per_second = settings.requests_per_second;
        Ok(Self {
            policies,
            provider: provider.map(|settings| Arc::new(Provider::new(settings))),
            second_factor_for: settings.second_factor_for.clone(),
            addresses: Limiter::new(200, 1_000).saying(&error::LOCKED),
            guesses: Limiter::new(5, 3 * 60_000).saying(&error::LOCKED),
            strangers: Limiter::new(600, 100).saying(&error::TOO_MANY_REQUESTS),
            callers: Limiter::new(per_second.saturating_mul(10), 1_000_u32.div_ceil(per_second))
                .saying(&error::TOO_MANY_REQUESTS),
            seen: Mutex::default(),
            emergencies: Mutex::default(),
        })
    }

    /// Whether this person must set up a second factor before anything else.
    pub(crate) fn must_enrol(&self, roles: &[Role], token: &TokenRow) -> bool {
        let is_asked = roles.iter().any(|role| self.second_factor_for.contains(role));
        is_asked && token.kind == TokenKind::Session && !token.strong
    }

    /// Goes on when nobody signed in too often from this address.
    pub(crate) fn try_address(&self, from: &str) -> Answer<()> {
        self.addresses.take(from, clock::now())
    }

    /// Goes on when a signed-in person has not shown passwords or codes too often.
    pub(crate) fn try_code(&self, user: &str) -> Answer<()> {
        self.guesses.take(&format!("signed in {user}"), clock::now())
    }

    /// Whether the use of a token is to be noted now.
    pub(super) fn is_news(&self, hash: &str, now: Timestamp) -> bool {
        let mut seen = self.seen.lock();
        if seen.get(hash).is_some_and(|&at| now.since(at) < SEEN_EVERY_MS) {
            return false;
        }
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, at| now.since(*at) < SEEN_EVERY_MS);
        }
        seen.insert(hash.to_owned(), now);
        true
    }

    /// The access in an emergency that an account uses now.
    pub(crate) async fn emergency(
        &self,
        city: &City,
        user: &str,
    ) -> Answer<Option<Arc<BreakGlassRow>>> {
        let now = clock::now();
        let known = self.emergencies.lock().get(user).cloned();
        let row = if let Some(row) = known {
            row
        } else {
            let row = city.records.break_glass().of(user, now).await?.map(Arc::new);
            let mut emergencies = self.emergencies.lock();
            if emergencies.len() >= SEEN_MAX {
                emergencies.clear();
            }
            emergencies.insert(user.to_owned(), row.clone());
            row
        };
        Ok(row.filter(|row| now < row.until))
    }

    /// An account's access in an emergency began or ended: it is asked anew.
    pub(crate) fn emergency_changed(&self, user: &str) {
        self.emergencies.lock().remove(user);
    }
}

/// Longest access in an emergency.
pub(crate) const EMERGENCY_MS_MAX: i64 = 4 * HOUR_MS;
/// Within so long it is to be reviewed.
pub(crate) const REVIEW_MS: i64 = 3 * DAY_MS;
