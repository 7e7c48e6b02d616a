//! One column of one row group: pages with their bounds, compressed, ready to be put into a file.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// How pages are compressed.
pub(crate) enum Codec {
    /// Not at all: the encoding has left nothing.
    Bare,
    Snappy(Box<snap::raw::Encoder>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    pub(crate) fn snappy() -> Self {
        Self::Snappy(Box::new(snap::raw::Encoder::new()))
    }

    pub(crate) fn zstd(level: i32) -> Result<Self> {
        Ok(Self::Zstd(zstd::bulk::Compressor::new(level)?))
    }

    fn name(&self) -> Compression {
        match self {
            Self::Bare => Compression::UNCOMPRESSED,
            Self::Snappy(_) => Compression::SNAPPY,
            // The level is not part of the format.
            Self::Zstd(_) => Compression::ZSTD(ZstdLevel::default()),
        }
    }

    pub(crate) fn pack(&mut self, body: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::Bare => Ok(body.to_vec()),
            Self::Snappy(encoder) => {
                encoder.compress_vec(body).map_err(|error| ParquetError::External(Box::new(error)))
            }
            Self::Zstd(compressor) => Ok(compressor.compress(body)?),
        }
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name().fmt(f)
    }
}

/// Least and greatest value of a page or chunk, as Parquet writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) min: Vec<u8>,
    pub(crate) max: Vec<u8>,
}

/// A column chunk that is being written into memory.
pub(crate) struct ChunkWriter<'a> {
    column: ColumnDescPtr,
    codec: &'a mut Codec,
    sink: TrackedWrite<Vec<u8>>,
    encodings: Vec<Encoding>,
    dictionary_at: Option<i64>,
    data_at: Option<i64>,
    uncompressed: i64,
    rows: u64,
    bounds: Option<ColumnIndexBuilder>,
    places: OffsetIndexBuilder,
}

impl<'a> ChunkWriter<'a> {
    /// With `bounded`, every page brings its bounds.
    pub(crate) fn new(column: ColumnDescPtr, codec: &'a mut Codec, bounded: bool) -> Self {
        let kind = column.physical_type();
        Self {
            column,
            codec,
            sink: TrackedWrite::new(Vec::new()),
            encodings: Vec::new(),
            dictionary_at: None,
            data_at: None,
            uncompressed: 0,
            rows: 0,
            bounds: bounded.then(|| ColumnIndexBuilder::new(kind)),
            places: OffsetIndexBuilder::new(),
        }
    }

    /// The dictionary, before any page.
    pub(crate) fn dictionary(&mut self, body: &[u8], values: usize, sorted: bool) -> Result<()> {
        let page = Page::DictionaryPage {
            buf: self.codec.pack(body)?.into(),
            num_values: count(values)?,
            encoding: Encoding::PLAIN,
            is_sorted: sorted,
        };
        self.dictionary_at = Some(self.put(page, Encoding::PLAIN, body.len())?.0);
        Ok(())
    }

    /// A page of `rows` values in `encoding`.
    pub(crate) fn page(
        &mut self,
        encoding: Encoding,
        body: &[u8],
        rows: usize,
        bounds: Option<Bounds>,
    ) -> Result<()> {
        let page = Page::DataPage {
            buf: self.codec.pack(body)?.into(),
            num_values: count(rows)?,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let (offset, bytes) = self.put(page, encoding, body.len())?;
        self.data_at.get_or_insert(offset);
        self.places.append_row_count(rows.cast_signed() as i64);
        self.places.append_offset_and_size(offset, bytes);
        match (&mut self.bounds, bounds) {
            (Some(index), Some(Bounds { min, max })) => index.append(false, min, max, 0),
            (Some(index), None) => index.to_invalid(),
            (None, _) => {}
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// The bytes of the chunk and what the footer says of it.
    pub(crate) fn finish(
        self,
        bounds: Option<&Bounds>,
        bloom_filter: Option<Sbbf>,
    ) -> Result<(Bytes, ColumnCloseResult)> {
        let bytes = self.sink.into_inner()?;
        let mut metadata = ColumnChunkMetaData::builder(std::sync::Arc::clone(&self.column))
            .set_compression(self.codec.name())
            .set_encodings(self.encodings)
            .set_total_compressed_size(bytes.len().cast_signed() as i64)
            .set_total_uncompressed_size(self.uncompressed)
            .set_num_values(self.rows.cast_signed())
            .set_data_page_offset(self.data_at.unwrap_or(0))
            .set_dictionary_page_offset(self.dictionary_at);
        if let Some(bounds) = bounds {
            metadata = metadata.set_statistics(statistics(self.column.physical_type(), bounds)?);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata: metadata.build()?,
            bloom_filter,
            column_index: match self.bounds.filter(ColumnIndexBuilder::valid) {
                Some(index) => Some(index.build()?),
                None => None,
            },
            offset_index: Some(self.places.build()),
        };
        Ok((bytes.into(), close))
    }

    fn put(&mut self, page: Page, encoding: Encoding, unpacked: usize) -> Result<(i64, i32)> {
        let mut writer = SerializedPageWriter::new(&mut self.sink);
        let written = writer.write_page(CompressedPage::new(page, unpacked))?;
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        self.uncompressed += written.uncompressed_size.cast_signed() as i64;
        let bytes = i32::try_from(written.bytes_written)?;
        Ok((written.offset.cast_signed(), bytes))
    }
}

fn count(values: usize) -> Result<u32> {
    Ok(u32::try_from(values)?)
}

/// Statistics of a chunk without nulls.
fn statistics(kind: Type, bounds: &Bounds) -> Result<Statistics> {
    let wrong = || ParquetError::General("bounds do not fit the column".to_owned());
    let int64 = |b: &[u8]| b.try_into().map(i64::from_le_bytes).map_err(|_| wrong());
    let int32 = |b: &[u8]| b.try_into().map(i32::from_le_bytes).map_err(|_| wrong());
    let double = |b: &[u8]| b.try_into().map(f64::from_le_bytes).map_err(|_| wrong());
    let Bounds { min, max } = bounds;
    Ok(match kind {
        Type::INT64 => {
            Statistics::int64(Some(int64(min)?), Some(int64(max)?), None, Some(0), false)
        }
        Type::INT32 => {
            Statistics::int32(Some(int32(min)?), Some(int32(max)?), None, Some(0), false)
        }
        Type::DOUBLE => {
            Statistics::double(Some(double(min)?), Some(double(max)?), None, Some(0), false)
        }
        Type::BYTE_ARRAY => Statistics::byte_array(
            Some(min.clone().into()),
            Some(max.clone().into()),
            None,
            Some(0),
            false,
        ),
        _ => return Err(wrong()),
    })
}
