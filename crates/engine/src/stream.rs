//! What the engine keeps of each stream: 32 bytes that every reading touches, and apart from them
//! what is only needed now and then.

use chengmai_model::{DeviceId, Timestamp};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::limits::{SLOPE_READINGS_MAX, is_time};
use crate::pages::{Pages, Plain};

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
/// It has set-points of its own.
pub(crate) const SETPOINTS: u16 = 64;

/// Time of a stream that never reported.
pub(crate) const NEVER: i64 = i64::MIN;

/// The hot part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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

    /// False for bytes that no stream has.
    pub(crate) fn is_sound(&self) -> bool {
        !self.reported() || is_time(self.last_at)
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StreamFacts {
    pub(crate) device: DeviceId,
    pub(crate) period_ms: u32,
    /// Bucket of the expiry wheel it stands in, while [`SCHEDULED`].
    pub(crate) due_s: u32,
}

impl Default for StreamFacts {
    fn default() -> Self {
        Self { device: DeviceId(0), period_ms: 0, due_s: 0 }
    }
}

impl Plain for Stream {
    const BYTES: usize = 32;

    fn put(self, out: &mut Vec<u8>) {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.last_at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.last_value.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.seen_s.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.changed_s.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.node.to_le_bytes());
        bytes[28..30].copy_from_slice(&self.kind.to_le_bytes());
        bytes[30..].copy_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&bytes);
    }

    fn take(bytes: &[u8]) -> Self {
        Self {
            last_at: u64::take(&bytes[..8]).cast_signed(),
            last_value: f64::from_bits(u64::take(&bytes[8..16])),
            seen_s: u32::take(&bytes[16..20]),
            changed_s: u32::take(&bytes[20..24]),
            node: u32::take(&bytes[24..28]),
            kind: u16::from_le_bytes([bytes[28], bytes[29]]),
            flags: u16::from_le_bytes([bytes[30], bytes[31]]),
        }
    }
}

impl Plain for StreamFacts {
    const BYTES: usize = 12;

    fn put(self, out: &mut Vec<u8>) {
        self.device.0.put(out);
        self.period_ms.put(out);
        self.due_s.put(out);
    }

    fn take(bytes: &[u8]) -> Self {
        Self {
            device: DeviceId(u32::take(&bytes[..4])),
            period_ms: u32::take(&bytes[4..8]),
            due_s: u32::take(&bytes[8..]),
        }
    }
}

/// The last readings of a stream, thinned so that they span the longest slope asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Ring {
    stream: u32,
    len: u32,
    readings: [(i64, f64); SLOPE_READINGS_MAX],
}

impl Plain for Ring {
    const BYTES: usize = 8 + 16 * SLOPE_READINGS_MAX;

    fn put(self, out: &mut Vec<u8>) {
        self.stream.put(out);
        self.len.put(out);
        for (at, value) in self.readings {
            at.cast_unsigned().put(out);
            value.to_bits().put(out);
        }
    }

    fn take(bytes: &[u8]) -> Self {
        let mut ring = Self {
            stream: u32::take(&bytes[..4]),
            len: u32::take(&bytes[4..8]),
            ..Self::default()
        };
        for (reading, bytes) in ring.readings.iter_mut().zip(bytes[8..].chunks_exact(16)) {
            let value = f64::from_bits(u64::take(&bytes[8..]));
            *reading = (u64::take(&bytes[..8]).cast_signed(), value);
        }
        ring
    }
}

impl Ring {
    /// False for bytes that no ring has, where there are so many streams.
    fn is_sound(&self, streams: usize) -> bool {
        let kept = self.readings.get(..self.len as usize);
        (self.stream as usize) < streams
            && kept.is_some_and(|kept| kept.iter().all(|(at, _)| is_time(*at)))
    }

    /// Adds a reading later than all others. `span_ms` is the longest slope asked for.
    fn push(&mut self, at: i64, value: f64, span_ms: i64) {
        let room = i64::try_from(SLOPE_READINGS_MAX - 1).expect("a small number");
        let close = span_ms / room;
        let len = self.len as usize;
        // The last but one decides, so that the newest reading always stays.
        if len >= 2 && self.readings[len - 1].0 - self.readings[len - 2].0 < close {
            self.readings[len - 1] = (at, value);
        } else if len == SLOPE_READINGS_MAX {
            self.readings.rotate_left(1);
            self.readings[len - 1] = (at, value);
        } else {
            self.readings[len] = (at, value);
            self.len += 1;
        }
    }

    /// Least-squares slope per minute over the readings of the last `span_ms` before `now`; NaN
    /// with fewer than two.
    pub(crate) fn slope(&self, now: i64, span_ms: i64) -> f64 {
        let kept = &self.readings[..self.len as usize];
        let inside = || kept.iter().filter(|(at, _)| now - at <= span_ms && *at <= now);
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

/// The last readings of all streams whose kind asks for slopes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rings {
    pub(crate) pages: Pages<Ring>,
    place: HashMap<u32, u32, FixedState>,
}

impl Rings {
    /// From a snapshot; `None` when its parts do not fit together, or not so many streams.
    pub(crate) fn restored(pages: Pages<Ring>, streams: usize) -> Option<Self> {
        let fits = pages.as_slice().iter().all(|ring| ring.is_sound(streams));
        let place = (0..).zip(pages.as_slice()).map(|(place, ring)| (ring.stream, place)).collect();
        fits.then_some(Self { pages, place })
    }

    /// Adds a reading later than all others of its stream.
    pub(crate) fn push(&mut self, stream: u32, at: i64, value: f64, span_ms: i64) {
        let next = u32::try_from(self.pages.len()).expect("at most one a stream");
        let place = *self.place.entry(stream).or_insert(next);
        if place == next {
            self.pages.push(Ring { stream, ..Ring::default() });
        }
        self.pages.get_mut(place as usize).push(at, value, span_ms);
    }

    /// Forgets the readings of streams that nobody asks about any more.
    pub(crate) fn retain(&mut self, asked: impl Fn(u32) -> bool) {
        let before = std::mem::take(self);
        for ring in before.pages.as_slice().iter().filter(|ring| asked(ring.stream)) {
            let place = u32::try_from(self.pages.len()).expect("at most one a stream");
            self.place.insert(ring.stream, place);
            self.pages.push(*ring);
        }
    }

    pub(crate) fn find(&self, stream: u32) -> Option<&Ring> {
        let place = *self.place.get(&stream)?;
        Some(&self.pages[place as usize])
    }
}
