//! What the engine keeps of each stream: 32 bytes that every reading touches, and apart from them
//! what is only needed now and then.

use chengmai_model::{DeviceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::SLOPE_READINGS_MAX;

/// Needs a wake-up call at its next reading: not online, or not in the expiry wheel.
pub(crate) const ASLEEP: u16 = 1;
/// Some rule remembers something about it.
pub(crate) const PENDING: u16 = 2;
/// Its value has not changed for too long.
pub(crate) const STUCK: u16 = 4;
/// Its last reading lay outside the kind's range.
pub(crate) const OUT_OF_RANGE: u16 = 8;
/// Any of these sends the next reading the long way.
pub(crate) const SPECIAL: u16 = ASLEEP | PENDING | STUCK | OUT_OF_RANGE;
/// It has reported within the time allowed.
pub(crate) const ONLINE: u16 = 16;
/// It stands in the expiry wheel.
pub(crate) const SCHEDULED: u16 = 32;

/// Time of a stream that never reported.
pub(crate) const NEVER: i64 = i64::MIN;

/// The hot part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// Event time of the newest reading.
    pub(crate) last_at: i64,
    /// Its value.
    pub(crate) last_value: f64,
    /// When anything last came in, in seconds.
    pub(crate) seen_s: u32,
    /// Event time since when the value has been the same, in seconds.
    pub(crate) changed_s: u32,
    /// Node in the tree of its kind.
    pub(crate) node: u32,
    pub(crate) kind: u16,
    pub(crate) flags: u16,
}

const _: () = assert!(size_of::<Stream>() == 32, "two streams share a cache line");

impl Stream {
    pub(crate) fn new(kind: u16, node: u32) -> Self {
        Self { last_at: NEVER, last_value: 0.0, seen_s: 0, changed_s: 0, node, kind, flags: ASLEEP }
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn set(&mut self, flag: u16, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// True once it has reported.
    pub(crate) fn reported(&self) -> bool {
        self.last_at != NEVER
    }

    /// How long the value had been the same at its last reading, in milliseconds.
    pub(crate) fn stuck_ms(&self) -> i64 {
        i64::from(seconds(self.last_at).saturating_sub(self.changed_s)) * 1_000
    }

    /// How long nothing has come in, in milliseconds.
    pub(crate) fn silent_ms(&self, now: Timestamp) -> i64 {
        (now.0 - i64::from(self.seen_s) * 1_000).max(0)
    }
}

/// Whole seconds of a time, from 1970 to 2106.
#[inline]
pub(crate) fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.max(0) / 1_000).unwrap_or(u32::MAX)
}

/// The cold part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamFacts {
    pub(crate) device: DeviceId,
    pub(crate) period_ms: u32,
    /// Bucket of the expiry wheel it stands in, while [`SCHEDULED`].
    pub(crate) due_s: u32,
}

/// The last readings of a stream, thinned so that they span the longest slope asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ring {
    readings: Vec<(i64, f64)>,
}

impl Ring {
    /// Adds a reading later than all others. `span_ms` is the longest slope asked for.
    pub(crate) fn push(&mut self, at: i64, value: f64, span_ms: i64) {
        let room = i64::try_from(SLOPE_READINGS_MAX - 1).expect("a small number");
        let close = span_ms / room;
        // The last but one decides, so that the newest reading always stays.
        if let [.., before, newest] = self.readings.as_mut_slice()
            && newest.0 - before.0 < close
        {
            *newest = (at, value);
        } else {
            if self.readings.len() == SLOPE_READINGS_MAX {
                self.readings.remove(0);
            }
            self.readings.push((at, value));
        }
    }

    /// Least-squares slope per minute over the readings of the last `span_ms` before `now`; NaN
    /// with fewer than two.
    pub(crate) fn slope(&self, now: i64, span_ms: i64) -> f64 {
        let inside = || self.readings.iter().filter(|(at, _)| now - at <= span_ms && *at <= now);
        let minutes = |at: i64| {
            #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
            let ms = (at - now) as f64;
            ms / 60_000.0
        };
        let mut sums = (0.0, 0.0, 0.0);
        for &(at, value) in inside() {
            sums = (sums.0 + 1.0, sums.1 + minutes(at), sums.2 + value);
        }
        let (mean_time, mean_value) = (sums.1 / sums.0, sums.2 / sums.0);
        let mut products = (0.0, 0.0);
        for &(at, value) in inside() {
            let (x, y) = (minutes(at) - mean_time, value - mean_value);
            products = (products.0 + x * y, products.1 + x * x);
        }
        if products.1 > 0.0 { products.0 / products.1 } else { f64::NAN }
    }
}
