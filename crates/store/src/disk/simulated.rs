//! A disk in memory that does what real ones do on their worst day, the same for the same seed: it
//! keeps what was written apart from what is durable, tears and loses the difference when the power
//! goes, fails writes and syncs, runs full, flips bits, and can lie about a sync.
//!
//! What it is not: fast, or used by anything but tests and the fault simulator.
//!
//! The model. A file is sectors; a sector holds its old bytes or its new ones, never a mixture. Of
//! sectors written and not synced, any set may survive a power cut, and the length may be any between
//! old and new. A failed sync leaves the sectors readable, clean and, mostly, not durable: a later
//! sync does not bring them back (as Linux does it). Of names created, renamed and removed in a folder
//! that was not synced, any set may survive; a rename is one step. Folders are durable at once.

mod dice;
mod platter;

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
pub use dice::Dice;
use platter::{NameChange, State};

/// What goes wrong, and after how many more operations of its sort: 0 is the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fuses {
    /// A write that stops halfway with an error.
    pub write: Option<u32>,
    /// A sync of a file that fails; what it should have made durable may be lost.
    pub sync: Option<u32>,
    /// A sync of a folder that fails.
    pub sync_dir: Option<u32>,
    /// A file that cannot be made.
    pub create: Option<u32>,
    /// The power goes during an operation of any sort.
    pub power: Option<u32>,
    /// A sync that says it was done and was not: a fault of the program, not of the disk.
    pub pretended_sync: Option<u32>,
}

/// What changes bytes on their way to the reader.
pub type Reader = fn(&Path, Vec<u8>) -> Vec<u8>;

/// A simulated disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
    content: usize,
    /// Where the next write goes; the end when `None`.
    at: Option<usize>,
}

impl SimulatedDisk {
    /// An empty disk without faults. Sectors are 512 bytes, or smaller in one of two seeds so that
    /// short files tear too.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed))))
    }

    /// Lets something go wrong, or nothing any more; replaces what was set before.
    pub fn set_fuses(&self, fuses: Fuses) {
        self.state().fuses = fuses;
    }

    /// What is still to go wrong.
    pub fn fuses(&self) -> Fuses {
        self.state().fuses
    }

    /// Bytes that all files together may take; a write beyond them fails halfway.
    pub fn set_capacity(&self, bytes: usize) {
        self.state().capacity_bytes = bytes;
    }

    /// Bytes that all files take.
    pub fn used_bytes(&self) -> usize {
        self.state().used_bytes()
    }

    /// Whether a reader of a file gets it in pieces.
    pub fn set_short_reads(&self, on: bool) {
        self.state().short_reads = on;
    }

    /// How long each operation takes from now on.
    pub fn set_operation_ms(&self, ms: i64) {
        self.state().operation_ms = ms;
    }

    /// Time spent in operations since this was last asked.
    pub fn take_spent_ms(&self) -> i64 {
        std::mem::take(&mut self.state().spent_ms)
    }

    /// What changes bytes on their way to the reader: a planted fault of the program.
    pub fn set_reader(&self, reader: Option<Reader>) {
        self.state().reader = reader;
    }

    /// Turns one bit of a file over, as rot does: durable, and unnoticed by the disk.
    pub fn flip_bit(&self, file: &Path, byte: usize, bit: u8) {
        let mut state = self.state();
        let Some(&content) = state.names.get(file) else { return };
        let content = &mut state.contents[content];
        for bytes in [&mut content.cached, &mut content.durable] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Whether the power is out.
    pub fn is_dark(&self) -> bool {
        self.state().dark
    }

    /// Cuts the power now.
    pub fn cut_power(&self) {
        let mut state = self.state();
        state.dark = true;
        state.note("the power is cut".to_owned());
    }

    /// The machine starts again: what was not durable is lost, or torn, or there by luck.
    pub fn restore_power(&self) {
        self.state().restore_power();
    }

    /// All files and their lengths; looking is no operation.
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let state = self.state();
        let length = |&content: &usize| state.contents[content].cached.len();
        state.names.iter().map(|(path, content)| (path.clone(), length(content))).collect()
    }

    /// Files and folders whose sync failed since this was last asked.
    pub fn take_failed_syncs(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.state().failed_syncs)
    }

    /// Operations that failed, by a fuse or for want of room, so far.
    pub fn failures(&self) -> u64 {
        self.state().failures
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Adds a line of the caller's to the trace.
    pub fn note(&self, what: String) {
        self.state().note(what);
    }

    /// The last operations, oldest first.
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for SimulatedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().write(self.content, &self.path, &mut self.at, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().sync(self.content, &self.path)
    }
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().begin_whole("create folder", dir)
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        let content = self.state().make(file)?;
        let (disk, path) = (self.clone(), file.to_owned());
        Ok(Box::new(SimulatedFile { disk, path, content, at: Some(0) }))
    }

    fn open_append(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.begin_whole("open", file)?;
        let content = state.find(file)?;
        let (disk, path) = (self.clone(), file.to_owned());
        Ok(Box::new(SimulatedFile { disk, path, content, at: None }))
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.begin_whole("read", file)?;
        let bytes = state.contents[state.find(file)?].cached.clone();
        Ok(match state.reader {
            Some(reader) => reader(file, bytes),
            None => bytes,
        })
    }

    fn read_at(&self, file: &Path, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let whole = self.read(file)?;
        let part = from.checked_add(bytes).and_then(|to| whole.get(from..to));
        part.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn open_read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        let bytes = Cursor::new(self.read(file)?);
        let mut state = self.state();
        if !state.short_reads {
            return Ok(Box::new(bytes));
        }
        let dice = Dice::new(state.dice.draw(), 2);
        Ok(Box::new(ShortReads { bytes, dice }))
    }

    fn len(&self, file: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.begin_whole("measure", file)?;
        Ok(state.contents[state.find(file)?].cached.len() as u64)
    }

    fn truncate(&self, file: &Path, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        state.begin_whole("cut", file)?;
        let content = state.find(file)?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let sector_bytes = state.sector_bytes;
        let cut = &mut state.contents[content];
        cut.cached.resize(bytes, 0);
        cut.resized = true;
        cut.dirty.retain(|sector| sector * sector_bytes < bytes);
        state.sync(content, file)
    }

    fn rewrite(&self, file: &Path, from: u64) -> io::Result<()> {
        let mut state = self.state();
        state.begin_whole("rewrite", file)?;
        let content = state.find(file)?;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let sector_bytes = state.sector_bytes;
        let again = &mut state.contents[content];
        let bytes = again.cached.get(from..).unwrap_or_default().to_vec();
        again.write(from, &bytes, sector_bytes);
        state.sync(content, file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin_whole("rename", from)?;
        let content = state.find(from)?;
        let change = NameChange::Renamed(from.to_owned(), to.to_owned(), content);
        change.apply(&mut state.names);
        state.name_changes.push(change);
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin_whole("remove", file)?;
        state.find(file)?;
        let change = NameChange::Removed(file.to_owned());
        change.apply(&mut state.names);
        state.name_changes.push(change);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin_whole("list", dir)?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().sync_dir(dir)
    }
}

/// Gives what it is asked for in pieces.
struct ShortReads {
    bytes: Cursor<Vec<u8>>,
    dice: Dice,
}

impl Read for ShortReads {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = 1 + self.dice.below(buffer.len().max(1));
        let most = most.min(buffer.len());
        self.bytes.read(&mut buffer[..most])
    }
}
