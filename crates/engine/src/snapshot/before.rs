//! What snapshots before format 7 held otherwise: the device of a stream stood among its facts, and a
//! ring as it is for every stream that had reported and whose kind asks for slopes.

use super::Sizes;
use crate::engine::Engine;
use crate::pages::{Pages, Plain};
use crate::slope::Ring;
use crate::stream::StreamFacts;

/// The oldest format that is read.
pub(super) const OLDEST: u32 = 6;

/// Facts with the device before them.
#[derive(Debug, Clone, Copy, Default)]
struct Owned(u32, StreamFacts);

impl Plain for Owned {
    const BYTES: usize = u32::BYTES + StreamFacts::BYTES;

    fn put(self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(bytes: &[u8]) -> Self {
        let (device, facts) = bytes.split_at(u32::BYTES);
        Self(u32::take(device), StreamFacts::take(facts))
    }
}

impl Engine {
    /// Reads facts and rings; `None` when they are not what their sizes say.
    pub(super) fn fill_before(&mut self, sizes: &Sizes, bytes: &mut &[u8]) -> Option<()> {
        let owned: Pages<Owned> = Pages::take(bytes, sizes.streams)?;
        self.owners = owned.as_slice().iter().map(|owned| owned.0).collect();
        self.facts = owned.as_slice().iter().map(|owned| owned.1).collect();
        let before: Pages<Ring> = Pages::take(bytes, sizes.rings)?;
        let spans: Vec<i64> = self.spans().collect();
        for &span_ms in &spans {
            self.rings.add_stream(span_ms > 0);
        }
        for ring in before.as_slice() {
            let stream = ring.stream() as usize;
            let newest = self.streams.as_slice().get(stream)?.newest();
            self.rings.take_over(ring, newest, spans[stream])?;
        }
        Some(())
    }
}
