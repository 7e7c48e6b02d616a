//! Reading the journal back: opening it after any kind of end, and replaying it.
//!
//! Opening reads the last segment whole (that is where a crash leaves its trace) and of the others
//! only names and lengths; their frames are checked when they are replayed.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::segment::{self, Header, Scan};
use super::{Journal, JournalSettings, Segment, create_segment, entry};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::journal::Entry;

/// What was found when the journal was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The sequence of the next frame; 1 in a new journal.
    pub next_sequence: u64,
    /// The position of the next reading; 0 in a new journal.
    pub next_position: u64,
    /// Bytes of an unfinished write that were cut off.
    pub torn_bytes: u64,
    /// Segment files after recovery.
    pub segments: usize,
}

pub(super) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    settings: JournalSettings,
) -> Result<(Journal, Recovered)> {
    disk.create_dir(dir).map_err(Error::io("create", dir))?;
    let mut sequences = segment::list(disk.as_ref(), dir)?;
    let mut torn_bytes = drop_unborn_segment(disk.as_ref(), dir, &mut sequences)?;
    let mut segments = Vec::with_capacity(sequences.len() + 1);
    for &sequence in &sequences {
        let path = segment::path_of(dir, sequence);
        let bytes = disk.len(&path).map_err(Error::io("measure", &path))?;
        segments.push(Segment { sequence, bytes });
    }
    let (file, next) = if let Some(last) = segments.last_mut() {
        let path = segment::path_of(dir, last.sequence);
        let bytes = disk.read(&path).map_err(Error::io("read", &path))?;
        let scan = segment::scan(&path, &bytes, last.sequence, true, &mut |_, _| {
            Ok(ControlFlow::Continue(()))
        })?;
        if scan.torn_bytes > 0 {
            tracing::warn!(
                file = %path.display(),
                offset = scan.sound_bytes,
                torn_bytes = scan.torn_bytes,
                "an unfinished write was cut off the journal"
            );
            disk.truncate(&path, scan.sound_bytes as u64).map_err(Error::io("cut", &path))?;
            torn_bytes += scan.torn_bytes as u64;
        }
        last.bytes = scan.sound_bytes as u64;
        // A killed process leaves whole frames in the page cache, and one that stopped at a failed
        // sync may leave frames there that no later sync writes: what is about to be believed is
        // written once more before anything is built on it.
        disk.rewrite(&path, scan.last_commit_at as u64).map_err(Error::io("rewrite", &path))?;
        let file = disk.open_append(&path).map_err(Error::io("open", &path))?;
        disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
        (file, Header { sequence: scan.next_sequence, position: scan.next_position })
    } else {
        let first = Header { sequence: 1, position: 0 };
        segments.push(Segment { sequence: 1, bytes: segment::HEADER_BYTES as u64 });
        (create_segment(disk.as_ref(), dir, first)?, first)
    };
    let recovered = Recovered {
        next_sequence: next.sequence,
        next_position: next.position,
        torn_bytes,
        segments: segments.len(),
    };
    let journal = Journal {
        disk,
        dir: dir.to_path_buf(),
        settings,
        segments,
        file,
        buffer: Vec::new(),
        committed: next,
        next,
        poisoned: false,
    };
    Ok((journal, recovered))
}

/// A crash while a segment was being created leaves a file without a sound header and without
/// frames. It is removed; the segment before it must end exactly where it would have begun.
fn drop_unborn_segment(disk: &dyn Disk, dir: &Path, sequences: &mut Vec<u64>) -> Result<u64> {
    let Some(&sequence) = sequences.last() else { return Ok(0) };
    let path = segment::path_of(dir, sequence);
    let bytes = disk.len(&path).map_err(Error::io("measure", &path))?;
    if bytes > segment::HEADER_BYTES as u64 {
        return Ok(0);
    }
    let content = disk.read(&path).map_err(Error::io("read", &path))?;
    if Header::decode(&content).is_ok() {
        return Ok(0);
    }
    let before = sequences.iter().rev().nth(1).copied();
    let expected = match before {
        Some(before) => {
            let path = segment::path_of(dir, before);
            let bytes = disk.read(&path).map_err(Error::io("read", &path))?;
            let scan = segment::scan(&path, &bytes, before, false, &mut |_, _| {
                Ok(ControlFlow::Continue(()))
            })?;
            scan.next_sequence
        }
        None => 1,
    };
    if expected != sequence {
        return Err(Error::Gap { path, expected, found: sequence });
    }
    tracing::warn!(file = %path.display(), "an unfinished new journal segment was removed");
    disk.remove(&path).map_err(Error::io("remove", &path))?;
    disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
    sequences.pop();
    Ok(bytes)
}

/// Gives every entry from `from_sequence` on to `each`, in order, until it breaks or the journal
/// ends. Call it with the sequence of the last snapshot plus one; 0 and 1 both mean everything.
/// Returns the sequence after the last frame given (or `from_sequence` when there was none).
///
/// It only reads, and may run beside an open journal: it then ends at the last whole frame.
///
/// # Errors
/// [`Error::Damaged`] and [`Error::Gap`] name the file; nothing behind the damage is given.
/// [`Error::Removed`] and [`Error::Behind`] when the frames asked for are not there.
pub fn replay(
    disk: &dyn Disk,
    dir: &Path,
    from_sequence: u64,
    each: &mut dyn FnMut(u64, Entry) -> ControlFlow<()>,
) -> Result<u64> {
    let wanted = from_sequence.max(1);
    let sequences = segment::list(disk, dir)?;
    let Some(&first) = sequences.first() else {
        return if wanted == 1 { Ok(1) } else { Err(Error::Behind { wanted, next: 1 }) };
    };
    if wanted < first {
        return Err(Error::Removed { wanted, first });
    }
    // The last segment that begins at or before the frame wanted.
    let start = sequences.partition_point(|&sequence| sequence <= wanted) - 1;
    let mut next: Option<u64> = None;
    for (index, &sequence) in sequences.iter().enumerate().skip(start) {
        let path = segment::path_of(dir, sequence);
        if let Some(expected) = next.filter(|&expected| expected != sequence) {
            return Err(Error::Gap { path, expected, found: sequence });
        }
        let last = index + 1 == sequences.len();
        let bytes = disk.read(&path).map_err(Error::io("read", &path))?;
        if last && bytes.len() <= segment::HEADER_BYTES && Header::decode(&bytes).is_err() {
            // Being created by a journal that is open beside us, or left by a crash.
            break;
        }
        let scan = replay_segment(&path, &bytes, sequence, last, wanted, each)?;
        next = Some(scan.next_sequence);
        if scan.stopped {
            break;
        }
    }
    let next = next.unwrap_or(1);
    if next < wanted { Err(Error::Behind { wanted, next }) } else { Ok(next) }
}

fn replay_segment(
    path: &Path,
    bytes: &[u8],
    sequence: u64,
    last: bool,
    wanted: u64,
    each: &mut dyn FnMut(u64, Entry) -> ControlFlow<()>,
) -> Result<Scan> {
    segment::scan(path, bytes, sequence, last, &mut |offset, frame| {
        if frame.sequence < wanted {
            return Ok(ControlFlow::Continue(()));
        }
        let entry = entry::decode(frame.kind, frame.payload)
            .map_err(|reason| Error::damaged(path, offset, reason))?;
        Ok(each(frame.sequence, entry))
    })
}
