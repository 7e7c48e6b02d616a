//! Time passes: silences, roll-up, indicators, levels, windows that close.

use chengmai_model::{KindId, StreamId, Timestamp};

use super::{Engine, TickCounts};
use crate::catalog::ReadingTerm;
use crate::event::{DeviceChange, DeviceStep, Event};
use crate::liveness::seconds_up;
use crate::rollup;
use crate::rule::Moment;
use crate::stream::{ASLEEP, ONLINE, PENDING, SCHEDULED, seconds};

/// Set in the occasion of an alarm of silence, which has no journal position of its own.
const SILENCE: u64 = 1 << 63;

impl Engine {
    /// Brings everything up to `now`; about once a second.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        let before = out.len();
        self.advance(now);
        let silences = self.expire(out);
        let folded = self.fold();
        let start = out.len();
        let mut board = std::mem::take(&mut self.board);
        board.tick(self.inputs(), out);
        self.with_screen(|screen, scene| screen.pass(scene, out, start));
        let horizon = self.clock.saturating_sub(self.settings.lateness_ms);
        board.say_closed(self.inputs(), horizon, out);
        self.with_screen(|screen, scene| screen.tick(scene, out));
        self.last_tick = TickCounts {
            silences,
            folded,
            worked_out: board.worked_out,
            changed: board.changed.len() as u64,
            events: (out.len() - before) as u64,
        };
        self.board = board;
        for windows in &mut self.windows {
            windows.drop_closed();
        }
    }

    /// Brings everything above the smallest areas up to date; returns how many accumulators it took.
    pub(crate) fn fold(&mut self) -> u64 {
        for tree in &mut self.trees {
            tree.fold();
        }
        let windows = self.windows.iter_mut().zip(self.catalog.windows());
        windows.map(|(w, def)| rollup::fold(w, &self.trees[usize::from(def.kind.0)]) as u64).sum()
    }

    /// Time passes up to `now` and nothing is asked but what silence means: as if ticked in every
    /// second in which something is due, without windows and indicators.
    pub(crate) fn pass(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        while let Some(due) = self.wheel.next_due().filter(|&due| due <= seconds(now.0)) {
            self.advance(Timestamp(i64::from(due) * 1_000));
            self.expire(out);
        }
        self.advance(now);
    }

    /// Looks at every stream that may have been silent for too long; returns how many.
    fn expire(&mut self, out: &mut Vec<Event>) -> u64 {
        let now = Timestamp(self.clock);
        let now_s = seconds(self.clock);
        let due = self.wheel.take_due(now_s);
        let looked_at = due.len() as u64;
        for (number, second) in due {
            let stream = self.streams.get_mut(number as usize);
            if !stream.has(SCHEDULED) || self.facts[number as usize].due_s != second {
                continue;
            }
            stream.set(SCHEDULED, false);
            let silent_s = now_s.saturating_sub(stream.seen_s);
            if stream.has(ONLINE) && silent_s >= self.offline_s(number) {
                let stream = self.streams.get_mut(number as usize);
                stream.set(ONLINE, false);
                stream.set(ASLEEP, true);
                self.trees[usize::from(stream.kind)].set_online(stream.node, false);
                let change =
                    DeviceChange { stream: StreamId(number), step: DeviceStep::Offline, at: now };
                out.push(Event::Device(change));
            }
            self.ask_silence(number, silent_s, now, out);
            self.schedule(number, now_s);
        }
        looked_at
    }

    fn ask_silence(&mut self, number: u32, silent_s: u32, now: Timestamp, out: &mut Vec<Event>) {
        let stream = self.streams[number as usize];
        let kind = self.catalog.kind(KindId(stream.kind));
        if !kind.silences_ms.iter().any(|&ms| seconds_up(ms) <= silent_s) {
            return;
        }
        let area = self.area_of(&stream);
        let moment = Moment {
            stream: StreamId(number),
            device: self.owner(number),
            area,
            areas: &self.areas,
            alarms: &self.settings.alarms,
            period_ms: self.facts[number as usize].period_ms,
            at: now,
            value: stream.last_value,
            rate: f64::NAN,
            ring: None,
            anomaly: f64::NAN,
            bounds: self.setpoints.bounds(number),
            silent_ms: stream.silent_ms(now),
            stuck_ms: 0,
            healthy: true,
            silence: true,
            occasion: SILENCE | u64::from(stream.seen_s),
        };
        let about_silence = |term| matches!(term, ReadingTerm::SilentFor(_));
        let rules = kind.rules.iter().map(|&rule| (rule, &self.catalog.rules()[usize::from(rule)]));
        let rules = rules.filter(|(_, rule)| {
            rule.compiled.as_ref().is_some_and(|compiled| compiled.terms().any(about_silence))
        });
        let start = out.len();
        let pending = self.rules.ask(rules, &moment, &mut self.warnings, out);
        let stream = self.streams.get_mut(number as usize);
        // Rules that were not asked may still remember the stream.
        if pending {
            stream.set(PENDING, true);
        }
        if out.len() > start || !self.warnings.joined().is_empty() {
            self.with_screen(|screen, scene| screen.pass(scene, out, start));
        }
    }
}
