//! Merging files changes where rows lie and nothing else, and may be cut short anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use chengmai_history::{Error, History, Place, Places, WindowPoint, WindowRow, WindowsQuery};
use chengmai_model::{Reading, StreamId, Tier, Timestamp};

use crate::support::{DAY_MS, MIDNIGHT, Names, ask, expected, open, parquet_files, reading};

const EVER: (i64, i64) = (0, i64::MAX);
const DEVICES: u32 = 30;
/// When all days of the tests are over.
const LATER: i64 = MIDNIGHT + 10 * DAY_MS;

/// Flushes of a few frames each: rows of two days, some of them twice.
fn fill(history: &mut History, names: &Names, flushes: u64) -> Vec<Reading> {
    let mut all = Vec::new();
    for sequence in 1..=flushes * 3 {
        let readings: Vec<Reading> = (0..DEVICES * 2)
            .map(|stream| {
                let step = i64::try_from(sequence).unwrap() * 7 + i64::from(stream) * 13;
                let at = MIDNIGHT + (step % 40 - 20) * 3_600_000 + i64::from(stream);
                reading(stream, at, f64::from(stream) + (step % 9) as f64 / 10.0)
            })
            .collect();
        let at = MIDNIGHT + i64::try_from(sequence).unwrap();
        history.append_readings(sequence, Timestamp(at), &readings);
        history.append_windows(sequence, &[window("500101", at, Some(sequence as f64))]);
        history.append_windows(sequence, &[window("500102", MIDNIGHT, Some(sequence as f64))]);
        all.extend(readings);
        if sequence % 3 == 0 {
            history.flush(names).unwrap();
        }
    }
    all
}

fn window(area: &str, start: i64, value: Option<f64>) -> WindowRow<'_> {
    WindowRow {
        indicator: "water/level",
        area,
        tier: Tier::District,
        area_order: 1,
        start: Timestamp(start),
        value,
        coverage: 1.0,
        readings: 3,
    }
}

fn windows(history: &History, area: &str) -> Vec<WindowPoint> {
    let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
    let query = WindowsQuery { indicator: "water/level", area, from, to };
    history.reader().windows(&query).unwrap()
}

pub(crate) fn compact(history: &History, places: &dyn Places) -> usize {
    let mut compactor = history.compactor();
    let mut steps = 0;
    while compactor.step(LATER, places).unwrap().is_some() {
        steps += 1;
        assert!(steps < 100, "it comes to an end");
    }
    steps
}

fn check(history: &History, names: &Names, all: &[Reading]) {
    for device in 0..DEVICES {
        let (found, _) = ask(&history.reader(), names, device, EVER, usize::MAX);
        assert_eq!(found, expected(all, device, EVER, usize::MAX), "device {device}");
    }
    let last = windows(history, "500102");
    assert_eq!(last.len(), 1, "a window that was corrected is there once");
    let count = windows(history, "500101").len() as f64;
    assert_eq!(last[0].value, Some(count), "and as it was corrected last");
}

fn folders(dir: &Path, top: &str) -> BTreeSet<String> {
    let files = parquet_files(&dir.join(top));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|file| name(file.parent().unwrap())).collect()
}

#[test]
fn small_files_become_one_a_day_and_district_and_every_answer_stays() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let all = fill(&mut history, &names, 4);
    assert_eq!(folders(dir.path(), "raw"), BTreeSet::from(["district=all".to_owned()]));
    check(&history, &names, &all);
    assert!(compact(&history, &names) > 0);
    check(&history, &names, &all);
    let districts = ["district=500100", "district=500101"].map(str::to_owned);
    assert_eq!(folders(dir.path(), "raw"), BTreeSet::from(districts));
    assert_eq!(parquet_files(&dir.path().join("raw")).len(), 4, "two days, two districts");
    assert_eq!(compact(&history, &names), 0, "what is merged stays");
    drop(history);
    check(&open(dir.path()), &names, &all);
}

#[test]
fn late_rows_are_merged_with_the_files_of_their_day() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let mut all = fill(&mut history, &names, 2);
    compact(&history, &names);
    let late = [reading(0, MIDNIGHT - 5, 1.5), reading(7, MIDNIGHT + 5, 2.5)];
    history.append_readings(100, Timestamp(LATER), &late);
    history.flush(&names).unwrap();
    all.extend(late);
    compact(&history, &names);
    check(&history, &names, &all);
    assert_eq!(parquet_files(&dir.path().join("raw")).len(), 4);
}

#[test]
fn a_query_that_began_before_a_merge_still_finds_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let all = fill(&mut history, &names, 3);
    let done = std::sync::atomic::AtomicBool::new(false);
    let reader = history.reader();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            compact(&history, &names);
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            for device in 0..DEVICES {
                let (found, _) = ask(&reader, &names, device, EVER, usize::MAX);
                assert_eq!(found, expected(&all, device, EVER, usize::MAX));
            }
            if last {
                break;
            }
        }
    });
}

/// Fails after so many questions, as a process that is killed would: whatever was written stays.
struct Killed<'a> {
    names: &'a Names,
    left: AtomicUsize,
}

impl Places for Killed<'_> {
    fn place(&self, area: &str) -> Option<Place> {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        assert!(left > 0, "killed");
        self.names.place(area)
    }

    fn stream(&self, device: &str, kind: &str) -> Option<StreamId> {
        self.names.stream(device, kind)
    }
}

#[test]
fn a_merge_killed_anywhere_leaves_every_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let all = fill(&mut history, &names, 3);
    drop(history);
    for left in 1..40 {
        let history = open(dir.path());
        let killed = Killed { names: &names, left: AtomicUsize::new(left) };
        let step = || history.compactor().step(LATER, &killed).map(drop);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(step));
        drop(history);
        check(&open(dir.path()), &names, &all);
    }
}

#[test]
fn a_crash_before_the_manifest_and_one_after_it_leave_no_row_twice() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let all = fill(&mut history, &names, 3);
    drop(history);
    let before = copy(dir.path());
    let history = open(dir.path());
    compact(&history, &names);
    drop(history);
    // Files of before and after lie side by side, as when the old ones were not yet removed.
    let after_manifest = fs::read(dir.path().join("manifest.json")).unwrap();
    let before_manifest = fs::read(before.path().join("manifest.json")).unwrap();
    for manifest in [&before_manifest, &after_manifest] {
        let both = copy(dir.path());
        copy_into(before.path(), both.path());
        fs::write(both.path().join("manifest.json"), manifest).unwrap();
        let history = open(both.path());
        check(&history, &names, &all);
        compact(&history, &names);
        check(&history, &names, &all);
        assert_eq!(parquet_files(&both.path().join("raw")).len(), 4);
    }
}

#[test]
fn a_merge_that_cannot_write_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(DEVICES);
    let mut history = open(dir.path());
    let all = fill(&mut history, &names, 3);
    let in_the_way = dir.path().join("raw/day=2026-11-20/district=500100");
    fs::write(&in_the_way, b"").unwrap();
    let failed = history.compactor().step(LATER, &names);
    assert!(matches!(failed, Err(Error::Io { .. })), "{failed:?}");
    check(&history, &names, &all);
    fs::remove_file(&in_the_way).unwrap();
    compact(&history, &names);
    check(&history, &names, &all);
}

#[test]
fn files_of_the_first_format_are_read_and_merged() {
    let dir = tempfile::tempdir().unwrap();
    copy_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/history-v1"), dir.path());
    let names = Names::new(40);
    let mut all = Vec::new();
    for minute in 0..60_i64 {
        let at = MIDNIGHT - 1_800_000 + minute * 60_000;
        let value = |stream: u32| f64::from(stream) + minute as f64 / 10.0;
        all.extend((0..80).map(|s| reading(s, at + i64::from(s) * 7, value(s))));
    }
    let history = open(dir.path());
    assert_eq!(history.watermark(), 60);
    for merged in [false, true] {
        if merged {
            assert!(compact(&history, &names) > 0);
        }
        for device in 0..40 {
            let (found, _) = ask(&history.reader(), &names, device, EVER, usize::MAX);
            assert_eq!(found, expected(&all, device, EVER, usize::MAX), "device {device}");
        }
        let points = windows(&history, "500103");
        assert_eq!(points.len(), 60);
        assert_eq!((points[5].value, points[7].value), (None, Some(10.0)));
    }
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

pub(crate) fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_into(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
