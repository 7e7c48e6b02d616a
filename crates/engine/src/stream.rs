//! What the engine keeps of each stream: 32 bytes that every reading touches, and apart from them
//! what is only needed now and then.

use chengmai_model::Timestamp;

use crate::limits::is_time;
use crate::pages::Plain;

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

    /// Time and value of its newest reading.
    #[inline]
    pub(crate) fn newest(&self) -> Option<(i64, f64)> {
        self.reported().then_some((self.last_at, self.last_value))
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

/// The cold part of a stream. Whose it is stands apart, as that mostly rises from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct StreamFacts {
    pub(crate) period_ms: u32,
    /// Bucket of the expiry wheel it stands in, while [`SCHEDULED`].
    pub(crate) due_s: u32,
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
    const BYTES: usize = 8;

    fn put(self, out: &mut Vec<u8>) {
        self.period_ms.put(out);
        self.due_s.put(out);
    }

    fn take(bytes: &[u8]) -> Self {
        Self { period_ms: u32::take(&bytes[..4]), due_s: u32::take(&bytes[4..]) }
    }
}
