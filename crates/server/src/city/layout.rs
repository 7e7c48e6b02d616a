//! Where things lie in a data folder, and the lock that lets only one program use it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The data folder of one city.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens or makes the folder and takes its lock.
    ///
    /// # Errors
    /// When it cannot be made or another program holds it.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root)
            .with_context(|| format!("cannot make the data folder {}", root.display()))?;
        let lock = File::create(root.join("lock"))
            .with_context(|| format!("cannot write in the data folder {}", root.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "another chengmai uses {}: stop it first, or choose another --data folder",
                root.display()
            );
        }
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.root.join("history")
    }

    pub(crate) fn photos(&self) -> PathBuf {
        self.root.join("photos")
    }

    pub(crate) fn areas(&self) -> AreaFiles {
        AreaFiles::of(&self.root)
    }

    pub(crate) fn routing(&self) -> PathBuf {
        routing(&self.root)
    }
}

/// The files about areas in a data folder.
#[derive(Debug, Clone)]
pub(crate) struct AreaFiles(PathBuf);

impl AreaFiles {
    /// Of the data folder that lies there.
    pub(crate) fn of(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// What was imported.
    pub(crate) fn imported(&self) -> PathBuf {
        self.0.join("areas.json")
    }

    /// Codes that are no more.
    pub(crate) fn changes(&self) -> PathBuf {
        self.0.join("area-changes.json")
    }

    /// The areas of the last run.
    pub(crate) fn in_use(&self) -> PathBuf {
        self.0.join("areas-in-use.json")
    }

    /// The areas before those, until everything has moved.
    pub(crate) fn before(&self) -> PathBuf {
        self.0.join("areas-before.json")
    }
}

/// Where the model lies that was learnt from a city's cases; it may be put there while the city runs.
pub(crate) fn routing(root: &Path) -> PathBuf {
    root.join("routing.model")
}
