//! The only door to the file system of this crate: journal and snapshots reach files through
//! [`Disk`] and through nothing else, so that a simulated disk can tear, lose and refuse writes.
//!
//! What a `Disk` promises: bytes are durable after [`DiskFile::sync`], names after
//! [`Disk::sync_dir`]. Nothing is promised of what was written and not yet synced. `rename` replaces
//! its target in one step.

pub mod simulated;

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// A file system, real or simulated.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder and its parents, durably; fine when it is there already.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// A new file for writing; an old one of the name is emptied.
    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file for writing at its end.
    fn open_append(&self, file: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file's whole content.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;
    /// `bytes` bytes of a file from `offset` on; an error when it does not have them all.
    fn read_at(&self, file: &Path, offset: u64, bytes: usize) -> io::Result<Vec<u8>>;
    /// A file from its beginning, for what may be too large to hold twice.
    fn open_read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// A file's length in bytes.
    fn len(&self, file: &Path) -> io::Result<u64>;
    /// Cuts a file to `bytes` and makes that durable.
    fn truncate(&self, file: &Path, bytes: u64) -> io::Result<()>;
    /// Writes what a file holds from `from` on once more in its place, and makes it durable. After
    /// a failed sync a system may take bytes for clean that never reached the disk, so that only
    /// writing them again brings them there.
    fn rewrite(&self, file: &Path, from: u64) -> io::Result<()>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Deletes a file.
    fn remove(&self, file: &Path) -> io::Result<()>;
    /// Names of the plain files in a folder, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes the names in a folder durable (created, renamed and removed files).
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file open for writing at its end.
pub trait DiskFile: Debug + Send {
    /// Appends all of `bytes`, or fails with an unknown part of them written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written durable (`fdatasync`).
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.create_dir(parent)?;
        }
        match fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Without this a power cut may take the folder and all that was made durable in it.
            made => made.and_then(|()| self.sync_dir(parent.unwrap_or(Path::new(".")))),
        }
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(file)?))
    }

    fn open_append(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(file)?))
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        fs::read(file)
    }

    fn read_at(&self, file: &Path, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        File::open(file)?.read_exact_at(&mut buffer, offset)?;
        Ok(buffer)
    }

    fn open_read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(file)?))
    }

    fn len(&self, file: &Path) -> io::Result<u64> {
        Ok(fs::metadata(file)?.len())
    }

    fn truncate(&self, file: &Path, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(file)?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    fn rewrite(&self, file: &Path, from: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(file)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)?;
        file.seek(SeekFrom::Start(from))?;
        io::Write::write_all(&mut file, &bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl DiskFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, bytes)?;
        self.flush()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
