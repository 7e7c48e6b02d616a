//! Open files and their footers. Reading a footer costs more than reading the rows of one device, so
//! the footers used last are kept, within a limit of memory.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hashbrown::HashMap;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Result};

const BYTES_MAX: usize = 64 << 20;
/// Also the most file handles that the history holds open.
const FILES_MAX: usize = 512;

/// A file read by position. A clone of a file handle shares its cursor with the original, so two
/// queries that seek and read would get each other's bytes; reads by position have no cursor.
#[derive(Debug, Clone)]
pub(crate) struct Positional {
    file: Arc<File>,
    len: u64,
}

impl Positional {
    fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), len })
    }
}

impl Length for Positional {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Positional {
    type T = BufReader<Tail>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(Tail { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
    }
}

/// The rest of a file from a position on.
#[derive(Debug)]
pub(crate) struct Tail {
    file: Arc<File>,
    at: u64,
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// One file that can be read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: Positional,
    pub(crate) footer: ArrowReaderMetadata,
    /// Bloom filters of the leading column by row group, read when first asked for.
    blooms: Vec<OnceLock<Option<Sbbf>>>,
}

impl OpenFile {
    fn open(path: &Path) -> Result<Self> {
        let file = Positional::open(path).map_err(Error::io("open", path))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let footer = ArrowReaderMetadata::load(&file, options).map_err(Error::parquet(path))?;
        let groups = footer.metadata().num_row_groups();
        Ok(Self { file, footer, blooms: (0..groups).map(|_| OnceLock::new()).collect() })
    }

    /// Whether `name` may stand in the leading column of a row group.
    pub(crate) fn may_hold(&self, group: usize, name: &str, path: &Path) -> Result<bool> {
        let Some(cell) = self.blooms.get(group) else { return Ok(true) };
        if cell.get().is_none() {
            let leading = self.footer.metadata().row_group(group).column(0);
            let bloom = Sbbf::read_from_column_chunk(leading, &self.file);
            // Another query may have been faster; both read the same bytes.
            let _ = cell.set(bloom.map_err(Error::parquet(path))?);
        }
        Ok(cell.get().and_then(Option::as_ref).is_none_or(|bloom| bloom.check(name)))
    }
}

/// The files used last.
#[derive(Debug, Default)]
pub(crate) struct FileCache {
    files: HashMap<String, Kept>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    file: Arc<OpenFile>,
    bytes: usize,
    used: u64,
}

impl FileCache {
    /// The file if it is kept.
    pub(crate) fn get(&mut self, path: &str) -> Option<Arc<OpenFile>> {
        self.clock += 1;
        let kept = self.files.get_mut(path)?;
        kept.used = self.clock;
        Some(Arc::clone(&kept.file))
    }

    /// Closes a file that is not needed any more.
    pub(crate) fn forget(&mut self, path: &str) {
        if let Some(dropped) = self.files.remove(path) {
            self.bytes -= dropped.bytes;
        }
    }

    /// Keeps a file and drops those unused longest until all is within the limits.
    fn keep(&mut self, path: &str, file: &Arc<OpenFile>) {
        let bytes = file.footer.metadata().memory_size();
        let kept = Kept { file: Arc::clone(file), bytes, used: self.clock };
        self.bytes += bytes;
        if let Some(old) = self.files.insert(path.to_owned(), kept) {
            self.bytes -= old.bytes;
        }
        while self.files.len() > 1 && (self.bytes > BYTES_MAX || self.files.len() > FILES_MAX) {
            let Some(oldest) =
                self.files.iter().min_by_key(|(_, kept)| kept.used).map(|(path, _)| path.clone())
            else {
                return;
            };
            if let Some(dropped) = self.files.remove(&oldest) {
                self.bytes -= dropped.bytes;
            }
        }
    }

    /// The file, kept or opened. The lock is not held while it is opened.
    pub(crate) fn open(
        cache: &parking_lot::Mutex<Self>,
        dir: &Path,
        path: &str,
    ) -> Result<Arc<OpenFile>> {
        if let Some(file) = cache.lock().get(path) {
            return Ok(file);
        }
        let file = Arc::new(OpenFile::open(&dir.join(path))?);
        cache.lock().keep(path, &file);
        Ok(file)
    }
}
