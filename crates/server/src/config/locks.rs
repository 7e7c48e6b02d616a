//! Settings of the locks: policies, second factors, how often, and how long personal data is kept.

use std::path::PathBuf;

use anyhow::Context as _;
use chengmai_model::Role;
use chengmai_model::time::DAY_MS;
use clap::Args;

/// Requests of one account in a second; ten times as many at once. Our default.
const REQUESTS_PER_SECOND: u32 = 200;
/// How long what is known of a citizen is kept after their case ended. Our default.
const KEEP_CONTACTS_DAYS: u32 = 180;
/// How long walks of grid workers are kept. Our default.
const KEEP_PATROLS_DAYS: u32 = 90;

/// Flags of the locks.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LockFlags {
    /// Folder with policies of your own (*.cedar) beside the built-in ones
    #[arg(long, env = "CHENGMAI_POLICIES", value_name = "DIR")]
    pub(super) policies: Option<PathBuf>,
    /// Roles whose people must set up a second factor, separated by commas: admin,duty_officer
    #[arg(long, env = "CHENGMAI_SECOND_FACTOR_FOR", value_delimiter = ',', value_name = "ROLES")]
    pub(super) second_factor_for: Option<Vec<String>>,
    /// Requests that one account may make in a second; readings are not counted [default: 200]
    #[arg(long, env = "CHENGMAI_REQUESTS_PER_SECOND", value_name = "N")]
    pub(super) requests_per_second: Option<u32>,
    /// Days after the end of a case when what is known of who reported it is erased [default: 180]
    #[arg(long, env = "CHENGMAI_KEEP_CONTACTS_DAYS", value_name = "DAYS")]
    pub(super) keep_contacts_days: Option<u32>,
    /// Days when walks of grid workers are deleted [default: 90]
    #[arg(long, env = "CHENGMAI_KEEP_PATROLS_DAYS", value_name = "DAYS")]
    pub(super) keep_patrols_days: Option<u32>,
}

/// Settings of the locks, complete.
#[derive(Debug, Clone)]
pub(crate) struct LockSettings {
    pub(crate) policies: Option<PathBuf>,
    pub(crate) second_factor_for: Vec<Role>,
    pub(crate) requests_per_second: u32,
    pub(crate) keep_contacts_ms: i64,
    pub(crate) keep_patrols_ms: i64,
}

impl Default for LockSettings {
    fn default() -> Self {
        LockFlags::default().resolve().expect("no flag, no fault")
    }
}

impl LockFlags {
    /// These, and those of the file where there are none.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            policies: self.policies.or(file.policies),
            second_factor_for: self.second_factor_for.or(file.second_factor_for),
            requests_per_second: self.requests_per_second.or(file.requests_per_second),
            keep_contacts_days: self.keep_contacts_days.or(file.keep_contacts_days),
            keep_patrols_days: self.keep_patrols_days.or(file.keep_patrols_days),
        }
    }

    pub(super) fn resolve(self) -> anyhow::Result<LockSettings> {
        let role = |word: &String| {
            Role::from_word(word)
                .with_context(|| format!("--second-factor-for: there is no role {word}"))
        };
        let roles = self.second_factor_for.unwrap_or_default();
        let days = |days: Option<u32>, usual: u32| i64::from(days.unwrap_or(usual)) * DAY_MS;
        Ok(LockSettings {
            policies: self.policies,
            second_factor_for: roles.iter().map(role).collect::<anyhow::Result<_>>()?,
            requests_per_second: self.requests_per_second.unwrap_or(REQUESTS_PER_SECOND).max(1),
            keep_contacts_ms: days(self.keep_contacts_days, KEEP_CONTACTS_DAYS),
            keep_patrols_ms: days(self.keep_patrols_days, KEEP_PATROLS_DAYS),
        })
    }
}
