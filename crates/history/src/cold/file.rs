//! Writing one Parquet file: its properties, and making it durable.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use crate::error::{Error, Result};
use crate::manifest::{FileEntry, Manifest, sync_dir};

/// Rows of a row group: what a Bloom filter answers for.
pub(crate) const GROUP_ROWS: usize = 131_072;
/// Rows of a page: the least that a query decodes.
const PAGE_ROWS: usize = 8_192;
/// A dictionary of all names of a row group must fit, or the names are written out.
const DICTIONARY_BYTES_MAX: usize = 8 << 20;
/// Share of Bloom filter answers that cost a row group read for nothing.
const BLOOM_FALSE_SHARE: f64 = 0.01;

/// Where and as what one flush writes its files.
#[derive(Debug)]
pub(crate) struct Flush<'a> {
    pub(crate) dir: &'a Path,
    /// The manifest that the files will be added to.
    pub(crate) manifest: &'a Manifest,
    /// The journal frames that the rows come from.
    pub(crate) sequences: (u64, u64),
    pub(crate) offset_ms: i64,
}

/// Dictionary-encoded text.
pub(crate) fn word_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Milliseconds UTC.
pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

pub(crate) fn schema(fields: &[(&str, DataType, bool)]) -> Arc<Schema> {
    let fields: Vec<Field> =
        fields.iter().map(|(name, kind, null)| Field::new(*name, kind.clone(), *null)).collect();
    Arc::new(Schema::new(fields))
}

/// What both kinds of file share. `leading` is the column with the Bloom filter, `names_max` the
/// most names that one row group has in it.
pub(crate) fn properties(leading: &str, names_max: u64) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by("chengmai".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("level 1 exists")))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_column_bloom_filter_fpp(leading.into(), BLOOM_FALSE_SHARE)
        .set_column_bloom_filter_max_ndv(leading.into(), names_max.max(1))
}

/// Writes batches as row groups of one file, durable with its name when this returns. `entry` knows
/// everything but the length, which is filled in.
pub(crate) fn write_file(
    dir: &Path,
    mut entry: FileEntry,
    schema: &Arc<Schema>,
    properties: WriterProperties,
    batches: impl Iterator<Item = Vec<ArrayRef>>,
) -> Result<FileEntry> {
    let path = dir.join(&entry.path);
    let folder = path.parent().unwrap_or(dir);
    if !folder.is_dir() {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        if let Some(parent) = folder.parent() {
            sync_dir(parent)?;
        }
    }
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    let mut writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))
        .map_err(Error::parquet(&path))?;
    for columns in batches {
        let batch =
            RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::parquet(&path))?;
        writer.write(&batch).map_err(Error::parquet(&path))?;
        writer.flush().map_err(Error::parquet(&path))?;
    }
    let file = writer.into_inner().map_err(Error::parquet(&path))?;
    file.sync_all().map_err(Error::io("sync", &path))?;
    entry.bytes = file.metadata().map_err(Error::io("measure", &path))?.len();
    sync_dir(folder)?;
    Ok(entry)
}

/// A column of words in which neighbours are mostly equal.
#[derive(Debug, Default)]
pub(crate) struct Words<'a> {
    distinct: Vec<&'a str>,
    numbers: hashbrown::HashMap<&'a str, i32>,
    keys: Vec<i32>,
    last: i32,
}

impl<'a> Words<'a> {
    pub(crate) fn push(&mut self, word: &'a str, times: usize) {
        if self.distinct.get(usize::try_from(self.last).unwrap_or(0)).is_none_or(|&w| w != word) {
            let next = i32::try_from(self.distinct.len()).expect("a row group has few names");
            self.last = *self.numbers.entry(word).or_insert(next);
            if self.last == next {
                self.distinct.push(word);
            }
        }
        self.keys.resize(self.keys.len() + times, self.last);
    }

    pub(crate) fn finish(self) -> ArrayRef {
        let keys = Int32Array::from(self.keys);
        let distinct = Arc::new(StringArray::from(self.distinct));
        let column = DictionaryArray::<Int32Type>::try_new(keys, distinct);
        Arc::new(column.expect("every key is the place of a word"))
    }
}
