//! What the simulated disk holds and what becomes of it: cache and durable bytes, names, fuses. The
//! rules are on the page of [`super::SimulatedDisk`]; here is no locking and no path joining.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::{Dice, Fuses, Reader};

/// Operations remembered for a report.
const TRACE_MAX: usize = 100;

#[derive(Debug, Clone)]
pub(super) struct Content {
    /// What readers see.
    pub(super) cached: Vec<u8>,
    /// What a power cut leaves.
    pub(super) durable: Vec<u8>,
    /// Sectors of `cached` that the next sync writes.
    pub(super) dirty: BTreeSet<usize>,
    /// The length was changed and not synced.
    pub(super) resized: bool,
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Made(PathBuf, usize),
    Renamed(PathBuf, PathBuf, usize),
    Removed(PathBuf),
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) sector_bytes: usize,
    pub(super) capacity_bytes: usize,
    pub(super) fuses: Fuses,
    pub(super) dark: bool,
    pub(super) short_reads: bool,
    pub(super) reader: Option<Reader>,
    pub(super) operation_ms: i64,
    pub(super) spent_ms: i64,
    pub(super) contents: Vec<Content>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their folder followed.
    pub(super) name_changes: Vec<NameChange>,
    pub(super) operations: u64,
    pub(super) failed_syncs: Vec<PathBuf>,
    pub(super) failures: u64,
    pub(super) trace: VecDeque<String>,
}

fn burn(fuse: &mut Option<u32>) -> bool {
    match fuse {
        Some(0) => {
            *fuse = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

fn dark() -> io::Error {
    io::Error::other("the simulated power is out")
}

impl Content {
    const EMPTY: Self =
        Self { cached: Vec::new(), durable: Vec::new(), dirty: BTreeSet::new(), resized: false };

    /// Brings one sector of the cache to the disk.
    fn store(&mut self, sector: usize, sector_bytes: usize) {
        let from = sector * sector_bytes;
        let to = (from + sector_bytes).min(self.cached.len());
        if from < to {
            if self.durable.len() < to {
                self.durable.resize(to, 0);
            }
            self.durable[from..to].copy_from_slice(&self.cached[from..to]);
        }
    }

    fn store_all(&mut self, sector_bytes: usize) {
        for sector in std::mem::take(&mut self.dirty) {
            self.store(sector, sector_bytes);
        }
        // The length is durable with the file, even where its bytes were lost before.
        self.durable.resize(self.cached.len(), 0);
        self.resized = false;
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8], sector_bytes: usize) {
        let end = at + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
            self.resized = true;
        }
        self.cached[at..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            self.dirty.extend(at / sector_bytes..=(end - 1) / sector_bytes);
        }
    }

    /// A power cut: of what was on its way any part may have arrived.
    fn settle(&mut self, dice: &mut Dice, sector_bytes: usize) {
        let (old, new) = (self.durable.len(), self.cached.len());
        let dirty = std::mem::take(&mut self.dirty);
        // Often all or nothing arrives; the rest of the time each sector fares on its own.
        let luck = dice.below(4);
        for sector in dirty {
            if luck == 0 || (luck > 1 && dice.one_in(2)) {
                self.store(sector, sector_bytes);
            }
        }
        if self.resized {
            let (low, high) = (old.min(new), old.max(new));
            let length = match luck {
                0 => new,
                1 => old,
                _ => low + dice.below(high - low + 1),
            };
            self.durable.resize(length, 0);
            self.resized = false;
        }
        self.cached.clone_from(&self.durable);
    }
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let sector_bytes = [512, 64][dice.below(2)];
        Self {
            dice,
            sector_bytes,
            capacity_bytes: usize::MAX,
            fuses: Fuses::default(),
            dark: false,
            short_reads: false,
            reader: None,
            operation_ms: 0,
            spent_ms: 0,
            contents: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            operations: 0,
            failed_syncs: Vec::new(),
            failures: 0,
            trace: VecDeque::new(),
        }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.names.values().map(|&content| self.contents[content].cached.len()).sum()
    }

    pub(super) fn note(&mut self, what: String) {
        if self.trace.len() == TRACE_MAX {
            self.trace.pop_front();
        }
        let operation = self.operations;
        self.trace.push_back(format!("{operation}: {what}"));
    }

    fn fail(&mut self) -> io::Error {
        self.failures += 1;
        io::Error::other("the simulated disk failed")
    }

    /// Counts an operation; true when the power goes during it.
    fn begin(&mut self, what: &str, path: &Path) -> io::Result<bool> {
        if self.dark {
            return Err(dark());
        }
        self.operations += 1;
        self.spent_ms += self.operation_ms;
        let name = path.file_name().unwrap_or_default().display();
        self.note(format!("{what} {name}"));
        let cut = burn(&mut self.fuses.power);
        if cut {
            self.dark = true;
            self.note("the power goes".to_owned());
        }
        Ok(cut)
    }

    /// For operations that leave nothing behind when the power goes before them.
    pub(super) fn begin_whole(&mut self, what: &str, path: &Path) -> io::Result<()> {
        if self.begin(what, path)? { Err(dark()) } else { Ok(()) }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "no such file on the simulated disk")
        })
    }

    /// Writes at `at`, or at the end of the file.
    pub(super) fn write(
        &mut self,
        content: usize,
        path: &Path,
        at: &mut Option<usize>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let cut = self.begin(&format!("write {} bytes to", bytes.len()), path)?;
        let failed = burn(&mut self.fuses.write);
        let room = self.capacity_bytes.saturating_sub(self.used_bytes());
        let mut taken = bytes.len().min(room);
        if cut || failed {
            taken = taken.min(self.dice.below(bytes.len() + 1));
        }
        let content = &mut self.contents[content];
        let from = at.unwrap_or(content.cached.len());
        content.write(from, &bytes[..taken], self.sector_bytes);
        *at = at.map(|at| at + taken);
        if cut {
            return Err(dark());
        }
        if failed {
            self.note(format!("the write fails after {taken} bytes"));
            return Err(self.fail());
        }
        if taken < bytes.len() {
            self.note(format!("the disk is full after {taken} bytes"));
            self.failures += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, content: usize, path: &Path) -> io::Result<()> {
        if self.begin("sync", path)? {
            return Err(dark());
        }
        if burn(&mut self.fuses.pretended_sync) {
            self.note("the sync is only pretended".to_owned());
            return Ok(());
        }
        let sector_bytes = self.sector_bytes;
        if burn(&mut self.fuses.sync) {
            let dirty = std::mem::take(&mut self.contents[content].dirty);
            let sectors = dirty.len();
            let mut stored = 0;
            for sector in dirty {
                if self.dice.one_in(3) {
                    self.contents[content].store(sector, sector_bytes);
                    stored += 1;
                }
            }
            self.failed_syncs.push(path.to_owned());
            self.note(format!("the sync fails: {stored} of {sectors} sectors are durable"));
            return Err(self.fail());
        }
        self.contents[content].store_all(sector_bytes);
        Ok(())
    }

    pub(super) fn make(&mut self, path: &Path) -> io::Result<usize> {
        self.begin_whole("create", path)?;
        if burn(&mut self.fuses.create) {
            return Err(self.fail());
        }
        if let Some(&content) = self.names.get(path) {
            let old = &mut self.contents[content];
            old.cached.clear();
            old.dirty.clear();
            old.resized = true;
            return Ok(content);
        }
        let content = self.contents.len();
        self.contents.push(Content::EMPTY);
        self.names.insert(path.to_owned(), content);
        self.name_changes.push(NameChange::Made(path.to_owned(), content));
        Ok(content)
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.begin_whole("sync folder", dir)?;
        if burn(&mut self.fuses.sync_dir) {
            self.failed_syncs.push(dir.to_owned());
            self.note("the sync of the folder fails".to_owned());
            return Err(self.fail());
        }
        for change in std::mem::take(&mut self.name_changes) {
            if change.path().parent() == Some(dir) {
                change.apply(&mut self.durable_names);
            } else {
                self.name_changes.push(change);
            }
        }
        Ok(())
    }

    pub(super) fn restore_power(&mut self) {
        for change in std::mem::take(&mut self.name_changes) {
            if self.dice.one_in(2) {
                change.apply(&mut self.durable_names);
            }
        }
        self.names.clone_from(&self.durable_names);
        let sector_bytes = self.sector_bytes;
        for content in &mut self.contents {
            content.settle(&mut self.dice, sector_bytes);
        }
        self.dark = false;
        self.fuses = Fuses::default();
        self.note("the power is back".to_owned());
    }
}

impl NameChange {
    fn path(&self) -> &Path {
        match self {
            Self::Made(path, _) | Self::Renamed(_, path, _) | Self::Removed(path) => path,
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Made(path, content) => {
                names.insert(path.clone(), *content);
            }
            Self::Renamed(from, to, content) => {
                names.remove(from);
                names.insert(to.clone(), *content);
            }
            Self::Removed(path) => {
                names.remove(path);
            }
        }
    }
}
