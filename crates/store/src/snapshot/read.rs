//! Reading snapshots: every byte is checked before anybody is handed it.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use super::{BLOCK_BYTES_MAX, FORMAT, MAGIC};
use crate::disk::Disk;
use crate::error::{Error, Result};

/// Most parts of format 1.
const PARTS_MAX: u32 = 4096;

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

/// Hands over the blocks of a snapshot, each checked before.
pub(super) fn blocks(
    disk: &dyn Disk,
    path: &Path,
    sequence: u64,
    each: &mut dyn FnMut(&str, &[u8]) -> ControlFlow<()>,
) -> Result<()> {
    let file_bytes = disk.len(path).map_err(Error::io("measure", path))?;
    let source = disk.open_read(path).map_err(Error::io("open", path))?;
    let mut reader = Reader { source, path, offset: 0, crc: 0 };
    if reader.take::<8>()? != MAGIC {
        return Err(reader.fault("not a snapshot"));
    }
    match u32::from_le_bytes(reader.take()?) {
        1 => whole_parts(&mut reader, file_bytes, sequence, each),
        FORMAT => all_blocks(&mut reader, file_bytes, sequence, each),
        _ => Err(reader.fault("not a snapshot of a format known here")),
    }
}

fn all_blocks(
    reader: &mut Reader<'_>,
    file_bytes: u64,
    sequence: u64,
    each: &mut dyn FnMut(&str, &[u8]) -> ControlFlow<()>,
) -> Result<()> {
    if u64::from_le_bytes(reader.take()?) != sequence {
        return Err(reader.fault("the head does not fit the file's name"));
    }
    let mut data = Vec::new();
    for count in 0_u64.. {
        reader.crc = 0;
        let name_bytes = u16::from_le_bytes(reader.take()?);
        let mut name = vec![0; usize::from(name_bytes)];
        reader.fill(&mut name)?;
        let bytes = u32::from_le_bytes(reader.take()?) as usize;
        let head_crc = reader.crc;
        let crc = u32::from_le_bytes(reader.take()?);
        if bytes > BLOCK_BYTES_MAX {
            return Err(reader.fault("a block is too long"));
        }
        reader.crc = head_crc;
        data.resize(bytes, 0);
        reader.fill(&mut data)?;
        if reader.crc != crc {
            return Err(reader.fault("the checksum of a block does not match"));
        }
        if name.is_empty() {
            let whole = data == count.to_le_bytes() && reader.offset as u64 == file_bytes;
            return if whole { Ok(()) } else { Err(reader.fault("blocks are missing")) };
        }
        let name = String::from_utf8(name).map_err(|_| reader.fault("a block has no name"))?;
        if each(&name, &data).is_break() {
            break;
        }
    }
    Ok(())
}

/// Format 1: a table of whole parts in front.
fn whole_parts(
    reader: &mut Reader<'_>,
    file_bytes: u64,
    sequence: u64,
    each: &mut dyn FnMut(&str, &[u8]) -> ControlFlow<()>,
) -> Result<()> {
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
    for (name, bytes, crc) in table {
        let name = String::from_utf8(name).map_err(|_| reader.fault("a part has no name"))?;
        let bytes = usize::try_from(bytes).map_err(|_| reader.fault("a part is too long"))?;
        let mut data = vec![0; bytes];
        reader.crc = 0;
        reader.fill(&mut data)?;
        if reader.crc != crc {
            return Err(reader.fault("the checksum of a part does not match"));
        }
        if each(&name, &data).is_break() {
            break;
        }
    }
    Ok(())
}
