//! What the city counts: every reading taken and every refusal by its named reason. Nothing is
//! dropped without standing here; `/metrics` and `/api/v1/system` show all of it.

use std::sync::atomic::{AtomicU64, Ordering};

use chengmai_model::error::{ALL, ErrorCode};

/// Counters shared by all listeners. Relaxed order is enough: each number stands alone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Readings acknowledged as on disk.
    pub(crate) accepted: AtomicU64,
    /// Readings of bodies that came a second time: acknowledged, not counted again.
    pub(crate) repeated: AtomicU64,
    /// Journal commits (one fdatasync each).
    pub(crate) commits: AtomicU64,
    /// Nanoseconds spent in commits.
    pub(crate) commit_ns: AtomicU64,
    /// Readings folded by the engine.
    pub(crate) applied: AtomicU64,
    /// Nanoseconds the engine spent on them.
    pub(crate) apply_ns: AtomicU64,
    /// Ticks done.
    pub(crate) ticks: AtomicU64,
    /// Nanoseconds spent in ticks.
    pub(crate) tick_ns: AtomicU64,
    /// The longest that marking a snapshot held up the engine, in nanoseconds.
    pub(crate) freeze_ns: AtomicU64,
    /// Snapshots written.
    pub(crate) snapshots: AtomicU64,
    /// Windows closed.
    pub(crate) windows: AtomicU64,
    /// Alarms raised 报警.
    pub(crate) alarms: AtomicU64,
    /// Warnings raised 预警.
    pub(crate) warnings: AtomicU64,
    /// Rows of the history that were merged.
    pub(crate) merged: AtomicU64,
    /// Rows of the history that were deleted, having been kept long enough.
    pub(crate) expired: AtomicU64,
    /// Bytes that this freed.
    pub(crate) expired_bytes: AtomicU64,
    /// Photos removed because no step named them within a day.
    pub(crate) photos_removed: AtomicU64,
    /// Bytes of the journal on disk.
    pub(crate) journal_bytes: AtomicU64,
    /// Looks at the journal that the copy kept elsewhere could not follow.
    pub(crate) keep_failures: AtomicU64,
    refused: Refused,
}

#[derive(Debug)]
struct Refused([AtomicU64; ALL.len()]);

impl Default for Refused {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// Counts `n` refusals for one reason.
    pub(crate) fn refuse(&self, code: &ErrorCode, n: u64) {
        if let Some(index) = ALL.iter().position(|e| e.number == code.number) {
            self.refused.0[index].fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Every reason with its count, zeros included.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static ErrorCode, u64)> {
        ALL.iter().zip(&self.refused.0).map(|(code, n)| (code, n.load(Ordering::Relaxed)))
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
