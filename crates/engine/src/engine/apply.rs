//! Readings in. The usual reading costs one stream, one accumulator for each window, and two
//! comparisons with the quiet band of its kind; everything else goes the long way.

use chengmai_model::{KindId, Reading, Timestamp};

use super::{Applied, Engine, KindGate};
use crate::event::{DeviceChange, DeviceStep, Event};
use crate::limits::FUTURE_MS_MAX;
use crate::liveness::seconds_up;
use crate::rule::Moment;
use crate::setpoint::{NO_BOUNDS, Setpoints};
use crate::stream::{
    ASLEEP, NEVER, ONLINE, OUT_OF_RANGE, PENDING, SCHEDULED, SETPOINTS, SPECIAL, STUCK, Stream,
    seconds,
};

/// Readings whose memory is fetched together.
const FETCHED: usize = 64;

/// What to do with a reading that went the long way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Count,
    Duplicate,
    TooFarAhead,
    OutOfRange,
}

impl Engine {
    /// Takes a batch of readings. `position` is the journal position of the first, each further one
    /// has the next; `received_at` is when the batch came in. How readings are cut into batches does
    /// not matter.
    ///
    /// # Panics
    /// When a stream was not registered.
    pub fn apply(
        &mut self,
        position: u64,
        received_at: Timestamp,
        readings: &[Reading],
        out: &mut Vec<Event>,
    ) -> Applied {
        self.advance(received_at);
        // A machine's clock that was set back does not make what arrives now older than what the
        // ticks have seen: a stream that reports would count as silent, and its warning come twice.
        let received_at = Timestamp(self.clock);
        let mut applied = Applied::default();
        for (part, position) in readings.chunks(FETCHED).zip((position..).step_by(FETCHED)) {
            self.fetch(part);
            self.apply_part(position, received_at, part, &mut applied, out);
        }
        self.totals.readings += readings.len() as u64;
        self.totals.duplicates += u64::from(applied.duplicates);
        self.totals.late += u64::from(applied.late);
        self.totals.out_of_range += u64::from(applied.out_of_range);
        applied
    }

    /// Reads the memory that a few readings are about to need, all at once: the loads do not wait for
    /// each other, while in the loop proper each reading would wait for its own.
    #[inline]
    fn fetch(&self, readings: &[Reading]) {
        let mut places = [(0_u16, 0_u32); FETCHED];
        let mut touched = 0;
        for (place, reading) in places.iter_mut().zip(readings) {
            let stream = &self.streams[reading.stream.0 as usize];
            *place = (stream.kind, stream.node);
            if stream.has(SETPOINTS) {
                touched ^= u64::from(self.setpoints.is_quiet(reading.stream.0, reading.value));
            }
        }
        for (&(kind, node), reading) in places.iter().zip(readings) {
            let gate = &self.gates[usize::from(kind)];
            for window in &self.windows[gate.windows()] {
                touched ^= window.peek(node);
            }
            if gate.slope_ms > 0 {
                touched ^= self.rings.peek(reading.stream.0);
            }
        }
        std::hint::black_box(touched);
    }

    fn apply_part(
        &mut self,
        position: u64,
        received_at: Timestamp,
        readings: &[Reading],
        applied: &mut Applied,
        out: &mut Vec<Event>,
    ) {
        let arrival = Arrival {
            seen_s: seconds(received_at.0),
            latest: received_at.0.saturating_add(FUTURE_MS_MAX),
        };
        for (reading, position) in readings.iter().zip(position..) {
            let stream = self.streams.get_mut(reading.stream.0 as usize);
            let gate = self.gates[usize::from(stream.kind)];
            let before = stream.newest();
            if take_usual(stream, &gate, &self.setpoints, &arrival, reading) {
                if gate.slope_ms > 0 {
                    let newest = (reading.at.0, reading.value);
                    self.rings.push(reading.stream.0, before, newest, gate.slope_ms);
                }
            } else {
                match self.attend(reading, position, received_at, out) {
                    Verdict::Count => {}
                    verdict => {
                        applied.duplicates += u32::from(verdict == Verdict::Duplicate);
                        applied.late += u32::from(verdict == Verdict::TooFarAhead);
                        applied.out_of_range += u32::from(verdict == Verdict::OutOfRange);
                        continue;
                    }
                }
            }
            let node = self.streams[reading.stream.0 as usize].node;
            let mut in_time = true;
            for window in &mut self.windows[gate.windows()] {
                in_time &= window.add(node, reading.at.0, reading.value);
            }
            applied.late += u32::from(!in_time);
        }
    }

    /// Moves the clock on and closes windows to further readings.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.clock = self.clock.max(now.0);
        let horizon = self.clock.saturating_sub(self.settings.lateness_ms);
        for windows in &mut self.windows {
            windows.close_before(horizon);
        }
    }

    /// The long way of a reading: something about it, its stream or its kind is not usual.
    fn attend(
        &mut self,
        reading: &Reading,
        position: u64,
        received_at: Timestamp,
        out: &mut Vec<Event>,
    ) -> Verdict {
        let number = reading.stream.0;
        let stream = self.streams[number as usize];
        let returned = stream.has(ASLEEP) && self.wake(number, received_at, out);
        let kind = self.catalog.kind(KindId(stream.kind));
        let [low, high] = kind.range;
        let state = self.streams.get_mut(number as usize);
        state.seen_s = state.seen_s.max(seconds(received_at.0));
        if reading.at.0 > received_at.0.saturating_add(FUTURE_MS_MAX) {
            return Verdict::TooFarAhead;
        }
        let change =
            |step| Event::Device(DeviceChange { stream: reading.stream, step, at: received_at });
        if !(reading.value >= low && reading.value <= high) {
            if !state.has(OUT_OF_RANGE) {
                state.set(OUT_OF_RANGE, true);
                out.push(change(DeviceStep::OutOfRange));
            }
            return Verdict::OutOfRange;
        }
        if state.has(OUT_OF_RANGE) {
            state.set(OUT_OF_RANGE, false);
            if !state.has(STUCK) {
                out.push(change(DeviceStep::Healthy));
            }
        }
        #[expect(clippy::float_cmp, reason = "the very same number")]
        let same = reading.value == stream.last_value && stream.reported();
        if reading.at.0 < stream.last_at {
            return Verdict::Count;
        }
        if same && reading.at.0 == stream.last_at {
            return Verdict::Duplicate;
        }
        state.last_at = reading.at.0;
        state.last_value = reading.value;
        if !same {
            state.changed_s = seconds(reading.at.0);
        }
        let stuck = kind.stuck_ms.is_some_and(|ms| same && state.stuck_ms() >= ms);
        if stuck != state.has(STUCK) {
            state.set(STUCK, stuck);
            out.push(change(if stuck { DeviceStep::Stuck } else { DeviceStep::Healthy }));
        }
        self.ask_rules(reading, &stream, position, returned, out);
        Verdict::Count
    }

    /// A stream reports that was silent or never seen. True when it came back from being offline.
    fn wake(&mut self, number: u32, at: Timestamp, out: &mut Vec<Event>) -> bool {
        let stream = self.streams.get_mut(number as usize);
        let returned = stream.reported() && !stream.has(ONLINE);
        if !stream.has(ONLINE) {
            stream.set(ONLINE, true);
            self.trees[usize::from(stream.kind)].set_online(stream.node, true);
        }
        if returned {
            let stream = chengmai_model::StreamId(number);
            out.push(Event::Device(DeviceChange { stream, step: DeviceStep::Online, at }));
        }
        let stream = self.streams.get_mut(number as usize);
        stream.set(ASLEEP, false);
        stream.seen_s = stream.seen_s.max(seconds(at.0));
        self.schedule(number, seconds(at.0));
        returned
    }

    /// Asks the rules of the kind, if this reading is anything to them. `before` is the stream as it
    /// stood before the reading.
    fn ask_rules(
        &mut self,
        reading: &Reading,
        before: &Stream,
        position: u64,
        returned: bool,
        out: &mut Vec<Event>,
    ) {
        let number = reading.stream.0;
        let kind = self.catalog.kind(KindId(before.kind));
        let newest = (reading.at.0, reading.value);
        if kind.slope_ms > 0 {
            self.rings.push(number, before.newest(), newest, kind.slope_ms);
        }
        let anomaly = if kind.anomaly { self.watch.anomaly(reading) } else { f64::NAN };
        let stream = self.streams[number as usize];
        let own = stream.has(SETPOINTS);
        let [low, high] = kind.quiet;
        let quiet = reading.value >= low
            && reading.value <= high
            && (!own || self.setpoints.is_quiet(number, reading.value))
            && !stream.has(PENDING)
            && kind.stuck_first_ms.is_none_or(|ms| stream.stuck_ms() < ms);
        if quiet || kind.rules.is_empty() {
            return;
        }
        let area = self.area_of(&stream);
        let facts = self.facts[number as usize];
        let ring = if kind.slope_ms > 0 { self.rings.find(number, newest) } else { None };
        let moment = Moment {
            stream: reading.stream,
            device: self.owner(number),
            area,
            areas: &self.areas,
            alarms: &self.settings.alarms,
            period_ms: kind.alarm_period_ms.unwrap_or(u32::MAX).min(facts.period_ms),
            at: reading.at,
            value: reading.value,
            rate: rate(before, reading),
            ring: ring.as_ref(),
            anomaly,
            bounds: if own { self.setpoints.bounds(number) } else { NO_BOUNDS },
            silent_ms: 0,
            stuck_ms: stream.stuck_ms(),
            healthy: !returned && !stream.has(STUCK),
            silence: false,
            occasion: position,
        };
        let rules = kind.rules.iter().map(|&rule| (rule, &self.catalog.rules()[usize::from(rule)]));
        let start = out.len();
        let pending = self.rules.ask(rules, &moment, &mut self.warnings, out);
        self.streams.get_mut(number as usize).set(PENDING, pending);
        if out.len() > start || !self.warnings.joined().is_empty() {
            self.with_screen(|screen, scene| screen.pass(scene, out, start));
        }
    }

    /// Puts a stream into the wheel for the first moment at which silence will mean something.
    pub(super) fn schedule(&mut self, number: u32, now_s: u32) {
        let stream = &self.streams[number as usize];
        let silent_s = now_s.saturating_sub(stream.seen_s);
        let kind = self.catalog.kind(KindId(stream.kind));
        let offline = stream.has(ONLINE).then(|| self.offline_s(number));
        let silences = kind.silences_ms.iter().map(|&ms| seconds_up(ms));
        // What is overdue already is due at once, except the silences asked about before.
        let next = silences.filter(|&s| s > silent_s).chain(offline).min();
        let due = next.map(|wait| stream.seen_s.saturating_add(wait));
        let stream = self.streams.get_mut(number as usize);
        stream.set(SCHEDULED, due.is_some());
        match due {
            Some(due) => self.put_in_wheel(due, number),
            None => stream.set(ASLEEP, true),
        }
    }

    pub(crate) fn put_in_wheel(&mut self, due_s: u32, number: u32) {
        self.facts.get_mut(number as usize).due_s = due_s;
        self.wheel.put(due_s, number);
    }

    pub(super) fn offline_s(&self, number: u32) -> u32 {
        let period = i64::from(self.facts[number as usize].period_ms);
        seconds_up(period * i64::from(self.settings.offline_periods.max(1)))
    }
}

/// When a batch came in.
struct Arrival {
    seen_s: u32,
    /// Event times after this are not believed.
    latest: i64,
}

/// Takes the reading if nothing about it is unusual; else leaves the stream alone.
#[inline]
fn take_usual(
    stream: &mut Stream,
    gate: &KindGate,
    setpoints: &Setpoints,
    arrival: &Arrival,
    reading: &Reading,
) -> bool {
    let (at, value) = (reading.at.0, reading.value);
    let at_s = seconds(at);
    #[expect(clippy::float_cmp, reason = "a stuck sensor repeats the very same number")]
    let same = value == stream.last_value;
    let usual = at > stream.last_at
        && at <= arrival.latest
        && value >= gate.low
        && value <= gate.high
        && stream.flags & SPECIAL == 0
        && !(same && at_s.saturating_sub(stream.changed_s) >= gate.stuck_s)
        && (stream.flags & SETPOINTS == 0 || setpoints.is_quiet(reading.stream.0, value));
    if usual {
        stream.last_at = at;
        stream.last_value = value;
        stream.seen_s = stream.seen_s.max(arrival.seen_s);
        stream.changed_s = if same { stream.changed_s } else { at_s };
    }
    usual
}

/// Change per minute since the reading before; NaN when there is none, or no time between.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn rate(before: &Stream, reading: &Reading) -> f64 {
    let between = reading.at.0.saturating_sub(before.last_at);
    if before.last_at == NEVER || between <= 0 {
        return f64::NAN;
    }
    (reading.value - before.last_value) / (between as f64 / 60_000.0)
}
