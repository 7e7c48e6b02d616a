//! Levels of an indicator: enter, leave with hysteresis, hold; and the warning a level raises.

use chengmai_model::pack::{Better, Levels};
use chengmai_model::warning::{Subject, WarningChange, WarningId, WarningStep};
use chengmai_model::{AreaId, Timestamp};

use super::Inputs;
use crate::catalog::IndicatorDef;
use crate::event::Event;
use crate::limits::is_time;
use crate::pages::Plain;
use crate::warning::{area_code, identity, severity};

/// Where an indicator stands over one area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LevelState {
    /// 0 none to 4 extreme.
    pub(super) severity: u8,
    /// The level that is waiting to count, and since when.
    waiting: Option<(u8, i64)>,
    /// The warning that stands.
    warning: Option<(WarningId, u8)>,
    /// Window in which a warning was last raised: at most one a window.
    raised_in: i64,
}

/// Which indicator, which rule, which area.
pub(super) struct Place<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) indicator: u16,
    pub(super) rule: u16,
    pub(super) area: AreaId,
}

impl LevelState {
    /// False for bytes that no level has.
    pub(super) fn is_sound(&self) -> bool {
        self.severity <= 4
            && self.waiting.is_none_or(|(lasting, since)| lasting <= 4 && is_time(since))
            && self.warning.is_none_or(|(_, graded)| (1..=4).contains(&graded))
    }

    /// True when time alone may change the level.
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    pub(super) fn stop_waiting(&mut self) {
        self.waiting = None;
    }

    /// Follows the value: a level counts once it has lasted for the hold time.
    pub(super) fn follow(&mut self, def: &IndicatorDef, value: f64, now: i64) {
        let Some(levels) = &def.levels_of_value() else { return };
        let target = target(levels, def.def.better, value, self.severity);
        let severity = self.severity;
        if target == severity {
            self.waiting = None;
            return;
        }
        // Of all levels since the change began, the one nearest to the present level has lasted.
        let (lasting, since) = match self.waiting {
            Some((before, since)) if target > severity && before > severity => {
                (before.min(target), since)
            }
            Some((before, since)) if target < severity && before < severity => {
                (before.max(target), since)
            }
            _ => (target, now),
        };
        if now - since < def.hold_ms {
            self.waiting = Some((lasting, since));
            return;
        }
        self.severity = lasting;
        self.waiting = (target != lasting).then_some((target, now));
    }

    /// Of two states the one to keep: that with a warning, then the worse one.
    pub(super) fn worse_first(self, other: Self) -> (Self, Self) {
        let rank = |state: &Self| (state.warning.map(|(_, grade)| grade), state.severity);
        if rank(&other) > rank(&self) { (other, self) } else { (self, other) }
    }

    /// Clears the warning that stands, if one does.
    pub(super) fn end(mut self, place: &Place<'_>, value: f64, out: &mut Vec<Event>) {
        self.severity = 0;
        if self.warning.is_some() {
            self.warn(place, self.raised_in, value, out);
        }
    }

    /// Raises, regrades or clears the warning that belongs to the level.
    pub(super) fn warn(
        &mut self,
        place: &Place<'_>,
        window: i64,
        value: f64,
        out: &mut Vec<Event>,
    ) {
        let step = match self.warning {
            None if self.severity == 0 || self.raised_in == window => return,
            None => {
                let rule = &place.inputs.catalog.rules()[usize::from(place.rule)].id;
                let code = area_code(place.inputs.areas, place.area);
                let id = identity(rule, code, window.cast_unsigned());
                self.raised_in = window;
                self.warning = Some((id, self.severity));
                WarningStep::Raised
            }
            Some((_, graded)) if graded == self.severity => return,
            Some((id, _)) if self.severity > 0 => {
                self.warning = Some((id, self.severity));
                WarningStep::Regraded
            }
            Some(_) => WarningStep::Cleared,
        };
        let Some((id, grade)) = self.warning else { return };
        if step == WarningStep::Cleared {
            self.warning = None;
        }
        out.push(Event::Warning(WarningChange {
            id,
            step,
            rule: place.rule,
            subject: Subject::Indicator { indicator: place.indicator, area: place.area },
            area: place.area,
            severity: severity(grade),
            value,
            at: Timestamp(place.inputs.now),
            evidence: Vec::new(),
            held: None,
            chattering: false,
        }));
    }
}

impl Default for LevelState {
    fn default() -> Self {
        Self { severity: 0, waiting: None, warning: None, raised_in: i64::MIN }
    }
}

/// Stands in a byte for "none".
const NONE: u32 = 255;

impl Plain for LevelState {
    const BYTES: usize = 28;

    fn put(self, out: &mut Vec<u8>) {
        let (lasting, since) = self.waiting.map_or((NONE, 0), |(l, since)| (u32::from(l), since));
        let (graded, id) = self.warning.map_or((NONE, 0), |(id, g)| (u32::from(g), id.0));
        (u32::from(self.severity) | lasting << 8 | graded << 16).put(out);
        since.cast_unsigned().put(out);
        id.put(out);
        self.raised_in.cast_unsigned().put(out);
    }

    fn take(bytes: &[u8]) -> Self {
        let [severity, lasting, graded] = [bytes[0], bytes[1], bytes[2]];
        let word = |at: usize| u64::take(&bytes[at..at + 8]);
        let some = |byte: u8| (u32::from(byte) != NONE).then_some(byte);
        Self {
            severity,
            waiting: some(lasting).map(|lasting| (lasting, word(4).cast_signed())),
            warning: some(graded).map(|graded| (WarningId(word(12)), graded)),
            raised_in: word(20).cast_signed(),
        }
    }
}

/// The level of a value on its own, where nobody has followed how it came to be.
pub(super) fn level_of(def: &IndicatorDef, value: f64) -> u8 {
    def.levels_of_value().map_or(0, |levels| target(levels, def.def.better, value, 0))
}

impl IndicatorDef {
    /// Its levels, unless it has no good side.
    fn levels_of_value(&self) -> Option<&Levels> {
        self.def.levels.as_ref().filter(|_| self.def.better != Better::Band)
    }
}

fn number(levels: &Levels, level: u8) -> Option<f64> {
    match level {
        1 => levels.blue,
        2 => levels.yellow,
        3 => levels.orange,
        4 => levels.red,
        _ => None,
    }
}

/// The level a value belongs to, given the level it stands at: it leaves a level only when it is
/// better than it by more than the hysteresis.
fn target(levels: &Levels, better: Better, value: f64, severity: u8) -> u8 {
    let as_bad = |level: u8, slack: f64| {
        number(levels, level).is_some_and(|at| match better {
            Better::Higher => value <= at + slack,
            Better::Lower => value >= at - slack,
            Better::Band => false,
        })
    };
    let reached = (1..=4).rev().find(|&level| as_bad(level, 0.0)).unwrap_or(0);
    if reached >= severity {
        return reached;
    }
    let held = (reached + 1..=severity).rev().find(|&level| as_bad(level, levels.hysteresis));
    held.unwrap_or(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_entered_at_its_number_and_left_beyond_the_hysteresis() {
        let levels = Levels {
            blue: Some(99.0),
            yellow: Some(98.0),
            orange: None,
            red: Some(90.0),
            hysteresis: 0.5,
            hold: None,
            warn: Vec::new(),
        };
        let cases = [
            (99.1, 0, 0),
            (99.0, 0, 1),
            (98.0, 0, 2),
            (95.0, 0, 2),
            (90.0, 0, 4),
            (99.4, 1, 1),
            (99.6, 1, 0),
            (98.4, 2, 2),
            (98.6, 2, 1),
            (99.6, 4, 0),
            (90.5, 4, 4),
            (90.6, 4, 2),
        ];
        for (value, severity, expected) in cases {
            let found = target(&levels, Better::Higher, value, severity);
            assert_eq!(found, expected, "{value} at {severity}");
            // Mirrored, the same holds for an indicator that is better when lower.
            let mirrored = Levels {
                blue: Some(-99.0),
                yellow: Some(-98.0),
                red: Some(-90.0),
                ..levels.clone()
            };
            assert_eq!(target(&mirrored, Better::Lower, -value, severity), expected);
        }
    }
}
