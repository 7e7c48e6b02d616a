//! The last readings of every stream whose kind asks for slopes, thinned so that they span the longest
//! slope asked for. A slope is worked out from them exactly as from a list of times and values.
//!
//! They are kept small ([`Packed`]): a reading as six bytes, the newest not at all, as it stands in
//! the stream. What does not fit that form is kept as it is ([`Ring`]): values of many digits, slopes
//! over more than an hour, a newest reading that was corrected.
//!
//! Invariant: a packed stream's readings lie within the longest slope asked for before its newest one.

mod packed;
mod places;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

pub(crate) use self::packed::Packed;
use self::places::Places;
use crate::limits::{SLOPE_READINGS_MAX, is_time};
use crate::pages::{Pages, Plain};

/// The last readings of one stream as they are.
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
    fn new(stream: u32) -> Self {
        Self { stream, ..Self::default() }
    }

    pub(crate) fn stream(&self) -> u32 {
        self.stream
    }

    /// Its readings; `None` for bytes that no ring has.
    fn kept(&self) -> Option<&[(i64, f64)]> {
        let kept = self.readings.get(..self.len as usize)?;
        kept.iter().all(|(at, _)| is_time(*at)).then_some(kept)
    }

    fn readings(&self) -> &[(i64, f64)] {
        &self.readings[..self.len as usize]
    }

    /// Adds a reading behind all others, of which there are fewer than may be.
    fn add(&mut self, reading: (i64, f64)) {
        self.readings[self.len as usize] = reading;
        self.len += 1;
    }

    /// Adds a reading later than all others. `span_ms` is the longest slope asked for.
    fn push(&mut self, reading: (i64, f64), span_ms: i64) {
        let len = self.len as usize;
        // The last but one decides, so that the newest reading always stays.
        if len >= 2 && self.readings[len - 1].0 - self.readings[len - 2].0 < close(span_ms) {
            self.readings[len - 1] = reading;
        } else if len == SLOPE_READINGS_MAX {
            self.readings.rotate_left(1);
            self.readings[len - 1] = reading;
        } else {
            self.add(reading);
        }
    }

    /// Least-squares slope per minute over the readings of the last `span_ms` before `now`; NaN
    /// with fewer than two.
    pub(crate) fn slope(&self, now: i64, span_ms: i64) -> f64 {
        let inside = || self.readings().iter().filter(|(at, _)| now - at <= span_ms && *at <= now);
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

/// Pauses between as many readings as are kept.
#[expect(clippy::cast_possible_wrap, reason = "a small number")]
const ROOM: i64 = SLOPE_READINGS_MAX as i64 - 1;

/// Readings closer together than this are thinned out.
const fn close(span_ms: i64) -> i64 {
    span_ms / ROOM
}

/// The last readings of all streams whose kind asks for slopes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rings {
    /// Which streams have a place among the packed ones.
    places: Places,
    pub(crate) packed: Pages<Packed>,
    pub(crate) wide: Pages<Ring>,
    wide_place: HashMap<u32, u32, FixedState>,
}

impl Rings {
    /// From a snapshot; `None` when its parts do not fit together. `asked` says of each stream whether
    /// its kind asks for slopes.
    pub(crate) fn restored(
        bytes: &mut &[u8],
        wide: usize,
        asked: impl Iterator<Item = bool>,
    ) -> Option<Self> {
        let mut rings = Self::default();
        asked.for_each(|asked| rings.places.push(asked));
        rings.packed = Pages::take(bytes, rings.places.taken())?;
        rings.wide = Pages::take(bytes, wide)?;
        for (place, ring) in (0..).zip(rings.wide.as_slice()) {
            let twice = rings.wide_place.insert(ring.stream, place).is_some();
            let known = rings.places.find(ring.stream).is_some_and(|at| rings.packed[at].is_wide());
            if twice || !known || ring.kept().is_none() {
                return None;
            }
        }
        let packed = rings.packed.as_slice();
        let apart = packed.iter().filter(|packed| packed.is_wide()).count();
        (apart == wide && packed.iter().all(Packed::is_sound)).then_some(rings)
    }

    /// Takes over a ring that an earlier format kept. `newest` is the reading its stream holds, and
    /// `span_ms` the longest slope asked for; `None` when it cannot be one.
    pub(crate) fn take_over(
        &mut self,
        ring: &Ring,
        newest: Option<(i64, f64)>,
        span_ms: i64,
    ) -> Option<()> {
        let Some(place) = self.places.find(ring.stream) else { return Some(()) };
        let (last, older) = ring.kept()?.split_last()?;
        let packed = Packed::of(older, last.0, span_ms).filter(|_| newest == Some(*last));
        match packed {
            Some(packed) => *self.packed.get_mut(place) = packed,
            None => self.keep_wide(place, ring),
        }
        Some(())
    }

    /// The next stream is registered.
    pub(crate) fn add_stream(&mut self, asked: bool) {
        self.places.push(asked);
        if asked {
            self.packed.push(Packed::default());
        }
    }

    /// Adds a reading not earlier than the one `before`, which the stream held until now.
    pub(crate) fn push(
        &mut self,
        stream: u32,
        before: Option<(i64, f64)>,
        reading: (i64, f64),
        span_ms: i64,
    ) {
        let Some(place) = self.places.find(stream) else { return };
        if self.packed[place].is_wide() {
            let wide = self.wide_place[&stream] as usize;
            return self.wide.get_mut(wide).push(reading, span_ms);
        }
        let Some(before) = before else { return };
        if !self.packed.get_mut(place).push(before, reading.0, span_ms) {
            self.widen(stream, before);
            let wide = self.wide_place[&stream] as usize;
            self.wide.get_mut(wide).push(reading, span_ms);
        }
    }

    /// Keeps the readings of a stream as they are from now on. `newest` is the one it holds now.
    #[cold]
    pub(crate) fn widen(&mut self, stream: u32, newest: (i64, f64)) {
        let Some(place) = self.places.find(stream) else { return };
        if !self.packed[place].is_wide() {
            let ring = self.packed[place].unpacked(stream, newest);
            self.keep_wide(place, &ring);
        }
    }

    fn keep_wide(&mut self, place: usize, ring: &Ring) {
        *self.packed.get_mut(place) = Packed::WIDE;
        let wide = u32::try_from(self.wide.len()).expect("at most one a stream");
        self.wide_place.insert(ring.stream, wide);
        self.wide.push(*ring);
    }

    /// The readings of a stream whose newest one is that; `None` where nobody asks for slopes.
    pub(crate) fn find(&self, stream: u32, newest: (i64, f64)) -> Option<Ring> {
        let packed = &self.packed[self.places.find(stream)?];
        Some(if packed.is_wide() {
            self.wide[self.wide_place[&stream] as usize]
        } else {
            packed.unpacked(stream, newest)
        })
    }

    /// Reads the memory that the next reading of a stream is about to need.
    #[inline]
    pub(crate) fn peek(&self, stream: u32) -> u64 {
        self.places.find(stream).map_or(0, |place| self.packed[place].peek())
    }

    /// Other kinds ask for slopes now: forgets the readings of streams that nobody asks about any
    /// more, and begins with those of others.
    pub(crate) fn retain(&mut self, asked: impl Iterator<Item = bool>) {
        let before = std::mem::take(self);
        for (stream, asked) in (0..).zip(asked) {
            self.places.push(asked);
            if !asked {
                continue;
            }
            let packed = before.places.find(stream).map(|place| before.packed[place]);
            self.packed.push(packed.unwrap_or_default());
            if let Some(&wide) = before.wide_place.get(&stream) {
                self.keep_wide(self.packed.len() - 1, &before.wide[wide as usize]);
            }
        }
    }

    pub(crate) fn freeze(&mut self) {
        self.packed.freeze();
        self.wide.freeze();
    }
}

#[cfg(test)]
mod tests;
