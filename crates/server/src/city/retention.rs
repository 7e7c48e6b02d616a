//! How long personal data is kept 留存: what is known of citizens goes some time after their case ended, walks of
//! grid workers some time after they were walked. What was sealed with an older key is sealed anew at start.
//!
//! What it is not: a deletion of cases; they stay, and the proof log stays sound. Invariant: an erasure by schedule is
//! on record like one by a person.

use std::sync::Weak;
use std::time::Duration;

use chengmai_store::records::{RecordsError, Resealed};

use super::City;
use crate::clock;

/// How often is looked for what was kept long enough.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// Cases that are dealt with before anybody else's turn.
const CASES_TOGETHER: u32 = 100;
/// What is said when something sealed does not open.
pub(super) const NO_KEY: &str =
    "personal data cannot be opened: put back the personal.keys that belongs to these records";
/// Who erases by schedule, in the audit.
const SCHEDULE: &str = "schedule";

/// Says what was sealed at start.
pub(super) fn say(done: Resealed) {
    if done != Resealed::default() {
        let Resealed { contacts, patrols, factors } = done;
        tracing::info!(contacts, patrols, factors, "personal data was sealed");
    }
}

/// Looks again and again, as long as the city is there.
pub(super) async fn watch(city: Weak<City>) {
    loop {
        let Some(now) = city.upgrade() else { return };
        if let Err(error) = now.erase_what_was_kept().await {
            tracing::error!(%error, "personal data that was kept long enough could not be erased");
        }
        drop(now);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl City {
    /// Erases personal data that was kept long enough.
    async fn erase_what_was_kept(&self) -> Result<(), RecordsError> {
        let (now, keep) = (clock::now(), &self.config.locks);
        let before = now.plus_ms(-keep.keep_contacts_ms);
        let citizens = self.records.citizens();
        loop {
            let cases = citizens.kept_too_long(before, CASES_TOGETHER).await?;
            for case in &cases {
                citizens.erase(case, SCHEDULE, now).await?;
            }
            if cases.is_empty() {
                break;
            }
            tracing::info!(
                cases = cases.len(),
                "what was known of citizens was erased by schedule"
            );
        }
        let walks =
            self.records.patrols().delete_before(now.plus_ms(-keep.keep_patrols_ms)).await?;
        if walks > 0 {
            tracing::info!(walks, "walks of grid workers were deleted by schedule");
        }
        Ok(())
    }
}
