//! How often one sender may do something that anybody may: a bucket of tokens for each, in memory.
//!
//! Not here: who is signed in (`access`) and how much work waits (`admission`). Invariant: the
//! buckets take bounded room; when it is full those that are full again are forgotten first.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use chengmai_model::error::ErrorCode;
use chengmai_model::{Timestamp, error};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::problem::{Answer, Problem};

/// Senders remembered at once.
const SENDERS_MAX: usize = 20_000;

/// Buckets of one kind of deed.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// How many at once.
    burst: f64,
    /// Milliseconds until one more is allowed.
    refill_ms: f64,
    /// What is said to one who did it too often.
    code: &'static ErrorCode,
    buckets: Mutex<HashMap<String, (f64, Timestamp), foldhash::fast::RandomState>>,
}

impl Limiter {
    pub(crate) fn new(burst: u32, refill_ms: u32) -> Self {
        let buckets = Mutex::new(HashMap::default());
        let code = &error::TOO_MANY_REPORTS;
        Self { burst: f64::from(burst), refill_ms: f64::from(refill_ms), code, buckets }
    }

    /// The same, with another thing to say.
    pub(crate) const fn saying(mut self, code: &'static ErrorCode) -> Self {
        self.code = code;
        self
    }

    /// Whether the sender could do it now; takes nothing.
    pub(crate) fn check(&self, sender: &str, now: Timestamp) -> Answer<()> {
        let tokens = self.buckets.lock().get(sender).map_or(self.burst, |&(tokens, at)| {
            tokens + now.since(at).max(0) as f64 / self.refill_ms
        });
        if tokens < 1.0 { Err(Problem::new(self.code, "")) } else { Ok(()) }
    }

    /// Forgets what a sender did.
    pub(crate) fn forget(&self, sender: &str) {
        self.buckets.lock().remove(sender);
    }

    /// Goes on when the sender has not done it too often.
    pub(crate) fn take(&self, sender: &str, now: Timestamp) -> Answer<()> {
        let mut buckets = self.buckets.lock();
        let filled = |&(tokens, at): &(f64, Timestamp)| {
            (tokens + now.since(at).max(0) as f64 / self.refill_ms).min(self.burst)
        };
        if buckets.len() >= SENDERS_MAX && !buckets.contains_key(sender) {
            buckets.retain(|_, bucket| filled(bucket) < self.burst);
            if buckets.len() >= SENDERS_MAX {
                return Err(Problem::new(self.code, ""));
            }
        }
        let tokens = buckets.get(sender).map_or(self.burst, filled);
        if tokens < 1.0 {
            return Err(Problem::new(self.code, ""));
        }
        buckets.insert(sender.to_owned(), (tokens - 1.0, now));
        Ok(())
    }
}

/// Where a request comes from. A proxy on this machine is asked whom it speaks for; what anybody else
/// claims is not believed.
pub(crate) fn sender(parts: &Parts) -> String {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let told = parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let told = told.and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    match peer {
        Some(peer) if peer.is_loopback() => told.unwrap_or(peer).to_string(),
        Some(peer) => peer.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_may_do_a_few_at_once_and_then_one_after_the_other() {
        let rate = Limiter::new(2, 1_000);
        let may = |sender: &str, ms| rate.take(sender, Timestamp(ms)).is_ok();
        assert!(may("a", 0) && may("a", 0) && !may("a", 0));
        assert!(may("b", 0));
        assert!(!may("a", 999));
        assert!(may("a", 1_000) && !may("a", 1_000));
        assert!(may("a", 60_000) && may("a", 60_000) && !may("a", 60_000));
    }

    #[test]
    fn looking_takes_nothing_and_what_is_forgotten_begins_anew() {
        let rate = Limiter::new(1, 1_000).saying(&error::LOCKED);
        assert!(rate.check("a", Timestamp(0)).is_ok() && rate.check("a", Timestamp(0)).is_ok());
        assert!(rate.take("a", Timestamp(0)).is_ok());
        assert_eq!(rate.check("a", Timestamp(0)).unwrap_err().code.name, "locked");
        rate.forget("a");
        assert!(rate.take("a", Timestamp(0)).is_ok());
    }

    #[test]
    fn a_flood_of_senders_takes_bounded_room() {
        let rate = Limiter::new(1, 1_000);
        let taken =
            (0..SENDERS_MAX + 10).filter(|n| rate.take(&n.to_string(), Timestamp(0)).is_ok());
        assert_eq!(taken.count(), SENDERS_MAX);
        assert!(rate.take("later", Timestamp(1_000)).is_ok());
    }
}
