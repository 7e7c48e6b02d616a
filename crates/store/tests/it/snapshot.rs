//! Snapshots: whole or not there, and an older one behind each.

use std::fs;
use std::path::Path;

use chengmai_store::disk::RealDisk;
use chengmai_store::snapshot::{Snapshot, latest, write};

fn put(dir: &Path, sequence: u64) -> u64 {
    let state = vec![u8::try_from(sequence % 251).unwrap(); 300];
    write(&RealDisk, dir, sequence, &[("engine", &state), ("empty", b""), ("登记", b"abc")])
        .unwrap()
}

fn read(dir: &Path) -> Snapshot {
    latest(&RealDisk, dir).unwrap().unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_newest_of_two_kept_snapshots_reads_back_equal() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(latest(&RealDisk, dir.path()).unwrap(), None);
    assert_eq!(put(dir.path(), 5), 0, "with one snapshot the whole journal is needed");
    assert_eq!(put(dir.path(), 80), 5);
    assert_eq!(put(dir.path(), 700), 80);
    assert_eq!(
        files(dir.path()),
        ["00000000000000000080.snapshot", "00000000000000000700.snapshot"]
    );
    let snapshot = read(dir.path());
    assert_eq!(snapshot.sequence, 700);
    assert_eq!(snapshot.part("engine").unwrap(), [198; 300]);
    assert_eq!(snapshot.part("empty").unwrap(), b"");
    assert_eq!(snapshot.part("登记").unwrap(), b"abc");
    assert_eq!(snapshot.part("other"), None);
    assert!(snapshot.damaged.is_empty());
}

#[test]
fn a_flipped_bit_or_lost_end_anywhere_falls_back_to_the_older_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), 1);
    put(dir.path(), 2);
    let newest = dir.path().join("00000000000000000002.snapshot");
    let whole = fs::read(&newest).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        for damaged in [&bytes[..], &whole[..at]] {
            fs::write(&newest, damaged).unwrap();
            let snapshot = read(dir.path());
            assert_eq!(snapshot.sequence, 1, "byte {at}");
            assert_eq!(snapshot.damaged, std::slice::from_ref(&newest));
        }
    }
    fs::write(&newest, [&whole[..], b"x"].concat()).unwrap();
    assert_eq!(read(dir.path()).sequence, 1, "bytes behind the end");
}

#[test]
fn when_every_snapshot_is_damaged_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), 1);
    fs::write(dir.path().join("00000000000000000001.snapshot"), b"CMSNAPSH").unwrap();
    assert_eq!(latest(&RealDisk, dir.path()).unwrap(), None);
}

#[test]
fn an_unfinished_snapshot_is_not_read_and_goes_with_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), 1);
    let unfinished = dir.path().join("00000000000000000009.snapshot.partial");
    fs::write(&unfinished, b"CMSNAPSH").unwrap();
    assert_eq!(read(dir.path()).sequence, 1);
    put(dir.path(), 2);
    assert!(!unfinished.exists());
}

#[test]
fn a_snapshot_under_another_name_is_not_taken_for_that_sequence() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), 1);
    let copied = dir.path().join("00000000000000000004.snapshot");
    fs::copy(dir.path().join("00000000000000000001.snapshot"), copied).unwrap();
    assert_eq!(read(dir.path()).sequence, 1);
}
