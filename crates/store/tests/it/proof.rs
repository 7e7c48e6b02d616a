//! The proof log on disk: what an outsider can check of it, what a crash leaves, and what tampering shows.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chengmai_store::disk::simulated::{Fuses, SimulatedDisk};
use chengmai_store::disk::{Disk, RealDisk};
use chengmai_store::error::Error;
use chengmai_store::proof::note::Note;
use chengmai_store::proof::tiles::{TILE_LENGTH, TILE_WIDTH, TileName};
use chengmai_store::proof::tree::{fold, leaf_hash, verify_consistency, verify_inclusion};
use chengmai_store::proof::{HASH_BYTES, LogReader, LogWriter, Signer, Tip};

const DIR: &str = "/proof";

/// Always the same key: what is tried is the log.
fn signer() -> Signer {
    Signer::parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
        .unwrap()
}

fn entries(from: u64, count: u64) -> Vec<Vec<u8>> {
    (from..from + count).map(|n| format!("entry {n}").into_bytes()).collect()
}

/// Entries that are others in each life: a head that was shown is continued only by the very same.
fn entries_of(life: u64, from: u64, count: u64) -> Vec<Vec<u8>> {
    (from..from + count).map(|n| format!("life {life} entry {n}").into_bytes()).collect()
}

fn open(disk: &SimulatedDisk) -> Result<LogWriter, Error> {
    LogWriter::open(Arc::new(disk.clone()), Path::new(DIR), signer())
}

fn continues(log: &LogReader, old: &Tip) -> bool {
    let (old, new) = (&old.checkpoint, &log.tip().checkpoint);
    let path = log.consistency(old.size, new.size).unwrap();
    path.is_some_and(|path| verify_consistency((old.size, &old.root), (new.size, &new.root), &path))
}

#[test]
fn whoever_has_only_the_tiles_and_the_key_can_check_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = LogWriter::open(Arc::new(RealDisk), folder.path(), signer()).unwrap();
    let mut tips = Vec::new();
    let mut size = 0;
    for count in [1, 254, 1, 1, 300, 66_000, 5] {
        tips.push(log.append(&entries(size, count)).unwrap());
        size += count;
    }
    let reader = log.reader();
    assert!(tips.iter().all(|tip| continues(reader, tip)));
    let note = Note::parse(&reader.tip().note).unwrap();
    assert!(note.signed_by(signer().verifier()).is_ok());
    assert_eq!(note.checkpoint.size, size);

    // The leaves' hashes from the bundles of entries, and every tile from those below it.
    let mut row = Vec::new();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let width = (size - index * TILE_WIDTH).min(TILE_WIDTH);
        let bundle = reader.tile(TileName { level: None, index, width }).unwrap().unwrap();
        let mut rest = bundle.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            row.push(leaf_hash(entry));
            rest = after;
        }
    }
    assert_eq!(row[70], leaf_hash(b"entry 70"));
    for level in 0..3 {
        for (index, tile) in (0..).zip(row.chunks(TILE_LENGTH)) {
            let name = TileName { level: Some(level), index, width: tile.len() as u64 };
            assert_eq!(reader.tile(name).unwrap().unwrap(), tile.as_flattened(), "{}", name.text());
            let more = TileName { width: name.width + 1, ..name };
            if more.width <= TILE_WIDTH {
                assert_eq!(reader.tile(more).unwrap(), None);
            }
        }
        row = row.as_chunks::<256>().0.iter().map(|tile| fold(tile)).collect();
    }
    assert_eq!(reader.check_levels().unwrap(), None);
    let head = reader.tip().checkpoint.root;
    for index in (0..size).step_by(997) {
        let path = reader.inclusion(index, size).unwrap().unwrap();
        let leaf = leaf_hash(format!("entry {index}").as_bytes());
        assert!(verify_inclusion(&leaf, index, size, &path, &head), "{index}");
    }
    assert_eq!(reader.inclusion(size, size).unwrap(), None);
    assert_eq!(reader.consistency(1, size + 1).unwrap(), None);
    assert_eq!(reader.entries(size - 1, 9).unwrap()[0].0, b"entry 66561");
}

#[test]
fn after_any_crash_every_head_that_was_shown_is_continued() {
    let (mut cuts, mut ends) = (0, BTreeSet::new());
    for seed in 0..300 {
        let disk = SimulatedDisk::new(seed);
        let mut shown: Vec<Arc<Tip>> = Vec::new();
        for life in 0..4_u64 {
            let fuse = u32::try_from((seed * 7 + life * 13) % 45).unwrap();
            let fuses = match (seed + life) % 4 {
                0 => Fuses { write: Some(fuse % 12), ..Fuses::default() },
                1 => Fuses { sync: Some(fuse % 12), ..Fuses::default() },
                _ => Fuses { power: Some(fuse), ..Fuses::default() },
            };
            disk.set_fuses(fuses);
            if let Ok(mut log) = open(&disk) {
                for step in 0..6_u64 {
                    let size = log.reader().tip().checkpoint.size;
                    let more = entries_of(life, size, 1 + (seed + step * 31) % 290);
                    let Ok(tip) = log.append(&more) else {
                        assert!(log.append(&more).is_err(), "it goes on after a failure");
                        break;
                    };
                    shown.push(tip);
                }
            }
            cuts += u32::from(disk.is_dark());
            disk.set_fuses(Fuses::default());
            disk.cut_power();
            disk.restore_power();
        }
        let log = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let reader = log.reader();
        assert!(shown.iter().all(|tip| continues(reader, tip)), "seed {seed}");
        assert_eq!(reader.check_levels().unwrap(), None, "seed {seed}");
        let size = reader.tip().checkpoint.size;
        let found = reader.entries(0, u64::MAX).unwrap();
        assert_eq!(found.len() as u64, size, "seed {seed}");
        assert!(found.iter().all(|(entry, hash)| leaf_hash(entry) == *hash), "seed {seed}");
        ends.insert(size);
    }
    assert!(cuts > 100 && ends.len() > 50, "{cuts} cuts, {} sizes", ends.len());
}

#[test]
fn a_file_that_was_tampered_with_is_named() {
    let disk = SimulatedDisk::new(1);
    open(&disk).unwrap().append(&entries(0, 300)).unwrap();
    let sound = |disk: &SimulatedDisk| -> Result<bool, Error> {
        let log = LogReader::open(Arc::new(disk.clone()), Path::new(DIR), signer().verifier())?;
        for number in 0..300 {
            // One by one: so each place that is kept is looked at.
            let entries = log.entries(number, 1)?;
            if !entries.iter().all(|(entry, hash)| leaf_hash(entry) == *hash) {
                return Ok(false);
            }
        }
        Ok(log.check_levels()?.is_none())
    };
    assert!(sound(&disk).unwrap());
    for (path, length) in disk.files() {
        for byte in (0..length).step_by(length / 20 + 1).chain([length - 1]) {
            disk.flip_bit(&path, byte, 3);
            assert!(!matches!(sound(&disk), Ok(true)), "{} byte {byte}", path.display());
            disk.flip_bit(&path, byte, 3);
        }
        let bytes = disk.read(&path).unwrap();
        disk.truncate(&path, length as u64 - 1).unwrap();
        assert!(open(&disk).is_err(), "{} is shorter", path.display());
        let mut file = disk.create(&path).unwrap();
        file.write_all(&bytes).unwrap();
    }
    assert!(sound(&disk).unwrap());
    disk.remove(&Path::new(DIR).join("checkpoint")).unwrap();
    let refused = open(&disk).unwrap_err().to_string();
    assert!(refused.contains("signed head over this file is missing"), "{refused}");
}

#[test]
fn another_key_does_not_open_the_log() {
    let disk = SimulatedDisk::new(2);
    open(&disk).unwrap().append(&entries(0, 3)).unwrap();
    let other = Signer::generate("PeterNeumann").unwrap();
    let refused = LogWriter::open(Arc::new(disk), Path::new(DIR), other).unwrap_err().to_string();
    assert!(refused.contains("not signed by this log's key"), "{refused}");
}

#[test]
fn hashes_are_as_wide_as_a_tile_needs() {
    assert_eq!(TILE_LENGTH * HASH_BYTES, 8_192);
}
