//! Newest values of many streams at once: one pass over the flat array, nothing else is touched.

use chengmai_model::{KindId, StreamId, Timestamp};

use super::Engine;

impl Engine {
    /// Hands over every stream of a kind whose newest value lies within the bounds, both included,
    /// with time and value, in the order of their numbers.
    pub fn newest(
        &self,
        kind: KindId,
        [low, high]: [f64; 2],
        mut each: impl FnMut(StreamId, Timestamp, f64),
    ) {
        for (number, stream) in (0..).zip(self.streams.as_slice()) {
            let within = stream.last_value >= low && stream.last_value <= high;
            if stream.kind == kind.0 && within && stream.reported() {
                each(StreamId(number), Timestamp(stream.last_at), stream.last_value);
            }
        }
    }
}
