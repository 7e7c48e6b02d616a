//! What a start reads back from disk. Nothing that lies there may stop the program with a panic,
//! and what opens must read the same a second time.
//!
//! Checksums would keep all spoiled bytes from the code behind them, so each input is tried twice:
//! as it is, and sealed anew with checksums that are right. The second is what a program with a
//! fault, or an evil hand, would write.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use chengmai_model::stream::{DeviceSpec, Registration};
use chengmai_model::{AreaCode, DeviceId, Reading, StreamId, Timestamp};
use chengmai_store::disk::Disk;
use chengmai_store::disk::simulated::SimulatedDisk;
use chengmai_store::error::Error;
use chengmai_store::journal::{Entry, EntryRef, Journal, JournalSettings, replay};
use chengmai_store::snapshot as snapshots;

use crate::Trait;
use crate::text::bucket;

const DIR: &str = "/data";
const SEGMENT_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
const SNAPSHOT_HEAD: usize = 20;

fn put(name: &str, bytes: &[u8]) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let dir = Path::new(DIR);
    let written = disk
        .create_dir(dir)
        .and_then(|()| disk.create(&dir.join(name)))
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync()))
        .and_then(|()| disk.sync_dir(dir));
    assert!(written.is_ok(), "a disk without faults writes: {written:?}");
    disk
}

/// The only file of a disk's folder with that ending.
fn only_file(disk: &SimulatedDisk) -> Vec<u8> {
    let files = disk.files();
    files.first().and_then(|(path, _)| disk.read(path).ok()).unwrap_or_default()
}

/// The number in eight bytes at a place, 0 where there are fewer.
fn long(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::try_from(long(bytes, at) & 0xffff_ffff).unwrap_or(0)
}

fn set(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

pub(crate) fn journal_made() -> Vec<Vec<u8>> {
    let code = AreaCode::new("500103001001");
    let spec = code.map(|area| DeviceSpec {
        name: "燃气-001".to_owned(),
        title: Some("井盖".to_owned()),
        area,
        position: Some([106.56, 29.55]),
        agency: None,
        period_ms: 60_000,
        simulated: true,
    });
    let registrations: Vec<Registration> = spec
        .into_iter()
        .flat_map(|spec| {
            [
                Registration::Device { id: DeviceId(0), spec, at: Timestamp(5) },
                Registration::Stream {
                    id: StreamId(0),
                    device: DeviceId(0),
                    kind: "ch4".to_owned(),
                },
            ]
        })
        .collect();
    let reading = |n: u32| Reading {
        stream: StreamId(n % 3),
        at: Timestamp(1_795_226_400_000 + i64::from(n)),
        value: f64::from(n) / 8.0,
    };
    let readings: Vec<Reading> = (0..20).map(reading).collect();
    let disk = SimulatedDisk::new(1);
    let write = |(mut journal, _): (Journal, _)| -> Result<(), Error> {
        journal.append(EntryRef::Registrations(&registrations))?;
        journal.append(EntryRef::Tick { now: Timestamp(1_795_226_400_000) })?;
        journal.commit()?;
        let received_at = Timestamp(1_795_226_460_000);
        journal.append(EntryRef::Readings { position: 0, received_at, readings: &readings })?;
        journal.append(EntryRef::Readings { position: 20, received_at, readings: &[] })?;
        journal.commit()
    };
    let opened = Journal::open(Arc::new(disk.clone()), Path::new(DIR), JournalSettings::default());
    let written = opened.and_then(write);
    assert!(written.is_ok(), "a disk without faults writes: {written:?}");
    vec![only_file(&disk)]
}

pub(crate) fn journal(bytes: &[u8]) -> Trait {
    let mut sealed = bytes.to_vec();
    seal_segment(&mut sealed);
    open_journal(bytes) << 32 | open_journal(&sealed)
}

/// Checksums, numbers and lengths that are right, over whatever stands between them.
fn seal_segment(bytes: &mut [u8]) {
    set(bytes, 0, b"CMJOURNL");
    set(bytes, 8, &1_u32.to_le_bytes());
    let crc = crc32c::crc32c(bytes.get(..28).unwrap_or_default());
    set(bytes, 28, &crc.to_le_bytes());
    let mut sequence = long(bytes, 12);
    let mut at = SEGMENT_HEAD;
    while at + FRAME_HEAD <= bytes.len() {
        let room = bytes.len() - at - FRAME_HEAD;
        let length = word(bytes, at + 4) % (room + 1);
        let length_u32 = u32::try_from(length).unwrap_or(0);
        set(bytes, at, &[0xC7, 0x4D, bytes[at + 2] % 4, 0]);
        set(bytes, at + 4, &length_u32.to_le_bytes());
        set(bytes, at + 8, &sequence.to_le_bytes());
        let payload = at + FRAME_HEAD..at + FRAME_HEAD + length;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 20]), &bytes[payload]);
        set(bytes, at + 20, &crc.to_le_bytes());
        sequence = sequence.wrapping_add(1);
        at += FRAME_HEAD + length;
    }
}

fn open_journal(bytes: &[u8]) -> Trait {
    // The name that fits, so that it is not the name alone that is refused.
    let disk = put(&format!("{:020}.journal", long(bytes, 12).max(1)), bytes);
    let first = long(bytes, 12).max(1);
    let before = entries(&disk, first);
    let opened = Journal::open(Arc::new(disk.clone()), Path::new(DIR), JournalSettings::default());
    let (journal, found) = match opened {
        Ok((journal, found)) => (journal, found),
        Err(error) => return 1 << 16 | fault(&error),
    };
    drop(journal);
    let after = entries(&disk, first);
    if let (Ok(before), Ok(after)) = (&before, &after) {
        assert_eq!(before, after, "a repair takes nothing away that could be read");
    }
    let again = Journal::open(Arc::new(disk), Path::new(DIR), JournalSettings::default());
    assert!(
        again.is_ok_and(|(_, again)| again.torn_bytes == 0
            && again.next_sequence == found.next_sequence
            && again.next_position == found.next_position),
        "what was repaired opens, and needs no second repair"
    );
    match after {
        Ok(entries) => bucket(entries.len() as u64) << 8 | bucket(found.torn_bytes),
        Err(error) => 2 << 16 | fault(&error),
    }
}

fn entries(disk: &SimulatedDisk, from: u64) -> Result<Vec<String>, Error> {
    let mut entries = Vec::new();
    replay(disk, Path::new(DIR), from, &mut |sequence, entry: Entry| {
        // As text, because a value that is not a number equals nothing.
        entries.push(format!("{sequence} {entry:?}"));
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

/// Faults with the same words count as the same.
fn fault(error: &Error) -> u64 {
    let text = error.to_string();
    let words = text.bytes().filter(|byte| !byte.is_ascii_digit());
    u64::from(crc32c::crc32c(&words.collect::<Vec<_>>()) & 0xffff)
}

pub(crate) fn snapshot_made() -> Vec<Vec<u8>> {
    let disk = SimulatedDisk::new(1);
    let parts: [(&str, &[u8]); 3] = [("engine", &[7; 90]), ("empty", b""), ("登记", b"abc")];
    let written = snapshots::write(&disk, Path::new(DIR), 6, &parts);
    assert!(written.is_ok(), "a disk without faults writes: {written:?}");
    let old = include_bytes!(
        "../../crates/store/tests/fixtures/snapshot-v1/00000000000000000006.snapshot"
    );
    vec![only_file(&disk), old.to_vec()]
}

pub(crate) fn snapshot(bytes: &[u8]) -> Trait {
    let mut sealed = bytes.to_vec();
    seal_snapshot(&mut sealed);
    read_snapshot(bytes) << 32 | read_snapshot(&sealed)
}

/// Checksums and lengths that are right, of the format that is written today.
fn seal_snapshot(bytes: &mut [u8]) {
    set(bytes, 0, b"CMSNAPSH");
    set(bytes, 8, &2_u32.to_le_bytes());
    let mut at = SNAPSHOT_HEAD;
    while at + 10 <= bytes.len() {
        let name = (word(bytes, at) & 0xffff) % (bytes.len() - at - 9);
        let crc_at = at + 2 + name + 4;
        let length = word(bytes, crc_at - 4) % (bytes.len() - crc_at - 3);
        set(bytes, at, &u16::try_from(name).unwrap_or(0).to_le_bytes());
        set(bytes, crc_at - 4, &u32::try_from(length).unwrap_or(0).to_le_bytes());
        let end = crc_at + 4 + length;
        let crc =
            crc32c::crc32c_append(crc32c::crc32c(&bytes[at..crc_at]), &bytes[crc_at + 4..end]);
        set(bytes, crc_at, &crc.to_le_bytes());
        at = end;
    }
}

fn read_snapshot(bytes: &[u8]) -> Trait {
    let sequence = if bytes.get(8) == Some(&1) { 16 } else { 12 };
    let disk = put(&format!("{:020}.snapshot", long(bytes, sequence)), bytes);
    match snapshots::latest(&disk, Path::new(DIR)) {
        Ok(None) => 0,
        Ok(Some(found)) => {
            let held: usize = found.parts.iter().map(|(_, part)| part.len()).sum();
            assert!(held <= bytes.len(), "no more comes out than lies in the file");
            1 << 16 | bucket(found.parts.len() as u64) << 8 | bucket(held as u64)
        }
        Err(error) => 2 << 16 | fault(&error),
    }
}
