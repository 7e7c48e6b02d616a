//! Feeds of GTFS-Realtime that a city listens to (`feeds.toml`).
//!
//! Not here: fetching them. Invariant: an address holds no name and no password, so it may be shown and logged.

use serde::{Deserialize, Serialize};

use crate::Text;
use crate::time::parse_duration_ms;

/// A feed of GTFS-Realtime (`[[feed]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitFeed {
    /// Unique over all packs, and part of the ids of its vehicles and stops: `eptc`.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// Where it is fetched; absent: it is sent to the city.
    #[serde(default)]
    pub url: Option<String>,
    /// How often it is fetched: `30s`.
    #[serde(default)]
    pub every: Option<String>,
    /// Code of the area it speaks for; absent: the whole city.
    #[serde(default)]
    pub area: Option<String>,
    /// Whose it is, and on which terms.
    pub source: String,
}

/// A key that holds what it cannot, what is wrong and how to mend it.
pub(super) type Wrong = (&'static str, Text, Text);

impl TransitFeed {
    /// How often a feed is fetched of which the pack does not say it. Our default.
    pub const EVERY: &str = "30s";
    /// It is fetched no more often than that.
    pub const EVERY_MS_MIN: i64 = 5_000;

    /// Time between two fetches in milliseconds.
    pub fn every_ms(&self) -> i64 {
        let every = self.every.as_deref().unwrap_or(Self::EVERY);
        parse_duration_ms(every).unwrap_or(0).max(Self::EVERY_MS_MIN)
    }

    pub(super) fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if let Some(url) = self.url.as_deref().filter(|url| !is_web_address(url)) {
            wrong.push((
                "url",
                Text::new(format!("`{url}` 不是网址"), format!("`{url}` is no web address")),
                Text::new(
                    "写 https://…，其中不含用户名和密码",
                    "write https://…, without a name and password in it",
                ),
            ));
        }
        let every = self.every.as_deref().and_then(parse_duration_ms);
        if every.is_some_and(|ms| ms < Self::EVERY_MS_MIN) {
            let every = self.every.as_deref().unwrap_or_default();
            let seconds = Self::EVERY_MS_MIN / 1_000;
            wrong.push((
                "every",
                Text::new(
                    format!("每 {every} 抓取一次太频繁"),
                    format!("fetching every {every} is too often"),
                ),
                Text::new(format!("至少 {seconds}s"), format!("{seconds}s or more")),
            ));
        }
        wrong
    }
}

fn is_web_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !host.contains('@')
    })
}
