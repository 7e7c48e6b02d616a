//! The journal: the memory of the senses. An append-only log of registrations, readings and ticks in
//! segment files. What [`Journal::commit`] said `Ok` to is on disk; everything else of the senses
//! (states, windows, Parquet) can be derived again from here.
//!
//! What it is not: it does not know what a reading means, does not number streams, does not decide
//! when to commit, and is used by one thread. Two processes must not open one folder; whoever owns
//! the data folder sees to that.
//!
//! Invariants: frames are numbered from 1 without gaps (0 means "nothing yet" for snapshots and
//! watermarks), readings from 0 without gaps. A commit lies in one segment. A segment is whole and
//! synced before the next one exists. After a failed write or sync nothing more is written; a full disk
//! is different, because there it is known what was not written: it is cut off again, the commit is
//! refused whole, and the next one may succeed.

mod entry;
mod frame;
mod keep;
mod recovery;
mod segment;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use entry::{Entry, EntryRef};
pub use frame::PAYLOAD_BYTES_MAX;
pub use keep::{Cut, Keeper, cut, join};
pub use recovery::{Recovered, replay};

use crate::disk::{Disk, DiskFile};
use crate::error::{Error, Result};

/// Capacity that the commit buffer keeps; one large import must not hold its memory for ever.
const BUFFER_KEEP_BYTES: usize = 16 << 20;

/// How the journal is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSettings {
    /// A segment that would grow beyond this gets a successor. One commit is never split, so a
    /// segment of a single large commit may be longer.
    pub segment_bytes_max: u64,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self { segment_bytes_max: 64 << 20 }
    }
}

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    settings: JournalSettings,
    /// Oldest first; the last one is open in `file`. Never empty.
    segments: Vec<Segment>,
    file: Box<dyn DiskFile>,
    /// Encoded frames that are not yet on disk.
    buffer: Vec<u8>,
    /// Sequence and position after the last commit.
    committed: segment::Header,
    /// Sequence and position after the last append.
    next: segment::Header,
    poisoned: bool,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    sequence: u64,
    bytes: u64,
}

impl Journal {
    /// Opens the journal of a folder, making both when they are not there. A tail that a crash tore
    /// is cut off, counted and logged; it was never acknowledged.
    ///
    /// # Errors
    /// [`Error::Damaged`] when bytes that were acknowledged do not read back, [`Error::Io`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        settings: JournalSettings,
    ) -> Result<(Self, Recovered)> {
        recovery::open(disk, dir, settings)
    }

    /// Encodes one entry into the buffer and returns its sequence. It is not on disk, and must not
    /// be acknowledged, before [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`Error::Position`] when readings do not continue the numbering, [`Error::TooLarge`],
    /// [`Error::Encode`]; all three leave the journal as it was. [`Error::Poisoned`].
    pub fn append(&mut self, entry: EntryRef<'_>) -> Result<u64> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let mut position = self.next.position;
        if let EntryRef::Readings { position: found, readings, .. } = entry {
            if found != position {
                return Err(Error::Position { expected: position, found });
            }
            position += readings.len() as u64;
        }
        let sequence = self.next.sequence;
        let place = u32::try_from(sequence - self.committed.sequence)
            .map_err(|_overflow| Error::TooLarge { bytes: self.buffer.len() })?;
        frame::encode(&mut self.buffer, sequence, place, entry)?;
        self.next = segment::Header { sequence: sequence + 1, position };
        Ok(sequence)
    }

    /// Writes and syncs the buffer: after `Ok` everything appended is on disk.
    ///
    /// # Errors
    /// [`Error::Full`] takes everything back that was appended since the last commit: nothing of it
    /// is on disk, and it may be appended again. Any other failure poisons the journal: what is on
    /// disk is unknown until it is opened again, so this and every later call fail. In both cases
    /// nothing of the buffer may be acknowledged.
    pub fn commit(&mut self) -> Result<()> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut outcome = self.write_buffer();
        if matches!(outcome, Err(Error::Full { .. })) {
            outcome = self.take_back().and(outcome);
        }
        match &outcome {
            Ok(()) => {}
            Err(error @ Error::Full { .. }) => {
                tracing::warn!(%error, "a commit is refused and was taken back");
            }
            Err(error) => {
                self.poisoned = true;
                tracing::error!(%error, "the journal stops: a write failed");
            }
        }
        outcome
    }

    /// Deletes the segments that hold no frame from `sequence` on. The open segment always stays.
    /// Returns how many went. A failed delete does not poison: the file is merely kept.
    ///
    /// Pass the smallest of what is still needed: the oldest snapshot's sequence plus one (see
    /// [`crate::snapshot::write`]) and the history's watermark plus one.
    pub fn remove_before(&mut self, sequence: u64) -> Result<usize> {
        let mut removed = 0;
        // Oldest first, so that a crash in between leaves no hole.
        while let [oldest, second, ..] = self.segments.as_slice() {
            if second.sequence > sequence {
                break;
            }
            let path = segment::path_of(&self.dir, oldest.sequence);
            self.disk.remove(&path).map_err(Error::io("remove", &path))?;
            self.segments.remove(0);
            removed += 1;
            // Names become durable in any order; one at a time they cannot leave a hole either.
            self.disk.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))?;
        }
        Ok(removed)
    }

    /// Bytes of all segments on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Bytes appended and not yet committed.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// How many segment files there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The sequence that the next append will return.
    pub fn next_sequence(&self) -> u64 {
        self.next.sequence
    }

    /// The position that the next readings must have.
    pub fn next_position(&self) -> u64 {
        self.next.position
    }

    /// Whether a write failed, and not for want of room, so that every call fails until the journal is opened again.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn write_buffer(&mut self) -> Result<()> {
        let buffer_bytes = self.buffer.len() as u64;
        let current = self.current();
        if current.bytes > segment::HEADER_BYTES as u64
            && current.bytes + buffer_bytes > self.settings.segment_bytes_max
        {
            self.file = create_segment(self.disk.as_ref(), &self.dir, self.committed)?;
            self.segments.push(Segment {
                sequence: self.committed.sequence,
                bytes: segment::HEADER_BYTES as u64,
            });
        }
        let path = segment::path_of(&self.dir, self.current().sequence);
        self.file.write_all(&self.buffer).map_err(Error::room("write", &path))?;
        self.file.sync().map_err(Error::io("sync", &path))?;
        if let Some(current) = self.segments.last_mut() {
            current.bytes += buffer_bytes;
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEEP_BYTES);
        self.committed = self.next;
        Ok(())
    }

    /// Makes the journal what it was after the last commit: on disk, and in memory.
    fn take_back(&mut self) -> Result<()> {
        let Segment { sequence, bytes } = self.current();
        if sequence != self.committed.sequence {
            // The segment that could not be made may have a name already.
            let unborn = segment::path_of(&self.dir, self.committed.sequence);
            match self.disk.remove(&unborn) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => {
                    removed.map_err(Error::io("remove", &unborn))?;
                    self.disk.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))?;
                }
            }
        }
        let path = segment::path_of(&self.dir, sequence);
        self.disk.truncate(&path, bytes).map_err(Error::io("cut", &path))?;
        // The old handle would go on behind what was cut off.
        self.file = self.disk.open_append(&path).map_err(Error::io("open", &path))?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEEP_BYTES);
        self.next = self.committed;
        Ok(())
    }

    fn current(&self) -> Segment {
        *self.segments.last().expect("an open journal has a segment")
    }
}

/// A new segment, durable with its name and header before anything is written behind it.
fn create_segment(
    disk: &dyn Disk,
    dir: &Path,
    first: segment::Header,
) -> Result<Box<dyn DiskFile>> {
    let path = segment::path_of(dir, first.sequence);
    let mut file = disk.create(&path).map_err(Error::room("create", &path))?;
    file.write_all(&first.encode()).map_err(Error::room("write", &path))?;
    file.sync().map_err(Error::io("sync", &path))?;
    disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
    Ok(file)
}
