//! A journal kept elsewhere: it follows, nothing goes before it is there, and with a backup it gives a journal
//! that ends at any moment.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chengmai_model::Timestamp;
use chengmai_store::disk::RealDisk;
use chengmai_store::error::Error;
use chengmai_store::journal::{Cut, Entry, EntryRef, Keeper, cut, join};
use proptest::prelude::*;

use crate::journal::{as_ref, entries_of, open, reading, registrations};

/// Three or four frames a segment.
const SEGMENT_BYTES: u64 = 400;

fn keeper(journal: &Path, kept: &Path) -> Result<Keeper, Error> {
    Keeper::open(Arc::new(RealDisk), journal, kept)
}

/// One commit of a second: what a city writes when readings come in.
fn commit(second: i64, position: u64, news: bool) -> Vec<Entry> {
    let now = Timestamp(second * 1_000);
    let readings = vec![reading(0, now.0 - 5, 0.5), reading(1, now.0, 1.5)];
    let mut entries = Vec::new();
    if news {
        entries.push(Entry::Registrations(registrations()));
    }
    entries.push(Entry::Readings { position, received_at: now, readings });
    entries.push(Entry::Tick { now });
    entries
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

proptest! {
    // Each case syncs dozens of files.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What happens in each second: a commit, and perhaps a look by the keeper, a clean-up, a restart, the backup.
    #[test]
    fn a_backup_and_what_was_kept_give_the_journal_of_any_moment(
        seconds in prop::collection::vec((any::<bool>(), 0_u8..8), 2..40),
        backup_at in any::<prop::sample::Index>(),
        until in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let [live, kept, again] = ["live", "kept", "again"].map(|name| dir.path().join(name));
        let (mut journal, _) = open(&live, SEGMENT_BYTES);
        let mut keeping = keeper(&live, &kept).unwrap();
        let backup_at = backup_at.index(seconds.len());
        let until = backup_at + until.index(seconds.len() - backup_at);
        let mut written: Vec<(i64, Entry)> = Vec::new();
        for (second, &(news, does)) in seconds.iter().enumerate() {
            let at = i64::try_from(second).unwrap();
            for entry in commit(at, journal.next_position(), news) {
                journal.append(as_ref(&entry)).unwrap();
                written.push((at, entry));
            }
            journal.commit().unwrap();
            match does {
                0 | 1 => {
                    keeping.follow().unwrap();
                }
                2 => {
                    let whole = keeping.follow().unwrap();
                    journal.remove_before(whole).unwrap();
                }
                3 => {
                    drop(journal);
                    (journal, _) = open(&live, SEGMENT_BYTES);
                    keeping = keeper(&live, &kept).unwrap();
                }
                _ => {}
            }
            if second == backup_at {
                copy(&live, &again);
            }
        }
        keeping.follow().unwrap();
        join(&RealDisk, &kept, &again).unwrap();
        let first: u64 = fs::read_dir(&again).unwrap()
            .filter_map(|file| file.unwrap().file_name().to_str()?.get(..20)?.parse().ok())
            .min()
            .unwrap();
        let moment = Timestamp(i64::try_from(until).unwrap() * 1_000 + 999);
        let done = cut(&RealDisk, &again, moment).unwrap();
        let wanted: Vec<Entry> = written.iter()
            .filter(|(at, _)| at * 1_000 <= moment.0)
            .map(|(_, entry)| entry.clone())
            .collect();
        prop_assert_eq!(entries_of(&again, first), &wanted[usize::try_from(first).unwrap() - 1..]);
        let is_cut = until + 1 < seconds.len();
        let last_at = Some(Timestamp(moment.0 - 999));
        prop_assert_eq!(done, Cut { next_sequence: wanted.len() as u64 + 1, last_at, is_cut });
        // A city goes on from there.
        let (mut journal, _) = open(&again, SEGMENT_BYTES);
        journal.append(EntryRef::Tick { now: moment }).unwrap();
        journal.commit().unwrap();
    }
}

fn write(dir: &Path, seconds: std::ops::Range<i64>) {
    let (mut journal, _) = open(dir, SEGMENT_BYTES);
    for second in seconds {
        for entry in commit(second, journal.next_position(), false) {
            journal.append(as_ref(&entry)).unwrap();
        }
        journal.commit().unwrap();
    }
}

#[test]
fn a_copy_of_another_city_or_of_a_later_time_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let [live, kept, other] = ["live", "kept", "other"].map(|name| dir.path().join(name));
    write(&live, 0..20);
    keeper(&live, &kept).unwrap().follow().unwrap();
    write(&other, 100..101);
    assert!(matches!(keeper(&other, &kept), Err(Error::OtherJournal { .. })));
    // Brought back by more than a segment.
    let back = dir.path().join("back");
    copy(&kept, &back);
    cut(&RealDisk, &back, Timestamp(2_000)).unwrap();
    assert!(matches!(keeper(&back, &kept), Err(Error::OtherJournal { .. })));
    assert!(matches!(join(&RealDisk, &kept, &other), Err(Error::OtherJournal { .. })));
}

#[test]
fn an_end_that_a_crash_took_from_the_journal_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let [live, kept] = ["live", "kept"].map(|name| dir.path().join(name));
    write(&live, 0..1);
    keeper(&live, &kept).unwrap().follow().unwrap();
    // As after a power cut: the copy has what the journal lost, and other things come instead.
    let file = "00000000000000000001.journal";
    let mut bytes = fs::read(kept.join(file)).unwrap();
    bytes.extend([7; 30]);
    fs::write(kept.join(file), &bytes).unwrap();
    write(&live, 1..3);
    keeper(&live, &kept).unwrap().follow().unwrap();
    assert_eq!(fs::read(kept.join("00000000000000000001.aside-1")).unwrap(), bytes);
    assert_eq!(entries_of(&kept, 1), entries_of(&live, 1));
    // A copy that was only begun.
    let last = fs::read_dir(&live).unwrap().map(|file| file.unwrap().file_name()).max().unwrap();
    fs::write(kept.join(last), b"").unwrap();
    keeper(&live, &kept).unwrap().follow().unwrap();
    assert_eq!(entries_of(&kept, 1), entries_of(&live, 1));
}

#[test]
fn a_copy_that_begins_too_late_for_the_backup_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let [live, kept, again] = ["live", "kept", "again"].map(|name| dir.path().join(name));
    write(&live, 0..1);
    copy(&live, &again);
    write(&live, 1..20);
    keeper(&live, &kept).unwrap().follow().unwrap();
    fs::remove_file(kept.join("00000000000000000001.journal")).unwrap();
    join(&RealDisk, &kept, &again).unwrap();
    let found = cut(&RealDisk, &again, Timestamp(i64::MAX));
    assert!(matches!(found, Err(Error::Gap { .. })), "{found:?}");
}
