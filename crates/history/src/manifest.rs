//! The manifest: which Parquet files there are and up to which journal frame they hold everything.
//!
//! `manifest.json` is replaced in one step (new file, fsync, rename, fsync of the folder) after the
//! files that it newly names are durable. A crash in between leaves files that it does not name;
//! they are removed at open, and their rows come again from the journal.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ladder::Rung;
use crate::overlay::Correction;
use crate::query::ReadingsQuery;

const FORMAT: u32 = 2;
/// The oldest format that is read. Files of format 1 lie in folders of a day only, are sorted by area,
/// and have no column `stream`; the compaction rewrites them.
const FORMAT_OLDEST: u32 = 1;
const NAME: &str = "manifest.json";
const PARTIAL: &str = "manifest.json.partial";
pub(crate) const RAW: &str = "raw";
pub(crate) const WINDOWS: &str = "windows";
/// Stands for the district in the folder of files that no compaction has sorted yet.
pub(crate) const FRESH_DISTRICT: &str = "all";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// Every row of journal frames up to and including this one is in the files.
    pub(crate) watermark: u64,
    /// How many flushes were published: part of file names, so that none is ever used twice.
    pub(crate) generation: u64,
    /// Files of readings, in order of writing.
    pub(crate) raw: Vec<FileEntry>,
    /// Files of windows, in order of writing: a later one overrules an earlier one.
    pub(crate) windows: Vec<FileEntry>,
    /// Files of the rungs of the ladder: minutes, hours, days.
    #[serde(default)]
    pub(crate) rungs: [Vec<FileEntry>; 3],
    /// Corrections of readings that rows in files do not follow yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) corrections: Vec<Correction>,
}

/// One Parquet file and what is known of it without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    /// Path from the history's folder, with `/`.
    pub(crate) path: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The journal frames it comes from.
    pub(crate) sequence_first: u64,
    pub(crate) sequence_last: u64,
    /// Earliest and latest event time (of windows: start), in milliseconds.
    pub(crate) at_min: i64,
    pub(crate) at_max: i64,
    /// Of windows: smallest and greatest indicator code; in the first format also of readings, then
    /// device ids.
    pub(crate) name_min: String,
    pub(crate) name_max: String,
    /// Of readings: smallest and greatest stream. Absent in the first format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) streams: Option<(u32, u32)>,
    /// The district whose rows these are; absent when any may be here, in order of writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) district: Option<String>,
    /// Of readings: whether the rungs of the ladder hold them too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) summed: bool,
    /// Of files with a district: the kinds whose rows these are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) kinds: Vec<String>,
}

impl FileEntry {
    /// Whether the file may hold rows of `name` in `from..to`.
    pub(crate) fn may_hold(&self, name: &str, from: i64, to: i64) -> bool {
        self.overlaps(from, to) && self.name_min.as_str() <= name && name <= self.name_max.as_str()
    }

    /// Whether the file of readings may hold rows of `device`, whose streams these are.
    pub(crate) fn may_hold_readings(&self, query: &ReadingsQuery<'_>) -> bool {
        let (from, to) = (query.from.0, query.to.0);
        match self.streams {
            None => self.may_hold(query.device, from, to),
            Some((min, max)) => {
                let mut streams = query.streams.iter();
                self.overlaps(from, to) && streams.any(|(s, _)| (min..=max).contains(&s.0))
            }
        }
    }

    /// Whether the file may hold rows in `from..to`.
    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.at_max >= from && self.at_min < to
    }
}

impl Manifest {
    fn empty() -> Self {
        Self {
            format: FORMAT,
            watermark: 0,
            generation: 0,
            raw: Vec::new(),
            windows: Vec::new(),
            rungs: Default::default(),
            corrections: Vec::new(),
        }
    }

    /// Reads the manifest of a folder (an empty one when there is none), checks that its files are
    /// there, and removes what a crash left beside them.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let path = dir.join(NAME);
        let manifest = match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes, &path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::empty(),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let mut known = BTreeSet::new();
        for entry in manifest.files() {
            let path = dir.join(&entry.path);
            if !path.is_file() {
                return Err(Error::Missing { path });
            }
            known.insert(path);
        }
        for top in [RAW, WINDOWS].into_iter().chain(Rung::ALL.map(Rung::folder)) {
            let folder = dir.join(top);
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            remove_strays(&folder, &known)?;
        }
        Ok(manifest)
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let refuse = |reason| Error::Manifest { path: path.to_path_buf(), reason };
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
        if !(FORMAT_OLDEST..=FORMAT).contains(&manifest.format) {
            return Err(refuse(format!("format {} is not known here", manifest.format)));
        }
        Ok(Self { format: FORMAT, ..manifest })
    }

    /// Paths that this manifest names and `later` does not.
    pub(crate) fn names_missing_in(&self, later: &Self) -> Vec<String> {
        let kept: BTreeSet<&str> = later.files().map(|file| file.path.as_str()).collect();
        let gone = self.files().filter(|file| !kept.contains(file.path.as_str()));
        gone.map(|file| file.path.clone()).collect()
    }

    fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.raw.iter().chain(&self.windows).chain(self.rungs.iter().flatten())
    }

    /// Where the next change of the manifest puts its file for a day and district.
    pub(crate) fn next_path(
        &self,
        top: &str,
        day_folder: &str,
        district: &str,
        sequences: (u64, u64),
    ) -> String {
        let (first, last) = sequences;
        let generation = self.generation + 1;
        format!(
            "{top}/{day_folder}/district={district}/{first:012}-{last:012}.{generation}.parquet"
        )
    }

    /// Makes this the manifest of the folder. The files it names must be durable already.
    pub(crate) fn store(&self, dir: &Path) -> Result<()> {
        let (path, partial) = (dir.join(NAME), dir.join(PARTIAL));
        let refuse = |reason| Error::Manifest { path: path.clone(), reason };
        let bytes = serde_json::to_vec(self).map_err(|error| refuse(error.to_string()))?;
        let mut file = File::create(&partial).map_err(Error::io("create", &partial))?;
        file.write_all(&bytes).map_err(Error::io("write", &partial))?;
        file.sync_all().map_err(Error::io("sync", &partial))?;
        fs::rename(&partial, &path).map_err(Error::io("rename", &partial))?;
        sync_dir(dir)
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", dir))
}

/// Removes Parquet files below `folder` that the manifest does not know.
fn remove_strays(folder: &Path, known: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if path.is_dir() {
            remove_strays(&path, known)?;
        } else if path.extension().is_some_and(|e| e == "parquet") && !known.contains(&path) {
            tracing::info!(file = %path.display(), "a file that the manifest does not name was removed");
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
