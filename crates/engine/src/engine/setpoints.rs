//! Set-points of single streams, as they are given and asked for.

use chengmai_model::stream::Levels;
use chengmai_model::{KindId, StreamId};

use super::Engine;
use crate::setpoint::{bounds, levels};
use crate::stream::SETPOINTS;

impl Engine {
    /// From now on these are the stream's own levels; those of its rules that ask for set-points judge
    /// its next reading by them. All `None` takes them away.
    ///
    /// # Panics
    /// When the stream was not registered.
    pub fn set_setpoints(&mut self, stream: StreamId, levels: &Levels) {
        let has = levels.iter().any(Option::is_some);
        let state = self.streams.get_mut(stream.0 as usize);
        if has || state.has(SETPOINTS) {
            state.set(SETPOINTS, has);
            let bounds = bounds(levels);
            let quiet = self.catalog.quiet_with(KindId(state.kind), &bounds);
            self.setpoints.set(stream.0, bounds, quiet);
        }
    }

    /// The stream's own levels.
    pub fn setpoints(&self, stream: StreamId) -> Levels {
        levels(&self.setpoints.bounds(stream.0))
    }

    /// Bytes that all set-points take in memory.
    pub fn setpoint_bytes(&self) -> usize {
        self.setpoints.bytes()
    }

    /// Rules have changed, or were not known yet: other values are quiet.
    pub(crate) fn requiet(&mut self) {
        let (catalog, streams) = (&self.catalog, self.streams.as_slice());
        self.setpoints.requiet(|stream, bounds| {
            catalog.quiet_with(KindId(streams[stream as usize].kind), bounds)
        });
    }
}
