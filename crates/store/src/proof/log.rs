//! The log on disk: `level-0` holds the hashes of all leaves, `level-1` one hash for each full tile of 256 of
//! them, and so on; `entries` what the leaves hold, `ends` where each entry ends; `checkpoint` the signed head.
//!
//! What it is not: it does not know where leaves come from, and keeps no key. Every tile that tlog-tiles names
//! is a piece of one of these files, so no tile is ever rewritten.
//!
//! Invariants: files grow at their end only, and are on disk before the head above them is signed; what a
//! crash left behind the signed head is cut off at the next start and comes again; after a failed write
//! nothing more is taken; where files do not add up to the signed head, the log does not open.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::note::{Checkpoint, Note, Signer, Verifier};
use super::tiles::{TILE_LENGTH, TILE_WIDTH, TileName};
use super::tree::{self, HASH_BYTES, Hash, Subtrees};
use crate::disk::Disk;
use crate::error::{Error, Result};

/// Rows of tiles over a tree of any size that fits in 64 bits.
const LEVELS: u32 = 8;
/// Heights of the tree in one row of tiles.
const HEIGHTS: u32 = 8;
/// Bytes of a place in `entries`.
const END_BYTES: u64 = 8;
/// Bytes in front of an entry that say how long it is.
const LENGTH_BYTES: usize = 2;
/// Bytes of a hash, as files are measured.
const HASH_LENGTH: u64 = HASH_BYTES as u64;

/// The signed head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// A log to read from. Clones are the same log, and see what its writer publishes.
#[derive(Debug, Clone)]
pub struct LogReader {
    files: Files,
    tip: Arc<RwLock<Arc<Tip>>>,
}

/// The one writer of a log.
#[derive(Debug)]
pub struct LogWriter {
    reader: LogReader,
    signer: Signer,
    /// Set while something is written: what a failure left behind is known only after a new start.
    is_spoiled: bool,
}

/// The files of a log.
#[derive(Debug, Clone)]
struct Files {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl LogWriter {
    /// Opens a log, or begins one where there is none, and cuts off what was never signed.
    ///
    /// # Errors
    /// `Damaged` when the signed head is not the key's, or the files do not add up to it.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, signer: Signer) -> Result<Self> {
        disk.create_dir(dir).map_err(Error::io("make", dir))?;
        let files = Files { disk, dir: dir.to_owned() };
        let tip = match files.tip(signer.verifier())? {
            Some(tip) => tip,
            None => files.begin(&signer)?,
        };
        // A head whose name was never made durable must not be shown before it is.
        files.sync_names()?;
        files.cut_to(tip.checkpoint.size)?;
        let reader = LogReader::of(files, tip)?;
        Ok(Self { reader, signer, is_spoiled: false })
    }

    /// The log to read from.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Adds entries and publishes the signed head over them: on disk when this returns.
    ///
    /// # Errors
    /// After one failure everything is refused until the log is opened again.
    pub fn append(&mut self, entries: &[Vec<u8>]) -> Result<Arc<Tip>> {
        if self.is_spoiled {
            return Err(Error::Poisoned);
        }
        if entries.is_empty() {
            return Ok(self.reader.tip());
        }
        self.is_spoiled = true;
        let files = &self.reader.files;
        let old = self.reader.tip().checkpoint.size;
        let size = old + entries.len() as u64;
        files.add_entries(old, entries)?;
        files.add_hashes(old, entries.iter().map(|data| tree::leaf_hash(data)).collect())?;
        files.sync_names()?;
        let tip = files.publish(&self.signer, size, tree::root(files, size)?)?;
        self.is_spoiled = false;
        Ok(self.reader.show(tip))
    }
}

impl LogReader {
    /// Opens a log that is written by nobody at the moment, and checks that it adds up to its head.
    ///
    /// # Errors
    /// `Damaged` when it does not, or there is none.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, key: &Verifier) -> Result<Self> {
        let files = Files { disk, dir: dir.to_owned() };
        let tip = files.tip(key)?;
        let path = files.path("checkpoint");
        Self::of(files, tip.ok_or_else(|| Error::damaged(&path, 0, "there is no signed head"))?)
    }

    fn of(files: Files, tip: Tip) -> Result<Self> {
        let checkpoint = &tip.checkpoint;
        if checkpoint.size > 0 && files.length("entries")? < files.end(checkpoint.size - 1)? {
            return Err(Error::damaged(&files.path("entries"), 0, "entries are missing"));
        }
        if tree::root(&files, checkpoint.size)? != checkpoint.root {
            let path = files.path("level-0");
            return Err(Error::damaged(&path, 0, "the hashes do not add up to the signed head"));
        }
        Ok(Self { files, tip: Arc::new(RwLock::new(Arc::new(tip))) })
    }

    /// The newest signed head.
    pub fn tip(&self) -> Arc<Tip> {
        Arc::clone(&self.tip.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn show(&self, tip: Tip) -> Arc<Tip> {
        let tip = Arc::new(tip);
        *self.tip.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&tip);
        tip
    }

    /// The head of the first `size` leaves; none when there are not so many.
    pub fn root(&self, size: u64) -> Result<Option<Hash>> {
        if size > self.tip().checkpoint.size {
            return Ok(None);
        }
        tree::root(&self.files, size).map(Some)
    }

    /// What shows that a leaf is in the tree of that size; none when it is not.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>> {
        if index >= size || size > self.tip().checkpoint.size {
            return Ok(None);
        }
        tree::inclusion(&self.files, index, size).map(Some)
    }

    /// What shows that the tree of one size continues that of another; none when it does not.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>> {
        if old > new || new > self.tip().checkpoint.size {
            return Ok(None);
        }
        tree::consistency(&self.files, old, new).map(Some)
    }

    /// A tile or a bundle of entries; none when there is no such.
    pub fn tile(&self, name: TileName) -> Result<Option<Vec<u8>>> {
        let level = name.level.unwrap_or(0);
        let there = self.tip().checkpoint.size >> (HEIGHTS * u32::from(level));
        let first = name.index.checked_mul(TILE_WIDTH);
        let range = first.and_then(|first| Some((first, first.checked_add(name.width)?)));
        let Some((first, end)) = range.filter(|(_, end)| *end <= there) else { return Ok(None) };
        match name.level {
            Some(level) => self.files.hashes(u32::from(level), first, name.width).map(Some),
            None => self.files.entries(first, end).map(Some),
        }
    }

    /// What a leaf holds, from the first on and not more than `most`; each with its hash.
    pub fn entries(&self, first: u64, most: u64) -> Result<Vec<(Vec<u8>, Hash)>> {
        let end = self.tip().checkpoint.size.min(first.saturating_add(most));
        if first >= end {
            return Ok(Vec::new());
        }
        let (bytes, hashes) =
            (self.files.entries(first, end)?, self.files.hashes(0, first, end - first)?);
        let mut rest = bytes.as_slice();
        let mut entries = Vec::new();
        for (number, hash) in (first..end).zip(hashes.as_chunks::<HASH_BYTES>().0) {
            let damaged = || self.files.cut_short(number);
            let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(damaged)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (entry, after) = after.split_at_checked(length).ok_or_else(damaged)?;
            entries.push((entry.to_vec(), *hash));
            rest = after;
        }
        Ok(entries)
    }

    /// Recomputes every hash of the tree from the leaves' hashes. Returns the file and number of the first that
    /// is not what it should be.
    pub fn check_levels(&self) -> Result<Option<(PathBuf, u64)>> {
        let size = self.tip().checkpoint.size;
        for level in 1..LEVELS {
            for index in 0..(size >> (HEIGHTS * level)) {
                let below = self.files.row(level - 1, index * TILE_WIDTH, TILE_WIDTH)?;
                if self.files.row(level, index, 1)? != [tree::fold(&below)] {
                    return Ok(Some((self.files.path(&level_name(level)), index)));
                }
            }
        }
        Ok(None)
    }
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The length of a file; 0 of one that is not there.
    fn length(&self, name: &str) -> Result<u64> {
        let path = self.path(name);
        match self.disk.len(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            length => length.map_err(Error::io("measure", &path)),
        }
    }

    fn read(&self, name: &str, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        let path = self.path(name);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        match self.disk.read_at(&path, offset, bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Damaged {
                path,
                offset,
                reason: "the file is shorter than the signed head says",
            }),
            read => read.map_err(Error::io("read", &path)),
        }
    }

    fn hashes(&self, level: u32, first: u64, count: u64) -> Result<Vec<u8>> {
        self.read(&level_name(level), first * HASH_LENGTH, count * HASH_LENGTH)
    }

    fn row(&self, level: u32, first: u64, count: u64) -> Result<Vec<Hash>> {
        Ok(self.hashes(level, first, count)?.as_chunks::<HASH_BYTES>().0.to_vec())
    }

    fn cut_short(&self, number: u64) -> Error {
        Error::Damaged {
            path: self.path("entries"),
            offset: number,
            reason: "an entry is cut short",
        }
    }

    /// Where an entry ends in `entries`.
    fn end(&self, index: u64) -> Result<u64> {
        let bytes = self.read("ends", index * END_BYTES, END_BYTES)?;
        Ok(u64::from_be_bytes(bytes.try_into().unwrap_or_default()))
    }

    fn entries(&self, first: u64, end: u64) -> Result<Vec<u8>> {
        let from = if first == 0 { 0 } else { self.end(first - 1)? };
        let to = self.end(end - 1)?;
        let path = self.path("ends");
        let bytes = to.checked_sub(from);
        let bytes =
            bytes.ok_or_else(|| Error::damaged(&path, 0, "an entry ends before it begins"))?;
        if bytes > (end - first) * (LENGTH_BYTES as u64 + u64::from(u16::MAX)) {
            return Err(Error::damaged(&path, 0, "an entry is longer than any may be"));
        }
        self.read("entries", from, bytes)
    }

    /// The signed head, if there is one.
    fn tip(&self, key: &Verifier) -> Result<Option<Tip>> {
        let path = self.path("checkpoint");
        let bytes = match self.disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io("read", &path))?,
        };
        let damaged = |reason| Error::damaged(&path, 0, reason);
        let text = String::from_utf8(bytes).map_err(|_| damaged("the signed head is no text"))?;
        let note = Note::parse(&text).map_err(|_| damaged("the signed head is no signed note"))?;
        if note.signed_by(key).is_err() || note.checkpoint.origin != key.name() {
            return Err(damaged("the signed head is not signed by this log's key"));
        }
        Ok(Some(Tip { checkpoint: note.checkpoint, note: text }))
    }

    /// Signs the head of nothing before anything is written: so a log without a signed head was tampered with.
    fn begin(&self, signer: &Signer) -> Result<Tip> {
        for name in std::iter::once("entries".to_owned()).chain((0..LEVELS).map(level_name)) {
            if self.length(&name)? > 0 {
                let path = self.path(&name);
                return Err(Error::damaged(&path, 0, "the signed head over this file is missing"));
            }
        }
        self.publish(signer, 0, tree::empty_root())
    }

    /// Cuts all files to what a tree of that size has.
    fn cut_to(&self, size: u64) -> Result<()> {
        self.cut("ends", size * END_BYTES)?;
        self.cut("entries", if size == 0 { 0 } else { self.end(size - 1)? })?;
        for level in 0..LEVELS {
            self.cut(&level_name(level), (size >> (HEIGHTS * level)) * HASH_LENGTH)?;
        }
        Ok(())
    }

    fn cut(&self, name: &str, bytes: u64) -> Result<()> {
        let (path, found) = (self.path(name), self.length(name)?);
        if found < bytes {
            return Err(Error::damaged(
                &path,
                usize::try_from(found).unwrap_or(usize::MAX),
                "the file is shorter than the signed head says",
            ));
        }
        if found > bytes {
            self.disk.truncate(&path, bytes).map_err(Error::io("cut", &path))?;
        }
        Ok(())
    }

    fn add_entries(&self, old: u64, entries: &[Vec<u8>]) -> Result<()> {
        let mut end = if old == 0 { 0 } else { self.end(old - 1)? };
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for entry in entries {
            let length = u16::try_from(entry.len());
            let length = length.map_err(|_| Error::TooLarge { bytes: entry.len() })?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(entry);
            end += (LENGTH_BYTES + entry.len()) as u64;
            ends.extend_from_slice(&end.to_be_bytes());
        }
        self.add("entries", &bytes)?;
        self.add("ends", &ends)
    }

    /// Adds hashes of leaves, and of all tiles that they make full.
    fn add_hashes(&self, old: u64, leaves: Vec<Hash>) -> Result<()> {
        let (mut old, mut new) = (old, leaves);
        for level in 0..LEVELS {
            if new.is_empty() {
                break;
            }
            self.add(&level_name(level), new.as_flattened())?;
            let begun = old % TILE_WIDTH;
            let mut row = self.row(level, old - begun, begun)?;
            row.append(&mut new);
            new = row.as_chunks::<TILE_LENGTH>().0.iter().map(|tile| tree::fold(tile)).collect();
            old /= TILE_WIDTH;
        }
        Ok(())
    }

    /// Appends to a file, made if absent, and waits for the disk.
    fn add(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        let opened = match self.disk.open_append(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.create(&path),
            opened => opened,
        };
        let mut file = opened.map_err(Error::room("open", &path))?;
        file.write_all(bytes).map_err(Error::room("write", &path))?;
        file.sync().map_err(Error::io("sync", &path))
    }

    fn sync_names(&self) -> Result<()> {
        self.disk.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))
    }

    /// Signs a head and puts it in the place of the one before.
    fn publish(&self, signer: &Signer, size: u64, root: Hash) -> Result<Tip> {
        let origin = signer.verifier().name().to_owned();
        let checkpoint = Checkpoint { origin, size, root };
        let note = signer.sign(&checkpoint);
        let (new, path) = (self.path("checkpoint.new"), self.path("checkpoint"));
        let mut file = self.disk.create(&new).map_err(Error::room("make", &new))?;
        file.write_all(note.as_bytes()).map_err(Error::room("write", &new))?;
        file.sync().map_err(Error::io("sync", &new))?;
        self.disk.rename(&new, &path).map_err(Error::io("rename", &new))?;
        self.sync_names()?;
        Ok(Tip { checkpoint, note })
    }
}

impl Subtrees for Files {
    type Error = Error;

    fn subtree(&self, height: u32, index: u64) -> Result<Hash> {
        let (level, inside) = (height / HEIGHTS, height % HEIGHTS);
        Ok(tree::fold(&self.row(level, index << inside, 1 << inside)?))
    }
}

fn level_name(level: u32) -> String {
    format!("level-{level}")
}
