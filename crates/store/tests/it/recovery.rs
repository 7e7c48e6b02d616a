//! The journal after a crash, and with damage: what was never acknowledged is cut off, what was
//! acknowledged is never dropped in silence.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chengmai_model::Timestamp;
use chengmai_store::disk::RealDisk;
use chengmai_store::error::{Error, Result};
use chengmai_store::journal::{Entry, EntryRef, Journal, JournalSettings, replay};

use crate::journal::{as_ref, entries_of, open, reading};

const HEADER: usize = 32;

/// A journal of one segment: each inner list is one commit. Returns its file and entries.
fn journal_of(dir: &Path, commits: &[usize]) -> (PathBuf, Vec<Entry>) {
    let (mut journal, _) = open(dir, 1 << 20);
    let mut entries = Vec::new();
    for &frames in commits {
        for _ in 0..frames {
            let n = i64::try_from(entries.len()).unwrap();
            let entry = Entry::Readings {
                position: journal.next_position(),
                received_at: Timestamp(10_000 + n),
                readings: vec![reading(3, 9_000 + n, 0.5), reading(4, 9_700 + n, f64::from(7))],
            };
            journal.append(as_ref(&entry)).unwrap();
            entries.push(entry);
        }
        journal.commit().unwrap();
    }
    (dir.join("00000000000000000001.journal"), entries)
}

fn try_open(dir: &Path) -> Result<Journal> {
    let settings = JournalSettings { segment_bytes_max: 1 << 20 };
    Journal::open(Arc::new(RealDisk), dir, settings).map(|(journal, _)| journal)
}

fn try_replay(dir: &Path) -> (Result<u64>, Vec<Entry>) {
    let mut entries = Vec::new();
    let outcome = replay(&RealDisk, dir, 1, &mut |_, entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    });
    (outcome, entries)
}

/// Opens a journal whose tail is bad, and checks what is kept and that it can be continued.
fn check_cut(dir: &Path, kept: &[Entry], torn_bytes: usize) {
    assert_eq!(try_replay(dir).1, kept, "a replay before the repair gives the same");
    let (mut journal, recovered) = open(dir, 1 << 20);
    assert_eq!(recovered.torn_bytes, torn_bytes as u64);
    assert_eq!(recovered.next_sequence, kept.len() as u64 + 1);
    assert_eq!(recovered.next_position, kept.len() as u64 * 2);
    journal.append(EntryRef::Tick { now: Timestamp(1) }).unwrap();
    journal.commit().unwrap();
    let entries = entries_of(dir, 1);
    assert_eq!(&entries[..kept.len()], kept);
    assert_eq!(entries[kept.len()..], [Entry::Tick { now: Timestamp(1) }]);
    assert_eq!(open(dir, 1 << 20).1.torn_bytes, 0);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_back_to_the_last_whole_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (file, entries) = journal_of(dir.path(), &[1, 1, 1]);
    let whole = fs::read(&file).unwrap();
    let frame = (whole.len() - HEADER) / 3;
    for lost in 1..=frame {
        fs::write(&file, &whole[..whole.len() - lost]).unwrap();
        check_cut(dir.path(), &entries[..2], frame - lost);
        // The file's length reached the disk, its last bytes did not.
        let mut zeroed = whole.clone();
        zeroed[whole.len() - lost..].fill(0);
        fs::write(&file, &zeroed).unwrap();
        check_cut(dir.path(), &entries[..2], frame);
    }
}

#[test]
fn a_commit_whose_first_page_never_arrived_is_cut_off_although_its_second_did() {
    let dir = tempfile::tempdir().unwrap();
    let (file, entries) = journal_of(dir.path(), &[1, 3]);
    let mut bytes = fs::read(&file).unwrap();
    let frame = (bytes.len() - HEADER) / 4;
    bytes[HEADER + frame..HEADER + frame + 10].fill(0);
    fs::write(&file, &bytes).unwrap();
    check_cut(dir.path(), &entries[..1], 3 * frame);
}

#[test]
fn a_flipped_bit_anywhere_is_never_taken_for_data() {
    let dir = tempfile::tempdir().unwrap();
    let (file, entries) = journal_of(dir.path(), &[2, 2]);
    let whole = fs::read(&file).unwrap();
    let last_commit = HEADER + (whole.len() - HEADER) / 2;
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&file, &bytes).unwrap();
            let (outcome, given) = try_replay(dir.path());
            assert!(given.len() < entries.len(), "byte {at} bit {bit}");
            assert_eq!(given, entries[..given.len()], "byte {at} bit {bit}");
            // The last commit cannot be told from a torn write; everything before it can.
            assert_eq!(outcome.is_err(), at < last_commit, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn damage_before_the_last_commit_is_refused_with_file_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = journal_of(dir.path(), &[1, 1, 1]);
    let mut bytes = fs::read(&file).unwrap();
    let frame = (bytes.len() - HEADER) / 3;
    bytes[HEADER + frame + 30] ^= 4;
    fs::write(&file, &bytes).unwrap();
    for outcome in [try_open(dir.path()).map(|_| 0), try_replay(dir.path()).0] {
        let Err(Error::Damaged { path, offset, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((path, offset), (file.clone(), (HEADER + frame) as u64));
    }
    assert_eq!(fs::read(&file).unwrap(), bytes, "nothing was cut");
}

/// Three segments of two ticks each.
fn three_segments(dir: &Path) -> Vec<PathBuf> {
    let (mut journal, _) = open(dir, 1);
    for now in 0..3 {
        journal.append(EntryRef::Tick { now: Timestamp(now) }).unwrap();
        journal.append(EntryRef::Tick { now: Timestamp(now) }).unwrap();
        journal.commit().unwrap();
    }
    [1, 3, 5].map(|first| dir.join(format!("{first:020}.journal"))).to_vec()
}

#[test]
fn the_tail_of_an_older_segment_is_damage_and_not_a_torn_write() {
    let dir = tempfile::tempdir().unwrap();
    let files = three_segments(dir.path());
    let bytes = fs::read(&files[1]).unwrap();
    fs::write(&files[1], &bytes[..bytes.len() - 1]).unwrap();
    let (outcome, given) = try_replay(dir.path());
    assert!(matches!(outcome, Err(Error::Damaged { path, .. }) if path == files[1]));
    assert_eq!(given.len(), 3, "what stands before the damage was given");
}

#[test]
fn a_missing_segment_is_a_gap_and_a_lost_end_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let files = three_segments(dir.path());
    let behind = replay(&RealDisk, dir.path(), 8, &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(behind, Err(Error::Behind { wanted: 8, next: 7 })));
    fs::remove_file(&files[1]).unwrap();
    let (outcome, _) = try_replay(dir.path());
    assert!(matches!(outcome, Err(Error::Gap { expected: 3, found: 5, .. })));
}

#[test]
fn a_segment_whose_creation_was_cut_short_is_removed() {
    for content in [&b""[..], &[0; 20], &[0; 32]] {
        let dir = tempfile::tempdir().unwrap();
        three_segments(dir.path());
        let unborn = dir.path().join(format!("{:020}.journal", 7));
        fs::write(&unborn, content).unwrap();
        assert_eq!(entries_of(dir.path(), 1).len(), 6);
        let (mut journal, recovered) = open(dir.path(), 1);
        assert!(!unborn.exists());
        assert_eq!((recovered.next_sequence, recovered.segments), (7, 3));
        journal.append(EntryRef::Tick { now: Timestamp(9) }).unwrap();
        journal.commit().unwrap();
        assert_eq!(entries_of(dir.path(), 7), [Entry::Tick { now: Timestamp(9) }]);
    }
}

#[test]
fn a_segment_that_lost_everything_is_not_taken_for_one_that_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let files = three_segments(dir.path());
    // An empty last segment may never have been born; the one before it must then be whole.
    fs::write(&files[1], b"").unwrap();
    fs::write(&files[2], b"").unwrap();
    assert!(matches!(try_open(dir.path()), Err(Error::Damaged { .. })));
}

#[test]
fn a_frame_of_a_newer_program_is_refused_and_not_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = journal_of(dir.path(), &[1]);
    let mut bytes = fs::read(&file).unwrap();
    let frame = &mut bytes[HEADER..];
    frame[2] = 200;
    let mut covered = frame[..20].to_vec();
    covered.extend_from_slice(&frame[24..]);
    let crc = crc32c::crc32c(&covered).to_le_bytes();
    frame[20..24].copy_from_slice(&crc);
    fs::write(&file, &bytes).unwrap();
    assert!(matches!(try_open(dir.path()), Err(Error::Damaged { offset: 32, .. })));
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_segment_whose_numbers_end_where_numbers_end_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = journal_of(dir.path(), &[1]);
    let mut bytes = fs::read(&file).unwrap();
    bytes[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    bytes[HEADER + 8..HEADER + 16].copy_from_slice(&u64::MAX.to_le_bytes());
    seal(&mut bytes);
    fs::remove_file(&file).unwrap();
    fs::write(dir.path().join(format!("{}.journal", u64::MAX)), bytes).unwrap();
    assert!(matches!(try_open(dir.path()), Err(Error::Damaged { .. })));
    let outcome = replay(&RealDisk, dir.path(), u64::MAX, &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(outcome, Err(Error::Damaged { .. })));
}

#[test]
fn readings_whose_numbers_jump_are_refused_whatever_their_checksum_says() {
    for position in [1, u64::MAX] {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = journal_of(dir.path(), &[1]);
        let mut bytes = fs::read(&file).unwrap();
        bytes[HEADER + 24..HEADER + 32].copy_from_slice(&u64::to_le_bytes(position));
        seal(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        assert!(matches!(try_open(dir.path()), Err(Error::Damaged { offset: 32, .. })));
        let outcome = replay(&RealDisk, dir.path(), 1, &mut |_, _| ControlFlow::Continue(()));
        assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");
    }
}

/// Right checksums for a segment of one frame.
fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[HEADER..HEADER + 20]);
    let crc = crc32c::crc32c_append(crc, &bytes[HEADER + 24..]);
    bytes[HEADER + 20..HEADER + 24].copy_from_slice(&crc.to_le_bytes());
}
