//! What can go wrong with the journal and the snapshots. Every variant names the file, so that an
//! operator knows what to look at. None of them is retried here: after a failed sync the state of the
//! file is unknown, and the only safe course is to stop and recover from what is on disk. A full disk
//! is the exception: it is known what was not written, and it can be cut off again.

use std::io;
use std::path::{Path, PathBuf};

/// Result of journal and snapshot calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the journal or of a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused an operation.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room on the disk. What was not written was taken back; it may be tried again.
    #[error("the disk is full: cannot {what} {}", path.display())]
    Full {
        /// What was tried, as a verb.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
    },
    /// Bytes that were once durable do not read back. Never skipped: restore the file from a copy.
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first bad frame or header begins.
        offset: u64,
        /// What does not fit.
        reason: &'static str,
    },
    /// A segment file is missing between two others, or one ends before the next begins.
    #[error("{} begins with frame {found}, but the frame before the gap leads to {expected}", path.display())]
    Gap {
        /// The segment behind the gap.
        path: PathBuf,
        /// The sequence that should come next.
        expected: u64,
        /// The sequence the segment begins with.
        found: u64,
    },
    /// A replay asks for frames that were removed.
    #[error("frames from {wanted} are asked for, but the journal begins with {first}")]
    Removed {
        /// The first sequence asked for.
        wanted: u64,
        /// The first sequence that is there.
        first: u64,
    },
    /// A replay asks for frames behind the end: what it continues knows more than the journal.
    #[error("frames from {wanted} are asked for, but the journal ends before {next}")]
    Behind {
        /// The first sequence asked for.
        wanted: u64,
        /// The sequence the next frame will have.
        next: u64,
    },
    /// A folder for the kept copy holds a copy of something else, or of a later time. It is left alone: name another folder.
    #[error("{} is not of this journal, or of what came after it: name another folder", path.display())]
    OtherJournal {
        /// The file that does not fit.
        path: PathBuf,
    },
    /// A write or sync failed earlier, and not for want of room. Nothing more is taken; restart to recover.
    #[error("an earlier write failed; the journal takes nothing more until it is opened again")]
    Poisoned,
    /// One frame may hold at most [`crate::journal::PAYLOAD_BYTES_MAX`] bytes.
    #[error("an entry of {bytes} bytes does not fit in one frame; split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Readings are numbered without gaps; this entry does not continue the numbering.
    #[error("readings at position {found} were given where position {expected} comes next")]
    Position {
        /// The next free position.
        expected: u64,
        /// The position given.
        found: u64,
    },
    /// A registration could not be encoded.
    #[error("cannot encode a registration: {0}")]
    Encode(#[from] postcard::Error),
}

impl Error {
    /// For `map_err`: `what` is a verb ("write", "sync").
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { what, path: path.to_path_buf(), source }
    }

    /// The same for what takes room; not for a sync, which must not fail whatever the reason.
    pub(crate) fn room<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { what, path: path.to_path_buf() }
            }
            _ => Self::io(what, path)(source),
        }
    }

    pub(crate) fn damaged(path: &Path, offset: usize, reason: &'static str) -> Self {
        Self::Damaged { path: path.to_path_buf(), offset: offset as u64, reason }
    }
}
