//! Chattering: an alarm that comes and goes faster than anybody can look. Its off delay is lengthened
//! threefold, again and again if need be, so that it stands instead; after a calm time it goes back.

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::catalog::{CompiledRule, Delay};
use crate::limits::is_time;

/// Beginnings and ends that make chattering, if they come close enough (ISA-18.2).
const TURNS: usize = 3;
/// How many times the off delay grows with each step.
const GROWTH: u32 = 3;
/// Most steps: 27 times the rule's own delay.
const STEPS_MAX: u8 = 3;
/// An off delay by time is at least this before it grows, in milliseconds: a third of the minute that
/// ISA-18.2 suggests against chattering.
const DELAY_MS_MIN: i64 = 20_000;

/// The last turns of an alarm.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Turns {
    /// Newest last.
    at: [i64; TURNS],
    len: u8,
    /// How often the off delay was lengthened.
    steps: u8,
}

impl Turns {
    /// False for what no alarm can have left behind.
    pub(super) fn is_sound(&self) -> bool {
        usize::from(self.len) <= TURNS
            && self.steps <= STEPS_MAX
            && self.at.iter().all(|&at| is_time(at))
    }

    /// The alarm began or ended.
    pub(super) fn note(&mut self, moment: &Moment<'_>, rule: &CompiledRule) {
        if usize::from(self.len) == TURNS {
            self.at.rotate_left(1);
            self.len -= 1;
        }
        self.at[usize::from(self.len)] = moment.at.0;
        self.len += 1;
        let first = self.at[0];
        if usize::from(self.len) == TURNS
            && moment.at.0.saturating_sub(first) <= window(moment, rule)
        {
            self.steps = (self.steps + 1).min(STEPS_MAX);
            // The next step wants as many turns again.
            self.at[0] = moment.at.0;
            self.len = 1;
        }
    }

    /// The alarm does not stand: after a calm time nothing is remembered.
    pub(super) fn rest(&mut self, moment: &Moment<'_>, rule: &CompiledRule) {
        if self.over(moment, rule) {
            *self = Self::default();
        }
    }

    /// Nothing it remembers can matter any more.
    pub(super) fn over(&self, moment: &Moment<'_>, rule: &CompiledRule) -> bool {
        let Some(newest) = usize::from(self.len).checked_sub(1) else { return true };
        let calm = if self.steps == 0 { window(moment, rule) } else { moment.alarms.calm_ms };
        moment.at.0.saturating_sub(self.at[newest]) > calm
    }

    pub(super) fn chatters(&self) -> bool {
        self.steps > 0
    }

    /// The off delay as it is now.
    pub(super) fn lengthened(&self, off: Delay) -> Delay {
        if self.steps == 0 {
            return off;
        }
        let factor = GROWTH.pow(u32::from(self.steps));
        match off {
            Delay::Readings(count) => Delay::Readings(count.saturating_mul(factor)),
            Delay::TimeMs(ms) => {
                Delay::TimeMs(ms.max(DELAY_MS_MIN).saturating_mul(i64::from(factor)))
            }
        }
    }
}

/// Turns within this time are as fast as stream and rule allow, or faster than a person can look: a
/// stream that reports once in a while cannot turn three times in a minute, nor can a rule with delays.
fn window(moment: &Moment<'_>, rule: &CompiledRule) -> i64 {
    let period = i64::from(moment.period_ms);
    let delay = |delay| match delay {
        Delay::Readings(count) => i64::from(count.saturating_sub(1)).saturating_mul(period),
        Delay::TimeMs(ms) => ms,
    };
    let delays = delay(rule.on).saturating_add(delay(rule.off));
    moment.alarms.chatter_ms.max(period * 3).saturating_add(delays)
}
