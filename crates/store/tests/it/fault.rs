//! What a failing disk does to the journal and to snapshots.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chengmai_model::Timestamp;
use chengmai_store::disk::Disk;
use chengmai_store::disk::simulated::{Fuses, SimulatedDisk};
use chengmai_store::error::{Error, Result};
use chengmai_store::journal::{Entry, EntryRef, Journal, JournalSettings, replay};
use chengmai_store::snapshot;

use crate::journal::reading;

const SEEDS: u64 = 20;

fn dir() -> &'static Path {
    Path::new("/journal")
}

fn open(disk: &SimulatedDisk, segment_bytes_max: u64) -> Result<Journal> {
    let settings = JournalSettings { segment_bytes_max };
    Journal::open(Arc::new(disk.clone()), dir(), settings).map(|(journal, _)| journal)
}

/// Appends one reading whose value is its position.
fn put(journal: &mut Journal) {
    let position = journal.next_position();
    let readings = [reading(7, 1_000 + position.cast_signed(), position as f64)];
    let received_at = Timestamp(2_000);
    journal.append(EntryRef::Readings { position, received_at, readings: &readings }).unwrap();
}

fn commit(journal: &mut Journal, frames: usize) -> Result<()> {
    (0..frames).for_each(|_| put(journal));
    journal.commit()
}

/// How many frames there are; their values must be their positions.
fn frames(disk: &SimulatedDisk) -> u64 {
    let mut count = 0;
    let next = replay(disk, dir(), 1, &mut |sequence, entry| {
        let expected = |position: u64, value: f64| {
            (position, value.to_bits()) == (sequence - 1, (position as f64).to_bits())
        };
        let sound = matches!(&entry, Entry::Readings { position, readings, .. }
            if expected(*position, readings[0].value));
        assert!(sound, "frame {sequence}: {entry:?}");
        count += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(next.unwrap(), count + 1);
    count
}

/// Commits once, burns a fuse so that the next commit fails, and looks at what is left.
fn check_failure_poisons(segment_bytes_max: u64, fuses: Fuses) {
    for seed in 0..SEEDS {
        let disk = SimulatedDisk::new(seed);
        let mut journal = open(&disk, segment_bytes_max).unwrap();
        commit(&mut journal, 1).unwrap();
        disk.set_fuses(fuses);
        assert!(matches!(commit(&mut journal, 2), Err(Error::Io { .. })), "{fuses:?}");
        assert!(journal.is_poisoned());
        let tick = EntryRef::Tick { now: Timestamp(1) };
        assert!(matches!(journal.append(tick), Err(Error::Poisoned)));
        let late = journal.commit();
        assert!(matches!(late, Err(Error::Poisoned)), "the disk works again, but it is late");
        drop(journal);
        disk.cut_power();
        disk.restore_power();
        let mut journal = open(&disk, segment_bytes_max).unwrap();
        assert!((1..=3).contains(&frames(&disk)), "what was acknowledged is there");
        commit(&mut journal, 1).unwrap();
        assert_eq!(frames(&disk) + 1, journal.next_sequence());
    }
}

#[test]
fn a_failed_write_poisons_the_journal_and_loses_nothing_acknowledged() {
    check_failure_poisons(1 << 20, Fuses { write: Some(0), ..Fuses::default() });
}

#[test]
fn a_failed_sync_poisons_the_journal_and_loses_nothing_acknowledged() {
    check_failure_poisons(1 << 20, Fuses { sync: Some(0), ..Fuses::default() });
}

#[test]
fn a_failure_at_any_step_of_a_new_segment_poisons_the_journal() {
    check_failure_poisons(1, Fuses { create: Some(0), ..Fuses::default() });
    check_failure_poisons(1, Fuses { sync_dir: Some(0), ..Fuses::default() });
    for step in 0..2 {
        check_failure_poisons(1, Fuses { write: Some(step), ..Fuses::default() });
        check_failure_poisons(1, Fuses { sync: Some(step), ..Fuses::default() });
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_written_again_before_it_is_believed() {
    for seed in 0..SEEDS {
        let disk = SimulatedDisk::new(seed);
        let mut journal = open(&disk, 1 << 20).unwrap();
        commit(&mut journal, 1).unwrap();
        disk.set_fuses(Fuses { sync: Some(0), ..Fuses::default() });
        assert!(commit(&mut journal, 30).is_err());
        // Killed, not cut off: the bytes are still readable, clean, and mostly not on disk.
        let mut journal = open(&disk, 1 << 20).unwrap();
        assert_eq!(journal.next_sequence(), 32);
        commit(&mut journal, 1).unwrap();
        disk.cut_power();
        disk.restore_power();
        open(&disk, 1 << 20).unwrap();
        assert_eq!(frames(&disk), 32, "seed {seed}");
    }
}

#[test]
fn when_that_cannot_be_written_the_start_fails_and_the_next_one_may_not() {
    let disk = SimulatedDisk::new(1);
    drop(open(&disk, 1 << 20).unwrap());
    disk.set_fuses(Fuses { sync: Some(0), ..Fuses::default() });
    let opened = open(&disk, 1 << 20);
    assert!(matches!(opened, Err(Error::Io { what: "rewrite", .. })), "{opened:?}");
    open(&disk, 1 << 20).unwrap();
}

/// Fills the disk at every byte of a commit in turn, lets it fail, makes room, and goes on.
fn check_full_disk(segment_bytes_max: u64) {
    for room in (0..400).step_by(7) {
        let disk = SimulatedDisk::new(room);
        let mut journal = open(&disk, segment_bytes_max).unwrap();
        commit(&mut journal, 2).unwrap();
        let before = (journal.next_sequence(), journal.next_position(), journal.bytes());
        disk.set_capacity(disk.used_bytes() + usize::try_from(room).unwrap());
        for _ in 0..2 {
            let full = commit(&mut journal, 9);
            assert!(matches!(full, Err(Error::Full { .. })), "room {room}: {full:?}");
            let after = (journal.next_sequence(), journal.next_position(), journal.bytes());
            assert_eq!((after.0, after.1), (before.0, before.1));
            assert_eq!(journal.pending_bytes(), 0);
            assert!(!journal.is_poisoned());
            assert_eq!(frames(&disk), 2, "nothing of it is there");
        }
        disk.set_capacity(usize::MAX);
        commit(&mut journal, 3).unwrap();
        assert_eq!(frames(&disk), 5);
        disk.cut_power();
        disk.restore_power();
        assert_eq!(open(&disk, segment_bytes_max).unwrap().next_sequence(), 6);
    }
}

#[test]
fn a_full_disk_refuses_a_commit_whole_and_takes_the_next_when_there_is_room() {
    check_full_disk(1 << 20);
}

#[test]
fn a_disk_that_is_full_while_a_segment_is_made_is_survived_as_well() {
    check_full_disk(1);
}

#[test]
fn a_start_on_a_full_disk_needs_no_room() {
    let disk = SimulatedDisk::new(5);
    commit(&mut open(&disk, 1 << 20).unwrap(), 3).unwrap();
    disk.set_capacity(0);
    let mut journal = open(&disk, 1 << 20).unwrap();
    assert!(matches!(commit(&mut journal, 1), Err(Error::Full { .. })));
    disk.set_capacity(usize::MAX);
    commit(&mut journal, 1).unwrap();
    assert_eq!(frames(&disk), 4);
}

#[test]
fn a_power_cut_while_segments_are_deleted_leaves_no_hole() {
    for seed in 0..SEEDS {
        for operation in 0..8 {
            let disk = SimulatedDisk::new(seed);
            let mut journal = open(&disk, 1).unwrap();
            (0..6).for_each(|_| commit(&mut journal, 1).unwrap());
            disk.set_fuses(Fuses { power: Some(operation), ..Fuses::default() });
            let _ = journal.remove_before(6);
            if !disk.is_dark() {
                disk.cut_power();
            }
            disk.restore_power();
            let names = disk.list(dir()).unwrap();
            let first: u64 = names[0].trim_end_matches(".journal").parse().unwrap();
            assert_eq!(names.len() as u64, 7 - first, "seed {seed}, operation {operation}");
        }
    }
}

#[test]
fn an_unfinished_snapshot_takes_no_room_on_a_full_disk() {
    let (disk, dir) = (SimulatedDisk::new(1), PathBuf::from("/snapshots"));
    snapshot::write(&disk, &dir, 1, &[("engine", &[7; 500])]).unwrap();
    let used = disk.used_bytes();
    disk.set_capacity(used + 300);
    for sequence in 2..6 {
        let full = snapshot::write(&disk, &dir, sequence, &[("engine", &[7; 500])]);
        assert!(matches!(full, Err(Error::Full { .. })), "{full:?}");
        assert_eq!(disk.used_bytes(), used);
    }
    assert_eq!(snapshot::latest(&disk, &dir).unwrap().unwrap().sequence, 1);
    disk.set_capacity(usize::MAX);
    snapshot::write(&disk, &dir, 6, &[("engine", &[7; 500])]).unwrap();
    assert_eq!(snapshot::latest(&disk, &dir).unwrap().unwrap().sequence, 6);
}
