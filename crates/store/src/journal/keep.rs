//! A second copy of the journal that is kept when the first lets go 日志留存: a folder, best on another disk, that follows
//! the journal frame by frame; and from it, together with a backup, a journal that ends at any moment.
//!
//! What it is not: a replica. What was committed within the last look is in the journal only.
//! Invariants: a segment goes from the journal only after its copy was compared with it, byte by byte; a copy
//! that is not a beginning of its segment is put aside, never overwritten.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chengmai_model::Timestamp;
use chengmai_model::stream::Registration;

use super::entry::{self, Entry};
use super::segment;
use crate::disk::Disk;
use crate::error::{Error, Result};

/// Bytes before the end of a copy that must be the segment's, each time something is added.
const SEAM_BYTES: u64 = 4_096;

/// Follows a journal.
#[derive(Debug)]
pub struct Keeper {
    disk: Arc<dyn Disk>,
    journal: PathBuf,
    kept: PathBuf,
    /// Segments that begin before this are whole in the copy.
    whole: u64,
}

/// What a journal holds after [`cut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The sequence that comes next.
    pub next_sequence: u64,
    /// When what came in last came in; nothing when no frame was looked at.
    pub last_at: Option<Timestamp>,
    /// Whether anything was cut off.
    pub is_cut: bool,
}

impl Keeper {
    /// Begins to keep the journal of one folder in another, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::OtherJournal`] when the folder holds what this journal never held, [`Error::Io`].
    pub fn open(disk: Arc<dyn Disk>, journal: &Path, kept: &Path) -> Result<Self> {
        disk.create_dir(kept).map_err(Error::io("create", kept))?;
        let keeper =
            Self { disk, journal: journal.to_path_buf(), kept: kept.to_path_buf(), whole: 0 };
        let (ours, theirs) = (keeper.list(journal)?, keeper.list(kept)?);
        // A copy of another city, or of what came after the moment that this one was brought back to, has to
        // stay as it is. Where both have a segment it begins in the same way; how it ends a crash decides.
        let beyond = theirs.last().filter(|last| ours.last().is_none_or(|ours| *last > ours));
        let both = ours.iter().rev().find(|&sequence| theirs.contains(sequence));
        let differs = match both {
            Some(&sequence) => !keeper.begin_alike(sequence)?,
            None => false,
        };
        if let Some(&sequence) = beyond.or(both.filter(|_| differs)) {
            return Err(Error::OtherJournal { path: segment::path_of(kept, sequence) });
        }
        Ok(keeper)
    }

    /// Brings over what is new. Returns the sequence before which everything is in the copy for good.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`]: what is missing is brought over the next time.
    pub fn follow(&mut self) -> Result<u64> {
        let sequences = self.list(&self.journal)?;
        for (index, &sequence) in sequences.iter().enumerate() {
            if sequence < self.whole {
                continue;
            }
            self.bring(sequence)?;
            if let Some(&next) = sequences.get(index + 1) {
                // Nobody writes to it any more: compared once, for good.
                if !self.is_beginning(sequence, u64::MAX)? {
                    self.put_aside(sequence)?;
                    self.bring(sequence)?;
                }
                self.whole = next;
            }
        }
        Ok(self.whole)
    }

    fn list(&self, dir: &Path) -> Result<Vec<u64>> {
        segment::list(self.disk.as_ref(), dir)
    }

    /// Adds to a copy what its segment has more.
    fn bring(&self, sequence: u64) -> Result<()> {
        let (from, to) = self.both(sequence);
        let is_there = self.list(&self.kept)?.contains(&sequence);
        if is_there && !self.is_beginning(sequence, SEAM_BYTES)? {
            // What a full disk took back was copied before.
            self.put_aside(sequence)?;
            return self.bring(sequence);
        }
        let had = if is_there { self.len(&to)? } else { 0 };
        // A commit that is taken back at this moment makes the segment shorter than its copy: seen the next time.
        let more = self.len(&from)?.saturating_sub(had);
        if more == 0 {
            return Ok(());
        }
        let bytes = usize::try_from(more).map_err(|_| Error::TooLarge { bytes: usize::MAX })?;
        let bytes = self.disk.read_at(&from, had, bytes).map_err(Error::io("read", &from))?;
        let mut file = if is_there {
            self.disk.open_append(&to).map_err(Error::io("open", &to))?
        } else {
            self.disk.create(&to).map_err(Error::room("create", &to))?
        };
        file.write_all(&bytes).map_err(Error::room("write", &to))?;
        file.sync().map_err(Error::io("sync", &to))?;
        if !is_there {
            self.disk.sync_dir(&self.kept).map_err(Error::io("sync", &self.kept))?;
        }
        Ok(())
    }

    /// Whether the last bytes of a copy stand in its segment at the same place, and for all bytes whether it is
    /// as long.
    fn is_beginning(&self, sequence: u64, bytes: u64) -> Result<bool> {
        let (from, to) = self.both(sequence);
        let had = self.len(&to)?;
        let whole = self.len(&from)?;
        if had > whole || (bytes == u64::MAX && had != whole) {
            return Ok(false);
        }
        let seam = had.min(bytes);
        let count = usize::try_from(seam).map_err(|_| Error::TooLarge { bytes: usize::MAX })?;
        let read = |path: &Path| {
            self.disk.read_at(path, had - seam, count).map_err(Error::io("read", path))
        };
        Ok(read(&from)? == read(&to)?)
    }

    /// Whether the first frame of a copy is the segment's.
    fn begin_alike(&self, sequence: u64) -> Result<bool> {
        let (from, to) = self.both(sequence);
        let theirs = self.disk.read(&to).map_err(Error::io("read", &to))?;
        let mut sound = theirs.len();
        // One that was only begun when the power went has no whole header.
        if sound > segment::HEADER_BYTES {
            let scan =
                segment::scan(&to, &theirs, sequence, true, &mut |_, _| Ok(ControlFlow::Break(())));
            sound = scan?.sound_bytes;
        }
        let count = self.len(&from)?.min(sound as u64);
        let count = usize::try_from(count).map_err(|_| Error::TooLarge { bytes: usize::MAX })?;
        let ours = self.disk.read_at(&from, 0, count).map_err(Error::io("read", &from))?;
        Ok(theirs.starts_with(&ours))
    }

    fn put_aside(&self, sequence: u64) -> Result<()> {
        let (_, to) = self.both(sequence);
        let names = self.disk.list(&self.kept).map_err(Error::io("list", &self.kept))?;
        let name = |n: usize| format!("{sequence:020}.aside-{n}");
        let free = (1..=names.len() + 1).map(name).find(|name| !names.contains(name));
        let aside = self.kept.join(free.expect("one more name than files"));
        tracing::warn!(file = %aside.display(), "a copy of the journal is not as the journal: put aside");
        self.disk.rename(&to, &aside).map_err(Error::io("rename", &to))?;
        self.disk.sync_dir(&self.kept).map_err(Error::io("sync", &self.kept))
    }

    fn both(&self, sequence: u64) -> (PathBuf, PathBuf) {
        (segment::path_of(&self.journal, sequence), segment::path_of(&self.kept, sequence))
    }

    fn len(&self, file: &Path) -> Result<u64> {
        self.disk.len(file).map_err(Error::io("measure", file))
    }
}

/// Adds to a journal that nobody has open what a kept copy has behind it. Returns how many files came over.
///
/// # Errors
/// [`Error::OtherJournal`] when the copy is not of this journal, [`Error::Io`]. Whether it begins too late is
/// seen by [`cut`].
pub fn join(disk: &dyn Disk, kept: &Path, journal: &Path) -> Result<usize> {
    let ours = segment::list(disk, journal)?;
    let theirs = segment::list(disk, kept)?;
    let last = ours.last().copied().unwrap_or(1);
    let later: Vec<u64> = theirs.into_iter().filter(|&sequence| sequence >= last).collect();
    let mut came = 0;
    for sequence in later {
        let (from, to) = (segment::path_of(kept, sequence), segment::path_of(journal, sequence));
        let bytes = disk.read(&from).map_err(Error::io("read", &from))?;
        if ours.contains(&sequence) {
            let had = disk.read(&to).map_err(Error::io("read", &to))?;
            if had.len() >= bytes.len() && had.starts_with(&bytes) {
                continue;
            }
            // The end of what was copied while the city ran may be torn.
            let sound = segment::scan(&to, &had, sequence, true, &mut |_, _| {
                Ok(ControlFlow::Continue(()))
            })?;
            if !bytes.starts_with(&had[..sound.sound_bytes]) {
                return Err(Error::OtherJournal { path: from });
            }
        }
        let mut file = disk.create(&to).map_err(Error::room("create", &to))?;
        file.write_all(&bytes).map_err(Error::room("write", &to))?;
        file.sync().map_err(Error::io("sync", &to))?;
        came += 1;
    }
    disk.sync_dir(journal).map_err(Error::io("sync", journal))?;
    Ok(came)
}

/// Cuts a journal that nobody has open in front of the first commit that came in after `until`, and reads all
/// up to there.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Gap`] when what stays is not sound, [`Error::Io`].
pub fn cut(disk: &dyn Disk, dir: &Path, until: Timestamp) -> Result<Cut> {
    let sequences = segment::list(disk, dir)?;
    let first = sequences.first().copied().unwrap_or(1);
    let mut done = Cut { next_sequence: first, last_at: None, is_cut: false };
    for (index, &sequence) in sequences.iter().enumerate() {
        let path = segment::path_of(dir, sequence);
        if done.next_sequence != sequence {
            return Err(Error::Gap { path, expected: done.next_sequence, found: sequence });
        }
        let bytes = disk.read(&path).map_err(Error::io("read", &path))?;
        let is_last = index + 1 == sequences.len();
        let mut commit = (segment::HEADER_BYTES, sequence, done.last_at);
        let mut last_at = done.last_at;
        let scan = segment::scan(&path, &bytes, sequence, is_last, &mut |offset, frame| {
            if frame.place_in_commit == 0 {
                commit = (offset, frame.sequence, last_at);
            }
            let entry = entry::decode(frame.kind, frame.payload)
                .map_err(|reason| Error::damaged(&path, offset, reason))?;
            let Some(at) = came_at(&entry) else { return Ok(ControlFlow::Continue(())) };
            if at > until {
                return Ok(ControlFlow::Break(()));
            }
            last_at = Some(at);
            Ok(ControlFlow::Continue(()))
        })?;
        if !scan.stopped {
            done = Cut { next_sequence: scan.next_sequence, last_at, is_cut: false };
            continue;
        }
        // From the end on, so that a crash in between leaves no hole.
        for &later in sequences[index + 1..].iter().rev() {
            let path = segment::path_of(dir, later);
            disk.remove(&path).map_err(Error::io("remove", &path))?;
            disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
        }
        disk.truncate(&path, commit.0 as u64).map_err(Error::io("cut", &path))?;
        return Ok(Cut { next_sequence: commit.1, last_at: commit.2, is_cut: true });
    }
    Ok(done)
}

/// When an entry came in. Of registrations only new devices say it; the others stand within a second of what does.
fn came_at(entry: &Entry) -> Option<Timestamp> {
    match entry {
        Entry::Registrations(list) => list.iter().find_map(|one| match one {
            Registration::Device { at, .. } => Some(*at),
            _ => None,
        }),
        Entry::Readings { received_at, .. } => Some(*received_at),
        Entry::Order { at, .. } => Some(*at),
        Entry::Tick { now } => Some(*now),
    }
}
