//! What an operator warns of, as levels of devices: the way of alerts from outside (`city::outside`), with the
//! pack that judges those.
//!
//! A message has all alerts of its feed. They are one thread of the records: what it does not name any more is
//! over. Invariants: what stands ends by itself when the feed falls silent; a message without alerts that says
//! something else says nothing of them; information alone warns nobody.

use std::collections::BTreeMap;

use chengmai_model::time::MINUTE_MS;
use chengmai_model::{AreaId, AreaPath, Timestamp};
use chengmai_store::records::outside::{Level, NewOutside, Taken};
use chengmai_wire::gtfs_realtime::{Alert, Message};
use sha2::{Digest as _, Sha256};

use super::Source;
use crate::accounts::hex;
use crate::city::City;
use crate::http::problem::Answer;
use crate::ingest::transit::stop_name;

/// The message of a feed that the others go back to.
const FIRST: &str = "all";
/// How long an alert stands of which nothing is heard any more.
const SILENT_MS: i64 = 15 * MINUTE_MS;
/// How often it is written down that alerts still stand.
const RENEWED_MS: i64 = 5 * MINUTE_MS;
/// More places than that are the whole area of the feed.
const PLACES_MAX: usize = 20;
/// Most characters of a device's title.
const TITLE_LEN_MAX: usize = 120;

/// What stands of a feed.
#[derive(Debug, Default)]
pub(super) struct Standing {
    count: usize,
    /// Mark of what was told last, and when.
    told: Option<(String, Timestamp)>,
}

impl Standing {
    /// How many devices of alerts read more than 0.
    pub(super) const fn count(&self) -> usize {
        self.count
    }
}

impl City {
    /// Takes the alerts of a message; how many things stand.
    pub(super) async fn take_alerts(
        &self,
        by: &str,
        source: Source<'_>,
        area: AreaId,
        message: &Message,
        now: Timestamp,
    ) -> Answer<usize> {
        let says_other = !message.vehicles.is_empty() || !message.delays.is_empty();
        if message.differs || message.alerts.is_empty() && says_other {
            return Ok(self.transit_state(source.id).alerts);
        }
        let levels = self.transit_levels(source, area, message, now);
        let mark = mark(&levels);
        let is_told = {
            let feeds = self.transit.feeds.lock();
            let told = feeds.get(source.id).and_then(|heard| heard.alerts.told.clone());
            told.is_some_and(|(known, at)| {
                known == mark && (levels.is_empty() || now.since(at) < RENEWED_MS)
            })
        };
        let count = levels.len();
        if !is_told {
            self.tell_transit(by, source, area, levels, &mark, message, now).await?;
            let mut feeds = self.transit.feeds.lock();
            let heard = feeds.entry(source.id.to_owned()).or_default();
            heard.alerts = Standing { count, told: Some((mark, now)) };
        }
        Ok(count)
    }

    #[expect(clippy::too_many_arguments, reason = "one row of the records, put together here")]
    async fn tell_transit(
        &self,
        by: &str,
        source: Source<'_>,
        area: AreaId,
        levels: Vec<Level>,
        mark: &str,
        message: &Message,
        now: Timestamp,
    ) -> Answer<()> {
        let first = NewOutside {
            sender: format!("gtfs:{}", source.id),
            identifier: FIRST.to_owned(),
            sent: message.at.unwrap_or(now),
            taken_at: now,
            made_by: by.to_owned(),
            area: AreaPath::of(&self.areas, area),
            body: String::new(),
            references: Vec::new(),
            is_cancel: levels.is_empty(),
            levels,
        };
        // The first message of a feed; of later ones the first is what they go back to. Where nothing stands and
        // nothing ever stood, neither is kept.
        if self.records.outside().take(&first).await? == Taken::Known {
            let identifier = format!("{}-{}", &mark[..16.min(mark.len())], now.0);
            let references = vec![FIRST.to_owned()];
            self.records.outside().take(&NewOutside { identifier, references, ..first }).await?;
        }
        self.tell_levels().await
    }

    /// How bad it is where, by effect: of alerts that say the same of a place the worst.
    fn transit_levels(
        &self,
        source: Source<'_>,
        area: AreaId,
        message: &Message,
        now: Timestamp,
    ) -> Vec<Level> {
        let mut levels: BTreeMap<String, Level> = BTreeMap::new();
        for alert in message.alerts.iter().filter(|alert| alert.holds(now)) {
            // 1 is not said, 2 information.
            let level = match alert.severity {
                2 => continue,
                3 => 2,
                4 => 3,
                _ => 1,
            };
            for place in self.places_of(source.id, area, alert) {
                let code = &self.areas.get(place).row.code;
                let effect = alert.effect_word().replace(' ', "_");
                let device = format!("alert:{}:{code}:{effect}", source.id);
                if levels.get(&device).is_some_and(|known| known.level >= level) {
                    continue;
                }
                let level = Level {
                    device: device.clone(),
                    title: title(source, alert),
                    area: AreaPath::of(&self.areas, place),
                    level,
                    until: Some(now.plus_ms(SILENT_MS)),
                    is_real: true,
                };
                levels.insert(device, level);
            }
        }
        levels.into_values().collect()
    }

    /// Where an alert holds: at its stops, as far as they are known and in the area; else in all of it.
    fn places_of(&self, feed: &str, area: AreaId, alert: &Alert) -> Vec<AreaId> {
        if alert.is_wide || alert.stops.is_empty() {
            return vec![area];
        }
        let registry = self.registry.read();
        let place = |stop: &String| {
            let device = registry.find(&stop_name(feed, stop))?;
            Some(registry.device(device).area())
        };
        let mut places: Vec<AreaId> = alert.stops.iter().filter_map(place).collect();
        places.sort_unstable();
        places.dedup();
        if places.is_empty() || places.len() > PLACES_MAX {
            return vec![area];
        }
        places.retain(|&place| self.areas.contains(area, place));
        places
    }
}

fn title(source: Source<'_>, alert: &Alert) -> String {
    let heading = alert.heading().unwrap_or_else(|| alert.effect_word());
    let title = format!("{heading} · {}", source.name.unwrap_or(source.id));
    title.chars().filter(|c| !c.is_control()).take(TITLE_LEN_MAX).collect()
}

/// The same for levels that say the same; until when they hold is not part of it.
fn mark(levels: &[Level]) -> String {
    let mut digest = Sha256::new();
    for Level { device, title, level, .. } in levels {
        for part in [device.as_bytes(), &[0], title.as_bytes(), &[0, *level]] {
            digest.update(part);
        }
    }
    hex(&digest.finalize())
}
