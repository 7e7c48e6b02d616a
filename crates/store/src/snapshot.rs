//! Snapshots: the engine's state as of one journal frame, so that a start replays minutes and not
//! months. A snapshot is a cache: without any, the journal gives the same state.
//!
//! File, little endian: magic `CMSNAPSH`, format u32 = 2, sequence u64; then blocks, each with name
//! length u16, name, data length u32, CRC32C u32 of all that and the data, data; last a block without
//! a name whose data is the count of blocks before it, u64. Blocks of one name, put together in their
//! order, are a part. What a part means is its writer's affair. Format 1 (a table of whole parts in
//! front) is read and no longer written.
//!
//! Invariants: a file has its final name only when it is whole and durable. The last two are kept,
//! so one damaged file costs a longer replay and nothing else.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile};
use crate::error::{Error, Result};

mod read;

const MAGIC: [u8; 8] = *b"CMSNAPSH";
const FORMAT: u32 = 2;
const SUFFIX: &str = ".snapshot";
const PARTIAL_SUFFIX: &str = ".partial";
const KEPT: usize = 2;
/// Most bytes of one block.
pub const BLOCK_BYTES_MAX: usize = 64 << 20;

/// A snapshot that was read through once and is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The last journal frame that the state contains: replay from here plus one.
    pub sequence: u64,
    /// Newer files that were damaged and passed over; each is logged.
    pub damaged: Vec<PathBuf>,
    path: PathBuf,
}

impl Found {
    /// Hands over its blocks in the order in which they were written, for what is too large to be
    /// held twice. Breaking ends it early.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] when the file changed since it was found.
    pub fn blocks(
        &self,
        disk: &dyn Disk,
        mut each: impl FnMut(&str, &[u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        read::blocks(disk, &self.path, self.sequence, &mut each)
    }
}

/// A snapshot, read back and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last journal frame that the state contains: replay from here plus one.
    pub sequence: u64,
    /// Names and data, as written.
    pub parts: Vec<(String, Vec<u8>)>,
    /// Newer files that were damaged and passed over; each is logged.
    pub damaged: Vec<PathBuf>,
}

impl Snapshot {
    /// The data of the part with this name.
    pub fn part(&self, name: &str) -> Option<&[u8]> {
        self.parts.iter().find(|(known, _)| known == name).map(|(_, data)| data.as_slice())
    }
}

/// Writes a snapshot of the state after frame `sequence` and drops all but the last two. Returns
/// the sequence up to which journal frames are not needed by either: 0 until there are two.
///
/// # Errors
/// As [`Writer`]'s.
pub fn write(disk: &dyn Disk, dir: &Path, sequence: u64, parts: &[(&str, &[u8])]) -> Result<u64> {
    let mut writer = Writer::create(disk, dir, sequence)?;
    for (name, data) in parts {
        let mut rest = *data;
        loop {
            let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES_MAX));
            writer.block(name, now)?;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    }
    writer.finish()
}

/// A snapshot being written, block by block. Dropped before [`finish`](Self::finish) it never was,
/// and takes no room: on a full disk others need it.
#[derive(Debug)]
pub struct Writer<'d> {
    disk: &'d dyn Disk,
    dir: PathBuf,
    path: PathBuf,
    partial: PathBuf,
    file: Box<dyn DiskFile>,
    blocks: u64,
    /// It has its final name.
    done: bool,
}

impl<'d> Writer<'d> {
    /// Begins a snapshot of the state after frame `sequence`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Full`]; the snapshots before it stay as they are.
    pub fn create(disk: &'d dyn Disk, dir: &Path, sequence: u64) -> Result<Self> {
        disk.create_dir(dir).map_err(Error::io("create", dir))?;
        // What a crash left takes room that this one may need.
        drop_partial(disk, dir)?;
        let path = path_of(dir, sequence);
        let mut partial = path.clone().into_os_string();
        partial.push(PARTIAL_SUFFIX);
        let partial = PathBuf::from(partial);
        let mut head = Vec::with_capacity(20);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&FORMAT.to_le_bytes());
        head.extend_from_slice(&sequence.to_le_bytes());
        let file = disk.create(&partial).map_err(Error::room("create", &partial))?;
        let dir = dir.to_path_buf();
        let mut writer = Self { disk, dir, path, partial, file, blocks: 0, done: false };
        let written = writer.file.write_all(&head);
        written.map_err(Error::room("write", &writer.partial))?;
        Ok(writer)
    }

    /// Appends a block to the part of that name.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::TooLarge`] beyond [`BLOCK_BYTES_MAX`].
    ///
    /// # Panics
    /// When the name is empty or longer than 65,535 bytes.
    pub fn block(&mut self, name: &str, data: &[u8]) -> Result<()> {
        assert!(!name.is_empty(), "a block has a name");
        self.blocks += 1;
        self.put(name, data)
    }

    /// Makes it durable, gives it its name and drops all but the last two. Returns the sequence up
    /// to which journal frames are not needed by either: 0 until there are two.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Full`]; the snapshots before it stay as they are.
    pub fn finish(mut self) -> Result<u64> {
        let count = self.blocks.to_le_bytes();
        self.put("", &count)?;
        self.file.sync().map_err(Error::io("sync", &self.partial))?;
        let renamed = self.disk.rename(&self.partial, &self.path);
        renamed.map_err(Error::io("rename", &self.partial))?;
        self.done = true;
        self.disk.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))?;
        drop_old(self.disk, &self.dir)
    }

    fn put(&mut self, name: &str, data: &[u8]) -> Result<()> {
        let bytes = u32::try_from(data.len()).ok().filter(|_| data.len() <= BLOCK_BYTES_MAX);
        let bytes = bytes.ok_or(Error::TooLarge { bytes: data.len() })?;
        let name_bytes = u16::try_from(name.len()).expect("blocks have short names in code");
        let mut head = Vec::with_capacity(name.len() + 10);
        head.extend_from_slice(&name_bytes.to_le_bytes());
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(&bytes.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head), data);
        head.extend_from_slice(&crc.to_le_bytes());
        let write = Error::room("write", &self.partial);
        self.file.write_all(&head).and_then(|()| self.file.write_all(data)).map_err(write)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if !self.done {
            // If this fails, the next attempt does it.
            let _ = self.disk.remove(&self.partial);
        }
    }
}

/// The newest sound snapshot with all its parts; `None` when there is none.
///
/// # Errors
/// As [`find`].
pub fn latest(disk: &dyn Disk, dir: &Path) -> Result<Option<Snapshot>> {
    let Some(found) = find(disk, dir)? else { return Ok(None) };
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    found.blocks(disk, |name, data| {
        match parts.iter_mut().find(|(known, _)| known == name) {
            Some((_, part)) => part.extend_from_slice(data),
            None => parts.push((name.to_owned(), data.to_vec())),
        }
        ControlFlow::Continue(())
    })?;
    Ok(Some(Snapshot { sequence: found.sequence, parts, damaged: found.damaged }))
}

/// The newest snapshot that reads through without a fault; `None` when there is none. Damaged ones
/// are passed over, logged and named in the answer; when all are damaged the answer is `None` and
/// the log says so.
///
/// # Errors
/// [`Error::Io`] when the folder or a file cannot be read at all.
pub fn find(disk: &dyn Disk, dir: &Path) -> Result<Option<Found>> {
    disk.create_dir(dir).map_err(Error::io("create", dir))?;
    let mut damaged = Vec::new();
    for sequence in list(disk, dir)?.into_iter().rev() {
        let path = path_of(dir, sequence);
        match read::blocks(disk, &path, sequence, &mut |_, _| ControlFlow::Continue(())) {
            Ok(()) => return Ok(Some(Found { sequence, damaged, path })),
            Err(error @ Error::Damaged { .. }) => {
                tracing::error!(%error, "a snapshot is damaged; an older one is tried");
                damaged.push(path);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn path_of(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:020}{SUFFIX}"))
}

/// Sequences of the snapshots in a folder, in order.
fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>> {
    let names = disk.list(dir).map_err(Error::io("list", dir))?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(SUFFIX)?.parse().ok()).collect())
}

fn drop_partial(disk: &dyn Disk, dir: &Path) -> Result<()> {
    for name in disk.list(dir).map_err(Error::io("list", dir))? {
        if name.ends_with(PARTIAL_SUFFIX) {
            let path = dir.join(name);
            disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

fn drop_old(disk: &dyn Disk, dir: &Path) -> Result<u64> {
    let sequences = list(disk, dir)?;
    let (old, kept) = sequences.split_at(sequences.len().saturating_sub(KEPT));
    for &sequence in old {
        let path = path_of(dir, sequence);
        disk.remove(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(if kept.len() == KEPT { kept[0] } else { 0 })
}
