//! Alarms for many connections at once: a wheel of slots, a slot a tick.
//!
//! What was heard in the meantime is not its business: an alarm says "look now", and whoever looks
//! sets the next one. So a message costs nothing here.

/// Milliseconds in a tick.
pub(super) const TICK_MS: u64 = 128;
/// Slots of the wheel; an alarm further ahead rings early and is set again.
const SLOTS: u32 = 1_024;

/// Ticks that last at least so long.
pub(super) fn ticks(duration: std::time::Duration) -> u32 {
    let ticks = duration.as_millis().div_ceil(u128::from(TICK_MS));
    u32::try_from(ticks).unwrap_or(u32::MAX / 2)
}

/// The wheel. Alarms carry a place and the serial number of who stood there when it was set.
#[derive(Debug)]
pub(super) struct Alarms {
    slots: Vec<Vec<(u32, u32)>>,
    /// The next tick to ring.
    next: u32,
}

impl Alarms {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), next: 0 }
    }

    /// Rings for that place at that tick, or earlier; says when.
    pub(super) fn set(&mut self, place: u32, serial: u32, tick: u32) -> u32 {
        let tick = tick.clamp(self.next, self.next + SLOTS - 1);
        self.slots[(tick % SLOTS) as usize].push((place, serial));
        tick
    }

    /// Everything that is due by `now`, with the tick it was set for.
    pub(super) fn due(&mut self, now: u32) -> Vec<(u32, u32, u32)> {
        let mut due = Vec::new();
        while self.next <= now {
            let tick = self.next;
            let slot = &mut self.slots[(tick % SLOTS) as usize];
            due.extend(slot.drain(..).map(|(place, serial)| (place, serial, tick)));
            self.next += 1;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_rings_once_and_never_late() {
        let mut alarms = Alarms::new();
        assert_eq!(alarms.set(1, 10, 3), 3);
        assert_eq!(alarms.set(2, 20, 0), 0);
        assert_eq!(alarms.set(3, 30, 5_000), 1_023, "as far ahead as the wheel goes");
        assert_eq!(alarms.due(2), [(2, 20, 0)]);
        assert_eq!(alarms.due(3), [(1, 10, 3)]);
        assert_eq!(alarms.due(1_022), []);
        assert_eq!(alarms.set(4, 40, 7), 1_023, "the past rings next");
        assert_eq!(alarms.due(2_000), [(3, 30, 1_023), (4, 40, 1_023)]);
    }
}
