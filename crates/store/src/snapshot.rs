//! Snapshots: the engine's state as of one journal frame, so that a start replays minutes and not
//! months. A snapshot is a cache: without any, the journal gives the same state.
//!
//! File, little endian: magic `CMSNAPSH`, format u32, part count u32, sequence u64; per part name
//! length u16, name, data length u64, CRC32C of the data u32; CRC32C u32 of all before; then the
//! data of the parts, one after the other. What a part means is its writer's affair.
//!
//! Invariants: a file has its final name only when it is whole and durable. The last two are kept,
//! so one damaged file costs a longer replay and nothing else.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"CMSNAPSH";
const FORMAT: u32 = 1;
const SUFFIX: &str = ".snapshot";
const PARTIAL_SUFFIX: &str = ".partial";
const KEPT: usize = 2;
const PARTS_MAX: u32 = 4096;

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
/// [`Error::Io`]; the snapshots before it stay as they are.
///
/// # Panics
/// When there are more than 4096 parts or a name is longer than 65,535 bytes.
pub fn write(disk: &dyn Disk, dir: &Path, sequence: u64, parts: &[(&str, &[u8])]) -> Result<u64> {
    disk.create_dir(dir).map_err(Error::io("create", dir))?;
    let path = path_of(dir, sequence);
    let mut partial = path.clone().into_os_string();
    partial.push(PARTIAL_SUFFIX);
    let partial = PathBuf::from(partial);
    let head = encode_head(sequence, parts);
    let mut file = disk.create(&partial).map_err(Error::io("create", &partial))?;
    file.write_all(&head).map_err(Error::io("write", &partial))?;
    for (_, data) in parts {
        file.write_all(data).map_err(Error::io("write", &partial))?;
    }
    file.sync().map_err(Error::io("sync", &partial))?;
    drop(file);
    disk.rename(&partial, &path).map_err(Error::io("rename", &partial))?;
    disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
    drop_old(disk, dir)
}

/// The newest sound snapshot; `None` when there is none. Damaged ones are passed over, logged and
/// named in the answer; when all are damaged the answer is `None` and the log says so.
///
/// # Errors
/// [`Error::Io`] when the folder or a file cannot be read at all.
pub fn latest(disk: &dyn Disk, dir: &Path) -> Result<Option<Snapshot>> {
    disk.create_dir(dir).map_err(Error::io("create", dir))?;
    let mut damaged = Vec::new();
    for sequence in list(disk, dir)?.into_iter().rev() {
        let path = path_of(dir, sequence);
        match read(disk, &path, sequence) {
            Ok(parts) => return Ok(Some(Snapshot { sequence, parts, damaged })),
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

fn drop_old(disk: &dyn Disk, dir: &Path) -> Result<u64> {
    for name in disk.list(dir).map_err(Error::io("list", dir))? {
        if name.ends_with(PARTIAL_SUFFIX) {
            let path = dir.join(name);
            disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
    }
    let sequences = list(disk, dir)?;
    let (old, kept) = sequences.split_at(sequences.len().saturating_sub(KEPT));
    for &sequence in old {
        let path = path_of(dir, sequence);
        disk.remove(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(if kept.len() == KEPT { kept[0] } else { 0 })
}

fn encode_head(sequence: u64, parts: &[(&str, &[u8])]) -> Vec<u8> {
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    assert!(count <= PARTS_MAX, "a snapshot has at most {PARTS_MAX} parts, not {count}");
    let mut head = Vec::new();
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&FORMAT.to_le_bytes());
    head.extend_from_slice(&count.to_le_bytes());
    head.extend_from_slice(&sequence.to_le_bytes());
    for (name, data) in parts {
        let name_bytes = u16::try_from(name.len()).expect("parts have short names in code");
        head.extend_from_slice(&name_bytes.to_le_bytes());
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(&(data.len() as u64).to_le_bytes());
        head.extend_from_slice(&crc32c::crc32c(data).to_le_bytes());
    }
    let crc = crc32c::crc32c(&head);
    head.extend_from_slice(&crc.to_le_bytes());
    head
}

/// Reads with a running offset and checksum, so that a fault can be named.
struct Reader<'a> {
    source: Box<dyn Read + Send>,
    path: &'a Path,
    offset: usize,
    crc: u32,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.source.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Error::damaged(self.path, self.offset, "the file is cut off")
            }
            _ => Error::io("read", self.path)(error),
        })?;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.offset += bytes.len();
        Ok(())
    }

    fn fault(&self, reason: &'static str) -> Error {
        Error::damaged(self.path, self.offset, reason)
    }
}

fn read(disk: &dyn Disk, path: &Path, sequence: u64) -> Result<Vec<(String, Vec<u8>)>> {
    let file_bytes = disk.len(path).map_err(Error::io("measure", path))?;
    let source = disk.open_read(path).map_err(Error::io("open", path))?;
    let mut reader = Reader { source, path, offset: 0, crc: 0 };
    if reader.take::<8>()? != MAGIC || reader.take::<4>()? != FORMAT.to_le_bytes() {
        return Err(reader.fault("not a snapshot of a format known here"));
    }
    let count = u32::from_le_bytes(reader.take()?);
    if u64::from_le_bytes(reader.take()?) != sequence || count > PARTS_MAX {
        return Err(reader.fault("the head does not fit the file's name"));
    }
    let mut table = Vec::new();
    for _ in 0..count {
        let name_bytes = u16::from_le_bytes(reader.take()?);
        let mut name = vec![0; usize::from(name_bytes)];
        reader.fill(&mut name)?;
        let data_bytes = u64::from_le_bytes(reader.take()?);
        let data_crc = u32::from_le_bytes(reader.take()?);
        table.push((name, data_bytes, data_crc));
    }
    let head_crc = reader.crc;
    if u32::from_le_bytes(reader.take()?) != head_crc {
        return Err(reader.fault("the checksum of the head does not match"));
    }
    let data_bytes = table.iter().try_fold(0_u64, |sum, (_, bytes, _)| sum.checked_add(*bytes));
    if data_bytes.and_then(|sum| sum.checked_add(reader.offset as u64)) != Some(file_bytes) {
        return Err(reader.fault("the parts do not fit the file's length"));
    }
    let mut parts = Vec::with_capacity(table.len());
    for (name, bytes, crc) in table {
        let name = String::from_utf8(name).map_err(|_| reader.fault("a part has no name"))?;
        let bytes = usize::try_from(bytes).map_err(|_| reader.fault("a part is too long"))?;
        let mut data = vec![0; bytes];
        reader.crc = 0;
        reader.fill(&mut data)?;
        if reader.crc != crc {
            return Err(reader.fault("the checksum of a part does not match"));
        }
        parts.push((name, data));
    }
    Ok(parts)
}
