//! A disk that fails when told to, and a failing disk's effect on the journal.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chengmai_model::Timestamp;
use chengmai_store::disk::{Disk, DiskFile, RealDisk};
use chengmai_store::error::Error;
use chengmai_store::journal::{EntryRef, Journal, JournalSettings};

use crate::journal::{entries_of, reading};

/// Counts operations down; the one that finds zero fails, a write halfway through.
#[derive(Debug, Default)]
struct Fuses {
    writes: AtomicI64,
    syncs: AtomicI64,
    creates: AtomicI64,
}

/// The real disk, until a fuse burns through.
#[derive(Debug, Clone)]
struct FaultyDisk(Arc<Fuses>);

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn DiskFile>,
    fuses: Arc<Fuses>,
}

fn burn(fuse: &AtomicI64) -> io::Result<()> {
    if fuse.fetch_sub(1, Ordering::Relaxed) == 0 {
        return Err(io::Error::other("the disk is worn out"));
    }
    Ok(())
}

impl FaultyDisk {
    /// Nothing fails before a fuse is set.
    fn new() -> Self {
        let never = || AtomicI64::new(-1);
        Self(Arc::new(Fuses { writes: never(), syncs: never(), creates: never() }))
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { file, fuses: Arc::clone(&self.0) })
    }
}

impl DiskFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = burn(&self.fuses.writes) {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        burn(&self.fuses.syncs)?;
        self.file.sync()
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }
    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        burn(&self.0.creates)?;
        Ok(self.wrap(RealDisk.create(file)?))
    }
    fn open_append(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(RealDisk.open_append(file)?))
    }
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(file)
    }
    fn open_read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        RealDisk.open_read(file)
    }
    fn len(&self, file: &Path) -> io::Result<u64> {
        RealDisk.len(file)
    }
    fn truncate(&self, file: &Path, bytes: u64) -> io::Result<()> {
        RealDisk.truncate(file, bytes)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, file: &Path) -> io::Result<()> {
        RealDisk.remove(file)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
}

fn put(journal: &mut Journal, position: u64) {
    let readings = [reading(7, 1_000 + position.cast_signed(), 1.5)];
    let received_at = Timestamp(2_000);
    journal.append(EntryRef::Readings { position, received_at, readings: &readings }).unwrap();
}

/// Commits once, burns a fuse so that the next commit fails, and looks at what is left.
fn check_failure_poisons(segment_bytes_max: u64, set: impl Fn(&Fuses)) {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let settings = JournalSettings { segment_bytes_max };
    let (mut journal, _) = Journal::open(Arc::new(disk.clone()), dir.path(), settings).unwrap();
    put(&mut journal, 0);
    journal.commit().unwrap();
    set(&disk.0);
    put(&mut journal, 1);
    assert!(matches!(journal.commit(), Err(Error::Io { .. })));
    assert!(journal.is_poisoned());
    let tick = EntryRef::Tick { now: Timestamp(1) };
    assert!(matches!(journal.append(tick), Err(Error::Poisoned)));
    assert!(
        matches!(journal.commit(), Err(Error::Poisoned)),
        "the disk works again, but it is late"
    );
    drop(journal);

    let (journal, recovered) = Journal::open(Arc::new(RealDisk), dir.path(), settings).unwrap();
    let kept = entries_of(dir.path(), 1);
    assert_eq!(journal.next_sequence(), kept.len() as u64 + 1);
    assert_eq!(recovered.next_position, kept.len() as u64);
    assert!(!kept.is_empty(), "what was acknowledged is there");
}

#[test]
fn a_failed_write_poisons_the_journal_and_loses_nothing_acknowledged() {
    check_failure_poisons(1 << 20, |fuses| fuses.writes.store(0, Ordering::Relaxed));
}

#[test]
fn a_failed_sync_poisons_the_journal_and_loses_nothing_acknowledged() {
    check_failure_poisons(1 << 20, |fuses| fuses.syncs.store(0, Ordering::Relaxed));
}

#[test]
fn a_failure_at_any_step_of_a_new_segment_poisons_the_journal() {
    check_failure_poisons(1, |fuses| fuses.creates.store(0, Ordering::Relaxed));
    for step in 0..2 {
        check_failure_poisons(1, |fuses| fuses.writes.store(step, Ordering::Relaxed));
        check_failure_poisons(1, |fuses| fuses.syncs.store(step, Ordering::Relaxed));
    }
}

#[test]
fn what_a_killed_process_left_unsynced_is_made_durable_before_it_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let settings = JournalSettings { segment_bytes_max: 1 << 20 };
    let disk = FaultyDisk::new();
    drop(Journal::open(Arc::new(disk.clone()), dir.path(), settings).unwrap());
    disk.0.syncs.store(0, Ordering::Relaxed);
    let opened = Journal::open(Arc::new(disk.clone()), dir.path(), settings);
    assert!(matches!(opened, Err(Error::Io { what: "sync", .. })), "{opened:?}");
    Journal::open(Arc::new(disk), dir.path(), settings).unwrap();
}
