//! Answers as bytes, batch by batch, so that no more of an answer than its bytes is ever in memory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::csv;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chengmai_model::text::for_a_sheet;
use datafusion::common::{DataFusionError, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::Format;
use super::readings::external;

/// An answer that is being written.
pub(super) struct Encoder {
    schema: SchemaRef,
    writer: Writer,
    rows: usize,
}

enum Writer {
    Json(Vec<u8>),
    Csv(Vec<u8>),
    Arrow(Box<StreamWriter<Vec<u8>>>),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl Encoder {
    pub(super) fn new(format: Format, schema: &Schema) -> Result<Self> {
        let schema = Arc::new(plain(schema));
        let writer = match format {
            Format::Json => Writer::Json(json_head(&schema)?),
            Format::Csv => {
                let mut bytes = Vec::new();
                csv_rows(&RecordBatch::new_empty(Arc::clone(&schema)), true, &mut bytes)?;
                Writer::Csv(bytes)
            }
            Format::Arrow => Writer::Arrow(Box::new(StreamWriter::try_new(Vec::new(), &schema)?)),
            Format::Parquet => {
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                let schema = Arc::clone(&schema);
                let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties));
                Writer::Parquet(Box::new(writer.map_err(external)?))
            }
        };
        Ok(Self { schema, writer, rows: 0 })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let batch = super::readings::batch_of(&self.schema, columns, batch.num_rows())?;
        match &mut self.writer {
            Writer::Json(bytes) => json_rows(&batch, self.rows == 0, bytes)?,
            Writer::Csv(bytes) => csv_rows(&batch, false, bytes)?,
            Writer::Arrow(writer) => writer.write(&batch)?,
            Writer::Parquet(writer) => writer.write(&batch).map_err(external)?,
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes so far, those that are still being packed included.
    pub(super) fn bytes(&self) -> usize {
        match &self.writer {
            Writer::Json(bytes) | Writer::Csv(bytes) => bytes.len(),
            Writer::Arrow(writer) => writer.get_ref().len(),
            Writer::Parquet(writer) => writer.bytes_written() + writer.in_progress_size(),
        }
    }

    pub(super) fn finish(self, cut: bool) -> Result<Vec<u8>> {
        match self.writer {
            Writer::Json(mut bytes) => {
                write!(bytes, "],\"row_count\":{},\"cut\":{cut}}}", self.rows).map_err(io)?;
                Ok(bytes)
            }
            Writer::Csv(bytes) => Ok(bytes),
            Writer::Arrow(mut writer) => {
                writer.finish()?;
                Ok(writer.into_inner()?)
            }
            Writer::Parquet(writer) => writer.into_inner().map_err(external),
        }
    }
}

/// Types that every reader of Arrow and Parquet knows.
fn plain(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
            DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
            DataType::Dictionary(_, values) if **values == DataType::Utf8 => DataType::Utf8,
            other => other.clone(),
        };
        Field::new(field.name(), kind, field.is_nullable())
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// What a column holds, in a word for the page that shows it.
fn word(kind: &DataType) -> &'static str {
    match kind {
        DataType::Utf8 => "text",
        DataType::Boolean => "boolean",
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => "time",
        kind if kind.is_integer() => "integer",
        kind if kind.is_numeric() => "number",
        _ => "other",
    }
}

/// A sheet must not take a citizen's words for a formula.
fn csv_rows(batch: &RecordBatch, with_header: bool, bytes: &mut Vec<u8>) -> Result<()> {
    let columns = batch.columns().iter().map(|column| match column.as_string_opt::<i32>() {
        Some(texts) => {
            let texts: StringArray = texts.iter().map(|text| text.map(for_a_sheet)).collect();
            Arc::new(texts) as ArrayRef
        }
        None => Arc::clone(column),
    });
    let batch = super::readings::batch_of(&batch.schema(), columns.collect(), batch.num_rows())?;
    let builder = csv::WriterBuilder::new().with_header(with_header);
    Ok(builder.build(bytes).write(&batch)?)
}

fn json_head(schema: &Schema) -> Result<Vec<u8>> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| serde_json::json!({"name": field.name(), "type": word(field.data_type())}));
    let columns = serde_json::Value::Array(columns.collect());
    let mut bytes = Vec::new();
    write!(bytes, "{{\"columns\":{columns},\"rows\":[").map_err(io)?;
    Ok(bytes)
}

fn json_rows(batch: &RecordBatch, mut is_first: bool, bytes: &mut Vec<u8>) -> Result<()> {
    let options = FormatOptions::new().with_display_error(true);
    let columns = batch.columns().iter().map(|column| {
        let is_bare = matches!(word(column.data_type()), "integer" | "number" | "boolean");
        Ok((column, is_bare, ArrayFormatter::try_new(column, &options)?))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        bytes.extend_from_slice(if is_first { b"[" } else { b",[" });
        is_first = false;
        for (place, (column, is_bare, formatter)) in columns.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            if column.is_null(row) {
                bytes.extend_from_slice(b"null");
                continue;
            }
            text.clear();
            write!(text, "{}", formatter.value(row)).map_err(external)?;
            if !is_bare {
                serde_json::to_writer(&mut *bytes, &text).map_err(external)?;
            } else if matches!(text.as_str(), "NaN" | "inf" | "-inf") {
                bytes.extend_from_slice(b"null");
            } else {
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        bytes.push(b']');
    }
    Ok(())
}

fn io(error: std::io::Error) -> DataFusionError {
    external(error)
}
