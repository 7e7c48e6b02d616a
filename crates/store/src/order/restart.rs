//! Where a start begins: which frames of the journal are given again, and to whom.

use std::ops::ControlFlow;
use std::path::Path;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::journal::{Entry, replay};

/// How far everything was when the program ended; 0 for what starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restart {
    /// Last frame that the restored registry has seen: the snapshot's.
    pub registry: u64,
    /// Last frame that the restored engine has seen: the snapshot's, or 0 when packs or areas have
    /// changed and the engine is derived anew from what the journal still holds.
    pub engine: u64,
    /// History's watermark.
    pub history: u64,
}

/// Who has not seen a frame yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// The registry. Registrations are the same when they are applied twice, so this only spares
    /// time.
    pub registry: bool,
    /// The engine, and with it decisions and live screens.
    pub engine: bool,
    /// History.
    pub history: bool,
}

impl Restart {
    /// The first frame that anybody needs.
    pub fn from(&self) -> u64 {
        self.registry.min(self.engine).min(self.history) + 1
    }

    /// Gives every frame that somebody needs to `each`, in order, and returns the sequence that the
    /// next frame will have. `next_sequence` is the journal's own after recovery.
    ///
    /// # Errors
    /// [`Error::Behind`] when a snapshot or history knows frames that the journal has lost: new
    /// frames would get their numbers and be taken for them. [`Error::Removed`] when frames are
    /// gone that the registry or history need. Whatever [`replay`] says.
    pub fn replay(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        next_sequence: u64,
        each: &mut dyn FnMut(u64, Entry, Use),
    ) -> Result<u64> {
        let known = self.registry.max(self.engine).max(self.history);
        if known >= next_sequence {
            return Err(Error::Behind { wanted: known + 1, next: next_sequence });
        }
        let mut give = |sequence: u64, entry: Entry| {
            let to = Use {
                registry: sequence > self.registry,
                engine: sequence > self.engine,
                history: sequence > self.history,
            };
            each(sequence, entry, to);
            ControlFlow::Continue(())
        };
        match replay(disk, dir, self.from(), &mut give) {
            // Nothing was given yet. An engine that is derived anew does with what is left; nobody
            // else may miss a frame.
            Err(Error::Removed { first, .. }) if first <= self.registry.min(self.history) + 1 => {
                tracing::warn!(first, "the engine is derived anew from the frames that are left");
                replay(disk, dir, first, &mut give)
            }
            outcome => outcome,
        }
    }
}
