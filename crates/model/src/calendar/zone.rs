//! A time zone as a list of moments at which its clocks are put forward or back, and what the wall
//! shows before and after. Made once from the zone's rules for the years 2000 to 2099; earlier and
//! later its clocks are taken to stay as they are at that end.
//!
//! Invariant: [`Zone::instant`] never goes back when the wall's time goes on.

use jiff::Timestamp as Moment;
use jiff::tz::TimeZone;

use crate::time::DAY_MS;

/// 2000-01-01 and 2100-01-01, UTC.
const FROM_MS: i64 = 946_684_800_000;
const UNTIL_MS: i64 = 4_102_444_800_000;

/// The clocks are changed at `at`; offsets are milliseconds east of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    at: i64,
    before: i64,
    after: i64,
}

impl Change {
    /// The stretch of wall time that is left out, or comes twice.
    pub(super) fn wall(self) -> (i64, i64) {
        let (one, other) = (self.at + self.before, self.at + self.after);
        (one.min(other), one.max(other))
    }

    /// How far the clocks are put forward; negative when they are put back.
    pub(super) fn forward(self) -> i64 {
        self.after - self.before
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zone {
    /// The offset before all changes.
    first: i64,
    changes: Vec<Change>,
}

impl Zone {
    pub(super) fn new(zone: &TimeZone) -> Self {
        let start = Moment::from_millisecond(FROM_MS).unwrap_or_default();
        let offset = |at: Moment| i64::from(zone.to_offset(at).seconds()) * 1000;
        let first = offset(start);
        let mut changes: Vec<Change> = Vec::new();
        for next in zone.following(start) {
            let at = next.timestamp().as_millisecond();
            if at >= UNTIL_MS {
                break;
            }
            let before = changes.last().map_or(first, |c| c.after);
            let after = offset(next.timestamp());
            // A change of the zone's name alone, as from one kind of summer time to another.
            if after != before {
                changes.push(Change { at, before, after });
            }
        }
        Self { first, changes }
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn offset(&self, at: i64) -> i64 {
        let passed = self.changes.partition_point(|c| c.at <= at);
        passed.checked_sub(1).map_or(self.first, |last| self.changes[last].after)
    }

    /// The moment the wall shows a time, in milliseconds since 1970-01-01T00:00 of the wall: the first
    /// one when it comes twice, and the moment of the change when it is left out.
    pub(super) fn instant(&self, wall: i64) -> i64 {
        let passed = self.changes.partition_point(|c| c.at + c.before <= wall);
        passed.checked_sub(1).map_or(wall - self.first, |last| {
            let change = self.changes[last];
            (wall - change.after).max(change.at)
        })
    }

    /// The day a moment belongs to, counted from 1970-01-01: the last one whose midnight has passed.
    pub(super) fn day(&self, at: i64) -> i64 {
        let mut day = (at + self.offset(at)).div_euclid(DAY_MS);
        // Only where clocks are put back over midnight does the wall name another day.
        while self.instant(day * DAY_MS) > at {
            day -= 1;
        }
        while self.instant((day + 1) * DAY_MS) <= at {
            day += 1;
        }
        day
    }
}
