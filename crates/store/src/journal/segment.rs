//! A segment: one file of the journal. A 32-byte header, then frames in order of sequence.
//!
//! Header, little endian: magic `CMJOURNL`, format u32, sequence of the first frame u64, position
//! of the next reading u64, CRC32C u32 of the 28 bytes before. The file is named after the sequence
//! of its first frame. The header is durable before the first frame is written.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::entry::{FrameKind, readings_extent};
use super::frame::{self, Fault, Frame};
use crate::disk::Disk;
use crate::error::{Error, Result};

pub(crate) const HEADER_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"CMJOURNL";
const FORMAT: u32 = 1;
const SUFFIX: &str = ".journal";
/// Most frames and readings that a journal can number.
const COUNT_MAX: u64 = u64::MAX >> 1;

/// What a segment says of itself before its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Sequence of the first frame.
    pub(crate) sequence: u64,
    /// Position of the next reading.
    pub(crate) position: u64,
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.position.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err("the segment header is cut off");
        };
        let (body, crc) = header.split_at(28);
        if crc32c::crc32c(body).to_le_bytes() != crc {
            return Err("the checksum of the segment header does not match");
        }
        if body[0..8] != MAGIC || body[8..12] != FORMAT.to_le_bytes() {
            return Err("the segment has a format that this program does not know");
        }
        let long = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&body[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let header = Self { sequence: long(12), position: long(20) };
        // No city counts that far, and counting on from there would overflow.
        if header.sequence.max(header.position) > COUNT_MAX {
            return Err("the segment's numbers are beyond any that a journal reaches");
        }
        Ok(header)
    }
}

/// The file of the segment that begins with `sequence`.
pub(crate) fn path_of(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:020}{SUFFIX}"))
}

/// First sequences of all segments in a folder, in order.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>> {
    let names = disk.list(dir).map_err(Error::io("list", dir))?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(SUFFIX)?.parse().ok()).collect())
}

/// How the frames of a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Bytes that are sound, from the start of the file.
    pub(crate) sound_bytes: usize,
    /// Bytes behind them that a torn write left; never more than zero in a sealed segment.
    pub(crate) torn_bytes: usize,
    /// Where the commit of the last sound frame begins; the start of the file when there is none.
    pub(crate) last_commit_at: usize,
    /// Sequence after the last sound frame.
    pub(crate) next_sequence: u64,
    /// Position after the last reading.
    pub(crate) next_position: u64,
    /// Whether the visitor stopped the scan.
    pub(crate) stopped: bool,
}

/// Walks over the frames of one segment. In a sealed segment (`last` false) every byte must be
/// sound. In the last one a torn write may end it, but only within the last commit.
pub(crate) fn scan(
    path: &Path,
    bytes: &[u8],
    sequence: u64,
    last: bool,
    each: &mut dyn FnMut(usize, &Frame<'_>) -> Result<ControlFlow<()>>,
) -> Result<Scan> {
    let header = Header::decode(bytes).map_err(|reason| Error::damaged(path, 0, reason))?;
    if header.sequence != sequence {
        return Err(Error::damaged(path, 0, "the segment's name is not the one it was given"));
    }
    let mut scan = Scan {
        sound_bytes: HEADER_BYTES,
        torn_bytes: 0,
        last_commit_at: 0,
        next_sequence: header.sequence,
        next_position: header.position,
        stopped: false,
    };
    while scan.sound_bytes < bytes.len() && !scan.stopped {
        let rest = &bytes[scan.sound_bytes..];
        let fault = match frame::decode(rest) {
            Ok(frame) if frame.sequence == scan.next_sequence => {
                scan.next_position = position_after(&frame, scan.next_position)
                    .map_err(|reason| Error::damaged(path, scan.sound_bytes, reason))?;
                scan.stopped = each(scan.sound_bytes, &frame)?.is_break();
                if frame.place_in_commit == 0 {
                    scan.last_commit_at = scan.sound_bytes;
                }
                scan.sound_bytes += frame.bytes();
                scan.next_sequence += 1;
                continue;
            }
            // A sound frame in the wrong place is never a torn write.
            Ok(_) => {
                return Err(Error::damaged(path, scan.sound_bytes, "the sequence jumps"));
            }
            Err(Fault::Unknown(reason)) => {
                return Err(Error::damaged(path, scan.sound_bytes, reason));
            }
            Err(Fault::Broken(reason)) => reason,
        };
        if !last || frame::later_commit_follows(rest, scan.next_sequence) {
            return Err(Error::damaged(path, scan.sound_bytes, fault));
        }
        scan.torn_bytes = rest.len();
        break;
    }
    Ok(scan)
}

/// The position after a frame, given the one before it: readings are numbered without gaps.
fn position_after(frame: &Frame<'_>, before: u64) -> Result<u64, &'static str> {
    if frame.kind != FrameKind::Readings {
        return Ok(before);
    }
    let (position, count) = readings_extent(frame.payload).ok_or("the readings have no header")?;
    if position != before {
        return Err("the numbers of the readings jump");
    }
    Ok(before + u64::from(count))
}
