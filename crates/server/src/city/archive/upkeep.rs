//! Looking after the history's files, behind everything else: small ones are merged, days that are over
//! are summed up to minutes, hours and days, and what has been kept long enough is deleted. Each step
//! is bounded, so stopping never waits long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chengmai_history::{Compactor, Error, Expired, Keep, Keeps, Place, Places};
use chengmai_model::pack::{self, Pack};
use chengmai_model::{StreamId, Tier};
use hashbrown::HashMap;

use super::Names;
use crate::city::counters::Counters;

/// How long it rests when there was nothing to do, or something more urgent.
const REST: Duration = Duration::from_secs(10);
/// How often it looks for what has been kept long enough; also once at the start.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);
/// From so many small files on they are merged even while readings come in faster than usual.
const FRESH_FILES_MAX: usize = 200;

/// How long readings of each kind are kept, as the packs say.
#[derive(Debug, Default)]
pub(crate) struct KindKeeps {
    kinds: HashMap<String, Keep>,
}

impl KindKeeps {
    pub(crate) fn of(packs: &[Pack]) -> Self {
        let kinds = packs.iter().flat_map(|pack| &pack.kinds);
        Self { kinds: kinds.map(|kind| (kind.id.clone(), keep(&kind.keep))).collect() }
    }
}

impl Keeps for KindKeeps {
    fn keep(&self, kind: &str) -> Keep {
        self.kinds.get(kind).copied().unwrap_or_else(|| keep(&pack::Keep::default()))
    }
}

fn keep(keep: &pack::Keep) -> Keep {
    let [raw, rungs @ ..] = keep.durations_ms();
    Keep { raw, rungs }
}

/// What the thread owns.
pub(super) struct Upkeep {
    pub(super) compactor: Compactor,
    pub(super) names: Names,
    pub(super) keeps: Arc<KindKeeps>,
    pub(super) counters: Arc<Counters>,
    /// Set while readings fill the memory faster than the clock asks for a flush.
    pub(super) loaded: Arc<AtomicBool>,
}

impl Upkeep {
    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        let (mut rest, mut next_expiry) = (Duration::ZERO, Instant::now());
        while stopped.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
            rest = REST;
            let urgent = self.compactor.fresh_files() > FRESH_FILES_MAX;
            if self.loaded.load(Ordering::Relaxed) && !urgent {
                continue;
            }
            match self.step(&mut next_expiry) {
                Ok(true) => rest = Duration::ZERO,
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "files of the history stay as they are"),
            }
        }
    }

    /// One step of whatever is to be done; false when there is nothing.
    fn step(&mut self, next_expiry: &mut Instant) -> Result<bool, Error> {
        let now = crate::clock::now().0;
        if self.compactor.settle_step(&self.names)?.is_some() {
            return Ok(true);
        }
        if let Some(done) = self.compactor.step(now, &self.names)? {
            self.counters.merged.fetch_add(done.rows, Ordering::Relaxed);
            return Ok(true);
        }
        if self.compactor.sum_step(now, &self.names)?.is_some() {
            return Ok(true);
        }
        if Instant::now() < *next_expiry {
            return Ok(false);
        }
        if let Some(expired) = self.compactor.expire_step(now, &*self.keeps, &self.names)? {
            self.count(expired);
            return Ok(true);
        }
        *next_expiry = Instant::now() + EXPIRE_EVERY;
        Ok(false)
    }

    fn count(&self, Expired { files, rows, bytes }: Expired) {
        tracing::info!(files, rows, bytes, "history that was kept long enough is deleted");
        self.counters.expired.fetch_add(rows, Ordering::Relaxed);
        self.counters.expired_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Places for Names {
    fn place(&self, area: &str) -> Option<Place> {
        let area = self.areas.find(area)?;
        let district = self.areas.at_tier(area, Tier::District).unwrap_or(area);
        let district = self.areas.get(district).row.code.as_str().to_owned();
        // Within a town by stream, so that a device's rows lie where the bounds of pages find them.
        let town = self.areas.at_tier(area, Tier::Town).unwrap_or(area);
        Some(Place { district, order: town.0 })
    }

    fn stream(&self, device: &str, kind: &str) -> Option<StreamId> {
        let registry = self.registry.read();
        registry.stream_of(registry.find(device)?, registry.kind_index(kind)?)
    }
}
