//! Planted faults of the program: with any of them switched on, the simulator must find something wrong.
//! They live here and in the simulated disk, never in the code that is tested.

use std::path::Path;

/// A fault of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// Some syncs are left out.
    SkipSync,
    /// Checksums of frames are not looked at.
    DropChecksum,
    /// Two frames change places on their way from the disk.
    SwapFrames,
    /// Senders are told before the commit.
    AcknowledgeEarly,
    /// A snapshot is published before history and records have what is in it.
    PublishEarly,
    /// A snapshot is published although its registry is ahead of the journal.
    PublishUnjournaled,
    /// Segments are deleted that the older snapshot still needs.
    ForgetEarly,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SkipSync,
        Self::DropChecksum,
        Self::SwapFrames,
        Self::AcknowledgeEarly,
        Self::PublishEarly,
        Self::PublishUnjournaled,
        Self::ForgetEarly,
    ];
}

const SEGMENT_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// A reader that makes every checksum right, whatever the bytes are.
pub(crate) fn without_checksums(path: &Path, mut bytes: Vec<u8>) -> Vec<u8> {
    if is_journal(path) {
        for (from, to) in frames(&bytes) {
            seal(&mut bytes[from..to]);
        }
    }
    bytes
}

/// A reader that lets the first two frames of readings change places. Their numbers stay in order.
pub(crate) fn with_frames_swapped(path: &Path, mut bytes: Vec<u8>) -> Vec<u8> {
    if !is_journal(path) {
        return bytes;
    }
    let frames = frames(&bytes);
    let is_readings = |&(from, _): &(usize, usize)| bytes[from + 2] == 1;
    let pair = frames.windows(2).find(|pair| pair.iter().all(is_readings));
    let Some(&[(first, middle), (_, end)]) = pair else { return bytes };
    let mut swapped = bytes[middle..end].to_vec();
    swapped.extend_from_slice(&bytes[first..middle]);
    let second = end - middle;
    // Sequence and place in the commit belong to the place, the rest to the frame.
    swapped[8..20].copy_from_slice(&bytes[first + 8..first + 20]);
    swapped[second + 8..second + 20].copy_from_slice(&bytes[middle + 8..middle + 20]);
    seal(&mut swapped[..second]);
    seal(&mut swapped[second..]);
    bytes[first..end].copy_from_slice(&swapped);
    bytes
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "journal")
}

/// Where frames begin and end, as far as their lengths make sense.
fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut frames = Vec::new();
    let mut from = SEGMENT_HEADER_BYTES;
    while let Some(length) = bytes.get(from + 4..from + 8).and_then(|b| b.first_chunk()) {
        let to = from + FRAME_HEADER_BYTES + u32::from_le_bytes(*length) as usize;
        if to > bytes.len() {
            break;
        }
        frames.push((from, to));
        from = to;
    }
    frames
}

fn seal(frame: &mut [u8]) {
    let (header, payload) = frame.split_at_mut(FRAME_HEADER_BYTES);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..20]), payload);
    header[20..24].copy_from_slice(&crc.to_le_bytes());
}
