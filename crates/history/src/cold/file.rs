//! Writing one Parquet file: its properties, and making it durable.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use super::columns::{Encoded, PAGE_ROWS};
use crate::error::{Error, Result};
use crate::manifest::{FileEntry, Manifest, sync_dir};

/// Rows of a row group of windows: what a Bloom filter answers for.
pub(crate) const GROUP_ROWS: usize = 131_072;
/// Bytes that are collected before the system is asked to write them.
const WRITE_BYTES: usize = 1 << 20;
const CREATED_BY: &str = "chengmai";
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
        .set_created_by(CREATED_BY.to_owned())
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
    let mut file = RowFile::create(dir, &entry.path, schema, properties)?;
    for columns in batches {
        file.write(columns)?;
    }
    entry.bytes = file.finish()?;
    Ok(entry)
}

/// A Parquet file that is written by the library's own writer, a row group at a time.
pub(crate) struct RowFile {
    path: PathBuf,
    schema: Arc<Schema>,
    writer: ArrowWriter<File>,
}

impl RowFile {
    pub(crate) fn create(
        dir: &Path,
        name: &str,
        schema: &Arc<Schema>,
        properties: WriterProperties,
    ) -> Result<Self> {
        let (path, file) = create(dir, name)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))
            .map_err(Error::parquet(&path))?;
        Ok(Self { path, schema: Arc::clone(schema), writer })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a row group.
    pub(crate) fn write(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let batch = batch.map_err(Error::parquet(&self.path))?;
        self.writer.write(&batch).map_err(Error::parquet(&self.path))?;
        self.writer.flush().map_err(Error::parquet(&self.path))
    }

    /// Ends the file, durable with its name when this returns, and says how long it is.
    pub(crate) fn finish(self) -> Result<u64> {
        let file = self.writer.into_inner().map_err(Error::parquet(&self.path))?;
        make_durable(&self.path, &file)
    }
}

/// A Parquet file whose columns come encoded.
pub(crate) struct ColumnFile {
    path: PathBuf,
    writer: SerializedFileWriter<BufWriter<File>>,
}

impl ColumnFile {
    pub(crate) fn create(dir: &Path, name: &str, schema: &Schema) -> Result<Self> {
        let (path, file) = create(dir, name)?;
        let mut properties =
            WriterProperties::builder().set_created_by(CREATED_BY.to_owned()).build();
        add_encoded_arrow_schema_to_metadata(schema, &mut properties);
        let types = ArrowSchemaConverter::new().convert(schema).map_err(Error::parquet(&path))?;
        let sink = BufWriter::with_capacity(WRITE_BYTES, file);
        let writer = SerializedFileWriter::new(sink, types.root_schema_ptr(), Arc::new(properties))
            .map_err(Error::parquet(&path))?;
        Ok(Self { path, writer })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a row group; `encode` hands over its columns in order.
    pub(crate) fn row_group(
        &mut self,
        encode: impl FnOnce(
            &SchemaDescriptor,
            &mut dyn FnMut(Encoded) -> parquet::errors::Result<()>,
        ) -> parquet::errors::Result<()>,
    ) -> Result<()> {
        let schema = self.writer.schema_descr().root_schema_ptr();
        let schema = SchemaDescriptor::new(schema);
        let write = || {
            let mut group = self.writer.next_row_group()?;
            encode(&schema, &mut |(bytes, close)| group.append_column(&bytes, close))?;
            group.close()
        };
        write().map(drop).map_err(Error::parquet(&self.path))
    }

    /// Ends the file, durable with its name when this returns, and says how long it is.
    pub(crate) fn finish(self) -> Result<u64> {
        let sink = self.writer.into_inner().map_err(Error::parquet(&self.path))?;
        let file = sink
            .into_inner()
            .map_err(|error| Error::io("write", &self.path)(error.into_error()))?;
        make_durable(&self.path, &file)
    }
}

/// A new file, with its folder. The folder's own name is durable.
fn create(dir: &Path, name: &str) -> Result<(PathBuf, File)> {
    let path = dir.join(name);
    make_folder(path.parent().unwrap_or(dir))?;
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    Ok((path, file))
}

fn make_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else { return Ok(()) };
    make_folder(parent)?;
    fs::create_dir(folder).map_err(Error::io("create", folder))?;
    sync_dir(parent)
}

fn make_durable(path: &Path, file: &File) -> Result<u64> {
    file.sync_all().map_err(Error::io("sync", path))?;
    let bytes = file.metadata().map_err(Error::io("measure", path))?.len();
    path.parent().map_or(Ok(()), sync_dir)?;
    Ok(bytes)
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
