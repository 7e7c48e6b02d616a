//! A frame: 24 bytes of header, then a payload. Little endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0..2 | magic `C7 4D` |
//! | 2 | kind (see `entry.rs`) |
//! | 3 | flags, zero in this version |
//! | 4..8 | payload length |
//! | 8..16 | sequence: 1 for the first frame ever, then without gaps |
//! | 16..20 | how many frames of the same commit stand before this one |
//! | 20..24 | CRC32C of bytes 0..20 and the payload |
//!
//! The count at 16 is what tells a torn write from damage: a commit begins only after the one before
//! it is on disk, so a bad frame with a sound frame of a *later* commit behind it was once durable.

use super::entry::{EntryRef, FrameKind};
use crate::error::{Error, Result};

/// Most bytes that one entry may take in a frame.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

pub(crate) const HEADER_BYTES: usize = 24;
const MAGIC: [u8; 2] = [0xC7, 0x4D];

/// A frame whose checksum was right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) sequence: u64,
    /// Frames of the same commit before this one.
    pub(crate) place_in_commit: u32,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    pub(crate) const fn bytes(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Sequence of the first frame of the commit that holds this one.
    pub(crate) const fn commit_first(&self) -> u64 {
        self.sequence.saturating_sub(self.place_in_commit as u64)
    }
}

/// Appends one frame to `buffer`; on failure the buffer is as it was.
pub(crate) fn encode(
    buffer: &mut Vec<u8>,
    sequence: u64,
    place_in_commit: u32,
    entry: EntryRef<'_>,
) -> Result<()> {
    let start = buffer.len();
    buffer.resize(start + HEADER_BYTES, 0);
    let length = match entry.encode(buffer) {
        Ok(()) => buffer.len() - start - HEADER_BYTES,
        Err(error) => {
            buffer.truncate(start);
            return Err(error);
        }
    };
    let Some(length_u32) = u32::try_from(length).ok().filter(|_| length <= PAYLOAD_BYTES_MAX)
    else {
        buffer.truncate(start);
        return Err(Error::TooLarge { bytes: length });
    };
    let (header, payload) = buffer[start..].split_at_mut(HEADER_BYTES);
    header[0..2].copy_from_slice(&MAGIC);
    header[2] = entry.kind() as u8;
    header[4..8].copy_from_slice(&length_u32.to_le_bytes());
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..20].copy_from_slice(&place_in_commit.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..20]), payload);
    header[20..24].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Why no frame can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes are not those that were written, or not all of them were.
    Broken(&'static str),
    /// The bytes are sound, but only a newer program can have written them.
    Unknown(&'static str),
}

/// The frame at the start of `bytes`, or what is wrong with it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame<'_>, Fault> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Fault::Broken("the frame header is cut off"));
    };
    if header[0..2] != MAGIC {
        return Err(Fault::Broken("no frame begins here"));
    }
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let length = word(4) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(Fault::Broken("the frame length is over the limit"));
    }
    let Some(payload) = rest.get(..length) else {
        return Err(Fault::Broken("the frame is cut off"));
    };
    if crc32c::crc32c_append(crc32c::crc32c(&header[..20]), payload) != word(20) {
        return Err(Fault::Broken("the checksum does not match"));
    }
    let Some(kind) = FrameKind::from_byte(header[2]).filter(|_| header[3] == 0) else {
        return Err(Fault::Unknown("a newer program wrote a frame of a kind unknown to this one"));
    };
    let sequence = u64::from(word(8)) | u64::from(word(12)) << 32;
    Ok(Frame { kind, sequence, place_in_commit: word(16), payload })
}

/// Whether a sound frame of a commit later than the one holding `sequence` stands in `bytes`.
pub(crate) fn later_commit_follows(bytes: &[u8], sequence: u64) -> bool {
    let mut from = 0;
    while let Some(found) = bytes
        .get(from..)
        .and_then(|rest| rest.windows(MAGIC.len()).position(|window| window == MAGIC))
    {
        let at = from + found;
        let sound = bytes.get(at + 8..at + 16).and_then(|b| b.first_chunk()).is_some_and(|b| {
            // Cheap before dear: most false matches have an impossible sequence.
            u64::from_le_bytes(*b) > sequence
        });
        if sound && decode(&bytes[at..]).is_ok_and(|frame| frame.commit_first() > sequence) {
            return true;
        }
        from = at + 1;
    }
    false
}
