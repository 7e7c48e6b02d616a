//! How many warnings an operator had to take in, against the figures of ISA-18.2 / IEC 62682 and
//! EEMUA 191: what a person can answer for. What is counted is what is shown to people, which here
//! are warnings 预警; alarms 报警 of single streams are not.

use chengmai_model::Timestamp;
use chengmai_model::time::{HOUR_MS, MINUTE_MS};

/// Very likely acceptable: warnings an operator and hour on average (150 a day).
pub const PER_HOUR_GOAL: f64 = 6.0;
/// Maximum manageable: warnings an operator and hour on average (300 a day).
pub const PER_HOUR_MAX: f64 = 12.0;
/// More than this in one slot is a flood.
pub const FLOOD_PER_SLOT: u32 = 10;
/// Length of a slot, in milliseconds.
pub const SLOT_MS: i64 = 10 * MINUTE_MS;
/// Largest share of the time that may be flood.
pub const FLOOD_SHARE_MAX: f64 = 0.01;

/// What one operator had to take in.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Warnings in all.
    pub warnings: u64,
    /// On average, in an hour.
    pub per_hour: f64,
    /// Most in any slot of ten minutes.
    pub slot_peak: u32,
    /// Share of the time, 0 to 1, in slots with more than [`FLOOD_PER_SLOT`].
    pub flood_share: f64,
}

impl Load {
    /// Of warnings at these times (in any order), between two moments.
    pub(super) fn of(mut ats: Vec<i64>, from: Timestamp, to: Timestamp) -> Self {
        ats.sort_unstable();
        let slot = |at: i64| (at - from.0).div_euclid(SLOT_MS);
        let (mut peak, mut floods) = (0_usize, 0_u32);
        for run in ats.chunk_by(|a, b| slot(*a) == slot(*b)) {
            peak = peak.max(run.len());
            floods += u32::from(run.len() > FLOOD_PER_SLOT as usize);
        }
        let span = to.since(from).max(SLOT_MS);
        #[expect(clippy::cast_precision_loss, reason = "counts and spans far below 2^53")]
        let (count, hours, slots) =
            (ats.len() as f64, span as f64 / HOUR_MS as f64, (span / SLOT_MS).max(1) as f64);
        Self {
            warnings: ats.len() as u64,
            per_hour: count / hours,
            slot_peak: u32::try_from(peak).unwrap_or(u32::MAX),
            flood_share: (f64::from(floods) / slots).min(1.0),
        }
    }

    /// Above what a person can manage, on average or in bursts.
    pub fn floods(&self) -> bool {
        self.per_hour > PER_HOUR_MAX || self.flood_share > FLOOD_SHARE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Timestamp = Timestamp(24 * HOUR_MS);

    fn load(minutes: impl IntoIterator<Item = i64>) -> Load {
        Load::of(minutes.into_iter().map(|m| m * MINUTE_MS).collect(), Timestamp(0), DAY)
    }

    #[test]
    fn twelve_an_hour_all_day_is_the_most_a_person_manages() {
        let most = load((0..24 * 12).map(|n| n * 5));
        assert_eq!((most.per_hour, most.slot_peak, most.floods()), (12.0, 2, false));
        let over = load((0..24 * 15).map(|n| n * 4));
        assert!(over.floods(), "{over:?}");
    }

    #[test]
    fn eleven_in_ten_minutes_is_a_flood_and_two_such_slots_a_day_are_too_many() {
        let burst = |at: i64| (0..11).map(move |n| at + n * 10 / 11);
        let one = load(burst(0));
        assert_eq!((one.slot_peak, one.flood_share), (11, 1.0 / 144.0));
        assert!(!one.floods(), "{one:?}");
        let two = load(burst(0).chain(burst(600)));
        assert!(two.floods(), "{two:?}");
        assert!(!load((0..10).chain(600..610)).floods(), "ten are not a flood");
    }
}
