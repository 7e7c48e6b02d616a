//! Journals written by earlier versions stay readable. The files under `tests/fixtures` are never
//! written again; a new format adds a folder.

use std::fs;
use std::path::{Path, PathBuf};

use chengmai_model::{CorrectionOrder, Order, ShelfId, StreamId, Timestamp};
use chengmai_store::disk::RealDisk;
use chengmai_store::journal::{Entry, EntryRef};
use chengmai_store::snapshot;

use crate::journal::{as_ref, entries_of, open, reading, registrations};

const SEGMENT: &str = "00000000000000000001.journal";
const SNAPSHOT: &str = "00000000000000000006.snapshot";
const PARTS: [(&str, &[u8]); 2] = [("engine", &[0, 1, 254, 255]), ("registry", b"")];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What was written into `journal-v1`.
fn written() -> Vec<Entry> {
    let minute = 1_795_226_400_000;
    vec![
        Entry::Registrations(registrations()),
        Entry::Tick { now: Timestamp(minute) },
        Entry::Readings {
            position: 0,
            received_at: Timestamp(minute + 250),
            readings: vec![
                reading(0, minute, 0.25),
                reading(1, minute + 200, -40.5),
                reading(4_000_000_000, minute + 255, 1e-300),
            ],
        },
        Entry::Readings {
            position: 3,
            received_at: Timestamp(minute + 900),
            readings: vec![reading(2, minute - 86_400_000, 29.55), reading(0, minute + 1, 0.5)],
        },
        Entry::Readings { position: 5, received_at: Timestamp(minute + 901), readings: vec![] },
        Entry::Tick { now: Timestamp(minute + 1_000) },
    ]
}

#[test]
fn a_journal_of_format_1_reads_back_every_value() {
    assert_eq!(entries_of(&fixture("journal-v1"), 1), written());
}

#[test]
fn the_journal_still_writes_format_1_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path(), 1 << 20);
    for (entry, number) in written().iter().zip(1..) {
        journal.append(as_ref(entry)).unwrap();
        if number % 2 == 0 {
            journal.commit().unwrap();
        }
    }
    let expected = fs::read(fixture("journal-v1").join(SEGMENT)).unwrap();
    assert_eq!(fs::read(dir.path().join(SEGMENT)).unwrap(), expected);
}

/// A correction came after the shelves, with a number of its own: a program that knows only those must
/// refuse it and not take it for a shelf. This is its frame's payload, never to be changed.
#[test]
fn an_order_that_shelves_and_one_that_corrects_have_different_numbers_and_fixed_bytes() {
    let correction = CorrectionOrder {
        stream: StreamId(7),
        at: Timestamp(1),
        old: 0.5,
        new: Some(-0.25),
        area: None,
        by: "u".to_owned(),
        reason: "r".to_owned(),
    };
    let written = |order: &Order| {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path(), 1 << 20);
        journal.append(EntryRef::Order { at: Timestamp(2), order }).unwrap();
        journal.commit().unwrap();
        fs::read(dir.path().join(SEGMENT)).unwrap()
    };
    let bytes = written(&Order::Correct(correction));
    // Time 2, variant 2, stream 7, time 1, two values (the new one is there), no area, two words.
    let mut payload = vec![4, 2, 7, 2];
    payload.extend(0.5_f64.to_le_bytes());
    payload.push(1);
    payload.extend((-0.25_f64).to_le_bytes());
    payload.extend([0, 1, b'u', 1, b'r']);
    assert!(bytes.windows(payload.len()).any(|part| part == payload), "{bytes:?}");
    let shelf = written(&Order::Unshelve { id: ShelfId(7), by: "u".to_owned() });
    let differing = bytes.iter().zip(&shelf).any(|(a, b)| (*a, *b) == (5, 4));
    assert!(differing, "kinds 5 and 4: {bytes:?} {shelf:?}");
}

fn snapshot_of(folder: &str) -> snapshot::Snapshot {
    snapshot::latest(&RealDisk, &fixture(folder)).unwrap().unwrap()
}

#[test]
fn snapshots_of_all_formats_read_back() {
    for folder in ["snapshot-v1", "snapshot-v2"] {
        let snapshot = snapshot_of(folder);
        assert_eq!(snapshot.sequence, 6);
        assert_eq!(snapshot.parts, PARTS.map(|(name, data)| (name.to_owned(), data.to_vec())));
    }
}

#[test]
fn a_snapshot_is_still_written_in_format_2_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    snapshot::write(&RealDisk, dir.path(), 6, &PARTS).unwrap();
    let expected = fs::read(fixture("snapshot-v2").join(SNAPSHOT)).unwrap();
    assert_eq!(fs::read(dir.path().join(SNAPSHOT)).unwrap(), expected);
}
