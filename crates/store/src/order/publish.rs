//! When an image of the state may become a snapshot, and what may be forgotten after it.

use std::path::Path;

use crate::disk::Disk;
use crate::error::Result;
use crate::snapshot;

/// How far everything is that lives on its own outside the journal, when an image of engine and
/// registry as of some frame is about to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// History has the rows of every frame up to here in durable files.
    pub history: u64,
    /// The records have every step that followed from frames up to here.
    pub decisions: u64,
    /// Every registration in the image stands in a committed frame. The registry is ahead of the
    /// engine, and of the journal too: a device in a snapshot that no frame explains would be
    /// missing as soon as another snapshot is read, and its number would be given out twice.
    pub registry: bool,
}

impl Reached {
    /// Whether an image as of that frame may be published: a start from it never asks the journal
    /// for anything older.
    pub const fn allows(&self, sequence: u64) -> bool {
        self.history >= sequence && self.decisions >= sequence && self.registry
    }

    /// Writes the image if it is time and says before which frame the journal is not needed any
    /// more; `None` when somebody lags behind.
    ///
    /// # Errors
    /// As [`snapshot::write`]: the snapshots before it stay, and so does the journal.
    pub fn publish(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        sequence: u64,
        parts: &[(&str, &[u8])],
    ) -> Result<Option<u64>> {
        if !self.allows(sequence) {
            return Ok(None);
        }
        let unneeded = snapshot::write(disk, dir, sequence, parts)?;
        Ok(Some(self.forget_before(unneeded)))
    }

    /// The first frame that the journal must keep, given what [`snapshot::write`] answered: the
    /// older of the two snapshots kept must find its continuation, and history its own.
    pub const fn forget_before(&self, unneeded: u64) -> u64 {
        let last = if unneeded < self.history { unneeded } else { self.history };
        last + 1
    }
}
