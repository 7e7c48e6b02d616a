//! Tells people outside what happens: notices become messages, messages are sent, and sent again until
//! they are taken or given up.
//!
//! Not here: what is noted (`store`), what is said (`message`), how it goes out (`send`, `mail`).
//! Invariants: a message is made in the transaction that removes its notice, and is on disk before it is
//! sent; a receiver that fails has two tries under way at most and holds nobody up; waiting times follow
//! from the message's id, so a thousand of them do not come at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chengmai_model::Timestamp;
use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_store::records::Result;
use chengmai_store::records::deliveries::{DeliveryRow, Recipient};
use chengmai_store::records::notices::News;
use tokio::sync::oneshot;
use tokio::sync::watch::{Receiver, Sender as Stop, channel};
use tokio::task::JoinSet;

pub(crate) mod address;
pub(crate) mod mail;
pub(crate) mod message;
mod receivers;
pub(crate) mod send;
pub(crate) mod watch;

use super::City;
use super::alerts::AlertKey;
use crate::accounts::{hash_token, hex};
use crate::clock;
use crate::config::notify::NotifySettings;
use address::Guard;
use mail::Mailer;
use receivers::Parcel;
use send::{Failure, Sender, mac};
use watch::Watcher;

/// Time between looks at what waits.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Notices made into messages in one transaction.
const NOTICES_MAX: u32 = 256;
/// Messages under way to one receiver.
const UNDER_WAY_EACH_MAX: usize = 2;
/// Messages under way altogether; each has a thread.
const UNDER_WAY_MAX: usize = 64;
/// Tries before a message is given up.
const TRIES_MAX: u32 = 10;
/// Longest wait between two tries.
const WAIT_MAX_MS: i64 = 6 * HOUR_MS;
/// How long what was sent or given up is kept.
const KEEP_MS: i64 = 30 * DAY_MS;
/// How often the time of the last look at clocks is written down, if nothing turned.
const CLOCKS_NOTED_EVERY_MS: i64 = MINUTE_MS;
/// Where it stands.
const CLOCKS_UNTIL: &str = "notices.clocks_until";
/// How long a stop waits for messages under way.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// Digits of a tracking link's secret: 128 bits.
const LINK_DIGITS: usize = 32;

/// The ways out.
pub(crate) struct Outlet {
    pub(crate) sender: Sender,
    pub(crate) mailer: Option<Mailer>,
    /// Signs what is told as CAP.
    pub(crate) alert_key: AlertKey,
    key: Vec<u8>,
}

/// Key and passwords are printed nowhere.
impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

impl Outlet {
    /// From the settings, the key of tracking links and that of alerts.
    pub(crate) fn new(
        settings: &NotifySettings,
        key: Vec<u8>,
        alert_key: AlertKey,
    ) -> anyhow::Result<Self> {
        let mailer = settings.smtp.as_ref().map(Mailer::new).transpose()?;
        let sender = Sender::new(Guard::new(settings.allowed.clone()));
        Ok(Self { sender, mailer, alert_key, key })
    }

    /// The secret of a reporter's tracking link. It follows from the key in the data folder, so that a
    /// mail can name it again though the records hold only its hash.
    pub(crate) fn link_token(&self, reporter: &str) -> String {
        hex(&mac(&self.key, reporter.as_bytes()))[..LINK_DIGITS].to_owned()
    }
}

/// What became of one try.
#[derive(Debug)]
struct Tried {
    row: DeliveryRow,
    outcome: std::result::Result<(), Failure>,
}

/// The telling of a running city.
#[derive(Debug)]
pub(crate) struct Telling {
    task: tokio::task::JoinHandle<()>,
    watcher: tokio::task::JoinHandle<()>,
    stop: Stop<bool>,
}

impl Telling {
    pub(crate) fn start(city: Arc<City>) -> Self {
        let (stop, told) = channel(false);
        let watcher = Watcher::new(Arc::clone(&city)).run(told.clone());
        let watcher = tokio::spawn(watcher);
        Self { task: tokio::spawn(Notifier::new(city).run(told)), watcher, stop }
    }

    /// Sends no more; what is under way may still be noted as taken.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let (watcher, task) = (self.watcher.await, self.task.await);
        if watcher.is_err() || task.is_err() {
            tracing::error!("the notifier ended early");
        }
    }
}

/// The one that tells.
#[derive(Debug)]
struct Notifier {
    city: Arc<City>,
    /// Ids of messages under way, by receiver.
    under_way: BTreeMap<String, BTreeSet<String>>,
    tries: JoinSet<Tried>,
    clocks_until: Option<Timestamp>,
    clocks_noted: Timestamp,
    purged_at: Timestamp,
}

impl Notifier {
    fn new(city: Arc<City>) -> Self {
        Self {
            city,
            under_way: BTreeMap::new(),
            tries: JoinSet::new(),
            clocks_until: None,
            clocks_noted: Timestamp(0),
            purged_at: Timestamp(0),
        }
    }

    /// Runs until told to stop.
    async fn run(mut self, mut stop: Receiver<bool>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                () = told_to_stop(&mut stop) => break,
                Some(tried) = self.tries.join_next() => self.note_and_go_on(tried.ok()).await,
                _ = look.tick() => self.look().await,
            };
            if let Err(error) = outcome {
                tracing::error!(%error, "messages could not be looked at");
            }
        }
        let rest = async {
            while let Some(tried) = self.tries.join_next().await {
                if let Ok(tried) = tried
                    && let Err(error) = self.note(tried).await
                {
                    tracing::error!(%error, "what became of a message could not be noted");
                }
            }
        };
        // What is not noted is sent again after the next start, under the same id.
        let _ = tokio::time::timeout(STOP_PATIENCE, rest).await;
    }

    async fn look(&mut self) -> Result<()> {
        let now = clock::now();
        self.look_at_clocks(now).await?;
        while self.make_messages(now).await? {}
        if now.since(self.purged_at) > HOUR_MS {
            self.city.records.deliveries().purge(now.plus_ms(-KEEP_MS)).await?;
            self.purged_at = now;
        }
        self.send_due(now).await
    }

    /// Clocks that turned since the last look, also since before the last stop.
    async fn look_at_clocks(&mut self, now: Timestamp) -> Result<()> {
        let settings = self.city.records.settings();
        let from = if let Some(from) = self.clocks_until {
            from
        } else {
            let kept = settings.find(CLOCKS_UNTIL).await?;
            kept.and_then(|text| text.parse().ok()).map_or(now, Timestamp)
        };
        if from > now {
            return Ok(());
        }
        let noted = self.city.records.notices().look_at_clocks(from, now).await?;
        if noted > 0 || now.since(self.clocks_noted) > CLOCKS_NOTED_EVERY_MS {
            settings.set(CLOCKS_UNTIL, &now.0.to_string()).await?;
            self.clocks_noted = now;
        }
        self.clocks_until = Some(now);
        Ok(())
    }

    /// Makes messages of the oldest notices; whether there may be more.
    async fn make_messages(&self, now: Timestamp) -> Result<bool> {
        let records = &self.city.records;
        let notices = records.notices().waiting(NOTICES_MAX).await?;
        if notices.is_empty() {
            return Ok(false);
        }
        let subscriptions = records.subscriptions().active().await?;
        let cases: BTreeSet<String> = notices
            .iter()
            .filter(|notice| matches!(notice.news, News::Step(..)))
            .map(|notice| notice.object.clone())
            .collect();
        let followers = if self.city.outlet.mailer.is_some() {
            records.notices().followers(&cases.into_iter().collect::<Vec<_>>()).await?
        } else {
            BTreeMap::new()
        };
        let mut messages = Vec::new();
        for notice in &notices {
            let of_case = followers.get(&notice.object).map_or(&[][..], Vec::as_slice);
            messages.extend(self.city.messages(notice, &subscriptions, of_case, now));
        }
        let done: Vec<i64> = notices.iter().map(|notice| notice.id).collect();
        records.notices().settle(&done, &messages).await?;
        Ok(notices.len() == NOTICES_MAX as usize)
    }

    async fn note_and_go_on(&mut self, tried: Option<Tried>) -> Result<()> {
        if let Some(tried) = tried {
            self.note(tried).await?;
        }
        self.send_due(clock::now()).await
    }

    /// Writes down what became of a try.
    async fn note(&mut self, tried: Tried) -> Result<()> {
        let (row, now) = (tried.row, clock::now());
        let id = &row.made.id;
        if let Some(lane) = self.under_way.get_mut(lane(&row.made.to)) {
            lane.remove(id);
        }
        let deliveries = self.city.records.deliveries();
        if let Recipient::Program(id) = &row.made.to {
            self.city.records.ngsi_ld().tried(id, tried.outcome.is_ok(), now).await?;
        }
        let failure = match tried.outcome {
            Ok(()) => return deliveries.sent(id, now).await,
            Err(failure) => failure,
        };
        let tries = row.attempts + 1;
        let (fault, next_at) = match &failure {
            Failure::Later(fault) if tries < TRIES_MAX => {
                let wait = wait_ms(self.city.config.notify.retry_ms, tries, id);
                (fault, Some(now.plus_ms(wait)))
            }
            Failure::Later(fault) | Failure::Never(fault) | Failure::Gone(fault) => (fault, None),
        };
        tracing::info!(id, tries, fault, again = next_at.is_some(), "a message was not taken");
        deliveries.failed(id, fault, now, next_at).await?;
        if let (Failure::Gone(fault), Recipient::Subscription(id)) = (&failure, &row.made.to) {
            self.city.records.subscriptions().stop(id, fault, now).await?;
        }
        Ok(())
    }

    /// Sends what is due, as far as there is room.
    async fn send_due(&mut self, now: Timestamp) -> Result<()> {
        if self.tries.len() >= UNDER_WAY_MAX {
            return Ok(());
        }
        let records = &self.city.records;
        let each = u32::try_from(2 * UNDER_WAY_EACH_MAX).unwrap_or(u32::MAX);
        let mut lanes = records.deliveries().due(now, each).await?;
        lanes.sort_by_key(|rows| rows.first().map(|row| row.next_at));
        for row in lanes.into_iter().flatten() {
            let known = self.under_way.get(lane(&row.made.to));
            let full = known
                .is_some_and(|ids| ids.len() >= UNDER_WAY_EACH_MAX || ids.contains(&row.made.id));
            if full || self.tries.len() >= UNDER_WAY_MAX {
                continue;
            }
            let parcel = self.city.parcel(&row).await?;
            let under_way = self.under_way.entry(lane(&row.made.to).to_owned()).or_default();
            under_way.insert(row.made.id.clone());
            let told = self.hand_over(&row.made.id, parcel);
            self.tries.spawn(async move {
                let lost = |_gone| Err(Failure::Later("the program could not try".to_owned()));
                let outcome = told.await.unwrap_or_else(lost);
                Tried { row, outcome }
            });
        }
        Ok(())
    }

    /// Tries on a thread of its own: the end of the program does not wait for a slow receiver.
    fn hand_over(
        &self,
        id: &str,
        parcel: std::result::Result<Parcel, Failure>,
    ) -> oneshot::Receiver<std::result::Result<(), Failure>> {
        let (answer, told) = oneshot::channel();
        let (city, id) = (Arc::clone(&self.city), id.to_owned());
        let thread = std::thread::Builder::new().name("message".to_owned()).spawn(move || {
            let outcome = parcel.and_then(|parcel| city.hand_over(&id, &parcel));
            // Who asked may have gone.
            let _ = answer.send(outcome);
        });
        if let Err(error) = thread {
            tracing::error!(%error, "a message has no thread");
        }
        told
    }
}

async fn told_to_stop(stop: &mut Receiver<bool>) {
    // The sender gone means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The receiver as its messages are counted by.
fn lane(to: &Recipient) -> &str {
    match to {
        Recipient::Subscription(id) | Recipient::Program(id) => id,
        Recipient::Reporter(_) => "",
    }
}

/// How long to wait after so many tries: three times as long each time, give or take a fifth.
fn wait_ms(first_ms: i64, tries: u32, id: &str) -> i64 {
    let wait = first_ms.saturating_mul(3_i64.saturating_pow(tries.saturating_sub(1)));
    let wait = wait.min(WAIT_MAX_MS);
    let lot = hash_token(&format!("{id}{tries}"));
    let lot = i64::from_str_radix(&lot[..4], 16).unwrap_or(0);
    wait * 4 / 5 + wait * 2 / 5 * lot / 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_threefold_to_six_hours_and_differ_between_messages() {
        for tries in 1..TRIES_MAX {
            let middle = (10_000 * 3_i64.pow(tries - 1)).min(WAIT_MAX_MS);
            let waits = ["msg_a", "msg_b", "msg_c"].map(|id| wait_ms(10_000, tries, id));
            for wait in waits {
                assert!((middle * 4 / 5..=middle * 6 / 5).contains(&wait), "{tries}: {wait}");
            }
            assert!(waits[0] != waits[1] || waits[1] != waits[2], "{waits:?}");
            assert_eq!(waits[0], wait_ms(10_000, tries, "msg_a"), "the same each time");
        }
        assert!(wait_ms(i64::MAX, u32::MAX, "x") <= WAIT_MAX_MS * 6 / 5);
    }
}
