//! Devices that went to another area. The registry knows at once and history comes behind: it asks
//! here where a device was when it measured.
//!
//! Not here: where streams count in the engine, which the journal's frame says.

use chengmai_model::{AreaCode, AreaId, DeviceId};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Registry;

/// Moves that history has not come to yet, by device, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Moves {
    by_device: HashMap<u32, Vec<Move>, FixedState>,
}

#[derive(Debug)]
struct Move {
    from: AreaId,
    to: AreaCode,
}

impl Moves {
    pub(super) fn add(&mut self, id: DeviceId, from: AreaId, to: AreaCode) {
        self.by_device.entry(id.0).or_default().push(Move { from, to });
    }

    fn next(&self, id: DeviceId) -> Option<&Move> {
        self.by_device.get(&id.0)?.first()
    }
}

impl Registry {
    /// Where a device was for history, which comes behind: it may have moved since.
    pub(crate) fn area_in_history(&self, id: DeviceId) -> AreaId {
        self.moves.next(id).map_or_else(|| self.device(id).area(), |next| next.from)
    }

    /// Whether that area is the next one of the device for history.
    pub(crate) fn is_next_move(&self, id: DeviceId, to: &AreaCode) -> bool {
        self.moves.next(id).is_some_and(|next| next.to == *to)
    }

    /// History has come to one move of each of these devices.
    pub(crate) fn moved_in_history(&mut self, devices: &[DeviceId]) {
        for id in devices {
            let of_device = self.moves.by_device.entry(id.0).or_default();
            of_device.drain(..of_device.len().min(1));
            if of_device.is_empty() {
                self.moves.by_device.remove(&id.0);
            }
        }
    }
}
