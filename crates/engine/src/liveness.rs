//! The expiry wheel: which streams must be looked at again, and when. A stream stands in at most one
//! bucket that counts (its facts say which; entries elsewhere are left over and skipped). A reading
//! does not move it: when the bucket comes up and the stream has reported since, it is put where it
//! belongs now. So a reading costs nothing, and a silence O(1) amortised.

use std::collections::BTreeMap;

/// Streams by the second in which to look at them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wheel {
    buckets: BTreeMap<u32, Vec<u32>>,
}

impl Wheel {
    pub(crate) fn put(&mut self, due_s: u32, stream: u32) {
        self.buckets.entry(due_s).or_default().push(stream);
    }

    /// The earliest second in which anything is due.
    pub(crate) fn next_due(&self) -> Option<u32> {
        self.buckets.keys().next().copied()
    }

    /// Takes all entries due by `now_s` as (stream, second), in order of stream, so that the order
    /// does not depend on how they came here.
    pub(crate) fn take_due(&mut self, now_s: u32) -> Vec<(u32, u32)> {
        let later = match now_s.checked_add(1) {
            Some(next) => self.buckets.split_off(&next),
            None => BTreeMap::new(),
        };
        let due = std::mem::replace(&mut self.buckets, later);
        let entries = due
            .into_iter()
            .flat_map(|(second, streams)| streams.into_iter().map(move |stream| (stream, second)));
        let mut entries: Vec<(u32, u32)> = entries.collect();
        entries.sort_unstable();
        entries
    }
}

/// Seconds to wait so that at least `ms` have passed.
pub(crate) fn seconds_up(ms: i64) -> u32 {
    u32::try_from(ms.saturating_add(999) / 1_000).unwrap_or(u32::MAX).max(1)
}
