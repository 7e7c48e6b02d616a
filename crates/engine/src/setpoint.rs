//! Set-points 限值 of single streams: the levels from which this one device is to warn, where a rule
//! of its kind asks for them (`value >= setpoint('red')`).
//!
//! A stream with set-points has its own quiet band: the values at which no rule can have anything to
//! say, given these levels. A reading inside it touches the band and no rule; what is compared, counted
//! and graded beyond it is the rules' business.
//!
//! Invariant: the band is worked out from levels and rules whenever either changes, and never wider
//! than they allow. It is kept as `f32`, rounded inward.

use chengmai_model::stream::Levels;
use chengmai_model::{Severity, StreamId};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::pages::{Pages, Plain};

/// Levels as rules compare with them: NaN where there is none.
pub(crate) type Bounds = [f64; 4];

pub(crate) const NO_BOUNDS: Bounds = [f64::NAN; 4];

/// Begins the set-points in a snapshot; behind it their number, and so many rows.
const MARK: &[u8; 8] = b"setpts 1";

/// The set-points of one stream.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Own {
    stream: u32,
    quiet: [f32; 2],
    bounds: Bounds,
}

const _: () = assert!(size_of::<Own>() == 48, "with its place in the table less than 64 bytes");

impl Default for Own {
    fn default() -> Self {
        Self { stream: 0, quiet: [f32::INFINITY, f32::NEG_INFINITY], bounds: NO_BOUNDS }
    }
}

/// Without the band: it follows from the rest.
impl Plain for Own {
    const BYTES: usize = 36;

    fn put(self, out: &mut Vec<u8>) {
        self.stream.put(out);
        self.bounds.iter().for_each(|bound| bound.to_bits().put(out));
    }

    fn take(bytes: &[u8]) -> Self {
        let bound = |index: usize| f64::from_bits(u64::take(&bytes[4 + 8 * index..12 + 8 * index]));
        Self {
            stream: u32::take(&bytes[..4]),
            bounds: std::array::from_fn(bound),
            ..Self::default()
        }
    }
}

/// The set-points of all streams that have any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setpoints {
    rows: Pages<Own>,
    /// Row of a stream.
    places: HashTable<u32>,
}

fn hash(stream: u32) -> u64 {
    std::hash::BuildHasher::hash_one(&FixedState::default(), stream)
}

impl Setpoints {
    /// True when a reading of that value is nothing to any rule. Only for streams that have set-points.
    #[inline]
    pub(crate) fn is_quiet(&self, stream: u32, value: f64) -> bool {
        self.find(stream).is_some_and(|own| {
            let [low, high] = own.quiet;
            value >= f64::from(low) && value <= f64::from(high)
        })
    }

    /// The levels of a stream; NaN where there is none.
    pub(crate) fn bounds(&self, stream: u32) -> Bounds {
        self.find(stream).map_or(NO_BOUNDS, |own| own.bounds)
    }

    #[inline]
    fn find(&self, stream: u32) -> Option<&Own> {
        let rows = self.rows.as_slice();
        let place = self.places.find(hash(stream), |&row| rows[row as usize].stream == stream)?;
        Some(&rows[*place as usize])
    }

    /// From now on these are the levels, and that is the band.
    pub(crate) fn set(&mut self, stream: u32, bounds: Bounds, quiet: [f64; 2]) {
        let own = Own { stream, quiet: inward(quiet), bounds };
        let rows = self.rows.as_slice();
        let known = self.places.find(hash(stream), |&row| rows[row as usize].stream == stream);
        if let Some(&row) = known {
            *self.rows.get_mut(row as usize) = own;
            return;
        }
        let row = u32::try_from(self.rows.len()).expect("at most one a stream");
        self.rows.push(own);
        let rows = self.rows.as_slice();
        self.places.insert_unique(hash(stream), row, |&row| hash(rows[row as usize].stream));
    }

    /// Works every band out anew.
    pub(crate) fn requiet(&mut self, mut quiet: impl FnMut(u32, &Bounds) -> [f64; 2]) {
        for row in 0..self.rows.len() {
            let Own { stream, bounds, .. } = self.rows[row];
            self.rows.get_mut(row).quiet = inward(quiet(stream, &bounds));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Streams with their levels, in the order in which they first got any.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Bounds)> {
        self.rows.as_slice().iter().map(|own| (own.stream, own.bounds))
    }

    /// Bytes they take, the table included.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.rows.as_slice()) + self.places.allocation_size()
    }

    pub(crate) fn freeze(&mut self) {
        self.rows.freeze();
    }

    /// What stands in front of the rows in a snapshot.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = MARK.to_vec();
        (self.rows.len() as u64).put(&mut head);
        head
    }

    pub(crate) fn thaw(&mut self, out: &mut Vec<u8>, full: usize) -> bool {
        self.rows.thaw(out, full)
    }

    /// Reads them from the front of a snapshot, which says nothing of what comes behind; `None` when
    /// they are cut short, or a stream stands there twice.
    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        *bytes = bytes.strip_prefix(MARK)?;
        let (count, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let rows = Pages::<Own>::take(bytes, usize::try_from(u64::from_le_bytes(*count)).ok()?)?;
        let mut setpoints = Self::default();
        for own in rows.as_slice() {
            setpoints.set(own.stream, own.bounds, [f64::INFINITY, f64::NEG_INFINITY]);
        }
        (setpoints.len() == rows.len()).then_some(setpoints)
    }
}

/// Levels as they are compared.
pub(crate) fn bounds(levels: &Levels) -> Bounds {
    levels.map(|level| level.unwrap_or(f64::NAN))
}

/// Levels as people know them.
pub(crate) fn levels(bounds: &Bounds) -> Levels {
    bounds.map(|bound| (!bound.is_nan()).then_some(bound))
}

/// The set-points in the bytes of an engine's snapshot, whatever version of the program or packs it is
/// of: people entered them, so they outlive what can be derived. `None` when there are none to be read.
pub fn setpoints_in(mut snapshot: &[u8]) -> Option<Vec<(StreamId, Levels)>> {
    let setpoints = Setpoints::take(&mut snapshot)?;
    Some(setpoints.iter().map(|(stream, own)| (StreamId(stream), levels(&own))).collect())
}

/// The severity that a rule's word means.
pub(crate) fn severity_named(word: &str) -> Option<Severity> {
    Severity::ALL.into_iter().find(|severity| severity.color() == word)
}

/// The widest band of `f32` inside one of `f64`.
#[expect(clippy::cast_possible_truncation, reason = "what is lost is put right")]
fn inward([low, high]: [f64; 2]) -> [f32; 2] {
    let (mut a, mut b) = (low as f32, high as f32);
    if f64::from(a) < low {
        a = a.next_up();
    }
    if f64::from(b) > high {
        b = b.next_down();
    }
    [a, b]
}

#[cfg(test)]
mod tests;
