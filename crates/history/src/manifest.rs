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

const FORMAT: u32 = 1;
const NAME: &str = "manifest.json";
const PARTIAL: &str = "manifest.json.partial";
pub(crate) const RAW: &str = "raw";
pub(crate) const WINDOWS: &str = "windows";

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
    /// Smallest and greatest device id (of windows: indicator code).
    pub(crate) name_min: String,
    pub(crate) name_max: String,
}

impl FileEntry {
    /// Whether the file may hold rows of `name` in `from..to`.
    pub(crate) fn may_hold(&self, name: &str, from: i64, to: i64) -> bool {
        self.at_max >= from
            && self.at_min < to
            && self.name_min.as_str() <= name
            && name <= self.name_max.as_str()
    }
}

impl Manifest {
    fn empty() -> Self {
        Self { format: FORMAT, watermark: 0, generation: 0, raw: Vec::new(), windows: Vec::new() }
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
        for entry in manifest.raw.iter().chain(&manifest.windows) {
            let path = dir.join(&entry.path);
            if !path.is_file() {
                return Err(Error::Missing { path });
            }
            known.insert(path);
        }
        for top in [RAW, WINDOWS] {
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
        if manifest.format != FORMAT {
            return Err(refuse(format!("format {} is not known here", manifest.format)));
        }
        Ok(manifest)
    }

    /// Where the next flush puts its file for a day.
    pub(crate) fn next_path(&self, top: &str, day_folder: &str, sequences: (u64, u64)) -> String {
        let (first, last) = sequences;
        format!("{top}/{day_folder}/{first:012}-{last:012}.{}.parquet", self.generation + 1)
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

/// Removes Parquet files in the day folders of `folder` that the manifest does not know.
fn remove_strays(folder: &Path, known: &BTreeSet<PathBuf>) -> Result<()> {
    for day in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let day = day.map_err(Error::io("list", folder))?.path();
        if !day.is_dir() {
            continue;
        }
        for file in fs::read_dir(&day).map_err(Error::io("list", &day))? {
            let path = file.map_err(Error::io("list", &day))?.path();
            if path.extension().is_some_and(|e| e == "parquet") && !known.contains(&path) {
                tracing::warn!(file = %path.display(), "a file of an unfinished flush was removed");
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
    }
    Ok(())
}
