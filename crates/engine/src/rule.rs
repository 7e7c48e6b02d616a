//! Rules over readings: set-point with hysteresis, on and off delay, rate, slope, silence and stuck
//! value → alarm 报警 → re-check → grade → warning 预警.
//!
//! A stream in which nothing is going on has no state here at all: the quiet band of its kind and
//! the [`PENDING`](crate::stream::PENDING) flag decide that before this module is asked.

mod chatter;

use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_model::pack::Cause;
use chengmai_model::warning::Evidence;
use chengmai_model::{AreaId, AreaTree, DeviceId, StreamId, Timestamp};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::catalog::{CompiledRule, Delay, ReadingTerm, RuleDef};
use crate::event::{AlarmChange, AlarmStep, Event};
use crate::limits::{EVIDENCE_READINGS_MAX, is_time};
use crate::screen::AlarmSettings;
use crate::setpoint::Bounds;
use crate::slope::Ring;
use crate::warning::{Key, Mover, Warnings, area_code, identity};
use chatter::Turns;

/// What a rule may know of a stream at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) stream: StreamId,
    pub(crate) device: DeviceId,
    pub(crate) area: AreaId,
    pub(crate) areas: &'a AreaTree,
    pub(crate) alarms: &'a AlarmSettings,
    /// Expected time between readings while an alarm stands.
    pub(crate) period_ms: u32,
    /// Event time of the reading; of the tick for silence.
    pub(crate) at: Timestamp,
    pub(crate) value: f64,
    /// Per minute; NaN when not known.
    pub(crate) rate: f64,
    pub(crate) ring: Option<&'a Ring>,
    /// Score of the anomaly that stands; NaN when not known.
    pub(crate) anomaly: f64,
    /// The stream's own levels; NaN where it has none.
    pub(crate) bounds: Bounds,
    pub(crate) silent_ms: i64,
    pub(crate) stuck_ms: i64,
    /// Neither stuck nor just back from silence.
    pub(crate) healthy: bool,
    /// Time passed without a reading; `value` is the last one.
    pub(crate) silence: bool,
    /// What makes an alarm that starts now different from all others: the journal position of the
    /// reading, or for silence the time of the last one.
    pub(crate) occasion: u64,
}

impl Moment<'_> {
    fn load(&self, term: ReadingTerm) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match term {
            ReadingTerm::Value => self.value,
            ReadingTerm::Rate => self.rate,
            ReadingTerm::Slope(span) => {
                self.ring.map_or(f64::NAN, |ring| ring.slope(self.at.0, span))
            }
            ReadingTerm::Anomaly => self.anomaly,
            ReadingTerm::Setpoint(severity) => self.bounds[usize::from(severity.number()) - 1],
            ReadingTerm::SilentFor(ms) => truth(self.silent_ms >= ms),
            ReadingTerm::StuckFor(ms) => truth(!self.silence && self.stuck_ms >= ms),
        }
    }
}

/// What all rules remember of the streams that are not quiet.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleStates {
    /// Shared with a snapshot on its way out until the stream's next step.
    by_stream: HashMap<u32, Arc<Vec<RuleState>>, FixedState>,
}

/// What rules remember of one stream, as it was.
pub(crate) type Remembered = (u32, Arc<Vec<RuleState>>);

/// What one rule remembers of one stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RuleState {
    rule: u16,
    /// The alarm stands.
    alarm: bool,
    /// Grade of the standing alarm; 0 before any grade held.
    grade: u8,
    /// The warning it feeds.
    joined: Option<Key>,
    /// Where the present run of holding readings began.
    occasion: u64,
    /// Consecutive readings that enter the alarm, or leave it when it stands.
    turning: Run,
    /// Consecutive readings of a milder grade, and the worst of these grades.
    falling: Run,
    fall_to: u8,
    recent: Recent,
    turns: Turns,
}

/// A run of consecutive readings.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Run {
    since: i64,
    readings: u32,
}

impl Run {
    /// Counts one more reading; true when the delay has passed.
    fn extend(&mut self, at: Timestamp, delay: Delay) -> bool {
        if self.readings == 0 {
            self.since = at.0;
        }
        self.readings = self.readings.saturating_add(1);
        delay.reached(self.readings, at.0 - self.since)
    }

    fn stop(&mut self) {
        self.readings = 0;
    }
}

/// The last few readings, newest last, and which of them held the condition.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Recent {
    readings: [(i64, f64); EVIDENCE_READINGS_MAX],
    len: u8,
    /// Bit 0 is the newest.
    held: u8,
}

impl Recent {
    fn push(&mut self, at: Timestamp, value: f64, held: bool) {
        if usize::from(self.len) == EVIDENCE_READINGS_MAX {
            self.readings.rotate_left(1);
            self.readings[EVIDENCE_READINGS_MAX - 1] = (at.0, value);
        } else {
            self.readings[usize::from(self.len)] = (at.0, value);
            self.len += 1;
        }
        self.held = self.held << 1 | u8::from(held);
    }

    /// Readings among the last `of`, and since `from`, that held.
    fn held_of(&self, of: u8, from: i64) -> u8 {
        let newest_first = self.readings[..usize::from(self.len)].iter().rev();
        let held = newest_first
            .zip(0..of)
            .filter(|((at, _), bit)| *at >= from && self.held >> bit & 1 == 1);
        u8::try_from(held.count()).unwrap_or(u8::MAX)
    }

    fn evidence(&self, stream: StreamId) -> Vec<Evidence> {
        let readings = self.readings[..usize::from(self.len)].iter();
        readings.map(|&(at, value)| Evidence { stream, at: Timestamp(at), value }).collect()
    }
}

impl RuleStates {
    /// Asks the given rules about one moment of a stream. Returns whether any remembers it now.
    pub(crate) fn ask<'a>(
        &mut self,
        rules: impl Iterator<Item = (u16, &'a RuleDef)>,
        moment: &Moment<'_>,
        warnings: &mut Warnings,
        out: &mut Vec<Event>,
    ) -> bool {
        let mut known = self.by_stream.remove(&moment.stream.0);
        let mut fresh = Vec::new();
        let states = known.as_mut().map_or(&mut fresh, Arc::make_mut);
        for (number, rule) in rules {
            let Some(compiled) = &rule.compiled else { continue };
            let holds = compiled.when.holds(|term| moment.load(term));
            let place = states.iter().position(|state| state.rule == number);
            let index = match place {
                None if !holds => continue,
                None => {
                    states.push(RuleState::new(number));
                    states.len() - 1
                }
                Some(index) => index,
            };
            let state = &mut states[index];
            let mut scene = Scene { id: &rule.id, rule: compiled, moment, warnings, out };
            state.step(holds, &mut scene);
            if state.idle(compiled, moment) {
                states.swap_remove(index);
            }
        }
        let pending = !states.is_empty();
        if pending {
            states.sort_unstable_by_key(|state| state.rule);
            self.by_stream.insert(moment.stream.0, known.unwrap_or_else(|| Arc::new(fresh)));
        }
        pending
    }

    /// Worst grade of the alarms that stand on a stream; 0 for none.
    pub(crate) fn severity(&self, stream: StreamId) -> u8 {
        let states =
            self.by_stream.get(&stream.0).map(|known| known.as_slice()).unwrap_or_default();
        states.iter().filter(|state| state.alarm).map(|state| state.grade).max().unwrap_or(0)
    }

    /// Rules have other numbers now; `None` for one that is gone.
    pub(crate) fn renumber(&mut self, numbers: &[Option<u16>]) {
        let number = |rule: u16| numbers.get(usize::from(rule)).copied().flatten();
        for states in self.by_stream.values_mut().map(Arc::make_mut) {
            states.retain_mut(|state| match number(state.rule) {
                Some(rule) => {
                    state.rule = rule;
                    state.joined = state.joined.map(|key| Key { rule, ..key });
                    true
                }
                None => false,
            });
            states.sort_unstable_by_key(|state| state.rule);
        }
    }

    /// The warnings that alarms feed have other keys now.
    pub(crate) fn rearrange(&mut self, moved: &BTreeMap<Key, Key>) {
        let states = self.by_stream.values_mut().flat_map(Arc::make_mut);
        for key in states.filter_map(|state| state.joined.as_mut()) {
            *key = moved.get(key).copied().unwrap_or(*key);
        }
    }

    /// Everything remembered, in no order.
    pub(crate) fn to_list(&self) -> Vec<Remembered> {
        self.by_stream.iter().map(|(stream, states)| (*stream, Arc::clone(states))).collect()
    }

    /// From a snapshot; `None` for what no rule remembers, or of other rules or streams than so many.
    pub(crate) fn restored(
        list: Vec<(u32, Vec<RuleState>)>,
        rules: usize,
        streams: usize,
    ) -> Option<Self> {
        let sound = |(stream, states): &(u32, Vec<RuleState>)| {
            (*stream as usize) < streams && states.iter().all(|state| state.is_sound(rules))
        };
        let fits = list.iter().all(sound);
        let shared = |(stream, states)| (stream, Arc::new(states));
        fits.then(|| Self { by_stream: list.into_iter().map(shared).collect() })
    }
}

/// What a step of a rule works with.
struct Scene<'a, 'b> {
    id: &'a str,
    rule: &'a CompiledRule,
    moment: &'a Moment<'b>,
    warnings: &'a mut Warnings,
    out: &'a mut Vec<Event>,
}

impl RuleState {
    fn new(rule: u16) -> Self {
        Self {
            rule,
            alarm: false,
            grade: 0,
            joined: None,
            occasion: 0,
            turning: Run::default(),
            falling: Run::default(),
            fall_to: 0,
            recent: Recent::default(),
            turns: Turns::default(),
        }
    }

    /// False for what nothing is remembered as, where there are so many rules.
    fn is_sound(&self, rules: usize) -> bool {
        let recent = self.recent.readings.get(..usize::from(self.recent.len));
        usize::from(self.rule) < rules
            && self.grade.max(self.fall_to) <= 4
            && is_time(self.turning.since)
            && is_time(self.falling.since)
            && self.turns.is_sound()
            && recent.is_some_and(|recent| recent.iter().all(|(at, _)| is_time(*at)))
    }

    fn step(&mut self, holds: bool, scene: &mut Scene<'_, '_>) {
        let moment = scene.moment;
        if !moment.silence {
            self.recent.push(moment.at, moment.value, holds);
        }
        if !self.alarm {
            self.turns.rest(moment, scene.rule);
        }
        if !self.alarm {
            self.enter(holds, scene);
        } else if !moment.silence {
            self.leave(holds, scene);
        }
        if self.alarm {
            self.regrade(scene);
        }
    }

    /// Not in alarm: counts the run of holding readings, and raises the alarm after the on delay.
    fn enter(&mut self, holds: bool, scene: &mut Scene<'_, '_>) {
        if !holds {
            self.turning.stop();
            return;
        }
        let moment = scene.moment;
        if self.turning.readings == 0 {
            self.occasion = moment.occasion;
        }
        // A silence has already lasted as long as its rule says: no further delay.
        if self.turning.extend(moment.at, scene.rule.on) || moment.silence {
            self.turning.stop();
            self.falling.stop();
            self.alarm = true;
            self.grade = 0;
            self.turns.note(moment, scene.rule);
            self.say(AlarmStep::Raised, scene);
        }
    }

    /// In alarm: counts the run of clearing readings, and ends the alarm after the off delay.
    fn leave(&mut self, holds: bool, scene: &mut Scene<'_, '_>) {
        let moment = scene.moment;
        let clearing = match &scene.rule.clear {
            Some(clear) => clear.holds(|term| moment.load(term)),
            None => !holds,
        };
        if !clearing {
            self.turning.stop();
            return;
        }
        if !self.turning.extend(moment.at, self.turns.lengthened(scene.rule.off)) {
            return;
        }
        self.turning.stop();
        self.alarm = false;
        self.turns.note(moment, scene.rule);
        self.say(AlarmStep::Cleared, scene);
        if let Some(key) = self.joined.take() {
            let recent = self.recent;
            let evidence = || recent.evidence(moment.stream);
            scene.warnings.leave(key, &self.mover(moment, &evidence), scene.out);
        }
        self.grade = 0;
    }

    /// In alarm: the worst grade that holds counts at once; a milder one only after the off delay.
    fn regrade(&mut self, scene: &mut Scene<'_, '_>) {
        let moment = scene.moment;
        let mut grades = scene.rule.grades.iter();
        let found = grades.find(|(_, when)| when.holds(|term| moment.load(term)));
        let mildest = scene.rule.grades.last().map_or(0, |(severity, _)| severity.number());
        let floor = if self.grade > 0 { mildest } else { 0 };
        let grade = found.map_or(floor, |(severity, _)| severity.number());
        if grade >= self.grade || !scene.rule.grade_falls || moment.silence {
            self.falling.stop();
            self.grade = self.grade.max(grade);
        } else {
            let first = self.falling.readings == 0;
            self.fall_to = if first { grade } else { self.fall_to.max(grade) };
            if self.falling.extend(moment.at, scene.rule.off) {
                self.falling.stop();
                self.grade = self.fall_to;
            }
        }
        self.warn(scene);
    }

    /// Moves the warning it feeds, or joins one when the re-check passes.
    fn warn(&mut self, scene: &mut Scene<'_, '_>) {
        let moment = scene.moment;
        let recent = self.recent;
        let evidence = || recent.evidence(moment.stream);
        let mover = self.mover(moment, &evidence);
        if let Some(key) = self.joined {
            scene.warnings.regrade(key, &mover, scene.out);
            return;
        }
        if self.grade == 0 || !(moment.silence || self.recheck(scene.rule, moment)) {
            return;
        }
        let (cause, device) = match scene.rule.cause {
            Cause::Device => (moment.device.0, Some(format!("device {}", moment.device.0))),
            Cause::Area => (moment.area.0, None),
        };
        let text = device.as_deref().unwrap_or_else(|| area_code(moment.areas, moment.area));
        let key = Key { rule: self.rule, cause };
        let id = || identity(scene.id, text, self.occasion);
        scene.warnings.join(key, id, moment.area, &mover, scene.out);
        self.joined = Some(key);
    }

    fn recheck(&self, rule: &CompiledRule, moment: &Moment<'_>) -> bool {
        let need = rule.recheck;
        let from = moment.at.0.saturating_sub(need.within_ms);
        self.recent.held_of(need.of, from) >= need.need && (moment.healthy || !need.healthy)
    }

    /// True when nothing it remembers can matter any more.
    fn idle(&self, rule: &CompiledRule, moment: &Moment<'_>) -> bool {
        !self.alarm
            && self.turns.over(moment, rule)
            && self.turning.readings == 0
            && self.recent.held_of(rule.recheck.of, i64::MIN) == 0
    }

    fn say(&self, step: AlarmStep, scene: &mut Scene<'_, '_>) {
        let &Moment { stream, area, value, at, .. } = scene.moment;
        let rule = self.rule;
        scene.out.push(Event::Alarm(AlarmChange { step, rule, stream, area, value, at }));
    }

    fn mover<'a>(&self, moment: &Moment<'_>, evidence: &'a dyn Fn() -> Vec<Evidence>) -> Mover<'a> {
        let &Moment { stream, value, at, .. } = moment;
        Mover { stream, grade: self.grade, value, at, chattering: self.turns.chatters(), evidence }
    }
}

#[cfg(test)]
mod tests;
