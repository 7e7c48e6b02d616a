//! Bits that turned over: where they may, and what a start must say of them.

use std::path::{Path, PathBuf};

use chengmai_store::disk::simulated::{Dice, SimulatedDisk};

use super::process::journal_files;

const SEGMENT_HEADER_BYTES: usize = 32;

/// A bit that was turned over.
#[derive(Debug)]
struct Rot {
    path: PathBuf,
    byte: usize,
    bit: u8,
}

/// All damage that was done and not healed.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    rotten: Vec<Rot>,
    /// Where the last acknowledged commit begins: rot in it cannot be told from a torn write.
    last_commit: Option<(PathBuf, usize)>,
}

impl Damage {
    /// Notes where the commit that was just made begins; `before` are the journal's files before it.
    pub(crate) fn committed(&mut self, disk: &SimulatedDisk, before: &[(PathBuf, usize)]) {
        if let Some((path, _)) = journal_files(disk).pop() {
            let length = before.iter().find(|(known, _)| *known == path).map(|(_, length)| *length);
            self.last_commit = Some((path, length.unwrap_or(SEGMENT_HEADER_BYTES)));
        }
    }

    /// A bit of a file turns over, where everything was acknowledged or published.
    pub(crate) fn rot(&mut self, disk: &SimulatedDisk, dice: &mut Dice) {
        let last = journal_files(disk).pop();
        let mut places = Vec::new();
        for (path, length) in disk.files() {
            let until = match (&last, &self.last_commit) {
                _ if path.extension().is_some_and(|extension| extension == "partial") => 0,
                (Some((last, _)), Some((of, at))) if path == *last && path == *of => *at,
                // Not acknowledged yet, or a header without frames, which is made again.
                (Some((last, _)), _) if path == *last => 0,
                _ => length,
            };
            if until > 0 && !self.rotten.iter().any(|rot| rot.path == path) {
                places.push((path, until));
            }
        }
        if places.is_empty() {
            return;
        }
        let (path, until) = places.swap_remove(dice.below(places.len()));
        let byte = dice.below(until);
        let bit = u8::try_from(dice.below(8)).unwrap_or(0);
        disk.flip_bit(&path, byte, bit);
        disk.note(format!("bit {bit} of byte {byte} of {} rots", path.display()));
        self.rotten.push(Rot { path, byte, bit });
    }

    /// The damaged files are brought back from a copy.
    pub(crate) fn heal(&mut self, disk: &SimulatedDisk) {
        for Rot { path, byte, bit } in std::mem::take(&mut self.rotten) {
            disk.flip_bit(&path, byte, bit);
        }
    }

    /// How many files of a folder are damaged.
    pub(crate) fn inside(&self, dir: &Path) -> usize {
        self.rotten.iter().filter(|rot| rot.path.starts_with(dir)).count()
    }

    /// Whether a report of damage in that file, from that byte on, is true.
    pub(crate) fn explains(&self, path: &Path, offset: u64) -> bool {
        self.rotten.iter().any(|rot| rot.path == path && offset <= rot.byte as u64)
    }
}
