//! A made-up past, so that charts and lists of a fresh demo city are not empty: a day of readings
//! and a week of cases.
//!
//! Pure data: who stores it, and that it is marked as simulated, is the caller's business.

use chengmai_model::Timestamp;
use chengmai_model::time::{DAY_MS, MINUTE_MS};

use crate::fleet::Fleet;
use crate::script::Script;

mod cases;

pub use cases::{PastCase, PastStep, past_cases};

/// How a past is paced: coarse at first, then as in live operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How far back it begins, in milliseconds.
    pub span_ms: i64,
    /// Time between readings of a device at first, in milliseconds; at least a minute.
    pub slow_ms: i64,
    /// Time between readings at the end, in milliseconds; at least a minute.
    pub fast_ms: i64,
    /// How long before the end the quick part begins, in milliseconds.
    pub fast_span_ms: i64,
}

impl Pace {
    /// A day: every ten minutes, in the last half hour every minute.
    pub const DAY: Self = Self {
        span_ms: DAY_MS,
        slow_ms: 10 * MINUTE_MS,
        fast_ms: MINUTE_MS,
        fast_span_ms: 30 * MINUTE_MS,
    };
}

/// One batch of the past: when it came in, and device index, time and value of each reading.
pub type PastSink<'a> = dyn FnMut(Timestamp, &[(usize, Timestamp, f64)]) + 'a;

/// Batches come in every so often.
const BATCH_MS: i64 = MINUTE_MS;

/// The readings of the day before `until`, in order of arrival. Every batch came in at a later time
/// than the one before it and holds readings of the minute before that.
pub fn past_day(fleet: &Fleet, until: Timestamp, sink: &mut PastSink<'_>) {
    past(fleet, until, Pace::DAY, sink);
}

/// As [`past_day`] at a pace of one's own.
pub fn past(fleet: &Fleet, until: Timestamp, pace: Pace, sink: &mut PastSink<'_>) {
    let script = Script::quiet();
    let quick_from = until.plus_ms(-pace.fast_span_ms.min(pace.span_ms));
    let mut batch = Vec::new();
    let mut slot = |from: Timestamp, period_ms: i64, turn: i64| {
        batch.clear();
        let slots = (period_ms / BATCH_MS).max(1);
        let part = usize::try_from(turn.rem_euclid(slots)).unwrap_or(0);
        let slots = usize::try_from(slots).unwrap_or(1);
        let share = fleet.devices().len() / slots + 1;
        // Every device has its place in the period by its index; milliseconds spread over the slot.
        for device in (part..fleet.devices().len()).step_by(slots) {
            let shift = i64::try_from(device / slots * 60_000 / share).unwrap_or(0);
            let at = from.plus_ms(shift);
            if let Some(value) = fleet.value(device, at, &script) {
                batch.push((device, at, value));
            }
        }
        sink(from.plus_ms(BATCH_MS), &batch);
    };
    let mut from = until.plus_ms(-pace.span_ms);
    while from.plus_ms(BATCH_MS) <= until {
        let period_ms = if from < quick_from { pace.slow_ms } else { pace.fast_ms };
        slot(from, period_ms, from.0.div_euclid(BATCH_MS));
        from = from.plus_ms(BATCH_MS);
    }
}
