//! Alerts from outside 外来预警: what others say becomes levels of devices, and so readings that the rule of a
//! pack judges like any others.
//!
//! What it is not: it believes nothing and decides nothing: a duty officer answers the warning. A signature
//! of the sender is not verified; who may send is told by the account. Invariants: a message has an effect
//! in the area that its account speaks for, and nowhere else; what is on record reaches the journal, if not
//! now then at the next look; an exercise has devices of its own, so it ends nothing that is real.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use chengmai_model::geometry::{Ring, Shape};
use chengmai_model::{AreaCode, AreaId, AreaPath, Reading, Tier, Timestamp, error};
use chengmai_store::records::outside::{Level, NewOutside, Taken};
use chengmai_wire::cap::{Kind, Received, ReceivedArea, ReceivedInfo};
use chengmai_wire::devices::DeviceRow;
use sha2::{Digest as _, Sha256};

use super::City;
use crate::accounts::hex;
use crate::clock;
use crate::http::problem::{Answer, Problem};

/// The kind of reading that a level is.
const KIND: &str = "outside_alert";
/// How often is looked for what expired, and for what was not told yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most areas that one message may name.
const AREAS_MAX: usize = 500;
/// Most characters of a device's title.
const TITLE_LEN_MAX: usize = 120;
/// Kilometres of a degree of latitude.
const KM_A_DEGREE: f64 = 111.195;

/// Looks again and again, as long as the city is there.
pub(super) async fn watch(city: Weak<City>) {
    loop {
        let Some(now) = city.upgrade() else { return };
        // A city that takes no readings has said so itself; the rest is tried again a second later.
        let _ = now.look_outside().await;
        drop(now);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl City {
    async fn look_outside(&self) -> Answer<()> {
        self.records.outside().expire(clock::now()).await?;
        self.tell_levels().await
    }

    /// Takes a message for the area that an account speaks for: what became of it, and the levels that it
    /// gave.
    ///
    /// # Errors
    /// `ALERT_AREA`, `ALERT_REFERENCE`, `STOPPED`.
    pub(crate) async fn take_outside(
        &self,
        by: &str,
        scope: AreaId,
        message: &Received,
        body: &str,
    ) -> Answer<(Taken, Vec<Level>)> {
        let now = clock::now();
        let is_cancel = message.kind == Kind::Cancel;
        let levels = if is_cancel { Vec::new() } else { self.levels(scope, message, now)? };
        let sender = &message.source.sender;
        // What somebody else sent is not this sender's to replace.
        let own = message.references.iter().filter(|reference| reference.sender == *sender);
        let new = NewOutside {
            sender: sender.clone(),
            identifier: message.source.identifier.clone(),
            sent: message.sent,
            taken_at: now,
            made_by: by.to_owned(),
            area: AreaPath::of(&self.areas, scope),
            body: body.to_owned(),
            references: own.map(|reference| reference.identifier.clone()).collect(),
            is_cancel,
            levels: levels.clone(),
        };
        let taken = self.records.outside().take(&new).await?;
        if taken == Taken::Unknown {
            let names: Vec<&str> =
                message.references.iter().map(|one| one.identifier.as_str()).collect();
            return Err(Problem::new(&error::ALERT_REFERENCE, names.join(" ")));
        }
        self.tell_levels().await?;
        Ok((taken, levels))
    }

    /// Tells registry and journal what stands on record and was not told yet.
    pub(crate) async fn tell_levels(&self) -> Answer<()> {
        let levels = self.records.outside().untold().await?;
        if levels.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let mut readings = Vec::new();
        for level in &levels {
            let stream = {
                let mut registry = self.registry.write();
                registry.import(&device(level), AreaId::ROOT, now)?;
                let device = registry.find(&level.device);
                let kind = registry.kind_index(KIND);
                device.zip(kind).and_then(|(device, kind)| registry.stream_of(device, kind))
            };
            let value = f64::from(level.level);
            readings.extend(stream.map(|stream| Reading { stream, at: now, value }));
        }
        self.registrations_durable().await?;
        let durable = self.make_durable(readings).await;
        durable.map_err(|refusal| crate::api::readings::stopped(self, refusal))?;
        for level in &levels {
            self.records.outside().told(level).await?;
        }
        Ok(())
    }

    fn levels(&self, scope: AreaId, message: &Received, now: Timestamp) -> Answer<Vec<Level>> {
        let mut levels: BTreeMap<String, Level> = BTreeMap::new();
        for info in one_language(&message.infos) {
            let is_over = info.is_over || info.expires.is_some_and(|expires| expires <= now);
            for id in info.areas.iter().flat_map(|area| self.areas_of(area)) {
                if !self.areas.contains(scope, id) {
                    continue;
                }
                let level = Level {
                    device: self.outside_device(id, message, info),
                    title: title(message, info),
                    area: AreaPath::of(&self.areas, id),
                    level: if is_over { 0 } else { info.severity.number() },
                    until: info.expires,
                    is_real: message.is_real,
                };
                // Of two that say something of one thing, the worse.
                let known = levels.get(&level.device).map_or(0, |known| known.level);
                if level.level >= known {
                    levels.insert(level.device.clone(), level);
                }
            }
        }
        if levels.is_empty() || levels.len() > AREAS_MAX {
            let detail = format!("{} areas, at least 1 and at most {AREAS_MAX}", levels.len());
            return Err(Problem::new(&error::ALERT_AREA, detail));
        }
        Ok(levels.into_values().collect())
    }

    /// The device of a sender's event in an area.
    fn outside_device(&self, area: AreaId, message: &Received, info: &ReceivedInfo) -> String {
        let sort = if message.is_real { "" } else { "test" };
        let parts = [message.source.sender.as_str(), &info.event, sort];
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let code = &self.areas.get(area).row.code;
        format!("cap:{code}:{}", hex(&digest.finalize()[..4]))
    }

    /// The areas of the city that a message means: those whose code it names; else the districts whose
    /// centre lies within its shapes; else the smallest area that holds them.
    fn areas_of(&self, area: &ReceivedArea) -> Vec<AreaId> {
        let mut found: Vec<AreaId> =
            area.codes.iter().filter_map(|code| self.area_by_any_code(code)).collect();
        if found.is_empty() {
            for ring in &area.polygons {
                let shape = Shape { polygons: vec![vec![ring.clone()]] };
                found.extend(self.areas_within(ring, |point| shape.contains(point)));
            }
            for &(middle, km) in &area.circles {
                let ring = around(middle, km);
                found.extend(self.areas_within(&ring, |point| distance_km(middle, point) <= km));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Codes of statistics are filled up with zeros: 500103000000 is 500103.
    fn area_by_any_code(&self, code: &str) -> Option<AreaId> {
        let shortest = code.trim_end_matches('0').len().max(1);
        let mut lengths = (shortest..=code.len()).filter(|&end| code.is_char_boundary(end));
        // The whole code first: it may end in a zero itself.
        self.areas
            .find(code)
            .or_else(|| lengths.find_map(|end| self.areas.find_current(&code[..end])))
    }

    fn areas_within(&self, ring: &Ring, holds: impl Fn([f64; 2]) -> bool) -> Vec<AreaId> {
        let districts = self.areas.iter().filter(|(_, area)| area.row.tier == Tier::District);
        let within = districts.filter(|(_, area)| area.row.center.is_some_and(&holds));
        let within: Vec<AreaId> = within.map(|(id, _)| id).collect();
        if !within.is_empty() {
            return within;
        }
        let mut common: Option<Vec<AreaId>> = None;
        for place in ring.iter().filter_map(|&point| self.areas.locate(point)) {
            let path = self.areas.path(place);
            common = Some(match common {
                None => path,
                Some(known) => known
                    .into_iter()
                    .zip(path)
                    .take_while(|(a, b)| a == b)
                    .map(|(a, _)| a)
                    .collect(),
            });
        }
        common.and_then(|path| path.last().copied()).into_iter().collect()
    }
}

/// What is said in Chinese, or else in the first language: the same thing in another one is not told twice.
fn one_language(infos: &[ReceivedInfo]) -> impl Iterator<Item = &ReceivedInfo> {
    let is_chinese = |info: &&ReceivedInfo| info.language.to_ascii_lowercase().starts_with("zh");
    let chosen = infos.iter().find(is_chinese).or(infos.first());
    let language = chosen.map(|info| info.language.clone()).unwrap_or_default();
    infos.iter().filter(move |info| info.language == language)
}

fn title(message: &Received, info: &ReceivedInfo) -> String {
    let headline = info.headline.as_ref().unwrap_or(&info.event);
    let title = format!("{headline} · {}", message.source.sender);
    title.chars().filter(|c| !c.is_control()).take(TITLE_LEN_MAX).collect()
}

fn device(level: &Level) -> DeviceRow {
    DeviceRow {
        line: 0,
        id: level.device.clone(),
        kinds: vec![KIND.to_owned()],
        title: Some(level.title.clone()),
        area: AreaCode::new(level.area.code()),
        position: None,
        agency: None,
        period_ms: 0,
        simulated: !level.is_real,
    }
}

/// The middle of a circle and its ends in the four directions.
fn around([longitude, latitude]: [f64; 2], km: f64) -> Ring {
    let north = km / KM_A_DEGREE;
    let east = north / latitude.to_radians().cos().max(0.01);
    vec![
        [longitude, latitude],
        [longitude, latitude + north],
        [longitude + east, latitude],
        [longitude, latitude - north],
        [longitude - east, latitude],
    ]
}

/// On the ground, near enough for alerts.
fn distance_km(a: [f64; 2], b: [f64; 2]) -> f64 {
    let middle = f64::midpoint(a[1], b[1]).to_radians();
    KM_A_DEGREE * ((a[0] - b[0]) * middle.cos()).hypot(a[1] - b[1])
}
