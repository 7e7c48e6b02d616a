//! A flush cut short at any step leaves nothing double and nothing lost.

use std::fs;
use std::path::Path;

use chengmai_history::{Error, History, HistorySettings};
use chengmai_model::Timestamp;

use crate::support::{MIDNIGHT, Names, ask, open, parquet_files, reading};

const EVER: (i64, i64) = (0, i64::MAX);

fn append(history: &mut History, sequences: std::ops::RangeInclusive<u64>) {
    for sequence in sequences {
        let at = MIDNIGHT + i64::try_from(sequence).unwrap() * 1_000;
        history.append_readings(sequence, Timestamp(at), &[reading(0, at, 1.0)]);
    }
}

fn count(history: &History, names: &Names) -> usize {
    ask(&history.reader(), names, 0, EVER, 1_000).0.len()
}

fn try_open(dir: &Path) -> Result<History, Error> {
    History::open(dir, HistorySettings::default())
}

#[test]
fn a_crash_between_files_and_manifest_leaves_nothing_double() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1);
    let manifest = dir.path().join("manifest.json");
    let mut history = open(dir.path());
    append(&mut history, 1..=5);
    history.flush(&names).unwrap();
    let before = fs::read(&manifest).unwrap();
    append(&mut history, 6..=9);
    history.flush(&names).unwrap();
    drop(history);
    // As it was when the second flush had written its file and not yet its manifest.
    fs::write(&manifest, before).unwrap();
    fs::write(dir.path().join("manifest.json.partial"), b"{\"form").unwrap();
    assert_eq!(parquet_files(dir.path()).len(), 2);

    let mut history = open(dir.path());
    assert_eq!(history.watermark(), 5);
    assert_eq!(parquet_files(dir.path()).len(), 1, "the unnamed file is gone");
    append(&mut history, 1..=9);
    assert_eq!(count(&history, &names), 9);
    assert_eq!(history.flush(&names).unwrap(), 9);
    assert_eq!(count(&history, &names), 9);
    assert_eq!(parquet_files(dir.path()).len(), 2);
}

#[test]
fn a_failed_flush_keeps_its_rows_and_the_next_one_takes_them_along() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1);
    let mut history = open(dir.path());
    append(&mut history, 1..=3);
    let raw = dir.path().join("raw");
    fs::remove_dir(&raw).unwrap();
    fs::write(&raw, b"in the way").unwrap();
    assert!(matches!(history.flush(&names), Err(Error::Io { .. })));
    append(&mut history, 4..=4);
    assert_eq!((history.watermark(), history.rows_pending(), count(&history, &names)), (0, 4, 4));
    fs::remove_file(&raw).unwrap();
    assert_eq!(history.flush(&names).unwrap(), 4);
    assert_eq!((history.rows_pending(), count(&history, &names)), (0, 4));
    drop(history);
    assert_eq!(count(&open(dir.path()), &names), 4);
}

#[test]
fn one_flush_lives_at_a_time_and_a_dropped_one_hands_its_rows_back() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1);
    let mut history = open(dir.path());
    append(&mut history, 1..=2);
    let job = history.begin_flush().unwrap();
    append(&mut history, 3..=3);
    assert!(matches!(history.begin_flush(), Err(Error::Busy)));
    assert_eq!((history.rows_pending(), count(&history, &names)), (1, 3));
    drop(job);
    assert_eq!((history.rows_pending(), count(&history, &names)), (3, 3));
    assert_eq!(history.flush(&names).unwrap(), 3);
    assert_eq!(count(&history, &names), 3);
}

#[test]
fn rows_that_come_late_for_a_flushed_frame_are_kept_and_overwrite_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1);
    let mut history = open(dir.path());
    append(&mut history, 1..=1);
    for late in 1..=3 {
        assert_eq!(history.flush(&names).unwrap(), 1);
        history.append_readings(1, Timestamp(0), &[reading(0, MIDNIGHT + late, 2.0)]);
        assert_eq!(count(&history, &names), usize::try_from(late).unwrap() + 1);
    }
    assert_eq!(history.flush(&names).unwrap(), 1);
    assert_eq!(count(&open(dir.path()), &names), 4);
}

#[test]
fn a_flush_of_nothing_moves_the_watermark_and_writes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    history.append_windows(42, &[]);
    assert_eq!(history.flush(&Names::new(0)).unwrap(), 42);
    assert!(parquet_files(dir.path()).is_empty());
    assert_eq!(open(dir.path()).watermark(), 42);
}

#[test]
fn a_missing_file_and_an_unknown_manifest_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    append(&mut history, 1..=1);
    history.flush(&Names::new(1)).unwrap();
    drop(history);
    let file = parquet_files(dir.path()).remove(0);
    let away = dir.path().join("elsewhere");
    fs::rename(&file, &away).unwrap();
    assert!(matches!(try_open(dir.path()), Err(Error::Missing { path }) if path == file));
    fs::rename(&away, &file).unwrap();
    let manifest = dir.path().join("manifest.json");
    let newer = fs::read_to_string(&manifest).unwrap().replace("\"format\":2", "\"format\":3");
    fs::write(&manifest, newer).unwrap();
    assert!(matches!(try_open(dir.path()), Err(Error::Manifest { .. })));
    assert!(file.exists(), "a manifest that is not understood removes nothing");
    fs::write(&manifest, b"{").unwrap();
    assert!(matches!(try_open(dir.path()), Err(Error::Manifest { .. })));
}
